"""The RTMP port: who is let in, who is sent away, and that nobody's trouble is another's."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, Self

import httpx
import pytest

from headend.plugin import Secret
from headend.rtmp.client import ClientSession, PublishRefused
from headend.rtmp.errors import PublishEndedError, PublishRefusedError, RtmpError
from headend_local import live_stream as module
from headend_local.ingest import IngestLimits, IngestServer
from headend_local.live_stream import RunningLiveStream
from headend_local.registry import Registry
from headend_local.service import Tuning
from headend_local.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headend.rtmp.connection import PublishConnection
    from headend.rtmp.flv import Tag


class Decoded(Protocol):
    video: list[bytes]
    audio: list[bytes]
    pictures: list[str]


class Clip(Protocol):
    tags: list[Tag]
    content: Decoded


class LiveStream(Protocol):
    id: str
    key: Secret
    playback_url: str

    def connect(self, key: Secret | None = None) -> PublishConnection: ...
    def push(self, tags: list[Tag]) -> None: ...
    def state(self) -> str: ...
    def show(self) -> dict[str, object]: ...
    def analytics(self) -> dict[str, object]: ...
    def url(self, name: str) -> str: ...


class Server(Protocol):
    rtmp_url: str
    http_url: str

    def create(self, *, low_latency: bool = True) -> LiveStream: ...
    def control(
        self, method: str, path: str, json: object = None, status: int = 200
    ) -> dict[str, object]: ...


class Reader(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(self, *details: object) -> None: ...
    def sessions(self) -> list[Decoded]: ...


OpenHls = Callable[[str], Reader]
Eventually = Callable[..., None]
StartServer = Callable[[Tuning | None], AbstractContextManager[Server]]
Undisturbed = Callable[[Server], AbstractContextManager[None]]


def address(server: Server) -> tuple[str, int]:
    host, _, port = server.rtmp_url.removeprefix("rtmp://").removesuffix("/live").partition(":")
    return host, int(port)


def dial(server: Server) -> socket.socket:
    return socket.create_connection(address(server), timeout=5)


def handshake(sock: socket.socket) -> None:
    """Shake hands as RTMP 1.0, 5.2 says."""
    sock.sendall(b"\x03" + bytes(1536))
    received = b""
    while len(received) < 1 + 2 * 1536:
        received += sock.recv(65536)
    sock.sendall(received[1:1537])


def is_closed(sock: socket.socket) -> bool:
    """Read until the server hangs up; a reset is hanging up too."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def push_until_sent_away(connection: PublishConnection, tags: list[Tag]) -> RtmpError:
    """Push the same over and over until the server does not want it any more; return its words."""
    deadline = time.monotonic() + 10
    with connection:
        while time.monotonic() < deadline:
            try:
                for tag in tags:
                    connection.send(tag)
            except RtmpError as error:
                return error
    pytest.fail("the encoder was not sent away")


@pytest.fixture
def undisturbed(clip: Clip, open_hls: OpenHls, eventually: Eventually) -> Undisturbed:
    """Something that happens while another live stream is being pushed, and must not touch it."""

    @contextmanager
    def undisturbed(server: Server) -> Iterator[None]:
        other = server.create()
        half = len(clip.tags) // 2
        with other.connect() as connection:
            for tag in clip.tags[:half]:
                connection.send(tag)
            yield
            for tag in clip.tags[half:]:
                connection.send(tag)
        eventually(lambda: other.state() == "idle", "the other encoder has left")
        with open_hls(other.playback_url) as reader:
            (session,) = reader.sessions()
        assert session == clip.content

    return undisturbed


# ---------------------------------------------------------------------- who is let in


def refusal(live_stream: LiveStream, key: Secret | None = None) -> str:
    with pytest.raises(PublishRefusedError) as caught:
        live_stream.connect(key)
    assert caught.value.code == "NetStream.Publish.BadName"
    return caught.value.description


