"""Ending a live stream for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import EndOutcome, InvalidRequestError, StreamNotFoundError
from headend_contract.check import Level, check, expect, expect_equal, expect_raises
from headend_contract.checks.steps import push, similar_id

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "LIVE-END-001",
    "Ending says that it ended, and what has ended is gone",
    level=Level.CORE,
    rule="end_live_stream() returns the outcome ended and the stream_id, and then "
    "get_live_stream() raises StreamNotFoundError.",
    why="A live stream that is only said to have ended stays on the platform, takes pictures from "
    "whoever has the key, and is billed.",
    hint="Delete it on the platform, and return only when that has answered.",
)
def ends(case: Case) -> None:
    """End a live stream and look for it."""
    made = case.create()
    result = case.platform.end_live_stream(made.stream_id)

    expect_equal(result.outcome, EndOutcome.ENDED, "the outcome of ending a live stream")
    expect_equal(result.stream_id, made.stream_id, "the stream_id of the result")
    expect_raises(
        StreamNotFoundError,
        lambda: case.platform.get_live_stream(made.stream_id),
        "reading a live stream that has ended",
    )


@check(
    "LIVE-END-002",
    "Ending twice is no error",
    level=Level.CORE,
    rule="Ending a live stream that has ended returns the outcome already_gone.",
    why="Hosts end again after a crash or a timeout, because they cannot know how far they got.",
    hint="Catch the platform's not found, in every step of ending.",
)
def ends_twice(case: Case) -> None:
    """End a live stream twice."""
    made = case.create()
    case.platform.end_live_stream(made.stream_id)
    again = case.platform.end_live_stream(made.stream_id)

    expect_equal(again.outcome, EndOutcome.ALREADY_GONE, "the outcome of ending a second time")


@check(
    "LIVE-END-003",
    "Ending what never was is not said to have ended anything",
    level=Level.CORE,
    rule="Ending an id that names nothing returns the outcome already_gone.  Where the provider "
    "can tell that no live stream could ever have this id, it may raise InvalidRequestError "
    "without a request instead.",
    why="To say ended is to say that something was there.  A host with the wrong id, or the wrong "
    "account, believes that its show is off.",
    hint="Say ended only when the platform had it.",
)
def ends_nothing_unknown(case: Case) -> None:
    """End an id that looks as one that was given out."""
    unknown = similar_id(case.create().stream_id)
    before = len(case.requests)
    try:
        result = case.platform.end_live_stream(unknown)
    except InvalidRequestError:
        expect_equal(len(case.requests), before, "the number of requests before the refusal")
    else:
        expect_equal(result.outcome, EndOutcome.ALREADY_GONE, "the outcome of ending an unknown id")


@check(
    "LIVE-END-004",
    "Ending one leaves the others",
    level=Level.CORE,
    rule="Ending a live stream leaves all others as they are, also those of the same channel_id.",
    why="One host's end of show would be another's.",
    hint="End by the id that was asked for, never by name or channel_id.",
)
def leaves_the_others(case: Case) -> None:
    """Create two for one channel id, and end one."""
    ended = case.create(channel_id="show", name="Evening show")
    kept = case.create(channel_id="show", name="Evening show")
    case.platform.end_live_stream(ended.stream_id)
    again = case.platform.get_credentials(kept.stream_id)

    expect(again.stream_key == kept.stream_key, "ending a live stream changed another one's key")


@check(
    "LIVE-END-005",
    "What has ended is gone from the platform, and its key is dead",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After ending, the platform has the live stream no more, and lets no encoder in with its "
    "key.",
    why="What only looks gone is billed, and whoever knows the old key can broadcast.",
    hint="Delete on the platform; disabling or hiding it is not ending it.",
)
def removes_it(case: Case) -> None:
    """Look behind the platform's answers."""
    made = case.create()
    case.platform.end_live_stream(made.stream_id)

    expect(
        made.stream_id not in case.truth().live_streams,
        "a live stream that has ended is still on the platform",
    )
    expect(
        case.connect(made.stream_key) is None,
        "the key of a live stream that has ended still lets an encoder in",
    )


@check(
    "LIVE-END-006",
    "A live stream can be ended while it is live",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Ending a live stream to which an encoder pushes throws the encoder out and removes the "
    "live stream, in one call.",
    why="Ending is the emergency switch.  It must not wait until the encoder is so kind to leave.",
    hint="Go the platform's safe way: first let no encoder in, then throw out the one that is "
    "there, wait until it is off, then delete.",
)
def ends_what_is_live(case: Case) -> None:
    """End a live stream while an encoder pushes to it."""
    made = case.create()
    encoder = push(case, made)
    result = case.platform.end_live_stream(made.stream_id)

    expect_equal(result.outcome, EndOutcome.ENDED, "the outcome of ending a live stream on air")
    expect(
        made.stream_id not in case.truth().live_streams,
        "a live stream that was ended on air is still on the platform",
    )
    expect(not encoder.connected, "the encoder still pushes after its live stream has ended")
