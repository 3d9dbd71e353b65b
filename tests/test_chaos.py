"""Whatever goes wrong at whichever request, nothing is made twice and nothing is forgotten.

Each operation is run once in peace, to count its requests; then with each fault at each of them;
then, for each of these, with each second fault at each later request, also at those that are
there only because of the first fault.  Time is virtual; requests and faults are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
from attrs import define, field

from headend.errors import PlatformError, PlatformProtocolError, UncertainOutcomeError
from headend.models import EndOutcome
from headend.reconcile import Action, Finding, FindingKind
from headend_contract.clock import ManualClock
from headend_contract.faults import (
    CUT_ANSWER,
    DROP_ANSWER,
    DROP_REQUEST,
    GATEWAY_TIMEOUT,
    HANG,
    HANG_AFTER,
    HTML,
    RATE_LIMITED,
    RATE_LIMITED_BARE,
    TRUNCATED,
    UNAVAILABLE,
    Fault,
    FaultLayer,
)
from headend_contract.reference import headend_providers
from headend_contract.reference.opening import open_reference
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from headend.platform import StreamingPlatform
    from headend_contract.faults import Seen
    from headend_contract.reference.platform import SimulatedPlatform
    from tests.conftest import LedgerFile

_T = TypeVar("_T")

Script = Mapping[int, Fault]

FAULTS: Final = (
    DROP_REQUEST,
    DROP_ANSWER,
    RATE_LIMITED,
    UNAVAILABLE,
    HANG,
    HANG_AFTER,
    HTML,
    TRUNCATED,
)
MORE_FAULTS: Final = (*FAULTS, CUT_ANSWER, RATE_LIMITED_BARE, GATEWAY_TIMEOUT)
SLOW: Final = frozenset({HANG, HANG_AFTER})
GARBAGE: Final = frozenset({HTML, TRUNCATED})
"""What no repetition is for; all others of two faults are overcome by three attempts."""

METHODS: Final = ("DELETE", "GET", "POST")

SETTLE_TIME: Final = next(headend_providers()).settle_time
SHORT_LAG: Final = SETTLE_TIME * 0.6
LONG_LAG: Final = SETTLE_TIME * 2.5

PATIENCE: Final = 0.3
"""Seconds of real time that a request may take where one hangs."""
WORLDS: Final = 20
"""So many cases in which a request hangs are run at once."""


@define
class Tally:
    """What all cases of a test came to."""

    cases: int = 0
    of_all: int = 0
    duplicates: int = 0
    leftovers: int = 0
    late_copies: int = 0
    late_copies_reported: int = 0

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        self.of_all += other.of_all
        self.duplicates += other.duplicates
        self.leftovers += other.leftovers
        self.late_copies += other.late_copies
        self.late_copies_reported += other.late_copies_reported


class World:
    """A platform on a socket behind faults, with a time of its own, and a ledger.

    It serves one case after the other.
    """

    def __init__(self, ledger: LedgerFile) -> None:
        self.ledger = ledger
        self.clock = ManualClock()
        app = create_app(clock=self.clock, random=Random(7))
        self.simulated = app.platform
        self.faults = FaultLayer(app)
        self.served = Served(self.faults)
        self._random = Random(0)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Serve the platform, and open it for cases in which a request hangs, and for others."""
        with self.served, self._opened(30.0) as self._quick, self._opened(PATIENCE) as self._slow:
            yield

    def begin(self, script: Script) -> Case:
        """Forget what was, and begin a case."""
        self.served.disconnect()
        self.simulated.switch(list_lag=0)
        self.simulated.reset()
        self.faults.reset()
        self.ledger.clear()
        self._random.seed(repr(script))
        return Case(self, script, self._slow if SLOW & set(script.values()) else self._quick)

    def _opened(self, timeout: float) -> StreamingPlatform:
        return open_reference(
            self.served.url,
            self.simulated.token,
            clock=self.clock,
            random=self._random,
            database=self.ledger.path,
            timeout=timeout,
        )


