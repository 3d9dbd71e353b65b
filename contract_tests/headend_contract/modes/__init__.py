"""Where checks run.  A *venue* lasts for a run, and makes a *world* of its own for each check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from headend.plugin import Clock, Simulator
    from headend_contract.case import SentRequest
    from headend_contract.check import Check, Mode
    from headend_contract.faults import FaultLayer


class NotRunError(Exception):
    """A check cannot run here; the text says why, and what to do."""


class StaleError(Exception):
    """What a check would be decided by is out of date; the text says why, and what to do."""


class World(ABC):
    """All that is around a provider while one check runs.

    Attributes:
        mode: where the answers come from.
        clock: the time that the provider sees.
        environment: the variables that it is opened with, credentials included.
        provenance: what the answers were made by, for the report: ``"simulator of headend-acme
            0.1.0"``.
        simulator: the simulated platform, where there is one.
        faults: what is between the provider and that.
        has_settings: whether a provider can be opened for certain with that environment.
    """

    mode: Mode
    clock: Clock
    environment: Mapping[str, str]
    provenance: str
    simulator: Simulator | None = None
    faults: FaultLayer | None = None
    has_settings: bool = True

    @property
    @abstractmethod
    def requests(self) -> tuple[SentRequest, ...]:
        """All requests so far, as they were seen outside of the provider."""

    @abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Let time pass for the provider and its platform, as far as it can be moved."""

    def creating(self, channel_id: int | str) -> None:  # noqa: B027  # few worlds clean up
        """Be told that a live stream will be created for this id of the host's."""

    def created(self, stream_id: str) -> None:  # noqa: B027  # as above
        """Be told that this live stream was created."""

    def left_behind(self) -> None:  # noqa: B027  # as above
        """Be told that the check did not come to an end, and may go on while others run."""

    def problems(self) -> Sequence[str]:
        """Return what went wrong outside of the check, in sentences, once all is closed."""
        return ()


class Venue(Protocol):
    """Where all checks of a run take place."""

    def world(self, check: Check) -> AbstractContextManager[World]:
        """Make a fresh world for a check, and put it away afterwards.

        Raises:
            NotRunError: the check cannot run here.
            StaleError: what it would be decided by is out of date.
        """
        ...
