"""What viewers fetch: playlists and media with the right headers, at the right time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin

import httpx
import pytest

from headend.plugin import Secret
from headend_local import live_stream, playback
from headend_local.addresses import Addresses
from headend_local.http import create_app
from headend_local.live_stream import Clocks
from headend_local.registry import Registry
from headend_local.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from headend.rtmp.flv import Tag
    from headend_local.live_stream import RunningLiveStream


class Clock(Protocol):
    def __call__(self) -> float: ...
    def advance(self, seconds: float) -> None: ...


class Clip(Protocol):
    tags: list[Tag]


class NoEncoder:
    def disconnect(self, reason: str) -> None:
        raise AssertionError(reason)


@dataclass
class Theatre:
    """A live stream that a test feeds by hand, and a client that watches it."""

    registry: Registry
    running: RunningLiveStream
    client: httpx.AsyncClient
    tags: list[Tag]
    clock: Clock

    def __post_init__(self) -> None:
        self.whole = list(self.tags)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1/live/{self.running.record.id}/"

    def connect(self) -> None:
        key = self.registry.stream_key(self.running.record.id)
        self.registry.admit(key, NoEncoder())

    def feed(self, until: float) -> None:
        """Push the clip up to this second."""
        while self.tags and self.tags[0].timestamp < until * 1000:
            self.running.take(self.tags.pop(0))

    async def get(self, address: str) -> httpx.Response:
        return await self.client.get(urljoin(self.base, address))

    async def playlist(self, name: str = "index.m3u8") -> tuple[str, str]:
        """Return the address and the text of the media playlist."""
        master = await self.get(name)
        assert master.status_code == 200, master.text
        url = urljoin(self.base, master.text.splitlines()[-1])
        return url, (await self.get(url)).text


Test = Callable[[Theatre], Awaitable[None]]


@pytest.fixture
def show(tmp_path: Path, clock: Clock, clip: Clip) -> Callable[[Test], None]:
    """Run a coroutine in a theatre."""

    @asynccontextmanager
    async def theatre() -> AsyncIterator[Theatre]:
        with State.open(tmp_path / "data") as state:
            registry = Registry(state, clocks=Clocks(monotonic=clock, wall=clock))
            running = registry.create(channel_id="1", name='Concert <in> "C"')
            addresses = Addresses(host="127.0.0.1", rtmp_port=1, http_port=80)
            app = create_app(registry, token=Secret("t" * 43), addresses=addresses)
            transport = httpx.ASGITransport(app, client=("192.0.2.1", 5000))
            async with httpx.AsyncClient(transport=transport) as client:
                yield Theatre(registry, running, client, list(clip.tags), clock)

    def run(test: Test) -> None:
        async def main() -> None:
            async with theatre() as ready, asyncio.timeout(60):
                await test(ready)

        asyncio.run(main())

    return run


def let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Move the clock of the running loop, by which whoever waits loses patience."""
    loop = asyncio.get_running_loop()
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + seconds)