@define
class Case:
    """One run of an operation with a script of faults, and all that can be seen of it."""

    world: World
    script: Script
    platform: StreamingPlatform
    tally: Tally = field(factory=Tally)
    seen: list[Seen] = field(factory=list)

    @property
    def ledger(self) -> LedgerFile:
        """The ledger, read past headend."""
        return self.world.ledger

    @property
    def inputs(self) -> list[str]:
        """What is on the platform, whatever any list shows."""
        return sorted(self.world.simulated.inputs)

    def suffer(self, operation: Callable[[], _T]) -> tuple[_T | None, PlatformError | None]:
        """Run an operation under the script; return its result or its error."""
        faults, simulated = self.world.faults, self.world.simulated
        before = len(faults.seen)
        faults.script(self.script)
        try:
            return operation(), None
        except PlatformError as failure:
            error = failure
        finally:
            faults.script({})
            self.seen = faults.seen[before:]
            marked = {one.tags["marker"] for one in simulated.inputs.values()}
            assert marked <= self.ledger.markers(), "the intent is written before it is sent"
        told = str(error)
        assert not [secret for secret in (simulated.token, *simulated.keys) if secret in told]
        assert error.provider == "reference"
        return None, error

    def got_garbage(self, *methods: str, path: str = "") -> bool:
        """Tell whether garbage answered a request with such a method, or a path that ends so."""
        return any(
            one.fault in GARBAGE and one.method in methods and one.path.endswith(path)
            for one in self.seen
        )

    def could_not_tell(self) -> bool:
        """Tell whether garbage answered the look-up of a creation, or the check of what it found.

        Then the creation stays open, for the next call with its key or for `reconcile`.
        """
        return self.got_garbage("GET", path="/inputs") or self.got_garbage("GET", path="/key")

    def agree(self) -> None:
        """Check that the ledger knows what there is, and that `reconcile` says so."""
        known = self.ledger.ids("active")
        self.tally.leftovers += len(set(self.inputs) - set(known))
        assert known == self.inputs, "what the ledger knows is what there is"
        assert not {state for state, _ in self.ledger.rows()} & {"creating", "ending"}
        assert self.platform.reconcile() == []


Scenario = Callable[[Case], None]


def create(case: Case) -> None:
    """The list lags less than it takes to settle: one resource, and one way to tell."""
    made, error = case.suffer(lambda: case.platform.create_live_stream(42))
    case.tally.duplicates += max(0, case.world.simulated.created - 1)
    assert case.world.simulated.created <= 1
    _expect_created_unless_the_look_up_failed(case, error)
    if made is not None:
        assert case.world.simulated.keys == {made.stream_key.reveal(): made.stream_id}

    case.world.clock.advance(SETTLE_TIME)
    findings = case.platform.reconcile()
    if not case.could_not_tell():
        assert findings == []
    else:
        action = Action.ADOPT if case.inputs else Action.ABANDON
        assert [(one.kind, one.action, one.done) for one in findings] == [
            (FindingKind.OPEN_INTENT, action, True)
        ]
    case.agree()


def create_with_a_lagging_list(case: Case) -> None:
    """As `create`, with a list that lags."""
    case.world.simulated.switch(list_lag=SHORT_LAG)
    create(case)


def create_again_with_its_key(case: Case) -> None:
    """A call that failed is repeated with its idempotency key, at once and by the same process."""
    case.world.simulated.switch(list_lag=SHORT_LAG)

    def call() -> str:
        return case.platform.create_live_stream(42, idempotency_key="once").stream_id

    made, error = case.suffer(call)
    _expect_created_unless_the_look_up_failed(case, error)
    again = call()
    case.tally.duplicates += max(0, case.world.simulated.created - 1)
    assert case.world.simulated.created == 1
    assert made in {again, None}
    case.world.clock.advance(SETTLE_TIME)
    case.agree()


def create_with_a_list_that_lags_too_long(case: Case) -> None:
    """There may be a second copy; `reconcile` reports it, and removes it and nothing else."""
    case.world.simulated.switch(list_lag=LONG_LAG)
    made, error = case.suffer(lambda: case.platform.create_live_stream(42))
    _expect_created_unless_the_look_up_failed(case, error)
    case.world.clock.advance(LONG_LAG)
    _clean_late_copies(case, None if made is None else made.stream_id)


def create_and_reconcile_while_the_list_lags(case: Case) -> None:
    """What counts as never made, since no list has it, shows up after all."""
    case.world.simulated.switch(list_lag=LONG_LAG)
    made, error = case.suffer(lambda: case.platform.create_live_stream(42))
    _expect_created_unless_the_look_up_failed(case, error)
    case.world.clock.advance(SETTLE_TIME)
    before = case.inputs
    case.platform.reconcile()
    assert case.inputs == before, "nothing is removed unasked"
    case.world.clock.advance(LONG_LAG)
    _clean_late_copies(case, None if made is None else made.stream_id)


