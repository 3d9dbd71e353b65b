"""What a report says, and that it says the same as JSON, as Markdown and when it is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from headend_contract.check import Level, Mode
from headend_contract.report import Conformance, Report, Result, Verdict

V = Verdict

RESULT = Result(
    id="TEST-CHECK-001",
    title="A check",
    level=Level.CORE,
    modes=(Mode.LIVE, Mode.REPLAY, Mode.SIMULATOR),
    provisional=False,
    verdict=Verdict.PASSED,
    reason=None,
    seconds=0.25,
    mode=Mode.SIMULATOR,
    provenance="simulator of headend-acme 1.2.3",
)

REPORT = Report(
    provider="acme",
    title="Acme Live",
    distribution="headend-acme",
    version="1.2.3",
    suite="0.1.0",
    contract="1",
    core="0.1.0",
    python="3.11.7",
    mode=Mode.SIMULATOR,
    results=(RESULT,),
)


def report_of(core: list[Verdict], extended: list[Verdict], mode: Mode = Mode.SIMULATOR) -> Report:
    """Make a report with these verdicts; extended checks run on a simulator only."""
    results = [evolve(RESULT, verdict=one, mode=mode) for one in core]
    results += [
        evolve(RESULT, verdict=one, mode=mode, level=Level.EXTENDED, modes=(Mode.SIMULATOR,))
        for one in extended
    ]
    numbered = tuple(evolve(one, id=f"TEST-CHECK-{n:03d}") for n, one in enumerate(results, 1))
    return evolve(REPORT, mode=mode, results=numbered)


def test_the_command_makes_a_part_of_a_run_again_as_the_part_that_it_was() -> None:
    whole = report_of([Verdict.PASSED, Verdict.PASSED], [])
    left_out = evolve(whole.results[1], verdict=Verdict.NOT_RUN, reason="it was not chosen")
    part = evolve(whole, results=(whole.results[0], left_out))

    assert whole.command == "headend contract run acme --mode simulator"
    assert part.command == f"{whole.command} --only TEST-CHECK-001"


class TestLevel:
    """How far a provider fulfils the contract, and what a command exits with."""

    @pytest.mark.parametrize(
        ("core", "extended", "level", "exit_code"),
        [
            ([V.PASSED], [V.PASSED], Conformance.EXTENDED, 0),
            ([V.PASSED], [V.NOT_APPLICABLE], Conformance.EXTENDED, 0),
            ([V.PASSED, V.NOT_APPLICABLE], [V.NOT_RUN], Conformance.CORE, 0),
            ([V.PASSED], [V.EXPECTED_FAILURE], Conformance.CORE, 0),
            ([V.PASSED, V.EXPECTED_FAILURE], [V.PASSED], Conformance.PARTIAL, 0),
            ([V.PASSED, V.NOT_RUN], [V.PASSED], Conformance.PARTIAL, 7),
            ([V.PASSED, V.FAILED], [V.PASSED], Conformance.FAILED, 7),
            ([V.PASSED], [V.FAILED], Conformance.FAILED, 7),
            ([V.PASSED, V.UNEXPECTED_PASS], [V.PASSED], Conformance.FAILED, 7),
            ([V.PASSED, V.STALE], [V.PASSED], Conformance.FAILED, 7),
            ([V.PASSED, V.ERROR], [V.PASSED], Conformance.INVALID, 1),
            ([V.FAILED, V.ERROR], [V.PASSED], Conformance.INVALID, 7),
            ([], [], Conformance.INVALID, 7),
            ([V.NOT_RUN], [V.NOT_RUN], Conformance.INVALID, 7),
            ([V.NOT_APPLICABLE], [V.NOT_APPLICABLE], Conformance.INVALID, 7),
        ],
    )
    def test_it_follows_from_the_verdicts(
        self,
        core: list[Verdict],
        extended: list[Verdict],
        level: Conformance,
        exit_code: int,
    ) -> None:
        report = report_of(core, extended)

        assert (report.level, report.exit_code) == (level, exit_code)

    def test_what_a_mode_cannot_run_lowers_the_level_and_not_the_exit_code(self) -> None:
        report = report_of([V.PASSED], [V.NOT_RUN], mode=Mode.REPLAY)

        assert (report.level, report.exit_code) == (Conformance.CORE, 0)

    def test_a_core_check_for_another_mode_is_not_missed(self) -> None:
        report = report_of([V.PASSED, V.NOT_RUN], [], mode=Mode.REPLAY)
        elsewhere = evolve(report.results[1], modes=(Mode.SIMULATOR,))
        report = evolve(report, results=(report.results[0], elsewhere))

        assert report.missing == ()
        assert (report.level, report.exit_code) == (Conformance.PARTIAL, 0)

    @pytest.mark.parametrize("verdict", [V.FAILED, V.NOT_RUN, V.STALE, V.UNEXPECTED_PASS])
    def test_a_provisional_check_fails_nobody(self, verdict: Verdict) -> None:
        report = report_of([V.PASSED, verdict], [])
        new = evolve(report.results[1], provisional=True)
        report = evolve(report, results=(report.results[0], new))

        assert (report.level, report.exit_code) == (Conformance.EXTENDED, 0)

    def test_the_executed_set_is_what_the_provider_was_put_to(self) -> None:
        report = report_of(list(Verdict), [])

        assert [report.results[list(Verdict).index(one)].id for one in _PUT_TO] == list(
            report.executed
        )
        assert report.counts == dict.fromkeys(Verdict, 1)


_PUT_TO = (V.PASSED, V.FAILED, V.EXPECTED_FAILURE, V.UNEXPECTED_PASS)


class TestJson:
    """The report as JSON."""

    def test_it_says_what_follows_from_the_results(self) -> None:
        said = json.loads(report_of([V.PASSED, V.NOT_RUN], [V.FAILED]).to_json())

        assert said["level"] == "failed"
        assert said["exit_code"] == 7
        assert said["executed"] == ["TEST-CHECK-001", "TEST-CHECK-003"]
        assert said["missing"] == ["TEST-CHECK-002"]
        assert said["counts"]["passed"] == 1
        assert said["command"] == "headend contract run acme --mode simulator"
        assert said["results"][0] == {
            "id": "TEST-CHECK-001",
            "title": "A check",
            "level": "core",
            "modes": ["live", "replay", "simulator"],
            "provisional": False,
            "verdict": "passed",
            "reason": None,
            "seconds": 0.25,
            "mode": "simulator",
            "provenance": "simulator of headend-acme 1.2.3",
        }

    @pytest.mark.parametrize(
        "change",
        [
            {"level": "core+extended"},
            {"exit_code": 0},
            {"executed": []},
            {"format": 2},
            {"mode": "live"},
            {"more": 1},
        ],
    )
    def test_a_report_that_was_changed_is_refused(self, change: Mapping[str, object]) -> None:
        said = json.loads(report_of([V.FAILED], [V.PASSED]).to_json())

        with pytest.raises(ValueError, match="changed by hand"):
            Report.from_json(json.dumps({**said, **change}))

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", "null", '{"results": 1}', REPORT.to_json().replace("passed", "ok")]
    )
    def test_what_is_no_report_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="no report"):
            Report.from_json(text)


class TestMarkdown:
    """The report for people."""

    def test_it_tells_the_verdict_on_each_check_and_on_the_provider(self) -> None:
        text = report_of([V.PASSED, V.NOT_RUN], [V.EXPECTED_FAILURE]).to_markdown()

        assert text.startswith("# Acme Live: partial\n")
        assert "1 passed, 1 expected-failure, 1 not-run" in text
        assert "    headend contract run acme --mode simulator\n" in text
        assert "Core checks that were not run: TEST-CHECK-002." in text
        assert "| TEST-CHECK-003 | A check | extended | expected-failure | 0.25 |" in text

    def test_a_reason_breaks_no_table(self) -> None:
        reason = "a | b\n\n# c `d` <e> [f](g)"
        (row,) = [
            line
            for line in evolve(REPORT, results=(evolve(RESULT, reason=reason),))
            .to_markdown()
            .splitlines()
            if line.startswith("| TEST")
        ]

        assert row.endswith(r"| a \| b # c \`d\` \<e> \[f\](g) |".replace(r"\<e>", r"\<e\>"))


texts = st.text(max_size=20)
results = st.builds(
    Result,
    id=st.from_regex(r"[A-Z]{1,4}-[0-9]{3}", fullmatch=True),
    title=texts,
    level=st.sampled_from(Level),
    modes=st.sets(st.sampled_from(Mode), min_size=1).map(lambda one: tuple(sorted(one))),
    provisional=st.booleans(),
    verdict=st.sampled_from(Verdict),
    reason=st.none() | texts,
    seconds=st.floats(min_value=0, max_value=1e6),
    mode=st.sampled_from(Mode),
    provenance=st.none() | texts,
)
reports = st.builds(
    Report,
    provider=texts,
    title=texts,
    distribution=st.none() | texts,
    version=st.none() | texts,
    suite=texts,
    contract=texts,
    core=texts,
    python=texts,
    mode=st.sampled_from(Mode),
    results=st.lists(results, max_size=4).map(tuple),
)


@given(reports)
def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


@given(reports)
def test_exit_0_means_that_nothing_went_wrong_and_something_ran(report: Report) -> None:
    counted = [one for one in report.results if not one.provisional]
    bad = {V.FAILED, V.UNEXPECTED_PASS, V.STALE}
    went_wrong = any(one.verdict in bad for one in counted) or any(
        one.verdict is V.ERROR for one in report.results
    )

    assert (report.exit_code == 0) == (
        not went_wrong and not report.missing and bool(report.executed)
    )


@given(reports)
def test_every_check_has_one_line_of_markdown(report: Report) -> None:
    lines = report.to_markdown().splitlines()
    start = lines.index("|---|---|---|---|--:|---|---|") + 1

    assert [line.split(" ")[1] for line in lines[start:]] == [one.id for one in report.results]
