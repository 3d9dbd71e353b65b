"""Running checks: which verdict they get, in which world they run, and what a run leaves behind."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from inspect import getsourcelines
from pathlib import Path
from typing import cast

import httpx
import pytest
from attrs import evolve
from starlette.types import ASGIApp, Receive, Scope, Send

from headend.errors import ConfigurationError, PluginError
from headend.plugin import Capability, ProviderSpec, Secret, StreamNotFoundError
from headend_contract.case import Case
from headend_contract.check import (
    Check,
    CheckFailedError,
    Level,
    Mode,
    expect,
    expect_equal,
    expect_raises,
    not_applicable,
    nothing_to_test,
)
from headend_contract.expected import ExpectedFailure, Kind
from headend_contract.faults import HANG, UNAVAILABLE
from headend_contract.modes import NotRunError, StaleError, simulator as simulator_mode
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.simulator import SimulatorApp, create_app
from headend_contract.report import Conformance, Report, Result, Verdict
from headend_contract.runner import check_provider

Decide = Callable[..., Result]
Run = Callable[..., Report]

EXPECTED = ExpectedFailure(
    id="TEST-CHECK-001", kind=Kind.UPSTREAM, reason="The platform is so.", raises="CheckFailedError"
)


def lists(case: Case) -> None:
    """Send one request."""
    expect_equal(list(case.platform.list_live_streams()), [], "what a new platform lists")


def complains(case: Case) -> None:
    """Send one request and fail."""
    lists(case)
    expect(False, "the list is wrong")


def says_nothing(case: Case) -> None:
    """Send nothing."""


class BrokenProvider(ReferenceProvider):
    """Raises what is no error of headend."""

    def get_playback_url(self, stream_id: str) -> str:
        """Break."""
        return {"a": stream_id}["b"]


class StuckProvider(ReferenceProvider):
    """Waits for what never comes."""

    released = threading.Event()

    def get_playback_url(self, stream_id: str) -> str:
        """Wait."""
        self.released.wait()
        return stream_id


class BrokenSimulator(SimulatorApp):
    """Raises what its client sees as a 500."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Break."""
        raise ValueError(scope["path"])


def create_broken(**_: object) -> BrokenSimulator:
    """Make a simulator that breaks."""
    return BrokenSimulator(create_app().platform)


@pytest.fixture
def broken(reference: ProviderSpec) -> ProviderSpec:
    return evolve(reference, factory=f"{__name__}:{BrokenProvider.__name__}")


@pytest.fixture
def stuck(reference: ProviderSpec) -> Iterator[ProviderSpec]:
    StuckProvider.released.clear()
    yield evolve(reference, factory=f"{__name__}:{StuckProvider.__name__}")
    StuckProvider.released.set()


