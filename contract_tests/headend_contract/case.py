"""What a check may use: one provider, opened in a world that is made for this check alone."""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from headend.plugin import Secret
from headend_contract.check import NotApplicableError
from headend_contract.opening import open_platform, process_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.metadata import Distribution
    from pathlib import Path

    from headend.calls import Observer
    from headend.platform import StreamingPlatform
    from headend.plugin import (
        Capability,
        Clock,
        Facts,
        PlatformTruth,
        Provider,
        ProviderContext,
        ProviderSpec,
        SimulatedEncoder,
        Simulator,
        StreamCredentials,
    )
    from headend_contract.check import Check, Mode
    from headend_contract.faults import FaultLayer
    from headend_contract.modes import World
    from headend_contract.opening import Opened
    from headend_contract.subject import Subject
    from headend_contract.watching import Watch

_T = TypeVar("_T")


@frozen
class SentRequest:
    """A request that arrived, as the suite saw it on the wire, not as the provider tells it.

    Attributes:
        method: the HTTP method.
        host: where it went, with the port where it is not the scheme's own.
        path: the path, decoded.
        query: what follows the question mark, as it was sent.
        status: that of the answer; `None` where there was none.
    """

    method: str
    host: str
    path: str
    query: str
    status: int | None


class Case:
    """One check on one provider.

    What is opened here is closed at the end.  All that a simulated platform alone has is there
    only for checks that declare ``needs_simulator=True``.

    Attributes:
        check: the check that is run.
        random: the source of chance; it gives the same for the same check.
        fast: whether to try few generated examples rather than many.
    """

    def __init__(
        self, check: Check, subject: Subject, world: World, watch: Watch, *, fast: bool = False
    ) -> None:
        self.check = check
        self.random = Random(check.id)  # noqa: S311  # chance that comes again, no secret
        self.fast = fast
        self._subject = subject
        self._world = world
        self._watch = watch
        self._exits = ExitStack()
        self._main: Opened | None = None
        self._created: list[str] = []

    @property
    def spec(self) -> ProviderSpec:
        """The provider's description."""
        return self._subject.spec

    @property
    def distribution(self) -> Distribution:
        """The installed distribution that brings the provider."""
        if not self.check.needs_distribution:
            raise _undeclared(self.check, "needs_distribution")
        found = self._subject.distribution
        if found is None:
            raise NotApplicableError("the provider is a bare description, in no distribution")
        return found

    @property
    def facts(self) -> Facts:
        """What the provider tells of its platform; empty where it tells nothing."""
        return self._subject.facts

    @property
    def settings_class(self) -> type:
        """The attrs class of the provider's settings."""
        return self._subject.settings_class

    @property
    def options_class(self) -> type | None:
        """The attrs class of the provider's options for creating, or `None` if it has none."""
        return self._subject.options_class

    @property
    def mode(self) -> Mode:
        """Where the answers come from."""
        return self._world.mode

    @property
    def clock(self) -> Clock:
        """The time that the provider sees; it is the machine's in live mode only."""
        return self._world.clock

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which the provider is opened, credentials included."""
        return self._world.environment

    @property
    def platform(self) -> StreamingPlatform:
        """The provider as a host has it, without a ledger, opened when it is first used."""
        return self._opened.platform

    @property
    def provider(self) -> Provider:
        """The provider behind `platform`."""
        return self._opened.provider

    @property
    def context(self) -> ProviderContext:
        """What the provider behind `platform` was given of the world."""
        return self._opened.context

    def has(self, capability: Capability) -> bool:
        """Tell whether the provider declares a capability."""
        return capability in self.spec.capabilities

    def open(
        self,
        *,
        environment: Mapping[str, str | None] | None = None,
        database: str | Path | None = None,
        observer: Observer | None = None,
        timeout: float = 60.0,
    ) -> StreamingPlatform:
        """Open the provider once more.

        Args:
            environment: variables that are other than in `environment`; `None`: not set.
            database: the ledger's URL as a text or its file as a `Path`; `None`: no ledger.
            observer: is told of every attempt and wait.
            timeout: seconds that one operation may take in all, on `clock`.

        Raises:
            ConfigurationError: settings are missing or wrong.
        """
        return self.open_provider(
            environment=environment, database=database, observer=observer, timeout=timeout
        ).platform

    def open_provider(
        self,
        *,
        environment: Mapping[str, str | None] | None = None,
        database: str | Path | None = None,
        observer: Observer | None = None,
        timeout: float = 60.0,
    ) -> Opened:
        """Open the provider once more, and return what is behind the platform as well.

        The arguments and errors are those of `open`.
        """
        variables = self.environment_with(environment or {})
        with process_environment(self._subject.variables, variables):
            opened = open_platform(
                self.spec,
                variables,
                clock=self.clock,
                random=self.random,
                database=database,
                observer=observer,
                calls_timeout=timeout,
            )
        self._exits.callback(opened.platform.close)
        return opened

    def environment_with(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Return the variables with some changed; `None`: not set."""
        merged: dict[str, str | None] = {**self.environment, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def create(
        self,
        channel_id: int | str | None = None,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        low_latency: bool = False,
        idempotency_key: str | None = None,
        options: Mapping[str, object] | None = None,
        platform: StreamingPlatform | None = None,
    ) -> StreamCredentials:
        """Create a live stream; in live mode it is sure to be ended, whatever happens.

        Args:
            channel_id: the host's id; without it one that tells the check.
            name: for people.
            metadata: the host's own texts.
            low_latency: ask for playback with little delay.
            idempotency_key: a later call with the same one returns what the first created.
            options: what only this provider has.
            platform: where to create it; without it `Case.platform`.
        """
        chosen = f"contract-{self.check.id.lower()}" if channel_id is None else channel_id
        self._world.creating(chosen)
        made = (platform or self.platform).create_live_stream(
            chosen,
            name=name,
            metadata=metadata,
            low_latency=low_latency,
            idempotency_key=idempotency_key,
            options=options,
        )
        self._world.created(made.stream_id)
        self._created.append(made.stream_id)
        return made

    def end_all(self) -> None:
        """End all that `create` made, in the order in which it was made."""
        while self._created:
            self.platform.end_live_stream(self._created.pop(0))

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """All requests of this check so far."""
        return self._world.requests

    def sent_by(self, call: Callable[[], _T]) -> tuple[_T | Exception, tuple[SentRequest, ...]]:
        """Call a function and return its result, or what it raised, and the requests that it sent.

        Args:
            call: is called without arguments.
        """
        before = len(self.requests)
        result: _T | Exception
        try:
            result = call()
        except (AssertionError, NotApplicableError):
            raise
        except Exception as error:  # noqa: BLE001  # the check asked for it
            result = error
        return result, self.requests[before:]

    @property
    def simulator(self) -> Simulator:
        """The simulated platform."""
        if not self.check.needs_simulator:
            raise _undeclared(self.check, "needs_simulator")
        found = self._world.simulator
        if found is None:
            raise RuntimeError(f"there is no simulator in {self.mode} mode")
        return found

    @property
    def faults(self) -> FaultLayer:
        """What is between the provider and the simulated platform."""
        if not self.check.needs_simulator:
            raise _undeclared(self.check, "needs_simulator")
        found = self._world.faults
        if found is None:
            raise RuntimeError(f"there are no faults in {self.mode} mode")
        return found

    def truth(self) -> PlatformTruth:
        """Return what is so on the simulated platform, whatever it answers."""
        return self.simulator.truth()

    def connect(self, stream_key: Secret | str) -> SimulatedEncoder | None:
        """Have an encoder come with a stream key; `None`: it was refused.

        The platform takes its time to go live: `settle` lets it pass.
        """
        key = stream_key.reveal() if isinstance(stream_key, Secret) else stream_key
        return self.simulator.connect(key)

    def settle(self) -> None:
        """Let so much time pass that who has connected is live."""
        self.pass_time(self.simulator.connect_time)

    def watch(self, stream_id: str, viewers: int) -> None:
        """Have so many viewers watch a live stream from now on."""
        self.simulator.watch(stream_id, viewers)

    def pass_time(self, seconds: float) -> None:
        """Let time pass on the clock; the platform's own, in live mode, cannot be moved."""
        self._world.pass_time(seconds)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All secrets so far: those of the environment, and each that was made in this case."""
        return self._watch.secrets

    @property
    def log(self) -> str:
        """All that was logged so far in this case, from DEBUG on, a line or more for each."""
        return self._watch.log

    def close(self) -> None:
        """Close all that was opened."""
        self._exits.close()

    @property
    def _opened(self) -> Opened:
        if self._main is None:
            self._main = self.open_provider()
        return self._main


def _undeclared(check: Check, what: str) -> RuntimeError:
    return RuntimeError(f"{check.id} uses what only checks with {what}=True may use")
