"""The tests of the checks: each fails the providers that are wrong in its way, and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from headend_contract.check import Mode, all_checks
from headend_contract.known_bad import all_known_bad
from headend_contract.known_bad.fuller import FULLER
from headend_contract.known_bad.options import OPTIONED
from headend_contract.known_bad.trials import SEARCHES, Trial, try_all
from headend_contract.reference import headend_providers
from headend_contract.report import Report, Verdict
from headend_contract.runner import check_provider

pytestmark = pytest.mark.timeout(600)

(REFERENCE,) = headend_providers()
NAMES = [one.name for one in all_known_bad()]
IDS = frozenset(one.id for one in all_checks())

SECRET = re.compile(r"r[twkp]_[0-9a-f]{32,}")
"""Tokens, webhook secrets, stream keys and playback tokens of the reference platform."""


@pytest.fixture(scope="session")
def trials() -> Mapping[str, Trial]:
    """What all checks say of all known-bad providers."""
    return try_all()


@pytest.mark.parametrize("name", NAMES)
def test_a_known_bad_provider_fails_exactly_its_checks(trials, name):
    trial = trials[name]

    assert trial.errors == {}
    assert trial.missed == frozenset()
    assert trial.overcaught == {}


def test_the_checks_that_are_tried_are_all_that_a_simulator_can_decide(trials):
    """An empty or a half run would be green as well."""
    executed = frozenset[str]().union(*(one.executed for one in trials.values()))
    decidable = {one.id for one in all_checks() if Mode.SIMULATOR in one.modes}

    assert executed == decidable
    for trial in trials.values():
        assert len(trial.executed) > len(decidable) / 2, trial.name
        assert trial.fails <= trial.executed, trial.name


def test_every_check_has_a_known_bad_provider_and_every_known_bad_provider_names_checks():
    proven = frozenset[str]().union(*(one.fails for one in all_known_bad()))

    assert IDS - proven == set()
    assert proven - IDS == set()


def test_no_report_on_a_known_bad_provider_holds_a_secret(trials):
    """Some of them shout their keys from every error."""
    for trial in trials.values():
        assert SECRET.search(trial.report) is None, trial.name


GOOD = {"reference": REFERENCE, "fuller": FULLER, "optioned": OPTIONED}
"""Together they have all that checks can ask for, but for a distribution."""

FINE = frozenset({Verdict.PASSED, Verdict.NOT_APPLICABLE})


@pytest.fixture(scope="session")
def reports() -> Mapping[str, Report]:
    """What all checks say of good providers."""
    return {
        name: check_provider(spec, mode=Mode.SIMULATOR, fast=True) for name, spec in GOOD.items()
    }


@pytest.mark.parametrize("name", GOOD)
def test_a_good_provider_fails_no_check(reports, name):
    results = reports[name].results

    assert [(one.id, one.reason) for one in results if one.verdict not in FINE] == []


def test_good_providers_pass_every_check_that_needs_no_distribution(reports):
    passed = {
        one.id
        for report in reports.values()
        for one in report.results
        if one.verdict is Verdict.PASSED
    }

    assert {one.id for one in all_checks() if not one.needs_distribution} == passed


def test_the_outcome_is_told(trials, capsys):
    caught = sum(len(one.fails) - len(one.missed) for one in trials.values())
    missed = sum(len(one.missed) for one in trials.values())
    overcaught = sum(len(one.overcaught) for one in trials.values())
    slowest = max(trials.values(), key=lambda one: one.seconds)
    with capsys.disabled():
        print(
            f"\n{len(IDS)} checks ({len(SEARCHES)} of them a search), {len(trials)} known-bad "
            f"providers: {caught} caught, {missed} missed, {overcaught} over-caught; the slowest "
            f"took {slowest.seconds:.1f} s ({slowest.name})"
        )

    assert trials
    assert (missed, overcaught) == (0, 0)
