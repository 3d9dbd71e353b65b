"""What was used, turned into what it costs: line by line, each measured or estimated.

Where something was used and no price or no figure is known, there is an `Unpriced` instead of a
line: what is unknown is never zero.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from attrs import field, frozen

from headend.costs.money import EXACT, Money, exact
from headend.costs.months import seconds_between
from headend.costs.prices import Applied, NoPrice
from headend.facts import Meter, Price
from headend.ledger.usage import (
    LONGEST_GAP,
    QUARTER,
    RecordingSpan,
    SessionSpan,
    StreamFacts,
    StreamRef,
    UnseenSpan,
    UsageSlot,
    slot_start,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headend.costs.prices import PriceBook
    from headend.ledger.usage import (
        UsageData,
    )


class Basis(StrEnum):
    """How a quantity is known."""

    MEASURED = "measured"
    """The platform itself counted it."""
    ESTIMATED = "estimated"
    """headend worked it out from what it saw; `CostLine.why` tells how."""


@frozen(kw_only=True)
class CostLine:
    """What one live stream cost on one day for one thing.

    Attributes:
        day: in the time zone of the report.
        provider: the provider's name.
        account: the account and region at the provider.
        stream_id: the live stream.
        channel_id: the host's own id, or `None` where it is not known.
        name: the live stream's name for people, or `None`.
        price: the price in force, with its date and source.
        overridden: whether the host's settings gave the price, and not the provider.
        quantity: how much, in the price's `unit`.
        cost: what it costs, in the currency of the report.
        basis: whether the quantity is measured or estimated; whether the price is the platform's
            own word is ``price.verified``.
        why: where the quantity is from, and what was assumed, in one sentence.
        carried_over: whether it is for what was kept from an earlier month: it is due once and
            does not grow with the days.
    """

    day: date
    provider: str
    account: str
    stream_id: str
    channel_id: str | None
    name: str | None
    price: Price
    overridden: bool
    quantity: Decimal
    cost: Money
    basis: Basis
    why: str
    carried_over: bool = False


@frozen(kw_only=True)
class Unpriced:
    """Something that was used, and costs nobody knows what.  It is in no sum.

    Attributes:
        ref: the live stream.
        meter: what of it.
        why: what is missing, in words.
    """

    ref: StreamRef
    meter: Meter
    why: str


@frozen(kw_only=True)
class Costs:
    """What a month costs, or has cost so far.

    Attributes:
        currency: of all lines.
        lines: by day, provider, live stream and price.
        unpriced: what is in no line although it was used.
        unrecorded: live streams of which something happened in the month and nothing that they
            used is recorded: they were never live, or nobody looked.
        uncounted: prices of the providers in use that are not in the lines, since headend cannot
            count what they are for; each as the provider's name and the price.
    """

    currency: str
    lines: tuple[CostLine, ...] = field(default=(), repr=False)
    unpriced: tuple[Unpriced, ...] = ()
    unrecorded: tuple[StreamRef, ...] = ()
    uncounted: tuple[tuple[str, Price], ...] = ()

    @property
    def total(self) -> Money:
        """The sum of all lines."""
        return Money.sum((line.cost for line in self.lines), self.currency)

    def of(self, provider: str) -> Money:
        """Return the sum of one provider's lines."""
        return Money.sum(
            (line.cost for line in self.lines if line.provider == provider), self.currency
        )


class Period(Protocol):
    """What is counted over: a `Month`, or anything else that is made of whole days."""

    @property
    def start(self) -> datetime:
        """The first moment."""
        ...

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        ...

    @property
    def days(self) -> tuple[tuple[date, datetime, datetime], ...]:
        """Each date with its first moment and that of the next."""
        ...


