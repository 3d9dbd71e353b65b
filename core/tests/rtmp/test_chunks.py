"""The chunk stream, both directions."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies as st

from headend.rtmp.chunks import ChunkReader, ChunkWriter, Message
from headend.rtmp.errors import ProtocolError
from headend.rtmp.limits import Limits

WRAP = 2**32


def reader(chunk_size: int = 128, **limits: int) -> ChunkReader:
    chunks = ChunkReader(Limits(**limits))
    chunks.chunk_size = chunk_size
    return chunks


def messages_in(chunks: ChunkReader, data: bytes, cuts: list[int] | None = None) -> list[Message]:
    found: list[Message] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    for start, end in itertools.pairwise(places):
        chunks.feed(data[start:end])
        while message := chunks.next_message():
            found.append(message)
    return found


def body(size: int, seed: int = 0) -> bytes:
    return bytes((i * 31 + seed) & 0xFF for i in range(size))


# Bytes laid out by hand after RTMP 1.0, section 5.3.1, and its examples in 5.3.2.


def test_the_audio_example_of_the_specification() -> None:
    # 5.3.2.1: four messages of 32 bytes 20 ms apart, as types 0, 2, 3, 3.
    data = (
        bytes.fromhex("03 0003e8 000020 08 39300000") + body(32, 1)
        + bytes.fromhex("83 000014") + body(32, 2)
        + bytes.fromhex("c3") + body(32, 3)
        + bytes.fromhex("c3") + body(32, 4)
    )  # fmt: skip
    assert messages_in(reader(), data) == [
        Message(8, 12345, 1000, body(32, 1)),
        Message(8, 12345, 1020, body(32, 2)),
        Message(8, 12345, 1040, body(32, 3)),
        Message(8, 12345, 1060, body(32, 4)),
    ]


def test_the_video_example_of_the_specification() -> None:
    # 5.3.2.2: one message of 307 bytes in chunks of 128.
    payload = body(307)
    data = (
        bytes.fromhex("04 0003e8 000133 09 3a300000") + payload[:128]
        + b"\xc4" + payload[128:256]
        + b"\xc4" + payload[256:]
    )  # fmt: skip
    assert messages_in(reader(), data) == [Message(9, 12346, 1000, payload)]
    assert ChunkWriter().write(4, Message(9, 12346, 1000, payload)) == data


@pytest.mark.parametrize(
    ("chunk_stream", "header"),
    [(2, "02"), (63, "3f"), (64, "0000"), (319, "00ff"), (320, "010001"), (65599, "01ffff")],
)
def test_chunk_stream_numbers_take_one_two_or_three_bytes(chunk_stream: int, header: str) -> None:
    payload = body(300)
    written = ChunkWriter().write(chunk_stream, Message(8, 1, 7, payload))
    assert written.startswith(bytes.fromhex(header) + b"\x00\x00\x07\x00\x01\x2c\x08")
    assert messages_in(reader(), written) == [Message(8, 1, 7, payload)]


def test_a_number_below_320_may_also_stand_in_three_bytes() -> None:
    payload = body(200)
    fields = bytes.fromhex("000000 0000c8 08 01000000")
    first = b"\x00\x06" + fields + payload[:128]
    assert messages_in(reader(), first + b"\xc1\x06\x00" + payload[128:]) == [
        Message(8, 1, 0, payload)
    ]


def test_no_chunk_stream_outside_2_to_65599_is_written() -> None:
    for number in (0, 1, 65600):
        with pytest.raises(ValueError, match="no chunk stream"):
            ChunkWriter().write(number, Message(8, 1, 0, b""))


def test_type_3_chunks_repeat_the_extended_timestamp() -> None:
    payload = body(300)
    data = (
        bytes.fromhex("04 ffffff 00012c 09 01000000 01000000") + payload[:128]
        + bytes.fromhex("c4 01000000") + payload[128:256]
        + bytes.fromhex("c4 01000000") + payload[256:]
    )  # fmt: skip
    assert messages_in(reader(), data) == [Message(9, 1, 0x01000000, payload)]
    assert ChunkWriter().write(4, Message(9, 1, 0x01000000, payload)) == data


def test_an_extended_timestamp_that_changes_inside_a_message_changes_nothing() -> None:
    payload = body(300)
    data = (
        bytes.fromhex("04 ffffff 00012c 09 01000000 01000000") + payload[:128]
        + bytes.fromhex("c4 01000001") + payload[128:256]
        + bytes.fromhex("c4 00000009") + payload[256:]
    )  # fmt: skip
    assert messages_in(reader(), data) == [Message(9, 1, 0x01000000, payload)]


def test_the_timestamp_wraps_at_2_to_the_32() -> None:
    data = (
        bytes.fromhex("04 ffffff 000001 09 01000000 fffffff0") + b"a"
        + bytes.fromhex("84 000020") + b"b"
    )  # fmt: skip
    assert [m.timestamp for m in messages_in(reader(), data)] == [0xFFFFFFF0, 0x10]


def test_a_type_3_message_after_type_0_takes_its_timestamp_as_the_delta() -> None:
    # 5.3.1.2.4 says so.
    data = bytes.fromhex("04 000017 000001 09 01000000") + b"a" + b"\xc4b" + b"\xc4c"
    assert [m.timestamp for m in messages_in(reader(), data)] == [23, 46, 69]


def test_a_chunk_stream_may_begin_with_type_1() -> None:
    # librtmp, so OBS too, does this for its control messages.
    data = bytes.fromhex("42 000000 000006 04") + bytes(6)
    assert messages_in(reader(), data) == [Message(4, 0, 0, bytes(6))]


@pytest.mark.parametrize("header", ["84000000", "c4"])
def test_a_chunk_stream_cannot_begin_with_types_2_and_3(header: str) -> None:
    with pytest.raises(ProtocolError, match="begins with"):
        messages_in(reader(), bytes.fromhex(header) + bytes(20))


def test_a_new_header_inside_a_message_is_an_error() -> None:
    begun = bytes.fromhex("04 000000 00012c 09 01000000") + body(128)
    with pytest.raises(ProtocolError, match="not finished"):
        messages_in(reader(), begun + bytes.fromhex("04 000000 00012c 09 01000000") + body(128))


def test_set_chunk_size_holds_from_the_next_chunk_on() -> None:
    payload = body(300)
    begun = bytes.fromhex("04 000000 00012c 09 01000000") + payload[:128]
    smaller = bytes.fromhex("02 000000 000004 01 00000000 00000064")
    rest = b"\xc4" + payload[128:228] + b"\xc4" + payload[228:]
    assert messages_in(reader(), begun + smaller + rest) == [Message(9, 1, 0, payload)]


@pytest.mark.parametrize(("size", "used"), [(1, 1), (0xFFFFFF, 0xFFFFFF), (0x7FFFFFFF, 0xFFFFFF)])
def test_chunk_sizes_from_one_on_are_taken(size: int, used: int) -> None:
    chunks = reader()
    messages_in(chunks, bytes.fromhex("02 000000 000004 01 00000000") + size.to_bytes(4, "big"))
    assert chunks.chunk_size == used


@pytest.mark.parametrize("payload", ["00000000", "80000000", "ffffffff", "000001"])
def test_chunk_sizes_that_cannot_be_are_errors(payload: str) -> None:
    body_bytes = bytes.fromhex(payload)
    header = bytes.fromhex("02 000000") + len(body_bytes).to_bytes(3, "big")
    with pytest.raises(ProtocolError, match="Set Chunk Size"):
        messages_in(reader(), header + bytes.fromhex("01 00000000") + body_bytes)


def test_abort_drops_the_unfinished_message_of_its_chunk_stream() -> None:
    begun = bytes.fromhex("04 000000 00012c 09 01000000") + body(128)
    abort = bytes.fromhex("02 000000 000004 02 00000000 00000004")
    whole = bytes.fromhex("04 000005 000003 09 01000000") + b"abc"
    chunks = reader(max_unfinished=400)
    assert messages_in(chunks, (begun + abort) * 5 + whole) == [Message(9, 1, 5, b"abc")]


def test_abort_of_an_unknown_chunk_stream_does_nothing_and_a_short_one_is_an_error() -> None:
    abort = bytes.fromhex("02 000000 000004 02 00000000 0000ffff")
    assert messages_in(reader(), abort) == []
    with pytest.raises(ProtocolError, match="Abort"):
        messages_in(reader(), bytes.fromhex("02 000000 000002 02 00000000 0000"))


def test_a_message_may_be_empty() -> None:
    data = bytes.fromhex("04 000000 000000 09 01000000 c4")
    assert messages_in(reader(), data) == [Message(9, 1, 0, b""), Message(9, 1, 0, b"")]


# Bounds.


def test_a_message_longer_than_accepted_is_refused_at_its_header() -> None:
    header = bytes.fromhex("04 000000 010001 09 01000000")
    with pytest.raises(ProtocolError, match="65537 bytes"):
        messages_in(reader(), header)


def test_chunk_streams_are_bounded() -> None:
    writer = ChunkWriter()
    data = [writer.write(3 + n, Message(8, 1, 0, b"x")) for n in range(33)]
    chunks = reader()
    assert len(messages_in(chunks, b"".join(data[:32]))) == 32
    with pytest.raises(ProtocolError, match="more than 32 chunk streams"):
        messages_in(chunks, data[32])


def test_unfinished_messages_are_bounded_together() -> None:
    chunks = reader(1000, max_unfinished=5000)
    begun = [
        bytes((4 + number,)) + bytes.fromhex("000000 002000 09 01000000") + body(1000)
        for number in range(6)
    ]
    assert messages_in(chunks, b"".join(begun[:5])) == []
    with pytest.raises(ProtocolError, match="more than 5000 bytes of unfinished"):
        messages_in(chunks, begun[5])


def test_consumed_bytes_are_not_kept() -> None:
    writer, chunks = ChunkWriter(), reader()
    for number in range(50):
        messages_in(chunks, writer.write(4, Message(9, 1, number, body(5000))))
        chunks.feed(b"")
        assert chunks.buffered == 0
        assert len(chunks._buffer) == 0


# Round trips.


def test_going_back_in_time_takes_a_full_header() -> None:
    # A delta of almost 2**32 would be right by 5.3.1.2 and wrong for receivers that do not wrap.
    writer = ChunkWriter()
    writer.write(4, Message(9, 1, 1000, b"a"))
    assert writer.write(4, Message(9, 1, 990, b"b")).startswith(b"\x04\x00\x03\xde")
    assert writer.write(4, Message(9, 1, 1000, b"c")).startswith(b"\x44\x00\x00\x0a")


messages = st.builds(
    Message,
    st.sampled_from([8, 9, 18, 20]),
    st.integers(0, 2**32 - 1),
    st.integers(0, WRAP - 1) | st.integers(0xFFFFF0, 0x1000010),
    st.integers(0, 900).map(body),
)
numbers = st.sampled_from([2, 3, 63, 64, 319, 320, 65599])


@given(
    st.lists(st.tuples(numbers, messages), max_size=8),
    st.integers(1, 1000),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_what_is_written_is_read_under_any_split_and_chunk_size(
    sent: list[tuple[int, Message]], chunk_size: int, cuts: list[int]
) -> None:
    writer = ChunkWriter()
    writer.chunk_size = chunk_size
    data = b"".join(writer.write(number, message) for number, message in sent)
    assert messages_in(reader(chunk_size), data, cuts) == [message for _, message in sent]


@given(st.lists(st.integers(0, 2**31 - 1), max_size=20), st.integers(0, WRAP - 1))
def test_timestamps_go_forward_over_the_wrap(steps: list[int], start: int) -> None:
    times = [start]
    for step in steps:
        times.append((times[-1] + step) % WRAP)
    writer = ChunkWriter()
    data = b"".join(writer.write(4, Message(9, 1, time, b"x")) for time in times)
    assert [m.timestamp for m in messages_in(reader(), data)] == times


class HeaderSaver:
    """Chunks for messages with the shortest header that says what is needed, types 0 to 3."""

    def __init__(self) -> None:
        self.last: dict[int, tuple[Message, int]] = {}

    def chunks(self, number: int, message: Message, chunk_size: int, longest: int) -> list[bytes]:
        fmt, clock = 0, message.timestamp
        if number in self.last:
            before, last_clock = self.last[number]
            delta = (message.timestamp - before.timestamp) % WRAP
            if message.stream_id == before.stream_id:
                fmt, clock = 1, delta
                if (message.type, len(message.payload)) == (before.type, len(before.payload)):
                    fmt = 3 if delta == last_clock else 2
        fmt = min(fmt, longest)
        if fmt == 0:
            clock = message.timestamp
        self.last[number] = (message, clock)
        size, kind = len(message.payload), message.type
        fields = min(clock, 0xFFFFFF).to_bytes(3, "big") + size.to_bytes(3, "big")
        fields += bytes((kind,)) + message.stream_id.to_bytes(4, "little")
        extension = clock.to_bytes(4, "big") if clock >= 0xFFFFFF else b""
        payload = message.payload
        out = [bytes((fmt << 6 | number,)) + fields[: (11, 7, 3, 0)[fmt]] + extension]
        out[0] += payload[:chunk_size]
        for start in range(chunk_size, size, chunk_size):
            piece = payload[start : start + chunk_size]
            out.append(bytes((0xC0 | number,)) + extension + piece)
        return out


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[bytes, int, dict[int, list[Message]]]:
    """Messages on up to four chunk streams, their chunks shuffled together."""
    chunk_size = draw(st.sampled_from([1, 7, 128, 500]))
    saver = HeaderSaver()
    sent: dict[int, list[Message]] = {}
    queues: list[list[bytes]] = []
    for number in draw(st.lists(st.integers(3, 63), min_size=1, max_size=4, unique=True)):
        step = draw(st.sampled_from([0, 20, 33, 0xFFFFFF, 0x2000000]))
        time = draw(st.sampled_from([0, 20, 0xFFFFFE, WRAP - 50]))
        sent[number], queue = [], []
        sizes = st.sampled_from([0, 1, 127, 128, 129, 600, 2000])
        for size in draw(st.lists(sizes, min_size=1, max_size=5)):
            message = Message(draw(st.sampled_from([8, 9])), 1, time, body(size, number))
            sent[number].append(message)
            queue += saver.chunks(number, message, chunk_size, draw(st.integers(0, 3)))
            time = (time + step) % WRAP
        queues.append(queue)
    data = b""
    while queues:
        queue = queues[draw(st.integers(0, len(queues) - 1))]
        run = draw(st.integers(1, 40))
        data += b"".join(queue[:run])
        del queue[:run]
        queues = [queue for queue in queues if queue]
    return data, chunk_size, sent


@settings(max_examples=60)
@given(interleaved(), st.lists(st.integers(0, 20_000), max_size=10))
def test_interleaved_chunk_streams_with_every_header_type_are_told_apart(
    example: tuple[bytes, int, dict[int, list[Message]]], cuts: list[int]
) -> None:
    data, chunk_size, sent = example
    got = messages_in(reader(chunk_size), data, cuts)
    assert sorted(got) == sorted(m for group in sent.values() for m in group)


@pytest.mark.parametrize("piece", [1, 2, 3, 100, 129, 130, 4096])
def test_reads_of_any_size_give_the_same_messages(piece: int) -> None:
    writer = ChunkWriter()
    sent = [Message(9, 1, 0xFFFFFF + n * 33, body(n * 97)) for n in range(12)]
    data = b"".join(writer.write(5, message) for message in sent)
    assert messages_in(reader(), data, list(range(0, len(data), piece))) == sent


def test_long_messages_in_tiny_chunks_are_joined() -> None:
    payload = body(60_000)
    writer = ChunkWriter()
    writer.chunk_size = 3
    data = writer.write(70, Message(9, 1, 0x1000000, payload))
    assert messages_in(reader(3), data, [777, 30_000]) == [Message(9, 1, 0x1000000, payload)]


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=4))
def test_random_bytes_give_messages_or_a_protocol_error(data: bytes, cuts: list[int]) -> None:
    with suppress(ProtocolError):
        for message in messages_in(reader(), data, cuts):
            assert len(message.payload) <= 600
