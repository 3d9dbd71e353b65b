"""What the simulated platform is and does, without HTTP.

Its words: an *input* is what an encoder pushes to; it has at most one *key*, and a *broadcast* goes
on from the moment an encoder connects until the input is off.  Each broadcast leaves a recording,
and the input refuses to be deleted before it is over.  The attributes are open to tests, which so
see what is true whatever the HTTP answers said.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import threading
from collections import deque
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from attrs import define, field, frozen, validators

from headend.plugin import PlatformTruth, Switches, TrueLiveStream, switch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from headend.plugin import Clock

ACCOUNT: Final = "main"
INGEST_URL: Final = "rtmps://ingest.reference.example:443/live"
BITRATE: Final = 2_500_000
"""What every simulated encoder sends, in bits per second."""

ENCODER: Final[Mapping[str, object]] = {
    "software": "reference encoder 1.0",
    "video_codec": "avc1.4D401F",
    "width": 1280,
    "height": 720,
    "frame_rate": 29.97,
    "video_bitrate": 2_372_000,
    "audio_codec": "mp4a.40.2",
    "audio_bitrate": 128_000,
    "audio_sample_rate": 48_000,
    "audio_channels": 2,
}
"""What every simulated encoder says of itself; rates are per second."""

_LOST: Final = "connection_lost"
_STOPPED: Final = "stopped"
"""Why a broadcast pauses, and why it ends."""


@frozen(kw_only=True)
class ReferenceSwitches(Switches):
    """How the platform behaves."""

    list_lag: float = field(
        default=0.0,
        validator=validators.ge(0),
        metadata=switch("Seconds until a list shows what was created."),
    )
    page_size: int = field(
        default=50,
        validator=validators.ge(1),
        metadata=switch("The most elements that a page has."),
    )
    stuck_cursor: bool = field(
        default=False, metadata=switch("The list gives the same cursor for ever.")
    )
    connect_time: float = field(
        default=2.0,
        validator=validators.ge(0),
        metadata=switch("Seconds from an encoder's arrival until viewers can watch."),
    )
    grace_time: float = field(
        default=10.0,
        validator=validators.ge(0),
        metadata=switch("Seconds for which a lost encoder may come back."),
    )
    stop_time: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata=switch("Seconds from a stop until the input is off."),
    )
    rate_limit: int = field(
        default=0,
        validator=validators.ge(0),
        metadata=switch("Requests that a token may send per rate_window; 0: any."),
    )
    rate_window: float = field(
        default=10.0,
        validator=validators.gt(0),
        metadata=switch("Seconds that rate_limit is for."),
    )
    retry_after: bool = field(
        default=True, metadata=switch("A refusal for the rate says how long to wait.")
    )
    input_quota: int = field(
        default=1000, validator=validators.ge(0), metadata=switch("The most inputs of an account.")
    )
    drop_low_latency: bool = field(
        default=False,
        metadata=switch("A creation answers with success and low_latency is not kept."),
    )
    unknown_status: bool = field(
        default=False, metadata=switch("Every input has a status that is in no documentation.")
    )
    extra_fields: bool = field(
        default=False, metadata=switch("Every object has a field that is in no documentation.")
    )


class RefusedError(Exception):
    """The platform says no.

    Attributes:
        status: the HTTP status.
        code: the platform's word for the reason.
        message: the reason in a sentence.
        retry_after: seconds to wait, or `None`.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


@define(eq=False, kw_only=True)
class Broadcast:
    """From the arrival of an encoder until the input is off.

    Attributes:
        began: seconds of the platform's clock, as are the moments that follow.
        connected: when the encoder came, or came back.
        lost: when it went without a word, while it may still come back.
        stopped: when it was thrown out.
        watchable: whether there is something to watch.
        announced: whether an event told that viewers can watch.
        events: what happened in it.
    """

    number: int
    id: str
    input_id: str
    encoder: Encoder
    started_at: datetime
    ended_at: datetime | None = None
    began: float
    connected: float
    lost: float | None = None
    stopped: float | None = None
    watchable: bool = False
    announced: bool = False
    events: list[Event] = field(factory=list)

    def is_pushed_by(self, encoder: Encoder) -> bool:
        """Tell whether an encoder is there, and was not thrown out."""
        return self.encoder is encoder and self.lost is None and self.stopped is None


