"""Providers that make two, lose one, or cannot finish."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import (
    Effect,
    EndOutcome,
    EndResult,
    PlatformUnavailableError,
    StreamNotFoundError,
)
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.transports import (
    OtherOperations,
    OtherTransport,
    known_bad_transport,
)
from headend_contract.reference.provider import CREATE, LIST, ROTATE, ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headend.plugin import (
        CreateRequest,
        LiveStream,
        Operation,
        ProviderContext,
        StreamCredentials,
    )
    from headend_contract.reference.settings import ReferenceSettings


@known_bad_transport("SAFE-CREATE-001", what="Creating is declared as what may be repeated.")
class CreatesAgain(OtherOperations):
    """Sends a creation again whose answer was lost."""

    def declared(self, operation: Operation) -> Operation:
        """Return what is declared in place of this operation."""
        if operation is CREATE:
            operation = evolve(operation, effect=Effect.REPEATABLE)
        return operation


@known_bad(
    "SAFE-CREATE-002", "SAFE-CREATE-003", what="Finding nothing by a marker is told as an error."
)
class FindsOrFails(ReferenceProvider):
    """Cannot say that there is nothing."""

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:
        """Return the live streams that bear this marker."""
        found = super().find_live_streams(marker, name)
        if not found:
            raise self.not_found(LIST, marker, sent=True)
        return found


@known_bad(
    "LIVE-FIND-001",
    "SAFE-CREATE-001",
    "SAFE-CREATE-002",
    "SAFE-CREATE-003",
    what="Whatever bears a marker of headend is taken for what is looked for.",
)
class ComparesThePrefix(ReferenceProvider):
    """Finds what belongs to others of the same ledger."""

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # as in the class above
        """Return the live streams that bear a marker."""
        begin = marker[:_BEGIN]
        return [one for one in self.list_live_streams() if (one.marker or "").startswith(begin)]


_BEGIN: Final = len("headend-")


@known_bad("SAFE-KEY-001", "SAFE-KEY-002", what="The account is named in other words each time.")
class ChangesItsAccount(ReferenceProvider):
    """Makes a key of something that changes."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._numbers = count()

    @property
    def account(self) -> str:
        """The account that all happens in, and how often it was asked for."""
        return f"{self._settings.account}-{next(self._numbers)}"


@known_bad("SAFE-KEY-002", what="What is older than ten minutes is not looked for.")
class LooksAtTheLatest(ReferenceProvider):
    """Has found a way to be quick."""

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:
        """Return the live streams of the last ten minutes that bear this marker."""
        since = self._clock.now() - timedelta(minutes=10)
        found = super().find_live_streams(marker, name)
        return [one for one in found if one.created_at is None or one.created_at > since]


@known_bad("SAFE-RECONCILE-001", what="A list does not tell markers.")
class ListsWithoutMarkers(ReferenceProvider):
    """Tells the marker to whoever asks for one live stream."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams."""
        return (evolve(one, marker=None) for one in super().list_live_streams())

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # as in the class above
        """Return the live streams that bear this marker."""
        return [one for one in super().list_live_streams() if one.marker == marker]


@known_bad("SAFE-END-001", what="Ending needs the key, which a broken end has taken away.")
class EndsOnlyWholeOnes(ReferenceProvider):
    """Reads first what it then deletes."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream whose key there is."""
        try:
            self.get_credentials(stream_id)
        except StreamNotFoundError:
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        return super().end_live_stream(stream_id, delete_recordings=delete_recordings)


@known_bad("SAFE-END-002", what="Deleting what a lost answer has deleted already is an error.")
class DeletesOnce(ReferenceProvider):
    """Expects to find what it deletes."""

    def delete(self, stream_id: str) -> None:
        """Delete an input that is there."""
        try:
            super().delete(stream_id)
        except StreamNotFoundError as error:
            raise PlatformUnavailableError(
                "the live stream vanished while it was ended",
                provider=error.provider,
                operation=error.operation,
                request_sent=True,
            ) from error


class _RotatesOnce(OtherOperations):
    """Does not send a rotation again."""

    def declared(self, operation: Operation) -> Operation:
        """Return what is declared in place of this operation."""
        if operation is ROTATE:
            operation = evolve(operation, effect=Effect.WRITE)
        return operation


@known_bad(
    "SAFE-ROTATE-001",
    "ERROR-EVERY-001",
    what="Where the answer to a rotation is lost, the old key is given.",
)
class GivesTheOldKey(OtherTransport):
    """Takes a rotation that failed for one that did not happen."""

    transport = _RotatesOnce

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._given: dict[str, StreamCredentials] = {}

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create a live stream and remember its key."""
        made = super().create_live_stream(request)
        self._given[made.stream_id] = made
        return made

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the key, and return the last one known where that fails."""
        try:
            made = super().rotate_stream_key(stream_id)
        except PlatformUnavailableError:
            if stream_id not in self._given:
                raise
            return self._given[stream_id]
        self._given[stream_id] = made
        return made
