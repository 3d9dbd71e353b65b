"""An encoder, a reader of fragmented MP4 and a critical viewer, for the tests of the packager.

The reader and the viewer share no code with the product: they are written from ISO/IEC 14496-12,
RFC 8216 and draft-pantos-hls-rfc8216bis.
"""

from __future__ import annotations

import functools
import io
import math
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import NamedTuple

import av
import numpy as np
import pytest

from headend.rtmp.flv import (
    AacConfig,
    AudioFrame,
    AvcConfig,
    FlvReader,
    VideoFrame,
    parse_audio,
    parse_video,
)
from headend_local.packager import Packager

Event = AvcConfig | AacConfig | VideoFrame | AudioFrame

AVC = AvcConfig(
    bytes.fromhex("0164001fffe1001967640020acd940780227e5c04400000303e90000ea60f18319a0010006")
    + bytes.fromhex("68ebe3cb22c0"),
    1280,
    720,
)
AAC = AacConfig(bytes.fromhex("1190"), 2, 48_000, 2)


# ------------------------------------------------------------------ fragmented MP4


class Sample(NamedTuple):
    dts: Fraction  # seconds
    pts: Fraction  # seconds
    duration: Fraction  # seconds
    sync: bool
    data: bytes


@dataclass
class Mp4:
    """What was read: samples by track kind, in file order, and what the init segment says."""

    video: list[Sample] = field(default_factory=list)
    audio: list[Sample] = field(default_factory=list)
    entries: dict[str, bytes] = field(default_factory=dict)  # kind -> sample entry box body
    timescales: dict[str, int] = field(default_factory=dict)
    fragments: list[dict[str, list[Sample]]] = field(default_factory=list)
    sequence_numbers: list[int] = field(default_factory=list)
    composition_versions: set[int] = field(default_factory=set)


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        assert size >= 8
        assert position + size <= len(data), f"{kind} is cut short"
        yield kind.decode(), data[position + 8 : position + size]
        position += size


def child(data: bytes, *path: str) -> bytes:
    for name in path:
        data = dict(boxes(data))[name]
    return data


def read_mp4(data: bytes) -> Mp4:
    result = Mp4()
    kinds: dict[int, str] = {}
    defaults: dict[int, int] = {}
    top = list(boxes(data))
    position = 0
    for index, (name, body) in enumerate(top):
        if name == "moov":
            for inner, trak in boxes(body):
                if inner != "trak":
                    continue
                track_id = struct.unpack_from(">I", child(trak, "tkhd"), 12)[0]
                handler = child(trak, "mdia", "hdlr")[8:12]
                kind = {b"vide": "video", b"soun": "audio"}[handler]
                kinds[track_id] = kind
                mdhd = child(trak, "mdia", "mdhd")
                result.timescales[kind] = struct.unpack_from(">I", mdhd, 12)[0]
                stsd = child(trak, "mdia", "minf", "stbl", "stsd")
                result.entries[kind] = stsd[8:]
            for inner, trex in boxes(child(body, "mvex")):
                assert inner == "trex"
                defaults[struct.unpack_from(">I", trex, 4)[0]] = struct.unpack_from(">I", trex, 20)[
                    0
                ]
        elif name == "moof":
            assert top[index + 1][0] == "mdat"
            read_moof(data, position, body, kinds, defaults, result)
        position += 8 + len(body)
    return result


