"""Everything that headend raises on purpose.

The tree is closed::

    HeadendError
    ├── ConfigurationError            settings are missing or wrong: all of them, by name
    ├── PluginError                   a provider is unknown, broken, incompatible or disabled
    ├── UnsupportedError              this provider does not have that capability or option
    ├── LedgerError                   what headend keeps cannot be read or written
    ├── BudgetExceededError           a budget is used up, and nothing more is to be created
    └── PlatformError                 the platform, or the way to it, said no
        ├── AuthenticationError       the credentials are not accepted
        ├── PermissionDeniedError     they are, but do not allow this
        ├── QuotaExceededError        the account has used up something
        ├── RateLimitedError          too many requests for now
        ├── StreamNotFoundError       there is no such live stream
        ├── ConflictError             not possible in the present state
        ├── InvalidRequestError       the platform does not accept these values
        ├── PlatformUnavailableError  not reachable, or out of order
        ├── PlatformTimeoutError      no answer in time
        ├── UncertainOutcomeError     a write was sent and its fate could not be learnt
        └── PlatformProtocolError     an answer that is not what the platform promises

Messages say what is wrong, where, and what to do.  They hold no secret, they survive pickling,
and the original exception is chained as `__cause__`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal


class HeadendError(Exception):
    """The base of all errors that headend raises on purpose.

    Attributes:
        message: the sentence that `str()` gives.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Callable[..., HeadendError], tuple[object, ...]]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[HeadendError], args: tuple[object, ...], state: dict[str, object]
) -> HeadendError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(HeadendError):
    """Settings are missing or wrong.

    Raised when a platform is opened, before any request, with every problem at once.  Not raised
    for credentials that are well-formed but refused: that is `AuthenticationError`.

    Attributes:
        problems: one sentence per problem, each beginning with the name of the setting.
    """

    def __init__(self, message: str, *, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, subject: str, problems: Iterable[str]) -> Self:
        """Make one error of all `problems` found in the settings of `subject`."""
        found = tuple(problems)
        count = "one problem" if len(found) == 1 else f"{len(found)} problems"
        lines = "".join(f"\n  {problem}" for problem in found)
        return cls(f"the settings of {subject} have {count}:{lines}", problems=found)


class PluginError(HeadendError):
    """A provider cannot be used: unknown, broken, incompatible, duplicate or disabled.

    Not raised for what a working provider refuses.  `headend providers` lists every installed
    provider with its state and the reason.
    """


class UnsupportedError(HeadendError):
    """The provider does not have this capability or option.  No request was sent.

    Not raised when the platform itself refuses a value: that is `InvalidRequestError`.

    Attributes:
        provider: the provider's name.
        feature: the capability or option that is missing.
    """

    def __init__(self, message: str, *, provider: str, feature: str) -> None:
        super().__init__(message)
        self.provider = provider
        self.feature = feature


class LedgerError(HeadendError):
    """What headend keeps cannot be read or written: locked, read-only, full, damaged or gone.

    Raised while a platform is in use; where it is so when the platform is opened, that is a
    `ConfigurationError`.  The operation that failed changed nothing in the ledger, and what was
    recorded before is still there.  It never says that the platform refused something.

    Attributes:
        ledger: the file, or the database without its password.
    """

    def __init__(self, message: str, *, ledger: str) -> None:
        super().__init__(message)
        self.ledger = ledger


class BudgetExceededError(HeadendError):
    """A budget is used up, and the host wants no new live streams then.  No request was sent.

    Raised by creating a live stream only, where ``HEADEND_ON_BUDGET_EXCEEDED`` is
    ``refuse-create``; live streams that there are go on.  Not raised for what the platform's
    account may not do any more: that is `QuotaExceededError`.

    Attributes:
        scope: the budget: ``"all"``, a provider, or a month such as ``"2026-12"``.
        month: the month in which it was spent, such as ``"2026-12"``.
        spent: what was spent in it.
        amount: what might have been spent.
        currency: that of both.
    """

    def __init__(
        self,
        message: str,
        *,
        scope: str,
        month: str,
        spent: Decimal,
        amount: Decimal,
        currency: str,
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.month = month
        self.spent = spent
        self.amount = amount
        self.currency = currency


class PlatformError(HeadendError):
    """The platform, or the way to it, said no.

    Attributes:
        provider: the provider's name.
        operation: what was asked for, e.g. ``"create_live_stream"``.
        step: the request of it that failed, by the name that the provider gives it, such as the
            platform's own ``"GetChannel"``; `None` where that is the operation's.
        status: the HTTP status, or `None` where there was no HTTP answer.
        code: the platform's own error code as text, or `None`.
        request_id: the platform's name of the request, for its support, or `None`.
        retryable: whether the same request may succeed later without a change.
        retry_after: seconds that the platform asked to wait, or `None`.
        request_sent: `False` when the request provably never left this machine, `True` when an
            answer came, `None` when nobody can tell.  A write may be repeated on `False` only.
    """

    default_retryable: ClassVar[bool] = False
    step: str | None = None

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        operation: str,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        request_sent: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.request_sent = request_sent

    def during(self, operation: str) -> None:
        """Note which operation it broke; what the error named before is the step that failed."""
        if self.operation != operation:
            self.step = self.step or self.operation
            self.operation = operation

    def __str__(self) -> str:
        facts = [f"{self.provider} {self.operation}"]
        if self.step is not None:
            facts.append(self.step)
        if self.status is not None:
            facts.append(f"HTTP {self.status}")
        if self.code is not None:
            facts.append(f"code {self.code}")
        if self.request_id is not None:
            facts.append(f"request {self.request_id}")
        return f"{self.message} ({', '.join(facts)})"


class AuthenticationError(PlatformError):
    """The platform does not accept the credentials: wrong, expired, revoked, or the clock is off.

    Not raised when they are accepted but too weak: that is `PermissionDeniedError`.
    """


class PermissionDeniedError(PlatformError):
    """The credentials are accepted but do not allow this operation on this account."""


class QuotaExceededError(PlatformError):
    """The account has used up something that does not come back by waiting a little.

    Not raised for requests that come too fast: that is `RateLimitedError`.
    """


class RateLimitedError(PlatformError):
    """Too many requests for now; `retry_after` has the wait where the platform tells it.

    Attributes:
        limit: the name of the limit that was exceeded, where the platform tells; only what shares
            that one is paused then.
    """

    default_retryable = True
    limit: str | None = None


class StreamNotFoundError(PlatformError):
    """There is no live stream with this id on the platform, or no longer.

    Never raised by ending a live stream: one that is gone counts as ended.
    """


class ConflictError(PlatformError):
    """Not possible in the live stream's present state, for instance while it is live."""


class InvalidRequestError(PlatformError):
    """A value is not acceptable.  Where headend can tell by itself, nothing was sent."""


class PlatformUnavailableError(PlatformError):
    """The platform cannot be reached, or answers that it is out of order."""

    default_retryable = True


class PlatformTimeoutError(PlatformError):
    """The platform did not answer, or did not get there, within the time allowed."""

    default_retryable = True


class UncertainOutcomeError(PlatformError):
    """A write was sent and its fate could not be learnt.

    Repeating it may do it twice.  `headend orphans list` tells what became of it.
    """


class PlatformProtocolError(PlatformError):
    """The answer is not what is promised: HTML with 200, cut-off JSON, a missing field."""
