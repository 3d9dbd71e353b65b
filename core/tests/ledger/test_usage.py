"""What was seen of live streams adds up to what was used: nothing twice, and nothing made up."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count, pairwise
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, example, given, settings, strategies as st

from headend.ledger import (
    LedgerEventKind,
    MemoryLedger,
    Observation,
    RecordingSpan,
    SessionSpan,
    StreamRef,
    UnseenSpan,
    UsageSlot,
    sql_usage,
)
from headend.ledger.usage import QUARTER, slot_start
from headend.ledger.watching import KEPT_SAMPLES
from headend.models import EncoderSettings, Recording, Session, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headend.ledger import Ledger, LedgerEvent, NewEntry, SqlLedger

    New = Callable[..., NewEntry]
    Open = Callable[..., SqlLedger]
    Workers = Callable[..., list[object]]

LIVE, IDLE, UNKNOWN = StreamState.LIVE, StreamState.IDLE, StreamState.UNKNOWN
OFF: Final = {StreamState.IDLE, StreamState.ENDED, StreamState.DISABLED, StreamState.ERROR}
MIDNIGHT: Final = datetime(2030, 1, 31, 23, 50, tzinfo=UTC)
"""Ten minutes before a month's end."""
ALWAYS: Final = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
NEXT_ID: Final = count()
IN_EACH_LEDGER: Final = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def after(seconds: float) -> datetime:
    return MIDNIGHT + timedelta(seconds=seconds)


def seen(seconds: float, state: StreamState | None = LIVE, **more: object) -> Observation:
    given: dict[str, object] = {"provider": "acme", "account": "4711 eu", "stream_id": "s1"}
    return Observation(at=after(seconds), state=state, **given | more)  # type: ignore[arg-type]  # as above


REF: Final = seen(0).ref


def watch(ledger: Ledger, *observations: Observation) -> list[LedgerEvent]:
    return [event for one in observations for event in ledger.observe(one, now=one.at)]


def used(ledger: Ledger, ref: StreamRef = REF) -> list[UsageSlot]:
    return [one for one in ledger.read_usage(*ALWAYS).slots if one.ref == ref]


def whole(slots: Sequence[UsageSlot]) -> UsageSlot:
    """Add slots up, whatever their time."""
    total = UsageSlot(ref=REF, start=MIDNIGHT)
    for one in slots:
        total = total.plus(one)
    return total


@st.composite
def looks(draw: st.DrawFn) -> list[Observation]:
    """What one to three watchers see, in some order of arrival.

    Each sees in order of time; what they see need not agree, and may arrive late.
    """
    figures = st.none() | st.integers(0, 50)
    steps = st.sampled_from([0, 1, 7, 10, 60, 240, 299, 300, 301, 700, 4000])
    states = st.sampled_from([LIVE] * 6 + [IDLE, None, UNKNOWN] + [*StreamState])
    watchers: list[list[Observation]] = []
    for _ in range(draw(st.integers(1, 3))):
        moment = draw(st.integers(0, 900))
        own = []
        for step in draw(st.lists(steps, min_size=1, max_size=12)):
            moment += step
            own.append(
                seen(
                    moment,
                    draw(states),
                    viewer_count=draw(figures),
                    current_bitrate=draw(st.none() | st.sampled_from([0, 800, 4_000_000])),
                )
            )
        watchers.append(own)
    arrivals = []
    while any(watchers):
        arrivals.append(draw(st.sampled_from([one for one in watchers if one])).pop(0))
    return arrivals


