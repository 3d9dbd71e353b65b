"""The checker of traffic finds what breaks the service model, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator
from hypothesis import given, settings, strategies as st

from headend_ivs.simulator.model import TYPOS, Model, _compiled

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEf012345"
KEY_ARN = "arn:aws:ivs:us-west-2:123456789012:stream-key/ZyXwVu987654"
PAIR_ARN = "arn:aws:ivs:us-west-2:123456789012:playback-key/0a1b2c3d4e5f"
SECRET = "sk_us-west-2_planted"
TIME = "2026-11-22T10:00:00Z"

NO_TIME = "stream.startTime: is not a time in the form of ISO 8601 with its zone but of the type"
NO_SECONDS = "is not a time in seconds since 1970 but of the type"

CHANNEL = {
    "arn": ARN,
    "name": "evening-show",
    "latencyMode": "LOW",
    "type": "STANDARD",
    "authorized": False,
    "insecureIngest": False,
    "recordingConfigurationArn": "",
    "playbackRestrictionPolicyArn": "",
    "ingestEndpoint": "0a1b2c3d4e5f.global-contribute.live-video.net",
    "playbackUrl": "https://0a1b2c3d4e5f.us-west-2.playback.live-video.net/a.m3u8",
    "preset": "",
    "containerFormat": "TS",
    "multitrackInputConfiguration": {
        "enabled": False,
        "maximumResolution": "FULL_HD",
        "policy": "ALLOW",
    },
    "srt": {"endpoint": "0a1b2c3d4e5f.srt.live-video.net", "passphrase": "p" * 69},
    "tags": {"Größe und Art": "1 + 1 = 2"},
}
STREAM_KEY = {"arn": KEY_ARN, "value": SECRET, "channelArn": ARN, "tags": {}}
STREAM = {
    "channelArn": ARN,
    "streamId": "st-0123456789ABCDEFGHIJKLM",
    "state": "LIVE",
    "health": "HEALTHY",
    "viewerCount": -1,
    "startTime": TIME,
}
ENCODER = {"codec": "avc1.42C01F", "targetBitrate": 2_500_000, "videoHeight": 720}
SESSION = {
    "streamId": "st-0123456789ABCDEFGHIJKLM",
    "startTime": "2026-11-22T10:00:00+00:00",
    "endTime": TIME,
    "channel": {name: CHANNEL[name] for name in ("arn", "name", "type", "preset")},
    "ingestConfiguration": {"video": {**ENCODER, "avcProfile": "Baseline"}, "audio": {}},
    "ingestConfigurations": {"videoConfigurations": [ENCODER], "audioConfigurations": []},
    "truncatedEvents": [{"name": "Stream Start", "type": "x", "eventTime": TIME}],
}
PAIR = {"arn": PAIR_ARN, "name": "", "fingerprint": "0a:1b:2c", "tags": {}}

ANSWERS: dict[str, tuple[int, dict[str, Any] | None]] = {
    "BatchGetChannel": (
        200,
        {"channels": [CHANNEL], "errors": [{"arn": ARN, "code": "x", "message": "y"}]},
    ),
    "BatchGetStreamKey": (200, {"streamKeys": [STREAM_KEY], "errors": []}),
    "CreateChannel": (200, {"channel": CHANNEL, "streamKey": STREAM_KEY}),
    "CreateStreamKey": (200, {"streamKey": STREAM_KEY}),
    "DeleteChannel": (204, None),
    "DeletePlaybackKeyPair": (200, {}),
    "DeleteStreamKey": (204, None),
    "GetChannel": (200, {"channel": CHANNEL}),
    "GetPlaybackKeyPair": (200, {"keyPair": PAIR}),
    "GetStream": (200, {"stream": {**STREAM, "playbackUrl": "https://a.example/b.m3u8"}}),
    "GetStreamKey": (200, {"streamKey": STREAM_KEY}),
    "GetStreamSession": (200, {"streamSession": SESSION}),
    "ImportPlaybackKeyPair": (200, {"keyPair": PAIR}),
    "ListChannels": (
        200,
        {
            "channels": [{name: CHANNEL[name] for name in ("arn", "name", "preset", "tags")}],
            "nextToken": "c2V0LTI=",
        },
    ),
    "ListPlaybackKeyPairs": (200, {"keyPairs": [{"arn": PAIR_ARN, "name": "", "tags": {}}]}),
    "ListStreamKeys": (200, {"streamKeys": [{"arn": KEY_ARN, "channelArn": ARN, "tags": {}}]}),
    "ListStreamSessions": (
        200,
        {
            "streamSessions": [
                {"streamId": STREAM["streamId"], "startTime": TIME, "hasErrorEvent": False}
            ]
        },
    ),
    "ListStreams": (200, {"streams": [STREAM]}),
    "ListTagsForResource": (200, {"tags": {"a": ""}}),
    "PutMetadata": (204, None),
    "StopStream": (200, {}),
    "TagResource": (200, {}),
    "UntagResource": (200, {}),
    "UpdateChannel": (200, {"channel": CHANNEL}),
}
"""Answers of the forms that the API reference shows, one for each operation that is simulated."""


@cache
def model(service: str = "ivs") -> Model:
    return Model(service)


def words(problems: list[Any]) -> list[str]:
    return [str(one) for one in problems]


@pytest.mark.parametrize("operation", ANSWERS)
def test_an_answer_of_the_documented_form_is_right(operation):
    status, members = ANSWERS[operation]

    assert words(model().answer(operation, status, members)) == []


def changed(operation: str, path: str, value: object) -> dict[str, Any]:
    """Return an answer with one member changed, or removed where the value is `...`."""
    members = copy.deepcopy(ANSWERS[operation][1])
    assert members is not None
    *steps, last = [int(one) if one.isdigit() else one for one in path.split("/")]
    place: Any = members
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return members


@pytest.mark.parametrize(
    ("operation", "path", "value", "problem"),
    [
        ("ListChannels", "channels", ..., "channels: is missing"),
        (
            "GetStreamSession",
            "streamSession/ingestConfigurations/audioConfigurations",
            ...,
            "streamSession.ingestConfigurations.audioConfigurations: is missing",
        ),
        ("GetChannel", "channel/colour", "red", "channel.colour: is not in the model"),
        ("GetChannel", "colour", "red", "colour: is not in the model"),
        ("ListStreamKeys", "streamKeys/0/value", "x", "streamKeys[0].value: is not in the model"),
        ("GetChannel", "channel", [], "channel: is not an object but of the type list"),
        ("ListChannels", "channels", {}, "channels: is not a list but of the type dict"),
        ("GetChannel", "channel/tags", [], "channel.tags: is not an object but of the type list"),
        ("GetChannel", "channel/name", 5, "channel.name: is not a text but of the type int"),
        ("GetChannel", "channel/name", None, "channel.name: is null, and a member is there or not"),
        (
            "GetChannel",
            "channel/authorized",
            "false",
            "channel.authorized: is not true or false but of the type str",
        ),
        (
            "GetStream",
            "stream/viewerCount",
            1.0,
            "stream.viewerCount: is not a whole number but of the type float",
        ),
        (
            "GetStream",
            "stream/viewerCount",
            True,
            "stream.viewerCount: is not a whole number but of the type bool",
        ),
        ("GetStream", "stream/viewerCount", 2**63, "stream.viewerCount: does not fit in 64 bits"),
        (
            "GetStream",
            "stream/startTime",
            1_700_000_000,
            f"{NO_TIME} int",
        ),
        (
            "GetStream",
            "stream/startTime",
            "2026-11-22T10:00:00",
            f"{NO_TIME} str",
        ),
        ("GetStream", "stream/state", "live", "stream.state: is none of LIVE, OFFLINE"),
        (
            "GetStream",
            "stream/streamId",
            "mystream",
            "stream.streamId: is below the least, 26 characters",
        ),
        (
            "GetChannel",
            "channel/name",
            "x" * 129,
            "channel.name: is above the most, 128 characters",
        ),
        (
            "GetChannel",
            "channel/name",
            "evening show",
            "channel.name: does not match [a-zA-Z0-9-_]*",
        ),
        (
            "GetChannel",
            "channel/name",
            "evening\n",
            "channel.name: does not match [a-zA-Z0-9-_]*",
        ),
        (
            "GetChannel",
            "channel/tags",
            {str(number): "" for number in range(51)},
            "channel.tags: is above the most, 50 elements",
        ),
        (
            "GetChannel",
            "channel/tags",
            {"a" * 129: ""},
            "channel.tags (a key): is above the most, 128 characters",
        ),
        (
            "GetChannel",
            "channel/tags",
            {"a": "x" * 257},
            "channel.tags.*: is above the most, 256 characters",
        ),
        (
            "GetStreamSession",
            "streamSession/truncatedEvents",
            [{}] * 501,
            "streamSession.truncatedEvents: is above the most, 500 elements",
        ),
        ("GetChannel", "channel/preset", "FAST", "channel.preset: is none of HIGHER_BANDWIDTH"),
        (
            "BatchGetChannel",
            "errors/0/arn",
            "arn:aws:s3:::a",
            "errors[0].arn: does not match arn:aws:ivs",
        ),
    ],
)
def test_one_wrong_member_of_an_answer_is_found_at_its_place(operation, path, value, problem):
    found = words(model().answer(operation, 200, changed(operation, path, value)))

    assert len(found) >= 1
    assert found[0].startswith(problem)
    assert {one.partition(":")[0] for one in found} == {problem.partition(":")[0]}


@pytest.mark.parametrize(
    ("operation", "parameters", "problems"),
    [
        ("GetChannel", {}, ["arn: is missing"]),
        ("GetChannel", {"arn": SECRET}, ["arn: does not match"]),
        ("GetChannel", {"arn": ARN, "channelArn": ARN}, ["channelArn: is not in the model"]),
        ("BatchGetChannel", {"arns": []}, ["arns: is below the least, 1 elements"]),
        ("BatchGetChannel", {"arns": [ARN] * 51}, ["arns: is above the most, 50 elements"]),
        ("BatchGetChannel", {"arns": [ARN, KEY_ARN]}, ["arns[1]: does not match"]),
        ("ListChannels", {"maxResults": 0}, ["maxResults: is below the least, 1"]),
        ("ListChannels", {"maxResults": 101}, ["maxResults: is above the most, 100"]),
        ("ListChannels", {"maxResults": 2**31}, ["maxResults: does not fit in 32 bits"]),
        ("ListChannels", {"nextToken": "a b"}, ["nextToken: does not match"]),
        ("CreateChannel", {"type": "NOPE"}, ["type: is none of BASIC, STANDARD"]),
        ("CreateChannel", {"tags": {"a!": ""}}, ["tags (a key): does not match"]),
        (
            "CreateChannel",
            {"tags": {"": "☃"}},
            ["tags (a key): is below", "tags (a key)", "tags.*"],
        ),
        ("PutMetadata", {"channelArn": ARN, "metadata": ""}, ["metadata: is below the least, 1"]),
        ("GetStreamSession", {"channelArn": ARN, "streamId": "st-1"}, ["streamId: is below"]),
        ("TagResource", {"resourceArn": ARN}, ["tags: is missing"]),
        ("ListStreams", {"filterBy": {"health": "GOOD"}}, ["filterBy.health: is none of"]),
    ],
)
def test_what_is_wrong_with_a_request_is_found_at_its_place(operation, parameters, problems):
    found = words(model().request(operation, parameters))

    assert len(found) == len(problems)
    assert all(one.startswith(start) for one, start in zip(found, problems, strict=True))


@pytest.mark.parametrize(
    ("status", "members", "problem"),
    [
        (200, None, "status: is 200, and the model says 204"),
        (204, {}, "body: is there, and the model has none"),
    ],
)
def test_an_answer_without_a_body_has_the_status_that_says_so(status, members, problem):
    assert words(model().answer("DeleteChannel", status, members)) == [problem]


def test_an_answer_that_has_a_body_is_not_empty():
    assert words(model().answer("StopStream", 200, None)) == ["body: is missing"]


@pytest.mark.parametrize(
    ("operation", "status", "code", "problems"),
    [
        ("GetStream", 404, "ChannelNotBroadcasting", []),
        ("GetStream", 409, "ChannelNotBroadcasting", ["status: is 409"]),
        ("GetChannel", 404, "ChannelNotBroadcasting", ["code: ChannelNotBroadcasting is no error"]),
        ("GetChannel", 409, "ConflictException", ["code: ConflictException is no error"]),
        ("CreateStreamKey", 402, "ServiceQuotaExceededException", []),
        ("PutMetadata", 429, "ThrottlingException", []),
        ("PutMetadata", 400, "ThrottlingException", []),
        ("PutMetadata", 503, "ThrottlingException", ["status: is 503"]),
        ("GetChannel", 403, "UnrecognizedClientException", []),
        ("GetChannel", 401, "UnrecognizedClientException", ["status: is 401"]),
        (None, 404, "UnknownOperationException", []),
        ("GetChannel", 418, "Teapot", ["code: Teapot is no error"]),
    ],
)
def test_an_error_has_a_code_of_its_operation_and_the_status_of_its_code(
    operation, status, code, problems
):
    found = words(model().refusal(operation, status, code, {"message": "x"}))

    assert len(found) == len(problems)
    assert all(one.startswith(start) for one, start in zip(found, problems, strict=True))


def test_an_error_says_why_where_the_model_or_the_protocol_has_a_place_for_it():
    def said(name: str) -> list[str]:
        return words(model().refusal("GetChannel", 404, "ResourceNotFoundException", {name: "x"}))

    assert said("exceptionMessage") == said("message") == []
    assert said("reason") == ["reason: is not in the model"]


def test_cloudwatch_and_sts_are_checked_by_their_own_models():
    point = {"Id": "a", "Timestamps": [1.5e9], "Values": [0.0], "StatusCode": "Complete"}
    right = {"MetricDataResults": [point]}
    wrong = {"MetricDataResults": [{**point, "Timestamps": [TIME], "Values": [float("nan")]}]}

    assert words(model("cloudwatch").answer("GetMetricData", 200, right)) == []
    assert words(model("cloudwatch").answer("GetMetricData", 200, wrong)) == [
        f"MetricDataResults[0].Timestamps[0]: {NO_SECONDS} str",
        "MetricDataResults[0].Values[0]: is not a number but of the type float",
    ]
    assert words(model("sts").answer("AssumeRole", 200, {"Credentials": {}})) == [
        f"Credentials.{one}: is missing"
        for one in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    ]


def test_no_problem_shows_a_value():
    for parameters in ({"arn": SECRET}, {"arn": {"a": SECRET}}, {"arn": [SECRET]}):
        assert SECRET not in " ".join(words(model().request("GetChannel", parameters)))


@pytest.mark.parametrize(("service", "shape"), TYPOS)
def test_each_typo_of_the_model_is_still_there(service, shape):
    example, wrong = {"ResourceArn": (ARN, SECRET), "TranscodePreset": ("", "FAST")}[shape]
    place = StructureShape(
        "Holder",
        {"type": "structure", "members": {"it": {"shape": shape}}},
        model(service)._model._shape_resolver,
    )

    assert words(model(service)._whole(place, {"it": example})) == []
    assert words(model(service)._whole(place, {"it": wrong})) != []
    member = place.members["it"]
    pattern = member.metadata.get("pattern")
    assert (pattern and not _compiled(str(pattern)).fullmatch(example)) or (
        isinstance(member, StringShape) and member.enum and example not in member.enum
    )


def shapes(shape: Shape | None, seen: set[str]) -> Iterator[Shape]:
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    yield shape
    if isinstance(shape, StructureShape):
        for member in shape.members.values():
            yield from shapes(member, seen)
    elif isinstance(shape, ListShape):
        yield from shapes(shape.member, seen)
    elif isinstance(shape, MapShape):
        yield from shapes(shape.key, seen)
        yield from shapes(shape.value, seen)


def test_there_is_no_type_in_the_model_of_ivs_that_is_not_checked():
    seen: set[str] = set()
    for name in model().operations:
        operation = model().operation(name)
        for whole in (operation.input_shape, operation.output_shape):
            for shape in shapes(whole, seen):
                found = words([*model()._value(shape, object(), "it")])
                assert not any("not checked" in one for one in found)
                assert found


def test_every_pattern_of_the_model_can_be_matched():
    for service in ("ivs", "cloudwatch", "sts"):
        seen: set[str] = set()
        for name in model(service).operations:
            for shape in shapes(model(service).operation(name).input_shape, seen):
                if isinstance(shape, StringShape) and "pattern" in shape.metadata:
                    _compiled(str(shape.metadata["pattern"]))


def test_letters_and_digits_of_all_scripts_are_in_tags_and_other_signs_are_not():
    def fits(text: str) -> bool:
        return model().request("CreateChannel", {"tags": {"a": text}}) == []

    assert all(fits(one) for one in ("Ünï", "東京", "٣", "a b", "_.:/=+-@", "", "ᚠ", "Ⅷ"))
    assert not any(fits(one) for one in ("!", "é́", "☃", "\n", "'", "%", "🎥", "\x00", "a,b"))


def test_the_regions_are_those_in_which_boto3_finds_the_service():
    assert model().regions == frozenset(boto3.Session().get_available_regions("ivs"))


def values(shape: Shape | None, depth: int = 0) -> st.SearchStrategy[Any]:
    """Generate values that are nearly right for a shape."""
    wrong = st.sampled_from([None, 0, -1, 10**20, 1.5, True, "", "x" * 300, [], {}, [None]])
    right: st.SearchStrategy[Any]
    if isinstance(shape, StructureShape):
        optional = {name: values(one, depth + 1) for name, one in shape.members.items()}
        right = st.fixed_dictionaries({}, optional=optional)
    elif isinstance(shape, ListShape):
        right = st.lists(values(shape.member, depth + 1), max_size=3)
    elif isinstance(shape, MapShape):
        right = st.dictionaries(st.text(max_size=3), values(shape.value, depth + 1), max_size=3)
    elif isinstance(shape, StringShape):
        right = st.sampled_from([ARN, KEY_ARN, *shape.enum, "a-b"])
    elif shape is not None and shape.type_name == "boolean":
        right = st.booleans()
    else:
        right = st.integers(0, 200)
    return right | wrong if depth else right


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_botocore_itself_refuses_to_send_is_found(data):
    """The SDK checks types, required members and the least sizes; the checker finds no less."""
    name = data.draw(st.sampled_from(sorted(ANSWERS)))
    shape = model().operation(name).input_shape
    parameters = data.draw(values(shape))

    report = ParamValidator().validate(parameters, shape)

    assert not report.has_errors() or model().request(name, parameters)
