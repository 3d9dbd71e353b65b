"""Requests and their answers, where all goes well; when clients are made; what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from headend.clock import SystemClock
from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    Effect,
    Fields,
    Operation,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
)
from headend_contract.serving import Served
from headend_ivs.clients import Identity, IvsClients
from headend_ivs.credentials import MAX_CONNECTIONS

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"
GET = Operation("GetChannel", Effect.WRITE)
METRICS = Operation("GetMetricData", Effect.WRITE)
OpenClients = Callable[..., IvsClients]

CREATED = {
    "channel": {
        "arn": ARN,
        "name": "planned",
        "srt": {"endpoint": "x.srt.live-video.net", "passphrase": "planted-passphrase"},
    },
    "streamKey": {"arn": ARN.replace("channel", "stream-key"), "value": "sk_us-west-2_planted_1"},
}


# -- answers --------------------------------------------------------------------------------------


def test_an_answer_is_what_aws_said_with_times_as_times(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer.json({"stream": {"channelArn": ARN, "startTime": "2026-11-22T18:00:00Z"}}))
    found = clients.call(GET, "get_stream", channelArn=ARN)
    assert not found.has("ResponseMetadata")
    stream = found.object("stream")
    assert stream.text("channelArn") == ARN
    assert stream.raw("startTime") == datetime(2026, 11, 22, 18, tzinfo=UTC)
    (asked,) = aws.asked
    assert (asked.method, asked.path) == ("POST", "/GetStream")
    assert json.loads(asked.body) == {"channelArn": ARN}


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (200, b"{}")])
def test_an_answer_with_nothing_in_it_is_empty(
    aws: Any, answer: Any, clients: IvsClients, status: int, body: bytes
) -> None:
    aws.says(answer(body, status))
    assert not clients.call(GET, "delete_channel", arn=ARN).has("message")


def test_what_a_reader_misses_is_a_protocol_error_that_knows_the_request(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer.json({"channel": {"arn": ARN}}, x_amzn_RequestId="req-5"))
    assert clients.send(GET, "get_channel", _arn, arn=ARN) == ARN
    aws.says(answer.json({"channel": {}}, x_amzn_RequestId="req-6"))
    with pytest.raises(PlatformProtocolError, match=r"channel\.arn is not a text") as caught:
        clients.send(GET, "get_channel", _arn, arn=ARN)
    assert (caught.value.status, caught.value.request_id) == (200, "req-6")
    assert isinstance(caught.value.__cause__, BrokenAnswerError)


def _arn(answer: Fields) -> str:
    return answer.object("channel").text("arn")


# -- metrics --------------------------------------------------------------------------------------


def page(
    answer: Any,
    points: dict[str, list[float]],
    *,
    token: str | None = None,
    status: str = "Complete",
    messages: list[object] | None = None,
) -> Any:
    """Return a page as CloudWatch gives it in its JSON protocol: times are seconds."""
    results = [
        {
            "Id": name,
            "Label": name,
            "Timestamps": [1_800_000_000 + 60 * place for place in range(len(values))],
            "Values": values,
            "StatusCode": status,
        }
        for name, values in points.items()
    ]
    data: dict[str, object] = {"MetricDataResults": results}
    if token is not None:
        data["NextToken"] = token
    if messages is not None:
        data["Messages"] = messages
    return answer.json(data)


def ask(clients: IvsClients) -> Fields:
    query = {"Id": "peak", "Expression": "1", "Period": 60}
    return clients.metrics(
        METRICS, MetricDataQueries=[query], StartTime=datetime.now(UTC), EndTime=datetime.now(UTC)
    )


def test_all_pages_of_metrics_are_one_answer(aws: Any, answer: Any, clients: IvsClients) -> None:
    aws.says(
        page(answer, {"peak": [1.0, 2.0]}, token="a", status="PartialData"),
        page(answer, {"peak": [3.0], "watch": [4.0]}, messages=[{"Code": "c", "Value": "v"}]),
    )
    found = ask(clients)
    results = found.each("MetricDataResults", lambda one: one)
    assert [(one.text("Id"), one.raw("Values"), one.text("StatusCode")) for one in results] == [
        ("peak", [1.0, 2.0, 3.0], "Complete"),
        ("watch", [4.0], "Complete"),
    ]
    times = results[0].raw("Timestamps")
    assert isinstance(times, list)
    assert len(times) == 3
    assert all(isinstance(one, datetime) and one.tzinfo is not None for one in times)
    assert found.raw("Messages") == [{"Code": "c", "Value": "v"}]
    assert [json.loads(one.body).get("NextToken") for one in aws.asked] == [None, "a"]


@pytest.mark.parametrize("status", ["InternalError", "Forbidden"])
def test_a_page_that_failed_is_not_mended_by_the_next(
    aws: Any, answer: Any, clients: IvsClients, status: str
) -> None:
    aws.says(
        page(answer, {"peak": []}, token="a", status=status),
        page(answer, {"peak": [3.0]}),
    )
    (result,) = ask(clients).each("MetricDataResults", lambda one: one)
    assert result.text("StatusCode") == status


def test_metrics_that_never_end_are_a_protocol_error(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(page(answer, {"peak": [1.0]}, token="a"))
    with pytest.raises(PlatformProtocolError, match="does not end"):
        ask(clients)
    assert len(aws.asked) == 2


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"MetricDataResults": [{"Id": "peak", "StatusCode": "Complete"}]},
        {
            "MetricDataResults": [
                {"Id": "peak", "Timestamps": [], "Values": [1.0], "StatusCode": "Complete"}
            ]
        },
    ],
)
def test_metrics_that_are_not_whole_are_a_protocol_error(
    aws: Any, answer: Any, clients: IvsClients, data: object
) -> None:
    aws.says(answer.json(data))
    with pytest.raises(PlatformProtocolError):
        ask(clients)


def test_a_missing_permission_for_metrics_is_told_with_its_name(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer.json({"__type": "AccessDenied", "message": "no"}, 403))
    with pytest.raises(PermissionDeniedError, match="does not allow cloudwatch:GetMetricData"):
        ask(clients)


# -- who we are -----------------------------------------------------------------------------------


def whoami(answer: Any, arn: str = "arn:aws:iam::123456789012:user/live") -> Any:
    return answer(
        f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AIDA</UserId>
        <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>
        """.encode(),
        200,
        {"Content-Type": "text/xml"},
    )


