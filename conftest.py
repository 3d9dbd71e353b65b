"""What all tests share."""

from __future__ import annotations

import os

import pytest

_PREFIXES = ("HEADEND_", "STREAMING_PLATFORM", "ACME_", "REFERENCE_", "CLOUDFLARE_", "AWS_")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is set where the tests run reaches a test, and no ledger of a test stays."""
    for name in os.environ:
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path_factory.mktemp("data")))
