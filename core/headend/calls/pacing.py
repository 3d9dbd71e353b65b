"""Pacing: requests leave no faster than the platform's limits allow, in order of arrival.

A caller reserves the next free moment, its *slot*, and sleeps until then; so the wait is known
before it begins.  The slots are those of GCRA, the generic cell rate algorithm (ITU-T I.371):
two numbers hold a whole queue.  Three things come on top:

* A *pause* moves the slots of all who wait, and of all who come, by as much; the order stays.
* Sleepers wake late on a busy machine, and late ones bunch.  So a second GCRA meters those
  that really go, with a little tolerance; who wakes to find it exceeded goes a moment later,
  and pushes the rest back by as much, at most by one interval.
* All arithmetic is here.  A `PacerStore` keeps the numbers and lets one at a time change them:
  threads of this process, or all processes that share a database.
"""

from __future__ import annotations

import os
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

from attrs import define, frozen

from headend.calls.operation import USED, RateLimit
from headend.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from headend.clock import Clock

_T = TypeVar("_T")

LONGEST_PAUSE: Final = 3600.0
"""Seconds; no answer of a platform, however absurd, stops all callers for longer."""

_DUE: Final = 1e-6
"""Seconds; what is nearer than this is now, since a wall clock has no finer digits as a float."""


@define
class PacerState:
    """What a store keeps of one pacer: seconds on the store's clock, zero at first.

    Attributes:
        next_slot: the theoretical arrival time of the next reservation.
        granted: the theoretical arrival time of the next request by those that really went.
        shifted: by how much those who wait have been moved back, since ever.
        paused_until: nobody goes before.
        as_of: when any of it was last changed.
        waiting: how many have reserved and not gone yet.
    """

    next_slot: float = 0.0
    granted: float = 0.0
    shifted: float = 0.0
    paused_until: float = 0.0
    as_of: float = 0.0
    waiting: int = 0


class PacerStore(Protocol):
    """Keeps the states of pacers for all who share them."""

    def update(
        self, keys: Sequence[str], change: Callable[[Sequence[PacerState], float], _T]
    ) -> _T:
        """Let `change` read and alter the states of some pacers, with nobody in between.

        Args:
            keys: the pacers; texts without secrets, none twice.
            change: gets their states in the order of the keys, a new `PacerState` for a key
                that is not known, and the time now: seconds on a clock that all who share the
                store share, read after the store is locked.  It alters the states in place.
                It is quick, and it does not wait.

        Returns:
            What `change` returned; it does not raise.

        The clock is monotonic within a process and the wall clock between processes; one that
        is put back is dealt with here, not in the store.  Nothing needs to survive a crash.
        """
        ...


