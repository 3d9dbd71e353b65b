"""What was used costs what an independent calculation in fractions says, day by day."""

from __future__ import annotations

import decimal
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings, strategies as st

from headend.costs import Basis, Month
from headend.costs.lines import compute_lines, in_words, live_time, watched
from headend.costs.prices import ListedPrice, PriceBook, PriceList
from headend.facts import Meter, Price
from headend.ledger.usage import (
    RecordingSpan,
    SessionSpan,
    StreamFacts,
    StreamRef,
    UnseenSpan,
    UsageData,
    UsageSlot,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend.costs import CostLine, Costs

CITED = {"source": "https://acme.example", "as_of": "2026-11-22"}
QUARTER = timedelta(minutes=15)
BERLIN = ZoneInfo("Europe/Berlin")
NOVEMBER = Month.parse("2026-11", ZoneInfo("UTC"))
FLAT = StreamRef("flat", "4711", "live-1")
TIERED = StreamRef("tiered", "eu", "live-2")
HOME = StreamRef("home", "this machine", "live-3")


def price(name: str, amount: str, meter: Meter, **more: object) -> Price:
    given: dict[str, object] = {"per": 1, "unit": "hour", "unit_size": 3600, **CITED, **more}
    return Price(name=name, amount=Decimal(amount), meter=meter, **given)  # type: ignore[arg-type]  # the keyword arguments above


STORAGE = price("storage", "5", Meter.STORAGE, per=1000, unit="minute stored", unit_size=60)
DELIVERY = price("delivery", "1", Meter.WATCH, per=1000, unit="minute watched", unit_size=60)
SIMULCAST = price("simulcast", "1", Meter.RESTREAM)
INGEST = price("ingest", "0", Meter.INGEST)
BASIC = price("input BASIC", "0.20", Meter.INGEST, terms={"type": "BASIC"}, verified=False)
STANDARD = price("input STANDARD", "2.00", Meter.INGEST, terms={"type": "STANDARD"})
SD = price("up to 480", "0.0375", Meter.WATCH, up_to_height=480)
HD = price(
    "up to 720", "0.075", Meter.WATCH, up_to_height=720, terms={"type": ("STANDARD", "BASIC")}
)
FULL = price("up to 1080", "0.15", Meter.WATCH, up_to_height=1080, terms={"type": "STANDARD"})


def listed(provider: str, *prices: Price, **defaults: str) -> PriceList:
    return PriceList(
        provider=provider,
        prices=tuple(ListedPrice(price=one) for one in prices),
        defaults=defaults,
    )


def book(*lists: PriceList, **more: object) -> PriceBook:
    return PriceBook(lists={one.provider: one for one in lists}, **more)  # type: ignore[arg-type]  # currency and rates


BOOK = book(
    listed("flat", STORAGE, DELIVERY, SIMULCAST, INGEST),
    listed("tiered", BASIC, STANDARD, SD, HD, FULL, type="STANDARD"),
    listed("home", INGEST, price("playback", "0", Meter.WATCH)),
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slot(ref: StreamRef, start: str | datetime, **used: object) -> UsageSlot:
    begin = moment(start) if isinstance(start, str) else start
    return UsageSlot(ref=ref, start=begin, **used)  # type: ignore[arg-type]  # its figures


def usage(
    *parts: UsageSlot | SessionSpan | RecordingSpan | UnseenSpan,
    month: Month = NOVEMBER,
    facts: Iterable[StreamFacts] = (),
    until: datetime | None = None,
) -> UsageData:
    def of(kind: type) -> tuple[object, ...]:
        return tuple(one for one in parts if isinstance(one, kind))

    return UsageData(
        since=month.start,
        until=until or month.end,
        streams={one.ref: one for one in facts},
        slots=of(UsageSlot),  # type: ignore[arg-type]  # as the kind says
        sessions=of(SessionSpan),  # type: ignore[arg-type]  # as above
        recordings=of(RecordingSpan),  # type: ignore[arg-type]  # as above
        unseen=of(UnseenSpan),  # type: ignore[arg-type]  # as above
    )


def facts(ref: StreamRef, **more: object) -> StreamFacts:
    return StreamFacts(ref=ref, channel_id="42", name="Opening", **more)  # type: ignore[arg-type]  # as it has them


def session(ref: StreamRef, started: str, ended: str | None, **more: object) -> SessionSpan:
    return SessionSpan(
        ref=ref,
        session_id=f"s {started}",
        started_at=moment(started),
        ended_at=None if ended is None else moment(ended),
        **more,  # type: ignore[arg-type]  # height
    )


def recording(since: str, seconds: float | None, until: str | None = None) -> RecordingSpan:
    return RecordingSpan(
        ref=FLAT,
        recording_id=f"r {since}",
        seconds=seconds,
        since=moment(since),
        until=None if until is None else moment(until),
    )


def of(costs: Costs, name: str) -> list[CostLine]:
    return [line for line in costs.lines if line.price.name == name]


def whys(costs: Costs) -> list[tuple[StreamRef, Meter, str]]:
    return [(one.ref, one.meter, one.why) for one in costs.unpriced]


# -- against an independent calculation --------------------------------------------------------

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
    ]
).map(ZoneInfo)
MONTHS = st.builds(
    Month, st.sampled_from([2011, 2018, 2026]), st.sampled_from([2, 3, 4, 10, 11, 12]), ZONES
)
SECONDS = st.floats(0, 900, allow_subnormal=False)


