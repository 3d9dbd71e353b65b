"""The FFmpeg lines of the documentation and of `headend encoder` work as they are printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import headend
from headend.cli.main import headend as command_line

PAGE = Path(__file__).parents[3] / "docs" / "encoders.md"


pytestmark = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(
        shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed"
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a video file that is neither as large nor as fast as any preset."""
    picture, tone = "testsrc2=size=320x240:rate=25:duration=6", "sine=frequency=440:duration=6"
    subprocess.run(
        [
            *("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi"),
            *("-i", tone, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
            str(tmp_path / "event.mp4"),
        ],
        check=True,
    )
    return tmp_path


def ingest_of(server, platform, made, line: str, folder: Path, **variables: str):
    """Run a line in a shell until its video can be watched; return what the server gets."""
    encoder = subprocess.Popen(
        ["sh", "-c", f"exec {line}"],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        platform.wait_until_playable(made.stream_id, 20)
        return server.control("GET", f"/live-streams/{made.stream_id}/analytics")["ingest"]
    finally:
        encoder.terminate()
        encoder.communicate()


def settings_of(server) -> dict[str, str]:
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    return {"url": server.http_url, "token": token}


def test_the_line_for_ffmpeg_makes_a_live_stream_playable(server, folder):
    (line,) = re.findall(r"```console\n(ffmpeg [^\n]+)\n```", PAGE.read_text(encoding="utf-8"))
    with headend.open("local", settings=settings_of(server)) as platform:
        made = platform.create_live_stream("ffmpeg")
        key = made.stream_key.reveal()
        ingest = ingest_of(
            server, platform, made, line, folder, PUSH_URL=made.rtmp_push_url, STREAM_KEY=key
        )

    assert (ingest["width"], ingest["height"]) == (1280, 720)
    assert ingest["key_frame_interval"] == pytest.approx(2.0, abs=0.05)
    assert ingest["audio_codec"] == "mp4a.40.2"


@pytest.mark.parametrize("show_key", [True, False])
def test_the_line_that_headend_encoder_prints_can_be_pasted(server, folder, monkeypatch, show_key):
    settings = settings_of(server)
    monkeypatch.setenv("HEADEND_LOCAL_URL", settings["url"])
    monkeypatch.setenv("HEADEND_LOCAL_TOKEN", settings["token"])
    with headend.open("local") as platform:
        made = platform.create_live_stream("ffmpeg")
        card = ["encoder", made.stream_id, "--for", "ffmpeg", "--preset", "480p"]
        card += ["--provider", "local", *(["--show-key"] if show_key else [])]
        shown = CliRunner().invoke(command_line, card, catch_exceptions=False).output
        key = {} if show_key else {"STREAM_KEY": made.stream_key.reveal()}
        ingest = ingest_of(server, platform, made, shown.splitlines()[0], folder, **key)

    assert (made.stream_key.reveal() in shown) == show_key
    assert (ingest["width"], ingest["height"]) == (854, 480)
    assert ingest["key_frame_interval"] == pytest.approx(2.0, abs=0.05)
