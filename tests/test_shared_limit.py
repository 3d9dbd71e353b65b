"""All who use one credential and one ledger share the platform's limit."""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import TYPE_CHECKING, Final

import pytest

from headend.aio import AsyncStreamingPlatform
from headend_contract.clock import ManualClock
from headend_contract.reference.opening import open_reference
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from headend.models import Health
    from headend.platform import StreamingPlatform
    from headend_contract.postgresql import PostgresServer
    from headend_contract.reference.provider import ReferenceProvider
    from headend_contract.reference.simulator import SimulatorApp
    from tests.conftest import LedgerFile, Workers

REQUESTS: Final = 16
WINDOW: Final = 4.0
"""Seconds."""


class Arrivals:
    """An application that notes when requests come.

    Attributes:
        times: seconds, in order.
    """

    def __init__(self, app: ASGIApp, now: Callable[[], float]) -> None:
        self.times: list[float] = []
        self._app = app
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.times.append(self._now())
        await self._app(scope, receive, send)


def most_in_a_window(times: Sequence[float], window: float = WINDOW) -> int:
    """Return the most requests that came within the window, wherever it begins."""
    return max(sum(begin <= one < begin + window for one in times) for begin in times)


def test_two_platforms_in_one_process_share_it(
    ledger: LedgerFile, provider_with_limit: Callable[..., type[ReferenceProvider]]
) -> None:
    clock = ManualClock()
    app = create_app(clock=clock)
    arrivals = Arrivals(app, clock.monotonic)
    kind = provider_with_limit(requests=REQUESTS, window=WINDOW)

    def opened() -> StreamingPlatform:
        return open_reference(
            served.url, app.platform.token, clock=clock, database=ledger.path, kind=kind
        )

    with Served(arrivals) as served, opened() as first, opened() as second:
        for _ in range(2 * REQUESTS):
            first.check_health()
            second.check_health()
    assert len(arrivals.times) == 4 * REQUESTS
    assert most_in_a_window(arrivals.times) == REQUESTS


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, ledger: LedgerFile) -> Iterator[str]:
    """Each kind of database in turn."""
    if request.param == "sqlite":
        yield str(ledger.path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.new_schema() as schema:
            yield server.url(schema=schema)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
def test_two_processes_share_it(
    app: SimulatorApp, database: str, workers: Workers, summarise: Callable[[str], None]
) -> None:
    arrivals = Arrivals(app, monotonic)
    with Served(arrivals) as served:
        both = [
            workers.start(
                "ask",
                url=served.url,
                token=app.platform.token,
                database=database,
                times=9,
                requests=REQUESTS,
                window=WINDOW,
            )
            for _ in range(2)
        ]
        assert [one.wait() for one in both] == [0, 0]
    assert len(arrivals.times) == 18
    most = most_in_a_window(arrivals.times)
    summarise(
        f"shared limit: of {REQUESTS} requests in {WINDOW:g} s, two processes on "
        f"{database.partition(':')[0] if '://' in database else 'SQLite'} sent at most {most}"
    )
    assert most <= REQUESTS
    # Had each kept the limit for itself, it would be all of them.
    assert arrivals.times[-1] - arrivals.times[0] > WINDOW


def test_async_callers_queue_for_it_and_all_get_their_turn(
    app: SimulatorApp, provider_with_limit: Callable[..., type[ReferenceProvider]]
) -> None:
    arrivals = Arrivals(app, monotonic)
    kind = provider_with_limit(requests=REQUESTS, window=1.0)

    async def ask(url: str) -> list[Health]:
        opened = open_reference(url, app.platform.token, kind=kind)
        async with AsyncStreamingPlatform(opened) as platform:
            return await asyncio.gather(*[platform.check_health() for _ in range(REQUESTS + 4)])

    with Served(arrivals) as served:
        answers = asyncio.run(ask(served.url))
    assert [one.ok for one in answers] == [True] * (REQUESTS + 4)
    assert most_in_a_window(arrivals.times, window=1.0) <= REQUESTS
