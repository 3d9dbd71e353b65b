"""The provider ``local``: against the real server, and against answers that it never gives."""

from __future__ import annotations

import logging
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, strategies as st

import headend
from headend import StreamState
from headend.clock import SystemClock
from headend.plugin import Calls, CreateRequest, ProviderContext, Secret
from headend.rtmp.errors import PublishRefusedError
from headend_local.provider import LocalProvider
from headend_local.settings import LocalSettings


@pytest.fixture
def platform(server) -> Iterator[headend.StreamingPlatform]:
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    with headend.open("local", settings={"url": server.http_url, "token": token}) as opened:
        yield opened


def test_what_is_created_is_what_is_shown_and_listed(platform):
    made = platform.create_live_stream(
        42, name="Ünïcode 🎥", metadata={"event": "opening"}, low_latency=True
    )
    shown = platform.get_live_stream(made.stream_id)

    assert (shown.channel_id, shown.name, dict(shown.metadata or {})) == (
        "42",
        "Ünïcode 🎥",
        {"event": "opening"},
    )
    assert (shown.state, shown.low_latency, shown.provider) == (StreamState.IDLE, True, "local")
    assert shown.playback_url == made.playback_url == platform.get_playback_url(made.stream_id)
    assert shown in list(platform.list_live_streams())
    assert platform.get_credentials(made.stream_id) == made


def test_the_key_is_in_no_address_and_in_no_live_stream(platform):
    made = platform.create_live_stream("secret-check")
    key = made.stream_key.reveal()

    assert key not in f"{made} {made.playback_url} {platform.get_live_stream(made.stream_id)}"
    assert made.push_url_with_key().reveal() == f"{made.rtmp_push_url}/{key}"
    assert made.ingests[0].stream_key == made.stream_key


def test_playback_is_low_latency_only_when_asked_for(platform):
    plain = platform.create_live_stream(1)
    low = platform.create_live_stream(1, low_latency=True)

    assert plain.playback_url.endswith("/plain.m3u8")
    assert low.playback_url.endswith("/index.m3u8")


def test_a_list_has_all_live_streams_over_many_pages(platform):
    before = {one.stream_id for one in platform.list_live_streams()}
    made = {platform.create_live_stream(number).stream_id for number in range(205)}

    assert {one.stream_id for one in platform.list_live_streams()} == before | made
    for stream_id in made:
        platform.end_live_stream(stream_id)


def test_figures_of_an_idle_live_stream_are_zeros_that_were_measured(platform):
    stream_id = platform.create_live_stream(7).stream_id
    one = platform.get_analytics(stream_id)

    assert (one.viewer_count, one.peak_viewers, one.total_watch_time) == (0, 0, 0)
    assert [each.stream_id for each in platform.get_analytics_many([stream_id])] == [stream_id]
    with pytest.raises(headend.StreamNotFoundError):
        platform.get_analytics_many([stream_id, "no-such"])


def test_the_old_key_is_dead_after_rotation(server, platform):
    made = platform.create_live_stream("rotate")
    rotated = platform.rotate_stream_key(made.stream_id)

    assert rotated.stream_id == made.stream_id
    assert rotated.stream_key != made.stream_key
    connect = server.create().connect
    with pytest.raises(PublishRefusedError):
        connect(made.stream_key)
    connect(rotated.stream_key).close()


def test_disabled_refuses_encoders_until_enabled(server, platform):
    made = platform.create_live_stream("off and on")
    connect = server.create().connect

    assert platform.disable_live_stream(made.stream_id).state is StreamState.DISABLED
    with pytest.raises(PublishRefusedError, match="disabled"):
        connect(made.stream_key)
    with pytest.raises(headend.ConflictError):
        platform.wait_until_live(made.stream_id, 5)
    assert platform.enable_live_stream(made.stream_id).state is StreamState.IDLE
    connect(made.stream_key).close()


