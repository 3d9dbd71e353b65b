"""Providers, and a platform, that are wrong about replacing the stream key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import Ingest, Secret
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.platforms import KeepsEncoders, known_bad_simulator
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import StreamCredentials


@known_bad(
    "KEY-ROTATE-001",
    "KEY-ROTATE-002",
    "SAFE-ROTATE-001",
    what="Rotating returns the key of before.",
)
class ReturnsTheOldKey(ReferenceProvider):
    """Reads the credentials too early."""

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Read, then rotate."""
        before = self.get_credentials(stream_id)
        super().rotate_stream_key(stream_id)
        return before


@known_bad(
    "KEY-ROTATE-002",
    "KEY-ROTATE-003",
    "SAFE-ROTATE-001",
    what="It makes a new key up, and replaces none.",
)
class RotatesOnPaper(ReferenceProvider):
    """Keeps a key of its own beside the platform's."""

    _made_up: Mapping[str, Secret] = {}

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Make a key up."""
        old = self.get_credentials(stream_id).stream_key.reveal()
        self._made_up = {**self._made_up, stream_id: Secret(f"{old[::-1]}x")}
        return self.get_credentials(stream_id)

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Give the key that was made up."""
        found = super().get_credentials(stream_id)
        key = self._made_up.get(stream_id, found.stream_key)
        return evolve(found, stream_key=key, ingests=(Ingest.rtmp(found.rtmp_push_url, key),))


@known_bad_simulator(
    "KEY-ROTATE-003",
    what="Its platform keeps the connection of the old key, and it does not stop it.",
)
class LeavesTheEncoderOfTheOldKey(KeepsEncoders):
    """Looks at keys when somebody comes, and never again."""

    def rotate_key(self, input_id: str) -> dict[str, object]:
        """Replace the key, and leave the encoder in that has the old one."""
        with self.keeping():
            return super().rotate_key(input_id)
