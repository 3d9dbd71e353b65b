"""Every block of docs/costs.md works as it stands there, and shows what is shown there."""

from __future__ import annotations

import hashlib
import hmac
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

import headend
from headend.costs.settings import CostSettings
from headend.ledger import open_ledger
from headend.ledger.usage import Observation
from headend.settings import describe_settings

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[1] / "docs" / "costs.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.fixture(autouse=True)
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with an empty ledger, and without settings of whoever runs the tests."""
    for one in describe_settings(CostSettings):
        monkeypatch.delenv(one.env, raising=False)
    monkeypatch.delenv("HEADEND_CONFIG", raising=False)
    monkeypatch.delenv("HEADEND_DATABASE_URL", raising=False)
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path))


def test_no_kind_of_block_is_left_out() -> None:
    fences = re.findall(r"^```(.*)$", TEXT, re.MULTILINE)
    opening = fences[::2]

    assert set(opening) == {"console", "python", "sh", "toml"}
    assert fences[1::2] == [""] * len(opening)


@pytest.mark.parametrize("block", blocks("console"))
def test_a_command_says_what_the_page_shows(block: str, tmp_path: Path) -> None:
    command, _, shown = block.partition("\n")
    prompt, name, *arguments = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )

    assert (prompt, name, done.returncode) == ("$", "headend", 0), done.stderr
    if shown:
        assert lines_of(done.stdout) == lines_of(shown)


RECEIVER, *_ = (block for block in blocks("python") if "def is_from_headend" in block)


@pytest.mark.parametrize("block", [block for block in blocks("python") if block != RECEIVER])
def test_a_program_runs_on_a_ledger_that_has_something_in_it(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setenv("HEADEND_BUDGETS", "all=0.01" if "Pager" in block else "all=200")
    if (now.day, now.hour) == (1, 0):
        monkeypatch.setenv("HEADEND_TIME_ZONE", "Pacific/Apia")  # where the month is older
    _see_something(tmp_path / "ledger.sqlite3", now - timedelta(minutes=10))
    exec(compile(block, str(PAGE), "exec"), {})

    printed = capsys.readouterr().out
    assert "USD" in printed
    if "costs.lines" in block:
        assert "live-1 delivery" in printed
        assert "unknown: live-1 watch its viewers were not counted" in printed
        assert printed.splitlines()[-1].startswith("all 0.1")


@given(body=st.binary(), key=st.text(st.characters(codec="utf-8"), min_size=16))
def test_the_lines_that_verify_a_webhook_agree_with_headend(body: bytes, key: str) -> None:
    scope: dict[str, Callable[[dict[str, str], bytes, str], bool]] = {}
    exec(compile(RECEIVER, str(PAGE), "exec"), scope)

    def headers(moment: int, signed: bytes) -> dict[str, str]:
        code = hmac.new(key.encode(), b"%d." % moment + signed, hashlib.sha256).hexdigest()
        return {"Headend-Signature": f"t={moment},v1={code}"}

    now = int(time.time())
    for given_headers, right in (
        (headers(now, body), True),
        (headers(now, body + b"!"), False),
        (headers(now - 400, body), False),
        (headers(now + 400, body), False),
    ):
        assert scope["is_from_headend"](given_headers, body, key) is right
        assert headend.verify_webhook(given_headers, body, key) is right


def _see_something(file: Path, start: datetime) -> None:
    """See a live stream for ten minutes, for two of them without the viewers' count."""
    from random import SystemRandom

    from headend.clock import SystemClock
    from headend.models import StreamState

    ledger = open_ledger(file, clock=SystemClock(), random=SystemRandom())
    for minute in range(11):
        at = start + timedelta(minutes=minute)
        ledger.observe(
            Observation(
                provider="cloudflare",
                account="4711",
                stream_id="live-1",
                at=at,
                state=StreamState.IDLE if minute == 10 else StreamState.LIVE,
                viewer_count=None if minute < 2 else 10,
            ),
            now=at,
        )
    ledger.close()


@pytest.mark.parametrize("block", blocks("toml"))
def test_a_piece_of_the_configuration_file_is_taken(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(block, encoding="utf-8")
    monkeypatch.setenv("HEADEND_CONFIG", str(file))
    with headend.open_costs() as book:
        assert book.prices.lists
        told = book.settings.prices.changes or book.settings.budget_list
        assert len(told) == block.count("[[costs.prices]]") + 3 * block.count("[costs.budgets]")


@pytest.mark.parametrize("block", blocks("sh"))
def test_a_variable_of_the_page_is_taken(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in block.splitlines():
        export, assignment = shlex.split(line)
        name, _, value = assignment.partition("=")
        assert export == "export"
        monkeypatch.setenv(name, value)
    with headend.open_costs() as book:
        overridden = {
            (one.provider, listed.price.name)
            for one in book.prices.lists.values()
            for listed in one.prices
            if listed.overridden
        }
        assert overridden == {("aws-ivs", "input, type STANDARD"), ("cloudflare", "delivery")}


def test_the_page_lists_every_setting() -> None:
    listed = set(re.findall(r"^\| `(HEADEND_\w+)` \|", TEXT, re.MULTILINE))

    assert listed == {one.env for one in describe_settings(CostSettings)}


def test_the_hours_of_the_months_are_those_of_the_calendar() -> None:
    with headend.open_costs(settings={"time_zone": "Europe/Berlin"}) as book:
        hours = {month: book.month(month).seconds / 3600 for month in ("2026-10", "2026-03")}

    assert f"October has {hours['2026-10']} hours and March {hours['2026-03']}" in TEXT
