"""How the simulated platform says no: a status and the platform's own codes.

Codes and messages are those of public reports where there are any; `INVENTED_CODE` stands where
nobody has published what the platform answers, so nothing may be concluded from it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

INVENTED_CODE: Final = 19999
"""headend's own: what the platform answers in these cases is not published."""

HTML_502: Final = (
    "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>\n"
)


class RefusedError(Exception):
    """The platform says no.

    Attributes:
        status: the HTTP status.
        code: the platform's number for the reason.
        message: the reason in a sentence.
        chain: a further reason, as code and sentence.
        headers: those that this refusal has beside the usual ones.
        plain: the body where it is no envelope, with its media type.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        chain: tuple[int, str] | None = None,
        headers: Mapping[str, str] | None = None,
        plain: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.chain = chain
        self.headers = dict(headers or {})
        self.plain = plain

    def envelope(self) -> dict[str, object]:
        """Return the body of the answer."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.chain is not None:
            error["error_chain"] = [{"code": self.chain[0], "message": self.chain[1]}]
        return {"result": None, "success": False, "errors": [error], "messages": []}


def malformed_token() -> RefusedError:
    """The Authorization header cannot be a token (github.com Ultimate-Multisite issue 73)."""
    return RefusedError(
        400,
        6003,
        "Invalid request headers",
        chain=(6111, "Invalid format for Authorization header"),
    )


def bad_token(status: int) -> RefusedError:
    """The token is none (code: npm @distilled.cloud/cloudflare, src/client/api.ts)."""
    return RefusedError(status, 10000, "Authentication error")


def invalid_token() -> RefusedError:
    """What the verify endpoints say of a token that is none, or of the other kind.

    Code and message are measured (onryde/seazn.club, R0-CORRECTIONS-FOR-R1.md, C12), the status
    is not.
    """
    return RefusedError(401, 1000, "Invalid API Token")


_PERMISSION: Final[Mapping[int, str]] = {
    10000: "Authentication error",
    9109: "Unauthorized to access requested resource",
    10001: "Method not allowed for token",
}


def forbidden(code: int) -> RefusedError:
    """The token may not do this; see the switch `permission_code`."""
    return RefusedError(403, code, _PERMISSION[code])


def internal_error() -> RefusedError:
    """A passing fault (npm @distilled.cloud/cloudflare, src/client/api.ts)."""
    return RefusedError(403, 10001, "internal error")


def bad_gateway() -> RefusedError:
    """What the edge answers when what is behind it does not."""
    return RefusedError(502, 0, "Bad Gateway", plain=(HTML_502, "text/html"))


def rate_limited(
    *, status: int, retry_after: int | None, headers: Mapping[str, str]
) -> RefusedError:
    """Too many requests (code and message: npm @distilled.cloud/cloudflare)."""
    wait = {} if retry_after is None else {"retry-after": str(retry_after)}
    return RefusedError(
        status,
        971,
        "Please wait and consider throttling your request speed",
        headers={**headers, **wait},
    )


def too_many_queries() -> RefusedError:
    """The budget of GraphQL queries is used up.

    https://developers.cloudflare.com/analytics/graphql-api/errors/
    """
    message = "rate limiter budget depleted, try again after 5 minutes"
    body = {"data": None, "errors": [{"message": message, "path": None}]}
    return RefusedError(429, 0, message, plain=(json.dumps(body), "application/json"))


def no_route(status: int) -> RefusedError:
    """No such path, or an id that cannot be one (the OpenAPI description's example)."""
    return RefusedError(status, 7003, "No route for the URI")


def not_found() -> RefusedError:
    """No live input, output, signing key, webhook or video of that id.

    The code is that of npm @distilled.cloud/cloudflare; the message is headend's own.
    """
    return RefusedError(404, 10003, "Not Found")


def retention_out_of_range() -> RefusedError:
    """Status and code are measured (R0-CORRECTIONS-FOR-R1.md, C1); the message is headend's own."""
    return RefusedError(400, 10060, "deleteRecordingAfterDays must be between 30 and 1096")


def still_live() -> RefusedError:
    """A recording that is being made cannot be deleted (R0-memo.md, F2)."""
    return RefusedError(409, 10046, "Not Implemented: Feature not supported")


def invalid(message: str, *, status: int = 400) -> RefusedError:
    """A body or query that the platform would not take; the code is headend's own."""
    return RefusedError(status, INVENTED_CODE, message)
