"""Listing live streams: all of them, once each, as they are, and without needless requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import asdict, evolve

from headend.plugin import LiveStream, StreamState
from headend_contract.check import CheckFailedError, Level, check, expect, expect_equal
from headend_contract.checks.disturbances import always, json_of
from headend_contract.checks.steps import push, wait_for_lists
from headend_contract.faults import changing

if TYPE_CHECKING:
    from headend_contract.case import Case
    from headend_contract.faults import Answer


@check(
    "LIVE-LIST-001",
    "The list has what was created",
    level=Level.CORE,
    rule="list_live_streams() has each live stream once, with its channel_id, after the declared "
    "settle time.",
    why="What is not in the list is found by nobody: not by the host, and not by headend when it "
    "looks for what a crash left behind.",
    hint="Take every element of every page.  If the platform's list lags, say how long in "
    "ProviderSpec.settle_time.",
)
def lists_what_was_created(case: Case) -> None:
    """Create two, and look for them in the list."""
    made = {case.create(channel_id=name).stream_id: name for name in ("list-first", "list-second")}
    wait_for_lists(case)
    found = [one for one in case.platform.list_live_streams() if one.stream_id in made]

    expect_equal(len(found), len(made), "the number of times that two live streams are listed")
    for one in found:
        expect_equal(one.channel_id, made[one.stream_id], "the channel_id in the list")


@check(
    "LIVE-LIST-002",
    "The list does not have what has ended",
    level=Level.CORE,
    rule="list_live_streams() does not have a live stream that has ended.",
    why="A host that works through the list acts on what is gone, and counts what it does not pay.",
    hint="Do not keep a list of your own.  If the platform keeps what has ended, leave it out.",
)
def lists_nothing_that_ended(case: Case) -> None:
    """Create two, end one, and look for both."""
    ended, kept = case.create(channel_id="ends"), case.create(channel_id="stays")
    wait_for_lists(case)
    case.platform.end_live_stream(ended.stream_id)
    wait_for_lists(case)
    found = {one.stream_id for one in case.platform.list_live_streams()}

    expect(kept.stream_id in found, "the list lacks a live stream that has not ended")
    expect(ended.stream_id not in found, "the list has a live stream that has ended")


@check(
    "LIVE-LIST-003",
    "A list takes no request for each of its elements",
    level=Level.CORE,
    rule="Listing four live streams takes as many requests as listing one; what the list's answer "
    "does not tell stays None.",
    why="With a thousand live streams a request for each takes minutes, and uses up the platform's "
    "limit for everybody else.",
    hint="Leave None what the list does not tell; the host asks for the one that it wants to know "
    "of.",
)
def lists_without_more_requests(case: Case) -> None:
    """Count the requests of a short list and of a longer one."""
    case.create()
    wait_for_lists(case)
    few = case.sent_by(lambda: list(case.platform.list_live_streams()))[1]
    for _ in range(3):
        case.create()
    wait_for_lists(case)
    many = case.sent_by(lambda: list(case.platform.list_live_streams()))[1]

    expect(
        len(many) <= len(few),
        f"listing three more live streams takes {len(many) - len(few)} more requests",
    )


@check(
    "LIVE-LIST-004",
    "A list is asked for when it is taken",
    level=Level.CORE,
    rule="list_live_streams() returns an iterator at once, and sends its first request when the "
    "first element is taken.",
    why="Hosts stop at the element that they look for.  A list that is loaded whole costs all "
    "pages for the first element.",
    hint="Write it as a generator that asks for each page when it gets there.",
)
def lists_lazily(case: Case) -> None:
    """Ask for a list, and do not take it until later."""
    made = case.create()
    wait_for_lists(case)
    listed, requests = case.sent_by(case.platform.list_live_streams)

    if not isinstance(listed, Iterator):
        raise CheckFailedError("list_live_streams() returns no iterator")
    expect(not requests, "list_live_streams() sends a request before anything is taken")
    expect(
        any(one.stream_id == made.stream_id for one in listed),
        "the list lacks a live stream that was created",
    )


@check(
    "LIVE-LIST-005",
    "The list says nothing that reading denies",
    level=Level.CORE,
    rule="Whatever the list tells of a live stream is what get_live_stream() tells; what it does "
    "not know is None.",
    why="A value that is made up for the list (idle, an address, an empty name) is shown on the "
    "host's overview as a fact.",
    hint="Read the list's elements by the same function, and leave None what the list's answer "
    "lacks.",
)
def lists_no_fictions(case: Case) -> None:
    """Compare an element of the list with the live stream itself."""
    made = case.create(name="Evening show", metadata={"team": "red"})
    wait_for_lists(case)
    read = asdict(case.platform.get_live_stream(made.stream_id), recurse=False)
    listed = next(
        (one for one in case.platform.list_live_streams() if one.stream_id == made.stream_id),
        None,
    )

    if listed is None:
        raise CheckFailedError("the list lacks a live stream that was created")
    for name, value in asdict(listed, recurse=False).items():
        if value is not None and value != ():
            expect_equal(value, read[name], f"{name} in the list, which get_live_stream() gives,")


@check(
    "LIVE-LIST-006",
    "The list does not call idle what is live",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="The state in the list is what is so now, or None.",
    why="headend cleans up what is idle and nobody's.  A list that calls a show idle has it ended.",
    hint="Leave the state None where the list's answer does not tell it.",
)
def lists_the_true_state(case: Case) -> None:
    """List a live stream to which an encoder pushes."""
    made = case.create()
    push(case, made)
    wait_for_lists(case)
    states = {one.stream_id: one.state for one in case.platform.list_live_streams()}

    expect(made.stream_id in states, "the list lacks a live stream that is live")
    state = states[made.stream_id]
    expect(
        state in {None, StreamState.LIVE}, f"the list says {state} of a live stream that is live"
    )


_STEPS: Final = (51, 101, 201)
"""How many live streams there are while pages are looked for: more than common page sizes."""

_PAGES: Final = 3
"""Pages that a list has to have: who fetches one more than the first has not made a loop yet."""


@check(
    "LIVE-LIST-007",
    "The list goes over all pages",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="list_live_streams() has each live stream exactly once, however many pages the platform "
    "makes of them.",
    why="A provider that stops after the first page works in every test, and loses the host's "
    "fifty-first live stream.",
    hint="Go on until the platform says that there is no further page, and pass its token on as "
    "it is.",
)
def lists_all_pages(case: Case) -> None:
    """Create until the list takes two requests more than an empty one, and look for all."""
    made: list[str] = []
    base = len(case.sent_by(lambda: list(case.platform.list_live_streams()))[1])
    for wanted in _STEPS:
        while len(made) < wanted:
            made.append(case.create().stream_id)
        wait_for_lists(case)
        before = len(case.requests)
        found = [one.stream_id for one in case.platform.list_live_streams()]
        expect_equal(
            len(found), len(set(found)), f"the number of live streams in a list of {len(found)}"
        )
        expect_equal(
            len(set(made) - set(found)), 0, f"the number of {wanted} live streams not listed"
        )
        if len(case.requests) - before >= base + _PAGES - 1:
            break


@check(
    "LIVE-LIST-008",
    "The list has what others made",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A live stream without the marker that headend puts on its own is in the list, with its "
    "stream_id and no marker, and can be read; nothing is raised because of it.",
    why="Most accounts have live streams that somebody made by hand.  One of them that breaks the "
    "list takes all others with it; one that is left out is paid for, and reconcile() is silent.",
    hint="Read what headend writes (marker, channel_id, metadata) with .get(): what is not there "
    "is None.",
)
def lists_what_others_made(case: Case) -> None:
    """Take a live stream's marker out of the answers, and list and read it."""
    made = case.create()
    kept = case.create().stream_id
    wait_for_lists(case)
    platform = case.platform
    marker = platform.get_live_stream(made.stream_id).marker
    if not marker:
        raise CheckFailedError("a created live stream bears no marker")
    by_hand = changing("made by hand", "it bears no marker", partial(_by_hand, marker=marker))
    case.faults.script(always(by_hand))
    listed, _ = case.sent_by(lambda: list(platform.list_live_streams()))
    read, _ = case.sent_by(lambda: platform.get_live_stream(made.stream_id))
    case.faults.script({})

    for what, result in (("listing", listed), ("reading", read)):
        expect(
            not isinstance(result, Exception),
            f"{what} raises {type(result).__name__} because of a live stream that somebody made by "
            "hand",
        )
    assert isinstance(listed, list)
    expect(
        {made.stream_id, kept} <= {one.stream_id for one in listed},
        "the list lacks a live stream that somebody made by hand, or another one because of it",
    )
    for one in (read, *listed):
        if isinstance(one, LiveStream) and one.stream_id == made.stream_id:
            expect(
                one.marker != marker,
                "a live stream that somebody made by hand is told to bear a marker",
            )


