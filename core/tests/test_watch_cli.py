"""`headend watch`: a table that fits, JSON line by line, and an end that is quiet."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st
from rich.cells import cell_len
from rich.console import Console

from headend.cli.output import to_json
from headend.cli.watch_table import render
from headend.costs.budgets import Budget, BudgetStatus
from headend.costs.lines import Basis
from headend.costs.money import Money
from headend.costs.months import Month
from headend.ledger.usage import StreamRef
from headend.models import StreamState
from headend.watch import CostFigure, Figure, WatchedProvider, WatchRow, WatchView
from headend_contract.reference.opening import install_reference
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from headend_contract.reference.simulator import SimulatorApp
    from tests.conftest import Ran

    Run = Callable[..., Ran]

NOW = datetime(2026, 11, 20, 20, 30, 5, tzinfo=UTC)


def usd(text: str) -> Money:
    return Money(amount=Decimal(text), currency="USD")


ROW = WatchRow(
    ref=StreamRef("aws-ivs", "123456789012 us-west-2", "arn:aws:ivs:1"),
    channel_id="42",
    name="Gaming night",
    state=StreamState.LIVE,
    state_reason=None,
    seen_at=NOW,
    is_stale=False,
    problem=None,
    live_since=NOW - timedelta(hours=1),
    live_seconds=Figure.derived(3600, "since it was first seen to be live"),
    viewers=Figure.told(1234),
    peak_viewers=Figure.derived(2345, "the highest"),
    bitrate=Figure.told(4_500_000),
    watch_seconds=Figure.derived(4_000_000.0, "summed"),
    session_cost=CostFigure(amount=usd("123.456"), basis=Basis.ESTIMATED),
    month_cost=CostFigure(amount=usd("1234.5"), basis=Basis.MEASURED, is_all=False),
)
NOT_LIVE = Figure.unknown("it is not live")
IDLE = evolve(
    ROW,
    ref=StreamRef("cloudflare", "0a1b", "f00d"),
    name="Idle one",
    state=StreamState.IDLE,
    live_since=None,
    live_seconds=NOT_LIVE,
    viewers=NOT_LIVE,
    peak_viewers=NOT_LIVE,
    bitrate=NOT_LIVE,
    watch_seconds=NOT_LIVE,
    session_cost=CostFigure(why="it is not live"),
    month_cost=CostFigure(amount=usd("0"), basis=Basis.MEASURED),
)


def provider(name: str, **more: object) -> WatchedProvider:
    values: dict[str, object] = {
        "looked_at": NOW,
        "asked_since": None,
        "problem": None,
        "live_streams": 1,
        "live": 1,
        "not_seen_yet": 0,
    }
    return WatchedProvider(provider=name, **values | more)  # type: ignore[arg-type]  # as above


def budget(scope: str, amount: str, spent: str) -> BudgetStatus:
    return BudgetStatus(
        budget=Budget(scope=scope, amount=usd(amount)),
        month=Month(2026, 11, ZoneInfo("UTC")),
        spent=usd(spent),
        share=Decimal(spent) / Decimal(amount),
        forecast=usd("1500"),
    )


VIEW = WatchView(
    at=NOW,
    interval=10.0,
    is_kept=True,
    ledger_problem=None,
    providers=(provider("aws-ivs"), provider("cloudflare", live=0)),
    rows=(ROW, IDLE),
    month="2026-11",
    spent=usd("1234.5"),
    forecast=usd("2345.6"),
    budgets=(budget("all", "1000", "1234.5"), budget("aws-ivs", "2000", "500")),
    costs_at=NOW,
    costs_problem=None,
)


def shown(view: WatchView, width: int = 160, height: int | None = None, **more: object) -> str:
    console = Console(width=width, markup=False, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(render(view, width=width, height=height, **more))  # type: ignore[arg-type]  # warnings
    return capture.get()


class TestTable:
    def test_a_wide_terminal_has_all_columns(self) -> None:
        header, _, live, idle, *_ = shown(VIEW).splitlines()[1:]

        assert re.split(r"\s{2,}", header.strip()) == [
            "provider",
            "live stream",
            "state",
            "viewers",
            "cost",
            "live for",
            "peak",
            "this month",
            "bitrate",
            "watched",
        ]
        assert re.split(r"\s{2,}", live.strip()) == [
            "aws-ivs",
            "Gaming night",
            "live",
            "1,234",
            "~123.46 USD",
            "~1:00:00",
            "~2,345",
            "1,234.50 USD+",
            "4.5 Mbit/s",
            "~1,111:06:40",
        ]
        assert re.split(r"\s{2,}", idle.strip())[3:] == [
            *("-", "-", "-", "-", "0.00 USD", "-", "-"),
        ]

    @pytest.mark.parametrize("width", [60, 80, 100, 132])
    @settings(deadline=None, max_examples=15)
    @given(
        name=st.text(min_size=1, max_size=200)
        | st.just("日本語の放送" * 20)
        | st.just("👩‍👩‍👧" * 40),
        viewers=st.integers(0, 10**9),
        spent=st.decimals(0, 10**7, places=2),
    )
    def test_it_fits_and_no_figure_is_cut(
        self, width: int, name: str, viewers: int, spent: Decimal
    ) -> None:
        row = evolve(
            ROW,
            name=name,
            viewers=Figure.told(viewers),
            session_cost=CostFigure(amount=usd(str(spent)), basis=Basis.MEASURED),
        )
        text = shown(evolve(VIEW, rows=(row, IDLE)), width)

        assert max(cell_len(line) for line in text.splitlines()) <= width
        assert f" {viewers:,} " in text
        if width >= 80:
            assert str(row.session_cost.amount) in text
        assert "\x1b" not in text

    def test_columns_are_left_out_by_need(self) -> None:
        titles = {}
        for width in (140, 80, 70, 60):
            (header,) = re.findall(r".*live stream +state.*", shown(VIEW, width))
            titles[width] = header.split()

        assert {"watched", "bitrate", "month"} <= set(titles[140])
        assert titles[80][0] == "provider"
        assert not {"watched", "bitrate", "month"} & set(titles[80])
        assert titles[70] == ["live", "stream", "state", "viewers", "cost", "live", "for", "peak"]
        assert titles[60] == ["live", "stream", "state", "viewers", "cost", "live", "for"]

    def test_a_low_terminal_leaves_out_those_in_which_nothing_goes_on(self) -> None:
        rows = (ROW, *(evolve(IDLE, name=f"Idle {number}") for number in range(100)))
        text = shown(evolve(VIEW, rows=rows), 120, 30)

        assert len(text.splitlines()) <= 30
        assert "Gaming night" in text
        assert re.search(r"and \d\d more, none of them live", text)
        assert "all" in text

    def test_live_ones_that_find_no_room_are_told_of(self) -> None:
        rows = tuple(evolve(ROW, name=f"Live {number}") for number in range(100))
        text = shown(evolve(VIEW, rows=rows), 120, 30)

        assert len(text.splitlines()) <= 30
        (left_out,) = re.findall(r"and (\d\d) more, \1 of them live", text)
        assert int(left_out) + text.count("  Live ") == 100

    def test_marks_are_explained_and_reasons_told_once(self) -> None:
        unknown = evolve(ROW, bitrate=Figure.unknown("it gives no bitrate"))
        text = shown(evolve(VIEW, rows=(unknown, evolve(unknown, name="Another"), IDLE)))

        assert text.count("- aws-ivs: bitrate: it gives no bitrate") == 1
        assert "~ worked out by headend from what it saw" in text
        assert "+ and more whose cost is not known" in text
        assert "it is not live" not in text

    def test_an_outage_is_told_in_words_and_old_states_are_marked(self) -> None:
        view = evolve(
            VIEW,
            providers=(provider("aws-ivs", problem="it cannot be reached"),),
            rows=(evolve(ROW, is_stale=True),),
        )
        text = shown(view)

        assert "aws-ivs: it cannot be reached" in text
        assert "live?" in text
        assert "? as it was seen before" in text

    def test_bars_show_how_much_of_a_budget_is_spent(self) -> None:
        lines = shown(VIEW).splitlines()
        bars = [line for line in lines if "█" in line]

        assert bars[0].split() == [
            *("all", "█" * 20, "123", "%", "1,234.50", "USD", "of", "1,000.00", "USD"),
            *("1,500.00", "USD", "expected"),
        ]
        assert "█" * 5 + "░" * 15 in bars[1]
        assert "2026-11: 1,234.50 USD spent, 2,345.60 USD expected by its end" in lines

    def test_no_ledger_and_one_that_fails_are_told(self) -> None:
        assert "the ledger is off" in shown(evolve(VIEW, is_kept=False))
        text = shown(evolve(VIEW, is_kept=False, ledger_problem="it is locked"))
        assert "nothing is kept: it is locked" in text
        assert "the ledger is off" not in text

    def test_an_error_of_several_lines_is_one_line_and_told_once(self) -> None:
        why = "the settings have one problem:\n  URL: wrong password"
        view = evolve(VIEW, is_kept=False, ledger_problem=why, costs_problem=why)
        text = " ".join(shown(view).split())

        assert "nothing is kept: the settings have one problem: URL: wrong password" in text
        assert "costs are not known: the ledger cannot be read" in text
        assert text.count("wrong password") == 1
        assert "\ufffd" not in text

    def test_costs_that_are_older_than_the_rest_say_of_when_they_are(self) -> None:
        text = shown(evolve(VIEW, costs_at=NOW - timedelta(seconds=40)))

        assert "as of 20:29:25 UTC" in text

    def test_warnings_are_shown_without_control_characters(self) -> None:
        text = shown(VIEW, warnings=("budget all: 50 %\x1b[2J",))

        assert "budget all: 50 %" in text
        assert "\x1b" not in text

    def test_an_empty_platform_says_how_to_begin(self) -> None:
        view = evolve(VIEW, rows=(), providers=(provider("aws-ivs", live_streams=0, live=0),))

        assert "There is no live stream. `headend create CHANNEL_ID` makes one." in shown(view)

    def test_json_has_each_figure_with_its_source_or_reason(self) -> None:
        live, idle = json.loads(json.dumps(to_json(VIEW)))["rows"]

        assert live["viewers"] == {"value": 1234, "source": "platform", "why": None}
        assert idle["viewers"] == {"value": None, "source": None, "why": "it is not live"}
        assert live["session_cost"]["amount"] == {"amount": "123.456", "currency": "USD"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorApp]:
    """The reference platform, installed and selected, with one live stream that is watched."""
    folder = tmp_path / "installed"
    folder.mkdir()
    install_reference(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    app = create_app(random=Random(1), switches={"connect_time": 0.0})
    with Served(app) as served:
        for name, value in app.environment(served.url).items():
            monkeypatch.setenv(name, value)
        made = app.platform.create_input({"name": "News", "tags": {}, "low_latency": False})
        app.platform.create_input({"name": "Quiet", "tags": {}, "low_latency": False})
        (key, *_) = (key for key, one in app.platform.keys.items() if one == made["id"])
        app.connect(key)
        app.watch(str(made["id"]), 12)
        yield app


class TestCommand:
    def test_once_prints_a_table_and_ends(self, app: SimulatorApp, run: Run) -> None:
        ran = run("watch", "--once")

        assert ran.code == 0, ran.err
        assert ran.out.startswith("1 live of 2 live streams on reference at ")
        news = next(line for line in ran.out.splitlines() if "News" in line)
        assert re.split(r"\s{2,}", news.strip())[:4] == ["News", "live", "12", "0.00 USD"]
        assert not any(key in ran.out + ran.err for key in app.platform.keys)

    def test_once_in_json_is_one_object(self, app: SimulatorApp, run: Run) -> None:
        ran = run("watch", "--once", "--json")
        view = ran.json

        assert isinstance(view, dict)
        assert view["is_kept"] is True
        assert [one["provider"] for one in view["providers"]] == ["reference"]
        assert [row["name"] for row in view["rows"]] == ["News", "Quiet"]
        assert app.platform.token not in ran.out
        assert not any(key in ran.out for key in app.platform.keys)

    def test_without_a_ledger_it_says_so(
        self, app: SimulatorApp, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_DATABASE_URL", "none")

        ran = run("watch", "--once")

        assert ran.code == 0
        assert "News" in ran.out
        assert "nothing is kept: the ledger is off" in ran.out

    def test_a_provider_is_watched_once_however_often_it_is_named(
        self, app: SimulatorApp, run: Run
    ) -> None:
        ran = run("watch", "--once", "--provider", "reference", "--provider", "reference")

        assert ran.code == 0
        assert "on reference at" in ran.out

    def test_several_providers_are_watched_and_one_that_is_out_of_order_is_no_failure(
        self, app: SimulatorApp, run: Run, acme: ModuleType, acme_settings: None
    ) -> None:
        ran = run("watch", "--once", "--json", "--provider", "reference", "--provider", "acme")
        failing = app.platform.token
        app.platform.token = "another"
        with_failure = run("watch", "--once", "--provider", "acme", "--provider", "reference")

        view = ran.json
        assert isinstance(view, dict)
        assert [one["provider"] for one in view["providers"]] == ["reference", "acme"]
        assert with_failure.code == 0
        assert "reference: " in with_failure.out
        assert failing not in with_failure.out + with_failure.err

    def test_where_no_provider_can_be_asked_the_code_tells_why(
        self, app: SimulatorApp, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REFERENCE_API_TOKEN", "rt_" + "0" * 32)

        ran = run("watch", "--once")

        assert ran.code == 4
        assert "reference: " in ran.out
        assert "error: " in ran.err
        assert "0" * 32 not in ran.out + ran.err

    @pytest.mark.parametrize("interval", ["0", "0.5", "-1", "x", "nan"])
    def test_an_interval_that_is_none_is_refused(
        self, interval: str, app: SimulatorApp, run: Run
    ) -> None:
        ran = run("watch", "--once", "--interval", interval)

        assert ran.code == 2
        assert "--interval" in ran.err

    def test_ctrl_c_ends_it_with_0_and_each_look_was_a_line(self, app: SimulatorApp) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "headend", "watch", "--json", "--interval", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, talk = process.communicate(timeout=30)

        first, _, third = (datetime.fromisoformat(json.loads(line)["at"]) for line in lines)
        # A view is of the end of a look; the first one takes a while.
        assert third - first >= timedelta(seconds=1)
        assert process.returncode == 0, talk
        assert talk == ""
        assert all(json.loads(line) for line in rest.splitlines())

    def test_on_a_terminal_of_80_columns_it_takes_the_screen_and_gives_it_back(
        self, app: SimulatorApp
    ) -> None:
        parent, child = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "headend", "watch", "--interval", "1"],
            stdin=child,
            stdout=child,
            stderr=child,
            env=os.environ | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(child)
        screen = _read(parent, until="News")
        process.send_signal(signal.SIGINT)
        screen += _read(parent, until=None)
        os.close(parent)

        assert process.wait(timeout=30) == 0, screen
        assert "\x1b[?1049h" in screen
        assert screen.rindex("\x1b[?1049l") > screen.rindex("News")
        assert "Traceback" not in screen


def _read(terminal: int, *, until: str | None) -> str:
    """Read what a terminal shows until a word comes, or until it is closed."""
    read, end = b"", time.monotonic() + 30
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # Linux tells the end so
                break
            if not part:
                break
            read += part
        if until is not None and until.encode() in read:
            break
    return read.decode(errors="replace")
