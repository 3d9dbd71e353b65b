"""The deliveries of events in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from headend.ledger import schema
from headend.ledger.deliveries import Delivery
from headend.ledger.journal import LedgerEvent

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

LOCK: Final = "deliveries"
"""What a transaction must be alone with that claims one."""

_COLUMNS: Final = schema.deliveries.c


def add(connection: Connection, event: LedgerEvent, *, now: datetime) -> None:
    """Note that an event is to be delivered."""
    values = {"number": event.number, "due_at": now, "tries": 0}
    connection.execute(insert(schema.deliveries).values(values))


def is_any_due(connection: Connection, *, now: datetime) -> bool:
    """Tell whether there is one that nobody has in hand."""
    found = connection.execute(select(_COLUMNS.number).where(_COLUMNS.due_at <= now).limit(1))
    return found.first() is not None


def claim(connection: Connection, *, now: datetime, until: datetime) -> Delivery | None:
    """Take the oldest that is due, until then; `None` where none is."""
    query = select(_COLUMNS.number, _COLUMNS.tries).where(_COLUMNS.due_at <= now)
    # What is locked here is being removed.
    query = query.order_by(_COLUMNS.number).limit(1).with_for_update(skip_locked=True)
    due = connection.execute(query).first()
    if due is None:
        return None
    tries = due.tries + 1
    connection.execute(
        update(schema.deliveries)
        .where(_COLUMNS.number == due.number)
        .values(due_at=until, tries=tries)
    )
    events = schema.events
    row = connection.execute(select(events).where(events.c.number == due.number)).one()
    return Delivery(event=LedgerEvent(**row._asdict()), tries=tries)


def postpone(connection: Connection, delivery: Delivery, *, until: datetime) -> None:
    """Let it be claimed again from then on, unless somebody else has claimed it meanwhile."""
    connection.execute(
        update(schema.deliveries)
        .where(_COLUMNS.number == delivery.event.number, _COLUMNS.tries == delivery.tries)
        .values(due_at=until)
    )


def remove(connection: Connection, delivery: Delivery) -> None:
    """Forget a delivery: it was made, or is given up."""
    connection.execute(delete(schema.deliveries).where(_COLUMNS.number == delivery.event.number))
