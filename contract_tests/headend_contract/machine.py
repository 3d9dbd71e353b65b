"""One model of a provider, driven at random on its simulator, with the truth as the oracle.

Rules do what hosts, encoders and viewers do, in any order, with requests that fail in between.
After each of them the provider's word, what the host knows (`headend_contract.model`) and what is
so on the simulated platform must agree, and nothing may be left there that neither the host knows
of nor `reconcile` reports.

`run_model` is deterministic: the same histories for the same provider, at each run.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from attrs import define, frozen
from hypothesis import HealthCheck, Phase, Verbosity, settings, strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from headend.plugin import (
    Capability,
    ConflictError,
    EndOutcome,
    HeadendError,
    InvalidRequestError,
    PlatformError,
    StreamNotFoundError,
    UncertainOutcomeError,
)
from headend.reconcile import Action
from headend_contract.check import CheckFailedError
from headend_contract.faults import (
    CUT_ANSWER,
    DROP_ANSWER,
    DROP_REQUEST,
    GATEWAY_TIMEOUT,
    HTML,
    RATE_LIMITED,
    TRUNCATED,
    UNAVAILABLE,
    Fault,
)
from headend_contract.model import Attempt, Model, Wish
from headend_contract.oracle import LAG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headend.platform import StreamingPlatform
    from headend.plugin import LiveStream, Provider
    from headend_contract.case import Case
    from headend_contract.faults import Seen
    from headend_contract.model import Known

_T = TypeVar("_T")

Faults = Mapping[int, Fault]
"""The faults that requests of one operation meet, by their places, from 0."""

_NONE: Final[Faults] = {}

_FAULTS: Final = (
    DROP_REQUEST,
    DROP_ANSWER,
    CUT_ANSWER,
    UNAVAILABLE,
    GATEWAY_TIMEOUT,
    RATE_LIMITED,
    HTML,
    TRUNCATED,
)
"""Those that take no real time, and after which a provider need not wait for minutes."""

_PLACES: Final = (0, 0, 0, 1, 1, 2, 2, 3, 5)
"""Which of an operation's requests meet a fault: mostly the first, since most have but one."""

_DISTURBED: Final[st.SearchStrategy[Faults]] = st.one_of(
    st.just(_NONE),
    st.dictionaries(st.sampled_from(_PLACES), st.sampled_from(_FAULTS), min_size=1, max_size=3),
)

_READINGS: Final = ("get ", "list", "find ")
"""How the words begin for what only asks."""

_MOST: Final = 4
"""Live streams of the host at once."""

_PICK: Final = st.integers(0, _MOST)
"""Which of several things, where there are fewer counted round."""

_CHANNEL_IDS: Final = (7, "7", "channel-b", "Kanal Ü/1")
_NAMES: Final = (None, "Opening night", "Ünïcode 夜 a&b=c")
_METADATA: Final[tuple[Mapping[str, str], ...]] = ({}, {"venue": "north"}, {"títle": "ß ø"})
_VIEWERS: Final = st.integers(0, 5)

_LONG: Final = 2 * LAG
"""Seconds after which everything must be told as it is."""

_HOUR: Final = 3600.0

_SHRINKING: Final = 10.0
"""Real seconds in which to look for a shorter history, once there is one that tells a failure."""

_EMPTY: Final = "empty.sqlite3"
"""A new ledger, of which every history begins with a copy: to make one takes longer."""


def run_model(case: Case, *, examples: int, steps: int) -> None:
    """Drive a provider through random histories.

    Each begins with an empty platform and an empty ledger.  The case must belong to a check that
    needs a simulator.

    Args:
        case: gives the provider, its simulator, faults and time.
        examples: how many histories.
        steps: the most steps of each.

    Raises:
        CheckFailedError: the provider, the host and the truth disagree; the text tells the
            history, step by step: the shortest that was found, or, in a fast run, the first.
    """
    with TemporaryDirectory(prefix="headend-contract-") as folder:
        search = Search(folder=Path(folder))
        bound = type("Bound", (Machine,), {"case": case, "search": search})
        empty = case.open(database=search.folder / _EMPTY)
        empty.locate_ledger()
        empty.close()
        try:
            run_state_machine_as_test(
                bound,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    derandomize=True,
                    database=None,
                    deadline=None,
                    phases=(Phase.generate,) if case.fast else (Phase.generate, Phase.shrink),
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                    verbosity=Verbosity.quiet,
                ),
            )
        except (CheckFailedError, Flaky, _EnoughError) as error:
            # Without what hypothesis adds, which tells of Python and not of the provider.
            raise search.shortest or error from None


