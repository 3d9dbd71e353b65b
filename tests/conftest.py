"""What these tests share: processes that can be killed, the platform they use, and the summary.

They are about all of headend at once, on a real socket and a ledger in a file.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from attrs import define, field

from headend_contract.clock import ManualClock
from headend_contract.faults import FaultLayer
from headend_contract.reference.opening import open_reference
from headend_contract.reference.simulator import SimulatorApp, create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headend.platform import StreamingPlatform
    from headend_contract.reference.platform import SimulatedPlatform
    from headend_contract.reference.provider import ReferenceProvider

DEADLINE: Final = 30.0
"""Seconds of real time after which what a test waits for will not come."""

_WORKER: Final = Path(__file__).with_name("worker.py")
_SUMMARY: Final = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SUMMARY] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless the command line speaks of it."""
    if "soak" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[_SUMMARY]:
        terminalreporter.section("headend under chaos")
        for line in config.stash[_SUMMARY]:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def summarise(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Have a line printed at the end of the run."""
    return pytestconfig.stash[_SUMMARY].append


@define(eq=False)
class Worker:
    """A process that uses headend.

    Attributes:
        said: what it has told so far.
    """

    pid: int
    said: list[dict[str, object]] = field(factory=list)
    _lines: queue.Queue[dict[str, object]] = field(factory=queue.Queue)

    def hear(self) -> dict[str, object]:
        """Return the next that it tells; at last its exit status."""
        line = self._lines.get(timeout=DEADLINE)
        self.said.append(line)
        return line

    def hear_of(self, name: str) -> object:
        """Return what it tells by this name; all before is kept in `said`."""
        while name not in (line := self.hear()):
            assert "exit" not in line, self.said
        return line[name]

    def wait(self) -> int:
        """Wait until it is gone, and return its exit status: negative for a signal."""
        while "exit" not in (line := self.hear()):
            pass
        status = line["exit"]
        assert isinstance(status, int)
        return status


class Workers:
    """Starts processes by forking one that has imported everything."""

    def __init__(self) -> None:
        self._forker = subprocess.Popen(
            [sys.executable, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lock = threading.Lock()
        self._known: dict[int, Worker] = {}
        self._started: queue.Queue[int] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, task: str, **arguments: object) -> Worker:
        """Start a process that does one of the tasks in ``worker.py``."""
        assert self._forker.stdin is not None
        self._forker.stdin.write(json.dumps({"task": task, **arguments}) + "\n")
        self._forker.stdin.flush()
        return self._worker(self._started.get(timeout=DEADLINE))

    def close(self) -> None:
        """End the forking process; those that it forked have been waited for by their tests."""
        with self._forker:
            assert self._forker.stdin is not None
            self._forker.stdin.close()
            self._reader.join(DEADLINE)

    def _worker(self, pid: int) -> Worker:
        with self._lock:
            return self._known.setdefault(pid, Worker(pid))

    def _read(self) -> None:
        assert self._forker.stdout is not None
        for text in self._forker.stdout:
            line = json.loads(text)
            pid = line.pop("pid")
            if "started" in line:
                with self._lock:
                    self._known[pid] = Worker(pid)
                self._started.put(pid)
            else:
                self._worker(pid)._lines.put(line)


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    if not hasattr(os, "fork"):
        pytest.skip("processes are made by forking here")
    made = Workers()
    yield made
    made.close()


class LedgerFile:
    """The ledger, read past headend."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[tuple[str, str | None]]:
        """Return state and stream id of every entry, the oldest first."""
        query = "SELECT state, stream_id FROM live_streams ORDER BY created_at, marker"
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as connection:
            return list(connection.execute(query))

    def clear(self) -> None:
        """Forget all but the ledger's id."""
        if self.path.exists():
            with closing(sqlite3.connect(self.path, timeout=DEADLINE)) as connection, connection:
                for table in ("idempotency_keys", "live_streams", "pacers"):
                    connection.execute(f"DELETE FROM {table}")

    def markers(self) -> set[str]:
        """Return the markers of all entries."""
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as connection:
            return {marker for (marker,) in connection.execute("SELECT marker FROM live_streams")}

    def ids(self, state: str) -> list[str]:
        """Return the stream ids of all entries in a state, sorted."""
        return sorted(str(stream_id) for found, stream_id in self.rows() if found == state)


@pytest.fixture(scope="session")
def read_ledger() -> Callable[[Path], LedgerFile]:
    return LedgerFile


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    return LedgerFile(tmp_path / "ledger.sqlite3")


class LaterClock(ManualClock):
    """A clock that is a day ahead, by which all leases are over and all lists have settled."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=1, seconds=self.monotonic())


@pytest.fixture
def later(
    served: Served, simulated: SimulatedPlatform, ledger: LedgerFile
) -> Callable[[], StreamingPlatform]:
    """Open the platform as somebody does who comes by the next day."""

    def open_later() -> StreamingPlatform:
        return open_reference(
            served.url,
            simulated.token,
            clock=LaterClock(),
            random=Random(5),
            database=ledger.path,
        )

    return open_later


@pytest.fixture
def app() -> SimulatorApp:
    return create_app(random=Random(7))


@pytest.fixture
def simulated(app: SimulatorApp) -> SimulatedPlatform:
    return app.platform


@pytest.fixture
def faults(app: SimulatorApp) -> FaultLayer:
    return FaultLayer(app)


class Killer:
    """An application that kills the process whose n-th request it gets, with SIGKILL.

    It does so before the platform does what is asked, after that, or when it has answered.
    """

    MOMENTS: Final = ("before", "after", "answered")

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._left = -1
        self._moment = ""
        self._victim: Future[int] = Future()

    def arm(self, number: int, moment: str) -> Future[int]:
        """Kill at the request with this number, 0 for the next; whom, the future will tell."""
        self._left, self._moment, self._victim = number, moment, Future()
        return self._victim

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._left -= 1
        if self._left != -1:
            await self._app(scope, receive, send)
            return
        victim = await asyncio.wrap_future(self._victim)
        if self._moment == "after":
            await self._app(scope, receive, _withhold)
        elif self._moment == "answered":
            await self._app(scope, receive, send)
        os.kill(victim, signal.SIGKILL)
        while (await receive())["type"] != "http.disconnect":
            pass


async def _withhold(_message: Message) -> None:
    pass


@pytest.fixture
def killer(faults: FaultLayer) -> Killer:
    return Killer(faults)


@pytest.fixture
def served(killer: Killer) -> Iterator[Served]:
    with Served(killer) as running:
        yield running


@pytest.fixture
def provider_with_limit() -> Callable[..., type[ReferenceProvider]]:
    """Make the provider that the processes use under a small limit."""
    spec = importlib.util.spec_from_file_location("headend_tests_worker", _WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Callable[..., type[ReferenceProvider]] = module.provider_with_limit
    return made
