"""What was seen of live streams and what it adds up to: the ground on which costs are counted.

A watcher observes a live stream every few seconds.  From one observation to the next it was live
if it was so at the first, with as many viewers and bits per second as then.  This is added to
slots of a quarter of an hour, since every time zone's midnight falls on the beginning of one, and
a day or month of any zone is a sum of slots.

Where nobody looked for longer than `LONGEST_GAP` nothing is made up: the time is in an
`UnseenSpan`, and only what the platform itself tells of its sessions and watch time counts.
Many watchers count nothing twice: an observation adds what lies between it and the last one
before it, whoever made that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, field, frozen, validators

from headend.ledger.entry import EntryState
from headend.ledger.journal import BY_PLATFORM
from headend.ledger.values import check_text, to_clean_text, to_clean_texts, to_utc
from headend.models import StreamState

if TYPE_CHECKING:
    from headend.ledger.entry import Entry

QUARTER: Final = timedelta(minutes=15)
"""The length of a slot."""

LONGEST_GAP: Final = timedelta(minutes=5)
"""How far two observations may be apart for what was seen at the first to hold until the second."""

_optional_text = validators.optional(check_text)


def _utc_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else to_utc(value)


def _state_or_none(value: StreamState | None) -> StreamState | None:
    return None if value is None else StreamState(value)


def _at_most(value: int | None) -> int | None:
    """Keep what a platform's garbled answer may have to what every database has room for."""
    return None if value is None else min(value, 2**63 - 1)


def _clean_or_none(value: str | None) -> str | None:
    return None if value is None else to_clean_text(value)


@frozen(order=True)
class StreamRef:
    """Which live stream, among those of all providers and accounts.

    Attributes:
        provider: the provider's name.
        account: the account and region at the provider.
        stream_id: names it on the platform.
    """

    provider: str = field(validator=check_text)
    account: str = field(validator=check_text)
    stream_id: str = field(validator=check_text)


@frozen(kw_only=True)
class Observation:
    """What somebody saw of a live stream at one moment; a figure that is not known is `None`.

    Attributes:
        provider: the provider's name.
        account: the account and region at the provider.
        stream_id: the live stream.
        channel_id: the host's own id for what it broadcasts, where it is known.
        name: for people, where it is known.
        at: the moment; aware.
        state: what it was doing.  `None` and ``unknown`` tell nothing: the state before is taken to
            last, for `LONGEST_GAP` at most.
        viewer_count: viewers then.
        current_bitrate: what the encoder sent then, in bits per second.
        peak_viewers: the platform's own highest viewer count.
        total_watch_time: the platform's own seconds watched by all viewers together, of the live
            stream or of its latest session.
        watch_time_since: since when that counts, such as the beginning of its latest session;
            `None` where it is of the live stream, or nobody told.
        caused_by: who is told in the journal to have caused a change of the state.
        message_id: the id of the platform's message that told it; one that has changed the state
            before does not do so again.
    """

    provider: str = field(validator=check_text)
    account: str = field(validator=check_text)
    stream_id: str = field(validator=check_text)
    channel_id: str | None = field(default=None, validator=_optional_text)
    name: str | None = field(default=None, converter=_clean_or_none)
    at: datetime = field(converter=to_utc)
    state: StreamState | None = field(converter=_state_or_none)
    viewer_count: int | None = field(default=None, converter=_at_most)
    current_bitrate: int | None = field(default=None, converter=_at_most)
    peak_viewers: int | None = field(default=None, converter=_at_most)
    total_watch_time: float | None = None
    watch_time_since: datetime | None = field(default=None, converter=_utc_or_none)
    caused_by: str = field(default=BY_PLATFORM, converter=to_clean_text)
    message_id: str | None = field(default=None, validator=_optional_text)

    @classmethod
    def of_end(
        cls, provider: str, account: str, stream_id: str, at: datetime, *, caused_by: str
    ) -> Observation:
        """Return what is seen of a live stream that is gone."""
        return cls(
            provider=provider,
            account=account,
            stream_id=stream_id,
            at=at,
            state=StreamState.ENDED,
            caused_by=caused_by,
        )

    @property
    def ref(self) -> StreamRef:
        """The live stream."""
        return StreamRef(self.provider, self.account, self.stream_id)


@frozen(kw_only=True)
class Sample:
    """An observation of a live stream that was live, as it is kept.

    Attributes:
        at: the moment.
        state: what it was doing, or `None` where that was not told.
        viewer_count: viewers then, or `None`.
        current_bitrate: bits per second that the encoder sent then, or `None`.
        peak_viewers: the platform's own highest viewer count, or `None`.
        total_watch_time: the platform's own seconds watched by all together, or `None`.
    """

    at: datetime = field(converter=to_utc)
    state: StreamState | None
    viewer_count: int | None
    current_bitrate: int | None
    peak_viewers: int | None
    total_watch_time: float | None


