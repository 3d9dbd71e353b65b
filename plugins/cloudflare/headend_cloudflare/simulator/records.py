"""What the simulated platform keeps: live inputs, broadcasts, videos, outputs and their kin.

Moments are seconds on the platform's own timeline, which never goes back.
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, define, frozen
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from headend.plugin import MediaStream
from headend_cloudflare.simulator.configuration import InputConfiguration

HOLD_MARGIN: Final = 3.0
"""Seconds beyond ``timeoutSeconds`` for which the manifest stays.

Measured: github.com/onryde/seazn.club, R0-memo.md, section 4a.
"""


@frozen(kw_only=True)
class Keys:
    """The secrets of a live input; a rotation replaces them all."""

    rtmps: str
    rtmps_playback: str
    srt: str
    srt_playback: str
    web_rtc: str
    web_rtc_playback: str


@define(eq=False, kw_only=True)
class Span:
    """From an encoder's arrival until it is gone.

    Attributes:
        protocol: as the platform calls it: ``rtmp``, ``srt`` or ``webrtc``.
        end: when the encoder went.
        noticed: when the platform tells so.
    """

    protocol: str
    start: float
    end: float | None = None
    noticed: float | None = None


@define(eq=False, kw_only=True)
class Broadcast:
    """What becomes one video: one encoder's visit, or more of them with short gaps.

    Attributes:
        id: that of the video, whether it is kept or not.
        recorded: whether there is something to watch, then and later.
        connect_time: seconds from an encoder's arrival until it counts as connected.
        playlist_time: seconds from then until there is something to watch.
        hold: seconds that the encoder may be gone.
        processing_time: seconds from the end until the video is ready.
        told: how many of its events are out.
    """

    id: str
    input_id: str
    recorded: bool
    connect_time: float
    playlist_time: float
    hold: float
    processing_time: float
    spans: list[Span]
    told: int = 0

    @property
    def start(self) -> float:
        """When its first encoder came."""
        return self.spans[0].start

    @property
    def last(self) -> Span:
        """The latest visit of an encoder."""
        return self.spans[-1]

    @property
    def off(self) -> float | None:
        """When it is over for good, if no encoder is there."""
        return None if self.last.end is None else self.last.end + self.hold

    @property
    def watchable_from(self) -> float | None:
        """When there is something to watch, if there ever is."""
        begin = self.start + self.connect_time + self.playlist_time
        first = self.spans[0]
        too_short = len(self.spans) == 1 and first.end is not None and first.end < begin
        return begin if self.recorded and not too_short else None

    @property
    def ready(self) -> float | None:
        """When its video is ready, once that is known."""
        return None if self.off is None else self.off + self.processing_time

    @property
    def length(self) -> float:
        """How long it was, in seconds."""
        return (self.last.end or self.start) - self.start


@frozen(kw_only=True)
class Failure:
    """A broadcast that the platform refused, and why."""

    at: float
    code: str
    message: str
    protocol: str


@define(eq=False, kw_only=True)
class Output:
    """Where a copy of a live input's broadcasts goes."""

    number: int
    uid: str
    url: str
    stream_key: str
    enabled: bool


@define(eq=False, kw_only=True)
class Input:
    """A live input.

    Attributes:
        number: its place in the order of creation.
        broadcast: the latest.
        failure: what became of the latest encoder, if it was refused after that.
        media: the real live stream behind it, if there is one.
        is_refused: whether that takes a broadcast which this platform does not.
    """

    number: int
    uid: str
    keys: Keys
    configuration: InputConfiguration
    created: float
    modified: float
    keys_rotated: float | None = None
    broadcast: Broadcast | None = None
    failure: Failure | None = None
    outputs: dict[str, Output] = Factory(dict)
    media: MediaStream | None = None
    is_refused: bool = False


@define(eq=False, kw_only=True)
class Video:
    """What a broadcast becomes, or what somebody uploaded.

    Attributes:
        number: its place in the order of creation.
        input_id: where it came from, while that is known.
        broadcast: that which it records, `None` for an upload.
        length: seconds, for an upload.
    """

    number: int
    uid: str
    name: str
    created: float
    input_id: str | None = None
    broadcast: Broadcast | None = None
    length: float = 0.0
    creator: str | None = None
    require_signed_urls: bool = False
    allowed_origins: tuple[str, ...] | None = None
    retention: float | None = None


@define(eq=False, kw_only=True)
class Viewing:
    """So many viewers who want to watch a live input, or watch a video, for a while.

    Attributes:
        uid: what they watch.
        end: `None` while they are there.
    """

    uid: str
    start: float
    end: float | None
    viewers: int
    country: str


@frozen(kw_only=True)
class SigningKey:
    """What signs playback tokens."""

    id: str
    private: RSAPrivateKey
    created: float


@frozen(kw_only=True)
class Webhook:
    """Where the account wants to be told of videos."""

    url: str
    modified: float


@frozen(kw_only=True)
class Event:
    """Something that the platform would tell.

    Attributes:
        kind: ``live_input.connected``, ``live_input.disconnected``, ``live_input.errored``,
            ``video.ready`` or ``video.error``.
        failure: what went wrong, for ``live_input.errored``.
    """

    number: int
    kind: str
    at: float
    input_id: str
    video_id: str | None = None
    failure: Failure | None = None


@frozen(kw_only=True)
class Received:
    """A request that reached the platform, and the status of the answer.

    Attributes:
        query: what came after the question mark.
        authorized: whether it bore an Authorization header.
        agent: its User-Agent.
    """

    method: str
    path: str
    query: str
    status: int
    authorized: bool
    agent: str
