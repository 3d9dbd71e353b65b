"""The model finds what is wrong in the long run, and nothing in what is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from attrs import evolve

from headend.plugin import (
    CreateRequest,
    Effect,
    EndOutcome,
    EndResult,
    Ingest,
    LiveStream,
    Operation,
    PlatformError,
    StreamAnalytics,
    StreamCredentials,
    StreamNotFoundError,
    StreamState,
)
from headend_contract.case import Case
from headend_contract.check import Check, Level, Mode
from headend_contract.machine import run_model
from headend_contract.reference import provider as reference_provider, wire
from headend_contract.reference.facts import API_LIMIT
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.report import Report, Result, Verdict

EXAMPLES, STEPS = 40, 25
"""A small budget: some five seconds of one core where nothing is found."""


def drive(case: Case) -> None:
    run_model(case, examples=EXAMPLES, steps=STEPS)


@pytest.fixture
def outcome_of(
    check_of: Callable[..., Check],
    run_on: Callable[..., Report],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """Run the model on a class of providers for the reference platform."""

    def decide(
        kind: type[ReferenceProvider], run: Callable[[Case], None] = drive, *, fast: bool = True
    ) -> Result:
        monkeypatch.setattr(reference_provider, "ReferenceProvider", kind)
        check = check_of(
            run,
            id="TEST-MODEL-001",
            level=Level.EXTENDED,
            modes=frozenset({Mode.SIMULATOR}),
            needs_simulator=True,
        )
        (result,) = run_on(check, fast=fast).results
        return result

    return decide


class ForgetsTheMarker(ReferenceProvider):
    """What it creates cannot be found again after a lost answer."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        return super().create_live_stream(evolve(request, marker="none"))


class SendsCreationsAgain(ReferenceProvider):
    """A creation is retried like a read, so that a lost answer makes two."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        return self._transport.send(
            Operation("create_live_stream", effect=Effect.REPEATABLE, limits=(API_LIMIT,)),
            "POST",
            "/inputs",
            read=wire.credentials,
            expect=201,
            body=wire.new_input(request),
        )


class KeepsTheOldKey(ReferenceProvider):
    """A rotation gives the key that was there before, and that is dead."""

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        before = self.get_credentials(stream_id)
        super().rotate_stream_key(stream_id)
        return before


class OnlyRevokes(ReferenceProvider):
    """An end leaves the live stream, and what it costs, behind."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        del delete_recordings
        try:
            self.revoke_key(stream_id)
        except StreamNotFoundError:
            return EndResult(stream_id=stream_id, outcome=EndOutcome.ALREADY_GONE)
        return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED)


class CannotEndTwice(ReferenceProvider):
    """What is gone already is an error."""

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        self.get_live_stream(stream_id)
        return super().end_live_stream(stream_id, delete_recordings=delete_recordings)


class DoesNotStop(ReferenceProvider):
    """It deletes before the encoder is off, which the platform refuses."""

    def wait_until_off(self, stream_id: str) -> None:
        pass


class LosesTheLast(ReferenceProvider):
    """Its list stops one too early."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        found = list(super().list_live_streams())
        return islice(found, max(1, len(found) - 1))


class ListsTwice(ReferenceProvider):
    """Its pages overlap."""

    def list_live_streams(self) -> Iterator[LiveStream]:
        found = list(super().list_live_streams())
        yield from [*found[:1], *found]


class SaysLiveForEver(ReferenceProvider):
    """Once live, always live."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._live: set[str] = set()

    def get_live_stream(self, stream_id: str) -> LiveStream:
        found = super().get_live_stream(stream_id)
        if found.state is StreamState.LIVE:
            self._live.add(stream_id)
        return evolve(found, state=StreamState.LIVE) if stream_id in self._live else found


class CountsThePeak(ReferenceProvider):
    """It takes the highest viewer count for the present one."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        figures = super().get_analytics(stream_id)
        if figures.viewer_count is None:
            return figures
        return evolve(figures, viewer_count=figures.peak_viewers)


class OnlySaysDisabled(ReferenceProvider):
    """It answers that encoders are refused, and asks nobody to refuse them."""

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        return evolve(self.get_live_stream(stream_id), state=StreamState.DISABLED)


class MixesUpMetadata(ReferenceProvider):
    """All that it creates has the metadata of the first."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._metadata: dict[str, str] | None = None

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        self._metadata = self._metadata or dict(request.metadata)
        return super().create_live_stream(evolve(request, metadata=self._metadata))


