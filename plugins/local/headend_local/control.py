"""The control API: how the provider makes, lists, changes and ends live streams.

JSON over HTTP under ``/api/v1``, for programs on the same machine that know the token in the data
folder.  Every error is ``{"error": {"code": …, "message": …}}``.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, cast

from attrs import asdict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from headend.plugin import Secret
    from headend_local.addresses import Addresses
    from headend_local.live_stream import RunningLiveStream
    from headend_local.registry import Registry

MAX_BODY: Final = 64 * 1024
"""Bytes of a request body; a live stream's description is far smaller."""

MAX_PAGE: Final = 100
MAX_IDS: Final = 1000
_MAX_TEXT: Final = 1024
_MAX_METADATA: Final = 64
_FIELDS: Final = frozenset({"channel_id", "name", "metadata", "low_latency", "marker"})


class ApiError(HTTPException):
    """An error answer of the control API.

    Attributes:
        code: what a program tells errors apart by.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code


class ControlApi:
    """The endpoints of the control API.

    Args:
        registry: the live streams.
        token: what a client must show.
        addresses: where the server can be reached.
    """

    def __init__(self, registry: Registry, token: Secret, addresses: Addresses) -> None:
        self._registry = registry
        self._token = token
        self._addresses = addresses

    def mount(self) -> Mount:
        """Return the routes, each behind the guard."""
        one = "/live-streams/{id}"
        return Mount(
            "/api/v1",
            routes=[
                self._route("GET", "/health", self.health),
                self._route("POST", "/live-streams", self.create),
                self._route("GET", "/live-streams", self.page),
                self._route("GET", one, self.show),
                self._route("DELETE", one, self.end),
                self._route("GET", one + "/credentials", self.credentials),
                self._route("POST", one + "/rotate-key", self.rotate_key),
                self._route("POST", one + "/enable", self.enable),
                self._route("POST", one + "/disable", self.disable),
                self._route("GET", one + "/analytics", self.analytics),
                self._route("GET", "/analytics", self.analytics_of_many),
            ],
        )

    def _route(
        self, method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Route:
        async def guarded(request: Request) -> Response:
            self._admit(request)
            return await endpoint(request)

        return Route(path, guarded, methods=[method])

    def _admit(self, request: Request) -> None:
        """Let in programs of this machine that know the token."""
        if not _is_local(request):
            raise ApiError(
                403,
                "forbidden",
                "the control API answers programs on the server's own machine only",
            )
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        expected = self._token.reveal().encode()
        if kind.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), expected):
            raise ApiError(
                401,
                "unauthorized",
                "the control token is missing or wrong",
                {"WWW-Authenticate": "Bearer"},
            )

    # ------------------------------------------------------------------ endpoints

    async def health(self, request: Request) -> Response:
        """Tell that the server works, and where it is."""
        return _answer(
            {
                "server": "headend-local",
                "version": version("headend-local"),
                "pid": os.getpid(),
                "rtmp_url": self._addresses.rtmp_url(request),
                "live_streams": len(self._registry),
            }
        )

    async def create(self, request: Request) -> Response:
        """Make a live stream; the answer holds its key."""
        body = await _body(request)
        unknown = sorted(body.keys() - _FIELDS)
        if unknown:
            raise _invalid(f"unknown field {unknown[0]!r}")
        running = self._registry.create(
            channel_id=_channel_id(body.get("channel_id")),
            name=_optional_text(body, "name"),
            metadata=_metadata(body.get("metadata")),
            low_latency=_flag(body, "low_latency"),
            marker=_optional_text(body, "marker"),
        )
        return self._with_key(request, running, status=201)

    async def page(self, request: Request) -> Response:
        """List live streams, oldest first, a page at a time."""
        limit = _number(request, "limit", default=MAX_PAGE, lowest=1, highest=MAX_PAGE)
        after = _number(request, "after", default=0, lowest=0, highest=2**63 - 1)
        found = self._registry.page(after=after, limit=limit + 1)
        shown = found[:limit]
        more = len(found) > limit
        return _answer(
            {
                "live_streams": [self._describe(request, each) for each in shown],
                "next": str(shown[-1].record.number) if more else None,
            }
        )

    async def show(self, request: Request) -> Response:
        """Describe one live stream."""
        return _answer(self._describe(request, self._find(request)))

    async def credentials(self, request: Request) -> Response:
        """Describe one live stream, key included."""
        return self._with_key(request, self._find(request))

    async def rotate_key(self, request: Request) -> Response:
        """Replace the key; an encoder that uses the old one is disconnected."""
        running = self._find(request)
        self._registry.rotate_key(running.record.id)
        return self._with_key(request, running)

    async def enable(self, request: Request) -> Response:
        """Let encoders in."""
        return self._set_enabled(request, enabled=True)

    async def disable(self, request: Request) -> Response:
        """Keep encoders out; a connected one is disconnected."""
        return self._set_enabled(request, enabled=False)

    async def end(self, request: Request) -> Response:
        """End a live stream for good."""
        self._registry.end(self._find(request).record.id)
        return _answer({"outcome": "ended"})

    async def analytics(self, request: Request) -> Response:
        """Measure one live stream."""
        return _answer(self._measure(self._find(request)))

    async def analytics_of_many(self, request: Request) -> Response:
        """Measure several live streams; ids that there are none of are listed as missing."""
        ids = [each for each in request.query_params.get("ids", "").split(",") if each]
        if not ids or len(ids) > MAX_IDS:
            raise _invalid(f"ids must hold 1 to {MAX_IDS} ids, separated by commas")
        running = {each: self._registry.get(each) for each in ids}
        return _answer(
            {
                "analytics": [self._measure(each) for each in running.values() if each],
                "missing": [key for key, each in running.items() if each is None],
            }
        )

    # ------------------------------------------------------------------ inside

    def _find(self, request: Request) -> RunningLiveStream:
        running = self._registry.get(request.path_params["id"])
        if running is None:
            raise ApiError(404, "not_found", "there is no live stream with this id")
        return running

    def _set_enabled(self, request: Request, *, enabled: bool) -> Response:
        running = self._find(request)
        self._registry.set_enabled(running.record.id, enabled=enabled)
        return _answer(self._describe(request, running))

    def _with_key(
        self, request: Request, running: RunningLiveStream, *, status: int = 200
    ) -> Response:
        key = self._registry.stream_key(running.record.id)
        return _answer(self._describe(request, running) | {"stream_key": key.reveal()}, status)

    def _describe(self, request: Request, running: RunningLiveStream) -> dict[str, object]:
        record = running.record
        page = f"{self._addresses.http_url(request)}/live/{record.id}/"
        return {
            "id": record.id,
            "channel_id": record.channel_id,
            "name": record.name,
            "metadata": dict(record.metadata),
            "low_latency": record.low_latency,
            "marker": record.marker,
            "enabled": record.enabled,
            "state": running.state.value,
            "state_reason": running.state_reason,
            "created_at": record.created_at.isoformat(),
            "rtmp_push_url": self._addresses.rtmp_url(request),
            "playback_url": page + ("index.m3u8" if record.low_latency else "plain.m3u8"),
            "player_url": page,
            "warnings": running.warnings,
        }

    def _measure(self, running: RunningLiveStream) -> dict[str, object]:
        ingest = running.ingest
        bitrate = running.bitrate
        unknown = {}
        if bitrate is None:
            unknown["current_bitrate"] = (
                "the encoder has been connected for less than a second; it is measured over "
                "full seconds"
            )
        return {
            "id": running.record.id,
            "as_of": self._registry.now().isoformat(),
            "state": running.state.value,
            "viewer_count": running.viewers.count,
            "peak_viewers": running.totals.peak_viewers,
            "total_watch_time": round(running.totals.watch_time, 3),
            "current_bitrate": bitrate,
            "unknown": unknown,
            "ingest": None if ingest is None else asdict(ingest),
        }


def _answer(body: dict[str, object], status: int = 200) -> Response:
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


def _invalid(message: str) -> ApiError:
    return ApiError(400, "invalid_request", message)


def _is_local(request: Request) -> bool:
    """Whether the other end of the connection is on this machine.

    It is when it comes from the loopback, or from the very address that it connected to.
    """
    client = request.scope.get("client")
    server = request.scope.get("server")
    if client is None:
        return False
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or (server is not None and client[0] == server[0])


async def _body(request: Request) -> dict[str, object]:
    """Read a JSON object of bounded size."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise ApiError(413, "too_large", f"the body is larger than {MAX_BODY} bytes")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise _invalid("the body is not JSON") from None
    if not isinstance(body, dict):
        raise _invalid("the body is not a JSON object")
    return cast("dict[str, object]", body)


