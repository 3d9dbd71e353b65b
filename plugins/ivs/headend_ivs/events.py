"""Events of AWS IVS, as EventBridge delivers them: whether they are yours, and what they mean.

EventBridge signs nothing, so that it matters how an event came
(docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html):

* To a web address it comes by an *API destination*, whose *connection* adds a header of your choice
  to each request: name it ``X-Headend-Event-Secret``, and give it a secret.
* From a queue (SQS) or to a function (Lambda) it has no headers.  IAM says who may put anything
  there, and so you say that it may be believed.

The events are those of docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/eventbridge.html.  They
may be missing, hours late, or out of order, and so none is refused for its age.
"""

from __future__ import annotations

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
from headend_ivs.event_kinds import (
    HEALTH_CHANGE,
    LIMIT_BREACH,
    RECORDING_CHANGE,
    STATE_CHANGE,
    kind_of,
)
from headend_ivs.wire import NAME, is_channel_arn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Secret

HEADER: Final = "X-Headend-Event-Secret"
"""The header that holds the secret."""

_SOURCE: Final = "aws.ivs"
_NAME_IN: Final[Mapping[str, str]] = {
    STATE_CHANGE: "event_name",
    HEALTH_CHANGE: "event_name",
    LIMIT_BREACH: "limit_name",
    RECORDING_CHANGE: "recording_status",
}
"""What an event's name is called, by the type of the event."""
_ID: Final = re.compile(r"[!-~]{1,128}")
_OPERATION: Final = "parse_event"


def parse(
    headers: Mapping[str, str], body: bytes, *, secret: Secret | None, from_queue: bool
) -> StreamEvent:
    """Verify and read an event.

    Args:
        headers: those of the request, in whatever case; none at all for what came from a queue.
        body: the event, as EventBridge made it: JSON, not changed by an input transformer.
        secret: what the header `HEADER` must hold.
        from_queue: whether an event without any headers is believed.

    Raises:
        ConfigurationError: nothing is set by which it could be believed.
        AuthenticationError: it may come from anybody.
        PlatformProtocolError: it is believed and makes no sense.
    """
    _verify(headers, secret, from_queue=from_queue)
    try:
        return _read(Fields(read_json(body)), body)
    except BrokenAnswerError as error:
        raise PlatformProtocolError(
            f"the event is not what the platform promises: {error}",
            provider=NAME,
            operation=_OPERATION,
        ) from error


def _verify(headers: Mapping[str, str], secret: Secret | None, *, from_queue: bool) -> None:
    if from_queue and not headers:
        return
    if secret is None:
        problem = (
            f"AWS_IVS_EVENT_SECRET is missing; set it to the secret that the header {HEADER} of "
            "your EventBridge connection has, or set AWS_IVS_EVENTS_FROM_QUEUE=true and pass no "
            "headers, if events come from your own queue or function"
        )
        raise ConfigurationError.of(f"provider {NAME}", [problem])
    given = {name.lower(): value for name, value in headers.items()}.get(HEADER.lower())
    if given is None:
        raise _forged(
            f"it lacks the header {HEADER}; make a connection of the type API key with this name, "
            "and pass on all headers"
        )
    # In constant time, whatever characters the header holds.
    if not hmac.compare_digest(_bytes(given), _bytes(secret.reveal())):
        raise _forged(f"its {HEADER} is wrong; check AWS_IVS_EVENT_SECRET")


def _read(event: Fields, body: bytes) -> StreamEvent:
    type_ = event.text("detail-type")
    kind, reason = EventKind.UNKNOWN, None
    if event.text("source") == _SOURCE and type_ in _NAME_IN:
        kind, reason = _what(type_, event.object("detail"))
        stream_id = _stream_id(event, optional=type_ == LIMIT_BREACH)
    else:
        stream_id = _mentioned(event)
    return StreamEvent(
        kind=kind,
        provider=NAME,
        stream_id=stream_id,
        occurred_at=event.time("time"),
        event_id=event.matching("id", _ID, "an id"),
        raw=body.decode(),
        reason=reason,
    )


def _what(type_: str, detail: Fields) -> tuple[EventKind, str | None]:
    """Return what an event means, and why it happened."""
    name = detail.text(_NAME_IN[type_])
    if type_ == LIMIT_BREACH:
        return kind_of(type_, name), name
    code = detail.optional("code", Fields.text)
    reason = (
        code
        or detail.optional("reason", Fields.text)
        or detail.optional("recording_status_reason", Fields.text)
    )
    return kind_of(type_, name, code), reason or None


def _stream_id(event: Fields, *, optional: bool) -> str | None:
    """Return the channel; limits of the whole account are about none."""
    resources = event.text_list("resources")
    if not resources and optional:
        return None
    if not resources or not is_channel_arn(resources[0]):
        raise BrokenAnswerError("resources does not begin with the ARN of a channel")
    return resources[0]


def _mentioned(event: Fields) -> str | None:
    """Return the channel that an event of an unknown type is about, if it is about one."""
    resources = event.raw("resources")
    first = resources[0] if isinstance(resources, list) and resources else None
    return first if isinstance(first, str) and is_channel_arn(first) else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _forged(why: str) -> AuthenticationError:
    return AuthenticationError(
        f"the event may come from anybody: {why}",
        provider=NAME,
        operation=_OPERATION,
        request_sent=False,
    )