def compute_lines(data: UsageData, month: Period, prices: PriceBook) -> Costs:
    """Turn what was used in a month into what it costs.

    Time pushed is the platform's own, from its sessions, as far as they were asked for, and what
    was seen after that.  Time watched is the platform's own where it tells it, else that of the
    viewers that were counted.  A recording costs in each month in which it was kept; live time
    that no list of recordings covers yet is taken to be recorded where the platform bills that.

    Args:
        data: what was used; what lies outside the month is left out.
        month: a whole month, or one that goes on.
        prices: the price lists and the currency.
    """
    found = _Found(month, prices)
    used = _by_stream(data)
    for ref in sorted(used):
        _Counted(ref, used[ref], data, month).into(found)
    providers = {ref.provider for ref in used}
    return Costs(
        currency=prices.currency,
        lines=found.lines(),
        unpriced=tuple(dict.fromkeys(found.unpriced)),
        unrecorded=tuple(
            ref
            for ref, facts in sorted(data.streams.items())
            if ref not in used and not facts.is_recorded and prices.may_bill(ref.provider)
        ),
        uncounted=tuple(
            (name, listed.price)
            for name in sorted(providers & set(prices.lists))
            for listed in prices.lists[name].prices
            if listed.price.amount and listed.price.meter in {None, Meter.RESTREAM}
        ),
    )


def live_time(data: UsageData, month: Period) -> dict[tuple[StreamRef, date], Decimal]:
    """Return for how many seconds each live stream was live on each day: what lines go by."""
    days = _Days(month)
    seconds: dict[tuple[StreamRef, date], Decimal] = defaultdict(Decimal)
    for ref, used in _by_stream(data).items():
        for piece in _live(used, data, month):
            for day, part in days.split(piece):
                seconds[ref, day] = EXACT.add(seconds[ref, day], part)
    return dict(seconds)


def watched(slot: UsageSlot) -> Decimal | None:
    """Return for how many seconds it was watched, all viewers together; `None` if nobody knows."""
    seconds = slot.viewer_seconds if slot.watch_seconds is None else slot.watch_seconds
    return None if seconds is None else exact(seconds)


# -- how long it was live --------------------------------------------------------------------------


@frozen
class _Used:
    """What the ledger has of one live stream."""

    facts: StreamFacts
    slots: list[UsageSlot] = field(factory=list)
    sessions: list[SessionSpan] = field(factory=list)
    recordings: list[RecordingSpan] = field(factory=list)
    unseen: list[UnseenSpan] = field(factory=list)


@frozen
class _Piece:
    """A time, in `seconds` of which something was the case."""

    start: datetime
    end: datetime
    seconds: Decimal
    measured: bool

    def within(self, start: datetime, end: datetime) -> _Piece | None:
        """Return what of it is between two moments, its seconds spread evenly."""
        first, last = max(self.start, start), min(self.end, end)
        if first >= last:
            return None
        if (first, last) == (self.start, self.end):
            return self
        part = EXACT.multiply(self.seconds, seconds_between(first, last))
        seconds = EXACT.divide(part, seconds_between(self.start, self.end))
        return _Piece(first, last, seconds, self.measured)


class _Days:
    """The days of a month, to find the one in which a moment falls."""

    def __init__(self, month: Period) -> None:
        self._days = month.days
        self._starts = [start for _, start, _ in self._days]
        self._end = month.end

    def of(self, moment: datetime) -> date | None:
        """Return the date of a moment, or `None` for one outside of the month."""
        place = bisect_right(self._starts, moment) - 1
        return self._days[place][0] if place >= 0 and moment < self._end else None

    def split(self, piece: _Piece) -> Iterator[tuple[date, Decimal]]:
        """Return what of a piece falls on which date."""
        place = max(0, bisect_right(self._starts, piece.start) - 1)
        for day, start, end in self._days[place:]:
            if start >= piece.end:
                return
            part = piece.within(start, end)
            if part is not None:
                yield day, part.seconds


_MOMENT: Final = timedelta(microseconds=1)


def _by_stream(data: UsageData) -> dict[StreamRef, _Used]:
    used: dict[StreamRef, _Used] = {}

    def of(ref: StreamRef) -> _Used:
        if ref not in used:
            facts = data.streams.get(ref) or StreamFacts(ref=ref, channel_id=None, name=None)
            used[ref] = _Used(facts)
        return used[ref]

    for slot in data.slots:
        of(slot.ref).slots.append(slot)
    for session in data.sessions:
        of(session.ref).sessions.append(session)
    for recording in data.recordings:
        of(recording.ref).recordings.append(recording)
    for unseen in data.unseen:
        of(unseen.ref).unseen.append(unseen)
    return used


