"""The RTMP handshake (RTMP 1.0, section 5.2): version 3, without the digests of Flash players.

::

    client  C0 C1 ------------------> server     C0, S0   version: 1 byte, 3
            <------------------ S0 S1 S2         C1, S1   time (4), zero (4), random (1528)
            C2 ------------------------->        C2, S2   the other side's block again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.rtmp.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BLOCK_SIZE", "VERSION", "check_version", "make_block"]

VERSION: Final = 3
BLOCK_SIZE: Final = 1536

_TLS_RECORDS: Final = (0x15, 0x16)  # alert and handshake, RFC 8446, 5.1
_RTMPE: Final = 6


def make_block(random_bytes: Callable[[int], bytes]) -> bytes:
    """Return a C1 or S1 block: time 0, zero, random."""
    return bytes(8) + random_bytes(BLOCK_SIZE - 8)


def check_version(version: int) -> None:
    """Check the first byte of a peer.

    Raises:
        ProtocolError: it is not RTMP version 3; the text guesses what it is instead.
    """
    if version == VERSION:
        return
    if version in _TLS_RECORDS:
        raise ProtocolError("not RTMP but TLS: one side uses rtmps:// and the other rtmp://")
    if version == _RTMPE:
        raise ProtocolError("encrypted RTMP (RTMPE) is not supported; use rtmp:// or rtmps://")
    if chr(version) in "GPHDOCT":  # GET, POST, HEAD, DELETE, OPTIONS, CONNECT, TRACE
        raise ProtocolError("not RTMP but HTTP, it seems")
    raise ProtocolError(f"not RTMP: the first byte is {version:#04x} instead of 0x03")