@define(eq=False, kw_only=True)
class Input:
    """What an encoder pushes to.

    Attributes:
        number: its place in the order of creation.
        created: seconds of the platform's clock, as `viewers_since` is.
        key: what lets an encoder in, or `None` once it is revoked.
        broadcast: the one that goes on now.
    """

    number: int
    id: str
    name: str | None
    tags: dict[str, str]
    low_latency: bool
    created: float
    created_at: datetime
    playback_url: str
    key: str | None
    enabled: bool = True
    broadcast: Broadcast | None = None
    viewers: int = 0
    viewers_since: float = 0.0
    peak_viewers: int = 0
    watch_seconds: float = 0.0

    @property
    def watching(self) -> int:
        """How many viewers watch now, also while a lost encoder is waited for."""
        return self.viewers if self.broadcast is not None and self.broadcast.watchable else 0

    def watched(self, now: float) -> float:
        """Return the seconds that all viewers together have watched until now."""
        return self.watch_seconds + self.watching * (now - self.viewers_since)

    def count(self, viewers: int, now: float) -> None:
        """Have so many viewers from now on."""
        self.watch_seconds = self.watched(now)
        self.viewers, self.viewers_since = viewers, now
        self.peak_viewers = max(self.peak_viewers, self.watching)


@frozen(kw_only=True)
class Recorded:
    """What a broadcast leaves.  The duration is in seconds."""

    number: int
    id: str
    input_id: str
    duration: float
    created_at: datetime


@frozen(kw_only=True)
class Event:
    """Something that the platform would tell a webhook, with the reason where it has one."""

    id: str
    type: str
    input_id: str
    at: datetime
    reason: str | None


@frozen
class Received:
    """A request that reached the platform, and the status of the answer."""

    method: str
    path: str
    status: int


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
        """Stop pushing without a word, as a lost network does."""
        self._platform.lose(self)


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


_N = TypeVar("_N", bound=_Numbered)


