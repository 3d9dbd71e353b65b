"""Cloudflare Stream as a headend provider.  It describes itself here, and imports nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def headend_providers() -> Iterator[ProviderSpec]:
    """Describe the provider ``cloudflare``."""
    yield ProviderSpec(
        name="cloudflare",
        title="Cloudflare Stream",
        api_version=1,
        factory="headend_cloudflare.provider:CloudflareProvider",
        settings="headend_cloudflare.settings:CloudflareSettings",
        options="headend_cloudflare.settings:CloudflareOptions",
        simulator="headend_cloudflare.simulator:create_app",
        facts="headend_cloudflare.facts:FACTS",
        capabilities=frozenset(
            {
                Capability.KEY_ROTATION,
                Capability.ENABLE,
                Capability.RECORDINGS,
                Capability.SIMULCAST,
                Capability.SIGNED_PLAYBACK,
                Capability.EVENTS,
                Capability.LOW_LATENCY,
                Capability.SRT,
                Capability.WHIP,
            }
        ),
        # Nothing is documented; a list that lags longer leaves a copy that `reconcile` finds.
        settle_time=5.0,
        docs_url="https://developers.cloudflare.com/stream/stream-live/",
    )
