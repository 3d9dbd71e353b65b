"""What a provider may say, by what was really so: the truth of a simulated platform over time.

Platforms tell of a change a little later, so what was so at any time within `LAG` may still be
said, and what was so for all of that time must be.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.plugin import PlatformTruth

if TYPE_CHECKING:
    from headend.plugin import TrueLiveStream

LAG: Final = 60.0
"""Seconds after a change within which a platform may tell of what was before."""


@frozen
class Sample:
    """What was so at one moment, in seconds of the clock."""

    at: float
    truth: PlatformTruth


class History:
    """The truth, as it was looked at after every step."""

    def __init__(self, at: float, truth: PlatformTruth) -> None:
        self._samples = [Sample(at, truth)]
        self._most_viewers: dict[str, int] = {}
        self._watched: dict[str, float] = {}

    @property
    def now(self) -> PlatformTruth:
        """What is so now."""
        return self._samples[-1].truth

    def note(self, at: float, truth: PlatformTruth) -> None:
        """Add what is so at this moment."""
        before = self._samples[-1]
        self._samples.append(Sample(at, truth))
        for stream_id, one in truth.live_streams.items():
            # Between two looks there were never more than at the busier of them.
            busier = max(one.viewers, _viewers(before.truth.live_streams.get(stream_id)))
            watched = busier * (at - before.at)
            self._watched[stream_id] = self._watched.get(stream_id, 0.0) + watched
            most = max(self.viewers(stream_id)[1], self._most_viewers.get(stream_id, 0))
            self._most_viewers[stream_id] = most

    def recent(self, stream_id: str) -> list[TrueLiveStream]:
        """Return what a live stream was like within the last `LAG` seconds, and at their begin."""
        since = self._samples[-1].at - LAG
        found: list[TrueLiveStream] = []
        for sample in reversed(self._samples):
            one = sample.truth.live_streams.get(stream_id)
            if one is not None:
                found.append(one)
            if sample.at <= since:
                break
        return found

    def is_old(self, stream_id: str) -> bool:
        """Tell whether a live stream has been there for longer than `LAG` seconds."""
        since = self._samples[-1].at - LAG
        return any(
            sample.at <= since and stream_id in sample.truth.live_streams
            for sample in self._samples
        )

    def viewers(self, stream_id: str) -> tuple[int, int]:
        """Return the lowest and the highest viewer count that may be told now.

        Who has left may still be counted beside who has come since.
        """
        counts = [one.viewers for one in reversed(self.recent(stream_id))]
        arrivals = sum(max(0, after - before) for before, after in pairwise(counts))
        return min(counts), counts[0] + arrivals

    def most_viewers(self, stream_id: str) -> int:
        """Return the highest viewer count that may ever have been told."""
        return self._most_viewers.get(stream_id, 0)

    def most_watched(self, stream_id: str) -> float:
        """Return the seconds that all its viewers together have watched at most."""
        return self._watched.get(stream_id, 0.0)


def _viewers(one: TrueLiveStream | None) -> int:
    return 0 if one is None else one.viewers
