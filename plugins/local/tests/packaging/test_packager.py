"""What the packager promises, one by one. `Viewer` checks all rules at every change besides."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from headend.rtmp.flv import AacConfig, AudioFrame, AvcConfig, VideoFrame
from headend_local.packager import _BESIDE_DATA, Packager

OTHER_AVC = AvcConfig(bytes.fromhex("014d401fffe100046742c01f01000468ce3c80"), 640, 360)
OTHER_AAC = AacConfig(bytes.fromhex("1210"), 2, 44_100, 2)


def payloads(events: list[Any], kind: type) -> list[bytes]:
    return [event.data for event in events if isinstance(event, kind)]


def both(tools: SimpleNamespace, seconds: float, **options: Any) -> list[Any]:
    start = options.get("start", 0)
    return tools.interleave(tools.frames(seconds, **options), tools.units(seconds, start=start))


# ------------------------------------------------------------------ what is listed, and when


def test_nothing_is_listed_before_one_whole_segment_exists(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.packager.start_session()
    for event in both(tools, 2.5):
        viewer.send([event])
        if viewer.plain is not None:
            assert viewer.plain.segments[0].duration == pytest.approx(2.0)
            break
        assert not viewer.packager.listed
        with pytest.raises(LookupError):
            viewer.packager.master_playlist(low_latency=True, query="")
    assert viewer.packager.listed


def test_parts_are_in_memory_before_anything_is_listed(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.session(both(tools, 1.0), end=False)
    assert not viewer.packager.listed
    assert viewer.packager.next_position == (0, 1)
    assert viewer.packager.resource("t0k3n-0.0.m4s").part == 0


def test_the_picture_of_a_part_waits_until_its_sound_is_complete(
    tools: SimpleNamespace, viewer: Any
) -> None:
    """RTMP audio arrives behind the picture; a part cut at once would lack its last sound."""
    events = tools.interleave(tools.frames(9), tools.units(9), audio_lag=150)
    viewer.session(events, end=False)
    checked = 0
    for msn, segment in viewer.segments.items():
        init = viewer.init(segment)
        for index in range(len(segment.parts)):
            media = tools.read_mp4(init + viewer.parts[msn, index])
            picture, sound = media.video[-1], media.audio[-1]
            picture_end, sound_end = picture.dts + picture.duration, sound.dts + sound.duration
            assert abs(picture_end - sound_end) <= Fraction(1024, 48_000)
            checked += 1
    assert checked >= 12


def test_a_part_waits_for_its_sound_no_longer_than_400_ms(
    tools: SimpleNamespace, viewer: Any
) -> None:
    """Sound that never comes in time holds nothing up, and is not lost either."""
    picture, sound = tools.frames(8), tools.units(8)
    events = tools.interleave(picture, sound, audio_lag=900)
    viewer.packager.start_session()
    for event in events:
        viewer.send([event])
        if isinstance(event, VideoFrame) and event.dts > 2000:
            msn, part = viewer.packager.next_position
            written = 2.0 * msn + 0.5 * part
            assert event.dts / 1000 - written <= 0.5 + 0.4 + 0.034
    viewer.packager.end()
    assert b"".join(s.data for s in viewer.media()[0].audio) == b"".join(
        payloads(sound, AudioFrame)
    )


def test_sound_and_picture_start_at_zero_together(tools: SimpleNamespace, viewer: Any) -> None:
    """The first composition offset is taken off every frame, and the sound shifted alike."""
    picture = tools.frames(3, cts=(67, 133, 33, 0), start=5000)
    sound = tools.units(3, start=5067)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    media = viewer.media()[0]
    assert media.video[0].dts == media.video[0].pts == media.audio[0].dts == 0
    offsets = [1000 * (sample.pts - sample.dts) for sample in media.video[:4]]
    assert offsets == [0, 66, -34, -67]
    assert media.composition_versions == {1}


def test_sound_from_before_the_first_picture_is_kept_and_stays_in_step(
    tools: SimpleNamespace, viewer: Any
) -> None:
    """The first picture stands a little longer; everything after it keeps its distance."""
    picture, sound = tools.frames(3, start=1200), tools.units(3, start=1000)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    media = viewer.media()[0]
    assert [sample.data for sample in media.audio] == payloads(sound, AudioFrame)
    assert media.video[0].pts == media.audio[0].pts == 0
    assert media.video[1].dts == Fraction(233, 1000)


def test_sound_from_long_before_the_first_picture_is_left_out(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture, sound = tools.frames(3, start=1500), tools.units(4)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    media = viewer.media()[0]
    assert len(media.audio) == sum(unit.dts >= 1000 for unit in sound[1:])


def test_picture_before_the_first_key_frame_is_ignored(tools: SimpleNamespace, viewer: Any) -> None:
    picture = tools.frames(6)
    del picture[1:20]  # the first key frame among them
    viewer.session(tools.interleave(picture, tools.units(6)))
    viewer.packager.end()
    kept = [frame for frame in picture[1:] if frame.dts >= 2000]
    media = viewer.media()[0]
    assert [sample.data for sample in media.video] == [frame.data for frame in kept]


@pytest.mark.parametrize("audio_only", [True, False])
def test_a_session_of_one_track_alone_plays(
    tools: SimpleNamespace, viewer: Any, audio_only: bool
) -> None:
    events = tools.units(7) if audio_only else tools.frames(7)
    viewer.session(events)
    viewer.packager.end()
    media = viewer.media()[0]
    assert [s.data for s in media.audio] == payloads(events, AudioFrame)
    assert [s.data for s in media.video] == payloads(events, VideoFrame)
    assert set(media.entries) == {"audio" if audio_only else "video"}
    master = viewer.packager.master_playlist(low_latency=True, query="")
    assert ("mp4a" in master, "avc1" in master) == (audio_only, not audio_only)
    assert ("RESOLUTION" in master, "FRAME-RATE" in master) == (not audio_only, not audio_only)
    assert [s.duration for s in viewer.plain.segments][:3] == pytest.approx([2.0] * 3, abs=0.11)


def test_audio_announced_but_never_sent_is_not_listed(tools: SimpleNamespace, viewer: Any) -> None:
    """An audio track without samples would make players wait for it for ever."""
    viewer.session([tools.AAC, *tools.frames(5)])
    viewer.packager.end()
    assert set(viewer.media()[0].entries) == {"video"}
    assert "mp4a" not in viewer.packager.master_playlist(low_latency=False, query="")
    assert viewer.packager.audio_description() is None
    assert viewer.packager.video_description() == tools.AVC


def test_without_audio_announced_the_picture_does_not_wait_for_any(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(tools.frames(1), end=False)
    assert viewer.packager.next_position == (0, 1)


def test_with_audio_announced_the_picture_waits_two_seconds_for_the_first(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session([tools.AAC, *tools.frames(1.9)], end=False)
    assert viewer.packager.next_position == (0, 0)
    viewer.send(tools.frames(0.5, start=1900, config=None))
    assert viewer.packager.next_position == (1, 0)


# ------------------------------------------------------------------ ends


@pytest.mark.parametrize("tail", [0.033, 0.1, 0.5, 1.3])
@pytest.mark.parametrize("way", ["end_session", "end", "start_session"])
def test_the_last_half_second_is_not_lost(
    tools: SimpleNamespace, make_viewer: Callable[..., Any], tail: float, way: str
) -> None:
    events = both(tools, 4 + tail)
    viewer = make_viewer()
    viewer.session(events, end=False)
    getattr(viewer.packager, way)()
    media = viewer.media()[0]
    assert [sample.data for sample in media.video] == payloads(events, VideoFrame)
    assert [sample.data for sample in media.audio] == payloads(events, AudioFrame)


def test_sound_that_outlasts_the_picture_is_not_lost(tools: SimpleNamespace, viewer: Any) -> None:
    events = tools.interleave(tools.frames(3), tools.units(4.7))
    viewer.session(events)
    viewer.packager.end()
    media = viewer.media()[0]
    assert [sample.data for sample in media.audio] == payloads(events, AudioFrame)
    assert viewer.plain.duration == pytest.approx(4.7, abs=0.03)
    last = media.video[-1]
    assert float(last.dts + last.duration) == pytest.approx(4.7, abs=0.03)


def test_after_the_end_there_is_an_endlist_and_no_trace_of_parts(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 5.2), end=False)
    before = viewer.packager.media_playlist(low_latency=True, query="")
    assert "#EXT-X-PART:" in before
    assert "PRELOAD-HINT" in before
    assert "ENDLIST" not in before
    viewer.packager.end()
    for low_latency in (True, False):
        text = viewer.packager.media_playlist(low_latency=low_latency, query="")
        assert text.endswith("\n#EXT-X-ENDLIST\n")
        for tag in ("PART", "PRELOAD-HINT", "SERVER-CONTROL", "BLOCK-RELOAD"):
            assert tag not in text
    assert viewer.packager.ended
    assert viewer.plain.duration == pytest.approx(5.2, abs=0.03)


def test_a_session_of_one_frame_and_a_little_sound_before_it_comes_out(
    tools: SimpleNamespace, viewer: Any
) -> None:
    events = tools.interleave(tools.frames(0.03, start=64), tools.units(0.06))
    viewer.session(events)
    viewer.packager.end()
    assert len(viewer.media()[0].video) == 1
    assert len(viewer.media()[0].audio) == 3
    assert viewer.plain.duration == pytest.approx(0.097)
    assert "RESOLUTION" in viewer.packager.master_playlist(low_latency=False, query="")


def test_a_short_broadcast_is_listed_once_it_has_ended(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.session(both(tools, 0.7))
    assert not viewer.packager.listed
    viewer.packager.end()
    assert viewer.packager.listed
    assert viewer.plain.ended
    assert len(viewer.media()[0].video) == 21


def test_an_end_without_any_media_lists_nothing(viewer: Any) -> None:
    viewer.session([])
    viewer.packager.end()
    assert viewer.packager.ended
    assert not viewer.packager.listed


def test_nothing_changes_after_the_end(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.session(both(tools, 3))
    viewer.packager.end()
    changes, position = viewer.changes, viewer.packager.next_position
    viewer.session(both(tools, 3))
    viewer.packager.end()
    assert (viewer.changes, viewer.packager.next_position) == (changes, position)


def test_frames_outside_a_session_are_ignored(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.send(both(tools, 3))
    assert viewer.changes == 0
    viewer.session(both(tools, 3))
    count = len(viewer.media()[0].video)
    viewer.send(both(tools, 3))
    viewer.packager.end()
    assert [len(media.video) for media in viewer.media()] == [count] == [90]


# ------------------------------------------------------------------ reconnects


def test_a_reconnect_gives_a_discontinuity_and_a_new_map(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 5))
    assert viewer.low_latency.hint is None, "nobody knows what comes next"
    viewer.session(both(tools, 5, start=777_000), end=False)
    first, second = viewer.segments[2], viewer.segments[3]
    assert (first.discontinuity, second.discontinuity) == (False, True)
    assert first.map_uri != second.map_uri
    assert viewer.media()[1].video[0].pts == 0


def test_the_discontinuity_is_announced_with_the_first_part(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 5))
    viewer.session(both(tools, 1.2), end=False)
    unfinished = viewer.low_latency.unfinished
    assert unfinished.discontinuity
    assert len(unfinished.parts) == 1 + (viewer.packager.next_position[1] - 1)


def test_sequences_are_right_after_many_reconnects_and_slides(
    tools: SimpleNamespace, viewer: Any
) -> None:
    for _ in range(12):
        viewer.session(both(tools, 3))
    # Two segments a session; every session but the first begins with a discontinuity.
    assert viewer.plain.media_sequence + len(viewer.plain.segments) == 24
    listed = sum(segment.discontinuity for segment in viewer.plain.segments)
    first = viewer.plain.segments[0]
    if first.msn % 2 == 0:
        assert first.discontinuity
    assert viewer.plain.discontinuity_sequence == 11 - listed > 0


def test_stub_sessions_before_the_first_whole_segment_do_not_shorten_what_follows(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 0.4))
    viewer.session(both(tools, 20, group=8.0 + 1 / 3), end=False)
    assert viewer.plain.target == 9
    assert [segment.duration for segment in viewer.plain.segments][:2] == pytest.approx(
        [0.4, 8.333], abs=0.03
    )
    assert viewer.plain.segments[1].discontinuity


# ------------------------------------------------------------------ target duration


@pytest.mark.parametrize(
    ("group", "target", "duration"),
    [
        (2.0, 2, 2.0),
        (1.0, 2, 2.0),
        (0.5, 2, 2.0),
        (1.5, 3, 3.0),
        (8 + 1 / 3, 9, 8.333),
        (2.4, 3, 2.4),
    ],
)
def test_the_target_comes_from_the_first_key_frame_interval(
    tools: SimpleNamespace, viewer: Any, group: float, target: int, duration: float
) -> None:
    viewer.session(both(tools, 30, group=group), end=False)
    assert viewer.plain.target == target
    durations = [segment.duration for segment in viewer.plain.segments]
    assert durations == pytest.approx([duration] * len(durations), abs=0.002)
    assert viewer.plain.independent
    assert viewer.packager.key_frame_interval == pytest.approx(group, abs=0.002)


def test_groups_of_2_002_seconds_do_not_make_the_target_3(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 20, fps=30_000 / 1001, group=60 * 1001 / 30_000), end=False)
    assert viewer.plain.target == 2
    assert viewer.plain.independent
    assert all(2.0 <= segment.duration <= 2.003 for segment in viewer.plain.segments)


def test_a_key_frame_a_few_milliseconds_early_still_ends_its_segment(
    tools: SimpleNamespace, viewer: Any
) -> None:
    events = tools.frames(20)
    jittered = [
        event._replace(dts=event.dts + 5 * (index % 60 == 1))
        if isinstance(event, VideoFrame)
        else event
        for index, event in enumerate(events)
    ]
    viewer.session([events[0], *jittered[1:]], end=False)
    assert {round(segment.duration, 1) for segment in viewer.plain.segments} == {2.0}


def test_longer_groups_later_are_cut_between_frames_and_independence_is_not_claimed(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture = tools.frames(4) + tools.frames(16, group=8, start=4000, config=None)
    viewer.session(tools.interleave(picture, tools.units(20)), end=False)
    assert viewer.plain.target == 2
    assert not viewer.plain.independent
    assert all(segment.duration < 2.5 for segment in viewer.plain.segments)
    assert sum(s.duration for s in viewer.segments.values()) == pytest.approx(18, abs=2.6)
    assert viewer.packager.key_frame_interval == pytest.approx(8.0)
    viewer.packager.end()
    media = viewer.media()
    assert len(media) == 1, "the timeline goes on: no discontinuity"
    assert [sample.data for sample in media[0].video] == payloads(picture, VideoFrame)


def test_independence_is_claimed_until_the_first_segment_without_a_key_frame_begins(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(tools.frames(4) + tools.frames(8, group=8, start=4000, config=None), end=False)
    claimed = []
    first_dependent = next(
        msn
        for msn, segment in viewer.segments.items()
        if not tools.read_mp4(viewer.init(segment) + viewer.bodies[msn]).video[0].sync
    )
    again = tools.Viewer()
    again.packager.start_session()
    for event in tools.frames(4) + tools.frames(8, group=8, start=4000, config=None):
        again.send([event])
        if again.plain is not None:
            claimed.append((again.packager.next_position, again.plain.independent))
    for position, independent in claimed:
        assert independent == (position < (first_dependent, 1))


def test_shorter_groups_later_are_fine(tools: SimpleNamespace, viewer: Any) -> None:
    picture = tools.frames(16, group=8) + tools.frames(40, start=16_000, config=None)
    viewer.session(tools.interleave(picture, tools.units(56)), end=False)
    assert viewer.plain.target == 8
    assert viewer.plain.independent
    assert {round(segment.duration, 1) for segment in viewer.plain.segments} == {2.0}
    assert len(viewer.plain.segments) == 12, "three target durations stay listed"


def test_a_first_group_without_end_is_cut_at_twelve_seconds(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 30, group=100), end=False)
    assert viewer.plain.target == 12
    assert not viewer.plain.independent
    assert viewer.plain.segments[0].duration == pytest.approx(12, abs=0.04)
    assert viewer.packager.key_frame_interval is None


# ------------------------------------------------------------------ settings that change


def test_a_changed_picture_gives_a_new_init_segment_and_a_discontinuity(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture = tools.frames(5) + tools.frames(5, start=5000, config=OTHER_AVC)
    sound = tools.units(10)
    viewer.session(tools.interleave(picture, sound, audio_lag=90))
    viewer.packager.end()
    first, second = viewer.media()
    assert [s.data for s in first.video + second.video] == payloads(picture, VideoFrame)
    assert [s.data for s in first.audio + second.audio] == payloads(sound, AudioFrame)
    assert len(first.video) == 150
    assert OTHER_AVC.avcc in second.entries["video"]
    assert [s.msn for s in viewer.plain.segments if s.discontinuity] == [3]
    master = viewer.packager.master_playlist(low_latency=True, query="")
    assert 'CODECS="avc1.4d401f,mp4a.40.2"' in master
    assert "RESOLUTION=640x360" in master


def test_changed_sound_gives_a_new_init_segment_from_the_next_key_frame_on(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture = tools.frames(8)
    sound = tools.units(4) + tools.units(4, start=4000, rate=44_100, config=OTHER_AAC)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    first, second = viewer.media()
    assert [s.data for s in first.video + second.video] == payloads(picture, VideoFrame)
    assert [s.data for s in first.audio + second.audio] == payloads(sound, AudioFrame)
    assert (first.timescales["audio"], second.timescales["audio"]) == (48_000, 44_100)


def test_a_picture_that_changes_before_the_first_part_is_kept_on_both_sides(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture = tools.frames(0.2) + tools.frames(3, start=200, config=OTHER_AVC)
    viewer.session([tools.AAC, *picture])
    viewer.packager.end()
    first, second = viewer.media()
    assert [s.data for s in first.video + second.video] == payloads(picture, VideoFrame)
    assert len(first.video) == 6


def test_changed_sound_without_a_picture_changes_over_at_once(
    tools: SimpleNamespace, viewer: Any
) -> None:
    sound = tools.units(4) + tools.units(4, start=4000, rate=44_100, config=OTHER_AAC)
    viewer.session(sound)
    viewer.packager.end()
    first, second = viewer.media()
    assert [s.data for s in first.audio + second.audio] == payloads(sound, AudioFrame)
    assert (first.timescales["audio"], second.timescales["audio"]) == (48_000, 44_100)


def test_the_same_configuration_again_changes_nothing(tools: SimpleNamespace, viewer: Any) -> None:
    picture = tools.frames(4) + tools.frames(4, start=4000)
    sound = tools.units(4) + tools.units(4, start=4011)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    assert len(viewer.media()) == 1


def test_sound_that_starts_late_joins_at_a_key_frame(tools: SimpleNamespace, viewer: Any) -> None:
    sound = tools.units(8, start=5000)
    viewer.session(tools.interleave(tools.frames(13), sound))
    viewer.packager.end()
    first, second = viewer.media()
    assert set(first.entries) == {"video"}
    assert set(second.entries) == {"video", "audio"}
    assert len(first.video) + len(second.video) == 13 * 30
    assert [s.data for s in second.audio] == [u.data for u in sound[1:] if u.dts >= 5500]


def test_sound_that_stops_is_taken_off_at_a_key_frame(tools: SimpleNamespace, viewer: Any) -> None:
    """Else players would wait for it, with the picture there."""
    picture, sound = tools.frames(14), tools.units(5)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    first, second = viewer.media()
    assert set(second.entries) == {"video"}
    assert [s.data for s in first.audio] == payloads(sound, AudioFrame)
    assert [s.data for s in first.video + second.video] == payloads(picture, VideoFrame)


def test_a_picture_that_stops_leaves_the_sound_playing_and_comes_back(
    tools: SimpleNamespace, make_viewer: Callable[..., Any]
) -> None:
    viewer = make_viewer(window_segments=10)
    picture = tools.frames(4) + tools.frames(6, start=24_000, config=None)
    sound = tools.units(30)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    kinds = [set(media.entries) for media in viewer.media()]
    assert kinds == [{"video", "audio"}, {"audio"}, {"video", "audio"}]
    media = viewer.media()
    assert [s.data for m in media for s in m.video] == payloads(picture, VideoFrame)
    assert [s.data for m in media for s in m.audio] == payloads(sound, AudioFrame)


def test_a_still_picture_with_a_frame_every_five_seconds_plays(
    tools: SimpleNamespace, viewer: Any
) -> None:
    """Parts end within such a frame, and hold sound alone; nothing gets longer than its target."""
    picture = tools.frames(4) + tools.frames(30, fps=0.2, group=5, start=4000, config=None)
    sound = tools.units(34)
    viewer.session(tools.interleave(picture, sound))
    viewer.packager.end()
    media = viewer.media()
    assert len(media) == 1
    assert [s.data for s in media[0].video] == payloads(picture, VideoFrame)
    assert [s.data for s in media[0].audio] == payloads(sound, AudioFrame)


# ------------------------------------------------------------------ clocks


def test_the_wrap_of_rtmp_timestamps_passes_unnoticed(tools: SimpleNamespace, viewer: Any) -> None:
    picture = tools.frames(8, start=2**32 - 3000)
    sound = tools.units(8, start=2**32 - 3000)
    events = [event for pair in zip(picture, sound, strict=False) for event in pair]
    events += picture[len(sound) :] + sound[len(picture) :]
    viewer.session(events)
    viewer.packager.end()
    media = viewer.media()
    assert len(media) == 1
    assert float(media[0].video[-1].dts) == pytest.approx(8, abs=0.05)
    assert float(media[0].audio[-1].dts) == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("jump", [-3_000, -3_600_000, 11_000, 3_600_000])
def test_a_jumping_clock_is_carried_on_by_the_usual_step(
    tools: SimpleNamespace, viewer: Any, jump: int
) -> None:
    base = 10_000_000
    picture = tools.frames(4, start=base) + tools.frames(4, start=base + 4000 + jump, config=None)
    sound = tools.units(4, start=base) + tools.units(4, start=base + 4011 + jump, config=None)
    half = [
        tools.interleave(picture[:121], sound[:189]),
        tools.interleave(picture[121:], sound[189:]),
    ]
    viewer.session(half[0] + half[1])
    viewer.packager.end()
    media = viewer.media()
    assert len(media) == 1
    assert [s.data for s in media[0].audio] == payloads(sound, AudioFrame)
    video = media[0].video
    assert float(video[-1].dts) == pytest.approx(7.966, abs=0.03)
    assert max(s.duration for s in video[:-1]) < Fraction(1, 20)
    assert abs(float(video[-1].dts - media[0].audio[-1].dts)) < 0.06, "still in step"


def test_access_units_are_counted_by_1024_samples_whatever_the_rounding(
    tools: SimpleNamespace, viewer: Any
) -> None:
    """RTMP rounds to milliseconds; the durations of access units do not."""
    sound = tools.units(8, rate=44_100, config=OTHER_AAC)
    viewer.session(tools.interleave(tools.frames(8), sound))
    viewer.packager.end()
    assert {s.duration for s in viewer.media()[0].audio} == {Fraction(1024, 44_100)}


@pytest.mark.parametrize(("gap", "kept"), [(90, False), (150, True), (2000, True)])
def test_the_sample_count_follows_the_clock_only_when_100_ms_off(
    tools: SimpleNamespace, viewer: Any, gap: int, kept: bool
) -> None:
    sound = tools.units(3) + tools.units(3, start=3008 + gap, config=None)
    viewer.session(tools.interleave(tools.frames(8), sound))
    viewer.packager.end()
    audio = viewer.media()[0].audio
    assert len(audio) == len(sound) - 1
    steps = [after.dts - before.dts for before, after in itertools.pairwise(audio)]
    assert (max(steps) > Fraction(1, 10)) == kept
    expected = sound[-1].dts / 1000 - (0 if kept else gap / 1000)
    assert float(audio[-1].dts) == pytest.approx(expected, abs=0.03)


def test_sound_that_comes_too_densely_follows_the_clock_without_overlap(
    tools: SimpleNamespace, viewer: Any
) -> None:
    """An encoder that announces 44.1 kHz and sends 48 kHz, say: the count runs ahead."""
    sound = tools.units(8, config=OTHER_AAC)
    viewer.session(tools.interleave(tools.frames(8), sound))
    viewer.packager.end()
    audio = viewer.media()[0].audio
    assert len(audio) == len(sound) - 1
    for before, after in itertools.pairwise(audio):
        assert before.dts + before.duration == after.dts
        assert before.duration > 0
    for sample, unit in zip(audio, sound[1:], strict=True):
        assert abs(sample.dts - Fraction(unit.dts, 1000)) <= Fraction(13, 100)


def test_sound_whose_clock_has_nothing_to_do_with_the_picture_is_set_by_its_arrival(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture, sound = tools.frames(6), tools.units(6, start=900_000_000)
    events = [event for pair in zip(picture, sound, strict=False) for event in pair]
    viewer.session(events)
    viewer.packager.end()
    media = viewer.media()[0]
    assert float(media.audio[0].dts) < 0.2
    assert len(media.audio) == len(picture) - 1


@pytest.mark.parametrize("cts", [8_000_000, -8_000_000, 20_000])
def test_an_absurd_composition_offset_holds_nothing_up(
    tools: SimpleNamespace, viewer: Any, cts: int
) -> None:
    picture, sound = tools.frames(5, cts=(cts,)), tools.units(5)
    viewer.session(tools.interleave(picture, sound), end=False)
    assert viewer.packager.next_position >= (2, 1)
    viewer.packager.end()
    media = viewer.media()
    assert len(media) == 1
    assert [s.data for s in media[0].video] == payloads(picture, VideoFrame)
    assert len(media[0].audio) == len(sound) - 1
    assert media[0].video[0].pts == media[0].video[0].dts == 0


def test_the_wall_clock_dates_every_segment(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.packager.start_session()
    for event in both(tools, 9):
        if isinstance(event, VideoFrame | AudioFrame):
            viewer.now = 1_700_000_000 + event.dts / 1000
        viewer.send([event])
    dates = [datetime.fromisoformat(segment.date).timestamp() for segment in viewer.plain.segments]
    expected = [1_700_000_000 + 2 * index for index in range(len(dates))]
    assert dates == pytest.approx(expected, abs=0.03)
    assert dates[3] - dates[0] == pytest.approx(6, abs=0.002), "not by arrival but by duration"


def test_the_date_follows_the_wall_clock_when_the_encoder_falls_behind(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.packager.start_session()
    for event in both(tools, 9):
        if isinstance(event, VideoFrame | AudioFrame):
            late = 3 if event.dts >= 3500 else 0
            viewer.now = 1_700_000_000 + event.dts / 1000 + late
        viewer.send([event])
    seconds = [segment.date[17:19] for segment in viewer.plain.segments]
    assert seconds == ["20", "22", "27", "29"]


# ------------------------------------------------------------------ viewers


def test_the_next_part_is_hinted_and_only_it_is_expected(
    tools: SimpleNamespace, viewer: Any
) -> None:
    hinted, written = [], []
    viewer.packager.start_session()
    for event in both(tools, 9):
        viewer.send([event])
        if viewer.low_latency is None:
            continue
        hint = viewer.low_latency.hint
        if not hinted or hinted[-1] != hint:
            hinted.append(hint)
        assert viewer.packager.is_expected(hint)
        assert not viewer.packager.is_expected(hint + "x")
        assert not viewer.packager.is_expected("t0k3n-999.0.m4s")
    written = [f"t0k3n-{msn}.{part}.m4s" for msn, part in viewer.parts if msn > 0]
    assert hinted[: len(written)] == written, "every hint came true"


def test_hints_come_true_where_segments_end_between_frames_too(
    tools: SimpleNamespace, viewer: Any
) -> None:
    picture = tools.frames(4) + tools.frames(16, group=8, start=4000, config=None)
    hinted = []
    viewer.packager.start_session()
    for event in tools.interleave(picture, tools.units(20)):
        viewer.send([event])
        if viewer.low_latency is not None:
            hinted.append(viewer.low_latency.hint)
    written = {f"t0k3n-{msn}.{part}.m4s" for msn, part in viewer.parts}
    assert set(hinted[:-30]) <= written


def test_nothing_is_expected_after_the_session_or_the_end(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 4.6), end=False)
    hint = viewer.low_latency.hint
    assert viewer.packager.is_expected(hint)
    viewer.packager.end_session()
    assert viewer.packager.resource(hint) is not None, "the rest came under the hinted name"
    assert not any(
        viewer.packager.is_expected(f"t0k3n-{n}.{m}.m4s") for n in range(9) for m in range(9)
    )


@pytest.mark.parametrize(
    "name",
    ["", "t0k3n", "t0k3n-", "t0k3n-.m4s", "t0k3n-0", "0.m4s", "t0k3n-00.m4s", "t0k3n-0.00.m4s",
     "t0k3n-0.0.0.m4s", "other-0.m4s", "t0k3n-0.99.m4s", "t0k3n-99.m4s", "t0k3n--1.m4s",
     "t0k3n-0.-1.m4s", "t0k3n-init9.mp4", "t0k3n-\u0660.m4s", "t0k3n-" + "9" * 5000 + ".m4s"],
)  # fmt: skip
def test_only_exact_names_are_resources(tools: SimpleNamespace, viewer: Any, name: str) -> None:
    viewer.session(both(tools, 5), end=False)
    assert viewer.packager.resource("t0k3n-0.m4s") is not None
    assert viewer.packager.resource(name) is None


def test_a_segment_s_bytes_are_the_same_object_for_every_viewer(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 5), end=False)
    get = viewer.packager.resource
    assert get("t0k3n-0.m4s").body is get("t0k3n-0.m4s").body
    assert get("t0k3n-init0.mp4").body is get("t0k3n-init0.mp4").body


def test_a_viewer_s_token_is_on_every_uri(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.session(both(tools, 5.2), end=False)
    for low_latency in (True, False):
        master = viewer.packager.master_playlist(low_latency=low_latency, query="v=abc")
        name = "media.m3u8" if low_latency else "media-plain.m3u8"
        assert master.splitlines()[-1] == f"{name}?v=abc"
        with_token = viewer.packager.media_playlist(low_latency=low_latency, query="v=abc")
        without = viewer.packager.media_playlist(low_latency=low_latency, query="")
        assert with_token.count("?v=abc") == without.count(".m4s") + without.count(".mp4")
        assert with_token.replace("?v=abc", "") == without


def test_a_query_that_would_break_the_playlist_is_refused(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 5), end=False)
    for query in ('v="', "v=a\nb", "v= ", "v=ü", "v=#"):
        with pytest.raises(ValueError, match="query"):
            viewer.packager.media_playlist(low_latency=True, query=query)
        with pytest.raises(ValueError, match="query"):
            viewer.packager.master_playlist(low_latency=True, query=query)


def test_the_master_playlist_tells_size_rate_codecs_and_peak_bandwidth_and_stays(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session(both(tools, 9, size=2000))
    master = viewer.packager.master_playlist(low_latency=True, query="")
    stream = next(line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF:"))
    assert 'CODECS="avc1.64001f,mp4a.40.2"' in stream
    assert "RESOLUTION=1280x720" in stream
    assert "FRAME-RATE=30.000" in stream
    peak = max(
        8 * len(viewer.bodies[msn]) / segment.duration for msn, segment in viewer.segments.items()
    )
    bandwidth = int(stream.partition("BANDWIDTH=")[2].partition(",")[0])
    assert peak <= bandwidth <= peak * 1.05
    viewer.packager.end()
    assert viewer.packager.master_playlist(low_latency=True, query="") == master


def test_a_short_last_segment_with_a_large_key_frame_is_no_peak_of_bandwidth(
    tools: SimpleNamespace, viewer: Any
) -> None:
    viewer.session([*tools.frames(4), VideoFrame(4000, 0, True, bytes(50_000))])
    viewer.packager.end()
    master = viewer.packager.master_playlist(low_latency=True, query="")
    assert int(master.partition("BANDWIDTH=")[2].partition(",")[0]) < 200_000


def test_the_packager_tells_of_changes_only(tools: SimpleNamespace, viewer: Any) -> None:
    viewer.session(both(tools, 6.1), end=False)
    parts = 4 * viewer.packager.next_position[0] + viewer.packager.next_position[1]
    assert viewer.changes == parts


# ------------------------------------------------------------------ memory


def test_memory_is_bounded_by_the_window(tools: SimpleNamespace, viewer: Any) -> None:
    """Six segments listed, seven more that viewers may still fetch, one being written."""
    viewer.session(both(tools, 60, size=3000), end=False)
    largest = max(map(len, viewer.bodies.values()))
    assert viewer.peak_memory <= 15 * largest
    assert viewer.packager.memory_bytes >= 12 * largest * 0.9
    assert viewer.packager.resource("t0k3n-0.m4s") is None
    assert viewer.packager.resource("t0k3n-0.0.m4s") is None


def test_init_segments_of_dead_sessions_are_forgotten(tools: SimpleNamespace, viewer: Any) -> None:
    for _ in range(30):
        viewer.session(both(tools, 2.5))
    assert viewer.packager.resource("t0k3n-init0.mp4") is None
    assert viewer.packager.resource("t0k3n-init29.mp4") is not None


@pytest.mark.parametrize("kind", ["sound without picture", "picture without sound", "no key frame"])
def test_memory_is_bounded_when_half_of_the_media_is_missing(
    tools: SimpleNamespace, viewer: Any, kind: str
) -> None:
    if kind == "sound without picture":
        events = tools.interleave(tools.frames(1), tools.units(300))
    elif kind == "picture without sound":
        events = tools.interleave(tools.units(1), tools.frames(300, size=200))
    else:
        picture = [
            e._replace(key=False) if isinstance(e, VideoFrame) else e for e in tools.frames(300)
        ]
        events = tools.interleave(picture, tools.units(300))
    beside = _BESIDE_DATA
    media = [event for event in events if isinstance(event, VideoFrame | AudioFrame)]
    total = sum(beside + len(event.data) for event in media)
    viewer.session(events, end=False)
    held = max(viewer.packager.memory_bytes, viewer.peak_memory)
    assert held < total / 3


def test_the_last_segment_of_a_session_without_a_picture_has_the_right_date() -> None:
    """The wall clock and the media go together here, so dates differ by the durations."""
    wall = 1_700_000_000.0
    packager = Packager(name_token="t", wall_clock=lambda: wall)
    packager.start_session()
    packager.audio_config(AacConfig(b"\x11\x90", 2, 48_000, 2))
    unit = 1024 / 48_000
    for number in range(round(9 / unit)):
        wall = 1_700_000_000.0 + number * unit
        packager.audio(AudioFrame(round(number * unit * 1000), b"sound"))
    packager.end_session()
    packager.end()

    text = packager.media_playlist(low_latency=False, query="")
    dates = [
        datetime.fromisoformat(line.partition(":")[2]).timestamp()
        for line in text.splitlines()
        if line.startswith("#EXT-X-PROGRAM-DATE-TIME")
    ]
    durations = [
        float(line.partition(":")[2].rstrip(","))
        for line in text.splitlines()
        if line.startswith("#EXTINF")
    ]
    steps = [later - earlier for earlier, later in itertools.pairwise(dates)]
    assert len(steps) >= 3
    assert steps == pytest.approx(durations[:-1], abs=0.05)
