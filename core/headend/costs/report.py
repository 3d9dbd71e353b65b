"""What a month cost, as one model; the table, the JSON, the CSV and the HTML page all show it.

Sums are made of amounts with fifty digits, and only what is shown is rounded.
Durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import field, frozen

from headend.costs.budgets import BudgetStatus
from headend.costs.lines import Basis, CostLine, Unpriced, live_time, watched
from headend.costs.money import EXACT, Money, exact
from headend.costs.months import Month
from headend.facts import Price
from headend.ledger.usage import StreamFacts, StreamRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from headend.costs.lines import Costs
    from headend.ledger.usage import UsageData

_Key = TypeVar("_Key", bound=Hashable)
_Item = TypeVar("_Item")

LARGEST: Final = 10
"""How many of the most expensive live streams a report names."""


@frozen(kw_only=True)
class Usage:
    """How much was broadcast and watched.

    Attributes:
        live_streams: how many live streams were live.
        live_seconds: for how long, all of them together.
        viewer_seconds: for how long they were watched, all viewers together.
        ingest_bytes: what encoders sent, bitrate times time, as far as bitrates were seen; `None`
            where none was.
        delivered_bytes: the same times viewers.
        peak_viewers: the highest viewer count of one live stream, or `None` where none was seen.
    """

    live_streams: int = 0
    live_seconds: Decimal = Decimal(0)
    viewer_seconds: Decimal = Decimal(0)
    ingest_bytes: Decimal | None = None
    delivered_bytes: Decimal | None = None
    peak_viewers: int | None = None


@frozen(kw_only=True)
class CostSplit:
    """An amount, and how well it is known.

    Attributes:
        total: the amount.
        measured: the part that the platform counted itself.
        estimated: the part that headend worked out from what it saw.
    """

    total: Money
    measured: Money
    estimated: Money


@frozen(kw_only=True)
class ProviderCost:
    """What one provider cost."""

    provider: str
    cost: CostSplit
    usage: Usage


@frozen(kw_only=True)
class ChannelCost:
    """What one of the host's channels cost.

    Attributes:
        channel_id: the host's own id, or `None` for live streams that have none.
        name: what all its live streams are called, or `None` where they are not called the same.
        providers: on which it was broadcast, by name.
        cost: what it cost.
        usage: how much was broadcast and watched.
    """

    channel_id: str | None
    name: str | None
    providers: tuple[str, ...]
    cost: CostSplit
    usage: Usage


@frozen(kw_only=True)
class DayCost:
    """What one day cost, in the time zone of the report.

    Attributes:
        day: the date.
        cost: what it cost.
        by_provider: the same for each provider of the report, by name.
        usage: how much was broadcast and watched.
    """

    day: date
    cost: CostSplit
    by_provider: Mapping[str, Money]
    usage: Usage


@frozen(kw_only=True)
class StreamCost:
    """What one live stream cost in the month."""

    ref: StreamRef
    channel_id: str | None
    name: str | None
    cost: CostSplit
    usage: Usage


@frozen(kw_only=True)
class PriceUsed:
    """A price that applied, and what was bought for it.

    Attributes:
        provider: whose price it is.
        price: the price itself, with its date and source.
        overridden: whether the host's settings gave it instead of the provider.
        quantity: how much was bought, in the price's unit.
        cost: what that cost, in the currency of the report.
    """

    provider: str
    price: Price
    overridden: bool
    quantity: Decimal
    cost: CostSplit


@frozen(kw_only=True)
class Note:
    """Where amounts come from, in words.

    Attributes:
        basis: measured or estimated.
        why: one sentence.
        providers: whose amounts, by name.
        items: the names of the prices.
        cost: how much rests on it.
    """

    basis: Basis
    why: str
    providers: tuple[str, ...]
    items: tuple[str, ...]
    cost: Money


@frozen(kw_only=True)
class MonthlyReport:
    """What a month cost, or what it has cost so far.

    Attributes:
        month: the month, with the time zone in which it begins and ends.
        generated_at: when this was worked out; a month that goes on is counted until then.
        currency: of all amounts.
        cost: the total, measured and estimated.
        budgets: what was allowed, and how far it is used up.
        usage: how much was broadcast and watched.
        by_provider: the most expensive first.
        by_channel: the most expensive first.
        by_day: every day of the month, those without cost as well.
        largest: the most expensive live streams, at most `LARGEST`.
        prices: every price that applied.
        notes: what is estimated, and what is measured, and why; each reason once.  What is free
            is left out.
        unpriced: what was used and has no price or no figure.  It is in no amount.
        unrecorded: live streams of which something happened in the month and nothing that they
            used is recorded: they were never live, or nobody looked.
        uncounted: prices that may be on the bill and are in no amount, since headend cannot count
            what they are for; each with the provider's name.
        lines: everything, item by item.
    """

    month: Month
    generated_at: datetime
    currency: str
    cost: CostSplit
    budgets: tuple[BudgetStatus, ...]
    usage: Usage
    by_provider: tuple[ProviderCost, ...]
    by_channel: tuple[ChannelCost, ...]
    by_day: tuple[DayCost, ...]
    largest: tuple[StreamCost, ...]
    prices: tuple[PriceUsed, ...]
    notes: tuple[Note, ...]
    unpriced: tuple[Unpriced, ...]
    unrecorded: tuple[StreamRef, ...]
    uncounted: tuple[tuple[str, Price], ...]
    lines: tuple[CostLine, ...] = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether the month is over."""
        return self.generated_at >= self.month.end

    @property
    def days_so_far(self) -> tuple[DayCost, ...]:
        """The days that had begun, and any other that has a cost.

        What a day to come will cost is not known, which is not 0.
        """
        return tuple(
            one
            for (_, start, _), one in zip(self.month.days, self.by_day, strict=True)
            if start <= self.generated_at or one.cost.total
        )