def read_moof(
    data: bytes,
    start: int,
    moof: bytes,
    kinds: dict[int, str],
    defaults: dict[int, int],
    result: Mp4,
) -> None:
    fragment: dict[str, list[Sample]] = {}
    for name, body in boxes(moof):
        if name == "mfhd":
            result.sequence_numbers.append(struct.unpack(">II", body)[1])
        if name != "traf":
            continue
        flags, track_id = struct.unpack(">II", child(body, "tfhd"))
        assert flags == 0x020000, "default-base-is-moof and nothing else"
        version, base = struct.unpack(">IQ", child(body, "tfdt"))
        assert version == 0x01000000
        trun = child(body, "trun")
        head, count, offset = struct.unpack_from(">III", trun)
        result.composition_versions.add(head >> 24)
        at, kind = 12, kinds[track_id]
        scale = result.timescales[kind]
        time, position = base, start + offset
        samples = fragment.setdefault(kind, [])
        for _ in range(count):
            values = {}
            for bit, key in (
                (0x100, "duration"),
                (0x200, "size"),
                (0x400, "flags"),
                (0x800, "cts"),
            ):
                if head & bit:
                    values[key] = struct.unpack_from(">i" if key == "cts" else ">I", trun, at)[0]
                    at += 4
            sample_flags = values.get("flags", defaults[track_id])
            samples.append(
                Sample(
                    Fraction(time, scale),
                    Fraction(time + values.get("cts", 0), scale),
                    Fraction(values["duration"], scale),
                    not sample_flags & 0x10000,
                    data[position : position + values["size"]],
                )
            )
            time += values["duration"]
            position += values["size"]
        assert at == len(trun)
    result.fragments.append(fragment)
    result.video += fragment.get("video", [])
    result.audio += fragment.get("audio", [])


# ------------------------------------------------------------------ playlists


@dataclass
class ListedPart:
    uri: str
    duration: float
    independent: bool


@dataclass
class ListedSegment:
    msn: int
    discontinuity: bool = False
    map_uri: str = ""
    date: str | None = None
    parts: list[ListedPart] = field(default_factory=list)
    uri: str = ""
    duration: float = 0.0


@dataclass
class Listing:
    version: int
    target: int
    media_sequence: int
    discontinuity_sequence: int
    independent: bool
    part_target: float | None
    hold_back: float | None
    segments: list[ListedSegment]
    unfinished: ListedSegment | None
    hint: str | None
    ended: bool

    @property
    def duration(self) -> float:
        return sum(segment.duration for segment in self.segments)


def attributes(text: str) -> dict[str, str]:
    return {
        name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)
    }


def read_playlist(text: str) -> Listing:
    assert text.startswith("#EXTM3U\n")
    assert text.endswith("\n")
    header: dict[str, str] = {}
    segments: list[ListedSegment] = []
    current: ListedSegment | None = None
    map_uri, hint, ended = "", None, False
    known = {"VERSION", "TARGETDURATION", "MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE"}
    known |= {"INDEPENDENT-SEGMENTS", "SERVER-CONTROL", "PART-INF"}

    def segment() -> ListedSegment:
        nonlocal current
        if current is None:
            current = ListedSegment(int(header["MEDIA-SEQUENCE"]) + len(segments))
        return current

    for line in text.splitlines()[1:]:
        assert not ended, "nothing follows the end"
        if not line.startswith("#"):
            done = segment()
            done.uri, done.map_uri = line, map_uri
            segments.append(done)
            current = None
            continue
        name, _, value = line.partition(":")
        tag = name.removeprefix("#EXT-X-")
        if tag in known:
            assert tag not in header, f"{tag} twice"
            assert not segments
            header[tag] = value
        elif name == "#EXTINF":
            assert value.endswith(",")
            segment().duration = float(value[:-1])
        elif tag == "DISCONTINUITY":
            assert not segment().parts
            segment().discontinuity = True
        elif tag == "MAP":
            assert not segment().parts
            map_uri = attributes(value)["URI"]
        elif tag == "PROGRAM-DATE-TIME":
            segment().date = value
        elif tag == "PART":
            given = attributes(value)
            segment().parts.append(
                ListedPart(
                    given["URI"], float(given["DURATION"]), given.get("INDEPENDENT") == "YES"
                )
            )
        elif tag == "PRELOAD-HINT":
            assert hint is None
            assert attributes(value)["TYPE"] == "PART"
            hint = attributes(value)["URI"]
        elif tag == "ENDLIST":
            ended = True
        else:
            raise AssertionError(f"unknown tag {line}")
    if current is not None:
        current.map_uri = map_uri
    control = attributes(header.get("SERVER-CONTROL", ""))
    if control:
        assert control["CAN-BLOCK-RELOAD"] == "YES"
    part_target = attributes(header.get("PART-INF", "")).get("PART-TARGET")
    return Listing(
        version=int(header["VERSION"]),
        target=int(header["TARGETDURATION"]),
        media_sequence=int(header["MEDIA-SEQUENCE"]),
        discontinuity_sequence=int(header.get("DISCONTINUITY-SEQUENCE", "0")),
        independent="INDEPENDENT-SEGMENTS" in header,
        part_target=None if part_target is None else float(part_target),
        hold_back=float(control["PART-HOLD-BACK"]) if control else None,
        segments=segments,
        unfinished=current,
        hint=hint,
        ended=ended,
    )


