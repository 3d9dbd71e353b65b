"""Asking one provider again and again, with as few requests as it takes.

* The list of live streams is read every `LIST_EVERY` seconds.  Where it tells all
  states, it is read at every look, and nobody is asked one by one.
* Otherwise those that may be live are asked for their state at every look, the others in turn:
  `FIRST_LOOKS` of those that nobody has looked at yet and `LOOKS` of the rest.  What the ledger
  knows to be live, for instance by a message of the platform, does not wait for its turn.
* The figures of all that are live come with one call where the provider can do that.
* When a broadcast has begun or ended, the platform's own sessions are asked for, and after its end
  recordings and watch time as well; `CLOSINGS` of them at a look, lest a day's end floods the
  platform.

All of it waits its turn as all requests do, so that a look may take longer than its interval.
"""

from __future__ import annotations

import heapq
import logging
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from attrs import evolve, field, frozen

from headend.costs.collect import collect_one, collect_sessions
from headend.errors import (
    AuthenticationError,
    HeadendError,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    RateLimitedError,
    StreamNotFoundError,
)
from headend.ledger.usage import Observation, StreamRef
from headend.models import LiveStream, StreamAnalytics, StreamState
from headend.provider import Provider
from headend.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend.clock import Clock
    from headend.costs.collect import Collected
    from headend.ledger import Ledger
    from headend.platform import StreamingPlatform
    from headend.watch.keeping import Keeper

LIST_EVERY: Final = 30.0
"""Seconds from one reading of a list that does not tell states to the next."""

FIRST_LOOKS: Final = 200
"""Live streams that are looked at for the first time, at most, in one look."""

LOOKS: Final = 20
"""Live streams in which nothing goes on that are looked at again, at most, in one look."""

CLOSINGS: Final = 5
"""Live streams whose broadcast has begun or ended that are asked about, at most, in one look."""

SETTLED: Final = 30.0
"""Seconds after the beginning of a broadcast when the platform is asked for its session: by then
it knows what the encoder sends."""

LATE: Final = 600.0
"""Seconds after the end of a broadcast when it is asked a second time: recordings come late."""

RETRY: Final = 60.0
"""Seconds after which that is tried again where the platform was out of order."""

ON_AIR: Final = frozenset({StreamState.LIVE, StreamState.INTERRUPTED})
"""The states in which there are figures."""

_OFF: Final = frozenset(
    {StreamState.IDLE, StreamState.ENDED, StreamState.DISABLED, StreamState.ERROR}
)

_OUTAGES: Final = (
    PlatformUnavailableError,
    PlatformTimeoutError,
    RateLimitedError,
    AuthenticationError,
)
"""Errors that the next request would meet as well."""

GONE: Final = "the platform does not have it any more"

_log: Final = logging.getLogger("headend.watch")


@frozen(kw_only=True)
class Seen:
    """One live stream, as it was when it was looked at last.

    Attributes:
        stream: as the platform had it; its state may be that of a list, which tells none.
        state: what it was doing, or `None` where nobody has looked yet.
        reason: why, in words, or `None`.
        at: when that was told, or `None`.
        look: the number of the look in which that was told; 0 before the first.
        tried: the number of the look in which it was asked for last; 0 before the first.
        is_on: whether a broadcast goes on, by all that is known.
        figures: of the same look, or `None` where there are none.
        problem: why it could not be asked for, in words, or `None`.
        is_gone: whether the platform does not have it any more.
    """

    stream: LiveStream
    state: StreamState | None = None
    reason: str | None = None
    at: datetime | None = None
    look: int = 0
    tried: int = 0
    is_on: bool = False
    figures: StreamAnalytics | None = None
    problem: str | None = None
    is_gone: bool = False

    def told(self, state: StreamState, reason: str | None, at: datetime, look: int) -> Seen:
        """Return it with a state that the platform told."""
        is_on = state in ON_AIR or (self.is_on and state not in _OFF)
        return evolve(
            self,
            state=state,
            reason=reason,
            at=at,
            look=look,
            tried=look,
            is_on=is_on,
            figures=None,
            problem=None,
        )


@frozen(order=True)
class _Due:
    """A live stream that the platform is to be asked about, at a moment of the monotonic clock."""

    at: float
    number: int
    stream_id: str = field(order=False)
    is_over: bool = field(order=False)


