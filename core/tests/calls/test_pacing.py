"""Pacing: never more than the limit, hardly less, in order of arrival."""

from __future__ import annotations

import threading
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings, strategies as st

from headend.calls import Pacers, PacerState, RateLimit, process_pacers
from headend.calls.pacing import LONGEST_PAUSE, MemoryPacerStore, Pacer, QueueTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tests.calls.conftest import VirtualClock

    NewClock = type[VirtualClock]

FOREVER = 1e12


def excess(grants: Sequence[float], requests: int, window: float) -> int:
    """Return by how many the fullest window of that length, both ends in it, exceeds the limit."""
    moments = sorted(grants)
    first = worst = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > window:
            first += 1
        worst = max(worst, last - first + 1)
    return max(0, worst - requests)


def test_the_measure_of_excess_sees_one_too_many() -> None:
    assert excess([0.0, 0.5, 1.0], 2, 1.0) == 1
    assert excess([0.0, 0.5, 1.1], 2, 1.0) == 0


@st.composite
def limits(draw: st.DrawFn, *, burst: bool = True) -> RateLimit:
    requests = draw(st.integers(1, 60) | st.sampled_from([100, 1200]))
    most = max(1, int(0.9 * requests))
    return RateLimit(
        name="api",
        requests=requests,
        window=draw(st.sampled_from([0.1, 1.0, 10.0, 300.0])),
        per="credential",
        burst=draw(st.integers(1, most)) if burst else 1,
    )


class Run:
    """Callers in virtual time, and what became of them."""

    def __init__(self, clock: VirtualClock, *limits: RateLimit) -> None:
        self.clock = clock
        self.states: dict[str, PacerState] = {}
        self.offset = 0.0
        self.pacers = Pacers(MemoryPacerStore(self), clock)  # type: ignore[arg-type]  # it asks for the time only
        self.keys = tuple(Pacer.of(str(number), one) for number, one in enumerate(limits))
        self.grants: list[tuple[float, int]] = []
        self.refused: list[tuple[float, int]] = []

    def monotonic(self) -> float:
        """The clock of the store, which may be put back."""
        return self.clock.seconds + self.offset

    def __call__(
        self,
        arrivals: Sequence[float],
        *,
        patience: Callable[[int], float] = lambda _: FOREVER,
        happenings: Sequence[tuple[float, Callable[[], object]]] = (),
        through: Callable[[int], tuple[Pacer, ...]] | None = None,
    ) -> list[float]:
        before = len(self.grants) + len(self.refused)

        def done(number: int, error: BaseException | None) -> None:
            if error is None:
                self.grants.append((self.clock.seconds, number))
            elif isinstance(error, QueueTooLongError):
                self.refused.append((self.clock.seconds, number))
            else:
                raise error

        self.clock.drive(
            [
                (
                    arrival,
                    lambda number=number, arrival=arrival: self.pacers.waits(
                        through(number) if through else self.keys,
                        deadline=arrival + patience(number),
                    ),
                )
                for number, arrival in enumerate(arrivals)
            ],
            done,
            happenings,
        )
        assert len(self.grants) + len(self.refused) == before + len(arrivals)
        return [moment for moment, _ in self.grants]

    @property
    def order(self) -> list[int]:
        return [number for _, number in self.grants]


def arrivals_of(gaps: Sequence[float], limit: RateLimit) -> list[float]:
    return list(accumulate(gap * limit.interval for gap in gaps))


GAPS = st.lists(st.sampled_from([0, 0, 0, 0.3, 0.9, 1, 1.1, 5, 40]), min_size=1, max_size=150)
LATE = st.lists(st.sampled_from([0, 0, 0.001, 0.01, 0.05, 0.3, 1, 3]), min_size=1, max_size=20)


def sleepy(lateness: Sequence[float], unit: float) -> Callable[[], float]:
    turn = iter(range(10**9))
    return lambda: lateness[next(turn) % len(lateness)] * unit