def _live(used: _Used, data: UsageData, month: Period) -> list[_Piece]:
    """Return when a live stream was live: its sessions as far as they are known, then its slots."""
    known = used.facts.sessions_as_of
    pieces = [
        _Piece(start, end, seconds_between(start, end), measured=True)
        for start, end in _session_times(used)
    ]
    sessions = list(pieces)
    for slot in used.slots:
        # In the last quarter of an hour, what was seen was before the present.
        end = min(slot.start + QUARTER, max(data.until, slot.start + _MOMENT))
        start = slot.start if known is None else max(slot.start, known)
        if start >= end:
            continue
        seconds = exact(slot.live_seconds)
        if start > slot.start:
            # What the sessions tell of this quarter of an hour is a part of what was seen in it.
            told = (part.seconds for one in sessions if (part := one.within(slot.start, start)))
            seconds = min(seconds - _sum(told), seconds_between(start, end))
        if seconds > 0:
            pieces.append(_Piece(start, end, seconds, measured=False))
    inside = (piece.within(month.start, month.end) for piece in pieces)
    return sorted((piece for piece in inside if piece), key=lambda piece: piece.start)


def _session_times(used: _Used) -> list[tuple[datetime, datetime]]:
    """Return the times of all sessions, none twice; one that goes on does so until it was asked."""
    known = used.facts.sessions_as_of
    if known is None:
        return []
    times = sorted((one.started_at, min(one.ended_at or known, known)) for one in used.sessions)
    merged: list[tuple[datetime, datetime]] = []
    for start, end in times:
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


# -- what that costs -------------------------------------------------------------------------------

_SESSIONS: Final = "the platform's own record of sessions"
_SEEN: Final = "the times at which it was seen to be live"
_WATCHED: Final = "the platform's own watch time"
_COUNTED: Final = "the viewers that were counted, times the time until the next count"
_LISTED: Final = "the platform's own list of recordings"
_STILL: Final = "the recordings when they were last listed; they are taken to be kept still"
_NOT_LISTED: Final = "how long it was live; its recordings have not been listed since"
_NO_LENGTH: Final = "how long it was live; the length of its recording is not known yet"
_SENT: Final = "the bitrate of the encoder times the viewers that were counted"

_Key = tuple[str, Basis, str, bool]


class _Found:
    """The lines so far, those of one kind added up."""

    def __init__(self, month: Period, prices: PriceBook) -> None:
        self.prices = prices
        self.days = _Days(month)
        self.unpriced: list[Unpriced] = []
        self._sums: dict[tuple[date, StreamRef, _Key], tuple[StreamFacts, Applied, Decimal]] = {}

    def add(
        self,
        facts: StreamFacts,
        day: date,
        applied: Applied,
        metered: Decimal,
        *,
        measured: bool,
        why: str,
        carried_over: bool = False,
    ) -> None:
        """Add seconds or bytes to the line that they belong to."""
        basis = Basis.MEASURED if measured and not applied.assumed else Basis.ESTIMATED
        sentence = "; ".join((why, *applied.assumed))
        key = (day, facts.ref, (applied.price.name, basis, sentence, carried_over))
        _, _, before = self._sums.get(key, (facts, applied, Decimal(0)))
        self._sums[key] = facts, applied, EXACT.add(before, metered)

    def lines(self) -> tuple[CostLine, ...]:
        """Return the lines, in order."""
        made = []
        for (day, ref, key), (facts, applied, metered) in sorted(
            self._sums.items(), key=lambda item: item[0]
        ):
            _, basis, why, carried_over = key
            quantity, cost = self.prices.cost(applied.price, metered)
            made.append(
                CostLine(
                    day=day,
                    provider=ref.provider,
                    account=ref.account,
                    stream_id=ref.stream_id,
                    channel_id=facts.channel_id,
                    name=facts.name,
                    price=applied.price,
                    overridden=applied.listed.overridden,
                    quantity=quantity,
                    cost=cost,
                    basis=basis,
                    why=why,
                    carried_over=carried_over,
                )
            )
        return tuple(made)


