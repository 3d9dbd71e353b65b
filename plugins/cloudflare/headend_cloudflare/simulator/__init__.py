"""A simulated Cloudflare Stream: its API, its customer host and its analytics, as one ASGI app.

It is not the platform.  It does what public sources say that the platform does, and where they are
silent it says so: `headend_cloudflare.simulator.switches` names the source of each behaviour that
can be changed.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from headend.clock import SystemClock
from headend_cloudflare.simulator.app import SimulatorApp
from headend_cloudflare.simulator.platform import SimulatedPlatform
from headend_cloudflare.simulator.switches import CloudflareSwitches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Clock, MediaBackend

__all__ = ["SimulatedPlatform", "SimulatorApp", "create_app"]


def create_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
    media: MediaBackend | None = None,
) -> SimulatorApp:
    """Make a platform of its own, empty, and the application that answers for it.

    Args:
        clock: the platform's; without it the machine's.
        random: where ids and secrets come from; the same seed gives the same ones, but for the
            numbers of RSA keys.
        switches: how it behaves, by the names that `SimulatorApp.describe_switches` gives.
        media: carries the pictures; without it encoders and viewers are simulated.

    Raises:
        ConfigurationError: there is no such switch, or it does not take such a value.
    """
    return SimulatorApp(
        SimulatedPlatform(
            clock=clock or SystemClock(),
            random=random or Random(0),  # noqa: S311  # its secrets open nothing
            switches=CloudflareSwitches.of(switches or {}),
            media=media,
        ),
        in_threads=media is not None,
    )