class TestLimit:
    @given(limit=limits(), gaps=GAPS, late=LATE)
    @example(
        limit=RateLimit(name="api", requests=5, window=1.0, per="credential"),
        gaps=[0.0] * 60,
        late=[0, 0.3, 0, 0, 0, 3],
    )
    def test_no_window_ever_sees_more_however_late_sleepers_wake(
        self, new_clock: NewClock, limit: RateLimit, gaps: list[float], late: list[float]
    ) -> None:
        run = Run(new_clock(), limit)
        run.clock.lateness = sleepy(late, limit.window)
        grants = run(arrivals_of(gaps, limit))

        assert excess(grants, limit.requests, limit.window) == 0

    @given(
        limit=limits(),
        gaps=GAPS,
        late=LATE,
        patience=st.lists(st.sampled_from([0.5, 3, 30, 1e6]), min_size=1, max_size=5),
        troubles=st.lists(
            st.tuples(
                st.floats(0, 60),
                st.sampled_from(["pause", "report", "put back"]),
                st.floats(0, 2),
                st.integers(0, 5),
            ),
            max_size=8,
        ),
    )
    def test_nor_with_pauses_reports_impatient_callers_and_a_clock_that_is_put_back(
        self,
        new_clock: NewClock,
        limit: RateLimit,
        gaps: list[float],
        late: list[float],
        patience: list[float],
        troubles: list[tuple[float, str, float, int]],
    ) -> None:
        run = Run(new_clock(), limit)
        run.clock.lateness = sleepy(late, limit.window / 10)

        pauses: list[tuple[float, float]] = []

        def happen(kind: str, share: float, remaining: int) -> None:
            if kind == "pause":
                run.pacers.pause(run.keys, share * limit.window)
                pauses.append((run.clock.seconds, run.clock.seconds + share * limit.window))
            elif kind == "report":
                run.pacers.slow_down(run.keys[0], remaining, share * limit.window)
            else:
                run.offset -= share * 1000

        grants = run(
            arrivals_of(gaps, limit),
            patience=lambda number: patience[number % len(patience)] * limit.interval,
            happenings=[
                (when * limit.interval, lambda what=what: happen(*what)) for when, *what in troubles
            ],
        )

        assert excess(grants, limit.requests, limit.window) == 0
        for begin, end in pauses:
            assert not [moment for moment in grants if begin < moment < end - 1e-5]
        for moment, number in run.refused:
            arrival = arrivals_of(gaps, limit)[number]
            within = patience[number % len(patience)] * limit.interval
            assert moment <= arrival + within + max(late) * limit.window / 10 + 1e-6

    @settings(max_examples=50)
    @given(own=limits(), shared=limits(), late=LATE, gaps=GAPS, data=st.data())
    def test_a_request_under_two_limits_keeps_both(
        self,
        new_clock: NewClock,
        own: RateLimit,
        shared: RateLimit,
        late: list[float],
        gaps: list[float],
        data: st.DataObject,
    ) -> None:
        run = Run(new_clock(), own, shared)
        run.clock.lateness = sleepy(late, own.window / 20)
        both = data.draw(st.lists(st.booleans(), min_size=len(gaps), max_size=len(gaps)))
        run(
            arrivals_of(gaps, shared),
            through=lambda number: run.keys if both[number] else run.keys[1:],
        )

        mine = [moment for moment, number in run.grants if both[number]]
        everyone = [moment for moment, _ in run.grants]
        assert excess(mine, own.requests, own.window) == 0
        assert excess(everyone, shared.requests, shared.window) == 0

    def test_who_waits_in_a_slow_queue_of_its_own_keeps_nobody_from_the_shared_one(
        self, clock: VirtualClock
    ) -> None:
        slow = RateLimit(name="create", requests=1, window=10.0, per="operation")
        shared = RateLimit(name="api", requests=100, window=1.0, per="credential")
        run = Run(clock, slow, shared)
        run([0.0] * 5 + [0.5], through=lambda number: run.keys if number < 5 else run.keys[1:])

        assert (0.5, 5) in run.grants
        assert run.order == [0, 5, 1, 2, 3, 4]
        assert run.grants[-1][0] == pytest.approx(4 * slow.interval)


