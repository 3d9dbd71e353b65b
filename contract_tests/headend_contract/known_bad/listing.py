"""Providers that are wrong about what there is."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve

from headend.plugin import PlatformProtocolError, StreamState
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import LIST, ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headend.plugin import EndResult, Fields, LiveStream, Operation

_T = TypeVar("_T")


@known_bad("LIVE-LIST-001", what="Its list does not tell the channel_id.")
class ListsNobodys(ReferenceProvider):
    """Leaves out what the platform's list tells."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Leave the channel id out."""
        return (evolve(one, channel_id=None) for one in super().list_live_streams())


@known_bad("LIVE-LIST-002", what="Its list goes on to have what has ended.")
class ListsTheDead(ReferenceProvider):
    """Keeps what it ended in a list of its own."""

    _ended: tuple[LiveStream, ...] = ()

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Add what it has ended."""
        yield from super().list_live_streams()
        yield from self._ended

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Keep what is being ended."""
        gone = [one for one in super().list_live_streams() if one.stream_id == stream_id]
        result = super().end_live_stream(stream_id, delete_recordings=delete_recordings)
        self._ended = (*self._ended, *gone)
        return result


@known_bad("LIVE-LIST-003", what="Its list asks for each element once more.")
class AsksForEach(ReferenceProvider):
    """Fills in what the list does not tell."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Ask for the state of each."""
        for one in super().list_live_streams():
            yield self.get_live_stream(one.stream_id)


@known_bad(
    "LIVE-LIST-004", "CLOSE-USE-001", what="Its list is loaded whole before anything is taken."
)
class LoadsTheWholeList(ReferenceProvider):
    """Makes the list first."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Load all pages."""
        return iter(list(super().list_live_streams()))


@known_bad("LIVE-LIST-005", what="Its list makes playback URLs up.")
class ListsMadeUpUrls(ReferenceProvider):
    """Composes what the list does not tell."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Make an address up."""
        for one in super().list_live_streams():
            yield evolve(one, playback_url=f"https://play.reference.example/{one.stream_id}.m3u8")


@known_bad("LIVE-LIST-006", what="Its list calls everything idle.")
class ListsIdle(ReferenceProvider):
    """Takes a state that is not told for idle."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Make a state up."""
        return (evolve(one, state=StreamState.IDLE) for one in super().list_live_streams())


@known_bad("LIVE-LIST-007", "LIVE-FIND-002", what="Its list ends with the first page.")
class FirstPageOnly(ReferenceProvider):
    """Does not ask for further pages."""

    def pages(
        self, operation: Operation, path: str, name: str, read: Callable[[Fields], _T]
    ) -> Iterator[_T]:
        """Stop where the first page ends."""
        found = super().pages(operation, path, name, read)
        return islice(found, _PAGE) if operation is LIST else found


@known_bad("LIVE-LIST-007", what="Its list ends with the second page.")
class SecondPageLast(ReferenceProvider):
    """Asks whether there is another page, but only once."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Stop where the second page ends."""
        return islice(super().list_live_streams(), 2 * _PAGE)


@known_bad("LIVE-LIST-008", what="Its list leaves out what bears no marker.")
class ListsItsOwnOnly(ReferenceProvider):
    """Takes the account for its own."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Leave the others out."""
        return (one for one in super().list_live_streams() if one.marker)


@known_bad("LIVE-LIST-008", what="It takes what bears no marker for a broken answer.")
class WantsAMarker(ReferenceProvider):
    """Reads what headend writes as if everybody did."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Read all, or fail."""
        for one in super().list_live_streams():
            if one.marker is None:
                raise PlatformProtocolError(
                    "a live stream has no marker",
                    provider=NAME,
                    operation=LIST.name,
                    request_sent=True,
                )
            yield one


@known_bad("LIVE-FIND-002", what="It looks for a marker on the first page only.")
class FindsOnTheFirstPage(ReferenceProvider):
    """Spares itself the others."""

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # names tell nothing that tags do not
        """Look at the first page."""
        listed = islice(self.list_live_streams(), _PAGE)
        return [one for one in listed if one.marker == marker]


_PAGE = 50
