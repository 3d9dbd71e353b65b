"""From raw frames to FLV tags: H.264 and AAC at constant rates, ready for RTMP."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from headend.push.pyav import av
from headend.rtmp.flv import FlvReader

if TYPE_CHECKING:
    from collections.abc import Generator

    from headend.presets import EncodingPreset
    from headend.push.source import Frame, MediaSource
    from headend.rtmp.flv import Tag

__all__ = ["Encoder", "encode"]

_BT709: Final = 1
_LIMITED_RANGE: Final = 1
_VIDEO: Final = 9
_END_MARK: Final = 2


def encode(source: MediaSource, preset: EncodingPreset) -> Generator[Tag, None, None]:
    """Encode a source from its beginning to its end.

    Yields:
        FLV tags in the order in which they are to be sent, time stamps in milliseconds from
        about 0; first the stream's description, then the codec configurations, then media.
        Tags come as soon as they can: nothing is read ahead by more than a few frames.
    """
    encoder = Encoder(preset)
    for frame in source.frames(preset):
        yield from encoder.encode(frame)
    yield from encoder.finish()


class Encoder:
    """Turns frames into FLV tags, one call at a time.

    Rate control is constant: key frames at exactly the preset's interval and nowhere else, the
    coder's buffer holds one second, and no frame waits for later ones (no B frames, no
    look-ahead), because this is for live streams.
    """

    def __init__(self, preset: EncodingPreset) -> None:
        self._preset = preset
        self._output = _Output()
        # The duration in an FLV header is written by seeking back at the end; a live sender
        # cannot.  Without flushing, tags would wait in the muxer until 32 KiB are together.
        self._container = av.open(
            self._output,
            "w",
            format="flv",
            options={"flvflags": "no_duration_filesize", "flush_packets": "1"},
        )
        self._video = self._video_stream()
        self._audio = self._audio_stream()
        self._reader = FlvReader()

    def _video_stream(self) -> av.VideoStream:
        preset = self._preset
        stream = self._container.add_stream(
            "libx264",
            rate=preset.frame_rate,
            options={
                "preset": "veryfast",
                "tune": "zerolatency",
                "sc_threshold": "0",
                "keyint_min": str(preset.keyframe_frames),
                "maxrate": str(preset.video_bitrate),
                "bufsize": str(preset.video_bitrate),
                "x264-params": "nal-hrd=cbr:force-cfr=1",
            },
        )
        stream.width = preset.width
        stream.height = preset.height
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = preset.video_bitrate
        context = stream.codec_context
        context.gop_size = preset.keyframe_frames
        context.time_base = Fraction(1, preset.frame_rate)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    def _audio_stream(self) -> av.AudioStream:
        preset = self._preset
        stream = self._container.add_stream("aac", rate=preset.audio_sample_rate)
        stream.codec_context.layout = "stereo"
        stream.codec_context.format = "fltp"
        stream.bit_rate = preset.audio_bitrate
        return stream

    def encode(self, frame: Frame) -> list[Tag]:
        """Take one frame, as a `MediaSource` gives it, and return the tags that are ready."""
        if isinstance(frame, av.VideoFrame):
            # A decoded frame remembers that it was a key frame and would become one again.
            frame.pict_type = av.video.frame.PictureType.NONE
            self._container.mux(self._video.encode(frame))
        else:
            self._container.mux(self._audio.encode(frame))
        return self._reader.feed(self._output.take())

    def finish(self) -> list[Tag]:
        """Return what the encoders still hold; the encoder cannot be used afterwards."""
        self._container.mux(self._video.encode(None))
        self._container.mux(self._audio.encode(None))
        self._container.close()
        tags = self._reader.feed(self._output.take())
        # The muxer's own end mark comes last but is stamped like the last picture, so it would
        # go back in time behind the last sound.  RTMP has its own way to end.
        return [tag for tag in tags if not (tag.type == _VIDEO and tag.payload[1] == _END_MARK)]


class _Output:
    """The file that the FLV muxer believes to write."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
