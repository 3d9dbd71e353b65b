"""`headend costs report` writes what a month cost, whole or not at all, and no secret."""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from headend.clock import SystemClock
from headend.ledger import NewEntry, open_ledger
from headend.ledger.usage import Observation
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

    Run = Callable[..., Ran]

START = datetime(2026, 10, 5, 18, tzinfo=UTC)
SECRETS = {
    "HEADEND_BUDGET_WEBHOOK": "https://hooks.example/t0ken-of-the-webhook",
    "HEADEND_BUDGET_WEBHOOK_KEY": "planted-signing-key-of-the-webhook",
    "ACME_API_TOKEN": "t0ken-of-acme",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with one live stream of an hour with 100 viewers, in October 2026."""
    file = tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"
    ledger = open_ledger(file, clock=SystemClock(), random=Random(1))
    ledger.begin(
        NewEntry(
            marker="m1",
            provider="acme",
            account="4711",
            channel_id="42",
            name="Opening",
            digest="d",
            owner="o",
        ),
        now=START,
        lease=60.0,
    )
    ledger.created("m1", "s1", START)
    for minute in range(0, 61, 4):
        is_live = minute < 60
        ledger.observe(
            Observation(
                provider="acme",
                account="4711",
                stream_id="s1",
                at=START + timedelta(minutes=minute),
                state=StreamState.LIVE if is_live else StreamState.IDLE,
                viewer_count=100 if is_live else None,
            ),
            now=START + timedelta(minutes=minute),
        )
    ledger.close()
    return file


@pytest.fixture(autouse=True)
def month(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a copy of it, with secrets all around."""
    file = Path(shutil.copy(filled, tmp_path))
    monkeypatch.setenv("HEADEND_DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("HEADEND_BUDGETS", "all=50")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("acme")
def test_each_format_tells_of_the_same_live_stream(run: Run) -> None:
    table = run("costs", "report", "--month", "2026-10")
    as_json = run("costs", "report", "--month", "2026-10", "--json")
    rows = run("costs", "report", "--month", "2026-10", "--format", "csv")
    page = run("costs", "report", "--month", "2026-10", "--format", "html")

    assert {table.code, as_json.code, rows.code, page.code} == {0}
    assert {table.err, as_json.err, rows.err, page.err} == {""}
    assert as_json.json["usage"]["live_streams"] == 1
    assert as_json.json["usage"]["viewer_seconds"] == "360000.0"
    assert "viewer hours  100.0" in table.out
    assert {row["stream_id"] for row in csv.DictReader(io.StringIO(rows.out))} == {"s1"}
    assert '<td class="n">100.0</td>' in page.out


@pytest.mark.usefixtures("acme")
def test_no_secret_is_in_any_format(run: Run) -> None:
    for form in ("table", "json", "csv", "html"):
        ran = run("costs", "report", "--month", "2026-10", "--format", form)
        assert not [one for one in SECRETS.values() if one in ran.out + ran.err]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.html", "<!DOCTYPE html>"), ("a.csv", "month,"), ("a.json", "{"), ("a.txt", "month  ")],
)
def test_the_name_of_the_file_tells_the_format(
    name: str, begins: str, run: Run, tmp_path: Path
) -> None:
    ran = run("costs", "report", "--month", "2026-10", "-o", name)

    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("name", ["a.pdf", "a.xlsx", "a.2026-10"])
def test_a_name_that_tells_no_format_is_refused_and_nothing_is_written(
    name: str, run: Run, tmp_path: Path
) -> None:
    ran = run("costs", "report", "--month", "2026-10", "-o", name)

    assert (ran.code, ran.out) == (2, "")
    assert f"{name} tells no format" in ran.err
    assert not (tmp_path / name).exists()
    assert run("costs", "report", "--format", "table", "-o", name).code == 0


@pytest.mark.usefixtures("acme")
def test_rows_end_as_csv_has_it(run: Run, tmp_path: Path) -> None:
    run("costs", "report", "--month", "2026-10", "-o", "a.csv")

    content = (tmp_path / "a.csv").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") > 1
    assert run("costs", "report", "--month", "2026-10", "--format", "csv").out.encode() == content


@pytest.mark.usefixtures("acme")
def test_a_file_is_written_whole_or_not_at_all(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.html").write_text("the one before")

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        ran = run("costs", "report", "--month", "2026-10", "-o", "a.html")

    assert ran.code == 2
    assert "a.html" in ran.err
    assert "No space left on device" in ran.err
    assert (tmp_path / "a.html").read_text() == "the one before"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.usefixtures("acme")
def test_a_file_that_is_replaced_keeps_its_permissions_and_its_link(
    run: Run, tmp_path: Path
) -> None:
    real = tmp_path / "real.csv"
    real.write_text("")
    real.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(real)

    assert run("costs", "report", "--month", "2026-10", "-o", "link.csv").code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_text().startswith("month,")


@pytest.mark.usefixtures("acme")
def test_a_folder_that_is_not_there_is_named(run: Run) -> None:
    ran = run("costs", "report", "--month", "2026-10", "-o", "nowhere/a.csv")

    assert ran.code == 2
    assert "nowhere/a.csv" in ran.err


@pytest.mark.usefixtures("acme")
def test_a_device_is_written_to(run: Run) -> None:
    assert run("costs", "report", "--month", "2026-10", "-o", os.devnull).code == 0
    assert not Path(os.devnull).is_file()


@pytest.mark.usefixtures("acme")
def test_a_page_is_not_thrown_at_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headend.cli.costs_report._is_terminal", lambda: True)
    ran = run("costs", "report", "--month", "2026-10", "--format", "html")

    assert ran.code == 2
    assert ran.out == ""
    assert "give it a FILE with -o" in ran.err


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("month", ["2026-13", "November", "2999-01", ""])
def test_a_month_that_is_none_is_refused_with_words(month: str, run: Run) -> None:
    ran = run("costs", "report", "--month", month)

    assert ran.code == 2
    assert "--month" in ran.err


def test_json_and_another_format_exclude_each_other(run: Run) -> None:
    ran = run("costs", "report", "--json", "--format", "csv")

    assert ran.code == 2
    assert "exclude each other" in ran.err


@pytest.mark.usefixtures("acme")
def test_only_the_page_needs_more_packages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    page = run("costs", "report", "--month", "2026-10", "-o", "a.html")

    assert page.code == 2
    assert "pip install 'headend[report]' (jinja2 is missing)" in page.err
    assert run("costs", "report", "--month", "2026-10", "-o", "a.csv").code == 0


@pytest.mark.usefixtures("acme")
def test_without_a_month_it_is_the_one_that_goes_on(run: Run) -> None:
    month = run("costs", "report", "--json").json["month"]
    now = datetime.now(UTC)

    assert (month["year"], month["month"]) == (now.year, now.month)
