"""Who may do what at the simulated platform, and how often."""

from __future__ import annotations

import re
from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Final

from attrs import define, frozen

from headend_cloudflare.simulator.refusals import RefusedError, rate_limited, too_many_queries
from headend_cloudflare.simulator.switches import RateAnswer

if TYPE_CHECKING:
    from headend_cloudflare.simulator.switches import CloudflareSwitches

READ: Final = "Stream Read"
WRITE: Final = "Stream Write"
ANALYTICS: Final = "Account Analytics Read"
"""Permission groups; ``x-api-token-group`` in the OpenAPI description, and
https://developers.cloudflare.com/stream/getting-analytics/fetching-bulk-analytics/."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{40,}")


def is_well_formed(token: str) -> bool:
    """Tell whether a text can be a token at all."""
    return _TOKEN.fullmatch(token) is not None


@frozen(kw_only=True)
class Token:
    """A credential.

    Attributes:
        id: names it in answers; it is no secret.
        owner: ``user`` or ``account``: which verify endpoint knows it.
        permissions: what it may do.
    """

    id: str
    value: str
    owner: str
    permissions: frozenset[str]

    def may(self, permission: str) -> bool:
        """Tell whether it may do something; who may write may read."""
        return permission in self.permissions or (permission == READ and WRITE in self.permissions)


@define(eq=False)
class _Arrivals:
    times: deque[float]
    blocked_until: float = 0.0
    refusals: int = 0


class RateLimiter:
    """Counts the requests of each token, and blocks one that sends too many.

    https://developers.cloudflare.com/fundamentals/api/reference/limits/
    """

    def __init__(self) -> None:
        self._arrivals: dict[tuple[str, str], _Arrivals] = {}

    def count(self, token: Token, now: float, switches: CloudflareSwitches) -> dict[str, str]:
        """Count a request of the REST API; return the headers that tell what is left.

        Raises:
            RefusedError: there are too many.
        """
        limit = switches.rate_limit
        if limit == 0:
            return {}
        arrivals = self._count("rest", token, limit, now, switches)
        left, resets_in = (
            limit - len(arrivals.times),
            arrivals.times[0] + switches.rate_window - now,
        )
        return _headers(left, resets_in, switches)

    def count_query(self, token: Token, now: float, switches: CloudflareSwitches) -> None:
        """Count a GraphQL query, which has a limit of its own beside that of all requests.

        https://developers.cloudflare.com/analytics/graphql-api/limits/

        Raises:
            RefusedError: there are too many.
        """
        if switches.graphql_rate_limit:
            try:
                self._count("graphql", token, switches.graphql_rate_limit, now, switches)
            except RefusedError:
                raise too_many_queries() from None

    def _count(
        self, api: str, token: Token, limit: int, now: float, switches: CloudflareSwitches
    ) -> _Arrivals:
        arrivals = self._arrivals.setdefault((api, token.id), _Arrivals(deque()))
        if now < arrivals.blocked_until:
            raise self._refusal(arrivals, now, switches)
        while arrivals.times and arrivals.times[0] <= now - switches.rate_window:
            arrivals.times.popleft()
        if len(arrivals.times) >= limit:
            arrivals.times.clear()
            arrivals.blocked_until = now + switches.rate_block
            raise self._refusal(arrivals, now, switches)
        arrivals.times.append(now)
        return arrivals

    def _refusal(
        self, arrivals: _Arrivals, now: float, switches: CloudflareSwitches
    ) -> RefusedError:
        arrivals.refusals += 1
        answer = switches.rate_answer
        hides = answer is RateAnswer.STATUS_200 or (
            answer is RateAnswer.BOTH and arrivals.refusals % 2 == 1
        )
        wait = ceil(arrivals.blocked_until - now)
        tells = switches.retry_after and not hides
        return rate_limited(
            status=200 if hides else 429,
            retry_after=wait if tells else None,
            headers=_headers(0, wait, switches),
        )


def _headers(left: int, resets_in: float, switches: CloudflareSwitches) -> dict[str, str]:
    return {
        "Ratelimit": f'"default";r={left};t={ceil(resets_in)}',
        "Ratelimit-Policy": f'"default";q={switches.rate_limit};w={switches.rate_window:g}',
    }
