"""Sending tags in real time."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Self

import attrs
import pytest
from hypothesis import given, strategies as st

from headend.presets import preset
from headend.push import FileSource, PatternSource, Push, PushStats, SourceError, push
from headend.push.worker import Worker
from headend.rtmp.connection import PublishConnection
from headend.rtmp.errors import PublishEndedError, PublishRefusedError, RtmpConnectionError
from headend.rtmp.flv import Tag
from headend.rtmp.session import PublishEnded, PublishRequested, ServerSession
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headend.presets import EncodingPreset

AUDIO, VIDEO = 8, 9
DEADLINE = 20.0


class Time:
    """A clock, and a stop signal that waits by moving it on."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self.stop_at = float("inf")
        self.oversleep = 0.0

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.stop_at

    def wait(self, timeout: float) -> bool:
        self.now = min(self.now + timeout, self.stop_at) + self.oversleep
        return self.is_set()


class Sink:
    """Keeps when each tag came; taking one may itself take time."""

    def __init__(self, clock: Time, seconds_per_tag: float = 0.0) -> None:
        self.clock = clock
        self.seconds_per_tag = seconds_per_tag
        self.got: list[tuple[float, Tag]] = []

    def send(self, tag: Tag) -> None:
        self.got.append((self.clock.now, tag))
        self.clock.now += self.seconds_per_tag


def video(stamp: int) -> Tag:
    return Tag(VIDEO, stamp % 2**32, b"\x17\x01\0\0\0picture")


def test_each_tag_leaves_when_it_is_due() -> None:
    time = Time()
    sink = Sink(time)
    push([video(stamp) for stamp in (0, 33, 67, 100)], sink, stop=time, clock=time)
    assert [at for at, _ in sink.got] == pytest.approx([1000, 1000.033, 1000.067, 1000.1])


def test_tags_may_leave_together_a_little_early_and_never_drift() -> None:
    time = Time()
    sink = Sink(time)
    stamps = range(0, 60_000, 13)
    push([video(stamp) for stamp in stamps], sink, stop=time, clock=time, ahead=0.02)
    late = [at - 1000 - tag.timestamp / 1000 for at, tag in sink.got]
    assert -0.02 <= min(late) <= max(late) <= 1e-6
    assert len({at for at, _ in sink.got}) == pytest.approx(len(stamps) / 2, abs=2)


@given(st.floats(0, 0.02), st.floats(0, 0.012))
def test_an_hour_of_inexact_waits_does_not_drift(oversleep: float, seconds_per_tag: float) -> None:
    time = Time()
    time.oversleep = oversleep
    sink = Sink(time, seconds_per_tag)
    stamps = [round(number * 1000 / 30) for number in range(0, 30 * 3600, 900)]
    stamps += range(3_600_000, 3_601_000, 33)
    push(map(video, stamps), sink, stop=time, clock=time)
    last_at, last = sink.got[-1]
    assert last_at - 1000 - last.timestamp / 1000 <= oversleep + seconds_per_tag + 1e-6


def test_what_is_late_leaves_at_once_until_it_has_caught_up() -> None:
    time = Time()
    sink = Sink(time)
    lags: list[float] = []

    def tags() -> Iterator[Tag]:
        yield video(0)
        time.now += 0.5  # the encoder was busy
        for stamp in range(100, 1100, 100):
            yield video(stamp)

    push(tags(), sink, stop=time, clock=time, on_sent=lambda stats: lags.append(stats.lag))
    expected = [1000, *[1000.5] * 5, 1000.6, 1000.7, 1000.8, 1000.9, 1001.0]
    assert [at for at, _ in sink.got] == pytest.approx(expected)
    assert lags == pytest.approx([0, 0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0], abs=1e-6)


def test_time_stamps_may_go_round_at_two_to_the_32_and_a_little_backwards() -> None:
    time = Time()
    sink = Sink(time)
    start = 2**32 - 50
    stamps = [start, start + 40, start + 30, start + 80, start + 120]
    push(map(video, stamps), sink, stop=time, clock=time)
    expected = [1000, 1000.04, 1000.04, 1000.08, 1000.12]
    assert [at for at, _ in sink.got] == pytest.approx(expected)


def test_it_stops_between_two_tags_even_while_waiting() -> None:
    time = Time()
    time.stop_at = 1001.0
    sink = Sink(time)
    push((video(stamp) for stamp in range(0, 10**9, 300)), sink, stop=time, clock=time)
    assert len(sink.got) == 4
    assert time.now == 1001.0


