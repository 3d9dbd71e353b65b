"""Whether a platform takes what an encoder sends, and why not."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st

from headend.encoding import StreamShape, allowed, codec_name, fitting, problems
from headend.facts import EncoderLimits
from headend.presets import PRESETS

CITED = {"source": "https://acme.example", "as_of": "2026-11-22"}
PRESET = PRESETS["720p"]


def limits(**more: object) -> EncoderLimits:
    return EncoderLimits(**{"name": str(more), **CITED, **more})  # type: ignore[arg-type]  # what a test gives


def shape(**more: object) -> StreamShape:
    return attrs.evolve(StreamShape.of(PRESET), **more)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("h264", "H.264"),
        ("H.264", "H.264"),
        ("avc1.64001f", "H.264"),
        ("hevc", "H.265"),
        ("H.265", "H.265"),
        ("hvc1.1.6.L93.B0", "H.265"),
        ("av01.0.04M.08", "AV1"),
        ("vp9", "VP9"),
        ("aac", "AAC"),
        ("AAC", "AAC"),
        ("mp4a.40.2", "AAC"),
        ("mp4a.40.34", "MP3"),
        ("Opus", "Opus"),
        ("pcm_s16le", "pcm_s16le"),
    ],
)
def test_a_codec_has_one_name_whoever_tells_of_it(word: str, name: str) -> None:
    assert codec_name(word) == name


def test_where_nothing_is_known_everything_is_taken() -> None:
    assert problems(PRESET, (), {}) == []
    assert problems(PRESET, (limits(),), {}) == []
    assert list(allowed(limits())) == []


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (
            {"video_codecs": ("H.265", "AV1")},
            "video_codec",
            "the video is H.264, where H.265 or AV1 is taken: encode it as H.265 or AV1",
        ),
        (
            {"audio_codecs": ("Opus",)},
            "audio_codec",
            "the audio is AAC, where Opus is taken: encode it as Opus",
        ),
        (
            {"max_bitrate": 3_127_000},
            "bitrate",
            (
                "video and audio together have 3,128,000 bits per second, where 3,127,000 are "
                "taken at most: set it to 3,127,000 or less"
            ),
        ),
        (
            {"min_bitrate": 3_129_000},
            "bitrate",
            (
                "video and audio together have 3,128,000 bits per second, where 3,129,000 are "
                "taken at least: set it to 3,129,000 or more"
            ),
        ),
        (
            {"max_width": 1278},
            "width",
            (
                "the picture is 1280 x 720 pixels, where a width of 1278 is taken at most: make it "
                "smaller"
            ),
        ),
        (
            {"max_height": 718},
            "height",
            (
                "the picture is 1280 x 720 pixels, where a height of 718 is taken at most: make it "
                "smaller"
            ),
        ),
        (
            {"max_frame_rate": 29.97},
            "frame_rate",
            (
                "the picture has 30 frames per second, where 29.97 are taken at most: set it to "
                "29.97 or less"
            ),
        ),
        (
            {"min_keyframe_interval": 2.5},
            "keyframe_interval",
            (
                "the key frames are 2 seconds apart, where 2.5 are taken at least: set it to 2.5 "
                "or more"
            ),
        ),
        (
            {"max_keyframe_interval": 1},
            "keyframe_interval",
            "the key frames are 2 seconds apart, where 1 are taken at most: set it to 1 or less",
        ),
    ],
)
def test_what_is_beyond_a_limit_is_told_with_the_limit_the_source_and_what_to_do(
    change: dict[str, object], field: str, words: str
) -> None:
    (one,) = problems(PRESET, (limits(**change),), {})

    assert (one.field, str(one), one.fatal) == (field, words, True)
    assert one.source == CITED["source"]


def test_what_is_only_advised_cuts_nobody_off() -> None:
    (one,) = problems(PRESET, (limits(max_bitrate=1, enforced=False),), {})

    assert not one.fatal
    assert "1 are advised at most" in one.what


def test_advice_is_not_given_on_what_cuts_the_encoder_off() -> None:
    advice = limits(max_bitrate=1, max_keyframe_interval=1, enforced=False)
    found = problems(PRESET, (advice, limits(max_bitrate=2)), {})

    assert [(one.field, one.fatal) for one in found] == [
        ("bitrate", True),
        ("keyframe_interval", False),
    ]


@given(
    width=st.integers(2, 4000),
    height=st.integers(2, 4000),
    most=st.tuples(*[st.integers(2, 4000)] * 2),
)
def test_a_picture_that_stands_is_taken_where_the_one_that_lies_is(
    width: int, height: int, most: tuple[int, int]
) -> None:
    them = (limits(max_width=max(most), max_height=min(most)),)
    lies, stands = shape(width=width, height=height), shape(width=height, height=width)

    fits = max(width, height) <= max(most) and min(width, height) <= min(most)
    assert (problems(lies, them, {}) == []) == (problems(stands, them, {}) == []) == fits


TIERS = (
    limits(max_bitrate=100, up_to_height=480),
    limits(max_bitrate=200, up_to_height=720),
    limits(max_bitrate=300, enforced=False),
)


@pytest.mark.parametrize(
    ("height", "most"), [(240, 100), (480, 100), (481, 200), (720, 200), (2160, 200)]
)
def test_of_tiers_of_the_height_the_lowest_that_holds_the_picture_holds(
    height: int, most: int
) -> None:
    for size in ({"width": 4000, "height": height}, {"width": height, "height": 4000}):
        found = problems(shape(**size), TIERS, {})
        (cut_off,) = (one for one in found if one.fatal)
        assert f"{most} are taken at most" in cut_off.what


BY_TYPE = (
    limits(max_bitrate=100, terms={"type": ("SMALL", "TINY")}),
    limits(max_bitrate=10_000_000, terms={"type": "LARGE"}),
)


def test_limits_hold_for_the_live_streams_that_they_are_for() -> None:
    assert problems(PRESET, BY_TYPE, {"type": "LARGE"}) == []
    for kind in ("SMALL", "TINY"):
        (one,) = problems(PRESET, BY_TYPE, {"type": kind})
        assert one.fatal
    assert problems(PRESET, BY_TYPE, {"type": "HUGE"}) == []


def test_what_depends_on_an_option_that_is_not_known_is_a_warning_that_names_it() -> None:
    (one,) = problems(PRESET, BY_TYPE, {"region": "eu"})

    assert not one.fatal
    assert one.what.startswith("where type is SMALL or TINY, video and audio together have")


def test_what_is_not_known_of_a_file_breaks_no_limit() -> None:
    them = limits(
        max_bitrate=1,
        max_frame_rate=1,
        max_keyframe_interval=1,
        audio_codecs=("Opus",),
        video_codecs=("H.264",),
    )
    file = StreamShape(video_codec="h264", width=640, height=360)

    assert problems(file, (them,), {}) == []
    assert [one.field for one in problems(attrs.evolve(file, video_bitrate=2), (them,), {})] == [
        "bitrate"
    ]


def test_a_bitrate_of_which_a_part_is_not_known_is_not_known() -> None:
    assert shape(audio_bitrate=None).bitrate is None
    assert shape(audio_bitrate=None, audio_codec=None).bitrate == PRESET.video_bitrate
    assert shape().bitrate == PRESET.bitrate


def test_a_measured_frame_rate_may_be_a_hair_beyond_the_limit() -> None:
    them = (limits(max_frame_rate=60),)

    assert problems(shape(frame_rate=60.00001), them, {}) == []
    assert problems(shape(frame_rate=60.1), them, {}) != []


def test_the_presets_that_fit_are_those_that_nothing_cuts_off() -> None:
    them = (limits(max_height=720), limits(enforced=False, max_bitrate=1))

    assert [one.name for one in fitting(PRESETS.values(), them, {})] == ["720p", "480p"]


def test_limits_are_told_in_words() -> None:
    whole = limits(
        video_codecs=("H.264", "H.265"),
        audio_codecs=("AAC",),
        min_bitrate=2e6,
        max_bitrate=14e6,
        max_width=1920,
        max_frame_rate=60,
        min_keyframe_interval=0.5,
    )

    assert list(allowed(whole)) == [
        "H.264 or H.265",
        "AAC",
        "2,000,000 to 14,000,000 bit/s",
        "1920 x any pixels at most",
        "60 frames per second at most",
        "0.5 s from key frame to key frame at least",
    ]
