"""The same operations as coroutines, on asyncio and on trio."""

from __future__ import annotations

import inspect
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

import headend
from headend.aio import CONCURRENCY, AsyncStreamingPlatform
from headend.errors import (
    ConfigurationError,
    ConflictError,
    HeadendError,
    PlatformTimeoutError,
    PluginError,
    StreamNotFoundError,
    UnsupportedError,
)
from headend.models import EventKind, StreamEvent, StreamState
from headend.platform import StreamingPlatform
from headend.playback import Hindrance
from headend.presets import PRESETS
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.conftest import FakeClock, Opened

pytestmark = pytest.mark.anyio
SECONDS = 30
"""More than anything here takes."""

PUBLIC = sorted(name for name in vars(StreamingPlatform) if not name.startswith("_"))
EVENT = StreamEvent(
    kind=EventKind.LIVE,
    provider="acme",
    stream_id="live-1",
    occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
    event_id="e-1",
    raw="{}",
)
ARGUMENTS: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
    "create_live_stream": ((42,), {"name": "news", "options": {"record": "yes"}}),
    "get_analytics_many": ((["live-1"],), {}),
    "check_health": ((), {}),
    "check_encoding": (("live-1", PRESETS["720p"]), {}),
    "locate_ledger": ((), {}),
    "is_healthy": ((), {}),
    "list_live_streams": ((), {}),
    "delete_recording": (("rec-1",), {}),
    "create_simulcast_target": (("live-1", "rtmp://x/y", Secret("k")), {}),
    "update_simulcast_target": (("live-1", "target-1"), {"enabled": True}),
    "delete_simulcast_target": (("live-1", "target-1"), {}),
    "create_playback_token": (("live-1",), {"expires_in": 60}),
    "parse_event": (({"signature": "good"}, b"{}"), {}),
    "record_event": ((EVENT,), {}),
    "put_timed_metadata": (("live-1", "goal!"), {}),
    "get_session": (("live-1", "session-1"), {}),
    "wait_until_live": (("live-1",), {"timeout": 5}),
}
"""For all others it is the live stream's id alone."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    if request.param == "trio":
        pytest.importorskip("trio")
    return str(request.param)


class Naps:
    """Sleeps without taking time."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        await anyio.lowlevel.checkpoint()


class TestTheSame:
    @pytest.mark.parametrize("name", PUBLIC)
    async def test_every_name_is_there_with_signature_and_description(
        self, name: str, anyio_backend: str
    ) -> None:
        mine = inspect.getattr_static(AsyncStreamingPlatform, name)
        theirs = inspect.getattr_static(StreamingPlatform, name)
        if isinstance(theirs, property):
            assert isinstance(mine, property)
            assert mine.__doc__ == theirs.__doc__
            return

        assert inspect.signature(mine) == inspect.signature(theirs)
        assert (mine.__doc__, mine.__name__) == (theirs.__doc__, theirs.__name__)
        assert inspect.iscoroutinefunction(mine) != inspect.isasyncgenfunction(mine)

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name in PUBLIC
            if name
            not in {
                "provider",
                "capabilities",
                "close",
                "native",
                "wait_until_playable",
                "reconcile",
            }
        ],
    )
    async def test_every_operation_gives_what_the_method_gives(
        self, name: str, opened: Opened, anyio_backend: str
    ) -> None:
        results: list[object] = []
        for _ in range(2):
            platform, provider = opened()
            platform.create_live_stream(1)
            provider.set_state("live-1", StreamState.LIVE)
            arguments, keywords = ARGUMENTS.get(name, (("live-1",), {}))
            if not results:
                result = getattr(platform, name)(*arguments, **keywords)
                results.append(list(result) if inspect.isgenerator(result) else result)
                continue
            async with AsyncStreamingPlatform(platform) as asynchronous:
                call = getattr(asynchronous, name)(*arguments, **keywords)
                results.append(
                    [one async for one in call] if inspect.isasyncgen(call) else await call
                )

        assert results[0] == results[1]

    async def test_provider_and_capabilities_are_the_same(
        self, opened: Opened, anyio_backend: str
    ) -> None:
        platform, _ = opened()
        asynchronous = AsyncStreamingPlatform(platform)

        assert asynchronous.provider == "acme"
        assert asynchronous.capabilities == platform.capabilities

    async def test_the_provider_itself_is_the_same(
        self, opened: Opened, anyio_backend: str
    ) -> None:
        platform, provider = opened()
        asynchronous = AsyncStreamingPlatform(platform)

        assert await asynchronous.native(type(provider)) is provider

    async def test_errors_reach_the_caller(self, opened: Opened, anyio_backend: str) -> None:
        platform = AsyncStreamingPlatform(opened("plain")[0])

        with pytest.raises(StreamNotFoundError, match="there is no live stream live-9"):
            await platform.get_live_stream("live-9")
        with pytest.raises(UnsupportedError):
            await platform.rotate_stream_key("live-9")
        with pytest.raises(UnsupportedError):
            [one async for one in platform.list_recordings("live-9")]
        await platform.close()
        with pytest.raises(HeadendError, match="closed"):
            await platform.check_health()


