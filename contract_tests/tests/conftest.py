"""What these tests share: the simulated platform on a socket, behind faults, and a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from random import Random

import httpx
import pytest

from headend.plugin import Secret
from headend_contract.clock import ManualClock
from headend_contract.faults import FaultLayer
from headend_contract.reference.opening import make_context
from headend_contract.reference.platform import SimulatedPlatform
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.settings import ReferenceSettings
from headend_contract.reference.simulator import SimulatorApp, create_app
from headend_contract.serving import Served


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> SimulatorApp:
    return create_app(clock=clock, random=Random(7))


@pytest.fixture
def simulated(app: SimulatorApp) -> SimulatedPlatform:
    return app.platform


@pytest.fixture
def faults(app: SimulatorApp) -> FaultLayer:
    return FaultLayer(app)


@pytest.fixture
def served(faults: FaultLayer) -> Iterator[Served]:
    with Served(faults) as running:
        yield running


@pytest.fixture
def http(served: Served, simulated: SimulatedPlatform) -> Iterator[httpx.Client]:
    """A plain client with the right token, which knows nothing of the provider."""
    with httpx.Client(
        base_url=f"{served.url}/v1/accounts/main/",
        headers={"Authorization": f"Bearer {simulated.token}"},
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture
def create(http: httpx.Client) -> Callable[..., dict[str, object]]:
    """Create an input by HTTP and return the platform's answer."""

    def make(**body: object) -> dict[str, object]:
        answer = http.post("inputs", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, object] = answer.json()
        return made

    return make


@pytest.fixture
def provider_for(
    served: Served, simulated: SimulatedPlatform, clock: ManualClock
) -> Iterator[Callable[..., ReferenceProvider]]:
    """Make a provider for the simulated platform, with other settings where they are given."""
    with ExitStack() as stack:

        def make(**settings: object) -> ReferenceProvider:
            given = {
                "api_url": served.url,
                "api_token": Secret(simulated.token),
                "webhook_secret": Secret(simulated.webhook_secret),
                **settings,
            }
            context = make_context(clock=clock, random=Random(3))
            provider = ReferenceProvider(ReferenceSettings(**given), context)
            return stack.enter_context(closing(provider))

        yield make


@pytest.fixture
def provider(provider_for: Callable[..., ReferenceProvider]) -> ReferenceProvider:
    return provider_for()
