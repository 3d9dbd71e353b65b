"""Copies that the platform pushes elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import Capability, Secret
from headend_contract.check import Level, check, expect, expect_equal

if TYPE_CHECKING:
    from headend_contract.case import Case

_SERVER: Final = "rtmps://live.elsewhere.example:443/app"
_KEY: Final = "elsewhere-5f2b7c9d1e"


@check(
    "SIMULCAST-001",
    "A simulcast target that was created is listed, without its key",
    level=Level.CORE,
    requires=(Capability.SIMULCAST,),
    rule="create_simulcast_target() returns an enabled target with the server address as it was "
    "given, list_simulcast_targets() has it, and no key is in either.",
    why="A host that does not see its target makes another one, and the show is sent twice.",
    hint="Read targets by one function that takes no key from the answer.",
)
def lists_what_was_created(case: Case) -> None:
    """Create one, and list it."""
    made = case.create()
    target = case.platform.create_simulcast_target(made.stream_id, _SERVER, Secret(_KEY))
    listed = case.platform.list_simulcast_targets(made.stream_id)

    expect_equal(target.stream_id, made.stream_id, "the stream_id of a new simulcast target")
    expect_equal(target.server_url, _SERVER, "the server_url of a new simulcast target")
    expect_equal(target.enabled, True, "whether a new simulcast target is enabled")
    expect_equal(listed, [target], "the simulcast targets that are listed")
    expect(_KEY not in repr([target, *listed]), "a simulcast target shows its key")


@check(
    "SIMULCAST-002",
    "A simulcast target can be switched off and on",
    level=Level.CORE,
    requires=(Capability.SIMULCAST,),
    rule="update_simulcast_target() returns the target as it is then, and it is listed so.",
    why="Hosts switch a target off in the middle of a show, and must see that it is.",
    hint="Return what the platform answers, rather than what was asked for.",
)
def switches(case: Case) -> None:
    """Switch one off and on, and list each time."""
    made = case.create()
    target = case.platform.create_simulcast_target(made.stream_id, _SERVER, Secret(_KEY))
    for enabled in (False, True):
        changed = case.platform.update_simulcast_target(
            made.stream_id, target.target_id, enabled=enabled
        )
        (listed,) = case.platform.list_simulcast_targets(made.stream_id)
        expect_equal(changed.target_id, target.target_id, "the target_id after a change")
        expect_equal(changed.enabled, enabled, "whether a changed simulcast target is enabled")
        expect_equal(listed.enabled, enabled, "whether a changed target is listed as enabled")


@check(
    "SIMULCAST-003",
    "A simulcast target can be deleted, and deleted again",
    level=Level.CORE,
    requires=(Capability.SIMULCAST,),
    rule="delete_simulcast_target() removes the target that it names and no other; once more is "
    "no error.",
    why="A target that is only said to be gone goes on sending the show elsewhere.",
    hint="Catch the platform's not found.",
)
def deletes(case: Case) -> None:
    """Create two, and delete the first twice."""
    made = case.create()
    first = case.platform.create_simulcast_target(made.stream_id, _SERVER, Secret(_KEY))
    other = case.platform.create_simulcast_target(made.stream_id, f"{_SERVER}2", Secret(f"{_KEY}2"))
    case.platform.delete_simulcast_target(made.stream_id, first.target_id)
    case.platform.delete_simulcast_target(made.stream_id, first.target_id)
    left = [one.target_id for one in case.platform.list_simulcast_targets(made.stream_id)]

    expect_equal(left, [other.target_id], "the simulcast targets after one of two was deleted")
