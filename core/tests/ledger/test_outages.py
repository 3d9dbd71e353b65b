"""What goes on while the ledger cannot be written: `HEADEND_ON_LEDGER_FAILURE`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

import headend
from headend.errors import ConfigurationError, LedgerError
from headend.ledger import DeferredLedger, EntryState
from headend.reconcile import FindingKind
from headend.settings import Configuration, HostSettings, OnLedgerFailure, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import ModuleType

    from headend_acme.provider import AcmeProvider
    from sqlalchemy import Engine

    from headend.ledger import SqlLedger
    from headend.platform import StreamingPlatform
    from tests.conftest import FakeClock, Opened

    Outage = Callable[[], AbstractContextManager[None]]
    Open = Callable[[OnLedgerFailure], tuple[StreamingPlatform, AcmeProvider, SqlLedger]]

REFUSE_CREATE: Final = OnLedgerFailure.REFUSE_CREATE
GO_ON: Final = OnLedgerFailure.GO_ON
REFUSE_ALL: Final = OnLedgerFailure.REFUSE_ALL


@pytest.fixture
def open_platform(
    opened: Opened, open_sql: Callable[..., SqlLedger]
) -> Callable[[OnLedgerFailure], tuple[StreamingPlatform, AcmeProvider, SqlLedger]]:
    """Open a platform whose ledger does not wait for long."""

    def open_it(
        on_ledger_failure: OnLedgerFailure,
    ) -> tuple[StreamingPlatform, AcmeProvider, SqlLedger]:
        ledger = open_sql(busy_timeout=0.1)
        deferred = DeferredLedger(lambda: ledger)
        platform, provider = opened(ledger=deferred, on_ledger_failure=on_ledger_failure)
        return platform, provider, ledger

    return open_it


@pytest.fixture
def outage(raw: Engine) -> Outage:
    """Keep headend from writing to the ledger's database, while it may still read."""

    @contextmanager
    def hold() -> Iterator[None]:
        words = ["BEGIN IMMEDIATE"]
        if raw.dialect.name == "postgresql":
            words = [
                "LOCK TABLE live_streams IN EXCLUSIVE MODE",
                "SELECT * FROM ledger FOR UPDATE",
            ]
        with raw.connect() as connection:
            for one in words:
                connection.execute(text(one))
            yield

    return hold


def test_creating_is_refused_and_nothing_is_asked_of_the_platform(
    open_platform: Open, outage: Outage
) -> None:
    platform, provider, _ = open_platform(REFUSE_CREATE)
    with outage(), pytest.raises(LedgerError, match=r"was locked for more than 0\.1 s"):
        platform.create_live_stream(1)

    assert list(provider.list_live_streams()) == []
    assert platform.create_live_stream(1).stream_id == "live-1"


