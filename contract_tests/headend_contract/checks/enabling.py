"""Refusing encoders for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, StreamState
from headend_contract.check import Level, check, expect, expect_equal
from headend_contract.checks.steps import good_key, push

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "LIVE-ENABLE-001",
    "Disabling and enabling say what is now so",
    level=Level.CORE,
    requires=(Capability.ENABLE,),
    rule="disable_live_stream() returns the live stream with the state disabled, and so does "
    "get_live_stream() then; after enable_live_stream() both say idle.",
    why="The operator who pressed the switch must see that it was pressed.",
    hint="Read the platform's answer to the change.  Where it has no word for disabled beside that "
    "for idle, look at its flag first.",
)
def says_so(case: Case) -> None:
    """Disable and enable, and read each time."""
    made = case.create()
    platform = case.platform
    for change, state in (
        (platform.disable_live_stream, StreamState.DISABLED),
        (platform.enable_live_stream, StreamState.IDLE),
    ):
        changed = change(made.stream_id)
        read = platform.get_live_stream(made.stream_id)
        expect_equal(changed.stream_id, made.stream_id, f"the stream_id that {state} returns")
        expect_equal(changed.state, state, f"the state that {change.__name__}() returns")
        expect_equal(read.state, state, f"the state after {change.__name__}()")


@check(
    "LIVE-ENABLE-002",
    "Disabling and enabling twice is no error",
    level=Level.CORE,
    requires=(Capability.ENABLE,),
    rule="Disabling what is disabled, and enabling what is enabled, leaves it so and raises "
    "nothing.",
    why="Hosts send it again after a timeout.",
    hint="Where the platform refuses to change nothing, take its refusal for done.",
)
def can_be_repeated(case: Case) -> None:
    """Do each twice."""
    made = case.create()
    platform = case.platform
    platform.disable_live_stream(made.stream_id)
    again = platform.disable_live_stream(made.stream_id)
    expect_equal(again.state, StreamState.DISABLED, "the state after disabling twice")
    platform.enable_live_stream(made.stream_id)
    again = platform.enable_live_stream(made.stream_id)
    expect_equal(again.state, StreamState.IDLE, "the state after enabling twice")


@check(
    "LIVE-ENABLE-003",
    "What is disabled refuses encoders, until it is enabled",
    level=Level.EXTENDED,
    requires=(Capability.ENABLE,),
    needs_simulator=True,
    rule="A disabled live stream refuses an encoder with the right key; enabled again, it lets it "
    "in with the same key.",
    why="Disabling is how a host takes somebody off the air without losing the live stream.",
    hint="Change the platform's own switch.  Rotating the key is no replacement: it cannot be "
    "taken back.",
)
def refuses_encoders(case: Case) -> None:
    """Push while it is disabled, and after."""
    made = case.create()
    key = good_key(case, made)
    case.platform.disable_live_stream(made.stream_id)
    expect(case.connect(key) is None, "a disabled live stream lets an encoder in")
    case.platform.enable_live_stream(made.stream_id)
    expect(
        case.connect(key) is not None,
        "a live stream that was enabled again refuses the encoder",
    )


@check(
    "LIVE-ENABLE-004",
    "Disabling throws out the encoder that is there",
    level=Level.EXTENDED,
    requires=(Capability.ENABLE,),
    needs_simulator=True,
    rule="After disable_live_stream() the encoder that pushed does so no more.",
    why="What must be off the air now is still on until the encoder happens to reconnect.",
    hint="Where the platform keeps the connection, end it as well.",
)
def throws_out_the_encoder(case: Case) -> None:
    """Disable while an encoder pushes."""
    made = case.create()
    encoder = push(case, made)
    case.platform.disable_live_stream(made.stream_id)

    expect(not encoder.connected, "the encoder still pushes to a disabled live stream")
