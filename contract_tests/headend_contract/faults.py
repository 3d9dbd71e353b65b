"""Faults between a provider and its platform, each at the request that a test chooses.

`FaultLayer` is an ASGI application around the simulated platform's, served by
`headend_contract.serving`.  A script says which request meets which fault; all others pass::

    faults = FaultLayer(app)
    with Served(faults) as served:
        faults.script({0: DROP_ANSWER, 1: UNAVAILABLE})
        ...
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen
from starlette.types import ASGIApp, Receive, Scope, Send

from headend_contract.serving import RESET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message


@frozen(eq=False)
class Fault:
    """One way in which a request goes wrong.

    Attributes:
        name: for test ids and reports.
        description: what happens, in a sentence.
        processed: whether the platform does what was asked.
        act: answers the request, or not.
    """

    name: str
    description: str
    processed: bool
    act: Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]

    def __repr__(self) -> str:
        return f"<Fault {self.name}>"


@frozen
class Answer:
    """What an application answered."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    async def send(self, send: Send, *, upto: int | None = None) -> None:
        """Send it, or of its body only the bytes up to a place."""
        headers = [*self.headers]
        if self.body:
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": self.body[:upto], "more_body": upto is not None}
        )


async def _processed(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Have the platform do what was asked, and keep its answer back."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    headers = tuple((name, value) for name, value in messages[0]["headers"])
    return Answer(
        status=messages[0]["status"],
        headers=tuple(one for one in headers if one[0].lower() != b"content-length"),
        body=b"".join(one.get("body", b"") for one in messages[1:]),
    )


async def _reset(scope: Scope, receive: Receive) -> None:
    reset = scope.get("state", {}).get(RESET)
    if reset is None:
        raise RuntimeError("connections can be reset only where headend_contract.serving serves")
    reset()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the client has gone, reading away what it still sends."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _drop_request(_app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    await _reset(scope, receive)


async def _drop_answer(app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    await _processed(app, scope, receive)
    await _reset(scope, receive)


async def _cut_answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    answer = await _processed(app, scope, receive)
    if answer.body:  # an answer without one would be whole at once
        await answer.send(send, upto=len(answer.body) // 2)
    await _reset(scope, receive)


async def _hang(_app: ASGIApp, _scope: Scope, receive: Receive, _send: Send) -> None:
    await _gone(receive)


async def _hang_after(app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    await _processed(app, scope, receive)
    await _gone(receive)


def answering(
    name: str,
    status: int,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    processed: bool = False,
) -> Fault:
    """Make a fault that answers in the platform's stead.

    Args:
        name: the fault's name.
        status: the HTTP status of the answer.
        headers: its headers.
        body: its body.
        processed: whether the platform does what was asked before.
    """
    pairs = tuple((key.encode(), value.encode()) for key, value in (headers or {}).items())
    answer = Answer(status, pairs, body)

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if processed:
            await _processed(app, scope, receive)
        await answer.send(send)

    return Fault(name, f"something on the way answers {status}", processed, act)


def changing(name: str, description: str, change: Callable[[Answer], Answer]) -> Fault:
    """Make a fault that lets the platform answer, and changes the answer."""

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await change(await _processed(app, scope, receive)).send(send)

    return Fault(name, description, processed=True, act=act)


def slow(seconds: float) -> Fault:
    """Make a fault that gives the answer so much later."""

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await _processed(app, scope, receive)
        try:
            await asyncio.wait_for(_gone(receive), seconds)
        except TimeoutError:
            await answer.send(send)

    return Fault("slow", f"the answer comes {seconds:g} s late", processed=True, act=act)


def _truncate(answer: Answer) -> Answer:
    if answer.body:
        return evolve(answer, body=answer.body[: len(answer.body) // 2])
    return Answer(200, ((b"content-type", b"application/json"),), b'{"result": ')


DROP_REQUEST: Final = Fault(
    "drop-request",
    "the connection is reset and the platform has done nothing",
    processed=False,
    act=_drop_request,
)
DROP_ANSWER: Final = Fault(
    "drop-answer",
    "the platform does what was asked, and the connection is reset before it answers",
    processed=True,
    act=_drop_answer,
)
CUT_ANSWER: Final = Fault(
    "cut-answer",
    "the platform does what was asked, and the connection is reset within the answer",
    processed=True,
    act=_cut_answer,
)
RATE_LIMITED: Final = answering("rate-limited", 429, headers={"Retry-After": "1"})
RATE_LIMITED_BARE: Final = answering("rate-limited-bare", 429)
UNAVAILABLE: Final = answering("unavailable", 503)
GATEWAY_TIMEOUT: Final = answering("gateway-timeout", 504, processed=True)
HANG: Final = Fault(
    "hang", "no answer ever comes and the platform has done nothing", processed=False, act=_hang
)
HANG_AFTER: Final = Fault(
    "hang-after",
    "the platform does what was asked, and no answer ever comes",
    processed=True,
    act=_hang_after,
)
HTML: Final = answering(
    "html",
    200,
    headers={"Content-Type": "text/html"},
    body=b"<!doctype html><title>Sign in to this network</title>",
)
TRUNCATED: Final = changing(
    "truncated", "the answer is whole HTTP around half of its JSON", _truncate
)

FAULTS: Final = (
    DROP_REQUEST,
    DROP_ANSWER,
    CUT_ANSWER,
    RATE_LIMITED,
    RATE_LIMITED_BARE,
    UNAVAILABLE,
    GATEWAY_TIMEOUT,
    HANG,
    HANG_AFTER,
    HTML,
    TRUNCATED,
)
"""All but the slow one; `HANG` and `HANG_AFTER` take the provider's timeout in real time."""


@frozen
class Seen:
    """A request that came, and the fault that it met, if any."""

    method: str
    path: str
    fault: Fault | None


class FaultLayer:
    """An ASGI application that passes requests on, but for those that the script names.

    Attributes:
        seen: all requests since it was made or reset, also those that the platform never got.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.seen: list[Seen] = []
        self._app = app
        self._script: Mapping[int, Fault] = {}
        self._first = 0
        self._lock = threading.Lock()

    def script(self, faults: Mapping[int, Fault]) -> None:
        """Say which of the requests from now on meet a fault; 0 is the next one."""
        with self._lock:
            self._script, self._first = dict(faults), len(self.seen)

    def reset(self) -> None:
        """Forget the script and what was seen."""
        with self._lock:
            self.seen = []
            self._script, self._first = {}, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail to."""
        with self._lock:
            fault = self._script.get(len(self.seen) - self._first)
            self.seen.append(Seen(scope["method"], scope["path"], fault))
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await fault.act(self._app, scope, receive, send)
