"""The provider ``local``: the operations, as requests to the control API of `headend server`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from attrs import frozen

from headend.plugin import (
    METRICS,
    AuthenticationError,
    BrokenAnswerError,
    Clock,
    ConflictError,
    Effect,
    EndOutcome,
    EndResult,
    Fields,
    Health,
    Ingest,
    InvalidRequestError,
    LiveStream,
    Operation,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    RateLimitedError,
    Secret,
    StreamAnalytics,
    StreamCredentials,
    StreamNotFoundError,
    StreamState,
    parse_retry_after,
    read_json,
)
from headend_local.settings import TOKEN_FILE, is_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headend.plugin import Attempt, CreateRequest, PlatformError, ProviderContext
    from headend_local.settings import LocalSettings

_T = TypeVar("_T")

NAME: Final = "local"

CREATE: Final = Operation("create_live_stream", Effect.WRITE)
GET: Final = Operation("get_live_stream", Effect.READ)
LIST: Final = Operation("list_live_streams", Effect.READ)
CREDENTIALS: Final = Operation("get_credentials", Effect.READ)
ANALYTICS: Final = Operation("get_analytics", Effect.READ)
ROTATE: Final = Operation("rotate_stream_key", Effect.REPEATABLE)
ENABLE: Final = Operation("enable_live_stream", Effect.REPEATABLE)
DISABLE: Final = Operation("disable_live_stream", Effect.REPEATABLE)
END: Final = Operation("end_live_stream", Effect.REPEATABLE)
HEALTH: Final = Operation("check_health", Effect.READ)

_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429

_PAGE: Final = 100


class LocalProvider:
    """Live streams on a media server of your own."""

    def __init__(self, settings: LocalSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._calls = context.calls
        self._clock = context.clock
        self._data_dir = context.data_dir
        self._client = httpx.Client(
            base_url=f"{settings.url.rstrip('/')}/api/v1",
            trust_env=False,
            follow_redirects=False,
            verify=urlsplit(settings.url).scheme == "https",
        )

    @property
    def account(self) -> str:
        """The server's address."""
        return self._settings.url.rstrip("/")

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create a live stream and return what is needed to push to it and to watch it."""
        body = {
            "channel_id": request.channel_id,
            "name": request.name,
            "metadata": dict(request.metadata),
            "low_latency": request.low_latency,
            "marker": request.marker,
        }
        return self._send(CREATE, "POST", "/live-streams", read=_credentials, json=body)

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream as the server has it now."""
        return self._send(GET, "GET", _path(stream_id), read=_live_stream)

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, page by page as they are taken."""
        after: str | None = None
        seen: set[str] = set()
        while True:
            query = {"limit": str(_PAGE)} | ({} if after is None else {"after": after})
            page, after = self._send(LIST, "GET", "/live-streams", query=query, read=_page)
            yield from page
            if after is None:
                return
            if after in seen:
                raise PlatformProtocolError(
                    "the server gave a page token twice, so that its list would never end; "
                    "check HEADEND_LOCAL_URL",
                    provider=NAME,
                    operation=LIST.name,
                    request_sent=True,
                )
            seen.add(after)

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # the server's list is short
        """Return all live streams that bear the marker."""
        return [one for one in self.list_live_streams() if one.marker == marker]

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return what `create_live_stream` returned, with the key as it is now."""
        return self._send(CREDENTIALS, "GET", f"{_path(stream_id)}/credentials", read=_credentials)

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        return self._send(GET, "GET", _path(stream_id), read=_playback_url)

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return what the server measured."""
        return self._send(ANALYTICS, "GET", f"{_path(stream_id)}/analytics", read=_analytics)

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Return what the server measured of many live streams, a page of them with a request."""
        found: dict[str, StreamAnalytics] = {}
        for start in range(0, len(stream_ids), _PAGE):
            ids = ",".join(stream_ids[start : start + _PAGE])
            answered = self._send(
                ANALYTICS,
                "GET",
                "/analytics",
                query={"ids": ids},
                read=lambda fields: fields.each("analytics", _analytics),
            )
            found |= {one.stream_id: one for one in answered}
        missing = [stream_id for stream_id in stream_ids if stream_id not in found]
        if missing:
            raise StreamNotFoundError(
                f"there is no live stream {missing[0]}",
                provider=NAME,
                operation=ANALYTICS.name,
                request_sent=True,
            )
        return [found[stream_id] for stream_id in stream_ids]

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the stream key; an encoder that uses the old one is disconnected."""
        return self._send(ROTATE, "POST", f"{_path(stream_id)}/rotate-key", read=_credentials)

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Let encoders in again."""
        return self._send(ENABLE, "POST", f"{_path(stream_id)}/enable", read=_live_stream)

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse encoders, and disconnect the one that is there, without ending it."""
        return self._send(DISABLE, "POST", f"{_path(stream_id)}/disable", read=_live_stream)

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Disconnect the encoder, refuse the key from then on, and free the playback."""
        del delete_recordings  # this server keeps none
        try:
            self._send(END, "DELETE", _path(stream_id), read=_nothing)
        except StreamNotFoundError:
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED)

    def check_health(self) -> Health:
        """Ask the server for its state; this proves address and token."""
        version, rtmp_url, live_streams = self._send(
            HEALTH,
            "GET",
            "/health",
            read=lambda fields: (
                fields.text("version"),
                fields.address("rtmp_url", "rtmp", "rtmps"),
                fields.count("live_streams"),
            ),
        )
        message = (
            f"headend server {version} at {self._settings.url} takes RTMP at {rtmp_url}; "
            f"live streams: {live_streams}"
        )
        return Health(provider=NAME, ok=True, message=message, checked_at=self._clock.now())

    def close(self) -> None:
        """Free connections."""
        self._client.close()

    def _send(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        read: Callable[[Fields], _T],
        query: Mapping[str, str] | None = None,
        json: object = None,
    ) -> _T:
        def send(attempt: Attempt) -> _T:
            token = self._token(operation)
            headers = {"Authorization": f"Bearer {token.reveal()}"}
            try:
                response = self._client.request(
                    method,
                    path,
                    params=query,
                    json=json,
                    headers=headers,
                    timeout=attempt.timeout,
                )
            except httpx.ConnectError as error:
                raise PlatformUnavailableError(
                    f"no server answers at {self._settings.url}; start one with `headend server`, "
                    "or set HEADEND_LOCAL_URL",
                    provider=NAME,
                    operation=operation.name,
                    request_sent=False,
                ) from error
            except httpx.TimeoutException as error:
                raise PlatformTimeoutError(
                    f"the server at {self._settings.url} did not answer in time",
                    provider=NAME,
                    operation=operation.name,
                    request_sent=False if isinstance(error, httpx.ConnectTimeout) else None,
                ) from error
            except httpx.RequestError as error:
                raise PlatformUnavailableError(
                    f"the server at {self._settings.url} broke off: {type(error).__name__}",
                    provider=NAME,
                    operation=operation.name,
                ) from error
            return _Answer(operation, response, token, self._clock).read(read)

        return self._calls.run(operation, send)

    def _token(self, operation: Operation) -> Secret:
        """Read the token anew each time: the server that owns it may start after the host."""
        if self._settings.token is not None:
            return self._settings.token
        path = self._data_dir / TOKEN_FILE
        try:
            token = path.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError as error:
            raise PlatformUnavailableError(
                f"no server has run with the data folder {self._data_dir}: there is no "
                f"{TOKEN_FILE} in it; start one with `headend server`, or set HEADEND_DATA_DIR "
                "to the folder of the one that runs",
                provider=NAME,
                operation=operation.name,
                request_sent=False,
            ) from error
        except OSError as error:
            raise PermissionDeniedError(
                f"cannot read {path}: {error.strerror}; run as the user who runs the server, or "
                "set HEADEND_LOCAL_TOKEN",
                provider=NAME,
                operation=operation.name,
                request_sent=False,
            ) from error
        if not is_token(token):
            raise AuthenticationError(
                f"{path} holds no token; set HEADEND_DATA_DIR to the data folder of the server",
                provider=NAME,
                operation=operation.name,
                request_sent=False,
            )
        return Secret(token)


