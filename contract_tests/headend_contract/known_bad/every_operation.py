"""Providers that are wrong in an operation that is tried less than others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import (
    ConflictError,
    PermissionDeniedError,
    PlatformError,
    StreamNotFoundError,
)
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.transports import known_bad_transport
from headend_contract.reference.provider import ANALYTICS, GET, ReferenceProvider
from headend_contract.reference.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headend.plugin import (
        Attempt,
        LiveStream,
        Operation,
        PlatformProtocolError,
        ProviderContext,
        Recording,
    )
    from headend_contract.reference.settings import ReferenceSettings
    from headend_contract.reference.transport import Answer


@known_bad(
    "ERROR-EVERY-001",
    "RECORDING-007",
    "ERROR-EVERY-002",
    "ERROR-REDIRECT-001",
    what="It has no recordings where it could not look.",
)
class RecordingsAsFarAsKnown(ReferenceProvider):
    """Takes recordings for a nicety."""

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Swallow every error but one."""
        try:
            yield from super().list_recordings(stream_id)
        except StreamNotFoundError:
            raise
        except PlatformError:
            return


@known_bad("ERROR-EVERY-002", "LIVE-END-007", what="What it may not read does not exist.")
class ForbiddenIsMissing(ReferenceProvider):
    """Takes a refusal for not found."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Tell another error."""
        try:
            return super().get_live_stream(stream_id)
        except PermissionDeniedError:
            raise self.not_found(GET, stream_id, sent=True) from None


@known_bad_transport("ERROR-REDIRECT-001", what="It goes wherever an answer points.")
class FollowsRedirects(Transport):
    """Leaves it to the HTTP client."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._client.follow_redirects = True


@known_bad_transport("PACE-POLICY-002", what="It asks for figures once more by itself.")
class AsksForFiguresAgain(Transport):
    """Repeats beside the policy."""

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        """Send again what the platform could not answer."""
        answer = super().exchange(operation, attempt, method, path, query, body)
        if operation is ANALYTICS and answer.status >= 500:  # HTTP's
            answer = super().exchange(operation, attempt, method, path, query, body)
        return answer


@known_bad_transport("ERROR-TIMEOUT-001", what="It waits for answers as long as it likes.")
class HasItsOwnTimeout(Transport):
    """Does not heed how much time an attempt has."""

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        """Give each request five seconds."""
        attempt = evolve(attempt, timeout=5.0)
        return super().exchange(operation, attempt, method, path, query, body)


@known_bad_transport("SECRET-ERROR-001", what="It logs the headers of a request that broke.")
class LogsWhatBroke(Transport):
    """Helps whoever reads the log."""

    def broken(self, operation: Operation, answer: Answer, what: str) -> PlatformProtocolError:
        """Log, and return the error."""
        _LOG.warning("%s broke, headers %s", operation.name, [*self._client.headers.raw])
        return super().broken(operation, answer, what)


_LOG = logging.getLogger(__name__)


@known_bad("LIVE-END-007", what="It says ended although the platform refused to delete.")
class DeletesAtBest(ReferenceProvider):
    """Takes the last step for a nicety, once no encoder can come in."""

    def delete(self, stream_id: str) -> None:
        """Swallow a refusal."""
        try:
            super().delete(stream_id)
        except (PermissionDeniedError, ConflictError):
            return


@known_bad("RECORDING-007", what="It says nothing of a recording that it could not delete.")
class DeletesRecordingsAtBest(ReferenceProvider):
    """Takes deleting recordings for a nicety."""

    def delete_recording(self, recording_id: str) -> None:
        """Swallow every error."""
        try:
            super().delete_recording(recording_id)
        except PlatformError:
            return
