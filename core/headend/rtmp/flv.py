"""FLV tags, and the H.264 and AAC payloads that RTMP carries in them.

The layouts are those of the *Adobe Flash Video File Format Specification*, version 10.1, annex E,
and of *Enhanced RTMP* (veovera.org) for payloads that name their codec by a four-character code.
What is inside comes from ISO/IEC 14496-15 (avcC), ITU-T H.264 (the parameter set) and
ISO/IEC 14496-3 (AudioSpecificConfig).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from headend.rtmp.bits import BitReader, OutOfBitsError
from headend.rtmp.h264 import SpsError, picture_size

__all__ = [
    "AUDIO",
    "SCRIPT",
    "VIDEO",
    "AacConfig",
    "AudioFrame",
    "AvcConfig",
    "FlvError",
    "FlvReader",
    "Tag",
    "UnsupportedCodecError",
    "VideoFrame",
    "parse_audio",
    "parse_video",
]

AUDIO: Final = 8
VIDEO: Final = 9
SCRIPT: Final = 18


class UnsupportedCodecError(ValueError):
    """A well-formed payload in a codec that is not supported.

    The text is a sentence that names the codec and what to set the encoder to.
    """


class FlvError(ValueError):
    """A payload or a container that does not follow its format."""


class Tag(NamedTuple):
    """One FLV tag, which is also one RTMP media message."""

    type: int
    """8 audio, 9 video, 18 script data (`AUDIO`, `VIDEO`, `SCRIPT`)."""
    timestamp: int
    """Milliseconds, 0 to 2**32 - 1; it wraps."""
    payload: bytes
    """The tag's body, from AUDIODATA, VIDEODATA or SCRIPTDATA on."""


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """How to decode the H.264 frames that follow."""

    avcc: bytes
    """The AVCDecoderConfigurationRecord, as an MP4 ``avcC`` box holds it."""
    width: int
    """Pixels, after cropping."""
    height: int
    """Pixels, after cropping."""

    @property
    def codec(self) -> str:
        """The RFC 6381 name with profile, constraints and level, such as ``avc1.64001f``."""
        return "avc1." + self.avcc[1:4].hex()


@dataclass(frozen=True, slots=True)
class AacConfig:
    """How to decode the AAC access units that follow."""

    asc: bytes
    """The AudioSpecificConfig, as an MP4 ``esds`` box holds it."""
    object_type: int
    """MPEG-4 audio object type: 2 is AAC-LC, 5 HE-AAC (SBR), 29 HE-AAC v2."""
    sample_rate: int
    """Hz of the AAC core: an access unit is 1024 samples at this rate, with SBR too."""
    channels: int
    """Channels of the AAC core."""

    @property
    def codec(self) -> str:
        """The RFC 6381 name, such as ``mp4a.40.2``."""
        return f"mp4a.40.{self.object_type}"


class VideoFrame(NamedTuple):
    """One coded picture."""

    dts: int
    """Decoding time, milliseconds, 0 to 2**32 - 1; it wraps."""
    cts: int
    """Presentation time minus decoding time, milliseconds; may be negative."""
    key: bool
    """Whether decoding can start here."""
    data: bytes
    """NAL units, each behind its length in 4 bytes: an MP4 sample as it is."""


class AudioFrame(NamedTuple):
    """One AAC access unit."""

    dts: int
    """Milliseconds, 0 to 2**32 - 1; it wraps."""
    data: bytes
    """The raw access unit: no ADTS header."""


