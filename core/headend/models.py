"""What a host gets back: plain, frozen, and free of secrets but for `StreamCredentials`.

Times are aware and in UTC.  Durations are in seconds, bitrates in bits per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import field, frozen, validators

from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attrs import Attribute

_Number = TypeVar("_Number", int | None, float | None)


class StreamState(StrEnum):
    """What a live stream is doing, in the same words for every provider."""

    IDLE = "idle"
    """It exists and nobody pushes to it."""
    CONNECTING = "connecting"
    """An encoder is there, and by the platform's word there is nothing to watch yet."""
    LIVE = "live"
    """An encoder pushes and the platform takes what it sends.

    The first pictures may take seconds more: `wait_until_playable` tells when viewers get them.
    """
    INTERRUPTED = "interrupted"
    """The encoder is gone and may come back to the same session."""
    ENDED = "ended"
    """It is over for good."""
    DISABLED = "disabled"
    """It refuses encoders until it is enabled."""
    ERROR = "error"
    """The platform reports a failure; `state_reason` has its words."""
    UNKNOWN = "unknown"
    """The platform used a word that this version of the provider does not know."""


class IngestProtocol(StrEnum):
    """How an encoder sends video."""

    RTMP = "rtmp"
    RTMPS = "rtmps"
    SRT = "srt"
    WHIP = "whip"


class EndOutcome(StrEnum):
    """What ending a live stream found."""

    ENDED = "ended"
    ALREADY_GONE = "already_gone"


class EventKind(StrEnum):
    """The closed list of things a platform can tell about a live stream."""

    LIVE = "live"
    INTERRUPTED = "interrupted"
    IDLE = "idle"
    ENDED = "ended"
    INGEST_ERROR = "ingest_error"
    RECORDING_READY = "recording_ready"
    RECORDING_FAILED = "recording_failed"
    UNKNOWN = "unknown"


def to_channel_id(value: int | str) -> str:
    """Return the host's own id as text; an integer and its decimal text are the same id.

    Raises:
        ValueError: the value is empty or holds control characters.
        TypeError: the value is neither `int` nor `str`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"a channel id is an int or a str, not {type(value).__name__}")
    text = str(value)
    if not text.strip():
        raise ValueError("a channel id must not be empty")
    if not text.isprintable():
        raise ValueError("a channel id must not hold control characters")
    return text


class _FrozenMapping(Mapping[str, str]):
    """Texts that cannot be changed; they can be pickled and hashed, as their owners are."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def __getitem__(self, key: str) -> str:
        return self._texts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __hash__(self) -> int:
        return hash(frozenset(self._texts.items()))

    def __repr__(self) -> str:
        return repr(self._texts)


def _frozen_mapping(value: Mapping[str, str]) -> Mapping[str, str]:
    return _FrozenMapping(value)