class TestVerdict:
    """Each verdict, by what brings it about."""

    def test_what_holds_is_passed(self, verdict_on: Decide) -> None:
        result = verdict_on(lists)

        assert (result.verdict, result.reason) == (Verdict.PASSED, None)

    def test_what_does_not_hold_is_failed_with_the_sentence(self, verdict_on: Decide) -> None:
        result = verdict_on(complains)

        assert (result.verdict, result.reason) == (Verdict.FAILED, "the list is wrong")

    def test_an_error_of_headend_is_a_failure(self, verdict_on: Decide) -> None:
        result = verdict_on(lambda case: case.platform.get_live_stream("missing"))

        assert result.verdict is Verdict.FAILED
        assert str(result.reason).startswith("StreamNotFoundError: ")

    def test_whatever_a_provider_raises_is_a_failure_with_the_line_of_the_provider(
        self, verdict_on: Decide, broken: ProviderSpec
    ) -> None:
        def asks(case: Case) -> None:
            case.platform.get_playback_url(case.create().stream_id)

        result = verdict_on(asks, run={"spec": broken})

        line = getsourcelines(BrokenProvider.get_playback_url)[1] + 2
        reason = f"KeyError: 'b' (at {__name__} line {line})"
        assert (result.verdict, result.reason) == (Verdict.FAILED, reason)

    def test_an_error_in_the_simulator_is_told_once_with_its_line(
        self, verdict_on: Decide, reference: ProviderSpec
    ) -> None:
        spec = evolve(reference, simulator=f"{__name__}:{create_broken.__name__}")

        result = verdict_on(lists, run={"spec": spec})

        line = getsourcelines(BrokenSimulator.__call__)[1] + 2
        told = f"the simulator raised ValueError ({__name__} line {line})"
        assert result.verdict is Verdict.FAILED
        assert str(result.reason).startswith("PlatformUnavailableError: ")
        assert str(result.reason).endswith(f"; moreover {told}")
        assert str(result.reason).count(told) == 1

    def test_what_the_check_itself_raises_is_an_error(self, verdict_on: Decide) -> None:
        def stumbles(case: Case) -> None:
            lists(case)
            raise KeyError("b")

        result = verdict_on(stumbles)

        assert (result.verdict, result.reason) == (Verdict.ERROR, "KeyError: 'b'")

    def test_a_bare_assert_is_an_error_of_the_check(self, verdict_on: Decide) -> None:
        def asserts(case: Case) -> None:
            lists(case)
            raise AssertionError

        assert verdict_on(asserts).verdict is Verdict.ERROR

    def test_several_failures_at_once_are_a_failure(self, verdict_on: Decide) -> None:
        def fails_twice(case: Case) -> None:
            raise ExceptionGroup("two", [ValueError("one"), CheckFailedError("the list is wrong")])

        result = verdict_on(fails_twice)

        assert result.verdict is Verdict.FAILED
        assert "the list is wrong" in str(result.reason)

    def test_a_check_that_sent_nothing_is_an_error(self, verdict_on: Decide) -> None:
        result = verdict_on(says_nothing)

        assert result.verdict is Verdict.ERROR
        assert result.reason == "nothing was tested: no request was sent"

    def test_a_check_that_is_offline_sends_nothing(self, verdict_on: Decide) -> None:
        result = verdict_on(says_nothing, offline=True)

        assert result.verdict is Verdict.PASSED

    def test_a_request_where_none_is_needed_is_a_failure(self, verdict_on: Decide) -> None:
        result = verdict_on(lists, offline=True)

        assert result.verdict is Verdict.FAILED
        assert result.reason == "it sent 1 request where none is needed"

    def test_a_capability_that_is_lacking_makes_a_check_not_applicable(
        self, verdict_on: Decide
    ) -> None:
        result = verdict_on(complains, requires=frozenset({Capability.WHIP, Capability.ENABLE}))

        assert result.verdict is Verdict.NOT_APPLICABLE
        assert result.reason == "the provider does not declare whip"

    def test_a_capability_that_is_there_makes_its_refusal_not_applicable(
        self, verdict_on: Decide
    ) -> None:
        result = verdict_on(complains, refuses=frozenset({Capability.ENABLE}))

        assert result.verdict is Verdict.NOT_APPLICABLE
        assert result.reason == "the provider declares enable"

    def test_a_bare_description_has_no_distribution_to_look_at(self, verdict_on: Decide) -> None:
        result = verdict_on(complains, needs_distribution=True)

        assert result.verdict is Verdict.NOT_APPLICABLE

    def test_a_check_may_find_that_it_does_not_apply(self, verdict_on: Decide) -> None:
        result = verdict_on(lambda case: not_applicable("there is no limit"))

        assert (result.verdict, result.reason) == (Verdict.NOT_APPLICABLE, "there is no limit")

    def test_but_not_after_it_asked_the_provider(self, verdict_on: Decide) -> None:
        def gives_up(case: Case) -> None:
            lists(case)
            not_applicable("it is too hard")

        assert verdict_on(gives_up).verdict is Verdict.ERROR

    def test_unless_its_answers_held_nothing_to_test(self, verdict_on: Decide) -> None:
        def looks(case: Case) -> None:
            lists(case)
            nothing_to_test("it has one page")

        result = verdict_on(looks)

        assert (result.verdict, result.reason) == (Verdict.NOT_APPLICABLE, "it has one page")
        assert result.provenance == "simulator of headend_contract"

    def test_a_check_for_another_mode_is_not_run(self, verdict_on: Decide) -> None:
        result = verdict_on(complains, modes=frozenset({Mode.REPLAY, Mode.LIVE}))

        assert result.verdict is Verdict.NOT_RUN
        assert result.reason == "it runs in live or replay mode only"

    def test_a_world_that_cannot_be_had_is_not_run_and_an_old_one_stale(
        self, verdict_on: Decide
    ) -> None:
        def not_here(case: Case) -> None:
            raise NotRunError("there is no recording")

        def old(case: Case) -> None:
            raise StaleError("the recording is old")

        assert verdict_on(not_here).verdict is Verdict.NOT_RUN
        assert verdict_on(old).verdict is Verdict.STALE
        assert verdict_on(old).reason == "the recording is old"

    def test_a_check_may_not_look_where_it_did_not_say_it_would(self, verdict_on: Decide) -> None:
        assert verdict_on(lambda case: case.truth()).verdict is Verdict.ERROR
        assert verdict_on(lambda case: case.faults.reset()).verdict is Verdict.ERROR
        assert verdict_on(lambda case: case.distribution).verdict is Verdict.ERROR

    @pytest.mark.parametrize("mode", [Mode.SIMULATOR, cast("Mode", "simulator")])
    def test_a_mode_may_be_a_plain_text(self, reference: ProviderSpec, mode: Mode) -> None:
        report = check_provider(reference, mode=mode, only=["LIVE-LIST-001"])

        (result,) = (one for one in report.results if one.id == "LIVE-LIST-001")
        assert (report.mode, result.verdict) == (Mode.SIMULATOR, Verdict.PASSED)
        assert str(result.provenance).startswith("simulator of ")

    def test_a_text_that_is_no_mode_asks_nobody(self, reference: ProviderSpec) -> None:
        with pytest.raises(ValueError, match="'simulated' is not a valid Mode"):
            check_provider(reference, mode=cast("Mode", "simulated"))

    def test_a_simulator_that_cannot_be_made_is_a_failure(
        self, verdict_on: Decide, reference: ProviderSpec
    ) -> None:
        spec = evolve(reference, factory=f"{__name__}:Nothing", simulator=f"{__name__}:no_platform")

        result = verdict_on(lists, run={"spec": spec})

        line = getsourcelines(no_platform)[1] + 2
        reason = f"KeyError: 'no platform' (at {__name__} line {line})"
        assert (result.verdict, result.reason) == (Verdict.FAILED, reason)


