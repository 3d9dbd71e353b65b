"""What a host holds to ask for costs: prices, budgets and the ledger, opened together.

::

    with headend.open_costs() as book:
        print(book.costs().total)
        for budget in book.budgets():
            print(budget.budget.scope, budget.spent, budget.forecast)
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

from headend.clock import SystemClock
from headend.costs.budgets import forecast, status
from headend.costs.estimate import Broadcast, estimate
from headend.costs.lines import compute_lines
from headend.costs.money import LEAST, MOST, exact, is_writable
from headend.costs.months import Month
from headend.costs.prices import load_price_book
from headend.costs.settings import load_cost_settings
from headend.discovery import Registry
from headend.errors import ConfigurationError
from headend.ledger import DeferredLedger, open_host_ledger
from headend.observers import load_observers
from headend.presets import DEFAULT_PRESET, find_preset
from headend.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path
    from types import EllipsisType, TracebackType

    from headend.clock import Clock
    from headend.costs.alerts import BudgetAlert
    from headend.costs.budgets import BudgetStatus
    from headend.costs.collect import Collected
    from headend.costs.estimate import Estimate
    from headend.costs.guard import BudgetGuard
    from headend.costs.lines import Costs
    from headend.costs.money import Money
    from headend.costs.prices import PriceBook
    from headend.costs.report import MonthlyReport
    from headend.costs.settings import CostSettings
    from headend.ledger import Ledger
    from headend.ledger.journal import LedgerEvent, LedgerEventKind
    from headend.ledger.usage import UsageData
    from headend.observers import Observers
    from headend.platform import StreamingPlatform


def open_costs(
    *,
    database: str | Path | EllipsisType | None = ...,
    settings: Mapping[str, object] | None = None,
    observers: Iterable[object] = (),
    clock: Clock | None = None,
) -> CostBook:
    """Open the costs of all live streams in a ledger; its settings are checked here.

    Nothing is sent to any platform, and the ledger is opened when it is first asked.

    Args:
        database: the ledger's database URL or `Path`; without this argument
            ``HEADEND_DATABASE_URL`` decides, else it is in ``HEADEND_DATA_DIR``.
        settings: values that override the environment and the configuration file, by the names of
            `CostSettings`.
        observers: objects with the hook `headend_budget_alert`, beside those that are installed.
        clock: tells the present; without it, the machine's.

    Raises:
        ConfigurationError: settings are missing or wrong; it tells all of them.
        PluginError: one of the observers has no such hook.
    """
    configuration = Configuration.load()
    return CostBook(
        configuration,
        database=database,
        arguments=settings,
        clock=clock or SystemClock(),
        observers=load_observers(observers, disabled=configuration.host.disable_plugins),
    )


class CostBook:
    """The costs of all live streams in a ledger.  It is a context manager.

    Months are texts such as ``2026-11``, in the time zone of the settings; where none is given it
    is the one that goes on.  Reading raises `LedgerError` where the ledger cannot be read.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        database: str | Path | EllipsisType | None = ...,
        ledger: DeferredLedger | None = None,
        arguments: Mapping[str, object] | None = None,
        clock: Clock,
        observers: Observers | None = None,
    ) -> None:
        """Check the settings; `open_costs` is the door.

        Args:
            configuration: the file and the environment.
            database: as `open_costs` has it.
            ledger: one that somebody else closes, in the place of that of `database`.
            arguments: values that override the settings.
            clock: tells the present.
            observers: what is told of budget alerts.
        """
        self._configuration = configuration
        self._clock = clock
        self._is_owner = ledger is None
        self._ledger = ledger or DeferredLedger(
            partial(open_host_ledger, configuration, database=database)
        )
        self._observers = observers
        self._registry = Registry(disabled=configuration.host.disable_plugins)
        self._settings = load_cost_settings(
            configuration, providers=self._registry.names, arguments=arguments
        )

    @property
    def settings(self) -> CostSettings:
        """How costs are counted, and what may be spent."""
        return self._settings

    @cached_property
    def prices(self) -> PriceBook:
        """The price lists of all installed providers, with the host's own prices in them.

        Raises:
            ConfigurationError: the settings name a price that there is not, or lack an exchange
                rate.
        """
        today = self._clock.now().astimezone(self._settings.time_zone).date()
        return load_price_book(self._registry, self._settings, today=today)

    def load_prices(self) -> None:
        """Read the price lists now, so that what is wrong with their settings is found now.

        Raises:
            ConfigurationError: as `prices`.
        """
        _ = self.prices

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return self._ledger.get()

    def month(self, text: str | None = None) -> Month:
        """Return a month of the settings' time zone.

        Raises:
            ValueError: the text is no month such as ``2026-11``.
        """
        zone = self._settings.time_zone
        return (
            Month.containing(self._clock.now(), zone) if text is None else Month.parse(text, zone)
        )

    def usage(self, month: str | None = None) -> UsageData:
        """Return what was used in a month, or has been until now.

        Raises:
            ValueError: the text is no month, or one that has not begun.
        """
        return self._usage(self.month(month), self._clock.now())

    def costs(self, month: str | None = None) -> Costs:
        """Return what a month costs, or has cost until now, line by line.

        Raises:
            ValueError: the text is no month, or one that has not begun.
        """
        return self._costs(self.month(month), self._clock.now())

    def budgets(self, now: datetime | None = None) -> list[BudgetStatus]:
        """Return how the budgets stand that hold for the month which goes on.

        Args:
            now: another moment than the present.
        """
        now = now or self._clock.now()
        month = Month.containing(now, self._settings.time_zone)
        return self._status(self._costs(month, now), month, now)

    @cached_property
    def guard(self) -> BudgetGuard:
        """What looks after the budgets."""
        from headend.costs.guard import BudgetGuard

        return BudgetGuard(self, clock=self._clock, observers=self._observers)

    def check_budgets(self) -> list[BudgetAlert]:
        """Look whether thresholds are reached, and tell log, hooks and webhook of new ones now.

        What fails is logged.  A webhook whose receiver does not answer may take half a minute.

        Returns:
            What was new, of all processes on this ledger.
        """
        return self.guard.check()

    def check_budgets_soon(self) -> None:
        """Do the same in a thread, at most once a minute, for who looks at costs all the time."""
        self.guard.check_soon()

    def forecast(self, costs: Costs) -> Money:
        """Return what the month that goes on will have cost at its end if it goes on as lately.

        Args:
            costs: what it has cost so far.
        """
        return forecast(costs, self.month(), self._clock.now())

    def update(self, platform: StreamingPlatform) -> list[Collected]:
        """Ask a platform for what it counted itself, and record it in the ledger.

        Its own figures replace what was worked out from what was seen.

        Args:
            platform: an opened provider, as `headend.open` gives it.

        Raises:
            ConfigurationError: the ledger is off.
            PlatformError: the platform cannot be asked; what it told until then is recorded.
        """
        from headend.costs.collect import collect

        if self.ledger.location is None:
            raise ConfigurationError.of(
                "the ledger", ["HEADEND_DATABASE_URL: is none, so that nothing can be recorded"]
            )
        return collect(platform, self.ledger, self._clock)

    def report(self, month: str | None = None) -> MonthlyReport:
        """Return the report of a month.

        Raises:
            ValueError: the text is no month, or one that has not begun.
        """
        from headend.costs.report import build_report

        asked, now = self.month(month), self._clock.now()
        data = self._usage(asked, now)
        costs = compute_lines(data, asked, self.prices)
        return build_report(
            costs,
            data,
            asked,
            self._status(costs, asked, now),
            now=now,
            currency=self._settings.currency,
        )

    def estimate(
        self,
        *,
        minutes: float | Decimal,
        viewers: float | Decimal,
        encoding: str = DEFAULT_PRESET,
        recorded: bool = True,
    ) -> list[Estimate]:
        """Return what a broadcast would cost on every installed provider.

        Args:
            minutes: how long it is.
            viewers: how many watch on average.
            encoding: the name of the preset that the encoder uses: headend's or your own.
            recorded: whether it is recorded, where that costs, and kept for a month.

        Raises:
            ValueError: there is no such preset, or a number is less than 0.
            ConfigurationError: the host's own presets are wrong.
        """
        broadcast = Broadcast(
            minutes=_positive(minutes, "minutes"),
            viewers=_positive(viewers, "viewers"),
            preset=find_preset(encoding, self._configuration),
            recorded=recorded,
        )
        return estimate(self.prices, broadcast)

    def events(
        self,
        *,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[LedgerEventKind] | None = None,
        provider: str | None = None,
        stream_id: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerEvent]:
        """Return what happened to live streams, by number, as `Ledger.events` does."""
        return self.ledger.events(
            after=after,
            since=since,
            until=until,
            kinds=kinds,
            provider=provider,
            stream_id=stream_id,
            limit=limit,
        )

    def close(self) -> None:
        """Close the ledger; closing twice is harmless."""
        if "guard" in vars(self):
            self.guard.close()
        if self._is_owner:
            self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _usage(self, month: Month, now: datetime) -> UsageData:
        if now < month.start:
            raise ValueError(f"{month} has not begun")
        return self.ledger.read_usage(month.start, min(month.end, now))

    def _costs(self, month: Month, now: datetime) -> Costs:
        return compute_lines(self._usage(month, now), month, self.prices)

    def _status(self, costs: Costs, month: Month, now: datetime) -> list[BudgetStatus]:
        settings = self._settings
        return status(
            settings.budget_list, costs, month, now, thresholds=settings.budget_thresholds.percents
        )


def _positive(value: float | Decimal, what: str) -> Decimal:
    number = exact(value)
    if not number.is_finite() or number < 0:
        raise ValueError(f"{what} must be a number from 0, not {value}")
    if not is_writable(number):
        raise ValueError(f"{what} must be 0, or from {LEAST:f} to {MOST:f}, not {value}")
    return number
