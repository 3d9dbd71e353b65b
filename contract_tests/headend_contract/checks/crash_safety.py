"""Whatever gets lost: nothing is made twice, and nothing is left that nobody knows."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from headend.plugin import Capability, PlatformError, StreamCredentials, UncertainOutcomeError
from headend_contract.check import (
    CheckFailedError,
    Level,
    check,
    expect,
    expect_equal,
    nothing_to_test,
)
from headend_contract.checks.disturbances import times
from headend_contract.faults import (
    CUT_ANSWER,
    DROP_ANSWER,
    DROP_REQUEST,
    GATEWAY_TIMEOUT,
    TRUNCATED,
    UNAVAILABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headend.platform import StreamingPlatform
    from headend_contract.case import Case
    from headend_contract.faults import (
        Fault,
    )

_LOST: Final = (DROP_ANSWER, GATEWAY_TIMEOUT, CUT_ANSWER, TRUNCATED)
"""The platform has done what was asked, and nobody learns it."""

_ATTEMPTS: Final = 3
"""How often a request is sent at most."""

_LATER: Final = 3600.0
"""Seconds after which everything has settled."""


def _places(case: Case, count: int) -> Iterable[int]:
    """Return which of so many requests are disturbed: all, or the last, which is the worst."""
    if not count:
        nothing_to_test("what is to be disturbed takes no request")
    return [count - 1] if case.fast else range(count)


def _count(case: Case, call: Callable[[], object]) -> int:
    """Call something in peace, and return how many requests it takes."""
    result, sent = case.sent_by(call)
    if isinstance(result, Exception):
        raise result
    return len(sent)


@contextmanager
def _with_ledger(case: Case) -> Iterator[StreamingPlatform]:
    """Open the provider with a ledger that is forgotten afterwards."""
    with TemporaryDirectory(prefix="headend-contract-", ignore_cleanup_errors=True) as folder:
        platform = case.open(database=Path(folder) / "ledger.sqlite3")
        try:
            yield platform
        finally:
            platform.close()


@check(
    "SAFE-CREATE-001",
    "A creation whose answer is lost makes one live stream, which is returned",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Whichever answer on the way to a new live stream gets lost, one call makes one live "
    "stream on the platform, and returns that one with its key; or it says that the outcome is "
    "uncertain.",
    why="A blind repetition makes two.  The second is known to nobody, keeps a key that works, "
    "and is billed.",
    hint="Declare creating with Effect.WRITE, put CreateRequest.marker onto what is created, and "
    "find it by that in find_live_streams().",
)
def survives_lost_answers(case: Case) -> None:
    """Create while one answer after the other is lost, in each way."""
    platform = case.platform
    platform.create_live_stream("warm-up")  # what is looked up once for all is looked up
    count = _count(case, lambda: platform.create_live_stream("counted"))
    for fault in _LOST[: 2 if case.fast else None]:
        for place in _places(case, count):
            result, new = _create_under(case, {place: fault})
            if isinstance(result, UncertainOutcomeError):
                expect(len(new) <= 1, "one creation made two live streams")
                continue
            _expect_made(case, result, new, f"a creation whose answer was lost ({fault.name})")


@check(
    "SAFE-CREATE-002",
    "A creation that never arrived is made up for",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where the request to create does not reach the platform, or is answered that the "
    "platform is out of order, and all is well afterwards, one live stream is made and returned.",
    why="Hosts create at the start of a show.  One lost packet at that moment must not be an "
    "error that somebody has to deal with.",
    hint="find_live_streams() returns an empty sequence where nothing bears the marker; it raises "
    "only if it could not look.",
)
def makes_up_for_lost_requests(case: Case) -> None:
    """Create while the first request is lost."""
    for fault in (DROP_REQUEST, UNAVAILABLE):
        result, new = _create_under(case, {0: fault})
        _expect_made(case, result, new, f"a creation whose request was lost ({fault.name})")


@check(
    "SAFE-CREATE-003",
    "A creation takes over nothing that others made",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where a creation's request was lost and the platform has live streams of the same "
    "channel_id and name, they are left alone, and a new one is made.",
    why="A host that is given the credentials of another show pushes into that show.",
    hint="Compare the whole marker in find_live_streams(): not the name, the channel_id or a part.",
)
def takes_over_nothing(case: Case) -> None:
    """Create beside others, and lose the request."""
    for _ in range(2):
        case.create(channel_id="show", name="Evening show")
    case.pass_time(case.spec.settle_time)
    result, new = _create_under(case, {0: DROP_REQUEST})

    if isinstance(result, Exception):
        raise CheckFailedError(
            "a creation whose request was lost, beside live streams of the same name, raises "
            f"{type(result).__name__}: {result}"
        ) from result
    expect(
        isinstance(result, StreamCredentials) and result.stream_id in new,
        "a creation whose request was lost returns a live stream that was there before",
    )


def _create_under(case: Case, script: dict[int, Fault]) -> tuple[object, set[str]]:
    """Create under a script of faults; return what came of it, and the ids that are new."""
    before = set(case.truth().live_streams)
    case.faults.script(script)
    result, _ = case.sent_by(lambda: case.platform.create_live_stream("show", name="Evening show"))
    case.faults.script({})
    return result, set(case.truth().live_streams) - before


def _expect_made(case: Case, result: object, new: set[str], what: str) -> None:
    if isinstance(result, Exception):
        expect(False, f"{what} raises {type(result).__name__}: {result}")
    assert isinstance(result, StreamCredentials)
    expect_equal(len(new), 1, f"the number of live streams made by {what}")
    expect_equal({result.stream_id}, new, f"what is returned by {what}")
    shown = case.platform.get_credentials(result.stream_id)
    expect(shown.stream_key == result.stream_key, f"{what} returns another stream key")


@check(
    "SAFE-KEY-001",
    "The same idempotency key gives the same live stream",
    level=Level.CORE,
    rule="Two creations with the same idempotency_key on one ledger return the same stream_id "
    "and the same stream key.",
    why="Hosts repeat what they are not sure of: after a crash, from a queue, from two workers.",
    hint="Provider.account must name the account and region in the same words every time, and "
    "get_credentials() return the key as it is.",
)
def repeats_nothing(case: Case) -> None:
    """Create twice with one key."""
    with _with_ledger(case) as platform:
        create = partial(case.create, channel_id="show", idempotency_key="k", platform=platform)
        first, second = create(), create()

    expect_equal(
        second.stream_id, first.stream_id, "the stream_id of a second creation with one key"
    )
    expect(
        second.stream_key == first.stream_key,
        "a second creation with one idempotency key gives another stream key",
    )


@check(
    "SAFE-KEY-002",
    "After a crash the same idempotency key finds what was made",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where the answer to a creation was lost and the platform could not be asked, a later "
    "call with the same idempotency_key returns what the first one made.",
    why="That is the one moment for which there are idempotency keys.",
    hint="The marker has to be on the live stream from its creation on, not be added later by "
    "another request.",
)
def finds_what_was_made(case: Case) -> None:
    """Create, lose the answer and all that follows, and create again later."""
    with _with_ledger(case) as platform:

        def create() -> object:
            return platform.create_live_stream("show", idempotency_key="k")

        _lose_for_good(case, create)
        result, _ = case.sent_by(create)

    made = case.truth().live_streams
    _expect_made(case, result, set(made), "two creations with one idempotency key")


@check(
    "SAFE-RECONCILE-001",
    "What a lost creation left is found when ledger and platform are compared",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where a creation's answer was lost and the platform could not be asked, reconcile() "
    "later names the live stream that it made.",
    why="It is how a host finds what it pays for and does not know of.",
    hint="list_live_streams() tells the marker of each live stream; get_live_stream() alone does "
    "not help.",
)
def reconciles(case: Case) -> None:
    """Create, lose the answer and all that follows, and compare later."""
    with _with_ledger(case) as platform:
        _lose_for_good(case, lambda: platform.create_live_stream("show"))
        found = platform.reconcile()

    named = {one.stream_id for one in found if one.stream_id and one.marker}
    made = set(case.truth().live_streams)
    expect(made <= named, "reconcile() does not tell of a live stream whose creation was lost")


def _lose_for_good(case: Case, create: Callable[[], object]) -> None:
    """Create so that the platform has made it, and nobody learns of it for an hour."""
    for place in range(_MOST):
        case.faults.script({place: DROP_ANSWER, **times(UNAVAILABLE, 20, first=place + 1)})
        case.sent_by(create)
        case.faults.script({})
        case.pass_time(_LATER)
        if case.truth().live_streams:
            return
    nothing_to_test(f"none of the first {_MOST} requests of a creation makes a live stream")


_MOST: Final = 5
"""Requests of a creation up to the one that makes the live stream."""


@check(
    "SAFE-END-001",
    "An end that breaks off is finished by the next",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Wherever ending breaks off, ending again ends the live stream, without an error.",
    why="What is half ended has no key and is still paid for.  If ending it again is an error, "
    "nobody gets rid of it but by hand.",
    hint="Let each step of ending be one that may have been done before: a key that is gone, an "
    "encoder that is not there.",
)
def finishes_ends(case: Case) -> None:
    """End while the platform fails from one request on, and end again."""
    for place in _places(case, _requests_of_ending(case)):
        made = case.create()
        _end_under(case, made.stream_id, times(UNAVAILABLE, _ATTEMPTS, first=place))
        case.pass_time(_LATER)
        result, _ = case.sent_by(lambda: case.platform.end_live_stream(made.stream_id))  # noqa: B023  # called at once
        expect(
            not isinstance(result, Exception),
            f"ending again what broke off at request {place + 1} raises {type(result).__name__}",
        )
        expect(
            made.stream_id not in case.truth().live_streams,
            f"what broke off at request {place + 1} of ending is still there after ending it again",
        )


@check(
    "SAFE-END-002",
    "An end whose answer is lost is an end",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Whichever answer on the way of ending gets lost, end_live_stream() returns, and the live "
    "stream is gone.",
    why="The repetition then finds nothing to end.  Told as an error that makes the host end it "
    "for ever, or page somebody.",
    hint="Take the platform's not found, in each step after the first, for done.",
)
def takes_gone_for_ended(case: Case) -> None:
    """End while one answer after the other is lost."""
    for place in _places(case, _requests_of_ending(case)):
        made = case.create()
        result = _end_under(case, made.stream_id, {place: DROP_ANSWER})
        expect(
            not isinstance(result, Exception),
            f"ending raises {type(result).__name__} where its answer {place + 1} was lost",
        )
        expect(
            made.stream_id not in case.truth().live_streams,
            f"ending leaves the live stream where its answer {place + 1} was lost",
        )


def _requests_of_ending(case: Case) -> int:
    case.platform.end_live_stream(case.create().stream_id)  # as in creating
    made = case.create()
    return _count(case, lambda: case.platform.end_live_stream(made.stream_id))


def _end_under(case: Case, stream_id: str, script: dict[int, Fault]) -> object:
    case.faults.script(script)
    result, _ = case.sent_by(lambda: case.platform.end_live_stream(stream_id))
    case.faults.script({})
    return result


@check(
    "SAFE-ROTATE-001",
    "A rotation whose answer is lost leaves a key that can be read",
    level=Level.EXTENDED,
    needs_simulator=True,
    requires=(Capability.KEY_ROTATION,),
    rule="Whichever answer of a rotation gets lost, the key that rotate_stream_key() returned, or "
    "returns when it raised and is called again, lets an encoder in, and get_credentials() gives "
    "that one.",
    why="The old key is dead by then.  A host that cannot read the new one is off the air.",
    hint="Declare rotating with Effect.REPEATABLE where each repetition leaves one key, read the "
    "key from the platform, and keep none in the provider.",
)
def keeps_a_key(case: Case) -> None:
    """Rotate while one answer after the other is lost."""
    made = case.create()
    platform = case.platform
    platform.rotate_stream_key(made.stream_id)  # as in creating
    count = _count(case, lambda: platform.rotate_stream_key(made.stream_id))
    for place in _places(case, count):
        case.faults.script({place: DROP_ANSWER})
        rotated, _ = case.sent_by(lambda: platform.rotate_stream_key(made.stream_id))
        case.faults.script({})
        case.pass_time(_LATER)
        expect(
            isinstance(rotated, (StreamCredentials, PlatformError)),
            f"a rotation whose answer was lost raises {type(rotated).__name__}",
        )
        if not isinstance(rotated, StreamCredentials):
            rotated = platform.rotate_stream_key(made.stream_id)
        works = case.truth().live_streams[made.stream_id].stream_keys
        expect(
            rotated.stream_key.reveal() in works,
            "a rotation whose answer was lost returns a dead key",
        )
        expect(
            platform.get_credentials(made.stream_id).stream_key == rotated.stream_key,
            "after a rotation whose answer was lost, get_credentials() gives another key",
        )
