"""How fast media comes in: bits per second, frames per second."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW: Final = 5
"""Seconds that a bitrate is the mean of: two or more groups of pictures of a usual encoder."""

_FRAMES: Final = 300
"""Frames that a frame rate is measured over."""

_JUMP: Final = 10_000
"""Milliseconds from frame to frame that only a clock which was set can explain."""


class BitrateMeter:
    """Mean bitrate of the last five full seconds of a session.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()
        self._buckets: deque[int] = deque([0], maxlen=_WINDOW + 1)
        self._second = 0
        """Which second since the start the last bucket is."""

    def add(self, size: int) -> None:
        """Count `size` bytes of media that came in now."""
        self._advance()
        self._buckets[-1] += size

    def bits_per_second(self) -> int | None:
        """Return the bitrate, or `None` before the first full second."""
        self._advance()
        full = list(self._buckets)[:-1]
        return round(8 * sum(full) / len(full)) if full else None

    def _advance(self) -> None:
        second = math.floor(self._clock() - self._started)
        self._buckets.extend([0] * min(second - self._second, _WINDOW + 1))
        self._second = second


class FrameRateMeter:
    """Frame rate from the decoding times of the latest frames."""

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=_FRAMES)

    def add(self, dts: int) -> None:
        """Count a frame with this decoding time in milliseconds."""
        if self._times and not 0 < dts - self._times[-1] < _JUMP:
            self._times.clear()
        self._times.append(dts)

    def frames_per_second(self) -> float | None:
        """Return the frame rate, or `None` before the second frame."""
        if len(self._times) < 2:
            return None
        span = self._times[-1] - self._times[0]
        return round(1000 * (len(self._times) - 1) / span, 2)