class _EnoughError(BaseException):
    """The search for a shorter history took long enough; hypothesis lets it through."""


@define(kw_only=True)
class Search:
    """What was found so far.

    Attributes:
        folder: for the ledgers.
        histories: how many there were.
        shortest: what did not agree, in the shortest history where something did not.
        size: the letters and the steps of that history.
        until: when to look for a shorter one no longer, on the machine's clock.
    """

    folder: Path
    histories: int = 0
    shortest: CheckFailedError | None = None
    size: tuple[float, float] = (inf, inf)
    until: float = inf

    def begin(self) -> Path:
        """Begin a history; return the file of its ledger."""
        if perf_counter() > self.until:
            raise _EnoughError
        self.histories += 1
        ledger = self.folder / f"{self.histories}.sqlite3"
        copyfile(self.folder / _EMPTY, ledger)
        return ledger

    def note(self, failure: CheckFailedError, steps: int) -> None:
        """Keep what did not agree, if it is told in fewer words than that before, or took less."""
        if self.shortest is None:
            self.until = perf_counter() + _SHRINKING
        size = (len(str(failure)), steps)
        if size < self.size:
            self.shortest, self.size = failure, size


@frozen
class Done(Generic[_T]):
    """How an operation came out.

    Attributes:
        words: says what was done.
        value: what it returned, `None` where it raised.
        error: what it raised.
        disturbed: whether a request of it met a fault.
    """

    words: str
    value: _T | None
    error: HeadendError | None
    disturbed: bool


