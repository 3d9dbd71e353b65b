"""The reference provider on another simulated platform."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, TypeVar

from headend.plugin import SystemClock
from headend_contract.known_bad import KnownBad, name_of, reference_spec, register
from headend_contract.reference.platform import ReferenceSwitches, SimulatedPlatform
from headend_contract.reference.simulator import SimulatorApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from headend.plugin import Clock
    from headend_contract.reference.platform import Input

    _T = TypeVar("_T", bound=type[SimulatedPlatform | SimulatorApp])


def simulator_of(
    module: str,
    name: str,
    *,
    platform: type[SimulatedPlatform] = SimulatedPlatform,
    app: type[SimulatorApp] = SimulatorApp,
    **always: object,
) -> Callable[..., SimulatorApp]:
    """Make what a description names as its simulator, which then is found in a module by a name.

    Args:
        module: the module's name.
        name: that of what is made there.
        platform: what is simulated.
        app: what answers for it.
        always: switches that it is made with, whatever is asked for.
    """

    def create_app(
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        switches: Mapping[str, object] | None = None,
    ) -> SimulatorApp:
        return app(
            platform(
                clock=clock or SystemClock(),
                random=random or Random(0),  # noqa: S311  # its keys open nothing
                switches=ReferenceSwitches.of({**(switches or {}), **always}),
            )
        )

    create_app.__module__, create_app.__qualname__ = module, name
    setattr(sys.modules[module], name, create_app)
    return create_app


def known_bad_simulator(*fails: str, what: str) -> Callable[[_T], _T]:
    """Register the reference provider on the platform below, or behind the application below.

    Args:
        fails: the ids of the checks that must notice it.
        what: what it does wrong, in a sentence.
    """

    def add(other: _T) -> _T:
        module, name = other.__module__, f"create_{other.__name__}"
        if issubclass(other, SimulatedPlatform):
            simulator = simulator_of(module, name, platform=other)
        else:
            simulator = simulator_of(module, name, app=other)
        register(
            KnownBad(
                name=name_of(other),
                what=what,
                fails=frozenset(fails),
                spec=reference_spec(simulator=simulator),
            )
        )
        return other

    return add


class KeepsEncoders(SimulatedPlatform):
    """Can leave encoders in that it should throw out."""

    _keeping = False

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Throw nobody out meanwhile."""
        with self._lock:
            self._keeping = True
            try:
                yield
            finally:
                self._keeping = False

    def _throw_out(self, one: Input) -> None:
        if not self._keeping:
            super()._throw_out(one)
