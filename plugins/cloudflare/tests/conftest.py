"""What these tests share: the simulated platform on a socket, behind faults, and its opening."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from headend.platform import StreamingPlatform
from headend.plugin import ProviderContext, Secret
from headend_cloudflare import headend_providers
from headend_cloudflare.provider import CloudflareProvider
from headend_cloudflare.settings import CloudflareSettings
from headend_cloudflare.simulator import create_app
from headend_contract import opening
from headend_contract.clock import ManualClock
from headend_contract.faults import FaultLayer
from headend_contract.serving import Served

if TYPE_CHECKING:
    from headend.plugin import Clock
    from headend_cloudflare.simulator.app import SimulatorApp
    from headend_cloudflare.simulator.platform import SimulatedPlatform

(SPEC,) = headend_providers()


def make_context(*, clock: Clock, calls_timeout: float = 60.0) -> ProviderContext:
    """Return all that the provider needs of the world besides its settings."""
    return opening.make_context(
        SPEC.name, clock=clock, random=Random(3), calls_timeout=calls_timeout
    )


def settings_of(environment: dict[str, str], **more: object) -> CloudflareSettings:
    """Return the settings that point at a simulator, with others where they are given."""
    given: dict[str, object] = {
        "account_id": environment["CLOUDFLARE_STREAM_ACCOUNT_ID"],
        "api_token": Secret(environment["CLOUDFLARE_STREAM_API_TOKEN"]),
        "api_url": environment["CLOUDFLARE_STREAM_API_URL"],
        "notification_secret": Secret(environment["CLOUDFLARE_STREAM_NOTIFICATION_SECRET"]),
        "webhook_secret": Secret(environment["CLOUDFLARE_STREAM_WEBHOOK_SECRET"]),
        **more,
    }
    return CloudflareSettings(**given)  # type: ignore[arg-type]  # the class checks them


def open_cloudflare(
    settings: CloudflareSettings,
    *,
    clock: Clock,
    random: Random | None = None,
    database: str | Path | None = None,
    calls_timeout: float = 60.0,
) -> StreamingPlatform:
    """Open the provider as `headend.open` would, with the world put in from outside."""
    return opening.open_with(
        SPEC,
        settings,
        clock=clock,
        random=random or Random(5),
        database=database,
        calls_timeout=calls_timeout,
    ).platform


@pytest.fixture(scope="session")
def context_of() -> Callable[..., ProviderContext]:
    return make_context


@pytest.fixture(scope="session")
def open_platform() -> Callable[..., StreamingPlatform]:
    """`open_cloudflare`, for a test that opens platforms of its own."""
    return open_cloudflare


@pytest.fixture(scope="session")
def settings_from() -> Callable[..., CloudflareSettings]:
    """`settings_of`, likewise."""
    return settings_of


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
def provider_for(
    served: Served, app: SimulatorApp, clock: ManualClock
) -> Iterator[Callable[..., CloudflareProvider]]:
    """Make a provider for the simulated platform, with other settings where they are given."""
    with ExitStack() as stack:

        def make(**settings: object) -> CloudflareProvider:
            given = settings_of(app.environment(served.url), **settings)
            provider = CloudflareProvider(given, make_context(clock=clock))
            return stack.enter_context(closing(provider))

        yield make


@pytest.fixture
def provider(provider_for: Callable[..., CloudflareProvider]) -> CloudflareProvider:
    return provider_for()


@pytest.fixture
def platform(
    served: Served, app: SimulatorApp, clock: ManualClock, tmp_path: Path
) -> Iterator[StreamingPlatform]:
    """The simulated platform, opened as a host has it, with a ledger."""
    settings = settings_of(app.environment(served.url))
    with open_cloudflare(settings, clock=clock, database=tmp_path / "ledger.sqlite3") as opened:
        yield opened
