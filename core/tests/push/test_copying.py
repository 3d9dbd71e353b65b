"""What is sent as it is, and why something is not."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import av
import pytest

from headend.encoding import StreamShape
from headend.presets import PRESETS
from headend.push import FileSource, PatternSource, Relay, SourceError
from headend.push.copying import why_not_copied, why_not_fitting
from headend.rtmp.flv import AUDIO, VIDEO

if TYPE_CHECKING:
    from pathlib import Path

FITS = StreamShape(
    video_codec="h264",
    width=1280,
    height=720,
    frame_rate=30.0,
    pixel_format="yuv420p",
    video_bitrate=3_200_000,
    keyframe_interval=2.0,
    audio_codec="aac",
    audio_profile="LC",
    audio_bitrate=128_000,
    audio_channels=2,
)


def units(path: Path) -> tuple[list[bytes], list[bytes]]:
    """Return the coded pictures and the access units of a file."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        video = [bytes(packet) for packet in packets if packet.stream.type == "video"]
        audio = [bytes(packet) for packet in packets if packet.stream.type == "audio"]
    return video, audio


def carried(tags: list) -> tuple[list[bytes], list[bytes]]:
    """Return the same of FLV tags, whose headers are 5 and 2 bytes (FLV, E.4.3.1 and E.4.2.1)."""
    video = [tag.payload[5:] for tag in tags if tag.type == VIDEO and tag.payload[1] == 1]
    audio = [tag.payload[2:] for tag in tags if tag.type == AUDIO and tag.payload[1] == 1]
    return video, audio


def written(
    path: Path, *, codec: str = "libx264", audio: str | None = "aac", **more: object
) -> Path:
    """Write a second of grey."""
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=30)
        video.width, video.height, video.pix_fmt = 320, 180, str(more.get("pix_fmt", "yuv420p"))
        video.max_b_frames = 2
        sound = out.add_stream(audio, rate=48000, layout="stereo") if audio else None
        for number in range(30):
            frame = av.VideoFrame(320, 180, video.pix_fmt)
            for plane in frame.planes:
                plane.update(bytes([number * 5 % 256]) * plane.buffer_size)
            frame.pts = number
            out.mux(video.encode(frame))
            if sound is not None:
                block = av.AudioFrame(format="fltp", layout="stereo", samples=1600)
                for plane in block.planes:
                    plane.update(bytes(plane.buffer_size))
                block.sample_rate, block.pts = 48000, number * 1600
                out.mux(sound.encode(block))
        out.mux(video.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))
    return path


def test_a_fitting_file_is_carried_bit_by_bit(fitting_file, tiny, decode):
    tags = list(FileSource(fitting_file).tags())
    assert carried(tags) == units(fitting_file)
    seen = decode(tags)
    assert seen.counters == list(range(60))
    assert seen.onsets() == pytest.approx([0, 1], abs=0.04)
    assert [tag.timestamp for tag in tags] == sorted(tag.timestamp for tag in tags)


@pytest.mark.parametrize("name", ["film.mkv", "film.ts", "film.mp4"])
def test_b_frames_and_the_formats_of_files_change_nothing(name, tmp_path, as_flv):
    path = written(tmp_path / name)
    tags = list(FileSource(path).tags())
    with av.open(str(path)) as container:
        pictures = [
            (frame.time, frame.to_ndarray().tobytes()) for frame in container.decode(video=0)
        ]
    with av.open(io.BytesIO(as_flv(tags))) as container:
        again = [(frame.time, frame.to_ndarray().tobytes()) for frame in container.decode(video=0)]
    assert [data for _, data in again] == [data for _, data in pictures]
    shift = again[0][0] - pictures[0][0]
    assert [at - shift for at, _ in again] == pytest.approx([at for at, _ in pictures], abs=0.002)
    assert len(carried(tags)[1]) == pytest.approx(len(units(path)[1]), abs=1)


