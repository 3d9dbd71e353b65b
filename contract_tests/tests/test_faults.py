"""The fault layer: what the platform does and what the client sees are as each fault says."""

from __future__ import annotations

import asyncio
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from headend.plugin import (
    CreateRequest,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    RateLimitedError,
)
from headend_contract.faults import (
    CUT_ANSWER,
    DROP_ANSWER,
    DROP_REQUEST,
    FAULTS,
    GATEWAY_TIMEOUT,
    HANG,
    HANG_AFTER,
    HTML,
    RATE_LIMITED,
    RATE_LIMITED_BARE,
    TRUNCATED,
    UNAVAILABLE,
    Answer,
    FaultLayer,
    Seen,
    changing,
    slow,
)

CREATE = CreateRequest(channel_id="1", marker="m")


@pytest.mark.parametrize(
    ("fault", "kind", "sent", "status"),
    [
        (DROP_REQUEST, PlatformUnavailableError, None, None),
        (DROP_ANSWER, PlatformUnavailableError, None, None),
        (CUT_ANSWER, PlatformUnavailableError, None, None),
        (RATE_LIMITED, RateLimitedError, True, 429),
        (RATE_LIMITED_BARE, RateLimitedError, True, 429),
        (UNAVAILABLE, PlatformUnavailableError, True, 503),
        (GATEWAY_TIMEOUT, PlatformUnavailableError, True, 504),
        (HANG, PlatformTimeoutError, None, None),
        (HANG_AFTER, PlatformTimeoutError, None, None),
        (HTML, PlatformProtocolError, True, 200),
        (TRUNCATED, PlatformProtocolError, True, 201),
    ],
    ids=repr,
)
def test_each_fault_is_the_right_error_of_a_creation_and_the_platform_did_what_it_says(
    provider_for, faults, simulated, fault, kind, sent, status
):
    provider = provider_for(timeout=0.1 if kind is PlatformTimeoutError else 10.0)
    faults.script(dict.fromkeys(range(3), fault))

    with pytest.raises(PlatformError) as caught:
        provider.create_live_stream(CREATE)
    assert type(caught.value) is kind
    assert (caught.value.request_sent, caught.value.status) == (sent, status)
    assert caught.value.operation == "create_live_stream"
    assert caught.value.retry_after == (1.0 if fault is RATE_LIMITED else None)
    # A creation is sent again only when it was refused for its rate.
    assert len(faults.seen) == (3 if kind is RateLimitedError else 1)
    assert len(simulated.inputs) == fault.processed


def test_the_faults_have_names_of_their_own_and_each_says_what_happens():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 11
    assert all(fault.description for fault in FAULTS)


@pytest.mark.parametrize("fault", [DROP_REQUEST, DROP_ANSWER], ids=repr)
def test_a_dropped_connection_is_reset_on_the_socket_without_a_byte(
    served, faults, simulated, fault
):
    faults.script({0: fault})
    body = b"{}"
    head = (
        "POST /v1/accounts/main/inputs HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {simulated.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(served.url).port)) as client:
        client.sendall(head.encode() + body)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert len(simulated.inputs) == fault.processed


def test_the_connection_after_a_dropped_one_works(http, faults):
    faults.script({1: DROP_ANSWER})

    assert http.get("inputs").status_code == 200
    with pytest.raises(httpx.TransportError):
        http.get("inputs")
    assert http.get("inputs").status_code == 200


def test_a_script_counts_from_the_request_that_comes_next(http, faults, create):
    create()
    faults.script({1: UNAVAILABLE})
    statuses = [http.get("inputs").status_code for _ in range(3)]

    assert statuses == [200, 503, 200]
    path = "/v1/accounts/main/inputs"
    assert faults.seen == [
        Seen("POST", path, None),
        Seen("GET", path, None),
        Seen("GET", path, UNAVAILABLE),
        Seen("GET", path, None),
    ]
    faults.script({0: UNAVAILABLE})
    faults.reset()
    assert faults.seen == []
    assert http.get("inputs").status_code == 200


@pytest.mark.parametrize("fault", [CUT_ANSWER, TRUNCATED], ids=repr)
def test_an_answer_without_a_body_is_broken_too(http, faults, create, simulated, fault):
    made = create()["id"]
    faults.script({0: fault})

    if fault is CUT_ANSWER:
        with pytest.raises(httpx.TransportError):
            http.delete(f"inputs/{made}")
    else:
        answer = http.delete(f"inputs/{made}")
        assert answer.status_code == 200
        with pytest.raises(ValueError, match="Expecting"):
            answer.json()
    assert simulated.deleted == [made]


def test_a_slow_answer_comes_late_and_whole(http, faults):
    faults.script({0: slow(0.05)})
    began = time.monotonic()

    assert http.get("inputs").json() == {"inputs": [], "next_cursor": None}
    assert time.monotonic() - began >= 0.05


def test_a_client_that_does_not_wait_for_a_slow_answer_holds_nobody_up(http, faults, served):
    faults.script({0: slow(30)})
    with pytest.raises(httpx.ReadTimeout):
        http.get("inputs", timeout=0.05)
    began = time.monotonic()
    served.disconnect()

    assert time.monotonic() - began < 5


def test_an_answer_can_be_changed_on_the_way(http, faults):
    shout = changing("shout", "it answers loudly", lambda one: Answer(418, (), one.body.upper()))
    faults.script({0: shout})
    answer = http.get("inputs")

    assert (answer.status_code, answer.text) == (418, '{"INPUTS": [], "NEXT_CURSOR": NULL}')


def test_without_a_server_that_can_reset_connections_a_drop_says_what_is_missing(app):
    layer = FaultLayer(app)
    layer.script({0: DROP_REQUEST})
    transport = httpx.ASGITransport(layer)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            await client.get("/")

    with pytest.raises(RuntimeError, match=r"headend_contract\.serving"):
        asyncio.run(ask())
