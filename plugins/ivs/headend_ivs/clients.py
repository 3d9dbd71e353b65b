"""Requests to AWS: one session, clients made late, and every answer or error in headend's terms.

With `credentials` and `errors` this is all that knows boto3.  Clients are made when the first
request needs them, one for each service and length of time: botocore fixes the time that a request
may take when it makes a client.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast

import boto3
from attrs import frozen
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from headend.plugin import (
    BrokenAnswerError,
    ConfigurationError,
    Effect,
    Fields,
    InvalidRequestError,
    Operation,
    PlatformProtocolError,
    read_json,
)
from headend_ivs.credentials import Login, NotSignedError, client_config
from headend_ivs.errors import (
    NOT_BROADCASTING,
    NOT_FOUND,
    PENDING_VERIFICATION,
    Explainer,
    Request,
    origin,
)
from headend_ivs.logs import watch_loggers, watched
from headend_ivs.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient
    from botocore.model import OperationModel

    from headend.plugin import Attempt, PlatformError, ProviderContext
    from headend_ivs.settings import IvsSettings

__all__ = [
    "NOT_BROADCASTING",
    "NOT_FOUND",
    "PENDING_VERIFICATION",
    "WHO_AM_I",
    "Identity",
    "IvsClients",
]

_T = TypeVar("_T")
_Service = Literal["ivs", "cloudwatch", "sts"]

WHO_AM_I: Final = Operation("GetCallerIdentity", Effect.READ)
"""STS tells it to everybody; no policy can forbid it."""

_STEPS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds for which clients are made, besides the time that the settings allow."""

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_JSON: Final = frozenset({"json", "rest-json"})
_MAX_PAGES: Final = 100
"""Pages of one answer; AWS gives 100,800 points on each."""
_LASTING: Final = frozenset({"InternalError", "Forbidden"})
"""States of a metric on one page that another page does not mend."""


@frozen
class Identity:
    """Who AWS says we are.

    Attributes:
        arn: the user, the role's session or root, as ``arn:aws:iam::123456789012:user/live``.
        account: the twelve digits of the account.
    """

    arn: str
    account: str


class _BrokenBodyError(Exception):
    """An answer of success that is no JSON object; botocore would read it as an empty one."""


class _Seen(threading.local):
    """What is known of the answer that each thread last got."""

    status: int | None = None
    request_id: str | None = None

    def forget(self) -> None:
        """Know nothing: another request is sent."""
        self.status = self.request_id = None


