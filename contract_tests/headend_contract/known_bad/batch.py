"""Providers that are wrong about the figures of many live streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.plugin import StreamAnalytics


@known_bad("BATCH-ORDER-001", "BATCH-SIZE-001", what="It returns figures in the platform's order.")
class PlatformOrder(ReferenceProvider):
    """Leaves the answer as it comes."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Sort by id."""
        found = super().get_analytics_many(stream_ids)
        return sorted(found, key=lambda one: one.stream_id)


@known_bad("BATCH-REQUESTS-001", what="It asks for the figures of many one by one.")
class OneByOne(ReferenceProvider):
    """Declares what it does not have."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Ask for each."""
        return [self.get_analytics(one) for one in stream_ids]


@known_bad("BATCH-NONE-001", what="Asked for the figures of none, it gives those of all.")
class AllForNone(ReferenceProvider):
    """Takes an empty list for no filter."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Ask for all."""
        chosen = stream_ids or [one.stream_id for one in self.list_live_streams()]
        return super().get_analytics_many(chosen)


@known_bad("BATCH-SIZE-001", what="It asks for the figures of fifty, and is done.")
class FirstFifty(ReferenceProvider):
    """Takes what one request may ask for."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Leave the others out."""
        return super().get_analytics_many(stream_ids[:50])
