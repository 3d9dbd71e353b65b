"""One source, one or many targets, and what befalls them."""

from __future__ import annotations

import socket
import threading
import time
from random import Random
from typing import TYPE_CHECKING, Self

import attrs
import pytest

from headend.encoding import StreamShape
from headend.push import (
    AllTargetsFailedError,
    PatternSource,
    Reconnect,
    Relay,
    RelayEvent,
    SourceError,
    Target,
    TargetState,
    TargetStats,
)
from headend.rtmp.connection import PublishConnection
from headend.rtmp.errors import PublishRefusedError, RtmpConnectionError, RtmpTimeoutError
from headend.rtmp.flv import AUDIO, SCRIPT, VIDEO, Tag
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE = 30.0
QUICK = Reconnect(first=0.02, longest=0.1)
NOBODY = Target("nobody", "rtmp://127.0.0.1:9/live", Secret("the-other-key"))


class CodedPattern:
    """A source that is coded already, of any rate and length, at no cost."""

    def __init__(self, seconds: float, *, fps: int = 20, gop: int = 10, size: int = 20) -> None:
        self.seconds = seconds
        self.fps = fps
        self.gop = gop
        self.size = size
        self.passes = 0

    def frames(self, preset: object) -> Iterator[object]:
        raise AssertionError("it is to be copied")

    def shape(self) -> StreamShape:
        return StreamShape(
            video_codec="h264",
            width=320,
            height=180,
            frame_rate=float(self.fps),
            pixel_format="yuv420p",
        )

    def tags(self) -> Iterator[Tag]:
        self.passes += 1
        yield Tag(SCRIPT, 0, b"\x02\0\nonMetaData")
        yield Tag(VIDEO, 0, b"\x17\0\0\0\0avcc")
        yield Tag(AUDIO, 0, b"\xaf\0\x11\x90")
        for number in range(round(self.seconds * self.fps)):
            at = number * 1000 // self.fps
            head = b"\x17" if number % self.gop == 0 else b"\x27"
            yield Tag(
                VIDEO, at, head + b"\x01\0\0\0" + number.to_bytes(4, "big") + bytes(self.size)
            )
            yield Tag(AUDIO, at, b"\xaf\x01sound")


def numbers(tags: list[Tag]) -> list[int]:
    """Return which pictures of a `CodedPattern` these are."""
    return [
        int.from_bytes(tag.payload[5:9], "big")
        for tag in tags
        if tag.type == VIDEO and tag.payload[1] == 1
    ]


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not check():
        assert time.monotonic() < deadline, f"not in time: {what}"
        pause.wait(0.01)


def only(relay: Relay) -> TargetStats:
    (one,) = relay.stats.targets
    return one


def test_a_source_arrives_whole_at_a_real_ingest(tiny, ingest, decode):
    events: list[RelayEvent] = []
    relay = Relay(
        PatternSource(frame_count=40), [ingest.target()], preset=tiny, on_event=events.append
    )
    with relay:
        relay.join(DEADLINE)
    assert relay.error is None
    assert not relay.running
    (tags,) = ingest.connections
    assert decode(tags).counters == list(range(40))
    eventually(lambda: ingest.partings == 1, "it takes its leave")
    stats = relay.stats
    assert [event.kind for event in events] == ["started", "connected", "ended"]
    assert stats.time == pytest.approx(40 / 30, abs=0.1)
    assert not stats.copied
    assert only(relay) == TargetStats(
        name="here",
        state=TargetState.ENDED,
        sent_frames=40,
        sent_bytes=sum(len(tag.payload) for tag in tags),
    )
    assert stats.speed == pytest.approx(1.0, abs=0.1)
    assert stats.fps == pytest.approx(30, rel=0.2)


def test_it_ends_after_the_duration_that_was_asked_for(ingest):
    with Relay(CodedPattern(60), [ingest.target()], copy=True, duration=0.5) as relay:
        relay.join(DEADLINE)
    assert numbers(ingest.connections[0]) == list(range(10))


