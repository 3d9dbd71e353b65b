"""The journal: what happened to live streams, each thing written once and never changed.

An event has a key that says what it is about, such as ``ended:<marker>``.  Two workers that see
the same thing give it the same key, and the second one's event is not written.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from attrs import asdict, field, frozen, validators

from headend.ledger.values import check_text, to_clean_text, to_clean_texts, to_utc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from headend.clock import Clock
    from headend.ledger.entry import Entry
    from headend.ledger.store import Ledger

BY_PLATFORM: Final = "platform"
"""Who caused what was seen at the platform, or told by it."""

BY_HEADEND: Final = "headend"
"""Who caused what headend found out by itself, such as that a budget is used up."""

_AT_ONCE: Final = 1000
_LOOK: Final = 1.0
"""Seconds between two looks for new events."""

_optional_text = validators.optional(check_text)


class LedgerEventKind(StrEnum):
    """The closed list of what the journal tells."""

    CREATED = "created"
    """A live stream was created."""
    ENDED = "ended"
    """A live stream is gone from the platform."""
    WENT_LIVE = "went-live"
    """An encoder began to push."""
    WENT_IDLE = "went-idle"
    """It stopped, for longer than an interruption."""
    KEY_ROTATED = "key-rotated"
    """The stream key was replaced."""
    RECORDING_DELETED = "recording-deleted"
    """A recording is gone from the platform."""
    BUDGET_ALERT = "budget-alert"
    """A threshold of a budget was reached."""
    ORPHAN_FOUND = "orphan-found"
    """The platform has a live stream of this ledger that the ledger does not want."""


@frozen(kw_only=True)
class NewEvent:
    """Something that is to be written into the journal, unless it is there.

    Attributes:
        key: what it is about; of several with the same key the first is kept.
        kind: what happened.
        occurred_at: when it happened; aware.
        provider: the provider's name, or `None` where it is not about one.
        account: the account and region at the provider, or `None`.
        stream_id: the live stream, or `None` where it is not about one.
        channel_id: the host's own id for what it broadcasts, where it is known.
        caused_by: the program that did it (``HEADEND_ACTOR``), `BY_PLATFORM` or `BY_HEADEND`.
        detail: more about it, by name; never a secret.
    """

    key: str = field(validator=validators.and_(validators.min_len(1), check_text))
    kind: LedgerEventKind = field(converter=LedgerEventKind)
    occurred_at: datetime = field(converter=to_utc)
    provider: str | None = field(default=None, validator=_optional_text)
    account: str | None = field(default=None, validator=_optional_text)
    stream_id: str | None = field(default=None, validator=_optional_text)
    channel_id: str | None = field(default=None, validator=_optional_text)
    caused_by: str = field(converter=to_clean_text)
    detail: Mapping[str, str] = field(factory=dict, converter=to_clean_texts, hash=False)


@frozen(kw_only=True)
class LedgerEvent(NewEvent):
    """Something that is in the journal.

    Attributes:
        number: grows from event to event.  Whoever has read up to one number misses nothing by
            going on after it: what comes later has a higher one, whichever process writes it.
        recorded_at: when it was written, by the clock of who wrote it.
        key: what it is about; no other event has it.
        kind: what happened.
        occurred_at: when it happened, in UTC.
        provider: the provider's name, or `None` where it is not about one.
        account: the account and region at the provider, or `None`.
        stream_id: the live stream, or `None` where it is not about one.
        channel_id: the host's own id for what it broadcasts, where it is known.
        caused_by: the program that did it (``HEADEND_ACTOR``), `BY_PLATFORM` or `BY_HEADEND`.
        detail: more about it, by name; never a secret.
    """

    number: int
    recorded_at: datetime = field(converter=to_utc)

    @classmethod
    def of(cls, new: NewEvent, *, number: int, now: datetime) -> LedgerEvent:
        """Return what the journal has when `new` was written to it."""
        return cls(**asdict(new, recurse=False), number=number, recorded_at=now)


def key_of(*parts: str) -> str:
    """Return the key of an event from what makes it one of its kind, such as kind, provider, id."""
    return ":".join(quote(part, safe="") for part in parts)


def entry_event(kind: LedgerEventKind, entry: Entry, *, now: datetime, caused_by: str) -> NewEvent:
    """Return the event of what became of an entry, which happens to each entry once.

    Args:
        kind: what happened.
        entry: as it is then.
        now: when it happened.
        caused_by: who did it.
    """
    return NewEvent(
        key=key_of(kind, entry.marker),
        kind=kind,
        occurred_at=now,
        provider=entry.provider,
        account=entry.account,
        stream_id=entry.stream_id,
        channel_id=entry.channel_id,
        caused_by=caused_by,
    )


def follow(
    ledger: Ledger,
    *,
    clock: Clock,
    after: int = 0,
    since: datetime | None = None,
    kinds: Collection[LedgerEventKind] | None = None,
    provider: str | None = None,
) -> Iterator[LedgerEvent]:
    """Give the events that fit, and go on for ever with those that come.

    None is missed: a number that can be read means that all lower ones can be, since whoever
    writes an event has the counter locked until it can be read.  A database's own sequence would
    not do, as it gives numbers out before they are written.  What comes is given also where it
    occurred before `since`: a message of a platform may be late.

    Args:
        ledger: where they are.
        clock: waits between two looks.
        after: only those with a higher number.
        since: of those that are there, only those that occurred then or later.
        kinds: only those of these kinds.
        provider: only those about this provider.
    """
    look = partial(ledger.events, kinds=kinds, provider=provider, limit=_AT_ONCE)
    there = ledger.last_number()
    while since is not None and after < there:
        found = [one for one in look(after=after, since=since) if one.number <= there]
        yield from found
        after = found[-1].number if len(found) == _AT_ONCE else there
    while True:
        newest = ledger.last_number()
        if newest > after:
            found = look(after=after)
            yield from found
            if len(found) == _AT_ONCE:
                after = found[-1].number
                continue
            # What does not fit is not looked at again.
            after = max(newest, *(one.number for one in found[-1:]))
        clock.sleep(_LOOK)


def name_of_this_process() -> str:
    """Name this process for people: what causes an event where ``HEADEND_ACTOR`` names nobody."""
    return f"{socket.gethostname()}:{os.getpid()}"
