"""What outlives the server process: live streams, their keys, their totals, the control token.

Everything is in one folder.  SQLite keeps the live streams in a file that only its owner can read,
in write-ahead mode and fully synchronous, so that what was answered with success is still there
after a kill -9 or a power cut.  The database is opened for one process alone, and the lock dies
with the process: two servers can never share a folder, and no stale lock file can keep one out.

Stream keys are looked up by their SHA-256 and then compared in constant time, so the time that a
refusal takes tells nothing about a key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from attrs import field, frozen

from headend.plugin import ConfigurationError, Secret
from headend_local.settings import TOKEN_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

log = logging.getLogger(__name__)

DATABASE_FILE: Final = "live-streams.sqlite3"
OWNER_FILE: Final = "server.json"

_SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x48454144  # "HEAD": tells our database from somebody else's
_SCHEMA: Final = f"""
CREATE TABLE live_streams (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL,
    name TEXT,
    metadata TEXT NOT NULL,
    low_latency INTEGER NOT NULL,
    marker TEXT,
    enabled INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    stream_key TEXT NOT NULL,
    key_digest BLOB NOT NULL UNIQUE,
    peak_viewers INTEGER NOT NULL DEFAULT 0,
    watch_time REAL NOT NULL DEFAULT 0
);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_SCHEMA_VERSION};
"""


class Totals(NamedTuple):
    """What a live stream has added up over all its sessions: viewers at once, seconds watched."""

    peak_viewers: int = 0
    watch_time: float = 0.0


@frozen(kw_only=True)
class LiveStreamRecord:
    """A live stream as it is kept on disk; its key is asked for apart (`State.stream_key`).

    Attributes:
        number: grows with every creation and is never used again; lists are in its order.
        id: names the live stream in every address; no secret, and not derived from the key.
        channel_id: the host's own id.
        name: for people, or `None`.
        metadata: the host's own texts.
        low_latency: whether its playback address is the low-latency one.
        marker: the creator's own mark, or `None`.
        enabled: whether encoders are let in.
        created_at: aware, in UTC.
        totals: what earlier runs of the server have measured.
    """

    number: int
    id: str
    channel_id: str
    name: str | None
    metadata: Mapping[str, str] = field(repr=False)
    low_latency: bool
    marker: str | None
    enabled: bool
    created_at: datetime
    totals: Totals


class State:
    """The open data folder of one server.

    Use from one thread; close it (or use it as a context manager) to let the next server in.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        token: Secret,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.folder = folder
        self.token = token
        self._connection = connection
        self._random_bytes = random_bytes

    @classmethod
    def open(cls, folder: Path, *, random_bytes: Callable[[int], bytes] = os.urandom) -> State:
        """Open the data folder, making what is missing in it.

        Args:
            folder: made with mode 0700 if it is not there.
            random_bytes: gives so many unguessable bytes.

        Raises:
            ConfigurationError: others may write to the folder, another server has it open, or its
                database is damaged, foreign, or of a newer version.  Nothing is deleted.
        """
        _prepare_folder(folder)
        token = _read_or_make_token(folder / TOKEN_FILE, random_bytes)
        path = folder / DATABASE_FILE
        _make_private(path)
        with _explained(folder):
            connection = _connect(path)
        return cls(folder, connection, token, random_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and let another server have the folder."""
        self._connection.close()

    @staticmethod
    def recorded_http_ports(folder: Path) -> list[int]:
        """Return the HTTP port of the server that last had this folder open, if it is known."""
        owner = _read_owner(folder)
        return [] if owner is None else [owner["http_port"]]

    def record_owner(self, identity: Mapping[str, object]) -> None:
        """Write down who has the folder open, for the error that a second server gives."""
        path = self.folder / OWNER_FILE
        _make_private(path)
        path.write_text(json.dumps(identity), encoding="utf-8")

    def create(
        self,
        *,
        channel_id: str,
        created_at: datetime,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        low_latency: bool = False,
        marker: str | None = None,
    ) -> LiveStreamRecord:
        """Keep a new live stream with a new id and a new stream key."""
        # Hexadecimal: an id that began with a dash would look like an option on a command line.
        live_stream_id = self._random_bytes(12).hex()
        key = self._new_key()
        with self._connection:
            number = self._connection.execute(
                "INSERT INTO live_streams (id, channel_id, name, metadata, low_latency, marker,"
                " enabled, created_at, stream_key, key_digest) VALUES (?,?,?,?,?,?,1,?,?,?)",
                (
                    live_stream_id,
                    channel_id,
                    name,
                    json.dumps(dict(metadata or {}), ensure_ascii=False),
                    low_latency,
                    marker,
                    created_at.isoformat(),
                    key.reveal(),
                    _digest(key),
                ),
            ).lastrowid
        assert number is not None
        return LiveStreamRecord(
            number=number,
            id=live_stream_id,
            channel_id=channel_id,
            name=name,
            metadata=dict(metadata or {}),
            low_latency=low_latency,
            marker=marker,
            enabled=True,
            created_at=created_at,
            totals=Totals(),
        )

    def live_streams(self) -> list[LiveStreamRecord]:
        """Return all live streams, oldest first."""
        rows = self._connection.execute(
            "SELECT number, id, channel_id, name, metadata, low_latency, marker, enabled,"
            " created_at, peak_viewers, watch_time FROM live_streams ORDER BY number"
        )
        return [_record(row) for row in rows]

    def stream_key(self, live_stream_id: str) -> Secret:
        """Return the key of a live stream; `KeyError` if there is no such live stream."""
        row = self._connection.execute(
            "SELECT stream_key FROM live_streams WHERE id = ?", (live_stream_id,)
        ).fetchone()
        if row is None:
            raise KeyError(live_stream_id)
        return Secret(row[0])

    def find_by_key(self, key: Secret) -> str | None:
        """Return the id of the live stream that this key opens, or `None`."""
        row = self._connection.execute(
            "SELECT id, stream_key FROM live_streams WHERE key_digest = ?", (_digest(key),)
        ).fetchone()
        if row is None or not hmac.compare_digest(row[1].encode(), key.reveal().encode()):
            return None
        return str(row[0])

    def rotate_key(self, live_stream_id: str) -> Secret:
        """Replace the key and return the new one; `KeyError` if there is no such live stream."""
        key = self._new_key()
        with self._connection:
            changed = self._connection.execute(
                "UPDATE live_streams SET stream_key = ?, key_digest = ? WHERE id = ?",
                (key.reveal(), _digest(key), live_stream_id),
            ).rowcount
        if not changed:
            raise KeyError(live_stream_id)
        self._empty_log()
        return key

    def set_enabled(self, live_stream_id: str, *, enabled: bool) -> None:
        """Let encoders in or keep them out."""
        with self._connection:
            self._connection.execute(
                "UPDATE live_streams SET enabled = ? WHERE id = ?", (enabled, live_stream_id)
            )

    def delete(self, live_stream_id: str) -> None:
        """Forget a live stream and its key."""
        with self._connection:
            self._connection.execute("DELETE FROM live_streams WHERE id = ?", (live_stream_id,))
        self._empty_log()

    def save_totals(self, totals: Mapping[str, Totals]) -> None:
        """Keep the totals of these live streams, by id, in one transaction."""
        with self._connection:
            self._connection.executemany(
                "UPDATE live_streams SET peak_viewers = ?, watch_time = ? WHERE id = ?",
                [(each.peak_viewers, each.watch_time, key) for key, each in totals.items()],
            )

    def _empty_log(self) -> None:
        """Move what the write-ahead log holds to the database and cut the log to nothing.

        A key stays in the log after it was replaced or deleted, until the log is written anew.
        """
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:  # a full disk, say
            # The change itself is done and safe; to call it failed would be wrong.
            log.warning(
                "a stream key that is no longer valid stays in the files of %s until another one "
                "is replaced or deleted, or the server stops: %s",
                self.folder,
                error,
            )

    def _new_key(self) -> Secret:
        return Secret(_url_safe(self._random_bytes(24)))


def _digest(key: Secret) -> bytes:
    return hashlib.sha256(key.reveal().encode()).digest()


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _record(row: tuple[object, ...]) -> LiveStreamRecord:
    number, live_stream_id, channel_id, name, metadata, low_latency, marker, enabled = row[:8]
    created_at, peak_viewers, watch_time = row[8:]
    assert isinstance(number, int)
    assert isinstance(name, str | None)
    assert isinstance(marker, str | None)
    assert isinstance(peak_viewers, int)
    assert isinstance(watch_time, float)
    return LiveStreamRecord(
        number=number,
        id=str(live_stream_id),
        channel_id=str(channel_id),
        name=name,
        metadata=json.loads(str(metadata)),
        low_latency=bool(low_latency),
        marker=marker,
        enabled=bool(enabled),
        created_at=datetime.fromisoformat(str(created_at)),
        totals=Totals(peak_viewers, watch_time),
    )


def _prepare_folder(folder: Path) -> None:
    """Make the folder, or refuse one whose files others could swap for their own.

    Others may be able to look into a folder that somebody made beforehand: every file that is put
    there is readable by its owner alone.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigurationError(
            f"the data folder {folder} is a file; choose another with --data-dir"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {folder} cannot be made: {error.strerror}; choose another with "
            "--data-dir or HEADEND_DATA_DIR"
        ) from error
    if os.name == "nt":
        return
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"the data folder {folder} belongs to another user; stream keys are kept in it, so "
            "choose one of your own with --data-dir or HEADEND_DATA_DIR"
        )
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise ConfigurationError(
            f"others may write to the data folder {folder}, where stream keys are kept; run "
            f"chmod 700 {folder}, or choose another folder with --data-dir or HEADEND_DATA_DIR"
        )