@pytest.mark.parametrize("guess", ["wrong", "", "x" * 1000])
def test_a_wrong_key_is_refused_in_words_that_an_encoder_shows(server: Server, guess: str) -> None:
    assert refusal(server.create(), Secret(guess)) == "stream key refused"


def test_an_id_is_no_key(server: Server) -> None:
    live_stream = server.create()
    assert refusal(live_stream, Secret(live_stream.id)) == "stream key refused"


def test_a_key_that_was_replaced_is_refused_and_the_new_one_is_not(server: Server) -> None:
    live_stream = server.create()
    answer = server.control("POST", f"/live-streams/{live_stream.id}/rotate-key")
    assert refusal(live_stream) == "stream key refused"
    live_stream.connect(Secret(str(answer["stream_key"]))).close()


def test_the_key_of_an_ended_live_stream_is_refused(server: Server) -> None:
    live_stream = server.create()
    server.control("DELETE", f"/live-streams/{live_stream.id}")
    assert refusal(live_stream) == "stream key refused"


def test_a_disabled_live_stream_says_that_it_is(server: Server) -> None:
    live_stream = server.create()
    server.control("POST", f"/live-streams/{live_stream.id}/disable")
    assert refusal(live_stream) == "this live stream is disabled"


def test_a_key_in_use_is_refused_and_its_user_is_not_disturbed(
    server: Server, clip: Clip, open_hls: OpenHls, eventually: Eventually
) -> None:
    live_stream = server.create()
    half = len(clip.tags) // 2
    with live_stream.connect() as connection:
        for tag in clip.tags[:half]:
            connection.send(tag)
        assert refusal(live_stream) == "this live stream is already being pushed to"
        for tag in clip.tags[half:]:
            connection.send(tag)
    eventually(lambda: live_stream.state() == "idle", "the encoder has left")
    with open_hls(live_stream.playback_url) as reader:
        assert reader.sessions() == [clip.content]


def test_a_refused_encoder_that_sends_on_can_read_why_because_nothing_is_reset(
    server: Server,
) -> None:
    session = ClientSession("live", server.rtmp_url, Secret("wrong"))
    refused = False
    with dial(server) as sock:
        while not refused:
            sock.sendall(session.data_to_send())
            events = session.receive(sock.recv(65536))
            refused = any(isinstance(event, PublishRefused) for event in events)
        sock.sendall(bytes(100_000))  # what was on its way
        assert sock.recv(65536) == b""


# ---------------------------------------------------------------------- who is sent away


@pytest.mark.parametrize(
    ("method", "action", "words"),
    [
        ("DELETE", "", "this live stream has ended"),
        ("POST", "/rotate-key", "the stream key has been replaced"),
        ("POST", "/disable", "this live stream is disabled"),
    ],
)
def test_an_encoder_is_disconnected_with_the_reason(
    server: Server, clip: Clip, eventually: Eventually, method: str, action: str, words: str
) -> None:
    live_stream = server.create()
    connection = live_stream.connect()
    for tag in clip.tags:
        connection.send(tag)
    eventually(lambda: live_stream.state() == "live", "it is live")
    server.control(method, f"/live-streams/{live_stream.id}{action}")
    error = push_until_sent_away(connection, clip.tags[-1:])
    assert isinstance(error, PublishEndedError)
    assert error.description == words
    assert refusal(live_stream) in {"stream key refused", "this live stream is disabled"}


def test_the_playback_of_an_ended_live_stream_says_so_with_all_that_was_pushed(
    server: Server, clip: Clip, open_hls: OpenHls, eventually: Eventually
) -> None:
    live_stream = server.create()
    connection = live_stream.connect()
    for tag in clip.tags:
        connection.send(tag)
    pushed = len(clip.content.video)
    eventually(lambda: live_stream.state() == "live", "it is live")
    server.control("DELETE", f"/live-streams/{live_stream.id}")
    with open_hls(live_stream.playback_url) as reader:
        (session,) = reader.sessions()
    assert session.video == clip.content.video[: len(session.video)]
    # What was on its way when it ended may be missing, nothing else.
    assert pushed - 60 <= len(session.video) <= pushed
    connection.close()


