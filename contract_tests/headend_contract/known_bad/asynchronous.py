"""Providers for the thread that made them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from headend.plugin import ProviderContext
    from headend_contract.reference.settings import ReferenceSettings


@known_bad(
    "ASYNC-SAME-001",
    what="The playback URL is read in the thread only that made the provider.",
)
class BoundToItsThread(ReferenceProvider):
    """Does as a connection of SQLite does."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._thread = threading.get_ident()

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("this object was made in another thread")
        return super().get_playback_url(stream_id)
