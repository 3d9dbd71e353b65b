"""What the platform's JSON means: pure, and strict about all that the platform promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from headend.plugin import (
    Ingest,
    LiveStream,
    Recording,
    Secret,
    Session,
    StreamAnalytics,
    StreamCredentials,
    StreamState,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

_T = TypeVar("_T")


class BrokenAnswerError(ValueError):
    """The answer is not what the platform promises; the message says where."""


class Fields:
    """A JSON object of the platform, read strictly.  What is not asked for is let be."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise BrokenAnswerError("there is no JSON object where one is promised")
        self._data: dict[str, object] = data

    def has(self, name: str) -> bool:
        """Tell whether there is such a field and it is not null."""
        return self._data.get(name) is not None

    def text(self, name: str) -> str:
        """Return a text."""
        return _text(self._data.get(name), name)

    def optional_text(self, name: str) -> str | None:
        """Return a text or `None`."""
        return self.text(name) if self.has(name) else None

    def identifier(self, name: str) -> str:
        """Return a text that can stand in a path."""
        value = self.text(name)
        if not is_id(value):
            raise BrokenAnswerError(f"{name} is not an id")
        return value

    def key(self, name: str) -> Secret:
        """Return a secret that can stand in an encoder's key field."""
        value = Secret(self.text(name))
        if not _KEY.fullmatch(value.reveal()):
            raise BrokenAnswerError(f"{name} is not a stream key")
        return value

    def address(self, name: str, *schemes: str) -> str:
        """Return an address of one of these schemes."""
        value = self.text(name)
        try:
            parts = urlsplit(value)
            whole = parts.scheme in schemes and bool(parts.hostname) and value.isprintable()
        except ValueError:
            whole = False
        if not whole:
            raise BrokenAnswerError(f"{name} is not an address with {' or '.join(schemes)}")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._data.get(name)
        if not isinstance(value, bool):
            raise BrokenAnswerError(f"{name} is not true or false")
        return value

    def count(self, name: str) -> int:
        """Return a number of things."""
        value = self._data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BrokenAnswerError(f"{name} is not a number from 0")
        return value

    def viewers(self, name: str) -> int | None:
        """Return a number of viewers, or `None` where the platform says that it has none."""
        return None if self._data.get(name) == _NOT_COUNTED else self.count(name)

    def seconds(self, name: str) -> float:
        """Return a duration."""
        value = self._data.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise BrokenAnswerError(f"{name} is not a number")
        if not 0 <= value < _ENDLESS:
            raise BrokenAnswerError(f"{name} is not a number of seconds")
        return float(value)

    def time(self, name: str) -> datetime:
        """Return a moment, in UTC."""
        try:
            value = datetime.fromisoformat(self.text(name))
            moved = value.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise BrokenAnswerError(f"{name} is not a time") from error
        if value.tzinfo is None:
            raise BrokenAnswerError(f"{name} has no time zone")
        return moved

    def object(self, name: str) -> Fields:
        """Return an object within this one."""
        return Fields(self._data.get(name))

    def texts(self, name: str) -> dict[str, str]:
        """Return texts by name."""
        value = self._data.get(name)
        if not isinstance(value, dict):
            raise BrokenAnswerError(f"{name} is not an object")
        return {_text(key, name): _text(text, f"{name}.{key}") for key, text in value.items()}

    def each(self, name: str, read: Callable[[Fields], _T]) -> list[_T]:
        """Return what `read` makes of each element of a list."""
        value = self._data.get(name)
        if not isinstance(value, list):
            raise BrokenAnswerError(f"{name} is not a list")
        return [read(Fields(one)) for one in value]


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BrokenAnswerError(f"{name} is not a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BrokenAnswerError(f"{name} holds half a character") from error
    return value


def is_id(text: str) -> bool:
    """Tell whether the platform could have given out such an id."""
    return _ID.fullmatch(text) is not None


def new_input(request: CreateRequest) -> dict[str, object]:
    """Say what to create, in the platform's words."""
    tags = {_CHANNEL_ID: request.channel_id, _MARKER: request.marker}
    tags |= {f"{_METADATA}{name}": text for name, text in request.metadata.items()}
    return {"name": request.name, "tags": tags, "low_latency": request.low_latency}


def listed_live_stream(fields: Fields) -> LiveStream:
    """Read an input as a list has it: what is not there stays `None`."""
    tags = fields.texts("tags")
    return LiveStream(
        stream_id=fields.identifier("id"),
        provider=NAME,
        channel_id=tags.get(_CHANNEL_ID),
        name=fields.optional_text("name"),
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
    key = fields.key("stream_key")
    push_url = fields.address("ingest_url", "rtmps", "rtmp")
    return StreamCredentials(
        stream_id=fields.identifier("id"),
        stream_key=key,
        rtmp_push_url=push_url,
        playback_url=playback_url(fields),
        ingests=(Ingest.rtmp(push_url, key),),
    )


def analytics(fields: Fields) -> StreamAnalytics:
    """Read the figures of an input."""
    viewers = fields.viewers("viewers")
    bitrate = fields.count("bitrate") if fields.has("bitrate") else None
    unknown = {}
    if viewers is None:
        unknown["viewer_count"] = "the platform counts viewers only while the live stream is live"
    if bitrate is None:
        unknown["current_bitrate"] = "no encoder pushes"
    return StreamAnalytics(
        stream_id=fields.identifier("input_id"),
        as_of=fields.time("as_of"),
        viewer_count=viewers,
        current_bitrate=bitrate,
        peak_viewers=fields.count("peak_viewers"),
        total_watch_time=fields.seconds("watch_seconds"),
        unknown=unknown,
    )


def recording(fields: Fields) -> Recording:
    """Read what a broadcast left."""
    return Recording(
        recording_id=fields.identifier("id"),
        stream_id=fields.identifier("input_id"),
        duration=fields.seconds("duration"),
        created_at=fields.time("created_at"),
        playback_url=playback_url(fields),
    )


def session(fields: Fields) -> Session:
    """Read a broadcast."""
    return Session(
        session_id=fields.identifier("id"),
        stream_id=fields.identifier("input_id"),
        started_at=fields.time("started_at"),
        ended_at=fields.time("ended_at") if fields.has("ended_at") else None,
    )
