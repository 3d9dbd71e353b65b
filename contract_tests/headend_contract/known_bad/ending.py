"""Providers that are wrong about ending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import EndOutcome, LiveStream, StreamNotFoundError, StreamState
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import END, ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from headend.plugin import EndResult


@known_bad("LIVE-END-001", what="It shows what has ended as if it were still there.")
class RemembersTheDead(ReferenceProvider):
    """Answers for what it ended itself."""

    _ended: tuple[str, ...] = ()

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Make an answer up."""
        if stream_id in self._ended:
            return LiveStream(stream_id=stream_id, provider=NAME, state=StreamState.ENDED)
        return super().get_live_stream(stream_id)

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Keep the id."""
        result = super().end_live_stream(stream_id, delete_recordings=delete_recordings)
        self._ended = (*self._ended, stream_id)
        return result


@known_bad("LIVE-END-002", "LIVE-END-003", what="Ending what is gone is an error.")
class EndsOnce(ReferenceProvider):
    """Lets the platform's not found through."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Raise where there was nothing."""
        result = super().end_live_stream(stream_id, delete_recordings=delete_recordings)
        if result.outcome is EndOutcome.ALREADY_GONE:
            raise self.not_found(END, stream_id, sent=True)
        return result


@known_bad("LIVE-END-002", "LIVE-END-003", what="It says ended of what was not there.")
class AlwaysSaysEnded(ReferenceProvider):
    """Does not look at the platform's answer."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Say ended."""
        result = super().end_live_stream(stream_id, delete_recordings=delete_recordings)
        return evolve(result, outcome=EndOutcome.ENDED)


@known_bad("LIVE-END-004", what="It ends all live streams of the channel.")
class EndsTheChannel(ReferenceProvider):
    """Takes the channel for the live stream."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End what has the same channel id as well."""
        try:
            channel_id = self.get_live_stream(stream_id).channel_id
        except StreamNotFoundError:
            channel_id = None
        result = super().end_live_stream(stream_id, delete_recordings=delete_recordings)
        for one in list(self.list_live_streams()):
            if channel_id is not None and one.channel_id == channel_id:
                super().end_live_stream(one.stream_id, delete_recordings=delete_recordings)
        return result


@known_bad(
    "LIVE-END-001",
    "LIVE-END-002",
    "LIVE-END-005",
    "LIVE-END-006",
    "LIVE-LIST-002",
    "SAFE-END-001",
    "SAFE-END-002",
    what="It says ended, and deletes nothing.",
)
class DeletesNothing(ReferenceProvider):
    """Revokes the key only."""

    def delete(self, stream_id: str) -> None:
        """Do nothing."""


@known_bad("LIVE-END-006", what="It deletes without throwing the encoder out first.")
class LeavesTheEncoderIn(ReferenceProvider):
    """Takes the short way."""

    def stop(self, stream_id: str) -> None:
        """Do nothing."""

    def wait_until_off(self, stream_id: str) -> None:
        """Do nothing."""
