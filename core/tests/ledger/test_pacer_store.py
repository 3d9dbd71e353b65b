"""The pacers in the ledger's database, beside those in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.calls.pacing import MemoryPacerStore, PacerState
from headend.ledger import SqlLedger
from headend.ledger.schema import pacers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headend.calls.pacing import PacerStore
    from headend.clock import Clock

    Open = Callable[..., SqlLedger]

FIGURES = st.floats(allow_nan=False, allow_infinity=False)
STATES = st.builds(
    PacerState,
    next_slot=FIGURES,
    granted=FIGURES,
    shifted=FIGURES,
    paused_until=FIGURES,
    as_of=FIGURES,
    waiting=st.integers(0, 2**31 - 1),
)


def put(store: PacerStore, states: dict[str, PacerState]) -> None:
    def change(found: Sequence[PacerState], _now: float) -> None:
        for old, new in zip(found, states.values(), strict=True):
            for name, value in attrs.asdict(new).items():
                setattr(old, name, value)

    store.update(list(states), change)


def get(store: PacerStore, *keys: str) -> list[PacerState]:
    return store.update(keys, lambda states, _now: [attrs.evolve(one) for one in states])


def test_the_table_has_what_a_pacer_needs() -> None:
    fields = [field.name for field in attrs.fields(PacerState)]

    assert [column.name for column in pacers.c] == ["key", *fields]


def test_an_unknown_pacer_is_a_new_one(open_sql: Open) -> None:
    assert get(open_sql().pacers, "a", "b") == [PacerState(), PacerState()]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(rounds=st.lists(st.dictionaries(st.sampled_from("abc"), STATES, min_size=1)))
def test_it_keeps_what_a_store_in_memory_keeps(
    open_sql: Open, clock: Clock, rounds: list[dict[str, PacerState]]
) -> None:
    stores = [open_sql().pacers, MemoryPacerStore(clock)]
    for store in stores:
        put(store, {key: PacerState() for key in "abc"})
    for states in rounds:
        for store in stores:
            put(store, states)

        assert get(stores[0], "c", "a", "b") == get(stores[1], "c", "a", "b")


def test_it_outlives_the_ledger_object(open_sql: Open) -> None:
    first = open_sql()
    put(first.pacers, {"a": PacerState(next_slot=1.5, waiting=2)})
    first.close()

    assert get(open_sql().pacers, "a") == [PacerState(next_slot=1.5, waiting=2)]


def test_its_time_is_the_wall_clock(open_sql: Open, clock: Clock) -> None:
    """It is asked once the database is locked, so that nobody's time is older than the state."""
    store = open_sql().pacers
    clock.sleep(2.5)

    assert store.update(["a"], lambda _states, now: now) == clock.now().timestamp()


def test_nobody_waits_for_the_disk_before_a_request(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut undoes of pacers is harmless, and waiting for each would cost more."""
    ledger = open_sql()
    write = ledger._database.write
    asked: list[object] = []

    def watched(**how: object) -> object:
        asked.append(how.get("durable"))
        return write(**how)

    monkeypatch.setattr(ledger._database, "write", watched)
    get(ledger.pacers, "a")

    assert asked == [False]


def test_a_change_that_fails_changes_nothing(open_sql: Open) -> None:
    store = open_sql().pacers

    def change(states: Sequence[PacerState], _now: float) -> None:
        states[0].waiting = 7
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update(["a"], change)
    assert get(store, "a") == [PacerState()]


def test_no_change_of_many_threads_is_lost(open_sql: Open) -> None:
    store = open_sql().pacers

    def add(states: Sequence[PacerState], _now: float) -> int:
        states[0].waiting += 1
        return states[0].waiting

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: store.update(["a"], add), range(200)))

    assert sorted(seen) == list(range(1, 201))
