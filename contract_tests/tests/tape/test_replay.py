"""Replay decides checks by recordings alone, and says what it lacks."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from attrs import evolve

from headend.errors import PluginError
from headend.plugin import ProviderSpec
from headend_contract.case import Case
from headend_contract.cassettes import Cassettes, find_cassettes
from headend_contract.check import Check, Mode, expect, not_applicable, nothing_to_test
from headend_contract.recording import Outcome, record
from headend_contract.report import Result, Verdict
from headend_contract.runner import check_provider
from headend_contract.subject import Subject
from headend_contract.tape import Tape


def gets_what_it_created(case: Case) -> None:
    made = case.create()
    expect(case.platform.get_live_stream(made.stream_id).stream_id == made.stream_id, "another id")


def finds_nothing(case: Case) -> None:
    made = case.create()
    if case.platform.get_live_stream(made.stream_id).name is None:
        nothing_to_test("it has no name")


def sends_nothing(case: Case) -> None:
    expect(case.spec.name == "reference", "another name")


@pytest.fixture
def recorded(
    reference: ProviderSpec, check_of: Callable[..., Check], tmp_path: Path
) -> tuple[Check, Path]:
    """A check with a tape, and the folder that holds it."""
    check = check_of(gets_what_it_created)
    (result,) = record(reference, folder=tmp_path / "tapes", checks=[check])
    assert result.outcome is Outcome.RECORDED, result.reason
    return check, tmp_path / "tapes"


@pytest.fixture
def replay(reference: ProviderSpec) -> Callable[..., Result]:
    def run(check: Check, folder: Path) -> Result:
        report = check_provider(
            reference, mode=Mode.REPLAY, cassettes=folder, checks=[check], expected=()
        )
        return report.results[0]

    return run


def tape_path(folder: Path) -> Path:
    return folder / "1" / "TEST-CHECK-001.yaml"


class TestVerdicts:
    def test_what_was_recorded_passes(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        result = replay(*recorded)

        assert (result.verdict, result.reason) == (Verdict.PASSED, None)
        assert result.provenance == "simulator of headend_contract"

    def test_a_check_that_changed_makes_its_tape_stale(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
    ) -> None:
        def another(case: Case) -> None:
            case.create()

        result = replay(evolve(recorded[0], run=another), recorded[1])

        assert result.verdict is Verdict.STALE
        assert "headend contract record reference --only TEST-CHECK-001" in str(result.reason)

    def test_without_a_tape_a_check_is_not_run_and_told_what_to_do(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        result = replay(evolve(recorded[0], id="TEST-CHECK-002"), recorded[1])

        assert result.verdict is Verdict.NOT_RUN
        assert "headend contract record reference --only TEST-CHECK-002" in str(result.reason)

    def test_also_when_it_hides_the_error(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        check_of: Callable[..., Check],
    ) -> None:
        def careless(case: Case) -> None:
            with contextlib.suppress(Exception):
                case.create()

        check = check_of(careless, id="TEST-CHECK-002")

        assert replay(check, recorded[1]).verdict is Verdict.NOT_RUN

    def test_a_check_that_sends_nothing_needs_no_tape(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        check_of: Callable[..., Check],
    ) -> None:
        check = check_of(sends_nothing, id="TEST-CHECK-002", offline=True)

        assert replay(check, recorded[1]).verdict is Verdict.PASSED

    def test_nor_does_one_that_finds_itself_not_applicable(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        check_of: Callable[..., Check],
    ) -> None:
        check = check_of(lambda _: not_applicable("no limits"), id="TEST-CHECK-002")

        assert replay(check, recorded[1]).verdict is Verdict.NOT_APPLICABLE

    def test_one_that_finds_nothing_to_test_is_recorded_and_finds_so_again(
        self,
        reference: ProviderSpec,
        replay: Callable[..., Result],
        check_of: Callable[..., Check],
        tmp_path: Path,
    ) -> None:
        check = check_of(finds_nothing)
        (recorded,) = record(reference, folder=tmp_path, checks=[check])

        assert (recorded.outcome, recorded.reason) == (Outcome.RECORDED, None)
        result = replay(check, tmp_path)
        assert (result.verdict, result.reason) == (Verdict.NOT_APPLICABLE, "it has no name")

    def test_but_a_tape_that_is_not_played_to_its_end_fails_all_the_same(
        self,
        reference: ProviderSpec,
        replay: Callable[..., Result],
        check_of: Callable[..., Check],
        tmp_path: Path,
    ) -> None:
        check = check_of(finds_nothing)
        record(reference, folder=tmp_path, checks=[check])
        path = tape_path(tmp_path)
        tape = Tape.read(path)
        path.write_text(evolve(tape, interactions=(*tape.interactions,) * 2).text())

        assert replay(check, tmp_path).verdict is Verdict.FAILED

    def test_a_damaged_tape_is_not_run(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        path = tape_path(recorded[1])
        path.write_text(path.read_text().replace("interactions:", "interaction:"))
        result = replay(*recorded)

        assert result.verdict is Verdict.NOT_RUN
        assert str(path) in str(result.reason)

    def test_the_tape_of_another_check_is_not_run(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        path = tape_path(recorded[1])
        path.write_text(path.read_text().replace("check: TEST-CHECK-001", "check: OTHER-001"))

        assert replay(*recorded).verdict is Verdict.NOT_RUN


def hide_misses(monkeypatch: pytest.MonkeyPatch, *paths: str) -> None:
    """Have the provider ask for what is in no recording, and hide what comes of it."""
    from headend_contract.reference.provider import ReferenceProvider

    real = ReferenceProvider.get_live_stream

    def curious(provider: ReferenceProvider, stream_id: str) -> object:
        for path in paths:
            with contextlib.suppress(Exception):
                httpx.get(f"http://simulator.example/{path}", trust_env=False)
        return real(provider, stream_id)

    monkeypatch.setattr(ReferenceProvider, "get_live_stream", curious)


class TestAProviderThatDoesOtherThanItWasRecorded:
    """The check stays as it is, by its digest; only the tape is changed, as if the provider was."""

    def edit(self, folder: Path, change: Callable[[Tape], Tape]) -> None:
        path = tape_path(folder)
        path.write_text(change(Tape.read(path)).text())

    def test_fails_if_it_asks_for_what_is_not_recorded(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        self.edit(recorded[1], lambda tape: evolve(tape, interactions=tape.interactions[:1]))
        result = replay(*recorded)

        assert result.verdict is Verdict.FAILED
        assert "GET /v1/accounts/main/inputs/" in str(result.reason)

    def test_fails_if_it_leaves_something_out(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        self.edit(
            recorded[1],
            lambda tape: evolve(tape, interactions=(*tape.interactions, tape.interactions[-1])),
        )
        result = replay(*recorded)

        assert result.verdict is Verdict.FAILED
        assert "is in the recording and was not sent" in str(result.reason)

    def test_fails_if_it_hides_a_miss(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        hide_misses(monkeypatch, "elsewhere")
        result = replay(*recorded)

        assert result.verdict is Verdict.FAILED
        assert "GET /elsewhere was sent" in str(result.reason)

    def test_tells_three_of_many_misses_and_how_many_more_there_are(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        hide_misses(monkeypatch, *(str(number) for number in range(9)))
        reason = str(replay(*recorded).reason)

        assert reason.count("was sent, and the recording has no such request left") == 3
        assert "; moreover and 6 more of this kind" not in reason
        assert "and 6 more of this kind" in reason

    def test_fails_if_it_goes_past_the_tape(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
        counting,
    ) -> None:
        from headend_contract.reference.provider import ReferenceProvider

        real = ReferenceProvider.get_live_stream

        def stray(provider: ReferenceProvider, stream_id: str) -> object:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", counting.port))
            return real(provider, stream_id)

        monkeypatch.setattr(ReferenceProvider, "get_live_stream", stray)
        result = replay(*recorded)

        assert result.verdict is Verdict.FAILED
        assert "past the recording" in str(result.reason)
        assert counting.answered == 0


class TestTheWorld:
    def test_time_is_what_it_was_and_passes_by_hand(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        moments = []

        def looks(case: Case) -> None:
            moments.append(case.clock.now())
            case.pass_time(90)
            moments.append(case.clock.now())
            gets_what_it_created(case)

        path = tape_path(recorded[1])
        tape = Tape.read(path)
        check = evolve(recorded[0], run=looks)
        label = evolve(
            tape.label, digest=check.digest, clock=datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
        )
        path.write_text(evolve(tape, label=label).text())

        assert replay(check, recorded[1]).verdict is Verdict.PASSED
        assert moments == [
            datetime(2026, 11, 22, 20, 0, tzinfo=UTC),
            datetime(2026, 11, 22, 20, 1, 30, tzinfo=UTC),
        ]

    def test_requests_are_seen_with_their_status(
        self, recorded: tuple[Check, Path], replay: Callable[..., Result]
    ) -> None:
        seen = []

        def looks(case: Case) -> None:
            gets_what_it_created(case)
            seen.extend(case.requests)

        path = tape_path(recorded[1])
        tape = Tape.read(path)
        check = evolve(recorded[0], run=looks)
        path.write_text(evolve(tape, label=evolve(tape.label, digest=check.digest)).text())
        replay(check, recorded[1])

        assert [(one.method, one.host, one.status) for one in seen] == [
            ("POST", "simulator.example", 201),
            ("GET", "simulator.example", 200),
        ]

    def test_credentials_of_the_machine_are_not_seen_and_come_back(
        self,
        recorded: tuple[Check, Path],
        replay: Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
        check_of: Callable[..., Check],
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("REFERENCE_API_TOKEN", "the real one")
        seen: dict[str, str] = {}
        check = check_of(lambda _: seen.update(os.environ), id="TEST-CHECK-002", offline=True)
        replay(check, recorded[1])

        assert "AWS_PROFILE" not in seen
        assert seen["REFERENCE_API_TOKEN"] != "the real one"
        assert os.environ["AWS_PROFILE"] == "production"
        assert os.environ["REFERENCE_API_TOKEN"] == "the real one"


class TestFindingThem:
    def test_without_any_it_says_what_makes_them(
        self, reference: ProviderSpec, tmp_path: Path
    ) -> None:
        with pytest.raises(PluginError, match="headend contract record reference"):
            check_provider(reference, mode=Mode.REPLAY, cassettes=tmp_path, checks=[], expected=())

    def test_a_folder_may_hold_one_provider_or_several(
        self, reference: ProviderSpec, tmp_path: Path
    ) -> None:
        subject = Subject.of(reference)
        one, several = tmp_path / "one" / "1", tmp_path / "several" / "reference" / "1"
        for folder in (one, several):
            folder.mkdir(parents=True)
            (folder / "LIVE-X-001.yaml").write_text("")

        assert find_cassettes(subject, tmp_path / "one") == Cassettes(one)
        assert find_cassettes(subject, tmp_path / "several") == Cassettes(several)
        assert find_cassettes(subject, tmp_path) is None

    def test_they_are_found_in_the_working_directory(
        self, reference: ProviderSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "cassettes" / "reference" / "1"
        folder.mkdir(parents=True)
        (folder / "LIVE-X-001.yaml").write_text("")
        monkeypatch.chdir(tmp_path)

        found = find_cassettes(Subject.of(reference))
        assert found is not None
        assert found.ids() == ("LIVE-X-001",)

    @pytest.mark.parametrize("name", ["cloudflare", "aws-ivs"])
    def test_those_of_the_clouds_are_in_their_packages(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        subject = Subject.of(name)
        found = find_cassettes(subject)

        assert found is not None
        assert subject.folder is not None
        assert found.folder.is_relative_to(subject.folder)
        assert len(found.ids()) > 30
