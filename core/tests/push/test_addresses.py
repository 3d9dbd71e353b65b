"""Sources that come over a network or through a pipe."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Self

import av
import pytest

from headend.push import (
    FileSource,
    PatternSource,
    PipeSource,
    SourceError,
    UrlSource,
    encode,
    open_source,
    read_frame_counter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def counters(source: object, preset: object, most: int | None = None) -> list[int | None]:
    """Return the frame counters in a source's pictures, and see that its time is steady."""
    found, sound = [], 0
    for frame in islice(source.frames(preset), most):
        if isinstance(frame, av.VideoFrame):
            assert frame.pts == len(found)
            plane = frame.planes[0]
            found.append(
                read_frame_counter(memoryview(plane), frame.width, frame.height, plane.line_size)
            )
        else:
            assert frame.pts == sound
            sound += frame.samples
            assert sound == len(found) * 1600
    return found


def loudest(source: object, preset: object) -> float:
    return max(
        max(memoryview(frame.planes[0]).cast("f")[: frame.samples], default=0.0)
        for frame in source.frames(preset)
        if isinstance(frame, av.AudioFrame)
    )


@contextmanager
def serving(folder: Path, context: ssl.SSLContext | None = None) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError, ssl.SSLError):
                super().handle()

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_file_by_http(fitting_file, tiny):
    with serving(fitting_file.parent) as url:
        source = open_source(f"{url}/{fitting_file.name}")
        assert counters(source, tiny) == list(range(60))
        again = open_source(f"{url}/{fitting_file.name}", loop=True)
        assert counters(again, tiny, 300) == [*range(60), *range(60), *range(30)]


def test_hls(fitting_file, tiny, tmp_path):
    with (
        av.open(str(fitting_file)) as found,
        av.open(str(tmp_path / "live.m3u8"), "w", format="hls", options={"hls_time": "1"}) as out,
    ):
        tracks = {track: out.add_stream_from_template(track) for track in found.streams}
        for packet in found.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream]
                out.mux(packet)
    with serving(tmp_path) as url:
        source = open_source(f"{url}/live.m3u8")
        assert counters(source, tiny) == list(range(60))
        assert loudest(open_source(f"{url}/live.m3u8"), tiny) > 0.2


def test_sound_is_in_step_however_the_packets_are_interleaved(fitting_file, tiny, decode):
    with serving(fitting_file.parent) as url:
        tags = list(encode(open_source(f"{url}/{fitting_file.name}"), tiny))
    assert decode(tags).onsets() == pytest.approx([0, 1], abs=0.04)


