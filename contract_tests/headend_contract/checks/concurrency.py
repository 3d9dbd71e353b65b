"""Many threads on one provider."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from headend.plugin import RateLimitedError
from headend_contract.check import Level, check, expect, expect_equal, nothing_to_test
from headend_contract.checks.disturbances import list_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headend_contract.case import Case

_T = TypeVar("_T")
_R = TypeVar("_R")

_THREADS: Final = 8
_REFUSALS: Final = 5
"""Refusals of one call for coming too soon, after which it is given up."""


def _at_once(call: Callable[[_T], _R], values: Sequence[_T]) -> list[_R]:
    """Call something with each value, in a thread each, and return the results in that order."""

    def call_until_let_in(value: _T) -> _R:
        # Who waits for a turn moves the simulated time on while requests of others are on their
        # way, so that those may arrive in a bunch, which is no fault of the provider.
        for _ in range(_REFUSALS):
            with suppress(RateLimitedError):
                return call(value)
        return call(value)

    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(call_until_let_in, values))


@check(
    "THREAD-CREATE-001",
    "Creations at the same time do not get mixed up",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Eight threads that each create one live stream on one provider get eight different "
    "ones, each with its own key, name and channel_id; and there are eight.",
    why="Web applications serve many users with one platform object.  A mix-up gives one user the "
    "key of another.",
    hint="Keep nothing of a call on the provider object; pass it along.",
)
def creates_at_once(case: Case) -> None:
    """Create in many threads, and compare with what is so."""
    platform = case.platform
    wanted = [f"show-{number}" for number in range(_THREADS)]
    made = _at_once(lambda show: platform.create_live_stream(show, name=show), wanted)

    truth = case.truth().live_streams
    expect(
        len({one.stream_id for one in made}) == _THREADS
        and all(one.stream_id in truth for one in made),
        "what eight threads created are not eight live streams",
    )
    owners = {key: true.stream_id for true in truth.values() for key in true.stream_keys}
    for show, one in zip(wanted, made, strict=True):
        found = platform.get_live_stream(one.stream_id)
        expect_equal(
            (found.channel_id, found.name), (show, show), "what was created in a thread of its own"
        )
        expect(
            owners.get(one.stream_key.reveal(), one.stream_id) == one.stream_id,
            "a creation in a thread of its own returns the key of another live stream",
        )


@check(
    "THREAD-READ-001",
    "Reads at the same time do not get mixed up",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Eight threads that read different live streams with one provider each get the one that "
    "they asked for.",
    why="A page that shows the figures of another show is believed.",
    hint="Keep no last answer on the provider object, and use an HTTP client that many threads "
    "may use.",
)
def reads_at_once(case: Case) -> None:
    """Read two live streams in many threads."""
    ids = [case.create(channel_id=show).stream_id for show in ("one", "two")] * (_THREADS // 2)
    platform = case.platform
    found = _at_once(platform.get_live_stream, ids)

    expect_equal([one.stream_id for one in found], ids, "what many threads read")


@check(
    "THREAD-LIST-001",
    "A list goes on in another thread",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A listing of which each element is taken in another thread has all that a listing in "
    "one thread has.",
    why="headend.open_async() takes each element in whatever worker thread is free.  A list that "
    "loses elements loses live streams.",
    hint="Keep the state of a listing in the generator, in nothing that belongs to a thread.",
)
def lists_in_changing_threads(case: Case) -> None:
    """Take a list with a new thread for each element."""
    for show in ("one", "two", "three"):
        case.create(channel_id=show)
    case.pass_time(case.spec.settle_time)
    expected = list_all(case)
    if not expected:
        nothing_to_test("the list has nothing in it")
    listing = case.platform.list_live_streams()
    listed = []
    for _ in range(len(expected) + 1):
        with ThreadPoolExecutor(1) as thread:
            one = thread.submit(next, listing, None).result()
        if one is not None:
            listed.append(one.stream_id)

    expect_equal(listed, expected, "what is listed in changing threads")
