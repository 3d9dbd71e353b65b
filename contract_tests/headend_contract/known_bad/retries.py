"""Providers that send again what they should not, or wait as they should not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import Effect, PlatformUnavailableError
from headend_contract.known_bad.transports import OtherAnswers, OtherOperations, known_bad_transport
from headend_contract.reference.provider import LIST
from headend_contract.reference.transport import Transport

if TYPE_CHECKING:
    from headend.plugin import Operation
    from headend_contract.known_bad.transports import Request
    from headend_contract.reference.transport import Answer

_OUTAGE: Final = 500
_CONFLICT: Final = 409
_THROTTLED: Final = 429


@known_bad_transport(
    "RETRY-READ-001", "RETRY-READ-002", what="Listing is declared as what may not be repeated."
)
class DeclaresListingAsWrite(OtherOperations):
    """Has declared an operation wrongly."""

    def declared(self, operation: Operation) -> Operation:
        """Return what is declared in place of this operation."""
        if operation is LIST:
            operation = evolve(operation, effect=Effect.WRITE)
        return operation


@known_bad_transport(
    "RETRY-READ-002",
    "PACE-POLICY-002",
    "ERROR-CONNECT-001",
    what="A read is tried twice below the policy.",
)
class RetriesBelowThePolicy(OtherAnswers):
    """Has left the HTTP client's own retries on."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request, and again where it fails."""
        try:
            answer = request.send()
            if request.method != "GET" or answer.status < _OUTAGE:
                return answer
        except PlatformUnavailableError:
            if request.method != "GET":
                raise
        return request.send()


@known_bad_transport("RETRY-REFUSAL-001", what="A conflict is asked for again.")
class HopesForPeace(OtherAnswers):
    """Takes a no for a maybe."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request, and again where it is in conflict."""
        answer = request.send()
        if request.method != "GET" or answer.status != _CONFLICT:
            return answer
        return request.send()


@known_bad_transport(
    "RETRY-WAIT-001", what="It takes a breath after each outage, of which nobody is told."
)
class CatchesItsBreath(OtherAnswers):
    """Sleeps by itself."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request once and return the answer."""
        answer = request.send()
        if answer.status >= _OUTAGE:
            self._clock.sleep(0.2)
        return answer


@known_bad_transport(
    "ERROR-RATE-001",
    "PACE-PAUSE-001",
    "RETRY-AFTER-001",
    "RETRY-AFTER-002",
    "RETRY-AFTER-003",
    what="The header Retry-After is not read.",
)
class IgnoresRetryAfter(Transport):
    """Comes back when it likes."""

    def retry_after(self, answer: Answer) -> float | None:  # noqa: ARG002  # which is what is wrong
        """Return no wait."""
        return None


@known_bad_transport("RETRY-AFTER-002", what="A date in Retry-After is not understood.")
class ReadsSecondsOnly(Transport):
    """Knows one of two forms."""

    def retry_after(self, answer: Answer) -> float | None:
        """Return the seconds that the header holds."""
        text = answer.header("Retry-After")
        return float(text) if text.isdigit() else None


@known_bad_transport("RETRY-AFTER-003", what="A wait of an hour is told as one of a minute.")
class CutsWaits(Transport):
    """Knows better than the platform."""

    def retry_after(self, answer: Answer) -> float | None:
        """Return the seconds, at most a minute."""
        asked = super().retry_after(answer)
        return None if asked is None else min(asked, 60.0)


@known_bad_transport(
    "RETRY-DEADLINE-001", what="Waits of less than half a minute are sat out inside."
)
class SitsOutWaits(OtherAnswers):
    """Heeds the platform and not the host."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request, and once more after the wait that was asked for."""
        answer = request.send()
        wait = self.retry_after(answer)
        if (
            request.method != "GET" or answer.status != _THROTTLED or wait is None or wait > 25
        ):  # its idea of long
            return answer
        self._clock.sleep(wait)
        return request.send()
