"""What waits for a slow target: bounded, whole groups of pictures, every loss counted."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from headend.push.backlog import Backlog, Dropped
from headend.rtmp.flv import AUDIO, SCRIPT, VIDEO, Tag

META = Tag(SCRIPT, 0, b"\x02\0\nonMetaData")
AVC = Tag(VIDEO, 0, b"\x17\0\0\0\0avcc")
AAC = Tag(AUDIO, 0, b"\xaf\0asc")


def key(at: int) -> Tag:
    return Tag(VIDEO, at, b"\x17\x01\0\0\0key")


def inter(at: int) -> Tag:
    return Tag(VIDEO, at, b"\x27\x01\0\0\0inter")


def sound(at: int) -> Tag:
    return Tag(AUDIO, at, b"\xaf\x01sound")


def gop(start: int, frames: int = 4, step: int = 250) -> list[Tag]:
    tags = [key(start), sound(start)]
    for number in range(1, frames):
        tags += [inter(start + number * step), sound(start + number * step)]
    return tags


def filled(*groups: list[Tag], seconds: float = 5.0) -> Backlog:
    backlog = Backlog(seconds=seconds)
    for tag in [META, AVC, AAC, *(tag for group in groups for tag in group)]:
        backlog.put(tag)
    return backlog


def all_of(backlog: Backlog) -> list[Tag]:
    found = []
    while (tag := backlog.get(0)) is not None:
        found.append(tag)
    return found


def pictures(tags: list[Tag]) -> list[Tag]:
    return [tag for tag in tags if tag.type == VIDEO and tag.payload[1]]


def test_what_is_put_comes_out_in_order_behind_the_configurations() -> None:
    backlog = filled(gop(0), gop(1000))
    assert all_of(backlog) == [META, AVC, AAC, *gop(0), *gop(1000)]
    assert backlog.dropped == Dropped()


def test_the_oldest_whole_group_goes_when_too_much_waits() -> None:
    backlog = filled(gop(0), gop(1000), gop(2000), seconds=2.0)
    first, *_ = found = [tag for tag in all_of(backlog) if tag.type != SCRIPT]
    assert first == AVC._replace(timestamp=1000)
    assert pictures(found) == pictures(gop(1000) + gop(2000))
    assert backlog.dropped == Dropped(groups=1, frames=4)


def test_a_group_of_which_a_part_was_sent_is_not_touched_while_another_can_go() -> None:
    backlog = filled(gop(0), seconds=1.5)
    assert [backlog.get(0) for _ in range(4)] == [META, AVC, AAC, key(0)]
    for tag in [*gop(1000), *gop(2000)]:
        backlog.put(tag)
    # Both that have not begun went, the second with what came of it later.
    assert pictures(all_of(backlog)) == pictures(gop(0))[1:]
    assert backlog.dropped == Dropped(groups=2, frames=8)
    backlog.put(key(3000))
    assert pictures(all_of(backlog)) == [key(3000)]


def test_a_group_longer_than_the_bound_is_cut_where_it_was_sent_to() -> None:
    backlog = filled(gop(0, frames=40), seconds=3.0)
    assert backlog.dropped == Dropped(groups=1, frames=40)

    backlog = filled([key(0)], seconds=3.0)
    all_of(backlog)
    for tag in gop(0, frames=40)[2:]:
        backlog.put(tag)
    assert backlog.dropped == Dropped(groups=1, frames=39)
    backlog.put(key(10_000))
    assert pictures(all_of(backlog)) == [key(10_000)]


def test_after_a_restart_it_goes_on_with_configurations_and_the_next_key_frame() -> None:
    backlog = filled(gop(0), gop(1000))
    for _ in range(4):
        lost = backlog.get(0)
    assert lost == key(0)
    backlog.restart(lost=lost)
    at = 1000
    expected = [tag._replace(timestamp=at) for tag in (META, AVC, AAC)]
    assert all_of(backlog) == [*expected, *gop(1000)]
    assert backlog.dropped == Dropped(groups=1, frames=4)


def test_a_restart_between_two_groups_loses_none() -> None:
    backlog = filled(gop(0))
    all_of(backlog)
    backlog.restart(lost=None)
    for tag in gop(1000):
        backlog.put(tag)
    assert pictures(all_of(backlog)) == pictures(gop(1000))
    assert backlog.dropped == Dropped()


def test_a_restart_within_a_group_waits_for_the_next_key_frame() -> None:
    backlog = filled(gop(0))
    all_of(backlog)
    backlog.restart(lost=None)
    for tag in [inter(900), sound(900), inter(950), *gop(1000)]:
        backlog.put(tag)
    assert pictures(all_of(backlog)) == pictures(gop(1000))
    assert backlog.dropped == Dropped(groups=1, frames=2)


def test_new_configurations_reach_a_target_that_missed_them() -> None:
    backlog = filled(gop(0))
    all_of(backlog)
    other = Tag(VIDEO, 1000, b"\x17\0\0\0\0other")
    for tag in [other, *gop(1000), *gop(2000)]:
        backlog.put(tag)
    backlog.restart()
    found = all_of(backlog)
    assert [tag.payload for tag in found[:3]] == [META.payload, other.payload, AAC.payload]
    assert found[3:] == gop(1000) + gop(2000)


def test_the_configurations_are_sent_once() -> None:
    backlog = filled(gop(0), gop(1000), gop(2000))
    found = all_of(backlog)
    assert (found.count(AVC), found.count(META)) == (1, 1)


def test_closing_lets_the_rest_out_or_counts_it() -> None:
    backlog = filled(gop(0))
    backlog.close(drain=True)
    assert not backlog.put(key(5000))
    assert not backlog.done
    assert len(pictures(all_of(backlog))) == 4
    assert backlog.done

    backlog = filled(gop(0))
    backlog.close(drain=False)
    assert all_of(backlog) == []
    assert backlog.dropped == Dropped(groups=1, frames=4)


STEPS = st.lists(
    st.one_of(
        st.integers(1, 12).map(lambda frames: ("gop", frames)),
        st.integers(1, 30).map(lambda count: ("take", count)),
        st.just(("lose", 0)),
        st.just(("restart", 0)),
    ),
    max_size=60,
)


@given(STEPS, st.floats(0.5, 6.0), st.sampled_from([0, 2**32 - 3000]))
def test_every_picture_is_sent_or_counted_and_never_without_its_key_frame(
    steps: list[tuple[str, int]], seconds: float, start: int
) -> None:
    backlog = Backlog(seconds=seconds)
    at, put, lost = start, 0, 0
    connections: list[list[Tag]] = [[]]
    for tag in (META, AVC, AAC):
        backlog.put(tag)
    for what, count in steps:
        if what == "gop":
            for tag in gop(0, count):
                backlog.put(tag._replace(timestamp=(at + tag.timestamp) % 2**32))
                assert backlog.seconds <= seconds
            put += count
            at += count * 250
        elif what == "take":
            for _ in range(count):
                if (tag := backlog.get(0)) is not None:
                    connections[-1].append(tag)
        elif what == "lose":
            tag = backlog.get(0)
            lost += bool(tag and pictures([tag]))
            backlog.restart(lost=tag)
            connections.append([])
        else:
            backlog.restart()
            connections.append([])
    connections[-1] += all_of(backlog)

    sent = [pictures(tags) for tags in connections]
    assert sum(map(len, sent)) + backlog.dropped.frames == put
    assert lost <= backlog.dropped.frames
    for tags, frames in zip(connections, sent, strict=True):
        if frames:
            assert frames[0].payload == key(0).payload
            kinds = [(tag.type, tag.payload[1]) for tag in tags]
            assert kinds.index((VIDEO, 0)) < kinds.index((VIDEO, 1))
        # Within a group nothing is missing in the middle.
        for before, after in pairwise(frames):
            if after.payload != key(0).payload:
                assert (after.timestamp - before.timestamp) % 2**32 == 250
