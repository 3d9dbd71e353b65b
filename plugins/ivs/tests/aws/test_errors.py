"""What goes wrong, as the host sees it: by AWS's codes, by what botocore says, and by neither."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.clock import SystemClock
from headend.plugin import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    Effect,
    InvalidRequestError,
    Operation,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
)
from headend_ivs.clients import NOT_BROADCASTING, NOT_FOUND, PENDING_VERIFICATION, IvsClients

CREATE = Operation("CreateChannel", Effect.WRITE)
READ = Operation("GetChannel", Effect.READ)
ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"
KEY_ARN = "arn:aws:ivs:us-west-2:123456789012:stream-key/abcdABCDefgh"
OpenClients = Callable[..., IvsClients]


def refusal(clients: IvsClients, api: str = "get_channel", **parameters: object) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        clients.call(CREATE, api, **(parameters or {"arn": ARN}))
    error = caught.value
    assert error.provider == "aws-ivs"
    assert error.operation == "CreateChannel"
    return error


@pytest.mark.parametrize(
    ("code", "status", "kind", "retryable"),
    [
        # botocore's model of ivs
        ("ValidationException", 400, InvalidRequestError, False),
        ("ServiceQuotaExceededException", 402, QuotaExceededError, False),
        ("AccessDeniedException", 403, PermissionDeniedError, False),
        (PENDING_VERIFICATION, 403, PermissionDeniedError, False),
        (NOT_FOUND, 404, StreamNotFoundError, False),
        (NOT_BROADCASTING, 404, ConflictError, False),
        ("ConflictException", 409, ConflictError, False),
        ("ThrottlingException", 429, RateLimitedError, True),
        ("InternalServerException", 500, PlatformUnavailableError, True),
        ("ServiceUnavailable", 503, PlatformUnavailableError, True),
        ("StreamUnavailable", 503, PlatformUnavailableError, True),
        # LowLatencyAPIReference/CommonErrors.html
        ("ThrottlingException", 400, RateLimitedError, True),
        ("UnrecognizedClientException", 403, AuthenticationError, False),
        ("ExpiredTokenException", 403, AuthenticationError, False),
        ("IncompleteSignature", 403, AuthenticationError, False),
        ("InvalidSignatureException", 403, AuthenticationError, False),
        ("RequestExpired", 400, AuthenticationError, False),
        ("NotAuthorized", 401, PermissionDeniedError, False),
        ("OptInRequired", 403, PermissionDeniedError, False),
        # a code that nobody has heard of goes by its status
        ("BrandNewException", 400, InvalidRequestError, False),
        ("BrandNewException", 402, QuotaExceededError, False),
        ("BrandNewException", 429, RateLimitedError, True),
        ("BrandNewException", 507, PlatformUnavailableError, True),
        ("BrandNewException", 404, PlatformProtocolError, False),
        ("BrandNewException", 418, PlatformProtocolError, False),
    ],
)
def test_the_code_decides_and_one_request_is_sent(
    aws: Any,
    answer: Any,
    clients: IvsClients,
    code: str,
    status: int,
    kind: type[PlatformError],
    retryable: bool,
) -> None:
    throttled = kind is RateLimitedError
    aws.says(answer.error(code, status, "Some words.", x_amzn_RequestId="req-1", Retry_After="99"))
    error = refusal(clients)
    assert type(error) is kind
    assert error.status == status
    assert error.request_id == "req-1"
    assert error.retryable is retryable
    assert error.retry_after == (None if kind is PlatformProtocolError else 99.0)
    assert error.request_sent is True
    if kind is not PlatformProtocolError:
        assert error.code == code
    assert len(aws.asked) == 1, "99 s are too long to wait" if throttled else "never repeated"


def test_reads_are_repeated_by_headend_and_not_by_botocore_as_well(
    aws: Any, answer: Any, open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a user has set for other uses of boto3 does not bring its repetitions back.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    clients = open_clients()
    aws.says(answer.error("ServiceUnavailable", 503))
    with pytest.raises(PlatformUnavailableError, match="it failed 3 times"):
        clients.call(READ, "get_channel", arn=ARN)
    assert len(aws.asked) == 3


@pytest.mark.parametrize("member", ["message", "Message", "exceptionMessage"])
def test_the_sentence_of_aws_is_found_in_any_of_its_members(
    aws: Any, answer: Any, clients: IvsClients, member: str
) -> None:
    aws.says(answer.json({member: "Not so."}, 409, x_amzn_ErrorType="ConflictException:http://x/"))
    error = refusal(clients)
    assert isinstance(error, ConflictError)
    assert "AWS says: Not so." in str(error)


def test_the_code_is_found_in_the_body_as_well(aws: Any, answer: Any, clients: IvsClients) -> None:
    aws.says(answer.json({"__type": NOT_FOUND, "message": "Gone."}, 404))
    assert isinstance(refusal(clients), StreamNotFoundError)


# -- sentences of their own -----------------------------------------------------------------------


def test_what_is_not_there_is_a_live_stream_only_if_a_channel_was_named(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer.error(NOT_FOUND, 404))
    assert ARN in str(refusal(clients, "get_stream", channelArn=ARN))
    session = refusal(clients, "get_stream_session", channelArn=ARN, streamId="st-" + "x" * 23)
    assert isinstance(session, StreamNotFoundError)
    assert f"the live stream '{ARN}' has no session of this id" in str(session)
    assert "there is no live stream" not in str(session)
    key = refusal(clients, "get_stream_key", arn=KEY_ARN)
    assert isinstance(key, ConflictError)
    assert key.code == NOT_FOUND
    recording = KEY_ARN.replace("stream-key", "recording-configuration")
    other = refusal(clients, "create_channel", name="x", recordingConfigurationArn=recording)
    assert isinstance(other, InvalidRequestError)
    assert recording in str(other)


def test_a_missing_permission_is_named_as_iam_has_it(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer.error("AccessDeniedException", 403, "User: me is not authorized"))
    assert "the IAM policy does not allow ivs:StopStream: add it; AWS says: User: me" in str(
        refusal(clients, "stop_stream", channelArn=ARN)
    )


def test_an_account_that_waits_to_be_verified_is_told_whom_to_ask(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer.error(PENDING_VERIFICATION, 403, "Your account is pending verification."))
    assert "ask AWS Support to verify it" in str(refusal(clients))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UnrecognizedClientException", "AWS does not know the access key id …TAIL (AWS_IVS_ACC"),
        ("InvalidSignatureException", "the secret access key does not fit the access key id …TAIL"),
        ("ExpiredTokenException", "the temporary credentials …TAIL (AWS_IVS_ACCESS_KEY_ID and AWS"),
    ],
)
def test_credentials_that_are_not_accepted_are_told_apart(
    aws: Any, answer: Any, clients: IvsClients, code: str, words: str
) -> None:
    aws.says(answer.error(code, 403))
    text = str(refusal(clients))
    assert words in text
    assert "PLANTED" not in text


class OffClock(SystemClock):
    """A clock that is wrong."""

    def __init__(self, minutes: float) -> None:
        self._off = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._off


@pytest.mark.parametrize(
    ("minutes", "words"), [(12, "12 min ahead of AWS's"), (-12, "12 min behind AWS's")]
)
def test_a_clock_that_is_off_is_told_by_how_much(
    aws: Any, answer: Any, open_clients: OpenClients, minutes: float, words: str
) -> None:
    said = "Signature expired: 20261122T180000Z is now earlier than 20261122T181200Z"
    date = format_datetime(datetime.now(UTC), usegmt=True)
    aws.says(answer.error("InvalidSignatureException", 403, said, Date=date))
    error = refusal(open_clients(clock=OffClock(minutes)))
    assert isinstance(error, AuthenticationError)
    assert f"this machine's clock is {words}: set it right (NTP)" in str(error)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_clock_that_is_off_is_told_even_where_aws_does_not_say_its_time(
    aws: Any, answer: Any, clients: IvsClients, date: str | None
) -> None:
    headers = {} if date is None else {"Date": date}
    aws.says(answer.error("RequestTimeTooSkewed", 403, **headers))
    assert "this machine's clock is too far from AWS's: set it" in str(refusal(clients))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"x_amz_retry_after": "1500"}, 1.5),
        ({"x_amz_retry_after": "soon", "Retry_After": "7"}, 7.0),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_aws_asks_for_is_kept_in_seconds(
    aws: Any,
    answer: Any,
    clients: IvsClients,
    headers: dict[str, str],
    seconds: float | None,
) -> None:
    aws.says(answer.error("ServiceQuotaExceededException", 402, **headers))
    assert refusal(clients).retry_after == seconds


# -- answers that are not AWS's -------------------------------------------------------------------

PAGE = b"<!doctype html><title>planted</title>"


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (302, PlatformProtocolError, False),
        (400, PlatformProtocolError, False),
        (403, PlatformProtocolError, False),
        (404, PlatformProtocolError, False),
        (408, PlatformTimeoutError, True),
        (429, RateLimitedError, True),
        (502, PlatformUnavailableError, True),
    ],
)
def test_a_page_instead_of_an_error_says_nothing_of_live_streams(
    aws: Any,
    answer: Any,
    clients: IvsClients,
    status: int,
    kind: type[PlatformError],
    retryable: bool,
) -> None:
    aws.says(answer(PAGE, status, {"Content-Type": "text/html", "Retry-After": "99"}))
    error = refusal(clients)
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.code is None
    assert "planted" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "body", [PAGE, b'{"channel": {"arn"', b"[]", b'"text"', b"null", b'{"a": NaN}', b"\xff{}"]
)
@pytest.mark.parametrize("api", ["get_channel", "stop_stream", "delete_channel"])
def test_an_answer_of_success_that_is_no_json_object_is_none(
    aws: Any, answer: Any, clients: IvsClients, api: str, body: bytes
) -> None:
    aws.says(answer(body, 200, {"x-amzn-RequestId": "req-1"}))
    name = "channelArn" if api == "stop_stream" else "arn"
    error = refusal(clients, api, **{name: ARN})
    assert isinstance(error, PlatformProtocolError)
    assert (error.status, error.request_id, error.request_sent) == (200, "req-1", True)
    assert "AWS_ENDPOINT_URL_IVS" in str(error)
    assert "planted" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "body",
    [
        {"streamSession": {"startTime": "planted"}},
        {"streamSession": {"startTime": {"planted": 1}}},
        {"streamSession": "planted"},
        {"streamSession": {"truncatedEvents": 5}},
        {"streamSession": {"channel": {"tags": ["planted"]}}},
    ],
)
def test_a_member_of_a_wrong_type_is_no_defect_of_headend(
    aws: Any, answer: Any, clients: IvsClients, body: object
) -> None:
    aws.says(answer.json(body))
    error = outcome(clients)
    if error is not None:
        assert isinstance(error, PlatformProtocolError)
        assert "planted" not in "".join(traceback.format_exception(error))
        assert error.status == 200


def outcome(clients: IvsClients) -> PlatformError | None:
    """Ask for a session, the answer with the most kinds of members."""
    try:
        clients.call(CREATE, "get_stream_session", channelArn=ARN)
    except PlatformError as error:
        return error
    return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["streamSession", "channel", "startTime", "tags", "truncatedEvents"]),
            inner,
        )
    ),
)


@given(body=st.binary(max_size=40) | JSON.map(lambda data: json.dumps(data).encode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_answer_of_success_is_an_object_or_a_protocol_error(
    aws: Any, answer: Any, clients: IvsClients, body: bytes
) -> None:
    aws.says(answer(body))
    error = outcome(clients)
    assert error is None or isinstance(error, PlatformProtocolError)


# -- no answer ------------------------------------------------------------------------------------


def test_parameters_that_botocore_refuses_are_named_and_not_quoted(
    aws: Any, clients: IvsClients
) -> None:
    for parameters, name in (
        ({"arn": ["planted"]}, "arn"),
        ({"arn": ""}, "arn"),
        ({"name": "planted"}, "name"),
    ):
        error = refusal(clients, **parameters)
        assert isinstance(error, InvalidRequestError)
        assert error.request_sent is False
        assert name in str(error)
        assert "planted" not in "".join(traceback.format_exception(error))
    assert aws.asked == []


@pytest.mark.parametrize(
    ("api", "parameters"),
    [
        ("put_metadata", {"channelArn": ARN, "metadata": "\ud800"}),
        ("create_channel", {"tags": {"a": "\udfff"}}),
        ("create_channel", {"tags": {"\udfff": "a"}}),
        ("batch_get_channel", {"arns": [ARN, "\ud800"]}),
    ],
)
def test_half_a_character_cannot_be_sent(
    aws: Any, clients: IvsClients, api: str, parameters: dict[str, object]
) -> None:
    error = refusal(clients, api, **parameters)
    assert isinstance(error, InvalidRequestError)
    assert error.request_sent is False
    assert aws.asked == []


def test_a_refused_connection_has_sent_nothing(
    open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", url)
        clients = open_clients()
        with pytest.raises(PlatformUnavailableError, match="it failed 3 times") as caught:
            clients.call(CREATE, "get_channel", arn=ARN)
    assert caught.value.request_sent is False
    assert f"no answer from {url}: could not connect" in str(caught.value)
    assert "AWS_ENDPOINT_URL_IVS" in str(caught.value)


def test_a_proxy_that_is_not_there_has_sent_nothing(
    open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = f"http://me:planted@127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        error = refusal(open_clients())
    assert isinstance(error, PlatformUnavailableError)
    assert error.request_sent is False
    assert "could not connect to the proxy; check HTTPS_PROXY" in str(error)
    assert "planted" not in "".join(traceback.format_exception(error))


def test_a_connection_that_is_not_taken_in_time_has_sent_nothing(
    open_clients: OpenClients, keys: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", f"http://127.0.0.1:{address[1]}")
        error = refusal(open_clients(**keys, timeout=0.3))
        for one in waiting:
            one.close()
    assert isinstance(error, PlatformTimeoutError)
    assert error.request_sent is False
    assert "could not connect in time" in str(error)


def test_a_reset_leaves_open_whether_it_was_done(
    aws: Any, answer: Any, clients: IvsClients
) -> None:
    aws.says(answer(status=0))
    error = refusal(clients)
    assert isinstance(error, PlatformUnavailableError)
    assert error.request_sent is None
    assert len(aws.asked) == 1


def test_silence_leaves_open_whether_it_was_done(
    aws: Any, answer: Any, open_clients: OpenClients, keys: dict[str, object]
) -> None:
    aws.says(answer(status=-1))
    error = refusal(open_clients(**keys, timeout=0.3))
    assert isinstance(error, PlatformTimeoutError)
    assert error.request_sent is None
    assert len(aws.asked) == 1


def test_a_request_takes_no_longer_than_the_attempt_may(
    aws: Any,
    answer: Any,
    open_clients: OpenClients,
    context_of: Any,
) -> None:
    aws.says(answer(status=-1))
    context = context_of(timeout=1.6)
    clients = open_clients(context=context, **_keys())
    began = time.monotonic()
    error = refusal(clients)
    assert isinstance(error, PlatformTimeoutError)
    assert time.monotonic() - began < 0.9


def _keys() -> dict[str, object]:
    from headend.plugin import Secret

    return {"access_key_id": Secret("AKIA"), "secret_access_key": Secret("secret"), "timeout": 10.0}


class OneShot:
    """A socket that takes one connection and does with it what it is told."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._serve = serve
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            connection, _ = self._socket.accept()
            with connection:
                self._serve(connection)
        except OSError:
            logging.getLogger(__name__).debug("the client hung up")

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that nobody trusts, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_a_certificate_that_is_not_trusted_has_sent_nothing_and_stays_so(
    open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = OneShot(lambda one: context.wrap_socket(one, server_side=True).close())
    monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", f"https://localhost:{server.port}")
    error = refusal(open_clients())
    server.close()
    assert isinstance(error, PlatformUnavailableError)
    assert error.request_sent is False
    assert error.retryable is False
    assert "its certificate is not accepted; check the machine's clock, AWS_CA_BUNDLE" in str(error)


def test_a_server_without_tls_leaves_open_whether_it_was_done(
    open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = OneShot(lambda one: one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", f"https://localhost:{server.port}")
    error = refusal(open_clients())
    server.close()
    assert isinstance(error, PlatformUnavailableError)
    assert error.request_sent is None


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://me:planted@[::1"])
def test_an_endpoint_that_is_no_address_is_a_matter_of_its_variable(
    open_clients: OpenClients, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", url)
    clients = open_clients()
    with pytest.raises(
        ConfigurationError, match="AWS_ENDPOINT_URL_IVS: boto3 cannot make"
    ) as caught:
        clients.call(CREATE, "get_channel", arn=ARN)
    assert "planted" not in "".join(traceback.format_exception(caught.value))


# -- secrets --------------------------------------------------------------------------------------


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_an_error_of_aws_that_quotes_a_secret_is_shown_without_it(
    aws: Any, answer: Any, clients: IvsClients, everything: pytest.LogCaptureFixture
) -> None:
    secret = "planted/secret+access+key+of+forty+signs"
    said = f"Value 'sk_us-west-2_plantedKey_12' at 'arn' is wrong; {secret}"
    aws.says(answer.error("ValidationException", 400, said))
    error = refusal(clients)
    shown = "".join(traceback.format_exception(error)) + repr(pickle.loads(pickle.dumps(error)))
    assert "Value '********' at 'arn' is wrong; ********" in str(error)
    assert "planted" not in shown
    assert "planted" not in everything.text


def test_the_password_of_an_endpoint_is_neither_shown_nor_logged(
    open_clients: OpenClients,
    monkeypatch: pytest.MonkeyPatch,
    everything: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_IVS", f"http://me:planted@127.0.0.1:{port}")
        clients = open_clients()
        with pytest.raises(PlatformUnavailableError) as caught:
            clients.call(CREATE, "get_channel", arn=ARN)
    assert f"http://127.0.0.1:{port}" in str(caught.value)
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    assert "Endpoint provider result" in everything.text
    assert "planted" not in everything.text
