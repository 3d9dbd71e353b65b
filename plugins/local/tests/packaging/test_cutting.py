"""Where parts and segments end, whatever the frames."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, strategies as st

from headend_local.cutting import Cutter, CuttingRules, LeadSample, PartCut, SegmentEnd

durations = st.lists(st.integers(1, 100) | st.integers(1, 12_000), min_size=1, max_size=150)
Cut = PartCut | SegmentEnd


def cut(rules: CuttingRules, durations: list[int], keys: set[int]) -> list[Cut]:
    """Cut a track of such frames, in milliseconds, with key frames at these indices."""
    cutter = Cutter(1000, rules, usual_duration=33)
    cuts: list[Cut] = []
    starts = [0, *itertools.accumulate(durations)]
    for index, start in enumerate(starts[:-1]):
        cuts += cutter.add(LeadSample(start, index in keys or index == 0, 0, b"%d" % index))
    return cuts + list(cutter.finish(starts[-1]))


def parts(cuts: list[Cut]) -> list[PartCut]:
    return [item for item in cuts if isinstance(item, PartCut)]


def segments(cuts: list[Cut]) -> list[float]:
    return [item.duration for item in cuts if isinstance(item, SegmentEnd)]


@given(durations=durations, keys=st.sets(st.integers(0, 150)), target=st.none() | st.integers(2, 9))
def test_every_frame_is_in_one_part_and_no_limit_is_passed(
    durations: list[int], keys: set[int], target: int | None
) -> None:
    rules = CuttingRules(0.5, 2.0, target)
    cuts = cut(rules, durations, keys)
    placed = [item for part in parts(cuts) for item in part.samples]
    assert [int(sample.data) for sample, _ in placed] == list(range(len(durations)))
    assert [duration for _, duration in placed] == durations
    end = 0
    for part in parts(cuts):
        assert part.start == end
        end = part.end
        assert 0 < part.end - part.start <= 500
        assert all(part.start <= sample.time < part.end for sample, _ in part.samples)
        assert part.independent == (
            bool(part.samples) and part.samples[0][0].key and part.samples[0][0].time == part.start
        )
    assert end == sum(durations)
    assert isinstance(cuts[-1], SegmentEnd)
    assert sum(segments(cuts)) == pytest.approx(end / 1000)
    for before, after in itertools.pairwise(cuts):
        assert isinstance(before, PartCut) or isinstance(after, PartCut)
        if isinstance(before, PartCut) and isinstance(after, PartCut):
            assert before.end - before.start >= 425
    if rules.target_duration is None:
        assert all(duration < rules.shortest_segment for duration in segments(cuts))
    else:
        assert all(math.floor(d + 0.5) <= rules.target_duration for d in segments(cuts))


def test_parts_end_between_frames_where_a_whole_number_of_them_fits_well() -> None:
    for frame, count in ((40, 12), (33, 15), (20, 25), (100, 5)):
        made = parts(cut(CuttingRules(0.5, 2.0), [frame] * 50, set()))
        assert {part.end - part.start for part in made[:3]} == {frame * count}


def test_rounding_to_milliseconds_does_not_shorten_parts() -> None:
    made = parts(cut(CuttingRules(0.5, 2.0), [34, 33, 33] * 20, set()))
    assert {len(part.samples) for part in made} == {15}


def test_parts_of_slow_frames_end_within_frames() -> None:
    made = parts(cut(CuttingRules(0.5, 2.0), [200] * 20, set()))
    assert [part.end for part in made[:3]] == [500, 1000, 1500]
    assert [len(part.samples) for part in made[:3]] == [3, 2, 3]


def test_within_a_very_long_frame_parts_hold_nothing() -> None:
    made = parts(cut(CuttingRules(0.5, 2.0), [1500, 40], set()))
    assert [len(part.samples) for part in made] == [1, 0, 0, 1]


def test_a_segment_ends_at_the_first_key_frame_from_its_duration_on() -> None:
    every_700_ms = set(range(0, 300, 7))
    assert segments(cut(CuttingRules(0.5, 2.0), [100] * 63, every_700_ms)) == [2.1, 2.1, 2.1]


def test_among_many_key_frames_none_ends_a_segment_early() -> None:
    everyone = set(range(1000))
    assert segments(cut(CuttingRules(0.5, 2.0), [16] * 250, everyone))[0] == 2.0


def test_a_key_frame_slightly_early_ends_a_segment_if_the_next_would_be_late() -> None:
    made = cut(CuttingRules(0.5, 2.0), [19] * 105 + [20] * 100, {0, 105})
    assert segments(made)[0] == 1.995


@pytest.mark.parametrize(
    ("first", "target"),
    [(1.9, 2), (2.0, 2), (2.002, 2), (2.1, 2), (2.11, 3), (8.333, 9), (9.0, 9), (12.0, 12)],
)
def test_the_target_is_rounded_up_but_not_for_a_trifle(first: float, target: int) -> None:
    rules = CuttingRules(0.5, 2.0)
    rules.fix_target(first)
    assert rules.target_duration == target
    assert math.floor(first + 0.5) <= target


def test_the_target_is_fixed_once() -> None:
    rules = CuttingRules(0.5, 2.0)
    rules.fix_target(4.0)
    rules.fix_target(8.0)
    assert rules.target_duration == 4


@pytest.mark.parametrize("scale", [1000, 44_100, 48_000, 90_000])
def test_the_longest_segment_just_rounds_to_the_target(scale: int) -> None:
    rules = CuttingRules(0.5, 2.0, 2)
    longest = rules.longest_segment(scale)
    assert math.floor(longest / scale + 0.5) == 2
    assert math.floor((longest + 1) / scale + 0.5) == 3


def test_a_segment_without_room_for_another_frame_ends_at_once() -> None:
    """Else the playlist would hint at a part that never comes."""
    cutter = Cutter(1000, CuttingRules(0.5, 2.0, 2), usual_duration=33)
    for time in range(0, 2450, 245):
        assert not any(
            isinstance(c, SegmentEnd) for c in cutter.add(LeadSample(time, False, 0, b""))
        )
    last = list(cutter.add(LeadSample(2450, False, 0, b"")))
    assert isinstance(last[0], PartCut)
    assert last[1:] == [SegmentEnd(2.45)]


def test_a_frame_without_a_successor_lasts_as_long_as_the_one_before() -> None:
    cutter = Cutter(1000, CuttingRules(0.5, 2.0), usual_duration=33)
    list(cutter.add(LeadSample(0, True, 0, b"a")))
    assert cutter.usual_end == 33
    list(cutter.add(LeadSample(40, False, 0, b"bc")))
    assert (cutter.usual_end, cutter.newest) == (80, 40)
