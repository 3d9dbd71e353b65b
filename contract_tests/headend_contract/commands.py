"""The commands `headend contract …`: run the contract, look checks up, record traffic.

Importing this module is cheap: what runs checks is imported when a command runs.
"""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from headend.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from headend_contract.check import Check
    from headend_contract.known_bad import KnownBad
    from headend_contract.recording import Recorded, Stale
    from headend_contract.report import Report, Result
    from headend_contract.runner import ContractRun

_Function = TypeVar("_Function", bound="Callable[..., object]")

_MODES: Final = ("replay", "simulator", "live")
_SOURCES: Final = ("simulator", "live")

_FAILED: Final = 7
"""The exit code of a command that found the contract broken."""

_COLOURS: Final = {
    "passed": "green",
    "failed": "red",
    "unexpected-pass": "red",
    "stale": "red",
    "error": "red",
    "expected-failure": "yellow",
}


@click.group("contract")
def contract_group() -> None:
    """What every provider must do: run it, look it up, record for it."""


def _only_option(function: _Function) -> _Function:
    return click.option(
        "--only",
        metavar="ID",
        multiple=True,
        help="This check only, such as LIVE-CREATE-001 or 'LIVE-*'; repeatable.",
    )(function)


def _cassettes_option(function: _Function) -> _Function:
    return click.option(
        "--cassettes",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder of the recordings.  [default: where the plugin brings them, else "
        "./cassettes/PROVIDER]",
    )(function)


class _NewFile(click.Path):
    """A file to be written at the end, in a folder that is there: a run is long to be in vain."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        folder = Path(value).parent
        if not folder.is_dir():
            self.fail(f"there is no folder '{folder}'.", param, ctx)
        return super().convert(value, param, ctx)


def _file_option(name: str, what: str) -> Callable[[_Function], _Function]:
    return click.option(name, metavar="FILE", type=_NewFile(), help=what)


@contract_group.command("run", short_help="Run the contract on a provider.")
@click.argument("provider")
@click.option(
    "--mode",
    type=click.Choice(_MODES),
    help="Where its answers come from; live asks the platform itself, which may cost money.  "
    "[default: recordings where it has some, else its simulator]",
)
@_only_option
@_cassettes_option
@_file_option("--report", "Write the report to this file, as JSON.")
@_file_option("--markdown", "Write the report to this file, for people.")
@json_option
def run_command(
    provider: str,
    mode: str | None,
    only: tuple[str, ...],
    cassettes: Path | None,
    report: Path | None,
    markdown: Path | None,
    *,
    as_json: bool,
) -> int:
    """Run the contract on the installed provider PROVIDER.

    Exit code 0: nothing failed, and all core checks that the mode can run were run. 7: it failed,
    or they were not. 1: the suite itself is at fault.
    """
    from headend_contract.check import Mode
    from headend_contract.runner import NothingToAskError, open_bare_run, open_run

    try:
        with open_run(
            provider,
            mode=None if mode is None else Mode(mode),
            only=only,
            cassettes=cassettes,
        ) as run:
            made = run.report(_decide_aloud(run, only, on_stderr=as_json))
    except NothingToAskError:
        # What its description alone decides is a beginning for whoever writes it.
        with open_bare_run(provider, only=only) as run:
            _decide_aloud(run, only, on_stderr=as_json)
        raise
    if report is not None:
        report.write_text(made.to_json(), encoding="utf-8")
    if markdown is not None:
        markdown.write_text(made.to_markdown(), encoding="utf-8")
    _conclude(made, only, on_stderr=as_json)
    if as_json:
        click.echo(made.to_json(), nl=False)
    return made.exit_code


def _decide_aloud(run: ContractRun, only: tuple[str, ...], *, on_stderr: bool) -> list[Result]:
    """Run all checks, and tell of each that can run here as soon as it is decided."""
    results = []
    for check in run.checks:
        result = run.decide(check)
        results.append(result)
        if run.mode in check.modes and _is_chosen(check.id, only):
            click.echo(_row(check, result), err=on_stderr)
    return results


def _is_chosen(check_id: str, only: tuple[str, ...]) -> bool:
    return not only or any(fnmatchcase(check_id, pattern) for pattern in only)


def _row(check: Check, result: Result) -> str:
    from headend_contract.explain import explain_result

    verdict = click.style(f"{result.verdict:<16}", fg=_COLOURS.get(result.verdict))
    row = f"{verdict} {check.id:<22} {result.seconds:6.2f} s  {check.title}"
    _, *more = explain_result(check, result).splitlines()
    return "\n".join([row, *more])


def _conclude(report: Report, only: tuple[str, ...], *, on_stderr: bool) -> None:
    from headend_contract.explain import summarize

    lines = ["", summarize(report)]
    elsewhere = [
        one
        for one in report.results
        if report.mode not in one.modes and one.verdict == "not-run" and _is_chosen(one.id, only)
    ]
    if elsewhere:
        modes = " or ".join(sorted({mode for one in elsewhere for mode in one.modes}))
        lines.append(f"{len(elsewhere)} checks run in {modes} mode only.")
    if report.missing and only:
        lines.append(
            f"{len(report.missing)} core checks were not chosen, and without them nothing conforms "
            f"(exit code {report.exit_code}): leave --only out."
        )
    elif report.missing:
        lines.append(f"Core checks that were not run: {', '.join(report.missing)}.")
    click.echo("\n".join(lines), err=on_stderr)


@contract_group.command("list", short_help="List the checks.")
@json_option
def list_command(*, as_json: bool) -> None:
    """List the checks."""
    from headend_contract.check import all_checks

    checks = all_checks()
    if as_json:
        print_json([_described(one) for one in checks])
        return
    print_table(
        ("check", "level", "modes", "requires", "title"),
        [
            (
                f"{one.id}{' (provisional)' if one.provisional else ''}",
                one.level,
                one.modes,
                one.requires,
                one.title,
            )
            for one in checks
        ],
    )


@contract_group.command("explain", short_help="Tell all about a check.")
@click.argument("check_id", metavar="ID")
@json_option
def explain_command(check_id: str, *, as_json: bool) -> None:
    """Tell all about the check ID: what it asks for, why, and how to mend what is wrong."""
    from headend_contract.known_bad import all_known_bad

    check = _find(check_id)
    bad = [one for one in all_known_bad() if check.id in one.fails]
    if as_json:
        print_json({**_described(check), "known_bad": [_described_bad(one) for one in bad]})
        return
    from headend_contract.explain import describe_check

    click.echo(describe_check(check, bad))


def _find(check_id: str) -> Check:
    from headend.errors import ConfigurationError
    from headend_contract.check import all_checks, no_such_check

    checks = {one.id: one for one in all_checks()}
    found = checks.get(check_id.upper())
    if found is None:
        raise ConfigurationError(no_such_check(check_id, checks))
    return found


def _described(check: Check) -> dict[str, object]:
    names = (
        "id",
        "title",
        "level",
        "modes",
        "requires",
        "refuses",
        "needs_simulator",
        "needs_distribution",
        "offline",
        "since",
        "provisional",
        "rule",
        "why",
        "hint",
    )
    return {name: getattr(check, name) for name in names}


def _described_bad(bad: KnownBad) -> dict[str, object]:
    return {"name": bad.name, "what": bad.what}


@contract_group.command("record", short_help="Record a provider's traffic for replay mode.")
@click.argument("provider")
@click.option(
    "--mode",
    type=click.Choice(_SOURCES),
    help="Whom to record; live asks the platform itself, which may cost money.  [default: live "
    "where its credentials are set, else the simulator]",
)
@_only_option
@_cassettes_option
@click.option(
    "--check-stale", is_flag=True, help="Record nothing; tell which recordings are out of date."
)
@json_option
def record_command(
    provider: str,
    mode: str | None,
    only: tuple[str, ...],
    cassettes: Path | None,
    *,
    check_stale: bool,
    as_json: bool,
) -> int:
    """Record the traffic of the installed provider PROVIDER, for replay mode.

    What is recorded is scrubbed of secrets, scanned, and played once before it takes the place of
    an older recording. Exit code 7: a check could not be recorded, or a recording is out of date.
    """
    from headend_contract.check import Mode
    from headend_contract.recording import Outcome, find_stale, folder_of, record

    if check_stale:
        if only or mode is not None:
            raise click.UsageError("--check-stale looks at all recordings: leave the others out")
        stale = find_stale(provider, folder=cassettes)
        _print_stale(provider, stale, as_json=as_json)
        return _FAILED if stale else 0
    recorded = record(
        provider,
        only=only,
        folder=cassettes,
        mode=None if mode is None else Mode(mode),
    )
    _print_recorded(recorded, folder_of(provider, folder=cassettes), as_json=as_json)
    return _FAILED if any(one.outcome is Outcome.FAILED for one in recorded) else 0


def _print_stale(provider: str, stale: list[Stale], *, as_json: bool) -> None:
    if as_json:
        print_json(stale)
    elif stale:
        for one in stale:
            click.echo(f"{one.check:<22} {one.reason}")
        click.echo(f"\n`headend contract record {provider}` records them anew.")
    else:
        click.echo("All recordings are of the checks as they are.")


def _print_recorded(recorded: list[Recorded], folder: Path, *, as_json: bool) -> None:
    from headend_contract.recording import Outcome
    from headend_contract.report import counted

    if as_json:
        print_json(recorded)
        return
    for one in recorded:
        if one.outcome is not Outcome.NOT_NEEDED:
            requests = counted(one.interactions, "request") if one.interactions else ""
            words = "; ".join(text for text in (requests, one.reason) if text)
            click.echo(f"{one.outcome:<12} {one.check:<22} {words}".rstrip())
    counts = Counter(one.outcome for one in recorded)
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    click.echo(f"\n{said}; the recordings are in {folder}")
