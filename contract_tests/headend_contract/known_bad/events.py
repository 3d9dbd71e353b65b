"""Providers that are wrong about messages from the platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from headend.plugin import (
    BrokenAnswerError,
    EventKind,
    Fields,
    PlatformProtocolError,
    StreamEvent,
    read_json,
)
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.wire import KINDS, NAME

if TYPE_CHECKING:
    from collections.abc import Mapping


@known_bad("EVENT-001", what="It believes whatever is well-formed.")
class BelievesAnybody(ReferenceProvider):
    """Does not look at the signature."""

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:  # noqa: ARG002  # that is what is wrong
        """Read without verifying."""
        try:
            fields = Fields(read_json(body))
            return StreamEvent(
                kind=KINDS.get(fields.text("type"), EventKind.UNKNOWN),
                provider=NAME,
                stream_id=None,
                occurred_at=fields.time("at"),
                event_id=fields.text("id"),
                raw=body.decode(),
            )
        except BrokenAnswerError as error:
            raise PlatformProtocolError(
                f"the message makes no sense: {error}", provider=NAME, operation="parse_event"
            ) from error


@known_bad("EVENT-002", what="It reads a message before it has verified it.")
class ReadsTooEarly(ReferenceProvider):
    """Parses what anybody sent."""

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:
        """Parse first."""
        json.loads(body)
        return super().parse_event(headers, body)
