"""Looking at all live streams of one or several providers, again and again.

::

    with headend.open() as platform, headend.open_costs() as book:
        for view in headend.Watch([platform], book).run():
            for row in view.rows:
                print(row.name, row.state, row.viewers.value, row.session_cost.amount)

Each look tells the ledger what was seen: it is from this that peaks, watch times and costs are
worked out where a platform does not tell them.  Any number of watchers may run on one ledger:
what lies between two looks counts once, whoever made them.
"""

from __future__ import annotations

import logging
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from headend.clock import SystemClock
from headend.models import StreamState
from headend.watch.costing import Costing
from headend.watch.keeping import Keeper
from headend.watch.polling import ON_AIR, Poll
from headend.watch.view import CostFigure, Figure, WatchedProvider, WatchRow, WatchView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from headend.clock import Clock
    from headend.costs.book import CostBook
    from headend.errors import HeadendError
    from headend.ledger.usage import LastSeen, StreamRef
    from headend.platform import StreamingPlatform
    from headend.watch.costing import Sums
    from headend.watch.polling import Seen

INTERVAL: Final = 10.0
"""Seconds from one look to the next."""

SHORTEST: Final = 1.0
"""Seconds; who looks more often learns nothing more and takes others' turns."""

_ORDER: Final = (
    StreamState.LIVE,
    StreamState.INTERRUPTED,
    StreamState.CONNECTING,
    StreamState.ERROR,
    StreamState.UNKNOWN,
    StreamState.IDLE,
    StreamState.DISABLED,
    StreamState.ENDED,
)
_NOT_LIVE: Final = "it is not live"
_NOT_ASKED: Final = "it was not asked for yet"
_NOT_SEEN: Final = "the ledger does not tell since when it has been live"
_SINCE_SEEN: Final = "since it was first seen to be live"
_COUNTED: Final = "the highest of the counts that were seen"
_SUMMED: Final = "the viewers that were counted, times the time until the next count"
_NO_COSTS: Final = "costs have not been worked out since it went live"

_log: Final = logging.getLogger("headend.watch")


class Watch:
    """Watches the live streams of some providers.  It is for one thread."""

    def __init__(
        self,
        platforms: Sequence[StreamingPlatform],
        book: CostBook,
        *,
        interval: float = INTERVAL,
        clock: Clock | None = None,
    ) -> None:
        """Make a watcher; nothing is asked yet.

        Args:
            platforms: the opened providers; they stay the caller's.
            book: the costs of the same ledger; it stays the caller's, too.
            interval: seconds from one look to the next, `SHORTEST` at least.
            clock: tells the time and waits; the machine's where none is given.

        Raises:
            ValueError: there is no platform, one provider is there twice, or the interval is too
                short.
        """
        names = [one.provider for one in platforms]
        if not names:
            raise ValueError("there must be a platform to watch")
        if len(set(names)) < len(names):
            raise ValueError(f"each provider is watched once, and not {', '.join(names)}")
        if not interval >= SHORTEST:
            raise ValueError(f"the interval must be at least {SHORTEST:g} s, not {interval:g} s")
        self._clock = clock or SystemClock()
        self._interval = interval
        self._book = book
        self._keeper = Keeper(book, self._clock)
        self._costing = Costing(book, self._keeper, self._clock)
        self._looks = [_Look(Poll(one, self._keeper, self._clock)) for one in platforms]

    @property
    def failures(self) -> Mapping[str, HeadendError]:
        """Why the last look at a provider broke off, by the provider's name."""
        polls = [one.poll for one in self._looks]
        return {one.platform.provider: one.problem for one in polls if one.problem is not None}

    def run(self) -> Iterator[WatchView]:
        """Look, and give what was seen; again after the interval, for ever.

        A look that takes longer than the interval is followed by the next one at once.  What a
        provider that does not answer was last seen to do is given meanwhile, marked as stale.
        """
        while True:
            begin = self._clock.monotonic()
            yield self.look(patience=self._interval)
            left = begin + self._interval - self._clock.monotonic()
            if left > 0:
                self._clock.sleep(left)

    def look(self, *, patience: float | None = None, thoroughly: bool = False) -> WatchView:
        """Look at all providers at the same time, tell the ledger, and return what was seen.

        Args:
            patience: seconds to wait for providers that do not answer; their looks go on behind
                this one's back.  `None`: until all have answered or failed.
            thoroughly: look at every live stream, however many there are; without it, those in
                which nothing goes on are looked at in turn.
        """
        until = None if patience is None else monotonic() + patience
        for look in self._looks:
            look.begin(self._clock.now(), thoroughly=thoroughly)
        for look in self._looks:
            look.wait(None if until is None else until - monotonic())
        self._book.check_budgets_soon()
        return self._view()

    def _view(self) -> WatchView:
        last = self._keeper.last_seen()
        on = {
            ref: last[ref].live_since
            for look in self._looks
            for one in look.poll.streams
            if one.is_on and (ref := look.poll.ref(one.stream.stream_id)) in last
        }
        live = {ref: since for ref, since in on.items() if since is not None}
        sums = self._costing.sums(live)
        now = self._clock.now()
        rows = [
            self._row(look, one, last, sums, now)
            for look in self._looks
            for one in look.poll.streams
        ]
        return WatchView(
            at=now,
            interval=self._interval,
            is_kept=self._keeper.is_kept,
            ledger_problem=self._keeper.problem,
            providers=tuple(look.told() for look in self._looks),
            rows=tuple(sorted(rows, key=_rank)),
            month=None if sums is None else str(sums.month),
            spent=None if sums is None else sums.spent,
            forecast=None if sums is None else sums.forecast,
            budgets=() if sums is None else sums.budgets,
            costs_at=None if sums is None else sums.at,
            costs_problem=self._costing.problem,
        )

    def _row(
        self,
        look: _Look,
        seen: Seen,
        last: Mapping[StreamRef, LastSeen],
        sums: Sums | None,
        now: datetime,
    ) -> WatchRow:
        ref = look.poll.ref(seen.stream.stream_id)
        known = last.get(ref) if seen.is_on else None
        begun_at = None if sums is None else sums.begun_at.get(ref)
        live_since = begun_at if known is not None else None
        if live_since is None and known is not None:
            live_since = known.live_since
        month_cost = session_cost = CostFigure(is_all=False, why=self._costing.problem or _NO_COSTS)
        if sums is not None:
            month_cost = sums.month_cost(ref)
            session_cost = sums.by_session.get(ref, session_cost)
        if not seen.is_on:
            session_cost = CostFigure(why=_NOT_LIVE)
        return WatchRow(
            ref=ref,
            channel_id=seen.stream.channel_id,
            name=seen.stream.name,
            state=seen.state,
            state_reason=seen.reason,
            seen_at=seen.at,
            is_stale=look.is_behind(seen),
            problem=seen.problem,
            live_since=live_since,
            live_seconds=_live_seconds(seen, live_since, begun_at, now),
            viewers=_told(seen, "viewer_count"),
            peak_viewers=_peak(seen, known),
            bitrate=_told(seen, "current_bitrate"),
            watch_seconds=_watched(seen, ref, sums),
            session_cost=session_cost,
            month_cost=month_cost,
        )


