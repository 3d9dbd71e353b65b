"""Providers, and a platform, that are wrong about replacing the stream key."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import Ingest, Secret, SystemClock
from headend_contract.known_bad import KnownBad, known_bad, reference_spec, register
from headend_contract.reference.platform import ReferenceSwitches, SimulatedPlatform
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.simulator import SimulatorApp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Clock, StreamCredentials
    from headend_contract.reference.platform import Input


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


class _KeepsEncoders(SimulatedPlatform):
    def rotate_key(self, input_id: str) -> dict[str, object]:
        with self._lock:
            self._keeping = True
            try:
                return super().rotate_key(input_id)
            finally:
                self._keeping = False

    _keeping = False

    def _throw_out(self, one: Input) -> None:
        if not self._keeping:
            super()._throw_out(one)


def keeps_encoders(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> SimulatorApp:
    """Make a platform that leaves an encoder in when its key is replaced."""
    return SimulatorApp(
        _KeepsEncoders(
            clock=clock or SystemClock(),
            random=random or Random(0),  # noqa: S311  # its keys open nothing
            switches=ReferenceSwitches.of(switches or {}),
        )
    )


register(
    KnownBad(
        name="leaves-the-encoder-of-the-old-key",
        what="Its platform keeps the connection of the old key, and it does not stop it.",
        fails=frozenset({"KEY-ROTATE-003"}),
        spec=reference_spec(simulator=keeps_encoders),
    )
)
