"""The sliding window of segments and parts that a live stream keeps in memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Part", "Resource", "ResourceKind", "Segment", "Window"]

# A live playlist must not get shorter than three target durations (RFC 8216, 6.2.2), and parts are
# of use only so close to its end (draft-pantos-hls-rfc8216bis, EXT-X-PART).
_SHORTEST_PLAYLIST = 3


class ResourceKind(StrEnum):
    """What the bytes of a resource are."""

    INIT = "init"
    SEGMENT = "segment"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Resource:
    """Bytes that a playlist names."""

    body: bytes
    kind: ResourceKind
    msn: int
    """Media sequence number; of an init segment, that of the first segment it is for."""
    part: int | None
    """Index within the segment; None for what is not a part."""
    duration: float
    """Seconds; 0 for an init segment."""


@dataclass(frozen=True, slots=True)
class Part:
    """A partial segment; its bytes are a slice of its segment's."""

    name: str
    offset: int
    size: int
    duration: float
    independent: bool


@dataclass(slots=True)
class Segment:
    """A media segment, whole or being written."""

    msn: int
    name: str
    init_name: str
    discontinuity: bool
    program_date_time: float
    """Seconds since 1970 UTC."""
    parts: list[Part] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """The parts' bytes, while it is being written; then one element, all of them joined."""
    size: int = 0
    duration: float = 0.0
    """Seconds."""
    available_until: float = 0.0
    """Once removed: the seconds of media written by which nobody can need it any more."""