class SimulatedPlatform:
    """The platform's state.  It may be used from many threads.

    Attributes:
        switches: how it behaves; assign or `switch` to change it at any time.
        token: a credential that may do all.
        read_only_token: one that may only read.
        webhook_secret: what `webhook` signs with.
        inputs: what there is, by id.
        recordings: what broadcasts left, by id.
        broadcasts: all that ever were.
        events: all that happened.
        requests: all that reached the platform.
        created: how many inputs were ever made.
        deleted: the ids of those that are gone.
    """

    def __init__(self, *, clock: Clock, random: Random, switches: ReferenceSwitches) -> None:
        self.switches = switches
        self._clock = clock
        self._random = random
        self._lock = threading.RLock()
        self.token = f"rt_{self._hex(128)}"
        self.read_only_token = f"rt_{self._hex(128)}"
        self.webhook_secret = f"rw_{self._hex(128)}"
        self.reset()

    def reset(self) -> None:
        """Forget all but switches and credentials."""
        with self._lock:
            self.inputs: dict[str, Input] = {}
            self.recordings: dict[str, Recorded] = {}
            self.broadcasts: list[Broadcast] = []
            self.events: list[Event] = []
            self.requests: list[Received] = []
            self.created = 0
            self.deleted: list[str] = []
            self._arrivals: dict[str, deque[float]] = {}

    def switch(self, **values: object) -> None:
        """Change some of the switches."""
        self.switches = self.switches.changed(values)

    # -- what tests and encoders do ---------------------------------------------------------------

    @property
    def keys(self) -> dict[str, str]:
        """The ids of the inputs by the keys that let an encoder in."""
        with self._lock:
            return {one.key: one.id for one in self.inputs.values() if one.key is not None}

    def status(self, input_id: str) -> str:
        """Return the word for what an input is doing."""
        with self._lock:
            self._settle()
            return self._status(self.inputs[input_id])

    def encoder(self, key: str, *, reconnects: bool = False) -> Encoder:
        """Return an encoder that pushes with this key and perhaps comes back when thrown out."""
        encoder = Encoder(self, key, reconnects=reconnects)
        encoder.connect()
        return encoder

    def let_in(self, encoder: Encoder, key: str) -> bool:
        """Start a broadcast, or go on with the one that lost this encoder."""
        with self._lock:
            self._settle()
            found = self.inputs.get(self.keys.get(key, ""))
            if found is None or not found.enabled:
                return False
            now = self._clock.monotonic()
            broadcast = found.broadcast
            if broadcast is not None and broadcast.lost is None and broadcast.stopped is None:
                return False
            if broadcast is not None and broadcast.stopped is None:
                broadcast.encoder, broadcast.connected, broadcast.lost = encoder, now, None
                broadcast.announced = False
                return True
            if broadcast is not None:
                self._finish(found, broadcast)
            found.broadcast = Broadcast(
                number=len(self.broadcasts),
                id=f"br_{self._hex(80)}",
                input_id=found.id,
                encoder=encoder,
                started_at=self._clock.now(),
                began=now,
                connected=now,
            )
            self.broadcasts.append(found.broadcast)
            return True

    def is_pushed_by(self, encoder: Encoder) -> bool:
        """Tell whether an encoder is there, and was not thrown out."""
        with self._lock:
            return any(
                one.broadcast is not None and one.broadcast.is_pushed_by(encoder)
                for one in self.inputs.values()
            )

    def lose(self, encoder: Encoder) -> None:
        """Note that an encoder is gone."""
        with self._lock:
            self._settle()
            for one in self.inputs.values():
                broadcast = one.broadcast
                if broadcast is not None and broadcast.is_pushed_by(encoder):
                    broadcast.lost = self._clock.monotonic()
                    self._tell("input.reconnecting", one.id, broadcast, _LOST)

    def watch(self, input_id: str, viewers: int) -> None:
        """Have so many viewers watch an input, from now on or from when there is something to."""
        with self._lock:
            self._settle()
            found = self.inputs[input_id]
            found.count(viewers, self._clock.monotonic())

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        with self._lock:
            self._settle()
            return PlatformTruth(
                live_streams={one.id: self._true(one) for one in self.inputs.values()},
                recordings=frozenset(self.recordings),
            )

    def webhook(self, event: Event) -> tuple[dict[str, str], bytes]:
        """Return headers and body of the message that tells of an event."""
        body = json.dumps(
            {
                "id": event.id,
                "type": event.type,
                "input_id": event.input_id,
                "at": event.at.isoformat(),
                "reason": event.reason,
            }
        ).encode()
        stamp = str(int(self._clock.now().timestamp()))
        signature = hmac.new(
            self.webhook_secret.encode(), stamp.encode() + b"." + body, hashlib.sha256
        ).hexdigest()
        return {"Reference-Signature": f"t={stamp},v1={signature}"}, body

    # -- what requests do -------------------------------------------------------------------------

    def admit(self, token: str | None, account: str, *, writes: bool) -> dict[str, str]:
        """Check who asks and how fast; return the headers that tell what is left."""
        with self._lock:
            if token not in {self.token, self.read_only_token}:
                raise RefusedError(401, "unauthenticated", "The token is not valid.")
            if account != ACCOUNT:
                raise RefusedError(403, "forbidden", "The token is for another account.")
            headers = self._count(token)
            if writes and token == self.read_only_token:
                raise RefusedError(403, "forbidden", "The token may only read.")
            return headers

    def note(self, method: str, path: str, status: int) -> None:
        """Keep a request for the tests to see."""
        with self._lock:
            self.requests.append(Received(method, path, status))

    def show_account(self, *, may_write: bool) -> dict[str, object]:
        """Return what the account may do."""
        return {
            "account": ACCOUNT,
            "inputs": len(self.inputs),
            "input_quota": self.switches.input_quota,
            "may_write": may_write,
        }

    def create_input(self, body: Mapping[str, object]) -> dict[str, object]:
        """Make an input with a key."""
        with self._lock:
            name, tags, low_latency = _checked_input(body)
            if len(self.inputs) >= self.switches.input_quota:
                raise RefusedError(402, "quota_exceeded", "The account has no inputs left.")
            low_latency = low_latency and not self.switches.drop_low_latency
            kind = "ll" if low_latency else "hls"
            made = Input(
                number=self.created,
                id=f"in_{self._hex(80)}",
                name=name,
                tags=tags,
                low_latency=low_latency,
                created=self._clock.monotonic(),
                created_at=self._clock.now(),
                playback_url=f"https://play.reference.example/{kind}/{self._hex(64)}/index.m3u8",
                key=self._new_key(),
            )
            self.created += 1
            self.inputs[made.id] = made
            return self._with_key(made)

    def list_inputs(self, cursor: str | None, limit: int) -> dict[str, object]:
        """Return a page of inputs, the oldest first, without what only one input's answer has."""
        with self._lock:
            shown_until = self._clock.monotonic() - self.switches.list_lag
            found = [one for one in self.inputs.values() if one.created <= shown_until]
            page, following = self._page(found, cursor, limit)
            return {"inputs": [self._summary(one) for one in page], "next_cursor": following}

    def show_input(self, input_id: str) -> dict[str, object]:
        """Return an input, without its key."""
        with self._lock:
            return self._whole(self._find(input_id))

    def set_enabled(self, input_id: str, body: Mapping[str, object]) -> dict[str, object]:
        """Let encoders in again, or throw out the one that is there and let none in."""
        with self._lock:
            found = self._find(input_id)
            enabled = body.get("enabled")
            if not isinstance(enabled, bool) or len(body) != 1:
                raise RefusedError(422, "invalid", "Only enabled can be changed: true or false.")
            found.enabled = enabled
            if not enabled:
                self._throw_out(found)
            return self._whole(found)

    def show_key(self, input_id: str) -> dict[str, object]:
        """Return an input with its key."""
        with self._lock:
            found = self._find(input_id)
            if found.key is None:
                raise RefusedError(409, "key_revoked", "The key of this input was revoked.")
            return self._with_key(found)

    def rotate_key(self, input_id: str) -> dict[str, object]:
        """Replace the key and throw out the encoder that uses the old one."""
        with self._lock:
            found = self._find(input_id)
            found.key = self._new_key()
            self._throw_out(found)
            return self._with_key(found)

    def revoke_key(self, input_id: str) -> None:
        """Let nobody in any more; whoever is in stays."""
        with self._lock:
            self._find(input_id).key = None

    def stop_input(self, input_id: str) -> dict[str, object]:
        """Throw out the encoder, which may well come back."""
        with self._lock:
            found = self._find(input_id)
            if found.broadcast is None:
                raise RefusedError(409, "not_on_air", "No encoder pushes to this input.")
            self._throw_out(found)
            return self._whole(found)

    def delete_input(self, input_id: str) -> None:
        """Remove an input that is off."""
        with self._lock:
            found = self._find(input_id)
            if found.broadcast is not None:
                raise RefusedError(409, "input_on_air", "The input is on air; stop it first.")
            del self.inputs[input_id]
            self.deleted.append(input_id)
            self._tell("input.deleted", input_id)

    def list_broadcasts(self, input_id: str, cursor: str | None, limit: int) -> dict[str, object]:
        """Return a page of an input's broadcasts, the latest first."""
        with self._lock:
            self._find(input_id)
            found = [one for one in self.broadcasts if one.input_id == input_id]
            page, following = self._page(found, cursor, limit, latest_first=True)
            shown = [self._object(**_times(one)) for one in page]
            return {"broadcasts": shown, "next_cursor": following}

    def show_broadcast(self, input_id: str, broadcast_id: str) -> dict[str, object]:
        """Return one broadcast, with its encoder and what happened in it."""
        with self._lock:
            self._find(input_id)
            for one in self.broadcasts:
                if (one.input_id, one.id) == (input_id, broadcast_id):
                    events = [
                        self._object(type=event.type, at=event.at.isoformat(), reason=event.reason)
                        for event in one.events
                    ]
                    encoder = self._object(**ENCODER)
                    return self._object(**_times(one), encoder=encoder, events=events)
            raise RefusedError(404, "broadcast_not_found", "The input had no such broadcast.")

    def list_recordings(self, input_id: str, cursor: str | None, limit: int) -> dict[str, object]:
        """Return a page of what an input's broadcasts left, the oldest first."""
        with self._lock:
            self._find(input_id)
            found = [one for one in self.recordings.values() if one.input_id == input_id]
            page, following = self._page(found, cursor, limit)
            shown = [
                self._object(
                    id=one.id,
                    input_id=one.input_id,
                    duration=one.duration,
                    created_at=one.created_at.isoformat(),
                    playback_url=f"https://play.reference.example/vod/{one.id}/index.m3u8",
                )
                for one in page
            ]
            return {"recordings": shown, "next_cursor": following}

    def delete_recording(self, recording_id: str) -> None:
        """Remove a recording."""
        with self._lock:
            if self.recordings.pop(recording_id, None) is None:
                raise RefusedError(404, "recording_not_found", "There is no such recording.")

    def show_metrics(self, input_id: str) -> dict[str, object]:
        """Return the figures of an input."""
        with self._lock:
            return self._metrics(self._find(input_id))

    def show_many_metrics(self, input_ids: Sequence[str]) -> dict[str, object]:
        """Return the figures of those inputs that there are, in no promised order."""
        with self._lock:
            self._settle()
            if not 1 <= len(input_ids) <= self.switches.page_size:
                raise RefusedError(
                    422, "invalid", f"ids are 1 to {self.switches.page_size} inputs."
                )
            found = [self.inputs[one] for one in sorted(set(input_ids)) if one in self.inputs]
            return {"metrics": [self._metrics(one) for one in found]}

    # -- how it works inside ----------------------------------------------------------------------

    def _hex(self, bits: int) -> str:
        return f"{self._random.getrandbits(bits):0{bits // 4}x}"

    def _new_key(self) -> str:
        return f"rk_{self._hex(160)}"

    def _true(self, one: Input) -> TrueLiveStream:
        status = self._status(one)
        return TrueLiveStream(
            stream_id=one.id,
            stream_keys=frozenset({one.key} if one.key is not None and one.enabled else ()),
            live=status == "on_air",
            viewers=one.watching,
            recordings=frozenset(
                each.id for each in self.recordings.values() if each.input_id == one.id
            ),
            bitrate=BITRATE if status == "on_air" else None,
        )

    def _find(self, input_id: str) -> Input:
        self._settle()
        found = self.inputs.get(input_id)
        if found is None:
            raise RefusedError(404, "input_not_found", "There is no such input.")
        return found

    def _settle(self) -> None:
        """Let happen what is due by now."""
        now = self._clock.monotonic()
        for one in self.inputs.values():
            broadcast = one.broadcast
            if broadcast is None:
                continue
            on_air = broadcast.connected + self.switches.connect_time
            if not broadcast.announced and self._status(one) == "on_air" and now >= on_air:
                broadcast.announced = True
                if not broadcast.watchable:
                    broadcast.watchable = True
                    # Those who wait begin to watch.
                    one.viewers_since = on_air
                    one.count(one.viewers, now)
                self._tell("input.on_air", one.id, broadcast)
            stopped, lost = broadcast.stopped, broadcast.lost
            if (stopped is not None and now >= stopped + self.switches.stop_time) or (
                lost is not None and now >= lost + self.switches.grace_time
            ):
                self._finish(one, broadcast)

    def _status(self, one: Input) -> str:
        broadcast = one.broadcast
        if broadcast is None:
            return "idle" if one.enabled else "blocked"
        if broadcast.stopped is not None:
            return "stopping"
        if broadcast.lost is not None:
            return "reconnecting"
        on_air = broadcast.connected + self.switches.connect_time
        return "on_air" if self._clock.monotonic() >= on_air else "starting"

    def _throw_out(self, one: Input) -> None:
        broadcast = one.broadcast
        if broadcast is None or broadcast.stopped is not None:
            return
        broadcast.stopped = self._clock.monotonic()
        if broadcast.encoder.reconnects:
            broadcast.encoder.connect()

    def _finish(self, one: Input, broadcast: Broadcast) -> None:
        now = self._clock.monotonic()
        broadcast.ended_at = self._clock.now()
        one.count(0, now)
        one.broadcast = None
        recorded = Recorded(
            number=broadcast.number,
            id=f"re_{self._hex(80)}",
            input_id=one.id,
            duration=now - broadcast.began,
            created_at=broadcast.ended_at,
        )
        self.recordings[recorded.id] = recorded
        reason = _LOST if broadcast.stopped is None else _STOPPED
        self._tell("input.off_air", one.id, broadcast, reason)
        self._tell("recording.ready", one.id, broadcast)

    def _tell(
        self,
        kind: str,
        input_id: str,
        broadcast: Broadcast | None = None,
        reason: str | None = None,
    ) -> None:
        event = Event(
            id=f"ev_{self._hex(80)}",
            type=kind,
            input_id=input_id,
            at=self._clock.now(),
            reason=reason,
        )
        self.events.append(event)
        if broadcast is not None:
            broadcast.events.append(event)

    def _count(self, token: str) -> dict[str, str]:
        limit, window = self.switches.rate_limit, self.switches.rate_window
        if limit == 0:
            return {}
        now = self._clock.monotonic()
        arrivals = self._arrivals.setdefault(token, deque())
        while arrivals and arrivals[0] <= now - window:
            arrivals.popleft()
        if len(arrivals) >= limit:
            wait = arrivals[0] + window - now
            raise RefusedError(
                429,
                "rate_limited",
                "Too many requests.",
                retry_after=wait if self.switches.retry_after else None,
            )
        arrivals.append(now)
        left, resets_in = limit - len(arrivals), arrivals[0] + window - now
        return {
            "Ratelimit-Policy": f'"api";q={limit};w={window:g}',
            "Ratelimit": f'"api";r={left};t={ceil(resets_in)}',
        }

    def _page(
        self, found: Iterable[_N], cursor: str | None, limit: int, *, latest_first: bool = False
    ) -> tuple[list[_N], str | None]:
        """Return some elements, and the cursor of the rest; elements that go shift nothing."""
        ordered = sorted(found, key=lambda one: one.number, reverse=latest_first)
        if cursor is not None:
            last = _number_in(cursor)
            ordered = [
                one
                for one in ordered
                if one.number != last and ((one.number < last) == latest_first)
            ]
        size = min(limit, self.switches.page_size)
        page = ordered[:size]
        if self.switches.stuck_cursor:
            return page, cursor or _cursor_for(-1)
        return page, _cursor_for(page[-1].number) if len(ordered) > size else None

    def _object(self, **fields: object) -> dict[str, object]:
        extra = {"colour": "octarine"} if self.switches.extra_fields else {}
        return {**fields, **extra}

    def _summary(self, one: Input) -> dict[str, object]:
        return self._object(
            id=one.id,
            name=one.name,
            tags=dict(one.tags),
            low_latency=one.low_latency,
            created_at=one.created_at.isoformat(),
        )

    def _whole(self, one: Input) -> dict[str, object]:
        status = "rewinding" if self.switches.unknown_status else self._status(one)
        return {
            **self._summary(one),
            "status": status,
            "ingest_url": INGEST_URL,
            "playback_url": one.playback_url,
        }

    def _with_key(self, one: Input) -> dict[str, object]:
        return {**self._whole(one), "stream_key": one.key}

    def _metrics(self, one: Input) -> dict[str, object]:
        on_air = self._status(one) == "on_air"
        return self._object(
            input_id=one.id,
            as_of=self._clock.now().isoformat(),
            viewers=one.viewers if on_air else -1,
            bitrate=BITRATE if on_air else None,
            peak_viewers=one.peak_viewers,
            watch_seconds=one.watched(self._clock.monotonic()),
        )


