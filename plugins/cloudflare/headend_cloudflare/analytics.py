"""The figures of a live stream, each from where Cloudflare has it, or the reason why it has none.

* Viewers now: the customer host's ``/views``, which counts HLS and DASH
  (developers.cloudflare.com/stream/getting-analytics/live-viewer-count).
* Watch time: minutes viewed in the GraphQL API, which is minutes late, sampled, and kept for 90
  days (developers.cloudflare.com/stream/getting-analytics/fetching-bulk-analytics).  It counts by
  the ids of videos, so those of a live stream's recordings are asked for as well as its own.
* Bitrate and peak: nowhere.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    Effect,
    Operation,
    PermissionDeniedError,
    PlatformError,
    RateLimitedError,
)
from headend_cloudflare import wire
from headend_cloudflare.facts import API_LIMIT, GRAPHQL_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headend.plugin import Calls, Clock, Fields
    from headend_cloudflare.transport import Transport

VIEWERS: Final = Operation("get_viewer_count", effect=Effect.READ)
WATCH_TIME: Final = Operation(
    "get_watch_time", effect=Effect.READ, limits=(API_LIMIT, GRAPHQL_LIMIT)
)

KEPT: Final = timedelta(days=90)
"""For how long minutes viewed are kept."""
_PERIOD: Final = timedelta(days=31)
"""The longest that one query may be about."""
_DAY: Final = 86400.0
_ROWS: Final = 10_000
"""The most rows that one query gives."""

PATIENCE: Final = 10.0
"""Seconds that a figure may take; the others are worth more than this one."""
_REMEMBERED: Final = 300.0
"""Seconds for which it is remembered that the token may not read analytics."""

NO_BITRATE: Final = "Cloudflare gives no bitrate of a live stream"
NO_PEAK: Final = "Cloudflare gives no highest viewer count of a live stream"
NO_PERMISSION: Final = "token lacks Account Analytics: Read"
NO_HOST: Final = (
    "Cloudflare does not say where this account's viewers watch; set CLOUDFLARE_STREAM_CUSTOMER_URL"
)
HIDDEN: Final = "the live stream hides its viewer count (hide_live_viewer_count)"
NO_WEBRTC_VIEWERS: Final = "Cloudflare counts no viewers of what is pushed by WHIP"

QUERY: Final = """\
query WatchTime($accountTag: string!, $start: Date, $end: Date, $ids: [string!]) {
  viewer {
    accounts(filter: {accountTag: $accountTag}) {
      streamMinutesViewedAdaptiveGroups(
        filter: {date_geq: $start, date_lt: $end, uid_in: $ids}, limit: 10000
      ) {
        sum { minutesViewed }
        dimensions { uid }
      }
    }
  }
}
"""

_DENIED: Final = re.compile(r"authori[sz]|permission|have access", re.IGNORECASE)
"""What a GraphQL error says for want of the permission: "not authorized for that account"."""


@frozen
class Unknown:
    """A figure that there is none of.

    Attributes:
        reason: in words.
    """

    reason: str


class _DeniedError(Exception):
    """The GraphQL API says that the token may not ask."""


class _RefusedError(Exception):
    """The GraphQL API says something else than an answer."""


class Analytics:
    """Asks for figures; none of them fails, each is there or has a reason why not."""

    def __init__(self, transport: Transport, calls: Calls, clock: Clock, account_id: str) -> None:
        self._transport = transport
        self._calls = calls
        self._clock = clock
        self._account_id = account_id
        self._denied_until = 0.0

    def viewer_count(self, base: str | None, stream_id: str) -> int | Unknown:
        """Return how many watch now.

        Args:
            base: the customer host's address, before the id.
            stream_id: the live stream.
        """
        if base is None:
            return Unknown(NO_HOST)
        try:
            with self._calls.deadline(PATIENCE):
                return self._transport.look(
                    VIEWERS, wire.views_url(base, stream_id), read=wire.viewers
                )
        except PermissionDeniedError:
            return Unknown("the customer host does not tell it: the live stream needs signed URLs")
        except PlatformError as error:
            return Unknown(f"the customer host did not tell it: {error.message}")

    def watch_time(
        self,
        created_at: datetime | None,
        retention: float | None,
        find_ids: Callable[[], Sequence[str]],
    ) -> float | Unknown:
        """Return the seconds watched by all viewers together.

        Args:
            created_at: when the live stream was made.
            retention: the days after which Cloudflare deletes its recordings, if it does.
            find_ids: gives its id and those of its recordings; called only if they are needed.
        """
        now = self._clock.now()
        if created_at is None:
            return Unknown("Cloudflare does not say since when there is this live stream")
        first = datetime.combine(created_at.astimezone(UTC).date(), time.min, UTC)
        if now - first > KEPT:
            return Unknown(
                f"Cloudflare keeps it for {KEPT.days} days, and the live stream is older"
            )
        if retention is not None and (now - created_at).total_seconds() > retention * _DAY:
            # Minutes are counted by recording, and one that is gone cannot be asked for.
            return Unknown(
                f"Cloudflare deletes the recordings of this live stream after {retention:g} days, "
                "and what was watched of one that is gone is not known any more"
            )
        if self._clock.monotonic() < self._denied_until:
            return Unknown(NO_PERMISSION)
        try:
            with self._calls.deadline(PATIENCE):
                ids = find_ids()
                rows = [
                    minutes
                    for start, end in _periods(first, now)
                    for minutes in self._minutes(start, end, ids)
                ]
        except (_DeniedError, AuthenticationError, PermissionDeniedError):
            self._denied_until = self._clock.monotonic() + _REMEMBERED
            return Unknown(NO_PERMISSION)
        except _RefusedError as error:
            return Unknown(f"Cloudflare's GraphQL API gave none: {error}")
        except RateLimitedError as error:
            return Unknown(f"Cloudflare's GraphQL API was asked too often: {error.message}")
        except PlatformError as error:
            return Unknown(f"Cloudflare's GraphQL API did not answer: {error.message}")
        if not rows:
            return Unknown("Cloudflare has none yet; it comes minutes late")
        return sum(rows) * 60

    def _minutes(self, start: datetime, end: datetime, ids: Sequence[str]) -> list[float]:
        """Return the minutes viewed of each of the ids that has any."""
        variables = {
            "accountTag": self._account_id,
            "start": start.date().isoformat(),
            "end": end.date().isoformat(),
            "ids": [*ids],
        }
        return self._transport.ask(WATCH_TIME, {"query": QUERY, "variables": variables}, self._read)

    def _read(self, fields: Fields) -> list[float]:
        if fields.has("errors") and fields.raw("errors") != []:
            messages = fields.each("errors", lambda one: one.text("message"))
            said = "; ".join(messages)
            if _DENIED.search(said):
                raise _DeniedError
            raise _RefusedError(self._transport.presentable(said))
        accounts = fields.object("data").object("viewer").each("accounts", _read_account)
        rows = [minutes for account in accounts for minutes in account]
        if len(rows) >= _ROWS:
            raise _RefusedError("it has more rows than it gives at once")
        return rows


def why_uncounted(fields: Fields) -> Unknown | None:
    """Return why ``/views`` would tell no viewer count of an input, or one that is none.

    It is not supported for WebRTC (developers.cloudflare.com/stream/webrtc-beta), and what it
    answers for a hidden count is not documented, so that a 0 from there would mean nothing.
    """
    if wire.hides_viewer_count(fields):
        return Unknown(HIDDEN)
    if wire.ingest_protocol(fields) == "webrtc":
        return Unknown(NO_WEBRTC_VIEWERS)
    return None


def _read_account(fields: Fields) -> list[float]:
    return fields.each("streamMinutesViewedAdaptiveGroups", _read_row)


def _read_row(fields: Fields) -> float:
    minutes = fields.object("sum").number("minutesViewed")
    if minutes < 0:
        raise BrokenAnswerError("minutesViewed is less than 0")
    return minutes


def _periods(first: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Return the days from `first` to today in as few periods as can be, each without its end."""
    while first <= now:
        yield first, first + _PERIOD
        first += _PERIOD
