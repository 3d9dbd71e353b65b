"""One policy object for every request of every provider: pacing, retries, deadline, events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from hashlib import blake2b
from logging import DEBUG
from random import SystemRandom
from threading import Event
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from attrs import frozen

from headend.calls.observe import (
    LOGGER,
    AttemptEvent,
    GuardedObserver,
    WaitEvent,
    log_attempt,
    log_wait,
)
from headend.calls.pacing import MemoryPacerStore, Pacer, Pacers, QueueTooLongError
from headend.calls.retry import ATTEMPTS, RETRY_AFTER_CAP, backoff, may_repeat
from headend.errors import (
    HeadendError,
    PlatformError,
    PlatformTimeoutError,
    RateLimitedError,
)
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from headend.calls.observe import Observer
    from headend.calls.operation import Operation
    from headend.clock import Clock

_T = TypeVar("_T")

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that one call may take in all, its queue and its repetitions included."""

_deadline: ContextVar[float | None] = ContextVar("headend.calls deadline", default=None)


def _report_nothing(_name: str, _remaining: float, _resets_in: float) -> None:
    pass


@frozen
class Attempt:
    """One sending of a request.

    Attributes:
        number: 1 for the first.
        timeout: seconds that it may take.
        report_limit: to be called with what an answer says of a limit (the draft header fields
            ``RateLimit`` and their like): the limit's name, the requests that remain, and the
            seconds until there are more.  A limit that the operation does not have is ignored.
    """

    number: int
    timeout: float
    report_limit: Callable[[str, float, float], None] = _report_nothing


