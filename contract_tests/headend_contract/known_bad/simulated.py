"""Simulated platforms that cannot be relied on."""

from __future__ import annotations

from contextlib import suppress
from random import SystemRandom
from typing import TYPE_CHECKING

from headend.plugin import ConfigurationError
from headend_contract.known_bad.platforms import known_bad_simulator
from headend_contract.reference.platform import SimulatedPlatform
from headend_contract.reference.simulator import SimulatorApp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from headend.plugin import Clock
    from headend_contract.reference.platform import ReferenceSwitches


@known_bad_simulator(
    "SIMULATOR-ENVIRONMENT-001", what="The simulator's environment does not name the provider."
)
class NamelessSimulator(SimulatorApp):
    """Does not say whose it is."""

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point a host at it, but for the provider's name."""
        variables = {**super().environment(url)}
        del variables["STREAMING_PLATFORM"]
        return variables


@known_bad_simulator("SIMULATOR-RESET-001", what="The simulator keeps everything over a reset.")
class RememberingSimulator(SimulatorApp):
    """Is not empty after a reset."""

    def reset(self) -> None:
        """Forget what was asked, and nothing else."""
        self.platform.requests.clear()


@known_bad_simulator(
    "SIMULATOR-SAME-001", what="The simulator's ids and keys do not come from the seed."
)
class WhimsicalSimulator(SimulatedPlatform):
    """Has ids and keys that are never the same."""

    def __init__(self, *, clock: Clock, random: Random, switches: ReferenceSwitches) -> None:  # noqa: ARG002  # which is what is wrong
        super().__init__(clock=clock, random=SystemRandom(), switches=switches)


@known_bad_simulator("SIMULATOR-SWITCH-001", what="The simulator takes a switch that there is not.")
class AgreeableSimulator(SimulatorApp):
    """Has a switch for everything."""

    def switch(self, **values: object) -> None:
        """Change those of the switches that there are."""
        with suppress(ConfigurationError):
            super().switch(**values)