def _make_private(path: Path) -> None:
    """Make sure that `path` is a file of ours that nobody else can read, making it if need be."""
    try:
        # Made with its final mode in one step: there is no moment when others could open it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Never opened to look: closing any descriptor of a locked SQLite file drops its lock.
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(
                f"{path} is not an ordinary file; move it away or choose another data folder"
            ) from None
        if os.name != "nt" and stat.S_IMODE(status.st_mode) & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be made: {error.strerror}; choose another folder with --data-dir"
        ) from error


def _read_or_make_token(path: Path, random_bytes: Callable[[int], bytes]) -> Secret:
    """Return the control token; it is made once and never changes by itself."""
    if not path.exists():
        # Written beside and linked into place, so that a reader sees a whole token or none, and
        # of two servers that start at once the first one's token stays.
        draft = path.with_name(f"{TOKEN_FILE}.{random_bytes(6).hex()}")
        _make_private(draft)
        draft.write_text(_url_safe(random_bytes(32)) + "\n", encoding="utf-8")
        try:
            _publish(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    _make_private(path)
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < 32:
        raise ConfigurationError(
            f"the control token in {path} is cut off; delete that file, and the next start of "
            "the server makes a new one"
        )
    return Secret(token)


def _publish(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        draft.replace(path)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what SQLite says into what the user can do about it."""
    path = folder / DATABASE_FILE
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise ConfigurationError(
                f"the data folder {folder} is in use by {_owner(folder)}; stop it, or choose "
                "another folder with --data-dir or HEADEND_DATA_DIR"
            ) from error
        raise ConfigurationError(f"the database {path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            f"the database {path} is damaged ({error}); put a backup in its place, or move it away "
            "to start without live streams. It has not been changed"
        ) from error


def _owner(folder: Path) -> str:
    owner = _read_owner(folder)
    if owner is None:
        return "another headend server"
    return (
        f"another headend server (process {owner['pid']}, RTMP port {owner['rtmp_port']}, "
        f"HTTP port {owner['http_port']})"
    )


def _read_owner(folder: Path) -> dict[str, int] | None:
    try:
        owner = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
        return {key: int(owner[key]) for key in ("pid", "rtmp_port", "http_port")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0.0)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Exclusive before WAL: the lock is then held until the connection, or the process, ends.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted, an ended live stream's key above all, is overwritten with zeros.
    connection.execute("PRAGMA secure_delete = ON")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables == version == 0:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
        elif application != _APPLICATION_ID:
            raise ConfigurationError(
                f"{path} is a database of another program; move it away or choose another "
                "folder with --data-dir"
            )
        elif version > _SCHEMA_VERSION:
            raise ConfigurationError(
                f"the database {path} was written by a newer headend-local; update "
                "headend-local or choose another folder with --data-dir"
            )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
