"""The monthly report: what it adds up, and that its page is safe whatever it is about."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st

from headend.cli.output import to_json
from headend.costs import words
from headend.costs.budgets import Budget, BudgetStatus
from headend.costs.html import MOST_ROWS, render_html
from headend.costs.lines import Basis, CostLine, Costs, Unpriced
from headend.costs.money import Money
from headend.costs.months import Month
from headend.costs.report import LARGEST, build_report
from headend.costs.tables import COLUMNS, NOT_KNOWN, headline, render_csv, text_tables
from headend.errors import ConfigurationError
from headend.facts import Meter, Price
from headend.ledger.usage import StreamFacts, StreamRef, UsageData, UsageSlot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headend.costs.report import MonthlyReport

NOVEMBER = Month(2026, 11, ZoneInfo("Europe/Berlin"))
AFTER = datetime(2026, 12, 3, 8, 0, tzinfo=UTC)
WITHIN = datetime(2026, 11, 10, 8, 30, tzinfo=UTC)

WATCHED = Price(
    name="delivery",
    amount=Decimal("1.50"),
    per=1000,
    unit="minute delivered",
    meter=Meter.WATCH,
    unit_size=60,
    source="https://prices.example/list",
    as_of="2026-11-22",
)
RECALLED = evolve(
    WATCHED, name="input", amount=Decimal("0.0375"), per=1, unit="hour pushed", verified=False
)
FREE = evolve(WATCHED, name="ingest", amount=Decimal(0), meter=Meter.INGEST)


def usd(amount: str | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def line(cost: str, **changes: object) -> CostLine:
    values: dict[str, object] = {
        "day": date(2026, 11, 2),
        "provider": "acme",
        "account": "4711",
        "stream_id": "s1",
        "channel_id": "42",
        "name": "Opening",
        "price": WATCHED,
        "overridden": False,
        "quantity": Decimal(cost) * 1000 / Decimal("1.50"),
        "cost": usd(cost),
        "basis": Basis.MEASURED,
        "why": "the platform's own watch time",
    }
    return CostLine(**{**values, **changes})


def slot(stream_id: str = "s1", *, start: datetime | None = None, **figures: object) -> UsageSlot:
    return UsageSlot(
        ref=StreamRef("acme", "4711", stream_id),
        start=start or datetime(2026, 11, 2, 12, tzinfo=UTC),
        **figures,
    )


def data(
    *slots: UsageSlot, names: dict[str, tuple[str | None, str | None]] | None = None
) -> UsageData:
    facts = {}
    for one in slots:
        channel_id, name = (names or {}).get(one.ref.stream_id, ("42", "Opening"))
        facts[one.ref] = StreamFacts(ref=one.ref, channel_id=channel_id, name=name)
    return UsageData(
        since=NOVEMBER.start,
        until=NOVEMBER.end,
        streams=facts,
        slots=slots,
        sessions=(),
        recordings=(),
    )


def status(
    scope: str, amount: str, spent: str, *reached: int, forecast: str | None = None
) -> BudgetStatus:
    return BudgetStatus(
        budget=Budget(scope=scope, amount=usd(amount)),
        month=NOVEMBER,
        spent=usd(spent),
        share=Decimal(spent) / Decimal(amount),
        forecast=usd(forecast or spent),
        reached=reached,
    )


def report_of(
    *lines: CostLine,
    used: UsageData | None = None,
    budgets: tuple[BudgetStatus, ...] = (),
    now: datetime = AFTER,
    **costs: object,
) -> MonthlyReport:
    return build_report(
        Costs(currency="USD", lines=lines, **costs),
        used or data(),
        NOVEMBER,
        budgets,
        now=now,
        currency="USD",
    )


# -- the model -------------------------------------------------------------------------------------


def test_the_total_is_what_is_measured_and_what_is_estimated() -> None:
    report = report_of(line("1.10"), line("0.05", basis=Basis.ESTIMATED), line("2"))

    assert report.cost.total == usd("3.15")
    assert report.cost.measured == usd("3.10")
    assert report.cost.estimated == usd("0.05")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 30),
            st.sampled_from("abc"),
            st.sampled_from("xyz"),
            st.booleans(),
            st.decimals(0, 1000, places=6),
        ),
        max_size=30,
    )
)
def test_whatever_it_is_grouped_by_the_sum_is_the_same(
    found: list[tuple[int, str, str, bool, Decimal]],
) -> None:
    report = report_of(
        *(
            line(
                str(cost),
                day=date(2026, 11, day),
                provider=provider,
                channel_id=channel,
                stream_id=provider + channel,
                basis=Basis.MEASURED if measured else Basis.ESTIMATED,
            )
            for day, provider, channel, measured, cost in found
        )
    )  # fmt: skip

    total = sum((cost for *_, cost in found), Decimal(0))
    for groups in (report.by_provider, report.by_channel, report.by_day, report.prices):
        assert sum((one.cost.total.amount for one in groups), Decimal(0)) == total
    assert sum((one.cost.amount for one in report.notes), Decimal(0)) == total
    assert report.cost.total.amount == total
    for one in report.by_day:
        assert Money.sum(one.by_provider.values(), "USD") == one.cost.total


def test_every_day_of_the_month_is_there() -> None:
    report = report_of(line("1"))

    assert [one.day for one in report.by_day] == [date(2026, 11, n) for n in range(1, 31)]
    assert [one.day.day for one in report.by_day if one.cost.total] == [2]


def test_the_most_expensive_come_first() -> None:
    report = report_of(
        *(line(str(n), stream_id=f"s{n}", channel_id=str(n), provider=f"p{n}") for n in range(20))
    )

    assert [one.provider for one in report.by_provider][:3] == ["p19", "p18", "p17"]
    assert [one.channel_id for one in report.by_channel][:3] == ["19", "18", "17"]
    assert [one.ref.stream_id for one in report.largest] == [f"s{n}" for n in range(19, 9, -1)]
    assert len(report.largest) == LARGEST


def test_a_live_stream_that_costs_nothing_is_none_of_the_largest() -> None:
    assert report_of(line("0", price=FREE)).largest == ()


def test_use_is_what_was_seen_in_the_month() -> None:
    inside = slot(
        live_seconds=900.0,
        viewer_seconds=1800.0,
        ingest_bytes=100.0,
        delivered_bytes=200.0,
        peak_viewers=3,
        platform_peak=5,
    )
    before = slot(start=NOVEMBER.start - timedelta(minutes=15), live_seconds=900.0, peak_viewers=99)
    report = report_of(used=data(inside, before))

    assert report.usage.live_streams == 1
    assert report.usage.live_seconds == 900
    assert report.usage.viewer_seconds == 1800
    assert report.usage.ingest_bytes == 100
    assert report.usage.delivered_bytes == 200
    assert report.usage.peak_viewers == 5
    assert [one.day.day for one in report.by_day if one.usage.live_seconds] == [2]


def test_what_was_only_watched_was_not_live() -> None:
    report = report_of(used=data(slot("s1", watch_seconds=60.0), slot("s2", live_seconds=60.0)))

    assert report.usage.live_streams == 1
    assert report.usage.viewer_seconds == 60


def test_watch_time_is_the_platforms_own_where_it_tells() -> None:
    report = report_of(
        used=data(slot(live_seconds=900.0, viewer_seconds=1800.0, watch_seconds=1700.0))
    )

    assert report.usage.viewer_seconds == 1700


def test_what_was_not_seen_is_not_zero() -> None:
    report = report_of(used=data(slot(live_seconds=900.0)))

    assert report.usage.delivered_bytes is None
    assert report.usage.peak_viewers is None
    assert dict(headline(report))["delivered"] == "not known"


def test_a_channel_has_a_name_if_all_its_live_streams_have_it() -> None:
    used = data(
        slot("s1", live_seconds=1.0),
        slot("s2", live_seconds=1.0),
        slot("s3", live_seconds=1.0),
        slot("s4", live_seconds=1.0),
        names={"s1": ("a", "News"), "s2": ("a", "News"), "s3": ("b", "One"), "s4": ("b", "Two")},
    )
    report = report_of(used=used)

    assert {one.channel_id: one.name for one in report.by_channel} == {"a": "News", "b": None}


def test_a_live_stream_without_a_channel_is_counted_too() -> None:
    report = report_of(line("1", channel_id=None), line("2"))

    assert [(one.channel_id, one.cost.total) for one in report.by_channel] == [
        ("42", usd("2")),
        (None, usd("1")),
    ]
    assert words.NO_CHANNEL in render_html(report)


def test_each_reason_is_told_once_with_what_rests_on_it() -> None:
    why = "the viewers that were counted"
    report = report_of(
        line("1", basis=Basis.ESTIMATED, why=why),
        line("2", basis=Basis.ESTIMATED, why=why, price=RECALLED, provider="other"),
        line("4"),
        line("0", price=FREE, why="nothing is paid for this"),
    )

    assert [(one.basis, one.why, one.providers, one.items, one.cost) for one in report.notes] == [
        (Basis.ESTIMATED, why, ("acme", "other"), ("delivery", "input"), usd("3")),
        (Basis.MEASURED, "the platform's own watch time", ("acme",), ("delivery",), usd("4")),
    ]


def test_a_price_of_ones_own_stands_beside_that_of_the_provider() -> None:
    own = evolve(WATCHED, amount=Decimal(1))
    report = report_of(line("1"), line("2", price=own, overridden=True))

    assert [(one.price.amount, one.overridden, one.cost.total) for one in report.prices] == [
        (Decimal("1.50"), False, usd("1")),
        (Decimal(1), True, usd("2")),
    ]


def test_as_json_it_has_the_names_of_the_model_and_exact_amounts() -> None:
    report = report_of(line("0.1"), line("0.2"), budgets=(status("all", "10", "0.3"),))
    found = json.loads(json.dumps(to_json(report)))

    assert found["month"] == {"year": 2026, "month": 11, "zone": "Europe/Berlin"}
    assert found["cost"]["total"] == {"amount": "0.3", "currency": "USD"}
    assert found["lines"][0]["day"] == "2026-11-02"
    assert found["by_day"][1]["by_provider"] == {"acme": {"amount": "0.3", "currency": "USD"}}
    assert found["budgets"][0]["share"] == "0.03"


# -- the CSV file ----------------------------------------------------------------------------------


def rows_of(report: MonthlyReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(report), newline="")))


def test_the_csv_file_has_a_row_for_each_line_and_each_unknown() -> None:
    ref = StreamRef("acme", "4711", "s9")
    report = report_of(
        line("1.5"),
        line("0.5", carried_over=True, price=RECALLED, overridden=True),
        unpriced=(Unpriced(ref=ref, meter=Meter.WATCH, why="nobody looked"),),
    )
    first, second, unknown = rows_of(report)

    assert list(first) == list(COLUMNS)
    assert first["cost"] == "1.5"
    assert first["price"] == "1.50"
    assert first["price_per"] == "1000"
    assert (first["carried_over"], first["price_verified"], first["price_overridden"]) == (
        *("no", "yes", "no"),
    )
    assert (second["carried_over"], second["price_verified"], second["price_overridden"]) == (
        *("yes", "no", "yes"),
    )
    assert unknown["cost"] == ""
    assert unknown["basis"] == NOT_KNOWN
    assert unknown["why"] == "nobody looked"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "\uff1d1", "a;=1", "a\n=1", 'a",=1'],
)
def test_no_name_is_a_formula_to_a_spreadsheet(text: str) -> None:
    written = render_csv(report_of(line("1", name=text)))
    cells = re.split(r"[;,\t\r\n|]", written)

    assert not [
        cell for cell in cells if cell.strip(' "').startswith(("=", "+", "-", "@", "\uff1d"))
    ]
    assert rows_of(report_of(line("1", name=text)))[0]["name"].replace("'", "") == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_name_comes_back_out_of_the_csv_file(name: str) -> None:
    (row,) = rows_of(report_of(line("1", name=name)))

    assert row["name"].replace("'", "") == name.replace("'", "")
    assert row["cost"] == "1"


def test_amounts_in_the_csv_file_have_ten_places_at_most() -> None:
    (third,) = rows_of(report_of(line(str(Decimal(1) / Decimal(3)))))
    (whole,) = rows_of(report_of(line("200")))

    assert (third["cost"], whole["cost"]) == ("0.3333333333", "200")


# -- the page --------------------------------------------------------------------------------------

SOME = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "footer", "div"),
    *("h1", "h2", "p", "span", "strong", "bdi", "i", "a", "br", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption"),
}
DRAWN = {"svg", "g", "path", "rect", "text", "circle", "line"}
SVG = "{http://www.w3.org/2000/svg}"


def parsed(page: str) -> ET.Element:
    """Read a page strictly, and refuse whatever could run or be loaded."""
    root = ET.fromstring(page)
    for element in root.iter():
        name = element.tag.removeprefix(SVG)
        assert name in (DRAWN if element.tag.startswith(SVG) else SOME)
        for attribute, value in element.items():
            assert attribute in {
                *("class", "id", "lang", "charset", "http-equiv", "content", "name", "scope"),
                *("style", "title", "href", "rel", "role", "aria-label", "viewBox", "transform"),
                *("d", "x", "y", "rx", "ry", "width", "height"),
            }
            if attribute == "style":
                assert re.fullmatch(r"width: \d{1,3}\.\d%", value)
            if attribute == "href":
                assert name == "a"
                assert re.match(r"https?://|#source-\d+$", value)
    (style,) = root.iter("style")
    assert style.text is not None
    assert not re.search(r"url\(|@import|expression|<", style.text)
    return root


def words_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); '",
    "</style></title><script>",
    "]]><!--",
    "{{ 7*7 }}{% raw %}",
    "&amp;&#60;",
    "Füße \U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "שלום עולם",
    "\u202egnihtemos",
    "w" * 200,
    "several   words " * 20,
    "\0\x01\x1b[31m\x7f\ufffe\ufdd0",
    "javascript:alert(1)",
    "",
    " ",
]  # fmt: skip
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))


@settings(max_examples=40, deadline=None)
@given(name=names, channel=st.none() | names, ident=names, note=names, source=names, why=names)
def test_any_name_leaves_the_page_well_formed_and_without_scripts(
    name: str, channel: str | None, ident: str, note: str, source: str, why: str
) -> None:
    price = (
        evolve(WATCHED, name=name or "x", note=note, source=source)
        if source.strip() and name.strip()
        else WATCHED
    )
    # The ledger keeps no others.
    ident = ident.encode(errors="replace").decode().replace("\0", "")
    provider = name.encode(errors="replace").decode().replace("\0", "") or "p"
    report = report_of(
        line("3", name=name, channel_id=channel, stream_id=ident, price=price, why=why),
        line("1", provider=provider, account=ident, basis=Basis.ESTIMATED, why=note),
        unpriced=(Unpriced(ref=StreamRef("acme", "1", ident), meter=Meter.WATCH, why=why),),
        uncounted=(("acme", price),),
        budgets=(status(name or "all", "10", "4", 50),),
    )
    page = parsed(render_html(report))

    assert len(list(page.iter(f"{SVG}svg"))) == 4


@pytest.mark.parametrize("name", HOSTILE[:7])
def test_a_name_is_on_the_page_as_it_is(name: str) -> None:
    page = parsed(render_html(report_of(line("1", name=name))))

    assert name in [words_of(one) for one in page.iter("bdi")]


def test_what_cannot_be_seen_is_not_on_the_page() -> None:
    shown = render_html(report_of(line("1", name="a\u202eb\0c\ufffe", channel_id="x\ud800")))

    parsed(shown)
    assert "a\ufffdb\ufffdc\ufffd" in shown
    assert not re.search("[\0\u202e\ufffe\ud800]", shown)


def test_a_long_name_is_cut_and_can_be_seen_whole() -> None:
    page = parsed(render_html(report_of(line("1", name="w" * 200, channel_id="v" * 200))))
    shown = [one for one in page.iter("bdi") if one.get("title")]

    assert {one.text for one in shown} >= {"w" * 59 + "\u2026", "v" * 59 + "\u2026"}
    assert {one.get("title") for one in shown} >= {"w" * 200, "v" * 200}


def test_a_channel_that_cost_nothing_needs_no_bar() -> None:
    used = data(slot("s2", live_seconds=60.0), names={"s2": ("free-one", None)})
    page = parsed(render_html(report_of(line("1", channel_id="paid-one"), used=used)))

    labels = [one.text for one in page.iter(f"{SVG}text")]
    assert "paid-one" in labels
    assert "free-one" not in labels


def test_an_emoji_of_several_parts_stays_whole() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

    assert family in render_html(report_of(line("1", name=family)))


@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert(1)",
        "data:text/html,<script>",
        "//prices.example",
        "https://user:token@prices.example/",
        "https://prices.example/ x",
        "our contract of 2026",
    ],
)
def test_a_source_that_is_no_plain_address_is_no_link(source: str) -> None:
    page = parsed(render_html(report_of(line("1", price=evolve(WATCHED, source=source)))))

    assert [one.get("href") for one in page.iter("a")] == ["#source-1"]


def test_the_only_addresses_on_the_page_are_those_of_the_prices() -> None:
    text = render_html(report_of(line("1"), line("2", price=RECALLED), used=data(slot())))

    assert set(re.findall(r"https?://[^\s\"<]+", text)) == {
        "https://prices.example/list",
        "http://www.w3.org/2000/svg",  # a name, which nobody opens
    }


def test_the_page_forbids_itself_to_load_anything() -> None:
    page = parsed(render_html(report_of()))

    (policy,) = [one for one in page.iter("meta") if one.get("http-equiv")]
    assert policy.get("content") == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_month_that_cost_nothing_has_charts_too() -> None:
    page = parsed(render_html(report_of()))

    charts = list(page.iter(f"{SVG}svg"))
    assert len(charts) == 3  # there is no channel of which to draw one
    for chart in charts:
        assert {"0.00", "1.00"} & {one.text for one in chart.iter(f"{SVG}text")} or {"0", "1"} & {
            one.text for one in chart.iter(f"{SVG}text")
        }
    assert "Nothing in this month cost anything." in words_of(page)


def test_the_page_tells_of_a_budget_that_is_exceeded() -> None:
    page = parsed(
        render_html(report_of(line("12"), budgets=(status("all", "10", "12", 50, 80, 100),)))
    )

    assert "120 % used: 2.00 USD over the budget." in words_of(page)
    bars = [one.get("style") for one in page.iter("i") if one.get("class") == "is-over"]
    assert bars == ["width: 100.0%"] * 2


def test_the_budget_of_this_month_comes_before_that_of_all_months() -> None:
    budgets = (status("all", "10", "1"), status("2026-11", "40", "1"), status("acme", "5", "1"))
    text = words_of(parsed(render_html(report_of(line("1"), budgets=budgets))))

    assert "Budget 40.00 USD 2 % used" in text
    assert "All providers in November 2026" in text


def test_a_month_that_goes_on_tells_until_when_and_what_is_to_come() -> None:
    budgets = (status("all", "10", "4", forecast="13"),)
    text = words_of(parsed(render_html(report_of(line("4"), budgets=budgets, now=WITHIN))))

    assert "Not the whole month: 1 November 2026 until 10 November 2026, 09:30." in text
    assert "Total so far" in text
    assert "At this rate the whole month will cost 13.00 USD." in text


def heights_of_the_line(report: MonthlyReport) -> list[float]:
    """Return how high the line of what was spent is on each day, from the axis up."""
    (chart,) = [
        group
        for group in parsed(render_html(report)).iter(f"{SVG}g")
        if "line-graph" in group.get("class", "")
    ]
    (path,) = [
        path
        for path in chart.iter(f"{SVG}path")
        if path.get("class", "").startswith("line reactive")
    ]
    downwards = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d", ""))]
    return [downwards[0] - y for y in downwards]


def test_what_was_spent_is_drawn_until_today_only() -> None:
    assert len(heights_of_the_line(report_of(line("4"), now=WITHIN))) == 10
    assert len(heights_of_the_line(report_of(line("4")))) == 30


def test_the_line_of_what_was_spent_adds_the_days_up() -> None:
    days = {5: "1", 6: "0", 7: "2", 29: "1"}
    heights = heights_of_the_line(
        report_of(*(line(cost, day=date(2026, 11, day)) for day, cost in days.items()))
    )
    spent = [0] * 4 + [1] * 2 + [3] * 22 + [4] * 2

    assert [round(4 * height / heights[-1], 3) for height in heights] == spent


def test_drawing_leaves_nothing_among_the_finders_of_modules() -> None:
    render_html(report_of())

    assert not [one for one in sys.meta_path if type(one).__module__.startswith("pygal")]


def test_an_amount_below_a_cent_is_not_shown_as_nothing() -> None:
    assert "&lt;0.01" in render_html(report_of(line("0.004")))


def test_an_unconfirmed_price_and_one_of_ones_own_are_marked_on_the_page() -> None:
    page = parsed(render_html(report_of(line("1", price=RECALLED), line("1", overridden=True))))

    marks = {
        row.findtext("th/bdi"): [words_of(one) for one in row.iter("span")]
        for row in page.iter("tr")
        if row.findall("td/a")
    }
    assert marks == {"input": ["not confirmed"], "delivery": ["set by you"]}


def test_more_channels_than_a_page_holds_are_summed_up() -> None:
    lines = [line("1", channel_id=f"c{n:03}", stream_id=f"s{n}") for n in range(MOST_ROWS + 7)]
    page = parsed(render_html(report_of(*lines)))

    rows = [[words_of(cell) for cell in row] for row in page.iter("tr")]
    assert ["7 more channels", "", "", "", "", "", "7.00", "12 %"] in rows


def test_every_provider_has_a_colour_that_is_in_the_style_sheet() -> None:
    lines = [line("1", provider=f"p{n}") for n in range(9)]
    page = parsed(render_html(report_of(*lines)))

    style = next(page.iter("style")).text or ""
    used = {
        name
        for group in page.iter(f"{SVG}g")
        for name in group.get("class", "").split()
        if name.startswith("color-")
    }
    assert used == {f"color-{n}" for n in range(6)}
    assert all(f".{name} " in style for name in used)


def test_colours_can_be_told_apart_in_grey() -> None:
    style = render_html(report_of())
    greys = [
        0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
        for code in re.findall(r"--c\d: #(\w{6});", style)
        for channels in [[(int(code[n : n + 2], 16) / 255) ** 2.2 for n in (0, 2, 4)]]
    ]
    ordered = sorted(greys)

    assert len(greys) == 6
    assert all((b + 0.05) / (a + 0.05) > 1.25 for a, b in pairwise(ordered))
    # The first two, which nearly every page needs, are far apart.
    assert (max(greys[:2]) + 0.05) / (min(greys[:2]) + 0.05) > 3


def test_without_its_packages_the_page_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pygal", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'headend\[report\]'.*pygal"):
        render_html(report_of())


# -- the terminal ----------------------------------------------------------------------------------


def test_the_tables_leave_out_what_has_no_rows() -> None:
    assert [one.title for one in text_tables(report_of())] == ["Day by day"]


def test_days_to_come_are_no_rows_and_stay_on_the_charts() -> None:
    report = report_of(line("1"), now=datetime(2026, 11, 5, 12, tzinfo=UTC))
    (table,) = [one for one in text_tables(report) if one.title == "Day by day"]
    page = render_html(report)

    assert [row[0] for row in table.rows] == [f"2026-11-{n:02}" for n in range(1, 6)]
    assert "Thursday, 5<" in page
    assert "Friday, 6<" not in page
    assert len(report.by_day) == 30


def test_nothing_recorded_is_told_beside_the_total() -> None:
    report = report_of(unrecorded=tuple(StreamRef("acme", "4711", one) for one in ("s1", "s2")))
    words = "othing is recorded of 2 live streams: never live, or nobody looked"

    assert dict(headline(report))["not known"] == f"n{words}"
    assert f"N{words}." in render_html(report)
    assert "Nothing in this month cost anything that is known" in render_html(report)
    assert "not known" not in dict(headline(report_of()))


def test_the_tables_name_what_is_not_in_the_amounts() -> None:
    ref = StreamRef("acme", "4711", "s9")
    report = report_of(
        line("1", price=RECALLED, overridden=True),
        unpriced=(Unpriced(ref=ref, meter=Meter.WATCH, why="nobody looked"),),
        uncounted=(("acme", WATCHED),),
    )
    tables = {one.title: one.rows for one in text_tables(report)}

    assert tables["Not in these amounts"] == (("acme", "s9", "watch", "nobody looked"),)
    assert tables["Not counted, and maybe on a bill"] == (
        ("acme", "delivery", "minute delivered", "1.50 USD for 1,000"),
    )
    assert tables["Prices"][0][1] == "input (unverified) (set by you)"


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        ("0", 1, "0.0"),
        ("0.04", 1, "<0.1"),
        ("0.25", 1, "0.2"),
        ("1234.56", 1, "1,234.6"),
        ("4266.94999999999999999999999999999999999999999999", 1, "4,267.0"),
        ("0.3", 0, "<1"),
        ("99.5", 0, "100"),
    ],
)
def test_numbers_are_rounded_half_to_even_and_never_to_nothing(
    value: str, places: int, shown: str
) -> None:
    assert words.number(Decimal(value), places) == shown


# -- in a browser ----------------------------------------------------------------------------------


class Refusing:
    """A proxy that lets nothing through and notes what was asked of it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                first = connection.recv(4096).partition(b"\r\n")[0].decode("latin-1")
                if first == "stop":
                    return
                self.asked.append(first)

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"stop\r\n")
        self._thread.join()
        self._socket.close()


@pytest.fixture
def proxy() -> Iterator[Refusing]:
    made = Refusing()
    yield made
    made.close()


@pytest.mark.browser
def test_a_browser_that_opens_the_page_asks_nobody_for_anything(
    tmp_path: Path, proxy: Refusing
) -> None:
    chromium = next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        None,
    )
    if chromium is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    planted = (
        '<img src="http://planted.example/x.png" /><script src="//planted.example/y"></script>'
    )
    page = tmp_path / "report.html"
    page.write_text(
        render_html(report_of(line("1", name=planted, channel_id=planted, why=planted))),
        encoding="utf-8",
    )
    ran = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--proxy-server=http://127.0.0.1:{proxy.port}", "--disable-background-networking"),
            *(f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "Live streaming costs" in ran.stdout
    assert "<script" not in ran.stdout
    assert "<img" not in ran.stdout
    assert not [one for one in proxy.asked if "example" in one]
