"""Channels, stream keys, key pairs and tags, asked by boto3 and looked at from behind."""

from __future__ import annotations

from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headend_contract.clock import ManualClock
from headend_ivs.simulator import create_app

GONE = (404, "ResourceNotFoundException")
INVALID = (400, "ValidationException")


def arns(answer, name="channels"):
    return [one["arn"] for one in answer[name]]


def pages(call, name, **parameters):
    """Return the elements of each page."""
    found, token = [], {}
    while True:
        answer = call(**parameters, **token)
        found.append(answer[name])
        if "nextToken" not in answer:
            return found
        token = {"nextToken": answer["nextToken"]}


def test_a_channel_is_there_as_it_was_made_with_its_key_at_creation_only(ivs, create, simulated):
    made = create(name="show", latencyMode="NORMAL", authorized=True, tags={"a": "Ünï"})
    key = made.pop("key")

    assert ivs.get_channel(arn=made["arn"])["channel"] == made
    assert (made["name"], made["latencyMode"], made["authorized"]) == ("show", "NORMAL", True)
    assert (made["type"], made["preset"], made["tags"]) == ("STANDARD", "", {"a": "Ünï"})
    assert key["channelArn"] == made["arn"]
    assert simulated.keys == {key["value"]: made["arn"]}


def test_hosts_are_bare_and_belong_to_the_account_not_to_the_channel(create):
    one, other = create(), create()

    assert one["ingestEndpoint"].endswith(".global-contribute.live-video.example")
    assert "/" not in one["ingestEndpoint"] + one["srt"]["endpoint"]
    assert one["ingestEndpoint"] == other["ingestEndpoint"]
    assert one["playbackUrl"] != other["playbackUrl"]
    assert one["playbackUrl"].endswith(f".channel.{one['arn'].rpartition('/')[2]}.m3u8")


def test_the_same_seed_gives_the_same_keys():
    def seen(seed: int) -> list[object]:
        platform = create_app(clock=ManualClock(), random=Random(seed)).platform
        return [platform.access_key_id, platform.secret_access_key, platform.letters(12)]

    assert seen(1) == seen(1)
    assert seen(1) != seen(2)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"type": "BASIC"}, ""),
        ({"type": "ADVANCED_HD"}, "HIGHER_BANDWIDTH_DELIVERY"),
        (
            {"type": "ADVANCED_SD", "preset": "CONSTRAINED_BANDWIDTH_DELIVERY"},
            "CONSTRAINED_BANDWIDTH_DELIVERY",
        ),
    ],
)
def test_only_the_advanced_types_have_a_preset(create, parameters, expected):
    assert create(**parameters)["preset"] == expected


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "BASIC", "preset": "HIGHER_BANDWIDTH_DELIVERY"},
        {"multitrackInputConfiguration": {"enabled": True}},
        {
            "multitrackInputConfiguration": {"enabled": True},
            "containerFormat": "FRAGMENTED_MP4",
        },
        {
            "multitrackInputConfiguration": {
                "enabled": True,
                "policy": "ALLOW",
                "maximumResolution": "HD",
            },
            "containerFormat": "FRAGMENTED_MP4",
            "type": "BASIC",
        },
    ],
)
def test_settings_that_do_not_belong_together_create_nothing(ivs, simulated, refusal, parameters):
    assert refusal(ivs.create_channel, **parameters) == INVALID
    assert simulated.channels == {}


def test_a_channel_can_take_several_tracks_where_all_is_said(create):
    multitrack = {"enabled": True, "policy": "REQUIRE", "maximumResolution": "HD"}
    made = create(multitrackInputConfiguration=multitrack, containerFormat="FRAGMENTED_MP4")

    assert made["multitrackInputConfiguration"] == multitrack


def test_a_recording_configuration_that_a_channel_names_must_be_there(
    ivs, create, simulated, refusal
):
    arn = "arn:aws:ivs:us-west-2:123456789012:recording-configuration/AbCd"

    assert refusal(ivs.create_channel, recordingConfigurationArn=arn) == GONE
    simulated.recording_configurations.add(arn)
    made = create(recordingConfigurationArn=arn)
    assert made["recordingConfigurationArn"] == arn
    changed = ivs.update_channel(arn=made["arn"], recordingConfigurationArn="")["channel"]
    assert changed["recordingConfigurationArn"] == ""


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "two words"},
        {"name": "x" * 129},
        {"type": "NOPE"},
        {"tags": {"a": "!"}},
        {"tags": {str(number): "" for number in range(51)}},
    ],
)
def test_a_request_that_breaks_the_model_creates_nothing(
    ivs, simulated, refusal, planted, parameters
):
    assert refusal(ivs.create_channel, **parameters) == INVALID
    assert simulated.channels == {}
    assert len(planted()) == 1


