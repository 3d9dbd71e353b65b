"""The pages of the documentation that are made of checks and reports.

::

    python -m headend_contract.pages docs

writes ``checks.md`` from the checks, and ``conformance.md`` from ``reports/*.json``, which
``headend contract run PROVIDER --mode MODE --report FILE`` makes.  ``--run`` makes those first.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from headend_contract.check import Level
from headend_contract.explain import MEANINGS, summarize
from headend_contract.report import Conformance, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headend_contract.check import Check
    from headend_contract.known_bad import KnownBad

CHECKS: Final = "checks.md"
CONFORMANCE: Final = "conformance.md"
REPORTS: Final = "reports"
"""The names of the pages, and of the folder of reports beside them."""

_CHECKS_HEAD: Final = """\
<!-- Made by `python -m headend_contract.pages docs`; do not change it by hand. -->
# The checks

There are {all} checks: {core} core ones, which recorded traffic can decide, and {extended} extended ones, which need a simulator.
[The contract](contract.md) tells how to run them; `headend contract explain ID` tells what this page does.

What a check *notices* are providers that are wrong on purpose: they prove that it can fail.
"""  # noqa: E501  # one sentence a line, as in all pages

_CONFORMANCE_HEAD: Final = """\
<!-- Made by `python -m headend_contract.pages docs`; do not change it by hand. -->
# Conformance

How far providers fulfil [the contract](contract.md), as the reports beside this page have it.

**Where a simulator answered, or a recording of one, nothing is proved of the platform itself.**
The column *answered by* says what it was.

| provider | mode | level | passed | failed | expected failures | not applicable | not run | answered by |
|---|---|---|--:|--:|--:|--:|--:|---|"""  # noqa: E501  # as above

_MARKS: Final = re.compile(r"[\\*<>|\[\]]")
"""What Markdown would not show as it is; code in backticks stays code."""

_LEVELS: Final = {
    Conformance.CORE: "It passes all core checks.",
    Conformance.EXTENDED: "It passes all checks.",
    Conformance.PARTIAL: "Nothing failed, but not all core checks were run and passed.",
    Conformance.FAILED: "It failed.",
    Conformance.INVALID: "The run decides nothing: it was empty, or the suite itself was at fault.",
}


def checks_page(checks: Sequence[Check], known_bad: Iterable[KnownBad]) -> str:
    """Return the page that tells of each check, by what the checks are about.

    Args:
        checks: the checks.
        known_bad: the providers that prove them.
    """
    proofs: dict[str, list[KnownBad]] = defaultdict(list)
    for bad in known_bad:
        for check_id in bad.fails:
            proofs[check_id].append(bad)
    groups: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        groups[check.module].append(check)
    core = sum(one.level is Level.CORE for one in checks)
    lines = [
        _CHECKS_HEAD.format(all=len(checks), core=core, extended=len(checks) - core),
    ]
    for module in sorted(groups):
        lines += [f"## {_title(module)}", "", _about(module), ""]
        for check in groups[module]:
            lines += _check(check, proofs[check.id])
    return "\n".join(lines).rstrip() + "\n"


def _title(module: str) -> str:
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def _about(module: str) -> str:
    """Return the first sentence of a module's docstring."""
    text = (import_module(module).__doc__ or "").strip().partition("\n\n")[0]
    return plain(text)


def _check(check: Check, proofs: Iterable[KnownBad]) -> list[str]:
    facts = [str(check.level), f"since contract {check.since}"]
    if check.provisional:
        facts.append("provisional: it fails nobody yet")
    if check.requires:
        facts.append(f"for providers that declare {_names(check.requires)}")
    if check.refuses:
        facts.append(f"for providers that do not declare {_names(check.refuses)}")
    facts.append(f"in {_names(check.modes)} mode")
    lines = [
        f"### {check.id}",
        "",
        f"**{plain(check.title)}** ({'; '.join(facts)})",
        "",
        f"* Rule: {plain(check.rule)}",
        f"* Why: {plain(check.why)}",
        f"* Hint: {plain(check.hint)}",
    ]
    lines += [f"* Notices `{one.name}`: {plain(one.what)}" for one in proofs]
    return [*lines, ""]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def conformance_page(reports: Iterable[Report]) -> str:
    """Return the page that tells how far each provider fulfils the contract.

    Args:
        reports: one for each provider and mode.
    """
    ordered = sorted(reports, key=lambda one: (one.provider, one.mode))
    lines = [
        _CONFORMANCE_HEAD,
        *map(_summary, ordered),
        "",
        "The levels:",
        "",
        *(f"* **{level}**: {_LEVELS[level]}" for level in Conformance),
        "",
        "To make the same run:",
        "",
        "```console",
        *(one.command for one in ordered),
        "```",
        "",
    ]
    lines += _shortcomings(ordered)
    lines += [
        "## Check by check",
        "",
        f"| check | {' | '.join(f'{one.provider}, {one.mode}' for one in ordered)} |",
        f"|---|{'---|' * len(ordered)}",
    ]
    verdicts = [{one.id: one for one in report.results} for report in ordered]
    for check_id in sorted({check_id for by_id in verdicts for check_id in by_id}):
        cells = [_cell(by_id[check_id].verdict) if check_id in by_id else "" for by_id in verdicts]
        lines.append(f"| [{check_id}]({CHECKS}#{check_id.lower()}) | {' | '.join(cells)} |")
    lines += ["", "What the verdicts mean:", ""]
    lines += [f"* **{verdict}**: {MEANINGS[verdict]}" for verdict in Verdict]
    return "\n".join(lines) + "\n"


