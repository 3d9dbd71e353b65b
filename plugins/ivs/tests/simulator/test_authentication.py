"""The platform believes whom Amazon believes, and refuses the others in each service's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headend_contract.clock import ManualClock
from headend_ivs.simulator import create_app
from headend_ivs.simulator.identity import ACCOUNT

CALLS = {
    "ivs": ("list_channels", {}),
    "cloudwatch": (
        "get_metric_data",
        {
            "MetricDataQueries": [],
            "StartTime": datetime(2030, 1, 1, tzinfo=UTC),
            "EndTime": datetime(2030, 1, 2, tzinfo=UTC),
        },
    ),
    "sts": ("get_caller_identity", {}),
}


def codes(ivs: tuple[int, str], older: tuple[int, str]) -> dict[str, tuple[int, str]]:
    """Return what each service says; botocore gives CloudWatch's older code, and its status."""
    return {"ivs": ivs, "cloudwatch": (ivs[0], older[1]), "sts": older}


UNKNOWN = codes((403, "UnrecognizedClientException"), (403, "InvalidClientTokenId"))
WRONG = codes((403, "InvalidSignatureException"), (403, "SignatureDoesNotMatch"))
EXPIRED = codes((403, "ExpiredTokenException"), (403, "ExpiredToken"))


@pytest.fixture(params=sorted(CALLS))
def service(request):
    return request.param


@pytest.fixture
def ask(client, service, refusal):
    """Ask a service with a key; return status and code of its refusal, or `None`."""

    def ask(key, *, refused=True, region="us-west-2"):
        name, parameters = CALLS[service]
        call = getattr(client(service, key, region=region), name)
        return refusal(call, **parameters) if refused else call(**parameters)

    return ask


def test_every_service_believes_the_right_key(ask, simulated):
    ask(simulated.identities.full, refused=False)


def test_a_key_id_that_does_not_exist_is_refused(ask, simulated, service):
    key = evolve(simulated.identities.full, access_key_id="AKIAUNKNOWNUNKNOWN12")

    assert ask(key) == UNKNOWN[service]


def test_a_wrong_secret_is_refused(ask, simulated, service):
    key = evolve(simulated.identities.full, secret_access_key="wrong")

    assert ask(key) == WRONG[service]


@pytest.mark.parametrize("skew", [301, -301, 86400 * 365])
def test_a_signature_that_is_not_of_these_five_minutes_is_refused(ask, simulated, service, skew):
    simulated.switch(clock_skew=skew)

    assert ask(simulated.identities.full) == WRONG[service]


@pytest.mark.parametrize("skew", [290, -290])
def test_a_signature_of_these_five_minutes_is_believed(ask, simulated, skew):
    simulated.switch(clock_skew=skew)

    ask(simulated.identities.full, refused=False)


def test_a_skewed_clock_is_told_with_both_times(client, simulated):
    simulated.switch(clock_skew=3600)
    ivs = client("ivs")

    with pytest.raises(ivs.exceptions.ClientError) as caught:
        ivs.list_channels()
    assert "Signature expired: " in str(caught.value)
    assert " is now earlier than " in str(caught.value)
    assert "- 5 min.)" in str(caught.value)


def test_an_assumed_role_is_believed_with_its_token_only_and_until_it_expires(
    ask, client, simulated, service
):
    given = client("sts").assume_role(
        RoleArn=simulated.identities.role_arn, RoleSessionName="show", DurationSeconds=900
    )["Credentials"]
    key = evolve(
        simulated.identities.full,
        access_key_id=given["AccessKeyId"],
        secret_access_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )

    ask(key, refused=False)
    assert ask(evolve(key, session_token=None)) == UNKNOWN[service]
    assert ask(evolve(key, session_token="other")) == UNKNOWN[service]
    simulated.switch(clock_skew=290)
    ask(key, refused=False)
    simulated.switch(clock_skew=901)
    assert ask(key) == EXPIRED[service]


def test_a_role_lasts_as_long_as_was_asked_for_and_says_whose_it_is(client, simulated):
    answer = client("sts").assume_role(
        RoleArn=simulated.identities.role_arn, RoleSessionName="show", DurationSeconds=1800
    )

    lasts = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(minutes=29) < lasts <= timedelta(minutes=30)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/headend/show"
    assert answer["AssumedRoleUser"]["Arn"] == arn


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/other"}, (403, "AccessDenied")),
        ({"DurationSeconds": 3601}, (400, "ValidationError")),
    ],
)
def test_a_role_that_may_not_be_assumed_so_is_not(client, simulated, refusal, parameters, expected):
    right = {"RoleArn": simulated.identities.role_arn, "RoleSessionName": "show"}

    assert refusal(client("sts").assume_role, **{**right, **parameters}) == expected


