"""What the tests of the media server share: real video, a running server, an encoder, a reader.

The clip is encoded once per run by PyAV.  The HLS reader here is written for these tests from RFC
8216 and takes nothing from the product, so that the two can disagree.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import re
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urljoin

import av
import httpx
import numpy as np
import pytest

from headend.rtmp.connection import PublishConnection
from headend.rtmp.flv import FlvReader
from headend.secret import Secret
from headend_local.service import LocalServer, ServerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from headend.rtmp.flv import Tag
    from headend_local.service import Tuning

FRAME_RATE = 30
SAMPLE_RATE = 48000


@dataclass
class ManualClock:
    """A clock that a test moves by hand; call it for the time."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Decoded:
    """What is in a piece of video, to be compared bit for bit.

    Attributes:
        video: the coded pictures in decoding order.
        audio: the AAC access units.
        pictures: a hash of each decoded picture in presentation order.
    """

    video: list[bytes]
    audio: list[bytes]
    pictures: list[str]


@dataclass(frozen=True)
class Clip:
    """A short piece of real H.264 and AAC, as an encoder sends it."""

    tags: list[Tag]
    seconds: float
    content: Decoded


def _decode(data: bytes) -> Decoded:
    with av.open(io.BytesIO(data), "r") as container:
        packets = [packet for packet in container.demux() if packet.size]
        video = [bytes(packet) for packet in packets if packet.stream.type == "video"]
        audio = [bytes(packet) for packet in packets if packet.stream.type == "audio"]
    pictures = []
    with av.open(io.BytesIO(data), "r") as container:
        if container.streams.video:
            for frame in container.decode(video=0):
                assert isinstance(frame, av.VideoFrame)
                picture = frame.to_ndarray(format="yuv420p").tobytes()
                pictures.append(hashlib.sha256(picture).hexdigest())
    return Decoded(video, audio, pictures)


def _encode(seconds: float, *, codec: str = "libx264", gop_seconds: float = 1.0) -> bytes:
    """Encode a moving picture with noise in it, and a tone, into FLV."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed=1)
    with av.open(buffer, "w", format="flv") as out:
        options = {"preset": "veryfast", "sc_threshold": "0", "log-level": "error"}
        video = out.add_stream(codec, rate=FRAME_RATE, options=options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.gop_size = round(gop_seconds * FRAME_RATE)
        video.max_b_frames = 2
        audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        assert isinstance(audio, av.AudioStream)
        samples = np.arange(round(seconds * SAMPLE_RATE))
        tone = (0.2 * np.sin(samples * 2 * np.pi * 440 / SAMPLE_RATE)).astype(np.float32)
        for number in range(round(seconds * FRAME_RATE)):
            picture = noise.integers(0, 32, (180, 320, 3), dtype=np.uint8)
            picture[:, (number * 4) % 300 : (number * 4) % 300 + 20] = 200
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
            out.mux(video.encode(frame))
            per_frame = SAMPLE_RATE // FRAME_RATE
            part = tone[number * per_frame : (number + 1) * per_frame]
            sound = av.AudioFrame.from_ndarray(np.stack([part, part]), "fltp", "stereo")
            sound.sample_rate, sound.pts = SAMPLE_RATE, number * per_frame
            sound.time_base = Fraction(1, SAMPLE_RATE)
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def clip() -> Clip:
    """Five seconds of H.264 with B-frames and AAC; fits into the window twice."""
    data = _encode(5.0)
    return Clip(FlvReader().feed(data), 5.0, _decode(data))


@pytest.fixture(scope="session")
def hevc_tags() -> list[Tag]:
    """Half a second of HEVC, as Enhanced RTMP carries it."""
    try:
        return FlvReader().feed(_encode(0.5, codec="libx265"))
    except (av.FFmpegError, ValueError) as error:  # a PyAV built without x265
        pytest.skip(f"this PyAV cannot encode HEVC: {error}")


def eventually(check: Callable[[], bool], what: str, within: float = 10.0) -> None:
    """Wait until `check` holds; fail with `what` if it does not in time."""
    pause = threading.Event()
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, f"within {within} s: {what}"
        pause.wait(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return eventually


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


# ---------------------------------------------------------------------- a running server


@dataclass
class LiveStreamAtWork:
    """A live stream of a running server: what a host, an encoder and a viewer do with it."""

    server: ServerAtWork
    id: str
    key: Secret
    playback_url: str

    def connect(self, key: Secret | None = None) -> PublishConnection:
        """Publish to it; what refuses raises."""
        return PublishConnection.connect(self.server.rtmp_url, key or self.key, timeout=5.0)

    def push(self, tags: list[Tag]) -> None:
        """Push the tags as fast as they go, end the publish, and wait until all has arrived."""
        with self.connect() as connection:
            for tag in tags:
                connection.send(tag)
        eventually(lambda: self.state() == "idle", "the encoder has left")

    def state(self) -> str:
        return str(self.show()["state"])

    def show(self) -> dict[str, object]:
        return self.server.control("GET", f"/live-streams/{self.id}")

    def analytics(self) -> dict[str, object]:
        return self.server.control("GET", f"/live-streams/{self.id}/analytics")

    def url(self, name: str) -> str:
        return f"{self.server.http_url}/live/{self.id}/{name}"


@dataclass
class ServerAtWork:
    """A running server, seen from outside."""

    http_url: str
    rtmp_url: str
    client: httpx.Client
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def control(
        self, method: str, path: str, json: object = None, status: int = 200
    ) -> dict[str, object]:
        answer = self.client.request(method, f"{self.http_url}/api/v1{path}", json=json)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert isinstance(body, dict)
        return body

    def create(self, *, low_latency: bool = True) -> LiveStreamAtWork:
        body = {"channel_id": str(next(self.names)), "low_latency": low_latency}
        made = self.control("POST", "/live-streams", body, status=201)
        return LiveStreamAtWork(
            self, str(made["id"]), Secret(str(made["stream_key"])), str(made["playback_url"])
        )

    def get(self, url: str) -> httpx.Response:
        return self.client.get(url, headers={"Authorization": ""})


def server_at_work(http_url: str, rtmp_url: str, token: str) -> ServerAtWork:
    client = httpx.Client(
        headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20.0
    )
    return ServerAtWork(http_url, rtmp_url, client)


class StartServer(Protocol):
    def __call__(self, tuning: Tuning | None = None) -> AbstractContextManager[ServerAtWork]: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAtWork]:
    """A server on free ports, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder) as running:
        yield running