_MAX_NAME: Final = 128
_MAX_TAGS: Final = 50
_MAX_TAG_NAME: Final = 128
_MAX_TAG_VALUE: Final = 256


def _checked_input(body: Mapping[str, object]) -> tuple[str | None, dict[str, str], bool]:
    unknown = sorted(set(body) - {"name", "tags", "low_latency"})
    if unknown:
        raise RefusedError(422, "invalid", f"There is no field {unknown[0]}.")
    name, tags, low_latency = body.get("name"), body.get("tags", {}), body.get("low_latency", False)
    if name is not None and (not isinstance(name, str) or len(name) > _MAX_NAME):
        raise RefusedError(422, "invalid", f"name is a text of at most {_MAX_NAME} characters.")
    if not isinstance(low_latency, bool):
        raise RefusedError(422, "invalid", "low_latency is true or false.")
    if not isinstance(tags, dict) or len(tags) > _MAX_TAGS:
        raise RefusedError(422, "invalid", f"tags are an object of at most {_MAX_TAGS} texts.")
    checked: dict[str, str] = {}
    for tag, text in tags.items():
        if len(tag) > _MAX_TAG_NAME:
            raise RefusedError(
                422, "invalid", f"A tag's name has at most {_MAX_TAG_NAME} characters."
            )
        if not isinstance(text, str) or len(text) > _MAX_TAG_VALUE:
            raise RefusedError(
                422, "invalid", f"A tag is a text of at most {_MAX_TAG_VALUE} characters."
            )
        checked[tag] = text
    return name, checked, low_latency


def _times(one: Broadcast) -> dict[str, object]:
    return {
        "id": one.id,
        "input_id": one.input_id,
        "started_at": one.started_at.isoformat(),
        "ended_at": None if one.ended_at is None else one.ended_at.isoformat(),
    }


def _cursor_for(number: int) -> str:
    return base64.urlsafe_b64encode(f"after {number}".encode()).decode()


def _number_in(cursor: str) -> int:
    try:
        word, number = base64.urlsafe_b64decode(cursor).decode().split()
        if word == "after":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise RefusedError(400, "invalid_cursor", "The cursor is not one that was given out.")
