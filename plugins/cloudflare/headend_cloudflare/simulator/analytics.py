"""How much was watched: the GraphQL dataset and the account's usage.

https://developers.cloudflare.com/stream/getting-analytics/fetching-bulk-analytics/ has the
datasets and their limits, https://developers.cloudflare.com/analytics/graphql-api/errors/ the shape
of a refusal, and how its words begin; how they go on is headend's own.  That a token without the
permission is told the account has no access to the path is from
github.com/cloudflare/cloudflare-prometheus-exporter issue 37.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend_cloudflare.simulator.access import ANALYTICS
from headend_cloudflare.simulator.graphql import QueryError, parse
from headend_cloudflare.simulator.refusals import RefusedError, invalid
from headend_cloudflare.simulator.switches import MinutesOf, QueryRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headend_cloudflare.simulator.access import Token
    from headend_cloudflare.simulator.app import Call
    from headend_cloudflare.simulator.graphql import Field
    from headend_cloudflare.simulator.platform import SimulatedPlatform
    from headend_cloudflare.simulator.records import Broadcast, Viewing

MAX_RANGE: Final = timedelta(days=31)
"""The longest time that one query may ask for."""

RETENTION: Final = timedelta(days=90)
"""How long figures are kept."""

MAX_ROWS: Final = 10_000
"""The most groups of one answer: headend's own, since the real limit is an account's setting."""

_DATASETS: Final[Mapping[str, str]] = {
    "streamMinutesViewedAdaptiveGroups": "minutesViewed",
    "videoPlaybackEventsAdaptiveGroups": "timeViewedMinutes",
}
"""The sum that each dataset has."""

_DIMENSIONS: Final = ("date", "datetime", "uid", "clientCountryName", "creator")
_TIMES: Final = ("date", "datetime")
_SCALE: Final[Mapping[str, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "quarter": timedelta(days=91),
    "year": timedelta(days=365),
}


@frozen(kw_only=True)
class Watched:
    """Minutes that were watched in a row, within ten minutes of the clock.

    Attributes:
        start: when that began.
    """

    uid: str
    country: str
    creator: str
    start: datetime
    minutes: float

    def dimension(self, name: str) -> str:
        """Return what a dimension of `_DIMENSIONS` is here."""
        if name == "date":
            return self.start.date().isoformat()
        if name == "datetime":
            return self.start.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"uid": self.uid, "clientCountryName": self.country, "creator": self.creator}[name]


def watched(platform: SimulatedPlatform) -> list[Watched]:
    """Return all that shows by now."""
    shown_until = platform.now - platform.switches.graphql_delay
    viewings, broadcasts = platform.viewings()
    creators = {one.uid: one.creator or "" for one in platform.find_videos()}
    found: list[Watched] = []
    for viewing in viewings:
        end = shown_until if viewing.end is None else min(viewing.end, shown_until)
        for uid, begins, ends in _stretches(platform, viewing, broadcasts, end):
            creator = creators.get(uid, "")
            for start, seconds in _pieces(platform.at(begins), platform.at(ends)):
                found.append(
                    Watched(
                        uid=uid,
                        country=viewing.country,
                        creator=creator,
                        start=start,
                        minutes=seconds * viewing.viewers / 60,
                    )
                )
    return found


def _stretches(
    platform: SimulatedPlatform, viewing: Viewing, broadcasts: Sequence[Broadcast], end: float
) -> list[tuple[str, float, float]]:
    """Return what was really watched, from when until when."""
    if viewing.uid in platform.videos:
        return [(viewing.uid, viewing.start, end)] if viewing.start < end else []
    by_video = platform.switches.minutes_of is MinutesOf.VIDEO
    found: list[tuple[str, float, float]] = []
    for one in broadcasts:
        begins = one.watchable_from
        if one.input_id != viewing.uid or begins is None:
            continue
        start = max(viewing.start, begins)
        stop = end if one.off is None else min(end, one.off)
        if start < stop:
            found.append((one.id if by_video else one.input_id, start, stop))
    return found


def _pieces(start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    """Cut a stretch of time at full ten minutes; return each piece's start and its seconds."""
    found: list[tuple[datetime, float]] = []
    while start < end:
        full = start.replace(minute=start.minute - start.minute % 10, second=0, microsecond=0)
        stop = min(end, full + timedelta(minutes=10))
        found.append((start, (stop - start).total_seconds()))
        start = stop
    return found


# -- GraphQL --------------------------------------------------------------------------------------


def answer_query(
    platform: SimulatedPlatform, token: Token, body: Mapping[str, object]
) -> tuple[int, dict[str, object]]:
    """Answer a GraphQL query: return HTTP status and body, also where it is refused."""
    path: list[str] = []
    try:
        data = _Execution(platform, token, path).run(_fields(body))
    except QueryError as error:
        stamp = f"{platform.at(platform.now):%Y-%m-%dT%H:%M:%S.%f}000Z"
        refusal = {"message": str(error), "path": path or None, "extensions": {"timestamp": stamp}}
        hides = platform.switches.graphql_refusal is QueryRefusal.STATUS_200
        return 200 if hides else error.status, {"data": None, "errors": [refusal]}
    return 200, {"data": data, "errors": None}


