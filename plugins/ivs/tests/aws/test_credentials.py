"""Who signs: what is found, what is said where nothing is, and when temporary keys are renewed."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headend.plugin import (
    AuthenticationError,
    ConfigurationError,
    Effect,
    Operation,
    PermissionDeniedError,
    PlatformError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    Secret,
)
from headend_contract.serving import Served
from headend_ivs.clients import IvsClients
from headend_ivs.credentials import Login
from headend_ivs.settings import IvsSettings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

GET = Operation("GetChannel", Effect.WRITE)
"""Sent once, so that requests can be counted."""
LIVE = "arn:aws:iam::210987654321:role/live"
OpenClients = Callable[..., IvsClients]


@pytest.fixture
def files(bare_environment: Path) -> Callable[..., None]:
    """Write boto3's files."""

    def write(*, config: str = "", keys: str = "") -> None:
        (bare_environment / "config").write_text(config)
        (bare_environment / "keys").write_text(keys)

    return write


def problem_of(*, patience: float = 1.0, **settings: object) -> str:
    """Return what is said where there are no credentials."""
    with pytest.raises(ConfigurationError) as caught:
        Login(IvsSettings(**settings), patience=patience)  # type: ignore[arg-type]  # the class checks them
    (problem,) = caught.value.problems
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    return problem


def runs(text: str) -> str:
    """Return a `credential_process` that prints a text."""
    return f'{sys.executable} -S -c \'print("""{text}""")\''


# -- the search -----------------------------------------------------------------------------------


