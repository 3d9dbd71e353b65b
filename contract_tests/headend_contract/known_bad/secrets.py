"""Providers that give secrets away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend_contract.known_bad import known_bad
from headend_contract.known_bad.transports import OtherAnswers, known_bad_transport
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Attempt, Health, Operation, PlatformError, PlatformProtocolError
    from headend_contract.known_bad.transports import Request
    from headend_contract.reference.transport import Answer

_LOG: Final = logging.getLogger("headend_contract.known_bad")


@known_bad_transport(
    "SECRET-LOG-001", "SECRET-ERROR-001", what="The headers of requests are logged on DEBUG."
)
class LogsHeaders(OtherAnswers):
    """Was debugged once."""

    def answer_to(self, request: Request) -> Answer:
        """Send a request once and return the answer."""
        _LOG.debug(
            "%s %s with %s", request.method, request.path, self._client.headers["Authorization"]
        )
        return request.send()


@known_bad("SECRET-REPR-001", what="The provider shows its token where it is represented.")
class ShowsItsToken(ReferenceProvider):
    """Has a helpful representation."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account} {self._settings.api_token.reveal()}>"


@known_bad(
    "SECRET-MODEL-001",
    "SECRET-PICKLE-001",
    what="The message of the health check tells the token.",
)
class TellsItsTokenWhenHealthy(ReferenceProvider):
    """Says what it was opened with."""

    def check_health(self) -> Health:
        """Ask for the account."""
        health = super().check_health()
        token = self._settings.api_token.reveal()
        return evolve(health, message=f"{health.message}, opened with {token}")


@known_bad_transport(
    "SECRET-ADDRESS-001",
    "SECRET-ERROR-001",
    "SECRET-LOG-001",
    what="The token is in the query of each request, and the HTTP library logs that.",
)
class TokenInTheQuery(Transport):
    """Authenticates as one did long ago."""

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        """Send a request once and return the answer."""
        token = self._settings.api_token.reveal()
        query = {**(query or {}), "token": token}
        return super().exchange(operation, attempt, method, path, query, body)


@known_bad_transport("SECRET-ERROR-001", what="What cannot be read is quoted in the error.")
class QuotesWhatItCannotRead(Transport):
    """Shows the answer, whatever is in it."""

    def broken(self, operation: Operation, answer: Answer, what: str) -> PlatformProtocolError:
        """Return the error for an answer that is not what the platform promises."""
        said = answer.content[:300].decode(errors="replace")
        return super().broken(operation, answer, f"{what}: {said}")


@known_bad_transport(
    "SECRET-PICKLE-001", what="Errors carry the token, for whoever wants to try again."
)
class ErrorsCarryTheToken(Transport):
    """Has an attribute more than it shows."""

    def failure(self, operation: Operation, answer: Answer) -> PlatformError:
        """Return the error for an answer of refusal."""
        error = super().failure(operation, answer)
        vars(error)["token"] = self._settings.api_token.reveal()
        return error
