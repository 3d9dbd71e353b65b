"""The provider ``aws-ivs``: the operations, put together from requests.

A live stream is a channel, and its ARN is the ``stream_id``.  A channel has one stream key.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import evolve

from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    ConfigurationError,
    ConflictError,
    EndOutcome,
    EndResult,
    Fields,
    Health,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    PlaybackToken,
    RateLimitedError,
    Secret,
    StreamNotFoundError,
)
from headend_ivs import analytics, operations as op, wire
from headend_ivs.analytics import Broadcast, Figures, Metrics
from headend_ivs.clients import (
    NOT_BROADCASTING,
    NOT_FOUND,
    PENDING_VERIFICATION,
    IvsClients,
)
from headend_ivs.settings import IvsOptions
from headend_ivs.wire import NAME, ChannelArn, KeyPairArn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from headend.plugin import (
        CreateRequest,
        LiveStream,
        Operation,
        ProviderContext,
        Session,
        StreamAnalytics,
        StreamCredentials,
        StreamEvent,
    )
    from headend_ivs.settings import IvsSettings
    from headend_ivs.wire import PlaybackKeyPair

_T = TypeVar("_T")

SETTLE_TIME: Final = 5.0
"""Seconds for which what was just created may not be found.  AWS promises nothing; the figure is
headend's own, as is `ProviderSpec.settle_time`."""

_HEALTH_KEPT: Final = 5.0
"""Seconds for which a good answer about health holds: probes of many workers must not use up the
five calls a second that creations and lists need as well."""
_POLL: Final = 1.0
"""Seconds between two looks at a channel."""
_STOP_TIMEOUT: Final = 60.0
"""Seconds that stopping may take, if there is so much time."""
_PAGE: Final = 100
_KEYS: Final = 50
_BATCH: Final = 50
"""The most elements of a page, of a page of stream keys, and of a batch."""
_MAX_TIMED_METADATA: Final = 1024
"""Bytes (docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/service-quotas.html)."""
_KEY_PREFIX: Final = "sk_"
"""How all stream keys begin (docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference)."""
_KEY_PAIR_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{0,128}")

_CONFLICT: Final = "ConflictException"
_NO_KEY: Final = (
    "the live stream may have no stream key now, and then no encoder can push until "
    "rotate_stream_key() is called again"
)
_STILL_THERE: Final = (
    "the stream key is replaced, and get_credentials() has the new one; an encoder that came in "
    "with the old one may still be there until rotate_stream_key() is called again"
)

_FINAL: Final = (
    AuthenticationError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitedError,
    StreamNotFoundError,
)
"""Refusals after which no stream key was made for certain."""

_REMEMBERED: Final = 1000
"""Of how many live streams a provider knows that it created or ended them."""


