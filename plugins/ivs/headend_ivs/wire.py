"""What the answers of AWS IVS mean, and what headend's words are in its requests: pure.

The shapes are those of botocore's service model ``ivs/2020-07-14``.  boto3 makes `datetime` of
times, plain JSON has them as text; both are read.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import quote

from attrs import evolve, frozen

from headend.plugin import (
    BrokenAnswerError,
    EncoderSettings,
    Fields,
    Ingest,
    IngestProtocol,
    LiveStream,
    Secret,
    Session,
    SessionEvent,
    StreamCredentials,
    StreamState,
)
from headend_ivs.event_kinds import kind_of

if TYPE_CHECKING:
    from headend.plugin import CreateRequest
    from headend_ivs.settings import IvsOptions

NAME: Final = "aws-ivs"

MAX_TAGS: Final = 50
MAX_TAG_KEY: Final = 128
MAX_TAG_VALUE: Final = 256
"""Tags of a channel, and signs of their keys and values (botocore's model)."""

_ARN: Final = re.compile(
    r"arn:aws:ivs:(?P<region>[a-z0-9-]+):(?P<account>[0-9]+)"
    r":(?P<kind>[a-z-]+)/(?P<resource>[a-zA-Z0-9-]+)"
)
_CHANNEL_ARN: Final = re.compile(r"arn:aws:ivs:[a-z0-9-]+:[0-9]+:channel/[a-zA-Z0-9-]+")
_KEY_ARN: Final = re.compile(r"arn:aws:ivs:[a-z0-9-]+:[0-9]+:stream-key/[a-zA-Z0-9-]+")
_KEY_PAIR_ARN: Final = re.compile(r"arn:aws:ivs:[a-z0-9-]+:[0-9]+:playback-key/[a-zA-Z0-9-]+")
_MAX_ARN: Final = 128
"""Patterns and length of botocore's model; the partition is always ``aws``."""

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What is read; not even AWS's own examples keep to the model's pattern."""
_ASKED_SESSION_ID: Final = re.compile(r"st-[A-Za-z0-9]{23}")
"""What is sent: the model's pattern and length.  A stream key, which begins with ``sk_``, would be
a session's id by the other pattern."""

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")
_SLUG: Final = 60
"""Signs of the host's name that are in the channel's."""
_TAIL: Final = 24
"""Signs of the marker that are in the channel's name: its random part."""
_NAMELESS: Final = "headend"

_CHANNEL_ID: Final = "headend:channel-id"
_MARKER: Final = "headend:marker"
_NAME: Final = "headend:name"
_CREATED_AT: Final = "headend:created-at"
_METADATA: Final = "headend:meta:"

_LATENCY: Final[Mapping[str, bool]] = {"LOW": True, "NORMAL": False}

_NOT_COUNTED: Final = -1
"""``viewerCount`` where counting took too long (API reference, ``Stream``)."""


# -- names of things ------------------------------------------------------------------------------


@frozen
class _Arn:
    """The ARN of something of AWS IVS.

    Attributes:
        text: the whole ARN.
        region: the only region from which it can be managed.
        account: whose it is, twelve digits.
        resource_id: its last part.
    """

    kind: ClassVar[str]
    whose: ClassVar[str]
    """What it is the ARN of: as ARNs have it, and for people."""
    listed_by: ClassVar[str]
    """The command that names those there are."""

    text: str
    region: str
    account: str
    resource_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an ARN.

        Raises:
            ValueError: it is none of this kind.  The message does not hold the text, which may be
                a stream key by mistake.
        """
        found = _ARN.fullmatch(text) if len(text) <= _MAX_ARN else None
        if found is None or found["kind"] != cls.kind:
            raise ValueError(
                f"this is not the ARN of {cls.whose}, such as "
                f"arn:aws:ivs:us-west-2:123456789012:{cls.kind}/AbCd1234EfGh; `{cls.listed_by}` "
                "names those there are"
            )
        return cls(text, found["region"], found["account"], found["resource"])

    def __str__(self) -> str:
        return self.text


@frozen
class ChannelArn(_Arn):
    """The ARN of a channel: what names a live stream on AWS IVS.

    Its `resource_id` is what CloudWatch calls the channel.
    """

    kind = "channel"
    whose = "a channel"
    listed_by = "headend list"


@frozen
class KeyPairArn(_Arn):
    """The ARN of a playback key pair."""

    kind = "playback-key"
    whose = "a playback key pair"
    listed_by = "headend ivs-playback-key list"


def is_channel_arn(text: str) -> bool:
    """Tell whether a text is the ARN of a channel, of whatever region."""
    return len(text) <= _MAX_ARN and _CHANNEL_ARN.fullmatch(text) is not None


def channel_name(name: str | None, marker: str) -> str:
    """Return the name of the channel for a live stream of that name and marker.

    AWS IVS allows letters, digits, ``-`` and ``_`` in a channel's name, and finds channels by
    their whole name.  So it begins with what can be kept of the host's name, for people, and it
    ends with the random part of the marker.  Both are known when the channel is looked for.
    """
    plain = unicodedata.normalize("NFKD", name or "").encode("ascii", "ignore").decode()
    slug = _NOT_IN_NAMES.sub("-", plain)[:_SLUG].strip("-") or _NAMELESS
    tail = _NOT_IN_NAMES.sub("", marker)[-_TAIL:]
    return f"{slug}-{tail}" if tail else slug


# -- tags -----------------------------------------------------------------------------------------

_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.:/+-@")
"""What a tag may hold in every AWS service, but for ``=``, which is the escape sign here."""
_ESCAPED: Final = re.compile(r"(?:[^=]|=[0-9A-F]{2})*")
_ESCAPE: Final = re.compile(rb"=([0-9A-F]{2})")
_PACKED: Final = "=@"
"""What begins a tag whose rest is Base64: no escaped text can begin so."""


def encode_tag(text: str, limit: int = MAX_TAG_VALUE) -> str:
    """Write any text with the signs that a tag may have.

    Signs that AWS does not allow everywhere, and spaces at the ends, become ``=`` and two
    hexadecimal digits for each byte of UTF-8, so that most texts stay legible.  What gets too
    long in this way is written in Base64 after ``=@``.

    Raises:
        ValueError: it is longer than a tag may be, or no text.
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a character") from None
    inner = raw.strip(b" ")
    start = len(raw) - len(raw.lstrip(b" "))
    end = len(raw) - len(inner) - start
    escaped = (
        "=20" * start
        + "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in inner)
        + "=20" * (end if inner else 0)
    )
    if len(escaped) <= limit:
        return escaped
    packed = _PACKED + base64.b64encode(raw).decode()
    if len(packed) <= limit:
        return packed
    raise ValueError(
        f"it is too long: a tag of AWS has room for {limit} signs, or "
        f"{(limit - len(_PACKED)) // 4 * 3} bytes of UTF-8"
    )


def decode_tag(text: str) -> str:
    """Read a tag; one that `encode_tag` cannot have written is returned as it is."""
    try:
        if text.startswith(_PACKED):
            return base64.b64decode(text.removeprefix(_PACKED), validate=True).decode()
        if _ESCAPED.fullmatch(text):
            return _ESCAPE.sub(lambda one: bytes.fromhex(one[1].decode()), text.encode()).decode()
    except ValueError:
        pass
    return text


def _tags(request: CreateRequest, created_at: datetime) -> dict[str, str]:
    tags = {
        _CHANNEL_ID: _tag(request.channel_id, "the channel id"),
        _MARKER: _tag(request.marker, "the marker"),
        _CREATED_AT: _tag(created_at.astimezone(UTC).isoformat(timespec="seconds"), "the time"),
    }
    if request.name is not None:
        tags[_NAME] = _tag(request.name, "the name")
    room = MAX_TAG_KEY - len(_METADATA)
    for key, text in request.metadata.items():
        named = f"{_METADATA}{_tag(key, f'the key {key!r} of the metadata', room)}"
        tags[named] = _tag(text, f"the metadata {key!r}")
    if len(tags) > MAX_TAGS:
        rest = MAX_TAGS - (len(tags) - len(request.metadata))
        raise ValueError(
            f"there are {len(request.metadata)} metadata, and a channel of AWS has room for {rest} "
            "beside headend's own tags"
        )
    return tags


def _tag(text: str, what: str, limit: int = MAX_TAG_VALUE) -> str:
    try:
        return encode_tag(text, limit)
    except ValueError as error:
        raise ValueError(f"{what} cannot be a tag: {error}") from None


# -- channels -------------------------------------------------------------------------------------


def new_channel(
    request: CreateRequest, options: IvsOptions, *, created_at: datetime
) -> dict[str, object]:
    """Return the parameters of ``CreateChannel``.

    Args:
        request: what the host asked for.
        options: what only this provider has.
        created_at: the time now, which goes onto the channel because AWS IVS keeps none.

    Raises:
        ValueError: a text has no room in a tag, or there are too many; it says which.
    """
    parameters: dict[str, object] = {
        "name": channel_name(request.name, request.marker),
        "type": str(options.type),
        "latencyMode": "LOW" if request.low_latency else "NORMAL",
        "authorized": options.authorized,
        "insecureIngest": options.insecure_ingest,
        "tags": _tags(request, created_at),
    }
    if options.recording_configuration_arn is not None:
        parameters["recordingConfigurationArn"] = options.recording_configuration_arn
    if options.preset is not None:
        parameters["preset"] = str(options.preset)
    return parameters


def channel_arn(fields: Fields, name: str = "arn") -> str:
    """Read the ARN of a channel."""
    arn = fields.matching(name, _CHANNEL_ARN, "the ARN of a channel")
    if len(arn) > _MAX_ARN:
        raise BrokenAnswerError(f"{name} is longer than an ARN")
    return arn


def listed_live_stream(channel: Fields) -> LiveStream:
    """Read a channel as a list has it, without its state and address."""
    tags = channel.optional("tags", Fields.texts) or {}
    texts = {key: decode_tag(text) for key, text in tags.items()}
    ours = _MARKER in texts
    return LiveStream(
        stream_id=channel_arn(channel),
        provider=NAME,
        channel_id=texts.get(_CHANNEL_ID),
        name=texts.get(_NAME) if ours else channel.optional("name", Fields.text) or None,
        created_at=_time_in(tags.get(_CREATED_AT, "")),
        low_latency=_LATENCY.get(channel.optional("latencyMode", Fields.text) or ""),
        metadata={
            decode_tag(key.removeprefix(_METADATA)): text
            for key, text in texts.items()
            if key.startswith(_METADATA)
        },
        marker=texts.get(_MARKER),
    )


def live_stream(channel: Fields, stream: Stream | None, *, simulated: bool = False) -> LiveStream:
    """Read a whole channel, with what is broadcast on it.

    Args:
        channel: ``channel`` of ``GetChannel``.
        stream: what is broadcast, or `None` if nothing is.
        simulated: whether the address may be that of a simulator.
    """
    return evolve(
        with_state(listed_live_stream(channel), stream),
        playback_url=playback_url(channel, simulated=simulated),
    )


def with_state(live_stream: LiveStream, stream: Stream | None) -> LiveStream:
    """Add what is broadcast to what is known of a channel."""
    if stream is None:
        return evolve(live_stream, state=StreamState.IDLE)
    return evolve(live_stream, state=stream.state, state_reason=stream.state_reason)


def playback_url(channel: Fields, *, simulated: bool = False) -> str:
    """Read where viewers watch: https, or http as well where the platform is a simulator."""
    return channel.address("playbackUrl", *(("https", "http") if simulated else ("https",)))


@frozen(kw_only=True)
class StreamKey:
    """A channel's stream key.

    Attributes:
        arn: names it; that is no secret.
        channel: the ARN of its channel.
        value: what lets an encoder push.
    """

    arn: str
    channel: str
    value: Secret


def stream_key(fields: Fields) -> StreamKey:
    """Read a stream key with its value."""
    return StreamKey(
        arn=key_arn(fields), channel=channel_arn(fields, "channelArn"), value=fields.secret("value")
    )


def key_arn(fields: Fields) -> str:
    """Read the ARN of a stream key."""
    return fields.matching("arn", _KEY_ARN, "the ARN of a stream key")


@frozen(kw_only=True)
class Entrance:
    """Where encoders push to a channel, and where viewers watch.

    Addresses: docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/streaming-config.html.

    Attributes:
        channel: the ARN of the channel.
        push_url: the RTMPS address without the key.
        insecure_url: the same for plain RTMP, where the channel allows it.
        srt_url: the SRT address without the key.
        passphrase: of SRT, where the channel demands encryption.
        playback_url: the HLS address.
    """

    channel: str
    push_url: str
    insecure_url: str | None
    srt_url: str | None
    passphrase: Secret | None
    playback_url: str

    def credentials(self, key: StreamKey) -> StreamCredentials:
        """Add the stream key.

        Raises:
            BrokenAnswerError: it is another channel's.
        """
        if key.channel != self.channel:
            raise BrokenAnswerError("the stream key is that of another channel")
        ingests = [Ingest.rtmp(self.push_url, key.value)]
        if self.insecure_url is not None:
            ingests.append(Ingest.rtmp(self.insecure_url, key.value))
        if self.srt_url is not None:
            ingests.append(_srt(self.srt_url, key.value, self.passphrase))
        return StreamCredentials(
            stream_id=self.channel,
            stream_key=key.value,
            rtmp_push_url=self.push_url,
            playback_url=self.playback_url,
            ingests=tuple(ingests),
        )


def entrance(channel: Fields, *, ingest_url: str | None = None) -> Entrance:
    """Read the addresses of a whole channel.

    Args:
        channel: ``channel`` of ``CreateChannel`` or ``GetChannel``.
        ingest_url: what a simulator has in place of ``rtmps://{ingestEndpoint}:443/app/``; it has
            no other ingests.
    """
    host = channel.matching("ingestEndpoint", _HOST, "the name of a host")
    insecure = channel.optional("insecureIngest", Fields.flag) or False
    srt = channel.optional("srt", Fields.object)
    if ingest_url is not None or srt is None or not srt.has("endpoint"):
        srt = None
    return Entrance(
        channel=channel_arn(channel),
        push_url=ingest_url or f"rtmps://{host}:443/app/",
        insecure_url=f"rtmp://{host}/app/" if insecure and ingest_url is None else None,
        srt_url=(
            None if srt is None else f"srt://{srt.matching('endpoint', _HOST, 'a host')}:9000"
        ),
        # "The passphrase applies only when insecure ingest is off" (streaming-config).
        passphrase=None if srt is None or insecure else srt.secret("passphrase"),
        playback_url=playback_url(channel, simulated=ingest_url is not None),
    )


def _srt(server_url: str, key: Secret, passphrase: Secret | None) -> Ingest:
    query = f"streamid={quote(key.reveal(), safe='')}"
    if passphrase is not None:
        query += f"&passphrase={quote(passphrase.reveal(), safe='')}"
    return Ingest(
        protocol=IngestProtocol.SRT,
        server_url=server_url,
        stream_key=key,
        passphrase=passphrase,
        url_with_key=Secret(f"{server_url}?{query}"),
    )


def credentials(
    channel: Fields, key: Fields, *, ingest_url: str | None = None
) -> StreamCredentials:
    """Read a channel with its stream key; see `entrance`."""
    return entrance(channel, ingest_url=ingest_url).credentials(stream_key(key))


@frozen(kw_only=True)
class Batch:
    """The answer to ``BatchGetChannel``.

    Attributes:
        playback_urls: by the ARN of each channel that there is.
        errors: the code of what went wrong, by the ARN of each other channel.
    """

    playback_urls: Mapping[str, str]
    errors: Mapping[str, str]


def batch(answer: Fields, *, simulated: bool = False) -> Batch:
    """Read many channels."""
    found = answer.each(
        "channels", lambda one: (channel_arn(one), playback_url(one, simulated=simulated))
    )
    failed = []
    if answer.has("errors"):
        failed = answer.each("errors", lambda one: (one.text("arn"), _code(one)))
    return Batch(playback_urls=dict(found), errors=dict(failed))


def _code(error: Fields) -> str:
    return error.optional("code", Fields.text) or "no code"


# -- what is broadcast ----------------------------------------------------------------------------


@frozen(kw_only=True)
class Stream:
    """What is broadcast on a channel now.

    Attributes:
        channel: the ARN of the channel.
        state: what it is doing.
        state_reason: why, where there is something to say.
        viewer_count: viewers now, or `None` where the platform has no number.
        started_at: when it began, or `None` where the platform does not tell.
    """

    channel: str
    state: StreamState
    state_reason: str | None
    viewer_count: int | None
    started_at: datetime | None

    @property
    def is_on(self) -> bool:
        """Whether anything is broadcast."""
        return self.state is not StreamState.IDLE


def stream(fields: Fields) -> Stream:
    """Read ``stream`` of ``GetStream``, or one of ``ListStreams``."""
    word, reason = _state(fields)
    return Stream(
        channel=channel_arn(fields, "channelArn"),
        state=word,
        state_reason=reason,
        viewer_count=_viewers(fields),
        started_at=fields.optional("startTime", moment),
    )


def _state(fields: Fields) -> tuple[StreamState, str | None]:
    """Read the state.

    The platform says that a channel is idle by the error ``ChannelNotBroadcasting``.  There is a
    state ``OFFLINE`` as well, of which AWS says not to rely on it, since the API may not return it
    (API reference, ``Stream``).  Where it is returned it means idle, and nothing that would harm a
    live channel depends on it: AWS itself refuses to delete one.
    """
    word = fields.text("state")
    if word == "OFFLINE":
        return StreamState.IDLE, None
    if word != "LIVE":
        return StreamState.UNKNOWN, f"AWS IVS says {word!r}"
    health = fields.optional("health", Fields.text)
    if health == "STARVING":
        return StreamState.INTERRUPTED, "AWS IVS gets too little from the encoder: STARVING"
    if health is None or health == "HEALTHY":
        return StreamState.LIVE, None
    return StreamState.LIVE, f"AWS IVS says of its health: {health!r}"


def _viewers(fields: Fields) -> int | None:
    if fields.raw("viewerCount") == _NOT_COUNTED:
        return None
    return fields.optional("viewerCount", Fields.count)


def session_id(fields: Fields) -> str:
    """Read the id of a session, which AWS IVS calls a stream's."""
    return fields.matching("streamId", _SESSION_ID, "the id of a stream")


def is_session_id(text: str) -> bool:
    """Tell whether the platform may be asked for a session of such an id."""
    return _ASKED_SESSION_ID.fullmatch(text) is not None


def listed_session(fields: Fields, stream_id: str) -> Session:
    """Read a session as a list has it."""
    return Session(
        session_id=session_id(fields),
        stream_id=stream_id,
        started_at=fields.optional("startTime", moment),
        ended_at=fields.optional("endTime", moment),
    )


def session(fields: Fields, stream_id: str) -> Session:
    """Read ``streamSession`` of ``GetStreamSession``: with its encoder, and what happened."""
    happened = fields.each("truncatedEvents", _event) if fields.has("truncatedEvents") else []
    return evolve(
        listed_session(fields, stream_id),
        encoder=_encoder(fields),
        events=tuple(sorted(happened, key=lambda one: one.occurred_at)),
    )


def _event(fields: Fields) -> SessionEvent:
    name = fields.text("name")
    code = fields.optional("code", Fields.text) or None
    type_ = fields.optional("type", Fields.text) or ""
    return SessionEvent(
        kind=kind_of(type_, name, code),
        name=name,
        occurred_at=moment(fields, "eventTime"),
        reason=code,
    )


def _encoder(fields: Fields) -> EncoderSettings | None:
    """Read what the encoder said, of several tracks the first.

    ``ingestConfigurations`` has all tracks, and ``ingestConfiguration``, which AWS no longer
    recommends, has one (API reference, ``StreamSession``).
    """
    none = Fields({})
    tracks = fields.optional("ingestConfigurations", Fields.object) or none
    single = fields.optional("ingestConfiguration", Fields.object) or none
    video = _first(tracks, "videoConfigurations") or single.optional("video", Fields.object)
    audio = _first(tracks, "audioConfigurations") or single.optional("audio", Fields.object)
    if video is None and audio is None:
        return None
    video, audio = video or none, audio or none
    return EncoderSettings(
        software=video.optional("encoder", Fields.text) or None,
        video_codec=video.optional("codec", Fields.text) or None,
        width=video.optional("videoWidth", Fields.count),
        height=video.optional("videoHeight", Fields.count),
        frame_rate=video.optional("targetFramerate", _rate),
        video_bitrate=video.optional("targetBitrate", Fields.count),
        audio_codec=audio.optional("codec", Fields.text) or None,
        audio_bitrate=audio.optional("targetBitrate", Fields.count),
        audio_sample_rate=audio.optional("sampleRate", Fields.count),
        audio_channels=audio.optional("channels", Fields.count),
    )


def _first(tracks: Fields, name: str) -> Fields | None:
    found = tracks.each(name, lambda one: one) if tracks.has(name) else []
    return next(iter(found), None)


def _rate(fields: Fields, name: str) -> float:
    return float(fields.count(name))


@frozen(kw_only=True)
class PlaybackKeyPair:
    """The public half of a key with which playback tokens are signed.

    Attributes:
        arn: names it.
        name: for people, maybe empty.
        fingerprint: of the key, or `None` in a list.
    """

    arn: str
    name: str
    fingerprint: str | None = None


def key_pair(fields: Fields) -> PlaybackKeyPair:
    """Read a playback key pair."""
    return PlaybackKeyPair(
        arn=fields.matching("arn", _KEY_PAIR_ARN, "the ARN of a playback key pair"),
        name=fields.optional("name", Fields.text) or "",
        fingerprint=fields.optional("fingerprint", Fields.text),
    )


# -- times ----------------------------------------------------------------------------------------


def moment(fields: Fields, name: str) -> datetime:
    """Read a moment, in UTC: one that boto3 made, or a text."""
    value = fields.raw(name)
    return to_moment(value, fields.path(name)) if value is not None else fields.time(name)


def to_moment(value: object, what: str) -> datetime:
    """Read a moment that stands alone, as `moment` does."""
    if not isinstance(value, datetime):
        return Fields({what: value}).time(what)
    if value.tzinfo is None:
        raise BrokenAnswerError(f"{what} has no time zone")
    try:
        return value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise BrokenAnswerError(f"{what} is not a time that there is") from None


def _time_in(text: str) -> datetime | None:
    """Read the time that `new_channel` put on a channel; anybody may have changed it."""
    try:
        return to_moment(text, "time")
    except BrokenAnswerError:
        return None
