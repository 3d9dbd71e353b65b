"""Reading HLS playlists."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, strategies as st

from headend.hls import (
    ByteRange,
    InitSection,
    MasterPlaylist,
    MediaPlaylist,
    PlaylistError,
    Segment,
    Variant,
    parse_master,
    parse_media,
    parse_playlist,
)

URL = "https://video.example/live/abc/index.m3u8?v=1"

MASTER = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English, clean",URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3200000,RESOLUTION=1280x720,FRAME-RATE=30.000,CODECS="avc1.64001f,mp4a.40.2"
media.m3u8?v=2

#EXT-X-STREAM-INF: BANDWIDTH=100000
https://cdn.example/audio-only.m3u8
"""

MEDIA = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI="init-a.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:2.000,a title, with a comma
a7.m4s?v=2
#EXTINF:1.5,
a8.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="/init-b.mp4"
#EXT-X-PART:DURATION=0.5,URI="b9.0.m4s",INDEPENDENT=YES
#EXTINF:2
b9.m4s
#EXT-X-GAP
#EXTINF:2,
b10.m4s
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b11.0.m4s"
"""


def test_a_multivariant_playlist_lists_its_variants() -> None:
    assert parse_master(MASTER, URL) == MasterPlaylist(
        (
            Variant(
                uri="https://video.example/live/abc/media.m3u8?v=2",
                bandwidth=3_200_000,
                codecs=("avc1.64001f", "mp4a.40.2"),
                width=1280,
                height=720,
                frame_rate=30.0,
            ),
            Variant(uri="https://cdn.example/audio-only.m3u8", bandwidth=100_000),
        )
    )


def test_a_media_playlist_lists_whole_segments_with_what_each_needs() -> None:
    first = InitSection("https://video.example/live/abc/init-a.mp4")
    second = InitSection("https://video.example/init-b.mp4")
    base = "https://video.example/live/abc/"
    assert parse_media(MEDIA, URL) == MediaPlaylist(
        target_duration=2,
        media_sequence=7,
        segments=(
            Segment(base + "a7.m4s?v=2", 2.0, 7, 3, first),
            Segment(base + "a8.m4s", 1.5, 8, 3, first),
            Segment(base + "b9.m4s", 2.0, 9, 4, second),
            Segment(base + "b10.m4s", 2.0, 10, 4, second, gap=True),
        ),
        ended=False,
    )


def test_the_kind_of_playlist_is_recognised() -> None:
    assert isinstance(parse_playlist(MASTER, URL), MasterPlaylist)
    assert isinstance(parse_playlist(MEDIA, URL), MediaPlaylist)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_may_end_either_way_and_a_byte_order_mark_does_not_matter(ending: str) -> None:
    text = "\ufeff" + MEDIA.replace("\n", ending)
    assert parse_media(text, URL) == parse_media(MEDIA, URL)


def test_an_end_list_ends_the_playlist() -> None:
    assert parse_media(MEDIA + "#EXT-X-ENDLIST\n", URL).ended


def test_a_playlist_without_segments_yet_is_a_playlist() -> None:
    assert parse_media("#EXTM3U\n#EXT-X-TARGETDURATION:4\n", URL).segments == ()


def test_byte_ranges_go_on_where_the_last_one_ended() -> None:
    text = (
        '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="all.mp4",BYTERANGE="700@0"\n'
        "#EXT-X-BYTERANGE:100@700\n#EXTINF:1,\nall.mp4\n"
        "#EXT-X-BYTERANGE:50\n#EXTINF:1,\nall.mp4\n"
        "#EXTINF:1,\nother.mp4\n"
    )
    segments = parse_media(text, URL).segments
    assert [segment.byte_range for segment in segments] == [
        ByteRange(100, 700),
        ByteRange(50, 800),
        None,
    ]
    assert segments[0].init == InitSection(
        "https://video.example/live/abc/all.mp4", ByteRange(700, 0)
    )
    assert ByteRange(50, 800).http_range == "bytes=800-849"


def test_encryption_applies_until_it_is_switched_off() -> None:
    text = (
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n0.ts\n"
        '#EXT-X-KEY:METHOD=AES-128,URI="key"\n#EXTINF:1,\n1.ts\n#EXTINF:1,\n2.ts\n'
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\n3.ts\n"
    )
    encrypted = [segment.encrypted for segment in parse_media(text, URL).segments]
    assert encrypted == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not start with #EXTM3U"),
        ("<html>not found</html>", "does not start with #EXTM3U"),
        ("#EXTM3U8\n", "does not start with #EXTM3U"),
        ("#EXTM3U\n", "no EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:-2\n", "line 2: EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:٣\n", "line 2: EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:" + "9" * 5000, "line 2: EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\na.ts\n", "line 3: the segment has no EXTINF"),
        ("#EXTM3U\n#EXTINF:inf,\na.ts\n", "line 2: EXTINF"),
        ("#EXTM3U\n#EXTINF:-1,\na.ts\n", "line 2: EXTINF"),
        ("#EXTM3U\n#EXT-X-MAP:BYTERANGE=1\n", "line 2: EXT-X-MAP has no URI"),
        ('#EXTM3U\n#EXT-X-MAP:URI="a\n', "line 2: the attribute list"),
        ("#EXTM3U\n#EXT-X-BYTERANGE:0@1\n", "line 2: the byte range"),
        ("#EXTM3U\n#EXTINF:1,\nhttp://[broken\n", "line 3: the URI"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:CODECS=x\na.m3u8\n", "line 2|line 3"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "no URI after it"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:1,\n", "belongs to a media playlist"),
    ],
)
def test_what_is_no_playlist_is_refused_with_the_line(text: str, complaint: str) -> None:
    with pytest.raises(PlaylistError, match=complaint):
        parse_playlist(text, URL)


def test_each_kind_of_playlist_is_refused_where_the_other_is_expected() -> None:
    with pytest.raises(PlaylistError, match="multivariant"):
        parse_media(MASTER, URL)
    with pytest.raises(PlaylistError, match="media playlist"):
        parse_master(MEDIA, URL)


PIECES = st.sampled_from(
    [
        "#EXTM3U",
        "#EXTINF:",
        "#EXT-X-STREAM-INF:",
        "#EXT-X-TARGETDURATION:",
        "#EXT-X-MEDIA-SEQUENCE:",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-MAP:",
        "#EXT-X-BYTERANGE:",
        "#EXT-X-KEY:",
        "URI=",
        "BANDWIDTH=",
        "FRAME-RATE=",
        "RESOLUTION=",
        '"',
        ",",
        "@",
        "\n",
        "\r",
        "http://[",
        "//",
        "9" * 25,
        "1.5",
        "0",
    ]
)


@given(st.lists(PIECES | st.text(max_size=8)).map("".join))
@example("#EXTM3U\n" + "#EXTINF:1,\na\n" * 3)
def test_no_text_raises_anything_but_a_playlist_error(text: str) -> None:
    for read in (parse_playlist, parse_master, parse_media):
        for start in ("", "#EXTM3U\n", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"):
            with contextlib.suppress(PlaylistError):
                read(start + text, URL)


DURATIONS = st.floats(0, 1000).map(lambda seconds: round(seconds, 3))


@given(
    st.integers(0, 2**40),
    st.integers(0, 1000),
    st.lists(st.tuples(DURATIONS, st.booleans()), max_size=20),
    st.booleans(),
)
def test_a_written_playlist_is_read_back_exactly(
    sequence: int, discontinuity: int, segments: list[tuple[float, bool]], ended: bool
) -> None:
    lines = [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:1000",
        f"#EXT-X-MEDIA-SEQUENCE:{sequence}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity}",
    ]
    expected = []
    for index, (duration, anew) in enumerate(segments):
        if anew:
            lines.append("#EXT-X-DISCONTINUITY")
            discontinuity += 1
        lines += [f"#EXTINF:{duration:.3f},", f"s{index}.m4s"]
        expected.append(
            Segment(
                f"https://video.example/live/abc/s{index}.m4s",
                duration,
                sequence + index,
                discontinuity,
            )
        )
    if ended:
        lines.append("#EXT-X-ENDLIST")
    assert parse_media("\n".join(lines), URL) == MediaPlaylist(
        1000, sequence, tuple(expected), ended
    )