class _Look:
    """Has a thread look at one provider, and tells how far it is.

    The thread dies with the process: one that waits for an answer keeps nobody from leaving.
    """

    def __init__(self, poll: Poll) -> None:
        self.poll = poll
        self._done = Event()
        self._done.set()
        self._begun_at: datetime | None = None

    def begin(self, now: datetime, *, thoroughly: bool) -> None:
        """Begin to look, unless the look before is not over."""
        if not self._done.is_set():
            return
        self._done.clear()
        self._begun_at = now
        Thread(
            target=self._look,
            args=(thoroughly,),
            name=f"headend-watch-{self.poll.platform.provider}",
            daemon=True,
        ).start()

    def wait(self, seconds: float | None) -> None:
        """Wait until it is over, or so long."""
        self._done.wait(None if seconds is None else max(0.0, seconds))

    def is_behind(self, seen: Seen) -> bool:
        """Tell whether the latest look should have come to a live stream, and has not."""
        if seen.look >= self.poll.looks:
            return False
        has_failed = self._done.is_set() and self.poll.problem is not None
        # The others wait for their turn, and are no further behind than they should be.
        return has_failed or seen.is_on or seen.problem is not None

    def told(self) -> WatchedProvider:
        """Return how it went."""
        poll, streams = self.poll, self.poll.streams
        return WatchedProvider(
            provider=poll.platform.provider,
            looked_at=poll.looked_at,
            asked_since=None if self._done.is_set() else self._begun_at,
            problem=None if poll.problem is None else str(poll.problem),
            live_streams=len(streams),
            live=sum(one.state is StreamState.LIVE for one in streams),
            not_seen_yet=sum(one.at is None and one.problem is None for one in streams),
            notes=poll.notes,
        )

    def _look(self, thoroughly: bool) -> None:
        try:
            self.poll.look(thoroughly=thoroughly)
        finally:
            self._done.set()


def _rank(row: WatchRow) -> tuple[object, ...]:
    place = len(_ORDER) if row.state is None else _ORDER.index(row.state)
    return place, row.ref.provider, (row.name or row.channel_id or "").casefold(), row.ref


def _told(seen: Seen, name: str) -> Figure:
    """Return a figure of the platform, or its reason."""
    if seen.state not in ON_AIR:
        return Figure.unknown(_NOT_LIVE)
    if seen.figures is None:
        return Figure.unknown(seen.problem or _NOT_ASKED)
    value: float | None = getattr(seen.figures, name)
    return Figure.unknown(seen.figures.unknown[name]) if value is None else Figure.told(value)


def _peak(seen: Seen, known: LastSeen | None) -> Figure:
    told = _told(seen, "peak_viewers")
    if told.value is not None or known is None or known.peak_viewers is None:
        return told
    return Figure.derived(known.peak_viewers, _COUNTED)


def _watched(seen: Seen, ref: StreamRef, sums: Sums | None) -> Figure:
    told = _told(seen, "total_watch_time")
    if told.value is not None or not seen.is_on or sums is None or ref not in sums.watched:
        return told
    return Figure.derived(float(sums.watched[ref]), _SUMMED)


def _live_seconds(
    seen: Seen, live_since: datetime | None, begun_at: datetime | None, now: datetime
) -> Figure:
    if not seen.is_on:
        return Figure.unknown(_NOT_LIVE)
    if live_since is None:
        return Figure.unknown(_NOT_SEEN)
    seconds = max(0.0, (now - live_since).total_seconds())
    return Figure.told(seconds) if live_since == begun_at else Figure.derived(seconds, _SINCE_SEEN)
