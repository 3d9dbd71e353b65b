"""Which price applies, and what the settings put in its place."""

from __future__ import annotations

import importlib
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, frozen
from hypothesis import given, strategies as st

from headend.costs.prices import (
    Applied,
    ListedPrice,
    PriceBook,
    PriceList,
    load_price_book,
    terms_of,
)
from headend.costs.settings import load_cost_settings
from headend.discovery import Registry
from headend.errors import ConfigurationError
from headend.facts import EncoderLimits, Facts, Meter, Price
from headend.settings import Configuration

if TYPE_CHECKING:
    from types import ModuleType

    from tests.conftest import Installer

CITED = {"source": "https://acme.example", "as_of": "2026-11-22"}
TODAY = date(2030, 1, 2)


def price(name: str, **more: object) -> Price:
    given: dict[str, object] = {
        "amount": Decimal(1),
        "per": 1,
        "unit": "hour",
        "meter": Meter.WATCH,
        **CITED,
        **more,
    }
    return Price(name=name, **given)  # type: ignore[arg-type]  # the keyword arguments above


class Kind(Enum):
    BASIC = "basic"
    FULL = "full"


@frozen(kw_only=True)
class Options:
    kind: Kind = Kind.FULL
    record: bool = False
    regions: tuple[str, ...] = ("eu", "us")
    label: str | None = None
    days: int = 7
    password: str = "s3cret"


class TestTerms:
    def test_only_options_on_which_a_price_depends_are_kept(self) -> None:
        prices = (price("a", terms={"kind": "basic"}), price("b", terms={"record": "true"}))

        assert terms_of(Facts(prices=prices), Options()) == {"kind": "full", "record": "false"}
        assert terms_of(Facts(prices=(price("a"),)), Options()) == {}
        assert terms_of(Facts(prices=prices), None) == {}

    def test_so_are_those_on_which_it_depends_what_an_encoder_may_send(self) -> None:
        limits = EncoderLimits(
            name="a", terms={"kind": "basic"}, source="https://acme.example", as_of="2026-11-22"
        )

        assert terms_of(Facts(encoders=(limits,)), Options()) == {"kind": "full"}

    def test_a_value_is_what_a_person_writes_on_the_command_line(self) -> None:
        names = ("kind", "record", "regions", "label", "days")
        prices = tuple(price(name, terms={name: "x"}) for name in names)
        options = Options(kind=Kind.BASIC, record=True)

        assert terms_of(Facts(prices=prices), options) == {
            "kind": "basic",
            "record": "true",
            "regions": "eu,us",
            "label": "",
            "days": "7",
        }

    @pytest.mark.parametrize(
        "terms", [["kind"], {"kind": 1}, {"kind": ()}, {"kind": ["a"]}, {"a kind": "x"}, None]
    )
    def test_terms_are_options_with_texts(self, terms: object) -> None:
        with pytest.raises(ValueError, match="terms must name options of creation"):
            price("a", terms=terms)

    def test_a_text_stands_for_a_tuple_of_it(self) -> None:
        assert price("a", terms={"kind": "x"}) == price("a", terms={"kind": ("x",)})
        assert hash(price("a", terms={"kind": "x"})) == hash(price("a", terms={"kind": ("x",)}))


def book(*prices: Price, **defaults: str) -> PriceBook:
    listed = PriceList(
        provider="acme",
        prices=tuple(ListedPrice(price=one) for one in prices),
        defaults=defaults,
    )
    return PriceBook(lists={"acme": listed})


def name_of(found: object) -> str:
    assert isinstance(found, Applied)
    return found.price.name