def test_keys_that_are_set_beat_everything_that_boto3_would_find(
    keys: Mapping[str, object], monkeypatch: pytest.MonkeyPatch, files: Callable[..., None]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment")
    files(keys="[live]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = profile\n")
    login = Login(IvsSettings(**keys, session_token=Secret("token"), profile="live"))  # type: ignore[arg-type]
    held = login.current()
    assert (held.access_key, held.token) == ("AKIAPLANTEDKEY00TAIL", "token")
    assert login.source == "AWS_IVS_ACCESS_KEY_ID and AWS_IVS_SECRET_ACCESS_KEY"
    assert login.key_id_tail == "TAIL"


def test_without_keys_the_default_chain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment")
    login = Login(IvsSettings())
    assert login.current().access_key == "AKIAENVIRONMENT"
    assert login.source == "boto3's default chain: AWS_ACCESS_KEY_ID in the environment"


def test_a_profile_beats_the_environment(
    monkeypatch: pytest.MonkeyPatch, files: Callable[..., None]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment")
    files(keys="[live]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = profile\n")
    login = Login(IvsSettings(profile="live"))
    assert login.current().access_key == "AKIAPROFILE"
    assert login.source == "boto3's default chain: the credentials file, profile live"


def test_finding_nothing_names_both_variables_and_the_chain() -> None:
    problem = problem_of()
    assert problem.startswith("AWS_IVS_ACCESS_KEY_ID: is missing, as is AWS_IVS_SECRET_ACCESS_KEY,")
    assert "boto3's default chain has none" in problem
    assert "AWS_IVS_PROFILE" in problem
    assert "aws sso login" in problem


def test_half_a_pair_in_the_chain_names_the_other_half(
    monkeypatch: pytest.MonkeyPatch, files: Callable[..., None]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted")
    assert problem_of().startswith("AWS_SECRET_ACCESS_KEY: is missing in AWS_ACCESS_KEY_ID in the")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    files(keys="[live]\naws_access_key_id = planted\n")
    assert problem_of(profile="live").startswith(
        "aws_secret_access_key: is missing in the credentials file, profile live"
    )


def test_a_profile_that_does_not_exist_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert problem_of(profile="lvie").startswith(
        "AWS_IVS_PROFILE: there is no profile 'lvie' in boto3's files"
    )
    monkeypatch.setenv("AWS_PROFILE", "lvie")
    assert problem_of().startswith("AWS_PROFILE: there is no profile 'lvie' in boto3's files")


def test_a_profile_that_does_not_exist_is_told_even_where_keys_are_set(
    keys: Mapping[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lvie")
    assert problem_of(**keys).startswith("AWS_PROFILE: there is no profile 'lvie'")


def test_a_broken_file_is_named_and_not_quoted(
    files: Callable[..., None], bare_environment: Path
) -> None:
    files(config="[default\naws_secret_access_key planted\n")
    assert problem_of().startswith(f"AWS_CONFIG_FILE: the file {bare_environment / 'config'} can")
    files(keys="aws_secret_access_key planted\n")
    assert problem_of().startswith(
        f"AWS_SHARED_CREDENTIALS_FILE: the file {bare_environment / 'keys'} cannot be read"
    )


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("planted", "is not what boto3 understands"),
        ('{"Version": 2, "SecretAccessKey": "planted"}', "custom-process gave no credentials"),
        ('{"Version": 1, "SecretAccessKey": "planted"}', "custom-process gave no credentials"),
        ('["planted"]', "is not what boto3 understands"),
    ],
)
def test_what_a_process_prints_is_not_quoted(
    files: Callable[..., None], printed: str, words: str
) -> None:
    files(config=f"[default]\ncredential_process = {runs(printed)}\n")
    problem = problem_of()
    assert "a credential_process of boto3's default chain failed" in problem
    assert words in problem


def test_a_process_gives_keys(files: Callable[..., None]) -> None:
    made = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "process"}
    files(config=f"[default]\ncredential_process = {runs(json.dumps(made))}\n")
    assert Login(IvsSettings()).current().access_key == "AKIAPROCESS"


def test_a_process_that_hangs_costs_a_second(files: Callable[..., None]) -> None:
    sleeps = f"{sys.executable} -c 'import time; time.sleep(3)'"
    files(config=f"[default]\ncredential_process = {sleeps}\n")
    began = time.monotonic()
    problem = problem_of()
    assert time.monotonic() - began < 1.5
    assert "gave none within 1 s: it waits for a credential_process" in problem


class Metadata:
    """EC2's metadata service, or one that never answers."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._hangs:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        path = scope["path"].removeprefix("/latest/")
        body = {
            "api/token": "token",
            "meta-data/iam/security-credentials/": "live-role",
            "meta-data/iam/security-credentials/live-role": json.dumps(
                {
                    "Code": "Success",
                    "AccessKeyId": "ASIAMETADATA",
                    "SecretAccessKey": "metadata",
                    "Token": "token",
                    "Expiration": "2099-01-01T00:00:00Z",
                }
            ),
        }[path]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})


def test_an_instance_has_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    with Served(Metadata(hangs=False)) as served:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{served.url}/")
        login = Login(IvsSettings())
    assert login.current().access_key == "ASIAMETADATA"
    assert "the EC2 instance's role" in login.source
    assert login.is_temporary


def test_a_metadata_service_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Served(Metadata(hangs=True)) as served:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{served.url}/")
        monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "2")
        began = time.monotonic()
        problem = problem_of(patience=0.3)
        assert time.monotonic() - began < 0.8
    assert "it waits for the EC2 instance's role (its metadata service)" in problem


def test_a_profile_that_asks_for_an_mfa_code_is_refused(files: Callable[..., None]) -> None:
    files(
        config=f"[profile live]\nrole_arn = {LIVE}\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::210987654321:mfa/me\n"
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = planted\n"
    )
    assert problem_of(profile="live").startswith(
        "AWS_IVS_PROFILE: the profile asks a person for an MFA code"
    )


# -- roles and logins: late, and between requests -------------------------------------------------


def role_keys(answer: Any, key_id: str, expires: datetime) -> Any:
    return answer(
        f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
        <AssumedRoleUser><AssumedRoleId>AROA:headend</AssumedRoleId>
        <Arn>{LIVE}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{key_id}</AccessKeyId>
        <SecretAccessKey>planted-role-secret</SecretAccessKey>
        <SessionToken>planted-role-token</SessionToken>
        <Expiration>{expires:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>
        </AssumeRoleResult></AssumeRoleResponse>""".encode(),
        200,
        {"Content-Type": "text/xml"},
    )


def in_minutes(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def test_a_role_is_assumed_by_the_first_request_and_then_kept(
    aws: Any, answer: Any, open_clients: OpenClients, keys: Mapping[str, object]
) -> None:
    clients = open_clients(**keys, role_arn=LIVE)
    assert aws.asked == []
    assert clients.account == "210987654321"
    aws.says(role_keys(answer, "ASIAROLE", in_minutes(60)), answer())
    clients.call(GET, "get_channel", arn="arn")
    clients.call(GET, "get_channel", arn="arn")
    assert [(one.service, one.key_id) for one in aws.asked] == [
        ("sts", "AKIAPLANTEDKEY00TAIL"),
        ("ivs", "ASIAROLE"),
        ("ivs", "ASIAROLE"),
    ]
    assert b"RoleSessionName=headend" in aws.asked[0].body
    assert clients.source == (
        f"role {LIVE}, assumed with AWS_IVS_ACCESS_KEY_ID and AWS_IVS_SECRET_ACCESS_KEY"
    )


def test_a_role_is_assumed_again_before_it_ends(
    aws: Any, answer: Any, open_clients: OpenClients, keys: Mapping[str, object]
) -> None:
    clients = open_clients(**keys, role_arn=LIVE)
    aws.says(
        role_keys(answer, "ASIAFIRST", in_minutes(0.5)),
        answer(),
        role_keys(answer, "ASIASECOND", in_minutes(60)),
        answer(),
    )
    clients.call(GET, "get_channel", arn="arn")
    clients.call(GET, "get_channel", arn="arn")
    assert [one.key_id for one in aws.asked if one.service == "ivs"] == ["ASIAFIRST", "ASIASECOND"]


def test_while_a_role_lasts_no_request_waits_for_its_renewal(
    aws: Any, answer: Any, open_clients: OpenClients, keys: Mapping[str, object]
) -> None:
    clients = open_clients(**keys, role_arn=LIVE, timeout=3.0)
    aws.says(role_keys(answer, "ASIAFIRST", in_minutes(5)), answer())
    clients.call(GET, "get_channel", arn="arn")
    aws.says(answer())
    aws.hung_services.add("sts")
    began = time.monotonic()
    clients.call(GET, "get_channel", arn="arn")
    assert time.monotonic() - began < 0.8
    assert [one.key_id for one in aws.asked if one.service == "ivs"] == ["ASIAFIRST", "ASIAFIRST"]


def denied(error: PlatformError, aws: Any) -> PlatformError:
    assert [one for one in aws.asked if one.service == "ivs"] == []
    assert error.request_sent is False
    assert str(error).startswith(f"nothing was sent: the credentials of role {LIVE}, assumed with")
    return error


def test_a_role_that_may_not_be_assumed_is_no_lack_of_a_permission_for_ivs(
    aws: Any, answer: Any, open_clients: OpenClients, keys: Mapping[str, object]
) -> None:
    clients = open_clients(**keys, role_arn=LIVE)
    aws.says(
        answer(
            b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
            b"<Message>User: x is not authorized</Message></Error><RequestId>req-7</RequestId>"
            b"</ErrorResponse>",
            403,
        )
    )
    with pytest.raises(PermissionDeniedError) as caught:
        clients.call(GET, "get_channel", arn="arn")
    error = denied(caught.value, aws)
    assert f"the role {LIVE} may not be assumed: allow sts:AssumeRole" in str(error)
    assert error.code == "AccessDenied"
    assert error.request_id == "req-7"


def test_what_a_source_of_credentials_refuses_was_no_request_of_the_host(
    aws: Any, answer: Any, open_clients: OpenClients, keys: Mapping[str, object]
) -> None:
    clients = open_clients(**keys, role_arn=LIVE)
    aws.says(
        answer(
            b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No such provider."
            b"</Message></Error></ErrorResponse>",
            400,
        )
    )
    with pytest.raises(AuthenticationError, match=r"AWS says: No such provider\.") as caught:
        clients.call(GET, "get_channel", arn="arn")
    assert denied(caught.value, aws).code == "InvalidIdentityToken"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (0, PlatformUnavailableError, "their source is not reachable"),
        (-1, PlatformTimeoutError, "their source did not answer in time"),
    ],
)
def test_a_role_that_cannot_be_asked_for_has_sent_nothing(
    aws: Any,
    answer: Any,
    open_clients: OpenClients,
    keys: Mapping[str, object],
    status: int,
    kind: type[PlatformError],
    words: str,
) -> None:
    clients = open_clients(**keys, role_arn=LIVE, timeout=0.2)
    aws.says(answer(status=status))
    with pytest.raises(kind, match=words) as caught:
        clients.call(GET, "get_channel", arn="arn")
    denied(caught.value, aws)


