"""Every figure of the report on a seeded month is what the month's plan comes to.

The plan is that of examples/seeded_month.py.  A ledger is told what a watcher would have seen of
it, and the report is made from that ledger with the price lists of the installed providers.  What
it must say is worked out here from the plan alone, in fractions, with prices as the providers' own
pages have them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, date, datetime
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from headend.cli.output import to_json
from headend.costs.book import CostBook
from headend.costs.html import render_html
from headend.costs.tables import headline, render_csv, text_tables
from headend.errors import LedgerError
from headend.ledger import DeferredLedger, open_ledger
from headend.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from headend.costs.report import MonthlyReport

EXAMPLE = Path(__file__).parents[1] / "examples" / "seeded_month.py"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "costs-report.png"
PICTURE_SIZE = (1060, 2575)
BUDGETS = {"all": Fraction(3800), "cloudflare": Fraction(2000), "aws-ivs": Fraction(1650)}

# USD for an hour pushed, by the type of channel, and for an hour watched, by height.
PUSHED = {
    "STANDARD": Fraction("2.00"),
    "ADVANCED_HD": Fraction("0.85"),
    "ADVANCED_SD": Fraction("0.50"),
    "BASIC": Fraction("0.20"),
}
WATCHED = {480: Fraction("0.0375"), 720: Fraction("0.075"), 1080: Fraction("0.15")}
# USD for a minute delivered, and for a minute stored.
DELIVERED = Fraction(1, 1000)
STORED = Fraction(5, 1000)

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


@pytest.fixture(scope="module")
def seeded() -> ModuleType:
    spec = spec_from_file_location("seeded_month", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report(seeded: ModuleType) -> MonthlyReport:
    clock = seeded.ThatMoment()
    ledger = DeferredLedger(lambda: open_ledger(None, clock=clock, random=Random(1)))
    seeded.fill(ledger.get())
    settings = {
        "time_zone": "America/New_York",
        "budgets": ", ".join(f"{scope}={amount}" for scope, amount in BUDGETS.items()),
    }
    with CostBook(Configuration.load({}), ledger=ledger, arguments=settings, clock=clock) as book:
        return book.report("2026-11")


# -- what the plan comes to ------------------------------------------------------------------------


@frozen
class Part:
    """What one live stream used and cost on one day."""

    provider: str
    channel: str
    stream: str
    name: str
    day: date
    live: Fraction = Fraction(0)
    viewed: Fraction = Fraction(0)
    peak: int = 0
    sent: Fraction = Fraction(0)
    measured: Fraction = Fraction(0)
    estimated: Fraction = Fraction(0)
    item: str = ""
    quantity: Fraction = Fraction(0)

    @property
    def cost(self) -> Fraction:
        return self.measured + self.estimated


@pytest.fixture(scope="module")
def parts(seeded: ModuleType) -> list[Part]:
    return [part for one in seeded.plan() for part in parts_of(one, seeded)]


def parts_of(one: object, seeded: ModuleType) -> Iterator[Part]:
    def part(day: date, **figures: object) -> Part:
        return Part(one.provider, one.channel_id, one.stream_id, one.name, day, **figures)

    step = Fraction(seeded.STEP)
    listed_by_platform = one.provider == "cloudflare"
    # From the last look before a gap nobody knows how many watched.
    uncounted = range(one.unseen.start - 1, one.unseen.stop) if one.unseen else range(0)
    for look, viewers in enumerate(one.viewers):
        day = one.at(look).astimezone(seeded.ZONE).date()
        if not FIRST <= day <= LAST:
            continue
        seen = viewers if look not in one.unseen else 0
        if listed_by_platform:
            watched = Fraction(one.watched[look])
            minutes = watched / 60
            yield part(day, live=step, peak=seen)
            yield part(
                day,
                viewed=watched,
                item="delivery",
                quantity=minutes,
                measured=minutes * DELIVERED,
            )
            if one.recording is None:
                kept = step / 60
                yield part(day, item="storage", quantity=kept, estimated=kept * STORED)
            continue
        watched = Fraction(0) if look in uncounted else viewers * step
        sent = watched * one.bitrate / 8
        pushed = step / 3600 * PUSHED[one.terms["type"]]
        yield part(
            day,
            live=step,
            peak=seen,
            item=f"input, type {one.terms['type']}",
            quantity=step / 3600,
            **{"measured" if one.sessions_listed else "estimated": pushed},
        )
        # Where nobody asked for the height, it is the most that the type has: 720 for this one.
        yield part(
            day,
            viewed=watched,
            sent=sent,
            item=f"output up to {one.height}p",
            quantity=watched / 3600,
            estimated=watched / 3600 * WATCHED[one.height],
        )
    if one.recording is not None:
        made = one.recording.made_at.astimezone(seeded.ZONE).date()
        minutes = Fraction(one.recording.seconds, 60)
        yield part(max(made, FIRST), item="storage", quantity=minutes, measured=minutes * STORED)


def by(parts: list[Part], key: Callable[[Part], object]) -> dict[object, list[Part]]:
    groups: dict[object, list[Part]] = {}
    for part in parts:
        groups.setdefault(key(part), []).append(part)
    return groups


def total(parts: list[Part], name: str) -> Fraction:
    return sum((getattr(part, name) for part in parts), Fraction(0))


def streams_live(parts: list[Part]) -> int:
    return len({part.stream for part in parts if part.live})


def peak(parts: list[Part]) -> int:
    return max(part.peak for part in parts)


# -- as it is written ------------------------------------------------------------------------------


def money(amount: Fraction) -> str:
    return "<0.01" if 0 < amount < Fraction(1, 100) else f"{float(round(amount, 2)):,.2f}"


def hours(seconds: Fraction) -> str:
    return tenth(seconds / 3600)


def tenth(number: Fraction) -> str:
    return "<0.1" if 0 < number < Fraction(1, 10) else f"{float(round(number, 1)):,.1f}"


def percent(share: Fraction) -> str:
    return "<1 %" if 0 < share < Fraction(1, 100) else f"{round(share * 100):,} %"


def agrees(text: str, number: Fraction) -> bool:
    """Tell whether a decimal number is a fraction, as far as 40 digits go."""
    return abs(Fraction(text) - number) <= Fraction(1, 10**40)


def test_the_example_fills_the_ledger_that_it_is_given(
    seeded: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = []
    monkeypatch.setattr(seeded, "fill", filled.append)
    monkeypatch.setattr(sys, "argv", ["seeded_month.py", "none"])
    seeded.main()
    assert len(filled) == 1

    monkeypatch.setattr(sys, "argv", ["seeded_month.py"])
    with pytest.raises(SystemExit, match="usage"):
        seeded.main()


def test_the_example_says_why_it_writes_nothing(
    seeded: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["seeded_month.py", "month.sqlite3"])
    with pytest.raises(SystemExit, match="is no database URL"):
        seeded.main()

    def fill(_ledger: object) -> None:
        raise LedgerError("it has that entry", ledger="month.sqlite3")

    monkeypatch.setattr(seeded, "fill", fill)
    monkeypatch.setattr(sys, "argv", ["seeded_month.py", f"sqlite:///{tmp_path}/month.sqlite3"])
    with pytest.raises(SystemExit, match=r"it has that entry\nThe month is written .* once"):
        seeded.main()


# -- the model, as JSON ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(report: MonthlyReport) -> dict:
    return json.loads(json.dumps(to_json(report)))


def check_cost(found: dict, parts: list[Part]) -> None:
    assert agrees(found["total"]["amount"], total(parts, "cost"))
    assert agrees(found["measured"]["amount"], total(parts, "measured"))
    assert agrees(found["estimated"]["amount"], total(parts, "estimated"))
    assert found["total"]["currency"] == "USD"


def check_usage(found: dict, parts: list[Part]) -> None:
    assert found["live_streams"] == streams_live(parts)
    assert Fraction(found["live_seconds"]) == total(parts, "live")
    assert Fraction(found["viewer_seconds"]) == total(parts, "viewed")
    assert (found["peak_viewers"] or 0) == peak(parts)
    assert Fraction(found["delivered_bytes"] or 0) == total(parts, "sent")


def test_the_month_is_a_busy_one(parts: list[Part], seeded: ModuleType) -> None:
    assert streams_live(parts) == 59
    assert len({part.channel for part in parts}) == 8
    assert len({part.stream for part in parts if part.item == "storage" and not part.day > FIRST})
    crossing = [
        one
        for one in seeded.plan()
        if one.starts_at.astimezone(seeded.ZONE).date() <= LAST
        and one.ends_at.astimezone(seeded.ZONE).date() > LAST
    ]
    assert [one.name for one in crossing] == ["Gaming night into December"]


def test_total_and_use_are_those_of_the_plan(model: dict, parts: list[Part]) -> None:
    check_cost(model["cost"], parts)
    check_usage(model["usage"], parts)


def test_each_provider_has_its_own(model: dict, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.provider)
    assert {one["provider"] for one in model["by_provider"]} == set(groups)
    for one in model["by_provider"]:
        check_cost(one["cost"], groups[one["provider"]])
        check_usage(one["usage"], groups[one["provider"]])


def test_each_channel_has_its_own(model: dict, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.channel)
    assert {one["channel_id"] for one in model["by_channel"]} == set(groups)
    for one in model["by_channel"]:
        check_cost(one["cost"], groups[one["channel_id"]])
        check_usage(one["usage"], groups[one["channel_id"]])


def test_each_day_of_new_york_has_its_own(model: dict, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.day.isoformat())
    assert [one["day"] for one in model["by_day"]] == [f"2026-11-{n:02}" for n in range(1, 31)]
    for one in model["by_day"]:
        of_day = groups[one["day"]]
        check_cost(one["cost"], of_day)
        check_usage(one["usage"], of_day)
        providers = by(of_day, lambda part: part.provider)
        for name, cost in one["by_provider"].items():
            assert agrees(cost["amount"], total(providers.get(name, []), "cost"))


def test_the_largest_live_streams_are_the_ten_most_expensive(
    model: dict, parts: list[Part]
) -> None:
    groups = by(parts, lambda part: part.stream)
    largest = sorted(groups, key=lambda stream: -total(groups[stream], "cost"))[:10]
    assert [one["ref"]["stream_id"] for one in model["largest"]] == largest
    for one in model["largest"]:
        check_cost(one["cost"], groups[one["ref"]["stream_id"]])
        check_usage(one["usage"], groups[one["ref"]["stream_id"]])


def test_each_price_has_what_was_bought_for_it(model: dict, parts: list[Part]) -> None:
    groups = by([part for part in parts if part.item], lambda part: (part.provider, part.item))
    paid = [one for one in model["prices"] if one["price"]["amount"] != "0"]
    assert {(one["provider"], one["price"]["name"]) for one in paid} == set(groups)
    for one in paid:
        group = groups[one["provider"], one["price"]["name"]]
        assert agrees(one["quantity"], total(group, "quantity"))
        check_cost(one["cost"], group)


def test_each_budget_is_compared_with_what_it_is_for(model: dict, parts: list[Part]) -> None:
    groups = {"all": parts, **by(parts, lambda part: part.provider)}
    assert [one["budget"]["scope"] for one in model["budgets"]] == list(BUDGETS)
    for one in model["budgets"]:
        scope = one["budget"]["scope"]
        spent = total(groups[scope], "cost")
        assert agrees(one["spent"]["amount"], spent)
        assert agrees(one["share"], spent / BUDGETS[scope])
        assert one["reached"] == [
            percent for percent in (50, 80, 100) if spent * 100 >= BUDGETS[scope] * percent
        ]


def test_the_hour_at_which_nobody_looked_is_no_zero(report: MonthlyReport) -> None:
    assert [one.why for one in report.unpriced] == ["its viewers were not counted for 45 min"]


# -- the CSV file ----------------------------------------------------------------------------------


def test_the_rows_of_the_csv_file_add_up_to_the_plan(
    report: MonthlyReport, parts: list[Part]
) -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(report))))
    keys: dict[str, Callable[[Part], object]] = {
        "provider": lambda part: part.provider,
        "channel_id": lambda part: part.channel,
        "stream_id": lambda part: part.stream,
        "name": lambda part: part.name,
        "day": lambda part: part.day.isoformat(),
        "item": lambda part: part.item,
    }
    for column, key in keys.items():
        for value, group in by([part for part in parts if part.cost], key).items():
            costs = [row["cost"] for row in rows if row[column] == value and row["cost"]]
            found = sum(map(Fraction, costs), Fraction(0))
            assert abs(found - total(group, "cost")) <= Fraction(len(costs), 10**10), value
    basis: Counter[str] = Counter()
    for row in rows:
        basis[row["basis"]] += Fraction(row["cost"] or 0)
    assert round(basis["measured"], 8) == round(total(parts, "measured"), 8)
    assert round(basis["estimated"], 8) == round(total(parts, "estimated"), 8)


# -- the page --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(report: MonthlyReport) -> ET.Element:
    return ET.fromstring(render_html(report))


def words_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def table(page: ET.Element, title: str) -> list[list[str]]:
    (section,) = [
        one
        for one in page.iter("section")
        if (heading := one.find("h2")) is not None and heading.text == title
    ]
    found = section.find("table")
    assert found is not None
    return [[words_of(cell) for cell in row] for row in found.iter("tr")]


def test_the_page_says_the_total_and_the_budget_first(page: ET.Element, parts: list[Part]) -> None:
    spent = total(parts, "cost")
    summary = next(one for one in page.iter("section") if one.get("class") == "summary")
    assert [words_of(one) for one in summary.iter("p")] == [
        f"{money(spent)} USD",
        (
            f"{percent(total(parts, 'measured') / spent)} of it was measured by the providers, "
            f"{percent(total(parts, 'estimated') / spent)} is estimated."
        ),
        "Some use has no known cost and is not in this amount. See “Not in these amounts”.",
        f"{money(BUDGETS['all'])} USD",
        f"{percent(spent / BUDGETS['all'])} used, {money(BUDGETS['all'] - spent)} USD left.",
    ]
    assert [words_of(one) for one in page.iter("dd")][:5] == [
        str(streams_live(parts)),
        hours(total(parts, "live")),
        hours(total(parts, "viewed")),
        f"{peak(parts):,}",
        f"{tenth(total(parts, 'sent') / 10**9)} GB",
    ]


def test_the_page_has_each_budget(page: ET.Element, parts: list[Part]) -> None:
    groups = {"all": parts, **by(parts, lambda part: part.provider)}
    _, *rows = table(page, "Budgets")
    for row, (scope, amount) in zip(rows, BUDGETS.items(), strict=True):
        spent = total(groups[scope], "cost")
        reached = [f"{n} %" for n in (50, 80, 100) if spent * 100 >= amount * n]
        assert row == [
            "All providers" if scope == "all" else scope,
            money(amount),
            money(spent),
            percent(spent / amount),
            "",
            ", ".join(reached),
        ]


def test_the_page_has_each_provider(page: ET.Element, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.provider)
    _, *rows, last = table(page, "By provider")
    assert len(rows) == len(groups)
    for row in (*rows, last):
        group = groups.get(row[0], parts)
        assert row[1:7] == [
            str(streams_live(group)),
            hours(total(group, "live")),
            hours(total(group, "viewed")),
            money(total(group, "measured")),
            money(total(group, "estimated")),
            money(total(group, "cost")),
        ]
    assert last[0] == "Total"


def test_the_page_has_each_channel(page: ET.Element, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.channel)
    _, *rows, last = table(page, "By channel")
    spent = total(parts, "cost")
    assert [row[0] for row in rows] == sorted(groups, key=lambda one: -total(groups[one], "cost"))
    for row in rows:
        group = groups[row[0]]
        assert row[1:] == [
            ", ".join(sorted({part.provider for part in group})),
            str(streams_live(group)),
            hours(total(group, "live")),
            hours(total(group, "viewed")),
            f"{peak(group):,}",
            money(total(group, "cost")),
            percent(total(group, "cost") / spent),
        ]
    assert last[6] == money(spent)


def test_the_page_has_each_day(page: ET.Element, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.day)
    head, *rows, last = table(page, "Day by day")
    providers = [name.removesuffix(" (USD)") for name in head[4:-1]]
    assert sorted(providers) == ["aws-ivs", "cloudflare"]
    assert len(rows) == 30
    for number, row in enumerate(rows, start=1):
        day = date(2026, 11, number)
        assert row == [f"{day:%A}, {number}", *of_day(groups[day], providers)]
    assert last == ["Total", *of_day(parts, providers)]


def of_day(parts: list[Part], providers: Sequence[str]) -> list[str]:
    groups = by(parts, lambda part: part.provider)
    return [
        str(streams_live(parts)),
        hours(total(parts, "live")),
        hours(total(parts, "viewed")),
        *(money(total(groups.get(name, []), "cost")) for name in providers),
        money(total(parts, "cost")),
    ]


def test_the_page_has_the_largest_live_streams(page: ET.Element, parts: list[Part]) -> None:
    groups = by(parts, lambda part: part.stream)
    largest = sorted(groups, key=lambda stream: -total(groups[stream], "cost"))[:10]
    _, *rows = table(page, "Largest live streams")
    for row, stream in zip(rows, largest, strict=True):
        group = groups[stream]
        assert row[0].startswith(group[0].name)
        assert row[1:] == [
            group[0].channel,
            group[0].provider,
            hours(total(group, "live")),
            hours(total(group, "viewed")),
            f"{peak(group):,}",
            money(total(group, "cost")),
            percent(total(group, "cost") / total(parts, "cost")),
        ]


def test_the_page_has_each_charge(page: ET.Element, parts: list[Part]) -> None:
    groups = by([part for part in parts if part.item], lambda part: (part.provider, part.item))
    _, *rows, last = table(page, "What was charged, and at what price")
    paid = [row for row in rows if row[1] != "ingest and encoding"]
    assert len(paid) == len(groups)
    for row in paid:
        group = groups[row[0], row[1].removesuffix(" not confirmed")]
        assert row[2] == tenth(total(group, "quantity"))
        assert row[6] == money(total(group, "cost"))
        # What could not be read on the platform's own page is marked.
        assert row[1].endswith(" not confirmed") == (row[0] == "aws-ivs")
    assert last[6] == money(total(parts, "cost"))


def test_what_is_estimated_and_what_is_measured_add_up(
    page: ET.Element, parts: list[Part], report: MonthlyReport
) -> None:
    _, *rows = table(page, "What is estimated, and why")
    assert len({row[1] for row in rows}) == len(rows) == len(report.notes)
    for basis in ("measured", "estimated"):
        found = sum(Fraction(one.cost.amount) for one in report.notes if one.basis == basis)
        assert round(found, 20) == round(total(parts, basis), 20)


# -- the terminal ----------------------------------------------------------------------------------


def test_the_table_says_the_same(report: MonthlyReport, parts: list[Part]) -> None:
    first = dict(headline(report))
    assert first["total"] == f"{money(total(parts, 'cost'))} USD"
    assert first["viewer hours"] == hours(total(parts, "viewed"))
    (days,) = [one for one in text_tables(report) if one.title == "Day by day"]
    groups = by(parts, lambda part: part.day.isoformat())
    for row in days.rows:
        assert row[-1] == money(total(groups[row[0]], "cost"))


def test_the_report_is_of_a_month_that_is_over(report: MonthlyReport, page: ET.Element) -> None:
    assert report.is_complete
    assert report.generated_at == datetime(2026, 12, 2, 14, tzinfo=UTC)
    assert "The whole month, 1 to 30 November 2026." in words_of(page)


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture
def shown(report: MonthlyReport, tmp_path: Path) -> Callable[..., bytes]:
    """Have Chromium open the page and write what it makes of it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    page, made = tmp_path / "report.html", tmp_path / "made.png"
    page.write_text(render_html(report), encoding="utf-8")

    def show(*options: str) -> bytes:
        subprocess.run(
            [
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                f"--user-data-dir={tmp_path / 'profile'}",
                *(option.format(made) for option in options),
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=90,
        )
        return made.read_bytes()

    return show


@pytest.mark.browser
def test_the_picture_in_the_docs_is_of_this_page(shown: Callable[..., bytes]) -> None:
    picture = shown("--screenshot={}", f"--window-size={PICTURE_SIZE[0]},{PICTURE_SIZE[1]}")

    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == PICTURE_SIZE
    if os.environ.get("KEEP_SCREENSHOTS"):
        PICTURE.write_bytes(picture)
    assert struct.unpack(">II", PICTURE.read_bytes()[16:24]) == PICTURE_SIZE


@pytest.mark.browser
def test_the_page_is_printed_on_few_sheets_of_a4(shown: Callable[..., bytes]) -> None:
    printed = shown("--no-pdf-header-footer", "--print-to-pdf={}")
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)

    assert {(round(float(width)), round(float(height))) for width, height in sheets} == {(595, 842)}
    assert 4 <= len(sheets) <= 7
