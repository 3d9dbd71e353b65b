"""The messages by which the platform tells what happened, of two systems that share nothing.

* Live inputs: account notifications with the plain secret in ``cf-webhook-auth``;
  https://developers.cloudflare.com/stream/stream-live/webhooks/ and
  https://developers.cloudflare.com/notifications/get-started/configure-webhooks/.
* Videos: the Stream webhook, signed in ``Webhook-Signature``;
  https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/.

The simulator sends none: `message` gives what would be sent.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Final

from headend_cloudflare.simulator.answers import Answers

if TYPE_CHECKING:
    from headend_cloudflare.simulator.platform import SimulatedPlatform
    from headend_cloudflare.simulator.records import Event

Message = tuple[dict[str, str], bytes]
"""Headers and body."""

_NAME: Final = "Stream Live Input"


def message(platform: SimulatedPlatform, event: Event) -> Message:
    """Return the message that tells of an event.

    Raises:
        KeyError: its video is gone.
    """
    if event.video_id is None:
        return _of_input(platform, event)
    return _of_video(platform, event.video_id)


def hello(platform: SimulatedPlatform) -> Message:
    """Return the message that tests a new destination of notifications."""
    return _notification(platform, {"text": "Hello World! This is a test of your webhook."})


def _of_input(platform: SimulatedPlatform, event: Event) -> Message:
    # Nanoseconds, as in the examples of the documentation.
    moment = platform.at(event.at)
    updated = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{event.number % 1000:03d}Z"
    lines = [
        f"Notification type: {_NAME}",
        f"Input ID: {event.input_id}",
        f"Event type: {event.kind}",
        f"Updated at: {updated}",
    ]
    data: dict[str, object] = {
        "notification_name": _NAME,
        "input_id": event.input_id,
        "event_type": event.kind,
        "updated_at": updated,
    }
    if event.failure is not None:
        failure = event.failure
        lines += [
            f"Error Code: {failure.code}",
            f"Error Message: {failure.message}",
            "Video Codec: ",
            "Audio Codec: ",
        ]
        data["live_input_errored"] = {
            "error": {"code": failure.code, "message": failure.message},
            "video_codec": "",
            "audio_codec": "",
        }
    return _notification(
        platform,
        {
            "name": "Live Webhook Test",
            "text": "\n".join(lines),
            "data": data,
            "ts": int(moment.timestamp()),
        },
    )


def _notification(platform: SimulatedPlatform, body: dict[str, object]) -> Message:
    headers = {
        "content-type": "application/json",
        "cf-webhook-auth": platform.notification_secret,
    }
    return headers, json.dumps(body).encode()


def _of_video(platform: SimulatedPlatform, video_id: str) -> Message:
    body = json.dumps(Answers(platform).video(platform.videos[video_id])).encode()
    stamp = str(int(platform.at(platform.now).timestamp()))
    signature = hmac.new(
        platform.webhook_secret.encode(), stamp.encode() + b"." + body, hashlib.sha256
    ).hexdigest()
    headers = {
        "content-type": "application/json",
        "webhook-signature": f"time={stamp},sig1={signature}",
    }
    return headers, body
