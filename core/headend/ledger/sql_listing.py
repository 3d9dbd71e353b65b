"""What platforms list of sessions and recordings, in a database.

Who writes about a live stream needs to be alone on it, see `headend.ledger.sql_watching.lock_of`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, insert, select, update

from headend.ledger import schema, sql_journal
from headend.ledger.listing import (
    changed_recordings,
    changed_sessions,
    deleted,
    deletion_event,
)
from headend.ledger.sql_rows import ensure_id, find, reach, to_recording, to_session
from headend.ledger.usage import StreamRef

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from headend.ledger.journal import LedgerEvent
    from headend.ledger.usage import RecordingSpan, SessionSpan
    from headend.models import Recording, Session

_STREAMS: Final = schema.observed.c
_SESSIONS: Final = schema.sessions.c
_RECORDINGS: Final = schema.recordings.c

_CHANGE: Final = update(schema.observed).where(_STREAMS.id == bindparam("of"))


def record_sessions(
    connection: Connection, ref: StreamRef, sessions: Iterable[Session], *, now: datetime
) -> None:
    """Keep what the platform tells of a live stream's sessions."""
    row = find(connection, ref)
    identity = ensure_id(connection, row, ref)
    query = select(schema.sessions).where(_SESSIONS.observed_id == identity)
    known = {row.session_id: to_session(row, ref) for row in connection.execute(query)}
    before = None if row is None else row.sessions_as_of
    for one in changed_sessions(ref, known.values(), sessions, listed_before=before):
        values = {
            "ended_at": one.ended_at,
            "height": one.height,
            "frame_rate": one.frame_rate,
            "started_at": one.started_at,
            "reach": reach(one.started_at, one.ended_at),
        }
        if one.session_id in known:
            its = (_SESSIONS.observed_id == identity, _SESSIONS.session_id == one.session_id)
            connection.execute(update(schema.sessions).where(*its).values(values))
        else:
            key = {"observed_id": identity, "session_id": one.session_id}
            connection.execute(insert(schema.sessions), values | key)
    connection.execute(_CHANGE, {"of": identity, "sessions_as_of": now})


def sessions(
    connection: Connection, ref: StreamRef, since: datetime, until: datetime
) -> list[SessionSpan]:
    """Return the sessions of a live stream that began in a period, by time."""
    row = find(connection, ref)
    if row is None:
        return []
    query = select(schema.sessions).where(
        _SESSIONS.observed_id == row.id,
        _SESSIONS.started_at >= since,
        _SESSIONS.started_at < until,
    )
    found = [to_session(one, ref) for one in connection.execute(query)]
    return sorted(found, key=lambda one: (one.started_at, one.session_id))


def record_recordings(
    connection: Connection,
    ref: StreamRef,
    recordings: Iterable[Recording],
    *,
    now: datetime,
    is_all: bool,
    caused_by: str,
) -> list[LedgerEvent]:
    """Keep what the platform tells of a live stream's recordings, and return new events."""
    row = find(connection, ref)
    identity = ensure_id(connection, row, ref)
    query = select(schema.recordings).where(_RECORDINGS.observed_id == identity)
    known = {row.recording_id: to_recording(row, ref) for row in connection.execute(query)}
    changed = changed_recordings(ref, known.values(), recordings, now=now, is_all=is_all)
    for one in changed:
        if one.recording_id in known:
            _change_recording(connection, identity, one)
        else:
            key = {"observed_id": identity, "recording_id": one.recording_id}
            connection.execute(insert(schema.recordings), _recording_values(one) | key)
    if is_all:
        connection.execute(_CHANGE, {"of": identity, "recordings_as_of": now})
    found = (
        sql_journal.append(
            connection,
            deletion_event(
                ref.provider,
                ref.account,
                one.recording_id,
                stream_id=ref.stream_id,
                now=now,
                caused_by=caused_by,
            ),
            now=now,
        )
        for one in changed
        if one.until is not None
    )
    return [event for event in found if event is not None]


def recording_deleted(
    connection: Connection,
    provider: str,
    account: str,
    recording_id: str,
    *,
    now: datetime,
    caused_by: str,
) -> None:
    """Keep that a recording was deleted; it need not be known."""
    query = (
        select(schema.recordings, _STREAMS.stream_id)
        .join(schema.observed)
        .where(
            _RECORDINGS.recording_id == recording_id,
            _STREAMS.provider == provider,
            _STREAMS.account == account,
        )
        .order_by(_RECORDINGS.observed_id)
        .with_for_update(of=schema.recordings)
    )
    stream_id = None
    for row in connection.execute(query).all():
        stream_id = row.stream_id
        gone = deleted(to_recording(row, StreamRef(provider, account, stream_id)), now=now)
        _change_recording(connection, row.observed_id, gone)
    event = deletion_event(
        provider,
        account,
        recording_id,
        stream_id=stream_id,
        now=now,
        caused_by=caused_by,
    )
    sql_journal.append(connection, event, now=now)


def _recording_values(one: RecordingSpan) -> dict[str, object]:
    return {
        "seconds": one.seconds,
        "since": one.since,
        "until": one.until,
        "reach": reach(one.since, one.until),
    }


def _change_recording(connection: Connection, identity: int, one: RecordingSpan) -> None:
    its = (_RECORDINGS.observed_id == identity, _RECORDINGS.recording_id == one.recording_id)
    connection.execute(update(schema.recordings).where(*its).values(_recording_values(one)))
