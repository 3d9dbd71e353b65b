"""One target of a relay: where it is, and the thread that keeps sending to it."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import attrs

from headend.push.errors import TargetLostError
from headend.rtmp.errors import (
    PublishEndedError,
    PublishRefusedError,
    RtmpError,
)
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from headend.platform import StreamingPlatform
    from headend.push.backlog import Backlog
    from headend.rtmp.flv import Tag

__all__ = ["Connection", "Reconnect", "Target", "TargetSender", "TargetState", "TargetStats"]


@attrs.frozen
class Target:
    """Where to send to.

    Attributes:
        name: how it is called in figures and errors.
        server_url: ``rtmp://`` or ``rtmps://``, without the stream key.
        stream_key: what the server knows the live stream by.
    """

    name: str
    server_url: str = attrs.field(repr=False)  # some people paste the key into it
    stream_key: Secret

    @classmethod
    def of(cls, platform: StreamingPlatform, stream_id: str) -> Self:
        """Return the ingest of a live stream as a target called ``PROVIDER:STREAM_ID``.

        Raises:
            HeadendError: the platform does not know the live stream, or cannot be asked.
        """
        credentials = platform.get_credentials(stream_id)
        name = f"{platform.provider}:{stream_id}"
        return cls(name, credentials.rtmp_push_url, credentials.stream_key)


class TargetState(StrEnum):
    """What a target is doing."""

    CONNECTING = "connecting"
    """It has not taken anything yet."""
    LIVE = "live"
    """It takes what is sent."""
    RECONNECTING = "reconnecting"
    """It was lost, and is being tried again."""
    FAILED = "failed"
    """It was given up."""
    ENDED = "ended"
    """The push to it ended in order."""


@attrs.frozen(kw_only=True)
class TargetStats:
    """What has become of one target so far.

    Attributes:
        name: the target's.
        state: what it is doing.
        reconnects: how often it was accepted again after it was lost.
        dropped_groups: groups of pictures that it did not get whole.
        dropped_frames: pictures in them that it did not get.
        sent_frames: pictures sent, the codec's configuration not counted.
        sent_bytes: bytes of media sent, without what the protocol adds.
        waiting: seconds of media that wait to be sent; a figure that stays high means that the
            way to the ingest is too slow.
        error: why it was last lost, refused or given up; None if it never was.
    """

    name: str
    state: TargetState = TargetState.CONNECTING
    reconnects: int = 0
    dropped_groups: int = 0
    dropped_frames: int = 0
    sent_frames: int = 0
    sent_bytes: int = 0
    waiting: float = 0.0
    error: str | None = None


@attrs.frozen(kw_only=True)
class Reconnect:
    """How a target that was lost is tried again.

    Each wait is twice the one before, between `first` and `longest`, and shortened by chance by
    up to half, so that many encoders do not come back at the same moment.

    Attributes:
        first: seconds before the first new try.
        longest: seconds between two tries at most.
        attempts: how often a target is tried that has never accepted anything.
        refusals: how many refusals in a row are believed where nothing else explains them.
        busy: seconds for which a refusal after a broken connection is not believed: the ingest
            may still hold the old connection and think that somebody else pushes.
    """

    first: float = 0.5
    longest: float = 10.0
    attempts: int = 4
    refusals: int = 2
    busy: float = 60.0


_GREETING: Final = 2.0
"""Seconds after which an accepted publish was more than a greeting."""


class Connection(AbstractContextManager["Connection"], Protocol):
    """A publish that was accepted; a `headend.rtmp.PublishConnection` is one."""

    def send(self, tag: Tag) -> None:
        """Send a tag; may block, and raises an `RtmpError` when the far end is gone."""
        ...

    def close(self) -> None:
        """End the publish in order."""
        ...


class TargetSender:
    """Sends to one target what is put into its backlog, through all that befalls connections.

    Args:
        target: where to.
        connect: opens the way there.
        reconnect: how it is tried again.
        random: for the waits.
        on_change: called, in this target's thread, with what happened and why: ``connected``,
            ``reconnecting``, ``target-failed``.
        backlog: what waits for it.
    """

    def __init__(
        self,
        target: Target,
        connect: Callable[[Target], Connection],
        *,
        reconnect: Reconnect,
        random: Random,
        on_change: Callable[[TargetSender, str, str | None], None],
        backlog: Backlog,
    ) -> None:
        self.target = target
        self.backlog = backlog
        self.error: Exception | None = None
        self._connect = connect
        self._reconnect = reconnect
        self._random = random
        self._on_change = on_change
        self._stats = TargetStats(name=target.name)
        self._enough = threading.Event()
        self._deadline = float("inf")
        self._accepted_at = 0.0
        self._broken_at: float | None = None
        self._tries = 0
        self._refusals = 0
        self._sent_frames = 0
        self._sent_bytes = 0
        self._thread = threading.Thread(
            target=self._main, name=f"headend-target-{target.name}", daemon=True
        )

    @property
    def stats(self) -> TargetStats:
        """What has become of it so far."""
        dropped = self.backlog.dropped
        return attrs.evolve(
            self._stats,
            sent_frames=self._sent_frames,
            sent_bytes=self._sent_bytes,
            dropped_groups=dropped.groups,
            dropped_frames=dropped.frames,
            waiting=round(self.backlog.seconds, 3),
        )

    @property
    def over(self) -> bool:
        """Whether nothing will be sent to it any more."""
        return self._stats.state in (TargetState.FAILED, TargetState.ENDED)

    def start(self) -> None:
        """Connect and send, in the background."""
        self._thread.start()

    def finish(self, within: float) -> None:
        """Have it send what waits within so many seconds, then take leave; with 0 at once.

        `join` waits for that.
        """
        self._deadline = time.monotonic() + within
        self.backlog.close(drain=within > 0)
        if not within:
            self._enough.set()

    def join(self, timeout: float) -> None:
        """Wait until it is over, at most `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _main(self) -> None:
        try:
            while not self._finished():
                try:
                    self._send_until_lost()
                except RtmpError as error:
                    self._lost(error)
        except Exception as error:  # noqa: BLE001  # one target must not end the others
            self._fail(error)
        if not self.over:
            self._become(state=TargetState.ENDED)

    def _finished(self) -> bool:
        if self.over or self._enough.is_set():
            return True
        late = time.monotonic() >= self._deadline
        state = self._stats.state
        if state is TargetState.LIVE:
            return late or self.backlog.done
        # What was lost with a connection is not sent again; who never had one may yet get all.
        if late or (self.backlog.done and state is TargetState.RECONNECTING):
            self._fail(TargetLostError(f"not connected when the push ended: {self._stats.error}"))
            return True
        return False

    def _send_until_lost(self) -> None:
        with self._connect(self.target) as connection:
            self._accepted()
            while not self._enough.is_set() and time.monotonic() < self._deadline:
                tag = self.backlog.get(timeout=0.5)
                if tag is None:
                    if self.backlog.done:
                        return
                    continue
                try:
                    connection.send(tag)
                except BaseException:
                    self.backlog.restart(lost=tag)
                    raise
                self._count(tag)

    def _accepted(self) -> None:
        again = self._stats.state is TargetState.RECONNECTING
        self._accepted_at = time.monotonic()
        self._become(state=TargetState.LIVE, reconnects=self._stats.reconnects + again)
        self._on_change(self, "connected", None)

    def _count(self, tag: Tag) -> None:
        picture = tag.type == 9 and tag.payload[1:2] != b"\0"
        self._sent_frames += picture
        self._sent_bytes += len(tag.payload)

    def _lost(self, error: RtmpError) -> None:
        now = time.monotonic()
        said_no = isinstance(error, PublishRefusedError)
        self._become(error=str(error))
        if self._stats.state is TargetState.LIVE:
            self._become(state=TargetState.RECONNECTING)
            greeted = now - self._accepted_at < _GREETING
            if not greeted:
                self._tries = self._refusals = 0
            # An ingest that says goodbye means it; one that vanishes may not know that it has.
            goodbye = isinstance(error, PublishEndedError)
            self._broken_at = None if goodbye else now
            # Some platforms accept every key, and look at it only then.
            said_no = goodbye and greeted
        self._tries += 1
        if said_no:
            self._refusals += 1
            excused = self._broken_at is not None and now - self._broken_at < self._reconnect.busy
            if self._refusals >= self._reconnect.refusals and not excused:
                self._fail(error)
                return
        if self._stats.state is TargetState.CONNECTING and self._tries >= self._reconnect.attempts:
            self._fail(error)
            return
        self._on_change(self, "reconnecting", str(error))
        longest = min(
            self._reconnect.first * 2.0 ** min(self._tries - 1, 30), self._reconnect.longest
        )
        wait = longest * (1 - self._random.random() / 2)
        self._enough.wait(min(wait, max(0.0, self._deadline - now)))

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.backlog.close(drain=False)
        self._become(state=TargetState.FAILED, error=str(error))
        self._on_change(self, "target-failed", str(error))

    def _become(self, **changes: Any) -> None:
        # Replaced as a whole, so that whoever reads it sees one moment.
        self._stats = attrs.evolve(self._stats, **changes)
