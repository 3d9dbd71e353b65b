"""What docs/cloudflare.md has a newcomer type works as it stands there, without an account.

Everything runs in processes of its own: the media server, the simulator, each command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from attrs import fields

import headend
from headend.fetch import Response, fetch
from headend.presets import EncodingPreset
from headend.push import HlsViewer, PatternSource, Push
from headend.rtmp import PublishConnection
from headend.settings import describe_settings
from headend_cloudflare.settings import CloudflareOptions, CloudflareSettings
from headend_contract.documented import Page
from headend_contract.process import (
    eventually,
    run_command,
    run_program,
    running_command,
    value_of_command,
)

PAGE = Page.read(Path(__file__).parents[3] / "docs" / "cloudflare.md")

Environment = Mapping[str, str]


# ---------------------------------------------------------------------- without an account


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The simulator as the page has it started, and the variables that it says to set."""
    line, *_ = PAGE.part("Try it without an account").commands
    folder = str(tmp_path_factory.mktemp("newcomer"))
    with running_command(f"{line} --port 0", {"HEADEND_DATA_DIR": folder}) as running:
        assert running.ready["provider"] == "cloudflare"
        yield {**running.environment, "HEADEND_DATA_DIR": folder}


def test_what_the_page_has_typed_works_from_the_first_line_to_the_last(simulator):
    start, *lines = PAGE.part("Try it without an account").commands
    assert start == "headend simulate cloudflare"
    stream_id = ""
    for line in lines:
        done = run_command(line.replace("STREAM_ID", stream_id), simulator)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if line.startswith("headend create"):
            found = re.search(r"\b[0-9a-f]{32}\b", done.stdout)
            assert found, done.stdout
            stream_id = found[0]
    assert [line.split()[1] for line in lines] == [
        "check",
        "create",
        "list",
        "show",
        "analytics",
        "end",
    ]
    assert run_command(f"headend show {stream_id}", simulator).returncode == 3


def test_a_program_gets_the_same_values(simulator):
    made = value_of_command("headend create 42 --provider cloudflare", simulator)
    stream_id = made["stream_id"]
    customer_url = simulator["CLOUDFLARE_STREAM_API_URL"].removesuffix("/client/v4")
    assert made["stream_key"] is None
    assert str(made["rtmp_push_url"]).startswith("rtmps://")
    assert str(made["playback_url"]).startswith(f"{customer_url}/customer-")
    assert str(made["playback_url"]).endswith(f"/{stream_id}/manifest/video.m3u8")

    figures = value_of_command(f"headend analytics {stream_id} --provider cloudflare", simulator)
    assert figures["viewer_count"] == 0
    unknown = figures["unknown"]
    assert isinstance(unknown, dict)
    assert set(unknown) == {"current_bitrate", "peak_viewers", "total_watch_time"}

    ended = value_of_command(f"headend end {stream_id} --provider cloudflare", simulator)
    assert (ended["outcome"], ended["recordings_kept"]) == ("ended", [])


def test_a_wrong_token_is_refused_and_not_shown(simulator):
    wrong = {**simulator, "CLOUDFLARE_STREAM_API_TOKEN": "planted" + "x" * 33}
    done = run_command("headend create 42 --provider cloudflare --json", wrong)

    assert (done.returncode, done.stdout) == (4, "")
    assert "CLOUDFLARE_STREAM_API_TOKEN" in done.stderr
    assert "planted" not in done.stderr


# ---------------------------------------------------------------------- with a picture

SMALL = EncodingPreset(
    name="small", width=320, height=180, video_bitrate=400_000, keyframe_interval=1
)


@pytest.fixture(scope="module")
def with_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The local server and the simulator before it, as the page has them started."""
    server_line, simulator_line = PAGE.part("With a picture").commands
    assert (server_line, simulator_line) == (
        "headend server",
        "headend simulate cloudflare --media local",
    )
    folder = {"HEADEND_DATA_DIR": str(tmp_path_factory.mktemp("pictures"))}
    with (
        running_command(f"{server_line} --rtmp-port 0 --http-port 0", folder) as server,
        running_command(
            f"{simulator_line} --port 0", {**folder, **server.environment}
        ) as simulator,
    ):
        yield {**simulator.environment, **folder}


@pytest.fixture
def host(with_pictures: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with the variables that the simulator says to set."""
    for name, value in with_pictures.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("host")
