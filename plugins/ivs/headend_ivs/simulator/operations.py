"""The operations of the IVS API on the simulated platform.

They get parameters that fit the service model already; what is left to check is what the model
cannot say.  What they do is in
https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/API_Operations.html.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from attrs import frozen

from headend_ivs.simulator.channel_settings import FILTERS, SUMMARY, changed
from headend_ivs.simulator.identity import ACCOUNT
from headend_ivs.simulator.metrics import AUDIO_BITRATE, FRAME_RATE, VIDEO_BITRATE
from headend_ivs.simulator.platform import (
    KEY_PAIR_QUOTA,
    SESSIONS_KEPT,
    Channel,
    KeyPair,
    RefusedError,
    StreamKey,
    not_found,
    region_of,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headend_ivs.simulator.parameters import Parameters
    from headend_ivs.simulator.platform import Session, SimulatedPlatform

Json = dict[str, object]

_MOST_METADATA: Final = 1024
"""Bytes, by https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/service-quotas.html."""
_METADATA_RATE: Final = 5
"""Requests per second and channel, by the same page."""

_RATES: Final[Mapping[str, int]] = {
    "ImportPlaybackKeyPair": 3,
    "GetPlaybackKeyPair": 3,
    "ListPlaybackKeyPairs": 3,
    "DeletePlaybackKeyPair": 3,
    "TagResource": 10,
    "UntagResource": 10,
    "ListTagsForResource": 10,
    "PutMetadata": 155,
}
"""Requests per second, account and region where it is not 5, by the same page."""


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


_N = TypeVar("_N", bound=_Numbered)
_T = TypeVar("_T")


class Operations:
    """The operations in one region."""

    def __init__(self, platform: SimulatedPlatform, region: str) -> None:
        self._platform = platform
        self._region = region

    # -- channels ---------------------------------------------------------------------------------

    def create_channel(self, given: Parameters) -> Json:
        """Make a channel with a stream key."""
        platform = self._platform
        settings = changed({}, given, platform.recording_configurations)
        here = [one for one in platform.channels.values() if region_of(one.arn) == self._region]
        if len(here) >= platform.switches.channel_quota:
            raise RefusedError(
                "ServiceQuotaExceededException", "The account has no channels left in this region."
            )
        channel_id, prefix = platform.letters(12), _host_prefix(self._region)
        media = platform.media.create(channel_id) if platform.media is not None else None
        channel = Channel(
            number=platform.next_number(),
            arn=self._arn("channel", channel_id),
            created=platform.now(),
            settings=settings,
            tags=given.tags(),
            # Hosts that exist nowhere (RFC 2606), so that no encoder goes to the real platform.
            ingest_endpoint=f"{prefix}.global-contribute.live-video.example",
            srt_endpoint=f"{prefix}.srt.live-video.example",
            srt_passphrase=platform.letters(70),
            playback_url=f"https://{prefix}.{self._region}.playback.live-video.example/api/video/v1/"
            f"{self._region}.{ACCOUNT}.channel.{channel_id}.m3u8"
            if media is None
            else media.hls_url,
            media=media,
        )
        platform.channels[channel.arn] = channel
        value = None if media is None else media.stream_key.reveal()
        channel.key = self._new_key(channel, {}, value)
        return {"channel": self._channel(channel), "streamKey": self._stream_key(channel.key)}

    def get_channel(self, given: Parameters) -> Json:
        """Return a channel."""
        return {"channel": self._channel(self._find(given.text("arn")))}

    def batch_get_channel(self, given: Parameters) -> Json:
        """Return several channels, and an error for each that is not there."""
        channels, errors = self._batch(
            given.texts("arns"), lambda arn: self._channel(self._find(arn))
        )
        return {"channels": channels, "errors": errors}

    def list_channels(self, given: Parameters) -> Json:
        """Return a page of channels, without what only one channel's answer has."""
        platform, switches = self._platform, self._platform.switches
        filters = [one for one in FILTERS if one in given]
        if len(filters) > 1:
            raise RefusedError("ConflictException", "Filters are mutually exclusive.")
        now = platform.now()
        shown = [
            one
            for one in (*platform.channels.values(), *platform.deleted)
            if region_of(one.arn) == self._region
            and one.created + switches.list_lag <= now
            and (one.deleted is None or now < one.deleted + switches.delete_lag)
            and all(one.settings.get(FILTERS[name], "") == given.text(name) for name in filters)
        ]
        page, token = self._page(shown, given, most=100)
        return {"channels": [self._channel_summary(one) for one in page], **token}

    def update_channel(self, given: Parameters) -> Json:
        """Change what is given of a channel."""
        channel = self._find(given.text("arn"))
        if channel.status != "idle" and not self._platform.switches.update_while_live:
            raise RefusedError(
                "ConflictException", f"Channel: {channel.arn} is live and cannot be updated"
            )
        channel.settings = changed(channel.settings, given, self._platform.recording_configurations)
        return {"channel": self._channel(channel)}

    def delete_channel(self, given: Parameters) -> None:
        """Remove a channel that no encoder pushes to, with its stream key."""
        platform = self._platform
        channel = self._find(given.text("arn"))
        if channel.session is not None:
            raise RefusedError(
                "ConflictException", f"Channel: {channel.arn} is live and cannot be deleted"
            )
        channel.deleted, channel.key = platform.now(), None
        del platform.channels[channel.arn]
        platform.deleted.append(channel)
        if platform.media is not None and channel.media is not None:
            platform.media.end(channel.media.media_id)

    # -- stream keys ------------------------------------------------------------------------------

    def create_stream_key(self, given: Parameters) -> Json:
        """Make a stream key for a channel that has none."""
        channel = self._find(given.text("channelArn"))
        if channel.key is not None:
            raise RefusedError(
                "ServiceQuotaExceededException", "Stream key limit reached: 1 per channel."
            )
        channel.key = self._new_key(channel, given.tags(), None)
        return {"streamKey": self._stream_key(channel.key)}

    def get_stream_key(self, given: Parameters) -> Json:
        """Return a stream key with its value."""
        return {"streamKey": self._stream_key(self._find_key(given.text("arn"))[1])}

    def batch_get_stream_key(self, given: Parameters) -> Json:
        """Return several stream keys, and an error for each that is not there."""
        keys, errors = self._batch(
            given.texts("arns"), lambda arn: self._stream_key(self._find_key(arn)[1])
        )
        return {"streamKeys": keys, "errors": errors}

    def list_stream_keys(self, given: Parameters) -> Json:
        """Return a page of a channel's stream keys, without their values."""
        key = self._find(given.text("channelArn")).key
        keys: list[_Ranked[StreamKey]] = [] if key is None else [_Ranked(0, key)]
        page, token = self._page(keys, given, most=50, default=1)
        shown = [
            {"arn": one.value.arn, "channelArn": one.value.channel_arn, "tags": one.value.tags}
            for one in page
        ]
        return {"streamKeys": shown, **token}

    def delete_stream_key(self, given: Parameters) -> None:
        """Let nobody in with a stream key any more.

        Real media throw out the encoder that uses it, whatever the switch says.
        """
        channel, _ = self._find_key(given.text("arn"))
        if channel.media is not None:
            # What it becomes is told to nobody, so the channel has no key.
            self._platform.new_key_value(channel)
        channel.key = None
        if self._platform.switches.revocation_disconnects:
            self._platform.throw_out(channel)

    # -- streams and sessions ---------------------------------------------------------------------

    def get_stream(self, given: Parameters) -> Json:
        """Return what goes on on a channel."""
        channel = self._find(given.text("channelArn"))
        live = self._live(channel)
        if live is None:
            if self._platform.switches.offline_state:
                return {
                    "stream": {
                        "channelArn": channel.arn,
                        "state": "OFFLINE",
                        "health": "UNKNOWN",
                        "viewerCount": 0,
                    }
                }
            raise _not_broadcasting(channel)
        return {"stream": {**self._stream(channel, live), "playbackUrl": channel.playback_url}}

    def list_streams(self, given: Parameters) -> Json:
        """Return a page of what goes on on any channel."""
        wanted = given.object("filterBy").get("health")
        found = []
        for channel in self._platform.channels.values():
            self._platform.settle(channel)
            live = self._live(channel)
            if region_of(channel.arn) == self._region and live is not None:
                stream = self._stream(channel, live)
                if wanted in {None, stream["health"]}:
                    found.append(_Ranked(channel.number, stream))
        page, token = self._page(found, given, most=100)
        return {"streams": [one.value for one in page], **token}

    def stop_stream(self, given: Parameters) -> Json:
        """Cut the encoder's connection."""
        channel = self._find(given.text("channelArn"))
        live = self._live(channel)
        if live is None or live.stopped is not None:
            raise _not_broadcasting(channel)
        if live.stops_refused < self._platform.switches.unavailable_stops:
            live.stops_refused += 1
            raise RefusedError("StreamUnavailable", "The stream is temporarily unavailable.")
        self._platform.throw_out(channel)
        return {}

    def put_metadata(self, given: Parameters) -> None:
        """Insert a text into the stream."""
        platform = self._platform
        channel = self._find(given.text("channelArn"))
        if len(given.text("metadata").encode()) > _MOST_METADATA:
            raise RefusedError("ValidationException", "Metadata size exceeds payload limit")
        if platform.switches.throttling and not platform.count(
            channel.arn, "PutMetadata", _METADATA_RATE
        ):
            raise RefusedError(
                "ThrottlingException",
                f"Operation: ivs:PutMetadata exceeded call rate: {_METADATA_RATE} "
                f"for resource: {channel.arn}",
            )
        if self._live(channel) is None:
            raise _not_broadcasting(channel)
        channel.metadata.append(given.text("metadata"))

    def list_stream_sessions(self, given: Parameters) -> Json:
        """Return a page of a channel's sessions, the latest first."""
        channel = self._find_past(given.text("channelArn"))
        found = [
            _Ranked(-number, one)
            for number, one in enumerate(channel.sessions)
            if self._is_kept(one)
        ]
        page, token = self._page(found, given, most=100)
        shown = [
            {**self._session_times(one.value), "hasErrorEvent": one.value.had_error} for one in page
        ]
        return {"streamSessions": shown, **token}

    def get_stream_session(self, given: Parameters) -> Json:
        """Return a session of a channel, the latest where none is named."""
        channel = self._find_past(given.text("channelArn"))
        wanted = given.text("streamId")
        found = [
            one
            for one in channel.sessions
            if self._is_kept(one) and (not wanted or one.id == wanted)
        ]
        if not found:
            raise RefusedError("ResourceNotFoundException", "Stream session not found")
        session = found[-1]
        shown: Json = {
            **self._session_times(session),
            "channel": session.channel,
            "truncatedEvents": [one.show() for one in reversed(session.events)][:500],
        }
        if session.live_at is not None:
            shown |= _ENCODER
        return {"streamSession": shown}

    # -- playback key pairs -----------------------------------------------------------------------

    def import_playback_key_pair(self, given: Parameters) -> Json:
        """Keep the public half of a key pair."""
        platform = self._platform
        fingerprint = _fingerprint(given.text("publicKeyMaterial"))
        here = [one for one in platform.key_pairs.values() if region_of(one.arn) == self._region]
        if any(one.fingerprint == fingerprint for one in here):
            raise RefusedError("ConflictException", "The public key is imported already.")
        if len(here) >= KEY_PAIR_QUOTA:
            raise RefusedError(
                "ServiceQuotaExceededException", "The region has no playback key pairs left."
            )
        made = KeyPair(
            number=platform.next_number(),
            arn=self._arn("playback-key", platform.letters(12)),
            name=given.text("name"),
            fingerprint=fingerprint,
            tags=given.tags(),
        )
        platform.key_pairs[made.arn] = made
        return {"keyPair": _key_pair(made)}

    def get_playback_key_pair(self, given: Parameters) -> Json:
        """Return a key pair, without the key."""
        return {"keyPair": _key_pair(self._find_key_pair(given.text("arn")))}

    def list_playback_key_pairs(self, given: Parameters) -> Json:
        """Return a page of key pairs, without their fingerprints."""
        pairs = self._platform.key_pairs.values()
        here = [one for one in pairs if region_of(one.arn) == self._region]
        page, token = self._page(here, given, most=100)
        shown = [{"arn": one.arn, "name": one.name, "tags": one.tags} for one in page]
        return {"keyPairs": shown, **token}

    def delete_playback_key_pair(self, given: Parameters) -> Json:
        """Remove a key pair; tokens that it signed are good no more."""
        del self._platform.key_pairs[self._find_key_pair(given.text("arn")).arn]
        return {}

    # -- tags -------------------------------------------------------------------------------------

    def list_tags_for_resource(self, given: Parameters) -> Json:
        """Return the tags of anything."""
        return {"tags": self._tags_of(given.text("resourceArn"))}

    def tag_resource(self, given: Parameters) -> Json:
        """Set some tags of anything."""
        tags = self._tags_of(given.text("resourceArn"))
        if len(tags | given.tags()) > 50:
            raise RefusedError("ValidationException", "A resource has at most 50 tags.")
        tags.update(given.tags())
        return {}

    def untag_resource(self, given: Parameters) -> Json:
        """Remove some tags of anything."""
        tags = self._tags_of(given.text("resourceArn"))
        for key in given.texts("tagKeys"):
            tags.pop(key, None)
        return {}

    # -- how it works inside ----------------------------------------------------------------------

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:ivs:{self._region}:{ACCOUNT}:{kind}/{name}"

    def _find(self, arn: str) -> Channel:
        platform = self._platform
        found = platform.channels.get(arn)
        visible = found is not None and (
            found.created + platform.switches.read_lag <= platform.now()
            and region_of(arn) == self._region
        )
        if found is None or not visible:
            raise not_found(arn)
        platform.settle(found)
        return found

    def _find_past(self, arn: str) -> Channel:
        """Find a channel that is or was."""
        for one in self._platform.deleted:
            if one.arn == arn and region_of(arn) == self._region and one.sessions:
                return one
        return self._find(arn)

    def _find_key(self, arn: str) -> tuple[Channel, StreamKey]:
        for one in self._platform.channels.values():
            if one.key is not None and one.key.arn == arn:
                return self._find(one.arn), one.key
        raise not_found(arn)

    def _find_key_pair(self, arn: str) -> KeyPair:
        found = self._platform.key_pairs.get(arn)
        if found is None or region_of(arn) != self._region:
            raise not_found(arn)
        return found

    def _tags_of(self, arn: str) -> dict[str, str]:
        if ":stream-key/" in arn:
            return self._find_key(arn)[1].tags
        if ":playback-key/" in arn:
            return self._find_key_pair(arn).tags
        return self._find(arn).tags

    def _batch(
        self, arns: Sequence[str], show: Callable[[str], Json]
    ) -> tuple[list[Json], list[Json]]:
        shown: list[Json] = []
        errors: list[Json] = []
        for arn in dict.fromkeys(arns):
            try:
                shown.append(show(arn))
            except RefusedError as refusal:
                errors.append({"arn": arn, "code": refusal.code, "message": refusal.message})
        return shown, errors

    def _page(
        self, found: Sequence[_N], given: Parameters, *, most: int, default: int | None = None
    ) -> tuple[list[_N], Json]:
        """Return some elements and the token of the rest; elements that go shift nothing."""
        ordered = sorted(found, key=lambda one: one.number)
        token = given.text("nextToken")
        if token:
            last = _number_in(token)
            ordered = [one for one in ordered if one.number > last]
        size = min(
            given.number("maxResults", default or most), self._platform.switches.page_size, most
        )
        page = ordered[:size]
        if self._platform.switches.stuck_token:
            return page, {"nextToken": token or _token_for(-(2**31))}
        rest = len(ordered) > size
        return page, {"nextToken": _token_for(page[-1].number)} if rest else {}

    def _new_key(self, channel: Channel, tags: dict[str, str], value: str | None) -> StreamKey:
        return StreamKey(
            arn=self._arn("stream-key", self._platform.letters(12)),
            value=value or self._platform.new_key_value(channel),
            channel_arn=channel.arn,
            tags=tags,
        )

    def _channel(self, one: Channel) -> Json:
        return {
            **self._platform.snapshot(one),
            "srt": {"endpoint": one.srt_endpoint, "passphrase": one.srt_passphrase},
            "tags": dict(one.tags),
        }

    def _channel_summary(self, one: Channel) -> Json:
        kept = {name: one.settings[name] for name in SUMMARY}
        return {"arn": one.arn, **kept, "tags": dict(one.tags)}

    def _stream_key(self, key: StreamKey) -> Json:
        return {
            "arn": key.arn,
            "channelArn": key.channel_arn,
            "value": key.value,
            "tags": dict(key.tags),
        }

    def _live(self, channel: Channel) -> Session | None:
        session = channel.session
        return None if session is None or session.live_at is None else session

    def _stream(self, channel: Channel, session: Session) -> Json:
        timeout = self._platform.switches.viewers_timeout
        return {
            "channelArn": channel.arn,
            "streamId": session.id,
            "startTime": to_text(session.live_at or session.began),
            "state": "LIVE",
            "health": "HEALTHY" if session.lost is None else "STARVING",
            "viewerCount": -1 if timeout else channel.viewers,
        }

    def _session_times(self, session: Session) -> Json:
        times: Json = {"streamId": session.id}
        if session.live_at is not None:
            times["startTime"] = to_text(session.live_at)
        if session.ended is not None:
            times["endTime"] = to_text(session.ended)
        return times

    def _is_kept(self, session: Session) -> bool:
        return session.ended is None or self._platform.now() < session.ended + SESSIONS_KEPT


