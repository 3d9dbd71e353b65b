"""The broadcasts that there were on a live stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import Capability, StreamNotFoundError
from headend_contract.check import Level, check, expect, expect_equal, expect_raises
from headend_contract.checks.steps import push, similar_id, wait_until_over

if TYPE_CHECKING:
    from headend.plugin import StreamCredentials
    from headend_contract.case import Case

_SHOW: Final = 120.0


@check(
    "SESSION-001",
    "A live stream that was never live had no sessions",
    level=Level.CORE,
    requires=(Capability.SESSIONS,),
    rule="list_sessions() of a new live stream is empty.",
    why="A session that never was is shown as a show that nobody saw.",
    hint="Return what the platform lists, and nothing for a list that is empty.",
)
def has_none_at_first(case: Case) -> None:
    """Ask for the sessions of a new live stream."""
    made = case.create()

    expect_equal(list(case.platform.list_sessions(made.stream_id)), [], "the sessions of a new one")


@check(
    "SESSION-002",
    "Each broadcast is a session, the latest first",
    level=Level.EXTENDED,
    requires=(Capability.SESSIONS,),
    needs_simulator=True,
    rule="After two broadcasts list_sessions() has two sessions of this live stream, with "
    "different ids, the later one first.",
    why="Hosts take the first for the one that is on, or was on last.",
    hint="Sort by the beginning where the platform does not.",
)
def lists_the_latest_first(case: Case) -> None:
    """Broadcast twice."""
    made = case.create()
    _broadcast(case, made)
    (earlier,) = case.platform.list_sessions(made.stream_id)
    _broadcast(case, made)
    sessions = list(case.platform.list_sessions(made.stream_id))

    expect_equal(len(sessions), 2, "the number of sessions after two broadcasts")
    expect_equal(sessions[1].session_id, earlier.session_id, "the id of the last session listed")
    expect(
        sessions[0].session_id != earlier.session_id,
        "two broadcasts are listed as the same session",
    )
    for one in sessions:
        expect_equal(one.stream_id, made.stream_id, "the stream_id of a session")


@check(
    "SESSION-003",
    "A session ends when the broadcast does",
    level=Level.EXTENDED,
    requires=(Capability.SESSIONS,),
    needs_simulator=True,
    rule="A session has no ended_at while the encoder pushes; afterwards it has one, not before "
    "its started_at, and lasts about as long as the encoder pushed.",
    why="Hosts compute what a show cost from its length.",
    hint="Read both moments from the platform, in UTC; a session that goes on has None.",
)
def ends_sessions(case: Case) -> None:
    """Look at a session during and after its broadcast."""
    made = case.create()
    encoder = push(case, made)
    case.pass_time(_SHOW)
    (during,) = case.platform.list_sessions(made.stream_id)
    expect_equal(during.ended_at, None, "the end of a session that goes on")
    encoder.leave()
    wait_until_over(case)
    (after,) = case.platform.list_sessions(made.stream_id)

    expect(after.ended_at is not None, "a session that is over has no ended_at")
    if after.started_at is not None and after.ended_at is not None:
        lasted = (after.ended_at - after.started_at).total_seconds()
        expect(
            _SHOW / 2 <= lasted <= _SHOW * 3,
            f"a session of {_SHOW:g} s is said to have lasted {lasted:g} s",
        )


@check(
    "SESSION-004",
    "One session can be read, and one that was not cannot",
    level=Level.EXTENDED,
    requires=(Capability.SESSIONS,),
    needs_simulator=True,
    rule="get_session() returns the session that list_sessions() names, with the same times; an "
    "unknown id, and another live stream's session, is a StreamNotFoundError.",
    why="The details of a session tell why a show broke off; those of another show mislead.",
    hint="Read both by the same function, and ask for the session under its live stream.",
)
def reads_one(case: Case) -> None:
    """Read a session that there was, and two that there were not."""
    made, other = case.create(), case.create()
    _broadcast(case, made)
    (listed,) = case.platform.list_sessions(made.stream_id)
    read = case.platform.get_session(made.stream_id, listed.session_id)

    expect_equal(read.session_id, listed.session_id, "the session_id that get_session() returns")
    expect_equal(read.started_at, listed.started_at, "the started_at that get_session() returns")
    expect_equal(read.ended_at, listed.ended_at, "the ended_at that get_session() returns")
    expect_raises(
        StreamNotFoundError,
        lambda: case.platform.get_session(made.stream_id, similar_id(listed.session_id)),
        "reading a session that never was",
    )
    expect_raises(
        StreamNotFoundError,
        lambda: case.platform.get_session(other.stream_id, listed.session_id),
        "reading a session of another live stream",
    )


def _broadcast(case: Case, made: StreamCredentials) -> None:
    """Push for two minutes, and wait until the session is over."""
    encoder = push(case, made)
    case.pass_time(_SHOW)
    encoder.leave()
    wait_until_over(case)
