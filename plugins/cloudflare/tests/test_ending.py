"""Ending: in the safe order, whatever breaks off where, with or without the recordings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headend.plugin import (
    ConflictError,
    CreateRequest,
    EndOutcome,
    PlatformError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    StreamState,
)
from headend.reconcile import FindingKind
from headend_cloudflare.provider import STOP_TIMEOUT
from headend_contract.faults import (
    CUT_ANSWER,
    DROP_ANSWER,
    DROP_REQUEST,
    GATEWAY_TIMEOUT,
    HANG,
    HANG_AFTER,
    HTML,
    RATE_LIMITED,
    TRUNCATED,
    UNAVAILABLE,
    answering,
)

ABSENT = "0" * 31 + "1"
SETTLED = 300.0
"""Seconds after which a recording is ready for certain."""

INTERNAL_ERROR = answering(
    "internal-error",
    403,
    body=b'{"success": false, "errors": [{"code": 10001, "message": "internal error"}]}',
)
THROTTLED_INSIDE = answering(
    "throttled-inside-200",
    200,
    headers={"Retry-After": "1"},
    body=b'{"success": false, "errors": [{"code": 971, "message": "Please wait"}]}',
)
QUICK = (
    DROP_REQUEST, DROP_ANSWER, CUT_ANSWER, RATE_LIMITED, UNAVAILABLE, GATEWAY_TIMEOUT, HTML,
    TRUNCATED, INTERNAL_ERROR, THROTTLED_INSIDE,
)  # fmt: skip
SLOW = (HANG, HANG_AFTER)


def asked() -> CreateRequest:
    return CreateRequest(channel_id="42", marker="headend-m")


def sent(simulated) -> list[tuple[str, str]]:
    return [
        (one.method, one.path.rpartition("/accounts/")[2].partition("/stream")[2])
        for one in simulated.requests
    ]


@pytest.fixture
def made(provider):
    return provider.create_live_stream(asked())


@pytest.fixture
def recorded(provider, simulated, clock, made):
    """A live stream with a recording that is ready."""
    encoder = simulated.encoder(made.stream_key.reveal())
    clock.advance(60)
    encoder.leave()
    clock.advance(SETTLED)
    simulated.requests.clear()
    return made


def test_encoders_are_refused_then_gone_then_the_input_goes_and_kept_recordings_are_named(
    provider, simulated, clock, made
):
    encoder = simulated.encoder(made.stream_key.reveal(), reconnects=True)
    clock.advance(60)
    simulated.requests.clear()
    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)

    path = f"/live_inputs/{made.stream_id}"
    order = [one for index, one in enumerate(sent(simulated)) if one not in sent(simulated)[:index]]
    assert order == [("POST", f"{path}/disable"), ("GET", path), ("GET", ""), ("DELETE", path)]
    assert ended.outcome is EndOutcome.ENDED
    assert [one.recording_id for one in ended.recordings_kept] == list(simulated.videos)
    assert len(simulated.videos) == 1
    assert (simulated.inputs, encoder.refusals > 0) == ({}, True)


def test_recordings_go_first_when_asked_for(provider, simulated, recorded):
    ended = provider.end_live_stream(recorded.stream_id, delete_recordings=True)

    assert (ended.outcome, ended.recordings_kept) == (EndOutcome.ENDED, ())
    assert (simulated.inputs, simulated.videos) == ({}, {})


def test_the_end_of_a_live_stream_that_was_never_live_takes_four_requests(
    provider, simulated, made
):
    simulated.requests.clear()
    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)

    assert (ended.outcome, ended.recordings_kept) == (EndOutcome.ENDED, ())
    assert len(simulated.requests) == 4


def test_ending_what_is_gone_is_no_error(provider, simulated, made):
    for delete in (False, True):
        provider.end_live_stream(made.stream_id, delete_recordings=delete)
        for gone in (made.stream_id, ABSENT, "no-such-stream"):
            again = provider.end_live_stream(gone, delete_recordings=delete)
            assert (again.outcome, again.stream_id) == (EndOutcome.ALREADY_GONE, gone)
            assert again.recordings_kept == ()
            assert len(again.warnings) == (1 if delete and gone != "no-such-stream" else 0)
            assert all("some may stay and be billed" in one for one in again.warnings)


def test_recordings_of_what_is_gone_are_named_or_deleted_if_the_platform_still_knows_them(
    provider, simulated, recorded
):
    simulated.switch(recordings_forget=False)
    simulated.delete_input(recorded.stream_id)

    named = provider.end_live_stream(recorded.stream_id, delete_recordings=False)
    assert named.outcome is EndOutcome.ALREADY_GONE
    assert [one.recording_id for one in named.recordings_kept] == list(simulated.videos)
    gone = provider.end_live_stream(recorded.stream_id, delete_recordings=True)
    assert (gone.recordings_kept, simulated.videos) == ((), {})
    assert gone.warnings == ("recordings of it that were deleted now: 1",)


def test_what_stays_of_a_live_stream_that_is_gone_is_a_warning_if_it_cannot_be_learnt(
    provider, simulated, made, faults
):
    simulated.delete_input(made.stream_id)
    faults.script({1: HTML})

    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert ended.outcome is EndOutcome.ALREADY_GONE
    assert "could not be learnt" in ended.warnings[0]


def test_recordings_that_were_to_go_are_not_taken_for_gone_if_that_cannot_be_learnt(
    provider, simulated, recorded, faults
):
    simulated.switch(recordings_forget=False)
    simulated.delete_input(recorded.stream_id)
    faults.script({1: HTML})

    with pytest.raises(PlatformProtocolError):
        provider.end_live_stream(recorded.stream_id, delete_recordings=True)
    assert simulated.videos
    provider.end_live_stream(recorded.stream_id, delete_recordings=True)
    assert simulated.videos == {}


def test_a_recording_that_is_being_made_keeps_the_live_stream_disabled_until_it_is_ended_again(
    provider, simulated, made, clock
):
    simulated.encoder(made.stream_key.reveal())
    clock.advance(60)
    began = clock.monotonic()

    with pytest.raises(ConflictError, match="some minutes after a broadcast") as caught:
        provider.end_live_stream(made.stream_id, delete_recordings=True)
    assert (caught.value.retryable, caught.value.code) == (True, "10046")
    assert f"`headend end {made.stream_id} --delete-recordings`" in str(caught.value)
    assert clock.monotonic() - began < 10
    assert provider.get_live_stream(made.stream_id).state is StreamState.DISABLED
    assert len(simulated.videos) == 1

    clock.advance(SETTLED)
    ended = provider.end_live_stream(made.stream_id, delete_recordings=True)
    assert ended.outcome is EndOutcome.ENDED
    assert (simulated.inputs, simulated.videos) == ({}, {})


def test_a_recording_that_is_being_made_keeps_none_of_the_others(
    provider, simulated, recorded, clock
):
    (ready,) = simulated.videos
    simulated.encoder(recorded.stream_key.reveal())
    clock.advance(60)

    with pytest.raises(ConflictError):
        provider.end_live_stream(recorded.stream_id, delete_recordings=True)
    assert len(simulated.videos) == 1
    assert ready not in simulated.videos


def test_an_encoder_that_the_platform_does_not_throw_out_is_told(provider, simulated, made, clock):
    simulated.switch(stop_time=1000)
    simulated.encoder(made.stream_key.reveal())
    clock.advance(60)
    began = clock.monotonic()

    with pytest.raises(PlatformTimeoutError, match="end it again later") as caught:
        provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert (caught.value.request_sent, caught.value.retryable) == (True, True)
    assert STOP_TIMEOUT - 5 <= clock.monotonic() - began <= STOP_TIMEOUT
    assert list(simulated.inputs) == [made.stream_id]
    clock.advance(1000)
    assert (
        provider.end_live_stream(made.stream_id, delete_recordings=False).outcome
        is EndOutcome.ENDED
    )


def test_a_word_for_the_state_that_nobody_knows_does_not_hold_the_end_up(
    provider, simulated, made, clock
):
    simulated.switch(unknown_state=True)
    simulated.encoder(made.stream_key.reveal())
    clock.advance(60)

    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert (ended.outcome, simulated.inputs) == (EndOutcome.ENDED, {})


# -- faults ---------------------------------------------------------------------------------------

Start = Callable[[], str]


@pytest.fixture
def idle(provider) -> Start:
    return lambda: provider.create_live_stream(asked()).stream_id


@pytest.fixture
def with_recording(provider, simulated, clock) -> Start:
    def start() -> str:
        made = provider.create_live_stream(asked())
        encoder = simulated.encoder(made.stream_key.reveal())
        clock.advance(30)
        encoder.leave()
        clock.advance(SETTLED)
        return made.stream_id

    return start


@pytest.fixture
def live(provider, simulated, clock) -> Start:
    def start() -> str:
        made = provider.create_live_stream(asked())
        simulated.encoder(made.stream_key.reveal(), reconnects=True)
        clock.advance(30)
        return made.stream_id

    return start


def requests_of(provider, faults, start: Start, *, delete: bool) -> int:
    stream_id = start()
    faults.reset()
    provider.end_live_stream(stream_id, delete_recordings=delete)
    return len(faults.seen)


def end_with_a_fault(
    provider, simulated, faults, clock, stream_id: str, script, *, delete: bool
) -> PlatformError | None:
    """End under a script of faults, then once more in peace; nothing is left."""
    faults.script(script)
    failure = None
    try:
        provider.end_live_stream(stream_id, delete_recordings=delete)
    except PlatformError as error:
        failure = error
    faults.script({})
    clock.advance(SETTLED)  # past pauses, and until what was recorded is ready
    left = stream_id in simulated.inputs
    assert left or failure is None or isinstance(failure, PlatformProtocolError)
    again = provider.end_live_stream(stream_id, delete_recordings=delete)
    assert again.outcome is (EndOutcome.ENDED if left else EndOutcome.ALREADY_GONE)
    assert simulated.inputs == {}
    if delete:
        assert simulated.videos == {}
    simulated.videos.clear()
    return failure


@pytest.mark.parametrize("fault", QUICK, ids=repr)
@pytest.mark.parametrize("kind", ["idle", "with_recording"])
def test_one_fault_at_any_request_leaves_nothing_after_a_second_end(
    request, provider, simulated, faults, clock, kind, fault
):
    start: Start = request.getfixturevalue(kind)
    delete = kind == "with_recording"
    for place in range(requests_of(provider, faults, start, delete=delete)):
        failure = end_with_a_fault(
            provider, simulated, faults, clock, start(), {place: fault}, delete=delete
        )
        # What no repetition is for: an answer that is none.
        if fault not in {HTML, TRUNCATED}:
            assert failure is None, (place, fault)


@pytest.mark.parametrize("fault", [DROP_ANSWER, UNAVAILABLE, HTML], ids=repr)
def test_one_fault_at_any_request_of_the_end_of_one_that_is_live(
    provider, simulated, faults, clock, live, fault
):
    for place in range(requests_of(provider, faults, live, delete=False)):
        end_with_a_fault(provider, simulated, faults, clock, live(), {place: fault}, delete=False)


@pytest.mark.parametrize("fault", SLOW, ids=repr)
def test_one_request_that_hangs_leaves_nothing_after_a_second_end(
    provider_for, simulated, faults, clock, with_recording, fault
):
    provider = provider_for(timeout=0.05)
    for place in range(requests_of(provider, faults, with_recording, delete=True)):
        failure = end_with_a_fault(
            provider, simulated, faults, clock, with_recording(), {place: fault}, delete=True
        )
        assert failure is None


def test_an_end_that_broke_off_anywhere_for_good_is_taken_up_again(
    provider, simulated, faults, clock, with_recording
):
    down = answering("down", 500)
    for place in range(requests_of(provider, faults, with_recording, delete=True)):
        script = {place + index: down for index in range(3)}
        failure = end_with_a_fault(
            provider, simulated, faults, clock, with_recording(), script, delete=True
        )
        assert isinstance(failure, PlatformUnavailableError)


def test_a_deletion_that_html_answers_is_not_believed(provider, simulated, faults, made):
    faults.script({3: HTML})

    with pytest.raises(PlatformProtocolError):
        provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert [(one.method, one.fault) for one in faults.seen[-2:]] == [
        ("DELETE", HTML),
        ("GET", None),
    ]
    assert list(simulated.inputs) == [made.stream_id]


def test_a_deletion_whose_answer_is_garbled_is_looked_after(provider, simulated, faults, made):
    faults.script({3: TRUNCATED})

    ended = provider.end_live_stream(made.stream_id, delete_recordings=False)
    assert (ended.outcome, simulated.inputs) == (EndOutcome.ENDED, {})


def test_an_end_that_waits_for_a_recording_is_finished_by_reconciling(platform, simulated, clock):
    made = platform.create_live_stream(42)
    simulated.encoder(made.stream_key.reveal())
    clock.advance(60)
    with pytest.raises(ConflictError):
        platform.end_live_stream(made.stream_id, delete_recordings=True)
    clock.advance(SETTLED)

    (finding,) = platform.reconcile()
    assert (finding.kind, finding.done) == (FindingKind.HALF_ENDED, True)
    assert (simulated.inputs, simulated.videos) == ({}, {})
    assert platform.reconcile() == []
