"""Months tile time in every zone, and days tile months, whatever is done to the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings, strategies as st

from headend.costs import Month
from headend.costs.months import start_of_day

NAMES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
)
ZONES = st.sampled_from(NAMES).map(ZoneInfo)
MONTHS = st.builds(Month, st.integers(1980, 2060), st.integers(1, 12), ZONES)
FIRST, LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def hours(zone: str, day: date) -> float:
    month = Month(day.year, day.month, ZoneInfo(zone))
    (found,) = [end - start for one, start, end in month.days if one == day]
    return found / timedelta(hours=1)


@given(month=MONTHS)
def test_a_month_begins_when_the_one_before_ends(month: Month) -> None:
    assert month.end == month.next.start
    assert month.previous.end == month.start
    assert month.next.previous == month == month.previous.next
    assert month.start < month.end


@given(month=MONTHS)
def test_days_follow_each_other_and_add_up_to_the_month_in_real_seconds(month: Month) -> None:
    days = month.days

    assert days[0][1] == month.start
    assert days[-1][2] == month.end
    assert all(before[2] == after[1] for before, after in pairwise(days))
    assert all(start < end for _, start, end in days)
    assert [day for day, _, _ in days] == sorted({day for day, _, _ in days})
    total = sum((end - start for _, start, end in days), timedelta())
    assert month.seconds == Decimal(total // timedelta(seconds=1))


@settings(max_examples=25)
@given(month=MONTHS)
def test_every_quarter_of_an_hour_is_in_the_day_and_month_that_clocks_there_show(
    month: Month,
) -> None:
    moment = month.start - timedelta(days=2)
    shown: dict[date, int] = {}
    while moment < month.end + timedelta(days=2):
        local = moment.astimezone(month.zone)
        is_inside = (local.year, local.month) == (month.year, month.month)
        assert is_inside == (month.start <= moment < month.end)
        if is_inside:
            shown[local.date()] = shown.get(local.date(), 0) + 1
        moment += QUARTER

    assert {day: (end - start) // QUARTER for day, start, end in month.days} == shown


@given(
    zone=ZONES,
    moment=st.floats(0, 1).map(lambda share: FIRST + share * (LAST - FIRST)),
)
def test_a_moment_is_in_the_month_that_contains_it(zone: ZoneInfo, moment: datetime) -> None:
    month = Month.containing(moment, zone)

    assert month.start <= moment < month.end
    assert 0 <= month.elapsed(moment) < 1
    assert Month.parse(str(month), zone) == month


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 11, 22), 24),
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # it had no midnight
        ("America/Sao_Paulo", date(2018, 2, 17), 25),  # its last hour came twice
        ("Asia/Kathmandu", date(1986, 1, 1), 23.75),  # the zone itself changed at midnight
    ],
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(
    zone: str, day: date, length: float
) -> None:
    assert hours(zone, day) == length


@pytest.mark.parametrize(
    ("zone", "month", "length"),
    [
        ("Europe/Berlin", "2026-03", 31 * 24 - 1),
        ("Europe/Berlin", "2026-10", 31 * 24 + 1),
        ("Europe/Berlin", "2028-02", 29 * 24),
        ("Australia/Lord_Howe", "2026-04", 30 * 24 + 0.5),
        ("Pacific/Apia", "2011-12", 30 * 24),
    ],
)
def test_the_hour_that_a_month_gains_or_loses_is_in_it(
    zone: str, month: str, length: float
) -> None:
    assert Month.parse(month, ZoneInfo(zone)).seconds == Decimal(str(length)) * 3600


@given(
    zone=st.sampled_from(sorted(available_timezones())).map(ZoneInfo),
    day=st.dates(date(1971, 1, 1), date(2060, 1, 1)),
)
def test_a_day_begins_with_its_first_moment_in_every_zone_that_there_is(
    zone: ZoneInfo, day: date
) -> None:
    start = start_of_day(day, zone)

    assert start.astimezone(zone).date() >= day
    assert (start - timedelta(seconds=1)).astimezone(zone).date() < day


def test_minutes_that_are_shown_again_after_midnight_belong_to_the_new_month() -> None:
    """At 00:01 on 1 November 2009, clocks of St John's were put back to 23:01."""
    zone = ZoneInfo("America/St_Johns")
    november = Month.parse("2009-11", zone)
    again = november.start + timedelta(minutes=30)

    assert again.astimezone(zone).isoformat() == "2009-10-31T23:30:00-03:30"
    assert Month.containing(again, zone) == november
    assert november.days[0][2] - november.days[0][1] == timedelta(hours=25)


def test_a_date_that_a_zone_left_out_is_no_day() -> None:
    december = Month.parse("2011-12", ZoneInfo("Pacific/Apia"))

    assert [day.day for day, _, _ in december.days] == [*range(1, 30), 31]
    assert start_of_day(date(2011, 12, 30), december.zone) == december.days[-1][1]


def test_a_day_without_midnight_begins_with_its_first_moment() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    first = start_of_day(date(2018, 11, 4), zone)

    assert first.astimezone(zone).isoformat() == "2018-11-04T01:00:00-02:00"
    before = (first - timedelta(seconds=1)).astimezone(zone)
    assert before.isoformat() == "2018-11-03T23:59:59-03:00"


@given(month=MONTHS, share=st.fractions(0, 1))
def test_what_is_over_of_a_month_grows_with_real_time(month: Month, share: object) -> None:
    moment = month.start + (month.end - month.start) * float(share)  # type: ignore[arg-type]  # a number

    assert abs(float(month.elapsed(moment)) - float(share)) < 1e-6  # type: ignore[arg-type]  # as above
    assert month.elapsed(month.start - timedelta(days=1)) == 0
    assert month.elapsed(month.end + timedelta(days=1)) == 1


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "11-2026", "1969-12", "9001-01", "²026-11"]
)
def test_what_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month such as 2026-11"):
        Month.parse(text, ZoneInfo("UTC"))


@given(month=MONTHS)
def test_a_month_is_shown_as_it_is_written(month: Month) -> None:
    assert str(month) == f"{month.year}-{month.month:02}"
    assert Month.parse(f" {month} ", month.zone) == month