@pytest.mark.parametrize(
    "body", [b"", b"<html>planted", b"<AssumeRoleResponse><planted/></AssumeRoleResponse>"]
)
def test_an_answer_of_sts_that_holds_no_keys_is_not_quoted(
    aws: Any, answer: Any, open_clients: OpenClients, keys: Mapping[str, object], body: bytes
) -> None:
    clients = open_clients(**keys, role_arn=LIVE)
    aws.says(answer(body))
    with pytest.raises(AuthenticationError) as caught:
        clients.call(GET, "get_channel", arn="arn")
    text = "".join(traceback.format_exception(denied(caught.value, aws)))
    assert "planted/" not in text
    assert "html" not in text


def test_an_sso_login_that_has_expired_says_which_command_renews_it(
    aws: Any, open_clients: OpenClients, files: Callable[..., None], bare_environment: Path
) -> None:
    files(
        config="[profile live]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1"
        "\nsso_account_id = 210987654321\nsso_role_name = live\n"
    )
    clients = open_clients(profile="live")
    assert clients.source == "boto3's default chain: an SSO login, profile live"
    with pytest.raises(AuthenticationError) as caught:
        clients.call(GET, "get_channel", arn="arn")
    assert "run `aws sso login --profile live`" in str(caught.value)
    assert caught.value.request_sent is False
    assert caught.value.retryable is False
    assert aws.asked == []


def test_a_process_that_fails_later_is_quoted_neither_in_the_error_nor_in_the_log(
    aws: Any,
    open_clients: OpenClients,
    files: Callable[..., None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = tmp_path / "gives_once.py"
    made = {
        "Version": 1,
        "AccessKeyId": "ASIAPROCESS",
        "SecretAccessKey": "planted",
        "SessionToken": "planted",
        "Expiration": in_minutes(0.5).isoformat(),
    }
    script.write_text(
        "import pathlib, sys\n"
        "done = pathlib.Path(__file__).with_suffix('.done')\n"
        "if done.exists(): sys.exit('planted')\n"
        f"done.touch(); print({json.dumps(made)!r})\n"
    )
    files(config=f"[default]\ncredential_process = {sys.executable} -S {script}\n")
    with caplog.at_level(logging.DEBUG):
        clients = open_clients(region="us-west-2")
        with pytest.raises(AuthenticationError, match="custom-process gave no") as caught:
            clients.call(GET, "get_channel", arn="arn")
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    assert "Refreshing temporary credentials failed" in caplog.text
    assert "planted" not in caplog.text
    assert aws.asked == []