def test_ending_twice_is_no_error_and_everything_else_is_not_found(platform):
    stream_id = platform.create_live_stream("end").stream_id

    assert platform.end_live_stream(stream_id).outcome is headend.EndOutcome.ENDED
    assert platform.end_live_stream(stream_id).outcome is headend.EndOutcome.ALREADY_GONE
    for operation in (
        platform.get_live_stream,
        platform.get_credentials,
        platform.get_playback_url,
        platform.get_analytics,
        platform.rotate_stream_key,
    ):
        with pytest.raises(headend.StreamNotFoundError):
            operation(stream_id)


def test_a_live_stream_goes_live_and_becomes_playable(server, platform, clip):
    made = platform.create_live_stream("live", low_latency=True)
    with server.create().connect(made.stream_key) as encoder:
        for tag in clip.tags:
            encoder.send(tag)
        assert platform.wait_until_playable(made.stream_id, 10) == made.playback_url
        assert platform.wait_until_live(made.stream_id, 10).stream_id == made.stream_id
        assert platform.get_analytics(made.stream_id).viewer_count == 0, "a probe is no viewer"


def test_health_proves_address_and_token(server, platform):
    health = platform.check_health()

    assert health.ok
    assert server.rtmp_url in health.message


def test_a_wrong_token_is_an_authentication_error_that_says_what_to_do(server):
    settings = {"url": server.http_url, "token": "planted-wrong-token"}
    with (
        headend.open("local", settings=settings) as platform,
        pytest.raises(headend.AuthenticationError, match="HEADEND_DATA_DIR") as caught,
    ):
        platform.check_health()

    assert "planted-wrong-token" not in repr(caught.value) + str(caught.value)
    assert "planted-wrong-token" not in str(pickle.dumps(caught.value))
    assert caught.value.request_id


def test_no_server_says_how_to_start_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HEADEND_LOCAL_URL", "http://127.0.0.1:1")
    with headend.open("local") as platform:
        with pytest.raises(headend.PlatformUnavailableError, match="headend server"):
            platform.check_health()
        (tmp_path / "token").write_text("t")
        with pytest.raises(headend.PlatformUnavailableError, match="headend server") as caught:
            platform.check_health()
        assert caught.value.request_sent is False
        assert not platform.is_healthy()


@pytest.mark.parametrize("url", ["", "  "])
def test_an_empty_address_counts_as_the_default(monkeypatch, url):
    monkeypatch.setenv("HEADEND_LOCAL_URL", url)
    headend.open("local").close()


def test_an_address_that_is_none_is_told_by_its_variable(monkeypatch):
    monkeypatch.setenv("HEADEND_LOCAL_URL", "ftp://example")
    with pytest.raises(headend.ConfigurationError, match="HEADEND_LOCAL_URL"):
        headend.open("local")


# ---------------------------------------------------------------------- answers of strangers


class HurriedClock(SystemClock):
    """A clock on which the waits between two attempts take no time."""

    def sleep(self, seconds: float) -> None:
        pass


def provider_that_hears(answer: Callable[[httpx.Request], httpx.Response]) -> LocalProvider:
    clock = HurriedClock()
    provider = LocalProvider(
        LocalSettings(url="http://127.0.0.1:8935", token=Secret("planted-token")),
        ProviderContext(
            calls=Calls(clock=clock), clock=clock, random=random.Random(1), data_dir=Path()
        ),
    )
    provider._client = httpx.Client(
        transport=httpx.MockTransport(answer), base_url=provider._client.base_url
    )
    return provider


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
LIVE_STREAM = {
    "id": "abc",
    "channel_id": "42",
    "name": None,
    "metadata": {},
    "low_latency": True,
    "marker": None,
    "enabled": True,
    "state": "idle",
    "state_reason": None,
    "created_at": "2026-11-22T00:00:00+00:00",
    "rtmp_push_url": "rtmp://127.0.0.1:1935/live",
    "playback_url": "http://127.0.0.1:8935/live/abc/index.m3u8",
    "player_url": "http://127.0.0.1:8935/live/abc/",
    "warnings": [],
    "stream_key": "planted-key",
    "as_of": "2026-11-22T00:00:00+00:00",
    "viewer_count": 1,
    "peak_viewers": 2,
    "total_watch_time": 3.5,
    "current_bitrate": 4,
    "unknown": {},
    "ingest": None,
}


