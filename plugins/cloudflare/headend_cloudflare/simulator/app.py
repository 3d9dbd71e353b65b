"""The simulated platform's HTTP, as an ASGI application on one origin.

===========================  =======================================================
``/client/v4/accounts/…``    the API: envelope, error codes, rate headers, ``cf-ray``
``/client/v4/graphql``       the analytics
``/customer-CODE/{id}/…``    the customer host: lifecycle, views, manifests
===========================  =======================================================

It is not the platform: what only this simulator says is no proof of what Cloudflare does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from attrs import frozen
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from headend.plugin import HeadendError
from headend_cloudflare.simulator import refusals
from headend_cloudflare.simulator.access import READ, WRITE
from headend_cloudflare.simulator.analytics import answer_query, usage
from headend_cloudflare.simulator.answers import Answers
from headend_cloudflare.simulator.customer import MANIFEST, Page, Viewer, answer_viewer
from headend_cloudflare.simulator.records import Received
from headend_cloudflare.simulator.refusals import RefusedError
from headend_cloudflare.simulator.relay import Relay
from headend_cloudflare.simulator.switches import DeleteAnswer
from headend_cloudflare.simulator.videos import list_videos

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from headend.plugin import PlatformTruth, SimulatedEncoder
    from headend_cloudflare.simulator.access import Token
    from headend_cloudflare.simulator.platform import SimulatedPlatform

_MAX_BODY: Final = 1 << 20
_ID: Final = re.compile(r"[0-9a-f]{32}")
_JSON: Final = "application/json"
_API: Final = "/client/v4"

_P = ParamSpec("_P")
_T = TypeVar("_T")

Json = Mapping[str, object]


@frozen
class Reply:
    """What an action answers where it is more, or other, than a ``result``.

    Attributes:
        body: the whole body, `None` for none.
    """

    body: object
    media_type: str = _JSON


class Call:
    """A request of the API whose sender was let in."""

    def __init__(
        self, platform: SimulatedPlatform, request: Request, token: Token, body: Json
    ) -> None:
        self.platform = platform
        self.answers = Answers(platform)
        self.token = token
        self.body = body
        self._request = request

    def check(self, permission: str | None) -> None:
        """Check the ids of the path, and that the sender may do this.

        Raises:
            RefusedError: one of them is wrong.
        """
        ids = self._request.path_params
        if not all(_ID.fullmatch(str(one)) for one in ids.values()):
            raise refusals.no_route(400)
        self.platform.permit(self.token, ids.get("account"), permission)

    def id(self, name: str) -> str:
        """Return an id that the path names."""
        return str(self._request.path_params[name])

    def query(self, name: str) -> str | None:
        """Return a value of the query, if it has it."""
        return self._request.query_params.get(name)

    def header(self, name: str) -> str | None:
        """Return a header, if it is there."""
        return self._request.headers.get(name)

    @property
    def input(self) -> str:
        """The live input that the path names."""
        return self.id("input")


@frozen
class Action:
    """What answers a request of the API.

    Attributes:
        act: does it.
        permission: what the token must allow, or `None` where any token will do.
        verifies: whether it only tells what a token is.
    """

    act: Callable[[Call], object]
    permission: str | None
    verifies: bool = False


def _reads(act: Callable[[Call], object]) -> Action:
    return Action(act, READ)


def _writes(act: Callable[[Call], object]) -> Action:
    return Action(act, WRITE)


def _deletes(act: Callable[[Call], None]) -> Action:
    def delete(call: Call) -> object:
        act(call)
        kind = call.platform.switches.delete_answer
        if kind is DeleteAnswer.NOTHING:
            return Reply(None)
        return Reply({} if kind is DeleteAnswer.OBJECT else _envelope(None))

    return Action(delete, WRITE)


def _create_input(call: Call) -> object:
    made = call.platform.create_input(call.body, idempotency_key=call.header("idempotency-key"))
    return call.answers.live_input(made)


def _list_videos_of_input(call: Call) -> object:
    found = call.platform.find_videos(call.platform.find_input(call.input).uid)
    return [call.answers.video(one) for one in found]


def _show_account(_call: Call) -> object:
    # None of the permission groups that this asks for is one of Stream's (OpenAPI description).
    raise refusals.forbidden(9109)


def _delete_signing_key(call: Call) -> object:
    call.platform.delete_signing_key(call.id("key"))
    return "Revoked"


def _delete_webhook(call: Call) -> object:
    call.platform.delete_webhook()
    return "ok"


def _verify(call: Call, owner: str) -> object:
    if call.token.owner != owner:
        raise refusals.invalid_token()
    message = {"code": 10000, "message": "This API Token is valid and active", "type": None}
    return Reply(_envelope({"id": call.token.id, "status": "active"}, message))


_ACCOUNT_ROUTES: Final[Mapping[str, Mapping[str, Action]]] = {
    "/stream": {"GET": _reads(lambda call: Reply(list_videos(call)))},
    "/stream/live_inputs": {
        "GET": _reads(lambda call: call.answers.live_inputs(*call.platform.list_inputs())),
        "POST": _writes(_create_input),
    },
    "/stream/live_inputs/{input}": {
        "GET": _reads(lambda call: call.answers.live_input(call.platform.find_input(call.input))),
        "PUT": _writes(
            lambda call: call.answers.live_input(call.platform.update_input(call.input, call.body))
        ),
        "DELETE": _deletes(lambda call: call.platform.delete_input(call.input)),
    },
    "/stream/live_inputs/{input}/enable": {
        "POST": _writes(
            lambda call: call.answers.live_input(
                call.platform.set_enabled(call.input, enabled=True)
            )
        ),
    },
    "/stream/live_inputs/{input}/disable": {
        "POST": _writes(
            lambda call: call.answers.live_input(
                call.platform.set_enabled(call.input, enabled=False)
            )
        ),
    },
    "/stream/live_inputs/{input}/rotate_keys": {
        "POST": _writes(
            lambda call: call.answers.live_input(call.platform.rotate_keys(call.input))
        ),
    },
    "/stream/live_inputs/{input}/videos": {"GET": _reads(_list_videos_of_input)},
    "/stream/live_inputs/{input}/outputs": {
        "GET": _reads(lambda call: call.answers.outputs(call.platform.find_input(call.input))),
        "POST": _writes(
            lambda call: call.answers.output(call.platform.create_output(call.input, call.body))
        ),
    },
    "/stream/live_inputs/{input}/outputs/{output}": {
        "PUT": _writes(
            lambda call: call.answers.output(
                call.platform.update_output(call.input, call.id("output"), call.body)
            )
        ),
        "DELETE": _deletes(lambda call: call.platform.delete_output(call.input, call.id("output"))),
    },
    "/stream/keys": {
        "GET": _reads(lambda call: call.answers.signing_keys()),
        "POST": _writes(lambda call: call.answers.signing_key(call.platform.create_signing_key())),
    },
    "/stream/keys/{key}": {"DELETE": _writes(_delete_signing_key)},
    "/stream/webhook": {
        "GET": _reads(lambda call: call.answers.webhook(call.platform.find_webhook())),
        "PUT": _writes(lambda call: call.answers.webhook(call.platform.set_webhook(call.body))),
        "DELETE": _writes(_delete_webhook),
    },
    "/stream/storage-usage": {
        "GET": _reads(lambda call: call.answers.storage(call.query("creator"))),
    },
    "/stream/usage": {"GET": _reads(usage)},
    "/stream/{video}": {
        "GET": _reads(lambda call: call.answers.video(call.platform.find_video(call.id("video")))),
        "DELETE": _deletes(lambda call: call.platform.delete_video(call.id("video"))),
    },
    "/stream/{video}/token": {
        "POST": _writes(
            lambda call: {"token": call.platform.create_token(call.id("video"), call.body)}
        ),
    },
    "/tokens/verify": {"GET": Action(lambda call: _verify(call, "account"), None, verifies=True)},
    "": {"GET": Action(_show_account, None)},
}
"""The action of each method of each path below an account's."""


