"""How long to wait before a request is sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random

import pytest
from hypothesis import given, strategies as st

from headend.calls.retry import backoff
from headend.plugin import parse_retry_after

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@given(attempt=st.integers(1, 20), seed=st.integers())
def test_backoff_is_full_jitter_below_a_bound_that_doubles_up_to_8_seconds(
    attempt: int, seed: int
) -> None:
    assert 0 <= backoff(attempt, Random(seed)) <= min(8, 0.5 * 2 ** (attempt - 1))


@pytest.mark.parametrize(("attempt", "bound"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (9, 8.0)])
def test_backoff_uses_all_of_its_range(attempt: int, bound: float) -> None:
    random = Random(1)
    drawn = [backoff(attempt, random) for _ in range(2000)]

    assert min(drawn) < 0.01 * bound
    assert max(drawn) > 0.99 * bound
    assert sum(drawn) / len(drawn) == pytest.approx(bound / 2, rel=0.1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90.0),
        ("Sunday, 22-Nov-26 12:01:30 GMT", 90.0),
        ("Sun Nov 22 12:01:30 2026", 90.0),
        ("Sun, 22 Nov 2026 13:01:30 +0100", 90.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 1e9),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("٣", None),
        ("Sun, 99 Nov 2026 12:01:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_in_any_http_form(
    text: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(text, NOW) == seconds


DATES = st.datetimes(timezones=st.just(UTC))


@given(
    text=st.one_of(
        st.text(),
        st.from_regex(r"[0-9.,+-]{1,12}"),
        st.from_regex(r"(Sun|Mon)?,? ?[0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} ?.{0,6}"),
        DATES.map(lambda date: format_datetime(date, usegmt=True)),
    ),
    now=DATES,
)
def test_any_text_gives_seconds_that_are_not_negative_or_nothing(text: str, now: datetime) -> None:
    seconds = parse_retry_after(text, now)

    assert seconds is None or 0 <= seconds < 1e12


@given(
    seconds=st.integers(0, 10**6),
    zone=st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
def test_a_date_means_the_seconds_until_then_in_whatever_zone(seconds: int, zone: timezone) -> None:
    date = (NOW + timedelta(seconds=seconds)).astimezone(zone)

    assert parse_retry_after(format_datetime(date), NOW) == seconds
