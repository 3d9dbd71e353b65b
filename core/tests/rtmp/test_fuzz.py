"""Hostile bytes give events or a ProtocolError, in bounded memory, and nothing else."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings, strategies as st

from headend.rtmp import (
    ClientEvent,
    ClientSession,
    Limits,
    ProtocolError,
    PublishEnded,
    PublishRequested,
    ServerEvent,
    ServerSession,
    Tag,
)
from headend.rtmp.amf0 import encode
from headend.rtmp.chunks import ChunkWriter, Message
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

Pump = Callable[..., tuple[list[ServerEvent], list[ClientEvent]]]
HANDSHAKE = b"\x03" + bytes(2 * 1536)


@pytest.fixture(scope="module")
def recorded(media_tags: list[Tag]) -> tuple[bytes, bytes]:
    """All bytes of a real publish: what the encoder sent, what the server sent."""
    client = ClientSession("live", "rtmp://h/live", Secret("key"), chunk_size=600)
    server = ServerSession()
    up, down = b"", b""
    sent = False
    while True:
        to_server = client.data_to_send()
        for event in server.receive(to_server):
            if isinstance(event, PublishRequested):
                server.accept_publish()
        to_client = server.data_to_send()
        accepted = bool(client.receive(to_client))
        up += to_server
        down += to_client
        if accepted and not sent:
            sent = True
            for tag in media_tags[:40]:
                client.send_tag(tag)
            client.close_publish()
        elif not to_server and not to_client:
            return up, down


def feed(data: bytes, cuts: list[int], *, accept: bool = True) -> list[ServerEvent]:
    server = ServerSession()
    got: list[ServerEvent] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        events = server.receive(data[start:end])
        while events:
            got += events
            assert all(isinstance(e, Tag | PublishRequested | PublishEnded) for e in events)
            if not isinstance(events[-1], PublishRequested):
                break
            if not accept:
                server.refuse_publish("no")
                break
            server.accept_publish()
            events = server.receive(b"")
        server.data_to_send()
    return got


cuts = st.lists(st.integers(0, 200_000), max_size=4)
edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "drop", "insert", "repeat"]),
        st.integers(0, 2**20),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)


def mutated(data: bytes, changes: list[tuple[str, int, int]], *, from_byte: int) -> bytes:
    out = bytearray(data)
    for kind, place, value in changes:
        at = from_byte + place % (len(out) - from_byte)
        if kind == "flip":
            out[at] ^= 1 << value % 8
        elif kind == "set":
            out[at] = value
        elif kind == "drop":
            del out[at : at + 1 + value % 40]
        elif kind == "insert":
            out[at:at] = bytes((value,)) * (1 + value % 9)
        else:
            out[at:at] = out[at : at + value]
    return bytes(out)


@contextmanager
def tolerated_errors() -> Iterator[None]:
    """Any other exception fails the test; the text of a ProtocolError must be fit for a log."""
    told = ""
    try:
        yield
    except ProtocolError as error:
        told = str(error)
    assert told.isprintable()


@given(st.binary(max_size=400), cuts)
def test_random_bytes_from_an_encoder(data: bytes, cuts: list[int]) -> None:
    for start in (b"", b"\x03", HANDSHAKE):
        with tolerated_errors():
            feed(start + data, cuts)


@settings(max_examples=250)
@given(changes=edits, cuts=cuts, early=st.booleans(), accept=st.booleans())
def test_a_real_publish_with_bytes_changed(
    recorded: tuple[bytes, bytes],
    changes: list[tuple[str, int, int]],
    cuts: list[int],
    early: bool,
    accept: bool,
) -> None:
    up, _ = recorded
    if early:  # all changes in the commands
        changes = [(kind, place % 700, value) for kind, place, value in changes]
    with tolerated_errors():
        feed(mutated(up, changes, from_byte=len(HANDSHAKE)), cuts, accept=accept)


def test_the_real_publish_itself_arrives(
    recorded: tuple[bytes, bytes], media_tags: list[Tag]
) -> None:
    request, *tags, end = feed(recorded[0], [])
    assert isinstance(request, PublishRequested)
    assert tags == media_tags[:40]
    assert isinstance(end, PublishEnded)


@given(changes=edits, cuts=cuts)
@example(changes=[("set", 0, 0xC3)], cuts=[])
def test_a_real_servers_answers_with_bytes_changed(
    recorded: tuple[bytes, bytes], changes: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    data = mutated(recorded[1], changes, from_byte=len(HANDSHAKE))
    client = ClientSession("live", "rtmp://h/live", Secret("key"))
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    with tolerated_errors():
        for start, end in itertools.pairwise(places):
            client.receive(data[start:end])
            client.data_to_send()


@given(st.binary(max_size=300))
def test_random_bytes_from_a_server(data: bytes) -> None:
    for start in (b"", HANDSHAKE):
        client = ClientSession("live", "rtmp://h/live", Secret("key"))
        with tolerated_errors():
            client.receive(start + data)


def test_a_peer_that_never_finishes_its_messages_holds_no_more_than_the_bound() -> None:
    server = ServerSession(limits=Limits(max_message=2**20, max_unfinished=2**21))
    server.receive(HANDSHAKE)
    writer = ChunkWriter()
    for command in (
        encode("connect", 1.0, {"app": "live"}),
        encode("publish", 2.0, None, "key", "live"),
    ):
        server.receive(writer.write(3, Message(20, 1, 0, command)))
    server.accept_publish()

    def begin_and_never_finish() -> None:
        numbers = range(8, 36)
        for number in numbers:
            header = bytes((number, 0, 0, 0)) + (2**20).to_bytes(3, "big") + b"\x09\x01\0\0\0"
            server.receive(header + bytes(128))
        while True:
            for number in numbers:
                server.receive(bytes((0xC0 | number,)) + bytes(128))

    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="unfinished"):
            begin_and_never_finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2**21
