"""One bounded HTTP request, against real servers on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from headend.fetch import (
    FetchConnectionError,
    FetchError,
    FetchResponseError,
    FetchTimeoutError,
    fetch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    RawServer = Callable[[Callable[[socket.socket], None]], str]

SECONDS = 5.0
"""More than any request here takes, so that only the tests about time run into it."""


class Site(BaseHTTPRequestHandler):
    """A small site; the paths say what they do."""

    protocol_version = "HTTP/1.1"
    other = ""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        match path:
            case "/hello":
                self._answer(200, b"hello", {"X-Query": query, "X-Accept": self._accept()})
            case "/browsers-only":
                agent = self.headers["User-Agent"]
                is_browser = agent.startswith("Mozilla/5.0 (")
                body = b"hello" if is_browser else b"error code: 1010"
                self._answer(200 if is_browser else 403, body, {"X-Agent": agent})
            case "/missing":
                self._answer(404, b"no such thing")
            case "/chunked":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
            case "/to-hello":
                self._answer(302, b"", {"Location": "hello?by=redirect"})
            case "/to-elsewhere":
                self._answer(302, b"", {"Location": self.other + "/hello"})
            case "/to-http":
                port = self.server.server_address[1]
                self._answer(302, b"", {"Location": f"http://127.0.0.1:{port}/hello"})
            case "/to-localhost":
                port = self.server.server_address[1]
                self._answer(302, b"", {"Location": f"http://localhost:{port}/hello"})
            case "/to-file":
                self._answer(302, b"", {"Location": "file:///etc/hostname"})
            case "/to-itself":
                self._answer(302, b"", {"Location": "/to-itself"})
            case "/three-hundred":
                self._answer(304, b"")

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/to-hello":
            self._answer(307, b"", {"Location": "/hello"})
        else:
            self._answer(201, body.upper(), {"X-Type": self.headers["Content-Type"]})

    def _accept(self) -> str:
        return self.headers["Accept-Encoding"]

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(Site) as other:
        handler = type("SiteWithNeighbour", (Site,), {"other": other})
        with serving(handler) as url:
            yield url


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """Give a function that serves one connection with the given function."""
    with contextlib.ExitStack() as stack:

        def serve(talk: Callable[[socket.socket], None]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(SECONDS)

            def accept() -> None:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(SECONDS)
                    while b"\r\n\r\n" not in connection.recv(65536):
                        pass
                    talk(connection)

            thread = threading.Thread(target=accept)
            thread.start()
            stack.callback(thread.join)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield serve


def test_a_network_that_refuses_what_is_no_browser_lets_it_in_and_can_tell_who_it_is(
    site: str,
) -> None:
    answer = fetch(f"{site}/browsers-only", timeout=SECONDS, max_bytes=100)

    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["x-agent"] == f"Mozilla/5.0 (compatible; headend/{version('headend')})"
    refused = fetch(
        f"{site}/browsers-only", timeout=SECONDS, max_bytes=100, headers={"User-Agent": "headend"}
    )
    assert refused.status == 403


def test_a_get_brings_status_headers_and_body(site: str) -> None:
    answer = fetch(f"{site}/hello?a=b%20c", timeout=SECONDS, max_bytes=100)
    assert (answer.status, answer.ok, answer.body) == (200, True, b"hello")
    assert answer.headers["x-query"] == "a=b%20c"
    assert answer.headers["x-accept"] == "identity"
    assert answer.url == f"{site}/hello?a=b%20c"


def test_an_error_status_is_an_answer(site: str) -> None:
    answer = fetch(f"{site}/missing", timeout=SECONDS, max_bytes=100)
    assert (answer.status, answer.ok, answer.body) == (404, False, b"no such thing")


def test_a_post_sends_its_body_and_headers(site: str) -> None:
    answer = fetch(
        f"{site}/hook",
        timeout=SECONDS,
        max_bytes=100,
        method="POST",
        body=b"budget",
        headers={"Content-Type": "text/plain"},
    )
    assert (answer.status, answer.body, answer.headers["x-type"]) == (201, b"BUDGET", "text/plain")


def test_a_head_brings_headers_whatever_length_they_announce(site: str) -> None:
    answer = fetch(f"{site}/hello", timeout=SECONDS, max_bytes=1, method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "1000000")


def test_a_chunked_body_is_put_together(site: str) -> None:
    assert fetch(f"{site}/chunked", timeout=SECONDS, max_bytes=7).body == b"abcdefg"


@pytest.mark.parametrize("path", ["/hello", "/chunked"])
def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(
    site: str, path: str
) -> None:
    size = len(fetch(site + path, timeout=SECONDS, max_bytes=100).body)
    assert len(fetch(site + path, timeout=SECONDS, max_bytes=size).body) == size
    with pytest.raises(FetchResponseError, match=f"more than {size - 1} bytes"):
        fetch(site + path, timeout=SECONDS, max_bytes=size - 1)


def test_an_endless_body_is_cut_off_at_the_limit(raw_server: RawServer) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    with pytest.raises(FetchResponseError, match="more than 100000 bytes"):
        fetch(raw_server(talk), timeout=SECONDS, max_bytes=100_000)


def test_a_redirect_on_the_same_host_is_followed(site: str) -> None:
    answer = fetch(f"{site}/to-hello", timeout=SECONDS, max_bytes=100)
    assert (answer.status, answer.url) == (200, f"{site}/hello?by=redirect")


@pytest.mark.parametrize("path", ["/to-elsewhere", "/to-localhost", "/to-file"])
def test_a_redirect_to_another_host_port_or_scheme_is_refused(site: str, path: str) -> None:
    with pytest.raises(FetchResponseError, match="redirects"):
        fetch(site + path, timeout=SECONDS, max_bytes=100)


def test_redirects_without_end_are_refused(site: str) -> None:
    with pytest.raises(FetchResponseError, match="more than 5 times"):
        fetch(f"{site}/to-itself", timeout=SECONDS, max_bytes=100)


def test_the_redirect_of_a_post_is_returned_and_not_followed(site: str) -> None:
    answer = fetch(f"{site}/to-hello", timeout=SECONDS, max_bytes=100, method="POST", body=b"once")
    assert (answer.status, answer.headers["location"]) == (307, "/hello")


def test_a_status_of_three_hundred_without_location_is_an_answer(site: str) -> None:
    assert fetch(f"{site}/three-hundred", timeout=SECONDS, max_bytes=100).status == 304


def test_a_silent_server_hits_the_deadline(raw_server: RawServer) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1)

    began = time.monotonic()
    with pytest.raises(FetchTimeoutError, match=r"did not answer within 0\.2 s"):
        fetch(raw_server(talk), timeout=0.2, max_bytes=100)
    assert 0.2 <= time.monotonic() - began < 1.5


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_trickles_hits_the_deadline_all_the_same(
    raw_server: RawServer, start: bytes
) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        connection.settimeout(0.02)
        while True:
            connection.sendall(b"x")
            # Nothing comes: a wait that ends when the client hangs up.
            with contextlib.suppress(TimeoutError):
                if connection.recv(1) == b"":
                    return

    began = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        fetch(raw_server(talk), timeout=0.3, max_bytes=10_000)
    assert 0.3 <= time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_a_body_that_ends_early_is_an_error(raw_server: RawServer, answer: bytes) -> None:
    url = raw_server(lambda connection: connection.sendall(answer))
    with pytest.raises(FetchResponseError, match="ended early"):
        fetch(url, timeout=SECONDS, max_bytes=100)


def test_a_body_without_a_length_ends_with_the_connection(raw_server: RawServer) -> None:
    url = raw_server(lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it"))
    assert fetch(url, timeout=SECONDS, max_bytes=100).body == b"all of it"


def test_what_is_not_http_is_an_error(raw_server: RawServer) -> None:
    url = raw_server(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n"))
    with pytest.raises(FetchResponseError, match="not answer in valid HTTP"):
        fetch(url, timeout=SECONDS, max_bytes=100)


def test_a_server_that_hangs_up_is_told_apart_from_one_that_is_not_there(
    raw_server: RawServer,
) -> None:
    with pytest.raises(FetchConnectionError, match="closed the connection without answering"):
        fetch(raw_server(lambda _: None), timeout=SECONDS, max_bytes=100)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(FetchConnectionError, match="cannot be reached"):
        fetch(url, timeout=SECONDS, max_bytes=100)


def test_an_unknown_name_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(FetchConnectionError, match="Name or service not known"):
        fetch("http://nowhere.invalid/", timeout=SECONDS, max_bytes=100)


def test_a_slow_name_look_up_hits_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: done.wait(SECONDS) and [])
    with pytest.raises(FetchTimeoutError):
        fetch("http://slow.invalid/", timeout=0.1, max_bytes=100)
    done.set()


def test_a_server_without_tls_is_a_connection_error_for_https() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(FetchConnectionError):
            fetch(f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout=SECONDS, max_bytes=9)
        thread.join()


@pytest.fixture(scope="module")
def secure_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Give an https site with a self-signed certificate for 127.0.0.1, and that certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=headend test", "-out", cert, "-keyout", key]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    class SecureServer(ThreadingHTTPServer):
        def get_request(self) -> tuple[ssl.SSLSocket, object]:
            connection, address = super().get_request()
            connection.settimeout(SECONDS)
            return context.wrap_socket(connection, server_side=True), address

    with SecureServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}", cert
        finally:
            server.shutdown()
            thread.join()


def test_a_certificate_that_nobody_vouches_for_is_refused(secure_site: tuple[str, Path]) -> None:
    url, _ = secure_site
    with pytest.raises(FetchConnectionError, match=r"certificate of https://127.* self.signed"):
        fetch(f"{url}/hello", timeout=SECONDS, max_bytes=100)


def test_https_works_with_a_trusted_certificate_and_never_goes_down_to_http(
    secure_site: tuple[str, Path],
) -> None:
    url, cert = secure_site
    context = ssl.create_default_context(cafile=cert)
    answer = fetch(f"{url}/hello", timeout=SECONDS, max_bytes=100, ssl_context=context)
    assert answer.body == b"hello"
    with pytest.raises(FetchResponseError, match="down to http"):
        fetch(f"{url}/to-http", timeout=SECONDS, max_bytes=100, ssl_context=context)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "ftp://host/file",
        "file:///etc/hostname",
        "http://",
        "http://host:0/",
        "http://host:99999/",
        "http://[::1/",
        "http://user:password@host/",
        "http://host/with space",
        "http://host/line\r\nbreak",
        "http://host/ümlaut",
    ],
)
def test_what_is_no_absolute_http_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        fetch(url, timeout=SECONDS, max_bytes=100)


def test_errors_and_reprs_do_not_show_path_or_query(site: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(f"{site}/hello?token=tell-nobody", timeout=SECONDS, max_bytes=1)
    assert "tell-nobody" not in str(caught.value)
    answer = fetch(f"{site}/missing?token=tell-nobody", timeout=SECONDS, max_bytes=100)
    assert "tell-nobody" not in repr(answer)
