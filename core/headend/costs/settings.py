"""The settings of costs and budgets, from the table ``[costs]`` and the environment.

Amounts are exact: ``0.1`` is a tenth in a variable and in the file alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from attrs import field, fields, frozen, validators

from headend.costs.budgets import ALL, THRESHOLDS, Budget
from headend.costs.money import LEAST, MOST, Money, is_writable
from headend.errors import ConfigurationError
from headend.facts import Meter, is_currency
from headend.secret import Secret
from headend.settings import is_this_machine, load_settings, setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from attrs import Attribute

    from headend.settings import Configuration

_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)
_MOST_PERCENT: Final = 1000
_LEAST_KEY: Final = 16
_OWN: Final = frozenset({Meter.INGEST, Meter.WATCH, Meter.STORAGE, Meter.BANDWIDTH})


class OnBudgetExceeded(StrEnum):
    """What becomes of new live streams when a budget is used up."""

    WARN = "warn"
    """They are created, and somebody is told."""
    REFUSE_CREATE = "refuse-create"
    """They are refused; those that there are go on."""


def _number(value: object, what: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise TypeError(f"{what} must be a number, not {value!r}")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{what} must be a number such as 12.50, not {str(value)!r}")
    if not is_writable(number):
        raise ValueError(
            f"{what} must be from {LEAST:f} to {MOST:f} if it is not 0, and not {str(value)!r}"
        )
    return number


def _pairs(value: object, form: str) -> dict[str, object]:
    """Return names and values of a text ``NAME=VALUE, NAME=VALUE`` or of a table."""
    if isinstance(value, Mapping):
        return {str(name).strip(): one for name, one in value.items()}
    if not isinstance(value, str):
        raise TypeError(f"must be {form}, not {value!r}")
    found: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, equals, text = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not text:
            raise ValueError(f"must be {form}; {part!r} is not of that form")
        if name in found:
            raise ValueError(f"has {name} twice")
        found[name] = text
    return found


@frozen
class ExchangeRates:
    """What one unit of each currency is in that of the report: ``EUR=1.08, GBP=1.27``."""

    rates: Mapping[str, Decimal] = field(factory=dict)

    @classmethod
    def from_setting(cls, value: object) -> ExchangeRates:
        """Read them from a variable or a table."""
        rates = {}
        for code, text in _pairs(value, "currencies with rates such as EUR=1.08").items():
            if not is_currency(code):
                raise ValueError(f"has the currency {code!r}, where three capital letters belong")
            rates[code] = _number(text, f"the rate of {code}")
            if not rates[code] > 0:
                raise ValueError(f"the rate of {code} must be more than 0, not {text}")
        return cls(rates)


@frozen
class BudgetAmounts:
    """What may be spent in a month, by scope: ``all=200, acme=120, 2026-12=400``."""

    amounts: Mapping[str, Decimal] = field(factory=dict)

    @classmethod
    def from_setting(cls, value: object) -> BudgetAmounts:
        """Read them from a variable or a table."""
        amounts = {}
        for scope, text in _pairs(value, "scopes with amounts such as all=200").items():
            amounts[scope] = _number(text, f"the budget {scope}")
            if not amounts[scope] > 0:
                raise ValueError(f"the budget {scope} must be more than 0, not {text}")
        return cls(amounts)


@frozen
class Thresholds:
    """Percent of a budget at which somebody is told, rising: ``50,80,100``."""

    percents: tuple[int, ...] = THRESHOLDS

    @classmethod
    def from_setting(cls, value: object) -> Thresholds:
        """Read them from a variable or a list."""
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise TypeError(f"must be percents such as 50,80,100, not {value!r}")
        numbers = [_number(part, "a threshold") for part in parts if str(part).strip()]
        for number in numbers:
            if number != number.to_integral_value() or not 1 <= number <= _MOST_PERCENT:
                raise ValueError(
                    f"must be whole percents from 1 to {_MOST_PERCENT}, not {number:f}"
                )
        if not numbers:
            raise ValueError("must be percents such as 50,80,100")
        return cls(tuple(sorted({int(number) for number in numbers})))


@frozen(kw_only=True)
class PriceChange:
    """What the host pays instead of a listed price, or for something that has none.

    Attributes:
        provider: whose price it is.
        name: of the price, as `headend providers NAME` lists it; one of the host's own where
            `meter` is given.
        amount: what `per` units cost.
        per: how many units; `None`: as listed, or 1.
        currency: its code; `None`: as listed, or that of the report.
        as_of: since when, such as ``"2026-11-22"``; `None`: today.
        source: where it is written; `None`: these settings.
        meter: what is counted for a price of the host's own.
    """

    provider: str
    name: str
    amount: Decimal
    per: Decimal | None = None
    currency: str | None = None
    as_of: str | None = None
    source: str | None = None
    meter: Meter | None = None


@frozen
class PriceChanges:
    """Prices of the host's own: ``acme:storage=4.50; acme:delivery=0.90 EUR``."""

    changes: tuple[PriceChange, ...] = ()

    @classmethod
    def from_setting(cls, value: object) -> PriceChanges:
        """Read them from a variable or a list of tables."""
        if isinstance(value, str):
            parts = (part.strip() for part in value.split(";"))
            changes = [_change_of_text(part) for part in parts if part]
        elif isinstance(value, (list, tuple)):
            changes = [_change_of_table(one) for one in value]
        else:
            raise TypeError(f"must be prices such as acme:storage=4.50, not {value!r}")
        seen = set()
        for change in changes:
            if (change.provider, change.name) in seen:
                raise ValueError(f"has the price {change.provider}:{change.name} twice")
            seen.add((change.provider, change.name))
        return cls(tuple(changes))


