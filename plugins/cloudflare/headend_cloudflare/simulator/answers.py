"""How the simulated platform shows what it keeps: the objects of its answers.

Fields and their order are those of the OpenAPI description in the repository
cloudflare/cloudflare-typescript, with what its switches say where sources differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend_cloudflare.simulator import signing
from headend_cloudflare.simulator.switches import (
    IdleStatus,
    ListShape,
    PlaybackSegment,
    StatusShape,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend_cloudflare.simulator.platform import Condition, SimulatedPlatform
    from headend_cloudflare.simulator.records import Input, Output, SigningKey, Video, Webhook

Json = dict[str, object]

RTMPS_URL: Final = "rtmps://live.cloudflare.example:443/live/"
SRT_URL: Final = "srt://live.cloudflare.example:778"
"""On a host that exists nowhere (RFC 2606), so that no encoder goes to the real platform."""

UNKNOWN_WORD: Final = "rebalancing"
"""The state that no documentation has, for the switch `unknown_state`."""

_MICROSECONDS: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_SECONDS: Final = "%Y-%m-%dT%H:%M:%SZ"

_ENUM: Final = {"disconnected": "client_disconnect"}
"""What the description's enumeration has in the place of a word that it does not have."""


class Answers:
    """Makes the objects of answers; `platform` is what they tell of."""

    def __init__(self, platform: SimulatedPlatform) -> None:
        self.platform = platform

    @property
    def customer_url(self) -> str:
        """Where the customer host is, without a slash at the end."""
        return f"{self.platform.origin}/customer-{self.platform.customer_code}"

    def live_input(self, one: Input) -> Json:
        """Return a whole live input."""
        switches, settings = self.platform.switches, one.configuration
        recording = settings.recording
        url = RTMPS_URL if one.media is None else one.media.server_url
        shown: Json = {
            "uid": one.uid,
            "rtmps": {"url": url, "streamKey": one.keys.rtmps},
            "rtmpsPlayback": {"url": RTMPS_URL, "streamKey": one.keys.rtmps_playback},
            "srt": {"url": SRT_URL, "streamId": one.uid, "passphrase": one.keys.srt},
            "srtPlayback": {
                "url": SRT_URL,
                "streamId": f"play{one.uid}",
                "passphrase": one.keys.srt_playback,
            },
        }
        if not switches.customer_host_unknown:
            by_input = switches.webrtc_playback_id is PlaybackSegment.INPUT
            segment = one.uid if by_input else one.keys.web_rtc_playback
            base = self.customer_url
            shown["webRTC"] = {"url": f"{base}/{one.keys.web_rtc}/webRTC/publish"}
            shown["webRTCPlayback"] = {"url": f"{base}/{segment}/webRTC/play"}
            if switches.playback_field:
                shown["playback"] = self._playback(one.uid)
        shown["created"] = self._time(one.created)
        shown["modified"] = self._time(one.modified)
        if one.keys_rotated is not None:
            shown["keysRotatedAt"] = self._second(one.keys_rotated)
        shown["meta"] = dict(settings.meta)
        condition = self.platform.condition(one)
        if condition is not None or switches.idle_status is not IdleStatus.ABSENT:
            shown["status"] = self._status(condition)
        shown["enabled"] = settings.enabled
        if settings.prefer_low_latency is not None or not switches.omit_low_latency:
            shown["preferLowLatency"] = bool(settings.prefer_low_latency)
        shown["deleteRecordingAfterDays"] = settings.delete_recording_after_days
        origins = recording.allowed_origins
        shown["recording"] = {
            "mode": recording.mode,
            "requireSignedURLs": recording.require_signed_urls,
            "allowedOrigins": None if origins is None else list(origins),
            "hideLiveViewerCount": recording.hide_live_viewer_count,
            "timeoutSeconds": recording.timeout_seconds,
        }
        return self._object(shown)

    def live_inputs(self, shown: Sequence[Input], total: int) -> object:
        """Return a list of live inputs, without keys, recording and status."""
        found = [
            self._object(
                {
                    "uid": one.uid,
                    "created": self._time(one.created),
                    "modified": self._time(one.modified),
                    "meta": dict(one.configuration.meta),
                    "enabled": one.configuration.enabled,
                    "deleteRecordingAfterDays": one.configuration.delete_recording_after_days,
                }
            )
            for one in shown
        ]
        if self.platform.switches.list_shape is ListShape.ARRAY:
            return found
        return self._object({"liveInputs": found, "range": len(found), "total": total})

    def output(self, one: Output) -> Json:
        """Return an output as its creation and update give it."""
        return self._object(
            {
                "uid": one.uid,
                "url": one.url,
                "streamKey": one.stream_key,
                "enabled": one.enabled,
            }
        )

    def outputs(self, of: Input) -> list[Json]:
        """Return a live input's outputs; once copies were sent they have a status.

        Seen in github.com/onryde/seazn.club, in no description.
        """
        found = []
        for one in sorted(of.outputs.values(), key=lambda one: one.number):
            shown = self.output(one)
            if of.broadcast is not None:
                is_sent = one.enabled and of.broadcast.last.end is None
                shown["status"] = {"current": {"state": "connected" if is_sent else "disconnected"}}
            found.append(shown)
        return found

    def video(self, one: Video) -> Json:
        """Return a video, ready or still being made."""
        platform = self.platform
        is_made = not platform.is_being_made(one)
        deletion = platform.deletion(one)
        status: Json = {"state": "ready" if is_made else "live-inprogress"}
        if is_made:
            status["pctComplete"] = "100.000000"
        status |= {"errorReasonCode": "", "errorReasonText": ""}
        length = platform.length(one)
        shown: Json = {
            "uid": one.uid,
            "creator": one.creator,
            "thumbnailTimestampPct": 0,
            "readyToStream": is_made,
            "status": status,
            "meta": {"name": one.name},
            "created": self._time(one.created),
            "modified": self._time(platform.finished(one) or one.created),
            "scheduledDeletion": None if deletion is None else self._second(deletion),
            "size": int(length * _BYTES_PER_SECOND) if is_made else -1,
            "allowedOrigins": list(one.allowed_origins or ()),
            "requireSignedURLs": one.require_signed_urls,
            "uploaded": self._time(one.created),
            "uploadExpiry": None,
            "maxSizeBytes": None,
            "maxDurationSeconds": None,
            "duration": round(length, 1) if is_made else -1,
            "input": {"width": 1280, "height": 720} if is_made else {"width": 0, "height": 0},
            "watermark": None,
            "liveInput": one.input_id,
        }
        if not platform.switches.customer_host_unknown:
            base = f"{self.customer_url}/{one.uid}"
            shown["thumbnail"] = f"{base}/thumbnails/thumbnail.jpg"
            shown["preview"] = f"{base}/watch"
            shown["playback"] = self._playback(one.uid)
        return self._object(shown)

    def signing_key(self, one: SigningKey) -> Json:
        """Return a new signing key, for the only time with what signs."""
        return self._object(
            {
                "id": one.id,
                "pem": signing.to_pem(one.private),
                "jwk": signing.to_jwk(one),
                "created": self._time(one.created),
            }
        )

    def signing_keys(self) -> list[Json]:
        """Return the signing keys without what signs."""
        return [
            self._object({"id": one.id, "key_id": one.id, "created": self._time(one.created)})
            for one in self.platform.signing_keys.values()
        ]

    def webhook(self, one: Webhook) -> Json:
        """Return where the account wants to be told of videos, and what signs the messages."""
        return self._object(
            {
                "notificationUrl": one.url,
                "modified": self._time(one.modified),
                "secret": self.platform.webhook_secret,
            }
        )

    def storage(self, creator: str | None) -> Json:
        """Return how full the storage is; what is being recorded is not in it yet."""
        shown: Json = {
            "totalStorageMinutes": round(self.platform.stored_minutes(creator), 2),
            "totalStorageMinutesLimit": self.platform.switches.storage_limit,
            "videoCount": len(self.platform.stored(creator)),
        }
        return self._object(shown if creator is None else {"creator": creator, **shown})

    def _playback(self, uid: str) -> Json:
        base = f"{self.customer_url}/{uid}/manifest"
        return {"hls": f"{base}/video.m3u8", "dash": f"{base}/video.mpd"}

    def _status(self, condition: Condition | None) -> object:
        switches = self.platform.switches
        if condition is None:
            is_null = switches.idle_status is IdleStatus.NULL
            return None if is_null else {"history": []}
        word = UNKNOWN_WORD if switches.unknown_state else condition.state
        if switches.status_shape is StatusShape.STRING:
            return _ENUM.get(word, word)
        current = self._object(
            {
                "ingestProtocol": condition.protocol,
                "state": word,
                "reason": condition.reason,
                "statusEnteredAt": self._second(condition.entered),
                "statusLastSeen": self._second(condition.seen),
            }
        )
        return {"current": current, "history": []}

    def _time(self, moment: float) -> str:
        return self.platform.at(moment).strftime(_MICROSECONDS)

    def _second(self, moment: float) -> str:
        return self.platform.at(moment).strftime(_SECONDS)

    def _object(self, fields: Json) -> Json:
        extra = {"colour": "octarine"} if self.platform.switches.extra_fields else {}
        return {**fields, **extra}


_BYTES_PER_SECOND: Final = 312_500
"""A picture of 2.5 Mbit/s."""