def test_stopping_takes_leave_at_once(ingest):
    relay = Relay(CodedPattern(600), [ingest.target()], copy=True)
    relay.start()
    eventually(lambda: bool(relay.stats.time), "media is sent")
    began = time.monotonic()
    relay.stop()
    assert time.monotonic() - began < 5
    assert not relay.running
    assert relay.error is None
    assert only(relay).state is TargetState.ENDED
    eventually(lambda: ingest.partings == 1, "it takes its leave")


def test_it_may_be_stopped_before_it_began(ingest):
    Relay(CodedPattern(1), [ingest.target()], copy=True).stop()
    assert ingest.tries == 0


class FastClock:
    """Time that passes when somebody waits, after everybody has done what they had to do."""

    def __init__(self, oversleep: float) -> None:
        self.seconds = 1000.0
        self.oversleep = oversleep
        self.before_time_passes: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.before_time_passes()
        self.seconds += seconds + self.oversleep

    def now(self) -> object:
        raise NotImplementedError


class Taker:
    """A connection that notes the moments by a clock."""

    def __init__(self, clock: FastClock) -> None:
        self.clock = clock
        self.got: list[tuple[float, Tag]] = []

    def send(self, tag: Tag) -> None:
        self.got.append((self.clock.seconds, tag))

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.mark.parametrize("oversleep", [0.0, 0.013])
def test_an_hour_does_not_drift(oversleep):
    clock = FastClock(oversleep)
    taker = Taker(clock)
    relay = Relay(
        CodedPattern(3600, fps=5), [NOBODY], copy=True, clock=clock, connect=lambda _: taker
    )

    def all_taken() -> None:
        while relay.running and relay._senders[0].backlog._waiting():
            time.sleep(0)

    clock.before_time_passes = all_taken
    with relay:
        relay.join(110)
    media = [(at, tag) for at, tag in taker.got if tag.payload[1:2] == b"\1"]
    assert len(media) == 2 * 5 * 3600
    origin = media[0][0]
    late = [at - origin - tag.timestamp / 1000 for at, tag in media]
    assert min(late) >= -0.0401
    assert max(late) < 0.05
    assert only(relay).dropped_frames == 0


def test_an_ingest_that_hangs_up_again_and_again_gets_on_with_key_frames(ingest):
    ingest.hang_up_after = 33
    source = CodedPattern(3.0)
    events: list[RelayEvent] = []
    with Relay(
        source, [ingest.target()], copy=True, reconnect=QUICK, on_event=events.append
    ) as relay:
        eventually(lambda: relay.stats.time > 2.2, "most of it")
        ingest.hang_up_after = None
        relay.join(DEADLINE)
    assert relay.error is None
    assert source.passes == 1, "the source is not begun again"
    assert len(ingest.connections) >= 3
    seen = []
    for tags in filter(None, ingest.connections):
        assert [tag.type for tag in tags[:3]] == [SCRIPT, VIDEO, AUDIO]
        found = numbers(tags)
        if found:
            assert found[0] % 10 == 0, "each connection begins with a key frame"
            assert found == list(range(found[0], found[0] + len(found)))
        seen += found
    assert seen == sorted(set(seen)), "nothing is sent twice"
    stats = only(relay)
    assert stats.reconnects == len(ingest.connections) - 1
    assert "reconnecting" in [event.kind for event in events]
    # What left this machine but was never read is known to nobody.
    assert stats.sent_frames + stats.dropped_frames == 60
    assert len(seen) <= stats.sent_frames


def test_a_refused_key_is_believed_at_the_second_time_and_told_from_a_dead_port(ingest):
    ingest.refuse = "stream key refused"
    with Relay(CodedPattern(60), [ingest.target()], copy=True, reconnect=QUICK) as relay:
        relay.join(DEADLINE)
    assert isinstance(relay.error, AllTargetsFailedError)
    assert isinstance(relay.error.failures["here"], PublishRefusedError)
    assert "stream key refused" in str(relay.error)
    assert ingest.tries == 2

    with Relay(CodedPattern(60), [NOBODY], copy=True, reconnect=QUICK) as relay:
        relay.join(DEADLINE)
    assert isinstance(relay.error, AllTargetsFailedError)
    assert isinstance(relay.error.failures["nobody"], RtmpConnectionError)
    assert "nothing listens on 127.0.0.1:9" in str(relay.error)
    assert only(relay).state is TargetState.FAILED


