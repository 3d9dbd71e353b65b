"""One running clock out of timestamps that wrap, jump and jitter."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from headend_local.timeline import LONGEST_STEP, Timeline

timestamps = st.integers(0, 2**32 - 1)
steps = st.integers(1, LONGEST_STEP)


@given(start=timestamps, steps=st.lists(steps))
def test_every_step_of_the_encoder_is_kept_across_the_wrap(start: int, steps: list[int]) -> None:
    sent = [start, *(start + total for total in itertools.accumulate(steps))]
    timeline = Timeline()
    read = [timeline.video(time % 2**32) for time in sent]
    assert [b - a for a, b in itertools.pairwise(read)] == steps


@given(start=timestamps, between=st.integers(-5000, 5000), steps=st.lists(steps))
def test_two_tracks_keep_their_distance_whichever_comes_first(
    start: int, between: int, steps: list[int]
) -> None:
    timeline = Timeline()
    video = timeline.video(start)
    assert timeline.audio((start + between) % 2**32) - video == between
    for total in itertools.accumulate(steps):
        moved = timeline.video((start + total) % 2**32)
        assert moved - video == total
        assert timeline.audio((start + between + total) % 2**32) - moved == between


@given(times=st.lists(timestamps, min_size=1))
def test_video_time_always_rises_and_never_leaps(times: list[int]) -> None:
    timeline = Timeline()
    read = [timeline.video(time) for time in times]
    assert all(0 < b - a <= LONGEST_STEP for a, b in itertools.pairwise(read))


@given(times=st.lists(st.tuples(st.booleans(), timestamps)))
def test_no_sequence_of_timestamps_is_refused(times: list[tuple[bool, int]]) -> None:
    timeline = Timeline()
    for video, time in times:
        (timeline.video if video else timeline.audio)(time)


@pytest.mark.parametrize("jump", [-101, -5_000, LONGEST_STEP + 1, 2**31 - 1, -(2**31)])
def test_a_jump_is_carried_on_by_the_step_before(jump: int) -> None:
    timeline = Timeline()
    read = [timeline.video((10_000 + time) % 2**32) for time in (0, 40, 80)]
    after = [timeline.video((10_080 + jump + time) % 2**32) for time in (0, 40, 80)]
    assert [time - read[-1] for time in after] == [40, 80, 120]


def test_the_second_track_jumps_by_as_much_as_the_first() -> None:
    timeline = Timeline()
    for time in (0, 40, 80):
        timeline.video(time)
        timeline.audio(time + 7)
    assert timeline.video(3_600_120) == 120
    assert timeline.audio(3_600_127) == 127


def test_a_long_gap_that_the_other_track_confirms_is_no_jump() -> None:
    timeline = Timeline()
    timeline.video(0)
    for time in range(0, 15_001, 20):
        timeline.audio(time)
    assert timeline.video(15_000) == 15_000


def test_a_timestamp_sent_twice_moves_nothing_for_good() -> None:
    timeline = Timeline()
    assert [timeline.video(time) for time in (0, 0, 66, 66, 132)] == [0, 1, 66, 67, 132]


def test_a_timestamp_a_little_out_of_order_moves_nothing_for_good() -> None:
    timeline = Timeline()
    assert [timeline.audio(time) for time in (0, 21, 19, 64)] == [0, 21, 19, 64]


def test_the_audio_clock_can_be_moved() -> None:
    timeline = Timeline()
    timeline.audio(50_000)
    timeline.shift_audio(-49_000)
    assert timeline.audio(50_021) == 1021
