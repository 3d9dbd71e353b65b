"""When a request is sent again, and how long to wait before."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from headend.calls.operation import Effect
from headend.errors import (
    AuthenticationError,
    InvalidRequestError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    StreamNotFoundError,
    UncertainOutcomeError,
)

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from headend.calls.operation import Operation
    from headend.errors import PlatformError

ATTEMPTS: Final = 3
"""How often a request is sent at most."""

RETRY_AFTER_CAP: Final = 30.0
"""Seconds; a platform that asks to wait longer gets its way by the error that the host sees."""

_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 8.0

_FINAL: Final = (
    AuthenticationError,
    PermissionDeniedError,
    QuotaExceededError,
    StreamNotFoundError,
    InvalidRequestError,
    UncertainOutcomeError,
)
"""Errors that cost one request, whatever a provider says of them."""


def may_repeat(operation: Operation, error: PlatformError) -> bool:
    """Tell whether a request that failed may be sent again without doing it twice."""
    if not error.retryable or isinstance(error, _FINAL):
        return False
    if operation.effect is Effect.WRITE:
        return isinstance(error, RateLimitedError) or error.request_sent is False
    return True


def backoff(attempt: int, random: Random) -> float:
    """Return the seconds to wait after an attempt: exponential, with full jitter.

    Args:
        attempt: the number of the attempt that failed, 1 for the first.
        random: the source of chance.
    """
    return random.uniform(0, min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** (attempt - 1)))


_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?")
_ENDLESS: Final = 1e9
"""Seconds, 31 years; a longer wait is given as this, so that no sum of it overflows."""


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, 10.2.3): seconds, or a date in any HTTP form.

    Args:
        text: the header's value, or `None` if there was none.
        now: the wall-clock time, aware.

    Returns:
        The seconds to wait, 0 for a date that has passed, or `None` for what is neither.
    """
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _ENDLESS)
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
