"""Which price applies to what was used, in which currency, and what the host pays instead."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from attrs import evolve, field, fields, frozen, has

from headend.costs.money import EXACT, Money, exact
from headend.errors import ConfigurationError, PluginError
from headend.facts import EncoderLimits, Facts, Meter, Price
from headend.settings import structure_options

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from attrs import AttrsInstance

    from headend.costs.settings import CostSettings, PriceChange
    from headend.discovery import Registry


def terms_of(facts: Facts, options: object | None) -> dict[str, str]:
    """Return the values of those options of creation on which a price or an encoder depends.

    They are what the ledger keeps of a live stream, so that it can be priced when it is gone, and
    an encoder be checked while it is there.

    Args:
        facts: what the provider tells of its platform.
        options: an object of the provider's options class, with its defaults; `None` where it
            has no such class.
    """
    if options is None or not has(type(options)):
        return {}
    wanted = {name for price in facts.prices for name in price.terms}
    wanted |= {name for limits in facts.encoders for name in limits.terms}
    return {
        one.name: _word(getattr(options, one.name))
        for one in fields(cast("type[AttrsInstance]", type(options)))
        if one.name in wanted
    }


def _word(value: object) -> str:
    """Return an option's value as a person writes it after ``--option NAME=``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


@frozen(kw_only=True)
class ListedPrice:
    """A price in force.

    Attributes:
        price: what is paid.
        overridden: whether the host's settings gave it, and not the provider.
    """

    price: Price
    overridden: bool = False


@frozen(kw_only=True)
class PriceList:
    """What one provider takes.

    Attributes:
        provider: its name.
        prices: those in force, counted or not.
        defaults: what the options on which something depends are, where nobody gave them.
        encoders: what encoders may send there.
        problem: why its prices are not known, in words, or `None` where they are.
    """

    provider: str
    prices: tuple[ListedPrice, ...] = ()
    defaults: Mapping[str, str] = field(factory=dict)
    encoders: tuple[EncoderLimits, ...] = ()
    problem: str | None = None

    @property
    def counted(self) -> tuple[ListedPrice, ...]:
        """The prices of something that headend counts."""
        return tuple(one for one in self.prices if one.price.meter is not None)


@frozen(kw_only=True)
class Applied:
    """The price that applies to something.

    Attributes:
        listed: the price.
        assumed: what was taken for granted to choose it, each in words; empty where all was known.
    """

    listed: ListedPrice
    assumed: tuple[str, ...] = ()

    @property
    def price(self) -> Price:
        """What is paid."""
        return self.listed.price


@frozen
class NoPrice:
    """That no price is known for something, and why, in words."""

    why: str


@frozen(kw_only=True)
class PriceBook:
    """All price lists, and the currency of the report.

    Attributes:
        lists: by the provider's name.
        currency: of the report.
        rates: what one unit of another currency is in that of the report.
    """

    lists: Mapping[str, PriceList]
    currency: str = "USD"
    rates: Mapping[str, Decimal] = field(factory=dict)

    def find(
        self,
        provider: str,
        meter: Meter,
        *,
        terms: Mapping[str, str],
        height: int | None = None,
    ) -> Applied | NoPrice | None:
        """Return the price of something, or `None` where the provider does not bill it.

        Args:
            provider: its name.
            meter: what was counted.
            terms: the options of creation, as far as they are known.
            height: of the picture in pixels, or `None` where it is not known: then it is taken to
                be the largest that the live stream can have.
        """
        price_list = self.lists.get(provider)
        if price_list is None:
            return NoPrice(f"the provider {provider} is not installed, and its prices are with it")
        if price_list.problem is not None:
            return NoPrice(price_list.problem)
        if not price_list.counted:
            return NoPrice(f"the provider {provider} tells no price that can be counted")
        metered = [one for one in price_list.counted if one.price.meter is meter]
        if not metered:
            return None
        names = sorted({name for one in metered for name in one.price.terms})
        known = {name: terms[name] for name in names if name in terms}
        guessed = {
            name: price_list.defaults[name]
            for name in names
            if name not in terms and name in price_list.defaults
        }
        fitting = [one for one in metered if _fits(one.price, {**guessed, **known})]
        if not fitting:
            given = ", ".join(f"{name} {text}" for name, text in known.items()) or "unknown options"
            return NoPrice(f"the provider {provider} tells no price for {given}")
        listed, narrowed = _tier(fitting, height)
        assumed = [
            f"{name} is not known; {text}, the default, is assumed"
            for name, text in guessed.items()
        ]
        if narrowed:
            assumed.append(narrowed)
        return Applied(listed=listed, assumed=tuple(assumed))

    def may_bill(self, provider: str) -> bool:
        """Tell whether use of a provider costs something, or nobody knows."""
        counted = self.lists[provider].counted if provider in self.lists else ()
        return not counted or any(one.price.amount for one in counted)

    def cost(self, price: Price, metered: Decimal) -> tuple[Decimal, Money]:
        """Return how many units something is, and what it costs in the currency of the report.

        Args:
            price: the price.
            metered: seconds or bytes, as the price's meter counts.

        Raises:
            KeyError: there is no exchange rate for the price's currency.
        """
        quantity = EXACT.divide(metered, exact(price.unit_size))
        amount = EXACT.divide(
            EXACT.multiply(EXACT.multiply(price.amount, metered), self.rate(price.currency)),
            EXACT.multiply(exact(price.unit_size), exact(price.per)),
        )
        return quantity, Money(amount=amount, currency=self.currency)

    def rate(self, currency: str) -> Decimal:
        """Return what one unit of a currency is in that of the report.

        Raises:
            KeyError: nobody told.
        """
        return Decimal(1) if currency == self.currency else self.rates[currency]


