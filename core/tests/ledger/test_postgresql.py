"""A ledger on a PostgreSQL server: what is particular to it, and what is said when it fails."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier, Event, Timer
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headend.errors import ConfigurationError, HeadendError, LedgerError
from headend.ledger import Entry, NewEntry, SqlLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import psycopg
    from sqlalchemy import Engine

    from headend_contract.postgresql import PostgresServer
    from tests.conftest import Ran

    Open = Callable[..., SqlLedger]
    New = Callable[..., NewEntry]
    Python = Callable[..., Ran]

PLANTED = "pl4nted@:/?#%"
GONE = (
    "cannot be reached; look|lost the connection to its server; try|is being shut down or started"
)
"""What is said of a server that died, by how much of it was still there."""


@pytest.fixture
def engine() -> str:
    """All of this module is about one kind."""
    return "postgresql"


@pytest.fixture
def whole(postgres: PostgresServer) -> Iterator[str]:
    """A database of a test's own, by name."""
    name = postgres.create_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def role(postgres: PostgresServer, whole: str) -> Iterator[str]:
    """A user who may do to that database what its owner may."""
    name = f"u_{whole}"
    with postgres.connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PLANTED}'".encode())
        connection.execute(f"ALTER DATABASE {whole} OWNER TO {name}".encode())
    yield name
    with postgres.connect(whole) as connection:
        connection.execute(f"REASSIGN OWNED BY {name} TO postgres".encode())
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A server that tests may kill; what it has handed to the system is there afterwards."""
    from headend_contract.postgresql import PostgresServer, why_not

    if reason := why_not():
        pytest.skip(reason)
    with PostgresServer({"fsync": "off"}) as server:
        yield server


@pytest.fixture
def running(mortal: PostgresServer) -> Iterator[PostgresServer]:
    """That server, which runs again after the test."""
    yield mortal
    if not mortal.is_running:
        mortal.start()


def problem(caught: pytest.ExceptionInfo[ConfigurationError]) -> str:
    """Return the one problem of an error that names the setting, and look for secrets in it."""
    (only,) = caught.value.problems
    assert only.startswith("HEADEND_DATABASE_URL: ")
    assert_nothing_planted(caught.value)
    return only


def assert_nothing_planted(error: BaseException) -> None:
    shown = "".join(traceback.format_exception(error, chain=True))
    assert "pl4nted" not in shown + repr(error)


def values(ledger: SqlLedger, *queries: str, **how: bool) -> list[object]:
    with ledger._database.write(**how) as connection:  # type: ignore[arg-type]  # as the tests say
        return [connection.exec_driver_sql(query).scalar() for query in queries]


# Where it is


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "  postgresql"])
def test_a_database_url_is_as_other_programs_have_it(
    opener: Open, postgres: PostgresServer, whole: str, scheme: str
) -> None:
    url = postgres.url(whole)
    ledger = opener(f"{scheme}{url.removeprefix('postgresql')}\n")

    where = url.replace(f":{postgres.password}@", "@")
    assert ledger.location == where
    assert repr(ledger) == f"<SqlLedger {ledger.id} in {where}>"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pl4nted/x@host/db",
        "postgresql://user:12/pl4nted@host/db",
        "postgresql://user:x@pl4nted@host/db",
        "postgresql://user:a%zzpl4nted@host/db",
        "postgresql://user@host/db?pl4nted=1",
        "postgresql://user@host/db?password=pl4nted&a=b=c",
        "postgresql://user@[::1/pl4nted",
    ],
)
def test_what_is_no_url_is_refused_without_a_word_of_it(opener: Open, url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no URL that libpq takes; write") as caught:
        opener(url)
    assert problem(caught)


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=6),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=6),
)
@settings(max_examples=300)
def test_a_password_that_was_not_escaped_is_not_taken_for_the_place(
    before: str, after: str
) -> None:
    """A part of it would be shown as the host, the port or the database."""
    from headend.ledger.postgresql import PostgresqlDatabase

    url = f"postgresql://user:{before}pl4nted{after}@host/db"
    try:
        shown = PostgresqlDatabase(url, busy_timeout=1).location
    except LedgerError as error:
        shown = "".join(traceback.format_exception(error, chain=True))
    assert "pl4nted" not in shown


def test_a_password_may_have_any_characters(
    opener: Open, postgres: PostgresServer, whole: str, role: str
) -> None:
    assert opener(postgres.url(whole, user=role, password=PLANTED)).id


def test_tables_may_be_in_a_schema_of_their_own(
    opener: Open, postgres: PostgresServer, whole: str
) -> None:
    """Beside tables of the same names, which a host has elsewhere."""
    with postgres.connect(whole) as connection:
        connection.execute("CREATE SCHEMA headend")
        connection.execute("CREATE TABLE ledger (amount int); CREATE TABLE events (what text)")
    url = postgres.url(whole, schema="headend,public")

    assert opener(url).id == opener(url).id


@pytest.mark.parametrize("kind", ["TABLE ledger (amount int)", "VIEW ledger AS SELECT 1 AS amount"])
def test_tables_of_another_program_are_not_touched(
    opener: Open, postgres: PostgresServer, whole: str, kind: str
) -> None:
    with postgres.connect(whole) as connection:
        connection.execute(f"CREATE {kind}".encode())
        connection.execute("CREATE TABLE users (name text)")
    with pytest.raises(ConfigurationError, match=r"tables of something else .*: ledger; name"):
        opener(postgres.url(whole))
    with postgres.connect(whole) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()

    assert sorted(names) == [("ledger",), ("users",)]


def test_a_name_that_something_else_has_is_an_error_that_leaves_nothing(
    opener: Open, postgres: PostgresServer, whole: str
) -> None:
    with postgres.connect(whole) as connection:
        connection.execute("CREATE SEQUENCE pacers")
    with pytest.raises(ConfigurationError, match="has something else under a name that headend"):
        opener(postgres.url(whole))
    with postgres.connect(whole) as connection:
        connection.execute("DROP SEQUENCE pacers")

    assert opener(postgres.url(whole)).id


def test_other_tables_of_a_host_do_not_matter(
    opener: Open, postgres: PostgresServer, whole: str
) -> None:
    """Not even those of the host's own migrations."""
    with postgres.connect(whole) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('abc')")
    assert opener(postgres.url(whole)).id == opener(postgres.url(whole)).id


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_lacks_characters_is_refused(
    opener: Open, postgres: PostgresServer, encoding: str
) -> None:
    name = postgres.create_database(more=f"ENCODING '{encoding}' LOCALE 'C'")
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(name))
    postgres.drop_database(name)

    assert f"has the encoding {encoding}, which lacks characters; create one" in problem(caught)