@frozen
class Truth:
    """What the rule of `headend.ledger.usage` says, second by second."""

    live: Mapping[int, int]
    uncounted: Mapping[int, int]
    viewers: Mapping[int, int]
    sent: Mapping[int, Fraction]
    delivered: Mapping[int, Fraction]
    peaks: Mapping[int, int]
    changes: Sequence[str]

    @classmethod
    def of(cls, arrivals: Sequence[Observation]) -> Truth:
        """Say what was so in each second, then count seconds by quarters of an hour."""
        counted: list[tuple[int, int, StreamState, int | None, int | None]] = []
        told: tuple[int, StreamState] | None = None
        peaks: dict[int, int] = defaultdict(int)
        has_peak: set[int] = set()
        changes: list[str] = []
        changed: set[tuple[str, int]] = set()
        is_on = False

        def peak(second: int, viewers: int | None) -> None:
            if viewers is not None:
                peaks[second // 900] = max(peaks[second // 900], viewers)
                has_peak.add(second // 900)

        for one in arrivals:
            second = int(one.at.timestamp())
            if counted and second < counted[-1][0]:
                if one.state is LIVE:
                    peak(second, one.viewer_count)
                continue
            state = one.state
            if state in {None, UNKNOWN}:
                if told is None or second - told[0] > 300:
                    continue
                state = told[1]
            change = ""
            if state is LIVE and not is_on:
                change = "went-live"
            elif state in OFF and is_on:
                change = "went-idle"
            if (not counted and state is not LIVE) or (change, second) in changed:
                continue
            if one.state not in {None, UNKNOWN}:
                told = (second, state)
            assert told is not None
            assert state is not None
            counted.append((second, told[0], state, one.viewer_count, one.current_bitrate))
            if state is LIVE:
                peak(second, one.viewer_count)
            if change:
                is_on = not is_on
                changes.append(change)
                changed.add((change, second))
        live: dict[int, int] = defaultdict(int)
        uncounted: dict[int, int] = defaultdict(int)
        watched: dict[int, int] = defaultdict(int)
        sent: dict[int, Fraction] = defaultdict(Fraction)
        delivered: dict[int, Fraction] = defaultdict(Fraction)
        for (begin, told_at, state, viewers, bitrate), (end, *_) in pairwise(counted):
            if state is not LIVE or end - told_at > 300:
                continue
            for second in range(begin, end):
                quarter = second // 900
                live[quarter] += 1
                uncounted[quarter] += viewers is None
                watched[quarter] += viewers or 0
                sent[quarter] += Fraction(bitrate or 0, 8)
                delivered[quarter] += Fraction((bitrate or 0) * (viewers or 0), 8)
                peak(second, viewers)
        return cls(
            live,
            uncounted,
            watched,
            sent,
            delivered,
            {quarter: peaks[quarter] for quarter in has_peak},
            changes,
        )


def check(ledger: Ledger, arrivals: Sequence[Observation], ref: StreamRef) -> None:
    changes = [event.kind.value for event in watch(ledger, *arrivals)]
    truth = Truth.of(arrivals)
    slots = {int(one.start.timestamp()) // 900: one for one in used(ledger, ref)}

    assert changes == truth.changes
    assert set(truth.live) | set(truth.peaks) <= set(slots)
    for quarter, slot in slots.items():
        assert slot.live_seconds == pytest.approx(truth.live[quarter])
        assert slot.uncounted_seconds == pytest.approx(truth.uncounted[quarter])
        assert (slot.viewer_seconds or 0) == pytest.approx(truth.viewers[quarter])
        assert (slot.ingest_bytes or 0) == pytest.approx(float(truth.sent[quarter]))
        assert (slot.delivered_bytes or 0) == pytest.approx(float(truth.delivered[quarter]))
        assert slot.peak_viewers == truth.peaks.get(quarter)
        if truth.live[quarter]:
            is_counted = truth.uncounted[quarter] < truth.live[quarter]
            assert (slot.viewer_seconds is not None) is is_counted


@settings(max_examples=250, deadline=None)
@given(arrivals=looks())
def test_what_is_derived_is_what_the_seconds_add_up_to(arrivals: list[Observation]) -> None:
    check(MemoryLedger(id="test"), arrivals, REF)


@IN_EACH_LEDGER
@given(arrivals=looks())
def test_every_ledger_derives_it(ledger: Ledger, arrivals: list[Observation]) -> None:
    stream_id = f"s{next(NEXT_ID)}"
    renamed = [evolve(one, stream_id=stream_id) for one in arrivals]

    check(ledger, renamed, renamed[0].ref)


@settings(max_examples=100, deadline=None)
@given(
    moments=st.lists(st.integers(0, 7200), min_size=2, max_size=60, unique=True),
    of=st.randoms(use_true_random=False),
)
def test_several_who_watch_the_same_count_it_once(moments: list[int], of: Random) -> None:
    """Of what is live with seven viewers, any number of them makes seven times the time."""
    moments.sort()
    watchers = [[], [], []]  # type: list[list[Observation]]
    for moment in moments:
        of.choice(watchers).append(seen(moment, viewer_count=7))
    ledger = MemoryLedger(id="test")
    # They come at the same time, so that who comes later in a second may be the earlier one.
    watch(ledger, *sorted((one for own in watchers for one in own), key=lambda one: one.at))
    total = whole(used(ledger))
    gaps = [one.until - one.since for one in ledger.read_usage(*ALWAYS).unseen if one.until]

    looked_at = moments[-1] - moments[0] - sum(gap.total_seconds() for gap in gaps)
    assert total.live_seconds == pytest.approx(looked_at)
    assert (total.viewer_seconds or 0) == pytest.approx(7 * looked_at)
    assert total.peak_viewers == 7


def test_several_processes_that_watch_count_it_once(
    workers: Workers, open_sql: Open, database: str
) -> None:
    ledger = open_sql()
    watch(ledger, seen(0, viewer_count=7))
    workers(
        "from headend.ledger import Observation\n"
        "begin = datetime.fromisoformat(since)\n"
        "ledger = opened(url)\n"
        "for turn in range(40):\n"
        "    at = begin + timedelta(seconds=10 * turn + number)\n"
        "    seen = Observation(\n"
        "        provider='acme', account='4711 eu', stream_id='s1', at=at, state='live',\n"
        "        viewer_count=7,\n"
        "    )\n"
        "    ledger.observe(seen, now=at)\n"
        "ledger.close()",
        url=database,
        since=MIDNIGHT.isoformat(),
    )
    total = whole(used(ledger))

    assert (total.live_seconds, total.viewer_seconds) == (393.0, 7 * 393.0)
    assert [one.kind for one in ledger.events()] == [LedgerEventKind.WENT_LIVE]


@settings(max_examples=100, deadline=None)
@given(arrivals=looks(), borders=st.lists(st.integers(-4, 400), min_size=1, max_size=6))
def test_periods_add_up_to_the_whole(arrivals: list[Observation], borders: list[int]) -> None:
    """Wherever it is cut, at a quarter of an hour: each slot is in one period."""
    ledger = MemoryLedger(id="test")
    watch(ledger, *arrivals)
    cuts = [ALWAYS[0], *(slot_start(MIDNIGHT) + QUARTER * n for n in sorted(borders)), ALWAYS[1]]
    parts = [
        one for since, until in pairwise(cuts) for one in ledger.read_usage(since, until).slots
    ]

    assert parts == list(ledger.read_usage(*ALWAYS).slots)


class TestTime:
    def test_a_broadcast_over_a_month_s_end_is_in_both_months(self, ledger: Ledger) -> None:
        watch(
            ledger,
            *(seen(10 * n, viewer_count=3, current_bitrate=8_000) for n in range(121)),
            seen(1210, IDLE),
        )
        end = datetime(2030, 2, 1, tzinfo=UTC)
        before, behind = (
            whole(ledger.read_usage(since, until).slots)
            for since, until in ((ALWAYS[0], end), (end, ALWAYS[1]))
        )

        assert (before.live_seconds, behind.live_seconds) == (600.0, 610.0)
        assert (before.viewer_seconds, behind.viewer_seconds) == (1800.0, 1830.0)
        assert (before.ingest_bytes, behind.ingest_bytes) == (600_000.0, 610_000.0)
        assert (before.delivered_bytes, behind.delivered_bytes) == (1_800_000.0, 1_830_000.0)

    def test_microseconds_count(self, ledger: Ledger) -> None:
        watch(ledger, seen(0.000001), seen(0.5), seen(1.25, IDLE))

        assert whole(used(ledger)).live_seconds == pytest.approx(1.249999, abs=1e-9)

    def test_slots_begin_at_every_zone_s_midnight(self) -> None:
        """Also where it is a quarter or three of an hour off, and half an hour in summer."""
        for hours in (-9.5, 0, 5.75, 8.75, 12.75, 10.5, 11):
            midnight = MIDNIGHT.replace(hour=0, minute=0) - timedelta(hours=hours)
            assert slot_start(midnight) == midnight

    def test_where_nobody_looked_nothing_is_made_up(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, viewer_count=9), seen(300.000001, viewer_count=9), seen(310, IDLE))
        data = ledger.read_usage(*ALWAYS)

        assert whole(data.slots).live_seconds == pytest.approx(9.999999)
        assert data.unseen == (UnseenSpan(ref=REF, since=after(0), until=after(300.000001)),)

    def test_an_interruption_is_no_live_time_and_no_end(self, ledger: Ledger) -> None:
        events = watch(
            ledger,
            seen(0),
            seen(10, StreamState.INTERRUPTED),
            seen(20, StreamState.CONNECTING),
            seen(30),
            seen(40, StreamState.ERROR),
        )

        assert [one.kind for one in events] == [
            LedgerEventKind.WENT_LIVE,
            LedgerEventKind.WENT_IDLE,
        ]
        assert whole(used(ledger)).live_seconds == 20.0

    def test_one_that_is_live_since_nobody_looks_any_more_is_told(self, ledger: Ledger) -> None:
        watch(ledger, seen(0), seen(10))
        later = (after(86400).replace(minute=0), ALWAYS[1])

        assert ledger.read_usage(*later).unseen == (UnseenSpan(ref=REF, since=after(10)),)
        watch(ledger, seen(20, IDLE))
        assert ledger.read_usage(*ALWAYS).unseen == ()

    def test_a_state_that_is_told_again_of_a_moment_of_change_is_no_new_one(
        self, ledger: Ledger
    ) -> None:
        """Which came last is not to be known; the journal never has one kind twice on end."""
        events = watch(ledger, seen(0), seen(0, IDLE), seen(0), seen(10, IDLE), seen(20))

        assert [(one.kind.value, one.occurred_at) for one in events] == [
            ("went-live", after(0)),
            ("went-idle", after(0)),
            ("went-live", after(20)),
        ]
        assert whole(used(ledger)).live_seconds == 0.0

    def test_what_was_never_live_leaves_nothing(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, IDLE), seen(10, None, viewer_count=3), seen(20, UNKNOWN))

        assert ledger.last_seen() == []
        assert ledger.read_usage(*ALWAYS).streams == {}

    def test_a_state_that_is_not_told_is_the_one_before_for_a_while(self, ledger: Ledger) -> None:
        states = [LIVE, None, UNKNOWN, None, LIVE]
        watch(ledger, *(seen(140 * n, state) for n, state in enumerate(states)))

        # At 420 s it was 420 s since somebody told it.
        assert whole(used(ledger)).live_seconds == 280.0
        gaps = [(one.since, one.until) for one in ledger.read_usage(*ALWAYS).unseen]
        assert gaps == [(after(280), after(560)), (after(560), None)]
        assert [one.kind for one in ledger.events()] == [LedgerEventKind.WENT_LIVE]


class TestPeaks:
    def test_one_that_comes_late_raises_the_peak_alone(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, viewer_count=1), seen(20, viewer_count=2))
        before = whole(used(ledger))
        watch(ledger, seen(10, viewer_count=30), seen(5, IDLE, viewer_count=90))

        assert whole(used(ledger)) == evolve(before, peak_viewers=30)
        assert ledger.last_seen()[0].peak_viewers == 30

    def test_the_highest_count_is_that_of_the_broadcast(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, viewer_count=8), seen(10, IDLE))
        assert ledger.last_seen()[0].peak_viewers == 8
        watch(ledger, seen(20, viewer_count=2))
        assert ledger.last_seen()[0].peak_viewers == 2

    def test_the_platform_s_own_is_kept_where_it_changed(self, ledger: Ledger) -> None:
        """One of a month ago does not count as this month's because it is still told."""
        watch(
            ledger,
            seen(0, peak_viewers=5),
            seen(10, peak_viewers=9),
            seen(20, IDLE, peak_viewers=9),
            seen(86400, peak_viewers=9),
            seen(86410, peak_viewers=9),
        )

        assert [one.platform_peak for one in used(ledger)] == [9, None]

    def test_a_count_of_nought_is_a_count(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, viewer_count=0), seen(10, IDLE))
        total = whole(used(ledger))

        assert (total.viewer_seconds, total.uncounted_seconds, total.peak_viewers) == (0.0, 0.0, 0)


