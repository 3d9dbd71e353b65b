"""Comparing ledger and platform in both directions, and bringing them in line.

What the ledger does not know of is touched only when it bears this ledger's marker, only when
asked, and never while it is live.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.errors import PlatformError, StreamNotFoundError
from headend.ledger import BY_PLATFORM, EntryState, LedgerEventKind, NewEvent, key_of
from headend.lifecycle import (
    marker_prefix,
    oldest,
    owner_is_dead,
    take_over,
    told_if_not_recorded,
)
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from headend.clock import Clock
    from headend.ledger import Entry, Ledger
    from headend.lifecycle import Lifecycle
    from headend.models import LiveStream
    from headend.provider import Provider

_LEASE: Final = 60.0
"""Seconds for which nobody else decides about an open creation."""

_BUSY: Final = frozenset({StreamState.LIVE, StreamState.CONNECTING, StreamState.INTERRUPTED})


class FindingKind(StrEnum):
    """How ledger and platform can differ."""

    ORPHAN = "orphan"
    """On the platform with this ledger's marker, and not wanted by the ledger."""
    DUPLICATE = "duplicate"
    """A second one with the marker of one that the ledger knows."""
    FOREIGN = "foreign"
    """On the platform without this ledger's marker; never touched."""
    VANISHED = "vanished"
    """In the ledger, and gone from the platform."""
    OPEN_INTENT = "open-intent"
    """A creation whose fate nobody recorded."""
    HALF_ENDED = "half-ended"
    """An end that began and was not finished."""


class Action(StrEnum):
    """What was done about a finding, or would be."""

    NONE = "none"
    END = "end"
    ADOPT = "adopt"
    ABANDON = "abandon"
    RECORD_ENDED = "record-ended"
    FINISH_ENDING = "finish-ending"


_KIND_OF: Final[dict[EntryState | None, FindingKind]] = {
    EntryState.CREATING: FindingKind.OPEN_INTENT,
    EntryState.ACTIVE: FindingKind.VANISHED,
    EntryState.ENDING: FindingKind.HALF_ENDED,
}


@frozen(kw_only=True)
class Finding:
    """One difference between ledger and platform.

    Attributes:
        kind: how they differ.
        stream_id: the live stream, or `None` where there is none.
        channel_id: the host's own id, where it is known.
        marker: the mark on it, or `None`.
        why: what was seen, in words.
        action: what brings them in line.
        done: whether that was done.
    """

    kind: FindingKind
    stream_id: str | None
    channel_id: str | None
    marker: str | None
    why: str
    action: Action
    done: bool = False


