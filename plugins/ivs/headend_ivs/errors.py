"""What AWS's errors mean, by code, and botocore's own, which have none.

Two kinds of error share status 403 and two share 404, so the status decides only where AWS gave no
code that is known.  Sources: botocore's service models ``ivs``, ``cloudwatch`` and ``sts``, and
https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/CommonErrors.html
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attrs import frozen
from botocore.exceptions import (
    ClientError,
    ConnectionError as ConnectError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from headend.plugin import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
    parse_retry_after,
)
from headend_ivs.credentials import why_no_credentials
from headend_ivs.wire import NAME

if TYPE_CHECKING:
    from datetime import datetime

    from botocore.exceptions import BotoCoreError

    from headend.plugin import Clock, PlatformError
    from headend_ivs.credentials import Login, NotSignedError

NOT_FOUND: Final = "ResourceNotFoundException"
"""The code of what is not there: a channel is a `StreamNotFoundError`, a stream key a
`ConflictError` (it was replaced or revoked), whatever else was named an `InvalidRequestError`."""

NOT_BROADCASTING: Final = "ChannelNotBroadcasting"
"""The code of the `ConflictError` that says that nobody pushes."""

PENDING_VERIFICATION: Final = "PendingVerification"
"""The code of the `PermissionDeniedError` that only AWS Support can lift."""

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"}
)
_UNKNOWN_KEY: Final = frozenset(
    {"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"}
)
_BAD_SIGNATURE: Final = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
    }
)
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_SKEWED: Final = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_SKEW: Final = re.compile(r"signature (?:expired|not yet current)", re.IGNORECASE)
"""What AWS says of the clock under the code of a bad signature."""
_SLOW_DOWN: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""What botocore's retries count as throttling (``botocore/retries/standard.py``)."""

_TRY_AGAIN: Final = "try again, and see https://health.aws.amazon.com/health/status"
_QUOTAS: Final = "end live streams that are not needed, or have the quota raised in Service Quotas"

_BY_CODE: Final[Mapping[str, tuple[type[PlatformError], str]]] = {
    **dict.fromkeys(_SLOW_DOWN, (RateLimitedError, "send fewer requests")),
    **dict.fromkeys(
        (
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "InternalServiceError",
            "InternalServiceFault",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "StreamUnavailable",
        ),
        (PlatformUnavailableError, _TRY_AGAIN),
    ),
    **dict.fromkeys(
        ("RequestTimeout", "RequestTimeoutException"), (PlatformTimeoutError, "try again")
    ),
    **dict.fromkeys(
        (
            "InvalidNextToken",
            "InvalidParameterCombination",
            "InvalidParameterValue",
            "MissingParameter",
            "MissingRequiredParameterException",
            "ValidationError",
            "ValidationException",
        ),
        (InvalidRequestError, "change the value"),
    ),
    **dict.fromkeys(
        ("OptInRequired", "RegionDisabledException", "SubscriptionRequiredException"),
        (PermissionDeniedError, "have the service or region enabled for the account"),
    ),
    "ConflictException": (ConflictError, "look at its state with `headend show`"),
    "ServiceQuotaExceededException": (QuotaExceededError, _QUOTAS),
    NOT_BROADCASTING: (ConflictError, "nobody pushes to it now"),
}
"""The error for each code that needs no sentence of its own, and what a person can do."""

_BY_STATUS: Final[Mapping[int, tuple[type[PlatformError], str]]] = {
    400: (InvalidRequestError, "change the value"),
    401: (AuthenticationError, "check the credentials"),
    402: (QuotaExceededError, _QUOTAS),
    403: (PermissionDeniedError, "check the IAM policy"),
    408: (PlatformTimeoutError, "try again"),
    409: (ConflictError, "look at its state with `headend show`"),
    413: (InvalidRequestError, "send less"),
    429: (RateLimitedError, "send fewer requests"),
}
"""The error for a code of AWS that nobody has heard of yet."""

_BY_STATUS_ALONE: Final = frozenset({408, 429})
"""What a gateway on the way may answer without a code, as 5xx: it means the same."""

_OF_THE_HOSTS_REQUEST: Final = (
    ConflictError,
    InvalidRequestError,
    QuotaExceededError,
    StreamNotFoundError,
)
"""What a source of credentials cannot mean, as it never saw what the host asked for."""

_SERVER_ERRORS: Final = range(500, 600)

