"""Money is exact, of one currency, and rounded only when it is shown."""

from __future__ import annotations

import decimal
import operator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from headend.costs import Money
from headend.costs.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable

AMOUNTS = st.decimals(
    min_value=Decimal(-(10**9)), max_value=Decimal(10**9), places=12, allow_nan=False
)


def usd(amount: str | int | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


@given(amounts=st.lists(AMOUNTS, max_size=40))
def test_a_sum_is_what_fractions_add_up_to(amounts: list[Decimal]) -> None:
    total = Money.sum((usd(one) for one in amounts), "USD")

    assert Fraction(total.amount) == sum((Fraction(one) for one in amounts), Fraction(0))


@given(one=AMOUNTS, other=AMOUNTS, factor=st.decimals(-1000, 1000, places=9))
def test_arithmetic_is_exact_whatever_precision_the_host_works_with(
    one: Decimal, other: Decimal, factor: Decimal
) -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        added, less, times = usd(one) + usd(other), usd(one) - usd(other), usd(one) * factor

    assert Fraction(added.amount) == Fraction(one) + Fraction(other)
    assert Fraction(less.amount) == Fraction(one) - Fraction(other)
    assert Fraction(times.amount) == Fraction(one) * Fraction(factor)
    assert factor * usd(one) == times


@given(amount=AMOUNTS)
def test_cents_are_rounded_half_to_even(amount: Decimal) -> None:
    assert Fraction(usd(amount).cents) == Fraction(round(Fraction(amount) * 100), 100)


@given(cents=st.integers(0, 10**9), parts=st.integers(1, 1000))
def test_a_tie_that_was_made_of_many_quotients_is_still_one(cents: int, parts: int) -> None:
    tie = Decimal(2 * cents + 1) / 200
    part = usd(EXACT.divide(tie, Decimal(parts)))

    assert Money.sum([part] * parts, "USD").cents == usd(tie).cents


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00 USD"),
        ("-0", "0.00 USD"),
        ("12.3", "12.30 USD"),
        ("1234567.891", "1,234,567.89 USD"),
        ("0.125", "0.12 USD"),
        ("0.135", "0.14 USD"),
        ("0.0000001", "<0.01 USD"),
        ("0.00999", "<0.01 USD"),
        ("0.01", "0.01 USD"),
        ("-0.004", ">-0.01 USD"),
        ("-2.5", "-2.50 USD"),
    ],
)
def test_it_is_shown_in_cents_and_next_to_nothing_is_not_shown_as_nothing(
    amount: str, shown: str
) -> None:
    assert str(usd(amount)) == shown


@pytest.mark.parametrize(
    "operation",
    [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge],
)
def test_two_currencies_do_not_mix(operation: Callable[[Money, Money], object]) -> None:
    with pytest.raises(ValueError, match="two currencies"):
        operation(usd(1), Money(amount=Decimal(1), currency="EUR"))


def test_a_sum_of_nothing_has_a_currency() -> None:
    assert Money.sum((), "EUR") == Money.zero("EUR")
    with pytest.raises(ValueError, match="two currencies"):
        Money.sum((usd(1),), "EUR")


@pytest.mark.parametrize("amount", [0.1, 1, "1", Decimal("NaN"), Decimal("Infinity"), None])
def test_an_amount_is_a_decimal_that_is_a_number(amount: object) -> None:
    with pytest.raises(ValueError, match="amount must be a Decimal"):
        Money(amount=amount, currency="USD")  # type: ignore[arg-type]  # what a host may do


@pytest.mark.parametrize("currency", ["usd", "US", "US$", "", None])
def test_a_currency_is_three_capital_letters(currency: object) -> None:
    with pytest.raises(ValueError, match="three capital letters"):
        Money(amount=Decimal(1), currency=currency)  # type: ignore[arg-type]  # what a host may do


@pytest.mark.parametrize("factor", [0.5, True, "2", usd(2)])
def test_money_is_multiplied_by_exact_numbers_only(factor: object) -> None:
    with pytest.raises(TypeError):
        usd(1) * factor  # type: ignore[operator]  # what a host may do


@given(one=AMOUNTS, other=AMOUNTS)
def test_amounts_compare_as_their_numbers_do(one: Decimal, other: Decimal) -> None:
    assert (usd(one) < usd(other)) == (one < other)
    assert (usd(one) <= usd(other)) == (one <= other)
    assert (usd(one) > usd(other)) == (one > other)
    assert (usd(one) >= usd(other)) == (one >= other)
    assert bool(usd(one)) == bool(one)