def _change_of_text(text: str) -> PriceChange:
    form = "must be prices such as acme:storage=4.50 or acme:storage=4.20 EUR, with ; between"
    target, equals, amount = (piece.strip() for piece in text.rpartition("="))
    provider, colon, name = (piece.strip() for piece in target.partition(":"))
    number, _, currency = amount.partition(" ")
    if not equals or not colon or not provider or not name or not number:
        raise ValueError(f"{form}; {text!r} is not of that form")
    return _checked(
        PriceChange(
            provider=provider,
            name=name,
            amount=_number(number, f"the price {name}"),
            currency=currency.strip() or None,
        )
    )


def _change_of_table(table: object) -> PriceChange:
    known = [one.name for one in fields(PriceChange)]
    if not isinstance(table, Mapping):
        raise TypeError("must be tables [[costs.prices]]")
    strangers = [str(name) for name in table if name not in known]
    if strangers:
        raise ValueError(f"has {strangers[0]!r}; known are {', '.join(known)}")
    missing = [name for name in ("provider", "name", "amount") if name not in table]
    if missing:
        raise ValueError(f"a price without {' and '.join(missing)}")
    name = str(table["name"])
    per, meter, as_of = table.get("per"), table.get("meter"), table.get("as_of")
    if meter is not None and meter not in _OWN:
        raise ValueError(
            f"the meter of {name} must be one of {', '.join(sorted(_OWN))}, not {meter!r}"
        )
    return _checked(
        PriceChange(
            provider=str(table["provider"]),
            name=name,
            amount=_number(table["amount"], f"the price {name}"),
            per=None if per is None else _number(per, f"per of {name}"),
            currency=None if table.get("currency") is None else str(table["currency"]),
            as_of=None if as_of is None else str(as_of),
            source=None if table.get("source") is None else str(table["source"]),
            meter=None if meter is None else Meter(meter),
        )
    )


def _checked(change: PriceChange) -> PriceChange:
    if change.amount < 0:
        raise ValueError(f"the price {change.name} must be 0 or more, not {change.amount:f}")
    if change.per is not None and not change.per > 0:
        raise ValueError(f"per of {change.name} must be more than 0, not {change.per:f}")
    if change.currency is not None and not is_currency(change.currency):
        raise ValueError(
            f"the currency of {change.name} must be three capital letters such as USD, not "
            f"{change.currency!r}"
        )
    if change.as_of is not None:
        try:
            date.fromisoformat(change.as_of)
        except ValueError:
            raise ValueError(
                f"as_of of {change.name} must be a date such as 2026-11-22, not {change.as_of!r}"
            ) from None
    return change


def _code(_settings: object, _attribute: Attribute[str], value: str) -> None:
    if not is_currency(value):
        raise ValueError(f"must be three capital letters such as USD, not {value!r}")


