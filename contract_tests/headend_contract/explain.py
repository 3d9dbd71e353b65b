"""What a check means, in words for people: for the terminal and for pytest alike."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Final

from headend_contract.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend_contract.check import Check
    from headend_contract.known_bad import KnownBad
    from headend_contract.report import Report, Result

_WIDTH: Final = 92

MEANINGS: Final = {
    Verdict.PASSED: "The provider does what the check asks for.",
    Verdict.FAILED: "The provider does not do what the check asks for.",
    Verdict.EXPECTED_FAILURE: "It fails in the way that its author expects, and says why.",
    Verdict.UNEXPECTED_PASS: (
        "It passes although its author expects that it fails: take the expected failure out."
    ),
    Verdict.NOT_APPLICABLE: (
        "The provider cannot be asked this, or has nothing to try it on. Where it lacks a "
        "capability, another check asks it to refuse."
    ),
    Verdict.NOT_RUN: "The check cannot run in this mode, has no recording, or was not chosen.",
    Verdict.STALE: "What would decide it was recorded by another version of the check.",
    Verdict.ERROR: "The suite itself is at fault, or nothing was tested: it says nothing of the "
    "provider.",
}
"""What each verdict says, in a sentence."""

_TO_EXPLAIN: Final = frozenset({Verdict.UNEXPECTED_PASS, Verdict.STALE, Verdict.ERROR})


def explain_result(check: Check, result: Result) -> str:
    """Say what became of a check, and for one that went wrong what to do; lines without colours.

    Args:
        check: the check.
        result: what became of it.
    """
    lines = [f"{check.id} {check.title}: {result.verdict}"]
    if result.reason is not None:
        lines.append(_paragraph(result.reason))
    if result.verdict is Verdict.FAILED:
        lines += labelled([("rule", check.rule), ("why", check.why), ("hint", check.hint)])
    elif result.verdict in _TO_EXPLAIN:
        lines += labelled([("meaning", MEANINGS[result.verdict])])
    if result.verdict in {Verdict.FAILED, *_TO_EXPLAIN}:
        lines += labelled([("more", f"headend contract explain {check.id}")])
    return "\n".join(lines)


def summarize(report: Report) -> str:
    """Say in one line what a run found out."""
    counted = (f"{count} {verdict}" for verdict, count in report.counts.items() if count)
    origin = f" ({report.distribution} {report.version})" if report.distribution else ""
    return (
        f"{report.provider}{origin} in {report.mode} mode: {report.level}; "
        f"{', '.join(counted) or 'no checks'}"
    )


def describe_check(check: Check, known_bad: Iterable[KnownBad]) -> str:
    """Say all about a check.

    Args:
        check: the check.
        known_bad: the providers that are wrong on purpose and that it must notice.
    """
    facts = [
        ("level", f"{check.level}{' (provisional: it fails nobody yet)' * check.provisional}"),
        ("modes", ", ".join(sorted(check.modes))),
        ("since", f"contract {check.since}"),
    ]
    if check.requires:
        facts.append(("for", f"providers that declare {', '.join(sorted(check.requires))}"))
    if check.refuses:
        facts.append(("for", f"providers that do not declare {', '.join(sorted(check.refuses))}"))
    facts += [("rule", check.rule), ("why", check.why), ("hint", check.hint)]
    proofs = [("proof", f"{bad.name}: {bad.what}") for bad in known_bad]
    return "\n".join([f"{check.id} {check.title}", *labelled([*facts, *proofs])])


def labelled(texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return texts with their names before them, indented and wrapped."""
    return [
        fill(
            " ".join(text.split()),
            width=_WIDTH,
            initial_indent=f"  {f'{name}:':<9}",
            subsequent_indent=" " * 11,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in texts
    ]


def _paragraph(text: str) -> str:
    """Wrap each line of a text by itself: some reasons bear lists or tracebacks."""
    return "\n".join(
        fill(
            line,
            width=_WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.splitlines()
    )
