"""A ledger that is opened when it is first needed: listing live streams needs none."""

from __future__ import annotations

import logging
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from headend.calls.pacing import MemoryPacerStore
from headend.clock import SystemClock
from headend.errors import ConfigurationError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from headend.calls.pacing import PacerState
    from headend.clock import Clock
    from headend.ledger.store import Ledger

_T = TypeVar("_T")

ALONE_FOR: Final = 30.0
"""Seconds after a failure until the ledger is tried again by those who can do without it."""

_log: Final = logging.getLogger("headend.ledger")


class DeferredLedger:
    """Opens a ledger once, whichever thread needs it first."""

    def __init__(self, open_ledger: Callable[[], Ledger]) -> None:
        self._open = open_ledger
        self._lock = Lock()
        self._ledger: Ledger | None = None

    def get(self) -> Ledger:
        """Return the ledger.

        Raises:
            ConfigurationError: it cannot be opened.
        """
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open()
            return self._ledger

    def check(self) -> None:
        """Find out whether the ledger can be written now.

        Raises:
            ConfigurationError: it cannot be opened.
            LedgerError: it cannot be written.
        """
        self.get().check()

    def close(self) -> None:
        """Close the ledger if it was opened."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()


class LedgerPacerStore:
    """Pacers that all processes on one ledger share.

    While the ledger cannot be used they are this process's own, with a warning in the log: to
    stop asking the platform would be worse than to ask a little too often.
    """

    def __init__(self, ledger: DeferredLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._own = _own_store()
        self._alone_until = 0.0

    def update(
        self, keys: Sequence[str], change: Callable[[Sequence[PacerState], float], _T]
    ) -> _T:
        """Let `change` read and alter the states of some pacers, with nobody in between."""
        if self._clock.monotonic() >= self._alone_until:
            try:
                shared = self._ledger.get().pacers
                if shared is not None:
                    return shared.update(keys, change)
            except (ConfigurationError, LedgerError) as error:
                # A locked database costs seconds each time it is tried.
                self._alone_until = self._clock.monotonic() + ALONE_FOR
                _log.warning("for %g s this process paces alone: %s", ALONE_FOR, error)
        return self._own.update(keys, change)


@cache
def _own_store() -> MemoryPacerStore:
    """Return the one that all platforms of this process share."""
    return MemoryPacerStore(_WallClock(SystemClock()))


class _WallClock:
    """The wall clock in the place of the monotonic one.

    Who waits has a moment of the shared store's clock, which is the wall clock, and may go on
    waiting here.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
