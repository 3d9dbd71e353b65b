"""Providers that are wrong about their health."""

from __future__ import annotations

from attrs import evolve

from headend.plugin import AuthenticationError, CreateRequest, Health
from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.wire import NAME


@known_bad("HEALTH-001", what="It says of its health nothing but ok.")
class Taciturn(ReferenceProvider):
    """Has no words."""

    def check_health(self) -> Health:
        """Lose the words."""
        return evolve(super().check_health(), message="")


@known_bad("HEALTH-002", what="It creates a live stream to see whether it can.")
class TriesItOut(ReferenceProvider):
    """Leaves a live stream behind."""

    def check_health(self) -> Health:
        """Create one."""
        self.create_live_stream(CreateRequest(channel_id="health", marker="health"))
        return super().check_health()


@known_bad(
    "ERROR-EVERY-002",
    "HEALTH-003",
    what="It is healthy as long as the platform answers anything.",
)
class HealthyAnyhow(ReferenceProvider):
    """Takes a refusal for a sign of life."""

    def check_health(self) -> Health:
        """Swallow the refusal."""
        try:
            return super().check_health()
        except AuthenticationError:
            return Health(
                provider=NAME,
                ok=True,
                message="the platform answers",
                checked_at=self._clock.now(),
            )
