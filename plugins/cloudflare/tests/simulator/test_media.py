"""With media behind it, a live input has the media's address, state, viewers and pictures."""

from __future__ import annotations

import itertools
import threading
from random import Random

import httpx
import pytest
from attrs import define, evolve, field
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from headend.plugin import MediaStream, PlatformUnavailableError, Secret, StreamState
from headend_cloudflare.simulator import create_app
from headend_contract.serving import Served

PICTURE = "#EXTM3U\n# the media's own\n"


@define
class Real:
    """One live stream of the media."""

    stream: MediaStream
    state: StreamState = StreamState.IDLE
    viewers: int | None = 0
    enabled: bool = True


@define
class Media:
    """Media as `headend.plugin.MediaBackend` has it; tests push and watch by hand.

    Attributes:
        threads: in which threads it was called.
        gate: closed, it lets no call of `create` return.
    """

    hls_url: str
    streams: dict[str, Real] = field(factory=dict)
    threads: set[int] = field(factory=set)
    gate: threading.Event = field(factory=threading.Event)
    entered: threading.Event = field(factory=threading.Event)
    names: list[str] = field(factory=list)
    is_broken: bool = False
    numbers: itertools.count = field(factory=itertools.count)

    def create(self, name):
        self.check()
        self.entered.set()
        assert self.gate.wait(10)
        self.names.append(name)
        number = next(self.numbers)
        made = MediaStream(
            media_id=f"m{number}",
            server_url="rtmp://127.0.0.1:1935/live",
            stream_key=Secret(f"key{number}-0"),
            hls_url=self.hls_url,
        )
        self.streams[made.media_id] = Real(made)
        return made

    def rotate(self, media_id):
        self.check()
        real = self.streams[media_id]
        real.stream = evolve(real.stream, stream_key=Secret(f"key{media_id}-rotated"))
        real.state = StreamState.IDLE
        return real.stream

    def set_enabled(self, media_id, *, enabled):
        self.check()
        self.streams[media_id].enabled = enabled
        if not enabled:
            self.streams[media_id].state = StreamState.IDLE

    def state(self, media_id):
        self.check()
        real = self.streams.get(media_id)
        return StreamState.ENDED if real is None else real.state

    def viewer_count(self, media_id):
        self.check()
        real = self.streams.get(media_id)
        return None if real is None else real.viewers

    def end(self, media_id):
        self.check()
        self.streams.pop(media_id, None)

    def check(self):
        self.threads.add(threading.get_ident())
        if self.is_broken:
            raise PlatformUnavailableError("the media is away", provider="fake", operation="x")


@pytest.fixture(scope="module")
def pictures():
    """What serves the media's playlists."""

    async def answer(_request):
        return Response(PICTURE, media_type="application/vnd.apple.mpegurl")

    with Served(Starlette(routes=[Route("/{path:path}", answer)])) as served:
        yield served.url


@pytest.fixture
def media(pictures):
    made = Media(f"{pictures}/live/abc/index.m3u8")
    made.gate.set()
    return made


@pytest.fixture
def app(clock, media):
    return create_app(clock=clock, random=Random(7), media=media)


@pytest.fixture
def real(create, media):
    """A live input as the API gives it, and what is behind it."""
    made = create(meta={"name": "show"})
    (behind,) = media.streams.values()
    return made, behind


def test_the_push_address_and_key_are_the_medias(real, media, simulated):
    made, behind = real
    assert made["rtmps"] == {"url": "rtmp://127.0.0.1:1935/live", "streamKey": "key0-0"}
    assert simulated.keys == {"key0-0": made["uid"]}
    assert media.names == ["show"]
    assert behind.enabled is True


def test_a_live_input_without_a_name_is_named_by_its_id(create, media):
    made = create()
    assert media.names == [made["uid"]]


def test_the_state_and_the_viewers_are_the_medias(real, get, viewer, clock):
    made, behind = real
    assert get(made["uid"])["status"] is None
    behind.state = StreamState.CONNECTING
    assert get(made["uid"])["status"] is None
    behind.state, behind.viewers = StreamState.LIVE, 3
    assert get(made["uid"])["status"]["current"]["state"] == "connected"
    assert viewer.get(f"{made['uid']}/lifecycle").json()["live"] is True
    assert viewer.get(f"{made['uid']}/views").json() == {"liveViewers": 3}
    clock.advance(30)
    behind.state = StreamState.INTERRUPTED
    assert get(made["uid"])["status"]["current"]["state"] == "disconnected"
    behind.state = StreamState.LIVE
    assert get(made["uid"])["status"]["current"]["state"] == "reconnected"
    behind.state, behind.viewers = StreamState.IDLE, 0
    assert get(made["uid"])["status"]["current"]["state"] == "disconnected"


