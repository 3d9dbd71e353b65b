"""Named encoder settings, as plain data: those of headend, and a host's own.

A table of the configuration file makes one of the host's own, with the fields of `EncodingPreset`
as keys; ``like`` takes what it does not name from another preset::

    [presets.stadium]
    like = "1080p"
    video_bitrate = "6500k"
    frame_rate = 60

Importing this needs no media library: a host can read what `720p` means without PyAV.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from math import isclose
from types import MappingProxyType
from typing import Final

import attrs

from headend.errors import ConfigurationError
from headend.settings import (
    CONFIG_VARIABLE,
    Configuration,
    structure_options,
    unknown_options,
)

__all__ = [
    "DEFAULT_PRESET",
    "PRESETS",
    "EncodingPreset",
    "find_preset",
    "load_presets",
    "preset",
]


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


def preset(
    name: str = DEFAULT_PRESET, presets: Mapping[str, EncodingPreset] = PRESETS
) -> EncodingPreset:
    """Return the preset of that name.

    Args:
        name: how people call it.
        presets: those that there are: `load_presets` returns a host's own as well.

    Raises:
        ValueError: there is none; the message names those that exist, the closest first.
    """
    found = presets.get(name)
    if found is not None:
        return found
    message = f"no encoding preset {name!r}; there are {', '.join(presets)}"
    if closest := difflib.get_close_matches(name.lower(), presets, n=1, cutoff=0.3):
        message += f"; did you mean {closest[0]}?"
    raise ValueError(message)


def find_preset(
    name: str = DEFAULT_PRESET, configuration: Configuration | None = None
) -> EncodingPreset:
    """Return one of headend's presets or of the host's own.

    The host's settings are read for the latter only, so that theirs can disturb nobody else.

    Args:
        name: how people call it.
        configuration: the file and the environment; without it they are read here.

    Raises:
        ValueError: there is none; the message names those that exist, the closest first.
        ConfigurationError: the host's own presets are wrong.
    """
    if name in PRESETS:
        return PRESETS[name]
    return preset(name, load_presets(configuration or Configuration.load()))


def load_presets(configuration: Configuration) -> Mapping[str, EncodingPreset]:
    """Return the presets that come with headend and, behind them, the host's own, by name.

    Raises:
        ConfigurationError: a table of the configuration file makes no preset; it tells all
            problems, each with its table and field.
    """
    return _OwnPresets(configuration.presets_table).load()


_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_BITRATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kM]?)")
_UNITS: Final = {"": 1, "k": 1000, "M": 1_000_000}
_FROM: Final = "like"


class _OwnPresets:
    """Makes presets of the tables of a configuration file."""

    def __init__(self, tables: Mapping[str, object]) -> None:
        self._tables = tables
        self._made: dict[str, EncodingPreset | None] = dict(PRESETS)
        self._problems: list[str] = []

    def load(self) -> Mapping[str, EncodingPreset]:
        for name in self._tables:
            if name in PRESETS:
                self._complain(name, "is a preset of headend: take another name")
            else:
                self._make(name, ())
        if self._problems:
            raise ConfigurationError.of("headend", self._problems)
        return MappingProxyType({name: made for name, made in self._made.items() if made})

    def _make(self, name: str, waiting: tuple[str, ...]) -> EncodingPreset | None:
        """Make one, after the one that it is like; `None` where that cannot be done."""
        if name in self._made:
            return self._made[name]
        self._made[name] = None
        table = self._tables[name]
        if not _NAME.fullmatch(name):
            self._complain(name, "a name has letters, digits, dots, - and _ only, 40 at most")
        elif not isinstance(table, Mapping):
            self._complain(name, f"must be a table, not {table!r}")
        else:
            self._made[name] = self._of(name, table, (*waiting, name))
        return self._made[name]

    def _of(
        self, name: str, table: Mapping[str, object], waiting: tuple[str, ...]
    ) -> EncodingPreset | None:
        before = len(self._problems)
        given: dict[str, object] = {}
        if _FROM in table:
            other = self._like(name, table[_FROM], waiting)
            if other is None:
                return None
            given = attrs.asdict(other)
        own = {key: value for key, value in table.items() if key not in (_FROM, "name")}
        if "name" in table:
            self._complain(name, "is the name of the table", "name")
        for key, words in unknown_options(EncodingPreset, own, what="field of a preset"):
            self._complain(name, words, key)
        for key, value in own.items():
            try:
                given[key] = _bits(value) if key.endswith("_bitrate") else value
            except ValueError as error:
                self._complain(name, str(error), key)
        if len(self._problems) > before:
            return None
        made, wrong = structure_options(EncodingPreset, {**given, "name": name})
        for key, words in wrong:
            of_a_field = key in {one.name for one in attrs.fields(EncodingPreset)}
            self._complain(name, words, key if of_a_field else "")
        return made

    def _like(self, name: str, other: object, waiting: tuple[str, ...]) -> EncodingPreset | None:
        if not isinstance(other, str):
            self._complain(name, f"must be the name of a preset, not {other!r}", _FROM)
        elif other in waiting:
            self._complain(name, f"goes round: {' like '.join((*waiting, other))}", _FROM)
        elif other not in PRESETS and other not in self._tables:
            known = {**PRESETS, **dict.fromkeys(self._tables, PRESETS[DEFAULT_PRESET])}
            try:
                preset(other, known)
            except ValueError as error:
                self._complain(name, str(error), _FROM)
        else:
            found = self._make(other, waiting)
            if found is None and not any(f"[presets.{other}]" in one for one in self._problems):
                self._complain(name, f"{other} is no preset", _FROM)
            return found
        return None

    def _complain(self, name: str, words: str, key: str = "") -> None:
        where = f"[presets.{name}]" + (f" {key}" if key else "")
        self._problems.append(f"{CONFIG_VARIABLE}: {where}: {words}")


def _bits(value: object) -> object:
    """Return bits per second of ``4500k``, ``4.5M`` or a number."""
    if not isinstance(value, str):
        return value
    found = _BITRATE.fullmatch(value.strip())
    bits = Decimal(found[1]) * _UNITS[found[2]] if found else Decimal("NaN")
    if not found or bits != bits.to_integral_value():
        raise ValueError(f"must be bits per second such as 4500k, 4.5M or 4500000, not {value!r}")
    return int(bits)
