"""The metrics of a channel as CloudWatch gives them.

What they mean, their resolutions and units: namespace ``AWS/IVS``,
https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/stream-health.html.  Times are seconds
since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAMESPACE: Final = "AWS/IVS"

VIDEO_BITRATE: Final = 2_500_000
AUDIO_BITRATE: Final = 160_000
"""What every simulated encoder sends, in bits per second."""
FRAME_RATE: Final = 30
KEY_FRAME_INTERVAL: Final = 2.0

_DAY: Final = 86_400.0


@frozen(kw_only=True)
class Moment:
    """From when on a channel was so.

    Attributes:
        at: when.
        live: whether there is a stream.
        ingesting: whether data come in.
        viewers: how many watch.
    """

    at: float
    live: bool
    ingesting: bool
    viewers: int


@frozen
class _Span:
    start: float
    end: float
    moment: Moment

    @property
    def seconds(self) -> float:
        return self.end - self.start


@frozen
class _Statistics:
    """What CloudWatch keeps of one point."""

    least: float
    most: float
    total: float
    count: float = 1

    def give(self, name: str) -> float | None:
        match name:
            case "Minimum":
                return self.least
            case "Maximum":
                return self.most
            case "Sum":
                return self.total
            case "SampleCount":
                return self.count
            case "Average":
                return self.total / self.count
        return None


def _same(value: float) -> _Statistics:
    return _Statistics(value, value, value)


def _views(spans: Sequence[_Span]) -> _Statistics | None:
    live = [one for one in spans if one.moment.live]
    if not live:
        return None
    counts = [one.moment.viewers for one in live]
    seconds = sum(one.seconds for one in live)
    average = sum(one.moment.viewers * one.seconds for one in live) / seconds
    return _Statistics(min(counts), max(counts), average)


def _delivered(spans: Sequence[_Span]) -> _Statistics | None:
    live = [one for one in spans if one.moment.live]
    return _same(sum(one.moment.viewers * one.seconds for one in live)) if live else None


def _input(spans: Sequence[_Span]) -> _Statistics | None:
    live = [one for one in spans if one.moment.live]
    return _same(sum(one.seconds for one in live)) if live else None


def _while_ingesting(value: float) -> Callable[[Sequence[_Span]], _Statistics | None]:
    def measure(spans: Sequence[_Span]) -> _Statistics | None:
        return _same(value) if any(one.moment.ingesting for one in spans) else None

    return measure


@frozen
class _Metric:
    """How a metric is measured, once in so many seconds."""

    resolution: int
    measure: Callable[[Sequence[_Span]], _Statistics | None]


METRICS: Final[Mapping[str, _Metric]] = {
    "ConcurrentViews": _Metric(60, _views),
    "LiveDeliveredTime": _Metric(60, _delivered),
    "LiveInputTime": _Metric(60, _input),
    "IngestVideoBitrate": _Metric(5, _while_ingesting(VIDEO_BITRATE)),
    "IngestAudioBitrate": _Metric(5, _while_ingesting(AUDIO_BITRATE)),
    "IngestBitrate": _Metric(5, _while_ingesting(VIDEO_BITRATE + AUDIO_BITRATE)),
    "IngestFramerate": _Metric(5, _while_ingesting(FRAME_RATE)),
    "KeyframeInterval": _Metric(5, _while_ingesting(KEY_FRAME_INTERVAL)),
}
"""By name, with the dimension ``Channel``."""


def is_kept(start: float, period: int, now: float) -> bool:
    """Tell whether points of such a period are still kept from a start on.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html: older
    than 3 hours only in whole minutes, than 15 days in 5, than 63 days in whole hours.
    """
    age = now - start
    if age > 455 * _DAY:
        return False
    finest = 3600 if age > 63 * _DAY else 300 if age > 15 * _DAY else 60 if age > 10_800 else 1
    return period % finest == 0


def points(
    timeline: Sequence[Moment],
    name: str,
    *,
    start: float,
    end: float,
    period: int,
    statistic: str,
    now: float,
    lag: float,
    raw: float,
) -> list[tuple[float, float]]:
    """Return the time and value of each point of a metric, the oldest first.

    Args:
        timeline: how the channel was, in order.
        name: the metric's.
        start: the first moment, inclusive.
        end: the last one, exclusive.
        period: seconds of a point.
        statistic: e.g. ``Maximum``.
        now: the present.
        lag: seconds until a minute's metric is there.
        raw: seconds for which a metric of high resolution is there but too low.
    """
    metric = METRICS.get(name)
    fits = metric is not None and period % metric.resolution == 0
    if metric is None or not fits or not is_kept(start, period, now):
        return []
    found: dict[float, list[_Statistics]] = {}
    grain = min(period, 60)  # to which the platform rounds the start down
    first, last = floor(start / grain) * grain, min(end, now)
    for began, spans in _cut(timeline, metric.resolution, first, last, now):
        done = began + metric.resolution
        measured = metric.measure(spans)
        if measured is None or (metric.resolution >= 60 and done + lag > now):
            continue
        if metric.resolution < 60 and done + raw > now:
            measured = _same(measured.total / 2)
        found.setdefault(floor(began / period) * period, []).append(measured)
    values = ((at, _joined(parts).give(statistic)) for at, parts in sorted(found.items()))
    return [(at, value) for at, value in values if value is not None and first <= at < end]


def _joined(parts: Iterable[_Statistics]) -> _Statistics:
    each = list(parts)
    return _Statistics(
        min(one.least for one in each),
        max(one.most for one in each),
        sum(one.total for one in each),
        sum(one.count for one in each),
    )


def _cut(
    timeline: Sequence[Moment], width: int, first: float, last: float, now: float
) -> Iterator[tuple[float, list[_Span]]]:
    """Cut a timeline into pieces of one width; give each that has something in it."""
    pieces: dict[int, list[_Span]] = {}
    ends = [one.at for one in timeline[1:]] + [now]
    for moment, until in zip(timeline, ends):  # noqa: B905  # an empty one has an end, now
        if not (moment.live or moment.ingesting):
            continue
        start, end = max(moment.at, first), min(until, last)
        for number in range(floor(start / width), floor(end / width) + 1):
            left, right = max(start, number * width), min(end, (number + 1) * width)
            if left < right:
                pieces.setdefault(number, []).append(_Span(left, right, moment))
    for number, spans in sorted(pieces.items()):
        yield number * width, spans