class IvsClients:
    """Sends requests to IVS, CloudWatch and STS.  It may be used by many threads.

    Credentials are looked for when it is made, within a second; nothing is sent to AWS then.

    Args:
        settings: the provider's.
        context: sends every request.

    Raises:
        ConfigurationError: there are no credentials, or boto3's files cannot be used.
    """

    def __init__(self, settings: IvsSettings, context: ProviderContext) -> None:
        watch_loggers()
        self._settings = settings
        self._login = Login(settings)
        self._calls = context.calls.scoped(f"{self._login.scope.reveal()} {settings.region}")
        self._clock = context.clock
        self._explainer = Explainer(self._login, context.clock)
        with self._login.lock, watched():
            self._session = boto3.Session(botocore_session=self._login.session)
        self._clients: dict[tuple[_Service, float], BaseClient] = {}
        self._seen = _Seen()
        self._identity: Identity | None = None

    @property
    def region(self) -> str:
        """The region that all requests go to."""
        return self._settings.region

    @property
    def account(self) -> str | None:
        """The twelve digits of the account, as far as they are known without asking."""
        return self._login.account if self._identity is None else self._identity.account

    @property
    def source(self) -> str:
        """Where the credentials come from, in words."""
        return self._login.source

    def call(self, operation: Operation, api: str, /, **parameters: object) -> Fields:
        """Call a method of boto3's ``ivs`` client and return its answer.

        Args:
            operation: what it counts as, for limits, retries and errors.
            api: the method, such as ``"create_channel"``.
            parameters: the method's.  A `Secret` is no parameter: reveal it.

        Returns:
            The answer without ``ResponseMetadata``; times are `datetime`, aware.

        Raises:
            PlatformError: there was no such answer; `code` is AWS's own.
        """
        return self._run("ivs", operation, api, _as_it_is, parameters)

    def send(
        self, operation: Operation, api: str, read: Callable[[Fields], _T], /, **parameters: object
    ) -> _T:
        """Do as `call` does, and return what `read` makes of the answer.

        A `BrokenAnswerError` that `read` raises becomes a `PlatformProtocolError`, which knows the
        request.
        """
        return self._run("ivs", operation, api, read, parameters)

    def metrics(self, operation: Operation, /, **parameters: object) -> Fields:
        """Call CloudWatch's ``get_metric_data`` and return all pages as one answer.

        Returns:
            ``MetricDataResults``, one for each query ``Id`` in order of appearance, with the
            ``Timestamps`` and ``Values`` of all pages, and a ``StatusCode``: the last page's, or
            ``InternalError`` or ``Forbidden`` if any page had it; and ``Messages`` of all pages.

        Raises:
            PlatformError: a page could not be had.
        """
        results: dict[str, dict[str, object]] = {}
        messages: list[object] = []
        seen: set[str] = set()
        token: str | None = None

        def read(page: Fields) -> str | None:
            for result in page.each("MetricDataResults", _metric):
                _join(results, result)
            messages.extend(page.optional("Messages", _list) or ())
            return page.optional("NextToken", Fields.text)

        with self._calls.deadline():
            for _ in range(_MAX_PAGES):
                more = {} if token is None else {"NextToken": token}
                token = self._run(
                    "cloudwatch", operation, "get_metric_data", read, {**parameters, **more}
                )
                if not token:
                    return Fields({"MetricDataResults": [*results.values()], "Messages": messages})
                if token in seen:
                    break
                seen.add(token)
        raise PlatformProtocolError(
            "the list of CloudWatch's metrics does not end",
            provider=NAME,
            operation=operation.name,
            request_sent=True,
        )

    def identity(self, operation: Operation = WHO_AM_I) -> Identity:
        """Ask STS who we are; once, the answer is kept."""
        known = self._identity
        if known is None:
            known = self._identity = self._run(
                "sts", operation, "get_caller_identity", _identity, {}
            )
        return known

    def close(self) -> None:
        """Free connections."""
        with self._login.lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _run(
        self,
        service: _Service,
        operation: Operation,
        api: str,
        read: Callable[[Fields], _T],
        parameters: Mapping[str, object],
    ) -> _T:
        def send(attempt: Attempt) -> _T:
            timeout = min(attempt.timeout, self._settings.timeout)
            client = self._client(service, timeout - self._sign_in(operation, timeout))
            request = Request(
                operation=operation.name,
                service=service,
                action=client.meta.method_to_api_mapping[api],
                endpoint=origin(client.meta.endpoint_url),
                parameters=parameters,
            )
            answer = self._exchange(client, api, request)
            try:
                return read(answer)
            except BrokenAnswerError as error:
                raise self._broken(str(error), request) from error

        return self._calls.run(operation, send)

    def _sign_in(self, operation: Operation, timeout: float) -> float:
        """Have credentials that hold for a request, and return the seconds that were waited."""
        began = self._clock.monotonic()
        try:
            waited = self._login.renew(timeout)
        except NotSignedError as problem:
            error = self._explainer.not_signed(problem, operation.name)
        else:
            return self._clock.monotonic() - began if waited else 0.0
        # Raised here, so that what a source of credentials gave does not become the context.
        raise error

    def _exchange(self, client: BaseClient, api: str, request: Request) -> Fields:
        """Send a request once and return the answer, if it is one."""
        method: Callable[..., dict[str, object]] = getattr(client, api)
        if not _is_unicode(request.parameters):
            raise InvalidRequestError(
                "a text holds half a character (a lone surrogate), which cannot be sent",
                provider=NAME,
                operation=request.operation,
                request_sent=False,
            )
        self._seen.forget()
        error: PlatformError
        try:
            with watched():
                answer = method(**request.parameters)
        except ClientError as problem:
            error = self._explainer.refused(problem, request)
        except BotoCoreError as problem:
            error = self._explainer.unanswered(problem, request)
        except (_BrokenBodyError, ResponseParserError) as problem:
            what = str(problem) if isinstance(problem, _BrokenBodyError) else "it cannot be read"
            error = self._broken(what, request)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            if self._seen.status is None:
                raise
            # What botocore's parsers raise where a member is of another type than the model says.
            error = self._broken("a member is not of the type that it has", request)
        else:
            answer.pop("ResponseMetadata", None)
            return Fields(answer)
        # Raised here, so that what a parser or a report quoted does not become the context.
        raise error

    def _client(self, service: _Service, timeout: float) -> BaseClient:
        """Return the client for requests of so many seconds; it allows half a second at least."""
        steps = [step for step in (*_STEPS, self._settings.timeout) if step <= timeout]
        step = max(steps, default=_STEPS[0])
        with self._login.lock:
            client = self._clients.get((service, step))
            if client is None:
                client = self._clients[service, step] = self._make(service, step)
        return client

    def _make(self, service: _Service, timeout: float) -> BaseClient:
        try:
            with watched():
                client: BaseClient = self._session.client(
                    service, region_name=self.region, config=client_config(timeout)
                )
        except (BotoCoreError, ValueError) as error:
            said = type(error).__name__
        else:
            client.meta.events.register(f"before-parse.{service}", self._inspect)
            watch_loggers()
            return client
        # Raised here and not chained: the error quotes the address, which may hold a password.
        name = f"AWS_ENDPOINT_URL_{service.upper()}"
        problem = (
            f"{name}: boto3 cannot make a client for {service}: it says {said}; set {name} to an "
            "address as https://host:port, or unset it, and look through boto3's config file"
        )
        raise ConfigurationError.of(f"provider {NAME}", [problem])

    def _inspect(
        self,
        operation_model: OperationModel,
        response_dict: Mapping[str, object],
        **_: object,
    ) -> None:
        """Look at an answer before botocore reads it.

        botocore makes an empty answer of what is no JSON, so that a proxy's page would pass for
        success of a request that gives nothing back.
        """
        headers = response_dict["headers"]
        status = response_dict["status_code"]
        assert isinstance(status, int)
        self._seen.status = status
        found = headers.get("x-amzn-requestid") if hasattr(headers, "get") else None
        self._seen.request_id = found if isinstance(found, str) else None
        if status >= 300 or operation_model.service_model.resolved_protocol not in _JSON:
            return
        body = response_dict["body"]
        assert isinstance(body, bytes)
        try:
            if body and not isinstance(read_json(body), dict):
                raise _BrokenBodyError("it is not a JSON object")
        except BrokenAnswerError as error:
            raise _BrokenBodyError(str(error)) from None

    def _broken(self, what: str, request: Request) -> PlatformProtocolError:
        return self._explainer.broken(
            what, request, status=self._seen.status, request_id=self._seen.request_id
        )


