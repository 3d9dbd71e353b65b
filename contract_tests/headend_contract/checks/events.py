"""Messages that claim to come from the platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from headend.plugin import (
    AuthenticationError,
    Capability,
    ConfigurationError,
    HeadendError,
    PlatformProtocolError,
)
from headend_contract.check import CheckFailedError, Level, check, expect_raises

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend_contract.case import Case

_FORGED: Final = json.dumps(
    {
        "id": "event-1",
        "type": "live",
        "source": "elsewhere",
        "at": "2030-01-02T03:04:05Z",
        "data": {"state": "live"},
    }
).encode()

_HEADERS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"Content-Type": "application/json"},
    {"Authorization": "Bearer elsewhere", "X-Signature": "t=1,v1=00", "Signature": "sha256=00"},
)


@check(
    "EVENT-001",
    "A message from anybody is refused",
    level=Level.CORE,
    requires=(Capability.EVENTS,),
    offline=True,
    rule="parse_event() raises AuthenticationError for a message that nothing proves to come from "
    "the platform, or ConfigurationError where no secret to prove it with is set.",
    why="A webhook is an open door.  Whoever knows its address could say that a show is live, or "
    "has ended.",
    hint="Check the signature, or the secret that the platform sends, in constant time and before "
    "anything else is read.",
)
def refuses_anybody(case: Case) -> None:
    """Pass a well-formed message with no proof, and with made-up ones."""
    for headers in _HEADERS:
        expect_raises(
            (AuthenticationError, ConfigurationError),
            lambda headers=headers: case.platform.parse_event(headers, _FORGED),  # type: ignore[misc]  # binds the loop's value
            "reading a message that proves nothing",
        )


_JUNK: Final = (
    b"",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'{"a":',
    b"[" * 20_000,
    "ż".encode("utf-16"),
)


@check(
    "EVENT-002",
    "Whatever arrives, reading it ends in headend's own errors",
    level=Level.CORE,
    requires=(Capability.EVENTS,),
    offline=True,
    rule="parse_event() raises AuthenticationError, ConfigurationError or PlatformProtocolError "
    "for whatever is no message, and no other error.",
    why="A host catches headend's errors.  Anything else turns a stranger's junk into a crash of "
    "the host's web server.",
    hint="Verify the bytes before they are decoded, and turn a parser's errors into "
    "PlatformProtocolError.",
)
def survives_junk(case: Case) -> None:
    """Pass what is no JSON, no text, or too deep."""
    for headers in _HEADERS:
        for body in _JUNK:
            try:
                case.platform.parse_event(headers, body)
            except (AuthenticationError, ConfigurationError, PlatformProtocolError):
                continue
            except HeadendError as error:
                raise CheckFailedError(
                    f"reading a message that is none raised {type(error).__name__}"
                ) from error
            except Exception as error:
                raise CheckFailedError(
                    f"reading a message that is none raised {type(error).__name__}, which is no "
                    "error of headend"
                ) from error
            raise CheckFailedError("reading a message that is none gave an event")