def _fields(body: Mapping[str, object]) -> Sequence[Field]:
    query, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(query, str) or not isinstance(variables, dict):
        raise QueryError("query must be text and variables an object")
    return parse(query, variables)


class _Execution:
    def __init__(self, platform: SimulatedPlatform, token: Token, path: list[str]) -> None:
        self._platform = platform
        self._token = token
        self._path = path

    def run(self, fields: Sequence[Field]) -> dict[str, object]:
        return self._each(fields, {"viewer": self._viewer}, "query")

    def _viewer(self, field: Field) -> object:
        return self._each(field.fields, {"accounts": self._accounts}, "viewer")

    def _accounts(self, field: Field) -> object:
        given = field.arguments.get("filter")
        account = given.get("accountTag") if isinstance(given, dict) else None
        if not isinstance(account, str):
            raise QueryError("accounts need a filter by accountTag")
        self._path.append("0")
        if account != self._platform.account_id:
            raise QueryError("not authorized for that account", status=403)
        if not self._token.may(ANALYTICS):
            raise QueryError(f"account '{account}' does not have access to the path", status=403)
        found = self._each(field.fields, dict.fromkeys(_DATASETS, self._groups), "account")
        self._path.pop()
        return [found]

    def _groups(self, field: Field) -> object:
        limit = field.arguments.get("limit")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MAX_ROWS:
            raise QueryError(f"limit must be positive number and not greater than {MAX_ROWS}")
        given = field.arguments.get("filter")
        if not isinstance(given, dict):
            raise QueryError("a filter by date or datetime is required")
        self._check_range(given)
        matches = _matcher(given)
        rows = [one for one in watched(self._platform) if matches(one)]
        dimensions = _dimensions(field)
        groups: dict[tuple[str, ...], list[Watched]] = {}
        for row in rows:
            groups.setdefault(tuple(row.dimension(one) for one in dimensions), []).append(row)
        total = _DATASETS[field.name]
        found = [
            _group(field.fields, dict(zip(dimensions, key, strict=True)), members, total)
            for key, members in _ordered(groups, dimensions, field.arguments, total)
        ]
        return found[:limit]

    def _check_range(self, given: Mapping[str, object]) -> None:
        now = self._platform.at(self._platform.now)
        starts = [_time(given[name]) for name in given if name.startswith(_AFTER)]
        ends = [_time(given[name]) for name in given if name.startswith(_BEFORE)]
        if not starts:
            raise QueryError("the filter must have a start: date_geq or datetime_geq")
        start, end = max(starts), min([*ends, now])
        if start < _day(now) - RETENTION:
            raise QueryError(f"cannot request data older than {RETENTION.total_seconds():.0f}s")
        if end - start > MAX_RANGE + timedelta(days=1):
            raise QueryError(
                f"query time range is too large: at most {MAX_RANGE.total_seconds():.0f}s"
            )

    def _each(
        self,
        fields: Sequence[Field],
        known: Mapping[str, Callable[[Field], object]],
        parent: str,
    ) -> dict[str, object]:
        found: dict[str, object] = {}
        for field in fields:
            self._path.append(field.alias)
            if field.name not in known:
                raise QueryError(f"unknown field {field.name!r} for {parent}")
            if not field.fields:
                raise QueryError(f"object field must have selections: {field.name}")
            found[field.alias] = known[field.name](field)
            self._path.pop()
        return found


_AFTER: Final = ("date_geq", "date_gt", "datetime_geq", "datetime_gt")
_BEFORE: Final = ("date_leq", "date_lt", "datetime_leq", "datetime_lt")


def _dimensions(field: Field) -> list[str]:
    asked = [one.name for sub in field.fields if sub.name == "dimensions" for one in sub.fields]
    unknown = sorted(set(asked) - set(_DIMENSIONS))
    if unknown:
        raise QueryError(f"unknown field {unknown[0]!r} for dimensions")
    return list(dict.fromkeys(asked))


def _group(
    fields: Sequence[Field], dimensions: Mapping[str, str], rows: Sequence[Watched], total: str
) -> dict[str, object]:
    found: dict[str, object] = {}
    for field in fields:
        if field.name == "dimensions":
            found[field.alias] = {one.alias: dimensions[one.name] for one in field.fields}
        elif field.name == "sum" and {one.name for one in field.fields} == {total}:
            found[field.alias] = {one.alias: _minutes(rows) for one in field.fields}
        elif field.name == "count" and total == "timeViewedMinutes":
            found[field.alias] = len(rows)
        else:
            raise QueryError(f"unknown field {field.name!r}, or one of its fields")
    return found


