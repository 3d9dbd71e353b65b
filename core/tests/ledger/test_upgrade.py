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
from sqlalchemy import MetaData, Table, create_engine, inspect, select, text
from sqlalchemy.pool import NullPool, StaticPool

import headend.ledger.migrations
from headend.errors import ConfigurationError
from headend.ledger import EntryState, NewEntry, SqlLedger, schema, store, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import Engine

    from headend.clock import Clock
    from headend.ledger.database import Database

    Open = Callable[..., SqlLedger]
    New = Callable[..., NewEntry]
    Workers = Callable[..., list[object]]

HERE = Path(__file__).parent
CORE = HERE.parent.parent
MIGRATIONS = Path(headend.ledger.migrations.__file__).parent
DUMPS = sorted(HERE.glob("schema_*.sql"))

# A later version of headend: it renames a column of a table that another one refers to, which
# SQLite does by making the table anew, and fills in a new one.
NEXT_VERSION = f"{int(schema.VERSION) + 1:04d}"
NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT_VERSION}"
down_revision = "{schema.VERSION}"

def upgrade():
    with op.batch_alter_table("live_streams") as table:
        table.alter_column("reason", new_column_name="why", existing_type=sa.Text())
        table.add_column(sa.Column("region", sa.Text))
    op.execute("UPDATE live_streams SET region = 'eu'")
"""


def rows_of(raw: Engine, query: str) -> list[tuple[object, ...]]:
    with raw.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def version_of(raw: Engine) -> str:
    ((version,),) = rows_of(raw, "SELECT version_num FROM headend_version")
    return str(version)


def columns_of(raw: Engine) -> set[str]:
    return {str(column["name"]) for column in inspect(raw).get_columns("live_streams")}


class Later:
    """A headend of a later version, in this process or another."""

    def __init__(self, folder: Path) -> None:
        self.scripts = folder / "migrations"
        shutil.copytree(MIGRATIONS, self.scripts, ignore=shutil.ignore_patterns("__pycache__"))
        self.script(NEXT)

    def script(self, text: str) -> None:
        (self.scripts / "versions" / f"v{NEXT_VERSION}_next.py").write_text(text, encoding="utf-8")

    @contextmanager
    def installed(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Have this process be that version."""
        with patch.context() as patched:
            patched.setattr(upgrade, "SCRIPTS", str(self.scripts))
            patched.setattr(upgrade, "VERSION", NEXT_VERSION)
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


def test_a_new_ledger_has_the_tables_that_the_scripts_make(
    engine: str, new_database: Callable[[str], str], opener: Open
) -> None:
    made, migrated = new_database(engine), new_database(engine)
    opener(made)
    with closing(database_at(migrated)) as database:
        database.make()
        with database.change_schema() as connection:
            upgrade._migrate(connection)

    descriptions = []
    for url in (made, migrated):
        found = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        descriptions.append(described(found))
    assert descriptions[0] == descriptions[1]
    assert set(descriptions[0]) == {*schema.METADATA.tables, "headend_version"}


