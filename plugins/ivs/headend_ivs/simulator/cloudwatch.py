"""GetMetricData of the simulated platform.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from headend_ivs.simulator.metrics import NAMESPACE, points
from headend_ivs.simulator.platform import RefusedError, region_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend_ivs.simulator.platform import SimulatedPlatform

    Json = dict[str, object]

_MOST_QUERIES: Final = 500
_MOST_POINTS: Final = 100_800
_ID: Final = re.compile(r"[a-z][a-zA-Z0-9_]*")
_SHORT_PERIODS: Final = frozenset({1, 5, 10, 20, 30})
_STATISTICS: Final = frozenset({"Average", "Maximum", "Minimum", "SampleCount", "Sum"})


def get_metric_data(platform: SimulatedPlatform, region: str, given: Mapping[str, object]) -> Json:
    """Answer queries, page by page.

    Args:
        platform: whose channels are measured.
        region: where the metrics are.
        given: the parameters, which fit the service model.
    """
    queries = cast("list[Json]", given["MetricDataQueries"])
    start, end = float(cast("float", given["StartTime"])), float(cast("float", given["EndTime"]))
    most = cast("int", given.get("MaxDatapoints", _MOST_POINTS))
    _check(queries, start, end, most)
    size = min(most, platform.switches.metrics_page)
    first = _offset(str(given["NextToken"])) if "NextToken" in given else 0
    latest_first = given.get("ScanBy") != "TimestampAscending"

    series = {
        str(one["Id"]): (_label(one), _points(platform, region, one, start, end))
        for one in queries
        if one.get("ReturnData", True)
    }
    results: list[Json] = []
    seen = 0
    for name, (label, found) in series.items():
        ordered = found[::-1] if latest_first else found
        left, right = max(0, first - seen), max(0, first + size - seen)
        shown, whole = ordered[left:right], right >= len(ordered)
        seen += len(ordered)
        if shown or (first == 0 and not ordered) or (first == 0 and not whole):
            results.append(
                {
                    "Id": name,
                    "Label": label,
                    "Timestamps": [at for at, _ in shown],
                    "Values": [value for _, value in shown],
                    "StatusCode": "Complete" if whole else "PartialData",
                }
            )
    answer: Json = {"MetricDataResults": results, "Messages": []}
    if seen > first + size:
        answer["NextToken"] = f"points-{first + size}"
    return answer


def _check(queries: list[Json], start: float, end: float, most: int) -> None:
    if not 1 <= most <= _MOST_POINTS:
        raise RefusedError("ValidationError", f"MaxDatapoints is from 1 to {_MOST_POINTS}.")
    if len(queries) > _MOST_QUERIES:
        raise RefusedError("ValidationError", f"At most {_MOST_QUERIES} queries are allowed.")
    if start >= end:
        raise RefusedError(
            "ValidationError", "The parameter StartTime must be less than the parameter EndTime."
        )
    names = [str(one["Id"]) for one in queries]
    if len(set(names)) != len(names) or not all(_ID.fullmatch(one) for one in names):
        raise RefusedError(
            "ValidationError", "The values for parameter id in MetricDataQueries are not valid."
        )
    for one in queries:
        if ("Expression" in one) == ("MetricStat" in one):
            raise RefusedError(
                "ValidationError", "A query has either an Expression or a MetricStat."
            )
        if "Expression" in one:
            raise RefusedError("ValidationError", "This simulator does not calculate expressions.")
        stat = cast("Json", one["MetricStat"])
        period = cast("int", stat["Period"])
        if period % 60 and period not in _SHORT_PERIODS:
            raise RefusedError("ValidationError", "Period must be 1, 5, 10, 20, 30 or n * 60.")
        if stat["Stat"] not in _STATISTICS:
            raise RefusedError("ValidationError", "This simulator knows no such statistic.")


def _label(query: Json) -> str:
    metric = cast("Json", cast("Json", query["MetricStat"])["Metric"])
    return str(query.get("Label", metric.get("MetricName", "")))


def _points(
    platform: SimulatedPlatform, region: str, query: Json, start: float, end: float
) -> list[tuple[float, float]]:
    stat = cast("Json", query["MetricStat"])
    metric = cast("Json", stat["Metric"])
    dimensions = cast("list[Json]", metric.get("Dimensions", []))
    # Points have a unit each, and a query that names another one finds none.
    if metric.get("Namespace") != NAMESPACE or "Unit" in stat:
        return []
    if [one["Name"] for one in dimensions] != ["Channel"]:
        return []
    for channel in (*platform.channels.values(), *platform.deleted):
        if channel.id == dimensions[0]["Value"] and region_of(channel.arn) == region:
            platform.settle(channel)
            return points(
                channel.timeline,
                str(metric.get("MetricName", "")),
                start=start,
                end=end,
                period=cast("int", stat["Period"]),
                statistic=str(stat["Stat"]),
                now=platform.now(),
                lag=platform.switches.metric_lag,
                raw=platform.switches.raw_points,
            )
    return []


def _offset(token: str) -> int:
    word, _, number = token.partition("-")
    if word == "points" and number.isascii() and number.isdigit():
        return int(number)
    raise RefusedError("InvalidNextToken", "The next token specified is invalid.")
