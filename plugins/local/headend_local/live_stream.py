"""One live stream while the server runs: its encoder, its media, its viewers, its state.

The state is told from evidence: whether an encoder is connected, whether its bytes are arriving
now, and whether there is a whole segment to watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from attrs import evolve, frozen

from headend.plugin import StreamState
from headend.rtmp.flv import (
    AUDIO,
    VIDEO,
    AacConfig,
    AudioFrame,
    AvcConfig,
    VideoFrame,
    parse_audio,
    parse_video,
)
from headend_local.packager import Packager
from headend_local.rates import BitrateMeter, FrameRateMeter
from headend_local.state import Totals
from headend_local.viewers import Viewers

if TYPE_CHECKING:
    from headend.rtmp.flv import Tag
    from headend_local.state import LiveStreamRecord

LONGEST_GOOD_KEY_FRAME_INTERVAL: Final = 4.0
"""Seconds; players wait for a key frame, so with more they start late and lie far behind."""

MAX_MEMORY: Final = 256 * 1024**2
"""Bytes of media that a live stream may hold.

How much its window holds is for the encoder to say, whose frames and timestamps it is: frames of
megabytes a millisecond apart would fill any machine.  A window of some 14 segments is far from it
as a rule: it takes 75 Mbit/s with a key frame every 2 s, and 18 Mbit/s with one every 8.3 s.
"""


class MemoryExceededError(Exception):
    """An encoder sends more than a live stream may hold; the text is what the encoder shows."""


@frozen(kw_only=True)
class Timing:
    """How long things are waited for, in seconds.

    Attributes:
        silent_after: without media from a connected encoder, the live stream is interrupted.
        session_kept: after an encoder left, the session is held open for it to come back; then
            the playlist is ended.
        playlist_kept: an ended playlist stays readable, so that players see the end.
    """

    silent_after: float = 4.0
    session_kept: float = 60.0
    playlist_kept: float = 60.0


@frozen(kw_only=True)
class Clocks:
    """The times a live stream goes by.

    Attributes:
        monotonic: seconds that only ever grow.
        wall: seconds since 1970 in UTC.
    """

    monotonic: Callable[[], float]
    wall: Callable[[], float]


@frozen(kw_only=True)
class IngestDescription:
    """What the encoder sends; what is not known yet is `None`.

    Attributes:
        width: pixels.
        height: pixels.
        frame_rate: frames per second, measured.
        key_frame_interval: seconds, measured.
        video_codec: as in a playlist, e.g. ``"avc1.64001f"``.
        audio_codec: as in a playlist, e.g. ``"mp4a.40.2"``.
    """

    width: int | None
    height: int | None
    frame_rate: float | None
    key_frame_interval: float | None
    video_codec: str | None
    audio_codec: str | None


class Encoder(Protocol):
    """The connection of an encoder, as a live stream sees it."""

    def disconnect(self, reason: str) -> None:
        """End the publish, telling the encoder why."""
        ...


class RunningLiveStream:
    """One live stream while the server runs.  Everything happens on the server's event loop.

    Attributes:
        record: what is kept on disk about it.
        viewers: who watches.
        packager: the media of the present or latest session, or `None` while there is none.
        encoder: the connected encoder, or `None`.
    """

    def __init__(
        self,
        record: LiveStreamRecord,
        *,
        clocks: Clocks,
        random_bytes: Callable[[int], bytes],
        timing: Timing,
    ) -> None:
        self.record = record
        self.viewers = Viewers(
            clocks.monotonic,
            peak=record.totals.peak_viewers,
            watch_time=record.totals.watch_time,
        )
        self.packager: Packager | None = None
        self.encoder: Encoder | None = None
        self._clocks = clocks
        self._random_bytes = random_bytes
        self._timing = timing
        self._bitrate = BitrateMeter(clocks.monotonic)
        self._frame_rate = FrameRateMeter()
        self._media_at: float | None = None
        """When media last arrived from the connected encoder."""
        self._left_at: float | None = None
        """When the last encoder left; `None` while one is connected or the session is over."""
        self._dropped = False
        self._last_words: str | None = None
        self._playlist_ended_at: float | None = None
        self._ended = False
        self._stopping = False
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------ the encoder's side

    def attach(self, encoder: Encoder) -> None:
        """Begin a session with this encoder; there must be no other."""
        assert self.encoder is None
        if self.packager is None or self.packager.ended:
            # Names are never used twice, not even by the next server: caches may hold them.
            self.packager = Packager(
                name_token=self._random_bytes(6).hex(),
                wall_clock=self._clocks.wall,
                on_change=self._wake,
            )
            self.viewers.new_timeline()
            self._playlist_ended_at = None
        self.packager.start_session()
        self.encoder = encoder
        self._bitrate = BitrateMeter(self._clocks.monotonic)
        self._frame_rate = FrameRateMeter()
        self._media_at = None
        self._left_at = None
        self._last_words = None

    def take(self, tag: Tag) -> None:
        """Take what the encoder sent.

        Raises:
            UnsupportedCodecError: audio or video in a codec that cannot be played.
            FlvError: a malformed payload.
            MemoryExceededError: the media held is more than `MAX_MEMORY`; it has been let go.
        """
        packager = self.packager
        assert packager is not None
        if tag.type == VIDEO:
            self._take_video(packager, tag)
        elif tag.type == AUDIO:
            _take_audio(packager, tag)
        else:
            return
        self._media_at = self._clocks.monotonic()
        self._bitrate.add(len(tag.payload))
        if packager.memory_bytes > MAX_MEMORY:
            self.packager = None
            packager.discard()
            raise MemoryExceededError(
                f"the last segments of this live stream take more than {MAX_MEMORY // 1024**2} MiB;"
                " lower the bitrate or set the keyframe interval to 2 s in the encoder, and see "
                "that its timestamps do not stand still"
            )

    def _take_video(self, packager: Packager, tag: Tag) -> None:
        match parse_video(tag.timestamp, tag.payload):
            case AvcConfig() as config:
                packager.video_config(config)
            case VideoFrame() as frame:
                self._frame_rate.add(frame.dts)
                packager.video(frame)
            case None:
                pass

    def detach(self, *, dropped: bool, last_words: str | None = None) -> None:
        """Note that the encoder has left.

        Args:
            dropped: it went without saying so and may be back.
            last_words: why the server sent it away, for `state_reason`.
        """
        self.encoder = None
        self._dropped = dropped
        self._last_words = last_words
        if self.packager is not None and not self.packager.ended:
            self._left_at = self._clocks.monotonic()
            self.packager.end_session()

    def end(self) -> None:
        """End for good: disconnect the encoder and end the playlist, which stays readable."""
        self._ended = True
        if self.encoder is not None:
            self.encoder.disconnect("this live stream has ended")
        self._end_playlist()

    def release(self) -> None:
        """Answer everyone who waits, because the server stops."""
        self._stopping = True
        self._wake()

    def set_enabled(self, *, enabled: bool) -> None:
        """Let encoders in, or keep them out and send the connected one away."""
        self.record = evolve(self.record, enabled=enabled)
        if not enabled and self.encoder is not None:
            self.encoder.disconnect("this live stream is disabled")

    def tick(self) -> bool:
        """Let time pass; return whether media or an encoder is still held."""
        now = self._clocks.monotonic()
        if self._left_at is not None and now - self._left_at > self._timing.session_kept:
            self._end_playlist()
        ended_at = self._playlist_ended_at
        if ended_at is not None and now - ended_at > self._timing.playlist_kept:
            self.packager = None
            self._playlist_ended_at = None
        return self.packager is not None or self.encoder is not None

    def _end_playlist(self) -> None:
        self._left_at = None
        if self.packager is not None and not self.packager.ended:
            self._playlist_ended_at = self._clocks.monotonic()
            self.packager.end()
        self._wake()

    # ------------------------------------------------------------------ the viewers' side

    async def wait_until(self, ready: Callable[[], bool], patience: float) -> bool:
        """Wait up to `patience` seconds for `ready` to hold; it is asked at every change.

        Returns what `ready` says at the end; at once when the server stops.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while not ready() and not self._stopping:
            changed = self._changed
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                break
        return ready()

    def _wake(self) -> None:
        # A fresh event for the next change: whoever waits holds on to the one set here.
        self._changed.set()
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------ what can be told

    @property
    def state(self) -> StreamState:
        """What the live stream is doing, by what is arriving now."""
        if self._ended:
            return StreamState.ENDED
        if not self.record.enabled:
            return StreamState.DISABLED
        if self.encoder is None:
            waiting = self._left_at is not None and self._dropped
            return StreamState.INTERRUPTED if waiting else StreamState.IDLE
        if self._media_at is None:
            return StreamState.CONNECTING
        if self._clocks.monotonic() - self._media_at > self._timing.silent_after:
            return StreamState.INTERRUPTED
        listed = self.packager is not None and self.packager.listed
        return StreamState.LIVE if listed else StreamState.CONNECTING

    @property
    def state_reason(self) -> str | None:
        """Why the state is what it is, for the host, or `None` where it needs no words."""
        match self.state:
            case StreamState.CONNECTING if self._media_at is None:
                return "an encoder is connected and has not sent any media yet"
            case StreamState.CONNECTING:
                return "the first segment is not complete yet"
            case StreamState.INTERRUPTED if self.encoder is not None:
                return "the encoder is connected but sends nothing"
            case StreamState.INTERRUPTED:
                what = self._last_words or "is gone without a word"
                return f"the encoder {what}; the session is held open for its return"
            case StreamState.IDLE:
                return self._last_words
            case _:
                return None

    @property
    def viewer_message(self) -> str:
        """What a viewer is told about the state."""
        match self.state:
            case StreamState.CONNECTING:
                return "The broadcast is starting; the picture comes in a few seconds."
            case StreamState.LIVE:
                return "Live."
            case StreamState.INTERRUPTED:
                return "The broadcast is interrupted; it goes on when the encoder is back."
            case StreamState.ENDED:
                return "This live stream has ended."
            case StreamState.DISABLED:
                return "This live stream is switched off."
            case _:
                return "Nothing is being broadcast at the moment."

    @property
    def warnings(self) -> list[str]:
        """What the person at the encoder should mend, in words."""
        interval = None if self.packager is None else self.packager.key_frame_interval
        if self.encoder is None or interval is None or interval <= LONGEST_GOOD_KEY_FRAME_INTERVAL:
            return []
        late = f"key frames come {interval:.1f} s apart, so players start late and play far behind"
        return [f"{late}; set the keyframe interval to 2 s in the encoder"]

    @property
    def bitrate(self) -> int | None:
        """Bits per second of media arriving; `None` in the first second of a session."""
        return 0 if self.encoder is None else self._bitrate.bits_per_second()

    @property
    def ingest(self) -> IngestDescription | None:
        """What the connected encoder sends, or `None` while none is."""
        packager = self.packager
        if self.encoder is None or packager is None:
            return None
        video, audio = packager.video_description(), packager.audio_description()
        return IngestDescription(
            width=None if video is None else video.width,
            height=None if video is None else video.height,
            frame_rate=None if video is None else self._frame_rate.frames_per_second(),
            key_frame_interval=packager.key_frame_interval,
            video_codec=None if video is None else video.codec,
            audio_codec=None if audio is None else audio.codec,
        )

    @property
    def totals(self) -> Totals:
        """What has added up over all sessions."""
        return Totals(self.viewers.peak, self.viewers.watch_time)


def _take_audio(packager: Packager, tag: Tag) -> None:
    match parse_audio(tag.timestamp, tag.payload):
        case AacConfig() as config:
            packager.audio_config(config)
        case AudioFrame() as frame:
            packager.audio(frame)
        case None:
            pass
