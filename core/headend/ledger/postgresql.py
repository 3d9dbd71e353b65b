"""The PostgreSQL database: its connections, its transactions, and its errors in words.

Everything that a transaction sets ends with it, and no statement is prepared, so that PgBouncer
may stand in between and pool by transaction.  Sources: the PostgreSQL documentation, pages
"Explicit Locking", "Transaction Isolation", "Client Connection Defaults", "Database Connection
Control Functions" and "PostgreSQL Error Codes"; psycopg's page on prepared statements.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import conninfo, pq
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from headend.errors import LedgerError
from headend.ledger.database import OfThisProcess
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

CONNECTIONS: Final = 5
"""So many does a process have at most; a server allows a hundred or so for all."""

_KEY_SPACE: Final = 0x68656164
"""The first half of the keys of headend's advisory locks: "head"."""

_SCHEMA: Final = "schema"

_SHARED: Final = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL lock_timeout = {wait}"
)
_READING: Final = f"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {_SHARED}"
_WRITING: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_SHARED}"
_DURABLE: Final = (
    # Whoever set more than `on`, such as `remote_apply`, keeps it.
    "SELECT set_config('synchronous_commit', 'on', true)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
_SOON_DURABLE: Final = "SET LOCAL synchronous_commit = off"

_NO_CONNECTION: Final = "08001"
_UNREACHABLE: Final = (
    "cannot be reached; look whether the server runs, and at host and port in HEADEND_DATABASE_URL"
)
_LOST: Final = "lost the connection to its server; try again"
_WORDS: Final = {
    "22001": "has no room for a text that is this long",
    "25006": (
        "cannot be written: its server is a copy that is only read, or this user may only read; "
        "name the server and user that write in HEADEND_DATABASE_URL"
    ),
    "28": "refuses this user; look at user, password and the server's pg_hba.conf",
    "3D000": "is not there; create the database, or name another one in HEADEND_DATABASE_URL",
    "3F000": "has no schema for headend's tables; create the one in the user's search_path",
    "40": "could not do this beside what others did at the same time; try again",
    "42501": (
        "does not let this user do this; let it own headend's tables, and CREATE them in the "
        "first schema of its search_path"
    ),
    "42P07": "has something else under a name that headend needs; give headend its own schema",
    "53100": "has no room left on its server's disk; free some and try again",
    "53300": "has no connection left; raise max_connections, or pool them, with PgBouncer say",
    "53": "is short of what its server needs; look at the server's log",
    "54": "has no room for a text that is this long",
    "57014": "took longer than the server's statement_timeout allows",
    "57": "is being shut down or started; try again in a moment",
    "58": "cannot be read or written by its server; look at the server's log",
    "XX": "is damaged, says its server; look at the server's log, and restore it from a backup",
}
"""What is wrong and what to do, by SQLSTATE or its class."""

_REFUSALS: Final = {
    "password authentication failed": "28",
    "no password supplied": "28",
    "no pg_hba.conf entry": "28",
    "permission denied": "28",
    "too many clients": "53300",
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "not yet accepting connections": "57",
    "is starting up": "57",
    "is shutting down": "57",
    "in recovery mode": "57",
    'database "': "3D000",
}
"""The SQLSTATE, or its class, of a refused connection by what the server says in English.

libpq gives the words alone.  A server may speak another language; its words are shown anyhow.
"""


class PostgresqlDatabase:
    """A `headend.ledger.database.Database` on a PostgreSQL server.

    Writers run beside each other, as far as they are not to be `alone`, each at READ COMMITTED.
    """

    def __init__(self, url: str, *, busy_timeout: float) -> None:
        """Take a URL as libpq has it; nothing is connected yet.

        Args:
            url: ``postgresql://user:password@host:port/database?parameter=…``; a driver's name
                after ``postgresql`` does not matter.
            busy_timeout: seconds to wait for a lock, a connection of this process, or the server.

        Raises:
            LedgerError: it is no such URL.  The error shows nothing of it.
        """
        self._busy_timeout = busy_timeout
        self._parameters = Secret(_parameters(url))
        self._location = _location(conninfo.conninfo_to_dict(self._parameters.reveal()))
        self._closed = False
        self._open = OfThisProcess(self._engine)

    @property
    def location(self) -> str:
        """The server and database, without the password."""
        return self._location

    def make(self) -> None:
        """Find out whether the database is there and can keep all texts.

        Raises:
            LedgerError: it is not, or it cannot be used.
        """
        with self.read() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise self._error(
                f"has the encoding {encoding}, which lacks characters; create one with "
                "ENCODING 'UTF8'"
            )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection in a transaction that sees one state of the database."""
        with self._transaction(_READING) as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True, alone: Sequence[str] = ()) -> Iterator[Connection]:
        """Give a connection in a transaction.

        Args:
            durable: whether it must survive a crash of the server once it is done, whatever the
                server's own ``synchronous_commit`` is.
            alone: names of what nobody else may change meanwhile.
        """
        settings = [_WRITING, _DURABLE if durable else _SOON_DURABLE]
        # In one order, so that no two wait for each other.
        locks = [f"SELECT pg_advisory_xact_lock({_KEY_SPACE}, {n})" for n in _numbers(alone)]
        with self._transaction("; ".join(settings + locks)) as connection:
            yield connection

    @contextmanager
    def change_schema(self) -> Iterator[Connection]:
        """Give a connection for changing tables; all happens or nothing, by one at a time."""
        with self.write(alone=[_SCHEMA]) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._closed = True
        if not self._open.is_inherited:
            self._open.get().dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        if self._closed:
            raise self._error("is closed")
        wait = max(1, round(self._busy_timeout * 1000))
        with self._explained(), self._begun(begin.format(wait=wait)) as connection:
            yield connection
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            # The server would take a COMMIT after an error that was caught, and roll back.
            if driver.info.transaction_status is pq.TransactionStatus.INERROR:
                raise self._error("failed: a statement of the transaction did, before its end")
            connection.commit()

    def _begun(self, begin: str, *, is_second: bool = False) -> Connection:
        """Return a connection on which a transaction has begun."""
        connection = self._open.get().connect()
        try:
            connection.exec_driver_sql(begin)
        except BaseException as error:
            connection.close()
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            if is_second or not lost:
                raise
        else:
            return connection
        # The server was restarted since it was used, and all that were idle are forgotten now.
        return self._begun(begin, is_second=True)

    def _engine(self) -> Engine:
        return create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=self._busy_timeout,
            pool_use_lifo=True,
            use_native_hstore=False,
            hide_parameters=True,
        )

    def _connect(self) -> psycopg.Connection:
        # Locks are waited for at the server, which answers; a server that does not is given up.
        patience = max(2, math.ceil(self._busy_timeout))
        defaults = {
            "connect_timeout": patience,
            "tcp_user_timeout": patience * 1000,
            "keepalives_idle": patience,
            "keepalives_interval": 1,
            "keepalives_count": patience,
            "fallback_application_name": "headend",
        }
        given = conninfo.conninfo_to_dict(self._parameters.reveal())
        return psycopg.connect(
            **defaults | given | {"client_encoding": "UTF8"},  # type: ignore[arg-type]  # as libpq has them
            autocommit=True,
            prepare_threshold=None,
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise self._error(
                f"had all {CONNECTIONS} connections of this process in use for more than "
                f"{self._busy_timeout:g} s; try again"
            ) from error
        except DBAPIError as error:
            cause = error.orig
            assert isinstance(cause, psycopg.Error)
            # The details of an error are the values that it is about.
            raise self._explain(cause, was_connected=error.connection_invalidated) from (
                None if cause.diag.message_detail else error
            )

    def _explain(self, error: psycopg.Error, *, was_connected: bool) -> LedgerError:
        said = error.diag.message_primary or _one_line(str(error))
        state = error.sqlstate or _state_of_refusal(said)
        if state == "55P03":
            return self._error(
                f"was locked for more than {self._busy_timeout:g} s; end what holds it, such as a "
                "transaction that was left open, and try again"
            )
        words = _WORDS.get(state) or _WORDS.get(state[:2])
        if words is None and was_connected:
            words = _LOST
        elif words is None and state == _NO_CONNECTION:
            words = _UNREACHABLE
        return self._error(f"failed: {said}" if words is None else f"{words} ({said})")

    def _error(self, what: str) -> LedgerError:
        return LedgerError(f"the ledger {self._location} {what}", ledger=self._location)


def _numbers(names: Sequence[str]) -> list[int]:
    """Return the keys of the locks with these names: signed, of 32 bits, each once."""
    digests = (hashlib.sha256(name.encode()).digest() for name in names)
    return sorted({int.from_bytes(digest[:4], "big", signed=True) for digest in digests})


def _parameters(url: str) -> str:
    """Return what a URL says in libpq's form of it."""
    _, _, rest = url.partition("://")
    try:
        found = conninfo.conninfo_to_dict(f"postgresql://{rest}")
    except (psycopg.Error, ValueError):
        found = {}
    if not _is_a_place(found):
        # No word of the URL, nor of libpq about it: parts of a password may be anywhere.
        raise LedgerError(
            "is no URL that libpq takes; write postgresql://user:password@host:port/database, "
            "with characters of the password such as @ : / ? # % as %40 %3A %2F %3F %23 %25",
            ledger="postgresql",
        ) from None
    return conninfo.make_conninfo("", **found)


def _is_a_place(found: Mapping[str, object]) -> bool:
    """Tell whether host, port and database are such, and not a password that was not escaped."""
    host, port, name = (str(found.get(key) or "") for key in ("host", "port", "dbname"))
    return (
        bool(found)
        and "@" not in host
        and "@" not in name
        and all(one.isdecimal() for one in port.split(",") if one)
    )


def _location(parameters: Mapping[str, object]) -> str:
    """Return a URL of the same place for people, of what is no secret."""
    user, host, port, name = (
        str(parameters.get(key) or "") for key in ("user", "host", "port", "dbname")
    )
    at = f"{user}@" if user else ""
    if host.startswith("/"):
        return f"postgresql://{at}/{name}?host={host}"
    return f"postgresql://{at}{host}{f':{port}' if port else ''}/{name}"


def _one_line(said: str) -> str:
    return "; ".join(line.strip() for line in said.splitlines() if line.strip())


def _state_of_refusal(said: str) -> str:
    return next((state for words, state in _REFUSALS.items() if words in said), _NO_CONNECTION)
