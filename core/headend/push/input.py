"""One pass through an opened input: its tracks, its packets in steady time, what they decode to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Self, cast

from headend.push.errors import SourceError
from headend.push.pyav import av

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    MediaPacket = av.Packet[av.VideoStream] | av.Packet[av.AudioStream]

__all__ = ["Input", "reason_of"]

# Seconds by which time stamps may differ from what follows before it counts as a jump.
_BACKWARDS: Final = 1.0
_FORWARDS: Final = 10.0
# Seconds of video that are read ahead in search of the sound that belongs to a picture.
_READ_AHEAD: Final = 1.0
_MOST_WAITING: Final = 4096
# Packets; H.264 reorders at most 16 pictures.
_MOST_UNDATED: Final = 32


def reason_of(error: Exception) -> str:
    """Say why an input failed; never what its address is."""
    if isinstance(error, av.error.ExitError):
        return "nothing came in time"
    if isinstance(error, (av.error.FFmpegError, OSError)) and error.strerror:
        return error.strerror
    return type(error).__name__


class Input:
    """An opened container, of which the first picture track and the first sound track count.

    Args:
        container: as PyAV opened it; closed with this.
        shown: how the input is called in errors; holds no secret.

    Raises:
        SourceError: it has no video; the container is closed then.
    """

    def __init__(self, container: av.container.InputContainer, shown: str) -> None:
        self._container = container
        self._shown = shown
        try:
            self.video = self._picture_track()
        except SourceError:
            container.close()
            raise
        self.video.thread_type = "AUTO"
        self.audio: av.AudioStream | None = next(iter(container.streams.audio), None)

    def _picture_track(self) -> av.VideoStream:
        for stream in self._container.streams.video:
            # The cover of a song is stored as a video stream too.
            if not stream.disposition & av.stream.Disposition.attached_pic:
                return stream
        raise SourceError(f"{self._shown} has no video")

    @property
    def tracks(self) -> list[av.VideoStream | av.AudioStream]:
        """The tracks that count."""
        return [self.video] if self.audio is None else [self.video, self.audio]

    def packets(
        self, *tracks: av.VideoStream | av.AudioStream, steady: bool = True
    ) -> Iterator[MediaPacket]:
        """Give the packets of those tracks, at the end an empty one of each.

        Args:
            tracks: which; without any, all that count.
            steady: heal jumps of the clock, as at the seams of a television programme: after
                one, time goes on where it was.

        Raises:
            SourceError: the input cannot be read any more.
        """
        found = self._demuxed(tracks or tuple(self.tracks))
        return _steady(_dated(found)) if steady else found

    def _demuxed(
        self, tracks: tuple[av.VideoStream | av.AudioStream, ...]
    ) -> Iterator[MediaPacket]:
        try:
            yield from cast("Iterator[MediaPacket]", self._container.demux(*tracks))
        except (av.error.FFmpegError, OSError) as error:
            # The error of PyAV holds the address, and with it whatever is secret in there.
            raise SourceError(f"{self._shown}: reading failed: {reason_of(error)}") from None

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Decode the pictures alone; damaged packets are left out."""
        for packet in self.packets(self.video, steady=False):
            for frame in _decoded(packet):
                if isinstance(frame, av.VideoFrame):
                    yield frame

    def sound(self) -> Iterator[av.AudioFrame]:
        """Decode the sound alone; damaged packets are left out."""
        if self.audio is None:
            return
        for packet in self.packets(self.audio, steady=False):
            for frame in _decoded(packet):
                if isinstance(frame, av.AudioFrame):
                    yield frame

    def together(self) -> tuple[Iterator[av.VideoFrame], Iterator[av.AudioFrame | None]]:
        """Decode both tracks in one pass, for inputs that cannot be read twice.

        Sound that is more than a second behind its picture is not waited for: None stands in.
        """
        both = _SinglePass(self)
        return both.pictures(), both.sound()

    def close(self) -> None:
        """Close it; a second call does nothing."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _SinglePass:
    """Keeps the packets of one track while those of the other are asked for."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._packets = source.packets()
        self._ended = False
        self._video: deque[MediaPacket] = deque()
        # A camera that shows nothing for a minute but sends sound must not fill the memory.
        self._audio: deque[MediaPacket] = deque(maxlen=_MOST_WAITING)

    def pictures(self) -> Iterator[av.VideoFrame]:
        while self._video or self._read():
            if not self._video:
                continue
            for frame in _decoded(self._video.popleft()):
                if isinstance(frame, av.VideoFrame):
                    yield frame

    def sound(self) -> Iterator[av.AudioFrame | None]:
        if self._source.audio is None:
            return
        while self._audio or self._ahead() > _READ_AHEAD or self._read():
            if not self._audio:
                if self._ahead() > _READ_AHEAD:
                    yield None
                continue
            for frame in _decoded(self._audio.popleft()):
                if isinstance(frame, av.AudioFrame):
                    yield frame

    def _ahead(self) -> float:
        if len(self._video) >= _MOST_WAITING:
            return float("inf")
        stamps = [packet.dts for packet in self._video if packet.dts is not None]
        return float((stamps[-1] - stamps[0]) * self._video[0].time_base) if stamps else 0.0

    def _read(self) -> bool:
        """Read one packet; return whether there was one."""
        packet = None if self._ended else next(self._packets, None)
        if packet is None:
            self._ended = True
            return False
        (self._video if packet.stream is self._source.video else self._audio).append(packet)
        return True


def _decoded(packet: MediaPacket) -> list[object]:
    try:
        return list(packet.decode())
    except av.error.InvalidDataError:
        return []


def _dated(packets: Iterator[MediaPacket]) -> Iterator[MediaPacket]:
    """Give each packet the decoding time that Matroska does not tell of the first ones."""
    held: dict[int, list[MediaPacket]] = {}
    ends: dict[int, int] = {}
    for packet in packets:
        index = packet.stream_index
        waiting = held.setdefault(index, [])
        if packet.dts is None and packet.size:
            if index in ends:
                packet.dts = ends[index]
            else:
                waiting.append(packet)
                if len(waiting) < _MOST_UNDATED:
                    continue
                packet = waiting.pop()  # noqa: PLW2901  # nobody knows; so this is 0
                packet.dts = 0
        if waiting:
            last = packet.dts or 0
            for number, one in enumerate(reversed(waiting), 1):
                one.dts = last - number * (one.duration or 1)
            yield from waiting
            waiting.clear()
        if packet.dts is not None:
            ends[index] = packet.dts + (packet.duration or 1)
        yield packet


def _steady(packets: Iterator[MediaPacket]) -> Iterator[MediaPacket]:
    """Let time go on where it was when the clock of a source jumps."""
    shift = 0.0
    ends: dict[int, float] = {}
    bases: dict[int, float] = {}
    for packet in packets:
        if packet.dts is not None:
            index = packet.stream_index
            base = bases.get(index) or bases.setdefault(index, float(packet.time_base))
            at = packet.dts * base + shift
            due = ends.get(index, at)
            if not due - _BACKWARDS <= at <= due + _FORWARDS:
                shift += due - at
                at = due
            ends[index] = at + (packet.duration or 0) * base
            if shift:
                moved = round(shift / base)
                packet.dts += moved
                if packet.pts is not None:
                    packet.pts += moved
        yield packet
