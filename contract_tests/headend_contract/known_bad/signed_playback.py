"""Providers that are wrong about leave to watch."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve

from headend.plugin import PlaybackToken, Secret, StreamNotFoundError
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.fuller import FULLER, FullerProvider


@known_bad(
    "PLAYBACK-TOKEN-001", what="Its tokens are good for minutes in place of seconds.", spec=FULLER
)
class TokensForMinutes(FullerProvider):
    """Mistakes the unit."""

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Multiply."""
        return super().create_playback_token(stream_id, expires_in=expires_in * 60)


@known_bad("PLAYBACK-TOKEN-002", what="The address with the token lacks the token.", spec=FULLER)
class AddressWithoutToken(FullerProvider):
    """Gives the plain address."""

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Take the token off."""
        made = super().create_playback_token(stream_id, expires_in=expires_in)
        plain = made.playback_url.reveal().partition("?")[0]
        return evolve(made, playback_url=Secret(plain))


@known_bad("PLAYBACK-TOKEN-003", what="It signs leave to watch what does not exist.", spec=FULLER)
class SignsAnything(FullerProvider):
    """Does not look whether it is there."""

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Make a token up."""
        try:
            return super().create_playback_token(stream_id, expires_in=expires_in)
        except StreamNotFoundError:
            token = f"rp_{stream_id}"
            return PlaybackToken(
                token=Secret(token),
                playback_url=Secret(f"https://play.reference.example/index.m3u8?token={token}"),
                expires_at=self._clock.now() + timedelta(seconds=expires_in),
            )
