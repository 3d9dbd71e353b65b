"""The simulated platform's HTTP API, as an ASGI application.

All is JSON and under ``/v1/accounts/{account}``; the token is a bearer token.  An error is
``{"error": {"code": …, "message": …}}``, and each answer has an ``X-Request-Id``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import count
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from headend.plugin import SystemClock
from headend_contract.reference.platform import (
    ACCOUNT,
    ReferenceSwitches,
    RefusedError,
    SimulatedPlatform,
)
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from starlette.requests import Request

    from headend.plugin import Clock, PlatformTruth, SimulatedEncoder

_MAX_BODY: Final = 65536

Json = Mapping[str, object]


class Call:
    """A request whose sender was let in."""

    def __init__(self, platform: SimulatedPlatform, request: Request, body: Json) -> None:
        self.platform = platform
        self.body = body
        self._request = request

    @property
    def input(self) -> str:
        """The input that the path names."""
        return str(self._request.path_params["input"])

    @property
    def recording(self) -> str:
        """The recording that the path names."""
        return str(self._request.path_params["recording"])

    @property
    def broadcast(self) -> str:
        """The broadcast that the path names."""
        return str(self._request.path_params["broadcast"])

    @property
    def ids(self) -> list[str]:
        """The inputs that the query names."""
        return [one for one in self._request.query_params.get("ids", "").split(",") if one]

    @property
    def page(self) -> tuple[str | None, int]:
        """The cursor and the most elements wanted."""
        limit = self._request.query_params.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
            raise RefusedError(400, "invalid", "limit is a number from 1.")
        return self._request.query_params.get("cursor"), int(limit)

    @property
    def may_write(self) -> bool:
        """Whether the token may do more than read."""
        return _token(self._request) == self.platform.token


Action = Callable[[Call], "Json | None"]

_ROUTES: Final[Mapping[str, Mapping[str, tuple[int, Action]]]] = {
    "": {"GET": (200, lambda call: call.platform.show_account(may_write=call.may_write))},
    "/inputs": {
        "GET": (200, lambda call: call.platform.list_inputs(*call.page)),
        "POST": (201, lambda call: call.platform.create_input(call.body)),
    },
    "/inputs/{input}": {
        "GET": (200, lambda call: call.platform.show_input(call.input)),
        "PATCH": (200, lambda call: call.platform.set_enabled(call.input, call.body)),
        "DELETE": (204, lambda call: call.platform.delete_input(call.input)),
    },
    "/inputs/{input}/key": {
        "GET": (200, lambda call: call.platform.show_key(call.input)),
        "POST": (200, lambda call: call.platform.rotate_key(call.input)),
        "DELETE": (204, lambda call: call.platform.revoke_key(call.input)),
    },
    "/inputs/{input}/stop": {
        "POST": (200, lambda call: call.platform.stop_input(call.input)),
    },
    "/inputs/{input}/metrics": {
        "GET": (200, lambda call: call.platform.show_metrics(call.input)),
    },
    "/inputs/{input}/broadcasts": {
        "GET": (200, lambda call: call.platform.list_broadcasts(call.input, *call.page)),
    },
    "/inputs/{input}/broadcasts/{broadcast}": {
        "GET": (200, lambda call: call.platform.show_broadcast(call.input, call.broadcast)),
    },
    "/inputs/{input}/recordings": {
        "GET": (200, lambda call: call.platform.list_recordings(call.input, *call.page)),
    },
    "/metrics": {"GET": (200, lambda call: call.platform.show_many_metrics(call.ids))},
    "/recordings/{recording}": {
        "DELETE": (204, lambda call: call.platform.delete_recording(call.recording)),
    },
}
"""Status and action of each method of each path below the account's."""