def _by_hand(answer: Answer, *, marker: str) -> Answer:
    """Take the marker out of an answer, and leave all else."""
    value = json_of(answer)
    if value is None:  # not JSON: it cannot be taken out, but be another text
        return evolve(answer, body=answer.body.replace(marker.encode(), b"x"))
    return evolve(answer, body=json.dumps(_without(value, marker)).encode())


def _without(value: object, marker: str) -> object:
    match value:
        case dict():
            return {name: _without(one, marker) for name, one in value.items() if one != marker}
        case list():
            return [_without(one, marker) for one in value]
        case str():
            # A platform's own field may bear the marker among other things.
            return value.replace(marker, "x")
        case _:
            return value


@check(
    "LIVE-FIND-002",
    "What was created can be found on every page",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="find_live_streams() finds a live stream by its marker, however many there are, be it "
    "the first or the last that was made.",
    why="A look at the first page works as long as there are few.  After that a creation whose "
    "answer was lost is not found, and made a second time.",
    hint="Go over list_live_streams(), or over all pages of a filtered list.",
)
def finds_on_every_page(case: Case) -> None:
    """Create until the list takes more requests than an empty one; find the first and the last."""
    base = len(case.sent_by(lambda: list(case.platform.list_live_streams()))[1])
    made: list[str] = []
    for wanted in _STEPS:
        while len(made) < wanted:
            made.append(case.create().stream_id)
        wait_for_lists(case)
        if len(case.sent_by(lambda: list(case.platform.list_live_streams()))[1]) > base:
            break
    for stream_id in (made[0], made[-1]):
        marker = case.platform.get_live_stream(stream_id).marker or ""
        found = case.provider.find_live_streams(marker, None)
        expect(
            stream_id in {one.stream_id for one in found},
            f"a live stream is not found by its marker among {len(made)}",
        )
