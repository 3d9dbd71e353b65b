"""Replacing the stream key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability
from headend_contract.check import Level, check, expect, expect_equal
from headend_contract.checks.steps import push, truth_of

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "KEY-ROTATE-001",
    "Rotating gives another key for the same live stream",
    level=Level.CORE,
    requires=(Capability.KEY_ROTATION,),
    rule="rotate_stream_key() returns the credentials of the same live stream with another key, "
    "and get_credentials() returns that key from then on.",
    why="A host rotates because a key leaked; it gives the new one to its operator, whose encoder "
    "must get in.",
    hint="Return the key of the rotation's own answer, and keep no old one.",
)
def gives_another_key(case: Case) -> None:
    """Rotate, and read what is now so."""
    made = case.create()
    rotated = case.platform.rotate_stream_key(made.stream_id)
    read = case.platform.get_credentials(made.stream_id)

    expect_equal(rotated.stream_id, made.stream_id, "the stream_id after rotating the key")
    expect_equal(rotated.playback_url, made.playback_url, "the playback_url after rotating the key")
    expect(rotated.stream_key != made.stream_key, "rotating the key returns the old one")
    expect(
        read.stream_key == rotated.stream_key,
        "get_credentials() gives another key than the rotation did",
    )


@check(
    "KEY-ROTATE-002",
    "After rotating, the old key is dead and the new one works",
    level=Level.EXTENDED,
    requires=(Capability.KEY_ROTATION,),
    needs_simulator=True,
    rule="Once rotate_stream_key() has returned, the platform lets encoders in with the new key "
    "and with no key of before.",
    why="A leaked key that still works is what rotating is for.",
    hint="Where the platform can have several keys, delete the old one, and replace those of all "
    "ingests; returning a further one is not enough.",
)
def kills_the_old_key(case: Case) -> None:
    """Rotate, and try both keys."""
    made = case.create()
    before = truth_of(case, made).stream_keys
    rotated = case.platform.rotate_stream_key(made.stream_id)
    after = truth_of(case, made).stream_keys

    expect(not before & after, "a key of before still lets an encoder in")
    expect(rotated.stream_key.reveal() in after, "the new key lets no encoder in")
    expect(case.connect(made.stream_key) is None, "an encoder with the old key is let in")
    expect(case.connect(rotated.stream_key) is not None, "an encoder with the new key is refused")


@check(
    "KEY-ROTATE-003",
    "Rotating throws out the encoder that uses the old key",
    level=Level.EXTENDED,
    requires=(Capability.KEY_ROTATION,),
    needs_simulator=True,
    rule="After rotate_stream_key() the encoder that came in with the old key pushes no more.",
    why="Whoever broadcasts with a leaked key goes on for hours, although the key is dead.",
    hint="Where the platform keeps the connection, stop it once the new key is in force.",
)
def throws_out_the_encoder(case: Case) -> None:
    """Rotate while an encoder pushes."""
    made = case.create()
    encoder = push(case, made)
    case.platform.rotate_stream_key(made.stream_id)

    expect(not encoder.connected, "the encoder that came in with the old key still pushes")
