"""Keeping this process from the network, so that what is replayed cannot meet a server.

While a block holds, the methods of `socket.socket` that reach out and the functions that look up
names refuse to, in every thread, whoever made the socket.  When the last block ends, all are as
they were.
"""

from __future__ import annotations

import _socket
import errno
import ipaddress
import os
import socket
import threading
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Final, Self

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType, TracebackType

_METHODS: Final[Mapping[str, str]] = {
    "connect": "connect to",
    "connect_ex": "connect to",
    "sendto": "send a datagram to",
    "sendmsg": "send a datagram to",
}
"""The methods of a socket that take an address, always as the last argument that they are given."""

_FUNCTIONS: Final = (
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
)
"""The functions of the socket module that ask a name server."""

_SENDMSG_ADDRESS: Final = 3
"""The place of the address among the arguments of `sendmsg`, which may lack it."""

_NETWORKS: Final = frozenset({socket.AF_INET, socket.AF_INET6})

NO_CREDENTIALS: Final[Mapping[str, str]] = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""What ends boto3's search for credentials before it reads a file or asks a metadata service.

Source: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html
"""

_CLOUD: Final = ("AWS_", "BOTO_")
"""Prefixes of what boto3 reads from the environment."""

_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class NetworkBlockedError(OSError):
    """Code tried to reach a server while that was blocked; to its caller the network is down."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.ENETUNREACH, f"blocked by the contract suite: {what}")


@frozen
class Escape:
    """What was tried while it was blocked.

    Attributes:
        verb: ``"connect to"``, ``"send a datagram to"`` or ``"look up"``.
        where: the address or name, with the port where there is one.
    """

    verb: str
    where: str

    def __str__(self) -> str:
        return f"{self.verb} {self.where}"


class NetworkBlock:
    """From its entry to its exit, nothing in this process reaches a server.

    Blocks may lie in one another and end in any order: what one of them forbids is forbidden.
    Unix sockets go on working, and so do connections that were open before.

        with NetworkBlock() as block:
            ...
        assert block.escapes == ()

    Args:
        loopback: let servers on this machine be reached.
    """

    def __init__(self, *, loopback: bool = False) -> None:
        self._loopback = loopback
        self._escapes: list[Escape] = []

    @property
    def escapes(self) -> tuple[Escape, ...]:
        """All that was tried, in order; it is known even where the caller hid the error."""
        return tuple(self._escapes)

    def __enter__(self) -> Self:
        _switch.add(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        _switch.remove(self)

    def forbids(self, host: object) -> bool:
        """Tell whether a host must not be reached, and a name not be looked up."""
        return not (self._loopback and is_loopback(host))

    def note(self, escape: Escape) -> None:
        """Remember what was tried."""
        self._escapes.append(escape)


class _Switch:
    """The blocks that hold now, and the guards that look at them."""

    def __init__(self) -> None:
        self._blocks: tuple[NetworkBlock, ...] = ()
        self._lock = threading.Lock()
        self._undo: list[Callable[[], None]] = []

    def add(self, block: NetworkBlock) -> None:
        with self._lock:
            if not self._blocks:
                self._guard_all()
            self._blocks = (*self._blocks, block)

    def remove(self, block: NetworkBlock) -> None:
        with self._lock:
            self._blocks = tuple(one for one in self._blocks if one is not block)
            if not self._blocks:
                while self._undo:
                    self._undo.pop()()

    def _guard_all(self) -> None:
        for name, verb in _METHODS.items():
            if hasattr(socket.socket, name):
                self._replace(socket.socket, name, self._guarded_method(name, verb))
        for name in _FUNCTIONS:
            # The socket module has its own getaddrinfo, which calls that of the C module.
            for module in (_socket, socket):
                self._replace(module, name, self._guarded_function(getattr(module, name)))

    def _replace(self, owner: type | ModuleType, name: str, guard: Callable[..., object]) -> None:
        before = vars(owner).get(name)
        setattr(owner, name, guard)
        # What a class only inherits is had again by taking the guard away.
        self._undo.append(
            (lambda: delattr(owner, name))
            if before is None
            else lambda: setattr(owner, name, before)
        )

    def _guarded_method(self, name: str, verb: str) -> Callable[..., object]:
        method: Callable[..., object] = getattr(socket.socket, name)

        @wraps(method)
        def guard(sock: socket.socket, *arguments: object) -> object:
            address = arguments[-1] if arguments else None
            if name == "sendmsg":
                address = arguments[_SENDMSG_ADDRESS] if len(arguments) > _SENDMSG_ADDRESS else None
            if address is not None and sock.family in _NETWORKS:
                self._check(verb, address)
            return method(sock, *arguments)

        return guard

    def _guarded_function(self, function: Callable[..., object]) -> Callable[..., object]:
        @wraps(function)
        def guard(*arguments: object, **more: object) -> object:
            given = [*arguments, *more.values()]
            target: object = given[0] if given else None
            if function.__name__ == "getaddrinfo":
                target = tuple(given[:2])
            self._check("look up", target)
            return function(*arguments, **more)

        return guard

    def _check(self, verb: str, target: object) -> None:
        host, where = _read(target)
        escape = Escape(verb, where)
        forbidding = [one for one in self._blocks if one.forbids(host)]
        for block in forbidding:
            block.note(escape)
        if forbidding:
            raise NetworkBlockedError(str(escape))


_switch: Final = _Switch()


def _read(target: object) -> tuple[object, str]:
    """Return the host of an address or name, and both in words."""
    if isinstance(target, tuple) and target:
        host = target[0]
        port = target[1] if len(target) > 1 else None
    else:
        host, port = target, None
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("idna", "replace")
    shown = f"[{host}]" if isinstance(host, str) and ":" in host else str(host)
    return host, shown if port is None else f"{shown}:{port}"


def is_loopback(host: object) -> bool:
    """Tell whether a host is this machine; of `getaddrinfo`, none is."""
    if host in {None, "", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


@contextmanager
def no_credentials() -> Iterator[None]:
    """Hide within the block what boto3's default chain and proxies would be found by.

    Variables that begin with ``AWS_`` or ``BOTO_`` and those of proxies are unset, the metadata
    service is off and the files are empty; afterwards all are as they were.
    """
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_CLOUD) or name.lower() in _PROXIES
    }
    for name in hidden:
        del os.environ[name]
    os.environ.update(NO_CREDENTIALS)
    try:
        yield
    finally:
        for name in NO_CREDENTIALS:
            os.environ.pop(name, None)
        os.environ.update(hidden)


@contextmanager
def offline() -> Iterator[NetworkBlock]:
    """Do both: nothing is reached, not even this machine, and no credentials are found."""
    with no_credentials(), NetworkBlock() as block:
        yield block