@pytest.mark.ffmpeg
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
def test_rtmp(tiny, fitting_file):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"rtmp://127.0.0.1:{port}/live/the-secret-key"
    server = subprocess.Popen(
        [
            *("ffmpeg", "-loglevel", "quiet", "-i", str(fitting_file), "-c", "copy"),
            *("-f", "flv", "-listen", "1", address),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        source = None
        deadline = time.monotonic() + 20
        while source is None:
            try:
                source = UrlSource(address, timeout=10)
            except SourceError as error:
                told = str(error)
            if source is None:
                assert "the-secret-key" not in told
                assert "Connection refused" in told
                assert time.monotonic() < deadline
        assert "the-secret-key" not in repr(source)
        assert counters(source, tiny, 100) == list(range(50))
    finally:
        server.kill()
        server.wait()


class RtspServer:
    """Serves the video of a file to one player, by RTSP (RFC 2326) and RTP in it (RFC 6184)."""

    def __init__(self, path: Path, *, silent: bool = False) -> None:
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            avcc = bytes(video.codec_context.extradata)
            base = video.time_base
            self._pictures = [
                (round(packet.pts * base * 90000), bytes(packet))
                for packet in container.demux(video)
                if packet.size
            ]
        size = int.from_bytes(avcc[6:8], "big")
        sps, rest = avcc[8 : 8 + size], avcc[8 + size :]
        pps = rest[3 : 3 + int.from_bytes(rest[1:3], "big")]
        sets = ",".join(base64.b64encode(one).decode() for one in (sps, pps))
        self._sdp = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}"
            "\r\na=control:track\r\n"
        )
        self._silent = silent
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(20)
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(20)
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as reader, suppress(OSError):
            while True:
                lines = list(iter(lambda: reader.readline().decode().strip(), ""))
                if not lines:
                    return
                method = lines[0].split()[0]
                self.asked.append(method)
                number = next(line for line in lines if line.lower().startswith("cseq"))
                body, more = "", ""
                if method == "DESCRIBE":
                    body, more = self._sdp, "Content-Type: application/sdp\r\n"
                elif method == "SETUP":
                    more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                connection.sendall(
                    f"RTSP/1.0 200 OK\r\n{number}\r\nSession: 1\r\n{more}"
                    f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                if method == "PLAY":
                    self._play(connection)
                    return

    def _play(self, connection: socket.socket) -> None:
        sequence = 0
        for at, picture in self._pictures[: 3 if self._silent else None]:
            pieces = []
            position = 0
            while position < len(picture):
                size = int.from_bytes(picture[position : position + 4], "big")
                unit = picture[position + 4 : position + 4 + size]
                position += 4 + size
                if size < 1400:
                    pieces.append(unit)
                    continue
                head, parts = unit[0], [unit[i : i + 1400] for i in range(1, size, 1400)]
                for index, part in enumerate(parts):
                    mark = 0x80 * (index == 0) | 0x40 * (index == len(parts) - 1)
                    pieces.append(bytes([head & 0xE0 | 28, mark | head & 0x1F]) + part)
            for index, piece in enumerate(pieces):
                last = index == len(pieces) - 1
                rtp = bytes([0x80, 96 | 0x80 * last]) + (sequence % 65536).to_bytes(2, "big")
                rtp += at.to_bytes(4, "big") + b"\0\0\0\1" + piece
                connection.sendall(b"$\0" + len(rtp).to_bytes(2, "big") + rtp)
                sequence += 1
        if self._silent:
            self._over.wait(20)


def test_an_rtsp_camera_without_sound(fitting_file, tiny):
    with RtspServer(fitting_file) as camera:
        source = UrlSource(f"rtsp://me:the-password@{camera.address}/the-path", timeout=10)
        assert "the-p" not in repr(source)
        seen = counters(source, tiny)
        # FFmpeg may leave out pictures from before the first one that it could place in time.
        assert 40 <= len(seen) <= 60
        assert seen[-1] == 59
    assert camera.asked[-1] in ("PLAY", "TEARDOWN")


def test_a_camera_that_falls_silent_is_given_up_and_its_address_not_shown(fitting_file, tiny):
    with RtspServer(fitting_file, silent=True) as camera:
        began = time.monotonic()
        address = f"rtsp://the-user:the-password@{camera.address}/the-path"
        with pytest.raises(SourceError, match="nothing came in time") as caught:
            counters(UrlSource(address, timeout=1.0), tiny)
        assert time.monotonic() - began < 10
    told = "".join(traceback.format_exception(caught.value))
    assert "=the-user:" not in told
    assert f"@{camera.address}" not in told


@pytest.mark.parametrize("form", ["matroska", "mpegts", "flv"])
def test_a_pipe(form, fitting_file, tiny):
    out = io.BytesIO()
    with av.open(str(fitting_file)) as found, av.open(out, "w", format=form) as written:
        tracks = {track: written.add_stream_from_template(track) for track in found.streams}
        for packet in found.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream]
                written.mux(packet)
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(out.getvalue())

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb") as pipe:
        assert counters(PipeSource(pipe), tiny) == list(range(60))
    thread.join()


def test_a_minus_is_standard_input(monkeypatch, fitting_file, tiny, as_flv, pattern_tags):
    class Stdin:
        buffer = io.BytesIO(as_flv(pattern_tags(tiny, 20)))

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert counters(open_source("-"), tiny) == list(range(20))
    with pytest.raises(SourceError, match="comes once"):
        open_source("-", loop=True)


