"""Providers that are right each time, and not in the long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from headend.plugin import EndResult, LiveStream, ProviderContext
    from headend_contract.reference.settings import ReferenceSettings


@known_bad(
    "MODEL-STATE-001",
    what="After one live stream has ended, the others are said to have no metadata.",
)
class ForgetsMetadata(ReferenceProvider):
    """Has a memory that ending one wipes for all."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._has_ended_one = False

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream."""
        self._has_ended_one = True
        return super().end_live_stream(stream_id, delete_recordings=delete_recordings)

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream."""
        found = super().get_live_stream(stream_id)
        return evolve(found, metadata={}) if self._has_ended_one else found
