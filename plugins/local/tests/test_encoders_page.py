"""The FFmpeg line of the documentation works as it is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import headend

PAGE = Path(__file__).parents[3] / "docs" / "encoders.md"


@pytest.mark.ffmpeg
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
def test_the_line_for_ffmpeg_makes_a_live_stream_playable(server, tmp_path):
    (line,) = re.findall(r"```console\n(ffmpeg [^\n]+)\n```", PAGE.read_text(encoding="utf-8"))
    source = tmp_path / "event.mp4"
    picture, tone = "testsrc2=size=320x240:rate=25:duration=6", "sine=frequency=440:duration=6"
    subprocess.run(
        [
            *("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi"),
            *("-i", tone, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", str(source)),
        ],
        check=True,
    )
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    settings = {"url": server.http_url, "token": token}
    with headend.open("local", settings=settings) as platform:
        made = platform.create_live_stream("ffmpeg")
        encoder = subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PUSH_URL": made.rtmp_push_url,
                "STREAM_KEY": made.stream_key.reveal(),
            },
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            platform.wait_until_playable(made.stream_id, 20)
            ingest = server.control("GET", f"/live-streams/{made.stream_id}/analytics")["ingest"]
        finally:
            encoder.terminate()
            encoder.communicate()

    assert (ingest["width"], ingest["height"]) == (1280, 720)
    assert ingest["key_frame_interval"] == pytest.approx(2.0, abs=0.05)
    assert ingest["audio_codec"] == "mp4a.40.2"
