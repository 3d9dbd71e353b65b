"""The provider ``cloudflare``: the operations, put together from requests.

It is a subclass's parent as well: every step of an operation is a method of its own.  Paths and
bodies are those of the OpenAPI description in the repository cloudflare/cloudflare-typescript.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    ConfigurationError,
    ConflictError,
    Effect,
    EndOutcome,
    EndResult,
    Fields,
    Health,
    InvalidRequestError,
    Operation,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlaybackToken,
    QuotaExceededError,
    RateLimitedError,
    StreamAnalytics,
    StreamCredentials,
    StreamNotFoundError,
    UncertainOutcomeError,
    elements,
)
from headend_cloudflare import events, signing, wire
from headend_cloudflare.analytics import (
    NO_BITRATE,
    NO_PEAK,
    Analytics,
    Unknown,
    why_uncounted,
)
from headend_cloudflare.facts import API_LIMIT
from headend_cloudflare.settings import CloudflareOptions
from headend_cloudflare.transport import STILL_LIVE, Transport
from headend_cloudflare.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from headend.plugin import (
        CreateRequest,
        LiveStream,
        ProviderContext,
        Recording,
        Secret,
        SimulcastTarget,
        StreamEvent,
    )
    from headend_cloudflare.settings import CloudflareSettings

_T = TypeVar("_T")


def _operation(name: str, effect: Effect) -> Operation:
    return Operation(name, effect=effect, limits=(API_LIMIT,))


CREATE: Final = _operation("create_live_stream", Effect.WRITE)
CONFIRM: Final = _operation("confirm_live_stream", Effect.READ)
GET: Final = _operation("get_live_stream", Effect.READ)
LIST: Final = _operation("list_live_streams", Effect.READ)
CREDENTIALS: Final = _operation("get_credentials", Effect.READ)
PLAYBACK: Final = _operation("get_playback_url", Effect.READ)
ANALYTICS: Final = _operation("get_analytics", Effect.READ)
ROTATE: Final = _operation("rotate_stream_key", Effect.REPEATABLE)
ENABLE: Final = _operation("enable_live_stream", Effect.REPEATABLE)
DISABLE: Final = _operation("disable_live_stream", Effect.REPEATABLE)
END: Final = _operation("end_live_stream", Effect.REPEATABLE)
WAIT: Final = _operation("end_live_stream", Effect.READ)
RECORDINGS: Final = _operation("list_recordings", Effect.READ)
DELETE_RECORDING: Final = _operation("delete_recording", Effect.REPEATABLE)
FIND_RECORDING: Final = _operation("delete_recording", Effect.READ)
TARGETS: Final = _operation("list_simulcast_targets", Effect.READ)
CREATE_TARGET: Final = _operation("create_simulcast_target", Effect.WRITE)
UPDATE_TARGET: Final = _operation("update_simulcast_target", Effect.REPEATABLE)
DELETE_TARGET: Final = _operation("delete_simulcast_target", Effect.REPEATABLE)
TOKEN: Final = _operation("create_playback_token", Effect.REPEATABLE)
HEALTH: Final = _operation("check_health", Effect.READ)

POLL: Final = 2.0
"""Seconds between two looks at a live stream whose encoder was thrown out."""
STOP_TIMEOUT: Final = 60.0
"""Seconds that an encoder may take to be gone, if there is so much time."""
PAGE: Final = 1000
"""The most videos that can be asked for at once; ``limit`` of ``GET /stream``."""
LONGEST_TOKEN: Final = 24 * 3600.0
"""Seconds that a token by the endpoint is good for at most.

See developers.cloudflare.com/stream/viewing-videos/securing-your-stream.
"""
NEARLY_FULL: Final = 0.9
"""The part of the stored minutes paid for, from which a person should be told."""

_NAMES_NOTHING: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""What is no id, but as short as one: it can be shown, for no key and no address is so short."""

_NAMED_BY: Final[Mapping[str, str]] = {
    "live stream": "`headend list` names the live streams there are",
    "recording": "list_recordings() names those of a live stream",
    "simulcast target": "list_simulcast_targets() names those of a live stream",
}
"""Where to find the ids of what there is."""
_SEE_VIDEOS: Final = "the dashboard lists all videos that there are, under Stream"