@frozen
class _Ranked(Generic[_T]):
    """Anything, with a place in an order."""

    number: int
    value: _T


_VIDEO: Final[Json] = {
    "codec": "avc1.42C01F",
    "encoder": "headend simulated encoder",
    "targetBitrate": VIDEO_BITRATE,
    "targetFramerate": FRAME_RATE,
    "videoHeight": 720,
    "videoWidth": 1280,
}
_AUDIO: Final[Json] = {
    "codec": "mp4a.40.2",
    "targetBitrate": AUDIO_BITRATE,
    "sampleRate": 48_000,
    "channels": 2,
}
_ENCODER: Final[Json] = {
    "ingestConfiguration": {
        "video": {**_VIDEO, "avcProfile": "Baseline", "avcLevel": "3.1"},
        "audio": _AUDIO,
    },
    "ingestConfigurations": {
        "videoConfigurations": [
            {**_VIDEO, "profile": "Baseline", "level": "3.1", "track": "Track0"}
        ],
        "audioConfigurations": [{**_AUDIO, "track": "Track0"}],
    },
}
"""What a simulated encoder says of itself."""


OPERATIONS: Final[Mapping[str, Callable[[Operations, Parameters], Json | None]]] = {
    "BatchGetChannel": Operations.batch_get_channel,
    "BatchGetStreamKey": Operations.batch_get_stream_key,
    "CreateChannel": Operations.create_channel,
    "CreateStreamKey": Operations.create_stream_key,
    "DeleteChannel": Operations.delete_channel,
    "DeletePlaybackKeyPair": Operations.delete_playback_key_pair,
    "DeleteStreamKey": Operations.delete_stream_key,
    "GetChannel": Operations.get_channel,
    "GetPlaybackKeyPair": Operations.get_playback_key_pair,
    "GetStream": Operations.get_stream,
    "GetStreamKey": Operations.get_stream_key,
    "GetStreamSession": Operations.get_stream_session,
    "ImportPlaybackKeyPair": Operations.import_playback_key_pair,
    "ListChannels": Operations.list_channels,
    "ListPlaybackKeyPairs": Operations.list_playback_key_pairs,
    "ListStreamKeys": Operations.list_stream_keys,
    "ListStreamSessions": Operations.list_stream_sessions,
    "ListStreams": Operations.list_streams,
    "ListTagsForResource": Operations.list_tags_for_resource,
    "PutMetadata": Operations.put_metadata,
    "StopStream": Operations.stop_stream,
    "TagResource": Operations.tag_resource,
    "UntagResource": Operations.untag_resource,
    "UpdateChannel": Operations.update_channel,
}
"""Those that the simulator knows, by Amazon's names."""


