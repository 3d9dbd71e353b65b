"""The reference provider: small, good, and complete, beside the platform that it talks to.

The contract suite is tested with it, and a new provider can start as a copy of it.  Its platform,
"Reference Live", exists only as the simulation in `headend_contract.reference.simulator`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def headend_providers() -> Iterator[ProviderSpec]:
    """Describe the provider ``reference``."""
    yield ProviderSpec(
        name="reference",
        title="Reference Live (simulated)",
        api_version=1,
        factory="headend_contract.reference.provider:ReferenceProvider",
        settings="headend_contract.reference.settings:ReferenceSettings",
        simulator="headend_contract.reference.simulator:create_app",
        facts="headend_contract.reference.facts:FACTS",
        capabilities=frozenset(
            {
                Capability.KEY_ROTATION,
                Capability.ENABLE,
                Capability.RECORDINGS,
                Capability.EVENTS,
                Capability.SESSIONS,
                Capability.BATCH_ANALYTICS,
                Capability.LOW_LATENCY,
            }
        ),
        settle_time=5.0,
    )
