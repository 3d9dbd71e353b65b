"""From raw frames to FLV tags: H.264 and AAC at constant rates, ready for RTMP."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from headend.push.muxer import FlvMuxer
from headend.push.pyav import av

if TYPE_CHECKING:
    from collections.abc import Generator

    from headend.presets import EncodingPreset
    from headend.push.source import Frame, MediaSource
    from headend.rtmp.flv import Tag

__all__ = ["Encoder", "encode"]

_BT709: Final = 1
_LIMITED_RANGE: Final = 1


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
        self._muxer = FlvMuxer()
        self._video = self._video_stream()
        self._audio = self._audio_stream()

    def _video_stream(self) -> av.VideoStream:
        preset = self._preset
        stream = self._muxer.container.add_stream(
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
        stream = self._muxer.container.add_stream("aac", rate=preset.audio_sample_rate)
        stream.codec_context.layout = "stereo"
        stream.codec_context.format = "fltp"
        stream.bit_rate = preset.audio_bitrate
        return stream

    def encode(self, frame: Frame) -> list[Tag]:
        """Take one frame, as a `MediaSource` gives it, and return the tags that are ready."""
        if isinstance(frame, av.VideoFrame):
            # A decoded frame remembers that it was a key frame and would become one again.
            frame.pict_type = av.video.frame.PictureType.NONE
            return self._muxer.mux(self._video.encode(frame))
        return self._muxer.mux(self._audio.encode(frame))

    def finish(self) -> list[Tag]:
        """Return what the encoders still hold; the encoder cannot be used afterwards."""
        tags = self._muxer.mux(self._video.encode(None))
        tags += self._muxer.mux(self._audio.encode(None))
        return tags + self._muxer.close()
