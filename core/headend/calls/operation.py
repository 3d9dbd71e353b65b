"""What a provider declares of its requests: names, effects and the platform's limits."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from attrs import Attribute

USED: Final = 0.98
"""The part of a limit that is used; a platform counts arrivals, which jitter on the way."""


class Effect(StrEnum):
    """What a request does on the platform, and so when it may be sent again."""

    READ = "read"
    """It changes nothing."""
    WRITE = "write"
    """It changes something, and repeating it may do it twice: creating."""
    REPEATABLE = "repeatable"
    """It changes something, and repeating it leaves the same state: deleting, enabling."""


def _not_negative(_limit: RateLimit, attribute: Attribute[float], value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{attribute.name} must be at least 0, not {value}")


def _positive(_limit: RateLimit, attribute: Attribute[float], value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{attribute.name} must be more than 0, not {value}")


@frozen(kw_only=True, cache_hash=True)
class RateLimit:
    """A limit on how often the platform lets itself be asked.

    It is paced by GCRA, the leaky bucket as a meter (ITU-T I.371), with
    ``(burst - 1) + rate * window <= 0.98 * requests``, so that no window of that length, however
    it lies, ever sees more than `requests`.

    Attributes:
        name: what the platform calls it; limits of one provider that share a name are one limit.
        requests: how many it allows in any `window`.
        window: seconds.
        per: whether each operation has its own, or all operations of a credential share it.
        burst: how many may go at once after a rest; the more, the slower it goes on.
        block: seconds for which the platform refuses everything after a breach, or `None`.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
    """

    name: str = field(validator=validators.min_len(1))
    requests: int = field(validator=validators.ge(1))
    window: float = field(validator=_positive)
    per: Literal["operation", "credential"] = field(
        validator=validators.in_(("operation", "credential"))
    )
    burst: int = field(default=1, validator=validators.ge(1))
    block: float | None = field(default=None, validator=validators.optional(_not_negative))
    source: str = ""
    as_of: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(
                f"limit {self.name}: a burst of {self.burst} leaves nothing of "
                f"{self.requests} requests; the burst must be less than {USED:.0%} of them"
            )

    @property
    def rate(self) -> float:
        """Requests a second that go out for as long as there are any."""
        return (USED * self.requests - (self.burst - 1)) / self.window

    @property
    def interval(self) -> float:
        """Seconds from one request to the next while there are any."""
        return 1 / self.rate


@frozen(cache_hash=True)
class Operation:
    """A kind of request, declared once by the provider that sends it.

    Attributes:
        name: the platform's own name for it, as its limits and logs have it.
        effect: what it does; this decides when it is sent again.
        limits: what the platform allows of it, its own limits and those it shares.
    """

    name: str
    effect: Effect
    limits: tuple[RateLimit, ...] = ()