@pytest.mark.usefixtures("acme", "acme_settings")
class TestOpening:
    async def test_a_block_opens_and_closes(self, acme: ModuleType, anyio_backend: str) -> None:
        async with headend.open_async("acme", settings={"timeout": 9}) as platform:
            await platform.check_health()

        assert acme.made[0].settings.timeout == 9.0
        assert acme.made[0].asked == ["check_health", "close"]

    async def test_it_can_be_awaited_and_closed_by_hand(
        self, acme: ModuleType, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
    ) -> None:
        monkeypatch.setenv("STREAMING_PLATFORM", "plain")
        platform = await headend.open_async()
        await platform.close()

        assert platform.provider == "plain"
        assert acme.made[0].asked == ["close"]

    async def test_a_platform_that_was_awaited_closes_at_the_end_of_its_block(
        self, acme: ModuleType, anyio_backend: str
    ) -> None:
        async with await headend.open_async("plain"):
            pass

        assert acme.made[0].asked == ["close"]

    async def test_what_is_wrong_is_told_as_by_open(
        self, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
    ) -> None:
        with pytest.raises(PluginError, match="did you mean 'plain'"):
            await headend.open_async("plein")
        monkeypatch.delenv("ACME_API_TOKEN")
        with pytest.raises(ConfigurationError, match="ACME_API_TOKEN: is missing"):
            async with headend.open_async("acme"):
                pass


class TestThreads:
    async def test_at_most_eight_operations_run_at_once(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
    ) -> None:
        platform, provider = opened()
        guard = threading.Lock()
        full, let_go = threading.Event(), threading.Event()
        running: list[int] = [0]
        most: list[int] = [0]

        def check() -> None:
            with guard:
                running[0] += 1
                most[0] = max(most[0], running[0])
                if running[0] == CONCURRENCY:
                    full.set()
            assert let_go.wait(SECONDS)
            with guard:
                running[0] -= 1

        monkeypatch.setattr(provider, "check_health", check)
        asynchronous = AsyncStreamingPlatform(platform)
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as group:
                for _ in range(3 * CONCURRENCY):
                    group.start_soon(asynchronous.check_health)
                assert await anyio.to_thread.run_sync(full.wait, SECONDS)
                let_go.set()

        assert CONCURRENCY == 8
        assert most == [CONCURRENCY]

    async def test_the_event_loop_goes_on_meanwhile(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
    ) -> None:
        platform, provider = opened()
        let_go = threading.Event()
        monkeypatch.setattr(provider, "check_health", lambda: let_go.wait(SECONDS))
        asynchronous = AsyncStreamingPlatform(platform)
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(asynchronous.check_health)
                await anyio.lowlevel.checkpoint()
                let_go.set()

    async def test_a_list_is_taken_page_by_page(self, opened: Opened, anyio_backend: str) -> None:
        platform, provider = opened()
        for number in range(5):
            platform.create_live_stream(number)
        provider.asked.clear()
        asynchronous = AsyncStreamingPlatform(platform)
        streams = asynchronous.list_live_streams()

        assert provider.asked == []
        assert (await anext(streams)).channel_id == "0"
        assert provider.asked == ["list_live_streams"]
        assert [one.channel_id async for one in streams] == ["1", "2", "3", "4"]
        assert provider.asked == ["list_live_streams"] * 3