@given(
    status=st.sampled_from([200, 201, 400, 401, 403, 404, 409, 413, 429, 500, 502]),
    changed=st.dictionaries(st.sampled_from(sorted(LIVE_STREAM)), ANY_JSON, max_size=3),
    whole=st.none() | ANY_JSON,
)
def test_any_answer_gives_a_model_or_a_platform_error(status, changed, whole):
    body = {**LIVE_STREAM, **changed} if whole is None else whole
    provider = provider_that_hears(lambda _: httpx.Response(status, json=body))
    request = CreateRequest(channel_id="42", marker="m")
    for call in (
        lambda: provider.create_live_stream(request),
        lambda: provider.get_live_stream("abc"),
        lambda: list(provider.list_live_streams()),
        lambda: provider.get_analytics("abc"),
        lambda: provider.get_playback_url("abc"),
        lambda: provider.end_live_stream("abc", delete_recordings=False),
        provider.check_health,
    ):
        told = ""
        try:
            call()
        except headend.PlatformError as error:
            told = f"{error} {error!r}"
        assert "planted" not in told
    provider.close()


def test_a_state_word_from_a_newer_server_is_unknown_and_kept():
    answer = {**LIVE_STREAM, "state": "hibernating"}
    provider = provider_that_hears(lambda _: httpx.Response(200, json=answer))

    shown = provider.get_live_stream("abc")

    assert shown.state is StreamState.UNKNOWN
    assert "hibernating" in str(shown.state_reason)


@pytest.mark.parametrize("body", [b"<html>log in</html>", b'{"id": "ab', b"[]", b""])
def test_an_answer_that_is_no_json_object_is_a_protocol_error(body):
    provider = provider_that_hears(lambda _: httpx.Response(200, content=body))

    with pytest.raises(headend.PlatformProtocolError, match="HEADEND_LOCAL_URL"):
        provider.get_live_stream("abc")


def test_a_page_token_that_comes_twice_ends_the_list_with_an_error():
    page = {"live_streams": [], "next": "again"}
    provider = provider_that_hears(lambda _: httpx.Response(200, json=page))

    with pytest.raises(headend.PlatformProtocolError, match="twice"):
        list(provider.list_live_streams())


@pytest.mark.parametrize(
    ("failure", "expected", "sent"),
    [
        (httpx.ConnectError("planted"), headend.PlatformUnavailableError, False),
        (httpx.ConnectTimeout("planted"), headend.PlatformTimeoutError, False),
        (httpx.ReadTimeout("planted"), headend.PlatformTimeoutError, None),
        (httpx.ReadError("planted"), headend.PlatformUnavailableError, None),
        (httpx.RemoteProtocolError("planted"), headend.PlatformUnavailableError, None),
    ],
)
def test_a_broken_connection_tells_whether_the_request_left(failure, expected, sent):
    def answer(_request: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(expected) as caught:
        provider_that_hears(answer).get_live_stream("abc")

    assert caught.value.request_sent is sent
    assert caught.value.__cause__ is failure


def test_neither_key_nor_token_is_logged(caplog, server, platform):
    caplog.set_level(logging.DEBUG)
    made = platform.create_live_stream("logged?")

    assert "/api/v1/live-streams" in caplog.text, "httpx logs its requests"
    assert made.stream_key.reveal() not in caplog.text
    assert server.client.headers["Authorization"].removeprefix("Bearer ") not in caplog.text
