"""Helpers that use headend as people do: commands in processes, typed as a page has them."""

from __future__ import annotations

import pytest

from headend_contract.documented import Page
from headend_contract.process import (
    CommandError,
    eventually,
    run_command,
    run_program,
    running_command,
    value_of_command,
)

PAGE = Page("""
# A provider
## Try it (now)
```console
headend providers
headend check
```
```python
print("here")
```
## The rest
There is nothing to type.
""")


def test_a_part_of_a_page_ends_at_the_next_heading_or_with_the_page() -> None:
    assert PAGE.part("Try it (now)").commands == ["headend providers", "headend check"]
    assert PAGE.part("Try it (now)").blocks("python") == ['print("here")\n']
    assert PAGE.part("The rest").text.split("\n")[0] == "There is nothing to type."
    assert PAGE.part("The rest").commands == []
    with pytest.raises(LookupError, match="no heading 'Tr'"):
        PAGE.part("Tr")


def test_a_command_that_does_not_get_ready_is_told_in_its_own_words() -> None:
    with (
        pytest.raises(CommandError, match=r"(?s)did not get ready.*unknown provider 'nope'"),
        running_command("headend simulate nope", {}),
    ):
        pass


def test_a_command_that_does_not_end_well_has_no_value() -> None:
    with pytest.raises(CommandError, match=r"(?s)exit code 2.*unknown provider 'nope'"):
        value_of_command("headend show x --provider nope", {})


def test_what_is_no_command_of_headend_is_not_run() -> None:
    with pytest.raises(ValueError, match="`ls` is no command of headend"):
        run_command("ls", {})


def test_a_program_gets_the_variables_and_what_is_typed() -> None:
    program = "import os; print(os.environ['OF_THE_TEST'], input())"

    assert run_program(program, {"OF_THE_TEST": "1"}, typed="2\n").stdout == "1 2\n"


def test_waiting_ends_with_what_was_found_or_says_what_was_not() -> None:
    found = iter([None, 0])

    assert eventually(lambda: next(found), "it is there") == 0
    with pytest.raises(TimeoutError, match="within 0 s that it is there"):
        eventually(lambda: None, "it is there", within=0)
