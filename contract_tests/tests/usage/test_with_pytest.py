"""A plugin's author runs the contract with pytest: without a file, or by one statement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from headend_contract import pytest_plugin
from headend_contract.check import Check, Mode, all_checks
from headend_contract.report import Report, Result, Verdict
from headend_contract.suite import ContractSuite, contract_suite

if TYPE_CHECKING:
    from tests.usage.conftest import Ran

    Pytest = Callable[..., Ran]

STATEMENT = """
from headend_contract.suite import contract_suite

TestIt = contract_suite({provider!r})
"""
LISTS = [one.id for one in all_checks() if one.id.startswith("LIVE-LIST-")]
NO_FILE = ("--pyargs", "headend_contract")


def write(project: Path, provider: str) -> None:
    (project / "test_contract.py").write_text(STATEMENT.format(provider=provider), "utf-8")


@pytest.mark.usefixtures("acme")
def test_the_contract_runs_without_any_file(run_pytest: Pytest) -> None:
    ran = run_pytest(*NO_FILE, "--provider", "acme", "-v", "-k", "LIVE-LIST")

    assert ran.code == 0, ran.out
    assert [one for one in LISTS if f"test_contract[{one}] PASSED" in ran.out] == LISTS
    assert "acme (headend-acme 1.0) in simulator mode: partial; " in ran.out


@pytest.mark.usefixtures("acme")
def test_the_contract_runs_by_one_statement_and_a_check_is_chosen_by_its_id(
    run_pytest: Pytest, project: Path
) -> None:
    write(project, "acme")

    ran = run_pytest("-v", "-k", LISTS[0])

    assert ran.code == 0, ran.out
    assert f"TestIt::test_contract[{LISTS[0]}] PASSED" in ran.out
    assert f"1 passed, {len(all_checks()) - 1} deselected" in ran.out


@pytest.mark.usefixtures("forgetful")
def test_a_failure_says_what_is_wrong_why_it_matters_and_what_to_do(
    run_pytest: Pytest, project: Path
) -> None:
    write(project, "forgetful")
    (check,) = (one for one in all_checks() if one.id == "LIVE-LIST-001")

    ran = run_pytest("-k", check.id)

    words = " ".join(ran.out.split())
    assert ran.code == 1
    assert f"{check.id} {check.title}: failed" in words
    for text in (check.rule, check.why, check.hint):
        assert " ".join(text.split()) in words
    assert f"headend contract explain {check.id}" in words
    assert "runner.py" not in ran.out
    assert "in simulator mode: failed" in words


def test_what_the_author_expects_to_fail_is_an_xfail(
    run_pytest: Pytest, project: Path, forgetful: Path
) -> None:
    (forgetful / "contract.toml").write_text(
        '[[expected-failures]]\nid = "LIVE-LIST-001"\nkind = "upstream"\n'
        'reason = "The platform lists nothing."\nraises = "CheckFailedError"\n',
        encoding="utf-8",
    )
    write(project, "forgetful")

    ran = run_pytest("-rx", "-k", "LIVE-LIST-001")

    assert ran.code == 0, ran.out
    assert "1 xfailed" in ran.out
    assert "The platform lists nothing." in ran.out


def test_without_a_provider_there_is_one_error_that_names_those_installed(
    run_pytest: Pytest, third_party: object, acme: Path
) -> None:
    ran = run_pytest(*NO_FILE)

    assert ran.code != 0
    assert "Add --provider NAME; installed are acme" in ran.out
    assert "1 error" in ran.out


def test_an_unknown_provider_is_one_error(run_pytest: Pytest, project: Path) -> None:
    write(project, "nobody")

    ran = run_pytest()

    assert ran.code != 0
    assert "unknown provider 'nobody'" in ran.out
    assert "1 error" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.usefixtures("acme")
def test_a_provider_without_recordings_is_not_replayed_in_silence(run_pytest: Pytest) -> None:
    ran = run_pytest(*NO_FILE, "--provider", "acme", "--contract-mode", "replay")

    assert ran.code != 0
    assert "`headend contract record acme` makes them" in " ".join(ran.out.split())


@pytest.mark.usefixtures("acme")
def test_a_core_check_without_a_recording_fails_a_replay(
    headend: Callable[..., Ran], run_pytest: Pytest, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    made = headend("contract", "record", "acme", "--only", LISTS[0], "--cassettes", str(folder))
    assert made.code == 0, made.out + made.err

    ran = run_pytest(
        *(*NO_FILE, "--provider", "acme", "--cassettes", str(folder)),
        *("-v", "-rs", "-k", "LIVE-LIST or ERROR-RESET"),
    )

    words = " ".join(ran.out.split())
    assert ran.code == 1
    assert f"test_contract[{LISTS[0]}] PASSED" in words
    assert "a core check that this mode can run was not run" in words
    assert "it runs in simulator mode only" in words


def test_the_options_know_all_modes() -> None:
    assert set(pytest_plugin.MODES) == set(Mode)


class Results:
    """A run that comes out as a test wants it."""

    def __init__(self, check: Check, verdict: Verdict, mode: Mode) -> None:
        self.result = Result(
            id=check.id,
            title=check.title,
            level=check.level,
            modes=tuple(check.modes),
            provisional=check.provisional,
            verdict=verdict,
            reason="the reason",
            seconds=0.0,
            mode=mode,
            provenance=None,
        )

    def decide(self, check: Check) -> Result:
        return self.result

    def must_run(self, result: Result) -> bool:
        return bool(
            Report(
                provider="acme",
                title="Acme",
                distribution=None,
                version=None,
                suite="1",
                contract="1",
                core="1",
                python="3",
                mode=result.mode,
                results=(result,),
            ).missing
        )


def outcome(verdict: Verdict, check: Check, mode: Mode = Mode.SIMULATOR) -> tuple[str, str]:
    """Return what becomes of a test, and its words."""
    kinds = {
        pytest.fail.Exception: "failed",
        pytest.skip.Exception: "skipped",
        pytest.xfail.Exception: "xfailed",
    }
    try:
        ContractSuite().test_contract(check, Results(check, verdict, mode))  # type: ignore[arg-type]  # it has all that is used
    except tuple(kinds) as raised:
        return kinds[type(raised)], str(raised)
    return "passed", ""


@pytest.fixture(scope="module")
def core() -> Check:
    return next(one for one in all_checks() if one.id == LISTS[0])


@pytest.fixture(scope="module")
def extended() -> Check:
    return next(one for one in all_checks() if one.needs_simulator)


@pytest.mark.parametrize(
    ("verdict", "becomes"),
    [
        (Verdict.PASSED, "passed"),
        (Verdict.FAILED, "failed"),
        (Verdict.EXPECTED_FAILURE, "xfailed"),
        (Verdict.UNEXPECTED_PASS, "failed"),
        (Verdict.NOT_APPLICABLE, "skipped"),
        (Verdict.NOT_RUN, "failed"),
        (Verdict.STALE, "failed"),
        (Verdict.ERROR, "failed"),
    ],
)
def test_each_verdict_has_its_outcome(verdict: Verdict, becomes: str, core: Check) -> None:
    became, words = outcome(verdict, core)

    assert became == becomes
    assert became == "passed" or "the reason" in words


def test_what_a_mode_cannot_run_is_skipped(extended: Check) -> None:
    assert outcome(Verdict.NOT_RUN, extended, Mode.REPLAY) == ("skipped", "the reason")


def test_a_fault_of_the_suite_is_not_put_down_to_the_provider(core: Check) -> None:
    _, words = outcome(Verdict.ERROR, core)

    assert f"{core.title}: error" in words
    assert "The suite itself is at fault" in words
    assert core.hint not in words


def test_a_provisional_check_fails_nobody(core: Check) -> None:
    became, words = outcome(Verdict.FAILED, attrs.evolve(core, provisional=True))

    assert became == "xfailed"
    assert "provisional" in words


def test_a_suite_is_collected_under_any_name_and_the_base_class_is_not() -> None:
    assert contract_suite("acme").__test__
    assert not ContractSuite.__test__
