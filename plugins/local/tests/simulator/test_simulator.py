"""The simulator of the provider ``local`` is its real server, in the time of a given clock."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import pytest

from headend.plugin import ConfigurationError, Simulator
from headend.rtmp.flv import Tag
from headend_contract.clock import START, ManualClock
from headend_contract.serving import Served
from headend_local.simulator import LocalSimulator, create_app, picture

Json = dict[str, Any]


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(time: ManualClock) -> Iterator[LocalSimulator]:
    made = create_app(clock=time, random=Random(1))
    yield made
    made.close()


@pytest.fixture
def http(app: LocalSimulator) -> Iterator[httpx.Client]:
    """A client of the control API."""
    with Served(app) as served:
        token = app.environment(served.url)["HEADEND_LOCAL_TOKEN"]
        with httpx.Client(
            base_url=served.url,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=20.0,
        ) as client:
            yield client


@pytest.fixture
def create(http: httpx.Client) -> Callable[..., Json]:
    def make(**fields: object) -> Json:
        body = {"channel_id": "1", **fields}
        answer = http.post("/api/v1/live-streams", json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make


@pytest.fixture
def show(http: httpx.Client) -> Callable[..., Json]:
    def get(made: Json, what: str = "") -> Json:
        answer = http.get(f"/api/v1/live-streams/{made['id']}{what}")
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    return get


def flv(tags: list[Tag]) -> bytes:
    """Put tags into a file (Adobe Flash Video File Format Specification, annex E)."""
    data = b"FLV\x01\x01\x00\x00\x00\x09" + bytes(4)
    for tag in tags:
        size = len(tag.payload)
        data += bytes((tag.type,)) + size.to_bytes(3, "big")
        data += (tag.timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes((tag.timestamp >> 24,))
        data += bytes(3) + tag.payload + (11 + size).to_bytes(4, "big")
    return data


def brightness(data: bytes) -> list[int]:
    """Decode pictures; return the brightness of each, from 0 to 255."""
    with av.open(io.BytesIO(data), "r") as container:
        return [
            int(frame.to_ndarray(format="yuv420p")[0, 0]) for frame in container.decode(video=0)
        ]


def test_it_is_a_simulator(app: LocalSimulator) -> None:
    assert isinstance(app, Simulator)
    assert app.describe_switches() == {}
    with pytest.raises(ConfigurationError):
        app.switch(list_lag=1)
    with pytest.raises(ConfigurationError):
        create_app(switches={"list_lag": 1})


def test_its_picture_is_one_that_players_decode() -> None:
    tags = [picture.configuration(), *(picture.frame(n, n * 500) for n in range(60))]

    assert brightness(flv(tags)) == [16 + n * 8 % 219 for n in range(60)]


def test_it_opens_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it listens")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_server", refuse)
    made = create_app()
    try:
        assert made.connect("no key") is None
    finally:
        made.close()


def test_closing_leaves_neither_folder_nor_thread() -> None:
    before = set(threading.enumerate())
    made = create_app()
    folder = Path(made._folder.name)
    assert (folder / "token").is_file()
    (thread,) = set(threading.enumerate()) - before

    made.close()

    assert not folder.exists()
    assert not thread.is_alive()


def test_a_closed_one_has_no_encoders(app: LocalSimulator, create: Callable[..., Json]) -> None:
    encoder = app.connect(create()["stream_key"])
    assert encoder is not None

    app.close()

    assert not encoder.connected
    encoder.leave()


def test_its_time_is_the_clocks(
    time: ManualClock, create: Callable[..., Json], show: Callable[..., Json]
) -> None:
    time.advance(3600)
    made = create()

    assert made["created_at"] == (START + timedelta(hours=1)).isoformat()
    time.advance(60)
    assert show(made, "/analytics")["as_of"] == (START + timedelta(hours=1, minutes=1)).isoformat()


def test_what_is_pushed_is_played_as_it_was_sent(
    app: LocalSimulator, time: ManualClock, create: Callable[..., Json], http: httpx.Client
) -> None:
    made = create()
    assert app.connect(made["stream_key"]) is not None
    time.advance(8.5)

    master = http.get(made["playback_url"])
    (address,) = (line for line in master.text.splitlines() if line and line[0] != "#")
    media = urljoin(made["playback_url"], address)
    lines = http.get(media).text.splitlines()
    (init,) = (line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP"))
    segments = [line for line in lines if line and line[0] != "#"]
    pieces = [http.get(urljoin(media, name)).content for name in (init, *segments)]

    assert brightness(b"".join(pieces)) == [16 + n * 8 for n in range(16)]


def test_viewers_are_measured_by_what_they_fetch(
    app: LocalSimulator,
    time: ManualClock,
    create: Callable[..., Json],
    show: Callable[..., Json],
) -> None:
    made = create()
    assert app.connect(made["stream_key"]) is not None
    time.advance(app.connect_time)

    app.watch(made["id"], 3)
    time.advance(60)
    seen = show(made, "/analytics")
    assert (seen["viewer_count"], seen["peak_viewers"], seen["total_watch_time"]) == (3, 3, 180.0)

    app.watch(made["id"], 1)
    time.advance(11)
    assert show(made, "/analytics")["viewer_count"] == 1


def test_a_bitrate_is_measured_over_the_clocks_seconds(
    app: LocalSimulator,
    time: ManualClock,
    create: Callable[..., Json],
    show: Callable[..., Json],
) -> None:
    made = create()
    assert app.connect(made["stream_key"]) is not None
    sent = 2 * 8 * len(picture.frame(0, 0).payload)

    time.advance(60)

    assert show(made, "/analytics")["current_bitrate"] == sent


def test_a_lost_encoder_is_waited_for_and_then_given_up(
    app: LocalSimulator,
    time: ManualClock,
    create: Callable[..., Json],
    show: Callable[..., Json],
) -> None:
    made = create()
    encoder = app.connect(made["stream_key"])
    assert encoder is not None
    time.advance(app.connect_time)

    encoder.leave()
    assert show(made)["state"] == "interrupted"
    time.advance(59)
    assert show(made)["state"] == "interrupted"
    time.advance(3)
    assert show(made)["state"] == "idle"


def test_an_encoder_is_told_why_it_is_sent_away(
    app: LocalSimulator, create: Callable[..., Json], http: httpx.Client, show: Callable[..., Json]
) -> None:
    made = create()
    encoder = app.connect(made["stream_key"])
    assert encoder is not None

    http.post(f"/api/v1/live-streams/{made['id']}/rotate-key")

    assert not encoder.connected
    assert show(made)["state_reason"] == "the stream key has been replaced"


def test_who_waits_for_the_next_segment_holds_nobody_up(
    app: LocalSimulator,
    time: ManualClock,
    create: Callable[..., Json],
    show: Callable[..., Json],
    http: httpx.Client,
) -> None:
    made = create(low_latency=True)
    assert app.connect(made["stream_key"]) is not None
    time.advance(4)
    page = made["player_url"]
    begun = http.get(f"{page}media.m3u8")
    number = begun.text.count("#EXTINF")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.get, f"{page}media.m3u8?_HLS_msn={number}")
        assert show(made)["state"] == "live"
        assert not waiting.done()
        time.advance(2)
        assert show(made)["state"] == "live"
        assert waiting.result().text.count("#EXTINF") == number + 1


def test_a_request_that_is_too_long_is_refused_by_the_server(http: httpx.Client) -> None:
    answer = http.post("/api/v1/live-streams", content=b" " * (1 << 21))

    assert answer.status_code == 413


def test_a_reset_keeps_the_token_and_nothing_else(
    app: LocalSimulator, create: Callable[..., Json], http: httpx.Client
) -> None:
    create()

    app.reset()

    answer = http.get("/api/v1/live-streams")
    assert (answer.status_code, answer.json()["live_streams"]) == (200, [])


def test_where_time_passes_by_itself_it_is_kept_up_with(
    eventually: Callable[..., None],
) -> None:
    class Counting(ManualClock):
        asked = 0

        def monotonic(self) -> float:
            self.asked += 1
            return super().monotonic()

    clock = Counting()
    made = create_app(clock=clock)
    try:
        asked = clock.asked
        eventually(lambda: clock.asked > asked, "somebody looked at the clock")
    finally:
        made.close()