def test_who_we_are_is_asked_once_and_never_before_it_is_needed(
    aws: Any, answer: Any, open_clients: OpenClients
) -> None:
    aws.says(whoami(answer))
    clients = open_clients()
    assert clients.account is None
    assert clients.region == "us-west-2"
    assert aws.asked == []
    expected = Identity("arn:aws:iam::123456789012:user/live", "123456789012")
    assert clients.identity() == expected
    assert clients.identity() == expected
    assert clients.account == "123456789012"
    assert [one.service for one in aws.asked] == ["sts"]


@pytest.mark.parametrize("body", [b"<html>planted", b"planted", b"<a/>", b""])
def test_an_answer_that_does_not_say_who_we_are_is_a_protocol_error(
    aws: Any, answer: Any, open_clients: OpenClients, body: bytes
) -> None:
    aws.says(answer(body))
    with pytest.raises(PlatformProtocolError) as caught:
        open_clients().identity()
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None or "planted" not in str(caught.value.__context__)


def test_an_unknown_key_is_told_by_sts_as_well(
    aws: Any, answer: Any, open_clients: OpenClients
) -> None:
    aws.says(
        answer(
            b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The security token "
            b"included in the request is invalid.</Message></Error></ErrorResponse>",
            403,
        )
    )
    with pytest.raises(AuthenticationError, match="does not know the access key id …TAIL"):
        open_clients().identity()


# -- when clients are made ------------------------------------------------------------------------


def test_nothing_is_sent_and_no_client_is_made_before_it_is_needed(
    aws: Any, answer: Any, open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = boto3.Session.client

    def count(session: boto3.Session, service: str, **options: Any) -> Any:
        made.append(service)
        return make(session, service, **options)  # type: ignore[call-overload]  # any service

    monkeypatch.setattr(boto3.Session, "client", count)
    clients = open_clients()
    assert (made, aws.asked) == ([], [])
    clients.call(GET, "get_channel", arn=ARN)
    clients.call(GET, "delete_channel", arn=ARN)
    assert made == ["ivs"]
    aws.says(whoami(answer))
    clients.identity()
    assert made == ["ivs", "sts"]


@pytest.mark.parametrize(
    ("allowed", "times"),
    [(60.0, 10.0), (31.0, 10.0), (27.0, 8.0), (3.1, 1.0), (0.03, 0.5)],
)
def test_a_client_waits_as_long_as_the_settings_allow_or_the_deadline(
    aws: Any,
    open_clients: OpenClients,
    context_of: Any,
    keys: dict[str, object],
    allowed: float,
    times: float,
) -> None:
    context = context_of(SystemClock(), timeout=allowed)
    clients = open_clients(context=context, **keys, timeout=10.0)
    clients.call(GET, "delete_channel", arn=ARN)
    (client,) = clients._clients.values()
    config = client.meta.config
    assert config.connect_timeout + config.read_timeout == pytest.approx(times)


def test_many_threads_share_one_client(
    aws: Any, open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = open_clients()
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: clients.call(GET, "delete_channel", arn=ARN), range(32))
        )
    assert len(answers) == len(aws.asked) == 32
    assert len(clients._clients) == 1