@st.composite
def slots(draw: st.DrawFn, start: datetime, end: datetime) -> list[UsageSlot]:
    """Slots of three live streams between two moments."""
    quarters = int((end - start) / QUARTER)
    found = []
    for ref in (FLAT, TIERED, HOME):
        places = draw(st.lists(st.integers(0, quarters - 1), max_size=12, unique=True))
        found += [
            slot(
                ref,
                start + place * QUARTER,
                live_seconds=draw(SECONDS),
                viewer_seconds=draw(st.none() | st.floats(0, 1e7)),
                watch_seconds=draw(st.none() | st.floats(0, 1e7)),
            )
            for place in places
        ]
    return found


def expected(found: list[UsageSlot], month: Month) -> dict[tuple[date, str, str], Fraction]:
    """Work it out once more: each slot for itself, in fractions, its day from the clock there."""
    sums: dict[tuple[date, str, str], Fraction] = defaultdict(Fraction)
    rates = {
        ("flat", "delivery"): Fraction(1, 1000 * 60),
        ("flat", "storage"): Fraction(5, 1000 * 60),
        ("flat", "ingest"): Fraction(0),
        ("tiered", "up to 1080"): Fraction(15, 100 * 3600),
        ("tiered", "input STANDARD"): Fraction(2, 3600),
        ("home", "ingest"): Fraction(0),
        ("home", "playback"): Fraction(0),
    }
    for one in found:
        local = one.start.astimezone(month.zone)
        if (local.year, local.month) != (month.year, month.month):
            continue
        live = Fraction(str(one.live_seconds))
        seen = one.viewer_seconds if one.watch_seconds is None else one.watch_seconds
        for (provider, name), rate in rates.items():
            if provider != one.ref.provider:
                continue
            is_watch = name in {"delivery", "up to 1080", "playback"}
            used = (Fraction(str(seen)) if seen else Fraction(0)) if is_watch else live
            if used:
                sums[local.date(), provider, name] += used * rate
    return sums


@settings(deadline=None)
@given(data=st.data(), month=MONTHS)
def test_no_cent_is_lost_against_a_calculation_in_fractions(
    data: st.DataObject, month: Month
) -> None:
    found = data.draw(slots(month.start - timedelta(days=1), month.end + timedelta(days=1)))
    with decimal.localcontext(decimal.Context(prec=4)):
        costs = compute_lines(usage(*found, month=month), month, BOOK)
    sums = expected(found, month)

    made: dict[tuple[date, str, str], Fraction] = defaultdict(Fraction)
    for line in costs.lines:
        made[line.day, line.provider, line.price.name] += Fraction(line.cost.amount)
    assert set(made) == set(sums)
    assert all(abs(made[key] - sums[key]) < Fraction(1, 10**20) for key in sums)
    total = sum(sums.values(), Fraction(0))
    assert abs(Fraction(costs.total.amount) - total) < Fraction(1, 10**20)


@frozen
class Both:
    """Two months in one."""

    one: Month
    two: Month

    @property
    def start(self) -> datetime:
        return self.one.start

    @property
    def end(self) -> datetime:
        return self.two.end

    @property
    def days(self) -> tuple[tuple[date, datetime, datetime], ...]:
        return self.one.days + self.two.days


