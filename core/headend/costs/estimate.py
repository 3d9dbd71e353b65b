"""What a broadcast will cost, before it is created: on every installed provider, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from headend.costs.money import EXACT, Money
from headend.costs.prices import Applied, NoPrice
from headend.encoding import problems
from headend.facts import Meter, Price
from headend.presets import EncodingPreset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.costs.prices import PriceBook, PriceList

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
        terms: the options of creation on which something depends, as they are for this estimate.
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

    Where prices, or what encoders may send, depend on options, there is an estimate for each
    choice, the default one first.
    """
    return [
        _estimate(prices, price_list, terms, broadcast)
        for _, price_list in sorted(prices.lists.items())
        for terms in _choices(price_list)
    ]


def _choices(price_list: PriceList) -> Iterator[dict[str, str]]:
    """Return every choice of the options on which something depends, the defaults first."""
    values: dict[str, dict[str, None]] = {}
    depending = [listed.price.terms for listed in price_list.counted]
    depending += [limits.terms for limits in price_list.encoders]
    for terms in depending:
        for name, fitting in terms.items():
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

    wrong = problems(broadcast.preset, price_list.encoders, terms)
    if refusals := [str(one) for one in wrong if one.fatal]:
        return without(f"the preset {broadcast.preset.name} is refused: {'; '.join(refusals)}")
    notes = [f"the preset {broadcast.preset.name}: {one}" for one in wrong]
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
