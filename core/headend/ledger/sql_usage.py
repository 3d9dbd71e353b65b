"""What the ledger knows of a period, read from a database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import and_, or_, select

from headend.ledger import schema
from headend.ledger.entry import latest
from headend.ledger.schema import LONGEST_REACH, OPEN
from headend.ledger.sql_rows import to_entry, to_recording, to_session, to_slot
from headend.ledger.usage import StreamFacts, StreamRef, UnseenSpan, UsageData
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Column, ColumnElement, Select, Table
    from sqlalchemy.engine import Connection

    from headend.ledger.entry import Entry


_T = TypeVar("_T")

_AT_ONCE: Final = 500
"""Ids in one query; every SQLite takes 999 parameters."""

_STREAMS: Final = schema.observed.c
_ENTRIES: Final = schema.live_streams.c
_SLOTS: Final = schema.usage.c
_SESSIONS: Final = schema.sessions.c
_RECORDINGS: Final = schema.recordings.c


def read_usage(connection: Connection, since: datetime, until: datetime) -> UsageData:
    """Return all that is known of a period."""
    slots = connection.execute(
        select(schema.usage).where(_SLOTS.start >= since, _SLOTS.start < until)
    ).all()
    found = {
        table: connection.execute(_overlapping(table, begin, end, since, until)).all()
        for table, begin, end in (
            (schema.sessions, _SESSIONS.started_at, _SESSIONS.ended_at),
            (schema.recordings, _RECORDINGS.since, _RECORDINGS.until),
            (schema.unseen, schema.unseen.c.since, schema.unseen.c.until),
        )
    }
    still_live = connection.execute(
        select(_STREAMS.id, _STREAMS.at).where(
            _STREAMS.live_since < until,
            _STREAMS.at < until,
            _STREAMS.state == StreamState.LIVE.value,
        )
    ).all()
    ids = {row.observed_id for rows in (slots, *found.values()) for row in rows}
    refs = _refs(connection, ids | {row.id for row in still_live})
    places = {one: place for place, one in enumerate(sorted(refs, key=lambda one: refs[one]))}
    in_events = connection.execute(
        select(schema.events.c.provider, schema.events.c.account, schema.events.c.stream_id)
        .where(schema.events.c.occurred_at >= since, schema.events.c.occurred_at < until)
        .where(schema.events.c.stream_id.is_not(None), schema.events.c.provider.is_not(None))
        .where(schema.events.c.account.is_not(None))
        .distinct()
    )
    streams = {*refs.values(), *(StreamRef(*row) for row in in_events)}
    unseen = [
        UnseenSpan(ref=refs[row.observed_id], since=row.since, until=row.until)
        for row in found[schema.unseen]
    ]
    unseen += [UnseenSpan(ref=refs[row.id], since=row.at) for row in still_live]
    return UsageData(
        since=since,
        until=until,
        streams={facts.ref: facts for facts in _facts(connection, streams)},
        slots=tuple(
            to_slot(row, refs[row.observed_id])
            for row in sorted(slots, key=lambda row: (row.start, places[row.observed_id]))
        ),
        sessions=tuple(
            sorted(
                (to_session(row, refs[row.observed_id]) for row in found[schema.sessions]),
                key=lambda one: (one.started_at, one.ref, one.session_id),
            )
        ),
        recordings=tuple(
            sorted(
                (to_recording(row, refs[row.observed_id]) for row in found[schema.recordings]),
                key=lambda one: (one.since, one.ref, one.recording_id),
            )
        ),
        unseen=tuple(sorted(unseen, key=lambda one: (one.since, one.ref))),
    )


def _overlapping(
    table: Table, begin: Column[datetime], end: Column[datetime], since: datetime, until: datetime
) -> Select[*tuple[object, ...]]:
    """Select what has a part in the period, by looking at little else.

    Of what lasts at most so many days, all that has a part in the period begins at most so many
    days before it; that is a range of the index, for each power of two one.
    """
    by_reach: list[ColumnElement[bool]] = [
        and_(table.c.reach == reach, begin >= since - timedelta(days=2**reach), begin < until)
        for reach in range(LONGEST_REACH + 1)
    ]
    is_open = and_(table.c.reach == OPEN, begin < until)
    return select(table).where(or_(is_open, *by_reach), or_(end.is_(None), end > since))


def _refs(connection: Connection, ids: Iterable[int]) -> dict[int, StreamRef]:
    columns = (_STREAMS.id, _STREAMS.provider, _STREAMS.account, _STREAMS.stream_id)
    return {
        row.id: StreamRef(row.provider, row.account, row.stream_id)
        for some in _parts(sorted(ids))
        for row in connection.execute(select(*columns).where(_STREAMS.id.in_(some)))
    }


def _facts(connection: Connection, refs: Iterable[StreamRef]) -> list[StreamFacts]:
    """Return what is known of some live streams, in order."""
    by_account: dict[tuple[str, str], list[str]] = {}
    for ref in sorted(refs):
        by_account.setdefault((ref.provider, ref.account), []).append(ref.stream_id)
    return [
        facts
        for (provider, account), ids in by_account.items()
        for some in _parts(ids)
        for facts in _facts_of(connection, provider, account, some)
    ]


def _facts_of(
    connection: Connection, provider: str, account: str, ids: Sequence[str]
) -> Iterator[StreamFacts]:
    seen = {
        row.stream_id: row
        for row in connection.execute(
            select(schema.observed).where(
                _STREAMS.provider == provider,
                _STREAMS.account == account,
                _STREAMS.stream_id.in_(ids),
            )
        )
    }
    made: dict[str, list[Entry]] = {}
    for row in connection.execute(
        select(schema.live_streams).where(
            _ENTRIES.provider == provider,
            _ENTRIES.account == account,
            _ENTRIES.stream_id.in_(ids),
        )
    ):
        made.setdefault(row.stream_id, []).append(to_entry(row))
    for stream_id in ids:
        look = seen.get(stream_id)
        yield StreamFacts.of(
            StreamRef(provider, account, stream_id),
            latest(made.get(stream_id, [])),
            channel_id=None if look is None else look.channel_id,
            name=None if look is None else look.name,
            sessions_as_of=None if look is None else look.sessions_as_of,
            recordings_as_of=None if look is None else look.recordings_as_of,
            seen_at=None if look is None else look.at,
        )


def _parts(all_: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(all_), _AT_ONCE):
        yield all_[start : start + _AT_ONCE]
