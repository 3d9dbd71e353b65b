"""What the tests of costs share: databases of both engines, and what was seen of live streams."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headend.ledger.usage import Observation
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from headend.ledger import Ledger
    from headend_contract.postgresql import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database in which nothing is yet, of each engine in turn."""
    with ExitStack() as schemas:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path / 'budgets.sqlite3'}"
        else:
            postgres: PostgresServer = request.getfixturevalue("postgres")
            yield postgres.url(schema=schemas.enter_context(postgres.new_schema()))


@pytest.fixture
def spend() -> Callable[..., None]:
    """See a live stream of Acme live for so many minutes; it is billed as if it were recorded."""

    def spend(ledger: Ledger, minutes: int, *, start: datetime, stream_id: str = "seen") -> None:
        for minute in range(minutes + 1):
            at = start + timedelta(minutes=minute)
            ledger.observe(
                Observation(
                    provider="acme",
                    account="4711",
                    stream_id=stream_id,
                    at=at,
                    state=StreamState.IDLE if minute == minutes else StreamState.LIVE,
                    viewer_count=0,
                ),
                now=at,
            )

    return spend
