"""Looking after budgets: alerts at the right moments, and no new live stream where one is used up.

Nothing here fails or delays an operation.  After one, `BudgetGuard.check_soon` looks in a thread
of its own, at most once a minute for each ledger in a process; a command that asks for costs has
`BudgetGuard.check` look at once.  Only the refusal to create, where the host wants it, is decided
in the caller's thread: before any request, on figures that are `FRESH` seconds old at most.
"""

from __future__ import annotations

from datetime import timedelta
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from headend.costs.alerts import LOGGER, fire_alerts, log_alert
from headend.costs.budgets import ALL, status
from headend.costs.months import Month
from headend.costs.settings import OnBudgetExceeded
from headend.costs.webhook import Webhook
from headend.errors import BudgetExceededError, HeadendError

if TYPE_CHECKING:
    from datetime import datetime

    from headend.clock import Clock
    from headend.costs.alerts import BudgetAlert
    from headend.costs.book import CostBook
    from headend.costs.budgets import BudgetStatus
    from headend.observers import Observers

INTERVAL: Final = 60.0
"""Seconds between two checks of one process that nobody asked for."""

FRESH: Final = 5.0
"""Seconds for which what was spent is taken to be as it was read."""

PATIENCE: Final = 5.0
"""Seconds that closing waits for a check that goes on."""

AFTERWARDS: Final = timedelta(days=3)
"""How long into a month the one before is looked at too: its last figures come late."""

_checked: Final[dict[str, float]] = {}
"""When this process has checked the budgets of which ledger, on the monotonic clock."""

_checking: Final = Lock()


class BudgetGuard:
    """Looks after the budgets of a `CostBook`.  It may be used from many threads."""

    def __init__(self, book: CostBook, *, clock: Clock, observers: Observers | None = None) -> None:
        self._book = book
        self._clock = clock
        self._observers = observers
        self._lock = Lock()
        self._thread: Thread | None = None
        self._next_check = float("-inf")
        self._closed = False
        self._seen: tuple[float, list[BudgetStatus]] | None = None
        settings = book.settings
        self._webhook = (
            None
            if settings.budget_webhook is None
            else Webhook(settings.budget_webhook, settings.budget_webhook_key, clock=clock)
        )

    def check(self) -> list[BudgetAlert]:
        """Look at the budgets now, and tell what was reached and nobody has told before.

        The log is told, then the hooks, then the webhook, whose receiver may take its time; it
        is told as well of what other workers left undelivered.  What fails is logged.

        Returns:
            What was new.
        """
        fired: list[BudgetAlert] = []
        try:
            ledger, now = self._book.ledger, self._clock.now()
            with _checking:
                _checked[ledger.id] = self._clock.monotonic()
            fired = fire_alerts(
                ledger, self._statuses(now), now=now, to_deliver=self._webhook is not None
            )
            for alert in fired:
                log_alert(alert)
                if self._observers is not None:
                    self._observers.budget_alert(alert)
            if self._webhook is not None:
                self._webhook.deliver_due(ledger)
        except HeadendError as error:
            LOGGER.warning("the budgets could not be looked after: %s", error)
        except Exception:  # noqa: BLE001  # whatever it is, it is no reason to fail elsewhere
            LOGGER.exception("the budgets could not be looked after")
        return fired

    def check_soon(self) -> None:
        """Have a thread do the same, unless this process has done so within a minute.

        It ends with the process, and what it leaves undone the next check does.
        """
        now = self._clock.monotonic()
        with self._lock:
            if self._closed or now < self._next_check or self._is_checking:
                return
            self._next_check = now + INTERVAL
            self._thread = Thread(target=self._check_if_due, name="headend-budget", daemon=True)
            self._thread.start()

    def refuse_if_exceeded(self, provider: str) -> None:
        """Raise where a budget that holds for a provider is used up, and the host wants that.

        Raises:
            BudgetExceededError: this month's spending has reached the whole of it.
            LedgerError: what was spent cannot be read.
            ConfigurationError: the ledger cannot be opened, or prices of the settings are wrong.
        """
        if self._book.settings.on_budget_exceeded is not OnBudgetExceeded.REFUSE_CREATE:
            return
        for one in self._recent():
            budget, month = one.budget, str(one.month)
            if budget.scope in {ALL, month, provider} and one.spent >= budget.amount:
                raise BudgetExceededError(
                    f"the budget {budget.scope} is used up: {one.spent} of {budget.amount} were "
                    f"spent in {month}, so no live stream is created; raise HEADEND_BUDGETS, or "
                    "set HEADEND_ON_BUDGET_EXCEEDED=warn",
                    scope=budget.scope,
                    month=month,
                    spent=one.spent.amount,
                    amount=budget.amount.amount,
                    currency=budget.amount.currency,
                )

    def close(self) -> None:
        """Begin no more checks, and wait a little for one that goes on."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)

    @property
    def _is_checking(self) -> bool:
        # In a process that was forked, the parent's thread is not alive.
        return self._thread is not None and self._thread.is_alive()

    def _check_if_due(self) -> None:
        try:
            ledger_id = self._book.ledger.id
        except HeadendError as error:
            LOGGER.warning("the budgets could not be looked after: %s", error)
            return
        with _checking:
            last = _checked.get(ledger_id)
        if last is None or self._clock.monotonic() - last >= INTERVAL:
            self.check()

    def _statuses(self, now: datetime) -> list[BudgetStatus]:
        """Return how budgets stand, in the month that is just over first."""
        settings = self._book.settings
        if not settings.budget_list:
            return []
        this = Month.containing(now, settings.time_zone)
        months = [this.previous, this] if now - this.start < AFTERWARDS else [this]
        thresholds = settings.budget_thresholds.percents
        return [
            found
            for month in months
            for found in status(
                settings.budget_list, self._book.costs(str(month)), month, now, thresholds
            )
        ]

    def _recent(self) -> list[BudgetStatus]:
        """Return how the budgets stand, as it was read lately."""
        now = self._clock.monotonic()
        seen = self._seen
        if seen is None or not 0 <= now - seen[0] < FRESH:
            seen = self._seen = now, self._book.budgets()
        return seen[1]
