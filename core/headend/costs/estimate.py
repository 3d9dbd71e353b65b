"""What a broadcast will cost, before it is created: on every installed provider, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from headend.costs.money import EXACT, Money, exact
from headend.costs.prices import Applied, NoPrice
from headend.facts import Bound, Meter, Price
from headend.presets import EncodingPreset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.costs.prices import PriceBook, PriceList
    from headend.facts import Quota

_SECONDS: Final = Decimal(60)
_BITS: Final = Decimal(8)


@frozen(kw_only=True)
class EstimateItem:
    """One thing that costs, or is free.

    Attributes:
        price: the price in force.
        overridden: whether the host's settings gave it, and not the provider.
        quantity: how much, in the price's unit.
        cost: what it costs, in the currency of the report.
    """

    price: Price
    overridden: bool
    quantity: Decimal
    cost: Money


@frozen(kw_only=True)
class Estimate:
    """What a broadcast would cost on one provider, created in one way.

    Attributes:
        provider: its name.
        terms: the options of creation on which its prices depend, as they are for this estimate.
        is_default: whether a live stream has these options where nobody gives others.
        items: what costs.
        total: of all items, or `None` where it is not known or cannot be.
        problem: why there is no total, in words.
        notes: what else one should know, in words.
        verified: whether all its prices are the platform's own word, or the host's.
        delivered_bytes: what all viewers together would get: duration times bitrate.
    """

    provider: str
    terms: Mapping[str, str] = field(factory=dict)
    is_default: bool = True
    items: tuple[EstimateItem, ...] = ()
    total: Money | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()
    verified: bool = True
    delivered_bytes: Decimal

    def cost_of(self, meter: Meter) -> Money | None:
        """Return what one meter costs, or `None` where the provider does not bill it."""
        return next((one.cost for one in self.items if one.price.meter is meter), None)


@frozen(kw_only=True)
class Broadcast:
    """What is to be broadcast.

    Attributes:
        minutes: how long.
        viewers: how many watch on average, from the beginning to the end.
        preset: what the encoder sends; all viewers are taken to watch that picture.
        recorded: whether it is recorded, where the platform bills that, and kept for a month.
    """

    minutes: Decimal
    viewers: Decimal
    preset: EncodingPreset
    recorded: bool = True

    @property
    def seconds(self) -> Decimal:
        """How long, in seconds."""
        return EXACT.multiply(self.minutes, _SECONDS)

    @property
    def watched(self) -> Decimal:
        """Seconds watched by all viewers together."""
        return EXACT.multiply(self.seconds, self.viewers)

    @property
    def delivered(self) -> Decimal:
        """Bytes that all viewers together get: duration times bitrate."""
        bits = EXACT.multiply(self.watched, Decimal(self.preset.bitrate))
        return EXACT.divide(bits, _BITS)

    def metered(self, meter: Meter) -> Decimal | None:
        """Return what a meter counts, or `None` where there is nothing to count."""
        return {
            Meter.INGEST: self.seconds,
            Meter.WATCH: self.watched,
            Meter.STORAGE: self.seconds if self.recorded else None,
            Meter.BANDWIDTH: self.delivered,
        }.get(meter)


def estimate(prices: PriceBook, broadcast: Broadcast) -> list[Estimate]:
    """Return what a broadcast would cost on every installed provider, by name.

    Where prices depend on options there is an estimate for each choice, the default one first.
    """
    return [
        _estimate(prices, price_list, terms, broadcast)
        for _, price_list in sorted(prices.lists.items())
        for terms in _choices(price_list)
    ]


def _choices(price_list: PriceList) -> Iterator[dict[str, str]]:
    """Return every choice of the options on which prices depend, the defaults first."""
    values: dict[str, dict[str, None]] = {}
    for listed in price_list.counted:
        for name, fitting in listed.price.terms.items():
            default = price_list.defaults.get(name)
            known = values.setdefault(name, {} if default is None else {default: None})
            known.update(dict.fromkeys(fitting))
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _estimate(
    prices: PriceBook, price_list: PriceList, terms: Mapping[str, str], broadcast: Broadcast
) -> Estimate:
    provider = price_list.provider
    is_default = all(price_list.defaults.get(name) == value for name, value in terms.items())

    def without(problem: str) -> Estimate:
        return Estimate(
            provider=provider,
            terms=terms,
            is_default=is_default,
            problem=problem,
            verified=False,
            delivered_bytes=broadcast.delivered,
        )

    refusal, notes = _bounds(price_list, terms, broadcast.preset)
    if refusal:
        return without(refusal)
    items = []
    for meter in Meter:
        metered = broadcast.metered(meter)
        found = prices.find(provider, meter, terms=terms, height=broadcast.preset.height)
        if isinstance(found, NoPrice):
            return without(found.why)
        if metered is None or not isinstance(found, Applied):
            continue
        quantity, cost = prices.cost(found.price, metered)
        items.append(
            EstimateItem(
                price=found.price,
                overridden=found.listed.overridden,
                quantity=quantity,
                cost=cost,
            )
        )
        top = found.price.up_to_height
        if meter is Meter.WATCH and top is not None and top < broadcast.preset.height:
            notes.append(f"viewers get a picture of {top} lines at most")
    return Estimate(
        provider=provider,
        terms=terms,
        is_default=is_default,
        items=tuple(items),
        total=Money.sum((one.cost for one in items), prices.currency),
        notes=tuple(notes),
        verified=all(one.price.verified for one in items),
        delivered_bytes=broadcast.delivered,
    )


def _bounds(
    price_list: PriceList, terms: Mapping[str, str], preset: EncodingPreset
) -> tuple[str | None, list[str]]:
    """Return why a platform would refuse such an encoder, and what else it wants."""
    most = _bound(price_list, Bound.INGEST_BITRATE_MOST, terms, preset.height)
    sent = f"the preset {preset.name} has {preset.bitrate:,}"
    if most is not None and preset.bitrate > most:
        return f"an encoder may send {most:,.0f} bits per second at most, and {sent}", []
    least = _bound(price_list, Bound.INGEST_BITRATE_LEAST, terms, preset.height)
    if least is not None and preset.bitrate < least:
        return None, [f"an encoder is to send {least:,.0f} bits per second at least, and {sent}"]
    return None, []


def _bound(
    price_list: PriceList, bound: Bound, terms: Mapping[str, str], height: int
) -> Decimal | None:
    def top(one: Quota) -> float:
        return float("inf") if one.up_to_height is None else one.up_to_height

    fitting = [
        one
        for one in price_list.quotas
        if one.bounds is bound
        and one.value is not None
        and top(one) >= height
        and all(terms.get(name) in values for name, values in one.terms.items())
    ]
    lowest = min(fitting, key=top, default=None)
    return None if lowest is None or lowest.value is None else exact(lowest.value)
