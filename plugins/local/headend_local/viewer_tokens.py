"""The tokens by which viewers are told apart: only this server can make one.

A token that anyone could make up would let anyone make up viewers.  So a token is a nonce and an
HMAC-SHA256 (RFC 2104) of it and of the live stream that it is for, cut to 80 bits, under a key that
lives as long as the server process.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NONCE: Final = 8
_MAC: Final = 10
"""Bytes; an HMAC is cut to no less than these 80 bits (RFC 2104, 5)."""

# 18 bytes fill 24 characters without a bit to spare: there is one spelling of each token.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{24}")


class ViewerTokens:
    """Makes viewer tokens and knows its own again.

    Args:
        random_bytes: gives so many unguessable bytes.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._key = random_bytes(32)

    def issue(self, live_stream_id: str) -> str:
        """Return a new token for a viewer of this live stream: 24 characters, fit for a query."""
        nonce = self._random_bytes(_NONCE)
        return base64.urlsafe_b64encode(nonce + self._mac(live_stream_id, nonce)).decode()

    def is_issued(self, token: str, live_stream_id: str) -> bool:
        """Whether this token was issued here for this live stream; compared in constant time."""
        if not _TOKEN.fullmatch(token):
            return False
        data = base64.urlsafe_b64decode(token)
        return hmac.compare_digest(data[_NONCE:], self._mac(live_stream_id, data[:_NONCE]))

    def _mac(self, live_stream_id: str, nonce: bytes) -> bytes:
        # The nonce has a fixed length, so no two pairs make the same message.
        return hmac.digest(self._key, nonce + live_stream_id.encode(), "sha256")[:_MAC]
