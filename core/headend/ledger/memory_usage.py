"""What was seen of live streams, in memory.  Its owner sees to it that one thread uses it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from headend.ledger.listing import changed_recordings, changed_sessions, deleted
from headend.ledger.usage import (
    LastSeen,
    RecordingSpan,
    Sample,
    SessionSpan,
    StreamFacts,
    StreamRef,
    UnseenSpan,
    UsageData,
    UsageSlot,
    slot_start,
)
from headend.ledger.watching import KEPT_SAMPLES, Known, observed
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headend.ledger.entry import Entry
    from headend.ledger.journal import NewEvent
    from headend.ledger.usage import Observation
    from headend.models import Recording, Session


@define
class _Stream:
    """All about one live stream."""

    ref: StreamRef
    last: LastSeen | None = None
    slots: dict[datetime, UsageSlot] = field(factory=dict)
    samples: dict[datetime, Sample] = field(factory=dict)
    sessions: dict[str, SessionSpan] = field(factory=dict)
    recordings: dict[str, RecordingSpan] = field(factory=dict)
    unseen: list[UnseenSpan] = field(factory=list)
    sessions_as_of: datetime | None = None
    recordings_as_of: datetime | None = None


class MemoryUsage:
    """What `headend.ledger.sql_watching`, `sql_listing` and `sql_usage` do, in memory."""

    def __init__(self) -> None:
        self._streams: dict[StreamRef, _Stream] = {}

    def observe(
        self,
        seen: Observation,
        created_at: datetime | None,
        *,
        now: datetime,
        is_there: Callable[[NewEvent], bool],
    ) -> NewEvent | None:
        """Keep an observation, and return the event that it is, unless that is there."""
        stream = self._streams.get(seen.ref) or _Stream(seen.ref)
        last = stream.last
        known = Known(
            created_at=lambda: created_at,
            sessions=lambda since, until: [
                one
                for one in stream.sessions.values()
                if one.started_at < until and (one.ended_at is None or one.ended_at > since)
            ],
        )
        change = observed(last, seen, known)
        if change.last is None or (change.event is not None and is_there(change.event)):
            return None
        self._streams[seen.ref] = stream
        stream.last = change.last
        for slot in change.slots:
            here = stream.slots.get(slot.start)
            stream.slots[slot.start] = slot if here is None else here.plus(slot)
        if change.unseen is not None:
            stream.unseen.append(change.unseen)
        if change.keeps_sample:
            stream.samples.setdefault(seen.at, _sample(seen))
            if last is None or slot_start(last.at) != slot_start(seen.at):
                self._prune(now - KEPT_SAMPLES)
        return change.event

    def see_end(
        self, seen: Observation, *, now: datetime, is_there: Callable[[NewEvent], bool]
    ) -> NewEvent | None:
        """Observe that a live stream is gone, if it was ever observed."""
        stream = self._streams.get(seen.ref)
        if stream is None or stream.last is None:
            return None
        seen = evolve(seen, at=max(seen.at, stream.last.at))
        return self.observe(seen, None, now=now, is_there=is_there)

    def last_seen(self, since: datetime | None) -> list[LastSeen]:
        """Return how live streams were seen last."""
        found = [one.last for one in self._streams.values() if one.last is not None]
        return sorted(
            (one for one in found if since is None or one.at >= since), key=lambda one: one.ref
        )

    def samples(self, ref: StreamRef, since: datetime, until: datetime) -> list[Sample]:
        """Return the samples of a live stream in a period, by time."""
        stream = self._streams.get(ref) or _Stream(ref)
        return [stream.samples[at] for at in sorted(stream.samples) if since <= at < until]

    def record_sessions(
        self, ref: StreamRef, sessions: Iterable[Session], *, now: datetime
    ) -> None:
        """Keep what the platform tells of a live stream's sessions."""
        stream = self._streams.setdefault(ref, _Stream(ref))
        changed = changed_sessions(
            ref, stream.sessions.values(), sessions, listed_before=stream.sessions_as_of
        )
        stream.sessions.update({one.session_id: one for one in changed})
        stream.sessions_as_of = now

    def sessions(self, ref: StreamRef, since: datetime, until: datetime) -> list[SessionSpan]:
        """Return the sessions of a live stream that began in a period, by time."""
        stream = self._streams.get(ref) or _Stream(ref)
        found = [one for one in stream.sessions.values() if since <= one.started_at < until]
        return sorted(found, key=lambda one: (one.started_at, one.session_id))

    def record_recordings(
        self, ref: StreamRef, recordings: Iterable[Recording], *, now: datetime, is_all: bool
    ) -> list[str]:
        """Keep what the platform tells of its recordings, and return which are gone."""
        stream = self._streams.setdefault(ref, _Stream(ref))
        changed = changed_recordings(
            ref, stream.recordings.values(), recordings, now=now, is_all=is_all
        )
        stream.recordings.update({one.recording_id: one for one in changed})
        if is_all:
            stream.recordings_as_of = now
        return [one.recording_id for one in changed if one.until is not None]

    def recording_deleted(
        self, provider: str, account: str, recording_id: str, *, now: datetime
    ) -> StreamRef | None:
        """Keep that a recording was deleted, and return whose it was, if that is known."""
        found = None
        for ref, stream in self._streams.items():
            of_account = (ref.provider, ref.account) == (provider, account)
            if of_account and recording_id in stream.recordings:
                gone = deleted(stream.recordings[recording_id], now=now)
                stream.recordings[recording_id] = gone
                found = ref
        return found

    def channel_id(self, ref: StreamRef) -> str | None:
        """Return the host's own id, as it was seen."""
        stream = self._streams.get(ref)
        return None if stream is None or stream.last is None else stream.last.channel_id

    def read(
        self,
        since: datetime,
        until: datetime,
        *,
        also: Iterable[StreamRef],
        entry_of: Callable[[StreamRef], Entry | None],
    ) -> UsageData:
        """Return all that is known of a period, about the live streams `also` as well."""
        all_ = [*self._streams.values()]
        slots = [one for each in all_ for one in each.slots.values() if since <= one.start < until]
        sessions = [
            one
            for each in all_
            for one in each.sessions.values()
            if one.started_at < until and (one.ended_at is None or one.ended_at > since)
        ]
        recordings = [
            one
            for each in all_
            for one in each.recordings.values()
            if one.since < until and (one.until is None or one.until > since)
        ]
        unseen = [
            one
            for each in all_
            for one in [*each.unseen, *_still_live(each.last)]
            if one.since < until and (one.until is None or one.until > since)
        ]
        refs = {*also, *(one.ref for one in slots), *(one.ref for one in sessions)}
        refs |= {*(one.ref for one in recordings), *(one.ref for one in unseen)}
        return UsageData(
            since=since,
            until=until,
            streams={ref: self._facts(ref, entry_of(ref)) for ref in sorted(refs)},
            slots=tuple(sorted(slots, key=lambda one: (one.start, one.ref))),
            sessions=tuple(
                sorted(sessions, key=lambda one: (one.started_at, one.ref, one.session_id))
            ),
            recordings=tuple(
                sorted(recordings, key=lambda one: (one.since, one.ref, one.recording_id))
            ),
            unseen=tuple(sorted(unseen, key=lambda one: (one.since, one.ref))),
        )

    def _facts(self, ref: StreamRef, entry: Entry | None) -> StreamFacts:
        stream = self._streams.get(ref) or _Stream(ref)
        return StreamFacts.of(
            ref,
            entry,
            channel_id=stream.last.channel_id if stream.last else None,
            name=stream.last.name if stream.last else None,
            sessions_as_of=stream.sessions_as_of,
            recordings_as_of=stream.recordings_as_of,
            seen_at=stream.last.at if stream.last else None,
        )

    def _prune(self, before: datetime) -> None:
        for stream in self._streams.values():
            stream.samples = {at: one for at, one in stream.samples.items() if at >= before}


def _sample(seen: Observation) -> Sample:
    return Sample(
        at=seen.at,
        state=seen.state,
        viewer_count=seen.viewer_count,
        current_bitrate=seen.current_bitrate,
        peak_viewers=seen.peak_viewers,
        total_watch_time=seen.total_watch_time,
    )


def _still_live(last: LastSeen | None) -> list[UnseenSpan]:
    if last is None or last.state is not StreamState.LIVE:
        return []
    return [UnseenSpan(ref=last.ref, since=last.at)]
