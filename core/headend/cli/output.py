"""How commands print: one JSON value on stdout, or text for people; never an unasked-for secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set as AbstractSet
from datetime import date, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
import click

from headend.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from headend.presets import EncodingPreset

_Function = TypeVar("_Function", bound="Callable[..., object]")

_UNLIMITED: Final = 1_000_000
"""Characters in a line: more than any table has."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def to_json(value: object, *, show_secrets: bool = False) -> Json:
    """Turn a model into JSON data with the model's attribute names; a masked secret is ``null``."""
    if isinstance(value, Secret):
        return value.reveal() if show_secrets else None
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tzinfo):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"  # a JSON number would be read as floating point
    if isinstance(value, Mapping):
        return {str(key): to_json(one, show_secrets=show_secrets) for key, one in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((to_json(one, show_secrets=show_secrets) for one in value), key=str)
    if isinstance(value, Sequence):
        return [to_json(one, show_secrets=show_secrets) for one in value]
    kind: type = type(value)
    if attrs.has(kind):
        return {
            attribute.name: to_json(getattr(value, attribute.name), show_secrets=show_secrets)
            for attribute in attrs.fields(kind)
        }
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(value: object, *, show_secrets: bool = False) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(to_json(value, show_secrets=show_secrets), ensure_ascii=False, indent=2))


def print_fields(rows: Iterable[tuple[str, object]], *, show_secrets: bool = False) -> None:
    """Print names and values, one below the other."""
    shown = [(name, text_of(value, show_secrets=show_secrets)) for name, value in rows]
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        click.echo(f"{name:<{width}}  {text}")


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Collection[str] = ()
) -> None:
    """Print a table; nothing in it is cut off, whatever the width of the terminal.

    Args:
        columns: their names.
        rows: the cells of each.
        numbers: the columns whose cells end below each other.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for name, column in zip(columns, table.columns, strict=True):
        column.overflow = "fold"
        if name in numbers:
            column.justify = "right"
    for row in rows:
        table.add_row(*(text_of(cell) for cell in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        unlimited = console.options.update(max_width=_UNLIMITED)
        console.width = console.measure(table, options=unlimited).maximum
    console.print(table)


def text_of(value: object, *, show_secrets: bool = False) -> str:
    """Return how a value is shown to a person, in one line."""
    if isinstance(value, Secret):
        return value.reveal() if show_secrets else MASK
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "-"
    if isinstance(value, (AbstractSet, list, tuple)):
        parts = sorted(value) if isinstance(value, AbstractSet) else value
        return ", ".join(str(part) for part in parts) or "-"
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(value))


def provider_option(function: _Function) -> _Function:
    """Add ``--provider`` to a command."""
    return click.option(
        "--provider",
        metavar="NAME",
        help="The provider; without it STREAMING_PLATFORM decides.",
    )(function)


def json_option(function: _Function) -> _Function:
    """Add ``--json`` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value on stdout.")(
        function
    )


def show_key_option(function: _Function) -> _Function:
    """Add ``--show-key`` to a command."""
    return click.option("--show-key", is_flag=True, help="Show the stream key.")(function)


def preset_option(function: _Function) -> _Function:
    """Add ``--preset`` to a command, which gets a name; `chosen_preset` finds it."""
    from headend.presets import DEFAULT_PRESET

    return click.option(
        "--preset",
        "encoding",
        metavar="NAME",
        default=DEFAULT_PRESET,
        show_default=True,
        help="What the encoder sends: 1080p, 720p, 480p, or a preset of your settings.",
    )(function)


def chosen_preset(name: str) -> EncodingPreset:
    """Return the preset that a person has named.

    Raises:
        UsageError: there is none.
        ConfigurationError: the host's own presets are wrong.
    """
    from headend.presets import find_preset

    try:
        return find_preset(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