class TestWhichApplies:
    @given(height=st.integers(1, 5000), tops=st.sets(st.integers(1, 4000), min_size=1, max_size=6))
    def test_the_lowest_tier_that_holds_the_picture_else_the_highest(
        self, height: int, tops: set[int]
    ) -> None:
        prices = [price(f"{top}", up_to_height=top) for top in tops]
        found = book(*prices).find("acme", Meter.WATCH, terms={}, height=height)

        assert int(name_of(found)) == min((one for one in tops if one >= height), default=max(tops))

    def test_a_tier_without_a_bound_holds_every_picture(self) -> None:
        prices = book(price("small", up_to_height=480), price("any"))

        assert name_of(prices.find("acme", Meter.WATCH, terms={}, height=481)) == "any"
        assert name_of(prices.find("acme", Meter.WATCH, terms={})) == "any"
        assert name_of(prices.find("acme", Meter.WATCH, terms={}, height=480)) == "small"

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_the_price_with_the_most_terms_beats_the_general_one(
        self, order: tuple[int, ...]
    ) -> None:
        listed = (
            price("general"),
            price("special", terms={"kind": "basic"}),
            price("more special", terms={"kind": "basic", "region": ("eu", "us")}),
        )
        prices = book(*(listed[place] for place in order))

        def found(**terms: str) -> str:
            return name_of(prices.find("acme", Meter.WATCH, terms=terms))

        assert found() == "general"
        assert found(kind="full") == "general"
        assert found(kind="basic", region="asia") == "special"
        assert found(kind="basic", region="us") == "more special"

    def test_what_is_taken_for_granted_is_said(self) -> None:
        prices = book(price("special", terms={"kind": "basic"}), kind="basic")
        assumed = prices.find("acme", Meter.WATCH, terms={})
        known = prices.find("acme", Meter.WATCH, terms={"kind": "basic"})

        assert isinstance(assumed, Applied)
        assert isinstance(known, Applied)
        assert assumed.assumed == ("kind is not known; basic, the default, is assumed",)
        assert known.assumed == ()

    def test_what_a_provider_does_not_bill_has_no_price_and_that_is_known(self) -> None:
        assert book(price("a")).find("acme", Meter.STORAGE, terms={}) is None

    @pytest.mark.parametrize(
        ("one", "other"),
        [({}, {}), ({"terms": {"kind": "x"}}, {"terms": {"kind": ("x",)}})],
    )
    def test_a_provider_cannot_tell_two_prices_for_the_same(
        self, one: dict[str, object], other: dict[str, object]
    ) -> None:
        with pytest.raises(ValueError, match="prices a and b are both for watch"):
            Facts(prices=(price("a", **one), price("b", **other)))
        Facts(prices=(price("a", **one), price("b", **other, meter=Meter.INGEST)))
        Facts(prices=(price("a", **one), price("b", **other, up_to_height=480)))
        Facts(prices=(price("a", **one), price("b", **other, meter=None)))


