"""AWS IVS as a headend provider.  It describes itself here, and imports nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def headend_providers() -> Iterator[ProviderSpec]:
    """Describe the provider ``aws-ivs``."""
    yield ProviderSpec(
        name="aws-ivs",
        title="AWS IVS (low-latency streaming)",
        api_version=1,
        factory="headend_ivs.provider:IvsProvider",
        settings="headend_ivs.settings:IvsSettings",
        options="headend_ivs.settings:IvsOptions",
        simulator="headend_ivs.simulator:create_app",
        facts="headend_ivs.facts:FACTS",
        capabilities=frozenset(
            {
                Capability.KEY_ROTATION,
                Capability.SESSIONS,
                Capability.TIMED_METADATA,
                Capability.SIGNED_PLAYBACK,
                Capability.EVENTS,
                Capability.BATCH_ANALYTICS,
                Capability.LOW_LATENCY,
                Capability.SRT,
            }
        ),
        # AWS promises nothing; a list that lags longer leaves a copy that `reconcile` finds.
        settle_time=5.0,
        docs_url="https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/what-is.html",
    )
