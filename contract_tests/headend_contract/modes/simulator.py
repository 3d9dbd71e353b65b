"""Simulator mode: the plugin's simulated platform on a loopback socket, behind the fault layer."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from traceback import walk_tb
from typing import TYPE_CHECKING, Final, cast

from attrs import evolve
from starlette.requests import ClientDisconnect

from headend.errors import PluginError
from headend_contract.case import SentRequest
from headend_contract.check import Mode
from headend_contract.clock import ManualClock
from headend_contract.faults import FaultLayer
from headend_contract.modes import World
from headend_contract.opening import process_environment, resolve
from headend_contract.serving import RESET, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headend.plugin import Simulator, SimulatorFactory
    from headend_contract.check import Check
    from headend_contract.subject import Subject

_PROXIES: Final = tuple(
    spelt for name in ("http_proxy", "https_proxy", "all_proxy") for spelt in (name, name.upper())
)
"""Variables by which requests would go elsewhere than to this machine."""

_LINGER: Final = 2.0
"""Real seconds until the server must have noticed that a client is gone."""


@contextmanager
def simulator_venue(
    subject: Subject, *, environment: Mapping[str, str] | None = None
) -> Iterator[SimulatorVenue]:
    """Serve simulated platforms of a provider, one after the other.

    Args:
        subject: the provider.
        environment: variables that are other than the simulator says.

    Raises:
        PluginError: it has no simulator, or that cannot be imported.
    """
    if subject.spec.simulator is None:
        raise PluginError(f"provider {subject.name} has no simulator: {subject.origin} brings none")
    factory = cast("SimulatorFactory", resolve(subject.spec, subject.spec.simulator))
    with (
        process_environment(_PROXIES, {}),
        ExitStack() as servers,
        TemporaryDirectory(prefix="headend-contract-") as folder,
    ):

        def serve() -> tuple[_Entrance, Served]:
            entrance = _Entrance()
            return entrance, servers.enter_context(Served(entrance))

        yield SimulatorVenue(
            factory,
            serve,
            folder=Path(folder),
            environment=environment or {},
            provenance=f"simulator of {subject.origin}",
            package=subject.spec.simulator.partition(".")[0].partition(":")[0],
        )


class SimulatorVenue:
    """Makes an empty platform for each check."""

    def __init__(
        self,
        factory: SimulatorFactory,
        serve: Callable[[], tuple[_Entrance, Served]],
        *,
        folder: Path,
        environment: Mapping[str, str],
        provenance: str,
        package: str,
    ) -> None:
        self._factory = factory
        self._serve = serve
        self._entrance, self._served = serve()
        self._folder = folder
        self._environment = environment
        self._provenance = provenance
        self._package = package

    @contextmanager
    def world(self, check: Check) -> Iterator[SimulatorWorld]:
        """Make a platform with nothing in it, and a clock that starts anew."""
        clock = ManualClock()
        with ExitStack() as stack:
            simulator = self._factory(
                clock=clock,
                random=Random(f"{check.id} platform"),  # noqa: S311  # its keys open nothing
            )
            stack.callback(simulator.close)
            application = _Watched(cast("ASGIApp", simulator), self._package)
            faults = FaultLayer(application)
            log = RequestLog(faults)
            entrance, served = self._entrance, self._served
            entrance.app = log
            stack.callback(served.disconnect)
            stack.callback(entrance.shut)
            yield SimulatorWorld(
                simulator,
                faults,
                log,
                application.raised,
                clock=clock,
                environment={
                    "HEADEND_DATA_DIR": str(self._folder / check.id),
                    **simulator.environment(served.url),
                    **self._environment,
                },
                provenance=self._provenance,
                move=self._move,
            )

    def _move(self) -> None:
        """Have the worlds to come at another address."""
        self._entrance, self._served = self._serve()


class SimulatorWorld(World):
    """A provider's simulated platform and the time that both see."""

    mode = Mode.SIMULATOR

    def __init__(
        self,
        simulator: Simulator,
        faults: FaultLayer,
        log: RequestLog,
        raised: Sequence[str],
        *,
        clock: ManualClock,
        environment: Mapping[str, str],
        provenance: str,
        move: Callable[[], None],
    ) -> None:
        self.simulator = simulator
        self.faults = faults
        self.clock = clock
        self.environment = environment
        self.provenance = provenance
        self._manual = clock
        self._log = log
        self._raised = raised
        self._move = move

    def left_behind(self) -> None:
        """Leave the address to what goes on, so that it reaches no world that follows."""
        self._move()

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """All requests so far, also those that met a fault."""
        return self._log.requests

    def pass_time(self, seconds: float) -> None:
        """Move the one clock on."""
        self._manual.advance(seconds)

    def problems(self) -> Sequence[str]:
        """Tell of requests that go on although all is closed, and of errors in the simulator."""
        left = self._log.wait_until_idle(_LINGER)
        found = [f"the simulator raised {one}" for one in dict.fromkeys(self._raised)]
        if left:
            found.append(f"{left} of its requests went on after all was closed")
        return found


class _Watched:
    """A simulated platform whose errors are kept: its client sees no more than a 500.

    Attributes:
        raised: each error, with the last line of the platform's package that it came through.
    """

    def __init__(self, app: ASGIApp, package: str) -> None:
        self.raised: list[str] = []
        self._app = app
        self._package = package

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:  # the client's doing, or that of a fault
            raise
        except Exception as error:
            self.raised.append(self._told(error))
            raise

    def _told(self, error: Exception) -> str:
        place = ""
        for frame, line in walk_tb(error.__traceback__):
            module = str(frame.f_globals.get("__name__", ""))
            if module != __name__ and module.partition(".")[0] == self._package:
                place = f" ({module} line {line})"
        return f"{type(error).__name__}{place}"


class RequestLog:
    """An ASGI application that passes requests on and notes them, and how they were answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests: list[SentRequest] = []
        self._open = 0
        self._changed = threading.Condition()

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """All requests so far, in the order in which they came."""
        with self._changed:
            return tuple(self._requests)

    def wait_until_idle(self, seconds: float) -> int:
        """Wait, but not for longer, until no request is being answered; return how many are."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0, seconds)
            return self._open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        with self._changed:
            number = len(self._requests)
            self._requests.append(
                SentRequest(
                    method=scope["method"],
                    host=headers.get(b"host", b"").decode("latin-1"),
                    path=scope["path"],
                    query=scope["query_string"].decode("latin-1"),
                    status=None,
                )
            )
            self._open += 1

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                with self._changed:
                    self._requests[number] = evolve(
                        self._requests[number], status=message["status"]
                    )
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()


class _Entrance:
    """What is at the address: the platform of the check that runs now."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    def shut(self) -> None:
        self.app = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:  # it belongs to a check that is over
            scope["state"][RESET]()
        else:
            await self.app(scope, receive, send)