@st.composite
def sessions(draw: st.DrawFn, start: datetime, end: datetime) -> list[SessionSpan]:
    """Sessions that follow each other, some of them over the end of a month."""
    seconds = int((end - start).total_seconds())
    bounds = sorted(draw(st.lists(st.integers(0, seconds), max_size=10, unique=True)))
    return [
        SessionSpan(
            ref=TIERED,
            session_id=f"s{first}",
            started_at=start + timedelta(seconds=first),
            ended_at=start + timedelta(seconds=last),
        )
        for first, last in zip(bounds[::2], bounds[1::2], strict=False)
    ]


@settings(deadline=None, max_examples=60)
@given(data=st.data(), month=MONTHS)
def test_two_months_cost_what_a_period_over_both_costs(data: st.DataObject, month: Month) -> None:
    both = Both(month, month.next)
    span = both.end - both.start
    found = data.draw(slots(both.start, both.end))
    spans = data.draw(sessions(both.start - timedelta(days=2), both.end + timedelta(days=2)))
    known = data.draw(st.none() | st.floats(-0.1, 1.1).map(lambda share: both.start + share * span))
    told = facts(TIERED, sessions_as_of=known)
    all_of_it = usage(*found, *spans, month=month, facts=[told], until=both.end)
    whole = compute_lines(all_of_it, both, BOOK)
    parts = [compute_lines(all_of_it, one, BOOK) for one in (month, month.next)]

    assert [*parts[0].lines, *parts[1].lines] == list(whole.lines)
    times = [live_time(all_of_it, one) for one in (month, month.next)]
    assert {**times[0], **times[1]} == live_time(all_of_it, both)


# -- time pushed -------------------------------------------------------------------------------


def test_the_platforms_own_sessions_are_measured_and_what_was_seen_after_them_is_estimated() -> (
    None
):
    costs = compute_lines(
        usage(
            session(TIERED, "2026-11-03 10:00", "2026-11-03 11:30"),
            slot(TIERED, "2026-11-03 10:00", live_seconds=600.0),  # the sessions tell more
            slot(TIERED, "2026-11-03 13:00", live_seconds=900.0),
            facts=[
                facts(TIERED, terms={"type": "BASIC"}, sessions_as_of=moment("2026-11-03 12:00"))
            ],
        ),
        NOVEMBER,
        BOOK,
    )
    lines = of(costs, "input BASIC")

    assert [(one.basis, one.quantity, str(one.cost)) for one in lines] == [
        (Basis.ESTIMATED, Decimal("0.25"), "0.05 USD"),
        (Basis.MEASURED, Decimal("1.5"), "0.30 USD"),
    ]
    assert [one.why for one in lines] == [
        "the times at which it was seen to be live",
        "the platform's own record of sessions",
    ]
    assert not lines[0].price.verified


def test_a_session_that_goes_on_counts_until_the_platform_was_asked() -> None:
    costs = compute_lines(
        usage(
            session(TIERED, "2026-11-03 10:00", None),
            slot(TIERED, "2026-11-03 10:00", live_seconds=900.0),
            slot(TIERED, "2026-11-03 10:15", live_seconds=900.0),
            slot(TIERED, "2026-11-03 10:30", live_seconds=300.0),
            facts=[facts(TIERED, sessions_as_of=moment("2026-11-03 10:20"))],
            until=moment("2026-11-03 10:35"),
        ),
        NOVEMBER,
        BOOK,
    )

    assert sum(one.quantity for one in of(costs, "input STANDARD")) * 60 == 35


@pytest.mark.parametrize(
    ("ended", "asked", "minutes"),
    [
        (None, "2026-11-03 10:34", 35),  # a fifth of what was seen in the last five minutes
        ("2026-11-03 10:34", "2026-11-03 10:31", 35),  # it ended while the platform was asked
        ("2026-11-03 10:20", "2026-11-03 10:34", 21),
    ],
)
def test_no_minute_counts_as_session_and_as_seen(
    ended: str | None, asked: str, minutes: int
) -> None:
    data = usage(
        session(TIERED, "2026-11-03 10:00", ended),
        slot(TIERED, "2026-11-03 10:30", live_seconds=300.0),
        facts=[facts(TIERED, sessions_as_of=moment(asked))],
        until=moment("2026-11-03 10:35"),
    )

    assert live_time(data, NOVEMBER) == {(TIERED, date(2026, 11, 3)): Decimal(60 * minutes)}