_STREAM_KEY: Final = re.compile(r"sk_[A-Za-z0-9_-]+")
_USER_INFO: Final = re.compile(r"(?<=://)[^/\s]+(?=@)")
"""User name and password in the address of an endpoint."""
_MAX_MESSAGE: Final = 300
_MASK: Final = "********"
_PARAMETER: Final = re.compile(r'parameter (?:in input: )?"?([A-Za-z0-9_.\[\]]+)"?')
"""Names in botocore's reports, which quote values besides."""
_MILLISECONDS: Final = re.compile(r"[0-9]{1,12}")
_MINUTE: Final = 60


@frozen(kw_only=True)
class Request:
    """What was asked of AWS.

    Attributes:
        operation: what it counts as, for the error.
        service: ``"ivs"``, ``"cloudwatch"`` or ``"sts"``.
        action: what AWS calls it, such as ``"CreateChannel"``.
        endpoint: where it went, scheme, host and port.
        parameters: what it was asked with.
    """

    operation: str
    service: str
    action: str
    endpoint: str
    parameters: Mapping[str, object]

    @property
    def permission(self) -> str:
        """The IAM action that it takes."""
        return f"{self.service}:{self.action}"

    @property
    def variable(self) -> str:
        """The variable that says where the service answers."""
        return f"AWS_ENDPOINT_URL_{self.service.upper()}"


