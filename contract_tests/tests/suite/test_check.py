"""What a check is, how it fails, and what its digest hangs on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from headend.plugin import Capability, Secret
from headend_contract.case import Case
from headend_contract.check import (
    Check,
    CheckFailedError,
    Level,
    Mode,
    NotApplicableError,
    check,
    expect,
    expect_equal,
    expect_raises,
    not_applicable,
)

NUMBERS = count(1)
"""Of modules that tests make; each has a name of its own, because sources are read once."""

WORDS: dict[str, Any] = {"rule": "It is so.", "why": "Otherwise it is not.", "hint": "Mend it."}


def nothing(case: Case) -> None:
    """Look at nothing."""


def other(case: Case) -> None:
    """Look at nothing else."""


class TestMaking:
    """A check is made by a decorator, from data that must make sense."""

    def test_the_decorator_gives_a_check_that_holds_the_function(self) -> None:
        made = check("MADE-CHECK-001", "A title", level=Level.CORE, **WORDS)(nothing)

        assert made.run is nothing
        assert made.module == __name__
        assert (made.id, made.title, made.since, made.provisional) == (
            "MADE-CHECK-001",
            "A title",
            "1",
            False,
        )

    def test_a_core_check_runs_in_all_modes(self) -> None:
        assert check("MADE-MODES-001", "t", level=Level.CORE, **WORDS)(nothing).modes == set(Mode)

    def test_an_extended_check_runs_on_a_simulator_only(self) -> None:
        made = check("MADE-MODES-002", "t", level=Level.EXTENDED, **WORDS)(nothing)

        assert made.modes == {Mode.SIMULATOR}

    def test_an_id_is_taken_for_ever(self) -> None:
        check("MADE-TWICE-001", "t", level=Level.CORE, **WORDS)(nothing)

        with pytest.raises(ValueError, match=r"MADE-TWICE-001 is taken by .*nothing"):
            check("MADE-TWICE-001", "t", level=Level.CORE, **WORDS)(other)

    def test_a_module_that_is_imported_again_brings_the_same_check(self) -> None:
        check("MADE-AGAIN-001", "t", level=Level.CORE, **WORDS)(nothing)

        check("MADE-AGAIN-001", "t", level=Level.CORE, **WORDS)(nothing)

    @pytest.mark.parametrize(
        "wrong", ["", "LIVE", "LIVE-1", "live-create-001", "LIVE-CREATE-0001", "LIVE--X-001"]
    )
    def test_an_id_is_capital_words_and_three_digits(self, wrong: str) -> None:
        with pytest.raises(ValueError, match=r"\[A-Z\]"):
            check(wrong, "t", level=Level.CORE, **WORDS)(nothing)

    @pytest.mark.parametrize("field", ["rule", "why", "hint"])
    def test_the_words_are_not_left_out(self, field: str) -> None:
        with pytest.raises(ValueError, match=field):
            check("MADE-WORDS-001", "t", level=Level.CORE, **{**WORDS, field: ""})(nothing)

    def test_what_needs_a_simulator_runs_in_no_other_mode(self) -> None:
        with pytest.raises(ValueError, match="needs a simulator"):
            check("MADE-MODES-003", "t", level=Level.CORE, needs_simulator=True, **WORDS)(nothing)

    def test_a_capability_is_not_required_and_refused(self) -> None:
        both = (Capability.ENABLE,)
        with pytest.raises(ValueError, match="requires and refuses enable"):
            check("MADE-BOTH-001", "t", level=Level.CORE, requires=both, refuses=both, **WORDS)(
                nothing
            )


class TestExpecting:
    """A check fails with a sentence."""

    def test_what_holds_passes(self) -> None:
        expect(True, "it does not hold")
        expect_equal(1, 1.0, "one")

    def test_what_does_not_hold_fails_with_its_message(self) -> None:
        with pytest.raises(CheckFailedError, match=r"^it does not hold$"):
            expect(False, "it does not hold")

    def test_what_differs_is_named_with_both_values(self) -> None:
        with pytest.raises(CheckFailedError, match=r"^the state is 'live', and .* be 'idle'$"):
            expect_equal("live", "idle", "the state")

    def test_a_secret_is_not_shown_where_it_differs(self) -> None:
        with pytest.raises(CheckFailedError) as failure:
            expect_equal(Secret("first-key"), Secret("second-key"), "the key")

        assert "first-key" not in str(failure.value)
        assert "second-key" not in str(failure.value)

    def test_the_error_that_is_expected_is_returned(self) -> None:
        error = expect_raises((KeyError, LookupError), lambda: WORDS["name"], "looking")

        assert error.args == ("name",)

    def test_no_error_is_a_failure(self) -> None:
        with pytest.raises(
            CheckFailedError, match=r"^looking raised nothing, and it should raise KeyError$"
        ):
            expect_raises(KeyError, lambda: None, "looking")

    def test_another_error_is_a_failure_that_names_both(self) -> None:
        with pytest.raises(
            CheckFailedError, match=r"^looking raised ValueError .*raise KeyError or IndexError$"
        ):
            expect_raises((KeyError, IndexError), lambda: int("x"), "looking")

    def test_a_failure_within_the_call_stays_as_it_is(self) -> None:
        with pytest.raises(CheckFailedError, match=r"^inner$"):
            expect_raises(KeyError, lambda: expect(False, "inner"), "looking")

    def test_failing_does_not_hang_on_asserts(self) -> None:
        """``python -O`` leaves asserts out."""
        for function in (expect, expect_equal, expect_raises):
            assert "AssertionError" not in function.__code__.co_names
            assert function.__code__.co_names

    def test_a_check_can_find_that_it_does_not_apply(self) -> None:
        with pytest.raises(NotApplicableError, match="no limit is declared"):
            not_applicable("no limit is declared")


class TestDigest:
    """A digest changes with what a check does, and with nothing else."""

    SOURCE: ClassVar[str] = '''\
"""A module."""
from headend_contract.checks.steps import wait_for_lists
from unrelated_nowhere import anything

LIMIT = 5

def helper(case):
    """Say."""
    return inner(case) + LIMIT

def inner(case):
    return 1

def unrelated(case):
    return 2

@decorate(title="A title")
def run(case):
    """Do."""
    wait_for_lists(case)
    return helper(case)
'''

    @pytest.fixture
    def digest_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check_of: Callable[..., Check]
    ) -> Callable[[str], str]:
        monkeypatch.syspath_prepend(tmp_path)

        def digest(source: str) -> str:
            name = f"headend_digest_sample_{next(NUMBERS)}"
            whole = "decorate = lambda title: lambda function: function\n" + source.replace(
                "from unrelated_nowhere import anything\n", ""
            )
            (tmp_path / f"{name}.py").write_text(whole)
            made: str = check_of(import_module(name).run).digest
            monkeypatch.delitem(sys.modules, name)
            return made

        return digest

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("    return helper(case)", "    return helper(  case  )  # so"),
            ('"""Do."""', '"""Do it, and more."""'),
            ('"""Say."""\n', "\n\n"),
            ("A title", "Another title"),
            ("    return 2", "    return 3"),
            ('"""A module."""', "# A module."),
            ("def unrelated", "def renamed"),
        ],
    )
    def test_it_stays_with_layout_and_words_and_others(
        self, digest_of: Callable[[str], str], old: str, new: str
    ) -> None:
        assert old in self.SOURCE
        assert digest_of(self.SOURCE) == digest_of(self.SOURCE.replace(old, new))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("    return helper(case)", "    return helper(None)"),
            ("    return inner(case) + LIMIT", "    return inner(case) - LIMIT"),
            ("    return 1", "    return 7"),
            ("LIMIT = 5", "LIMIT = 6"),
            ("    wait_for_lists(case)\n", ""),
            ("import wait_for_lists", "import truth_of as wait_for_lists"),
            ("def helper(", '@decorate("x")\ndef helper('),
        ],
    )
    def test_it_changes_with_what_is_done(
        self, digest_of: Callable[[str], str], old: str, new: str
    ) -> None:
        assert old in self.SOURCE
        assert digest_of(self.SOURCE) != digest_of(self.SOURCE.replace(old, new))

    def test_it_is_a_sha_256(self, digest_of: Callable[[str], str]) -> None:
        digest = digest_of(self.SOURCE)

        assert len(digest) == 64
        assert set(digest) <= set("0123456789abcdef")

    def test_every_version_of_python_gives_the_same(self, digest_of: Callable[[str], str]) -> None:
        """Pinned: a recording that one version made is not out of date for another."""
        source = (
            'def run(case):\n    """Do."""\n    return [f"{case!r:>{4}} x", *case, {1: None}]\n'
        )

        assert digest_of(source) == PINNED


PINNED = "0f947d3f7ce4a20ec9e18a1c89e9037de5a5e27255f065bc4f727f8af8741ec3"


@given(st.text(), st.text())
def test_any_two_texts_are_equal_or_the_check_fails(actual: str, expected: str) -> None:
    if actual == expected:
        expect_equal(actual, expected, "the text")
    else:
        with pytest.raises(CheckFailedError) as failure:
            expect_equal(actual, expected, "the text")
        assert repr(actual) in str(failure.value)
