"""What one more observation of a live stream changes: one rule for every kind of ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from headend.ledger.journal import LedgerEventKind, NewEvent, key_of
from headend.ledger.usage import (
    LONGEST_GAP,
    QUARTER,
    LastSeen,
    SessionSpan,
    UnseenSpan,
    UsageSlot,
    higher,
    slot_start,
)
from headend.models import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.ledger.usage import Observation

_OFF: Final = frozenset(
    {StreamState.IDLE, StreamState.ENDED, StreamState.DISABLED, StreamState.ERROR}
)
"""The states that end a broadcast; an interruption does not."""

KEPT_SAMPLES: Final = timedelta(days=100)
"""For how long samples are kept; what they add up to stays."""

_NEW_COUNT: Final = 2
"""A platform's count that fell to less than this part of what it was counts a new session; one
that fell by less is a correction, such as those of sampled figures."""


@frozen(kw_only=True)
class Known:
    """What else the ledger knows of a live stream; asked for only where it is needed.

    Attributes:
        created_at: tells when it was asked for, or `None` where this ledger did not create it.
        sessions: gives the platform's sessions of which some part is between two moments.
    """

    created_at: Callable[[], datetime | None]
    sessions: Callable[[datetime, datetime], Sequence[SessionSpan]]


@frozen(kw_only=True)
class Change:
    """What an observation changes.

    Attributes:
        last: how the live stream was seen last; `None` where that is not worth keeping.
        slots: what is to be added, each slot once.
        unseen: a time in which nobody looked, or `None`.
        event: what went live or idle, or `None`.
        keeps_sample: whether the observation itself is kept.
    """

    last: LastSeen | None
    slots: tuple[UsageSlot, ...] = ()
    unseen: UnseenSpan | None = None
    event: NewEvent | None = None
    keeps_sample: bool = False


def observed(last: LastSeen | None, seen: Observation, known: Known) -> Change:
    """Return what changes when `seen` follows `last`.

    An observation that is older than the last one can only raise the highest viewer count.
    """
    if last is not None and seen.at < last.at:
        return _late(last, seen)
    before = last or _never_seen(seen)
    state = _state(before, seen)
    if last is None and state is not StreamState.LIVE and seen.total_watch_time is None:
        return Change(last=None)
    slots = _Slots()
    unseen = None
    if before.state is StreamState.LIVE and state is not None:
        if before.state_at is not None and seen.at - before.state_at <= LONGEST_GAP:
            _add_live(slots, before, seen.at)
        else:
            unseen = UnseenSpan(ref=seen.ref, since=before.at, until=seen.at)
    after = evolve(
        before,
        channel_id=seen.channel_id or before.channel_id,
        name=seen.name or before.name,
    )
    if seen.total_watch_time is not None and seen.at >= (before.watched_at or seen.at):
        watched = _add_watched(slots, before, seen, seen.total_watch_time, known)
        after = evolve(after, total_watch_time=watched, watched_at=seen.at)
    if seen.peak_viewers not in {None, before.platform_peak}:
        after = evolve(after, platform_peak=seen.peak_viewers)
        if last is not None or state is StreamState.LIVE:
            slots.add(UsageSlot(ref=seen.ref, start=seen.at, platform_peak=seen.peak_viewers))
    if state is None:
        return Change(last=after, slots=slots.all(), unseen=unseen)
    if state is StreamState.LIVE and seen.viewer_count is not None:
        slots.add(UsageSlot(ref=seen.ref, start=seen.at, peak_viewers=seen.viewer_count))
    after = evolve(
        after,
        at=seen.at,
        state=state,
        state_at=seen.at if _tells_state(seen) else before.state_at,
        viewer_count=seen.viewer_count,
        current_bitrate=seen.current_bitrate,
    )
    after, event = _broadcast(before, after, seen)
    return Change(
        last=after,
        slots=slots.all(),
        unseen=unseen,
        event=event,
        keeps_sample=state is StreamState.LIVE or event is not None,
    )


def _late(last: LastSeen, seen: Observation) -> Change:
    if seen.state is not StreamState.LIVE or seen.viewer_count is None:
        return Change(last=last)
    if last.live_since is not None and seen.at >= last.live_since:
        last = evolve(last, peak_viewers=higher(last.peak_viewers, seen.viewer_count))
    peak = UsageSlot(ref=seen.ref, start=slot_start(seen.at), peak_viewers=seen.viewer_count)
    return Change(last=last, slots=(peak,))


def _never_seen(seen: Observation) -> LastSeen:
    return LastSeen(
        ref=seen.ref,
        channel_id=None,
        name=None,
        at=seen.at,
        state=None,
        state_at=None,
        live_since=None,
        viewer_count=None,
        current_bitrate=None,
        peak_viewers=None,
        platform_peak=None,
        total_watch_time=None,
        watched_at=None,
    )


def _tells_state(seen: Observation) -> bool:
    return seen.state not in {None, StreamState.UNKNOWN}


def _state(before: LastSeen, seen: Observation) -> StreamState | None:
    """Return the state that counts, or `None` where none was told for too long."""
    if _tells_state(seen):
        return seen.state
    is_fresh = before.state_at is not None and seen.at - before.state_at <= LONGEST_GAP
    return before.state if is_fresh else None


def _add_live(slots: _Slots, before: LastSeen, until: datetime) -> None:
    viewers, bitrate = before.viewer_count, before.current_bitrate
    if until == before.at:
        return
    for start, seconds in _pieces(before.at, until):
        sent = None if bitrate is None else bitrate / 8 * seconds
        slots.add(
            UsageSlot(
                ref=before.ref,
                start=start,
                live_seconds=seconds,
                uncounted_seconds=seconds if viewers is None else 0.0,
                viewer_seconds=None if viewers is None else viewers * seconds,
                ingest_bytes=sent,
                delivered_bytes=None if sent is None or viewers is None else sent * viewers,
                peak_viewers=viewers,
            )
        )


def _add_watched(
    slots: _Slots, before: LastSeen, seen: Observation, total: float, known: Known
) -> float:
    """Add what the platform's watch time grew by, and return from where it grows next."""
    earlier, begun = before.total_watch_time, seen.watch_time_since
    if earlier is None:
        # It came late, or the live stream was made here and nobody looked until now.
        since, growth = begun or before.live_since or known.created_at(), total
    elif begun is not None and before.watched_at is not None and begun > before.watched_at:
        # However much it is: what was told before was of another session.
        since, growth = begun, total
    elif total >= earlier:
        since, growth = before.watched_at, total - earlier
    elif total * _NEW_COUNT < earlier:
        since, growth = before.watched_at, total
    else:
        since, growth, total = before.watched_at, 0.0, earlier
    if since is not None:
        times = _times(seen, min(since, seen.at), known)
        whole = sum((until - begin).total_seconds() for begin, until in times)
        for begin, until in times:
            for start, seconds in _pieces(begin, until):
                share = growth * seconds / whole if whole else growth
                slots.add(UsageSlot(ref=seen.ref, start=start, watch_seconds=share))
    return total