def origin(url: str) -> str:
    """Return scheme, host and port of an address: it may hold a password besides."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Explainer:
    """Makes headend's errors of AWS's and botocore's.

    Args:
        login: who signs.
        clock: tells how far this machine's time is off.
    """

    def __init__(self, login: Login, clock: Clock) -> None:
        self._login = login
        self._clock = clock

    def refused(self, error: ClientError, request: Request) -> PlatformError:
        """Return the error for an answer that says no."""
        response: Mapping[str, object] = {**error.response}
        said = _mapping(response.get("Error"))
        metadata = _mapping(response.get("ResponseMetadata"))
        headers = _mapping(metadata.get("HTTPHeaders"))
        code = str(said.get("Code") or "")
        words = str(said.get("Message") or response.get("exceptionMessage") or code)
        status = metadata.get("HTTPStatusCode")
        status = status if isinstance(status, int) else None
        request_id = self._request_id(metadata)
        kind, sentence = self._meaning(code, status, words, headers, request)
        if kind is PlatformProtocolError:
            return self.broken(sentence, request, status=status, request_id=request_id)
        # botocore's error quotes AWS, or a whole page of somebody who is not AWS.
        quotable = not code.isdigit() and self._is_clean(str(error))
        return _caused_by(
            error if quotable else None,
            kind(
                sentence,
                provider=NAME,
                operation=request.operation,
                status=status,
                code=None if code.isdigit() else self.presentable(code),
                request_id=request_id,
                retry_after=self._retry_after(headers),
                request_sent=True,
            ),
        )

    def unanswered(self, error: BotoCoreError, request: Request) -> PlatformError:
        """Return the error for a request without an answer."""
        where = f"no answer from {request.endpoint}"
        advice = f"check the network, and {request.variable} if it is set"
        kind: type[PlatformError] = PlatformUnavailableError
        sent: bool | None = None
        retryable: bool | None = None
        if isinstance(error, ParamValidationError):
            return self._unsendable(error, request)
        if isinstance(error, (ConnectTimeoutError, ReadTimeoutError)):
            kind = PlatformTimeoutError
            sent = False if isinstance(error, ConnectTimeoutError) else None
            what = "could not connect in time" if sent is False else "it took too long"
        elif isinstance(error, SSLError):
            # Only a certificate that is refused proves that nothing was sent.
            refused = _certificate_refused(error)
            sent, retryable = (False, False) if refused else (None, None)
            what = "its certificate is not accepted" if refused else "the TLS connection failed"
            advice = f"check the machine's clock, AWS_CA_BUNDLE and {request.variable}"
        elif isinstance(error, EndpointConnectionError):
            sent, what = False, "could not connect"
        elif isinstance(error, ProxyConnectionError):
            sent, what = False, "could not connect to the proxy"
            advice = "check HTTPS_PROXY and the network"
        elif isinstance(error, (HTTPClientError, ConnectError)):
            what = f"the connection broke ({_name(error)})"
        else:
            made = self.broken(f"botocore cannot use it ({type(error).__name__})", request)
            made.request_sent = None
            return _caused_by(error, made)
        # botocore's error quotes the address, which may hold a password.
        return _caused_by(
            error if self._is_clean(str(error)) else None,
            kind(
                f"{where}: {what}; {advice}",
                provider=NAME,
                operation=request.operation,
                retryable=retryable,
                request_sent=sent,
            ),
        )

    def not_signed(self, error: NotSignedError, operation: str) -> PlatformError:
        """Return the error for a request that was not sent because nobody could sign it."""
        cause = error.cause
        if isinstance(cause, ClientError):
            made = self._source_refused(cause, operation)
        elif cause is None or isinstance(cause, (ConnectTimeoutError, ReadTimeoutError)):
            made = PlatformTimeoutError(
                "their source did not answer in time; check the network, and the command or "
                "service that gives them",
                provider=NAME,
                operation=operation,
            )
        elif isinstance(cause, (ConnectError, HTTPClientError)):
            made = PlatformUnavailableError(
                f"their source is not reachable ({type(cause).__name__}); check the network",
                provider=NAME,
                operation=operation,
            )
        else:
            made = AuthenticationError(
                why_no_credentials(cause, self._login.session.profile),
                provider=NAME,
                operation=operation,
            )
        who = f"nothing was sent: the credentials of {error.source} could not be had"
        made.message = f"{who}: {made.message}"
        made.args = (made.message,)
        made.request_sent = False
        return made

    def _source_refused(self, error: ClientError, operation: str) -> PlatformError:
        """Return the error for an answer to whoever asked for credentials."""
        action = error.operation_name
        request = Request(
            operation=operation,
            service="sso" if action == "GetRoleCredentials" else "sts",
            action=action,
            endpoint="AWS",
            parameters={},
        )
        made = self.refused(error, request)
        if not isinstance(made, _OF_THE_HOSTS_REQUEST):
            return made
        return _caused_by(
            made.__cause__,
            AuthenticationError(
                made.message,
                provider=NAME,
                operation=operation,
                status=made.status,
                code=made.code,
                request_id=made.request_id,
            ),
        )

    def broken(
        self,
        what: str,
        request: Request,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> PlatformProtocolError:
        """Return the error for an answer that is not what AWS promises."""
        return PlatformProtocolError(
            f"the answer to {request.permission} is not what AWS promises: {what}; check what "
            f"stands between here and {request.endpoint}, and {request.variable} if it is set",
            provider=NAME,
            operation=request.operation,
            status=status,
            request_id=request_id,
            request_sent=True,
        )

    def presentable(self, text: str) -> str:
        """Return a text of AWS as it can stand in an error: short, printable, without secrets."""
        shown = self._masked(text)
        if len(shown) > _MAX_MESSAGE:
            shown = f"{shown[:_MAX_MESSAGE]}…"
        return shown if shown.isprintable() else repr(shown)

    def _masked(self, text: str) -> str:
        for secret in self._login.secrets:
            text = text.replace(secret, _MASK)
        return _USER_INFO.sub(_MASK, _STREAM_KEY.sub(_MASK, text))

    def _is_clean(self, text: str) -> bool:
        return self._masked(text) == text

    def _meaning(
        self,
        code: str,
        status: int | None,
        words: str,
        headers: Mapping[str, object],
        request: Request,
    ) -> tuple[type[PlatformError], str]:
        said = f"AWS says: {self.presentable(words)}"
        if not code or code.isdigit():
            return _without_code(status)
        if code in _SKEWED or (code in _BAD_SIGNATURE and _SKEW.search(words)):
            return AuthenticationError, f"{self._skew(headers)}: set it right (NTP)"
        if code in _UNKNOWN_KEY or code in _BAD_SIGNATURE or code in _EXPIRED:
            return AuthenticationError, f"{self._not_accepted(code)}; {said}"
        if code in _DENIED:
            return PermissionDeniedError, f"{self._denied(request)}; {said}"
        if code == PENDING_VERIFICATION:
            return PermissionDeniedError, (
                "the account is pending verification: AWS lets it read but not create; ask AWS "
                f"Support to verify it; {said}"
            )
        if code == NOT_FOUND:
            kind, sentence = _not_found(request)
            return kind, f"{sentence}; {said}"
        known = _BY_CODE.get(code) or (None if status is None else _BY_STATUS.get(status))
        if known is None and status in _SERVER_ERRORS:
            known = PlatformUnavailableError, _TRY_AGAIN
        if known is None:
            return PlatformProtocolError, f"status {status} with the code {self.presentable(code)}"
        return known[0], f"{said}; {known[1]}"

    def _not_accepted(self, code: str) -> str:
        login = self._login
        whose = f"…{login.key_id_tail} ({login.source})"
        if code in _EXPIRED:
            return f"the temporary credentials {whose} have expired: get new ones"
        if code in _UNKNOWN_KEY:
            token = "" if login.is_temporary else ", and set its session token if it is temporary"
            return f"AWS does not know the access key id {whose}: check that it is active{token}"
        return f"the secret access key does not fit the access key id {whose}: check both"

    def _denied(self, request: Request) -> str:
        if request.action == "AssumeRole" and self._login.role_arn is not None:
            return (
                f"the role {self._login.role_arn} may not be assumed: allow {request.permission} "
                "in the IAM policy, and trust the caller in the role's trust policy"
            )
        return f"the IAM policy does not allow {request.permission}: add it"

    def _skew(self, headers: Mapping[str, object]) -> str:
        theirs = _date(headers.get("date"))
        if theirs is None:
            return "this machine's clock is too far from AWS's"
        seconds = (self._clock.now() - theirs).total_seconds()
        size = f"{abs(seconds) / _MINUTE:.0f} min" if abs(seconds) >= _MINUTE else "less than 1 min"
        return f"this machine's clock is {size} {'ahead of' if seconds > 0 else 'behind'} AWS's"

    def _retry_after(self, headers: Mapping[str, object]) -> float | None:
        milliseconds = headers.get("x-amz-retry-after")
        if isinstance(milliseconds, str) and _MILLISECONDS.fullmatch(milliseconds):
            return int(milliseconds) / 1000
        text = headers.get("retry-after")
        return parse_retry_after(text, self._clock.now()) if isinstance(text, str) else None

    def _request_id(self, metadata: Mapping[str, object]) -> str | None:
        text = metadata.get("RequestId")
        return self.presentable(text) if isinstance(text, str) and text else None

    def _unsendable(self, error: ParamValidationError, request: Request) -> PlatformError:
        # Not chained: the report quotes the values.
        names = sorted(set(_PARAMETER.findall(str(error.kwargs.get("report")))))
        return InvalidRequestError(
            f"botocore refuses the parameters of {request.permission}: "
            f"{', '.join(names) or 'they do not fit its model'}; change the value",
            provider=NAME,
            operation=request.operation,
            request_sent=False,
        )


def _caused_by(cause: BaseException | None, error: PlatformError) -> PlatformError:
    error.__cause__ = cause
    return error


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _without_code(status: int | None) -> tuple[type[PlatformError], str]:
    """Return the meaning of an answer that AWS itself did not give, or not for this API."""
    if status in _SERVER_ERRORS:
        return PlatformUnavailableError, f"no code came with status {status}; {_TRY_AGAIN}"
    if status in _BY_STATUS_ALONE:
        kind, advice = _BY_STATUS[status]
        return kind, f"no code came with status {status}; {advice}"
    return PlatformProtocolError, f"status {status} without a code of AWS"


def _not_found(request: Request) -> tuple[type[PlatformError], str]:
    named = [value for value in request.parameters.values() if isinstance(value, str)]
    arns = [text for text in named if text.startswith("arn:")]
    for arn in arns:
        if ":channel/" in arn and request.action == "GetStreamSession":
            return StreamNotFoundError, (
                f"the live stream {arn!r} has no session of this id, or is not there itself"
            )
        if ":channel/" in arn:
            return StreamNotFoundError, (
                f"there is no live stream {arn!r}; `headend list` names those there are"
            )
    for arn in arns:
        if ":stream-key/" in arn:
            return ConflictError, "the stream key was replaced or revoked meanwhile"
    listed = ", ".join(arns)
    return InvalidRequestError, f"there is no such thing: {listed or 'what the request names'}"


def _certificate_refused(error: SSLError) -> bool:
    inner = error.kwargs.get("error")
    seen = [inner, *getattr(inner, "args", ())]
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in seen)


def _name(error: BotoCoreError) -> str:
    """Name what went wrong; botocore wraps what it does not know."""
    inner = error.kwargs.get("error")
    return type(inner if type(error) is HTTPClientError and inner else error).__name__


def _date(text: object) -> datetime | None:
    try:
        found = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
