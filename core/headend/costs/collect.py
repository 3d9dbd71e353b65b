"""Asking a platform for what it counted itself: sessions, recordings, watch times."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from headend.errors import StreamNotFoundError
from headend.ledger import EntryState
from headend.ledger.usage import Observation, StreamRef
from headend.provider import Provider
from headend.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend.clock import Clock
    from headend.ledger import Ledger
    from headend.models import Session
    from headend.platform import StreamingPlatform

_THERE: Final = frozenset({EntryState.ACTIVE, EntryState.ENDING})


@frozen(kw_only=True)
class Collected:
    """What a platform told of one live stream.

    Attributes:
        stream_id: the live stream.
        channel_id: the host's own id for what it broadcasts, where it is known.
        sessions: how many broadcasts it told of; `None` where the provider cannot ask for them.
        recordings: how many recordings it keeps; `None` where the provider cannot ask for them.
        watch_seconds: seconds watched by all viewers together, or `None` where it does not tell.
        note: why nothing was told, in words, or `None`.
    """

    stream_id: str
    channel_id: str | None
    sessions: int | None = None
    recordings: int | None = None
    watch_seconds: float | None = None
    note: str | None = None


def collect(platform: StreamingPlatform, ledger: Ledger, clock: Clock) -> list[Collected]:
    """Ask a platform for all live streams that it lists or the ledger has, and record the answers.

    It waits its turn as all requests do.  A live stream that is gone meanwhile stays as it was
    recorded last: what was kept of it is kept.

    Args:
        platform: the opened provider.
        ledger: where the answers go.
        clock: tells when it was asked.

    Raises:
        PlatformError: the platform cannot be asked; what it told until then is recorded.
    """
    account = platform.native(Provider).account
    channels = {one.stream_id: one.channel_id for one in platform.list_live_streams()}
    for entry in ledger.entries(platform.provider, account, _THERE):
        if entry.stream_id is not None:
            channels.setdefault(entry.stream_id, entry.channel_id)
    return [
        collect_one(
            platform, ledger, clock, StreamRef(platform.provider, account, stream_id), channel_id
        )
        for stream_id, channel_id in channels.items()
    ]


def collect_one(
    platform: StreamingPlatform,
    ledger: Ledger,
    clock: Clock,
    ref: StreamRef,
    channel_id: str | None,
) -> Collected:
    """Ask a platform for one live stream, and record the answers.

    Args:
        platform: the opened provider.
        ledger: where the answers go.
        clock: tells when it was asked.
        ref: the live stream.
        channel_id: the host's own id for what it broadcasts, as far as it is known.

    Raises:
        PlatformError: the platform cannot be asked; what it told until then is recorded.
    """
    stream_id = ref.stream_id
    named = (ref.provider, ref.account, stream_id)
    sessions = recordings = None
    try:
        if Capability.SESSIONS in platform.capabilities:
            sessions = collect_sessions(platform, ledger, clock, ref)
        if Capability.RECORDINGS in platform.capabilities:
            now = clock.now()
            kept = list(platform.list_recordings(stream_id))
            ledger.record_recordings(*named, kept, now=now)
            recordings = len(kept)
        # A list need not tell the state, and figures of many at once need not tell the watch time.
        stream = platform.get_live_stream(stream_id)
        analytics = platform.get_analytics(stream_id)
    except StreamNotFoundError:
        return Collected(
            stream_id=stream_id,
            channel_id=channel_id,
            sessions=sessions,
            recordings=recordings,
            note="the platform does not have it any more",
        )
    ledger.observe(
        Observation(
            provider=platform.provider,
            account=ref.account,
            stream_id=stream_id,
            channel_id=stream.channel_id,
            name=stream.name,
            at=analytics.as_of,
            state=stream.state,
            viewer_count=analytics.viewer_count,
            current_bitrate=analytics.current_bitrate,
            peak_viewers=analytics.peak_viewers,
            total_watch_time=analytics.total_watch_time,
            watch_time_since=analytics.watch_time_since,
        ),
        now=clock.now(),
    )
    return Collected(
        stream_id=stream_id,
        channel_id=stream.channel_id or channel_id,
        sessions=sessions,
        recordings=recordings,
        watch_seconds=analytics.total_watch_time,
    )


def collect_sessions(
    platform: StreamingPlatform, ledger: Ledger, clock: Clock, ref: StreamRef
) -> int:
    """Ask a platform for the sessions of a live stream, record them, and return how many it has.

    Args:
        platform: the opened provider, which has `Capability.SESSIONS`.
        ledger: where they go.
        clock: tells when it was asked.
        ref: the live stream.

    Raises:
        PlatformError: the platform cannot be asked.
    """
    # What begins while the pages are read is not in them.
    now = clock.now()
    told = list(platform.list_sessions(ref.stream_id))
    detailed = _detailed(platform, ledger, ref, told)
    ledger.record_sessions(ref.provider, ref.account, ref.stream_id, detailed, now=now)
    return len(told)


def _detailed(
    platform: StreamingPlatform, ledger: Ledger, ref: StreamRef, told: Iterable[Session]
) -> list[Session]:
    """Return sessions with their encoders' settings, asking for what the ledger lacks only."""
    sessions = list(told)
    begun = [one.started_at for one in sessions if one.started_at is not None]
    if not begun:
        return sessions
    kept = ledger.sessions(
        ref.provider, ref.account, ref.stream_id, min(begun), max(begun) + timedelta(seconds=1)
    )
    known = {one.session_id for one in kept if one.height is not None}
    return [
        one
        if one.encoder is not None or one.session_id in known
        else evolve(one, encoder=platform.get_session(ref.stream_id, one.session_id).encoder)
        for one in sessions
    ]
