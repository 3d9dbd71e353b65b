"""Messages of Cloudflare to a webhook: whether they are genuine, and what they mean.

Two systems of the platform send messages, and they have nothing in common:

* *Notifications* tell about live inputs.  The header ``cf-webhook-auth`` is the destination's
  secret itself (developers.cloudflare.com/notifications/get-started/configure-webhooks,
  developers.cloudflare.com/stream/stream-live/webhooks).
* The *Stream webhook* tells about recordings.  The header
  ``Webhook-Signature: time=<seconds since 1970>,sig1=<hex>`` signs ``<time>.<body>`` with
  HMAC-SHA256 and the webhook's secret
  (developers.cloudflare.com/stream/manage-video-library/using-webhooks).

Neither gives its messages an id, and neither documents order, repetition or retries.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from attrs import frozen

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
from headend_cloudflare.wire import NAME, is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend.plugin import Secret

KINDS_OF_LIVE_INPUTS: Final[Mapping[str, EventKind]] = {
    "live_input.connected": EventKind.LIVE,
    "live_input.disconnected": EventKind.IDLE,
    "live_input.errored": EventKind.INGEST_ERROR,
}
"""What ``data.event_type`` of a notification means."""

KINDS_OF_VIDEOS: Final[Mapping[str, EventKind]] = {
    "ready": EventKind.RECORDING_READY,
    "error": EventKind.RECORDING_FAILED,
}
"""What ``status.state`` of a video means.

The same webhook tells about uploads, which are made of no live stream.
"""

TOLERANCE: Final = 300.0
"""Seconds that a signature may be old, or from a clock that is ahead."""

_NOTIFICATION: Final = "cf-webhook-auth"
_SIGNATURE: Final = "webhook-signature"
_TIME: Final = re.compile(r"[0-9]{1,12}")
_OPERATION: Final = "parse_event"


@frozen(kw_only=True)
class _Told:
    """What a message says.

    Attributes:
        kind: what happened.
        stream_id: the live stream, where the message names one.
        occurred_at: when it happened, where the message says so.
        identity: what tells this event from all others of its system, or `None`: all that the
            message says.
        reason: the platform's code for why it happened, or else its words.
    """

    kind: EventKind
    stream_id: str | None
    occurred_at: datetime | None
    identity: tuple[str, ...] | None = None
    reason: str | None = None


def parse(
    headers: Mapping[str, str],
    body: bytes,
    *,
    notification_secret: Secret | None,
    webhook_secret: Secret | None,
    now: datetime,
) -> StreamEvent:
    """Verify and read a message.

    Args:
        headers: those of the request, in whatever case.
        body: the request's body, byte for byte.
        notification_secret: the secret of the notification destination.
        webhook_secret: the secret that the Stream webhook was answered with.
        now: the present moment; also when the event happened, where the message does not say.

    Raises:
        ConfigurationError: there is no secret to verify it with.
        AuthenticationError: it is not from the platform, or too old.
        PlatformProtocolError: it is from the platform and makes no sense.
    """
    given = {name.lower(): value for name, value in headers.items()}
    read: Callable[[Fields], _Told]
    if _SIGNATURE in given:
        _check_signature(given[_SIGNATURE], body, webhook_secret, now)
        system, read = _SIGNATURE, _read_video
    elif _NOTIFICATION in given:
        _check_secret(given[_NOTIFICATION], notification_secret)
        system, read = _NOTIFICATION, _read_notification
    else:
        raise _forged(
            "it has neither the header cf-webhook-auth, which a notification about a live input "
            "has if its destination was made with a secret, nor Webhook-Signature, which a message "
            "about a recording has; make the destination with a secret, and pass on all headers"
        )
    try:
        message = read_json(body)
        told = read(Fields(message))
    except BrokenAnswerError as error:
        raise PlatformProtocolError(
            f"the message is not what the platform promises: {error}",
            provider=NAME,
            operation=_OPERATION,
        ) from error
    return StreamEvent(
        kind=told.kind,
        provider=NAME,
        stream_id=told.stream_id,
        occurred_at=told.occurred_at or now,
        event_id=_event_id(system, told.identity, message),
        raw=body.decode(),
        reason=told.reason,
    )


def _check_secret(given: str, secret: Secret | None) -> None:
    """Compare in constant time, whatever characters the header holds."""
    if secret is None:
        raise _unset(
            "CLOUDFLARE_STREAM_NOTIFICATION_SECRET is missing; it is the secret that you gave the "
            "webhook under Notifications, Destinations"
        )
    if not hmac.compare_digest(_bytes(given), _bytes(secret.reveal())):
        raise _forged("its cf-webhook-auth is wrong; check CLOUDFLARE_STREAM_NOTIFICATION_SECRET")


def _check_signature(given: str, body: bytes, secret: Secret | None, now: datetime) -> None:
    if secret is None:
        raise _unset(
            "CLOUDFLARE_STREAM_WEBHOOK_SECRET is missing; it is `secret` in the answer to "
            "GET /accounts/ACCOUNT_ID/stream/webhook"
        )
    # There may be more than these two: what comes after sig1 is the platform's to add.
    parts = dict(part.strip().partition("=")[::2] for part in given.split(","))
    time, signature = parts.get("time", ""), parts.get("sig1", "")
    if not _TIME.fullmatch(time) or not signature:
        raise _forged("its Webhook-Signature is not of the form time=…,sig1=…")
    signed = time.encode() + b"." + body
    expected = hmac.new(_bytes(secret.reveal()), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(_bytes(signature), expected.encode()):
        raise _forged(
            "its Webhook-Signature is wrong; check CLOUDFLARE_STREAM_WEBHOOK_SECRET, and that the "
            "body is passed on byte for byte"
        )
    if abs(now.timestamp() - int(time)) > TOLERANCE:
        raise _forged(
            f"its Webhook-Signature is more than {TOLERANCE:g} s off; check this machine's clock"
        )


def _read_notification(fields: Fields) -> _Told:
    """Read what an account's notifications send: about live inputs, about all else, and a test."""
    data = fields.optional("data", Fields.object)
    word = None if data is None else data.optional("event_type", Fields.text)
    if data is None or word is None or word not in KINDS_OF_LIVE_INPUTS:
        return _Told(
            kind=EventKind.UNKNOWN,
            stream_id=None if data is None else data.optional("input_id", _stream_id),
            occurred_at=fields.optional("ts", _seconds),
        )
    stream_id = _stream_id(data, "input_id")
    return _Told(
        kind=KINDS_OF_LIVE_INPUTS[word],
        stream_id=stream_id,
        occurred_at=data.time("updated_at"),
        identity=(stream_id, word, data.text("updated_at")),
        reason=_why_refused(data),
    )


