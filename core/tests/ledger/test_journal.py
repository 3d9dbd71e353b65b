"""The journal has each event once, whoever writes it, and whoever reads on misses none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from attrs import asdict, evolve
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text

from headend.errors import LedgerError
from headend.ledger import (
    BY_HEADEND,
    EntryState,
    LedgerEvent,
    LedgerEventKind,
    NewEvent,
    key_of,
    sql_journal,
)
from headend.ledger.journal import follow, name_of_this_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from headend.ledger import Ledger, NewEntry, SqlLedger
    from tests.conftest import FakeClock

    Open = Callable[..., SqlLedger]
    New = Callable[..., NewEntry]
    Workers = Callable[..., list[object]]

ALERT = LedgerEventKind.BUDGET_ALERT
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def event(key: str = "k", **more: object) -> NewEvent:
    given: dict[str, object] = {"kind": ALERT, "occurred_at": NOON, "caused_by": BY_HEADEND}
    return NewEvent(key=key, **given | more)  # type: ignore[arg-type]  # the fields of an event


def keys(events: list[LedgerEvent]) -> list[str]:
    return [one.key for one in events]


class TestOnce:
    def test_an_event_is_kept_as_it_was_given(self, ledger: Ledger) -> None:
        given = event(
            provider="acme",
            account="4711 eu",
            stream_id="s1",
            channel_id="42",
            detail={"spent": "12 €", "quote": "'\"\\"},
        )
        assert ledger.append(given, now=NOON + timedelta(seconds=1)) is True
        (kept,) = ledger.events()

        assert kept == LedgerEvent.of(given, number=1, now=NOON + timedelta(seconds=1))
        assert asdict(kept).items() >= asdict(given).items()

    def test_of_several_with_one_key_the_first_is_kept(self, ledger: Ledger) -> None:
        assert ledger.append(event(detail={"by": "one"}), now=NOON)
        assert not ledger.append(event(detail={"by": "other"}), now=NOON)
        assert ledger.append(event("other"), now=NOON)

        assert [(one.key, dict(one.detail)) for one in ledger.events()] == [
            ("k", {"by": "one"}),
            ("other", {}),
        ]

    def test_of_many_threads_one_writes_it(self, ledger: Ledger) -> None:
        barrier = Barrier(4)

        def write(_thread: int) -> list[bool]:
            barrier.wait(20)
            return [ledger.append(event(f"k{n}"), now=NOON) for n in range(20)]

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(write, range(4)))
        assert [sum(of_one) for of_one in zip(*answers, strict=True)] == [1] * 20
        assert len(ledger.events()) == 20

    def test_of_many_processes_one_writes_it(
        self, workers: Workers, open_sql: Open, database: str
    ) -> None:
        """A threshold of a budget fires once, though all of them see that it is reached."""
        ledger = open_sql()
        answers = workers(
            "from headend.ledger import NewEvent\n"
            "ledger = opened(url)\n"
            "answer = [\n"
            "    ledger.append(\n"
            "        NewEvent(\n"
            "            key=f'budget:all:2030-01:{turn}', kind='budget-alert',\n"
            "            occurred_at=now, caused_by='headend',\n"
            "        ),\n"
            "        now=now,\n"
            "    )\n"
            "    for turn in range(40)\n"
            "]\n"
            "ledger.close()",
            url=database,
        )

        assert [sum(of_one) for of_one in zip(*answers, strict=True)] == [1] * 40
        assert len(ledger.events()) == 40

    def test_who_waited_for_another_that_wrote_it_is_told_so(
        self, open_sql: Open, raw: Engine
    ) -> None:
        ledger = open_sql(busy_timeout=20)
        ledger.append(event("before"), now=NOON)
        with ThreadPoolExecutor(1) as pool:
            with raw.begin() as connection:
                connection.execute(text("UPDATE ledger SET last_event = 2"))
                connection.execute(
                    text(
                        "INSERT INTO events (number, key, kind, occurred_at, recorded_at, "
                        "caused_by, detail) SELECT 2, 'k', kind, occurred_at, recorded_at, "
                        "caused_by, detail FROM events"
                    )
                )
                waiting = pool.submit(ledger.append, event("k"), now=NOON)
                # It cannot be over, and is given the time to begin.
                with pytest.raises(TimeoutError):
                    waiting.result(timeout=0.3)
            assert waiting.result(timeout=20) is False
        assert keys(ledger.events()) == ["before", "k"]

    def test_keys_tell_apart_what_their_parts_tell_apart(self) -> None:
        parts = [("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("a", "b", "c"), ("a/b", "c")]

        assert len({key_of(*one) for one in parts}) == len(parts)

    @pytest.mark.parametrize("field", ["key", "provider", "account", "stream_id", "channel_id"])
    @pytest.mark.parametrize("text", ["a\0", "\ud800"])
    def test_what_no_database_keeps_is_refused(self, field: str, text: str) -> None:
        with pytest.raises(ValueError, match=f"{field} has a character that no database keeps"):
            event(**{field: text})

    def test_words_are_written_out_instead(self) -> None:
        """They may come from a platform."""
        made = event(caused_by="a\0", detail={"why\0": "\ud800"})

        assert (made.caused_by, made.detail) == ("a\\0", {"why\\0": "\\ud800"})

    def test_it_has_a_time_of_a_zone_and_a_key(self) -> None:
        with pytest.raises(ValueError, match="no time zone"):
            event(occurred_at=NOON.replace(tzinfo=None))
        with pytest.raises(ValueError, match="key"):
            event("")
        far_east = NOON.astimezone(timezone(timedelta(hours=9)))
        assert event(occurred_at=far_east).occurred_at.utcoffset() == timedelta(0)


class TestReading:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        after=st.integers(0, 14),
        since=st.none() | st.integers(0, 14),
        until=st.none() | st.integers(0, 14),
        kinds=st.none() | st.sets(st.sampled_from([*LedgerEventKind][:4])),
        provider=st.none() | st.sampled_from(["p0", "p1", "other"]),
        stream_id=st.none() | st.sampled_from(["s0", "s1", "s2"]),
        limit=st.none() | st.integers(0, 14),
    )
    def test_what_fits_all_that_is_given_comes_by_number(
        self,
        ledger: Ledger,
        after: int,
        since: int | None,
        until: int | None,
        kinds: set[LedgerEventKind] | None,
        provider: str | None,
        stream_id: str | None,
        limit: int | None,
    ) -> None:
        for n in range(12):
            ledger.append(
                event(
                    f"k{n}",
                    kind=[*LedgerEventKind][n % 4],
                    # Not in the order in which they are written.
                    occurred_at=NOON + timedelta(hours=(n * 5) % 12),
                    provider=f"p{n % 2}" if n else None,
                    stream_id=f"s{n % 3}" if n else None,
                ),
                now=NOON,
            )
        moment = {None: None} | {n: NOON + timedelta(hours=n) for n in range(15)}
        wanted = [
            n
            for n in range(12)
            if n + 1 > after
            and (since is None or (n * 5) % 12 >= since)
            and (until is None or (n * 5) % 12 < until)
            and (kinds is None or [*LedgerEventKind][n % 4] in kinds)
            and (provider is None or (n and provider == f"p{n % 2}"))
            and (stream_id is None or (n and stream_id == f"s{n % 3}"))
        ]
        found = ledger.events(
            after=after,
            since=moment[since],
            until=moment[until],
            kinds=kinds,
            provider=provider,
            stream_id=stream_id,
            limit=limit,
        )

        assert keys(found) == [f"k{n}" for n in wanted][:limit]

    def test_who_follows_many_writers_misses_none(
        self, workers: Workers, open_sql: Open, database: str
    ) -> None:
        """A number that can be read means that all lower ones can be, whoever got them."""
        ledger = open_sql()
        found: list[LedgerEvent] = []
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(
                workers,
                "from headend.ledger import NewEvent\n"
                "ledger = opened(url)\n"
                "for turn in range(60):\n"
                "    event = NewEvent(\n"
                "        key=f'{number}-{turn}', kind='created', occurred_at=now, caused_by='x'\n"
                "    )\n"
                "    ledger.append(event, now=now)\n"
                "ledger.close()",
                url=database,
            )
            is_over = False
            while not is_over:
                is_over = writing.done()
                found += ledger.events(after=found[-1].number if found else 0)
        writing.result()

        assert sorted(keys(found)) == sorted(f"{n}-{turn}" for n in range(4) for turn in range(60))

    def test_following_goes_on_with_what_comes(self, ledger: Ledger, clock: FakeClock) -> None:
        for n in range(3):
            ledger.append(event(f"before{n}", provider=f"p{n % 2}"), now=NOON)
        clock.at(2.0, lambda: ledger.append(event("later", provider="p0"), now=NOON))
        clock.at(2.0, lambda: ledger.append(event("other", provider="p1"), now=NOON))
        followed = follow(ledger, clock=clock, after=1, provider="p0")

        assert [next(followed).key, next(followed).key] == ["before2", "later"]
        assert clock.seconds >= 2.0

    def test_who_follows_from_a_moment_on_is_told_late_what_is_told_late(
        self, ledger: Ledger, clock: FakeClock
    ) -> None:
        def occurred(key: str, minutes: int) -> NewEvent:
            return evolve(event(key), occurred_at=NOON + timedelta(minutes=minutes))

        for key, minutes in (("old", -9), ("new", 1), ("older", -10)):
            ledger.append(occurred(key, minutes), now=NOON)
        clock.at(2.0, lambda: ledger.append(occurred("late", -5), now=NOON))
        followed = follow(ledger, clock=clock, since=NOON)

        assert [next(followed).key, next(followed).key] == ["new", "late"]

    @pytest.mark.parametrize("since", [None, NOON])
    def test_following_takes_no_more_than_it_can_hold(
        self,
        ledger: Ledger,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
        since: datetime | None,
    ) -> None:
        monkeypatch.setattr("headend.ledger.journal._AT_ONCE", 2)
        for n in range(5):
            ledger.append(event(f"k{n}"), now=NOON)
        followed = follow(ledger, clock=clock, since=since)

        assert [next(followed).key for _ in range(5)] == [f"k{n}" for n in range(5)]
        assert clock.naps == []


class TestEntries:
    def test_creation_and_end_are_in_it_once(self, ledger: Ledger, new: New) -> None:
        ledger.begin(new(marker="m"), now=NOON, lease=60)
        for n in range(2):
            ledger.created("m", "s1", NOON + timedelta(seconds=n))
        for n in range(2, 4):
            ledger.ended("acme", "4711 eu", "s1", NOON + timedelta(seconds=n))

        assert [
            (one.kind.value, one.stream_id, one.channel_id, one.caused_by, one.occurred_at)
            for one in ledger.events()
        ] == [
            ("created", "s1", "42", ledger.actor, NOON),
            ("ended", "s1", "42", ledger.actor, NOON + timedelta(seconds=2)),
        ]

    def test_what_was_not_created_is_not_in_it(self, ledger: Ledger, new: New) -> None:
        ledger.begin(new(marker="m"), now=NOON, lease=60)
        ledger.abandoned("m", "quota", NOON)
        ledger.ended("acme", "4711 eu", "s1", NOON)

        assert ledger.events() == []

    def test_who_caused_it_can_be_told(self, ledger: Ledger, new: New) -> None:
        ledger.begin(new(marker="m"), now=NOON, lease=60)
        ledger.created("m", "s1", NOON)
        ledger.ended("acme", "4711 eu", "s1", NOON, caused_by="platform")

        assert [one.caused_by for one in ledger.events()] == [name_of_this_process(), "platform"]

    @pytest.mark.parametrize("step", ["created", "ended"])
    def test_an_entry_does_not_change_without_its_event(
        self, open_sql: Open, new: New, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = open_sql()
        ledger.begin(new(marker="m"), now=NOON, lease=60)
        if step == "ended":
            ledger.created("m", "s1", NOON)
        before = ledger.by_marker("m")

        def full(*_args: object, **_more: object) -> None:
            raise LedgerError("no room left", ledger="x")

        monkeypatch.setattr(sql_journal, "append", full)
        take: dict[str, Callable[[], object]] = {
            "created": lambda: ledger.created("m", "s1", NOON),
            "ended": lambda: ledger.ended("acme", "4711 eu", "s1", NOON),
        }
        with pytest.raises(LedgerError, match="no room"):
            take[step]()
        assert ledger.by_marker("m") == before

    def test_an_event_has_the_channel_of_what_it_is_about(self, ledger: Ledger, new: New) -> None:
        """Of two that a platform gave one id, it is the one that is there."""
        for marker, channel_id in (("a", "1"), ("b", "2")):
            ledger.begin(new(marker=marker, channel_id=channel_id), now=NOON, lease=60)
            ledger.created(marker, "s1", NOON)
            if marker == "a":
                ledger.ended("acme", "4711 eu", "s1", NOON)
        about = event("k", provider="acme", account="4711 eu", stream_id="s1")
        ledger.append(about, now=NOON)
        ledger.append(evolve(about, key="l", stream_id="s2"), now=NOON)
        found = {one.key: one.channel_id for one in ledger.events(kinds=[ALERT])}

        assert found == {"k": "2", "l": None}
        assert [one.state for one in ledger.entries("acme", "4711 eu")] == [
            EntryState.ENDED,
            EntryState.ACTIVE,
        ]
