"""The named encoder settings."""

from __future__ import annotations

import subprocess
import sys

import attrs
import pytest
from hypothesis import given, strategies as st

from headend.presets import DEFAULT_PRESET, PRESETS, EncodingPreset, preset


@pytest.mark.parametrize(
    ("name", "width", "height", "video_bitrate"),
    [
        ("1080p", 1920, 1080, 5_000_000),
        ("720p", 1280, 720, 3_000_000),
        ("480p", 854, 480, 1_500_000),
    ],
)
def test_each_preset_is_what_its_name_promises(
    name: str, width: int, height: int, video_bitrate: int
) -> None:
    assert preset(name) == EncodingPreset(
        name=name,
        width=width,
        height=height,
        video_bitrate=video_bitrate,
        audio_bitrate=128_000,
        frame_rate=30,
        keyframe_interval=2.0,
        audio_sample_rate=48_000,
    )
    assert preset(name).keyframe_frames == 60
    assert preset(name).bitrate == video_bitrate + 128_000


def test_720p_is_the_default() -> None:
    assert preset() is PRESETS[DEFAULT_PRESET] is PRESETS["720p"]


@pytest.mark.parametrize(
    ("typo", "closest"), [("720", "720p"), ("1080P", "1080p"), ("48p", "480p")]
)
def test_an_unknown_name_is_answered_with_the_closest_and_all_others(
    typo: str, closest: str
) -> None:
    with pytest.raises(ValueError, match=f"did you mean {closest}") as caught:
        preset(typo)
    assert "1080p, 720p, 480p" in str(caught.value)
    assert repr(typo) in str(caught.value)


@given(st.text())
def test_any_name_gives_a_preset_or_a_value_error(name: str) -> None:
    if name in PRESETS:
        assert preset(name).name == name
    else:
        with pytest.raises(ValueError, match="no encoding preset"):
            preset(name)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"width": 0}, "width must be more than 0"),
        ({"video_bitrate": -1}, "video_bitrate must be more than 0"),
        ({"keyframe_interval": float("nan")}, "keyframe_interval must be more than 0"),
        ({"width": 853}, "must be even"),
        ({"height": 481}, "must be even"),
        ({"keyframe_interval": 1.99}, "whole number of frames"),
        ({"frame_rate": 25, "keyframe_interval": 1.5}, "whole number of frames"),
    ],
)
def test_settings_that_no_encoder_can_keep_are_refused(
    change: dict[str, float], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        attrs.evolve(PRESETS["480p"], **change)


def test_the_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PRESETS["720p"] = PRESETS["480p"]  # type: ignore[index]  # that is the point
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        PRESETS["720p"].width = 1  # type: ignore[misc]  # that is the point


def test_reading_the_presets_imports_no_media_library() -> None:
    code = "import sys, headend.presets; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
