"""What is kept of sessions, and billed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from headend.plugin import Capability
from headend_contract.check import Level, check, expect, expect_equal, nothing_to_test
from headend_contract.checks.steps import is_near, push, truth_of, wait_until_over

if TYPE_CHECKING:
    from headend.plugin import StreamCredentials
    from headend_contract.case import Case

_SHOW: Final = 60.0


@check(
    "RECORDING-001",
    "A live stream that was never live has no recordings",
    level=Level.CORE,
    requires=(Capability.RECORDINGS,),
    rule="list_recordings() of a new live stream is empty.",
    why="A recording of somebody else's show would be shown, or deleted, with this one.",
    hint="Ask for the recordings of this live stream, and check that each of the answer is one.",
)
def has_none_at_first(case: Case) -> None:
    """Ask for the recordings of a new live stream."""
    made = case.create()

    expect_equal(
        list(case.platform.list_recordings(made.stream_id)), [], "the recordings of a new one"
    )


@check(
    "RECORDING-002",
    "Every recording of a live stream is listed",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="list_recordings() has each recording that the platform keeps of the live stream's "
    "sessions, once, and no other's.",
    why="What is not listed is stored, and paid for, for ever.",
    hint="Follow all pages, and ask by the live stream's id.",
)
def lists_recordings(case: Case) -> None:
    """Broadcast on two live streams, twice on the first."""
    made, other = case.create(), case.create()
    _broadcast(case, made)
    _broadcast(case, other)
    _broadcast(case, made)
    found = list(case.platform.list_recordings(made.stream_id))
    kept = truth_of(case, made).recordings

    expect_equal(
        sorted(one.recording_id for one in found), sorted(kept), "the recordings that are listed"
    )
    for one in found:
        expect(
            one.stream_id in {None, made.stream_id}, "a recording names another live stream's id"
        )


@check(
    "RECORDING-003",
    "Ending names the recordings that stay",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="The result of ending names each recording that stays on the platform in recordings_kept.",
    why="They are billed, and on some platforms nobody finds them once their live stream is gone.",
    hint="List the recordings before the live stream is deleted.",
)
def names_what_stays(case: Case) -> None:
    """Broadcast, end, and compare with what is on the platform."""
    made = case.create()
    _broadcast(case, made)
    result = case.platform.end_live_stream(made.stream_id)

    expect_equal(
        sorted(one.recording_id for one in result.recordings_kept),
        sorted(case.truth().recordings),
        "recordings_kept after ending",
    )


@check(
    "RECORDING-004",
    "Ending deletes the recordings if it is asked to",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="end_live_stream(delete_recordings=True) leaves no recording of the live stream on the "
    "platform, names none as kept, and touches no other's.",
    why="The host promised somebody that it is deleted.",
    hint="Delete each recording before the live stream, and wait for one that is still being made.",
)
def deletes_with_the_end(case: Case) -> None:
    """Broadcast on two live streams, and end one with its recordings."""
    made, other = case.create(channel_id="ends"), case.create(channel_id="stays")
    _broadcast(case, made)
    _broadcast(case, other)
    others = truth_of(case, other).recordings
    result = case.platform.end_live_stream(made.stream_id, delete_recordings=True)

    expect_equal(
        sorted(case.truth().recordings),
        sorted(others),
        "what is kept after a live stream was ended with its recordings",
    )
    expect_equal(result.recordings_kept, (), "recordings_kept after they were deleted")


@check(
    "RECORDING-005",
    "A recording can be deleted, and deleted again",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="delete_recording() removes the recording that it names and no other; once more is no "
    "error.",
    why="Hosts delete again after a timeout, and pay for what was only said to be deleted.",
    hint="Catch the platform's not found.",
)
def deletes_one(case: Case) -> None:
    """Broadcast twice, and delete the first recording twice."""
    made = case.create()
    _broadcast(case, made)
    (first,) = truth_of(case, made).recordings
    _broadcast(case, made)
    both = truth_of(case, made).recordings
    case.platform.delete_recording(first)
    case.platform.delete_recording(first)

    expect_equal(
        sorted(case.truth().recordings), sorted(both - {first}), "what is kept after deleting one"
    )


@check(
    "RECORDING-006",
    "A recording says how long it is, and where it can be watched",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="duration is in seconds and about as long as the encoder pushed, and playback_url an "
    "address; either may be None.",
    why="Platforms bill by the length, in minutes, and tell it in seconds or milliseconds.",
    hint="Convert to seconds where the answer is read; -1, and what is still being made, is None.",
)
def describes_recordings(case: Case) -> None:
    """Broadcast for a minute, and look at the recording."""
    made = case.create()
    _broadcast(case, made)
    (found,) = case.platform.list_recordings(made.stream_id)

    if found.duration is None and found.playback_url is None:
        nothing_to_test("a recording tells neither its length nor where it can be watched")
    expect(
        # Some platforms wait for a lost encoder, and record what they show meanwhile.
        found.duration is None or _SHOW / 2 <= found.duration <= _SHOW * 5,
        f"a recording of {_SHOW:g} s is said to be {found.duration} s long",
    )
    if found.playback_url is not None:
        parts = urlsplit(found.playback_url)
        expect(
            parts.scheme == "https" or (parts.scheme == "http" and is_near(case, parts.hostname)),
            "the playback_url of a recording is no https address",
        )


def _broadcast(case: Case, made: StreamCredentials) -> None:
    """Push for a minute, and wait until the platform is done with it."""
    encoder = push(case, made)
    case.pass_time(_SHOW)
    encoder.leave()
    wait_until_over(case)
    kept = truth_of(case, made).recordings
    expect(bool(kept), "the simulated platform recorded nothing, though recordings are declared")