class Calls:
    """Sends requests by the policy that is the same for all providers.

    * The limits of the operation are kept: a request waits for its turn, in order of arrival.
    * At most three attempts, with exponential backoff and full jitter between them, or the time
      that the platform asks for (``Retry-After``, up to 30 s; a longer one ends it).
    * Reads, and writes that leave the same state when repeated, are sent again after an error
      that is `retryable`; other writes only after a `RateLimitedError`, or if the request
      provably never left.  All other errors cost exactly one request.
    * No wait outlives the deadline: the last error is raised at once instead.
    * A `RateLimitedError` pauses all who share a limit of that operation, or the one that the
      error names.

    Args:
        clock: tells the time and waits.
        provider: the provider's name.
        random: the source of chance for the jitter.
        pacers: the queues; without them these calls have their own, shared with no others.
        observer: what is told of attempts and waits, besides the log.
        timeout: seconds that one call may take in all.
        scope: names what the limits are counted by; `scoped` makes it.
        closed: tells all calls of a platform that it is closed; `scoped` hands it on.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        provider: str = "unnamed",
        random: Random | None = None,
        pacers: Pacers | None = None,
        observer: Observer | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        scope: str = "",
        closed: Event | None = None,
    ) -> None:
        self._clock = clock
        self._provider = provider
        self._random = SystemRandom() if random is None else random
        self._pacers = Pacers(MemoryPacerStore(clock), clock) if pacers is None else pacers
        self._observer = None if observer is None else GuardedObserver.of(observer)
        self._timeout = timeout
        self._scope = scope
        self._closed = Event() if closed is None else closed
        self._paced: dict[Operation, tuple[Pacer, ...]] = {}

    @property
    def timeout(self) -> float:
        """Seconds that one call may take in all."""
        return self._timeout

    def scoped(self, scope: str | Secret) -> Calls:
        """Return the same policy for one credential, region or whatever limits are counted by.

        Requests of one provider and scope share the limits, in all platforms that are open in
        this process or on this machine.  Only a digest of `scope` is kept, so it may be the
        credential itself.
        """
        text = scope.reveal() if isinstance(scope, Secret) else scope
        return Calls(
            clock=self._clock,
            provider=self._provider,
            random=self._random,
            pacers=self._pacers,
            observer=self._observer,
            timeout=self._timeout,
            scope=blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest(),
            closed=self._closed,
        )

    def close(self) -> None:
        """Send nothing any more: who waits for a turn is told instead."""
        self._closed.set()

    @contextmanager
    def deadline(self, seconds: float | None = None) -> Iterator[None]:
        """Give all calls within the block one deadline in common.

        A block in a block can only shorten it.

        Args:
            seconds: from now; without it the time that one call may take.
        """
        end = self._clock.monotonic() + (self._timeout if seconds is None else seconds)
        outer = _deadline.get()
        token = _deadline.set(end if outer is None else min(end, outer))
        try:
            yield
        finally:
            _deadline.reset(token)

    def time_left(self) -> float:
        """Return the seconds that a call made now may take; negative after the deadline."""
        end = _deadline.get()
        return self._timeout if end is None else min(self._timeout, end - self._clock.monotonic())

    def wait(self, operation: Operation, seconds: float, until: str) -> None:
        """Wait before another look at what the platform has yet to do, and say what for.

        Args:
            operation: what the look is for.
            seconds: how long; look at `time_left` first.
            until: what is waited for, after "until": ``"the encoder is gone"``.  No secret.
        """
        self._tell_wait(operation, 1, "state", seconds, until)
        self._clock.sleep(seconds)

    def run(self, operation: Operation, send: Callable[[Attempt], _T]) -> _T:
        """Send a request and return what `send` makes of the answer.

        Args:
            operation: what is sent.
            send: sends it once, within the attempt's time, and raises a `PlatformError` that
                tells what went wrong.

        Raises:
            PlatformError: what `send` raised in the last attempt.
            RateLimitedError: the queue of a limit is longer than the time left; nothing was sent.
            PlatformTimeoutError: the deadline had passed before anything could be sent.
            HeadendError: the platform was closed before it was sent.
        """
        now = self._clock.monotonic
        ready = now()
        end = ready + self._timeout
        outer = _deadline.get()
        if outer is not None and outer < end:
            end = outer
        pacers = self._pacers_of(operation)
        report = partial(self._report_limit, pacers) if pacers else _report_nothing
        failure: PlatformError | None = None
        number = 0
        while True:
            number += 1
            if pacers:
                self._queue(operation, number, pacers, end, failure)
            if self._closed.is_set():
                raise HeadendError("nothing was sent: the platform was closed meanwhile")
            began = now()
            left = end - began
            if left <= 0:
                raise self._too_late(operation, failure)
            attempt = Attempt(number, left / max(1, ATTEMPTS + 1 - number), report)
            try:
                result = send(attempt)
            except PlatformError as error:
                failure = error
                delay = self._after(operation, pacers, number, error, end)
                self._tell_attempt(operation, number, began - ready, now() - began, error, delay)
                if delay is None:
                    raise
                ready = now()
                self._sleep(operation, number + 1, delay, error)
            except Exception as error:
                self._tell_attempt(operation, number, began - ready, now() - began, error, None)
                raise
            else:
                if self._observer is not None or LOGGER.isEnabledFor(DEBUG):
                    self._tell_attempt(operation, number, began - ready, now() - began, None, None)
                return result

    def _pacers_of(self, operation: Operation) -> tuple[Pacer, ...]:
        pacers = self._paced.get(operation)
        if pacers is None:
            # Who waits in the queue of one operation must not yet stand in one that all share.
            limits = sorted(operation.limits, key=lambda limit: limit.per != "operation")
            keys = {
                f"{self._provider}/{self._scope}/{limit.name}"
                + (f"/{operation.name}" if limit.per == "operation" else ""): limit
                for limit in limits
            }
            pacers = tuple(Pacer.of(key, limit) for key, limit in keys.items())
            self._paced[operation] = pacers
        return pacers

    def _queue(
        self,
        operation: Operation,
        number: int,
        pacers: tuple[Pacer, ...],
        end: float,
        failure: PlatformError | None,
    ) -> None:
        try:
            self._pacers.wait(
                pacers, deadline=end, before=partial(self._tell_wait, operation, number, "pacing")
            )
        except QueueTooLongError as full:
            limit = full.pacer.limit
            left = max(0.0, end - self._clock.monotonic())
            words = (
                f"the turn under the limit {limit.name} ({limit.requests} requests in "
                f"{limit.window:g} s) comes in {full.wait:.1f} s, and {left:.1f} s are left"
            )
            if failure is not None:
                _add(failure, f"not sent again: {words}")
                raise failure from failure.__cause__
            raise RateLimitedError(
                f"nothing was sent: {words}; ask less often, or allow more time",
                provider=self._provider,
                operation=operation.name,
                retry_after=full.wait,
                request_sent=False,
            ) from None

    def _too_late(self, operation: Operation, failure: PlatformError | None) -> PlatformError:
        if failure is not None:
            _add(failure, "not sent again: the time allowed was over after the wait")
            return failure
        return PlatformTimeoutError(
            "nothing was sent: the time allowed was over before",
            provider=self._provider,
            operation=operation.name,
            request_sent=False,
        )

    def _after(
        self,
        operation: Operation,
        pacers: tuple[Pacer, ...],
        number: int,
        error: PlatformError,
        end: float,
    ) -> float | None:
        """Return the seconds until the next attempt; `None`, the reason in the error, if none."""
        if isinstance(error, RateLimitedError):
            self._pause(pacers, error)
        if not may_repeat(operation, error):
            return None
        if number == ATTEMPTS:
            _add(error, f"it failed {ATTEMPTS} times")
            return None
        asked = _seconds_asked(error)
        if asked > RETRY_AFTER_CAP:
            _add(error, f"not sent again: that takes a wait of {asked:.0f} s")
            return None
        delay = max(asked, backoff(number, self._random))
        left = end - self._clock.monotonic()
        if delay >= left:
            _add(
                error,
                f"not sent again: the wait would have been {delay:.1f} s, "
                f"and {max(0.0, left):.1f} s are left",
            )
            return None
        return delay

    def _pause(self, pacers: tuple[Pacer, ...], error: RateLimitedError) -> None:
        if error.limit is not None:
            pacers = tuple(pacer for pacer in pacers if pacer.limit.name == error.limit)
        if error.retry_after is None:
            blocks = [pacer.limit.block for pacer in pacers if pacer.limit.block is not None]
            if blocks:
                error.retry_after = max(blocks)
        asked = _seconds_asked(error)
        if pacers and asked > 0:
            self._pacers.pause(pacers, asked)

    def _sleep(
        self, operation: Operation, number: int, seconds: float, error: PlatformError
    ) -> None:
        why: Literal["backoff", "retry-after"]
        why = "retry-after" if seconds == _seconds_asked(error) else "backoff"
        self._tell_wait(operation, number, why, seconds)
        self._clock.sleep(seconds)

    def _report_limit(
        self, pacers: tuple[Pacer, ...], name: str, remaining: float, resets_in: float
    ) -> None:
        for pacer in pacers:
            if pacer.limit.name == name:
                self._pacers.slow_down(pacer, remaining, resets_in)

    def _tell_wait(
        self,
        operation: Operation,
        number: int,
        why: Literal["pacing", "backoff", "retry-after", "state"],
        seconds: float,
        until: str | None = None,
    ) -> None:
        event = WaitEvent(
            provider=self._provider,
            operation=operation.name,
            attempt=number,
            seconds=seconds,
            why=why,
            until=until,
        )
        log_wait(event)
        if self._observer is not None:
            self._observer.wait(event)

    def _tell_attempt(
        self,
        operation: Operation,
        number: int,
        waited: float,
        duration: float,
        error: Exception | None,
        will_retry_in: float | None,
    ) -> None:
        known = error if isinstance(error, PlatformError) else None
        event = AttemptEvent(
            provider=self._provider,
            operation=operation.name,
            attempt=number,
            waited=waited,
            duration=duration,
            outcome="ok" if error is None else type(error).__name__,
            status=known.status if known else None,
            code=known.code if known else None,
            request_id=known.request_id if known else None,
            will_retry_in=will_retry_in,
        )
        log_attempt(event)
        if self._observer is not None:
            self._observer.attempt(event)


def _seconds_asked(error: PlatformError) -> float:
    """Return the seconds that a platform asked to wait; 0 if it did not, or asked for nonsense."""
    asked = error.retry_after
    return asked if asked is not None and asked > 0 else 0.0


def _add(error: PlatformError, words: str) -> None:
    """Say in an error's message what was, or was not, done about it."""
    error.message = f"{error.message}; {words}"
    error.args = (error.message, *error.args[1:])
