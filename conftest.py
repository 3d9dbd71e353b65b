"""What all tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend_contract.postgresql import PostgresServer

_PREFIXES = ("PG", "HEADEND_", "STREAMING_PLATFORM", "ACME_", "REFERENCE_", "CLOUDFLARE_", "AWS_")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is set where the tests run reaches a test, and no ledger of a test stays."""
    for name in os.environ:
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests that need one; started for the first of them."""
    from headend_contract.postgresql import PostgresServer, why_not

    if reason := why_not():
        pytest.skip(reason)
    # What a power cut would leave is not what these tests are about.
    with PostgresServer({"fsync": "off"}) as server:
        yield server
