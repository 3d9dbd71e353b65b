"""Providers that are wrong about what a host must set."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import field, frozen

from headend.plugin import PlatformError, Secret, setting
from headend_contract.known_bad import KnownBad, known_bad, name_of, reference_spec, register
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.settings import ReferenceSettings

if TYPE_CHECKING:
    from headend.plugin import ProviderContext


@frozen(kw_only=True)
class UnexplainedToken(ReferenceSettings):
    """Its token's variable has no words."""

    api_token: Secret = field(metadata=setting("REFERENCE_API_TOKEN", ""))


@frozen(kw_only=True)
class OptionalToken(ReferenceSettings):
    """Its token seems to be dispensable."""

    api_token: Secret = field(
        default=None, metadata=setting("REFERENCE_API_TOKEN", "Make one in the dashboard.")
    )


@frozen(kw_only=True)
class AnyAddress(ReferenceSettings):
    """Any text does for an address."""

    api_url: str = field(
        default="https://api.reference.example",
        metadata=setting("REFERENCE_API_URL", "The platform's address."),
    )


@frozen(kw_only=True)
class OpenSecret(ReferenceSettings):
    """Its webhook's secret is a plain text."""

    webhook_secret: str | None = field(  # type: ignore[assignment]  # that is what is wrong
        default=None,
        repr=False,
        metadata=setting("REFERENCE_WEBHOOK_SECRET", "The dashboard shows it."),
    )


for _settings, _fails, _what in (
    (UnexplainedToken, "SETTING-001", "A setting does not say what it is."),
    (OptionalToken, "SETTING-002", "It breaks when a setting is missing that has a default."),
    (AnyAddress, "SETTING-003", "It takes any text for the platform's address."),
    (OpenSecret, "SETTING-004", "A credential among its settings is a plain text."),
):
    register(
        KnownBad(
            name=name_of(_settings),
            what=_what,
            fails=frozenset({_fails}),
            spec=reference_spec(settings=_settings),
        )
    )


@known_bad(
    "SETTING-005",
    "BATCH-NONE-001",
    "CAPABILITY-DECLARED-001",
    "CAPABILITY-DECLARED-002",
    "CAPABILITY-REFUSED-001",
    "CLOSE-USE-001",
    "EVENT-001",
    "EVENT-002",
    "OPTION-UNKNOWN-001",
    what="It asks the platform something as soon as it is made.",
)
class Hasty(ReferenceProvider):
    """Checks its credentials when it is made."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        with suppress(PlatformError):
            self.check_health()
