"""A media server on your own machine as a headend provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def headend_providers() -> Iterator[ProviderSpec]:
    """Describe the provider ``local``."""
    yield ProviderSpec(
        name="local",
        title="Media server on this machine",
        api_version=1,
        factory="headend_local.provider:LocalProvider",
        settings="headend_local.settings:LocalSettings",
        simulator="headend_local.simulator:create_app",
        facts="headend_local.facts:FACTS",
        capabilities=frozenset(
            {
                Capability.KEY_ROTATION,
                Capability.ENABLE,
                Capability.LOW_LATENCY,
                Capability.BATCH_ANALYTICS,
            }
        ),
    )