def _summary(report: Report) -> str:
    counts = report.counts
    bad = (Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.STALE, Verdict.ERROR)
    origin = f" ({report.distribution} {report.version})" if report.distribution else ""
    cells = (
        f"[{plain(report.title)}]({REPORTS}/{file_name(report)}){origin}",
        report.mode,
        f"**{report.level}**",
        counts[Verdict.PASSED],
        sum(counts[one] for one in bad),
        counts[Verdict.EXPECTED_FAILURE],
        counts[Verdict.NOT_APPLICABLE],
        counts[Verdict.NOT_RUN],
        plain("; ".join(sorted({one.provenance for one in report.results if one.provenance}))),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _shortcomings(reports: Iterable[Report]) -> list[str]:
    """Tell of whatever did not go well, and why."""
    fine = {Verdict.PASSED, Verdict.NOT_APPLICABLE, Verdict.NOT_RUN}
    rows = [
        f"* {report.provider}, {report.mode}, [{one.id}]({CHECKS}#{one.id.lower()}): "
        f"**{one.verdict}**. {plain(one.reason or '')}".rstrip()
        for report in reports
        for one in report.results
        if one.verdict not in fine
    ]
    return ["## What is not as it should be", "", *rows, ""] if rows else []


def _cell(verdict: Verdict) -> str:
    if verdict is Verdict.PASSED:
        return "passed"
    if verdict in {Verdict.NOT_APPLICABLE, Verdict.NOT_RUN}:
        return verdict.replace("-", " ")
    return f"**{verdict}**"


def file_name(report: Report) -> str:
    """Return the name of a report's file."""
    return f"{report.provider}-{report.mode}.json"


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line, but for code in backticks."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.replace("``", "`").split()))
    return "".join(part if part.startswith("`") else _MARKS.sub(r"\\\g<0>", part) for part in parts)


def read_reports(folder: Path) -> list[Report]:
    """Read the reports beside the pages.

    Args:
        folder: that of the pages.

    Raises:
        ValueError: a file is no report, or not the one that its name says.
    """
    found = []
    for path in sorted((folder / REPORTS).glob("*.json")):
        try:
            report = Report.from_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if path.name != file_name(report):
            raise ValueError(f"{path} is the report {file_name(report)}")
        found.append(report)
    return found


def pages(folder: Path) -> dict[Path, str]:
    """Return what the pages in a folder should hold, by their files.

    Args:
        folder: that of the pages and of the reports.

    Raises:
        ValueError: a report cannot be read.
    """
    from headend_contract.check import all_checks
    from headend_contract.known_bad import all_known_bad

    return {
        folder / CHECKS: checks_page(all_checks(), all_known_bad()),
        folder / CONFORMANCE: conformance_page(read_reports(folder)),
    }


def run_all(folder: Path) -> None:
    """Run the contract on all installed providers, and put the reports beside the pages.

    Each is run in replay mode where it has recordings, and in simulator mode where it has one.

    Args:
        folder: that of the pages.
    """
    from headend_contract.installed import installed_runs
    from headend_contract.runner import check_provider

    texts: dict[str, str] = {}
    for name, mode in installed_runs():
        report = check_provider(name, mode=mode)
        texts[file_name(report)] = report.to_json()
        click.echo(summarize(report), err=True)
    place = folder / REPORTS
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.json"):
        if old.name not in texts:
            old.unlink()
    for file, text in texts.items():
        (place / file).write_text(text, encoding="utf-8")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--run", is_flag=True, help="Run the contract on all installed providers first.")
def write_pages(folder: Path, *, run: bool) -> None:
    """Write the pages into FOLDER, whose folder `reports` has the reports."""
    if run:
        run_all(folder)
    for path, text in pages(folder).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write_pages())