_VIDEO_CODECS: Final = {
    2: "Sorenson H.263",
    3: "Screen Video",
    4: "VP6",
    5: "VP6 with alpha",
    6: "Screen Video 2",
    8: "VP8",
    9: "VP9",
    12: "HEVC",  # not in the specification, but what encoders without Enhanced RTMP send
    13: "AV1",
}
_AUDIO_CODECS: Final = {
    0: "uncompressed PCM",
    1: "ADPCM",
    2: "MP3",
    3: "uncompressed PCM",
    4: "Nellymoser",
    5: "Nellymoser",
    6: "Nellymoser",
    7: "G.711 A-law",
    8: "G.711 mu-law",
    11: "Speex",
    13: "Opus",
    14: "MP3",
    15: "device-specific",
}
_FOUR_CC: Final = {
    b"hvc1": "HEVC",
    b"hev1": "HEVC",
    b"vvc1": "VVC",
    b"av01": "AV1",
    b"vp08": "VP8",
    b"vp09": "VP9",
    b"Opus": "Opus",
    b"fLaC": "FLAC",
    b"ac-3": "AC-3",
    b"ec-3": "E-AC-3",
    b".mp3": "MP3",
}
_VIDEO_AVC: Final = 7
_AUDIO_AAC: Final = 10
_AUDIO_ENHANCED: Final = 9
_FRAME_KEY: Final = 1
_FRAME_INFO: Final = 5

# Enhanced RTMP packet types.
_SEQUENCE_START: Final = 0
_CODED_FRAMES: Final = 1
_SEQUENCE_END: Final = 2
_CODED_FRAMES_X: Final = 3  # coded frames without a composition time
_VIDEO_METADATA: Final = 4
_AUDIO_CHANNELS: Final = 4


def parse_video(timestamp: int, payload: bytes) -> AvcConfig | VideoFrame | None:
    """Read the body of a video tag.

    Args:
        timestamp: the tag's timestamp in milliseconds; it becomes the frame's `dts`.
        payload: VIDEODATA (FLV, E.4.3) or an Enhanced RTMP video payload.

    Returns:
        A decoder configuration, a frame, or None for what carries neither (end of sequence,
        command frame, metadata, nothing at all).

    Raises:
        UnsupportedCodecError: the video is not H.264.
        FlvError: the payload is malformed.
    """
    if not payload:
        return None
    first = payload[0]
    if first & 0x80:
        return _enhanced_video(timestamp, payload)
    frame_type, codec = first >> 4, first & 0x0F
    if frame_type == _FRAME_INFO:
        return None
    if codec != _VIDEO_AVC:
        raise _unsupported_video(_VIDEO_CODECS.get(codec, f"codec {codec}"))
    if len(payload) < 5:
        raise FlvError("the header of an H.264 video payload is cut short")
    packet_type = payload[1]
    if packet_type == 0:
        return _avc_config(payload[5:])
    if packet_type == 1:
        return _avc_frame(
            timestamp, _signed_24(payload, 2), key=frame_type == _FRAME_KEY, data=payload[5:]
        )
    if packet_type == 2:
        return None
    raise FlvError(f"unknown AVCPacketType {packet_type}")


def _enhanced_video(timestamp: int, payload: bytes) -> AvcConfig | VideoFrame | None:
    frame_type, packet_type = payload[0] >> 4 & 0x07, payload[0] & 0x0F
    if frame_type == _FRAME_INFO:
        return None
    if len(payload) < 5:
        raise FlvError("the header of an Enhanced RTMP video payload is cut short")
    if packet_type > _VIDEO_METADATA:
        raise UnsupportedCodecError(
            "multitrack video and MPEG-2 TS in RTMP are not supported; "
            "set the encoder to one H.264 video track"
        )
    four_cc = payload[1:5]
    if four_cc != b"avc1":
        raise _unsupported_video(_name_of(four_cc))
    if packet_type == _SEQUENCE_START:
        return _avc_config(payload[5:])
    key = frame_type == _FRAME_KEY
    if packet_type == _CODED_FRAMES:
        if len(payload) < 8:
            raise FlvError("the header of an Enhanced RTMP video payload is cut short")
        return _avc_frame(timestamp, _signed_24(payload, 5), key=key, data=payload[8:])
    if packet_type == _CODED_FRAMES_X:
        return _avc_frame(timestamp, 0, key=key, data=payload[5:])
    return None


