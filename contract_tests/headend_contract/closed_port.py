"""A port on which nobody listens: what a platform is that is down, or whose address is wrong."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOPBACK: Final = "127.0.0.1"


@frozen
class ClosedPort:
    """A port that refuses connections.

    Attributes:
        url: its address, ``http://127.0.0.1:PORT``.
        tries: an element for each connection that this process tried to make to it.
    """

    url: str
    tries: list[object] = field(factory=list)


@contextmanager
def closed_port() -> Iterator[ClosedPort]:
    """Keep a port of this machine free of servers meanwhile, and count who tries it."""
    with ExitStack() as stack:
        held = stack.enter_context(socket.socket())
        # A port that is bound is nobody else's, and without listen() it refuses connections.
        held.bind((_LOOPBACK, 0))
        number = held.getsockname()[1]
        port = ClosedPort(f"http://{_LOOPBACK}:{number}")
        for name in ("connect", "connect_ex"):
            counted = _counted(getattr(socket.socket, name), (_LOOPBACK, number), port.tries)
            stack.enter_context(patch.object(socket.socket, name, counted))
        yield port


def _counted(
    method: Callable[..., object], address: tuple[str, int], tries: list[object]
) -> Callable[..., object]:
    """Return the method of a socket that notes when it is called for that address."""

    @wraps(method)
    def connect(sock: socket.socket, target: object) -> object:
        if target == address:
            tries.append(target)
        return method(sock, target)

    return connect
