"""A process that creates and ends live streams is killed, and nothing is lost.

The simulated platform runs here and kills the process with SIGKILL when its n-th request arrives:
before it does what is asked, after that, or when it has answered.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from headend_contract.faults import (
    DROP_ANSWER,
    DROP_REQUEST,
    RATE_LIMITED,
    TRUNCATED,
    UNAVAILABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.platform import StreamingPlatform
    from headend_contract.faults import FaultLayer
    from headend_contract.reference.platform import SimulatedPlatform
    from headend_contract.serving import Served
    from tests.conftest import Killer, LedgerFile, Worker, Workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing kills like SIGKILL here")

FAULTS: Final = (DROP_REQUEST, DROP_ANSWER, RATE_LIMITED, UNAVAILABLE, TRUNCATED)
_OPEN: Final = "open in the ledger"
ROUND: Final = 13
"""Requests of three creations and two ends."""


class Account:
    """What the host was told, what the ledger says, and what is on the platform."""

    def __init__(self, simulated: SimulatedPlatform, ledger: LedgerFile) -> None:
        self._simulated = simulated
        self._ledger = ledger
        self._told: set[str] = set()

    def hear(self, worker: Worker) -> None:
        """Note which live streams the process had and did not begin to end."""
        self._told |= {str(line["created"]) for line in worker.said if "created" in line}
        self._told -= {str(line["ending"]) for line in worker.said if "ending" in line}

    def disagreements(self) -> dict[str, list[str]]:
        """Return all on which they disagree, by what is wrong."""
        there, active = set(self._simulated.inputs), set(self._ledger.ids("active"))
        disagreements = {
            "unknown to the ledger": there - active,
            "not on the platform": active - there,
            "taken from the host": self._told - there,
            "half ended": {one.id for one in self._simulated.inputs.values() if one.key is None},
            _OPEN: {state for state, _ in self._ledger.rows()} & {"creating", "ending"},
        }
        return {name: sorted(found) for name, found in disagreements.items() if found}

    @staticmethod
    def lost(disagreements: dict[str, list[str]]) -> set[str]:
        """Return the live streams that nobody knows, or that are no more and should be."""
        return {one for name, found in disagreements.items() if name != _OPEN for one in found}


@pytest.fixture
def kill(
    killer: Killer,
    served: Served,
    faults: FaultLayer,
    simulated: SimulatedPlatform,
    ledger: LedgerFile,
    workers: Workers,
    later: Callable[[], StreamingPlatform],
    summarise: Callable[[str], None],
) -> Callable[[int], None]:
    """Kill at so many points, one after the other on the same ledger."""

    def run(points: int) -> None:
        random = Random(20)
        account = Account(simulated, ledger)
        actions: Counter[str] = Counter()
        disagreements: list[object] = []
        lost: set[str] = set()
        for point in range(points):
            number, moment = random.randrange(2 * ROUND), killer.MOMENTS[point % 3]
            faults.script(
                {random.randrange(number): random.choice(FAULTS)} if number and point % 2 else {}
            )
            victim = killer.arm(number, moment)
            worker = workers.start(
                "create_and_end",
                url=served.url,
                token=simulated.token,
                database=str(ledger.path),
            )
            victim.set_result(worker.pid)
            assert worker.wait() == -signal.SIGKILL
            served.disconnect()
            faults.script({})
            account.hear(worker)

            with later() as platform:
                actions.update(
                    str(one.action) for one in platform.reconcile(clean=True) if one.done
                )
                found = account.disagreements()
                again = platform.reconcile(clean=True)
            if found or again:
                disagreements.append((point, number, moment, found, again))
            lost |= account.lost(found)
        summarise(
            f"kill -9: {points} points, {simulated.created} live streams created, "
            f"{len(simulated.inputs)} still there; reconcile did {dict(actions)}; "
            f"points after which ledger and platform disagree: {len(disagreements)}; "
            f"lost live streams: {len(lost)}"
        )
        assert disagreements == []
        assert "end" not in actions, "each was at least intended, so none was an orphan"
        assert {"adopt", "abandon", "finish-ending", "record-ended"} <= set(actions)

    return run


def test_a_killed_process_loses_no_live_stream(kill: Callable[[int], None]) -> None:
    kill(25)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_process_killed_very_often_loses_no_live_stream(kill: Callable[[int], None]) -> None:
    kill(200)