def _optional_frozen_mapping(value: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if value is None else _frozen_mapping(value)


def _utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone; headend keeps aware times only")
    return value.astimezone(UTC)


def _not_negative(_instance: object, attribute: Attribute[_Number], value: _Number) -> None:
    if value is not None and not 0 <= value < inf:
        raise ValueError(
            f"{attribute.name} is {value}: a platform's word for unknown must become None"
        )


@frozen(kw_only=True)
class Ingest:
    """One way in for an encoder.

    Attributes:
        protocol: how the encoder sends.
        server_url: the address without any secret, or `None` where the whole address is one (WHIP).
        stream_key: what goes into the encoder's key field (SRT: the stream id), or `None`.
        passphrase: the SRT passphrase, or `None`.
        url_with_key: everything in one address, as FFmpeg takes it.
    """

    protocol: IngestProtocol
    server_url: str | None
    url_with_key: Secret
    stream_key: Secret | None = None
    passphrase: Secret | None = None

    @classmethod
    def rtmp(cls, server_url: str, stream_key: Secret) -> Ingest:
        """Describe an RTMP or RTMPS ingest, which one the address says."""
        protocol = IngestProtocol.RTMPS if server_url.startswith("rtmps:") else IngestProtocol.RTMP
        joined = Secret(f"{server_url.rstrip('/')}/{stream_key.reveal()}")
        return cls(
            protocol=protocol, server_url=server_url, stream_key=stream_key, url_with_key=joined
        )


@frozen(kw_only=True)
class StreamCredentials:
    """What is needed to push to a live stream and to watch it: the only object that holds a key.

    Attributes:
        stream_id: names the live stream in every later call; it is never the key.
        stream_key: the secret that lets an encoder push.
        rtmp_push_url: the server address, what OBS asks for beside the key.
        playback_url: the HLS address for viewers; it contains no secret.
        ingests: every way in, the RTMP one first.
        warnings: what the platform accepted but did not keep, in words.
    """

    stream_id: str
    stream_key: Secret
    rtmp_push_url: str
    playback_url: str
    ingests: tuple[Ingest, ...]
    warnings: tuple[str, ...] = ()

    def push_url_with_key(self) -> Secret:
        """Return server address and key in one, what FFmpeg asks for."""
        return Ingest.rtmp(self.rtmp_push_url, self.stream_key).url_with_key


@frozen(kw_only=True)
class LiveStream:
    """A live stream as the platform describes it.  It holds no secret and is safe to log.

    A field that the platform did not give, for instance in a list, is `None`.

    Attributes:
        stream_id: names it in every call.
        provider: the provider's name.
        channel_id: the host's own id for what it broadcasts, or `None` if it was made elsewhere.
        name: for people.
        state: what it is doing.
        state_reason: why the state is what it is, in words, where there is something to say.
        created_at: when it was made.
        playback_url: the HLS address for viewers.
        low_latency: whether it was made for low latency.
        metadata: the host's own texts, as given at creation.
        marker: headend's own mark on what it created, or `None` on a live stream that it did not.
        warnings: what a person should mend, in words, e.g. a key-frame interval that is too long.
    """

    stream_id: str
    provider: str
    channel_id: str | None = None
    name: str | None = None
    state: StreamState | None = None
    state_reason: str | None = None
    created_at: datetime | None = field(default=None, converter=_utc)
    playback_url: str | None = None
    low_latency: bool | None = None
    metadata: Mapping[str, str] | None = field(default=None, converter=_optional_frozen_mapping)
    marker: str | None = None
    warnings: tuple[str, ...] = ()


METRICS: Final = ("viewer_count", "current_bitrate", "peak_viewers", "total_watch_time")
"""The figures of `StreamAnalytics` that a platform may be unable to give."""


@frozen(kw_only=True)
class StreamAnalytics:
    """How a live stream is doing.  A figure that the platform did not give is `None`, never 0.

    Attributes:
        stream_id: the live stream.
        as_of: the moment the figures describe.
        viewer_count: viewers now.
        current_bitrate: what the encoder sends now, in bits per second.
        peak_viewers: the highest viewer count.
        total_watch_time: seconds watched by all viewers together.
        watch_time_since: since when that is counted, where it begins anew with each session;
            `None` where it is of all sessions together.
        unknown: for each figure that is `None`, the reason, by the figure's name.
    """

    stream_id: str
    as_of: datetime = field(converter=_utc)
    viewer_count: int | None = field(default=None, validator=_not_negative)
    current_bitrate: int | None = field(default=None, validator=_not_negative)
    peak_viewers: int | None = field(default=None, validator=_not_negative)
    total_watch_time: float | None = field(default=None, validator=_not_negative)
    watch_time_since: datetime | None = field(default=None, converter=_utc)
    unknown: Mapping[str, str] = field(factory=dict, converter=_frozen_mapping)

    def __attrs_post_init__(self) -> None:
        missing = {name for name in METRICS if getattr(self, name) is None}
        if missing != set(self.unknown):
            unexplained = ", ".join(sorted(missing - set(self.unknown))) or "none"
            needless = ", ".join(sorted(set(self.unknown) - missing)) or "none"
            raise ValueError(
                "every figure that is None needs its reason in `unknown`, and only those: "
                f"unexplained: {unexplained}; needless: {needless}"
            )


@frozen(kw_only=True)
class Recording:
    """What is kept of a session, and usually billed.

    Attributes:
        recording_id: names it on the platform.
        stream_id: the live stream it was made from, or `None` where the platform no longer tells.
        duration: seconds, or `None` while unknown.
        created_at: when it was made, or `None`.
        playback_url: where it can be watched, or `None`.
    """

    recording_id: str
    stream_id: str | None = None
    duration: float | None = field(default=None, validator=_not_negative)
    created_at: datetime | None = field(default=None, converter=_utc)
    playback_url: str | None = None


@frozen(kw_only=True)
class EndResult:
    """What became of a live stream that was to end.

    Attributes:
        stream_id: the live stream.
        outcome: ended by this call, or already gone before it.
        recordings_kept: recordings that stay on the platform and are billed.
        warnings: what could not be done, in words.
    """

    stream_id: str
    outcome: EndOutcome
    recordings_kept: tuple[Recording, ...] = ()
    warnings: tuple[str, ...] = ()


@frozen(kw_only=True)
class Health:
    """Whether a provider can be used right now.

    Attributes:
        provider: the provider's name.
        ok: whether a live stream could be created.
        message: one sentence; what to do, when it is not ok.
        warnings: what will go wrong later if nothing is done, in words.
        checked_at: when this was found.
    """

    provider: str
    ok: bool
    message: str
    checked_at: datetime = field(converter=_utc)
    warnings: tuple[str, ...] = ()


@frozen(kw_only=True)
class EncoderSettings:
    """What the encoder of a session said that it would send, which is not what was measured.

    Of an encoder that sends several renditions it is the first.  What the platform does not tell
    is `None`.

    Attributes:
        software: what the encoder calls itself.
        video_codec: such as ``avc1.4D401F`` (RFC 6381), or the platform's word.
        width: picture width in pixels.
        height: picture height in pixels.
        frame_rate: frames per second.
        video_bitrate: bits per second of video.
        audio_codec: such as ``mp4a.40.2`` (RFC 6381), or the platform's word.
        audio_bitrate: bits per second of audio.
        audio_sample_rate: samples per second of each channel.
        audio_channels: how many there are.
    """

    software: str | None = None
    video_codec: str | None = None
    width: int | None = field(default=None, validator=_not_negative)
    height: int | None = field(default=None, validator=_not_negative)
    frame_rate: float | None = field(default=None, validator=_not_negative)
    video_bitrate: int | None = field(default=None, validator=_not_negative)
    audio_codec: str | None = None
    audio_bitrate: int | None = field(default=None, validator=_not_negative)
    audio_sample_rate: int | None = field(default=None, validator=_not_negative)
    audio_channels: int | None = field(default=None, validator=_not_negative)


@frozen(kw_only=True)
class SessionEvent:
    """Something that happened in a session, as the platform's record of it has it.

    Attributes:
        kind: what it would be as a `StreamEvent`.
        name: the platform's own name for it.
        occurred_at: when it happened.
        reason: why, in the platform's words or code, where it has any.
    """

    kind: EventKind
    name: str
    occurred_at: datetime = field(converter=_utc)
    reason: str | None = None


@frozen(kw_only=True)
class Session:
    """One continuous broadcast on a live stream.

    Attributes:
        session_id: names it on the platform.
        stream_id: the live stream.
        started_at: when it began.
        ended_at: when it ended, or `None` while it goes on.
        encoder: what the encoder said that it would send, or `None` where the platform does not
            tell, as in a list.
        events: what happened in it, the earliest first; none in a list.
    """

    session_id: str
    stream_id: str
    started_at: datetime | None = field(default=None, converter=_utc)
    ended_at: datetime | None = field(default=None, converter=_utc)
    encoder: EncoderSettings | None = None
    events: tuple[SessionEvent, ...] = ()


@frozen(kw_only=True)
class SimulcastTarget:
    """A place to which the platform pushes a copy.  Its key is write-only and not in here.

    Attributes:
        target_id: names it on the platform.
        stream_id: the live stream.
        server_url: where the copy goes.
        enabled: whether it goes there.
    """

    target_id: str
    stream_id: str
    server_url: str
    enabled: bool


@frozen(kw_only=True)
class PlaybackToken:
    """Leave to watch a live stream that is not public.

    Attributes:
        token: the secret itself.
        playback_url: the address with the token in it, hence a secret as well.
        expires_at: until when it is good.
    """

    token: Secret
    playback_url: Secret
    expires_at: datetime = field(converter=_utc)


@frozen(kw_only=True)
class StreamEvent:
    """Something that a platform told about a live stream, verified.

    Attributes:
        kind: one of a closed list; a word that the provider does not know is ``unknown``.
        provider: the provider's name.
        stream_id: the live stream, or `None` where the platform does not say.
        occurred_at: when it happened.
        event_id: the same for a message that is delivered twice.
        raw: the platform's own text, without secrets.
        reason: why it happened, in the platform's words or code, such as
            ``ERR_GOP_OUT_OF_RANGE``; without secrets, and `None` where it says nothing.
    """

    kind: EventKind
    provider: str
    stream_id: str | None
    occurred_at: datetime = field(converter=_utc)
    event_id: str = field(validator=validators.min_len(1))
    raw: str = field(repr=False)
    reason: str | None = None


def unknown_metrics(reason: str, names: Iterable[str] = METRICS) -> dict[str, str]:
    """Give every figure in `names` the same reason for being unknown."""
    return dict.fromkeys(names, reason)
