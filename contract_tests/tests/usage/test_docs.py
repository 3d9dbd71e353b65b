"""The pages of the contract are true, and those made from checks and reports are current."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headend_contract.check import all_checks
from headend_contract.installed import installed_runs
from headend_contract.known_bad import all_known_bad
from headend_contract.pages import (
    CHECKS,
    CONFORMANCE,
    checks_page,
    conformance_page,
    file_name,
    pages,
    plain,
    read_reports,
)
from headend_contract.report import Conformance, Report, Verdict
from headend_contract.runner import check_provider

if TYPE_CHECKING:
    from tests.usage.conftest import Ran

DOCS = Path(__file__).parents[3] / "docs"
OWN = frozenset(
    name
    for file in (DOCS.parent / "plugins").glob("*/pyproject.toml")
    for name in tomllib.loads(file.read_text("utf-8"))["project"]["entry-points"]["headend"]
)
"""The providers of this repository; others may be installed beside them."""

AGAIN = "run `python -m headend_contract.pages docs --run`"


@pytest.mark.parametrize("name", [CHECKS, CONFORMANCE])
def test_a_page_that_is_made_is_current(name: str) -> None:
    made = pages(DOCS)[DOCS / name]

    assert (DOCS / name).read_text("utf-8") == made, AGAIN


def test_the_reports_are_of_all_providers_of_this_repository_and_of_all_checks() -> None:
    reports = read_reports(DOCS)

    runs = {(name, mode) for name, mode in installed_runs() if name in OWN}
    assert {(one.provider, one.mode) for one in reports} == runs, AGAIN
    for report in reports:
        assert report.distribution is not None
        assert report.version == version(report.distribution), AGAIN
        assert [one.id for one in report.results] == [one.id for one in all_checks()], AGAIN


def test_every_check_is_on_the_page_under_its_id_with_its_proofs() -> None:
    bad = all_known_bad()
    page = checks_page(all_checks(), bad)
    sections = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))

    assert set(sections) == {one.id for one in all_checks()}
    for check in all_checks():
        for text in (check.title, check.rule, check.why, check.hint):
            assert plain(text) in sections[check.id]
        for one in bad:
            assert (f"`{one.name}`" in sections[check.id]) == (check.id in one.fails)


@pytest.mark.usefixtures("forgetful")
def test_what_failed_is_not_hidden() -> None:
    report = check_provider("forgetful", only=["LIVE-LIST-*"])
    bad = next(one for one in report.results if one.verdict is Verdict.FAILED)
    good = next(one for one in report.results if one.verdict is Verdict.PASSED)

    page = conformance_page([report])

    assert f"| simulator | **{Conformance.FAILED}** |" in page
    assert f"| [{bad.id}](checks.md#{bad.id.lower()}) | **failed** |" in page
    assert f"| [{good.id}](checks.md#{good.id.lower()}) | passed |" in page
    assert bad.reason is not None
    assert plain(bad.reason) in page
    assert "simulator of headend-forgetful 1.0" in page
    assert report.command in page


def test_reports_come_from_files_of_their_own_names(tmp_path: Path, acme: Path) -> None:
    report = check_provider("acme", only=["LIVE-LIST-001"])
    place = tmp_path / "reports"
    place.mkdir()
    (place / file_name(report)).write_text(report.to_json(), "utf-8")
    assert read_reports(tmp_path) == [report]

    (place / "other-simulator.json").write_text(report.to_json(), "utf-8")
    with pytest.raises(ValueError, match=r"is the report acme-simulator\.json"):
        read_reports(tmp_path)
    changed = report.to_json().replace('"level": "partial"', '"level": "core"')
    (place / "other-simulator.json").write_text(changed, "utf-8")
    with pytest.raises(ValueError, match=r"other-simulator\.json: "):
        read_reports(tmp_path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b | c", r"a \< b \| c"),
        ("`a < b` and **c**", r"`a < b` and \*\*c\*\*"),
        ("``code``\nin two lines", "`code` in two lines"),
        ("find_live_streams()", "find_live_streams()"),
    ],
)
def test_a_sentence_is_shown_as_it_was_written(text: str, shown: str) -> None:
    assert plain(text) == shown


def programs(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.usefixtures("acme")
def test_the_guides_statement_is_collected(run_pytest: Callable[..., Ran], project: Path) -> None:
    statement, _, _ = programs("contract.md", "python")
    (project / "test_contract.py").write_text(statement, "utf-8")

    ran = run_pytest("--collect-only", "-q")

    assert f"{len(all_checks())} tests collected" in ran.out


@pytest.mark.usefixtures("acme")
def test_the_guides_two_tests_run_in_a_mode_of_their_own(
    run_pytest: Callable[..., Ran], headend: Callable[..., Ran], project: Path
) -> None:
    """One check each only here."""
    _, _, both = programs("contract.md", "python")
    (project / "test_contract.py").write_text(both, "utf-8")
    folder = str(project / "cassettes" / "acme")
    only = ("--only", "LIVE-LIST-001")
    assert headend("contract", "record", "acme", "--cassettes", folder, *only).code == 0

    ran = run_pytest("-q", "-k", "LIVE-LIST-001")

    others = f"partial; 1 passed, {len(all_checks()) - 1} not-run"
    assert f"in replay mode: {others}" in ran.out
    assert f"in simulator mode: {others}" in ran.out


@pytest.mark.usefixtures("acme")
def test_the_guides_program_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs a few checks only here; the whole is run elsewhere."""
    _, program, _ = programs("contract.md", "python")
    import headend_contract.runner as runner

    def few(provider: str) -> Report:
        return check_provider(provider, only=["LIVE-LIST-*"])

    monkeypatch.setattr(runner, "check_provider", few)

    exec(program, {})

    assert capsys.readouterr().out.startswith("partial\n# ")


def test_the_guides_expected_failure_is_one(forgetful: Path) -> None:
    (example,) = programs("contract.md", "toml")
    (forgetful / "contract.toml").write_text(
        example.replace("LIVE-CREATE-003", "LIVE-LIST-001"), "utf-8"
    )

    report = check_provider("forgetful", only=["LIVE-LIST-001"])

    assert report.counts[Verdict.EXPECTED_FAILURE] == 1


def test_the_guides_commands_exist(headend: Callable[..., Ran]) -> None:
    commands = [
        line.split()
        for text in programs("contract.md", "console")
        for line in text.splitlines()
        if line.startswith("headend ")
    ]

    assert commands
    for _, group, command, _, *options in commands:
        told = headend(group, command, "--help")
        assert told.code == 0
        assert all(one in told.out for one in options if one.startswith("--"))


def test_the_guide_tells_of_every_verdict_and_level() -> None:
    page = (DOCS / "contract.md").read_text("utf-8")

    assert all(f"| {verdict} | " in page for verdict in Verdict)
    assert all(f"| `{level}` | " in page for level in Conformance)
