"""No platform at all: what a provider's description and its distribution say for themselves."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headend_contract.check import Mode
from headend_contract.clock import ManualClock
from headend_contract.modes import World
from headend_contract.network import NetworkBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headend_contract.case import SentRequest
    from headend_contract.check import Check


class BareVenue:
    """Keeps checks that need no answer from the network."""

    @contextmanager
    def world(self, _check: Check) -> Iterator[BareWorld]:
        """Take the process's own variables, of which those of the provider may be missing."""
        with NetworkBlock() as block:
            yield BareWorld(block)


class BareWorld(World):
    """A clock, and the variables of the process."""

    mode = Mode.REPLAY
    has_settings = False

    def __init__(self, block: NetworkBlock) -> None:
        self.clock = self._manual = ManualClock()
        self.environment = dict(os.environ)
        self.provenance = "nothing"
        self._block = block

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """No request."""
        return ()

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        self._manual.advance(seconds)

    def problems(self) -> Sequence[str]:
        """Tell what it tried to reach."""
        return [f"it tried to {one}" for one in self._block.escapes]
