"""How figures and names are written for people: the same in the table and on the page."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

from headend.costs.budgets import ALL
from headend.costs.money import EXACT

if TYPE_CHECKING:
    from datetime import date, datetime

    from headend.costs.budgets import Budget
    from headend.costs.money import Money
    from headend.costs.months import Month
    from headend.facts import Price

HOUR: Final = Decimal(3600)
GIGABYTE: Final = Decimal(10**9)

_MORE: Final = "\N{HORIZONTAL ELLIPSIS}"
_NEARLY: Final = Decimal("1e-20")

UNKNOWN: Final = "not known"
NO_CHANNEL: Final = "without a channel"
NO_NAME: Final = "without a name"

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
_JOINERS: Final = frozenset("\u200c\u200d\u200e\u200f") | {
    chr(code) for code in range(0xE0020, 0xE0080)
}
"""What emoji are joined by, and what says in which direction a text runs."""

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def clean(text: str) -> str:
    """Return a text without what cannot be seen, or would change how its neighbours are read."""
    return "".join(_visible(one) for one in text).strip()


def _visible(one: str) -> str:
    if one.isspace():
        return " "
    code = ord(one)
    is_no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    if is_no_character or (unicodedata.category(one) in _INVISIBLE and one not in _JOINERS):
        return _REPLACEMENT
    return one


def amount(money: Money) -> str:
    """Write an amount without its currency: ``1,234.50``."""
    return str(money).removesuffix(f" {money.currency}")


def number(value: Decimal, places: int = 1) -> str:
    """Write a number with a fixed number of places: ``1,234.5``; ``<0.1`` is not quite nothing."""
    least = Decimal(1).scaleb(-places)
    if 0 < value < least:
        return f"<{least}"
    # A quotient has fifty digits, and a sum of some is a little off; not so its first digits.
    nearly = value.quantize(_NEARLY, rounding=ROUND_HALF_EVEN, context=EXACT)
    rounded = nearly.quantize(least, rounding=ROUND_HALF_EVEN, context=EXACT)
    return f"{rounded:,.{places}f}"


def hours(seconds: Decimal) -> str:
    """Write a duration in hours."""
    return number(EXACT.divide(seconds, HOUR))


def gigabytes(size: Decimal | None) -> str:
    """Write a size in gigabytes of a billion bytes."""
    return UNKNOWN if size is None else number(EXACT.divide(size, GIGABYTE))


def count(value: int | None) -> str:
    """Write a whole number."""
    return UNKNOWN if value is None else f"{value:,}"


def unrecorded(live_streams: int) -> str:
    """Tell of how many live streams nothing is recorded, and what that means."""
    many = "1 live stream" if live_streams == 1 else f"{live_streams:,} live streams"
    return f"nothing is recorded of {many}: never live, or nobody looked"


def percent(share: Decimal) -> str:
    """Write a share of 1: ``82 %``."""
    return f"{number(EXACT.multiply(share, Decimal(100)), 0)} %"


def part(one: Money, whole: Money) -> Decimal:
    """Return what share of the whole an amount is; of nothing it is nothing."""
    return EXACT.divide(one.amount, whole.amount) if whole else Decimal(0)


def price(one: Price) -> str:
    """Write what is paid: ``5.00 USD for 1,000``."""
    places = max(2, -int(one.amount.normalize(EXACT).as_tuple().exponent))
    paid = f"{one.amount:,.{places}f} {one.currency}"
    return paid if one.per == 1 else f"{paid} for {one.per:,.15g}"


def shorten(text: str, most: int) -> str:
    """Return the beginning of a text that is long."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}{_MORE}"


def short_id(stream_id: str) -> str:
    """Return the end of an id that is long; it is the end that differs."""
    most = 24
    return stream_id if len(stream_id) <= most else f"{_MORE}{stream_id[1 - most :]}"


def month_name(month: Month) -> str:
    """Write a month: ``November 2026``."""
    return f"{_MONTHS[month.month - 1]} {month.year}"


def day_name(day: date) -> str:
    """Write a date: ``22 November 2026``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def weekday(day: date) -> str:
    """Return the name of the day of the week."""
    return _DAYS[day.weekday()]


def moment(at: datetime, month: Month) -> str:
    """Write a moment as clocks in the time zone of the month show it."""
    local = at.astimezone(month.zone)
    return f"{day_name(local.date())}, {local:%H:%M}"


def scope(budget: Budget, month: Month) -> str:
    """Tell what a budget is for."""
    if budget.scope == ALL:
        return "All providers"
    if budget.scope == str(month):
        return f"All providers in {month_name(month)}"
    return budget.scope
