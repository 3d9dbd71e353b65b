"""Providers, and a platform, that are wrong about refusing encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import ConflictError, StreamState
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.platforms import KeepsEncoders, known_bad_simulator
from headend_contract.reference.provider import DISABLE, ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import LiveStream


@known_bad("LIVE-ENABLE-001", what="It calls idle what refuses encoders.")
class HidesDisabled(ReferenceProvider):
    """Lacks a word for disabled."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Mistake a word."""
        found = super().get_live_stream(stream_id)
        disabled = found.state is StreamState.DISABLED
        return evolve(found, state=StreamState.IDLE) if disabled else found


@known_bad("LIVE-ENABLE-002", what="Disabling a second time is an error.")
class DisablesOnce(ReferenceProvider):
    """Takes done for not possible."""

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse what is so already."""
        if self.get_live_stream(stream_id).state is StreamState.DISABLED:
            raise ConflictError(
                "the live stream is disabled already",
                provider=NAME,
                operation=DISABLE.name,
                request_sent=True,
            )
        return super().disable_live_stream(stream_id)


@known_bad(
    "LIVE-ENABLE-003", "LIVE-ENABLE-004", what="It disables a live stream in its own memory only."
)
class DisablesOnPaper(ReferenceProvider):
    """Remembers what should be so."""

    _disabled: frozenset[str] = frozenset()

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Say what it remembers."""
        found = super().get_live_stream(stream_id)
        disabled = stream_id in self._disabled
        return evolve(found, state=StreamState.DISABLED) if disabled else found

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Remember that it is disabled."""
        self.get_live_stream(stream_id)
        self._disabled |= {stream_id}
        return self.get_live_stream(stream_id)

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Remember that it is not."""
        self._disabled -= {stream_id}
        return self.get_live_stream(stream_id)


@known_bad_simulator(
    "LIVE-ENABLE-004",
    what="Its platform keeps the encoder of what is disabled, and it does not stop it.",
)
class LeavesTheEncoderOfWhatIsDisabled(KeepsEncoders):
    """Looks at keys when somebody comes, and never again."""

    def set_enabled(self, input_id: str, body: Mapping[str, object]) -> dict[str, object]:
        """Disable, and leave the encoder in."""
        with self.keeping():
            return super().set_enabled(input_id, body)
