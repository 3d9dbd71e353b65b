"""From one source to one or many targets, for hours, through what befalls each of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Final

import attrs

from headend.presets import EncodingPreset, preset as preset_of
from headend.push.backlog import Backlog
from headend.push.errors import AllTargetsFailedError, SourceError
from headend.push.sender import PushStats, push
from headend.push.target import Reconnect, TargetSender, TargetState, TargetStats
from headend.push.worker import Worker
from headend.rtmp.connection import PublishConnection
from headend.rtmp.flv import AUDIO, VIDEO

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from headend.clock import Clock
    from headend.push.source import MediaSource
    from headend.push.target import Connection, Target
    from headend.push.worker import StopSignal
    from headend.rtmp.flv import Tag

__all__ = ["Relay", "RelayEvent", "RelayEventKind", "RelayStats"]

_WINDOW: Final = 5.0
_FIRST_WITHIN: Final = 15.0
_DRAIN_WITHIN: Final = 10.0
_FAREWELL_WITHIN: Final = 3.0
_GLANCE: Final = 0.05
_TOGETHER: Final = 0.04
_WRAP: Final = 1 << 32


class RelayEventKind(StrEnum):
    """What a relay tells of."""

    STARTED = "started"
    """The source is read; `RelayEvent.reason` says why it is not copied, if it might have been."""
    CONNECTED = "connected"
    """A target takes what is sent."""
    RECONNECTING = "reconnecting"
    """A target was lost or did not answer, and is tried again."""
    DROPPED = "dropped"
    """A target is too slow, or was away: groups of pictures were dropped."""
    TARGET_FAILED = "target-failed"
    """A target was given up; the others go on."""
    ENDED = "ended"
    """The relay is over."""


@attrs.frozen(kw_only=True)
class RelayEvent:
    """Something that happened, in the order in which it did.

    Attributes:
        kind: what.
        target: to which target; None when it is about all.
        reason: why; None where there is nothing to say.
        stats: the figures at that moment.
    """

    kind: RelayEventKind
    target: str | None
    reason: str | None
    stats: RelayStats


@attrs.frozen(kw_only=True)
class RelayStats:
    """What a relay has done so far.

    Attributes:
        time: seconds of media sent.
        elapsed: seconds since the first of it was due.
        lag: seconds by which the last of it left later than its time; a figure that grows means
            that this machine, or the source, is too slow.
        speed: seconds of media for each second, over the whole time; 1 is right.
        fps: frames per second, over the last 5 s.
        video_bitrate: bits per second, over the last 5 s.
        audio_bitrate: bits per second, over the last 5 s.
        copied: whether the source goes as it is.
        targets: what has become of each.
    """

    time: float = 0.0
    elapsed: float = 0.0
    lag: float = 0.0
    speed: float = 0.0
    fps: float = 0.0
    video_bitrate: int = 0
    audio_bitrate: int = 0
    copied: bool = False
    targets: tuple[TargetStats, ...] = ()


class Relay(Worker):
    """Sends a source to its targets in real time, encoded once, in threads of its own.

    As a context manager it starts and stops itself.  A target that is lost is tried again
    without touching the source: it goes on with the next key frame.  A target that is too slow
    loses whole groups of pictures.  Neither disturbs another target.  `error` tells, when it is
    over, what went wrong: a `SourceError`, or an `AllTargetsFailedError`.

    Args:
        source: what to send; `headend.push.open_source` makes one of a path or an address.
        targets: where to, each with a name of its own.
        preset: how to encode it, by name or as it is.
        copy: None sends a source as it is when it fits the preset, True always, False never.
        duration: seconds of media after which it ends; None for as long as the source has any.
        reconnect: how a target that was lost is tried again.
        backlog: seconds of media that may wait for one target.
        on_event: gets what happens, in the thread where it does; must not block.
        connect: opens the way to a target.
        clock: what paces; the machine's own if None.
        random: for the waits between two tries.

    Raises:
        ValueError: no target, two of one name, or no such preset.
        SourceError: `copy` is True, and the source cannot go as it is; the message says why.
    """

    def __init__(
        self,
        source: MediaSource,
        targets: Sequence[Target],
        *,
        preset: EncodingPreset | str | None = None,
        copy: bool | None = None,
        duration: float | None = None,
        reconnect: Reconnect | None = None,
        backlog: float = 5.0,
        on_event: Callable[[RelayEvent], None] = lambda _: None,
        connect: Callable[[Target], Connection] = lambda target: PublishConnection.connect(
            target.server_url, target.stream_key
        ),
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        super().__init__("headend-relay", self._run)
        if not targets:
            raise ValueError("a relay needs a target")
        names = [target.name for target in targets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two targets are called {twice}")
        if isinstance(preset, EncodingPreset):
            self._preset = preset
        else:
            self._preset = preset_of() if preset is None else preset_of(preset)
        self._source = source
        self._duration = duration
        self._on_event = on_event
        self._events = threading.Lock()
        self._clock = clock
        self._tags, self._why_encoded = _chosen(source, self._preset, copy)
        self._meter = _Meter()
        self._sent = PushStats()
        self._origin: float | None = None
        self._ended_at: float | None = None
        self._last_drop: dict[str, float] = {}
        chance = random or Random()  # noqa: S311  # it spreads retries
        self._senders = tuple(
            TargetSender(
                target,
                connect,
                reconnect=reconnect or Reconnect(),
                random=chance,
                on_change=self._on_change,
                backlog=Backlog(seconds=backlog),
            )
            for target in targets
        )

    @property
    def stats(self) -> RelayStats:
        """What it has done so far."""
        sent, now = self._sent, self._now() if self._ended_at is None else self._ended_at
        elapsed = 0.0 if self._origin is None else now - self._origin
        frames, video, audio = self._meter.rates(now)
        return RelayStats(
            time=sent.media_time,
            elapsed=elapsed,
            lag=sent.lag,
            speed=min(1.0, sent.media_time / elapsed) if elapsed > 0 else 0.0,
            fps=frames,
            video_bitrate=round(video * 8),
            audio_bitrate=round(audio * 8),
            copied=self.copied,
            targets=tuple(sender.stats for sender in self._senders),
        )

    @property
    def copied(self) -> bool:
        """Whether the source goes as it is."""
        return self._tags is not None

    def start(self) -> None:
        """Begin, in the background; possible once.

        Raises:
            MediaExtraMissingError: PyAV is not installed; nothing was connected.
        """
        import headend.push.encoder  # noqa: F401

        super().start()

    def stop(self, timeout: float | None = 10.0) -> None:
        """Take leave of the targets at once, and wait for that, at most `timeout` seconds."""
        self._stop.set()
        for sender in self._senders:
            sender.finish(within=0)
        for sender in self._senders:
            sender.join(_FAREWELL_WITHIN)
        self.join(timeout)

    def _run(self, stop: StopSignal) -> None:
        pacer = _Pacer(stop, self._clock, self._senders)
        self._tell(RelayEventKind.STARTED, None, self._why_encoded)
        for sender in self._senders:
            sender.start()
        try:
            with closing(self._media()) as tags:
                self._await_a_target(stop)
                push(
                    self._until_its_end(tags),
                    _Everybody(self._offer),
                    stop=pacer,
                    clock=self._now,
                    on_sent=self._keep,
                    ahead=_TOGETHER,
                )
        finally:
            self._ended_at = self._now()
            self._take_leave(stop)
        failures = {
            sender.target.name: sender.error for sender in self._senders if sender.error is not None
        }
        if len(failures) == len(self._senders):
            raise AllTargetsFailedError(failures)

    def _take_leave(self, stop: StopSignal) -> None:
        for sender in self._senders:
            sender.finish(within=0 if stop.is_set() else _DRAIN_WITHIN)
        for sender in self._senders:
            sender.join(_DRAIN_WITHIN + _FAREWELL_WITHIN)
        self._tell(RelayEventKind.ENDED, None, None)

    def _media(self) -> Generator[Tag, None, None]:
        if self._tags is not None:
            yield from self._tags()
            return
        from headend.push.encoder import encode

        yield from encode(self._source, self._preset)

    def _until_its_end(self, tags: Iterable[Tag]) -> Iterator[Tag]:
        elapsed = 0
        previous: int | None = None
        for tag in tags:
            if previous is None:
                self._origin = self._now()
            else:
                elapsed += (tag.timestamp - previous + _WRAP // 2) % _WRAP - _WRAP // 2
            previous = tag.timestamp
            if self._duration is not None and elapsed >= self._duration * 1000:
                return
            if all(sender.over for sender in self._senders):
                return
            yield tag

    def _await_a_target(self, stop: StopSignal) -> None:
        """Let the first that accepts see the beginning; the others wait for nobody."""
        deadline = time.monotonic() + _FIRST_WITHIN
        while time.monotonic() < deadline:
            states = [sender.stats.state for sender in self._senders]
            if TargetState.LIVE in states or all(sender.over for sender in self._senders):
                return
            if stop.wait(_GLANCE):
                return

    def _offer(self, tag: Tag) -> None:
        self._meter.add(self._now(), tag)
        for sender in self._senders:
            if sender.backlog.put(tag):
                self._tell_of_drops(sender)

    def _tell_of_drops(self, sender: TargetSender) -> None:
        if not sender.over:
            now = self._now()
            # A target that is away drops something with every frame.
            if now - self._last_drop.get(sender.target.name, float("-inf")) >= 1.0:
                self._last_drop[sender.target.name] = now
                self._tell(RelayEventKind.DROPPED, sender.target.name, None)

    def _keep(self, sent: PushStats) -> None:
        self._sent = sent

    def _on_change(self, sender: TargetSender, what: str, why: str | None) -> None:
        self._tell(RelayEventKind(what), sender.target.name, why)

    def _tell(self, kind: RelayEventKind, target: str | None, reason: str | None) -> None:
        with self._events:
            self._on_event(RelayEvent(kind=kind, target=target, reason=reason, stats=self.stats))

    def _now(self) -> float:
        return time.monotonic() if self._clock is None else self._clock.monotonic()


class _Everybody:
    """All targets as one sink that never waits."""

    def __init__(self, offer: Callable[[Tag], None]) -> None:
        self._offer = offer

    def send(self, tag: Tag) -> None:
        self._offer(tag)


class _Pacer:
    """Waits for the moment of the next tag, and lets the targets have those before it."""

    def __init__(
        self, stop: StopSignal, clock: Clock | None, senders: Sequence[TargetSender]
    ) -> None:
        self._stop = stop
        self._clock = clock
        self._senders = senders

    def is_set(self) -> bool:
        return self._stop.is_set()

    def wait(self, timeout: float) -> bool:
        for sender in self._senders:
            sender.backlog.announce()
        if self._clock is None:
            return self._stop.wait(timeout)
        self._clock.sleep(timeout)
        return self._stop.is_set()


class _Meter:
    """Frames and bytes of the last seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, int, int, int]] = deque()
        self._began: float | None = None
        self._frames = self._video = self._audio = 0

    def add(self, now: float, tag: Tag) -> None:
        size = len(tag.payload)
        video, audio = size * (tag.type == VIDEO), size * (tag.type == AUDIO)
        with self._lock:
            if self._began is None:
                self._began = now
            self._seen.append((now, int(tag.type == VIDEO), video, audio))
            self._frames += tag.type == VIDEO
            self._video += video
            self._audio += audio
            self._forget(now)

    def rates(self, now: float) -> tuple[float, float, float]:
        """Return frames, bytes of video and bytes of audio, for each second."""
        with self._lock:
            self._forget(now)
            # Of the first second nothing can be said: it holds a key frame too many.
            seconds = 0.0 if self._began is None else min(_WINDOW, now - self._began)
            if seconds < 1.0:
                return 0.0, 0.0, 0.0
            return self._frames / seconds, self._video / seconds, self._audio / seconds

    def _forget(self, now: float) -> None:
        while self._seen and self._seen[0][0] <= now - _WINDOW:
            _, frames, video, audio = self._seen.popleft()
            self._frames -= frames
            self._video -= video
            self._audio -= audio


def _chosen(
    source: MediaSource, preset: EncodingPreset, copy: bool | None
) -> tuple[Callable[[], Iterator[Tag]] | None, str | None]:
    """Return how to get the source as it is, or None; and why it is not taken so."""
    if copy is False:
        return None, None
    from headend.push.copying import why_not_copied, why_not_fitting
    from headend.push.source import CodedSource

    if not isinstance(source, CodedSource):
        if copy:
            raise SourceError("the source is made here, not coded: there is nothing to copy")
        return None, None
    shape = source.shape()
    why_not = why_not_copied(shape) if copy else why_not_fitting(shape, preset)
    if why_not is None:
        return source.tags, None
    if copy:
        raise SourceError(f"the source cannot be copied: {why_not}")
    return None, why_not
