"""Thresholds of budgets: each told once, whoever sees it, and never at an operation's expense."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from inspect import getdoc
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

import headend
from headend import hookspecs
from headend.costs import guard as guarding
from headend.costs.alerts import BudgetAlert, fire_alerts
from headend.costs.book import CostBook
from headend.costs.budgets import Budget, BudgetStatus, status
from headend.costs.guard import INTERVAL
from headend.costs.lines import Basis, CostLine, Costs
from headend.costs.money import Money
from headend.costs.months import Month
from headend.errors import ConfigurationError, LedgerError, PluginError
from headend.facts import Meter, Price
from headend.ledger import (
    DeferredLedger,
    LedgerEventKind,
    MemoryLedger,
    open_ledger,
)
from headend.models import EventKind, StreamEvent
from headend.observers import load_observers
from headend.plugin import hookimpl
from headend.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from headend.ledger import Ledger
    from tests.conftest import FakeClock, Installer, Opened, Ran

# The clock of the tests begins on 2 January 2030 at 03:04:05 UTC; none of these prices is listed.
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SIX_A_MINUTE = "acme:storage=6000"
UTC_ZONE = ZoneInfo("UTC")
JANUARY = Month(2030, 1, UTC_ZONE)


@pytest.fixture(autouse=True)
def _nobody_has_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "_checked", {})


def usd(amount: Decimal | int | str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def standing(
    spent: Decimal | int, *, scope: str = "all", amount: int = 100, month: Month = JANUARY
) -> BudgetStatus:
    """A budget of which so much is spent."""
    reached = tuple(one for one in (50, 80, 100) if spent * 100 >= amount * one)
    return BudgetStatus(
        budget=Budget(scope=scope, amount=usd(amount)),
        month=month,
        spent=usd(spent),
        share=Decimal(spent) / amount,
        forecast=usd(spent),
        reached=reached,
    )


class Heard:
    """A plugin that keeps what it is told."""

    def __init__(self) -> None:
        self.alerts: list[BudgetAlert] = []
        self.threads: set[str] = set()

    @hookimpl
    def headend_budget_alert(self, alert: BudgetAlert) -> None:
        self.threads.add(threading.current_thread().name)
        self.alerts.append(alert)

    @property
    def told(self) -> list[tuple[str, str, int]]:
        return [(one.budget.scope, str(one.month), one.threshold) for one in self.alerts]


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger.sqlite3", clock=clock, random=Random(1))
    yield opened
    opened.close()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def book(
    acme: ModuleType, ledger: Ledger, clock: FakeClock, heard: Heard
) -> Iterator[Callable[..., CostBook]]:
    """Open costs whose storage is dear; the plugin `heard` hears of their budgets."""
    made: list[CostBook] = []

    def open_it(**more: object) -> CostBook:
        settings = {"prices": SIX_A_MINUTE, "budgets": "all=100"} | more
        made.append(
            CostBook(
                Configuration.load(),
                ledger=DeferredLedger(lambda: ledger),
                arguments=settings,
                clock=clock,
                observers=load_observers([heard]),
            )
        )
        return made[-1]

    yield open_it
    for one in made:
        one.close()


def alerts_of(ledger: Ledger) -> list[str]:
    return [event.key for event in ledger.events(kinds=[LedgerEventKind.BUDGET_ALERT])]


# -- what is fired ---------------------------------------------------------------------------------


def test_an_alert_is_an_event_with_budget_month_and_threshold_in_its_key() -> None:
    ledger = MemoryLedger(id="abc")
    (alert,) = fire_alerts(ledger, [standing(60)], now=NOW)
    (event,) = ledger.events()

    assert event.key == "budget:all:2030-01:50"
    assert (event.kind, event.caused_by) == (LedgerEventKind.BUDGET_ALERT, "headend")
    assert (event.provider, event.occurred_at) == (None, NOW)
    assert alert == BudgetAlert(
        budget=Budget(scope="all", amount=usd(100)),
        month=JANUARY,
        threshold=50,
        spent=usd(60),
        forecast=usd(60),
        at=NOW,
        alert_id="abc:budget:all:2030-01:50",
    )
    assert str(alert) == (
        "budget all: 50 % of 100.00 USD are reached in 2030-01: 60.00 USD were spent, "
        "60.00 USD are expected by its end"
    )


def test_the_alert_of_one_providers_budget_is_an_event_about_that_provider() -> None:
    ledger = MemoryLedger(id="abc")
    fire_alerts(ledger, [standing(60, scope="acme")], now=NOW)

    assert [event.provider for event in ledger.events(provider="acme")] == ["acme"]


def test_all_thresholds_are_fired_that_are_passed_at_once() -> None:
    fired = fire_alerts(MemoryLedger(id="abc"), [standing(170)], now=NOW)

    assert [one.threshold for one in fired] == [50, 80, 100]


def test_what_was_fired_is_not_fired_again_when_less_or_more_is_spent() -> None:
    ledger = MemoryLedger(id="abc")
    counts = [
        len(fire_alerts(ledger, [standing(spent)], now=NOW)) for spent in (60, 60, 40, 60, 90, 60)
    ]

    assert counts == [1, 0, 0, 0, 1, 0]


def test_where_all_is_known_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryLedger(id="abc")
    fire_alerts(ledger, [standing(100)], now=NOW)
    monkeypatch.setattr(ledger, "append", None)

    assert fire_alerts(ledger, [standing(100)], now=NOW) == []


@given(
    scope=st.sampled_from(["all", "acme", "2030-01"]),
    amounts=st.lists(
        st.decimals(min_value="0.000001", max_value="1e9", places=12), min_size=3, max_size=3
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
    threshold=st.integers(1, 1000),
    at=st.datetimes(datetime(2030, 1, 1), datetime(2030, 1, 31), timezones=st.just(UTC)),  # noqa: DTZ001  # as hypothesis takes them
)
def test_an_alert_is_as_exact_in_the_journal_as_when_it_was_found(
    scope: str, amounts: list[Decimal], zone: str, threshold: int, at: datetime
) -> None:
    ledger = MemoryLedger(id="abc")
    found = BudgetStatus(
        budget=Budget(scope=scope, amount=usd(amounts[0])),
        month=Month(2030, 1, ZoneInfo(zone)),
        spent=usd(amounts[1]),
        share=Decimal(1),
        forecast=usd(amounts[2]),
        reached=(threshold,),
    )
    (alert,) = fire_alerts(ledger, [found], now=at)

    assert (alert.budget, alert.month, alert.threshold) == (found.budget, found.month, threshold)
    assert (alert.spent, alert.forecast, alert.at) == (found.spent, found.forecast, at)
    assert BudgetAlert.from_event(ledger.events()[0], ledger_id="abc") == alert


PRICE = Price(
    name="x",
    amount=Decimal(1),
    per=1,
    unit="hour",
    meter=Meter.INGEST,
    unit_size=3600,
    source="https://acme.example/prices",
    as_of="2030-01-01",
)

CHANGES = st.tuples(
    st.integers(0, 6 * 86_400),  # seconds until the next check
    st.sampled_from(["acme", "plain"]),
    st.integers(-40, 90),  # cents spent since; figures of the platform may be lower than guesses
)


def line(provider: str, day: date, cents: int) -> CostLine:
    return CostLine(
        day=day,
        provider=provider,
        account="4711",
        stream_id="s",
        channel_id=None,
        name=None,
        price=PRICE,
        overridden=False,
        quantity=Decimal(1),
        cost=usd(Decimal(cents) / 100),
        basis=Basis.ESTIMATED,
        why="",
    )


@settings(deadline=None)
@given(
    history=st.lists(CHANGES, max_size=40),
    thresholds=st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True),
    amounts=st.dictionaries(
        st.sampled_from(["all", "acme", "plain", "2030-01", "2030-02"]),
        st.integers(1, 400),
        min_size=1,
    ),
    workers=st.integers(1, 3),
)
def test_over_any_history_each_threshold_that_is_reached_fires_once_a_month(
    history: list[tuple[int, str, int]],
    thresholds: list[int],
    amounts: dict[str, int],
    workers: int,
) -> None:
    ledger = MemoryLedger(id="abc")
    budgets = [
        Budget(scope=scope, amount=usd(Decimal(cents) / 100)) for scope, cents in amounts.items()
    ]
    now = datetime(2030, 1, 1, tzinfo=UTC)
    spent: Counter[tuple[str, str]] = Counter()  # cents by month and provider
    wanted: set[str] = set()
    fired: list[str] = []
    for seconds, provider, cents in history:
        now += timedelta(seconds=seconds)
        month = Month.containing(now, UTC_ZONE)
        spent[str(month), provider] += max(cents, -spent[str(month), provider])
        costs = Costs(
            currency="USD",
            lines=tuple(
                line(name, now.date(), amount)
                for (of, name), amount in spent.items()
                if of == str(month)
            ),
        )
        statuses = status(budgets, costs, month, now, thresholds)
        for _ in range(workers):
            fired += [one.alert_id for one in fire_alerts(ledger, statuses, now=now)]
        # The same by other means: integers of cents, and the rules as the settings tell them.
        of_month = {name: spent[str(month), name] for name in ("acme", "plain")}
        for scope, amount in amounts.items():
            if scope == "all":
                applies, total = str(month) not in amounts, sum(of_month.values())
            elif scope in of_month:
                applies, total = True, of_month[scope]
            else:
                applies, total = scope == str(month), sum(of_month.values())
            wanted |= {
                f"abc:budget:{scope}:{month}:{one}"
                for one in thresholds
                if applies and total * 100 >= amount * one
            }

    assert sorted(fired) == sorted(wanted)


WORKER = """
import json, sys
from datetime import UTC, datetime
from decimal import Decimal
from random import SystemRandom
from zoneinfo import ZoneInfo
from headend.clock import SystemClock
from headend.costs.alerts import fire_alerts
from headend.costs.budgets import Budget, BudgetStatus
from headend.costs.money import Money
from headend.costs.months import Month
from headend.ledger import open_ledger

