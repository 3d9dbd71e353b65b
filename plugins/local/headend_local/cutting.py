"""Where parts and segments end: the cutting of one track into them, frame by frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cutter", "CuttingRules", "LeadSample", "PartCut", "SegmentEnd"]

LONGEST_FIRST_SEGMENT: Final = 12.0
"""Seconds after which the first segment is cut even if no key frame has come."""

# draft-pantos-hls-rfc8216bis, EXT-X-PART: all but the last part of a segment last at least so much
# of the part target.
_SHORTEST_PART: Final = 0.85
# Encoders' clocks wander by some milliseconds: a group of "2 s" may come as 1.99 s or as 2.01 s.
_TOLERANCE: Final = 0.05
_OVER_WHOLE_SECONDS: Final = 0.1


class LeadSample(NamedTuple):
    """A frame of the track that is cut by; times in ticks."""

    time: int
    """Decoding time on the timeline of its period."""
    key: bool
    composition_offset: int
    data: bytes


class PartCut(NamedTuple):
    """A part: what begins in it, with durations. Times in ticks."""

    start: int
    end: int
    samples: list[tuple[LeadSample, int]]
    """Each sample that begins in the part, and its duration. Empty within a very long frame."""

    @property
    def independent(self) -> bool:
        """Whether decoding can start at the start of the part."""
        if not self.samples:
            return False
        first = self.samples[0][0]
        return first.key and first.time == self.start


class SegmentEnd(NamedTuple):
    """The end of a segment: the part before was its last."""

    duration: float
    """Seconds."""


@dataclass(slots=True)
class CuttingRules:
    """How long parts and segments are, for all the sessions of one playlist. In seconds."""

    part_duration: float
    segment_duration: float
    target_duration: int | None = None
    """``EXT-X-TARGETDURATION``, once it is fixed: it must not change (RFC 8216, 6.2.1)."""

    @property
    def shortest_segment(self) -> float:
        """The duration from which on a segment counts as one of full length."""
        return self.segment_duration * (1 - _TOLERANCE)

    @property
    def latest_key_frame(self) -> float:
        """How long to go on for a key frame that is due after the segment duration."""
        return self.segment_duration * (1 + _TOLERANCE)

    def longest_segment(self, scale: int) -> int:
        """Ticks that no segment exceeds, with `scale` ticks to the second.

        The duration of a segment, *rounded*, must not exceed the target (RFC 8216, 4.3.3.1): a
        group slightly longer than the first is left whole.
        """
        if self.target_duration is None:
            return int(max(LONGEST_FIRST_SEGMENT, self.segment_duration) * scale)
        return (2 * self.target_duration + 1) * scale // 2 - 1

    def fix_target(self, duration: float) -> None:
        """Fix the target duration, unless it is, by a segment of so many seconds.

        It is rounded up, so that groups of 8.33 s give 9 and those between have room; except
        within a tenth of a second, so that groups of 2.002 s (60 frames at 29.97) give 2.
        """
        if self.target_duration is None:
            whole = math.ceil(round(duration - _OVER_WHOLE_SECONDS, 6))
            self.target_duration = max(math.ceil(self.segment_duration), whole)


class Cutter:
    """Cut one track, whose frames come in decoding order, into parts and segments.

    A frame is kept until the next one tells how long it lasts. A segment ends at the first key
    frame at or after the segment duration; between frames only where it would get longer than the
    rules allow. A part ends between frames; only where frames last so long that no whole number of
    them makes a part does it end within a frame, which then belongs to the part in which it begins.
    """

    def __init__(self, scale: int, rules: CuttingRules, *, usual_duration: int) -> None:
        """Begin a track whose first frame is at 0.

        Args:
            scale: ticks to the second.
            rules: what to keep to; the first segment of full length fixes its target duration.
            usual_duration: ticks that a frame lasts if there is nothing to tell it by.
        """
        self.scale = scale
        self._usual_duration = usual_duration
        self._rules = rules
        self._part = max(1, int(rules.part_duration * scale))
        self._held: LeadSample | None = None
        self._newest = 0
        self._last_duration: int | None = None
        self._samples: list[tuple[LeadSample, int]] = []
        self._part_start = 0
        self._segment_start = 0
        self._newest_key = 0

    @property
    def newest(self) -> int:
        """Decoding time of the newest frame, in ticks."""
        return self._newest

    @property
    def usual_end(self) -> int:
        """Where the newest frame ends if it lasts as long as the one before, in ticks."""
        return self.newest + (self._last_duration or self._usual_duration)

    def add(self, sample: LeadSample) -> Iterator[PartCut | SegmentEnd]:
        """Take the next frame; yield what ends with it. Exhaust before the next call."""
        if self._held is not None:
            yield from self._place(self._held, sample.time, before_key=sample.key)
        self._held = sample
        self._newest = sample.time

    def finish(self, end: int) -> Iterator[PartCut | SegmentEnd]:
        """Take the end of the last frame, in ticks; yield all that is left."""
        if self._held is None:
            return
        held, self._held = self._held, None
        end = max(end, held.time + 1)
        yield from self._place(held, end, before_key=False)
        yield from self._end_segment(end)

    def _place(
        self, sample: LeadSample, end: int, *, before_key: bool
    ) -> Iterator[PartCut | SegmentEnd]:
        start, duration = sample.time, end - sample.time
        longest = self._rules.longest_segment(self.scale)
        if start > self._segment_start and end - self._segment_start > longest:
            yield from self._end_segment(start)
        elif end - self._part_start > self._part and self._long_enough(start):
            yield self._end_part(start)
        self._samples.append((sample, duration))
        if sample.key:
            self._newest_key = start
        while True:
            longest = self._rules.longest_segment(self.scale)
            at = min(self._part_start + self._part, self._segment_start + longest)
            if at >= end:
                break
            if at == self._segment_start + longest:
                yield from self._end_segment(at)
            else:
                yield self._end_part(at)
        # The next frame will probably last as long as the last two did, or the shorter of them.
        usual = duration if self._last_duration is None else min(duration, self._last_duration)
        self._last_duration = duration
        elapsed = end - self._segment_start
        if (before_key and self._ends_at_key(end)) or elapsed + usual > longest:
            yield from self._end_segment(end)
        elif end - self._part_start + usual > self._part and self._long_enough(end):
            yield self._end_part(end)

    def _ends_at_key(self, end: int) -> bool:
        """Whether the segment ends at the key frame that comes at `end`."""
        elapsed = end - self._segment_start
        if elapsed >= self._rules.segment_duration * self.scale:
            return True
        if elapsed < self._rules.shortest_segment * self.scale:
            return False
        # A little early: only if the next key frame would be late.
        next_key_frame = elapsed + end - self._newest_key
        return next_key_frame > self._rules.latest_key_frame * self.scale

    def _long_enough(self, end: int) -> bool:
        return end - self._part_start >= _SHORTEST_PART * self._part

    def _end_part(self, end: int) -> PartCut:
        part = PartCut(self._part_start, end, self._samples)
        self._samples = []
        self._part_start = end
        return part

    def _end_segment(self, end: int) -> Iterator[PartCut | SegmentEnd]:
        if end > self._part_start:
            yield self._end_part(end)
        if end > self._segment_start:
            duration = (end - self._segment_start) / self.scale
            if duration >= self._rules.shortest_segment:
                self._rules.fix_target(duration)
            self._segment_start = end
            yield SegmentEnd(duration)
