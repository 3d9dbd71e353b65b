"""A provider held against one model of all providers, in random histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend_contract.check import Level, check

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "MODEL-STATE-001",
    "In whatever order things happen, the provider says what is so",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="In random histories of creating, reading, rotating, ending, encoders, viewers, lost "
    "answers and passing time, what the provider says agrees with what is so on the platform, and "
    "nothing is left there that neither the host nor reconcile() knows.",
    why="Single checks try what their author thought of.  Hosts, encoders and networks do the "
    "rest.",
    hint="The report has the shortest history that was found, step by step; do the same by hand "
    "on the simulator.",
)
def agrees_with_the_model(case: Case) -> None:
    """Drive the provider through many histories."""
    # It brings Hypothesis, which no list of checks and no replay needs.
    from headend_contract.machine import run_model

    examples, steps = (10, 20) if case.fast else (12, 30)
    run_model(case, examples=examples, steps=steps)