@pytest.mark.parametrize("name", ["get_channel", "delete_channel", "update_channel"])
def test_a_channel_that_is_not_there_and_a_name_that_is_none_are_told_apart(
    ivs, create, refusal, planted, name
):
    arn = create()["arn"]

    assert refusal(getattr(ivs, name), arn=arn[:-1] + "0") == GONE
    for wrong in ("sk_us-west-2_abc", arn.replace(":channel/", ":stream-key/"), f"{arn}/x"):
        assert refusal(getattr(ivs, name), arn=wrong) == INVALID
    assert len(planted()) == 3


def test_a_region_has_its_own_channels(client, create, clock, refusal):
    here = create()["arn"]
    elsewhere = client("ivs", region="eu-west-1")
    there = elsewhere.create_channel()["channel"]["arn"]
    clock.advance(1)

    assert there.split(":")[3] == "eu-west-1"
    assert arns(elsewhere.list_channels()) == [there]
    assert refusal(elsewhere.get_channel, arn=here) == GONE


def test_several_channels_come_with_an_error_for_each_that_is_not_there(ivs, create):
    one, other = create(), create()
    wrong = one["arn"][:-1] + "0"
    answer = ivs.batch_get_channel(arns=[other["arn"], wrong, one["arn"], one["arn"]])

    assert arns(answer) == [other["arn"], one["arn"]]
    assert answer["channels"][0]["playbackUrl"] == other["playbackUrl"]
    assert [(one["arn"], one["code"]) for one in answer["errors"]] == [
        (wrong, "ResourceNotFoundException")
    ]


def test_a_list_shows_less_of_a_channel_than_the_channel_itself(ivs, create, clock):
    made = create(name="a", tags={"b": "c"})
    clock.advance(1)
    (listed,) = ivs.list_channels()["channels"]

    assert listed.items() <= made.items()
    assert listed["tags"] == {"b": "c"}
    assert not {"playbackUrl", "ingestEndpoint", "srt"} & set(listed)


def test_pages_give_every_channel_once_also_while_some_go_away(ivs, create, clock, simulated):
    simulated.switch(throttling=False, delete_lag=0)
    made = [create()["arn"] for _ in range(7)]
    clock.advance(1)
    first = ivs.list_channels(maxResults=3)
    for gone in (made[0], made[2], made[4]):
        ivs.delete_channel(arn=gone)
    second = ivs.list_channels(nextToken=first["nextToken"])

    assert arns(first) == made[:3]
    assert arns(second) == [made[3], made[5], made[6]]
    assert "nextToken" not in second


def test_a_token_that_was_not_given_out_is_refused(ivs, refusal):
    assert refusal(ivs.list_channels, nextToken="abc") == INVALID


def test_a_filter_finds_the_channels_of_a_name_and_two_filters_are_too_many(
    ivs, create, clock, refusal
):
    made = [create(name=name)["arn"] for name in ("a", "b", "a", "ab")]
    clock.advance(1)

    assert arns(ivs.list_channels(filterByName="a")) == [made[0], made[2]]
    assert refusal(
        ivs.list_channels,
        filterByName="a",
        filterByRecordingConfigurationArn="arn:aws:ivs:us-west-2:1:recording-configuration/a",
    ) == (409, "ConflictException")


def test_an_update_changes_what_it_names_and_nothing_else(ivs, create):
    made = create(name="a", insecureIngest=True, tags={"a": "b"})
    made.pop("key")
    changed = ivs.update_channel(arn=made["arn"], latencyMode="NORMAL")["channel"]

    assert changed == {**made, "latencyMode": "NORMAL"}
    assert ivs.get_channel(arn=made["arn"])["channel"] == changed


def test_a_channel_goes_with_its_key(ivs, create, simulated, refusal):
    made = create()

    ivs.delete_channel(arn=made["arn"])
    assert refusal(ivs.get_channel, arn=made["arn"]) == GONE
    assert refusal(ivs.get_stream_key, arn=made["key"]["arn"]) == GONE
    assert refusal(ivs.delete_channel, arn=made["arn"]) == GONE
    assert refusal(ivs.list_stream_keys, channelArn=made["arn"]) == GONE
    assert [one.arn for one in simulated.deleted] == [made["arn"]]
    assert not simulated.encoder(made["key"]["value"]).connect()


def test_the_quota_of_channels_is_a_region_s(client, ivs, create, simulated, refusal):
    simulated.switch(channel_quota=1)
    create()

    assert refusal(ivs.create_channel) == (402, "ServiceQuotaExceededException")
    client("ivs", region="eu-west-1").create_channel()


def test_lists_of_keys_show_no_value_and_one_key_does(ivs, create):
    made = create()
    key = made["key"]
    listed = ivs.list_stream_keys(channelArn=made["arn"])["streamKeys"]

    assert listed == [{name: key[name] for name in ("arn", "channelArn", "tags")}]
    assert ivs.get_stream_key(arn=key["arn"])["streamKey"] == key
    assert ivs.batch_get_stream_key(arns=[key["arn"]])["streamKeys"] == [key]


