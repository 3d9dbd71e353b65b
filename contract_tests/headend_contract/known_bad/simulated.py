"""Simulated platforms that cannot be relied on."""

from __future__ import annotations

from contextlib import suppress
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from headend.plugin import ConfigurationError, SystemClock
from headend_contract.known_bad import KnownBad, reference_spec, register
from headend_contract.reference.platform import ReferenceSwitches, SimulatedPlatform
from headend_contract.reference.simulator import SimulatorApp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Clock


def _platform(
    clock: Clock | None, random: Random | None, switches: Mapping[str, object] | None
) -> SimulatedPlatform:
    return SimulatedPlatform(
        clock=clock or SystemClock(),
        random=random or Random(0),  # noqa: S311  # its keys open nothing
        switches=ReferenceSwitches.of(switches or {}),
    )


class _Nameless(SimulatorApp):
    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point a host at it, but for the provider's name."""
        variables = {**super().environment(url)}
        del variables["STREAMING_PLATFORM"]
        return variables


def create_nameless_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> SimulatorApp:
    """Make an application that does not say whose it is."""
    return _Nameless(_platform(clock, random, switches))


class _Remembering(SimulatorApp):
    def reset(self) -> None:
        """Forget what was asked, and nothing else."""
        self.platform.requests.clear()


def create_remembering_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> SimulatorApp:
    """Make an application that is not empty after a reset."""
    return _Remembering(_platform(clock, random, switches))


def create_whimsical_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,  # noqa: ARG001  # which is what is wrong
    switches: Mapping[str, object] | None = None,
) -> SimulatorApp:
    """Make an application whose ids and keys are never the same."""
    return SimulatorApp(_platform(clock, SystemRandom(), switches))


class _Agreeable(SimulatorApp):
    def switch(self, **values: object) -> None:
        """Change those of the switches that there are."""
        with suppress(ConfigurationError):
            super().switch(**values)


def create_agreeable_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> SimulatorApp:
    """Make an application with a switch for everything."""
    return _Agreeable(_platform(clock, random, switches))


register(
    KnownBad(
        name="nameless-simulator",
        what="The simulator's environment does not name the provider.",
        fails=frozenset({"SIMULATOR-ENVIRONMENT-001"}),
        spec=reference_spec(simulator=create_nameless_app),
    )
)
register(
    KnownBad(
        name="remembering-simulator",
        what="The simulator keeps everything over a reset.",
        fails=frozenset({"SIMULATOR-RESET-001"}),
        spec=reference_spec(simulator=create_remembering_app),
    )
)
register(
    KnownBad(
        name="whimsical-simulator",
        what="The simulator's ids and keys do not come from the seed.",
        fails=frozenset({"SIMULATOR-SAME-001"}),
        spec=reference_spec(simulator=create_whimsical_app),
    )
)
register(
    KnownBad(
        name="agreeable-simulator",
        what="The simulator takes a switch that there is not.",
        fails=frozenset({"SIMULATOR-SWITCH-001"}),
        spec=reference_spec(simulator=create_agreeable_app),
    )
)
