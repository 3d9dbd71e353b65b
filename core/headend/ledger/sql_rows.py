"""How the tables of observations become the records of `headend.ledger.usage`, and their keys."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import asdict
from sqlalchemy import bindparam, insert, select

from headend.ledger import schema
from headend.ledger.entry import Entry, EntryState
from headend.ledger.schema import LONGEST_REACH, OPEN
from headend.ledger.usage import LastSeen, RecordingSpan, SessionSpan, StreamRef, UsageSlot
from headend.models import StreamState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.engine import Connection

    AnyRow: TypeAlias = Row[*tuple[object, ...]]

_FIND: Final = select(schema.observed).where(
    schema.observed.c.provider == bindparam("of_provider"),
    schema.observed.c.account == bindparam("of_account"),
    schema.observed.c.stream_id == bindparam("of_stream_id"),
)


def find(connection: Connection, ref: StreamRef) -> AnyRow | None:
    """Return the row of a live stream in `observed`, or `None`."""
    return connection.execute(
        _FIND,
        {"of_provider": ref.provider, "of_account": ref.account, "of_stream_id": ref.stream_id},
    ).first()


def ensure_id(connection: Connection, row: AnyRow | None, ref: StreamRef) -> int:
    """Return the id of a live stream, which is given to it now if it has none."""
    if row is not None:
        found: int = row.id
        return found
    made = connection.execute(insert(schema.observed), asdict(ref)).inserted_primary_key
    assert made is not None
    return int(made[0])


def to_entry(row: AnyRow) -> Entry:
    """Return a row of `live_streams`."""
    values = row._asdict()
    return Entry(**values | {"state": EntryState(values["state"])})


def to_last_seen(row: AnyRow) -> LastSeen:
    """Return a row of `observed` that has a time."""
    values = row._asdict()
    for name in ("id", "sessions_as_of", "recordings_as_of"):
        del values[name]
    ref = StreamRef(*(values.pop(name) for name in ("provider", "account", "stream_id")))
    return LastSeen(ref=ref, **values | {"state": to_state(values["state"])})


def to_state(word: str | None) -> StreamState | None:
    """Return a state from its word."""
    return None if word is None else StreamState(word)


def to_slot(row: AnyRow, ref: StreamRef) -> UsageSlot:
    """Return a row of `usage`."""
    values = row._asdict()
    del values["observed_id"]
    return UsageSlot(ref=ref, **values)


def to_session(row: AnyRow, ref: StreamRef) -> SessionSpan:
    """Return a row of `sessions`."""
    return SessionSpan(
        ref=ref,
        session_id=row.session_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        height=row.height,
        frame_rate=row.frame_rate,
    )


def to_recording(row: AnyRow, ref: StreamRef) -> RecordingSpan:
    """Return a row of `recordings`."""
    return RecordingSpan(
        ref=ref,
        recording_id=row.recording_id,
        seconds=row.seconds,
        since=row.since,
        until=row.until,
    )


def reach(begin: datetime, end: datetime | None) -> int:
    """Return the reach of a span, see `schema.sessions`."""
    if end is None:
        return OPEN
    days = (end - begin) / timedelta(days=1)
    return min(LONGEST_REACH, max(0, math.ceil(math.log2(days)))) if days > 0 else 0
