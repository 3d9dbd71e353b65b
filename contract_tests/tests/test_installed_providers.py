"""Every provider that is installed fulfils the contract, on its recordings and on its simulator.

This is the normal run: generated examples are few in it, and `headend contract run` tries more.
"""

from __future__ import annotations

import time

import pytest

from headend_contract.check import Mode
from headend_contract.installed import installed_runs
from headend_contract.runner import check_provider

LONGEST = {Mode.REPLAY: 10.0, Mode.SIMULATOR: 30.0}
"""Seconds of processor time that a run may take."""


@pytest.mark.parametrize(("name", "mode"), list(installed_runs()))
def test_an_installed_provider_fulfils_the_contract(name: str, mode: Mode) -> None:
    started = time.process_time()
    report = check_provider(name, mode=mode, fast=True)
    spent = time.process_time() - started

    bad = [
        f"{one.id}: {one.verdict}: {one.reason}"
        for one in report.results
        if one.verdict not in {"passed", "expected-failure", "not-applicable", "not-run"}
    ]
    assert not bad, "\n".join(bad)
    assert report.exit_code == 0, f"not run: {report.missing}"
    assert spent <= LONGEST[mode]


def test_providers_are_installed() -> None:
    assert {mode for _, mode in installed_runs()} >= {Mode.SIMULATOR}