# ------------------------------------------------------------------ a critical viewer


class Viewer:
    """Look at both playlists after every change, hold them to the rules, and fetch everything.

    `whole` and `by_parts` collect what a player that never misses anything gets: (init segment
    URI, bytes) per run of media under one init segment, from segments and from parts.
    """

    def __init__(self, *, collect: bool = True, **options: object) -> None:
        self.collect = collect  # or may whole segments slip through, with a tiny window?
        self.now = 1_700_000_000.0
        self.changes = 0
        self.packager = Packager(
            name_token="t0k3n", wall_clock=lambda: self.now, on_change=self.look, **options
        )
        self.low_latency: Listing | None = None
        self.plain: Listing | None = None
        self.whole: list[tuple[str, bytes]] = []
        self.by_parts: list[tuple[str, bytes]] = []
        self.segments: dict[int, ListedSegment] = {}
        self.bodies: dict[int, bytes] = {}
        self.parts: dict[tuple[int, int], bytes] = {}
        self.removed: dict[int, float] = {}
        self.written = 0.0
        self.longest_playlist = 0.0
        self.peak_memory = 0

    # -------------------------------------------------------------- what it sees

    def look(self) -> None:
        self.changes += 1
        packager = self.packager
        self.peak_memory = max(self.peak_memory, packager.memory_bytes)
        if not packager.listed:
            for low_latency in (True, False):
                with pytest.raises(LookupError):
                    packager.media_playlist(low_latency=low_latency, query="")
            assert self.plain is None, "what is listed once stays listed"
            return
        plain = read_playlist(packager.media_playlist(low_latency=False, query=""))
        listing = read_playlist(packager.media_playlist(low_latency=True, query=""))
        self.check_rules(plain)
        self.check_rules(listing)
        self.check_plain(plain, listing)
        self.check_succession(self.plain, plain)
        self.check_succession(self.low_latency, listing)
        self.check_low_latency(listing)
        self.plain, self.low_latency = plain, listing
        self.fetch(listing)
        self.check_availability()

    def check_rules(self, listing: Listing) -> None:
        assert listing.segments
        for segment in listing.segments:
            assert math.floor(segment.duration + 0.5) <= listing.target  # RFC 8216, 4.3.3.1
            assert segment.map_uri
            assert segment.date is not None

    def check_plain(self, plain: Listing, listing: Listing) -> None:
        assert plain.part_target is plain.hold_back is plain.hint is plain.unfinished is None
        assert not any(segment.parts for segment in plain.segments)
        assert plain.version == 6
        assert [s.uri for s in plain.segments] == [s.uri for s in listing.segments]
        assert [s.duration for s in plain.segments] == [s.duration for s in listing.segments]
        assert plain.media_sequence == listing.media_sequence

    def check_succession(self, before: Listing | None, after: Listing) -> None:
        if before is None:
            assert after.media_sequence == after.discontinuity_sequence == 0 or self.slid_unlisted
            return
        assert not before.ended, "nothing changes after the end"
        assert after.target == before.target
        assert after.independent <= before.independent, "never claimed again"
        gone = after.media_sequence - before.media_sequence
        assert gone >= 0
        assert len(before.segments) - gone <= len(after.segments), "only appended"
        removed = before.segments[:gone]
        assert after.discontinuity_sequence == before.discontinuity_sequence + sum(
            segment.discontinuity for segment in removed
        )
        if gone:
            assert after.duration >= 3 * after.target - 1e-6  # RFC 8216, 6.2.2
        for old, new in zip(before.segments[gone:], after.segments, strict=False):
            assert (old.msn, old.uri, old.duration, old.map_uri, old.discontinuity, old.date) == (
                new.msn, new.uri, new.duration, new.map_uri, new.discontinuity, new.date,
            )  # fmt: skip
        for segment in removed:
            self.removed.setdefault(
                segment.msn, self.written + segment.duration + self.longest_playlist
            )
        if before.unfinished is not None and not after.ended:
            now = [*after.segments, *([after.unfinished] if after.unfinished else [])]
            later = {segment.msn: segment for segment in now}
            grown = later[before.unfinished.msn]
            if grown.parts:
                assert grown.parts[: len(before.unfinished.parts)] == before.unfinished.parts
            assert grown.map_uri == before.unfinished.map_uri
            assert grown.discontinuity == before.unfinished.discontinuity

    def check_low_latency(self, listing: Listing) -> None:
        packager = self.packager
        assert listing.ended == packager.ended
        if listing.ended:
            assert listing.part_target is listing.hold_back is listing.hint is None
            assert listing.unfinished is None
            assert not any(segment.parts for segment in listing.segments)
            assert packager.has(10**9, 10**9)
            return
        assert listing.version == 9
        assert listing.part_target is not None
        assert listing.hold_back is not None
        assert listing.hold_back >= 3 * listing.part_target - 1e-6
        last = listing.segments[-1]
        unfinished = listing.unfinished
        position = (last.msn + 1, len(unfinished.parts) if unfinished else 0)
        assert packager.next_position == position
        assert not packager.has(*position)
        assert packager.has(last.msn, None)
        assert not packager.has(last.msn + 1, None)
        if position[1]:
            assert packager.has(position[0], position[1] - 1)
            assert packager.has(last.msn, 10**6), "beyond the last part: the next segment's first"
        else:
            assert not packager.has(last.msn, 10**6)
        behind = sum(part.duration for part in unfinished.parts) if unfinished else 0.0
        for segment in reversed(listing.segments):
            if abs(behind - 3 * listing.target) > 1e-6:
                assert bool(segment.parts) == (behind < 3 * listing.target)
            behind += segment.duration
        for segment in [*listing.segments, *([unfinished] if unfinished else [])]:
            for part in segment.parts:
                assert 0 < part.duration <= listing.part_target
            # draft-pantos-hls-rfc8216bis, EXT-X-PART
            for part in segment.parts[:-1]:
                assert part.independent or part.duration >= 0.85 * listing.part_target - 1e-5
        for segment in listing.segments:
            if segment.parts:
                total = sum(part.duration for part in segment.parts)
                assert abs(total - segment.duration) <= 1e-5 * (len(segment.parts) + 1)
        if listing.hint is not None:
            assert packager.is_expected(listing.hint)
            assert packager.resource(listing.hint) is None
            assert listing.hint.endswith("-{}.{}.m4s".format(*position))
        if listing.independent and unfinished:
            assert unfinished.parts[0].independent

    def fetch(self, listing: Listing) -> None:
        """Get what is new."""
        new = [*listing.segments, *([listing.unfinished] if listing.unfinished else [])]
        for segment in new:
            for index, part in enumerate(segment.parts):
                key = (segment.msn, index)
                if key in self.parts:
                    continue
                found = self.packager.resource(part.uri)
                assert found is not None
                assert (found.kind, found.msn, found.part) == ("part", *key)
                assert abs(found.duration - part.duration) < 1e-5
                self.parts[key] = found.body
                self.add(self.by_parts, segment, found.body)
                starts = read_mp4(self.init(segment) + found.body)
                lead = starts.video or ([] if "video" in starts.entries else starts.audio)
                if part.independent:
                    assert lead[0].sync
            if not segment.uri or segment.msn in self.segments:
                continue
            found = self.packager.resource(segment.uri)
            assert found is not None
            assert (found.kind, found.msn, found.part) == ("segment", segment.msn, None)
            assert abs(found.duration - segment.duration) < 1e-5
            self.segments[segment.msn] = segment
            self.bodies[segment.msn] = found.body
            self.written += segment.duration
            self.add(self.whole, segment, found.body)
            if listing.independent:
                starts = read_mp4(self.init(segment) + found.body)
                assert (starts.video or starts.audio)[0].sync
                assert "video" not in starts.entries or starts.video
            joined = b"".join(body for (msn, _), body in self.parts.items() if msn == segment.msn)
            if segment.parts:
                assert joined == found.body
            else:  # many segments at once: the parts of the first are not listed any more
                assert found.body.startswith(joined)
                self.add(self.by_parts, segment, found.body[len(joined) :])
        self.longest_playlist = max(self.longest_playlist, listing.duration)

    def check_availability(self) -> None:
        """RFC 8216, 6.2.2: what has left the playlist stays available for so long."""
        for msn, until in self.removed.items():
            if self.written < until - 1e-6:
                segment = self.segments[msn]
                found = self.packager.resource(segment.uri)
                assert found is not None
                assert found.body == self.bodies[msn]
                assert self.packager.resource(segment.map_uri) is not None

    def init(self, segment: ListedSegment) -> bytes:
        found = self.packager.resource(segment.map_uri)
        assert found is not None
        assert found.kind == "init"
        return found.body

    def add(self, runs: list[tuple[str, bytes]], segment: ListedSegment, body: bytes) -> None:
        if not self.collect:
            return
        if not runs or runs[-1][0] != segment.map_uri:
            assert segment.discontinuity == bool(runs) or self.slid_unlisted
            runs.append((segment.map_uri, self.init(segment)))
        runs[-1] = (segment.map_uri, runs[-1][1] + body)

    @property
    def slid_unlisted(self) -> bool:
        """Whether short sessions may have left the window before anything was listed."""
        return self.low_latency is None

    # -------------------------------------------------------------- what it is fed

    def send(self, events: list[Event] | tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case AvcConfig():
                    self.packager.video_config(event)
                case AacConfig():
                    self.packager.audio_config(event)
                case VideoFrame():
                    self.packager.video(event)
                case AudioFrame():
                    self.packager.audio(event)

    def session(self, events: list[Event], *, end: bool = True) -> None:
        self.packager.start_session()
        self.send(events)
        if end:
            self.packager.end_session()

    def media(self) -> list[Mp4]:
        """What came out, one element per init segment, from whole segments."""
        return [read_mp4(data) for _, data in self.whole]


# ------------------------------------------------------------------ encoders


def frames(
    seconds: float,
    *,
    fps: float = 30,
    group: float = 2.0,
    start: int = 0,
    size: int = 20,
    cts: tuple[int, ...] = (0,),
    config: AvcConfig | None = AVC,
) -> list[Event]:
    """Make a plausible video track: `group` seconds from key frame to key frame."""
    count, per_group = round(seconds * fps), max(1, round(group * fps))
    made: list[Event] = [] if config is None else [config]
    for index in range(count):
        dts = (start + math.floor(index * 1000 / fps)) % 2**32
        data = struct.pack(">II", 4, index) + bytes(size)
        made.append(VideoFrame(dts, cts[index % len(cts)], index % per_group == 0, data))
    return made


def units(
    seconds: float, *, rate: int = 48_000, start: int = 0, config: AacConfig | None = AAC
) -> list[Event]:
    """Make a plausible audio track."""
    made: list[Event] = [] if config is None else [config]
    for index in range(round(seconds * rate / 1024)):
        dts = (start + round(index * 1024 * 1000 / rate)) % 2**32
        made.append(AudioFrame(dts, b"audio" + struct.pack(">I", index)))
    return made


def interleave(*tracks: list[Event], audio_lag: int = 0) -> list[Event]:
    """Merge tracks by time, as an encoder sends them; audio comes `audio_lag` ms behind."""
    keyed = []
    for order, track in enumerate(tracks):
        last = -1.0
        for event in track:
            if isinstance(event, VideoFrame):
                last = event.dts
            elif isinstance(event, AudioFrame):
                last = event.dts + audio_lag
            keyed.append(((last, order), event))
    return [event for _, event in sorted(keyed, key=lambda pair: pair[0])]


@functools.cache
def encode(
    seconds: int = 5,
    *,
    fps: int = 30,
    group: float = 2.0,
    b_frames: int = 2,
    rate: int = 48_000,
    video: bool = True,
    audio: bool = True,
    width: int = 160,
) -> tuple[Event, ...]:
    """Encode a moving picture and a tone with x264 and AAC, as an encoder would send them."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="flv", options={"flvflags": "no_duration_filesize"}) as out:
        if video:
            picture = out.add_stream("libx264", rate=fps)
            picture.width, picture.height, picture.pix_fmt = width, 96, "yuv420p"
            picture.options = {
                "preset": "ultrafast",
                "bf": str(b_frames),
                "b-adapt": "0",
                "g": str(round(group * fps)),
                "sc_threshold": "0",
            }
        if audio:
            sound = out.add_stream("aac", rate=rate)
            sound.layout = "stereo"
        position = 0
        rows = np.arange(96)[:, None, None]
        for index in range(seconds * fps):
            if video:
                pixels = np.broadcast_to((rows * 2 + index * 3) % 256, (96, width, 3)).astype(
                    np.uint8
                )
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, fps)
                out.mux(picture.encode(frame))
            while audio and position * fps < (index + 1) * rate:
                wave = 0.3 * np.sin(np.arange(position, position + 1024) * 0.06)
                chunk = av.AudioFrame.from_ndarray(
                    np.stack([wave, wave]).astype(np.float32), format="fltp", layout="stereo"
                )
                chunk.sample_rate, chunk.pts, chunk.time_base = rate, position, Fraction(1, rate)
                out.mux(sound.encode(chunk))
                position += 1024
        if video:
            out.mux(picture.encode(None))
        if audio:
            out.mux(sound.encode(None))
    events: list[Event] = []
    for tag in FlvReader().feed(sink.getvalue()):
        parsed = None
        if tag.type == 9:
            parsed = parse_video(tag.timestamp, tag.payload)
        elif tag.type == 8:
            parsed = parse_audio(tag.timestamp, tag.payload)
        if parsed is not None:
            events.append(parsed)
    return tuple(events)


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The encoder, the readers and the viewer."""
    return SimpleNamespace(
        AAC=AAC,
        AVC=AVC,
        Viewer=Viewer,
        boxes=boxes,
        child=child,
        encode=encode,
        frames=frames,
        interleave=interleave,
        read_mp4=read_mp4,
        read_playlist=read_playlist,
        units=units,
    )


@pytest.fixture
def viewer() -> Viewer:
    """A viewer of a packager with the default settings."""
    return Viewer()


@pytest.fixture
def make_viewer() -> Callable[..., Viewer]:
    """Make viewers of packagers with other settings."""
    return Viewer
