"""The test picture and its tone, before encoding."""

from __future__ import annotations

import itertools
from array import array
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

import attrs
import pytest

from headend.presets import PRESETS
from headend.push import PatternSource, read_frame_counter
from headend.push.pattern import tone

if TYPE_CHECKING:
    import av

    from headend.presets import EncodingPreset

NOON = datetime(2026, 3, 4, 12, 0, 59, tzinfo=UTC).timestamp()


def split(
    source: PatternSource, preset: EncodingPreset, count: int
) -> tuple[list[av.VideoFrame], list[av.AudioFrame]]:
    frames = list(itertools.islice(source.frames(preset), 2 * count))
    return frames[0::2], frames[1::2]  # type: ignore[return-value]  # they take turns


def luma(frame: av.VideoFrame) -> bytes:
    return bytes(memoryview(frame.planes[0]))


def samples(frame: av.AudioFrame) -> array[float]:
    return array("f", bytes(memoryview(frame.planes[0]))[: 4 * frame.samples])


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_each_frame_bears_its_number_and_time(preset: EncodingPreset) -> None:
    video, _ = split(PatternSource(), preset, 4)
    for number, frame in enumerate(video):
        assert (frame.width, frame.height) == (preset.width, preset.height)
        assert (frame.pts, frame.time_base) == (number, Fraction(1, 30))
        stride = frame.planes[0].line_size
        assert read_frame_counter(luma(frame), frame.width, frame.height, stride) == number


def test_every_frame_differs_from_the_one_before_it(tiny: EncodingPreset) -> None:
    video, _ = split(PatternSource(wall_clock=None), tiny, 35)
    below_barcode = [luma(frame)[frame.planes[0].line_size * 23 :] for frame in video]
    assert all(one != other for one, other in itertools.pairwise(below_barcode))


def test_the_wall_clock_is_in_the_picture_when_there_is_one(tiny: EncodingPreset) -> None:
    def picture(wall_clock: float | None) -> bytes:
        source = PatternSource(wall_clock=None if wall_clock is None else lambda: wall_clock)
        return luma(split(source, tiny, 1)[0][0])

    assert picture(NOON) == picture(NOON + 0.9)
    assert len({picture(NOON), picture(NOON + 1), picture(None)}) == 3


@pytest.mark.parametrize(("width", "height"), [(64, 32), (180, 320), (1000, 100), (426, 240)])
def test_any_even_size_can_be_drawn(tiny: EncodingPreset, width: int, height: int) -> None:
    preset = attrs.evolve(tiny, width=width, height=height)
    video, _ = split(PatternSource(), preset, 300)
    stride = video[-1].planes[0].line_size
    assert read_frame_counter(luma(video[-1]), width, height, stride) == 299


def test_it_ends_after_the_frames_asked_for(tiny: EncodingPreset) -> None:
    assert len(list(PatternSource(frame_count=7).frames(tiny))) == 14


@pytest.mark.parametrize(("frame_rate", "sample_rate"), [(30, 48_000), (24, 44_100), (50, 22_050)])
def test_sound_has_no_gap_and_each_second_begins_with_the_beep(
    tiny: EncodingPreset, frame_rate: int, sample_rate: int
) -> None:
    preset = attrs.evolve(tiny, frame_rate=frame_rate, audio_sample_rate=sample_rate)
    _, audio = split(PatternSource(), preset, 2 * frame_rate + 1)
    position = 0
    whole = array("f")
    for frame in audio:
        assert (frame.pts, frame.time_base) == (position, Fraction(1, sample_rate))
        assert bytes(memoryview(frame.planes[0])) == bytes(memoryview(frame.planes[1]))
        position += frame.samples
        whole += samples(frame)
    second = tone(sample_rate)
    assert whole[: 2 * sample_rate] == second + second
    # The beep begins in frame 0, 60, 120 … with their very first sample.
    assert audio[frame_rate].pts == sample_rate
    assert samples(audio[2 * frame_rate]) == second[: audio[2 * frame_rate].samples]


def test_the_beep_is_a_tenth_of_a_second_of_one_kilohertz() -> None:
    second = tone(48_000)
    assert len(second) == 48_000
    assert not any(second[4800:])
    assert max(second) == pytest.approx(0.25)
    upward = [
        index for index, (one, other) in enumerate(itertools.pairwise(second)) if one < 0 <= other
    ]
    assert {other - one for one, other in itertools.pairwise(upward)} <= {47, 48, 49}
    assert len(upward) in {99, 100}