class Reconciliation:
    """One comparison of a provider's platform with the ledger."""

    def __init__(
        self,
        *,
        provider: Provider,
        name: str,
        settle_time: float,
        ledger: Ledger,
        lifecycle: Lifecycle,
        clock: Clock,
        dry_run: bool,
        clean: bool,
        older_than: float,
    ) -> None:
        self._provider = provider
        self._name = name
        self._ledger = ledger
        self._lifecycle = lifecycle
        self._settle_time = timedelta(seconds=settle_time)
        self._older_than = timedelta(seconds=older_than)
        self._clock = clock
        self._dry_run = dry_run
        self._clean = clean and not dry_run
        self._prefix = marker_prefix(ledger)
        self._now: datetime = clock.now()

    def run(self) -> list[Finding]:
        """Compare over all pages, act, and return the differences."""
        # The ledger first: what is created while the list is read is then no orphan.
        entries = self._ledger.entries(self._name, self._provider.account)
        known = {entry.marker: entry for entry in entries}
        present: dict[str, list[LiveStream]] = defaultdict(list)
        findings: list[Finding] = []
        for stream in self._provider.list_live_streams():
            if stream.marker is None or not stream.marker.startswith(self._prefix):
                findings.append(self._foreign(stream))
            else:
                present[stream.marker].append(stream)
        for marker, streams in present.items():
            found = known.get(marker) or self._ledger.by_marker(marker)
            findings += self._each(self._on_platform(found, streams), found, streams[0])
        for entry in entries:
            if entry.marker not in present:
                findings += self._each(self._not_listed(entry), entry, None)
        return findings

    def _each(
        self, steps: Iterator[Finding], entry: Entry | None, stream: LiveStream | None
    ) -> Iterator[Finding]:
        """Go on with the others where the platform refuses one."""
        try:
            yield from steps
        except PlatformError as error:
            yield Finding(
                kind=_KIND_OF.get(entry.state if entry else None, FindingKind.ORPHAN),
                stream_id=stream.stream_id if stream else entry.stream_id if entry else None,
                channel_id=stream.channel_id if stream else entry.channel_id if entry else None,
                marker=stream.marker if stream else entry.marker if entry else None,
                why=f"the platform refused: {error}",
                action=Action.NONE,
            )

    def _on_platform(self, entry: Entry | None, streams: list[LiveStream]) -> Iterator[Finding]:
        if entry is None or entry.state is EntryState.ABANDONED:
            why = "it bears this ledger's marker and " + (
                "the ledger does not know it" if entry is None else "its creation counted as failed"
            )
            yield from (self._surplus(FindingKind.ORPHAN, one, why) for one in streams)
            return
        if entry.state is EntryState.CREATING:
            if not self._is_open(entry):
                return
            kept: LiveStream | None = oldest(streams)
            yield from self._adopt(entry, oldest(streams))
        else:
            kept = next((one for one in streams if one.stream_id == entry.stream_id), None)
        for one in streams:
            if kept is None or one.stream_id != kept.stream_id:
                why = f"the ledger has {entry.stream_id or 'another'} for the same marker"
                yield self._surplus(FindingKind.DUPLICATE, one, why)
        if kept is None:
            yield from self._not_listed(entry)
        elif entry.state is EntryState.ENDING:
            yield self._finish_ending(entry)
        elif entry.state is EntryState.ENDED and not self._is_gone(entry):
            why = "the ledger says that it has ended"
            yield self._surplus(FindingKind.ORPHAN, kept, why)

    def _not_listed(self, entry: Entry) -> Iterator[Finding]:
        if entry.state is EntryState.CREATING and self._is_open(entry):
            # The list was read after the ledger, so what is older than it needs to settle is not
            # there; of what is younger, the platform's own search by marker may know more.
            if self._now - entry.changed_at >= self._settle_time:
                yield from self._abandon(entry)
            elif found := self._provider.find_live_streams(entry.marker, entry.name):
                yield from self._adopt(entry, oldest(found))
            else:
                yield self._undecided(entry)
        elif entry.state is EntryState.ACTIVE and self._is_gone(entry):
            yield self._record_ended(entry, FindingKind.VANISHED, "the platform does not have it")
        elif entry.state is EntryState.ENDING:
            if self._is_gone(entry):
                why = "it is gone, and its end was not recorded"
                yield self._record_ended(entry, FindingKind.HALF_ENDED, why)
            else:
                yield self._finish_ending(entry)

    def _is_open(self, entry: Entry) -> bool:
        """Tell whether nobody is carrying out this creation any more."""
        return entry.lease_until <= self._now or owner_is_dead(entry.owner)

    def _is_gone(self, entry: Entry) -> bool:
        assert entry.stream_id is not None
        try:
            self._provider.get_live_stream(entry.stream_id)
        except StreamNotFoundError:
            return True
        return False

    def _foreign(self, stream: LiveStream) -> Finding:
        made_by = "without headend" if stream.marker is None else "by another ledger"
        return Finding(
            kind=FindingKind.FOREIGN,
            stream_id=stream.stream_id,
            channel_id=stream.channel_id,
            marker=stream.marker,
            why=f"it was made {made_by}",
            action=Action.NONE,
        )

    def _surplus(self, kind: FindingKind, stream: LiveStream, why: str) -> Finding:
        def finding(action: Action, reason: str = "", *, done: bool = False) -> Finding:
            return Finding(
                kind=kind,
                stream_id=stream.stream_id,
                channel_id=stream.channel_id,
                marker=stream.marker,
                why=f"{why}{reason}",
                action=action,
                done=done,
            )

        # Asked for right before, in a dry run too: what it says is then what would be done.
        try:
            seen = self._provider.get_live_stream(stream.stream_id)
        except StreamNotFoundError:
            return finding(Action.NONE, "; it went away meanwhile")
        with told_if_not_recorded(f"{stream.stream_id} was found"):
            self._append_orphan(kind, stream, why)
        if seen.state in _BUSY or seen.state is None or seen.state is StreamState.UNKNOWN:
            return finding(Action.NONE, f"; it is {seen.state or 'in an unknown state'} and stays")
        made_at = seen.created_at or stream.created_at
        if self._older_than and (made_at is None or self._now - made_at < self._older_than):
            return finding(Action.NONE, "; it is younger than asked for, or its age is unknown")
        if not self._clean:
            return finding(Action.END)
        self._lifecycle.end(stream.stream_id, delete_recordings=False)
        return finding(Action.END, done=True)

    def _append_orphan(self, kind: FindingKind, stream: LiveStream, why: str) -> None:
        named = (self._name, self._provider.account, stream.stream_id)
        event = NewEvent(
            key=key_of(LedgerEventKind.ORPHAN_FOUND, *named),
            kind=LedgerEventKind.ORPHAN_FOUND,
            occurred_at=self._now,
            provider=self._name,
            account=self._provider.account,
            stream_id=stream.stream_id,
            channel_id=stream.channel_id,
            caused_by=BY_PLATFORM,
            detail={"finding": kind.value, "why": why},
        )
        self._ledger.append(event, now=self._now)

    def _take_over(self, entry: Entry) -> bool:
        """Make sure that nobody carries on with a creation while it is decided."""
        return self._dry_run or take_over(self._ledger, entry, now=self._clock.now(), lease=_LEASE)

    def _adopt(self, entry: Entry, stream: LiveStream) -> Iterator[Finding]:
        if not self._take_over(entry):
            return
        if not self._dry_run:
            self._ledger.created(entry.marker, stream.stream_id, now=self._clock.now())
        yield self._about(
            entry,
            FindingKind.OPEN_INTENT,
            Action.ADOPT,
            "its creation was not recorded, and the platform has it",
            stream_id=stream.stream_id,
        )

    def _abandon(self, entry: Entry) -> Iterator[Finding]:
        if not self._take_over(entry):
            return
        if not self._dry_run:
            self._ledger.abandoned(entry.marker, "not on the platform", now=self._clock.now())
        why = "its creation was not recorded, and the platform does not have it"
        yield self._about(entry, FindingKind.OPEN_INTENT, Action.ABANDON, why)

    def _undecided(self, entry: Entry) -> Finding:
        why = (
            "its creation was not recorded, and the platform does not show it; it may do so until "
            f"{self._settle_time.total_seconds():g} s after it was asked for"
        )
        return self._about(entry, FindingKind.OPEN_INTENT, Action.NONE, why)

    def _record_ended(self, entry: Entry, kind: FindingKind, why: str) -> Finding:
        if not self._dry_run:
            assert entry.stream_id is not None
            self._ledger.ended(
                self._name,
                entry.account,
                entry.stream_id,
                now=self._clock.now(),
                caused_by=BY_PLATFORM,
            )
        return self._about(entry, kind, Action.RECORD_ENDED, why)

    def _finish_ending(self, entry: Entry) -> Finding:
        if not self._dry_run:
            assert entry.stream_id is not None
            self._lifecycle.end(entry.stream_id, delete_recordings=entry.delete_recordings)
        why = "its end began and was not finished"
        return self._about(entry, FindingKind.HALF_ENDED, Action.FINISH_ENDING, why)

    def _about(
        self,
        entry: Entry,
        kind: FindingKind,
        action: Action,
        why: str,
        *,
        stream_id: str | None = None,
    ) -> Finding:
        return Finding(
            kind=kind,
            stream_id=stream_id or entry.stream_id,
            channel_id=entry.channel_id,
            marker=entry.marker,
            why=why,
            action=action,
            done=not self._dry_run and action is not Action.NONE,
        )
