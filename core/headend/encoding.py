"""Whether a platform takes what an encoder sends.

Which limits there are, a provider tells in its facts (`headend.facts.EncoderLimits`); here they are
held against a preset, or against what a file has that is to be sent as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.presets import EncodingPreset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headend.facts import EncoderLimits

_CODECS: Final = (
    ("H.264", ("h264", "avc")),
    ("H.265", ("h265", "hevc", "hvc1", "hev1")),
    ("AV1", ("av1", "av01")),
    ("VP9", ("vp9", "vp09")),
    ("VP8", ("vp8", "vp08")),
    ("MP3", ("mp3", "mp4a.40.34", "mp4a.69", "mp4a.6b")),
    ("AAC", ("aac", "mp4a.40", "mp4a.66", "mp4a.67", "mp4a.68")),
    ("Opus", ("opus",)),
)
"""What people call a codec, and how the words of others for it begin."""

_TOLERANCE: Final = 1e-6
"""How much a figure may be beyond a limit, as a part of it, and still be called equal."""


def codec_name(word: str) -> str:
    """Return what people call a codec, such as ``H.264``.

    Args:
        word: FFmpeg's word (``h264``), that of a playlist (``avc1.64001f``, RFC 6381), or the
            name itself; one that is none of these is returned as it is.
    """
    plain = word.strip().lower()
    plain = {"h.264": "h264", "h.265": "h265"}.get(plain, plain)
    for name, beginnings in _CODECS:
        if plain.startswith(beginnings):
            return name
    return word


@frozen(kw_only=True)
class StreamShape:
    """What video has that is to be sent as it is; what is not known is `None`.

    Attributes:
        video_codec: such as ``"h264"``; `codec_name` tells which words there are.
        width: picture width in pixels.
        height: picture height in pixels.
        frame_rate: frames per second, or `None` where it is not known or changes.
        video_bitrate: bits per second of video.
        keyframe_interval: seconds from key frame to key frame, the longest there is.
        audio_codec: such as ``"aac"``, or `None` where there is no audio.
        audio_bitrate: bits per second of audio.
        pixel_format: FFmpeg's name, such as ``"yuv420p"``.
        upright: whether it is shown as it is coded: not turned, with square pixels.
        audio_profile: such as ``"LC"``.
        audio_channels: how many there are, 0 without audio.
    """

    video_codec: str
    width: int
    height: int
    frame_rate: float | None = None
    video_bitrate: int | None = None
    keyframe_interval: float | None = None
    audio_codec: str | None = None
    audio_bitrate: int | None = None
    pixel_format: str | None = None
    upright: bool = True
    audio_profile: str | None = None
    audio_channels: int = 0

    @classmethod
    def of(cls, preset: EncodingPreset) -> StreamShape:
        """Return what an encoder makes that keeps to a preset."""
        return cls(
            video_codec="H.264",
            width=preset.width,
            height=preset.height,
            frame_rate=preset.frame_rate,
            video_bitrate=preset.video_bitrate,
            keyframe_interval=preset.keyframe_interval,
            audio_codec="AAC",
            audio_bitrate=preset.audio_bitrate,
            audio_channels=2,
        )

    @property
    def bitrate(self) -> int | None:
        """Bits per second of video and audio together, or `None` where that is not known."""
        if self.video_bitrate is None:
            return None
        if self.audio_bitrate is None:
            return self.video_bitrate if self.audio_codec is None else None
        return self.video_bitrate + self.audio_bitrate

    @property
    def lines(self) -> int:
        """How high the picture is, or how wide one that stands: 720 for both kinds of 720p."""
        return min(self.width, self.height)


@frozen(kw_only=True)
class EncodingProblem:
    """Why a platform does not take what an encoder sends, or advises against it.

    Attributes:
        field: what it is about, as `StreamShape` calls it; ``"bitrate"`` is video and audio
            together.
        what: what is wrong, in words.
        fatal: whether the platform cuts the encoder off, or never plays what it sends; `False`
            for advice, and where it depends on an option of the live stream that is not known.
        source: where the platform says so.
        remedy: what to do about it, in words.
    """

    field: str
    what: str
    fatal: bool
    source: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def problems(
    encoding: EncodingPreset | StreamShape,
    limits: Sequence[EncoderLimits],
    terms: Mapping[str, str],
) -> list[EncodingProblem]:
    """Return why a platform does not take an encoding, what it cuts off first.

    Advice on a field for which the encoder is cut off anyway is left out.

    Args:
        encoding: what is to be sent.
        limits: what the platform takes: the `encoders` of the provider's facts.
        terms: with which options the live stream was created, as far as they are known, in the
            texts of `headend create --option`.
    """
    shape = StreamShape.of(encoding) if isinstance(encoding, EncodingPreset) else encoding
    found: dict[tuple[str, str], EncodingProblem] = {}
    for one in _holding(limits, terms, shape.lines):
        unknown = {name: values for name, values in one.terms.items() if name not in terms}
        where = " and ".join(f"{name} is {' or '.join(them)}" for name, them in unknown.items())
        for about, wrong, remedy in _wrong(shape, one):
            problem = EncodingProblem(
                field=about,
                what=f"where {where}, {wrong}" if where else wrong,
                fatal=one.enforced and not where,
                source=one.source,
                remedy=remedy,
            )
            found.setdefault((about, problem.what), problem)
    fatal = [problem for problem in found.values() if problem.fatal]
    cut_off_for = {problem.field for problem in fatal}
    advice = [problem for problem in found.values() if not problem.fatal]
    return fatal + [problem for problem in advice if problem.field not in cut_off_for]


def fitting(
    presets: Iterable[EncodingPreset], limits: Sequence[EncoderLimits], terms: Mapping[str, str]
) -> list[EncodingPreset]:
    """Return those of some presets that a platform takes."""
    return [
        preset
        for preset in presets
        if not any(problem.fatal for problem in problems(preset, limits, terms))
    ]


def allowed(limits: EncoderLimits) -> Iterator[str]:
    """Say in words what an encoder may send, or is advised to."""
    if limits.video_codecs:
        yield " or ".join(limits.video_codecs)
    if limits.audio_codecs:
        yield " or ".join(limits.audio_codecs)
    yield from _range("{} bit/s", limits.min_bitrate, limits.max_bitrate)
    if limits.max_width is not None or limits.max_height is not None:
        yield f"{limits.max_width or 'any'} x {limits.max_height or 'any'} pixels at most"
    yield from _range("{} frames per second", None, limits.max_frame_rate)
    yield from _range(
        "{} s from key frame to key frame",
        limits.min_keyframe_interval,
        limits.max_keyframe_interval,
    )


def _range(unit: str, low: float | None, high: float | None) -> Iterator[str]:
    if low is not None and high is not None:
        yield unit.format(f"{number(low)} to {number(high)}")
    elif high is not None:
        yield unit.format(number(high)) + " at most"
    elif low is not None:
        yield unit.format(number(low)) + " at least"


def number(value: float) -> str:
    """Return a number as people write it: ``3,128,000``, ``29.97``."""
    return f"{round(value):,}" if float(value).is_integer() else f"{round(value, 3):,}"


def _holding(
    limits: Iterable[EncoderLimits], terms: Mapping[str, str], lines: int
) -> Iterator[EncoderLimits]:
    """Choose those that hold for a live stream, or may, and of tiers of the height only one."""
    tiers: dict[object, list[EncoderLimits]] = {}
    for one in limits:
        if all(terms.get(name, values[0]) in values for name, values in one.terms.items()):
            tiers.setdefault((one.enforced, one.terms), []).append(one)
    for alike in tiers.values():
        tops = {_top(one) for one in alike}
        tier = min((top for top in tops if top >= lines), default=max(tops))
        yield from (one for one in alike if _top(one) == tier)


def _top(limits: EncoderLimits) -> float:
    return float("inf") if limits.up_to_height is None else limits.up_to_height


def _wrong(shape: StreamShape, limits: EncoderLimits) -> Iterator[tuple[str, str, str]]:
    """Tell what is wrong: the field, words, and what to do."""
    for medium, codec, taken in (
        ("video", shape.video_codec, limits.video_codecs),
        ("audio", shape.audio_codec, limits.audio_codecs),
    ):
        if codec and taken and codec_name(codec) not in {codec_name(one) for one in taken}:
            wanted = " or ".join(taken)
            yield (
                f"{medium}_codec",
                f"the {medium} is {codec_name(codec)}, where {wanted} is {_verb(limits)}",
                f"encode it as {wanted}",
            )
    yield from _outside(
        "bitrate",
        "video and audio together have",
        "bits per second",
        shape.bitrate,
        limits,
        least=limits.min_bitrate,
        most=limits.max_bitrate,
    )
    yield from _too_large(shape, limits)
    yield from _outside(
        "frame_rate",
        "the picture has",
        "frames per second",
        shape.frame_rate,
        limits,
        most=limits.max_frame_rate,
    )
    yield from _outside(
        "keyframe_interval",
        "the key frames are",
        "seconds apart",
        shape.keyframe_interval,
        limits,
        least=limits.min_keyframe_interval,
        most=limits.max_keyframe_interval,
    )


def _outside(
    about: str,
    subject: str,
    unit: str,
    value: float | None,
    limits: EncoderLimits,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Iterator[tuple[str, str, str]]:
    if value is None:
        return
    has = f"{subject} {number(value)} {unit}"
    # What was measured is never exact.
    if most is not None and value > most * (1 + _TOLERANCE):
        yield (
            about,
            f"{has}, where {number(most)} are {_verb(limits)} at most",
            f"set it to {number(most)} or less",
        )
    if least is not None and value < least * (1 - _TOLERANCE):
        yield (
            about,
            f"{has}, where {number(least)} are {_verb(limits)} at least",
            f"set it to {number(least)} or more",
        )


def _too_large(shape: StreamShape, limits: EncoderLimits) -> Iterator[tuple[str, str, str]]:
    size = f"the picture is {shape.width} x {shape.height} pixels"
    stands = shape.height > shape.width
    long, short = (shape.height, shape.width) if stands else (shape.width, shape.height)
    for about, side, most in (
        ("height" if stands else "width", long, limits.max_width),
        ("width" if stands else "height", short, limits.max_height),
    ):
        if most is not None and side > most:
            yield (
                about,
                f"{size}, where a {about} of {most} is {_verb(limits)} at most",
                "make it smaller",
            )


def _verb(limits: EncoderLimits) -> str:
    return "taken" if limits.enforced else "advised"
