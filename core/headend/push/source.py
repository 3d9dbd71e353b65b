"""Where frames come from: the protocol of all sources, and video files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from headend.push.errors import SourceError
from headend.push.pyav import av

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from headend.presets import EncodingPreset

    Frame = av.VideoFrame | av.AudioFrame

__all__ = ["FileSource", "MediaSource"]

_SAMPLE_BYTES: Final = 4
# Containers round time stamps to milliseconds; a picture that is this little late, in seconds,
# counts as on time.
_PICTURE_TOLERANCE: Final = 0.002
# Running sound that is this far from where its time stamp wants it is moved there, in seconds.
# Less is rounding, and moving it would be heard.
_SOUND_TOLERANCE: Final = 0.04
_UNSPECIFIED: Final = 2
_HIGH_DEFINITION: Final = 720


class MediaSource(Protocol):
    """Gives raw frames that fit a preset, as fast as they are asked for."""

    def frames(self, preset: EncodingPreset) -> Iterator[Frame]:
        """Give video and audio in turn: a video frame, then the sound of its duration.

        Video is yuv420p in the preset's size, BT.709 in limited range, with `pts` 0, 1, 2 …
        in units of 1/`frame_rate` s; audio is fltp stereo at the preset's sample rate with
        `pts` counting samples from 0, without gaps.  It stops when the source is at its end.
        """
        ...


class FileSource:
    """A video file, fitted to the preset.

    The picture keeps its aspect ratio and gets black bars where it does not fill; rotation
    and oblong pixels are made upright and square.  Frames are repeated or left out for a
    constant frame rate.  Sound is resampled; where there is none there is silence, and it is
    cut or filled to the length of the video.

    Args:
        path: the file, in any format that PyAV reads.
        loop: begin again at the end, without a break, for ever.

    Raises:
        SourceError: the file is missing, is no media, or has no video.
    """

    def __init__(self, path: str | os.PathLike[str], *, loop: bool = False) -> None:
        self._path = Path(path)
        self._loop = loop
        if not self._path.is_file():
            raise SourceError(f"there is no file {self._path}")
        with self._open() as container:
            self._video(container)

    def frames(self, preset: EncodingPreset) -> Iterator[Frame]:
        """Give frames as `headend.push.MediaSource` describes.

        Raises:
            SourceError: the file cannot be read any more, or not one frame can be decoded.
        """
        number = 0
        while True:
            first = number
            # Read twice, so that each track is decoded only as far as it is needed, however
            # the file interleaves them.
            with self._open() as for_video, self._open() as for_audio:
                stream = self._video(for_video)
                film = _timed(for_video, stream, preset.frame_rate)
                opening = next(film, None)
                if opening is None:
                    raise SourceError(f"not one frame of {self._path.name} can be decoded")
                # The first picture is the beginning: sound from before it is left out.
                origin = opening.begin
                audio = _AudioTrack(for_audio, origin, preset, first)
                fit = _Fit(preset, stream.sample_aspect_ratio or Fraction(1))
                for picture in _at_constant_rate(opening, film, preset.frame_rate):
                    frame = fit(picture)
                    frame.pts = number
                    frame.time_base = Fraction(1, preset.frame_rate)
                    yield frame
                    number += 1
                    yield audio.until(number)
            if not self._loop:
                return

    def _open(self) -> av.container.InputContainer:
        try:
            return av.open(str(self._path.resolve()), "r")
        except (av.error.FFmpegError, OSError) as error:
            reason = error.strerror or str(error)
            raise SourceError(f"{self._path.name} cannot be read as media: {reason}") from error

    def _video(self, container: av.container.InputContainer) -> av.VideoStream:
        for stream in container.streams.video:
            # The cover of a song is stored as a video stream too.
            if not stream.disposition & av.stream.Disposition.attached_pic:
                return stream
        raise SourceError(f"{self._path.name} has no video")


class _Timed(NamedTuple):
    """A decoded picture and when it is seen, in seconds by the file's clock."""

    picture: av.VideoFrame
    begin: float
    end: float


def _timed(
    container: av.container.InputContainer, stream: av.VideoStream, default_rate: int
) -> Iterator[_Timed]:
    stream.thread_type = "AUTO"
    duration = 1 / float(stream.average_rate or default_rate)
    end = 0.0
    for frame in _decoded(container, stream):
        if isinstance(frame, av.VideoFrame):
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


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream
) -> Iterator[Frame]:
    """Decode one stream to its end; damaged packets are left out."""
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    if isinstance(frame, av.VideoFrame | av.AudioFrame):
                        yield frame
            except av.error.InvalidDataError:
                continue
    except av.error.FFmpegError as error:
        raise SourceError(f"reading failed: {error.strerror or error}") from error


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
    """The sound of one pass through a file, cut to the duration of video frames."""

    def __init__(
        self,
        container: av.container.InputContainer,
        origin: float,
        preset: EncodingPreset,
        first_frame: int,
    ) -> None:
        self._rate = preset.audio_sample_rate
        self._frame_rate = preset.frame_rate
        self._begin = self._position = first_frame * self._rate // self._frame_rate
        self._blocks = self._resampled(container, origin)
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
        self, container: av.container.InputContainer, origin: float
    ) -> Iterator[tuple[int | None, tuple[bytes, ...]]]:
        """Give blocks of sound: the sample number where each belongs, and both channels."""
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            return
        shape: tuple[object, ...] | None = None
        resampler = av.AudioResampler("fltp", "stereo", self._rate)
        for frame in _decoded(container, stream):
            if not isinstance(frame, av.AudioFrame):
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
