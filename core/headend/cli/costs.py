"""`headend costs`: what live streams cost, will cost, and may cost."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from headend.cli.output import (
    json_option,
    preset_option,
    print_json,
    print_table,
    provider_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.costs.book import CostBook
    from headend.costs.budgets import BudgetStatus
    from headend.costs.collect import Collected
    from headend.costs.estimate import Estimate
    from headend.costs.lines import Costs
    from headend.costs.money import Money
    from headend.costs.months import Month

_ELSEWHERE: Final = {"report": "headend.cli.costs_report:report_command"}
"""Commands of the group that have a module of their own."""


class _Costs(click.Group):
    """Imports a command with a module of its own when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = _ELSEWHERE[cmd_name].partition(":")
        command: object = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class _Number(click.ParamType[Decimal]):
    """A number from 0, exactly as it is written."""

    name = "NUMBER"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            self.fail(f"{value!r} is not a number from 0", param, ctx)
        return number


@click.group("costs", cls=_Costs)
def costs_command() -> None:
    """Tell what live streams cost.

    Amounts come from each provider's price list, which `headend providers NAME` shows with
    source and date; HEADEND_PRICES or the table [costs] of the configuration file overrides a
    price.
    """


@costs_command.command("estimate")
@click.option("--minutes", type=_Number(), required=True, help="How long the broadcast is.")
@click.option("--viewers", type=_Number(), required=True, help="How many watch on average.")
@preset_option
@click.option(
    "--recorded/--not-recorded",
    default=True,
    help="Whether it is kept for a month, where that costs; default: it is.",
)
@json_option
def estimate_command(
    minutes: Decimal, viewers: Decimal, encoding: str, *, recorded: bool, as_json: bool
) -> None:
    """Tell what a broadcast will cost, on all installed providers.

    Nothing is created, and no platform is asked. All viewers are taken to watch what the encoder
    sends, from the beginning to the end.
    """
    from headend.costs.book import open_costs

    with open_costs() as book:
        try:
            found = book.estimate(
                minutes=minutes, viewers=viewers, encoding=encoding, recorded=recorded
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    if as_json:
        print_json(found)
        return
    hours = f"{minutes * viewers / 60:,.1f}"
    sent = max((one.delivered_bytes for one in found), default=Decimal(0)) / 1_000_000_000
    click.echo(
        f"{minutes:f} min in {encoding}, watched by {viewers:f}: {hours} hours watched, "
        f"{sent:,.1f} GB sent to viewers."
    )
    _show_estimates(found)


def _show_estimates(found: list[Estimate]) -> None:
    from headend.facts import Meter

    meters = [
        (meter, title)
        for meter, title in (
            (Meter.INGEST, "pushed"),
            (Meter.WATCH, "watched"),
            (Meter.STORAGE, "recorded"),
            (Meter.BANDWIDTH, "sent"),
        )
        if any(one.cost_of(meter) is not None for one in found)
    ]
    print_table(
        ("provider", "created with", "total", *(title for _, title in meters), "prices", "as of"),
        [
            (
                one.provider,
                _created_with(one),
                str(one.total),
                *(_amount(one.cost_of(meter)) for meter, _ in meters),
                _trust(one),
                ", ".join(sorted({item.price.as_of for item in one.items})),
            )
            for one in found
            if one.total is not None
        ],
        numbers=("total", *(title for _, title in meters)),
    )
    for one in found:
        named = " ".join(filter(None, (one.provider, _created_with(one))))
        if one.problem is not None:
            click.echo(f"{named}: no estimate: {one.problem}")
        for note in one.notes:
            click.echo(f"{named}: {note}")
    if any(not one.verified for one in found if one.total is not None):
        click.echo("unverified: not the platform's own word; `headend providers NAME` tells more.")


def _created_with(one: Estimate) -> str:
    options = ", ".join(f"{name}={value}" for name, value in one.terms.items())
    return f"{options} (default)" if options and one.is_default else options


def _amount(cost: Money | None) -> str:
    return "-" if cost is None else str(cost)


def _trust(one: Estimate) -> str:
    if not one.verified:
        return "unverified"
    return "your own" if any(item.overridden for item in one.items) else "listed"


@costs_command.command("status")
@json_option
def status_command(*, as_json: bool) -> None:
    """Show what was spent in this month, and how the budgets stand.

    Thresholds that were reached and that nobody was told of are told then: on stderr, to the
    webhook, and to plugins.
    """
    from headend.costs.book import open_costs

    with open_costs() as book:
        check_that_it_is_kept(book)
        month = book.month()
        costs = book.costs()
        budgets = book.budgets()
        expected = book.forecast(costs)
        providers = sorted({line.provider for line in costs.lines})
        if as_json:
            print_json(
                {
                    "month": str(month),
                    "time_zone": month.zone,
                    "spent": costs.total,
                    "forecast": expected,
                    "by_provider": {name: costs.of(name) for name in providers},
                    "budgets": budgets,
                    "unpriced": costs.unpriced,
                    "unrecorded": costs.unrecorded,
                }
            )
        else:
            _show_status(month, costs, budgets, expected)
        # A webhook may take its time, and the person has the figures by then.
        book.check_budgets()


def check_that_it_is_kept(book: CostBook) -> None:
    """Refuse to tell what was spent where nothing of it is kept: that is unknown, and not 0.

    Raises:
        ConfigurationError: the ledger is off.
    """
    from headend.errors import ConfigurationError

    if book.ledger.location is None:
        raise ConfigurationError.of(
            "the ledger", ["HEADEND_DATABASE_URL: is none, so that no costs are kept"]
        )


def _show_status(
    month: Month, costs: Costs, budgets: Sequence[BudgetStatus], expected: Money
) -> None:
    from headend.costs import words

    providers = sorted({line.provider for line in costs.lines})
    print_table(
        ("month", "provider", "spent"),
        [
            *((month, name, costs.of(name)) for name in providers),
            (month, "all", costs.total),
        ],
        numbers=("spent",),
    )
    click.echo(f"At this rate {month} will have cost {expected} at its end ({month.zone}).")
    if budgets:
        click.echo()
        print_table(
            ("budget", "may be spent", "spent", "share", "reached", "forecast"),
            [_budget_row(one) for one in budgets],
            numbers=("may be spent", "spent", "share", "reached", "forecast"),
        )
    else:
        click.echo("There is no budget; HEADEND_BUDGETS sets one, such as all=200.")
    if costs.unpriced:
        click.echo(
            f"{len(costs.unpriced)} things were used whose cost is not known; "
            "`headend costs report` names them."
        )
    if costs.unrecorded:
        click.echo(
            f"{words.unrecorded(len(costs.unrecorded))}; `headend watch` looks, and "
            "`headend costs update` asks the platform."
        )


def _budget_row(one: BudgetStatus) -> tuple[object, ...]:
    reached = f"{one.reached[-1]} %" if one.reached else ""
    return (
        one.budget.scope,
        one.budget.amount,
        one.spent,
        f"{one.share * 100:,.1f} %",
        reached,
        one.forecast,
    )


@costs_command.command("update")
@provider_option
@json_option
def update_command(provider: str | None, *, as_json: bool) -> None:
    """Ask a platform for what it counted itself.

    Its sessions, recordings and watch times replace what headend worked out from what it saw.
    Run it now and then, at least once a month: platforms forget, and recordings that were
    never listed cannot be billed to anybody.
    """
    from headend.cli.waiting import open_platform
    from headend.costs.book import open_costs

    with open_costs() as book, open_platform(provider) as platform:
        told = book.update(platform)
        if as_json:
            print_json(told)
        elif not told:
            click.echo("The platform has no live stream, and the ledger has none of it.")
        else:
            _show_told(told)
        book.check_budgets()


def _show_told(told: Sequence[Collected]) -> None:
    print_table(
        ("stream_id", "channel_id", "sessions", "recordings", "seconds watched", "note"),
        [
            (
                one.stream_id,
                one.channel_id,
                one.sessions,
                one.recordings,
                one.watch_seconds,
                one.note,
            )
            for one in told
        ],
        numbers=("sessions", "recordings", "seconds watched"),
    )
