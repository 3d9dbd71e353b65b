"""What was spent of a budget, which thresholds were reached, and what the month will end at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from headend.costs import Basis, Budget, CostLine, Costs, Money, Month
from headend.costs.budgets import forecast, in_force, status
from headend.facts import Meter, Price

NOVEMBER = Month.parse("2026-11", ZoneInfo("UTC"))
PRICE = Price(
    name="delivery",
    amount=Decimal(1),
    per=1,
    unit="hour",
    meter=Meter.WATCH,
    source="https://acme.example",
    as_of="2026-11-22",
)


def usd(amount: str | int | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def line(
    day: int | date, amount: str | int | Decimal, provider: str = "acme", *, kept: bool = False
) -> CostLine:
    return CostLine(
        day=date(2026, 11, day) if isinstance(day, int) else day,
        provider=provider,
        account="4711",
        stream_id="live-1",
        channel_id=None,
        name=None,
        price=PRICE,
        overridden=False,
        quantity=Decimal(1),
        cost=usd(amount),
        basis=Basis.MEASURED,
        why="",
        carried_over=kept,
    )


def costs(*lines: CostLine) -> Costs:
    return Costs(currency="USD", lines=lines)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def budget(scope: str, amount: str | int) -> Budget:
    return Budget(scope=scope, amount=usd(amount))


NOON = at("2026-11-16 12:00")


def test_a_budget_is_of_all_providers_or_of_one() -> None:
    spent = costs(line(3, 60), line(3, 30, "other"), line(4, 10, "other"))
    found = status(
        [budget("all", 200), budget("acme", 120), budget("third", 5)], spent, NOVEMBER, NOON
    )

    assert [(one.budget.scope, str(one.spent), one.share) for one in found] == [
        ("all", "100.00 USD", Decimal("0.5")),
        ("acme", "60.00 USD", Decimal("0.5")),
        ("third", "0.00 USD", Decimal(0)),
    ]
    assert [one.reached for one in found] == [(50,), (50,), ()]


def test_a_month_of_its_own_budget_has_that_instead_of_the_usual_one() -> None:
    budgets = [budget("all", 200), budget("2026-12", 400), budget("acme", 100)]

    assert [one.scope for one in in_force(budgets, NOVEMBER)] == ["all", "acme"]
    assert [one.scope for one in in_force(budgets, NOVEMBER.next)] == ["2026-12", "acme"]
    (december, _) = status(
        budgets, costs(line(date(2026, 12, 3), 100)), NOVEMBER.next, at("2026-12-05 00:00")
    )
    assert (str(december.spent), december.share) == ("100.00 USD", Decimal("0.25"))


@given(
    spent=st.decimals(0, 1000, places=6),
    amount=st.decimals(Decimal("0.01"), 1000, places=2),
    thresholds=st.lists(st.integers(1, 300), unique=True),
)
def test_a_threshold_is_reached_when_so_much_of_the_budget_is_spent_and_not_before(
    spent: Decimal, amount: Decimal, thresholds: list[int]
) -> None:
    (found,) = status(
        [Budget(scope="all", amount=usd(amount))],
        costs(line(3, spent)),
        NOVEMBER,
        NOON,
        thresholds,
    )
    percent = Fraction(spent) / Fraction(amount) * 100

    assert found.reached == tuple(sorted(one for one in thresholds if percent >= one))
    assert abs(Fraction(found.share) * 100 - percent) < Fraction(1, 10**30)


def test_a_third_of_a_budget_spent_thrice_reaches_all_of_it() -> None:
    (found,) = status([budget("all", 1)], costs(*[line(3, "0.1")] * 10), NOVEMBER, NOON)

    assert found.reached == (50, 80, 100)


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_budget_is_more_than_nothing(amount: str) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        budget("all", amount)


def test_a_budget_of_another_currency_is_refused() -> None:
    euros = Budget(scope="all", amount=Money(amount=Decimal(1), currency="EUR"))
    with pytest.raises(ValueError, match="budget all is not in USD"):
        status([euros], costs(), NOVEMBER, NOON)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]).map(ZoneInfo)


@given(
    zone=ZONES,
    month=st.integers(1, 12),
    share=st.fractions(Fraction(1, 25), Fraction(99, 100)),
    rate=st.decimals(0, 10, places=4),
    kept=st.decimals(0, 100, places=2),
)
def test_what_goes_on_evenly_ends_where_the_forecast_says(
    zone: ZoneInfo, month: int, share: Fraction, rate: Decimal, kept: Decimal
) -> None:
    """Also in a month with an hour more or less, and with recordings from the month before."""
    asked = Month(2026, month, zone)
    now = asked.start + (asked.end - asked.start) * float(share)
    lines = [line(asked.days[0][0], kept, kept=True)]
    for day, start, end in asked.days:
        hours = max((min(end, now) - start) / timedelta(hours=1), 0)
        if hours:
            lines.append(line(day, rate * Decimal(hours)))
    found = forecast(costs(*lines), asked, now)

    whole = kept + rate * asked.seconds / 3600
    assert abs(found.amount - whole) <= Decimal("0.0001") * (1 + whole)


def test_only_the_last_seven_days_are_carried_on() -> None:
    now = at("2026-11-11 00:00")
    early = [line(day, 100) for day in range(1, 5)]
    late = [line(day, 7) for day in range(5, 11)]

    # Six days and a midnight: 42 in six days, which are 7 a day for the 20 days that are left.
    assert str(forecast(costs(*early, *late), NOVEMBER, now)) == "582.00 USD"


def test_one_hour_does_not_decide_about_a_month() -> None:
    now = at("2026-11-01 01:00")

    assert forecast(costs(line(1, 1)), NOVEMBER, now).amount < 31


@pytest.mark.parametrize("now", ["2026-10-31 23:00", "2026-11-01 00:00", "2026-12-01 00:00"])
def test_a_month_that_is_over_or_has_not_begun_costs_what_it_has(now: str) -> None:
    assert forecast(costs(line(1, 5)), NOVEMBER, at(now)) == usd(5)


@given(
    lines=st.lists(
        st.builds(line, st.integers(1, 16), st.decimals(0, 100, places=4), kept=st.booleans())
    ),
    hour=st.integers(1, 24 * 30 - 1),
)
def test_a_forecast_is_never_below_what_was_spent(lines: list[CostLine], hour: int) -> None:
    spent = costs(*lines)

    now = NOVEMBER.start + timedelta(hours=hour)
    assert forecast(spent, NOVEMBER, now) >= spent.total


def test_a_providers_forecast_is_made_of_its_own_costs() -> None:
    spent = costs(line(15, 10), line(15, 90, "other"))
    (mine, every) = status([budget("acme", 100), budget("all", 100)], spent, NOVEMBER, NOON)

    assert mine.forecast < every.forecast
    assert mine.forecast * 10 == every.forecast