def _channel_id(value: object) -> str:
    if not isinstance(value, str):
        raise _invalid("channel_id must be a text")
    if not value.strip() or not value.isprintable():
        raise _invalid(
            "channel_id must be a text that is neither empty nor holds control characters"
        )
    return _bounded("channel_id", value)


def _optional_text(body: dict[str, object], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _invalid(f"{name} must be a text or null")
    return _bounded(name, value)


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MAX_METADATA:
        raise _invalid(f"metadata must be an object of at most {_MAX_METADATA} texts")
    texts = {}
    for key, each in value.items():
        if not isinstance(each, str):
            raise _invalid("every value of metadata must be a text")
        texts[_bounded("a name in metadata", key)] = _bounded("a value in metadata", each)
    return texts


def _bounded(name: str, text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise _invalid(f"{name} is longer than {_MAX_TEXT} characters")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise _invalid(f"{name} holds half a surrogate pair, which is not a character")
    return text


def _flag(body: dict[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise _invalid(f"{name} must be true or false")
    return value


def _number(request: Request, name: str, *, default: int, lowest: int, highest: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _invalid(f"{name} must be a number")
    value = int(text)
    if not lowest <= value <= highest:
        raise _invalid(f"{name} must be between {lowest} and {highest}")
    return value
