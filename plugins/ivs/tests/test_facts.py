"""What the provider says of AWS beside its API."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import botocore.session
import pytest
from click.testing import CliRunner

from headend.cli.main import headend
from headend.encoding import StreamShape, problems
from headend.platform import StreamingPlatform
from headend.plugin import Meter, Operation
from headend.presets import PRESETS
from headend_ivs import facts, headend_providers, operations
from headend_ivs.facts import FACTS, REGIONS
from headend_ivs.provider import IvsProvider
from headend_ivs.settings import ChannelType

MODELS = {
    "ivs": botocore.session.get_session().get_service_model("ivs"),
    "cloudwatch": botocore.session.get_session().get_service_model("cloudwatch"),
    "sts": botocore.session.get_session().get_service_model("sts"),
}

OPERATIONS = [one for one in vars(operations).values() if isinstance(one, Operation)]


def test_the_regions_are_those_that_botocore_knows():
    assert list(REGIONS) == sorted(botocore.session.get_session().get_available_regions("ivs"))


def test_the_regions_are_shown_with_their_source():
    shown = CliRunner().invoke(headend, ["providers", "aws-ivs"], catch_exceptions=False).output

    for region in REGIONS:
        assert region in shown
    (fact,) = (one for one in FACTS.quotas if one.unit == "regions")
    assert fact.value == len(REGIONS)
    assert f"{fact.as_of}  {fact.source}" in shown


@pytest.mark.parametrize(
    "kind", ["quotas", "encoders", "prices", "permissions", "latencies", "limits"]
)
def test_every_fact_has_a_page_of_amazon_as_its_source(kind):
    found = getattr(FACTS, kind)

    assert found
    for one in found:
        host = one.source.split("/")[2]
        assert one.source.startswith("https://")
        assert host in {"docs.aws.amazon.com", "aws.amazon.com", "repost.aws"}


def test_every_price_is_marked_as_not_verified():
    assert not any(one.verified for one in FACTS.prices)
    assert all(one.note for one in FACTS.prices)


def test_an_hour_pushed_costs_by_the_type_and_an_hour_watched_by_the_height():
    counted = [one for one in FACTS.prices if one.meter is not None]
    pushed = {one.terms["type"]: one.amount for one in counted if one.meter is Meter.INGEST}
    watched = {one.up_to_height: one for one in counted if one.meter is Meter.WATCH}

    assert pushed == {
        ("STANDARD",): Decimal("2.00"),
        ("ADVANCED_HD",): Decimal("0.85"),
        ("ADVANCED_SD",): Decimal("0.50"),
        ("BASIC",): Decimal("0.20"),
    }
    assert {height: one.amount for height, one in watched.items()} == {
        480: Decimal("0.0375"),
        720: Decimal("0.075"),
        1080: Decimal("0.15"),
    }
    assert {one.unit_size for one in counted} == {3600}
    assert len(pushed) + len(watched) == len(counted)


def test_viewers_of_an_advanced_type_pay_for_no_larger_picture_than_they_get():
    tiers = {
        kind.value: [
            one.up_to_height
            for one in FACTS.prices
            if one.meter is Meter.WATCH and kind.value in one.terms["type"]
        ]
        for kind in ChannelType
    }

    assert tiers == {
        "BASIC": [480, 720, 1080],
        "STANDARD": [480, 720, 1080],
        "ADVANCED_HD": [480, 720],
        "ADVANCED_SD": [480],
    }


@pytest.mark.parametrize("kind", [kind.value for kind in ChannelType])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_type_decides_which_presets_are_taken(kind, preset):
    found = problems(PRESETS[preset], FACTS.encoders, {"type": kind})

    cut_off = kind == "BASIC" and preset != "720p"
    assert [(one.field, one.fatal) for one in found] == [("bitrate", True)] * cut_off


@pytest.mark.parametrize(
    ("kind", "width", "height", "most"),
    [
        ("BASIC", 854, 480, 1_500_000),
        ("BASIC", 480, 854, 1_500_000),
        ("BASIC", 856, 482, 3_500_000),
        ("STANDARD", 1920, 1080, 8_500_000),
        ("ADVANCED_SD", 1920, 1080, 8_500_000),
        ("ADVANCED_HD", 1080, 1920, 8_500_000),
    ],
)
def test_how_much_an_encoder_may_send_depends_on_type_and_height(kind, width, height, most):
    def wrong(bitrate):
        shape = StreamShape(video_codec="h264", width=width, height=height, video_bitrate=bitrate)
        return [one.field for one in problems(shape, FACTS.encoders, {"type": kind}) if one.fatal]

    assert wrong(most) == []
    assert wrong(most + 1000) == ["bitrate"]


def test_a_type_that_is_not_known_makes_a_warning_of_what_would_be_cut_off():
    found = problems(PRESETS["1080p"], FACTS.encoders, {})

    (one,) = found
    assert not one.fatal
    assert one.what.startswith("where type is BASIC, video and audio together have 5,128,000")


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"width", "height"}, {"width": 2560, "height": 1440}),
        ({"frame_rate"}, {"frame_rate": 61}),
        ({"video_codec"}, {"video_codec": "av01.0.04M.08"}),
        ({"audio_codec"}, {"audio_codec": "opus"}),
    ],
)
def test_what_no_type_takes_is_refused(fields, change):
    shape = {"video_codec": "avc1.64001f", "width": 1280, "height": 720, **change}
    found = problems(StreamShape(**shape), FACTS.encoders, {"type": "STANDARD"})

    assert {one.field for one in found if one.fatal} == fields


def test_no_fact_is_there_twice():
    kinds = (
        FACTS.quotas,
        FACTS.encoders,
        FACTS.prices,
        FACTS.permissions,
        FACTS.latencies,
        FACTS.limits,
    )
    for kind in kinds:
        assert len({one.name for one in kind}) == len(kind)


@pytest.mark.parametrize("permission", FACTS.permissions, ids=lambda one: one.name)
def test_a_permission_is_an_action_of_aws_for_operations_of_headend(permission):
    service, action = permission.name.split(":")

    assert action in MODELS[service].operation_names
    for name in permission.needed_for:
        assert hasattr(IvsProvider, name) or hasattr(StreamingPlatform, name)


def test_a_permission_is_told_for_every_request_that_is_sent():
    sent = {one.name for one in OPERATIONS} | {"PutMetadata", "GetCallerIdentity"}

    assert {one.name.split(":")[1] for one in FACTS.permissions} == sent | {"TagResource"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_is_paced_by_a_limit_of_aws_for_each_operation(operation):
    assert operation.limits
    for limit in operation.limits:
        assert limit in FACTS.limits
        assert limit.per == "operation"
        assert limit.burst == 1


def test_timed_metadata_is_paced_by_channel_and_by_account():
    arn = "arn:aws:ivs:us-west-2:123456789012:channel/"
    one, other = (
        operations.put_metadata(operations_channel(f"{arn}{name}")) for name in ("one", "other")
    )

    assert one.name == other.name == "PutMetadata"
    assert {limit.requests for limit in one.limits} == {5, 155}
    shared = {limit.name for limit in one.limits} & {limit.name for limit in other.limits}
    assert shared == {facts.METADATA_LIMIT.name}


def operations_channel(text: str):
    from headend_ivs.wire import ChannelArn

    return ChannelArn.parse(text)


def test_the_spec_names_the_facts_and_what_the_provider_can_do():
    (spec,) = headend_providers()

    assert (spec.name, spec.facts) == ("aws-ivs", "headend_ivs.facts:FACTS")


@pytest.mark.parametrize("module", ["headend_ivs", "headend_ivs.facts", "headend_ivs.settings"])
def test_neither_boto3_nor_jwt_is_imported_before_the_provider_is_made(module):
    code = (
        f"import sys, {module}; "
        "print([name for name in ('boto3', 'botocore', 'jwt', 'starlette') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