def _avc_config(avcc: bytes) -> AvcConfig:
    # ISO/IEC 14496-15, 5.3.3.1.2: version, profile, compatibility, level, NAL length size,
    # number of parameter sets, then each behind a 16-bit length.
    if len(avcc) < 8 or avcc[0] != 1:
        raise FlvError("the H.264 sequence header is not an AVCDecoderConfigurationRecord")
    length_size = (avcc[4] & 3) + 1
    if length_size != 4:
        raise FlvError(f"NAL units have lengths of {length_size} bytes; only 4 are supported")
    if not avcc[5] & 0x1F:
        raise FlvError("the H.264 sequence header holds no sequence parameter set")
    end = 8 + int.from_bytes(avcc[6:8], "big")
    if end > len(avcc):
        raise FlvError("the sequence parameter set in the H.264 sequence header is cut short")
    try:
        width, height = picture_size(avcc[8:end])
    except SpsError as error:
        raise FlvError(str(error)) from error
    return AvcConfig(avcc, width, height)


def _avc_frame(timestamp: int, cts: int, *, key: bool, data: bytes) -> VideoFrame | None:
    if not data:
        return None
    position, size = 0, len(data)
    while position < size:
        position += 4 + int.from_bytes(data[position : position + 4], "big")
    if position != size:
        raise FlvError(
            "the NAL units of a video frame do not add up to its size; "
            "are they sent with start codes (Annex B) instead of lengths?"
        )
    return VideoFrame(timestamp, cts, key, data)


def parse_audio(timestamp: int, payload: bytes) -> AacConfig | AudioFrame | None:
    """Read the body of an audio tag.

    Args:
        timestamp: the tag's timestamp in milliseconds; it becomes the frame's `dts`.
        payload: AUDIODATA (FLV, E.4.2) or an Enhanced RTMP audio payload.

    Returns:
        A decoder configuration, an access unit, or None for what carries neither.

    Raises:
        UnsupportedCodecError: the audio is not AAC, or AAC in an unusual framing.
        FlvError: the payload is malformed.
    """
    if not payload:
        return None
    codec = payload[0] >> 4
    if codec == _AUDIO_ENHANCED:
        return _enhanced_audio(timestamp, payload)
    if codec != _AUDIO_AAC:
        raise _unsupported_audio(_AUDIO_CODECS.get(codec, f"format {codec}"))
    if len(payload) < 2:
        raise FlvError("the header of an AAC audio payload is cut short")
    if payload[1] == 0:
        return _aac_config(payload[2:])
    if payload[1] == 1:
        return AudioFrame(timestamp, payload[2:]) if len(payload) > 2 else None
    raise FlvError(f"unknown AACPacketType {payload[1]}")


def _enhanced_audio(timestamp: int, payload: bytes) -> AacConfig | AudioFrame | None:
    packet_type = payload[0] & 0x0F
    if len(payload) < 5:
        raise FlvError("the header of an Enhanced RTMP audio payload is cut short")
    if packet_type not in (_SEQUENCE_START, _CODED_FRAMES, _SEQUENCE_END, _AUDIO_CHANNELS):
        raise UnsupportedCodecError(
            "multitrack audio is not supported; set the encoder to one AAC audio track"
        )
    if payload[1:5] != b"mp4a":
        raise _unsupported_audio(_name_of(payload[1:5]))
    if packet_type == _SEQUENCE_START:
        return _aac_config(payload[5:])
    if packet_type == _CODED_FRAMES and len(payload) > 5:
        return AudioFrame(timestamp, payload[5:])
    return None


# ISO/IEC 14496-3, tables 1.18 and 1.19.
_SAMPLE_RATES: Final = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
_CHANNELS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}
_AOT_SBR: Final = 5
_AOT_PS: Final = 29
_AOT_ESCAPE: Final = 31
_AOT_GENERAL: Final = frozenset({1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23})


def _aac_config(asc: bytes) -> AacConfig:
    bits = BitReader(asc[:64])
    try:
        object_type = core_type = _object_type(bits)
        sample_rate = _sample_rate(bits)
        channel_configuration = bits.u(4)
        if object_type in (_AOT_SBR, _AOT_PS):
            _sample_rate(bits)  # of the output; an access unit is timed by the core's
            core_type = _object_type(bits)
        # GASpecificConfig begins with frameLengthFlag: 960 samples instead of 1024.
        short_frames = core_type in _AOT_GENERAL and bits.u(1)
    except OutOfBitsError as error:
        raise FlvError("the AAC sequence header is cut short") from error
    if short_frames:
        raise UnsupportedCodecError(
            "AAC audio in frames of 960 samples is not supported; set the encoder to AAC-LC"
        )
    channels = _CHANNELS.get(channel_configuration)
    if channels is None:
        raise UnsupportedCodecError(
            f"AAC channel configuration {channel_configuration} is not supported; "
            "set the encoder to mono or stereo"
        )
    return AacConfig(asc, object_type, sample_rate, channels)


