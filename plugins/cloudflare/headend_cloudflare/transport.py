"""Requests to Cloudflare's API and to the customer host, and what goes wrong with them.

Every answer of the API is an envelope, ``{"result", "success", "errors", "messages"}``, and says
by the codes in ``errors`` what is wrong; the HTTP status alone tells too little, and at times lies
(the schema ``stream_api-response-common-failure`` of the OpenAPI description in the repository
cloudflare/cloudflare-typescript; developers.cloudflare.com/fundamentals/api/reference/).  The
customer host, where viewers watch, is another service: it gets no token and sends no envelope.

No page lists the codes.  Those below are from answers that people published: 971, 1000, 9103, 9106,
9109, 10001 and 10003 in npm ``@distilled.cloud/cloudflare`` 0.30.3, 6003 with 6103 and 6111 in
issue 88 of putyourlightson/craft-cloudflare, 10000 in issue 1 of hieunc229/mailflare, 10046 and
10060 in the repository onryde/seazn.club; 7003 is the description's own example.
"""

from __future__ import annotations

import json
import re
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from attrs import field, frozen

from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    ConflictError,
    Fields,
    InvalidRequestError,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
    parse_retry_after,
    read_json,
)
from headend_cloudflare.facts import GRAPHQL_LIMIT, PERMISSIONS
from headend_cloudflare.wire import KEY_LIKE, NAME

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from headend.plugin import Attempt, Operation, PlatformError, ProviderContext, Secret
    from headend_cloudflare.settings import CloudflareSettings

_T = TypeVar("_T")

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; a list of a thousand videos has about a third of it."""

MAX_IN_FLIGHT: Final = 8
"""Requests at once.  The API's limit is four a second, and httpx slows down with more."""

CONNECT_TIMEOUT: Final = 5.0
"""Seconds; what Cloudflare's own client allows (PyPI ``cloudflare`` 5.9.0, ``_constants.py``)."""

AGENT: Final = "Mozilla/5.0 (compatible; headend)"
"""The ``User-Agent``; the customer host can refuse what looks like no browser: error code 1010."""

NOT_FOUND: Final = "10003"
"""There is no such live input, output or signing key."""
STILL_LIVE: Final = "10046"
"""A recording cannot be deleted while it is being made, and for minutes after that."""
OUT_OF_RANGE: Final = "10060"
"""``deleteRecordingAfterDays`` is not from 30 to 1096."""

_THROTTLED: Final = "971"
_GENERAL: Final = "1000"
_AMBIGUOUS: Final = "10001"
_MALFORMED: Final = frozenset({"6003", "6103", "6111"})
_NO_ROUTE: Final = frozenset({"7000", "7003"})
_UNAUTHENTICATED: Final = frozenset({"9103", "9106"})
_UNAUTHORIZED: Final = frozenset({"9109", "10000"})

_CODES: Final = frozenset({NOT_FOUND, STILL_LIVE, OUT_OF_RANGE, _THROTTLED, _GENERAL, _AMBIGUOUS})
_TELLING: Final = _CODES | _MALFORMED | _NO_ROUTE | _UNAUTHENTICATED | _UNAUTHORIZED
"""Codes that decide what went wrong; others leave it to the status."""

_SUCCESSES: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_SERVER_ERRORS: Final = range(500, 600)
_FORBIDDEN: Final = 403
_MISSING: Final = 404
_THROTTLING: Final = 429

_GRAPHQL: Final = "/graphql"
_MAX_MESSAGE: Final = 300
_MAX_LINK: Final = 300
_NAMES_ONE: Final = re.compile(r"/stream/(?:live_inputs/)?[0-9a-f]{24,32}(?:/|$)")
"""Where a path names a live input or a video, which may then be what is missing."""
_NAMES_IT_ODDLY: Final = re.compile(r"/stream/live_inputs/[0-9a-f]{24,31}(?:/|$)")
"""Where a path has an id that is shorter than those that the platform gives out today."""
_RATELIMIT: Final = re.compile(r'"([^"]{1,64})"\s*;\s*r=([0-9]{1,9})\s*;\s*t=([0-9]{1,9})')
_CODE: Final = re.compile(r"[0-9]{1,9}")
_LINK: Final = re.compile(r"https://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")