@frozen(kw_only=True)
class LastSeen:
    """How a live stream was when somebody looked last.

    Attributes:
        ref: the live stream.
        channel_id: the host's own id for what it broadcasts, where it is known.
        name: for people, where it is known.
        at: when it was looked at.
        state: what it was doing, or `None` where nobody told.
        state_at: when the state was told.
        live_since: when the broadcast began that goes on, as far as it was seen; an interruption
            does not end it.  `None` where none goes on.
        viewer_count: viewers then, or `None`.
        current_bitrate: bits per second that the encoder sent then, or `None`.
        peak_viewers: the highest viewer count that was seen in this or the latest broadcast.
        platform_peak: the platform's own highest viewer count, or `None`.
        total_watch_time: the platform's own seconds watched by all together, or `None`.
        watched_at: when that was told, or `None`.
    """

    ref: StreamRef
    channel_id: str | None
    name: str | None
    at: datetime = field(converter=to_utc)
    state: StreamState | None
    state_at: datetime | None = field(converter=_utc_or_none)
    live_since: datetime | None = field(converter=_utc_or_none)
    viewer_count: int | None
    current_bitrate: int | None
    peak_viewers: int | None
    platform_peak: int | None
    total_watch_time: float | None
    watched_at: datetime | None = field(converter=_utc_or_none)


@frozen(kw_only=True)
class StreamFacts:
    """What the ledger knows of a live stream itself.

    Attributes:
        ref: the live stream.
        channel_id: the host's own id for what it broadcasts; `None` where it is not known.
        name: for people; `None` where it has none, or it is not known.
        terms: the creation options on which prices depend, by name; empty where nothing is known,
            as of a live stream that was made without this ledger.
        created_at: when it was asked for; `None` where this ledger did not create it.
        ended_at: when it was found to be gone; `None` while it is there, or where it is not known.
        sessions_as_of: when the platform was last asked for its sessions; `None`: never.
        recordings_as_of: when the platform was last asked for its recordings; `None`: never.
        seen_at: when it was last observed, live or after that; `None`: never.
    """

    ref: StreamRef
    channel_id: str | None
    name: str | None
    terms: Mapping[str, str] = field(factory=dict, converter=to_clean_texts, hash=False)
    created_at: datetime | None = field(default=None, converter=_utc_or_none)
    ended_at: datetime | None = field(default=None, converter=_utc_or_none)
    sessions_as_of: datetime | None = field(default=None, converter=_utc_or_none)
    recordings_as_of: datetime | None = field(default=None, converter=_utc_or_none)
    seen_at: datetime | None = field(default=None, converter=_utc_or_none)

    @property
    def is_recorded(self) -> bool:
        """Whether anything is recorded of what it did."""
        known = (self.seen_at, self.sessions_as_of, self.recordings_as_of)
        return any(one is not None for one in known)

    @classmethod
    def of(
        cls,
        ref: StreamRef,
        entry: Entry | None,
        *,
        channel_id: str | None,
        name: str | None,
        sessions_as_of: datetime | None,
        recordings_as_of: datetime | None,
        seen_at: datetime | None,
    ) -> StreamFacts:
        """Put together what is known.

        Args:
            ref: the live stream.
            entry: what it was created with; what was seen later counts where that has nothing.
            channel_id: the host's own id, as it was seen.
            name: for people, as it was seen.
            sessions_as_of: when the platform was last asked for its sessions.
            recordings_as_of: when the platform was last asked for its recordings.
            seen_at: when it was last observed.
        """
        has_ended = entry is not None and entry.state is EntryState.ENDED
        return cls(
            ref=ref,
            channel_id=entry.channel_id if entry else channel_id,
            name=(entry.name if entry else None) or name,
            terms=entry.terms if entry else {},
            created_at=entry.created_at if entry else None,
            ended_at=entry.changed_at if entry and has_ended else None,
            sessions_as_of=sessions_as_of,
            recordings_as_of=recordings_as_of,
            seen_at=seen_at,
        )


