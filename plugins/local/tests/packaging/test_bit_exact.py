"""Real H.264 and AAC go in as frames and come out of the segments, byte for byte, none missing."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from headend.rtmp.flv import AudioFrame, VideoFrame


def video_of(events: Sequence[object]) -> list[VideoFrame]:
    return [event for event in events if isinstance(event, VideoFrame)]


def audio_of(events: Sequence[object]) -> list[AudioFrame]:
    return [event for event in events if isinstance(event, AudioFrame)]


def assert_same_media(media: Any, events: Sequence[object]) -> None:
    """Compare what was read back with what was sent: bytes, key flags, times to the millisecond."""
    video, audio = video_of(events), audio_of(events)
    assert [sample.data for sample in media.video] == [frame.data for frame in video]
    assert [sample.sync for sample in media.video] == [frame.key for frame in video]
    assert [sample.data for sample in media.audio] == [unit.data for unit in audio]
    shift = Fraction(0)
    if video:
        assert media.video[0].dts == media.video[0].pts == 0
        shift = media.video[1].pts - Fraction(video[1].dts + video[1].cts, 1000)
        for sample, frame in list(zip(media.video, video, strict=True))[1:]:
            assert sample.pts == Fraction(frame.dts + frame.cts, 1000) + shift
        cts = [Fraction(frame.cts - video[0].cts, 1000) for frame in video]
        assert [sample.pts - sample.dts for sample in media.video] == cts
    elif audio:
        shift = -Fraction(audio[0].dts, 1000)
    for sample, unit in zip(media.audio, audio, strict=True):
        assert abs(sample.dts - Fraction(unit.dts, 1000) - shift) <= Fraction(2, 1000)
    for track in (media.video, media.audio):
        for sample, following in itertools.pairwise(track):
            assert sample.dts + sample.duration == following.dts, "no gap, no overlap"


VARIANTS = {
    "B-frames": {},
    "no B-frames": {"b_frames": 0},
    "44.1 kHz": {"rate": 44_100},
    "25 fps": {"fps": 25},
    "video only": {"audio": False},
    "audio only": {"video": False},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_frame_comes_out_as_it_went_in(
    tools: SimpleNamespace, options: dict[str, Any]
) -> None:
    events = tools.encode(5, **options)
    viewer = tools.Viewer()
    viewer.session(list(events))
    viewer.packager.end()
    assert len(viewer.whole) == 1
    assert_same_media(viewer.media()[0], events)
    assert viewer.by_parts[0][1] == viewer.whole[0][1]


def test_ffmpeg_demuxes_the_same_packets_and_decodes_them_without_a_word(
    tools: SimpleNamespace,
) -> None:
    events = tools.encode(5)
    viewer = tools.Viewer()
    viewer.session(list(events))
    viewer.packager.end()
    for data in (viewer.whole[0][1], viewer.by_parts[0][1]):
        with av.open(io.BytesIO(data)) as container:
            packets: dict[str, list[av.Packet]] = {"video": [], "audio": []}
            for packet in container.demux():
                if packet.size:
                    packets[packet.stream.type].append(packet)
        video = video_of(events)
        assert [bytes(packet) for packet in packets["video"]] == [frame.data for frame in video]
        assert [packet.is_keyframe for packet in packets["video"]] == [f.key for f in video]
        assert [bytes(p) for p in packets["audio"]] == [unit.data for unit in audio_of(events)]
        with av.open(io.BytesIO(data)) as container:
            container.streams.video[0].codec_context.options = {"err_detect": "explode"}
            pictures = list(container.decode(video=0))
        assert len(pictures) == len(video)
        times = [picture.pts for picture in pictures]
        assert times == sorted(set(times))


def test_every_segment_decodes_on_its_own(tools: SimpleNamespace) -> None:
    viewer = tools.Viewer()
    viewer.session(list(tools.encode(5)))
    viewer.packager.end()
    counts = []
    for msn, body in viewer.bodies.items():
        init = viewer.init(viewer.segments[msn])
        with av.open(io.BytesIO(init + body)) as container:
            counts.append(sum(1 for _ in container.decode(video=0)))
    assert counts == [60, 60, 30]


def test_a_reconnected_encoder_is_carried_bit_for_bit_again(tools: SimpleNamespace) -> None:
    first, second = tools.encode(5), tools.encode(4, width=192)
    viewer = tools.Viewer(window_segments=20)
    viewer.session(list(first))
    viewer.session(list(second))
    viewer.packager.end()
    media = viewer.media()
    assert len(media) == 2
    assert_same_media(media[0], first)
    assert_same_media(media[1], second)
    discontinuities = [s.msn for s in viewer.plain.segments if s.discontinuity]
    assert discontinuities == [3]


def test_a_session_cut_off_anywhere_loses_nothing_of_what_had_come(tools: SimpleNamespace) -> None:
    events = list(tools.encode(5))
    for cut in range(90, len(events), 37):
        viewer = tools.Viewer()
        viewer.session(events[:cut])
        viewer.packager.end()
        assert_same_media(viewer.media()[0], events[:cut])


def test_five_packagers_at_once_do_not_mix(tools: SimpleNamespace) -> None:
    sources = [tools.encode(5, b_frames=index % 3, width=160 + 16 * index) for index in range(5)]
    viewers = [tools.Viewer() for _ in sources]
    for viewer in viewers:
        viewer.packager.start_session()
    for step in range(max(map(len, sources))):
        for viewer, source in zip(viewers, sources, strict=True):
            viewer.send(list(source[step : step + 1]))
    for viewer, source in zip(viewers, sources, strict=True):
        viewer.packager.end()
        assert_same_media(viewer.media()[0], source)


@pytest.mark.ffmpeg
@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs the ffprobe command")
def test_ffprobe_plays_the_playlist_from_disk(tools: SimpleNamespace, tmp_path: Path) -> None:
    events = tools.encode(5)
    viewer = tools.Viewer()
    viewer.session(list(events))
    viewer.packager.end()
    playlist = tmp_path / "media.m3u8"
    playlist.write_text(viewer.packager.media_playlist(low_latency=False, query=""))
    for segment in viewer.plain.segments:
        for name in (segment.uri, segment.map_uri):
            found = viewer.packager.resource(name)
            (tmp_path / name).write_bytes(found.body)
    command = ["ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-count_packets"]
    command += ["-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0"]
    done = subprocess.run(
        [*command, str(playlist)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    expected = {("h264", len(video_of(events))), ("aac", len(audio_of(events)))}
    lines = {tuple(line.split(",")[:2]) for line in done.stdout.split() if line}
    assert lines == {(codec, str(count)) for codec, count in expected}
