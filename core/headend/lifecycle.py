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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from headend.calls import Effect, Operation
from headend.errors import (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
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
from headend.ledger import (
    DeferredLedger,
    EntryState,
    LedgerEventKind,
    MemoryLedger,
    NewEntry,
    NewEvent,
    key_of,
)
from headend.ledger.deferred import ALONE_FOR
from headend.ledger.store import new_id
from headend.models import EndOutcome
from headend.provider import ConfirmsCreation
from headend.secret import Secret
from headend.settings import OnLedgerFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from random import Random

    from headend.calls import Calls
    from headend.clock import Clock
    from headend.ledger import Entry, Ledger
    from headend.models import EndResult, LiveStream, StreamCredentials
    from headend.provider import CreateRequest, Provider

_log = logging.getLogger("headend.lifecycle")

_OPERATION: Final = "create_live_stream"
_CREATION: Final = Operation(_OPERATION, Effect.WRITE)
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
    return f"{_pid_space()}:{os.getpid()}"


def owner_is_dead(owner: str) -> bool:
    """Tell whether a process is gone for certain; one of another machine or container never is."""
    space, _, pid = owner.rpartition(":")
    if space != _pid_space() or os.name != "posix" or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def take_over(ledger: Ledger, entry: Entry, *, now: datetime, lease: float) -> bool:
    """Take a creation into this process's hands; `False` if it is in good hands already."""
    return ledger.claim(
        entry.marker,
        now=now,
        lease=lease,
        owner=owner_of_this_process(),
        instead_of=entry.owner if owner_is_dead(entry.owner) else None,
    )


def _pid_space() -> str:
    """Name where a process id means one process: containers may share a host's name."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace}"


def new_marker(ledger: Ledger, random: Random) -> str:
    """Make a marker that tells which ledger it belongs to."""
    return f"{marker_prefix(ledger)}{random.getrandbits(96):024x}"


def marker_prefix(ledger: Ledger) -> str:
    """Return how the markers of this ledger begin."""
    return f"headend-{ledger.id}-"


def no_terms(_options: object) -> Mapping[str, str]:
    """Return no terms, for a provider whose prices are not known."""
    return {}


def always() -> None:
    """Speak against no creation."""


class Lifecycle:
    """Creates and ends live streams of one provider, with the ledger as its memory."""

    def __init__(
        self,
        *,
        provider: Provider,
        name: str,
        settle_time: float,
        ledger: DeferredLedger,
        calls: Calls,
        clock: Clock,
        random: Random,
        terms: Callable[[object], Mapping[str, str]] = no_terms,
        may_create: Callable[[], None] = always,
        on_ledger_failure: OnLedgerFailure = OnLedgerFailure.REFUSE_CREATE,
    ) -> None:
        self._provider = provider
        self._name = name
        self._settle_time = settle_time
        self._deferred = ledger
        self._calls = calls
        self._clock = clock
        self._random = random
        self._terms = terms
        self._may_create = may_create
        self._needs_ledger = on_ledger_failure is OnLedgerFailure.REFUSE_ALL
        self._alone_until = 0.0
        self._stand_in: Lifecycle | None = None
        if on_ledger_failure is OnLedgerFailure.GO_ON:
            self._stand_in = Lifecycle(
                provider=provider,
                name=name,
                settle_time=settle_time,
                ledger=DeferredLedger(lambda: MemoryLedger(id=new_id(random))),
                calls=calls,
                clock=clock,
                random=random,
                terms=terms,
            )

    def create(self, request: CreateRequest, idempotency_key: str | None) -> StreamCredentials:
        """Create a live stream once, whatever becomes of the answers.

        Args:
            request: what to create; its marker is replaced by one of this ledger.
            idempotency_key: a later call with the same key returns what this one made.

        Raises:
            ConflictError: the key was used for something else, or what it made has ended.
            UncertainOutcomeError: the request was sent and its fate could not be learnt.
            PlatformError: the platform refused; nothing was created.
            LedgerError: it cannot be recorded, and `OnLedgerFailure` says not to go on then.
            BudgetExceededError: a budget is used up; nothing was sent.
        """
        with self._calls.deadline():
            if self._stand_in is not None and self._clock.monotonic() < self._alone_until:
                return self._stand_in.create(request, idempotency_key)
            while True:
                try:
                    request = attrs.evolve(request, marker=new_marker(self._ledger, self._random))
                    entry, refusal = self._allowed(request, idempotency_key)
                except (ConfigurationError, LedgerError) as error:
                    if self._stand_in is None:
                        raise
                    # One that is locked or out of reach costs seconds each time it is tried.
                    self._alone_until = self._clock.monotonic() + ALONE_FOR
                    _log.warning("for %g s what is created is not recorded: %s", ALONE_FOR, error)
                    return self._stand_in.create(request, idempotency_key)
                if entry.marker == request.marker:
                    return self._carry_out(request)
                earlier = self._result_of_earlier(entry, request, refusal)
                if earlier is not None:
                    return earlier

    def end(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream; the ledger knows before and after, so that a crash can be resumed."""
        account = self._provider.account
        named = (self._name, account, stream_id)
        now = self._clock.now
        with self._calls.deadline():
            with told_if_not_recorded(f"{stream_id} is being ended", needed=self._needs_ledger):
                self._ledger.ending(*named, delete_recordings=delete_recordings, now=now())
            try:
                result = self._provider.end_live_stream(
                    stream_id, delete_recordings=delete_recordings
                )
            except (AuthenticationError, PermissionDeniedError):
                with told_if_not_recorded(f"{stream_id} goes on"):
                    self._ledger.refused_to_end(*named, now=now())
                raise
            with told_if_not_recorded(f"{stream_id} has ended"):
                self._record_end(result, delete_recordings=delete_recordings)
            return result

    def _record_end(self, result: EndResult, *, delete_recordings: bool) -> None:
        ledger, now = self._ledger, self._clock.now()
        named = (self._name, self._provider.account, result.stream_id)
        has_ended = result.outcome is EndOutcome.ENDED
        ledger.ended(*named, now)
        if has_ended and ledger.find(*named) is None:
            ledger.append(
                NewEvent(
                    key=key_of(LedgerEventKind.ENDED, *named),
                    kind=LedgerEventKind.ENDED,
                    occurred_at=now,
                    provider=self._name,
                    account=self._provider.account,
                    stream_id=result.stream_id,
                    caused_by=ledger.actor,
                ),
                now=now,
            )
        # Of what was gone before, the platform may not tell all that is kept.
        is_all = delete_recordings and has_ended
        if is_all or result.recordings_kept:
            ledger.record_recordings(
                *named, result.recordings_kept, now=now, is_all=is_all, caused_by=ledger.actor
            )

    @property
    def _ledger(self) -> Ledger:
        return self._deferred.get()

    @property
    def _lease(self) -> float:
        # Longer than any creation may take, so that it lapses only when nobody is there any more.
        return self._calls.timeout * 2

    def _allowed(
        self, request: CreateRequest, idempotency_key: str | None
    ) -> tuple[Entry, BudgetExceededError | None]:
        """Return the entry of a creation, and what speaks against creating anything now.

        What the key has created before is the answer also when nothing more may be created.
        """
        try:
            self._may_create()
        except BudgetExceededError as refusal:
            earlier = None
            if idempotency_key is not None:
                account = self._provider.account
                earlier = self._ledger.by_key(self._name, account, idempotency_key)
            if earlier is None or earlier.state is EntryState.ABANDONED:
                raise
            return earlier, refusal
        return self._begin(request, idempotency_key), None

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
                owner=owner_of_this_process(),
                terms=self._terms(request.options),
            ),
            now=self._clock.now(),
            lease=self._lease,
        )

    def _result_of_earlier(
        self, entry: Entry, request: CreateRequest, refusal: BudgetExceededError | None
    ) -> StreamCredentials | None:
        """Return what the call made that used the key first; `None` to look again."""
        if entry.digest != _digest(request):
            raise self._conflict("this idempotency key was used for another live stream")
        if entry.state is EntryState.ACTIVE:
            assert entry.stream_id is not None
            try:
                return self._provider.get_credentials(entry.stream_id)
            except StreamNotFoundError as error:
                raise self._conflict(
                    f"what this idempotency key created, {entry.stream_id}, is gone from the "
                    "platform; a new live stream needs a new key"
                ) from error
        if entry.state in {EntryState.ENDING, EntryState.ENDED}:
            raise self._conflict(
                f"what this idempotency key created, {entry.stream_id}, has ended; "
                "a new live stream needs a new key"
            )
        if entry.state is EntryState.CREATING and not take_over(
            self._ledger, entry, now=self._clock.now(), lease=self._lease
        ):
            self._wait(_POLL, "another process is creating this live stream and is not done")
            return None
        return self._carry_out(
            attrs.evolve(request, marker=entry.marker), look_first=True, refusal=refusal
        )

    def _carry_out(
        self,
        request: CreateRequest,
        *,
        look_first: bool = False,
        refusal: BudgetExceededError | None = None,
    ) -> StreamCredentials:
        try:
            made = self._make(request, look_first=look_first, refusal=refusal)
        except BaseException:
            self._let_go(request.marker)
            raise
        # The intent stays open where this fails, and leads whoever comes next to what was made.
        kept = made.stream_id
        with told_if_not_recorded(f"{made.stream_id} was created"):
            entry = self._ledger.created(request.marker, made.stream_id, now=self._clock.now())
            kept = entry.stream_id or kept
        if kept == made.stream_id:
            return made
        # Another process took over while this one stood still, and what it made is the result.
        return self._provider.get_credentials(kept)

    def _make(
        self, request: CreateRequest, *, look_first: bool, refusal: BudgetExceededError | None
    ) -> StreamCredentials:
        made = None
        if look_first:
            made = self._look_up(request, None)
        if made is None and refusal is not None:
            self._abandon(request.marker, refusal)
            raise refusal
        for send in range(1, _SENDS + 1):
            if made is not None:
                break
            if not self._renew(request.marker):
                entry = self._ledger.by_marker(request.marker)
                if entry is not None and entry.state is EntryState.ACTIVE and entry.stream_id:
                    return self._provider.get_credentials(entry.stream_id)
                raise self._conflict("another process has taken over this creation meanwhile")
            try:
                made = self._provider.create_live_stream(request)
            except PlatformError as error:
                if isinstance(error, _DEFINITE) or error.request_sent is False:
                    self._abandon(request.marker, error)
                    raise
                made = self._look_up(request, error)
                if made is None and send == _SENDS:
                    self._abandon(request.marker, error)
                    raise
            except HeadendError as error:
                self._abandon(request.marker, error)
                raise
        assert made is not None
        return made

    def _renew(self, marker: str) -> bool:
        """Extend the lease; `False` if somebody else is known to have taken over."""
        try:
            return self._ledger.renew(
                marker, now=self._clock.now(), lease=self._lease, owner=owner_of_this_process()
            )
        except (ConfigurationError, LedgerError) as error:
            if self._stand_in is None:
                raise
            _log.warning("the creation %s goes on, and it is not recorded: %s", marker, error)
            return True

    def _let_go(self, marker: str) -> None:
        """End the lease of what is still open, so that others need not wait for that."""
        with told_if_not_recorded(f"the creation {marker} is over"):
            self._ledger.renew(
                marker, now=self._clock.now(), lease=0, owner=owner_of_this_process()
            )

    def _abandon(self, marker: str, error: HeadendError) -> None:
        # What the platform said is more than that it cannot be noted.
        with told_if_not_recorded("nothing was created"):
            self._ledger.abandoned(marker, type(error).__name__, now=self._clock.now())

    def _look_up(
        self, request: CreateRequest, cause: PlatformError | None
    ) -> StreamCredentials | None:
        """Look for what bears the marker, now and after the list has settled."""
        marker = request.marker
        wait = max(self._settle_time, (cause.retry_after if cause else None) or 0.0)
        try:
            found = self._provider.find_live_streams(marker, request.name)
            in_time = bool(found) or self._calls.time_left() > wait
            if not found and in_time:
                self._calls.wait(_CREATION, wait, "the platform's list shows what was created")
                found = self._provider.find_live_streams(marker, request.name)
        except PlatformError as error:
            raise self._uncertain(marker, f"looking for it failed: {error}") from error
        if not found:
            if in_time:
                return None
            raise self._uncertain(marker, "there was no time left to look again") from cause
        stream_id = oldest(found).stream_id
        if isinstance(self._provider, ConfirmsCreation):
            return self._confirm(self._provider, request, stream_id)
        try:
            return self._provider.get_credentials(stream_id)
        except PlatformError as error:
            with told_if_not_recorded(f"{stream_id} was created"):
                self._ledger.created(marker, stream_id, now=self._clock.now())
            raise UncertainOutcomeError(
                f"the live stream {stream_id} was created, and its key could not be read: {error}; "
                "get_credentials() reads it",
                provider=self._name,
                operation=_OPERATION,
            ) from error

    def _confirm(
        self, provider: ConfirmsCreation, request: CreateRequest, stream_id: str
    ) -> StreamCredentials:
        """Return what the lost answer would have given of what was found."""
        try:
            return provider.confirm_live_stream(request, stream_id)
        except (ConfigurationError, InvalidRequestError) as error:
            # By contract these say that it is not what was asked for, and was removed.
            self._abandon(request.marker, error)
            raise
        except PlatformError as error:
            # The intent stays open, so that whoever comes next with its key checks it.
            why = f"{stream_id} was found, and could not be checked: {error}"
            raise self._uncertain(request.marker, why) from error

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
        self._calls.wait(_CREATION, seconds, "another process has created it")