def rotate(case: Case) -> None:
    """One key is good afterwards, and it is the one that was returned."""
    first = case.platform.create_live_stream(42)
    encoder = case.world.simulated.encoder(first.stream_key.reveal(), reconnects=True)
    rotated, error = case.suffer(lambda: case.platform.rotate_stream_key(first.stream_id))
    assert isinstance(error, PlatformProtocolError) == case.got_garbage("POST")
    assert (error is None) == (rotated is not None)

    assert list(case.world.simulated.keys.values()) == [first.stream_id]
    (good,) = case.world.simulated.keys
    was_processed = any(one.fault is None or one.fault.processed for one in case.seen)
    assert (good != first.stream_key.reveal()) == was_processed
    assert encoder.refusals == was_processed
    assert case.platform.get_credentials(first.stream_id).stream_key.reveal() == good
    if rotated is not None:
        assert rotated.stream_key.reveal() == good
    case.agree()


def end_idle(case: Case) -> None:
    """Nobody pushes: it is gone, or the error says that it may not be."""
    _end(case, case.platform.create_live_stream(42).stream_id, delete_recordings=False)


def end_live(case: Case) -> None:
    """An encoder pushes that comes back at once."""
    made = case.platform.create_live_stream(42)
    case.world.simulated.encoder(made.stream_key.reveal(), reconnects=True)
    _end(case, made.stream_id, delete_recordings=False)


def end_with_recordings(case: Case) -> None:
    """What was recorded is deleted, too."""
    made = case.platform.create_live_stream(42)
    case.world.simulated.encoder(made.stream_key.reveal()).leave()
    case.world.clock.advance(60)
    _end(case, made.stream_id, delete_recordings=True)


def reconcile(case: Case) -> None:
    """`reconcile` itself may fail, wholly or with one; the next one makes up for it."""
    ended = case.platform.create_live_stream(1).stream_id
    kept = case.platform.create_live_stream(2).stream_id
    case.world.faults.script({2: HTML})
    with pytest.raises(PlatformProtocolError):
        case.platform.end_live_stream(ended)
    case.world.faults.script({0: DROP_ANSWER, 1: HTML})
    with pytest.raises(UncertainOutcomeError):
        case.platform.create_live_stream(3)
    case.world.clock.advance(SETTLE_TIME)

    findings, error = case.suffer(case.platform.reconcile)
    if case.got_garbage("GET", path="/inputs"):
        assert isinstance(error, PlatformProtocolError)
    else:
        assert findings is not None
        refused = [one for one in findings if one.action is Action.NONE]
        assert bool(refused) == case.got_garbage(*METHODS)
        assert all("refused" in one.why and not one.done for one in refused)
    case.platform.reconcile()
    assert kept in case.inputs
    assert ended not in case.inputs
    assert case.world.simulated.created == 3
    assert len(case.inputs) == 2
    case.agree()


SCENARIOS: Final = (
    create,
    create_with_a_lagging_list,
    create_again_with_its_key,
    create_with_a_list_that_lags_too_long,
    create_and_reconcile_while_the_list_lags,
    rotate,
    end_idle,
    end_live,
    end_with_recordings,
    reconcile,
)


def _expect_created_unless_the_look_up_failed(case: Case, error: PlatformError | None) -> None:
    if not case.could_not_tell():
        assert error is None
        return
    assert isinstance(error, UncertainOutcomeError)
    assert "headend orphans list" in error.message
    assert case.ledger.rows() == [("creating", None)]
    if case.got_garbage("GET", path="/key"):
        (found,) = (one for one in case.inputs if one in error.message)
        assert case.platform.get_credentials(found).stream_key.reveal() in case.world.simulated.keys


def _clean_late_copies(case: Case, returned: str | None) -> None:
    """Check that exactly what the host does not have is reported, and removed when asked."""
    there = case.inputs
    kept = set(case.ledger.ids("active")) if returned is None else {returned}
    if there and ("creating", None) in case.ledger.rows():
        kept = {min(there, key=lambda one: case.world.simulated.inputs[one].number)}
    assert kept <= set(there)
    copies = set(there) - kept
    reported = _surplus(case.platform.reconcile(dry_run=True))
    case.tally.late_copies += len(copies)
    case.tally.late_copies_reported += len(copies & set(reported))
    assert sorted(reported) == sorted(copies)
    assert case.inputs == there, "a dry run changes nothing"

    removed = _surplus(case.platform.reconcile(clean=True))
    assert sorted(removed) == sorted(copies)
    assert case.inputs == sorted(kept)
    case.agree()


def _surplus(findings: Sequence[Finding]) -> list[str]:
    surplus = {FindingKind.DUPLICATE, FindingKind.ORPHAN}
    return [
        str(one.stream_id) for one in findings if one.kind in surplus and one.action is Action.END
    ]


