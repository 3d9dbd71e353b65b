"""Many processes write to one ledger, and some of them are killed: it is right all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from headend_contract.postgresql import PostgresServer

BENCHMARK: Final = Path(__file__).parents[1] / "benchmarks" / "ledger.py"
EVENTS: Final = 2000


def written(url: str) -> dict[str, float]:
    """Have eight processes write them, three of which are killed in the middle."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--url", url, "--events", str(EVENTS), "--json"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_nothing_that_was_acknowledged_is_lost_and_nothing_is_there_twice(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """And each threshold of each budget fires exactly once, though all find it reached."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    if engine == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url(server.create_database())
    found = written(url)

    assert (found["lost"], found["missing"], found["twice"]) == (0, 0, 0)
    assert found["wrong_thresholds"] == 0
    assert found["killed"] == 3
    assert found["events"] == EVENTS + found["thresholds"]
