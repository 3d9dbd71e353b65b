"""Observations of live streams, in a database.

Who writes about a live stream needs to be alone on it, see `lock_of`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import asdict, evolve
from sqlalchemy import bindparam, delete, insert, or_, select, tuple_, update

from headend.ledger import schema, sql_journal
from headend.ledger.sql_rows import (
    ensure_id,
    find,
    reach,
    to_last_seen,
    to_session,
    to_slot,
    to_state,
)
from headend.ledger.usage import (
    Sample,
    StreamRef,
    slot_start,
)
from headend.ledger.watching import KEPT_SAMPLES, Known, message_key, observed

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from headend.ledger.journal import LedgerEvent
    from headend.ledger.sql_rows import AnyRow
    from headend.ledger.usage import (
        LastSeen,
        Observation,
        SessionSpan,
        UnseenSpan,
        UsageSlot,
    )
    from headend.ledger.watching import Change

_PRUNED_AT_ONCE: Final = 1000

_STREAMS: Final = schema.observed.c
_ENTRIES: Final = schema.live_streams.c
_SLOTS: Final = schema.usage.c
_SAMPLES: Final = schema.samples.c
_SESSIONS: Final = schema.sessions.c

_CHANGE: Final = update(schema.observed).where(_STREAMS.id == bindparam("of"))
_FIND_SLOT: Final = select(schema.usage).where(
    _SLOTS.start == bindparam("of_start"), _SLOTS.observed_id == bindparam("of")
)
_CHANGE_SLOT: Final = update(schema.usage).where(
    _SLOTS.start == bindparam("of_start"), _SLOTS.observed_id == bindparam("of")
)
_FIND_SAMPLE: Final = select(_SAMPLES.at).where(
    _SAMPLES.at == bindparam("of_at"), _SAMPLES.observed_id == bindparam("of")
)


def lock_of(ref: StreamRef) -> str:
    """Name what whoever writes about a live stream has to be alone on."""
    return f"usage {(ref.provider, ref.account, ref.stream_id)!a}"


def observe(connection: Connection, seen: Observation, *, now: datetime) -> list[LedgerEvent]:
    """Keep an observation, add what lies between it and the one before, and return new events."""
    key = message_key(seen)
    if key is not None and sql_journal.has_event(connection, key):
        return []
    row = find(connection, seen.ref)
    last = None if row is None or row.at is None else to_last_seen(row)
    known = Known(
        created_at=lambda: _created_at(connection, seen.ref),
        sessions=lambda since, until: _sessions_between(connection, row, since, until),
    )
    change = observed(last, seen, known)
    if change.last is None or _is_repeated(connection, change):
        return []
    identity = _keep(connection, row, change.last)
    for slot in change.slots:
        _add_slot(connection, identity, slot)
    if change.unseen is not None:
        _add_unseen(connection, identity, change.unseen)
    if change.keeps_sample:
        _add_sample(connection, identity, seen)
        if last is None or slot_start(last.at) != slot_start(seen.at):
            _prune(connection, now - KEPT_SAMPLES)
    if change.event is None:
        return []
    event = sql_journal.append(connection, change.event, now=now)
    return [] if event is None else [event]


def _is_repeated(connection: Connection, change: Change) -> bool:
    """Tell whether a state is told again, of a moment from which it has changed since."""
    return change.event is not None and sql_journal.has_event(connection, change.event.key)


def see_end(connection: Connection, seen: Observation, *, now: datetime) -> None:
    """Observe that a live stream is gone, if it was ever observed."""
    row = find(connection, seen.ref)
    if row is not None and row.at is not None:
        # An observation made by somebody else's clock may be later than now.
        observe(connection, evolve(seen, at=max(seen.at, row.at)), now=now)


def last_seen(connection: Connection, since: datetime | None) -> list[LastSeen]:
    """Return how live streams were seen last."""
    query = select(schema.observed)
    if since is None:
        query = query.where(_STREAMS.at.is_not(None))
    else:
        query = query.where(_STREAMS.at >= since)
    found = [to_last_seen(row) for row in connection.execute(query)]
    return sorted(found, key=lambda one: one.ref)


def samples(
    connection: Connection, ref: StreamRef, since: datetime, until: datetime
) -> list[Sample]:
    """Return the samples of a live stream in a period, by time."""
    row = find(connection, ref)
    if row is None:
        return []
    query = (
        select(*(column for column in _SAMPLES if column is not _SAMPLES.observed_id))
        .where(_SAMPLES.observed_id == row.id, _SAMPLES.at >= since, _SAMPLES.at < until)
        .order_by(_SAMPLES.at)
    )
    return [
        Sample(**one._asdict() | {"state": to_state(one.state)})
        for one in connection.execute(query)
    ]


def _keep(connection: Connection, row: AnyRow | None, last: LastSeen) -> int:
    identity = ensure_id(connection, row, last.ref)
    values = asdict(last, recurse=False)
    del values["ref"]
    state = None if last.state is None else last.state.value
    connection.execute(_CHANGE, values | {"of": identity, "state": state})
    return identity


def _created_at(connection: Connection, ref: StreamRef) -> datetime | None:
    query = select(_ENTRIES.created_at).where(
        _ENTRIES.provider == ref.provider,
        _ENTRIES.account == ref.account,
        _ENTRIES.stream_id == ref.stream_id,
    )
    return max(connection.scalars(query), default=None)


def _sessions_between(
    connection: Connection, row: AnyRow | None, since: datetime, until: datetime
) -> list[SessionSpan]:
    if row is None:
        return []
    query = select(schema.sessions).where(
        _SESSIONS.observed_id == row.id,
        _SESSIONS.started_at < until,
        or_(_SESSIONS.ended_at.is_(None), _SESSIONS.ended_at > since),
    )
    ref = StreamRef(row.provider, row.account, row.stream_id)
    return [to_session(one, ref) for one in connection.execute(query)]


def _add_slot(connection: Connection, identity: int, more: UsageSlot) -> None:
    key = {"of": identity, "of_start": more.start}
    here = connection.execute(_FIND_SLOT, key).first()
    slot = more if here is None else to_slot(here, more.ref).plus(more)
    values = asdict(slot, recurse=False)
    del values["ref"]
    if here is None:
        connection.execute(insert(schema.usage), values | {"observed_id": identity})
    elif slot != to_slot(here, more.ref):
        del values["start"]
        connection.execute(_CHANGE_SLOT, values | key)


def _add_unseen(connection: Connection, identity: int, span: UnseenSpan) -> None:
    values = {
        "observed_id": identity,
        "since": span.since,
        "until": span.until,
        "reach": reach(span.since, span.until),
    }
    connection.execute(insert(schema.unseen), values)


def _add_sample(connection: Connection, identity: int, seen: Observation) -> None:
    if connection.execute(_FIND_SAMPLE, {"of": identity, "of_at": seen.at}).first() is None:
        values = {
            "at": seen.at,
            "observed_id": identity,
            "state": None if seen.state is None else seen.state.value,
            "viewer_count": seen.viewer_count,
            "current_bitrate": seen.current_bitrate,
            "peak_viewers": seen.peak_viewers,
            "total_watch_time": seen.total_watch_time,
        }
        connection.execute(insert(schema.samples), values)


def _prune(connection: Connection, before: datetime) -> None:
    """Delete some old samples, and leave alone what another process deletes at this moment."""
    key = (_SAMPLES.at, _SAMPLES.observed_id)
    old = (
        select(*key)
        .where(_SAMPLES.at < before)
        .order_by(*key)
        .limit(_PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(schema.samples).where(tuple_(*key).in_(old)))
