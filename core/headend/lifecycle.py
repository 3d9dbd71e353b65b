"""Creating and ending live streams so that neither a crash nor a lost answer duplicates or leaks.

No platform has creation that can be repeated safely, so headend makes it so.  An intent with a
unique marker is written to the ledger first; the marker goes onto what is created; the result is
recorded.  When the answer is lost, the marker is looked up, at once and again after the time that
the platform's list needs to settle.  Found: that is the result.  Absent both times: it counts as
not created, and is sent again under the same marker.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
from typing import TYPE_CHECKING, Final

import attrs

from headend.errors import (
    AuthenticationError,
    ConflictError,
    HeadendError,
    InvalidRequestError,
    LedgerError,
    PermissionDeniedError,
    PlatformError,
    PlatformTimeoutError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
    UncertainOutcomeError,
)
from headend.ledger import EntryState, NewEntry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from headend.calls import Calls
    from headend.clock import Clock
    from headend.ledger import Entry, Ledger
    from headend.models import EndResult, LiveStream, StreamCredentials
    from headend.provider import CreateRequest, Provider

_log = logging.getLogger("headend.lifecycle")

_OPERATION: Final = "create_live_stream"
_SENDS: Final = 3
_POLL: Final = 0.5
"""Seconds between two looks at an intent that another process is carrying out."""

_DEFINITE: Final = (
    AuthenticationError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
    ConflictError,
    InvalidRequestError,
)
"""Refusals after which nothing was created for certain."""


def owner_of_this_process() -> str:
    """Name this process, so that another one can tell whether it still lives."""
    return f"{socket.gethostname()}:{os.getpid()}"


def owner_is_dead(owner: str) -> bool:
    """Tell whether a process of this machine is gone for certain."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or os.name != "posix" or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def new_marker(ledger: Ledger, random: Random) -> str:
    """Make a marker that tells which ledger it belongs to."""
    return f"{marker_prefix(ledger)}{random.getrandbits(96):024x}"


def marker_prefix(ledger: Ledger) -> str:
    """Return how the markers of this ledger begin."""
    return f"headend-{ledger.id}-"