def no_platform(**_arguments: object) -> object:
    """Fail to make a simulator."""
    raise KeyError("no platform")


class TestExpectedFailures:
    """What an author expects to fail fails in that way, until then, or the run fails."""

    def test_the_failure_that_is_expected_is_told_apart(self, verdict_on: Decide) -> None:
        result = verdict_on(complains, run={"expected": [EXPECTED]})

        assert result.verdict is Verdict.EXPECTED_FAILURE
        assert result.reason == "expected to fail (upstream): The platform is so."

    def test_a_base_of_the_error_may_be_expected(self, verdict_on: Decide) -> None:
        result = verdict_on(
            lambda case: case.platform.get_live_stream("missing"),
            run={"expected": [evolve(EXPECTED, raises="PlatformError")]},
        )

        assert result.verdict is Verdict.EXPECTED_FAILURE

    def test_another_failure_is_a_failure(self, verdict_on: Decide) -> None:
        result = verdict_on(complains, run={"expected": [evolve(EXPECTED, raises="KeyError")]})

        assert result.verdict is Verdict.FAILED
        assert result.reason == (
            "the list is wrong; it raised CheckFailedError and not KeyError, and was expected to "
            "fail (upstream): The platform is so."
        )

    def test_a_pass_is_unexpected(self, verdict_on: Decide) -> None:
        assert verdict_on(lists, run={"expected": [EXPECTED]}).verdict is Verdict.UNEXPECTED_PASS

    def test_an_expectation_ends_after_its_day(self, verdict_on: Decide) -> None:
        over = evolve(EXPECTED, until=date(2020, 2, 29))
        result = verdict_on(complains, run={"expected": [over]})

        assert result.verdict is Verdict.FAILED
        assert "it was until 2020-02-29 expected to fail" in str(result.reason)

    def test_an_error_of_the_suite_is_never_expected(self, verdict_on: Decide) -> None:
        result = verdict_on(says_nothing, run={"expected": [evolve(EXPECTED, raises="Exception")]})

        assert result.verdict is Verdict.ERROR


