"""Each switch does what it says, and says where the platform's behaviour is told."""

from __future__ import annotations

import re

import pytest

from headend_ivs.simulator.switches import IvsSwitches

GONE = (404, "ResourceNotFoundException")
OFF = (404, "ChannelNotBroadcasting")


@pytest.fixture
def on_air(create, simulated, clock):
    made = create()
    made["encoder"] = simulated.encoder(made["key"]["value"])
    clock.advance(10)
    return made


def listed(ivs):
    return [one["arn"] for one in ivs.list_channels()["channels"]]


def test_every_switch_says_what_it_does_and_names_a_public_source_or_that_there_is_none(app):
    told = app.describe_switches()

    assert told == IvsSwitches.describe()
    for text in told.values():
        what, _, source = text.partition(" [")
        assert what.endswith((".", "refused."))
        assert re.search(r"https://|github\.com/|botocore|no source", source), text


def test_values_may_be_texts_as_a_command_line_has_them():
    assert IvsSwitches.of(
        {"list_lag": "3", "throttling": "no", "throttle_status": "429"}
    ) == IvsSwitches(list_lag=3.0, throttling=False, throttle_status=429)


def test_list_lag_hides_what_is_new_from_the_list_only(ivs, create, clock, simulated):
    simulated.switch(list_lag=5)
    arn = create()["arn"]

    assert ivs.get_channel(arn=arn)
    clock.advance(4.9)
    assert listed(ivs) == []
    clock.advance(0.1)
    assert listed(ivs) == [arn]


def test_delete_lag_shows_what_is_gone_in_the_list_only(ivs, create, clock, simulated, refusal):
    simulated.switch(delete_lag=5, list_lag=0)
    arn = create()["arn"]
    ivs.delete_channel(arn=arn)

    assert refusal(ivs.get_channel, arn=arn) == GONE
    clock.advance(4.9)
    assert listed(ivs) == [arn]
    clock.advance(0.1)
    assert listed(ivs) == []


def test_read_lag_hides_what_is_new_from_all_but_the_list(ivs, create, clock, simulated, refusal):
    simulated.switch(read_lag=3, list_lag=0)
    made = create()

    assert refusal(ivs.get_channel, arn=made["arn"]) == GONE
    assert refusal(ivs.get_stream_key, arn=made["key"]["arn"]) == GONE
    assert ivs.batch_get_channel(arns=[made["arn"]])["channels"] == []
    assert listed(ivs) == [made["arn"]]
    clock.advance(3)
    assert ivs.get_channel(arn=made["arn"])


def test_page_size_makes_pages_shorter_than_was_asked_for(ivs, create, simulated, clock):
    simulated.switch(page_size=2)
    for _ in range(3):
        create()
    clock.advance(1)

    assert len(ivs.list_channels(maxResults=100)["channels"]) == 2


def test_stuck_token_gives_the_same_page_s_token_for_ever(ivs, create, simulated, clock):
    simulated.switch(stuck_token=True)
    create()
    clock.advance(1)
    first = ivs.list_channels()
    second = ivs.list_channels(nextToken=first["nextToken"])

    assert second["nextToken"] == first["nextToken"]
    assert second["channels"] == first["channels"]


@pytest.mark.parametrize(
    ("name", "rate", "parameters"),
    [
        ("list_channels", 5, {}),
        ("create_channel", 5, {}),
        ("list_playback_key_pairs", 3, {}),
    ],
)
def test_throttling_takes_an_operation_s_quota_in_any_second(
    ivs, simulated, clock, refusal, name, rate, parameters
):
    call = getattr(ivs, name)
    for _ in range(rate):
        call(**parameters)
        clock.advance(0.1)

    assert refusal(call, **parameters) == (400, "ThrottlingException")
    ivs.list_streams()
    clock.advance(1 - rate * 0.1)
    call(**parameters)
    assert refusal(call, **parameters) == (400, "ThrottlingException")
    simulated.switch(throttling=False)
    call(**parameters)


def test_throttling_is_per_region(ivs, client, refusal):
    for _ in range(5):
        ivs.list_channels()

    assert refusal(ivs.list_channels)[1] == "ThrottlingException"
    client("ivs", region="eu-west-1").list_channels()


def test_throttle_status_is_the_status_of_throttling(ivs, simulated, refusal):
    simulated.switch(throttle_status=429)
    for _ in range(5):
        ivs.list_channels()

    assert refusal(ivs.list_channels) == (429, "ThrottlingException")