thresholds = range(10, 101, 10)
def usd(amount):
    return Money(amount=Decimal(amount), currency="USD")
def standing(scope, percent):
    return BudgetStatus(
        budget=Budget(scope=scope, amount=usd(100)), month=Month(2030, 1, ZoneInfo("UTC")),
        spent=usd(percent), share=Decimal(percent) / 100, forecast=usd(percent),
        reached=tuple(one for one in thresholds if one <= percent),
    )
for url in map(str.strip, sys.stdin):
    ledger = open_ledger(url, clock=SystemClock(), random=SystemRandom())
    print("ready", flush=True)
    sys.stdin.readline()
    fired = []
    for percent in range(0, 105, 5):
        statuses = [standing(scope, percent) for scope in ("all", "acme", "plain")]
        now = datetime(2030, 1, 2, tzinfo=UTC)
        fired += [one.alert_id for one in fire_alerts(ledger, statuses, now=now, to_deliver=True)]
    ledger.close()
    print(json.dumps(fired), flush=True)
"""


@pytest.fixture(scope="module")
def eight() -> Iterator[Callable[[str], list[str]]]:
    """Eight processes that all take a line, and answer with one each."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]

    def ask(text: str) -> list[str]:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
        return [process.stdout.readline() for process in processes if process.stdout is not None]

    yield ask
    for process in processes:
        process.communicate(timeout=30)


