"""The report as rows: a CSV file with one row a line item, and tables for the terminal."""

from __future__ import annotations

import csv
import io
import re
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.costs import words
from headend.costs.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.costs.lines import CostLine, Unpriced
    from headend.costs.report import MonthlyReport

COLUMNS: Final = (
    "month",
    "day",
    "provider",
    "account",
    "stream_id",
    "channel_id",
    "name",
    "item",
    "quantity",
    "unit",
    "price",
    "price_per",
    "price_currency",
    "cost",
    "currency",
    "basis",
    "why",
    "carried_over",
    "price_verified",
    "price_overridden",
    "price_as_of",
    "price_source",
)
"""The columns of the CSV file.  Amounts and quantities have a point, and ten places at most."""

NOT_KNOWN: Final = "not known"
"""The basis of a row that has no cost, since nobody knows it."""

_PLACES: Final = Decimal("1e-10")

_FORMULA: Final = re.compile(r"(^|[;,\t\r\n|])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet begins to calculate, whatever it takes for the border of a cell."""


_TEXTS: Final = frozenset(
    {"as of", "basis", "channel_id", "charge", "charges", "day", "for", "name", "provider"}
    | {"reached", "source", "stream_id", "unit", "what", "why"}
)


@frozen
class Table:
    """Rows under a title.

    Attributes:
        title: what they are.
        columns: their names.
        rows: the cells of each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    @property
    def numbers(self) -> frozenset[str]:
        """The columns that hold numbers, which end below each other."""
        return frozenset(name for name in self.columns if name not in _TEXTS)


def render_csv(report: MonthlyReport) -> str:
    """Return one row a line item, then one for each thing whose cost is not known.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_row_of_line(report, line) for line in report.lines)
    writer.writerows(_row_of_unpriced(report, one) for one in report.unpriced)
    return text.getvalue()


def _row_of_line(report: MonthlyReport, line: CostLine) -> list[str]:
    return [
        str(report.month),
        line.day.isoformat(),
        _harmless(line.provider),
        _harmless(line.account),
        _harmless(line.stream_id),
        _harmless(line.channel_id),
        _harmless(line.name),
        _harmless(line.price.name),
        _plain(line.quantity),
        _harmless(line.price.unit),
        f"{line.price.amount:f}",
        f"{line.price.per:.15g}",
        line.price.currency,
        _plain(line.cost.amount),
        line.cost.currency,
        line.basis.value,
        _harmless(line.why),
        _yes(line.carried_over),
        _yes(line.price.verified),
        _yes(line.overridden),
        line.price.as_of,
        _harmless(line.price.source),
    ]


def _row_of_unpriced(report: MonthlyReport, one: Unpriced) -> list[str]:
    known = {
        "month": str(report.month),
        "provider": _harmless(one.ref.provider),
        "account": _harmless(one.ref.account),
        "stream_id": _harmless(one.ref.stream_id),
        "item": one.meter.value,
        "currency": report.currency,
        "basis": NOT_KNOWN,
        "why": _harmless(one.why),
    }
    return [known.get(column, "") for column in COLUMNS]


@lru_cache(maxsize=4096)
def _harmless(text: str | None) -> str:
    return "" if text is None else _FORMULA.sub(r"\1\2'", text)


