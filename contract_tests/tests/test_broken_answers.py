"""Whatever comes back, the reference provider gives a model or a `PlatformError`."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.plugin import (
    AuthenticationError,
    CreateRequest,
    PlatformError,
    PlatformProtocolError,
    Secret,
    StreamEvent,
)
from headend_contract.clock import ManualClock
from headend_contract.reference import events
from headend_contract.reference.opening import make_context
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.settings import ReferenceSettings
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Operation = Callable[[ReferenceProvider], object]

ID = "in_00000000000000000000"
OPERATIONS: dict[str, Operation] = {
    "create": lambda one: one.create_live_stream(CreateRequest(channel_id="1", marker="m")),
    "get": lambda one: one.get_live_stream(ID),
    "list": lambda one: list(one.list_live_streams()),
    "find": lambda one: one.find_live_streams("m", None),
    "credentials": lambda one: one.get_credentials(ID),
    "playback": lambda one: one.get_playback_url(ID),
    "analytics": lambda one: one.get_analytics(ID),
    "analytics of many": lambda one: one.get_analytics_many([ID]),
    "end": lambda one: one.end_live_stream(ID, delete_recordings=True),
    "rotate": lambda one: one.rotate_stream_key(ID),
    "enable": lambda one: one.enable_live_stream(ID),
    "recordings": lambda one: list(one.list_recordings(ID)),
    "delete recording": lambda one: one.delete_recording(ID),
    "sessions": lambda one: list(one.list_sessions(ID)),
    "session": lambda one: one.get_session(ID, "br_1"),
    "health": lambda one: one.check_health(),
}


class Canned:
    """An application that gives one answer to everything, for ever."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        self.asked += 1
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        body = b"" if self.status in {204, 304} else self.body
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def canned() -> Canned:
    return Canned()


@pytest.fixture(scope="module")
def time_passes() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def patient(canned: Canned, time_passes: ManualClock) -> Iterator[ReferenceProvider]:
    with Served(canned) as served:
        provider = ReferenceProvider(
            ReferenceSettings(api_url=served.url, api_token=Secret("token")),
            make_context(clock=time_passes, random=Random(1)),
        )
        yield provider
        provider.close()


def good_answers() -> list[dict[str, object]]:
    """What the platform answers when all is well, of every shape that it has."""
    clock = ManualClock()
    platform = create_app(clock=clock, random=Random(5)).platform
    made = platform.create_input({"name": "n", "tags": {"marker": "m", "meta.a": "b"}})
    input_id = str(made["id"])
    platform.encoder(str(made["stream_key"])).leave()
    clock.advance(10)
    return [
        made,
        platform.list_inputs(None, 50),
        platform.show_metrics(input_id),
        platform.show_many_metrics([input_id]),
        platform.list_recordings(input_id, None, 50),
        platform.list_broadcasts(input_id, None, 50),
        platform.show_broadcast(input_id, platform.broadcasts[0].id),
        platform.show_account(may_write=True),
        {"error": {"code": "input_not_found", "message": "There is no such input."}},
    ]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        [
            10**400, -1, -2, "", "\ud800", "https://[", "https://", "rtmps://x\n", "..", "a b",
            "0001-01-01T00:00:00+23:59", "2030-01-01", "2030-01-01T00:00:00", "2030-13-01T00:00Z",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> object:
    """A good answer with one thing in it replaced or missing."""
    answer: object = json.loads(json.dumps(draw(st.sampled_from(good_answers()))))
    place = answer
    for _ in range(draw(st.integers(1, 4))):
        if isinstance(place, dict) and place:
            key: object = draw(st.sampled_from(sorted(place)))
        elif isinstance(place, list) and place:
            key = draw(st.integers(0, len(place) - 1))
        else:
            break
        if draw(st.booleans()) and isinstance(place[key], (dict, list)):  # type: ignore[index]  # it is one of its keys
            place = place[key]  # type: ignore[index]  # as above
            continue
        if draw(st.booleans()):
            place[key] = draw(anything)  # type: ignore[index]  # as above
        else:
            del place[key]  # type: ignore[union-attr]  # as above
        break
    return answer


bodies = (
    st.binary(max_size=60)
    | anything.map(lambda value: json.dumps(value).encode())
    | spoilt().map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"\xff\xfe{\x00}\x00"])
)
statuses = st.sampled_from([200, 201, 204]) | st.integers(200, 599)
header_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


def outcome(provider: ReferenceProvider, name: str) -> object:
    try:
        return OPERATIONS[name](provider)
    except PlatformError as error:
        return error


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(OPERATIONS)),
    status=statuses,
    body=bodies,
    retry_after=st.none() | header_values,
    ratelimit=st.none() | header_values | st.just('"api";r=0;t=999999999'),
)
def test_no_answer_makes_an_operation_raise_anything_but_a_platform_error(
    patient, canned, time_passes, name, status, body, retry_after, ratelimit
):
    given_headers = {b"Retry-After": retry_after, b"Ratelimit": ratelimit}
    canned.status, canned.body = status, body
    canned.headers = [
        (key, value.encode()) for key, value in given_headers.items() if value is not None
    ]
    time_passes.advance(10_000)  # past every pause that an earlier answer asked for
    asked = canned.asked
    given_back = outcome(patient, name)

    assert canned.asked > asked
    if isinstance(given_back, PlatformError):
        assert str(given_back).isprintable()
        assert given_back.request_sent is not None


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"end", "delete recording"}))
def test_a_good_status_around_what_is_no_answer_is_a_broken_answer(patient, canned, name):
    canned.status, canned.headers = 201 if name == "create" else 200, []
    for body in (b"", b"{}", b"[]", b"null", b"<html>", b'{"id": "x"', b"[" * 100_000):
        canned.body = body
        assert isinstance(outcome(patient, name), PlatformProtocolError), body


@pytest.mark.parametrize("name", ["end", "delete recording"])
def test_a_deletion_is_done_only_when_the_platform_says_so(patient, canned, name):
    for canned.status, canned.body in ((200, b"{}"), (404, b"<html>"), (404, b"{}"), (202, b"")):
        assert isinstance(outcome(patient, name), PlatformProtocolError)


@settings(max_examples=300)
@given(
    body=bodies
    | st.fixed_dictionaries(
        {"id": anything, "type": anything, "at": anything}, optional={"input_id": anything}
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_signed_message_makes_reading_it_raise_anything_but_a_platform_error(body):
    now = ManualClock().now()
    stamp = str(int(now.timestamp())).encode()
    signature = hmac.new(b"secret", stamp + b"." + body, hashlib.sha256).hexdigest()
    headers = {"Reference-Signature": f"t={stamp.decode()},v1={signature}"}

    try:
        event: object = events.parse(headers, body, secret=Secret("secret"), now=now)
    except PlatformProtocolError as error:
        event = error
    assert isinstance(event, (StreamEvent, PlatformProtocolError))


@given(header=st.text(), body=st.binary(max_size=20))
def test_no_unsigned_message_gets_in(header, body):
    with pytest.raises(AuthenticationError):
        events.parse(
            {"Reference-Signature": header}, body, secret=Secret("s"), now=ManualClock().now()
        )