def test_of_eight_processes_one_fires_each_threshold(
    database: str, clock: FakeClock, eight: Callable[[str], list[str]]
) -> None:
    assert eight(database) == ["ready\n"] * 8
    fired = [json.loads(answer) for answer in eight("go")]
    ledger = open_ledger(database, clock=clock, random=Random(1))
    keys = alerts_of(ledger)
    delivered = []
    while (delivery := ledger.claim_delivery(now=clock.now(), lease=60)) is not None:
        delivered.append(delivery.event.key)
    ledger.close()

    wanted = sorted(
        f"budget:{scope}:2030-01:{threshold}"
        for scope in ("all", "acme", "plain")
        for threshold in range(10, 101, 10)
    )
    assert sorted(keys) == wanted
    assert sorted(one for ids in fired for one in ids) == [f"{ledger.id}:{key}" for key in wanted]
    assert sorted(delivered) == wanted


# -- who is told -----------------------------------------------------------------------------------


def test_log_and_plugins_are_told_once(
    book: Callable[..., CostBook],
    ledger: Ledger,
    heard: Heard,
    spend: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    spend(ledger, 14, start=NOW - timedelta(hours=1))
    fired = book().check_budgets()

    assert heard.alerts == fired
    assert heard.told == [("all", "2030-01", 50), ("all", "2030-01", 80)]
    assert str(fired[0].spent) == "84.00 USD"
    records = [one for one in caplog.records if one.name == "headend.budget"]
    assert [(one.levelno, vars(one)["threshold"]) for one in records] == [
        (logging.WARNING, 50),
        (logging.WARNING, 80),
    ]
    assert records[0].getMessage().startswith("budget all: 50 % of 100.00 USD are reached")
    assert book().check_budgets() == []
    assert len(heard.alerts) == 2


def test_the_month_before_is_looked_at_while_its_last_figures_come(
    book: Callable[..., CostBook],
    ledger: Ledger,
    heard: Heard,
    clock: FakeClock,
    spend: Callable[..., None],
) -> None:
    """The clock begins on the second day of January."""
    spend(ledger, 10, start=datetime(2029, 12, 31, 12, tzinfo=UTC))
    book().check_budgets()
    assert heard.told == [("all", "2029-12", 50)]

    clock.seconds += 2 * 86_400
    spend(ledger, 10, start=datetime(2029, 12, 31, 14, tzinfo=UTC), stream_id="late")
    book().check_budgets()
    assert heard.told == [("all", "2029-12", 50)]


def test_the_plugin_in_the_hooks_description_works(
    install: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    text = getdoc(hookspecs.headend_budget_alert) or ""
    source, metadata = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    assert '[project.entry-points."headend.observers"]\n    acme-print = "acme_print"' in metadata
    code = "\n".join(one[4:] for one in source.splitlines())
    install("acme-print", modules={"acme_print.py": code}, observers={"acme-print": "acme_print"})
    observers = load_observers()
    assert observers is not None
    (alert,) = fire_alerts(MemoryLedger(id="abc"), [standing(60)], now=NOW)
    observers.budget_alert(alert)

    assert capsys.readouterr().out == "all: 50 % of 100.00 USD are spent\n"


def test_a_plugin_that_fails_keeps_no_other_from_hearing(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        @hookimpl
        def headend_budget_alert(self, alert: BudgetAlert) -> None:
            raise ZeroDivisionError

    observers = load_observers([Broken(), heard])
    assert observers is not None
    (alert,) = fire_alerts(MemoryLedger(id="abc"), [standing(60)], now=NOW)
    observers.budget_alert(alert)
    observers.budget_alert(alert)

    assert heard.alerts == [alert, alert]
    assert caplog.text.count("the observer Broken failed at the budget alert abc:budget:all") == 2


def test_what_implements_no_hook_is_refused() -> None:
    with pytest.raises(PluginError, match="none of headend_attempt, headend_wait, headend_budget"):
        headend.open_costs(observers=[object()])


# -- when it is checked ----------------------------------------------------------------------------


@pytest.fixture
def wait() -> Callable[[CostBook], None]:
    """Wait for the thread of a book's check."""

    def wait(book: CostBook) -> None:
        thread = book.guard._thread
        assert thread is not None
        assert thread.daemon
        thread.join(30)
        assert not thread.is_alive()

    return wait


def test_checks_that_nobody_asked_for_are_a_minute_apart_in_a_process(
    book: Callable[..., CostBook],
    ledger: Ledger,
    heard: Heard,
    clock: FakeClock,
    spend: Callable[..., None],
    wait: Callable[[CostBook], None],
) -> None:
    one, other = book(), book()
    one.check_budgets_soon()
    wait(one)
    spend(ledger, 10, start=NOW - timedelta(hours=1))
    clock.seconds += INTERVAL - 1
    one.check_budgets_soon()
    other.check_budgets_soon()
    wait(one)
    wait(other)
    assert heard.told == []

    clock.seconds += INTERVAL
    other.check_budgets_soon()
    wait(other)
    assert heard.told == [("all", "2030-01", 50)]
    assert heard.threads == {"headend-budget"}


def test_a_check_that_is_asked_for_comes_at_once(
    book: Callable[..., CostBook], ledger: Ledger, heard: Heard, spend: Callable[..., None]
) -> None:
    which = book()
    which.check_budgets()
    spend(ledger, 10, start=NOW - timedelta(hours=1))
    which.check_budgets()

    assert heard.told == [("all", "2030-01", 50)]
    assert heard.threads == {threading.current_thread().name}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LedgerError("it is full", ledger="x"), "could not be looked after: it is full"),
        (ZeroDivisionError("0"), "could not be looked after\n"),
    ],
)
def test_what_hinders_a_check_is_logged_and_goes_no_further(
    book: Callable[..., CostBook],
    ledger: Ledger,
    wait: Callable[[CostBook], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    words: str,
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(ledger, "read_usage", broken)
    which = book()
    assert which.check_budgets() == []
    assert words in caplog.text
    monkeypatch.setattr(guarding, "_checked", {})
    which.check_budgets_soon()
    wait(which)
    assert caplog.text.count(words) == 2


def test_no_check_begins_after_closing(
    book: Callable[..., CostBook], ledger: Ledger, heard: Heard, spend: Callable[..., None]
) -> None:
    spend(ledger, 10, start=NOW - timedelta(hours=1))
    which = book()
    which.guard.close()
    which.check_budgets_soon()

    assert which.guard._thread is None


def test_creating_ending_and_messages_have_budgets_checked(
    opened: Opened,
    book: Callable[..., CostBook],
    ledger: Ledger,
    heard: Heard,
    clock: FakeClock,
    spend: Callable[..., None],
    wait: Callable[[CostBook], None],
) -> None:
    which = book(budget_thresholds="10,20,30,40")
    platform, _ = opened(ledger=DeferredLedger(lambda: ledger), budgets=which.guard)
    start = NOW - timedelta(hours=2)

    def steps() -> Iterator[None]:
        stream_id = platform.create_live_stream(1).stream_id
        yield
        event = StreamEvent(
            kind=EventKind.IDLE,
            provider="acme",
            stream_id=stream_id,
            occurred_at=clock.now(),
            event_id="e",
            raw={},
        )
        platform.record_event(event)
        yield
        platform.end_live_stream(stream_id)
        yield

    running = steps()
    for number in (1, 2, 3):
        spend(ledger, 2, start=start, stream_id=f"seen-{number}")
        next(running)
        wait(which)
        clock.seconds += INTERVAL
        assert [threshold for _, _, threshold in heard.told] == [10, 20, 30][:number]


def test_closing_the_platform_waits_for_the_check(
    opened: Opened,
    book: Callable[..., CostBook],
    ledger: Ledger,
    heard: Heard,
    spend: Callable[..., None],
) -> None:
    """So that a program which creates one live stream and ends tells what it found."""
    which = book()
    platform, _ = opened(ledger=DeferredLedger(lambda: ledger), budgets=which.guard)
    spend(ledger, 10, start=NOW - timedelta(hours=1))
    platform.create_live_stream(1)
    platform.close()

    assert heard.told == [("all", "2030-01", 50)]


# -- opening ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("acme", "acme_settings")
class TestOpening:
    """A host sets budgets by settings alone."""

    @pytest.fixture(autouse=True)
    def _prices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMING_PLATFORM", "acme")
        monkeypatch.setenv("HEADEND_PRICES", SIX_A_MINUTE)
        monkeypatch.setenv("HEADEND_BUDGET_THRESHOLDS", "1")

    def _spend(self, folder: Path, spend: Callable[..., None]) -> None:
        from headend.clock import SystemClock

        now = datetime.now(UTC)
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        ledger = open_ledger(folder / "ledger.sqlite3", clock=SystemClock(), random=Random(1))
        spend(ledger, 10, start=max(month, now - timedelta(minutes=12)))
        ledger.close()

    def test_an_opened_platform_tells_the_plugins_that_it_was_given(
        self, heard: Heard, spend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_BUDGETS", "acme=100")
        self._spend(Path(os.environ["HEADEND_DATA_DIR"]), spend)
        with headend.open(observers=[heard]) as platform:
            platform.create_live_stream(1)

        assert [(scope, threshold) for scope, _, threshold in heard.told] == [("acme", 1)]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("HEADEND_BUDGETS", "all=much"), ("HEADEND_PRICES", "acme:nothing=1")],
    )
    def test_wrong_settings_are_found_when_it_is_opened(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv("HEADEND_BUDGETS", "all=100")
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=name):
            headend.open()

    def test_without_budgets_nothing_of_costs_is_imported(
        self, python: Callable[..., Ran], install: Installer
    ) -> None:
        ran = python(
            "import json, sys, headend\n"
            "with headend.open() as platform:\n    list(platform.list_live_streams())\n"
            "print(json.dumps([one for one in sys.modules if one.startswith('headend.costs')]))",
            path=install.folder,
        )

        assert ran.json == [], ran.err

    def test_status_tells_what_nobody_has_told(
        self, run: Callable[..., Ran], spend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_BUDGETS", "all=100")
        self._spend(Path(os.environ["HEADEND_DATA_DIR"]), spend)
        assert run("costs", "status", "--json").code == 0
        first = run("events", "--kind", "budget-alert", "--json")
        run("costs", "status")
        again = run("events", "--kind", "budget-alert", "--json")

        (event,) = json.loads(first.out)
        assert event["detail"]["threshold"] == "1"
        assert first.out == again.out

    def test_update_tells_it_too(
        self, run: Callable[..., Ran], spend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_BUDGETS", "all=100")
        self._spend(Path(os.environ["HEADEND_DATA_DIR"]), spend)
        assert run("costs", "update").code == 0
        told = run("events", "--kind", "budget-alert", "--json")

        assert len(json.loads(told.out)) == 1
