"""Older ledgers are brought up to date, newer ones are refused."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import StaticPool

import headend.ledger.migrations
from headend.errors import ConfigurationError
from headend.ledger import EntryState, NewEntry, SqlLedger, schema, upgrade
from headend.ledger.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import Engine

    from headend.clock import Clock

    Open = Callable[..., SqlLedger]
    New = Callable[..., NewEntry]
    Workers = Callable[..., list[object]]

HERE = Path(__file__).parent
CORE = HERE.parent.parent
MIGRATIONS = Path(headend.ledger.migrations.__file__).parent
DUMPS = sorted(HERE.glob("schema_*.sql"))

# A later version of headend: it renames a column of a table that another one refers to, which
# SQLite does by making the table anew, and fills in a new one.
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade():
    with op.batch_alter_table("live_streams") as table:
        table.alter_column("reason", new_column_name="why", existing_type=sa.Text())
        table.add_column(sa.Column("region", sa.Text))
    op.execute("UPDATE live_streams SET region = 'eu'")
"""


def version_of(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("SELECT version_num FROM headend_version").fetchone()[0])


def columns_of(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(live_streams)")}


class Later:
    """A headend of a later version, in this process or another."""

    def __init__(self, folder: Path) -> None:
        self.scripts = folder / "migrations"
        shutil.copytree(MIGRATIONS, self.scripts, ignore=shutil.ignore_patterns("__pycache__"))
        self.script(NEXT)

    def script(self, text: str) -> None:
        (self.scripts / "versions" / "v0002_next.py").write_text(text, encoding="utf-8")

    @contextmanager
    def installed(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Have this process be that version."""
        with patch.context() as patched:
            patched.setattr(upgrade, "SCRIPTS", str(self.scripts))
            patched.setattr(upgrade, "VERSION", "0002")
            yield


@pytest.fixture
def later(tmp_path: Path) -> Later:
    return Later(tmp_path)


def test_the_last_script_makes_the_tables_of_this_version() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", upgrade.SCRIPTS)

    assert ScriptDirectory.from_config(config).get_heads() == [schema.VERSION]


def test_versions_can_be_compared() -> None:
    """They are four digits."""
    names = sorted(path.name for path in (MIGRATIONS / "versions").glob("v*.py"))

    assert [name[1:5] for name in names] == [f"{n:04d}" for n in range(1, len(names) + 1)]
    assert f"{len(names):04d}" == schema.VERSION


def described(engine: Engine) -> dict[str, object]:
    """Say what tables there are, down to the last constraint."""
    tables = inspect(engine)
    return {
        name: {
            "columns": [
                {key: str(value) for key, value in column.items()}
                for column in tables.get_columns(name)
            ],
            "key": tables.get_pk_constraint(name),
            "references": tables.get_foreign_keys(name),
            "indexes": sorted(tables.get_indexes(name), key=lambda one: str(one["name"])),
            "unique": tables.get_unique_constraints(name),
        }
        for name in tables.get_table_names()
    }


def test_a_new_ledger_has_the_tables_that_the_scripts_make() -> None:
    made, migrated = (create_engine("sqlite://", poolclass=StaticPool) for _ in range(2))
    with made.begin() as connection:
        schema.METADATA.create_all(connection)
        schema.schema_version.create(connection)
    with migrated.begin() as connection:
        upgrade._migrate(connection)

    assert described(made) == described(migrated)
    assert set(described(made)) == {*schema.METADATA.tables, "headend_version"}
    made.dispose()
    migrated.dispose()


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_ledger_of_every_version_can_be_opened(
    dump: Path, open_sql: Open, file: Path, now: datetime
) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    ledger = open_sql()
    entries = {one.marker: one for one in ledger.entries("acme", "4711 eu")}

    assert version_of(file) == schema.VERSION
    assert ledger.id == "00112233445566aa"
    assert [(one.state, one.stream_id, one.reason) for one in entries.values()] == [
        (EntryState.ACTIVE, "s1", None),
        (EntryState.CREATING, None, None),
        (EntryState.ENDED, "s2", None),
        (EntryState.ABANDONED, None, "QuotaExceededError"),
    ]
    assert entries["headend-00112233445566aa-1"].created_at == now
    again = NewEntry(
        marker="m",
        provider="acme",
        account="4711 eu",
        channel_id="42",
        digest="d1",
        owner="host:1",
        idempotency_key="k",
    )
    assert ledger.begin(again, now=now, lease=60).stream_id == "s1"


def test_every_version_has_its_example() -> None:
    assert [dump.stem for dump in DUMPS] == [
        f"schema_{number:04d}" for number in range(1, int(schema.VERSION) + 1)
    ]


def test_an_older_ledger_is_brought_up_to_date_with_all_that_is_in_it(
    later: Later,
    open_sql: Open,
    new: New,
    now: datetime,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = open_sql()
    old.begin(new(marker="m", idempotency_key="k"), now=now, lease=60)
    old.abandoned("m", "quota", now)
    old.close()

    with later.installed(monkeypatch):
        assert open_sql().id == old.id
    assert version_of(file) == "0002"
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT marker, why, region FROM live_streams").fetchall()
        keys = connection.execute("SELECT marker FROM idempotency_keys").fetchall()
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    assert (rows, keys, broken) == ([("m", "quota", "eu")], [("m",)], [])


def test_a_newer_ledger_is_refused_and_left_alone(
    later: Later, open_sql: Open, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sql().close()
    with later.installed(monkeypatch):
        open_sql().close()
    before = file.read_bytes()

    with pytest.raises(
        ConfigurationError, match=r"has the schema 0002, and this headend knows it up to 0001; upg"
    ):
        open_sql()
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("last_words", "error"),
    [
        ("raise RuntimeError('power cut')", RuntimeError),
        ("op.execute('nonsense')", ConfigurationError),
        ("op.execute('DELETE FROM live_streams')", ConfigurationError),
    ],
    ids=["raises", "wrong SQL", "breaks references"],
)
def test_an_upgrade_that_fails_changes_nothing(
    later: Later,
    open_sql: Open,
    new: New,
    now: datetime,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    last_words: str,
    error: type[Exception],
) -> None:
    old = open_sql()
    entry = old.begin(new(idempotency_key="k"), now=now, lease=60)
    old.close()
    before = columns_of(file)
    later.script(f"{NEXT}    {last_words}\n")
    with later.installed(monkeypatch), pytest.raises(error):
        open_sql()

    assert (version_of(file), columns_of(file)) == ("0001", before)
    assert open_sql().entries("acme", "4711 eu") == [entry]


def test_of_many_processes_one_brings_it_up_to_date(
    later: Later, open_sql: Open, new: New, now: datetime, file: Path, workers: Workers
) -> None:
    """A script that ran twice would fail at the column that is there already."""
    old = open_sql()
    old.begin(new(), now=now, lease=60)
    old.close()
    answers = workers(
        "from headend.ledger import upgrade\n"
        "from headend.ledger.database import Database\n"
        "before = upgrade.SCRIPTS, upgrade.VERSION\n"
        "upgrade.SCRIPTS, upgrade.VERSION = scripts, '0002'\n"
        "database = Database(Path(file), busy_timeout=20)\n"
        "try:\n"
        "    answer = upgrade.bring_up(database, new_id='none', now=now)\n"
        "finally:\n"
        "    upgrade.SCRIPTS, upgrade.VERSION = before\n"
        "    database.close()",
        file=str(file),
        scripts=str(later.scripts),
    )

    assert answers == [old.id] * 4
    assert version_of(file) == "0002"


def test_threads_bring_several_up_to_date_at_once(
    later: Later,
    open_sql: Open,
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = [tmp_path / f"l{number}" for number in range(4)]
    ids = [open_sql(file).id for file in files]
    barrier = Barrier(len(files))

    def bring_up(file: Path) -> str:
        barrier.wait(10)
        with closing(Database(file, busy_timeout=20)) as database:
            return upgrade.bring_up(database, new_id="none", now=clock.now())

    with later.installed(monkeypatch), ThreadPoolExecutor(len(files)) as pool:
        assert list(pool.map(bring_up, files)) == ids
    assert {version_of(file) for file in files} == {"0002"}


@pytest.mark.skipif(
    not (CORE / "pyproject.toml").is_file(), reason="core is installed without its sources"
)
@pytest.mark.skipif(not importlib.util.find_spec("hatchling"), reason="hatchling is not installed")
def test_the_wheel_has_the_scripts(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=CORE,
        capture_output=True,
        timeout=60,
        check=True,
    )
    (wheel,) = tmp_path.glob("headend-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if "/migrations/" in name}

    assert names == {
        f"headend/ledger/migrations/{path.relative_to(MIGRATIONS).as_posix()}"
        for path in MIGRATIONS.rglob("*.py")
    }
