"""A good provider that tells as little as it may, so that some checks have nothing to try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import StreamAnalytics, unknown_metrics
from headend_contract.known_bad import reference_spec
from headend_contract.known_bad.platforms import simulator_of
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from headend.plugin import Fields, LiveStream, Operation, Recording

    _T = TypeVar("_T")

_ALL: Final = 1000
"""Elements of the one page that a list has."""


class TellsLittle(ReferenceProvider):
    """Gives nothing that may be `None`, and lists in one page."""

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream, without its age."""
        return evolve(super().get_live_stream(stream_id), created_at=None)

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, without their age."""
        return (evolve(one, created_at=None) for one in super().list_live_streams())

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return no figures."""
        self.get_live_stream(stream_id)
        return StreamAnalytics(
            stream_id=stream_id,
            as_of=self._clock.now(),
            unknown=unknown_metrics("this platform has no figures"),
        )

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Return what is kept, and nothing of it but its name."""
        found = super().list_recordings(stream_id)
        return (evolve(one, duration=None, playback_url=None) for one in found)

    def pages(
        self, operation: Operation, path: str, name: str, read: Callable[[Fields], _T]
    ) -> Iterator[_T]:
        """Return the elements of the one page that there is."""
        yield from self._transport.send(
            operation,
            "GET",
            path,
            query={"limit": str(_ALL)},
            read=lambda fields: fields.each(name, read),
        )


RETICENT: Final = reference_spec(
    factory=TellsLittle, simulator=simulator_of(__name__, "create_app", page_size=_ALL)
)
"""Its description."""
