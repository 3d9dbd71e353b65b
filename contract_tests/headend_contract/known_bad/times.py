"""Providers with the wrong time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.plugin import Health, LiveStream, Recording, Session


@known_bad("TIME-CREATED-001", what="An offset of two hours is dropped from created_at.")
class DropsTheOffset(ReferenceProvider):
    """Reads a moment up to its seconds."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream."""
        return _two_hours_later(super().get_live_stream(stream_id))

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams."""
        return map(_two_hours_later, super().list_live_streams())


def _two_hours_later(found: LiveStream) -> LiveStream:
    if found.created_at is None:
        return found
    return evolve(found, created_at=found.created_at + timedelta(hours=2))


@known_bad("TIME-SESSION-001", what="An offset of two hours is dropped from a session's times.")
class DropsTheSessionsOffset(ReferenceProvider):
    """Reads moments up to their seconds."""

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Return the broadcasts."""
        return map(_session_later, super().list_sessions(stream_id))

    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Return one broadcast."""
        return _session_later(super().get_session(stream_id, session_id))


def _session_later(found: Session) -> Session:
    shift = timedelta(hours=2)
    started = None if found.started_at is None else found.started_at + shift
    ended = None if found.ended_at is None else found.ended_at + shift
    return evolve(found, started_at=started, ended_at=ended)


@known_bad("TIME-RECORDING-001", what="An offset of two hours is dropped from a recording's time.")
class DropsTheRecordingsOffset(ReferenceProvider):
    """Reads a moment up to its seconds."""

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Return what the sessions left."""
        for one in super().list_recordings(stream_id):
            created = None if one.created_at is None else one.created_at + timedelta(hours=2)
            yield evolve(one, created_at=created)


@known_bad("TIME-NOW-001", what="The health is dated by the machine's clock.")
class HasItsOwnClock(ReferenceProvider):
    """Does not take the clock that it is given."""

    def check_health(self) -> Health:
        """Ask for the account."""
        return evolve(super().check_health(), checked_at=datetime.now(UTC))


@known_bad("TIME-ZONE-001", what="Moments are read as those of the machine's zone.")
class LivesInUtc(ReferenceProvider):
    """Is right on machines that run on UTC."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream."""
        found = super().get_live_stream(stream_id)
        if found.created_at is None:
            return found
        naive = found.created_at.replace(tzinfo=None)
        return evolve(found, created_at=naive.astimezone(UTC))
