"""Closing a provider, and what comes after."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headend.plugin import HeadendError
from headend_contract.check import (
    Level,
    check,
    expect,
    expect_raises,
    not_applicable,
    nothing_to_test,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from headend_contract.case import Case


@check(
    "CLOSE-TWICE-001",
    "Closing is quiet, whatever is going on, and may be done twice",
    level=Level.CORE,
    rule="close() raises nothing: in the middle of a listing, and when it was closed before.",
    why="Hosts close in `finally` blocks and at exit, where an error hides the one that matters.",
    hint="Close the HTTP client, and wait for nobody.",
)
def closes_quietly(case: Case) -> None:
    """Close twice while a list is half taken."""
    platform = case.open()
    for show in ("one", "two"):
        case.create(channel_id=show)
    case.pass_time(case.spec.settle_time)
    listing = platform.list_live_streams()
    next(listing)
    for time in ("first", "second"):
        error, _ = case.sent_by(platform.close)
        expect(
            not isinstance(error, Exception),
            f"closing for the {time} time raises {type(error).__name__}: {error}",
        )


@check(
    "CLOSE-USE-001",
    "What is closed says so, and sends nothing",
    level=Level.CORE,
    offline=True,
    rule="After close() every operation, and a listing that was begun before, raises HeadendError "
    "and sends no request.",
    why="A request after the end reaches a platform for a host that no longer looks at the answer.",
    hint="Send by context.calls, which is closed with the platform, and make no second Calls.",
)
def says_that_it_is_closed(case: Case) -> None:
    """Use a platform after closing it."""
    platform = case.open()
    listing = platform.list_live_streams()
    platform.close()
    operations: tuple[tuple[str, Callable[[], object]], ...] = (
        ("creating", lambda: platform.create_live_stream("show")),
        ("reading", lambda: platform.get_live_stream("nothing")),
        ("listing", platform.list_live_streams),
        ("going on with a listing", lambda: next(listing)),
        ("ending", lambda: platform.end_live_stream("nothing")),
        ("checking the health", platform.check_health),
    )
    for what, operation in operations:
        expect_raises(HeadendError, operation, f"{what} on a platform that is closed")


@check(
    "CLOSE-OTHER-001",
    "Closing one leaves others open",
    level=Level.CORE,
    rule="A provider works as before after another one with the same settings was opened, used "
    "and closed.",
    why="Hosts open one for each worker, or for each request.",
    hint="Keep clients and sessions on the provider object, not in the module or on the class.",
)
def leaves_others_open(case: Case) -> None:
    """Open two, use both, close one, and use the other."""
    made = case.create()
    other = case.open()
    other.get_playback_url(made.stream_id)
    other.close()
    result, _ = case.sent_by(lambda: case.platform.get_playback_url(made.stream_id))

    expect(
        not isinstance(result, Exception),
        f"after another one was closed a provider raises {type(result).__name__}: {result}",
    )


@check(
    "CLOSE-FREE-001",
    "Closing frees the connections",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After close() no connection to the platform is left.",
    why="A host that opens one for each request runs out of file descriptors, at night.",
    hint="Close the HTTP client in Provider.close().",
)
def frees_connections(case: Case) -> None:
    """Use a provider, close it, and look for its sockets."""
    if not os.path.isdir(_DESCRIPTORS):  # noqa: PTH112  # a Path would keep one more open
        not_applicable("this machine does not list the open files of a process")
    platform = case.open()
    for _ in platform.list_live_streams():
        pass
    ports = {urlsplit(f"//{one.host}").port for one in case.requests}
    if not _connections(ports):
        nothing_to_test("it keeps no connection open")
    platform.close()
    left = _connections(ports)

    expect(left == 0, f"{left} connections to the platform are open after closing")


_DESCRIPTORS = "/dev/fd"


def _connections(ports: Container[int | None]) -> int:
    """Count the sockets of this process that are connected to one of some ports."""
    return sum(_peer_port(int(name)) in ports for name in os.listdir(_DESCRIPTORS))  # noqa: PTH208  # as above


def _peer_port(descriptor: int) -> int | None:
    """Return the port that a connected socket leads to; `None` for all that is none."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            peer = copy.getpeername()
    except OSError:
        return None
    return int(peer[1]) if isinstance(peer, tuple) else None
