"""What a host holds: a ledger, the prices and the budgets, opened together."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

import headend
from headend.costs import Basis
from headend.errors import ConfigurationError, StreamNotFoundError
from headend.facts import Facts, Meter, Price
from headend.ledger import open_ledger
from headend.ledger.usage import Observation
from headend.models import Recording, Session, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from headend.costs import CostBook
    from headend.ledger import Ledger
    from tests.conftest import FakeClock, Opened

# The clock of the tests begins on 2 January 2030 at 03:04:05 UTC.
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _prices(acme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acme bills what is stored, what is pushed by region, and what is watched by height."""
    facts = importlib.import_module("headend_acme.facts")
    (storage,) = facts.FACTS.prices

    def price(name: str, amount: str, meter: Meter, **more: object) -> Price:
        return Price(
            name=name,
            amount=Decimal(amount),
            per=1,
            unit="hour",
            meter=meter,
            unit_size=3600,
            source="https://acme.example/prices",
            as_of="2026-01-03",
            **more,  # type: ignore[arg-type]  # terms and height
        )

    monkeypatch.setattr(
        facts,
        "FACTS",
        Facts(
            prices=(
                storage,
                price("in eu", "1", Meter.INGEST, terms={"region": "eu"}),
                price("in us", "2", Meter.INGEST, terms={"region": "us"}),
                price("small", "0.1", Meter.WATCH, up_to_height=720),
                price("large", "0.5", Meter.WATCH),
            )
        ),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(file: Path, clock: FakeClock) -> Iterator[Ledger]:
    from random import Random

    opened = open_ledger(file, clock=clock, random=Random(1))
    yield opened
    opened.close()


@pytest.fixture
def book(file: Path, clock: FakeClock) -> Iterator[Callable[..., CostBook]]:
    made: list[CostBook] = []

    def open_it(**settings: object) -> CostBook:
        made.append(headend.open_costs(database=file, settings=settings, clock=clock))
        return made[-1]

    yield open_it
    for one in made:
        one.close()


def watch(ledger: Ledger, minutes: int, *, viewers: int | None, start: datetime) -> None:
    """See a live stream live for so many minutes, every minute, and then idle."""
    for minute in range(minutes + 1):
        at = start + minute * MINUTE
        ledger.observe(
            Observation(
                provider="acme",
                account="acme-account",
                stream_id="live-1",
                channel_id="42",
                at=at,
                state=StreamState.IDLE if minute == minutes else StreamState.LIVE,
                viewer_count=viewers,
                current_bitrate=3_000_000,
            ),
            now=at,
        )


def test_what_was_seen_costs_what_the_prices_say(
    ledger: Ledger, book: Callable[..., CostBook]
) -> None:
    watch(ledger, 60, viewers=10, start=NOW - 120 * MINUTE)
    costs = book().costs()

    assert {line.price.name: str(line.cost) for line in costs.lines} == {
        "in eu": "1.00 USD",
        "large": "5.00 USD",
        "storage": "<0.01 USD",
    }
    assert str(costs.total) == "6.01 USD"
    assert {line.basis for line in costs.lines} == {Basis.ESTIMATED}
    assert {line.channel_id for line in costs.lines} == {"42"}


def test_a_month_begins_where_the_time_zone_says(
    ledger: Ledger, book: Callable[..., CostBook]
) -> None:
    # 23:30 on 31 December to 00:30 on 1 January, in Berlin.
    watch(ledger, 60, viewers=0, start=datetime(2029, 12, 31, 22, 30, tzinfo=UTC))
    berlin, utc = book(time_zone="Europe/Berlin"), book()

    def pushed(which: CostBook, month: str) -> Decimal:
        lines = which.costs(month).lines
        return sum((one.quantity for one in lines if one.price.name == "in eu"), Decimal(0))

    assert (pushed(utc, "2029-12"), pushed(utc, "2030-01")) == (1, 0)
    assert (pushed(berlin, "2029-12"), pushed(berlin, "2030-01")) == (
        Decimal("0.5"),
        Decimal("0.5"),
    )


def test_budgets_are_those_of_the_month_that_goes_on(
    ledger: Ledger, book: Callable[..., CostBook], clock: FakeClock
) -> None:
    watch(ledger, 60, viewers=10, start=NOW - 120 * MINUTE)
    which = book(budgets={"all": 10, "acme": "6.1", "2029-12": 1})
    every, mine = which.budgets()

    assert (every.budget.scope, every.reached) == ("all", (50,))
    assert (mine.budget.scope, mine.reached) == ("acme", (50, 80))
    assert str(every.spent) == "6.01 USD"
    assert every.forecast == which.forecast(which.costs()) > every.spent
    (december,) = [
        one
        for one in which.budgets(datetime(2029, 12, 5, tzinfo=UTC))
        if one.budget.scope == "2029-12"
    ]
    assert december.spent.amount == 0
    clock.seconds += 40 * 86_400
    assert which.budgets()[0].spent.amount == 0


def test_thresholds_are_those_of_the_settings(
    ledger: Ledger, book: Callable[..., CostBook]
) -> None:
    watch(ledger, 60, viewers=10, start=NOW - 120 * MINUTE)
    (found,) = book(budgets="all=10", budget_thresholds="10,60,61").budgets()

    assert found.reached == (10, 60)


@pytest.mark.parametrize(
    ("month", "words"), [("2030-02", "has not begun"), ("x", "is not a month")]
)
def test_a_month_that_cannot_be_counted_is_refused(
    book: Callable[..., CostBook], month: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        book().costs(month)


def test_an_estimate_needs_neither_ledger_nor_platform(tmp_path: Path, clock: FakeClock) -> None:
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    with headend.open_costs(database=nowhere / "ledger.sqlite3", clock=clock) as which:
        found = which.estimate(minutes=60, viewers=2.5)
        assert {(one.provider, one.terms.get("region")) for one in found} == {
            ("acme", "eu"),
            ("acme", "us"),
            ("plain", None),
            *((one.provider, one.terms.get("region")) for one in found),
        }
        (eu,) = [one for one in found if one.terms.get("region") == "eu"]
        assert (eu.is_default, str(eu.total)) == (True, "1.26 USD")
        with pytest.raises(ConfigurationError):
            which.costs()
    with pytest.raises(ValueError, match="minutes must be 0, or from 0"):
        which.estimate(minutes=Decimal("1e40"), viewers=1)
    for wrong in ({"minutes": -1, "viewers": 1}, {"minutes": 1, "viewers": float("nan")}):
        with pytest.raises(ValueError, match="must be a number from 0"):
            which.estimate(**wrong)
    with pytest.raises(ValueError, match="no encoding preset"):
        which.estimate(minutes=1, viewers=1, encoding="8k")


class TestUpdate:
    """A platform's own figures replace what was worked out."""

    @pytest.fixture
    def told(self, acme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[object]]:
        """What Acme tells of each live stream, to be filled by a test."""
        answers: dict[str, list[object]] = {"sessions": [], "recordings": []}
        kind = acme.AcmeProvider
        monkeypatch.setattr(kind, "account", property(lambda _self: "acme-account"))
        monkeypatch.setattr(kind, "list_sessions", lambda *_: iter(answers["sessions"]))
        monkeypatch.setattr(kind, "list_recordings", lambda *_: iter(answers["recordings"]))
        return answers

    def test_sessions_heights_and_recordings_are_recorded(
        self,
        opened: Opened,
        told: dict[str, list[object]],
        ledger: Ledger,
        book: Callable[..., CostBook],
    ) -> None:
        platform, _ = opened()
        made = platform.create_live_stream(42)
        start = NOW - 120 * MINUTE
        watch(ledger, 50, viewers=10, start=start)
        assert made.stream_id == "live-1"
        told["sessions"] = [
            Session(
                session_id="s",
                stream_id="live-1",
                started_at=start,
                ended_at=start + 60 * MINUTE,
            )
        ]
        told["recordings"] = [
            Recording(recording_id="r", stream_id="live-1", duration=6e6, created_at=start)
        ]
        which = book()
        before = which.costs()
        (done,) = which.update(platform)
        after = which.costs()

        assert (done.sessions, done.recordings, done.note) == (1, 1, None)

        def of(costs: object, name: str) -> list[tuple[str, str]]:
            lines = getattr(costs, "lines")  # noqa: B009  # a fixture gave it
            return [(str(one.basis), str(one.cost)) for one in lines if one.price.name == name]

        assert of(before, "in eu") == [("estimated", "0.83 USD")]
        assert of(after, "in eu") == [("estimated", "1.00 USD")]  # the region is assumed
        assert of(before, "large") == [("estimated", "4.17 USD")]
        assert of(after, "large") == []
        assert of(after, "small") == [("estimated", "0.83 USD")]  # 720 lines, as the encoder said
        assert of(after, "storage") == [("measured", "10.00 USD")]
        why = {line.price.name: line.why for line in after.lines}
        assert why["in eu"] == (
            "the platform's own record of sessions; region is not known; eu, the default, is "
            "assumed"
        )

    def test_a_height_that_is_known_is_not_asked_for_again(
        self,
        opened: Opened,
        acme: ModuleType,
        told: dict[str, list[object]],
        book: Callable[..., CostBook],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        platform, _ = opened()
        platform.create_live_stream(42)
        told["sessions"] = [
            Session(session_id="s", stream_id="live-1", started_at=NOW - 90 * MINUTE)
        ]
        asked: list[str] = []
        whole = acme.AcmeProvider.get_session

        def get_session(self: object, stream_id: str, session_id: str) -> Session:
            asked.append(session_id)
            found: Session = whole(self, stream_id, session_id)
            return found

        monkeypatch.setattr(acme.AcmeProvider, "get_session", get_session)
        which = book()
        # What other live streams used is nothing that asking about one need read.
        monkeypatch.setattr(which.ledger, "read_usage", None)
        which.update(platform)
        which.update(platform)

        assert asked == ["s"]

    def test_what_is_gone_stays_as_it_was_recorded(
        self,
        opened: Opened,
        acme: ModuleType,
        told: dict[str, list[object]],
        book: Callable[..., CostBook],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        platform, _ = opened()
        platform.create_live_stream(42)
        told["recordings"] = [
            Recording(
                recording_id="r", stream_id="live-1", duration=6e6, created_at=NOW - 90 * MINUTE
            )
        ]
        which = book()
        which.update(platform)

        def gone(*_: object) -> object:
            raise StreamNotFoundError("gone", provider="acme", operation="list_sessions")

        monkeypatch.setattr(acme.AcmeProvider, "list_sessions", gone)
        (done,) = which.update(platform)

        assert done.note == "the platform does not have it any more"
        assert str(which.costs().total) == "10.00 USD"

    def test_without_a_ledger_it_is_refused(self, opened: Opened, clock: FakeClock) -> None:
        platform, _ = opened()
        with (
            headend.open_costs(database=None, clock=clock) as which,
            pytest.raises(ConfigurationError, match="nothing can be recorded"),
        ):
            which.update(platform)


def test_events_are_those_of_the_ledger(ledger: Ledger, book: Callable[..., CostBook]) -> None:
    watch(ledger, 5, viewers=1, start=NOW - 120 * MINUTE)
    found = book().events()

    assert [str(one.kind) for one in found] == ["went-live", "went-idle"]
    assert book().events(after=found[0].number) == found[1:]


def test_closing_twice_is_harmless(book: Callable[..., CostBook]) -> None:
    which = book()
    which.costs()
    which.close()
    which.close()
