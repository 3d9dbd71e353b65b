"""What `Calls` tells while it works: an event for each attempt, and one before each wait.

Both go to the logger ``headend.calls``, their fields in the record's ``extra``, and to an
`Observer`.  They hold names, numbers and what the platform calls its errors and requests; no
message, no address, no secret.
"""

from __future__ import annotations

import logging
from typing import Final, Literal, Protocol, Self

import attrs
from attrs import frozen

LOGGER: Final = logging.getLogger("headend.calls")

_NOTICED: Final = 1.0
"""Seconds from which a wait is worth a line at level INFO."""


@frozen(kw_only=True)
class AttemptEvent:
    """A request was sent, and answered or not.

    Attributes:
        provider: the provider's name.
        operation: what is sent, by the name that the provider gives it.
        attempt: 1 for the first sending, 2 for its repetition.
        waited: seconds that it waited before: in the queue of a limit, or since a failure.
        duration: seconds from sending to the outcome.
        outcome: ``"ok"``, or the name of the error's class.
        status: the HTTP status of an error, or `None`.
        code: the platform's own error code, or `None`.
        request_id: the platform's name of a request that failed, or `None`.
        will_retry_in: seconds until it is sent again, the queue not counted; `None` if it is not.
    """

    provider: str
    operation: str
    attempt: int
    waited: float
    duration: float
    outcome: str
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    will_retry_in: float | None = None


@frozen(kw_only=True)
class WaitEvent:
    """A request is about to wait.

    Attributes:
        provider: the provider's name.
        operation: what is sent, by the name that the provider gives it.
        attempt: the number of the attempt that comes after the wait.
        seconds: how long.
        why: a limit's queue, the time between two attempts, the platform asked for it, or it has
            yet to get somewhere.
        until: where it has to get, in headend's own words after "until"; `None` for other waits.
    """

    provider: str
    operation: str
    attempt: int
    seconds: float
    why: Literal["pacing", "backoff", "retry-after", "state"]
    until: str | None = None


class Observer(Protocol):
    """What is told of every attempt and every wait, in the thread that makes them."""

    def attempt(self, event: AttemptEvent) -> None:
        """A request was sent."""
        ...

    def wait(self, event: WaitEvent) -> None:
        """A request is about to wait."""
        ...


class GuardedObserver:
    """An observer whose errors are logged, the first one only, and go no further."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name
        self._failed = False

    @classmethod
    def of(cls, observer: Observer) -> Self:
        """Guard an observer, unless it is guarded already."""
        return observer if isinstance(observer, cls) else cls(observer, type(observer).__name__)

    def attempt(self, event: AttemptEvent) -> None:
        """A request was sent."""
        try:
            self._observer.attempt(event)
        except Exception as error:  # noqa: BLE001  # an observer may raise anything
            self._complain(error)

    def wait(self, event: WaitEvent) -> None:
        """A request is about to wait."""
        try:
            self._observer.wait(event)
        except Exception as error:  # noqa: BLE001  # as above
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            LOGGER.error(
                "the observer %s failed, and will be reported no more: %s",
                self._name,
                type(error).__name__,
                exc_info=error,
            )


def log_attempt(event: AttemptEvent) -> None:
    """Write an attempt to the log: a failure at level INFO, any other at DEBUG."""
    level = logging.DEBUG if event.outcome == "ok" else logging.INFO
    if LOGGER.isEnabledFor(level):
        LOGGER.log(
            level,
            "%s %s: attempt %d: %s after %.3f s",
            event.provider,
            event.operation,
            event.attempt,
            event.outcome,
            event.duration,
            extra=attrs.asdict(event),
        )


def log_wait(event: WaitEvent) -> None:
    """Write a wait to the log: one that a person notices at level INFO, any other at DEBUG."""
    level = logging.INFO if event.seconds >= _NOTICED else logging.DEBUG
    if LOGGER.isEnabledFor(level):
        LOGGER.log(
            level,
            "%s %s: attempt %d waits %.3f s: %s",
            event.provider,
            event.operation,
            event.attempt,
            event.seconds,
            event.why if event.until is None else f"until {event.until}",
            extra=attrs.asdict(event),
        )