class KeyInTheAddress(ReferenceProvider):
    """Its server URL, which hosts show and log, has the key in it."""

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        made = super().get_credentials(stream_id)
        url = f"{made.rtmp_push_url}/{made.stream_key.reveal()}"
        return evolve(made, rtmp_push_url=url, ingests=(Ingest.rtmp(url, made.stream_key),))


class KeepsRecordings(ReferenceProvider):
    """It says that recordings are deleted, and they stay."""

    def delete_recording(self, recording_id: str) -> None:
        pass


PLANTED: dict[type[ReferenceProvider], str] = {
    ForgetsTheMarker: "which is as it should be, as foreign",
    SendsCreationsAgain: "made 2 live streams",
    KeepsTheOldKey: "gave a key that was replaced",
    OnlyRevokes: "said ended, and it is still there",
    CannotEndTwice: "which is not there, raised StreamNotFoundError",
    DoesNotStop: "raised ConflictError: The input is on air",
    LosesTheLast: "made 2 live streams",
    ListsTwice: "the list has a live stream twice",
    SaysLiveForEver: "is live, and it is not live",
    CountsThePeak: "viewer_count of #1 is",
    OnlySaysDisabled: "left its encoder connected",
    MixesUpMetadata: "the metadata of #",
    KeyInTheAddress: "shows a secret",
    KeepsRecordings: "with its recordings left recordings",
}


@pytest.mark.parametrize(("kind", "words"), PLANTED.items(), ids=[one.__name__ for one in PLANTED])
def test_a_planted_defect_is_found_in_a_small_budget(
    kind: type[ReferenceProvider], words: str, outcome_of: Callable[..., Result]
) -> None:
    result = outcome_of(kind)

    assert result.verdict is Verdict.FAILED
    assert result.reason is not None
    assert words in result.reason


def test_the_good_provider_agrees_with_the_model(outcome_of: Callable[..., Result]) -> None:
    result = outcome_of(ReferenceProvider, lambda case: run_model(case, examples=8, steps=20))

    assert result.verdict is Verdict.PASSED, result.reason


def test_the_same_histories_come_each_time(outcome_of: Callable[..., Result]) -> None:
    first, second = outcome_of(KeepsTheOldKey), outcome_of(KeepsTheOldKey)

    assert first.reason == second.reason


def size_of(history: str) -> tuple[int, int]:
    """The letters that are told, and the steps that are not."""
    left_out = re.search(r"left out: (\d+)", history)
    return len(history), 0 if left_out is None else int(left_out[1])


def test_a_run_that_may_take_longer_tells_a_shorter_history(
    outcome_of: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend_contract.machine._SHRINKING", 4.0)
    first, shortest = outcome_of(CannotEndTwice), outcome_of(CannotEndTwice, fast=False)

    assert first.reason is not None
    assert shortest.reason is not None
    assert size_of(shortest.reason) < size_of(first.reason)
    assert "-> StreamNotFoundError" in shortest.reason


def test_what_a_provider_must_not_raise_is_told_as_its_failure(
    outcome_of: Callable[..., Result],
) -> None:
    class Breaks(ReferenceProvider):
        def get_live_stream(self, stream_id: str) -> LiveStream:
            raise KeyError(stream_id)

    result = outcome_of(Breaks)

    assert result.verdict is Verdict.FAILED
    assert result.reason is not None
    assert "raised KeyError" in result.reason


def test_readings_that_changed_nothing_are_left_out_of_a_history(
    outcome_of: Callable[..., Result],
) -> None:
    class LosesTheFirst(ReferenceProvider):
        lists = 0

        def list_live_streams(self) -> Iterator[LiveStream]:
            self.lists += 1
            return super().list_live_streams() if self.lists < 4 else iter(())

    result = outcome_of(LosesTheFirst)

    assert result.verdict is Verdict.FAILED
    *steps, last = str(result.reason).partition("What was done: ")[2].split("; ")
    assert not any(re.match(r"\d+\. (get|list|find) ?", one) for one in steps)
    assert "readings that changed nothing are left out" in last


def test_the_fault_of_the_last_step_is_named(outcome_of: Callable[..., Result]) -> None:
    class Trips(ReferenceProvider):
        def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
            try:
                return super().create_live_stream(request)
            except PlatformError as error:
                raise KeyError(str(error)) from error

    result = outcome_of(Trips)

    assert result.verdict is Verdict.FAILED
    last = str(result.reason).rpartition("; ")[2]
    assert re.search(r"create .* \(request 1 met [a-z-]+", last) is not None
