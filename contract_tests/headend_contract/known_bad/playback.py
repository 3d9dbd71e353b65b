"""Providers that are wrong about where viewers watch."""

from __future__ import annotations

from headend_contract.known_bad import known_bad
from headend_contract.known_bad.changes import ChangedAnswers
from headend_contract.reference.provider import ReferenceProvider


@known_bad("PLAYBACK-URL-001", what="Asked for alone, the playback URL is another one.")
class OtherPlaybackUrl(ReferenceProvider):
    """Adds to the address in one place only."""

    def get_playback_url(self, stream_id: str) -> str:
        """Add a wish for the player."""
        return f"{super().get_playback_url(stream_id)}?autoplay=1"


@known_bad(
    "PLAYBACK-URL-002",
    "SECRET-MODEL-001",
    "SECRET-PICKLE-001",
    "SECRET-REPR-001",
    what="Its playback URLs hold the API token.",
)
class TokenInPlaybackUrl(ChangedAnswers):
    """Makes private addresses work by giving its own leave away."""

    def changed(self, content: bytes) -> bytes:
        """Put the token into the address."""
        token = self._settings.api_token.reveal().encode()
        return content.replace(b"/index.m3u8", b"/index.m3u8?token=" + token)
