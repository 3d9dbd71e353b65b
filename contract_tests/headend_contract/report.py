"""What a run found out: a verdict on each check, and one on the provider.

A report never hides what did not run.  It is JSON for programs and Markdown for people, and it
holds no secret.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import asdict, fields, frozen

from headend_contract.check import Level, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
"""The version of the JSON."""

EXIT_DONE: Final = 0
EXIT_DEFECT: Final = 1
EXIT_FAILED: Final = 7
"""Exit codes of a command that ran the suite: conforming, a fault of the suite's own, failed."""


NOT_CHOSEN: Final = ("it was not chosen", "pytest left it out")
"""Why a check was not run that could have been: by the suite's own choice of words, or pytest's."""


class Verdict(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    """The provider does not do what the check asks for."""
    EXPECTED_FAILURE = "expected-failure"
    """It fails in the way that its author expects."""
    UNEXPECTED_PASS = "unexpected-pass"  # noqa: S105  # a pass, but no password
    """It passes although its author expects that it fails."""
    NOT_APPLICABLE = "not-applicable"
    """It cannot be asked this, or not tried; where it lacks a capability, it is asked to refuse."""
    NOT_RUN = "not-run"
    """It could not run here, or was not chosen."""
    STALE = "stale"
    """What would decide it was recorded by another version of the check."""
    ERROR = "error"
    """The suite itself is at fault, or nothing was tested."""


class Conformance(StrEnum):
    """How far a provider fulfils the contract, as far as a run can tell."""

    CORE = "core"
    """It passes all core checks."""
    EXTENDED = "core+extended"
    """It passes all checks."""
    PARTIAL = "partial"
    """Nothing failed, but not all core checks were run and passed."""
    FAILED = "failed"
    """It failed."""
    INVALID = "invalid-run"
    """The run decides nothing: it was empty, or the suite itself was at fault."""


_MARKS: Final = re.compile(r"[\\`*<>|&\[\]]")
"""What Markdown would not show as it is."""

_RUN: Final = frozenset(
    {Verdict.PASSED, Verdict.FAILED, Verdict.EXPECTED_FAILURE, Verdict.UNEXPECTED_PASS}
)
_BAD: Final = frozenset({Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.STALE})
_FINE: Final = frozenset({Verdict.PASSED, Verdict.NOT_APPLICABLE})


@frozen(kw_only=True)
class Result:
    """What became of one check.

    Attributes:
        id: the check's.
        title: the check's.
        level: the check's.
        modes: those in which it can run.
        provisional: whether it is new and fails nobody yet.
        verdict: what became of it.
        reason: why, in a sentence; `None` where it passed.
        seconds: how long it took, in real time.
        mode: where the answers came from.
        provenance: what made the answers; `None` where none were needed.
    """

    id: str
    title: str
    level: Level
    modes: tuple[Mode, ...]
    provisional: bool
    verdict: Verdict
    reason: str | None
    seconds: float
    mode: Mode
    provenance: str | None

    @property
    def executed(self) -> bool:
        """Whether the provider was put to it, so that the verdict is on the provider."""
        return self.verdict in _RUN


@frozen(kw_only=True)
class Report:
    """What a run found out about a provider.

    Attributes:
        provider: its name.
        title: its name for people.
        distribution: what brings it; `None` for a bare description.
        version: that distribution's version.
        suite: the version of headend-contract.
        contract: the version of what a provider must do.
        core: the version of headend.
        python: the version of Python.
        mode: where the answers came from.
        results: one for each check that there is, in the order of the ids.
    """

    provider: str
    title: str
    distribution: str | None
    version: str | None
    suite: str
    contract: str
    core: str
    python: str
    mode: Mode
    results: tuple[Result, ...]

    @property
    def executed(self) -> tuple[str, ...]:
        """The ids of all checks to which the provider was put."""
        return tuple(one.id for one in self.results if one.executed)

    @property
    def missing(self) -> tuple[str, ...]:
        """The ids of core checks that this mode can run, that apply, and that were not run."""
        return tuple(
            one.id
            for one in self.results
            if _counts(one)
            and one.level is Level.CORE
            and self.mode in one.modes
            and one.verdict is Verdict.NOT_RUN
        )

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How many checks got each verdict."""
        return {verdict: sum(one.verdict is verdict for one in self.results) for verdict in Verdict}

    @property
    def level(self) -> Conformance:
        """How far the provider fulfils the contract, as far as this run can tell."""
        counted = [one for one in self.results if _counts(one)]
        if not self.executed or any(one.verdict is Verdict.ERROR for one in self.results):
            return Conformance.INVALID
        if any(one.verdict in _BAD for one in counted):
            return Conformance.FAILED
        if all(one.verdict in _FINE for one in counted):
            return Conformance.EXTENDED
        if all(one.verdict in _FINE for one in counted if one.level is Level.CORE):
            return Conformance.CORE
        return Conformance.PARTIAL

    @property
    def exit_code(self) -> int:
        """What a command that made this run exits with."""
        verdicts = {one.verdict for one in self.results if _counts(one)}
        if verdicts & _BAD:
            return EXIT_FAILED
        if any(one.verdict is Verdict.ERROR for one in self.results):
            return EXIT_DEFECT
        return EXIT_FAILED if self.missing or not self.executed else EXIT_DONE

    @property
    def command(self) -> str:
        """What makes the same run again, with the same checks."""
        command = f"headend contract run {self.provider} --mode {self.mode}"
        if not any(one.reason in NOT_CHOSEN for one in self.results):
            return command
        chosen = [one.id for one in self.results if one.reason not in NOT_CHOSEN]
        return " ".join([command, *(f"--only {one}" for one in chosen)])

    def to_json(self) -> str:
        """Return the report as JSON, with a line feed at the end."""
        said = {
            "format": FORMAT,
            "level": self.level,
            "exit_code": self.exit_code,
            "command": self.command,
            "counts": self.counts,
            "executed": self.executed,
            "missing": self.missing,
            **asdict(self),
        }
        return json.dumps(said, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a report that `to_json` wrote.

        Raises:
            ValueError: it is no report, or says other than its own results do.
        """
        try:
            said = json.loads(text)
            own = {name: said[name] for name in _names(cls)}
            made = cls(
                **{
                    **own,
                    "mode": Mode(own["mode"]),
                    "results": tuple(map(_result, own["results"])),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no report of the contract suite: {error}") from error
        if json.loads(made.to_json()) != said:
            raise ValueError("the report says other than its own results; it was changed by hand")
        return made

    def to_markdown(self) -> str:
        """Return the report for people."""
        counted = (f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        counts = ", ".join(counted) or "no checks"
        origin = f"{self.distribution} {self.version}" if self.distribution else "a description"
        versions = (
            f"Contract {self.contract}, headend-contract {self.suite}, headend {self.core}, "
            f"Python {self.python}."
        )
        lines = [
            f"# {_plain(self.title)}: {self.level}",
            "",
            f"Provider `{self.provider}` of {origin}, in {self.mode} mode: {counts}.",
            versions,
            "",
            f"    {self.command}",
            "",
        ]
        if self.missing:
            lines += [f"Core checks that were not run: {', '.join(self.missing)}.", ""]
        lines += [
            "| check | | level | verdict | seconds | answered by | reason |",
            "|---|---|---|---|--:|---|---|",
            *map(_row, self.results),
        ]
        return "\n".join(lines) + "\n"


def _counts(result: Result) -> bool:
    return not result.provisional


def _names(kind: type[Report | Result]) -> list[str]:
    return [one.name for one in fields(kind)]


def _result(said: Mapping[str, Any]) -> Result:
    own = {name: said[name] for name in _names(Result)}
    return Result(
        **{
            **own,
            "level": Level(own["level"]),
            "modes": tuple(map(Mode, own["modes"])),
            "verdict": Verdict(own["verdict"]),
            "mode": Mode(own["mode"]),
        }
    )


def _row(result: Result) -> str:
    cells = (
        result.id,
        _plain(result.title),
        f"{result.level}{' (provisional)' if result.provisional else ''}",
        result.verdict,
        f"{result.seconds:.2f}",
        _plain(result.provenance or ""),
        _plain(result.reason or ""),
    )
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``"1 request"``, ``"2 requests"``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
