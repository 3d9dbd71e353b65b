"""The figures of a session: which periods are asked for, and what answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import example, given, strategies as st

from headend.plugin import CreateRequest, Fields, PlatformError, Secret, StreamAnalytics
from headend_contract.faults import answering, changing
from headend_ivs import analytics, wire
from headend_ivs.analytics import Figures, period
from headend_ivs.settings import IvsOptions

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"
FIGURES = ("current_bitrate", "peak_viewers", "total_watch_time")


def request(**more):
    marker = "headend-0123456789abcdef-00112233445566778899aabb"
    return CreateRequest(**{"channel_id": "42", "marker": marker, "options": IvsOptions(), **more})


@pytest.fixture
def made(provider, simulated, clock):
    found = provider.create_live_stream(request())
    clock.advance(60)
    return found


@pytest.fixture
def live(made, simulated, clock):
    """The encoder of a live stream that just went live."""
    encoder = simulated.encoder(made.stream_key.reveal())
    clock.advance(7)
    assert simulated.status(made.stream_id) == "live"
    return encoder


# -- periods --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (timedelta(0), 60),
        (timedelta(hours=48), 60),
        (timedelta(days=14, hours=22), 60),
        (timedelta(days=15), 300),
        (timedelta(days=62, hours=22), 300),
        (timedelta(days=63), 3600),
        (timedelta(days=200), 3600),
    ],
)
def test_the_period_is_the_finest_that_cloudwatch_still_has(age, seconds):
    assert period(NOW - age, NOW) == seconds


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
@example(timedelta(days=15, minutes=-30))
@example(timedelta(days=63, minutes=-30))
def test_a_period_fits_an_hour_after_it_was_chosen(age):
    seconds, later = period(NOW - age, NOW), age + timedelta(minutes=59)

    assert seconds >= 300 or later < timedelta(days=15)
    assert seconds >= 3600 or later < timedelta(days=63)


@pytest.mark.parametrize("days", [0, 1, 14, 16, 40, 59])
def test_the_latest_session_has_its_figures_however_old_it_is(
    provider, made, live, simulated, clock, days
):
    simulated.watch(made.stream_id, 4)
    clock.advance(600)
    live.finish()
    clock.advance(300 + days * 86_400)
    found = provider.get_analytics(made.stream_id)

    assert found.peak_viewers == 4
    assert found.total_watch_time == pytest.approx(2400, abs=20)
    assert found.unknown == dict.fromkeys(("viewer_count", "current_bitrate"), "it is not live")


def test_figures_are_those_of_the_present_session_alone(provider, made, live, simulated, clock):
    simulated.watch(made.stream_id, 50)
    clock.advance(600)
    live.finish()
    clock.advance(600)
    simulated.encoder(made.stream_key.reveal())
    clock.advance(10)
    simulated.watch(made.stream_id, 2)
    clock.advance(290)
    found = provider.get_analytics(made.stream_id)

    assert (found.viewer_count, found.peak_viewers) == (2, 2)
    assert found.total_watch_time == pytest.approx(2 * 240, abs=125)
    assert found.unknown == {}
    (latest, _) = provider.list_sessions(made.stream_id)
    assert found.watch_time_since == latest.started_at


# -- what is known when ---------------------------------------------------------------------------


def test_a_session_that_just_began_has_viewers_and_no_figures_yet(provider, made, live, simulated):
    simulated.watch(made.stream_id, 3)
    found = provider.get_analytics(made.stream_id)

    assert found.viewer_count == 3
    assert set(found.unknown) == set(FIGURES)
    assert all("no figures yet" in why for why in found.unknown.values())


def test_a_session_without_viewers_has_none_and_that_is_known(
    provider, made, live, simulated, clock
):
    clock.advance(300)
    found = provider.get_analytics(made.stream_id)

    assert (found.viewer_count, found.peak_viewers, found.total_watch_time) == (0, 0, 0.0)
    assert found.unknown == {}


def test_the_bitrate_is_that_of_figures_that_are_complete(provider, made, live, simulated, clock):
    """The latest thirty seconds are there, and too low."""
    clock.advance(100)
    found = provider.get_analytics(made.stream_id)

    assert found.current_bitrate == 2_660_000


def test_minus_one_viewers_are_unknown(provider, made, live, simulated, clock):
    simulated.switch(viewers_timeout=True)
    clock.advance(300)
    for found in (
        provider.get_analytics(made.stream_id),
        *provider.get_analytics_many([made.stream_id]),
    ):
        assert found.viewer_count is None
        assert "did not count" in found.unknown["viewer_count"]
        assert found.peak_viewers == 0


def test_viewers_who_are_more_than_the_peak_are_the_peak(provider, made, live, simulated, clock):
    clock.advance(300)
    simulated.watch(made.stream_id, 9)
    found = provider.get_analytics(made.stream_id)

    assert (found.viewer_count, found.peak_viewers) == (9, 9)


def test_viewers_who_stayed_for_seconds_count_for_the_peak(provider, made, live, simulated, clock):
    simulated.watch(made.stream_id, 90)
    clock.advance(20)
    simulated.watch(made.stream_id, 2)
    clock.advance(300)
    found = provider.get_analytics(made.stream_id)

    assert (found.viewer_count, found.peak_viewers) == (2, 90)


def test_a_live_stream_that_never_was_live_has_no_figures(provider, made, simulated):
    found = provider.get_analytics(made.stream_id)

    assert set(found.unknown) == {"viewer_count", *FIGURES}
    assert "not live" in found.unknown["viewer_count"]
    assert "no session" in found.unknown["peak_viewers"]


def test_pages_of_metrics_are_one_series(provider, made, live, simulated, clock):
    simulated.watch(made.stream_id, 6)
    clock.advance(1200)
    whole = provider.get_analytics(made.stream_id)
    simulated.switch(metrics_page=3)
    clock.advance(0.001)
    cut = provider.get_analytics(made.stream_id)

    assert whole.unknown == cut.unknown == {}
    assert (cut.peak_viewers, cut.total_watch_time) == (whole.peak_viewers, whole.total_watch_time)


def test_offline_is_not_live(provider, made, live, simulated, clock):
    simulated.switch(offline_state=True)
    live.finish()
    clock.advance(60)
    for found in (
        provider.get_analytics(made.stream_id),
        *provider.get_analytics_many([made.stream_id]),
    ):
        assert found.viewer_count is None


def test_a_list_that_says_offline_is_heeded(provider, made, live, faults, simulated, clock):
    clock.advance(120)
    offline = changing(
        "offline", "LIVE becomes OFFLINE", lambda one: evolve(one, body=to_offline(one.body))
    )
    faults.reset()
    faults.script({1: offline})
    (found,) = provider.get_analytics_many([made.stream_id])

    assert [one.path for one in faults.seen] == ["/BatchGetChannel", "/ListStreams"]
    assert "not live" in found.unknown["viewer_count"]


def to_offline(body):
    assert b'"LIVE"' in body
    return body.replace(b'"LIVE"', b'"OFFLINE"')


# -- leave to read --------------------------------------------------------------------------------


def keys_of(key):
    return {
        "access_key_id": Secret(key.access_key_id),
        "secret_access_key": Secret(key.secret_access_key),
    }


def test_without_leave_to_read_metrics_only_these_are_unknown(
    provider_for, made, live, simulated, clock
):
    provider = provider_for(**keys_of(simulated.no_metrics_key))
    simulated.watch(made.stream_id, 3)
    clock.advance(300)
    for found in (
        provider.get_analytics(made.stream_id),
        *provider.get_analytics_many([made.stream_id]),
    ):
        assert found.viewer_count == 3
        assert set(found.unknown) == set(FIGURES)
        assert all("cloudwatch:GetMetricData" in why for why in found.unknown.values())


def test_a_refusal_is_remembered_for_five_minutes(provider_for, made, live, simulated, clock):
    provider = provider_for(**keys_of(simulated.no_metrics_key))

    def asked():
        simulated.requests.clear()
        provider.get_analytics(made.stream_id)
        return [one.operation for one in simulated.requests].count("GetMetricData")

    assert [asked(), asked()] == [1, 0]
    clock.advance(290)
    assert asked() == 0
    clock.advance(15)
    assert asked() == 1


def test_that_ivs_is_out_of_order_is_an_error(provider, made, live, faults, clock):
    clock.advance(300)
    faults.reset()
    faults.script(dict.fromkeys(range(9), answering("broken", 503)))

    with pytest.raises(PlatformError):
        provider.get_analytics(made.stream_id)


def test_that_cloudwatch_is_out_of_order_costs_only_what_it_tells(
    provider, made, live, faults, clock
):
    clock.advance(300)
    faults.reset()
    faults.script(dict.fromkeys(range(1, 9), answering("broken", 503)))

    found = provider.get_analytics(made.stream_id)

    assert found.viewer_count is not None
    assert set(found.unknown) == {"current_bitrate", "peak_viewers", "total_watch_time"}
    assert all(why.startswith("CloudWatch did not tell it: ") for why in found.unknown.values())
    faults.reset()
    assert provider.get_analytics(made.stream_id).peak_viewers is not None


# -- answers --------------------------------------------------------------------------------------


def stream(**more):
    return wire.stream(
        Fields({"channelArn": ARN, "state": "LIVE", "viewerCount": 1, "startTime": NOW, **more})
    )


class Answers:
    """CloudWatch in one answer; the simulated one never fails for a single metric."""

    def __init__(self, *statuses):
        self.statuses = statuses

    def metrics(self, _operation, **asked):
        return Fields(
            {
                "MetricDataResults": [
                    {
                        "Id": query["Id"],
                        "Timestamps": [asked["StartTime"]],
                        "Values": [7.0],
                        "StatusCode": status,
                    }
                    for query, status in zip(
                        asked["MetricDataQueries"], self.statuses, strict=False
                    )
                ]
            }
        )


@pytest.mark.parametrize(
    ("statuses", "peak", "watched", "why"),
    [
        (("Complete", "Complete"), 7, 7.0, {}),
        (("InternalError", "Complete"), None, 7.0, {"peak_viewers": "InternalError"}),
        (("Complete", "PartialData"), 7, None, {"total_watch_time": "PartialData"}),
        (("Forbidden", "Complete"), None, 7.0, {"peak_viewers": "cloudwatch:GetMetricData"}),
        (("Complete",), 7, None, {"total_watch_time": "did not answer"}),
    ],
)
def test_a_metric_that_is_not_complete_is_unknown_and_says_why(clock, statuses, peak, watched, why):
    channel = wire.ChannelArn.parse(ARN)
    broadcast = analytics.Broadcast(
        channel=channel, started_at=NOW - timedelta(minutes=9), ended_at=NOW
    )
    figures = analytics.Metrics(Answers(*statuses), clock).of([broadcast], now=NOW)[channel]
    found = analytics.summary(channel, None, figures, as_of=NOW)

    assert (found.peak_viewers, found.total_watch_time) == (peak, watched)
    for name, words in why.items():
        assert words in found.unknown[name]


@given(
    viewers=st.none() | st.integers(0, 99),
    bitrate=st.integers(0, 10**8) | st.just("why"),
    peak=st.integers(0, 99) | st.just("why"),
    watched=st.floats(0, 1e9) | st.just("why"),
    live=st.booleans(),
)
def test_every_figure_is_there_or_has_a_reason(viewers, bitrate, peak, watched, live):
    found = analytics.summary(
        wire.ChannelArn.parse(ARN),
        stream(viewerCount=viewers) if live else None,
        Figures(current_bitrate=bitrate, peak_viewers=peak, total_watch_time=watched),
        as_of=NOW,
    )

    assert isinstance(found, StreamAnalytics)
    assert found.viewer_count == (viewers if live else None)
    assert found.total_watch_time == (None if watched == "why" else watched)
    if found.peak_viewers is not None and found.viewer_count is not None:
        assert found.peak_viewers == max(peak, viewers)


# -- many at once ---------------------------------------------------------------------------------


def test_250_live_streams_take_a_few_requests_and_none_is_throttled(provider, simulated, clock):
    made = [provider.create_live_stream(request(channel_id=str(one))) for one in range(250)]
    for one in made[:130]:
        simulated.encoder(one.stream_key.reveal())
    clock.advance(30)
    for number, one in enumerate(made[:130]):
        simulated.watch(one.stream_id, number)
    clock.advance(300)
    simulated.requests.clear()
    listed = list(provider.list_live_streams())
    requests = [one.operation for one in simulated.requests]

    assert len(listed) == 250
    assert sum(one.state == "live" for one in listed) == 130
    assert {name: requests.count(name) for name in requests} == {
        "ListStreams": 2,
        "ListChannels": 3,
        "BatchGetChannel": 5,
    }

    simulated.requests.clear()
    before = clock.monotonic()
    found = provider.get_analytics_many([one.stream_id for one in made])
    requests = [one.operation for one in simulated.requests]

    assert {name: requests.count(name) for name in requests} == {
        "BatchGetChannel": 5,
        "ListStreams": 2,
        "GetMetricData": 2,
    }
    assert {one.status for one in simulated.requests} == {200}
    assert clock.monotonic() - before < 2
    assert [one.stream_id for one in found] == [one.stream_id for one in made]
    assert [one.viewer_count for one in found] == [*range(130), *[None] * 120]
    assert [one.peak_viewers for one in found] == [*range(130), *[None] * 120]
    assert all("it alone" in one.unknown["peak_viewers"] for one in found[130:])


def test_more_live_streams_than_one_request_of_cloudwatch_takes_are_told_all(
    provider, made, live, simulated, clock, monkeypatch
):
    monkeypatch.setattr(analytics, "QUERIES", 4)
    others = [provider.create_live_stream(request(channel_id=str(one))) for one in range(6)]
    for number, one in enumerate(others):
        clock.advance(60)
        simulated.encoder(one.stream_key.reveal())
        clock.advance(10)
        simulated.watch(one.stream_id, number + 1)
    clock.advance(300)
    simulated.requests.clear()
    found = provider.get_analytics_many([one.stream_id for one in others])

    assert [one.peak_viewers for one in found] == [1, 2, 3, 4, 5, 6]
    assert all(one.unknown == {} for one in found)
    assert [one.operation for one in simulated.requests].count("GetMetricData") == 5


def test_what_another_session_had_is_not_told_because_a_neighbour_is_older(
    provider, made, live, simulated, clock
):
    """One request has one beginning, and each session its own."""
    other = provider.create_live_stream(request(channel_id="43"))
    first = simulated.encoder(other.stream_key.reveal())
    clock.advance(10)
    simulated.watch(other.stream_id, 50)
    clock.advance(300)
    first.finish()
    clock.advance(120)
    simulated.encoder(other.stream_key.reveal())
    clock.advance(10)
    simulated.watch(other.stream_id, 1)
    clock.advance(300)
    alone, found = provider.get_analytics_many([made.stream_id, other.stream_id])

    assert alone.peak_viewers == 0
    assert found.peak_viewers == 1
    assert found.total_watch_time < 400


def test_the_same_one_twice_is_answered_twice(provider, made, simulated):
    one, other = provider.get_analytics_many([made.stream_id] * 2)

    assert one == other


def test_none_takes_no_request(provider, simulated):
    assert provider.get_analytics_many([]) == []
    assert simulated.requests == []
