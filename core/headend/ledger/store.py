"""What a ledger does, and how one is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from headend.errors import ConfigurationError, LedgerError
from headend.ledger.journal import BY_PLATFORM
from headend.ledger.memory import MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from random import Random

    from headend.calls.pacing import PacerStore
    from headend.clock import Clock
    from headend.ledger.database import Database
    from headend.ledger.deliveries import Delivery
    from headend.ledger.entry import Entry, EntryState, NewEntry
    from headend.ledger.journal import LedgerEvent, LedgerEventKind, NewEvent
    from headend.ledger.usage import LastSeen, Observation, Sample, SessionSpan, UsageData
    from headend.models import Recording, Session

OFF: Final = "none"
"""The setting that turns the ledger off."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for a database that another process is writing to."""

_VARIABLE: Final = "HEADEND_DATABASE_URL"
_SERVER: Final = re.compile(r"\s*postgres(ql)?(\+\w+)?://", re.IGNORECASE)
"""How the URL of a PostgreSQL server begins; hosts' URLs may name the driver of another library."""


class Ledger(Protocol):
    """The memory of creations, of events, and of what was used.

    Many threads use one object, many processes one ledger.

    Each operation happens wholly or not at all; when it returns, it is on the disk.  All times
    are aware; leases are in seconds.  All operations raise `LedgerError`.
    """

    @property
    def id(self) -> str:
        """A random text that no other ledger has; it is part of the markers."""
        ...

    @property
    def location(self) -> str | None:
        """The file or server, or `None` where nothing is kept beyond the process."""
        ...

    @property
    def pacers(self) -> PacerStore | None:
        """The pacers that all users of this ledger share, or `None` where nobody shares it."""
        ...

    @property
    def actor(self) -> str:
        """Who is told in the journal to have done what this object records."""
        ...

    def check(self) -> None:
        """Find out whether it can be written now, and change nothing."""
        ...

    def begin(self, new: NewEntry, *, now: datetime, lease: float) -> Entry:
        """Write the intent to create a live stream and return its entry.

        Where the provider and account have an entry for the idempotency key already, that one
        is returned and nothing is written; the marker tells which it is.  An abandoned one does
        not count: the key then belongs to the new entry.
        """
        ...

    def claim(
        self,
        marker: str,
        *,
        now: datetime,
        lease: float,
        owner: str,
        instead_of: str | None = None,
    ) -> bool:
        """Take over a creation whose lease is over, or that is still in the hands of `instead_of`.

        Of all who try, exactly one gets `True`.
        """
        ...

    def renew(self, marker: str, *, now: datetime, lease: float, owner: str) -> bool:
        """Extend the lease; `False` if the creation is over or somebody else has taken it over."""
        ...

    def created(self, marker: str, stream_id: str, now: datetime) -> Entry:
        """Record what was created, with its event, and return the entry as it is then.

        Its `stream_id` is another one where an earlier copy was recorded: that one stays.
        """
        ...

    def abandoned(self, marker: str, reason: str, now: datetime) -> Entry:
        """Record that nothing was created and return the entry; what is known to exist stays."""
        ...

    def ending(
        self,
        provider: str,
        account: str,
        stream_id: str,
        *,
        delete_recordings: bool,
        now: datetime,
    ) -> None:
        """Record that the end of a live stream begins; one that is not here is no error."""
        ...

    def refused_to_end(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream goes on, because the platform refused to end it."""
        ...

    def ended(
        self,
        provider: str,
        account: str,
        stream_id: str,
        now: datetime,
        *,
        caused_by: str | None = None,
    ) -> None:
        """Record that a live stream is gone, with its event; one that is not here is no error.

        A broadcast that was seen to go on is over then.

        Args:
            provider: the provider's name.
            account: the account and region at the provider.
            stream_id: the live stream.
            now: when it was found to be gone.
            caused_by: who ended it, if that is not `actor`.
        """
        ...

    def find(self, provider: str, account: str, stream_id: str) -> Entry | None:
        """Return the entry of a live stream.

        Where a platform has given the same id again, it is one that has not ended, and the newest.
        """
        ...

    def by_marker(self, marker: str) -> Entry | None:
        """Return the entry with this marker."""
        ...

    def by_key(self, provider: str, account: str, idempotency_key: str) -> Entry | None:
        """Return the entry that an idempotency key stands for, an abandoned one too."""
        ...

    def entries(
        self, provider: str, account: str, states: Collection[EntryState] | None = None
    ) -> list[Entry]:
        """Return the entries of one account, the oldest first; of all states, or of some."""
        ...

    def append(self, event: NewEvent, *, now: datetime, to_deliver: bool = False) -> bool:
        """Write an event into the journal; `False` if one with its key is there already.

        Of all who try with the same key, exactly one gets `True`.

        Args:
            event: what happened.
            now: the present.
            to_deliver: whether it is to be told to somebody outside as well: if it is new, it is
                what `claim_delivery` gives until it is delivered.
        """
        ...

    def claim_delivery(self, *, now: datetime, lease: float) -> Delivery | None:
        """Take the oldest event that is to be delivered and that nobody else has in hand.

        Of all who try, one gets it, and nobody else does before the lease is over.
        """
        ...

    def postpone_delivery(self, delivery: Delivery, until: datetime) -> None:
        """Record that it could not be made, and when it is to be tried again."""
        ...

    def remove_delivery(self, delivery: Delivery) -> None:
        """Record that it was made, or is given up."""
        ...

    def events(
        self,
        *,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[LedgerEventKind] | None = None,
        provider: str | None = None,
        stream_id: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerEvent]:
        """Return the events that fit all that is given, in the order of their numbers.

        Args:
            after: only those with a higher number.  Going on after the last one that was returned
                misses none.
            since: only those that occurred then or later.
            until: only those that occurred before.
            kinds: only those of these kinds.
            provider: only those about this provider.
            stream_id: only those about this live stream.
            limit: at most so many, the first ones.
        """
        ...

    def last_number(self) -> int:
        """Return the number of the newest event; 0 where there is none."""
        ...

    def observe(self, seen: Observation, *, now: datetime) -> list[LedgerEvent]:
        """Keep what was seen of a live stream, and return what it made known: it went live or idle.

        What lies between it and the last observation before it is added to the use, once, however
        many watch; see `headend.ledger.usage`.
        """
        ...

    def last_seen(self, *, since: datetime | None = None) -> list[LastSeen]:
        """Return how live streams were seen last, those that were seen then or later."""
        ...

    def samples(
        self, provider: str, account: str, stream_id: str, since: datetime, until: datetime
    ) -> list[Sample]:
        """Return what was seen of a live stream while it was live, by time.

        It is kept for `headend.ledger.watching.KEPT_SAMPLES`.
        """
        ...

    def record_sessions(
        self,
        provider: str,
        account: str,
        stream_id: str,
        sessions: Iterable[Session],
        *,
        now: datetime,
    ) -> None:
        """Keep what the platform tells of a live stream's sessions now.

        One that it does not tell of any more is kept; if it was going on, it is over.  Where
        analytics were asked for at the same time, this comes before `observe`, which spreads what
        was watched over the sessions.
        """
        ...

    def sessions(
        self, provider: str, account: str, stream_id: str, since: datetime, until: datetime
    ) -> list[SessionSpan]:
        """Return what is kept of a live stream's sessions that began in a period, by time."""
        ...

    def record_recordings(
        self,
        provider: str,
        account: str,
        stream_id: str,
        recordings: Iterable[Recording],
        *,
        now: datetime,
        is_all: bool = True,
        caused_by: str = BY_PLATFORM,
    ) -> list[LedgerEvent]:
        """Keep what the platform tells of a live stream's recordings now, and return new events.

        Args:
            provider: the provider's name.
            account: the account and region at the provider.
            stream_id: the live stream that they were made from.
            recordings: those that there are.
            now: when the platform told it.
            is_all: whether those that are not among them were deleted, now as far as is known.
                `False` where the platform may not tell of all, as of a live stream that is gone.
            caused_by: who deleted them.
        """
        ...

    def recording_deleted(
        self, provider: str, account: str, recording_id: str, now: datetime
    ) -> None:
        """Record that a recording was deleted, with its event; it need not be known."""
        ...

    def read_usage(self, since: datetime, until: datetime) -> UsageData:
        """Return all that is known of the use in a period.

        What this takes grows with what happened in the period, and not with the ledger.

        Args:
            since: its beginning, which is that of a quarter of an hour, as all time zones' days'
                are.
            until: its end, likewise.
        """
        ...

    def close(self) -> None:
        """Free connections; closing twice is harmless."""
        ...


def open_ledger(
    url: str | Path | None,
    *,
    clock: Clock,
    random: Random,
    busy_timeout: float = BUSY_TIMEOUT,
    actor: str | None = None,
) -> Ledger:
    """Open a ledger; its tables are made where they are missing, as are a SQLite file and folder.

    Args:
        url: ``sqlite:///…`` or the path of a SQLite file; ``postgresql://…``; `None` or
            ``"none"`` for a ledger that lasts as long as the process.
        clock: tells when the ledger was made, and the time of the shared pacers.
        random: makes its id.
        busy_timeout: seconds to wait for a database that is locked or does not answer.
        actor: who is told in the journal to have done what is recorded; the process where nobody
            is named.

    Raises:
        ConfigurationError: the database cannot be used; it tells which and what to do.
    """
    if url is None or is_off(url):
        return MemoryLedger(id=new_id(random), actor=actor)
    from headend.ledger.sql import SqlLedger

    try:
        return SqlLedger.open(
            _database(url, busy_timeout=busy_timeout),
            new_id=new_id(random),
            clock=clock,
            actor=actor,
        )
    except LedgerError as error:
        raise _misconfigured(str(error)) from error


def is_off(url: str | Path | None) -> bool:
    """Tell whether this means to go without a ledger."""
    return url is None or (isinstance(url, str) and url.strip().lower() == OFF)


def new_id(random: Random) -> str:
    """Make the id of a new ledger: 64 random bits in hexadecimal."""
    return f"{random.getrandbits(64):016x}"


def _database(url: str | Path, *, busy_timeout: float) -> Database:
    if isinstance(url, str) and _SERVER.match(url):
        try:
            from headend.ledger.postgresql import PostgresqlDatabase
        except ImportError as error:
            raise _misconfigured(
                f'a ledger in PostgreSQL needs psycopg ({error}): pip install "headend[postgresql]"'
            ) from error
        return PostgresqlDatabase(url.strip(), busy_timeout=busy_timeout)
    from headend.ledger.sqlite import SqliteDatabase

    return SqliteDatabase(_file_of(url), busy_timeout=busy_timeout)


def _file_of(url: str | Path) -> Path:
    path = url if isinstance(url, Path) else _path_in(url.strip())
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise _misconfigured(f"the ledger cannot be at {path}: there is no such user") from error


def _path_in(url: str) -> Path:
    """Return the file in a database URL; an error shows nothing else of it: maybe a password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    form = (
        "write sqlite:////folder/ledger.sqlite3, postgresql://user:password@host/database, or "
        "none for no ledger"
    )
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Its words, and so the chain, would show the URL.
        raise _misconfigured(f"is no database URL; {form}") from None
    kind = parsed.get_backend_name()
    if kind != "sqlite":
        raise _misconfigured(f"a ledger in {kind} is more than this headend can do; {form}")
    if not parsed.database or parsed.database == ":memory:":
        raise _misconfigured(f"names no file; {form}")
    if parsed.query or parsed.host or parsed.username or parsed.password:
        raise _misconfigured(f"has more in it than a file; {form}")
    return Path(parsed.database)


def _misconfigured(problem: str) -> ConfigurationError:
    return ConfigurationError.of("the ledger", [f"{_VARIABLE}: {problem}"])
