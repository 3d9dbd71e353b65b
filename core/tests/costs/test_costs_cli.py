"""`headend costs`: estimate, status and update."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import headend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from tests.conftest import Installer, Ran

    Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _ready(
    acme: ModuleType, acme_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("STREAMING_PLATFORM", "acme")


def test_an_estimate_shows_all_providers_side_by_side(run: Run) -> None:
    ran = run("costs", "estimate", "--minutes", "90", "--viewers", "250", "--preset", "720p")

    assert ran.code == 0
    assert ran.out.startswith(
        "90 min in 720p, watched by 250: 375.0 hours watched, 527.8 GB sent to viewers.\n"
    )
    (row,) = [line.split() for line in ran.out.splitlines() if line.startswith(" acme")]
    assert row[:3] == ["acme", "<0.01", "USD"]
    assert row[-2:] == ["listed", "2026-01-03"]
    assert "plain: no estimate: the provider plain tells no price that can be counted" in ran.out


def test_an_estimate_as_data_has_exact_amounts(run: Run) -> None:
    ran = run("costs", "estimate", "--minutes", "90", "--viewers", "250", "--json")
    found = {one["provider"]: one for one in json.loads(ran.out)}

    assert found["acme"]["total"] == {"amount": "0.009", "currency": "USD"}
    assert found["acme"]["items"][0]["price"]["name"] == "storage"
    assert found["acme"]["delivered_bytes"] == "527850000000"
    assert found["plain"]["total"] is None


def test_what_is_not_recorded_is_not_estimated(run: Run) -> None:
    ran = run("costs", "estimate", "--minutes", "9", "--viewers", "1", "--not-recorded", "--json")
    found = {one["provider"]: one for one in json.loads(ran.out)}

    assert found["acme"]["items"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--minutes", "x", "--viewers", "1"), "'x' is not a number from 0"),
        (("--minutes", "-1", "--viewers", "1"), "'-1' is not a number from 0"),
        (("--minutes", "nan", "--viewers", "1"), "is not a number from 0"),
        (("--minutes", "1"), "Missing option '--viewers'"),
        (("--minutes", "1", "--viewers", "1", "--preset", "720"), "did you mean 720p?"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    ran = run("costs", "estimate", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_settings_that_are_wrong_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADEND_BUDGETS", "acne=5")
    ran = run("costs", "status")

    assert ran.code == 2
    assert "did you mean acme?" in ran.err


def test_an_overridden_price_is_shown_as_ones_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADEND_PRICES", "acme:storage=1000")
    ran = run("costs", "estimate", "--minutes", "90", "--viewers", "250")
    (row,) = [line for line in ran.out.splitlines() if line.startswith(" acme")]

    assert "90.00 USD" in row
    assert "your own" in row


def test_the_status_of_a_month_without_cost_is_zero_and_tells_how_to_set_a_budget(run: Run) -> None:
    ran = run("costs", "status")
    month = datetime.now(UTC).strftime("%Y-%m")

    assert ran.code == 0
    assert f"At this rate {month} will have cost 0.00 USD at its end (UTC)." in ran.out
    assert "There is no budget; HEADEND_BUDGETS sets one" in ran.out


@pytest.mark.parametrize("command", ["status", "report"])
def test_without_a_ledger_what_was_spent_is_not_told_as_zero(
    command: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADEND_DATABASE_URL", "none")
    ran = run("costs", command)

    assert (ran.code, ran.out) == (2, "")
    assert "HEADEND_DATABASE_URL: is none, so that no costs are kept" in ran.err
    assert run("costs", "estimate", "--minutes", "9", "--viewers", "1").code == 0


def test_the_status_shows_each_budget(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADEND_BUDGETS", "all=200, acme=120")
    shown = run("costs", "status").out
    told = json.loads(run("costs", "status", "--json").out)

    assert "200.00 USD" in shown
    assert "120.00 USD" in shown
    assert [one["budget"]["scope"] for one in told["budgets"]] == ["all", "acme"]
    assert told["budgets"][0]["budget"]["amount"] == {"amount": "200", "currency": "USD"}
    assert told["time_zone"] == "UTC"
    assert told["unpriced"] == []


def test_update_asks_the_platform_and_tells_what_it_said(
    run: Run, acme: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has no live stream" in run("costs", "update").out
    # One platform for all commands, as there is one in the real world.
    streams: dict[str, object] = {}
    start = acme.AcmeProvider.__init__

    def begin(self: object, *given: object) -> None:
        start(self, *given)
        self.streams = streams  # type: ignore[attr-defined]  # what Acme has

    monkeypatch.setattr(acme.AcmeProvider, "__init__", begin)
    made = json.loads(run("create", "42", "--json").out)["stream_id"]
    told = run("costs", "update", "--json")

    assert told.code == 0
    (one,) = json.loads(told.out)
    assert (one["stream_id"], one["channel_id"]) == (made, "42")
    assert (one["sessions"], one["recordings"], one["note"]) == (1, 1, None)
    assert made in run("costs", "update").out
    with headend.open_costs() as book:
        assert [one.recording_id for one in book.usage().recordings] == ["rec-1"]


def test_the_group_lists_its_commands_without_importing_what_they_need(
    python: Callable[..., Ran], run: Run
) -> None:
    assert {"estimate", "report", "status", "update"} <= set(run("costs", "--help").out.split())
    code = (
        "import contextlib, io, sys\n"
        "from headend.cli.main import main\n"
        "sys.argv = ['headend', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
        "print([name for name in sys.modules if name.startswith(('headend.costs', 'headend.cli.c',"
        " 'zoneinfo', 'sqlalchemy'))])"
    )
    assert python(code).out.strip() == "[]"


def test_a_broken_provider_stops_no_estimate(run: Run, install: Installer) -> None:
    install.provider("broken", "raise RuntimeError('no licence')")
    ran = run("costs", "estimate", "--minutes", "1", "--viewers", "1")

    assert ran.code == 0
    assert "broken: no estimate: " in ran.out
    assert "no licence" in ran.out
