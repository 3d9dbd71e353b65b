"""FLV tags and the H.264 and AAC payloads in them."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from headend.rtmp.flv import (
    AacConfig,
    AudioFrame,
    AvcConfig,
    FlvError,
    FlvReader,
    Tag,
    UnsupportedCodecError,
    VideoFrame,
    parse_audio,
    parse_video,
)
from headend.rtmp.h264 import SpsError, picture_size

if TYPE_CHECKING:
    from collections.abc import Iterator

# Written by x264.
SPS_1080 = bytes.fromhex("67640028acd940780227e5c044000003000400000300c83c60c658")
AVCC_1080 = b"\x01\x64\x00\x28\xff\xe1\x00\x1b" + SPS_1080 + bytes.fromhex("01000668ebe3cb22c0")
FRAME = b"\x00\x00\x00\x03\x65\x88\x84" + b"\x00\x00\x00\x02\x41\x9a"


def video(packet_type: int, data: bytes, *, frame_type: int = 1, cts: int = 0) -> bytes:
    head = bytes((frame_type << 4 | 7, packet_type))
    return head + cts.to_bytes(3, "big", signed=True) + data


# Video.


def test_a_sequence_header_gives_codec_string_and_picture_size() -> None:
    config = parse_video(0, video(0, AVCC_1080))
    assert config == AvcConfig(AVCC_1080, 1920, 1080)
    assert isinstance(config, AvcConfig)
    assert config.codec == "avc1.640028"


@pytest.mark.parametrize(
    ("sps", "size"),
    [
        ("67640028acd940780227e5c044000003000400000300c83c60c658", (1920, 1080)),  # cropped 1088
        ("6742c01ed900a02ff97011000003000100000300320f162e48", (640, 360)),  # Baseline
        ("67640028acd94078044fde0220000003002000000643e2c5b2c0", (1920, 1080)),  # interlaced
        ("677a001ebcd940b424d8088000000300800000190f8a14cb", (720, 576)),  # 4:2:2, interlaced
        ("67f4001e919b281485fc7cf808800000030080000019078b16cb", (642, 362)),  # 4:4:4
        ("6764000df365054678f8bc05b2000003000200000300641e28532c", (322, 182)),  # monochrome
    ],
)
def test_picture_sizes_of_parameter_sets_that_x264_wrote(sps: str, size: tuple[int, int]) -> None:
    assert picture_size(bytes.fromhex(sps)) == size


class BitWriter:
    def __init__(self) -> None:
        self.text = ""

    def u(self, count: int, value: int) -> None:
        self.text += f"{value:0{count}b}"

    def ue(self, value: int) -> None:
        code = f"{value + 1:b}"
        self.text += "0" * (len(code) - 1) + code

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def nal_unit(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        raw = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
        out = bytearray(b"\x67")
        zeros = 0
        for byte in raw:
            if zeros == 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(out)


@st.composite
def parameter_sets(draw: st.DrawFn) -> tuple[bytes, tuple[int, int]]:
    """A parameter set written field by field after 7.3.2.1.1, and the size it stands for."""
    bits = BitWriter()
    profile = draw(st.sampled_from([66, 77, 88, 100, 110, 122, 244, 44]))
    bits.u(8, profile)
    bits.u(16, draw(st.sampled_from([0, 0x1E, 0xC01F, 0x0033])))
    bits.ue(draw(st.integers(0, 31)))
    chroma, apart = 1, 0
    if profile >= 100 or profile == 44:
        chroma = draw(st.sampled_from([1, 3, 0, 2, 3]))
        bits.ue(chroma)
        if chroma == 3:
            apart = draw(st.integers(0, 1))
            bits.u(1, apart)
        bits.ue(draw(st.integers(0, 6)))
        bits.ue(draw(st.integers(0, 6)))
        bits.u(1, 0)
        if draw(st.sampled_from([True, True, False])):
            bits.u(1, 1)
            for index in range(12 if chroma == 3 else 8):
                if not draw(st.booleans()):
                    bits.u(1, 0)
                    continue
                bits.u(1, 1)
                length = 16 if index < 6 else 64
                last = 8
                for scale in draw(st.lists(st.integers(0, 255), min_size=1, max_size=length)):
                    delta = (scale - last + 128) % 256 - 128
                    bits.se(delta)
                    length -= 1
                    last = scale
                    if scale == 0:
                        length = 0
                        break
                for _ in range(length):
                    bits.se(0)
        else:
            bits.u(1, 0)
    bits.ue(draw(st.integers(0, 12)))
    order = draw(st.integers(0, 2))
    bits.ue(order)
    if order == 0:
        bits.ue(draw(st.integers(0, 12)))
    elif order == 1:
        bits.u(1, 0)
        bits.se(draw(st.integers(-1000, 1000)))
        bits.se(draw(st.integers(-1000, 1000)))
        offsets = draw(st.lists(st.integers(-(2**20), 2**20), max_size=5))
        bits.ue(len(offsets))
        for offset in offsets:
            bits.se(offset)
    bits.ue(draw(st.integers(0, 16)))
    bits.u(1, 0)
    columns, rows = draw(st.integers(4, 300)), draw(st.integers(4, 200))
    frames_only = draw(st.integers(0, 1))
    bits.ue(columns - 1)
    bits.ue(rows - 1)
    bits.u(1, frames_only)
    if not frames_only:
        bits.u(1, 1)
    bits.u(1, 1)
    width, height = columns * 16, rows * 16 * (2 - frames_only)
    if draw(st.booleans()):
        left, right, top, bottom = (draw(st.integers(0, 7)) for _ in range(4))
        bits.u(1, 1)
        for crop in (left, right, top, bottom):
            bits.ue(crop)
        array_type = 0 if apart else chroma
        # Table 6-1 and equations 7-19 to 7-22.
        sub_width, sub_height = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[array_type]
        width -= sub_width * (left + right)
        height -= sub_height * (2 - frames_only) * (top + bottom)
    else:
        bits.u(1, 0)
    bits.u(1, 0)
    return bits.nal_unit(), (width, height)


@settings(max_examples=300)
@given(parameter_sets())
def test_the_picture_size_of_any_parameter_set(example: tuple[bytes, tuple[int, int]]) -> None:
    sps, size = example
    assert picture_size(sps) == size


@given(st.binary(max_size=80))
def test_random_parameter_sets_give_a_size_or_an_error(data: bytes) -> None:
    try:
        width, height = picture_size(b"\x67" + data)
    except SpsError:
        return
    assert 0 < width <= 16384
    assert 0 < height <= 16384


@pytest.mark.parametrize("cts", [0, 33, -33, 0x7FFFFF, -0x800000])
def test_the_composition_time_is_signed(cts: int) -> None:
    assert parse_video(40, video(1, FRAME, cts=cts)) == VideoFrame(40, cts, True, FRAME)


@pytest.mark.parametrize(("frame_type", "key"), [(1, True), (2, False), (3, False)])
def test_only_frame_type_1_is_a_key_frame(frame_type: int, key: bool) -> None:
    frame = parse_video(0, video(1, FRAME, frame_type=frame_type))
    assert isinstance(frame, VideoFrame)
    assert frame.key is key


@pytest.mark.parametrize(
    "payload",
    [b"", video(2, b""), b"\x57\x00", video(1, b""), b"\xd0avc1", b"\x84avc1\x00", b"\x82avc1"],
)
def test_video_payloads_without_a_frame_give_none(payload: bytes) -> None:
    assert parse_video(0, payload) is None


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"\x90hvc1\x01\x01", "HEVC"),
        (b"\x91hvc1\x00\x00\x00", "HEVC"),
        (b"\x90av01\x81", "AV1"),
        (b"\x90vp09\x00", "VP9"),
        (b"\x90vvc1\x00", "VVC"),
        (b"\x90zzz9\x00", "zzz9"),
        (b"\x90\n\x1b[2\x00", "unknown"),
        (b"\x1c\x00\x00\x00\x00", "HEVC"),
        (b"\x12\x00", "Sorenson H.263"),
        (b"\x14\x00", "VP6"),
        (b"\x1f\x00", "codec 15"),
    ],
)
def test_other_video_codecs_are_named_and_h264_is_asked_for(payload: bytes, name: str) -> None:
    with pytest.raises(UnsupportedCodecError) as caught:
        parse_video(0, payload)
    assert str(caught.value) == f"{name} video is not supported; set the encoder to H.264"


def test_multitrack_video_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedCodecError, match=r"one H\.264 video track"):
        parse_video(0, b"\x96\x00avc1\x00")


def test_h264_in_enhanced_rtmp_packets_is_read() -> None:
    assert parse_video(0, b"\x90avc1" + AVCC_1080) == AvcConfig(AVCC_1080, 1920, 1080)
    signed = b"\xa1avc1\xff\xff\xdf" + FRAME
    assert parse_video(5, signed) == VideoFrame(5, -33, False, FRAME)
    assert parse_video(5, b"\x93avc1" + FRAME) == VideoFrame(5, 0, True, FRAME)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x17\x01\x00", "cut short"),
        (b"\x90av", "cut short"),
        (b"\x91avc1\x00", "cut short"),
        (video(3, b""), "AVCPacketType 3"),
        (video(0, b"\x01\x64"), "AVCDecoderConfigurationRecord"),
        (video(0, b"\x02" + AVCC_1080[1:]), "AVCDecoderConfigurationRecord"),
        (video(0, b"\x01\x64\x00\x28\xfd\xe1" + AVCC_1080[6:]), "lengths of 2 bytes"),
        (video(0, b"\x01\x64\x00\x28\xff\xe0" + AVCC_1080[6:]), "no sequence parameter set"),
        (video(0, AVCC_1080[:20]), "cut short"),
        (video(0, AVCC_1080.replace(b"\x67\x64", b"\x68\x64")), "not a sequence parameter set"),
        (video(1, b"\x00\x00\x00\x01\x65\x88\x84\x21"), "Annex B"),
        (video(1, FRAME[:-1]), "do not add up"),
    ],
)
def test_malformed_video_says_what_is_wrong(payload: bytes, text: str) -> None:
    with pytest.raises(FlvError, match=text):
        parse_video(0, payload)


# Audio.


@pytest.mark.parametrize(
    ("asc", "object_type", "sample_rate", "channels"),
    [
        ("1210", 2, 44100, 2),
        ("1190", 2, 48000, 2),
        ("120856e500", 2, 44100, 1),  # as FFmpeg writes it, with a sync extension
        ("1588", 2, 8000, 1),
        ("17800bb80a00", 2, 6000, 1),  # the rate spelt out in 24 bits
        ("2b118800", 5, 24000, 2),  # HE-AAC: the rate of the core
        ("eb098800", 29, 24000, 1),  # HE-AAC v2
        ("11b0", 2, 48000, 6),
        ("11b8", 2, 48000, 8),
    ],
)
def test_a_sequence_header_gives_rate_and_channels(
    asc: str, object_type: int, sample_rate: int, channels: int
) -> None:
    data = bytes.fromhex(asc)
    config = parse_audio(0, b"\xaf\x00" + data)
    assert config == AacConfig(data, object_type, sample_rate, channels)
    assert isinstance(config, AacConfig)
    assert config.codec == f"mp4a.40.{object_type}"


def test_an_access_unit_is_passed_as_it_is() -> None:
    assert parse_audio(23, b"\xaf\x01\x21\x10") == AudioFrame(23, b"\x21\x10")
    assert parse_audio(23, b"\x91mp4a\x21\x10") == AudioFrame(23, b"\x21\x10")
    assert parse_audio(0, b"\x90mp4a\x12\x10") == AacConfig(b"\x12\x10", 2, 44100, 2)


@pytest.mark.parametrize("payload", [b"", b"\xaf\x01", b"\x92mp4a", b"\x91mp4a", b"\x94mp4a\x00"])
def test_audio_payloads_without_a_frame_give_none(payload: bytes) -> None:
    assert parse_audio(0, payload) is None


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"\x2f\xff", "MP3"),
        (b"\xe0\xff", "MP3"),
        (b"\xb2\x00", "Speex"),
        (b"\x70\x00", "G.711 A-law"),
        (b"\x3e\x00", "uncompressed PCM"),
        (b"\xc0\x00", "format 12"),
        (b"\x90Opus\x01", "Opus"),
        (b"\x90fLaC\x01", "FLAC"),
        (b"\x91ac-3\x01", "AC-3"),
        (b"\x91.mp3\x01", "MP3"),
    ],
)
def test_other_audio_codecs_are_named_and_aac_is_asked_for(payload: bytes, name: str) -> None:
    with pytest.raises(UnsupportedCodecError) as caught:
        parse_audio(0, payload)
    assert str(caught.value) == f"{name} audio is not supported; set the encoder to AAC"


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x95\x00mp4a", "one AAC audio track"),
        (b"\xaf\x00\x12\x14", "960 samples"),
        (b"\xaf\x00\x12\x00", "mono or stereo"),
    ],
)
def test_unusual_aac_is_refused_with_what_to_do(payload: bytes, text: str) -> None:
    with pytest.raises(UnsupportedCodecError, match=text):
        parse_audio(0, payload)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\xaf", "cut short"),
        (b"\x90mp", "cut short"),
        (b"\xaf\x00", "cut short"),
        (b"\xaf\x00\x12", "cut short"),
        (b"\xaf\x02\x00", "AACPacketType 2"),
        (b"\xaf\x00\x16\x90", "no sample rate"),
        (b"\xaf\x00\x17\x80\x00\x00\x08\x00", "no sample rate"),
        (b"\xaf\x00\x17\x80\x00\x00\x88\x00", "a sample rate of 1 Hz"),
    ],
)
def test_malformed_audio_says_what_is_wrong(payload: bytes, text: str) -> None:
    with pytest.raises(FlvError, match=text):
        parse_audio(0, payload)


@contextmanager
def tolerated_errors() -> Iterator[None]:
    """Any other exception fails the test; the text of these must be fit for a log."""
    told = ""
    try:
        yield
    except (FlvError, UnsupportedCodecError) as error:
        told = str(error)
    assert told.isprintable()


@given(st.binary(max_size=60))
def test_random_payloads_give_a_result_or_one_of_the_two_errors(data: bytes) -> None:
    for parse in (parse_video, parse_audio):
        with tolerated_errors():
            parse(0, data)


@given(st.binary(max_size=60))
def test_random_sequence_headers_give_a_configuration_or_one_of_the_two_errors(data: bytes) -> None:
    for parse, head in ((parse_video, b"\x17\0\0\0\0\x01"), (parse_audio, b"\xaf\0")):
        with tolerated_errors():
            parse(0, head + data)


# The container.

HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"


def container(tags: list[Tag]) -> bytes:
    data = HEADER
    for kind, timestamp, payload in tags:
        time = (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes((timestamp >> 24,))
        data += bytes((kind,)) + len(payload).to_bytes(3, "big") + time + bytes(3) + payload
        data += (11 + len(payload)).to_bytes(4, "big")
    return data


tags = st.builds(
    Tag, st.sampled_from([8, 9, 18]), st.integers(0, 2**32 - 1), st.binary(max_size=300)
)


@given(st.lists(tags, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_a_file_gives_its_tags_under_any_split(sent: list[Tag], cuts: list[int]) -> None:
    data = container(sent)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    reader = FlvReader()
    got: list[Tag] = []
    for start, end in itertools.pairwise(places):
        got += reader.feed(data[start:end])
    assert got == sent


def test_a_longer_header_is_skipped() -> None:
    data = b"FLV\x01\x05\x00\x00\x00\x0bXY" + bytes(4) + container([Tag(8, 1, b"a")])[13:]
    assert FlvReader().feed(data) == [Tag(8, 1, b"a")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"MP4", "not an FLV file"),
        (b"FLV\x02", "not an FLV file"),
        (b"FLV\x01\x05\x00\x00\x00\x08", "8 bytes long"),
        (b"FLV\x01\x05\x7f\x00\x00\x08", "bytes long"),
        (HEADER + b"\x0a" + bytes(10), "type 0x0a"),
        (HEADER + b"\x28" + bytes(10), "type 0x28"),  # encrypted audio
    ],
)
def test_other_files_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(FlvError, match=text):
        FlvReader().feed(data)


@given(st.binary(max_size=200))
def test_random_files_give_tags_or_an_error(data: bytes) -> None:
    for head in (b"", HEADER):
        with tolerated_errors():
            FlvReader().feed(head + data)