class SimulatorApp(Starlette):
    """The application, a `headend.plugin.Simulator`; `platform` is what is behind it."""

    def __init__(self, platform: SimulatedPlatform) -> None:
        self.platform = platform
        self._numbers = count(1)
        super().__init__(
            routes=[
                Route(f"/v1/accounts/{{account}}{path}", self._answer(actions), methods=[*actions])
                for path, actions in _ROUTES.items()
            ],
            exception_handlers={HTTPException: self._no_such_route},
        )

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point a host at it, where it is served at this address."""
        return {
            "STREAMING_PLATFORM": NAME,
            "REFERENCE_API_URL": url,
            "REFERENCE_ACCOUNT": ACCOUNT,
            "REFERENCE_API_TOKEN": self.platform.token,
            "REFERENCE_WEBHOOK_SECRET": self.platform.webhook_secret,
        }

    def describe_switches(self) -> Mapping[str, str]:
        """Return what each switch does, by its name."""
        return self.platform.switches.describe()

    def switch(self, **values: object) -> None:
        """Change some of the switches."""
        self.platform.switch(**values)

    def reset(self) -> None:
        """Forget all but switches and credentials."""
        self.platform.reset()

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        return self.platform.truth()

    @property
    def connect_time(self) -> float:
        """Seconds from an encoder's arrival by which viewers can watch."""
        return self.platform.switches.connect_time

    def connect(self, stream_key: str) -> SimulatedEncoder | None:
        """Have an encoder push with this key; `None` if the platform refuses it."""
        encoder = self.platform.encoder(stream_key)
        return encoder if encoder.connected else None

    def watch(self, stream_id: str, viewers: int) -> None:
        """Have so many viewers watch from now on."""
        self.platform.watch(stream_id, viewers)

    def close(self) -> None:
        """Do nothing: it holds nothing but memory."""

    def _answer(self, actions: Mapping[str, tuple[int, Action]]) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            # A route for GET answers HEAD as well, and the server leaves the body out.
            method = "GET" if request.method == "HEAD" else request.method
            status, action = actions[method]
            headers: dict[str, str] = {}
            data: Json | None
            try:
                account = str(request.path_params["account"])
                token = _token(request)
                headers = self.platform.admit(token, account, writes=method != "GET")
                data = action(Call(self.platform, request, await _body(request)))
            except RefusedError as refusal:
                status = refusal.status
                data = _error(refusal.code, refusal.message)
                if refusal.retry_after is not None:
                    headers = {**headers, "Retry-After": str(ceil(refusal.retry_after))}
            return self._response(request, status, data, headers)

        return answer

    async def _no_such_route(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        data = _error("no_such_route", "The API has no such path or method.")
        return self._response(request, error.status_code, data, {})

    def _response(
        self, request: Request, status: int, data: Json | None, headers: Mapping[str, str]
    ) -> Response:
        self.platform.note(request.method, request.url.path, status)
        return Response(
            None if data is None else json.dumps(data),
            status_code=status,
            headers={**headers, "X-Request-Id": f"req_{next(self._numbers):08d}"},
            media_type=None if data is None else "application/json",
        )


def create_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> SimulatorApp:
    """Make a platform of its own, empty, and the application that answers for it.

    Args:
        clock: the platform's; without it the machine's.
        random: where ids and keys come from; the same seed gives the same ones.
        switches: how it behaves, by the names that `describe_switches` gives.

    Raises:
        ConfigurationError: there is no such switch, or it does not take such a value.
    """
    return SimulatorApp(
        SimulatedPlatform(
            clock=clock or SystemClock(),
            random=random or Random(0),  # noqa: S311  # its keys open nothing
            switches=ReferenceSwitches.of(switches or {}),
        )
    )


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


async def _body(request: Request) -> Json:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_BODY:
            raise RefusedError(413, "too_large", f"A request has at most {_MAX_BODY} bytes.")
    if not raw:
        return {}
    try:
        data: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(400, "malformed", "The request is not JSON.") from None
    if not isinstance(data, dict):
        raise RefusedError(400, "malformed", "The request is not a JSON object.")
    return data


def _error(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message}}
