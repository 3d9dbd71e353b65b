"""Sending what a source holds as it is, where that can be done."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from headend.encoding import StreamShape
from headend.push.errors import SourceError
from headend.push.muxer import FlvMuxer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headend.presets import EncodingPreset
    from headend.push.input import Input, MediaPacket
    from headend.rtmp.flv import Tag

__all__ = ["copied", "shape_of", "why_not_copied", "why_not_fitting"]

_SCANNED: Final = 30.0
_ABOVE: Final = 1.1
_RATE_TOLERANCE: Final = 0.01
_INTERVAL_TOLERANCE: Final = 0.05
_PIXEL_FORMATS: Final = frozenset({"yuv420p", "yuvj420p"})
_LEAD_IN: Final = 0.5
_MOST_BEFORE_A_KEY_FRAME: Final = 4096
_LOW_COMPLEXITY: Final = "LC"
_MOST_HELD_BY_A_DECODER: Final = 64


def shape_of(source: Input, *, scan: bool = True) -> StreamShape:
    """Read how a source is coded.

    Args:
        source: newly opened; with `scan` its first 30 s are read, so open it again to send it.
        scan: measure bit rate and key frames; else only what the container says is known.

    Raises:
        SourceError: it cannot be read.
    """
    video, audio = source.video, source.audio
    measured = _Measured(source) if scan else None
    context = video.codec_context
    aspect = video.sample_aspect_ratio
    rotation = measured.rotation if measured else 0
    return StreamShape(
        video_codec=context.name if context.name != "libx264" else "h264",
        width=context.width,
        height=context.height,
        frame_rate=float(video.average_rate) if video.average_rate else None,
        pixel_format=context.pix_fmt,
        upright=aspect in (None, 0, 1) and not rotation,
        video_bitrate=measured.video_bitrate if measured else context.bit_rate or None,
        keyframe_interval=measured.keyframe_interval if measured else None,
        audio_codec=audio.codec_context.name if audio else None,
        audio_profile=audio.codec_context.profile if audio else None,
        audio_bitrate=(audio.codec_context.bit_rate or None) if audio else None,
        audio_channels=audio.codec_context.channels if audio else 0,
    )


class _Measured:
    """What the first seconds of a source show."""

    def __init__(self, source: Input) -> None:
        video = source.video
        base = video.time_base or Fraction(1, 1000)
        size = 0
        keys: list[float] = []
        first: float | None = None
        end = 0.0
        undecided = _MOST_HELD_BY_A_DECODER
        self.rotation = 0
        for packet in source.packets(video):
            if packet.dts is None:
                continue
            at = float(packet.dts * base)
            if first is None:
                first = at
            if undecided:
                undecided -= 1
                for frame in packet.decode():
                    self.rotation = int(getattr(frame, "rotation", 0))
                    undecided = 0
            if at - first > _SCANNED:
                break
            end = at + float((packet.duration or 0) * base)
            size += packet.size
            if packet.is_keyframe:
                keys.append(at)
        seconds = end - (first or 0.0)
        declared = video.codec_context.bit_rate or 0
        self.video_bitrate = max(round(size * 8 / seconds), declared) if seconds > 0 else None
        edges = [*keys, end]
        gaps = [after - before for before, after in pairwise(edges)]
        self.keyframe_interval = max(gaps, default=None)


def why_not_copied(shape: StreamShape) -> str | None:
    """Say why RTMP or its players cannot take a source as it is; None when they can."""
    if shape.video_codec != "h264":
        return f"its video is {shape.video_codec}, not h264"
    if shape.pixel_format not in _PIXEL_FORMATS:
        return f"its pictures are {shape.pixel_format}, which players do not show; yuv420p is usual"
    if shape.audio_codec not in ("aac", None):
        return f"its sound is {shape.audio_codec}, not aac"
    if shape.audio_codec and shape.audio_profile not in (_LOW_COMPLEXITY, None):
        return f"its sound is {shape.audio_profile}; only AAC-LC is taken by every platform"
    return None


def why_not_fitting(shape: StreamShape, preset: EncodingPreset) -> str | None:
    """Say what makes a source differ from a preset; None when it can go as it is."""
    unfit = why_not_copied(shape)
    if unfit:
        return unfit
    if shape.audio_codec is None:
        return "it has no sound"
    if (shape.width, shape.height) != (preset.width, preset.height):
        return f"it is {shape.width}x{shape.height}, not {preset.width}x{preset.height}"
    if not shape.upright:
        return "its pictures are turned or have oblong pixels"
    rate = shape.frame_rate
    if rate is None or abs(rate - preset.frame_rate) > _RATE_TOLERANCE * preset.frame_rate:
        shown = "an unknown number of" if rate is None else f"{rate:g}"
        return f"it has {shown} frames per second, not {preset.frame_rate}"
    bitrate = shape.video_bitrate
    if bitrate is None or bitrate > preset.video_bitrate * _ABOVE:
        shown = "of unknown bit rate" if bitrate is None else f"{bitrate / 1e6:.1f} Mbit/s"
        return f"its video is {shown}; {preset.video_bitrate / 1e6:.1f} Mbit/s are asked for"
    interval = shape.keyframe_interval
    if interval is None or interval > preset.keyframe_interval + _INTERVAL_TOLERANCE:
        shown = "an unknown time" if interval is None else f"{interval:.1f} s"
        return f"its key frames are {shown} apart, not {preset.keyframe_interval:g} s"
    if shape.audio_channels > 2:
        return f"its sound has {shape.audio_channels} channels, not 2"
    return None


def copied(open_input: Callable[[], Input | None]) -> Iterator[Tag]:
    """Give the packets of a source as FLV tags, bit by bit as they are, from its first key frame.

    Time stamps are in milliseconds from 0 and go on from pass to pass.

    Args:
        open_input: opens the source for the next pass; None when there is none.

    Raises:
        SourceError: the source cannot be read, or is not what FLV can hold.
    """
    source = open_input()
    if source is None:
        return
    muxer = FlvMuxer()
    streams = {
        track.type: muxer.container.add_stream_from_template(track) for track in source.tracks
    }
    offset = 0.0
    while source is not None:
        with source:
            end = offset
            shifts: dict[int, int] = {}
            bases: dict[int, float] = {}
            for packet, begin in _from_the_first_key_frame(source):
                index = packet.stream_index
                if index not in shifts:
                    bases[index] = float(packet.time_base)
                    shifts[index] = round((offset - begin) / bases[index])
                stream = streams.get(packet.stream.type)
                if stream is None:
                    continue
                at = (packet.dts or 0) + shifts[index]
                packet.pts = at if packet.pts is None else packet.pts + shifts[index]
                packet.dts = at
                end = max(end, (at + (packet.duration or 0)) * bases[index])
                packet.stream = stream
                yield from muxer.mux(packet)
        if end == offset:
            raise SourceError("the source has no key frame to begin with")
        offset = end
        source = open_input()
    yield from muxer.close()


def _from_the_first_key_frame(source: Input) -> Iterator[tuple[MediaPacket, float]]:
    """Give packets, and with each the time of the first, in seconds by the source's clock."""
    begin: float | None = None
    bases = {track.index: float(track.time_base or 1) for track in source.tracks}
    early: list[tuple[MediaPacket, float]] = []
    for packet in source.packets():
        if packet.dts is None or not packet.size:
            continue
        at = packet.dts * bases[packet.stream_index]
        if begin is not None:
            if at >= begin:
                yield packet, begin
        elif packet.stream is not source.video:
            early.append((packet, at))
            del early[:-_MOST_BEFORE_A_KEY_FRAME]
        elif packet.is_keyframe:
            begin = min([at, *(time for _, time in early if time >= at - _LEAD_IN)])
            for one, time in early:
                if time >= begin:
                    yield one, begin
            yield packet, begin
