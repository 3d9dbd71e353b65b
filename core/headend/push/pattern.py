"""The test picture: colour bars, a bouncing ball, a frame counter, and a beep each second.

From top to bottom:

* the frame number as a barcode (see `headend.push.barcode` for its exact geometry);
* seven colour bars at 75 %, in front of which a ball bounces: it touches the ground at
  exactly every full second of media time and crosses the picture once in four seconds;
* a ramp of sixteen greys;
* a strip of snow, other noise in every frame: what does not compress makes the encoder use the
  whole bit rate, as a real picture would;
* the frame number in digits, at the right the wall-clock time (UTC) when the frame was drawn.

The tone: 1000 Hz for 100 ms, at a quarter of full scale, beginning with the first sample of
every frame whose number is divisible by the frame rate, silence in between.  Frame number and
tone together therefore measure how far sound and picture are apart at any later point.
"""

from __future__ import annotations

import math
import random
import time
from array import array
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from headend.push import glyphs
from headend.push.barcode import BLACK, WHITE, draw_barcode
from headend.push.pyav import av

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headend.presets import EncodingPreset

__all__ = ["TONE_DURATION", "TONE_FREQUENCY", "PatternSource", "tone"]

TONE_FREQUENCY: Final = 1000
"""Of the beep, in hertz."""

TONE_DURATION: Final = 0.1
"""Of the beep, in seconds."""

_TONE_AMPLITUDE: Final = 0.25

