"""Providers that tell errors as what they are not."""

from __future__ import annotations

import json
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final

import httpx
from attrs import evolve

from headend.plugin import (
    Fields,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    RateLimitedError,
    StreamNotFoundError,
    StreamState,
)
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.transports import OtherAnswers, known_bad_transport
from headend_contract.reference import wire
from headend_contract.reference.provider import GET, LIST, ReferenceProvider
from headend_contract.reference.transport import Transport
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from headend.plugin import Attempt, LiveStream, Operation, PlatformError, ProviderContext
    from headend_contract.known_bad.transports import Request
    from headend_contract.reference.settings import ReferenceSettings
    from headend_contract.reference.transport import Answer

    _T = TypeVar("_T")


@known_bad_transport(
    "ERROR-ACCESS-001", what="A token that nobody knows is told as a lack of permission."
)
class WrongTokenLacksPermission(Transport):
    """Takes both kinds of no for one."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        if error.code != "unauthenticated":
            return error
        return PermissionDeniedError(
            error.message,
            provider=NAME,
            operation=operation.name,
            status=error.status,
            code=error.code,
            request_sent=True,
        )


def _of_kind(kind: type[PlatformError], error: PlatformError) -> PlatformError:
    """Return the same error, of another class."""
    return kind(
        error.message,
        provider=error.provider,
        operation=error.operation,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        retry_after=error.retry_after,
        request_sent=error.request_sent,
    )


@known_bad_transport("ERROR-STATUS-001", what="A 403 is told as a value that is not acceptable.")
class ForbiddenIsInvalid(Transport):
    """Has a table with a wrong line."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        return _of_kind(InvalidRequestError, error) if answer.status == 403 else error


@known_bad_transport(
    "ERROR-STATUS-002", what="Each 404 says that the live stream is gone, whoever answers."
)
class BelievesStrangers(Transport):
    """Looks at the status alone."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        return _of_kind(StreamNotFoundError, error) if answer.status == 404 else error


@known_bad_transport("ERROR-STATUS-003", what="Errors do not bear the status of the answer.")
class KeepsTheStatusToItself(Transport):
    """Leaves out what a host logs."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        error.status = None
        return error


@known_bad_transport(
    "ERROR-RATE-001", what="Where no wait was asked for, five seconds are made up."
)
class InventsWaits(Transport):
    """Fills a gap with a number."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        if isinstance(error, RateLimitedError) and error.retry_after is None:
            error.retry_after = 5.0
        return error


@known_bad_transport(
    "ERROR-OUTAGE-001", what="A 503 with a gateway's page is told as a broken answer."
)
class ReadsPagesOfGateways(Transport):
    """Reads the body before the status."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        if isinstance(error, PlatformUnavailableError) and answer.content.startswith(b"<"):
            return self.broken(operation, answer, "it is no JSON")
        return error


class _OneKindOfSilence(Transport):
    """Has one class for all that gets no answer."""

    told_as: ClassVar[type[PlatformError]]

    def no_answer(
        self,
        kind: type[PlatformError],  # noqa: ARG002  # which is what is wrong
        operation: Operation,
        error: Exception,
        *,
        sent: bool | None,
    ) -> PlatformError:
        """Return the error for a request that got no answer."""
        return super().no_answer(self.told_as, operation, error, sent=sent)


@known_bad_transport("ERROR-TIMEOUT-001", what="No answer in time is told as an outage.")
class TimeoutsAreOutages(_OneKindOfSilence):
    """Believes that the platform is down."""

    told_as = PlatformUnavailableError


@known_bad_transport(
    "ERROR-TIMEOUT-001", what="It waits two seconds for an answer, however little time there is."
)
class WaitsAsItLikes(Transport):
    """Has a time limit of its own in place of the attempt's."""

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        """Send a request once and return the answer, whatever it is."""
        patient = evolve(attempt, timeout=_OWN_LIMIT)
        return super().exchange(operation, patient, method, path, query, body)


_OWN_LIMIT: Final = 2.0
"""Seconds."""


@known_bad_transport(
    "ERROR-CONNECT-001",
    "ERROR-RESET-001",
    what="A connection that was reset or refused is told as a timeout.",
)
class ResetsAreTimeouts(_OneKindOfSilence):
    """Believes that the platform is slow."""

    told_as = PlatformTimeoutError


@known_bad_transport(
    "ERROR-RESET-001",
    "ERROR-TIMEOUT-001",
    "SAFE-CREATE-001",
    what="Whatever got no answer is told as never sent.",
)
class ClaimsThatNothingWasSent(Transport):
    """Invites to send a creation again that was carried out."""

    def no_answer(
        self,
        kind: type[PlatformError],
        operation: Operation,
        error: Exception,
        *,
        sent: bool | None,  # noqa: ARG002  # which is what is wrong
    ) -> PlatformError:
        """Return the error for a request that got no answer."""
        return super().no_answer(kind, operation, error, sent=False)


