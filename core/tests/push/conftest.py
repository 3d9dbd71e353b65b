"""What the tests of the push share: encoding once, and reading back what came out."""

from __future__ import annotations

import functools
import io
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import attrs
import av
import pytest

from headend.presets import PRESETS
from headend.push import PatternSource, Target, encode, read_frame_counter
from headend.rtmp.errors import RtmpError
from headend.rtmp.flv import Tag
from headend.rtmp.session import PublishEnded, PublishRequested, ServerSession
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from headend.presets import EncodingPreset

TINY = attrs.evolve(PRESETS["480p"], name="tiny", width=320, height=180, video_bitrate=300_000)
"""A preset for tests that are not about the picture."""


@attrs.frozen
class Decoded:
    """What a decoder makes of a push; times in seconds."""

    width: int
    height: int
    counters: list[int | None]
    video_times: list[float]
    keys: list[int]
    sound: list[tuple[float, float]]
    """Time and value of every sample of the left channel."""

    def onsets(self) -> list[float]:
        """Return when sound begins after silence of a tenth of a second or more."""
        found: list[float] = []
        loud = -1.0
        for at, value in self.sound:
            if abs(value) > 0.05:
                if at - loud > 0.1:
                    found.append(at)
                loud = at
        return found


def flv_file(tags: list[Tag]) -> bytes:
    """Put tags into an FLV file (FLV specification, E.2 to E.4)."""
    out = bytearray(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
    for tag in tags:
        low, high = tag.timestamp & 0xFFFFFF, tag.timestamp >> 24
        out += bytes([tag.type]) + len(tag.payload).to_bytes(3, "big")
        out += low.to_bytes(3, "big") + bytes([high]) + b"\0\0\0" + tag.payload
        out += (11 + len(tag.payload)).to_bytes(4, "big")
    return bytes(out)


def decode_tags(tags: list[Tag]) -> Decoded:
    """Decode tags by PyAV, both pictures and sound."""
    data = flv_file(tags)
    counters, times, keys = [], [], []
    with av.open(io.BytesIO(data)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            plane = frame.planes[0]
            counters.append(
                read_frame_counter(memoryview(plane), frame.width, frame.height, plane.line_size)
            )
            times.append(frame.time)
            if frame.key_frame:
                keys.append(index)
        size = frame.width, frame.height
    sound = []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(audio=0):
            values = memoryview(frame.planes[0]).cast("f")[: frame.samples]
            sound += [
                (frame.time + index / frame.sample_rate, value)
                for index, value in enumerate(values)
            ]
    return Decoded(*size, counters, times, keys, sound)


@functools.cache
def _pattern_tags(preset: EncodingPreset, frame_count: int) -> tuple[Tag, ...]:
    return tuple(encode(PatternSource(frame_count=frame_count), preset))


@pytest.fixture
def tiny() -> EncodingPreset:
    return TINY


@pytest.fixture
def decode() -> Callable[[list[Tag]], Decoded]:
    return decode_tags


@pytest.fixture
def pattern_tags() -> Callable[[EncodingPreset, int], list[Tag]]:
    """Give a function: so many frames of the test picture, encoded (once per preset)."""
    return lambda preset, frame_count: list(_pattern_tags(preset, frame_count))


@pytest.fixture
def as_flv() -> Callable[[list[Tag]], bytes]:
    return flv_file


class IngestServer:
    """A real RTMP server on loopback that takes one connection after the other.

    Attributes:
        connections: the tags of each accepted publish.
        tries: how many publishes were asked for.
        partings: how many publishes ended in order.
        refuse: text to refuse with; None accepts.
        hang_up_after: close the connection, without a word, after so many tags of it.
        end_after: end the publish, with a word, after so many tags of it.
        reading: cleared, nothing is read any more.
    """

    def __init__(self) -> None:
        self.connections: list[list[Tag]] = []
        self.tries = 0
        self.partings = 0
        self.refuse: str | None = None
        self.hang_up_after: int | None = None
        self.end_after: int | None = None
        self.reading = threading.Event()
        self.reading.set()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        # So little that a peer notices when nothing is read.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self._listener.settimeout(0.05)
        self.url = f"rtmp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        self._thread = threading.Thread(target=self._main)

    def target(self, name: str = "here", key: str = "the-key") -> Target:
        return Target(name, self.url, Secret(key))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self.reading.set()
        self._thread.join(20)
        self._listener.close()

    def _main(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                with connection, suppress(OSError, RtmpError):
                    connection.settimeout(0.05)
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        session = ServerSession()
        while not session.closing and not self._over.is_set():
            self.reading.wait(10)
            try:
                data = connection.recv(4096)
            except TimeoutError:
                continue
            if not data:
                return
            for event in session.receive(data):
                if not self._heed(session, event):
                    return
            connection.sendall(session.data_to_send())

    def _heed(self, session: ServerSession, event: object) -> bool:
        if isinstance(event, PublishRequested):
            self.tries += 1
            if self.refuse is not None:
                session.refuse_publish(self.refuse)
                return True
            self.connections.append([])
            session.accept_publish()
        elif isinstance(event, PublishEnded):
            self.partings += 1
        elif isinstance(event, Tag):
            tags = self.connections[-1]
            tags.append(event)
            if len(tags) == self.end_after:
                session.end_publish("the live stream has ended")
            return len(tags) != self.hang_up_after
        return True


@pytest.fixture
def ingest() -> Iterator[IngestServer]:
    with IngestServer() as server:
        yield server


@pytest.fixture
def other_ingest() -> Iterator[IngestServer]:
    with IngestServer() as server:
        yield server


@pytest.fixture(scope="session")
def fitting_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the test picture that fit the preset of these tests as they are."""
    path = tmp_path_factory.mktemp("fitting") / "event.mp4"
    with (
        av.open(io.BytesIO(flv_file(list(_pattern_tags(TINY, 60))))) as found,
        av.open(str(path), "w", options={"movflags": "faststart"}) as out,
    ):
        tracks = {track: out.add_stream_from_template(track) for track in found.streams}
        for packet in found.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream]
                out.mux(packet)
    return path
