"""What a watcher sees: plain, frozen, without secrets.

Times are aware and in UTC, durations in seconds, bitrates in bits per second.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from attrs import frozen

from headend.costs.budgets import BudgetStatus
from headend.costs.lines import Basis
from headend.costs.money import Money
from headend.ledger.usage import StreamRef
from headend.models import StreamState


class Source(StrEnum):
    """Who found a figure out."""

    PLATFORM = "platform"
    """The platform tells it."""
    DERIVED = "derived"
    """headend worked it out from what it saw; `Figure.why` tells how."""


@frozen(kw_only=True)
class Figure:
    """A figure, or the reason why there is none.

    Attributes:
        value: the figure; `None` where it is not known, which is not the same as 0.
        source: who found it out; `None` where it is not known.
        why: how it was worked out, or why it is not known; `None` for what the platform tells.
    """

    value: float | None = None
    source: Source | None = None
    why: str | None = None

    @classmethod
    def told(cls, value: float) -> Self:
        """Return a figure of the platform."""
        return cls(value=value, source=Source.PLATFORM)

    @classmethod
    def derived(cls, value: float, how: str) -> Self:
        """Return a figure that headend worked out."""
        return cls(value=value, source=Source.DERIVED, why=how)

    @classmethod
    def unknown(cls, why: str) -> Self:
        """Return that there is none, and why."""
        return cls(why=why)


@frozen(kw_only=True)
class CostFigure:
    """What something has cost so far, or the reason why nobody knows.

    Attributes:
        amount: in the currency of the settings; `None` where it is not known.
        basis: whether all of it was measured, or some estimated; `None` where it is not known.
        is_all: `False` where something was used besides whose cost is not known.
        why: what is not known, or what is estimated and how; `None` where there is nothing to say.
    """

    amount: Money | None = None
    basis: Basis | None = None
    is_all: bool = True
    why: str | None = None


@frozen(kw_only=True)
class WatchRow:
    """One live stream.

    Attributes:
        ref: which one.
        channel_id: the host's own id for what it broadcasts, or `None`.
        name: for people, or `None`.
        state: what it was doing when it was looked at last, or `None` where it was not yet.
        state_reason: why, in words, where there is something to say.
        seen_at: when it was looked at last, or `None`.
        is_stale: whether the latest look did not come to it, so that this is how it was before.
        problem: why it could not be asked for, in words, or `None`.
        live_since: when the broadcast began that goes on, as far as it is known, or `None`.
        live_seconds: for how long it has been live.
        viewers: how many watch now.
        peak_viewers: the highest viewer count of this broadcast.
        bitrate: what the encoder sends now.
        watch_seconds: watched by all viewers together.
        session_cost: what this broadcast has cost so far.
        month_cost: what the live stream has cost so far in this month.
    """

    ref: StreamRef
    channel_id: str | None
    name: str | None
    state: StreamState | None
    state_reason: str | None
    seen_at: datetime | None
    is_stale: bool
    problem: str | None
    live_since: datetime | None
    live_seconds: Figure
    viewers: Figure
    peak_viewers: Figure
    bitrate: Figure
    watch_seconds: Figure
    session_cost: CostFigure
    month_cost: CostFigure


@frozen(kw_only=True)
class WatchedProvider:
    """How asking one provider went.

    Attributes:
        provider: its name.
        looked_at: when the last look was over, or `None` before the first.
        asked_since: since when a look goes on that has not ended, or `None`.
        problem: why the last look broke off, in words; `None` where it did not.
        live_streams: how many it has, as far as they were listed.
        live: how many of them are live.
        not_seen_yet: how many of them were not looked at yet: those are looked at in turn.
        notes: what else a person should know, in words.
    """

    provider: str
    looked_at: datetime | None
    asked_since: datetime | None
    problem: str | None
    live_streams: int
    live: int
    not_seen_yet: int
    notes: tuple[str, ...] = ()


@frozen(kw_only=True)
class WatchView:
    """All that a watcher knows at one moment.

    Attributes:
        at: the moment.
        interval: seconds from one look to the next.
        is_kept: whether what is seen is kept in a ledger beyond this process.
        ledger_problem: why the ledger could not be written or read at the last look, or `None`.
        providers: how asking each of them went.
        rows: all live streams, those first in which something goes on.
        month: the month that costs are of, such as ``2026-11``; `None` where they are not known.
        spent: what all live streams of the ledger have cost in it, or `None`.
        forecast: what that will be at its end if it goes on as lately, or `None`.
        budgets: how the budgets stand that hold for it.
        costs_at: when costs were worked out, or `None`.
        costs_problem: why they are not known, in words, or `None`.
    """

    at: datetime
    interval: float
    is_kept: bool
    ledger_problem: str | None
    providers: tuple[WatchedProvider, ...]
    rows: tuple[WatchRow, ...]
    month: str | None
    spent: Money | None
    forecast: Money | None
    budgets: tuple[BudgetStatus, ...]
    costs_at: datetime | None
    costs_problem: str | None