class TestWatchTime:
    @settings(max_examples=100, deadline=None)
    @given(
        figures=st.lists(
            st.tuples(st.sampled_from([0, 3, 10, 290, 5000]), st.floats(0, 1e6)),
            min_size=1,
            max_size=20,
        )
    )
    def test_what_it_grew_by_is_all_there(self, figures: list[tuple[int, float]]) -> None:
        ledger = MemoryLedger(id="test")
        total, moment = 0.0, 0
        watch(ledger, seen(0, total_watch_time=0.0))
        for step, grown in figures:
            moment, total = moment + step, total + grown
            watch(ledger, seen(moment, total_watch_time=total))

        assert whole(used(ledger)).watch_seconds == pytest.approx(total, rel=1e-9)

    def test_each_slot_in_between_has_its_share(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, total_watch_time=0.0), seen(3600, total_watch_time=360.0))

        # From ten to twelve: a slot of ten minutes, three of fifteen, one of five.
        assert [one.watch_seconds for one in used(ledger)] == pytest.approx([60, 90, 90, 90, 30])

    def test_over_a_gap_it_is_spread_over_the_sessions(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, IDLE, total_watch_time=0.0))
        session = Session(
            session_id="a", stream_id="s1", started_at=after(600), ended_at=after(1500)
        )
        ledger.record_sessions("acme", "4711 eu", "s1", [session], now=after(7200))
        watch(ledger, seen(7200, IDLE, total_watch_time=90.0))

        assert [(one.start, one.watch_seconds) for one in used(ledger) if one.watch_seconds] == [
            (after(600), 90.0)
        ]

    def test_a_new_session_counts_from_nought(self, ledger: Ledger) -> None:
        watch(
            ledger,
            seen(0, total_watch_time=0.0),
            seen(10, total_watch_time=100.0),
            seen(20, total_watch_time=7.0),
        )

        assert whole(used(ledger)).watch_seconds == 107.0

    @pytest.mark.parametrize("second", [500.0, 1000.0, 9000.0])
    def test_each_session_counts_whole_where_nobody_looked_in_between(
        self, ledger: Ledger, second: float
    ) -> None:
        """Such as where the platform is asked once a day, of a broadcast every day."""
        for day, total in enumerate([800.0, second]):
            begun = after(86_400 * day)
            for hours in (2, 3):
                watch(
                    ledger,
                    seen(
                        86_400 * day + 3600 * hours,
                        IDLE,
                        total_watch_time=total,
                        watch_time_since=begun,
                    ),
                )

        found = used(ledger)
        assert whole(found).watch_seconds == pytest.approx(800.0 + second)
        days = [one for one in found if one.start < after(86_400 - 900)]
        assert whole(days).watch_seconds == pytest.approx(800.0)

    def test_a_correction_takes_nothing_away_and_adds_nothing_twice(self, ledger: Ledger) -> None:
        for n, figure in enumerate([0.0, 100.0, 98.0, 99.0, 103.0]):
            watch(ledger, seen(10 * n, total_watch_time=figure))

        assert whole(used(ledger)).watch_seconds == 103.0

    def test_the_first_figure_of_what_was_made_here_counts_whole(
        self, ledger: Ledger, new: New
    ) -> None:
        ledger.begin(new(marker="m"), now=after(0), lease=60)
        ledger.created("m", "s1", after(1))
        watch(ledger, seen(240, IDLE, total_watch_time=50.0))

        assert whole(used(ledger)).watch_seconds == 50.0

    def test_the_first_figure_of_what_was_made_elsewhere_is_a_beginning(
        self, ledger: Ledger
    ) -> None:
        watch(ledger, seen(0, IDLE, total_watch_time=50.0), seen(9, IDLE, total_watch_time=51.0))

        assert whole(used(ledger)).watch_seconds == pytest.approx(1.0)

    def test_one_that_was_overtaken_changes_nothing(self, ledger: Ledger) -> None:
        """What is told without a state for long is no look at the broadcast, and yet a figure."""
        watch(
            ledger,
            seen(0, IDLE, total_watch_time=0.0),
            seen(700, None, total_watch_time=40.0),
            seen(200, IDLE, total_watch_time=20.0),
            seen(800, IDLE, total_watch_time=50.0),
        )

        assert [one.watch_seconds for one in used(ledger)] == pytest.approx(
            [40 * 6 / 7, 40 * 1 / 7 + 10]
        )

    def test_a_figure_that_comes_late_counts_since_the_broadcast_began(
        self, ledger: Ledger
    ) -> None:
        watch(ledger, seen(0), seen(60), seen(120, total_watch_time=30.0))

        assert whole(used(ledger)).watch_seconds == pytest.approx(30.0)