def test_pending_verification_refuses_writes_and_lets_reads_pass(ivs, create, simulated, refusal):
    arn = create()["arn"]
    simulated.switch(pending_verification=True)
    pending = (403, "PendingVerification")

    assert refusal(ivs.create_channel) == pending
    assert refusal(ivs.delete_channel, arn=arn) == pending
    assert refusal(ivs.create_stream_key, channelArn=arn) == pending
    assert ivs.get_channel(arn=arn)
    assert ivs.list_channels()
    assert refusal(ivs.stop_stream, channelArn=arn) == OFF


def test_connect_time_grace_time_and_stop_time_are_the_seconds_of_a_stream(
    ivs, create, simulated, clock
):
    simulated.switch(connect_time=1, grace_time=2, stop_time=3)
    made = create()
    encoder = simulated.encoder(made["key"]["value"])
    seen = [simulated.status(made["arn"])]
    clock.advance(1)
    seen.append(simulated.status(made["arn"]))
    encoder.leave()
    for seconds in (1.9, 0.1):
        clock.advance(seconds)
        seen.append(simulated.status(made["arn"]))
    encoder.connect()
    clock.advance(1)
    encoder.finish()
    for seconds in (2.9, 0.1):
        clock.advance(seconds)
        seen.append(simulated.status(made["arn"]))

    assert seen == ["starting", "live", "starving", "idle", "stopping", "idle"]


def test_unavailable_stops_refuse_a_stop_so_often(ivs, on_air, simulated, refusal):
    simulated.switch(unavailable_stops=2)
    arn = on_air["arn"]

    for _ in range(2):
        assert refusal(ivs.stop_stream, channelArn=arn) == (503, "StreamUnavailable")
    assert simulated.status(arn) == "live"
    ivs.stop_stream(channelArn=arn)
    assert simulated.status(arn) == "stopping"


@pytest.mark.parametrize(("disconnects", "expected"), [(False, "live"), (True, "stopping")])
def test_revocation_disconnects_the_encoder_or_not(ivs, on_air, simulated, disconnects, expected):
    simulated.switch(revocation_disconnects=disconnects)
    ivs.delete_stream_key(arn=on_air["key"]["arn"])

    assert simulated.status(on_air["arn"]) == expected


def test_offline_state_takes_the_place_of_the_error(ivs, create, simulated, refusal):
    arn = create()["arn"]
    simulated.switch(offline_state=True)

    assert ivs.get_stream(channelArn=arn)["stream"]["state"] == "OFFLINE"
    assert ivs.list_streams()["streams"] == []
    assert refusal(ivs.stop_stream, channelArn=arn) == OFF


def test_viewers_timeout_counts_minus_one(ivs, on_air, simulated):
    simulated.switch(viewers_timeout=True)

    assert ivs.get_stream(channelArn=on_air["arn"])["stream"]["viewerCount"] == -1
    assert ivs.list_streams()["streams"][0]["viewerCount"] == -1


def test_update_while_live_updates(ivs, on_air, simulated):
    simulated.switch(update_while_live=True)

    changed = ivs.update_channel(arn=on_air["arn"], name="b")["channel"]
    assert changed["name"] == "b"


def test_metric_lag_and_raw_points_are_the_seconds_until_metrics_are_right(
    client, on_air, simulated, clock
):
    simulated.switch(metric_lag=0, raw_points=0)
    clock.advance(65)
    dimensions = [{"Name": "Channel", "Value": on_air["arn"].rpartition("/")[2]}]

    def ask(metric, period):
        which = {"Namespace": "AWS/IVS", "MetricName": metric, "Dimensions": dimensions}
        stat = {"Metric": which, "Period": period, "Stat": "Minimum"}
        answer = client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "a", "MetricStat": stat}],
            StartTime=clock.now().replace(minute=0),
            EndTime=clock.now(),
        )
        return answer["MetricDataResults"][0]["Values"]

    assert len(ask("ConcurrentViews", 60)) == 1
    assert set(ask("IngestBitrate", 5)) == {2_660_000}
    simulated.switch(metric_lag=60, raw_points=30)
    assert ask("ConcurrentViews", 60) == []
    assert min(ask("IngestBitrate", 5)) < 2_660_000


def test_unknown_words_are_in_no_documentation(ivs, on_air, simulated):
    simulated.switch(unknown_words=True)
    stream = ivs.get_stream(channelArn=on_air["arn"])["stream"]

    assert (stream["state"], stream["health"]) == ("REWINDING", "REWINDING")


def test_extra_members_are_everywhere_but_in_tags(served, create, ivs, simulated, clock):
    made = create(tags={"a": "b"})
    simulated.switch(extra_members=True)
    seen = []
    ivs.meta.events.register(
        "after-call.ivs.GetChannel", lambda http_response, **_: seen.append(http_response.content)
    )
    answer = ivs.get_channel(arn=made["arn"])["channel"]

    made.pop("key")
    assert answer == made
    assert seen[0].count(b"octarine") == 4
