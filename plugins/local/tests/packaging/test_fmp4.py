"""The boxes, read back by a reader of their own and by FFmpeg."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
from hypothesis import given, strategies as st

from headend.rtmp.flv import AacConfig
from headend_local.fmp4 import (
    AUDIO_TRACK,
    NO_MEDIA,
    VIDEO_TIMESCALE,
    VIDEO_TRACK,
    Sample,
    TrackRun,
    fragment,
    init_segment,
)


def test_the_init_segment_carries_both_configurations_as_they_came(tools: SimpleNamespace) -> None:
    read = tools.read_mp4(init_segment(tools.AVC, tools.AAC))
    assert read.timescales == {"video": VIDEO_TIMESCALE, "audio": 48_000}
    avc1 = tools.child(read.entries["video"], "avc1")
    assert struct.unpack_from(">HH", avc1, 24) == (1280, 720)
    assert tools.child(avc1[78:], "avcC") == tools.AVC.avcc
    mp4a = tools.child(read.entries["audio"], "mp4a")
    assert struct.unpack_from(">HH4xI", mp4a, 16) == (2, 16, 48_000 << 16)
    assert tools.child(mp4a[28:], "esds").count(tools.AAC.asc) == 1


@pytest.mark.parametrize(("video", "audio"), [(True, True), (True, False), (False, True)])
def test_the_init_segment_lists_only_the_tracks_there_are(
    tools: SimpleNamespace, video: bool, audio: bool
) -> None:
    init = init_segment(tools.AVC if video else None, tools.AAC if audio else None)
    kinds = {"video"} if video else set()
    kinds |= {"audio"} if audio else set()
    assert set(tools.read_mp4(init).entries) == kinds
    with av.open(io.BytesIO(init)) as container:
        assert {stream.type for stream in container.streams} == kinds


def test_an_init_segment_without_any_track_is_refused() -> None:
    with pytest.raises(ValueError, match="video or an audio"):
        init_segment(None, None)


def test_ffmpeg_reads_size_rate_and_codecs_from_the_init_segment(tools: SimpleNamespace) -> None:
    with av.open(io.BytesIO(init_segment(tools.AVC, tools.AAC))) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.extradata == tools.AVC.avcc
        assert (video.width, video.height) == (1280, 720)
        assert audio.codec_context.name == "aac"
        assert audio.codec_context.extradata == tools.AAC.asc
        assert (audio.rate, audio.codec_context.layout.name) == (48_000, "stereo")


def test_a_sample_rate_beyond_16_bits_is_left_to_the_media_header(tools: SimpleNamespace) -> None:
    high = AacConfig(bytes.fromhex("1010"), 2, 96_000, 2)
    read = tools.read_mp4(init_segment(None, high))
    mp4a = tools.child(read.entries["audio"], "mp4a")
    assert struct.unpack_from(">I", mp4a, 24) == (0,)
    assert read.timescales == {"audio": 96_000}


@pytest.mark.parametrize("size", [2, 5, 127, 128, 200, 20_000])
def test_a_long_audio_configuration_keeps_its_length(tools: SimpleNamespace, size: int) -> None:
    config = AacConfig(bytes(range(256)) * 100, 2, 48_000, 2)
    config = AacConfig(config.asc[:size], 2, 48_000, 2)
    read = tools.read_mp4(init_segment(None, config))
    esds = tools.child(tools.child(read.entries["audio"], "mp4a")[28:], "esds")[4:]

    def descriptors(data: bytes) -> dict[int, bytes]:
        found, at = {}, 0
        while at < len(data):
            tag, length, at = data[at], 0, at + 1
            while True:
                byte, at = data[at], at + 1
                length = length << 7 | byte & 0x7F
                if not byte & 0x80:
                    break
            found[tag] = data[at : at + length]
            at += length
        return found

    decoder = descriptors(descriptors(esds)[3][3:])[4]
    assert decoder[:2] == b"\x40\x15"
    assert descriptors(decoder[13:])[5] == config.asc


samples = st.builds(
    Sample,
    duration=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=40),
    composition_offset=st.integers(-(2**31), 2**31 - 1),
    sync=st.booleans(),
)


@given(
    number=st.integers(1, 2**32 - 1),
    video=st.none() | st.tuples(st.integers(0, 2**63), st.lists(samples, min_size=1, max_size=9)),
    audio=st.none() | st.tuples(st.integers(0, 2**63), st.lists(samples, min_size=1, max_size=9)),
)
def test_a_fragment_gives_back_every_sample_and_time(
    tools: SimpleNamespace,
    number: int,
    video: tuple[int, list[Sample]] | None,
    audio: tuple[int, list[Sample]] | None,
) -> None:
    if audio is not None:
        audio = (audio[0], [s._replace(composition_offset=0, sync=True) for s in audio[1]])
    runs = [
        TrackRun(track, *run)
        for track, run in ((VIDEO_TRACK, video), (AUDIO_TRACK, audio))
        if run is not None
    ]
    init = init_segment(tools.AVC, tools.AAC)
    read = tools.read_mp4(init + fragment(number, runs) + NO_MEDIA + fragment(number, runs))
    assert read.sequence_numbers == [number, number]
    assert read.composition_versions <= {1}
    for run in runs:
        scale = VIDEO_TIMESCALE if run.track_id == VIDEO_TRACK else 48_000
        time, expected = run.decode_time, []
        for sample in run.samples:
            expected.append(
                (
                    Fraction(time, scale),
                    Fraction(time + sample.composition_offset, scale),
                    Fraction(sample.duration, scale),
                    sample.sync,
                    sample.data,
                )
            )
            time += sample.duration
        assert (read.video if run.track_id == VIDEO_TRACK else read.audio) == expected * 2