class ServerThread:
    """Runs a server in a thread; entering it gives the server, or raises what `open` does."""

    def __init__(self, options: ServerOptions, *, tuning: Tuning | None = None) -> None:
        self._options = options
        self._tuning = tuning
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started: Future[LocalServer] = Future()
        self._thread = threading.Thread(target=self._main, name="headend-server", daemon=True)

    def __enter__(self) -> LocalServer:
        self._thread.start()
        return self._started.result()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = LocalServer.open(self._options, tuning=self._tuning)
        await server.run(self._stop, on_ready=lambda: self._started.set_result(server))


class running_server:  # noqa: N801 - used like a function
    """Run a server in a thread."""

    def __init__(self, folder: Path, tuning: Tuning | None = None) -> None:
        self._folder = folder
        self._thread = ServerThread(
            ServerOptions(data_dir=folder, rtmp_port=0, http_port=0), tuning=tuning
        )

    def __enter__(self) -> ServerAtWork:
        addresses = self._thread.__enter__().addresses
        token = (self._folder / "token").read_text().strip()
        self._running = server_at_work(addresses.own_http_url, addresses.own_rtmp_url, token)
        return self._running

    def __exit__(self, *details: object) -> None:
        self._running.client.close()
        self._thread.__exit__(None, None, None)


@pytest.fixture
def start_server(tmp_path: Path) -> StartServer:
    def start(tuning: Tuning | None = None) -> running_server:
        return running_server(tmp_path / "data", tuning)

    return start


# ---------------------------------------------------------------------- a reader of HLS


@dataclass(frozen=True)
class Playlist:
    """A media playlist as RFC 8216 tells to read it.

    Attributes:
        text: the playlist itself.
        segments: init section and address of every segment, in order.
        ended: whether it says that nothing more comes.
        discontinuities: which segments begin something else.
    """

    text: str
    segments: list[tuple[str, str]]
    ended: bool
    discontinuities: list[int]


class HlsReader:
    """Reads a live stream the way a player does, keeping what it has fetched."""

    def __init__(self, master_url: str) -> None:
        self._client = httpx.Client(trust_env=False, timeout=20.0)
        self._master_url = master_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._client.close()

    def playlist(self) -> Playlist:
        """Fetch the media playlist."""
        master = self._fetch(self._master_url).decode()
        (uri,) = [line for line in master.splitlines() if line and not line.startswith("#")]
        return self.read(urljoin(self._master_url, uri))

    def read(self, url: str) -> Playlist:
        text = self._fetch(url).decode()
        segments: list[tuple[str, str]] = []
        discontinuities: list[int] = []
        section = ""
        for line in text.splitlines():
            if line == "#EXT-X-DISCONTINUITY":
                discontinuities.append(len(segments))
            elif match := re.fullmatch(r'#EXT-X-MAP:URI="([^"]+)"', line):
                section = urljoin(url, match[1])
            elif line and not line.startswith("#"):
                segments.append((section, urljoin(url, line)))
        return Playlist(text, segments, "#EXT-X-ENDLIST" in text, discontinuities)

    def sessions(self) -> list[Decoded]:
        """Fetch and decode all that is listed, what lies between discontinuities apart."""
        playlist = self.playlist()
        bounds = [0, *[each for each in playlist.discontinuities if each], len(playlist.segments)]
        return [
            self._decode(playlist.segments[first:last])
            for first, last in itertools.pairwise(bounds)
        ]

    def _decode(self, segments: list[tuple[str, str]]) -> Decoded:
        (section,) = {section for section, _ in segments}
        return _decode(b"".join(map(self._fetch, [section, *[uri for _, uri in segments]])))

    def _fetch(self, url: str) -> bytes:
        answer = self._client.get(url)
        assert answer.status_code == 200, f"{answer.status_code} for {url}: {answer.text[:200]}"
        return answer.content


@pytest.fixture
def open_hls() -> type[HlsReader]:
    return HlsReader