@pytest.mark.parametrize("on_ledger_failure", [REFUSE_CREATE, GO_ON])
def test_reading_and_ending_go_on(
    open_platform: Open,
    outage: Outage,
    on_ledger_failure: OnLedgerFailure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    platform, _, ledger = open_platform(on_ledger_failure)
    stream_id = platform.create_live_stream(1).stream_id
    with outage():
        assert platform.get_live_stream(stream_id).stream_id == stream_id
        assert platform.end_live_stream(stream_id).outcome == "ended"

    assert f"{stream_id} has ended, and it is not recorded: the ledger" in caplog.text
    # The next comparison with the platform notes what is missing.
    assert ledger.entries("acme", "4711")[0].state is EntryState.ACTIVE
    (finding,) = platform.reconcile()
    assert finding.kind is FindingKind.VANISHED
    assert ledger.entries("acme", "4711")[0].state is EntryState.ENDED


def test_nothing_is_asked_of_the_platform_where_the_ledger_is_needed_for_all(
    open_platform: Open, outage: Outage
) -> None:
    platform, provider, _ = open_platform(REFUSE_ALL)
    stream_id = platform.create_live_stream(1).stream_id
    asked: list[str] = []
    for name in ("get_live_stream", "list_live_streams", "end_live_stream", "check_health"):
        setattr(provider, name, lambda *_, name=name, **__: asked.append(name))
    with outage():
        for ask in (
            lambda: platform.create_live_stream(2),
            lambda: platform.get_live_stream(stream_id),
            lambda: list(platform.list_live_streams()),
            lambda: platform.end_live_stream(stream_id),
            platform.check_health,
        ):
            with pytest.raises(LedgerError, match="was locked"):
                ask()

    assert asked == []
    platform.get_live_stream(stream_id)
    assert asked == ["get_live_stream"]


def test_an_end_is_refused_that_cannot_be_recorded_where_the_ledger_is_needed_for_all(
    open_platform: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the ledger fails after it was looked at."""
    platform, provider, ledger = open_platform(REFUSE_ALL)
    stream_id = platform.create_live_stream(1).stream_id

    def broken(*_: object, **__: object) -> None:
        raise LedgerError("the ledger is full", ledger="x")

    monkeypatch.setattr(ledger, "ending", broken)
    with pytest.raises(LedgerError, match="is full"):
        platform.end_live_stream(stream_id)

    assert [one.stream_id for one in provider.list_live_streams()] == [stream_id]


def test_creating_goes_on_where_that_is_wanted(
    open_platform: Open, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    """With idempotency keys, as far as this process reaches."""
    platform, provider, ledger = open_platform(GO_ON)
    with outage():
        first = platform.create_live_stream(1, idempotency_key="k")
        second = platform.create_live_stream(1, idempotency_key="k")

    assert second == first
    assert "for 30 s what is created is not recorded: the ledger" in caplog.text
    assert len(list(provider.list_live_streams())) == 1
    assert ledger.entries("acme", "4711") == []


def test_what_was_created_meanwhile_is_never_taken_for_an_orphan(
    open_platform: Open, outage: Outage, clock: FakeClock
) -> None:
    """It bears a marker that is none of the ledger's, so that no clean-up ends it."""
    platform, provider, _ = open_platform(GO_ON)
    with outage():
        stream_id = platform.create_live_stream(1).stream_id
    clock.sleep(86_400)
    (finding,) = platform.reconcile(clean=True)

    assert (finding.kind, finding.stream_id) == (FindingKind.FOREIGN, stream_id)
    assert [one.stream_id for one in provider.list_live_streams()] == [stream_id]


def test_the_ledger_is_tried_again_after_a_while(
    open_platform: Open, outage: Outage, clock: FakeClock
) -> None:
    platform, _, ledger = open_platform(GO_ON)
    with outage():
        platform.create_live_stream(1)
    platform.create_live_stream(2)
    clock.sleep(30)
    platform.create_live_stream(3)

    assert [one.channel_id for one in ledger.entries("acme", "4711")] == ["3"]


def test_a_creation_goes_on_whose_ledger_fails_after_it_has_begun(
    open_platform: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    platform, _, ledger = open_platform(GO_ON)

    def broken(*_: object, **__: object) -> None:
        raise LedgerError("the ledger is full", ledger="x")

    monkeypatch.setattr(ledger, "renew", broken)
    assert platform.create_live_stream(1).stream_id == "live-1"
    assert "goes on, and it is not recorded: the ledger is full" in caplog.text
    assert ledger.find("acme", "4711", "live-1") is not None


@pytest.mark.parametrize(
    ("setting", "creates"), [(None, False), ("refuse-create", False), ("go-on", True)]
)
@pytest.mark.usefixtures("acme_settings")
def test_a_ledger_that_cannot_be_opened_is_treated_alike(
    acme: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    creates: bool,
) -> None:
    (tmp_path / "no-folder").touch()
    monkeypatch.setenv("HEADEND_DATABASE_URL", f"sqlite:///{tmp_path}/no-folder/ledger")
    if setting is not None:
        monkeypatch.setenv("HEADEND_ON_LEDGER_FAILURE", setting)
    del acme
    with headend.open("acme") as platform:
        assert list(platform.list_live_streams()) == []
        if creates:
            assert platform.create_live_stream(1).stream_id == "live-1"
            return
        with pytest.raises(ConfigurationError, match="cannot be made"):
            platform.create_live_stream(1)
        assert list(platform.list_live_streams()) == []


@pytest.mark.usefixtures("acme", "acme_settings")
def test_nothing_is_asked_without_a_ledger_that_is_needed_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-folder").touch()
    monkeypatch.setenv("HEADEND_DATABASE_URL", f"sqlite:///{tmp_path}/no-folder/ledger")
    monkeypatch.setenv("HEADEND_ON_LEDGER_FAILURE", "refuse-all")
    with headend.open("acme") as platform, pytest.raises(ConfigurationError, match="cannot be ma"):
        platform.list_live_streams()


def test_another_word_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigurationError,
        match="HEADEND_ON_LEDGER_FAILURE: must be one of refuse-create, go-on, refuse-all, not 'x'",
    ):
        Configuration.load({"HEADEND_ON_LEDGER_FAILURE": "x"})


def test_the_settings_show_no_password() -> None:
    url = "postgresql://user:pl4nted@host/db"
    configuration = Configuration.load({"HEADEND_DATABASE_URL": url})

    assert "pl4nted" not in repr(configuration)
    assert configuration.host.database_url is not None
    assert configuration.host.database_url.reveal() == url
    assert load_settings(HostSettings, subject="x", environ={}).database_url is None