class TestBounds:
    """A provider that does not come to an end does not stop the run."""

    def test_a_provider_that_hangs_fails_and_the_next_check_runs(
        self, run_on: Run, stuck: ProviderSpec, check_of: Callable[..., Check]
    ) -> None:
        def asks(case: Case) -> None:
            case.platform.get_playback_url(case.create().stream_id)

        report = run_on(
            check_of(asks), check_of(lists, id="TEST-CHECK-002"), spec=stuck, patience=0.3
        )

        assert [one.verdict for one in report.results] == [Verdict.FAILED, Verdict.PASSED]
        assert report.results[0].reason == "the check did not come to an end within 0.3 s"

    def test_what_is_left_behind_sends_nothing_to_the_checks_that_follow(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        over = threading.Event()

        def asks_for_ever(case: Case) -> None:
            platform = case.platform
            while not over.is_set():
                case.sent_by(platform.check_health)

        def counts(case: Case) -> None:
            for _ in range(5):
                list(case.platform.list_live_streams())
            paths = {one.path.rpartition("/")[2] for one in case.requests}
            expect_equal(paths, {"inputs"}, "what is asked for")

        try:
            report = run_on(
                check_of(asks_for_ever), check_of(counts, id="TEST-CHECK-002"), patience=1.5
            )
        finally:
            over.set()

        assert [one.verdict for one in report.results] == [Verdict.FAILED, Verdict.PASSED]

    def test_a_request_that_goes_on_after_the_end_is_a_failure(
        self, verdict_on: Decide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(simulator_mode, "_LINGER", 0.2)
        threads: list[threading.Thread] = []

        def forgets(case: Case) -> None:
            arrived = threading.Event()
            case.faults.script({0: evolve(HANG, act=telling(arrived))})
            url = case.environment["REFERENCE_API_URL"]
            threads.append(threading.Thread(target=ask, args=[url]))
            threads[0].start()
            arrived.wait()

        result = verdict_on(forgets, needs_simulator=True)
        threads[0].join()

        assert result.verdict is Verdict.FAILED
        assert result.reason == "1 of its requests went on after all was closed"

    def test_a_provider_that_asks_and_fails_is_told_both(
        self, verdict_on: Decide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(case: Case) -> None:
            case.faults.script(dict.fromkeys(range(9), UNAVAILABLE))
            lists(case)

        result = verdict_on(refused, needs_simulator=True)

        assert result.verdict is Verdict.FAILED
        assert str(result.reason).startswith("PlatformUnavailableError: ")


def telling(arrived: threading.Event) -> Callable[..., Awaitable[None]]:
    """Make a fault that hangs and tells when the request is there."""

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        arrived.set()
        await HANG.act(app, scope, receive, send)

    return act


def ask(url: str) -> None:
    """Send a request and take what comes."""
    with httpx.Client(trust_env=False) as client:
        try:
            client.get(url)
        except httpx.RequestError:
            return


class TestWorlds:
    """Each check has a world of its own, the same at every run."""

    def test_a_check_finds_nothing_of_another(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        def creates(case: Case) -> None:
            case.create()
            expect_equal(len(list(case.platform.list_live_streams())), 1, "the length of the list")

        report = run_on(*(check_of(creates, id=f"TEST-CHECK-00{n}") for n in range(4)))

        assert report.counts[Verdict.PASSED] == 4

    def test_two_runs_see_the_same_and_two_checks_do_not(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        seen: list[object] = []

        def looks(case: Case) -> None:
            made = case.create()
            seen.append(
                (made.stream_id, made.stream_key.reveal(), case.random.random(), case.clock.now())
            )

        checks = [check_of(looks), check_of(looks, id="TEST-CHECK-002")]
        run_on(*checks)
        run_on(*checks)

        assert seen[:2] == seen[2:]
        assert seen[0] != seen[1]

    def test_requests_are_seen_where_they_arrive(self, verdict_on: Decide) -> None:
        def looks(case: Case) -> None:
            made = case.create()
            case.faults.script({0: UNAVAILABLE})
            _, sent = case.sent_by(lambda: case.platform.get_live_stream(made.stream_id))
            path = f"/v1/accounts/main/inputs/{made.stream_id}"
            expect_equal(
                [(one.method, one.path, one.status) for one in sent],
                [("GET", path, 503), ("GET", path, 200)],
                "what was sent",
            )
            _, listed = case.sent_by(lambda: list(case.platform.list_live_streams()))
            expect_equal([one.query for one in listed], ["limit=50"], "the query")
            expect_equal(case.requests, (case.requests[0], *sent, *listed), "all requests")
            expect_equal(
                {f"http://{one.host}" for one in case.requests},
                {case.environment["REFERENCE_API_URL"]},
                "the host",
            )

        result = verdict_on(looks, needs_simulator=True)

        assert result.verdict is Verdict.PASSED, result.reason

    def test_a_call_that_fails_gives_its_error_and_requests(self, verdict_on: Decide) -> None:
        def looks(case: Case) -> None:
            error, sent = case.sent_by(lambda: case.platform.get_live_stream("missing"))
            expect(isinstance(error, StreamNotFoundError), "another error")
            expect_equal([one.status for one in sent], [404], "the answers")

        assert verdict_on(looks).verdict is Verdict.PASSED

    def test_time_passes_for_provider_and_platform_alike(self, verdict_on: Decide) -> None:
        def looks(case: Case) -> None:
            made = case.create()
            expect(case.connect(made.stream_key) is not None, "no encoder was let in")
            expect(case.connect("wrong") is None, "a wrong key lets an encoder in")
            before = case.clock.now()
            case.settle()
            expect(case.clock.now() > before, "no time passed")
            expect(case.truth().live_streams[made.stream_id].live, "it is not live")
            case.watch(made.stream_id, 3)
            viewers = case.platform.get_analytics(made.stream_id).viewer_count
            expect_equal(viewers, 3, "the viewers")
            case.end_all()
            expect_equal(dict(case.truth().live_streams), {}, "what is left")

        result = verdict_on(looks, needs_simulator=True)

        assert result.verdict is Verdict.PASSED, result.reason

    def test_variables_can_be_other_for_one_opening(
        self, verdict_on: Decide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REFERENCE_API_TOKEN", "the machine's own")

        def looks(case: Case) -> None:
            error = expect_raises(
                ConfigurationError,
                lambda: case.open(environment={"REFERENCE_API_TOKEN": None}),
                "opening without a token",
            )
            expect("REFERENCE_API_TOKEN: is missing" in str(error), "it is not named")
            wrong = case.open(environment={"REFERENCE_API_TOKEN": "wrong"})
            expect(not wrong.is_healthy(), "a wrong token does")
            expect(case.platform.is_healthy(), "the right one does not")

        result = verdict_on(looks)

        assert result.verdict is Verdict.PASSED, result.reason

    def test_the_ledger_is_off_unless_asked_for(self, verdict_on: Decide, tmp_path: Path) -> None:
        def looks(case: Case) -> None:
            expect_equal(case.platform.locate_ledger(), None, "the ledger")
            kept = case.open(database=tmp_path / "ledger.sqlite3")
            expect(kept.locate_ledger() is not None, "there is no ledger")
            case.create(platform=kept)
            expect_equal(kept.reconcile(), [], "the findings")

        result = verdict_on(looks)

        assert result.verdict is Verdict.PASSED, result.reason

    def test_variables_may_be_given_to_the_whole_run(self, verdict_on: Decide) -> None:
        result = verdict_on(
            lambda case: case.platform.check_health(),
            run={"environment": {"REFERENCE_API_TOKEN": "wrong"}},
        )

        assert str(result.reason).startswith("AuthenticationError: ")

    def test_proxies_of_the_machine_are_not_asked(
        self, verdict_on: Decide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")

        def asks(case: Case) -> None:
            lists(case)
            with httpx.Client() as client:  # which trusts the environment
                client.get(case.environment["REFERENCE_API_URL"])
            expect_equal(len(case.requests), 2, "the number of requests")

        result = verdict_on(asks)

        assert result.verdict is Verdict.PASSED, result.reason


class TestTraces:
    """A run leaves the process as it was, and gives no secret away."""

    def test_the_process_is_as_it_was(
        self, verdict_on: Decide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_CONFIG", "/nowhere/at/all.toml")
        monkeypatch.setenv("REFERENCE_ACCOUNT", "the-machines-own")
        quiet = logging.getLogger("test_runner.quiet")
        monkeypatch.setattr(quiet, "propagate", False)
        quiet.setLevel(logging.ERROR)
        root = logging.getLogger()
        during: list[object] = []

        def state() -> tuple[object, ...]:
            return (
                dict(os.environ),
                Secret.__init__,
                root.level,
                list(root.handlers),
                quiet.level,
                quiet.propagate,
            )

        def looks(case: Case) -> None:
            lists(case)
            during.append(state())
            expect_equal(os.environ.get("HEADEND_CONFIG"), None, "a variable of headend")
            for name, value in case.environment.items():
                expect_equal(os.environ.get(name), value, f"the variable {name}")

        before = state()
        result = verdict_on(looks)

        assert result.verdict is Verdict.PASSED, result.reason
        assert state() == before
        assert during[0] != before

    def test_secrets_that_were_made_are_known(self, verdict_on: Decide) -> None:
        def looks(case: Case) -> None:
            planted = {one.reveal() for one in case.secrets}
            expect(case.environment["REFERENCE_API_TOKEN"] in planted, "the token is not known")
            made = case.create()
            expect(made.stream_key in case.secrets, "the stream key is not known")
            expect_equal(len(set(case.secrets)), len(case.secrets), "the number of secrets")

        result = verdict_on(looks)

        assert result.verdict is Verdict.PASSED, result.reason

    def test_all_that_is_logged_is_seen(self, verdict_on: Decide) -> None:
        quiet = logging.getLogger("test_runner.shut")
        quiet.setLevel(logging.CRITICAL)

        def looks(case: Case) -> None:
            lists(case)
            quiet.debug("a word from %s", "the provider")
            expect("DEBUG test_runner.shut: a word from the provider" in case.log, "it is missing")
            expect("httpcore" in case.log, "what libraries log is missing")

        result = verdict_on(looks)

        assert result.verdict is Verdict.PASSED, result.reason

    def test_no_secret_is_in_the_report(self, run_on: Run, check_of: Callable[..., Check]) -> None:
        secrets: list[str] = []

        def note(case: Case) -> str:
            made = case.create()
            late = Secret('it"s a late / secret')
            secrets.extend(
                [
                    made.stream_key.reveal(),
                    case.environment["REFERENCE_API_TOKEN"],
                    case.environment["REFERENCE_WEBHOOK_SECRET"],
                    late.reveal(),
                ]
            )
            return " ".join([*secrets, json.dumps(secrets), "it%22s%20a%20late%20/%20secret"])

        def fails(case: Case) -> None:
            expect(False, f"it says {note(case)}")

        def breaks(case: Case) -> None:
            raise RuntimeError(note(case))

        def stale(case: Case) -> None:
            raise StaleError(note(case))

        def refuses(case: Case) -> None:
            case.platform.get_live_stream(case.environment["REFERENCE_API_TOKEN"])

        report = run_on(
            *(
                check_of(function, id=f"TEST-CHECK-00{number}")
                for number, function in enumerate([fails, breaks, stale, refuses])
            )
        )

        assert [one.verdict for one in report.results] == [
            Verdict.FAILED,
            Verdict.ERROR,
            Verdict.STALE,
            Verdict.FAILED,
        ]
        for text in (report.to_json(), report.to_markdown(), repr(report)):
            for secret in secrets:
                assert secret not in text
                assert json.dumps(secret)[1:-1] not in text
            assert "a%20late" not in text

    def test_a_reason_is_not_endless(self, verdict_on: Decide) -> None:
        result = verdict_on(lambda case: expect(False, "x" * 100_000))

        assert len(str(result.reason)) < 2100


class TestRuns:
    """What a run is made of."""

    def test_a_run_without_checks_is_invalid(self, run_on: Run) -> None:
        report = run_on()

        assert report.level is Conformance.INVALID
        assert report.exit_code != 0

    def test_a_run_in_which_nothing_ran_is_invalid(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        report = run_on(check_of(lists, modes=frozenset({Mode.LIVE})))

        assert report.level is Conformance.INVALID
        assert report.exit_code != 0

    def test_results_are_in_the_order_of_the_ids(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        checks = [check_of(lists, id=f"TEST-CHECK-00{n}") for n in (3, 1, 2)]

        assert [one.id[-1] for one in run_on(*checks).results] == ["1", "2", "3"]

    def test_what_was_not_chosen_is_listed_and_missed(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        checks = [
            check_of(lists, id="TEST-ONE-001"),
            check_of(lists, id="TEST-ONE-002"),
            check_of(lists, id="TEST-TWO-001"),
        ]

        report = run_on(*checks, only=["TEST-ONE-*"])

        assert report.executed == ("TEST-ONE-001", "TEST-ONE-002")
        assert report.missing == ("TEST-TWO-001",)
        assert report.results[2].reason == "it was not chosen"
        assert report.level is Conformance.PARTIAL
        assert report.exit_code != 0

    def test_a_choice_that_names_no_check_is_refused(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        with pytest.raises(ConfigurationError, match=r"there is no check TEST-NONE-\*"):
            run_on(check_of(lists), only=["TEST-NONE-*"])

    def test_who_mistypes_an_id_is_told_which_one_may_be_meant(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        with pytest.raises(ConfigurationError, match="did you mean TEST-CHECK-001"):
            run_on(check_of(lists), only=["TEST-CHECK-01"])

    def test_a_failure_is_not_expected_of_a_check_that_is_not_asked(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        check = check_of(lists, refuses=frozenset({Capability.KEY_ROTATION}))

        with pytest.raises(ConfigurationError, match="is not applicable: the provider declares"):
            run_on(check, expected=[EXPECTED])

    def test_a_provider_without_a_simulator_cannot_be_run_on_one(
        self, run_on: Run, reference: ProviderSpec, check_of: Callable[..., Check]
    ) -> None:
        with pytest.raises(PluginError, match="has no simulator"):
            run_on(check_of(lists), spec=evolve(reference, simulator=None))

    def test_without_recordings_a_run_is_on_the_simulator(
        self,
        run_on: Run,
        check_of: Callable[..., Check],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)

        assert run_on(check_of(lists), mode=None).mode is Mode.SIMULATOR

    def test_with_recordings_a_run_is_on_them(
        self,
        run_on: Run,
        check_of: Callable[..., Check],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder = tmp_path / "cassettes" / "reference" / "1"
        folder.mkdir(parents=True)
        (folder / "environment.yaml").write_text("REFERENCE_API_TOKEN: token\n")
        (folder / "TEST-CHECK-009.yaml").write_text("# of another check\n")
        monkeypatch.chdir(tmp_path)

        report = run_on(check_of(lists, modes=frozenset(Mode)), mode=None)

        assert report.mode is Mode.REPLAY
        assert report.results[0].verdict is Verdict.NOT_RUN
        assert report.exit_code != 0

    def test_with_neither_it_is_told_what_to_provide(
        self,
        run_on: Run,
        reference: ProviderSpec,
        check_of: Callable[..., Check],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)

        with pytest.raises(PluginError, match="`headend contract record reference`"):
            run_on(check_of(lists), mode=None, spec=evolve(reference, simulator=None))

    def test_an_unknown_provider_is_refused(self) -> None:
        with pytest.raises(PluginError, match="unknown provider 'nobody'"):
            check_provider("nobody", checks=())

    def test_the_report_says_what_was_run_on_what(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        report = run_on(check_of(lists))

        assert (report.provider, report.distribution, report.version) == ("reference", None, None)
        assert report.mode is Mode.SIMULATOR
        assert report.results[0].provenance == "simulator of headend_contract"
        assert report.results[0].seconds > 0
        assert report.level is Conformance.EXTENDED
        assert report.exit_code == 0

    def test_a_check_that_is_new_fails_nobody(
        self, run_on: Run, check_of: Callable[..., Check]
    ) -> None:
        report = run_on(check_of(lists), check_of(complains, id="TEST-CHECK-002", provisional=True))

        assert report.results[1].verdict is Verdict.FAILED
        assert report.level is Conformance.EXTENDED
        assert report.exit_code == 0

    def test_a_few_examples_are_asked_for_where_it_is_to_be_fast(self, verdict_on: Decide) -> None:
        seen: list[bool] = []

        def looks(case: Case) -> None:
            lists(case)
            seen.append(case.fast)

        verdict_on(looks)
        verdict_on(looks, run={"fast": True})

        assert seen == [False, True]

    @pytest.mark.parametrize("level", Level)
    def test_each_level_is_told(self, verdict_on: Decide, level: Level) -> None:
        assert verdict_on(lists, level=level).level is level
