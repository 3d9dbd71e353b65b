"""What the operations of a platform leave in the ledger's journal, and what they know of use."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, frozen

from headend.errors import InvalidRequestError, LedgerError, PlatformUnavailableError
from headend.ledger import (
    LedgerEventKind,
    MemoryLedger,
    NewEvent,
    Observation,
    open_host_ledger,
)
from headend.models import EventKind, LiveStream, StreamEvent, StreamState
from headend.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from headend.ledger import Ledger
    from headend.platform import StreamingPlatform
    from tests.conftest import FakeClock, Opened, Ran

    Run = Callable[..., Ran]

KINDS = LedgerEventKind


def ledger_of(platform: StreamingPlatform) -> Ledger:
    return platform._ledger.get()


def told(platform: StreamingPlatform, *kinds: LedgerEventKind) -> list[tuple[object, ...]]:
    return [
        (one.kind, one.stream_id, one.channel_id, one.caused_by)
        for one in ledger_of(platform).events(kinds=kinds or None)
    ]


def actor(platform: StreamingPlatform) -> str:
    return ledger_of(platform).actor


def full(*_args: object, **_more: object) -> None:
    raise LedgerError("the ledger is full", ledger="x")


class TestOperations:
    def test_creating_and_ending_are_told_once(self, opened: Opened) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(42, idempotency_key="k").stream_id
        platform.create_live_stream(42, idempotency_key="k")
        for _ in range(2):
            platform.end_live_stream(stream_id)

        assert told(platform) == [
            (KINDS.CREATED, stream_id, "42", actor(platform)),
            (KINDS.ENDED, stream_id, "42", actor(platform)),
        ]

    def test_what_was_refused_is_not_told(self, opened: Opened) -> None:
        platform, provider = opened()
        provider.failing = PlatformUnavailableError(
            "down", provider="acme", operation="x", request_sent=False
        )
        for ask in (
            lambda: platform.create_live_stream(1),
            lambda: platform.rotate_stream_key("live-1"),
            lambda: platform.delete_recording("rec-1"),
            lambda: platform.end_live_stream("live-1"),
        ):
            with pytest.raises(PlatformUnavailableError):
                ask()

        assert told(platform) == []

    def test_the_end_of_what_was_made_elsewhere_is_told(self, opened: Opened) -> None:
        platform, provider = opened()
        provider.streams["live-9"] = LiveStream(stream_id="live-9", provider="acme")
        platform.end_live_stream("live-9")
        platform.end_live_stream("live-9")

        assert told(platform) == [(KINDS.ENDED, "live-9", None, actor(platform))]

    def test_the_end_of_what_was_gone_already_is_not(self, opened: Opened) -> None:
        platform, _ = opened()
        platform.end_live_stream("live-9")

        assert told(platform) == []

    def test_each_new_key_is_told(self, opened: Opened) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(42).stream_id
        for _ in range(2):
            platform.rotate_stream_key(stream_id)

        assert (
            told(platform, KINDS.KEY_ROTATED)
            == [(KINDS.KEY_ROTATED, stream_id, "42", actor(platform))] * 2
        )
        assert "-next" not in repr(ledger_of(platform).events())

    def test_a_recording_that_is_deleted_is_told_with_its_live_stream(self, opened: Opened) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(42).stream_id
        # The end names what is kept, and billed.
        platform.end_live_stream(stream_id)
        platform.delete_recording("rec-1")
        platform.delete_recording("rec-1")
        (found,) = ledger_of(platform).events(kinds=[KINDS.RECORDING_DELETED])

        assert (found.stream_id, found.channel_id) == (stream_id, "42")
        assert found.detail == {"recording_id": "rec-1"}

    def test_recordings_that_are_deleted_with_it_are_told(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(42).stream_id
        named = "acme", platform._provider.account, stream_id
        recordings = platform.list_recordings(stream_id)
        ledger_of(platform).record_recordings(*named, recordings, now=clock.now())
        platform.end_live_stream(stream_id, delete_recordings=True)

        assert told(platform, KINDS.RECORDING_DELETED) == [
            (KINDS.RECORDING_DELETED, stream_id, "42", actor(platform))
        ]

    def test_a_broadcast_ends_with_its_live_stream(self, opened: Opened, clock: FakeClock) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(42).stream_id
        seen = Observation(
            provider="acme",
            account=platform._provider.account,
            stream_id=stream_id,
            at=clock.now(),
            state=StreamState.LIVE,
        )
        ledger_of(platform).observe(seen, now=clock.now())
        clock.sleep(30)
        platform.end_live_stream(stream_id)
        (slot,) = (
            ledger_of(platform)
            .read_usage(clock.now() - timedelta(days=1), clock.now() + timedelta(days=1))
            .slots
        )

        assert slot.live_seconds == 30.0
        assert [kind for kind, *_ in told(platform)] == [
            KINDS.CREATED,
            KINDS.WENT_LIVE,
            KINDS.WENT_IDLE,
            KINDS.ENDED,
        ]

    @pytest.mark.parametrize("operation", ["rotate_stream_key", "delete_recording"])
    def test_they_go_on_where_the_ledger_fails(
        self,
        opened: Opened,
        operation: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(42).stream_id
        for name in ("append", "recording_deleted"):
            monkeypatch.setattr(MemoryLedger, name, full)
        getattr(platform, operation)(stream_id)

        assert provider.asked[-1].startswith(operation)
        assert "is not recorded: the ledger is full" in caplog.text

    @pytest.mark.parametrize("operation", ["rotate_stream_key", "delete_recording"])
    def test_they_go_on_where_the_platform_does_not_tell_the_account(
        self,
        opened: Opened,
        operation: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The new key would be lost with the answer that holds it."""
        platform, provider = opened()
        stream_id = platform.create_live_stream(42).stream_id

        def refused(_provider: object) -> str:
            raise PlatformUnavailableError(
                "down", provider="acme", operation="x", request_sent=False
            )

        monkeypatch.setattr(type(provider), "account", property(refused))
        getattr(platform, operation)(stream_id)

        assert "is not recorded: down" in caplog.text


