"""Each operation against the simulated platform: what it asks, what it makes of the answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from headend.plugin import (
    AuthenticationError,
    Capability,
    ConfigurationError,
    ConflictError,
    CreateRequest,
    EventKind,
    IngestProtocol,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
    RateLimitedError,
    Secret,
    StreamNotFoundError,
    StreamState,
    UncertainOutcomeError,
)
from headend.provider import PROTOCOLS, ConfirmsCreation, Provider
from headend_cloudflare import headend_providers
from headend_cloudflare.provider import CloudflareProvider
from headend_cloudflare.settings import CloudflareOptions
from headend_contract.faults import (
    DROP_ANSWER,
    DROP_REQUEST,
    HTML,
    TRUNCATED,
    UNAVAILABLE,
    answering,
)

ABSENT = "0" * 31 + "1"
KEY_LIKE = "2fb3cb9f17e68a2568d6ebed8d5505eak66be4bf738797e01e1fca35a7bdecdcd"
YOUTUBE = "rtmp://a.rtmp.youtube.com/live2"


def asked(**more: object) -> CreateRequest:
    return CreateRequest(**{"channel_id": "42", "marker": "headend-m", **more})  # type: ignore[arg-type]  # the class checks them


def sent(simulated) -> list[tuple[str, str]]:
    """Return method and path of what came, without what is always the same."""
    return [
        (one.method, one.path.rpartition("/accounts/")[2].partition("/stream")[2])
        for one in simulated.requests
    ]


@pytest.fixture
def made(provider):
    return provider.create_live_stream(asked())


def test_what_the_spec_declares_is_what_the_provider_can_do(provider):
    (spec,) = headend_providers()
    declared = {one for one in spec.capabilities if one in PROTOCOLS}

    assert declared == {
        one for one, protocol in PROTOCOLS.items() if isinstance(provider, protocol)
    }
    assert {Capability.LOW_LATENCY, Capability.SRT, Capability.WHIP} < spec.capabilities
    assert isinstance(provider, Provider)
    assert isinstance(provider, ConfirmsCreation)


# -- creating -------------------------------------------------------------------------------------


def test_a_created_live_stream_records_and_bears_name_channel_and_marker(provider, simulated):
    made = provider.create_live_stream(
        asked(name="Zoë's show", metadata={"a": "1", "name": "other"}, low_latency=True)
    )
    (one,) = simulated.inputs.values()
    read = provider.get_live_stream(made.stream_id)

    assert one.configuration.recording.mode == "automatic"
    assert one.configuration.prefer_low_latency is True
    assert (read.stream_id, read.channel_id, read.name) == (made.stream_id, "42", "Zoë's show")
    assert (read.marker, dict(read.metadata)) == ("headend-m", {"a": "1", "name": "other"})
    assert (read.state, read.low_latency, read.warnings) == (StreamState.IDLE, True, ())
    assert made.warnings == ()
    assert sent(simulated) == [
        ("POST", "/live_inputs"),
        ("GET", f"/live_inputs/{made.stream_id}"),
    ]


def test_each_ingest_lets_an_encoder_in(provider, simulated, clock):
    made = provider.create_live_stream(asked())
    rtmps, srt, whip = made.ingests

    assert [one.protocol for one in made.ingests] == [
        IngestProtocol.RTMPS,
        IngestProtocol.SRT,
        IngestProtocol.WHIP,
    ]
    assert made.rtmp_push_url == rtmps.server_url == "rtmps://live.cloudflare.example:443/live/"
    assert made.push_url_with_key().reveal() == f"{made.rtmp_push_url}{made.stream_key.reveal()}"
    secrets = [made.stream_key, srt.passphrase, Secret(whip.url_with_key.reveal().split("/")[-3])]
    for secret in secrets:
        encoder = simulated.encoder(secret.reveal())
        assert encoder.refusals == 0
        clock.advance(5)
        assert provider.get_live_stream(made.stream_id).state is StreamState.LIVE
        encoder.leave()
        clock.advance(500)
    assert simulated.encoder(made.stream_id).refusals == 1


def test_all_options_reach_the_platform(provider, simulated):
    options = CloudflareOptions(
        delete_recording_after_days=30,
        require_signed_urls=True,
        allowed_origins=("example.com", "*.example.org"),
        timeout_seconds=60,
        hide_live_viewer_count=True,
        default_creator="somebody",
    )
    made = provider.create_live_stream(asked(options=options))
    (one,) = simulated.inputs.values()

    assert made.warnings == ()
    assert one.configuration.delete_recording_after_days == 30
    recording = one.configuration.recording
    assert (recording.require_signed_urls, recording.timeout_seconds) == (True, 60)
    assert list(recording.allowed_origins) == ["example.com", "*.example.org"]
    assert recording.hide_live_viewer_count is True


def test_what_cannot_be_sent_is_refused_before(provider, simulated):
    for bad in (asked(metadata={"a": "x" * 9000}), asked(name="\ud800")):
        with pytest.raises(InvalidRequestError) as caught:
            provider.create_live_stream(bad)
        assert caught.value.request_sent is False
    assert simulated.requests == []


EVERYTHING = CloudflareOptions(
    delete_recording_after_days=30,
    require_signed_urls=True,
    allowed_origins=("example.com",),
    timeout_seconds=60,
    hide_live_viewer_count=True,
)
HARMLESS = (
    "deleteRecordingAfterDays",
    "preferLowLatency",
    "recording.timeoutSeconds",
    "recording.hideLiveViewerCount",
)
GRAVE = ("recording.mode", "recording.requireSignedURLs", "recording.allowedOrigins", "meta")


@pytest.mark.parametrize("name", HARMLESS)
def test_a_setting_that_was_not_kept_is_told(provider, simulated, name):
    simulated.switch(dropped_settings=(name,))

    made = provider.create_live_stream(asked(low_latency=True, options=EVERYTHING))
    (warning,) = made.warnings
    assert name in warning
    assert list(simulated.inputs) == [made.stream_id]
    again = provider.confirm_live_stream(
        asked(low_latency=True, options=EVERYTHING), made.stream_id
    )
    assert again == made


@pytest.mark.parametrize("name", GRAVE)
def test_a_live_stream_without_a_setting_that_matters_is_deleted_again(provider, simulated, name):
    simulated.switch(dropped_settings=(name,))

    with pytest.raises(InvalidRequestError) as caught:
        provider.create_live_stream(asked(options=EVERYTHING))
    assert simulated.created == 1
    assert simulated.inputs == {}
    assert name in str(caught.value)
    assert f"{simulated.deleted[0]} was deleted again" in str(caught.value)
    assert caught.value.request_sent is True


@pytest.mark.parametrize("name", GRAVE)
def test_a_creation_that_is_confirmed_later_is_checked_all_the_same(provider, simulated, name):
    made = provider.create_live_stream(asked(options=EVERYTHING))
    assert provider.confirm_live_stream(asked(options=EVERYTHING), made.stream_id) == made

    simulated.switch(dropped_settings=(name,))
    undone = simulated.create_input({"recording": {"mode": "automatic"}}, idempotency_key=None)
    with pytest.raises(InvalidRequestError, match="was deleted again"):
        provider.confirm_live_stream(asked(options=EVERYTHING), undone.uid)
    assert list(simulated.inputs) == [made.stream_id]


def test_what_cannot_be_deleted_again_is_named(provider, simulated, faults):
    down = answering("down", 500)
    simulated.switch(dropped_settings=("recording.mode",))
    faults.script({1: down, 2: down, 3: down})
    with pytest.raises(UncertainOutcomeError) as marked:
        provider.create_live_stream(asked())
    (left,) = simulated.inputs
    assert f"headend end {left}" in str(marked.value)
    assert "recording.mode" in str(marked.value)

    simulated.switch(dropped_settings=("meta",))
    faults.script({1: down, 2: down, 3: down})
    with pytest.raises(InvalidRequestError) as unmarked:
        provider.create_live_stream(asked())
    (also_left,) = set(simulated.inputs) - {left}
    assert f"headend end {also_left}" in str(unmarked.value)


def test_where_viewers_watch_is_taken_as_the_answers_have_it(provider, simulated, served):
    base = f"{served.url}/customer-{simulated.customer_code}"
    for switches in (
        {},
        {"webrtc_playback_id": "input"},
        {"playback_field": True},
        {"customer_host_unknown": False},
    ):
        simulated.switch(**switches)
        made = provider.create_live_stream(asked())
        plain = f"{base}/{made.stream_id}/manifest/video.m3u8"
        assert made.playback_url == plain
        assert provider.get_playback_url(made.stream_id) == plain
        fast = provider.create_live_stream(asked(low_latency=True))
        assert fast.playback_url == (f"{base}/{fast.stream_id}/manifest/video.m3u8?protocol=llhls")


def test_without_any_word_where_viewers_watch_nothing_is_left_and_the_setting_is_named(
    provider, simulated
):
    kept = provider.create_live_stream(asked())
    simulated.switch(customer_host_unknown=True)

    with pytest.raises(ConfigurationError, match="CLOUDFLARE_STREAM_CUSTOMER_URL") as caught:
        provider.create_live_stream(asked())
    assert f"{simulated.deleted[0]} was deleted again" in str(caught.value)
    assert caught.value.problems
    assert list(simulated.inputs) == [kept.stream_id]
    for operation in (provider.get_playback_url, provider.get_credentials):
        with pytest.raises(ConfigurationError, match="CLOUDFLARE_STREAM_CUSTOMER_URL"):
            operation(kept.stream_id)
    assert provider.get_live_stream(kept.stream_id).playback_url is None


def test_a_setting_says_where_viewers_watch_if_nothing_else_does(provider_for, simulated):
    simulated.switch(customer_host_unknown=True)
    provider = provider_for(customer_url="https://customer-abc.cloudflarestream.com/")

    made = provider.create_live_stream(asked())
    assert made.playback_url == (
        f"https://customer-abc.cloudflarestream.com/{made.stream_id}/manifest/video.m3u8"
    )


# -- reading --------------------------------------------------------------------------------------


def test_states_are_read_in_all_shapes(provider, simulated, made, clock):
    def state() -> StreamState | None:
        return provider.get_live_stream(made.stream_id).state

    for idle in ("null", "object", "absent"):
        simulated.switch(idle_status=idle)
        assert state() is StreamState.IDLE
    encoder = simulated.encoder(made.stream_key.reveal())
    assert state() is StreamState.CONNECTING
    clock.advance(5)
    for shape in ("string", "object"):
        simulated.switch(status_shape=shape)
        assert state() is StreamState.LIVE
    simulated.switch(announce_reconnecting=True)
    encoder.leave()
    assert state() is StreamState.INTERRUPTED
    clock.advance(500)
    assert state() is StreamState.IDLE
    provider.disable_live_stream(made.stream_id)
    assert state() is StreamState.DISABLED


@pytest.mark.parametrize("shape", ["object", "string"])
def test_a_word_of_no_documentation_is_unknown_and_shown(provider, simulated, made, clock, shape):
    simulated.encoder(made.stream_key.reveal())
    clock.advance(5)
    simulated.switch(unknown_state=True, status_shape=shape)

    seen = provider.get_live_stream(made.stream_id)
    assert seen.state is StreamState.UNKNOWN
    assert "rebalancing" in str(seen.state_reason)


@pytest.mark.parametrize("shape", ["object", "array"])
def test_a_list_has_what_was_made_and_no_more_than_it_knows(provider, simulated, shape):
    simulated.switch(list_shape=shape)
    made = [provider.create_live_stream(asked(name=str(index))) for index in range(3)]
    simulated.requests.clear()

    listed = {one.stream_id: one for one in provider.list_live_streams()}
    assert set(listed) == {one.stream_id for one in made}
    one = listed[made[0].stream_id]
    assert (one.name, one.channel_id, one.marker) == ("0", "42", "headend-m")
    assert (one.state, one.playback_url, one.low_latency) == (None, None, None)
    assert len(simulated.requests) == 1


def test_a_list_that_is_cut_short_says_so_after_all_that_it_has(provider, simulated):
    simulated.switch(list_cap=2)
    markers = [f"headend-{index}" for index in range(3)]
    for marker in markers:
        provider.create_live_stream(asked(marker=marker))

    every = provider.list_live_streams()
    listed = [next(every).marker, next(every).marker]
    with pytest.raises(PlatformProtocolError, match="3 live streams and listed 2"):
        next(every)
    (cut_off,) = set(markers) - set(listed)
    with pytest.raises(PlatformProtocolError):
        provider.find_live_streams(cut_off, None)
    assert [one.marker for one in provider.find_live_streams(listed[0], None)] == [listed[0]]


def test_those_with_a_marker_are_found_among_inputs_of_other_makers(provider, simulated):
    simulated.create_input({"meta": {"name": "by hand", "x": [1, {}]}}, idempotency_key=None)
    made = provider.create_live_stream(asked(marker="headend-a"))
    provider.create_live_stream(asked(marker="headend-b"))

    (found,) = provider.find_live_streams("headend-a", None)
    assert found.stream_id == made.stream_id
    assert provider.find_live_streams("headend-c", None) == []
    assert len(list(provider.list_live_streams())) == 3


def test_credentials_are_what_creating_gave(provider, made):
    assert provider.get_credentials(made.stream_id) == made


def test_rotating_replaces_every_key_and_throws_the_encoder_out(provider, simulated, made, clock):
    encoder = simulated.encoder(made.stream_key.reveal(), reconnects=True)
    clock.advance(5)
    fresh = provider.rotate_stream_key(made.stream_id)

    assert fresh == provider.get_credentials(made.stream_id)
    assert fresh.stream_id == made.stream_id
    old = {one.url_with_key.reveal() for one in made.ingests}
    assert not old & {one.url_with_key.reveal() for one in fresh.ingests}
    clock.advance(60)
    assert encoder.refusals > 0
    assert simulated.encoder(fresh.stream_key.reveal()).refusals == 0


def test_a_disabled_live_stream_refuses_encoders_until_it_is_enabled(provider, simulated, made):
    assert provider.disable_live_stream(made.stream_id).state is StreamState.DISABLED
    assert simulated.encoder(made.stream_key.reveal()).refusals == 1
    assert provider.enable_live_stream(made.stream_id).state is StreamState.IDLE
    assert simulated.encoder(made.stream_key.reveal()).refusals == 0


# -- what there is not ----------------------------------------------------------------------------

Operation = Callable[[CloudflareProvider, str], object]
OPERATIONS: dict[str, Operation] = {
    "get": CloudflareProvider.get_live_stream,
    "credentials": CloudflareProvider.get_credentials,
    "playback": CloudflareProvider.get_playback_url,
    "analytics": CloudflareProvider.get_analytics,
    "rotate": CloudflareProvider.rotate_stream_key,
    "enable": CloudflareProvider.enable_live_stream,
    "disable": CloudflareProvider.disable_live_stream,
    "confirm": lambda provider, named: provider.confirm_live_stream(asked(), named),
    "recordings": lambda provider, named: list(provider.list_recordings(named)),
    "targets": CloudflareProvider.list_simulcast_targets,
    "add target": lambda provider, named: provider.create_simulcast_target(
        named, YOUTUBE, Secret("k")
    ),
    "update target": lambda provider, named: provider.update_simulcast_target(
        named, ABSENT, enabled=False
    ),
    "delete target": lambda provider, named: provider.delete_simulcast_target(named, ABSENT),
    "token": lambda provider, named: provider.create_playback_token(named, expires_in=60),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_live_stream_that_is_not_there_is_not_found(provider, name):
    with pytest.raises(StreamNotFoundError) as caught:
        OPERATIONS[name](provider, ABSENT)
    assert (caught.value.status, caught.value.code) == (404, "10003")
    assert caught.value.request_sent is True
    assert ABSENT in caught.value.message


HARMLESS_IDS = ("no-such-stream", "42", "a" * 32, "in_1")
DANGEROUS_IDS = (
    KEY_LIKE, f"rtmps://live.cloudflare.com:443/live/{KEY_LIKE}", "..", "a/b", "ä", "\ud800",
    "a?b", "a#b", "a b", "", "A" * 33, f"{ABSENT}\n", "%2e%2e",
)  # fmt: skip


@pytest.mark.parametrize("named", HARMLESS_IDS + DANGEROUS_IDS)
def test_what_is_no_id_is_not_found_and_what_may_be_a_key_is_refused_without_a_request(
    provider, simulated, caplog, named
):
    caplog.set_level(logging.DEBUG)
    if named == "a" * 32:
        named = "g" * 32
    kind = InvalidRequestError if named in DANGEROUS_IDS else StreamNotFoundError
    for name, operation in OPERATIONS.items():
        with pytest.raises(kind) as caught:
            operation(provider, named)
        assert caught.value.request_sent is False, name
        if named in DANGEROUS_IDS and len(named) > 3:
            assert named not in str(caught.value)
            assert named not in repr(caught.value)
    assert simulated.requests == []
    assert KEY_LIKE not in caplog.text


@pytest.mark.parametrize("named", DANGEROUS_IDS)
def test_a_key_or_an_address_is_refused_where_an_id_that_is_gone_would_be_no_error(
    provider, simulated, made, named
):
    simulated.requests.clear()
    acts: list[Callable[[], object]] = [
        lambda: provider.end_live_stream(named, delete_recordings=True),
        lambda: provider.delete_recording(named),
        lambda: provider.delete_simulcast_target(made.stream_id, named),
        lambda: provider.delete_simulcast_target(named, ABSENT),
    ]
    for act in acts:
        with pytest.raises(InvalidRequestError, match="this is no id") as caught:
            act()
        assert caught.value.request_sent is False
        if len(named) > 3:
            assert named not in str(caught.value)
    assert simulated.requests == []


# -- recordings -----------------------------------------------------------------------------------


def broadcast(simulated, clock, key: Secret, seconds: float = 60.0, pause: float = 300.0) -> None:
    encoder = simulated.encoder(key.reveal())
    clock.advance(seconds)
    encoder.leave()
    clock.advance(pause)


def test_recordings_are_those_of_the_live_stream_the_oldest_first(provider, simulated, made, clock):
    other = provider.create_live_stream(asked())
    simulated.store(10)
    for length in (30, 60):
        broadcast(simulated, clock, made.stream_key, length)
        broadcast(simulated, clock, other.stream_key, length)

    found = list(provider.list_recordings(made.stream_id))
    assert [one.duration for one in found] == [30.0, 60.0]
    assert {one.stream_id for one in found} == {made.stream_id}
    assert all(str(one.playback_url).endswith(".m3u8") for one in found)


@pytest.mark.parametrize("cap", [2, 3, 4, 5, 1000])
def test_recordings_are_listed_to_the_last_whatever_a_page_holds(
    provider, simulated, made, clock, cap
):
    for _ in range(4):
        broadcast(simulated, clock, made.stream_key)
    simulated.switch(video_list_cap=cap)

    found = [one.recording_id for one in provider.list_recordings(made.stream_id)]
    assert len(found) == len(set(found)) == 4


def test_recordings_that_cannot_be_reached_are_told_and_nothing_is_ended_over_them(
    provider, simulated, made, clock
):
    for _ in range(3):
        broadcast(simulated, clock, made.stream_key)
    simulated.switch(video_list_cap=1)

    with pytest.raises(PlatformProtocolError, match="has 3 recordings"):
        list(provider.list_recordings(made.stream_id))
    with pytest.raises(PlatformProtocolError):
        provider.end_live_stream(made.stream_id, delete_recordings=True)
    assert (len(simulated.inputs), len(simulated.videos)) == (1, 3)


def test_what_another_recorded_is_never_listed_even_if_the_filter_is_not_heeded(
    provider, simulated, made, clock, monkeypatch
):
    broadcast(simulated, clock, made.stream_key)
    upload = simulated.store(10)
    everything = type(simulated).find_videos
    monkeypatch.setattr(type(simulated), "find_videos", lambda self, _one=None: everything(self))

    assert len(list(provider.list_recordings(made.stream_id))) == 1
    provider.end_live_stream(made.stream_id, delete_recordings=True)
    assert list(simulated.videos) == [upload]


def test_a_live_stream_that_was_never_live_has_no_recordings(provider, made):
    assert list(provider.list_recordings(made.stream_id)) == []


def test_a_recording_is_deleted_once_and_one_that_is_gone_is_no_error(
    provider, simulated, made, clock
):
    broadcast(simulated, clock, made.stream_key)
    (one,) = provider.list_recordings(made.stream_id)

    for _ in range(2):
        provider.delete_recording(one.recording_id)
    provider.delete_recording(ABSENT)
    provider.delete_recording("no-such-recording")
    assert simulated.videos == {}


def test_a_recording_that_is_being_made_is_listed_and_cannot_be_deleted_yet(
    provider, simulated, made, clock
):
    simulated.encoder(made.stream_key.reveal())
    clock.advance(30)

    (one,) = provider.list_recordings(made.stream_id)
    assert one.duration is None
    with pytest.raises(ConflictError, match="again in some minutes") as caught:
        provider.delete_recording(one.recording_id)
    assert (caught.value.code, caught.value.retryable) == ("10046", True)


@pytest.mark.parametrize("fault", [HTML, TRUNCATED, DROP_ANSWER, UNAVAILABLE])
def test_a_deletion_whose_answer_cannot_be_read_is_looked_after(
    provider, simulated, made, clock, faults, fault
):
    broadcast(simulated, clock, made.stream_key)
    (one,) = provider.list_recordings(made.stream_id)
    faults.script({0: fault})

    if fault is HTML:
        with pytest.raises(PlatformProtocolError):
            provider.delete_recording(one.recording_id)
        assert list(simulated.videos) == [one.recording_id]
    else:
        provider.delete_recording(one.recording_id)
        assert simulated.videos == {}


# -- simulcast targets ----------------------------------------------------------------------------


def test_simulcast_targets_are_added_listed_switched_and_removed(provider, simulated, made):
    one = provider.create_simulcast_target(made.stream_id, YOUTUBE, Secret("planted-key"))
    two = provider.create_simulcast_target(made.stream_id, "rtmps://b.example/x", Secret("k2"))

    assert (one.server_url, one.enabled, one.stream_id) == (YOUTUBE, True, made.stream_id)
    assert provider.list_simulcast_targets(made.stream_id) == [one, two]
    assert "planted-key" not in repr(one)
    off = provider.update_simulcast_target(made.stream_id, one.target_id, enabled=False)
    assert (off.target_id, off.enabled) == (one.target_id, False)
    for _ in range(2):
        provider.delete_simulcast_target(made.stream_id, one.target_id)
    provider.delete_simulcast_target(made.stream_id, "no-such-target")
    assert provider.list_simulcast_targets(made.stream_id) == [two]
    with pytest.raises(StreamNotFoundError):
        provider.update_simulcast_target(made.stream_id, one.target_id, enabled=True)
    assert len(simulated.inputs[made.stream_id].outputs) == 1


def test_a_target_is_not_added_twice_when_the_answer_is_lost(provider, simulated, made, faults):
    known = [provider.create_simulcast_target(made.stream_id, YOUTUBE, Secret("first")).target_id]
    for fault in (DROP_ANSWER, TRUNCATED):
        faults.script({0: fault})
        target = provider.create_simulcast_target(made.stream_id, YOUTUBE, Secret(fault.name))
        known.append(target.target_id)
        there = simulated.inputs[made.stream_id].outputs
        assert there[target.target_id].stream_key == fault.name
    assert sorted(known) == sorted(simulated.inputs[made.stream_id].outputs)


def test_a_target_whose_fate_cannot_be_learnt_is_told_to_be_uncertain(
    provider, simulated, made, faults
):
    provider.create_simulcast_target(made.stream_id, YOUTUBE, Secret("another"))
    faults.script({0: DROP_REQUEST})
    with pytest.raises(UncertainOutcomeError, match="not in the list"):
        provider.create_simulcast_target(made.stream_id, YOUTUBE, Secret("planted-key"))

    faults.script({0: DROP_ANSWER, 1: HTML})
    with pytest.raises(UncertainOutcomeError, match="looking for it failed") as caught:
        provider.create_simulcast_target(made.stream_id, YOUTUBE, Secret("planted-key"))
    assert "planted-key" not in str(caught.value)


def test_targets_that_cannot_be_are_refused_before_sending(provider, simulated, made):
    simulated.requests.clear()
    for url, key in (("https://x.example", "k"), ("rtmp://", "k"), (YOUTUBE, "planted key")):
        with pytest.raises(InvalidRequestError) as caught:
            provider.create_simulcast_target(made.stream_id, url, Secret(key))
        assert caught.value.request_sent is False
        assert "planted" not in str(caught.value)
    assert simulated.requests == []


# -- playback tokens ------------------------------------------------------------------------------


def lets_in(simulated, url: str) -> bool:
    token = url.partition(f"/customer-{simulated.customer_code}/")[2].partition("/")[0]
    return simulated.watched_with(token, "127.0.0.1") is not None


def test_a_token_of_the_platform_lets_watch_until_it_expires(provider, simulated, made, clock):
    token = provider.create_playback_token(made.stream_id, expires_in=3600.5)

    url = token.playback_url.reveal()
    assert token.token.reveal() in url
    assert made.stream_id not in url.rpartition("/manifest/")[0].replace(token.token.reveal(), "")
    assert url.endswith("/manifest/video.m3u8")
    assert token.expires_at == clock.now() + timedelta(hours=1)
    assert lets_in(simulated, url)
    clock.advance(3602)
    assert not lets_in(simulated, url)


def test_a_token_is_signed_here_if_there_is_a_key(provider_for, simulated, clock):
    from headend_cloudflare.simulator import signing

    key = simulated.create_signing_key()
    provider = provider_for(signing_key_id=key.id, signing_key=Secret(signing.to_pem(key.private)))
    made = provider.create_live_stream(asked(low_latency=True))
    simulated.requests.clear()

    token = provider.create_playback_token(made.stream_id, expires_in=7 * 24 * 3600)
    assert lets_in(simulated, token.playback_url.reveal())
    assert token.playback_url.reveal().endswith("?protocol=llhls")
    assert token.expires_at == clock.now() + timedelta(days=7)
    assert sent(simulated) == [("GET", f"/live_inputs/{made.stream_id}")]


def test_a_token_longer_than_the_platform_signs_is_refused_and_the_way_told(
    provider, simulated, made
):
    simulated.requests.clear()
    with pytest.raises(InvalidRequestError, match="CLOUDFLARE_STREAM_SIGNING_KEY") as caught:
        provider.create_playback_token(made.stream_id, expires_in=24 * 3600 + 1)
    assert caught.value.request_sent is False
    assert simulated.requests == []


def test_where_the_platform_signs_for_recordings_only_the_other_way_is_told(
    provider, simulated, made
):
    simulated.switch(tokens_for_inputs=False)

    with pytest.raises(InvalidRequestError, match="CLOUDFLARE_STREAM_SIGNING_KEY") as caught:
        provider.create_playback_token(made.stream_id, expires_in=60)
    assert (caught.value.status, caught.value.code) == (404, "10003")


def test_a_token_is_good_for_a_second_at_least(provider, simulated, made, clock):
    for moment in (0.0, 0.3, 0.999):
        clock.advance(moment)
        token = provider.create_playback_token(made.stream_id, expires_in=0.001)
        assert clock.now() < token.expires_at <= clock.now() + timedelta(seconds=1)


def test_a_token_for_ever_or_with_half_a_setting_is_refused(provider_for, simulated):
    from headend_cloudflare.simulator import signing

    key = simulated.create_signing_key()
    provider = provider_for(signing_key_id=key.id, signing_key=Secret(signing.to_pem(key.private)))
    made = provider.create_live_stream(asked())
    for endless in (1e30, float("inf"), float("nan")):
        with pytest.raises(InvalidRequestError):
            provider.create_playback_token(made.stream_id, expires_in=endless)
    simulated.switch(customer_host_unknown=True)
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_STREAM_CUSTOMER_URL"):
        provider.create_playback_token(made.stream_id, expires_in=60)


# -- health, tokens, events -----------------------------------------------------------------------


def test_health_tells_how_full_the_store_is_and_warns_before_it_is_too_late(provider, simulated):
    health = provider.check_health()
    assert (health.ok, health.warnings) == (True, ())
    assert "0 of 1000 minutes" in health.message

    simulated.store(905)
    health = provider.check_health()
    assert health.ok is True
    assert "905 of 1000" in health.warnings[0]

    simulated.store(95)
    health = provider.check_health()
    assert health.ok is False
    assert "every broadcast fails" in health.message
    assert len(simulated.requests) == 3


def test_health_says_of_a_full_store_what_every_broadcast_would_meet(provider, simulated):
    simulated.store(1000)
    made = provider.create_live_stream(asked())

    assert simulated.encoder(made.stream_key.reveal()).refusals == 1
    assert provider.check_health().ok is False


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_none_costs_one_request_and_is_not_shown(provider_for, simulated, status):
    simulated.switch(bad_token_status=status)
    provider = provider_for(api_token=Secret("cfat_" + "w" * 48))

    with pytest.raises((AuthenticationError, PermissionDeniedError)) as caught:
        provider.check_health()
    assert "wwww" not in str(caught.value)
    assert len(simulated.requests) == 1


def test_a_malformed_token_is_told_as_one(provider_for, simulated):
    with pytest.raises(AuthenticationError, match="malformed"):
        provider_for(api_token=Secret("short")).check_health()
    assert len(simulated.requests) == 1


@pytest.mark.parametrize("code", [10000, 9109, 10001])
def test_a_token_that_may_only_read_is_healthy_and_may_not_create(provider_for, simulated, code):
    simulated.switch(permission_code=code)
    provider = provider_for(api_token=Secret(simulated.read_only_token))

    assert provider.check_health().ok is True
    with pytest.raises(PermissionDeniedError, match="Stream: Edit"):
        provider.create_live_stream(asked())
    assert simulated.inputs == {}


def test_the_permission_that_an_error_asks_for_is_the_least_that_will_do(provider_for):
    provider = provider_for(account_id="0" * 32)
    reading: list[Callable[[], object]] = [
        provider.check_health,
        lambda: list(provider.list_live_streams()),
        lambda: provider.get_credentials(ABSENT),
    ]
    for act in reading:
        with pytest.raises(PermissionDeniedError, match='this needs "Stream: Read"'):
            act()
    writing: list[Callable[[], object]] = [
        lambda: provider.create_live_stream(asked()),
        lambda: provider.confirm_live_stream(asked(), ABSENT),
        lambda: provider.rotate_stream_key(ABSENT),
    ]
    for act in writing:
        with pytest.raises(PermissionDeniedError, match='this needs "Stream: Edit"'):
            act()


def test_another_account_is_not_let_in(provider_for):
    with pytest.raises(PermissionDeniedError, match="CLOUDFLARE_STREAM_ACCOUNT_ID"):
        provider_for(account_id="f" * 32).check_health()


@pytest.mark.parametrize("path", ["/client/v4/more", "/nowhere", ""])
def test_a_wrong_address_is_no_missing_live_stream(provider_for, served, simulated, made, path):
    provider = provider_for(api_url=f"{served.url}{path}")

    for act in (
        lambda: provider.get_live_stream(made.stream_id),
        lambda: provider.end_live_stream(made.stream_id, delete_recordings=False),
    ):
        with pytest.raises(PlatformProtocolError, match="CLOUDFLARE_STREAM_API_URL"):
            act()
    assert list(simulated.inputs) == [made.stream_id]


@pytest.mark.parametrize("answer", ["429", "200"])
def test_the_block_of_five_minutes_is_told_and_nobody_is_asked_meanwhile(
    provider, simulated, served, clock, answer
):
    simulated.switch(rate_limit=3, rate_answer=answer)
    usage = f"/client/v4/accounts/{simulated.account_id}/stream/storage-usage"
    for _ in range(3):  # somebody else with the same token
        bearer = {"Authorization": f"Bearer {simulated.token}"}
        assert httpx.get(f"{served.url}{usage}", headers=bearer, trust_env=False).is_success
    with pytest.raises(RateLimitedError) as caught:
        provider.check_health()
    assert (caught.value.retry_after or 0) > 30
    asked_until = len(simulated.requests)
    with pytest.raises(RateLimitedError) as waiting:
        provider.check_health()
    assert waiting.value.request_sent is False
    assert len(simulated.requests) == asked_until

    clock.advance(301)
    assert provider.check_health().ok is True


def test_the_platform_s_own_limit_is_never_reached(provider, simulated, clock):
    for _ in range(200):
        provider.check_health()
    assert len(simulated.requests) == 200
    assert clock.monotonic() >= (200 - 30) / 4.0


@pytest.mark.parametrize("switch", ["internal_error_every", "bad_gateway_every"])
def test_passing_faults_are_overcome(provider, simulated, switch):
    simulated.switch(**{switch: 2})

    for _ in range(4):
        assert provider.check_health().ok is True


def test_events_of_both_systems_are_verified_and_read(provider, simulated, made, clock):
    broadcast(simulated, clock, made.stream_key)

    kinds = {provider.parse_event(*simulated.webhook(event)).kind for event in simulated.happened()}
    assert {EventKind.LIVE, EventKind.IDLE} <= kinds


def test_an_event_that_is_forged_is_refused(provider, simulated, made, clock):
    broadcast(simulated, clock, made.stream_key)
    headers, body = simulated.webhook(simulated.happened()[0])

    with pytest.raises(AuthenticationError):
        provider.parse_event({name: "x" * len(value) for name, value in headers.items()}, body)


# -- the platform's moods -------------------------------------------------------------------------

MOODS: list[dict[str, object]] = [
    {},
    {"status_shape": "string", "idle_status": "absent"},
    {"extra_fields": True, "playback_field": True, "list_shape": "array"},
    {"delete_answer": "nothing", "omit_low_latency": False},
    {"delete_answer": "envelope", "webrtc_playback_id": "input", "idle_status": "object"},
    {"unknown_state": True, "video_list_cap": 1, "list_lag": 3.0},
    {"recordings_outlive": False, "recordings_forget": False, "minutes_of": "input"},
]


@pytest.mark.parametrize("mood", MOODS, ids=lambda mood: ",".join(mood) or "default")
def test_a_live_stream_lives_and_ends_in_every_mood_of_the_platform(
    provider, simulated, clock, mood
):
    simulated.switch(**mood)
    made = provider.create_live_stream(asked(name="show", low_latency=True))
    broadcast(simulated, clock, made.stream_key)
    assert provider.get_live_stream(made.stream_id).name == "show"
    assert [one.stream_id for one in provider.list_live_streams()] == [made.stream_id]
    assert len(list(provider.list_recordings(made.stream_id))) == 1
    assert provider.get_analytics(made.stream_id).stream_id == made.stream_id
    ended = provider.end_live_stream(made.stream_id, delete_recordings=True)

    assert ended.recordings_kept == ()
    assert (simulated.inputs, simulated.videos) == ({}, {})
    with pytest.raises(PlatformError):
        provider.get_live_stream(made.stream_id)