def test_hevc_is_sent_away_with_what_to_change(
    server: Server,
    hevc_tags: list[Tag],
    eventually: Eventually,
    undisturbed: Undisturbed,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with undisturbed(server):
        live_stream = server.create()
        error = push_until_sent_away(live_stream.connect(), hevc_tags)
        assert isinstance(error, PublishEndedError)
        assert "HEVC" in error.description
        assert "H.264" in error.description
        assert "HEVC" in str(live_stream.show()["state_reason"])
    assert [each for each in caplog.messages if live_stream.id in each and "HEVC" in each]


def test_an_encoder_whose_timestamps_stand_still_is_sent_away_before_memory_is_full(
    server: Server,
    clip: Clip,
    undisturbed: Undisturbed,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = sum(len(tag.payload) for tag in clip.tags)
    monkeypatch.setattr(module, "MAX_MEMORY", 4 * everything)
    with undisturbed(server):
        live_stream = server.create()
        frozen = [tag._replace(timestamp=0) for tag in clip.tags]
        error = push_until_sent_away(live_stream.connect(), frozen)
        assert isinstance(error, PublishEndedError)
        assert "timestamps" in error.description
        eventually(lambda: live_stream.state() == "idle", "it has left")
        assert live_stream.show()["state_reason"] == error.description


# ---------------------------------------------------------------------- whose trouble stays theirs


def random_bytes(sock: socket.socket) -> None:
    sock.sendall(b"\x03" + os.urandom(200_000))


def http_request(sock: socket.socket) -> None:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def tls_hello(sock: socket.socket) -> None:
    sock.sendall(bytes.fromhex("1603010200010001fc0303") + os.urandom(500))


def message_too_large(sock: socket.socket) -> None:
    handshake(sock)
    # A command of 16 MiB, announced in a chunk header (5.3.1.2.1).
    sock.sendall(b"\x03" + bytes(3) + b"\xff\xff\xff" + b"\x14" + bytes(4) + bytes(128))


def chunks_too_large(sock: socket.socket) -> None:
    handshake(sock)
    # Set Chunk Size 16 MiB (5.4.1), then a command in one such chunk.
    sock.sendall(b"\x02" + bytes(3) + b"\x00\x00\x04\x01" + bytes(4) + b"\x00\xff\xff\xff")
    sock.sendall(b"\x03" + bytes(3) + b"\x80\x00\x00" + b"\x14" + bytes(4) + bytes(70_000))


def broken_amf(sock: socket.socket) -> None:
    handshake(sock)
    body = b"\x02\x00\x07connect\x00" + bytes(8) + b"\x03\x00\x03app\xff\xff"
    size = len(body).to_bytes(3, "big")
    sock.sendall(b"\x03" + bytes(3) + size + b"\x14" + bytes(4) + body)


@pytest.mark.parametrize(
    "attack",
    [random_bytes, http_request, tls_hello, message_too_large, chunks_too_large, broken_amf],
    ids=lambda attack: attack.__name__,
)
def test_a_peer_that_talks_nonsense_is_closed_with_one_line_and_disturbs_nobody(
    server: Server,
    undisturbed: Undisturbed,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    attack: Callable[[socket.socket], None],
) -> None:
    with undisturbed(server), dial(server) as sock:
        with suppress(ConnectionError):  # closed before all of it was sent
            attack(sock)
        assert is_closed(sock)
        who = f"{sock.getsockname()[0]}:{sock.getsockname()[1]}"
        eventually(lambda: any(who in each for each in caplog.messages), "it is logged")
    (line,) = [each for each in caplog.messages if who in each]
    assert line.startswith(f"encoder {who}: broke the RTMP protocol: ")


def test_half_a_handshake_is_given_up_after_a_while_and_disturbs_nobody(
    start_server: StartServer, undisturbed: Undisturbed, caplog: pytest.LogCaptureFixture
) -> None:
    tuning = Tuning(limits=IngestLimits(publish_within=0.5))
    with start_server(tuning) as server, ExitStack() as stack:
        waiting = [stack.enter_context(dial(server)) for _ in range(100)]
        for number, sock in enumerate(waiting):
            sock.sendall(b"\x03" + bytes(number * 15))
        whole = stack.enter_context(dial(server))
        handshake(whole)  # a whole one, and then nothing
        with undisturbed(server):
            assert all(is_closed(sock) for sock in [*waiting, whole])
    lines = [each for each in caplog.messages if "did not publish within 0.5 s" in each]
    assert len(lines) == 101


def test_an_encoder_that_falls_silent_is_dropped_and_may_come_back(
    start_server: StartServer, clip: Clip, eventually: Eventually
) -> None:
    with start_server(Tuning(limits=IngestLimits(idle=0.3))) as server:
        live_stream = server.create()
        connection = live_stream.connect()
        for tag in clip.tags:
            connection.send(tag)
        eventually(lambda: live_stream.state() == "interrupted", "it is dropped")
        assert "was silent for 0.3 s" in str(live_stream.show()["state_reason"])
        live_stream.connect().close()
        connection.close()


def test_connections_are_bounded_and_free_again_when_one_leaves(
    start_server: StartServer, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    with start_server(Tuning(limits=IngestLimits(connections=2))) as server:
        live_stream = server.create()
        with dial(server) as one, dial(server) as two:
            handshake(one)
            handshake(two)
            with dial(server) as three:
                assert is_closed(three)
            assert [each for each in caplog.messages if "too many connections" in each]

        def let_in() -> bool:
            try:
                live_stream.connect().close()
            except RtmpError:
                return False
            return True

        eventually(let_in, "there is room again")


def test_a_peer_that_does_not_read_its_answers_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ping = b"\x02" + bytes(3) + b"\x00\x00\x06\x04" + bytes(4) + b"\x00\x06" + bytes(4)

    async def main(registry: Registry) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        server = IngestServer(registry, limits=IngestLimits(unread=4096))
        await server.start(listener)
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, listener.getsockname())
        await loop.sock_sendall(peer, b"\x03" + bytes(1536))
        received = 0
        while received < 1 + 2 * 1536:
            received += len(await loop.sock_recv(peer, 4096))
        await loop.sock_sendall(peer, bytes(1536))
        with suppress(ConnectionError):
            async with asyncio.timeout(10):
                while True:
                    await loop.sock_sendall(peer, ping * 100)
        peer.close()
        await server.stop()

    with State.open(tmp_path / "data") as state:
        asyncio.run(main(Registry(state)))
    assert [each for each in caplog.messages if "does not read the server's answers" in each]


def test_a_defect_of_the_server_costs_one_connection_and_is_logged_without_its_text(
    server: Server,
    undisturbed: Undisturbed,
    clip: Clip,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live_stream = server.create()
    take = RunningLiveStream.take

    def defect(self: RunningLiveStream, tag: Tag) -> None:
        if self.record.id == live_stream.id:
            raise RuntimeError(f"did not expect {live_stream.key.reveal()}")
        take(self, tag)

    monkeypatch.setattr(RunningLiveStream, "take", defect)
    with undisturbed(server):
        push_until_sent_away(live_stream.connect(), clip.tags[:1])
        assert live_stream.state() == "interrupted"
    (line,) = [each for each in caplog.messages if "defect" in each]
    assert "RuntimeError in test_ingest.py, line" in line
    assert live_stream.key.reveal() not in caplog.text


_PUBLISHER = """
    import sys
    from headend.plugin import Secret
    from headend.rtmp.connection import PublishConnection
    from headend.rtmp.flv import FlvReader

    key = Secret(sys.stdin.readline().strip())
    connection = PublishConnection.connect(sys.argv[1], key)
    for tag in FlvReader().feed(open(sys.argv[2], "rb").read()):
        connection.send(tag)
    print("sent", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_publisher_that_is_killed_interrupts_its_own_live_stream_only(
    server: Server,
    clip: Clip,
    open_hls: OpenHls,
    eventually: Eventually,
    undisturbed: Undisturbed,
    tmp_path: Path,
) -> None:
    live_stream = server.create()
    recorded = tmp_path / "clip.flv"
    recorded.write_bytes(to_flv(clip.tags))
    with undisturbed(server):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_PUBLISHER), server.rtmp_url, str(recorded)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as publisher:
            assert publisher.stdin is not None
            assert publisher.stdout is not None
            publisher.stdin.write(live_stream.key.reveal() + "\n")
            publisher.stdin.flush()
            assert publisher.stdout.readline() == "sent\n"
            publisher.send_signal(signal.SIGKILL)
        eventually(lambda: live_stream.state() == "interrupted", "it is noticed")
    live_stream.push(clip.tags)
    with open_hls(live_stream.playback_url) as reader:
        sessions = reader.sessions()
    assert sessions == [clip.content, clip.content]


def to_flv(tags: list[Tag]) -> bytes:
    """Write tags as a file (FLV 10.1, annex E)."""
    out = b"FLV\x01\x05\x00\x00\x00\x09" + bytes(4)
    for tag in tags:
        time = (tag.timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes([tag.timestamp >> 24])
        body = bytes([tag.type]) + len(tag.payload).to_bytes(3, "big") + time + bytes(3)
        body += tag.payload
        out += body + len(body).to_bytes(4, "big")
    return out


# ---------------------------------------------------------------------- what is measured


def test_figures_are_measured_while_it_is_pushed_and_watched(
    server: Server, clip: Clip, open_hls: OpenHls, eventually: Eventually
) -> None:
    live_stream = server.create()
    with live_stream.connect() as connection:
        for tag in clip.tags:
            connection.send(tag)
        eventually(lambda: live_stream.state() == "live", "it is live")
        with open_hls(live_stream.playback_url) as reader:
            reader.sessions()
        eventually(lambda: live_stream.analytics()["current_bitrate"] is not None, "a second")
        figures = live_stream.analytics()
    assert (figures["viewer_count"], figures["peak_viewers"]) == (1, 1)
    assert figures["unknown"] == {}
    media = 8 * sum(len(tag.payload) for tag in clip.tags if tag.type in {8, 9})
    assert 0 < int(str(figures["current_bitrate"])) <= media
    ingest = figures["ingest"]
    assert isinstance(ingest, dict)
    assert (ingest["width"], ingest["height"], ingest["frame_rate"]) == (320, 180, 30.0)
    assert ingest["key_frame_interval"] == pytest.approx(1.0, abs=0.01)


# ---------------------------------------------------------------------- what is never told


def test_the_key_is_in_no_log_line_no_playlist_no_address_and_no_file_name(
    start_server: StartServer,
    clip: Clip,
    hevc_tags: list[Tag],
    tmp_path: Path,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    guess = Secret("a-guess-that-nobody-may-read-in-a-log")
    with start_server(None) as server:
        live_stream = server.create()
        key = live_stream.key.reveal()
        refusal(live_stream, guess)
        live_stream.push(clip.tags)
        told = [
            text_at(live_stream.url(name))
            for name in ("index.m3u8", "media.m3u8", "media-plain.m3u8", "status.json")
        ]
        told.append(str(live_stream.show()) + str(live_stream.analytics()))
        with live_stream.connect():
            refusal(live_stream)
        push_until_sent_away(live_stream.connect(), hevc_tags)
        with live_stream.connect():
            server.control("DELETE", f"/live-streams/{live_stream.id}")
        refusal(live_stream)
        told += [str(each) for each in tmp_path.rglob("*")]
        eventually(lambda: "has ended" in caplog.text, "the end is logged")
    told.append(caplog.text)
    assert len(caplog.messages) >= 6
    for text in told:
        assert key not in text
        assert guess.reveal() not in text


def text_at(url: str) -> str:
    answer = httpx.get(url, trust_env=False)
    assert answer.status_code == 200
    return answer.text
