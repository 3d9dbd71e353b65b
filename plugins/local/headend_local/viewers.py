"""Who watches a live stream, measured by what is fetched.

A viewer is a playback session: one token that the master playlist hands out
(`headend_local.viewer_tokens`) and that comes back with every address a player fetches.  It counts
while its last request is at most ten seconds old and at least one part or segment has been
delivered to it.  A player that stops fetching drops out by itself; nobody has to say good-bye.

Watch time is the play time of the distinct media that a session was given (a part and the segment
that contains it count once), and never more than the time from its first to its last request: what
a player has buffered ahead is delivered but not watched yet.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ALIVE_FOR: Final = 10.0
"""Seconds without a request after which a viewer is gone."""

MAX_SESSIONS: Final = 10_000
"""Sessions kept at once for one live stream; further ones are served but not counted."""

_KEPT_SEGMENTS: Final = 64
"""Segments whose parts a session is remembered by; far more than a window holds."""


@dataclass(slots=True)
class _Session:
    first_seen: float
    last_seen: float
    settled: float = 0.0
    """Seconds of segments that have left `delivered`."""
    delivered: OrderedDict[tuple[int, int], _Delivered] = field(default_factory=OrderedDict)

    @property
    def watching(self) -> bool:
        return bool(self.delivered) or self.settled > 0

    @property
    def watch_time(self) -> float:
        delivered = self.settled + sum(each.seconds for each in self.delivered.values())
        return min(delivered, self.last_seen - self.first_seen)


@dataclass(slots=True)
class _Delivered:
    whole: float = 0.0
    parts: dict[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return max(self.whole, sum(self.parts.values()))


class Viewers:
    """The viewers of one live stream.

    Args:
        clock: seconds that only ever grow.
        peak: the highest viewer count of earlier runs.
        watch_time: the seconds watched in earlier runs.
        alive_for: seconds without a request after which a viewer is gone.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        peak: int = 0,
        watch_time: float = 0.0,
        alive_for: float = ALIVE_FOR,
    ) -> None:
        self._clock = clock
        self._alive_for = alive_for
        self._peak = peak
        self._past_watch_time = watch_time
        self._timeline = 0
        self._watching = 0
        # In the order of their last request, so that those who left are always at the front.
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def seen(self, viewer: str) -> None:
        """Note a request of this viewer, whatever it asked for."""
        self._touch(viewer)

    def delivered(self, viewer: str, *, msn: int, part: int | None, duration: float) -> None:
        """Note that this viewer was given a part, or a whole segment.

        Args:
            viewer: the playback session.
            msn: media sequence number of the segment.
            part: index of the part in it, or `None` for the whole segment.
            duration: seconds of play time.
        """
        session = self._touch(viewer)
        if session is None:
            return
        if not session.watching:
            self._watching += 1
            self._peak = max(self._peak, self._watching)
        segment = session.delivered.setdefault((self._timeline, msn), _Delivered())
        if part is None:
            segment.whole = duration
        else:
            segment.parts[part] = duration
        while len(session.delivered) > _KEPT_SEGMENTS:
            session.settled += session.delivered.popitem(last=False)[1].seconds

    def new_timeline(self) -> None:
        """Note that media sequence numbers start again and stand for other media from now on."""
        self._timeline += 1

    @property
    def count(self) -> int:
        """Viewers now."""
        self._sweep()
        return self._watching

    @property
    def peak(self) -> int:
        """The highest viewer count ever."""
        return self._peak

    @property
    def watch_time(self) -> float:
        """Seconds watched by all viewers together, ever."""
        self._sweep()
        return self._past_watch_time + sum(each.watch_time for each in self._sessions.values())

    def _touch(self, viewer: str) -> _Session | None:
        self._sweep()
        now = self._clock()
        session = self._sessions.get(viewer)
        if session is not None:
            session.last_seen = now
            self._sessions.move_to_end(viewer)
        elif len(self._sessions) < MAX_SESSIONS:
            session = self._sessions[viewer] = _Session(first_seen=now, last_seen=now)
        return session

    def _sweep(self) -> None:
        """Let go of the viewers who have left, keeping what they watched."""
        horizon = self._clock() - self._alive_for
        while self._sessions:
            viewer, session = next(iter(self._sessions.items()))
            if session.last_seen >= horizon:
                return
            del self._sessions[viewer]
            self._past_watch_time += session.watch_time
            self._watching -= session.watching
