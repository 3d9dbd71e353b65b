"""What a host holds: one provider, opened, checked, and asked only what it can do."""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import pytest

import headend
from headend.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    HeadendError,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    PluginError,
    StreamNotFoundError,
    UnsupportedError,
)
from headend.models import EndOutcome, StreamState
from headend.platform import StreamingPlatform
from headend.presets import PRESETS
from headend.provider import PROTOCOLS, RotatesKeys
from headend.secret import Secret
from headend.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from tests.conftest import FakeClock, Installer, Opened

TOKEN = "t0ken-of-acme"


@pytest.mark.usefixtures("acme", "acme_settings")
class TestOpening:
    def test_streaming_platform_selects_the_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMING_PLATFORM", "plain")

        with headend.open() as platform:
            assert platform.provider == "plain"

    def test_the_argument_overrides_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMING_PLATFORM", "plain")

        with headend.open("acme") as platform:
            assert platform.provider == "acme"

    def test_an_unknown_value_of_it_names_the_installed_ones_and_the_closest(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STREAMING_PLATFORM", "plaine")

        with pytest.raises(PluginError, match=r"installed are acme, .*did you mean 'plain'\?"):
            headend.open()

    def test_missing_settings_are_told_before_the_provider_is_made(
        self, acme: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ACME_ACCOUNT", "")
        monkeypatch.delenv("ACME_API_TOKEN")
        monkeypatch.setenv("ACME_TIMEOUT", "soon")

        with pytest.raises(ConfigurationError) as caught:
            headend.open("acme")

        assert caught.value.problems == (
            "ACME_ACCOUNT: is missing. The number on your bill.",
            "ACME_API_TOKEN: is missing. Make one in your account.",
            "ACME_TIMEOUT: must be a number, not 'soon'. Seconds.",
        )
        assert acme.made == []

    def test_the_provider_gets_its_settings_and_what_touches_the_world(
        self, acme: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path))
        headend.open("acme", settings={"timeout": 3}).close()
        (provider,) = acme.made

        assert provider.settings.api_token == Secret(TOKEN)
        assert (provider.settings.account, provider.settings.timeout) == ("4711", 3.0)
        assert provider.context.data_dir == tmp_path
        assert provider.context.clock.now().tzinfo is not None

    def test_the_file_gives_settings_to_its_provider(
        self, acme: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "headend.toml"
        file.write_text('[headend]\nstreaming_platform = "acme"\n[providers.acme]\ntimeout = 9\n')
        monkeypatch.setenv("HEADEND_CONFIG", str(file))
        headend.open().close()

        assert acme.made[0].settings.timeout == 9.0

    def test_nothing_shows_a_secret(self) -> None:
        with headend.open("acme") as platform:
            assert TOKEN not in repr(platform)
        with pytest.raises(ConfigurationError) as caught:
            headend.open("acme", settings={"timeout": -1, "api_tokn": TOKEN})
        assert TOKEN not in str(caught.value)

    def test_nothing_is_asked_of_the_platform(self, acme: ModuleType) -> None:
        headend.open("acme").close()

        assert acme.made[0].asked == ["close"]


class TestClosing:
    def test_leaving_the_block_closes_the_provider_once(self, opened: Opened) -> None:
        platform, provider = opened()
        with platform:
            pass
        platform.close()
        platform.close()

        assert provider.asked == ["close"]

    def test_after_closing_every_operation_says_so(self, opened: Opened) -> None:
        platform, provider = opened()
        platform.close()

        for call in operations(platform):
            with pytest.raises(HeadendError, match="this platform is closed; headend"):
                call()
        assert provider.asked == ["close"]
        assert repr(platform) == "<StreamingPlatform acme (closed)>"


def taken(result: object) -> object:
    """Take a lazy list to its end."""
    return list(result) if isinstance(result, Iterator) else result


def operations(platform: StreamingPlatform) -> list[Callable[[], object]]:
    """Return a call of every operation, with arguments that are right."""
    return [
        lambda: platform.create_live_stream(42),
        lambda: platform.get_live_stream("live-1"),
        lambda: list(platform.list_live_streams()),
        lambda: platform.get_credentials("live-1"),
        lambda: platform.get_playback_url("live-1"),
        lambda: platform.get_analytics("live-1"),
        lambda: platform.get_analytics_many(["live-1"]),
        lambda: platform.end_live_stream("live-1"),
        platform.check_health,
        lambda: platform.wait_until_live("live-1", 1),
        lambda: platform.wait_until_playable("live-1", 1),
        *abilities(platform).values(),
    ]


def abilities(platform: StreamingPlatform) -> dict[str, Callable[[], object]]:
    """Return a call of every operation that only some providers have."""
    return {
        "rotate_stream_key": lambda: platform.rotate_stream_key("live-1"),
        "enable_live_stream": lambda: platform.enable_live_stream("live-1"),
        "disable_live_stream": lambda: platform.disable_live_stream("live-1"),
        "list_recordings": lambda: platform.list_recordings("live-1"),
        "delete_recording": lambda: platform.delete_recording("rec-1"),
        "list_simulcast_targets": lambda: platform.list_simulcast_targets("live-1"),
        "create_simulcast_target": lambda: platform.create_simulcast_target(
            "live-1", "rtmp://elsewhere.example/app", Secret("other")
        ),
        "update_simulcast_target": lambda: platform.update_simulcast_target(
            "live-1", "target-1", enabled=False
        ),
        "delete_simulcast_target": lambda: platform.delete_simulcast_target("live-1", "target-1"),
        "create_playback_token": lambda: platform.create_playback_token("live-1", expires_in=60),
        "parse_event": lambda: platform.parse_event({"signature": "good"}, b"{}"),
        "list_sessions": lambda: platform.list_sessions("live-1"),
        "get_session": lambda: platform.get_session("live-1", "session-1"),
        "put_timed_metadata": lambda: platform.put_timed_metadata("live-1", "goal!"),
    }


CAPABILITY_OF = {
    name: capability
    for capability, protocol in PROTOCOLS.items()
    for name in vars(protocol)
    if not name.startswith("_")
}


class TestOperations:
    def test_the_whole_life_of_a_live_stream(self, opened: Opened) -> None:
        platform, provider = opened()
        made = platform.create_live_stream(
            42, name="The news", metadata={"show": "news"}, low_latency=True
        )
        stream = platform.get_live_stream(made.stream_id)

        assert made.stream_key.reveal() == "key-of-live-1"
        assert made.rtmp_push_url == "rtmps://ingest.acme.example/live"
        assert made.playback_url == platform.get_playback_url(made.stream_id)
        assert platform.get_credentials(made.stream_id) == made
        assert (stream.channel_id, stream.name, stream.low_latency) == ("42", "The news", True)
        assert stream.metadata == {"show": "news"}
        assert platform.get_analytics(made.stream_id).viewer_count == 0
        assert platform.is_healthy()
        assert platform.end_live_stream(made.stream_id).outcome is EndOutcome.ENDED
        assert platform.end_live_stream(made.stream_id).outcome is EndOutcome.ALREADY_GONE
        with pytest.raises(StreamNotFoundError):
            platform.get_live_stream(made.stream_id)
        assert provider.asked[0] == "create_live_stream"

    def test_a_number_and_its_text_are_the_same_channel(self, opened: Opened) -> None:
        platform, provider = opened()
        platform.create_live_stream(42)
        platform.create_live_stream("42")

        assert [request.channel_id for request in provider.requests] == ["42", "42"]

    def test_every_live_stream_gets_a_mark_of_its_own(self, opened: Opened) -> None:
        platform, provider = opened()
        for _ in range(5):
            platform.create_live_stream(42)
        marks = {request.marker for request in provider.requests}

        assert len(marks) == 5
        assert all(mark.startswith("headend-test-") and len(mark) == 37 for mark in marks)

    def test_a_list_is_taken_page_by_page(self, opened: Opened) -> None:
        platform, provider = opened()
        for number in range(5):
            platform.create_live_stream(number)
        provider.asked.clear()
        streams = platform.list_live_streams()

        assert provider.asked == []
        assert next(streams).channel_id == "0"
        assert provider.asked == ["list_live_streams"]
        assert [one.channel_id for one in streams] == ["1", "2", "3", "4"]
        assert provider.asked == ["list_live_streams"] * 3

    def test_recordings_are_kept_unless_they_are_to_go(self, opened: Opened) -> None:
        platform, _ = opened()
        one, other = (platform.create_live_stream(number).stream_id for number in range(2))

        assert [one.recording_id for one in platform.end_live_stream(one).recordings_kept] == [
            "rec-1"
        ]
        assert platform.end_live_stream(other, delete_recordings=True).recordings_kept == ()

    def test_what_the_platform_says_no_to_reaches_the_host_unchanged(self, opened: Opened) -> None:
        platform, provider = opened()
        provider.failing = AuthenticationError("expired", provider="acme", operation="x")

        for call in operations(platform):
            with pytest.raises(AuthenticationError) as caught:
                taken(call())
            assert caught.value is provider.failing

    def test_an_error_tells_what_was_asked_for_and_which_step_of_it_failed(
        self, opened: Opened
    ) -> None:
        platform, provider = opened()
        for name, call in {
            "get_live_stream": lambda: platform.get_live_stream("live-1"),
            "list_live_streams": lambda: list(platform.list_live_streams()),
            "list_recordings": lambda: list(platform.list_recordings("live-1")),
            "end_live_stream": lambda: platform.end_live_stream("live-1"),
            "wait_until_live": lambda: platform.wait_until_live("live-1"),
            "wait_until_playable": lambda: platform.wait_until_playable("live-1"),
        }.items():
            provider.failing = AuthenticationError("expired", provider="acme", operation="AskAcme")
            with pytest.raises(AuthenticationError) as caught:
                call()
            assert (caught.value.operation, caught.value.step) == (name, "AskAcme")
            assert str(caught.value) == f"expired (acme {name}, AskAcme)"

    def test_a_step_of_the_operations_own_name_is_not_told_twice(self, opened: Opened) -> None:
        platform, _ = opened()
        with pytest.raises(StreamNotFoundError) as caught:
            platform.get_live_stream("live-9")

        assert (caught.value.operation, caught.value.step) == ("get_live_stream", None)
        assert "(acme get_live_stream, HTTP 404," in str(caught.value)

    def test_a_platform_that_fails_is_not_healthy(self, opened: Opened) -> None:
        platform, provider = opened()
        provider.failing = PlatformUnavailableError("down", provider="acme", operation="x")

        assert platform.is_healthy() is False

    def test_a_defect_is_no_state_of_health(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform, provider = opened()
        monkeypatch.setattr(provider, "check_health", lambda: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            platform.is_healthy()


class TestAbilities:
    def test_every_operation_of_every_capability_is_tested_here(self, opened: Opened) -> None:
        assert set(abilities(opened()[0])) | {"get_analytics_many"} == set(CAPABILITY_OF)

    @pytest.mark.parametrize("operation", sorted(set(CAPABILITY_OF) - {"get_analytics_many"}))
    def test_it_is_done_by_a_provider_that_can(self, operation: str, opened: Opened) -> None:
        platform, provider = opened("acme")
        platform.create_live_stream(42)
        result = taken(abilities(platform)[operation]())
        asked = provider.asked[1].partition(" ")[0]

        assert asked == operation
        assert (result is None) == (
            operation in {"delete_recording", "delete_simulcast_target", "put_timed_metadata"}
        )

    @pytest.mark.parametrize("operation", sorted(set(CAPABILITY_OF) - {"get_analytics_many"}))
    def test_it_is_refused_before_a_provider_that_cannot_is_touched(
        self, operation: str, opened: Opened
    ) -> None:
        platform, provider = opened("plain")
        capability = CAPABILITY_OF[operation]

        with pytest.raises(UnsupportedError) as caught:
            abilities(platform)[operation]()

        assert str(caught.value) == (
            f"plain does not support {operation}: it lacks the capability {capability}; "
            "its capabilities are none"
        )
        assert (caught.value.provider, caught.value.feature) == ("plain", capability)
        assert provider.asked == []

    def test_low_latency_is_refused_where_there_is_none(self, opened: Opened) -> None:
        platform, provider = opened("plain")
        with pytest.raises(UnsupportedError, match="plain does not support low_latency=True"):
            platform.create_live_stream(42, low_latency=True)

        assert provider.asked == []

    def test_deleting_recordings_is_refused_where_there_are_none(self, opened: Opened) -> None:
        platform, provider = opened("plain")
        with pytest.raises(UnsupportedError, match="does not support delete_recordings=True"):
            platform.end_live_stream("live-1", delete_recordings=True)

        assert provider.asked == []

    def test_the_refusal_tells_what_the_provider_can_do(
        self, install: Installer, acme: ModuleType, opened: Opened
    ) -> None:
        platform, _ = opened("acme")

        assert Capability.SRT not in platform.capabilities
        with pytest.raises(
            UnsupportedError, match="its capabilities are batch-analytics, enable, events"
        ):
            platform._need(Capability.SRT, "SRT")

    def test_a_playback_token_is_good_for_some_time(self, opened: Opened) -> None:
        platform, _ = opened()

        for short in (0, -1, 0.5, float("nan")):
            with pytest.raises(InvalidRequestError, match="expires_in must be at least 1 second"):
                platform.create_playback_token("live-1", expires_in=short)
        for given in ("60", None, True):
            with pytest.raises(InvalidRequestError, match="expires_in is a number of seconds, not"):
                platform.create_playback_token("live-1", expires_in=given)  # type: ignore[arg-type]  # what a host may pass

    def test_a_key_for_elsewhere_that_is_plain_text_becomes_a_secret(self, opened: Opened) -> None:
        platform, _ = opened()
        stream_id = platform.create_live_stream(1).stream_id
        target = platform.create_simulcast_target(stream_id, "rtmp://x/y", "key")

        assert target.enabled
        for key in (None, b"key", 5):
            with pytest.raises(InvalidRequestError, match="stream key is a Secret or a str, not"):
                platform.create_simulcast_target(stream_id, "rtmp://x/y", key)  # type: ignore[arg-type]  # as above
        with pytest.raises(InvalidRequestError, match="an address is a str, not NoneType"):
            platform.create_simulcast_target(stream_id, None, "key")  # type: ignore[arg-type]  # as above

    def test_a_message_may_be_bytes_or_text_and_nothing_else(self, opened: Opened) -> None:
        platform, _ = opened()
        for body in (b'{"a": 1}', '{"a": 1}', bytearray(b'{"a": 1}'), memoryview(b'{"a": 1}')):
            assert platform.parse_event({"signature": "good"}, body).raw == '{"a": 1}'  # type: ignore[arg-type]  # as above
        for wrong in (None, {"a": 1}):
            with pytest.raises(InvalidRequestError, match="a body is bytes just as they came, not"):
                platform.parse_event({"signature": "good"}, wrong)  # type: ignore[arg-type]  # as above
        with pytest.raises(InvalidRequestError, match="headers are names with values"):
            platform.parse_event(None, b"{}")  # type: ignore[arg-type]  # as above

    def test_a_message_that_is_not_from_the_platform_is_refused(self, opened: Opened) -> None:
        platform, _ = opened()

        with pytest.raises(AuthenticationError, match="the signature is wrong"):
            platform.parse_event({"signature": "forged"}, b"{}")


class TestNative:
    def test_it_is_the_provider_itself(self, opened: Opened, acme: ModuleType) -> None:
        platform, provider = opened()

        assert platform.native(acme.AcmeProvider) is provider
        assert platform.native(RotatesKeys) is provider
        assert provider.asked == []

    def test_one_of_another_kind_is_refused_and_both_are_named(
        self, opened: Opened, acme: ModuleType
    ) -> None:
        platform, _ = opened("plain")

        with pytest.raises(UnsupportedError) as caught:
            platform.native(acme.AcmeProvider)

        assert str(caught.value) == "plain is no AcmeProvider; it is a PlainProvider"
        assert (caught.value.provider, caught.value.feature) == ("plain", "AcmeProvider")

    def test_there_is_none_after_closing(self, opened: Opened, acme: ModuleType) -> None:
        platform, _ = opened()
        platform.close()

        with pytest.raises(HeadendError, match="is closed"):
            platform.native(acme.AcmeProvider)


class TestAnalyticsOfMany:
    def test_a_provider_that_batches_is_asked_once(self, opened: Opened) -> None:
        platform, provider = opened("acme")
        ids = [platform.create_live_stream(number).stream_id for number in range(3)]
        provider.asked.clear()
        found = platform.get_analytics_many(list(reversed(ids)))

        assert [one.stream_id for one in found] == ["live-3", "live-2", "live-1"]
        assert provider.asked[0] == "get_analytics_many live-3,live-2,live-1"

    def test_one_that_does_not_is_asked_for_each(self, opened: Opened) -> None:
        platform, provider = opened("plain")
        ids = [platform.create_live_stream(number).stream_id for number in range(3)]
        provider.asked.clear()
        found = platform.get_analytics_many(list(reversed(ids)))

        assert [one.stream_id for one in found] == ["live-3", "live-2", "live-1"]
        assert provider.asked == ["get_analytics"] * 3

    def test_one_id_alone_is_not_taken_for_its_letters(self, opened: Opened) -> None:
        platform, provider = opened()

        with pytest.raises(InvalidRequestError, match=r"one alone is \[stream_id\]"):
            platform.get_analytics_many("live-1")
        assert provider.asked == []


class TestOptions:
    def test_options_become_the_types_of_the_providers_class(
        self, opened: Opened, acme: ModuleType
    ) -> None:
        """The command line gives texts, a host gives values: both arrive the same."""
        platform, provider = opened()
        settings = importlib.import_module("headend_acme.settings")
        platform.create_live_stream(1, options={"record": "yes", "keep_days": "30", "region": "us"})
        platform.create_live_stream(
            1, options={"record": True, "keep_days": 30, "region": settings.Region.AMERICA}
        )
        expected = settings.AcmeOptions(record=True, keep_days=30, region=settings.Region.AMERICA)

        assert [request.options for request in provider.requests] == [expected, expected]

    def test_without_options_the_defaults_hold(self, opened: Opened) -> None:
        platform, provider = opened()
        platform.create_live_stream(1)

        settings = importlib.import_module("headend_acme.settings")

        assert provider.requests[0].options == settings.AcmeOptions(record=False)

    def test_an_unknown_option_is_refused_and_the_known_ones_are_named(
        self, opened: Opened
    ) -> None:
        platform, provider = opened()
        with pytest.raises(UnsupportedError) as caught:
            platform.create_live_stream(1, options={"recrod": True})

        assert str(caught.value) == (
            "option recrod: no such option: known are keep_days, record, region; "
            "did you mean record?"
        )
        assert (caught.value.provider, caught.value.feature) == ("acme", "recrod")
        assert provider.asked == []

    def test_a_provider_without_options_refuses_them_all(self, opened: Opened) -> None:
        platform, provider = opened("plain")
        with pytest.raises(UnsupportedError, match="option record: no such option: plain has none"):
            platform.create_live_stream(1, options={"record": True})
        platform.create_live_stream(1, options={})

        assert provider.requests[0].options is None

    def test_every_wrong_value_is_told_at_once(self, opened: Opened) -> None:
        platform, provider = opened()
        with pytest.raises(InvalidRequestError) as caught:
            platform.create_live_stream(1, options={"record": "perhaps", "region": "moon"})

        assert caught.value.message == (
            "option record: must be true or false, not 'perhaps'; "
            "option region: must be one of eu, us, not 'moon'"
        )
        assert caught.value.request_sent is False
        assert provider.asked == []


class TestArguments:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (Secret("sk-hunter2"), "a secret is not a stream id; pass credentials.stream_id"),
            (None, "a stream id is a str, not NoneType"),
            (42, "a stream id is a str, not int"),
            ("", "a stream id is not empty and has no control characters"),
            ("live\n1", "a stream id is not empty and has no control characters"),
        ],
    )
    def test_what_is_no_stream_id_is_refused_by_every_operation(
        self, value: str, words: str, opened: Opened
    ) -> None:
        platform, provider = opened()
        calls = {
            name: method
            for name, method in inspect.getmembers(platform, inspect.ismethod)
            if "stream_id" in inspect.signature(method).parameters
        }
        more: dict[str, dict[str, object]] = {
            "check_encoding": {"encoding": PRESETS["720p"]},
            "create_playback_token": {"expires_in": 1},
            "create_simulcast_target": {"server_url": "rtmp://x/y", "stream_key": Secret("k")},
            "delete_simulcast_target": {"target_id": "t"},
            "get_session": {"session_id": "s"},
            "put_timed_metadata": {"text": "t"},
            "update_simulcast_target": {"target_id": "t", "enabled": True},
            "wait_until_live": {"timeout": 1},
            "wait_until_playable": {"timeout": 1},
        }

        assert len(calls) >= 15
        for name, call in calls.items():
            if name.startswith("_"):
                continue
            with pytest.raises(InvalidRequestError) as caught:
                call(value, **more.get(name, {}))
            assert caught.value.message == words
            assert caught.value.request_sent is False
            assert "hunter2" not in str(caught.value)
        assert provider.asked == []

    @pytest.mark.parametrize("value", [True, None, 4.2, "", " ", "a\tb", Secret("sk-hunter2")])
    def test_what_is_no_channel_id_is_refused(self, value: str, opened: Opened) -> None:
        platform, provider = opened()
        with pytest.raises(InvalidRequestError, match="a channel id") as caught:
            platform.create_live_stream(value)

        assert "hunter2" not in str(caught.value)
        assert provider.asked == []

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"channel_id": ""}, "a channel id must not be empty"),
            ({"channel_id": Secret("sk-hunter2")}, "a channel id is an int or a str, not Secret"),
            ({"channel_id": 1, "name": 5}, "a name is a str, not int"),
            ({"channel_id": 1, "metadata": {"a": 1}}, "metadata is text to text; 'a' is not"),
            (
                {"channel_id": 1, "metadata": {"key": Secret("sk-hunter2")}},
                "metadata is text to text; 'key' is not",
            ),
        ],
    )
    def test_what_cannot_be_created_is_refused_before_the_provider_is_touched(
        self, arguments: dict[str, object], words: str, opened: Opened
    ) -> None:
        platform, provider = opened()
        with pytest.raises(InvalidRequestError) as caught:
            platform.create_live_stream(**arguments)  # type: ignore[arg-type]  # wrong on purpose

        assert caught.value.message == words
        assert provider.asked == []

    def test_other_ids_are_named_by_what_they_are(self, opened: Opened) -> None:
        platform, _ = opened()

        with pytest.raises(InvalidRequestError, match="a recording id is not empty"):
            platform.delete_recording("")
        with pytest.raises(InvalidRequestError, match="a target id is not empty"):
            platform.delete_simulcast_target("live-1", "")