def _times(seen: Observation, since: datetime, known: Known) -> list[tuple[datetime, datetime]]:
    """Return the times over which what was watched since then is spread."""
    if seen.at - since > LONGEST_GAP:
        live = [
            (max(one.started_at, since), min(one.ended_at or seen.at, seen.at))
            for one in known.sessions(since, seen.at)
        ]
        if live := [(begin, until) for begin, until in live if begin < until]:
            return live
    return [(since, seen.at)]


def _broadcast(
    before: LastSeen, after: LastSeen, seen: Observation
) -> tuple[LastSeen, NewEvent | None]:
    """Return it with the broadcast that begins, goes on or ends, and the event that this is."""
    is_on = before.live_since is not None
    if after.state is StreamState.LIVE:
        peak = higher(before.peak_viewers if is_on else None, seen.viewer_count)
        if is_on:
            return evolve(after, peak_viewers=peak), None
        after = evolve(after, peak_viewers=peak, live_since=seen.at)
        return after, _event(LedgerEventKind.WENT_LIVE, after, seen)
    if after.state in _OFF and is_on:
        return evolve(after, live_since=None), _event(LedgerEventKind.WENT_IDLE, after, seen)
    return after, None


def message_key(seen: Observation) -> str | None:
    """Return the key of the event that a platform's message causes; `None` if it is none."""
    if seen.message_id is None:
        return None
    return key_of("message", seen.provider, seen.account, seen.message_id)


def _event(kind: LedgerEventKind, after: LastSeen, seen: Observation) -> NewEvent:
    moment = seen.at.isoformat()
    return NewEvent(
        key=message_key(seen) or key_of(kind, *_names(seen), moment),
        kind=kind,
        occurred_at=seen.at,
        provider=seen.provider,
        account=seen.account,
        stream_id=seen.stream_id,
        channel_id=after.channel_id,
        caused_by=seen.caused_by,
    )


def _names(seen: Observation) -> tuple[str, str, str]:
    return seen.provider, seen.account, seen.stream_id


class _Slots:
    """The slots that are added to, each once."""

    def __init__(self) -> None:
        self._slots: dict[datetime, UsageSlot] = {}

    def add(self, more: UsageSlot) -> None:
        """Add to the slot that `more.start` is in."""
        start = slot_start(more.start)
        here = self._slots.get(start)
        more = evolve(more, start=start)
        self._slots[start] = more if here is None else here.plus(more)

    def all(self) -> tuple[UsageSlot, ...]:
        """Return them by time."""
        return tuple(self._slots[start] for start in sorted(self._slots))


def _pieces(begin: datetime, until: datetime) -> Iterator[tuple[datetime, float]]:
    """Cut a time into slots, each with its beginning and the seconds in it."""
    start = slot_start(begin)
    while True:
        end = min(start + QUARTER, until)
        yield start, (end - max(start, begin)).total_seconds()
        if end == until:
            return
        start += QUARTER
