"""Many processes with one ledger, and processes that die."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from headend.ledger import EntryState, NewEntry, SqlLedger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.conftest import Ran

    Open = Callable[..., SqlLedger]
    New = Callable[..., NewEntry]
    Workers = Callable[..., list[object]]
    Python = Callable[..., Ran]
    NewDatabase = Callable[[str], str]


def test_of_many_processes_one_makes_the_ledger(
    workers: Workers, opener: Open, engine: str, new_database: NewDatabase
) -> None:
    """They all get the same, however they meet."""
    urls = [new_database(engine) for _ in range(12)]
    answers = workers(
        "answer = []\n"
        "for url in urls:\n"
        "    ledger = opened(url)\n"
        "    answer.append(ledger.id)\n"
        "    ledger.close()",
        urls=urls,
    )

    assert len({tuple(one) for one in answers}) == 1  # type: ignore[arg-type]  # lists of ids
    assert answers[0] == [opener(url).id for url in urls]


def test_of_many_processes_with_one_key_one_begins(
    workers: Workers, open_sql: Open, database: str
) -> None:
    ledger = open_sql()
    answers = workers(
        "ledger = opened(url)\n"
        "answer = [\n"
        "    ledger.begin(\n"
        "        new(f'{number}-{turn}', idempotency_key=f'k{turn}'), now=now, lease=60\n"
        "    ).marker\n"
        "    for turn in range(25)\n"
        "]\n"
        "ledger.close()",
        url=database,
    )

    assert len({tuple(one) for one in answers}) == 1  # type: ignore[arg-type]  # lists of markers
    assert {one.marker for one in ledger.entries("acme", "4711 eu")} == set(answers[0])  # type: ignore[call-overload]  # as above


def test_of_many_processes_one_claims(
    workers: Workers, open_sql: Open, database: str, new: New, now: datetime
) -> None:
    ledger = open_sql()
    markers = [ledger.begin(new(), now=now, lease=0).marker for _ in range(25)]
    answers = workers(
        "ledger = opened(url)\n"
        "answer = [\n"
        "    ledger.claim(marker, now=now, lease=60, owner=f'process {number}')\n"
        "    for marker in markers\n"
        "]\n"
        "ledger.close()",
        url=database,
        markers=markers,
    )

    for marker, *claims in zip(markers, *answers, strict=True):  # type: ignore[call-overload]  # lists of bool
        entry = ledger.by_marker(marker)
        assert entry is not None
        assert sum(claims) == 1
        assert entry.owner == f"process {claims.index(True)}"


def test_what_many_threads_of_many_processes_write_is_all_there(
    workers: Workers, open_sql: Open, database: str
) -> None:
    ledger = open_sql()
    workers(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "ledger = opened(url)\n"
        "def create(turn):\n"
        "    marker = f'{number}-{turn}'\n"
        "    ledger.begin(new(marker), now=now, lease=60)\n"
        "    ledger.created(marker, f's{marker}', now)\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    list(pool.map(create, range(40)))\n"
        "ledger.close()",
        url=database,
    )

    assert {
        (one.marker, one.stream_id, one.state) for one in ledger.entries("acme", "4711 eu")
    } == {
        (f"{number}-{turn}", f"s{number}-{turn}", EntryState.ACTIVE)
        for number in range(4)
        for turn in range(40)
    }


def test_pacers_are_shared_by_all_processes(
    workers: Workers, open_sql: Open, database: str
) -> None:
    """Each adds one to the same figure, many times, and none is lost."""
    ledger = open_sql()
    workers(
        "def add(states, now):\n"
        "    states[0].waiting += 1\n"
        "    states[1].next_slot = now\n"
        "ledger = opened(url)\n"
        "for turn in range(50):\n"
        "    ledger.pacers.update(['a', 'b'], add)\n"
        "ledger.close()",
        url=database,
    )

    assert ledger.pacers.update(["a"], lambda states, _now: states[0].waiting) == 4 * 50


KILLED = """
import sys
from headend.ledger.entry import Entry
from headend.ledger.schema import live_streams
from headend.ledger.sql import _values
ledger = opened(sys.argv[1])
ledger.begin(new("whole"), now=now, lease=60)
with ledger._database.write() as connection:
    half = Entry.intent(new("half"), now=now, lease=60)
    connection.execute(live_streams.insert().values(_values(half)))
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like SIGKILL here")
def test_a_process_that_is_killed_while_it_writes_leaves_no_half(
    open_sql: Open, database: str, new: New, now: datetime, prelude: str
) -> None:
    ledger = open_sql(busy_timeout=5)
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + KILLED, database], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()

    ledger.begin(new(marker="next"), now=now, lease=60)
    assert {one.marker for one in ledger.entries("acme", "4711 eu")} == {"whole", "next"}


FORKING = """
import sys
ledger = opened(sys.argv[1])
ledger.begin(new("before"), now=now, lease=60)
with ledger._database.write() as connection:
    # The child must neither wait for the parent's thread nor use its connections.
    child = os.fork()
    if child == 0:
        connections = ledger._database._open._own
        assert ledger.by_marker("before") is not None
        assert ledger._database._open._own is not connections
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
child = os.fork()
if child == 0:
    ledger.begin(new("child"), now=now, lease=60)
    ledger.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
ledger.begin(new("parent"), now=now, lease=60)
print(sorted(one.marker for one in ledger.entries("acme", "4711 eu")))
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
def test_a_child_that_was_forked_has_connections_of_its_own(
    database: str, prelude: str, python: Python
) -> None:
    """A server that opens its platform first and forks its workers then."""
    ran = python(prelude + FORKING, database)

    assert (ran.err, ran.out) == ("", "['before', 'child', 'parent']\n")
