"""Media tags and a joined pair of sessions, for the tests of headend.rtmp."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from headend.rtmp import (
    ClientEvent,
    ClientSession,
    PublishRequested,
    ServerEvent,
    ServerSession,
    Tag,
)
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

# An AVCDecoderConfigurationRecord that x264 wrote for 1920x1080, High profile, level 4.0.
AVCC_1080 = bytes.fromhex(
    "01640028ffe1001b67640028acd940780227e5c044000003000400000300c83c60c658"
    "01000668ebe3cb22c0fdf8f800"
)
AAC_LC_44100_STEREO = bytes.fromhex("1210")


def nal_units(*sizes: int) -> bytes:
    return b"".join(
        size.to_bytes(4, "big") + bytes(i * 7 & 0xFF for i in range(size)) for size in sizes
    )


@pytest.fixture(scope="session")
def media_tags() -> list[Tag]:
    """Two seconds of something like a live stream: sequence headers, then 30 + 40 frames/s."""
    tags = [
        Tag(18, 0, bytes.fromhex("02000a6f6e4d65746144617461030000 09".replace(" ", ""))),
        Tag(9, 0, b"\x17\x00\x00\x00\x00" + AVCC_1080),
        Tag(8, 0, b"\xaf\x00" + AAC_LC_44100_STEREO),
    ]
    for number in range(60):
        first = b"\x17" if number % 30 == 0 else b"\x27"
        size = 9000 if number % 30 == 0 else 400 + 13 * number
        payload = first + b"\x01\x00\x00\x21" + nal_units(6, size)
        tags.append(Tag(9, number * 1000 // 30, payload))
    tags += [
        Tag(8, number * 1024 * 1000 // 44100, b"\xaf\x01" + bytes(range(200 + number % 40)))
        for number in range(1, 56)
    ]
    return sorted(tags, key=lambda tag: tag.timestamp)


Pump = Callable[..., tuple[list[ServerEvent], list[ClientEvent]]]


def _pieces(data: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    position = 0
    for size in sizes:
        if position >= len(data):
            return
        yield data[position : position + size]
        position += size
    if position < len(data):
        yield data[position:]


@pytest.fixture(scope="session")
def pump() -> Pump:
    """Carry bytes both ways, in pieces of the given sizes, until neither side has more to say."""

    def carry(
        client: ClientSession,
        server: ServerSession,
        *,
        sizes: Iterable[int] = (),
        decide: Callable[[ServerSession, PublishRequested], None] | None = None,
    ) -> tuple[list[ServerEvent], list[ClientEvent]]:
        sizes = list(sizes)
        at_server: list[ServerEvent] = []
        at_client: list[ClientEvent] = []
        while True:
            to_server = client.data_to_send()
            for piece in _pieces(to_server, sizes):
                events = server.receive(piece)
                at_server += events
                if decide and events and isinstance(events[-1], PublishRequested):
                    decide(server, events[-1])
                    at_server += server.receive(b"")
            to_client = server.data_to_send()
            for piece in _pieces(to_client, sizes):
                at_client += client.receive(piece)
            if not to_server and not to_client:
                return at_server, at_client

    return carry


@pytest.fixture
def publishing(pump: Pump) -> tuple[ClientSession, ServerSession]:
    """A client and a server session with an accepted publish between them."""
    client = ClientSession("live", "rtmp://127.0.0.1/live", Secret("a-stream-key"))
    server = ServerSession()
    pump(client, server, decide=lambda session, _: session.accept_publish())
    return client, server