def _end(case: Case, stream_id: str, *, delete_recordings: bool) -> None:
    result, error = case.suffer(
        lambda: case.platform.end_live_stream(stream_id, delete_recordings=delete_recordings)
    )
    assert isinstance(error, PlatformProtocolError) == case.got_garbage(*METHODS)
    recordings = case.world.simulated.recordings
    if result is not None:
        assert case.inputs == []
        assert result.outcome is EndOutcome.ENDED
        assert {one.recording_id for one in result.recordings_kept} == set(recordings)
    else:
        assert error is not None
        assert case.ledger.rows() == [("ending", stream_id)]
        (finding,) = case.platform.reconcile()
        assert (finding.kind, finding.done) == (FindingKind.HALF_ENDED, True)
        assert case.inputs == []
    assert case.ledger.rows() == [("ended", stream_id)]
    if delete_recordings:
        assert recordings == {}
    case.agree()


class Explorer:
    """Runs a scenario with all scripts of at most two faults."""

    def __init__(self, worlds: Sequence[World], summarise: Callable[[str], None]) -> None:
        self._worlds: SimpleQueue[World] = SimpleQueue()
        for world in worlds:
            self._worlds.put(world)
        self._summarise = summarise
        self.total = Tally()

    def explore(self, scenario: Scenario, faults: Sequence[Fault], *, one_in: int = 1) -> Tally:
        """Run them, and fail with the scripts that showed something wrong.

        Args:
            scenario: what to run and to check.
            faults: what can go wrong.
            one_in: of the scripts with two faults, run one of so many.
        """
        tally = Tally()
        failures: list[str] = []

        def run(scripts: Sequence[Script]) -> list[int]:
            counts = []
            for script, (case, failure) in zip(
                scripts, self._run_all(scenario, scripts), strict=True
            ):
                tally.add(case.tally)
                tally.cases += 1
                counts.append(len(case.seen))
                if failure is not None:
                    failures.append(f"{dict(script)}: {failure!r}")
            return counts

        (in_peace,) = run([{}])
        single = [{place: fault} for place in range(in_peace) for fault in faults]
        double = [
            {**script, place: fault}
            for script, requests in zip(single, run(single), strict=True)
            for place in range(max(script) + 1, requests)
            for fault in faults
        ]
        run(double[::one_in])
        tally.of_all = 1 + len(single) + len(double)
        self._summarise(_in_words(scenario.__name__, tally))
        self.total.add(tally)
        assert not failures, f"{len(failures)} of {tally.cases}:\n" + "\n".join(failures[:10])
        return tally

    def run(self, scenario: Scenario, script: Script) -> None:
        """Run it once, with the script in force from its beginning."""

        def scripted(case: Case) -> None:
            case.world.faults.script(script)
            scenario(case)

        _, failure = self._run(scripted, script)
        if failure is not None:
            raise failure

    def _run_all(
        self, scenario: Scenario, scripts: Sequence[Script]
    ) -> list[tuple[Case, Exception | None]]:
        # Those in which a request hangs mostly wait, so they do that side by side.
        with ThreadPoolExecutor(WORLDS - 1) as pool:
            slow = {
                number: pool.submit(self._run, scenario, script)
                for number, script in enumerate(scripts)
                if SLOW & set(script.values())
            }
            quick = {
                number: self._run(scenario, script)
                for number, script in enumerate(scripts)
                if number not in slow
            }
            return [
                quick[number] if number in quick else slow[number].result()
                for number in range(len(scripts))
            ]

    def _run(self, scenario: Scenario, script: Script) -> tuple[Case, Exception | None]:
        world = self._worlds.get()
        try:
            case = world.begin(script)
            try:
                scenario(case)
            except Exception as failure:  # noqa: BLE001  # told with the script that led there
                return case, failure
            return case, None
        finally:
            self._worlds.put(world)


def _in_words(name: str, tally: Tally) -> str:
    late = (
        f"; copies that came late: {tally.late_copies}, reported and removed: "
        f"{tally.late_copies_reported}"
    )
    return (
        f"chaos, {name}: {tally.cases} of {tally.of_all} cases, duplicates: {tally.duplicates}, "
        f"unknown leftovers: {tally.leftovers}{late if tally.late_copies else ''}"
    )


