"""The real server as a simulator: its state, control API, playback and ingest, on no port.

What answers is what `headend server` runs.  Three things are different: time is that of a given
clock, the data folder is a temporary one, and encoders come by `LocalSimulator.connect` alone, for
no RTMP port is open.  It is for tests of hosts and of the contract; to push to, run
`headend server`.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from headend.plugin import SystemClock
from headend_local.simulator.app import LocalSimulator, NoSwitches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Clock

__all__ = ["LocalSimulator", "create_app"]


def create_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> LocalSimulator:
    """Make a server of its own, with an empty data folder, and the application that answers for it.

    It holds the folder and a thread until it is closed.

    Args:
        clock: the server's; without it the machine's.
        random: where ids, keys and the control token come from; the same seed gives the same ones.
        switches: there are none.

    Raises:
        ConfigurationError: a switch is named.
    """
    NoSwitches.of(switches or {})
    return LocalSimulator(
        clock=clock or SystemClock(),
        random=random or Random(0),  # noqa: S311  # its keys open nothing
    )
