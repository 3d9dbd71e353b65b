"""What holds of every operation, and not only of the one that is tried most."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from headend.plugin import (
    METRICS,
    Capability,
    EndResult,
    Health,
    PlatformError,
    PlatformProtocolError,
    StreamAnalytics,
    StreamNotFoundError,
)
from headend_contract.check import CheckFailedError, Level, check, expect, expect_equal
from headend_contract.checks.disturbances import always, answering_elsewhere, stranger
from headend_contract.checks.pacing import watched_calls
from headend_contract.checks.steps import push, wait_until_over
from headend_contract.faults import DROP_REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend_contract.case import Case, SentRequest
    from headend_contract.faults import Fault

    Operations = Mapping[str, Callable[[], object]]


def _reads(case: Case, stream_id: str) -> dict[str, Callable[[], object]]:
    """Return all that can be asked of a provider, by the names of its operations."""
    platform = case.platform
    optional: dict[Capability, tuple[str, Callable[[], object]]] = {
        Capability.SESSIONS: (
            "list_sessions",
            lambda: list(platform.list_sessions(stream_id)),
        ),
        Capability.RECORDINGS: (
            "list_recordings",
            lambda: list(platform.list_recordings(stream_id)),
        ),
        Capability.SIMULCAST: (
            "list_simulcast_targets",
            lambda: platform.list_simulcast_targets(stream_id),
        ),
        Capability.BATCH_ANALYTICS: (
            "get_analytics_many",
            lambda: platform.get_analytics_many([stream_id]),
        ),
    }
    found: dict[str, Callable[[], object]] = {
        "list_live_streams": lambda: list(platform.list_live_streams()),
        "get_live_stream": partial(platform.get_live_stream, stream_id),
        "get_credentials": partial(platform.get_credentials, stream_id),
        "get_playback_url": partial(platform.get_playback_url, stream_id),
        "get_analytics": partial(platform.get_analytics, stream_id),
        "check_health": platform.check_health,
    }
    return found | dict(call for capability, call in optional.items() if case.has(capability))


def _writes(case: Case, stream_id: str) -> dict[str, Callable[[], object]]:
    """Return all that changes a live stream, by the names of the operations; ending comes last."""
    platform = case.platform
    optional: dict[Capability, Operations] = {
        Capability.KEY_ROTATION: {
            "rotate_stream_key": partial(platform.rotate_stream_key, stream_id)
        },
        Capability.ENABLE: {
            "disable_live_stream": partial(platform.disable_live_stream, stream_id),
            "enable_live_stream": partial(platform.enable_live_stream, stream_id),
        },
    }
    found: dict[str, Callable[[], object]] = {}
    for capability, operations in optional.items():
        if case.has(capability):
            found |= operations
    return found | {"end_live_stream": partial(platform.end_live_stream, stream_id)}


def _is_told(result: object) -> bool:
    """Tell whether a result is an error that says nothing of whether something exists."""
    return isinstance(result, PlatformError) and not isinstance(result, StreamNotFoundError)


def _tells_nothing(result: object) -> bool:
    """Tell whether a result says no more than that nothing is known, or that all is not well."""
    if isinstance(result, Health):
        return not result.ok
    if isinstance(result, StreamAnalytics):
        return all(getattr(result, name) is None for name in METRICS)
    return isinstance(result, list) and bool(result) and all(map(_tells_nothing, result))


def _forget_caches(case: Case) -> None:
    """Let so much time pass that nothing is still known from before."""
    case.pass_time(_LONG)


_LONG: Final = 3600.0
"""Seconds."""


def _try_all(case: Case, fault: Fault) -> list[tuple[str, object, tuple[SentRequest, ...]]]:
    """Try all operations while every request meets a fault.

    Returns:
        Names, what came of each, and the requests of each; what sent none is left out.
    """
    made = case.create()
    tried = []
    operations = _reads(case, made.stream_id) | _writes(case, made.stream_id)
    for name, operation in operations.items():
        _forget_caches(case)
        case.faults.script(always(fault))
        result, sent = case.sent_by(operation)
        case.faults.script({})
        if sent:
            tried.append((name, result, sent))
    return tried


@check(
    "ERROR-EVERY-001",
    "Every operation tells of an outage",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where every request is answered that the platform is out of order, or its connection "
    "is reset, each operation raises a PlatformError, and none says that something does not exist. "
    "Only figures may be unknown instead, all of them, and the health may be not ok.",
    why="An error that is swallowed becomes a fact: no recordings, no sessions, a key that is said "
    "to be replaced, a live stream that is said to have ended and is still paid for.",
    hint="Catch single errors that mean something (StreamNotFoundError where it means done), "
    "and let all others through, in every operation.",
)
def tells_of_every_outage(case: Case) -> None:
    """Try all operations without a platform."""
    for fault in (stranger(503), DROP_REQUEST)[: 1 if case.fast else None]:
        for name, result, _ in _try_all(case, fault):
            expect(
                _is_told(result) or _tells_nothing(result),
                f"{name}() during an outage ({fault.name}) {_outcome(result)}",
            )


@check(
    "ERROR-EVERY-002",
    "Every operation tells of a refusal",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where every request is answered with 401 or 403, each operation raises a PlatformError, "
    "and none says that something does not exist or is gone.  Only the health may be not ok "
    "instead, and figures that are forbidden (403) may be unknown, all of them.",
    why="A host whose token has expired must not learn from it that its live streams are gone: it "
    "would take them out of its database, and they would go on, and be paid for.",
    hint="Decide not found by the platform's own word for it, and by nothing else.",
)
def tells_of_every_refusal(case: Case) -> None:
    """Try all operations with a platform that lets nobody in."""
    for status in (401, 403):
        for name, result, _ in _try_all(case, stranger(status)):
            expect(
                _is_told(result)
                or (_tells_nothing(result) and (status == 403 or isinstance(result, Health))),
                f"{name}() that is answered with status {status} {_outcome(result)}",
            )


@check(
    "PACE-POLICY-002",
    "Every request goes through headend's policy, also while the platform fails",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="While the platform is out of order, each request of each operation is one that the Calls "
    "object of the context has allowed.",
    why="A repetition beside the policy multiplies with its own: a platform that is down gets six "
    "or nine requests where it should get three.",
    hint="Send one request for each attempt, and repeat none, neither in the provider nor in an "
    "SDK or HTTP client below it.",
)
def sends_no_more_than_allowed(case: Case) -> None:
    """Count the requests of all operations on the wire and in the policy."""
    with watched_calls(case.clock) as sendings:
        tried = _try_all(case, stranger(503))

    expect(bool(tried), "no operation sends a request")
    expect_equal(
        len(case.requests), len(sendings), "the number of requests on the wire, by the policy's,"
    )


@check(
    "ERROR-REDIRECT-001",
    "A redirect is not followed",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="An answer that points elsewhere (301, 302, 307, 308) is a PlatformProtocolError, in "
    "reading and in writing, and nothing is sent to that place.",
    why="APIs do not redirect; captive networks and mistyped addresses do.  Whoever follows hands "
    "the host's credentials to a stranger, and may take his page for an answer.",
    hint="Turn redirects off in the HTTP client, and treat 3xx as an answer that is not promised.",
)
def follows_nobody(case: Case) -> None:
    """Try all operations while every request is sent elsewhere."""
    for status in (301, 302, 307, 308)[2 if case.fast else 0 : 3 if case.fast else None]:
        for name, result, sent in _try_all(case, answering_elsewhere(status, _ELSEWHERE)):
            expect(
                not any(_ELSEWHERE in one.path for one in sent),
                f"{name}() follows an answer with status {status} to another place",
            )
            expect(
                isinstance(result, PlatformProtocolError) or _tells_nothing(result),
                f"{name}() that is answered with status {status} {_outcome(result)}",
            )


_ELSEWHERE: Final = "/headend-elsewhere"
"""A path that no platform has."""


@check(
    "LIVE-END-007",
    "What could not be ended is not said to have ended",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where end_live_stream() returns, the live stream is gone, whichever of its requests "
    "failed or was refused; where it is not gone, ending raises.",
    why="The host takes it out of its books.  What is left on the platform has a key, takes "
    "pictures, and is billed, and nobody knows of it.",
    hint="No step of ending is best effort: let every error through but the platform's not found.",
)
def ends_or_says_so(case: Case) -> None:
    """End while the platform fails, or refuses, from one request on."""
    for fault in (stranger(503), stranger(403), stranger(409))[: 2 if case.fast else None]:
        for place in range(_MANY):
            made = case.create()
            _forget_caches(case)
            case.faults.script(dict.fromkeys(range(place, place + _MANY), fault))
            result, sent = case.sent_by(partial(case.platform.end_live_stream, made.stream_id))
            case.faults.script({})
            if len(sent) <= place:  # nothing failed
                break
            expect(
                isinstance(result, PlatformError)
                or made.stream_id not in case.truth().live_streams,
                f"ending that fails at its request {place + 1} ({fault.name}) {_outcome(result)}, "
                "and the live stream is still on the platform",
            )


_MANY: Final = 100
"""Requests; more than ending takes."""


@check(
    "RECORDING-007",
    "A recording that could not be deleted is not said to be",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="Where delete_recording(), or end_live_stream(delete_recordings=True), returns although "
    "the platform fails, the recording is gone or named as kept; else it raises.",
    why="The host promised somebody that it is deleted.",
    hint="Catch the platform's not found when deleting, and no other error.",
)
def deletes_or_says_so(case: Case) -> None:
    """Delete a recording while the platform is out of order."""
    made = case.create()
    encoder = push(case, made)
    case.pass_time(_SHOW)
    encoder.leave()
    wait_until_over(case)
    kept = case.truth().live_streams[made.stream_id].recordings
    if not kept:
        raise CheckFailedError("the simulated platform recorded nothing, though it is declared")
    case.faults.script(always(stranger(503)))
    result, _ = case.sent_by(partial(case.platform.delete_recording, min(kept)))
    case.faults.script({})
    expect(
        isinstance(result, PlatformError) or min(kept) not in case.truth().recordings,
        "delete_recording() says nothing during an outage, and the recording is still there",
    )
    for place in range(_MANY):
        if made.stream_id not in case.truth().live_streams:
            break
        case.faults.script(dict.fromkeys(range(place, place + _ATTEMPTS), stranger(503)))
        ended, sent = case.sent_by(
            lambda: case.platform.end_live_stream(made.stream_id, delete_recordings=True)
        )
        case.faults.script({})
        if isinstance(ended, EndResult) and len(sent) > place:
            named = {one.recording_id for one in ended.recordings_kept}
            expect(
                case.truth().recordings & kept <= named,
                f"ending with its recordings fails at request {place + 1}, returns, and leaves a "
                "recording of which it says nothing",
            )


_SHOW: Final = 60.0
"""Seconds."""

_ATTEMPTS: Final = 3
"""How often a request is sent at most."""


def _outcome(result: object) -> str:
    if isinstance(result, Exception):
        return f"raises {type(result).__name__}"
    kind = "nothing" if result is None else f"a {type(result).__name__}"
    return f"raises nothing and returns {kind}"
