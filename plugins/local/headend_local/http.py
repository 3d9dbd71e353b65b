"""The HTTP port: playback for viewers, the control API for the provider.

Everything for viewers may be read by scripts of any site (CORS ``*``), errors included; nothing
of the control API may.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headend_local.control import ApiError, ControlApi
from headend_local.playback import Playback

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headend.plugin import Secret
    from headend_local.addresses import Addresses
    from headend_local.registry import Registry

_CODES = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}


def create_app(
    registry: Registry,
    *,
    token: Secret,
    addresses: Addresses,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> ASGIApp:
    """Make the ASGI application.

    Args:
        registry: the live streams.
        token: what a client of the control API must show.
        addresses: where the server can be reached.
        random_bytes: gives so many unguessable bytes.
    """

    async def identity(_request: Request) -> Response:
        # Not secret: it tells a second server, or a person, who has the ports.
        return JSONResponse(identity_of(addresses), headers={"Cache-Control": "no-store"})

    return _CommonHeaders(
        Starlette(
            routes=[
                Route("/identity", identity),
                ControlApi(registry, token, addresses).mount(),
                *Playback(registry, random_bytes).routes(),
            ],
            exception_handlers={HTTPException: _told, Exception: _defect},
        )
    )


def identity_of(addresses: Addresses) -> dict[str, object]:
    """Say which server this is, for whoever finds its ports taken."""
    return {
        "server": "headend-local",
        "pid": os.getpid(),
        "rtmp_port": addresses.rtmp_port,
        "http_port": addresses.http_port,
    }


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = error.code if isinstance(error, ApiError) else _CODES.get(error.status_code, "error")
    headers = {"Cache-Control": "no-store", **(error.headers or {})}
    return _error(error.status_code, code, error.detail, headers)


async def _defect(_request: Request, _exception: Exception) -> Response:
    message = "a defect of the server; its log has the details"
    return _error(500, "internal", message, {"Cache-Control": "no-store"})


def _error(status: int, code: str, message: str, headers: dict[str, str]) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


class _CommonHeaders:
    """Adds to every answer what every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        control = scope["path"].startswith("/api/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = uuid.uuid4().hex
                headers["X-Content-Type-Options"] = "nosniff"
                if not control:
                    headers["Access-Control-Allow-Origin"] = "*"
            await send(message)

        if scope["method"] == "OPTIONS" and not control:
            await _PREFLIGHT(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)


_PREFLIGHT = Response(
    status_code=204,
    headers={
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Max-Age": "600",
    },
)