_REFUSALS: Final = (
    AuthenticationError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
    InvalidRequestError,
)
"""Errors after which nothing was made for certain."""


@frozen
class Made:
    """What the platform says that it made, beside what was asked for.

    Attributes:
        stream_id: names it.
        dropped: settings that it did not keep.
        credentials: what is needed to push and to watch, or why that cannot be known.
    """

    stream_id: str
    dropped: Sequence[wire.Dropped]
    credentials: StreamCredentials | ConfigurationError


class CloudflareProvider:
    """Live streams on Cloudflare Stream, where they are called live inputs."""

    def __init__(self, settings: CloudflareSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._calls = context.calls
        self._clock = context.clock
        self._transport = self.make_transport(settings, context)
        self._analytics = Analytics(
            self._transport, context.calls, context.clock, settings.account_id
        )

    def make_transport(self, settings: CloudflareSettings, context: ProviderContext) -> Transport:
        """Return what sends the requests."""
        return Transport(settings, context)

    @property
    def account(self) -> str:
        """The account that all happens in."""
        return self._settings.account_id

    def close(self) -> None:
        """Free connections."""
        self._transport.close()

    # -- what every provider has ------------------------------------------------------------------

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create an input that records, since nothing else can be watched by HLS.

        Raises:
            InvalidRequestError: a value is not acceptable, or the platform accepted a setting that
                matters and did not keep it; then what it made was deleted.
            ConfigurationError: nothing tells where viewers watch; what was made was deleted.
        """
        body = wire.new_input(request, _options_of(request))
        made = self._transport.send(
            CREATE,
            "POST",
            self.inputs_path(),
            read=_in_result(lambda fields: self.made(body, fields)),
            body=body,
        )
        return self.accept(made)

    def confirm_live_stream(self, request: CreateRequest, stream_id: str) -> StreamCredentials:
        """Return what `create_live_stream` would have, had its answer arrived."""
        body = wire.new_input(request, _options_of(request))
        made = self.read_input(CONFIRM, stream_id, lambda fields: self.made(body, fields))
        return self.accept(made)

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream as the platform has it now."""
        return self.read_input(GET, stream_id, self.live_stream)

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams; a list does not tell their states and addresses.

        Raises:
            PlatformProtocolError: there are more than the platform gave, and no way to the others
                is documented.  It comes after all that were given.
        """
        found, total = self.read_list()
        yield from found
        if total is not None and total > len(found):
            raise self.cut_short(len(found), total)

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # the list has no filter by name
        """Return the live streams that bear this marker; the platform cannot filter by `meta`.

        Raises:
            PlatformProtocolError: the platform gave not all that there are, and none of those has
                the marker, so that it cannot be told whether there is one.
        """
        found, total = self.read_list()
        marked = [one for one in found if one.marker == marker]
        if not marked and total is not None and total > len(found):
            raise self.cut_short(len(found), total)
        return marked

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return what is needed to push and to watch, with the keys as they are now."""
        return self.read_input(CREDENTIALS, stream_id, self.credentials)

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers.

        Raises:
            ConfigurationError: neither the platform nor a setting tells it.
        """
        url = self.read_input(
            PLAYBACK,
            stream_id,
            lambda fields: wire.playback_url(fields, self._settings.customer_url),
        )
        if url is None:
            raise wire.no_customer_url()
        return url

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return viewers and watch time where Cloudflare tells them, and else the reasons."""
        stream, base, uncounted, retention = self.read_input(
            ANALYTICS,
            stream_id,
            lambda fields: (
                self.live_stream(fields),
                wire.customer_base(fields, self._settings.customer_url),
                why_uncounted(fields),
                wire.retention(fields),
            ),
        )
        viewers = uncounted or self._analytics.viewer_count(base, stream_id)
        watch_time = self._analytics.watch_time(
            stream.created_at,
            retention,
            lambda: [stream_id, *(one.recording_id for one in self.recordings_of(stream_id))],
        )
        unknown = {"current_bitrate": NO_BITRATE, "peak_viewers": NO_PEAK}
        if isinstance(viewers, Unknown):
            unknown["viewer_count"] = viewers.reason
        if isinstance(watch_time, Unknown):
            unknown["total_watch_time"] = watch_time.reason
        return StreamAnalytics(
            stream_id=stream_id,
            as_of=self._clock.now(),
            viewer_count=None if isinstance(viewers, Unknown) else viewers,
            total_watch_time=None if isinstance(watch_time, Unknown) else watch_time,
            unknown=unknown,
        )

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream in the platform's safe order, which may be taken up again anywhere.

        An encoder that is thrown out comes back for as long as it is let in, and deleting an input
        leaves its recordings, which are billed and which nobody finds by the input any more.  So
        encoders are refused first, then the recordings are seen to, then the input goes.

        Raises:
            ConflictError: recordings are to be deleted and one is still being made.  The live
                stream stays, and takes no encoder; end it again in some minutes.
            PlatformTimeoutError: the encoder is still there; end it again later.
            InvalidRequestError: this is no id of a live stream but maybe a key or an address.
        """
        if self.names_nothing(END, stream_id, "live stream"):
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        with self._calls.deadline():
            try:
                self.refuse_encoders(stream_id)
            except StreamNotFoundError:
                return self.tidy_up(stream_id, delete_recordings=delete_recordings)
            kept: tuple[Recording, ...] = ()
            try:
                self.wait_until_off(stream_id)
                kept = self.recordings_of(stream_id)
                if delete_recordings:
                    self.delete_recordings(stream_id, kept)
                    kept = ()
                self.delete(stream_id)
            except StreamNotFoundError:
                # It was there a moment ago, so a request of ours, whose answer got lost, or
                # another host has ended it.
                pass
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED, recordings_kept=kept)

    def check_health(self) -> Health:
        """Ask how full the store of recordings is.

        This proves address, account, token, its leave to read, and the subscription to Stream; not
        its leave to write.  With a full store a live stream can be created, and each broadcast to
        it fails (developers.cloudflare.com/stream/pricing), so that counts as unhealthy.
        """
        storage = self._transport.send(
            HEALTH, "GET", f"{self.stream_path()}/storage-usage", read=_in_result(wire.storage)
        )
        used = f"{storage.used:.0f} of {storage.limit:.0f} minutes of recordings are stored"
        full = storage.used >= storage.limit
        message = f"account {self.account} answers; {used}"
        warnings: tuple[str, ...] = ()
        if full:
            message += "; every broadcast fails until some are deleted or more are bought"
        elif storage.used >= NEARLY_FULL * storage.limit:
            warnings = (f"{used}; when that is full, every broadcast fails",)
        return Health(
            provider=NAME,
            ok=not full,
            message=message,
            checked_at=self._clock.now(),
            warnings=warnings,
        )

    # -- what this one has besides ----------------------------------------------------------------

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the keys of all ingests; encoders that use the old ones are thrown out."""
        return self.change(ROTATE, stream_id, "rotate_keys", self.credentials)

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Let encoders in again."""
        return self.change(ENABLE, stream_id, "enable", self.live_stream)

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse encoders, and throw out the one that is there."""
        return self.change(DISABLE, stream_id, "disable", self.live_stream)

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Return what the sessions left, also what is being recorded now; the oldest first."""
        found = False
        for one in self.each_recording(stream_id):
            found = True
            yield one
        if not found:
            # The platform has an empty list for an input that there is none of, too.
            self.read_input(RECORDINGS, stream_id, wire.stream_id)

    def delete_recording(self, recording_id: str) -> None:
        """Delete a recording; one that is gone is no error.

        Raises:
            ConflictError: it is still being made; some minutes after its broadcast it can go.
            InvalidRequestError: this is no id of a recording but maybe a key or an address.
        """
        if self.names_nothing(DELETE_RECORDING, recording_id, "recording"):
            return
        try:
            self.delete_one(
                DELETE_RECORDING,
                self.video_path(recording_id),
                lambda: self.read_video(recording_id),
            )
        except StreamNotFoundError:
            return
        except ConflictError as error:
            if error.code != STILL_LIVE:
                raise
            raise self.still_recording(error, recording_id) from error

    def list_simulcast_targets(self, stream_id: str) -> Sequence[SimulcastTarget]:
        """Return the places to which the platform pushes a copy; it calls them outputs."""
        return self._transport.send(
            TARGETS,
            "GET",
            self.outputs_path(TARGETS, stream_id),
            read=lambda envelope: wire.simulcast_targets(envelope.raw("result"), stream_id),
        )

    def create_simulcast_target(
        self, stream_id: str, server_url: str, stream_key: Secret
    ) -> SimulcastTarget:
        """Add one; where the answer is lost, it is looked for before anything is said."""
        path = self.outputs_path(CREATE_TARGET, stream_id)
        body = wire.new_output(server_url, stream_key)
        try:
            return self._transport.send(
                CREATE_TARGET,
                "POST",
                path,
                read=_in_result(lambda fields: wire.simulcast_target(fields, stream_id)),
                body=body,
                hidden=(stream_key,),
            )
        except _REFUSALS:
            raise
        except PlatformError as error:
            if error.request_sent is False:
                raise
            found = self.find_target(stream_id, server_url, stream_key, error)
            if found is None:
                raise self.uncertain_target(error, "it is not in the list yet") from error
            return found

    def update_simulcast_target(
        self, stream_id: str, target_id: str, *, enabled: bool
    ) -> SimulcastTarget:
        """Switch one on or off; its address and key cannot be changed on this platform."""
        return self._transport.send(
            UPDATE_TARGET,
            "PUT",
            self.output_path(UPDATE_TARGET, stream_id, target_id),
            read=_in_result(lambda fields: wire.simulcast_target(fields, stream_id)),
            body={"enabled": enabled},
        )

    def delete_simulcast_target(self, stream_id: str, target_id: str) -> None:
        """Remove one; a push to it stops within 30 s.  One that is gone is no error.

        Raises:
            InvalidRequestError: this is no id of a simulcast target but maybe a key or an address.
        """
        path = self.outputs_path(DELETE_TARGET, stream_id)
        if not self.names_nothing(DELETE_TARGET, target_id, "simulcast target"):
            try:
                self.delete_one(
                    DELETE_TARGET,
                    f"{path}/{target_id}",
                    lambda: self.see_target(stream_id, target_id),
                )
            except StreamNotFoundError:
                pass
            else:
                return
        # The platform has one code for both: this raises if it is the live stream that is gone.
        self.list_simulcast_targets(stream_id)

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Give leave to watch: signed here if there is a signing key, else by the platform.

        Raises:
            InvalidRequestError: the time is longer than the platform signs for.
            ConfigurationError: nothing tells where viewers watch, or the signing key is none.
        """
        settings = self._settings
        if settings.signing_key is None and expires_in > LONGEST_TOKEN:
            raise InvalidRequestError(
                f"Cloudflare gives playback tokens for {LONGEST_TOKEN / 3600:.0f} hours at most; "
                "for longer ones set CLOUDFLARE_STREAM_SIGNING_KEY_ID and "
                "CLOUDFLARE_STREAM_SIGNING_KEY",
                provider=NAME,
                operation=TOKEN.name,
                request_sent=False,
            )
        expires_at = self.expiry(expires_in)
        url = self.read_input(
            TOKEN, stream_id, lambda fields: wire.playback_url(fields, settings.customer_url)
        )
        if url is None:
            raise wire.no_customer_url()
        if settings.signing_key is not None and settings.signing_key_id is not None:
            token = signing.sign(
                stream_id, settings.signing_key_id, settings.signing_key, expires_at=expires_at
            )
        else:
            token = self.ask_for_token(stream_id, expires_at)
        return PlaybackToken(
            token=token, playback_url=self.with_token(url, stream_id, token), expires_at=expires_at
        )

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:
        """Verify and read a notification or a message of the Stream webhook."""
        return events.parse(
            headers,
            body,
            notification_secret=self._settings.notification_secret,
            webhook_secret=self._settings.webhook_secret,
            now=self._clock.now(),
        )

    # -- the steps of creating --------------------------------------------------------------------

    def made(self, sent: Mapping[str, object], fields: Fields) -> Made:
        """Compare what was made with what was asked for."""
        dropped = wire.dropped_settings(sent, fields)
        warnings = tuple(f"{one}; set it in the dashboard, or go without" for one in dropped)
        credentials: StreamCredentials | ConfigurationError
        try:
            credentials = wire.credentials(fields, self._settings.customer_url, warnings)
        except ConfigurationError as error:
            credentials = error
        return Made(wire.stream_id(fields), dropped, credentials)

    def accept(self, made: Made) -> StreamCredentials:
        """Return the credentials, unless what was made must not be used; then it is deleted."""
        grave = [one for one in made.dropped if one.grave]
        if grave:
            what = "; ".join(map(str, grave))
            is_marked = all(one.name.split(".")[0] != "meta" for one in grave)
            fate = self.undo(made.stream_id, what, is_marked=is_marked)
            raise InvalidRequestError(
                f"{what}; {fate}",
                provider=NAME,
                operation=CREATE.name,
                request_sent=True,
            )
        if isinstance(made.credentials, ConfigurationError):
            fate = self.undo(made.stream_id, made.credentials.message, is_marked=True)
            raise ConfigurationError(
                f"{made.credentials.message}; {fate}", problems=made.credentials.problems
            ) from made.credentials
        return made.credentials

    def undo(self, stream_id: str, why: str, *, is_marked: bool) -> str:
        """Delete what was just made, and say so.

        Args:
            stream_id: what was made.
            why: for an error.
            is_marked: whether it can be found by its marker.

        Raises:
            UncertainOutcomeError: it could not be deleted; by its marker it will be found.
        """
        try:
            self.delete(stream_id)
        except StreamNotFoundError:
            pass
        except PlatformError as error:
            if not is_marked:
                # Looking for it by a marker that it does not bear would only make more of them.
                return (
                    f"the live stream {stream_id} is still there, since deleting it failed: "
                    f"{error}; `headend end {stream_id}` ends it"
                )
            raise UncertainOutcomeError(
                f"{why}; the live stream {stream_id} is still there, since deleting it failed: "
                f"{error}; `headend end {stream_id}` ends it",
                provider=NAME,
                operation=CREATE.name,
            ) from error
        return f"the live stream {stream_id} was deleted again"

    # -- the steps of ending ----------------------------------------------------------------------

    def refuse_encoders(self, stream_id: str) -> None:
        """Let no encoder in any more, and throw out the one that is there."""
        self.change(END, stream_id, "disable", wire.stream_id)

    def wait_until_off(self, stream_id: str) -> None:
        """Wait until the encoder is gone."""
        allowed = min(STOP_TIMEOUT, self._calls.time_left())
        end = self._clock.monotonic() + allowed
        while self.read_input(WAIT, stream_id, wire.has_encoder):
            if self._clock.monotonic() + POLL >= end:
                raise PlatformTimeoutError(
                    f"the live stream takes no encoder any more, and after {allowed:.1f} s one is "
                    "still there; end it again later",
                    provider=NAME,
                    operation=END.name,
                    request_sent=True,
                )
            self._calls.wait(WAIT, POLL, "the encoder is gone")

    def delete_recordings(self, stream_id: str, recordings: Sequence[Recording]) -> None:
        """Delete recordings; those that are still being made keep none of the others.

        The platform needs minutes to finish one, more than any call takes, so that this waits for
        none of them.

        Raises:
            ConflictError: one is still being made; all that could be deleted are.
        """
        unfinished: tuple[ConflictError, str] | None = None
        for one in recordings:
            try:
                self.delete_recording(one.recording_id)
            except ConflictError as error:
                if error.code != STILL_LIVE:
                    raise
                unfinished = unfinished or (error, one.recording_id)
        if unfinished is not None:
            refusal, recording_id = unfinished
            raise self.still_ending(refusal, stream_id, recording_id) from refusal

    def delete(self, stream_id: str) -> None:
        """Delete an input; its recordings stay."""
        self.delete_one(
            END,
            self.input_path(END, stream_id),
            lambda: self.read_input(WAIT, stream_id, wire.stream_id),
        )

    def delete_one(self, operation: Operation, path: str, see: Callable[[], object]) -> None:
        """Delete something, and look whether it is gone where the answer does not tell.

        Args:
            operation: what it is for.
            path: what to delete.
            see: raises `StreamNotFoundError` if it is gone.
        """
        try:
            self._transport.delete(operation, path)
        except PlatformProtocolError:
            try:
                see()
            except StreamNotFoundError:
                return
            raise

    def tidy_up(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """See to the recordings of a live stream that was gone already.

        Whether Cloudflare still finds them by an input that is gone is not documented.

        Raises:
            PlatformError: they are to be deleted, and the platform cannot be asked for them.
        """
        kept: tuple[Recording, ...] = ()
        warning: str | None = None
        try:
            kept = self.recordings_of(stream_id)
        except PlatformError as error:
            if delete_recordings:
                # Done is what was asked for, and that cannot be said; it can be asked for again.
                raise
            warning = (
                f"whether recordings of it stay, and are billed, could not be learnt: {error}; "
                f"{_SEE_VIDEOS}"
            )
        if delete_recordings:
            self.delete_recordings(stream_id, kept)
            warning = warning or _what_was_deleted(len(kept))
            kept = ()
        return EndResult(
            stream_id=stream_id,
            outcome=EndOutcome.ALREADY_GONE,
            recordings_kept=kept,
            warnings=() if warning is None else (warning,),
        )

    # -- the steps of the others ------------------------------------------------------------------

    def read_input(self, operation: Operation, stream_id: str, read: Callable[[Fields], _T]) -> _T:
        """Ask for an input and return what `read` makes of it."""
        return self._transport.send(
            operation, "GET", self.input_path(operation, stream_id), read=_in_result(read)
        )

    def change(
        self, operation: Operation, stream_id: str, verb: str, read: Callable[[Fields], _T]
    ) -> _T:
        """Have something done to an input and return what `read` makes of it."""
        path = f"{self.input_path(operation, stream_id)}/{verb}"
        return self._transport.send(operation, "POST", path, read=_in_result(read))

    def live_stream(self, fields: Fields) -> LiveStream:
        """Read an input."""
        return wire.live_stream(fields, self._settings.customer_url)

    def credentials(self, fields: Fields) -> StreamCredentials:
        """Read an input with its keys."""
        return wire.credentials(fields, self._settings.customer_url)

    def read_list(self) -> tuple[list[LiveStream], int | None]:
        """Ask for all inputs; return those that were given, and how many there are if told."""
        return self._transport.send(
            LIST,
            "GET",
            self.inputs_path(),
            query={"include_counts": "true"},
            read=lambda envelope: wire.live_streams(envelope.raw("result")),
        )

    def recordings_of(self, stream_id: str) -> tuple[Recording, ...]:
        """Return all recordings of a live stream; none for one that there is not."""
        return tuple(self.each_recording(stream_id))

    def each_recording(self, stream_id: str) -> Iterator[Recording]:
        """Return the recordings of a live stream, page by page, the oldest first.

        The list has no cursor.  A page begins where the one before ended, in time, and a little
        earlier, since it is not said whether that moment itself is part of it.
        """
        self.input_path(RECORDINGS, stream_id)
        query = {
            "live_input_id": stream_id,
            "asc": "true",
            "include_counts": "true",
            "limit": str(PAGE),
        }
        seen: set[str] = set()
        expected: int | None = None
        while True:
            page, total = self._transport.send(
                RECORDINGS,
                "GET",
                self.stream_path(),
                query=query,
                read=lambda envelope: (
                    wire.recordings(envelope.raw("result")),
                    envelope.optional("total", Fields.count),
                ),
            )
            if not seen:
                expected = total
            fresh = [one for one in page if one.recording_id not in seen]
            seen |= {one.recording_id for one in fresh}
            # Whatever becomes of the filter: what is another's is never listed, nor deleted.
            yield from (one for one in fresh if one.stream_id == stream_id)
            last = page[-1].created_at if page else None
            if not fresh or last is None or (expected is not None and len(seen) >= expected):
                break
            query = query | {"after": _before(last)}
        if len(seen) < (expected or 0):
            raise PlatformProtocolError(
                f"the platform has {expected} recordings of the live stream {stream_id} and lists "
                f"{len(seen)} of them, and there is no way to the others",
                provider=NAME,
                operation=RECORDINGS.name,
                request_sent=True,
            )

    def read_video(self, recording_id: str) -> Recording:
        """Ask for a recording."""
        return self._transport.send(
            FIND_RECORDING,
            "GET",
            self.video_path(recording_id),
            read=_in_result(wire.recording),
        )

    def find_target(
        self, stream_id: str, server_url: str, stream_key: Secret, lost: PlatformError
    ) -> SimulcastTarget | None:
        """Look for a simulcast target whose creation was sent and not answered."""

        def wanted(fields: Fields) -> SimulcastTarget | None:
            given = (fields.raw("url"), fields.raw("streamKey"))
            is_it = given == (server_url, stream_key.reveal())
            return wire.simulcast_target(fields, stream_id) if is_it else None

        try:
            found = self._transport.send(
                TARGETS,
                "GET",
                self.outputs_path(TARGETS, stream_id),
                read=lambda envelope: elements(envelope.raw("result"), wanted),
                hidden=(stream_key,),
            )
        except PlatformError as error:
            raise self.uncertain_target(lost, f"looking for it failed: {error}") from error
        return next((one for one in found if one is not None), None)

    def see_target(self, stream_id: str, target_id: str) -> None:
        """Raise `StreamNotFoundError` if a simulcast target is gone."""
        targets = self.list_simulcast_targets(stream_id)
        if target_id not in {one.target_id for one in targets}:
            raise self.not_found(DELETE_TARGET, target_id, "simulcast target", sent=True)

    def expiry(self, expires_in: float) -> datetime:
        """Return the moment so many seconds from now, as a token has it: a whole second to come."""
        now = self._clock.now()
        try:
            end = now + timedelta(seconds=max(expires_in, 1.0))
        except (OverflowError, ValueError):
            raise InvalidRequestError(
                "a playback token cannot be good for so long",
                provider=NAME,
                operation=TOKEN.name,
                request_sent=False,
            ) from None
        return end.astimezone(UTC).replace(microsecond=0)

    def ask_for_token(self, stream_id: str, expires_at: datetime) -> Secret:
        """Have the platform sign a playback token for an input that there is.

        The documentation speaks of videos only; the path takes the id of either.
        """
        try:
            return self._transport.send(
                TOKEN,
                "POST",
                f"{self.video_path(stream_id)}/token",
                read=_in_result(wire.token),
                body={"exp": int(expires_at.timestamp())},
            )
        except StreamNotFoundError as error:
            raise InvalidRequestError(
                "Cloudflare makes no playback token for this live stream, though it has it; to "
                "sign them on this machine, set CLOUDFLARE_STREAM_SIGNING_KEY_ID and "
                "CLOUDFLARE_STREAM_SIGNING_KEY",
                provider=NAME,
                operation=TOKEN.name,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                request_sent=True,
            ) from error

    def with_token(self, url: str, stream_id: str, token: Secret) -> Secret:
        """Put a token in the place of the id."""
        try:
            return wire.with_token(url, stream_id, token)
        except BrokenAnswerError as error:
            raise PlatformProtocolError(
                f"the answer is not what Cloudflare promises: {error}",
                provider=NAME,
                operation=TOKEN.name,
                request_sent=True,
            ) from error

    # -- paths, and what stands in them -----------------------------------------------------------

    def stream_path(self) -> str:
        """Return where all of Stream is, and the list of videos."""
        return f"/accounts/{self._settings.account_id}/stream"

    def inputs_path(self) -> str:
        """Return where the inputs are."""
        return f"{self.stream_path()}/live_inputs"

    def input_path(self, operation: Operation, stream_id: str) -> str:
        """Return the path of an input.

        Raises:
            StreamNotFoundError: no input can have such an id, so that nothing is sent.
            InvalidRequestError: it may be a key or an address.
        """
        self.check_id(operation, stream_id, "live stream")
        return f"{self.inputs_path()}/{stream_id}"

    def outputs_path(self, operation: Operation, stream_id: str) -> str:
        """Return where the simulcast targets of an input are."""
        return f"{self.input_path(operation, stream_id)}/outputs"

    def output_path(self, operation: Operation, stream_id: str, target_id: str) -> str:
        """Return the path of a simulcast target."""
        path = self.outputs_path(operation, stream_id)
        self.check_id(operation, target_id, "simulcast target")
        return f"{path}/{target_id}"

    def check_id(self, operation: Operation, named: str, what: str) -> None:
        """Raise an error where a text cannot be an id of the platform."""
        if self.names_nothing(operation, named, what):
            raise self.not_found(operation, named, what, sent=False)

    def video_path(self, video_id: str) -> str:
        """Return the path of a video, whose id was checked."""
        return f"{self.stream_path()}/{video_id}"

    # -- errors -----------------------------------------------------------------------------------

    def not_found(
        self, operation: Operation, named: str, what: str, *, sent: bool
    ) -> StreamNotFoundError:
        """Return the error for an id that names nothing."""
        return StreamNotFoundError(
            f"there is no {what} {named!r}; {_NAMED_BY[what]}",
            provider=NAME,
            operation=operation.name,
            request_sent=sent,
        )

    def names_nothing(self, operation: Operation, named: str, what: str) -> bool:
        """Tell whether an id is one that nothing can have, where what is gone is no error.

        Raises:
            InvalidRequestError: it may be a secret or an address in the place of an id, which was
                surely meant to name something.  It is not shown.
        """
        if wire.is_id(named):
            return False
        if _NAMES_NOTHING.fullmatch(named):
            return True
        raise InvalidRequestError(
            f"this is no id of a {what}: ids are 32 digits and letters from a to f, and a stream "
            f"key or an address is none; {_NAMED_BY[what]}",
            provider=NAME,
            operation=operation.name,
            request_sent=False,
        )

    def cut_short(self, given: int, total: int) -> PlatformProtocolError:
        """Return the error for a list without its end."""
        return PlatformProtocolError(
            f"the platform has {total} live streams and listed {given} of them, and it documents "
            "no way to the others; delete some that are not needed",
            provider=NAME,
            operation=LIST.name,
            request_sent=True,
        )

    def still_recording(self, error: ConflictError, recording_id: str) -> ConflictError:
        """Return the error for a recording that cannot be deleted yet."""
        return ConflictError(
            f"the recording {recording_id} is still being made; delete it again in some minutes",
            provider=NAME,
            operation=error.operation,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            retryable=True,
            request_sent=True,
        )

    def still_ending(
        self, error: ConflictError, stream_id: str, recording_id: str
    ) -> ConflictError:
        """Return the error for an end that must wait for a recording."""
        return ConflictError(
            f"Cloudflare is still making the recording {recording_id}, which takes it some minutes "
            f"after a broadcast: then `headend end {stream_id} --delete-recordings`, or "
            "`headend orphans clean --yes`, ends the live stream; until then it takes no encoder",
            provider=NAME,
            operation=END.name,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            retryable=True,
            request_sent=True,
        )

    def uncertain_target(self, lost: PlatformError, why: str) -> UncertainOutcomeError:
        """Return the error for a simulcast target that may have been made."""
        return UncertainOutcomeError(
            f"a simulcast target may have been made, and {why}; list them before you try again; "
            f"the answer was lost: {lost.message}",
            provider=NAME,
            operation=CREATE_TARGET.name,
        )


def _what_was_deleted(count: int) -> str:
    """Say what is known of the recordings of a live stream that was gone before."""
    if count:
        return f"recordings of it that were deleted now: {count}"
    return (
        "Cloudflare lists no recording of it; whether it finds them by a live stream that is gone "
        f"is not documented, so that some may stay and be billed: {_SEE_VIDEOS}"
    )


def _options_of(request: CreateRequest) -> CloudflareOptions:
    options = request.options
    return options if isinstance(options, CloudflareOptions) else CloudflareOptions()


def _in_result(read: Callable[[Fields], _T]) -> Callable[[Fields], _T]:
    """Read the object that an envelope holds."""
    return lambda envelope: read(envelope.object("result"))


def _before(moment: datetime) -> str:
    return (moment - timedelta(milliseconds=1)).isoformat().replace("+00:00", "Z")
