"""A push over real sockets, to small servers built on ServerSession."""

from __future__ import annotations

import queue
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from headend.rtmp import (
    ProtocolError,
    PublishConnection,
    PublishEnded,
    PublishEndedError,
    PublishRefusedError,
    PublishRequested,
    RtmpConnectionError,
    RtmpTimeoutError,
    ServerSession,
    Tag,
)
from headend.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headend.rtmp import (
        ServerEvent,
    )

KEY = Secret("a-stream-key")
DEADLINE = 10.0  # seconds, for what should take milliseconds

Behaviour = Callable[[socket.socket], None]


class Peer:
    """Listens on a free port and treats the first connection as it is told."""

    def __init__(self, behave: Behaviour, context: ssl.SSLContext | None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE)
        self.port = self.listener.getsockname()[1]
        self.url = f"rtmp{'s' if context else ''}://127.0.0.1:{self.port}/live"
        self.behave = behave
        self.context = context
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            connection, _ = self.listener.accept()
            connection.settimeout(DEADLINE)
            with connection:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection:
                    self.behave(connection)
        except OSError:
            pass  # the tests look at what their own side sees

    def stop(self) -> None:
        self.thread.join(DEADLINE)
        self.listener.close()
        assert not self.thread.is_alive()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end of the test: what silent peers wait for."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def serve(released: threading.Event) -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(behave: Behaviour, context: ssl.SSLContext | None = None) -> Peer:
        peers.append(Peer(behave, context))
        return peers[-1]

    yield start
    released.set()
    for peer in peers:
        peer.stop()


class Ingest:
    """The behaviour of a server that takes publishes; `on_tag` may end them."""

    def __init__(
        self,
        decide: Callable[[ServerSession], None] = ServerSession.accept_publish,
        on_tag: Callable[[ServerSession], None] | None = None,
    ) -> None:
        self.decide = decide
        self.on_tag = on_tag
        self.events: queue.Queue[ServerEvent] = queue.Queue()

    def __call__(self, connection: socket.socket) -> None:
        session = ServerSession()
        while data := connection.recv(65536):
            for event in session.receive(data):
                self.events.put(event)
                if isinstance(event, PublishRequested):
                    self.decide(session)
                elif isinstance(event, Tag) and self.on_tag:
                    self.on_tag(session)
            connection.sendall(session.data_to_send())
            if session.closing:
                return


def send_until_it_fails(connection: PublishConnection) -> None:
    give_up = time.monotonic() + DEADLINE
    while time.monotonic() < give_up:
        connection.send(Tag(9, 0, b"\x27\x01" + bytes(20_000)))


# What works.


def test_tags_arrive_and_the_end_is_told(serve: Callable[..., Peer], media_tags: list[Tag]) -> None:
    ingest = Ingest()
    with PublishConnection.connect(serve(ingest).url, KEY) as connection:
        for tag in media_tags:
            connection.send(tag)
        assert connection.bytes_sent > sum(len(tag.payload) for tag in media_tags)
    got = [ingest.events.get(timeout=DEADLINE) for _ in range(len(media_tags) + 2)]
    assert got == [PublishRequested("live", KEY), *media_tags, PublishEnded()]


def test_megabytes_sent_in_one_go_arrive_before_close_returns_them_lost(
    serve: Callable[..., Peer],
) -> None:
    ingest = Ingest()
    frames = [Tag(9, time, b"\x27\x01" + bytes(300_000)) for time in range(20)]
    with PublishConnection.connect(serve(ingest).url, KEY) as connection:
        for frame in frames:
            connection.send(frame)
    got = [ingest.events.get(timeout=DEADLINE) for _ in range(22)]
    assert got[1:] == [*frames, PublishEnded()]


def test_close_may_be_called_twice_and_nothing_can_be_sent_after_it(
    serve: Callable[..., Peer],
) -> None:
    connection = PublishConnection.connect(serve(Ingest()).url + "/", KEY)
    connection.close()
    connection.close()
    with pytest.raises(RtmpConnectionError, match="is over"):
        connection.send(Tag(9, 0, b"\x27\x01"))


# What fails while connecting, told apart.


def test_a_refused_key_is_told_with_the_servers_words(serve: Callable[..., Peer]) -> None:
    peer = serve(Ingest(lambda session: session.refuse_publish("stream key refused")))
    with pytest.raises(PublishRefusedError) as caught:
        PublishConnection.connect(peer.url, KEY)
    assert caught.value.code == "NetStream.Publish.BadName"
    assert caught.value.description == "stream key refused"
    assert "stream key refused" in str(caught.value)