@pytest.fixture(scope="module")
def explorer(
    tmp_path_factory: pytest.TempPathFactory,
    read_ledger: Callable[[Path], LedgerFile],
    summarise: Callable[[str], None],
) -> Iterator[Explorer]:
    folder = tmp_path_factory.mktemp("chaos")
    with ExitStack() as stack:
        worlds = [World(read_ledger(folder / f"{number}.sqlite3")) for number in range(WORLDS)]
        for world in worlds:
            stack.enter_context(world.entered())
            world.begin({}).platform.reconcile()
        made = Explorer(worlds, summarise)
        yield made
        summarise(_in_words("all", made.total))


def test_a_creation_makes_one_live_stream_and_it_is_known(explorer: Explorer) -> None:
    assert explorer.explore(create, FAULTS).duplicates == 0


def test_a_list_that_lags_less_than_it_settles_makes_no_difference(explorer: Explorer) -> None:
    assert explorer.explore(create_with_a_lagging_list, FAULTS).duplicates == 0


def test_a_failed_creation_is_taken_up_with_its_idempotency_key(explorer: Explorer) -> None:
    assert explorer.explore(create_again_with_its_key, FAULTS, one_in=3).duplicates == 0


def test_a_second_copy_after_a_longer_lag_is_reported_every_time(explorer: Explorer) -> None:
    tally = explorer.explore(create_with_a_list_that_lags_too_long, FAULTS, one_in=3)
    assert tally.late_copies_reported == tally.late_copies > 0


def test_what_was_given_up_and_appears_is_reported_every_time(explorer: Explorer) -> None:
    tally = explorer.explore(create_and_reconcile_while_the_list_lags, FAULTS, one_in=3)
    assert tally.late_copies_reported == tally.late_copies > 0


def test_after_a_rotation_one_key_is_good(explorer: Explorer) -> None:
    explorer.explore(rotate, FAULTS)


def test_an_end_is_done_or_resumed(explorer: Explorer) -> None:
    explorer.explore(end_idle, FAULTS, one_in=3)


def test_an_end_is_done_or_resumed_while_an_encoder_comes_back(explorer: Explorer) -> None:
    explorer.explore(end_live, FAULTS, one_in=13)


def test_an_end_that_deletes_recordings_is_done_or_resumed(explorer: Explorer) -> None:
    explorer.explore(end_with_recordings, FAULTS, one_in=17)


def test_reconciling_is_done_or_can_be_repeated(explorer: Explorer) -> None:
    explorer.explore(reconcile, FAULTS, one_in=29)


def test_a_ledger_that_goes_away_meanwhile_does_not_cost_the_answer(
    served: Served,
    simulated: SimulatedPlatform,
    faults: FaultLayer,
    ledger: LedgerFile,
    later: Callable[[], StreamingPlatform],
) -> None:
    """What was made and could not be recorded is the host's, and is recorded later."""
    away = ledger.path.with_suffix(".away")

    async def move_and_answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        ledger.path.rename(away)
        await app(scope, receive, send)

    faults.script({0: Fault("moved", "the ledger is moved away", True, move_and_answer)})
    with open_reference(served.url, simulated.token, database=ledger.path) as platform:
        made = platform.create_live_stream(42)
        away.rename(ledger.path)
    assert list(simulated.inputs) == [made.stream_id]
    assert ledger.rows() == [("creating", None)]

    with later() as platform:
        assert [one.action for one in platform.reconcile()] == [Action.ADOPT]
    assert ledger.rows() == [("active", made.stream_id)]


def test_an_open_intent_is_shown_at_once_and_decided_when_the_list_has_settled(
    explorer: Explorer,
) -> None:
    """As the error of the creation promises."""

    def uncertain(case: Case) -> None:
        case.world.simulated.switch(list_lag=LONG_LAG)
        with pytest.raises(UncertainOutcomeError) as caught:
            case.platform.create_live_stream(42)
        assert "headend orphans list" in caught.value.message
        for _ in range(2):
            (shown,) = case.platform.reconcile()
            assert (shown.kind, shown.action) == (FindingKind.OPEN_INTENT, Action.NONE)
            assert not shown.done
            assert str(shown.marker) in caught.value.message
        case.world.clock.advance(SETTLE_TIME)
        (decided,) = case.platform.reconcile()
        assert (decided.action, decided.done) == (Action.ABANDON, True)
        case.agree()

    explorer.run(uncertain, {0: DROP_REQUEST, 1: HTML})


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_all_pairs_of_all_faults(explorer: Explorer, scenario: Scenario) -> None:
    tally = explorer.explore(scenario, MORE_FAULTS)
    assert tally.duplicates == tally.leftovers == 0
    assert tally.late_copies_reported == tally.late_copies
