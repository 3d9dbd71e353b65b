"""A ledger that lasts as long as its process: what is used where the ledger is turned off."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from headend.ledger.entry import Entry, EntryState, already_there, not_there

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from headend.ledger.entry import NewEntry


class MemoryLedger:
    """A `Ledger` in memory; idempotency keys work within the process, nothing survives it."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  # the name that the property has
        self._id = id
        self._entries: dict[str, Entry] = {}
        self._keys: dict[tuple[str, str, str], str] = {}
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
            entry = self._entry(marker).created(stream_id, now=now)
            self._keep([entry])
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

    def ended(self, provider: str, account: str, stream_id: str, now: datetime) -> None:
        """Record that a live stream is gone."""
        with self._lock:
            self._keep(entry.ended(now=now) for entry in self._named(provider, account, stream_id))

    def find(self, provider: str, account: str, stream_id: str) -> Entry | None:
        """Return the entry of a live stream."""
        with self._lock:
            return max(
                self._named(provider, account, stream_id),
                key=lambda one: (one.state is not EntryState.ENDED, one.created_at, one.marker),
                default=None,
            )

    def by_marker(self, marker: str) -> Entry | None:
        """Return the entry with this marker."""
        with self._lock:
            return self._entries.get(marker)

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

    def _keep(self, entries: Iterable[Entry]) -> None:
        self._entries.update({entry.marker: entry for entry in entries})
