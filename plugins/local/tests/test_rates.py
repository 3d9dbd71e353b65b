"""Bitrate and frame rate are measured on what comes in."""

from __future__ import annotations

from typing import Protocol

from hypothesis import given, strategies as st

from headend_local.rates import BitrateMeter, FrameRateMeter


class Clock(Protocol):
    def __call__(self) -> float: ...
    def advance(self, seconds: float) -> None: ...


def test_nothing_is_claimed_before_the_first_full_second(clock: Clock) -> None:
    meter = BitrateMeter(clock)
    meter.add(1000)
    clock.advance(0.99)
    assert meter.bits_per_second() is None
    clock.advance(0.02)
    assert meter.bits_per_second() == 8000


def test_the_running_second_does_not_count_yet(clock: Clock) -> None:
    meter = BitrateMeter(clock)
    meter.add(1000)
    clock.advance(1)
    meter.add(999_999)
    assert meter.bits_per_second() == 8000


def test_a_silent_encoder_falls_to_zero_within_six_seconds(clock: Clock) -> None:
    meter = BitrateMeter(clock)
    for _ in range(10):
        meter.add(1000)
        clock.advance(1)
    assert meter.bits_per_second() == 8000
    clock.advance(2)
    assert meter.bits_per_second() == 8000 * 3 // 5
    clock.advance(3)
    assert meter.bits_per_second() == 0
    clock.advance(1e6)
    assert meter.bits_per_second() == 0


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 3)), max_size=80))
def test_it_is_what_adding_up_by_hand_gives(steps: list[tuple[int, float]]) -> None:
    now = [0.0]
    meter = BitrateMeter(lambda: now[0])
    seen: dict[int, int] = {}
    for size, pause in steps:
        meter.add(size)
        seen[int(now[0])] = seen.get(int(now[0]), 0) + size
        now[0] += pause
    current = int(now[0])
    window = range(max(0, current - 5), current)
    expected = (
        round(8 * sum(seen.get(each, 0) for each in window) / len(window)) if window else None
    )
    assert meter.bits_per_second() == expected


def test_a_frame_rate_comes_from_the_decoding_times() -> None:
    meter = FrameRateMeter()
    assert meter.frames_per_second() is None
    for number in range(300):
        meter.add(round(number * 1001 / 30))
    assert meter.frames_per_second() == 29.97


def test_a_clock_that_was_set_does_not_spoil_the_frame_rate() -> None:
    meter = FrameRateMeter()
    for start in (0, 2**32 - 80, 0, 3_600_000):
        for number in range(3):
            meter.add(start + number * 40)
        assert meter.frames_per_second() == 25.0
