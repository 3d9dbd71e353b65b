"""The commands `headend contract …`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headend_contract.check import all_checks
from headend_contract.known_bad import all_known_bad
from headend_contract.report import Report, Verdict
from headend_contract.runner import check_provider

if TYPE_CHECKING:
    from tests.usage.conftest import Ran

    Headend = Callable[..., Ran]

CHECKS = {one.id: one for one in all_checks()}
LISTS = "LIVE-LIST-001"


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.usefixtures("reference")
def test_a_whole_run_of_a_good_provider_is_done_and_reported(
    headend: Headend, tmp_path: Path
) -> None:
    """The rows go to standard error with --json, and the report to whoever asks for it."""
    report, markdown = tmp_path / "report.json", tmp_path / "report.md"

    ran = headend(
        *("contract", "run", "reference", "--json", "--report", str(report)),
        *("--markdown", str(markdown)),
    )

    assert ran.code == 0, ran.err
    made = Report.from_json(ran.out)
    assert [one.id for one in made.results] == list(CHECKS)
    assert made.level == "core+extended"
    assert report.read_text("utf-8") == ran.out
    assert markdown.read_text("utf-8") == made.to_markdown()
    rows = [one.split() for one in ran.err.splitlines()]
    assert [row[1] for row in rows if len(row) > 3 and row[3] == "s"] == list(CHECKS)
    assert "reference (headend-reference 0.1.0) in simulator mode: core+extended" in ran.err


def test_without_recordings_and_simulator_the_description_is_looked_at(
    headend: Headend, acme: Path
) -> None:
    """What needs no platform is told first, and then what to provide for the rest."""
    init = acme / "__init__.py"
    init.write_text(
        init.read_text("utf-8").replace("name='acme'", "name='acme', simulator=None"), "utf-8"
    )

    ran = headend("contract", "run", "acme")

    rows = dict(reversed(one.split()[:2]) for one in ran.out.splitlines() if " s  " in one)
    assert ran.code != 0
    assert {one for one, verdict in rows.items() if verdict == "failed"} == set()
    assert rows["PACKAGE-ENTRY-001"] == rows["SETTING-002"] == "passed"
    assert rows["SETTING-005"] == rows["CAPABILITY-DECLARED-001"] == "not-run"
    assert "LIVE-CREATE-001" not in rows
    assert "nothing can be asked of provider acme" in ran.err


@pytest.mark.usefixtures("forgetful")
def test_a_provider_that_fails_is_told_what_to_do(headend: Headend, tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    ran = headend("contract", "run", "forgetful", "--only", LISTS, "--report", str(report))

    check = CHECKS[LISTS]
    assert ran.code == 7
    assert ran.out.startswith("failed ")
    for text in (check.title, check.rule, check.why, check.hint):
        assert words(text) in words(ran.out)
    assert "in simulator mode: failed" in ran.out
    assert Report.from_json(report.read_text("utf-8")).counts[Verdict.FAILED] == 1


@pytest.mark.usefixtures("acme")
def test_a_part_of_the_checks_is_no_conformance(headend: Headend) -> None:
    ran = headend("contract", "run", "acme", "--only", LISTS)

    assert ran.code == 7
    assert "core checks were not chosen" in ran.out
    assert "leave --only out" in ran.out
    assert len([one for one in ran.out.splitlines() if one.startswith("passed")]) == 1


@pytest.mark.usefixtures("acme")
def test_a_program_gets_the_report_from_a_plain_function() -> None:
    report = check_provider("acme", only=[LISTS])

    assert report.executed == (LISTS,)
    assert report.distribution == "headend-acme"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "nobody"), "unknown provider 'nobody'"),
        (("run", "acme", "--only", "LIVE-NONE-001"), "`headend contract list` has all"),
        (("run", "acme", "--mode", "dream"), "'dream' is not one of"),
        (("run", "acme", "--mode", "replay"), "`headend contract record acme` makes them"),
        (("run", "acme", "--cassettes", "nowhere"), "no recordings for contract 1 in nowhere"),
        (("run", "acme", "--report", "nowhere/report.json"), "there is no folder 'nowhere'"),
        (("run", "acme", "--mode", "live"), "set REFERENCE_API_TOKEN"),
        (("run",), "Missing argument 'PROVIDER'"),
        (("explain", "LIVE-LOST-001"), "did you mean LIVE-LIST-001? `headend contract list` has"),
        (("record", "acme", "--check-stale", "--only", LISTS), "leave the others out"),
        (("record", "acme", "--check-stale"), "`headend contract record acme` makes them"),
    ],
)
@pytest.mark.usefixtures("acme")
def test_a_wrong_request_says_what_to_do(
    headend: Headend, arguments: tuple[str, ...], says: str
) -> None:
    ran = headend("contract", *arguments)

    assert ran.code == 2
    assert says in words(ran.err)
    assert ran.out == ""


def test_the_list_has_every_check(headend: Headend) -> None:
    listed = headend("contract", "list", "--json").json
    assert isinstance(listed, list)
    printed = headend("contract", "list").out

    assert [one["id"] for one in listed] == list(CHECKS)
    for one in listed:
        check = CHECKS[one["id"]]
        assert (one["level"], one["rule"]) == (check.level, check.rule)
        assert set(one["requires"]) == check.requires
    assert all(one in printed for one in CHECKS)


@pytest.mark.parametrize("check_id", ["LIVE-CREATE-001", "live-create-001"])
def test_a_check_is_explained_with_what_proves_it(headend: Headend, check_id: str) -> None:
    ran = headend("contract", "explain", check_id)
    check = CHECKS[check_id.upper()]

    assert ran.code == 0
    for text in (check.title, check.level, check.rule, check.why, check.hint, *check.modes):
        assert words(text) in words(ran.out)
    proofs = [one for one in all_known_bad() if check.id in one.fails]
    assert proofs
    for one in proofs:
        assert words(f"{one.name}: {one.what}") in words(ran.out)
    told = headend("contract", "explain", check_id, "--json").json
    assert isinstance(told, dict)
    assert told["known_bad"] == [{"name": one.name, "what": one.what} for one in proofs]


@pytest.mark.usefixtures("acme")
def test_what_was_recorded_is_replayed_until_the_check_changes(
    headend: Headend, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    place = ("--cassettes", str(folder))

    made = headend("contract", "record", "acme", "--only", LISTS, *place)
    replayed = headend("contract", "run", "acme", "--only", LISTS, "--json", *place)
    fresh = headend("contract", "record", "acme", "--check-stale", *place)
    (tape,) = folder.rglob(f"{LISTS}.yaml")
    text = tape.read_text("utf-8")
    digest = CHECKS[LISTS].digest
    assert digest in text
    tape.write_text(text.replace(digest, digest[::-1]), "utf-8")
    stale = headend("contract", "record", "acme", "--check-stale", *place)
    refused = headend("contract", "run", "acme", "--only", LISTS, *place)

    assert (made.code, made.out.split()[:2]) == (0, ["recorded", LISTS])
    assert made.out.endswith(f"; the recordings are in {tape.parent}\n")
    result = next(one for one in json.loads(replayed.out)["results"] if one["id"] == LISTS)
    assert (result["verdict"], result["mode"]) == ("passed", "replay")
    assert result["provenance"].startswith("simulator of headend-acme 1.0")
    assert fresh.code == 0
    assert stale.code == 7
    assert LISTS in stale.out
    assert "`headend contract record acme` records them anew" in stale.out
    assert refused.code == 7
    assert refused.out.startswith("stale ")


def test_help_names_every_command_and_option(headend: Headend) -> None:
    assert all(
        f"  {one} " in headend("contract", "--help").out
        for one in ("run", "list", "explain", "record")
    )
    told = headend("contract", "run", "--help").out
    assert all(
        one in told
        for one in ("--mode", "--only", "--json", "--markdown", "--report", "--cassettes")
    )
