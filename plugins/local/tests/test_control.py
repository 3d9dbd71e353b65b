"""The control API: for programs of this machine that know the token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.plugin import Secret
from headend_local.addresses import Addresses
from headend_local.control import MAX_BODY
from headend_local.http import create_app
from headend_local.live_stream import Clocks
from headend_local.registry import Registry
from headend_local.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

TOKEN = Secret("t" * 43)
ADDRESSES = Addresses(host="127.0.0.1", rtmp_port=1935, http_port=8935)

Call = Callable[..., httpx.Response]


@pytest.fixture
def registry(tmp_path: Path, clock: Callable[[], float]) -> Iterator[Registry]:
    with State.open(tmp_path / "data") as state:
        yield Registry(state, clocks=Clocks(monotonic=clock, wall=clock))


@pytest.fixture
def app(registry: Registry) -> ASGIApp:
    return create_app(registry, token=TOKEN, addresses=ADDRESSES)


def request(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    client: str = "127.0.0.1",
    base_url: str = "http://127.0.0.1:8935",
    headers: dict[str, str] | None = None,
    **more: object,
) -> httpx.Response:
    """Send one request as if it came from the address `client`."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(client, 5000))
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
            sent = {name: value.encode("latin-1") for name, value in (headers or {}).items()}
            return await http.request(method, path, headers=sent, **more)  # type: ignore[arg-type]  # passed on

    return asyncio.run(send())


