"""What the ledger needs of a database.

`headend.ledger.sqlite` and `headend.ledger.postgresql` are one each; all that is particular to
a kind of database is there, its errors in words included.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

_T = TypeVar("_T")


class Database(Protocol):
    """A database that many threads and processes use at once.

    All operations raise `LedgerError`, in words for people and without secrets.
    """

    @property
    def location(self) -> str:
        """Where it is, for people; without a password."""
        ...

    def make(self) -> None:
        """Make it where it is missing, as far as that can be done, or find out why it cannot."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection in a transaction that sees one state of the database and changes none.

        It waits for no writer.
        """
        ...

    def write(
        self, *, durable: bool = True, alone: Sequence[str] = ()
    ) -> AbstractContextManager[Connection]:
        """Give a connection in a transaction; it is committed at the end, or nothing is changed.

        What a statement reads here may be changed by others before the next one, unless `alone`
        keeps them out or the statement locks what it reads (``with_for_update``).  Where a
        statement has failed, the transaction has: what need not succeed says so in its SQL, such
        as ``ON CONFLICT DO NOTHING``.

        Args:
            durable: whether it must survive a power cut once it is done.  Any transaction
                survives the end of the process.
            alone: names, of the caller's choice.  Of transactions that have a name in common, one
                runs at a time, from its first statement to its end.
        """
        ...

    def change_schema(self) -> AbstractContextManager[Connection]:
        """Give a connection for changing tables: all happens or nothing, by one process at a time.

        Nobody else changes the schema meanwhile.
        """
        ...

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        ...


class OfThisProcess(Generic[_T]):
    """Connections, or the like: a child that was forked makes its own and leaves its parent's.

    It must not even close those, since closing says goodbye in the parent's name.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._inherited: list[_T] = []
        self._pid = os.getpid()
        self._own = make()

    def get(self) -> _T:
        """Return this process's."""
        if self._pid != os.getpid():
            self._inherited.append(self._own)
            self._own, self._pid = self._make(), os.getpid()
        return self._own

    @property
    def is_inherited(self) -> bool:
        """Whether what is here is still the parent's."""
        return self._pid != os.getpid()