def _is_unicode(value: object) -> bool:
    """Tell whether all texts are; botocore would send half a character as an escape."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    elif isinstance(value, Mapping):
        return all(_is_unicode(one) for pair in value.items() for one in pair)
    elif isinstance(value, (list, tuple)):
        return all(_is_unicode(one) for one in value)
    return True


def _as_it_is(answer: Fields) -> Fields:
    return answer


def _identity(answer: Fields) -> Identity:
    return Identity(
        arn=answer.text("Arn"), account=answer.matching("Account", _ACCOUNT, "twelve digits")
    )


def _list(fields: Fields, name: str) -> list[object]:
    value = fields.raw(name)
    if not isinstance(value, list):
        raise BrokenAnswerError(f"{fields.path(name)} is not a list")
    return value


def _metric(fields: Fields) -> dict[str, object]:
    """Read what one page has of one metric."""
    times, values = _list(fields, "Timestamps"), _list(fields, "Values")
    if len(times) != len(values):
        raise BrokenAnswerError(f"{fields.path('Values')} has another length than Timestamps")
    return {
        "Id": fields.text("Id"),
        "Timestamps": times,
        "Values": values,
        "StatusCode": fields.text("StatusCode"),
    }


def _join(results: dict[str, dict[str, object]], page: dict[str, object]) -> None:
    """Add what a page has of a metric to what the pages before had."""
    known = results.setdefault(str(page["Id"]), {"Id": page["Id"], "Timestamps": [], "Values": []})
    if known.get("StatusCode") not in _LASTING:
        known["StatusCode"] = page["StatusCode"]
    for name in ("Timestamps", "Values"):
        known[name] = [*cast("list[object]", known[name]), *cast("list[object]", page[name])]
