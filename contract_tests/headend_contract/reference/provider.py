"""The provider ``reference``: the operations, put together from requests.

It is a subclass's parent as well: every step of an operation is a method of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from headend.plugin import (
    ConflictError,
    Effect,
    EndOutcome,
    EndResult,
    Fields,
    Health,
    Operation,
    PlatformProtocolError,
    PlatformTimeoutError,
    StreamNotFoundError,
    StreamState,
)
from headend_contract.reference import events, wire
from headend_contract.reference.facts import API_LIMIT
from headend_contract.reference.transport import Transport
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headend.plugin import (
        CreateRequest,
        LiveStream,
        ProviderContext,
        Recording,
        Session,
        StreamAnalytics,
        StreamCredentials,
        StreamEvent,
    )
    from headend_contract.reference.settings import ReferenceSettings

_T = TypeVar("_T")


def _operation(name: str, effect: Effect) -> Operation:
    return Operation(name, effect=effect, limits=(API_LIMIT,))


CREATE: Final = _operation("create_live_stream", Effect.WRITE)
GET: Final = _operation("get_live_stream", Effect.READ)
LIST: Final = _operation("list_live_streams", Effect.READ)
CREDENTIALS: Final = _operation("get_credentials", Effect.READ)
ANALYTICS: Final = _operation("get_analytics", Effect.READ)
ROTATE: Final = _operation("rotate_stream_key", Effect.REPEATABLE)
ENABLE: Final = _operation("enable_live_stream", Effect.REPEATABLE)
DISABLE: Final = _operation("disable_live_stream", Effect.REPEATABLE)
REVOKE: Final = _operation("revoke_stream_key", Effect.REPEATABLE)
STOP: Final = _operation("stop_live_stream", Effect.REPEATABLE)
END: Final = _operation("end_live_stream", Effect.REPEATABLE)
SESSIONS: Final = _operation("list_sessions", Effect.READ)
SESSION: Final = _operation("get_session", Effect.READ)
RECORDINGS: Final = _operation("list_recordings", Effect.READ)
DELETE_RECORDING: Final = _operation("delete_recording", Effect.REPEATABLE)
HEALTH: Final = _operation("check_health", Effect.READ)

_ON: Final = frozenset({StreamState.CONNECTING, StreamState.LIVE, StreamState.INTERRUPTED})
_POLL: Final = 0.5
"""Seconds between two looks at a live stream that is being stopped."""
_STOP_TIMEOUT: Final = 30.0
"""Seconds that stopping may take, if there is so much time."""
_PAGE: Final = 50
"""The most elements that the platform gives at once."""


class ReferenceProvider:
    """Live streams on the reference platform."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._calls = context.calls
        self._clock = context.clock
        self._transport = self.make_transport(settings, context)

    def make_transport(self, settings: ReferenceSettings, context: ProviderContext) -> Transport:
        """Return what sends the requests."""
        return Transport(settings, context)

    @property
    def account(self) -> str:
        """The account that all happens in."""
        return self._settings.account

    def close(self) -> None:
        """Free connections."""
        self._transport.close()

    # -- what every provider has ------------------------------------------------------------------

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create an input; its tags bear the marker and the host's own id."""
        return self._transport.send(
            CREATE,
            "POST",
            "/inputs",
            read=partial(wire.created, request=request),
            expect=201,
            body=wire.new_input(request),
        )

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream as the platform has it now."""
        return self._transport.send(GET, "GET", self.path(GET, stream_id), read=wire.live_stream)

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams; a list does not tell their states and addresses."""
        return self.pages(LIST, "/inputs", "inputs", wire.listed_live_stream)

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # names tell nothing that tags do not
        """Return the live streams that bear this marker; the platform can filter by nothing."""
        return [one for one in self.list_live_streams() if one.marker == marker]

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return the key as it is now; one that was revoked is a `ConflictError`."""
        path = f"{self.path(CREDENTIALS, stream_id)}/key"
        return self._transport.send(CREDENTIALS, "GET", path, read=wire.credentials)

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        return self._transport.send(GET, "GET", self.path(GET, stream_id), read=wire.playback_url)

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return the platform's figures."""
        path = f"{self.path(ANALYTICS, stream_id)}/metrics"
        return self._transport.send(ANALYTICS, "GET", path, read=wire.analytics)

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream in the platform's safe order, which may be taken up again anywhere.

        The platform deletes no input that is on air, and an encoder that is thrown out comes back
        for as long as its key is good.  So the key goes first, then the encoder, then the input.
        """
        try:
            self.revoke_key(stream_id)
        except StreamNotFoundError:
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        kept: tuple[Recording, ...] = ()
        try:
            self.stop(stream_id)
            self.wait_until_off(stream_id)
            kept = tuple(self.list_recordings(stream_id))
            if delete_recordings:
                for one in kept:
                    self.delete_recording(one.recording_id)
                kept = ()
            self.delete(stream_id)
        except StreamNotFoundError:
            # It was there a moment ago, so a request of ours, whose answer got lost, or another
            # host has ended it.
            pass
        return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED, recordings_kept=kept)

    def check_health(self) -> Health:
        """Ask for the account: this proves address and token, and tells whether there is room."""
        may_write, inputs, quota = self._transport.send(
            HEALTH,
            "GET",
            "",
            read=lambda fields: (
                fields.flag("may_write"),
                fields.count("inputs"),
                fields.count("input_quota"),
            ),
        )
        message = f"account {self.account} has {inputs} of {quota} live streams"
        if not may_write:
            message += "; the token may only read: make one that may write"
        elif inputs >= quota:
            message += "; end one before the next is created"
        return Health(
            provider=NAME,
            ok=may_write and inputs < quota,
            message=message,
            checked_at=self._clock.now(),
        )

    def confirm_live_stream(self, request: CreateRequest, stream_id: str) -> StreamCredentials:
        """Return what the lost answer to a creation would have given, warnings included."""
        path = f"{self.path(CREDENTIALS, stream_id)}/key"
        read = partial(wire.created, request=request)
        return self._transport.send(CREDENTIALS, "GET", path, read=read)

    # -- what this one has besides ----------------------------------------------------------------

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the stream key; an encoder that uses the old one is thrown out."""
        path = f"{self.path(ROTATE, stream_id)}/key"
        return self._transport.send(ROTATE, "POST", path, read=wire.credentials)

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Let encoders in again."""
        return self.set_enabled(ENABLE, stream_id, enabled=True)

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse encoders, and throw out the one that is there."""
        return self.set_enabled(DISABLE, stream_id, enabled=False)

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Return what the sessions left."""
        path = f"{self.path(RECORDINGS, stream_id)}/recordings"
        return self.pages(RECORDINGS, path, "recordings", wire.recording)

    def delete_recording(self, recording_id: str) -> None:
        """Delete a recording; one that is gone is no error."""
        if not wire.is_id(recording_id):
            return
        try:
            self._transport.send(
                DELETE_RECORDING, "DELETE", f"/recordings/{recording_id}", read=_nothing, expect=204
            )
        except StreamNotFoundError:
            return

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Return the broadcasts, the latest first."""
        path = f"{self.path(SESSIONS, stream_id)}/broadcasts"
        return self.pages(SESSIONS, path, "broadcasts", wire.session)

    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Return one broadcast, with its encoder and what happened in it."""
        path = f"{self.path(SESSION, stream_id)}/broadcasts/"
        if not wire.is_id(session_id):
            raise StreamNotFoundError(
                f"the live stream {stream_id} had no session {session_id!r}; list_sessions() "
                "gives those it had",
                provider=NAME,
                operation=SESSION.name,
                request_sent=False,
            )
        return self._transport.send(SESSION, "GET", path + session_id, read=wire.whole_session)

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Return the figures of many, a page of them with each request, in the order asked."""
        for stream_id in stream_ids:
            self.path(ANALYTICS, stream_id)
        found: dict[str, StreamAnalytics] = {}
        for start in range(0, len(stream_ids), _PAGE):
            wanted = stream_ids[start : start + _PAGE]
            answered = self._transport.send(
                ANALYTICS,
                "GET",
                "/metrics",
                query={"ids": ",".join(wanted)},
                read=lambda fields: fields.each("metrics", wire.analytics),
            )
            found |= {one.stream_id: one for one in answered}
        for stream_id in stream_ids:
            if stream_id not in found:
                raise self.not_found(ANALYTICS, stream_id, sent=True)
        return [found[stream_id] for stream_id in stream_ids]

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:
        """Verify and read a message to a webhook."""
        return events.parse(
            headers, body, secret=self._settings.webhook_secret, now=self._clock.now()
        )

    # -- the steps --------------------------------------------------------------------------------

    def revoke_key(self, stream_id: str) -> None:
        """Let no encoder in any more."""
        path = f"{self.path(REVOKE, stream_id)}/key"
        self._transport.send(REVOKE, "DELETE", path, read=_nothing, expect=204)

    def stop(self, stream_id: str) -> None:
        """Throw out the encoder, if there is one."""
        path = f"{self.path(STOP, stream_id)}/stop"
        try:
            self._transport.send(STOP, "POST", path, read=wire.live_stream)
        except ConflictError as error:
            if error.code != "not_on_air":
                raise

    def wait_until_off(self, stream_id: str) -> None:
        """Wait until the platform would delete it."""
        allowed = min(_STOP_TIMEOUT, self._calls.time_left())
        end = self._clock.monotonic() + allowed
        while (stream := self.get_live_stream(stream_id)).state in _ON:
            if self._clock.monotonic() + _POLL > end:
                raise PlatformTimeoutError(
                    f"the live stream was stopped and is still {stream.state} after {allowed:.1f} "
                    "s; end it again later",
                    provider=NAME,
                    operation=END.name,
                    request_sent=True,
                )
            self._calls.wait(GET, _POLL, "the live stream is off")

    def delete(self, stream_id: str) -> None:
        """Delete an input that is off."""
        self._transport.send(END, "DELETE", self.path(END, stream_id), read=_nothing, expect=204)

    def set_enabled(self, operation: Operation, stream_id: str, *, enabled: bool) -> LiveStream:
        """Say whether encoders are let in."""
        return self._transport.send(
            operation,
            "PATCH",
            self.path(operation, stream_id),
            read=wire.live_stream,
            body={"enabled": enabled},
        )

    def pages(
        self, operation: Operation, path: str, name: str, read: Callable[[Fields], _T]
    ) -> Iterator[_T]:
        """Return the elements of all pages, each page when it is reached."""
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            query = {"limit": str(_PAGE)} | ({} if cursor is None else {"cursor": cursor})
            elements, cursor = self._transport.send(
                operation,
                "GET",
                path,
                query=query,
                read=lambda fields: (
                    fields.each(name, read),
                    fields.optional("next_cursor", Fields.text),
                ),
            )
            yield from elements
            if cursor is None:
                return
            if cursor in seen:
                raise PlatformProtocolError(
                    "the platform gave a cursor twice, so that its list would never end",
                    provider=NAME,
                    operation=operation.name,
                    request_sent=True,
                )
            seen.add(cursor)

    def path(self, operation: Operation, stream_id: str) -> str:
        """Return the path of an input.

        Raises:
            StreamNotFoundError: no input can have such an id, so that nothing is sent.
        """
        if not wire.is_id(stream_id):
            raise self.not_found(operation, stream_id, sent=False)
        return f"/inputs/{stream_id}"

    def not_found(self, operation: Operation, stream_id: str, *, sent: bool) -> StreamNotFoundError:
        """Return the error for an id that names nothing."""
        return StreamNotFoundError(
            f"there is no live stream {stream_id!r}; `headend list` names those there are",
            provider=NAME,
            operation=operation.name,
            request_sent=sent,
        )


def _nothing(_fields: Fields) -> None:
    """Read an answer that has nothing in it."""