def test_psycopg_is_needed_and_how_to_get_it_is_said(python: Python, prelude: str) -> None:
    code = (
        "sys.modules['psycopg'] = None\n"
        "from headend.errors import ConfigurationError\n"
        "try:\n"
        "    opened('postgresql://user:pl4nted@host/db')\n"
        "except ConfigurationError as error:\n"
        "    print(error.problems[0])\n"
    )
    ran = python(prelude + code)

    assert ran.err == ""
    assert "HEADEND_DATABASE_URL: a ledger in PostgreSQL needs psycopg" in ran.out
    assert 'pip install "headend[postgresql]"' in ran.out
    assert "pl4nted" not in ran.out


# Who may not


def test_a_wrong_password_is_refused(opener: Open, postgres: PostgresServer, whole: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(whole, password=PLANTED))

    assert f"127.0.0.1:{postgres.port}/{whole} refuses this user; look at user, pass" in problem(
        caught
    )


def test_a_database_that_is_not_there_is_named(opener: Open, postgres: PostgresServer) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url("no such"))

    assert f"{postgres.port}/no such is not there; create the database, or" in problem(caught)


def test_a_server_that_is_not_there_is_named(opener: Open, postgres: PostgresServer) -> None:
    from headend_contract.postgresql import free_port

    port = free_port()
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(password=PLANTED).replace(str(postgres.port), str(port)))

    assert f"postgresql://postgres@127.0.0.1:{port}/postgres cannot be reached; look" in problem(
        caught
    )


def test_a_server_that_does_not_answer_is_given_up(opener: Open, postgres: PostgresServer) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConfigurationError, match=r"cannot be reached; .*timeout"):
            opener(postgres.url().replace(str(postgres.port), str(port)), busy_timeout=0.1)


