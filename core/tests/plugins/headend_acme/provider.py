from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import (
    AuthenticationError,
    EncoderSettings,
    EndOutcome,
    EndResult,
    EventKind,
    Health,
    Ingest,
    LiveStream,
    PlaybackToken,
    Recording,
    Secret,
    Session,
    SessionEvent,
    SimulcastTarget,
    StreamAnalytics,
    StreamCredentials,
    StreamEvent,
    StreamNotFoundError,
    StreamState,
    unknown_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from headend.plugin import CreateRequest, PlatformError, ProviderContext

SERVER_URL: Final = "rtmps://ingest.acme.example/live"
PAGE: Final = 2

made: Final[list[PlainProvider]] = []
"""Every provider that a factory made."""


class PlainProvider:
    """Keeps its live streams in a dictionary and notes whatever it is asked."""

    name = "plain"

    def __init__(self, settings: object, context: ProviderContext) -> None:
        self.settings = settings
        self.context = context
        self._numbers = count(1)
        self.asked: list[str] = []
        self.requests: list[CreateRequest] = []
        self.playback_base = "https://acme.example"
        self.failing: PlatformError | None = None
        self.streams: dict[str, LiveStream] = {}
        self.keys: dict[str, Secret] = {}
        made.append(self)

    @property
    def account(self) -> str:
        return "4711"

    def _ask(self, operation: str, stream_id: str | None = None) -> None:
        self.asked.append(operation)
        if self.failing is not None:
            raise self.failing
        if stream_id is not None and stream_id not in self.streams:
            raise StreamNotFoundError(
                f"there is no live stream {stream_id}",
                provider=self.name,
                operation=operation,
                status=404,
                code="gone",
                request_id="r-1",
            )

    def _now(self) -> datetime:
        return self.context.clock.now()

    def set_state(self, stream_id: str, state: StreamState, reason: str | None = None) -> None:
        self.streams[stream_id] = evolve(self.streams[stream_id], state=state, state_reason=reason)

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        self._ask("create_live_stream")
        self.requests.append(request)
        stream_id = f"live-{next(self._numbers)}"
        self.keys[stream_id] = Secret(f"key-of-{stream_id}")
        self.streams[stream_id] = LiveStream(
            stream_id=stream_id,
            provider=self.name,
            channel_id=request.channel_id,
            name=request.name,
            state=StreamState.IDLE,
            created_at=self._now(),
            playback_url=f"{self.playback_base}/{stream_id}/index.m3u8",
            low_latency=request.low_latency,
            metadata=request.metadata,
            marker=request.marker,
        )
        return self._credentials(stream_id)

    def _credentials(self, stream_id: str) -> StreamCredentials:
        key = self.keys[stream_id]
        return StreamCredentials(
            stream_id=stream_id,
            stream_key=key,
            rtmp_push_url=SERVER_URL,
            playback_url=f"{self.playback_base}/{stream_id}/index.m3u8",
            ingests=(Ingest.rtmp(SERVER_URL, key),),
        )

    def get_live_stream(self, stream_id: str) -> LiveStream:
        self._ask("get_live_stream", stream_id)
        return self.streams[stream_id]

    def list_live_streams(self) -> Iterator[LiveStream]:
        found = list(self.streams.values())
        for start in range(0, max(1, len(found)), PAGE):
            self._ask("list_live_streams")
            yield from found[start : start + PAGE]

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:
        self._ask("find_live_streams")
        same_name = [one for one in self.streams.values() if one.name == name]
        return [one for one in same_name if one.marker == marker]

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        self._ask("get_credentials", stream_id)
        return self._credentials(stream_id)

    def get_playback_url(self, stream_id: str) -> str:
        self._ask("get_playback_url", stream_id)
        return f"{self.playback_base}/{stream_id}/index.m3u8"

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        self._ask("get_analytics", stream_id)
        return StreamAnalytics(
            stream_id=stream_id,
            as_of=self._now(),
            viewer_count=0,
            total_watch_time=1.5,
            unknown=unknown_metrics("acme does not tell", ("current_bitrate", "peak_viewers")),
        )

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        self._ask(f"end_live_stream delete_recordings={delete_recordings}")
        there = self.streams.pop(stream_id, None) is not None
        return EndResult(
            stream_id=stream_id,
            outcome=EndOutcome.ENDED if there else EndOutcome.ALREADY_GONE,
            recordings_kept=() if delete_recordings else (Recording(recording_id="rec-1"),),
        )

    def check_health(self) -> Health:
        self._ask("check_health")
        return Health(provider=self.name, ok=True, message="all well", checked_at=self._now())

    def close(self) -> None:
        self.asked.append("close")


class AcmeProvider(PlainProvider):
    """The same with every ability."""

    name = "acme"

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        self._ask("rotate_stream_key", stream_id)
        self.keys[stream_id] = Secret(self.keys[stream_id].reveal() + "-next")
        return self._credentials(stream_id)

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        self._ask("enable_live_stream", stream_id)
        self.set_state(stream_id, StreamState.IDLE)
        return self.streams[stream_id]

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        self._ask("disable_live_stream", stream_id)
        self.set_state(stream_id, StreamState.DISABLED)
        return self.streams[stream_id]

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        self._ask("list_recordings", stream_id)
        yield Recording(recording_id="rec-1", stream_id=stream_id, duration=60.0)

    def delete_recording(self, recording_id: str) -> None:
        self._ask(f"delete_recording {recording_id}")

    def list_simulcast_targets(self, stream_id: str) -> Sequence[SimulcastTarget]:
        self._ask("list_simulcast_targets", stream_id)
        return (self._target(stream_id, "rtmp://elsewhere.example/app", enabled=True),)

    def create_simulcast_target(
        self, stream_id: str, server_url: str, stream_key: Secret
    ) -> SimulcastTarget:
        self._ask("create_simulcast_target", stream_id)
        return self._target(stream_id, server_url, enabled=bool(stream_key.reveal()))

    def update_simulcast_target(
        self, stream_id: str, target_id: str, *, enabled: bool
    ) -> SimulcastTarget:
        self._ask(f"update_simulcast_target {target_id}", stream_id)
        return self._target(stream_id, "rtmp://elsewhere.example/app", enabled=enabled)

    def delete_simulcast_target(self, stream_id: str, target_id: str) -> None:
        self._ask(f"delete_simulcast_target {target_id}", stream_id)

    def _target(self, stream_id: str, server_url: str, *, enabled: bool) -> SimulcastTarget:
        return SimulcastTarget(
            target_id="target-1", stream_id=stream_id, server_url=server_url, enabled=enabled
        )

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        self._ask(f"create_playback_token {expires_in:g}", stream_id)
        return PlaybackToken(
            token=Secret("leave"), playback_url=Secret("https://leave"), expires_at=self._now()
        )

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:
        self._ask("parse_event")
        if headers.get("signature") != "good":
            raise AuthenticationError(
                "the signature is wrong", provider=self.name, operation="parse_event"
            )
        return StreamEvent(
            kind=EventKind.LIVE,
            provider=self.name,
            stream_id="live-1",
            occurred_at=self._now(),
            event_id="e-1",
            raw=body.decode(),
        )

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        self._ask("list_sessions", stream_id)
        yield Session(session_id="session-1", stream_id=stream_id)

    def get_session(self, stream_id: str, session_id: str) -> Session:
        self._ask(f"get_session {session_id}", stream_id)
        return Session(
            session_id=session_id,
            stream_id=stream_id,
            encoder=EncoderSettings(width=1280, height=720),
            events=(SessionEvent(kind=EventKind.LIVE, name="on", occurred_at=self._now()),),
        )

    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        self._ask(f"put_timed_metadata {text}", stream_id)

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        self._ask(f"get_analytics_many {','.join(stream_ids)}")
        return tuple(super(AcmeProvider, self).get_analytics(one) for one in stream_ids)
