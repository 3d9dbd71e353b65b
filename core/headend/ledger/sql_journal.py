"""The journal in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import asdict, evolve
from sqlalchemy import bindparam, insert, select, update

from headend.ledger import schema
from headend.ledger.entry import latest
from headend.ledger.journal import LedgerEvent
from headend.ledger.sql_rows import to_entry

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from headend.ledger.journal import LedgerEventKind, NewEvent

_EVENTS: Final = schema.events.c
_IS_THERE: Final = select(_EVENTS.number).where(_EVENTS.key == bindparam("of"))
_COUNT: Final = update(schema.ledger).values(last_event=schema.ledger.c.last_event + 1)
_COUNTED: Final = select(schema.ledger.c.last_event)
_ADD: Final = insert(schema.events)


def has_event(connection: Connection, key: str) -> bool:
    """Tell whether the journal has an event with this key."""
    return connection.execute(_IS_THERE, {"of": key}).first() is not None


def last_number(connection: Connection) -> int:
    """Return the number of the newest event; 0 where there is none."""
    found: int = connection.execute(_COUNTED).scalar_one()
    return found


def append(connection: Connection, new: NewEvent, *, now: datetime) -> LedgerEvent | None:
    """Write an event and return it as it is in the journal; `None` if its key is there already.

    Counting up locks the counter until the end of the transaction: of two that write events, one
    waits, and whoever can read a number can read all lower ones.  For the same reason it is the
    last lock that a transaction takes.
    """
    if has_event(connection, new.key):
        return None
    if new.channel_id is None and new.stream_id is not None:
        new = evolve(new, channel_id=_channel_of(connection, new))
    connection.execute(_COUNT)
    # Another process may have written it while this one waited for the counter.
    if has_event(connection, new.key):
        return None
    event = LedgerEvent.of(new, number=last_number(connection), now=now)
    connection.execute(_ADD, asdict(event, recurse=False) | {"kind": event.kind.value})
    return event


def _channel_of(connection: Connection, new: NewEvent) -> str | None:
    """Return the host's own id of a live stream, from its creation or from when it was seen."""
    where = [
        [table.c[name] == getattr(new, name) for name in ("provider", "account", "stream_id")]
        for table in (schema.live_streams, schema.observed)
    ]
    made = connection.execute(select(schema.live_streams).where(*where[0]))
    entry = latest(to_entry(row) for row in made)
    if entry is not None:
        return entry.channel_id
    return connection.scalars(select(schema.observed.c.channel_id).where(*where[1])).first()


def events(
    connection: Connection,
    *,
    after: int,
    since: datetime | None,
    until: datetime | None,
    kinds: Collection[LedgerEventKind] | None,
    provider: str | None,
    stream_id: str | None,
    limit: int | None,
) -> list[LedgerEvent]:
    """Return events in the order of their numbers, those that fit all that is given."""
    by_time = not after and (since is not None or until is not None)
    # Without the sum SQLite would go through all numbers, as it gets them in order.
    query = select(schema.events).order_by(_EVENTS.number + 0 if by_time else _EVENTS.number)
    if after:
        query = query.where(_EVENTS.number > after)
    if since is not None:
        query = query.where(_EVENTS.occurred_at >= since)
    if until is not None:
        query = query.where(_EVENTS.occurred_at < until)
    if kinds is not None:
        query = query.where(_EVENTS.kind.in_([kind.value for kind in kinds]))
    if provider is not None:
        query = query.where(_EVENTS.provider == provider)
    if stream_id is not None:
        query = query.where(_EVENTS.stream_id == stream_id)
    return [LedgerEvent(**row._asdict()) for row in connection.execute(query.limit(limit))]
