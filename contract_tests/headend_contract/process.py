"""Serving an ASGI application as a process does: on a port of its own, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from headend.plugin import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 512

_GRACE: Final = 2
"""Seconds that running answers have to finish when it stops."""


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
