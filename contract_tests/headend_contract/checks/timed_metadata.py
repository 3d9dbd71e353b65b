"""Texts that reach viewers in time with the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, ConflictError
from headend_contract.check import Level, check, expect, expect_raises
from headend_contract.checks.steps import push

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "TIMED-METADATA-001",
    "A text for viewers is refused where there is nothing to watch",
    level=Level.CORE,
    requires=(Capability.TIMED_METADATA,),
    rule="put_timed_metadata() raises ConflictError while nobody pushes.",
    why="A question to the audience that silently reached nobody is counted as one that nobody "
    "answered.",
    hint="Map the platform's word for not live to ConflictError.",
)
def refuses_without_a_picture(case: Case) -> None:
    """Send a text to a live stream that is idle."""
    made = case.create()

    expect_raises(
        ConflictError,
        lambda: case.platform.put_timed_metadata(made.stream_id, "goal"),
        "sending a text to the viewers of an idle live stream",
    )


@check(
    "TIMED-METADATA-002",
    "A text for viewers is sent while a live stream is live",
    level=Level.EXTENDED,
    requires=(Capability.TIMED_METADATA,),
    needs_simulator=True,
    rule="put_timed_metadata() sends the text to the platform once while an encoder pushes, and "
    "the platform takes it.",
    why="A text that comes twice is a question asked twice.",
    hint="Send one request, and no second one unless the first provably never left.",
)
def sends_once(case: Case) -> None:
    """Send a text to a live stream that is live."""
    made = case.create()
    push(case, made)
    before = len(case.requests)
    case.platform.put_timed_metadata(made.stream_id, "goal")
    sent = [one for one in case.requests[before:] if one.method not in {"GET", "HEAD"}]

    expect(len(sent) == 1, f"one text for viewers was sent with {len(sent)} requests")
    expect(
        all(one.status is not None and one.status < 300 for one in sent),
        "the platform did not take a text for viewers",
    )