class TestUse:
    @given(limit=limits(burst=False), n=st.integers(20, 150))
    def test_a_queue_that_never_empties_uses_98_percent_of_the_limit(
        self, new_clock: NewClock, limit: RateLimit, n: int
    ) -> None:
        grants = Run(new_clock(), limit)([0.0] * n)

        used = (n - 1) / (grants[-1] - grants[0]) * limit.window / limit.requests
        assert used == pytest.approx(0.98, abs=1e-4)

    @pytest.mark.parametrize(("requests", "window"), [(5, 1.0), (100, 1.0), (3, 1.0)])
    def test_it_uses_95_percent_though_sleepers_wake_a_little_late(
        self, clock: VirtualClock, requests: int, window: float
    ) -> None:
        limit = RateLimit(name="api", requests=requests, window=window, per="credential")
        clock.lateness = sleepy([0.0002, 0.001, 0.004, 0.0] * 15 + [0.012, 0.03, 0.06], 1.0)
        n = 30 * requests
        grants = Run(clock, limit)([0.0] * n)

        assert (n - 1) / (grants[-1] - grants[0]) * window / requests >= 0.95

    @given(limit=limits())
    def test_a_burst_goes_at_once_and_the_next_one_waits(
        self, new_clock: NewClock, limit: RateLimit
    ) -> None:
        grants = Run(new_clock(), limit)([0.0] * (limit.burst + 1))

        assert grants[: limit.burst] == [0.0] * limit.burst
        assert grants[-1] == pytest.approx(limit.interval)

    def test_after_many_gave_up_the_next_one_finds_no_queue(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=5, window=1.0, per="credential")
        run = Run(clock, limit)
        run(
            [0.0] * 50 + [12.0],
            patience=lambda number: 11.0 if number < 50 else FOREVER,
            happenings=[(0.5, lambda: run.pacers.pause(run.keys, 11.0))],
        )

        assert len(run.refused) == 47
        assert run.grants[-1] == (12.0, 50)

    def test_a_count_of_waiting_ones_that_a_killed_process_left_does_no_harm(
        self, clock: VirtualClock
    ) -> None:
        limit = RateLimit(name="api", requests=5, window=1.0, per="credential")
        run = Run(clock, limit)
        run.pacers._store.update(["0"], lambda states, _: setattr(states[0], "waiting", 9))
        run([1.0])

        assert run.pacers._store.update(["0"], lambda states, _: states[0].waiting) == 0


