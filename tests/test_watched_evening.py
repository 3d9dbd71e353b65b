"""What the picture of `headend watch` shows, against a calculation that owes headend nothing.

The plan is that of examples/watched_evening.py.  Two providers answer from it, headend's own
watcher looks at them for an evening, and what it shows at the end is worked out here again from
the plan, in fractions, with the prices as they were read in November 2026.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from headend.cli.watch_table import render
from headend.models import StreamState
from headend.watch import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from headend.watch import WatchRow, WatchView

EXAMPLES = Path(__file__).parents[1] / "examples"

# USD for an hour: pushed by channel type, watched by picture height.
PUSHED = {
    "STANDARD": Fraction(2),
    "ADVANCED_HD": Fraction("0.85"),
    "ADVANCED_SD": Fraction("0.50"),
    "BASIC": Fraction("0.20"),
}
WATCHED = {480: Fraction("0.0375"), 720: Fraction("0.075"), 1080: Fraction("0.15")}
# USD for a minute delivered, and for a minute stored.
DELIVERED = Fraction(1, 1000)
STORED = Fraction(5, 1000)

MONTH_BEGINS = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield import_module("watched_evening")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def view(example: ModuleType) -> WatchView:
    shown: WatchView = example.watch_the_evening(None)
    return shown


@pytest.fixture(scope="module")
def live(view: WatchView) -> list[WatchRow]:
    return [row for row in view.rows if row.state in {StreamState.LIVE, StreamState.INTERRUPTED}]


def looks_until(example: ModuleType, one: object, moment: datetime) -> int:
    """Return how many of its looks are over at a moment."""
    passed = (moment - one.starts_at).total_seconds() // example.STEP  # type: ignore[attr-defined]  # a Broadcast
    return max(0, min(len(one.viewers), int(passed)))  # type: ignore[attr-defined]  # likewise


def cost(example: ModuleType, one: object, since: int, until: int) -> Fraction:
    """Return what a broadcast cost from one look to another, but for what it left behind."""
    hours = Fraction((until - since) * example.STEP, 3600)
    if one.provider == example.IVS:  # type: ignore[attr-defined]  # a Broadcast
        watched = Fraction(sum(one.viewers[since:until]) * example.STEP, 3600)  # type: ignore[attr-defined]  # likewise
        return PUSHED[one.terms["type"]] * hours + WATCHED[one.height] * watched  # type: ignore[attr-defined]  # likewise
    return DELIVERED * Fraction(sum(one.watched[since:until]), 60)  # type: ignore[attr-defined]  # likewise


def test_each_live_stream_is_shown_as_the_plan_has_it(
    example: ModuleType, live: list[WatchRow]
) -> None:
    planned = {one.stream_id: one for one in (*example.plan(), *example.evening())}
    on_air = [one for one in planned.values() if example.look_of(one, example.END) is not None]

    assert {row.ref.stream_id for row in live} == {one.stream_id for one in on_air}
    assert len(live) == 6
    for row in live:
        one = planned[row.ref.stream_id]
        look = looks_until(example, one, example.END)
        is_ivs = one.provider == example.IVS
        assert (row.name, row.channel_id) == (one.name, one.channel_id)
        assert row.viewers.value == one.viewers[look]
        assert row.live_seconds.value == look * example.STEP
        assert row.peak_viewers.value == max(one.viewers[: look + 1])
        assert row.peak_viewers.source is (Source.PLATFORM if is_ivs else Source.DERIVED)
        assert row.bitrate.value == one.bitrate
        watched = sum(one.viewers[:look]) * example.STEP if is_ivs else sum(one.watched[:look])
        assert row.watch_seconds.value == watched
        expected = cost(example, one, 0, look)
        if not is_ivs:
            # Nobody has listed the recording yet, so that it is taken to be as long as it is live.
            expected += STORED * Fraction(look * example.STEP, 60)
        assert row.session_cost.amount is not None
        assert abs(Fraction(row.session_cost.amount.amount) - expected) < Fraction(1, 10**9)
        assert row.month_cost.amount == row.session_cost.amount


def test_the_month_and_the_budgets_add_up(example: ModuleType, view: WatchView) -> None:
    sums = {example.CLOUDFLARE: Fraction(0), example.IVS: Fraction(0)}
    for one in (*example.plan(), *example.evening()):
        since = looks_until(example, one, MONTH_BEGINS)
        until = looks_until(example, one, example.END)
        if one.starts_at >= example.END:
            continue
        sums[one.provider] += cost(example, one, since, until)
        if one.provider == example.CLOUDFLARE:
            was_listed = one.ends_at < example.BEGIN
            kept = one.recording.seconds if was_listed else until * example.STEP
            sums[one.provider] += STORED * Fraction(kept, 60)

    assert view.spent is not None
    assert abs(Fraction(view.spent.amount) - sum(sums.values())) < Fraction(1, 10**9)
    both, cloudflare = view.budgets
    assert both.spent == view.spent
    assert abs(Fraction(cloudflare.spent.amount) - sums[example.CLOUDFLARE]) < Fraction(1, 10**9)


def test_the_picture_has_these_figures(view: WatchView, live: list[WatchRow]) -> None:
    console = Console(width=132, markup=False, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(render(view, width=132, height=36))
    text = capture.get()

    assert "5 live of 18 live streams on cloudflare, aws-ivs at 02:33:00 UTC" in text
    assert f"{view.spent} spent, {view.forecast} expected by its end" in text
    for row in live:
        (line,) = (one for one in text.splitlines() if str(row.name) in one and " is " not in one)
        assert re.search(rf" {row.viewers.value:,} +~{row.session_cost.amount} ", line)
    # The picture in the documentation was made of these.
    assert "2,731.65 USD spent, 4,702.18 USD expected by its end" in text
    assert re.search(r"Cup final, live talk +live +774 +~134.20 USD +1:18:00 +873 ", text)
