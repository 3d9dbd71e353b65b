"""The ledgers in a file, on a server and in memory do the same, whatever is asked of them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headend.clock import SystemClock
from headend.errors import LedgerError
from headend.ledger import EntryState, NewEntry, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.ledger import Ledger
    from headend_contract.postgresql import PostgresServer

START = datetime(2030, 1, 1, tzinfo=UTC)
MARKERS = st.sampled_from(["m1", "m2", "m3", "m4"])
KEYS = st.none() | st.sampled_from(["k1", "k2"])
STREAMS = st.sampled_from(["s1", "s2"])
OWNERS = st.sampled_from(["o1", "o2"])
ACCOUNTS = st.sampled_from(["a1", "a2"])
LEASES = st.sampled_from([0.0, 5.0, 50.0])


class Alike(RuleBasedStateMachine):
    """Every operation, on all, with the same answer."""

    server: ClassVar[PostgresServer | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._places = ExitStack()
        folder = self._places.enter_context(tempfile.TemporaryDirectory())
        urls: list[str | Path | None] = [None, Path(folder) / "ledger.sqlite3"]
        if self.server is not None:
            urls.append(
                self.server.url(schema=self._places.enter_context(self.server.new_schema()))
            )
        self._ledgers = [
            self._places.enter_context(
                closing(open_ledger(url, clock=SystemClock(), random=Random(1)))
            )
            for url in urls
        ]
        self._now = START

    def teardown(self) -> None:
        self._places.close()

    def _all(self, ask: Callable[[Ledger], object]) -> None:
        answers: list[object] = []
        for ledger in self._ledgers:
            try:
                answers.append(ask(ledger))
            except LedgerError as error:
                answers.append(str(error).replace(ledger.location or "memory", "…"))
        assert answers == answers[:1] * len(answers)

    @rule(seconds=st.sampled_from([-3.0, 1.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    @rule(marker=MARKERS, account=ACCOUNTS, key=KEYS, owner=OWNERS, lease=LEASES)
    def begin(self, marker: str, account: str, key: str | None, owner: str, lease: float) -> None:
        new = NewEntry(
            marker=marker,
            provider="acme",
            account=account,
            channel_id="42",
            digest=marker,
            owner=owner,
            idempotency_key=key,
        )
        self._all(lambda ledger: ledger.begin(new, now=self._now, lease=lease))

    @rule(marker=MARKERS, lease=LEASES, owner=OWNERS, dead=st.none() | OWNERS)
    def claim(self, marker: str, lease: float, owner: str, dead: str | None) -> None:
        self._all(
            lambda ledger: ledger.claim(
                marker, now=self._now, lease=lease, owner=owner, instead_of=dead
            )
        )

    @rule(marker=MARKERS, lease=LEASES, owner=OWNERS)
    def renew(self, marker: str, lease: float, owner: str) -> None:
        self._all(lambda ledger: ledger.renew(marker, now=self._now, lease=lease, owner=owner))

    @rule(marker=MARKERS, stream_id=STREAMS)
    def created(self, marker: str, stream_id: str) -> None:
        self._all(lambda ledger: ledger.created(marker, stream_id, self._now))

    @rule(marker=MARKERS)
    def abandoned(self, marker: str) -> None:
        self._all(lambda ledger: ledger.abandoned(marker, "why not", self._now))

    @rule(account=ACCOUNTS, stream_id=STREAMS, delete=st.booleans())
    def ending(self, account: str, stream_id: str, delete: bool) -> None:
        self._all(
            lambda ledger: ledger.ending(
                "acme", account, stream_id, delete_recordings=delete, now=self._now
            )
        )

    @rule(account=ACCOUNTS, stream_id=STREAMS)
    def refused_to_end(self, account: str, stream_id: str) -> None:
        self._all(lambda ledger: ledger.refused_to_end("acme", account, stream_id, self._now))

    @rule(account=ACCOUNTS, stream_id=STREAMS)
    def ended(self, account: str, stream_id: str) -> None:
        self._all(lambda ledger: ledger.ended("acme", account, stream_id, self._now))

    @rule(account=ACCOUNTS, stream_id=STREAMS, marker=MARKERS)
    def look(self, account: str, stream_id: str, marker: str) -> None:
        self._all(lambda ledger: ledger.find("acme", account, stream_id))
        self._all(lambda ledger: ledger.by_marker(marker))

    @rule(account=ACCOUNTS, states=st.sets(st.sampled_from(EntryState)))
    def list_some(self, account: str, states: set[EntryState]) -> None:
        self._all(lambda ledger: ledger.entries("acme", account, states))

    @invariant()
    def all_entries_are_alike(self) -> None:
        for account in ("a1", "a2"):
            self._all(lambda ledger, account=account: ledger.entries("acme", account))  # type: ignore[misc]  # bound early

    @invariant()
    def what_is_active_has_a_stream_id(self) -> None:
        for entry in self._ledgers[0].entries("acme", "a1"):
            has_one = entry.state not in {EntryState.CREATING, EntryState.ABANDONED}
            assert (entry.stream_id is not None) == has_one


Alike.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAlike = Alike.TestCase


@pytest.fixture(autouse=True, scope="module")
def _server(request: pytest.FixtureRequest) -> None:
    """Where there can be none, the others are compared."""
    from headend_contract.postgresql import why_not

    if why_not() is None:
        Alike.server = request.getfixturevalue("postgres")
