"""The provider ``local``: the operations, as requests to the control API of `headend server`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from attrs import frozen

from headend.plugin import (
    METRICS,
    AuthenticationError,
    ConflictError,
    Effect,
    EndOutcome,
    EndResult,
    Health,
    Ingest,
    InvalidRequestError,
    LiveStream,
    Operation,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    Secret,
    StreamAnalytics,
    StreamCredentials,
    StreamNotFoundError,
    StreamState,
)
from headend_local.settings import TOKEN_FILE, is_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        return _credentials(self._send(CREATE, "POST", "/live-streams", json=body))

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream as the server has it now."""
        return _live_stream(self._send(GET, "GET", _path(stream_id)))

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, page by page as they are taken."""
        after: str | None = None
        seen: set[str] = set()
        while True:
            query = {"limit": str(_PAGE)} | ({} if after is None else {"after": after})
            page = self._send(LIST, "GET", "/live-streams", query=query)
            yield from (_live_stream(one) for one in page.list("live_streams"))
            after = page.optional("next", str)
            if after is None:
                return
            if after in seen:
                raise page.broken(f"the page token {after!r} came twice")
            seen.add(after)

    def find_live_streams(self, marker: str) -> Sequence[LiveStream]:
        """Return all live streams that bear the marker."""
        return [one for one in self.list_live_streams() if one.marker == marker]

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return what `create_live_stream` returned, with the key as it is now."""
        return _credentials(self._send(CREDENTIALS, "GET", f"{_path(stream_id)}/credentials"))

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        return self._send(GET, "GET", _path(stream_id)).get("playback_url", str)

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return what the server measured."""
        return _analytics(self._send(ANALYTICS, "GET", f"{_path(stream_id)}/analytics"))

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Return what the server measured of many live streams, a page of them with a request."""
        found: dict[str, StreamAnalytics] = {}
        for start in range(0, len(stream_ids), _PAGE):
            ids = ",".join(stream_ids[start : start + _PAGE])
            answer = self._send(ANALYTICS, "GET", "/analytics", query={"ids": ids})
            found |= {one.stream_id: one for one in map(_analytics, answer.list("analytics"))}
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
        return _credentials(self._send(ROTATE, "POST", f"{_path(stream_id)}/rotate-key"))

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Let encoders in again."""
        return _live_stream(self._send(ENABLE, "POST", f"{_path(stream_id)}/enable"))

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse encoders, and disconnect the one that is there, without ending it."""
        return _live_stream(self._send(DISABLE, "POST", f"{_path(stream_id)}/disable"))

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Disconnect the encoder, refuse the key from then on, and free the playback."""
        del delete_recordings  # this server keeps none
        try:
            self._send(END, "DELETE", _path(stream_id))
        except StreamNotFoundError:
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED)

    def check_health(self) -> Health:
        """Ask the server for its state; this proves address and token."""
        answer = self._send(HEALTH, "GET", "/health")
        message = (
            f"headend server {answer.get('version', str)} at {self._settings.url} takes RTMP at "
            f"{answer.get('rtmp_url', str)}; live streams: {answer.get('live_streams', int)}"
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
        query: Mapping[str, str] | None = None,
        json: object = None,
    ) -> _Answer:
        def send(attempt: Attempt) -> _Answer:
            headers = {"Authorization": f"Bearer {self._token(operation).reveal()}"}
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
            return _Answer.read(operation, response)

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
}


@frozen
class _Answer:
    """A JSON object of the server, read strictly."""

    operation: Operation
    status: int
    request_id: str | None
    data: Mapping[str, object]

    @classmethod
    def read(cls, operation: Operation, response: httpx.Response) -> Self:
        answer = cls(operation, response.status_code, response.headers.get("x-request-id"), {})
        try:
            data: object = response.json()
        except ValueError:
            # Not chained: the error of the parser holds the whole text, and so maybe a key.
            if response.is_server_error:
                raise answer.failure() from None
            raise answer.broken("it is not JSON") from None
        if not isinstance(data, dict):
            raise answer.broken("it is not a JSON object")
        answer = cls(operation, answer.status, answer.request_id, data)
        if not response.is_success:
            raise answer.failure()
        return answer

    def failure(self) -> PlatformError:
        error = self.data.get("error")
        details: dict[object, object] = error if isinstance(error, dict) else {}
        if self.status == _NOT_FOUND and details.get("code") != "not_found":
            return self.broken("it does not know the control API")
        kind, advice = _BY_STATUS.get(self.status, (PlatformUnavailableError, ""))
        return kind(
            f"{details.get('message', 'the server gave no reason')}{advice}",
            provider=NAME,
            operation=self.operation.name,
            status=self.status,
            code=str(details["code"]) if "code" in details else None,
            request_id=self.request_id,
            request_sent=True,
        )

    def broken(self, what: str) -> PlatformProtocolError:
        return PlatformProtocolError(
            f"the answer is not that of a headend server: {what}; check HEADEND_LOCAL_URL",
            provider=NAME,
            operation=self.operation.name,
            status=self.status,
            request_id=self.request_id,
            request_sent=True,
        )

    def get(self, name: str, kind: type[_T]) -> _T:
        value = self.data.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.broken(f"{name} is not {kind.__name__}")
        return value

    def optional(self, name: str, kind: type[_T]) -> _T | None:
        return None if self.data.get(name) is None else self.get(name, kind)

    def number(self, name: str) -> float | None:
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < inf:
            raise self.broken(f"{name} is not a number")
        return value

    def count(self, name: str) -> int | None:
        value = self.optional(name, int)
        if value is not None and value < 0:
            raise self.broken(f"{name} is negative")
        return value

    def texts(self, name: str) -> dict[str, str]:
        value = self.get(name, dict)
        if not all(isinstance(key, str) and isinstance(one, str) for key, one in value.items()):
            raise self.broken(f"{name} is not text to text")
        return value

    def time(self, name: str) -> datetime:
        try:
            value = datetime.fromisoformat(self.get(name, str))
        except ValueError as error:
            raise self.broken(f"{name} is not a time") from error
        if value.tzinfo is None:
            raise self.broken(f"{name} has no time zone")
        return value

    def list(self, name: str) -> list[_Answer]:
        elements: list[object] = self.get(name, list)
        if not all(isinstance(one, dict) for one in elements):
            raise self.broken(f"{name} is not a list of objects")
        return [
            _Answer(self.operation, self.status, self.request_id, one)
            for one in elements
            if isinstance(one, dict)
        ]


def _live_stream(answer: _Answer) -> LiveStream:
    word = answer.get("state", str)
    known = word in {state.value for state in StreamState}
    return LiveStream(
        stream_id=answer.get("id", str),
        provider=NAME,
        channel_id=answer.get("channel_id", str),
        name=answer.optional("name", str),
        state=StreamState(word) if known else StreamState.UNKNOWN,
        state_reason=answer.optional("state_reason", str) if known else f"the server says {word}",
        created_at=answer.time("created_at"),
        playback_url=answer.get("playback_url", str),
        low_latency=answer.get("low_latency", bool),
        metadata=answer.texts("metadata"),
        marker=answer.optional("marker", str),
        warnings=tuple(str(one) for one in answer.get("warnings", list)),
    )


def _credentials(answer: _Answer) -> StreamCredentials:
    key = Secret(answer.get("stream_key", str))
    push_url = answer.get("rtmp_push_url", str)
    return StreamCredentials(
        stream_id=answer.get("id", str),
        stream_key=key,
        rtmp_push_url=push_url,
        playback_url=answer.get("playback_url", str),
        ingests=(Ingest.rtmp(push_url, key),),
    )


def _analytics(answer: _Answer) -> StreamAnalytics:
    unknown = answer.texts("unknown")
    figures = {
        "viewer_count": answer.count("viewer_count"),
        "current_bitrate": answer.count("current_bitrate"),
        "peak_viewers": answer.count("peak_viewers"),
    }
    watch_time = answer.number("total_watch_time")
    missing = [
        name for name in METRICS if {**figures, "total_watch_time": watch_time}[name] is None
    ]
    return StreamAnalytics(
        stream_id=answer.get("id", str),
        as_of=answer.time("as_of"),
        viewer_count=figures["viewer_count"],
        current_bitrate=figures["current_bitrate"],
        peak_viewers=figures["peak_viewers"],
        total_watch_time=watch_time,
        unknown={name: unknown.get(name, "the server gave no reason") for name in missing},
    )
