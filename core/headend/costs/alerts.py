"""Thresholds of budgets that were reached: found once, written down, and told.

The ledger decides what is new: an alert is an event whose key names budget, month and threshold,
and of all workers that see the same, the one whose event the journal takes is the one to tell.
"""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo

from attrs import frozen

from headend.costs.budgets import ALL, Budget
from headend.costs.money import Money
from headend.costs.months import Month
from headend.ledger.journal import BY_HEADEND, LedgerEventKind, NewEvent, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend.costs.budgets import BudgetStatus
    from headend.ledger import Ledger

LOGGER: Final = logging.getLogger("headend.budget")
"""The log that is told of alerts, and of what hinders them."""


@frozen(kw_only=True)
class BudgetAlert:
    """A threshold of a budget was reached.

    Attributes:
        budget: the budget, as it was then.
        month: the month in which it was reached.
        threshold: percent of the budget.
        spent: what was spent by then.
        forecast: what the month will have cost at its end if it goes on as lately.
        at: when it was found out.
        alert_id: names it, among those of all ledgers; the same wherever it is told.
    """

    budget: Budget
    month: Month
    threshold: int
    spent: Money
    forecast: Money
    at: datetime
    alert_id: str

    @classmethod
    def from_event(cls, event: NewEvent, *, ledger_id: str) -> Self:
        """Return the alert that an event of the journal tells.

        Args:
            event: of the kind `LedgerEventKind.BUDGET_ALERT`.
            ledger_id: the id of the ledger whose journal it is.
        """
        detail = event.detail

        def money(name: str) -> Money:
            return Money(amount=Decimal(detail[name]), currency=detail["currency"])

        return cls(
            budget=Budget(scope=detail["budget"], amount=money("amount")),
            month=Month.parse(detail["month"], ZoneInfo(detail["time_zone"])),
            threshold=int(detail["threshold"]),
            spent=money("spent"),
            forecast=money("forecast"),
            at=event.occurred_at,
            alert_id=f"{ledger_id}:{event.key}",
        )

    def __str__(self) -> str:
        return (
            f"budget {self.budget.scope}: {self.threshold} % of {self.budget.amount} are reached "
            f"in {self.month}: {self.spent} were spent, {self.forecast} are expected by its end"
        )


def fire_alerts(
    ledger: Ledger, statuses: Iterable[BudgetStatus], *, now: datetime, to_deliver: bool = False
) -> list[BudgetAlert]:
    """Write down the thresholds that are reached and that nobody has written down before.

    Args:
        ledger: whose journal all workers share.
        statuses: how budgets stand.
        now: the present.
        to_deliver: whether a webhook is to be told as well.

    Returns:
        What is new, and thus is the caller's to tell.
    """
    reached = [
        (status.month.start, _event(status, threshold, now))
        for status in statuses
        for threshold in status.reached
    ]
    if not reached:
        return []
    # Most often all of them are known, and nothing need be written to find that out.
    since = min(start for start, _ in reached)
    known = {
        event.key for event in ledger.events(since=since, kinds=[LedgerEventKind.BUDGET_ALERT])
    }
    return [
        BudgetAlert.from_event(event, ledger_id=ledger.id)
        for _, event in reached
        if event.key not in known and ledger.append(event, now=now, to_deliver=to_deliver)
    ]


def log_alert(alert: BudgetAlert) -> None:
    """Tell the log, at level WARNING."""
    LOGGER.warning(
        "%s",
        alert,
        extra={
            "alert_id": alert.alert_id,
            "budget": alert.budget.scope,
            "month": str(alert.month),
            "threshold": alert.threshold,
        },
    )


def _event(status: BudgetStatus, threshold: int, now: datetime) -> NewEvent:
    scope, month = status.budget.scope, status.month
    return NewEvent(
        key=key_of("budget", scope, str(month), str(threshold)),
        kind=LedgerEventKind.BUDGET_ALERT,
        occurred_at=now,
        provider=None if scope in {ALL, str(month)} else scope,
        caused_by=BY_HEADEND,
        detail={
            "budget": scope,
            "month": str(month),
            "time_zone": str(month.zone),
            "threshold": str(threshold),
            "amount": f"{status.budget.amount.amount:f}",
            "spent": f"{status.spent.amount:f}",
            "forecast": f"{status.forecast.amount:f}",
            "currency": status.budget.amount.currency,
        },
    )
