"""A clock that a test moves by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class ManualClock:
    """A `headend.plugin.Clock` whose time passes only when it is told to, or when someone sleeps.

    Sleeping returns at once and moves the time on.  One clock may be given to a provider and to
    its simulated platform, which serves in another thread.

    Attributes:
        naps: every sleep so far, in seconds.
    """

    def __init__(self) -> None:
        self.naps: list[float] = []
        self._seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return START + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Return the seconds since this clock was made."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Note the sleep and move the time on."""
        self.naps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the time on."""
        if seconds < 0:
            raise ValueError(f"time does not go back, so not on by {seconds} s")
        with self._lock:
            self._seconds += seconds