_CHECK_TOKEN: Final = "check CLOUDFLARE_STREAM_API_TOKEN"  # noqa: S105  # a variable's name
_CHECK_ADDRESS: Final = "check CLOUDFLARE_STREAM_API_URL and CLOUDFLARE_STREAM_ACCOUNT_ID"
_CHECK_HOST: Final = "check CLOUDFLARE_STREAM_CUSTOMER_URL, if it is set"
_CHECK_PERMISSION: Final = (
    "the token lacks a permission, is for another account than CLOUDFLARE_STREAM_ACCOUNT_ID, or "
    "is not good any more"
)
_LISTED: Final = "`headend list` names the live streams there are"
_TRY_AGAIN: Final = "try again, and see https://www.cloudflarestatus.com"

_BY_STATUS: Final[Mapping[int, tuple[type[PlatformError], str]]] = {
    400: (InvalidRequestError, "change the value"),
    401: (AuthenticationError, _CHECK_TOKEN),
    402: (QuotaExceededError, "see the account's subscription to Stream"),
    _FORBIDDEN: (PermissionDeniedError, _CHECK_PERMISSION),
    408: (PlatformTimeoutError, "try again"),
    409: (ConflictError, "look at its state with `headend show`"),
    413: (InvalidRequestError, "send less"),
    415: (InvalidRequestError, "change the value"),
    422: (InvalidRequestError, "change the value"),
    _THROTTLING: (RateLimitedError, "send fewer requests"),
}
"""The error for each status whose codes do not say more, and what a person can do about it."""

_SAY_ALL: Final = frozenset({401, _FORBIDDEN, 408, 413, _THROTTLING})
"""Statuses that need no envelope; the others come from proxies and wrong addresses as well."""


@frozen(kw_only=True)
class Answer:
    """An HTTP answer, as far as it was read.

    Attributes:
        status: the HTTP status.
        headers: its header fields, which know no case.
        content: its body, at most a little more than `MAX_ANSWER` bytes.
    """

    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return self.status in _SUCCESSES

    @property
    def request_id(self) -> str | None:
        """Cloudflare's name of the request, the header ``cf-ray``."""
        value = str(self.headers.get("cf-ray", ""))
        return value if 0 < len(value) <= _MAX_MESSAGE and value.isprintable() else None

    def json(self) -> object:
        """Return the JSON value that it holds.

        Raises:
            BrokenAnswerError: it holds none.
        """
        return read_json(self.content, limit=MAX_ANSWER)


@frozen
class Refusal:
    """What an envelope says is wrong.

    Attributes:
        code: the first code that decides, else the first at all, else `None`.
        message: its sentence; empty where there is none.
        link: where Cloudflare explains it, or `None`.
    """

    code: str | None
    message: str
    link: str | None