def _read_video(fields: Fields) -> _Told:
    """Read a video, as it is when its processing is over; the documented failure has no uid."""
    status = fields.optional("status", Fields.object)
    word = None if status is None else status.optional("state", Fields.text)
    video_id = fields.optional("uid", Fields.text)
    return _Told(
        kind=KINDS_OF_VIDEOS.get(word or "", EventKind.UNKNOWN),
        stream_id=fields.optional("liveInput", _stream_id),
        occurred_at=fields.optional("modified", Fields.time),
        identity=None if video_id is None or word is None else (video_id, word),
        reason=None if status is None else _reason(status, "errorReasonCode", "errorReasonText"),
    )


def _why_refused(data: Fields) -> str | None:
    about = data.optional("live_input_errored", Fields.object)
    error = None if about is None else about.optional("error", Fields.object)
    return None if error is None else _reason(error, "code", "message")


def _reason(fields: Fields, code: str, words: str) -> str | None:
    """Read the code of a reason, or else its words; both are empty where there is none."""
    return fields.optional(code, Fields.text) or fields.optional(words, Fields.text) or None


def _stream_id(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not is_id(text):
        raise BrokenAnswerError(f"{name} is not the id of a live input")
    return text


def _seconds(fields: Fields, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(fields.count(name), UTC)
    except (OverflowError, OSError, ValueError):
        raise BrokenAnswerError(f"{name} is not a time") from None


def _event_id(system: str, identity: tuple[str, ...] | None, message: object) -> str:
    """Return the same text whenever the same event is told."""
    what: object = identity
    if what is None and isinstance(message, dict):
        # `ts` is when it was sent, which is not the same the second time.
        what = {name: value for name, value in message.items() if name != "ts"}
    return hashlib.sha256(json.dumps([system, what], sort_keys=True).encode()).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _unset(problem: str) -> ConfigurationError:
    return ConfigurationError.of(f"provider {NAME}", [problem])


def _forged(why: str) -> AuthenticationError:
    return AuthenticationError(
        f"the message does not come from the platform: {why}",
        provider=NAME,
        operation=_OPERATION,
        request_sent=False,
    )
