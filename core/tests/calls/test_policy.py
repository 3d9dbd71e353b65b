"""The policy: how often a request is sent, how long it waits, and what it tells."""

from __future__ import annotations

import logging
import pickle
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from headend import errors
from headend.calls import Pacers
from headend.calls.pacing import MemoryPacerStore
from headend.plugin import (
    Attempt,
    AttemptEvent,
    Calls,
    Effect,
    Operation,
    PlatformError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    RateLimit,
    RateLimitedError,
    Secret,
    WaitEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.calls.conftest import VirtualClock

    NewClock = type[VirtualClock]

READ = Operation("read", Effect.READ)
WRITE = Operation("write", Effect.WRITE)
REPEATABLE = Operation("delete", Effect.REPEATABLE)
TEN = RateLimit(name="api", requests=10, window=1.0, per="credential")


def failure(kind: type[PlatformError] = PlatformUnavailableError, **more: object) -> PlatformError:
    return kind("it failed", provider="acme", operation="read", **more)  # type: ignore[arg-type]  # as the class


class Platform:
    """Answers with errors as planned, and with "done" when the plan is over."""

    def __init__(self, clock: VirtualClock, *plan: PlatformError | None, takes: float = 0.0):
        self.clock = clock
        self.plan = list(plan)
        self.takes = takes
        self.attempts: list[Attempt] = []
        self.moments: list[float] = []

    def __call__(self, attempt: Attempt) -> str:
        self.attempts.append(attempt)
        self.moments.append(self.clock.seconds)
        if self.takes:
            self.clock._sleep(self.takes)
        outcome = self.plan.pop(0) if self.plan else None
        if outcome is not None:
            raise outcome
        return "done"


class Watcher:
    def __init__(self) -> None:
        self.events: list[AttemptEvent | WaitEvent] = []

    def attempt(self, event: AttemptEvent) -> None:
        self.events.append(event)

    def wait(self, event: WaitEvent) -> None:
        self.events.append(event)


def calls_with(clock: VirtualClock, **more: object) -> Calls:
    return Calls(clock=clock, provider="acme", random=Random(1), **more)  # type: ignore[arg-type]  # as the class


THREE, ONE = (3, 3, 3), (1, 1, 1)
REPETITIONS = {
    errors.RateLimitedError: THREE,
    errors.PlatformUnavailableError: (3, 3, 1),
    errors.PlatformTimeoutError: (3, 3, 1),
    errors.AuthenticationError: ONE,
    errors.PermissionDeniedError: ONE,
    errors.QuotaExceededError: ONE,
    errors.StreamNotFoundError: ONE,
    errors.ConflictError: ONE,
    errors.InvalidRequestError: ONE,
    errors.UncertainOutcomeError: ONE,
    errors.PlatformProtocolError: ONE,
    errors.PlatformError: ONE,
}
"""How often a request is sent that always fails so: a read, a repeatable write, a write."""
EFFECTS = (READ, REPEATABLE, WRITE)


class TestAttempts:
    @pytest.mark.parametrize("kind", REPETITIONS, ids=lambda kind: kind.__name__)
    @pytest.mark.parametrize("column", range(3), ids=[one.effect for one in EFFECTS])
    def test_the_error_and_the_effect_decide_how_often_it_is_sent(
        self, clock: VirtualClock, kind: type[PlatformError], column: int
    ) -> None:
        platform = Platform(clock, *[failure(kind) for _ in range(9)])
        with pytest.raises(kind) as caught:
            calls_with(clock).run(EFFECTS[column], platform)

        assert type(caught.value) is kind
        assert len(platform.attempts) == REPETITIONS[kind][column]

    def test_the_table_has_every_platform_error(self) -> None:
        assert set(REPETITIONS) == {
            one
            for one in vars(errors).values()
            if isinstance(one, type) and issubclass(one, PlatformError)
        }

    @pytest.mark.parametrize(
        "kind",
        [
            errors.AuthenticationError,
            errors.PermissionDeniedError,
            errors.QuotaExceededError,
            errors.StreamNotFoundError,
            errors.InvalidRequestError,
            errors.UncertainOutcomeError,
        ],
    )
    def test_some_errors_cost_one_request_whatever_the_provider_says(
        self, clock: VirtualClock, kind: type[PlatformError]
    ) -> None:
        platform = Platform(clock, *[failure(kind, retryable=True, request_sent=False)] * 3)
        with pytest.raises(kind, match=r"^it failed \("):
            calls_with(clock).run(READ, platform)

        assert len(platform.attempts) == 1
        assert clock.naps == []

    @pytest.mark.parametrize("kind", [PlatformUnavailableError, PlatformTimeoutError])
    @pytest.mark.parametrize(("sent", "times"), [(True, 1), (None, 1), (False, 3)])
    def test_a_write_is_repeated_only_if_the_request_provably_never_left(
        self, clock: VirtualClock, kind: type[PlatformError], sent: bool | None, times: int
    ) -> None:
        platform = Platform(clock, *[failure(kind, request_sent=sent) for _ in range(9)])
        with pytest.raises(kind):
            calls_with(clock).run(WRITE, platform)

        assert len(platform.attempts) == times

    def test_an_error_that_says_it_is_not_retryable_is_not_retried(
        self, clock: VirtualClock
    ) -> None:
        platform = Platform(clock, failure(RateLimitedError, retryable=False))
        with pytest.raises(RateLimitedError):
            calls_with(clock).run(READ, platform)

        assert len(platform.attempts) == 1

    def test_the_answer_of_a_later_attempt_is_the_answer(self, clock: VirtualClock) -> None:
        platform = Platform(clock, failure(), failure(PlatformTimeoutError))

        assert calls_with(clock).run(READ, platform) == "done"
        assert [one.number for one in platform.attempts] == [1, 2, 3]

    def test_an_error_that_is_none_of_the_platform_goes_straight_through(
        self, clock: VirtualClock
    ) -> None:
        watcher = Watcher()

        def broken(_attempt: Attempt) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            calls_with(clock, observer=watcher).run(READ, broken)

        (event,) = watcher.events
        assert isinstance(event, AttemptEvent)
        assert event.outcome == "ZeroDivisionError"

    def test_each_attempt_gets_its_share_of_the_time_left(self, clock: VirtualClock) -> None:
        platform = Platform(clock, *[failure(PlatformTimeoutError) for _ in range(2)], takes=20.0)
        calls_with(clock).run(READ, platform)
        first, second, third = platform.attempts

        assert first.timeout == 20.0
        assert second.timeout == pytest.approx((60 - platform.moments[1]) / 2)
        assert third.timeout == pytest.approx(60 - platform.moments[2])

    def test_the_error_after_three_attempts_says_so_and_survives_pickling(
        self, clock: VirtualClock
    ) -> None:
        with pytest.raises(
            PlatformUnavailableError, match="it failed; it failed 3 times"
        ) as caught:
            calls_with(clock).run(READ, Platform(clock, *[failure() for _ in range(3)]))
        copy = pickle.loads(pickle.dumps(caught.value))

        assert str(copy) == str(caught.value)
        assert vars(copy) == vars(caught.value)


class TestWaits:
    def test_without_a_word_of_the_platform_it_backs_off(self, clock: VirtualClock) -> None:
        calls_with(clock).run(READ, Platform(clock, failure(), failure()))
        first, second = clock.naps

        assert 0 < first <= 0.5
        assert 0 < second <= 1.0

    def test_retry_after_is_honoured(self, clock: VirtualClock) -> None:
        watcher = Watcher()
        platform = Platform(
            clock, failure(retry_after=7.0), failure(RateLimitedError, retry_after=30)
        )
        calls_with(clock, observer=watcher).run(READ, platform)

        assert platform.moments == [0.0, 7.0, 37.0]
        assert [one.why for one in watcher.events if isinstance(one, WaitEvent)] == [
            "retry-after",
            "retry-after",
        ]

    def test_a_wait_for_the_platform_is_told_before_it_begins(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "headend.calls")
        watcher = Watcher()
        calls_with(clock, observer=watcher).wait(READ, 2.0, "the encoder is gone")

        assert watcher.events == [
            WaitEvent(
                provider="acme",
                operation="read",
                attempt=1,
                seconds=2.0,
                why="state",
                until="the encoder is gone",
            )
        ]
        assert clock.naps == [2.0]
        assert "waits 2.000 s: until the encoder is gone" in caplog.text

    @pytest.mark.parametrize("asked", [0.0, -4.0, float("nan")])
    def test_retry_after_of_nothing_is_a_backoff(self, clock: VirtualClock, asked: float) -> None:
        calls_with(clock).run(READ, Platform(clock, failure(retry_after=asked)))

        assert 0 < clock.naps[0] <= 0.5

    @pytest.mark.parametrize("asked", [30.1, 3600.0, float("inf")])
    def test_a_longer_retry_after_ends_it_and_is_on_the_error(
        self, clock: VirtualClock, asked: float
    ) -> None:
        platform = Platform(clock, failure(RateLimitedError, retry_after=asked))
        with pytest.raises(
            RateLimitedError, match="not sent again: that takes a wait of"
        ) as caught:
            calls_with(clock).run(READ, platform)

        assert caught.value.retry_after == asked
        assert (len(platform.attempts), clock.naps) == (1, [])

    def test_a_wait_that_would_outlive_the_deadline_is_not_begun(self, clock: VirtualClock) -> None:
        platform = Platform(clock, failure(retry_after=20.0), takes=45.0)
        with pytest.raises(
            PlatformUnavailableError, match=r"would have been 20\.0 s, and 15\.0 s are left"
        ):
            calls_with(clock).run(READ, platform)

        assert clock.naps == []

    def test_calls_in_a_block_share_its_deadline(self, clock: VirtualClock) -> None:
        calls = calls_with(clock)
        with calls.deadline(10.0):
            calls.run(READ, Platform(clock, takes=8.0))
            assert calls.time_left() == 2.0
            with calls.deadline(5.0):
                assert calls.time_left() == 2.0
            platform = Platform(clock, failure(retry_after=3.0))
            with pytest.raises(PlatformUnavailableError, match=r"and 2\.0 s are left"):
                calls.run(READ, platform)
            clock._sleep(2.0)
            with pytest.raises(PlatformTimeoutError, match="nothing was sent") as caught:
                calls.run(READ, platform)
        assert caught.value.request_sent is False
        assert len(platform.attempts) == 1
        assert calls.time_left() == calls.timeout == 60.0

    def test_a_block_without_a_number_has_the_time_of_one_call(self, clock: VirtualClock) -> None:
        calls = calls_with(clock, timeout=12.0)
        with calls.deadline():
            clock._sleep(5.0)
            assert calls.time_left() == 7.0

    @given(
        plan=st.lists(
            st.tuples(
                st.sampled_from([None, *REPETITIONS]),
                st.none() | st.floats(0, 50),
                st.floats(0, 30),
            ),
            max_size=6,
        ),
        seconds=st.floats(0.1, 70),
        queue=st.integers(0, 30),
        effect=st.sampled_from(list(Effect)),
    )
    def test_no_wait_outlives_the_deadline(
        self,
        new_clock: NewClock,
        plan: Sequence[tuple[type[PlatformError] | None, float | None, float]],
        seconds: float,
        queue: int,
        effect: Effect,
    ) -> None:
        clock = new_clock()
        pacers = Pacers(MemoryPacerStore(clock), clock)
        operation = Operation("ask", effect, (TEN,))
        calls = calls_with(clock, pacers=pacers)
        for pacer in calls._pacers_of(operation):
            for _ in range(queue):
                next(pacers.waits((pacer,), deadline=1e9), None)
        steps = iter(plan)

        def send(attempt: Attempt) -> None:
            kind, asked, takes = next(steps, (None, None, 0.0))
            clock.seconds += min(takes, attempt.timeout)
            if takes > attempt.timeout:
                raise failure(PlatformTimeoutError)
            if kind is not None:
                raise failure(kind, retry_after=asked)

        with calls.deadline(seconds), suppress(PlatformError):
            calls.run(operation, send)

        assert clock.seconds <= min(seconds, 60.0) + 1e-9


class TestLimits:
    def test_requests_under_a_limit_wait_for_their_turn_and_say_so_before(
        self, clock: VirtualClock
    ) -> None:
        watcher = Watcher()
        calls = calls_with(clock, observer=watcher)
        platform = Platform(clock)
        operation = Operation("ask", Effect.READ, (TEN,))
        for _ in range(3):
            calls.run(operation, platform)
        first, wait, second, *_ = watcher.events

        assert platform.moments == pytest.approx([0.0, TEN.interval, 2 * TEN.interval])
        assert isinstance(first, AttemptEvent)
        assert isinstance(wait, WaitEvent)
        assert isinstance(second, AttemptEvent)
        assert (first.waited, wait.why) == (0.0, "pacing")
        assert wait.seconds == pytest.approx(second.waited)

    def test_a_queue_longer_than_the_time_left_fails_at_once(self, clock: VirtualClock) -> None:
        slow = RateLimit(name="tps", requests=1, window=30.0, per="operation")
        calls = calls_with(clock)
        operation = Operation("ask", Effect.WRITE, (slow,))
        platform = Platform(clock)
        calls.run(operation, platform)
        with (
            calls.deadline(10.0),
            pytest.raises(RateLimitedError, match=r"limit tps \(1 requests in 30 s\)") as caught,
        ):
            calls.run(operation, platform)

        assert caught.value.request_sent is False
        assert caught.value.retry_after == pytest.approx(slow.interval)
        assert (caught.value.provider, caught.value.operation) == ("acme", "ask")
        assert (len(platform.attempts), clock.naps) == (1, [])

    def test_where_the_queue_forbids_a_repetition_the_first_error_is_raised(
        self, clock: VirtualClock
    ) -> None:
        """The queue's error would say that nothing was sent, which is not true any more."""
        slow = RateLimit(name="tps", requests=1, window=100.0, per="operation")
        platform = Platform(clock, failure(status=503))
        with pytest.raises(PlatformUnavailableError, match="not sent again: the turn") as caught:
            calls_with(clock).run(Operation("ask", Effect.REPEATABLE, (slow,)), platform)

        assert caught.value.status == 503
        assert caught.value.request_sent is None

    def test_limits_per_operation_are_apart_and_those_of_a_credential_are_one(
        self, clock: VirtualClock
    ) -> None:
        own = RateLimit(name="tps", requests=1, window=10.0, per="operation")
        calls = calls_with(clock)
        platform = Platform(clock)
        for name in ("a", "b"):
            calls.run(Operation(name, Effect.READ, (own,)), platform)
        assert clock.seconds == 0.0
        for name in ("a", "b"):
            calls.run(Operation(name, Effect.READ, (TEN,)), platform)
        assert clock.seconds == pytest.approx(TEN.interval)

    def test_a_queue_of_one_operation_takes_no_places_in_that_of_all(
        self, clock: VirtualClock
    ) -> None:
        slow = RateLimit(name="tps", requests=1, window=2.0, per="operation")
        create = Operation("create", Effect.WRITE, (TEN, slow))
        read = Operation("read", Effect.READ, (TEN,))
        calls = calls_with(clock)
        served: list[tuple[str, float]] = []

        def call(operation: Operation) -> None:
            calls.run(operation, lambda _: served.append((operation.name, clock.seconds)))

        for _ in range(20):
            clock.at(0.0, lambda: call(create))
        clock.at(0.5, lambda: call(read))
        clock.run()

        assert served[1] == ("read", 0.5)
        assert [moment for name, moment in served if name == "create"] == pytest.approx(
            [number * slow.interval for number in range(20)]
        )

    @pytest.mark.parametrize(
        ("provider", "scope", "shares"),
        [
            ("acme", "token-1", True),
            ("acme", Secret("token-1"), True),
            ("acme", "token-2", False),
            ("other", "token-1", False),
        ],
    )
    def test_all_that_is_open_shares_the_limit_of_one_credential(
        self, clock: VirtualClock, provider: str, scope: str | Secret, shares: bool
    ) -> None:
        pacers = Pacers(MemoryPacerStore(clock), clock)
        operation = Operation("ask", Effect.READ, (TEN,))
        platform = Platform(clock)
        Calls(clock=clock, provider="acme", pacers=pacers).scoped("token-1").run(
            operation, platform
        )
        Calls(clock=clock, provider=provider, pacers=pacers).scoped(scope).run(operation, platform)

        assert (platform.moments[1] > 0) is shares

    def test_a_credential_is_not_to_be_read_from_what_is_kept(self, clock: VirtualClock) -> None:
        store = MemoryPacerStore(clock)
        calls = Calls(clock=clock, provider="acme", pacers=Pacers(store, clock))
        calls.scoped("planted-token").run(Operation("ask", Effect.READ, (TEN,)), Platform(clock))

        (key,) = store._states
        assert key.startswith("acme/")
        assert "planted" not in key

    def test_a_429_pauses_all_who_share_the_limit(self, clock: VirtualClock) -> None:
        calls = calls_with(clock)
        platform = Platform(clock, failure(RateLimitedError, retry_after=20.0))
        ask = Operation("ask", Effect.READ, (TEN,))
        other = Operation("other", Effect.WRITE, (TEN,))
        free = Operation("free", Effect.READ)
        served: list[tuple[str, float]] = []

        def call(operation: Operation) -> None:
            calls.run(operation, platform)
            served.append((operation.name, clock.seconds))

        clock.at(0.0, lambda: call(ask))
        for number in range(4):
            clock.at(0.01 * number + 0.001, lambda: call(other))
        clock.at(0.05, lambda: call(free))
        clock.run()

        assert served[0] == ("free", 0.05)
        assert [name for name, _ in served[1:]] == ["other"] * 4 + ["ask"]
        assert all(moment >= 20.0 for _, moment in served[1:])

    def test_a_429_that_names_its_limit_pauses_only_what_shares_that_one(
        self, clock: VirtualClock
    ) -> None:
        queries = RateLimit(name="queries", requests=10, window=1.0, per="credential")
        calls = calls_with(clock)
        refusal = failure(RateLimitedError, retry_after=20.0)
        assert isinstance(refusal, RateLimitedError)
        refusal.limit = "queries"
        platform = Platform(clock, refusal)
        served: list[tuple[str, float]] = []

        def call(name: str, *limits: RateLimit) -> None:
            calls.run(Operation(name, Effect.READ, limits), platform)
            served.append((name, clock.seconds))

        clock.at(0.0, lambda: call("query", TEN, queries))
        clock.at(0.3, lambda: call("ask", TEN))
        clock.run()

        assert served[0] == ("ask", 0.3)
        assert served[1][0] == "query"
        assert served[1][1] >= 20.0

    def test_without_retry_after_the_declared_block_counts(self, clock: VirtualClock) -> None:
        blocking = RateLimit(
            name="api", requests=1200, window=300.0, per="credential", burst=30, block=300.0
        )
        calls = calls_with(clock)
        operation = Operation("ask", Effect.READ, (blocking,))
        platform = Platform(clock, failure(RateLimitedError, status=429))
        with pytest.raises(RateLimitedError, match="that takes a wait of 300 s") as caught:
            calls.run(operation, platform)
        assert caught.value.retry_after == 300.0
        with pytest.raises(RateLimitedError, match=r"comes in 300\.0 s") as caught:
            calls.run(operation, platform)
        assert len(platform.attempts) == 1

        clock._sleep(300.0)
        assert calls.run(operation, platform) == "done"

    def test_an_answer_that_says_less_is_left_slows_down(self, clock: VirtualClock) -> None:
        limit = RateLimit(name="api", requests=1200, window=300.0, per="credential", burst=30)
        calls = calls_with(clock)
        operation = Operation("ask", Effect.READ, (limit,))

        def send(attempt: Attempt) -> None:
            attempt.report_limit("another", 0, 300.0)
            attempt.report_limit("api", 10, 100.0)

        calls.run(operation, send)
        calls.run(operation, send)

        assert clock.seconds == pytest.approx(10.0)

    def test_a_limit_of_which_an_operation_knows_nothing_is_no_error(
        self, clock: VirtualClock
    ) -> None:
        calls_with(clock).run(READ, lambda attempt: attempt.report_limit("api", 0, 60.0))
        Attempt(1, 5.0).report_limit("api", 0, 60.0)


class TestThreads:
    def test_many_threads_are_served_in_order_of_arrival(self, clock: VirtualClock) -> None:
        calls = calls_with(clock)
        operation = Operation("ask", Effect.READ, (TEN,))
        served: list[tuple[int, float]] = []

        def call(number: int) -> None:
            calls.run(operation, lambda _: served.append((number, clock.seconds)))

        for number in range(64):
            clock.at(0.001 * number, lambda number=number: call(number))
        clock.run()

        assert [number for number, _ in served] == list(range(64))
        assert [moment for _, moment in served] == pytest.approx(
            [number * TEN.interval for number in range(64)]
        )

    def test_each_of_many_threads_sleeps_once_for_its_turn(self, clock: VirtualClock) -> None:
        """Nobody polls: 50 who wait are 50 sleeps."""
        calls = calls_with(clock)
        operation = Operation("ask", Effect.READ, (TEN,))
        for _ in range(51):
            clock.at(0.0, lambda: calls.run(operation, lambda _: None))
        clock.run()

        assert len(clock.naps) == 50

    def test_a_deadline_is_that_of_one_thread(self, clock: VirtualClock) -> None:
        calls = calls_with(clock)
        left: list[float] = []

        def hurried() -> None:
            with calls.deadline(5.0):
                clock.sleep(1.0)

        clock.at(0.0, hurried)
        clock.at(0.5, lambda: left.append(calls.time_left()))
        clock.run()

        assert left == [60.0]


class TestEvents:
    def outcome(self, clock: VirtualClock) -> list[AttemptEvent | WaitEvent]:
        watcher = Watcher()
        error = failure(status=503, code="busy", request_id="r-1", retry_after=2.0)
        calls_with(clock, observer=watcher).run(READ, Platform(clock, error, takes=0.25))
        return watcher.events

    def test_there_is_one_for_each_attempt_and_one_before_each_wait(
        self, clock: VirtualClock
    ) -> None:
        assert self.outcome(clock) == [
            AttemptEvent(
                provider="acme",
                operation="read",
                attempt=1,
                waited=0.0,
                duration=0.25,
                outcome="PlatformUnavailableError",
                status=503,
                code="busy",
                request_id="r-1",
                will_retry_in=2.0,
            ),
            WaitEvent(provider="acme", operation="read", attempt=2, seconds=2.0, why="retry-after"),
            AttemptEvent(
                provider="acme",
                operation="read",
                attempt=2,
                waited=2.0,
                duration=0.25,
                outcome="ok",
            ),
        ]

    def test_they_survive_pickling(self, clock: VirtualClock) -> None:
        events = self.outcome(clock)

        assert pickle.loads(pickle.dumps(events)) == events

    def test_the_log_has_their_fields(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "headend.calls")
        events = self.outcome(clock)

        assert len(caplog.records) == len(events)
        for record, event in zip(caplog.records, events, strict=True):
            for name in type(event).__slots__:
                if not name.startswith("__"):
                    assert getattr(record, name) == getattr(event, name)
        assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "DEBUG"]

    def test_nothing_is_logged_so_loud_that_an_unprepared_program_prints_it(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(PlatformUnavailableError):
            calls_with(clock).run(READ, Platform(clock, *[failure() for _ in range(3)]))

        assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []

    def test_no_secret_reaches_them(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not even one that a careless provider put into an error's message."""
        caplog.set_level(logging.DEBUG)
        watcher = Watcher()
        careless = RateLimitedError(
            "bad token planted-token", provider="acme", operation="read", retry_after=1.0
        )
        calls = calls_with(clock, observer=watcher).scoped(Secret("planted-token"))
        calls.run(Operation("read", Effect.READ, (TEN,)), Platform(clock, careless))
        told = [caplog.text, repr(watcher.events), *[repr(vars(one)) for one in caplog.records]]

        assert len(watcher.events) >= 3
        assert "planted" not in "".join(told)
        assert b"planted" not in pickle.dumps(watcher.events)

    def test_an_observer_that_fails_breaks_nothing_and_is_logged_once(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def attempt(self, event: AttemptEvent) -> None:
                raise ZeroDivisionError

            def wait(self, event: WaitEvent) -> None:
                raise ZeroDivisionError

        calls = calls_with(clock, observer=Broken())
        for scope in ("a", "b"):
            assert calls.scoped(scope).run(READ, Platform(clock, failure())) == "done"
        (record,) = caplog.records

        assert "the observer Broken failed" in record.getMessage()


def test_few_arguments_make_calls_for_a_plugins_own_tests(clock: VirtualClock) -> None:
    def run(calls: Calls, then: Callable[[Attempt], str]) -> str:
        return calls.run(Operation("ask", Effect.READ, (TEN,)), then)

    assert run(Calls(clock=clock), lambda attempt: f"attempt {attempt.number}") == "attempt 1"
    assert run(Calls(clock=clock), lambda _: "apart from others") == "apart from others"
    assert clock.seconds == 0.0
