"""Fragmented MP4: the init segment and the fragments of H.264 and AAC.

Box layouts are those of ISO/IEC 14496-12 (the file format), 14496-15 (``avc1``) and 14496-14
(``mp4a``, ``esds``). Both tracks are muxed into the same fragments, as RFC 8216, 3.3 allows.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.rtmp.flv import AacConfig, AvcConfig

__all__ = [
    "AUDIO_TRACK",
    "NO_MEDIA",
    "VIDEO_TIMESCALE",
    "VIDEO_TRACK",
    "Sample",
    "TrackRun",
    "fragment",
    "init_segment",
]

VIDEO_TRACK: Final = 1
AUDIO_TRACK: Final = 2
VIDEO_TIMESCALE: Final = 90_000
"""Ticks per second of the video track. The audio track counts samples at its own rate."""

# ISO/IEC 14496-12, 8.8.3.1: sample_depends_on in bits 24-25, sample_is_non_sync_sample in bit 16.
_SYNC: Final = 0x02000000
_NOT_SYNC: Final = 0x01010000

_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED_LANGUAGE: Final = 0x55C4


class Sample(NamedTuple):
    """One frame or access unit, with times in ticks of its track's timescale."""

    duration: int
    data: bytes
    composition_offset: int = 0
    """Presentation time minus decoding time; may be negative."""
    sync: bool = True
    """Whether decoding can start here."""


class TrackRun(NamedTuple):
    """Consecutive samples of one track within a fragment."""

    track_id: int
    decode_time: int
    """Decoding time of the first sample, in ticks of the track's timescale."""
    samples: Sequence[Sample]


def init_segment(video: AvcConfig | None, audio: AacConfig | None) -> bytes:
    """Write ``ftyp`` and ``moov`` for a muxed pair, or for one track alone.

    Raises:
        ValueError: neither track is given.
    """
    if video is None and audio is None:
        raise ValueError("an init segment needs a video or an audio configuration")
    tracks, extends = [], []
    if video is not None:
        tracks.append(_video_track(video))
        extends.append(_trex(VIDEO_TRACK, _NOT_SYNC))
    if audio is not None:
        tracks.append(_audio_track(audio))
        extends.append(_trex(AUDIO_TRACK, _SYNC))
    mvhd = _full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">4I", 0, 0, 1000, 0),
        struct.pack(">IH10x", 0x10000, 0x100),
        _MATRIX,
        bytes(24),
        struct.pack(">I", AUDIO_TRACK + 1),
    )
    ftyp = _box(b"ftyp", b"iso6", bytes(4), b"iso6", b"mp41")
    return ftyp + _box(b"moov", mvhd, *tracks, _box(b"mvex", *extends))


def fragment(sequence_number: int, runs: Sequence[TrackRun]) -> bytes:
    """Write one ``moof`` and its ``mdat``.

    Args:
        sequence_number: of the fragment, rising (``mfhd``).
        runs: one per track, none of them empty.
    """
    moof_size = 8 + 16 + sum(_traf_size(run) for run in runs)
    data_offset = moof_size + 8
    trafs = []
    payload = []
    for run in runs:
        trafs.append(_traf(run, data_offset))
        data = [sample.data for sample in run.samples]
        data_offset += sum(map(len, data))
        payload += data
    return b"".join(
        (
            struct.pack(">I4s", moof_size, b"moof"),
            _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number)),
            *trafs,
            struct.pack(">I4s", data_offset - moof_size, b"mdat"),
            *payload,
        )
    )


_TFHD_AND_TFDT_SIZE: Final = 16 + 20
_TRUN_HEADER_SIZE: Final = 20
_DEFAULT_BASE_IS_MOOF: Final = 0x020000
_DATA_OFFSET: Final = 0x000001
_SAMPLE_DURATION: Final = 0x000100
_SAMPLE_SIZE: Final = 0x000200
_SAMPLE_FLAGS: Final = 0x000400
_SAMPLE_COMPOSITION_OFFSET: Final = 0x000800


def _sample_fields(run: TrackRun) -> int:
    return 4 if run.track_id == VIDEO_TRACK else 2


def _traf_size(run: TrackRun) -> int:
    entries = 4 * _sample_fields(run) * len(run.samples)
    return 8 + _TFHD_AND_TFDT_SIZE + _TRUN_HEADER_SIZE + entries


