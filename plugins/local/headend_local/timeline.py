"""One clock for a session, made from the wrapping, jumping timestamps of its two tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["LONGEST_STEP", "Timeline"]

LONGEST_STEP: Final = 10_000
"""Milliseconds from one frame to the next of its track beyond which the clock has jumped."""

_WRAP: Final = 2**32
# Some encoders send frames a few milliseconds out of order or twice at the same one. Taking that
# for a jump would move the track against the other for good, a little more every time.
_JITTER: Final = 100
_AGREEMENT: Final = 1_000


@dataclass(slots=True)
class _Track:
    step: int
    raw: int = 0
    unwrapped: int = 0
    offset: int = 0
    last: int | None = None


class Timeline:
    """Turn RTMP timestamps into milliseconds that run on.

    RTMP timestamps are 32 bits wide and wrap after 49.7 days (RTMP 1.0 specification, 5.3.1).
    Where a track's clock steps back, or ahead by more than `LONGEST_STEP`, the track carries on
    by its usual step. The other track then follows the same jump by the same amount, so that
    sound and picture stay together; and a gap that the other track's clock confirms is no jump.
    """

    def __init__(self) -> None:
        self._reference: int | None = None
        # Until two frames have shown better: 30 frames per second, 1024 samples at 48 kHz.
        self._video = _Track(step=33)
        self._audio = _Track(step=21)

    def video(self, timestamp: int) -> int:
        """Return the time of a video frame in milliseconds; each is later than the one before."""
        before = self._video.last
        time = self._read(self._video, self._audio, timestamp)
        if before is not None and time <= before:
            time = self._video.last = before + 1
        return time

    def audio(self, timestamp: int) -> int:
        """Return the time of an access unit in milliseconds; it may be a little out of order."""
        return self._read(self._audio, self._video, timestamp)

    def shift_audio(self, by: int) -> None:
        """Move the audio clock by so many milliseconds."""
        self._audio.offset += by
        if self._audio.last is not None:
            self._audio.last += by

    def _read(self, track: _Track, other: _Track, raw: int) -> int:
        if self._reference is None:
            self._reference = raw
        last = track.last
        if last is None:
            track.unwrapped = self._reference + _difference(raw, self._reference)
            track.offset = other.offset
            time = track.unwrapped + track.offset
        else:
            track.unwrapped += _difference(raw, track.raw)
            time = track.unwrapped + track.offset
            if not last - _JITTER < time <= last + LONGEST_STEP:
                time = self._after_jump(track, other, last)
                track.offset = time - track.unwrapped
            elif last < time <= last + _AGREEMENT:
                track.step = time - last
        track.raw, track.last = raw, time
        return time

    def _after_jump(self, track: _Track, other: _Track, last: int) -> int:
        by_other = track.unwrapped + other.offset
        if other.last is not None and last < by_other and abs(by_other - other.last) <= _AGREEMENT:
            return by_other
        return last + track.step


def _difference(raw: int, reference: int) -> int:
    return (raw - reference + _WRAP // 2) % _WRAP - _WRAP // 2