def _path(stream_id: str) -> str:
    return f"/live-streams/{quote(stream_id, safe='')}"


_BY_STATUS: Final[dict[int, tuple[type[PlatformError], str]]] = {
    400: (InvalidRequestError, ""),
    401: (
        AuthenticationError,
        "; HEADEND_LOCAL_URL and HEADEND_DATA_DIR (or HEADEND_LOCAL_TOKEN) must be of one server",
    ),
    403: (PermissionDeniedError, ""),
    _NOT_FOUND: (
        StreamNotFoundError,
        "; `headend list`, or list_live_streams(), has all",
    ),
    409: (ConflictError, ""),
    413: (InvalidRequestError, ""),
    422: (InvalidRequestError, ""),
    _TOO_MANY: (RateLimitedError, "; send fewer requests"),
}


@frozen
class _Answer:
    """What a server answered, and what is needed to tell it."""

    operation: Operation
    response: httpx.Response
    token: Secret
    clock: Clock

    def read(self, read: Callable[[Fields], _T]) -> _T:
        """Return what `read` makes of the server's JSON object."""
        try:
            fields = Fields(read_json(self.response.content))
        except BrokenAnswerError as error:
            if self.response.is_server_error or self.response.status_code == _TOO_MANY:
                raise self.failure({}) from None
            raise self.broken(str(error)) from error
        if not self.response.is_success:
            reason = fields.raw("error")
            raise self.failure(reason if isinstance(reason, dict) else {})
        try:
            return read(fields)
        except BrokenAnswerError as error:
            raise self.broken(str(error)) from error

    def failure(self, reason: Mapping[object, object]) -> PlatformError:
        """Return the error for an answer that is no success."""
        status = self.response.status_code
        if status == _NOT_FOUND and reason.get("code") != "not_found":
            return self.broken("it does not know the control API")
        kind, advice = _BY_STATUS.get(status, (PlatformUnavailableError, ""))
        return kind(
            f"{self.quoted(reason.get('message', 'the server gave no reason'))}{advice}",
            provider=NAME,
            operation=self.operation.name,
            status=status,
            code=self.quoted(reason["code"]) if "code" in reason else None,
            request_id=self.response.headers.get("x-request-id"),
            retry_after=parse_retry_after(
                self.response.headers.get("Retry-After"), now=self.clock.now()
            ),
            request_sent=True,
        )

    def broken(self, what: str) -> PlatformProtocolError:
        """Return the error for an answer that no headend server gives."""
        return PlatformProtocolError(
            f"the answer is not that of a headend server: {what}; check HEADEND_LOCAL_URL",
            provider=NAME,
            operation=self.operation.name,
            status=self.response.status_code,
            request_id=self.response.headers.get("x-request-id"),
            request_sent=True,
        )

    def quoted(self, words: object) -> str:
        """Return words of the answer as they can stand in an error."""
        return str(words).replace(self.token.reveal(), str(self.token))