class Window:
    """Number, name, keep and drop segments.

    A segment leaves the playlist when more than `size` are listed and the rest is still three
    target durations long. It stays available for its own duration and that of the longest playlist
    that named it, as RFC 8216, 6.2.2 demands; its parts stay as long.
    """

    def __init__(self, name_token: str, size: int) -> None:
        """Begin an empty window whose names all start with `name_token`."""
        self._token = name_token
        self._size = size
        self._inits: dict[str, Resource] = {}
        self._init_count = 0
        self._listed: deque[Segment] = deque()
        self._removed: deque[Segment] = deque()
        self._next_msn = 0
        self._listed_duration = 0.0
        self._longest_playlist = 0.0
        self._written = 0.0
        self._memory_bytes = 0
        self.unfinished: Segment | None = None
        """The segment being written."""
        self.discontinuity_sequence = 0
        """How many discontinuities have left the playlist."""

    @property
    def segments(self) -> Sequence[Segment]:
        """The whole segments of the playlist, oldest first."""
        return self._listed

    @property
    def next_position(self) -> tuple[int, int]:
        """Media sequence number and part index of the part that is written next."""
        return self._next_msn, len(self.unfinished.parts) if self.unfinished else 0

    @property
    def next_part_name(self) -> str:
        """The name of the part that is written next, if it goes on in the same way."""
        return self._part_name(*self.next_position)

    @property
    def memory_bytes(self) -> int:
        """Bytes of media held."""
        return self._memory_bytes

    def parts_to_list(self, segment: Segment, target_duration: int) -> Sequence[Part]:
        """Return the parts of a segment, or none if it is too far from the end for parts."""
        behind = 0.0 if self.unfinished is None else self.unfinished.duration
        for later in reversed(self._listed):
            if later.msn <= segment.msn:
                break
            behind += later.duration
        return segment.parts if behind < _SHORTEST_PLAYLIST * target_duration else ()

    def add_init(self, body: bytes) -> str:
        """Keep an init segment for the segments that follow; return its name."""
        name = f"{self._token}-init{self._init_count}.mp4"
        self._init_count += 1
        self._memory_bytes += len(body)
        self._inits[name] = Resource(body, ResourceKind.INIT, self._next_msn, None, 0.0)
        return name

    def begin_segment(
        self, *, init_name: str, discontinuity: bool, program_date_time: float
    ) -> None:
        """Begin the next segment."""
        msn = self._next_msn
        self.unfinished = Segment(
            msn, f"{self._token}-{msn}.m4s", init_name, discontinuity, program_date_time
        )

    def add_part(self, body: bytes, *, duration: float, independent: bool) -> None:
        """Write the next part of the segment that is being written."""
        segment = self.unfinished
        assert segment is not None
        name = self._part_name(segment.msn, len(segment.parts))
        segment.parts.append(Part(name, segment.size, len(body), duration, independent))
        segment.bodies.append(body)
        segment.size += len(body)
        self._memory_bytes += len(body)
        # A sum of rounded floats would in time print other digits than the parts do.
        segment.duration = round(segment.duration + duration, 9)

    def end_segment(self, target_duration: int | None) -> Segment:
        """List the segment that is being written, and let the window slide."""
        segment = self.unfinished
        assert segment is not None
        segment.bodies = [b"".join(segment.bodies)]
        self.unfinished = None
        self._next_msn += 1
        self._listed.append(segment)
        self._listed_duration += segment.duration
        self._written += segment.duration
        self._longest_playlist = max(self._longest_playlist, self._listed_duration)
        shortest = _SHORTEST_PLAYLIST * (target_duration or 0)
        while (
            len(self._listed) > self._size
            and self._listed_duration - self._listed[0].duration >= shortest
        ):
            self._remove_oldest()
        while self._removed and self._removed[0].available_until <= self._written:
            self._memory_bytes -= self._removed.popleft().size
        self._drop_unused_inits()
        return segment

    def clear(self) -> None:
        """Let go of everything; numbers and names go on."""
        self._inits.clear()
        self._listed.clear()
        self._removed.clear()
        self._listed_duration = 0.0
        self._memory_bytes = 0
        self.unfinished = None

    def resource(self, name: str) -> Resource | None:
        """Return what has this name, or None if it is not, or no longer, there."""
        if name in self._inits:
            return self._inits[name]
        msn, part = self._parse(name)
        segment = self._find(msn)
        if segment is None:
            return None
        if part is None:
            if segment is self.unfinished or name != segment.name:
                return None
            return Resource(
                segment.bodies[0], ResourceKind.SEGMENT, segment.msn, None, segment.duration
            )
        if part >= len(segment.parts) or name != segment.parts[part].name:
            return None
        found = segment.parts[part]
        if segment is self.unfinished:
            body = segment.bodies[part]
        else:
            body = segment.bodies[0][found.offset : found.offset + found.size]
        return Resource(body, ResourceKind.PART, segment.msn, part, found.duration)

    def part_count(self, msn: int) -> int | None:
        """Return how many parts a segment has so far, or None if it is not held."""
        segment = self._find(msn)
        return None if segment is None else len(segment.parts)

    def _remove_oldest(self) -> None:
        segment = self._listed.popleft()
        self._listed_duration -= segment.duration
        self.discontinuity_sequence += segment.discontinuity
        segment.available_until = self._written + segment.duration + self._longest_playlist
        self._removed.append(segment)

    def _drop_unused_inits(self) -> None:
        used = {segment.init_name for segment in chain(self._listed, self._removed)}
        newest = f"{self._token}-init{self._init_count - 1}.mp4"
        for name in [name for name in self._inits if name not in used and name != newest]:
            self._memory_bytes -= len(self._inits.pop(name).body)

    def _find(self, msn: int | None) -> Segment | None:
        if msn is None:
            return None
        if self.unfinished is not None and msn == self.unfinished.msn:
            return self.unfinished
        # Both queues hold consecutive numbers, and the first follows the second.
        index = msn - (self._next_msn - len(self._listed))
        if 0 <= index < len(self._listed):
            return self._listed[index]
        index += len(self._removed)
        return self._removed[index] if 0 <= index < len(self._removed) else None

    def _part_name(self, msn: int, part: int) -> str:
        return f"{self._token}-{msn}.{part}.m4s"

    def _parse(self, name: str) -> tuple[int | None, int | None]:
        numbers = name.removeprefix(f"{self._token}-").removesuffix(".m4s").split(".")
        if len(numbers) > 2 or not all(
            n.isascii() and n.isdigit() and len(n) < 16 for n in numbers
        ):
            return None, None
        return int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else None
