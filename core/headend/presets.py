"""Named encoder settings, as plain data.

Importing this needs no media library: a host can read what `720p` means without PyAV.
"""

from __future__ import annotations

import difflib
from math import isclose
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_PRESET", "PRESETS", "EncodingPreset", "preset"]


@attrs.frozen(kw_only=True)
class EncodingPreset:
    """What an encoder is told: H.264 video and AAC stereo audio at constant rates.

    Attributes:
        name: how people call it.
        width: picture width in pixels, even.
        height: picture height in pixels, even.
        video_bitrate: bits per second of H.264 video, constant.
        audio_bitrate: bits per second of AAC audio, constant.
        frame_rate: frames per second.
        keyframe_interval: seconds from key frame to key frame, always the same; a whole
            number of frames.
        audio_sample_rate: samples per second of each of the two audio channels.
    """

    name: str
    width: int
    height: int
    video_bitrate: int
    audio_bitrate: int = 128_000
    frame_rate: int = 30
    keyframe_interval: float = attrs.field(default=2.0, converter=float)
    audio_sample_rate: int = 48_000

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(EncodingPreset):
            value = getattr(self, field.name)
            if field.name != "name" and not value > 0:
                raise ValueError(f"{field.name} must be more than 0, not {value}")
        if self.width % 2 or self.height % 2:
            # 4:2:0 video keeps one colour sample for two pixels in each direction.
            raise ValueError(f"width and height must be even, not {self.width}x{self.height}")
        frames = self.frame_rate * self.keyframe_interval
        if not isclose(frames, round(frames)):
            raise ValueError(
                f"keyframe_interval must be a whole number of frames; {self.keyframe_interval:g} s "
                f"at {self.frame_rate} frames per second is not"
            )

    @property
    def keyframe_frames(self) -> int:
        """Frames from key frame to key frame: the length of a group of pictures."""
        return round(self.frame_rate * self.keyframe_interval)

    @property
    def bitrate(self) -> int:
        """Bits per second of video and audio together."""
        return self.video_bitrate + self.audio_bitrate


PRESETS: Final[Mapping[str, EncodingPreset]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            EncodingPreset(name="1080p", width=1920, height=1080, video_bitrate=5_000_000),
            EncodingPreset(name="720p", width=1280, height=720, video_bitrate=3_000_000),
            EncodingPreset(name="480p", width=854, height=480, video_bitrate=1_500_000),
        )
    }
)
"""The presets that come with headend, by name, largest first."""

DEFAULT_PRESET: Final = "720p"
"""The preset that is taken when none is named."""


def preset(name: str = DEFAULT_PRESET) -> EncodingPreset:
    """Return the preset of that name.

    Raises:
        ValueError: there is none; the message names those that exist, the closest first.
    """
    found = PRESETS.get(name)
    if found is not None:
        return found
    message = f"no encoding preset {name!r}; there are {', '.join(PRESETS)}"
    if closest := difflib.get_close_matches(name.lower(), PRESETS, n=1, cutoff=0.3):
        message += f"; did you mean {closest[0]}?"
    raise ValueError(message)