@frozen(kw_only=True)
class UsageSlot:
    """What a live stream used in a quarter of an hour; slots add up.

    What is `None` was known at no moment of the slot, which is not the same as 0.

    Attributes:
        ref: the live stream.
        start: the beginning of the slot, in UTC.
        live_seconds: how long it was seen to be live.
        uncounted_seconds: for how much of that the viewers were not known.
        viewer_seconds: viewers times seconds, derived from the counts.
        watch_seconds: by how many the platform's own ``total_watch_time`` grew.  What it grew by
            between two looks is spread evenly over the slots between them, or, where they are more
            than `LONGEST_GAP` apart, over the platform's sessions between them if there are any.
        ingest_bytes: bitrate times time, as far as the bitrate was known.
        delivered_bytes: the same times viewers, as far as both were known.
        peak_viewers: the highest viewer count that was seen.
        platform_peak: the platform's own highest viewer count, in the slot in which it changed.
    """

    ref: StreamRef
    start: datetime = field(converter=to_utc)
    live_seconds: float = 0.0
    uncounted_seconds: float = 0.0
    viewer_seconds: float | None = None
    watch_seconds: float | None = None
    ingest_bytes: float | None = None
    delivered_bytes: float | None = None
    peak_viewers: int | None = None
    platform_peak: int | None = None

    def plus(self, more: UsageSlot) -> UsageSlot:
        """Return this slot with what else was used in it."""
        return evolve(
            self,
            live_seconds=self.live_seconds + more.live_seconds,
            uncounted_seconds=self.uncounted_seconds + more.uncounted_seconds,
            viewer_seconds=_sum(self.viewer_seconds, more.viewer_seconds),
            watch_seconds=_sum(self.watch_seconds, more.watch_seconds),
            ingest_bytes=_sum(self.ingest_bytes, more.ingest_bytes),
            delivered_bytes=_sum(self.delivered_bytes, more.delivered_bytes),
            peak_viewers=higher(self.peak_viewers, more.peak_viewers),
            platform_peak=higher(self.platform_peak, more.platform_peak),
        )


@frozen(kw_only=True)
class SessionSpan:
    """One continuous broadcast, by the platform's own word.

    Attributes:
        ref: the live stream.
        session_id: names it on the platform.
        started_at: when it began.
        ended_at: when it ended, or `None` while it goes on.
        height: picture height in pixels that the encoder told, or `None`.
        frame_rate: frames per second that the encoder told, or `None`.
    """

    ref: StreamRef
    session_id: str = field(validator=check_text)
    started_at: datetime = field(converter=to_utc)
    ended_at: datetime | None = field(default=None, converter=_utc_or_none)
    height: int | None = None
    frame_rate: float | None = None


@frozen(kw_only=True)
class RecordingSpan:
    """A recording, and for how long the platform kept it.

    Attributes:
        ref: the live stream that it was made from.
        recording_id: names it on the platform.
        seconds: its length, or `None` while it is unknown.
        since: when it was made, or was first seen where the platform does not tell.
        until: when it was found to be gone, or `None` while it is there.
    """

    ref: StreamRef
    recording_id: str = field(validator=check_text)
    seconds: float | None
    since: datetime = field(converter=to_utc)
    until: datetime | None = field(default=None, converter=_utc_or_none)


@frozen(kw_only=True)
class UnseenSpan:
    """A time at whose beginning a live stream was live, and in which nobody looked at it.

    Attributes:
        ref: the live stream.
        since: when it was last seen, live.
        until: when it was next seen, or `None` where it was not.
    """

    ref: StreamRef
    since: datetime = field(converter=to_utc)
    until: datetime | None = field(default=None, converter=_utc_or_none)


@frozen(kw_only=True)
class UsageData:
    """All that the ledger knows of the use in a period.

    Attributes:
        since: the beginning of the period, in UTC.
        until: its end, which is not in it.
        streams: all live streams that the rest is about, and those with an event in the period.
        slots: those that begin in the period, by time.
        sessions: those of which some part is in the period, whole, by time.
        recordings: those that were kept in some part of the period, by time.
        unseen: the times in which nobody looked and of which some part is in the period, whole.
            One whose `until` is `None` is over only if `LONGEST_GAP` is over, too.
    """

    since: datetime = field(converter=to_utc)
    until: datetime = field(converter=to_utc)
    streams: Mapping[StreamRef, StreamFacts]
    slots: tuple[UsageSlot, ...]
    sessions: tuple[SessionSpan, ...]
    recordings: tuple[RecordingSpan, ...]
    unseen: tuple[UnseenSpan, ...] = ()


def slot_start(moment: datetime) -> datetime:
    """Return the beginning of the slot that a moment is in."""
    moment = to_utc(moment)
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def higher(one: int | None, other: int | None) -> int | None:
    """Return the higher of two figures, either of which may not be known."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