def build_report(
    costs: Costs,
    data: UsageData,
    month: Month,
    budgets: Sequence[BudgetStatus],
    *,
    now: datetime,
    currency: str,
) -> MonthlyReport:
    """Put a month's report together.

    Args:
        costs: what the month cost, item by item.
        data: what was broadcast, watched and kept in it; what lies outside of the month is left
            out.
        month: the month.
        budgets: how far each budget is used up.
        now: the present.
        currency: of all amounts.
    """
    return _Builder(costs, data, month, currency).report(budgets, now)


class _Builder:
    """Sums up what belongs together."""

    def __init__(self, costs: Costs, data: UsageData, month: Month, currency: str) -> None:
        self._costs = costs
        self._month = month
        self._currency = currency
        self._streams = data.streams
        self._uses = _uses(data, month)

    def report(self, budgets: Sequence[BudgetStatus], now: datetime) -> MonthlyReport:
        by_provider = self._by_provider()
        return MonthlyReport(
            month=self._month,
            generated_at=now,
            currency=self._currency,
            cost=self._split(self._costs.lines),
            budgets=tuple(budgets),
            usage=_sum_up(self._uses),
            by_provider=by_provider,
            by_channel=self._by_channel(),
            by_day=self._by_day([one.provider for one in by_provider]),
            largest=self._largest(),
            prices=self._prices(),
            notes=self._notes(),
            unpriced=self._costs.unpriced,
            unrecorded=self._costs.unrecorded,
            uncounted=self._costs.uncounted,
            lines=self._costs.lines,
        )

    def _by_provider(self) -> tuple[ProviderCost, ...]:
        groups = [
            ProviderCost(provider=name, cost=self._split(lines), usage=_sum_up(uses))
            for name, (lines, uses) in self._both(
                lambda line: line.provider, lambda use: use.ref.provider
            ).items()
        ]
        return tuple(sorted(groups, key=lambda one: (-one.cost.total.amount, one.provider)))

    def _by_channel(self) -> tuple[ChannelCost, ...]:
        groups = []
        for channel_id, (lines, uses) in self._both(
            lambda line: line.channel_id, lambda use: self._facts(use.ref).channel_id
        ).items():
            names = {line.name for line in lines}
            names |= {self._facts(use.ref).name for use in uses}
            providers = {line.provider for line in lines} | {use.ref.provider for use in uses}
            groups.append(
                ChannelCost(
                    channel_id=channel_id,
                    name=names.pop() if len(names) == 1 else None,
                    providers=tuple(sorted(providers)),
                    cost=self._split(lines),
                    usage=_sum_up(uses),
                )
            )
        return tuple(sorted(groups, key=lambda one: (-one.cost.total.amount, one.channel_id or "")))

    def _by_day(self, providers: Sequence[str]) -> tuple[DayCost, ...]:
        groups = self._both(lambda line: line.day, lambda use: use.day)
        days = []
        for day, _, _ in self._month.days:
            lines, uses = groups.get(day, ([], []))
            of_provider = _grouped(lines, lambda line: line.provider)
            days.append(
                DayCost(
                    day=day,
                    cost=self._split(lines),
                    by_provider={name: self._sum(of_provider[name]) for name in providers},
                    usage=_sum_up(uses),
                )
            )
        return tuple(days)

    def _largest(self) -> tuple[StreamCost, ...]:
        groups = [
            StreamCost(
                ref=ref,
                channel_id=lines[0].channel_id,
                name=lines[0].name,
                cost=self._split(lines),
                usage=_sum_up(uses),
            )
            for ref, (lines, uses) in self._both(
                lambda line: StreamRef(line.provider, line.account, line.stream_id),
                lambda use: use.ref,
            ).items()
            if any(line.cost for line in lines)
        ]
        groups.sort(key=lambda one: (-one.cost.total.amount, one.ref.provider, one.ref.stream_id))
        return tuple(groups[:LARGEST])

    def _prices(self) -> tuple[PriceUsed, ...]:
        groups = [
            PriceUsed(
                provider=provider,
                price=price,
                overridden=overridden,
                quantity=_add(line.quantity for line in lines),
                cost=self._split(lines),
            )
            for (provider, price, overridden), lines in _grouped(
                self._costs.lines, lambda line: (line.provider, line.price, line.overridden)
            ).items()
        ]
        return tuple(sorted(groups, key=lambda one: (one.provider, one.price.name)))

    def _notes(self) -> tuple[Note, ...]:
        notes = [
            Note(
                basis=basis,
                why=why,
                providers=tuple(sorted({line.provider for line in lines})),
                items=tuple(sorted({line.price.name for line in lines})),
                cost=self._sum(lines),
            )
            for (basis, why), lines in _grouped(
                (line for line in self._costs.lines if line.price.amount),
                lambda line: (line.basis, line.why),
            ).items()
        ]
        notes.sort(key=lambda one: (one.basis is Basis.MEASURED, -one.cost.amount, one.why))
        return tuple(notes)

    def _facts(self, ref: StreamRef) -> StreamFacts:
        return self._streams.get(ref) or StreamFacts(ref=ref, channel_id=None, name=None)

    def _both(
        self, of_line: Callable[[CostLine], _Key], of_use: Callable[[_Use], _Key]
    ) -> dict[_Key, tuple[list[CostLine], list[_Use]]]:
        """Return what was paid and what was used, by something that both have."""
        lines, uses = _grouped(self._costs.lines, of_line), _grouped(self._uses, of_use)
        return {key: (lines[key], uses[key]) for key in [*lines, *(uses.keys() - lines.keys())]}

    def _split(self, lines: Iterable[CostLine]) -> CostSplit:
        of_basis = _grouped(lines, lambda line: line.basis)
        measured = self._sum(of_basis[Basis.MEASURED])
        estimated = self._sum(of_basis[Basis.ESTIMATED])
        return CostSplit(total=measured + estimated, measured=measured, estimated=estimated)

    def _sum(self, lines: Iterable[CostLine]) -> Money:
        return Money.sum((line.cost for line in lines), self._currency)


