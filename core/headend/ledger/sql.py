"""The ledger in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from attrs import asdict
from sqlalchemy import case, insert, select, update
from sqlalchemy.exc import IntegrityError

from headend.ledger.entry import Entry, EntryState, already_there, not_there
from headend.ledger.pacers import SqlPacerStore
from headend.ledger.schema import idempotency_keys, live_streams
from headend.ledger.upgrade import bring_up

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.engine import Connection

    from headend.clock import Clock
    from headend.ledger.database import Database
    from headend.ledger.entry import NewEntry

_COLUMNS: Final = live_streams.c


class SqlLedger:
    """A `Ledger` in a database; what an operation has recorded when it returns is on the disk."""

    def __init__(self, database: Database, *, id: str, clock: Clock) -> None:  # noqa: A002  # as the property
        self._database = database
        self._id = id
        self._pacers = SqlPacerStore(database, clock)

    @classmethod
    def open(cls, database: Database, *, new_id: str, clock: Clock) -> Self:
        """Open the ledger of a database, or make it.

        Args:
            database: where it is.
            new_id: its id if it is made now.
            clock: tells when it was made, and the time of the shared pacers.

        Raises:
            LedgerError: the database cannot be used.
        """
        try:
            ledger_id = bring_up(database, new_id=new_id, now=clock.now())
        except BaseException:
            database.close()
            raise
        return cls(database, id=ledger_id, clock=clock)

    def __repr__(self) -> str:
        return f"<SqlLedger {self._id} in {self._database.location}>"

    @property
    def id(self) -> str:
        """A random text that no other ledger has."""
        return self._id

    @property
    def location(self) -> str:
        """The file."""
        return self._database.location

    @property
    def pacers(self) -> SqlPacerStore:
        """The pacers that all users of this ledger share."""
        return self._pacers

    def begin(self, new: NewEntry, *, now: datetime, lease: float) -> Entry:
        """Write the intent to create a live stream, or return that of the idempotency key."""
        entry = Entry.intent(new, now=now, lease=lease)
        with self._database.write() as connection:
            earlier = self._of_key(connection, new)
            if earlier is not None and earlier.state is not EntryState.ABANDONED:
                return earlier
            try:
                connection.execute(insert(live_streams).values(_values(entry)))
            except IntegrityError as error:
                raise already_there(new.marker, ledger=self.location) from error
            if earlier is not None:
                connection.execute(
                    update(idempotency_keys).where(*_key_of(new)).values(marker=new.marker)
                )
            elif new.idempotency_key is not None:
                connection.execute(
                    insert(idempotency_keys).values(
                        provider=new.provider,
                        account=new.account,
                        key=new.idempotency_key,
                        marker=new.marker,
                    )
                )
        return entry

    def claim(
        self,
        marker: str,
        *,
        now: datetime,
        lease: float,
        owner: str,
        instead_of: str | None = None,
    ) -> bool:
        """Take over a creation whose lease is over, or that is in the hands of `instead_of`."""
        with self._database.write() as connection:
            entry = self._entry(connection, marker)
            claimed = entry.claimed(now=now, lease=lease, owner=owner, instead_of=instead_of)
            _change(connection, entry, claimed or entry)
        return claimed is not None

    def renew(self, marker: str, *, now: datetime, lease: float, owner: str) -> bool:
        """Extend the lease of one's own creation."""
        with self._database.write() as connection:
            entry = self._entry(connection, marker)
            renewed = entry.renewed(now=now, lease=lease, owner=owner)
            _change(connection, entry, renewed or entry)
        return renewed is not None

    def created(self, marker: str, stream_id: str, now: datetime) -> Entry:
        """Record what was created."""
        with self._database.write() as connection:
            entry = self._entry(connection, marker)
            return _change(connection, entry, entry.created(stream_id, now=now))

    def abandoned(self, marker: str, reason: str, now: datetime) -> Entry:
        """Record that nothing was created."""
        with self._database.write() as connection:
            entry = self._entry(connection, marker)
            return _change(connection, entry, entry.abandoned(reason, now=now))

    def ending(
        self,
        provider: str,
        account: str,
        stream_id: str,
        *,
        delete_recordings: bool,
        now: datetime,
    ) -> None:
        """Record that the end of a live stream begins."""
        with self._database.write() as connection:
            for entry in _all(connection, _named(provider, account, stream_id)):
                ending = entry.ending(delete_recordings=delete_recordings, now=now)
                _change(connection, entry, ending)

    def refused_to_end(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream goes on."""
        with self._database.write() as connection:
            for entry in _all(connection, _named(provider, account, stream_id)):
                _change(connection, entry, entry.refused_to_end(now=now))

    def ended(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream is gone."""
        with self._database.write() as connection:
            for entry in _all(connection, _named(provider, account, stream_id)):
                _change(connection, entry, entry.ended(now=now))

    def find(self, provider: str, account: str, stream_id: str) -> Entry | None:
        """Return the entry of a live stream."""
        has_ended = case((_COLUMNS.state == EntryState.ENDED.value, 1), else_=0)
        query = _named(provider, account, stream_id).order_by(
            has_ended, _COLUMNS.created_at.desc(), _COLUMNS.marker.desc()
        )
        with self._database.read() as connection:
            return _first(connection, query.limit(1))

    def by_marker(self, marker: str) -> Entry | None:
        """Return the entry with this marker."""
        with self._database.read() as connection:
            return _first(connection, _marked(marker))

    def entries(
        self, provider: str, account: str, states: Collection[EntryState] | None = None
    ) -> list[Entry]:
        """Return the entries of one account, the oldest first."""
        wanted = [_COLUMNS.provider == provider, _COLUMNS.account == account]
        if states is not None:
            wanted.append(_COLUMNS.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            return _all(
                connection,
                _select(*wanted).order_by(_COLUMNS.created_at, _COLUMNS.marker),
            )

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._database.close()

    def _entry(self, connection: Connection, marker: str) -> Entry:
        entry = _first(connection, _marked(marker))
        if entry is None:
            raise not_there(marker, ledger=self.location)
        return entry

    def _of_key(self, connection: Connection, new: NewEntry) -> Entry | None:
        if new.idempotency_key is None:
            return None
        marker = connection.scalars(select(idempotency_keys.c.marker).where(*_key_of(new))).first()
        return None if marker is None else self._entry(connection, marker)


def _key_of(new: NewEntry) -> tuple[ColumnElement[bool], ...]:
    return (
        idempotency_keys.c.provider == new.provider,
        idempotency_keys.c.account == new.account,
        idempotency_keys.c.key == new.idempotency_key,
    )


def _select(*wanted: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(live_streams).where(*wanted)


def _marked(marker: str) -> Select[*tuple[object, ...]]:
    return _select(_COLUMNS.marker == marker)


def _named(provider: str, account: str, stream_id: str) -> Select[*tuple[object, ...]]:
    return _select(
        _COLUMNS.provider == provider,
        _COLUMNS.account == account,
        _COLUMNS.stream_id == stream_id,
    )


def _all(connection: Connection, query: Select[*tuple[object, ...]]) -> list[Entry]:
    return [_entry_of(row) for row in connection.execute(query)]


def _first(connection: Connection, query: Select[*tuple[object, ...]]) -> Entry | None:
    row = connection.execute(query).first()
    return None if row is None else _entry_of(row)


def _entry_of(row: Row[*tuple[object, ...]]) -> Entry:
    values = row._asdict()
    return Entry(**values | {"state": EntryState(values["state"])})


def _change(connection: Connection, old: Entry, new: Entry) -> Entry:
    if new != old:
        connection.execute(
            update(live_streams).where(_COLUMNS.marker == old.marker).values(_values(new))
        )
    return new


def _values(entry: Entry) -> dict[str, object]:
    return asdict(entry) | {"state": entry.state.value}