def test_a_user_who_may_make_no_tables_is_told(
    opener: Open, postgres: PostgresServer, whole: str, role: str
) -> None:
    with postgres.connect(whole) as connection:
        connection.execute(f"ALTER DATABASE {whole} OWNER TO postgres".encode())
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(whole, user=role, password=PLANTED))

    assert "does not let this user do this; let it own headend's tables" in problem(caught)


def test_a_user_whose_schema_is_not_there_is_told(
    opener: Open, postgres: PostgresServer, whole: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(whole, schema="nosuch"))

    assert "has no schema for headend's tables; create the one in" in problem(caught)


def test_a_user_who_may_only_look_is_told_when_it_is_opened(
    opener: Open, postgres: PostgresServer, whole: str, role: str
) -> None:
    opener(postgres.url(whole))
    with postgres.connect(whole) as connection:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(whole, user=role, password=PLANTED))

    assert "does not let this user do this" in problem(caught)


def test_a_role_that_only_reads_is_told_when_it_is_opened(
    opener: Open, postgres: PostgresServer, whole: str, role: str
) -> None:
    url = postgres.url(whole, user=role, password=PLANTED)
    opener(url).close()
    with postgres.connect(whole) as connection:
        connection.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on".encode())
    with pytest.raises(ConfigurationError) as caught:
        opener(url)

    assert "cannot be written: its server is a copy that is only read, or this user" in problem(
        caught
    )


def test_a_database_that_became_read_only_says_so(
    opener: Open, postgres: PostgresServer, whole: str, new: New, now: datetime
) -> None:
    ledger = opener(postgres.url(whole))
    entry = ledger.begin(new(), now=now, lease=60)
    with postgres.connect() as connection:
        connection.execute(
            f"ALTER DATABASE {whole} SET default_transaction_read_only = on".encode()
        )
        drop_connections(connection, whole)

    with pytest.raises(LedgerError, match="cannot be written: its server is a copy"):
        ledger.created(entry.marker, "s1", now)
    assert ledger.by_marker(entry.marker) == entry


def test_a_server_without_a_connection_to_spare_says_so(
    opener: Open, postgres: PostgresServer, whole: str, role: str
) -> None:
    with postgres.connect(whole) as connection:
        connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0".encode())
    with pytest.raises(ConfigurationError) as caught:
        opener(postgres.url(whole, user=role, password=PLANTED))

    assert "has no connection left; raise max_connections" in problem(caught)


def test_a_password_is_in_no_log(
    opener: Open,
    postgres: PostgresServer,
    whole: str,
    role: str,
    caplog: pytest.LogCaptureFixture,
    new: New,
    now: datetime,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "psycopg", "alembic"):
        caplog.set_level(logging.DEBUG, name)
    ledger = opener(postgres.url(whole, user=role, password=PLANTED))
    ledger.begin(new(), now=now, lease=60)
    with contextlib.suppress(HeadendError):
        opener(postgres.url(whole, user=role, password="pl4nted"))

    assert caplog.text
    database = ledger._database
    for shown in (caplog.text, repr(ledger), repr(database), repr(vars(database))):
        assert "pl4nted" not in shown
        assert "%23%25" not in shown


# Time and settings of others


def test_the_servers_own_settings_do_not_matter(
    opener: Open, postgres: PostgresServer, whole: str, role: str, new: New, now: datetime
) -> None:
    url = postgres.url(whole, user=role, password=PLANTED)
    with postgres.connect() as connection:
        for setting in (
            "DateStyle = 'German'",
            "TimeZone = 'Asia/Kathmandu'",
            "synchronous_commit = off",
            "default_transaction_isolation = 'serializable'",
            "standard_conforming_strings = on",
        ):
            connection.execute(f"ALTER ROLE {role} SET {setting}".encode())
    ledger = opener(url)
    entry = ledger.begin(new(name="O'Neill \\ %s :x"), now=now, lease=60)

    found = ledger.by_marker(entry.marker)
    assert found == entry
    assert found.created_at.tzinfo == now.tzinfo
    assert values(ledger, "SHOW synchronous_commit", "SHOW transaction_isolation") == [
        "on",
        "read committed",
    ]


