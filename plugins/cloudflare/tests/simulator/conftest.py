"""Plain clients of the simulated platform, which know nothing of the plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

NO_TLS = {"verify": False, "trust_env": False}
"""Nothing here speaks TLS, and to load certificates takes longer than most of these tests."""

if TYPE_CHECKING:
    from headend_cloudflare.simulator import SimulatedPlatform
    from headend_contract.serving import Served

Json = dict[str, Any]


@pytest.fixture
def api_with(served: Served, simulated: SimulatedPlatform) -> Iterator[Callable[..., httpx.Client]]:
    """Make a client of the account's API, with another token or account where they are given."""
    made: list[httpx.Client] = []

    def make(token: str | None = None, account: str | None = None) -> httpx.Client:
        client = httpx.Client(
            base_url=f"{served.url}/client/v4/accounts/{account or simulated.account_id}/",
            headers={"Authorization": f"Bearer {token or simulated.token}"},
            **NO_TLS,
        )
        made.append(client)
        return client

    yield make
    for one in made:
        one.close()


@pytest.fixture
def api(api_with: Callable[..., httpx.Client]) -> httpx.Client:
    return api_with()


@pytest.fixture
def viewer(served: Served, simulated: SimulatedPlatform) -> Iterator[httpx.Client]:
    """A browser at the customer host."""
    with httpx.Client(
        base_url=f"{served.url}/customer-{simulated.customer_code}/",
        headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"},
        **NO_TLS,
    ) as client:
        yield client


@pytest.fixture
def create(api: httpx.Client) -> Callable[..., Json]:
    """Make a live input that is recorded; return it as the API gives it."""

    def make(*, recording: Json | None = None, **fields: object) -> Json:
        body = {"recording": {"mode": "automatic", **(recording or {})}, **fields}
        answer = api.post("stream/live_inputs", json=body)
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()["result"]
        return result

    return make


@pytest.fixture
def get(api: httpx.Client) -> Callable[[str], Json]:
    """Read a live input."""

    def read(uid: str) -> Json:
        answer = api.get(f"stream/live_inputs/{uid}")
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()["result"]
        return result

    return read


@pytest.fixture
def ask(served: Served, simulated: SimulatedPlatform) -> Iterator[Callable[..., httpx.Response]]:
    """Send a GraphQL query."""
    with httpx.Client(base_url=served.url, **NO_TLS) as client:

        def send(
            query: str, variables: Json | None = None, *, token: str | None = None
        ) -> httpx.Response:
            return client.post(
                "/client/v4/graphql",
                json={"query": query, "variables": variables or {}},
                headers={"Authorization": f"Bearer {token or simulated.token}"},
            )

        yield send
