"""What is imported for a ledger, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

    Python = Callable[..., Ran]

SHOW = "\nprint(*sorted({'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)))"


@pytest.mark.parametrize(
    ("code", "imported"),
    [
        ("import headend.ledger, headend.platform", ""),
        ("from headend.ledger import Entry, EntryState, Ledger, MemoryLedger, open_ledger", ""),
        ("open_ledger('none', clock=SystemClock(), random=SystemRandom())", ""),
        ("opened(sys.argv[1]).close(); opened(sys.argv[1]).close()", "sqlalchemy"),
    ],
    ids=["import", "names", "off", "on"],
)
def test_a_database_library_is_imported_when_it_is_used(
    code: str, imported: str, python: Python, prelude: str, tmp_path: Path
) -> None:
    """And Alembic only for what an older version made: neither for a new ledger nor later."""
    ran = python(prelude + code + SHOW, str(tmp_path / "l"))

    assert (ran.err, ran.out.strip()) == ("", imported)
