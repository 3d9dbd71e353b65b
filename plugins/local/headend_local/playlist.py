"""Rendering of HLS playlists from plain data.

Tags and their rules are those of RFC 8216; the low-latency ones (``EXT-X-PART`` and company) are
those of draft-pantos-hls-rfc8216bis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "MediaPlaylist",
    "PartEntry",
    "SegmentEntry",
    "Variant",
    "render_master",
    "render_media",
]

# EXT-X-MAP outside I-frame playlists needs 6 (RFC 8216, 7); the low-latency tags are of 9.
_VERSION: Final = 6
_LOW_LATENCY_VERSION: Final = 9

# RFC 3986, 3.4: what a query may hold. Nothing of it can break out of a quoted string or a line.
_QUERY: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*")


@dataclass(frozen=True, slots=True)
class PartEntry:
    """A partial segment, as ``EXT-X-PART`` names it."""

    uri: str
    duration: float
    """Seconds."""
    independent: bool
    """Whether it starts with a key frame."""


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A media segment, or the part of one that exists so far."""

    uri: str
    duration: float
    """Seconds."""
    map_uri: str
    """Its init segment (``EXT-X-MAP``)."""
    discontinuity: bool
    """Whether its timeline or its encoding does not go on from the segment before."""
    program_date_time: float
    """When its first frame was received, in seconds since 1970 UTC."""
    parts: Sequence[PartEntry] = ()
    """The parts to list with it."""


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """What a media playlist says."""

    target_duration: int
    """Seconds; no segment's duration rounds to more."""
    media_sequence: int
    discontinuity_sequence: int
    independent_segments: bool
    """Whether every segment listed starts with a key frame."""
    segments: Sequence[SegmentEntry]
    """Whole segments, oldest first."""
    part_target: float | None = None
    """Longest duration of a part in seconds; None for a playlist without low-latency tags."""
    unfinished: SegmentEntry | None = None
    """The segment being written, if it has parts already. Only listed with `part_target`."""
    hint: str | None = None
    """The URI of the part that comes next. Only listed with `part_target`."""
    ended: bool = False
    """Whether nothing more comes; then no low-latency tag is written."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The one rendition that a master playlist offers."""

    uri: str
    bandwidth: int
    """Peak bits per second."""
    codecs: Sequence[str]
    resolution: tuple[int, int] | None = None
    """Width and height in pixels; None without video."""
    frame_rate: float | None = None
    """Frames per second; None without video or while unknown."""


def render_master(variant: Variant, *, query: str = "") -> str:
    """Render a master playlist (RFC 8216, 4.3.4).

    Args:
        variant: what it offers.
        query: appended to the URI, without the question mark.

    Raises:
        ValueError: the query holds characters that a URI query cannot.
    """
    attributes = [f"BANDWIDTH={variant.bandwidth}", f'CODECS="{",".join(variant.codecs)}"']
    if variant.resolution is not None:
        attributes.append("RESOLUTION={}x{}".format(*variant.resolution))
    if variant.frame_rate is not None:
        attributes.append(f"FRAME-RATE={variant.frame_rate:.3f}")
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        "#EXT-X-STREAM-INF:" + ",".join(attributes),
        variant.uri + _suffix(query),
    ]
    return "\n".join(lines) + "\n"


def render_media(playlist: MediaPlaylist, *, query: str = "") -> str:
    """Render a media playlist (RFC 8216, 4.3.2 and 4.3.3).

    Args:
        playlist: what it says.
        query: appended to every URI, without the question mark.

    Raises:
        ValueError: the query holds characters that a URI query cannot.
    """
    return "\n".join(_media_lines(playlist, _suffix(query))) + "\n"


def _media_lines(playlist: MediaPlaylist, suffix: str) -> Iterator[str]:
    part_target = None if playlist.ended else playlist.part_target
    yield "#EXTM3U"
    yield f"#EXT-X-VERSION:{_VERSION if part_target is None else _LOW_LATENCY_VERSION}"
    yield f"#EXT-X-TARGETDURATION:{playlist.target_duration}"
    if part_target is not None:
        hold_back = _seconds(3 * part_target)
        yield f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back}"
        yield f"#EXT-X-PART-INF:PART-TARGET={_seconds(part_target)}"
    yield f"#EXT-X-MEDIA-SEQUENCE:{playlist.media_sequence}"
    yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{playlist.discontinuity_sequence}"
    if playlist.independent_segments:
        yield "#EXT-X-INDEPENDENT-SEGMENTS"
    map_uri = None
    for segment in playlist.segments:
        yield from _segment_head(segment, map_uri, suffix)
        map_uri = segment.map_uri
        if part_target is not None:
            yield from _parts(segment, suffix)
        yield f"#EXTINF:{_seconds(segment.duration)},"
        yield segment.uri + suffix
    if part_target is not None:
        if playlist.unfinished is not None:
            yield from _segment_head(playlist.unfinished, map_uri, suffix)
            yield from _parts(playlist.unfinished, suffix)
        if playlist.hint is not None:
            yield f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{playlist.hint}{suffix}"'
    if playlist.ended:
        yield "#EXT-X-ENDLIST"


def _segment_head(segment: SegmentEntry, map_uri: str | None, suffix: str) -> Iterator[str]:
    if segment.discontinuity:
        yield "#EXT-X-DISCONTINUITY"
    if segment.map_uri != map_uri:
        yield f'#EXT-X-MAP:URI="{segment.map_uri}{suffix}"'
    moment = datetime.fromtimestamp(segment.program_date_time, UTC)
    yield f"#EXT-X-PROGRAM-DATE-TIME:{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def _parts(segment: SegmentEntry, suffix: str) -> Iterator[str]:
    for part in segment.parts:
        independent = ",INDEPENDENT=YES" if part.independent else ""
        yield (
            f'#EXT-X-PART:DURATION={_seconds(part.duration)},URI="{part.uri}{suffix}"{independent}'
        )


def _seconds(duration: float) -> str:
    return f"{duration:.5f}"


def _suffix(query: str) -> str:
    if not _QUERY.fullmatch(query):
        raise ValueError("the query of a playlist holds characters that a URI query cannot")
    return f"?{query}" if query else ""
