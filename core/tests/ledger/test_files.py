"""The file that a ledger is in: how it is made, and what is said when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import traceback
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from headend.errors import ConfigurationError, LedgerError
from headend.ledger import MemoryLedger, NewEntry, SqlLedger, open_ledger
from headend.ledger.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from headend.clock import Clock
    from tests.conftest import Ran

    Python = Callable[..., Ran]
    Open = Callable[..., SqlLedger]
    New = Callable[..., NewEntry]

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger's file, and its folder, that do not exist yet."""
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def database(file: Path) -> Path:
    """Where the ledgers of this module are."""
    return file


def pragma(ledger: SqlLedger, name: str, *, writing: bool = True, durable: bool = True) -> object:
    database = ledger._database
    context = database.write(durable=durable) if writing else database.read()
    with context as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def problem(caught: pytest.ExceptionInfo[ConfigurationError]) -> str:
    """Return the one problem of an error that names the setting."""
    (only,) = caught.value.problems
    assert only.startswith("HEADEND_DATABASE_URL: ")
    assert only in str(caught.value)
    return only


@POSIX
def test_only_its_owner_can_read_it(open_sql: Open, file: Path) -> None:
    """Neither the file, nor what SQLite puts beside it, nor a folder that was made for it."""
    before = os.umask(0)
    try:
        open_sql()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == {f"ledger.sqlite3{suffix}": 0o600 for suffix in ("", "-wal", "-shm")}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_it_survives_the_process(open_sql: Open, new: New, now: datetime) -> None:
    first = open_sql()
    entry = first.begin(new(), now=now, lease=60)
    first.close()
    second = open_sql()

    assert second.id == first.id
    assert second.by_marker(entry.marker) == entry


def test_each_ledger_has_an_id_of_its_own(open_sql: Open, tmp_path: Path) -> None:
    ids = {open_sql(tmp_path / name).id for name in ("a", "b", "c")}

    assert len(ids) == 3
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)


def test_it_is_durable_and_checks_its_references(open_sql: Open) -> None:
    """Numbers as in SQLite's page on pragmas: synchronous 1 is NORMAL, 2 is FULL."""
    ledger = open_sql(busy_timeout=3)

    assert pragma(ledger, "journal_mode") == "wal"
    assert pragma(ledger, "synchronous") == 2
    assert pragma(ledger, "synchronous", durable=False) == 1
    assert pragma(ledger, "foreign_keys") == 1
    assert pragma(ledger, "busy_timeout") == 3000


def test_readers_do_not_wait_for_a_writer(open_sql: Open, new: New, now: datetime) -> None:
    ledger = open_sql(busy_timeout=0.05)
    entry = ledger.begin(new(), now=now, lease=60)
    with ledger._database.write():
        assert ledger.by_marker(entry.marker) == entry


