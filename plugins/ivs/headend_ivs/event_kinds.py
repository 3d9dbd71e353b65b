"""What the events of AWS IVS mean, in EventBridge and in the record of a session alike.

Source: https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/eventbridge.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_CHANGE: Final = "IVS Stream State Change"
HEALTH_CHANGE: Final = "IVS Stream Health Change"
LIMIT_BREACH: Final = "IVS Limit Breach"
RECORDING_CHANGE: Final = "IVS Recording State Change"

KINDS: Final[Mapping[str, Mapping[str, EventKind]]] = {
    STATE_CHANGE: {
        "Stream Start": EventKind.LIVE,
        "Stream End": EventKind.IDLE,
        "Stream Failure": EventKind.INGEST_ERROR,
        "Stream Takeover Failure": EventKind.INGEST_ERROR,
    },
    HEALTH_CHANGE: {
        "Starvation Start": EventKind.INTERRUPTED,
        "Starvation End": EventKind.LIVE,
    },
    LIMIT_BREACH: {
        "Ingest Bitrate": EventKind.INGEST_ERROR,
        "Ingest Resolution": EventKind.INGEST_ERROR,
        "Concurrent Broadcasts": EventKind.INGEST_ERROR,
        "Concurrent Viewers": EventKind.INGEST_ERROR,
    },
    RECORDING_CHANGE: {
        "Recording End": EventKind.RECORDING_READY,
        "Recording Start Failure": EventKind.RECORDING_FAILED,
        "Recording End Failure": EventKind.RECORDING_FAILED,
    },
}
"""The kind of each event, by its type and name.

A stream starts and ends with what there is to watch.  A session is created and ended when an
encoder comes and goes, which may be a moment before the stream ends, and may be all that ever
happens.  So these have no kind of their own, but for an end with a code, which says that an encoder
was refused.
"""

_SESSION_ENDED: Final = "Session Ended"


def kind_of(type_: str, name: str, code: str | None = None) -> EventKind:
    """Return what an event means; `EventKind.UNKNOWN` where headend has no word for it.

    Args:
        type_: the type, which EventBridge calls ``detail-type``.
        name: the event's name within its type.
        code: why, where the platform gives a code.
    """
    if type_ == STATE_CHANGE and name == _SESSION_ENDED and code:
        return EventKind.INGEST_ERROR
    return KINDS.get(type_, {}).get(name, EventKind.UNKNOWN)