def test_what_was_sent_is_counted() -> None:
    time = Time()
    tags = [Tag(18, 0, b"meta"), video(0), Tag(AUDIO, 10, b"\xaf\x01sound"), video(33)]
    seen: list[PushStats] = []
    push(tags, Sink(time), stop=time, clock=time, on_sent=seen.append)
    assert len(seen) == 4
    assert seen[-1].lag == pytest.approx(0, abs=1e-9)
    assert attrs.evolve(seen[-1], lag=0.0) == PushStats(
        video_frames=2, audio_frames=1, payload_bytes=4 + 12 + 7 + 12, media_time=0.033
    )


def test_the_error_of_the_sink_comes_out() -> None:
    class Broken:
        def send(self, tag: Tag) -> None:
            raise RtmpConnectionError("gone")

    time = Time()
    with pytest.raises(RtmpConnectionError, match="gone"):
        push([video(0)], Broken(), stop=time, clock=time)


def test_a_worker_keeps_its_error_and_can_be_stopped_before_it_started() -> None:
    def fail(stop: object) -> None:
        raise ValueError("no luck")

    worker = Worker("test", fail)
    worker.stop(DEADLINE)
    worker.start()
    worker.join(DEADLINE)
    assert not worker.running
    assert str(worker.error) == "no luck"


class Ingest:
    """A real RTMP server for one publish, on loopback, in a thread."""

    def __init__(self, *, refuse: bool = False, end_after: int | None = None) -> None:
        self.tags: list[Tag] = []
        self.key: Secret | None = None
        self.ended = threading.Event()
        self._refuse = refuse
        self._end_after = end_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtmp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join(DEADLINE)
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(DEADLINE)
        session = ServerSession()
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(DEADLINE)
            while not session.closing:
                data = connection.recv(65536)
                if not data:
                    return
                for event in session.receive(data):
                    self._heed(session, event)
                connection.sendall(session.data_to_send())

    def _heed(self, session: ServerSession, event: object) -> None:
        if isinstance(event, PublishRequested):
            self.key = event.stream_key
            if self._refuse:
                session.refuse_publish("stream key refused")
            else:
                session.accept_publish()
        elif isinstance(event, PublishEnded):
            self.ended.set()
        elif isinstance(event, Tag):
            self.tags.append(event)
            if len(self.tags) == self._end_after:
                session.end_publish("the live stream has ended")


def test_the_test_picture_arrives_at_a_real_ingest(tiny: EncodingPreset, decode) -> None:
    with Ingest() as ingest:
        sender = Push(
            PatternSource(frame_count=20),
            tiny,
            lambda: PublishConnection.connect(ingest.url, Secret("the-key")),
        )
        with sender:
            sender.join(DEADLINE)
            assert sender.error is None
            assert not sender.running
        assert ingest.ended.wait(DEADLINE)
    assert ingest.key == Secret("the-key")
    assert decode(ingest.tags).counters == list(range(20))
    stats = sender.stats
    assert stats.payload_bytes == sum(len(tag.payload) for tag in ingest.tags)
    assert stats.video_frames == sum(tag.type == VIDEO for tag in ingest.tags) == 21
    assert stats.media_time == pytest.approx(20 / 30, abs=0.1)


def test_an_endless_push_takes_its_leave_when_stopped(tiny: EncodingPreset) -> None:
    with Ingest() as ingest:
        sender = Push(
            PatternSource(),
            tiny,
            lambda: PublishConnection.connect(ingest.url, Secret("the-key")),
        )
        sender.start()
        assert sender.running
        sender.stop(DEADLINE)
        assert not sender.running
        assert sender.error is None
        assert ingest.ended.wait(DEADLINE)


def test_a_refused_key_is_known_at_start(tiny: EncodingPreset) -> None:
    with Ingest(refuse=True) as ingest:
        sender = Push(
            PatternSource(),
            tiny,
            lambda: PublishConnection.connect(ingest.url, Secret("the-key")),
        )
        with pytest.raises(PublishRefusedError, match="stream key refused"):
            sender.start()
        assert not sender.running


def test_a_push_that_the_platform_ends_says_so(tiny: EncodingPreset) -> None:
    with Ingest(end_after=10) as ingest:
        sender = Push(
            PatternSource(),
            tiny,
            lambda: PublishConnection.connect(ingest.url, Secret("the-key")),
        )
        sender.start()
        sender.join(DEADLINE)
        assert isinstance(sender.error, PublishEndedError | RtmpConnectionError)


def test_a_source_that_fails_on_the_way_ends_the_push_with_its_error(tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(
        bytes.fromhex(
            "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a73"
            "0000000c49444154789c63606060f80f000105010196c0b7de0000000049454e44ae426082"
        )
    )
    source = FileSource(film)
    film.unlink()
    with Ingest() as ingest:
        sender = Push(
            source,
            preset("480p"),
            lambda: PublishConnection.connect(ingest.url, Secret("the-key")),
        )
        sender.start()
        sender.join(DEADLINE)
        assert isinstance(sender.error, SourceError)
        assert ingest.ended.wait(DEADLINE)
