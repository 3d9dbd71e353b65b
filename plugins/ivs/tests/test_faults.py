"""Whatever goes wrong at whichever request, nothing is made twice and nothing is left behind."""

from __future__ import annotations

import json

import pytest

from headend.errors import PlatformError, UncertainOutcomeError
from headend.plugin import CreateRequest, EndOutcome, RateLimitedError
from headend_contract.clock import ManualClock
from headend_contract.faults import (
    CUT_ANSWER,
    DROP_ANSWER,
    DROP_REQUEST,
    FAULTS,
    GATEWAY_TIMEOUT,
    HANG,
    HANG_AFTER,
    HTML,
    RATE_LIMITED,
    TRUNCATED,
    UNAVAILABLE,
    answering,
)
from headend_ivs.settings import IvsOptions

MARKER = "headend-0123456789abcdef-00112233445566778899aabb"

PATIENCE = 0.3
"""Seconds of real time that a request may take, since some hang."""

ONCE = tuple(one for one in FAULTS if one is not HANG)
"""A request that hangs costs real time, and one that was heeded says more than one that was not."""
THRICE = (DROP_ANSWER, UNAVAILABLE, RATE_LIMITED, HTML)
"""What may come three times in a row, so that no attempt gets through."""


def request():
    return CreateRequest(channel_id="42", marker=MARKER, options=IvsOptions())


@pytest.fixture
def hasty(provider_for):
    """A provider that does not wait long."""
    return provider_for(timeout=PATIENCE)


def peaceful_count(faults, run):
    """Return how many requests something takes when nothing goes wrong."""
    faults.reset()
    run()
    return len(faults.seen)


def attempt(run):
    """Run something, and return whether it was done."""
    try:
        run()
    except PlatformError:
        return False
    return True


def scripts(count, faults, times):
    for place in range(count):
        for fault in faults:
            yield place, fault, {place + more: fault for more in range(times)}


def check_every_script(faults, served, count, begin, run, check, kinds, times):
    """Run something with each fault at each request, and check what became of it."""
    for place, fault, script in scripts(count, kinds, times):
        state = begin()
        faults.reset()
        faults.script(script)
        done = attempt(lambda state=state: run(state))
        faults.reset()
        served.disconnect()
        check(state, done, f"{fault.name} at request {place}, {times} times")


# -- ending ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
def test_an_end_that_breaks_off_anywhere_is_finished_by_the_next(
    hasty, faults, served, simulated, clock, times
):
    def begin():
        made = hasty.create_live_stream(request())
        simulated.encoder(made.stream_key.reveal(), reconnects=True)
        clock.advance(30)
        return made

    def end(made):
        return hasty.end_live_stream(made.stream_id, delete_recordings=False)

    def check(made, done, what):
        assert end(made).outcome in EndOutcome, what
        assert made.stream_id not in simulated.channels, what
        assert made.stream_key.reveal() not in simulated.keys, what
        if done:
            assert simulated.channels == {}, what

    made = begin()
    count = peaceful_count(faults, lambda: end(made))
    assert count >= 6
    kinds = ONCE if times == 1 else THRICE
    check_every_script(faults, served, count, begin, end, check, kinds, times)
    assert simulated.channels == {}


def test_an_end_that_one_fault_met_is_done_all_the_same(hasty, faults, served, simulated, clock):
    """All but garbage, which no repetition is for, is overcome within one call."""

    def begin():
        made = hasty.create_live_stream(request())
        clock.advance(30)
        return made

    def end(made):
        hasty.end_live_stream(made.stream_id, delete_recordings=False)

    def check(made, done, what):
        assert done, what
        assert made.stream_id not in simulated.channels, what

    made = begin()
    count = peaceful_count(faults, lambda: end(made))
    kinds = (DROP_REQUEST, DROP_ANSWER, CUT_ANSWER, RATE_LIMITED, UNAVAILABLE, GATEWAY_TIMEOUT)
    check_every_script(faults, served, count, begin, end, check, kinds, 1)


# -- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
def test_a_rotation_that_breaks_off_anywhere_is_finished_by_the_next(
    hasty, faults, served, simulated, clock, times
):
    made = hasty.create_live_stream(request())
    clock.advance(30)
    old = [made.stream_key]

    def begin():
        return made

    def rotate(_made):
        found = hasty.rotate_stream_key(made.stream_id)
        assert simulated.keys == {found.stream_key.reveal(): made.stream_id}
        assert found.stream_key not in old
        old.append(found.stream_key)

    def check(_made, _done, what):
        found = hasty.get_credentials(made.stream_id)
        assert simulated.keys == {found.stream_key.reveal(): made.stream_id}, what
        rotate(made)

    count = peaceful_count(faults, lambda: rotate(made))
    assert count == 5
    kinds = (DROP_ANSWER, DROP_REQUEST, UNAVAILABLE, HTML, TRUNCATED, HANG_AFTER)
    kinds = kinds if times == 1 else kinds[:-1]
    check_every_script(faults, served, count, begin, rotate, check, kinds, times)


@pytest.mark.parametrize(
    "fault", [DROP_ANSWER, TRUNCATED, GATEWAY_TIMEOUT], ids=lambda one: one.name
)
def test_a_new_key_whose_answer_was_lost_is_found(hasty, faults, simulated, clock, fault):
    made = hasty.create_live_stream(request())
    clock.advance(30)
    faults.reset()
    faults.script({3: fault})
    found = hasty.rotate_stream_key(made.stream_id)

    assert faults.seen[3].path == "/CreateStreamKey"
    assert simulated.keys == {found.stream_key.reveal(): made.stream_id}


QUOTA = answering(
    "quota",
    402,
    headers={"x-amzn-ErrorType": "ServiceQuotaExceededException"},
    body=b'{"message": "one stream key is the most"}',
)


