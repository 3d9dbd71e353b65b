"""`headend demo` does the whole job by itself, says what happened, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FIELDS = {
    "stream_id",
    "rtmp_push_url",
    "playback_url",
    "segments",
    "viewer_count",
    "peak_viewers",
    "current_bitrate",
    "total_watch_time",
    "seconds_to_playable",
    "ended",
}


@pytest.fixture
def run_demo(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the demo with a folder of its own for temporary files."""
    environment = {key: value for key, value in os.environ.items() if "HEADEND" not in key}

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "headend", "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **environment,
                "TMPDIR": str(tmp_path),
                "STREAMING_PLATFORM": "nonsense",
                "HEADEND_CONFIG": str(tmp_path / "nowhere.toml"),
                "HEADEND_DISABLE_PLUGINS": "*",
                "XDG_DATA_HOME": str(tmp_path),
            },
        )

    return start


def test_the_demo_ends_with_decoded_segments_and_real_figures(run_demo, tmp_path):
    demo = run_demo("--seconds", "3", "--preset", "480p", "--json")
    out, talk = demo.communicate(timeout=90)

    assert demo.returncode == 0, talk
    seen = json.loads(out)
    assert set(seen) == FIELDS
    assert seen["segments"] >= 2
    assert (seen["viewer_count"], seen["peak_viewers"], seen["ended"]) == (1, 1, True)
    assert 1_000_000 < seen["current_bitrate"] < 2_500_000
    assert 0 < seen["total_watch_time"] < 15
    assert 0 < seen["seconds_to_playable"] < 30
    assert seen["rtmp_push_url"].startswith("rtmp://127.0.0.1:")
    assert seen["stream_id"] in seen["playback_url"]
    assert seen["playback_url"] in talk
    assert list(tmp_path.iterdir()) == [], "its folder is removed"


def test_a_video_file_is_pushed_instead_of_the_test_picture(run_demo, clip_file):
    demo = run_demo("--seconds", "2", "--preset", "480p", "--json", "--source", str(clip_file))
    out, talk = demo.communicate(timeout=90)

    assert demo.returncode == 0, talk
    assert json.loads(out)["segments"] >= 1


def test_a_source_that_is_no_video_is_told_and_leaves_nothing(run_demo, tmp_path):
    source = tmp_path / "not-a-video.txt"
    source.write_text("words")
    demo = run_demo("--seconds", "2", "--source", str(source))
    _, talk = demo.communicate(timeout=90)

    assert demo.returncode == 2
    assert "not-a-video.txt" in talk
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_it_cleanly(run_demo, tmp_path, number):
    demo = run_demo("--preset", "480p")
    shown = ""
    while "It can be watched" not in shown:
        line = demo.stdout.readline()
        assert line, demo.stderr.read()
        shown += line
    demo.send_signal(number)
    out, talk = demo.communicate(timeout=60)

    assert demo.returncode == 0, talk
    assert "Traceback" not in talk
    assert "Ended" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_does_not_outlive_a_demo_that_is_killed(run_demo, tmp_path, eventually):
    demo = run_demo("--preset", "480p")
    while "push URL" not in demo.stdout.readline():
        assert demo.poll() is None
    demo.kill()
    demo.communicate()

    def server_runs() -> bool:
        return any(
            str(tmp_path).encode() in path.read_bytes()
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if path.parent.name != str(os.getpid()) and os.access(path, os.R_OK)
        )

    eventually(lambda: not server_runs(), "the server has stopped")


@pytest.fixture
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short video with odd proportions and no sound."""
    import av
    import numpy as np

    path = tmp_path_factory.mktemp("source") / "event.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 322, 182, "yuv420p"
        for number in range(50):
            picture = np.full((182, 322, 3), number * 5, dtype=np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
    return path