def test_sessions_that_overlap_are_pushed_once() -> None:
    told = [facts(TIERED, sessions_as_of=NOVEMBER.end)]
    overlapping = usage(
        session(TIERED, "2026-11-03 10:00", "2026-11-03 11:00"),
        session(TIERED, "2026-11-03 10:30", "2026-11-03 12:00"),
        session(TIERED, "2026-11-03 10:40", "2026-11-03 10:50"),
        facts=told,
    )

    assert live_time(overlapping, NOVEMBER) == {(TIERED, date(2026, 11, 3)): Decimal(7200)}


def test_the_25_hours_of_a_day_are_all_paid_and_the_23_of_another_too() -> None:
    for month, day, hours in (("2026-10", 25, 25), ("2026-03", 29, 23)):
        asked = Month.parse(month, BERLIN)
        (_, start, end) = asked.days[day - 1]
        always = SessionSpan(ref=TIERED, session_id="s", started_at=asked.start, ended_at=asked.end)
        data = usage(always, month=asked, facts=[facts(TIERED, sessions_as_of=asked.end)])
        lines = of(compute_lines(data, asked, BOOK), "input STANDARD")

        assert [one.quantity for one in lines if one.day.day == day] == [hours]
        assert (end - start) / timedelta(hours=1) == hours
        assert sum(one.quantity for one in lines) * 3600 == asked.seconds


def test_a_live_stream_over_midnight_and_the_months_end_is_split_where_the_zone_says() -> None:
    october, november = Month.parse("2026-10", BERLIN), Month.parse("2026-11", BERLIN)
    span = session(TIERED, "2026-10-31 22:00", "2026-10-31 23:45")  # 23:00 to 00:45 in Berlin
    told = [facts(TIERED, sessions_as_of=moment("2026-11-01 00:00"))]

    for month, day, minutes in (
        (october, date(2026, 10, 31), 60),
        (november, date(2026, 11, 1), 45),
    ):
        lines = of(
            compute_lines(usage(span, month=month, facts=told), month, BOOK), "input STANDARD"
        )
        assert [(one.day, one.quantity * 60) for one in lines] == [(day, minutes)]


# -- time watched ------------------------------------------------------------------------------


def test_the_platforms_own_watch_time_replaces_what_was_counted() -> None:
    costs = compute_lines(
        usage(
            slot(FLAT, "2026-11-03 10:00", viewer_seconds=60_000.0, watch_seconds=66_000.0),
            slot(FLAT, "2026-11-03 10:15", viewer_seconds=60_000.0),
            facts=[facts(FLAT)],
        ),
        NOVEMBER,
        BOOK,
    )

    assert [(one.basis, one.quantity, str(one.cost), one.why) for one in of(costs, "delivery")] == [
        (
            Basis.ESTIMATED,
            1000,
            "1.00 USD",
            "the viewers that were counted, times the time until the next count",
        ),
        (Basis.MEASURED, 1100, "1.10 USD", "the platform's own watch time"),
    ]


@pytest.mark.parametrize(
    ("terms", "height", "name", "words"),
    [
        ({"type": "STANDARD"}, None, "up to 1080", "the height of the picture is not known"),
        ({"type": "BASIC"}, None, "up to 720", "the height of the picture is not known"),
        ({"type": "STANDARD"}, 720, "up to 720", "all viewers are taken to watch the largest"),
        ({"type": "STANDARD"}, 719, "up to 720", "719 lines"),
        ({"type": "STANDARD"}, 721, "up to 1080", "721 lines"),
        ({"type": "STANDARD"}, 2160, "up to 1080", "2160 lines"),
        ({"type": "BASIC"}, 1080, "up to 720", "1080 lines"),
        ({}, 480, "up to 480", "type is not known; STANDARD, the default, is assumed"),
    ],
)
def test_viewers_pay_for_the_tier_that_holds_the_encoders_picture(
    terms: dict[str, str], height: int | None, name: str, words: str
) -> None:
    costs = compute_lines(
        usage(
            session(TIERED, "2026-11-03 09:50", "2026-11-03 10:20", height=height),
            slot(TIERED, "2026-11-03 10:00", watch_seconds=3600.0),
            facts=[facts(TIERED, terms=terms, sessions_as_of=NOVEMBER.end)],
        ),
        NOVEMBER,
        BOOK,
    )
    (line,) = [one for one in costs.lines if one.price.meter is Meter.WATCH]

    assert (line.price.name, line.basis) == (name, Basis.ESTIMATED)
    assert words in line.why