class TestOrder:
    @given(
        limit=limits(),
        gaps=GAPS,
        troubles=st.lists(
            st.tuples(st.floats(0, 60), st.booleans(), st.floats(0, 2), st.integers(0, 5)),
            max_size=6,
        ),
    )
    def test_first_come_first_served_through_pauses_and_slower_times(
        self,
        new_clock: NewClock,
        limit: RateLimit,
        gaps: list[float],
        troubles: list[tuple[float, bool, float, int]],
    ) -> None:
        run = Run(new_clock(), limit)

        def happen(pause: bool, share: float, remaining: int) -> None:
            if pause:
                run.pacers.pause(run.keys, share * limit.window)
            else:
                run.pacers.slow_down(run.keys[0], remaining, share * limit.window)

        run(
            arrivals_of(gaps, limit),
            happenings=[
                (when * limit.interval, lambda what=what: happen(*what)) for when, *what in troubles
            ],
        )

        turns = [moment for moment, _ in sorted(run.grants, key=lambda grant: grant[1])]
        assert all(later > sooner - 1e-6 for sooner, later in pairwise(turns))

    def test_a_pause_moves_all_who_wait_by_as_much(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=10, window=1.0, per="credential")
        run = Run(clock, limit)
        grants = run(
            [0.0] * 6 + [2.0], happenings=[(0.15, lambda: run.pacers.pause(run.keys, 300.0))]
        )
        step = limit.interval

        assert grants == pytest.approx([0.0, step] + [300 + step * n for n in range(2, 7)])
        assert run.order == list(range(7))

    @pytest.mark.parametrize("begin", [0.5, 1.02])
    def test_who_overslept_does_not_go_in_a_pause_that_began_meanwhile(
        self, clock: VirtualClock, begin: float
    ) -> None:
        """At second 1 all wake late; until second 1.09 the last one is held back."""
        limit = RateLimit(name="api", requests=10, window=1.0, per="credential")
        run = Run(clock, limit)
        clock.lateness = lambda: max(0.0, 1.0 - clock.seconds - clock.naps[-1])
        grants = run([0.0] * 3, happenings=[(begin, lambda: run.pacers.pause(run.keys, 60.0))])

        assert [moment for moment in grants if begin < moment < begin + 60 - 1e-5] == []
        assert grants[-1] < begin + 60.2

    def test_after_a_stall_all_go_in_order_and_sleep_twice_more_at_most(
        self, clock: VirtualClock
    ) -> None:
        """The whole process stood still until second 3, when the last slots were long past."""
        limit = RateLimit(name="api", requests=10, window=1.0, per="credential")
        run = Run(clock, limit)
        clock.lateness = lambda: max(0.0, 3.0 - clock.seconds - clock.naps[-1])
        grants = run([0.0] * 20)

        assert run.order == list(range(20))
        assert grants[-1] == pytest.approx(3.0 + 17 * limit.interval, abs=limit.interval)
        assert len(clock.naps) <= 3 * 19

    def test_after_a_stall_the_wait_that_is_told_is_true_again(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=10, window=1.0, per="credential")
        run = Run(clock, limit)
        clock.lateness = lambda: 0.9 if len(clock.naps) == 3 else 0.0
        told: list[list[float]] = [[], []]
        run([0.0] * 20)

        def newcomer(number: int, arrival: float) -> Generator[float, None, None]:
            for wait in run.pacers.waits(run.keys, deadline=FOREVER):
                told[number].append(wait)
                yield wait
            assert sum(told[number]) == pytest.approx(clock.seconds - arrival)

        begin = clock.seconds
        clock.drive(
            [(begin, lambda n=n: newcomer(n, begin)) for n in range(2)],
            lambda _, error: None if error is None else pytest.fail(str(error)),
        )
        assert [len(waits) for waits in told] == [1, 1]

    def test_a_second_pause_only_lengthens_the_first(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=10, window=1.0, per="credential")
        run = Run(clock, limit)
        run.pacers.pause(run.keys, 5.0)
        run.pacers.pause(run.keys, 3.0)
        run.pacers.pause(run.keys, 7.0)

        assert run([1.0]) == [7.0]

    def test_no_pause_is_longer_than_an_hour(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=10, window=1.0, per="credential")
        run = Run(clock, limit)
        run.pacers.pause(run.keys, float("inf"))

        assert run([0.0]) == [LONGEST_PAUSE]


class TestDeadline:
    def test_who_would_come_too_late_is_told_at_once_and_takes_no_slot(
        self, clock: VirtualClock
    ) -> None:
        limit = RateLimit(name="api", requests=5, window=1.0, per="credential")
        run = Run(clock, limit)
        grants = run([0.0] * 6, patience=lambda number: 0.5 if number in {3, 4} else FOREVER)

        assert run.refused == [(0.0, 3), (0.0, 4)]
        assert run.order == [0, 1, 2, 5]
        assert grants == pytest.approx([limit.interval * n for n in range(4)])

    def test_who_is_paused_beyond_the_deadline_gives_up_before_it(
        self, clock: VirtualClock
    ) -> None:
        limit = RateLimit(name="api", requests=5, window=1.0, per="credential")
        run = Run(clock, limit)
        run(
            [0.0] * 3,
            patience=lambda _: 2.0,
            happenings=[(0.1, lambda: run.pacers.pause(run.keys, 60.0))],
        )

        assert [number for _, number in run.refused] == [1, 2]
        assert all(moment < 2.0 for moment, _ in run.refused)


