"""Run as a program: forks a process for each task that it reads, and tells what becomes of it.

A task is a line of JSON on the standard input.  All processes write lines of JSON to the same
standard output, each with its own pid.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve

# Imported before the fork, not after each.
import headend.ledger.postgresql
import headend.ledger.sql
import headend.ledger.sqlite  # noqa: F401
from headend.errors import HeadendError, PlatformError
from headend.plugin import RateLimit
from headend_contract.reference.opening import open_reference
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.transport import LIMIT, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.platform import StreamingPlatform
    from headend.plugin import Operation, ProviderContext
    from headend_contract.reference.settings import ReferenceSettings


class QuickClock:
    """The machine's clock, on which a sleep takes a tenth of the time, and tells of itself."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        tell(sleeps=seconds)
        time.sleep(seconds / 10)
        self._ahead += seconds * 0.9


def provider_with_limit(*, requests: int, window: float) -> type[ReferenceProvider]:
    """Return the provider for a platform that allows so many requests in so many seconds."""
    limits = (RateLimit(name=LIMIT, requests=requests, window=window, per="credential"),)

    class LimitedTransport(Transport):
        def send(self, operation: Operation, *args: object, **more: object) -> object:  # type: ignore[override]  # passes all on
            return super().send(evolve(operation, limits=limits), *args, **more)  # type: ignore[arg-type]  # as above

    class LimitedProvider(ReferenceProvider):
        def make_transport(
            self, settings: ReferenceSettings, context: ProviderContext
        ) -> Transport:
            return LimitedTransport(settings, context)

    return LimitedProvider


def tell(**facts: object) -> None:
    """Write a line, at once and in one piece."""
    os.write(1, (json.dumps({"pid": os.getpid(), **facts}) + "\n").encode())


def opened(url: str, token: str, database: str, ahead: float = 0.0) -> StreamingPlatform:
    return open_reference(
        url, token, clock=QuickClock(ahead), random=Random(os.urandom(8)), database=Path(database)
    )


def create_and_end(*, url: str, token: str, database: str) -> None:
    """Create and end for ever; of each three live streams the last stays."""
    with opened(url, token, database) as platform:
        kept: list[str] = []
        for number in count(1):
            try:
                kept.append(platform.create_live_stream(number).stream_id)
                tell(created=kept[-1])
                if len(kept) == 3:
                    doomed, kept = kept[:2], []
                    for stream_id in doomed:
                        tell(ending=stream_id)
                        platform.end_live_stream(stream_id)
            except PlatformError as error:
                tell(error=str(error))


def create(
    *, url: str, token: str, database: str, key: str, channel_id: str = "42", ahead: float = 0.0
) -> None:
    """Create one live stream with an idempotency key."""
    with opened(url, token, database, ahead) as platform:
        try:
            made = platform.create_live_stream(channel_id, idempotency_key=key)
        except HeadendError as error:
            tell(error=type(error).__name__, message=str(error))
        else:
            tell(created=made.stream_id, stream_key=made.stream_key.reveal())


def ask(*, url: str, token: str, database: str, times: int, requests: int, window: float) -> None:
    """Send some requests under a small limit, as fast as it allows, on the machine's clock."""
    kind = provider_with_limit(requests=requests, window=window)
    place = database if "://" in database else Path(database)
    with open_reference(url, token, database=place, kind=kind) as platform:
        for _ in range(times):
            platform.check_health()


TASKS: dict[str, Callable[..., None]] = {
    "create_and_end": create_and_end,
    "create": create,
    "ask": ask,
}


def work(line: str) -> None:
    """Do one task in a process of its own; never return."""
    arguments = json.loads(line)
    tell(started=True)
    try:
        TASKS[arguments.pop("task")](**arguments)
    except BaseException:  # noqa: BLE001  # nothing of it may reach the forking process
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def main() -> None:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake_write)
    running = 0
    waiting: list[int] = [sys.stdin.fileno(), wake_read]
    while running or len(waiting) == 2:
        ready, _, _ = select.select(waiting, [], [])
        if sys.stdin.fileno() in ready:
            line = sys.stdin.readline()
            if not line:
                waiting = [wake_read]
                continue
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                work(line)
            running += 1
        if wake_read in ready:
            os.read(wake_read, 4096)
            while running:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                running -= 1
                code = os.waitstatus_to_exitcode(status)
                os.write(1, (json.dumps({"pid": pid, "exit": code}) + "\n").encode())


if __name__ == "__main__":
    main()
