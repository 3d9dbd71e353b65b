"""Requests to the platform, and what goes wrong with them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from attrs import frozen

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
from headend_contract.reference.facts import LIMIT
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend.plugin import Attempt, Operation, PlatformError, ProviderContext
    from headend_contract.reference.settings import ReferenceSettings

_T = TypeVar("_T")

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; nothing that the platform promises comes near it."""

_MAX_MESSAGE: Final = 200
_RATELIMIT: Final = re.compile(rf'"{LIMIT}";r=(\d{{1,9}});t=(\d{{1,9}})')

_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = range(500, 600)

_BY_STATUS: Final[Mapping[int, tuple[type[PlatformError], str]]] = {
    400: (InvalidRequestError, "change the value"),
    401: (AuthenticationError, "check REFERENCE_API_TOKEN"),
    402: (QuotaExceededError, "end live streams that are not needed, or buy more"),
    403: (PermissionDeniedError, "check REFERENCE_ACCOUNT and what the token may do"),
    _NOT_FOUND: (StreamNotFoundError, "`headend list` names those there are"),
    408: (PlatformTimeoutError, "try again"),
    409: (ConflictError, "look at its state with `headend show`"),
    413: (InvalidRequestError, "send less"),
    422: (InvalidRequestError, "change the value"),
    429: (RateLimitedError, "send fewer requests"),
}
"""The error for each status that the platform promises, and what a person can do about it."""

_NEED_A_CODE: Final = frozenset({400, 402, _NOT_FOUND, 409, 422})
"""What proxies and wrong addresses answer as well; then it tells nothing of live streams."""


@frozen
class Answer:
    """An HTTP answer, as far as it was read."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def request_id(self) -> str | None:
        """The platform's name of the request."""
        return self.header("X-Request-Id") or None

    def header(self, name: str) -> str:
        """Return a header, which is empty where there is none."""
        return str(self.headers.get(name, ""))

    def json(self) -> object:
        """Return the JSON value that it holds.

        Raises:
            BrokenAnswerError: it holds none.
        """
        return read_json(self.content, limit=MAX_ANSWER)

    def error(self) -> tuple[str | None, str]:
        """Return the platform's code and sentence for what went wrong, if it gave any."""
        try:
            error = Fields(self.json()).object("error")
            return error.text("code"), error.text("message")
        except BrokenAnswerError:
            return None, "the platform gave no reason"


