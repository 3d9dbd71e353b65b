"""Expected failures: where they stand, and that nothing about them is guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from importlib.metadata import PathDistribution
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve

from headend.errors import ConfigurationError
from headend.plugin import ProviderSpec
from headend_contract.expected import ExpectedFailure, Kind, load_expected_failures
from headend_contract.subject import Subject

KNOWN = ("TEST-CHECK-001", "TEST-CHECK-002")

ENTRY = """\
id = "TEST-CHECK-001"
kind = "upstream"
reason = "The platform cuts names off."
raises = "CheckFailedError"
until = 2030-06-30
"""

IN_PACKAGE = f"[[expected-failures]]\n{ENTRY}"
IN_PYPROJECT = f"[[tool.headend.contract.expected-failures]]\n{ENTRY}"

NUMBERS = count(1)

Install = Callable[..., Subject]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: ProviderSpec) -> Install:
    """Make a plugin of a name of its own, installed from a source tree or as a wheel."""

    def make(
        *, pyproject: str | None = None, package: str | None = None, editable: bool = True
    ) -> Subject:
        name = f"headend_acme_{next(NUMBERS)}"
        tree = tmp_path / "a tree of sources"
        folder = tree / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('looked at, not imported')")
        if package is not None:
            (folder / "contract.toml").write_text(package)
        if pyproject is not None:
            (tree / "pyproject.toml").write_text(pyproject)
        metadata = tmp_path / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        origin = {"url": tree.as_uri(), "dir_info": {"editable": editable}}
        (metadata / "direct_url.json").write_text(json.dumps(origin))
        monkeypatch.syspath_prepend(tree)
        spec = evolve(reference, name="acme", factory=f"{name}.provider:AcmeProvider")
        return Subject(spec, PathDistribution(metadata))

    return make


def test_the_plugins_own_pyproject_has_them(install: Install) -> None:
    assert load_expected_failures(install(pyproject=IN_PYPROJECT), KNOWN) == (
        ExpectedFailure(
            id="TEST-CHECK-001",
            kind=Kind.UPSTREAM,
            reason="The platform cuts names off.",
            raises="CheckFailedError",
            until=date(2030, 6, 30),
        ),
    )


def test_a_wheel_carries_them_in_its_package(install: Install) -> None:
    wheel = install(package=IN_PACKAGE, pyproject=IN_PYPROJECT, editable=False)

    assert [one.id for one in load_expected_failures(wheel, KNOWN)] == ["TEST-CHECK-001"]


def test_the_file_of_the_package_counts_in_the_source_tree_too(install: Install) -> None:
    tree = install(package=IN_PACKAGE, pyproject="[project]\nname = 'acme'\n")

    assert [one.id for one in load_expected_failures(tree, KNOWN)] == ["TEST-CHECK-001"]


def test_a_pyproject_of_somebody_else_is_not_read(install: Install) -> None:
    """What is installed from a wheel has no source tree, whatever folder it once came from."""
    wheel = install(pyproject=IN_PYPROJECT, editable=False)

    assert load_expected_failures(wheel, KNOWN) == ()


def test_a_plugin_without_any_expects_none(install: Install) -> None:
    assert load_expected_failures(install(), KNOWN) == ()
    assert load_expected_failures(install(pyproject="[project]\n"), KNOWN) == ()


def test_a_bare_description_has_those_of_its_package(install: Install) -> None:
    bare = evolve(install(package=IN_PACKAGE), distribution=None)

    assert [one.id for one in load_expected_failures(bare, KNOWN)] == ["TEST-CHECK-001"]


def test_an_empty_table_may_say_that_there_are_none(install: Install) -> None:
    assert load_expected_failures(install(package="expected-failures = []"), KNOWN) == ()


def test_two_places_are_one_too_many(install: Install) -> None:
    both = install(package=IN_PACKAGE, pyproject=IN_PYPROJECT)

    with pytest.raises(ConfigurationError, match=r"keep contract\.toml, which a wheel carries"):
        load_expected_failures(both, KNOWN)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("TEST-CHECK-001", "XYZ", "there is no check XYZ; `headend contract list`"),
        ("TEST-CHECK-001", "TEST-CHECK-01", "did you mean TEST-CHECK-001?"),
        ('id = "TEST-CHECK-001"\n', "", "id is missing"),
        ('kind = "upstream"', 'kind = "lazy"', "kind is one of not-implemented, upstream, never"),
        ('kind = "upstream"', "kind = 1", "kind is no text"),
        ('"The platform cuts names off."', '" "', "reason is no text"),
        ('raises = "CheckFailedError"\n', "", "raises is missing"),
        ('"CheckFailedError"', '"ChekFailedError"', "raises names ChekFailedError, which is no"),
        ('"CheckFailedError"', '"any error"', "raises is the name of an error's class"),
        ("until = 2030-06-30", 'until = "2030-06-30"', "until is a day"),
        ("until = 2030-06-30", "until = 2030-06-30T00:00:00", "until is a day"),
        ("until", "untill", "untill is no such field"),
    ],
)
def test_an_entry_that_is_not_as_it_should_be_is_an_error(
    install: Install, old: str, new: str, says: str
) -> None:
    assert old in IN_PYPROJECT

    with pytest.raises(ConfigurationError) as error:
        load_expected_failures(install(pyproject=IN_PYPROJECT.replace(old, new)), KNOWN)

    assert says in str(error.value)
    assert "pyproject.toml: expected-failures 1: " in str(error.value)


def test_all_that_is_wrong_is_told_at_once(install: Install) -> None:
    wrong = IN_PACKAGE.replace("upstream", "lazy") + IN_PACKAGE + IN_PACKAGE

    with pytest.raises(ConfigurationError) as error:
        load_expected_failures(install(package=wrong), KNOWN)

    assert len(error.value.problems) == 2
    assert "expected-failures 1: kind is one of" in error.value.problems[0]
    assert "expected-failures 3: TEST-CHECK-001 is there already" in error.value.problems[1]


def test_all_that_is_wrong_with_one_entry_is_told_at_once(install: Install) -> None:
    wrong = IN_PACKAGE.replace("upstream", "lazy").replace("2030-06-30", "3") + "why = 1\n"

    with pytest.raises(ConfigurationError) as error:
        load_expected_failures(install(package=wrong), KNOWN)

    (problem,) = error.value.problems
    assert "why is no such field, kind is one of" in problem
    assert problem.endswith(", until is a day, as in 2030-06-30 without quotes")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("expected-failures = 3", "expected-failures is no list of tables"),
        ("expected-failures = [3]", "it is no table"),
        ("expected_failures = []", "expected_failures is nothing that the contract suite knows"),
        ("= 3", "cannot be read"),
    ],
)
def test_a_file_of_a_package_that_makes_no_sense_is_an_error(
    install: Install, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_expected_failures(install(package=text), KNOWN)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tool.headend = 3", "headend is no table"),
        ("tool.headend.contract = 3", "contract is no table"),
        ("[tool.headend.contracts]", r"\[tool\.headend\] has no contracts"),
        ("[tool.headend.contract]\nexpected = []", "expected is nothing that"),
    ],
)
def test_a_table_of_pyproject_that_makes_no_sense_is_an_error(
    install: Install, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_expected_failures(install(pyproject=text), KNOWN)


@pytest.mark.parametrize(
    ("today", "over"),
    [(date(2030, 6, 29), False), (date(2030, 6, 30), False), (date(2030, 7, 1), True)],
)
def test_the_last_day_still_counts(today: date, over: bool) -> None:
    entry = ExpectedFailure(
        id="TEST-CHECK-001",
        kind=Kind.NEVER,
        reason="So.",
        raises="LookupError",
        until=date(2030, 6, 30),
    )

    assert entry.has_expired(today) is over
    assert entry.covers(KeyError(), today) is not over
    assert not entry.covers(ValueError(), today)


@pytest.mark.parametrize("name", ["cloudflare", "aws-ivs", "local"])
def test_a_provider_of_this_project_expects_no_failure(name: str) -> None:
    assert load_expected_failures(Subject.of(name), ()) == ()
