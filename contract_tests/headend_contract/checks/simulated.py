"""The simulated platform that a plugin brings, on which all else is decided."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, cast

from headend.plugin import ConfigurationError
from headend.settings import describe_settings
from headend_contract.check import Level, check, expect, expect_equal, expect_raises
from headend_contract.checks.disturbances import list_all
from headend_contract.clock import ManualClock
from headend_contract.opening import process_environment, resolve
from headend_contract.serving import Served

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from headend.plugin import SimulatorFactory, StreamCredentials
    from headend_contract.case import Case

_URL: Final = "http://127.0.0.1:9"


@check(
    "SIMULATOR-ENVIRONMENT-001",
    "The simulator says how a host is pointed at it",
    level=Level.EXTENDED,
    needs_simulator=True,
    offline=True,
    rule="environment() gives the provider's name as STREAMING_PLATFORM, every required setting, "
    "and the address that it was asked for.",
    why="`headend simulate` prints it, and people paste it.  With a gap in it they talk to the "
    "real platform, and pay.",
    hint="Return all variables that a host needs that has none: credentials, account, address, "
    "and STREAMING_PLATFORM.",
)
def says_how_to_reach_it(case: Case) -> None:
    """Hold the variables against the settings."""
    variables = case.simulator.environment(_URL)

    expect_equal(variables.get("STREAMING_PLATFORM"), case.spec.name, "STREAMING_PLATFORM")
    for setting in describe_settings(case.settings_class):
        expect(
            not setting.required or bool(variables.get(setting.env)),
            f"the simulator's environment lacks {setting.env}, which the provider needs",
        )
    expect(
        any(value.startswith(_URL) for value in variables.values()),
        "no variable of the simulator's environment has its address",
    )


@check(
    "SIMULATOR-RESET-001",
    "A reset simulator has nothing in it",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After reset() the simulated platform has no live stream, in truth and in its answers, "
    "takes the same credentials, and lets in nobody with an old key.",
    why="Tests that share a simulator otherwise see what others left, and pass or fail by their "
    "order.",
    hint="Make all state anew in one place, which the constructor uses as well.",
)
def forgets_everything(case: Case) -> None:
    """Create, reset and look."""
    made = case.create()
    case.pass_time(case.spec.settle_time)
    case.simulator.reset()

    expect_equal(list_all(case), [], "the list after a reset")
    expect(not case.truth().live_streams, "the truth has live streams after a reset")
    expect(case.connect(made.stream_key) is None, "a key lets an encoder in after a reset")


@check(
    "SIMULATOR-SAME-001",
    "The same seed gives the same ids and keys",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Two simulated platforms made with the same seed, asked the same, give the same ids and "
    "stream keys; with another seed they give others.",
    why="A failure that cannot be repeated cannot be mended, and recordings that differ each time "
    "cannot be reviewed.",
    hint="Draw all ids and keys from the `random` that the factory is given.",
)
def repeats_itself(case: Case) -> None:
    """Make two of one seed, and compare them with each other and with a third."""
    third = case.create()
    first, second = _create_on_a_platform_of_its_own(case), _create_on_a_platform_of_its_own(case)

    expect_equal(second.stream_id, first.stream_id, "the id that the same seed gives")
    expect(second.stream_key == first.stream_key, "the same seed gives another stream key")
    expect(third.stream_key != first.stream_key, "another seed gives the same stream key")


def _create_on_a_platform_of_its_own(case: Case) -> StreamCredentials:
    factory = cast("SimulatorFactory", resolve(case.spec, case.spec.simulator or ""))
    simulator = factory(clock=ManualClock(), random=Random(1))  # noqa: S311  # its keys open nothing
    try:
        with Served(cast("ASGIApp", simulator)) as served:
            environment = case.environment_with(simulator.environment(served.url))
            known = [one.env for one in describe_settings(case.settings_class)]
            with process_environment(known, environment):
                platform = case.open(environment=dict(environment))
                made = platform.create_live_stream("show")
                platform.close()
    finally:
        simulator.close()
    return made


@check(
    "SIMULATOR-SWITCH-001",
    "A switch is described, and one that there is not is refused",
    level=Level.EXTENDED,
    needs_simulator=True,
    offline=True,
    rule="describe_switches() says of every switch what it does, and switch() raises "
    "ConfigurationError for any other name.",
    why="A mistyped switch that is taken in silence is a quirk that was not tested.",
    hint="Derive the switches from headend.plugin.Switches, which does both.",
)
def knows_its_switches(case: Case) -> None:
    """Read the descriptions, and throw a switch that there is not."""
    for name, description in case.simulator.describe_switches().items():
        expect(bool(description.strip()), f"the switch {name} is not described")
    expect_raises(
        ConfigurationError,
        lambda: case.simulator.switch(headend_unheard_of=True),
        "throwing a switch that there is not",
    )
