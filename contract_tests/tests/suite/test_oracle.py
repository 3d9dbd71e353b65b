"""The oracle lets a platform be late, and only late."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, strategies as st

from headend.plugin import PlatformTruth, TrueLiveStream
from headend_contract.oracle import LAG, History


def truth(viewers: int, *, live: bool = True) -> PlatformTruth:
    one = TrueLiveStream(stream_id="a", stream_keys=frozenset(), live=live, viewers=viewers)
    return PlatformTruth(live_streams={"a": one})


def history(*counts: int, every: float) -> History:
    made = History(0.0, truth(counts[0]))
    for number, count in enumerate(counts[1:], 1):
        made.note(number * every, truth(count))
    return made


def test_what_was_so_for_long_is_all_that_may_be_told() -> None:
    assert history(5, 2, 2, every=LAG).viewers("a") == (2, 2)


def test_what_was_so_lately_may_still_be_told() -> None:
    assert history(5, 2, every=1).viewers("a") == (2, 5)


def test_who_has_left_may_be_counted_beside_who_has_come() -> None:
    assert history(1, 0, 1, every=1).viewers("a") == (0, 2)


def test_what_is_not_there_yet_is_not_old() -> None:
    made = History(0.0, PlatformTruth(live_streams={}))
    made.note(1.0, truth(0))

    assert not made.is_old("a")
    made.note(1.0 + LAG, truth(0))
    assert made.is_old("a")


def test_a_change_is_recent_for_the_lag() -> None:
    made = History(0.0, truth(0, live=False))
    made.note(10.0, truth(0, live=True))

    made.note(9.0 + LAG, truth(0, live=True))
    assert {one.live for one in made.recent("a")} == {False, True}
    made.note(11.0 + LAG, truth(0, live=True))
    assert {one.live for one in made.recent("a")} == {True}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.floats(0.1, 2 * LAG))
def test_the_truth_itself_may_always_be_told(counts: Sequence[int], every: float) -> None:
    made = history(*counts, every=every)
    low, high = made.viewers("a")

    assert low <= counts[-1] <= high
    assert made.most_viewers("a") >= max(counts[1:], default=0)
    watched = sum(count * every for count in counts[1:])
    assert made.most_watched("a") >= watched - 1e-6
