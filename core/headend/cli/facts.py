"""How `headend providers NAME` shows what is known of a platform beside its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from headend.cli.output import print_fields, print_table
from headend.encoding import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from headend.facts import EncoderLimits, Facts, Latency, Permission, Price, Quota

_T = TypeVar("_T")

UNVERIFIED: Final = "unverified"


class _Sources:
    """The sources so far, each with a number by which a table refers to it."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._has_unverified = False

    def cite(self, source: str, as_of: str, *, verified: bool = True) -> str:
        """Return how a table refers to a source."""
        number = self._numbers.setdefault((source, as_of), len(self._numbers) + 1)
        if verified:
            return f"[{number}]"
        self._has_unverified = True
        return f"[{number}] {UNVERIFIED}"

    def print(self) -> None:
        """Print the list that the numbers refer to."""
        if not self._numbers:
            return
        click.echo("\nSources:")
        print_fields(
            (f"  [{number}]", f"{as_of}  {source}")
            for (source, as_of), number in self._numbers.items()
        )
        if self._has_unverified:
            click.echo(f"\n{UNVERIFIED}: not the platform's own word.")


def print_facts(facts: Facts) -> None:
    """Print all that is known, in tables, and where it is from."""
    sources = _Sources()

    def cite(fact: Quota | EncoderLimits | Price | Permission | Latency) -> str:
        return sources.cite(fact.source, fact.as_of, verified=fact.verified)

    _section(
        ("limit", "requests", "for each", "when exceeded", "source"),
        facts.limits,
        lambda one: (
            one.name,
            f"{_number(one.requests)} in {_number(one.window)} s",
            one.per,
            None if one.block is None else f"refuses all for {_number(one.block)} s",
            sources.cite(one.source, one.as_of),
        ),
    )
    _section(
        ("quota", "value", "unit", "note", "source"),
        facts.quotas,
        lambda one: (
            one.name,
            "not documented" if one.value is None else _number(one.value),
            one.unit,
            one.note,
            cite(one),
        ),
    )
    _section(
        ("encoders", "for", "may send", "beyond that", "note", "source"),
        facts.encoders,
        lambda one: (
            one.name,
            _for(one),
            "; ".join(allowed(one)),
            "cut off" if one.enforced else "advised against",
            one.note,
            cite(one),
        ),
    )
    _section(
        ("price", "amount", "for", "note", "source"),
        facts.prices,
        lambda one: (
            one.name,
            f"{one.amount:f} {one.currency}",
            one.unit if one.per == 1 else f"{_number(one.per)} x {one.unit}",
            one.note,
            cite(one),
        ),
    )
    _section(
        ("permission", "needed for", "note", "source"),
        facts.permissions,
        lambda one: (one.name, one.needed_for, one.note, cite(one)),
    )
    _section(
        ("latency", "behind the encoder", "note", "source"),
        facts.latencies,
        lambda one: (one.name, _range(one), one.note, cite(one)),
    )
    sources.print()


def _section(
    columns: Sequence[str], facts: Iterable[_T], row: Callable[[_T], Sequence[object]]
) -> None:
    rows = [row(one) for one in facts]
    if rows:
        used = [place for place in range(len(columns)) if any(cells[place] for cells in rows)]
        print_table(
            [columns[place] for place in used], [[cells[place] for place in used] for cells in rows]
        )


def _for(limits: EncoderLimits) -> str:
    words = [f"{name} {' or '.join(values)}" for name, values in limits.terms.items()]
    if limits.up_to_height is not None:
        words.append(f"pictures up to {limits.up_to_height}p")
    return ", ".join(words)


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,}"


def _range(latency: Latency) -> str:
    if latency.low is None:
        return "not documented" if latency.high is None else f"up to {_number(latency.high)} s"
    if latency.high is None:
        return f"from {_number(latency.low)} s"
    if latency.low == latency.high:
        return f"{_number(latency.low)} s"
    return f"{_number(latency.low)} to {_number(latency.high)} s"