def fill(raw: Engine, dump: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the ledger of an older version that a dump of SQLite has, in any database."""
    example = create_engine("sqlite://", poolclass=StaticPool)
    with example.connect() as source:
        driver = source.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.executescript(dump)
        tables = MetaData()
        tables.reflect(source)
        contents = {
            table.name: [row._asdict() for row in source.execute(select(table))]
            for table in tables.sorted_tables
        }
    example.dispose()
    ((version,),) = (row.values() for row in contents.pop(schema.schema_version.name))
    with raw.begin() as connection, monkeypatch.context() as patched:
        patched.setattr(upgrade, "VERSION", version)
        upgrade._migrate(connection)
        connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
        for name, rows in contents.items():
            if rows:
                table = Table(name, MetaData(), autoload_with=connection)
                connection.execute(table.insert(), rows)


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_ledger_of_every_version_can_be_opened(
    dump: Path, open_sql: Open, raw: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    if raw.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(raw.url.database))) as connection:
            connection.executescript(dump.read_text(encoding="utf-8"))
    else:
        fill(raw, dump.read_text(encoding="utf-8"), monkeypatch)
    ledger = open_sql()
    entries = {one.marker: one for one in ledger.entries("acme", "4711 eu")}

    assert version_of(raw) == schema.VERSION
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
    raw: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = open_sql()
    old.begin(new(marker="m", idempotency_key="k"), now=now, lease=60)
    old.abandoned("m", "quota", now)
    old.close()

    with later.installed(monkeypatch):
        assert open_sql().id == old.id
    assert version_of(raw) == NEXT_VERSION
    assert rows_of(raw, "SELECT marker, why, region FROM live_streams") == [("m", "quota", "eu")]
    assert rows_of(raw, "SELECT marker FROM idempotency_keys") == [("m",)]


def test_a_newer_ledger_is_refused_and_left_alone(
    later: Later, open_sql: Open, raw: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sql().close()
    with later.installed(monkeypatch):
        open_sql().close()
    before = described(raw), rows_of(raw, "SELECT * FROM ledger")

    with pytest.raises(
        ConfigurationError,
        match=rf"has the schema {NEXT_VERSION}, and this headend knows it up to "
        rf"{schema.VERSION}; upg",
    ):
        open_sql()
    assert (described(raw), rows_of(raw, "SELECT * FROM ledger")) == before
    assert version_of(raw) == NEXT_VERSION


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
    raw: Engine,
    monkeypatch: pytest.MonkeyPatch,
    last_words: str,
    error: type[Exception],
) -> None:
    old = open_sql()
    entry = old.begin(new(idempotency_key="k"), now=now, lease=60)
    old.close()
    before = columns_of(raw)
    later.script(f"{NEXT}    {last_words}\n")
    with later.installed(monkeypatch), pytest.raises(error):
        open_sql()

    assert (version_of(raw), columns_of(raw)) == (schema.VERSION, before)
    assert open_sql().entries("acme", "4711 eu") == [entry]


def test_of_many_processes_one_brings_it_up_to_date(
    later: Later,
    open_sql: Open,
    new: New,
    now: datetime,
    database: str,
    raw: Engine,
    workers: Workers,
) -> None:
    """A script that ran twice would fail at the column that is there already."""
    old = open_sql()
    old.begin(new(), now=now, lease=60)
    old.close()
    answers = workers(
        "from headend.ledger import store, upgrade\n"
        "before = upgrade.SCRIPTS, upgrade.VERSION\n"
        "upgrade.SCRIPTS, upgrade.VERSION = scripts, version\n"
        "database = store._database(url, busy_timeout=20)\n"
        "try:\n"
        "    answer = upgrade.bring_up(database, new_id='none', now=now)\n"
        "finally:\n"
        "    upgrade.SCRIPTS, upgrade.VERSION = before\n"
        "    database.close()",
        url=database,
        scripts=str(later.scripts),
        version=NEXT_VERSION,
    )

    assert answers == [old.id] * 4
    assert version_of(raw) == NEXT_VERSION


def test_threads_bring_several_up_to_date_at_once(
    later: Later,
    opener: Open,
    engine: str,
    new_database: Callable[[str], str],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = [new_database(engine) for _ in range(4)]
    ids = [opener(url).id for url in urls]
    barrier = Barrier(len(urls))

    def bring_up(url: str) -> str:
        barrier.wait(10)
        with closing(database_at(url)) as database:
            return upgrade.bring_up(database, new_id="none", now=clock.now())

    with later.installed(monkeypatch), ThreadPoolExecutor(len(urls)) as pool:
        assert list(pool.map(bring_up, urls)) == ids
        # They have the version that is installed here.
        assert [opener(url).id for url in urls] == ids


def database_at(url: str) -> Database:
    return store._database(url, busy_timeout=20)


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
