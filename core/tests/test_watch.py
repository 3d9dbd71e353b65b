"""Watching live streams: what is asked for, what is kept, and what is known and what is not."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Self, cast

import attrs
import pytest
from hypothesis import given, settings, strategies as st

import headend
from headend.cli.output import to_json
from headend.costs.lines import Basis
from headend.errors import (
    LedgerError,
    PlatformProtocolError,
    StreamNotFoundError,
)
from headend.ledger import LedgerEventKind, open_ledger
from headend.ledger.deferred import ALONE_FOR
from headend.ledger.usage import Observation, StreamRef
from headend.models import LiveStream, StreamAnalytics, StreamState, unknown_metrics
from headend.watch import Source, Watch
from headend.watch.polling import CLOSINGS, FIRST_LOOKS, LATE, LIST_EVERY, LOOKS, RETRY
from headend_contract.clock import ManualClock
from headend_contract.faults import HANG, HTML, UNAVAILABLE, FaultLayer
from headend_contract.reference.opening import install_reference, open_reference
from headend_contract.reference.platform import BITRATE
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from headend.costs.book import CostBook
    from headend.ledger import LedgerEvent
    from headend.ledger.usage import UsageData
    from headend.platform import StreamingPlatform
    from headend.watch import WatchRow, WatchView

STEP = 10.0
"""Seconds from one look to the next."""


class Reference:
    """The simulated reference platform on a socket, behind faults; a host that is on it."""

    def __init__(self, clock: ManualClock, seed: int = 1) -> None:
        self.clock = clock
        self.app = create_app(clock=clock, random=Random(seed))
        self.faults = FaultLayer(self.app)
        self._served = Served(self.faults)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._served)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, database: Path | None, *, timeout: float = 10.0) -> StreamingPlatform:
        return self._stack.enter_context(
            open_reference(
                self._served.url,
                self.app.platform.token,
                clock=self.clock,
                random=Random(5),
                database=database,
                timeout=timeout,
            )
        )

    def create(self, count: int, *, live: int = 0, viewers: int = 0) -> list[str]:
        """Have the platform make inputs, without asking it; some are pushed to and watched."""
        made = []
        for number in range(count):
            body = {"name": f"Show {number}", "tags": {"channel-id": f"c{number}"}}
            answer = self.app.platform.create_input({**body, "low_latency": False})
            made.append(str(answer["id"]))
            if number < live:
                self.push(made[-1])
                self.app.watch(made[-1], viewers)
        self.clock.advance(self.app.connect_time)
        return made

    def push(self, stream_id: str) -> None:
        key = self.app.platform.inputs[stream_id].key
        assert key is not None
        assert self.app.connect(key) is not None

    def stop(self, stream_id: str) -> None:
        self.app.platform.stop_input(stream_id)
        self.clock.advance(self.app.platform.switches.stop_time)

    def asked(self) -> list[str]:
        """Return the paths of the requests that came since this was asked for last."""
        seen = [one.path.removeprefix("/v1/accounts/main") for one in self.faults.seen]
        self.faults.reset()
        return seen


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def reference(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reference]:
    folder = tmp_path / "installed"
    folder.mkdir()
    install_reference(folder)
    monkeypatch.syspath_prepend(str(folder))
    with Reference(clock) as made:
        yield made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def book(clock: ManualClock, database: Path) -> Iterator[CostBook]:
    with headend.open_costs(database=database, clock=clock, settings={"budgets": "all=10"}) as one:
        yield one


@pytest.fixture
def no_book(clock: ManualClock) -> Iterator[CostBook]:
    """The costs of a host without a ledger."""
    with headend.open_costs(database=None, clock=clock) as one:
        yield one


@pytest.fixture
def watch(reference: Reference, book: CostBook, clock: ManualClock) -> Watch:
    """A watcher on the ledger; the pacers are the process's own, which is quicker."""
    return Watch([reference.open(None)], book, clock=clock, interval=STEP)


