"""HLS playlists, read: pure, small, and strict about what it hands out.

It reads what a viewer or a probe needs of RFC 8216 (and its successor
draft-pantos-hls-rfc8216bis): variants of a multivariant ("master") playlist; segments with
their init sections, sequence numbers, discontinuities and byte ranges of a media playlist.
Tags that it does not know are skipped, as section 6.3.1 asks of clients; Low-Latency parts
are among them, because every part comes again inside a whole segment.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urljoin

import attrs

__all__ = [
    "ByteRange",
    "InitSection",
    "MasterPlaylist",
    "MediaPlaylist",
    "PlaylistError",
    "Segment",
    "Variant",
    "parse_master",
    "parse_media",
    "parse_playlist",
]


class PlaylistError(ValueError):
    """The text is not the kind of HLS playlist that was expected.  Names the line."""


@attrs.frozen
class Variant:
    """One rendition of a multivariant playlist (EXT-X-STREAM-INF).

    Attributes:
        uri: absolute URL of the media playlist.
        bandwidth: peak bit rate in bits per second.
        codecs: RFC 6381 names, such as `("avc1.64001f", "mp4a.40.2")`; empty when not given.
        width: picture width in pixels, `None` when not given.
        height: picture height in pixels, `None` when not given.
        frame_rate: frames per second, `None` when not given.
    """

    uri: str
    bandwidth: int
    codecs: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None


@attrs.frozen
class MasterPlaylist:
    """A multivariant playlist: the variants, in the playlist's order."""

    variants: tuple[Variant, ...]


@attrs.frozen
class ByteRange:
    """A part of a resource: `length` bytes from byte `offset`."""

    length: int
    offset: int

    @property
    def http_range(self) -> str:
        """The value of an HTTP `Range` header that asks for it."""
        return f"bytes={self.offset}-{self.offset + self.length - 1}"


@attrs.frozen
class InitSection:
    """The Media Initialization Section (EXT-X-MAP) that segments need before them."""

    uri: str
    byte_range: ByteRange | None = None


@attrs.frozen
class Segment:
    """One whole media segment.

    Attributes:
        uri: absolute URL.
        duration: seconds.
        sequence: its Media Sequence Number.
        discontinuity_sequence: its Discontinuity Sequence Number; when it differs from that
            of the segment before, time stamps and encoding may start anew.
        init: what to load before it, `None` for formats that need nothing (MPEG-TS).
        byte_range: the part of `uri` that it is, `None` for all of it.
        encrypted: whether an EXT-X-KEY other than `NONE` applies to it.
        gap: whether it is marked as missing (EXT-X-GAP) and must not be loaded.
    """

    uri: str
    duration: float
    sequence: int
    discontinuity_sequence: int
    init: InitSection | None = None
    byte_range: ByteRange | None = None
    encrypted: bool = False
    gap: bool = False


@attrs.frozen
class MediaPlaylist:
    """A media playlist.

    Attributes:
        target_duration: seconds; the upper bound of segment durations and the reload interval.
        media_sequence: Media Sequence Number of the first segment listed.
        segments: whole segments, oldest first.
        ended: whether nothing will be added any more (EXT-X-ENDLIST).
    """

    target_duration: int
    media_sequence: int
    segments: tuple[Segment, ...]
    ended: bool


# RFC 8216 section 4.2: decimal-integer is below 2**64; decimal-floating-point has no sign.
_INTEGER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(\.[0-9]*)?", re.ASCII)
_ATTRIBUTE: Final = re.compile(r'\s*([A-Z0-9-]+)=("[^"]*"|[^",]*)\s*(?:,|$)')
_RANGE: Final = re.compile(r"([0-9]{1,20})(?:@([0-9]{1,20}))?", re.ASCII)
_RESOLUTION: Final = re.compile(r"([0-9]{1,20})x([0-9]{1,20})", re.ASCII)


def parse_playlist(text: str, url: str) -> MasterPlaylist | MediaPlaylist:
    """Read a playlist of either kind.

    Args:
        text: the playlist's text.
        url: where it was loaded from, after redirects; relative URIs are resolved against it.

    Raises:
        PlaylistError: the text is no HLS playlist, or breaks a rule that matters here.
    """
    is_master = any(line.startswith("#EXT-X-STREAM-INF:") for line in text.split("\n"))
    return parse_master(text, url) if is_master else parse_media(text, url)


def parse_master(text: str, url: str) -> MasterPlaylist:
    """Read a multivariant playlist; arguments and errors as `parse_playlist`."""
    variants: list[Variant] = []
    pending: dict[str, str] | None = None
    for number, tag, value in _lines(text):
        if tag in {"#EXTINF", "#EXT-X-TARGETDURATION"}:
            raise PlaylistError(f"line {number}: {tag} belongs to a media playlist")
        if tag == "#EXT-X-STREAM-INF":
            pending = _attributes(number, value)
        elif not tag and pending is not None:
            variants.append(_variant(number, pending, _resolve(number, url, value)))
            pending = None
    if pending is not None:
        raise PlaylistError("the last EXT-X-STREAM-INF has no URI after it")
    if not variants:
        raise PlaylistError("the playlist lists no variant")
    return MasterPlaylist(tuple(variants))


def parse_media(text: str, url: str) -> MediaPlaylist:
    """Read a media playlist; arguments and errors as `parse_playlist`."""
    reader = _MediaReader(url)
    for number, tag, value in _lines(text):
        reader.line(number, tag, value)
    return reader.playlist()


