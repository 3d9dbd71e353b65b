"""What is known of a platform beside its API: limits, quotas, encoders, prices, permissions, more.

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
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeGuard, TypeVar

from attrs import field, frozen, validators

from headend.calls import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attrs import Attribute

_T = TypeVar("_T")

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

Terms = Mapping[str, tuple[str, ...]]
"""For which live streams a fact holds: options of their creation, each with the values that fit."""


class _FrozenTerms(Mapping[str, tuple[str, ...]]):
    """Terms that cannot be changed; they can be pickled and hashed, as the facts that have them."""

    __slots__ = ("_terms",)

    def __init__(self, terms: Terms) -> None:
        self._terms = dict(terms)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._terms[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    def __hash__(self) -> int:
        return hash(frozenset(self._terms.items()))

    def __repr__(self) -> str:
        return repr(self._terms)


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


def _currency(_fact: object, _attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not is_currency(value):
        raise ValueError(f"currency must be three capital letters such as USD, not {value!r}")


def is_currency(text: str) -> bool:
    """Tell whether a text has the form of a currency's code (ISO 4217), such as ``USD``."""
    return _CURRENCY.fullmatch(text) is not None


def _height(_fact: object, attribute: Attribute[int | None], value: object) -> None:
    if value is not None and not (
        isinstance(value, int) and not isinstance(value, bool) and value > 0
    ):
        raise ValueError(f"{attribute.name} must be a number of pixels, or None, not {value!r}")


def _terms(value: object) -> object:
    """Make each term a tuple of the values that fit; what is no such thing is refused later."""
    if not isinstance(value, Mapping):
        return value
    return _FrozenTerms(
        {name: (one,) if isinstance(one, str) else one for name, one in value.items()}
    )


def _fitting(_fact: object, attribute: Attribute[Terms], value: object) -> None:
    if not isinstance(value, _FrozenTerms) or not all(_is_term(*one) for one in value.items()):
        raise ValueError(
            f"{attribute.name} must name options of creation, each with the value that fits or a "
            f"tuple of such texts, not {value!r}"
        )


def _is_term(name: object, fitting: object) -> bool:
    return (
        isinstance(name, str)
        and name.isidentifier()
        and isinstance(fitting, tuple)
        and bool(fitting)
        and all(isinstance(one, str) for one in fitting)
    )


