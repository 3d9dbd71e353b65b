"""Viewers are counted by what is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import given, strategies as st

from headend_local import viewers as module
from headend_local.viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    def __call__(self) -> float: ...
    def advance(self, seconds: float) -> None: ...


@pytest.fixture
def viewers(clock: Clock) -> Viewers:
    return Viewers(clock)


def test_somebody_who_only_asks_for_playlists_is_no_viewer(viewers: Viewers) -> None:
    viewers.seen("a")
    assert (viewers.count, viewers.peak) == (0, 0)


def test_one_delivered_part_makes_a_viewer(viewers: Viewers) -> None:
    viewers.delivered("a", msn=0, part=0, duration=0.5)
    viewers.delivered("a", msn=0, part=1, duration=0.5)
    assert (viewers.count, viewers.peak) == (1, 1)


def test_a_player_that_stops_fetching_drops_out_after_ten_seconds(
    viewers: Viewers, clock: Clock
) -> None:
    viewers.delivered("a", msn=0, part=None, duration=2)
    clock.advance(10)
    assert viewers.count == 1
    clock.advance(0.1)
    assert viewers.count == 0
    assert viewers.peak == 1


def test_a_player_that_waits_for_the_playlist_stays(viewers: Viewers, clock: Clock) -> None:
    viewers.delivered("a", msn=0, part=None, duration=2)
    for _ in range(5):
        clock.advance(6)
        viewers.seen("a")
    assert viewers.count == 1


def test_the_peak_is_the_most_at_once_not_the_most_ever_seen(
    viewers: Viewers, clock: Clock
) -> None:
    for name in "abc":
        viewers.delivered(name, msn=0, part=None, duration=2)
        clock.advance(6)  # a is gone when c comes
    assert viewers.peak == 2


def test_a_part_and_the_segment_that_holds_it_count_once(viewers: Viewers, clock: Clock) -> None:
    for part in range(4):
        viewers.delivered("a", msn=0, part=part, duration=0.5)
    clock.advance(5)
    viewers.delivered("a", msn=0, part=None, duration=2.0)
    viewers.delivered("a", msn=0, part=None, duration=2.0)
    assert viewers.watch_time == 2.0


def test_a_buffer_that_is_fetched_ahead_is_not_watched_yet(viewers: Viewers, clock: Clock) -> None:
    for msn in range(3):
        viewers.delivered("a", msn=msn, part=None, duration=2.0)
    assert viewers.watch_time == 0.0
    clock.advance(2)
    viewers.delivered("a", msn=3, part=None, duration=2.0)
    assert viewers.watch_time == 2.0
    clock.advance(60)
    assert viewers.watch_time == 2.0  # it left; the time since then is nobody's


def test_watch_time_is_never_more_than_what_was_delivered(viewers: Viewers, clock: Clock) -> None:
    viewers.delivered("a", msn=0, part=None, duration=2.0)
    for _ in range(10):
        clock.advance(6)
        viewers.seen("a")
    assert viewers.watch_time == 2.0


def test_media_sequence_numbers_that_start_again_stand_for_other_media(
    viewers: Viewers, clock: Clock
) -> None:
    viewers.delivered("a", msn=0, part=None, duration=2.0)
    viewers.new_timeline()
    clock.advance(6)
    viewers.delivered("a", msn=0, part=None, duration=2.0)
    assert viewers.watch_time == 4.0


def test_earlier_runs_are_added_to(clock: Clock) -> None:
    viewers = Viewers(clock, peak=3, watch_time=100.0)
    viewers.delivered("a", msn=0, part=None, duration=2.0)
    clock.advance(3)
    viewers.seen("a")
    assert (viewers.peak, viewers.watch_time) == (3, 102.0)


def test_made_up_viewers_cost_bounded_memory(
    viewers: Viewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 10)
    for number in range(100):
        viewers.delivered(str(number), msn=0, part=None, duration=2.0)
    assert viewers.count == 10


def test_hours_of_watching_cost_bounded_memory_and_are_counted_in_full(
    viewers: Viewers, clock: Clock
) -> None:
    viewers.seen("a")
    for msn in range(1000):
        clock.advance(2)
        viewers.delivered("a", msn=msn, part=None, duration=2.0)
    assert viewers.watch_time == pytest.approx(2000)


@given(
    steps=st.lists(
        st.one_of(
            st.floats(0, 30).map(lambda seconds: ("wait", seconds)),
            st.tuples(st.just("seen"), st.sampled_from("abc")),
            st.tuples(
                st.just("get"),
                st.sampled_from("abc"),
                st.integers(0, 20),
                st.one_of(st.none(), st.integers(0, 3)),
            ),
        ),
        max_size=60,
    )
)
def test_whatever_players_do_the_figures_stay_within_what_is_possible(
    steps: list[tuple[object, ...]],
) -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    viewers = Viewers(clock)
    before = 0.0
    for step in steps:
        match step:
            case ("wait", float(seconds)):
                now[0] += seconds
            case ("seen", str(name)):
                viewers.seen(name)
            case ("get", str(name), int(msn), part):
                assert part is None or isinstance(part, int)
                duration = 2.0 if part is None else 0.5
                viewers.delivered(name, msn=msn, part=part, duration=duration)
        assert 0 <= viewers.count <= viewers.peak <= 3
        assert before <= viewers.watch_time + 1e-9
        assert viewers.watch_time <= 3 * now[0] + 1e-9
        before = viewers.watch_time
