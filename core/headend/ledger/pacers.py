"""Pacers that all processes share which share a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from attrs import asdict
from sqlalchemy import bindparam, insert, select, update

from headend.calls.pacing import PacerState
from headend.ledger.schema import pacers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headend.clock import Clock
    from headend.ledger.database import Database

_T = TypeVar("_T")

_FIELDS: Final = [column for column in pacers.c if column is not pacers.c.key]
_READ: Final = select(*_FIELDS).where(pacers.c.key == bindparam("of"))
_ADD: Final = insert(pacers)
_CHANGE: Final = update(pacers).where(pacers.c.key == bindparam("of"))


class SqlPacerStore:
    """A `headend.calls.pacing.PacerStore` in a database, on the wall clock.

    Each update is one short transaction.  It survives the end of a process, and a power cut may
    undo the last ones, which is harmless.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def update(
        self, keys: Sequence[str], change: Callable[[Sequence[PacerState], float], _T]
    ) -> _T:
        """Let `change` read and alter the states of some pacers, with nobody in between.

        Raises:
            LedgerError: the database cannot be used; nothing is changed.
        """
        alone = [f"pacer {key}" for key in keys]
        with self._database.write(durable=False, alone=alone) as connection:
            rows = [connection.execute(_READ, {"of": key}).first() for key in keys]
            states = [PacerState() if row is None else PacerState(**row._asdict()) for row in rows]
            answer = change(states, self._clock.now().timestamp())
            for key, row, state in zip(keys, rows, states, strict=True):
                values = asdict(state)
                if row is None:
                    connection.execute(_ADD, values | {"key": key})
                elif values != row._asdict():
                    connection.execute(_CHANGE, values | {"of": key})
        return answer