def _lines(text: str) -> list[tuple[int, str, str]]:
    """Split into (line number, tag, value); a URI line has an empty tag."""
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[0].rstrip() != "#EXTM3U":
        raise PlaylistError("not an HLS playlist: it does not start with #EXTM3U")
    result: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped.startswith("#EXT"):
            tag, _, value = stripped.partition(":")
            result.append((number, tag, value))
        elif stripped and not stripped.startswith("#"):
            result.append((number, "", stripped))
    return result


def _attributes(number: int, text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            raise PlaylistError(f"line {number}: the attribute list is malformed")
        name, value = match.groups()
        attributes[name] = value.strip().strip('"')
        position = match.end()
    return attributes


def _integer(number: int, name: str, text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise PlaylistError(f"line {number}: {name} is not a decimal integer")
    return int(text)


def _decimal(number: int, name: str, text: str) -> float:
    if _DECIMAL.fullmatch(text) is None:
        raise PlaylistError(f"line {number}: {name} is not a decimal number")
    return float(text)


def _resolve(number: int, url: str, reference: str) -> str:
    try:
        return urljoin(url, reference)
    except ValueError:
        raise PlaylistError(f"line {number}: the URI is malformed") from None


def _variant(number: int, attributes: dict[str, str], uri: str) -> Variant:
    if "BANDWIDTH" not in attributes:
        raise PlaylistError(f"line {number}: the variant has no BANDWIDTH")
    size = _RESOLUTION.fullmatch(attributes.get("RESOLUTION", ""))
    rate = attributes.get("FRAME-RATE")
    return Variant(
        uri=uri,
        bandwidth=_integer(number, "BANDWIDTH", attributes["BANDWIDTH"]),
        codecs=tuple(
            codec.strip() for codec in attributes.get("CODECS", "").split(",") if codec.strip()
        ),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        frame_rate=_decimal(number, "FRAME-RATE", rate) if rate is not None else None,
    )


class _MediaReader:
    """The state of a media playlist's reader, line by line."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._target: int | None = None
        self._sequence = 0
        self._discontinuity = 0
        self._segments: list[Segment] = []
        self._ended = False
        self._init: InitSection | None = None
        self._encrypted = False
        self._duration: float | None = None
        self._range: tuple[int, int | None] | None = None
        self._gap = False
        # Where the next byte range of a resource starts when it does not say so itself.
        self._range_ends: dict[str, int] = {}

    def line(self, number: int, tag: str, value: str) -> None:
        match tag:
            case "":
                self._uri(number, value)
            case "#EXT-X-STREAM-INF":
                raise PlaylistError(f"line {number}: {tag} belongs to a multivariant playlist")
            case "#EXT-X-TARGETDURATION":
                self._target = _integer(number, "EXT-X-TARGETDURATION", value)
            case "#EXT-X-MEDIA-SEQUENCE":
                self._sequence = _integer(number, "EXT-X-MEDIA-SEQUENCE", value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                self._discontinuity = _integer(number, "EXT-X-DISCONTINUITY-SEQUENCE", value)
            case "#EXT-X-DISCONTINUITY":
                self._discontinuity += 1
            case "#EXT-X-ENDLIST":
                self._ended = True
            case "#EXT-X-MAP":
                self._map(number, _attributes(number, value))
            case "#EXT-X-KEY":
                self._encrypted = _attributes(number, value).get("METHOD") != "NONE"
            case "#EXT-X-BYTERANGE":
                self._range = _byte_range(number, value)
            case "#EXT-X-GAP":
                self._gap = True
            case "#EXTINF":
                self._duration = _decimal(number, "EXTINF", value.partition(",")[0].strip())
            case _:
                pass

    def _map(self, number: int, attributes: dict[str, str]) -> None:
        if "URI" not in attributes:
            raise PlaylistError(f"line {number}: EXT-X-MAP has no URI")
        byte_range = None
        if "BYTERANGE" in attributes:
            length, offset = _byte_range(number, attributes["BYTERANGE"])
            byte_range = ByteRange(length, offset or 0)
        self._init = InitSection(_resolve(number, self._url, attributes["URI"]), byte_range)

    def _uri(self, number: int, reference: str) -> None:
        if self._duration is None:
            raise PlaylistError(f"line {number}: the segment has no EXTINF")
        uri = _resolve(number, self._url, reference)
        byte_range = None
        if self._range is not None:
            length, offset = self._range
            byte_range = ByteRange(
                length, offset if offset is not None else self._range_ends.get(uri, 0)
            )
            self._range_ends[uri] = byte_range.offset + length
        self._segments.append(
            Segment(
                uri=uri,
                duration=self._duration,
                sequence=self._sequence + len(self._segments),
                discontinuity_sequence=self._discontinuity,
                init=self._init,
                byte_range=byte_range,
                encrypted=self._encrypted,
                gap=self._gap,
            )
        )
        self._duration, self._range, self._gap = None, None, False

    def playlist(self) -> MediaPlaylist:
        if self._target is None:
            raise PlaylistError("the playlist has no EXT-X-TARGETDURATION")
        return MediaPlaylist(self._target, self._sequence, tuple(self._segments), self._ended)


def _byte_range(number: int, text: str) -> tuple[int, int | None]:
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise PlaylistError(f"line {number}: the byte range is malformed")
    return int(match[1]), int(match[2]) if match[2] is not None else None