class Lifecycle:
    """Creates and ends live streams of one provider, with the ledger as its memory."""

    def __init__(
        self,
        *,
        provider: Provider,
        name: str,
        settle_time: float,
        ledger: Ledger,
        calls: Calls,
        clock: Clock,
        random: Random,
    ) -> None:
        self._provider = provider
        self._name = name
        self._settle_time = settle_time
        self._ledger = ledger
        self._calls = calls
        self._clock = clock
        self._random = random
        self._owner = owner_of_this_process()

    def create(self, request: CreateRequest, idempotency_key: str | None) -> StreamCredentials:
        """Create a live stream once, whatever becomes of the answers.

        Args:
            request: what to create; its marker is replaced by one of this ledger.
            idempotency_key: a later call with the same key returns what this one made.

        Raises:
            ConflictError: the key was used for something else, or what it made has ended.
            UncertainOutcomeError: the request was sent and its fate could not be learnt.
            PlatformError: the platform refused; nothing was created.
        """
        with self._calls.deadline():
            while True:
                request = attrs.evolve(request, marker=new_marker(self._ledger, self._random))
                entry = self._begin(request, idempotency_key)
                if entry.marker == request.marker:
                    return self._carry_out(request)
                earlier = self._result_of_earlier(entry, request)
                if earlier is not None:
                    return earlier

    def end(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream; the ledger knows before and after, so that a crash can be resumed."""
        account = self._provider.account
        with self._calls.deadline():
            # Leaving a live stream running because a note about it cannot be taken would cost more.
            try:
                self._ledger.ending(
                    self._name,
                    account,
                    stream_id,
                    delete_recordings=delete_recordings,
                    now=self._clock.now(),
                )
            except LedgerError as error:
                _log.warning("%s is being ended without a record: %s", stream_id, error)
            result = self._provider.end_live_stream(stream_id, delete_recordings=delete_recordings)
            try:
                self._ledger.ended(self._name, account, stream_id, now=self._clock.now())
            except LedgerError as error:
                _log.warning("%s has ended, and it is not recorded: %s", stream_id, error)
            return result

    def _begin(self, request: CreateRequest, idempotency_key: str | None) -> Entry:
        return self._ledger.begin(
            NewEntry(
                marker=request.marker,
                provider=self._name,
                account=self._provider.account,
                channel_id=request.channel_id,
                name=request.name,
                digest=_digest(request),
                idempotency_key=idempotency_key,
                owner=self._owner,
            ),
            now=self._clock.now(),
            lease=self._calls.timeout * 2,
        )

    def _result_of_earlier(self, entry: Entry, request: CreateRequest) -> StreamCredentials | None:
        """Return what the call made that used the key first; `None` to look again."""
        if entry.digest != _digest(request):
            raise self._conflict("this idempotency key was used for another live stream")
        if entry.state is EntryState.ACTIVE:
            assert entry.stream_id is not None
            return self._provider.get_credentials(entry.stream_id)
        if entry.state in {EntryState.ENDING, EntryState.ENDED}:
            raise self._conflict(
                f"what this idempotency key created, {entry.stream_id}, has ended; "
                "a new live stream needs a new key"
            )
        if entry.state is EntryState.CREATING and not self._claim(entry):
            self._wait(_POLL, "another process is creating this live stream and is not done")
            return None
        return self._carry_out(attrs.evolve(request, marker=entry.marker), look_first=True)

    def _claim(self, entry: Entry) -> bool:
        return self._ledger.claim(
            entry.marker,
            now=self._clock.now(),
            lease=self._calls.timeout * 2,
            owner=self._owner,
            instead_of=entry.owner if owner_is_dead(entry.owner) else None,
        )

    def _carry_out(self, request: CreateRequest, *, look_first: bool = False) -> StreamCredentials:
        made = None
        if look_first:
            made = self._look_up(request.marker, None)
        for send in range(1, _SENDS + 1):
            if made is not None:
                break
            if not self._ledger.renew(
                request.marker,
                now=self._clock.now(),
                lease=self._calls.timeout * 2,
                owner=self._owner,
            ):
                raise self._conflict("another process has taken over this creation meanwhile")
            try:
                made = self._provider.create_live_stream(request)
            except PlatformError as error:
                if isinstance(error, _DEFINITE) or error.request_sent is False:
                    self._abandon(request.marker, error)
                    raise
                made = self._look_up(request.marker, error)
                if made is None and send == _SENDS:
                    self._abandon(request.marker, error)
                    raise
            except HeadendError as error:
                self._abandon(request.marker, error)
                raise
        assert made is not None
        self._ledger.created(request.marker, made.stream_id, now=self._clock.now())
        return made

    def _abandon(self, marker: str, error: HeadendError) -> None:
        self._ledger.abandoned(marker, type(error).__name__, now=self._clock.now())

    def _look_up(self, marker: str, cause: PlatformError | None) -> StreamCredentials | None:
        """Look for what bears the marker, now and after the list has settled."""
        try:
            found = self._provider.find_live_streams(marker)
            if not found:
                wait = max(self._settle_time, cause.retry_after or 0.0 if cause else 0.0)
                if self._calls.time_left() <= wait:
                    raise self._uncertain(marker, "there was no time left to look again")
                self._clock.sleep(wait)
                found = self._provider.find_live_streams(marker)
            return self._provider.get_credentials(oldest(found).stream_id) if found else None
        except PlatformError as error:
            if isinstance(error, UncertainOutcomeError):
                raise error from cause
            raise self._uncertain(marker, f"looking for it failed: {error}") from error

    def _uncertain(self, marker: str, why: str) -> UncertainOutcomeError:
        return UncertainOutcomeError(
            f"a live stream may have been created, and {why}; it bears the marker {marker}, and "
            "`headend orphans list` tells what became of it",
            provider=self._name,
            operation=_OPERATION,
        )

    def _conflict(self, message: str) -> ConflictError:
        return ConflictError(message, provider=self._name, operation=_OPERATION, request_sent=False)

    def _wait(self, seconds: float, why: str) -> None:
        if self._calls.time_left() <= seconds:
            raise PlatformTimeoutError(why, provider=self._name, operation=_OPERATION)
        self._clock.sleep(seconds)


def oldest(found: Sequence[LiveStream]) -> LiveStream:
    """Return the one that was made first; the id decides where the times are the same."""
    return min(
        found,
        key=lambda one: (one.created_at is None, str(one.created_at or ""), one.stream_id),
    )


def _digest(request: CreateRequest) -> str:
    """Tell requests apart without keeping what is in them."""
    options: object = request.options
    content = {
        "channel_id": request.channel_id,
        "name": request.name,
        "metadata": dict(request.metadata),
        "low_latency": request.low_latency,
        "options": repr(options),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