class TestReports:
    LIMIT = RateLimit(name="api", requests=1200, window=300.0, per="credential", burst=30)

    def test_what_is_left_is_spread_until_the_reset(self, clock: VirtualClock) -> None:
        """Another program spends the same limit: 20 requests are left for 100 seconds."""
        run = Run(clock, self.LIMIT)
        left = 20
        run([0.0])
        while clock.seconds < 100:
            run.pacers.slow_down(run.keys[0], max(0, left), 100 - clock.seconds)
            run([clock.seconds])
            left -= 1
        spent = [moment for moment, _ in run.grants if moment < 100]

        assert 15 <= len(spent) <= 21
        assert all(1 < later - sooner < 12 for sooner, later in pairwise(spent))

    def test_nothing_left_stops_until_the_reset(self, clock: VirtualClock) -> None:
        run = Run(clock, self.LIMIT)
        run.pacers.slow_down(run.keys[0], 0, 42.0)

        assert run([0.0]) == [42.0]

    @pytest.mark.parametrize(
        ("remaining", "resets_in"),
        [(1169, 299.0), (30, 1.0), (-1, 50.0), (5, -3.0), (5, float("nan"))],
    )
    def test_what_we_spent_ourselves_and_what_makes_no_sense_slows_nobody(
        self, clock: VirtualClock, remaining: float, resets_in: float
    ) -> None:
        run = Run(clock, self.LIMIT)
        run.pacers.slow_down(run.keys[0], remaining, resets_in)

        assert run([0.0] * 30) == [0.0] * 30

    @pytest.mark.parametrize(("requests", "window"), [(5, 1.0), (100, 10.0), (1200, 300.0)])
    def test_a_program_alone_is_not_slowed_by_its_own_use(
        self, clock: VirtualClock, requests: int, window: float
    ) -> None:
        """The platform counts in fixed windows and tells whole seconds, rounded up."""
        limit = RateLimit(name="api", requests=requests, window=window, per="credential")
        run = Run(clock, limit)
        n = 3 * requests
        for _ in range(n):
            (*_, now) = run([clock.seconds])
            in_window = sum(1 for moment, _ in run.grants if moment // window == now // window)
            run.pacers.slow_down(
                run.keys[0], requests - in_window, float(-((now % window - window) // 1))
            )
        assert (n - 1) / clock.seconds * window / requests >= 0.95

    def test_a_reset_lies_no_further_away_than_the_window(self, clock: VirtualClock) -> None:
        run = Run(clock, self.LIMIT)
        run.pacers.slow_down(run.keys[0], 0, 1e9)

        assert run([0.0]) == [300.0]


class TestClock:
    @given(back=st.floats(0, 1e6), n=st.integers(2, 20))
    def test_a_clock_that_is_put_back_makes_nobody_wait_more_than_once_again_as_long(
        self, new_clock: NewClock, back: float, n: int
    ) -> None:
        """How far it was put back is known but for the time since the states last changed."""
        limit = RateLimit(name="api", requests=5, window=1.0, per="credential")
        run = Run(new_clock(), limit)
        run.offset = 2e6

        def put_back() -> None:
            run.offset -= back

        grants = run([0.0] * n, happenings=[(0.1, put_back), (0.5, put_back)])

        late = [grant - limit.interval * k for k, grant in enumerate(grants)]
        assert all(-1e-6 <= one <= 2 * limit.interval + 1e-6 for one in late)

    def test_a_pause_lasts_though_the_clock_is_put_back(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=5, window=1.0, per="credential")
        run = Run(clock, limit)
        run.offset = 1e6
        run.pacers.pause(run.keys, 10.0)
        run.offset -= 3600

        assert run([1.0]) == pytest.approx([11.0 - 1.0], abs=1.01)


class TestStore:
    def test_one_caller_at_a_time_changes_the_states(self, clock: VirtualClock) -> None:
        store = MemoryPacerStore(clock)

        def work() -> None:
            for _ in range(500):
                store.update(
                    ["a"], lambda states, _: setattr(states[0], "shifted", states[0].shifted + 1)
                )

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert store.update(["a"], lambda states, _: states[0].shifted) == 2000

    def test_a_lock_that_a_fork_copied_is_no_lock(self, clock: VirtualClock) -> None:
        store = MemoryPacerStore(clock)
        store._lock.acquire()
        store.unlock_after_fork()

        assert store.update(["a"], lambda states, now: (len(states), now)) == (1, 0.0)

    def test_a_process_has_one_set_of_pacers(self) -> None:
        assert process_pacers() is process_pacers()
