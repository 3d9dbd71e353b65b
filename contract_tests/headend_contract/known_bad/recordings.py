"""Providers that are wrong about what is kept, and billed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import Recording
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import DELETE_RECORDING, ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.plugin import EndResult, Fields


@known_bad("RECORDING-001", what="It lists a recording of what was never live.")
class RecordingToCome(ReferenceProvider):
    """Takes the live stream for a recording that is not there yet."""

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Make a recording up."""
        found = list(super().list_recordings(stream_id))
        yield from found or [Recording(recording_id=stream_id, stream_id=stream_id)]


@known_bad("RECORDING-002", what="It lists one recording of a live stream that has several.")
class FirstRecordingOnly(ReferenceProvider):
    """Expects one."""

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Stop after the first."""
        return islice(super().list_recordings(stream_id), 1)


@known_bad("RECORDING-003", what="Ending does not tell what stays.")
class HidesWhatStays(ReferenceProvider):
    """Thinks that what has ended costs nothing."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Lose the recordings."""
        result = super().end_live_stream(stream_id, delete_recordings=delete_recordings)
        return evolve(result, recordings_kept=())


@known_bad("RECORDING-004", what="Ending leaves the recordings that were to be deleted.")
class NeverDeletes(ReferenceProvider):
    """Drops the wish."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """Delete nothing, and say so or not."""
        result = super().end_live_stream(stream_id, delete_recordings=False)
        return evolve(result, recordings_kept=()) if delete_recordings else result


@known_bad("RECORDING-005", what="Deleting a recording that is gone is an error.")
class DeletesRecordingsOnce(ReferenceProvider):
    """Lets the platform's not found through."""

    def delete_recording(self, recording_id: str) -> None:
        """Raise where there is none."""

        def nothing(_fields: Fields) -> None:
            """Read an answer that has nothing in it."""

        self._transport.send(
            DELETE_RECORDING, "DELETE", f"/recordings/{recording_id}", read=nothing, expect=204
        )


@known_bad("RECORDING-006", what="It tells the length of recordings in milliseconds.")
class LengthInMilliseconds(ReferenceProvider):
    """Mistakes the unit."""

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Multiply."""
        for one in super().list_recordings(stream_id):
            yield evolve(one, duration=(one.duration or 0) * 1000)