def test_a_broadcast_becomes_a_video_as_without_media(real, api, clock, get):
    made, behind = real
    behind.state = StreamState.LIVE
    (video,) = api.get("stream", params={"live_input_id": made["uid"]}).json()["result"]
    assert video["status"]["state"] == "live-inprogress"
    clock.advance(60)
    behind.state = StreamState.IDLE
    assert get(made["uid"])["status"]["current"]["state"] == "disconnected"
    clock.advance(1000)
    (video,) = api.get("stream", params={"live_input_id": made["uid"]}).json()["result"]
    assert (video["status"]["state"], video["duration"]) == ("ready", 60)


def test_a_broadcast_that_the_full_storage_refuses_is_told_once(real, simulated, get):
    made, behind = real
    simulated.store(1000)
    for _ in range(2):
        behind.state = StreamState.LIVE
        for _ in range(3):
            assert get(made["uid"])["status"]["current"]["state"] == "failed_to_connect"
        behind.state = StreamState.IDLE
        get(made["uid"])
    assert [one.kind for one in simulated.happened()] == ["live_input.errored"] * 2


def test_disabling_and_enabling_reach_the_media(real, api, get, clock):
    made, behind = real
    behind.state = StreamState.LIVE
    assert get(made["uid"])["status"]["current"]["state"] == "connected"
    api.post(f"stream/live_inputs/{made['uid']}/disable")
    assert (behind.enabled, behind.state) == (False, StreamState.IDLE)
    clock.advance(2)
    assert get(made["uid"])["status"]["current"]["state"] == "disconnected"
    api.put(f"stream/live_inputs/{made['uid']}", json={"enabled": True})
    assert behind.enabled is True


def test_a_live_input_that_is_created_disabled_is_so_in_the_media(create, media):
    create(enabled=False)
    (behind,) = media.streams.values()
    assert behind.enabled is False


def test_a_rotation_gives_the_medias_new_key(real, api, simulated):
    made, _ = real
    rotated = api.post(f"stream/live_inputs/{made['uid']}/rotate_keys").json()["result"]
    assert rotated["rtmps"]["streamKey"] == "keym0-rotated"
    assert simulated.keys == {"keym0-rotated": made["uid"]}


def test_deleting_and_resetting_end_what_is_behind(real, api, media, create, app):
    made, _ = real
    api.delete(f"stream/live_inputs/{made['uid']}")
    assert media.streams == {}
    create()
    app.reset()
    assert media.streams == {}


def test_pictures_pass_while_it_is_on_air_and_204_else(real, viewer, simulated):
    made, behind = real
    address = f"{made['uid']}/manifest/video.m3u8"
    assert viewer.get(address).status_code == 204
    behind.state = StreamState.LIVE
    answer = viewer.get(address)
    assert (answer.status_code, answer.text) == (200, PICTURE)
    assert simulated.requests[-1].path.endswith("/manifest/video.m3u8")
    plain = viewer.get(address, headers={"User-Agent": "curl/8"})
    assert (plain.status_code, plain.text) == (403, "error code: 1010")


def test_pictures_of_a_live_input_that_needs_a_token_need_one(create, media, viewer, api):
    made = create(recording={"requireSignedURLs": True})
    (behind,) = media.streams.values()
    behind.state = StreamState.LIVE
    assert viewer.get(f"{made['uid']}/manifest/video.m3u8").status_code == 401
    token = api.post(f"stream/{made['uid']}/token").json()["result"]["token"]
    assert viewer.get(f"{token}/manifest/video.m3u8").text == PICTURE


def test_a_call_of_the_media_holds_up_no_other_request(create, api, media, served, simulated):
    create()
    media.gate.clear()
    media.entered.clear()
    creating = threading.Thread(target=create)
    creating.start()
    try:
        assert media.entered.wait(10)
        with httpx.Client(
            base_url=str(api.base_url),
            headers=api.headers,
            trust_env=False,
            verify=False,
            timeout=10,
        ) as other:
            assert other.get("stream/live_inputs").json()["result"]["total"] == 1
            assert other.get("stream/storage-usage").status_code == 200
            (uid,) = simulated.inputs
            assert other.get(f"stream/live_inputs/{uid}").status_code == 200
    finally:
        media.gate.set()
        creating.join()
    assert len(simulated.inputs) == 2


def test_media_that_fails_is_an_internal_error_and_nothing_is_made(api, media, simulated, viewer):
    media.is_broken = True
    answer = api.post("stream/live_inputs", json={})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (500, 1000)
    assert simulated.inputs == {}
    media.is_broken = False
    made = api.post("stream/live_inputs", json={}).json()["result"]
    media.is_broken = True
    assert api.get(f"stream/live_inputs/{made['uid']}").status_code == 500
    assert viewer.get(f"{made['uid']}/lifecycle").status_code == 502
    media.is_broken = False
