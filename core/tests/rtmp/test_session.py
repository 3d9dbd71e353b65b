"""The server side, byte by byte and command by command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headend.rtmp import Limits, ProtocolError, PublishEnded, PublishRequested, ServerSession, Tag
from headend.rtmp.amf0 import UNDEFINED, decode, encode
from headend.rtmp.chunks import ChunkReader, ChunkWriter, Message
from headend.rtmp.session import SessionState
from headend.secret import Secret

if TYPE_CHECKING:
    from headend.rtmp.amf0 import AmfValue

KEY = "k3y-very-secret"


class Encoder:
    """An encoder that says exactly what a test wants it to say."""

    def __init__(self, server: ServerSession | None = None) -> None:
        self.server = server or ServerSession()
        self.writer = ChunkWriter()
        self.reader = ChunkReader(Limits())
        self.greeting = b""

    def shake_hands(self) -> Encoder:
        block = bytes(8) + b"\x5a" * 1528
        assert self.server.receive(b"\x03" + block) == []
        self.greeting = self.server.data_to_send()
        assert self.server.receive(self.greeting[1:1537]) == []
        return self

    def send(self, kind: int, payload: bytes, *, stream: int = 0, time: int = 0) -> list[object]:
        number = 3 if kind >= 17 else 4
        return list(
            self.server.receive(self.writer.write(number, Message(kind, stream, time, payload)))
        )

    def command(self, *values: AmfValue, stream: int = 0) -> list[object]:
        return self.send(20, encode(*values), stream=stream)

    def connect(self, app: str = "live") -> Encoder:
        self.shake_hands()
        self.command("connect", 1.0, {"app": app, "tcUrl": "rtmp://h/" + app})
        return self

    def publish(self, name: str = KEY, *, app: str = "live") -> PublishRequested:
        self.connect(app)
        self.command("createStream", 2.0, None)
        (event,) = self.command("publish", 3.0, None, name, "live", stream=1)
        assert isinstance(event, PublishRequested)
        return event

    def publishing(self) -> Encoder:
        self.publish()
        self.server.accept_publish()
        self.replies()
        return self

    def replies(self) -> list[Message]:
        """What the server has to say, its own chunk sizes obeyed."""
        self.reader.feed(self.server.data_to_send())
        found = []
        while message := self.reader.next_message():
            found.append(message)
        return found

    def commands(self) -> list[tuple[int, list[AmfValue]]]:
        return [(m.stream_id, decode(m.payload)) for m in self.replies() if m.type == 20]

    def statuses(self) -> list[tuple[object, object, object]]:
        found = []
        for _, values in self.commands():
            if values[0] == "onStatus":
                information = values[3]
                assert isinstance(information, dict)
                found.append(tuple(information[k] for k in ("level", "code", "description")))
        return found


# The handshake.


def test_the_handshake_answers_version_3_a_block_of_its_own_and_the_clients_block() -> None:
    server = ServerSession(random_bytes=lambda size: b"r" * size)
    block = bytes(range(256)) * 6
    server.receive(b"\x03" + block[:-1])
    assert server.data_to_send() == b""
    server.receive(block[-1:])
    assert server.data_to_send() == b"\x03" + bytes(8) + b"r" * 1528 + block


def test_the_second_client_block_is_not_compared() -> None:
    # Encoders differ in what they echo, and nothing depends on it.
    server = ServerSession()
    server.receive(b"\x03" + bytes(1536) + b"\xee" * 1536)
    assert server.state is SessionState.CONNECTED


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01", "TLS"),
        (b"\x06", "RTMPE"),
        (b"\x00", "first byte is 0x00"),
    ],
)
def test_other_protocols_are_refused_at_the_first_byte(first: bytes, text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        ServerSession().receive(first)


# Commands.


def test_connect_is_answered_with_windows_chunk_size_and_success() -> None:
    encoder = Encoder().connect()
    window, bandwidth, result = encoder.replies()
    assert (window.type, window.payload) == (5, (2_500_000).to_bytes(4, "big"))
    assert (bandwidth.type, bandwidth.payload) == (6, (2_500_000).to_bytes(4, "big") + b"\x02")
    assert encoder.reader.chunk_size == 4096
    name, transaction, _, information = decode(result.payload)
    assert (name, transaction) == ("_result", 1.0)
    assert isinstance(information, dict)
    assert information["code"] == "NetConnection.Connect.Success"
    assert information["objectEncoding"] == 0.0


@pytest.mark.parametrize("command", ["releaseStream", "FCPublish", "_checkbw"])
def test_the_courtesies_of_encoders_are_answered(command: str) -> None:
    encoder = Encoder().connect()
    encoder.replies()
    encoder.command(command, 7.0, None, KEY)
    assert encoder.commands() == [(0, ["_result", 7.0, None, UNDEFINED])]


def test_unknown_commands_are_ignored() -> None:
    encoder = Encoder().connect()
    encoder.replies()
    assert encoder.command("getStreamLength", 7.0, None, KEY) == []
    assert encoder.replies() == []


def test_create_stream_gives_message_streams_from_1_on_and_not_many() -> None:
    encoder = Encoder().connect()
    encoder.replies()
    for number in range(1, 9):
        encoder.command("createStream", 4.0, None)
        assert encoder.commands() == [(0, ["_result", 4.0, None, float(number)])]
    with pytest.raises(ProtocolError, match="more than 8 message streams"):
        encoder.command("createStream", 4.0, None)


def test_an_amf3_command_is_read_behind_its_first_byte() -> None:
    encoder = Encoder().connect()
    encoder.replies()
    encoder.send(17, b"\x00" + encode("createStream", 4.0, None))
    assert encoder.commands() == [(0, ["_result", 4.0, None, 1.0])]


def test_publish_asks_for_a_decision_with_the_key_as_a_secret() -> None:
    event = Encoder().publish()
    assert event == PublishRequested("live", Secret(KEY))
    assert KEY not in repr(event)


@pytest.mark.parametrize(
    ("app", "name", "expected_app", "key"),
    [
        ("live", f"{KEY}?token=1", "live", KEY),
        ("live/", KEY, "live", KEY),
        (f"live/{KEY}", "", "live", KEY),
        (f"live/{KEY}?x=1", "", "live", KEY),
        (f"live/{KEY}/", "?x=1", "live", KEY),
        ("live?x=1", KEY, "live", KEY),
        ("live/studio", KEY, "live/studio", KEY),
        ("live", "", "", "live"),
    ],
)
def test_where_encoders_put_the_key(app: str, name: str, expected_app: str, key: str) -> None:
    assert Encoder().publish(name, app=app) == PublishRequested(expected_app, Secret(key))


def test_acceptance_begins_the_message_stream_and_starts_the_publish() -> None:
    encoder = Encoder()
    encoder.publish()
    encoder.replies()
    encoder.server.accept_publish()
    begin, status = encoder.replies()
    assert (begin.type, begin.payload) == (4, bytes.fromhex("000000000001"))
    assert status.stream_id == 1
    assert decode(status.payload)[:3] == ["onStatus", 0.0, None]
    assert b"NetStream.Publish.Start" in status.payload
    assert encoder.server.state is SessionState.PUBLISHING


def test_refusal_tells_the_encoder_why_and_closes() -> None:
    encoder = Encoder()
    encoder.publish()
    encoder.server.refuse_publish("stream key refused")
    assert encoder.statuses() == [("error", "NetStream.Publish.BadName", "stream key refused")]
    assert encoder.server.closing
    assert encoder.server.close_reason == "publish refused: stream key refused"
    assert encoder.send(9, b"\x17\x01", stream=1) == []


def test_the_server_can_end_a_publish() -> None:
    encoder = Encoder().publishing()
    encoder.server.end_publish("live stream ended")
    assert encoder.statuses() == [("error", "NetStream.Publish.Rejected", "live stream ended")]
    assert encoder.server.closing


def test_ending_where_nothing_is_published_does_nothing() -> None:
    encoder = Encoder().connect()
    encoder.replies()
    encoder.server.end_publish("live stream ended")
    assert not encoder.server.closing
    assert encoder.replies() == []


def test_a_decision_without_a_request_is_an_error_of_the_caller() -> None:
    for decide in (ServerSession().accept_publish, lambda: ServerSession().refuse_publish("no")):
        with pytest.raises(RuntimeError, match="handshake"):
            decide()


def test_further_publishes_on_one_connection_are_refused_and_the_first_goes_on() -> None:
    encoder = Encoder().publishing()
    encoder.command("createStream", 5.0, None)
    encoder.replies()
    assert encoder.command("publish", 6.0, None, "other", "live", stream=2) == []
    assert encoder.statuses() == [
        ("error", "NetStream.Publish.BadName", "One publish per connection.")
    ]
    assert encoder.send(9, b"\x27\x01", stream=2) == []
    assert encoder.send(9, b"\x27\x01", stream=1) == [Tag(9, 0, b"\x27\x01")]


@pytest.mark.parametrize(
    ("command", "argument", "stream"),
    [("FCUnpublish", KEY, 0), ("deleteStream", 1.0, 0), ("closeStream", None, 1)],
)
def test_the_encoder_ends_its_publish(command: str, argument: AmfValue, stream: int) -> None:
    encoder = Encoder().publishing()
    assert encoder.command(command, 8.0, None, argument, stream=stream) == [PublishEnded()]
    assert encoder.server.state is SessionState.ENDED
    assert [code for _, code, _ in encoder.statuses()] == ["NetStream.Unpublish.Success"]


def test_the_end_is_told_once_and_nothing_comes_after_it() -> None:
    encoder = Encoder().publishing()
    encoder.command("FCUnpublish", 8.0, None, KEY)
    assert encoder.command("deleteStream", 9.0, None, 1.0) == []
    assert encoder.send(9, b"\x27\x01", stream=1) == []
    encoder.replies()
    assert encoder.command("publish", 6.0, None, KEY, "live", stream=1) == []
    assert [code for _, code, _ in encoder.statuses()] == ["NetStream.Publish.BadName"]


def test_deleting_or_closing_another_message_stream_ends_nothing() -> None:
    encoder = Encoder().publishing()
    assert encoder.command("deleteStream", 9.0, None, 2.0) == []
    assert encoder.command("closeStream", 0.0, None, stream=2) == []
    assert encoder.server.state is SessionState.PUBLISHING


def test_playing_is_refused_and_closes() -> None:
    encoder = Encoder().connect()
    encoder.command("createStream", 2.0, None)
    encoder.replies()
    encoder.command("play", 3.0, None, KEY, stream=1)
    assert [code for _, code, _ in encoder.statuses()] == ["NetStream.Play.Failed"]
    assert encoder.server.close_reason == "the peer asked to play"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("createStream", 2.0, None), "before connect"),
        (("connect", 1.0, None), "without an application name"),
        (("connect", 1.0, {"app": 3.0}), "without an application name"),
        (("connect", 1.0, {"app": "a" * 1025}), "more than 1024 characters"),
        ((1.0,), "without a name"),
        ((), "without a name"),
    ],
)
def test_commands_that_cannot_be(values: tuple[AmfValue, ...], text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        Encoder().shake_hands().command(*values)


def test_a_second_connect_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="second connect"):
        Encoder().connect().command("connect", 1.0, {"app": "live"})


def test_a_key_that_is_too_long_is_an_error_that_does_not_show_it() -> None:
    with pytest.raises(ProtocolError) as caught:
        Encoder().publish("k" * 1025)
    assert "kkk" not in str(caught.value)


# Media.


def test_media_comes_out_as_tags() -> None:
    encoder = Encoder().publishing()
    assert encoder.send(9, b"\x17\x01abc", stream=1, time=40) == [Tag(9, 40, b"\x17\x01abc")]
    assert encoder.send(8, b"\xaf\x01abc", stream=1, time=41) == [Tag(8, 41, b"\xaf\x01abc")]
    assert encoder.send(8, b"", stream=1, time=42) == []


@pytest.mark.parametrize("kind", [18, 15])
def test_metadata_is_the_script_tag_of_an_flv_file(kind: int) -> None:
    script = encode("onMetaData", {"width": 640.0})
    lead = b"\x00" if kind == 15 else b""
    encoder = Encoder().publishing()
    wrapped = lead + encode("@setDataFrame") + script
    assert encoder.send(kind, wrapped, stream=1) == [Tag(18, 0, script)]
    assert encoder.send(kind, lead + script, stream=1) == [Tag(18, 0, script)]


def test_media_before_the_publish_is_dropped() -> None:
    encoder = Encoder().connect()
    assert encoder.send(9, b"\x17\x01abc", stream=1) == []


def test_what_is_sent_without_waiting_for_the_answer_comes_after_acceptance() -> None:
    encoder = Encoder().connect()
    encoder.command("createStream", 2.0, None)
    publish = encode("publish", 3.0, None, KEY, "live")
    frame = b"\x17" * 200_000
    eager = encoder.writer.write(3, Message(20, 1, 0, publish))
    eager += encoder.writer.write(4, Message(9, 1, 0, frame))
    events = encoder.server.receive(eager)
    assert events == [PublishRequested("live", Secret(KEY))]
    assert encoder.server.receive(b"") == []
    encoder.server.accept_publish()
    assert encoder.server.receive(b"") == [Tag(9, 0, frame)]


def test_what_is_sent_without_waiting_for_the_answer_is_bounded() -> None:
    encoder = Encoder(ServerSession(limits=Limits(max_message=100_000)))
    encoder.publish()
    encoder.server.receive(bytes(100_000))
    with pytest.raises(ProtocolError, match="before the publish was answered"):
        encoder.server.receive(b"\x00")


def aggregate(*parts: tuple[int, int, bytes]) -> bytes:
    data = b""
    for kind, time, payload in parts:
        clock = (time & 0xFFFFFF).to_bytes(3, "big") + bytes((time >> 24,))
        data += bytes((kind,)) + len(payload).to_bytes(3, "big") + clock + bytes(3) + payload
        data += (len(payload) + 11).to_bytes(4, "big")
    return data


def test_an_aggregate_message_is_taken_apart_on_the_clock_of_the_message() -> None:
    # RTMP 1.0, 7.1.6: the first inner timestamp stands for that of the message.
    payload = aggregate((8, 1000, b"\xafa"), (9, 1020, b"\x17b"), (18, 1040, encode("onCuePoint")))
    assert Encoder().publishing().send(22, payload, stream=1, time=50) == [
        Tag(8, 50, b"\xafa"),
        Tag(9, 70, b"\x17b"),
        Tag(18, 90, encode("onCuePoint")),
    ]


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (aggregate((8, 0, b"abc"))[:-1], "cut short"),
        (b"\x08", "cut short"),
        (aggregate((20, 0, b"abc")), "type 20 in an aggregate"),
        (aggregate(*[(8, 0, b"a")] * 1025), "more than 1024 messages"),
    ],
)
def test_aggregate_messages_that_cannot_be(payload: bytes, text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        Encoder().publishing().send(22, payload, stream=1)


# Control.


def test_a_ping_is_answered_with_its_own_time() -> None:
    encoder = Encoder().connect()
    encoder.replies()
    encoder.send(4, bytes.fromhex("0006 01020304"))
    encoder.send(4, bytes.fromhex("0003 00000001 00000bb8"))  # buffer length: no answer
    assert encoder.replies() == [Message(4, 0, 0, bytes.fromhex("0007 01020304"))]


def test_bytes_are_acknowledged_each_half_window_with_their_count() -> None:
    encoder = Encoder().publishing()
    encoder.send(5, (100_000).to_bytes(4, "big"))
    encoder.replies()
    acknowledged = []
    for time in range(20):
        encoder.send(9, b"\x27\x01" + bytes(9_998), stream=1, time=time)
        for message in encoder.replies():
            assert message.type == 3
            assert int.from_bytes(message.payload, "big") == encoder.server.bytes_received
            acknowledged.append(encoder.server.bytes_received)
    assert len(acknowledged) in (3, 4)


def test_bytes_received_counts_the_handshake_too() -> None:
    server = ServerSession()
    server.receive(b"\x03" + bytes(1536))
    assert server.bytes_received == 1537


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        (4, b"\x00", "User Control"),
        (4, b"\x00\x06\x00", "User Control"),
        (5, b"\x00", "Window Acknowledgement"),
        (5, bytes(4), "Window Acknowledgement"),
        (7, b"", "type 7"),
        (16, b"", "type 16"),
        (19, b"", "type 19"),
        (99, b"", "type 99"),
    ],
)
def test_control_messages_that_cannot_be(kind: int, payload: bytes, text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        Encoder().connect().send(kind, payload)


# Bounds.


def test_messages_are_longer_only_after_acceptance() -> None:
    payload = b"\x27\x01" + bytes(70_000)
    with pytest.raises(ProtocolError, match="at most 65536"):
        Encoder().connect().send(9, payload, stream=1)
    assert Encoder().publishing().send(9, payload, stream=1) == [Tag(9, 0, payload)]


def test_a_message_of_more_than_8_mib_is_refused_before_it_comes() -> None:
    encoder = Encoder().publishing()
    header = b"\x05\x00\x00\x00" + (8 * 2**20 + 1).to_bytes(3, "big") + b"\x09\x01\x00\x00\x00"
    with pytest.raises(ProtocolError, match="at most 8388608"):
        encoder.server.receive(header)


def test_commands_stay_short_after_acceptance() -> None:
    with pytest.raises(ProtocolError, match="a command of"):
        Encoder().publishing().command("publish", 1.0, None, "x" * 66_000)


def test_a_session_that_closes_reads_nothing_more() -> None:
    encoder = Encoder().publishing()
    encoder.server.end_publish("over")
    encoder.replies()
    assert encoder.server.receive(bytes(10_000)) == []
    assert encoder.replies() == []
