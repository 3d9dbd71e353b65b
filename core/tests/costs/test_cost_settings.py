"""The settings of costs: exact, complete, and every problem at once by its variable."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from headend.costs.settings import CostSettings, OnBudgetExceeded, load_cost_settings
from headend.errors import ConfigurationError
from headend.facts import Meter
from headend.secret import Secret
from headend.settings import Configuration, describe_settings

PLANTED = "https://hooks.example/pl4nted-t0ken"
PROVIDERS = ("acme", "cloud-nine")


def load(environ: dict[str, str] | None = None, **arguments: object) -> CostSettings:
    configuration = Configuration.load(environ=environ or {})
    return load_cost_settings(configuration, providers=PROVIDERS, arguments=arguments)


def from_file(tmp_path: Path, text: str) -> CostSettings:
    file = tmp_path / "headend.toml"
    file.write_text(text, encoding="utf-8")
    return load({"HEADEND_CONFIG": str(file)})


def test_without_settings_costs_are_counted_in_utc_and_dollars_and_nothing_is_capped() -> None:
    found = load()

    assert (found.time_zone, found.currency) == (ZoneInfo("UTC"), "USD")
    assert found.budget_list == ()
    assert found.budget_thresholds.percents == (50, 80, 100)
    assert found.on_budget_exceeded is OnBudgetExceeded.WARN
    assert (found.budget_webhook, found.budget_webhook_key) == (None, None)
    assert found.prices.changes == ()


def test_all_of_them_can_be_variables() -> None:
    found = load(
        {
            "HEADEND_TIME_ZONE": "Europe/Berlin",
            "HEADEND_CURRENCY": "EUR",
            "HEADEND_EXCHANGE_RATES": "USD=0.92, GBP = 1.17",
            "HEADEND_BUDGETS": "all=200, cloud-nine=120.50, 2026-12=400",
            "HEADEND_BUDGET_THRESHOLDS": "90, 50,100,50",
            "HEADEND_ON_BUDGET_EXCEEDED": "refuse-create",
            "HEADEND_BUDGET_WEBHOOK": PLANTED,
            "HEADEND_BUDGET_WEBHOOK_KEY": "0123456789abcdef",
            "HEADEND_PRICES": "acme:output, up to 720p=0.07; cloud-nine:storage=4.2 GBP",
        }
    )

    assert str(found.time_zone) == "Europe/Berlin"
    assert found.exchange_rates.rates == {"USD": Decimal("0.92"), "GBP": Decimal("1.17")}
    assert [(one.scope, str(one.amount)) for one in found.budget_list] == [
        ("all", "200.00 EUR"),
        ("cloud-nine", "120.50 EUR"),
        ("2026-12", "400.00 EUR"),
    ]
    assert found.budget_thresholds.percents == (50, 90, 100)
    assert found.on_budget_exceeded is OnBudgetExceeded.REFUSE_CREATE
    assert found.budget_webhook == Secret(PLANTED)
    assert [(one.provider, one.name, one.amount, one.currency) for one in found.prices.changes] == [
        ("acme", "output, up to 720p", Decimal("0.07"), None),
        ("cloud-nine", "storage", Decimal("4.2"), "GBP"),
    ]


def test_all_of_them_can_be_in_the_file(tmp_path: Path) -> None:
    found = from_file(
        tmp_path,
        """
        [costs]
        time_zone = "America/New_York"
        currency = "EUR"
        exchange_rates = { USD = 0.1 }
        budget_thresholds = [80, 100]
        on_budget_exceeded = "refuse-create"

        [costs.budgets]
        all = 200
        "2026-12" = 400.10

        [[costs.prices]]
        provider = "acme"
        name = "storage"
        amount = 0.1
        per = 1000
        currency = "USD"
        as_of = 2026-11-01
        source = "contract 4711"

        [[costs.prices]]
        provider = "acme"
        name = "our line"
        amount = 1
        meter = "bandwidth"
        """,
    )

    assert str(found.time_zone) == "America/New_York"
    assert found.exchange_rates.rates == {"USD": Decimal("0.1")}
    assert [str(one.amount) for one in found.budget_list] == ["200.00 EUR", "400.10 EUR"]
    listed, own = found.prices.changes
    assert (listed.amount, listed.per, listed.as_of, listed.source) == (
        Decimal("0.1"),
        Decimal(1000),
        "2026-11-01",
        "contract 4711",
    )
    assert own.meter is Meter.BANDWIDTH


@given(amount=st.decimals(Decimal("0.0001"), 10**9, places=4))
def test_an_amount_is_exactly_what_is_written(amount: Decimal) -> None:
    found = load({"HEADEND_BUDGETS": f"all={amount}"})

    assert found.budget_list[0].amount.amount == amount


def test_arguments_override_variables() -> None:
    found = load({"HEADEND_BUDGETS": "all=1", "HEADEND_CURRENCY": "EUR"}, budgets={"all": 2})

    assert str(found.budget_list[0].amount) == "2.00 EUR"


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("TIME_ZONE", "Berlin", "must be a time zone such as Europe/Berlin, not 'Berlin'"),
        ("TIME_ZONE", "europe/berlim", "did you mean Europe/Berlin?"),
        ("TIME_ZONE", "Europe/Berln", "did you mean Europe/Berlin? The time zone in which"),
        ("TIME_ZONE", "CEST", "not 'CEST'. The time zone in which"),
        ("TIME_ZONE", "../../etc/passwd", "must be a time zone"),
        ("CURRENCY", "euro", "must be three capital letters such as USD"),
        ("EXCHANGE_RATES", "EUR", "'EUR' is not of that form"),
        ("EXCHANGE_RATES", "eur=1", "has the currency 'eur'"),
        ("EXCHANGE_RATES", "EUR=0", "the rate of EUR must be more than 0"),
        ("EXCHANGE_RATES", "EUR=abc", "the rate of EUR must be a number such as 12.50"),
        ("EXCHANGE_RATES", "EUR=NaN", "must be a number"),
        ("EXCHANGE_RATES", "EUR=1,EUR=2", "has EUR twice"),
        ("EXCHANGE_RATES", "USD=1.1", "one USD is one USD, not 1.1"),
        ("BUDGETS", "all", "'all' is not of that form"),
        ("BUDGETS", "all=-5", "the budget all must be more than 0"),
        ("BUDGETS", "all=0", "the budget all must be more than 0"),
        ("BUDGETS", "all=1e", "the budget all must be a number"),
        ("BUDGETS", "all=1e400000", "the budget all must be from 0.000000000001 to 1000000000000"),
        ("EXCHANGE_RATES", "EUR=1e-400000", "the rate of EUR must be from 0.000000000001 to"),
        ("PRICES", "acme:storage=1e40", "the price storage must be from 0.000000000001 to"),
        ("BUDGETS", "acne=5", "acne: is neither all, nor a month such as 2026-12, nor"),
        ("BUDGETS", "acne=5", "(there are acme; cloud-nine); did you mean acme?"),
        ("BUDGETS", "2026-13=5", "2026-13: is neither all, nor a month such as 2026-12"),
        ("BUDGET_THRESHOLDS", "0", "must be whole percents from 1 to 1000, not 0"),
        ("BUDGET_THRESHOLDS", "12.5", "must be whole percents"),
        ("BUDGET_THRESHOLDS", ",", "must be percents such as 50,80,100"),
        ("ON_BUDGET_EXCEEDED", "panic", "must be one of warn, refuse-create"),
        ("BUDGET_WEBHOOK", "http://hooks.example/x", "http:// may go to this machine only"),
        ("BUDGET_WEBHOOK", "ftp://hooks.example/x", "must be an https:// address"),
        ("BUDGET_WEBHOOK", "https://user:pw@hooks.example/x", "without a user name"),
        ("BUDGET_WEBHOOK_KEY", "short", "must have 16 signs at least"),
        ("BUDGET_WEBHOOK_KEY", "0123456789abcdef", "HEADEND_BUDGET_WEBHOOK: is missing, though"),
        ("PRICES", "storage=4", "'storage=4' is not of that form"),
        ("PRICES", "acme:storage", "is not of that form"),
        ("PRICES", "acme:storage=-4", "the price storage must be 0 or more"),
        ("PRICES", "acme:storage=4 euro", "the currency of storage must be three capital letters"),
        ("PRICES", "acme:a=1;acme:a=2", "has the price acme:a twice"),
        ("PRICES", "acne:storage=1", "acne is not an installed provider"),
    ],
)
def test_what_is_wrong_is_told_by_the_variables_name(variable: str, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({f"HEADEND_{variable}": text})

    assert words in str(caught.value)
    assert f"HEADEND_{variable}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("budgets = 5", "must be scopes with amounts such as all=200"),
        ("budgets = { all = true }", "the budget all must be a number, not True"),
        ("budget_thresholds = 50", "must be percents such as 50,80,100"),
        ("prices = 5", "must be prices such as acme:storage=4.50"),
        ("prices = [5]", "must be tables [[costs.prices]]"),
        ("prices = [{ provider = 'acme' }]", "a price without name and amount"),
        ("prices = [{ provider = 'acme', name = 'a', amount = 1, unit = 'x' }]", "has 'unit'"),
        ("prices = [{ provider = 'acme', name = 'a', amount = 1, per = 0 }]", "per of a must be"),
        (
            "prices = [{ provider = 'acme', name = 'a', amount = 1, as_of = 'May' }]",
            "as_of of a must be a date such as 2026-11-22",
        ),
        (
            "prices = [{ provider = 'acme', name = 'a', amount = 1, meter = 'restream' }]",
            "the meter of a must be one of bandwidth, ingest, storage, watch, not 'restream'",
        ),
        ("budjets = 'all=5'", "no such setting: known are"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_too(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_file(tmp_path, f"[costs]\n{text}\n")

    assert words in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"HEADEND_BUDGETS": "all=x", "HEADEND_CURRENCY": "x", "HEADEND_TIME_ZONE": "x"})

    for name in ("HEADEND_BUDGETS", "HEADEND_CURRENCY", "HEADEND_TIME_ZONE"):
        assert name in str(caught.value)


def test_the_address_and_the_key_of_the_webhook_are_secret() -> None:
    secret = {one.env for one in describe_settings(CostSettings) if one.secret}
    assert secret == {"HEADEND_BUDGET_WEBHOOK", "HEADEND_BUDGET_WEBHOOK_KEY"}
    assert "pl4nted" not in repr(load({"HEADEND_BUDGET_WEBHOOK": PLANTED}))
    with pytest.raises(ConfigurationError) as caught:
        load({"HEADEND_BUDGET_WEBHOOK": PLANTED.replace("https", "http")})
    assert "pl4nted" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:1"])
def test_a_webhook_on_this_machine_needs_no_encryption(host: str) -> None:
    assert load({"HEADEND_BUDGET_WEBHOOK": f"http://{host}/x"}).budget_webhook is not None