class Machine(RuleBasedStateMachine):
    """The rules; `run_model` makes a class of it for a case.

    Attributes:
        case: the provider and its simulator.
        search: what was found so far.
    """

    case: ClassVar[Case]
    search: ClassVar[Search]

    def __init__(self) -> None:
        super().__init__()
        case = self.case
        case.simulator.reset()
        case.faults.reset()
        # Platforms round to minutes: each history begins at the same place within the hour.
        case.pass_time(-case.clock.monotonic() % _HOUR)
        # Not what the empty ledger got its id by, or another ledger might get the same one.
        case.random.seed(f"{case.check.id} history")
        opened = case.open_provider(database=self.search.begin())
        self._platform: StreamingPlatform = opened.platform
        self._provider: Provider = opened.provider
        self._other: StreamingPlatform | None = None
        self.model = Model(case)

    def teardown(self) -> None:
        """Look for what was left behind, and close."""
        try:
            if self.model.failure is None:
                self._find_leaks()
        finally:
            if self.model.failure is not None:
                self.search.note(self.model.failure, len(self.model.story))
            self._platform.close()
            if self._other is not None:
                self._other.close()

    # -- what hosts do ----------------------------------------------------------------------------

    @initialize(alone=st.booleans())
    def begin(self, alone: bool) -> None:
        """Create a live stream, perhaps where another host, with another ledger, has made one."""
        if not alone:
            self._other = self.case.open()
            self.model.story.append("another host creates one")
            made = self._other.create_live_stream("another host's")
            self.model.strangers[made.stream_id] = self.model.now
            self.model.look()
        wish = Wish(channel_id=1, name="First", metadata={"a": "b"}, low_latency=False)
        self._create(Attempt(wish=wish, idempotency_key=None), _NONE)

    @precondition(lambda self: len(self.model.known) < _MOST)
    @rule(
        channel_id=st.sampled_from(_CHANNEL_IDS),
        name=st.sampled_from(_NAMES),
        metadata=st.sampled_from(_METADATA),
        low_latency=st.booleans(),
        keyed=st.booleans(),
        faults=_DISTURBED,
    )
    def create(
        self,
        channel_id: int | str,
        name: str | None,
        metadata: Mapping[str, str],
        low_latency: bool,
        keyed: bool,
        faults: Faults,
    ) -> None:
        """Create a live stream, perhaps with an idempotency key."""
        wish = Wish(
            channel_id=channel_id,
            name=name,
            metadata=metadata,
            low_latency=low_latency and self.case.has(Capability.LOW_LATENCY),
        )
        key = f"key {len(self.model.attempts)}" if keyed else None
        self._create(Attempt(wish=wish, idempotency_key=key), faults)

    @precondition(lambda self: self._keyed())
    @rule(pick=_PICK, faults=_DISTURBED)
    def create_again(self, pick: int, faults: Faults) -> None:
        """Repeat a creation with its idempotency key."""
        keyed = self._keyed()
        self._create(keyed[pick % len(keyed)], faults)

    @precondition(lambda self: self.model.known)
    @rule(pick=_PICK, faults=_DISTURBED)
    def get(self, pick: int, faults: Faults) -> None:
        """Ask for a live stream, for where viewers watch it, and for its key."""
        one, model = self._pick(pick), self.model
        self._get(one, faults)
        watched = self._do(
            _NONE,
            f"get the playback URL of {model.name(one.stream_id)}",
            lambda: self._platform.get_playback_url(one.stream_id),
        )
        if (url := self._value(watched)) is not None:
            model.take_playback_url(watched.words, one, url)
        pushed = self._do(
            _NONE,
            f"get credentials of {model.name(one.stream_id)}",
            lambda: self._platform.get_credentials(one.stream_id),
        )
        refusals = () if one.whole else (ConflictError,)
        if (given := self._value(pushed, *refusals)) is not None:
            model.take_credentials(pushed.words, one, given)

    @precondition(lambda self: self.model.known)
    @rule(latest_first=st.booleans(), faults=_DISTURBED)
    def get_analytics(self, latest_first: bool, faults: Faults) -> None:
        """Ask for the figures of all live streams."""
        wanted = list(self.model.known.values())
        self._get_analytics(wanted[::-1] if latest_first else wanted, faults)

    @rule(faults=_DISTURBED)
    def list_all(self, faults: Faults) -> None:
        """List all live streams."""
        done = self._do(faults, "list", lambda: list(self._platform.list_live_streams()))
        if (listed := self._value(done)) is not None:
            self.model.check_list(listed)

    @precondition(lambda self: self.model.known)
    @rule(pick=_PICK, faults=_DISTURBED)
    def find(self, pick: int, faults: Faults) -> None:
        """Look for a live stream by its marker, as after a lost answer."""
        one, model = self._pick(pick), self.model
        stream = self._get(one, _NONE)
        if stream is None:
            return
        marker = stream.marker
        if marker is None:
            model.fail(f"{model.name(one.stream_id)} does not tell its marker")
        done = self._do(
            faults,
            f"find {model.name(one.stream_id)} by its marker",
            lambda: self._provider.find_live_streams(marker, one.wish.name),
        )
        if (streams := self._value(done)) is None:
            return
        found = {each.stream_id for each in streams}
        if found - {one.stream_id} or (not found and model.has_settled(one.since)):
            model.fail(f"{done.words} found {model.names(found) or 'nothing'}")

    @precondition(lambda self: self.model.known)
    @rule(pick=_PICK, is_live=st.booleans(), delete_recordings=st.booleans(), faults=_DISTURBED)
    def end(self, pick: int, is_live: bool, delete_recordings: bool, faults: Faults) -> None:
        """End a live stream, perhaps while it is live."""
        one, model = self._pick(pick), self.model
        if is_live:
            self._go_live(one)
        deletes = delete_recordings and self.case.has(Capability.RECORDINGS)
        before = model.truth
        done = self._do(
            faults,
            f"end {model.name(one.stream_id)}" + (" with its recordings" if deletes else ""),
            lambda: self._platform.end_live_stream(one.stream_id, delete_recordings=deletes),
        )
        # What is still being recorded cannot be deleted on every platform.
        records = deletes and one.stream_id in model.true and model.true[one.stream_id].recordings
        result = self._value(done, *((ConflictError,) if records else ()))
        if result is not None and one.stream_id in model.true:
            model.fail(f"{done.words} said {result.outcome}, and it is still there")
        if result is not None and not done.disturbed:
            if result.outcome is not EndOutcome.ENDED:
                model.fail(f"{done.words} said {result.outcome}, though it was there")
            model.check_end(done.words, one, result, before, deletes=deletes)
        model.doubt_end(one)
        model.forget_gone()

    @precondition(lambda self: self.model.known or self.model.ended)
    @rule(pick=_PICK, faults=_DISTURBED)
    def end_missing(self, pick: int, faults: Faults) -> None:
        """Ask for what is not there, perhaps since it was ended before, and end it."""
        model = self.model
        stream_id = self._missing(pick)
        there = f"{model.name(stream_id)}, which is not there,"
        asked = self._do(faults, f"get {there}", lambda: self._platform.get_live_stream(stream_id))
        if self._value(asked, StreamNotFoundError) is not None:
            model.fail(f"{asked.words} gave one")
        done = self._do(_NONE, f"end {there}", lambda: self._platform.end_live_stream(stream_id))
        result = self._value(done, InvalidRequestError)
        if result is not None and result.outcome is not EndOutcome.ALREADY_GONE:
            model.fail(f"{done.words} said {result.outcome}")

    @precondition(lambda self: self.model.known and self.case.has(Capability.KEY_ROTATION))
    @rule(pick=_PICK, is_live=st.booleans(), faults=_DISTURBED)
    def rotate_key(self, pick: int, is_live: bool, faults: Faults) -> None:
        """Replace a stream key, perhaps while it is in use."""
        one = self._pick(pick)
        if is_live:
            self._go_live(one)
        done = self._do(
            faults,
            f"rotate the key of {self.model.name(one.stream_id)}",
            lambda: self._platform.rotate_stream_key(one.stream_id),
        )
        old, one.key = one.key, None
        if (given := self._value(done)) is None:
            return
        if old is not None:
            one.dead_keys.add(old)
        self.model.take_credentials(done.words, one, given)

    @precondition(lambda self: self.model.known and self.case.has(Capability.ENABLE))
    @rule(pick=_PICK, is_live=st.booleans(), enabled=st.booleans(), faults=_DISTURBED)
    def set_enabled(self, pick: int, is_live: bool, enabled: bool, faults: Faults) -> None:
        """Let encoders in, or refuse them, perhaps while one is there."""
        one, platform = self._pick(pick), self._platform
        if is_live:
            self._go_live(one)
        act = platform.enable_live_stream if enabled else platform.disable_live_stream
        done = self._do(
            faults,
            f"{'enable' if enabled else 'disable'} {self.model.name(one.stream_id)}",
            lambda: act(one.stream_id),
        )
        stream = self._value(done)
        if one.enabled is not enabled:
            one.enabled, one.enabled_since = None, self.model.now
        if stream is None:
            return
        one.enabled = enabled
        self.model.compare(done.words, one, stream, in_list=False)
        if not enabled:
            self.model.check_no_encoder(done.words, one)

    @precondition(lambda self: self.model.known and self.case.has(Capability.RECORDINGS))
    @rule(pick=_PICK, faults=_DISTURBED)
    def list_recordings(self, pick: int, faults: Faults) -> None:
        """List what was recorded."""
        one = self._pick(pick)
        done = self._do(
            faults,
            f"list recordings of {self.model.name(one.stream_id)}",
            lambda: list(self._platform.list_recordings(one.stream_id)),
        )
        if (listed := self._value(done)) is None:
            return
        ids = [each.recording_id for each in listed]
        if sorted(ids) != sorted(self.model.true[one.stream_id].recordings):
            self.model.fail(f"{done.words} gave {len(ids)} that are not those that are there")

    @rule(clean=st.booleans(), faults=_DISTURBED)
    def reconcile(self, clean: bool, faults: Faults) -> None:
        """Compare ledger and platform, and bring them in line."""
        model = self.model
        self.case.pass_time(self.case.spec.settle_time + 1)
        model.look()
        done = self._do(
            faults,
            "reconcile" + (" and clean up" if clean else ""),
            lambda: self._platform.reconcile(clean=clean),
        )
        findings = self._value(done)
        if findings is None or done.disturbed:
            model.doubt_strays()
        else:
            model.check_findings(done.words, findings)
        adopted = {each.stream_id for each in findings or () if each.action is Action.ADOPT}
        for attempt in model.attempts:
            for stream_id in adopted & attempt.strays:
                model.learn(done.words, attempt, str(stream_id), None)
            if clean:
                attempt.strays &= set(model.true)
        model.forget_gone()

    # -- what encoders and viewers do, and time ---------------------------------------------------

    @precondition(lambda self: self.model.known)
    @rule(pick=_PICK, viewers=_VIEWERS)
    def broadcast(self, pick: int, viewers: int) -> None:
        """Push until viewers can watch, have some, and ask how it is."""
        one = self._pick(pick)
        self._go_live(one)
        self._watch(one, viewers)
        self._ask_how_it_is(one)

    @precondition(lambda self: self._pushed())
    @rule(pick=_PICK, viewers=_VIEWERS)
    def viewers_change(self, pick: int, viewers: int) -> None:
        """Have other viewers of what an encoder pushes, or pushed, and later ask how it is."""
        pushed = self._pushed()
        one = pushed[pick % len(pushed)]
        self._watch(one, viewers)
        self._pass_time(_LONG)
        self._ask_how_it_is(one)

    @precondition(lambda self: self._pushed())
    @rule(pick=_PICK)
    def encoder_leaves(self, pick: int) -> None:
        """Have an encoder leave without a word, and ask how it is, then and later."""
        pushed = self._pushed()
        one = pushed[pick % len(pushed)]
        self.model.story.append(f"the encoder of {self.model.name(one.stream_id)} leaves")
        one.encoders[-1].leave()
        self.model.look()
        self._ask_how_it_is(one)
        self._pass_time(_LONG)
        self._ask_how_it_is(one)

    @precondition(lambda self: self.model.known)
    @rule(pick=_PICK, dead=st.booleans())
    def encoder_comes(self, pick: int, dead: bool) -> None:
        """Push with the stream key, or with one that was replaced."""
        one = self._pick(pick)
        self._connect(one, min(one.dead_keys) if dead and one.dead_keys else one.key)

    @rule(seconds=st.sampled_from((1.0, 5.0, 20.0, _LONG)))
    def time_passes(self, seconds: float) -> None:
        """Let time pass."""
        self._pass_time(seconds)

    # -- what must always be so -------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_or_left_over(self) -> None:
        """What is there is what was made and not ended, and what the host was warned of."""
        self.model.check_presence()

    @invariant()
    def keys_are_what_the_host_was_told(self) -> None:
        """The key that the host has lets an encoder in, and no other that it had before does."""
        self.model.check_keys()

    # -- the steps --------------------------------------------------------------------------------

    def _create(self, attempt: Attempt, faults: Faults) -> None:
        model, wish, key = self.model, attempt.wish, attempt.idempotency_key
        if attempt not in model.attempts:
            model.attempts.append(attempt)
        before = set(model.true)
        done = self._do(
            faults,
            f"create {wish}" + (f", idempotency {key}" if key else ""),
            lambda: self._platform.create_live_stream(
                wish.channel_id,
                name=wish.name,
                metadata=wish.metadata,
                low_latency=wish.low_latency,
                idempotency_key=key,
            ),
        )
        fresh = set(model.true) - before
        refusals: list[type[HeadendError]] = [] if wish.is_plain else [InvalidRequestError]
        earlier = model.known.get(attempt.stream_id or "")
        if attempt.stream_id is not None and (earlier is None or not earlier.whole):
            refusals.append(ConflictError)
        made = self._value(done, *refusals)
        if made is None:
            if isinstance(done.error, UncertainOutcomeError):
                model.leave_stray(attempt, fresh, done.error)
            elif fresh:
                model.fail(f"{done.words} raised {type(done.error).__name__}, and made one")
        elif attempt.stream_id is not None:
            if made.stream_id != attempt.stream_id or made.stream_id not in model.true or fresh:
                model.fail(f"{done.words} did not give what the same key made before")
            if earlier is not None:
                model.take_credentials(done.words, earlier, made)
        elif fresh != {made.stream_id} - attempt.strays or made.stream_id not in model.true:
            model.fail(f"{done.words} made {len(fresh)} live streams")
        else:
            model.learn(done.words, attempt, made.stream_id, made)
        if len(attempt.strays) > 1:
            model.fail(f"{done.words} made {len(attempt.strays)} live streams")

    def _get(self, one: Known, faults: Faults) -> LiveStream | None:
        done = self._do(
            faults,
            f"get {self.model.name(one.stream_id)}",
            lambda: self._platform.get_live_stream(one.stream_id),
        )
        stream = self._value(done)
        if stream is not None:
            self.model.compare(done.words, one, stream, in_list=False)
        return stream

    def _get_analytics(self, wanted: Sequence[Known], faults: Faults) -> None:
        ids = [one.stream_id for one in wanted]
        model, platform = self.model, self._platform
        done = self._do(
            faults,
            f"get analytics of {', '.join(map(model.name, ids))}",
            lambda: (
                platform.get_analytics_many(ids)
                if len(ids) > 1
                else [platform.get_analytics(ids[0])]
            ),
        )
        if (figures := self._value(done)) is None:
            return
        if [one.stream_id for one in figures] != ids:
            model.fail(f"{done.words} did not give the figures of these, in this order")
        for one, each in zip(wanted, figures, strict=True):
            model.compare_figures(done.words, one, each)

    def _ask_how_it_is(self, one: Known) -> None:
        self._get(one, _NONE)
        self._get_analytics([one], _NONE)

    def _find_leaks(self) -> None:
        self.case.pass_time(self.case.spec.settle_time + 1)
        words = "reconcile (dry run)"
        done = self._do(_NONE, words, lambda: self._platform.reconcile(dry_run=True))
        if (findings := self._value(done)) is not None:
            self.model.check_findings(words, findings)

    def _go_live(self, one: Known) -> None:
        if not any(each.connected for each in one.encoders):
            self._connect(one, one.key)
        self._pass_time(self.case.simulator.connect_time)

    def _connect(self, one: Known, key: str | None) -> None:
        if key is None:
            return
        model, is_dead = self.model, key in one.dead_keys
        which = "a replaced key" if is_dead else "the key"
        model.story.append(f"an encoder comes with {which} of {model.name(one.stream_id)}")
        encoder = self.case.connect(key)
        if encoder is not None:
            one.encoders.append(encoder)
            if is_dead:
                model.fail("a key that was replaced lets an encoder in")
        model.look()

    def _watch(self, one: Known, viewers: int) -> None:
        self.model.story.append(f"{viewers} viewers watch {self.model.name(one.stream_id)}")
        self.case.watch(one.stream_id, viewers)
        self.model.look()

    def _pass_time(self, seconds: float) -> None:
        self.model.story.append(f"{seconds:g} s pass")
        # In steps, so that the model knows what was so in between.
        for step in (seconds / 4, seconds / 4, seconds / 2):
            self.case.pass_time(step)
            self.model.look()

    # -- how it works -----------------------------------------------------------------------------

    def _do(self, faults: Faults, words: str, call: Callable[[], _T]) -> Done[_T]:
        """Call an operation, with faults at some of its requests, and look at what is so then."""
        model, layer = self.model, self.case.faults
        first, before = len(layer.seen), model.truth
        value: _T | None = None
        error: HeadendError | None = None
        layer.script(faults)
        try:
            value = call()
        except HeadendError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001  # a plugin may raise anything
            model.story.append(words + _told(layer.seen[first:]))
            model.fail(f"{words} raised {type(raised).__name__}: {raised}")
        finally:
            layer.script(_NONE)
        met = _told(layer.seen[first:])
        model.story.append(words + met)
        if error is not None:
            model.story[-1] += f" -> {type(error).__name__}"
        model.look()
        if words.startswith(_READINGS) and model.truth == before:
            model.readings.add(len(model.story) - 1)
        model.check_text(words, repr(value) if error is None else f"{error} {error!r}")
        return Done(words, value, error, bool(met))

    def _value(self, done: Done[_T], *refusals: type[HeadendError]) -> _T | None:
        """Return what an operation returned, or `None` where it may have failed."""
        error = done.error
        if error is None or isinstance(error, refusals):
            return done.value
        if done.disturbed and isinstance(error, PlatformError):
            return None
        return self.model.fail(f"{done.words} raised {type(error).__name__}: {error}")

    def _pick(self, pick: int) -> Known:
        known = list(self.model.known.values())
        return known[pick % len(known)]

    def _pushed(self) -> list[Known]:
        return [one for one in self.model.known.values() if one.encoders]

    def _keyed(self) -> list[Attempt]:
        return [one for one in self.model.attempts if one.idempotency_key is not None]

    def _missing(self, pick: int) -> str:
        """Return an id that was good, or that looks like one that is."""
        missing = [*self.model.ended, *map(_altered, self.model.known)]
        return missing[pick % len(missing)]


def _told(requests: Sequence[Seen]) -> str:
    """Say which of an operation's requests met a fault."""
    met = [
        f"request {number} met {one.fault.name}"
        for number, one in enumerate(requests, 1)
        if one.fault is not None
    ]
    return f" ({', '.join(met)})" if met else ""


def _altered(stream_id: str) -> str:
    """Return an id of the same form that names nothing."""
    return stream_id[:-1] + ("b" if stream_id.endswith("a") else "a")
