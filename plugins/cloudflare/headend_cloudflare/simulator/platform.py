"""What the simulated Cloudflare Stream is and does, without HTTP.

Its words are the platform's: a *live input* is what an encoder pushes to, a broadcast becomes a
*video*, an *output* takes a copy.  The attributes are open to tests, which so see what is true
whatever the HTTP answers said.  Answers are made in `headend_cloudflare.simulator.answers`.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from headend.plugin import PlatformTruth, StreamState, TrueLiveStream
from headend_cloudflare.simulator import refusals, signing, webhooks
from headend_cloudflare.simulator.access import (
    ANALYTICS,
    READ,
    WRITE,
    RateLimiter,
    Token,
    is_well_formed,
)
from headend_cloudflare.simulator.configuration import InputConfiguration, configured
from headend_cloudflare.simulator.records import (
    HOLD_MARGIN,
    Broadcast,
    Event,
    Failure,
    Input,
    Keys,
    Output,
    SigningKey,
    Span,
    Video,
    Viewing,
    Webhook,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from random import Random

    from headend.plugin import Clock, MediaBackend, MediaStream
    from headend_cloudflare.simulator.records import Received
    from headend_cloudflare.simulator.switches import CloudflareSwitches

MAX_SIGNING_KEYS: Final = 1000
"""https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/"""

ERRORS: Final[Mapping[str, str]] = {
    "ERR_STORAGE_QUOTA_EXHAUSTED": "The account's storage quota is exhausted.",
    "ERR_GOP_OUT_OF_RANGE": "The interval of keyframes is out of range.",
    "ERR_UNSUPPORTED_VIDEO_CODEC": "The video codec is not supported.",
    "ERR_UNSUPPORTED_AUDIO_CODEC": "The audio codec is not supported.",
    "ERR_UNHEALTHY": "The input is not healthy.",
}
"""Codes of https://developers.cloudflare.com/stream/stream-live/webhooks/; the words are ours."""

_DAY: Final = 86400.0


@frozen
class Condition:
    """What a live input is doing.

    Attributes:
        state: the platform's word.
        reason: words of no documentation.
        protocol: how the encoder pushes, or pushed.
        entered: since when.
        seen: when that was last so.
    """

    state: str
    reason: str
    protocol: str
    entered: float
    seen: float


