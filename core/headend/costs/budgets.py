"""What may be spent, what has been, and what it will be at the month's end: arithmetic only."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from headend.costs.money import EXACT, Money
from headend.costs.months import Month, seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from attrs import Attribute

    from headend.costs.lines import Costs

ALL: Final = "all"
"""The scope of all providers together."""

THRESHOLDS: Final = (50, 80, 100)
"""Percent of a budget at which somebody is told, where nothing else is set."""

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)
_DAYS: Final = 7
_DAY: Final = Decimal(86_400)


def _more_than_nothing(_budget: object, _attribute: Attribute[Money], value: Money) -> None:
    if not value.amount > 0:
        raise ValueError(f"a budget must be more than 0, not {value}")


@frozen(kw_only=True)
class Budget:
    """What may be spent in a month.

    Attributes:
        scope: ``"all"`` for all providers together in each month, a provider's name for that
            provider in each month, or a month such as ``"2026-12"`` for all providers together
            in that month, instead of ``"all"``.
        amount: the most, in the currency of the report; more than 0.
    """

    scope: str
    amount: Money = field(validator=_more_than_nothing)


@frozen(kw_only=True)
class BudgetStatus:
    """How a budget stands.

    Attributes:
        budget: the budget.
        month: the month.
        spent: what was spent until now.
        share: of the budget: 0.5 is half of it; more than 1 where it is exceeded.
        forecast: what will have been spent at the month's end if it goes on as lately.
        reached: the thresholds that were reached, in percent, rising.
    """

    budget: Budget
    month: Month
    spent: Money
    share: Decimal
    forecast: Money
    reached: tuple[int, ...] = ()


def status(
    budgets: Iterable[Budget],
    costs: Costs,
    month: Month,
    now: datetime,
    thresholds: Sequence[int] = THRESHOLDS,
) -> list[BudgetStatus]:
    """Return how each budget stands that holds for a month, in the order given.

    Args:
        budgets: all that there are; those of other months are left out.
        costs: what the month has cost so far.
        month: the month.
        now: the present.
        thresholds: percent.
    """
    return [_status(budget, costs, month, now, thresholds) for budget in in_force(budgets, month)]


def in_force(budgets: Iterable[Budget], month: Month) -> list[Budget]:
    """Return the budgets that hold for a month: its own, where it has one, instead of ``all``."""
    every = list(budgets)
    has_own = any(budget.scope == str(month) for budget in every)
    return [
        budget
        for budget in every
        if (budget.scope == str(month) or not _MONTH.fullmatch(budget.scope))
        and not (has_own and budget.scope == ALL)
    ]


def forecast(costs: Costs, month: Month, now: datetime, *, provider: str | None = None) -> Money:
    """Return what a month will have cost at its end if it goes on as in the last seven days.

    What was kept from earlier months is due once and is not carried on.  In the first days it is
    the month so far that is carried on, and what the first day has cost so far counts as that of
    the whole day, lest one hour decides about a month.

    Args:
        costs: what it has cost so far.
        month: the month.
        now: the present; a month that is over, or has not begun, has cost what it has.
        provider: of one provider only.
    """
    lines = [one for one in costs.lines if provider in {None, one.provider}]
    spent = costs.total if provider is None else costs.of(provider)
    if not month.start < now < month.end:
        return spent
    begun = [(day, start) for day, start, _ in month.days if start <= now]
    recent = begun[-_DAYS:]
    days = {day for day, _ in recent}
    lately = Money.sum(
        (one.cost for one in lines if one.day in days and not one.carried_over), costs.currency
    )
    over = max(seconds_between(recent[0][1], now), _DAY)
    left = seconds_between(now, month.end)
    return spent + lately * EXACT.divide(left, over)


def _status(
    budget: Budget, costs: Costs, month: Month, now: datetime, thresholds: Sequence[int]
) -> BudgetStatus:
    is_overall = budget.scope in {ALL, str(month)}
    provider = None if is_overall else budget.scope
    spent = costs.total if provider is None else costs.of(provider)
    if budget.amount.currency != costs.currency:
        raise ValueError(f"the budget {budget.scope} is not in {costs.currency}")
    share = EXACT.divide(spent.amount, budget.amount.amount)
    return BudgetStatus(
        budget=budget,
        month=month,
        spent=spent,
        share=share,
        forecast=forecast(costs, month, now, provider=provider),
        # Compared without the division, so that a threshold that is met exactly is reached.
        reached=tuple(
            one
            for one in sorted(thresholds)
            if EXACT.multiply(spent.amount, Decimal(100))
            >= EXACT.multiply(budget.amount.amount, Decimal(one))
        ),
    )