@pytest.mark.parametrize("suffix", ["", "?", "#", "%41", " ü", "'"])
def test_any_file_name_will_do(open_sql: Open, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"folder{suffix}" / f"ledger{suffix}"
    assert open_sql(file).location == str(file)
    assert file.read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+pysqlite:///{}", "  sqlite:///{}\n"])
def test_a_database_url_names_a_file(open_sql: Open, file: Path, form: str) -> None:
    assert open_sql(form.format(file)).location == str(file)


def test_a_relative_url_begins_in_the_working_folder(
    open_sql: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_sql("sqlite:///here/l.db").location == str(tmp_path / "here" / "l.db")


def test_the_home_folder_can_be_written_short(
    open_sql: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert open_sql("sqlite:///~/l.db").location == str(tmp_path / "l.db")


@pytest.mark.parametrize("off", [None, "none", "None", " none "])
def test_it_can_be_turned_off(open_sql: Open, off: str | None) -> None:
    ledger = open_sql(off)

    assert isinstance(ledger, MemoryLedger)
    assert (ledger.location, ledger.pacers) == (None, None)
    assert len(ledger.id) == 16


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////tmp/x?pw=pl4nted", "has more in it than a file"),
        ("sqlite://user:pl4nted@host/x", "has more in it than a file"),
        ("mysql://user:pl4nted@host/x", "a ledger in mysql is more than"),
        ("nosuch://user:pl4nted@host/x", "a ledger in nosuch is more than"),
        ("/pl4nted/x.db", "is no database URL"),
        ("sqlite://user:pw@host:pl4nted/x", "is no database URL"),
        ("", "is no database URL"),
        ("sqlite:///~nobody-has-this-name/x", "there is no such user"),
    ],
)
def test_another_url_is_refused_without_a_word_of_its_secrets(
    open_sql: Open, url: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        open_sql(url)

    assert "pl4nted" not in "".join(traceback.format_exception(caught.value, chain=True))
    assert problem(caught)


def test_no_table_has_a_place_for_a_secret(open_sql: Open, file: Path) -> None:
    open_sql()
    with closing(sqlite3.connect(file)) as connection:
        words = " ".join(
            sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master") if sql
        )

    for word in ("stream_key", "token", "secret", "password", "url"):
        assert word not in words.lower()


def test_a_folder_is_no_ledger(open_sql: Open, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_sql(tmp_path)

    assert f"the ledger {tmp_path} is no file; name another file" in problem(caught)


def test_a_file_is_no_folder(open_sql: Open, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(ConfigurationError) as caught:
        open_sql(tmp_path / "f" / "ledger.sqlite3")

    assert "cannot be made: " in problem(caught)


@pytest.mark.parametrize("content", [b"xy", b"not a database\n" * 100, b"\0" * 4096])
def test_a_file_that_is_no_database_stays_as_it_is(
    open_sql: Open, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        open_sql(file)

    assert f"the ledger {file} is no SQLite database; move it away, or" in problem(caught)
    assert file.read_bytes() == content


def test_an_empty_file_becomes_a_ledger(open_sql: Open, tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.touch()
    assert open_sql(file).id


def test_tables_of_another_program_are_not_touched(open_sql: Open, tmp_path: Path) -> None:
    file = tmp_path / "app.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE ledger (amount)")
        connection.execute("CREATE TABLE users (name)")
    with pytest.raises(ConfigurationError, match=r"tables of something else .*: ledger; name"):
        open_sql(file)
    with closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]

    assert sorted(names) == ["ledger", "users"]


def test_other_tables_of_a_host_do_not_matter(open_sql: Open, tmp_path: Path) -> None:
    """Not even those of the host's own migrations."""
    file = tmp_path / "app.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('abc')")
    assert open_sql(file).id == open_sql(file).id


def test_a_damaged_file_is_found_when_it_is_opened(open_sql: Open, file: Path) -> None:
    open_sql().close()
    content = bytearray(file.read_bytes())
    content[100:] = b"\xff" * len(content[100:])
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        open_sql()

    assert f"the ledger {file} is damaged; restore it from a backup" in problem(caught)


def test_a_damaged_table_is_found_when_it_is_used(
    open_sql: Open, file: Path, new: New, now: datetime
) -> None:
    first = open_sql()
    first.begin(new(marker="m"), now=now, lease=60)
    first.close()
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'live_streams'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    ledger = open_sql()

    with pytest.raises(LedgerError, match="is damaged") as caught:
        ledger.entries("acme", "4711 eu")
    assert caught.value.ledger == str(file)


def test_a_ledger_without_its_id_is_damaged(open_sql: Open, file: Path) -> None:
    open_sql().close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DELETE FROM ledger")
    with pytest.raises(ConfigurationError, match="has 0 ids where it should have one; restore"):
        open_sql()


class Holder:
    """Another program, which holds the lock on writing."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


def test_one_that_stays_locked_is_not_opened(open_sql: Open, file: Path) -> None:
    open_sql().close()
    with Holder(file), pytest.raises(ConfigurationError) as caught:
        open_sql(busy_timeout=0.05)

    assert f"the ledger {file} was locked for more than 0.05 s; end what" in problem(caught)


def test_a_file_that_another_holds_is_not_made_a_ledger(open_sql: Open, tmp_path: Path) -> None:
    """Before the tables are there, when SQLite waits in another way."""
    file = tmp_path / "l"
    file.touch()
    with Holder(file), pytest.raises(ConfigurationError, match="was locked for more than"):
        open_sql(file, busy_timeout=0.05)


def test_a_file_that_another_holds_for_a_moment_becomes_a_ledger(
    open_sql: Open, tmp_path: Path
) -> None:
    file = tmp_path / "l"
    file.touch()
    holder = Holder(file)
    holder.__enter__()
    release = Timer(0.1, holder.__exit__)
    release.start()

    assert open_sql(file, busy_timeout=20).id
    release.join(10)


def test_one_that_stays_locked_says_so(open_sql: Open, file: Path, new: New, now: datetime) -> None:
    ledger = open_sql(busy_timeout=0.05)
    with Holder(file):
        with pytest.raises(LedgerError, match=r"was locked for more than 0.05 s"):
            ledger.begin(new(marker="m"), now=now, lease=60)
        with pytest.raises(LedgerError, match=r"was locked for more than 0.05 s"):
            ledger.pacers.update(["k"], lambda _states, _now: None)

    assert ledger.by_marker("m") is None
    assert ledger.begin(new(marker="m"), now=now, lease=60)


def test_threads_of_one_process_do_not_wait_for_ever(
    open_sql: Open, new: New, now: datetime
) -> None:
    ledger = open_sql(busy_timeout=0.05)
    with (
        ledger._database.write(),
        pytest.raises(LedgerError, match=r"was locked for more than 0.05 s"),
    ):
        ledger.begin(new(), now=now, lease=60)
    assert ledger.begin(new(), now=now, lease=60)


def test_readers_do_not_wait_for_ever_either(open_sql: Open) -> None:
    """There are fifteen connections for reading; whoever reads keeps one for a moment only."""
    ledger = open_sql(busy_timeout=0.05)
    with ExitStack() as readers:
        for _ in range(15):
            readers.enter_context(ledger._database.read())
        with pytest.raises(LedgerError, match=r"was locked for more than 0.05 s"):
            ledger.by_marker("m")
    assert ledger.by_marker("m") is None


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Set how many pages all files have room for that are connected to from now on."""
    connect = SqliteDatabase._connect
    room = 1 << 30

    def connect_to_small(self: SqliteDatabase, *arguments: object) -> sqlite3.Connection:
        connection = connect(self, *arguments)  # type: ignore[arg-type]  # as it was called
        connection.execute(f"PRAGMA max_page_count={room}")
        return connection

    def limit(number: int) -> None:
        nonlocal room
        room = number

    monkeypatch.setattr(SqliteDatabase, "_connect", connect_to_small)
    return limit


def pages_of(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return int(pages)


def test_a_full_disk_loses_nothing(
    open_sql: Open, file: Path, new: New, now: datetime, pages: Callable[[int], None]
) -> None:
    open_sql().close()
    pages(pages_of(file) + 10)
    ledger = open_sql()
    done: list[str] = []

    def fill() -> None:
        for number in range(1000):
            ledger.begin(new(marker=f"m{number}", name="x" * 1000), now=now, lease=60)
            done.append(f"m{number}")

    with pytest.raises(LedgerError, match="has no room left on its disk; free some"):
        fill()
    assert [one.marker for one in ledger.entries("acme", "4711 eu")] == sorted(done)
    assert len(done) > 5
    ledger.close()

    pages(1000)
    ledger = open_sql()
    ledger.begin(new(marker="more"), now=now, lease=60)
    assert len(ledger.entries("acme", "4711 eu")) == len(done) + 1


def test_a_disk_without_room_for_a_ledger_has_no_half_of_one(
    open_sql: Open, file: Path, pages: Callable[[int], None]
) -> None:
    pages(3)
    with pytest.raises(ConfigurationError) as caught:
        open_sql()
    assert f"the ledger {file} has no room left on its disk; free some" in problem(caught)

    pages(1000)
    assert open_sql().id


def test_what_failed_is_not_told_in_full(
    open_sql: Open, file: Path, new: New, now: datetime, pages: Callable[[int], None]
) -> None:
    """Texts of the host are its own business."""
    open_sql().close()
    pages(pages_of(file) + 10)
    ledger = open_sql()
    words = "pl4nted"
    with pytest.raises(LedgerError) as caught:
        ledger.begin(new(name=words * 20000, idempotency_key=words), now=now, lease=60)

    shown = "".join(traceback.format_exception(caught.value, chain=True))
    assert caught.value.__cause__ is not None
    assert "database or disk is full" in shown
    assert words not in shown


def test_a_ledger_that_is_replaced_in_use_says_so(
    open_sql: Open, file: Path, new: New, now: datetime
) -> None:
    """SQLite would go on with the file that is gone, and what is recorded would be gone too."""
    ledger = open_sql()
    ledger.begin(new(marker="m"), now=now, lease=60)
    file.rename(file.with_name("moved"))
    with pytest.raises(LedgerError, match="was moved or replaced while it was in use"):
        ledger.begin(new(), now=now, lease=60)
    file.touch()
    with pytest.raises(LedgerError, match="was moved or replaced while it was in use"):
        ledger.created("m", "s1", now)


def test_a_ledger_is_not_made_anew_while_it_is_in_use(
    open_sql: Open, file: Path, new: New, now: datetime
) -> None:
    ledger = open_sql()
    ledger._database._open.get().writing.dispose()
    file.unlink()
    with pytest.raises(LedgerError, match="cannot be opened; look whether its folder"):
        ledger.by_marker("m")
    assert not file.exists()


def test_a_closed_ledger_says_so(open_sql: Open, new: New, now: datetime, file: Path) -> None:
    ledger = open_sql()
    ledger.close()
    ledger.close()

    with pytest.raises(LedgerError, match="is closed"):
        ledger.begin(new(), now=now, lease=60)
    with pytest.raises(LedgerError, match="is closed"):
        ledger.by_marker("m")
    assert [path.name for path in file.parent.iterdir()] == [file.name]


UNPRIVILEGED = """
import sys
from headend.errors import HeadendError
# What is imported late is imported now: another user may not see this Python.
opened(sys.argv[2]).close()
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    opened(sys.argv[1])
    print("opened")
except HeadendError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


@pytest.fixture
def unprivileged(python: Python, prelude: str, tmp_path: Path) -> Callable[[Path], str]:
    """Open a ledger as a user without privileges and return what came of it."""

    def open_it(file: Path) -> str:
        ran = python(prelude + UNPRIVILEGED, str(file), str(tmp_path / "warm"))
        assert ran.err == ""
        return ran.out

    return open_it


@POSIX
def test_a_read_only_file_is_not_opened(
    open_sql: Open, public: Path, unprivileged: Callable[[Path], str]
) -> None:
    file = public / "l"
    open_sql(file).close()
    file.chmod(0o444)

    shown = unprivileged(file)
    assert shown.startswith("ConfigurationError")
    assert f"HEADEND_DATABASE_URL: the ledger {file} cannot be" in shown
    assert "this user" in shown


@POSIX
def test_a_file_that_may_not_be_read_is_not_opened(
    open_sql: Open, public: Path, unprivileged: Callable[[Path], str]
) -> None:
    file = public / "l"
    open_sql(file).close()
    file.chmod(0o000)

    shown = unprivileged(file)
    assert shown.startswith("ConfigurationError")
    assert f"the ledger {file} cannot be opened" in shown


@POSIX
def test_no_ledger_is_made_in_a_read_only_folder(
    public: Path, unprivileged: Callable[[Path], str]
) -> None:
    public.chmod(0o555)
    file = public / "deeper" / "l"

    assert f"the ledger {file} cannot be made: Permission denied; name" in unprivileged(file)
    assert not file.exists()


def test_a_database_that_became_read_only_says_so(open_sql: Open, new: New, now: datetime) -> None:
    ledger = open_sql()
    entry = ledger.begin(new(), now=now, lease=60)
    with ledger._database.write() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(LedgerError, match="cannot be written; give this user the right"):
        ledger.created(entry.marker, "s1", now)

    assert ledger.by_marker(entry.marker) == entry


def test_what_sqlite_says_otherwise_is_passed_on(open_sql: Open, file: Path) -> None:
    ledger = open_sql()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE pacers")
    with pytest.raises(LedgerError, match="failed: no such table: pacers"):
        ledger.pacers.update(["k"], lambda _states, _now: None)


def test_opening_takes_the_clock_and_chance_that_it_is_given(file: Path, clock: Clock) -> None:
    from random import Random

    ledger = open_ledger(file, clock=clock, random=Random(7))
    ledger.close()
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT id, created_at FROM ledger").fetchone()

    assert row == (f"{Random(7).getrandbits(64):016x}", "2030-01-02 03:04:05.000000")
    assert ledger.id == row[0]
