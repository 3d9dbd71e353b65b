"""Sends FLV tags when their time has come."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from headend.push.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headend.presets import EncodingPreset
    from headend.push.source import MediaSource
    from headend.push.worker import StopSignal
    from headend.rtmp.flv import Tag

__all__ = ["Push", "PushStats", "TagSink", "push"]

_AUDIO: Final = 8
_VIDEO: Final = 9
_WRAP: Final = 1 << 32


class TagSink(Protocol):
    """Where tags go; a `headend.rtmp.connection.PublishConnection` is one."""

    def send(self, tag: Tag) -> None:
        """Take one tag; may block, and raises when the far end is gone."""
        ...


class _Connection(TagSink, AbstractContextManager["_Connection"], Protocol):
    """A sink that is closed by leaving its context."""


@attrs.frozen
class PushStats:
    """What has been sent so far.

    Attributes:
        video_frames: video tags, the codec's configuration included.
        audio_frames: audio tags, the codec's configuration included.
        payload_bytes: bytes of all tags' payloads, without what the protocol adds.
        media_time: seconds of media.
        lag: seconds by which the last tag left later than its time; what stays above a few
            tenths means that this machine or the way to the ingest is too slow.
    """

    video_frames: int = 0
    audio_frames: int = 0
    payload_bytes: int = 0
    media_time: float = 0.0
    lag: float = 0.0


def push(
    tags: Iterable[Tag],
    sink: TagSink,
    *,
    stop: StopSignal,
    clock: Callable[[], float] = time.monotonic,
    on_sent: Callable[[PushStats], None] = lambda _: None,
    ahead: float = 0.0,
) -> None:
    """Send tags in real time until they or the patience for them end.

    Every tag is due at a moment counted from the first one, so that the error of single waits
    does not add up over hours.  A tag that is late is sent at once.

    Args:
        tags: in the order of sending; time stamps in milliseconds that may pass 2**32.
        sink: takes the tags; what its `send` raises comes out here.
        stop: ends the push between two tags, and serves to wait.
        clock: seconds that only ever grow.
        on_sent: gets the figures after every tag.
        ahead: seconds by which a tag may leave early together with one that is due; waking up
            is what sending costs most.
    """
    stats = PushStats()
    origin = 0.0
    elapsed = 0
    previous: int | None = None
    for tag in tags:
        if previous is None:
            origin = clock()
        else:
            # Audio and video take turns, so a stamp may be a little below the one before it.
            elapsed += (tag.timestamp - previous + _WRAP // 2) % _WRAP - _WRAP // 2
        previous = tag.timestamp
        early = origin + elapsed / 1000 - clock()
        if stop.wait(early) if early > ahead else stop.is_set():
            return
        sink.send(tag)
        stats = PushStats(
            video_frames=stats.video_frames + (tag.type == _VIDEO),
            audio_frames=stats.audio_frames + (tag.type == _AUDIO),
            payload_bytes=stats.payload_bytes + len(tag.payload),
            media_time=max(stats.media_time, elapsed / 1000),
            lag=max(0.0, clock() - origin - elapsed / 1000),
        )
        on_sent(stats)


class Push(Worker):
    """Encodes a source and sends it, in a thread of its own.

    Its `error` may be an `RtmpError` or a `SourceError`; `stop` takes leave of the ingest.

    Args:
        source: what to send.
        preset: how to encode it.
        connect: opens the way to the ingest, for example
            ``lambda: PublishConnection.connect(url, key)``; it is closed at the end.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        source: MediaSource,
        preset: EncodingPreset,
        connect: Callable[[], _Connection],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("headend-push", self._run)
        self._source = source
        self._preset = preset
        self._connect = connect
        self._clock = clock
        self._stats = PushStats()
        self._connection: _Connection | None = None

    def start(self) -> None:
        """Connect, then send in the background.

        Raises:
            RtmpError: the ingest cannot be reached or refuses; nothing runs then.
            MediaExtraMissingError: PyAV is not installed; nothing was connected.
        """
        # Before the ingest is told anything: a missing PyAV is to be known by then.
        import headend.push.encoder  # noqa: F401

        self._connection = self._connect()
        super().start()

    @property
    def stats(self) -> PushStats:
        """What has been sent so far."""
        return self._stats

    def _run(self, stop: StopSignal) -> None:
        from headend.push.encoder import encode

        assert self._connection is not None
        with (
            self._connection as connection,
            contextlib.closing(encode(self._source, self._preset)) as tags,
        ):
            push(tags, connection, stop=stop, clock=self._clock, on_sent=self._keep)

    def _keep(self, stats: PushStats) -> None:
        self._stats = stats