def test_a_server_that_repeats_the_key_does_not_get_it_into_the_error(
    serve: Callable[..., Peer],
) -> None:
    peer = serve(Ingest(lambda session: session.refuse_publish(f"no {KEY.reveal()} here")))
    with pytest.raises(PublishRefusedError) as caught:
        PublishConnection.connect(peer.url, KEY)
    assert caught.value.description == f"no {MASK} here"
    assert KEY.reveal() not in str(caught.value)


def test_a_server_that_hangs_up_on_the_key_has_refused_it(serve: Callable[..., Peer]) -> None:
    def hang_up(connection: socket.socket) -> None:
        session = ServerSession()
        while not session.receive(connection.recv(65536)):
            connection.sendall(session.data_to_send())

    with pytest.raises(PublishRefusedError, match="after the stream key was sent") as caught:
        PublishConnection.connect(serve(hang_up).url, KEY)
    assert caught.value.code == ""


def test_a_server_that_hangs_up_at_once_is_a_connection_error(serve: Callable[..., Peer]) -> None:
    with pytest.raises(RtmpConnectionError, match=r"connection to 127\.0\.0\.1"):
        PublishConnection.connect(serve(lambda connection: None).url, KEY)


def test_a_silent_server_is_a_timeout_and_soon(
    serve: Callable[..., Peer], released: threading.Event
) -> None:
    peer = serve(lambda connection: released.wait(DEADLINE) and None)
    began = time.monotonic()
    with pytest.raises(RtmpTimeoutError, match=r"not answered for 0\.2 s"):
        PublishConnection.connect(peer.url, KEY, timeout=0.2)
    assert time.monotonic() - began < 2


def test_a_server_that_is_silent_after_the_handshake_is_a_timeout(
    serve: Callable[..., Peer], released: threading.Event
) -> None:
    def shake_hands_only(connection: socket.socket) -> None:
        connection.sendall(b"\x03" + bytes(3072))
        released.wait(DEADLINE)

    with pytest.raises(RtmpTimeoutError):
        PublishConnection.connect(serve(shake_hands_only).url, KEY, timeout=0.2)


def test_a_dead_port_is_a_connection_error() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, and not listening
        port = bound.getsockname()[1]
        with pytest.raises(RtmpConnectionError, match=f"nothing listens on 127.0.0.1:{port}"):
            PublishConnection.connect(f"rtmp://127.0.0.1:{port}/live", KEY)


def test_a_host_without_an_address_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(RtmpConnectionError, match=r"nowhere\.test cannot be resolved"):
        PublishConnection.connect("rtmp://nowhere.test/live", KEY)


def test_an_http_server_is_a_protocol_error(serve: Callable[..., Peer]) -> None:
    peer = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(ProtocolError, match="HTTP"):
        PublishConnection.connect(peer.url, KEY)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1/a-stream-key", "rtmp:// or rtmps://"),
        ("127.0.0.1/a-stream-key", "rtmp:// or rtmps://"),
        ("rtmp:///a-stream-key", "no host"),
        ("rtmp://127.0.0.1", "no application"),
        ("rtmp://127.0.0.1/", "no application"),
        ("rtmp://127.0.0.1:a-stream-key/live", "port"),
        ("rtmp://127.0.0.1:70000/live", "port"),
        ("rtmp://user:a-stream-key@127.0.0.1/live", "user name"),
    ],
)
def test_an_unusable_server_url_is_a_value_error_that_does_not_repeat_it(
    url: str, text: str
) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        PublishConnection.connect(url, KEY)
    assert "a-stream-key" not in str(caught.value)


# What fails later.


def test_the_servers_end_of_the_publish_is_raised_by_send(serve: Callable[..., Peer]) -> None:
    peer = serve(Ingest(on_tag=lambda session: session.end_publish("live stream ended")))
    with PublishConnection.connect(peer.url, KEY) as connection:
        with pytest.raises(PublishEndedError, match="live stream ended") as caught:
            send_until_it_fails(connection)
        assert caught.value.code == "NetStream.Publish.Rejected"
        with pytest.raises(RtmpConnectionError, match="is over"):
            connection.send(Tag(9, 0, b"\x27\x01"))