class Poll:
    """Asks one provider.  `look` is for one thread at a time; the rest may be read by others.

    Attributes:
        platform: the opened provider.
        looks: how many looks there were; 0 before the first.
        looked_at: when the last one was over, or `None`.
        problem: why the last one broke off, or `None`.
        notes: what else a person should know.
    """

    def __init__(self, platform: StreamingPlatform, keeper: Keeper, clock: Clock) -> None:
        self.platform = platform
        self.looks = 0
        self.looked_at: datetime | None = None
        self.problem: HeadendError | None = None
        self.notes: tuple[str, ...] = ()
        self._keeper = keeper
        self._clock = clock
        self._account: str | None = None
        self._streams: dict[str, Seen] = {}
        self._next_list = float("-inf")
        self._begun: set[str] = set()
        self._due: list[_Due] = []
        self._numbers = count()

    @property
    def streams(self) -> list[Seen]:
        """All live streams, as they were seen last."""
        return list(self._streams.values())

    @property
    def can_batch(self) -> bool:
        """Whether the figures of many come with one call."""
        return Capability.BATCH_ANALYTICS in self.platform.capabilities

    def ref(self, stream_id: str) -> StreamRef:
        """Name a live stream of this provider among those of all."""
        # Before the account is known, there is no live stream either.
        return StreamRef(self.platform.provider, self._account or "-", stream_id)

    def look(self, *, thoroughly: bool = False) -> None:
        """Look at all live streams once, and tell the ledger; what goes wrong is in `problem`.

        Args:
            thoroughly: look at all that nobody has looked at yet, however many they are.
        """
        self.looks += 1
        notes: list[str] = []
        problem: HeadendError | None = None
        try:
            self._look(notes, thoroughly=thoroughly)
        except HeadendError as error:
            problem = error
        except Exception as error:  # noqa: BLE001  # a defect in one plugin stops no other
            _log.exception("%s could not be looked at", self.platform.provider)
            problem = HeadendError(
                f"this is a defect, and the log has more: {type(error).__name__}"
            )
        self.problem, self.notes = problem, tuple(notes)
        self.looked_at = self._clock.now()

    def _look(self, notes: list[str], *, thoroughly: bool) -> None:
        if self._account is None:
            self._account = self.platform.native(Provider).account
        known = self._known_to_ledger()
        was_on = {name for name, one in self._streams.items() if one.is_on} | known
        if self._clock.monotonic() >= self._next_list:
            self._list(notes)
        told = [one for one in self.streams if one.look == self.looks]
        for one in self._to_look_at(known, thoroughly=thoroughly):
            seen = self._ask_for_state(one)
            if not self.can_batch:
                self._finish(self._with_figures(seen), was_on)
            else:
                told.append(seen)
        if self.can_batch:
            self._ask_for_all_figures(told)
            told = [self._streams[one.stream.stream_id] for one in told]
        else:
            told = [self._with_figures(one) for one in told]
        for one in told:
            self._finish(one, was_on)
        self._ask_about_sessions()

    # -- which there are, and what they do ---------------------------------------------------------

    def _known_to_ledger(self) -> set[str]:
        """Return the ids of those that the ledger believes to be live."""
        return {
            ref.stream_id
            for ref, last in self._keeper.last_seen().items()
            if (ref.provider, ref.account) == (self.platform.provider, self._account)
            and last.live_since is not None
        }

    def _list(self, notes: list[str]) -> None:
        """Read the list of live streams; those that are not in it any more are to be looked at."""
        found: dict[str, LiveStream] = {}
        is_whole = True
        try:
            for one in self.platform.list_live_streams():
                found[one.stream_id] = one
        except PlatformProtocolError as error:
            # Some platforms tell that there are more than they give.
            if not found:
                raise
            is_whole = False
            notes.append(str(error))
        now = self._clock.now()
        streams = dict(self._streams)
        for name, listed in found.items():
            before = streams.get(name)
            seen = Seen(stream=listed) if before is None else evolve(before, stream=listed)
            if before is not None and before.is_gone:
                seen = Seen(stream=listed)
            if listed.state is not None:
                seen = seen.told(listed.state, listed.state_reason, now, self.looks)
            streams[name] = seen
        if is_whole:
            for name in streams.keys() - found.keys():
                if streams[name].is_gone or not streams[name].is_on:
                    del streams[name]
        self._streams = streams
        tells_states = bool(found) and all(one.state is not None for one in found.values())
        self._next_list = self._clock.monotonic() + (0.0 if tells_states else LIST_EVERY)

    def _to_look_at(self, known: set[str], *, thoroughly: bool) -> list[Seen]:
        """Return those whose state is to be asked for, the most urgent first."""
        waiting = [one for one in self.streams if one.look != self.looks and not one.is_gone]
        urgent: list[Seen] = []
        new: list[Seen] = []
        old: list[Seen] = []
        for one in waiting:
            if one.is_on or one.state is StreamState.CONNECTING or one.stream.stream_id in known:
                urgent.append(one)
            else:
                (old if one.tried else new).append(one)
        now = self._clock.now()
        # A live stream that was created lately is the likeliest to go live.
        new.sort(key=lambda one: _age(one.stream, now))
        old.sort(key=lambda one: one.tried)
        return [*urgent, *(new if thoroughly else new[:FIRST_LOOKS]), *old[:LOOKS]]

    def _ask_for_state(self, one: Seen) -> Seen:
        name = one.stream.stream_id
        try:
            stream = self.platform.get_live_stream(name)
        except StreamNotFoundError:
            gone = one.told(StreamState.ENDED, GONE, self._clock.now(), self.looks)
            return self._keep(evolve(gone, is_gone=True))
        except _OUTAGES:
            raise
        except PlatformError as error:
            return self._keep(evolve(one, tried=self.looks, figures=None, problem=str(error)))
        state = stream.state or StreamState.UNKNOWN
        known = evolve(one, stream=stream)
        return self._keep(known.told(state, stream.state_reason, self._clock.now(), self.looks))

    def _keep(self, seen: Seen) -> Seen:
        self._streams[seen.stream.stream_id] = seen
        return seen

    # -- figures -----------------------------------------------------------------------------------

    def _with_figures(self, one: Seen) -> Seen:
        """Ask for the figures of one that is live."""
        if one.state not in ON_AIR or one.look != self.looks:
            return one
        try:
            figures = self.platform.get_analytics(one.stream.stream_id)
        except StreamNotFoundError:
            return self._ask_for_state(one)
        except _OUTAGES:
            raise
        except PlatformError as error:
            return self._keep(evolve(one, problem=str(error)))
        return self._keep(evolve(one, figures=figures))

    def _ask_for_all_figures(self, told: Iterable[Seen]) -> None:
        """Ask for the figures of all that are live with one call."""
        live = [one for one in told if one.state in ON_AIR and one.look == self.looks]
        if not live:
            return
        try:
            figures = self.platform.get_analytics_many([one.stream.stream_id for one in live])
        except StreamNotFoundError:
            # One of them has just gone, and the platform may not tell which.
            for one in live:
                self._with_figures(one)
            return
        except _OUTAGES:
            raise
        except PlatformError as error:
            for one in live:
                self._keep(evolve(one, problem=str(error)))
            return
        for one, found in zip(live, figures, strict=True):
            self._keep(evolve(one, figures=found))

    # -- what the ledger is told -------------------------------------------------------------------

    def _finish(self, one: Seen, was_on: set[str]) -> None:
        """Tell the ledger of one that is live, or was so until now."""
        name, figures = one.stream.stream_id, one.figures
        if one.at is None or one.look != self.looks or not (one.is_on or name in was_on):
            return
        self._keeper.observe(
            Observation(
                provider=self.platform.provider,
                account=self.ref(name).account,
                stream_id=name,
                channel_id=one.stream.channel_id,
                name=one.stream.name,
                at=one.at if figures is None else max(one.at, figures.as_of),
                state=one.state,
                viewer_count=None if figures is None else figures.viewer_count,
                current_bitrate=None if figures is None else figures.current_bitrate,
                peak_viewers=None if figures is None else figures.peak_viewers,
                total_watch_time=None if figures is None else figures.total_watch_time,
                watch_time_since=None if figures is None else figures.watch_time_since,
            )
        )
        if one.is_on and name not in self._begun:
            self._begun.add(name)
            if Capability.SESSIONS in self.platform.capabilities:
                self._ask_in(SETTLED, name, is_over=False)
        if not one.is_on:
            self._begun.discard(name)
            if not one.is_gone:
                self._ask_in(0.0, name, is_over=True)
                self._ask_in(LATE, name, is_over=True)

    def _ask_in(self, seconds: float, stream_id: str, *, is_over: bool) -> None:
        at = self._clock.monotonic() + seconds
        heapq.heappush(self._due, _Due(at, next(self._numbers), stream_id, is_over))

    def _ask_about_sessions(self) -> None:
        """Ask for what the platform itself counted of broadcasts that have begun or ended."""
        for _ in range(CLOSINGS):
            if not self._due or self._due[0].at > self._clock.monotonic() or self._keeper.problem:
                return
            due = heapq.heappop(self._due)
            ref = self.ref(due.stream_id)
            try:
                kept = self._keeper.do(partial(self._record, ref, is_over=due.is_over))
            except _OUTAGES:
                self._ask_in(RETRY, due.stream_id, is_over=due.is_over)
                raise
            except PlatformError as error:
                _log.warning("%s: what the platform counted is not known: %s", ref.stream_id, error)
            else:
                # What could not be kept, nobody else may ask for.
                if kept is None:
                    self._ask_in(RETRY, due.stream_id, is_over=due.is_over)

    def _record(self, ref: StreamRef, ledger: Ledger, *, is_over: bool) -> Collected | int:
        if not is_over:
            return collect_sessions(self.platform, ledger, self._clock, ref)
        seen = self._streams.get(ref.stream_id)
        channel_id = None if seen is None else seen.stream.channel_id
        return collect_one(self.platform, ledger, self._clock, ref, channel_id)


def _age(stream: LiveStream, now: datetime) -> timedelta:
    """Return how old a live stream is; one that does not tell is taken to be the oldest."""
    return timedelta.max if stream.created_at is None else now - stream.created_at
