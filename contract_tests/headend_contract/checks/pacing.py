"""Keeping the platform's rate limits: that all requests are under them, and what they are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from headend.plugin import Calls, Operation, RateLimitedError
from headend_contract.check import (
    CheckFailedError,
    Level,
    check,
    expect,
    expect_equal,
    not_applicable,
    nothing_to_test,
)
from headend_contract.checks.disturbances import failure_of, throttled
from headend_contract.faults import changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headend.plugin import Attempt, Clock, RateLimit
    from headend_contract.case import Case
    from headend_contract.faults import Answer

_T = TypeVar("_T")


@frozen
class _Sending:
    """One attempt that the policy allowed.

    Attributes:
        operation: what was declared of it.
        moment: seconds on the clock.
    """

    operation: Operation
    moment: float


@contextmanager
def watched_calls(clock: Clock) -> Iterator[list[_Sending]]:
    """Note every attempt that any `Calls` makes, until the block is left."""
    sendings: list[_Sending] = []
    original = Calls.run

    def run(calls: Calls, operation: Operation, send: Callable[[Attempt], _T]) -> _T:
        def noted(attempt: Attempt) -> _T:
            sendings.append(_Sending(operation, clock.monotonic()))
            return send(attempt)

        return original(calls, operation, noted)

    Calls.run = run  # type: ignore[assignment, method-assign]  # until the block is left
    try:
        yield sendings
    finally:
        Calls.run = original  # type: ignore[method-assign]  # as it was


def _live_and_end(case: Case) -> None:
    """Have a live stream go through all operations that every provider has."""
    made = case.create()
    platform = case.platform
    platform.get_live_stream(made.stream_id)
    platform.get_credentials(made.stream_id)
    platform.get_playback_url(made.stream_id)
    platform.get_analytics(made.stream_id)
    for _ in platform.list_live_streams():
        pass
    platform.check_health()
    platform.end_live_stream(made.stream_id)


@check(
    "PACE-POLICY-001",
    "Every request goes through headend's policy",
    level=Level.CORE,
    rule="Each request that a provider sends is sent by the Calls object of its context.",
    why="A request beside it is under no limit, is not retried, outlives the host's deadline, and "
    "is in no log.  It uses up the limit that all others keep.",
    hint="Send by context.calls.run(), also what only looks up an account or a token.",
)
def sends_by_the_policy(case: Case) -> None:
    """Count the requests of all operations on the wire and in the policy."""
    with watched_calls(case.clock) as sendings:
        _live_and_end(case)

    expect_equal(
        len(case.requests), len(sendings), "the number of requests on the wire, by the policy's,"
    )


@check(
    "PACE-FACTS-001",
    "The limits that are kept are those that hosts are told",
    level=Level.CORE,
    rule="Each limit of an operation is, in all its figures, one of the limits in the provider's "
    "facts.",
    why="Hosts plan by the facts: how many live streams they can create in a minute.  Figures "
    "that differ from those that are kept are wrong in one of the two places.",
    hint="Define each RateLimit once, in facts, and use that object for the operations.",
)
def keeps_what_it_tells(case: Case) -> None:
    """Compare the limits of all operations with the facts."""
    told = case.facts.limits
    with watched_calls(case.clock) as sendings:
        _live_and_end(case)
    if not any(sending.operation.limits for sending in sendings):
        nothing_to_test("none of its operations is under a limit")
    for sending in sendings:
        for kept in sending.operation.limits:
            expect(
                any(_is_told(kept, one) for one in told),
                f"the limit {kept.name} of {sending.operation.name} ({kept.requests} requests in "
                f"{kept.window:g} s) is not among the provider's facts",
            )


def _is_told(kept: RateLimit, told: RateLimit) -> bool:
    # One that there is for each live stream bears its name besides.
    name, _, _ = kept.name.partition("/")
    figures = (kept.requests, kept.window, kept.per, kept.burst, kept.block)
    return name == told.name and figures == (
        told.requests,
        told.window,
        told.per,
        told.burst,
        told.block,
    )


@check(
    "PACE-LIMIT-001",
    "Many calls at once stay within the declared limits",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="However many calls come at once, the requests on the wire leave no faster than the "
    "declared limit allows; where limits are declared, reading or creating is under one.",
    why="A host that starts fifty shows at eight o'clock otherwise gets refusals, and from some "
    "platforms nothing but refusals for minutes.",
    hint="Give each Operation its limits, and call context.calls.scoped() once, with the "
    "credential: a scope for each request or object is a queue of its own for each.",
)
def keeps_the_limits(case: Case) -> None:
    """Read one live stream more often than a burst allows, and look at the moments."""
    if not case.facts.limits:
        not_applicable("it declares no rate limit")
    call, limits = _limited(case)
    tightest = min(limits, key=lambda limit: (limit.burst, limit.requests))
    moments = _moments(case, call, tightest)
    if len(moments) <= tightest.burst:
        nothing_to_test("many calls take no more requests than a burst")
    a_second = tightest.requests / tightest.window
    for place, first in enumerate(moments):
        for count, last in enumerate(moments[place:], start=1):
            allowed = tightest.burst + a_second * (last - first)
            expect(
                count <= allowed + _NEARLY,
                f"{count} requests are sent in {last - first:.3f} s, and the limit "
                f"{tightest.name} allows {tightest.requests} in {tightest.window:g} s, and "
                f"{tightest.burst} at once",
            )


_MORE: Final = 10
"""Calls beyond a burst."""
_NEARLY: Final = 1e-6
"""Requests that a limit's arithmetic may be off by."""


