"""The report as a page: one file, readable without help, with no script and no foreign address."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.costs import charts, words
from headend.costs.budgets import ALL
from headend.costs.charts import COLOURS, Series
from headend.costs.lines import Basis
from headend.costs.money import Money
from headend.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from jinja2 import Environment

    from headend.costs.budgets import BudgetStatus
    from headend.costs.report import MonthlyReport
    from headend.facts import Price
    from headend.ledger.usage import StreamRef

MOST_ROWS: Final = 50
"""How many channels, or things that are not known, the page lists one by one."""
LONGEST_NAME: Final = 60
"""How many characters of a name the page shows; whoever points at it sees all."""
_MOST_BARS: Final = 10

_TEMPLATE: Final = "report.html"
_STYLE: Final = "report.css"


@frozen
class _Source:
    """Where prices are from, and what is to be known about them.

    Attributes:
        note: in words, or empty.
        as_of: the date on which the source said so.
        source: where it said so.
    """

    note: str
    as_of: str
    source: str


@frozen
class _Figure:
    """A chart on the page.

    Attributes:
        title: above it.
        legend: the names of its series.
        svg: the chart itself.
    """

    title: str
    legend: tuple[str, ...]
    svg: str


def render_html(report: MonthlyReport) -> str:
    """Return the page of a report.

    Raises:
        ConfigurationError: what draws it is not installed.
    """
    _require()
    sources = list(dict.fromkeys(_source(one) for one in _prices(report)))
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            report=report,
            style=_read(_STYLE),
            words=words,
            Basis=Basis,
            main_budget=_main_budget(report),
            figures=_Figures(report),
            channels=report.by_channel[:MOST_ROWS],
            other_channels=report.by_channel[MOST_ROWS:],
            other_channels_cost=Money.sum(
                (one.cost.total for one in report.by_channel[MOST_ROWS:]), report.currency
            ),
            sources=sources,
            cite=lambda price: sources.index(_source(price)) + 1,
            carried_over=Money.sum(
                (one.cost for one in report.lines if one.carried_over), report.currency
            ),
            unpriced=_unpriced(report),
            most_rows=MOST_ROWS,
            longest=LONGEST_NAME,
            is_link=_is_link,
            colours=COLOURS,
        )
    )


def _require() -> None:
    try:
        import jinja2  # noqa: F401

        charts.load_pygal()
    except ImportError as error:
        raise ConfigurationError(
            "the page of a report needs two more packages: pip install 'headend[report]' "
            f"({error.name} is missing)"
        ) from error


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def sentence(text: str) -> str:
        first, _, _ = text.partition(" ")
        # What is no word of English, such as the name of a function, stays as it is.
        return text[:1].upper() + text[1:] if first.isalpha() else text

    def finalize(value: object) -> object:
        # One place through which every name, note and address goes.
        if isinstance(value, str) and not isinstance(value, Markup):
            return words.clean(value)
        return value

    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = sentence
    return environment


def _read(name: str) -> str:
    return (files("headend.costs") / "templates" / name).read_text(encoding="utf-8")


def _is_link(source: str) -> bool:
    """Tell whether a source is an address that may be followed, and holds no password."""
    scheme, separator, rest = source.partition("://")
    return (
        scheme in {"http", "https"}
        and bool(separator)
        and "@" not in rest.partition("/")[0]
        and source == words.clean(source)
        and " " not in source
    )


def _prices(report: MonthlyReport) -> list[Price]:
    return [one.price for one in report.prices] + [price for _, price in report.uncounted]


def _source(price: Price) -> _Source:
    return _Source(price.note, price.as_of, price.source)


def _main_budget(report: MonthlyReport) -> BudgetStatus | None:
    """Return the budget that is for everything, that of this month before that of all months."""
    for scope in (str(report.month), ALL):
        for status in report.budgets:
            if status.budget.scope == scope:
                return status
    return None


def _unpriced(report: MonthlyReport) -> list[tuple[str, str, int]]:
    """Return each reason with whose it is and how many live streams have it, the most first."""
    streams: dict[tuple[str, str], set[StreamRef]] = {}
    for one in report.unpriced:
        streams.setdefault((one.ref.provider, one.why), set()).add(one.ref)
    rows = [(provider, why, len(refs)) for (provider, why), refs in streams.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


class _Figures:
    """The charts of a report."""

    def __init__(self, report: MonthlyReport) -> None:
        self._report = report
        # A report of nothing has charts too, and a chart has a series.
        self._providers = [one.provider for one in report.by_provider] or ["cost"]
        self._in = report.currency

    @property
    def by_day(self) -> _Figure:
        """The cost of each day, by provider."""
        title = f"Cost of each day in {self._in}"
        days = self._report.by_day
        return self._figure(
            title,
            charts.standing_bars(
                self._described(title),
                self._dates,
                [
                    Series(
                        words.clean(name),
                        tuple(
                            day.by_provider[name].amount if name in day.by_provider else None
                            for day in days
                        ),
                    )
                    for name in self._providers
                ],
                show=_axis,
            ),
            self._providers,
        )

    @property
    def so_far(self) -> _Figure:
        """What was spent until each day, and what may be spent."""
        report = self._report
        title = f"Cost since the beginning of the month in {self._in}"
        spent: list[Decimal | None] = []
        total = Money.zero(report.currency)
        for (_, start, _), day in zip(report.month.days, report.by_day, strict=True):
            total += day.cost.total
            spent.append(total.amount if start <= report.generated_at else None)
        series = [Series("cost so far", spent)]
        main = _main_budget(report)
        if main is not None:
            series.append(Series("budget", [main.budget.amount.amount] * len(spent)))
        return self._figure(
            title,
            charts.lines(self._described(title), self._dates, series, show=_axis),
            [one.name for one in series],
        )

    @property
    def by_provider(self) -> _Figure:
        """The cost of each provider, measured and estimated."""
        return self._of_groups(
            f"Cost of each provider in {self._in}",
            [
                (one.provider, one.cost.measured, one.cost.estimated)
                for one in self._report.by_provider
            ],
        )

    @property
    def by_channel(self) -> _Figure:
        """The cost of the most expensive channels, measured and estimated."""
        paid = [one for one in self._report.by_channel if one.cost.total]
        shown = (paid or self._report.by_channel)[:_MOST_BARS]
        those = f"the {_MOST_BARS} most expensive channels" if len(shown) == _MOST_BARS else ""
        return self._of_groups(
            f"Cost of {those or 'each channel'} in {self._in}",
            [
                (
                    words.NO_CHANNEL if one.channel_id is None else one.channel_id,
                    one.cost.measured,
                    one.cost.estimated,
                )
                for one in shown
            ],
        )

    @property
    def _dates(self) -> list[str]:
        return [str(one.day.day) for one in self._report.by_day]

    def _of_groups(self, title: str, groups: Sequence[tuple[str, Money, Money]]) -> _Figure:
        series = [
            Series("measured", [measured.amount for _, measured, _ in groups] or [None]),
            Series("estimated", [estimated.amount for _, _, estimated in groups] or [None]),
        ]
        labels = [words.clean(name) for name, _, _ in groups] or ["nothing"]
        return self._figure(
            title,
            charts.lying_bars(self._described(title), labels, series, show=_axis),
            [one.name for one in series],
        )

    def _figure(self, title: str, svg: str, legend: Sequence[str]) -> _Figure:
        return _Figure(title, tuple(legend), svg)

    def _described(self, title: str) -> str:
        return f"{title}, {words.month_name(self._report.month)}; the table below has the numbers"


def _axis(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.6g}"