def test_a_loop_goes_on_without_a_gap_or_a_step_back(fitting_file, decode):
    tags = []
    for tag in FileSource(fitting_file, loop=True).tags():
        tags.append(tag)
        if tag.timestamp > 5900:
            break
    seen = decode(tags)
    assert seen.counters[:170] == [*range(60), *range(60), *range(50)]
    steps = [after - before for before, after in pairwise(seen.video_times)]
    assert min(steps) > 0.03
    assert max(steps) < 0.08
    assert seen.onsets() == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.1)
    video = [tag.timestamp for tag in tags if tag.type == VIDEO]
    audio = [tag.timestamp for tag in tags if tag.type == AUDIO]
    assert video == sorted(video)
    assert audio == sorted(audio)


def test_what_fits_is_copied_unless_asked_otherwise(fitting_file, tiny, ingest):
    source = FileSource(fitting_file)
    assert Relay(source, [ingest.target()], preset=tiny).copied
    assert Relay(source, [ingest.target()], preset="720p", copy=True).copied
    assert not Relay(source, [ingest.target()], preset=tiny, copy=False).copied
    assert not Relay(source, [ingest.target()], preset="720p").copied


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("film.webm", {"codec": "libvpx", "audio": "libopus"}, "its video is vp8, not h264"),
        ("film.mkv", {"audio": "libopus"}, "its sound is opus, not aac"),
        ("film.mp4", {"pix_fmt": "yuv444p"}, "its pictures are yuv444p"),
    ],
)
def test_what_rtmp_cannot_carry_is_not_copied_and_the_reason_told(
    tmp_path, ingest, name, options, why
):
    source = FileSource(written(tmp_path / name, **options))
    with pytest.raises(SourceError, match=f"cannot be copied: {why}"):
        Relay(source, [ingest.target()], copy=True)
    assert not Relay(source, [ingest.target()]).copied


def test_the_test_picture_is_no_copy(ingest):
    with pytest.raises(SourceError, match="nothing to copy"):
        Relay(PatternSource(), [ingest.target()], copy=True)


def test_the_shape_of_a_file_is_measured(fitting_file):
    shape = FileSource(fitting_file).shape()
    assert (shape.width, shape.height, shape.frame_rate) == (320, 180, 30)
    assert shape.keyframe_interval == pytest.approx(2.0, abs=0.04)
    assert 200_000 < shape.video_bitrate < 400_000
    assert (shape.video_codec, shape.audio_codec, shape.audio_profile) == ("h264", "aac", "LC")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"video_codec": "hevc"}, "its video is hevc, not h264"),
        ({"pixel_format": "yuv420p10le"}, "its pictures are yuv420p10le"),
        ({"audio_codec": "mp3"}, "its sound is mp3, not aac"),
        ({"audio_profile": "HE-AAC"}, "its sound is HE-AAC"),
        ({"audio_codec": None}, "it has no sound"),
        ({"width": 1920, "height": 1080}, "it is 1920x1080, not 1280x720"),
        ({"upright": False}, "turned"),
        ({"frame_rate": 25.0}, "it has 25 frames per second, not 30"),
        ({"frame_rate": None}, "an unknown number of frames"),
        ({"video_bitrate": 3_400_000}, r"its video is 3.4 Mbit/s; 3.0 Mbit/s are asked for"),
        ({"video_bitrate": None}, "unknown bit rate"),
        ({"keyframe_interval": 8.3}, r"its key frames are 8.3 s apart, not 2 s"),
        ({"keyframe_interval": None}, "an unknown time apart"),
        ({"audio_channels": 6}, "6 channels"),
    ],
)
def test_each_thing_that_does_not_fit_is_told(change, why):
    assert why_not_fitting(FITS, PRESETS["720p"]) is None
    assert why in why_not_fitting(attrs.evolve(FITS, **change), PRESETS["720p"])


def test_a_copy_needs_no_preset_but_what_players_take():
    assert why_not_copied(attrs.evolve(FITS, width=640, frame_rate=None, audio_codec=None)) is None
