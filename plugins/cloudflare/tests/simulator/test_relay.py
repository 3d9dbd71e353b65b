"""The simulated customer host gives viewers what the media behind it has, and nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings, strategies as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from headend_cloudflare.simulator.relay import Relay
from headend_contract.serving import Served

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

PLAYLIST = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia.m3u8?v=1\n"


class Media:
    """Media of a live stream as a server has them; what else it may answer has a name of its own.

    Attributes:
        asked: method, path and query of each request.
        ranges: the Range header of each request.
        given_up: how many answers without end were given up by the asker.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.ranges: list[str | None] = []
        self.ready = True
        self.given_up = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path, query = scope["path"], scope["query_string"].decode()
        self.asked.append((scope["method"], path, query))
        self.ranges.append(headers.get("range"))
        name = path.removeprefix("/live/abc/")
        if name == "index.m3u8" and self.ready:
            answer = Response(
                PLAYLIST,
                media_type="application/vnd.apple.mpegurl",
                headers={"Cache-Control": "no-store", "X-Own": "1", "Set-Cookie": "a=b"},
            )
        elif name == "segment.mp4":
            answer = Response(b"\x00\x01" * 1000, 206 if "range" in headers else 200)
            answer.headers["Content-Type"] = "video/mp4"
        elif name == "elsewhere.m4s":
            answer = Response(status_code=302, headers={"Location": "/live/abc/segment.mp4"})
        elif name == "teapot.m4s":
            answer = Response("short and stout", 418, media_type="text/tea")
        elif name == "large.m4s":
            answer = Response(b"x" * 100_001)
        elif name in {"endless.m4s", "late.m4s"}:
            await self._for_ever(send, receive, quick=name == "endless.m4s")
            return
        else:
            answer = Response("there is nothing here", 404)
        await answer(scope, receive, send)

    async def _for_ever(self, send: Send, receive: Receive, *, quick: bool) -> None:
        if quick:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while not gone.done() or (await gone)["type"] != "http.disconnect":
            if gone.done():
                gone = asyncio.ensure_future(receive())
            if quick:
                body = {"type": "http.response.body", "body": b"x" * 1000, "more_body": True}
                await send(body)
            await asyncio.wait([gone], timeout=0.01)
        self.given_up += 1


@pytest.fixture(scope="module")
def media() -> Media:
    return Media()


@pytest.fixture(scope="module")
def media_url(media: Media) -> Iterator[str]:
    with Served(media) as served:
        yield f"{served.url}/live/abc/index.m3u8"


@pytest.fixture(scope="module")
def relay() -> Relay:
    return Relay(patience=0.5, largest=100_000)


@pytest.fixture(scope="module")
def host(relay: Relay, media_url: str) -> Iterator[str]:
    """A customer host that has nothing but the relay."""

    async def answer(request: Request) -> Response:
        return relay.answer(request, media_url, request.path_params["name"])

    app = Starlette(routes=[Route("/customer/id/manifest/{name:path}", answer)])
    with Served(app) as served:
        yield f"{served.url}/customer/id/manifest"


@pytest.fixture
def viewer(media: Media) -> Iterator[httpx.Client]:
    media.ready = True
    media.asked.clear()
    media.ranges.clear()
    with httpx.Client(trust_env=False) as client:
        yield client


def test_the_platforms_playlist_is_the_medias_own(host, viewer, media):
    answer = viewer.get(f"{host}/video.m3u8")

    assert (answer.status_code, answer.text) == (200, PLAYLIST)
    assert answer.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert answer.headers["cache-control"] == "no-store"
    assert media.asked == [("GET", "/live/abc/index.m3u8", "")]


def test_headers_of_the_media_server_itself_stay_with_it(host, viewer):
    headers = viewer.get(f"{host}/video.m3u8").headers
    assert not {"x-own", "set-cookie"} & set(headers)


def test_a_page_of_any_origin_may_play_it(host, viewer):
    assert viewer.get(f"{host}/segment.mp4").headers["access-control-allow-origin"] == "*"


def test_what_a_playlist_lists_is_found_beside_it(host, viewer, media):
    answer = viewer.get(f"{host}/segment.mp4")

    assert (answer.status_code, answer.content) == (200, b"\x00\x01" * 1000)
    assert answer.headers["content-type"] == "video/mp4"
    assert media.asked == [("GET", "/live/abc/segment.mp4", "")]


