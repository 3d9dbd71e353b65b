"""What the simulated IVS is: channels, stream keys, streams, sessions, key pairs; no HTTP.

The words are Amazon's: a *channel* is what an encoder pushes to with a *stream key*, a *stream*
is what goes on now, and a *session* is one stream from the arrival of its encoder to its end.
The attributes are open to tests, which so see what is true whatever the answers said.
"""

from __future__ import annotations

import string
import threading
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from attrs import define, evolve, field, frozen

from headend.media import MediaStream
from headend.plugin import PlatformTruth, StreamState, TrueLiveStream
from headend_ivs.simulator.identity import ACCOUNT
from headend_ivs.simulator.metrics import AUDIO_BITRATE, VIDEO_BITRATE, Moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from headend.media import MediaBackend
    from headend.plugin import Clock
    from headend_ivs.simulator.identity import AccessKey, Identities
    from headend_ivs.simulator.model import Violation
    from headend_ivs.simulator.switches import IvsSwitches

    Json = dict[str, object]

SESSIONS_KEPT: Final = 60 * 86_400.0
"""Seconds, also after the channel is gone, by
https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/stream-health.html."""

KEY_PAIR_QUOTA: Final = 3
"""By https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/service-quotas.html, where one
stream key per channel is told as well."""

STATE_CHANGE: Final = "IVS Stream State Change"
HEALTH_CHANGE: Final = "IVS Stream Health Change"
LIMIT_BREACH: Final = "IVS Limit Breach"
"""Kinds of events, by
https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/eventbridge.html."""

_BITRATE_LIMIT: Final = 8_500_000
"""What a channel of the type STANDARD takes, in bits per second, by service-quotas.html."""
_EXCESS: Final = 1_000_000

_ALPHABET: Final = string.ascii_letters + string.digits


