"""What the encoder makes of the test picture."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs
import pytest

from headend.presets import PRESETS
from headend.push import Encoder, PatternSource
from headend.rtmp.flv import AacConfig, AvcConfig, VideoFrame, parse_audio, parse_video

if TYPE_CHECKING:
    from headend.presets import EncodingPreset

AUDIO, VIDEO, SCRIPT = 8, 9, 18


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_frame_number_survives_encoding_in_order(
    preset: EncodingPreset, pattern_tags, decode
) -> None:
    decoded = decode(pattern_tags(preset, 45))
    assert (decoded.width, decoded.height) == (preset.width, preset.height)
    assert decoded.counters == list(range(45))


def test_key_frames_come_at_exactly_the_interval_and_nowhere_else(
    tiny: EncodingPreset, pattern_tags, decode
) -> None:
    assert decode(pattern_tags(tiny, 190)).keys == [0, 60, 120, 180]
    short = attrs.evolve(tiny, keyframe_interval=0.5, frame_rate=24)
    assert decode(pattern_tags(short, 40)).keys == [0, 12, 24, 36]


@pytest.mark.parametrize("name", ["480p", "tiny"])
def test_the_bit_rate_is_what_was_asked_for(name: str, tiny: EncodingPreset, pattern_tags) -> None:
    preset = PRESETS.get(name, tiny)
    size = sum(len(tag.payload) for tag in pattern_tags(preset, 190) if tag.type == VIDEO)
    assert size * 8 / (190 / 30) == pytest.approx(preset.video_bitrate, rel=0.1)


def test_a_picture_that_stands_still_has_the_bit_rate_all_the_same(tiny: EncodingPreset) -> None:
    encoder = Encoder(tiny)
    frames = list(PatternSource(frame_count=1, wall_clock=None).frames(tiny))
    size = 0
    for number in range(120):
        frames[0].pts = number
        size += sum(len(tag.payload) for tag in encoder.encode(frames[0]) if tag.type == VIDEO)
    size += sum(len(tag.payload) for tag in encoder.finish() if tag.type == VIDEO)
    assert size * 8 / 4 == pytest.approx(tiny.video_bitrate, rel=0.15)


def test_tags_begin_with_the_codec_configurations_and_never_go_back_in_time(
    tiny: EncodingPreset, pattern_tags
) -> None:
    tags = pattern_tags(tiny, 190)
    assert tags[0].type == SCRIPT
    configs = [
        parse_video(tag.timestamp, tag.payload)
        if tag.type == VIDEO
        else parse_audio(tag.timestamp, tag.payload)
        for tag in tags[1:3]
    ]
    avc = next(config for config in configs if isinstance(config, AvcConfig))
    aac = next(config for config in configs if isinstance(config, AacConfig))
    assert (avc.width, avc.height) == (320, 180)
    assert (aac.object_type, aac.sample_rate, aac.channels) == (2, 48_000, 2)
    stamps = [tag.timestamp for tag in tags]
    assert stamps == sorted(stamps)
    assert stamps[0] == 0


def test_no_frame_waits_for_a_later_one(tiny: EncodingPreset, pattern_tags) -> None:
    frames = [
        frame
        for tag in pattern_tags(tiny, 190)
        if tag.type == VIDEO and isinstance(frame := parse_video(*tag[1:]), VideoFrame)
    ]
    assert len(frames) == 190
    assert {frame.cts for frame in frames} == {0}
    steps = {later.dts - earlier.dts for earlier, later in itertools.pairwise(frames)}
    assert steps <= {33, 34}


def test_tags_come_out_while_frames_go_in(tiny: EncodingPreset) -> None:
    encoder = Encoder(tiny)
    sent = 0
    for number, frame in enumerate(PatternSource(frame_count=30).frames(tiny)):
        sent += sum(tag.type == VIDEO for tag in encoder.encode(frame))
        assert sent >= number // 2 - 2
    encoder.finish()


def test_the_beep_is_heard_when_the_frame_of_its_second_is_seen(
    tiny: EncodingPreset, pattern_tags, decode
) -> None:
    decoded = decode(pattern_tags(tiny, 190))
    seen = [decoded.video_times[decoded.counters.index(30 * second)] for second in range(7)]
    heard = decoded.onsets()
    assert len(heard) == 7
    assert heard == pytest.approx(seen, abs=0.003)
