"""The publishing side, alone and joined to the server side in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from headend.rtmp import (
    ClientEvent,
    ClientSession,
    ProtocolError,
    PublishAccepted,
    PublishEnded,
    PublishRefused,
    PublishRequested,
    PublishStopped,
    ServerEvent,
    ServerSession,
    Tag,
)
from headend.rtmp.amf0 import decode, encode
from headend.rtmp.chunks import ChunkReader, ChunkWriter, Message
from headend.rtmp.client import ClientState
from headend.rtmp.limits import Limits
from headend.secret import MASK, Secret

if TYPE_CHECKING:
    from headend.rtmp.amf0 import AmfValue

KEY = "a-stream-key"
Pump = Callable[..., tuple[list[ServerEvent], list[ClientEvent]]]
Pair = tuple[ClientSession, ServerSession]


def client(**options: int) -> ClientSession:
    return ClientSession("live", "rtmp://127.0.0.1/live", Secret(KEY), **options)


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 6000), max_size=30),
    chunk_size=st.sampled_from([1, 7, 128, 4096, 65536, 0xFFFFFF]),
    offset=st.sampled_from([0, 0xFFFE00, 2**32 - 900]),
)
def test_what_is_sent_is_what_arrives(
    pump: Pump, media_tags: list[Tag], sizes: list[int], chunk_size: int, offset: int
) -> None:
    sent = [tag._replace(timestamp=(tag.timestamp + offset) % 2**32) for tag in media_tags]
    sender, server = client(chunk_size=chunk_size), ServerSession()

    def accept(session: ServerSession, request: PublishRequested) -> None:
        assert request == PublishRequested("live", Secret(KEY))
        session.accept_publish()

    at_server, at_client = pump(sender, server, sizes=sizes, decide=accept)
    assert at_client == [PublishAccepted()]
    for tag in sent:
        sender.send_tag(tag)
    sender.close_publish()
    more, _ = pump(sender, server, sizes=sizes)
    assert at_server + more == [PublishRequested("live", Secret(KEY)), *sent, PublishEnded()]


@given(
    st.lists(
        st.builds(
            Tag,
            st.sampled_from([8, 9]),
            st.integers(0, 2**32 - 1),
            st.binary(min_size=1, max_size=200),
        ),
        max_size=10,
    )
)
def test_tags_in_any_order_of_time_arrive(pump: Pump, tags: list[Tag]) -> None:
    sender, server = client(), ServerSession()
    pump(sender, server, decide=lambda session, _: session.accept_publish())
    for tag in tags:
        sender.send_tag(tag)
    assert pump(sender, server)[0] == tags


def test_a_refusal_carries_the_servers_code_and_description(pump: Pump) -> None:
    sender = client()
    _, events = pump(
        sender, ServerSession(), decide=lambda session, _: session.refuse_publish("key refused")
    )
    assert events == [PublishRefused("NetStream.Publish.BadName", "key refused")]
    assert sender.state is ClientState.ENDED


def test_the_servers_end_of_a_publish_is_told(pump: Pump, publishing: Pair) -> None:
    sender, server = publishing
    server.end_publish("live stream ended")
    _, events = pump(sender, server)
    assert events == [PublishStopped("NetStream.Publish.Rejected", "live stream ended")]


def test_the_end_of_a_publish_is_told_once(pump: Pump, publishing: Pair) -> None:
    sender, server = publishing
    sender.close_publish()
    sender.close_publish()
    assert pump(sender, server)[0] == [PublishEnded()]


def test_tags_are_sent_only_while_publishing(publishing: Pair) -> None:
    with pytest.raises(RuntimeError, match="handshake"):
        client().send_tag(Tag(9, 0, b"x"))
    sender, _ = publishing
    with pytest.raises(ValueError, match="type 7"):
        sender.send_tag(Tag(7, 0, b"x"))
    sender.close_publish()
    with pytest.raises(RuntimeError, match="ended"):
        sender.send_tag(Tag(9, 0, b"x"))


class Server:
    """A server that says exactly what a test wants it to say."""

    def __init__(self) -> None:
        self.client = client()
        self.reader = ChunkReader(Limits())
        self.writer = ChunkWriter()
        greeting = self.client.data_to_send()
        assert len(greeting) == 1537
        self.client.receive(b"\x03" + bytes(1536) + greeting[1:])
        answer = self.client.data_to_send()
        assert answer[:1536] == bytes(1536)
        self.reader.feed(answer[1536:])

    def hear(self) -> list[Message]:
        self.reader.feed(self.client.data_to_send())
        found = []
        while message := self.reader.next_message():
            found.append(message)
        return found

    def names(self) -> list[AmfValue]:
        return [decode(message.payload)[0] for message in self.hear()]

    def say(self, *values: AmfValue, kind: int = 20) -> list[ClientEvent]:
        lead = b"\x00" if kind == 17 else b""
        return self.send(kind, lead + encode(*values))

    def send(self, kind: int, payload: bytes) -> list[ClientEvent]:
        return self.client.receive(self.writer.write(3, Message(kind, 0, 0, payload)))

    def until_requested(self) -> Server:
        self.say("_result", 1.0, None, {"code": "NetConnection.Connect.Success"})
        self.say("_result", 4.0, None, 1.0)
        self.hear()
        return self


def test_the_publish_goes_step_by_step() -> None:
    server = Server()
    (connect,) = server.hear()
    properties = decode(connect.payload)[2]
    assert isinstance(properties, dict)
    assert (properties["app"], properties["tcUrl"]) == ("live", "rtmp://127.0.0.1/live")
    assert KEY.encode() not in connect.payload
    server.say("_result", 1.0, None, {"code": "NetConnection.Connect.Success"})
    assert server.names() == ["releaseStream", "FCPublish", "createStream"]
    server.say("_result", 4.0, None, 5.0)
    (publish,) = server.hear()
    assert publish.stream_id == 5
    assert decode(publish.payload) == ["publish", 5.0, None, KEY, "live"]
    start = {"level": "status", "code": "NetStream.Publish.Start"}
    assert server.say("onStatus", 0.0, None, start) == [PublishAccepted()]
    server.client.send_tag(Tag(9, 7, b"frame"))
    assert server.hear() == [Message(9, 5, 7, b"frame")]


def test_answers_in_amf3_commands_are_understood() -> None:
    server = Server()
    server.hear()
    server.say("_result", 1.0, None, {}, kind=17)
    assert server.names() == ["releaseStream", "FCPublish", "createStream"]


def test_a_server_may_not_know_release_stream() -> None:
    server = Server().until_requested()
    assert server.say("_error", 2.0, None, {"level": "error", "code": "x"}) == []
    assert server.client.state is ClientState.REQUESTED


@pytest.mark.parametrize("transaction", [1.0, 4.0, 5.0])
def test_an_error_to_a_step_that_matters_is_a_refusal(transaction: float) -> None:
    told = {"level": "error", "code": "NetConnection.Connect.Rejected", "description": "full"}
    assert Server().say("_error", transaction, None, told) == [
        PublishRefused("NetConnection.Connect.Rejected", "full")
    ]


def test_a_server_that_repeats_the_key_does_not_get_it_into_the_events() -> None:
    told = {"level": "error", "code": "Bad", "description": f"stream\n'{KEY}' busy\x1b[0m"}
    (event,) = Server().until_requested().say("onStatus", 0.0, None, told)
    assert event == PublishRefused("Bad", f"stream '{MASK}' busy [0m")


def test_a_refusal_without_words_is_a_refusal() -> None:
    assert Server().say("close", 0.0, None) == [PublishRefused("", "")]
    assert Server().say("_error", 1.0) == [PublishRefused("", "")]


def test_other_statuses_are_no_acceptance() -> None:
    server = Server()
    start = {"level": "status", "code": "NetStream.Publish.Start"}
    assert server.say("onStatus", 0.0, None, start) == []
    assert server.until_requested().say("onStatus", 0.0, None, {"level": "status"}) == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("onStatus", 0.0, None), "information object"),
        (("_result", 4.0, None), "stream id"),
        (("_result", 4.0, None, -1.0), "stream id"),
        (("_result", 4.0, None, float("nan")), "stream id"),
    ],
)
def test_answers_that_cannot_be(values: tuple[AmfValue, ...], text: str) -> None:
    server = Server()
    server.say("_result", 1.0, None, {})
    with pytest.raises(ProtocolError, match=text):
        server.say(*values)


def test_the_servers_pings_and_windows_are_served() -> None:
    server = Server()
    server.hear()
    server.send(4, bytes.fromhex("000600000009"))
    assert server.hear() == [Message(4, 0, 0, bytes.fromhex("000700000009"))]
    server.send(5, (64).to_bytes(4, "big"))
    assert server.hear() == []
    server.send(3, bytes(4))
    assert [message.type for message in server.hear()] == [3]


def test_a_server_of_another_protocol_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="HTTP"):
        client().receive(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(ProtocolError, match="TLS"):
        client().receive(b"\x15\x03\x01\x00\x02\x02\x46")