async def is_waiting(task: asyncio.Task[httpx.Response]) -> bool:
    """Let everything run that can; say whether the task is still not done."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


def uris(text: str) -> list[str]:
    """Every address in a media playlist."""
    quoted = re.findall(r'URI="([^"]+)"', text)
    return quoted + [line for line in text.splitlines() if line and not line.startswith("#")]


def test_nothing_is_listed_before_one_whole_segment_exists(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(1.8)
        for name in ("index.m3u8", "plain.m3u8", "media.m3u8", "media-plain.m3u8"):
            answer = await theatre.get(name)
            assert answer.status_code == 404
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "starting" in answer.json()["error"]["message"]
        theatre.feed(3)
        assert (await theatre.get("index.m3u8")).status_code == 200

    show(test)


def test_everything_listed_is_there_with_the_right_type_and_cache(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        for name in ("index.m3u8", "plain.m3u8"):
            master = await theatre.get(name)
            url, text = await theatre.playlist(name)
            playlist = await theatre.get(url)
            for answer in (master, playlist):
                assert answer.headers["content-type"].startswith("application/vnd.apple.mpegurl")
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["access-control-allow-origin"] == "*"
            hint = re.findall(r'PRELOAD-HINT:TYPE=PART,URI="([^"]+)"', text)
            assert len(hint) == (name == "index.m3u8")
            for uri in set(uris(text)) - set(hint):
                answer = await theatre.get(uri)
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "video/mp4"
                assert answer.headers["cache-control"] == "max-age=60"
                assert answer.headers["access-control-allow-origin"] == "*"

    show(test)


def test_the_token_of_the_master_playlist_is_in_every_address(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        tokens = set()
        for _ in range(3):
            url, text = await theatre.playlist()
            (token,) = {uri.partition("?v=")[2] for uri in [url, *uris(text)]}
            assert len(token) >= 16
            tokens.add(token)
        assert len(tokens) == 3

    show(test)


def test_a_token_is_of_use_for_the_live_stream_that_it_was_issued_for_alone(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        def plain(running: RunningLiveStream, token: str) -> str:
            return f"/live/{running.record.id}/media-plain.m3u8?v={token}"

        theatre.connect()
        theatre.feed(5)
        _, text = await theatre.playlist()
        token = uris(text)[0].partition("?v=")[2]
        assert len(token) == 24
        there = await theatre.get(plain(theatre.running, token))
        assert all(token in uri for uri in uris(there.text))
        other = theatre.registry.create(channel_id="2")
        theatre.registry.admit(theatre.registry.stream_key(other.record.id), NoEncoder())
        for tag in theatre.whole:
            other.take(tag)
        elsewhere = await theatre.get(plain(other, token))
        assert elsewhere.status_code == 200
        assert token not in elsewhere.text

    show(test)


def test_viewers_that_somebody_makes_up_count_as_the_one_that_they_are(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        _, text = await theatre.playlist("plain.m3u8")
        segment, _, token = uris(text)[-1].partition("?v=")
        guesses = [f"viewer{number}" for number in range(10)]
        guesses += [token[:-1] + ("A" if token[-1] != "A" else "B"), token[::-1], token[:-1]]
        for guess in guesses:
            assert (await theatre.get(f"{segment}?v={guess}")).status_code == 200
        assert theatre.running.viewers.count == 1
        await theatre.get(f"{segment}?v={token}")
        assert theatre.running.viewers.count == 2

    show(test)


def test_a_token_that_the_server_cannot_have_made_gets_into_no_playlist(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        for token in ('"%0A%23EXT-X-ENDLIST', "a%26b", "x" * 24, "x" * 33, ""):
            text = (await theatre.get(f"media.m3u8?v={token}")).text
            assert not [uri for uri in uris(text) if "?" in uri]
            assert "#EXT-X-ENDLIST" not in text

    show(test)


def test_a_reload_waits_for_the_part_it_asks_for(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        assert theatre.running.packager is not None
        msn, part = theatre.running.packager.next_position
        url, before = await theatre.playlist()
        waiting = asyncio.create_task(theatre.get(f"{url}&_HLS_msn={msn}&_HLS_part={part}"))
        assert await is_waiting(waiting)
        theatre.feed(4)
        text = (await waiting).text
        assert text.count("#EXT-X-PART:") > before.count("#EXT-X-PART:")
        # What is there already is not waited for.
        at_once = asyncio.create_task(theatre.get(f"{url}&_HLS_msn={msn}&_HLS_part={part}"))
        assert (await at_once).text == text

    show(test)


def test_a_reload_without_a_part_waits_for_the_whole_segment(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(2.6)
        url, before = await theatre.playlist()
        waiting = asyncio.create_task(theatre.get(f"{url}&_HLS_msn=1"))
        theatre.feed(3.5)
        assert await is_waiting(waiting)
        theatre.feed(5)
        assert (await waiting).text.count("#EXTINF") == before.count("#EXTINF") + 1

    show(test)


def test_the_hinted_part_is_waited_for(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        _, text = await theatre.playlist()
        (hint,) = re.findall(r'PRELOAD-HINT:TYPE=PART,URI="([^"]+)"', text)
        waiting = asyncio.create_task(theatre.get(hint))
        assert await is_waiting(waiting)
        theatre.feed(4)
        assert (await waiting).status_code == 200
        assert b"moof" in (await waiting).content[:64]

    show(test)


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_part=0",
        "_HLS_msn=x",
        "_HLS_msn=-1",
        "_HLS_msn=1&_HLS_part=x",
        "_HLS_msn=",
        f"_HLS_msn={'9' * 30}",
        "_HLS_msn=99",
    ],
)
def test_a_reload_that_makes_no_sense_is_refused_at_once(
    show: Callable[[Test], None], query: str
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        answer = await theatre.get(f"media.m3u8?{query}")
        assert answer.status_code == 400
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"

    show(test)


def test_waiting_has_an_end_and_then_the_list_goes_out_as_it_is(
    show: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(theatre: Theatre) -> None:
        slow = [tag._replace(timestamp=tag.timestamp * 25 // 3) for tag in theatre.tags]
        theatre.tags = slow  # a key frame every 8.3 s
        theatre.connect()
        theatre.feed(20)
        url, before = await theatre.playlist()
        assert "#EXT-X-TARGETDURATION:9\n" in before
        (hint,) = re.findall(r'PRELOAD-HINT:TYPE=PART,URI="([^"]+)"', before)
        reload = asyncio.create_task(theatre.get(f"{url}&_HLS_msn=3&_HLS_part=0"))
        part = asyncio.create_task(theatre.get(hint))
        assert await is_waiting(reload)
        assert await is_waiting(part)
        let_time_pass(monkeypatch, 26)  # three target durations are 27 s
        assert await is_waiting(reload)
        assert await is_waiting(part)
        let_time_pass(monkeypatch, 1)
        assert ((await reload).status_code, (await reload).text) == (200, before)
        assert (await part).status_code == 404

    show(test)


def test_whoever_waits_is_answered_when_the_media_is_dropped(
    show: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        url, text = await theatre.playlist()
        (hint,) = re.findall(r'PRELOAD-HINT:TYPE=PART,URI="([^"]+)"', text)
        waiting = [asyncio.create_task(theatre.get(each)) for each in (f"{url}&_HLS_msn=2", hint)]
        assert [await is_waiting(each) for each in waiting] == [True, True]
        monkeypatch.setattr(live_stream, "MAX_MEMORY", 1)
        with pytest.raises(live_stream.MemoryExceededError):
            theatre.feed(4)
        assert [await is_waiting(each) for each in waiting] == [False, False]
        assert [(await each).status_code for each in waiting] == [404, 404]

    show(test)


def test_whoever_waits_is_answered_when_the_live_stream_ends(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        url, _ = await theatre.playlist()
        waiting = asyncio.create_task(theatre.get(f"{url}&_HLS_msn=2"))
        assert await is_waiting(waiting)
        theatre.running.encoder = None
        theatre.registry.end(theatre.running.record.id)
        assert "#EXT-X-ENDLIST" in (await waiting).text
        # Nothing more comes, so nobody waits any more.
        assert "#EXT-X-ENDLIST" in (await theatre.get(f"{url}&_HLS_msn=99")).text

    show(test)


def test_whoever_waits_is_answered_when_the_server_stops(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        url, before = await theatre.playlist()
        waiting = asyncio.create_task(theatre.get(f"{url}&_HLS_msn=2"))
        assert await is_waiting(waiting)
        theatre.registry.release()
        assert not await is_waiting(waiting)
        assert (await waiting).text == before

    show(test)


@pytest.mark.parametrize(
    "address",
    [
        "nothing.mp4",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/x",
        "/live/nobody/index.m3u8",
        "/live/nobody/status.json",
        "/live/nobody",
        "/player/index.html",
        "/player/..%2fhttp.py",
        "/player/%2e%2e%2fhttp.py",
        "/nowhere",
    ],
)
def test_what_is_not_there_is_a_404_that_scripts_of_any_site_can_read(
    show: Callable[[Test], None], address: str
) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(3)
        answer = await theatre.get(address)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"

    show(test)


def test_a_person_with_a_wrong_address_gets_the_page_which_says_so(
    show: Callable[[Test], None],
) -> None:
    async def test(theatre: Theatre) -> None:
        answer = await theatre.get("/live/nobody/")
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["content-security-policy"]

    show(test)


def test_scripts_of_any_site_may_ask_beforehand(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        answer = await theatre.client.options(theatre.base + "media.m3u8")
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "GET" in answer.headers["access-control-allow-methods"]
        control = await theatre.client.options("http://127.0.0.1/api/v1/health")
        assert "access-control-allow-origin" not in control.headers

    show(test)


def test_viewers_are_counted_by_what_they_fetch(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        viewers = theatre.running.viewers
        texts = [(await theatre.playlist())[1] for _ in range(3)]
        assert viewers.count == 0
        for text in texts:
            for uri in uris(text)[:1]:  # the init section is nothing to watch
                await theatre.get(uri)
        assert viewers.count == 0
        for text in texts:
            await theatre.get(uris(text)[-1])
        assert (viewers.count, viewers.peak) == (3, 3)
        theatre.clock.advance(11)
        assert (viewers.count, viewers.peak) == (0, 3)

    show(test)


def test_players_without_a_token_count_by_their_address(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        for _ in range(3):
            text = (await theatre.get("media-plain.m3u8")).text
            await theatre.get(uris(text)[-1])
        assert theatre.running.viewers.count == 1

    show(test)


def test_somebody_who_only_looks_at_headers_is_no_viewer(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        theatre.connect()
        theatre.feed(5)
        _, text = await theatre.playlist()
        answer = await theatre.client.head(urljoin(theatre.base, uris(text)[-1]))
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) > 1000
        assert theatre.running.viewers.count == 0

    show(test)


def test_the_status_tells_viewers_in_words_what_is_going_on(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        async def status() -> tuple[str, str]:
            answer = await theatre.get("status.json")
            assert answer.headers["cache-control"] == "no-store"
            body = answer.json()
            assert set(body) == {"state", "message", "viewer_count"}
            return body["state"], body["message"]

        assert await status() == ("idle", "Nothing is being broadcast at the moment.")
        theatre.connect()
        assert (await status())[0] == "connecting"
        theatre.feed(5)
        assert await status() == ("live", "Live.")
        theatre.clock.advance(5)
        assert (await status())[0] == "interrupted"
        theatre.running.detach(dropped=False)
        theatre.registry.set_enabled(theatre.running.record.id, enabled=False)
        assert await status() == ("disabled", "This live stream is switched off.")
        theatre.registry.end(theatre.running.record.id)
        assert await status() == ("ended", "This live stream has ended.")

    show(test)


def test_the_player_page_runs_what_this_server_sent_and_nothing_else(
    show: Callable[[Test], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<title>{{title}}</title>", encoding="utf-8")
    (tmp_path / "player.js").write_text("// script", encoding="utf-8")
    (tmp_path / "icon.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "player.css").write_text("/* style */", encoding="utf-8")
    monkeypatch.setattr(playback, "_PLAYER", tmp_path)

    async def test(theatre: Theatre) -> None:
        page = await theatre.get("")
        assert page.text == "<title>Concert &lt;in&gt; &quot;C&quot;</title>"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "media-src 'self' blob:" in policy
        assert not re.search(r"unsafe|https?:|\*", policy)
        assert (await theatre.get("/player/player.js")).text == "// script"
        icon = await theatre.get("/player/icon.svg")
        assert icon.headers["content-type"] == "image/svg+xml"
        style = await theatre.get("/player/player.css")
        assert style.headers["content-type"] == "text/css; charset=utf-8"
        assert style.headers["x-content-type-options"] == "nosniff"

    show(test)


def test_the_page_without_its_slash_leads_to_the_page(show: Callable[[Test], None]) -> None:
    async def test(theatre: Theatre) -> None:
        answer = await theatre.get(theatre.base.rstrip("/"))
        assert answer.status_code == 308
        assert urljoin(theatre.base, answer.headers["location"]) == theatre.base

    show(test)