def test_the_height_is_that_of_the_latest_session_that_had_begun() -> None:
    data = usage(
        session(TIERED, "2026-11-03 08:00", "2026-11-03 09:00", height=1080),
        session(TIERED, "2026-11-03 10:05", "2026-11-03 10:15", height=480),
        session(TIERED, "2026-11-03 11:00", "2026-11-03 11:15", height=720),
        slot(TIERED, "2026-11-03 09:45", watch_seconds=3600.0),
        slot(TIERED, "2026-11-03 10:00", watch_seconds=3600.0),
        slot(TIERED, "2026-11-03 11:00", watch_seconds=3600.0),
        facts=[facts(TIERED, terms={"type": "STANDARD"}, sessions_as_of=NOVEMBER.end)],
    )
    lines = compute_lines(data, NOVEMBER, BOOK).lines

    assert [one.price.name for one in lines if one.price.meter is Meter.WATCH] == [
        "up to 1080",
        "up to 480",
        "up to 720",
    ]


def test_where_one_tier_only_can_apply_the_platforms_watch_time_is_measured() -> None:
    costs = compute_lines(
        usage(
            slot(TIERED, "2026-11-03 10:00", watch_seconds=3600.0),
            facts=[facts(TIERED, terms={"type": "ADVANCED"})],
        ),
        NOVEMBER,
        BOOK,
    )
    (line,) = of(costs, "up to 480")

    assert line.basis is Basis.MEASURED


def test_nobody_watching_costs_nothing_and_is_known() -> None:
    costs = compute_lines(
        usage(slot(FLAT, "2026-11-03 10:00", viewer_seconds=0.0), facts=[facts(FLAT)]),
        NOVEMBER,
        BOOK,
    )

    assert (costs.lines, costs.unpriced) == ((), ())


# -- recordings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "day", "carried_over"),
    [("2026-10", None, None), ("2026-11", 10, False), ("2026-12", 1, True), ("2027-01", 1, True)],
)
def test_a_recording_costs_once_in_each_month_that_begins_while_it_is_kept(
    month: str, day: int | None, carried_over: bool | None
) -> None:
    asked = Month.parse(month, BERLIN)
    kept = recording("2026-11-10 08:00", 60_000.0, until="2027-01-05 00:00")
    told = [facts(FLAT, recordings_as_of=moment("2027-01-05 00:00"))]
    lines = of(compute_lines(usage(kept, month=asked, facts=told), asked, BOOK), "storage")

    assert [(one.day.day, one.carried_over, one.quantity, str(one.cost)) for one in lines] == (
        [] if day is None else [(day, carried_over, 1000, "5.00 USD")]
    )
    assert all(one.basis is Basis.MEASURED for one in lines)


@pytest.mark.parametrize(
    ("until", "is_paid"),
    [("2026-11-01 00:00", False), ("2026-11-01 00:00:01", True), (None, True)],
)
def test_a_recording_that_was_deleted_before_the_month_costs_nothing_in_it(
    until: str | None, is_paid: bool
) -> None:
    kept = recording("2026-10-10 08:00", 600.0, until=until)

    assert bool(compute_lines(usage(kept), NOVEMBER, BOOK).lines) == is_paid


def test_what_was_not_listed_since_is_taken_to_be_kept_and_that_is_said() -> None:
    kept = recording("2026-10-10 08:00", 600.0)
    told = [facts(FLAT, recordings_as_of=moment("2026-10-11 00:00"))]
    (line,) = compute_lines(usage(kept, facts=told), NOVEMBER, BOOK).lines

    assert line.basis is Basis.ESTIMATED
    assert line.why == (
        "the recordings when they were last listed; they are taken to be kept still"
    )


def test_live_time_that_no_list_of_recordings_covers_is_taken_to_be_recorded() -> None:
    slots_ = [
        slot(FLAT, "2026-11-03 10:00", live_seconds=900.0),
        slot(FLAT, "2026-11-03 10:15", live_seconds=900.0),
    ]
    never = compute_lines(usage(*slots_), NOVEMBER, BOOK)
    later = compute_lines(
        usage(*slots_, facts=[facts(FLAT, recordings_as_of=moment("2026-11-03 11:00"))]),
        NOVEMBER,
        BOOK,
    )
    between = compute_lines(
        usage(*slots_, facts=[facts(FLAT, recordings_as_of=moment("2026-11-03 10:20"))]),
        NOVEMBER,
        BOOK,
    )

    assert [one.quantity for one in of(never, "storage")] == [30]
    assert of(later, "storage") == []
    (line,) = of(between, "storage")
    assert (line.quantity, line.basis) == (10, Basis.ESTIMATED)
    assert line.why == "how long it was live; its recordings have not been listed since"


