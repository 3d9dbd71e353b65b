"""The figures: each is the platform's own, or `None` with the reason; a real 0 is 0."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from headend.plugin import CreateRequest, PlatformUnavailableError, Secret, StreamNotFoundError
from headend_cloudflare.analytics import (
    HIDDEN,
    KEPT,
    NO_BITRATE,
    NO_HOST,
    NO_PEAK,
    NO_PERMISSION,
    NO_WEBRTC_VIEWERS,
    QUERY,
)
from headend_cloudflare.settings import CloudflareOptions
from headend_contract.faults import (
    DROP_REQUEST,
    HTML,
    RATE_LIMITED,
    TRUNCATED,
    UNAVAILABLE,
    answering,
)


def asked(**more: object) -> CreateRequest:
    return CreateRequest(**{"channel_id": "42", "marker": "m", **more})  # type: ignore[arg-type]  # the class checks them


@pytest.fixture
def made(provider):
    return provider.create_live_stream(asked())


def go_live(simulated, clock, made, viewers: int, seconds: float):
    encoder = simulated.encoder(made.stream_key.reveal())
    simulated.watch(made.stream_id, viewers)
    clock.advance(seconds)
    return encoder


def graphql(message: str | None, *, rows: object = None) -> bytes:
    errors = None if message is None else [{"message": message, "path": ["viewer"]}]
    groups = {"streamMinutesViewedAdaptiveGroups": rows}
    data = None if rows is None else {"viewer": {"accounts": [groups]}}
    return json.dumps({"data": data, "errors": errors}).encode()


def graphql_requests(simulated) -> int:
    return sum(one.path.endswith("/graphql") for one in simulated.requests)


def test_viewers_are_those_of_now_and_bitrate_and_peak_have_no_source(
    provider, simulated, made, clock
):
    go_live(simulated, clock, made, 113, 60)

    figures = provider.get_analytics(made.stream_id)
    assert (figures.viewer_count, figures.as_of) == (113, clock.now())
    assert (figures.current_bitrate, figures.peak_viewers) == (None, None)
    assert figures.unknown["current_bitrate"] == NO_BITRATE
    assert figures.unknown["peak_viewers"] == NO_PEAK


def test_nobody_who_watches_is_no_unknown(provider, simulated, made, clock):
    go_live(simulated, clock, made, 0, 60)

    assert provider.get_analytics(made.stream_id).viewer_count == 0


@pytest.mark.parametrize("counted_by", ["video", "input"])
def test_the_watch_time_is_that_of_all_sessions_and_of_no_other_live_stream(
    provider, simulated, made, clock, counted_by
):
    simulated.switch(minutes_of=counted_by, connect_time=0, playlist_time=0, graphql_delay=0)
    other = provider.create_live_stream(asked())
    for _ in range(2):
        encoder = go_live(simulated, clock, made, 3, 600)
        simulated.watch(other.stream_id, 50)
        other_encoder = simulated.encoder(other.stream_key.reveal())
        encoder.leave()
        clock.advance(30)
        other_encoder.leave()
        clock.advance(600)

    # The picture stays for a moment when the encoder is gone.
    watched = provider.get_analytics(made.stream_id).total_watch_time
    assert watched is not None
    assert 2 * 3 * 600 <= watched <= 2 * 3 * 700


def test_a_figure_that_comes_later_is_unknown_until_then(provider, simulated, made, clock):
    go_live(simulated, clock, made, 3, 120)

    before = provider.get_analytics(made.stream_id)
    assert before.total_watch_time is None
    assert "minutes late" in before.unknown["total_watch_time"]
    clock.advance(600)
    assert provider.get_analytics(made.stream_id).total_watch_time


@pytest.mark.parametrize(
    ("age", "queries"),
    [(timedelta(0), 1), (timedelta(days=29), 1), (timedelta(days=31), 2), (timedelta(days=89), 3)],
)
def test_a_query_is_about_31_days_at_most(provider, simulated, made, clock, age, queries):
    clock.advance(age.total_seconds())

    provider.get_analytics(made.stream_id)
    assert graphql_requests(simulated) == queries


def test_of_what_is_older_than_figures_are_kept_no_part_is_given(provider, simulated, made, clock):
    clock.advance((KEPT + timedelta(days=1)).total_seconds())

    figures = provider.get_analytics(made.stream_id)
    assert figures.total_watch_time is None
    assert "90 days" in figures.unknown["total_watch_time"]
    assert graphql_requests(simulated) == 0


def test_of_recordings_of_which_one_may_be_gone_no_part_is_given(provider, simulated, clock):
    """What was watched is counted by recording, so that a deleted one would be missing in it."""
    simulated.switch(connect_time=0, playlist_time=0, graphql_delay=0)
    made = provider.create_live_stream(
        asked(options=CloudflareOptions(delete_recording_after_days=30))
    )
    go_live(simulated, clock, made, 3, 600).leave()
    clock.advance(3600)
    (recording,) = provider.list_recordings(made.stream_id)
    assert provider.get_analytics(made.stream_id).total_watch_time

    clock.advance(29 * 86400)
    go_live(simulated, clock, made, 3, 600).leave()
    clock.advance(86400)
    assert recording not in list(provider.list_recordings(made.stream_id))
    figures = provider.get_analytics(made.stream_id)
    assert figures.total_watch_time is None
    assert "after 30 days" in figures.unknown["total_watch_time"]


def test_a_token_without_leave_for_analytics_costs_one_question_in_five_minutes(
    provider_for, simulated, clock
):
    provider = provider_for(api_token=Secret(simulated.stream_only_token))
    made = provider.create_live_stream(asked())
    go_live(simulated, clock, made, 7, 60)
    for _ in range(3):
        figures = provider.get_analytics(made.stream_id)
        assert (figures.viewer_count, figures.total_watch_time) == (7, None)
        assert figures.unknown["total_watch_time"] == NO_PERMISSION
        clock.advance(10)
    assert graphql_requests(simulated) == 1

    clock.advance(300)
    provider.get_analytics(made.stream_id)
    assert graphql_requests(simulated) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, graphql("not authorized for that account")),
        (200, graphql('account "x" does not have access to the path')),
        (
            403,
            b'{"success": false, "errors": [{"code": 10000, "message": "Authentication error"}]}',
        ),
    ],
)
def test_a_missing_permission_is_told_in_whatever_form_it_comes(
    provider, faults, made, status, body
):
    faults.script({3: answering("denied", status, body=body)})

    assert provider.get_analytics(made.stream_id).unknown["total_watch_time"] == NO_PERMISSION


@pytest.mark.parametrize(
    "answer",
    [
        answering("error", 200, body=graphql("cannot request data older than 2678400s")),
        answering("no data", 200, body=b'{"data": null}'),
        answering("odd errors", 200, body=b'{"data": null, "errors": "no"}'),
        answering("odd rows", 200, body=graphql(None, rows=7)),
        answering("negative", 200, body=graphql(None, rows=[{"sum": {"minutesViewed": -1}}])),
        answering("a text", 200, body=graphql(None, rows=[{"sum": {"minutesViewed": "7"}}])),
        answering("gone", 404, body=b""),
        HTML,
        TRUNCATED,
    ],
    ids=repr,
)
def test_what_is_no_figure_becomes_none(provider, simulated, faults, made, answer):
    faults.script({3: answer})

    figures = provider.get_analytics(made.stream_id)
    assert faults.seen[-1].path.endswith("/graphql")
    assert (figures.viewer_count, figures.total_watch_time) == (0, None)
    assert "GraphQL" in figures.unknown["total_watch_time"]
    assert figures.unknown["total_watch_time"].isprintable()


def test_a_row_of_the_platform_is_minutes(provider, faults, made):
    rows = [{"sum": {"minutesViewed": 2}}, {"sum": {"minutesViewed": 0.5}}]
    faults.script({3: answering("rows", 200, body=graphql(None, rows=rows))})
    assert provider.get_analytics(made.stream_id).total_watch_time == 150

    nothing = [{"sum": {"minutesViewed": 0}}]
    faults.script({3: answering("rows", 200, body=graphql(None, rows=nothing))})
    assert provider.get_analytics(made.stream_id).total_watch_time == 0


def test_rows_that_may_have_been_cut_off_are_not_the_whole(provider, faults, made):
    rows = [{"sum": {"minutesViewed": 1}}] * 10_000
    faults.script({3: answering("rows", 200, body=graphql(None, rows=rows[1:]))})
    assert provider.get_analytics(made.stream_id).total_watch_time == 9999 * 60

    faults.script({3: answering("rows", 200, body=graphql(None, rows=rows))})
    figures = provider.get_analytics(made.stream_id)
    assert figures.total_watch_time is None
    assert "more rows" in figures.unknown["total_watch_time"]


def test_a_figure_that_cannot_be_had_costs_the_others_ten_seconds_at_most(
    provider, faults, made, clock
):
    slow_down = answering("slow down", 429, headers={"Retry-After": "9"})
    faults.script(dict.fromkeys(range(3, 9), slow_down))
    began = clock.monotonic()

    figures = provider.get_analytics(made.stream_id)
    assert figures.viewer_count == 0
    assert "too often" in figures.unknown["total_watch_time"]
    assert clock.monotonic() - began <= 11


def test_a_limit_of_the_figures_does_not_hold_up_the_api(provider, faults, made, clock):
    faults.script({3: answering("slow down", 429)})
    provider.get_analytics(made.stream_id)
    began = clock.monotonic()

    provider.check_health()
    assert clock.monotonic() - began < 5


@pytest.mark.parametrize("fault", [UNAVAILABLE, DROP_REQUEST, RATE_LIMITED], ids=repr)
@pytest.mark.parametrize("place", range(4))
def test_a_passing_fault_costs_no_figure(provider, simulated, faults, made, clock, fault, place):
    simulated.switch(connect_time=0, playlist_time=0, graphql_delay=0)
    go_live(simulated, clock, made, 5, 120)
    faults.script({place: fault})

    figures = provider.get_analytics(made.stream_id)
    assert figures.viewer_count == 5
    assert figures.total_watch_time


@pytest.mark.parametrize(
    "answer",
    [
        answering("1010", 403, body=b"error code: 1010"),
        answering("gone", 404),
        answering("idle", 204),
        answering("down", 503),
        answering("text", 200, body=b'{"liveViewers": "7"}'),
        answering("less", 200, body=b'{"liveViewers": -1}'),
        answering("null", 200, body=b'{"liveViewers": null}'),
        HTML,
        TRUNCATED,
    ],
    ids=repr,
)
def test_a_viewer_count_that_is_none_is_unknown_and_never_0(
    provider, simulated, faults, made, clock, answer
):
    go_live(simulated, clock, made, 7, 60)
    faults.script({1: answer, 2: answer, 3: answer} if answer.name == "down" else {1: answer})

    figures = provider.get_analytics(made.stream_id)
    assert figures.viewer_count is None
    assert "customer host" in figures.unknown["viewer_count"]


def test_a_hidden_viewer_count_is_unknown_and_not_asked_for(provider, simulated, clock):
    made = provider.create_live_stream(
        asked(options=CloudflareOptions(hide_live_viewer_count=True))
    )
    go_live(simulated, clock, made, 7, 60)

    figures = provider.get_analytics(made.stream_id)
    assert (figures.viewer_count, figures.unknown["viewer_count"]) == (None, HIDDEN)
    assert not any(one.path.endswith("/views") for one in simulated.requests)


def test_a_live_stream_for_holders_of_tokens_does_not_tell_its_viewers(provider, simulated, clock):
    made = provider.create_live_stream(asked(options=CloudflareOptions(require_signed_urls=True)))
    go_live(simulated, clock, made, 7, 60)

    figures = provider.get_analytics(made.stream_id)
    assert figures.viewer_count is None
    assert "signed URLs" in figures.unknown["viewer_count"]


def test_where_the_customer_host_is_not_known_the_setting_is_named(provider, simulated, made):
    simulated.switch(customer_host_unknown=True)

    figures = provider.get_analytics(made.stream_id)
    assert (figures.viewer_count, figures.unknown["viewer_count"]) == (None, NO_HOST)


def test_viewers_of_what_is_pushed_by_whip_are_not_counted(provider, simulated, made, clock):
    secret = made.ingests[-1].url_with_key.reveal().split("/")[-3]
    simulated.encoder(secret)
    clock.advance(10)

    figures = provider.get_analytics(made.stream_id)
    assert figures.unknown["viewer_count"] == NO_WEBRTC_VIEWERS
    assert not any(one.path.endswith("/views") for one in simulated.requests)


def test_the_token_goes_to_the_api_alone(provider, simulated, made):
    provider.get_analytics(made.stream_id)

    by_host = {one.path.startswith("/client/v4"): one.authorized for one in simulated.requests}
    assert by_host == {True: True, False: False}


def test_a_live_stream_that_the_platform_cannot_show_now_has_no_figures(provider, faults, made):
    faults.script(dict.fromkeys(range(3), UNAVAILABLE))
    with pytest.raises(PlatformUnavailableError):
        provider.get_analytics(made.stream_id)
    provider.end_live_stream(made.stream_id, delete_recordings=False)
    with pytest.raises(StreamNotFoundError):
        provider.get_analytics(made.stream_id)


def test_the_query_asks_for_ids_and_days_by_variables_alone():
    assert "uid_in: $ids" in QUERY
    assert "date_geq: $start, date_lt: $end" in QUERY
    assert '"' not in QUERY
