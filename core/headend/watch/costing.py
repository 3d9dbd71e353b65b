"""What live streams that are watched have cost so far: this broadcast, and this month.

It is worked out from the ledger, and takes the longer the more was used in the month.  So it is
done again only when 20 times as long as it took has passed, and the view tells of when it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from headend.costs.budgets import BudgetStatus, forecast, status
from headend.costs.lines import Basis, compute_lines, watched
from headend.costs.money import Money
from headend.costs.months import Month
from headend.errors import ConfigurationError
from headend.ledger.usage import StreamRef, UsageData, slot_start
from headend.watch.view import CostFigure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headend.clock import Clock
    from headend.costs.book import CostBook
    from headend.costs.lines import CostLine, Unpriced
    from headend.ledger.usage import RecordingSpan, SessionSpan, UnseenSpan, UsageSlot
    from headend.watch.keeping import Keeper

_PAUSE: Final = 20.0
"""How many times as long as it took it is left as it is."""


@frozen(kw_only=True)
class Sums:
    """What things had cost at one moment.

    Attributes:
        at: the moment.
        month: the month that goes on.
        spent: what all live streams of the ledger have cost in it.
        forecast: what that will be at its end.
        budgets: how those stand that hold for it.
        by_month: what each live stream has cost in it.
        by_session: what each broadcast that goes on has cost.
        begun_at: when each of these began, by the platform's own word, as far as it was asked.
        watched: the seconds that each was watched by all together, worked out from viewers.
    """

    at: datetime
    month: Month
    spent: Money
    forecast: Money
    budgets: tuple[BudgetStatus, ...]
    by_month: Mapping[StreamRef, CostFigure]
    by_session: Mapping[StreamRef, CostFigure]
    begun_at: Mapping[StreamRef, datetime]
    watched: Mapping[StreamRef, Decimal]

    def month_cost(self, ref: StreamRef) -> CostFigure:
        """Return what a live stream has cost; one that was not used has cost nothing."""
        return self.by_month.get(ref) or CostFigure(
            amount=Money.zero(self.spent.currency), basis=Basis.MEASURED
        )


@frozen
class _Broadcast:
    """The time of a broadcast, as one day: a `headend.costs.lines.Period`."""

    start: datetime
    end: datetime
    days: tuple[tuple[date, datetime, datetime], ...] = field(init=False)

    @days.default
    def _one_day(self) -> tuple[tuple[date, datetime, datetime], ...]:
        return ((self.start.date(), self.start, self.end),)


class Costing:
    """Works costs out now and then.

    Attributes:
        problem: why that did not work the last time, in words, or `None`.
    """

    def __init__(self, book: CostBook, keeper: Keeper, clock: Clock) -> None:
        self.problem: str | None = None
        self._book = book
        self._keeper = keeper
        self._clock = clock
        self._sums: Sums | None = None
        self._next = float("-inf")

    def sums(self, live: Mapping[StreamRef, datetime]) -> Sums | None:
        """Return what things cost, worked out not long ago; `None` where nobody knows.

        Args:
            live: when each broadcast that goes on began, as it was seen.
        """
        begin = self._clock.monotonic()
        if begin >= self._next:
            self._sums = self._fresh(live)
            end = self._clock.monotonic()
            self._next = end + _PAUSE * (end - begin)
        return self._sums

    def _fresh(self, live: Mapping[StreamRef, datetime]) -> Sums | None:
        try:
            now = self._clock.now()
            month = self._book.month()
            since = min((month.start, *(slot_start(one) for one in live.values())))
            data = self._keeper.do(lambda ledger: ledger.read_usage(since, max(now, since)))
            if data is None:
                self.problem = self._keeper.problem
                return None
            found = self._sums_of(data, month, live, now)
        except ConfigurationError as error:
            self.problem = str(error)
            return None
        self.problem = None
        return found

    def _sums_of(
        self, data: UsageData, month: Month, live: Mapping[StreamRef, datetime], now: datetime
    ) -> Sums:
        settings, prices = self._book.settings, self._book.prices
        costs = compute_lines(data, month, prices)
        begun_at = {one.ref: one.started_at for one in data.sessions if _goes_on(one, data, live)}
        since = {ref: slot_start(min(begun_at.get(ref, seen), seen)) for ref, seen in live.items()}
        by_session: dict[StreamRef, CostFigure] = {}
        derived: dict[StreamRef, Decimal] = {}
        for ref, part in _by_stream(data, since).items():
            found = compute_lines(part, _Broadcast(part.since, part.until), prices)
            by_session[ref] = _figure(found.lines, found.unpriced, costs.currency)
            seconds = [one for slot in part.slots if (one := watched(slot)) is not None]
            if seconds:
                derived[ref] = sum(seconds, Decimal(0))
        return Sums(
            at=now,
            month=month,
            spent=costs.total,
            forecast=forecast(costs, month, now),
            budgets=tuple(
                status(
                    settings.budget_list,
                    costs,
                    month,
                    now,
                    thresholds=settings.budget_thresholds.percents,
                )
            ),
            by_month=_by_ref(costs.lines, costs.unpriced, costs.currency),
            by_session=by_session,
            begun_at=begun_at,
            watched=derived,
        )


def _goes_on(session: SessionSpan, data: UsageData, live: Mapping[StreamRef, datetime]) -> bool:
    """Tell whether the platform has told of this session since its broadcast was first seen."""
    seen_since, facts = live.get(session.ref), data.streams.get(session.ref)
    return (
        session.ended_at is None
        and seen_since is not None
        and facts is not None
        and facts.sessions_as_of is not None
        and facts.sessions_as_of >= seen_since
    )


def _by_stream(data: UsageData, since: Mapping[StreamRef, datetime]) -> dict[StreamRef, UsageData]:
    """Return what was used by each of some live streams since a moment of its own."""
    slots: dict[StreamRef, list[UsageSlot]] = defaultdict(list)
    sessions: dict[StreamRef, list[SessionSpan]] = defaultdict(list)
    recordings: dict[StreamRef, list[RecordingSpan]] = defaultdict(list)
    unseen: dict[StreamRef, list[UnseenSpan]] = defaultdict(list)
    for slot in data.slots:
        if slot.ref in since and slot.start >= since[slot.ref]:
            slots[slot.ref].append(slot)
    for session in data.sessions:
        sessions[session.ref].append(session)
    for recording in data.recordings:
        # What earlier broadcasts left is not of this one.
        if recording.ref in since and recording.since >= since[recording.ref]:
            recordings[recording.ref].append(recording)
    for span in data.unseen:
        unseen[span.ref].append(span)
    return {
        ref: UsageData(
            since=start,
            until=max(data.until, start),
            streams={ref: data.streams[ref]} if ref in data.streams else {},
            slots=tuple(slots[ref]),
            sessions=tuple(sessions[ref]),
            recordings=tuple(recordings[ref]),
            unseen=tuple(unseen[ref]),
        )
        for ref, start in since.items()
    }


def _by_ref(
    lines: Iterable[CostLine], unpriced: Iterable[Unpriced], currency: str
) -> dict[StreamRef, CostFigure]:
    """Return what each live stream has cost."""
    of: dict[StreamRef, tuple[list[CostLine], list[Unpriced]]] = defaultdict(lambda: ([], []))
    for line in lines:
        of[StreamRef(line.provider, line.account, line.stream_id)][0].append(line)
    for one in unpriced:
        of[one.ref][1].append(one)
    return {ref: _figure(priced, unknown, currency) for ref, (priced, unknown) in of.items()}


def _figure(lines: Sequence[CostLine], unpriced: Sequence[Unpriced], currency: str) -> CostFigure:
    missing = "; ".join(dict.fromkeys(one.why for one in unpriced))
    if unpriced and not lines:
        return CostFigure(why=missing, is_all=False)
    estimates = [one.why for one in lines if one.basis is Basis.ESTIMATED]
    reasons = [f"estimated from {why}" for why in dict.fromkeys(estimates)]
    if unpriced:
        reasons.append(f"not in it: {missing}")
    return CostFigure(
        amount=Money.sum((one.cost for one in lines), currency),
        basis=Basis.ESTIMATED if estimates else Basis.MEASURED,
        is_all=not unpriced,
        why="; ".join(reasons) or None,
    )