def test_the_query_goes_to_the_media_as_it_is(host, viewer, media):
    viewer.get(f"{host}/video.m3u8?protocol=llhls&a=%2F%20")
    viewer.get(f"{host}/segment.mp4?_HLS_msn=7&v=token")
    assert [query for _, _, query in media.asked] == [
        "protocol=llhls&a=%2F%20",
        "_HLS_msn=7&v=token",
    ]


def test_a_playlist_address_with_a_query_keeps_it(media_url, viewer, media):
    async def answer(request: Request) -> Response:
        return Relay().answer(request, f"{media_url}?v=1", request.path_params["name"])

    with Served(Starlette(routes=[Route("/{name}", answer)])) as served:
        viewer.get(f"{served.url}/video.m3u8?w=2")
        viewer.get(f"{served.url}/segment.mp4?w=2")
    assert [query for _, _, query in media.asked] == ["v=1&w=2", "w=2"]


def test_a_head_request_is_one_for_the_media_too(host, viewer, media):
    answer = viewer.head(f"{host}/segment.mp4")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "2000"
    assert media.asked == [("HEAD", "/live/abc/segment.mp4", "")]


def test_a_range_is_asked_of_the_media(host, viewer, media):
    answer = viewer.get(f"{host}/segment.mp4", headers={"Range": "bytes=0-1999"})
    assert answer.status_code == 206
    assert media.ranges == ["bytes=0-1999"]


def test_a_playlist_that_is_not_there_yet_is_the_platforms_204(host, viewer, media):
    media.ready = False
    answer = viewer.get(f"{host}/video.m3u8")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(("name", "status"), [("nothing.m4s", 404), ("teapot.m4s", 418)])
def test_other_answers_keep_their_status(host, viewer, name, status):
    assert viewer.get(f"{host}/{name}").status_code == status


def test_a_redirect_is_not_followed_nor_passed_on(host, viewer, media):
    answer = viewer.get(f"{host}/elsewhere.m4s")

    assert (answer.status_code, "location" in answer.headers) == (502, False)
    assert [path for _, path, _ in media.asked] == ["/live/abc/elsewhere.m4s"]


def test_an_answer_that_says_it_is_too_long_is_not_taken(host, viewer):
    assert viewer.get(f"{host}/large.m4s").status_code == 502


def test_an_answer_that_does_not_end_is_cut(host, viewer, media, relay):
    before = media.given_up
    with pytest.raises(httpx.RemoteProtocolError):
        viewer.get(f"{host}/endless.m4s")

    pause = threading.Event()
    deadline = time.monotonic() + 5
    while (media.given_up, relay.under_way) != (before + 1, 0):
        assert time.monotonic() < deadline, "the media's answer is given up and its place is free"
        pause.wait(0.01)


def test_an_answer_that_does_not_come_is_given_up(host, viewer):
    assert viewer.get(f"{host}/late.m4s").status_code == 504


def test_media_that_are_gone_are_a_bad_gateway(viewer):
    async def answer(request: Request) -> Response:
        return Relay().answer(request, "http://127.0.0.1:9/live/abc/index.m3u8", "video.m3u8")

    with Served(Starlette(routes=[Route("/", answer)])) as served:
        assert viewer.get(served.url).status_code == 502


def test_there_is_an_end_to_the_answers_under_way(host, viewer, media, relay):
    relay.under_way = 64
    try:
        assert viewer.get(f"{host}/video.m3u8").status_code == 503
    finally:
        relay.under_way = 0
    assert media.asked == []


@settings(max_examples=50)
@given(
    st.sampled_from(
        [
            "..",
            "../../api/v1/live-streams",
            "/etc/passwd",
            "//example.com/x",
            "http://example.com/x",
            "a/../../x",
            "a/./x",
            ".hidden",
            "a\\b",
            "a b",
            "é.m3u8",
            "x" * 600,
        ]
    )
    | st.text(st.sampled_from("./\\:@%? "), min_size=1, max_size=8).filter(str.strip)
)
def test_no_name_leads_away_from_the_playlists_folder(host, media, name):
    media.asked.clear()
    with httpx.Client(trust_env=False) as client:
        # The dots as well, because a client makes its own way of those that it can read.
        answer = client.get(f"{host}/{quote(name, safe='').replace('.', '%2E')}")
    assert answer.status_code == 404
    assert media.asked == []


def test_a_name_may_lie_in_a_folder_below(host, viewer, media):
    viewer.get(f"{host}/720p/segment.mp4")
    assert [path for _, path, _ in media.asked] == ["/live/abc/720p/segment.mp4"]
