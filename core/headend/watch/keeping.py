"""The ledger as a watcher uses it: while it fails, looking goes on and nothing is kept."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from headend.errors import ConfigurationError, LedgerError
from headend.ledger.deferred import ALONE_FOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.clock import Clock
    from headend.costs.book import CostBook
    from headend.ledger import Ledger
    from headend.ledger.usage import LastSeen, Observation, StreamRef

_T = TypeVar("_T")

_RECENT: Final = timedelta(days=1)

_log: Final = logging.getLogger("headend.watch")


class Keeper:
    """Writes to and reads from a ledger, and remembers why that does not work.

    After a failure it is left alone for `ALONE_FOR` seconds: a database that is locked costs
    seconds each time it is tried.

    Attributes:
        problem: why it could not be used lately, in words, or `None`.
    """

    def __init__(self, book: CostBook, clock: Clock) -> None:
        self.problem: str | None = None
        self._book = book
        self._clock = clock
        self._alone_until = float("-inf")

    @property
    def is_kept(self) -> bool:
        """Whether the ledger is there, and keeps things beyond this process."""
        return bool(self.do(lambda ledger: ledger.location is not None))

    def do(self, use: Callable[[Ledger], _T]) -> _T | None:
        """Use the ledger; `None` where that does not work."""
        if self._clock.monotonic() < self._alone_until:
            return None
        try:
            done = use(self._book.ledger)
        except (ConfigurationError, LedgerError) as error:
            if self.problem is None:
                _log.warning("what is seen is not kept: %s", error)
            self.problem = str(error)
            self._alone_until = self._clock.monotonic() + ALONE_FOR
            return None
        self.problem = None
        return done

    def observe(self, seen: Observation) -> None:
        """Keep what was seen of a live stream."""
        self.do(lambda ledger: ledger.observe(seen, now=self._clock.now()))

    def last_seen(self) -> dict[StreamRef, LastSeen]:
        """Return how live streams were seen last, those that were seen within a day."""
        since = self._clock.now() - _RECENT
        found = self.do(lambda ledger: ledger.last_seen(since=since)) or []
        return {one.ref: one for one in found}
