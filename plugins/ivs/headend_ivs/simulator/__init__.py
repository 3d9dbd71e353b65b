"""The simulated platform of the provider: IVS, CloudWatch and STS as one ASGI application.

It is not Amazon's: what only it says is no proof of what the platform does.  It is held to
botocore's service model in every request and answer, and to moto in what moto knows.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from headend.clock import SystemClock
from headend_ivs.simulator.app import SimulatorApp
from headend_ivs.simulator.identity import Identities
from headend_ivs.simulator.platform import SimulatedPlatform
from headend_ivs.simulator.switches import IvsSwitches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.media import MediaBackend
    from headend.plugin import Clock

__all__ = ["SimulatorApp", "create_app"]


def create_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
    media: MediaBackend | None = None,
    signing_clock: Clock | None = None,
) -> SimulatorApp:
    """Make a platform of its own, empty, and the application that answers for it.

    Args:
        clock: the platform's; without it the machine's.
        random: where ids and keys come from; the same seed gives the same ones.
        switches: how it behaves, by the names that `SimulatorApp.describe_switches` gives.
        media: carries the pictures; without it there are none.
        signing_clock: what the age of signatures and temporary keys is measured by; without it the
            machine's, which botocore signs by whatever clock the rest has.

    Raises:
        ConfigurationError: there is no such switch, or it does not take such a value.
    """
    random = random or Random(0)  # noqa: S311  # its keys open nothing
    return SimulatorApp(
        SimulatedPlatform(
            clock=clock or SystemClock(),
            random=random,
            switches=IvsSwitches.of(switches or {}),
            identities=Identities(clock=signing_clock or SystemClock(), random=random),
            media=media,
        )
    )
