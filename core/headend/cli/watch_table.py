"""How a watcher's view is shown: a table that fits, bars of the budgets, and what is not known.

Figures are never cut.  Where the terminal is too narrow, columns are left out, the least needed
first; where it is too low, the live streams in which nothing goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Final

from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from headend.cli.output import text_of
from headend.costs.lines import Basis
from headend.models import StreamState
from headend.watch.view import Source, WatchRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from rich.console import RenderableType

    from headend.costs.budgets import BudgetStatus
    from headend.watch.view import CostFigure, Figure, WatchView

_UNLIMITED: Final = 1_000_000
_DERIVED: Final = "~"
_MORE: Final = "+"
_NAME: Final = 20
"""The narrowest that a name becomes before a column is left out."""
_SHORTEST_NAME: Final = 8
_BAR: Final = 20
_BAR_PLACE, _PERCENT, _EXPECTED = 1, 2, 4
"""Where these are in the line of a budget."""
_FULL, _EMPTY = "\N{FULL BLOCK}", "\N{LIGHT SHADE}"
_HUNDRED: Final = 100
_WARN_AT: Final = 80
_COLUMN_GAP: Final = 2
"""Between two columns; the box of the table brings one of them."""
_FEWEST_ROWS: Final = 3
_TABLE_HEAD: Final = 2

_STYLES: Final = {
    StreamState.LIVE: "bold green",
    StreamState.INTERRUPTED: "bold yellow",
    StreamState.CONNECTING: "yellow",
    StreamState.ERROR: "bold red",
    StreamState.UNKNOWN: "yellow",
}


@frozen
class _Column:
    """A column of the table.

    Attributes:
        title: what stands above it.
        cell: what stands in it.
        rank: columns of a higher rank are left out first.
        is_number: whether its cells end below each other.
    """

    title: str
    cell: Callable[[WatchRow], str]
    rank: int
    is_number: bool = True


def print_view(view: WatchView) -> None:
    """Print a view once; where the output is no terminal it is as wide as it needs to be."""
    console = Console(markup=False, highlight=False, soft_wrap=False)
    width = console.width if console.is_terminal else _UNLIMITED
    shown = render(view, width=width)
    if not console.is_terminal:
        unlimited = console.options.update(max_width=_UNLIMITED)
        console.width = max(1, console.measure(shown, options=unlimited).maximum)
    console.print(shown)


def render(
    view: WatchView,
    *,
    width: int,
    height: int | None = None,
    warnings: Sequence[str] = (),
) -> RenderableType:
    """Return a view as it is shown in so many columns, and lines where these are limited.

    Args:
        view: what was seen.
        width: how wide it may be.
        height: how high it may be; `None`: as high as it needs to be.
        warnings: what else is to be said at the end.
    """
    below: list[RenderableType] = [*_money(view, width)]
    notes = [*_problems(view), *(Text(_in_a_line(one), style="yellow") for one in warnings)]
    notes += _explanations(view)
    if notes:
        below += [Text(), *notes]
    above: list[RenderableType] = [_headline(view)]
    room = None
    if height is not None:
        room = height - _TABLE_HEAD - _height([*above, *below], width)
    rows = _that_fit(view.rows, room)
    if rows:
        above.append(_table(view, rows, width))
    left_out = view.rows[len(rows) :]
    if left_out:
        live = sum(row.state is StreamState.LIVE for row in left_out)
        said = f"{live:,} of them live" if live else "none of them live"
        above.append(Text(f"and {len(left_out):,} more, {said}", style="dim"))
    elif not view.rows and all(one.looked_at and not one.problem for one in view.providers):
        above.append(Text("There is no live stream. `headend create CHANNEL_ID` makes one."))
    return Group(*above, *below)


def _that_fit(rows: Sequence[WatchRow], room: int | None) -> Sequence[WatchRow]:
    """Return the first rows, which are those in which something goes on, as room is left."""
    if room is None or len(rows) <= room:
        return rows
    return rows[: max(room - 1, _FEWEST_ROWS)]


def _height(parts: Iterable[RenderableType], width: int) -> int:
    console = Console(width=max(width, 1), markup=False, highlight=False)
    return sum(len(console.render_lines(part)) for part in parts)


def _headline(view: WatchView) -> Text:
    live = sum(one.live for one in view.providers)
    count = sum(one.live_streams for one in view.providers)
    names = ", ".join(one.provider for one in view.providers)
    return Text.assemble(
        (f"{live} live", "bold"),
        f" of {count:,} live streams on {names} at {_clock(view.at)}",
    )


# -- the table -------------------------------------------------------------------------------------


def _table(view: WatchView, rows: Sequence[WatchRow], width: int) -> Table:
    columns = [
        _Column("live stream", _name, 0, is_number=False),
        _Column("state", _state, 0, is_number=False),
        _Column("viewers", lambda row: _count(row.viewers), 0),
        _Column("cost", lambda row: _cost(row.session_cost), 1),
        _Column("live for", lambda row: _duration(row.live_seconds), 2),
        _Column("peak", lambda row: _count(row.peak_viewers), 3),
        _Column("this month", lambda row: _cost(row.month_cost), 5),
        _Column("bitrate", lambda row: _bitrate(row.bitrate), 6),
        _Column("watched", lambda row: _duration(row.watch_seconds), 7),
    ]
    if len(view.providers) > 1:
        columns.insert(0, _Column("provider", lambda row: row.ref.provider, 4, is_number=False))
    cells = {column.title: [text_of(column.cell(row)) for row in rows] for column in columns}
    widths = {
        title: max(cell_len(title), *(cell_len(one) for one in found))
        for title, found in cells.items()
    }
    kept = _that_are_kept(columns, widths, width)
    name = width - sum(widths[one.title] + _COLUMN_GAP for one in kept if one.title != _NAMES)
    widths[_NAMES] = max(_SHORTEST_NAME, min(widths[_NAMES], name))
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, _COLUMN_GAP - 1, 0, 0), show_edge=False
    )
    for column in kept:
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            width=widths[column.title],
            no_wrap=True,
        )
    for place, row in enumerate(rows):
        table.add_row(
            *(
                _styled(column, _cut(cells[column.title][place], widths[column.title]), row)
                for column in kept
            ),
            style="" if row.state in _STYLES else "dim",
        )
    return table


_NAMES: Final = "live stream"


def _that_are_kept(columns: Sequence[_Column], widths: dict[str, int], width: int) -> list[_Column]:
    """Leave columns out until the rest fits, with names that still tell something."""
    kept = list(columns)

    def needed() -> int:
        name = min(widths[_NAMES], _NAME)
        others = (widths[one.title] for one in kept if one.title != _NAMES)
        return name + sum(others) + _COLUMN_GAP * len(kept)

    while needed() > width and max(one.rank for one in kept) > 0:
        worst = max(kept, key=lambda one: one.rank)
        kept.remove(worst)
    return kept


def _cut(text: str, width: int) -> str:
    """Shorten a name; nothing else is ever too long."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _styled(column: _Column, text: str, row: WatchRow) -> Text:
    if column.title == "state" and row.state is not None:
        return Text(text, style=_STYLES.get(row.state, ""))
    return Text(text)


