"""docs/watch.md: its program runs, and its figures are those of the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from headend.ledger.usage import LONGEST_GAP
from headend.watch import polling, watcher
from headend_contract.reference.opening import install_reference
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend_contract.reference.simulator import SimulatorApp

TEXT = (Path(__file__).parents[1] / "docs" / "watch.md").read_text(encoding="utf-8")


class _EnoughError(Exception):
    """The test has seen what it wanted."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorApp]:
    install_reference(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    app = create_app(random=Random(1), switches={"connect_time": 0.0})
    with Served(app) as served:
        for name, value in app.environment(served.url).items():
            monkeypatch.setenv(name, value)
        made = app.platform.create_input({"name": "News", "tags": {}, "low_latency": False})
        (key,) = app.platform.keys
        app.connect(key)
        app.watch(str(made["id"]), 12)
        yield app


def test_the_program_prints_what_it_says(app: SimulatorApp) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    printed: list[tuple[object, ...]] = []

    def show(*words: object) -> None:
        printed.append(words)
        raise _EnoughError

    with pytest.raises(_EnoughError):
        exec(compile(block, "watch.md", "exec"), {"print": show})

    ((name, state, viewers, cost),) = printed
    assert (name, state, viewers) == ("News", "live", 12)
    assert str(cost) == "0.00 USD"


def test_the_command_runs(app: SimulatorApp) -> None:
    (block,) = re.findall(r"^```console\n\$ (.*?)\n```$", TEXT, re.DOTALL | re.MULTILINE)
    name, *arguments = shlex.split(block)
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments, "--once"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (name, done.returncode) == ("headend", 0), done.stderr
    assert "News" in done.stdout


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    assert watcher.INTERVAL == 10, "looks again every ten seconds"
    assert polling.LIST_EVERY == 30, "is read every 30 seconds"
    assert polling.LOOKS == 20, "20 of the others at each look"
    assert polling.LATE == 600, "ten minutes later once more"
    assert LONGEST_GAP.total_seconds() == 300, "after five minutes without a look"
    assert f"at least {watcher.SHORTEST:g}." in TEXT
