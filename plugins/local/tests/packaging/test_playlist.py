"""What playlists look like, to the letter."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, strategies as st

from headend_local.playlist import (
    MediaPlaylist,
    PartEntry,
    SegmentEntry,
    Variant,
    render_master,
    render_media,
)

PLAYLIST = MediaPlaylist(
    target_duration=2,
    media_sequence=7,
    discontinuity_sequence=1,
    independent_segments=True,
    segments=[
        SegmentEntry("7.m4s", 2.0, "a.mp4", False, 1_700_000_000.0),
        SegmentEntry(
            "8.m4s",
            0.9,
            "b.mp4",
            True,
            1_700_000_009.5,
            [PartEntry("8.0.m4s", 0.5, True), PartEntry("8.1.m4s", 0.4, False)],
        ),
    ],
    part_target=0.5,
    unfinished=SegmentEntry(
        "9.m4s", 0.5, "b.mp4", False, 1_700_000_010.4, [PartEntry("9.0.m4s", 0.5, True)]
    ),
    hint="9.1.m4s",
)

LOW_LATENCY = """\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.50000
#EXT-X-PART-INF:PART-TARGET=0.50000
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="a.mp4?v=x"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:2.00000,
7.m4s?v=x
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="b.mp4?v=x"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:29.500Z
#EXT-X-PART:DURATION=0.50000,URI="8.0.m4s?v=x",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.40000,URI="8.1.m4s?v=x"
#EXTINF:0.90000,
8.m4s?v=x
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:30.400Z
#EXT-X-PART:DURATION=0.50000,URI="9.0.m4s?v=x",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="9.1.m4s?v=x"
"""

PLAIN = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="a.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:2.00000,
7.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="b.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:29.500Z
#EXTINF:0.90000,
8.m4s
"""


def test_a_low_latency_playlist_lists_parts_and_hints_at_the_next() -> None:
    assert render_media(PLAYLIST, query="v=x") == LOW_LATENCY


def test_a_plain_playlist_is_the_same_without_any_low_latency_tag() -> None:
    assert render_media(dataclasses.replace(PLAYLIST, part_target=None)) == PLAIN


@pytest.mark.parametrize("part_target", [0.5, None])
def test_an_ended_playlist_is_the_plain_one_with_an_endlist(part_target: float | None) -> None:
    ended = dataclasses.replace(PLAYLIST, part_target=part_target, ended=True)
    assert render_media(ended) == PLAIN + "#EXT-X-ENDLIST\n"


def test_independence_is_claimed_only_where_it_holds() -> None:
    dependent = dataclasses.replace(PLAYLIST, independent_segments=False)
    assert "INDEPENDENT-SEGMENTS" not in render_media(dependent)


def test_a_master_playlist_tells_what_is_there() -> None:
    variant = Variant("m.m3u8", 3_100_000, ["avc1.64001f", "mp4a.40.2"], (1280, 720), 29.97)
    assert render_master(variant, query="v=x") == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:6\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=3100000,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970\n'
        "m.m3u8?v=x\n"
    )


def test_a_master_playlist_without_video_tells_no_resolution() -> None:
    assert render_master(Variant("m.m3u8", 128_000, ["mp4a.40.2"])).splitlines()[2:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS="mp4a.40.2"',
        "m.m3u8",
    ]


@given(query=st.text())
def test_no_query_can_add_a_line_or_leave_its_quotes(query: str) -> None:
    try:
        text = render_media(PLAYLIST, query=query)
    except ValueError:
        return
    assert query.isascii()
    assert text.count("\n") == LOW_LATENCY.count("\n")
    assert text.count('"') == LOW_LATENCY.count('"')
    assert text.count("#") == LOW_LATENCY.count("#")
