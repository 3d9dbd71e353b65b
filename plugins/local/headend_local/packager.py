"""One live stream's frames in; its HLS playlists, segments and parts out.

Frames go from left to right, and wait where something about them is not known yet:

    timeline      cutting                 here                        window
    one clock  ─▶ parts and segments  ─▶  hold for audio, write  ─▶   list, keep, drop
                  of the picture          fragments (fmp4)            render (playlist)

What lies between two discontinuities - one init segment, one run of timestamps from 0 on - is a
*period* here. A session is one period unless its encoder changes its settings or loses a track.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from headend_local.cutting import Cutter, CuttingRules, LeadSample, PartCut
from headend_local.fmp4 import (
    AUDIO_TRACK,
    NO_MEDIA,
    VIDEO_TIMESCALE,
    VIDEO_TRACK,
    Sample,
    TrackRun,
    fragment,
    init_segment,
)
from headend_local.playlist import (
    MediaPlaylist,
    PartEntry,
    SegmentEntry,
    Variant,
    render_master,
    render_media,
)
from headend_local.timeline import LONGEST_STEP, Timeline
from headend_local.window import Resource, ResourceKind, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.rtmp.flv import AacConfig, AudioFrame, AvcConfig, VideoFrame
    from headend_local.cutting import SegmentEnd
    from headend_local.window import Segment

__all__ = ["Packager", "Resource", "ResourceKind"]

_MILLISECONDS: Final = 1000
_TICKS_PER_MILLISECOND: Final = VIDEO_TIMESCALE // _MILLISECONDS
_ACCESS_UNIT: Final = 1024
"""Samples in an AAC access unit (ISO/IEC 14496-3, 4.5.1.1)."""

# All in milliseconds.
_HOLD: Final = 400
"""How long a part waits for its audio, which arrives behind the picture."""
_LONGEST_LEAD: Final = 500
"""How much sound from before the first picture is kept."""
_SILENT: Final = 2000
"""How long one track may be missing before it is taken to be gone."""
_USUAL_FRAME: Final = 33
"""How long a frame lasts that is alone in its period."""
_AUDIO_DRIFT: Final = 100
"""How far the count of audio samples may be from the RTMP clock."""

_BESIDE_DATA: Final = 256
"""Bytes that a frame takes beside its data while it waits, about: numbers, tuples, headers."""

_WALL_CLOCK_DRIFT: Final = 0.5
"""Seconds by which the timeline may differ from the wall clock."""


@dataclass(slots=True)
class _AccessUnit:
    time: int
    """Milliseconds of the session."""
    data: bytes
    config: AacConfig
    decode_time: int | None = None
    """Samples from the start of the period."""

    @property
    def size(self) -> int:
        """Bytes held by it, those of its configuration too: each unit may have one of its own."""
        return _BESIDE_DATA + len(self.data) + len(self.config.asc)


@dataclass(slots=True)
class _Frame:
    time: int
    """Milliseconds of the session."""
    frame: VideoFrame

    @property
    def size(self) -> int:
        """Bytes held by it."""
        return _BESIDE_DATA + len(self.frame.data)


@dataclass(slots=True)
class _Period:
    """One init segment and one run of timestamps."""

    video: AvcConfig | None
    audio: AacConfig | None
    cutter: Cutter
    init_name: str = ""
    """Set when the first part is written."""
    video_origin: int = 0
    """Session time of the first frame's decoding, milliseconds."""
    first_offset: int = 0
    """The first frame's composition offset, taken off all: it is shown when it is decoded."""
    lead: int = 0
    """Milliseconds of sound before the first picture; it is shown so much longer."""
    audio_origin: int = 0
    """Session time of decode time 0 in the audio track, milliseconds."""
    next_decode_time: int | None = None
    """Where the next access unit belongs if it follows the one before at once, in samples."""
    waiting: deque[PartCut | SegmentEnd] = field(default_factory=deque)
    finished: bool = False
    """Whether no more frames come; some parts may still wait for their audio."""
    frames: int = 0
    duration: float = 0.0

    def video_time(self, time: int) -> int:
        """Turn session time into decoding time in milliseconds."""
        since = time - self.video_origin
        return since + self.lead if since > 0 else since

    def add_video(self, frame: _Frame) -> None:
        self.waiting.extend(
            self.cutter.add(
                LeadSample(
                    self.video_time(frame.time),
                    frame.frame.key,
                    frame.frame.cts - self.first_offset,
                    frame.frame.data,
                )
            )
        )

    def place(self, unit: _AccessUnit) -> int:
        """Give an access unit its decode time: the count of samples, unless that has drifted."""
        assert self.audio is not None
        rate = self.audio.sample_rate
        clock = ((unit.time - self.audio_origin) * rate + _MILLISECONDS // 2) // _MILLISECONDS
        expected = self.next_decode_time
        if expected is None:
            time = max(0, clock)
        elif abs(clock - expected) * _MILLISECONDS > _AUDIO_DRIFT * rate:
            time = max(clock, expected - _ACCESS_UNIT + 1)
        else:
            time = expected
        self.next_decode_time = time + _ACCESS_UNIT
        unit.decode_time = time
        return time

    def add_audio_as_lead(self, unit: _AccessUnit) -> None:
        self.waiting.extend(self.cutter.add(LeadSample(self.place(unit), True, 0, unit.data)))

    def finish(self, end: int) -> None:
        self.waiting.extend(self.cutter.finish(end))
        self.finished = True


class Packager:
    """Package the sessions of one live stream as LL-HLS and HLS, in memory.

    Pure: no I/O, no clock but `wall_clock`, no threads. The ingest calls the writing methods, the
    HTTP side the reading ones, on the same thread. Frames outside a session, frames before their
    track's configuration and picture before the first key frame are ignored.

    Media and its order are kept exactly: every frame's bytes come out once, in order. Times are
    the encoder's to the millisecond, from 0 on in every session: the first picture is shown at 0,
    or, where sound starts up to half a second earlier, the sound starts at 0 and the first picture
    stands until the second is due.
    """

    def __init__(
        self,
        *,
        name_token: str,
        wall_clock: Callable[[], float],
        part_duration: float = 0.5,
        segment_duration: float = 2.0,
        window_segments: int = 6,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with nothing listed.

        Args:
            name_token: all resource names start with it; use another for every packager, so that
                no name ever stands for other bytes.
            wall_clock: seconds since 1970 UTC.
            part_duration: longest duration of a part, seconds.
            segment_duration: segments end at the first key frame from here on, seconds.
            window_segments: how many segments are listed.
            on_change: called after each call that changed the playlists.
        """
        self._wall_clock = wall_clock
        self._on_change = on_change
        self._rules = CuttingRules(part_duration, segment_duration)
        self._window = Window(name_token, window_segments)
        self._listed = False
        self._ended = False
        self._independent = True
        self._fragments = 0
        self._peak_bit_rate = 0
        self._bits = 0
        self._seconds = 0.0
        self._changed = False
        self._latest: _Period | None = None
        self._frame_rate: float | None = None
        self._key_frame_interval: float | None = None
        self._next_date_time: float | None = None
        self._in_session = False
        self._begin_session()

    def _begin_session(self) -> None:
        self._timeline = Timeline()
        self._video_config: AvcConfig | None = None
        self._audio_config: AacConfig | None = None
        self._period: _Period | None = None
        self._opening: list[_Frame] = []
        self._opening_config: AvcConfig | None = None
        self._units: deque[_AccessUnit] = deque()
        # Counted when a frame is kept and when it is written or dropped: adding up what is kept
        # would take longer with every frame.
        self._waiting_bytes = 0
        self._newest_video: int | None = None
        self._newest_key: int | None = None
        # Since when each track has been coming without the other.
        self._silent_since: int | None = None
        self._alone_since: int | None = None

    # ------------------------------------------------------------------ the ingest's side

    def start_session(self) -> None:
        """Begin a session: an encoder has come. A session that still runs is ended."""
        if self._ended:
            return
        self.end_session()
        self._begin_session()
        self._in_session = True

    def video_config(self, config: AvcConfig) -> None:
        """Take the configuration of the video frames that follow."""
        if config != self._video_config:  # the same one again keeps its identity
            self._video_config = config

    def audio_config(self, config: AacConfig) -> None:
        """Take the configuration of the access units that follow."""
        if config != self._audio_config:
            self._audio_config = config

    def video(self, frame: VideoFrame) -> None:
        """Take the next video frame, in decoding order."""
        if not self._in_session or self._video_config is None:
            return
        time = self._timeline.video(frame.dts)
        self._newest_video = time
        self._alone_since = None
        if self._silent_since is None:
            self._silent_since = time
        if frame.key:
            if self._newest_key is not None:
                self._key_frame_interval = (time - self._newest_key) / _MILLISECONDS
            self._newest_key = time
        self._take_frame(_Frame(time, frame), self._video_config)
        self._advance()
        self._notify()

    def audio(self, frame: AudioFrame) -> None:
        """Take the next access unit."""
        if not self._in_session or self._audio_config is None:
            return
        time = self._timeline.audio(frame.dts)
        if self._alone_since is None:
            self._alone_since = time
        self._silent_since = None
        self._take_unit(_AccessUnit(time, frame.data, self._audio_config))
        self._advance()
        self._notify()

    def end_session(self) -> None:
        """End the session: the encoder has left. All it sent is written; the list stays open."""
        if not self._in_session:
            return
        self._in_session = False
        self._advance(force=True)
        while self._period is not None:
            # What is still open has no successor that would tell where it ends.
            self._finish(self._period, with_all_audio=True)
            self._advance(force=True)
        self._begin_session()
        self._notify()

    def end(self) -> None:
        """End for good: the list is closed, whatever was written is listed."""
        if self._ended:
            return
        self.end_session()
        self._ended = True
        for segment in self._window.segments:
            self._rules.fix_target(segment.duration)
            self._listed = True
        self._changed = True
        self._notify()

    def discard(self) -> None:
        """End for good and let go of all media at once: nothing is listed any more."""
        self._in_session = False
        self._begin_session()
        self._window.clear()
        self._latest = None
        self._listed = False
        self._ended = True
        self._on_change()

    # ------------------------------------------------------------------ the viewers' side

    @property
    def listed(self) -> bool:
        """Whether the playlists can be served: one whole segment of full length exists.

        What a session of less than that leaves is listed with the next one, or by `end`: a target
        duration fixed by such a stub would cut everything after it short.
        """
        return self._listed

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._ended

    @property
    def target_duration(self) -> int:
        """``EXT-X-TARGETDURATION`` in seconds; it never changes.

        Raises:
            LookupError: nothing is listed yet.
        """
        target = self._rules.target_duration
        if not self._listed or target is None:
            raise LookupError("nothing is listed yet")
        return target

    @property
    def next_position(self) -> tuple[int, int]:
        """Media sequence number and part index that are written next."""
        return self._window.next_position

    def has(self, msn: int, part: int | None) -> bool:
        """Whether the playlist holds this segment or part, or can never come to hold it.

        Follows draft-pantos-hls-rfc8216bis, 6.2.5.2: a part index beyond the last part of a whole
        segment stands for the first part of the next.
        """
        if self._ended:
            return True
        next_msn, next_part = self.next_position
        if part is None:
            return msn < next_msn
        count = self._window.part_count(msn)
        if msn < next_msn and count is not None and part >= count:
            msn, part = msn + 1, 0
        return (msn, part) < (next_msn, next_part)

    def master_playlist(self, *, low_latency: bool, query: str = "") -> str:
        """Render the master playlist, for `media.m3u8` or `media-plain.m3u8` beside it.

        Raises:
            LookupError: nothing is listed yet.
            ValueError: `query` is no URI query.
        """
        period = self._latest
        if not self._listed or period is None:
            raise LookupError("nothing is listed yet")
        tracks = [track for track in (period.video, period.audio) if track is not None]
        video = period.video
        average = math.ceil(self._bits / self._seconds)
        return render_master(
            Variant(
                uri="media.m3u8" if low_latency else "media-plain.m3u8",
                bandwidth=max(self._peak_bit_rate, average),
                codecs=[track.codec for track in tracks],
                resolution=None if video is None else (video.width, video.height),
                frame_rate=None if video is None else self._frame_rate,
            ),
            query=query,
        )

    def media_playlist(self, *, low_latency: bool, query: str = "") -> str:
        """Render the media playlist, with or without parts.

        Args:
            low_latency: list parts, and hint at the next.
            query: appended to every URI, without the question mark: the viewer's token.

        Raises:
            LookupError: nothing is listed yet.
            ValueError: `query` is no URI query.
        """
        return render_media(self._media_playlist(low_latency=low_latency), query=query)

    def resource(self, name: str) -> Resource | None:
        """Return the init segment, segment or part of this name, if it is there."""
        return self._window.resource(name)

    def is_expected(self, name: str) -> bool:
        """Whether this is the part that the playlist hints at: a request for it may wait."""
        return name == self._hint()

    @property
    def memory_bytes(self) -> int:
        """Bytes held, listed or waiting; cheap to ask after every frame."""
        return self._window.memory_bytes + self._waiting_bytes

    @property
    def key_frame_interval(self) -> float | None:
        """Seconds between the latest two key frames of a session; None before there were two."""
        return self._key_frame_interval

    def video_description(self) -> AvcConfig | None:
        """Return the video that the latest session really sent, or None if it sent none."""
        return None if self._latest is None else self._latest.video

    def audio_description(self) -> AacConfig | None:
        """Return the audio that the latest session really sent, or None if it sent none."""
        return None if self._latest is None else self._latest.audio

    # ------------------------------------------------------------------ frames to periods

    def _take_frame(self, frame: _Frame, config: AvcConfig) -> None:
        key = frame.frame.key
        if self._opening and config is not self._opening_config:
            if not key:
                return
            self._advance(force=True)
        period = self._period
        if self._opening:
            self._opening.append(frame)
            self._waiting_bytes += frame.size
        elif period is None or period.finished or period.video is None:
            if key:
                if period is not None and not period.finished:
                    self._finish(period)
                self._open_at(frame, config)
            elif period is None or period.finished:
                self._forget_old_audio()
        elif config is not period.video or (key and self._audio_has_changed(period)):
            if key:
                period.finish(period.video_time(frame.time))
                self._open_at(frame, config)
        else:
            period.add_video(frame)
            self._waiting_bytes += frame.size

    def _take_unit(self, unit: _AccessUnit) -> None:
        period = self._period
        self._waiting_bytes += unit.size
        if period is None or (period.video is None and period.finished):
            self._units.append(unit)
        elif period.video is None:
            if unit.config is period.audio:
                period.add_audio_as_lead(unit)
            else:
                self._finish(period)
                self._units.append(unit)
        else:
            self._units.append(unit)
            if unit.config is period.audio:
                period.place(unit)
            if period.finished:
                return
            assert self._newest_video is not None
            if unit.time - self._newest_video - period.first_offset > LONGEST_STEP:
                self._finish(period)
            elif period.audio is None:
                self._forget_old_audio()

    def _open_at(self, frame: _Frame, config: AvcConfig) -> None:
        self._opening = [frame]
        self._waiting_bytes += frame.size
        self._opening_config = config

    def _audio_has_changed(self, period: _Period) -> bool:
        if period.audio is None:
            return bool(self._units)
        return self._audio_config is not period.audio or not self._audio_is_arriving()

    def _audio_is_arriving(self) -> bool:
        if self._audio_config is None:
            return False
        if self._silent_since is None or self._newest_video is None:
            return True
        return self._newest_video - self._silent_since < _SILENT

    def _forget_old_audio(self) -> None:
        while self._units and self._units[0].time < self._units[-1].time - _SILENT:
            self._waiting_bytes -= self._units.popleft().size

    def _finish(self, period: _Period, *, with_all_audio: bool = False) -> None:
        """Finish a period whose last frame has no successor: let it last as long as usual."""
        if period.finished:
            return
        end = period.cutter.usual_end
        if period.cutter.newest == 0:
            end += period.lead
        if with_all_audio and period.video is not None and period.next_decode_time is not None:
            assert period.audio is not None
            audio_end = -(-period.next_decode_time * _MILLISECONDS // period.audio.sample_rate)
            end = max(end, audio_end)
        period.finish(end)

    # ------------------------------------------------------------------ periods to parts

    def _advance(self, *, force: bool = False) -> None:
        """Write what can be written; with `force`, do not wait for what might come."""
        while self._period is not None or self._open(force=force):
            period = self._period
            assert period is not None
            self._write_waiting(period, force=force)
            if period.waiting or not period.finished:
                return
            self._period = None

    def _open(self, *, force: bool) -> bool:
        """Begin the next period if it is known what is in it."""
        if self._opening:
            return self._open_video(force=force)
        if not self._units:
            return False
        if self._alone_since is None:  # picture is arriving, only its key frame is not there yet
            return False
        alone_for = self._units[-1].time - self._alone_since
        if alone_for < _SILENT and not (force and self._newest_video is None):
            return False
        self._open_audio()
        return True

    def _open_video(self, *, force: bool) -> bool:
        first = self._opening[0]
        shown = first.time + first.frame.cts
        self._align_audio(first)
        units = self._units
        while units and (
            units[0].time < shown - _LONGEST_LEAD or units[0].config is not units[-1].config
        ):
            self._waiting_bytes -= units.popleft().size
        assert self._newest_video is not None
        if not units and not force:
            waited = self._newest_video - first.time
            if waited < _HOLD or (waited < LONGEST_STEP and self._audio_is_arriving()):
                return False
        audio = units[0].config if units else None
        lead = max(0, shown - units[0].time) if units else 0
        period = self._period = _Period(
            video=self._opening_config,
            audio=audio,
            cutter=Cutter(_MILLISECONDS, self._rules, usual_duration=_USUAL_FRAME),
            video_origin=first.time,
            first_offset=first.frame.cts,
            lead=lead,
            audio_origin=shown - lead,
        )
        for unit in units:
            period.place(unit)
        frames, self._opening = self._opening, []
        for frame in frames:
            period.add_video(frame)
        return True

    def _align_audio(self, first: _Frame) -> None:
        """Set the audio clock by arrival if it has nothing to do with the clock of the picture."""
        if not self._units:
            return
        assert self._newest_video is not None
        newest_shown = self._newest_video + first.frame.cts
        early = self._units[0].time - newest_shown
        late = first.time + first.frame.cts - self._units[-1].time
        if max(early, late) > LONGEST_STEP:
            by = newest_shown - self._units[-1].time
            self._timeline.shift_audio(by)
            for unit in self._units:
                unit.time += by
            if self._alone_since is not None:
                self._alone_since += by

    def _open_audio(self) -> None:
        units = self._units
        config = units[0].config
        period = self._period = _Period(
            video=None,
            audio=config,
            cutter=Cutter(config.sample_rate, self._rules, usual_duration=_ACCESS_UNIT),
            audio_origin=units[0].time,
        )
        while units and units[0].config is config:
            period.add_audio_as_lead(units.popleft())

    def _write_waiting(self, period: _Period, *, force: bool) -> None:
        while period.waiting:
            cut = period.waiting[0]
            if isinstance(cut, PartCut):
                if not force and self._awaits_audio(period, cut.end):
                    return
                period.waiting.popleft()
                self._write_part(period, cut)
            else:
                period.waiting.popleft()
                self._end_segment(period, cut)

    def _awaits_audio(self, period: _Period, end: int) -> bool:
        """Whether audio that belongs before `end`, in milliseconds, may still come in time."""
        if period.video is None or period.audio is None:
            return False
        if self._units:
            reached = self._units[-1].decode_time
            if reached is None or reached * _MILLISECONDS >= end * period.audio.sample_rate:
                return False
        assert self._newest_video is not None
        return period.video_time(self._newest_video) - end < _HOLD

    def _write_part(self, period: _Period, cut: PartCut) -> None:
        scale = period.cutter.scale
        if self._window.unfinished is None:
            self._begin_segment(period, cut.start)
            self._independent = self._independent and cut.independent
        runs = []
        if cut.samples:
            track, ticks = (
                (AUDIO_TRACK, 1) if period.video is None else (VIDEO_TRACK, _TICKS_PER_MILLISECOND)
            )
            samples = [
                Sample(duration * ticks, sample.data, sample.composition_offset * ticks, sample.key)
                for sample, duration in cut.samples
            ]
            runs.append(TrackRun(track, cut.samples[0][0].time * ticks, samples))
            period.frames += len(samples)
            self._waiting_bytes -= sum(_BESIDE_DATA + len(sample.data) for sample in samples)
            if period.video is None:
                assert period.audio is not None
                self._waiting_bytes -= len(samples) * len(period.audio.asc)
        if period.video is not None and period.audio is not None:
            runs += self._audio_run(period.audio, cut.end)
        self._fragments += 1
        self._window.add_part(
            fragment(self._fragments, runs) if runs else NO_MEDIA,
            duration=(cut.end - cut.start) / scale,
            independent=cut.independent,
        )
        self._latest = period
        self._changed = True

    def _audio_run(self, config: AacConfig, end: int) -> list[TrackRun]:
        """Take the access units that begin before `end`, in milliseconds."""
        units = self._units
        decode_time = None
        samples = []
        while units and units[0].decode_time is not None and units[0].config is config:
            unit, start = units[0], units[0].decode_time
            if start * _MILLISECONDS >= end * config.sample_rate:
                break
            following = units[1].decode_time if len(units) > 1 else None
            if decode_time is None:
                decode_time = start
            samples.append(Sample((following or start + _ACCESS_UNIT) - start, unit.data))
            self._waiting_bytes -= units.popleft().size
        return [] if decode_time is None else [TrackRun(AUDIO_TRACK, decode_time, samples)]

    def _begin_segment(self, period: _Period, start: int) -> None:
        newest = (
            period.cutter.newest
            if period.video is None or self._newest_video is None
            else period.video_time(self._newest_video)
        )
        received = self._wall_clock() - (newest - start) / period.cutter.scale
        begins_period = not period.init_name
        expected = self._next_date_time
        if begins_period or expected is None or abs(expected - received) > _WALL_CLOCK_DRIFT:
            date_time = received
        else:
            date_time = expected
        if begins_period:
            period.init_name = self._window.add_init(init_segment(period.video, period.audio))
        self._window.begin_segment(
            init_name=period.init_name,
            discontinuity=begins_period and self._window.next_position[0] > 0,
            program_date_time=date_time,
        )

    def _end_segment(self, period: _Period, end: SegmentEnd) -> None:
        segment = self._window.end_segment(self._rules.target_duration)
        self._next_date_time = segment.program_date_time + segment.duration
        if end.duration >= self._rules.shortest_segment:
            self._listed = True
        bits = 8 * segment.size
        self._bits += bits
        self._seconds += segment.duration
        # RFC 8216, 4.1: a peak is of at least half a target duration.
        if segment.duration >= (self._rules.target_duration or self._rules.segment_duration) / 2:
            self._peak_bit_rate = max(self._peak_bit_rate, math.ceil(bits / segment.duration))
        period.duration += segment.duration
        # The end of a period is often padded, to the end of its sound.
        if period.video is not None and (self._frame_rate is None or not period.finished):
            self._frame_rate = period.frames / (period.duration - period.lead / _MILLISECONDS)
        self._changed = True

    # ------------------------------------------------------------------ playlists

    def _hint(self) -> str | None:
        period = self._period
        if not self._listed or period is None or not period.init_name:
            return None
        return self._window.next_part_name

    def _media_playlist(self, *, low_latency: bool) -> MediaPlaylist:
        target = self.target_duration
        segments = self._window.segments
        unfinished = self._window.unfinished
        return MediaPlaylist(
            target_duration=target,
            media_sequence=segments[0].msn,
            discontinuity_sequence=self._window.discontinuity_sequence,
            independent_segments=self._independent,
            segments=[self._entry(segment, target, with_parts=low_latency) for segment in segments],
            part_target=self._rules.part_duration if low_latency else None,
            unfinished=None
            if unfinished is None
            else self._entry(unfinished, target, with_parts=low_latency),
            hint=self._hint(),
            ended=self._ended,
        )

    def _entry(self, segment: Segment, target: int, *, with_parts: bool) -> SegmentEntry:
        parts = self._window.parts_to_list(segment, target) if with_parts else ()
        return SegmentEntry(
            uri=segment.name,
            duration=segment.duration,
            map_uri=segment.init_name,
            discontinuity=segment.discontinuity,
            program_date_time=segment.program_date_time,
            parts=[PartEntry(part.name, part.duration, part.independent) for part in parts],
        )

    def _notify(self) -> None:
        if self._changed:
            self._changed = False
            self._on_change()