def oldest(found: Sequence[LiveStream]) -> LiveStream:
    """Return the one that was made first; the id decides where the times are the same."""
    return min(
        found,
        key=lambda one: (one.created_at is None, str(one.created_at or ""), one.stream_id),
    )


@contextmanager
def told_if_not_recorded(what: str, *, needed: bool = False) -> Iterator[None]:
    """Go on where the ledger fails: what happened on the platform is more than the note of it.

    The note needs the account, which some platforms have to be asked for, and may not tell.

    Args:
        what: what happened.
        needed: whether it is not to happen without the note.
    """
    try:
        yield
    except (ConfigurationError, LedgerError, PlatformError) as error:
        if needed:
            raise
        _log.warning("%s, and it is not recorded: %s", what, error)


def _digest(request: CreateRequest) -> str:
    """Tell requests apart without keeping what is in them."""
    content = {
        "channel_id": request.channel_id,
        "name": request.name,
        "metadata": dict(request.metadata),
        "low_latency": request.low_latency,
        "options": request.options,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """Return what stands for an option in a digest: the same in every process."""
    if isinstance(value, Secret):
        return ["secret", value.reveal()]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    kind: type = type(value)
    if attrs.has(kind):
        return [getattr(value, one.name) for one in attrs.fields(kind)]
    return str(value)
