"""A real encoder against the server side."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from headend.rtmp import (
    AacConfig,
    AudioFrame,
    AvcConfig,
    PublishEnded,
    PublishRequested,
    ServerSession,
    Tag,
    VideoFrame,
    parse_audio,
    parse_video,
)
from headend.secret import Secret

if TYPE_CHECKING:
    from headend.rtmp import (
        ServerEvent,
    )

DEADLINE = 30.0


def publish_with_ffmpeg(*, accept: bool) -> tuple[list[ServerEvent], str]:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("the ffmpeg command is not installed")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        url = f"rtmp://127.0.0.1:{listener.getsockname()[1]}/live/a-stream-key"
        video = ["-f", "lavfi", "-i", "testsrc2=size=322x182:rate=30:duration=1"]
        audio = ["-f", "lavfi", "-i", "sine=sample_rate=48000:duration=1"]
        codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "15"]
        codecs += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"]
        command = [ffmpeg, "-v", "error", *video, *audio, *codecs, "-f", "flv", url]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(DEADLINE)
                session = ServerSession()
                events: list[ServerEvent] = []
                while not session.closing and (data := connection.recv(65536)):
                    new = session.receive(data)
                    events += new
                    if new and isinstance(new[-1], PublishRequested):
                        if accept:
                            session.accept_publish()
                        else:
                            session.refuse_publish("stream key refused")
                    connection.sendall(session.data_to_send())
            _, messages = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
    return events, messages


@pytest.mark.ffmpeg
def test_one_second_of_video_from_ffmpeg_arrives_whole() -> None:
    events, messages = publish_with_ffmpeg(accept=True)
    assert messages == ""
    assert events[0] == PublishRequested("live", Secret("a-stream-key"))
    assert events[-1] == PublishEnded()
    tags = [event for event in events if isinstance(event, Tag)]
    assert any(tag.payload.startswith(b"\x02\x00\x0aonMetaData") for tag in tags if tag.type == 18)

    pictures = [parse_video(tag.timestamp, tag.payload) for tag in tags if tag.type == 9]
    (config,) = [item for item in pictures if isinstance(item, AvcConfig)]
    assert config.codec.startswith("avc1.")
    assert (config.width, config.height) == (322, 182)
    frames = [item for item in pictures if isinstance(item, VideoFrame)]
    assert len(frames) == 30
    assert [frame.key for frame in frames] == [n % 15 == 0 for n in range(30)]
    shown = sorted(frame.dts + frame.cts for frame in frames)
    assert all(32 <= after - before <= 35 for before, after in itertools.pairwise(shown))

    sound = [parse_audio(tag.timestamp, tag.payload) for tag in tags if tag.type == 8]
    (aac,) = [item for item in sound if isinstance(item, AacConfig)]
    assert (aac.codec, aac.sample_rate, aac.channels) == ("mp4a.40.2", 48000, 2)
    # One second at 1024 samples an access unit, and the encoder's priming.
    assert 47 <= len([item for item in sound if isinstance(item, AudioFrame)]) <= 49


@pytest.mark.ffmpeg
def test_ffmpeg_shows_its_user_why_the_publish_was_refused() -> None:
    events, messages = publish_with_ffmpeg(accept=False)
    assert events == [PublishRequested("live", Secret("a-stream-key"))]
    assert "stream key refused" in messages
