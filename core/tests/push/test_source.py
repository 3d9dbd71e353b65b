"""Video files as sources."""

from __future__ import annotations

import itertools
import math
from array import array
from fractions import Fraction
from typing import TYPE_CHECKING

import attrs
import av
import pytest

from headend.presets import PRESETS
from headend.push import FileSource, PatternSource, SourceError, encode, read_frame_counter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from headend.presets import EncodingPreset


def write(
    path: Path,
    video: Iterable[av.VideoFrame] = (),
    audio: Iterable[av.AudioFrame] = (),
    *,
    codec: str = "libx264",
    rate: int = 30,
    rotation: int | None = None,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """Encode frames into a file; picture size and format are those of the first frame."""
    video, audio = list(video), list(audio)
    with av.open(str(path), "w") as container:
        streams = []
        if video:
            picture = container.add_stream(codec, rate=rate)
            picture.width, picture.height = video[0].width, video[0].height
            picture.pix_fmt = video[0].format.name
            picture.codec_context.time_base = Fraction(1, 1000)
            if pixel_aspect is not None:
                picture.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation is not None:
                picture.set_display_rotation(rotation)
            streams.append((picture, video))
        if audio:
            sound = container.add_stream("aac", rate=audio[0].sample_rate)
            sound.codec_context.layout = audio[0].layout.name
            streams.append((sound, audio))
        for stream, frames in streams:
            for frame in [*frames, None]:
                container.mux(stream.encode(frame))
    return path


def pattern(preset: EncodingPreset, count: int) -> tuple[list, list]:
    frames = list(PatternSource(frame_count=count).frames(preset))
    return frames[0::2], frames[1::2]


def grey(width: int, height: int, pts: int, value: int = 235) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv444p")
    for plane, level in zip(frame.planes, (value, 128, 128), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    frame.pts, frame.time_base = pts, Fraction(1, 1000)
    return frame


def read(source: FileSource, preset: EncodingPreset, limit: int | None = None) -> tuple[list, list]:
    stop = None if limit is None else 2 * limit
    frames = list(itertools.islice(source.frames(preset), stop))
    return frames[0::2], frames[1::2]


def counters(video: list[av.VideoFrame]) -> list[int | None]:
    return [
        read_frame_counter(
            memoryview(frame.planes[0]), frame.width, frame.height, frame.planes[0].line_size
        )
        for frame in video
    ]


def samples(audio: list[av.AudioFrame]) -> array[float]:
    whole = array("f")
    for frame in audio:
        whole.frombytes(bytes(memoryview(frame.planes[0]))[: 4 * frame.samples])
    return whole


def onset(sound: array[float]) -> int:
    return next(index for index, value in enumerate(sound) if abs(value) > 0.05)


def bright(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what is not black."""
    plane = frame.planes[0]
    data, stride = bytes(memoryview(plane)), plane.line_size
    rows = [data[y * stride : y * stride + frame.width] for y in range(frame.height)]
    lines = [y for y, row in enumerate(rows) if max(row) > 120]
    columns = [x for x in range(frame.width) if max(row[x] for row in rows) > 120]
    return columns[0], lines[0], columns[-1] + 1, lines[-1] + 1


def check_contract(video: list, audio: list, preset: EncodingPreset) -> None:
    assert [frame.pts for frame in video] == list(range(len(video)))
    assert {(frame.width, frame.height, frame.format.name) for frame in video} == {
        (preset.width, preset.height, "yuv420p")
    }
    assert {frame.time_base for frame in video} == {Fraction(1, preset.frame_rate)}
    position = 0
    for number, frame in enumerate(audio, start=1):
        assert (frame.pts, frame.sample_rate) == (position, preset.audio_sample_rate)
        assert (frame.format.name, frame.layout.name) == ("fltp", "stereo")
        position += frame.samples
        assert position == number * preset.audio_sample_rate // preset.frame_rate
    assert len(video) == len(audio)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "ts"])
def test_a_file_comes_out_as_it_went_in_frame_by_frame(
    tmp_path: Path, tiny: EncodingPreset, suffix: str
) -> None:
    path = write(tmp_path / f"film.{suffix}", *pattern(tiny, 45))
    video, audio = read(FileSource(path), tiny)
    check_contract(video, audio, tiny)
    assert counters(video)[:44] == list(range(44))
    assert 44 <= len(video) <= 46
    # The beep of frame 30 is where that frame is, within the decoder's rounding.
    sound = samples(audio)
    assert onset(sound[24_000:]) + 24_000 == pytest.approx(48_000, abs=150)


def test_a_loop_goes_on_without_a_break(tmp_path: Path, tiny: EncodingPreset) -> None:
    path = write(tmp_path / "film.mp4", *pattern(tiny, 30))
    video, audio = read(FileSource(path, loop=True), tiny, 95)
    check_contract(video, audio, tiny)
    assert counters(video) == [*range(30), *range(30), *range(30), *range(5)]
    sound = samples(audio)
    for second in range(3):
        start = max(0, second * 48_000 - 4_800)
        assert onset(sound[start:]) + start == pytest.approx(second * 48_000, abs=150)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (321, 181, (0, 0, 320, 180)),
        (181, 321, (109, 0, 211, 180)),
        (640, 90, (0, 67, 320, 113)),
        (90, 90, (70, 0, 250, 180)),
    ],
)
def test_the_aspect_ratio_is_kept_for_any_size_odd_ones_too(
    tmp_path: Path,
    tiny: EncodingPreset,
    width: int,
    height: int,
    expected: tuple[int, int, int, int],
) -> None:
    film = [grey(width, height, index * 33) for index in range(3)]
    video, audio = read(FileSource(write(tmp_path / "film.mkv", film)), tiny)
    check_contract(video, audio, tiny)
    assert bright(video[0]) == pytest.approx(expected, abs=2)


def test_oblong_pixels_become_square(tmp_path: Path, tiny: EncodingPreset) -> None:
    film = [grey(90, 90, index * 33) for index in range(3)]
    path = write(tmp_path / "film.mp4", film, pixel_aspect=Fraction(16, 9))
    assert bright(read(FileSource(path), tiny)[0][0]) == pytest.approx((0, 0, 320, 180), abs=2)


@pytest.mark.parametrize(
    ("rotation", "corner"),
    [(0, "left top"), (90, "left bottom"), (-90, "right top"), (180, "right bottom")],
)
def test_a_turned_picture_is_turned_upright(
    tmp_path: Path, tiny: EncodingPreset, rotation: int, corner: str
) -> None:
    """A telephone stores what its sensor saw, and by how much to turn it counterclockwise."""
    preset = attrs.evolve(tiny, width=180, height=180)
    frame = grey(120, 120, 0, value=60)
    plane = memoryview(frame.planes[0])
    for line in range(60):
        start = line * frame.planes[0].line_size
        plane[start : start + 60] = b"\xeb" * 60
    path = write(tmp_path / "film.mp4", [frame], rotation=rotation)
    left, top, _, _ = bright(read(FileSource(path), preset)[0][0])
    assert ("right" if left > 45 else "left") + (" bottom" if top > 45 else " top") == corner


def test_a_missing_sound_is_silence(tmp_path: Path, tiny: EncodingPreset) -> None:
    video, _ = pattern(tiny, 20)
    video, audio = read(FileSource(write(tmp_path / "film.mp4", video)), tiny)
    check_contract(video, audio, tiny)
    assert counters(video) == list(range(20))
    assert not any(samples(audio))


def test_a_sound_that_is_too_short_is_filled_and_one_too_long_is_cut(
    tmp_path: Path, tiny: EncodingPreset
) -> None:
    video, audio = pattern(tiny, 60)
    short = read(FileSource(write(tmp_path / "short.mp4", video, audio[:30])), tiny)
    check_contract(*short, tiny)
    assert len(short[0]) == 60
    assert not any(samples(short[1])[52_000:])
    long = read(FileSource(write(tmp_path / "long.mp4", video[:30], audio)), tiny)
    check_contract(*long, tiny)
    assert len(long[0]) == 30


def test_a_sound_that_begins_later_stays_where_it_belongs(
    tmp_path: Path, tiny: EncodingPreset
) -> None:
    video, audio = pattern(tiny, 60)
    path = write(tmp_path / "film.mkv", video, audio[30:])
    sound = samples(read(FileSource(path), tiny)[1])
    assert onset(sound) == pytest.approx(48_000, abs=150)


@pytest.mark.parametrize(
    ("layout", "rate"), [("mono", 22_050), ("stereo", 44_100), ("5.1", 48_000)]
)
def test_any_sound_becomes_stereo_at_the_preset_rate(
    tmp_path: Path, tiny: EncodingPreset, layout: str, rate: int
) -> None:
    video, _ = pattern(tiny, 30)
    frame = av.AudioFrame(format="fltp", layout=layout, samples=rate)
    wave = array("f", [math.sin(2 * math.pi * 440 * i / rate) / 4 for i in range(rate)]).tobytes()
    for plane in frame.planes:
        memoryview(plane)[: len(wave)] = wave
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    path = write(tmp_path / "film.mkv", video, [frame])
    got = read(FileSource(path), tiny)
    check_contract(*got, tiny)
    sound = samples(got[1])[4_800:43_200]
    crossings = sum(one < 0 <= other for one, other in itertools.pairwise(sound))
    assert crossings / (len(sound) / 48_000) == pytest.approx(440, abs=3)


def test_a_variable_frame_rate_becomes_constant(tmp_path: Path, tiny: EncodingPreset) -> None:
    """Each moment shows the last picture that had begun by then."""
    video, _ = pattern(tiny, 6)
    begins = [0, 20, 500, 510, 520, 900]
    for frame, begin in zip(video, begins, strict=True):
        frame.pts, frame.time_base = begin, Fraction(1, 1000)
    path = write(tmp_path / "film.mkv", video)
    shown, audio = read(FileSource(path), tiny)
    check_contract(shown, audio, tiny)
    expected = [
        max(index for index, begin in enumerate(begins) if begin <= number * 1000 / 30 + 0.5)
        for number in range(27)
    ]
    assert counters(shown)[:27] == expected
    assert len(shown) in {28, 29}


@pytest.mark.parametrize("rate", [24, 25, 50, 60])
def test_another_frame_rate_keeps_the_duration(
    tmp_path: Path, tiny: EncodingPreset, rate: int
) -> None:
    video, _ = pattern(attrs.evolve(tiny, frame_rate=rate), rate)
    path = write(tmp_path / "film.mp4", video, rate=rate)
    shown, _ = read(FileSource(path), tiny)
    assert len(shown) in {29, 30, 31}
    seen = counters(shown)
    assert seen == sorted(seen)
    assert seen[15] == pytest.approx(rate / 2, abs=1)


def test_a_change_of_picture_size_on_the_way_is_taken(tmp_path: Path, tiny: EncodingPreset) -> None:
    small = attrs.evolve(tiny, width=160, height=90)
    parts = []
    for index, preset in enumerate((tiny, small)):
        part = tmp_path / f"part{index}.h264"
        parts.append(write(part, pattern(preset, 10)[0]).read_bytes())
    path = tmp_path / "film.h264"
    path.write_bytes(b"".join(parts))
    video, audio = read(FileSource(path), tiny)
    check_contract(video, audio, tiny)
    assert set(counters(video)) == set(range(10))


def test_damage_in_the_middle_does_not_end_it(tmp_path: Path, tiny: EncodingPreset) -> None:
    path = write(tmp_path / "film.ts", *pattern(tiny, 60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1000] = bytes(1000)
    path.write_bytes(data)
    video, audio = read(FileSource(path), tiny)
    check_contract(video, audio, tiny)
    assert counters(video)[-1] in {58, 59}


def test_a_single_picture_is_a_film_of_one_frame_that_can_be_looped(
    tmp_path: Path, tiny: EncodingPreset
) -> None:
    path = write(tmp_path / "still.png", [grey(32, 18, 0).reformat(format="rgb24")], codec="png")
    video, audio = read(FileSource(path, loop=True), tiny, 40)
    check_contract(video, audio, tiny)
    assert len(video) == 40


def test_a_film_shorter_than_a_frame_still_has_one(tmp_path: Path, tiny: EncodingPreset) -> None:
    path = write(tmp_path / "blink.mkv", [grey(64, 36, 0)], rate=1000)
    assert len(read(FileSource(path), tiny)[0]) == 1
    assert len(read(FileSource(path, loop=True), tiny, 5)[0]) == 5


def test_a_file_without_video_is_refused(tmp_path: Path, tiny: EncodingPreset) -> None:
    path = write(tmp_path / "song.m4a", audio=pattern(tiny, 30)[1])
    with pytest.raises(SourceError, match=r"song\.m4a has no video"):
        FileSource(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*nothing\.mp4"):
        FileSource(tmp_path / "nothing.mp4")


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.mp4"
    path.write_text("Dear reader,\n" * 100)
    with pytest.raises(SourceError, match=r"letter\.mp4 cannot be read as media"):
        FileSource(path)


def test_a_file_of_which_nothing_can_be_decoded_is_refused(
    tmp_path: Path, tiny: EncodingPreset
) -> None:
    path = write(tmp_path / "film.mp4", pattern(tiny, 10)[0])
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"not one frame of film\.mp4 can be decoded"):
        next(FileSource(path).frames(tiny))


def test_a_file_is_encoded_with_the_preset_whatever_its_own_key_frames(
    tmp_path: Path, pattern_tags, decode
) -> None:
    small = attrs.evolve(PRESETS["480p"], width=426, height=240, keyframe_interval=0.1)
    path = write(tmp_path / "film.mp4", *pattern(small, 70))
    preset = attrs.evolve(PRESETS["480p"], width=640, height=360, keyframe_interval=1)
    decoded = decode(list(encode(FileSource(path), preset)))
    assert decoded.keys == [0, 30, 60]
    assert decoded.counters == list(range(70))
    assert (decoded.width, decoded.height) == (640, 360)
