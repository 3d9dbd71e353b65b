"""What is known of a platform beside its API: limits, quotas, prices, permissions, latencies.

A provider gives them as data, each with its source and the date on which the source said so::

    FACTS = Facts(
        quotas=(
            Quota(
                name="live streams",
                value=1000,
                unit="live streams",
                source="https://docs.acme.example/limits",
                as_of="2026-11-22",
            ),
        ),
    )

`ProviderSpec.facts` names such an object, and `headend providers NAME` shows it.
"""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeGuard, TypeVar

from attrs import field, frozen, validators

from headend.calls import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import Attribute

_T = TypeVar("_T")

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _words(_fact: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{attribute.name} must be a text that is not empty")


def _day(_fact: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not _is_date(value):
        raise ValueError(f"{attribute.name} must be a date such as 2026-11-22, not {value!r}")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return _DATE.fullmatch(text) is not None


def _amount(_fact: object, attribute: Attribute[float | None], value: object) -> None:
    if value is not None and not (_is_number(value) and 0 <= value < math.inf):
        raise ValueError(f"{attribute.name} must be a number from 0, or None, not {value!r}")


def _size(_fact: object, attribute: Attribute[float], value: object) -> None:
    if not (_is_number(value) and 0 < value < math.inf):
        raise ValueError(f"{attribute.name} must be a number above 0, not {value!r}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _money(_fact: object, attribute: Attribute[Decimal], value: object) -> None:
    # A float would carry 0.1 as something else.
    if not (isinstance(value, Decimal) and value.is_finite() and value >= 0):
        raise ValueError(f"{attribute.name} must be a Decimal from 0, not {value!r}")


def _operations(_fact: object, attribute: Attribute[tuple[str, ...]], value: object) -> None:
    if not (
        isinstance(value, tuple)
        and value
        and all(isinstance(one, str) and one.isidentifier() for one in value)
    ):
        raise ValueError(f"{attribute.name} must be a tuple of names of operations, not {value!r}")


@frozen(kw_only=True)
class _Fact:
    """What all facts have."""

    name: str = field(validator=_words)
    source: str = field(validator=_words)
    as_of: str = field(validator=_day)
    verified: bool = field(default=True, validator=validators.instance_of(bool))
    note: str = field(default="", validator=validators.instance_of(str))


@frozen(kw_only=True)
class Quota(_Fact):
    """How much of something a platform allows.

    Attributes:
        name: of what, such as ``"recordings of one account"``.
        value: how many, or `None` where the platform documents none.
        unit: of the value, such as ``"minutes"``.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
        verified: `False` where this is not the platform's own word.
        note: what else one should know, in words.
    """

    value: float | None = field(validator=_amount)
    unit: str = field(validator=_words)


@frozen(kw_only=True)
class Price(_Fact):
    """What something costs, in US dollars.

    Attributes:
        name: what is paid for, such as ``"storage"``.
        usd: US dollars for `per` units.
        per: how many units.
        unit: one of them, such as ``"minute stored"``.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
        verified: `False` where this is not the platform's own word.
        note: what else one should know, in words.
    """

    usd: Decimal = field(validator=_money)
    per: float = field(validator=_size)
    unit: str = field(validator=_words)


@frozen(kw_only=True)
class Permission(_Fact):
    """What a credential must be allowed to do.

    Attributes:
        name: what the platform calls it.
        needed_for: the operations that need it, by their names in headend, such as
            ``"create_live_stream"``.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
        verified: `False` where this is not the platform's own word.
        note: what else one should know, in words.
    """

    needed_for: tuple[str, ...] = field(validator=_operations)


@frozen(kw_only=True)
class Latency(_Fact):
    """How far viewers are behind the encoder, in seconds.

    Attributes:
        name: the way of playback, such as ``"HLS"``.
        low: the least, or `None` where none is given.
        high: the most, or `None` where none is given.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
        verified: `False` where this is not the platform's own word.
        note: what else one should know, in words.
    """

    low: float | None = field(validator=_amount)
    high: float | None = field(validator=_amount)

    def __attrs_post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"latency {self.name}: low is {self.low}, above high, {self.high}")


def _each(kind: type[_T]) -> Callable[[object, Attribute[tuple[_T, ...]], object], None]:
    def check(_facts: object, attribute: Attribute[tuple[_T, ...]], value: object) -> None:
        if not isinstance(value, tuple) or not all(isinstance(one, kind) for one in value):
            raise ValueError(f"{attribute.name} must be a tuple of {kind.__name__} objects")

    return check


@frozen(kw_only=True)
class Facts:
    """All that a provider knows of its platform beside the API.

    Attributes:
        limits: how often the platform lets itself be asked; each needs `source` and `as_of`.
        quotas: how much of something it allows.
        prices: what it costs.
        permissions: what a credential must be allowed to do.
        latencies: how far viewers are behind the encoder.
    """

    limits: tuple[RateLimit, ...] = field(default=(), validator=_each(RateLimit))
    quotas: tuple[Quota, ...] = field(default=(), validator=_each(Quota))
    prices: tuple[Price, ...] = field(default=(), validator=_each(Price))
    permissions: tuple[Permission, ...] = field(default=(), validator=_each(Permission))
    latencies: tuple[Latency, ...] = field(default=(), validator=_each(Latency))

    def __attrs_post_init__(self) -> None:
        for limit in self.limits:
            if not limit.source.strip() or not _is_date(limit.as_of):
                raise ValueError(f"limit {limit.name} needs a source, and its date as as_of")
