"""The application: the server's answers, for whichever loop and thread asks for them.

The server lives on one event loop, and its database on one thread (`headend_local.state`), while
who serves this application and who looks at the truth are on others.  So there is a thread with an
event loop for the server, and everybody else's calls are handed over to it.

Before anybody is answered, all that is due by the clock is done in its order: frames of encoders,
looks of viewers, the server's own housekeeping.  Where time passes by itself, that is also done
once a second.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from headend.plugin import Switches
from headend_local.simulator.requests import answer, collect, read_body
from headend_local.simulator.world import World
from headend_local.state import DATABASE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from random import Random

    from starlette.types import Message, Receive, Scope, Send

    from headend.plugin import Clock, PlatformTruth
    from headend_local.simulator.encoder import Push

_T = TypeVar("_T")

_CONNECT_TIME: Final = 3.0
"""Seconds: a segment of full length takes two, and the frame behind it may be late."""

_PACE: Final = 1.0
"""Seconds of the machine after which it is caught up with the clock though nobody asked."""


@frozen(kw_only=True)
class NoSwitches(Switches):
    """The server cannot be told to behave otherwise."""


class LocalSimulator:
    """A server in a thread of its own; an ASGI application and a `headend.plugin.Simulator`."""

    def __init__(self, *, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._closed = False
        self._folder = TemporaryDirectory(prefix="headend-local-")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="headend-local-simulator", daemon=True
        )
        self._thread.start()
        try:
            self._world = self._wait_for(self._begin())
        except BaseException:
            self._let_go()
            raise
        self._pace = asyncio.run_coroutine_threadsafe(self._keep_pace(), self._loop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or self._closed:
            return
        body = await read_body(receive)
        asked = asyncio.run_coroutine_threadsafe(self._answer(scope, body), self._loop)
        await answer(send, await asyncio.wrap_future(asked))

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point a host at it, the control token included."""
        return {
            "STREAMING_PLATFORM": "local",
            "HEADEND_LOCAL_URL": url,
            "HEADEND_LOCAL_TOKEN": self._world.token.reveal(),
        }

    def describe_switches(self) -> Mapping[str, str]:
        """Return nothing: there are no switches."""
        return NoSwitches.describe()

    def switch(self, **values: object) -> None:
        """Refuse every switch, since there are none."""
        NoSwitches.of(values)

    def reset(self) -> None:
        """Forget all live streams; the control token stays."""
        self._wait_for(self._begin_again())

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        return self._wait_for(self._now(World.truth))

    @property
    def connect_time(self) -> float:
        """Seconds from an encoder's arrival by which viewers can watch."""
        return _CONNECT_TIME

    def connect(self, stream_key: str) -> SimulatedEncoder | None:
        """Have an encoder push with this key; `None` if the server refuses it."""
        push = self._wait_for(self._connect(stream_key))
        return None if push is None else SimulatedEncoder(self, push)

    def watch(self, stream_id: str, viewers: int) -> None:
        """Have so many viewers watch from now on."""
        self._wait_for(self._watch(stream_id, viewers))

    def close(self) -> None:
        """Stop the server, and remove its data folder."""
        if self._closed:
            return
        self._closed = True
        self._pace.cancel()
        try:
            self._wait_for(self._world.close())
        finally:
            self._let_go()

    def is_pushed_by(self, push: Push) -> bool:
        """Tell whether a push goes on."""
        return not self._closed and self._wait_for(self._now(lambda _: push.accepted))

    def drop(self, push: Push) -> None:
        """Let the connection of a push break."""
        if not self._closed:
            self._wait_for(self._now(lambda _: push.drop()))

    # -- on the server's loop ---------------------------------------------------------------------

    async def _begin(self) -> World:
        return World(
            Path(self._folder.name), clock=self._clock, random_bytes=self._random.randbytes
        )

    async def _begin_again(self) -> None:
        await self._world.close()
        self._forget()
        self._world = await self._begin()

    def _forget(self) -> None:
        for path in Path(self._folder.name).glob(f"{DATABASE_FILE}*"):
            path.unlink()

    async def _answer(self, scope: Scope, body: bytes) -> list[Message]:
        world = self._world
        await world.catch_up()
        return await collect(world.app, scope, body)

    async def _now(self, look: Callable[[World], _T]) -> _T:
        await self._world.catch_up()
        return look(self._world)

    async def _connect(self, stream_key: str) -> Push | None:
        await self._world.catch_up()
        return await self._world.connect(stream_key)

    async def _watch(self, live_stream_id: str, viewers: int) -> None:
        await self._world.catch_up()
        await self._world.watch(live_stream_id, viewers)

    async def _keep_pace(self) -> None:
        while True:
            await asyncio.sleep(_PACE)
            await self._world.catch_up()

    # -- from elsewhere ---------------------------------------------------------------------------

    def _wait_for(self, work: Coroutine[object, object, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _let_go(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()


class SimulatedEncoder:
    """An encoder that was let in."""

    def __init__(self, simulator: LocalSimulator, push: Push) -> None:
        self._simulator = simulator
        self._push = push

    @property
    def connected(self) -> bool:
        """Whether it still pushes."""
        return self._simulator.is_pushed_by(self._push)

    def leave(self) -> None:
        """Stop pushing without a word, as a lost network does."""
        self._simulator.drop(self._push)
