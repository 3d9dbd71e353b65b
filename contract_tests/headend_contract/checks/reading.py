"""Reading one live stream: what it is, what it does, and how it is found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from headend.plugin import Capability, StreamNotFoundError, StreamState
from headend_contract.check import (
    Level,
    check,
    expect,
    expect_equal,
    expect_raises,
    not_applicable,
)
from headend_contract.checks.steps import (
    push,
    similar_id,
    truth_of,
    wait_for_lists,
    wait_until_over,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend_contract.case import Case


@check(
    "LIVE-GET-001",
    "Reading a live stream gives the one that was asked for",
    level=Level.CORE,
    rule="get_live_stream() returns the stream_id that it was asked for, the provider's own name, "
    "and the playback URL of the creation where it gives one.",
    why="A host that reads one live stream and is given another one acts on the wrong show.",
    hint="Read the id from the answer, not from the argument, so that a mix-up is seen; and build "
    "the playback URL in one place for all operations.",
)
def reads_the_right_one(case: Case) -> None:
    """Create two, and read the first."""
    made = case.create()
    case.create()
    found = case.platform.get_live_stream(made.stream_id)

    expect_equal(found.stream_id, made.stream_id, "the stream_id that get_live_stream() returns")
    expect_equal(found.provider, case.spec.name, "the provider of a live stream")
    expect(
        found.playback_url in {None, made.playback_url},
        "get_live_stream() gives another playback URL than the creation did",
    )


@check(
    "LIVE-GET-002",
    "A live stream to which nobody pushes is idle",
    level=Level.CORE,
    rule="get_live_stream() says that a live stream is idle after it was created.",
    why="A host that sees live, unknown or error on a new live stream starts its show too early, "
    "or calls its operator.",
    hint='Map the platform\'s word for "nothing was ever pushed" to StreamState.IDLE, also where '
    "that is the lack of a word.",
)
def begins_idle(case: Case) -> None:
    """Read a new live stream."""
    made = case.create()
    found = case.platform.get_live_stream(made.stream_id)

    expect_equal(found.state, StreamState.IDLE, "the state of a new live stream")


@check(
    "LIVE-GET-003",
    "The state follows the encoder",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="get_live_stream() says live while an encoder pushes and viewers can watch, and not "
    "before and not long after.",
    why="Hosts switch their pages over by it.",
    hint="Map each of the platform's words once, and ask for the state each time instead of "
    "keeping it.",
)
def follows_the_encoder(case: Case) -> None:
    """Read the state before, while and after an encoder pushes."""
    made = case.create()

    def expect_truth(moment: str) -> None:
        true = truth_of(case, made).live
        state = case.platform.get_live_stream(made.stream_id).state
        expect(
            (state is StreamState.LIVE) == true,
            f"{moment} the live stream {'is' if true else 'is not'} live, and the provider says "
            f"{state}",
        )

    expect_truth("before an encoder comes")
    encoder = push(case, made)
    expect_truth("while an encoder pushes")
    encoder.leave()
    wait_until_over(case)
    expect_truth("after the encoder has left")


@check(
    "LIVE-GET-004",
    "Reading changes nothing",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="No reading operation changes a live stream, least of all its key.",
    why="Hosts read often and from many places.  A key that changes while somebody looks throws "
    "the encoder out in the middle of a show.",
    hint="Read the key where the platform shows it.  Where it shows a key only once, keep none "
    "and say so, rather than make a new one.",
)
def reading_changes_nothing(case: Case) -> None:
    """Compare the platform before and after all reading operations."""
    made = case.create()
    wait_for_lists(case)
    before = case.truth()
    platform = case.platform
    platform.get_live_stream(made.stream_id)
    platform.get_credentials(made.stream_id)
    platform.get_playback_url(made.stream_id)
    platform.get_analytics(made.stream_id)
    for _ in platform.list_live_streams():
        pass

    expect(case.truth() == before, "a live stream on the platform is another one after reading it")


@check(
    "LIVE-CREDENTIALS-001",
    "The credentials can be read again as they were given",
    level=Level.CORE,
    rule="get_credentials() returns the id, the key, the addresses and the ingests of the "
    "creation for as long as nobody rotates the key.",
    why="Hosts do not store keys; they ask again when the operator opens the page.",
    hint="Make both from the same function over the platform's answer.",
)
def gives_the_credentials_again(case: Case) -> None:
    """Create, and ask again."""
    made = case.create()
    again = case.platform.get_credentials(made.stream_id)

    expect_equal(again.stream_id, made.stream_id, "the stream_id of the credentials read again")
    expect(again.stream_key == made.stream_key, "get_credentials() gives another stream key")
    expect_equal(
        again.rtmp_push_url, made.rtmp_push_url, "the rtmp_push_url of the credentials read again"
    )
    expect_equal(
        again.playback_url, made.playback_url, "the playback_url of the credentials read again"
    )
    expect(set(again.ingests) == set(made.ingests), "get_credentials() gives other ingests")


@check(
    "LIVE-CREDENTIALS-002",
    "The credentials are on the platform, not in the provider",
    level=Level.CORE,
    rule="get_credentials() of a provider that was opened anew gives the key of what another one "
    "created; and where rotating is declared, the key that another one has rotated to.",
    why="Hosts run many workers, and restart them.  A key that is kept in one of them is lost with "
    "it, or is a dead one in all others.",
    hint="Ask the platform for the key each time.  Keep none in the provider, nor in a module or "
    "a file beside it.",
)
def keeps_no_key(case: Case) -> None:
    """Create with one provider, and read and rotate with another."""
    made = case.create()
    other = case.open()
    read = other.get_credentials(made.stream_id)

    expect(
        read.stream_key == made.stream_key,
        "a provider that was opened anew gives another key of a live stream than the creation did",
    )
    if case.has(Capability.KEY_ROTATION):
        other.rotate_stream_key(made.stream_id)
        again = case.platform.get_credentials(made.stream_id)
        expect(
            again.stream_key == case.open().get_credentials(made.stream_id).stream_key,
            "after another one has rotated the key, a provider gives one that is dead",
        )


@check(
    "LIVE-UNKNOWN-001",
    "Reading what does not exist is a StreamNotFoundError",
    level=Level.CORE,
    rule="get_live_stream(), get_credentials(), get_playback_url() and get_analytics() raise "
    "StreamNotFoundError for an id that names nothing.",
    why="Hosts clean up after that error.  Another error, or an empty answer, leaves dead entries "
    "in their database, or pages that wait for ever.",
    hint="Map the platform's word for not found once, for all operations; an empty answer to a "
    "question about one live stream is that, too.",
)
def knows_what_does_not_exist(case: Case) -> None:
    """Ask for an id that looks as one that was given out."""
    unknown = similar_id(case.create().stream_id)
    platform = case.platform
    for read in (
        platform.get_live_stream,
        platform.get_credentials,
        platform.get_playback_url,
        platform.get_analytics,
    ):
        expect_raises(
            StreamNotFoundError, partial(read, unknown), f"{read.__name__}() of an unknown id"
        )


@check(
    "LIVE-UNKNOWN-002",
    "No operation on a live stream takes an id that names nothing",
    level=Level.CORE,
    rule="Each operation of a declared capability that takes a stream_id raises "
    "StreamNotFoundError for one that names nothing.",
    why="An operation that does nothing and says nothing lets a host believe that a key is dead, "
    "or that a live stream refuses encoders.",
    hint="Map the platform's word for not found in each of them.  Where the platform answers with "
    "an empty list instead, ask for the live stream itself.",
)
def operates_on_nothing_unknown(case: Case) -> None:
    """Call each declared operation with an id that looks as one that was given out."""
    if not any(map(case.has, _operations(case, ""))):
        not_applicable("it declares no capability with operations on a live stream")
    known = case.create().stream_id
    unknown = similar_id(known)
    operations = _operations(case, known)
    for capability, calls in operations.items():
        if not case.has(capability):
            continue
        for call in calls:
            expect_raises(
                StreamNotFoundError, partial(call, unknown), f"{capability} of an unknown id"
            )


def _operations(case: Case, known: str) -> dict[Capability, list[Callable[[str], object]]]:
    """Return the operations on one live stream, by what must be declared for them.

    Args:
        case: where.
        known: the id of a live stream that there is, for what takes several.
    """
    platform = case.platform
    return {
        Capability.KEY_ROTATION: [platform.rotate_stream_key],
        Capability.ENABLE: [platform.enable_live_stream, platform.disable_live_stream],
        Capability.RECORDINGS: [lambda one: list(platform.list_recordings(one))],
        Capability.SIMULCAST: [platform.list_simulcast_targets],
        Capability.SESSIONS: [lambda one: list(platform.list_sessions(one))],
        Capability.TIMED_METADATA: [lambda one: platform.put_timed_metadata(one, "goal")],
        Capability.BATCH_ANALYTICS: [
            lambda one: platform.get_analytics_many([one]),
            lambda one: platform.get_analytics_many([known, one]),
        ],
    }


@check(
    "LIVE-FIND-001",
    "What was created can be found by its marker",
    level=Level.CORE,
    rule="A created live stream bears a marker, and find_live_streams() with it, after the "
    "declared settle time, returns that live stream and no other.",
    why="After a lost answer or a crash the marker is all that is known of what was made.  If it "
    "finds nothing, headend creates another one; if it finds too much, it takes over a stranger's.",
    hint="Write CreateRequest.marker on the platform in a field that lists return, read it into "
    "LiveStream.marker, and compare the whole of it.",
)
def finds_by_marker(case: Case) -> None:
    """Create two of one name, and look for the first."""
    made = case.create(channel_id="show", name="Evening show")
    case.create(channel_id="show", name="Evening show")
    wait_for_lists(case)
    marker = case.platform.get_live_stream(made.stream_id).marker

    expect(bool(marker), "a created live stream bears no marker")
    found = case.provider.find_live_streams(marker or "", "Evening show")
    expect_equal(
        [one.stream_id for one in found],
        [made.stream_id],
        "what is found by a live stream's marker",
    )
