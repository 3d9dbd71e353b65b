"""Streams and sessions: what encoders and viewers do, as the API shows it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headend_contract.clock import START

OFF = (404, "ChannelNotBroadcasting")
GONE = (404, "ResourceNotFoundException")
LIVE = (409, "ConflictException")


@pytest.fixture
def on_air(create, simulated, clock):
    """Make a channel with an encoder that has been on air for some seconds."""

    def make(*, reconnects=False):
        made = create()
        made["encoder"] = simulated.encoder(made["key"]["value"], reconnects=reconnects)
        clock.advance(10)
        return made

    return make


def state(ivs, arn):
    return ivs.get_stream(channelArn=arn)["stream"]


def names(session):
    return [one["name"] for one in session["truncatedEvents"]]


def test_a_channel_is_live_some_seconds_after_its_encoder_came(
    ivs, create, simulated, clock, refusal
):
    made = create()
    arn = made["arn"]

    assert refusal(ivs.get_stream, channelArn=arn) == OFF
    simulated.encoder(made["key"]["value"])
    clock.advance(6.4)
    assert simulated.status(arn) == "starting"
    assert refusal(ivs.get_stream, channelArn=arn) == OFF
    clock.advance(0.1)
    assert simulated.status(arn) == "live"
    stream = state(ivs, arn)
    assert (stream["state"], stream["health"], stream["viewerCount"]) == ("LIVE", "HEALTHY", 0)
    assert stream["startTime"] == (START + timedelta(seconds=6.5)).replace(microsecond=0)
    assert stream["playbackUrl"] == made["playbackUrl"]


def test_a_wrong_key_and_a_second_encoder_are_not_let_in(on_air, simulated):
    made = on_air()

    assert simulated.encoder("sk_wrong").refusals == 1
    assert simulated.encoder(made["key"]["value"]).refusals == 1
    assert made["encoder"].refusals == 0


def test_viewers_are_counted_while_the_channel_is_live(ivs, on_air, simulated, clock):
    made = on_air()
    simulated.watch(made["arn"], 12)

    assert state(ivs, made["arn"])["viewerCount"] == 12
    made["encoder"].finish()
    clock.advance(2)
    simulated.encoder(made["key"]["value"])
    clock.advance(10)
    assert state(ivs, made["arn"])["viewerCount"] == 0


def test_a_lost_encoder_leaves_a_starving_stream_for_half_a_minute_that_lets_nobody_in(
    ivs, on_air, simulated, clock, refusal
):
    made = on_air()
    made["encoder"].leave()

    assert simulated.status(made["arn"]) == "starving"
    assert state(ivs, made["arn"])["health"] == "STARVING"
    clock.advance(29.9)
    assert not made["encoder"].connect()
    clock.advance(0.1)
    assert refusal(ivs.get_stream, channelArn=made["arn"]) == OFF
    assert made["encoder"].connect()


def test_an_encoder_that_says_farewell_ends_its_stream_soon(ivs, on_air, clock, refusal):
    made = on_air()
    made["encoder"].finish()
    clock.advance(2)

    assert refusal(ivs.get_stream, channelArn=made["arn"]) == OFF


def test_an_encoder_that_goes_before_it_was_live_leaves_no_stream(
    ivs, create, simulated, clock, refusal
):
    made = create()
    simulated.encoder(made["key"]["value"]).finish()
    clock.advance(60)

    assert refusal(ivs.get_stream, channelArn=made["arn"]) == OFF
    session = ivs.get_stream_session(channelArn=made["arn"])["streamSession"]
    assert names(session) == ["Session Ended", "Session Created"]
    assert "startTime" not in session
    assert "ingestConfigurations" not in session


def test_a_stopped_stream_is_live_a_little_longer_and_then_over(ivs, on_air, clock, refusal):
    made = on_air()
    arn = made["arn"]

    ivs.stop_stream(channelArn=arn)
    assert state(ivs, arn)["state"] == "LIVE"
    assert refusal(ivs.delete_channel, arn=arn) == LIVE
    clock.advance(2)
    assert refusal(ivs.get_stream, channelArn=arn) == OFF
    assert refusal(ivs.stop_stream, channelArn=arn) == OFF
    ivs.delete_channel(arn=arn)


def test_an_encoder_that_reconnects_is_back_at_once_unless_its_key_is_gone(
    ivs, on_air, simulated, clock
):
    back, out = on_air(reconnects=True), on_air(reconnects=True)
    first = state(ivs, back["arn"])["streamId"]

    ivs.stop_stream(channelArn=back["arn"])
    ivs.delete_stream_key(arn=out["key"]["arn"])
    assert simulated.status(out["arn"]) == "live"
    ivs.stop_stream(channelArn=out["arn"])
    clock.advance(10)
    assert state(ivs, back["arn"])["streamId"] != first
    assert simulated.status(out["arn"]) == "idle"
    assert out["encoder"].refusals == 1


def test_a_channel_that_has_an_encoder_is_neither_deleted_nor_updated(
    ivs, create, simulated, clock, refusal
):
    made = create()
    simulated.encoder(made["key"]["value"])

    for _ in ("starting", "live"):
        assert refusal(ivs.delete_channel, arn=made["arn"]) == LIVE
        assert refusal(ivs.update_channel, arn=made["arn"], name="b") == LIVE
        clock.advance(10)


def test_a_list_shows_what_is_live_and_may_be_of_one_health(ivs, on_air, create, simulated):
    good, lost = on_air(), on_air()
    idle = create()
    lost["encoder"].leave()

    def listed(**given):
        return [one["channelArn"] for one in ivs.list_streams(**given)["streams"]]

    assert listed() == [good["arn"], lost["arn"]]
    assert listed(filterBy={"health": "STARVING"}) == [lost["arn"]]
    assert listed(maxResults=1) == [good["arn"]]
    assert idle["arn"] not in listed()
    assert not any("playbackUrl" in one for one in ivs.list_streams()["streams"])


def test_metadata_go_into_a_live_stream_only_and_in_small_pieces(
    ivs, on_air, create, simulated, refusal, planted
):
    made, idle = on_air(), create()
    arn = made["arn"]

    ivs.put_metadata(channelArn=arn, metadata="ü" * 512)
    assert simulated.channels[arn].metadata == ["ü" * 512]
    wrong = (400, "ValidationException")
    assert refusal(ivs.put_metadata, channelArn=arn, metadata="ü" * 512 + "x") == wrong
    assert refusal(ivs.put_metadata, channelArn=arn, metadata="") == wrong
    assert refusal(ivs.put_metadata, channelArn=idle["arn"], metadata="x") == OFF
    assert len(planted()) == 1


def test_metadata_are_taken_five_times_a_second_and_channel(ivs, on_air, clock):
    one, other = on_air(), on_air()
    for _ in range(5):
        ivs.put_metadata(channelArn=one["arn"], metadata="x")

    ivs.put_metadata(channelArn=other["arn"], metadata="x")
    with pytest.raises(ivs.exceptions.ThrottlingException) as caught:
        ivs.put_metadata(channelArn=one["arn"], metadata="x")
    assert caught.value.response["exceptionMessage"] == (
        f"Operation: ivs:PutMetadata exceeded call rate: 5 for resource: {one['arn']}"
    )
    clock.advance(1)
    ivs.put_metadata(channelArn=one["arn"], metadata="x")


def test_sessions_are_listed_the_latest_first_and_shown_one_by_one(ivs, on_air, simulated, clock):
    made = on_air()
    first = state(ivs, made["arn"])["streamId"]
    made["encoder"].finish()
    clock.advance(100)
    made["encoder"].connect()
    clock.advance(10)
    arn = made["arn"]
    listed = ivs.list_stream_sessions(channelArn=arn)["streamSessions"]

    assert [one["streamId"] for one in listed] == [state(ivs, arn)["streamId"], first]
    assert ["endTime" in one for one in listed] == [False, True]
    shown = ivs.get_stream_session(channelArn=arn, streamId=first)["streamSession"]
    assert names(shown) == ["Stream End", "Session Ended", "Stream Start", "Session Created"]
    assert (shown["startTime"], shown["endTime"]) == (listed[1]["startTime"], listed[1]["endTime"])
    assert shown["channel"]["arn"] == arn
    assert "srt" not in shown["channel"]
    (video,) = shown["ingestConfigurations"]["videoConfigurations"]
    assert video["targetBitrate"] == 2_500_000
    latest = ivs.get_stream_session(channelArn=arn)["streamSession"]
    assert latest["streamId"] == listed[0]["streamId"]


def test_sessions_have_pages(ivs, on_air, clock):
    made = on_air()
    for _ in range(2):
        made["encoder"].finish()
        clock.advance(10)
        made["encoder"].connect()
        clock.advance(10)
    arn = made["arn"]
    first = ivs.list_stream_sessions(channelArn=arn, maxResults=2)
    rest = ivs.list_stream_sessions(channelArn=arn, nextToken=first["nextToken"])

    starts = [one["startTime"] for one in first["streamSessions"] + rest["streamSessions"]]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) == 3


def test_sessions_outlive_their_channel_and_are_kept_for_sixty_days(ivs, on_air, clock, refusal):
    made = on_air()
    arn = made["arn"]
    made["encoder"].finish()
    clock.advance(2)
    ivs.delete_channel(arn=arn)

    assert len(ivs.list_stream_sessions(channelArn=arn)["streamSessions"]) == 1
    clock.advance(60 * 86400)
    assert ivs.list_stream_sessions(channelArn=arn)["streamSessions"] == []
    assert refusal(ivs.get_stream_session, channelArn=arn) == GONE


def test_a_channel_that_never_had_a_stream_has_no_session(ivs, create, refusal):
    arn = create()["arn"]

    assert ivs.list_stream_sessions(channelArn=arn)["streamSessions"] == []
    assert refusal(ivs.get_stream_session, channelArn=arn) == GONE
    assert refusal(ivs.list_stream_sessions, channelArn=arn[:-1] + "0") == GONE


def test_an_encoder_that_breaks_a_limit_is_thrown_out_and_its_session_says_so(
    ivs, on_air, simulated, clock
):
    made = on_air()
    simulated.breach(made["arn"])
    clock.advance(2)

    (listed,) = ivs.list_stream_sessions(channelArn=made["arn"])["streamSessions"]
    shown = ivs.get_stream_session(channelArn=made["arn"])["streamSession"]
    assert listed["hasErrorEvent"] is True
    assert "Ingest Bitrate" in names(shown)


def test_events_tell_in_order_what_happened_as_eventbridge_words_it(ivs, on_air, simulated, clock):
    made = on_air()
    made["encoder"].leave()
    clock.advance(30)
    simulated.status(made["arn"])
    told = [one.message("show") for one in simulated.events]

    assert [one["detail"]["event_name"] for one in told] == [
        "Session Created",
        "Stream Start",
        "Starvation Start",
        "Session Ended",
        "Stream End",
    ]
    assert {one["detail-type"] for one in told} == {
        "IVS Stream State Change",
        "IVS Stream Health Change",
    }
    assert len({one["id"] for one in told}) == 5
    assert {tuple(one["resources"]) for one in told} == {(made["arn"],)}
    assert {one["source"] for one in told} == {"aws.ivs"}
    assert [one["time"] for one in told] == sorted(one["time"] for one in told)


def test_a_broken_limit_is_an_event_with_the_limit(on_air, simulated):
    made = on_air()
    simulated.breach(made["arn"])
    detail = simulated.events[-1].message("show")["detail"]

    assert detail["limit_name"] == "Ingest Bitrate"
    assert detail["limit_value"] > simulated.channels[made["arn"]].viewers
    assert "event_name" not in detail