class TestSessions:
    def test_they_are_kept_with_what_the_encoder_told(self, ledger: Ledger) -> None:
        told = Session(
            session_id="a",
            stream_id="s1",
            started_at=after(0),
            encoder=EncoderSettings(height=720, frame_rate=30.0),
        )
        ledger.record_sessions("acme", "4711 eu", "s1", iter([told]), now=after(60))
        # A list does not tell of the encoder, and takes nothing away.
        ended = evolve(told, encoder=None, ended_at=after(50))
        ledger.record_sessions("acme", "4711 eu", "s1", [ended], now=after(120))
        data = ledger.read_usage(*ALWAYS)

        assert data.sessions == (
            SessionSpan(
                ref=REF,
                session_id="a",
                started_at=after(0),
                ended_at=after(50),
                height=720,
                frame_rate=30.0,
            ),
        )
        assert data.streams[REF].sessions_as_of == after(120)
        assert data.streams[REF].recordings_as_of is None

    def test_one_that_the_platform_forgot_is_kept(self, ledger: Ledger) -> None:
        one = Session(session_id="a", stream_id="s1", started_at=after(0), ended_at=after(9))
        ledger.record_sessions("acme", "4711 eu", "s1", [one], now=after(10))
        ledger.record_sessions("acme", "4711 eu", "s1", [], now=after(20))

        assert [one.ended_at for one in ledger.read_usage(*ALWAYS).sessions] == [after(9)]

    def test_one_that_went_on_and_is_forgotten_ended_when_it_was_last_told_of(
        self, ledger: Ledger
    ) -> None:
        one = Session(session_id="a", stream_id="s1", started_at=after(0))
        for moment in (10, 20):
            ledger.record_sessions("acme", "4711 eu", "s1", [one], now=after(moment))
        ledger.record_sessions("acme", "4711 eu", "s1", [], now=after(99))

        assert [one.ended_at for one in ledger.read_usage(*ALWAYS).sessions] == [after(20)]

    def test_one_without_a_beginning_is_left_out(self, ledger: Ledger) -> None:
        one = Session(session_id="a", stream_id="s1")
        ledger.record_sessions("acme", "4711 eu", "s1", [one], now=after(10))

        assert ledger.read_usage(*ALWAYS).sessions == ()