def test_a_recording_without_a_length_yet_is_as_long_as_it_was_live() -> None:
    told = [facts(FLAT, recordings_as_of=moment("2026-11-03 10:30"))]
    data = usage(
        recording("2026-11-03 08:00", 300.0),
        recording("2026-11-03 10:00", None),
        slot(FLAT, "2026-11-03 08:00", live_seconds=300.0),
        slot(FLAT, "2026-11-03 10:00", live_seconds=900.0),
        slot(FLAT, "2026-11-03 10:15", live_seconds=900.0),
        facts=told,
    )
    costs = compute_lines(data, NOVEMBER, BOOK)

    assert [(one.quantity, one.basis) for one in of(costs, "storage")] == [
        (30, Basis.ESTIMATED),
        (5, Basis.MEASURED),
    ]


def test_what_was_live_is_in_one_recording_or_after_the_list_and_never_in_two() -> None:
    quarters = ("08:00", "10:00", "10:15", "10:30", "10:45")
    data = usage(
        recording("2026-11-03 08:00", None),
        recording("2026-11-03 10:00", None),
        *(slot(FLAT, f"2026-11-03 {one}", live_seconds=900.0) for one in quarters),
        facts=[facts(FLAT, recordings_as_of=moment("2026-11-03 10:30"))],
    )

    assert {
        one.why: one.quantity for one in of(compute_lines(data, NOVEMBER, BOOK), "storage")
    } == {
        "how long it was live; its recordings have not been listed since": 30,
        "how long it was live; the length of its recording is not known yet": 45,
    }


def test_a_recording_whose_length_nobody_knows_is_unpriced() -> None:
    costs = compute_lines(
        usage(
            recording("2026-11-03 10:00", None),
            facts=[facts(FLAT, recordings_as_of=moment("2026-11-03 10:30"))],
        ),
        NOVEMBER,
        BOOK,
    )

    assert costs.lines == ()
    assert whys(costs) == [
        (FLAT, Meter.STORAGE, "the length of the recording r 2026-11-03 10:00 is not known")
    ]


# -- what is unknown ---------------------------------------------------------------------------


def test_live_time_whose_viewers_nobody_counted_is_unpriced_and_not_zero() -> None:
    costs = compute_lines(
        usage(
            slot(TIERED, "2026-11-03 10:00", live_seconds=900.0, uncounted_seconds=900.0),
            slot(
                TIERED,
                "2026-11-03 10:15",
                live_seconds=900.0,
                uncounted_seconds=600.0,
                viewer_seconds=300.0,
            ),
            facts=[facts(TIERED)],
        ),
        NOVEMBER,
        BOOK,
    )

    assert whys(costs) == [(TIERED, Meter.WATCH, "its viewers were not counted for 25 min")]
    assert len(of(costs, "up to 1080")) == 1


def test_where_the_platform_tells_the_watch_time_no_count_is_missing() -> None:
    costs = compute_lines(
        usage(
            slot(
                TIERED,
                "2026-11-03 10:00",
                live_seconds=900.0,
                uncounted_seconds=900.0,
                watch_seconds=0.0,
            ),
            facts=[facts(TIERED)],
        ),
        NOVEMBER,
        BOOK,
    )

    assert costs.unpriced == ()


def test_a_session_that_nobody_watched_over_has_unknown_viewers() -> None:
    told = [facts(TIERED, sessions_as_of=moment("2026-11-04 00:00"))]
    unseen = UnseenSpan(
        ref=TIERED, since=moment("2026-11-03 10:00"), until=moment("2026-11-03 12:00")
    )
    data = usage(session(TIERED, "2026-11-03 10:00", "2026-11-03 11:30"), unseen, facts=told)
    costs = compute_lines(data, NOVEMBER, BOOK)

    assert whys(costs) == [(TIERED, Meter.WATCH, "its viewers were not counted for 1 h 30 min")]
    assert sum(one.quantity for one in of(costs, "input STANDARD")) == Decimal("1.5")


