"""Whatever goes wrong with a creation, nothing is made twice, nothing is left that nobody knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest

from headend.plugin import (
    ConfigurationError,
    HeadendError,
    InvalidRequestError,
    PlatformError,
    UncertainOutcomeError,
)
from headend.reconcile import Action, FindingKind
from headend_cloudflare import headend_providers
from headend_cloudflare.simulator import create_app
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
    TRUNCATED,
    UNAVAILABLE,
    Fault,
    FaultLayer,
    answering,
)
from headend_contract.serving import Served

if TYPE_CHECKING:
    from pathlib import Path

    from headend.platform import StreamingPlatform

SETTLE_TIME = next(headend_providers()).settle_time

INTERNAL_ERROR = answering(
    "internal-error",
    403,
    body=b'{"success": false, "errors": [{"code": 10001, "message": "internal error"}]}',
)
INTERNAL_ERROR_AFTER = answering(
    "internal-error-after",
    403,
    body=b'{"success": false, "errors": [{"code": 10001, "message": "internal error"}]}',
    processed=True,
)
THROTTLED_INSIDE = answering(
    "throttled-inside-200",
    200,
    headers={"Retry-After": "1"},
    body=b'{"success": false, "errors": [{"code": 971, "message": "Please wait"}]}',
)
UNKNOWN_INSIDE = answering(
    "unknown-inside-200",
    200,
    body=b'{"success": false, "errors": [{"code": 4242, "message": "?"}]}',
    processed=True,
)
QUICK = (
    DROP_REQUEST, DROP_ANSWER, CUT_ANSWER, RATE_LIMITED, UNAVAILABLE, GATEWAY_TIMEOUT, HTML,
    TRUNCATED, INTERNAL_ERROR, INTERNAL_ERROR_AFTER, THROTTLED_INSIDE, UNKNOWN_INSIDE,
)  # fmt: skip
PAIRS = (DROP_REQUEST, DROP_ANSWER, UNAVAILABLE, HTML, INTERNAL_ERROR_AFTER, UNKNOWN_INSIDE)
SLOW = (HANG, HANG_AFTER)
GARBAGE = frozenset({HTML, TRUNCATED, UNKNOWN_INSIDE})
"""What a read is not repeated for."""


class World:
    """A platform on a socket behind faults, with a time and a ledger of its own."""

    def __init__(self, folder: Path, open_platform, settings_from) -> None:
        self.clock = ManualClock()
        self.app = create_app(clock=self.clock, random=Random(7))
        self.simulated = self.app.platform
        self.faults = FaultLayer(self.app)
        self.served = Served(self.faults)
        self._ledger = folder / "ledger.sqlite3"
        self._open = open_platform
        self._settings = settings_from

    def opened(self, timeout: float) -> StreamingPlatform:
        settings = self._settings(self.app.environment(self.served.url), timeout=timeout)
        platform: StreamingPlatform = self._open(
            settings, clock=self.clock, random=Random(5), database=self._ledger
        )
        return platform

    def begin(self, **switches: object) -> None:
        """Forget what was."""
        self.served.disconnect()
        self.clock.advance(1000)  # past every pause
        self.simulated.reset()
        self.faults.reset()
        if self._ledger.exists():
            with closing(sqlite3.connect(self._ledger)) as connection, connection:
                for table in ("idempotency_keys", "live_streams", "pacers"):
                    connection.execute(f"DELETE FROM {table}")
        self.simulated.switch(**{"list_lag": 0.0, "dropped_settings": (), **switches})

    def rows(self) -> list[tuple[str, str | None]]:
        """Return state and stream id of every entry of the ledger."""
        query = "SELECT state, stream_id FROM live_streams"
        with closing(sqlite3.connect(self._ledger)) as connection:
            return list(connection.execute(query))


@pytest.fixture(scope="module")
def world(tmp_path_factory, open_platform, settings_from) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("chaos"), open_platform, settings_from)
    with made.served:
        yield made


@pytest.fixture(scope="module")
def platform(world: World) -> Iterator[StreamingPlatform]:
    with world.opened(30.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def impatient(world: World) -> Iterator[StreamingPlatform]:
    with world.opened(0.05) as opened:
        yield opened


def check_creation(world: World, platform: StreamingPlatform, script: dict[int, Fault]) -> int:
    """Create under a script of faults: one live stream that is known, or none, or a clear word.

    Returns:
        How many of the faults were met.
    """
    world.faults.script(script)
    made, failure = None, None
    try:
        made = platform.create_live_stream(42)
    except PlatformError as error:
        failure = error
    seen = list(world.faults.seen)
    world.faults.script({})

    assert world.simulated.created <= 1, "nothing is made twice"
    spoilt = [one for one in seen if one.fault in GARBAGE and one.method == "GET"]
    if failure is None:
        assert made is not None
        assert list(world.simulated.inputs) == [made.stream_id]
        assert world.simulated.keys == {made.stream_key.reveal(): made.stream_id}
        assert world.rows() == [("active", made.stream_id)]
    else:
        assert isinstance(failure, UncertainOutcomeError), failure
        assert spoilt, "only an answer that is none leaves anything open"
    world.clock.advance(SETTLE_TIME + 200)
    findings = platform.reconcile()
    assert {one.kind for one in findings} <= {FindingKind.OPEN_INTENT}
    assert {one.action for one in findings} <= {Action.ADOPT, Action.ABANDON}
    known = [stream_id for state, stream_id in world.rows() if state == "active"]
    assert known == list(world.simulated.inputs), "what the ledger knows is what there is"
    assert platform.reconcile() == []
    return sum(one.fault is not None for one in seen)


@pytest.mark.parametrize("lag", [0.0, SETTLE_TIME * 0.6])
def test_a_creation_under_one_fault_makes_one_live_stream(world, platform, lag):
    for fault in QUICK:
        world.begin(list_lag=lag)
        assert check_creation(world, platform, {0: fault}) == 1


def test_a_creation_under_two_faults_makes_one_live_stream(world, platform):
    met = 0
    for first, second, place in product(PAIRS, PAIRS, (1, 2, 3)):
        world.begin(list_lag=SETTLE_TIME * 0.6)
        met += check_creation(world, platform, {0: first, place: second}) == 2
    assert met > 80, "most scripts have both their faults met"


@pytest.mark.parametrize("fault", SLOW, ids=repr)
def test_a_creation_whose_request_hangs_makes_one_live_stream(world, impatient, fault):
    for place in range(3):
        world.begin()
        check_creation(world, impatient, {0: DROP_ANSWER, place: fault})


@pytest.mark.parametrize("lost", [DROP_ANSWER, CUT_ANSWER, TRUNCATED], ids=repr)
def test_a_setting_that_was_not_kept_is_noticed_though_the_answer_was_lost(world, platform, lost):
    world.begin(dropped_settings=("recording.requireSignedURLs",))
    world.faults.script({0: lost})
    with pytest.raises(InvalidRequestError, match=r"recording\.requireSignedURLs"):
        platform.create_live_stream(42, options={"require_signed_urls": True})
    assert world.simulated.created == 1
    assert world.simulated.inputs == {}
    assert platform.reconcile() == []

    world.begin(dropped_settings=("recording.timeoutSeconds",))
    world.faults.script({0: lost})
    made = platform.create_live_stream(42, options={"timeout_seconds": 60})
    assert "recording.timeoutSeconds" in made.warnings[0]
    assert list(world.simulated.inputs) == [made.stream_id]


def test_what_must_be_deleted_again_is_deleted_when_the_platform_is_back(world, platform):
    world.begin(dropped_settings=("recording.mode",))
    world.faults.script(dict.fromkeys((1, 2, 3), answering("down", 500)))

    with pytest.raises(InvalidRequestError, match=r"recording\.mode.*deleted again"):
        platform.create_live_stream(42)
    assert (world.simulated.created, world.simulated.inputs) == (1, {})
    assert platform.reconcile() == []


@pytest.mark.parametrize("place", range(1, 4))
@pytest.mark.parametrize("fault", QUICK, ids=repr)
def test_an_unusable_creation_leaves_nothing_or_is_found(world, platform, fault, place):
    refused: list[tuple[dict[str, object], type[HeadendError]]] = [
        ({"dropped_settings": ("recording.mode",)}, InvalidRequestError),
        ({"customer_host_unknown": True}, ConfigurationError),
    ]
    for switches, kind in refused:
        world.begin(customer_host_unknown=False)
        world.simulated.switch(**switches)
        world.faults.script({place: fault})
        with pytest.raises(HeadendError) as caught:
            platform.create_live_stream(42)
        world.faults.script({})
        assert isinstance(caught.value, (kind, UncertainOutcomeError))
        world.clock.advance(SETTLE_TIME + 200)
        platform.reconcile(clean=True)
        world.clock.advance(200)
        known = [stream_id for state, stream_id in world.rows() if state == "active"]
        assert known == list(world.simulated.inputs)
    world.simulated.switch(customer_host_unknown=False)


def test_a_full_list_that_does_not_show_the_marker_leaves_the_outcome_uncertain(world, platform):
    world.begin(list_cap=1)
    for _ in range(2):
        world.simulated.create_input({}, idempotency_key=None)
    world.faults.script({0: DROP_REQUEST})

    with pytest.raises(UncertainOutcomeError, match="headend orphans"):
        platform.create_live_stream(42)
    assert world.simulated.created == 2
    world.simulated.switch(list_cap=1000)


def test_one_key_makes_one_live_stream_over_faults_and_repetitions(world, platform):
    def call() -> str:
        return str(platform.create_live_stream(42, idempotency_key="once").stream_id)

    for fault in QUICK:
        world.begin()
        world.faults.script({0: fault, 1: HTML})
        try:
            first = call()
        except PlatformError:
            first = None
        world.faults.script({})
        world.clock.advance(SETTLE_TIME + 200)
        again = call()
        assert list(world.simulated.inputs) == [again]
        assert first in {None, again}
        assert world.simulated.created == 1
