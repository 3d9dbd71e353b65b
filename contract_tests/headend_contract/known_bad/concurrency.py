"""Providers for one thread."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.plugin import CreateRequest, LiveStream, ProviderContext, StreamCredentials
    from headend_contract.reference.settings import ReferenceSettings

_MEANWHILE: Final = 0.005
"""Real seconds in which another thread comes along."""


@known_bad("THREAD-CREATE-001", what="What is to be created is kept on the provider.")
class KeepsTheRequest(ReferenceProvider):
    """Has a place for one request."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create what was asked for last."""
        self._request = request
        time.sleep(_MEANWHILE)
        return super().create_live_stream(self._request)


@known_bad("THREAD-READ-001", what="The id that is wanted is kept on the provider.")
class KeepsTheId(ReferenceProvider):
    """Has a place for one id."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return what was asked for last."""
        self._wanted = stream_id
        if threading.current_thread() is not threading.main_thread():
            time.sleep(_MEANWHILE)
        return super().get_live_stream(self._wanted)


@known_bad("THREAD-LIST-001", what="What is left of a page is kept for one thread.")
class ListsForOneThread(ReferenceProvider):
    """Has a place of its own for each thread."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._local = threading.local()

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, as far as this thread knows them."""
        self._local.left = list(super().list_live_streams())
        while left := getattr(self._local, "left", []):
            yield left.pop(0)
