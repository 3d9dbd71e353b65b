"""What a platform's list of sessions or recordings changes: one rule for every kind of ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.ledger.journal import LedgerEventKind, NewEvent, key_of
from headend.ledger.usage import RecordingSpan, SessionSpan
from headend.models import EncoderSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from headend.ledger.usage import StreamRef
    from headend.models import Recording, Session


def changed_sessions(
    ref: StreamRef,
    known: Iterable[SessionSpan],
    told: Iterable[Session],
    *,
    listed_before: datetime | None,
) -> list[SessionSpan]:
    """Return the sessions that a list adds or changes, as they are then.

    A session is kept when the platform has forgotten it.  One that was going on and is not in the
    list any more ended at some moment after the list before, which is taken.

    Args:
        ref: the live stream.
        known: those that the ledger has.
        told: the platform's list; one without a beginning cannot be counted and is left out.
        listed_before: when the platform was asked before, or `None`.
    """
    old = {one.session_id: one for one in known}
    new: dict[str, SessionSpan] = {}
    for one in told:
        before = old.get(one.session_id)
        encoder = one.encoder or EncoderSettings()
        started_at = one.started_at or (None if before is None else before.started_at)
        if started_at is not None:
            new[one.session_id] = SessionSpan(
                ref=ref,
                session_id=one.session_id,
                started_at=started_at,
                ended_at=None if one.ended_at is None else max(one.ended_at, started_at),
                height=before.height if before and encoder.height is None else encoder.height,
                frame_rate=(
                    before.frame_rate
                    if before and encoder.frame_rate is None
                    else encoder.frame_rate
                ),
            )
    for session in old.values():
        if session.ended_at is None and session.session_id not in new:
            ended_at = max(session.started_at, listed_before or session.started_at)
            new[session.session_id] = evolve(session, ended_at=ended_at)
    return [each for each in new.values() if each != old.get(each.session_id)]


def changed_recordings(
    ref: StreamRef,
    known: Iterable[RecordingSpan],
    told: Iterable[Recording],
    *,
    now: datetime,
    is_all: bool,
) -> list[RecordingSpan]:
    """Return the recordings that a list adds or changes, as they are then.

    Args:
        ref: the live stream.
        known: those that the ledger has.
        told: the platform's list.
        now: when one is gone that is not in the list.
        is_all: whether those are gone that are not in the list.
    """
    old = {one.recording_id: one for one in known}
    new: dict[str, RecordingSpan] = {}
    for one in told:
        before = old.get(one.recording_id)
        new[one.recording_id] = RecordingSpan(
            ref=ref,
            recording_id=one.recording_id,
            seconds=before.seconds if before and one.duration is None else one.duration,
            since=one.created_at or (before.since if before else now),
        )
    if is_all:
        for recording in old.values():
            if recording.until is None and recording.recording_id not in new:
                new[recording.recording_id] = deleted(recording, now=now)
    return [each for each in new.values() if each != old.get(each.recording_id)]


def deleted(recording: RecordingSpan, *, now: datetime) -> RecordingSpan:
    """Return a recording that is found to be gone now; one that was gone before stays so."""
    if recording.until is not None:
        return recording
    return evolve(recording, until=max(recording.since, now))


def deletion_event(
    provider: str,
    account: str,
    recording_id: str,
    *,
    stream_id: str | None,
    now: datetime,
    caused_by: str,
) -> NewEvent:
    """Return the event of a recording that is gone, the same whoever finds it out."""
    return NewEvent(
        key=key_of(LedgerEventKind.RECORDING_DELETED, provider, account, recording_id),
        kind=LedgerEventKind.RECORDING_DELETED,
        occurred_at=now,
        provider=provider,
        account=account,
        stream_id=stream_id,
        caused_by=caused_by,
        detail={"recording_id": recording_id},
    )