def rate_of(operation: str) -> int:
    """Return how many requests per second, account and region an operation takes."""
    return _RATES.get(operation, 5)


def _host_prefix(region: str) -> str:
    """Return what the hosts of an account in a region begin with."""
    return hashlib.sha256(f"{ACCOUNT}.{region}".encode()).hexdigest()[:12]


def _key_pair(one: KeyPair) -> Json:
    return {
        "arn": one.arn,
        "name": one.name,
        "fingerprint": one.fingerprint,
        "tags": dict(one.tags),
    }


def _fingerprint(pem: str) -> str:
    """Return the fingerprint of a public key on the curve P-384, the only one that IVS takes.

    https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/private-channels-create-key.html
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise RefusedError("ValidationException", "publicKeyMaterial is no ECDSA P-384 public key")
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).digest()[:16].hex(":")


def _not_broadcasting(channel: Channel) -> RefusedError:
    return RefusedError(
        "ChannelNotBroadcasting",
        f"ChannelNotBroadcasting: Channel: {channel.arn} is not currently online",
    )


def _token_for(number: int) -> str:
    return base64.urlsafe_b64encode(f"after {number}".encode()).decode()


def _number_in(token: str) -> int:
    try:
        word, number = base64.urlsafe_b64decode(token).decode().split()
        if word == "after":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise RefusedError("ValidationException", "nextToken is not one that was given out")
