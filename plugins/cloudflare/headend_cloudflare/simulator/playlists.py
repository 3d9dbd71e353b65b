"""HLS playlists (RFC 8216) of pictures that there are not: each segment is empty MPEG-TS packets.

A player loads them and shows nothing.  With real pictures the customer host gives those instead.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

PLAYLIST: Final = "application/vnd.apple.mpegurl"
_SEGMENT: Final = "video/mp2t"

_MASTER_NAME: Final = "video.m3u8"
_MEDIA_NAME: Final = "stream_720p.m3u8"

_SEGMENT_TIME: Final = 2.0
_PARTS: Final = 4
_SHOWN: Final = 6
"""How many segments a live playlist shows."""

_NULL_PACKET: Final = b"\x47\x1f\xff\x10" + b"\xff" * 184
_BODY: Final = _NULL_PACKET * 8

Found = tuple[str, str | bytes]
"""Media type and body."""


@frozen(kw_only=True)
class Live:
    """The playlists of a broadcast.

    Attributes:
        seconds: how long there has been something to watch.
        is_ended: whether nothing more comes.
        has_parts: whether it is low-latency HLS.
        query: what the address of the playlist had after the question mark.
    """

    seconds: float
    is_ended: bool
    has_parts: bool
    query: str

    def find(self, name: str) -> Found | None:
        """Return the type and the body of one of its files, `None` if there is none."""
        if name == _MASTER_NAME:
            return PLAYLIST, _master(self.query)
        if name == _MEDIA_NAME:
            return PLAYLIST, self._media()
        return _segment(name, self._count())

    def _count(self) -> int:
        return 1 + int(self.seconds / _SEGMENT_TIME)

    def _media(self) -> str:
        count = self._count()
        first = max(0, count - _SHOWN)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{_SEGMENT_TIME:g}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
        ]
        part = _SEGMENT_TIME / _PARTS
        if self.has_parts:
            lines += [
                f"#EXT-X-SERVER-CONTROL:PART-HOLD-BACK={3 * part:g}",
                f"#EXT-X-PART-INF:PART-TARGET={part:g}",
            ]
        for number in range(first, count):
            if self.has_parts and number >= count - 2:
                lines += [
                    f'#EXT-X-PART:DURATION={part:g},URI="part_{number}_{index}.ts",INDEPENDENT=YES'
                    for index in range(_PARTS)
                ]
            lines += [f"#EXTINF:{_SEGMENT_TIME:.3f},", f"seg_{number}.ts"]
        if self.is_ended:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join([*lines, ""])


def recorded(seconds: float, name: str) -> Found | None:
    """Return the type and the body of a file of a recording, `None` if there is none."""
    count = max(1, round(seconds / _SEGMENT_TIME))
    if name == _MASTER_NAME:
        return PLAYLIST, _master("")
    if name != _MEDIA_NAME:
        return _segment(name, count)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{_SEGMENT_TIME:g}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for number in range(count):
        lines += [f"#EXTINF:{_SEGMENT_TIME:.3f},", f"seg_{number}.ts"]
    return PLAYLIST, "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _master(query: str) -> str:
    uri = f"{_MEDIA_NAME}?{query}" if query else _MEDIA_NAME
    variant = 'BANDWIDTH=2500000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"'
    return f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:{variant}\n{uri}\n"


def _segment(name: str, count: int) -> Found | None:
    stem, _, suffix = name.partition(".")
    kind, *numbers = stem.split("_")
    if suffix != "ts" or not all(one.isascii() and one.isdigit() for one in numbers):
        return None
    is_known = (kind, len(numbers)) in {("seg", 1), ("part", 2)}
    return (_SEGMENT, _BODY) if is_known and int(numbers[0]) < count else None