@known_bad_transport(
    "ERROR-CONNECT-001", what="A connection that was refused is told as perhaps sent."
)
class DoubtsRefusedConnections(Transport):
    """Knows nothing of what got no answer."""

    def no_answer(
        self,
        kind: type[PlatformError],
        operation: Operation,
        error: Exception,
        *,
        sent: bool | None,
    ) -> PlatformError:
        """Return the error for a request that got no answer."""
        sent = None if isinstance(error, httpx.ConnectError) else sent
        return super().no_answer(kind, operation, error, sent=sent)


@known_bad_transport("ERROR-CONNECT-001", what="Its HTTP client tries each connection twice.")
class ConnectsTwice(Transport):
    """Leaves the client's retries on."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._client = httpx.Client(
            headers=self._client.headers,
            transport=httpx.HTTPTransport(verify=False, retries=1),  # on loopback
            trust_env=False,
            follow_redirects=False,
        )


_EMPTY_PAGE: Final = b'{"inputs": [], "next_cursor": null}'


@known_bad_transport("ERROR-ANSWER-001", what="A page with status 200 is an empty list.")
class PagesAreEmptyLists(OtherAnswers):
    """Does as an SDK does that reads what is no JSON as an empty object."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request once and return the answer."""
        answer = request.send()
        if request.operation is LIST and answer.content.startswith(b"<"):
            return evolve(answer, content=_EMPTY_PAGE)
        return answer


@known_bad_transport("ERROR-ANSWER-002", what="A list that breaks off counts as an empty one.")
class HalvesAreEmptyLists(OtherAnswers):
    """Mends JSON."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request once and return the answer."""
        answer = request.send()
        if request.operation is LIST and answer.content.startswith(b'{"inputs"'):
            try:
                json.loads(answer.content)
            except ValueError:
                return evolve(answer, content=_EMPTY_PAGE)
        return answer


@known_bad("ERROR-ANSWER-003", what="A name that is no text ends in an AttributeError.")
class TrustsTypes(ReferenceProvider):
    """Takes a field as it comes."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream, its name without spaces around it."""

        def read(fields: Fields) -> LiveStream:
            name: str | None = fields.raw("name") if fields.has("name") else None  # type: ignore[assignment]  # which is what is wrong
            if name is not None:
                name.strip()
            return wire.live_stream(fields)

        return self._transport.send(GET, "GET", self.path(GET, stream_id), read=read)


@known_bad("ERROR-ANSWER-004", what="A state that nobody has heard of is taken for idle.")
class GuessesIdle(ReferenceProvider):
    """Has a default in its table."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream."""
        found = super().get_live_stream(stream_id)
        if found.state is StreamState.UNKNOWN:
            return evolve(found, state=StreamState.IDLE, state_reason=None)
        return found


@known_bad("ERROR-ANSWER-004", what="A state that nobody has heard of makes an answer unreadable.")
class RefusesNewWords(ReferenceProvider):
    """Has no default in its table."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream."""
        found = super().get_live_stream(stream_id)
        if found.state is StreamState.UNKNOWN:
            raise PlatformProtocolError(
                "the status is one that is not promised", provider=NAME, operation=GET.name
            )
        return found


_PROMISED: Final = frozenset(
    {"id", "name", "tags", "low_latency", "created_at", "status", "ingest_url", "playback_url"}
)


@known_bad("ERROR-ANSWER-005", what="A field that is new is an error.")
class StumblesOverNewFields(ReferenceProvider):
    """Reads an object by all of its fields."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream."""

        def read(fields: Fields) -> LiveStream:
            if fields.has("headendNewField"):
                raise PlatformProtocolError(
                    f"only {sorted(_PROMISED)} are promised", provider=NAME, operation=GET.name
                )
            return wire.live_stream(fields)

        return self._transport.send(GET, "GET", self.path(GET, stream_id), read=read)


@known_bad("ERROR-ANSWER-006", what="A cursor that comes again is followed for ever.")
class FollowsEveryCursor(ReferenceProvider):
    """Keeps no record of where it has been."""

    def pages(
        self, operation: Operation, path: str, name: str, read: Callable[[Fields], _T]
    ) -> Iterator[_T]:
        """Return the elements of all pages."""
        cursor: str | None = None
        while True:
            elements, cursor = self._transport.send(
                operation,
                "GET",
                path,
                query={"limit": "50"} | ({} if cursor is None else {"cursor": cursor}),
                read=lambda fields: (
                    fields.each(name, read),
                    fields.optional("next_cursor", Fields.text),
                ),
            )
            yield from elements
            if cursor is None:
                return


@known_bad_transport("ERROR-SLOW-001", what="An answer that takes longer than 80 ms is dropped.")
class Impatient(OtherAnswers):
    """Has less patience than it was given."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request once and return the answer."""
        began = perf_counter()
        answer = request.send()
        if request.operation is LIST and perf_counter() - began > _PATIENCE:
            raise self.no_answer(
                PlatformTimeoutError, request.operation, TimeoutError("too slow"), sent=None
            )
        return answer


_PATIENCE: Final = 0.08
"""Seconds."""
