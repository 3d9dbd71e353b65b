"""One small HTTP request, bounded in every direction.

Core itself needs HTTP in a few small places only: looking whether a playlist can be played,
the demo's own viewer, a webhook.  This module serves them with the standard library:

* one deadline over the whole request, name look-up and slow trickles included;
* an upper limit on the size of the body;
* redirects are followed on the same host only, and never from https down to http;
* a body that ends early is an error, never a short success;
* the request bears the User-Agent ``Mozilla/5.0 (compatible; headend/VERSION)``.

An answer with an error status is an answer: `fetch` returns it.  Errors name the host only,
because paths and queries of playback URLs can bear tokens.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urljoin, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn
    from urllib.parse import SplitResult

    from typing_extensions import Buffer

    _AddressInfo = Sequence[
        tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int | bytes, ...]]
    ]

__all__ = [
    "FetchConnectionError",
    "FetchError",
    "FetchResponseError",
    "FetchTimeoutError",
    "Response",
    "fetch",
]

MAX_REDIRECTS: Final = 5
"""How many redirects one `fetch` follows."""

_BLOCK: Final = 64 * 1024
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class FetchError(Exception):
    """A request that brought no usable answer; the base of the three below."""


class FetchConnectionError(FetchError):
    """No answer: the name is unknown, the port closed, the certificate bad, the link cut."""


class FetchTimeoutError(FetchError):
    """The deadline passed before the whole answer was here."""


class FetchResponseError(FetchError):
    """An answer that is not taken: not HTTP, too large, cut short, or a refused redirect."""


@attrs.frozen
class Response:
    """A whole HTTP answer, whatever its status.

    Attributes:
        status: the HTTP status, redirects already followed.
        headers: field names in lower case; fields that came repeatedly are joined by ", ".
        body: the whole body, in bytes.
        url: where the answer came from, after redirects; the base for relative URLs in it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    url: str = attrs.field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (200 to 299)."""
        return 200 <= self.status <= 299


def fetch(
    url: str,
    *,
    timeout: float,
    max_bytes: int,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Response:
    """Send one request and return the whole answer.

    Args:
        url: an absolute http or https URL without user information.
        timeout: seconds for everything together, redirects included.
        max_bytes: the largest body that is taken, in bytes.
        method: the HTTP method.  Redirects of GET and HEAD are followed; the redirect of any
            other method is returned as it came, because a request that changes something is
            not to be repeated elsewhere.
        body: the request's body.
        headers: further request headers.
        ssl_context: for https; the system's trust store when not given.

    Raises:
        ValueError: the URL is not an absolute http or https URL; nothing was sent.
        FetchConnectionError: no answer came.
        FetchTimeoutError: the time ran out.
        FetchResponseError: the answer breaks a limit, ends early or is not HTTP.
    """
    deadline = _Deadline(timeout)
    parts = _parse(url)
    for _ in range(MAX_REDIRECTS + 1):
        with _errors_of(parts, timeout):
            response = _request(
                url, parts, method, body, dict(headers or {}), max_bytes, deadline, ssl_context
            )
        target = response.headers.get("location")
        if response.status not in _REDIRECTS or method not in {"GET", "HEAD"} or target is None:
            return response
        url, parts = _redirected(url, parts, target)
    raise FetchResponseError(f"{_origin(parts)} redirected more than {MAX_REDIRECTS} times")


def _parse(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
        raise ValueError("the URL must be absolute and start with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("the URL must not hold a user name or password")
    if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in url):
        raise ValueError("the URL holds a space, a control or a non-ASCII character")
    return parts


def _address(parts: SplitResult) -> tuple[str, int]:
    return parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"


def _redirected(url: str, parts: SplitResult, target: str) -> tuple[str, SplitResult]:
    try:
        joined = urljoin(url, target)
        other = _parse(joined)
    except ValueError as error:
        raise FetchResponseError(f"{_origin(parts)} redirects badly: {error}") from None
    same = other.scheme == parts.scheme and _address(other) == _address(parts)
    upgraded = (parts.scheme, other.scheme) == ("http", "https") and (
        (parts.hostname, 80, 443) == (other.hostname, _address(parts)[1], _address(other)[1])
    )
    if not (same or upgraded):
        raise FetchResponseError(
            f"{_origin(parts)} redirects to {_origin(other)}; a redirect to another host, port "
            "or down to http is not followed"
        )
    return joined, other


class _Deadline:
    """A point in time that no operation may outlive."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds that are left, always more than 0.

        Raises:
            TimeoutError: none is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _DeadlineReader(io.RawIOBase):
    """The reading side of a socket; every single read gets only the time that is left."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        self._sock.settimeout(self._deadline.remaining())
        return self._sock.recv_into(buffer)


class _Wire:
    """What `http.client` uses of a socket, under one deadline.

    A socket's own `makefile` waits the full timeout anew at each read, so a server that
    sends one byte at a time could hold the caller for ever.
    """

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.remaining())
            view = view[self._sock.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode  # always "rb"
        return io.BufferedReader(_DeadlineReader(self._sock, self._deadline))

    def close(self) -> None:
        """Leave the socket open: `http.client` closes before the body is read."""


def _request(
    url: str,
    parts: SplitResult,
    method: str,
    body: bytes | None,
    headers: dict[str, str],
    max_bytes: int,
    deadline: _Deadline,
    ssl_context: ssl.SSLContext | None,
) -> Response:
    host, port = _address(parts)
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(_connect(host, port, deadline))
        if parts.scheme == "https":
            context = ssl_context or ssl.create_default_context()
            sock.settimeout(deadline.remaining())
            sock = stack.enter_context(context.wrap_socket(sock, server_hostname=host))
        connection = http.client.HTTPConnection(host, port)
        connection.sock = cast("socket.socket", _Wire(sock, deadline))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc, "User-Agent": _user_agent(), "Connection": "close"} | headers
        connection.request(method, target, body=body, headers=sent)
        answer = stack.enter_context(connection.getresponse())
        return Response(
            status=answer.status,
            headers={
                name.lower(): ", ".join(answer.headers.get_all(name, [])) for name in answer.headers
            },
            body=_read(answer, parts, max_bytes),
            url=url,
        )


@functools.cache
def _user_agent() -> str:
    """Say who asks, in the form that browsers use.

    Some content delivery networks refuse an agent that does not begin as a browser's does (403,
    "error code: 1010"), so that nothing there would ever be found playable.
    """
    return f"Mozilla/5.0 (compatible; headend/{version('headend')})"


def _read(answer: http.client.HTTPResponse, parts: SplitResult, max_bytes: int) -> bytes:
    def refuse() -> NoReturn:
        raise FetchResponseError(f"{_origin(parts)} sends more than {max_bytes} bytes")

    if answer.length is not None and answer.length > max_bytes:
        refuse()
    blocks: list[bytes] = []
    size = 0
    while block := answer.read(min(_BLOCK, max_bytes - size + 1)):
        size += len(block)
        if size > max_bytes:
            refuse()
        blocks.append(block)
    # http.client takes an early end for the end, unless all is read by one call.
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(blocks)


def _connect(host: str, port: int, deadline: _Deadline) -> socket.socket:
    failure: OSError | None = None
    for family, kind, protocol, _, address in _resolve(host, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.remaining())
            sock.connect(address)
        except TimeoutError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or OSError("the name has no address")


def _resolve(host: str, port: int, deadline: _Deadline) -> _AddressInfo:
    def look_up() -> _AddressInfo:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return look_up()
    # The system's resolver takes no timeout, so it is waited for from outside.
    answers: queue.SimpleQueue[_AddressInfo | OSError] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(look_up())
        except UnicodeError as error:
            answers.put(OSError(f"not a host name: {error}"))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=resolve, name="headend-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


@contextlib.contextmanager
def _errors_of(parts: SplitResult, timeout: float) -> Iterator[None]:
    origin = _origin(parts)
    try:
        yield
    except TimeoutError as error:
        raise FetchTimeoutError(f"{origin} did not answer within {timeout:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise FetchConnectionError(
            f"the certificate of {origin} is not valid: {error.verify_message}"
        ) from error
    except http.client.RemoteDisconnected as error:
        raise FetchConnectionError(f"{origin} closed the connection without answering") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise FetchConnectionError(f"{origin} cannot be reached: {reason}") from error
    except http.client.IncompleteRead as error:
        raise FetchResponseError(f"the answer of {origin} ended early") from error
    except http.client.HTTPException as error:
        raise FetchResponseError(
            f"{origin} does not answer in valid HTTP ({type(error).__name__})"
        ) from error