def test_a_session_that_nobody_watched_over_has_viewers_if_the_platform_tells_them() -> None:
    told = [facts(TIERED, sessions_as_of=moment("2026-11-04 00:00"))]
    data = usage(
        session(TIERED, "2026-11-03 10:00", "2026-11-03 10:30"),
        slot(TIERED, "2026-11-03 10:00", watch_seconds=900.0),
        slot(TIERED, "2026-11-03 10:15", watch_seconds=0.0),
        facts=told,
    )

    assert compute_lines(data, NOVEMBER, BOOK).unpriced == ()


def test_a_gap_has_viewers_if_the_platform_tells_them_though_not_how_long_it_was_live() -> None:
    data = usage(
        UnseenSpan(ref=TIERED, since=moment("2026-11-03 10:00"), until=moment("2026-11-03 10:20")),
        slot(TIERED, "2026-11-03 10:15", watch_seconds=900.0),
        facts=[facts(TIERED)],
    )

    assert whys(compute_lines(data, NOVEMBER, BOOK)) == [
        (TIERED, Meter.INGEST, "nobody looked, and it may have been live for 20 min")
    ]


def test_the_seconds_that_a_watcher_misses_at_either_end_of_a_session_are_nothing_unknown() -> None:
    costs = compute_lines(
        usage(
            session(TIERED, "2026-11-03 10:00", "2026-11-03 10:15"),
            slot(TIERED, "2026-11-03 10:00", live_seconds=860.0, viewer_seconds=86.0),
            facts=[facts(TIERED, sessions_as_of=moment("2026-11-04 00:00"))],
        ),
        NOVEMBER,
        BOOK,
    )

    assert costs.unpriced == ()


def test_a_time_in_which_nobody_looked_is_unpriced_where_no_platform_tells() -> None:
    gap = UnseenSpan(ref=TIERED, since=moment("2026-11-03 10:00"), until=moment("2026-11-03 12:00"))
    costs = compute_lines(usage(gap, facts=[facts(TIERED)]), NOVEMBER, BOOK)

    assert whys(costs) == [
        (TIERED, Meter.INGEST, "nobody looked, and it may have been live for 2 h"),
        (TIERED, Meter.WATCH, "its viewers were not counted for 2 h"),
    ]
    free = compute_lines(usage(evolve(gap, ref=HOME), facts=[facts(HOME)]), NOVEMBER, BOOK)
    assert free.unpriced == ()


def test_a_gap_that_has_not_lasted_yet_is_none() -> None:
    gap = UnseenSpan(ref=TIERED, since=moment("2026-11-03 10:00"))
    told = [facts(TIERED)]
    soon = usage(gap, facts=told, until=moment("2026-11-03 10:05"))
    later = usage(gap, facts=told, until=moment("2026-11-03 10:06"))

    assert compute_lines(soon, NOVEMBER, BOOK).unpriced == ()
    assert len(compute_lines(later, NOVEMBER, BOOK).unpriced) == 2


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        (book(), "the provider flat is not installed"),
        (book(PriceList(provider="flat", problem="it is broken")), "it is broken"),
        (book(listed("flat", evolve(DELIVERY, meter=None))), "no price that can be counted"),
    ],
)
def test_use_without_a_known_price_is_unpriced(prices: PriceBook, words: str) -> None:
    used = slot(FLAT, "2026-11-03 10:00", live_seconds=900.0, viewer_seconds=900.0)
    costs = compute_lines(usage(used), NOVEMBER, prices)

    assert costs.lines == ()
    assert {meter for _, meter, _ in whys(costs)} == {Meter.INGEST, Meter.WATCH, Meter.STORAGE}
    assert all(words in why for _, _, why in whys(costs))


def test_options_for_which_there_is_no_price_are_named() -> None:
    costs = compute_lines(
        usage(
            slot(TIERED, "2026-11-03 10:00", live_seconds=900.0, viewer_seconds=0.0),
            facts=[facts(TIERED, terms={"type": "NEW"})],
        ),
        NOVEMBER,
        BOOK,
    )

    assert whys(costs) == [
        (TIERED, Meter.INGEST, "the provider tiered tells no price for type NEW")
    ]


def test_what_headend_cannot_count_is_named_and_not_left_out_silently() -> None:
    costs = compute_lines(usage(slot(FLAT, "2026-11-03 10:00", live_seconds=900.0)), NOVEMBER, BOOK)

    assert [(provider, one.name) for provider, one in costs.uncounted] == [("flat", "simulcast")]