@pytest.fixture
def call(app: ASGIApp) -> Call:
    """Send a request with the token to the API."""

    def call(method: str, path: str, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
        return request(app, method, f"/api/v1{path}", headers=headers, **more)  # type: ignore[arg-type]  # passed on

    return call


def create(call: Call, **body: object) -> dict[str, object]:
    answer = call("POST", "/live-streams", json={"channel_id": "42"} | body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert isinstance(made, dict)
    return made


def test_a_created_live_stream_comes_back_with_all_that_was_given(call: Call) -> None:
    given_fields = {
        "channel_id": "42",
        "name": "Concert",
        "metadata": {"town": "Köln"},
        "low_latency": True,
        "marker": "m-1",
    }
    made = create(call, **given_fields)
    assert {key: made[key] for key in given_fields} == given_fields
    assert made["enabled"] is True
    assert (made["state"], made["state_reason"], made["warnings"]) == ("idle", None, [])
    assert made["rtmp_push_url"] == "rtmp://127.0.0.1:1935/live"
    page = f"http://127.0.0.1:8935/live/{made['id']}/"
    assert (made["player_url"], made["playback_url"]) == (page, page + "index.m3u8")
    assert datetime.fromisoformat(str(made["created_at"])).tzinfo is not None
    assert call("GET", f"/live-streams/{made['id']}/credentials").json() == made


def test_without_low_latency_the_playback_address_is_the_plain_one(call: Call) -> None:
    assert str(create(call)["playback_url"]).endswith("/plain.m3u8")


def test_the_key_is_in_the_answers_that_are_for_it_and_in_no_other(call: Call) -> None:
    made = create(call)
    key = str(made["stream_key"])
    for path in ("", f"/{made['id']}", f"/{made['id']}/analytics"):
        assert key not in call("GET", f"/live-streams{path}").text
    assert key not in call("POST", f"/live-streams/{made['id']}/disable").text
    rotated = call("POST", f"/live-streams/{made['id']}/rotate-key").json()
    assert rotated["stream_key"] != key
    assert not [name for name, value in made.items() if key in str(value) and name != "stream_key"]


def test_addresses_bear_the_name_by_which_the_server_was_asked(call: Call) -> None:
    made = create(call)
    shown = call("GET", f"/live-streams/{made['id']}", base_url="http://studio.example:9000").json()
    assert shown["rtmp_push_url"] == "rtmp://studio.example:1935/live"
    assert shown["playback_url"].startswith("http://studio.example:9000/live/")
    six = call("GET", "/health", base_url="http://[::1]:8935").json()
    assert six["rtmp_url"] == "rtmp://[::1]:1935/live"


@pytest.mark.parametrize("host", ['evil" onload=x', "a/b", "a:b:c", "", "@x", "[::1"])
def test_a_host_that_is_none_does_not_get_into_an_address(app: ASGIApp, host: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN.reveal()}", "Host": host}
    shown = request(app, "GET", "/api/v1/health", headers=headers).json()
    assert shown["rtmp_url"] == "rtmp://127.0.0.1:1935/live"


def test_pages_hold_every_live_stream_once_in_order_of_creation(call: Call) -> None:
    made = [create(call)["id"] for _ in range(7)]
    call("DELETE", f"/live-streams/{made.pop(3)}")
    pages, query = [], "?limit=2"
    for _ in range(3):
        pages.append(call("GET", f"/live-streams{query}").json())
        query = f"?limit=2&after={pages[-1]['next']}"
    assert pages[-1]["next"] is None
    assert [each["id"] for page in pages for each in page["live_streams"]] == made


def test_a_page_goes_on_where_it_was_though_that_live_stream_has_ended(call: Call) -> None:
    made = [create(call)["id"] for _ in range(4)]
    page = call("GET", "/live-streams?limit=2").json()
    call("DELETE", f"/live-streams/{made[1]}")
    rest = call("GET", f"/live-streams?after={page['next']}").json()
    assert [each["id"] for each in rest["live_streams"]] == made[2:]


def test_an_ended_live_stream_is_gone(call: Call) -> None:
    made = create(call)
    path = f"/live-streams/{made['id']}"
    assert call("DELETE", path).json() == {"outcome": "ended"}
    for method, end in (("GET", ""), ("GET", "/credentials"), ("GET", "/analytics")):
        assert call(method, path + end).status_code == 404
    for method, end in (("POST", "/rotate-key"), ("POST", "/enable"), ("DELETE", "")):
        answer = call(method, path + end)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert call("GET", "/live-streams").json()["live_streams"] == []


def test_a_disabled_live_stream_says_so_until_it_is_enabled(call: Call) -> None:
    path = f"/live-streams/{create(call)['id']}"
    disabled = call("POST", f"{path}/disable").json()
    assert (disabled["enabled"], disabled["state"]) == (False, "disabled")
    enabled = call("POST", f"{path}/enable").json()
    assert (enabled["enabled"], enabled["state"]) == (True, "idle")


def test_figures_of_a_live_stream_that_nobody_uses_are_real_zeros(call: Call) -> None:
    made = create(call)
    figures = call("GET", f"/live-streams/{made['id']}/analytics").json()
    assert datetime.fromisoformat(figures.pop("as_of")).tzinfo is not None
    assert figures == {
        "id": made["id"],
        "state": "idle",
        "viewer_count": 0,
        "peak_viewers": 0,
        "total_watch_time": 0.0,
        "current_bitrate": 0,
        "unknown": {},
        "ingest": None,
    }


def test_figures_of_many_come_with_one_request_and_name_what_is_missing(call: Call) -> None:
    ids = [str(create(call)["id"]) for _ in range(3)]
    answer = call("GET", f"/analytics?ids={','.join([*ids, 'nobody'])}").json()
    assert [each["id"] for each in answer["analytics"]] == ids
    assert answer["missing"] == ["nobody"]
    assert call("GET", "/analytics").status_code == 400


def test_health_names_server_version_and_process(call: Call) -> None:
    create(call)
    health = call("GET", "/health").json()
    assert health["server"] == "headend-local"
    assert health["live_streams"] == 1
    assert health["rtmp_url"] == "rtmp://127.0.0.1:1935/live"
    assert set(health) == {"server", "version", "pid", "rtmp_url", "live_streams"}


ENDPOINTS = [
    ("GET", "/health"),
    ("POST", "/live-streams"),
    ("GET", "/live-streams"),
    ("GET", "/live-streams/x"),
    ("DELETE", "/live-streams/x"),
    ("GET", "/live-streams/x/credentials"),
    ("POST", "/live-streams/x/rotate-key"),
    ("POST", "/live-streams/x/enable"),
    ("POST", "/live-streams/x/disable"),
    ("GET", "/live-streams/x/analytics"),
    ("GET", "/analytics?ids=x"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN.reveal()}", "Bearer t\xe9"],
)
def test_without_the_token_nothing_is_answered(
    app: ASGIApp, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = request(app, method, f"/api/v1{path}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("client", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_another_machine_is_refused_even_with_the_token(
    app: ASGIApp, method: str, path: str, client: str
) -> None:
    headers = {
        "Authorization": f"Bearer {TOKEN.reveal()}",
        "X-Forwarded-For": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
    }
    answer = request(app, method, f"/api/v1{path}", client=client, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("client", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_the_loopback_is_this_machine(call: Call, client: str) -> None:
    assert call("GET", "/health", client=client).status_code == 200


def test_a_client_that_comes_from_the_servers_own_address_is_on_this_machine(call: Call) -> None:
    answer = call("GET", "/health", client="192.0.2.7", base_url="http://192.0.2.7:8935")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "channel_id must be a text"),
        (b'{"channel_id": 42}', "channel_id must be a text"),
        (b'{"channel_id": " "}', "neither empty"),
        (b'{"channel_id": "a\\u0000"}', "control characters"),
        (b'{"channel_id": "1", "name": 5}', "name must be a text or null"),
        (b'{"channel_id": "1", "name": "\\ud800"}', "half a surrogate pair"),
        (b'{"channel_id": "1", "name": "%s"}' % (b"x" * 1025), "longer than 1024"),
        (b'{"channel_id": "1", "metadata": []}', "metadata must be an object"),
        (b'{"channel_id": "1", "metadata": {"a": 1}}', "every value of metadata"),
        (b'{"channel_id": "1", "low_latency": 1}', "true or false"),
        (b'{"channel_id": "1", "colour": "red"}', "unknown field 'colour'"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_in_words(
    call: Call, registry: Registry, body: bytes, words: str
) -> None:
    answer = call("POST", "/live-streams", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert words in answer.json()["error"]["message"]
    assert len(registry) == 0


def test_a_body_without_end_is_cut_off(app: ASGIApp) -> None:
    taken = 0

    async def body() -> object:  # an async generator
        nonlocal taken
        while True:
            taken += 1000
            yield b"x" * 1000

    headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
    answer = request(app, "POST", "/api/v1/live-streams", headers=headers, content=body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert taken <= MAX_BODY + 2000


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "after=²"])
def test_a_page_that_cannot_be_is_refused(call: Call, query: str) -> None:
    assert call("GET", f"/live-streams?{query}").status_code == 400


def test_every_answer_has_an_id_of_its_own_and_scripts_of_other_sites_may_not_read_it(
    call: Call, app: ASGIApp
) -> None:
    answers = [
        call("GET", "/health"),
        call("GET", "/nowhere"),
        request(app, "GET", "/api/v1/health"),
    ]
    assert len({each.headers["x-request-id"] for each in answers}) == 3
    assert not any("access-control-allow-origin" in each.headers for each in answers)
    assert all(each.headers["cache-control"] == "no-store" for each in answers)


def test_what_is_not_there_and_what_is_not_done_is_told_in_json(call: Call) -> None:
    assert call("GET", "/nowhere").json()["error"]["code"] == "not_found"
    answer = call("PUT", "/live-streams")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_identity_is_for_everyone_and_holds_no_secret(app: ASGIApp) -> None:
    answer = request(app, "GET", "/identity", client="192.0.2.1")
    assert set(answer.json()) == {"server", "pid", "rtmp_port", "http_port"}
    assert answer.json()["rtmp_port"] == 1935


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    body=st.dictionaries(
        st.sampled_from(["channel_id", "name", "metadata", "low_latency", "marker", "x"]),
        json_values,
    )
)
def test_any_json_makes_a_live_stream_or_is_refused(call: Call, body: dict[str, object]) -> None:
    answer = call("POST", "/live-streams", json=body)
    assert answer.status_code in {201, 400}
    if answer.status_code == 201:
        shown = call("GET", f"/live-streams/{answer.json()['id']}").json()
        assert shown["name"] == body.get("name")
        assert shown["metadata"] == (body.get("metadata") or {})