def test_a_live_stream_that_the_platform_ends_is_given_up(ingest):
    ingest.end_after = 5
    with Relay(CodedPattern(60), [ingest.target()], copy=True, reconnect=QUICK) as relay:
        eventually(lambda: ingest.tries == 1, "the first try")
        ingest.refuse = "the live stream has ended"
        relay.join(DEADLINE)
    assert isinstance(relay.error, AllTargetsFailedError)
    assert ingest.tries <= 3


def test_a_refusal_after_a_broken_connection_is_not_believed_at_once(ingest):
    ingest.hang_up_after = 12
    with Relay(CodedPattern(600), [ingest.target()], copy=True, reconnect=QUICK) as relay:
        eventually(lambda: ingest.tries == 1, "the first try")
        ingest.refuse = "already being pushed to"
        eventually(lambda: ingest.tries >= 5, "more tries than two")
        assert only(relay).state is TargetState.RECONNECTING
        ingest.hang_up_after = ingest.refuse = None
        eventually(lambda: only(relay).state is TargetState.LIVE, "it is taken again")


def test_a_target_that_fails_or_stands_still_does_not_disturb_the_others(ingest, other_ingest):
    ingest.refuse = "stream key refused"
    stuck = threading.Event()

    def connect(target: Target) -> object:
        if target.name == "stuck":
            stuck.wait(DEADLINE)
            raise RtmpTimeoutError("silent")
        return PublishConnection.connect(target.server_url, target.stream_key)

    targets = [
        ingest.target("wrong"),
        Target("stuck", "rtmp://127.0.0.1:9/live", Secret("k")),
        other_ingest.target("well"),
    ]
    relay = Relay(
        CodedPattern(2.0), targets, copy=True, reconnect=QUICK, connect=connect, backlog=1.0
    )
    with relay:
        eventually(lambda: relay.stats.targets[2].state is TargetState.ENDED, "the good one ends")
        stuck.set()
        relay.join(DEADLINE)
    assert relay.error is None
    wrong, silent, well = relay.stats.targets
    assert numbers(other_ingest.connections[0]) == list(range(40))
    assert (wrong.state, well.state) == (TargetState.FAILED, TargetState.ENDED)
    assert well.dropped_frames == 0
    assert well.sent_frames == 40
    assert silent.state is TargetState.FAILED
    assert silent.dropped_frames == 40


def test_a_slow_way_loses_whole_groups_bounded_and_counted(ingest):
    def connect(target: Target) -> PublishConnection:
        connection = PublishConnection.connect(target.server_url, target.stream_key)
        # What the system keeps for a socket would hide a second of this.
        connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return connection

    source = CodedPattern(4.0, fps=20, gop=5, size=60_000)
    peak = 0.0
    with Relay(source, [ingest.target()], copy=True, backlog=1.0, connect=connect) as relay:
        eventually(lambda: relay.stats.time > 0.3, "it runs")
        ingest.reading.clear()
        pause = threading.Event()
        while relay.stats.time < 2.9:
            peak = max(peak, only(relay).waiting)
            assert relay._senders[0].backlog.size < 60_100 * 22
            pause.wait(0.01)
        ingest.reading.set()
        relay.join(DEADLINE)
    stats = only(relay)
    assert 0.5 < peak <= 1.0
    assert stats.dropped_groups > 0
    assert stats.dropped_frames == 5 * stats.dropped_groups, "whole groups only"
    (tags,) = ingest.connections
    seen = numbers(tags)
    assert len(seen) == stats.sent_frames
    assert len(seen) + stats.dropped_frames == 80
    missing = sorted(set(range(80)) - set(seen))
    assert missing[::5] == [one for one in missing if one % 5 == 0]
    assert stats.reconnects == 0


def test_an_ingest_that_is_away_at_the_end_is_a_failure(ingest):
    with Relay(CodedPattern(1.0), [ingest.target()], copy=True, reconnect=QUICK) as relay:
        eventually(lambda: relay.stats.time > 0.3, "it runs")
        ingest.hang_up_after, ingest.refuse = len(ingest.connections[0]) + 3, "busy"
        relay.join(DEADLINE)
    assert isinstance(relay.error, AllTargetsFailedError)
    assert "not connected when the push ended" in str(relay.error)
    stats = only(relay)
    assert stats.sent_frames + stats.dropped_frames == 20


