"""What the provider says of AWS beside its API."""

from __future__ import annotations

import subprocess
import sys

import botocore.session
import pytest
from click.testing import CliRunner

from headend.cli.main import headend
from headend.platform import StreamingPlatform
from headend.plugin import Operation
from headend_ivs import facts, headend_providers, operations
from headend_ivs.facts import FACTS, REGIONS
from headend_ivs.provider import IvsProvider

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


@pytest.mark.parametrize("kind", ["quotas", "prices", "permissions", "latencies", "limits"])
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


def test_no_fact_is_there_twice():
    for kind in (FACTS.quotas, FACTS.prices, FACTS.permissions, FACTS.latencies, FACTS.limits):
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
