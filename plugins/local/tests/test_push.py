"""`headend push` to a running media server: what arrives, what is told, what it survives."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

import headend
from headend.push import PatternSource, Relay, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Start = Callable[..., subprocess.Popen[str]]

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def flv_file(tags: list[Any]) -> bytes:
    """Put tags into an FLV file (FLV specification, E.2 to E.4)."""
    out = bytearray(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
    for tag in tags:
        stamp = tag.timestamp.to_bytes(4, "big")
        out += bytes([tag.type]) + len(tag.payload).to_bytes(3, "big") + stamp[1:] + stamp[:1]
        out += b"\0\0\0" + tag.payload + (11 + len(tag.payload)).to_bytes(4, "big")
    return bytes(out)


@pytest.fixture(scope="module")
def clip_file(clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.flv"
    path.write_bytes(flv_file(clip.tags))
    return path


@pytest.fixture(scope="module")
def odd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upright video of odd proportions, of a varying frame rate, without sound."""
    path = tmp_path_factory.mktemp("odd") / "odd.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=1000, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 202, 358, "yuv420p"
        at = 0
        for number in range(60):
            frame = av.VideoFrame(202, 358, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 4]) * plane.buffer_size)
            frame.pts = at
            at += 20 if number % 20 < 10 else 80
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def settings_of(server) -> dict[str, str]:
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    return {"url": server.http_url, "token": token}


@pytest.fixture
def platform(server) -> Iterator[headend.StreamingPlatform]:
    with headend.open("local", settings=settings_of(server), database=None) as opened:
        yield opened


@contextmanager
def pushing(settings: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "headend", "push", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "STREAMING_PLATFORM": "local",
            "HEADEND_LOCAL_URL": settings["url"],
            "HEADEND_LOCAL_TOKEN": settings["token"],
        },
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def pushed(settings: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    with pushing(settings, *arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def lines_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_copy_reaches_the_viewer_bit_for_bit(server, platform, clip, clip_file, open_hls):
    made = platform.create_live_stream("copy")
    code, out, err = pushed(settings_of(server), made.stream_id, str(clip_file), "--copy", "--json")
    assert (code, err) == (0, "")
    started, *_, ended = lines_of(out)
    assert started["event"] == "started"
    assert started["copied"] is True
    assert ended["event"] == "ended"
    (target,) = ended["targets"]
    assert (target["sent_frames"], target["dropped_frames"]) == (150, 0)
    with open_hls(made.playback_url) as reader:
        (session,) = reader.sessions()
    assert session.video == clip.content.video
    assert session.audio == clip.content.audio
    assert session.pictures == clip.content.pictures


def test_any_file_is_encoded_to_the_preset(server, platform, odd_file, open_hls):
    made = platform.create_live_stream("odd")
    code, out, err = pushed(
        settings_of(server), made.stream_id, str(odd_file), "--preset", "480p", "--json"
    )
    assert (code, err) == (0, "")
    started, *events, ended = lines_of(out)
    assert started["reason"] == "it has no sound"
    assert {"connected", "stats"} <= {event["event"] for event in events}
    assert ended["time"] == pytest.approx(3.0, abs=0.2)
    assert ended["speed"] == pytest.approx(1.0, abs=0.2)
    master = server.get(made.playback_url).text
    assert "RESOLUTION=854x480" in master
    assert "FRAME-RATE=30" in master
    assert "mp4a.40.2" in master
    with open_hls(made.playback_url) as reader:
        (session,) = reader.sessions()
    assert len(session.video) == pytest.approx(90, abs=2)
    assert len(session.audio) > 130, "silence is sound, too"


def test_what_cannot_be_copied_is_refused_with_the_reason(server, platform, tmp_path):
    path = tmp_path / "film.webm"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libvpx", rate=30)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame(64, 64, "yuv420p")
        out.mux(video.encode(frame))
        out.mux(video.encode(None))
    made = platform.create_live_stream("refused")
    code, out, err = pushed(settings_of(server), made.stream_id, str(path), "--copy")
    assert (code, out) == (2, "")
    assert "the source cannot be copied: its video is vp8, not h264" in err
    assert "Traceback" not in err


def test_standard_input_is_pushed(server, platform, clip_file):
    made = platform.create_live_stream("pipe")
    with pushing(
        settings_of(server), made.stream_id, "-", "--copy", "--duration", "1", "--json"
    ) as process:
        # Not by communicate(), which takes no bytes in text mode.
        with suppress(BrokenPipeError), os.fdopen(os.dup(process.stdin.fileno()), "wb") as pipe:
            pipe.write(clip_file.read_bytes())
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert lines_of(out)[-1]["targets"][0]["sent_frames"] == pytest.approx(30, abs=3)


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_in_order(server, platform, clip_file, number):
    made = platform.create_live_stream("ctrl-c")
    settings = settings_of(server)
    with pushing(settings, made.stream_id, str(clip_file), "--copy", "--loop", "--json") as process:
        seen = []
        while not seen or seen[-1]["event"] != "stats":
            seen.append(json.loads(process.stdout.readline()))
        process.send_signal(number)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert (process.returncode, err) == (0, "")
    ended = lines_of(out)[-1]
    assert (ended["event"], ended["reason"]) == ("ended", "interrupted")
    assert ended["targets"][0]["state"] == "ended"
    assert platform.get_live_stream(made.stream_id).state is not headend.StreamState.LIVE


@posix_only
def test_it_takes_its_leave_when_nobody_reads_what_it_says(server, platform, clip_file, eventually):
    made = platform.create_live_stream("pipe-closed")
    settings = settings_of(server)
    with pushing(settings, made.stream_id, str(clip_file), "--copy", "--loop", "--json") as process:
        while json.loads(process.stdout.readline())["event"] != "connected":
            pass
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == ""
        process.stdout = None
    eventually(
        lambda: platform.get_live_stream(made.stream_id).state is not headend.StreamState.LIVE,
        "the server knows",
    )


def test_several_targets_get_the_same_and_a_lost_one_disturbs_none(
    server, platform, clip_file, eventually
):
    one, two, three = (platform.create_live_stream(f"many-{number}") for number in range(3))
    settings = settings_of(server)
    also = [f"--also=local:{other.stream_id}" for other in (two, three)]
    with pushing(
        settings, one.stream_id, str(clip_file), "--copy", "--json", "--duration=3", *also
    ) as process:
        eventually(
            lambda: platform.get_live_stream(two.stream_id).state is headend.StreamState.LIVE,
            "the second is live",
        )
        platform.end_live_stream(two.stream_id)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert f"1 of 3 targets failed: local:{two.stream_id}" in err
    events = lines_of(out)
    failed = [event for event in events if event["event"] == "target-failed"]
    assert [event["target"] for event in failed] == [f"local:{two.stream_id}"]
    states = {target["name"]: target for target in events[-1]["targets"]}
    for made in (one, three):
        target = states[f"local:{made.stream_id}"]
        assert (target["state"], target["sent_frames"]) == ("ended", 90)
    keys = [made.stream_key.reveal() for made in (one, two, three)]
    assert not [key for key in keys if key in out + err]


def test_a_live_stream_that_is_ended_ends_its_push_as_refused(
    server, platform, clip_file, eventually
):
    made = platform.create_live_stream("ended")
    settings = settings_of(server)
    with pushing(settings, made.stream_id, str(clip_file), "--copy", "--loop") as process:
        eventually(
            lambda: platform.get_live_stream(made.stream_id).state is headend.StreamState.LIVE,
            "it is live",
        )
        platform.end_live_stream(made.stream_id)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "refused the publish" in err
    assert made.stream_key.reveal() not in out + err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nothing.mp4"], 2, "there is no file nothing.mp4"),
        (["test", "--copy"], 2, "nothing to copy"),
        (["test", "--copy", "--transcode"], 2, "exclude each other"),
        (["test", "--preset", "721p"], 2, "did you mean 720p?"),
        (["test", "--also", "local"], 2, "PROVIDER:STREAM_ID"),
        (["test", "--also", "rtmp://here/live/KEY"], 2, "PROVIDER:STREAM_ID"),
        (["test", "--also", "local:unknown"], 3, "there is no live stream"),
        (["http://me:KEY@127.0.0.1:9/KEY?KEY"], 2, "http://127.0.0.1:9/… cannot be opened"),
    ],
)
def test_what_cannot_begin_is_told_at_once(server, platform, arguments, code, told):
    made = platform.create_live_stream("nothing")
    returned, out, err = pushed(settings_of(server), made.stream_id, *arguments)
    assert (returned, out) == (code, "")
    assert told in err
    assert "KEY" not in err
    assert "Traceback" not in err


