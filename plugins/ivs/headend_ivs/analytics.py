"""What CloudWatch measures of a session: bitrate, peak viewers and watch time.

Metrics, dimensions and periods:
docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/stream-health.html.  Times and periods of
queries: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from headend.plugin import (
    AuthenticationError,
    BrokenAnswerError,
    PermissionDeniedError,
    PlatformError,
    PlatformProtocolError,
    StreamAnalytics,
)
from headend_ivs import wire
from headend_ivs.operations import GET_METRIC_DATA
from headend_ivs.wire import NAME, ChannelArn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from headend.plugin import Clock, Fields
    from headend_ivs.clients import IvsClients

_Number = TypeVar("_Number", int, float)

QUERIES: Final = 500
"""The most queries of one request."""

_FINE: Final = 60
_MEDIUM: Final = 300
_COARSE: Final = 3600
_FINE_KEPT: Final = timedelta(days=15)
_MEDIUM_KEPT: Final = timedelta(days=63)
"""Periods in seconds, and for how long CloudWatch keeps the finer ones; the coarsest stays longer
than AWS IVS keeps sessions."""
_MARGIN: Final = timedelta(hours=1)
"""A request must not come too late for the period that was chosen when it was made."""

_NOW_PERIOD: Final = 5
"""Seconds; what the guide advises for metrics of high resolution."""
_NOW_WINDOW: Final = timedelta(minutes=3)
_NOT_SETTLED: Final = timedelta(seconds=30)
"""The latest figures of high resolution are not complete; AWS's own sample leaves them out, too
(github.com/aws-samples/amazon-ivs-ugc-platform-web-demo, ``cdk/api/metrics``)."""

_DENIED: Final = 300.0
"""Seconds for which a refusal is taken for granted."""

_NOT_ALLOWED: Final = (
    "the credentials may not read it: allow the action cloudwatch:GetMetricData on all resources"
)
_NOT_YET: Final = "CloudWatch has no figures yet; they come a minute or two after the start"
_NO_FIGURES: Final = "CloudWatch has no figures for the latest session"

_NOT_LIVE: Final = "it is not live"
_NOT_COUNTED: Final = "AWS IVS did not count the viewers in time; ask again"
_NO_SESSION: Final = "there was no session in the sixty days for which AWS IVS keeps them"
_ASK_ALONE: Final = "it is not live; get_analytics() for it alone tells about its latest session"
_NO_START: Final = "AWS IVS does not tell when the session began"


@frozen(kw_only=True)
class Broadcast:
    """The session that figures are wanted of.

    Attributes:
        channel: what it is, or was, broadcast on.
        started_at: its beginning.
        ended_at: its end, or `None` while it goes on.
    """

    channel: ChannelArn
    started_at: datetime
    ended_at: datetime | None = None


@frozen(kw_only=True)
class Figures:
    """What CloudWatch says of a session: for each figure either it or the reason why not."""

    current_bitrate: int | str = _NOT_LIVE
    peak_viewers: int | str = _NO_SESSION
    total_watch_time: float | str = _NO_SESSION
    since: datetime | None = None


ONLY_ALONE: Final = Figures(peak_viewers=_ASK_ALONE, total_watch_time=_ASK_ALONE)
"""Of what is not live and was asked for among many."""

UNKNOWN_START: Final = Figures(
    current_bitrate=_NO_START, peak_viewers=_NO_START, total_watch_time=_NO_START
)
"""Of what is live since nobody knows when."""


def summary(
    channel: ChannelArn, stream: wire.Stream | None, figures: Figures, *, as_of: datetime
) -> StreamAnalytics:
    """Put what is broadcast and what was measured together.

    CloudWatch is a minute or two behind, so that its peak may be lower than the viewers who are
    counted now: then these are the peak.
    """
    viewers: int | str = _NOT_LIVE
    if stream is not None and stream.is_on:
        viewers = _NOT_COUNTED if stream.viewer_count is None else stream.viewer_count
    peak = figures.peak_viewers
    if isinstance(peak, int) and isinstance(viewers, int):
        peak = max(peak, viewers)
    known: dict[str, int | float | str] = {
        "viewer_count": viewers,
        "current_bitrate": figures.current_bitrate,
        "peak_viewers": peak,
        "total_watch_time": figures.total_watch_time,
    }
    return StreamAnalytics(
        stream_id=channel.text,
        as_of=as_of,
        viewer_count=_number_of(viewers),
        current_bitrate=_number_of(figures.current_bitrate),
        peak_viewers=_number_of(peak),
        total_watch_time=_number_of(figures.total_watch_time),
        watch_time_since=figures.since,
        unknown={name: why for name, why in known.items() if isinstance(why, str)},
    )


def _number_of(value: _Number | str) -> _Number | None:
    return None if isinstance(value, str) else value


class Metrics:
    """Asks CloudWatch.  It may be used by many threads."""

    def __init__(self, clients: IvsClients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._denied_until = -math.inf

    def of(self, broadcasts: Sequence[Broadcast], *, now: datetime) -> Mapping[ChannelArn, Figures]:
        """Return the figures of sessions, one for each channel, with as few requests as it takes.

        Args:
            broadcasts: at most one of each channel.
            now: the time.

        What CloudWatch refuses or does not answer is in the figures: the state and the viewers,
        which come from elsewhere, are worth more than these.

        Raises:
            AuthenticationError: the credentials are not good any more.
        """
        if not broadcasts:
            return {}
        if self._clock.monotonic() < self._denied_until:
            return _unknown(broadcasts, _NOT_ALLOWED)
        try:
            sessions = self._sessions(broadcasts, now)
            bitrates = self._bitrates([one for one in broadcasts if one.ended_at is None], now)
        except PermissionDeniedError:
            self._denied_until = self._clock.monotonic() + _DENIED
            return _unknown(broadcasts, _NOT_ALLOWED)
        except AuthenticationError:
            raise
        except PlatformError as error:
            return _unknown(broadcasts, f"CloudWatch did not tell it: {error.message}")
        return {
            one.channel: Figures(
                current_bitrate=bitrates.get(one.channel, _NOT_LIVE),
                peak_viewers=sessions[one.channel][0],
                total_watch_time=sessions[one.channel][1],
                since=one.started_at,
            )
            for one in broadcasts
        }

    def _sessions(
        self, broadcasts: Sequence[Broadcast], now: datetime
    ) -> dict[ChannelArn, tuple[int | str, float | str]]:
        """Return peak viewers and watch time."""
        found: dict[ChannelArn, tuple[int | str, float | str]] = {}
        by_period: dict[int, list[Broadcast]] = {}
        for one in broadcasts:
            by_period.setdefault(period(one.started_at, now), []).append(one)
        for seconds, group in by_period.items():
            # Neighbours in time share a request, so that none has to reach back further than need.
            group.sort(key=lambda one: one.started_at)
            for chunk in _chunks(group, QUERIES // 2):
                found |= self._chunk_of_sessions(chunk, seconds, now)
        return found

    def _chunk_of_sessions(
        self, chunk: Sequence[Broadcast], seconds: int, now: datetime
    ) -> dict[ChannelArn, tuple[int | str, float | str]]:
        queries = []
        for number, one in enumerate(chunk):
            queries.append(_query(f"p{number}", "ConcurrentViews", "Maximum", one, seconds))
            queries.append(_query(f"w{number}", "LiveDeliveredTime", "Sum", one, seconds))
        start = _floor(min(one.started_at for one in chunk), seconds)
        end = _ceil(max(one.ended_at or now for one in chunk), seconds)
        # A clock of ours that is behind must not make a query that ends before it begins.
        answers = self._ask(queries, start=start, end=max(end, start + timedelta(seconds=seconds)))
        found: dict[ChannelArn, tuple[int | str, float | str]] = {}
        for number, one in enumerate(chunk):
            first = _floor(one.started_at, seconds)
            last = _ceil(one.ended_at or now, seconds)
            empty = _NO_FIGURES if one.ended_at else _NOT_YET
            peak = _values(answers.get(f"p{number}"), first, last, empty)
            watched = _values(answers.get(f"w{number}"), first, last, empty)
            found[one.channel] = (
                peak if isinstance(peak, str) else round(max(peak)),
                watched if isinstance(watched, str) else math.fsum(watched),
            )
        return found

    def _bitrates(
        self, broadcasts: Sequence[Broadcast], now: datetime
    ) -> dict[ChannelArn, int | str]:
        """Return what encoders send now."""
        found: dict[ChannelArn, int | str] = {}
        end = _floor(now - _NOT_SETTLED, _NOW_PERIOD)
        start = _floor(now - _NOW_WINDOW, _NOW_PERIOD)
        for chunk in _chunks(broadcasts, QUERIES):
            answers = self._ask(
                [
                    _query(f"b{number}", "IngestBitrate", "Average", one, _NOW_PERIOD)
                    for number, one in enumerate(chunk)
                ],
                start=start,
                end=end,
            )
            for number, one in enumerate(chunk):
                first = max(start, _floor(one.started_at, _NOW_PERIOD))
                rates = _values(answers.get(f"b{number}"), first, end, _NOT_YET)
                found[one.channel] = rates if isinstance(rates, str) else round(rates[-1])
        return found

    def _ask(
        self, queries: list[dict[str, object]], *, start: datetime, end: datetime
    ) -> dict[str, Series]:
        answer = self._clients.metrics(
            GET_METRIC_DATA,
            MetricDataQueries=queries,
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
        )
        try:
            return {one.id: one for one in answer.each("MetricDataResults", series)}
        except BrokenAnswerError as error:
            raise PlatformProtocolError(
                f"the answer is not what CloudWatch promises: {error}",
                provider=NAME,
                operation=GET_METRIC_DATA.name,
                request_sent=True,
            ) from error


@frozen
class Series:
    """The answer to one query: values by the beginning of their periods, in order of time."""

    id: str
    status: str
    values: Mapping[datetime, float]


def series(fields: Fields) -> Series:
    """Read one of ``MetricDataResults``."""
    times, values = fields.raw("Timestamps") or [], fields.raw("Values") or []
    if not isinstance(times, list) or not isinstance(values, list) or len(times) != len(values):
        raise BrokenAnswerError("Timestamps and Values are not two lists of the same length")
    found = {
        wire.to_moment(time, "Timestamps"): _number(value)
        for time, value in zip(times, values, strict=True)
    }
    return Series(
        id=fields.text("Id"),
        status=fields.text("StatusCode") if fields.has("StatusCode") else "Complete",
        values=dict(sorted(found.items())),
    )


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise BrokenAnswerError("Values are not all numbers from 0")
    return float(value)


def _values(answer: Series | None, first: datetime, end: datetime, empty: str) -> list[float] | str:
    """Return the values of a session, or the reason why there are none."""
    if answer is None:
        return "CloudWatch did not answer for it"
    if answer.status == "Forbidden":
        return _NOT_ALLOWED
    if answer.status != "Complete":
        return f"CloudWatch could not tell all of it ({answer.status}); ask again"
    return [value for time, value in answer.values.items() if first <= time < end] or empty


def period(start: datetime, now: datetime) -> int:
    """Return the seconds of the finest period that CloudWatch still has of a start so long ago."""
    age = now - start + _MARGIN
    return _FINE if age < _FINE_KEPT else _MEDIUM if age < _MEDIUM_KEPT else _COARSE


def _query(
    id_: str, metric: str, stat: str, broadcast: Broadcast, seconds: int
) -> dict[str, object]:
    """Return a query.  It has no ``Unit``: one that does not fit gives nothing, and no error."""
    # The guide has "by channel ARN" in one row; AWS's own sample asks with the id, as here.
    dimension = {"Name": "Channel", "Value": broadcast.channel.resource_id}
    return {
        "Id": id_,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/IVS", "MetricName": metric, "Dimensions": [dimension]},
            "Period": seconds,
            "Stat": stat,
        },
    }


def _floor(moment: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(math.floor(moment.timestamp() / seconds) * seconds, UTC)


def _ceil(moment: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(math.ceil(moment.timestamp() / seconds) * seconds, UTC)


def _unknown(broadcasts: Iterable[Broadcast], why: str) -> dict[ChannelArn, Figures]:
    """Return the same reason for all that CloudWatch would have told."""
    return {
        one.channel: Figures(
            current_bitrate=_NOT_LIVE if one.ended_at else why,
            peak_viewers=why,
            total_watch_time=why,
        )
        for one in broadcasts
    }


def _chunks(all_: Sequence[Broadcast], size: int) -> Iterator[Sequence[Broadcast]]:
    for start in range(0, len(all_), size):
        yield all_[start : start + size]
