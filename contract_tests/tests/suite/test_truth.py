"""What every simulator says beside its answers: the truth, and who may push and watch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from typing import cast

import pytest
from attrs import frozen
from starlette.types import ASGIApp

from headend.discovery import Registry
from headend.platform import StreamingPlatform
from headend.plugin import (
    Capability,
    ProviderSpec,
    SimulatedEncoder,
    Simulator,
    StreamCredentials,
    StreamState,
    TrueLiveStream,
)
from headend_contract.clock import ManualClock
from headend_contract.opening import open_platform, process_environment, resolve
from headend_contract.reference import headend_providers
from headend_contract.serving import Served
from headend_contract.subject import Subject


def specs() -> list[ProviderSpec]:
    registry = Registry()
    installed = [registry.spec(name) for name in registry.names]
    found = {one.name: one for one in (*installed, *headend_providers())}
    return [one for one in found.values() if one.simulator is not None]


@frozen
class World:
    """A provider on its simulated platform."""

    platform: StreamingPlatform
    simulator: Simulator
    clock: ManualClock

    def create(self) -> StreamCredentials:
        return self.platform.create_live_stream(1)

    def true(self, made: StreamCredentials) -> TrueLiveStream:
        return self.simulator.truth().live_streams[made.stream_id]

    def connect(self, made: StreamCredentials) -> SimulatedEncoder:
        encoder = self.simulator.connect(made.stream_key.reveal())
        assert encoder is not None
        return encoder

    def go_live(self, made: StreamCredentials) -> SimulatedEncoder:
        encoder = self.connect(made)
        self.clock.advance(self.simulator.connect_time)
        return encoder


def make(spec: ProviderSpec, clock: ManualClock) -> Simulator:
    assert spec.simulator is not None
    factory = resolve(spec, spec.simulator)
    assert callable(factory)
    return cast("Simulator", factory(clock=clock, random=Random(5)))


@pytest.fixture(params=specs(), ids=lambda one: one.name)
def spec(request: pytest.FixtureRequest) -> ProviderSpec:
    return cast("ProviderSpec", request.param)


@pytest.fixture
def world(spec: ProviderSpec, tmp_path: object) -> Iterator[World]:
    clock = ManualClock()
    with ExitStack() as stack:
        simulator = make(spec, clock)
        stack.callback(simulator.close)
        served = stack.enter_context(Served(cast("ASGIApp", simulator)))
        environment = {
            "HEADEND_DATA_DIR": str(tmp_path),
            **simulator.environment(served.url),
        }
        stack.enter_context(process_environment(Subject(spec).variables, environment))
        platform = open_platform(spec, environment, clock=clock, random=Random(3)).platform
        stack.enter_context(platform)
        yield World(platform, simulator, clock)


def test_what_is_created_is_there_with_its_key(world: World) -> None:
    made = world.create()

    assert set(world.simulator.truth().live_streams) == {made.stream_id}
    true = world.true(made)
    assert made.stream_key.reveal() in true.stream_keys
    assert (true.live, true.viewers) == (False, 0)


def test_the_truth_shows_no_key_in_its_repr(world: World) -> None:
    made = world.create()

    assert made.stream_key.reveal() not in repr(world.simulator.truth())


def test_the_key_lets_one_encoder_in_and_no_other_text_does(world: World) -> None:
    made = world.create()

    assert world.simulator.connect(made.stream_id) is None
    encoder = world.connect(made)
    assert encoder.connected
    assert world.simulator.connect(made.stream_key.reveal()) is None


def test_after_its_connect_time_a_live_stream_is_live(world: World) -> None:
    made = world.create()
    world.connect(made)

    assert not world.true(made).live
    world.clock.advance(world.simulator.connect_time)
    assert world.true(made).live
    assert world.platform.get_live_stream(made.stream_id).state is StreamState.LIVE


def test_an_encoder_that_left_is_gone_and_stays_gone(world: World) -> None:
    made = world.create()
    encoder = world.go_live(made)

    encoder.leave()
    encoder.leave()

    assert not encoder.connected
    assert not world.true(made).live


def test_viewers_are_counted_while_there_is_something_to_watch(world: World) -> None:
    made = world.create()
    world.simulator.watch(made.stream_id, 3)
    assert world.true(made).viewers == 0
    world.go_live(made)

    world.simulator.watch(made.stream_id, 4)
    assert world.true(made).viewers == 4
    world.simulator.watch(made.stream_id, 2)
    assert world.true(made).viewers == 2


def test_nobody_watches_what_is_not_there(world: World) -> None:
    with pytest.raises(KeyError):
        world.simulator.watch("nothing", 1)


def test_ending_takes_everything_away(world: World) -> None:
    made = world.create()
    encoder = world.connect(made)

    world.platform.end_live_stream(made.stream_id)

    assert not world.simulator.truth().live_streams
    assert not encoder.connected
    assert world.simulator.connect(made.stream_key.reveal()) is None


def test_a_rotation_changes_which_key_is_true(world: World) -> None:
    if Capability.KEY_ROTATION not in world.platform.capabilities:
        pytest.skip("it cannot rotate keys")
    made = world.create()
    encoder = world.go_live(made)

    rotated = world.platform.rotate_stream_key(made.stream_id)

    assert not encoder.connected
    assert made.stream_key.reveal() not in world.true(made).stream_keys
    assert rotated.stream_key.reveal() in world.true(made).stream_keys


def test_what_is_disabled_has_no_key_that_is_good(world: World) -> None:
    if Capability.ENABLE not in world.platform.capabilities:
        pytest.skip("it cannot be disabled")
    made = world.create()
    encoder = world.connect(made)

    world.platform.disable_live_stream(made.stream_id)

    assert not encoder.connected
    assert not world.true(made).stream_keys
    world.platform.enable_live_stream(made.stream_id)
    assert made.stream_key.reveal() in world.true(made).stream_keys


def test_recordings_of_what_has_ended_are_still_told(world: World) -> None:
    if Capability.RECORDINGS not in world.platform.capabilities:
        pytest.skip("it records nothing that a host could name")
    made = world.create()
    world.go_live(made)

    kept = world.platform.end_live_stream(made.stream_id).recordings_kept

    assert kept
    assert {one.recording_id for one in kept} == world.simulator.truth().recordings


def test_a_reset_leaves_nothing_and_lets_the_same_host_in(world: World) -> None:
    made = world.create()
    encoder = world.connect(made)

    world.simulator.reset()

    assert not world.simulator.truth().live_streams
    assert not encoder.connected
    assert world.create().stream_id in world.simulator.truth().live_streams


def test_the_same_seed_gives_the_same_ids_and_keys(spec: ProviderSpec) -> None:
    def made() -> object:
        simulator = make(spec, ManualClock())
        try:
            environment = simulator.environment("http://127.0.0.1:1")
        finally:
            simulator.close()
        return dict(environment)

    assert made() == made()


def test_closing_twice_is_harmless(spec: ProviderSpec) -> None:
    simulator = make(spec, ManualClock())

    simulator.close()
    simulator.close()
