"""One live stream as the ledger knows it, and what can become of it.

The life of an entry::

    creating ──> active ──> ending ──> ended
        │           └─────────────────> ended
        └──> abandoned ──> active

All ledgers use these transitions, so that they differ in where they keep an entry only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen, validators

from headend.errors import LedgerError
from headend.ledger.values import check_text, to_clean_text, to_clean_texts, to_utc

if TYPE_CHECKING:
    from collections.abc import Iterable


class EntryState(StrEnum):
    """What the ledger knows about a live stream."""

    CREATING = "creating"
    """The intent: it is being asked for, or was when a process died."""
    ACTIVE = "active"
    """It was created."""
    ENDING = "ending"
    """Its end began."""
    ENDED = "ended"
    """It is gone from the platform."""
    ABANDONED = "abandoned"
    """It was not created."""


@frozen(kw_only=True)
class NewEntry:
    """A live stream that is about to be asked for.

    Attributes:
        marker: the mark that it will bear; no other entry has it.
        provider: the provider's name.
        account: the account and region at the provider, without secrets.
        channel_id: the host's own id for what it broadcasts.
        name: for people, or `None`.
        digest: tells whether two calls asked for the same.
        owner: who is creating it, so that others leave it alone.
        idempotency_key: the host's own word for this creation, or `None`.
        terms: those of its options on which prices depend, by name.
    """

    marker: str = field(validator=check_text)
    provider: str = field(validator=check_text)
    account: str = field(validator=check_text)
    channel_id: str = field(validator=check_text)
    name: str | None = field(default=None, validator=validators.optional(check_text))
    digest: str = field(validator=check_text)
    owner: str = field(validator=check_text)
    idempotency_key: str | None = field(default=None, validator=validators.optional(check_text))
    terms: Mapping[str, str] = field(factory=dict, converter=to_clean_texts, hash=False)


@frozen(kw_only=True)
class Entry:
    """A live stream as the ledger knows it.  It holds no secret.

    Attributes:
        marker: the mark that it bears on the platform.
        provider: the provider's name.
        account: the account and region at the provider.
        channel_id: the host's own id for what it broadcasts.
        name: for people, or `None`.
        digest: tells whether two calls asked for the same.
        state: what is known about it.
        stream_id: names it on the platform; `None` until it was created.
        reason: why it was abandoned, or `None`.
        delete_recordings: whether its end is to delete what is kept of it.
        created_at: when the entry was written.
        changed_at: when it was last changed.
        owner: who is, or was, creating it.
        lease_until: until when nobody else carries on with its creation.
        terms: those of its options on which prices depend, by name.
    """

    marker: str
    provider: str
    account: str
    channel_id: str
    name: str | None
    digest: str
    state: EntryState
    stream_id: str | None = field(validator=validators.optional(check_text))
    reason: str | None
    delete_recordings: bool
    created_at: datetime = field(converter=to_utc)
    changed_at: datetime = field(converter=to_utc)
    owner: str = field(validator=check_text)
    lease_until: datetime = field(converter=to_utc)
    terms: Mapping[str, str] = field(factory=dict, converter=to_clean_texts, hash=False)

    @classmethod
    def intent(cls, new: NewEntry, *, now: datetime, lease: float) -> Entry:
        """Return the entry to write before a live stream is asked for.

        Args:
            new: what is asked for.
            now: the present.
            lease: seconds for which nobody else carries on with it.
        """
        return cls(
            marker=new.marker,
            provider=new.provider,
            account=new.account,
            channel_id=new.channel_id,
            name=new.name,
            digest=new.digest,
            state=EntryState.CREATING,
            stream_id=None,
            reason=None,
            delete_recordings=False,
            created_at=now,
            changed_at=now,
            owner=new.owner,
            lease_until=now + timedelta(seconds=lease),
            terms=new.terms,
        )

    def claimed(
        self, *, now: datetime, lease: float, owner: str, instead_of: str | None
    ) -> Entry | None:
        """Return the entry in the hands of `owner`, or `None` if it is in good hands already."""
        is_free = self.lease_until <= now or self.owner == instead_of
        if self.state is not EntryState.CREATING or not is_free:
            return None
        return evolve(self, owner=owner, lease_until=now + timedelta(seconds=lease), changed_at=now)

    def renewed(self, *, now: datetime, lease: float, owner: str) -> Entry | None:
        """Return the entry with a new lease, or `None` if it is not the owner's any more."""
        if self.state is not EntryState.CREATING or self.owner != owner:
            return None
        return evolve(self, lease_until=now + timedelta(seconds=lease), changed_at=now)

    def created(self, stream_id: str, *, now: datetime) -> Entry:
        """Return the entry of what exists on the platform.

        One that was given up and appeared after all is active again.  Of two copies the first
        that was recorded stays.
        """
        if self.state not in {EntryState.CREATING, EntryState.ABANDONED}:
            return self
        return evolve(
            self, state=EntryState.ACTIVE, stream_id=stream_id, reason=None, changed_at=now
        )

    def abandoned(self, reason: str, *, now: datetime) -> Entry:
        """Return the entry of what was not created; one that is known to exist stays."""
        if self.state is not EntryState.CREATING:
            return self
        return evolve(
            self, state=EntryState.ABANDONED, reason=to_clean_text(reason), changed_at=now
        )

    def ending(self, *, delete_recordings: bool, now: datetime) -> Entry:
        """Return the entry of what is being ended; the latest word on recordings counts."""
        if self.state not in {EntryState.ACTIVE, EntryState.ENDING}:
            return self
        return evolve(
            self,
            state=EntryState.ENDING,
            delete_recordings=delete_recordings,
            changed_at=now,
        )

    def refused_to_end(self, *, now: datetime) -> Entry:
        """Return the entry of what goes on, because the platform refused to end it."""
        if self.state is not EntryState.ENDING:
            return self
        return evolve(self, state=EntryState.ACTIVE, changed_at=now)

    def ended(self, *, now: datetime) -> Entry:
        """Return the entry of what is gone from the platform."""
        if self.state not in {EntryState.ACTIVE, EntryState.ENDING}:
            return self
        return evolve(self, state=EntryState.ENDED, changed_at=now)


def latest(entries: Iterable[Entry]) -> Entry | None:
    """Return the one that an id means, of those that a platform gave the same id.

    It is one that has not ended, and the newest.
    """
    return max(
        entries,
        key=lambda one: (one.state is not EntryState.ENDED, one.created_at, one.marker),
        default=None,
    )


def already_there(marker: str, *, ledger: str) -> LedgerError:
    """Return the error of a marker that is used twice."""
    return LedgerError(f"the ledger {ledger} has an entry with the marker {marker}", ledger=ledger)


def not_there(marker: str, *, ledger: str) -> LedgerError:
    """Return the error of an entry that was written and cannot be found."""
    return LedgerError(
        f"the ledger {ledger} has no entry with the marker {marker}; was the ledger replaced?",
        ledger=ledger,
    )