def _minutes(rows: Sequence[Watched]) -> float:
    minutes = round(math.fsum(one.minutes for one in rows), 6)
    return int(minutes) if minutes.is_integer() else minutes


def _ordered(
    groups: Mapping[tuple[str, ...], list[Watched]],
    dimensions: Sequence[str],
    arguments: Mapping[str, object],
    total: str,
) -> list[tuple[tuple[str, ...], list[Watched]]]:
    given = arguments.get("orderBy") or []
    orders = given if isinstance(given, list) else [given]
    found = sorted(groups.items())
    for order in reversed(orders):
        name, _, direction = str(order).rpartition("_")
        if direction not in {"ASC", "DESC"} or name not in {f"sum_{total}", *dimensions}:
            raise QueryError(f"cannot order by {order}")
        index = None if name.startswith("sum_") else dimensions.index(name)
        if index is None:
            found.sort(key=lambda one: _minutes(one[1]), reverse=direction == "DESC")
        else:
            place = index
            found.sort(key=lambda one: one[0][place], reverse=direction == "DESC")
    return found


def _matcher(given: Mapping[str, object]) -> Callable[[Watched], bool]:
    """Return what tells whether a row is meant by a filter."""
    tests: list[Callable[[Watched], bool]] = []
    for name, wanted in given.items():
        if name in {"AND", "OR"} and isinstance(wanted, list):
            parts = [_matcher(one) for one in wanted if isinstance(one, dict)]
            tests.append(_joined(parts, all if name == "AND" else any))
        else:
            tests.append(_comparison(name, wanted))
    return _joined(tests, all)


def _joined(
    tests: Sequence[Callable[[Watched], bool]], join: Callable[[Iterable[bool]], bool]
) -> Callable[[Watched], bool]:
    return lambda row: join(test(row) for test in tests)


def _comparison(name: str, wanted: object) -> Callable[[Watched], bool]:
    dimension, _, operator = name.partition("_")
    compare = _OPERATORS.get(operator)
    if dimension not in _DIMENSIONS or compare is None:
        raise QueryError(f"unknown filter {name!r}")
    if operator in {"in", "notin"}:
        if not isinstance(wanted, list):
            raise QueryError(f"{name} must be a list")
    elif not isinstance(wanted, str):
        raise QueryError(f"{name} must be text")
    if dimension in _TIMES:
        moments = [_time(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
        limit: object = moments if isinstance(wanted, list) else moments[0]
        return lambda row: compare(_day(row.start) if dimension == "date" else row.start, limit)
    return lambda row: compare(row.dimension(dimension), wanted)


_OPERATORS: Final[Mapping[str, Callable[..., bool]]] = {
    "": lambda value, wanted: value == wanted,
    "neq": lambda value, wanted: value != wanted,
    "in": lambda value, wanted: value in wanted,
    "notin": lambda value, wanted: value not in wanted,
    "gt": lambda value, wanted: value > wanted,
    "geq": lambda value, wanted: value >= wanted,
    "lt": lambda value, wanted: value < wanted,
    "leq": lambda value, wanted: value <= wanted,
}


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _time(value: object) -> datetime:
    try:
        if isinstance(value, str) and len(value) == len("2030-01-02"):
            return datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise QueryError(f"{value!r} is no date or time") from None
    if moment.tzinfo is None:
        raise QueryError(f"{value!r} has no time zone")
    return moment.astimezone(UTC)


# -- usage ----------------------------------------------------------------------------------------


def usage(call: Call) -> object:
    """Return the minutes that were watched of the whole account, in steps of time.

    Codes are those of the OpenAPI description, as is the default of the last six hours.
    """
    platform = call.platform
    now = platform.at(platform.now)
    step = _SCALE.get(call.query("time_delta") or "hour")
    if step is None or call.query("metrics") not in {None, "streamMinutesViewed"}:
        raise RefusedError(400, 10010, "Bad Request")
    since = _usage_time(call.query("since"), now - timedelta(hours=6))
    until = _usage_time(call.query("until"), now)
    limit = call.query("limit") or str(MAX_ROWS)
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MAX_ROWS):
        raise RefusedError(400, 10010, "Bad Request")
    if call.query("filters") is not None:
        raise invalid("the simulated platform knows no filters here")
    seconds = int(step.total_seconds())
    sums: dict[int, float] = {}
    for one in watched(platform):
        if since <= one.start < until:
            moment = int(one.start.timestamp())
            moment -= moment % seconds
            sums[moment] = sums.get(moment, 0.0) + one.minutes
    rows = [
        {"streamMinutesViewed": round(minutes), "ts": moment}
        for moment, minutes in sorted(sums.items())
    ]
    return rows[: int(limit)]


def _usage_time(text: str | None, default: datetime) -> datetime:
    try:
        return default if text is None else _time(text)
    except QueryError:
        raise RefusedError(400, 10010, "Bad Request") from None