def _name(row: WatchRow) -> str:
    return row.name or row.channel_id or row.ref.stream_id


def _state(row: WatchRow) -> str:
    state = "not seen yet" if row.state is None else str(row.state)
    return f"{state}?" if row.is_stale or row.problem else state


def _mark(figure: Figure) -> str:
    return _DERIVED if figure.source is Source.DERIVED else ""


def _count(figure: Figure) -> str:
    return "-" if figure.value is None else f"{_mark(figure)}{figure.value:,.0f}"


def _duration(figure: Figure) -> str:
    if figure.value is None:
        return "-"
    minutes, seconds = divmod(int(figure.value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{_mark(figure)}{hours:,}:{minutes:02}:{seconds:02}"


def _bitrate(figure: Figure) -> str:
    return "-" if figure.value is None else f"{_mark(figure)}{figure.value / 1e6:,.1f} Mbit/s"


def _cost(cost: CostFigure) -> str:
    if cost.amount is None:
        return "-"
    mark = _DERIVED if cost.basis is Basis.ESTIMATED else ""
    return f"{mark}{cost.amount}{'' if cost.is_all else _MORE}"


# -- below it --------------------------------------------------------------------------------------


def _money(view: WatchView, width: int) -> list[RenderableType]:
    if view.costs_problem is not None:
        # The ledger's own trouble is told once, with the other problems.
        same = view.costs_problem == view.ledger_problem
        why = "the ledger cannot be read" if same else _in_a_line(view.costs_problem)
        return [Text(), Text(f"costs are not known: {why}", style="yellow")]
    if view.spent is None:
        return []
    said = [f"{view.month}: {view.spent} spent", f"{view.forecast} expected by its end"]
    if view.costs_at is not None and (view.at - view.costs_at).total_seconds() > view.interval:
        said.append(f"as of {_clock(view.costs_at)}")
    lines: list[RenderableType] = [Text(), Text(", ".join(said))]
    if view.budgets:
        lines.append(_budgets(view.budgets, width))
    return lines


def _budgets(budgets: Sequence[BudgetStatus], width: int) -> Table:
    """Return a line for each budget; what is expected, and the bar, need room."""
    rows = [
        (
            Text(text_of(one.budget.scope)),
            _bar(one.share),
            Text(f"{one.share * 100:,.0f} %"),
            Text(f"{one.spent} of {one.budget.amount}"),
            Text(f"{one.forecast} expected"),
        )
        for one in budgets
    ]
    widths = [max(cell_len(row[place].plain) for row in rows) for place in range(len(rows[0]))]
    kept = [*range(len(widths))]
    for least in (_EXPECTED, _BAR_PLACE):
        if sum(widths[place] + _COLUMN_GAP for place in kept) > width:
            kept.remove(least)
    table = Table.grid(padding=(0, _COLUMN_GAP, 0, 0))
    for place in kept:
        table.add_column(no_wrap=True, justify="right" if place == _PERCENT else "left")
    for row in rows:
        table.add_row(*(row[place] for place in kept))
    return table


def _bar(share: Decimal) -> Text:
    percent = share * _HUNDRED
    style = "red" if percent >= _HUNDRED else "yellow" if percent >= _WARN_AT else "green"
    full = min(_BAR, int(share * _BAR))
    return Text.assemble((_FULL * full, style), (_EMPTY * (_BAR - full), "dim"))


def _problems(view: WatchView) -> list[Text]:
    """Return what went wrong, each once."""
    said: list[tuple[str, str]] = []
    if view.ledger_problem is not None:
        said.append(("red", f"nothing is kept: {view.ledger_problem}"))
    elif not view.is_kept:
        said.append(
            ("yellow", "nothing is kept: the ledger is off, so costs are those since this began")
        )
    for one in view.providers:
        if one.asked_since is not None:
            said.append(
                ("yellow", f"{one.provider}: asked since {_clock(one.asked_since)}, and not done")
            )
        if one.problem is not None:
            said.append(("red", f"{one.provider}: {one.problem}"))
        if one.not_seen_yet:
            said.append(
                ("dim", f"{one.provider}: {one.not_seen_yet:,} live streams wait to be looked at")
            )
        said += [("yellow", f"{one.provider}: {note}") for note in one.notes]
    said += [
        ("yellow", f"{_name(row)}: {row.problem}") for row in view.rows if row.problem is not None
    ]
    said += [
        ("dim", f"{_name(row)} is {row.state}: {row.state_reason}")
        for row in view.rows
        if row.state_reason is not None and row.problem is None
    ]
    return [Text(_in_a_line(words), style=style) for style, words in dict.fromkeys(said)]


def _in_a_line(words: str) -> str:
    """Return what was said, without the line breaks of an error that lists several problems."""
    return text_of(" ".join(words.split()))


def _explanations(view: WatchView) -> list[Text]:
    """Return what the marks mean that are in the table, and why figures are not known."""
    said: list[str] = []
    live = [row for row in view.rows if row.session_cost.amount or row.live_seconds.value]
    figures = [
        figure
        for row in live
        for figure in (row.viewers, row.peak_viewers, row.bitrate, row.watch_seconds)
    ]
    costs = [cost for row in view.rows for cost in (row.session_cost, row.month_cost)]
    is_derived = any(
        one.source is Source.DERIVED for one in [*figures, *(row.live_seconds for row in live)]
    )
    if is_derived or any(one.basis is Basis.ESTIMATED for one in costs):
        said.append(f"{_DERIVED} worked out by headend from what it saw")
    if any(one.amount is not None and not one.is_all for one in costs):
        said.append(f"{_MORE} and more whose cost is not known")
    if any(row.is_stale for row in view.rows):
        said.append("? as it was seen before")
    reasons = dict.fromkeys(
        f"- {row.ref.provider}: {title}: {figure.why}"
        for row in live
        for title, figure in (
            ("viewers", row.viewers),
            ("peak", row.peak_viewers),
            ("bitrate", row.bitrate),
            ("watched", row.watch_seconds),
        )
        if figure.value is None
    )
    return [Text(text_of(one), style="dim") for one in (*said, *reasons)]


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S UTC")