class Transport:
    """Sends requests by the policy that all requests go through.  It may be used by many threads.

    A provider made from this one may override any method.
    """

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._calls = context.calls.scoped(settings.api_token)
        self._base = f"{settings.api_url.rstrip('/')}/v1/accounts/{settings.account}"
        self._client = httpx.Client(
            headers={
                "Authorization": f"Bearer {settings.api_token.reveal()}",
                "Accept-Encoding": "identity",
            },
            # Reading the machine's certificates takes longer than opening all the rest.
            verify=urlsplit(settings.api_url).scheme == "https",
            trust_env=False,
            follow_redirects=False,
        )

    def send(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        read: Callable[[Fields], _T],
        expect: int = 200,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> _T:
        """Send a request and return what `read` makes of the answer.

        Args:
            operation: what it is for.
            method: the HTTP method.
            path: below the account.
            read: takes the answer's JSON object, which is empty where 204 is expected.
            expect: the status that the platform promises.
            query: after the path.
            body: what to send as JSON.

        Raises:
            PlatformError: there was no such answer.
        """

        def send(attempt: Attempt) -> _T:
            answer = self.exchange(operation, attempt, method, path, query, body)
            self.report_limits(attempt, answer)
            if answer.status != expect:
                raise self.failure(operation, answer)
            try:
                return read(Fields({} if expect == _NO_CONTENT else answer.json()))
            except BrokenAnswerError as error:
                raise self.broken(operation, answer, str(error)) from error

        return self._calls.run(operation, send)

    def close(self) -> None:
        """Free connections."""
        self._client.close()

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        """Send a request once and return the answer, whatever it is."""
        content = None if body is None else self.encode(operation, body)
        timeout = min(attempt.timeout, self._settings.timeout)
        end = self._clock.monotonic() + timeout
        try:
            with self._client.stream(
                method,
                f"{self._base}{path}",
                params=query,
                content=content,
                headers={} if content is None else {"Content-Type": "application/json"},
                timeout=timeout,
            ) as response:
                received = bytearray()
                for chunk in response.iter_raw():
                    received += chunk
                    if len(received) > MAX_ANSWER:
                        break
                    if self._clock.monotonic() > end:
                        raise httpx.ReadTimeout("the answer trickles in")
                return Answer(response.status_code, response.headers, bytes(received))
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self.no_answer(PlatformTimeoutError, operation, error, sent=False) from error
        except httpx.TimeoutException as error:
            raise self.no_answer(PlatformTimeoutError, operation, error, sent=None) from error
        except httpx.ConnectError as error:
            raise self.no_answer(PlatformUnavailableError, operation, error, sent=False) from error
        except httpx.RequestError as error:
            raise self.no_answer(PlatformUnavailableError, operation, error, sent=None) from error

    def encode(self, operation: Operation, body: object) -> bytes:
        """Return a request's body."""
        try:
            return json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise InvalidRequestError(
                "a text holds half a character (a lone surrogate), which cannot be sent",
                provider=NAME,
                operation=operation.name,
                request_sent=False,
            ) from error

    def no_answer(
        self,
        kind: type[PlatformError],
        operation: Operation,
        error: Exception,
        *,
        sent: bool | None,
    ) -> PlatformError:
        """Return the error for a request that got no answer."""
        return kind(
            f"no answer from {self._settings.api_url}: {type(error).__name__}; "
            "check the network and REFERENCE_API_URL",
            provider=NAME,
            operation=operation.name,
            request_sent=sent,
        )

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer with another status than the expected one."""
        code, message = answer.error()
        if answer.status in _SERVER_ERRORS:
            kind: type[PlatformError] = PlatformUnavailableError
            advice = "try again, and see the platform's status page"
        elif answer.status not in _BY_STATUS:
            return self.broken(operation, answer, "it has a status that is not promised here")
        elif code is None and answer.status in _NEED_A_CODE:
            return self.broken(operation, answer, "it does not say what is wrong")
        elif answer.status == _NOT_FOUND and not (code or "").endswith("_not_found"):
            return self.broken(operation, answer, "it does not know the API")
        else:
            kind, advice = _BY_STATUS[answer.status]
        return kind(
            f"{self.presentable(message)}; {advice}",
            provider=NAME,
            operation=operation.name,
            status=answer.status,
            code=None if code is None else self.presentable(code),
            request_id=answer.request_id,
            retry_after=self.retry_after(answer),
            request_sent=True,
        )

    def broken(self, operation: Operation, answer: Answer, what: str) -> PlatformProtocolError:
        """Return the error for an answer that is not what the platform promises."""
        return PlatformProtocolError(
            f"the answer is not what the platform promises: {what}; check REFERENCE_API_URL",
            provider=NAME,
            operation=operation.name,
            status=answer.status,
            request_id=answer.request_id,
            request_sent=True,
        )

    def presentable(self, text: str) -> str:
        """Return a text of the platform as it can stand in an error."""
        token = self._settings.api_token
        shown = text.replace(token.reveal(), str(token))[:_MAX_MESSAGE]
        return shown if shown.isprintable() else repr(shown)

    def retry_after(self, answer: Answer) -> float | None:
        """Return the seconds that the platform asks to wait."""
        return parse_retry_after(answer.headers.get("Retry-After"), now=self._clock.now())

    def report_limits(self, attempt: Attempt, answer: Answer) -> None:
        """Tell the policy what the platform says is left of its limit."""
        found = _RATELIMIT.search(answer.header("Ratelimit"))
        if found is not None:
            attempt.report_limit(LIMIT, int(found[1]), float(found[2]))
