"""What the tests of the simulated platform share: it, on a socket, and boto3 as its client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from headend_contract.clock import ManualClock
from headend_contract.serving import Served
from headend_ivs.simulator import SimulatorApp, create_app
from headend_ivs.simulator.identity import AccessKey
from headend_ivs.simulator.model import Violation
from headend_ivs.simulator.platform import SimulatedPlatform

REGION = "us-west-2"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> SimulatorApp:
    return create_app(clock=clock, random=Random(7))


@pytest.fixture
def simulated(app: SimulatorApp) -> Iterator[SimulatedPlatform]:
    """The platform; at the end, no breach of the service model is left that no test took away."""
    yield app.platform
    assert [str(one) for one in app.platform.violations] == []


@pytest.fixture
def planted(simulated: SimulatedPlatform) -> Callable[[], list[Violation]]:
    """Take away the breaches that a test made on purpose; all must be the client's."""

    def take() -> list[Violation]:
        taken, simulated.violations = simulated.violations, []
        assert {one.side for one in taken} <= {"request"}
        return taken

    return take


@pytest.fixture
def served(app: SimulatorApp, simulated: SimulatedPlatform) -> Iterator[Served]:
    with Served(app) as served:
        yield served


@pytest.fixture
def client(served: Served, simulated: SimulatedPlatform) -> Callable[..., Any]:
    """Make a boto3 client of a service that sends all it is given, whatever botocore thinks."""

    def make(service: str, key: AccessKey | None = None, *, region: str = REGION) -> Any:
        return make_client(service, served.url, key or simulated.identities.full, region)

    return make


@pytest.fixture
def connect() -> Callable[..., Any]:
    """Make a boto3 client for any address."""

    def make(service: str, url: str, key: AccessKey, region: str = REGION) -> Any:
        return make_client(service, url, key, region)

    return make


@pytest.fixture
def ivs(client: Callable[..., Any]) -> Any:
    return client("ivs")


@pytest.fixture
def create(ivs: Any) -> Callable[..., dict[str, Any]]:
    """Make a channel and return it with its stream key under ``key``."""

    def make(**parameters: object) -> dict[str, Any]:
        made = ivs.create_channel(**parameters)
        return {**made["channel"], "key": made["streamKey"]}

    return make


@pytest.fixture
def refusal() -> Callable[..., tuple[int, str]]:
    """Return the status and code with which a call is refused."""
    return refused


def refused(call: Callable[..., object], **parameters: object) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@cache
def _session() -> boto3.Session:
    return boto3.Session()


def make_client(service: str, url: str, key: AccessKey, region: str) -> Any:
    return _session().client(
        service,  # type: ignore[call-overload]  # any of three
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        aws_session_token=key.session_token,
        config=Config(
            retries={"total_max_attempts": 1}, parameter_validation=False, max_pool_connections=1
        ),
    )
