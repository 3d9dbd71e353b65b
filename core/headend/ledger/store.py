"""What a ledger does, and how one is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from headend.errors import ConfigurationError, LedgerError
from headend.ledger.memory import MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from random import Random

    from headend.calls.pacing import PacerStore
    from headend.clock import Clock
    from headend.ledger.entry import Entry, EntryState, NewEntry

OFF: Final = "none"
"""The setting that turns the ledger off."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for a database that another process is writing to."""

_VARIABLE: Final = "HEADEND_DATABASE_URL"


class Ledger(Protocol):
    """The memory of creations.  Many threads use one object, many processes one ledger.

    Each operation happens wholly or not at all; when it returns, it is on the disk.  All times
    are aware; leases are in seconds.  All operations raise `LedgerError`.
    """

    @property
    def id(self) -> str:
        """A random text that no other ledger has; it is part of the markers."""
        ...

    @property
    def location(self) -> str | None:
        """The file, or `None` where nothing is kept beyond the process."""
        ...

    @property
    def pacers(self) -> PacerStore | None:
        """The pacers that all users of this ledger share, or `None` where nobody shares it."""
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
        """Record what was created and return the entry as it is then.

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

    def ended(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream is gone; one that is not here is no error."""
        ...

    def find(self, provider: str, account: str, stream_id: str) -> Entry | None:
        """Return the entry of a live stream.

        Where a platform has given the same id again, it is one that has not ended, and the newest.
        """
        ...

    def by_marker(self, marker: str) -> Entry | None:
        """Return the entry with this marker."""
        ...

    def entries(
        self, provider: str, account: str, states: Collection[EntryState] | None = None
    ) -> list[Entry]:
        """Return the entries of one account, the oldest first; of all states, or of some."""
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
) -> Ledger:
    """Open a ledger; its file and folder are made where they are missing.

    Args:
        url: ``sqlite:///…`` or the path of a SQLite file; `None` or ``"none"`` for a ledger
            that lasts as long as the process.
        clock: tells when the ledger was made, and the time of the shared pacers.
        random: makes its id.
        busy_timeout: seconds to wait for a database that is locked.

    Raises:
        ConfigurationError: the database cannot be used; it tells which and what to do.
    """
    if url is None or is_off(url):
        return MemoryLedger(id=new_id(random))
    from headend.ledger.database import Database
    from headend.ledger.sql import SqlLedger

    try:
        return SqlLedger.open(
            Database(_file_of(url), busy_timeout=busy_timeout),
            new_id=new_id(random),
            clock=clock,
        )
    except LedgerError as error:
        raise _misconfigured(str(error)) from error


def is_off(url: str | Path | None) -> bool:
    """Tell whether this means to go without a ledger."""
    return url is None or (isinstance(url, str) and url.strip().lower() == OFF)


def new_id(random: Random) -> str:
    """Make the id of a new ledger: 64 random bits in hexadecimal."""
    return f"{random.getrandbits(64):016x}"


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

    form = "write sqlite:////folder/ledger.sqlite3, or none for no ledger"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Its words, and so the chain, would show the URL.
        raise _misconfigured(f"is no database URL; {form}") from None
    if parsed.get_backend_name() != "sqlite":
        kind = parsed.get_backend_name()
        raise _misconfigured(f"a ledger in {kind} is more than this headend can do; {form}")
    if not parsed.database or parsed.database == ":memory:":
        raise _misconfigured(f"names no file; {form}")
    if parsed.query or parsed.host or parsed.username or parsed.password:
        raise _misconfigured(f"has more in it than a file; {form}")
    return Path(parsed.database)


def _misconfigured(problem: str) -> ConfigurationError:
    return ConfigurationError.of("the ledger", [f"{_VARIABLE}: {problem}"])
