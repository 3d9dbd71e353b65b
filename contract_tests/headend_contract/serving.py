"""Serving an ASGI application on a loopback socket, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import ASGIApp

RESET: Final = "headend_contract.reset"
"""In the ``state`` of an ASGI scope: a function that resets the connection of the request."""


THREAD: Final = "headend-served"
"""The name of the thread that serves."""

_PATIENCE: Final = 0.1
"""Seconds that an application has to notice that its client is gone."""


class _Connection(H11Protocol):
    """A connection that lets the application reset it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.app_state = {**self.app_state, RESET: partial(_reset, transport)}


def _reset(transport: asyncio.Transport) -> None:
    """Close a connection so that nothing that was written arrives, and the peer sees a reset.

    A socket that is closed with a linger time of 0 sends RST and drops its buffer (socket(7)).
    """
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    transport.abort()


class Served:
    """An application on a free port; a context manager, from whose entry to whose exit it answers.

        with Served(app) as served:
            httpx.get(f"{served.url}/health")

    Attributes:
        url: where it answers, ``http://127.0.0.1:PORT``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.url = ""
        self._app = app
        self._state = ServerState()
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name=THREAD, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._started.result().call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def disconnect(self) -> None:
        """Reset all connections, so that no request of one test goes on in the next."""
        loop = self._started.result()
        asyncio.run_coroutine_threadsafe(self._disconnect(), loop).result()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _run(self) -> None:
        config = uvicorn.Config(
            self._app, interface="asgi3", lifespan="off", ws="none", log_config=None
        )
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            partial(_Connection, config, self._state, {}), "127.0.0.1", 0
        )
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started.set_result(loop)
        await self._stop.wait()
        server.close()
        await self._disconnect()

    async def _disconnect(self) -> None:
        for connection in list(self._state.connections):
            _reset(connection.transport)
        tasks = list(self._state.tasks)
        if tasks:
            # An application that sees its client gone ends by itself; cancelling is noisy.
            _, deaf = await asyncio.wait(tasks, timeout=_PATIENCE)
            for task in deaf:
                task.cancel()
            await asyncio.gather(*deaf, return_exceptions=True)