def _address(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    # Not shown: such addresses often hold a token.
    try:
        parts = urlsplit(value.reveal())
        host = parts.hostname or ""
        whole = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:
        whole, host, parts = False, "", urlsplit("")
    if not whole or parts.username is not None or not value.reveal().isprintable():
        raise ValueError("must be an https:// address without a user name")
    if not value.reveal().isascii() or " " in value.reveal():
        raise ValueError("must be an https:// address without spaces, of ASCII characters only")
    if parts.scheme != "https" and not is_this_machine(host):
        raise ValueError("must be an https:// address; http:// may go to this machine only")


def _webhook_key(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    if len(value.reveal()) < _LEAST_KEY:
        raise ValueError(f"must have {_LEAST_KEY} signs at least, so that nobody guesses it")


@frozen(kw_only=True)
class CostSettings:
    """How costs are counted, and what may be spent."""

    time_zone: ZoneInfo = field(
        factory=lambda: ZoneInfo("UTC"),
        metadata=setting(
            "HEADEND_TIME_ZONE",
            "The time zone in which days and months begin, such as Europe/Berlin; default UTC.",
        ),
    )
    currency: str = field(
        default="USD",
        validator=_code,
        metadata=setting("HEADEND_CURRENCY", "The currency of reports and budgets; default USD."),
    )
    exchange_rates: ExchangeRates = field(
        factory=ExchangeRates,
        metadata=setting(
            "HEADEND_EXCHANGE_RATES",
            "What one unit of another currency is in HEADEND_CURRENCY, such as EUR=1.08.",
        ),
    )
    budgets: BudgetAmounts = field(
        factory=BudgetAmounts,
        metadata=setting(
            "HEADEND_BUDGETS",
            "What may be spent in a month, in HEADEND_CURRENCY: for all providers together, for "
            "one, or in one month, such as all=200, acme=120, 2026-12=400.",
        ),
    )
    budget_thresholds: Thresholds = field(
        factory=Thresholds,
        metadata=setting(
            "HEADEND_BUDGET_THRESHOLDS",
            "Percent of a budget at which somebody is told; default 50,80,100.",
        ),
    )
    on_budget_exceeded: OnBudgetExceeded = field(
        default=OnBudgetExceeded.WARN,
        metadata=setting(
            "HEADEND_ON_BUDGET_EXCEEDED",
            "What becomes of new live streams when a budget is used up: warn (default), or "
            "refuse-create.",
        ),
    )
    budget_webhook: Secret | None = field(
        default=None,
        validator=validators.optional(_address),
        metadata=setting(
            "HEADEND_BUDGET_WEBHOOK", "The https:// address that is told of reached thresholds."
        ),
    )
    budget_webhook_key: Secret | None = field(
        default=None,
        validator=validators.optional(_webhook_key),
        metadata=setting(
            "HEADEND_BUDGET_WEBHOOK_KEY",
            "The secret with which what is sent there is signed; 16 signs at least.",
        ),
    )
    prices: PriceChanges = field(
        factory=PriceChanges,
        metadata=setting(
            "HEADEND_PRICES",
            "What you pay instead of listed prices, such as acme:storage=4.50; "
            "acme:delivery=0.90 EUR.",
        ),
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with settings that belong together."""
        if self.budget_webhook_key is not None and self.budget_webhook is None:
            yield (
                "budget_webhook",
                "is missing, though HEADEND_BUDGET_WEBHOOK_KEY is given",
            )
        rate = self.exchange_rates.rates.get(self.currency, 1)
        if rate != 1:
            yield "exchange_rates", f"one {self.currency} is one {self.currency}, not {rate}"

    @property
    def budget_list(self) -> tuple[Budget, ...]:
        """The budgets, in the order in which they were given."""
        return tuple(
            Budget(scope=scope, amount=Money(amount=amount, currency=self.currency))
            for scope, amount in self.budgets.amounts.items()
        )


SUBJECT: Final = "costs"
"""Whose settings these are, in errors."""


def load_cost_settings(
    configuration: Configuration,
    *,
    providers: Sequence[str],
    arguments: Mapping[str, object] | None = None,
) -> CostSettings:
    """Read the settings and check that the providers they name are installed.

    Args:
        configuration: the file and the environment.
        providers: the names of those that are installed.
        arguments: values that override all others, by field name.

    Raises:
        ConfigurationError: with every problem at once.
    """
    made = load_settings(
        CostSettings,
        subject=SUBJECT,
        environ=configuration.environ,
        table=configuration.costs_table,
        arguments=arguments,
    )
    problems = [
        f"HEADEND_BUDGETS: {scope}: is neither {ALL}, nor a month such as 2026-12, nor "
        f"{one_of(providers, scope, 'an installed provider')}"
        for scope in made.budgets.amounts
        if scope != ALL and not _MONTH.fullmatch(scope) and scope not in providers
    ]
    problems += [
        f"HEADEND_PRICES: {change.provider}:{change.name}: {change.provider} is not "
        f"{one_of(providers, change.provider, 'an installed provider')}"
        for change in made.prices.changes
        if change.provider not in providers
    ]
    if problems:
        raise ConfigurationError.of(SUBJECT, problems)
    return made


def one_of(known: Iterable[str], given: str, what: str) -> str:
    """Return words for what `given` should have been: all that there are, and the closest."""
    names = sorted(known)
    listing = f"{what} (there are {'; '.join(names)})" if names else f"{what} (there is none)"
    close = get_close_matches(given, names, n=1)
    return listing + (f"; did you mean {close[0]}?" if close else "")
