"""The viewer without a screen."""

from __future__ import annotations

import functools
import io
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import attrs
import av
import pytest

from headend.fetch import FetchConnectionError, Response
from headend.push import HlsViewer, ViewerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

DEADLINE = 20.0
BASE = "http://video.example/live/"


def package(flv: bytes, folder: Path, segment_type: str = "fmp4") -> list[str]:
    """Cut FLV into HLS segments of one second; return the names of the segments."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "hls_time": "1",
        "hls_list_size": "0",
        "hls_playlist_type": "vod",
        "hls_segment_type": segment_type,
    }
    with (
        av.open(io.BytesIO(flv)) as source,
        av.open(str(folder / "media.m3u8"), "w", format="hls", options=options) as target,
    ):
        streams = {
            stream.index: target.add_stream_from_template(stream) for stream in source.streams
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    (folder / "index.m3u8").write_text(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000\nmedia.m3u8?v=1\n"
    )
    lines = (folder / "media.m3u8").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


@pytest.fixture
def flv(tiny, pattern_tags, as_flv) -> bytes:
    return as_flv(pattern_tags(attrs.evolve(tiny, keyframe_interval=1), 120))


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


class World:
    """A playback made of answers by name, a clock, and a stop signal that follows a plan.

    Each wait moves the clock on and takes the next step of the plan; after the last one it
    is time to stop.
    """

    def __init__(self, files: dict[str, bytes], plan: list[Callable[[], None]]) -> None:
        self.files = files
        self.plan = plan
        self.now = 0.0
        self.waits: list[float] = []
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.down = False

    def clock(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float) -> bool:
        self.now += timeout
        self.waits.append(timeout)
        if not self.plan:
            return True
        self.plan.pop(0)()
        return False

    def load(
        self,
        url: str,
        *,
        timeout: float,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        name = url.removeprefix(BASE)
        self.asked.append((name, headers or {}))
        if self.down:
            raise FetchConnectionError("the server is away")
        body = self.files.get(name)
        wanted = (headers or {}).get("Range")
        if body is not None and wanted is not None:
            first, last = wanted.removeprefix("bytes=").split("-")
            return Response(206, {}, body[int(first) : int(last) + 1], url)
        return Response(404, {}, b"", url) if body is None else Response(200, {}, body, url)

    def viewer(self, name: str = "media.m3u8", **options: float) -> HlsViewer:
        return HlsViewer(BASE + name, clock=self.clock, load=self.load, **options)

    def list(self, first: int, segments: list[str], *, ended: bool = False) -> Callable[[], None]:
        """Return a step that puts this playlist in place."""
        lines = [
            "#EXTM3U",
            "#EXT-X-TARGETDURATION:2",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
            '#EXT-X-MAP:URI="init.mp4"',
        ]
        for segment in segments:
            lines += [*segment.split(" ")[:-1], "#EXTINF:1.0,", segment.rsplit(" ", 1)[-1]]
        if ended:
            lines.append("#EXT-X-ENDLIST")

        def put() -> None:
            self.files["media.m3u8"] = "\n".join(lines).encode()

        return put


@pytest.fixture
def files(flv: bytes, tmp_path: Path) -> dict[str, bytes]:
    """Four segments, s0 to s3, and their init section."""
    names = package(flv, tmp_path / "hls")
    assert len(names) == 4
    found = {
        f"s{index}": (tmp_path / "hls" / name).read_bytes() for index, name in enumerate(names)
    }
    return found | {"init.mp4": (tmp_path / "hls" / "init.mp4").read_bytes()}


@pytest.mark.parametrize("segment_type", ["fmp4", "mpegts"])
def test_a_finished_playback_is_decoded_frame_by_frame(
    flv: bytes, tmp_path: Path, serve, segment_type: str
) -> None:
    names = package(flv, tmp_path, segment_type)
    viewer = HlsViewer(serve(tmp_path) + "index.m3u8")
    viewer.start()
    viewer.join(DEADLINE)
    assert viewer.error is None
    stats = viewer.stats
    assert (stats.segments, stats.lost, stats.discontinuities) == (4, 0, 0)
    assert (stats.video_frames, stats.frame_counter) == (120, 119)
    assert stats.audio_frames == pytest.approx(120 / 30 * 48_000 / 1024, abs=3)
    assert stats.media_time == pytest.approx(4, abs=0.1)
    sizes = sum((tmp_path / name).stat().st_size for name in names)
    init = tmp_path / "init.mp4"
    assert stats.received_bytes == sizes + (init.stat().st_size if init.exists() else 0)
    assert stats.ended


def test_new_segments_are_followed_as_the_playlist_moves_on(files: dict[str, bytes]) -> None:
    world = World(files, [])
    world.list(0, ["s0"])()
    world.plan = [
        lambda: None,
        world.list(0, ["s0", "s1"]),
        world.list(1, ["s1", "s2"]),
        world.list(2, ["s2", "s3"], ended=True),
    ]
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.lost) == (4, 0)
    assert (viewer.stats.video_frames, viewer.stats.frame_counter) == (120, 119)
    assert [name for name, _ in world.asked if name.startswith("s")] == ["s0", "s1", "s2", "s3"]
    assert [name for name, _ in world.asked].count("init.mp4") == 1
    # One target duration after news, half of one after none.
    assert world.waits == pytest.approx([2.0, 1.0, 2.0, 2.0])
    assert viewer.stats.ended


def test_it_joins_three_target_durations_before_the_live_edge(files: dict[str, bytes]) -> None:
    world = World(files, [])
    world.list(0, [*["long-gone"] * 30, "s0", "s0", "s0", "s1", "s2", "s3"], ended=True)()
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.lost) == (6, 0)


def test_segments_that_left_the_playlist_unseen_count_as_lost_once(
    files: dict[str, bytes],
) -> None:
    world = World(files, [])
    world.list(0, ["s0"])()
    world.plan = [world.list(3, ["s3"]), lambda: None, world.list(3, ["s3"], ended=True)]
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.lost) == (2, 2)


def test_segments_that_are_missing_gaps_or_garbage_count_as_lost(files: dict[str, bytes]) -> None:
    world = World(files | {"garbage": b"<html>" * 100, "empty": b""}, [])
    world.list(0, ["s0", "missing", "#EXT-X-GAP s1", "garbage", "empty", "s1"], ended=True)()
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.lost) == (2, 4)
    assert "s1" in [name for name, _ in world.asked]
    assert (viewer.stats.video_frames, viewer.stats.frame_counter) == (60, 59)


def test_a_discontinuity_starts_decoding_anew_with_the_new_init_section(
    files: dict[str, bytes],
) -> None:
    world = World(files | {"init2.mp4": files["init.mp4"]}, [])
    again = '#EXT-X-DISCONTINUITY #EXT-X-MAP:URI="init2.mp4" s0'
    world.list(0, ["s0", "s1", again, "s1"], ended=True)()
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.discontinuities) == (4, 1)
    assert (viewer.stats.video_frames, viewer.stats.frame_counter) == (120, 59)
    loaded = [name for name, _ in world.asked if "init" in name]
    assert loaded == ["init.mp4", "init2.mp4"]


def test_byte_ranges_are_asked_for(files: dict[str, bytes]) -> None:
    whole = files["s0"] + files["s1"]
    world = World({"init.mp4": files["init.mp4"], "all": whole}, [])
    sizes = len(files["s0"]), len(files["s1"])
    world.list(
        0,
        [f"#EXT-X-BYTERANGE:{sizes[0]}@0 all", f"#EXT-X-BYTERANGE:{sizes[1]} all"],
        ended=True,
    )()
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.video_frames) == (2, 60)


def test_a_server_that_is_away_for_a_while_is_waited_for(files: dict[str, bytes]) -> None:
    world = World(files, [])
    world.list(0, ["s0"])()

    def away() -> None:
        world.down = True

    def back() -> None:
        world.down = False
        world.list(0, ["s0", "s1"], ended=True)()

    world.plan = [away, *[lambda: None] * 5, back]
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.lost) == (2, 0)


@pytest.mark.parametrize("answer", [None, b"<html></html>", b"\xff\xfe", b"#EXTM3U\n"])
def test_it_gives_up_when_nothing_sensible_comes_for_too_long(answer: bytes | None) -> None:
    world = World({} if answer is None else {"media.m3u8": answer}, [lambda: None] * 100)
    with pytest.raises(ViewerError, match="cannot be followed"):
        world.viewer(patience=3.0).follow(world)
    assert 3.0 < world.now <= 4.0


def test_encrypted_segments_are_refused(files: dict[str, bytes]) -> None:
    world = World(files, [])
    world.list(0, ["#EXT-X-KEY:METHOD=AES-128,URI=k s0"])()
    with pytest.raises(ViewerError, match="encrypted"):
        world.viewer().follow(world)


def test_a_server_that_counts_anew_is_followed_again(files: dict[str, bytes]) -> None:
    world = World(files, [])
    world.list(100, ["s0", "s1"])()
    world.plan = [world.list(0, ["#EXT-X-DISCONTINUITY s2", "s3"], ended=True)]
    viewer = world.viewer()
    viewer.follow(world)
    assert (viewer.stats.segments, viewer.stats.lost) == (4, 0)
    assert viewer.stats.frame_counter == 119


def test_it_stops_when_asked_to(files: dict[str, bytes], serve, tmp_path: Path) -> None:
    world = World(files, [])
    world.list(0, ["s0"])()
    for name, data in world.files.items():
        (tmp_path / name).write_bytes(data)
    with HlsViewer(serve(tmp_path) + "media.m3u8") as viewer:
        assert viewer.running
    assert not viewer.running
    assert viewer.error is None
    assert not viewer.stats.ended