# -- the rest ----------------------------------------------------------------------------------


def test_bytes_cost_only_where_the_host_has_a_price_for_them() -> None:
    sent = slot(HOME, "2026-11-03 10:00", live_seconds=900.0, delivered_bytes=2.5e9)
    unknown = slot(HOME, "2026-11-03 10:15", live_seconds=900.0)
    own = price("line", "0.08", Meter.BANDWIDTH, unit="GB", unit_size=1e9)
    mine = book(listed("home", INGEST, own))

    assert compute_lines(usage(sent), NOVEMBER, BOOK).total.amount == 0
    costs = compute_lines(usage(sent, unknown), NOVEMBER, mine)
    (line,) = of(costs, "line")
    assert (line.quantity, str(line.cost), line.basis) == (
        Decimal("2.5"),
        "0.20 USD",
        Basis.ESTIMATED,
    )
    assert whys(costs) == [(HOME, Meter.BANDWIDTH, "bitrate or viewers were not known for 15 min")]


def test_amounts_are_in_the_reports_currency_at_the_hosts_rate() -> None:
    used = slot(FLAT, "2026-11-03 10:00", viewer_seconds=60_000.0)
    euros = evolve(BOOK, currency="EUR", rates={"USD": Decimal("0.9")})
    costs = compute_lines(usage(used), NOVEMBER, euros)

    assert str(costs.total) == "0.90 EUR"
    assert costs.lines[0].price.currency == "USD"


def test_a_line_tells_whose_it_is_and_the_lines_are_in_order() -> None:
    data = usage(
        slot(FLAT, "2026-11-04 10:00", viewer_seconds=60.0, live_seconds=60.0),
        slot(FLAT, "2026-11-03 10:00", viewer_seconds=60.0, live_seconds=60.0),
        slot(HOME, "2026-11-03 10:00", live_seconds=60.0),
        facts=[facts(FLAT)],
    )
    costs = compute_lines(data, NOVEMBER, BOOK)

    assert [(one.day.day, one.provider, one.price.name) for one in costs.lines] == [
        (3, "flat", "delivery"),
        (3, "flat", "ingest"),
        (3, "flat", "storage"),
        (3, "home", "ingest"),
        (4, "flat", "delivery"),
        (4, "flat", "ingest"),
        (4, "flat", "storage"),
    ]
    line = costs.lines[0]
    assert (line.account, line.stream_id, line.channel_id, line.name) == (
        "4711",
        "live-1",
        "42",
        "Opening",
    )
    assert costs.of("home").amount == 0
    assert costs.of("flat") == costs.total


@pytest.mark.parametrize(
    ("told", "counted", "known"),
    [(None, None, None), (None, 5.5, "5.5"), (0.0, 5.5, "0.0"), (7.25, None, "7.25")],
)
def test_watch_time_is_the_platforms_else_what_was_counted_else_unknown(
    told: float | None, counted: float | None, known: str | None
) -> None:
    one = slot(FLAT, "2026-11-03 10:00", watch_seconds=told, viewer_seconds=counted)

    assert watched(one) == (None if known is None else Decimal(known))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ("12", "less than a minute"),
        ("59", "1 min"),
        ("3600", "1 h"),
        ("5400", "1 h 30 min"),
        ("3600000", "1,000 h"),
    ],
)
def test_a_duration_is_told_in_words(seconds: str, words: str) -> None:
    assert in_words(Decimal(seconds)) == words


def test_what_nobody_recorded_is_not_taken_for_nothing() -> None:
    """At a provider that costs nothing it makes no difference."""
    known = [
        facts(StreamRef("flat", "4711", "seen"), seen_at=moment("2026-11-02 12:00")),
        facts(StreamRef("flat", "4711", "asked"), sessions_as_of=moment("2026-11-02 12:00")),
        facts(StreamRef("flat", "4711", "listed"), recordings_as_of=moment("2026-11-02 12:00")),
        facts(StreamRef("flat", "4711", "used")),
    ]
    unknown = [facts(FLAT), facts(StreamRef("not installed", "4711", "live-9"))]
    used = slot(known[-1].ref, "2026-11-02 12:00", live_seconds=900.0, viewer_seconds=0.0)
    data = usage(used, facts=[*known, *unknown, facts(HOME)])

    assert compute_lines(data, NOVEMBER, BOOK).unrecorded == tuple(one.ref for one in unknown)
