"""A viewer without a screen: follows an HLS playback, decodes it, and counts what arrives."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from headend.fetch import FetchError, fetch
from headend.hls import MediaPlaylist, PlaylistError, parse_media, parse_playlist
from headend.push.barcode import read_frame_counter
from headend.push.errors import ViewerError
from headend.push.pyav import av
from headend.push.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend.fetch import Response
    from headend.hls import ByteRange, InitSection, Segment
    from headend.push.worker import StopSignal

__all__ = ["HlsViewer", "ViewerStats"]

_MAX_PLAYLIST: Final = 1 << 20
_MAX_SEGMENT: Final = 64 << 20
_MAX_INIT: Final = 1 << 20
# RFC 8216 section 6.3.3: do not start closer to the end than three target durations.
_START_BEHIND: Final = 3
_RETRY_DELAY: Final = 0.5
_PARTIAL_CONTENT: Final = 206


class Fetch(Protocol):
    """The shape of `headend.fetch.fetch`, as far as a viewer needs it."""

    def __call__(
        self,
        url: str,
        *,
        timeout: float,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Load a URL."""
        ...


@attrs.frozen
class ViewerStats:
    """What has arrived so far.

    Attributes:
        segments: media segments loaded of which at least one frame could be decoded.
        lost: segments that could not be loaded or decoded, or had left the playlist before.
        received_bytes: bytes of segments and init sections.
        media_time: seconds of media in those segments, by the playlist.
        video_frames: decoded video frames.
        audio_frames: decoded audio frames (1024 samples each for AAC-LC).
        frame_counter: the last frame number read off the test picture, `None` for none yet.
        discontinuities: how often time stamps or encoding started anew.
        ended: whether the playlist said that nothing more will come.
    """

    segments: int = 0
    lost: int = 0
    received_bytes: int = 0
    media_time: float = 0.0
    video_frames: int = 0
    audio_frames: int = 0
    frame_counter: int | None = None
    discontinuities: int = 0
    ended: bool = False