def test_a_connection_that_breaks_is_raised_by_send(serve: Callable[..., Peer]) -> None:
    def drop(session: ServerSession) -> None:
        raise OSError

    with (
        PublishConnection.connect(serve(Ingest(on_tag=drop)).url, KEY) as connection,
        pytest.raises(RtmpConnectionError, match=r"broke|closed by the server"),
    ):
        send_until_it_fails(connection)


def test_the_end_is_raised_too_where_the_server_keeps_the_connection_open(
    serve: Callable[..., Peer],
) -> None:
    ended = threading.Event()

    def end_and_wait(connection: socket.socket) -> None:
        session = ServerSession()
        while not session.receive(connection.recv(65536)):
            connection.sendall(session.data_to_send())
        session.accept_publish()
        connection.sendall(session.data_to_send())
        connection.recv(65536)
        session.end_publish("live stream ended")
        connection.sendall(session.data_to_send())
        ended.set()
        while connection.recv(65536):
            pass

    with PublishConnection.connect(serve(end_and_wait).url, KEY) as connection:
        connection.send(Tag(9, 0, b"\x27\x01"))
        assert ended.wait(DEADLINE)
        with pytest.raises(PublishEndedError, match="live stream ended"):
            connection.send(Tag(9, 33, b"\x27\x01"))


def test_a_server_that_takes_no_more_data_is_a_timeout(
    serve: Callable[..., Peer], released: threading.Event
) -> None:
    peer = serve(Ingest(on_tag=lambda session: released.wait(DEADLINE) and None))
    with PublishConnection.connect(peer.url, KEY, timeout=0.3) as connection:
        with pytest.raises(RtmpTimeoutError, match=r"not taken any data for 0\.3 s"):
            send_until_it_fails(connection)
        released.set()


# RTMPS.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=headend test", "-out", cert, "-keyout", key]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE)
    return cert, key


@pytest.fixture(scope="session")
def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_an_rtmps_server_without_a_trusted_certificate_is_refused(
    serve: Callable[..., Peer], server_context: ssl.SSLContext
) -> None:
    peer = serve(Ingest(), server_context)
    with pytest.raises(RtmpConnectionError, match=r"certificate of .* is not trusted: self.signed"):
        PublishConnection.connect(peer.url, KEY)


def test_an_rtmps_server_with_a_trusted_certificate_takes_the_publish(
    serve: Callable[..., Peer],
    server_context: ssl.SSLContext,
    certificate: tuple[Path, Path],
    media_tags: list[Tag],
) -> None:
    ingest = Ingest()
    peer = serve(ingest, server_context)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with PublishConnection.connect(peer.url, KEY, ssl_context=trusting) as connection:
        for tag in media_tags:
            connection.send(tag)
    got = [ingest.events.get(timeout=DEADLINE) for _ in range(len(media_tags) + 2)]
    assert got == [PublishRequested("live", KEY), *media_tags, PublishEnded()]


def test_the_certificate_must_be_for_the_host(
    serve: Callable[..., Peer], server_context: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    peer = serve(Ingest(), server_context)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with pytest.raises(RtmpConnectionError, match="is not trusted"):
        PublishConnection.connect(f"rtmps://localhost:{peer.port}/live", KEY, ssl_context=trusting)


def test_an_rtmps_server_that_breaks_the_connection_is_raised_by_send(
    serve: Callable[..., Peer], server_context: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    peer = serve(Ingest(on_tag=lambda session: session.end_publish("over")), server_context)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        PublishConnection.connect(peer.url, KEY, ssl_context=trusting) as connection,
        pytest.raises(PublishEndedError, match="over"),
    ):
        send_until_it_fails(connection)


def test_rtmps_to_a_plain_rtmp_server_is_a_connection_error(serve: Callable[..., Peer]) -> None:
    def plain(connection: socket.socket) -> None:
        with pytest.raises(ProtocolError, match="TLS"):
            ServerSession().receive(connection.recv(65536))

    peer = serve(plain)
    with pytest.raises(RtmpConnectionError, match="is it an rtmps:// server"):
        PublishConnection.connect(peer.url.replace("rtmp:", "rtmps:"), KEY)


def test_rtmps_to_a_silent_server_is_a_timeout(
    serve: Callable[..., Peer], released: threading.Event
) -> None:
    peer = serve(lambda connection: released.wait(DEADLINE) and None)
    with pytest.raises(RtmpTimeoutError, match="TLS handshake"):
        PublishConnection.connect(peer.url.replace("rtmp:", "rtmps:"), KEY, timeout=0.2)
