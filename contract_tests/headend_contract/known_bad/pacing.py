"""Providers that are too fast."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import RateLimitedError
from headend_contract.known_bad.transports import OtherOperations, known_bad_transport
from headend_contract.reference.facts import API_LIMIT
from headend_contract.reference.provider import HEALTH
from headend_contract.reference.transport import Transport

if TYPE_CHECKING:
    from headend.plugin import Operation, PlatformError, ProviderContext
    from headend_contract.reference.settings import ReferenceSettings
    from headend_contract.reference.transport import Answer


@known_bad_transport(
    "PACE-POLICY-001",
    "PACE-POLICY-002",
    what="The health check begins with a request beside the policy.",
)
class KnocksFirst(OtherOperations):
    """Has a request of its own making."""

    def declared(self, operation: Operation) -> Operation:
        """Change nothing, and knock."""
        if operation is HEALTH:
            self._client.get(self._base)
        return operation


@known_bad_transport("PACE-FACTS-001", what="Twice as many requests are sent as hosts are told.")
class TellsHalfOfTheLimit(OtherOperations):
    """Has its limit in two places."""

    def declared(self, operation: Operation) -> Operation:
        """Return what is declared in place of this operation."""
        twice = evolve(API_LIMIT, requests=2 * API_LIMIT.requests)
        return evolve(operation, limits=(twice,))


@known_bad_transport("PACE-LIMIT-001", "PACE-PAUSE-001", what="Each request has a limit to itself.")
class ScopesEachRequest(OtherOperations):
    """Counts by something that is never the same."""

    def __init__(self, settings: ReferenceSettings, context: ProviderContext) -> None:
        super().__init__(settings, context)
        self._numbers = count()

    def declared(self, operation: Operation) -> Operation:
        """Change nothing but the scope that all requests share."""
        self._calls = self._calls.scoped(str(next(self._numbers)))
        return operation


@known_bad_transport(
    "PACE-PAUSE-001", what="A refusal for the rate names a limit that nothing is under."
)
class BlamesAnotherLimit(Transport):
    """Has a name for the limit that is not its own."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        if isinstance(error, RateLimitedError):
            error.limit = "requests"
        return error