def _plain(value: Decimal) -> str:
    rounded = value.quantize(_PLACES, rounding=ROUND_HALF_EVEN, context=EXACT)
    return f"{rounded.normalize(EXACT):f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def text_tables(report: MonthlyReport) -> list[Table]:
    """Return the report as tables for a terminal; those without rows are left out."""
    money = report.currency
    tables = [
        Table(
            "Budgets",
            ("for", f"budget {money}", f"spent {money}", "used", f"month's end {money}", "reached"),
            tuple(
                (
                    words.scope(one.budget, report.month),
                    words.amount(one.budget.amount),
                    words.amount(one.spent),
                    words.percent(one.share),
                    words.amount(one.forecast),
                    ", ".join(f"{percent} %" for percent in one.reached) or None,
                )
                for one in report.budgets
            ),
        ),
        Table(
            "By provider",
            (
                *("provider", "live streams", "hours live", "viewer hours"),
                *(f"measured {money}", f"estimated {money}", f"cost {money}"),
            ),
            tuple(
                (
                    one.provider,
                    words.count(one.usage.live_streams),
                    words.hours(one.usage.live_seconds),
                    words.hours(one.usage.viewer_seconds),
                    words.amount(one.cost.measured),
                    words.amount(one.cost.estimated),
                    words.amount(one.cost.total),
                )
                for one in report.by_provider
            ),
        ),
        Table(
            "By channel",
            (
                "channel_id",
                "provider",
                "live streams",
                "hours live",
                "viewer hours",
                f"cost {money}",
            ),
            tuple(
                (
                    one.channel_id,
                    ", ".join(one.providers),
                    words.count(one.usage.live_streams),
                    words.hours(one.usage.live_seconds),
                    words.hours(one.usage.viewer_seconds),
                    words.amount(one.cost.total),
                )
                for one in report.by_channel
            ),
        ),
        Table(
            "Day by day",
            (
                *("day", "live streams", "hours live", "viewer hours"),
                *(f"{one.provider} {money}" for one in report.by_provider),
                f"cost {money}",
            ),
            tuple(
                (
                    one.day.isoformat(),
                    words.count(one.usage.live_streams),
                    words.hours(one.usage.live_seconds),
                    words.hours(one.usage.viewer_seconds),
                    *(words.amount(cost) for cost in one.by_provider.values()),
                    words.amount(one.cost.total),
                )
                for one in report.days_so_far
            ),
        ),
        Table(
            "Largest live streams",
            ("stream_id", "name", "channel_id", "hours live", "viewer hours", f"cost {money}"),
            tuple(
                (
                    one.ref.stream_id,
                    one.name,
                    one.channel_id,
                    words.hours(one.usage.live_seconds),
                    words.hours(one.usage.viewer_seconds),
                    words.amount(one.cost.total),
                )
                for one in report.largest
            ),
        ),
        Table(
            "Prices",
            ("provider", "charge", "used", "unit", "price", "as of", "source", f"cost {money}"),
            tuple(
                (
                    one.provider,
                    f"{one.price.name}{_marks(verified=one.price.verified, own=one.overridden)}",
                    words.number(one.quantity),
                    one.price.unit,
                    words.price(one.price),
                    one.price.as_of,
                    one.price.source,
                    words.amount(one.cost.total),
                )
                for one in report.prices
            ),
        ),
        Table(
            "What is estimated, and why",
            ("basis", "why", "charges", f"cost {money}"),
            tuple(
                (one.basis.value, one.why, ", ".join(one.items), words.amount(one.cost))
                for one in report.notes
            ),
        ),
        Table(
            "Not in these amounts",
            ("provider", "stream_id", "what", "why"),
            tuple(
                (one.ref.provider, one.ref.stream_id, one.meter.value, one.why)
                for one in report.unpriced
            ),
        ),
        Table(
            "Not counted, and maybe on a bill",
            ("provider", "charge", "unit", "price"),
            tuple(
                (provider, price.name, price.unit, words.price(price))
                for provider, price in report.uncounted
            ),
        ),
    ]
    return [table for table in tables if table.rows]


def _marks(*, verified: bool, own: bool) -> str:
    return ("" if verified else " (unverified)") + (" (set by you)" if own else "")


def headline(report: MonthlyReport) -> Sequence[tuple[str, str]]:
    """Return the figures that come first."""
    total = report.cost.total
    not_known = words.unrecorded(len(report.unrecorded)) if report.unrecorded else None
    until = "complete" if report.is_complete else words.moment(report.generated_at, report.month)
    return [
        ("month", f"{report.month} ({report.month.zone})"),
        ("until", until),
        ("total", str(total)),
        ("measured", str(report.cost.measured)),
        ("estimated", str(report.cost.estimated)),
        ("live streams", words.count(report.usage.live_streams)),
        ("hours live", words.hours(report.usage.live_seconds)),
        ("viewer hours", words.hours(report.usage.viewer_seconds)),
        ("pushed", _size(words.gigabytes(report.usage.ingest_bytes))),
        ("delivered", _size(words.gigabytes(report.usage.delivered_bytes))),
        *([("not known", not_known)] if not_known else ()),
    ]


def _size(gigabytes: str) -> str:
    return gigabytes if gigabytes == words.UNKNOWN else f"{gigabytes} GB"