class Transport:
    """Sends requests by the policy that all requests go through.  It may be used by many threads.

    A provider made from this one may override any method.
    """

    def __init__(self, settings: CloudflareSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._calls = context.calls.scoped(settings.api_token)
        self._base = settings.api_url.rstrip("/")
        self._secrets = tuple(
            secret
            for secret in (
                settings.api_token,
                settings.notification_secret,
                settings.webhook_secret,
                settings.signing_key,
            )
            if secret is not None
        )
        self._client = httpx.Client(
            # No token: the same client asks the customer host.
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": AGENT,
            },
            verify=_ssl_context(),
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=MAX_IN_FLIGHT, max_keepalive_connections=MAX_IN_FLIGHT
            ),
        )

    def send(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        read: Callable[[Fields], _T],
        query: Mapping[str, str] | None = None,
        body: object = None,
        hidden: Sequence[Secret] = (),
    ) -> _T:
        """Send a request to the API and return what `read` makes of the envelope.

        Args:
            operation: what it is for.
            method: the HTTP method.
            path: below the API's address, with a slash before it.
            read: takes the whole envelope of a success, so that its errors name the place in it.
            query: after the path.
            body: what to send as JSON.
            hidden: secrets in the body, which no error may repeat.

        Raises:
            PlatformError: there was no such answer.
        """

        def read_envelope(answer: Answer) -> _T:
            envelope = Fields(answer.json())
            if not envelope.flag("success"):
                raise self.failure(operation, answer, path, hidden)
            return read(envelope)

        return self._send(operation, method, path, read_envelope, query, body, hidden)

    def ask(self, operation: Operation, body: object, read: Callable[[Fields], _T]) -> _T:
        """Send a GraphQL query, whose answer has no envelope, and return what `read` makes of it.

        Raises:
            PlatformError: there was no such answer.
        """

        def read_fields(answer: Answer) -> _T:
            return read(Fields(answer.json()))

        return self._send(operation, "POST", _GRAPHQL, read_fields, None, body, ())

    def delete(self, operation: Operation, path: str) -> None:
        """Have something deleted.

        The description promises no body: success is any answer of success with any JSON, or none.

        Raises:
            PlatformProtocolError: it is an answer of success around something else, so that nobody
                can tell who has answered.
            PlatformError: it was not deleted, or nobody can tell.
        """

        def check(answer: Answer) -> None:
            if not answer.content.strip():
                return
            data = answer.json()
            if isinstance(data, dict) and data.get("success") is False:
                raise self.failure(operation, answer, path, ())

        self._send(operation, "DELETE", path, check, None, None, ())

    def look(self, operation: Operation, url: str, read: Callable[[Fields], _T]) -> _T:
        """Ask the customer host, without the token, and return what `read` makes of the answer.

        Raises:
            PlatformError: there was no such answer.
        """

        def send(attempt: Attempt) -> _T:
            answer = self.exchange(operation, attempt, "GET", url, headers={}, advice=_CHECK_HOST)
            if answer.status != httpx.codes.OK:
                raise self.host_failure(operation, answer)
            try:
                return read(Fields(answer.json()))
            except BrokenAnswerError as error:
                raise self.broken(operation, answer, str(error), _CHECK_HOST) from error

        return self._calls.run(operation, send)

    def close(self) -> None:
        """Free connections."""
        self._client.close()

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        advice: str,
    ) -> Answer:
        """Send a request once and return the answer, whatever it is.

        Raises:
            PlatformTimeoutError: it took longer than the attempt may.
            PlatformUnavailableError: nobody answered, or in no way that can be understood, or
                the address cannot be asked at all.
        """
        timeout = min(attempt.timeout, self._settings.timeout)
        end = self._clock.monotonic() + timeout
        try:
            request = self._client.build_request(
                method,
                url,
                params=query,
                content=content,
                headers=dict(headers),
                timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            )
        except (httpx.InvalidURL, UnicodeError) as error:
            # What looks like an address may still have a host that nothing can be asked for.
            raise PlatformUnavailableError(
                f"nothing was sent: {urlsplit(url).netloc} is no host that there can be; {advice}",
                provider=NAME,
                operation=operation.name,
                retryable=False,
                request_sent=False,
            ) from error
        try:
            with closing(self._client.send(request, stream=True)) as response:
                received = bytearray()
                for chunk in response.iter_raw():
                    received += chunk
                    if len(received) > MAX_ANSWER:
                        break
                    if self._clock.monotonic() > end:
                        raise httpx.ReadTimeout("the answer trickles in")
                return Answer(
                    status=response.status_code, headers=response.headers, content=bytes(received)
                )
        except httpx.RequestError as error:
            # The request has the token in its headers, and the cause of an error gets around.
            error.request = httpx.Request(method, url)
            raise self.no_answer(operation, error, advice) from error

    def encode(self, operation: Operation, body: object) -> bytes:
        """Return a request's body."""
        try:
            return json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # Not chained: the error holds the whole body, and so maybe a key.
            pass
        raise InvalidRequestError(
            "a text holds half a character (a lone surrogate), which cannot be sent",
            provider=NAME,
            operation=operation.name,
            request_sent=False,
        )

    def no_answer(
        self, operation: Operation, error: httpx.RequestError, advice: str
    ) -> PlatformError:
        """Return the error for a request that got no answer."""
        kind: type[PlatformError] = PlatformUnavailableError
        if isinstance(error, httpx.TimeoutException):
            kind = PlatformTimeoutError
        never_left = isinstance(
            error, (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ConnectError)
        )
        what = type(error).__name__
        if isinstance(error, httpx.ConnectError) and str(error):
            what = f"{what}: {self.presentable(str(error))}"
        where = error.request.url.netloc.decode("ascii")
        return kind(
            f"no answer from {where}: {what}; check the network, and {advice}",
            provider=NAME,
            operation=operation.name,
            request_sent=False if never_left else None,
        )

    def failure(
        self, operation: Operation, answer: Answer, path: str, hidden: Sequence[Secret]
    ) -> PlatformError:
        """Return the error for an answer of the API that is no success: by code, then by status.

        Args:
            operation: what was asked.
            answer: what came.
            path: what it was asked of.  Only where that names something can that be missing.
            hidden: secrets that were in the request.
        """
        refusal = read_refusal(answer)
        found = (
            None if refusal is None else kind_by_code(answer.status, refusal, path)
        ) or kind_by_status(answer.status, refusal)
        if found[0] is StreamNotFoundError and not _NAMES_ONE.search(path):
            found = "it does not know what there always is"
        if isinstance(found, str):
            return self.broken(operation, answer, found, _CHECK_ADDRESS, refusal, hidden)
        kind, advice = found
        message, code = self.in_words(refusal, hidden)
        if kind is StreamNotFoundError:
            # The platform does not say what.  Ids are no secrets, and nothing else is in a path.
            message += f": {path.partition('/stream/')[2]}"
        if kind is PermissionDeniedError:
            advice += f'; this needs "{permission_for(operation.name)}"'
        error = kind(
            f"{message}; {advice}{self.link(refusal, hidden)}",
            provider=NAME,
            operation=operation.name,
            status=answer.status,
            code=code,
            request_id=answer.request_id,
            retry_after=self.retry_after(answer),
            request_sent=True,
        )
        if isinstance(error, RateLimitedError) and path == _GRAPHQL:
            # Queries have a limit of their own, and the rest of the API need not wait for it.
            error.limit = GRAPHQL_LIMIT.name
        return error

    def host_failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of the customer host that is no success."""
        kinds: Mapping[int, tuple[type[PlatformError], str]] = {
            401: (PermissionDeniedError, "it wants a playback token"),
            _FORBIDDEN: (PermissionDeniedError, "it does not let headend in"),
            _THROTTLING: (RateLimitedError, "it got too many requests"),
        }
        if answer.status in _SERVER_ERRORS:
            kinds = {answer.status: (PlatformUnavailableError, "it is out of order")}
        if answer.status in kinds:
            kind, what = kinds[answer.status]
        else:
            return self.broken(
                operation, answer, "it has a status that is not promised here", _CHECK_HOST
            )
        return kind(
            f"the customer host refuses: {what}",
            provider=NAME,
            operation=operation.name,
            status=answer.status,
            request_id=answer.request_id,
            retry_after=self.retry_after(answer),
            request_sent=True,
        )

    def broken(
        self,
        operation: Operation,
        answer: Answer,
        what: str,
        advice: str,
        refusal: Refusal | None = None,
        hidden: Sequence[Secret] = (),
    ) -> PlatformProtocolError:
        """Return the error for an answer that is not what the platform promises."""
        message, code = self.in_words(refusal, hidden)
        said = f", and says {message!r}" if refusal is not None and refusal.message else ""
        return PlatformProtocolError(
            f"the answer is not what Cloudflare promises: {what}{said}; {advice}"
            f"{self.link(refusal, hidden)}",
            provider=NAME,
            operation=operation.name,
            status=answer.status,
            code=code,
            request_id=answer.request_id,
            request_sent=True,
        )

    def in_words(
        self, refusal: Refusal | None, hidden: Sequence[Secret] = ()
    ) -> tuple[str, str | None]:
        """Return a refusal's sentence and code as they can stand in an error."""
        if refusal is None or not refusal.message:
            message = "Cloudflare gave no reason"
        else:
            message = self.presentable(refusal.message, hidden)
        return message, None if refusal is None else refusal.code

    def link(self, refusal: Refusal | None, hidden: Sequence[Secret] = ()) -> str:
        """Return where to read on, in words."""
        if refusal is None or refusal.link is None:
            return ""
        return f"; see {self.presentable(refusal.link, hidden)}"

    def presentable(self, text: str, hidden: Sequence[Secret] = ()) -> str:
        """Return a text of the platform as it can stand in an error."""
        for secret in (*self._secrets, *hidden):
            if secret.reveal():
                text = text.replace(secret.reveal(), str(secret))
        shown = KEY_LIKE.sub(str(self._settings.api_token), text)[:_MAX_MESSAGE]
        return shown if shown.isprintable() else repr(shown)

    def retry_after(self, answer: Answer) -> float | None:
        """Return the seconds that the platform asks to wait."""
        return parse_retry_after(answer.headers.get("Retry-After"), now=self._clock.now())

    def report_limits(self, attempt: Attempt, answer: Answer) -> None:
        """Tell the policy what the platform says is left of its limits.

        The header is ``Ratelimit: "default";r=50;t=30``: what remains, and seconds to the reset
        (developers.cloudflare.com/fundamentals/api/reference/limits).
        """
        for name, remaining, seconds in _RATELIMIT.findall(answer.headers.get("Ratelimit", "")):
            attempt.report_limit(name, int(remaining), float(seconds))

    def _send(
        self,
        operation: Operation,
        method: str,
        path: str,
        read: Callable[[Answer], _T],
        query: Mapping[str, str] | None,
        body: object,
        hidden: Sequence[Secret],
    ) -> _T:
        content = None if body is None else self.encode(operation, body)
        headers = {"Authorization": f"Bearer {self._settings.api_token.reveal()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"

        def send(attempt: Attempt) -> _T:
            answer = self.exchange(
                operation,
                attempt,
                method,
                f"{self._base}{path}",
                headers=headers,
                query=query,
                content=content,
                advice="check CLOUDFLARE_STREAM_API_URL",
            )
            self.report_limits(attempt, answer)
            if not answer.ok:
                raise self.failure(operation, answer, path, hidden)
            try:
                return read(answer)
            except BrokenAnswerError as error:
                raise self.broken(operation, answer, str(error), _CHECK_ADDRESS) from error

        return self._calls.run(operation, send)


def permission_for(operation: str) -> str:
    """Return the permission that a token must have for an operation, the least that will do."""
    return next((one.name for one in PERMISSIONS if operation in one.needed_for), "Stream: Edit")


def read_refusal(answer: Answer) -> Refusal | None:
    """Read what an envelope says is wrong; `None` where there is no such envelope.

    An error may lack its code, and may have those that led to it in its ``error_chain``.
    """
    try:
        envelope = Fields(answer.json())
        if envelope.flag("success"):
            return None
        errors = envelope.each("errors", _read_error)
    except BrokenAnswerError:
        return None
    every = [one for chain in errors for one in chain]
    for one in every:
        if one.code in _TELLING:
            return one
    return every[0] if every else Refusal(None, "", None)


def kind_by_code(
    status: int, refusal: Refusal, path: str
) -> tuple[type[PlatformError], str] | str | None:
    """Return the error for a code and what to do, or words for a broken answer.

    `None` means that the code does not decide.
    """
    code, message = refusal.code, refusal.message.lower()
    if code == _THROTTLED:
        return RateLimitedError, "send fewer requests"
    if status in _SERVER_ERRORS:
        return None
    if code in _MALFORMED:
        return AuthenticationError, f"the token is malformed; {_CHECK_TOKEN}"
    if code in _UNAUTHENTICATED or (code == _GENERAL and "token" in message):
        return AuthenticationError, _CHECK_TOKEN
    if code in _UNAUTHORIZED:
        if status == _FORBIDDEN:
            return PermissionDeniedError, _CHECK_PERMISSION
        return AuthenticationError, _CHECK_TOKEN
    if code == _GENERAL and ("timeout" in message or "internal" in message):
        return PlatformUnavailableError, _TRY_AGAIN
    if code == _AMBIGUOUS:
        if "internal" in message:
            return PlatformUnavailableError, _TRY_AGAIN
        return PermissionDeniedError, _CHECK_PERMISSION
    if code == NOT_FOUND:
        return StreamNotFoundError, _LISTED
    if code == STILL_LIVE:
        return ConflictError, "a recording can be deleted some minutes after its broadcast"
    if code == OUT_OF_RANGE:
        return InvalidRequestError, "delete_recording_after_days is from 30 to 1096"
    if code in _NO_ROUTE:
        if _NAMES_IT_ODDLY.search(path):
            return StreamNotFoundError, _LISTED
        # The id has the right shape, so this is about the rest of the address: nothing is gone.
        return "it does not know the address"
    return None


def kind_by_status(status: int, refusal: Refusal | None) -> tuple[type[PlatformError], str] | str:
    """Return the error for a status and what to do, or words for a broken answer."""
    if status in _SERVER_ERRORS:
        return PlatformUnavailableError, _TRY_AGAIN
    if status in _REDIRECTS:
        return "it redirects"
    if status in _SUCCESSES:
        return "it is a success and none at once"
    if status == _MISSING and refusal is not None and refusal.code is None:
        return StreamNotFoundError, _LISTED
    if status in _BY_STATUS and (refusal is not None or status in _SAY_ALL):
        return _BY_STATUS[status]
    if refusal is None:
        return "it does not say what is wrong"
    return "it has a status that is not promised here"


def _read_error(fields: Fields) -> list[Refusal]:
    """Return an error and those of its chain."""
    code = fields.raw("code")
    message = fields.raw("message")
    link = fields.raw("documentation_url")
    read = Refusal(
        str(code) if isinstance(code, (int, str)) and _CODE.fullmatch(str(code)) else None,
        message if isinstance(message, str) else "",
        link
        if isinstance(link, str) and len(link) <= _MAX_LINK and _LINK.fullmatch(link)
        else None,
    )
    chain = fields.raw("error_chain")
    led_to = [one for one in chain if isinstance(one, dict)] if isinstance(chain, list) else []
    return [read, *(deeper for one in led_to for deeper in _read_error(Fields(one)))]


@cache
def _ssl_context() -> ssl.SSLContext:
    """Make what all clients of this process share: reading the certificates takes 20 ms."""
    return httpx.create_ssl_context()
