"""Providers that are wrong about what a live stream is and does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import (
    LiveStream,
    StreamAnalytics,
    StreamNotFoundError,
    StreamState,
    unknown_metrics,
)
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.plugin import CreateRequest, EndResult, ProviderContext, StreamCredentials
    from headend_contract.reference.settings import ReferenceSettings


@known_bad("LIVE-GET-001", what="Reading composes a playback URL of its own.")
class OtherPlaybackWhenRead(ReferenceProvider):
    """Builds the address in two places."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Give another address."""
        found = super().get_live_stream(stream_id)
        return evolve(found, playback_url=f"https://play.reference.example/{stream_id}.m3u8")


@known_bad("LIVE-GET-002", "LIVE-ENABLE-001", what="It calls unknown what is idle.")
class KnowsNoIdle(ReferenceProvider):
    """Lacks one of the platform's words."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Lose a word."""
        found = super().get_live_stream(stream_id)
        idle = found.state is StreamState.IDLE
        return evolve(found, state=StreamState.UNKNOWN) if idle else found


@known_bad("LIVE-GET-003", what="It calls connecting what is live.")
class NeverLive(ReferenceProvider):
    """Mistakes one of the platform's words."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Mistake a word."""
        found = super().get_live_stream(stream_id)
        live = found.state is StreamState.LIVE
        return evolve(found, state=StreamState.CONNECTING) if live else found


@known_bad("LIVE-GET-004", what="Asking for the playback URL replaces the stream key.")
class RotatesWhenRead(ReferenceProvider):
    """Takes the playback URL from a rotation's answer."""

    def get_playback_url(self, stream_id: str) -> str:
        """Rotate the key."""
        return self.rotate_stream_key(stream_id).playback_url


@known_bad("LIVE-CREDENTIALS-001", what="Read again, the server address has another end.")
class OtherPushUrlWhenRead(ReferenceProvider):
    """Tidies the address up in one place only."""

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Add a slash."""
        found = super().get_credentials(stream_id)
        return evolve(found, rtmp_push_url=f"{found.rtmp_push_url}/")


@known_bad(
    "LIVE-CREDENTIALS-002",
    "ERROR-ANSWER-001",
    "ERROR-ANSWER-002",
    what="It remembers the keys that it has seen.",
)
class RemembersKeys(ReferenceProvider):
    """Spares itself a request."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._seen: dict[str, StreamCredentials] = {}

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create, and remember."""
        return self._remembered(super().create_live_stream(request))

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Rotate, and remember."""
        return self._remembered(super().rotate_stream_key(stream_id))

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Ask for what is not remembered."""
        return self._seen.get(stream_id) or super().get_credentials(stream_id)

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End, and forget."""
        self._seen.pop(stream_id, None)
        return super().end_live_stream(stream_id, delete_recordings=delete_recordings)

    def _remembered(self, made: StreamCredentials) -> StreamCredentials:
        self._seen[made.stream_id] = made
        return made


@known_bad("LIVE-UNKNOWN-002", what="Among many it leaves out whose figures there are not.")
class LeavesOutTheUnknown(ReferenceProvider):
    """Takes what the platform has."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Swallow the error, where there are others."""
        try:
            return super().get_analytics_many(stream_ids)
        except StreamNotFoundError:
            if len(stream_ids) == 1:
                raise
            return super().get_analytics_many(stream_ids[:-1])


@known_bad("LIVE-UNKNOWN-001", what="It has empty figures of what does not exist.")
class FiguresOfNothing(ReferenceProvider):
    """Takes not found for no figures."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Swallow the error."""
        try:
            return super().get_analytics(stream_id)
        except StreamNotFoundError:
            return StreamAnalytics(
                stream_id=stream_id,
                as_of=self._clock.now(),
                unknown=unknown_metrics("there are no figures of it"),
            )


@known_bad("LIVE-UNKNOWN-002", what="It says that it disabled what does not exist.")
class DisablesNothing(ReferenceProvider):
    """Takes not found for done."""

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Swallow the error."""
        try:
            return super().disable_live_stream(stream_id)
        except StreamNotFoundError:
            return LiveStream(stream_id=stream_id, provider=NAME, state=StreamState.DISABLED)


@known_bad(
    "LIVE-FIND-001",
    "SAFE-CREATE-001",
    "SAFE-CREATE-002",
    "SAFE-CREATE-003",
    what="It finds a live stream by its name instead of its marker.",
)
class FindsByName(ReferenceProvider):
    """Takes a name for unique."""

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:  # noqa: ARG002  # that is what is wrong
        """Look at names only."""
        return [one for one in self.list_live_streams() if one.name == name]