def test_a_source_that_fails_ends_the_relay_with_its_error_and_takes_leave(ingest):
    class Breaks(CodedPattern):
        def tags(self) -> Iterator[Tag]:
            yield from super().tags()
            raise SourceError("rtsp://camera/…: reading failed: nothing came in time")

    with Relay(Breaks(0.5), [ingest.target()], copy=True) as relay:
        relay.join(DEADLINE)
    assert isinstance(relay.error, SourceError)
    assert numbers(ingest.connections[0]) == list(range(10))
    eventually(lambda: ingest.partings == 1, "it takes its leave")


def test_the_error_of_the_source_is_told_even_if_the_targets_fail_too(ingest):
    class Fails(CodedPattern):
        def tags(self) -> Iterator[Tag]:
            yield from super().tags()
            raise SourceError("reading failed")

    ingest.hang_up_after = 9
    # Not before the source has failed.
    believing = Reconnect(first=1.0, longest=1.0, busy=0.0)
    with Relay(Fails(0.4), [ingest.target()], copy=True, reconnect=believing) as relay:
        eventually(lambda: bool(ingest.connections), "it is taken")
        ingest.refuse = "no"
        relay.join(DEADLINE)
    assert isinstance(relay.error, SourceError)
    assert only(relay).state is TargetState.FAILED


def test_stopping_does_not_wait_for_a_silent_source(ingest):
    silent = threading.Event()

    class Silent(CodedPattern):
        def tags(self) -> Iterator[Tag]:
            yield from super().tags()
            silent.wait(DEADLINE)

    relay = Relay(Silent(0.2), [ingest.target()], copy=True)
    relay.start()
    eventually(lambda: relay.stats.time > 0.1, "it runs")
    relay.stop(timeout=0.1)
    assert only(relay).state is TargetState.ENDED
    eventually(lambda: ingest.partings == 1, "it has taken its leave")
    silent.set()
    relay.join(DEADLINE)
    assert relay.error is None


def test_waits_between_tries_grow_and_are_spread(monkeypatch):
    relay = Relay(
        CodedPattern(1), [NOBODY], copy=True, reconnect=Reconnect(attempts=8), random=Random(1)
    )
    (sender,) = relay._senders
    waits: list[float] = []
    monkeypatch.setattr(sender._enough, "wait", waits.append)
    for _ in range(7):
        sender._lost(RtmpConnectionError("gone"))
    for wait, longest in zip(waits, [0.5, 1, 2, 4, 8, 10, 10], strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == 7


@pytest.mark.parametrize(
    ("targets", "preset", "why"),
    [([], None, "needs a target"), ([NOBODY, NOBODY], None, "two targets"), ([NOBODY], "8k", "8k")],
)
def test_what_cannot_be_is_told_before_anything_is_sent(targets, preset, why):
    with pytest.raises(ValueError, match=why):
        Relay(CodedPattern(1), targets, preset=preset)


def test_a_stream_key_is_in_no_text(ingest):
    ingest.refuse = "no such key as the-secret-key"
    events: list[RelayEvent] = []
    target = ingest.target(key="the-secret-key")
    relay = Relay(CodedPattern(60), [target], copy=True, reconnect=QUICK, on_event=events.append)
    with relay:
        relay.join(DEADLINE)
    said = [repr(target), repr(relay.stats), str(relay.error), repr(relay.error), repr(events)]
    assert not [text for text in said if "the-secret-key" in text]
    assert "********" in str(relay.error)


def test_an_error_in_the_code_of_a_target_ends_only_that_target(other_ingest):
    bad = Target("bad", "https://example.org/", Secret("k"))
    with Relay(CodedPattern(0.5), [bad, other_ingest.target("well")], copy=True) as relay:
        relay.join(DEADLINE)
    assert relay.error is None
    states = {one.name: one.state for one in relay.stats.targets}
    assert states == {"bad": TargetState.FAILED, "well": TargetState.ENDED}
    assert "rtmp://" in str(attrs.asdict(relay.stats.targets[0])["error"])
