"""What becomes of every answer, and of none: which error, and what is in it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import pickle
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from headend.clock import SystemClock
from headend.plugin import (
    AuthenticationError,
    ConflictError,
    Effect,
    Fields,
    InvalidRequestError,
    Operation,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    Secret,
    StreamNotFoundError,
)
from headend_cloudflare.facts import API_LIMIT
from headend_cloudflare.settings import CloudflareSettings
from headend_cloudflare.transport import MAX_ANSWER, MAX_IN_FLIGHT, Transport
from headend_contract.clock import ManualClock
from headend_contract.serving import Served

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

ACCOUNT = "0123456789abcdef0123456789abcdef"
UID = "66be4bf738797e01e1fca35a7bdecdcd"
TOKEN = "cfat_" + "Zx7" * 13 + "z"
STREAM = f"/accounts/{ACCOUNT}/stream"
INPUT = f"{STREAM}/live_inputs/{UID}"
VIDEO = f"{STREAM}/{UID}"

READ = Operation("get_live_stream", effect=Effect.READ, limits=(API_LIMIT,))
WRITE = Operation("create_live_stream", effect=Effect.WRITE, limits=(API_LIMIT,))
LOOK = Operation("get_viewer_count", effect=Effect.READ)


@frozen
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Canned:
    """An application that gives the answers it is told, the last one for ever."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.script: list[tuple[int, bytes, dict[str, str]]] = []
        self.act: Callable[[Send, Receive], object] | None = None

    def say(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        """Add an answer; a body that is no bytes goes as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.append((status, raw, headers or {}))

    def reset(self) -> None:
        self.seen, self.script, self.act = [], [], None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append(Request(scope["method"], scope["path"], headers, body))
        if self.act is not None:
            await self.act(send, receive)  # type: ignore[misc]  # it is a coroutine function
            return
        status, raw, given_headers = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        pairs = [(key.encode(), value.encode()) for key, value in given_headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        empty = status in {204, 304}
        await send({"type": "http.response.body", "body": b"" if empty else raw})


@pytest.fixture(scope="module")
def canned() -> Canned:
    return Canned()


@pytest.fixture(scope="module")
def served(canned: Canned) -> Iterator[Served]:
    with Served(canned) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(canned: Canned) -> None:
    canned.reset()


@pytest.fixture(scope="module")
def time_passes() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def transport_for(
    served: Served, time_passes: ManualClock, context_of
) -> Iterator[Callable[..., Transport]]:
    made: list[Transport] = []

    def make(
        *, clock: object = time_passes, calls_timeout: float = 60.0, **settings: object
    ) -> Transport:
        values = {
            "account_id": ACCOUNT,
            "api_token": Secret(TOKEN),
            "api_url": f"{served.url}/client/v4",
            **settings,
        }
        context = context_of(clock=clock, calls_timeout=calls_timeout)
        transport = Transport(CloudflareSettings(**values), context)
        made.append(transport)
        return transport

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def transport(transport_for) -> Transport:
    return transport_for()


@pytest.fixture(autouse=True)
def _rested(time_passes: ManualClock) -> None:
    time_passes.advance(10_000)  # past every pause that a test before asked for


def refusal(*errors: tuple[int, str], **more: object) -> dict[str, object]:
    listed = [{"code": code, "message": message, **more} for code, message in errors]
    return {"result": None, "success": False, "errors": listed, "messages": []}


def success(result: object) -> dict[str, object]:
    return {"result": result, "success": True, "errors": [], "messages": []}


def uid_of(envelope: Fields) -> str:
    return envelope.object("result").text("uid")


def get(transport: Transport, path: str = INPUT, operation: Operation = READ) -> str:
    return transport.send(operation, "GET", path, read=uid_of)


def error_of(act: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        act()
    return caught.value


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_success_is_read_and_the_request_is_what_the_api_wants(transport, canned):
    canned.say(200, success({"uid": UID}))

    sent = transport.send(
        WRITE,
        "POST",
        f"{STREAM}/live_inputs",
        read=uid_of,
        query={"include_counts": "true"},
        body={"meta": {"name": "Zoë"}},
    )
    (request,) = canned.seen
    assert sent == UID
    assert (request.method, request.path) == ("POST", f"/client/v4{STREAM}/live_inputs")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"meta": {"name": "Zoë"}}


def test_a_message_with_a_code_in_a_success_is_no_error(transport, canned):
    answer = success({"uid": UID})
    answer["messages"] = [{"code": 10000, "message": "This API Token is valid and active"}]
    canned.say(200, answer)

    assert get(transport) == UID


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, 6003, "Invalid request headers", AuthenticationError),
        (400, 6111, "Invalid format for Authorization header", AuthenticationError),
        (400, 6103, "Invalid format for X-Auth-Key header", AuthenticationError),
        (401, 1000, "Invalid API Token", AuthenticationError),
        (403, 1000, "Invalid API Token", AuthenticationError),
        (401, 10000, "Authentication error", AuthenticationError),
        (401, 9109, "Unauthorized to access requested resource", AuthenticationError),
        (400, 9109, "Unauthorized to access requested resource", AuthenticationError),
        (400, 9106, "Missing X-Auth-Key", AuthenticationError),
        (403, 9103, "Unknown X-Auth-Key", AuthenticationError),
        (403, 10000, "Authentication error", PermissionDeniedError),
        (403, 9109, "Unauthorized to access requested resource", PermissionDeniedError),
        (403, 10001, "Method not allowed for token", PermissionDeniedError),
        (403, 10001, "Forbidden", PermissionDeniedError),
        (403, 10001, "internal error", PlatformUnavailableError),
        (500, 1000, "Internal Server Error", PlatformUnavailableError),
        (504, 1000, "Request timeout", PlatformUnavailableError),
        (500, 10000, "Authentication error", PlatformUnavailableError),
        (404, 10003, "Not Found", StreamNotFoundError),
        (400, 10003, "Not Found", StreamNotFoundError),
        (409, 10046, "Not Implemented: Feature not supported", ConflictError),
        (400, 10060, "deleteRecordingAfterDays", InvalidRequestError),
        (400, 10010, "Bad Request", InvalidRequestError),
        (400, 1001, "does not support account owned tokens", InvalidRequestError),
        (402, 12345, "No subscription", QuotaExceededError),
        (409, 12345, "Busy", ConflictError),
        (422, 12345, "Odd", InvalidRequestError),
        (429, 971, "Please wait", RateLimitedError),
        (403, 971, "Please wait", RateLimitedError),
        (400, 7003, "No route for the URI", PlatformProtocolError),
        (404, 7003, "No route for the URI", PlatformProtocolError),
        (404, 7000, "No route for that URI", PlatformProtocolError),
        (404, 12345, "Odd", PlatformProtocolError),
        (405, 12345, "Odd", PlatformProtocolError),
        (418, 12345, "Odd", PlatformProtocolError),
    ],
)
def test_a_refusal_is_told_by_its_code_and_its_status(
    transport, canned, status, code, message, kind
):
    canned.say(status, refusal((code, message)), {"cf-ray": "8f1a2b3c4d5e6f70-FRA"})

    error = error_of(lambda: get(transport))
    assert type(error) is kind
    assert (error.status, error.code) == (status, str(code))
    assert message in str(error)
    assert error.request_id == "8f1a2b3c4d5e6f70-FRA"
    assert error.request_sent is True
    assert error.provider == "cloudflare"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps(refusal((12345, "Odd"))).encode(), "a status that is not promised here"),
        (b"I'm a teapot", "it does not say what is wrong"),
    ],
)
def test_an_odd_status_with_a_reason_is_another_thing_than_one_without(
    transport, canned, body, words
):
    canned.say(418, body)

    assert words in str(error_of(lambda: get(transport)))


FINAL = [
    (400, 6003), (401, 10000), (403, 10000), (403, 9109), (404, 10003), (400, 10060), (400, 7003),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code"), FINAL)
def test_what_no_repetition_helps_against_costs_one_request(transport, canned, status, code):
    canned.say(status, refusal((code, "no")))

    error_of(lambda: get(transport))
    assert len(canned.seen) == 1


def test_a_passing_fault_that_comes_as_forbidden_is_overcome(transport, canned):
    canned.say(403, refusal((10001, "internal error")))
    canned.say(502, b"<html><title>502 Bad Gateway</title></html>")
    canned.say(200, success({"uid": UID}))

    assert get(transport) == UID
    assert len(canned.seen) == 3


def test_a_refused_write_is_not_repeated_unless_the_rate_was_the_reason(transport, canned):
    canned.say(403, refusal((10001, "internal error")))
    error = error_of(lambda: get(transport, operation=WRITE))
    assert (type(error), len(canned.seen)) == (PlatformUnavailableError, 1)

    canned.reset()
    canned.say(429, refusal((971, "Please wait")), {"Retry-After": "2"})
    canned.say(200, success({"uid": UID}))
    assert get(transport, operation=WRITE) == UID


def test_a_success_of_http_that_says_it_is_none_is_an_error_by_its_code(transport, canned):
    canned.say(200, refusal((10000, "Authentication error")))
    assert type(error_of(lambda: get(transport))) is AuthenticationError

    canned.reset()
    canned.say(200, refusal((12345, "Something")))
    error = error_of(lambda: get(transport))
    assert type(error) is PlatformProtocolError
    assert (error.code, "Something" in str(error)) == ("12345", True)


def test_a_rate_limit_within_a_success_of_http_is_one(transport, canned):
    canned.say(200, refusal((971, "Please wait")), {"Retry-After": "40"})

    error = error_of(lambda: get(transport))
    assert type(error) is RateLimitedError
    assert (error.status, error.retry_after, error.retryable) == (200, 40.0, True)
    assert len(canned.seen) == 1


def test_a_rate_limit_without_a_time_lasts_as_long_as_the_documented_block(transport, canned):
    canned.say(429, refusal((971, "Please wait")))

    error = error_of(lambda: get(transport))
    assert (type(error), error.retry_after) == (RateLimitedError, 300.0)


def test_a_date_says_how_long_to_wait_too(transport, canned, time_passes):
    later = time_passes.now().timestamp() + 90
    from email.utils import formatdate

    canned.say(429, refusal((971, "Please wait")), {"Retry-After": formatdate(later, usegmt=True)})
    assert 88 <= (error_of(lambda: get(transport)).retry_after or 0) <= 91


def test_what_is_left_of_the_limit_slows_requests_down(transport, canned, time_passes):
    canned.say(200, success({"uid": UID}), {"Ratelimit": '"default";r=0;t=120'})

    get(transport)
    before = time_passes.monotonic()
    error = error_of(lambda: get(transport))
    assert type(error) is RateLimitedError
    assert "limit default" in str(error)
    assert error.request_sent is False
    time_passes.advance(121)
    assert get(transport) == UID
    assert time_passes.monotonic() - before < 125


def test_a_malformed_ratelimit_header_is_let_be(transport, canned):
    for header in ("", '"default"', '"default";r=-1;t=9', '"default";r=1e9;t=1', "r=0;t=9"):
        canned.reset()
        canned.say(200, success({"uid": UID}), {"Ratelimit": header})
        for _ in range(2):
            assert get(transport) == UID


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (INPUT, StreamNotFoundError),
        (f"{INPUT}/outputs", StreamNotFoundError),
        (VIDEO, StreamNotFoundError),
        (f"{VIDEO}/token", StreamNotFoundError),
        (f"{STREAM}/live_inputs", PlatformProtocolError),
        (f"{STREAM}/storage-usage", PlatformProtocolError),
        (STREAM, PlatformProtocolError),
    ],
)
def test_only_what_the_address_names_can_be_missing(transport, canned, path, kind):
    for errors in (refusal((10003, "Not Found")), {**refusal(), "errors": [{"message": "gone"}]}):
        canned.reset()
        canned.say(404, errors)
        assert type(error_of(lambda: get(transport, path))) is kind


def test_an_unknown_route_is_a_missing_live_stream_only_for_an_id_of_odd_length(transport, canned):
    canned.say(404, refusal((7003, "No route for the URI")))

    assert type(error_of(lambda: get(transport, INPUT))) is PlatformProtocolError
    assert type(error_of(lambda: get(transport, INPUT[:-1]))) is StreamNotFoundError
    assert type(error_of(lambda: get(transport, VIDEO[:-1]))) is PlatformProtocolError


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 422])
@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b'{"success": false, "err', b"{}", b"[]", b"error code: 1010"]
)
def test_a_refusal_that_no_envelope_explains_is_a_broken_answer(transport, canned, status, body):
    canned.say(status, body)

    error = error_of(lambda: get(transport))
    assert type(error) is PlatformProtocolError
    assert (error.status, error.code) == (status, None)
    assert "CLOUDFLARE_STREAM_API_URL" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (408, PlatformTimeoutError),
        (413, InvalidRequestError),
        (429, RateLimitedError),
        (500, PlatformUnavailableError),
        (521, PlatformUnavailableError),
        (530, PlatformUnavailableError),
    ],
)
def test_a_status_that_says_all_needs_no_envelope(transport, canned, status, kind):
    canned.say(status, b"<html>no</html>")

    error = error_of(lambda: get(transport))
    assert type(error) is kind
    assert "gave no reason" in str(error)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"success": "true"}', b'{"success": true}',
     b'{"success": true, "result": {"uid": 5}}', b'{"success": true, "result": {"uid": "6',
     b'{"success": null, "result": {"uid": "a"}}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_a_success_around_what_is_no_answer_is_a_broken_answer(transport, canned, body):
    canned.say(200, body)

    assert type(error_of(lambda: get(transport))) is PlatformProtocolError
    assert len(canned.seen) == 1


def test_errors_may_lack_codes_and_have_a_chain_and_be_more_than_one(transport, canned):
    body = refusal((6003, "Invalid request headers"))
    body["errors"] = [
        {"message": "no code"},
        {"code": 99999, "message": "who knows", "error_chain": [{"code": 6111, "message": "bad"}]},
    ]
    canned.say(400, body)
    error = error_of(lambda: get(transport))
    assert (type(error), error.code) == (AuthenticationError, "6111")

    canned.reset()
    canned.say(400, {**body, "errors": [{"message": "no code"}, "junk"]})
    assert type(error_of(lambda: get(transport))) is PlatformProtocolError

    canned.reset()
    canned.say(400, {**body, "errors": [{"message": "no code", "error_chain": 7}]})
    error = error_of(lambda: get(transport))
    assert (type(error), error.code, "no code" in str(error)) == (InvalidRequestError, None, True)


def test_the_documentation_that_an_answer_names_is_in_the_error(transport, canned):
    link = "https://developers.cloudflare.com/stream/stream-live/"
    canned.say(400, refusal((10060, "Out of range"), documentation_url=link))
    assert str(error_of(lambda: get(transport))).count(f"see {link}") == 1

    for bad in ("javascript:alert(1)", f"{link} click\nhere", 7, "https://x/" + "a" * 400):
        canned.reset()
        canned.say(400, refusal((10060, "Out of range"), documentation_url=bad))
        error = error_of(lambda: get(transport))
        assert " see " not in str(error)
        assert str(error).isprintable()


# -- deleting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"{}"), (200, b""), (204, b""), (200, b"null"), (202, b'"ok"'), (200, b" \n"),
     (200, json.dumps(success(None)).encode())],
)  # fmt: skip
def test_a_deletion_succeeds_with_any_success_around_json_or_nothing(
    transport, canned, status, body
):
    canned.say(status, body)

    transport.delete(READ, INPUT)
    assert canned.seen[0].method == "DELETE"


def test_a_deletion_that_no_json_or_a_refusal_answers_is_not_taken_for_one(
    transport, canned, time_passes
):
    for body, kind in (
        (b"<html>Sign in to this network</html>", PlatformProtocolError),
        (b'{"succ', PlatformProtocolError),
        (json.dumps(refusal((971, "Please wait"))).encode(), RateLimitedError),
        (json.dumps(refusal((10046, "Not Implemented"))).encode(), ConflictError),
    ):
        canned.reset()
        canned.say(200, body, {"Retry-After": "60"})
        time_passes.advance(100)
        assert type(error_of(lambda: transport.delete(READ, INPUT))) is kind


# -- what never arrives, or arrives oddly ---------------------------------------------------------


def test_a_closed_port_is_unavailable_and_provably_nothing_was_sent(transport_for):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = transport_for(api_url=f"http://127.0.0.1:{port}")

    error = error_of(lambda: get(transport, operation=WRITE))
    assert type(error) is PlatformUnavailableError
    assert (error.request_sent, error.retryable) == (False, True)
    assert f"no answer from 127.0.0.1:{port}: " in str(error)
    assert "CLOUDFLARE_STREAM_API_URL" in str(error)


IMPOSSIBLE_HOSTS = ("xn--", "xn--a.example", "[::1]a", "[v1.a]")
"""Hosts of what looks like an address; in the settings and in answers they pass for one."""


@pytest.mark.parametrize("host", IMPOSSIBLE_HOSTS)
def test_a_host_that_there_cannot_be_is_told_and_not_asked_for_again(
    transport, transport_for, host
):
    wrong = transport_for(api_url=f"https://{host}/client/v4")
    for act, setting in (
        (lambda: get(wrong), "CLOUDFLARE_STREAM_API_URL"),
        (
            lambda: transport.look(LOOK, f"https://{host}/{UID}/views", viewers),
            "CLOUDFLARE_STREAM_CUSTOMER_URL",
        ),
    ):
        error = error_of(act)
        assert type(error) is PlatformUnavailableError
        assert (error.request_sent, error.retryable) == (False, False)
        assert host in str(error)
        assert setting in str(error)
        assert all(TOKEN not in shown for shown in everything_in(error))


def test_an_answer_that_never_comes_is_a_timeout_of_unknown_outcome(transport_for, canned):
    async def hang(_send: Send, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    canned.act = hang
    error = error_of(lambda: get(transport_for(timeout=0.05), operation=WRITE))
    assert (type(error), error.request_sent) == (PlatformTimeoutError, None)


def test_an_answer_that_never_comes_is_given_up_in_the_time_that_its_attempt_has(
    transport_for, canned
):
    async def hang(_send: Send, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    canned.act = hang
    transport = transport_for(clock=SystemClock(), calls_timeout=0.3)
    began = SystemClock().monotonic()
    error = error_of(lambda: get(transport, operation=WRITE))
    assert (type(error), error.request_sent) == (PlatformTimeoutError, None)
    assert SystemClock().monotonic() - began < 5


def test_a_connection_is_given_up_sooner_than_an_answer(transport, canned, monkeypatch):
    allowed: list[object] = []
    send = transport._client.send

    def record(request, **more):
        allowed.append(request.extensions["timeout"])
        return send(request, **more)

    monkeypatch.setattr(transport._client, "send", record)
    canned.say(200, success({"uid": UID}))
    with transport._calls.deadline(30):
        get(transport)
    assert allowed == [{"connect": 5, "read": 10, "write": 10, "pool": 10}]


def test_a_request_that_finds_no_free_connection_was_provably_not_sent(transport_for, canned):
    arrived, free = threading.Semaphore(0), threading.Event()

    async def hold(send: Send, _receive: Receive) -> None:
        arrived.release()
        while not free.is_set():  # noqa: ASYNC110  # a thread sets it
            await asyncio.sleep(0.01)
        body = json.dumps(success({"uid": UID})).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    canned.act = hold
    transport = transport_for()
    threads = [threading.Thread(target=get, args=(transport,)) for _ in range(MAX_IN_FLIGHT)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(MAX_IN_FLIGHT):
            assert arrived.acquire(timeout=10)
        with transport._calls.deadline(0.3):
            error = error_of(lambda: get(transport, operation=WRITE))
    finally:
        free.set()
        for thread in threads:
            thread.join()
    assert (type(error), error.request_sent) == (PlatformTimeoutError, False)
    assert len(canned.seen) == MAX_IN_FLIGHT


def test_an_answer_that_trickles_is_given_up_when_its_time_is_over(transport_for, canned):
    async def trickle(send: Send, receive: Receive) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait([gone], timeout=0.02)

    canned.act = trickle
    transport = transport_for(timeout=0.3, clock=SystemClock())
    began = SystemClock().monotonic()
    error = error_of(lambda: get(transport, operation=WRITE))
    assert (type(error), error.request_sent) == (PlatformTimeoutError, None)
    assert SystemClock().monotonic() - began < 5


def test_an_answer_without_end_is_given_up_at_a_limit(transport, canned):
    sent = 0

    async def flood(send: Send, receive: Receive) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
            sent += 65536
            # Once the client is gone, sending waits for nothing, so that nobody else has a turn.
            await asyncio.sleep(0)

    canned.act = flood
    error = error_of(lambda: get(transport))
    assert type(error) is PlatformProtocolError
    assert f"more than {MAX_ANSWER} bytes" in str(error)
    assert MAX_ANSWER < sent < 4 * MAX_ANSWER


def test_a_compressed_answer_is_not_unpacked(transport, canned):
    canned.say(200, gzip.compress(b" " * 10_000_000), {"Content-Encoding": "gzip"})

    assert type(error_of(lambda: get(transport))) is PlatformProtocolError
    assert canned.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(transport, canned, status):
    with Served(other := Canned()) as elsewhere:
        canned.say(status, b"", {"Location": f"{elsewhere.url}/client/v4{INPUT}"})
        other.say(200, success({"uid": UID}))
        error = error_of(lambda: get(transport))

    assert type(error) is PlatformProtocolError
    assert "it redirects" in str(error)
    assert (len(canned.seen), other.seen) == (1, [])


def test_half_a_character_cannot_be_sent_and_is_not_shown(transport, canned):
    error = error_of(
        lambda: transport.send(WRITE, "POST", STREAM, read=uid_of, body={"a": "key\ud800"})
    )
    assert (type(error), error.request_sent) == (InvalidRequestError, False)
    assert not any("key" in repr(one.args) for one in chain_of(error))
    assert canned.seen == []


def test_at_most_eight_requests_are_on_the_way_at_once(transport_for, canned):
    most = now = 0
    all_there = threading.Barrier(MAX_IN_FLIGHT * 2 + 1)
    lock = threading.Lock()

    async def linger(send: Send, _receive: Receive) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        await asyncio.sleep(0.02)
        with lock:
            now -= 1
        body = json.dumps(success({"uid": UID})).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    canned.act = linger
    transport = transport_for()
    found: list[str] = []

    def ask() -> None:
        all_there.wait()
        found.append(get(transport))

    threads = [threading.Thread(target=ask) for _ in range(MAX_IN_FLIGHT * 2)]
    for thread in threads:
        thread.start()
    all_there.wait()
    for thread in threads:
        thread.join()
    assert found == [UID] * MAX_IN_FLIGHT * 2
    assert 1 < most <= MAX_IN_FLIGHT


def test_clients_share_one_ssl_context(transport_for, monkeypatch):
    import ssl

    transport_for()
    monkeypatch.setattr(ssl, "SSLContext", None)
    transport_for().close()


# -- the customer host ----------------------------------------------------------------------------


def viewers(fields: Fields) -> int:
    return fields.count("liveViewers")


def test_the_customer_host_gets_no_token_and_a_browser_s_name(transport, canned, served):
    canned.say(200, {"liveViewers": 113})

    assert transport.look(LOOK, f"{served.url}/customer/{UID}/views", viewers) == 113
    (request,) = canned.seen
    assert "authorization" not in request.headers
    assert TOKEN not in str(request)
    assert request.headers["user-agent"].startswith("Mozilla/5.0 ")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b"error code: 1010", PermissionDeniedError),
        (401, b"", PermissionDeniedError),
        (404, b"Not Found", PlatformProtocolError),
        (204, b"", PlatformProtocolError),
        (302, b"", PlatformProtocolError),
        (429, b"", RateLimitedError),
        (503, b"<html>", PlatformUnavailableError),
        (200, b"<html>", PlatformProtocolError),
        (200, b'{"liveViewers": -1}', PlatformProtocolError),
        (200, b'{"liveViewers": "7"}', PlatformProtocolError),
    ],
)
def test_refusals_of_the_customer_host_are_its_own(transport, canned, served, status, body, kind):
    canned.say(status, body, {"Location": "http://127.0.0.1:9/", "Retry-After": "60"})

    error = error_of(lambda: transport.look(LOOK, f"{served.url}/customer/{UID}/views", viewers))
    assert type(error) is kind
    assert error.status == status
    assert "API_TOKEN" not in str(error)


def test_a_customer_host_that_is_not_there_is_named_and_the_token_is_nowhere(transport):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    error = error_of(
        lambda: transport.look(LOOK, f"http://127.0.0.1:{port}/customer/{UID}/views", viewers)
    )
    assert type(error) is PlatformUnavailableError
    assert "CLOUDFLARE_STREAM_CUSTOMER_URL" in str(error)
    assert all(TOKEN not in shown for shown in everything_in(error))


def test_no_proxy_and_no_login_of_the_machine_comes_between(
    transport_for, canned, served, monkeypatch, tmp_path
):
    """A proxy of the environment would get the token, and a login of netrc would replace it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        elsewhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere)
        monkeypatch.setenv(name.lower(), elsewhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    canned.say(200, success({"uid": UID}))

    assert get(transport_for()) == UID
    (request,) = canned.seen
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


# -- secrets --------------------------------------------------------------------------------------


def everything_in(error: BaseException) -> Iterator[str]:
    """Return all that an error and its causes show: texts, fields, pickles."""
    for one in chain_of(error):
        yield str(one)
        yield repr(one)
        yield repr(vars(one))
        yield pickle.dumps(one).decode("latin-1")


PLANTED = {
    "api_token": Secret(TOKEN),
    "notification_secret": Secret("planted-notification"),
    "webhook_secret": Secret("planted-webhook"),
    "signing_key_id": "not-secret",
    "signing_key": Secret(
        base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----").decode()
    ),
}
OUTPUT_KEY = Secret("planted-output-key")
SECRETS = [one.reveal() for one in (*PLANTED.values(), OUTPUT_KEY) if isinstance(one, Secret)]


def awkward(served: Served) -> Sequence[tuple[int, bytes]]:
    words = " ".join(SECRETS)
    return [
        (400, json.dumps(refusal((10060, words))).encode()),
        (200, json.dumps(refusal((12345, words))).encode()),
        (403, json.dumps(refusal((10000, "x" * 290 + words))).encode()),
        (404, json.dumps(refusal((7003, f"{words}\x07"))).encode()),
        (400, json.dumps(
            refusal((10060, "no"), documentation_url=f"https://x/{SECRETS[0]}")).encode()),
        (200, words.encode()),
        (500, words.encode()),
    ]  # fmt: skip


def test_what_the_platform_repeats_of_secrets_is_in_no_error_and_no_log(
    transport_for, canned, served, caplog
):
    caplog.set_level(logging.NOTSET)
    logging.getLogger().setLevel(1)
    transport = transport_for(**PLANTED)
    for status, body in awkward(served):
        canned.reset()
        canned.say(status, body)
        error = error_of(
            lambda: transport.send(
                WRITE,
                "POST",
                f"{INPUT}/outputs",
                read=uid_of,
                body={"streamKey": OUTPUT_KEY.reveal()},
                hidden=(OUTPUT_KEY,),
            )
        )
        assert str(error).isprintable()
        assert not [
            secret for secret in SECRETS for shown in everything_in(error) if secret in shown
        ]
    records = [f"{one.getMessage()} {vars(one)!r}" for one in caplog.records]
    assert any(one.name.startswith("http") for one in caplog.records)
    assert not [secret for secret in SECRETS for one in records if secret in one]
    assert not [secret for secret in SECRETS if secret in repr(transport) + repr(vars(transport))]


def test_errors_survive_pickling_with_all_that_they_tell(transport, canned):
    canned.say(409, refusal((10046, "Not Implemented")), {"cf-ray": "ray"})

    error = error_of(lambda: get(transport))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, again.request_id) == (str(error), "10046", "ray")