class TestRecordings:
    def test_those_that_are_not_listed_any_more_were_deleted(self, ledger: Ledger) -> None:
        a, b = (
            Recording(recording_id=name, stream_id="s1", duration=60.0, created_at=after(0))
            for name in "ab"
        )
        keep = "acme", "4711 eu", "s1"
        assert ledger.record_recordings(*keep, [a, b], now=after(10)) == []
        events = ledger.record_recordings(*keep, [b], now=after(20))
        again = ledger.record_recordings(*keep, [b], now=after(30))
        data = ledger.read_usage(*ALWAYS)

        assert [(one.kind.value, one.caused_by, one.detail) for one in events] == [
            ("recording-deleted", "platform", {"recording_id": "a"})
        ]
        assert again == []
        assert data.recordings == (
            RecordingSpan(ref=REF, recording_id="a", seconds=60.0, since=after(0), until=after(20)),
            RecordingSpan(ref=REF, recording_id="b", seconds=60.0, since=after(0)),
        )
        assert data.streams[REF].recordings_as_of == after(30)

    def test_those_of_a_list_that_is_not_whole_stay(self, ledger: Ledger) -> None:
        one = Recording(recording_id="a", stream_id="s1", created_at=after(0))
        keep = "acme", "4711 eu", "s1"
        ledger.record_recordings(*keep, [one], now=after(10), is_all=False)
        ledger.record_recordings(*keep, [], now=after(20), is_all=False)
        data = ledger.read_usage(*ALWAYS)

        assert [one.until for one in data.recordings] == [None]
        assert data.streams[REF].recordings_as_of is None

    def test_what_is_not_told_begins_when_it_was_first_seen(self, ledger: Ledger) -> None:
        one = Recording(recording_id="a", stream_id="s1")
        keep = "acme", "4711 eu", "s1"
        ledger.record_recordings(*keep, [one], now=after(10))
        ledger.record_recordings(*keep, [evolve(one, duration=5.0)], now=after(20))
        ledger.record_recordings(*keep, [one], now=after(30))
        (kept,) = ledger.read_usage(*ALWAYS).recordings

        assert (kept.since, kept.seconds) == (after(10), 5.0)

    def test_one_is_not_gone_before_it_was_made(self, ledger: Ledger) -> None:
        """The platform's clock may be ahead."""
        keep = "acme", "4711 eu", "s1"
        one = Recording(recording_id="a", stream_id="s1", created_at=after(60))
        ledger.record_recordings(*keep, [one], now=after(10))
        ledger.record_recordings(*keep, [], now=after(20))

        (kept,) = ledger.read_usage(*ALWAYS).recordings
        assert (kept.since, kept.until) == (after(60), after(60))

    def test_one_that_was_deleted_is_told_of_once(self, ledger: Ledger) -> None:
        one = Recording(recording_id="a", stream_id="s1", created_at=after(0))
        keep = "acme", "4711 eu", "s1"
        ledger.record_recordings(*keep, [one], now=after(10))
        ledger.recording_deleted("acme", "4711 eu", "a", after(20))
        ledger.recording_deleted("acme", "elsewhere", "a", after(30))
        ledger.record_recordings(*keep, [], now=after(40))

        assert [one.until for one in ledger.read_usage(*ALWAYS).recordings] == [after(20)]
        assert [
            (one.account, one.stream_id, one.caused_by, one.occurred_at)
            for one in ledger.events(kinds=[LedgerEventKind.RECORDING_DELETED])
        ] == [
            ("4711 eu", "s1", ledger.actor, after(20)),
            ("elsewhere", None, ledger.actor, after(30)),
        ]