class MemoryPacerStore:
    """Keeps pacers for the threads of this process, on the clock's monotonic time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, PacerState] = {}
        self._lock = Lock()

    def update(
        self, keys: Sequence[str], change: Callable[[Sequence[PacerState], float], _T]
    ) -> _T:
        """Let `change` read and alter the states of some pacers, with nobody in between."""
        with self._lock:
            states = [self._states.get(key) or PacerState() for key in keys]
            answer = change(states, self._clock.monotonic())
            self._states.update(zip(keys, states, strict=True))
            return answer

    def unlock_after_fork(self) -> None:
        """Forget a lock that a thread held which this process does not have."""
        self._lock = Lock()


@frozen
class Pacer:
    """One limit as one scope has it.

    Attributes:
        key: what the stores know it by.
        limit: what the platform allows.
        interval: seconds from one slot to the next.
        tolerance: seconds by which a burst may be ahead of its slots.
        slack: seconds by which those who go may be ahead of the limit's even pace.  That is half
            of what is left unused of the limit; the other half is for the way to the platform.
    """

    key: str
    limit: RateLimit
    interval: float
    tolerance: float
    slack: float

    @classmethod
    def of(cls, key: str, limit: RateLimit) -> Self:
        """Work out the figures of a limit."""
        interval = limit.interval
        return cls(
            key=key,
            limit=limit,
            interval=interval,
            tolerance=(limit.burst - 1) * interval,
            slack=(1 - USED) * limit.requests * interval / 2,
        )


class QueueTooLongError(Exception):
    """The queue of a limit is longer than a caller has time.

    `Calls` turns it into a `RateLimitedError`; it goes no further.

    Attributes:
        pacer: whose queue it is.
        wait: how long it is, in seconds.
    """

    def __init__(self, pacer: Pacer, wait: float) -> None:
        super().__init__(f"{pacer.limit.name}: {wait:.3f} s")
        self.pacer = pacer
        self.wait = wait


@define
class _Ticket:
    """A place in a queue.

    Attributes:
        pacer: whose queue.
        slot: when to go, unless moved.
        shifted: what `PacerState.shifted` was then.
        held_until: set once the meter of those who really go held it back: until when, on the
            monotonic clock.
    """

    pacer: Pacer
    slot: float
    shifted: float
    held_until: float | None = None


def _settle(state: PacerState, now: float) -> None:
    """Take a clock that was put back into account: what was to come is as far off as it was."""
    back = state.as_of - now
    if back > 0:
        state.next_slot -= back
        state.granted -= back
        state.shifted -= back
        state.paused_until -= back
    state.as_of = now


def _reserve(state: PacerState, pacer: Pacer, now: float) -> _Ticket:
    if state.next_slot <= now:
        # All slots are past, so nobody waits; a process that was killed may have left a count.
        state.waiting = 0
    slot = max(now, state.next_slot - pacer.tolerance, state.paused_until)
    state.next_slot = max(state.next_slot, slot) + pacer.interval
    state.waiting += 1
    return _Ticket(pacer, slot, state.shifted)


def _leave(state: PacerState) -> None:
    """Count one out who goes or gives up; with the last one, the slots of those who gave up go."""
    state.waiting = max(0, state.waiting - 1)
    if state.waiting == 0:
        state.next_slot = min(state.next_slot, state.granted)


def _due(state: PacerState, ticket: _Ticket, now: float) -> float:
    """Return the seconds until a ticket's slot."""
    return max(ticket.slot + state.shifted - ticket.shifted, state.paused_until) - now


