"""What the tests of the ledger share: files, ledgers, new entries, and processes that use them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Self

import pytest

from headend.ledger import NewEntry, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from headend.clock import Clock
    from headend.ledger import Ledger, SqlLedger

    Open = Callable[..., SqlLedger]

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger's file, and its folder, that do not exist yet."""
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def open_sql(file: Path, clock: Clock) -> Iterator[Open]:
    """Open ledgers that are closed after the test; each has an id of its own to offer."""
    opened: list[Ledger] = []
    seeds = count()

    def open_one(url: str | Path = file, *, busy_timeout: float = 5.0) -> Ledger:
        ledger = open_ledger(
            url, clock=clock, random=Random(next(seeds)), busy_timeout=busy_timeout
        )
        opened.append(ledger)
        return ledger

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture(params=["sql", "memory"])
def ledger(request: pytest.FixtureRequest, clock: Clock) -> Ledger:
    """Each kind of ledger in turn."""
    if request.param == "sql":
        made: Ledger = request.getfixturevalue("open_sql")()
        return made
    return open_ledger(None, clock=clock, random=Random(1))


@pytest.fixture
def new() -> Callable[..., NewEntry]:
    """Make new entries, each with a marker of its own."""
    markers = count(1)

    def make(**values: str | None) -> NewEntry:
        given: dict[str, str | None] = {
            "marker": f"headend-0-{next(markers)}",
            "provider": "acme",
            "account": "4711 eu",
            "channel_id": "42",
            "name": "Concert",
            "digest": "d1",
            "owner": "host:1",
        }
        return NewEntry(**given | values)  # type: ignore[arg-type]  # the fields above

    return make


PRELUDE = """
import json, os, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from headend.clock import SystemClock
from headend.ledger import EntryState, NewEntry, open_ledger

now = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

def opened(file, **more):
    return open_ledger(Path(file), clock=SystemClock(), random=SystemRandom(), **more)

def new(marker, **more):
    values = dict(marker=marker, provider="acme", account="4711 eu", channel_id="42", digest="d1")
    return NewEntry(**values | dict(owner=f"host:{os.getpid()}") | more)
"""
LOOP = """
for line in sys.stdin:
    order = json.loads(line)
    scope = dict(globals(), **order["values"])
    exec(order["code"], scope)
    print(json.dumps(scope.get("answer")), flush=True)
"""


class Workers:
    """Some processes that carry out the same code at the same time."""

    def __init__(self, number: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", PRELUDE + LOOP],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(number)
        ]

    def __enter__(self) -> Self:
        self("import sqlalchemy, headend.ledger.sql")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.communicate(timeout=10)

    def __len__(self) -> int:
        return len(self._processes)

    def __call__(self, code: str, **values: object) -> list[object]:
        """Run code in all of them and return what each has in `answer`.

        Args:
            code: may use what `PRELUDE` has, the `values`, and `number`, that of the process.
            values: what JSON can carry.
        """
        for number, process in enumerate(self._processes):
            assert process.stdin is not None
            order = {"code": code, "values": values | {"number": number}}
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            answers.append(json.loads(process.stdout.readline()))
        return answers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Four processes, started once."""
    with Workers(4) as workers:
        yield workers


@pytest.fixture
def prelude() -> str:
    """What code in another process begins with."""
    return PRELUDE