def test_a_pipe_can_be_copied(tiny, as_flv, pattern_tags):
    tags = pattern_tags(tiny, 20)
    source = PipeSource(io.BytesIO(as_flv(tags)))
    media = [tag for tag in source.tags() if tag.type != 18]
    assert [tag.payload for tag in media] == [tag.payload for tag in tags if tag.type != 18]


def test_the_other_sources_by_their_names(fitting_file):
    assert isinstance(open_source("test"), PatternSource)
    assert isinstance(open_source(str(fitting_file)), FileSource)


def test_a_clock_that_jumps_is_healed(tiny, as_flv, pattern_tags):
    tags = pattern_tags(tiny, 60)
    jumped = [tag._replace(timestamp=tag.timestamp + 100_000) for tag in tags[2:]]
    back = [tag._replace(timestamp=tag.timestamp) for tag in tags[2:]]
    source = PipeSource(io.BytesIO(as_flv([*tags, *jumped, *back])))
    seen = counters(source, tiny)
    assert len(seen) == pytest.approx(180, abs=6)
    assert len([one for one in seen if one is not None]) == len(seen)
    source = PipeSource(io.BytesIO(as_flv([*tags, *jumped, *back])))
    stamps = [tag.timestamp for tag in source.tags() if tag.type == 9]
    assert stamps == sorted(stamps)
    assert stamps[-1] == pytest.approx(6000, abs=150)


SECRETS = ["the-user", "the-password", "the-path", "the-token"]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://the-user:the-password@127.0.0.1:9/the-path?k=the-token", "Connection refused"),
        ("rtsp://the-user:the-password@127.0.0.1:9/the-path", "Connection refused"),
        ("rtmp://127.0.0.1:9/live/the-path", "Connection refused"),
        ("ftp://the-user:the-password@127.0.0.1:9/the-path", "ftp:// is not known"),
        ("concat://the-path", "concat:// is not known"),
        ("http:///the-path", "names no host"),
        ("http://127.0.0.1:the-path/", "cannot be read"),
    ],
)
def test_what_is_secret_in_an_address_is_never_shown(address, why):
    with pytest.raises(SourceError) as caught:
        open_source(address)
    assert why in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    assert not [one for one in SECRETS if one in told]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_is_not_trusted_is_refused(fitting_file, tmp_path, monkeypatch):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(fitting_file.parent, context) as url:
        address = f"{url.replace('127.0.0.1', 'localhost')}/{fitting_file.name}"
        with pytest.raises(SourceError, match="certificate that is not trusted"):
            open_source(address)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        open_source(address).close()


def test_a_page_that_is_no_media_and_one_that_is_not_there(tmp_path):
    (tmp_path / "page.html").write_text("words, words, words")
    with serving(tmp_path) as url:
        with pytest.raises(SourceError, match="Invalid data"):
            open_source(f"{url}/page.html")
        with pytest.raises(SourceError, match="404"):
            open_source(f"{url}/nothing.mp4")


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        track = out.add_stream("aac", rate=48000, layout="stereo")
        block = av.AudioFrame(format="fltp", layout="stereo", samples=4096)
        for plane in block.planes:
            plane.update(bytes(plane.buffer_size))
        block.sample_rate, block.pts = 48000, 0
        out.mux(track.encode(block))
        out.mux(track.encode(None))
    with serving(tmp_path) as url:
        for text in (f"{url}/song.mp4", str(tmp_path / "song.mp4")):
            with pytest.raises(SourceError, match="has no video"):
                open_source(text)


def test_a_server_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(SourceError, match="nothing came in time"):
            UrlSource(f"http://127.0.0.1:{server.getsockname()[1]}/film.mp4", timeout=0.5)
    assert time.monotonic() - began < 5


def test_a_playlist_from_afar_reads_no_file_of_this_machine(fitting_file, tmp_path):
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{fitting_file}\n#EXT-X-ENDLIST\n"
    )
    with serving(tmp_path) as url, pytest.raises(SourceError):
        list(open_source(f"{url}/list.m3u8").frames(None))