def _nothing(_fields: Fields) -> None:
    """Read an answer that has nothing in it."""


def _page(fields: Fields) -> tuple[list[LiveStream], str | None]:
    return fields.each("live_streams", _live_stream), fields.optional("next", Fields.text)


def _live_stream(fields: Fields) -> LiveStream:
    word = fields.text("state")
    known = word in {state.value for state in StreamState}
    return LiveStream(
        stream_id=fields.text("id"),
        provider=NAME,
        channel_id=fields.text("channel_id"),
        name=fields.optional("name", Fields.text),
        state=StreamState(word) if known else StreamState.UNKNOWN,
        state_reason=(
            fields.optional("state_reason", Fields.text) if known else f"the server says {word}"
        ),
        created_at=fields.time("created_at"),
        playback_url=_playback_url(fields),
        low_latency=fields.flag("low_latency"),
        metadata=fields.texts("metadata"),
        marker=fields.optional("marker", Fields.text),
        warnings=tuple(fields.text_list("warnings")),
    )


def _playback_url(fields: Fields) -> str:
    return fields.address("playback_url", "http", "https")


def _credentials(fields: Fields) -> StreamCredentials:
    key = fields.secret("stream_key")
    push_url = fields.address("rtmp_push_url", "rtmp", "rtmps")
    return StreamCredentials(
        stream_id=fields.text("id"),
        stream_key=key,
        rtmp_push_url=push_url,
        playback_url=_playback_url(fields),
        ingests=(Ingest.rtmp(push_url, key),),
    )


def _analytics(fields: Fields) -> StreamAnalytics:
    reasons = fields.texts("unknown")
    figures = {
        "viewer_count": fields.optional("viewer_count", Fields.count),
        "current_bitrate": fields.optional("current_bitrate", Fields.count),
        "peak_viewers": fields.optional("peak_viewers", Fields.count),
    }
    watch_time = fields.optional("total_watch_time", _seconds)
    missing = [
        name for name in METRICS if {**figures, "total_watch_time": watch_time}[name] is None
    ]
    return StreamAnalytics(
        stream_id=fields.text("id"),
        as_of=fields.time("as_of"),
        viewer_count=figures["viewer_count"],
        current_bitrate=figures["current_bitrate"],
        peak_viewers=figures["peak_viewers"],
        total_watch_time=watch_time,
        unknown={name: reasons.get(name, "the server gave no reason") for name in missing},
    )


def _seconds(fields: Fields, name: str) -> float:
    value = fields.number(name)
    if value < 0:
        raise BrokenAnswerError(f"{fields.path(name)} is negative")
    return value
