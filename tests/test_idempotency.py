"""The same idempotency key gives the same live stream, whichever process uses it and when."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from attrs import define, field

from headend.lifecycle import owner_is_dead, owner_of_this_process
from headend.reconcile import FindingKind
from headend_contract.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from headend.platform import StreamingPlatform
    from headend_contract.faults import FaultLayer
    from headend_contract.reference.platform import SimulatedPlatform
    from headend_contract.serving import Served
    from tests.conftest import Killer, LedgerFile, Worker, Workers

    Create = Callable[..., Worker]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")

DEADLINE = 30.0


@define
class Hold:
    """Holds a request until it is released."""

    reached: threading.Event = field(factory=threading.Event)
    released: threading.Event = field(factory=threading.Event)

    def fault(self) -> Fault:
        return Fault("held", "the request is held", processed=True, act=self._act)

    async def _act(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.set()
        assert await asyncio.to_thread(self.released.wait, DEADLINE)
        await app(scope, receive, send)


@pytest.fixture
def create(
    workers: Workers, served: Served, simulated: SimulatedPlatform, ledger: LedgerFile
) -> Create:
    """Have another process create a live stream with the key."""

    def start(**more: object) -> Worker:
        return workers.start(
            "create",
            url=served.url,
            token=simulated.token,
            database=str(ledger.path),
            key="once",
            **more,
        )

    return start


def result(worker: Worker) -> dict[str, object]:
    """Wait for a process, and return what it told of its live stream."""
    assert worker.wait() == 0
    return next(line for line in worker.said if {"created", "error"} & set(line))


def test_one_after_another_get_the_same(create: Create, simulated: SimulatedPlatform) -> None:
    first, second = result(create()), result(create())

    assert simulated.keys == {first["stream_key"]: first["created"]}
    assert second == first
    assert simulated.created == 1


def test_at_once_all_get_the_same(create: Create, simulated: SimulatedPlatform) -> None:
    results = [result(worker) for worker in [create() for _ in range(4)]]

    assert list(simulated.inputs) == [results[0]["created"]]
    assert results == [results[0]] * 4
    assert simulated.created == 1


def test_who_comes_while_the_first_creates_waits_for_it(
    create: Create, faults: FaultLayer, simulated: SimulatedPlatform
) -> None:
    hold = Hold()
    faults.script({0: hold.fault()})
    first = create()
    assert hold.reached.wait(DEADLINE)
    second = create()
    second.hear_of("sleeps")
    hold.released.set()

    assert result(first) == result(second)
    assert simulated.created == 1


def test_a_process_of_another_container_or_host_never_counts_as_killed(create: Create) -> None:
    """Its id means nothing here, even where the host's name is the same."""
    gone = create()
    assert gone.wait() == 0
    space, _, own = owner_of_this_process().rpartition(":")

    assert owner_is_dead(f"{space}:{gone.pid}")
    assert not owner_is_dead(f"{space}:{own}")
    assert not owner_is_dead(f"{space.partition('/')[0]}/pid:[1]:{gone.pid}")
    assert not owner_is_dead(f"elsewhere{space}:{gone.pid}")


@pytest.mark.parametrize("moment", ["before", "after", "answered"])
def test_if_the_first_is_killed_the_second_carries_on(
    create: Create, killer: Killer, simulated: SimulatedPlatform, ledger: LedgerFile, moment: str
) -> None:
    victim = killer.arm(0, moment)
    first = create()
    victim.set_result(first.pid)
    assert first.wait() == -signal.SIGKILL
    second = result(create())

    assert list(simulated.inputs) == [second["created"]]
    assert simulated.created == 1
    assert ledger.rows() == [("active", second["created"])]


def test_one_that_stood_still_returns_what_was_made_in_its_place(
    create: Create,
    faults: FaultLayer,
    simulated: SimulatedPlatform,
    later: Callable[[], StreamingPlatform],
) -> None:
    """A machine sleeps, the lease goes by, and somebody takes over; then it wakes up."""
    hold = Hold()
    faults.script({0: hold.fault()})
    first = create()
    assert hold.reached.wait(DEADLINE)
    os.kill(first.pid, signal.SIGSTOP)
    second = result(create(ahead=3600))
    hold.released.set()
    os.kill(first.pid, signal.SIGCONT)

    assert result(first) == second
    assert simulated.created == 2
    with later() as platform:
        (finding,) = platform.reconcile(clean=True)
    assert (finding.kind, finding.done) == (FindingKind.DUPLICATE, True)
    assert list(simulated.inputs) == [second["created"]]


def test_with_other_arguments_it_is_a_conflict(
    create: Create, simulated: SimulatedPlatform
) -> None:
    made = result(create())
    assert result(create(channel_id="43"))["error"] == "ConflictError"
    assert list(simulated.inputs) == [made["created"]]


def test_once_ended_it_is_a_conflict(
    create: Create, simulated: SimulatedPlatform, later: Callable[[], StreamingPlatform]
) -> None:
    made = result(create())
    with later() as platform:
        platform.end_live_stream(str(made["created"]))

    assert result(create())["error"] == "ConflictError"
    assert simulated.created == 1


def test_once_refused_it_may_be_tried_again(create: Create, simulated: SimulatedPlatform) -> None:
    simulated.switch(input_quota=0)
    assert result(create())["error"] == "QuotaExceededError"
    simulated.switch(input_quota=1)
    made = result(create())
    assert list(simulated.inputs) == [made["created"]]
