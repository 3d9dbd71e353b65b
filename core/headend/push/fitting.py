"""Fits decoded pictures and sound to a preset: size, constant frame rate, steady sound."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from headend.push.pyav import av

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.presets import EncodingPreset

    Frame = av.VideoFrame | av.AudioFrame

__all__ = ["fitted"]

_SAMPLE_BYTES: Final = 4
# Containers round time stamps to milliseconds; a picture that is this little late, in seconds,
# counts as on time.
_PICTURE_TOLERANCE: Final = 0.002
# Running sound that is this far from where its time stamp wants it is moved there, in seconds.
# Less is rounding, and moving it would be heard.
_SOUND_TOLERANCE: Final = 0.04
_UNSPECIFIED: Final = 2
_HIGH_DEFINITION: Final = 720


def fitted(
    pictures: Iterator[av.VideoFrame],
    sound: Iterator[av.AudioFrame | None],
    stream: av.VideoStream,
    preset: EncodingPreset,
    first_frame: int = 0,
) -> Iterator[Frame]:
    """Give what was decoded as `headend.push.MediaSource` describes; nothing without a picture.

    The first picture is the beginning: sound from before it is left out, and where there is
    none there is silence.

    Args:
        pictures: decoded, in the order in which they are seen.
        sound: decoded, in order; None says that there is none for now, though there may be later.
        stream: where the pictures are from.
        preset: what to fit to.
        first_frame: the number of the first frame to give.
    """
    film = _timed(pictures, stream, preset.frame_rate)
    opening = next(film, None)
    if opening is None:
        return
    track = _AudioTrack(sound, opening.begin, preset, first_frame)
    fit = _Fit(preset, stream.sample_aspect_ratio or Fraction(1))
    number = first_frame
    for picture in _at_constant_rate(opening, film, preset.frame_rate):
        frame = fit(picture)
        frame.pts = number
        frame.time_base = Fraction(1, preset.frame_rate)
        yield frame
        number += 1
        yield track.until(number)


class _Timed(NamedTuple):
    """A decoded picture and when it is seen, in seconds by the file's clock."""

    picture: av.VideoFrame
    begin: float
    end: float


def _timed(
    pictures: Iterator[av.VideoFrame], stream: av.VideoStream, default_rate: int
) -> Iterator[_Timed]:
    duration = 1 / float(stream.average_rate or default_rate)
    end = 0.0
    for frame in pictures:
        begin = end if frame.pts is None else frame.time
        end = begin + duration
        yield _Timed(frame, begin, end)


def _at_constant_rate(
    opening: _Timed, film: Iterator[_Timed], frame_rate: int
) -> Iterator[av.VideoFrame]:
    """Give the picture that is to be seen at 0, 1, 2 … frame durations after the first."""
    shown = opening
    count = 0
    for following in film:
        while opening.begin + count / frame_rate < following.begin - _PICTURE_TOLERANCE:
            yield shown.picture
            count += 1
        shown = following
    # However short a film is, it has one frame, so that a loop gets on.
    while count == 0 or opening.begin + count / frame_rate < shown.end - _PICTURE_TOLERANCE:
        yield shown.picture
        count += 1


