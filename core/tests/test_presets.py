"""The named encoder settings."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given, strategies as st

from headend.errors import ConfigurationError
from headend.presets import (
    DEFAULT_PRESET,
    PRESETS,
    EncodingPreset,
    find_preset,
    load_presets,
    preset,
)
from headend.settings import Configuration, HostSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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


def own(tables: str, tmp_path: Path) -> Mapping[str, EncodingPreset]:
    file = tmp_path / "headend.toml"
    file.write_text(tables, encoding="utf-8")
    return load_presets(Configuration.load({"HEADEND_CONFIG": str(file)}))


STADIUM = """
[presets.stadium]
like = "1080p"
video_bitrate = "6.5M"
frame_rate = 60
"""


def test_a_table_of_the_settings_is_a_preset_behind_those_of_headend(tmp_path: Path) -> None:
    presets = own(STADIUM, tmp_path)

    assert list(presets) == [*PRESETS, "stadium"]
    assert presets["stadium"] == attrs.evolve(
        PRESETS["1080p"], name="stadium", video_bitrate=6_500_000, frame_rate=60
    )
    assert preset("stadium", presets) is presets["stadium"]


def test_a_preset_can_be_told_whole_and_be_like_another_of_ones_own(tmp_path: Path) -> None:
    presets = own(
        """
        [presets.low]
        like = "small"
        audio_bitrate = "64k"

        [presets.small]
        width = 640
        height = 360
        video_bitrate = 800_000
        keyframe_interval = 1
        """,
        tmp_path,
    )

    assert presets["low"] == EncodingPreset(
        name="low",
        width=640,
        height=360,
        video_bitrate=800_000,
        audio_bitrate=64_000,
        keyframe_interval=1,
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('like = "1080"', "[presets.x] like: no encoding preset '1080'; there are 1080p, 720p"),
        ("like = 720", "[presets.x] like: must be the name of a preset, not 720"),
        ('like = "x"', "[presets.x] like: goes round: x like x"),
        ("width = 640", "[presets.x] height: is missing"),
        ('like = "480p"\nheigth = 360', "[presets.x] heigth: no such field of a preset: known are"),
        ('like = "480p"\nname = "y"', "[presets.x] name: is the name of the table"),
        ('like = "480p"\nwidth = 853', "[presets.x]: width and height must be even, not 853x480"),
        ('like = "480p"\nwidth = "wide"', "[presets.x] width: must be a whole number, not 'wide'"),
        ('like = "480p"\nwidth = true', "[presets.x] width: must be a whole number, not True"),
        ('like = "480p"\nframe_rate = 0', "[presets.x]: frame_rate must be more than 0, not 0"),
        ('like = "480p"\nkeyframe_interval = 0.01', "[presets.x]: keyframe_interval must be a"),
        (
            'like = "480p"\nvideo_bitrate = "4500kbit"',
            "[presets.x] video_bitrate: must be bits per second such as 4500k, 4.5M or 4500000, no",
        ),
        ('like = "480p"\naudio_bitrate = "0.5"', "[presets.x] audio_bitrate: must be bits per"),
        ('like = "480p"\nvideo_bitrate = 1.5', "[presets.x] video_bitrate: must be a whole number"),
    ],
)
def test_what_makes_no_preset_is_told_with_its_table_and_field(
    table: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        own(f"[presets.x]\n{table}", tmp_path)

    assert any(one.startswith(f"HEADEND_CONFIG: {words}") for one in caught.value.problems)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("presets = 3", "[presets] must be a table"),
        ("[presets]\nx = 3", "[presets.x]: must be a table, not 3"),
        ('[presets."a b"]\nlike = "720p"', "[presets.a b]: a name has letters, digits"),
        ('[presets.720p]\nlike = "1080p"', "[presets.720p]: is a preset of headend: take another"),
        (
            '[presets.a]\nlike = "b"\n[presets.b]\nlike = "a"',
            "[presets.b] like: goes round: a like b like a",
        ),
    ],
)
def test_so_is_what_is_no_table_of_a_preset(file: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        own(file, tmp_path)

    (problem,) = caught.value.problems
    assert problem.startswith(f"HEADEND_CONFIG: {words}")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        own('[presets.a]\nlike = "x"\n[presets.b]\nwidth = "x"\nheigth = 3', tmp_path)

    assert len(caught.value.problems) == 2


def test_a_preset_of_headend_is_found_whatever_the_settings_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "headend.toml"
    monkeypatch.setenv("HEADEND_CONFIG", str(file))
    assert find_preset("480p") is PRESETS["480p"]

    with pytest.raises(ConfigurationError):
        find_preset("stadium")
    file.write_text(STADIUM, encoding="utf-8")
    assert find_preset("stadium").frame_rate == 60
    with pytest.raises(ValueError, match="there are 1080p, 720p, 480p, stadium; did you mean stad"):
        find_preset("stadion")


@given(bits=st.integers(1, 10**9))
def test_a_bitrate_is_the_same_in_bits_kilobits_and_megabits(bits: int) -> None:
    def made(text: object) -> int:
        table = {"like": "720p", "video_bitrate": text}
        configuration = Configuration(
            environ={}, tables={"presets": {"x": table}}, host=HostSettings()
        )
        return load_presets(configuration)["x"].video_bitrate

    assert made(bits) == made(str(bits)) == made(f"{bits // 1000}.{bits % 1000:03}k") == bits
    assert made(f"{Decimal(bits) / 10**6:f}M") == bits