def test_what_is_recorded_is_durable_and_pacers_need_not_be(
    opener: Open, postgres: PostgresServer, whole: str, role: str
) -> None:
    with postgres.connect() as connection:
        connection.execute(f"ALTER ROLE {role} SET synchronous_commit = remote_apply".encode())
    ledger = opener(postgres.url(whole, user=role, password=PLANTED))

    assert values(ledger, "SHOW synchronous_commit") == ["remote_apply"]
    assert values(ledger, "SHOW synchronous_commit", durable=False) == ["off"]


def test_a_transaction_leaves_nothing_on_its_connection(
    open_sql: Open, new: New, now: datetime
) -> None:
    """So that PgBouncer may give the next one another connection."""
    ledger = open_sql()
    for number in range(12):
        ledger.begin(new(idempotency_key=f"k{number}"), now=now, lease=60)
        ledger.pacers.update(["a", "b"], lambda _states, _now: None)
    with ledger._database._open.get().connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        left = driver.execute(
            "SELECT current_setting('lock_timeout'),"
            " (SELECT count(*) FROM pg_prepared_statements),"
            " (SELECT count(*) FROM pg_locks"
            " WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        ).fetchone()

    assert left == ("0", 0, 0)


# Beside others


def test_writers_run_beside_each_other(open_sql: Open, new: New, now: datetime) -> None:
    ledger = open_sql(busy_timeout=0.2)
    with ledger._database.write(alone=["a"]):
        assert ledger.begin(new(idempotency_key="k"), now=now, lease=60)
        assert ledger.pacers.update(["p"], lambda _states, _now: 1) == 1


def test_of_those_with_a_name_in_common_one_runs_at_a_time(open_sql: Open) -> None:
    ledger = open_sql(busy_timeout=0.1)
    with ledger._database.write(alone=["b", "a", "b"]):
        for names in (["a"], ["c", "b"]):
            with (
                pytest.raises(LedgerError, match=r"was locked for more than 0\.1 s; end what"),
                ledger._database.write(alone=names),
            ):
                pytest.fail("it ran beside the other")
        with ledger._database.write(alone=["c"]):
            pass
    with ledger._database.write(alone=["a", "b"]):
        pass


def test_names_are_locked_in_one_order(open_sql: Open) -> None:
    """Were they not, some of these would wait for each other until the server ends one."""
    ledger = open_sql(busy_timeout=20)
    names = [f"n{number}" for number in range(6)]
    barrier = Barrier(4)

    def work(turn: int) -> None:
        barrier.wait(10)
        for step in range(20):
            at = (turn + step) % len(names)
            with ledger._database.write(alone=names[at:] + names[:at]):
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


@pytest.mark.parametrize(
    "lock",
    [
        "SELECT * FROM live_streams FOR UPDATE",
        "LOCK TABLE live_streams IN ACCESS EXCLUSIVE MODE",
    ],
    ids=["row", "table"],
)
def test_what_another_program_locks_for_too_long_is_told(
    open_sql: Open, database: str, raw: Engine, new: New, now: datetime, lock: str
) -> None:
    ledger = open_sql(busy_timeout=0.1)
    entry = ledger.begin(new(), now=now, lease=60)
    with raw.begin() as connection:
        connection.execute(text(lock))
        with pytest.raises(LedgerError, match=r"was locked for more than 0\.1 s"):
            ledger.created(entry.marker, "s1", now)

    assert ledger.by_marker(entry.marker) == entry
    assert ledger.created(entry.marker, "s1", now).stream_id == "s1"


def test_what_another_program_locks_for_a_moment_is_waited_for(
    open_sql: Open, raw: Engine, new: New, now: datetime
) -> None:
    ledger = open_sql(busy_timeout=20)
    entry = ledger.begin(new(), now=now, lease=60)
    connection = raw.connect()
    connection.execute(text("SELECT * FROM live_streams FOR UPDATE"))
    release = Timer(0.1, connection.close)
    release.start()

    assert ledger.created(entry.marker, "s1", now).stream_id == "s1"
    release.join(10)


def test_a_ledger_that_another_process_upgrades_for_too_long_is_not_opened(
    open_sql: Open,
) -> None:
    ledger = open_sql()
    with ledger._database.change_schema() as connection:
        connection.exec_driver_sql("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ConfigurationError, match=r"was locked for more than 0\.1 s"):
            open_sql(busy_timeout=0.1)


def test_a_process_has_a_few_connections_and_its_threads_wait_for_them(open_sql: Open) -> None:
    ledger = open_sql(busy_timeout=0.1)
    with ExitStack() as readers:
        for _ in range(5):
            readers.enter_context(ledger._database.read())
        with pytest.raises(LedgerError, match="had all 5 connections of this process in use for"):
            ledger.by_marker("m")
    assert ledger.by_marker("m") is None


def test_a_reader_sees_one_state(open_sql: Open, new: New, now: datetime) -> None:
    ledger = open_sql()
    count = "SELECT count(*) FROM live_streams"
    with ledger._database.read() as connection:
        before = connection.exec_driver_sql(count).scalar()
        ledger.begin(new(), now=now, lease=60)
        assert connection.exec_driver_sql(count).scalar() == before == 0


def test_a_reader_cannot_write(open_sql: Open) -> None:
    ledger = open_sql()
    with (
        pytest.raises(LedgerError, match="cannot be written"),
        ledger._database.read() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM pacers")


def test_an_error_that_was_caught_undoes_its_transaction_and_says_so(open_sql: Open) -> None:
    """PostgreSQL answers a COMMIT after an error with a rollback, and calls that no error."""
    ledger = open_sql()

    def go_on_after_an_error() -> None:
        with ledger._database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE made (a int)")
            with contextlib.suppress(DBAPIError):
                connection.exec_driver_sql("SELECT 1/0")

    with pytest.raises(LedgerError, match="failed: a statement of the transaction did"):
        go_on_after_an_error()
    with ledger._database.write() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('made')").scalar() is None


def test_what_failed_is_not_told_in_full(open_sql: Open) -> None:
    """Texts of the host are its own business, and the server's details are such texts."""
    ledger = open_sql()
    with (
        pytest.raises(LedgerError, match="failed: null value in column") as caught,
        ledger._database.write() as connection,
    ):
        connection.exec_driver_sql("INSERT INTO pacers (key) VALUES ('pl4nted')")
    assert_nothing_planted(caught.value)


def test_a_text_that_is_too_long_for_an_index_is_an_error_in_words(
    open_sql: Open, new: New, now: datetime
) -> None:
    import random

    ledger = open_sql()
    key = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    with pytest.raises(LedgerError, match="has no room for a text that is this long"):
        ledger.begin(new(marker="m", idempotency_key=key), now=now, lease=60)
    assert ledger.by_marker("m") is None


def test_a_closed_ledger_says_so(open_sql: Open, new: New, now: datetime) -> None:
    ledger = open_sql()
    ledger.close()
    ledger.close()

    with pytest.raises(LedgerError, match="is closed"):
        ledger.begin(new(), now=now, lease=60)


# A server that fails


def drop_connections(connection: psycopg.Connection, database: str) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid()",
        [database],
    )


def delete_all(ledger: SqlLedger, *, meanwhile: Callable[[], None]) -> None:
    with ledger._database.write() as transaction:
        transaction.exec_driver_sql("DELETE FROM live_streams")
        meanwhile()
        transaction.exec_driver_sql("DELETE FROM pacers")


def test_connections_that_the_server_dropped_are_made_anew(
    opener: Open, postgres: PostgresServer, whole: str, new: New, now: datetime
) -> None:
    ledger = opener(postgres.url(whole))
    entry = ledger.begin(new(), now=now, lease=60)
    with postgres.connect() as connection:
        drop_connections(connection, whole)

    assert ledger.by_marker(entry.marker) == entry


def test_a_connection_that_is_dropped_in_a_transaction_undoes_it(
    opener: Open, postgres: PostgresServer, whole: str, new: New, now: datetime
) -> None:
    ledger = opener(postgres.url(whole))
    entry = ledger.begin(new(), now=now, lease=60)

    def drop() -> None:
        with postgres.connect() as connection:
            drop_connections(connection, whole)

    with pytest.raises(LedgerError, match="is being shut down or started; try again"):
        delete_all(ledger, meanwhile=drop)

    assert ledger.by_marker(entry.marker) == entry


def test_a_server_that_is_killed_and_started_again_has_what_was_recorded(
    opener: Open, running: PostgresServer, new: New, now: datetime
) -> None:
    name = running.create_database()
    ledger = opener(running.url(name))
    entry = ledger.begin(new(), now=now, lease=60)
    running.kill()

    for _ in range(2):
        with pytest.raises(LedgerError, match=GONE):
            ledger.by_marker(entry.marker)
        with pytest.raises(LedgerError, match=GONE):
            ledger.created(entry.marker, "s1", now)

    running.start()
    assert ledger.by_marker(entry.marker) == entry
    assert ledger.created(entry.marker, "s1", now).stream_id == "s1"


def test_a_server_that_dies_in_a_transaction_has_nothing_of_it(
    opener: Open, running: PostgresServer, new: New, now: datetime
) -> None:
    name = running.create_database()
    ledger = opener(running.url(name))
    entry = ledger.begin(new(), now=now, lease=60)
    with pytest.raises(LedgerError, match=GONE):
        delete_all(ledger, meanwhile=running.kill)

    running.start()
    assert ledger.by_marker(entry.marker) == entry


def test_what_was_acknowledged_before_a_server_died_is_there(
    opener: Open, running: PostgresServer, new: New, now: datetime
) -> None:
    """Of four threads that write while it is killed, and go on when it is there again."""
    name = running.create_database()
    ledger = opener(running.url(name))
    acknowledged: list[Entry] = []
    failures: list[LedgerError] = []
    enough, again = Event(), Event()

    def write() -> None:
        after = 0
        while after < 5:
            try:
                acknowledged.append(ledger.begin(new(), now=now, lease=60))
            except LedgerError as error:
                failures.append(error)
                again.wait(20)
            else:
                after += again.is_set()
            if len(acknowledged) > 40:
                enough.set()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(20)
    running.kill()
    running.start()
    again.set()
    for thread in threads:
        thread.join(30)

    found = {one.marker: one for one in ledger.entries("acme", "4711 eu")}
    assert failures
    assert len(acknowledged) >= 60
    assert [found.get(one.marker) for one in acknowledged] == acknowledged


def test_a_server_that_is_stopped_in_good_order_says_so(
    opener: Open, running: PostgresServer, new: New, now: datetime
) -> None:
    ledger = opener(running.url(running.create_database()))
    with pytest.raises(LedgerError, match="is being shut down or started; try again in a moment"):
        delete_all(ledger, meanwhile=running.stop)
    running.start()

    assert ledger.begin(new(), now=now, lease=60)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of a few megabytes; only root can make one."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        disk = Path(folder) / "disk"
        disk.mkdir()
        mounted = os.geteuid() == 0 and shutil.which("mount") is not None
        if mounted:
            mount = ["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(disk)]
            mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        if not mounted:
            pytest.skip("no file system can be mounted here")
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_loses_nothing(
    opener: Open,
    postgres: PostgresServer,
    small_disk: Path,
    new: New,
    now: datetime,
) -> None:
    space = f"space_{small_disk.parent.name}".lower()
    shutil.chown(small_disk, "nobody")
    with postgres.connect() as connection:
        connection.execute(f"CREATE TABLESPACE {space} LOCATION '{small_disk}'".encode())
    name = postgres.create_database(more=f"TABLESPACE {space}")
    try:
        ledger = opener(postgres.url(name))
        done: list[Entry] = []

        def fill() -> None:
            while True:
                entry = ledger.begin(new(name=os.urandom(4000).hex()), now=now, lease=60)
                done.append(entry)

        with pytest.raises(LedgerError, match="has no room left on its server's disk; free some"):
            fill()
        assert len(done) > 100
        by_marker = {one.marker: one for one in ledger.entries("acme", "4711 eu")}
        assert [by_marker[one.marker] for one in done] == done
        assert len(by_marker) == len(done)

        subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
        assert ledger.begin(new(), now=now, lease=60)
        ledger.close()
    finally:
        postgres.drop_database(name)
        with postgres.connect() as connection:
            connection.execute(f"DROP TABLESPACE {space}".encode())