class TestWaitingUntilLive:
    def test_it_returns_as_soon_as_the_live_stream_is_live(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(1).stream_id
        clock.at(2.5, lambda: provider.set_state(stream_id, StreamState.CONNECTING))
        clock.at(4.5, lambda: provider.set_state(stream_id, StreamState.LIVE))
        stream = platform.wait_until_live(stream_id, timeout=60)

        assert stream.state is StreamState.LIVE
        assert clock.naps == [1.0] * 5

    def test_it_does_not_sleep_when_it_is_live_already(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(1).stream_id
        provider.set_state(stream_id, StreamState.LIVE)
        platform.wait_until_live(stream_id, timeout=0)

        assert clock.naps == []

    @pytest.mark.parametrize(
        ("state", "reason", "seen"),
        [
            (StreamState.IDLE, None, "it is idle"),
            (StreamState.CONNECTING, "no video yet", "it is connecting: no video yet"),
            (StreamState.ERROR, "ingest broke", "it is error: ingest broke"),
        ],
    )
    def test_after_the_timeout_it_tells_what_was_seen_last(
        self,
        state: StreamState,
        reason: str | None,
        seen: str,
        opened: Opened,
        clock: FakeClock,
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(1).stream_id
        provider.set_state(stream_id, state, reason)
        with pytest.raises(PlatformTimeoutError) as caught:
            platform.wait_until_live(stream_id, timeout=2.5)

        assert str(caught.value) == (f"not within 2.5 s; last seen: {seen} (acme wait_until_live)")
        assert clock.naps == [1.0, 1.0, 0.5]

    @pytest.mark.parametrize("state", [StreamState.ENDED, StreamState.DISABLED])
    def test_it_does_not_wait_for_what_cannot_come(
        self, state: StreamState, opened: Opened, clock: FakeClock
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(1).stream_id
        clock.at(1, lambda: provider.set_state(stream_id, state))
        with pytest.raises(ConflictError, match=f"live-1 is {state} and will not go live"):
            platform.wait_until_live(stream_id, timeout=60)

        assert clock.naps == [1.0]

    def test_a_live_stream_that_is_gone_is_not_waited_for(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, _ = opened()

        with pytest.raises(StreamNotFoundError):
            platform.wait_until_live("live-1", timeout=60)
        assert clock.naps == []

    @pytest.mark.parametrize("timeout", [0, -1, float("nan")])
    def test_without_time_it_looks_once(
        self, timeout: float, opened: Opened, clock: FakeClock
    ) -> None:
        platform, provider = opened()
        stream_id = platform.create_live_stream(1).stream_id
        with pytest.raises(PlatformTimeoutError):
            platform.wait_until_live(stream_id, timeout)

        assert provider.asked.count("get_live_stream") == 1
        assert clock.naps == []


class Site:
    """A web server on loopback whose pages a test puts there."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.otherwise = 404
        pages = self.pages
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = pages.get(self.path)
                self.send_response(site.otherwise if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, body: str) -> None:
        self.pages[path] = body.encode()


@pytest.fixture(scope="module")
def web() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def site(web: Site) -> Site:
    web.pages.clear()
    return web


MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nmedia.m3u8\n"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
MEDIA = f'{HEAD}#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2,\n1.m4s\n#EXTINF:2,\n2.m4s\n'


class TestWaitingUntilPlayable:
    @pytest.fixture
    def live(self, opened: Opened, site: Site) -> tuple[StreamingPlatform, str]:
        platform, provider = opened()
        provider.playback_base = site.url
        return platform, platform.create_live_stream(1).stream_id

    def publish(self, site: Site, **pages: str) -> None:
        for name, body in pages.items():
            site.put(f"/live-1/{name.replace('__', '.')}", body)

    def test_it_returns_the_address_when_a_player_would_get_video(
        self, live: tuple[StreamingPlatform, str], site: Site, clock: FakeClock
    ) -> None:
        """What is missing comes one by one: playlist, list of segments, init section, segment."""
        platform, stream_id = live
        for second, name, body in (
            (1, "index__m3u8", MASTER),
            (2, "media__m3u8", HEAD),
            (3, "media__m3u8", MEDIA),
            (4, "init__mp4", "ftyp"),
            (5, "2__m4s", "moof"),
        ):
            clock.at(second, partial(self.publish, site, **{name: body}))
        url = platform.wait_until_playable(stream_id, timeout=60)

        assert url == f"{site.url}/live-1/index.m3u8"
        assert clock.naps == [1.0] * 5

    def test_a_media_playlist_alone_is_enough(
        self, live: tuple[StreamingPlatform, str], site: Site, clock: FakeClock
    ) -> None:
        platform, stream_id = live
        self.publish(site, index__m3u8=f"{HEAD}#EXTINF:2,\n1.ts\n", **{"1__ts": "G"})
        platform.wait_until_playable(stream_id, timeout=5)

        assert clock.naps == []

    @pytest.mark.parametrize(
        ("pages", "reason"),
        [
            ({}, "the playlist answers HTTP 404, 0 bytes"),
            ({"index__m3u8": "<html>"}, "not an HLS playlist: it does not start with #EXTM3U"),
            ({"index__m3u8": MASTER}, "the media playlist answers HTTP 404, 0 bytes"),
            (
                {"index__m3u8": MASTER, "media__m3u8": MASTER},
                "the playlist lists another list of playlists",
            ),
            ({"index__m3u8": HEAD}, "the playlist has no segments yet"),
            ({"index__m3u8": MEDIA}, "the init section answers HTTP 404, 0 bytes"),
            (
                {"index__m3u8": MEDIA, "init__mp4": "ftyp", "1__m4s": "moof"},
                "the latest segment answers HTTP 404, 0 bytes",
            ),
            (
                {"index__m3u8": MEDIA, "init__mp4": "ftyp", "2__m4s": ""},
                "the latest segment answers HTTP 200, 0 bytes",
            ),
            (
                {"index__m3u8": MASTER.replace("media.m3u8", "ftp://elsewhere/media.m3u8")},
                "the URL must be absolute and start with http:// or https://",
            ),
        ],
    )
    def test_after_the_timeout_it_tells_what_a_player_would_have_met(
        self,
        pages: dict[str, str],
        reason: str,
        live: tuple[StreamingPlatform, str],
        site: Site,
        clock: FakeClock,
    ) -> None:
        platform, stream_id = live
        self.publish(site, **pages)
        with pytest.raises(PlatformTimeoutError) as caught:
            platform.wait_until_playable(stream_id, timeout=1.5)

        assert caught.value.message == (
            f"not within 1.5 s; last seen: nothing is being pushed to it ({reason})"
        )
        assert caught.value.operation == "wait_until_playable"
        assert clock.naps == [1.0, 0.5]

    @pytest.mark.parametrize("status", [401, 403])
    def test_where_viewers_are_refused_it_does_not_wait_and_tells_what_to_wait_for_instead(
        self,
        status: int,
        live: tuple[StreamingPlatform, str],
        site: Site,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        platform, stream_id = live
        monkeypatch.setattr(site, "otherwise", status)
        with pytest.raises(
            PermissionDeniedError,
            match=f"HTTP {status}, 0 bytes, 3 times on end; .* wait_until_live",
        ) as caught:
            platform.wait_until_playable(stream_id, timeout=60)

        assert caught.value.operation == "wait_until_playable"
        assert clock.naps == [1.0, 1.0]

    def test_a_refusal_that_passes_is_waited_out(
        self,
        live: tuple[StreamingPlatform, str],
        site: Site,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        platform, stream_id = live
        for second, status in enumerate((403, 403, 404, 403, 403)):
            clock.at(second, partial(monkeypatch.setattr, site, "otherwise", status))
        clock.at(5, partial(self.publish, site, index__m3u8=f"{HEAD}#EXTINF:2,\n/1.ts\n"))
        site.put("/1.ts", "G")
        platform.wait_until_playable(stream_id, timeout=60)

        assert clock.naps == [1.0] * 5

    def test_a_server_that_is_not_there_is_waited_for(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        platform, provider = opened()
        with Site() as gone:
            provider.playback_base = gone.url
        stream_id = platform.create_live_stream(1).stream_id
        with pytest.raises(PlatformTimeoutError, match="cannot be reached: Connection refused"):
            platform.wait_until_playable(stream_id, timeout=1)

        assert clock.naps == [1.0]

    def test_the_platform_is_asked_once_for_the_address(
        self, live: tuple[StreamingPlatform, str], opened: Opened
    ) -> None:
        platform, stream_id = live
        with pytest.raises(PlatformTimeoutError):
            platform.wait_until_playable(stream_id, timeout=3)

        assert platform._provider.asked.count("get_playback_url") == 1  # type: ignore[attr-defined]  # acme's


def test_a_platform_may_be_used_from_many_threads(opened: Opened) -> None:
    platform, _ = opened()
    failures: list[PlatformError] = []

    def work(number: int) -> None:
        try:
            for _ in range(20):
                stream_id = platform.create_live_stream(number, options={"record": "no"}).stream_id
                platform.get_analytics(stream_id)
        except PlatformError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(list(platform.list_live_streams())) == 80
