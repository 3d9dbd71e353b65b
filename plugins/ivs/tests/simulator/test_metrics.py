"""GetMetricData gives what was, once it is there and as long as it is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from headend_contract.clock import START
from headend_ivs.simulator.metrics import AUDIO_BITRATE, VIDEO_BITRATE, Moment, points

MINUTE = timedelta(minutes=1)


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


@pytest.fixture
def show(create, simulated, clock):
    """Make a channel that was live from 03:05 to 03:15, with 10 viewers until 03:10, then 4."""
    made = create()
    clock.advance(55 - 6.5)
    encoder = simulated.encoder(made["key"]["value"])
    clock.advance(6.5)
    simulated.watch(made["arn"], 10)
    clock.advance(300)
    simulated.watch(made["arn"], 4)
    clock.advance(298)
    encoder.finish()
    clock.advance(62)
    return made["arn"].rpartition("/")[2]


def query(channel, metric="ConcurrentViews", stat="Maximum", period=60, name="a", **more):
    dimensions = [{"Name": "Channel", "Value": channel}]
    which = {"Namespace": "AWS/IVS", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": which, "Period": period, "Stat": stat, **more}}


@pytest.fixture
def ask(cloudwatch, clock):
    """Ask for one metric from 03:00 on; return its points."""

    def ask(*given, start=START - timedelta(minutes=4, seconds=5), end=None, **more):
        (result,) = cloudwatch.get_metric_data(
            MetricDataQueries=[query(*given, **more)],
            StartTime=start,
            EndTime=end or clock.now(),
            ScanBy="TimestampAscending",
        )["MetricDataResults"]
        return list(zip(result["Timestamps"], result["Values"], strict=True))

    return ask


def test_viewers_are_there_for_each_minute_of_the_stream_and_for_no_other(show, ask):
    found = ask(show)

    assert [at.minute for at, _ in found] == list(range(5, 15))
    assert [value for _, value in found] == [10] * 5 + [4] * 5


def test_watched_and_live_time_add_up(show, ask):
    assert sum(value for _, value in ask(show, "LiveDeliveredTime", "Sum")) == 5 * 600 + 5 * 240
    assert sum(value for _, value in ask(show, "LiveInputTime", "Sum")) == 600
    whole = ask(show, "LiveDeliveredTime", "Sum", 3600)
    assert [value for _, value in whole] == [5 * 600 + 5 * 240]


@pytest.mark.parametrize(
    ("stat", "expected"),
    [("Maximum", 10), ("Minimum", 4), ("Average", 7), ("Sum", 70), ("SampleCount", 10)],
)
def test_a_longer_period_has_the_statistics_of_its_minutes(show, ask, stat, expected):
    assert ask(show, "ConcurrentViews", stat, 1800) == [
        (START.replace(minute=0, second=0), expected)
    ]


def test_bitrates_are_there_every_five_seconds_while_data_come_in(show, ask, clock):
    clock.advance(30)
    found = ask(show, "IngestVideoBitrate", "Average", 5)

    assert len(found) == 120
    assert {value for _, value in found} == {VIDEO_BITRATE}
    total = {value for _, value in ask(show, "IngestBitrate", "Average", 60)}
    assert total == {VIDEO_BITRATE + AUDIO_BITRATE}


def test_the_newest_bitrates_are_too_low_still(create, simulated, clock, ask):
    made = create()
    simulated.encoder(made["key"]["value"])
    clock.advance(100)
    found = ask(made["arn"].rpartition("/")[2], "IngestVideoBitrate", "Average", 5)

    assert {value for at, value in found if at > clock.now() - timedelta(seconds=30)} == {
        VIDEO_BITRATE / 2
    }
    assert {value for at, value in found if at <= clock.now() - timedelta(seconds=40)} == {
        VIDEO_BITRATE
    }


def test_a_minute_is_there_only_a_minute_after_its_end(create, simulated, clock, ask):
    made = create()
    simulated.encoder(made["key"]["value"])
    channel = made["arn"].rpartition("/")[2]
    clock.advance(114.9)

    assert ask(channel) == []
    clock.advance(0.1)
    assert [value for _, value in ask(channel)] == [0]


def test_a_live_channel_without_viewers_has_zeros_and_an_idle_one_has_nothing(
    create, simulated, clock, ask
):
    live, idle = create(), create()
    simulated.encoder(live["key"]["value"])
    clock.advance(300)

    assert {value for _, value in ask(live["arn"].rpartition("/")[2])} == {0}
    assert ask(idle["arn"].rpartition("/")[2]) == []


def test_a_channel_that_is_gone_has_its_metrics_still(show, ask, ivs, simulated):
    ivs.delete_channel(arn=next(iter(simulated.channels)))

    assert len(ask(show)) == 10


def test_what_does_not_name_the_channel_as_the_platform_does_finds_nothing(
    show, ask, simulated, client, clock
):
    assert ask(next(iter(simulated.channels))) == []
    assert ask(show, "NoSuchMetric") == []
    assert ask(show, "ConcurrentViews", "Maximum", 60, Unit="None") == []
    elsewhere = client("cloudwatch", region="eu-west-1").get_metric_data(
        MetricDataQueries=[query(show)], StartTime=START, EndTime=clock.now()
    )
    assert elsewhere["MetricDataResults"][0]["Values"] == []


@pytest.mark.parametrize(
    ("age", "period", "found"),
    [
        (timedelta(hours=2), 5, True),
        (timedelta(hours=4), 5, False),
        (timedelta(hours=4), 60, True),
        (timedelta(days=16), 60, False),
        (timedelta(days=16), 300, True),
        (timedelta(days=64), 300, False),
        (timedelta(days=64), 3600, True),
        (timedelta(days=456), 3600, False),
    ],
)
def test_the_older_the_start_the_longer_the_period_must_be(show, ask, clock, age, period, found):
    clock.advance(age.total_seconds())
    points_of = ask(show, "IngestVideoBitrate", "Average", period)

    assert bool(points_of) == found


def test_the_latest_point_comes_first_where_nothing_else_is_asked_for(cloudwatch, show, clock):
    (result,) = cloudwatch.get_metric_data(
        MetricDataQueries=[query(show)], StartTime=START - MINUTE, EndTime=clock.now()
    )["MetricDataResults"]

    assert result["Timestamps"] == sorted(result["Timestamps"], reverse=True)
    assert (result["Id"], result["Label"], result["StatusCode"]) == (
        "a",
        "ConcurrentViews",
        "Complete",
    )


@pytest.mark.parametrize("size", [1, 3, 10, 15, 19, 20, 100])
def test_pages_give_every_point_of_every_query_once(cloudwatch, simulated, show, clock, size):
    simulated.switch(metrics_page=size)
    queries = [
        query(show, name="a"),
        query("none", name="b"),
        query(show, "LiveInputTime", "Sum", name="c"),
    ]
    found: dict[str, list[float]] = {}
    partial, token = 0, {}
    while True:
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=START - MINUTE, EndTime=clock.now(), **token
        )
        assert sum(len(one["Values"]) for one in answer["MetricDataResults"]) <= size
        for one in answer["MetricDataResults"]:
            found.setdefault(one["Id"], []).extend(one["Values"])
            partial += one["StatusCode"] == "PartialData"
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}

    assert {name: len(values) for name, values in found.items()} == {"a": 10, "b": 0, "c": 10}
    assert sorted(found["a"]) == [4] * 5 + [10] * 5
    assert bool(partial) == (size < 20)


@pytest.mark.parametrize(
    "change",
    [
        {"MetricDataQueries": [query("x"), query("x")]},
        {"MetricDataQueries": [query("x", name="A")]},
        {"MetricDataQueries": [query("x", name="a-b")]},
        {"MetricDataQueries": [query("x", name=f"a{number}") for number in range(501)]},
        {"MetricDataQueries": [query("x", period=90)]},
        {"MetricDataQueries": [query("x", period=7)]},
        {"MetricDataQueries": [query("x", stat="p99")]},
        {"MetricDataQueries": [{"Id": "a", "Expression": "MAX(b)"}]},
        {"MetricDataQueries": [{"Id": "a"}]},
        {"EndTime": START - MINUTE},
        {"MaxDatapoints": 0},
        {"MaxDatapoints": 100_801},
    ],
)
def test_a_query_that_cannot_be_answered_is_refused(cloudwatch, refusal, clock, change):
    right = {
        "MetricDataQueries": [query("x")],
        "StartTime": START - MINUTE,
        "EndTime": clock.now(),
    }

    assert refusal(cloudwatch.get_metric_data, **{**right, **change}) == (400, "ValidationError")


def test_a_token_that_was_not_given_out_is_refused(cloudwatch, refusal, clock):
    assert refusal(
        cloudwatch.get_metric_data,
        MetricDataQueries=[query("x")],
        StartTime=START - MINUTE,
        EndTime=clock.now(),
        NextToken="x",
    ) == (400, "InvalidNextToken")


MOMENTS = st.lists(
    st.tuples(st.integers(0, 3000), st.booleans(), st.integers(0, 50)), max_size=8
).map(
    lambda raw: [
        Moment(at=float(at), live=live, ingesting=live, viewers=viewers)
        for at, live, viewers in sorted(raw)
    ]
)


@given(timeline=MOMENTS, period=st.sampled_from([60, 300, 3600]))
def test_whatever_happened_the_sums_are_the_integrals(timeline, period):
    now = 4000.0

    def total(name: str) -> float:
        found = points(
            timeline,
            name,
            start=0,
            end=now,
            period=period,
            statistic="Sum",
            now=now,
            lag=-60,
            raw=0,
        )
        return sum(value for _, value in found)

    ends = [one.at for one in timeline[1:]] + [now]
    lived = [
        (end - one.at, one.viewers)
        for one, end in zip(timeline, ends, strict=bool(timeline))
        if one.live
    ]
    assert total("LiveInputTime") == pytest.approx(sum(seconds for seconds, _ in lived))
    assert total("LiveDeliveredTime") == pytest.approx(
        sum(seconds * viewers for seconds, viewers in lived)
    )
