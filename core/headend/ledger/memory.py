"""A ledger that lasts as long as its process: what is used where the ledger is turned off."""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING

from attrs import evolve

from headend.ledger.deliveries import Delivery
from headend.ledger.entry import Entry, EntryState, already_there, latest, not_there
from headend.ledger.journal import (
    BY_PLATFORM,
    LedgerEvent,
    LedgerEventKind,
    entry_event,
    name_of_this_process,
)
from headend.ledger.listing import deletion_event
from headend.ledger.memory_usage import MemoryUsage
from headend.ledger.usage import Observation, StreamRef
from headend.ledger.watching import message_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from headend.ledger.entry import NewEntry
    from headend.ledger.journal import NewEvent
    from headend.ledger.usage import LastSeen, Sample, SessionSpan, UsageData
    from headend.models import Recording, Session


class MemoryLedger:
    """A `Ledger` in memory; idempotency keys work within the process, nothing survives it."""

    def __init__(
        self,
        *,
        id: str,  # noqa: A002  # the name that the property has
        actor: str | None = None,
    ) -> None:
        self._id = id
        self._actor = actor
        self._entries: dict[str, Entry] = {}
        self._keys: dict[tuple[str, str, str], str] = {}
        self._events: dict[str, LedgerEvent] = {}
        self._deliveries: dict[int, tuple[Delivery, datetime]] = {}
        self._usage = MemoryUsage()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<MemoryLedger {self._id}>"

    @property
    def id(self) -> str:
        """A random text that no other ledger has."""
        return self._id

    @property
    def location(self) -> None:
        """`None`: nothing is kept."""
        return

    @property
    def pacers(self) -> None:
        """`None`: nobody shares it."""
        return

    @property
    def actor(self) -> str:
        """Who is told in the journal to have done what this object records."""
        return self._actor or name_of_this_process()

    def check(self) -> None:
        """It always can."""

    def begin(self, new: NewEntry, *, now: datetime, lease: float) -> Entry:
        """Write the intent to create a live stream, or return that of the idempotency key."""
        entry = Entry.intent(new, now=now, lease=lease)
        with self._lock:
            key = new.idempotency_key and (new.provider, new.account, new.idempotency_key)
            if isinstance(key, tuple):
                earlier = self._entries.get(self._keys.get(key, ""))
                if earlier is not None and earlier.state is not EntryState.ABANDONED:
                    return earlier
            if new.marker in self._entries:
                raise already_there(new.marker, ledger="memory")
            if isinstance(key, tuple):
                self._keys[key] = new.marker
            self._entries[new.marker] = entry
        return entry

    def claim(
        self,
        marker: str,
        *,
        now: datetime,
        lease: float,
        owner: str,
        instead_of: str | None = None,
    ) -> bool:
        """Take over a creation whose lease is over, or that is in the hands of `instead_of`."""
        with self._lock:
            claimed = self._entry(marker).claimed(
                now=now, lease=lease, owner=owner, instead_of=instead_of
            )
            self._keep([claimed] if claimed else [])
        return claimed is not None

    def renew(self, marker: str, *, now: datetime, lease: float, owner: str) -> bool:
        """Extend the lease of one's own creation."""
        with self._lock:
            renewed = self._entry(marker).renewed(now=now, lease=lease, owner=owner)
            self._keep([renewed] if renewed else [])
        return renewed is not None

    def created(self, marker: str, stream_id: str, now: datetime) -> Entry:
        """Record what was created."""
        with self._lock:
            before = self._entry(marker)
            entry = before.created(stream_id, now=now)
            self._keep([entry])
            if entry != before:
                event = entry_event(LedgerEventKind.CREATED, entry, now=now, caused_by=self.actor)
                self._append(event, now=now)
        return entry

    def abandoned(self, marker: str, reason: str, now: datetime) -> Entry:
        """Record that nothing was created."""
        with self._lock:
            entry = self._entry(marker).abandoned(reason, now=now)
            self._keep([entry])
        return entry

    def ending(
        self,
        provider: str,
        account: str,
        stream_id: str,
        *,
        delete_recordings: bool,
        now: datetime,
    ) -> None:
        """Record that the end of a live stream begins."""
        with self._lock:
            self._keep(
                entry.ending(delete_recordings=delete_recordings, now=now)
                for entry in self._named(provider, account, stream_id)
            )

    def refused_to_end(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream goes on."""
        with self._lock:
            named = self._named(provider, account, stream_id)
            self._keep(entry.refused_to_end(now=now) for entry in named)

    def ended(
        self,
        provider: str,
        account: str,
        stream_id: str,
        now: datetime,
        *,
        caused_by: str | None = None,
    ) -> None:
        """Record that a live stream is gone."""
        caused_by = caused_by or self.actor
        seen = Observation.of_end(provider, account, stream_id, now, caused_by=caused_by)
        with self._lock:
            found = self._named(provider, account, stream_id)
            changed = [entry.ended(now=now) for entry in found]
            self._keep(changed)
            self._append(self._usage.see_end(seen, now=now, is_there=self._is_there), now=now)
            for entry, before in zip(changed, found, strict=True):
                if entry != before:
                    event = entry_event(LedgerEventKind.ENDED, entry, now=now, caused_by=caused_by)
                    self._append(event, now=now)

    def find(self, provider: str, account: str, stream_id: str) -> Entry | None:
        """Return the entry of a live stream."""
        with self._lock:
            return latest(self._named(provider, account, stream_id))

    def by_marker(self, marker: str) -> Entry | None:
        """Return the entry with this marker."""
        with self._lock:
            return self._entries.get(marker)

    def by_key(self, provider: str, account: str, idempotency_key: str) -> Entry | None:
        """Return the entry that an idempotency key stands for."""
        with self._lock:
            return self._entries.get(self._keys.get((provider, account, idempotency_key), ""))

    def entries(
        self, provider: str, account: str, states: Collection[EntryState] | None = None
    ) -> list[Entry]:
        """Return the entries of one account, the oldest first."""
        with self._lock:
            found = [
                one
                for one in self._entries.values()
                if (one.provider, one.account) == (provider, account)
                and (states is None or one.state in states)
            ]
        return sorted(found, key=lambda one: (one.created_at, one.marker))

    def append(self, event: NewEvent, *, now: datetime, to_deliver: bool = False) -> bool:
        """Write an event into the journal, unless its key is there."""
        with self._lock:
            written = self._append(event, now=now)
            if written is not None and to_deliver:
                self._deliveries[written.number] = Delivery(event=written, tries=0), now
            return written is not None

    def claim_delivery(self, *, now: datetime, lease: float) -> Delivery | None:
        """Take the oldest event that is to be delivered and that nobody else has in hand."""
        with self._lock:
            for number, (delivery, due_at) in sorted(self._deliveries.items()):
                if due_at <= now:
                    claimed = evolve(delivery, tries=delivery.tries + 1)
                    self._deliveries[number] = claimed, now + timedelta(seconds=lease)
                    return claimed
        return None

    def postpone_delivery(self, delivery: Delivery, until: datetime) -> None:
        """Record that it could not be made, and when it is to be tried again."""
        number = delivery.event.number
        with self._lock:
            if self._deliveries.get(number, (None, until))[0] == delivery:
                self._deliveries[number] = delivery, until

    def remove_delivery(self, delivery: Delivery) -> None:
        """Record that it was made, or is given up."""
        with self._lock:
            self._deliveries.pop(delivery.event.number, None)

    def events(
        self,
        *,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[LedgerEventKind] | None = None,
        provider: str | None = None,
        stream_id: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerEvent]:
        """Return events in the order of their numbers."""
        with self._lock:
            found = [
                one
                for one in self._events.values()
                if one.number > after
                and (since is None or one.occurred_at >= since)
                and (until is None or one.occurred_at < until)
                and (kinds is None or one.kind in kinds)
                and (provider is None or one.provider == provider)
                and (stream_id is None or one.stream_id == stream_id)
            ]
        return found[:limit]

    def last_number(self) -> int:
        """Return the number of the newest event; 0 where there is none."""
        with self._lock:
            return len(self._events)

    def observe(self, seen: Observation, *, now: datetime) -> list[LedgerEvent]:
        """Keep what was seen of a live stream, and add up what lies since it was seen before."""
        with self._lock:
            if message_key(seen) in self._events:
                return []
            named = self._named(seen.provider, seen.account, seen.stream_id)
            created_at = max((entry.created_at for entry in named), default=None)
            new = self._usage.observe(seen, created_at, now=now, is_there=self._is_there)
            event = self._append(new, now=now)
        return [] if event is None else [event]

    def last_seen(self, *, since: datetime | None = None) -> list[LastSeen]:
        """Return how live streams were seen last."""
        with self._lock:
            return self._usage.last_seen(since)

    def samples(
        self, provider: str, account: str, stream_id: str, since: datetime, until: datetime
    ) -> list[Sample]:
        """Return what was seen of a live stream while it was live, by time."""
        with self._lock:
            return self._usage.samples(StreamRef(provider, account, stream_id), since, until)

    def record_sessions(
        self,
        provider: str,
        account: str,
        stream_id: str,
        sessions: Iterable[Session],
        *,
        now: datetime,
    ) -> None:
        """Keep what the platform tells of a live stream's sessions."""
        sessions, ref = [*sessions], StreamRef(provider, account, stream_id)
        with self._lock:
            self._usage.record_sessions(ref, sessions, now=now)

    def sessions(
        self, provider: str, account: str, stream_id: str, since: datetime, until: datetime
    ) -> list[SessionSpan]:
        """Return what is kept of a live stream's sessions that began in a period, by time."""
        with self._lock:
            return self._usage.sessions(StreamRef(provider, account, stream_id), since, until)

    def record_recordings(
        self,
        provider: str,
        account: str,
        stream_id: str,
        recordings: Iterable[Recording],
        *,
        now: datetime,
        is_all: bool = True,
        caused_by: str = BY_PLATFORM,
    ) -> list[LedgerEvent]:
        """Keep what the platform tells of a live stream's recordings."""
        recordings, ref = [*recordings], StreamRef(provider, account, stream_id)
        with self._lock:
            gone = self._usage.record_recordings(ref, recordings, now=now, is_all=is_all)
            found = [
                self._append(
                    deletion_event(
                        provider,
                        account,
                        recording_id,
                        stream_id=stream_id,
                        now=now,
                        caused_by=caused_by,
                    ),
                    now=now,
                )
                for recording_id in gone
            ]
        return [event for event in found if event is not None]

    def recording_deleted(
        self, provider: str, account: str, recording_id: str, now: datetime
    ) -> None:
        """Record that a recording was deleted."""
        with self._lock:
            ref = self._usage.recording_deleted(provider, account, recording_id, now=now)
            event = deletion_event(
                provider,
                account,
                recording_id,
                stream_id=None if ref is None else ref.stream_id,
                now=now,
                caused_by=self.actor,
            )
            self._append(event, now=now)

    def read_usage(self, since: datetime, until: datetime) -> UsageData:
        """Return all that is known of the use in a period."""
        in_events = {
            StreamRef(one.provider, one.account, one.stream_id)
            for one in self.events(since=since, until=until)
            if one.provider is not None and one.account is not None and one.stream_id is not None
        }
        with self._lock:
            return self._usage.read(since, until, also=in_events, entry_of=self._entry_of)

    def close(self) -> None:
        """Nothing is to be freed."""

    def _entry(self, marker: str) -> Entry:
        if marker not in self._entries:
            raise not_there(marker, ledger="memory")
        return self._entries[marker]

    def _named(self, provider: str, account: str, stream_id: str) -> list[Entry]:
        wanted = (provider, account, stream_id)
        return [
            one
            for one in self._entries.values()
            if (one.provider, one.account, one.stream_id) == wanted
        ]

    def _entry_of(self, ref: StreamRef) -> Entry | None:
        return latest(self._named(ref.provider, ref.account, ref.stream_id))

    def _append(self, new: NewEvent | None, *, now: datetime) -> LedgerEvent | None:
        if new is None or new.key in self._events:
            return None
        if new.channel_id is None:
            new = evolve(new, channel_id=self._channel_of(new))
        event = LedgerEvent.of(new, number=len(self._events) + 1, now=now)
        self._events[new.key] = event
        return event

    def _is_there(self, new: NewEvent) -> bool:
        return new.key in self._events

    def _channel_of(self, new: NewEvent) -> str | None:
        if new.provider is None or new.account is None or new.stream_id is None:
            return None
        ref = StreamRef(new.provider, new.account, new.stream_id)
        entry = self._entry_of(ref)
        return self._usage.channel_id(ref) if entry is None else entry.channel_id

    def _keep(self, entries: Iterable[Entry]) -> None:
        self._entries.update({entry.marker: entry for entry in entries})
