"""A block keeps every thread from servers, tells of what was tried, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable

import pytest

from headend_contract.network import (
    NetworkBlock,
    NetworkBlockedError,
    no_credentials,
    offline,
)

GUARDED = ("connect", "connect_ex", "sendto", "sendmsg")
LOOKUPS = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "getnameinfo")


def tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def with_socket(make: Callable[[], socket.socket], use: Callable[[socket.socket], object]) -> None:
    with make() as sock:
        use(sock)


WAYS_OUT: dict[str, Callable[[int], object]] = {
    "connect": lambda port: with_socket(tcp, lambda sock: sock.connect(("127.0.0.1", port))),
    "connect_ex": lambda port: with_socket(tcp, lambda sock: sock.connect_ex(("127.0.0.1", port))),
    "sendto": lambda port: with_socket(udp, lambda sock: sock.sendto(b"x", ("127.0.0.1", port))),
    "sendto with flags": lambda port: with_socket(
        udp, lambda sock: sock.sendto(b"x", 0, ("127.0.0.1", port))
    ),
    "sendmsg": lambda port: with_socket(
        udp, lambda sock: sock.sendmsg([b"x"], [], 0, ("127.0.0.1", port))
    ),
    "IPv6": lambda port: with_socket(
        lambda: socket.socket(socket.AF_INET6), lambda sock: sock.connect(("::1", port))
    ),
    "create_connection": lambda port: socket.create_connection(("127.0.0.1", port)),
    "getaddrinfo": lambda _: socket.getaddrinfo("api.acme.example", 443),
    "getaddrinfo by name": lambda _: socket.getaddrinfo(host="api.acme.example", port=443),
    "gethostbyname": lambda _: socket.gethostbyname("api.acme.example"),
    "gethostbyname_ex": lambda _: socket.gethostbyname_ex("api.acme.example"),
    "gethostbyaddr": lambda _: socket.gethostbyaddr("192.0.2.1"),
    "getnameinfo": lambda _: socket.getnameinfo(("192.0.2.1", 80), 0),
    "the metadata service": lambda _: socket.create_connection(("169.254.169.254", 80)),
}


@pytest.mark.parametrize("way", WAYS_OUT.values(), ids=WAYS_OUT)
def test_no_way_out_is_open(way: Callable[[int], object], counting) -> None:
    with NetworkBlock() as block, pytest.raises(NetworkBlockedError, match="contract suite"):
        way(counting.port)

    assert len(block.escapes) == 1
    assert counting.answered == 0


def test_to_a_client_the_network_is_down() -> None:
    with NetworkBlock(), pytest.raises(OSError, match="blocked") as raised:
        socket.create_connection(("192.0.2.1", 80))

    assert raised.value.errno == 101


def test_what_was_tried_is_known_even_where_the_error_is_hidden() -> None:
    with NetworkBlock() as block, contextlib.suppress(OSError):
        socket.getaddrinfo("api.acme.example", 443)

    assert [str(one) for one in block.escapes] == ["look up api.acme.example:443"]


def test_it_holds_in_threads_and_for_sockets_that_were_made_before(counting) -> None:
    errors: list[BaseException] = []
    early = tcp()
    early_connect = early.connect
    look_up = socket.getaddrinfo

    def reach() -> None:
        for way in (
            lambda: early.connect(("127.0.0.1", counting.port)),
            lambda: look_up("api.acme.example", 443),
        ):
            try:
                way()
            except OSError as error:
                errors.append(error)

    with early, NetworkBlock() as block:
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()

    assert [type(one) for one in errors] == [NetworkBlockedError] * 2
    assert len(block.escapes) == 2
    del early_connect


def test_afterwards_all_is_as_it_was(counting) -> None:
    before = [vars(socket.socket).get(name) for name in GUARDED]
    functions = [getattr(socket, name) for name in LOOKUPS]
    with NetworkBlock():
        assert socket.getaddrinfo is not functions[0]

    assert [vars(socket.socket).get(name) for name in GUARDED] == before
    assert [getattr(socket, name) for name in LOOKUPS] == functions
    with socket.create_connection(("127.0.0.1", counting.port)):
        pass


def test_it_ends_also_when_an_error_goes_through_it() -> None:
    before = socket.getaddrinfo
    with pytest.raises(ZeroDivisionError), NetworkBlock():
        raise ZeroDivisionError

    assert socket.getaddrinfo is before


def test_within_another_the_stricter_one_decides(counting) -> None:
    here = ("127.0.0.1", counting.port)
    with NetworkBlock(loopback=True) as outer:
        socket.create_connection(here).close()
        with NetworkBlock() as inner, pytest.raises(NetworkBlockedError):
            socket.create_connection(here)
        socket.create_connection(here).close()

    assert len(inner.escapes) == 1
    assert outer.escapes == ()


def test_blocks_may_end_in_any_order(counting) -> None:
    before = socket.getaddrinfo
    first, second = NetworkBlock(), NetworkBlock()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.raises(NetworkBlockedError):
        socket.create_connection(("127.0.0.1", counting.port))
    second.__exit__(None, None, None)

    assert socket.getaddrinfo is before
    assert first.escapes == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost"])
def test_this_machine_can_be_let_through(host: str, counting) -> None:
    with NetworkBlock(loopback=True):
        if host != "127.8.9.1":
            socket.create_connection((host, counting.port)).close()
        socket.getaddrinfo(host, counting.port)
        with pytest.raises(NetworkBlockedError):
            socket.create_connection(("192.0.2.1", 80))


def test_what_is_no_network_goes_on() -> None:
    with NetworkBlock() as block:
        one, other = socket.socketpair()
        with one, other:
            one.sendall(b"hello")
            assert other.recv(5) == b"hello"
        assert asyncio.run(asyncio.sleep(0, "done")) == "done"

    assert block.escapes == ()


def test_credentials_of_the_machine_are_hidden_and_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/tmp/config")
    monkeypatch.setenv("https_proxy", "http://proxy.acme.example:3128")
    before = dict(os.environ)
    with no_credentials():
        assert {name for name in os.environ if name.startswith("AWS_")} == {
            "AWS_CONFIG_FILE",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_SHARED_CREDENTIALS_FILE",
        }
        assert os.environ["AWS_CONFIG_FILE"] == os.devnull
        assert "https_proxy" not in os.environ
        os.environ["AWS_PROFILE"] = "set within"

    assert dict(os.environ) == before


def test_boto3_finds_no_credentials_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a key")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/credentials")
    with offline() as block:
        assert boto3.Session().get_credentials() is None

    assert block.escapes == ()