def row_of(view: WatchView, stream_id: str) -> WatchRow:
    (found,) = (row for row in view.rows if row.ref.stream_id == stream_id)
    return found


def after(clock: ManualClock, watch: Watch, seconds: float, *, step: float = STEP) -> WatchView:
    """Look every few seconds for so long, and return what was seen at the end."""
    view = watch.look()
    begin = clock.monotonic()
    while clock.monotonic() < begin + seconds:
        clock.advance(step)
        view = watch.look()
    return view


class TestRequests:
    def test_of_250_live_streams_with_130_live_each_look_asks_in_batches(
        self, reference: Reference, no_book: CostBook, clock: ManualClock
    ) -> None:
        reference.create(250, live=130, viewers=3)
        watch = Watch([reference.open(None)], no_book, clock=clock)
        watch.look()
        first = reference.asked()
        clock.advance(LIST_EVERY)
        watch.look()
        reference.asked()

        clock.advance(STEP)
        view = watch.look()
        steady = reference.asked()

        assert len(view.rows) == 250
        assert view.providers[0].live == 130
        # Five pages; at most 200 for the first time; three pages of figures for those that are.
        assert len(first) <= 5 + FIRST_LOOKS + 3
        # What the platform says of sessions is asked for once, a few at each look.
        sessions = [one for one in steady if "/broadcasts" in one]
        assert len(sessions) == 2 * CLOSINGS
        # The states of those that are live, some of the others in turn, and three of figures.
        assert len(steady) - len(sessions) == 130 + LOOKS + 3
        assert steady.count("/metrics") == 3

    def test_all_are_looked_at_once_where_that_is_asked_for(
        self, reference: Reference, no_book: CostBook, clock: ManualClock
    ) -> None:
        reference.create(FIRST_LOOKS + 5, live=2)
        watch = Watch([reference.open(None)], no_book, clock=clock)

        in_turn = watch.look()
        thorough = Watch([reference.open(None)], no_book, clock=clock).look(thoroughly=True)

        assert in_turn.providers[0].not_seen_yet == 5
        assert thorough.providers[0].not_seen_yet == 0
        assert thorough.providers[0].live == 2

    def test_each_idle_one_comes_to_its_turn(
        self, reference: Reference, no_book: CostBook, clock: ManualClock
    ) -> None:
        made = reference.create(LOOKS * 2 + 1)
        watch = Watch([reference.open(None)], no_book, clock=clock)
        watch.look()
        reference.asked()

        asked = []
        for _ in range(3):
            clock.advance(STEP)
            watch.look()
            asked += [one for one in reference.asked() if one.startswith("/inputs/")]

        assert {f"/inputs/{one}" for one in made} <= set(asked)

    def test_what_the_ledger_knows_to_be_live_does_not_wait_for_its_turn(
        self, reference: Reference, watch: Watch, book: CostBook, clock: ManualClock
    ) -> None:
        made = reference.create(LOOKS * 3)
        watch.look()
        last = made[-1]
        reference.push(last)
        clock.advance(5)
        # As `record_event` does for a message of the platform.
        book.ledger.observe(seen(last, clock, StreamState.LIVE, viewers=None), now=clock.now())

        assert row_of(watch.look(), last).state is StreamState.LIVE

    def test_it_looks_again_after_the_interval_and_not_before(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        reference.create(1, live=1)
        views = watch.run()
        next(views)
        clock.naps.clear()
        clock.advance(4)  # what somebody did with the view

        next(views)

        assert clock.naps[0] == pytest.approx(STEP - 4)
        assert sum(clock.naps) < STEP

    def test_the_look_after_one_that_took_too_long_comes_at_once(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        reference.create(1)
        views = watch.run()
        next(views)
        clock.naps.clear()
        clock.advance(STEP + 1)

        next(views)

        assert all(nap < 1 for nap in clock.naps)

    @pytest.mark.parametrize("interval", [0.0, 0.99, -1.0, float("nan")])
    def test_a_shorter_interval_than_a_second_is_refused(
        self, interval: float, reference: Reference, no_book: CostBook
    ) -> None:
        with pytest.raises(ValueError, match="interval"):
            Watch([reference.open(None)], no_book, interval=interval)

    def test_nothing_to_watch_and_the_same_thing_twice_are_refused(
        self, reference: Reference, no_book: CostBook
    ) -> None:
        with pytest.raises(ValueError, match="there must be a platform"):
            Watch([], no_book)
        with pytest.raises(ValueError, match="once"):
            Watch([reference.open(None), reference.open(None)], no_book)


def seen(
    stream_id: str, clock: ManualClock, state: StreamState, viewers: int | None
) -> Observation:
    return Observation(
        provider="reference",
        account="main",
        stream_id=stream_id,
        at=clock.now(),
        state=state,
        viewer_count=viewers,
    )


class TestFigures:
    def test_what_the_platform_tells_is_its_own(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1, viewers=7)

        row = row_of(after(clock, watch, 60), one)

        assert (row.state, row.name, row.channel_id) == (StreamState.LIVE, "Show 0", "c0")
        assert (row.viewers.value, row.viewers.source) == (7, Source.PLATFORM)
        assert (row.bitrate.value, row.bitrate.source) == (BITRATE, Source.PLATFORM)
        assert (row.peak_viewers.value, row.peak_viewers.source) == (7, Source.PLATFORM)
        assert row.watch_seconds.source is Source.PLATFORM

    def test_the_time_is_derived_until_the_platform_was_asked_for_its_session(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1)
        clock.advance(600)  # it was live for ten minutes before anybody looked

        first = row_of(watch.look(), one)
        later = row_of(after(clock, watch, 60), one)

        assert (first.live_seconds.value, first.live_seconds.source) == (0, Source.DERIVED)
        assert first.live_seconds.why == "since it was first seen to be live"
        assert later.live_seconds.source is Source.PLATFORM
        assert later.live_seconds.value == pytest.approx(662, abs=1)

    def test_an_idle_one_has_no_figures_and_says_why(
        self, reference: Reference, watch: Watch
    ) -> None:
        (one,) = reference.create(1)

        row = row_of(watch.look(), one)

        for figure in (
            row.viewers,
            row.peak_viewers,
            row.bitrate,
            row.watch_seconds,
            row.live_seconds,
        ):
            assert (figure.value, figure.source, figure.why) == (None, None, "it is not live")
        assert row.session_cost.amount is None

    def test_a_broadcast_and_a_month_cost_what_the_book_says(
        self, reference: Reference, watch: Watch, book: CostBook, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1, viewers=2)

        view = after(clock, watch, 600, step=30)

        row = row_of(view, one)
        total = book.costs().total
        # Ten cents for 60 minutes pushed, of which ten are over.
        assert total.amount == pytest.approx(Decimal("0.10") / 6, rel=Decimal("0.01"))
        assert row.session_cost.amount == row.month_cost.amount == view.spent == total
        assert row.session_cost.basis is Basis.ESTIMATED
        assert view.budgets[0].spent == total
        assert view.month == str(book.month())

    def test_the_second_broadcast_of_a_month_costs_less_than_the_month(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1)
        after(clock, watch, 1200, step=120)
        reference.stop(one)
        after(clock, watch, 1200, step=120)
        reference.push(one)

        row = row_of(after(clock, watch, 300, step=30), one)

        assert row.month_cost.amount is not None
        assert row.session_cost.amount is not None
        assert row.session_cost.amount * 4 < row.month_cost.amount
        assert row.session_cost.amount.amount == pytest.approx(
            Decimal("0.10") * 300 / 3600, rel=Decimal("0.05")
        )

    def test_costs_are_not_worked_out_more_than_a_twentieth_of_the_time(
        self, no_book: CostBook, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = Fake(clock)
        fake.go_live("a")
        ledger, read_usage, reads = no_book.ledger, no_book.ledger.read_usage, []

        def slowly(since: datetime, until: datetime) -> UsageData:
            reads.append(clock.monotonic())
            clock.advance(2)  # a large ledger
            return read_usage(since, until)

        monkeypatch.setattr(ledger, "read_usage", slowly)
        view = after(clock, Watch([fake.opened], no_book, clock=clock), 110)

        assert len(reads) == 3
        assert reads[1] - reads[0] >= 42
        assert view.costs_at is not None
        assert view.at - view.costs_at < timedelta(seconds=50)


class TestUnknown:
    @settings(max_examples=25, deadline=None)
    @given(
        viewers=st.none() | st.integers(0, 10**6),
        bitrate=st.none() | st.integers(0, 10**8),
        peak=st.none() | st.integers(0, 10**6),
        watched=st.none() | st.floats(0, 1e9),
    )
    def test_a_figure_that_is_not_known_stays_so_with_its_reason(
        self, viewers: int | None, bitrate: int | None, peak: int | None, watched: float | None
    ) -> None:
        clock = ManualClock()
        figures = {
            "viewer_count": viewers,
            "current_bitrate": bitrate,
            "peak_viewers": peak,
            "total_watch_time": watched,
        }
        told = {name: value for name, value in figures.items() if value is not None}
        platform = Fake(clock)
        platform.go_live("a")
        platform.figures["a"] = told
        with headend.open_costs(database=None, clock=clock) as book:
            row = row_of(Watch([platform.opened], book, clock=clock).look(), "a")

        for shown, value in (
            (row.viewers, viewers),
            (row.bitrate, bitrate),
            (row.watch_seconds, watched),
        ):
            assert shown.value == value
            assert shown.source is (None if value is None else Source.PLATFORM)
            assert shown.why == (None if value is not None else "fake does not tell")
        if peak is not None or viewers is None:
            assert row.peak_viewers.value == peak
        else:
            assert (row.peak_viewers.value, row.peak_viewers.source) == (viewers, Source.DERIVED)

    def test_peak_and_watch_time_are_derived_where_only_viewers_are_told(self) -> None:
        clock = ManualClock()
        platform = Fake(clock)
        platform.go_live("a")
        with headend.open_costs(database=None, clock=clock) as book:
            watch = Watch([platform.opened], book, clock=clock)
            rows = []
            for viewers in (3, 8, 5):
                platform.figures["a"] = {"viewer_count": viewers}
                rows.append(row_of(watch.look(), "a"))
                clock.advance(STEP)
            row = rows[-1]

        assert (row.viewers.value, row.viewers.source) == (5, Source.PLATFORM)
        assert (row.peak_viewers.value, row.peak_viewers.source) == (8, Source.DERIVED)
        assert row.peak_viewers.why == "the highest of the counts that were seen"
        assert (row.watch_seconds.value, row.watch_seconds.source) == (110, Source.DERIVED)
        assert (row.live_seconds.value, row.live_seconds.source) == (20, Source.DERIVED)
        assert (row.bitrate.value, row.bitrate.why) == (None, "fake does not tell")

    def test_what_has_no_price_costs_nobody_knows_what_and_not_nothing(self) -> None:
        clock = ManualClock()
        platform = Fake(clock)
        platform.go_live("a")
        platform.figures["a"] = {"viewer_count": 5}
        with headend.open_costs(database=None, clock=clock) as book:
            watch = Watch([platform.opened], book, clock=clock)
            row = row_of(after(clock, watch, 60), "a")

        assert row.month_cost.amount is row.session_cost.amount is None
        assert row.month_cost.why is not None
        assert "fake is not installed" in row.month_cost.why


class Fake:
    """A provider that tells what a test wants, without HTTP."""

    account = "1"

    def __init__(self, clock: ManualClock, *, batches: bool = False) -> None:
        self.streams: dict[str, LiveStream] = {}
        self.figures: dict[str, dict[str, float]] = {}
        self.failing: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.states_in_list = True
        self._clock = clock
        self.opened = cast("StreamingPlatform", _Opened(self, batches=batches))

    def go_live(self, *names: str) -> None:
        for name in names:
            self.streams[name] = LiveStream(
                stream_id=name, provider="fake", state=StreamState.LIVE, name=name
            )

    def list_live_streams(self) -> Iterator[LiveStream]:
        self._ask("list")
        for one in list(self.streams.values()):
            yield one if self.states_in_list else attrs.evolve(one, state=None)
        if "end of list" in self.failing:
            raise self.failing["end of list"]

    def get_live_stream(self, stream_id: str) -> LiveStream:
        self._ask(f"get {stream_id}")
        if stream_id not in self.streams:
            raise StreamNotFoundError("it is gone", provider="fake", operation="get_live_stream")
        return self.streams[stream_id]

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        self._ask(f"analytics {stream_id}")
        told = self.figures.get(stream_id, {})
        if stream_id not in self.streams:
            raise StreamNotFoundError("it is gone", provider="fake", operation="get_analytics")
        names = {"viewer_count", "current_bitrate", "peak_viewers", "total_watch_time"}
        return StreamAnalytics(
            stream_id=stream_id,
            as_of=self._clock.now(),
            unknown=unknown_metrics("fake does not tell", sorted(names - set(told))),
            **told,  # type: ignore[arg-type]  # as the tests say
        )

    def get_analytics_many(self, stream_ids: list[str]) -> list[StreamAnalytics]:
        self._ask("analytics of many")
        if missing := [one for one in stream_ids if one not in self.streams]:
            raise StreamNotFoundError(missing[0], provider="fake", operation="get_analytics_many")
        return [self.get_analytics(one) for one in stream_ids]

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failing:
            raise self.failing[what]


class _Opened:
    """What a watcher takes of a `StreamingPlatform`."""

    def __init__(self, fake: Fake, *, batches: bool) -> None:
        self.provider = "fake"
        self.capabilities = frozenset({headend.Capability.BATCH_ANALYTICS} if batches else ())
        self._fake = fake

    def native(self, _kind: type) -> Fake:
        return self._fake

    def __getattr__(self, name: str) -> object:
        return getattr(self._fake, name)


class TestOutages:
    def test_of_two_providers_one_that_is_out_of_order_does_not_stop_the_other(
        self, clock: ManualClock, no_book: CostBook
    ) -> None:
        fake = Fake(clock)
        fake.go_live("a")
        with Reference(clock) as reference:
            (one,) = reference.create(1, live=1, viewers=2)
            watch = Watch([reference.open(None), fake.opened], no_book, clock=clock)
            watch.look()
            reference.faults.script(dict.fromkeys(range(100), UNAVAILABLE))
            clock.advance(STEP)

            view = watch.look()

            broken, well = view.providers
            assert broken.provider == "reference"
            assert broken.problem is not None
            assert "503" in broken.problem
            assert well.problem is None
            assert row_of(view, one).is_stale
            assert row_of(view, one).state is StreamState.LIVE
            assert not row_of(view, "a").is_stale
            assert set(watch.failures) == {"reference"}
            # What failed is tried again by the calls, and by nothing else.
            assert len(reference.asked()) < 20

            reference.faults.script({})
            clock.advance(60)
            again = watch.look()
            assert again.providers[0].problem is None
            assert not row_of(again, one).is_stale

    def test_one_that_does_not_answer_keeps_nobody_waiting(
        self, clock: ManualClock, no_book: CostBook
    ) -> None:
        fake = Fake(clock)
        fake.go_live("a")
        with Reference(clock) as reference:
            reference.create(1, live=1)
            hanging = reference.open(None, timeout=3.0)
            watch = Watch([hanging, fake.opened], no_book, clock=clock)
            watch.look()
            reference.faults.script({0: HANG})

            clock.advance(STEP)
            views = [watch.look(patience=0.05) for _ in range(2)]

            assert [view.providers[0].asked_since is not None for view in views] == [True, True]
            assert fake.asked.count("list") == 3
            assert row_of(views[1], "a").seen_at == clock.now()
            assert all(one.provider != "fake" for one in views[1].providers if one.asked_since)

    def test_one_live_stream_that_makes_trouble_stops_no_other(
        self, clock: ManualClock, no_book: CostBook
    ) -> None:
        fake = Fake(clock)
        fake.states_in_list = False
        fake.go_live("a", "b", "c")
        fake.failing["get b"] = PlatformProtocolError(
            "its answer makes no sense", provider="fake", operation="get_live_stream"
        )
        fake.failing["analytics c"] = PlatformProtocolError(
            "nor do its figures", provider="fake", operation="get_analytics"
        )
        view = Watch([fake.opened], no_book, clock=clock).look()

        assert view.providers[0].problem is None
        assert row_of(view, "a").problem is None
        assert "makes no sense" in str(row_of(view, "b").problem)
        assert row_of(view, "b").state is None
        assert row_of(view, "c").state is StreamState.LIVE
        assert "nor do its figures" in str(row_of(view, "c").viewers.why)

    def test_a_list_that_is_known_not_to_be_whole_takes_nothing_away(
        self, clock: ManualClock, no_book: CostBook
    ) -> None:
        fake = Fake(clock)
        for name in "ab":
            fake.streams[name] = LiveStream(
                stream_id=name, provider="fake", state=StreamState.IDLE, name=name
            )
        watch = Watch([fake.opened], no_book, clock=clock)
        watch.look()
        del fake.streams["b"]
        fake.failing["end of list"] = PlatformProtocolError(
            "there are more", provider="fake", operation="list_live_streams"
        )
        view = watch.look()

        assert [row.ref.stream_id for row in view.rows] == ["a", "b"]
        assert "there are more" in view.providers[0].notes[0]

    def test_a_defect_of_a_plugin_is_told_and_stops_nothing(
        self, clock: ManualClock, no_book: CostBook, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake = Fake(clock)
        fake.failing["list"] = RuntimeError("nobody thought of this")
        watch = Watch([fake.opened], no_book, clock=clock)

        view = watch.look()

        assert "defect" in str(view.providers[0].problem)
        assert "nobody thought of this" in caplog.text
        del fake.failing["list"]
        assert watch.look().providers[0].problem is None

    def test_half_an_answer_leaves_figures_unknown(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1, viewers=4)
        after(clock, watch, 60)
        # One for the state, then those for the figures, which are tried a few times.
        reference.faults.script(dict.fromkeys(range(1, 20), HTML))
        clock.advance(STEP)

        row = row_of(watch.look(), one)

        assert row.state is StreamState.LIVE
        assert row.viewers.value is None
        assert row.viewers.why is not None


class TestVanished:
    @pytest.mark.parametrize("batches", [True, False])
    @pytest.mark.parametrize("states_in_list", [True, False])
    def test_one_that_is_gone_was_live_until_then(
        self, batches: bool, states_in_list: bool, clock: ManualClock, no_book: CostBook
    ) -> None:
        fake = Fake(clock, batches=batches)
        fake.states_in_list = states_in_list
        fake.go_live("a", "b")
        watch = Watch([fake.opened], no_book, clock=clock)
        watch.look()
        del fake.streams["a"]
        clock.advance(STEP)

        view = watch.look()
        clock.advance(LIST_EVERY)
        later = watch.look()

        assert row_of(view, "a").state is StreamState.ENDED
        assert row_of(view, "a").state_reason == "the platform does not have it any more"
        assert row_of(view, "b").state is StreamState.LIVE
        assert [row.ref.stream_id for row in later.rows] == ["b"]
        kinds = [(one.kind, one.stream_id) for one in no_book.events()]
        assert kinds.count((LedgerEventKind.WENT_IDLE, "a")) == 1
        assert fake.asked.count("get a") <= 2

    def test_one_that_goes_between_state_and_figures_leaves_the_others_theirs(
        self, clock: ManualClock, no_book: CostBook
    ) -> None:
        fake = Fake(clock, batches=True)
        fake.go_live("a", "b")
        fake.figures["a"] = fake.figures["b"] = {"viewer_count": 4}
        listed = dict(fake.streams)
        watch = Watch([fake.opened], no_book, clock=clock)
        fake.list_live_streams = lambda: iter(listed.values())  # type: ignore[method-assign]  # late
        del fake.streams["a"]

        view = watch.look()

        assert row_of(view, "a").state is StreamState.ENDED
        assert row_of(view, "b").viewers.value == 4


class TestKept:
    def test_what_begins_and_ends_is_in_the_journal_and_counts(
        self, reference: Reference, watch: Watch, book: CostBook, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1, viewers=3)
        after(clock, watch, 120)
        reference.stop(one)
        reference.asked()
        after(clock, watch, STEP)

        assert [event.kind for event in book.events()] == [
            LedgerEventKind.WENT_LIVE,
            LedgerEventKind.WENT_IDLE,
        ]
        usage = book.usage()
        (session,) = usage.sessions
        (recording,) = usage.recordings
        assert session.ended_at is not None
        assert session.height == 720
        assert recording.seconds == pytest.approx(123, abs=1)
        assert sum(slot.live_seconds for slot in usage.slots) == pytest.approx(120, abs=11)
        assert any(path.endswith("/recordings") for path in reference.asked())

    def test_recordings_are_asked_for_once_more_when_they_are_surely_there(
        self, reference: Reference, watch: Watch, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1)
        after(clock, watch, 60)
        reference.stop(one)
        after(clock, watch, 60)
        reference.asked()

        after(clock, watch, LATE + STEP, step=60)
        late = [path for path in reference.asked() if path.endswith("/recordings")]
        after(clock, watch, LATE, step=60)

        assert len(late) == 1
        assert not any(path.endswith("/recordings") for path in reference.asked())

    def test_two_watchers_count_nothing_twice(
        self,
        reference: Reference,
        watch: Watch,
        book: CostBook,
        clock: ManualClock,
        database: Path,
    ) -> None:
        (one,) = reference.create(1, live=1, viewers=6)
        with headend.open_costs(database=database, clock=clock) as other_book:
            other = Watch([reference.open(database)], other_book, clock=clock)
            begin = clock.now()
            for _ in range(20):
                both = [threading.Thread(target=each.look) for each in (watch, other)]
                for thread in both:
                    thread.start()
                for thread in both:
                    thread.join()
                clock.advance(STEP)
            end = watch.look().at

        seconds = (end - begin).total_seconds()
        slots = book.usage().slots
        assert sum(slot.live_seconds for slot in slots) == pytest.approx(seconds, abs=1)
        assert sum(slot.viewer_seconds or 0 for slot in slots) == pytest.approx(6 * seconds, abs=6)
        assert [event.kind for event in book.events()] == [LedgerEventKind.WENT_LIVE]
        assert row_of(other.look(), one).viewers.value == 6

    def test_without_a_ledger_figures_are_shown_and_nothing_is_kept(
        self, reference: Reference, no_book: CostBook, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1, viewers=6)
        watch = Watch([reference.open(None)], no_book, clock=clock)

        view = after(clock, watch, 60)

        assert not view.is_kept
        assert view.ledger_problem is None
        assert row_of(view, one).viewers.value == 6
        assert row_of(view, one).session_cost.amount is not None

    def test_a_ledger_that_fails_is_told_and_looking_goes_on(
        self, clock: ManualClock, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken.sqlite3"
        broken.write_bytes(b"this is no database" * 100)
        fake = Fake(clock)
        fake.go_live("a")
        fake.figures["a"] = {"viewer_count": 2}
        with headend.open_costs(database=broken, clock=clock) as book:
            view = Watch([fake.opened], book, clock=clock).look()

        row = row_of(view, "a")
        assert "broken.sqlite3" in str(view.ledger_problem)
        assert not view.is_kept
        assert row.viewers.value == 2
        assert row.peak_viewers.value is None
        assert row.live_seconds.why == "the ledger does not tell since when it has been live"
        assert row.month_cost.amount is None
        assert "broken.sqlite3" in str(row.month_cost.why)
        assert view.spent is None

    def test_a_ledger_that_comes_back_is_used_again(
        self, clock: ManualClock, no_book: CostBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = Fake(clock)
        fake.go_live("a")
        watch = Watch([fake.opened], no_book, clock=clock)
        asked = []

        def locked(*_: object, **__: object) -> list[LedgerEvent]:
            asked.append(clock.monotonic())
            raise LedgerError("it is locked", ledger="here")

        with monkeypatch.context() as broken:
            broken.setattr(no_book.ledger, "observe", locked)
            first = watch.look()
            clock.advance(STEP)
            second = watch.look()
        clock.advance(ALONE_FOR)
        third = watch.look()

        assert [view.ledger_problem for view in (first, second, third)] == [
            "it is locked",
            "it is locked",
            None,
        ]
        # A ledger that fails is left alone for a while: each time may take seconds.
        assert len(asked) == 1
        assert [one.kind for one in no_book.events()] == [LedgerEventKind.WENT_LIVE]

    def test_sessions_that_cannot_be_asked_for_are_asked_for_later(
        self, reference: Reference, watch: Watch, book: CostBook, clock: ManualClock
    ) -> None:
        (one,) = reference.create(1, live=1)
        after(clock, watch, 60)
        reference.stop(one)
        # One for the state; then the platform is out of order, when it is asked for sessions.
        reference.faults.script(dict.fromkeys(range(1, 100), UNAVAILABLE))
        broken = watch.look()
        reference.faults.script({})

        after(clock, watch, RETRY + STEP, step=20)

        assert "503" in str(broken.providers[0].problem)
        assert [event.kind for event in book.events()][-1] is LedgerEventKind.WENT_IDLE
        assert [session.ended_at is not None for session in book.usage().sessions] == [True]
        assert len(book.usage().recordings) == 1

    def test_sessions_that_could_not_be_kept_are_asked_for_again(
        self,
        reference: Reference,
        watch: Watch,
        book: CostBook,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (one,) = reference.create(1, live=1)
        after(clock, watch, 60)
        reference.stop(one)

        def locked(*_: object, **__: object) -> None:
            raise LedgerError("it is locked", ledger="here")

        with monkeypatch.context() as broken:
            broken.setattr(book.ledger, "record_sessions", locked)
            watch.look()
        after(clock, watch, ALONE_FOR + RETRY + STEP, step=20)

        assert [session.ended_at is not None for session in book.usage().sessions] == [True]

    def test_budgets_are_looked_after(
        self,
        reference: Reference,
        clock: ManualClock,
        database: Path,
    ) -> None:
        reference.create(1, live=1)
        with headend.open_costs(
            database=database, clock=clock, settings={"budgets": "all=0.01"}
        ) as book:
            after(clock, Watch([reference.open(None)], book, clock=clock), 600, step=60)
            book.close()
            with closing(open_ledger(database, clock=clock, random=Random(3))) as ledger:
                alerts = ledger.events(kinds=[LedgerEventKind.BUDGET_ALERT])

        assert len(alerts) == 3

    def test_no_stream_key_and_no_token_is_in_what_is_seen(
        self,
        reference: Reference,
        watch: Watch,
        clock: ManualClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level("DEBUG")
        reference.create(3, live=2)
        keys = [*reference.app.platform.keys, reference.app.platform.token]
        after(clock, watch, 60)
        reference.faults.script(dict.fromkeys(range(30), UNAVAILABLE))
        clock.advance(STEP)

        view = watch.look()

        shown = f"{view!r} {to_json(view)} {caplog.text}"
        assert [one for one in keys if one in shown] == []

    def test_a_program_watches_with_the_five_lines_of_the_page(
        self, reference: Reference, watch: Watch
    ) -> None:
        reference.create(1, live=1)

        (row,) = next(watch.run()).rows

        assert row.ref == StreamRef("reference", "main", row.ref.stream_id)
        assert headend.Watch is Watch