def _object_type(bits: BitReader) -> int:
    object_type = bits.u(5)
    return 32 + bits.u(6) if object_type == _AOT_ESCAPE else object_type


_USABLE_RATES: Final = range(4_000, 192_001)
"""Any other rate, which 24 bits can spell out, would make frames of absurd length."""


def _sample_rate(bits: BitReader) -> int:
    index = bits.u(4)
    if index == 0x0F:
        sample_rate = bits.u(24)
    else:
        sample_rate = _SAMPLE_RATES[index] if index < len(_SAMPLE_RATES) else 0
    if not sample_rate:
        raise FlvError(f"the AAC sequence header gives no sample rate (index {index})")
    if sample_rate not in _USABLE_RATES:
        raise FlvError(f"the AAC sequence header gives a sample rate of {sample_rate} Hz")
    return sample_rate


def _signed_24(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 3], "big", signed=True)


def _unsupported_video(name: str) -> UnsupportedCodecError:
    return UnsupportedCodecError(f"{name} video is not supported; set the encoder to H.264")


def _unsupported_audio(name: str) -> UnsupportedCodecError:
    return UnsupportedCodecError(f"{name} audio is not supported; set the encoder to AAC")


def _name_of(four_cc: bytes) -> str:
    known = _FOUR_CC.get(four_cc)
    if known:
        return known
    text = four_cc.decode("ascii", "replace")
    return text if text.isalnum() and text.isascii() else "unknown"


_FILE_HEADER_SIZE: Final = 9
_MAX_HEADER_SIZE: Final = 1024
_TAG_HEADER_SIZE: Final = 11
_BACK_POINTER_SIZE: Final = 4


class FlvReader:
    """Take an FLV file apart as its bytes come (FLV, E.2 and E.3).

    At most one unfinished tag, 16 MiB by the format, is held.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._in_body = False

    def feed(self, data: bytes) -> list[Tag]:
        """Take the next bytes and return the tags that they complete, in order.

        Raises:
            FlvError: not an FLV file, or an encrypted or unknown tag.
        """
        buffer = self._buffer
        buffer += data
        position = 0 if self._in_body else self._skip_header()
        tags: list[Tag] = []
        while self._in_body and len(buffer) >= position + _TAG_HEADER_SIZE:
            size = int.from_bytes(buffer[position + 1 : position + 4], "big")
            kind = buffer[position]
            if kind not in (AUDIO, VIDEO, SCRIPT):
                raise FlvError(f"FLV tag of type {kind:#04x}; only plain 8, 9 and 18 are known")
            start = position + _TAG_HEADER_SIZE
            end = start + size
            if len(buffer) < end + _BACK_POINTER_SIZE:
                break
            # The fourth byte of the timestamp, its highest, comes last.
            low = int.from_bytes(buffer[position + 4 : position + 7], "big")
            timestamp = buffer[position + 7] << 24 | low
            tags.append(Tag(kind, timestamp, bytes(buffer[start:end])))
            position = end + _BACK_POINTER_SIZE
        del buffer[:position]
        return tags

    def _skip_header(self) -> int:
        buffer = self._buffer
        if not b"FLV\x01".startswith(buffer[:4]):
            raise FlvError("not an FLV file of version 1")
        if len(buffer) < _FILE_HEADER_SIZE:
            return 0
        size = int.from_bytes(buffer[5:9], "big")
        if not _FILE_HEADER_SIZE <= size <= _MAX_HEADER_SIZE:
            raise FlvError(f"the FLV header claims to be {size} bytes long")
        body = size + _BACK_POINTER_SIZE
        self._in_body = len(buffer) >= body
        return body if self._in_body else 0