def test_a_key_that_aws_still_counts_after_its_end_is_waited_for(hasty, faults, simulated, clock):
    made = hasty.create_live_stream(request())
    clock.advance(30)
    (channel,) = simulated.channels.values()
    old = {"arn": channel.key.arn, "channelArn": channel.arn, "tags": {}}
    listed = answering("stale list", 200, body=json.dumps({"streamKeys": [old]}).encode())
    faults.reset()
    faults.script({3: QUOTA, 4: listed, 5: QUOTA, 6: listed})
    found = hasty.rotate_stream_key(made.stream_id)

    assert simulated.keys == {found.stream_key.reveal(): made.stream_id}
    assert "/GetStreamKey" not in [one.path for one in faults.seen]


def test_a_rotation_that_left_no_key_says_so(hasty, faults, simulated, clock):
    made = hasty.create_live_stream(request())
    clock.advance(30)
    faults.reset()
    faults.script(dict.fromkeys(range(3, 40), UNAVAILABLE))

    with pytest.raises(PlatformError, match="no stream key now") as caught:
        hasty.rotate_stream_key(made.stream_id)
    assert "rotate_stream_key() is called again" in str(caught.value)
    assert simulated.keys == {}

    faults.reset()
    assert hasty.rotate_stream_key(made.stream_id).stream_key.reveal() in simulated.keys


# -- creating, through headend's own lifecycle ----------------------------------------------------


@pytest.fixture
def hasty_platform(open_platform, settings_from, served, app, clock, tmp_path):
    settings = settings_from(app.environment(served.url), timeout=PATIENCE)
    with open_platform(settings, clock=clock, database=tmp_path / "ledger.sqlite3") as opened:
        yield opened


@pytest.mark.parametrize(("lag", "times"), [(0, 1), (3, 1), (3, 3)])
def test_no_creation_makes_two_or_leaves_one_behind(
    hasty_platform, faults, served, simulated, clock, times, lag
):
    simulated.switch(list_lag=lag)
    made = []

    def create(_number):
        made.append(hasty_platform.create_live_stream(42, name="Größe & Höhe"))

    def check(_number, done, what):
        if done:
            (arn,) = simulated.channels
            assert made[-1].stream_id == arn, what
            assert simulated.keys == {made[-1].stream_key.reveal(): arn}, what
        else:
            clock.advance(3600)
            hasty_platform.reconcile(clean=True)
            known = [one.stream_id for one in hasty_platform.list_live_streams()]
            assert len(simulated.channels) <= 1, what
            assert set(known) == set(simulated.channels), what
        for arn in list(simulated.channels):
            hasty_platform.end_live_stream(arn)
        clock.advance(60)

    count = peaceful_count(faults, lambda: create(0))
    check(0, True, "in peace")
    kinds = ONCE if times == 1 else THRICE
    check_every_script(faults, served, count, lambda: 0, create, check, kinds, times)


@pytest.mark.parametrize("fault", [DROP_ANSWER, CUT_ANSWER, TRUNCATED], ids=lambda one: one.name)
def test_a_creation_whose_answer_was_lost_is_found_and_not_repeated(
    hasty_platform, faults, simulated, clock, fault
):
    _ = hasty_platform.check_health()
    faults.reset()
    faults.script({0: fault})
    made = hasty_platform.create_live_stream(42, name="Größe & Höhe", metadata={"a": "ü"})

    assert [*simulated.channels] == [made.stream_id]
    assert [one.path for one in faults.seen].count("/CreateChannel") == 1
    assert hasty_platform.get_live_stream(made.stream_id).metadata == {"a": "ü"}


def test_a_creation_that_nobody_can_look_up_is_uncertain(hasty_platform, faults, simulated, clock):
    hasty_platform.check_health()
    faults.reset()
    faults.script({0: DROP_ANSWER, **dict.fromkeys(range(1, 20), UNAVAILABLE)})

    with pytest.raises(UncertainOutcomeError, match="marker"):
        hasty_platform.create_live_stream(42)
    faults.reset()
    clock.advance(3600)
    hasty_platform.reconcile()
    (arn,) = simulated.channels
    assert hasty_platform.end_live_stream(arn).outcome is EndOutcome.ENDED


# -- many at once ---------------------------------------------------------------------------------


def test_a_burst_of_requests_is_paced_so_that_aws_throttles_none(hasty, simulated, clock):
    made = hasty.create_live_stream(request())
    clock.advance(10)
    before = clock.monotonic()
    simulated.requests.clear()
    for _ in range(25):
        hasty.get_playback_url(made.stream_id)

    assert [one.status for one in simulated.requests] == [200] * 25
    assert clock.monotonic() - before >= 24 / 5


def test_what_aws_throttles_all_the_same_is_a_rate_limit(
    context_of, settings_from, served, app, simulated
):
    """Another host of the account, which headend does not know of, uses the limit up."""
    from headend_ivs.provider import IvsProvider

    clock = ManualClock()  # the platform's stands still, so that its second never ends
    provider = IvsProvider(settings_from(app.environment(served.url)), context_of(clock=clock))
    for _ in range(5):
        provider.create_live_stream(request())
    with pytest.raises(RateLimitedError) as caught:
        provider.create_live_stream(request())
    provider.close()

    assert caught.value.code == "ThrottlingException"
    assert caught.value.retryable


@pytest.mark.parametrize("switches", [{"throttle_status": 400}, {"throttle_status": 429}])
def test_both_forms_of_throttling_are_waited_out(provider_for, simulated, clock, switches):
    simulated.switch(**switches)
    one, other = provider_for(), provider_for()
    for _ in range(6):
        one.create_live_stream(request())
        other.create_live_stream(request())

    assert len(simulated.channels) == 12