DAYS: Final = [-400, -70, -31, -30, -1, 0, 1, 14, 29, 30, 31, 70, 400]


@IN_EACH_LEDGER
@example(spans=[(-30, 31.0), (-1, 2.01), (-70, 71.0), (-400, 900.0)])
@given(
    spans=st.lists(
        st.tuples(
            st.sampled_from(DAYS),
            st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.01, 29.0, 31.0, 64.0, 900.0]),
        ),
        max_size=15,
    )
)
def test_a_period_has_all_that_has_a_part_in_it_and_nothing_else(
    ledger: Ledger, spans: list[tuple[int, float | None]]
) -> None:
    """A month, of recordings and sessions that begin and end before it, in it and behind it."""
    stream_id = f"p{next(NEXT_ID)}"
    named = "acme", "4711 eu", stream_id
    month = (datetime(2030, 6, 1, tzinfo=UTC), datetime(2030, 7, 1, tzinfo=UTC))
    times = {
        str(n): (
            month[0] + timedelta(days=begin),
            None if days is None else month[0] + timedelta(days=begin + days),
        )
        for n, (begin, days) in enumerate(spans)
    }
    ledger.record_sessions(
        *named,
        [
            Session(session_id=key, stream_id=stream_id, started_at=since, ended_at=until)
            for key, (since, until) in times.items()
        ],
        now=month[0],
    )
    everything = [
        Recording(recording_id=key, stream_id=stream_id, created_at=since)
        for key, (since, _) in times.items()
    ]
    ledger.record_recordings(*named, everything, now=month[0])
    for key, (_, until) in times.items():
        if until is not None:
            kept = [one for one in everything if one.recording_id != key]
            everything = kept
            ledger.record_recordings(*named, kept, now=until)
    data = ledger.read_usage(*month)
    wanted = {
        key
        for key, (since, until) in times.items()
        if since < month[1] and (until is None or until > month[0])
    }

    assert {one.session_id for one in data.sessions if one.ref.stream_id == stream_id} == wanted
    assert {one.recording_id for one in data.recordings if one.ref.stream_id == stream_id} == wanted


