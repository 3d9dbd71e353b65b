"""An application on a loopback socket: quick, real, and gone afterwards."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from headend_contract.serving import RESET, Served


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def test_it_answers_on_a_free_port_and_is_gone_afterwards():
    with Served(hello) as one, Served(hello) as other:
        assert one.url != other.url
        assert httpx.get(f"{one.url}/abc", trust_env=False).text == "/abc"
        port = urlsplit(one.url).port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_starting_and_stopping_take_less_than_a_third_of_a_second_with_a_client_connected():
    def seconds() -> float:
        began = time.monotonic()
        with Served(hello) as served:
            client.get(served.url)
        return time.monotonic() - began

    with httpx.Client(trust_env=False) as client:
        # The best of a few, since the machine may be busy with other things.
        assert min(seconds() for _ in range(5)) < 0.3


def test_stopping_does_not_wait_for_an_application_that_hangs():
    async def hang(_scope, receive, _send):
        entered.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    entered = threading.Event()
    with Served(hang) as served:
        port = urlsplit(served.url).port
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert entered.wait(5)
            served.disconnect()
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_an_application_can_reset_its_connection_and_nothing_that_it_wrote_arrives():
    async def reset(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["state"][RESET]()
        while (await receive())["type"] != "http.disconnect":
            pass

    with (
        Served(reset) as served,
        socket.create_connection(("127.0.0.1", urlsplit(served.url).port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            b"".join(iter(lambda: client.recv(65536), b""))


def test_an_application_of_which_nothing_is_served_any_more_answers_again_after_a_disconnect():
    with Served(hello) as served, httpx.Client(trust_env=False) as client:
        client.get(served.url)
        served.disconnect()

        assert client.get(served.url).status_code == 200


def test_an_application_that_does_not_look_whether_its_client_is_there_is_cancelled():
    async def sleep(_scope, _receive, _send):
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    entered, cancelled = threading.Event(), threading.Event()
    with Served(sleep) as served:
        with socket.create_connection(("127.0.0.1", urlsplit(served.url).port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert entered.wait(5)
        served.disconnect()
        assert cancelled.is_set()