def _traf(run: TrackRun, data_offset: int) -> bytes:
    flags = _DATA_OFFSET | _SAMPLE_DURATION | _SAMPLE_SIZE
    entries: list[int] = []
    if run.track_id == VIDEO_TRACK:
        flags |= _SAMPLE_FLAGS | _SAMPLE_COMPOSITION_OFFSET
        for duration, data, offset, sync in run.samples:
            entries += (
                duration,
                len(data),
                _SYNC if sync else _NOT_SYNC,
                offset & 0xFFFFFFFF,
            )
    else:
        for sample in run.samples:
            entries += (sample.duration, len(sample.data))
    return _box(
        b"traf",
        _full_box(b"tfhd", 0, _DEFAULT_BASE_IS_MOOF, struct.pack(">I", run.track_id)),
        _full_box(b"tfdt", 1, 0, struct.pack(">Q", run.decode_time)),
        _full_box(
            b"trun",
            1,  # version 1: composition offsets are signed
            flags,
            struct.pack(f">II{len(entries)}I", len(run.samples), data_offset, *entries),
        ),
    )


def _trex(track_id: int, sample_flags: int) -> bytes:
    return _full_box(b"trex", 0, 0, struct.pack(">5I", track_id, 1, 0, 0, sample_flags))


def _video_track(config: AvcConfig) -> bytes:
    entry = _box(
        b"avc1",
        struct.pack(">6xH16x", 1),
        struct.pack(">HHII4xH", config.width, config.height, 0x480000, 0x480000, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
        _box(b"avcC", config.avcc),
    )
    return _track(
        VIDEO_TRACK,
        timescale=VIDEO_TIMESCALE,
        handler=b"vide",
        media_header=_full_box(b"vmhd", 0, 1, bytes(8)),
        sample_entry=entry,
        volume=0,
        width=config.width,
        height=config.height,
    )


def _audio_track(config: AacConfig) -> bytes:
    # The field is 16.16 fixed point: a rate that does not fit is left to the esds and the mdhd.
    rate = config.sample_rate if config.sample_rate < 0x10000 else 0
    entry = _box(
        b"mp4a",
        struct.pack(">6xH8x", 1),
        struct.pack(">HH4xI", config.channels, 16, rate << 16),
        _esds(config.asc),
    )
    return _track(
        AUDIO_TRACK,
        timescale=config.sample_rate,
        handler=b"soun",
        media_header=_full_box(b"smhd", 0, 0, bytes(4)),
        sample_entry=entry,
        volume=0x100,
        width=0,
        height=0,
    )


def _track(
    track_id: int,
    *,
    timescale: int,
    handler: bytes,
    media_header: bytes,
    sample_entry: bytes,
    volume: int,
    width: int,
    height: int,
) -> bytes:
    enabled_in_movie = 3
    tkhd = _full_box(
        b"tkhd",
        0,
        enabled_in_movie,
        struct.pack(">5I8x", 0, 0, track_id, 0, 0),
        struct.pack(">HHHH", 0, 0, volume, 0),
        _MATRIX,
        struct.pack(">II", width << 16, height << 16),
    )
    mdhd = _full_box(
        b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, timescale, 0, _UNDETERMINED_LANGUAGE, 0)
    )
    hdlr = _full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"headend\0")
    self_contained = _full_box(b"url ", 0, 1)
    dref = _full_box(b"dref", 0, 0, struct.pack(">I", 1), self_contained)
    stbl = _box(
        b"stbl",
        _full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry),
        _full_box(b"stts", 0, 0, bytes(4)),
        _full_box(b"stsc", 0, 0, bytes(4)),
        _full_box(b"stsz", 0, 0, bytes(8)),
        _full_box(b"stco", 0, 0, bytes(4)),
    )
    minf = _box(b"minf", media_header, _box(b"dinf", dref), stbl)
    return _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, minf))


def _esds(asc: bytes) -> bytes:
    # ISO/IEC 14496-1, 7.2.6: ES, decoder configuration, decoder specific info, SL configuration.
    aac, audio_stream = 0x40, 0x15
    decoder = struct.pack(">BB3xII", aac, audio_stream, 0, 0) + _descriptor(5, asc)
    return _full_box(
        b"esds",
        0,
        0,
        _descriptor(
            3,
            struct.pack(">HB", AUDIO_TRACK, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02"),
        ),
    )


def _descriptor(tag: int, body: bytes) -> bytes:
    size = len(body)
    coded = bytes(
        (0x80 | size >> 21 & 0x7F, 0x80 | size >> 14 & 0x7F, 0x80 | size >> 7 & 0x7F, size & 0x7F)
    )
    return bytes((tag,)) + coded + body


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *content)


NO_MEDIA: Final = _box(b"free")
"""A part in which nothing begins: every player skips a ``free`` box (ISO/IEC 14496-12, 8.1.2)."""