class HlsViewer(Worker):
    """Follows one HLS playback as a simple player would: whole segments, in order.

    Use `follow` to do it here and now, or `start` and `stop` (or the context manager) for a
    thread of its own.

    Args:
        url: of the multivariant or the media playlist; of several variants the first is taken.
        patience: seconds without any answer that makes sense, after which it gives up.
        timeout: seconds for each request.
        clock: seconds that only ever grow.
        load: fetches a URL.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: float = 15.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        load: Fetch = fetch,
    ) -> None:
        super().__init__("headend-viewer", self.follow)
        self._url = url
        self._patience = patience
        self._timeout = timeout
        self._clock = clock
        self._load_url = load
        self._stats = ViewerStats()
        self._media_url: str | None = None
        self._next: int | None = None
        self._decoder: _Decoder | None = None

    @property
    def stats(self) -> ViewerStats:
        """What has arrived so far."""
        return self._stats

    def follow(self, stop: StopSignal) -> None:
        """Follow until the playback ends or `stop` is set.

        Raises:
            ViewerError: nothing that makes sense came for `patience` seconds, or the segments
                are encrypted.
        """
        well = self._clock()
        try:
            while not stop.is_set():
                began = self._clock()
                try:
                    playlist = self._playlist()
                    news = self._watch(playlist, stop)
                except (FetchError, PlaylistError, _NotOkError) as error:
                    if self._clock() - well > self._patience:
                        raise ViewerError(f"the playback cannot be followed: {error}") from error
                    delay = _RETRY_DELAY
                else:
                    well = self._clock()
                    if playlist.ended:
                        self._stats = attrs.evolve(self._stats, ended=True)
                        return
                    # RFC 8216 section 6.3.4: one target duration after a change, half of it
                    # when there was none.
                    wait = playlist.target_duration * (1.0 if news else 0.5)
                    delay = max(0.1, began + wait - self._clock())
                if stop.wait(delay):
                    return
        finally:
            self._renew(None)

    def _playlist(self) -> MediaPlaylist:
        if self._media_url is None:
            answer = self._load(self._url, _MAX_PLAYLIST)
            playlist = parse_playlist(_text(answer), answer.url)
            if isinstance(playlist, MediaPlaylist):
                self._media_url = self._url
                return playlist
            self._media_url = playlist.variants[0].uri
        answer = self._load(self._media_url, _MAX_PLAYLIST)
        return parse_media(_text(answer), answer.url)

    def _watch(self, playlist: MediaPlaylist, stop: StopSignal) -> bool:
        """Take in the segments that are new; return whether there were any."""
        segments = playlist.segments
        if not segments:
            return False
        after_last = segments[-1].sequence + 1
        if self._next is None or after_last < self._next - 1:
            # The beginning, or a server that has started to count anew.
            behind = 0.0
            start = len(segments)
            while start > 0 and (behind < _START_BEHIND * playlist.target_duration):
                start -= 1
                behind += segments[start].duration
            self._next = segments[start].sequence
        if (gone := segments[0].sequence - self._next) > 0:
            self._lose(gone)
            self._next = segments[0].sequence
        news = False
        for segment in segments[self._next - segments[0].sequence :]:
            if stop.is_set():
                break
            self._take(segment)
            self._next = segment.sequence + 1
            news = True
        return news

    def _take(self, segment: Segment) -> None:
        if segment.encrypted:
            raise ViewerError("the segments are encrypted; this viewer does not decrypt")
        if segment.gap:
            self._lose(1)
            return
        try:
            decoder = self._decoder_for(segment)
            data = self._load(segment.uri, _MAX_SEGMENT, segment.byte_range).body
            decoded = decoder.feed(data)
        except (_NotOkError, av.error.FFmpegError):
            self._lose(1)
            return
        if not (decoded.video_frames or decoded.audio_frames):
            self._lose(1)
            return
        self._count(decoded)
        self._stats = attrs.evolve(
            self._stats,
            segments=self._stats.segments + 1,
            received_bytes=self._stats.received_bytes + len(data),
            media_time=self._stats.media_time + segment.duration,
        )

    def _lose(self, count: int) -> None:
        self._stats = attrs.evolve(self._stats, lost=self._stats.lost + count)

    def _decoder_for(self, segment: Segment) -> _Decoder:
        decoder = self._decoder
        identity = (segment.discontinuity_sequence, segment.init)
        if decoder is None or decoder.identity != identity:
            init = b""
            if segment.init is not None:
                init = self._load(segment.init.uri, _MAX_INIT, segment.init.byte_range).body
                self._stats = attrs.evolve(
                    self._stats, received_bytes=self._stats.received_bytes + len(init)
                )
            if decoder is not None:
                self._stats = attrs.evolve(
                    self._stats, discontinuities=self._stats.discontinuities + 1
                )
            decoder = _Decoder(identity, init)
            self._renew(decoder)
        return decoder

    def _renew(self, decoder: _Decoder | None) -> None:
        """Take out what the decoder still holds, and go on with another."""
        if self._decoder is not None:
            self._count(self._decoder.flush())
        self._decoder = decoder

    def _count(self, decoded: _Decoded) -> None:
        stats = self._stats
        counter = decoded.frame_counter
        self._stats = attrs.evolve(
            stats,
            video_frames=stats.video_frames + decoded.video_frames,
            audio_frames=stats.audio_frames + decoded.audio_frames,
            frame_counter=stats.frame_counter if counter is None else counter,
        )

    def _load(self, url: str, max_bytes: int, byte_range: ByteRange | None = None) -> Response:
        headers = {} if byte_range is None else {"Range": byte_range.http_range}
        answer = self._load_url(url, timeout=self._timeout, max_bytes=max_bytes, headers=headers)
        if not answer.ok or (byte_range is not None and answer.status != _PARTIAL_CONTENT):
            raise _NotOkError(f"the server answers with status {answer.status}")
        return answer


class _NotOkError(Exception):
    """The server answered, but not with what was asked for."""


def _text(answer: Response) -> str:
    try:
        return answer.body.decode()
    except UnicodeDecodeError:
        raise PlaylistError("not an HLS playlist: it is not UTF-8 text") from None


@attrs.frozen
class _Decoded:
    video_frames: int
    audio_frames: int
    frame_counter: int | None


class _Decoder:
    """Decodes segments that continue each other.

    The codecs live on from segment to segment, so that one which does not begin with a key
    frame is decoded as well.
    """

    def __init__(self, identity: tuple[int, InitSection | None], init: bytes) -> None:
        self.identity = identity
        self._init = init
        self._codecs: dict[int, av.VideoCodecContext | av.AudioCodecContext] = {}

    def feed(self, segment: bytes) -> _Decoded:
        frames: list[object] = []
        with av.open(io.BytesIO(self._init + segment), "r") as container:
            for packet in container.demux():
                if packet.stream.type in {"video", "audio"} and packet.size:
                    frames += self._codec(packet.stream).decode(packet)
        return _decoded(frames)

    def flush(self) -> _Decoded:
        frames: list[object] = []
        for codec in self._codecs.values():
            frames += codec.decode(None)
        self._codecs.clear()
        return _decoded(frames)

    def _codec(self, stream: av.stream.Stream) -> av.VideoCodecContext | av.AudioCodecContext:
        codec = self._codecs.get(stream.index)
        if codec is None:
            created = av.CodecContext.create(stream.codec_context.codec.name, "r")
            assert isinstance(created, av.VideoCodecContext | av.AudioCodecContext)
            codec = created
            codec.extradata = stream.codec_context.extradata
            # Threads would each hold back a frame.
            codec.thread_count = 1
            self._codecs[stream.index] = codec
        return codec


def _decoded(frames: list[object]) -> _Decoded:
    video = [frame for frame in frames if isinstance(frame, av.VideoFrame)]
    counter = None
    for frame in reversed(video):
        plane = frame.planes[0]
        counter = read_frame_counter(memoryview(plane), frame.width, frame.height, plane.line_size)
        if counter is not None:
            break
    return _Decoded(len(video), len(frames) - len(video), counter)
