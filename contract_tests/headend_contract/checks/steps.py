"""What several checks do or look for on their way."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from headend_contract.check import CheckFailedError, expect

if TYPE_CHECKING:
    from headend.plugin import SimulatedEncoder, StreamCredentials, TrueLiveStream
    from headend_contract.case import Case

_OVER: Final = 900.0
_STEP: Final = 10.0
"""Seconds."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_NEXT: Final = str.maketrans(
    string.digits + string.ascii_lowercase + string.ascii_uppercase,
    "".join(
        letters[1:] + letters[0]
        for letters in (
            string.digits,
            "abcdef",
            "ghijklmnopqrstuvwxyz",
            "ABCDEF",
            "GHIJKLMNOPQRSTUVWXYZ",
        )
    ),
)
"""Each letter's or digit's neighbour; one that is hexadecimal has such a neighbour."""


def similar_id(stream_id: str) -> str:
    """Return an id that names nothing and looks as the platform's own do.

    An id made up by the suite would be one that many platforms never give out.
    """
    return similar(stream_id)


def similar(text: str) -> str:
    """Return another text of the same shape, which differs in the last four characters at most."""
    return text[:-4] + text[-4:].translate(_NEXT)


def wait_for_lists(case: Case) -> None:
    """Wait until the platform's lists surely show what was created."""
    case.pass_time(case.spec.settle_time)


def good_key(case: Case, made: StreamCredentials) -> str:
    """Return a key that lets an encoder in for certain.

    Whether the key that the provider gave is one, a single check decides.
    """
    keys = truth_of(case, made).stream_keys
    given = made.stream_key.reveal()
    return given if given in keys else min(keys, default=given)


def push(case: Case, made: StreamCredentials) -> SimulatedEncoder:
    """Have an encoder push to a live stream until viewers can watch."""
    encoder = case.connect(good_key(case, made))
    if encoder is None:
        raise CheckFailedError("the platform lets no encoder in to a live stream")
    case.settle()
    expect(
        encoder.connected and truth_of(case, made).live,
        "the simulated platform is not live when its connect_time has passed",
    )
    return encoder


def wait_until_over(case: Case) -> None:
    """Wait until no platform expects an encoder back that has left, and all it left is there.

    It goes by small steps, because a simulated platform may do what is due when it is looked at.
    """
    for _ in range(int(_OVER / _STEP)):
        case.pass_time(_STEP)
        case.truth()


def truth_of(case: Case, made: StreamCredentials) -> TrueLiveStream:
    """Return what is so of a live stream that was created."""
    found = case.truth().live_streams.get(made.stream_id)
    if found is None:
        raise CheckFailedError("the platform has no live stream of the id that creating it gave")
    return found


def expect_hls(case: Case, url: str, what: str) -> None:
    """Fail unless an address is one that a player can be given.

    Args:
        case: tells which hosts the provider talks to; those need no encryption.
        url: the address.
        what: names it, for the message.
    """
    parts = urlsplit(url)
    expect(
        parts.path.endswith(".m3u8"),
        f"{what} is no HLS playlist: its path does not end in .m3u8",
    )
    expect(
        parts.scheme == "https" or (parts.scheme == "http" and is_near(case, parts.hostname)),
        f"{what} is not https, and its host is neither this machine nor the simulator",
    )
    expect("@" not in parts.netloc, f"{what} holds a user name or a password")


def is_near(case: Case, host: str | None) -> bool:
    """Tell whether a host is this machine, or one to which the provider sends its requests."""
    asked = {urlsplit(f"//{one.host}").hostname for one in case.requests}
    return host in asked | _LOOPBACK
