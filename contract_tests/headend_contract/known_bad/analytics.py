"""Providers that are wrong about figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from headend.plugin import StreamAnalytics


@known_bad("ANALYTICS-REASON-001", what="It does not say why a figure is missing.")
class GivesNoReasons(ReferenceProvider):
    """Leaves the reasons empty."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Lose the words."""
        found = super().get_analytics(stream_id)
        return evolve(found, unknown=dict.fromkeys(found.unknown, ""))


@known_bad("ANALYTICS-ZERO-001", what="It takes the platform's word for unknown for nobody.")
class ZeroForUnknown(ReferenceProvider):
    """Maps -1 to 0."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Make a zero up."""
        found = super().get_analytics(stream_id)
        if found.viewer_count is not None:
            return found
        unknown = {name: why for name, why in found.unknown.items() if name != "viewer_count"}
        return evolve(found, viewer_count=0, unknown=unknown)


@known_bad("ANALYTICS-VIEWERS-001", what="It gives the highest viewer count for that of now.")
class PeakForViewers(ReferenceProvider):
    """Mistakes one figure for another."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Give the peak."""
        found = super().get_analytics(stream_id)
        return (
            found if found.viewer_count is None else evolve(found, viewer_count=found.peak_viewers)
        )


@known_bad("ANALYTICS-PEAK-001", what="Its peak counts those who watch now twice.")
class SumForPeak(ReferenceProvider):
    """Adds where it should compare."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Add the viewers to the peak."""
        found = super().get_analytics(stream_id)
        return evolve(found, peak_viewers=(found.peak_viewers or 0) + (found.viewer_count or 0))


@known_bad("ANALYTICS-TIME-001", what="Its watch time is in minutes.")
class MinutesForSeconds(ReferenceProvider):
    """Forgets the unit."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Give minutes."""
        found = super().get_analytics(stream_id)
        return evolve(found, total_watch_time=(found.total_watch_time or 0) / 60)


@known_bad(
    "ANALYTICS-TIME-001", what="Its watch time is in minutes, and is told only while it is live."
)
class MinutesWhileLive(ReferenceProvider):
    """Forgets the unit of a figure that is gone when the show is over."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Give minutes, or nothing."""
        found = super().get_analytics(stream_id)
        if found.total_watch_time is None or found.current_bitrate is not None:
            return evolve(found, total_watch_time=(found.total_watch_time or 0) / 60)
        unknown = {**found.unknown, "total_watch_time": "the show is over"}
        return evolve(found, total_watch_time=None, unknown=unknown)


@known_bad("ANALYTICS-BITRATE-001", what="Its bitrate is in kilobits.")
class KilobitsForBits(ReferenceProvider):
    """Forgets the unit."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Give thousands of bits."""
        found = super().get_analytics(stream_id)
        if found.current_bitrate is None:
            return found
        return evolve(found, current_bitrate=found.current_bitrate // 1000)


@known_bad("ANALYTICS-BITRATE-001", what="Its bitrate is in bytes.")
class BytesForBits(ReferenceProvider):
    """Forgets the unit, so that the figure still could be that of a show."""

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Give bytes."""
        found = super().get_analytics(stream_id)
        if found.current_bitrate is None:
            return found
        return evolve(found, current_bitrate=found.current_bitrate // 8)
