"""A plugin whose platforms are dictionaries: ``acme`` can do all, ``plain`` only what all can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import Capability, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def headend_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="acme",
        title="Acme Live",
        api_version=1,
        factory="headend_acme.provider:AcmeProvider",
        settings="headend_acme.settings:AcmeSettings",
        options="headend_acme.settings:AcmeOptions",
        facts="headend_acme.facts:FACTS",
        capabilities=frozenset(Capability) - {Capability.SRT, Capability.WHIP},
        settle_time=2.0,
        docs_url="https://acme.example/docs",
    )
    yield ProviderSpec(
        name="plain",
        title="Plain Live",
        api_version=1,
        factory="headend_acme.provider:PlainProvider",
        settings="headend_acme.settings:PlainSettings",
    )