_VERIFY_USER: Final = Action(lambda call: _verify(call, "user"), None, verifies=True)


class SimulatorApp(Starlette):
    """The application; `platform` is what is behind it."""

    def __init__(self, platform: SimulatedPlatform, *, in_threads: bool) -> None:
        self.platform = platform
        self._in_threads = in_threads
        self._numbers = count(1)
        self._relay = Relay()
        super().__init__(
            routes=[
                *(
                    Route(
                        f"{_API}/accounts/{{account}}{path}",
                        self._api(actions),
                        methods=[*actions],
                    )
                    for path, actions in _ACCOUNT_ROUTES.items()
                ),
                Route(f"{_API}/user/tokens/verify", self._api({"GET": _VERIFY_USER})),
                Route(f"{_API}/graphql", self._graphql, methods=["POST"]),
                Route(
                    f"/customer-{platform.customer_code}/{{segment}}/{{rest:path}}",
                    self._customer_host,
                ),
            ],
            exception_handlers={HTTPException: self._no_route},
        )
        self.router.redirect_slashes = False

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables that point a host at it, credentials included."""
        platform = self.platform
        return {
            "STREAMING_PLATFORM": "cloudflare",
            "CLOUDFLARE_STREAM_ACCOUNT_ID": platform.account_id,
            "CLOUDFLARE_STREAM_API_TOKEN": platform.token,
            "CLOUDFLARE_STREAM_API_URL": f"{url}{_API}",
            "CLOUDFLARE_STREAM_NOTIFICATION_SECRET": platform.notification_secret,
            "CLOUDFLARE_STREAM_WEBHOOK_SECRET": platform.webhook_secret,
        }

    def describe_switches(self) -> dict[str, str]:
        """Return what each switch does and where that is told, by its name."""
        return self.platform.switches.describe()

    def switch(self, **values: object) -> None:
        """Change how the platform behaves from now on."""
        self.platform.switch(**values)

    def reset(self) -> None:
        """Forget what was created and what happened; switches and credentials stay."""
        self.platform.reset()

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        return self.platform.truth()

    @property
    def connect_time(self) -> float:
        """Seconds from an encoder's arrival by which viewers can watch."""
        switches = self.platform.switches
        return switches.connect_time + switches.playlist_time

    def connect(self, stream_key: str) -> SimulatedEncoder | None:
        """Have an encoder push with this key; `None` if the platform refuses it."""
        encoder = self.platform.encoder(stream_key)
        return encoder if encoder.connected else None

    def watch(self, stream_id: str, viewers: int) -> None:
        """Have so many viewers watch from now on."""
        if stream_id not in self.platform.inputs:
            raise KeyError(stream_id)
        self.platform.watch(stream_id, viewers)

    def close(self) -> None:
        """Do nothing: it holds nothing but memory."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            host = next((value for name, value in scope["headers"] if name == b"host"), None)
            if host is not None:
                self.platform.origin = f"{scope['scheme']}://{host.decode('latin-1')}"
        await super().__call__(scope, receive, send)

    # -- the API ----------------------------------------------------------------------------------

    def _api(self, actions: Mapping[str, Action]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            # A route for GET answers HEAD as well, and the server leaves the body out.
            action = actions["GET" if request.method == "HEAD" else request.method]
            headers: dict[str, str] = {}
            status = 200
            try:
                token = self._sender(request, verifies=action.verifies)
                headers.update(self.platform.count(token))
                call = Call(self.platform, request, token, await _body(request))
                reply = await self._run(_act, action, call)
            except RefusedError as refusal:
                status, reply = refusal.status, _refused(refusal)
                headers.update(refusal.headers)
            return self._response(request, status, reply, headers)

        return answer

    def _sender(self, request: Request, *, verifies: bool = False) -> Token:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        token = self.platform.find_token(value if scheme.lower() == "bearer" else None)
        if token is None and verifies:
            raise refusals.invalid_token()
        if token is None:
            raise refusals.bad_token(self.platform.switches.bad_token_status)
        return token

    async def _graphql(self, request: Request) -> Response:
        headers: dict[str, str] = {}
        try:
            token = self._sender(request)
            headers.update(self.platform.count_query(token))
            status, body = answer_query(self.platform, token, await _body(request))
            reply = Reply(body)
        except RefusedError as refusal:
            status, reply = refusal.status, _refused(refusal)
            headers.update(refusal.headers)
        return self._response(request, status, reply, headers)

    # -- the customer host ------------------------------------------------------------------------

    async def _customer_host(self, request: Request) -> Response:
        viewer = Viewer(
            segment=str(request.path_params["segment"]),
            path=str(request.path_params["rest"]),
            query=request.url.query,
            agent=request.headers.get("user-agent", ""),
            origin=request.headers.get("origin"),
            address="" if request.client is None else request.client.host,
        )
        try:
            page = await self._run(answer_viewer, self.platform, viewer)
        except HeadendError:
            page = Page(status=502, body="Bad Gateway")
        if page.media is not None:
            # The one place where real pictures pass: everything of a manifest that is on air.
            self._note(request, page.status)
            name = viewer.path.removeprefix(MANIFEST)
            return self._relay.answer(request, page.media.hls_url, name)
        return self._response(
            request,
            page.status,
            Reply(page.body, page.media_type),
            {"Access-Control-Allow-Origin": "*"},
        )

    # -- both -------------------------------------------------------------------------------------

    async def _run(self, act: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call what may block; where there are no real pictures, nothing does."""
        if self._in_threads:
            return await run_in_threadpool(act, *args, **kwargs)
        return act(*args, **kwargs)

    async def _no_route(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._response(
            request, error.status_code, _refused(refusals.no_route(error.status_code)), {}
        )

    def _note(self, request: Request, status: int) -> None:
        self.platform.note(
            Received(
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                status=status,
                authorized="authorization" in request.headers,
                agent=request.headers.get("user-agent", ""),
            )
        )

    def _response(
        self, request: Request, status: int, reply: Reply, headers: Mapping[str, str]
    ) -> Response:
        self._note(request, status)
        body = reply.body
        if not (body is None or isinstance(body, str | bytes)):
            body = json.dumps(body)
        return Response(
            body,
            status_code=status,
            headers={**headers, "cf-ray": f"{next(self._numbers):016x}-SIM"},
            media_type=None if body is None else reply.media_type,
        )


def _act(action: Action, call: Call) -> Reply:
    call.check(action.permission)
    try:
        found = action.act(call)
    except HeadendError as error:
        # What carries the pictures failed, and the platform has no other words for that.
        raise RefusedError(500, 1000, f"Internal Server Error: {error}") from error
    return found if isinstance(found, Reply) else Reply(_envelope(found))


def _envelope(result: object, *messages: Json) -> Json:
    return {"result": result, "success": True, "errors": [], "messages": list(messages)}


def _refused(refusal: RefusedError) -> Reply:
    if refusal.plain is not None:
        return Reply(*refusal.plain)
    return Reply(refusal.envelope())


async def _body(request: Request) -> Json:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_BODY:
            raise refusals.invalid(f"A request has at most {_MAX_BODY} bytes", status=413)
    if not raw:
        return {}
    try:
        data: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise refusals.invalid("The request is not JSON") from None
    if not isinstance(data, dict):
        raise refusals.invalid("The request is not a JSON object")
    return data
