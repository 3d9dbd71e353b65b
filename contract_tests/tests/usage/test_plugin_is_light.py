"""Projects that merely have the suite installed do not notice its pytest plugin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.usage.conftest import Ran

LISTS_MODULES = """
import json, pathlib, sys

def test_modules():
    pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules)))
"""
OWN_OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--provider", default="theirs")
    parser.addoption("--cassettes", default="theirs")
"""
READS_THEM = """
def test_the_options_are_the_projects_own(request):
    assert request.config.getoption("--provider") == "mine"
    assert request.config.getoption("--cassettes") == "theirs"
"""
TIMES = """
import time, pytest
before = time.process_time()
import headend_contract.pytest_plugin
print(time.process_time() - before)
"""
LOADS_CHECKS = """
import sys
import headend_contract.modes.replay, headend_contract.suite
from headend_contract.check import all_checks
print(len(all_checks()) > 0, "hypothesis" in sys.modules)
"""


def test_loading_the_plugin_imports_nothing_else(
    run_pytest: Callable[..., Ran], project: Path
) -> None:
    """Other plugins import what they need; what counts is what this one adds to that."""
    (project / "test_modules.py").write_text(LISTS_MODULES, "utf-8")

    def modules(*arguments: str) -> set[str]:
        ran = run_pytest(*arguments)
        assert ran.code == 0, ran.out
        return set(json.loads((project / "modules.json").read_text()))

    added = modules() - modules("-p", "no:headend_contract")

    assert added == {"headend_contract", "headend_contract.pytest_plugin"}


def test_a_project_may_have_options_of_the_same_names(
    run_pytest: Callable[..., Ran], project: Path
) -> None:
    (project / "conftest.py").write_text(OWN_OPTIONS, "utf-8")
    (project / "test_options.py").write_text(READS_THEM, "utf-8")

    ran = run_pytest("--provider", "mine")

    assert ran.code == 0, ran.out + ran.err


def test_importing_the_plugin_takes_at_most_10_ms(python: Callable[..., Ran]) -> None:
    """Processor time counts, and the quickest of several runs, lest a busy machine decides."""
    spent = float("inf")
    for _ in range(5):
        spent = min(spent, float(python("-c", TIMES).out))
        if spent <= 0.010:
            break

    assert spent <= 0.010


def test_neither_a_list_of_checks_nor_a_replay_waits_for_hypothesis(
    python: Callable[..., Ran],
) -> None:
    ran = python("-c", LOADS_CHECKS)

    assert ran.out.split() == ["True", "False"], ran.err
