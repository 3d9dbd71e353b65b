"""The settings of a live input: what a request may set, and what the platform makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from headend_cloudflare.simulator.refusals import invalid, retention_out_of_range
from headend_cloudflare.simulator.switches import RecordingUpdate

if TYPE_CHECKING:
    from headend_cloudflare.simulator.switches import CloudflareSwitches

MIN_RETENTION: Final = 30
MAX_RETENTION: Final = 1096
"""Days; https://developers.cloudflare.com/stream/stream-live/start-stream-live/."""

MAX_CREATOR: Final = 64
"""Characters of a creator (OpenAPI description)."""


@frozen(kw_only=True)
class RecordingConfiguration:
    """Whether broadcasts are recorded, and who may watch them.

    Attributes:
        timeout_seconds: seconds that an encoder may be gone; `None`: a value was declined.
    """

    mode: str = "off"
    require_signed_urls: bool = False
    allowed_origins: tuple[str, ...] | None = None
    timeout_seconds: int | None = 0
    hide_live_viewer_count: bool = False


@frozen(kw_only=True)
class InputConfiguration:
    """All that a request can set.

    Attributes:
        prefer_low_latency: `None` until it was set.
        delete_recording_after_days: `None`: never.
    """

    meta: Mapping[str, object] = {}
    enabled: bool = True
    prefer_low_latency: bool | None = None
    delete_recording_after_days: float | None = None
    default_creator: str | None = None
    recording: RecordingConfiguration = RecordingConfiguration()


def configured(
    current: InputConfiguration, body: Mapping[str, object], switches: CloudflareSwitches
) -> InputConfiguration:
    """Return the settings after a request; what it does not name stays, but see the switches.

    Unknown fields are accepted and not kept, as is ``deleteRecordingAfterDays`` in ``recording``
    (measured: github.com/onryde/seazn.club, R0-memo.md).

    Raises:
        RefusedError: a value is of the wrong type or out of range.
    """
    made = current
    if "meta" in body:
        made = evolve(made, meta=_object(body, "meta"))
    if "enabled" in body:
        made = evolve(made, enabled=_flag(body, "enabled"))
    if "preferLowLatency" in body:
        made = evolve(made, prefer_low_latency=_flag(body, "preferLowLatency"))
    if "deleteRecordingAfterDays" in body:
        made = evolve(made, delete_recording_after_days=_retention(body))
    if body.get("defaultCreator") is not None:
        made = evolve(made, default_creator=_creator(body))
    if "recording" in body:
        keeps_rest = switches.recording_update is RecordingUpdate.MERGE
        base = made.recording if keeps_rest else RecordingConfiguration()
        made = evolve(made, recording=_recording(base, _object(body, "recording")))
    return _without(made, frozenset(switches.dropped_settings))


def _recording(base: RecordingConfiguration, body: Mapping[str, object]) -> RecordingConfiguration:
    made = base
    if "mode" in body:
        mode = body["mode"]
        if mode not in {"off", "automatic"}:
            raise invalid("recording.mode must be off or automatic")
        made = evolve(made, mode=str(mode))
    if "requireSignedURLs" in body:
        made = evolve(made, require_signed_urls=_flag(body, "requireSignedURLs"))
    if "allowedOrigins" in body:
        made = evolve(made, allowed_origins=_origins(body["allowedOrigins"]))
    if "timeoutSeconds" in body:
        made = evolve(made, timeout_seconds=_seconds(body["timeoutSeconds"]))
    if "hideLiveViewerCount" in body:
        made = evolve(made, hide_live_viewer_count=_flag(body, "hideLiveViewerCount"))
    return made


def _without(made: InputConfiguration, dropped: frozenset[str]) -> InputConfiguration:
    """Put those settings back to what they are where nobody sets them."""
    recording = made.recording
    if "meta" in dropped:
        made = evolve(made, meta={})
    if "preferLowLatency" in dropped:
        made = evolve(made, prefer_low_latency=None)
    if "deleteRecordingAfterDays" in dropped:
        made = evolve(made, delete_recording_after_days=None)
    if "recording.mode" in dropped:
        recording = evolve(recording, mode="off")
    if "recording.requireSignedURLs" in dropped:
        recording = evolve(recording, require_signed_urls=False)
    if "recording.allowedOrigins" in dropped:
        recording = evolve(recording, allowed_origins=None)
    if "recording.timeoutSeconds" in dropped:
        recording = evolve(recording, timeout_seconds=None)
    if "recording.hideLiveViewerCount" in dropped:
        recording = evolve(recording, hide_live_viewer_count=False)
    return evolve(made, recording=recording)


def _flag(body: Mapping[str, object], name: str) -> bool:
    value = body[name]
    if not isinstance(value, bool):
        raise invalid(f"{name} must be true or false")
    return value


def _object(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = body[name]
    if not isinstance(value, dict):
        raise invalid(f"{name} must be an object")
    return value


def _retention(body: Mapping[str, object]) -> float | None:
    value = body["deleteRecordingAfterDays"]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid("deleteRecordingAfterDays must be a number or null")
    if not MIN_RETENTION <= value <= MAX_RETENTION:
        raise retention_out_of_range()
    return value


def _creator(body: Mapping[str, object]) -> str:
    value = body["defaultCreator"]
    if not isinstance(value, str) or len(value) > MAX_CREATOR:
        raise invalid(f"defaultCreator must be text of at most {MAX_CREATOR} characters")
    return value


def _origins(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid("recording.allowedOrigins must be an array of texts")
    return tuple(value)


def _seconds(value: object) -> int | None:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid("recording.timeoutSeconds must be a whole number from 0")
    return value
