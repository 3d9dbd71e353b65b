"""What the tests of the push share: encoding once, and reading back what came out."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import attrs
import av
import pytest

from headend.presets import PRESETS
from headend.push import PatternSource, encode, read_frame_counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.presets import EncodingPreset
    from headend.rtmp.flv import Tag

TINY = attrs.evolve(PRESETS["480p"], name="tiny", width=320, height=180, video_bitrate=300_000)
"""A preset for tests that are not about the picture."""


@attrs.frozen
class Decoded:
    """What a decoder makes of a push; times in seconds."""

    width: int
    height: int
    counters: list[int | None]
    video_times: list[float]
    keys: list[int]
    sound: list[tuple[float, float]]
    """Time and value of every sample of the left channel."""

    def onsets(self) -> list[float]:
        """Return when sound begins after silence of a tenth of a second or more."""
        found: list[float] = []
        loud = -1.0
        for at, value in self.sound:
            if abs(value) > 0.05:
                if at - loud > 0.1:
                    found.append(at)
                loud = at
        return found


def flv_file(tags: list[Tag]) -> bytes:
    """Put tags into an FLV file (FLV specification, E.2 to E.4)."""
    out = bytearray(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
    for tag in tags:
        low, high = tag.timestamp & 0xFFFFFF, tag.timestamp >> 24
        out += bytes([tag.type]) + len(tag.payload).to_bytes(3, "big")
        out += low.to_bytes(3, "big") + bytes([high]) + b"\0\0\0" + tag.payload
        out += (11 + len(tag.payload)).to_bytes(4, "big")
    return bytes(out)


def decode_tags(tags: list[Tag]) -> Decoded:
    """Decode tags by PyAV, both pictures and sound."""
    data = flv_file(tags)
    counters, times, keys = [], [], []
    with av.open(io.BytesIO(data)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            plane = frame.planes[0]
            counters.append(
                read_frame_counter(memoryview(plane), frame.width, frame.height, plane.line_size)
            )
            times.append(frame.time)
            if frame.key_frame:
                keys.append(index)
        size = frame.width, frame.height
    sound = []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(audio=0):
            values = memoryview(frame.planes[0]).cast("f")[: frame.samples]
            sound += [
                (frame.time + index / frame.sample_rate, value)
                for index, value in enumerate(values)
            ]
    return Decoded(*size, counters, times, keys, sound)


@functools.cache
def _pattern_tags(preset: EncodingPreset, frame_count: int) -> tuple[Tag, ...]:
    return tuple(encode(PatternSource(frame_count=frame_count), preset))


@pytest.fixture
def tiny() -> EncodingPreset:
    return TINY


@pytest.fixture
def decode() -> Callable[[list[Tag]], Decoded]:
    return decode_tags


@pytest.fixture
def pattern_tags() -> Callable[[EncodingPreset, int], list[Tag]]:
    """Give a function: so many frames of the test picture, encoded (once per preset)."""
    return lambda preset, frame_count: list(_pattern_tags(preset, frame_count))


@pytest.fixture
def as_flv() -> Callable[[list[Tag]], bytes]:
    return flv_file