class TestWaiting:
    @pytest.fixture
    def waiting(
        self, opened: Opened, clock: FakeClock
    ) -> tuple[AsyncStreamingPlatform, Callable[[StreamState], None], str]:
        platform, provider = opened()
        stream_id = platform.create_live_stream(1).stream_id

        def become(state: StreamState) -> None:
            provider.set_state(stream_id, state)

        return AsyncStreamingPlatform(platform, sleep=Naps(clock)), become, stream_id

    async def test_it_returns_as_soon_as_the_live_stream_is_live(
        self,
        waiting: tuple[AsyncStreamingPlatform, Callable[[StreamState], None], str],
        clock: FakeClock,
        anyio_backend: str,
    ) -> None:
        platform, become, stream_id = waiting
        clock.at(3, lambda: become(StreamState.LIVE))

        assert (await platform.wait_until_live(stream_id, timeout=60)).state == "live"
        assert clock.naps == [1.0] * 3

    async def test_it_ends_as_the_method_does(
        self,
        waiting: tuple[AsyncStreamingPlatform, Callable[[StreamState], None], str],
        clock: FakeClock,
        anyio_backend: str,
    ) -> None:
        platform, become, stream_id = waiting
        with pytest.raises(PlatformTimeoutError, match=r"not within 2\.5 s; last seen: it is idle"):
            await platform.wait_until_live(stream_id, 2.5)
        become(StreamState.ENDED)
        with pytest.raises(ConflictError):
            await platform.wait_until_live(stream_id, timeout=60)

        assert clock.naps == [1.0, 1.0, 0.5]

    async def test_waiting_until_playable_returns_what_the_method_returns(
        self,
        waiting: tuple[AsyncStreamingPlatform, Callable[[StreamState], None], str],
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
        anyio_backend: str,
    ) -> None:
        platform, _, stream_id = waiting
        reasons = iter([Hindrance("not yet"), None])
        monkeypatch.setattr("headend.platform.why_not_playable", lambda *_, **__: next(reasons))

        assert (
            await platform.wait_until_playable(stream_id, timeout=9)
            == "https://acme.example/live-1/index.m3u8"
        )
        assert clock.naps == [1.0]

    async def test_many_that_wait_keep_no_other_operation_from_its_turn(
        self, opened: Opened, anyio_backend: str
    ) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(1).stream_id
        asleep = anyio.Semaphore(0)

        async def for_ever(_seconds: float) -> None:
            asleep.release()
            await anyio.sleep_forever()

        asynchronous = AsyncStreamingPlatform(platform, sleep=for_ever)
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as group:
                for _ in range(2 * CONCURRENCY):
                    group.start_soon(asynchronous.wait_until_live, stream_id, 600)
                for _ in range(2 * CONCURRENCY):
                    await asleep.acquire()
                assert await asynchronous.is_healthy()
                group.cancel_scope.cancel()

    async def test_waiting_can_be_cancelled(self, opened: Opened, anyio_backend: str) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(1).stream_id
        asynchronous = AsyncStreamingPlatform(platform)
        with anyio.fail_after(SECONDS), anyio.move_on_after(0.05) as scope:
            await asynchronous.wait_until_live(stream_id, timeout=600)

        assert scope.cancelled_caught