def _codecs(_fact: object, attribute: Attribute[tuple[str, ...]], value: object) -> None:
    if not isinstance(value, tuple) or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"{attribute.name} must be a tuple of names of codecs, not {value!r}")


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
class EncoderLimits(_Fact):
    """What an encoder may send to a live stream, or is advised to.

    ::

        EncoderLimits(
            name="type BASIC, up to 480p",
            terms={"type": "BASIC"},
            up_to_height=480,
            video_codecs=("H.264",),
            audio_codecs=("AAC",),
            max_bitrate=1_500_000,
            source="https://acme.example/encoders",
            as_of="2026-11-22",
        )

    All that fit a live stream hold together.  Where several differ in nothing but `up_to_height`,
    in terms and in whether they are enforced, one of them holds: the lowest that holds the
    picture, or the highest where none does.

    Attributes:
        name: what they are for; no other encoder limits of the provider have it.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
        verified: `False` where this is not the platform's own word.
        note: what else one should know, in words.
        enforced: whether the platform cuts such an encoder off, or never plays what it sends;
            `False` for what it only advises.
        terms: for which live streams they hold, as in `Price`.
        up_to_height: pixels: they hold for pictures up to that height, or `None` for all.
        video_codecs: those that are taken, such as ``"H.264"``; empty where nothing is said.
        audio_codecs: those that are taken, such as ``"AAC"``; empty where nothing is said.
        min_bitrate: bits per second of video and audio together, at least.
        max_bitrate: bits per second of video and audio together, at most.
        max_width: pixels of a picture that lies; one that stands may be as high.
        max_height: pixels of a picture that lies; one that stands may be as wide.
        max_frame_rate: frames per second.
        min_keyframe_interval: seconds from key frame to key frame, at least.
        max_keyframe_interval: seconds from key frame to key frame, at most.
    """

    enforced: bool = field(default=True, validator=validators.instance_of(bool))
    terms: Terms = field(factory=dict, converter=_terms, validator=_fitting)
    up_to_height: int | None = field(default=None, validator=_height)
    video_codecs: tuple[str, ...] = field(default=(), validator=_codecs)
    audio_codecs: tuple[str, ...] = field(default=(), validator=_codecs)
    min_bitrate: float | None = field(default=None, validator=validators.optional(_size))
    max_bitrate: float | None = field(default=None, validator=validators.optional(_size))
    max_width: int | None = field(default=None, validator=_height)
    max_height: int | None = field(default=None, validator=_height)
    max_frame_rate: float | None = field(default=None, validator=validators.optional(_size))
    min_keyframe_interval: float | None = field(default=None, validator=validators.optional(_size))
    max_keyframe_interval: float | None = field(default=None, validator=validators.optional(_size))

    def __attrs_post_init__(self) -> None:
        for what in ("bitrate", "keyframe_interval"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if low is not None and high is not None and low > high:
                raise ValueError(
                    f"encoder limits {self.name}: min_{what} is {low}, above max_{what}, {high}"
                )


class Meter(StrEnum):
    """What a platform counts to make its bill.  Times are in seconds, data is in bytes."""

    INGEST = "ingest"
    """Time pushed."""
    WATCH = "watch"
    """Time watched, all viewers together."""
    STORAGE = "storage"
    """Time recorded and kept, once for each month in which it is kept, be it for a moment."""
    RESTREAM = "restream"
    """Time pushed on, all simulcast targets together."""
    BANDWIDTH = "bandwidth"
    """Bytes sent to viewers."""


@frozen(kw_only=True)
class Price(_Fact):
    """What something costs.

    ::

        Price(
            name="output up to 720p",
            amount=Decimal("0.075"),
            per=1,
            unit="hour watched",
            meter=Meter.WATCH,
            unit_size=3600,
            terms={"type": ("STANDARD", "BASIC")},
            up_to_height=720,
            source="https://acme.example/prices",
            as_of="2026-11-22",
        )

    One price of a provider applies for each meter: of those whose terms fit the live stream, the
    lowest tier that holds the height of the picture, or the highest where none does; and of
    several in that tier the one with the most terms.

    Attributes:
        name: what is paid for, such as ``"storage"``; no other price of the provider has it.
        amount: what `per` units cost, in `currency`.
        per: how many units.
        unit: one of them, such as ``"minute stored"``.
        source: where the platform says so.
        as_of: the date on which it said so, such as ``"2026-11-22"``.
        verified: `False` where this is not the platform's own word.
        note: what else one should know, in words.
        currency: its code (ISO 4217).
        meter: what headend counts for it; `None` for a price that is told and never counted.
        unit_size: how many seconds or bytes of the meter are one unit: 60 where `unit` is a minute.
        terms: the options of creation on which it depends, each with the value that fits, or a
            tuple of such values; the texts are those of `headend create --option`.  An option
            that is named by any price, or by limits of encoders, is kept in the ledger with each
            live stream, so that it must be no secret.
        up_to_height: pixels: it holds for pictures up to that height, or `None` for all.
    """

    amount: Decimal = field(validator=_money)
    per: float = field(validator=_size)
    unit: str = field(validator=_words)
    currency: str = field(default="USD", validator=_currency)
    meter: Meter | None = field(
        default=None, validator=validators.optional(validators.instance_of(Meter))
    )
    unit_size: float = field(default=1.0, validator=_size)
    terms: Terms = field(factory=dict, converter=_terms, validator=_fitting)
    up_to_height: int | None = field(default=None, validator=_height)


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
        encoders: what encoders may send.
        prices: what it costs.
        permissions: what a credential must be allowed to do.
        latencies: how far viewers are behind the encoder.
    """

    limits: tuple[RateLimit, ...] = field(default=(), validator=_each(RateLimit))
    quotas: tuple[Quota, ...] = field(default=(), validator=_each(Quota))
    encoders: tuple[EncoderLimits, ...] = field(default=(), validator=_each(EncoderLimits))
    prices: tuple[Price, ...] = field(default=(), validator=_each(Price))
    permissions: tuple[Permission, ...] = field(default=(), validator=_each(Permission))
    latencies: tuple[Latency, ...] = field(default=(), validator=_each(Latency))

    def __attrs_post_init__(self) -> None:
        for limit in self.limits:
            if not limit.source.strip() or not _is_date(limit.as_of):
                raise ValueError(f"limit {limit.name} needs a source, and its date as as_of")
        _refuse_ambiguous(self.prices)


def _refuse_ambiguous(prices: tuple[Price, ...]) -> None:
    """Refuse two prices between which nothing decides."""
    seen: dict[object, Price] = {}
    for price in prices:
        if price.meter is None:
            continue
        other = seen.setdefault((price.meter, price.terms, price.up_to_height), price)
        if other is not price:
            raise ValueError(
                f"prices {other.name} and {price.name} are both for {price.meter}, and nothing "
                "tells which one applies: give one of them terms, or no meter"
            )