class Pacers:
    """The queues of all limits that a process, or the processes on one database, know."""

    def __init__(self, store: PacerStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[str, float] = {}
        """Until when those are held back who overslept; by key, on the monotonic clock."""

    def wait(
        self, pacers: Sequence[Pacer], *, deadline: float, before: Callable[[float], None]
    ) -> None:
        """Wait for one's turn with each of the limits.

        Args:
            pacers: the limits, those of fewer operations first; none twice.
            deadline: in seconds of the clock's monotonic time.
            before: called with the seconds before each wait.

        Raises:
            QueueTooLongError: the turn would come after the deadline.  Where that is known from
                the start no slot is taken; a pause may make it so later.
        """
        for seconds in self.waits(pacers, deadline=deadline):
            before(seconds)
            self._clock.sleep(seconds)

    def waits(self, pacers: Sequence[Pacer], *, deadline: float) -> Generator[float, None, None]:
        """Yield the seconds to wait, each time before the wait; at the end it is one's turn."""
        held: list[_Ticket] = []
        try:
            for number, pacer in enumerate(pacers, 1):
                last = number == len(pacers)
                wait = self._join(pacer, held, deadline, last=last)
                while wait > 0:
                    yield wait
                    wait = self._look(held, deadline, last=last)
        except BaseException:
            self._give_up(held)
            raise

    def _join(self, pacer: Pacer, held: list[_Ticket], deadline: float, *, last: bool) -> float:
        left = deadline - self._clock.monotonic()

        def change(states: Sequence[PacerState], now: float) -> tuple[float, _Ticket | None]:
            for state in states:
                _settle(state, now)
            state = states[-1]
            queue = max(state.next_slot - pacer.tolerance, state.paused_until) - now
            if queue > _DUE and queue >= left:
                return queue, None
            ticket = _reserve(state, pacer, now)
            wait = self._claim(states, [*held, ticket], now) if last else _due(state, ticket, now)
            return wait, ticket

        keys = [*[ticket.pacer.key for ticket in held], pacer.key]
        wait, ticket = self._store.update(keys, change)
        # Only now: what failed in the store may have been run, and may be run again.
        if ticket is not None:
            held.append(ticket)
        return _in_time(pacer, wait, left)

    def _look(self, held: list[_Ticket], deadline: float, *, last: bool) -> float:
        left = deadline - self._clock.monotonic()

        def change(states: Sequence[PacerState], now: float) -> float:
            for state in states:
                _settle(state, now)
            return self._claim(states, held, now) if last else _due(states[-1], held[-1], now)

        wait = self._store.update([ticket.pacer.key for ticket in held], change)
        return _in_time(held[-1].pacer, wait, left)

    def _claim(self, states: Sequence[PacerState], tickets: Sequence[_Ticket], now: float) -> float:
        """Let the holder of the tickets go, or return the seconds still to wait."""
        instant = self._clock.monotonic()
        pairs = list(zip(states, tickets, strict=True))
        due = max(
            _due(state, ticket, now) if ticket.held_until is None else ticket.held_until - instant
            for state, ticket in pairs
        )
        if due > _DUE:
            return due
        wait = max(self._hold(state, ticket, now, instant) for state, ticket in pairs)
        if wait > _DUE:
            return wait
        for state, ticket in pairs:
            state.granted = max(state.granted, now) + ticket.pacer.interval
            _leave(state)
        return 0.0

    def _hold(self, state: PacerState, ticket: _Ticket, now: float, instant: float) -> float:
        """Return the seconds for which the meter of those who really go holds a ticket back."""
        pacer = ticket.pacer
        wait = state.granted - pacer.tolerance - pacer.slack - now
        if wait <= _DUE:
            return 0.0
        if ticket.held_until is None:
            wait = max(wait, self._held.get(pacer.key, instant) - instant)
            push = min(wait, pacer.interval)
            state.next_slot += push
            state.shifted += push
        ticket.held_until = instant + wait
        self._held[pacer.key] = max(
            self._held.get(pacer.key, instant), ticket.held_until + pacer.interval
        )
        return wait

    def _give_up(self, held: list[_Ticket]) -> None:
        def change(states: Sequence[PacerState], now: float) -> None:
            for state in states:
                _settle(state, now)
                _leave(state)

        if held:
            self._store.update([ticket.pacer.key for ticket in held], change)

    def pause(self, pacers: Sequence[Pacer], seconds: float) -> None:
        """Let nobody go for so many seconds, `LONGEST_PAUSE` at most; the order stays."""
        seconds = min(seconds, LONGEST_PAUSE)

        def change(states: Sequence[PacerState], now: float) -> None:
            for state in states:
                _settle(state, now)
                _pause(state, now, seconds)

        self._store.update([pacer.key for pacer in pacers], change)

    def slow_down(self, pacer: Pacer, remaining: float, resets_in: float) -> None:
        """Heed that the platform says what is left; it matters if it is less than is believed.

        Then others spend the same limit, and those who wait are moved back so far that what is
        left lasts until the reset.

        Args:
            pacer: the limit.
            remaining: the requests that are left.
            resets_in: seconds until there are more.
        """
        limit = pacer.limit
        resets_in = min(resets_in, max(limit.window, limit.block or 0.0))
        if not (remaining >= 0 and resets_in > 0):
            return
        # The figure comes in whole seconds, so a second may be gone of it that seems to be left.
        spent = limit.burst + limit.rate * (limit.window - max(0.0, resets_in - 1))
        if remaining >= limit.requests - spent:
            return

        def change(states: Sequence[PacerState], now: float) -> None:
            state = states[0]
            _settle(state, now)
            if remaining < 1:
                _pause(state, now, resets_in)
            else:
                # Each answer says so for one request, and moves the next by its share; a burst
                # has no place here.
                even = max(now, state.paused_until) + pacer.interval + pacer.tolerance
                state.next_slot = max(state.next_slot, even)
                if state.waiting == 0:
                    state.granted = max(state.granted, even)
                _shift(state, max(0.0, resets_in / remaining - pacer.interval))

        self._store.update([pacer.key], change)


def _in_time(pacer: Pacer, wait: float, left: float) -> float:
    """Return the seconds to wait, 0 where it is time, unless that takes longer than there is."""
    if wait <= _DUE:
        return 0.0
    if wait >= left:
        raise QueueTooLongError(pacer, wait)
    return wait


def _pause(state: PacerState, now: float, seconds: float) -> None:
    begin = max(now, state.paused_until)
    by = now + seconds - begin
    if by > 0:
        _shift(state, by)
        state.paused_until = begin + by


def _shift(state: PacerState, by: float) -> None:
    """Move all that is to come, as if the time had stood still for so long."""
    state.next_slot += by
    state.granted += by
    state.shifted += by


@cache
def process_pacers() -> Pacers:
    """Return the pacers that all platforms of this process share where they share a limit."""
    clock = SystemClock()
    store = MemoryPacerStore(clock)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=store.unlock_after_fork)
    return Pacers(store, clock)
