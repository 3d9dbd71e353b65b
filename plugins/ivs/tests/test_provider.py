"""The provider's operations against the simulated platform, on a real socket."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import product

import jwt
import pytest

from headend.plugin import (
    AuthenticationError,
    Capability,
    ConfigurationError,
    ConflictError,
    CreateRequest,
    EndOutcome,
    EventKind,
    IngestProtocol,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    QuotaExceededError,
    StreamNotFoundError,
    StreamState,
)
from headend.provider import PROTOCOLS
from headend_contract.faults import UNAVAILABLE
from headend_ivs import headend_providers, signing, wire
from headend_ivs.facts import FACTS
from headend_ivs.provider import SETTLE_TIME
from headend_ivs.settings import IvsOptions

MARKER = "headend-0123456789abcdef-00112233445566778899aabb"
OTHER = "arn:aws:ivs:us-west-2:123456789012:channel/nosuchChannel"
KEY = "sk_us-west-2_planted0key0_abcdefghijkl"

READERS = {
    "get_live_stream": lambda provider, one: provider.get_live_stream(one),
    "get_credentials": lambda provider, one: provider.get_credentials(one),
    "get_playback_url": lambda provider, one: provider.get_playback_url(one),
    "get_analytics": lambda provider, one: provider.get_analytics(one),
    "get_analytics_many": lambda provider, one: provider.get_analytics_many([one]),
    "rotate_stream_key": lambda provider, one: provider.rotate_stream_key(one),
    "list_sessions": lambda provider, one: list(provider.list_sessions(one)),
    "put_timed_metadata": lambda provider, one: provider.put_timed_metadata(one, "goal"),
}
"""Operations that a live stream must be there for."""


def request(**more):
    return CreateRequest(**{"channel_id": "42", "marker": MARKER, "options": IvsOptions(), **more})


@pytest.fixture
def made(provider, simulated, clock):
    """A live stream that was created a while ago."""
    found = provider.create_live_stream(request(name="News at ten", metadata={"team": "sport"}))
    clock.advance(60)
    simulated.requests.clear()
    return found


@pytest.fixture
def live(made, simulated, clock):
    """The encoder of a live stream that is live."""
    encoder = simulated.encoder(made.stream_key.reveal())
    clock.advance(60)
    return encoder


def sent(simulated):
    """Return the operations that reached the platform, in order."""
    return [one.operation for one in simulated.requests]


# -- creating and reading -------------------------------------------------------------------------


def test_a_created_live_stream_can_be_pushed_to_with_its_key(made, simulated):
    assert simulated.encoder(made.stream_key.reveal()).refusals == 0
    assert made.stream_id in simulated.channels
    assert made.rtmp_push_url.startswith("rtmps://")
    assert made.rtmp_push_url.endswith(":443/app/")
    assert [one.protocol for one in made.ingests] == [IngestProtocol.RTMPS, IngestProtocol.SRT]


def test_what_is_created_is_read_as_it_was_asked_for(provider, made, clock):
    found = provider.get_live_stream(made.stream_id)

    assert (found.stream_id, found.provider) == (made.stream_id, "aws-ivs")
    assert (found.name, found.channel_id, found.marker) == ("News at ten", "42", MARKER)
    assert found.metadata == {"team": "sport"}
    assert found.low_latency is False
    assert found.state is StreamState.IDLE
    assert found.playback_url == made.playback_url
    assert found.created_at == clock.now().replace(microsecond=0) - timedelta(seconds=60)


def test_creating_takes_one_request(provider, simulated):
    provider.create_live_stream(request())

    assert sent(simulated) == ["CreateChannel"]


def test_a_text_that_has_no_room_is_refused_before_anything_is_sent(provider, simulated):
    with pytest.raises(InvalidRequestError, match="the name cannot be a tag") as caught:
        provider.create_live_stream(request(name="n" * 300))

    assert caught.value.request_sent is False
    assert sent(simulated) == []


def test_credentials_address_and_state_are_those_of_the_creation(provider, made):
    assert provider.get_credentials(made.stream_id) == made
    assert provider.get_playback_url(made.stream_id) == made.playback_url


def test_a_live_stream_is_live_once_viewers_can_watch(provider, made, live, simulated, clock):
    assert provider.get_live_stream(made.stream_id).state is StreamState.LIVE

    live.leave()
    clock.advance(1)
    assert provider.get_live_stream(made.stream_id).state is StreamState.INTERRUPTED

    clock.advance(60)
    assert provider.get_live_stream(made.stream_id).state is StreamState.IDLE


def test_offline_is_idle(provider, made, live, simulated, clock):
    simulated.switch(offline_state=True)
    live.finish()
    clock.advance(10)

    assert provider.get_live_stream(made.stream_id).state is StreamState.IDLE


def test_a_state_that_nobody_knows_is_unknown_and_told(provider, made, live, simulated):
    simulated.switch(unknown_words=True, extra_members=True)
    found = provider.get_live_stream(made.stream_id)

    assert found.state is StreamState.UNKNOWN
    assert "AWS IVS says" in str(found.state_reason)


def test_a_list_has_states_and_addresses(provider, made, live, simulated, clock):
    idle = provider.create_live_stream(request(channel_id="43", marker=f"{MARKER[:-1]}c"))
    clock.advance(5)
    found = {one.stream_id: one for one in provider.list_live_streams()}

    assert {arn: one.state for arn, one in found.items()} == {
        made.stream_id: StreamState.LIVE,
        idle.stream_id: StreamState.IDLE,
    }
    assert found[idle.stream_id].playback_url == idle.playback_url
    assert found[made.stream_id] == provider.get_live_stream(made.stream_id)


def test_a_list_is_read_page_by_page_as_it_is_taken(provider, simulated, clock):
    simulated.switch(page_size=2)
    for number in range(5):
        provider.create_live_stream(request(marker=f"{MARKER[:-1]}{number}"))
    clock.advance(10)
    simulated.requests.clear()

    pages = provider.list_live_streams()
    next(pages)
    assert sent(simulated) == ["ListStreams", "ListChannels", "BatchGetChannel"]
    assert len(list(pages)) == 4
    assert sent(simulated).count("ListChannels") == 3


@pytest.mark.parametrize(
    "take",
    [
        lambda provider, _: list(provider.list_live_streams()),
        lambda provider, _: provider.find_live_streams("nobody", None),
    ],
)
def test_a_token_that_comes_twice_ends_a_list_with_an_error(provider, made, simulated, take):
    simulated.switch(stuck_token=True)

    with pytest.raises(PlatformProtocolError, match="twice"):
        take(provider, made)


# -- finding what was created ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "News", "Größe & Höhe", "日本", "x" * 189])
def test_a_live_stream_is_found_by_its_marker_with_one_request(provider, simulated, clock, name):
    made = provider.create_live_stream(request(name=name))
    provider.create_live_stream(request(name=name, marker=f"{MARKER[:-1]}c"))
    clock.advance(10)
    simulated.requests.clear()
    found = provider.find_live_streams(MARKER, name)

    assert [one.stream_id for one in found] == [made.stream_id]
    assert sent(simulated) == ["ListChannels"]


def test_a_channel_of_the_same_name_and_another_marker_is_not_taken(provider, made, simulated):
    channel = simulated.channels[made.stream_id]
    channel.tags["headend:marker"] = "another"

    assert provider.find_live_streams(MARKER, "News at ten") == []


def test_the_spec_s_settle_time_is_the_providers():
    (spec,) = headend_providers()
    assert spec.settle_time == SETTLE_TIME


def test_what_was_just_created_is_waited_for(provider, simulated, clock):
    simulated.switch(read_lag=3)
    made = provider.create_live_stream(request())

    assert provider.get_live_stream(made.stream_id).channel_id == "42"
    assert provider.get_credentials(made.stream_id) == made


def test_what_was_just_created_is_among_many_at_once(provider, simulated, clock):
    simulated.switch(read_lag=3)
    made = provider.create_live_stream(request())
    began = clock.monotonic()
    (found,) = provider.get_analytics_many([made.stream_id])

    assert found.unknown["viewer_count"] == "it is not live"
    assert clock.monotonic() - began < 1

    clock.advance(SETTLE_TIME)
    del simulated.channels[made.stream_id]
    with pytest.raises(StreamNotFoundError):
        provider.get_analytics_many([made.stream_id])


def test_of_more_than_a_thousand_creations_the_first_are_forgotten(provider):
    ids = [f"arn:aws:ivs:us-west-2:123456789012:channel/made{number}" for number in range(1002)]
    for one in ids:
        provider.remember(one)

    left = [provider.settling(wire.ChannelArn.parse(one)) for one in ids]
    assert left == [0.0, 0.0] + [SETTLE_TIME] * 1000


def test_what_was_just_created_is_not_taken_for_gone(provider, provider_for, simulated, clock):
    simulated.switch(read_lag=3)
    made = provider.create_live_stream(request())
    other_host = provider_for()

    ended = other_host.end_live_stream(made.stream_id, delete_recordings=False)

    assert ended.outcome is EndOutcome.ENDED
    assert simulated.channels == {}


def test_who_created_it_a_moment_ago_does_not_take_it_for_gone_either(provider, simulated):
    simulated.switch(read_lag=3)
    made = provider.create_live_stream(request())

    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert ended.outcome is EndOutcome.ENDED
    assert simulated.channels == {}


def test_what_has_had_its_time_since_it_was_created_is_gone_without_a_wait(
    provider, provider_for, simulated, clock
):
    made = provider.create_live_stream(request())
    del simulated.channels[made.stream_id]
    clock.advance(SETTLE_TIME)
    for one, waits in ((provider, False), (provider_for(), True)):
        began = clock.monotonic()
        ended = one.end_live_stream(made.stream_id, delete_recordings=False)

        assert ended.outcome is EndOutcome.ALREADY_GONE
        assert (clock.monotonic() - began >= SETTLE_TIME) is waits


def test_who_waits_for_what_another_host_may_have_created_is_told(provider, simulated, caplog):
    caplog.set_level(logging.INFO, "headend.calls")
    provider.end_live_stream(OTHER, delete_recordings=False)

    assert "until it is certain that there is no such live stream" in caplog.text


# -- ids ------------------------------------------------------------------------------------------


ODD = [KEY, "rtmps://x/app/" + KEY, "42", "abcdABCDefgh", OTHER + "/x", OTHER.replace("ivs", "s3")]


def test_an_id_that_is_no_channels_is_not_sent_and_not_shown(provider, simulated):
    for odd, operation in product(ODD, READERS.values()):
        kind = InvalidRequestError if odd == KEY else StreamNotFoundError
        with pytest.raises(kind) as caught:
            operation(provider, odd)
        assert caught.value.request_sent is False
        assert odd not in str(caught.value)
    assert sent(simulated) == []


def test_a_live_stream_of_another_region_is_refused_with_what_to_set(provider, simulated):
    for operation in READERS.values():
        with pytest.raises(StreamNotFoundError, match="set AWS_IVS_REGION=eu-west-1") as caught:
            operation(provider, OTHER.replace("us-west-2", "eu-west-1"))
        assert caught.value.request_sent is False
    assert sent(simulated) == []


@pytest.mark.parametrize("odd", [KEY, OTHER.replace("us-west-2", "eu-west-1")])
def test_what_cannot_be_found_from_here_is_not_called_gone(provider, simulated, odd):
    with pytest.raises(InvalidRequestError) as caught:
        provider.end_live_stream(odd, delete_recordings=False)

    assert caught.value.request_sent is False
    assert KEY not in str(caught.value)
    assert sent(simulated) == []


def test_a_live_stream_of_another_account_is_refused_once_the_account_is_known(provider, simulated):
    assert provider.account == "123456789012 us-west-2"
    simulated.requests.clear()

    with pytest.raises(InvalidRequestError, match="in the account 999999999999"):
        provider.end_live_stream(
            OTHER.replace("123456789012", "999999999999"), delete_recordings=False
        )
    assert sent(simulated) == []


def test_a_live_stream_that_is_not_there_is_not_found(provider, simulated):
    for operation in READERS.values():
        with pytest.raises(StreamNotFoundError) as caught:
            operation(provider, OTHER)
        assert caught.value.request_sent is True


# -- ending ---------------------------------------------------------------------------------------


def test_an_idle_live_stream_ends_in_the_safe_order(provider, made, simulated):
    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert (ended.outcome, ended.recordings_kept) == (EndOutcome.ENDED, ())
    assert simulated.channels == {}
    assert sent(simulated) == [
        "GetChannel",
        "ListStreamKeys",
        "DeleteStreamKey",
        "StopStream",
        "DeleteChannel",
    ]


@pytest.mark.parametrize(
    "switches", [{}, {"offline_state": True}, {"revocation_disconnects": True}]
)
def test_an_encoder_that_comes_back_is_kept_out(provider, made, simulated, clock, switches):
    simulated.switch(**switches)
    encoder = simulated.encoder(made.stream_key.reveal(), reconnects=True)
    clock.advance(30)
    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert ended.outcome is EndOutcome.ENDED
    assert simulated.channels == {}
    assert not encoder.connect()


def test_a_stop_that_is_not_available_is_tried_again(provider, made, live, simulated):
    simulated.switch(unavailable_stops=2)

    assert provider.end_live_stream(made.stream_id, delete_recordings=False).outcome is (
        EndOutcome.ENDED
    )
    assert simulated.channels == {}


def test_states_that_nobody_knows_do_not_keep_a_live_stream(provider, made, live, simulated):
    simulated.switch(unknown_words=True)

    provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert simulated.channels == {}


def test_what_takes_longer_than_there_is_time_can_be_ended_again(
    provider, made, live, simulated, clock
):
    simulated.switch(stop_time=200)
    began = clock.monotonic()

    with pytest.raises(PlatformTimeoutError, match="end it again"):
        provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert 58 <= clock.monotonic() - began <= 60
    assert simulated.keys == {}

    simulated.switch(stop_time=1)
    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert ended.outcome is EndOutcome.ENDED
    assert simulated.channels == {}


def test_a_live_stream_that_aws_does_not_delete_yet_is_told_so(
    provider, made, live, simulated, clock
):
    simulated.switch(stop_time=200)
    live.finish()
    clock.advance(1)

    with pytest.raises((ConflictError, PlatformTimeoutError), match="end it again") as caught:
        provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert caught.value.retryable


def test_looking_while_stopping_keeps_to_one_look_a_second(provider, made, live, simulated, clock):
    simulated.switch(stop_time=20)
    before = clock.monotonic()
    provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert sent(simulated).count("GetStream") <= clock.monotonic() - before + 1


def test_what_was_ended_is_gone_at_once(provider, made, simulated, clock):
    provider.end_live_stream(made.stream_id, delete_recordings=False)
    before = clock.monotonic()
    simulated.requests.clear()
    again = provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert again.outcome is EndOutcome.ALREADY_GONE
    assert clock.monotonic() - before < 1
    assert sent(simulated) == ["GetChannel"]


def test_what_another_host_ended_is_looked_for_twice(provider, provider_for, made, simulated):
    provider.end_live_stream(made.stream_id, delete_recordings=False)
    simulated.requests.clear()
    again = provider_for().end_live_stream(made.stream_id, delete_recordings=False)

    assert again.outcome is EndOutcome.ALREADY_GONE
    assert sent(simulated) == ["GetChannel", "GetChannel"]


# -- keys -----------------------------------------------------------------------------------------


def test_rotating_kills_the_old_key_and_throws_its_encoder_out(
    provider, made, live, simulated, clock
):
    new = provider.rotate_stream_key(made.stream_id)

    assert new.stream_key != made.stream_key
    assert new.stream_id == made.stream_id
    assert simulated.keys == {new.stream_key.reveal(): made.stream_id}
    clock.advance(10)
    assert simulated.status(made.stream_id) == "idle"
    assert not live.connect()
    assert provider.get_credentials(made.stream_id) == new


def test_an_encoder_that_has_the_new_key_gets_in(provider, made, simulated):
    new = provider.rotate_stream_key(made.stream_id)

    assert simulated.encoder(new.stream_key.reveal()).refusals == 0


def test_a_live_stream_without_a_key_gets_one_when_its_credentials_are_asked_for(
    provider, made, simulated
):
    provider.revoke(provider.keys(wire.ChannelArn.parse(made.stream_id)))
    assert simulated.keys == {}
    found = provider.get_credentials(made.stream_id)

    assert simulated.keys == {found.stream_key.reveal(): made.stream_id}


def test_a_key_that_is_refused_is_an_error_that_says_what_it_means(provider_for, made, simulated):
    simulated.switch(pending_verification=True)

    with pytest.raises(PermissionDeniedError) as caught:
        provider_for().rotate_stream_key(made.stream_id)
    assert "rotate_stream_key() again" in str(caught.value)


# -- sessions, metadata, key pairs ----------------------------------------------------------------


def test_sessions_come_with_the_latest_first(provider, made, simulated, clock):
    for _ in range(3):
        encoder = simulated.encoder(made.stream_key.reveal())
        clock.advance(60)
        encoder.finish()
        clock.advance(60)
    simulated.encoder(made.stream_key.reveal())
    clock.advance(30)
    found = list(provider.list_sessions(made.stream_id))

    assert len(found) == 4
    assert [one.started_at for one in found] == sorted(
        (one.started_at for one in found), reverse=True
    )
    assert found[0].ended_at is None
    assert all(one.ended_at is not None for one in found[1:])
    assert {one.stream_id for one in found} == {made.stream_id}


def test_a_session_has_its_encoder_and_what_happened_the_earliest_first(
    provider, made, live, clock
):
    live.finish()
    clock.advance(60)
    (listed,) = provider.list_sessions(made.stream_id)
    found = provider.get_session(made.stream_id, listed.session_id)

    assert (found.session_id, found.started_at) == (listed.session_id, listed.started_at)
    assert (listed.encoder, listed.events) == (None, ())
    assert found.encoder is not None
    assert found.encoder.software
    assert found.encoder.video_codec.startswith("avc1.")
    assert found.encoder.audio_sample_rate == 48_000
    names = [one.name for one in found.events]
    assert names[:2] == ["Session Created", "Stream Start"]
    assert set(names[2:]) == {"Session Ended", "Stream End"}
    assert {one.name: one.kind for one in found.events}["Stream Start"] is EventKind.LIVE
    assert [one.occurred_at for one in found.events] == sorted(
        one.occurred_at for one in found.events
    )


@pytest.mark.parametrize(
    "odd", ["", "a/b", "st-" + "x" * 90, "ä", KEY, "mystream", "st-" + "x" * 22, "st-" + "x" * 24]
)
def test_what_is_no_session_is_not_sent_and_not_shown(provider, made, simulated, odd):
    with pytest.raises(StreamNotFoundError, match="no session of this id") as caught:
        provider.get_session(made.stream_id, odd)

    assert caught.value.request_sent is False
    assert not odd or odd not in str(caught.value)
    assert sent(simulated) == []


def test_a_session_that_there_never_was_is_not_found(provider, made, live):
    with pytest.raises(StreamNotFoundError, match="no session of this id") as caught:
        provider.get_session(made.stream_id, "st-" + "x" * 23)

    assert caught.value.request_sent is True


def test_timed_metadata_needs_a_live_stream_that_is_live(provider, made, simulated):
    with pytest.raises(ConflictError) as caught:
        provider.put_timed_metadata(made.stream_id, "goal")

    assert caught.value.code == "ChannelNotBroadcasting"


def test_timed_metadata_reaches_a_live_stream(provider, made, live, simulated):
    for text in ("g", "ü" * 512):
        provider.put_timed_metadata(made.stream_id, text)

    assert [one.status for one in simulated.requests] == [204, 204]


@pytest.mark.parametrize("text", ["", "x" * 1025, "ü" * 513, "\ud800"])
def test_timed_metadata_of_another_size_is_not_sent(provider, made, simulated, text):
    with pytest.raises(InvalidRequestError, match="1 to 1024 bytes") as caught:
        provider.put_timed_metadata(made.stream_id, text)

    assert caught.value.request_sent is False
    assert sent(simulated) == []


def public_key():
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_playback_token_is_in_the_address_that_it_opens(provider_for, simulated, clock):
    key = signing.make_key()
    provider = provider_for(playback_key=key.private_pem)
    made = provider.create_live_stream(request(options=IvsOptions(authorized=True)))
    found = provider.create_playback_token(made.stream_id, expires_in=600)

    assert found.playback_url.reveal() == f"{made.playback_url}?token={found.token.reveal()}"
    claims = jwt.decode(
        found.token.reveal(), key.public_pem, algorithms=["ES384"], options={"verify_exp": False}
    )
    assert claims["aws:channel-arn"] == made.stream_id
    assert claims["exp"] == found.expires_at.timestamp()
    left = (found.expires_at - clock.now()).total_seconds()
    assert 598 < left <= 600
    assert found.token.reveal() not in repr(found)


def test_without_a_key_no_token_is_signed_and_nothing_is_sent(provider, made, simulated):
    with pytest.raises(ConfigurationError, match="AWS_IVS_PLAYBACK_KEY"):
        provider.create_playback_token(made.stream_id, expires_in=600)

    assert sent(simulated) == []


def test_a_token_for_ever_is_refused(provider_for, made):
    provider = provider_for(playback_key=signing.make_key().private_pem)

    with pytest.raises(InvalidRequestError, match="calendars"):
        provider.create_playback_token(made.stream_id, expires_in=1e300)


def test_key_pairs_are_imported_listed_and_deleted(provider):
    one = provider.import_playback_key_pair("one", public_key())
    two = provider.import_playback_key_pair("two", public_key())

    assert one.fingerprint
    assert {(pair.arn, pair.name) for pair in provider.list_playback_key_pairs()} == {
        (one.arn, "one"),
        (two.arn, "two"),
    }
    provider.delete_playback_key_pair(one.arn)
    provider.delete_playback_key_pair(one.arn)
    assert [pair.arn for pair in provider.list_playback_key_pairs()] == [two.arn]


def test_a_fourth_key_pair_is_over_the_quota(provider):
    for number in range(3):
        provider.import_playback_key_pair(str(number), public_key())

    with pytest.raises(QuotaExceededError):
        provider.import_playback_key_pair("3", public_key())


def test_names_and_arns_of_key_pairs_are_checked_before_they_are_sent(provider, simulated):
    with pytest.raises(InvalidRequestError):
        provider.import_playback_key_pair("no spaces", "pem")
    for odd in (OTHER, KEY, ""):
        with pytest.raises(InvalidRequestError, match="is not the ARN of a playback key pair"):
            provider.delete_playback_key_pair(odd)

    assert sent(simulated) == []


def test_a_key_pair_of_elsewhere_is_not_called_gone(provider, simulated):
    there = "arn:aws:ivs:us-east-1:123456789012:playback-key/AbCdEfGhIjKl"
    with pytest.raises(InvalidRequestError, match="AWS_IVS_REGION=us-east-1"):
        provider.delete_playback_key_pair(there)
    assert sent(simulated) == []

    assert provider.account
    theirs = "arn:aws:ivs:us-west-2:999999999999:playback-key/AbCdEfGhIjKl"
    with pytest.raises(InvalidRequestError, match="account 999999999999"):
        provider.delete_playback_key_pair(theirs)
    assert sent(simulated) == ["GetCallerIdentity"]


# -- health, account, capabilities ----------------------------------------------------------------


def test_a_healthy_provider_says_who_and_where_it_is(provider, simulated, clock):
    found = provider.check_health()

    assert found.ok
    assert "arn:aws:iam::123456789012:user/" in found.message
    assert "us-west-2" in found.message
    assert found.checked_at <= clock.now()
    assert sorted(sent(simulated)) == ["GetCallerIdentity", "ListChannels"]


def test_who_we_are_is_asked_once(provider, simulated):
    for _ in range(3):
        provider.check_health()
        assert provider.account == "123456789012 us-west-2"

    assert sent(simulated).count("GetCallerIdentity") == 1


def test_health_that_is_asked_for_often_takes_one_request_in_five_seconds(
    provider, simulated, clock
):
    first = provider.check_health()
    clock.advance(4.9)
    assert provider.check_health().checked_at == first.checked_at
    assert sent(simulated).count("ListChannels") == 1

    clock.advance(0.2)
    assert provider.check_health().checked_at > first.checked_at
    assert sent(simulated).count("ListChannels") == 2


def test_bad_health_is_not_kept(provider, simulated, faults):
    faults.script({1: UNAVAILABLE, 2: UNAVAILABLE, 3: UNAVAILABLE})
    with pytest.raises(PlatformUnavailableError):
        provider.check_health()

    assert provider.check_health().ok


def test_a_provider_is_made_without_a_request(provider, simulated):
    assert sent(simulated) == []


def test_wrong_credentials_are_an_error_of_their_own(provider_for):
    from headend.plugin import Secret

    provider = provider_for(secret_access_key=Secret("w" * 40))

    with pytest.raises(AuthenticationError):
        provider.check_health()


def test_an_account_that_aws_has_not_verified_is_not_healthy_from_the_first_refusal_on(
    provider, simulated
):
    simulated.switch(pending_verification=True)
    assert provider.check_health().ok
    with pytest.raises(PermissionDeniedError, match="verif"):
        provider.create_live_stream(request())

    found = provider.check_health()
    assert not found.ok
    assert "verif" in found.message

    simulated.switch(pending_verification=False)
    provider.create_live_stream(request())
    assert provider.check_health().ok


def test_a_full_account_is_a_quota(provider, simulated):
    simulated.switch(channel_quota=0)

    with pytest.raises(QuotaExceededError):
        provider.create_live_stream(request())


def test_the_capabilities_are_those_that_the_provider_has_operations_for(provider):
    (spec,) = headend_providers()

    for capability, protocol in PROTOCOLS.items():
        assert isinstance(provider, protocol) is (capability in spec.capabilities)
    assert {Capability.LOW_LATENCY, Capability.SRT} <= spec.capabilities


def test_every_request_of_an_operation_needs_a_permission_that_the_facts_tell(
    provider_for, simulated, clock
):
    provider = provider_for(playback_key=signing.make_key().private_pem)
    allowed = {
        name: {one.name.split(":")[1] for one in FACTS.permissions if name in one.needed_for}
        for one in FACTS.permissions
        for name in one.needed_for
    }

    def run(name, *given, **more):
        simulated.requests.clear()
        found = getattr(provider, name)(*given, **more)
        found = list(found) if hasattr(found, "__next__") else found
        clock.advance(10)
        assert set(sent(simulated)) <= allowed.pop(name), name
        return found

    run("check_health")
    made = run("create_live_stream", request()).stream_id
    simulated.encoder(provider.get_credentials(made).stream_key.reveal())
    clock.advance(60)
    for name in ("get_live_stream", "get_credentials", "get_playback_url", "get_analytics"):
        run(name, made)
    (session,) = run("list_sessions", made)
    run("get_session", made, session.session_id)
    run("list_live_streams")
    run("get_analytics_many", [made])
    run("put_timed_metadata", made, "goal")
    run("create_playback_token", made, expires_in=60)
    run("rotate_stream_key", made)
    pair = run("import_playback_key_pair", "one", public_key())
    run("list_playback_key_pairs")
    run("delete_playback_key_pair", pair.arn)
    run("end_live_stream", made, delete_recordings=False)
    assert set(allowed) == {"wait_until_live"}


def test_a_simulator_with_media_has_its_own_ingest(provider_for):
    provider = provider_for(ingest_url="rtmp://127.0.0.1:1935/live")
    made = provider.create_live_stream(request())

    assert made.rtmp_push_url == "rtmp://127.0.0.1:1935/live"
    assert provider.get_credentials(made.stream_id) == made


def test_times_are_those_of_the_platform(provider, made, live):
    (found,) = provider.list_sessions(made.stream_id)

    assert isinstance(found.started_at, datetime)
    assert found.started_at.tzinfo is UTC


def test_an_error_names_the_operation_of_headend_and_the_request_of_aws(platform, simulated):
    made = platform.create_live_stream(42)
    platform.end_live_stream(made.stream_id)
    with pytest.raises(StreamNotFoundError) as caught:
        platform.get_live_stream(made.stream_id)

    assert (caught.value.operation, caught.value.step) == ("get_live_stream", "GetStream")
    assert "(aws-ivs get_live_stream, GetStream, HTTP 404, " in str(caught.value)