class Encoder:
    """A simulated encoder that pushes with one key.

    Attributes:
        refusals: how often the platform did not let it in.
        reconnects: whether it comes back when it is thrown out.
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


class SimulatedPlatform:
    """The platform's state.  It may be used from many threads.

    Attributes:
        switches: how it behaves; assign or `switch` to change it at any time.
        account_id: whose all this is.
        customer_code: names the account in addresses of the customer host.
        token: an account's token that may do all.
        user_token: a user's token that may do all.
        read_only_token: one that may only read.
        stream_only_token: one that may not read analytics.
        notification_secret: what messages about live inputs bear.
        webhook_secret: what messages about videos are signed with.
        origin: where the platform is reached, ``http://HOST:PORT``; each request tells.
        inputs: live inputs, by id.
        videos: by id.
        broadcasts: all that ever were.
        events: all that happened, in order.
        requests: all that reached the platform.
        created: how many live inputs were ever made.
        deleted: the ids of live inputs that are gone.
        signing_keys: by id.
        subscription: where the account wants to be told of videos.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        switches: CloudflareSwitches,
        media: MediaBackend | None = None,
    ) -> None:
        self.switches = switches
        self.origin = "http://127.0.0.1"
        self._clock = clock
        self._random = random
        self._media = media
        self._lock = threading.RLock()
        self.account_id = self._hex(128)
        self.customer_code = self._hex(64)
        tokens = [
            self._new_token("cfat_", "account", WRITE, ANALYTICS),
            self._new_token("cfut_", "user", WRITE, ANALYTICS),
            self._new_token("cfat_", "account", READ, ANALYTICS),
            self._new_token("cfat_", "account", WRITE),
        ]
        self.token, self.user_token, self.read_only_token, self.stream_only_token = (
            one.value for one in tokens
        )
        self.tokens = {one.value: one for one in tokens}
        self.notification_secret = self._hex(128)
        self.webhook_secret = self._hex(128)
        self.inputs: dict[str, Input] = {}
        self._platform_key: SigningKey | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all but switches and credentials."""
        with self._lock:
            abandoned = [one.media for one in self.inputs.values() if one.media is not None]
            self.inputs = {}
            self.videos: dict[str, Video] = {}
            self.broadcasts: list[Broadcast] = []
            self.events: list[Event] = []
            self.requests: list[Received] = []
            self.created = 0
            self.deleted: list[str] = []
            self.signing_keys: dict[str, SigningKey] = {}
            self.subscription: Webhook | None = None
            self._encoders: dict[str, Encoder] = {}
            self._viewings: list[Viewing] = []
            self._first_answers: dict[str, str] = {}
            self._rate = RateLimiter()
            self._admitted = 0
            self._numbers = 0
            self._epoch = self._clock.now() - timedelta(seconds=self._clock.monotonic())
        if self._media is not None:
            for media in abandoned:
                self._media.end(media.media_id)

    def switch(self, **values: object) -> None:
        """Change some of the switches."""
        self.switches = self.switches.changed(values)

    @property
    def now(self) -> float:
        """Seconds on the platform's timeline."""
        return self._clock.monotonic()

    def at(self, moment: float) -> datetime:
        """Return the time of a moment on the platform's timeline."""
        return self._epoch + timedelta(seconds=moment)

    # -- what tests, encoders and viewers do ------------------------------------------------------

    @property
    def keys(self) -> dict[str, str]:
        """The ids of the live inputs by their RTMPS stream keys."""
        with self._lock:
            return {one.keys.rtmps: one.uid for one in self.inputs.values()}

    def status(self, input_id: str) -> str | None:
        """Return the word for what a live input is doing, `None` before any encoder came."""
        with self._lock:
            self._settle()
            condition = self.condition(self.inputs[input_id])
            return None if condition is None else condition.state

    def encoder(self, key: str, *, reconnects: bool = False) -> Encoder:
        """Return an encoder that pushes, and perhaps comes back when it is thrown out.

        Args:
            key: an RTMPS stream key, an SRT passphrase, or the secret in a WHIP address.
            reconnects: whether it tries again.
        """
        encoder = Encoder(self, key, reconnects=reconnects)
        encoder.connect()
        return encoder

    def let_in(self, encoder: Encoder | None, key: str) -> bool:
        """Start a broadcast, or go on with the one that lost its encoder."""
        with self._lock:
            self._settle()
            found = next((one for one in self.inputs.values() if key in _protocols(one)), None)
            if found is None or not found.configuration.enabled:
                return False
            last = None if found.broadcast is None else found.broadcast.last
            if last is not None and last.end is None:
                return False
            protocol = _protocols(found)[key]
            if self.stored_minutes() >= self.switches.storage_limit:
                self._refuse_broadcast(found, "ERR_STORAGE_QUOTA_EXHAUSTED", protocol)
                return False
            self._open_span(found, protocol)
            if encoder is not None:
                self._encoders[found.uid] = encoder
            return True

    def lose(self, encoder: Encoder) -> None:
        """Note that an encoder is gone."""
        with self._lock:
            self._settle()
            for uid, one in list(self._encoders.items()):
                if one is encoder and uid in self.inputs:
                    self._close_span(self.inputs[uid], thrown_out=False)

    def is_pushed_by(self, encoder: Encoder) -> bool:
        """Tell whether an encoder is there, and was not thrown out."""
        with self._lock:
            self._settle()
            return any(
                one is encoder and uid in self.inputs and _is_pushed(self.inputs[uid])
                for uid, one in self._encoders.items()
            )

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        with self._lock:
            self._settle()
            return PlatformTruth(
                live_streams={one.uid: self._true(one) for one in self.inputs.values()},
                recordings=frozenset(self.videos),
            )

    def fail(self, input_id: str, code: str) -> None:
        """Have the platform break a broadcast off for a reason of `ERRORS`."""
        with self._lock:
            self._settle()
            found = self.inputs[input_id]
            protocol = "rtmp" if found.broadcast is None else found.broadcast.last.protocol
            self._close_span(found, thrown_out=False)
            self._refuse_broadcast(found, code, protocol)

    def watch(self, uid: str, viewers: int, *, country: str = "US") -> None:
        """Have so many viewers watch from now on.

        Args:
            uid: a live input, whose viewers count whenever there is something to watch, or a
                video that is ready.
            viewers: how many.
            country: where they are.
        """
        with self._lock:
            self._settle()
            now = self.now
            for one in self._viewings:
                if one.uid == uid and one.country == country and one.end is None:
                    one.end = now
            self._viewings.append(
                Viewing(uid=uid, start=now, end=None, viewers=viewers, country=country)
            )

    def store(self, minutes: float) -> str:
        """Add a video of so many minutes, as an upload does; return its id."""
        with self._lock:
            video = Video(
                number=self._number(),
                uid=self._hex(128),
                name="An upload",
                created=self.now,
                length=minutes * 60,
            )
            self.videos[video.uid] = video
            return video.uid

    def happened(self) -> list[Event]:
        """Return all that happened until now."""
        with self._lock:
            self._settle()
            return list(self.events)

    def webhook(self, event: Event) -> tuple[dict[str, str], bytes]:
        """Return headers and body of the message that tells of an event; nothing is sent."""
        return webhooks.message(self, event)

    def test_webhook(self) -> tuple[dict[str, str], bytes]:
        """Return headers and body of the message that tests a new webhook destination."""
        return webhooks.hello(self)

    # -- what requests do: access -----------------------------------------------------------------

    def find_token(self, value: str | None) -> Token | None:
        """Return the token of a request, `None` if it looks like one and is none.

        Raises:
            RefusedError: it does not look like one.
        """
        if value is None or not is_well_formed(value):
            raise refusals.malformed_token()
        return self.tokens.get(value)

    def count(self, token: Token) -> dict[str, str]:
        """Count a request; return the headers that tell how many are left.

        Raises:
            RefusedError: there are too many, or something passing is wrong.
        """
        with self._lock:
            headers = self._rate.count(token, self.now, self.switches)
            self._admitted += 1
            if _is_nth(self._admitted, self.switches.internal_error_every):
                raise refusals.internal_error()
            if _is_nth(self._admitted, self.switches.bad_gateway_every):
                raise refusals.bad_gateway()
            return headers

    def permit(self, token: Token, account: str | None, permission: str | None) -> None:
        """Check what a token may do.

        Args:
            token: whose request it is.
            account: which account it is about, if it is about one.
            permission: what it needs, if it needs any.

        Raises:
            RefusedError: it may not.
        """
        is_elsewhere = account is not None and account != self.account_id
        if is_elsewhere or not (permission is None or token.may(permission)):
            raise refusals.forbidden(self.switches.permission_code)

    def count_query(self, token: Token) -> dict[str, str]:
        """Count a GraphQL query; return the headers that tell how many requests are left.

        Raises:
            RefusedError: there are too many, or something passing is wrong.
        """
        headers = self.count(token)
        with self._lock:
            self._rate.count_query(token, self.now, self.switches)
        return headers

    def note(self, received: Received) -> None:
        """Keep a request for the tests to see."""
        with self._lock:
            self.requests.append(received)

    # -- what requests do: live inputs ------------------------------------------------------------

    def create_input(self, body: Mapping[str, object], *, idempotency_key: str | None) -> Input:
        """Make a live input with its keys."""
        configuration = configured(InputConfiguration(), body, self.switches)
        with self._lock:
            self._settle()
            if self.switches.idempotency_keys and idempotency_key in self._first_answers:
                known = self.inputs.get(self._first_answers[idempotency_key])
                if known is not None:
                    return known
            if self.switches.input_limit and len(self.inputs) >= self.switches.input_limit:
                raise refusals.invalid("The account has no live inputs left", status=403)
            is_full = self.stored_minutes() >= self.switches.storage_limit
            if is_full and self.switches.refuse_when_full:
                raise refusals.invalid("The account's storage is exhausted", status=403)
            uid = self._hex(128)
        media = None if self._media is None else self._media.create(_name(configuration) or uid)
        with self._lock:
            now = self.now
            made = Input(
                number=self.created,
                uid=uid,
                keys=self._new_keys(uid, media),
                configuration=configuration,
                created=now,
                modified=now,
                media=media,
            )
            self.created += 1
            self.inputs[uid] = made
            if idempotency_key is not None:
                self._first_answers.setdefault(idempotency_key, uid)
        if self._media is not None and media is not None and not configuration.enabled:
            self._media.set_enabled(media.media_id, enabled=False)
        return made

    def list_inputs(self) -> tuple[list[Input], int]:
        """Return the live inputs that a list shows, the latest first, and how many there are."""
        with self._lock:
            shown_until = self.now - self.switches.list_lag
            found = [one for one in self.inputs.values() if one.created <= shown_until]
            found.sort(key=lambda one: one.number, reverse=True)
            return found[: self.switches.list_cap], len(found)

    def find_input(self, input_id: str) -> Input:
        """Return a live input, up to date.

        Raises:
            RefusedError: there is none.
        """
        self._observe(input_id)
        return self.known_input(input_id)

    def known_input(self, input_id: str) -> Input:
        """Return a live input as it was when `find_input` was last asked for it.

        Raises:
            RefusedError: there is none.
        """
        with self._lock:
            self._settle()
            found = self.inputs.get(input_id)
            if found is None:
                raise refusals.not_found()
            return found

    def update_input(self, input_id: str, body: Mapping[str, object]) -> Input:
        """Change what a request names."""
        found = self.find_input(input_id)
        with self._lock:
            before = found.configuration.enabled
            found.configuration = configured(found.configuration, body, self.switches)
            found.modified = self.now
            after = found.configuration.enabled
        if after != before:
            self._enforce(found, enabled=after)
        return found

    def set_enabled(self, input_id: str, *, enabled: bool) -> Input:
        """Let encoders in again, or throw out the one that is there and let none in."""
        return self.update_input(input_id, {"enabled": enabled})

    def rotate_keys(self, input_id: str) -> Input:
        """Replace all keys and throw out the encoder that uses an old one."""
        found = self.find_input(input_id)
        media = found.media
        if self._media is not None and media is not None:
            media = self._media.rotate(media.media_id)
        with self._lock:
            found.media = media
            found.keys = self._new_keys(found.uid, media)
            found.keys_rotated = found.modified = self.now
            self._close_span(found, thrown_out=True)
        self._return_of(found)
        return found

    def delete_input(self, input_id: str) -> None:
        """Remove a live input for good; its encoder is thrown out, its recordings stay."""
        found = self.find_input(input_id)
        with self._lock:
            if self.inputs.pop(input_id, None) is None:
                raise refusals.not_found()
            self._close_span(found, thrown_out=True)
            self.deleted.append(input_id)
            for video in [one for one in self.videos.values() if one.input_id == input_id]:
                if not self.switches.recordings_outlive:
                    del self.videos[video.uid]
                elif self.switches.recordings_forget:
                    video.input_id = None
        self._return_of(found)
        if self._media is not None and found.media is not None:
            self._media.end(found.media.media_id)

    # -- what requests do: outputs ----------------------------------------------------------------

    def create_output(self, input_id: str, body: Mapping[str, object]) -> Output:
        """Add a place that broadcasts are copied to."""
        found = self.find_input(input_id)
        url, key, enabled = body.get("url"), body.get("streamKey"), body.get("enabled", True)
        if not isinstance(url, str) or not url.startswith(("rtmp://", "rtmps://", "srt://")):
            raise refusals.invalid("url must be an RTMP, RTMPS or SRT address")
        if not isinstance(key, str) or not key:
            raise refusals.invalid("streamKey must be text")
        if not isinstance(enabled, bool):
            raise refusals.invalid("enabled must be true or false")
        with self._lock:
            if len(found.outputs) >= self.switches.output_limit:
                raise refusals.invalid("The live input has no outputs left")
            made = Output(
                number=self._number(), uid=self._hex(128), url=url, stream_key=key, enabled=enabled
            )
            found.outputs[made.uid] = made
            return made

    def update_output(self, input_id: str, output_id: str, body: Mapping[str, object]) -> Output:
        """Let an output have copies or not; nothing else of it can be changed."""
        enabled = body.get("enabled")
        if not isinstance(enabled, bool):
            raise refusals.invalid("enabled is required, true or false")
        found = self.find_input(input_id)
        with self._lock:
            output = found.outputs.get(output_id)
            if output is None:
                raise refusals.not_found()
            output.enabled = enabled
            return output

    def delete_output(self, input_id: str, output_id: str) -> None:
        """Remove an output."""
        found = self.find_input(input_id)
        with self._lock:
            if found.outputs.pop(output_id, None) is None:
                raise refusals.not_found()

    # -- what requests do: videos -----------------------------------------------------------------

    def find_videos(self, input_id: str | None = None) -> list[Video]:
        """Return the videos, of one live input or all, the latest first."""
        if input_id is not None:
            self._observe(input_id)
        with self._lock:
            self._settle()
            found = [
                one for one in self.videos.values() if input_id is None or one.input_id == input_id
            ]
            return sorted(found, key=lambda one: one.number, reverse=True)

    def find_video(self, video_id: str) -> Video:
        """Return a video.

        Raises:
            RefusedError: there is none.
        """
        with self._lock:
            self._settle()
            found = self.videos.get(video_id)
            if found is None:
                raise refusals.not_found()
            return found

    def delete_video(self, video_id: str) -> None:
        """Remove a video that is ready."""
        with self._lock:
            if self.is_being_made(self.find_video(video_id)):
                raise refusals.still_live()
            del self.videos[video_id]

    def is_being_made(self, video: Video) -> bool:
        """Tell whether a video is still ``live-inprogress``."""
        ready = self.finished(video)
        return ready is None or self.now < ready

    def length(self, video: Video) -> float:
        """Return how long a video is, in seconds."""
        return video.length if video.broadcast is None else video.broadcast.length

    def finished(self, video: Video) -> float | None:
        """Return when a video is, or was, ready, once that is known."""
        return video.created if video.broadcast is None else video.broadcast.ready

    def deletion(self, video: Video) -> float | None:
        """Return when a video is deleted by itself, if it is to be."""
        ready = self.finished(video)
        if video.retention is None or ready is None:
            return None
        return ready + video.retention * _DAY

    def stored(self, creator: str | None = None) -> list[Video]:
        """Return the videos that storage is billed for: not those that are being made."""
        with self._lock:
            self._settle()
            return [
                one
                for one in self.videos.values()
                if not self.is_being_made(one) and (creator is None or one.creator == creator)
            ]

    def stored_minutes(self, creator: str | None = None) -> float:
        """Return how much is stored, in minutes."""
        return sum(self.length(one) for one in self.stored(creator)) / 60

    # -- what requests do: signing keys, tokens, webhook ------------------------------------------

    def create_signing_key(self) -> SigningKey:
        """Make a key that signs playback tokens."""
        private = signing.new_private_key()
        with self._lock:
            if len(self.signing_keys) >= MAX_SIGNING_KEYS:
                raise refusals.invalid("The account has no signing keys left")
            made = SigningKey(id=self._hex(128), private=private, created=self.now)
            self.signing_keys[made.id] = made
            return made

    def delete_signing_key(self, key_id: str) -> None:
        """Revoke a key and all tokens that it signed."""
        with self._lock:
            if self.signing_keys.pop(key_id, None) is None:
                raise refusals.not_found()

    def create_token(self, uid: str, body: Mapping[str, object]) -> str:
        """Make a playback token for a video or a live input."""
        with self._lock:
            self._settle()
            is_known = uid in self.videos or (
                uid in self.inputs and self.switches.tokens_for_inputs
            )
            if not is_known:
                raise refusals.not_found()
            key_id, pem = body.get("id"), body.get("pem")
        if (key_id is None) != (pem is None):
            raise refusals.invalid("id and pem belong together")
        if isinstance(key_id, str) and isinstance(pem, str):
            return signing.sign(uid, key_id, signing.from_pem(pem), body, self._stamp())
        key = self._own_key()
        return signing.sign(uid, key.id, key.private, body, self._stamp())

    def watched_with(self, token: str, address: str) -> str | None:
        """Return the id that a playback token lets somebody at an address watch, if any."""
        with self._lock:
            known = list(self.signing_keys.values())
            known += [] if self._platform_key is None else [self._platform_key]
        keys = {one.id: one.private for one in known}
        return signing.verify(token, keys, self._stamp(), address)

    def set_webhook(self, body: Mapping[str, object]) -> Webhook:
        """Say where the account wants to be told of videos.

        The OpenAPI description has the address under both names.
        """
        url = body.get("notificationUrl", body.get("notification_url"))
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise refusals.invalid("notificationUrl must be an address")
        with self._lock:
            self.subscription = Webhook(url=url, modified=self.now)
            return self.subscription

    def find_webhook(self) -> Webhook:
        """Return where the account wants to be told of videos.

        Raises:
            RefusedError: nowhere.
        """
        if self.subscription is None:
            raise refusals.not_found()
        return self.subscription

    def delete_webhook(self) -> None:
        """Tell nobody of videos any more."""
        with self._lock:
            self.find_webhook()
            self.subscription = None

    # -- what is so now ---------------------------------------------------------------------------

    def condition(self, one: Input) -> Condition | None:
        """Return what a live input is doing, `None` before any encoder came."""
        now, broadcast, failure = self.now, one.broadcast, one.failure
        if failure is not None:
            return Condition("failed_to_connect", failure.code, failure.protocol, failure.at, now)
        if broadcast is None:
            return None
        span = broadcast.last
        if span.noticed is None or now < span.noticed:
            connected = span.start + broadcast.connect_time
            if now < connected:
                word, entered = "new_configuration_accepted", span.start
            else:
                again = len(broadcast.spans) > 1
                word, entered = "reconnected" if again else "connected", connected
            return Condition(word, "connected_to_live_input", span.protocol, entered, now)
        off = broadcast.off
        may_return = self.switches.announce_reconnecting and one.configuration.enabled
        word = "reconnecting" if may_return and off is not None and now < off else "disconnected"
        return Condition(word, "waiting_for_input", span.protocol, span.noticed, span.noticed)

    def on_air(self, one: Input) -> Broadcast | None:
        """Return the broadcast that viewers of a live input can watch, frozen or not, if any."""
        broadcast = one.broadcast
        if broadcast is None or one.configuration.recording.mode == "off":
            return None
        begins, off, now = broadcast.watchable_from, broadcast.off, self.now
        is_on = begins is not None and begins <= now and (off is None or now < off)
        return broadcast if is_on else None

    def viewers(self, one: Input) -> int:
        """Return how many watch a live input now."""
        with self._lock:
            if self.on_air(one) is None:
                return 0
            return sum(
                viewing.viewers
                for viewing in self._viewings
                if viewing.uid == one.uid and viewing.end is None
            )

    def viewings(self) -> tuple[list[Viewing], list[Broadcast]]:
        """Return who wanted to watch what, and what there was to watch."""
        with self._lock:
            self._settle()
            return [evolve(one) for one in self._viewings], list(self.broadcasts)

    # -- how it works inside ----------------------------------------------------------------------

    def _hex(self, bits: int) -> str:
        return f"{self._random.getrandbits(bits):0{bits // 4}x}"

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _stamp(self) -> int:
        return int(self._clock.now().timestamp())

    def _new_token(self, prefix: str, owner: str, *permissions: str) -> Token:
        return Token(
            id=self._hex(128),
            value=f"{prefix}{self._hex(192)}",
            owner=owner,
            permissions=frozenset(permissions),
        )

    def _new_keys(self, uid: str, media: MediaStream | None) -> Keys:
        """Make keys that look as those of public answers: ``<32 hex>k<the input's id>``."""
        rtmps, rtmps_playback, srt, srt_playback, web_rtc, web_rtc_playback = (
            f"{self._hex(128)}k{uid}" for _ in range(6)
        )
        return Keys(
            rtmps=rtmps if media is None else media.stream_key.reveal(),
            rtmps_playback=rtmps_playback,
            srt=srt,
            srt_playback=srt_playback,
            web_rtc=web_rtc,
            web_rtc_playback=web_rtc_playback,
        )

    def _own_key(self) -> SigningKey:
        with self._lock:
            if self._platform_key is None:
                self._platform_key = SigningKey(
                    id=self._hex(128), private=signing.new_private_key(), created=self.now
                )
            return self._platform_key

    def _true(self, one: Input) -> TrueLiveStream:
        is_full = self.stored_minutes() >= self.switches.storage_limit
        return TrueLiveStream(
            stream_id=one.uid,
            stream_keys=frozenset(
                _protocols(one) if one.configuration.enabled and not is_full else ()
            ),
            live=_is_pushed(one) and self.on_air(one) is not None,
            viewers=self.viewers(one),
            recordings=frozenset(
                each.uid for each in self.videos.values() if each.input_id == one.uid
            ),
        )

    def _open_span(self, one: Input, protocol: str) -> None:
        now, switches = self.now, self.switches
        span = Span(protocol=protocol, start=now)
        recording = one.configuration.recording
        recorded = recording.mode == "automatic" and protocol != "webrtc"
        one.failure = None
        before = one.broadcast
        if before is not None:
            # Who is back was surely gone.
            before.last.noticed = min(before.last.noticed or now, now)
        if before is not None and before.recorded and recorded and now < (before.off or now):
            before.spans.append(span)
            return
        is_real = one.media is not None
        broadcast = Broadcast(
            id=self._hex(128),
            input_id=one.uid,
            recorded=recorded,
            connect_time=0.0 if is_real else switches.connect_time,
            playlist_time=0.0 if is_real else switches.playlist_time,
            hold=(recording.timeout_seconds or switches.hold_time) + HOLD_MARGIN,
            processing_time=switches.processing_time,
            spans=[span],
        )
        one.broadcast = broadcast
        self.broadcasts.append(broadcast)
        if recorded:
            self.videos[broadcast.id] = Video(
                number=self._number(),
                uid=broadcast.id,
                name=f"{_name(one.configuration) or one.uid} {self.at(now):%d %b %y %H:%M} UTC",
                created=now,
                input_id=one.uid,
                broadcast=broadcast,
                creator=one.configuration.default_creator,
                require_signed_urls=recording.require_signed_urls,
                allowed_origins=recording.allowed_origins,
                retention=one.configuration.delete_recording_after_days,
            )

    def _close_span(self, one: Input, *, thrown_out: bool) -> None:
        if one.broadcast is None or one.broadcast.last.end is not None:
            return
        span, now = one.broadcast.last, self.now
        delay = 0.0
        if thrown_out:
            delay = self.switches.stop_time
        elif span.protocol == "srt":
            delay = self.switches.srt_loss_time
        span.end, span.noticed = now, now + delay

    def _return_of(self, one: Input) -> None:
        """Have an encoder that was thrown out try again, if it is of that kind."""
        encoder = self._encoders.get(one.uid)
        if encoder is not None and encoder.reconnects:
            encoder.connect()

    def _enforce(self, one: Input, *, enabled: bool) -> None:
        if self._media is not None and one.media is not None:
            self._media.set_enabled(one.media.media_id, enabled=enabled)
        if not enabled:
            with self._lock:
                self._close_span(one, thrown_out=True)
            self._return_of(one)

    def _refuse_broadcast(self, one: Input, code: str, protocol: str) -> None:
        one.failure = Failure(at=self.now, code=code, message=ERRORS[code], protocol=protocol)
        self._tell([(one.failure.at, "live_input.errored", one.uid, None)], failure=one.failure)

    def _observe(self, input_id: str) -> None:
        """Take over what the real live stream behind a live input is doing."""
        with self._lock:
            found = self.inputs.get(input_id)
            media = None if found is None else found.media
        if self._media is None or found is None or media is None:
            return
        state = self._media.state(media.media_id)
        viewers = self._media.viewer_count(media.media_id)
        with self._lock:
            self._settle()
            last = None if found.broadcast is None else found.broadcast.last
            is_pushed = last is not None and last.end is None
            if state is not StreamState.LIVE:
                found.is_refused = False
                self._close_span(found, thrown_out=False)
            elif not is_pushed and not found.is_refused:
                found.is_refused = not self.let_in(None, found.keys.rtmps)
            if viewers is not None and viewers != self.viewers(found):
                self.watch(found.uid, viewers)

    def _settle(self) -> None:
        """Let happen what is due by now."""
        now = self.now
        due: list[tuple[float, str, str, str | None]] = []
        for one in self.broadcasts:
            happened = _happened(one, now)
            due += happened[one.told :]
            one.told = max(one.told, len(happened))
        if due:
            self._tell(due)
        for video in list(self.videos.values()):
            deletion = self.deletion(video)
            if deletion is not None and deletion <= now:
                del self.videos[video.uid]

    def _tell(
        self,
        what: Iterable[tuple[float, str, str, str | None]],
        failure: Failure | None = None,
    ) -> None:
        for at, kind, input_id, video_id in sorted(what, key=lambda one: one[0]):
            self.events.append(
                Event(
                    number=len(self.events),
                    kind=kind,
                    at=at,
                    input_id=input_id,
                    video_id=video_id,
                    failure=failure,
                )
            )


def _name(configuration: InputConfiguration) -> str | None:
    name = configuration.meta.get("name")
    return name if isinstance(name, str) and name else None


def _protocols(one: Input) -> dict[str, str]:
    """Return how each of a live input's keys lets an encoder in."""
    return {one.keys.rtmps: "rtmp", one.keys.srt: "srt", one.keys.web_rtc: "webrtc"}


def _is_pushed(one: Input) -> bool:
    return one.broadcast is not None and one.broadcast.last.end is None


def _is_nth(count: int, every: int) -> bool:
    return every > 0 and count % every == 0


def _happened(one: Broadcast, now: float) -> list[tuple[float, str, str, str | None]]:
    """Return what happened in a broadcast until now; later calls give more, never others."""
    found: list[tuple[float, str, str, str | None]] = []
    for span in one.spans:
        connected = span.start + one.connect_time
        if connected > now or (span.end is not None and span.end < connected):
            continue
        found.append((connected, "live_input.connected", one.input_id, None))
        if span.noticed is not None and span.noticed <= now:
            found.append((span.noticed, "live_input.disconnected", one.input_id, None))
    if one.recorded and one.ready is not None and one.ready <= now:
        found.append((one.ready, "video.ready", one.input_id, one.id))
    return found
