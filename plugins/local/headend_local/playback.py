"""What viewers fetch: playlists, media, the player page and what it shows.

The low-latency rules are those of draft-pantos-hls-rfc8216bis: blocking playlist reload (section
6.2.5.2) and part requests that wait for a hinted part (6.2.6).  Requests that may be answered later
wait for the packager's next change; nothing polls.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headend_local.viewer_tokens import ViewerTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from headend_local.live_stream import RunningLiveStream
    from headend_local.packager import Packager
    from headend_local.registry import Registry

_PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_MEDIA_TYPE: Final = "video/mp4"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_SHORT: Final = {"Cache-Control": "max-age=60"}

_PLAYER: Final = Path(__file__).parent / "player"
_PLAYER_FILE: Final = re.compile(r"[a-z0-9-]+\.(js|css|svg)")
_PLAYER_TYPES: Final = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'"
)

_PATIENCE: Final = 3
"""Target durations of the playlist that a request may wait (6.2.5.2)."""


class Playback:
    """The endpoints for viewers.

    Args:
        registry: the live streams.
        random_bytes: gives so many unguessable bytes.
    """

    def __init__(self, registry: Registry, random_bytes: Callable[[int], bytes]) -> None:
        self._registry = registry
        self._tokens = ViewerTokens(random_bytes)

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = "/live/{id}"
        return [
            Route(one, self.page_address),
            Route(one + "/", self.page),
            Route(one + "/index.m3u8", self.low_latency_master),
            Route(one + "/plain.m3u8", self.plain_master),
            Route(one + "/media.m3u8", self.low_latency_media),
            Route(one + "/media-plain.m3u8", self.plain_media),
            Route(one + "/status.json", self.status),
            Route(one + "/{name}", self.media),
            Route("/player/{name}", self.player_file),
        ]

    # ------------------------------------------------------------------ playlists

    async def low_latency_master(self, request: Request) -> Response:
        """Answer the multivariant playlist for low latency."""
        return self._master(request, low_latency=True)

    async def plain_master(self, request: Request) -> Response:
        """Answer the multivariant playlist for players without low latency."""
        return self._master(request, low_latency=False)

    def _master(self, request: Request, *, low_latency: bool) -> Response:
        live_stream = self._find(request)
        packager = self._listed(live_stream)
        token = self._tokens.issue(live_stream.record.id)
        return _playlist(packager.master_playlist(low_latency=low_latency, query=f"v={token}"))

    async def low_latency_media(self, request: Request) -> Response:
        """Answer the media playlist, waiting for the position that the player asks for."""
        live_stream = self._find(request)
        packager = self._listed(live_stream)
        position = _position(request)
        if position is not None and not packager.ended:
            await self._wait_for(live_stream, packager, position)
            packager = self._listed(live_stream)  # it may have been dropped meanwhile
        return self._media_playlist(request, live_stream, packager, low_latency=True)

    async def plain_media(self, request: Request) -> Response:
        """Answer the media playlist as it is."""
        live_stream = self._find(request)
        packager = self._listed(live_stream)
        return self._media_playlist(request, live_stream, packager, low_latency=False)

    async def _wait_for(
        self, live_stream: RunningLiveStream, packager: Packager, position: tuple[int, int | None]
    ) -> None:
        msn, part = position
        if msn > packager.next_position[0] + 1:
            raise HTTPException(400, "_HLS_msn is too far ahead of the playlist", _NO_STORE)
        # When the time is up the list goes out as it is: an encoder that reconnects may take
        # longer, and players give up for good after a few errors.
        await live_stream.wait_until(
            lambda: packager.ended or packager.has(msn, part), _patience(packager)
        )

    def _media_playlist(
        self,
        request: Request,
        live_stream: RunningLiveStream,
        packager: Packager,
        *,
        low_latency: bool,
    ) -> Response:
        token = self._token(request, live_stream)
        if request.method == "GET":
            live_stream.viewers.seen(_viewer(request, token))
        query = f"v={token}" if token else ""
        return _playlist(packager.media_playlist(low_latency=low_latency, query=query))

    # ------------------------------------------------------------------ media

    async def media(self, request: Request) -> Response:
        """Answer an init section, a segment or a part; one that is about to come is waited for."""
        live_stream = self._find(request)
        packager = live_stream.packager
        name = request.path_params["name"]
        if packager is None:
            raise _nothing_here()
        if packager.is_expected(name):
            await live_stream.wait_until(
                lambda: not packager.is_expected(name), _patience(packager)
            )
        resource = packager.resource(name)
        if resource is None:
            raise _nothing_here()
        if request.method == "GET" and resource.kind != "init":
            live_stream.viewers.delivered(
                _viewer(request, self._token(request, live_stream)),
                msn=resource.msn,
                part=resource.part,
                duration=resource.duration,
            )
        return Response(resource.body, media_type=_MEDIA_TYPE, headers=_SHORT)

    # ------------------------------------------------------------------ the player page

    async def page_address(self, request: Request) -> Response:
        """Send to the address with the slash: the page's own addresses are relative to it."""
        return RedirectResponse(f"/live/{self._find(request).record.id}/", 308)

    async def page(self, request: Request) -> Response:
        """Answer the player page; where there is no such live stream, the page says so."""
        live_stream = self._registry.find(request.path_params["id"])
        name = None if live_stream is None else live_stream.record.name
        template = (_PLAYER / "index.html").read_text(encoding="utf-8")
        return HTMLResponse(
            template.replace("{{title}}", html.escape(name or "Live stream")),
            404 if live_stream is None else 200,
            headers={
                **_NO_STORE,
                "Content-Security-Policy": _PAGE_POLICY,
                "Referrer-Policy": "no-referrer",
            },
        )

    async def player_file(self, request: Request) -> Response:
        """Answer a script, style or picture of the page."""
        name = _PLAYER_FILE.fullmatch(request.path_params["name"])
        if name is None or not (_PLAYER / name[0]).is_file():
            raise _nothing_here()
        content_type = {"Content-Type": _PLAYER_TYPES[name[1]]}
        return Response((_PLAYER / name[0]).read_bytes(), headers=_NO_STORE | content_type)

    async def status(self, request: Request) -> Response:
        """Tell a viewer what is going on."""
        live_stream = self._find(request)
        return JSONResponse(
            {
                "state": live_stream.state.value,
                "message": live_stream.viewer_message,
                "viewer_count": live_stream.viewers.count,
            },
            headers=_NO_STORE,
        )

    # ------------------------------------------------------------------ inside

    def _find(self, request: Request) -> RunningLiveStream:
        live_stream = self._registry.find(request.path_params["id"])
        if live_stream is None:
            raise HTTPException(404, "there is no such live stream", _NO_STORE)
        return live_stream

    def _token(self, request: Request, live_stream: RunningLiveStream) -> str | None:
        """Return the viewer's token, or `None` if there is none that was issued here."""
        token = request.query_params.get("v", "")
        return token if self._tokens.is_issued(token, live_stream.record.id) else None

    def _listed(self, live_stream: RunningLiveStream) -> Packager:
        packager = live_stream.packager
        if packager is None or not packager.listed:
            raise HTTPException(404, live_stream.viewer_message, _NO_STORE)
        return packager


def _nothing_here() -> HTTPException:
    return HTTPException(404, "there is nothing at this address", _NO_STORE)


def _playlist(text: str) -> Response:
    return Response(text, media_type=_PLAYLIST_TYPE, headers=_NO_STORE)


def _position(request: Request) -> tuple[int, int | None] | None:
    """Return the media sequence number and part index that the player waits for, if any."""
    msn, part = (_directive(request, name) for name in ("_HLS_msn", "_HLS_part"))
    if msn is None:
        if part is not None:
            raise HTTPException(400, "_HLS_part needs _HLS_msn", _NO_STORE)
        return None
    return msn, part


def _directive(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(400, f"{name} must be a number", _NO_STORE)
    return int(text)


def _patience(packager: Packager) -> float:
    """Return the seconds that a request for what comes next may wait."""
    return _PATIENCE * packager.target_duration


def _viewer(request: Request, token: str | None) -> str:
    """Tell viewers apart: by the token, else by the address they come from."""
    if token is not None:
        return f"v={token}"
    return f"from {request.client.host if request.client else 'nowhere'}"
