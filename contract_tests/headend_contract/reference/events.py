"""Messages of the platform to a webhook: whether they are genuine, and what they mean.

The header ``Reference-Signature: t=<seconds since 1970>,v1=<hex>`` signs ``<t>.<body>`` with
HMAC-SHA256 and the webhook's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final

from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    ConfigurationError,
    EventKind,
    Fields,
    PlatformProtocolError,
    StreamEvent,
    read_json,
)
from headend_contract.reference.wire import KINDS, NAME, identifier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headend.plugin import Secret

TOLERANCE: Final = 300.0
"""Seconds that a message may be old, or from a clock that is ahead."""

_HEADER: Final = "reference-signature"
_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_OPERATION: Final = "parse_event"


def parse(
    headers: Mapping[str, str], body: bytes, *, secret: Secret | None, now: datetime
) -> StreamEvent:
    """Verify and read a message.

    Raises:
        ConfigurationError: there is no secret to verify it with.
        AuthenticationError: it is not from the platform, or too old.
        PlatformProtocolError: it is from the platform and makes no sense.
    """
    if secret is None:
        raise ConfigurationError.of(
            f"provider {NAME}", ["REFERENCE_WEBHOOK_SECRET is missing; the dashboard shows it"]
        )
    given = {name.lower(): value for name, value in headers.items()}.get(_HEADER, "")
    parts = _SIGNATURE.fullmatch(given)
    if parts is None:
        raise _forged("it bears no signature")
    signed = parts[1].encode() + b"." + body
    expected = hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, parts[2]):
        raise _forged("its signature is wrong; check REFERENCE_WEBHOOK_SECRET")
    if abs(now.timestamp() - int(parts[1])) > TOLERANCE:
        raise _forged(f"it is more than {TOLERANCE:g} s old; check this machine's clock")
    try:
        fields = Fields(read_json(body))
        return StreamEvent(
            kind=KINDS.get(fields.text("type"), EventKind.UNKNOWN),
            provider=NAME,
            stream_id=fields.optional("input_id", identifier),
            occurred_at=fields.time("at"),
            event_id=identifier(fields, "id"),
            raw=body.decode(),
            reason=fields.optional("reason", Fields.text),
        )
    except BrokenAnswerError as error:
        raise PlatformProtocolError(
            f"the message is not what the platform promises: {error}",
            provider=NAME,
            operation=_OPERATION,
        ) from error


def _forged(why: str) -> AuthenticationError:
    return AuthenticationError(
        f"the message does not come from the platform: {why}",
        provider=NAME,
        operation=_OPERATION,
        request_sent=False,
    )
