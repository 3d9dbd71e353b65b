"""Providers that cannot close, or cannot stay open."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakValueDictionary

from headend.plugin import HeadendError, PlatformError
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.transports import known_bad_transport
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from headend.plugin import LiveStream, ProviderContext
    from headend_contract.reference.settings import ReferenceSettings


@known_bad("CLOSE-TWICE-001", what="Closing in the middle of a listing is an error.")
class WaitsForListings(ReferenceProvider):
    """Counts who is at work, and does not let go before they are done."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._listings = 0

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, and count who is at it."""
        self._listings += 1
        try:
            yield from super().list_live_streams()
        finally:
            self._listings -= 1

    def close(self) -> None:
        """Free connections, unless a list is half taken."""
        super().close()
        if self._listings:
            raise RuntimeError(f"{self._listings} listings go on")


@known_bad("CLOSE-USE-001", what="A listing on a platform that is closed just ends.")
class EndsListingsQuietly(ReferenceProvider):
    """Takes being closed for having no more."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, or those until now."""
        try:
            yield from super().list_live_streams()
        except HeadendError as error:
            if isinstance(error, PlatformError):
                raise


@known_bad("CLOSE-OTHER-001", what="All providers of a process share one connection pool.")
class SharesItsConnections(ReferenceProvider):
    """Closes what is not its own."""

    _shared: ClassVar[WeakValueDictionary[str, Transport]] = WeakValueDictionary()

    def make_transport(self, settings: ReferenceSettings, context: ProviderContext) -> Transport:
        """Return what all share that have this token."""
        token = settings.api_token.reveal()
        found = self._shared.get(token)
        if found is None or found._client.is_closed:  # noqa: SLF001  # what no public name tells
            found = self._shared[token] = Transport(settings, context)
        return found


_LEFT: Final[list[httpx.Client]] = []


def _put_away() -> None:
    """Close what was left, before Python complains of it."""
    while _LEFT:
        _LEFT.pop().close()


atexit.register(_put_away)


@known_bad_transport("CLOSE-FREE-001", what="Closing leaves the connections open.")
class LeavesConnections(Transport):
    """Has forgotten what it holds."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        _put_away()
        super().__init__(settings, context)

    def close(self) -> None:
        """Do nothing."""
        _LEFT.append(self._client)