class TestTerms:
    def test_options_on_which_prices_depend_are_kept(
        self, acme: ModuleType, acme_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those that the provider's price list names, and no others."""
        import headend
        from headend.facts import Facts

        facts = import_module("headend_acme.facts")
        price = evolve(facts.FACTS.prices[0], terms={"record": "yes"})
        monkeypatch.setattr(facts, "FACTS", Facts(prices=(price,)))
        with headend.open("acme", database=tmp_path / "l") as platform:
            platform.create_live_stream(1, options={"record": "no"})
            (entry,) = ledger_of(platform).entries("acme", platform._provider.account)

        assert [*entry.terms] == ["record"]

    def test_a_broken_price_list_is_no_reason_to_create_nothing(
        self,
        acme: ModuleType,
        acme_settings: None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        import headend

        with headend.open("acme", database=tmp_path / "l") as platform:
            monkeypatch.setattr(import_module("headend_acme.facts"), "FACTS", "nonsense")
            platform.create_live_stream(1)
            (entry,) = ledger_of(platform).entries("acme", platform._provider.account)

        assert entry.terms == {}
        assert "on which prices depend are not recorded" in caplog.text


class TestReconciling:
    def orphan(self, opened: Opened, clock: FakeClock) -> tuple[StreamingPlatform, str]:
        platform, provider = opened()
        stream_id = platform.create_live_stream(42).stream_id
        provider.streams["live-9"] = evolve(
            provider.streams[stream_id],
            stream_id="live-9",
            marker=f"{provider.streams[stream_id].marker}x",
            state=StreamState.IDLE,
        )
        clock.sleep(3600)
        return platform, "live-9"

    @pytest.mark.parametrize("more", [{"dry_run": True}, {}, {"clean": True}])
    def test_an_orphan_is_told_once_however_often_it_is_found(
        self,
        opened: Opened,
        clock: FakeClock,
        more: dict[str, bool],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        platform, stream_id = self.orphan(opened, clock)
        monkeypatch.setattr(MemoryLedger, "location", "somewhere")
        for _ in range(2):
            platform.reconcile(**more)
        (found,) = ledger_of(platform).events(kinds=[KINDS.ORPHAN_FOUND])

        assert (found.stream_id, found.channel_id, found.caused_by) == (
            stream_id,
            "42",
            "platform",
        )
        assert found.detail["finding"] == "orphan"

    def test_what_vanished_was_ended_by_the_platform(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(42).stream_id
        provider.streams.clear()
        monkeypatch.setattr(MemoryLedger, "location", "somewhere")
        platform.reconcile()

        assert told(platform, KINDS.ENDED) == [(KINDS.ENDED, stream_id, "42", "platform")]


@frozen
class Messages:
    """Messages of the platform about one live stream."""

    stream_id: str
    clock: FakeClock

    def __call__(self, kind: EventKind, event_id: str, *, seconds: float = 0) -> StreamEvent:
        return StreamEvent(
            kind=kind,
            provider="acme",
            stream_id=self.stream_id,
            occurred_at=self.clock.now() + timedelta(seconds=seconds),
            event_id=event_id,
            raw="{}",
        )


class TestMessages:
    def test_a_broadcast_is_told_by_them(self, opened: Opened, clock: FakeClock) -> None:
        platform, _ = opened()
        message = Messages(platform.create_live_stream(42).stream_id, clock)
        answers = [
            platform.record_event(message(kind, event_id, seconds=seconds))
            for kind, event_id, seconds in (
                (EventKind.LIVE, "e1", 0),
                (EventKind.LIVE, "e1", 0),
                (EventKind.INTERRUPTED, "e2", 10),
                (EventKind.LIVE, "e3", 20),
                (EventKind.IDLE, "e4", 30),
                (EventKind.LIVE, "e3", 20),
                (EventKind.IDLE, "e4", 30),
            )
        ]

        assert answers == [True, False, False, False, True, False, False]
        assert told(platform)[1:] == [
            (KINDS.WENT_LIVE, message.stream_id, "42", "platform"),
            (KINDS.WENT_IDLE, message.stream_id, "42", "platform"),
        ]

    def test_one_from_the_future_does_not_stop_the_counting(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, _ = opened()
        message = Messages(platform.create_live_stream(42).stream_id, clock)
        assert platform.record_event(message(EventKind.LIVE, "e1", seconds=86_400.0))
        clock.sleep(301.0)

        assert platform.record_event(message(EventKind.IDLE, "e2"))
        assert [one[0] for one in told(platform)[1:]] == [KINDS.WENT_LIVE, KINDS.WENT_IDLE]

    def test_one_that_tells_of_the_end_ends_the_entry(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, provider = opened()
        message = Messages(platform.create_live_stream(42).stream_id, clock)
        ended = message(EventKind.ENDED, "e1")

        assert [platform.record_event(ended) for _ in range(2)] == [True, False]
        assert told(platform)[1:] == [(KINDS.ENDED, message.stream_id, "42", "platform")]
        entry = ledger_of(platform).find("acme", provider.account, message.stream_id)
        assert entry is not None
        assert entry.state == "ended"

    @pytest.mark.parametrize(
        "kind",
        sorted(
            set(EventKind)
            - {EventKind.LIVE, EventKind.INTERRUPTED, EventKind.IDLE, EventKind.ENDED}
        ),
    )
    def test_others_change_nothing(self, opened: Opened, clock: FakeClock, kind: EventKind) -> None:
        platform, _ = opened()
        message = Messages("live-1", clock)

        assert platform.record_event(message(kind, "e1")) is False
        assert platform.record_event(evolve(message(EventKind.LIVE, "e2"), stream_id=None)) is False
        assert told(platform) == []

    def test_those_of_others_are_refused(self, opened: Opened, clock: FakeClock) -> None:
        platform, _ = opened()
        foreign = evolve(Messages("live-1", clock)(EventKind.LIVE, "e1"), provider="other")

        with pytest.raises(InvalidRequestError, match="the event is one of other"):
            platform.record_event(foreign)
        with pytest.raises(InvalidRequestError, match=r"what parse_event\(\) returns, not dict"):
            platform.record_event({})  # type: ignore[arg-type]  # what a host may do

    def test_one_that_cannot_be_written_down_is_an_error(
        self, opened: Opened, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The host answers the platform with an error, and gets it again."""
        platform, _ = opened()
        monkeypatch.setattr(MemoryLedger, "observe", full)

        with pytest.raises(LedgerError):
            platform.record_event(Messages("live-1", clock)(EventKind.LIVE, "e1"))


class TestActor:
    def test_it_is_who_the_settings_name(self, tmp_path: Path) -> None:
        settings = {"HEADEND_ACTOR": "studio", "HEADEND_DATABASE_URL": f"sqlite:///{tmp_path}/l"}
        ledger = open_host_ledger(Configuration.load(settings))
        try:
            assert ledger.actor == "studio"
        finally:
            ledger.close()

    def test_it_is_the_process_where_they_name_nobody(self) -> None:
        import os
        import socket

        ledger = open_host_ledger(Configuration.load({"HEADEND_DATABASE_URL": "none"}))

        assert ledger.actor == f"{socket.gethostname()}:{os.getpid()}"
        assert ledger.location is None


class TestCommand:
    @pytest.fixture
    def ledger(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
        """The ledger of the settings, with three events of now and one of long ago."""
        from headend.clock import SystemClock

        monkeypatch.setenv("HEADEND_DATABASE_URL", f"sqlite:///{tmp_path / 'l'}")
        ledger = open_host_ledger(Configuration.load())
        now = SystemClock().now()
        for n, (kind, provider, hours) in enumerate(
            (
                (KINDS.CREATED, "acme", 24 * 30),
                (KINDS.WENT_LIVE, "acme", 2),
                (KINDS.WENT_LIVE, "other", 1),
                (KINDS.BUDGET_ALERT, None, 0.5),
            )
        ):
            ledger.append(
                NewEvent(
                    key=f"k{n}",
                    kind=kind,
                    occurred_at=now - timedelta(hours=hours),
                    provider=provider,
                    account="4711" if provider else None,
                    stream_id=f"s{n}" if provider else None,
                    caused_by="st\x1budio",
                    detail={"n": str(n)},
                ),
                now=now,
            )
        ledger.close()
        return ledger

    @pytest.mark.parametrize(
        ("arguments", "wanted"),
        [
            ([], ["k1", "k2", "k3"]),
            (["--since", "90m"], ["k2", "k3"]),
            (["--since", "999999d"], ["k0", "k1", "k2", "k3"]),
            (["--after", "2"], ["k2", "k3"]),
            (["--kind", "went-live"], ["k1", "k2"]),
            (["--kind", "went-live", "--kind", "budget-alert"], ["k1", "k2", "k3"]),
            (["--provider", "acme"], ["k1"]),
            (["--provider", "nosuch"], []),
        ],
    )
    def test_it_shows_what_is_asked_for(
        self, ledger: Ledger, run: Run, arguments: list[str], wanted: list[str]
    ) -> None:
        ran = run("events", "--json", *arguments)

        assert ran.code == 0
        assert [one["key"] for one in ran.json] == wanted  # type: ignore[attr-defined]  # a list

    def test_json_has_all_fields_of_an_event(self, ledger: Ledger, run: Run) -> None:
        import attrs

        from headend.ledger import LedgerEvent

        found = run("events", "--json").json
        assert isinstance(found, list)
        assert set(found[0]) == {one.name for one in attrs.fields(LedgerEvent)}

    def test_people_get_a_table(self, ledger: Ledger, run: Run) -> None:
        ran = run("events")
        head, _, *rows = ran.out.strip().splitlines()

        assert head.split()[:3] == ["number", "occurred_at", "kind"]
        assert [row.split()[0] for row in rows] == ["2", "3", "4"]
        assert "\x1b" not in ran.out
        assert run("events", "--provider", "nosuch").out == "No events.\n"

    @pytest.mark.parametrize("arguments", [[], ["--json"]])
    def test_following_goes_on_until_it_is_interrupted(
        self,
        ledger: Ledger,
        run: Run,
        arguments: list[str],
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Each event is one line, and one JSON value where that is asked for."""
        import json

        def interrupt() -> None:
            raise KeyboardInterrupt

        def append() -> None:
            again = open_host_ledger(Configuration.load())
            later = NewEvent(
                key="later", kind=KINDS.ENDED, occurred_at=clock.now(), caused_by="x\ny"
            )
            again.append(later, now=clock.now())
            again.close()

        clock.at(3, append)
        clock.at(5, interrupt)
        monkeypatch.setattr("headend.clock.SystemClock", lambda: clock)
        ran = run("events", "--follow", "--after", "2", *arguments)
        lines = ran.out.splitlines()

        assert ran.code == 130
        assert len(lines) == 3
        if arguments:
            assert [json.loads(line)["key"] for line in lines] == ["k2", "k3", "later"]
        else:
            assert [line.split()[0] for line in lines] == ["3", "4", "5"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--since", "soon"], "not an age such as 90s, 15m, 2h or 1d"),
            (["--kind", "party"], "'party' is not one of 'created', 'ended'"),
            (["--after", "-1"], "-1 is not in the range"),
        ],
    )
    def test_what_is_no_such_thing_is_refused(
        self, run: Run, arguments: list[str], said: str
    ) -> None:
        ran = run("events", *arguments)

        assert ran.code == 2
        assert said in ran.err

    def test_without_a_ledger_there_are_none(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_DATABASE_URL", "none")
        ran = run("events")

        assert ran.code == 2
        assert "HEADEND_DATABASE_URL: is none, so that no events are kept" in ran.err
