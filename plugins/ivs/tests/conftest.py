"""What these tests share: the simulated platform on a socket, behind faults; ways to open it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from headend.platform import StreamingPlatform
from headend.plugin import ProviderContext, Secret
from headend_contract import opening
from headend_contract.clock import ManualClock
from headend_contract.faults import FaultLayer
from headend_contract.serving import Served
from headend_ivs import headend_providers
from headend_ivs.provider import IvsProvider
from headend_ivs.settings import IvsSettings

if TYPE_CHECKING:
    from headend.plugin import Clock
    from headend_ivs.simulator.app import SimulatorApp
    from headend_ivs.simulator.platform import SimulatedPlatform

(SPEC,) = headend_providers()

ENDPOINTS = ("AWS_ENDPOINT_URL_IVS", "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL_STS")


def make_context(*, clock: Clock, calls_timeout: float = 60.0) -> ProviderContext:
    """Return all that the provider needs of the world besides its settings."""
    return opening.make_context(
        SPEC.name, clock=clock, random=Random(3), calls_timeout=calls_timeout
    )


def settings_of(environment: Mapping[str, str], **more: object) -> IvsSettings:
    """Return the settings that point at a simulator, with others where they are given.

    Where the services answer is boto3's to know, from variables that `served` sets.
    """
    given: dict[str, object] = {
        "region": environment["AWS_IVS_REGION"],
        "access_key_id": Secret(environment["AWS_IVS_ACCESS_KEY_ID"]),
        "secret_access_key": Secret(environment["AWS_IVS_SECRET_ACCESS_KEY"]),
        **more,
    }
    return IvsSettings(**given)  # type: ignore[arg-type]  # the class checks them


def open_ivs(
    settings: IvsSettings,
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


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """boto3 finds no credentials, files, variables or metadata services of whoever runs tests."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture(scope="session")
def context_of() -> Callable[..., ProviderContext]:
    """`make_context`, for a test that makes providers of its own."""
    return make_context


@pytest.fixture(scope="session")
def open_platform() -> Callable[..., StreamingPlatform]:
    """`open_ivs`, for a test that opens platforms of its own."""
    return open_ivs


@pytest.fixture(scope="session")
def settings_from() -> Callable[..., IvsSettings]:
    """`settings_of`, likewise."""
    return settings_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> SimulatorApp:
    from headend_ivs.simulator import create_app

    return create_app(clock=clock, random=Random(7))


@pytest.fixture
def simulated(app: SimulatorApp) -> Iterator[SimulatedPlatform]:
    """What is behind the application; no request or answer broke AWS's own service model."""
    yield app.platform
    assert app.platform.violations == []


@pytest.fixture
def faults(app: SimulatorApp) -> FaultLayer:
    return FaultLayer(app)


@pytest.fixture
def served(
    faults: FaultLayer, simulated: SimulatedPlatform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """The simulated platform on a socket; boto3 is pointed at it."""
    with Served(faults) as running:
        for name in ENDPOINTS:
            monkeypatch.setenv(name, running.url)
        yield running


@pytest.fixture
def provider_for(
    served: Served, app: SimulatorApp, clock: ManualClock
) -> Iterator[Callable[..., IvsProvider]]:
    """Make a provider for the simulated platform, with other settings where they are given."""
    with ExitStack() as stack:

        def make(**settings: object) -> IvsProvider:
            given = settings_of(app.environment(served.url), **settings)
            provider = IvsProvider(given, make_context(clock=clock))
            return stack.enter_context(closing(provider))

        yield make


@pytest.fixture
def provider(provider_for: Callable[..., IvsProvider]) -> IvsProvider:
    return provider_for()


@pytest.fixture
def platform(
    served: Served, app: SimulatorApp, clock: ManualClock, tmp_path: Path
) -> Iterator[StreamingPlatform]:
    """The simulated platform, opened as a host has it, with a ledger."""
    settings = settings_of(app.environment(served.url))
    with open_ivs(settings, clock=clock, database=tmp_path / "ledger.sqlite3") as opened:
        yield opened