def test_as_many_requests_as_connections_are_kept_leave_them_all_open(
    open_clients: OpenClients,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    came, all_came = [], asyncio.Event()

    async def answer_all_at_once(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body", False):
            pass
        came.append(scope["client"])
        if len(came) >= MAX_CONNECTIONS:
            all_came.set()
        await all_came.wait()
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    with Served(answer_all_at_once) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", served.url)
        clients = open_clients()
        with ThreadPoolExecutor(MAX_CONNECTIONS) as threads:
            for _ in range(2):
                list(
                    threads.map(
                        lambda _: clients.call(GET, "get_channel", arn=ARN),
                        range(MAX_CONNECTIONS),
                    )
                )
    assert len(came) == 2 * MAX_CONNECTIONS
    assert len(set(came)) == MAX_CONNECTIONS
    assert "pool is full" not in caplog.text


def test_requests_count_towards_the_limits_of_their_account_and_region(
    open_clients: OpenClients, keys: dict[str, object], context_of: Any
) -> None:
    scopes = []

    class Counted:
        def scoped(self, scope: str) -> None:
            scopes.append(scope)

    for more in ({}, {"region": "eu-west-1"}, {"role_arn": "arn:aws:iam::210987654321:role/live"}):
        context = context_of()
        object.__setattr__(context, "calls", Counted())
        open_clients(context=context, **keys, **more)
    assert scopes == [
        "AKIAPLANTEDKEY00TAIL us-west-2",
        "AKIAPLANTEDKEY00TAIL eu-west-1",
        "210987654321 us-west-2",
    ]


def test_settings_and_facts_do_not_import_boto3() -> None:
    program = """
import sys
import headend_ivs, headend_ivs.facts, headend_ivs.settings
print(sorted({"boto3", "botocore"} & set(sys.modules)))
import headend_ivs.clients
print(sorted({"boto3", "botocore"} & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["[]", "['boto3', 'botocore']"]


# -- the log --------------------------------------------------------------------------------------


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that is logged from now on, by anybody."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_no_secret_of_request_or_answer_gets_into_the_log(
    aws: Any,
    answer: Any,
    open_clients: OpenClients,
    keys: dict[str, object],
    everything: pytest.LogCaptureFixture,
) -> None:
    from headend.plugin import Secret

    role = "arn:aws:iam::210987654321:role/live"
    clients = open_clients(**keys, session_token=Secret("planted-own-token"), role_arn=role)
    aws.says(
        answer(
            b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
            <AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>
            planted-secret</SecretAccessKey><SessionToken>planted-token</SessionToken>
            <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>
            </AssumeRoleResponse>"""
        ),
        answer.json(CREATED),
        answer(b'{"broken": "planted', 200),
        answer.error("ConflictException", 409, "planted"),
        answer(status=0),
    )
    made = clients.call(GET, "create_channel", name="x", tags={"a": "planted-tag"})
    assert made.object("streamKey").text("value") == "sk_us-west-2_planted_1"
    for _ in range(3):
        with pytest.raises(PlatformError):
            clients.call(GET, "get_channel", arn=ARN)
    assert "planted" not in everything.text
    assert "Response body" in everything.text
    assert "(values withheld by headend)" in everything.text
    assert "POST /CreateChannel" in everything.text


def test_a_logger_that_boto3_makes_with_a_client_is_watched_as_well(
    aws: Any, open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = boto3.Session.client

    def with_logger(session: boto3.Session, service: str, **options: Any) -> Any:
        logging.getLogger("botocore.made.late")
        return make(session, service, **options)  # type: ignore[call-overload]  # any service

    monkeypatch.setattr(boto3.Session, "client", with_logger)
    clients = open_clients()
    clients.call(GET, "delete_channel", arn=ARN)
    assert logging.getLogger("botocore.made.late").filters


def test_what_a_host_does_with_boto3_by_itself_is_logged_as_ever(
    aws: Any, answer: Any, clients: IvsClients, everything: pytest.LogCaptureFixture
) -> None:
    aws.says(answer.json({"channel": {"name": "of-the-host"}}))
    clients.call(GET, "get_channel", arn=ARN)
    assert "of-the-host" not in everything.text
    session = boto3.Session("AKIA", "secret", region_name="us-west-2")
    host = session.client("ivs", endpoint_url=aws.url)
    host.get_channel(arn=ARN)
    host.close()
    assert "of-the-host" in everything.text
