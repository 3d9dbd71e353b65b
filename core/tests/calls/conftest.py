"""Virtual time for many callers: it passes only while all of them sleep."""

from __future__ import annotations

import heapq
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class VirtualClock:
    """Time that many threads, or many generators of waits, sleep in.

    One of them runs at a time.  Whoever sleeps hands over to whoever wakes first, the earlier
    sleeper first where two wake at once, so that every run is the same.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.naps: list[float] = []
        self.lateness: Callable[[], float] = lambda: 0.0
        """By how much the next sleeper wakes late."""
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._order = count()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Sleep; with no other thread about, time just passes."""
        assert seconds > 0, "nobody sleeps for no time: that would be busy waiting"
        self.naps.append(seconds)
        self._sleep(seconds + self.lateness())

    def _sleep(self, seconds: float) -> None:
        mine = threading.Event()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._order), mine))
        self._wake_next()
        assert mine.wait(30), "a sleeper was never woken"

    def _wake_next(self) -> None:
        if self._sleepers:
            moment, _, event = heapq.heappop(self._sleepers)
            self.seconds = max(self.seconds, moment)
            event.set()

    def at(self, seconds: float, happens: Callable[[], object]) -> None:
        """Have something done at a moment, in a thread of its own."""
        begin = threading.Event()
        heapq.heappush(self._sleepers, (seconds, next(self._order), begin))

        def body() -> None:
            assert begin.wait(30), "a thread was never begun"
            try:
                happens()
            except BaseException as error:  # noqa: BLE001  # told by `run`
                self._errors.append(error)
            self._wake_next()

        self._threads.append(threading.Thread(target=body, daemon=True))

    def run(self) -> None:
        """Let all that was planned happen, and raise the first error that was not caught."""
        for thread in self._threads:
            thread.start()
        self._wake_next()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        self._threads.clear()
        if self._errors:
            raise self._errors[0]

    def drive(
        self,
        callers: Iterable[tuple[float, Callable[[], Generator[float, None, None]]]],
        done: Callable[[int, BaseException | None], None],
        happenings: Iterable[tuple[float, Callable[[], object]]] = (),
    ) -> None:
        """Run many callers without threads.

        Args:
            callers: when each arrives, and what makes its waits.
            done: gets the number of a caller that is through, and its error if it had one.
            happenings: what else happens, and when.
        """
        due: list[tuple[float, int, int, Generator[float, None, None] | None]] = []
        makers = []
        for number, (moment, make) in enumerate(callers):
            makers.append(make)
            heapq.heappush(due, (moment, next(self._order), number, None))
        events = list(happenings)
        for number, (moment, _) in enumerate(events):
            heapq.heappush(due, (moment, next(self._order), -1 - number, None))
        while due:
            moment, _, number, waits = heapq.heappop(due)
            self.seconds = max(self.seconds, moment)
            if number < 0:
                events[-1 - number][1]()
                continue
            waits = waits or makers[number]()
            try:
                seconds = next(waits)
            except StopIteration:
                done(number, None)
            except Exception as error:  # noqa: BLE001  # the caller's business
                done(number, error)
            else:
                assert seconds > 0, "nobody sleeps for no time: that would be busy waiting"
                self.naps.append(seconds)
                wake = self.seconds + seconds + self.lateness()
                heapq.heappush(due, (wake, next(self._order), number, waits))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def new_clock() -> type[VirtualClock]:
    """Make clocks, for tests that need one for each example."""
    return VirtualClock
