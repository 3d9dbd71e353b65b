"""The same operations as coroutines, which run a provider in changing threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headend.aio import AsyncStreamingPlatform
from headend_contract.check import Level, check, expect, expect_equal

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "ASYNC-SAME-001",
    "Coroutines give the same answers",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Reading through headend.open_async() gives what reading without it gives, and leaves the "
    "provider usable without it.",
    why="Asynchronous hosts use the same provider in worker threads, another one each time.",
    hint="Bind nothing to the thread that made the provider: no threading.local, no check of the "
    "thread's name, no SQLite connection.",
)
def answers_coroutines_alike(case: Case) -> None:
    """Read with and without coroutines."""
    made = case.create(name="Evening show")
    platform = case.platform
    expected = (
        platform.get_live_stream(made.stream_id),
        platform.get_playback_url(made.stream_id),
    )

    async def read() -> tuple[object, ...]:
        asynchronous = AsyncStreamingPlatform(platform)
        return tuple(
            await asyncio.gather(
                asynchronous.get_live_stream(made.stream_id),
                asynchronous.get_playback_url(made.stream_id),
            )
        )

    result, _ = case.sent_by(lambda: asyncio.run(read()))
    expect(
        not isinstance(result, Exception),
        f"reading in a worker thread raises {type(result).__name__}: {result}",
    )
    expect(result == expected, "reading in a worker thread gives something else")
    again = platform.get_live_stream(made.stream_id)
    expect_equal(again, expected[0], "a live stream read after coroutines have read it")