# ---------------------------------------------------------------------- an ingest that dies


class Process:
    """A media server as a process on ports that stay the same."""

    def __init__(self, folder: Path) -> None:
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as free:
                ports.append(str(free.getsockname()[1]))
        self._command = [
            *(sys.executable, "-m", "headend", "server", "--until-stdin-closes"),
            *("--rtmp-port", ports[0], "--http-port", ports[1], "--data-dir", str(folder)),
        ]
        self.folder = folder
        self.ready: dict[str, str] = {}

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.ready = json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def test_an_ingest_that_is_killed_and_comes_back_is_found_again(tmp_path, eventually):
    source = PatternSource()
    server = Process(tmp_path)
    server.start()
    with closing_process(server):
        settings = {
            "url": server.ready["http_url"],
            "token": (tmp_path / "token").read_text().strip(),
        }
        with headend.open("local", settings=settings, database=None) as platform:
            made = platform.create_live_stream("killed")
            relay = Relay(source, [Target.of(platform, made.stream_id)], preset="480p")
            with relay:
                for number in range(2):
                    eventually(
                        lambda: (
                            relay.stats.targets[0].state == "live"
                            and relay.stats.targets[0].sent_frames > 0
                        ),
                        "it is live",
                        within=30,
                    )
                    server.kill()
                    eventually(
                        lambda: relay.stats.targets[0].state == "reconnecting", "it is missed"
                    )
                    server.start()
                    eventually(
                        lambda seen=number: relay.stats.targets[0].reconnects > seen,
                        "it is found again",
                        within=30,
                    )
                stats = relay.stats
            assert relay.error is None
            assert stats.targets[0].reconnects == 2
            assert stats.lag < 1.0, "the source went on"


@contextmanager
def closing_process(server: Process) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(AttributeError):
            server.kill()
