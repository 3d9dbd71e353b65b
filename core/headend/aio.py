"""The same operations as coroutines.

There is one implementation: each coroutine runs the method of `StreamingPlatform` in a worker
thread, at most `CONCURRENCY` at once for each opened platform.  One that waits for a live stream
takes a thread for each look only, so that it can be cancelled and keeps no other from its turn.
What `native` returns is the provider itself, whose methods are no coroutines: run each in a thread.
It works on asyncio and trio.
"""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Concatenate, Final, Generic, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread
from attrs import frozen

from headend.platform import StreamingPlatform, open as open_platform

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Generator,
        Iterable,
        Iterator,
        Mapping,
    )
    from pathlib import Path
    from types import EllipsisType, TracebackType

    from headend.spec import Capability

_P = ParamSpec("_P")
_T = TypeVar("_T")

CONCURRENCY: Final = 8
"""Operations of one platform that run at once; more wait for their turn."""


def _in_thread(
    method: Callable[Concatenate[StreamingPlatform, _P], _T],
) -> Callable[Concatenate[AsyncStreamingPlatform, _P], Coroutine[None, None, _T]]:
    async def run(self: AsyncStreamingPlatform, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._run(partial(method, self._platform, *args, **kwargs))

    update_wrapper(run, method)
    return run


def _in_thread_each(
    method: Callable[Concatenate[StreamingPlatform, _P], Iterator[_T]],
) -> Callable[Concatenate[AsyncStreamingPlatform, _P], AsyncIterator[_T]]:
    async def iterate(
        self: AsyncStreamingPlatform, /, *args: _P.args, **kwargs: _P.kwargs
    ) -> AsyncIterator[_T]:
        elements = await self._run(partial(method, self._platform, *args, **kwargs))
        while (element := await self._run(partial(_next, elements))) is not None:
            yield element

    update_wrapper(iterate, method)
    return iterate


def _next(elements: Iterator[_T]) -> _T | None:
    return next(elements, None)


@frozen
class _Seen(Generic[_T]):
    value: _T


def _waiting(
    method: Callable[Concatenate[StreamingPlatform, _P], _T],
    looks: Callable[Concatenate[StreamingPlatform, _P], Generator[float, None, _T]],
) -> Callable[Concatenate[AsyncStreamingPlatform, _P], Coroutine[None, None, _T]]:
    async def run(self: AsyncStreamingPlatform, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        steps = looks(self._platform, *args, **kwargs)
        while not isinstance(look := await self._run(partial(_look, steps)), _Seen):
            await self._sleep(look)
        return look.value

    update_wrapper(run, method)
    return run


def _look(steps: Generator[float, None, _T]) -> float | _Seen[_T]:
    try:
        return next(steps)
    except StopIteration as seen:
        return _Seen(seen.value)


class AsyncStreamingPlatform:
    """`StreamingPlatform` for async applications; made by `open_async`."""

    def __init__(
        self,
        platform: StreamingPlatform,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._platform = platform
        self._sleep = sleep
        self._limiter = anyio.CapacityLimiter(CONCURRENCY)

    async def _run(self, call: Callable[[], _T]) -> _T:
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._platform.provider

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond the operations that all providers have."""
        return self._platform.capabilities

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    native = _in_thread(StreamingPlatform.native)
    close = _in_thread(StreamingPlatform.close)
    create_live_stream = _in_thread(StreamingPlatform.create_live_stream)
    get_live_stream = _in_thread(StreamingPlatform.get_live_stream)
    list_live_streams = _in_thread_each(StreamingPlatform.list_live_streams)
    get_credentials = _in_thread(StreamingPlatform.get_credentials)
    check_encoding = _in_thread(StreamingPlatform.check_encoding)
    get_playback_url = _in_thread(StreamingPlatform.get_playback_url)
    get_analytics = _in_thread(StreamingPlatform.get_analytics)
    get_analytics_many = _in_thread(StreamingPlatform.get_analytics_many)
    end_live_stream = _in_thread(StreamingPlatform.end_live_stream)
    reconcile = _in_thread(StreamingPlatform.reconcile)
    locate_ledger = _in_thread(StreamingPlatform.locate_ledger)
    check_health = _in_thread(StreamingPlatform.check_health)
    is_healthy = _in_thread(StreamingPlatform.is_healthy)
    wait_until_live = _waiting(
        StreamingPlatform.wait_until_live,
        StreamingPlatform._until_live,  # noqa: SLF001  # this class is its other face
    )
    wait_until_playable = _waiting(
        StreamingPlatform.wait_until_playable,
        StreamingPlatform._until_playable,  # noqa: SLF001  # as above
    )
    rotate_stream_key = _in_thread(StreamingPlatform.rotate_stream_key)
    enable_live_stream = _in_thread(StreamingPlatform.enable_live_stream)
    disable_live_stream = _in_thread(StreamingPlatform.disable_live_stream)
    list_recordings = _in_thread_each(StreamingPlatform.list_recordings)
    delete_recording = _in_thread(StreamingPlatform.delete_recording)
    list_simulcast_targets = _in_thread(StreamingPlatform.list_simulcast_targets)
    create_simulcast_target = _in_thread(StreamingPlatform.create_simulcast_target)
    update_simulcast_target = _in_thread(StreamingPlatform.update_simulcast_target)
    delete_simulcast_target = _in_thread(StreamingPlatform.delete_simulcast_target)
    create_playback_token = _in_thread(StreamingPlatform.create_playback_token)
    parse_event = _in_thread(StreamingPlatform.parse_event)
    record_event = _in_thread(StreamingPlatform.record_event)
    list_sessions = _in_thread_each(StreamingPlatform.list_sessions)
    get_session = _in_thread(StreamingPlatform.get_session)
    put_timed_metadata = _in_thread(StreamingPlatform.put_timed_metadata)


class _Opening:
    """What `open_async` returns: to be awaited, or entered with ``async with``."""

    def __init__(self, open_platform: Callable[[], StreamingPlatform]) -> None:
        self._open = open_platform
        self._opened: AsyncStreamingPlatform | None = None

    async def _make(self) -> AsyncStreamingPlatform:
        self._opened = AsyncStreamingPlatform(await anyio.to_thread.run_sync(self._open))
        return self._opened

    def __await__(self) -> Generator[None, None, AsyncStreamingPlatform]:
        return self._make().__await__()

    async def __aenter__(self) -> AsyncStreamingPlatform:
        return await self._make()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


def open_async(
    provider: str | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    database: str | Path | EllipsisType | None = ...,
    observers: Iterable[object] = (),
) -> _Opening:
    """Open a provider for an async application; arguments and errors are those of `open`.

    Use it as ``async with headend.open_async() as platform`` or
    ``platform = await headend.open_async()``.
    """
    return _Opening(
        partial(open_platform, provider, settings=settings, database=database, observers=observers)
    )
