"""The reference provider as a host holds it: with policy and ledger, on a real socket."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import headend
from headend.plugin import RateLimitedError, StreamState, UncertainOutcomeError
from headend_contract.faults import CUT_ANSWER, DROP_ANSWER, DROP_REQUEST, TRUNCATED
from headend_contract.reference.opening import install_reference, open_reference
from headend_contract.reference.provider import ReferenceProvider


@pytest.fixture
def opened(served, simulated, clock, tmp_path: Path):
    with open_reference(
        served.url,
        simulated.token,
        clock=clock,
        random=Random(11),
        database=tmp_path / "ledger.sqlite3",
    ) as platform:
        yield platform


def test_a_live_stream_goes_from_its_creation_to_its_end(opened, simulated):
    made = opened.create_live_stream(42, name="n", metadata={"a": "b"}, low_latency=True)
    encoder = simulated.encoder(made.stream_key.reveal(), reconnects=True)

    assert opened.wait_until_live(made.stream_id, 10).state is StreamState.LIVE
    assert opened.get_analytics(made.stream_id).viewer_count == 0
    assert opened.rotate_stream_key(made.stream_id).stream_key != made.stream_key
    assert encoder.refusals == 1
    kept = opened.end_live_stream(made.stream_id).recordings_kept
    assert len(kept) == 1
    assert opened.reconcile() == []


def test_a_creation_whose_answer_is_lost_is_found_in_a_list_that_lags(
    opened, simulated, faults, clock
):
    simulated.switch(list_lag=3)
    faults.script({0: DROP_ANSWER})
    made = opened.create_live_stream(42)

    assert list(simulated.inputs) == [made.stream_id]
    assert clock.naps == [5.0]


@pytest.mark.parametrize("fault", [None, DROP_ANSWER, CUT_ANSWER, TRUNCATED], ids=str)
def test_a_setting_that_was_not_kept_is_told_though_the_answer_is_lost(
    opened, simulated, faults, fault
):
    simulated.switch(drop_low_latency=True)
    faults.script({} if fault is None else {0: fault})

    made = opened.create_live_stream(42, low_latency=True)

    assert made.warnings == (
        "low latency was asked for, and the platform accepted and did not keep it",
    )
    assert list(simulated.inputs) == [made.stream_id]


@pytest.mark.parametrize("fault", [None, DROP_ANSWER], ids=str)
def test_what_was_kept_needs_no_warning(opened, faults, fault):
    faults.script({} if fault is None else {0: fault})

    assert opened.create_live_stream(42, low_latency=True).warnings == ()
    assert opened.create_live_stream(43).warnings == ()


def test_a_creation_that_another_call_finishes_is_checked_as_well(opened, simulated, faults):
    simulated.switch(drop_low_latency=True)
    lost = dict.fromkeys(range(10), DROP_REQUEST)
    faults.script({**lost, 0: DROP_ANSWER})
    with pytest.raises(UncertainOutcomeError):
        opened.create_live_stream(42, low_latency=True, idempotency_key="k")
    faults.script({})

    made = opened.create_live_stream(42, low_latency=True, idempotency_key="k")

    assert "did not keep it" in made.warnings[0]
    assert list(simulated.inputs) == [made.stream_id]


def test_a_provider_can_be_derived_from_the_good_one_by_one_change(served, simulated, clock):
    class Deaf(ReferenceProvider):
        def find_live_streams(self, marker: str, name: str | None) -> list[headend.LiveStream]:
            del marker, name
            return []

    with open_reference(served.url, simulated.token, clock=clock, kind=Deaf) as platform:
        assert platform.create_live_stream(1).stream_id in simulated.inputs


def test_the_observer_and_the_time_for_an_operation_are_passed_on(served, simulated, clock):
    class Observer:
        def attempt(self, event: object) -> None:
            seen.append(event)

        def wait(self, event: object) -> None:
            seen.append(event)

    seen: list[object] = []
    simulated.switch(rate_limit=1, rate_window=20)
    with open_reference(
        served.url, simulated.token, clock=clock, observer=Observer(), calls_timeout=5
    ) as platform:
        platform.check_health()
        with pytest.raises(RateLimitedError):
            platform.check_health()
    assert seen
    assert clock.monotonic() < 5


def test_installed_it_opens_by_name_and_settings(served, simulated, monkeypatch, tmp_path: Path):
    install_reference(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("REFERENCE_API_URL", served.url)
    monkeypatch.setenv("REFERENCE_API_TOKEN", simulated.token)
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path / "data"))

    with headend.open("reference") as platform:
        made = platform.create_live_stream(42)
        assert platform.get_live_stream(made.stream_id).channel_id == "42"
