"""The ledger in a database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from attrs import asdict
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from headend.ledger import sql_deliveries, sql_journal, sql_listing, sql_usage, sql_watching
from headend.ledger.entry import Entry, EntryState, already_there, latest, not_there
from headend.ledger.journal import (
    BY_PLATFORM,
    LedgerEventKind,
    entry_event,
    name_of_this_process,
)
from headend.ledger.pacers import SqlPacerStore
from headend.ledger.schema import idempotency_keys, live_streams
from headend.ledger.sql_rows import to_entry
from headend.ledger.sql_watching import lock_of
from headend.ledger.upgrade import bring_up, read_id
from headend.ledger.usage import Observation, StreamRef

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection

    from headend.clock import Clock
    from headend.ledger.database import Database
    from headend.ledger.deliveries import Delivery
    from headend.ledger.entry import NewEntry
    from headend.ledger.journal import LedgerEvent, NewEvent
    from headend.ledger.usage import LastSeen, Sample, SessionSpan, UsageData
    from headend.models import Recording, Session

_COLUMNS: Final = live_streams.c


class SqlLedger:
    """A `Ledger` in a database; what an operation has recorded when it returns is on the disk."""

    def __init__(
        self,
        database: Database,
        *,
        id: str,  # noqa: A002  # as the property
        clock: Clock,
        actor: str | None = None,
    ) -> None:
        self._database = database
        self._id = id
        self._actor = actor
        self._pacers = SqlPacerStore(database, clock)

    @classmethod
    def open(
        cls, database: Database, *, new_id: str, clock: Clock, actor: str | None = None
    ) -> Self:
        """Open the ledger of a database, or make it.

        Args:
            database: where it is.
            new_id: its id if it is made now.
            clock: tells when it was made, and the time of the shared pacers.
            actor: who is told in the journal to have done what this object records; the process
                where nobody is named.

        Raises:
            LedgerError: the database cannot be used.
        """
        try:
            ledger_id = bring_up(database, new_id=new_id, now=clock.now())
        except BaseException:
            database.close()
            raise
        return cls(database, id=ledger_id, clock=clock, actor=actor)

    def __repr__(self) -> str:
        return f"<SqlLedger {self._id} in {self._database.location}>"

    @property
    def id(self) -> str:
        """A random text that no other ledger has."""
        return self._id

    @property
    def location(self) -> str:
        """The file or server."""
        return self._database.location

    @property
    def pacers(self) -> SqlPacerStore:
        """The pacers that all users of this ledger share."""
        return self._pacers

    @property
    def actor(self) -> str:
        """Who is told in the journal to have done what this object records."""
        return self._actor or name_of_this_process()

    def check(self) -> None:
        """Find out whether it can be written now."""
        with self._database.write(durable=False) as connection:
            read_id(connection, self._database)

    def begin(self, new: NewEntry, *, now: datetime, lease: float) -> Entry:
        """Write the intent to create a live stream, or return that of the idempotency key."""
        entry = Entry.intent(new, now=now, lease=lease)
        # Nothing is there yet that could be locked.
        alone = [] if new.idempotency_key is None else [_lock_of_key(new)]
        with self._database.write(alone=alone) as connection:
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
            created = _change(connection, entry, entry.created(stream_id, now=now))
            if created != entry:
                event = entry_event(LedgerEventKind.CREATED, created, now=now, caused_by=self.actor)
                sql_journal.append(connection, event, now=now)
            return created

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
            for entry in _all(connection, _to_change(_named(provider, account, stream_id))):
                ending = entry.ending(delete_recordings=delete_recordings, now=now)
                _change(connection, entry, ending)

    def refused_to_end(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream goes on."""
        with self._database.write() as connection:
            for entry in _all(connection, _to_change(_named(provider, account, stream_id))):
                _change(connection, entry, entry.refused_to_end(now=now))

    def ended(
        self,
        provider: str,
        account: str,
        stream_id: str,
        now: datetime,
        *,
        caused_by: str | None = None,
    ) -> None:
        """Record that a live stream is gone."""
        caused_by = caused_by or self.actor
        seen = Observation.of_end(provider, account, stream_id, now, caused_by=caused_by)
        with self._database.write(alone=[lock_of(seen.ref)]) as connection:
            found = _all(connection, _to_change(_named(provider, account, stream_id)))
            changed = [_change(connection, entry, entry.ended(now=now)) for entry in found]
            sql_watching.see_end(connection, seen, now=now)
            for entry, before in zip(changed, found, strict=True):
                if entry != before:
                    event = entry_event(LedgerEventKind.ENDED, entry, now=now, caused_by=caused_by)
                    sql_journal.append(connection, event, now=now)

    def find(self, provider: str, account: str, stream_id: str) -> Entry | None:
        """Return the entry of a live stream."""
        with self._database.read() as connection:
            found = _all(connection, _named(provider, account, stream_id))
        return latest(found)

    def by_marker(self, marker: str) -> Entry | None:
        """Return the entry with this marker."""
        with self._database.read() as connection:
            return _first(connection, _marked(marker))

    def by_key(self, provider: str, account: str, idempotency_key: str) -> Entry | None:
        """Return the entry that an idempotency key stands for."""
        keys = idempotency_keys.c
        query = _select(
            keys.marker == _COLUMNS.marker,
            keys.provider == provider,
            keys.account == account,
            keys.key == idempotency_key,
        )
        with self._database.read() as connection:
            return _first(connection, query)

    def entries(
        self, provider: str, account: str, states: Collection[EntryState] | None = None
    ) -> list[Entry]:
        """Return the entries of one account, the oldest first."""
        wanted = [_COLUMNS.provider == provider, _COLUMNS.account == account]
        if states is not None:
            wanted.append(_COLUMNS.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            found = _all(connection, _select(*wanted))
        # Databases sort texts each in its own way.
        return sorted(found, key=lambda one: (one.created_at, one.marker))

    def append(self, event: NewEvent, *, now: datetime, to_deliver: bool = False) -> bool:
        """Write an event into the journal, unless its key is there."""
        with self._database.write() as connection:
            written = sql_journal.append(connection, event, now=now)
            if written is not None and to_deliver:
                sql_deliveries.add(connection, written, now=now)
            return written is not None

    def claim_delivery(self, *, now: datetime, lease: float) -> Delivery | None:
        """Take the oldest event that is to be delivered and that nobody else has in hand."""
        with self._database.read() as connection:
            if not sql_deliveries.is_any_due(connection, now=now):
                return None
        with self._database.write(alone=[sql_deliveries.LOCK]) as connection:
            return sql_deliveries.claim(connection, now=now, until=now + timedelta(seconds=lease))

    def postpone_delivery(self, delivery: Delivery, until: datetime) -> None:
        """Record that it could not be made, and when it is to be tried again."""
        with self._database.write() as connection:
            sql_deliveries.postpone(connection, delivery, until=until)

    def remove_delivery(self, delivery: Delivery) -> None:
        """Record that it was made, or is given up."""
        with self._database.write() as connection:
            sql_deliveries.remove(connection, delivery)

    def events(
        self,
        *,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[LedgerEventKind] | None = None,
        provider: str | None = None,
        stream_id: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerEvent]:
        """Return events in the order of their numbers."""
        with self._database.read() as connection:
            return sql_journal.events(
                connection,
                after=after,
                since=since,
                until=until,
                kinds=kinds,
                provider=provider,
                stream_id=stream_id,
                limit=limit,
            )

    def last_number(self) -> int:
        """Return the number of the newest event; 0 where there is none."""
        with self._database.read() as connection:
            return sql_journal.last_number(connection)

    def observe(self, seen: Observation, *, now: datetime) -> list[LedgerEvent]:
        """Keep what was seen of a live stream, and add up what lies since it was seen before."""
        with self._database.write(alone=[lock_of(seen.ref)]) as connection:
            return sql_watching.observe(connection, seen, now=now)

    def last_seen(self, *, since: datetime | None = None) -> list[LastSeen]:
        """Return how live streams were seen last."""
        with self._database.read() as connection:
            return sql_watching.last_seen(connection, since)

    def samples(
        self, provider: str, account: str, stream_id: str, since: datetime, until: datetime
    ) -> list[Sample]:
        """Return what was seen of a live stream while it was live, by time."""
        ref = StreamRef(provider, account, stream_id)
        with self._database.read() as connection:
            return sql_watching.samples(connection, ref, since, until)

    def record_sessions(
        self,
        provider: str,
        account: str,
        stream_id: str,
        sessions: Iterable[Session],
        *,
        now: datetime,
    ) -> None:
        """Keep what the platform tells of a live stream's sessions."""
        # What is taken from a platform page by page must not hold the database.
        sessions, ref = [*sessions], StreamRef(provider, account, stream_id)
        with self._database.write(alone=[lock_of(ref)]) as connection:
            sql_listing.record_sessions(connection, ref, sessions, now=now)

    def sessions(
        self, provider: str, account: str, stream_id: str, since: datetime, until: datetime
    ) -> list[SessionSpan]:
        """Return what is kept of a live stream's sessions that began in a period, by time."""
        ref = StreamRef(provider, account, stream_id)
        with self._database.read() as connection:
            return sql_listing.sessions(connection, ref, since, until)

    def record_recordings(
        self,
        provider: str,
        account: str,
        stream_id: str,
        recordings: Iterable[Recording],
        *,
        now: datetime,
        is_all: bool = True,
        caused_by: str = BY_PLATFORM,
    ) -> list[LedgerEvent]:
        """Keep what the platform tells of a live stream's recordings."""
        recordings, ref = [*recordings], StreamRef(provider, account, stream_id)
        with self._database.write(alone=[lock_of(ref)]) as connection:
            return sql_listing.record_recordings(
                connection, ref, recordings, now=now, is_all=is_all, caused_by=caused_by
            )

    def recording_deleted(
        self, provider: str, account: str, recording_id: str, now: datetime
    ) -> None:
        """Record that a recording was deleted."""
        with self._database.write() as connection:
            sql_listing.recording_deleted(
                connection, provider, account, recording_id, now=now, caused_by=self.actor
            )

    def read_usage(self, since: datetime, until: datetime) -> UsageData:
        """Return all that is known of the use in a period."""
        with self._database.read() as connection:
            return sql_usage.read_usage(connection, since, until)

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._database.close()

    def _entry(self, connection: Connection, marker: str) -> Entry:
        entry = _first(connection, _to_change(_marked(marker)))
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


def _lock_of_key(new: NewEntry) -> str:
    return f"idempotency key {(new.provider, new.account, new.idempotency_key)!a}"


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


def _to_change(query: Select[*tuple[object, ...]]) -> Select[*tuple[object, ...]]:
    """Lock what is selected against changes by others: in one order, and not its key."""
    return query.order_by(_COLUMNS.marker).with_for_update(key_share=True)


def _all(connection: Connection, query: Select[*tuple[object, ...]]) -> list[Entry]:
    return [to_entry(row) for row in connection.execute(query)]


def _first(connection: Connection, query: Select[*tuple[object, ...]]) -> Entry | None:
    row = connection.execute(query).first()
    return None if row is None else to_entry(row)


def _change(connection: Connection, old: Entry, new: Entry) -> Entry:
    if new != old:
        connection.execute(
            update(live_streams).where(_COLUMNS.marker == old.marker).values(_values(new))
        )
    return new


def _values(entry: Entry) -> dict[str, object]:
    return asdict(entry) | {"state": entry.state.value}