class _Counted:
    """One live stream, meter by meter."""

    def __init__(self, ref: StreamRef, used: _Used, data: UsageData, month: Period) -> None:
        self._ref = ref
        self._used = used
        self._facts = used.facts
        self._start = month.start
        self._end = min(month.end, data.until)
        self._live = _live(used, data, month)
        self._heights = sorted(
            (one.started_at, one.height) for one in used.sessions if one.height is not None
        )
        self._applied: dict[tuple[Meter, int | None], Applied | NoPrice | None] = {}
        self._slots = [one for one in used.slots if month.start <= one.start < month.end]

    def into(self, found: _Found) -> None:
        """Add all its lines, and what is unknown."""
        self._ingest(found)
        self._watch(found)
        self._storage(found)
        self._bandwidth(found)

    def _ingest(self, found: _Found) -> None:
        applied = self._price(found, Meter.INGEST, when=bool(self._live))
        if applied is None:
            return
        for piece in self._live:
            why = _SESSIONS if piece.measured else _SEEN
            for day, seconds in found.days.split(piece):
                found.add(self._facts, day, applied, seconds, measured=piece.measured, why=why)
        unseen = self._unseen(self._facts.sessions_as_of)
        self._unknown(found, applied, unseen, "nobody looked, and it may have been live for")

    def _watch(self, found: _Found) -> None:
        uncounted = self._uncounted()
        is_used = bool(uncounted) or any(watched(slot) for slot in self._slots)
        if self._price(found, Meter.WATCH, when=is_used) is None:
            return
        for slot in self._slots:
            day, seconds = found.days.of(slot.start), watched(slot)
            applied = self._find(found, Meter.WATCH, height=self._height(slot.start))
            if day is None or not seconds or not isinstance(applied, Applied):
                continue
            measured = slot.watch_seconds is not None
            why = _WATCHED if measured else _COUNTED
            found.add(self._facts, day, applied, seconds, measured=measured, why=why)
        applied = self._price(found, Meter.WATCH, when=True)
        if applied is not None:
            self._unknown(found, applied, uncounted, "its viewers were not counted for")

    def _storage(self, found: _Found) -> None:
        listed_at = self._facts.recordings_as_of
        kept = [
            one
            for one in self._used.recordings
            if one.since < self._end and (one.until is None or one.until > self._start)
        ]
        unlisted = [
            part
            for piece in self._live
            if (part := piece.within(max(piece.start, listed_at or piece.start), piece.end))
        ]
        applied = self._price(found, Meter.STORAGE, when=bool(kept or unlisted))
        if applied is None:
            return
        for piece in unlisted:
            for day, seconds in found.days.split(piece):
                found.add(self._facts, day, applied, seconds, measured=False, why=_NOT_LISTED)
        for recording in kept:
            self._keep(found, applied, recording)
        self._unknown(
            found, applied, self._unseen(listed_at), "nobody looked, and it may have recorded"
        )

    def _keep(self, found: _Found, applied: Applied, recording: RecordingSpan) -> None:
        """Add a recording, on the day in the month on which it was first kept."""
        carried_over = recording.since < self._start
        day = found.days.of(max(recording.since, self._start))
        assert day is not None
        if recording.seconds is not None:
            listed_at = self._facts.recordings_as_of
            is_known = recording.until is not None or (
                listed_at is not None and listed_at >= max(recording.since, self._start)
            )
            found.add(
                self._facts,
                day,
                applied,
                exact(recording.seconds),
                measured=is_known,
                why=_LISTED if is_known else _STILL,
                carried_over=carried_over,
            )
            return
        seconds = self._live_during(recording)
        if seconds:
            found.add(
                self._facts,
                day,
                applied,
                seconds,
                measured=False,
                why=_NO_LENGTH,
                carried_over=carried_over,
            )
        else:
            self._miss(
                found,
                applied,
                f"the length of the recording {recording.recording_id} is not known",
            )

    def _live_during(self, recording: RecordingSpan) -> Decimal:
        """Return how long it was live while a recording of unknown length was being made."""
        later = [one.since for one in self._used.recordings if one.since > recording.since]
        ends = [*later, recording.until, self._facts.recordings_as_of]
        end = min((one for one in ends if one is not None), default=self._end)
        parts = (piece.within(recording.since, end) for piece in self._live)
        return _sum(part.seconds for part in parts if part)

    def _bandwidth(self, found: _Found) -> None:
        price_list = found.prices.lists.get(self._ref.provider)
        if price_list is None or not any(
            one.price.meter is Meter.BANDWIDTH for one in price_list.prices
        ):
            return
        applied = self._price(found, Meter.BANDWIDTH, when=bool(self._slots))
        if applied is None:
            return
        unknown = Decimal(0)
        for slot in self._slots:
            day = found.days.of(slot.start)
            if day is None:
                continue
            if slot.delivered_bytes:
                sent = exact(slot.delivered_bytes)
                found.add(self._facts, day, applied, sent, measured=False, why=_SENT)
            elif slot.delivered_bytes is None:
                unknown = EXACT.add(unknown, exact(slot.live_seconds))
        self._unknown(found, applied, unknown, "bitrate or viewers were not known for")

    def _uncounted(self) -> Decimal:
        """Return for how many seconds it was live while nobody knows how many watched it."""
        total = _sum(
            exact(slot.uncounted_seconds) for slot in self._slots if slot.watch_seconds is None
        )
        by_start = {slot.start: slot for slot in self._used.slots}
        for start, end in _session_times(self._used):
            first, last = max(start, self._start), min(end, self._end)
            missing = Decimal(0)
            quarter = slot_start(first)
            while quarter < last:
                slot = by_start.get(quarter)
                if slot is None or slot.watch_seconds is None:
                    begin, stop = max(first, quarter), min(last, quarter + QUARTER)
                    seen = exact(slot.live_seconds) if slot else Decimal(0)
                    missing += max(seconds_between(begin, stop) - seen, Decimal(0))
                quarter += QUARTER
            # Somebody who looks every few seconds misses some at either end of a session.
            if missing > _LONGEST_GAP:
                total = EXACT.add(total, missing)
        return EXACT.add(total, self._unseen(self._facts.sessions_as_of, watched_too=True))

    def _unseen(self, known_until: datetime | None, *, watched_too: bool = False) -> Decimal:
        """Return for how many seconds nobody looked, nor asked the platform afterwards."""
        total = Decimal(0)
        told = [slot.start for slot in self._used.slots if slot.watch_seconds is not None]
        for span in self._used.unseen:
            end = min(span.until or self._end, self._end)
            start = max(span.since, self._start, known_until or self._start)
            if start >= end or (span.until is None and end - span.since <= LONGEST_GAP):
                continue
            if watched_too and any(start < one + QUARTER and one < end for one in told):
                continue
            total = EXACT.add(total, seconds_between(start, end))
        return total

    def _height(self, moment: datetime) -> int | None:
        """Return how high the picture was, or that of the session before, as far as is known."""
        place = bisect_left(self._heights, (moment + QUARTER, 0))
        return self._heights[place - 1][1] if place else None

    def _find(
        self, found: _Found, meter: Meter, height: int | None = None
    ) -> Applied | NoPrice | None:
        if (meter, height) not in self._applied:
            self._applied[meter, height] = found.prices.find(
                self._ref.provider, meter, terms=self._facts.terms, height=height
            )
        return self._applied[meter, height]

    def _price(self, found: _Found, meter: Meter, *, when: bool) -> Applied | None:
        """Return the price of something that was used, and note that there is none."""
        applied = self._find(found, meter)
        if isinstance(applied, NoPrice):
            if when:
                found.unpriced.append(Unpriced(ref=self._ref, meter=meter, why=applied.why))
            return None
        return applied

    def _unknown(self, found: _Found, applied: Applied, seconds: Decimal, what: str) -> None:
        if seconds:
            self._miss(found, applied, f"{what} {in_words(seconds)}")

    def _miss(self, found: _Found, applied: Applied, why: str) -> None:
        """Note what is unknown, unless it costs nothing however much it is."""
        meter = applied.price.meter
        if applied.price.amount and meter is not None:
            found.unpriced.append(Unpriced(ref=self._ref, meter=meter, why=why))


_LONGEST_GAP: Final = exact(LONGEST_GAP.total_seconds())


def in_words(seconds: Decimal) -> str:
    """Return a duration for people, such as ``2 h 5 min``."""
    minutes = int(EXACT.divide(seconds, Decimal(60)).to_integral_value())
    hours, rest = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"
    return f"{rest} min" if rest else "less than a minute"


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = EXACT.add(total, number)
    return total
