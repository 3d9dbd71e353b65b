"""What an encoder pushes is what a viewer gets: every frame, every access unit, bit for bit.

Real H.264 with B-frames and AAC goes by RTMP to a running server; what comes back over HLS is taken
apart by FFmpeg's demuxer and decoded by its decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, Self

import pytest

if TYPE_CHECKING:
    from headend.rtmp.flv import Tag


class Decoded(Protocol):
    video: list[bytes]
    audio: list[bytes]
    pictures: list[str]


class Clip(Protocol):
    tags: list[Tag]
    content: Decoded


class LiveStream(Protocol):
    playback_url: str

    def push(self, tags: list[Tag]) -> None: ...
    def url(self, name: str) -> str: ...


class Server(Protocol):
    def create(self, *, low_latency: bool = True) -> LiveStream: ...


class Reader(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(self, *details: object) -> None: ...
    def sessions(self) -> list[Decoded]: ...


OpenHls = Callable[[str], Reader]


def assert_same(got: Decoded, source: Decoded) -> None:
    """Compare numbers first: they say more than a dump of bytes."""
    assert (len(got.video), len(got.audio)) == (len(source.video), len(source.audio))
    assert got.video == source.video
    assert got.audio == source.audio
    assert len(got.pictures) == len(source.pictures)
    assert got.pictures == source.pictures


def test_the_clip_is_what_it_should_be(clip: Clip) -> None:
    assert len(clip.content.video) == len(clip.content.pictures) == 150
    assert len(clip.content.audio) > 230
    # There are B-frames: some pictures are shown later than they are decoded.
    offsets = {int.from_bytes(tag.payload[2:5], "big") for tag in clip.tags if tag.type == 9}
    assert len(offsets) > 1


@pytest.mark.parametrize("name", ["index.m3u8", "plain.m3u8"])
def test_one_live_stream_comes_back_bit_for_bit(
    server: Server, clip: Clip, open_hls: OpenHls, name: str
) -> None:
    live_stream = server.create()
    live_stream.push(clip.tags)
    with open_hls(live_stream.url(name)) as reader:
        (session,) = reader.sessions()
    assert_same(session, clip.content)


def test_five_live_streams_at_once_come_back_bit_for_bit(
    server: Server, clip: Clip, open_hls: OpenHls
) -> None:
    live_streams = [server.create() for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda each: each.push(clip.tags), live_streams))
    for live_stream in live_streams:
        with open_hls(live_stream.playback_url) as reader:
            (session,) = reader.sessions()
        assert_same(session, clip.content)


def test_after_a_reconnect_both_sessions_are_there_bit_for_bit(
    server: Server, clip: Clip, open_hls: OpenHls
) -> None:
    live_stream = server.create()
    live_stream.push(clip.tags)
    live_stream.push(clip.tags)
    with open_hls(live_stream.playback_url) as reader:
        sessions = reader.sessions()
    assert len(sessions) == 2
    for session in sessions:
        assert_same(session, clip.content)
