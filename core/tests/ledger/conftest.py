"""What the tests of the ledger share: files, ledgers, new entries, and processes that use them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Self

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from headend.ledger import NewEntry, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from sqlalchemy import Engine

    from headend.clock import Clock
    from headend.ledger import Ledger
    from headend_contract.postgresql import PostgresServer

    NewDatabase = Callable[[str], str]

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


ENGINES = ["sqlite", "postgresql"]


@pytest.fixture
def new_database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Give URLs of databases in which nothing is yet."""
    files = count(1)
    with ExitStack() as schemas:

        def make(engine: str) -> str:
            if engine == "sqlite":
                return f"sqlite:///{tmp_path / f'data{next(files)}' / 'ledger.sqlite3'}"
            postgres: PostgresServer = request.getfixturevalue("postgres")
            return postgres.url(schema=schemas.enter_context(postgres.new_schema()))

        yield make


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return str(request.param)


@pytest.fixture
def database(engine: str, new_database: NewDatabase) -> str:
    """The URL of a database in which nothing is yet."""
    return new_database(engine)


@pytest.fixture
def raw(database: str) -> Iterator[Engine]:
    """The database as another program has it; its folder is made."""
    if database.startswith("sqlite"):
        Path(database.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    url = database.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def opener(new_database: NewDatabase, clock: Clock) -> Iterator[Callable[..., Ledger]]:
    """Open ledgers that are closed after the test; each has an id of its own to offer."""
    del new_database  # It is there before, and gone after, what is open in it.
    opened: list[Ledger] = []
    seeds = count()

    def open_one(url: str | Path | None, *, busy_timeout: float = 5.0) -> Ledger:
        ledger = open_ledger(
            url, clock=clock, random=Random(next(seeds)), busy_timeout=busy_timeout
        )
        opened.append(ledger)
        return ledger

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def open_sql(database: str, opener: Callable[..., Ledger]) -> Callable[..., Ledger]:
    """Open ledgers in a database, the same one each time where none is named."""
    return lambda url=database, **more: opener(url, **more)


@pytest.fixture(params=[*ENGINES, "memory"])
def ledger(
    request: pytest.FixtureRequest, new_database: NewDatabase, opener: Callable[..., Ledger]
) -> Ledger:
    """Each kind of ledger in turn."""
    return opener(None if request.param == "memory" else new_database(request.param))


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

def opened(url, **more):
    place = url if "://" in url else Path(url)
    return open_ledger(place, clock=SystemClock(), random=SystemRandom(), **more)

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
