"""A push over a blocking socket: RTMP, and RTMPS with the server's certificate verified."""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from urllib.parse import urlsplit

from headend.rtmp.client import (
    ClientSession,
    ClientState,
    PublishAccepted,
    PublishRefused,
)
from headend.rtmp.errors import (
    PublishEndedError,
    PublishRefusedError,
    RtmpConnectionError,
    RtmpError,
    RtmpTimeoutError,
)

if TYPE_CHECKING:
    from types import TracebackType

    from headend.rtmp.client import (
        ClientEvent,
    )
    from headend.rtmp.flv import Tag
    from headend.secret import Secret

__all__ = [
    "PublishConnection",
    "PublishEndedError",
    "PublishRefusedError",
    "RtmpConnectionError",
    "RtmpError",
    "RtmpTimeoutError",
]

_DEFAULT_PORTS: Final = {"rtmp": 1935, "rtmps": 443}
_READ_SIZE: Final = 65536
_FAREWELL: Final = 1.0  # seconds that close() gives the server to take the last bytes


class PublishConnection:
    """A publish that a server has accepted: send tags until `close`.

    Use `connect`, and the connection as a context manager.  One thread at a time.
    """

    def __init__(
        self, sock: socket.socket, session: ClientSession, *, peer: str, timeout: float
    ) -> None:
        """Take over a connected, non-blocking socket.  `connect` is the way to get one."""
        self._socket = sock
        self._session = session
        self._peer = peer
        self._timeout = timeout
        self._unsent = memoryview(b"")
        self._bytes_sent = 0
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)

    @classmethod
    def connect(
        cls,
        server_url: str,
        stream_key: Secret,
        *,
        timeout: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> PublishConnection:
        """Connect to a server and return when it has accepted the publish.

        Args:
            server_url: ``rtmp://host[:port]/app`` or ``rtmps://...``, as encoders ask for it and
                without the stream key; the default ports are 1935 and 443.
            stream_key: what the server knows the live stream by.
            timeout: seconds for all of this; later for the server to take any data at all.
            ssl_context: how to verify an RTMPS server; by default as Python does for HTTPS.

        Raises:
            ValueError: `server_url` cannot be used; nothing was sent.
            PublishRefusedError: the server does not accept the key.
            RtmpTimeoutError: the server is silent.
            RtmpConnectionError: no connection to the server, or its certificate is not trusted.
            ProtocolError: what answers is no RTMP server.
        """
        address = _parse(server_url)
        peer = f"{address.host}:{address.port}"
        deadline = time.monotonic() + timeout
        sock = _open_socket(address, peer, deadline)
        try:
            if address.tls:
                sock = _wrap(sock, address.host, peer, deadline, ssl_context)
            sock.setblocking(False)
            session = ClientSession(address.app, address.tc_url, stream_key)
            connection = cls(sock, session, peer=peer, timeout=timeout)
        except BaseException:
            sock.close()
            raise
        try:
            connection._await_acceptance(deadline)
        except BaseException:
            connection._release()
            raise
        return connection

    @property
    def bytes_sent(self) -> int:
        """Bytes handed to the operating system so far: RTMP, before TLS."""
        return self._bytes_sent

    def send(self, tag: Tag) -> None:
        """Send a tag, and answer what the server has asked meanwhile.

        Blocks while the server takes less than is sent, at most `timeout` seconds without progress.

        Raises:
            PublishEndedError: the server ended the publish.
            RtmpTimeoutError: the server takes no more data.
            RtmpConnectionError: the connection broke, or is closed.
            ProtocolError: the server broke the protocol.
        """
        if self._closed or self._session.state is not ClientState.PUBLISHING:
            raise RtmpConnectionError(f"the publish to {self._peer} is over")
        self._read()
        self._session.send_tag(tag)
        self._write_all()

    def close(self) -> None:
        """End the publish in order and close the connection.  A second call does nothing."""
        if self._closed:
            return
        deadline = time.monotonic() + min(self._timeout, _FAREWELL)
        # Whatever happens now, the publish is over: there is nobody to tell.
        with suppress(RtmpError, OSError):
            self._session.close_publish()
            self._write_all(deadline)
            self._say_goodbye(deadline)
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _await_acceptance(self, deadline: float) -> None:
        while self._session.state is not ClientState.PUBLISHING:
            self._write_all(deadline)
            self._wait(selectors.EVENT_READ, deadline, "answered")
            self._read()
        self._write_all(deadline)

    def _read(self) -> None:
        """Take everything that has come, without waiting."""
        while True:
            try:
                data = self._socket.recv(_READ_SIZE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise self._broken(error) from error
            if not data:
                raise self._broken(None)
            for event in self._session.receive(data):
                self._heed(event)

    def _heed(self, event: ClientEvent) -> None:
        if isinstance(event, PublishAccepted):
            return
        if isinstance(event, PublishRefused):
            raise PublishRefusedError(event.code, event.description)
        raise PublishEndedError(event.code, event.description)

    def _broken(self, error: OSError | None) -> RtmpError:
        if self._session.state in (ClientState.CREATING, ClientState.REQUESTED):
            # Many platforms answer a wrong key by nothing but this.
            return PublishRefusedError(
                "", f"{self._peer} closed the connection after the stream key was sent"
            )
        how = f"broke ({error.strerror or error})" if error else "was closed by the server"
        return RtmpConnectionError(f"the connection to {self._peer} {how}")

    def _write_all(self, deadline: float | None = None) -> None:
        """Write all that waits; `deadline` None gives each step forward `timeout` seconds."""
        give_up = deadline or time.monotonic() + self._timeout
        while True:
            if not self._unsent:
                self._unsent = memoryview(self._session.data_to_send())
                if not self._unsent:
                    return
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE, give_up, "taken any data")
                self._read()
                continue
            except OSError as error:
                # The server's last words may say why.
                self._read()
                raise self._broken(error) from error
            self._unsent = self._unsent[sent:]
            self._bytes_sent += sent
            if deadline is None:
                give_up = time.monotonic() + self._timeout

    def _wait(self, events: int, deadline: float, what: str) -> None:
        self._selector.modify(self._socket, events)
        if not self._selector.select(max(0.0, deadline - time.monotonic())):
            raise RtmpTimeoutError(f"{self._peer} has not {what} for {self._timeout:g} s")

    def _say_goodbye(self, deadline: float) -> None:
        # Closing a socket with unread bytes in it resets the connection, and the reset may
        # overtake the last frames: end our side, then read until the server ends its own.
        if isinstance(self._socket, ssl.SSLSocket):
            with suppress(ssl.SSLError):
                self._socket.unwrap()
        self._socket.shutdown(socket.SHUT_WR)
        while True:
            self._wait(selectors.EVENT_READ, deadline, "closed")
            if not self._socket.recv(_READ_SIZE):
                return

    def _release(self) -> None:
        self._closed = True
        self._selector.close()
        self._socket.close()


class _Address(NamedTuple):
    tls: bool
    host: str
    port: int
    app: str
    tc_url: str


def _parse(server_url: str) -> _Address:
    # The messages show no part of the URL: users paste stream keys into it.
    url = urlsplit(server_url.strip())
    default_port = _DEFAULT_PORTS.get(url.scheme)
    if default_port is None:
        raise ValueError("the server URL must begin with rtmp:// or rtmps://")
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ValueError("the port in the server URL is not a number up to 65535") from error
    if not host:
        raise ValueError("the server URL names no host")
    if url.username is not None:
        raise ValueError("a user name or password in the server URL is not supported")
    app = url.path.strip("/")
    if not app:
        raise ValueError("the server URL names no application, such as /live")
    if url.query:
        app += f"?{url.query}"
    return _Address(
        tls=url.scheme == "rtmps",
        host=host,
        port=port or default_port,
        app=app,
        tc_url=f"{url.scheme}://{url.netloc}/{app}",
    )


def _open_socket(address: _Address, peer: str, deadline: float) -> socket.socket:
    try:
        candidates = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise RtmpConnectionError(f"{address.host} cannot be resolved: {error.strerror}") from error
    failure: OSError | None = None
    for family, kind, protocol, _, target in candidates:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_remaining(deadline))
            sock.connect(target)
            # A tag goes out when it is sent, not when more have gathered.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise RtmpTimeoutError(f"{peer} does not accept a connection in time") from failure
    if isinstance(failure, ConnectionRefusedError):
        raise RtmpConnectionError(f"nothing listens on {peer}") from failure
    why = failure.strerror or str(failure) if failure else "no address"
    raise RtmpConnectionError(f"no connection to {peer}: {why}") from failure


def _wrap(
    sock: socket.socket,
    host: str,
    peer: str,
    deadline: float,
    ssl_context: ssl.SSLContext | None,
) -> ssl.SSLSocket:
    context = ssl_context or ssl.create_default_context()
    try:
        sock.settimeout(_remaining(deadline))
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise RtmpConnectionError(
            f"the certificate of {peer} is not trusted: {error.verify_message}"
        ) from error
    except TimeoutError as error:
        raise RtmpTimeoutError(f"{peer} does not answer the TLS handshake") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise RtmpConnectionError(
            f"no TLS with {peer} ({why}); is it an rtmps:// server?"
        ) from error


def _remaining(deadline: float) -> float:
    # A timeout of 0 would mean "do not block" to a socket.
    return max(0.001, deadline - time.monotonic())