def test_a_request_to_assume_a_role_that_breaks_the_model_is_refused(
    client, simulated, refusal, planted
):
    role = simulated.identities.role_arn

    assume = client("sts").assume_role
    assert refusal(assume, RoleArn=role, RoleSessionName="a b", DurationSeconds=1) == (
        400,
        "ValidationError",
    )
    assert [one.problem.where for one in planted()] == ["RoleSessionName", "DurationSeconds"]


def test_who_may_not_assume_a_role_is_told_so(client, simulated, refusal):
    sts = client("sts", simulated.read_only_key)
    role = simulated.identities.role_arn

    expected = (403, "AccessDenied")
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="show") == expected


def test_everybody_may_ask_who_they_are(client, simulated):
    for key in (simulated.identities.full, simulated.no_metrics_key, simulated.read_only_key):
        answer = client("sts", key).get_caller_identity()
        assert (answer["Arn"], answer["Account"]) == (key.arn, ACCOUNT)
        assert answer["UserId"] == key.user_id


def test_a_key_that_may_only_read_reads_and_writes_nothing(client, simulated, refusal, create):
    made = create()
    reader = client("ivs", simulated.read_only_key)

    assert reader.get_channel(arn=made["arn"])["channel"]["arn"] == made["arn"]
    assert refusal(reader.delete_channel, arn=made["arn"]) == (403, "AccessDeniedException")
    assert refusal(reader.create_channel) == (403, "AccessDeniedException")
    assert list(simulated.channels) == [made["arn"]]


def test_a_key_without_metrics_does_all_but_read_them(client, simulated, refusal):
    key = simulated.no_metrics_key
    name, parameters = CALLS["cloudwatch"]

    client("ivs", key).create_channel()
    assert refusal(getattr(client("cloudwatch", key), name), **parameters) == (403, "AccessDenied")
    simulated.switch(query_codes=False)
    assert refusal(getattr(client("cloudwatch", key), name), **parameters) == (
        403,
        "AccessDeniedException",
    )


def test_a_refusal_by_policy_names_who_asked_for_what(client, simulated):
    simulated.switch(error_member="message")
    reader = client("ivs", simulated.read_only_key)

    with pytest.raises(reader.exceptions.AccessDeniedException) as caught:
        reader.create_channel()
    assert caught.value.response["Error"]["Message"] == (
        f"User: {simulated.read_only_key.arn} is not authorized to perform: ivs:CreateChannel "
        f"on resource: arn:aws:ivs:us-west-2:{ACCOUNT}:channel/*"
    )


def test_ivs_is_in_its_regions_only(ask, simulated, service):
    key = simulated.identities.full

    if service == "ivs":
        assert ask(key, region="eu-north-1") == (403, "InvalidSignatureException")
    else:
        ask(key, refused=False, region="eu-north-1")
    ask(key, refused=False, region="eu-west-1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Bearer x"}, "IncompleteSignature"),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=x"}, "IncompleteSignature"),
    ],
)
def test_a_request_that_is_not_signed_is_refused(served, simulated, headers, expected):
    answer = httpx.post(f"{served.url}/ListChannels", headers=headers, json={})

    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, expected)


def test_no_secret_is_in_a_repr(simulated, create):
    made = create()
    shown = repr(
        (simulated.identities.full, simulated.channels, simulated.encoder(made["key"]["value"]))
    )

    assert simulated.secret_access_key not in shown
    assert made["key"]["value"] not in shown
    assert made["srt"]["passphrase"] not in shown


def test_the_environment_is_what_a_host_needs_to_be_believed(app, simulated):
    assert app.environment("http://127.0.0.1:1") == {
        "STREAMING_PLATFORM": "aws-ivs",
        "AWS_IVS_REGION": "us-west-2",
        "AWS_IVS_ACCESS_KEY_ID": simulated.access_key_id,
        "AWS_IVS_SECRET_ACCESS_KEY": simulated.secret_access_key,
        "AWS_ENDPOINT_URL_IVS": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_CLOUDWATCH": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
        "AWS_IVS_PLAYBACK_KEY": simulated.playback_key_pem(),
    }
    key = load_pem_private_key(simulated.playback_key_pem().encode(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    assert key.curve.name == "secp384r1"


def test_the_age_of_a_signature_is_measured_on_the_clock_that_is_given():
    app = create_app(clock=ManualClock(), signing_clock=ManualClock())

    key, _ = app.platform.identities.assume_role(app.platform.identities.role_arn, "a", 900)
    assert key.expires_at == ManualClock().now() + timedelta(seconds=900)