# 75 % colour bars in 8-bit BT.709, limited range (ITU-R BT.709-6, item 3 and 4):
# white, yellow, cyan, green, magenta, red, blue as (Y, Cb, Cr).
_BARS: Final = (
    (180, 128, 128),
    (168, 44, 136),
    (145, 147, 44),
    (133, 63, 52),
    (63, 193, 204),
    (51, 109, 212),
    (28, 212, 120),
)
_GREYS: Final = tuple(BLACK + step * (WHITE - BLACK) // 15 for step in range(16))
_NEUTRAL: Final = 128
_SNOW_DARKEST: Final = 96
_SNOW_STEP: Final = 104_729
_DIGITS: Final = 6
_CLOCK_CHARACTERS: Final = 8

# Lines at which one band ends and the next begins, in sixteenths of the height.
_BARS_TOP: Final = 2
_RAMP_TOP: Final = 10
_SNOW_TOP: Final = 11
_PANEL_TOP: Final = 12


class PatternSource:
    """The test picture as a source that never ends, or ends after a number of frames.

    Args:
        frame_count: how many video frames to give, `None` for no end.
        wall_clock: seconds since the epoch, for the time in the picture; `None` draws none.
    """

    def __init__(
        self,
        *,
        frame_count: int | None = None,
        wall_clock: Callable[[], float] | None = time.time,
    ) -> None:
        self._frame_count = frame_count
        self._wall_clock = wall_clock

    def frames(self, preset: EncodingPreset) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Give frames as `headend.push.MediaSource` describes."""
        painter = _Painter(preset.width, preset.height, preset.frame_rate)
        second = tone(preset.audio_sample_rate)
        number = 0
        while self._frame_count is None or number < self._frame_count:
            wall_time = None if self._wall_clock is None else self._wall_clock()
            yield painter.paint(number, wall_time)
            yield _sound(second, preset, number)
            number += 1


def tone(sample_rate: int) -> array[float]:
    """Return one second of the tone: samples from -1 to 1, the beep at its beginning."""
    step = 2 * math.pi * TONE_FREQUENCY / sample_rate
    return array(
        "f",
        [
            _TONE_AMPLITUDE * math.sin(step * sample)
            if sample < TONE_DURATION * sample_rate
            else 0.0
            for sample in range(sample_rate)
        ],
    )


def _sound(second: array[float], preset: EncodingPreset, number: int) -> av.AudioFrame:
    rate = preset.audio_sample_rate
    first = number * rate // preset.frame_rate
    count = (number + 1) * rate // preset.frame_rate - first
    offset = first % rate
    frame = av.AudioFrame(format="fltp", layout="stereo", samples=count)
    samples = second[offset : offset + count].tobytes()
    for plane in frame.planes:
        memoryview(plane)[: len(samples)] = samples
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = first
    return frame


class _Painter:
    """Paints frames of one size; what does not move is painted once and copied."""

    def __init__(self, width: int, height: int, frame_rate: int) -> None:
        self._width = width
        self._height = height
        self._frame_rate = frame_rate
        frame = av.VideoFrame(width, height, "yuv420p")
        self._strides = [plane.line_size for plane in frame.planes]
        self._still = [
            _still_plane(index, plane.line_size, plane.width, plane.height)
            for index, plane in enumerate(frame.planes)
        ]
        lines = height * _PANEL_TOP // 16 - height * _SNOW_TOP // 16
        self._snow_size = lines * self._strides[0]
        noise = random.Random(0).randbytes(4 * self._snow_size)  # noqa: S311  # no secret
        self._noise = noise.translate(bytes(_SNOW_DARKEST + value // 4 for value in range(256)))
        # Both texts and a margin of two dots have to fit beside and above each other.
        dots = (_DIGITS + 2) * glyphs.ADVANCE + _CLOCK_CHARACTERS * glyphs.ADVANCE // 2 + 6
        panel = height * (16 - _PANEL_TOP) // 16
        self._scale = max(1, min(panel // (glyphs.HEIGHT + 4), width // dots))
        self._radius = max(2, height // 14)

    def paint(self, number: int, wall_time: float | None) -> av.VideoFrame:
        frame = av.VideoFrame(self._width, self._height, "yuv420p")
        planes = [memoryview(plane) for plane in frame.planes]
        for plane, still in zip(planes, self._still, strict=True):
            plane[:] = still
        draw_barcode(planes[0], self._width, self._height, self._strides[0], number)
        self._ball(planes, number)
        self._snow(planes[0], number)
        self._text(planes[0], number, wall_time)
        frame.pts = number
        frame.time_base = Fraction(1, self._frame_rate)
        return frame

    def _ball(self, planes: list[memoryview], number: int) -> None:
        radius, rate = self._radius, self._frame_rate
        ground = self._height * _RAMP_TOP // 16 - radius
        rise = ground - self._height * _BARS_TOP // 16 - radius
        phase = number % rate / rate
        across = number % (8 * rate) / (4 * rate)
        x = radius + (1 - abs(1 - across)) * (self._width - 2 * radius)
        y = ground - 4 * phase * (1 - phase) * rise
        for plane, stride, shrink, value in zip(
            planes, self._strides, (1, 2, 2), (WHITE, _NEUTRAL, _NEUTRAL), strict=True
        ):
            line = bytes([value]) * (2 * radius)
            size = radius // shrink
            for step in range(-size, size + 1):
                half = math.isqrt(size * size - step * step)
                start = (int(y / shrink) + step) * stride + int(x / shrink) - half
                plane[start : start + 2 * half] = line[: 2 * half]

    def _snow(self, luma: memoryview, number: int) -> None:
        start = self._height * _SNOW_TOP // 16 * self._strides[0]
        # A large prime step keeps neighbouring frames far apart in the noise.
        offset = number * _SNOW_STEP % (len(self._noise) - self._snow_size)
        luma[start : start + self._snow_size] = self._noise[offset : offset + self._snow_size]

    def _text(self, luma: memoryview, number: int, wall_time: float | None) -> None:
        scale = self._scale
        top = self._height * _PANEL_TOP // 16 + 2 * scale
        self._write(luma, 2 * scale, top, scale, f"{number:0{_DIGITS}d}"[-8:])
        if wall_time is not None:
            small = max(1, scale // 2)
            text = f"{datetime.fromtimestamp(wall_time, UTC):%H:%M:%S}"
            left = self._width - 2 * scale - len(text) * glyphs.ADVANCE * small
            self._write(luma, left, top, small, text)

    def _write(self, luma: memoryview, left: int, top: int, scale: int, text: str) -> None:
        """Write a text, or leave it out where the picture is too small for it."""
        stride = self._strides[0]
        width = len(text) * glyphs.ADVANCE * scale
        if left < 0 or left + width > self._width or top + glyphs.HEIGHT * scale > self._height:
            return
        for row, line in enumerate(glyphs.text_rows(text, scale, WHITE, BLACK)):
            for y in range(top + row * scale, top + (row + 1) * scale):
                luma[y * stride + left : y * stride + left + len(line)] = line


def _still_plane(index: int, stride: int, width: int, height: int) -> bytes:
    """Paint what stays the same in plane `index` (Y, Cb, Cr): bars, ramp and black."""

    def line(values: tuple[int, ...]) -> bytes:
        edges = [round(step * width / len(values)) for step in range(len(values) + 1)]
        cells = (
            bytes([value]) * (edges[step + 1] - edges[step]) for step, value in enumerate(values)
        )
        return b"".join(cells).ljust(stride, b"\0")

    bars_top, ramp_top, snow_top = (height * row // 16 for row in (_BARS_TOP, _RAMP_TOP, _SNOW_TOP))
    ground = line((_NEUTRAL if index else BLACK,))
    bars = line(tuple(bar[index] for bar in _BARS))
    ramp = ground if index else line(_GREYS)
    return (
        ground * bars_top
        + bars * (ramp_top - bars_top)
        + ramp * (snow_top - ramp_top)
        + ground * (height - snow_top)
    )
