"""Providers that are wrong about broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import Session, StreamNotFoundError
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Iterator


@known_bad("SESSION-001", what="It lists a session of what was never live.")
class SessionToCome(ReferenceProvider):
    """Takes the live stream for its first session."""

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Make a session up."""
        found = list(super().list_sessions(stream_id))
        yield from found or [Session(session_id=stream_id, stream_id=stream_id)]


@known_bad("SESSION-002", what="It lists the earliest session first.")
class EarliestFirst(ReferenceProvider):
    """Turns the list around."""

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Turn the list around."""
        return reversed(list(super().list_sessions(stream_id)))


@known_bad("SESSION-003", what="It says of a session that goes on that it ends now.")
class EndsNow(ReferenceProvider):
    """Fills in the end."""

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Make an end up."""
        for one in super().list_sessions(stream_id):
            yield evolve(one, ended_at=one.ended_at or self._clock.now())


@known_bad("SESSION-004", what="It shows the session of another live stream as this one's.")
class ShowsOtherSessions(ReferenceProvider):
    """Looks for a session everywhere."""

    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Look at all live streams."""
        for one in self.list_live_streams():
            try:
                return evolve(super().get_session(one.stream_id, session_id), stream_id=stream_id)
            except StreamNotFoundError:
                continue
        return super().get_session(stream_id, session_id)