def test_a_channel_has_one_key_and_gets_another_when_that_is_gone(ivs, create, simulated, refusal):
    made = create()

    assert refusal(ivs.create_stream_key, channelArn=made["arn"]) == (
        402,
        "ServiceQuotaExceededException",
    )
    ivs.delete_stream_key(arn=made["key"]["arn"])
    assert simulated.keys == {}
    assert ivs.list_stream_keys(channelArn=made["arn"])["streamKeys"] == []
    assert refusal(ivs.delete_stream_key, arn=made["key"]["arn"]) == GONE
    other = ivs.create_stream_key(channelArn=made["arn"], tags={"a": "b"})["streamKey"]
    assert simulated.keys == {other["value"]: made["arn"]}
    assert other["arn"] != made["key"]["arn"]
    assert other["tags"] == {"a": "b"}
    assert not simulated.encoder(made["key"]["value"]).connect()


def test_tags_of_channels_keys_and_key_pairs_can_be_changed(ivs, create, public_key, refusal):
    made = create(tags={"a": "1"})
    pair = ivs.import_playback_key_pair(publicKeyMaterial=public_key())["keyPair"]["arn"]

    for arn in (made["arn"], made["key"]["arn"], pair):
        ivs.tag_resource(resourceArn=arn, tags={"a": "2", "ü ö": "3"})
        ivs.untag_resource(resourceArn=arn, tagKeys=["a", "none"])
        assert ivs.list_tags_for_resource(resourceArn=arn)["tags"] == {"ü ö": "3"}
    assert ivs.get_channel(arn=made["arn"])["channel"]["tags"] == {"ü ö": "3"}
    assert refusal(ivs.list_tags_for_resource, resourceArn=made["arn"] + "0") == GONE


def test_a_resource_has_at_most_fifty_tags(ivs, create, refusal):
    arn = create(tags={str(number): "" for number in range(49)})["arn"]

    ivs.tag_resource(resourceArn=arn, tags={"0": "x", "more": ""})
    assert refusal(ivs.tag_resource, resourceArn=arn, tags={"most": ""}) == INVALID


@pytest.fixture
def public_key():
    """Make the public half of a new key, as PEM."""

    def make(key=None):
        key = key or ec.generate_private_key(ec.SECP384R1())
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return key.public_key().public_bytes(*form).decode()

    return make


def test_key_pairs_can_be_imported_read_listed_and_deleted(ivs, public_key, refusal, simulated):
    made = ivs.import_playback_key_pair(publicKeyMaterial=public_key(), name="mine")["keyPair"]
    (listed,) = ivs.list_playback_key_pairs()["keyPairs"]

    assert ivs.get_playback_key_pair(arn=made["arn"])["keyPair"] == made
    assert listed == {"arn": made["arn"], "name": "mine", "tags": {}}
    assert len(made["fingerprint"].split(":")) == 16
    ivs.delete_playback_key_pair(arn=made["arn"])
    assert refusal(ivs.get_playback_key_pair, arn=made["arn"]) == GONE
    assert simulated.key_pairs == {}


def test_only_a_public_key_on_p_384_is_imported_once_and_three_in_all(
    ivs, public_key, refusal, clock
):
    key = public_key()
    ivs.import_playback_key_pair(publicKeyMaterial=key)
    again = ivs.import_playback_key_pair
    clock.advance(1)

    assert refusal(again, publicKeyMaterial=key) == (409, "ConflictException")
    assert refusal(again, publicKeyMaterial="no key") == INVALID
    other = public_key(ec.generate_private_key(ec.SECP256R1()))
    assert refusal(again, publicKeyMaterial=other) == INVALID
    clock.advance(1)
    rsa_key = public_key(rsa.generate_private_key(65537, 2048))
    assert refusal(again, publicKeyMaterial=rsa_key) == INVALID
    for _ in range(2):
        again(publicKeyMaterial=public_key())
    clock.advance(1)
    assert refusal(again, publicKeyMaterial=public_key()) == (402, "ServiceQuotaExceededException")


def test_pages_of_key_pairs_and_keys_are_as_long_as_was_asked_for(ivs, public_key, create):
    for _ in range(3):
        ivs.import_playback_key_pair(publicKeyMaterial=public_key())
    arn = create()["arn"]

    sizes = [len(one) for one in pages(ivs.list_playback_key_pairs, "keyPairs", maxResults=2)]
    assert sizes == [2, 1]
    assert len(pages(ivs.list_stream_keys, "streamKeys", channelArn=arn)) == 1


def test_reset_forgets_all_but_credentials_and_switches(app, ivs, create, simulated):
    simulated.switch(channel_quota=3)
    create()
    key = simulated.access_key_id
    app.reset()

    assert (simulated.channels, simulated.requests, simulated.events) == ({}, [], [])
    assert (simulated.access_key_id, simulated.switches.channel_quota) == (key, 3)
    create()