class TestStreams:
    def test_their_facts_are_those_of_their_creation(self, ledger: Ledger, new: New) -> None:
        made = new(marker="m", name="Concert", terms={"type": "BASIC"})
        ledger.begin(made, now=after(0), lease=60)
        ledger.created("m", "s1", after(1))
        watch(ledger, seen(2, channel_id="other", name="other"))
        ledger.ended("acme", "4711 eu", "s1", after(9))
        (facts,) = ledger.read_usage(*ALWAYS).streams.values()

        assert (facts.ref, facts.channel_id, facts.name) == (REF, "42", "Concert")
        assert facts.terms == {"type": "BASIC"}
        assert (facts.created_at, facts.ended_at) == (after(0), after(9))

    def test_those_that_were_made_elsewhere_are_known_by_what_was_seen(
        self, ledger: Ledger
    ) -> None:
        watch(ledger, seen(0, channel_id="7", name="Gig\0\ud800"), seen(9))
        (facts,) = ledger.read_usage(*ALWAYS).streams.values()

        assert (facts.channel_id, facts.name) == ("7", "Gig\\0\\ud800")
        assert (facts.terms, facts.created_at, facts.ended_at) == ({}, None, None)

    def test_of_two_with_one_id_the_one_that_is_there_counts(
        self, ledger: Ledger, new: New
    ) -> None:
        for n, marker in enumerate("ab"):
            ledger.begin(new(marker=marker, channel_id=marker), now=after(n), lease=60)
            ledger.created(marker, "s1", after(n))
            if marker == "a":
                ledger.ended("acme", "4711 eu", "s1", after(n))
        (facts,) = ledger.read_usage(*ALWAYS).streams.values()

        assert (facts.channel_id, facts.ended_at) == ("b", None)

    def test_those_with_an_event_alone_are_there_too(self, ledger: Ledger, new: New) -> None:
        ledger.begin(new(marker="m"), now=after(0), lease=60)
        ledger.created("m", "s1", after(0))

        assert [*ledger.read_usage(*ALWAYS).streams] == [REF]
        assert ledger.read_usage(after(86400), ALWAYS[1]).streams == {}

    def test_accounts_and_providers_are_kept_apart(self, ledger: Ledger) -> None:
        for n, (provider, account) in enumerate(
            (("acme", "4711 eu"), ("acme", "x"), ("x", "4711 eu"))
        ):
            on = seen(0, viewer_count=n, provider=provider, account=account)
            watch(ledger, on, evolve(on, at=after(10), state=IDLE))

        assert [
            (one.ref.provider, one.ref.account, one.viewer_seconds)
            for one in ledger.read_usage(*ALWAYS).slots
        ] == [("acme", "4711 eu", 0.0), ("acme", "x", 10.0), ("x", "4711 eu", 20.0)]

    def test_more_than_one_query_takes_are_all_there(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sql_usage, "_AT_ONCE", 3)
        ids = [f"s{n}" for n in range(7)]
        for stream_id in ids:
            watch(ledger, seen(0, stream_id=stream_id))

        data = ledger.read_usage(*ALWAYS)
        assert [ref.stream_id for ref in sorted(data.streams)] == ids