class RefusedError(Exception):
    """The platform says no.

    Attributes:
        code: the error's code.
        message: the reason in a sentence.
        status: the HTTP status where the model does not tell it.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def not_found(arn: str) -> RefusedError:
    """Return the refusal of what does not exist."""
    return RefusedError("ResourceNotFoundException", f"Resource: {arn} not found")


@frozen(kw_only=True)
class SessionEvent:
    """Something that happened in a session; `at` in seconds since 1970."""

    id: str
    channel_arn: str
    session_id: str
    type: str
    name: str
    at: float

    def show(self) -> Json:
        """Return it as GetStreamSession does."""
        return {"name": self.name, "type": self.type, "eventTime": to_text(self.at)}

    def message(self, channel_name: str) -> Json:
        """Return it as EventBridge delivers it.

        https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/eventbridge.html
        """
        about: Json = {"event_name": self.name}
        if self.type == LIMIT_BREACH:
            about = {
                "limit_name": self.name,
                "limit_value": _BITRATE_LIMIT,
                "exceeded_by": _EXCESS,
                "limit_unit": "bits per second",
            }
        return {
            "version": "0",
            "id": self.id,
            "detail-type": self.type,
            "source": "aws.ivs",
            "account": ACCOUNT,
            "time": to_text(self.at),
            "region": region_of(self.channel_arn),
            "resources": [self.channel_arn],
            "detail": {**about, "channel_name": channel_name, "stream_id": self.session_id},
        }


@define(eq=False, kw_only=True)
class Session:
    """One stream, from the arrival of its encoder to its end.

    Moments are seconds since 1970.

    Attributes:
        began: when the encoder came.
        live_at: when viewers could watch, or `None`: not yet, or never.
        lost: when data stopped coming, while the stream is kept for the encoder.
        stopped: when the connection was cut.
        ended: when it was over.
        stops_refused: how often StopStream was unavailable.
        channel: the channel as it was.
    """

    id: str
    encoder: Encoder | None
    began: float
    live_at: float | None = None
    lost: float | None = None
    stopped: float | None = None
    ended: float | None = None
    stops_refused: int = 0
    events: list[SessionEvent] = field(factory=list)
    channel: Json

    @property
    def had_error(self) -> bool:
        """Whether it broke a limit or failed."""
        return any(one.type == LIMIT_BREACH for one in self.events)


@define(eq=False, kw_only=True)
class StreamKey:
    """What lets an encoder in."""

    arn: str
    value: str = field(repr=False)
    channel_arn: str
    tags: dict[str, str]


@define(eq=False, kw_only=True)
class Channel:
    """What an encoder pushes to.

    Attributes:
        number: its place in the order of creation.
        created: seconds since 1970, as `deleted` is.
        settings: what CreateChannel and UpdateChannel set, by Amazon's names.
        key: the stream key, or `None` once it is deleted.
        sessions: all, the oldest first.
        timeline: how it was, for the metrics.
        media: the real live stream behind it, or `None`.
    """

    number: int
    arn: str
    created: float
    deleted: float | None = None
    settings: Json
    tags: dict[str, str]
    ingest_endpoint: str
    srt_endpoint: str
    srt_passphrase: str = field(repr=False)
    playback_url: str
    key: StreamKey | None = None
    sessions: list[Session] = field(factory=list)
    viewers: int = 0
    timeline: list[Moment] = field(factory=list)
    metadata: list[str] = field(factory=list)
    media: MediaStream | None = None

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def session(self) -> Session | None:
        """The session that goes on."""
        last = self.sessions[-1] if self.sessions else None
        return None if last is None or last.ended is not None else last

    @property
    def status(self) -> str:
        """``idle``, ``starting``, ``live``, ``starving`` or ``stopping``."""
        session = self.session
        if session is None:
            return "idle"
        if session.live_at is None:
            return "starting"
        if session.stopped is not None:
            return "stopping"
        return "live" if session.lost is None else "starving"


@define(eq=False, kw_only=True)
class KeyPair:
    """A public key that verifies playback tokens."""

    number: int
    arn: str
    name: str
    fingerprint: str
    tags: dict[str, str]


@frozen
class Received:
    """A request that reached the platform, and the answer.

    Attributes:
        service: ``ivs``, ``cloudwatch`` or ``sts``; empty where the request did not tell.
        operation: e.g. ``CreateChannel``; empty where the request did not tell.
        status: the HTTP status of the answer.
        code: the error's code, or `None`.
    """

    method: str
    path: str
    service: str
    operation: str
    status: int
    code: str | None = None


class Encoder:
    """A simulated encoder that pushes with one key.

    Attributes:
        refusals: how often the platform did not let it in.
    """

    def __init__(self, platform: SimulatedPlatform, key: str, *, reconnects: bool = False) -> None:
        self.refusals = 0
        self.reconnects = reconnects
        self._platform = platform
        self._key = key

    def __repr__(self) -> str:
        return f"<Encoder, {self.refusals} times refused>"

    def connect(self) -> bool:
        """Try to push; return whether the platform lets it in."""
        entered = self._platform.let_in(self, self._key)
        self.refusals += not entered
        return entered

    @property
    def connected(self) -> bool:
        """Whether it still pushes."""
        return self._platform.is_pushed_by(self)

    def leave(self) -> None:
        """Send no more without a word, as with a lost network."""
        self._platform.lose(self)

    def finish(self) -> None:
        """Say farewell and disconnect."""
        self._platform.dismiss(self)


class SimulatedPlatform:
    """The platform's state.  It may be used from many threads.

    Attributes:
        switches: how it behaves; assign or `switch` to change it at any time.
        identities: who may do what.
        channels: what there is, by ARN.
        key_pairs: what there is, by ARN.
        recording_configurations: ARNs that a channel may name; tests add to it.
        deleted: the channels that are gone.
        events: all that happened, in order.
        requests: all that reached the platform.
        violations: each breach of the service model, by a request or by an answer.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        switches: IvsSwitches,
        identities: Identities,
        media: MediaBackend | None = None,
    ) -> None:
        self.switches = switches
        self.identities = identities
        self.media = media
        self.lock = threading.RLock()
        self._clock = clock
        self._random = random
        self._playback_key = 1 + random.getrandbits(380)
        self._number = 0
        self._forget()

    def reset(self) -> None:
        """Forget all but switches and credentials."""
        with self.lock:
            for channel in self.channels.values():
                if self.media is not None and channel.media is not None:
                    self.media.end(channel.media.media_id)
            self._forget()

    def _forget(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.key_pairs: dict[str, KeyPair] = {}
        self.recording_configurations: set[str] = set()
        self.deleted: list[Channel] = []
        self.events: list[SessionEvent] = []
        self.requests: list[Received] = []
        self.violations: list[Violation] = []
        self._arrivals: dict[tuple[str, str], deque[float]] = {}

    def switch(self, **values: object) -> None:
        """Change some of the switches."""
        self.switches = self.switches.changed(values)

    # -- what tests and encoders do ---------------------------------------------------------------

    @property
    def access_key_id(self) -> str:
        """The id of the key that may do all."""
        return self.identities.full.access_key_id

    @property
    def secret_access_key(self) -> str:
        """The secret of the key that may do all."""
        return self.identities.full.secret_access_key

    @property
    def no_metrics_key(self) -> AccessKey:
        """A key that may do all but ``cloudwatch:GetMetricData``."""
        return self.identities.no_metrics

    @property
    def read_only_key(self) -> AccessKey:
        """A key that may only read."""
        return self.identities.read_only

    @property
    def keys(self) -> dict[str, str]:
        """The ARNs of the channels by the stream keys that let an encoder in."""
        with self.lock:
            return {one.key.value: one.arn for one in self.channels.values() if one.key is not None}

    def status(self, arn: str) -> str:
        """Return ``idle``, ``starting``, ``live``, ``starving`` or ``stopping``."""
        with self.lock:
            channel = self.channels[arn]
            self.settle(channel)
            return channel.status

    def encoder(self, key: str, *, reconnects: bool = False) -> Encoder:
        """Return an encoder that pushes with this key and perhaps comes back when thrown out."""
        encoder = Encoder(self, key, reconnects=reconnects)
        encoder.connect()
        return encoder

    def let_in(self, encoder: Encoder, key: str) -> bool:
        """Start a session, unless the key is wrong or another encoder has the channel."""
        with self.lock:
            channel = self.channels.get(self.keys.get(key, ""))
            if channel is None:
                return False
            self.settle(channel)
            session = channel.session
            if session is not None and session.stopped is None:
                return False
            if session is not None:
                self._end(channel, session, self.now())
            self._begin(channel, encoder)
            return True

    def lose(self, encoder: Encoder) -> None:
        """Note that an encoder sends no more."""
        with self.lock:
            for channel, session in self._sessions_of(encoder):
                if session.lost is not None:
                    continue
                session.lost = self.now()
                if session.live_at is not None:
                    self._tell(channel, session, HEALTH_CHANGE, "Starvation Start")
                self._mark(channel, self.now())

    def is_pushed_by(self, encoder: Encoder) -> bool:
        """Tell whether an encoder is there and sends, and was not thrown out."""
        with self.lock:
            return any(session.lost is None for _, session in self._sessions_of(encoder))

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        with self.lock:
            for channel in self.channels.values():
                self.settle(channel)
            return PlatformTruth(
                live_streams={arn: _true(one) for arn, one in self.channels.items()}
            )

    def dismiss(self, encoder: Encoder) -> None:
        """Note that an encoder said farewell."""
        with self.lock:
            for channel, session in self._sessions_of(encoder):
                session.stopped = self.now()
                self._mark(channel, self.now())

    def watch(self, arn: str, viewers: int) -> None:
        """Have so many viewers watch a channel from now on."""
        with self.lock:
            channel = self.channels[arn]
            self.settle(channel)
            channel.viewers = viewers
            self._mark(channel, self.now())

    def breach(self, arn: str) -> None:
        """Have a channel's encoder send more than it may, for which it is thrown out."""
        with self.lock:
            channel = self.channels[arn]
            self.settle(channel)
            if channel.session is not None:
                self._tell(channel, channel.session, LIMIT_BREACH, "Ingest Bitrate")
            self.throw_out(channel)

    def note(self, received: Received, violations: Iterable[Violation]) -> None:
        """Keep a request, and what broke the model, for the tests to see."""
        with self.lock:
            self.requests.append(received)
            self.violations.extend(violations)

    # -- what operations need ---------------------------------------------------------------------

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._clock.now().timestamp()

    def next_number(self) -> int:
        """Return a number that is higher than all before it."""
        self._number += 1
        return self._number

    def playback_key_pem(self) -> str:
        """Return a private key that signs playback tokens, as PEM; it is the same each time."""
        from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, derive_private_key
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        key = derive_private_key(self._playback_key, SECP384R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode()

    def letters(self, count: int) -> str:
        """Return so many letters and digits that nobody can foresee who has not the seed."""
        return "".join(self._random.choices(_ALPHABET, k=count))

    def uuid(self) -> str:
        """Return an id in the form of a UUID."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def count(self, scope: str, what: str, limit: float) -> bool:
        """Count one more of something; return whether the last second had fewer than the limit."""
        with self.lock:
            now = self._clock.monotonic()
            arrivals = self._arrivals.setdefault((scope, what), deque())
            while arrivals and arrivals[0] <= now - 1:
                arrivals.popleft()
            if len(arrivals) >= limit:
                return False
            arrivals.append(now)
            return True

    def settle(self, channel: Channel) -> None:
        """Let happen what is due on a channel by now."""
        if self.media is not None and channel.media is not None and channel.deleted is None:
            self._look(channel, self.media, channel.media.media_id)
            return
        session, now = channel.session, self.now()
        if session is None:
            return
        gone = session.stopped if session.stopped is not None else session.lost
        starts = session.began + self.switches.connect_time
        if session.live_at is None and starts <= now and (gone is None or starts < gone):
            self._go_live(channel, session, starts)
        if session.stopped is not None:
            ends = session.stopped + (0 if session.live_at is None else self.switches.stop_time)
        elif session.lost is not None:
            ends = session.lost + self.switches.grace_time
        else:
            return
        if ends <= now:
            self._end(channel, session, ends)

    def throw_out(self, channel: Channel) -> None:
        """Cut the connection of the encoder, which may come back at once."""
        session = channel.session
        if session is None or session.stopped is not None:
            return
        session.stopped = self.now()
        self._mark(channel, self.now())
        if self.media is not None and channel.media is not None:
            self.media.set_enabled(channel.media.media_id, enabled=False)
            self.media.set_enabled(channel.media.media_id, enabled=True)
        if session.encoder is not None and session.encoder.reconnects:
            session.encoder.connect()

    def end_all(self, channel: Channel) -> None:
        """End what goes on on a channel that is about to go."""
        if channel.session is not None:
            self._end(channel, channel.session, self.now())

    # -- how it works inside ----------------------------------------------------------------------

    def _sessions_of(self, encoder: Encoder) -> list[tuple[Channel, Session]]:
        found = []
        for channel in self.channels.values():
            self.settle(channel)
            session = channel.session
            if session is not None and session.encoder is encoder and session.stopped is None:
                found.append((channel, session))
        return found

    def _begin(self, channel: Channel, encoder: Encoder | None) -> Session:
        session = Session(
            id=f"st-{self.letters(23)}",
            encoder=encoder,
            began=self.now(),
            channel=self.snapshot(channel),
        )
        channel.sessions.append(session)
        self._tell(channel, session, STATE_CHANGE, "Session Created")
        self._mark(channel, session.began)
        return session

    def _go_live(self, channel: Channel, session: Session, at: float) -> None:
        session.live_at = at
        self._tell(channel, session, STATE_CHANGE, "Stream Start", at)
        self._mark(channel, at)

    def _end(self, channel: Channel, session: Session, at: float) -> None:
        session.ended = at
        self._tell(channel, session, STATE_CHANGE, "Session Ended", at)
        if session.live_at is not None:
            self._tell(channel, session, STATE_CHANGE, "Stream End", at)
        channel.viewers = 0
        self._mark(channel, at)

    def _look(self, channel: Channel, media: MediaBackend, media_id: str) -> None:
        """Take over what the real live stream behind a channel does."""
        state, now, session = media.state(media_id), self.now(), channel.session
        there = state in {StreamState.CONNECTING, StreamState.LIVE, StreamState.INTERRUPTED}
        if not there:
            if session is not None:
                self._end(channel, session, now)
            return
        if session is None or session.stopped is not None:
            if session is not None:
                self._end(channel, session, now)
            session = self._begin(channel, None)
        if session.live_at is None and state is StreamState.LIVE:
            self._go_live(channel, session, now)
        session.lost = (session.lost or now) if state is StreamState.INTERRUPTED else None
        viewers = media.viewer_count(media_id)
        channel.viewers = -1 if viewers is None else viewers
        self._mark(channel, now)

    def _mark(self, channel: Channel, at: float) -> None:
        """Keep how a channel is from a moment on."""
        session = channel.session
        live = session is not None and session.live_at is not None
        made = Moment(
            at=at,
            live=live,
            ingesting=live
            and session is not None
            and session.lost is None
            and session.stopped is None,
            viewers=max(0, channel.viewers) if live else 0,
        )
        if not channel.timeline or evolve(channel.timeline[-1], at=at) != made:
            channel.timeline.append(made)

    def _tell(
        self, channel: Channel, session: Session, kind: str, name: str, at: float | None = None
    ) -> None:
        event = SessionEvent(
            id=self.uuid(),
            channel_arn=channel.arn,
            session_id=session.id,
            type=kind,
            name=name,
            at=self.now() if at is None else at,
        )
        session.events.append(event)
        self.events.append(event)

    def snapshot(self, channel: Channel) -> Json:
        """Return a channel as a session keeps it: without tags and the passphrase of SRT."""
        return {
            "arn": channel.arn,
            **channel.settings,
            "ingestEndpoint": channel.ingest_endpoint,
            "playbackUrl": channel.playback_url,
        }

    def new_key_value(self, channel: Channel) -> str:
        """Return a new value for a channel's stream key."""
        if self.media is not None and channel.media is not None:
            channel.media = self.media.rotate(channel.media.media_id)
            return channel.media.stream_key.reveal()
        return f"sk_{region_of(channel.arn)}_{self.letters(12)}_{self.letters(30)}"


def _true(channel: Channel) -> TrueLiveStream:
    status = channel.status
    return TrueLiveStream(
        stream_id=channel.arn,
        stream_keys=frozenset(() if channel.key is None else (channel.key.value,)),
        live=status == "live",
        viewers=max(0, channel.viewers) if status in {"live", "starving", "stopping"} else 0,
        bitrate=VIDEO_BITRATE + AUDIO_BITRATE if status == "live" else None,
    )


def to_text(at: float) -> str:
    """Return a moment as the API writes it: whole seconds, UTC."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def region_of(arn: str) -> str:
    """Return the region that an ARN names."""
    return arn.split(":")[3]
