"""One policy object for every request of every provider.

In this version a call is sent once: there are no retries and no pacing yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.clock import Clock

_T = TypeVar("_T")

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds that one call may take in all."""


@frozen
class Operation:
    """A kind of request, declared once by the provider that sends it.

    Attributes:
        name: the platform's own name for it, as its limits and logs have it.
        writes: whether it changes something on the platform, so that repeating it may do it twice.
    """

    name: str
    writes: bool


@frozen
class Attempt:
    """One sending of a request.

    Attributes:
        number: 1 for the first.
        timeout: seconds that are left for it.
    """

    number: int
    timeout: float


class Calls:
    """Sends requests by the policy that is the same for all providers."""

    def __init__(self, *, clock: Clock, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._clock = clock
        self._timeout = timeout

    def run(self, operation: Operation, send: Callable[[Attempt], _T]) -> _T:
        """Send a request and return what `send` makes of the answer.

        Args:
            operation: what is sent.
            send: sends it once, within the attempt's time, and raises a `PlatformError` that
                tells what went wrong.

        Raises:
            PlatformError: what `send` raised.
        """
        del operation
        return send(Attempt(number=1, timeout=self._timeout))
