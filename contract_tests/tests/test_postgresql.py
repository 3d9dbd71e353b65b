"""The PostgreSQL server of tests and benchmarks leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from headend_contract.postgresql import PostgresServer, why_not

if reason := why_not():
    pytest.skip(reason, allow_module_level=True)

KILLED = """
import time
from headend_contract.postgresql import PostgresServer
with PostgresServer({"fsync": "off"}) as server:
    print(server.url(), server.folder, flush=True)
    time.sleep(60)
"""


def test_it_is_gone_when_it_is_left() -> None:
    with PostgresServer({"fsync": "off"}) as server, server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not server.folder.exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        server.connect()


def test_it_is_gone_when_the_process_is_killed_that_started_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, folder = process.stdout.readline().split()
        with psycopg.connect(url):
            pass
        os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.05)

    assert not Path(folder).exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)


def test_what_is_stopped_or_killed_can_be_started_again() -> None:
    with PostgresServer({"fsync": "off"}) as server:
        name = server.create_database()
        for end in (server.stop, server.kill):
            end()
            assert not server.is_running
            server.start()
            with server.connect(name) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)


def test_nobody_comes_in_without_the_password() -> None:
    with (
        PostgresServer({"fsync": "off"}) as server,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(server.url(password="wrong"))
