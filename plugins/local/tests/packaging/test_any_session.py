"""Whatever encoders send, the playlists keep the rules and nothing gets lost on the way."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from headend.rtmp.flv import AacConfig, AudioFrame, AvcConfig, VideoFrame
from headend_local.cutting import PartCut
from headend_local.packager import _BESIDE_DATA, Packager

numbers = itertools.count()


@dataclass
class Plan:
    """What an encoder sends in one session."""

    steps: list[int]  # ms from frame to frame; repeated
    groups: list[int]  # frames from key frame to key frame; repeated
    offsets: list[int]  # composition offsets, ms; repeated
    skipped: int  # frames cut off at the start
    duration: int  # ms
    picture: bool
    sound: bool
    rate: int
    sound_start: int  # ms after the picture's start
    sound_lag: int  # ms by which it is sent later
    start: int  # RTMP timestamp
    left_out: int  # of 100: how much of it is not sent any more

    def video(self) -> list[VideoFrame]:
        if not self.picture:
            return []
        frames, time, left = [], 0, 0
        groups, steps = itertools.cycle(self.groups), itertools.cycle(self.steps)
        for index in itertools.count():
            if time >= self.duration:
                break
            key = left == 0
            left = (next(groups) if key else left) - 1
            cts = self.offsets[index % len(self.offsets)]
            frames.append(VideoFrame(time, cts, key, struct.pack(">IQ", 8, next(numbers))))
            time += next(steps)
        return frames[self.skipped :]

    def audio(self) -> list[AudioFrame]:
        if not self.sound:
            return []
        count = (self.duration - self.sound_start) * self.rate // 1_024_000
        return [
            AudioFrame(
                self.sound_start + round(index * 1_024_000 / self.rate),
                struct.pack(">Q", next(numbers)),
            )
            for index in range(max(0, count))
        ]

    def events(self) -> list[VideoFrame | AudioFrame]:
        """Return what is sent, in the order of sending, with times from 0 on."""
        timed = [((frame.dts, 0), frame) for frame in self.video()]
        timed += [((unit.dts + self.sound_lag, 1), unit) for unit in self.audio()]
        ordered = [event for _, event in sorted(timed, key=lambda pair: pair[0])]
        return ordered[: len(ordered) * (100 - self.left_out) // 100]


steady = st.sampled_from(
    [[33, 33, 34], [40], [16, 17, 17], [42, 41, 42], [33, 34, 33, 33], [66, 67]]
)
slow = st.sampled_from([[200], [500], [1000], [143], [1001, 999], [3300]])
wild = st.lists(st.integers(1, 150) | st.integers(1, 3000), min_size=1, max_size=12).filter(
    lambda steps: sum(steps) >= 15 * len(steps)
)
plans = st.builds(
    Plan,
    steps=steady | slow | wild,
    groups=st.lists(st.integers(1, 15) | st.integers(10, 400), min_size=1, max_size=4),
    offsets=st.just([0]) | st.just([67, 133, 33, 0]) | st.lists(st.integers(-90, 300), min_size=1),
    skipped=st.just(0) | st.integers(0, 40),
    duration=st.integers(0, 9_000),
    picture=st.sampled_from([True, True, True, False]),
    sound=st.sampled_from([True, True, True, False]),
    rate=st.sampled_from([48_000, 44_100, 22_050, 96_000, 8_000]),
    sound_start=st.integers(-400, 400) | st.integers(-1500, 3000),
    sound_lag=st.just(0) | st.integers(0, 700),
    start=st.sampled_from([0, 5_000, 2**31 - 2_000, 2**32 - 4_000, 2**32 - 1]),
    left_out=st.just(0) | st.integers(0, 100),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(sessions=st.lists(plans, min_size=1, max_size=4))
def test_rules_are_kept_and_nothing_is_lost(tools: SimpleNamespace, sessions: list[Plan]) -> None:
    # Wide enough for all that one call may write; the sliding has tests of its own, and below.
    viewer = tools.Viewer(window_segments=40)
    sent = []
    for plan in sessions:
        sent.append(plan.events())
        send(tools, viewer, plan, sent[-1])
    viewer.packager.end()
    if not viewer.packager.listed:
        assert not any(map(expected_video, sent))
        return
    assert [data for _, data in viewer.by_parts] == [data for _, data in viewer.whole]
    runs = viewer.media()
    for plan, events in zip(sessions, sent, strict=True):
        mine = {event.data for event in events}
        own = []
        while runs and mine & {sample.data for sample in runs[0].video + runs[0].audio}:
            own.append(runs.pop(0))
        check_session(own, events, plan)
    assert not runs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sessions=st.lists(plans, min_size=3, max_size=9), window=st.integers(1, 6))
def test_rules_are_kept_while_the_window_slides(
    tools: SimpleNamespace, sessions: list[Plan], window: int
) -> None:
    viewer = tools.Viewer(window_segments=window, collect=False)
    for plan in sessions:
        send(tools, viewer, plan, plan.events())
    viewer.packager.end()


def send(
    tools: SimpleNamespace, viewer: Any, plan: Plan, events: list[VideoFrame | AudioFrame]
) -> None:
    asc = AacConfig(tools.AAC.asc, 2, plan.rate, 2)
    config = ([tools.AVC] if plan.picture else []) + ([asc] if plan.sound else [])
    viewer.session(
        config + [event._replace(dts=(event.dts + plan.start) % 2**32) for event in events]
    )


def expected_video(events: list[VideoFrame | AudioFrame]) -> list[VideoFrame]:
    frames = [event for event in events if isinstance(event, VideoFrame)]
    return list(itertools.dropwhile(lambda frame: not frame.key, frames))


def check_session(runs: list[Any], events: list[VideoFrame | AudioFrame], plan: Plan) -> None:
    video = expected_video(events)
    audio = [event for event in events if isinstance(event, AudioFrame)]
    assert [sample.data for run in runs for sample in run.video] == [frame.data for frame in video]
    heard = [sample.data for run in runs for sample in run.audio]
    left_out = len(audio) - len(heard)
    if len(runs) > 1 and not runs[0].video and plan.sound_lag + max(plan.offsets) > 450:
        # The picture joined, and some of its sound came more than half a second behind it.
        assert set(heard) <= {unit.data for unit in audio}
        return
    assert heard == [unit.data for unit in audio[left_out:]], "only at the start is sound left out"
    if video and audio:
        shown = video[0].dts + video[0].cts
        first = next(event for event in events if isinstance(event, VideoFrame))
        comes = audio[0].dts + plan.sound_lag - first.dts
        if audio[0].dts - shown > -1200 and comes < 1900:
            assert left_out == sum(unit.dts < shown - 500 for unit in audio)
    elif audio and not any(isinstance(event, VideoFrame) for event in events):
        assert left_out == 0
    for run in runs:
        check_times(run, {event.data: event for event in events})


def check_times(run: Any, source: dict[bytes, VideoFrame | AudioFrame]) -> None:
    for track in (run.video, run.audio):
        for sample, following in itertools.pairwise(track):
            assert sample.dts + sample.duration <= following.dts
    for sample, following in itertools.pairwise(run.video):
        assert sample.dts + sample.duration == following.dts
    if run.video:
        assert run.video[0].dts == run.video[0].pts == 0
        assert [sample.sync for sample in run.video] == [source[s.data].key for s in run.video]
    # Within a run all times are the source's, moved by one and the same amount.
    moved = {
        sample.pts - Fraction(source[sample.data].dts + source[sample.data].cts, 1000)
        for sample in run.video[1:]
    }
    assert len(moved) <= 1
    for by in moved:
        for sample in run.audio:
            assert abs(sample.dts - Fraction(source[sample.data].dts, 1000) - by) < Fraction(
                3, 1000
            )


# ------------------------------------------------------------------ memory

anything = st.one_of(
    st.tuples(st.just("video"), st.booleans(), st.integers(-200, 3000), st.integers(0, 99)),
    st.tuples(st.just("audio"), st.just(True), st.integers(-200, 3000), st.integers(0, 99)),
    st.tuples(st.sampled_from(["avc", "aac"]), st.just(True), st.integers(0, 1), st.just(0)),
    st.sampled_from([("start", True, 0, 0), ("end", True, 0, 0)]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(anything, max_size=120), frozen=st.booleans())
def test_all_that_is_held_is_counted_after_every_frame(
    tools: SimpleNamespace, steps: list[tuple[str, bool, int, int]], frozen: bool
) -> None:
    packager = Packager(name_token="t", wall_clock=lambda: 0.0, window_segments=1)
    packager.start_session()
    packager.video_config(tools.AVC)
    packager.audio_config(tools.AAC)
    time = 1000
    for what, key, number, size in steps:
        time += 0 if frozen else number
        match what:
            case "video":
                packager.video(VideoFrame(time % 2**32, 0, key, bytes(size)))
            case "audio":
                packager.audio(AudioFrame(time % 2**32, bytes(size)))
            case "avc":
                packager.video_config(AvcConfig(tools.AVC.avcc, 320 + number, 180))
            case "aac":
                packager.audio_config(AacConfig(tools.AAC.asc + bytes(number), 2, 48_000, 2))
            case "start":
                packager.start_session()
            case "end":
                packager.end_session()
        assert packager.memory_bytes == held(packager)
    packager.discard()
    assert packager.memory_bytes == held(packager) == 0


def held(packager: Packager) -> int:
    """Add up everything that a packager holds."""
    window, period = packager._window, packager._period
    segments = [*window._listed, *window._removed]
    if window.unfinished is not None:
        segments.append(window.unfinished)
    bodies = [body for segment in segments for body in segment.bodies]
    bodies += [init.body for init in window._inits.values()]
    waiting = [frame.frame.data for frame in packager._opening]
    waiting += [unit.data + unit.config.asc for unit in packager._units]
    if period is not None:
        asc = b"" if period.audio is None or period.video is not None else period.audio.asc
        cut = [part for part in period.waiting if isinstance(part, PartCut)]
        samples = [sample for part in cut for sample, _ in part.samples]
        samples += [sample for sample, _ in period.cutter._samples]
        samples += [] if period.cutter._held is None else [period.cutter._held]
        waiting += [sample.data + asc for sample in samples]
    return sum(map(len, bodies)) + sum(_BESIDE_DATA + len(data) for data in waiting)