def test_a_pushed_test_picture_plays_at_the_address_that_the_plugin_gives():
    with headend.open("cloudflare") as platform:
        stream = platform.create_live_stream(channel_id=42, low_latency=True)
        manifest = rf"customer-[a-z0-9]+/{stream.stream_id}/manifest/video\.m3u8\?protocol=llhls"
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/{manifest}", stream.playback_url)
        assert platform.get_live_stream(stream.stream_id).state is headend.StreamState.IDLE
        assert look(stream.playback_url).status == 204

        def connect() -> PublishConnection:
            return PublishConnection.connect(stream.rtmp_push_url, stream.stream_key)

        with Push(PatternSource(), SMALL, connect):
            assert platform.wait_until_playable(stream.stream_id, 30) == stream.playback_url
            assert platform.get_live_stream(stream.stream_id).state is headend.StreamState.LIVE
            *_, variant = look(stream.playback_url).body.decode().split()
            assert b"#EXT-X-PART:" in look(urljoin(stream.playback_url, variant)).body
            with HlsViewer(stream.playback_url) as viewer:
                seen = eventually(lambda: viewer.stats.frame_counter, "a picture was decoded")
                assert seen >= 0
                figures = platform.get_analytics(stream.stream_id)
                assert figures.viewer_count == 1
        ended = platform.end_live_stream(stream.stream_id)
        assert ended.outcome is headend.EndOutcome.ENDED
        with pytest.raises(headend.StreamNotFoundError):
            platform.get_live_stream(stream.stream_id)
        assert look(stream.playback_url).status == 404


def test_the_pages_program_pushes_and_plays(with_pictures):
    program, *_ = PAGE.part("With a picture").blocks("python")
    done = run_program(program, with_pictures, typed="\n")
    assert done.returncode == 0, done.stderr
    url, state, *_, outcome = done.stdout.split()
    assert url.endswith("/manifest/video.m3u8")
    assert (state, outcome) == ("live", "ended")


def look(url: str) -> Response:
    """Load an address as a browser would."""
    return fetch(url, timeout=10, max_bytes=1 << 20, headers={"User-Agent": "Mozilla/5.0"})


# ---------------------------------------------------------------------- the rest of the page


def test_the_page_names_every_setting_and_every_option():
    variables = [one.env for one in describe_settings(CloudflareSettings)]
    named = re.findall(r"`(CLOUDFLARE_[A-Z_]+)`", PAGE.part("Set it up").text)
    assert sorted(set(named)) == sorted(variables)

    options = [one.name for one in fields(CloudflareOptions)]
    listed = PAGE.part("What each operation does").text
    rows = re.findall(r"^\| `([a-z_]+)` \|", listed, re.MULTILINE)
    assert rows == options


def test_the_pages_receiver_takes_a_genuine_event_and_no_other():
    program, *_ = PAGE.part("Events").blocks("python")
    names: dict[str, Any] = {}
    exec(program, names)
    settings = {
        "account_id": "0" * 32,
        "api_token": "t",
        "notification_secret": "planted-secret",
    }
    body = json.dumps(
        {
            "data": {
                "event_type": "live_input.connected",
                "input_id": "a" * 32,
                "updated_at": "2030-01-02T03:04:05.123456789Z",
            }
        }
    ).encode()
    with headend.open("cloudflare", settings=settings, database=None) as platform:
        headers = {"Cf-Webhook-Auth": "planted-secret"}
        assert names["receive"](platform, headers, body) == "a" * 32
        with pytest.raises(headend.AuthenticationError):
            names["receive"](platform, {"Cf-Webhook-Auth": "guess"}, body)
