"""Processes: one that serves an ASGI application until it is told to stop, and others to start.

`serve_until_told` is what `headend simulate` does.  All below it is for tests that use headend as
people do, from the command line, with each command in a process of its own::

    with running_command("headend simulate acme --port 0", {}) as simulator:
        made = value_of_command("headend create 42", simulator.environment)
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import uvicorn
from attrs import frozen

from headend.plugin import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

_T = TypeVar("_T")

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 512

_GRACE: Final = 2
"""Seconds that running answers have to finish when it stops."""

_PATIENCE: Final = 60.0
"""Seconds that a command may take that ends by itself."""

_TO_BE_READY: Final = 30.0
_TO_STOP: Final = 10.0
"""Seconds that a command may take that stays."""

_LOOKS: Final = 0.05
"""Seconds between two looks at something that is waited for."""


def serve_until_told(app: ASGIApp, port: int, *, on_ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until Ctrl-C or SIGTERM.

    Args:
        app: the application.
        port: 0 stands for any free one.
        on_ready: is called with the address, ``http://127.0.0.1:PORT``, once it answers there.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    with _listen(port) as listening:
        asyncio.run(_serve(app, listening, on_ready))


async def _serve(app: ASGIApp, listening: socket.socket, on_ready: Callable[[str], None]) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        ),
        lambda: on_ready(f"http://{_HOST}:{listening.getsockname()[1]}"),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, server.stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(server.stop))
    await server.serve(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn without its own ideas about signals, which tells when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def stop(self) -> None:
        """Let running answers finish and end."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # A restart must not wait for connections of the last run to time out.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((_HOST, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigurationError(_why_not(error, port)) from error
    return listening


def _why_not(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        look = f"netstat -ano | findstr :{port}" if os.name == "nt" else f"lsof -i :{port}"
        return (
            f"port {port} is taken by another program (`{look}` tells which); stop it, or choose "
            "another port with --port (0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights; choose one above 1023 with --port"
    return f"port {port} cannot be had: {error.strerror}"


class CommandError(Exception):
    """A command did not do what it was started for; the text has what it said of that."""


@frozen
class Running:
    """A command that stays, when it is ready.

    Attributes:
        ready: the value that it printed then.
    """

    ready: Mapping[str, object]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it says to set."""
        given = self.ready["environment"]
        if not isinstance(given, dict):
            raise CommandError(f"its environment is {given!r}, and no object")
        return {str(name): str(value) for name, value in given.items()}


@contextmanager
def running_command(line: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """Run a command that stays until the block is left; then it must end well by Ctrl-C.

    Args:
        line: as a person types it, such as ``"headend simulate acme"``.
        environment: variables beside those of this process.

    Raises:
        CommandError: it ended before it was told to, or not well.
        subprocess.TimeoutExpired: it did not end within 10 s.
    """
    process = subprocess.Popen(  # noqa: S603  # headend itself, with what a test types
        _typed(line),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    stuck = threading.Timer(_TO_BE_READY, process.kill)
    stuck.start()
    try:
        ready = process.stdout.readline()
        stuck.cancel()
        if not ready:
            raise CommandError(f"`{line}` did not get ready: {process.communicate()[1]}")
        yield Running(json.loads(ready))
        if process.poll() is not None:
            raise CommandError(f"`{line}` ended by itself: {process.communicate()[1]}")
    finally:
        stuck.cancel()
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
    if process.returncode != 0:
        raise CommandError(f"`{line}` ended with exit code {process.returncode}: {said}")


def run_command(
    line: str, environment: Mapping[str, str], *, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which must come within a minute.

    Args:
        line: as a person types it.
        environment: variables beside those of this process.
        folder: where it is run; without it, here.
    """
    return _run(_typed(line), environment, folder=folder)


def value_of_command(line: str, environment: Mapping[str, str]) -> dict[str, object]:
    """Run a command with ``--json`` and return the object that it prints.

    Raises:
        CommandError: it did not end well, or printed something else.
    """
    done = run_command(f"{line} --json", environment)
    if done.returncode != 0:
        raise CommandError(f"`{line}` ended with exit code {done.returncode}: {done.stderr}")
    value: object = json.loads(done.stdout)
    if not isinstance(value, dict):
        raise CommandError(f"`{line}` printed no object: {done.stdout}")
    return value


def run_program(
    program: str, environment: Mapping[str, str], *, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end, which must come within a minute.

    Args:
        program: its text.
        environment: variables beside those of this process.
        typed: what a person types while it runs.
    """
    return _run([sys.executable, "-c", program], environment, typed=typed)


def eventually(find: Callable[[], _T | None], what: str, *, within: float = 15.0) -> _T:
    """Wait in real time until there is something, and return it.

    Args:
        find: returns it, or `None` while there is nothing.
        what: what is waited for, for the message.
        within: seconds.

    Raises:
        TimeoutError: there is still nothing.
    """
    pause = threading.Event()
    deadline = time.monotonic() + within
    while (found := find()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come within {within:g} s that {what}")
        pause.wait(_LOOKS)
    return found


def _typed(line: str) -> list[str]:
    """Return a command as a process, with this interpreter's `headend`."""
    program, *arguments = shlex.split(line)
    if program != "headend":
        raise ValueError(f"`{line}` is no command of headend")
    return [sys.executable, "-m", "headend", *arguments]


def _run(
    command: list[str],
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    typed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # this Python, with what a test types
        command,
        env={**os.environ, **environment},
        cwd=folder,
        input=typed,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
