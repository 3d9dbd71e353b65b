"""Sending again: what, how often, and after how long."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from headend.plugin import RateLimitedError
from headend_contract.check import Level, check, expect, expect_equal
from headend_contract.checks.disturbances import (
    always,
    failure_of,
    list_all,
    stranger,
    throttled,
    times,
)
from headend_contract.faults import DROP_REQUEST, UNAVAILABLE

if TYPE_CHECKING:
    from headend.plugin import AttemptEvent, WaitEvent
    from headend_contract.case import Case

_ATTEMPTS: Final = 3
"""How often a request is sent at most: the policy of `headend.plugin.Calls`."""

_BACKOFF: Final = 0.5 + 1.0
"""Seconds that the policy waits at most between three attempts."""

_NEARLY: Final = 1e-6
"""Seconds that a sum of waits may be off by."""


@check(
    "RETRY-READ-001",
    "A read that fails in passing is sent again",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A read that meets two failures which pass (out of order, a connection that breaks) "
    "succeeds at the third attempt.",
    why="One lost packet among thousands would otherwise be an error on somebody's page.",
    hint="Send by context.calls.run(), declare reads with Effect.READ, and raise the retryable "
    "classes for what passes.",
)
def sends_reads_again(case: Case) -> None:
    """List through two failures of each kind."""
    case.create()
    case.pass_time(case.spec.settle_time)
    expected, usual = case.sent_by(lambda: list_all(case))
    for fault in (UNAVAILABLE, DROP_REQUEST):
        case.faults.script(times(fault, _ATTEMPTS - 1))
        result, sent = case.sent_by(lambda: list_all(case))
        expect(
            not isinstance(result, Exception),
            f"a read that meets two failures ({fault.description}) raises {type(result).__name__}",
        )
        expect_equal(result, expected, "the list after two failures")
        expect_equal(
            len(sent),
            len(usual) + _ATTEMPTS - 1,
            "the number of requests of a read that meets two failures",
        )


@check(
    "RETRY-READ-002",
    "A read that keeps failing is sent three times",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A read that meets nothing but failures is sent three times, and then the error is "
    "raised.",
    why="Retries multiply: an SDK that tries four times below a policy that tries three times "
    "sends twelve requests to a platform that is down already.",
    hint="Turn off the retries of the SDK and of the HTTP client, and leave them to context.calls.",
)
def gives_up(case: Case) -> None:
    """List while nothing works."""
    for fault in (UNAVAILABLE, DROP_REQUEST):
        _, sent = failure_of(case, always(fault), lambda: list_all(case), "a read without success")
        expect_equal(len(sent), _ATTEMPTS, f"the number of requests while {fault.description}")


@check(
    "RETRY-REFUSAL-001",
    "A refusal is not asked for twice",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="An operation that is answered with 400, 401, 403, 404, 409, 413 or 422 sends one "
    "request and raises.",
    why="What is refused stays refused.  Asking again delays the error that a person has to see, "
    "uses up the rate limit, and with wrong credentials gets accounts locked.",
    hint="Leave PlatformError.retryable as the class has it.",
)
def takes_no_for_an_answer(case: Case) -> None:
    """List while something refuses."""
    for status in (400, 401, 403, 404, 409, 413, 422):
        _, sent = failure_of(case, always(stranger(status)), lambda: list_all(case), f"a {status}")
        expect_equal(len(sent), 1, f"the number of requests answered with status {status}")


class _Waits:
    """An observer that adds up the waits that the policy tells of."""

    def __init__(self) -> None:
        self.told = 0.0

    def attempt(self, event: AttemptEvent) -> None:
        """Be told of a request."""

    def wait(self, event: WaitEvent) -> None:
        """Be told of a wait."""
        self.told += event.seconds


@check(
    "RETRY-WAIT-001",
    "Between attempts only the policy waits",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A read waits only where headend's policy has it wait, which tells the host's observers, "
    "and after two failures for 1.5 s at most, beside its turn under a rate limit.",
    why="Waits of a provider's own are outside of the deadline that a host set, show in no log, "
    "and add up to pages that do not load.",
    hint="Do not sleep in a provider between attempts or before requests: context.calls does, and "
    "knows the limits.",
)
def waits_as_the_policy_says(case: Case) -> None:
    """Compare the time that a read with two failures takes with what observers are told."""
    waits = _Waits()
    platform = case.open(observer=waits)
    case.faults.script(times(UNAVAILABLE, _ATTEMPTS - 1))
    began = case.clock.monotonic()
    case.sent_by(lambda: list(platform.list_live_streams()))
    took = case.clock.monotonic() - began

    expect(
        abs(took - waits.told) <= _NEARLY,
        f"a read with two failures takes {took:.3f} s, and the host is told of waits of "
        f"{waits.told:.3f} s",
    )
    turns = _ATTEMPTS * max((limit.interval for limit in case.facts.limits), default=0.0)
    expect(
        took <= _BACKOFF + turns + _NEARLY,
        f"a read with two failures waits {took:.3f} s, and the policy {_BACKOFF} s at most",
    )


@check(
    "RETRY-AFTER-001",
    "The wait that the platform asks for is kept",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After an answer with Retry-After in seconds the next attempt comes when they are over, "
    "and not much later.",
    why="Whoever comes earlier is refused again, and on some platforms blocked for longer.",
    hint="Hand parse_retry_after() of the header on in PlatformError.retry_after.",
)
def keeps_the_wait(case: Case) -> None:
    """List, being refused once."""
    _expect_wait(case, "7", 7.0)


@check(
    "RETRY-AFTER-002",
    "The wait may be a date",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After an answer with Retry-After as an HTTP date the next attempt comes at that moment.",
    why="RFC 9110 has both forms, and gateways in front of a platform choose freely.",
    hint="parse_retry_after(text, context.clock.now()) reads both.",
)
def keeps_the_date(case: Case) -> None:
    """List, being refused once until a date."""
    until = (case.clock.now() + timedelta(seconds=9)).replace(microsecond=0)
    wait = (until - case.clock.now()).total_seconds()
    _expect_wait(case, format_datetime(until, usegmt=True), wait)


def _expect_wait(case: Case, header: str, seconds: float) -> None:
    case.faults.script({0: throttled(header)})
    began = case.clock.monotonic()
    result, _ = case.sent_by(lambda: list_all(case))
    took = case.clock.monotonic() - began

    expect(
        not isinstance(result, Exception),
        f"a read that is asked to wait (Retry-After: {header}) raises {type(result).__name__}",
    )
    expect(
        seconds - _NEARLY <= took <= seconds + _LATER,
        f"after Retry-After: {header} the next attempt comes {took:.1f} s later, and it should "
        f"come after {seconds:.1f} s",
    )


_LATER: Final = 1.5
"""Seconds that an attempt may come later than it may: the backoff, and its turn under a limit."""


@check(
    "RETRY-AFTER-003",
    "A wait that is too long is the host's to decide",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After Retry-After: 3600 nothing waits and nothing is sent again: the RateLimitedError "
    "is raised at once and holds the hour.",
    why="A worker that sleeps for an hour is a worker less; a host that is told can do something "
    "else meanwhile.  A wait that was cut short is refused, and makes matters worse.",
    hint="Hand on the seconds as they are; context.calls knows how long is too long.",
)
def does_not_wait_for_ever(case: Case) -> None:
    """List while the platform asks for an hour."""
    began = case.clock.monotonic()
    error, sent = failure_of(
        case, always(throttled("3600")), lambda: list_all(case), "a wait of an hour"
    )
    took = case.clock.monotonic() - began

    expect(
        isinstance(error, RateLimitedError) and error.retry_after == 3600,  # as sent
        f"a Retry-After of 3600 s is told as a {type(error).__name__} with {error.retry_after} s",
    )
    expect_equal(len(sent), 1, "the number of requests before a wait of an hour")
    expect(took < 1, f"a read waits {took:.0f} s before it tells of a wait of an hour")


@check(
    "RETRY-DEADLINE-001",
    "No wait outlives the host's deadline",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A call that may take 5 s and is asked to wait for 20 s raises at once.",
    why="A host sets its deadline because somebody waits.  An answer that comes later is for "
    "nobody.",
    hint="Send by the context's Calls; make none of your own, and give them no other time.",
)
def keeps_the_deadline(case: Case) -> None:
    """List with little time."""
    platform = case.open(timeout=5)
    began = case.clock.monotonic()
    failure_of(
        case,
        always(throttled("20")),
        lambda: list(platform.list_live_streams()),
        "a wait beyond the deadline",
    )
    took = case.clock.monotonic() - began

    expect(took <= 5, f"a call that may take 5 s takes {took:.1f} s")  # as set