class _Fit:
    """Turns, scales and pads the pictures of one stream into the preset's size."""

    def __init__(self, preset: EncodingPreset, pixel_aspect: Fraction) -> None:
        self._preset = preset
        self._pixel_aspect = pixel_aspect
        self._shape: tuple[object, ...] | None = None
        self._graph = av.filter.Graph()

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        # A file may change its picture size or format on the way.
        shape = (picture.width, picture.height, picture.format.name, picture.rotation)
        if shape != self._shape:
            self._shape = shape
            self._graph = self._build(picture)
        self._graph.vpush(picture)
        frame = self._graph.vpull()
        frame.pict_type = av.video.frame.PictureType.NONE
        return frame

    def _build(self, picture: av.VideoFrame) -> av.filter.Graph:
        preset = self._preset
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(
                width=picture.width,
                height=picture.height,
                format=picture.format,
                time_base=Fraction(1, 1000),
            )
        ]
        # The angle is counterclockwise and a multiple of 90 in practice.
        turn = round(picture.rotation / 90) % 4
        if turn == 2:
            nodes += [graph.add("hflip"), graph.add("vflip")]
        elif turn:
            nodes.append(graph.add("transpose", "cclock" if turn == 1 else "clock"))
        wide, high = picture.width * self._pixel_aspect, Fraction(picture.height)
        if turn % 2:
            wide, high = high, wide
        scale = min(preset.width / wide, preset.height / high)
        width, height = (max(2, round(side * scale / 2) * 2) for side in (wide, high))
        # What says nothing about its colours is taken as players take it: by its size.
        matrix = "auto"
        if picture.colorspace == _UNSPECIFIED:
            matrix = "bt709" if picture.height >= _HIGH_DEFINITION else "bt601"
        nodes += [
            graph.add(
                "scale",
                f"{width}:{height}:flags=bicubic:in_color_matrix={matrix}"
                ":out_color_matrix=bt709:out_range=tv",
            ),
            graph.add("format", "yuv420p"),
            graph.add("pad", f"{preset.width}:{preset.height}:-1:-1"),
            graph.add("setsar", "1"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph


class _AudioTrack:
    """The sound of one pass through a source, cut to the duration of video frames."""

    def __init__(
        self,
        sound: Iterator[av.AudioFrame | None],
        origin: float,
        preset: EncodingPreset,
        first_frame: int,
    ) -> None:
        self._rate = preset.audio_sample_rate
        self._frame_rate = preset.frame_rate
        self._begin = self._position = first_frame * self._rate // self._frame_rate
        self._blocks = self._resampled(sound, origin)
        self._block = next(self._blocks, None)
        self._channels = (bytearray(), bytearray())
        self._runs = False

    def until(self, frame_number: int) -> av.AudioFrame:
        """Give the sound from where the last call ended to the start of that video frame."""
        end = frame_number * self._rate // self._frame_rate
        count = end - self._position
        self._fill(count)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=count)
        size = count * _SAMPLE_BYTES
        for plane, channel in zip(frame.planes, self._channels, strict=True):
            memoryview(plane)[:size] = channel[:size]
            del channel[:size]
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._position
        self._position = end
        return frame

    def _fill(self, count: int) -> None:
        """Have `count` samples ready, silence where the file has none."""
        while (missing := count - self._ready()) > 0:
            if self._block is None:
                self._silence(missing)
                return
            place, samples = self._block
            if not samples:
                self._silence(missing)
                self._block = next(self._blocks, None)
                return
            here = self._position - self._begin + self._ready()
            ahead = 0 if place is None else place - here
            tolerance = round(_SOUND_TOLERANCE * self._rate) if self._runs else 0
            if ahead > tolerance:
                self._silence(min(missing, ahead))
                continue
            late = -ahead if ahead < -tolerance else 0
            for channel, plane in zip(self._channels, samples, strict=True):
                channel.extend(plane[late * _SAMPLE_BYTES :])
            self._runs = late * _SAMPLE_BYTES < len(samples[0])
            self._block = next(self._blocks, None)

    def _ready(self) -> int:
        return len(self._channels[0]) // _SAMPLE_BYTES

    def _silence(self, count: int) -> None:
        self._runs = False
        for channel in self._channels:
            channel.extend(bytes(count * _SAMPLE_BYTES))

    def _resampled(
        self, sound: Iterator[av.AudioFrame | None], origin: float
    ) -> Iterator[tuple[int | None, tuple[bytes, ...]]]:
        """Give blocks of sound: the sample number where each belongs, and both channels.

        A block without channels says that there is no sound for now.
        """
        shape: tuple[object, ...] | None = None
        resampler = av.AudioResampler("fltp", "stereo", self._rate)
        for frame in sound:
            if frame is None:
                yield None, ()
                continue
            changed = (frame.format.name, frame.layout.name, frame.sample_rate)
            if changed != shape:
                if shape is not None:
                    yield from self._placed(resampler.resample(None), origin)
                    resampler = av.AudioResampler("fltp", "stereo", self._rate)
                shape = changed
            yield from self._placed(resampler.resample(frame), origin)
        if shape is not None:
            yield from self._placed(resampler.resample(None), origin)

    def _placed(
        self, frames: list[av.AudioFrame], origin: float
    ) -> Iterator[tuple[int | None, tuple[bytes, ...]]]:
        for frame in frames:
            place = None if frame.time is None else round((frame.time - origin) * self._rate)
            size = frame.samples * _SAMPLE_BYTES
            yield place, tuple(bytes(memoryview(plane)[:size]) for plane in frame.planes)