# -- anything -------------------------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, -1, "", "\ud800", 971, 10000, "10003", 7003, 1000]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["success", "errors", "result", "code", "message", "error_chain",
                         "documentation_url", "uid"]) | st.text(max_size=5),
        inner,
        max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip
envelopes = st.fixed_dictionaries(
    {"success": st.booleans() | anything},
    optional={
        "result": anything,
        "errors": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "code": st.sampled_from([971, 1000, 6003, 7003, 9109, 10000, 10001, 10003])
                    | anything,
                    "message": st.text(max_size=30) | anything,
                    "documentation_url": anything,
                    "error_chain": anything,
                },
            )
            | anything,
            max_size=3,
        )
        | anything,
        "messages": anything,
    },
)
bodies = (
    st.binary(max_size=60)
    | (anything | envelopes).map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000])
)
header_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@hypothesis_settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    how=st.sampled_from(["send", "delete", "look", "ask"]),
    status=st.sampled_from([200, 200, 400, 403, 404, 429]) | st.integers(200, 599),
    body=bodies,
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Ratelimit", "cf-ray", "Content-Encoding", "Location"]),
        header_values | st.just('"default";r=0;t=999999999'),
    ),
)
def test_no_answer_makes_a_request_raise_anything_but_a_platform_error(
    transport, canned, served, time_passes, how, status, body, headers
):
    canned.reset()
    canned.say(status, body, headers)
    time_passes.advance(10_000)
    acts: dict[str, Callable[[], object]] = {
        "send": lambda: get(transport),
        "delete": lambda: transport.delete(READ, INPUT),
        "look": lambda: transport.look(LOOK, f"{served.url}/c/{UID}/views", viewers),
        "ask": lambda: transport.ask(READ, {}, viewers),
    }
    error = None
    try:
        acts[how]()
    except PlatformError as raised:
        error = raised
    assert canned.seen
    assert error is None or str(error).isprintable()
    assert error is None or error.request_sent is not None