def _fits(price: Price, terms: Mapping[str, str]) -> bool:
    return all(terms.get(name) in values for name, values in price.terms.items())


def _tier(fitting: Iterable[ListedPrice], height: int | None) -> tuple[ListedPrice, str]:
    """Choose the tier, and say what was assumed for that, if anything was."""
    tiers: dict[float, ListedPrice] = {}
    for one in fitting:
        top = float("inf") if one.price.up_to_height is None else one.price.up_to_height
        rival = tiers.get(top)
        if rival is None or len(one.price.terms) > len(rival.price.terms):
            tiers[top] = one
    if len(tiers) == 1:
        return next(iter(tiers.values())), ""
    if height is None:
        highest = "the height of the picture is not known; the largest is assumed"
        return tiers[max(tiers)], highest
    lowest = min((top for top in tiers if top >= height), default=max(tiers))
    return tiers[lowest], f"all viewers are taken to watch the largest picture, {height} lines high"


# -- the prices in force ---------------------------------------------------------------------------

_UNITS: Final = {
    Meter.INGEST: ("hour pushed", 3600.0),
    Meter.WATCH: ("hour watched", 3600.0),
    Meter.STORAGE: ("hour stored", 3600.0),
    Meter.BANDWIDTH: ("GB delivered", 1e9),
}
"""What a price of the host's own is for."""

_HOST: Final = "the settings of this host"


def load_price_book(registry: Registry, settings: CostSettings, *, today: date) -> PriceBook:
    """Read the price lists of all installed providers, and put the host's own prices in.

    A provider that cannot be used has a list that says why.

    Args:
        registry: the providers that are installed.
        settings: the host's own prices, the currency and the exchange rates.
        today: since when the host's own prices hold where the settings do not tell.

    Raises:
        ConfigurationError: the settings name a price that there is not, or lack an exchange rate.
    """
    lists: dict[str, PriceList] = {}
    problems: list[str] = []
    for name in registry.names:
        changes = [one for one in settings.prices.changes if one.provider == name]
        try:
            lists[name] = _listed(registry, name)
        except PluginError as error:
            lists[name] = PriceList(provider=name, problem=str(error))
            continue
        lists[name], wrong = _changed(lists[name], changes, settings.currency, today)
        problems += [f"HEADEND_PRICES: {name}: {one}" for one in wrong]
    rates = dict(settings.exchange_rates.rates)
    for one in lists.values():
        lacking = sorted(
            {
                listed.price.currency
                for listed in one.counted
                if listed.price.amount and listed.price.currency not in {*rates, settings.currency}
            }
        )
        problems += [
            f"HEADEND_EXCHANGE_RATES: prices of {one.provider} are in {code}: tell what one {code} "
            f"is in {settings.currency}, such as {code}=0.92"
            for code in lacking
        ]
    if problems:
        raise ConfigurationError.of("costs", problems)
    return PriceBook(lists=lists, currency=settings.currency, rates=rates)


def _listed(registry: Registry, name: str) -> PriceList:
    spec = registry.spec(name)
    facts = registry.facts(spec)
    options_class = registry.options_class(spec)
    defaults = None if options_class is None else structure_options(options_class, {})[0]
    if not any(price.meter for price in facts.prices):
        problem = f"the provider {name} tells no price that can be counted"
    else:
        problem = None
    return PriceList(
        provider=name,
        prices=tuple(ListedPrice(price=price) for price in facts.prices),
        defaults=terms_of(facts, defaults),
        encoders=facts.encoders,
        problem=problem,
    )


def _changed(
    price_list: PriceList, changes: Iterable[PriceChange], currency: str, today: date
) -> tuple[PriceList, list[str]]:
    """Return a list with the host's own prices in it, and what is wrong with them."""
    from headend.costs.settings import one_of

    prices = {one.price.name: one for one in price_list.prices}
    problems = []
    for change in changes:
        listed = prices.get(change.name)
        if listed is not None and change.meter is None:
            prices[change.name] = ListedPrice(
                price=_instead(listed.price, change, today), overridden=True
            )
        elif listed is None and change.meter is not None:
            price = _of_the_host(change, change.meter, currency, today)
            prices[change.name] = ListedPrice(price=price, overridden=True)
        elif listed is None:
            known = one_of(prices, change.name, "one of its prices")
            problems.append(f"{change.name}: is not {known}; one of your own needs a meter")
        else:
            problems.append(f"{change.name}: is a listed price, whose meter cannot be changed")
    try:
        Facts(prices=tuple(one.price for one in prices.values()))
    except ValueError as error:
        problems.append(str(error))
    made = evolve(price_list, prices=tuple(prices.values()))
    return (evolve(made, problem=None) if made.counted else made), problems


def _instead(price: Price, change: PriceChange, today: date) -> Price:
    return evolve(
        price,
        amount=change.amount,
        per=price.per if change.per is None else float(change.per),
        currency=change.currency or price.currency,
        as_of=change.as_of or today.isoformat(),
        source=change.source or _HOST,
        verified=True,
        note=f"instead of {price.amount:f} {price.currency} as of {price.as_of}, {price.source}",
    )


def _of_the_host(change: PriceChange, meter: Meter, currency: str, today: date) -> Price:
    unit, unit_size = _UNITS[meter]
    return Price(
        name=change.name,
        amount=change.amount,
        per=1 if change.per is None else float(change.per),
        unit=unit,
        currency=change.currency or currency,
        meter=meter,
        unit_size=unit_size,
        as_of=change.as_of or today.isoformat(),
        source=change.source or _HOST,
    )
