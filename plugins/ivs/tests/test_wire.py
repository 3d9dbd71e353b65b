"""Names, tags, addresses and states: what is pure in the provider."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import botocore.session
import pytest
from hypothesis import given, strategies as st

from headend.plugin import (
    BrokenAnswerError,
    CreateRequest,
    EncoderSettings,
    EventKind,
    Fields,
    IngestProtocol,
    Secret,
    StreamState,
)
from headend_ivs import wire
from headend_ivs.settings import ChannelType, IvsOptions, Preset
from headend_ivs.wire import ChannelArn

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
MARKER = "headend-0123456789abcdef-00112233445566778899aabb"
ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"
KEY = "sk_us-west-2_planted0key0_abcdefghijkl"
PASSPHRASE = "planted0passphrase0planted0passphrase"

MODEL = botocore.session.get_session().get_service_model("ivs")
NAME = MODEL.shape_for("ChannelName").metadata
TAG_SIGNS = re.compile(r"[A-Za-z0-9 _.:/=+@-]*")
"""What may be in a tag: docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html."""

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def channel(**more: object) -> dict[str, object]:
    """A channel in the shape of the API reference, ``Channel``."""
    return {
        "arn": ARN,
        "name": "news",
        "latencyMode": "LOW",
        "type": "STANDARD",
        "recordingConfigurationArn": "",
        "ingestEndpoint": "0123abcd4567.global-contribute.live-video.net",
        "playbackUrl": "https://0123abcd4567.us-west-2.playback.live-video.net/x/y.m3u8",
        "authorized": False,
        "tags": {},
        "insecureIngest": False,
        "preset": "",
        "srt": {"endpoint": "0123abcd4567.srt.live-video.net", "passphrase": PASSPHRASE},
        **more,
    }


def stream_key(**more: object) -> dict[str, object]:
    return {
        "arn": "arn:aws:ivs:us-west-2:123456789012:stream-key/AbCdEfGhIjKl",
        "value": KEY,
        "channelArn": ARN,
        "tags": {},
        **more,
    }


def request(**more: object) -> CreateRequest:
    given: dict[str, object] = {"channel_id": "42", "marker": MARKER, **more}
    return CreateRequest(**given)  # type: ignore[arg-type]  # tests give what they mean


def created(made: CreateRequest, options: IvsOptions | None = None) -> dict[str, object]:
    return wire.new_channel(made, options or IvsOptions(), created_at=NOW)


def seen_again(parameters: dict[str, object]) -> wire.LiveStream:
    """Read the channel that these parameters make."""
    kept = {name: parameters[name] for name in ("name", "latencyMode", "tags")}
    return wire.listed_live_stream(Fields(channel(**kept)))


# -- ARNs -----------------------------------------------------------------------------------------


def test_region_account_and_id_are_read_from_an_arn():
    arn = ChannelArn.parse(ARN)

    assert (arn.region, arn.account, arn.resource_id) == (
        "us-west-2",
        "123456789012",
        "abcdABCDefgh",
    )
    assert str(arn) == ARN


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY,
        "abcdABCDefgh",
        ARN.replace("channel", "stream-key"),
        ARN.replace("aws", "aws-cn", 1),
        f"{ARN}/more",
        f"{ARN}\n",
        f" {ARN}",
        ARN + "x" * 128,
        "https://0123abcd4567.us-west-2.playback.live-video.net/x/y.m3u8",
    ],
)
def test_what_is_no_channel_arn_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match=r"not the ARN of a channel.*`headend list`") as caught:
        ChannelArn.parse(text)

    assert not text.strip() or text.strip() not in str(caught.value)
    assert not wire.is_channel_arn(text)


@given(st.text() | st.from_regex(r"arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+"))
def test_an_arn_is_one_exactly_if_the_service_model_says_so(text):
    shape = MODEL.shape_for("ChannelArn").metadata
    fits = re.fullmatch(shape["pattern"], text) is not None and len(text) <= shape["max"]

    assert wire.is_channel_arn(text) is fits
    try:
        assert ChannelArn.parse(text).text == text
    except ValueError:
        assert not fits
    else:
        assert fits


# -- names and tags -------------------------------------------------------------------------------


@given(st.none() | TEXT, st.just(MARKER) | TEXT)
def test_a_channel_has_a_name_that_aws_accepts_and_that_can_be_made_again(name, marker):
    made = wire.channel_name(name, marker)

    assert re.fullmatch(NAME["pattern"], made)
    assert 1 <= len(made) <= NAME["max"]
    assert wire.channel_name(name, marker) == made


@given(st.none() | TEXT)
def test_two_markers_give_two_names(name):
    other = MARKER[:-1] + "c"

    assert wire.channel_name(name, MARKER) != wire.channel_name(name, other)
    assert wire.channel_name(name, MARKER).endswith(MARKER[-24:])


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("News at ten", "News-at-ten-0"),
        ("Größe", "Groe-0"),
        ("日本", "headend-0"),
        (None, "headend-0"),
        ("x" * 200, "x" * 60 + "-0"),
    ],
)
def test_a_channels_name_begins_with_what_can_be_kept_of_the_hosts(name, begins):
    assert wire.channel_name(name, MARKER).startswith(begins)


@given(TEXT)
def test_a_tag_holds_any_text_that_has_room_and_refuses_the_rest(text):
    size = len(text.encode())
    try:
        tag = wire.encode_tag(text)
    except ValueError:
        assert size > 189
        return
    assert len(tag) <= 256
    assert TAG_SIGNS.fullmatch(tag)
    assert tag == tag.strip()
    assert wire.decode_tag(tag) == text


@given(st.integers(0, 400), st.sampled_from(["a", "=", "ü", "語", "😀", " "]))
def test_189_bytes_always_have_room_and_256_signs_are_the_most(count, sign):
    text = sign * count
    if len(text.encode()) <= 189:
        assert wire.decode_tag(wire.encode_tag(text)) == text
    if count > 256:
        with pytest.raises(ValueError, match="too long"):
            wire.encode_tag(text)


@given(st.text())
def test_any_tag_can_be_read(text):
    assert isinstance(wire.decode_tag(text), str)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("News at ten", "News at ten"),
        ("a=b", "a=3Db"),
        (" a ", "=20a=20"),
        ("   ", "=20=20=20"),
        ("Größe", "Gr=C3=B6=C3=9Fe"),
        ("", ""),
    ],
)
def test_a_tag_stays_legible(text, tag):
    assert wire.encode_tag(text) == tag


@pytest.mark.parametrize("text", ["a=b", "=", "=3", "=@", "=@!", "=C3", "=@//8=", "x=GG"])
def test_a_tag_that_another_wrote_is_read_as_it_is(text):
    assert wire.decode_tag(text) in {text, ""}


@given(
    name=st.none() | TEXT.filter(lambda text: len(text.encode()) <= 189),
    channel_id=TEXT.filter(lambda text: 0 < len(text.encode()) <= 189),
    metadata=st.dictionaries(
        TEXT.filter(lambda text: len(text.encode()) <= 80),
        TEXT.filter(lambda text: len(text.encode()) <= 189),
        max_size=10,
    ),
)
def test_name_id_and_metadata_come_back_from_a_channel_as_they_were(name, channel_id, metadata):
    parameters = created(request(name=name, channel_id=channel_id, metadata=metadata))
    found = seen_again(parameters)

    assert (found.name, found.channel_id, found.marker) == (name, channel_id, MARKER)
    assert found.metadata == metadata
    assert found.created_at == NOW
    tags = parameters["tags"]
    assert isinstance(tags, dict)
    for key, value in tags.items():
        assert TAG_SIGNS.fullmatch(key)
        assert TAG_SIGNS.fullmatch(value)
        assert 1 <= len(key) <= 128
        assert len(value) <= 256


def test_46_metadata_have_room_beside_a_name_and_a_47th_is_refused():
    fit = {f"key{number}": "x" for number in range(46)}

    assert seen_again(created(request(name="n", metadata=fit))).metadata == fit
    with pytest.raises(
        ValueError, match="there are 47 metadata, and a channel of AWS has room for 46"
    ):
        created(request(name="n", metadata={**fit, "one": "more"}))
    assert seen_again(created(request(metadata={**fit, "one": "more"})))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"name": "n" * 257}, "the name"),
        ({"channel_id": "7" * 257}, "the channel id"),
        ({"metadata": {"k": "v" * 257}}, "the metadata 'k'"),
        ({"metadata": {"k" * 200: "v"}}, "the key"),
        ({"name": "\ud800"}, "the name"),
    ],
)
def test_what_has_no_room_in_a_tag_is_refused_with_its_name(more, what):
    with pytest.raises(ValueError, match=what):
        created(request(**more))


def test_a_channel_that_another_made_has_its_own_name_and_no_marker():
    found = wire.listed_live_stream(Fields(channel(tags={"team": "news", "headend:name": "x"})))

    assert (found.name, found.marker, found.channel_id) == ("news", None, None)
    assert found.metadata == {}
    assert found.created_at is None


def test_a_time_on_a_channel_that_somebody_changed_is_unknown():
    tags = {"headend:marker": MARKER, "headend:created-at": "yesterday"}

    assert wire.listed_live_stream(Fields(channel(tags=tags))).created_at is None


# -- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "mode"), [(True, "LOW"), (False, "NORMAL")])
def test_low_latency_is_the_latency_mode(low, mode):
    parameters = created(request(low_latency=low))

    assert parameters["latencyMode"] == mode
    assert seen_again(parameters).low_latency is low


def test_the_options_are_parameters_of_create_channel():
    arn = "arn:aws:ivs:us-west-2:123456789012:recording-configuration/AbCd1234EfGh"
    parameters = created(
        request(),
        IvsOptions(
            type=ChannelType.ADVANCED_HD,
            insecure_ingest=True,
            recording_configuration_arn=arn,
            authorized=True,
            preset=Preset.CONSTRAINED_BANDWIDTH_DELIVERY,
        ),
    )

    del parameters["name"], parameters["tags"], parameters["latencyMode"]
    assert parameters == {
        "type": "ADVANCED_HD",
        "insecureIngest": True,
        "recordingConfigurationArn": arn,
        "authorized": True,
        "preset": "CONSTRAINED_BANDWIDTH_DELIVERY",
    }
    assert all(type(one) in {str, bool} for one in parameters.values())


def test_what_was_not_asked_for_is_not_sent():
    assert set(created(request())) == {
        "name",
        "type",
        "latencyMode",
        "authorized",
        "insecureIngest",
        "tags",
    }


# -- addresses ------------------------------------------------------------------------------------


def test_the_push_address_is_rtmps_and_srt_comes_with_its_passphrase():
    made = wire.credentials(Fields(channel()), Fields(stream_key()))

    host = "0123abcd4567.global-contribute.live-video.net"
    assert made.stream_id == ARN
    assert made.rtmp_push_url == f"rtmps://{host}:443/app/"
    assert made.push_url_with_key().reveal() == f"rtmps://{host}:443/app/{KEY}"
    assert [one.protocol for one in made.ingests] == [IngestProtocol.RTMPS, IngestProtocol.SRT]
    srt = made.ingests[1]
    assert srt.server_url == "srt://0123abcd4567.srt.live-video.net:9000"
    assert srt.passphrase == Secret(PASSPHRASE)
    assert srt.url_with_key.reveal() == f"{srt.server_url}?streamid={KEY}&passphrase={PASSPHRASE}"
    for text in (repr(made), str(made), repr(made.ingests)):
        assert KEY not in text
        assert PASSPHRASE not in text


def test_insecure_ingest_adds_plain_rtmp_and_takes_the_passphrase_away():
    made = wire.credentials(Fields(channel(insecureIngest=True)), Fields(stream_key()))

    rtmps, rtmp, srt = made.ingests
    assert rtmps.protocol is IngestProtocol.RTMPS
    assert rtmp.server_url == "rtmp://0123abcd4567.global-contribute.live-video.net/app/"
    assert srt.passphrase is None
    assert "passphrase" not in srt.url_with_key.reveal()


@pytest.mark.parametrize("srt", [None, {}])
def test_a_channel_without_srt_has_none(srt):
    made = wire.credentials(Fields(channel(srt=srt)), Fields(stream_key()))

    assert [one.protocol for one in made.ingests] == [IngestProtocol.RTMPS]


def test_a_simulator_has_its_own_ingest_and_may_play_without_tls():
    plain = channel(playbackUrl="http://127.0.0.1:8080/live/x.m3u8")
    made = wire.credentials(
        Fields(plain), Fields(stream_key()), ingest_url="rtmp://127.0.0.1:1935/live"
    )

    assert made.rtmp_push_url == "rtmp://127.0.0.1:1935/live"
    assert [one.protocol for one in made.ingests] == [IngestProtocol.RTMP]
    assert made.playback_url == "http://127.0.0.1:8080/live/x.m3u8"
    with pytest.raises(BrokenAnswerError, match="playbackUrl"):
        wire.credentials(Fields(plain), Fields(stream_key()))


def test_the_key_of_another_channel_is_no_credential():
    with pytest.raises(BrokenAnswerError, match="another channel"):
        wire.credentials(Fields(channel()), Fields(stream_key(channelArn=f"{ARN}X")))


# -- what is broadcast ----------------------------------------------------------------------------


def stream(**more: object) -> dict[str, object]:
    """A stream in the shape of the API reference, ``Stream``."""
    return {
        "channelArn": ARN,
        "streamId": "st-ABCDEFGHIJKLMNOPQRSTUVW",
        "playbackUrl": "https://0123abcd4567.us-west-2.playback.live-video.net/x/y.m3u8",
        "startTime": datetime(2030, 1, 2, 3, 0, tzinfo=timezone(timedelta(hours=1))),
        "state": "LIVE",
        "health": "HEALTHY",
        "viewerCount": 3,
        **more,
    }


@pytest.mark.parametrize(
    ("more", "state", "reason"),
    [
        ({}, StreamState.LIVE, None),
        ({"health": None}, StreamState.LIVE, None),
        ({"health": "STARVING"}, StreamState.INTERRUPTED, "STARVING"),
        ({"health": "UNKNOWN"}, StreamState.LIVE, "UNKNOWN"),
        ({"health": "SICK"}, StreamState.LIVE, "SICK"),
        ({"state": "OFFLINE"}, StreamState.IDLE, None),
        ({"state": "PAUSED"}, StreamState.UNKNOWN, "PAUSED"),
    ],
)
def test_a_state_is_read_in_headends_words(more, state, reason):
    found = wire.stream(Fields(stream(**more)))

    assert found.state is state
    assert (found.state_reason is None) if reason is None else (reason in str(found.state_reason))
    assert found.is_on is (state is not StreamState.IDLE)


@pytest.mark.parametrize(
    ("count", "known"), [(0, 0), (3, 3), (-1, None), (None, None), (15_000, 15_000)]
)
def test_minus_one_viewers_are_unknown_and_none_are_none(count, known):
    assert wire.stream(Fields(stream(viewerCount=count))).viewer_count == known


@pytest.mark.parametrize("count", [-2, 1.5, "3", True, [3]])
def test_a_viewer_count_that_is_no_number_is_a_broken_answer(count):
    with pytest.raises(BrokenAnswerError, match="viewerCount"):
        wire.stream(Fields(stream(viewerCount=count)))


@pytest.mark.parametrize(
    "time",
    [
        datetime(2030, 1, 2, 2, 0, tzinfo=UTC),
        datetime(2030, 1, 2, 3, 0, tzinfo=timezone(timedelta(hours=1))),
        "2030-01-02T02:00:00Z",
        "2030-01-02T03:00:00+01:00",
        "2030-01-02T02:00:00.000Z",
    ],
)
def test_times_are_read_as_boto3_makes_them_and_as_json_has_them(time):
    found = wire.stream(Fields(stream(startTime=time))).started_at

    assert found == datetime(2030, 1, 2, 2, 0, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "time",
    [
        datetime(2030, 1, 2),  # noqa: DTZ001  # that is the point
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
        "yesterday",
        "2030-01-02",
        1_641_578_182,
        [],
    ],
)
def test_what_is_no_time_is_a_broken_answer(time):
    with pytest.raises(BrokenAnswerError, match="startTime"):
        wire.stream(Fields(stream(startTime=time)))


def test_a_channel_on_which_nothing_is_broadcast_is_idle():
    found = wire.live_stream(Fields(channel()), None)

    assert (found.state, found.state_reason) == (StreamState.IDLE, None)
    assert found.playback_url == channel()["playbackUrl"]


def test_a_batch_tells_what_there_is_and_what_there_is_not():
    gone = ARN.replace("abcd", "gone")
    found = wire.batch(
        Fields(
            {
                "channels": [channel()],
                "errors": [{"arn": gone, "code": "ResourceNotFoundException", "message": "m"}],
            }
        )
    )

    assert found.playback_urls == {ARN: channel()["playbackUrl"]}
    assert found.errors == {gone: "ResourceNotFoundException"}


# -- sessions -------------------------------------------------------------------------------------


def session(**more: object) -> dict[str, object]:
    """A session in the shape of the API reference, ``StreamSession``."""
    return {"streamId": "st-ABCDEFGHIJKLMNOPQRSTUVW", "startTime": NOW, **more}


VIDEO = {
    "codec": "avc1.42C028",
    "encoder": "obs-output module",
    "targetBitrate": 3_500_000,
    "targetFramerate": 30,
    "videoHeight": 1080,
    "videoWidth": 1920,
}
AUDIO = {"codec": "mp4a.40.2", "targetBitrate": 160_000, "sampleRate": 48_000, "channels": 2}
ENCODER = EncoderSettings(
    software="obs-output module",
    video_codec="avc1.42C028",
    width=1920,
    height=1080,
    frame_rate=30.0,
    video_bitrate=3_500_000,
    audio_codec="mp4a.40.2",
    audio_bitrate=160_000,
    audio_sample_rate=48_000,
    audio_channels=2,
)


@pytest.mark.parametrize(
    "told",
    [
        {"ingestConfiguration": {"video": VIDEO, "audio": AUDIO}},
        {
            "ingestConfigurations": {
                "videoConfigurations": [VIDEO, {**VIDEO, "videoHeight": 360}],
                "audioConfigurations": [AUDIO],
            },
            "ingestConfiguration": {"video": {**VIDEO, "videoHeight": 1}, "audio": AUDIO},
        },
        {
            "ingestConfigurations": {"videoConfigurations": [], "audioConfigurations": []},
            "ingestConfiguration": {"video": VIDEO, "audio": AUDIO},
        },
    ],
)
def test_the_encoder_is_read_from_whichever_member_tells_of_it(told):
    assert wire.session(Fields(session(**told)), ARN).encoder == ENCODER


@pytest.mark.parametrize("told", [{}, {"ingestConfiguration": {}}, {"ingestConfigurations": {}}])
def test_an_encoder_that_nobody_tells_of_is_unknown(told):
    found = wire.session(Fields(session(**told)), ARN)

    assert (found.encoder, found.events) == (None, ())


def test_an_event_of_a_session_has_its_code_as_the_reason():
    told = {
        "name": "Session Ended",
        "type": "IVS Stream State Change",
        "eventTime": NOW,
        "code": "MultitrackInputNotAllowed",
    }
    (found,) = wire.session(Fields(session(truncatedEvents=[told])), ARN).events

    assert found.kind is EventKind.INGEST_ERROR
    assert (found.name, found.reason) == ("Session Ended", "MultitrackInputNotAllowed")
    assert found.occurred_at == NOW


def test_an_event_that_nobody_knows_is_unknown():
    told = {"name": "Encore", "type": "IVS Applause Change", "eventTime": NOW}
    (found,) = wire.session(Fields(session(truncatedEvents=[told])), ARN).events

    assert (found.kind, found.name, found.reason) == (EventKind.UNKNOWN, "Encore", None)
