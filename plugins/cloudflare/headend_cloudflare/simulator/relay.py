"""Real pictures on the simulated customer host: fetched from the media behind a live stream.

The platform's address of a playlist is ``…/ID/manifest/video.m3u8``
(developers.cloudflare.com/stream/viewing-videos/using-own-player).  What that playlist lists lies
beside it, so each further name is looked up beside the media's own playlist.  How the platform
names its media playlists and segments is not documented, and the names here are the media's own.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import httpx
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

MANIFEST: Final = "video.m3u8"
"""The platform's name of the playlist that a player is given."""

PATIENCE: Final = 60.0
"""Seconds for one answer as a whole; a playlist that waits for its next part takes a few."""

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one answer, far beyond a segment."""

PLACES: Final = 64
"""Answers under way at once."""

_NAME: Final = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", re.ASCII)
_LONGEST: Final = 512
_CONNECT: Final = 5.0
_KEPT: Final = frozenset(
    {
        b"accept-ranges",
        b"cache-control",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
    }
)
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_BAD_GATEWAY: Final = 502
_OVERLOADED: Final = 503
_TIMED_OUT: Final = 504


class Relay:
    """Fetches for viewers what the media has.

    Args:
        patience: seconds for one answer as a whole.
        largest: bytes of one answer.
    """

    def __init__(self, *, patience: float = PATIENCE, largest: int = LARGEST) -> None:
        self.patience = patience
        self.largest = largest
        self.under_way = 0

    def answer(self, request: Request, hls_url: str, name: str) -> Response:
        """Return the answer to a viewer; it is fetched while it is sent.

        Status and media type are the media's own, but for these: 204 for a playlist that is not
        there yet, which is the platform's word for it; 404 for what can be no name; 502 for a
        redirect, an answer that is too long, or none; 503 for too many at once; 504 for a late one.

        Args:
            request: a GET or HEAD of the viewer; its query goes to the media as it is.
            hls_url: the media's playlist.
            name: what is asked for, relative to the platform's playlist.
        """
        address = _address(hls_url, name, request.url.query)
        if address is None:
            return Response(status_code=_NOT_FOUND)
        if self.under_way >= PLACES:
            return Response(status_code=_OVERLOADED)
        headers = {"Accept-Encoding": "identity"}
        if "range" in request.headers:
            headers["Range"] = request.headers["range"]
        try:
            wanted = httpx.Request(request.method, address, headers=headers)
        except httpx.InvalidURL:
            return Response(status_code=_NOT_FOUND)
        return _Relayed(self, wanted, name)


class _Relayed(Response):
    """An answer that comes from elsewhere while it is sent."""

    def __init__(self, relay: Relay, request: httpx.Request, name: str) -> None:
        super().__init__()
        self._relay = relay
        self._request = request
        self._name = name
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._relay.under_way += 1
        status = _TIMED_OUT
        try:
            async with asyncio.timeout(self._relay.patience):
                status = await self._fetch(send)
        except (TimeoutError, httpx.TimeoutException):
            pass
        except httpx.RequestError:
            status = _BAD_GATEWAY
        finally:
            self._relay.under_way -= 1
        # An answer that broke off stays unfinished, and the server closes its connection.
        if not self._started:
            await Response(status_code=status)(scope, receive, send)

    async def _fetch(self, send: Send) -> int:
        """Pass the answer on, or return the status of the one to give instead."""
        # A client for each answer: which event loop it would live in, and until when, nobody knows.
        async with httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            verify=self._request.url.scheme == "https",
            timeout=httpx.Timeout(self._relay.patience, connect=_CONNECT),
        ) as client:
            response = await client.send(self._request, stream=True)
            try:
                return await self._pass_on(response, send)
            finally:
                await response.aclose()

    async def _pass_on(self, response: httpx.Response, send: Send) -> int:
        if response.status_code == _NOT_FOUND and self._name == MANIFEST:
            return _NO_CONTENT
        if response.is_redirect or _length(response) > self._relay.largest:
            return _BAD_GATEWAY
        # A page of any origin may play it (developers.cloudflare.com/stream/examples/hls-js).
        headers = [(b"access-control-allow-origin", b"*")]
        headers += [pair for pair in response.headers.raw if pair[0].lower() in _KEPT]
        self._started = True
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": [(name.lower(), value) for name, value in headers],
            }
        )
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > self._relay.largest:
                return _BAD_GATEWAY
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})
        return response.status_code


def _length(response: httpx.Response) -> int:
    text = response.headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _address(hls_url: str, name: str, query: str) -> str | None:
    """Return where the media has it, or `None` for a name that leads elsewhere."""
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        return None
    parts = urlsplit(hls_url if name == MANIFEST else urljoin(hls_url, name))
    return parts._replace(query="&".join(filter(None, (parts.query, query)))).geturl()
