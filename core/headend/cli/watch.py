"""`headend watch`: all live streams, looked at again and again."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import click

from headend.cli.output import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headend.platform import StreamingPlatform
    from headend.watch import Watch, WatchView

_SHOWN_WARNINGS: Final = 3
"""Of what is logged while the screen is taken, the latest are shown on it."""


@click.command("watch")
@click.option(
    "--provider",
    "providers",
    metavar="NAME",
    multiple=True,
    help="A provider to watch; may be repeated. Without it STREAMING_PLATFORM decides.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=1.0, max=3600.0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds from one look to the next, at least 1.",
)
@click.option("--once", is_flag=True, help="Look once, at every live stream, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a look, in a line.")
def watch_command(
    *, providers: tuple[str, ...], interval: float, once: bool, as_json: bool
) -> None:
    """Watch all live streams: state, viewers, costs so far.

    What is seen is kept in the ledger: from this come peaks, watch times and costs that a
    platform does not tell. Any number of watchers may run, and nothing counts twice. Ctrl-C ends
    it.
    """
    from headend.costs.book import open_costs
    from headend.watch import Watch

    has_screen = not once and not as_json and sys.stdout.isatty()
    with ExitStack() as stack:
        book = stack.enter_context(open_costs())
        names: Sequence[str | None] = tuple(dict.fromkeys(providers)) or (None,)
        platforms = [stack.enter_context(_open(name, tells_waits=not has_screen)) for name in names]
        try:
            watch = Watch(platforms, book, interval=interval)
        except ValueError as error:
            # What is no number passes every range.
            raise click.BadParameter(str(error), param_hint="--interval") from error
        if once:
            view = watch.look(thoroughly=True)
            _print(view, as_json=as_json)
            failures = watch.failures
            if len(failures) == len(platforms):
                raise next(iter(failures.values()))
            # A webhook may take its time, and the person has the figures by then.
            book.check_budgets()
            return
        try:
            if has_screen:
                _show(watch)
            for view in watch.run():
                _print(view, as_json=as_json)
        except KeyboardInterrupt:
            return


def _open(name: str | None, *, tells_waits: bool) -> StreamingPlatform:
    from headend.cli.waiting import open_platform
    from headend.platform import open as open_silently

    return open_platform(name) if tells_waits else open_silently(name)


def _print(view: WatchView, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(to_json(view), ensure_ascii=False))
        return
    from headend.cli.watch_table import print_view

    print_view(view)


def _show(watch: Watch) -> None:
    """Show each look on the whole screen, until somebody presses Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    from headend.cli.watch_table import render

    console = Console(markup=False, highlight=False)
    with (
        _warnings() as warnings,
        Live(console=console, screen=True, auto_refresh=False) as screen,
    ):
        screen.update("Looking ...", refresh=True)
        for view in watch.run():
            width, height = console.size
            screen.update(
                render(view, width=width, height=height, warnings=tuple(warnings)), refresh=True
            )


@contextmanager
def _warnings() -> Iterator[deque[str]]:
    """Collect what headend logs, which would else be written over the screen."""
    found: deque[str] = deque(maxlen=_SHOWN_WARNINGS)

    class _Collects(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, handler = logging.getLogger("headend"), _Collects(logging.WARNING)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
