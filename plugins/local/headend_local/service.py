"""The whole server in one process on one event loop: both ports, the data folder, the clock.

`LocalServer.open` takes hold of everything that another program could have taken, so that a
conflict is told before anything starts; `LocalServer.run` serves until it is told to stop.
"""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from attrs import field, frozen

from headend.plugin import ConfigurationError
from headend_local.addresses import Addresses
from headend_local.http import create_app, identity_of
from headend_local.ingest import IngestLimits, IngestServer
from headend_local.live_stream import Timing
from headend_local.registry import Registry
from headend_local.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


log = logging.getLogger(__name__)

_USUAL_HTTP_PORT: Final = 8935
_BACKLOG: Final = 512
_ASK: Final = 3.0
"""Seconds that the owner of a port has to say who it is."""

_GRACE: Final = 2
"""Seconds that running answers have to finish when the server stops."""


@frozen(kw_only=True)
class ServerOptions:
    """Where the server listens and keeps things; port 0 stands for any free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    rtmp_port: int = 1935
    http_port: int = _USUAL_HTTP_PORT


@frozen(kw_only=True)
class Tuning:
    """How patient the server is with encoders; the defaults suit everyone but tests."""

    timing: Timing = field(factory=Timing)
    limits: IngestLimits = field(factory=IngestLimits)


class LocalServer:
    """A server that holds its ports and its data folder; it serves while `run` runs.

    Attributes:
        addresses: where it can be reached; real ports even where 0 was asked for.
    """

    def __init__(
        self,
        options: ServerOptions,
        rtmp: socket.socket,
        http_socket: socket.socket,
        state: State,
        tuning: Tuning,
    ) -> None:
        self.addresses = Addresses(
            host=options.host,
            rtmp_port=rtmp.getsockname()[1],
            http_port=http_socket.getsockname()[1],
        )
        self._options = options
        self._rtmp = rtmp
        self._http = http_socket
        self._state = state
        self._limits = tuning.limits
        self._registry = Registry(state, timing=tuning.timing)

    @classmethod
    def open(cls, options: ServerOptions, *, tuning: Tuning | None = None) -> LocalServer:
        """Take hold of the ports and the data folder.

        Raises:
            ConfigurationError: a port or the folder cannot be had; it says who has it.
        """
        with ExitStack() as undo:
            rtmp = undo.enter_context(_listen(options, "RTMP", options.rtmp_port))
            http_socket = undo.enter_context(_listen(options, "HTTP", options.http_port))
            state = undo.enter_context(State.open(options.data_dir))
            server = cls(options, rtmp, http_socket, state, tuning or Tuning())
            state.record_owner(identity_of(server.addresses))
            undo.pop_all()
        return server

    @property
    def ready_line(self) -> dict[str, object]:
        """What a program that starts the server needs to know."""
        data_dir = str(self._options.data_dir)
        return {
            "rtmp_url": self.addresses.own_rtmp_url,
            "http_url": self.addresses.own_http_url,
            "control_url": f"{self.addresses.own_http_url}/api/v1",
            "data_dir": data_dir,
            "pid": os.getpid(),
            "environment": self.environment,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that let a host find this server."""
        return {
            "STREAMING_PLATFORM": "local",
            "HEADEND_LOCAL_URL": self.addresses.own_http_url,
            "HEADEND_DATA_DIR": str(self._options.data_dir),
        }

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None]) -> None:
        """Serve until `stop` is set, then let everyone go and keep what was measured."""
        app = create_app(self._registry, token=self._state.token, addresses=self.addresses)
        web = _Web(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                # Forwarded addresses are anyone's claim; who is local is told by the socket.
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        ingest = IngestServer(self._registry, limits=self._limits)
        try:
            await ingest.start(self._rtmp)
            async with asyncio.TaskGroup() as tasks:
                ticking = tasks.create_task(self._tick())
                tasks.create_task(web.serve(sockets=[self._http]))
                await web.ready.wait()
                on_ready()
                await stop.wait()
                self._registry.release()
                await ingest.stop()
                ticking.cancel()
                web.should_exit = True
        finally:
            self._registry.save_totals()
            self.close()

    def close(self) -> None:
        """Let go of the ports and the data folder."""
        self._rtmp.close()
        self._http.close()
        self._state.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                self._registry.tick()
            except Exception as error:  # noqa: BLE001 - a full disk, say; broadcasts go on
                kind = type(error).__name__
                log.warning("housekeeping failed, will try again: %s: %s", kind, error)


class _Web(uvicorn.Server):
    """uvicorn without its own ideas about signals, which tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_until_told(
    server: LocalServer, *, on_ready: Callable[[], None], until_stdin_closes: bool
) -> None:
    """Serve until Ctrl-C or SIGTERM, or until standard input ends if that is wanted."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    if until_stdin_closes:
        threading.Thread(target=_wait_for_end_of_stdin, args=(loop, stop), daemon=True).start()
    await server.run(stop, on_ready=on_ready)


def _wait_for_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # The bare descriptor: a thread inside sys.stdin's lock would hang the interpreter's exit.
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    with suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(stop.set)


# ---------------------------------------------------------------------- taking hold of a port


def _listen(options: ServerOptions, what: str, port: int) -> socket.socket:
    """Listen on a port, or say why not and who does."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigurationError(f"--host {options.host}: {error.strerror}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # A restart must not wait for connections of the last run to time out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # At once: two sockets may share a port as long as neither listens.
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_explain(error, options, what, port)) from error
    return listener


def _explain(error: OSError, options: ServerOptions, what: str, port: int) -> str:
    option = f"--{what.lower()}-port"
    if error.errno == errno.EADDRINUSE:
        owner = _find_owner(options, what, port)
        if owner is not None:
            return (
                f"port {port} for {what} is taken by another headend server (process "
                f"{owner['pid']}, RTMP port {owner['rtmp_port']}, HTTP port "
                f"{owner['http_port']}); stop it, use it, or give this one other ports with "
                "--rtmp-port and --http-port (0 picks a free one)"
            )
        look = f"netstat -ano | findstr :{port}" if os.name == "nt" else f"lsof -i :{port}"
        return (
            f"port {port} for {what} is taken by another program (`{look}` tells which); stop it, "
            f"or choose another port with {option} (0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} for {what} needs more rights; choose one above 1023 with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {options.host} is not an address of this machine"
    return f"port {port} for {what} cannot be had: {error.strerror}"


def _find_owner(options: ServerOptions, what: str, port: int) -> dict[str, int] | None:
    """Ask the headend server that has this port who it is; `None` if it is not one.

    RTMP has no way to ask, so its port is looked for among the HTTP ports that come to mind.
    """
    candidates = [port]
    if what == "RTMP":
        recorded = State.recorded_http_ports(options.data_dir)
        candidates = [options.http_port, *recorded, _USUAL_HTTP_PORT]
    for candidate in dict.fromkeys(candidates):
        identity = _ask_identity(options.host, candidate)
        if identity is not None and identity[f"{what.lower()}_port"] == port:
            return identity
    return None


def _ask_identity(host: str, port: int) -> dict[str, int] | None:
    addresses = Addresses(host=host, rtmp_port=0, http_port=port)
    connection = http.client.HTTPConnection(addresses.own_host.strip("[]"), port, timeout=_ASK)
    try:
        connection.request("GET", "/identity")
        answer = json.loads(connection.getresponse().read(4096))
        if answer["server"] != "headend-local":
            return None
        return {key: int(answer[key]) for key in ("pid", "rtmp_port", "http_port")}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def configure_logging() -> None:
    """Send the server's talk to standard error, one line each."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
