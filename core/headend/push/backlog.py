"""What waits to be sent to one target: bounded, and short of whole groups of pictures at most."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from headend.rtmp.flv import AUDIO, SCRIPT, VIDEO

if TYPE_CHECKING:
    from headend.rtmp.flv import Tag

__all__ = ["Backlog", "Dropped"]

_KEY_FRAME: Final = 1
_WRAP: Final = 1 << 32
_MOST_UNANNOUNCED: Final = 16


@attrs.frozen
class Dropped:
    """What was never sent.

    Attributes:
        groups: groups of pictures that did not arrive whole.
        frames: the pictures in them that were not sent.
    """

    groups: int = 0
    frames: int = 0


class _Group:
    """Tags from one key frame to the next, with the codec configurations that hold in it."""

    def __init__(self, configurations: tuple[Tag, ...]) -> None:
        self.configurations = configurations
        self.tags: deque[Tag] = deque()
        self.pictures = 0
        self.size = 0
        self.begun = False

    def add(self, tag: Tag) -> None:
        self.tags.append(tag)
        self.pictures += _is_picture(tag)
        self.size += len(tag.payload)

    def take(self) -> Tag:
        tag = self.tags.popleft()
        self.pictures -= _is_picture(tag)
        self.size -= len(tag.payload)
        return tag


class Backlog:
    """A queue of tags between what produces them and what sends them to one target.

    When more waits than may, the oldest group of pictures of which nothing has been sent is
    dropped as a whole, however little of it is there yet.  Only when there is none, because
    one group is longer than the bound, the rest of the group that is being sent is cut off; what
    was sent of it can still be decoded.

    Args:
        seconds: of media that may wait.
        size: bytes of media that may wait.
    """

    def __init__(self, seconds: float = 5.0, size: int = 16 * 1024 * 1024) -> None:
        self._most_seconds = seconds
        self._most_size = size
        self._changed = threading.Condition()
        self._groups: deque[_Group] = deque()
        self._configurations: dict[int, Tag] = {}
        self._sent_configurations: tuple[Tag, ...] = ()
        self._to_send_first: deque[Tag] = deque()
        self._skipping = False
        self._skipped_is_counted = False
        self._closed = False
        self._unannounced = 0
        self._groups_dropped = 0
        self._frames_dropped = 0

    @property
    def dropped(self) -> Dropped:
        """What was dropped so far."""
        with self._changed:
            return Dropped(self._groups_dropped, self._frames_dropped)

    @property
    def seconds(self) -> float:
        """Seconds of media that wait."""
        with self._changed:
            return self._seconds()

    @property
    def size(self) -> int:
        """Bytes of media that wait."""
        with self._changed:
            return self._size()

    def put(self, tag: Tag) -> bool:
        """Add a tag, never waiting; return whether something was dropped for it."""
        with self._changed:
            if self._closed:
                return False
            if _is_configuration(tag):
                self._configurations[tag.type] = tag
                if not self._groups:
                    return False
            before = self._frames_dropped
            self._add(tag)
            while self._groups and (
                self._seconds() > self._most_seconds or self._size() > self._most_size
            ):
                self._drop_one()
            self._unannounced += 1
            if self._unannounced >= _MOST_UNANNOUNCED:
                self._tell()
            return self._frames_dropped > before

    def announce(self) -> None:
        """Wake up who waits for tags; `put` does so itself only when many have come.

        Each time that a thread wakes up costs more than the few tags that it then sends.
        """
        with self._changed:
            self._tell()

    def get(self, timeout: float) -> Tag | None:
        """Take the next tag; None when there is none within `timeout` seconds or any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting() or self._closed, timeout)
            if not self._waiting():
                return None
            if self._to_send_first:
                return self._to_send_first.popleft()
            while not self._groups[0].tags:
                self._groups.popleft()
            group = self._groups[0]
            if not group.begun:
                group.begun = True
                self._announce(group)
                if self._to_send_first:
                    return self._to_send_first.popleft()
            tag = group.take()
            if _is_configuration(tag):
                # Those of this moment are what the next group begins with.
                self._sent_configurations = tuple(
                    tag if one.type == tag.type else one for one in self._sent_configurations
                )
            return tag

    def restart(self, lost: Tag | None = None) -> None:
        """Go on with the next key frame, behind the codec configurations.

        Args:
            lost: a tag that was taken and could not be sent.
        """
        with self._changed:
            self._sent_configurations = ()
            self._to_send_first.clear()
            cut = int(lost is not None and _is_picture(lost))
            if self._groups and self._groups[0].begun:
                self._cut_begun(cut)

    def close(self, *, drain: bool) -> None:
        """Take no more; what waits can still be taken if `drain`, else it is dropped."""
        with self._changed:
            self._closed = True
            if not drain:
                for group in self._groups:
                    self._frames_dropped += group.pictures
                    self._groups_dropped += group.pictures > 0
                self._groups.clear()
                self._to_send_first.clear()
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and not self._waiting()

    def _tell(self) -> None:
        self._unannounced = 0
        self._changed.notify_all()

    def _add(self, tag: Tag) -> None:
        key = _is_picture(tag) and tag.payload[0] >> 4 & 7 == _KEY_FRAME
        if self._skipping and not key:
            if _is_picture(tag):
                self._frames_dropped += 1
                self._groups_dropped += not self._skipped_is_counted
                self._skipped_is_counted = True
            return
        # Sound from before the first picture belongs to it.
        if not self._groups or (key and (self._skipping or self._has_pictures(self._groups[-1]))):
            self._groups.append(_Group(tuple(self._configurations.values())))
        self._skipping = False
        self._groups[-1].add(tag)

    def _has_pictures(self, group: _Group) -> bool:
        return group.begun or group.pictures > 0

    def _drop_one(self) -> None:
        for group in self._groups:
            if not group.begun:
                self._groups_dropped += 1
                self._frames_dropped += group.pictures
                if group is self._groups[-1]:
                    self._skip(counted=True)
                self._groups.remove(group)
                return
        self._cut_begun()

    def _cut_begun(self, already: int = 0) -> None:
        group = self._groups.popleft()
        frames = group.pictures + already
        self._groups_dropped += frames > 0
        self._frames_dropped += frames
        if not self._groups:
            self._skip(counted=frames > 0)

    def _skip(self, *, counted: bool) -> None:
        """Leave out what comes until the next key frame."""
        self._skipping = True
        self._skipped_is_counted = counted

    def _announce(self, group: _Group) -> None:
        if group.configurations != self._sent_configurations:
            self._sent_configurations = group.configurations
            stamp = group.tags[0].timestamp
            self._to_send_first.extend(
                tag._replace(timestamp=stamp) for tag in group.configurations
            )

    def _waiting(self) -> bool:
        return bool(self._to_send_first) or any(group.tags for group in self._groups)

    def _seconds(self) -> float:
        tags = [group.tags for group in self._groups if group.tags]
        if not tags:
            return 0.0
        # A tag may be stamped a little before the one in front of it.
        span = (tags[-1][-1].timestamp - tags[0][0].timestamp + _WRAP // 2) % _WRAP - _WRAP // 2
        return max(0.0, span / 1000)

    def _size(self) -> int:
        return sum(group.size for group in self._groups)


def _is_picture(tag: Tag) -> bool:
    return tag.type == VIDEO and not _is_configuration(tag)


def _is_configuration(tag: Tag) -> bool:
    if tag.type == SCRIPT:
        return True
    if len(tag.payload) < 2 or tag.payload[1] != 0:
        return False
    return tag.type == VIDEO or (tag.type == AUDIO and tag.payload[0] >> 4 == 10)