def _limited(case: Case) -> tuple[Callable[[], object], tuple[RateLimit, ...]]:
    """Return an operation that is under a limit, and its limits: reading, or else creating.

    Raises:
        CheckFailedError: neither is.
    """
    with watched_calls(case.clock) as sendings:
        made = case.create()
        created = len(sendings)
        case.platform.get_playback_url(made.stream_id)

    def read() -> object:
        return case.platform.get_playback_url(made.stream_id)

    # Some platforms limit what is written and nothing else; some have the address at hand.
    for call, sent in ((read, sendings[created:]), (case.create, sendings[:created])):
        # The first request is the one that a script of faults meets.
        if sent and sent[0].operation.limits:
            return call, sent[0].operation.limits
    raise CheckFailedError("limits are declared, and reading and creating are under none of them")


def _moments(case: Case, call: Callable[[], object], limit: RateLimit) -> list[float]:
    """Call something more often than a limit allows at once; return when its requests were sent."""
    on_the_wire: list[float] = []

    def note(answer: Answer) -> Answer:
        on_the_wire.append(case.clock.monotonic())
        return answer

    count = min(limit.requests, limit.burst + _MORE) + 1
    noted = changing("noted", "the moment is noted", note)
    case.faults.script(dict.fromkeys(range(10 * count), noted))
    with watched_calls(case.clock) as sendings:
        for _ in range(count):
            call()
    case.faults.script({})
    if len(on_the_wire) != len(sendings):  # another check's to tell; here all of them count
        return on_the_wire
    return [
        moment
        for moment, one in zip(on_the_wire, sendings, strict=True)
        if limit in one.operation.limits
    ]


@check(
    "PACE-PAUSE-001",
    "After a refusal for the rate all callers wait",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After a 429 that asks for 40 s, the next call under the same limit is sent 40 s later, "
    "whoever makes it.",
    why="The platform refuses the account, not the call.  Callers who come meanwhile are refused "
    "too, and some platforms begin to count the minutes anew.",
    hint="Raise RateLimitedError with retry_after.  Set its limit only where the answer names one, "
    "to the name of the RateLimit that is meant.",
)
def pauses_for_all(case: Case) -> None:
    """Be refused once, and call again at once."""
    if not case.facts.limits:
        not_applicable("it declares no rate limit")
    call, _ = _limited(case)
    error, _ = failure_of(case, {0: throttled("40")}, call, "a call that is throttled")
    began = case.clock.monotonic()
    result, _ = case.sent_by(call)
    waited = case.clock.monotonic() - began

    expect(isinstance(error, RateLimitedError), "a 429 is told as something else")
    expect(not isinstance(result, Exception), "after a 429 the next call fails")
    expect(
        waited >= 40 - 1e-3,  # as was asked for
        f"after a 429 that asks for 40 s the next call is sent {waited:.1f} s later",
    )