@frozen(kw_only=True)
class _Use:
    """What one live stream did on one day; the fields are those of `Usage`."""

    ref: StreamRef
    day: date
    live_seconds: Decimal
    viewer_seconds: Decimal
    ingest_bytes: Decimal | None
    delivered_bytes: Decimal | None
    peak_viewers: int | None


def _uses(data: UsageData, month: Month) -> list[_Use]:
    days = [day for day, _, _ in month.days]
    starts = [start for _, start, _ in month.days]
    slots = _grouped(
        (one for one in data.slots if month.start <= one.start < month.end),
        lambda slot: (slot.ref, days[bisect_right(starts, slot.start) - 1]),
    )
    live = live_time(data, month)
    uses = []
    for ref, day in [*slots, *(live.keys() - slots.keys())]:
        of_it = slots[ref, day]
        uses.append(
            _Use(
                ref=ref,
                day=day,
                live_seconds=live.get((ref, day), Decimal(0)),
                viewer_seconds=_add(watched(slot) or Decimal(0) for slot in of_it),
                ingest_bytes=_added(_exact(slot.ingest_bytes) for slot in of_it),
                delivered_bytes=_added(_exact(slot.delivered_bytes) for slot in of_it),
                peak_viewers=_highest(
                    peak for slot in of_it for peak in (slot.peak_viewers, slot.platform_peak)
                ),
            )
        )
    return uses


def _sum_up(uses: Sequence[_Use]) -> Usage:
    return Usage(
        live_streams=len({use.ref for use in uses if use.live_seconds}),
        live_seconds=_add(use.live_seconds for use in uses),
        viewer_seconds=_add(use.viewer_seconds for use in uses),
        ingest_bytes=_added(use.ingest_bytes for use in uses),
        delivered_bytes=_added(use.delivered_bytes for use in uses),
        peak_viewers=_highest(use.peak_viewers for use in uses),
    )


def _highest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _added(values: Iterable[Decimal | None]) -> Decimal | None:
    """Add up what is known; where nothing is, the sum is not known either."""
    known = [value for value in values if value is not None]
    return _add(known) if known else None


def _add(values: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else exact(value)


def _grouped(
    items: Iterable[_Item], key: Callable[[_Item], _Key]
) -> defaultdict[_Key, list[_Item]]:
    groups: defaultdict[_Key, list[_Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