class TestInForce:
    @pytest.fixture(autouse=True)
    def _installed(self, acme: ModuleType) -> None:
        pass

    def load(self, environ: dict[str, str] | None = None, **tables: object) -> PriceBook:
        loaded = Configuration.load(environ={} if environ is None else environ)
        configuration = evolve(loaded, tables=tables)
        registry = Registry()
        settings = load_cost_settings(configuration, providers=registry.names)
        return load_price_book(registry, settings, today=TODAY)

    def the(self, prices: PriceBook, name: str) -> ListedPrice:
        (found,) = [one for one in prices.lists["acme"].prices if one.price.name == name]
        return found

    def test_the_lists_are_those_of_the_providers(self) -> None:
        prices = self.load()
        facts = importlib.import_module("headend_acme.facts").FACTS

        assert [one.price for one in prices.lists["acme"].prices] == list(facts.prices)
        assert not any(one.overridden for one in prices.lists["acme"].prices)
        assert prices.lists["plain"].problem == (
            "the provider plain tells no price that can be counted"
        )

    def test_a_price_of_the_variable_replaces_the_listed_one_and_tells_it(self) -> None:
        found = self.the(self.load({"HEADEND_PRICES": "acme:storage=0.07"}), "storage")

        assert found.overridden
        assert (found.price.amount, found.price.per, found.price.currency) == (
            Decimal("0.07"),
            1000,
            "USD",
        )
        assert (found.price.as_of, found.price.source) == (
            "2030-01-02",
            "the settings of this host",
        )
        assert found.price.note == (
            "instead of 0.10 USD as of 2026-01-03, https://acme.example/prices"
        )
        assert (found.price.meter, found.price.unit_size) == (Meter.STORAGE, 60)

    def test_what_the_host_pays_is_certain_although_the_list_was_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        facts = importlib.import_module("headend_acme.facts")
        (storage,) = facts.FACTS.prices
        doubtful = Facts(prices=(evolve(storage, verified=False),))
        monkeypatch.setattr(facts, "FACTS", doubtful)

        assert not self.the(self.load(), "storage").price.verified
        assert self.the(self.load({"HEADEND_PRICES": "acme:storage=1"}), "storage").price.verified

    def test_a_price_of_the_file_tells_its_date_and_source(self) -> None:
        table = {
            "provider": "acme",
            "name": "storage",
            "amount": 0.07,
            "per": 500,
            "currency": "EUR",
            "as_of": "2029-12-01",
            "source": "contract 4711",
        }
        prices = self.load(costs={"prices": [table], "exchange_rates": {"EUR": 1.08}})
        found = self.the(prices, "storage").price

        assert (found.amount, found.per, found.currency) == (Decimal("0.07"), 500, "EUR")
        assert (found.as_of, found.source, found.verified) == ("2029-12-01", "contract 4711", True)
        quantity, cost = prices.cost(found, Decimal(60 * 1000))
        assert (quantity, str(cost)) == (1000, "0.15 USD")

    def test_a_price_of_the_hosts_own_is_for_what_the_provider_does_not_bill(self) -> None:
        table = {"provider": "plain", "name": "our line", "amount": 0.05, "meter": "bandwidth"}
        prices = self.load(costs={"prices": [table]})

        assert prices.lists["plain"].problem is None
        found = prices.find("plain", Meter.BANDWIDTH, terms={})
        assert isinstance(found, Applied)
        assert prices.cost(found.price, Decimal(10**9))[1].amount == Decimal("0.05")

    @pytest.mark.parametrize(
        ("prices", "words"),
        [
            ("acme:storag=1", r"storag: is not one of its prices \(there are storage\); did you"),
            ("acne:storage=1", r"acne is not an installed provider .*; did you mean acme\?"),
            ("acme:storage=1 EUR", "prices of acme are in EUR: tell what one EUR is in USD"),
        ],
    )
    def test_what_cannot_be_is_refused_with_what_there_is(self, prices: str, words: str) -> None:
        with pytest.raises(ConfigurationError, match=words):
            self.load({"HEADEND_PRICES": prices})

    def test_a_second_price_for_the_same_is_refused(self) -> None:
        table = {"provider": "acme", "name": "ours", "amount": 1, "meter": "storage"}
        with pytest.raises(ConfigurationError, match="storage and ours are both for storage"):
            self.load(costs={"prices": [table]})
        with pytest.raises(ConfigurationError, match="meter cannot be changed"):
            self.load(costs={"prices": [{**table, "name": "storage"}]})

    def test_another_currency_needs_a_rate_before_anything_is_counted(self) -> None:
        with pytest.raises(ConfigurationError, match=r"what one USD is in EUR, such as USD=0\.92"):
            self.load({"HEADEND_CURRENCY": "EUR"})
        prices = self.load({"HEADEND_CURRENCY": "EUR", "HEADEND_EXCHANGE_RATES": "USD=0.5"})
        storage = self.the(prices, "storage").price
        assert str(prices.cost(storage, Decimal(60 * 100_000))[1]) == "5.00 EUR"

    def test_a_broken_provider_has_a_list_that_says_why(self, install: Installer) -> None:
        install.provider("broken", "raise RuntimeError('no licence')")
        problem = self.load().lists["broken"].problem

        assert problem is not None
        assert "no licence" in problem


@given(
    amount=st.decimals(0, 10**6, places=8),
    per=st.integers(1, 10**6),
    unit_size=st.sampled_from([1, 60, 3600, 1e9]),
    rate=st.decimals(Decimal("0.0001"), 1000, places=6),
    metered=st.decimals(0, 10**12, places=6),
)
def test_a_cost_is_amount_times_units_times_rate(
    amount: Decimal, per: int, unit_size: float, rate: Decimal, metered: Decimal
) -> None:
    from fractions import Fraction

    prices = PriceBook(lists={}, currency="EUR", rates={"USD": rate})
    one = price("a", amount=amount, per=per, unit_size=unit_size)
    quantity, cost = prices.cost(one, metered)

    units = Fraction(metered) / Fraction(unit_size)
    exact = Fraction(amount) * units / per * Fraction(rate)
    assert cost.currency == "EUR"
    assert abs(Fraction(quantity) - units) <= Fraction(1, 10**20)
    assert abs(Fraction(cost.amount) - exact) <= Fraction(1, 10**20)
