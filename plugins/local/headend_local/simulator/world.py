"""The server and all who come to it, on one event loop and in the time of one clock."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from headend.plugin import PlatformTruth, Secret, StreamState, TrueLiveStream
from headend_local.addresses import Addresses
from headend_local.http import create_app
from headend_local.ingest import IngestLimits, IngestServer
from headend_local.live_stream import Clocks
from headend_local.registry import Registry
from headend_local.simulator.audience import Audience
from headend_local.simulator.encoder import BITRATE, Push
from headend_local.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from headend.plugin import Clock
    from headend_local.live_stream import RunningLiveStream

_ADDRESSES: Final = Addresses(host="127.0.0.1", rtmp_port=1935, http_port=8935)
"""Those of `headend server`; the HTTP one is told only to who does not say how it was reached."""

_LIMITS: Final = IngestLimits(idle=86_400.0)
"""A simulated encoder is silent for as long as nobody asks, in the time of the machine."""

_TICK: Final = 1.0
"""Seconds from one housekeeping of the server to the next."""


class World:
    """A server with its encoders and viewers.  Everything happens on one event loop.

    Attributes:
        app: answers as the server does.
        token: what a client of the control API must show.
    """

    def __init__(self, folder: Path, *, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random_bytes = random_bytes
        self._now = clock.monotonic()
        epoch = clock.now().timestamp() - self._now
        self._state = State.open(folder, random_bytes=random_bytes)
        self._registry = Registry(
            self._state,
            clocks=Clocks(monotonic=lambda: self._now, wall=lambda: epoch + self._now),
            random_bytes=random_bytes,
        )
        self._ingest = IngestServer(self._registry, limits=_LIMITS)
        self.token = self._state.token
        self.app: ASGIApp = create_app(
            self._registry, token=self.token, addresses=_ADDRESSES, random_bytes=random_bytes
        )
        self._pushes: list[Push] = []
        self._audiences: dict[str, Audience] = {}
        self._next_tick = self._now + _TICK
        self._closed = False
        self._pace = asyncio.Lock()

    async def close(self) -> None:
        """Send everybody away and close the database; no time passes any more."""
        async with self._pace:
            self._closed = True
            self._registry.release()
            await self._ingest.stop()
            self._registry.save_totals()
            self._state.close()

    async def catch_up(self) -> None:
        """Let happen in its order what is due by now."""
        async with self._pace:
            target = self._clock.monotonic()
            while not self._closed:
                due, act = min(self._what_comes(), key=lambda one: one[0])
                if due > target:
                    break
                self._now = max(self._now, due)
                await act()
            self._now = max(self._now, target)

    async def connect(self, stream_key: str) -> Push | None:
        """Have an encoder push, if the server lets it in."""
        push = Push(
            self._ingest, Secret(stream_key), now=self._now, random_bytes=self._random_bytes
        )
        if not push.accepted:
            return None
        self._pushes.append(push)
        await self.catch_up()
        return push

    async def watch(self, live_stream_id: str, viewers: int) -> None:
        """Have so many viewers watch from now on; `KeyError` if there is no such live stream."""
        if self._registry.get(live_stream_id) is None:
            raise KeyError(live_stream_id)
        audience = self._audiences.get(live_stream_id)
        if audience is None:
            audience = self._audiences[live_stream_id] = Audience(live_stream_id)
        audience.resize(viewers, now=self._now)
        await self.catch_up()

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        found = self._registry.page(after=0, limit=len(self._registry))
        return PlatformTruth(live_streams={one.record.id: self._true(one) for one in found})

    def _true(self, running: RunningLiveStream) -> TrueLiveStream:
        record = running.record
        key = self._registry.stream_key(record.id).reveal()
        audience = self._audiences.get(record.id)
        return TrueLiveStream(
            stream_id=record.id,
            stream_keys=frozenset((key,) if record.enabled else ()),
            live=running.state is StreamState.LIVE,
            viewers=0 if audience is None else audience.watching,
            bitrate=BITRATE if running.state is StreamState.LIVE else None,
        )

    def _what_comes(self) -> Iterator[tuple[float, Callable[[], Awaitable[None]]]]:
        """Return what is to happen next, and when."""
        yield self._next_tick, self._tick
        self._pushes = [one for one in self._pushes if one.accepted]
        for push in self._pushes:
            yield push.due, push.send_frame
        for audience in self._audiences.values():
            yield audience.due, partial(audience.look, self.app)

    async def _tick(self) -> None:
        self._next_tick += _TICK
        self._registry.tick()
        for live_stream_id in list(self._audiences):
            if self._registry.find(live_stream_id) is None:
                del self._audiences[live_stream_id]
