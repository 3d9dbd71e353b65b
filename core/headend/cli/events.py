"""`headend events`: what happened to live streams, from the ledger."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from headend.cli.ages import Age
from headend.cli.output import json_option, print_json, print_table, text_of, to_json
from headend.ledger.journal import LedgerEventKind, follow

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from headend.ledger import Ledger, LedgerEvent

_COLUMNS: Final = (
    "number",
    "occurred_at",
    "kind",
    "provider",
    "stream_id",
    "channel_id",
    "caused_by",
    "detail",
)


@click.command("events")
@click.option("--follow", "follows", is_flag=True, help="Go on with what happens from now on.")
@click.option(
    "--since",
    type=Age(),
    default="7d",
    show_default=True,
    help="How far back to begin, e.g. 90s, 15m, 2h, 1d.",
)
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="Begin after the event with this number instead; going on so misses none.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in LedgerEventKind]),
    metavar="KIND",
    help=f"Only this kind; may be repeated: {', '.join(kind.value for kind in LedgerEventKind)}.",
)
@click.option("--provider", metavar="NAME", help="Only what is about this provider.")
@json_option
def events_command(
    *,
    follows: bool,
    since: float,
    after: int | None,
    kinds: tuple[str, ...],
    provider: str | None,
    as_json: bool,
) -> None:
    """Show what happened to live streams.

    The earliest comes first. With --follow and --json, each event is one JSON object in a line
    of its own.
    """
    from contextlib import closing

    from headend.clock import SystemClock
    from headend.errors import ConfigurationError
    from headend.ledger import open_host_ledger
    from headend.settings import Configuration

    clock = SystemClock()
    begin = None if after is not None else _ago(clock.now(), since)
    wanted = [LedgerEventKind(kind) for kind in kinds] or None
    with closing(open_host_ledger(Configuration.load(), clock=clock)) as ledger:
        if ledger.location is None:
            raise ConfigurationError.of(
                "the ledger", ["HEADEND_DATABASE_URL: is none, so that no events are kept"]
            )
        if follows:
            found = follow(
                ledger, clock=clock, after=after or 0, since=begin, kinds=wanted, provider=provider
            )
            for event in found:
                click.echo(_json_line(event) if as_json else _line(event))
            return
        _show(ledger, after or 0, begin, wanted, provider, as_json=as_json)


def _show(
    ledger: Ledger,
    after: int,
    begin: datetime | None,
    kinds: Collection[LedgerEventKind] | None,
    provider: str | None,
    *,
    as_json: bool,
) -> None:
    found = ledger.events(after=after, since=begin, kinds=kinds, provider=provider)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("No events.")
    else:
        rows = [[getattr(event, column) for column in _COLUMNS] for event in found]
        print_table(_COLUMNS, rows, numbers=["number"])


def _ago(now: datetime, seconds: float) -> datetime | None:
    """Return a moment so long ago, or `None` where that is longer than there are years."""
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _json_line(event: LedgerEvent) -> str:
    return json.dumps(to_json(event), ensure_ascii=False)


def _line(event: LedgerEvent) -> str:
    cells = [text_of(getattr(event, column)) for column in _COLUMNS]
    return "  ".join(cells)
