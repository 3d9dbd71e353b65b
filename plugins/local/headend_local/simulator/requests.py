"""Requests to an ASGI application from within its own event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 1 << 20
"""Bytes of a request that are passed on: more than the server takes, so that it can refuse."""

_OK: Final = 200


async def get(app: ASGIApp, address: str) -> str | None:
    """Return the text at an address of the application, or `None` if there is none."""
    path, _, query = address.partition("?")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    start, *parts = await collect(app, scope, b"")
    if start["status"] != _OK:
        return None
    return b"".join(part.get("body", b"") for part in parts).decode("latin-1")


async def collect(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Have a request answered; return the messages of the answer."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages


async def read_body(receive: Receive) -> bytes:
    """Read what a client sends, or the beginning of more than the server would take."""
    body = b""
    while len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


async def answer(send: Send, messages: list[Message]) -> None:
    """Send an answer that was collected."""
    for message in messages:
        await send(message)