class TestEnd:
    def test_a_broadcast_is_over_when_its_live_stream_is_gone(
        self, ledger: Ledger, new: New
    ) -> None:
        ledger.begin(new(marker="m"), now=after(0), lease=60)
        ledger.created("m", "s1", after(0))
        watch(ledger, seen(0, viewer_count=2))
        ledger.ended("acme", "4711 eu", "s1", after(30), caused_by="platform")
        ledger.ended("acme", "4711 eu", "s1", after(40))

        assert [(one.kind.value, one.caused_by) for one in ledger.events()] == [
            ("created", ledger.actor),
            ("went-live", "platform"),
            ("went-idle", "platform"),
            ("ended", "platform"),
        ]
        assert {one.channel_id for one in ledger.events()} == {"42"}
        assert whole(used(ledger)).viewer_seconds == 60.0
        assert ledger.last_seen()[0].live_since is None

    def test_one_that_a_clock_ahead_saw_is_over_all_the_same(self, ledger: Ledger) -> None:
        watch(ledger, seen(50))
        ledger.ended("acme", "4711 eu", "s1", after(30))

        assert ledger.last_seen()[0].state is StreamState.ENDED
        assert ledger.read_usage(*ALWAYS).unseen == ()


class TestMessages:
    def test_a_message_counts_once_however_often_it_comes(self, ledger: Ledger) -> None:
        on = seen(0, message_id="e1")
        off = seen(0, IDLE, message_id="e2")
        events = watch(ledger, on, on, off, on, off)

        assert [one.kind.value for one in events] == ["went-live", "went-idle"]

    def test_one_that_comes_after_a_look_changes_nothing(self, ledger: Ledger) -> None:
        watch(ledger, seen(10, viewer_count=4), seen(20, viewer_count=4))
        before = ledger.read_usage(*ALWAYS)

        assert watch(ledger, seen(5, message_id="e1")) == []
        assert watch(ledger, seen(6, IDLE, message_id="e0")) == []
        assert ledger.read_usage(*ALWAYS) == before


class TestSamples:
    def test_they_are_what_was_seen_live_and_the_end_of_it(self, ledger: Ledger) -> None:
        watch(
            ledger,
            seen(0, viewer_count=1, current_bitrate=2, peak_viewers=3, total_watch_time=4.5),
            seen(0, viewer_count=9),
            seen(10, None),
            seen(20, IDLE),
            seen(30, IDLE),
        )
        found = ledger.samples("acme", "4711 eu", "s1", after(0), after(30))

        assert [(one.at, one.state) for one in found] == [
            (after(0), LIVE),
            (after(10), None),
            (after(20), IDLE),
        ]
        assert (found[0].viewer_count, found[0].current_bitrate) == (1, 2)
        assert (found[0].peak_viewers, found[0].total_watch_time) == (3, 4.5)
        assert ledger.samples("acme", "4711 eu", "s1", after(1), after(20)) == [found[1]]
        assert ledger.samples("acme", "4711 eu", "other", after(0), after(30)) == []

    def test_old_ones_go_and_what_they_add_up_to_stays(self, ledger: Ledger) -> None:
        watch(ledger, seen(0, viewer_count=1), seen(10, viewer_count=1), seen(20, IDLE))
        before = used(ledger)
        later = KEPT_SAMPLES.total_seconds() + 15
        watch(ledger, seen(later, stream_id="s2"))

        assert [
            one.at for one in ledger.samples("acme", "4711 eu", "s1", ALWAYS[0], ALWAYS[1])
        ] == [after(20)]
        assert used(ledger) == before


class TestLastSeen:
    def test_it_is_how_it_was_at_the_last_look(self, ledger: Ledger) -> None:
        watch(
            ledger,
            seen(0, name="A", channel_id="7", viewer_count=5, current_bitrate=900),
            seen(10, viewer_count=3, total_watch_time=8.0, peak_viewers=6),
        )
        (last,) = ledger.last_seen()

        assert (last.ref, last.name, last.channel_id) == (REF, "A", "7")
        assert (last.at, last.live_since, last.state) == (after(10), after(0), LIVE)
        assert (last.viewer_count, last.current_bitrate) == (3, None)
        assert (last.peak_viewers, last.platform_peak, last.total_watch_time) == (5, 6, 8.0)

    def test_those_of_long_ago_can_be_left_out(self, ledger: Ledger) -> None:
        watch(ledger, seen(0), seen(50, stream_id="s2"))

        assert [one.ref.stream_id for one in ledger.last_seen()] == ["s1", "s2"]
        assert [one.ref.stream_id for one in ledger.last_seen(since=after(50))] == ["s2"]


def test_all_figures_are_finite(ledger: Ledger) -> None:
    """A bitrate of any 64 bits, and more viewers than that."""
    most = 2**63 - 1
    watch(ledger, seen(0, viewer_count=10**30, current_bitrate=most), seen(300, IDLE))
    total = whole(used(ledger))

    assert total.peak_viewers == most
    assert total.delivered_bytes is not None
    assert math.isfinite(total.delivered_bytes)
