"""No new live stream where a budget is used up, if the host wants that; nothing else changes."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import pytest

import headend
from headend.costs import guard as guarding
from headend.costs.book import CostBook
from headend.costs.guard import FRESH
from headend.errors import (
    BudgetExceededError,
    ConflictError,
    LedgerError,
    PlatformUnavailableError,
    UncertainOutcomeError,
)
from headend.ledger import DeferredLedger, EntryState, open_ledger
from headend.settings import Configuration, OnLedgerFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from headend_acme.provider import AcmeProvider

    from headend.ledger import Ledger
    from headend.platform import StreamingPlatform
    from tests.conftest import FakeClock, Opened, Ran

    Open = Callable[..., tuple[StreamingPlatform, AcmeProvider]]

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


@pytest.fixture(autouse=True)
def _nobody_has_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "_checked", {})


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger.sqlite3", clock=clock, random=Random(1))
    yield opened
    opened.close()


@pytest.fixture
def open_with(acme: ModuleType, opened: Opened, ledger: Ledger, clock: FakeClock) -> Iterator[Open]:
    """Open a platform with budgets; a minute of what was seen costs 6 USD."""
    books: list[CostBook] = []

    def open_it(
        *,
        on_ledger_failure: OnLedgerFailure = OnLedgerFailure.REFUSE_CREATE,
        **settings: object,
    ) -> tuple[StreamingPlatform, AcmeProvider]:
        given = {
            "prices": "acme:storage=6000",
            "budgets": "all=60",
            "on_budget_exceeded": "refuse-create",
        }
        deferred = DeferredLedger(lambda: ledger)
        book = CostBook(
            Configuration.load(), ledger=deferred, arguments=given | settings, clock=clock
        )
        books.append(book)
        return opened(ledger=deferred, budgets=book.guard, on_ledger_failure=on_ledger_failure)

    yield open_it
    for book in books:
        book.close()


def names_of(provider: AcmeProvider) -> list[str]:
    return [one.stream_id for one in provider.list_live_streams()]


def test_nothing_is_created_and_nothing_is_asked(
    open_with: Open,
    ledger: Ledger,
    spend: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spend(ledger, 11, start=EARLIER)
    platform, provider = open_with()
    asked: list[str] = []
    for name in ("create_live_stream", "find_live_streams", "list_live_streams"):
        monkeypatch.setattr(provider, name, lambda *_, name=name: asked.append(name))
    with pytest.raises(BudgetExceededError) as caught:
        platform.create_live_stream(1, idempotency_key="order-1")

    assert asked == []
    assert ledger.entries("acme", "4711") == []
    error = caught.value
    assert str(error) == (
        "the budget all is used up: 66.00 USD of 60.00 USD were spent in 2030-01, so no live "
        "stream is created; raise HEADEND_BUDGETS, or set HEADEND_ON_BUDGET_EXCEEDED=warn"
    )
    assert (error.scope, error.month, error.currency) == ("all", "2030-01", "USD")
    assert (error.spent, error.amount) == (Decimal(66), Decimal(60))


@pytest.mark.parametrize(
    ("budgets", "refused"),
    [
        ("all=60", "all"),
        ("all=60.01", None),
        ("acme=60", "acme"),
        ("plain=60", None),
        ("plain=1", None),
        ("2030-01=60", "2030-01"),
        ("2030-02=1", None),
        ("all=1, 2030-01=100", None),
        ("all=100, 2030-01=100, acme=50", "acme"),
    ],
)
def test_the_budgets_count_that_hold_for_the_provider_and_the_month(
    open_with: Open,
    ledger: Ledger,
    spend: Callable[..., None],
    budgets: str,
    refused: str | None,
) -> None:
    """The whole of a budget being spent, to the cent, is enough."""
    spend(ledger, 10, start=EARLIER)
    platform, provider = open_with(budgets=budgets)
    if refused is None:
        platform.create_live_stream(1)
    else:
        with pytest.raises(BudgetExceededError, match=f"the budget {refused} is used up"):
            platform.create_live_stream(1)

    assert len(names_of(provider)) == (refused is None)


def test_the_thresholds_at_which_somebody_is_told_do_not_matter(
    open_with: Open, ledger: Ledger, spend: Callable[..., None]
) -> None:
    spend(ledger, 9, start=EARLIER)
    platform, _ = open_with(budget_thresholds="10")
    platform.create_live_stream(1)


def test_where_the_host_wants_a_warning_only_it_is_created(
    open_with: Open, ledger: Ledger, spend: Callable[..., None]
) -> None:
    spend(ledger, 20, start=EARLIER)
    platform, provider = open_with(on_budget_exceeded="warn")
    platform.create_live_stream(1)

    assert names_of(provider) == ["live-1"]


def test_what_there_is_goes_on_and_can_be_ended(
    open_with: Open, ledger: Ledger, clock: FakeClock, spend: Callable[..., None]
) -> None:
    platform, provider = open_with()
    stream_id = platform.create_live_stream(1).stream_id
    spend(ledger, 20, start=EARLIER)
    clock.seconds += FRESH
    with pytest.raises(BudgetExceededError):
        platform.create_live_stream(2)

    assert platform.get_live_stream(stream_id).stream_id == stream_id
    platform.rotate_stream_key(stream_id)
    platform.end_live_stream(stream_id)
    assert names_of(provider) == []


def test_the_next_month_begins_anew(
    open_with: Open, ledger: Ledger, clock: FakeClock, spend: Callable[..., None]
) -> None:
    spend(ledger, 20, start=EARLIER)
    platform, _ = open_with()
    with pytest.raises(BudgetExceededError):
        platform.create_live_stream(1)
    clock.seconds += 30 * 86_400
    platform.create_live_stream(1)


# -- idempotency keys ------------------------------------------------------------------------------


def test_what_a_key_has_created_before_is_still_the_answer(
    open_with: Open, ledger: Ledger, clock: FakeClock, spend: Callable[..., None]
) -> None:
    platform, provider = open_with()
    first = platform.create_live_stream(1, idempotency_key="order-1")
    spend(ledger, 20, start=EARLIER)
    clock.seconds += FRESH
    again = platform.create_live_stream(1, idempotency_key="order-1")
    with pytest.raises(BudgetExceededError):
        platform.create_live_stream(1, idempotency_key="order-2")
    with pytest.raises(ConflictError, match="was used for another live stream"):
        platform.create_live_stream(2, idempotency_key="order-1")

    assert again == first
    assert names_of(provider) == [first.stream_id]


def test_a_key_whose_creation_came_to_nothing_is_refused(
    open_with: Open,
    ledger: Ledger,
    clock: FakeClock,
    spend: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform, provider = open_with()
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise ConflictError("no", provider="acme", operation="create_live_stream")

        patch.setattr(provider, "create_live_stream", refuse)
        with pytest.raises(ConflictError):
            platform.create_live_stream(1, idempotency_key="order-1")
    spend(ledger, 20, start=EARLIER)
    clock.seconds += FRESH
    with pytest.raises(BudgetExceededError):
        platform.create_live_stream(1, idempotency_key="order-1")

    assert names_of(provider) == []


@pytest.mark.parametrize("was_created", [True, False])
def test_a_key_whose_creation_has_an_unknown_fate_is_looked_up_and_never_sent_again(
    open_with: Open,
    ledger: Ledger,
    clock: FakeClock,
    spend: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    was_created: bool,
) -> None:
    platform, provider = open_with()
    create = provider.create_live_stream
    with monkeypatch.context() as patch:

        def lose(request: object) -> None:
            if was_created:
                create(request)
            raise PlatformUnavailableError("lost", provider="acme", operation="create_live_stream")

        def unreachable(*_: object) -> None:
            raise PlatformUnavailableError("down", provider="acme", operation="find_live_streams")

        patch.setattr(provider, "create_live_stream", lose)
        patch.setattr(provider, "find_live_streams", unreachable)
        with pytest.raises(UncertainOutcomeError):
            platform.create_live_stream(1, idempotency_key="order-1")
    spend(ledger, 20, start=EARLIER)
    clock.seconds += 600
    if was_created:
        found = platform.create_live_stream(1, idempotency_key="order-1")
        assert names_of(provider) == [found.stream_id]
    else:
        with pytest.raises(BudgetExceededError):
            platform.create_live_stream(1, idempotency_key="order-1")
        assert names_of(provider) == []
        (entry,) = ledger.entries("acme", "4711")
        assert (entry.state, entry.reason) == (EntryState.ABANDONED, "BudgetExceededError")


# -- how fresh, and what if it cannot be read ------------------------------------------------------


def test_what_was_spent_is_read_once_in_some_seconds(
    open_with: Open,
    ledger: Ledger,
    clock: FakeClock,
    spend: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guarding.BudgetGuard, "check_soon", lambda _self: None)
    platform, _ = open_with()
    reads: list[object] = []
    read_usage = ledger.read_usage

    def counting(since: datetime, until: datetime) -> object:
        reads.append(since)
        return read_usage(since, until)

    monkeypatch.setattr(ledger, "read_usage", counting)
    for channel in range(5):
        platform.create_live_stream(channel)
    assert len(reads) == 1
    spend(ledger, 20, start=EARLIER)
    clock.seconds += FRESH - 0.1
    platform.create_live_stream(6)
    clock.seconds += 0.1
    with pytest.raises(BudgetExceededError):
        platform.create_live_stream(7)
    assert len(reads) == 2


@contextmanager
def unreadable(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def broken(*_: object) -> None:
        raise LedgerError("the ledger is gone", ledger="x")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "read_usage", broken)
        yield


@pytest.mark.parametrize(
    "on_ledger_failure", [OnLedgerFailure.REFUSE_CREATE, OnLedgerFailure.REFUSE_ALL]
)
def test_while_it_cannot_be_read_nothing_is_created(
    open_with: Open,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    on_ledger_failure: OnLedgerFailure,
) -> None:
    platform, provider = open_with(on_ledger_failure=on_ledger_failure)
    with unreadable(ledger, monkeypatch), pytest.raises(LedgerError, match="is gone"):
        platform.create_live_stream(1)

    assert names_of(provider) == []
    assert platform.create_live_stream(1).stream_id == "live-1"


def test_while_it_cannot_be_read_creating_goes_on_where_that_is_wanted(
    open_with: Open,
    ledger: Ledger,
    spend: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spend(ledger, 20, start=EARLIER)
    platform, provider = open_with(on_ledger_failure=OnLedgerFailure.GO_ON)
    with pytest.raises(BudgetExceededError):
        platform.create_live_stream(1)
    platform, provider = open_with(on_ledger_failure=OnLedgerFailure.GO_ON)
    with unreadable(ledger, monkeypatch), caplog.at_level(logging.WARNING):
        platform.create_live_stream(1)

    assert len(names_of(provider)) == 1
    assert "what is created is not recorded: the ledger is gone" in caplog.text


# -- the command line ------------------------------------------------------------------------------


@pytest.mark.usefixtures("acme", "acme_settings")
def test_the_command_is_refused_with_exit_code_4(
    run: Callable[..., Ran], spend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from headend.clock import SystemClock

    for name, value in {
        "STREAMING_PLATFORM": "acme",
        "HEADEND_PRICES": "acme:storage=6000",
        "HEADEND_BUDGETS": "acme=1",
        "HEADEND_ON_BUDGET_EXCEEDED": "refuse-create",
    }.items():
        monkeypatch.setenv(name, value)
    assert run("create", "42").code == 0
    with headend.open() as platform:
        location = platform.locate_ledger()
    now = datetime.now(UTC)
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ledger = open_ledger(f"sqlite:///{location}", clock=SystemClock(), random=Random(1))
    spend(ledger, 10, start=max(month, now - timedelta(minutes=12)))
    ledger.close()
    ran = run("create", "42", "--json")

    assert ran.code == 4
    assert ran.out == ""
    assert "error: the budget acme is used up" in ran.err
