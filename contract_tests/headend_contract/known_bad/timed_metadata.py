"""Providers that are wrong about texts for viewers."""

from __future__ import annotations

from contextlib import suppress

from headend.plugin import ConflictError
from headend_contract.known_bad import known_bad
from headend_contract.known_bad.fuller import FULLER, FullerProvider


@known_bad("TIMED-METADATA-001", what="It says nothing when a text reaches nobody.", spec=FULLER)
class SpeaksToNobody(FullerProvider):
    """Swallows the refusal."""

    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        """Swallow it."""
        with suppress(ConflictError):
            super().put_timed_metadata(stream_id, text)


@known_bad("TIMED-METADATA-002", what="It sends each text twice, to be safe.", spec=FULLER)
class SaysItTwice(FullerProvider):
    """Repeats what must come once."""

    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        """Send it twice."""
        super().put_timed_metadata(stream_id, text)
        super().put_timed_metadata(stream_id, text)
