"""The reference provider against its simulated platform, over a real socket."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import pytest
from attrs import asdict, evolve

from headend.plugin import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    CreateRequest,
    EndOutcome,
    EventKind,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    Secret,
    StreamNotFoundError,
    StreamState,
)
from headend.provider import PROTOCOLS, Provider
from headend_contract.faults import FAULTS, HANG, HANG_AFTER, answering
from headend_contract.reference import headend_providers
from headend_contract.reference.platform import BITRATE, ENCODER
from headend_contract.reference.provider import ReferenceProvider

ABSENT = "in_00000000000000000000"


def asked(marker: str = "m", **more: object) -> CreateRequest:
    return CreateRequest(channel_id="42", marker=marker, **more)


@pytest.fixture
def made(provider):
    return provider.create_live_stream(asked())


def sent(simulated) -> list[tuple[str, str]]:
    """The requests that reached the platform, without what all paths have in common."""
    return [(one.method, one.path.removeprefix("/v1/accounts/main")) for one in simulated.requests]


def test_it_has_the_operations_of_every_provider_and_of_all_that_it_declares(provider):
    (spec,) = headend_providers()
    assert isinstance(provider, Provider)
    assert {one for one, kind in PROTOCOLS.items() if isinstance(provider, kind)} == (
        spec.capabilities & set(PROTOCOLS)
    )
    assert provider.account == "main"


def test_what_is_created_is_what_is_shown(provider, clock):
    request = asked(name="Ünï 🎥", metadata={"marker": "mine", "a": "ü"}, low_latency=True)
    made = provider.create_live_stream(request)
    shown = provider.get_live_stream(made.stream_id)

    assert (shown.channel_id, shown.name, shown.marker) == ("42", "Ünï 🎥", "m")
    assert dict(shown.metadata or {}) == {"marker": "mine", "a": "ü"}
    assert (shown.state, shown.low_latency, shown.created_at) == (
        StreamState.IDLE,
        True,
        clock.now(),
    )
    assert shown.playback_url == made.playback_url == provider.get_playback_url(made.stream_id)
    assert provider.get_credentials(made.stream_id) == made
    assert made.rtmp_push_url == "rtmps://ingest.reference.example:443/live"
    assert made.ingests[0].stream_key == made.stream_key


def test_the_key_and_the_token_are_in_no_live_stream_no_address_and_no_log(
    provider, simulated, caplog
):
    with caplog.at_level(logging.DEBUG):
        made = provider.create_live_stream(asked())
        texts = f"{made} {provider.get_live_stream(made.stream_id)} {provider!r} {caplog.text}"

    assert made.stream_key.reveal() not in texts
    assert simulated.token not in texts
    assert made.stream_key.reveal() in simulated.keys


def test_a_list_has_all_live_streams_over_all_pages_and_asks_nothing_besides(
    provider, simulated, http, create
):
    simulated.switch(page_size=2)
    made = [provider.create_live_stream(asked(f"m{one}")).stream_id for one in range(3)]
    foreign = create(name="by hand")["id"]
    simulated.requests.clear()

    listed = list(provider.list_live_streams())
    assert [one.stream_id for one in listed] == [*made, foreign]
    assert [one.state for one in listed] == [None] * 4
    assert (listed[3].marker, listed[3].channel_id, listed[3].name) == (None, None, "by hand")
    assert sent(simulated) == [("GET", "/inputs")] * 2


def test_a_list_is_read_page_by_page_as_it_is_taken(provider, simulated):
    simulated.switch(page_size=1)
    for _ in range(3):
        provider.create_live_stream(asked())
    simulated.requests.clear()
    listing = provider.list_live_streams()

    assert sent(simulated) == []
    next(listing)
    assert len(sent(simulated)) == 1


def test_a_cursor_that_comes_twice_is_an_error_and_no_endless_list(provider, made, simulated):
    simulated.switch(stuck_cursor=True)

    with pytest.raises(PlatformProtocolError, match="twice"):
        list(provider.list_live_streams())


def test_a_marker_finds_its_live_streams_and_no_others_on_whatever_page(provider, simulated):
    simulated.switch(page_size=2)
    made = [provider.create_live_stream(asked(one)).stream_id for one in ("a", "b", "c", "b", "bb")]

    assert [one.stream_id for one in provider.find_live_streams("b", None)] == [made[1], made[3]]
    assert list(provider.find_live_streams("absent", None)) == []


def test_states_are_those_of_the_platform_in_the_words_of_headend(provider, made, simulated, clock):
    def state() -> StreamState | None:
        return provider.get_live_stream(made.stream_id).state

    encoder = simulated.encoder(made.stream_key.reveal())
    assert state() is StreamState.CONNECTING
    clock.advance(2)
    assert state() is StreamState.LIVE
    encoder.leave()
    assert state() is StreamState.INTERRUPTED
    clock.advance(10)
    assert state() is StreamState.IDLE
    assert provider.disable_live_stream(made.stream_id).state is StreamState.DISABLED
    assert provider.enable_live_stream(made.stream_id).state is StreamState.IDLE
    simulated.switch(unknown_status=True)
    strange = provider.get_live_stream(made.stream_id)
    assert (strange.state, strange.state_reason) == (
        StreamState.UNKNOWN,
        "the platform says 'rewinding'",
    )


def test_fields_that_are_new_change_nothing(provider, made, simulated):
    before = provider.get_live_stream(made.stream_id)
    simulated.switch(extra_fields=True)

    assert provider.get_live_stream(made.stream_id) == before
    assert provider.get_credentials(made.stream_id) == made


def test_a_figure_that_the_platform_does_not_give_is_none_with_a_reason_and_a_zero_is_zero(
    provider, made, simulated, clock
):
    idle = provider.get_analytics(made.stream_id)
    simulated.encoder(made.stream_key.reveal())
    clock.advance(2)
    live = provider.get_analytics(made.stream_id)

    assert (idle.viewer_count, idle.current_bitrate) == (None, None)
    assert set(idle.unknown) == {"viewer_count", "current_bitrate"}
    assert (idle.peak_viewers, idle.total_watch_time) == (0, 0.0)
    assert (live.viewer_count, live.current_bitrate, dict(live.unknown)) == (0, BITRATE, {})
    assert live.as_of == clock.now()


def test_the_figures_of_many_come_in_the_order_asked_with_a_request_for_each_page(
    provider, simulated
):
    made = [provider.create_live_stream(asked()).stream_id for _ in range(51)]
    simulated.requests.clear()
    wanted = [*reversed(made), made[0]]

    assert [one.stream_id for one in provider.get_analytics_many(wanted)] == wanted
    assert sent(simulated) == [("GET", "/metrics")] * 2
    assert provider.get_analytics_many([]) == []
    for absent in (ABSENT, "..", "a,b"):
        with pytest.raises(StreamNotFoundError):
            provider.get_analytics_many([made[0], absent])


def test_a_rotated_key_lets_in_and_the_old_one_does_not(provider, made, simulated):
    fresh = provider.rotate_stream_key(made.stream_id)

    assert fresh.stream_key != made.stream_key
    assert provider.get_credentials(made.stream_id) == fresh
    assert simulated.encoder(made.stream_key.reveal()).refusals == 1
    assert simulated.encoder(fresh.stream_key.reveal()).refusals == 0


def test_ending_takes_the_key_then_the_encoder_then_the_input_though_the_encoder_reconnects(
    provider, made, simulated, clock
):
    encoder = simulated.encoder(made.stream_key.reveal(), reconnects=True)
    clock.advance(60)
    simulated.requests.clear()
    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)
    path = f"/inputs/{made.stream_id}"

    assert ended.outcome is EndOutcome.ENDED
    assert [one.duration for one in ended.recordings_kept] == [61.0]
    assert sent(simulated) == [
        ("DELETE", f"{path}/key"),
        ("POST", f"{path}/stop"),
        ("GET", path),
        ("GET", path),
        ("GET", path),
        ("GET", f"{path}/recordings"),
        ("DELETE", path),
    ]
    assert encoder.refusals == 1
    assert (simulated.inputs, len(simulated.recordings)) == ({}, 1)


def test_ending_deletes_recordings_when_asked_to(provider, made, simulated, clock):
    simulated.switch(page_size=1)
    for _ in range(3):
        simulated.encoder(made.stream_key.reveal()).leave()
        clock.advance(10)
    assert len(list(provider.list_recordings(made.stream_id))) == 3
    ended = provider.end_live_stream(made.stream_id, delete_recordings=True)

    assert ended.recordings_kept == ()
    assert (simulated.inputs, simulated.recordings) == ({}, {})


def test_ending_what_is_gone_is_no_error_and_takes_one_request(provider, made, simulated):
    provider.end_live_stream(made.stream_id, delete_recordings=False)
    simulated.requests.clear()
    again = provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert (again.outcome, again.recordings_kept) == (EndOutcome.ALREADY_GONE, ())
    assert len(sent(simulated)) == 1


def test_ending_can_be_taken_up_again_wherever_it_broke_off(provider, simulated, faults, clock):
    down = {index: answering("down", 500) for index in range(3)}
    for step in range(7):
        made = provider.create_live_stream(asked())
        simulated.encoder(made.stream_key.reveal(), reconnects=True)
        clock.advance(5)
        faults.script({step + index: fault for index, fault in down.items()})
        with pytest.raises(PlatformUnavailableError):
            provider.end_live_stream(made.stream_id, delete_recordings=False)
        assert made.stream_id in simulated.inputs
        ended = provider.end_live_stream(made.stream_id, delete_recordings=False)
        assert ended.outcome is EndOutcome.ENDED
        assert made.stream_id not in simulated.inputs


def test_ending_says_so_when_the_platform_does_not_stop(provider, made, simulated, clock):
    simulated.switch(stop_time=1000)
    simulated.encoder(made.stream_key.reveal())
    began = clock.monotonic()

    with pytest.raises(
        PlatformTimeoutError, match=r"still interrupted after 30\.0 s; end it again"
    ):
        provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert 29 <= clock.monotonic() - began <= 31
    assert made.stream_id in simulated.inputs


def test_a_live_stream_whose_ending_broke_off_gets_a_new_key_by_rotating(provider, made):
    provider.revoke_key(made.stream_id)

    with pytest.raises(ConflictError, match="revoked") as caught:
        provider.get_credentials(made.stream_id)
    assert caught.value.code == "key_revoked"
    fresh = provider.rotate_stream_key(made.stream_id)
    assert provider.get_credentials(made.stream_id) == fresh


def test_sessions_come_latest_first_and_the_one_that_goes_on_has_no_end(
    provider, made, simulated, clock
):
    simulated.encoder(made.stream_key.reveal()).leave()
    clock.advance(10)
    simulated.encoder(made.stream_key.reveal())
    now, before = provider.list_sessions(made.stream_id)

    assert (now.ended_at, now.started_at) == (None, clock.now())
    assert before.ended_at == clock.now()


def test_a_session_alone_has_its_encoder_and_what_happened_in_it(provider, made, simulated, clock):
    encoder = simulated.encoder(made.stream_key.reveal())
    clock.advance(2)
    provider.get_live_stream(made.stream_id)
    encoder.leave()
    clock.advance(10)
    (listed,) = provider.list_sessions(made.stream_id)
    found = provider.get_session(made.stream_id, listed.session_id)

    assert (listed.encoder, listed.events) == (None, ())
    assert evolve(found, encoder=None, events=()) == listed
    assert asdict(found.encoder) == ENCODER
    assert [(one.kind, one.name, one.reason) for one in found.events] == [
        (EventKind.LIVE, "input.on_air", None),
        (EventKind.INTERRUPTED, "input.reconnecting", "connection_lost"),
        (EventKind.IDLE, "input.off_air", "connection_lost"),
        (EventKind.RECORDING_READY, "recording.ready", None),
    ]
    assert [one.occurred_at for one in found.events] == sorted(
        one.occurred_at for one in found.events
    )


def test_a_session_of_another_live_stream_is_not_found(provider, made, simulated):
    simulated.encoder(made.stream_key.reveal())
    other = provider.create_live_stream(asked("other"))
    (session,) = provider.list_sessions(made.stream_id)

    with pytest.raises(StreamNotFoundError) as caught:
        provider.get_session(other.stream_id, session.session_id)
    assert caught.value.code == "broadcast_not_found"


@pytest.mark.parametrize("odd", ["..", "a/b", "", "ä"])
def test_an_id_that_no_session_can_have_is_not_sent(provider, made, simulated, odd):
    simulated.requests.clear()
    with pytest.raises(StreamNotFoundError) as caught:
        provider.get_session(made.stream_id, odd)
    assert caught.value.request_sent is False
    assert sent(simulated) == []


def test_recordings_are_named_and_deleted_and_one_that_is_gone_is_no_error(
    provider, made, simulated, clock
):
    simulated.encoder(made.stream_key.reveal()).leave()
    clock.advance(10)
    (kept,) = provider.list_recordings(made.stream_id)

    assert (kept.stream_id, kept.duration, kept.created_at) == (made.stream_id, 10.0, clock.now())
    for _ in range(2):
        provider.delete_recording(kept.recording_id)
    provider.delete_recording("..")
    assert simulated.recordings == {}


OPERATIONS: list[Callable[[ReferenceProvider, str], object]] = [
    ReferenceProvider.get_live_stream,
    ReferenceProvider.get_credentials,
    ReferenceProvider.get_playback_url,
    ReferenceProvider.get_analytics,
    ReferenceProvider.rotate_stream_key,
    ReferenceProvider.enable_live_stream,
    ReferenceProvider.disable_live_stream,
    lambda provider, stream_id: list(provider.list_recordings(stream_id)),
    lambda provider, stream_id: list(provider.list_sessions(stream_id)),
    lambda provider, stream_id: provider.get_session(stream_id, "br_1"),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_live_stream_that_is_not_there_is_not_found(provider, simulated, operation):
    with pytest.raises(StreamNotFoundError) as caught:
        operation(provider, ABSENT)
    assert (caught.value.status, caught.value.code) == (404, "input_not_found")
    assert caught.value.request_sent is True
    assert len(sent(simulated)) == 1


@pytest.mark.parametrize("odd", ["..", ".", "a/b", "ä", "\ud800", "a" * 65, "a?b", "a#b", "a b"])
def test_an_id_that_no_live_stream_can_have_is_not_found_without_a_request(
    provider, made, simulated, odd
):
    simulated.requests.clear()
    for operation in OPERATIONS:
        with pytest.raises(StreamNotFoundError) as caught:
            operation(provider, odd)
        assert caught.value.request_sent is False
    ended = provider.end_live_stream(odd, delete_recordings=False)
    assert ended.outcome is EndOutcome.ALREADY_GONE
    assert sent(simulated) == []


def test_a_wrong_token_costs_one_request_and_is_not_in_the_error(provider_for, simulated):
    provider = provider_for(api_token=Secret("wrong-token"))

    with pytest.raises(AuthenticationError, match="check REFERENCE_API_TOKEN") as caught:
        provider.create_live_stream(asked())
    assert "wrong-token" not in str(caught.value)
    assert (caught.value.status, caught.value.code) == (401, "unauthenticated")
    assert caught.value.request_id == "req_00000001"
    assert len(simulated.requests) == 1


def test_a_token_without_leave_to_write_is_told_from_a_wrong_one(provider_for, simulated):
    provider = provider_for(api_token=Secret(simulated.read_only_token))

    with pytest.raises(PermissionDeniedError):
        provider.create_live_stream(asked())
    health = provider.check_health()
    assert (health.ok, "may only read" in health.message) == (False, True)


def test_an_account_that_is_full_is_a_quota_and_no_rate_limit(provider, made, simulated):
    simulated.switch(input_quota=1)

    with pytest.raises(QuotaExceededError) as caught:
        provider.create_live_stream(asked())
    assert (caught.value.retryable, caught.value.status) == (False, 402)
    assert provider.check_health().ok is False
    provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert provider.check_health().ok is True


def test_values_that_the_platform_does_not_take_are_invalid(provider, simulated):
    with pytest.raises(InvalidRequestError, match="at most 256"):
        provider.create_live_stream(asked(metadata={"a": "x" * 257}))
    with pytest.raises(InvalidRequestError, match="surrogate") as caught:
        provider.create_live_stream(asked(name="\ud800"))
    assert caught.value.request_sent is False
    assert simulated.inputs == {}


def test_a_rate_limit_is_waited_out_as_long_as_the_platform_says(provider, simulated, clock):
    simulated.switch(rate_limit=1, rate_window=7)
    list(provider.list_live_streams())

    list(provider.list_live_streams())
    assert clock.monotonic() == pytest.approx(7, abs=0.1)


def test_a_rate_limit_that_stays_is_the_error_with_its_wait(provider, faults):
    again = answering("slow down", 429, headers={"Retry-After": "40"})
    faults.script({0: again})

    with pytest.raises(RateLimitedError) as caught:
        provider.check_health()
    assert (caught.value.retry_after, caught.value.status) == (40.0, 429)
    assert len(faults.seen) == 1


def test_what_the_platform_says_is_left_of_the_limit_slows_the_requests_down(
    provider, simulated, clock
):
    simulated.switch(rate_limit=20, rate_window=10)
    for _ in range(60):
        provider.check_health()

    assert [one for one in simulated.requests if one.status == 429] == []
    assert clock.monotonic() > 20


def test_a_closed_port_is_unavailable_and_nothing_was_sent(provider_for):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    provider = provider_for(api_url=f"http://127.0.0.1:{port}")

    with pytest.raises(PlatformUnavailableError, match="REFERENCE_API_URL") as caught:
        provider.create_live_stream(asked())
    assert (caught.value.request_sent, caught.value.retryable) == (False, True)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1"], ids=["another application's path", "a path too deep"]
)
def test_an_address_where_another_api_answers_is_no_missing_live_stream(provider_for, served, path):
    provider = provider_for(api_url=f"{served.url}{path}")

    with pytest.raises(PlatformProtocolError, match="REFERENCE_API_URL"):
        provider.get_live_stream(ABSENT)
    with pytest.raises(PlatformProtocolError):
        provider.end_live_stream(ABSENT, delete_recordings=False)


@pytest.mark.parametrize("status", [400, 402, 404, 409, 422])
def test_a_refusal_that_does_not_say_what_is_wrong_is_a_broken_answer(
    provider, faults, made, status
):
    for body in (b"", b"<html>", b'{"error": {"code": "not_on_'):
        faults.script(dict.fromkeys(range(3), answering("mute", status, body=body)))
        with pytest.raises(PlatformProtocolError) as caught:
            provider.end_live_stream(made.stream_id, delete_recordings=False)
        assert (caught.value.status, caught.value.code) == (status, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (408, PlatformTimeoutError),
        (413, InvalidRequestError),
        (500, PlatformUnavailableError),
    ],
)
def test_a_refusal_whose_status_says_all_needs_no_words(provider, faults, status, kind):
    faults.script(dict.fromkeys(range(3), answering("mute", status)))

    with pytest.raises(kind, match="gave no reason"):
        provider.check_health()


def test_a_redirect_is_not_followed(provider, faults):
    faults.script({0: answering("moved", 307, headers={"Location": "http://127.0.0.1:9/"})})

    with pytest.raises(PlatformProtocolError, match="status"):
        provider.create_live_stream(asked())
    assert len(faults.seen) == 1


def test_an_answer_without_end_is_given_up_at_a_limit(provider, faults):
    faults.script({0: answering("huge", 200, body=b" " * (5 * 1024 * 1024))})

    with pytest.raises(PlatformProtocolError, match="more than 4194304 bytes"):
        provider.check_health()


def test_secrets_that_the_platform_repeats_are_not_in_the_error(provider, faults, simulated):
    body = b'{"error": {"code": "c", "message": "no: %s\\u0007"}}' % simulated.token.encode()
    faults.script({0: answering("gossip", 403, body=body)})

    with pytest.raises(PermissionDeniedError) as caught:
        provider.check_health()
    assert simulated.token not in str(caught.value)
    assert str(caught.value).isprintable()


def test_events_are_verified_and_read(provider, made, simulated, clock):
    simulated.encoder(made.stream_key.reveal()).leave()
    clock.advance(10)
    provider.end_live_stream(made.stream_id, delete_recordings=False)
    events = [provider.parse_event(*simulated.webhook(one)) for one in simulated.events]

    assert [one.kind for one in events] == [
        EventKind.INTERRUPTED,
        EventKind.IDLE,
        EventKind.RECORDING_READY,
        EventKind.ENDED,
    ]
    assert [one.reason for one in events] == ["connection_lost", "connection_lost", None, None]
    assert {one.stream_id for one in events} == {made.stream_id}
    assert [one.event_id for one in events] == [one.id for one in simulated.events]
    assert events[-1].occurred_at == clock.now()


def test_an_event_that_is_forged_changed_old_or_unsigned_is_not_from_the_platform(
    provider, provider_for, made, simulated, clock
):
    simulated.encoder(made.stream_key.reveal()).leave()
    headers, body = simulated.webhook(simulated.events[0])

    assert provider.parse_event({name.upper(): one for name, one in headers.items()}, body)
    other = provider_for(webhook_secret=Secret("another"))
    for wrong, raw in (({}, body), (headers, body + b" "), ({"Reference-Signature": "t=1"}, body)):
        with pytest.raises(AuthenticationError):
            provider.parse_event(wrong, raw)
    with pytest.raises(AuthenticationError):
        other.parse_event(headers, body)
    with pytest.raises(ConfigurationError, match="REFERENCE_WEBHOOK_SECRET"):
        provider_for(webhook_secret=None).parse_event(headers, body)
    clock.advance(301)
    with pytest.raises(AuthenticationError, match="old"):
        provider.parse_event(headers, body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_url", "ftp://x"),
        ("api_url", "https://user@x"),
        ("api_url", "http://api.reference.example"),
        ("account", "../other"),
        ("api_token", Secret("with space")),
        ("timeout", 0),
    ],
)
def test_settings_that_cannot_be_right_are_refused(provider_for, name, value):
    with pytest.raises(ValueError):  # noqa: PT011  # each validator has its own words
        provider_for(**{name: value})


def test_a_request_that_hangs_costs_the_timeout_of_the_settings_each_time(provider_for, faults):
    provider = provider_for(timeout=0.05)
    faults.script(dict.fromkeys(range(3), HANG))

    with pytest.raises(PlatformTimeoutError):
        provider.check_health()
    assert len(faults.seen) == 3


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_read_gets_over_each_fault_or_says_that_the_answer_is_broken(
    provider_for, faults, made, fault
):
    provider = provider_for(timeout=0.1 if fault in {HANG, HANG_AFTER} else 10.0)
    faults.script({0: fault})

    if fault.name in {"html", "truncated"}:
        with pytest.raises(PlatformProtocolError):
            provider.get_live_stream(made.stream_id)
    else:
        assert provider.get_live_stream(made.stream_id).stream_id == made.stream_id
