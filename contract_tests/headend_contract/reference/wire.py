"""What the platform's JSON means: pure, and strict about all that the platform promises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import (
    BrokenAnswerError,
    EncoderSettings,
    EventKind,
    Fields,
    Ingest,
    LiveStream,
    Recording,
    Secret,
    Session,
    SessionEvent,
    StreamAnalytics,
    StreamCredentials,
    StreamState,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headend.plugin import CreateRequest

NAME: Final = "reference"

STATES: Final[Mapping[str, StreamState]] = {
    "idle": StreamState.IDLE,
    "starting": StreamState.CONNECTING,
    "on_air": StreamState.LIVE,
    "reconnecting": StreamState.INTERRUPTED,
    "stopping": StreamState.INTERRUPTED,
    "blocked": StreamState.DISABLED,
}
"""What the platform's words for a status mean."""

KINDS: Final[Mapping[str, EventKind]] = {
    "input.on_air": EventKind.LIVE,
    "input.reconnecting": EventKind.INTERRUPTED,
    "input.off_air": EventKind.IDLE,
    "input.deleted": EventKind.ENDED,
    "recording.ready": EventKind.RECORDING_READY,
}
"""What the platform's words for an event mean."""

_ENDLESS: Final = 1e12
"""Seconds that nothing lasts."""

_NOT_COUNTED: Final = -1
"""The platform's word for a viewer count that it does not have."""

_CHANNEL_ID: Final = "channel-id"
_MARKER: Final = "marker"
_METADATA: Final = "meta."
"""Tags: the host's own texts have this before their names, so that none can hide the others."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY: Final = re.compile(r"[!-~]{1,256}")


def is_id(text: str) -> bool:
    """Tell whether the platform could have given out such an id."""
    return _ID.fullmatch(text) is not None


def identifier(fields: Fields, name: str) -> str:
    """Read a text that can stand in a path."""
    return fields.matching(name, _ID, "an id")


def seconds(fields: Fields, name: str) -> float:
    """Read a duration."""
    value = fields.number(name)
    if not 0 <= value < _ENDLESS:
        raise BrokenAnswerError(f"{fields.path(name)} is not a number of seconds")
    return value


def new_input(request: CreateRequest) -> dict[str, object]:
    """Say what to create, in the platform's words."""
    tags = {_CHANNEL_ID: request.channel_id, _MARKER: request.marker}
    tags |= {f"{_METADATA}{name}": text for name, text in request.metadata.items()}
    return {"name": request.name, "tags": tags, "low_latency": request.low_latency}


def listed_live_stream(fields: Fields) -> LiveStream:
    """Read an input as a list has it: what is not there stays `None`."""
    tags = fields.texts("tags")
    return LiveStream(
        stream_id=identifier(fields, "id"),
        provider=NAME,
        channel_id=tags.get(_CHANNEL_ID),
        name=fields.optional("name", Fields.text),
        created_at=fields.time("created_at"),
        low_latency=fields.flag("low_latency"),
        metadata={
            name.removeprefix(_METADATA): text
            for name, text in tags.items()
            if name.startswith(_METADATA)
        },
        marker=tags.get(_MARKER),
    )


def live_stream(fields: Fields) -> LiveStream:
    """Read a whole input."""
    listed = listed_live_stream(fields)
    status = fields.text("status")
    return evolve(
        listed,
        state=STATES.get(status, StreamState.UNKNOWN),
        state_reason=None if status in STATES else f"the platform says {status!r}",
        playback_url=playback_url(fields),
    )


def playback_url(fields: Fields) -> str:
    """Read where viewers watch."""
    return fields.address("playback_url", "https")


def credentials(fields: Fields) -> StreamCredentials:
    """Read an input with its key."""
    key = Secret(fields.matching("stream_key", _KEY, "a stream key"))
    push_url = fields.address("ingest_url", "rtmps", "rtmp")
    return StreamCredentials(
        stream_id=identifier(fields, "id"),
        stream_key=key,
        rtmp_push_url=push_url,
        playback_url=playback_url(fields),
        ingests=(Ingest.rtmp(push_url, key),),
    )


def created(fields: Fields, request: CreateRequest) -> StreamCredentials:
    """Read what was created, with a warning for what was asked for and not kept."""
    made = credentials(fields)
    if fields.flag("low_latency") == request.low_latency:
        return made
    asked = "asked for" if request.low_latency else "not asked for"
    return evolve(
        made, warnings=(f"low latency was {asked}, and the platform accepted and did not keep it",)
    )


def analytics(fields: Fields) -> StreamAnalytics:
    """Read the figures of an input."""
    viewers = None if fields.raw("viewers") == _NOT_COUNTED else fields.count("viewers")
    bitrate = fields.optional("bitrate", Fields.count)
    unknown = {}
    if viewers is None:
        unknown["viewer_count"] = "the platform counts viewers only while the live stream is live"
    if bitrate is None:
        unknown["current_bitrate"] = "no encoder pushes"
    return StreamAnalytics(
        stream_id=identifier(fields, "input_id"),
        as_of=fields.time("as_of"),
        viewer_count=viewers,
        current_bitrate=bitrate,
        peak_viewers=fields.count("peak_viewers"),
        total_watch_time=seconds(fields, "watch_seconds"),
        unknown=unknown,
    )


def recording(fields: Fields) -> Recording:
    """Read what a broadcast left."""
    return Recording(
        recording_id=identifier(fields, "id"),
        stream_id=identifier(fields, "input_id"),
        duration=seconds(fields, "duration"),
        created_at=fields.time("created_at"),
        playback_url=playback_url(fields),
    )


def session(fields: Fields) -> Session:
    """Read a broadcast."""
    return Session(
        session_id=identifier(fields, "id"),
        stream_id=identifier(fields, "input_id"),
        started_at=fields.time("started_at"),
        ended_at=fields.optional("ended_at", Fields.time),
    )


def whole_session(fields: Fields) -> Session:
    """Read a broadcast with its encoder and what happened in it."""
    return evolve(
        session(fields),
        encoder=encoder(fields.object("encoder")),
        events=tuple(sorted(fields.each("events", session_event), key=_moment)),
    )


def encoder(fields: Fields) -> EncoderSettings:
    """Read what an encoder said of itself."""
    return EncoderSettings(
        software=fields.text("software"),
        video_codec=fields.text("video_codec"),
        width=fields.count("width"),
        height=fields.count("height"),
        frame_rate=_rate(fields, "frame_rate"),
        video_bitrate=fields.count("video_bitrate"),
        audio_codec=fields.text("audio_codec"),
        audio_bitrate=fields.count("audio_bitrate"),
        audio_sample_rate=fields.count("audio_sample_rate"),
        audio_channels=fields.count("audio_channels"),
    )


def session_event(fields: Fields) -> SessionEvent:
    """Read something that happened in a broadcast."""
    name = fields.text("type")
    return SessionEvent(
        kind=KINDS.get(name, EventKind.UNKNOWN),
        name=name,
        occurred_at=fields.time("at"),
        reason=fields.optional("reason", Fields.text),
    )


def _moment(event: SessionEvent) -> datetime:
    return event.occurred_at


def _rate(fields: Fields, name: str) -> float:
    value = fields.number(name)
    if value < 0:
        raise BrokenAnswerError(f"{fields.path(name)} is less than 0")
    return value
