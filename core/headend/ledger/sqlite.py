"""The SQLite file: its making, its connections, its transactions, and its errors in words.

Sources: the SQLite documentation, pages lang_transaction, pragma, wal, uri, rescode and
howtocorrupt.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final

from attrs import frozen
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool, QueuePool

from headend.errors import LedgerError
from headend.ledger.database import OfThisProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection
    from sqlalchemy.pool import Pool

_BEGIN: Final = "headend_begin"
_WRITING: Final = {_BEGIN: "BEGIN IMMEDIATE"}
_WAL_ATTEMPTS: Final = 50

_making = Lock()

_ELSEWHERE: Final = "name another file in HEADEND_DATABASE_URL"
_WORDS: Final = {
    sqlite3.SQLITE_READONLY: (
        "cannot be written; give this user the right to write the file and its folder, or "
        + _ELSEWHERE
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened; look whether its folder is there and this user may write to it, or "
        + _ELSEWHERE
    ),
    sqlite3.SQLITE_PERM: "may not be opened by this user; change its permissions, or " + _ELSEWHERE,
    sqlite3.SQLITE_FULL: "has no room left on its disk; free some and try again",
    sqlite3.SQLITE_IOERR: "cannot be read or written by the system; look at its disk",
    sqlite3.SQLITE_CORRUPT: (
        "is damaged; restore it from a backup, or move it away to begin a new one, to which "
        "what was created until now is foreign"
    ),
    sqlite3.SQLITE_NOTADB: "is no SQLite database; move it away, or " + _ELSEWHERE,
}
"""What is wrong with the file and what to do, by SQLite's primary result code."""


@frozen
class _Open:
    """What a process has open (SQLite's page howtocorrupt, 2.6, has why each its own).

    Attributes:
        reading: for transactions that only read.
        writing: for those that write and survive a power cut.
        writing_soon: for those that write and survive the end of the process at least.
        turn: held by the thread that writes.
    """

    reading: Engine
    writing: Engine
    writing_soon: Engine
    turn: Lock


class SqliteDatabase:
    """A `headend.ledger.database.Database` in a SQLite file."""

    def __init__(self, path: Path, *, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._closed = False
        self._identity: tuple[int, int] | None = None
        self._open = OfThisProcess(self._engines)

    @property
    def location(self) -> str:
        """The file."""
        return str(self._path)

    def make(self) -> None:
        """Make the file, and its folder, where they are missing; nobody else may read it.

        Raises:
            LedgerError: it cannot be made, or is something else.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                # Closing a file frees the locks that SQLite has on it in other threads of this
                # process (SQLite's page howtocorrupt, 2.2), so none may have it open by then.
                with _making:
                    os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except FileExistsError:
                if not self._path.is_file():
                    raise self._error(f"is no file; {_ELSEWHERE}") from None
                self._keep_to_owner()
            self._identity = self._identity_on_disk()
        except OSError as error:
            raise self._error(f"cannot be made: {error.strerror}; {_ELSEWHERE}") from error

    def _keep_to_owner(self) -> None:
        """Take away what a careless copy gave to others; SQLite makes its side files alike."""
        status = self._path.stat()
        others = stat.S_IRWXG | stat.S_IRWXO
        if os.name == "posix" and status.st_mode & others and status.st_uid == os.geteuid():
            self._path.chmod(stat.S_IMODE(status.st_mode) & ~others)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection in a transaction that sees one state of the database."""
        with self._explained(), self._here().reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True, alone: Sequence[str] = ()) -> Iterator[Connection]:
        """Give a connection in a transaction that nobody else writes beside, whatever is `alone`.

        Args:
            durable: whether it must survive a power cut once it is done.  Any transaction
                survives the end of the process.
            alone: names of what nobody else may change meanwhile.
        """
        del alone
        here = self._here()
        # Threads of one process queue here; SQLite would have them poll, in no order.
        if not here.turn.acquire(timeout=self._busy_timeout):
            raise self._locked()
        try:
            # SQLite would go on with what is no longer there (howtocorrupt, 2.4).
            if self._identity != self._identity_on_disk():
                raise self._error("was moved or replaced while it was in use; open it again")
            engine = here.writing if durable else here.writing_soon
            with self._explained(), engine.begin() as connection:
                yield connection
        finally:
            here.turn.release()

    @contextmanager
    def change_schema(self) -> Iterator[Connection]:
        """Give a connection for changing tables; all happens or nothing, and nobody else writes.

        Foreign keys are checked at the end instead of all the time, so that a table can be
        rebuilt (SQLite's page lang_altertable, "Making Other Kinds Of Table Schema Changes").
        """
        engine = self._engine("FULL", foreign_keys=False, pool=NullPool)
        with self._explained(), engine.execution_options(**_WRITING).begin() as connection:
            yield connection
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if broken is not None:
                raise self._error(f"cannot be upgraded: rows of {broken[0]} refer to nothing")

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._closed = True
        if not self._open.is_inherited:
            opened = self._open.get()
            opened.writing.dispose()
            opened.writing_soon.dispose()

    def _here(self) -> _Open:
        if self._closed:
            raise LedgerError(f"the ledger {self._path} is closed", ledger=self.location)
        return self._open.get()

    def _engines(self) -> _Open:
        full = self._engine("FULL")
        return _Open(
            reading=full,
            writing=full.execution_options(**_WRITING),
            writing_soon=self._engine("NORMAL").execution_options(**_WRITING),
            turn=Lock(),
        )

    def _engine(
        self, synchronous: str, *, foreign_keys: bool = True, pool: type[Pool] = QueuePool
    ) -> Engine:
        more = {"pool_timeout": self._busy_timeout} if pool is QueuePool else {}
        engine = create_engine(
            "sqlite://",
            creator=partial(self._connect, synchronous, foreign_keys),
            poolclass=pool,
            hide_parameters=True,
            **more,
        )
        event.listen(engine, "begin", _begin)
        return engine

    def _connect(self, synchronous: str, foreign_keys: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # Without the mode a missing file would be made anew, empty.
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _identity_on_disk(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise self._locked() from error
        except DBAPIError as error:
            cause = error.orig
            assert isinstance(cause, sqlite3.Error)
            raise self._explain(cause) from error
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: sqlite3.Error) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return self._locked()
        if code in _WORDS:
            return self._error(f"{_WORDS[code]} ({error})")
        return self._error(f"failed: {error}")

    def _locked(self) -> LedgerError:
        return self._error(
            f"was locked for more than {self._busy_timeout:g} s; end what holds it, such as a "
            "backup or a program that shows databases, and try again"
        )

    def _error(self, what: str) -> LedgerError:
        return LedgerError(f"the ledger {self._path} {what}", ledger=self.location)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _use_wal(connection: sqlite3.Connection) -> None:
    """Have readers and the writer work beside each other; a file keeps that once it is set."""
    for _ in range(_WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            # The switch does not wait for others; this does, as long as the timeout allows.
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")