class IvsProvider:
    """Live streams on AWS IVS."""

    def __init__(self, settings: IvsSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._calls = context.calls
        self._clock = context.clock
        self._clients = self.make_clients(settings, context)
        self._metrics = Metrics(self._clients, context.clock)
        self._fresh = _Recent()
        self._ended = _Recent()
        self._listed: tuple[float, datetime] | None = None
        self._unverified: str | None = None

    def make_clients(self, settings: IvsSettings, context: ProviderContext) -> IvsClients:
        """Return what sends the requests."""
        return IvsClients(settings, context)

    @property
    def account(self) -> str:
        """The number of the account, and the region; STS is asked once where it is not known."""
        account = self._clients.account or self._clients.identity().account
        return f"{account} {self._clients.region}"

    def close(self) -> None:
        """Free connections."""
        self._clients.close()

    # -- what every provider has ------------------------------------------------------------------

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create a channel; its tags bear the marker, the host's own id, name and metadata."""
        options = request.options if isinstance(request.options, IvsOptions) else IvsOptions()
        try:
            parameters = wire.new_channel(request, options, created_at=self._clock.now())
        except ValueError as error:
            raise self.invalid(op.CREATE_CHANNEL, str(error)) from None
        try:
            made = self._clients.send(
                op.CREATE_CHANNEL, "create_channel", self.created, **parameters
            )
        except PermissionDeniedError as error:
            if error.code == PENDING_VERIFICATION:
                self._unverified = error.message
            raise
        self._unverified = None
        self.remember(made.stream_id)
        return made

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return a channel and what is broadcast on it: two requests."""
        channel = self.channel(op.GET_CHANNEL, stream_id)

        def look() -> LiveStream:
            stream = self.stream(channel)
            return self.look_at(
                channel, lambda found: wire.live_stream(found, stream, simulated=self.simulated)
            )

        return self.settled(channel, look)

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all channels with states and addresses: three requests for each hundred."""
        streams = {one.channel: one for page in self.streams() for one in page}
        for listed in self.pages(
            op.LIST_CHANNELS, "list_channels", "channels", wire.listed_live_stream
        ):
            known = self.batch([one.stream_id for one in listed])
            for one in listed:
                yield evolve(
                    wire.with_state(one, streams.get(one.stream_id)),
                    playback_url=known.playback_urls.get(one.stream_id),
                )

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:
        """Return the channels that bear this marker; AWS IVS finds them by their whole name."""
        pages = self.pages(
            op.LIST_CHANNELS,
            "list_channels",
            "channels",
            wire.listed_live_stream,
            filterByName=wire.channel_name(name, marker),
        )
        found = [one for page in pages for one in page if one.marker == marker]
        for one in found:
            self.remember(one.stream_id)
        return found

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return the stream key as it is now; a channel that has none gets one."""
        channel = self.channel(op.GET_STREAM_KEY, stream_id)
        return self.settled(channel, lambda: self.credentials(channel, self.current_key))

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        channel = self.channel(op.GET_CHANNEL, stream_id)
        return self.settled(channel, lambda: self.look_at(channel, self.playback_url))

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return the viewers now, and the figures of the present session, else of the latest.

        CloudWatch has them by channel.  So they are taken from the minute in which the session
        began to that of its end; of a session that began weeks ago, five minutes.
        """
        channel = self.channel(op.GET_STREAM, stream_id)
        now = self._clock.now()
        stream = self.settled(channel, lambda: self.stream(channel))
        broadcast = self.broadcast(channel, stream, now=now)
        figures = Figures()
        if broadcast is not None:
            figures = self._metrics.of([broadcast], now=now)[channel]
        return analytics.summary(channel, stream, figures, as_of=now)

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:  # noqa: ARG002  # recordings are the host's own, in its bucket
        """End a live stream in the platform's safe order, which may be taken up again anywhere.

        AWS IVS deletes no channel that is live, and an encoder that is thrown out comes back for
        as long as its key is good.  So the key goes first, then the encoder, then the channel.
        """
        channel = self.channel_to_end(stream_id)
        if not self.is_there(channel):
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        end = self._clock.monotonic() + min(_STOP_TIMEOUT, self._calls.time_left())
        try:
            while True:
                self.revoke(self.keys(channel))
                if self.stop(channel):
                    self.wait_until_off(channel, end)
                if self.delete(channel, end):
                    break
                self._calls.wait(
                    op.DELETE_CHANNEL, _POLL, "AWS IVS lets the live stream be deleted"
                )
        except StreamNotFoundError:
            # It was there a moment ago, so a request of ours, whose answer got lost, or another
            # host has ended it.
            pass
        self._ended.note(stream_id, self._clock.monotonic())
        return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED)

    def check_health(self) -> Health:
        """Ask who we are, and for one channel: this proves credentials, region and leave to list.

        A good answer is kept for five seconds.  That AWS has yet to verify the account shows in
        creations only; the last one's is told.
        """
        identity = self._clients.identity()
        checked_at = self.last_listed()
        message = f"{identity.arn} may list live streams in {self._clients.region}"
        if self._unverified is not None:
            message += f", but the last creation was refused: {self._unverified}"
        return Health(
            provider=NAME,
            ok=self._unverified is None,
            message=message,
            checked_at=checked_at,
        )

    # -- what this one has besides ----------------------------------------------------------------

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the stream key, and throw out the encoder that uses the old one.

        A channel has room for one key.  So the old one is deleted before the new one is made, and
        in between no encoder can connect.
        """
        channel = self.channel(op.CREATE_STREAM_KEY, stream_id)
        return self.settled(channel, lambda: self.credentials(channel, self.replaced_key))

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Return the sessions of the last sixty days, the latest first."""
        channel = self.channel(op.LIST_STREAM_SESSIONS, stream_id)
        pages = self.pages(
            op.LIST_STREAM_SESSIONS,
            "list_stream_sessions",
            "streamSessions",
            lambda one: wire.listed_session(one, stream_id),
            channelArn=channel.text,
        )
        return (one for page in pages for one in page)

    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Return one session, with its encoder's settings and what happened in it."""
        channel = self.channel(op.GET_STREAM_SESSION, stream_id)
        if not wire.is_session_id(session_id):
            raise StreamNotFoundError(
                f"the live stream {stream_id} has no session of this id",
                provider=NAME,
                operation=op.GET_STREAM_SESSION.name,
                request_sent=False,
            )
        return self._clients.send(
            op.GET_STREAM_SESSION,
            "get_stream_session",
            lambda answer: wire.session(answer.object("streamSession"), stream_id),
            channelArn=channel.text,
            streamId=session_id,
        )

    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        """Send a text of at most 1024 bytes to all viewers of a live stream that is live."""
        channel = self.channel(op.GET_STREAM, stream_id)
        operation = op.put_metadata(channel)
        if not 1 <= _size(text) <= _MAX_TIMED_METADATA:
            raise self.invalid(
                operation, f"timed metadata is a text of 1 to {_MAX_TIMED_METADATA} bytes of UTF-8"
            )
        self._clients.call(operation, "put_metadata", channelArn=channel.text, metadata=text)

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Return the figures of many, in the order asked, with a few requests for hundreds.

        Of those that are not live it tells only that: the figures of each session that is over
        would take a request of their own.
        """
        channels = [self.channel(op.BATCH_GET_CHANNEL, one) for one in stream_ids]
        if not channels:
            return []
        now = self._clock.now()
        wanted = {one.text: one for one in channels}
        known = self.batch(list(wanted))
        for arn, channel in wanted.items():
            if arn not in known.playback_urls:
                missing = self.not_in_batch(arn, known.errors.get(arn, NOT_FOUND))
                # What was just created is not live; there is nothing to wait for.
                if not isinstance(missing, StreamNotFoundError) or self.settling(channel) <= 0:
                    raise missing
        streams = {
            one.channel: one
            for page in self.streams()
            for one in page
            if one.channel in wanted and one.is_on
        }
        figures = self._metrics.of(
            [
                Broadcast(channel=wanted[arn], started_at=one.started_at)
                for arn, one in streams.items()
                if one.started_at is not None
            ],
            now=now,
        )
        return [
            analytics.summary(
                one,
                streams.get(one.text),
                figures.get(
                    one, analytics.UNKNOWN_START if one.text in streams else analytics.ONLY_ALONE
                ),
                as_of=now,
            )
            for one in channels
        ]

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Sign leave to watch a channel that was created with the option ``authorized``.

        Raises:
            ConfigurationError: AWS_IVS_PLAYBACK_KEY is not set, or is no key of the curve P-384.
        """
        from headend_ivs import signing

        channel = self.channel(op.GET_CHANNEL, stream_id)
        key = self._settings.playback_key
        if key is None:
            problem = (
                "AWS_IVS_PLAYBACK_KEY: is missing, and playback tokens are signed with it; "
                "`headend ivs-playback-key create` makes one"
            )
            raise ConfigurationError.of(f"provider {NAME}", [problem])
        try:
            expires_at = self._clock.now() + timedelta(seconds=expires_in)
        except OverflowError:
            raise self.invalid(op.GET_CHANNEL, "expires_in is beyond all calendars") from None
        expires_at = expires_at.replace(microsecond=0)
        token = signing.sign(
            channel.text, key, expires_at=expires_at, origins=self._settings.playback_origins
        )
        url = self.settled(channel, lambda: self.look_at(channel, self.playback_url))
        return PlaybackToken(
            token=token,
            playback_url=Secret(f"{url}?token={token.reveal()}"),
            expires_at=expires_at,
        )

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:
        """Verify and read an event that EventBridge delivered."""
        from headend_ivs import events

        return events.parse(
            headers,
            body,
            secret=self._settings.event_secret,
            from_queue=self._settings.events_from_queue,
        )

    # -- playback key pairs, of which an account has few ------------------------------------------

    def import_playback_key_pair(self, name: str, public_key: str) -> PlaybackKeyPair:
        """Give AWS the public half of a key with which playback tokens are signed.

        Args:
            name: at most 128 letters, digits, ``-`` and ``_``; it need not be unique.
            public_key: of the curve P-384, in PEM.
        """
        if not _KEY_PAIR_NAME.fullmatch(name):
            raise self.invalid(
                op.IMPORT_KEY_PAIR, "the name has at most 128 letters, digits, - and _"
            )
        return self._clients.send(
            op.IMPORT_KEY_PAIR,
            "import_playback_key_pair",
            lambda answer: wire.key_pair(answer.object("keyPair")),
            publicKeyMaterial=public_key,
            name=name,
        )

    def list_playback_key_pairs(self) -> Iterator[PlaybackKeyPair]:
        """Return the key pairs of the account in this region."""
        pages = self.pages(op.LIST_KEY_PAIRS, "list_playback_key_pairs", "keyPairs", wire.key_pair)
        return (one for page in pages for one in page)

    def delete_playback_key_pair(self, arn: str) -> None:
        """Delete a key pair: tokens that it signed are dead then.  One that is gone is no error.

        One of another region or account is: it is not found from here, and its tokens live on.
        """
        try:
            self.check_home(KeyPairArn.parse(arn), "playback key pair")
        except ValueError as error:
            raise self.invalid(op.DELETE_KEY_PAIR, str(error)) from None
        try:
            self._clients.call(op.DELETE_KEY_PAIR, "delete_playback_key_pair", arn=arn)
        except PlatformError as error:
            if error.code != NOT_FOUND:
                raise

    # -- the step of health -----------------------------------------------------------------------

    def last_listed(self) -> datetime:
        """Return when AWS last let us list: a moment ago, or now, by a request."""
        if self._listed is not None:
            until, listed_at = self._listed
            if self._clock.monotonic() < until:
                return listed_at
        self._clients.send(
            op.LIST_CHANNELS,
            "list_channels",
            lambda answer: answer.each("channels", wire.channel_arn),
            maxResults=1,
        )
        now = self._clock.now()
        self._listed = self._clock.monotonic() + _HEALTH_KEPT, now
        return now

    # -- the steps of ending ----------------------------------------------------------------------

    def is_there(self, channel: ChannelArn) -> bool:
        """Tell whether there is such a channel, before anything is done to it.

        What was created a moment ago, maybe by another host, may not be found yet.  To take that
        for gone would leave it behind, so that this looks twice.
        """
        try:
            self.look_at(channel, wire.channel_arn)
        except StreamNotFoundError:
            ended = self._ended.when(channel.text) is not None
            made = self._fresh.when(channel.text) is not None
            had_its_time = made and self.settling(channel) <= 0
            if ended or had_its_time or self._calls.time_left() <= SETTLE_TIME:
                return False
        else:
            return True
        self._calls.wait(
            op.GET_CHANNEL,
            SETTLE_TIME,
            "it is certain that there is no such live stream; AWS IVS may show new ones late",
        )
        try:
            self.look_at(channel, wire.channel_arn)
        except StreamNotFoundError:
            return False
        return True

    def revoke(self, keys: Sequence[str]) -> None:
        """Delete stream keys, so that no encoder gets in with them; who is in stays."""
        for arn in keys:
            try:
                self._clients.call(op.DELETE_STREAM_KEY, "delete_stream_key", arn=arn)
            except PlatformError as error:
                if error.code != NOT_FOUND:
                    raise

    def stop(self, channel: ChannelArn) -> bool:
        """Throw out the encoder; `False` if there was none."""
        try:
            self._clients.call(op.STOP_STREAM, "stop_stream", channelArn=channel.text)
        except ConflictError as error:
            if error.code != NOT_BROADCASTING:
                raise
            return False
        return True

    def wait_until_off(self, channel: ChannelArn, end: float) -> None:
        """Wait until nothing is broadcast any more, so that AWS IVS would delete the channel."""
        while (stream := self.stream(channel)) is not None and stream.is_on:
            if self._clock.monotonic() + _POLL > end:
                raise PlatformTimeoutError(
                    f"the key is revoked and the encoder was thrown out, but AWS IVS still says "
                    f"{stream.state}; end it again in a minute",
                    provider=NAME,
                    operation=op.STOP_STREAM.name,
                    request_sent=True,
                )
            self._calls.wait(op.GET_STREAM, _POLL, "the encoder is gone")

    def delete(self, channel: ChannelArn, end: float) -> bool:
        """Delete a channel; `False` if it is still live and there is time to try again."""
        try:
            self._clients.call(op.DELETE_CHANNEL, "delete_channel", arn=channel.text)
        except ConflictError as error:
            if error.code != _CONFLICT:
                raise
            if self._clock.monotonic() + _POLL > end:
                error.retryable = True
                _add(error, "its key is revoked; end it again in a minute")
                raise
            return False
        return True

    # -- the steps of reading ---------------------------------------------------------------------

    @property
    def simulated(self) -> bool:
        """Whether addresses may be those of a simulator."""
        return self._settings.ingest_url is not None

    def created(self, answer: Fields) -> StreamCredentials:
        """Read the answer to a creation."""
        return wire.credentials(
            answer.object("channel"),
            answer.object("streamKey"),
            ingest_url=self._settings.ingest_url,
        )

    def playback_url(self, channel: Fields) -> str:
        """Read where viewers watch."""
        return wire.playback_url(channel, simulated=self.simulated)

    def look_at(self, channel: ChannelArn, read: Callable[[Fields], _T]) -> _T:
        """Return what `read` makes of a channel."""
        return self._clients.send(
            op.GET_CHANNEL,
            "get_channel",
            lambda answer: read(_of(channel, answer.object("channel"), "arn")),
            arn=channel.text,
        )

    def batch(self, arns: Sequence[str]) -> wire.Batch:
        """Return what there is of many channels, with one request for each fifty."""
        found: dict[str, str] = {}
        errors: dict[str, str] = {}
        for start in range(0, len(arns), _BATCH):
            answered = self._clients.send(
                op.BATCH_GET_CHANNEL,
                "batch_get_channel",
                lambda answer: wire.batch(answer, simulated=self.simulated),
                arns=list(arns[start : start + _BATCH]),
            )
            found |= answered.playback_urls
            errors |= answered.errors
        return wire.Batch(playback_urls=found, errors=errors)

    def stream(self, channel: ChannelArn) -> wire.Stream | None:
        """Return what is broadcast on a channel now, or `None` if nothing is."""
        try:
            return self._clients.send(
                op.GET_STREAM,
                "get_stream",
                lambda answer: wire.stream(_of(channel, answer.object("stream"), "channelArn")),
                channelArn=channel.text,
            )
        except ConflictError as error:
            if error.code != NOT_BROADCASTING:
                raise
            return None

    def streams(self) -> Iterator[list[wire.Stream]]:
        """Return what is broadcast on all channels, page by page."""
        return self.pages(op.LIST_STREAMS, "list_streams", "streams", wire.stream)

    def broadcast(
        self, channel: ChannelArn, stream: wire.Stream | None, *, now: datetime
    ) -> Broadcast | None:
        """Return the present session, else the latest, or `None` if there was none."""
        is_on = stream is not None and stream.is_on
        if is_on and stream is not None and stream.started_at is not None:
            return Broadcast(channel=channel, started_at=stream.started_at)
        try:
            # Without an id it is the latest one.
            latest = self._clients.send(
                op.GET_STREAM_SESSION,
                "get_stream_session",
                lambda answer: wire.listed_session(answer.object("streamSession"), channel.text),
                channelArn=channel.text,
            )
        except PlatformError as error:
            # The channel was there a moment ago, so that it is a session that is not found.
            if error.code != NOT_FOUND:
                raise
            return None
        if latest.started_at is None:
            return None
        return Broadcast(
            channel=channel,
            started_at=latest.started_at,
            ended_at=None if is_on else latest.ended_at or now,
        )

    # -- the steps of keys ------------------------------------------------------------------------

    def credentials(
        self, channel: ChannelArn, get_key: Callable[[ChannelArn], wire.StreamKey]
    ) -> StreamCredentials:
        """Return a channel's addresses with the key that `get_key` gets."""
        entrance = self.look_at(
            channel, lambda found: wire.entrance(found, ingest_url=self._settings.ingest_url)
        )
        return entrance.credentials(get_key(channel))

    def keys(self, channel: ChannelArn) -> list[str]:
        """Return the ARNs of a channel's stream keys: one, or none."""
        pages = self.pages(
            op.LIST_STREAM_KEYS,
            "list_stream_keys",
            "streamKeys",
            wire.key_arn,
            page=_KEYS,
            channelArn=channel.text,
        )
        return [one for page in pages for one in page]

    def key(self, channel: ChannelArn, arn: str) -> wire.StreamKey | None:
        """Return a stream key with its value, or `None` where it is gone meanwhile."""
        try:
            return self._clients.send(
                op.GET_STREAM_KEY,
                "get_stream_key",
                lambda answer: wire.stream_key(
                    _of(channel, answer.object("streamKey"), "channelArn")
                ),
                arn=arn,
            )
        except PlatformError as error:
            if error.code != NOT_FOUND:
                raise
            return None

    def current_key(self, channel: ChannelArn) -> wire.StreamKey:
        """Return the stream key; one that broke off rotating left none, so that one is made."""
        for arn in self.keys(channel):
            key = self.key(channel, arn)
            if key is not None:
                return key
        return self.new_key(channel, instead_of=())

    def replaced_key(self, channel: ChannelArn) -> wire.StreamKey:
        """Delete the stream key, make another, and throw out who came in with the old one."""
        old = self.keys(channel)
        try:
            self.revoke(old)
        except PlatformError as error:
            _add(error, "the old stream key may be dead already: call rotate_stream_key() again")
            raise
        try:
            key = self.new_key(channel, instead_of=old)
        except PlatformError as error:
            _add(error, _NO_KEY)
            raise
        try:
            self.stop(channel)
        except PlatformError as error:
            _add(error, _STILL_THERE)
            raise
        return key

    def new_key(self, channel: ChannelArn, *, instead_of: Sequence[str]) -> wire.StreamKey:
        """Make a stream key, or find the one that a request made whose answer got lost.

        A channel has room for one.  So a second request makes no second one, and it is refused for
        as long as AWS IVS counts one that was deleted a moment ago.
        """
        end = self._clock.monotonic() + min(SETTLE_TIME, self._calls.time_left())
        while True:
            try:
                return self._clients.send(
                    op.CREATE_STREAM_KEY,
                    "create_stream_key",
                    lambda answer: wire.stream_key(
                        _of(channel, answer.object("streamKey"), "channelArn")
                    ),
                    channelArn=channel.text,
                )
            except PlatformError as error:
                if isinstance(error, _FINAL) or error.request_sent is False:
                    raise
                for arn in self.keys(channel):
                    found = None if arn in instead_of else self.key(channel, arn)
                    if found is not None:
                        return found
                if self._clock.monotonic() + _POLL > end:
                    raise
            self._calls.wait(op.CREATE_STREAM_KEY, _POLL, "AWS IVS has room for the new stream key")

    # -- what all steps share ---------------------------------------------------------------------

    def pages(
        self,
        operation: Operation,
        api: str,
        name: str,
        read: Callable[[Fields], _T],
        *,
        page: int = _PAGE,
        **parameters: object,
    ) -> Iterator[list[_T]]:
        """Return the elements of each page, which is asked for when it is reached."""
        token: str | None = None
        seen: set[str] = set()
        while True:
            elements, token = self._clients.send(
                operation,
                api,
                lambda answer: (
                    answer.each(name, read),
                    answer.optional("nextToken", Fields.text) or None,
                ),
                **parameters,
                maxResults=page,
                **({} if token is None else {"nextToken": token}),
            )
            yield elements
            if token is None:
                return
            if token in seen:
                raise PlatformProtocolError(
                    "AWS IVS gave a page's token twice, so that its list would never end",
                    provider=NAME,
                    operation=operation.name,
                    request_sent=True,
                )
            seen.add(token)

    def remember(self, stream_id: str) -> None:
        """Note what was just created, because AWS promises nothing of when it is found."""
        self._fresh.note(stream_id, self._clock.monotonic())

    def settled(self, channel: ChannelArn, look: Callable[[], _T]) -> _T:
        """Return what is found, and look again for what was created a moment ago.

        Raises:
            StreamNotFoundError: it is not there, and it has had its time.
        """
        while True:
            try:
                return look()
            except StreamNotFoundError:
                left = min(self.settling(channel), self._calls.time_left())
                if left <= 0:
                    raise
            self._calls.wait(
                op.GET_CHANNEL, min(_POLL, left), "AWS IVS shows what was just created"
            )

    def settling(self, channel: ChannelArn) -> float:
        """Return the seconds for which it may be there and not be found; none, if not above 0."""
        since = self._fresh.when(channel.text)
        if since is None or self._ended.when(channel.text) is not None:
            return 0.0
        return since + SETTLE_TIME - self._clock.monotonic()

    def channel(self, operation: Operation, stream_id: str) -> ChannelArn:
        """Return the channel that an id names.

        Raises:
            StreamNotFoundError: it cannot be one of these credentials and this region, so that
                nothing is sent.  The error does not hold what is no ARN, which may be a key.
            InvalidRequestError: it is a stream key.
        """
        try:
            return self.parsed(stream_id)
        except ValueError as error:
            if stream_id.startswith(_KEY_PREFIX):
                raise self.invalid(operation, str(error)) from None
            raise StreamNotFoundError(
                str(error), provider=NAME, operation=operation.name, request_sent=False
            ) from None

    def channel_to_end(self, stream_id: str) -> ChannelArn:
        """Return the channel that an id names, which is to end.

        Raises:
            InvalidRequestError: it cannot be one of these credentials and this region.  To call it
                gone already would leave the one alone that was meant.
        """
        try:
            return self.parsed(stream_id)
        except ValueError as error:
            raise self.invalid(op.DELETE_CHANNEL, str(error)) from None

    def parsed(self, stream_id: str) -> ChannelArn:
        """Read an id; a `ValueError` says why it names nothing that can be found from here."""
        channel = ChannelArn.parse(stream_id)
        self.check_home(channel, "live stream")
        return channel

    def check_home(self, arn: ChannelArn | KeyPairArn, what: str) -> None:
        """Raise a `ValueError` where something is in another region, or account if it is known."""
        if arn.region != self._clients.region:
            raise ValueError(
                f"the {what} {arn} is in the region {arn.region}, and this is "
                f"{self._clients.region}: set AWS_IVS_REGION={arn.region}"
            )
        account = self._clients.account
        if account is not None and arn.account != account:
            raise ValueError(
                f"the {what} {arn} is in the account {arn.account}, and the "
                f"credentials are those of {account}"
            )

    def not_in_batch(self, arn: str, code: str) -> PlatformError:
        """Return the error for a channel that a batch does not have."""
        kind: type[PlatformError] = PlatformUnavailableError
        why = f"AWS IVS did not tell about the live stream {arn}; ask again"
        if "NotFound" in code:
            kind = StreamNotFoundError
            why = f"there is no live stream {arn}; `headend list` names those there are"
        elif "Denied" in code:
            kind = PermissionDeniedError
            why = f"the credentials may not read the live stream {arn}"
        return kind(
            why, provider=NAME, operation=op.BATCH_GET_CHANNEL.name, code=code, request_sent=True
        )

    def invalid(self, operation: Operation, why: str) -> InvalidRequestError:
        """Return the error for what is refused here, before it is sent."""
        return InvalidRequestError(why, provider=NAME, operation=operation.name, request_sent=False)


class _Recent:
    """The live streams that something was done to lately, and when; for many threads."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def note(self, stream_id: str, time: float) -> None:
        """Keep one more, and forget the first where there are too many."""
        with self._lock:
            self._times[stream_id] = time
            if len(self._times) > _REMEMBERED:
                self._times.popitem(last=False)

    def when(self, stream_id: str) -> float | None:
        """Return when, or `None` if that is not known."""
        return self._times.get(stream_id)


def _of(channel: ChannelArn, found: Fields, name: str) -> Fields:
    """Return what was found, which must be the channel's that was asked for."""
    if wire.channel_arn(found, name) != channel.text:
        raise BrokenAnswerError("it is about another channel")
    return found


def _size(text: str) -> int:
    """Return the bytes of a text; 0 where it is none, because it holds half a character."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


def _add(error: PlatformError, words: str) -> None:
    """Say in an error's message what state it leaves behind."""
    error.message = f"{error.message}; {words}"
    error.args = (error.message, *error.args[1:])
