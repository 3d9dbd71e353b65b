"""What a provider is: the operations that all have, and those that some have.

A provider is synchronous.  It raises the errors of `headend.errors`, and it takes time, chance
and the way to send requests from its `ProviderContext`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from attrs import field, frozen

from headend.calls import Calls
from headend.clock import Clock
from headend.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headend.models import (
        EndResult,
        Health,
        LiveStream,
        PlaybackToken,
        Recording,
        Session,
        SimulcastTarget,
        StreamAnalytics,
        StreamCredentials,
        StreamEvent,
    )
    from headend.secret import Secret


@frozen(kw_only=True)
class ProviderContext:
    """All that touches the world, handed to a provider's factory.

    Attributes:
        calls: sends every request.
        clock: tells the time and waits.
        random: the source of chance.
        data_dir: the folder for what headend keeps on this machine; it may not exist yet.
    """

    calls: Calls
    clock: Clock
    random: Random
    data_dir: Path


@frozen(kw_only=True)
class CreateRequest:
    """What a host asked to have created.  Core has checked types; the platform's limits are yours.

    Attributes:
        channel_id: the host's own id, as text.
        name: for people, or `None`.
        metadata: the host's own texts.
        low_latency: asked for only if the provider has `Capability.LOW_LATENCY`.
        marker: put this on what you create, so that it can be found again; core fills it in.
        options: an object of the spec's options class, or `None` if it has none.
    """

    channel_id: str
    marker: str
    name: str | None = None
    metadata: Mapping[str, str] = field(factory=dict)
    low_latency: bool = False
    options: object = None


@runtime_checkable
class Provider(Protocol):
    """The operations that every provider has.

    `StreamNotFoundError` is raised by all that take a `stream_id` but `end_live_stream`.
    """

    @property
    def account(self) -> str:
        """Name the account, and the region where there is one; it holds no secret.

        One ledger serves many accounts: live streams of different ones are never compared.
        """
        ...

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create a live stream and return what is needed to push to it and to watch it."""
        ...

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream as the platform has it now."""
        ...

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, page by page as they are taken."""
        ...

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:
        """Return all live streams that bear the marker, by the surest way the platform has.

        This is how a creation is looked up whose answer was lost.

        Args:
            marker: what `CreateRequest.marker` was.
            name: the host's own, as it was asked for at creation; for platforms that can find by
                name.
        """
        ...

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return what `create_live_stream` returned, with the key as it is now."""
        ...

    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        ...

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return the figures that the platform gives, and the reason for each that it does not."""
        ...

    def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
        """End a live stream for good, in the platform's safe order; gone already is no error."""
        ...

    def check_health(self) -> Health:
        """Ask the platform whether a live stream could be created with these settings."""
        ...

    def close(self) -> None:
        """Free connections.  Called once; nothing is called after it."""
        ...


@runtime_checkable
class ConfirmsCreation(Protocol):
    """What a provider does besides whose platform may accept a setting and not keep it.

    It is not a capability: a host cannot call it.  Where the answer to a creation was lost and the
    live stream was found by its marker, core calls this instead of `get_credentials`, so that what
    `create_live_stream` would have seen in the answer is seen all the same.
    """

    def confirm_live_stream(self, request: CreateRequest, stream_id: str) -> StreamCredentials:
        """Return what `create_live_stream` would have returned for this request.

        Whatever `create_live_stream` makes of a setting that was not kept, this makes of it too:
        a warning in the credentials, or an `InvalidRequestError` or `ConfigurationError` after the
        live stream was deleted.  These two errors say that nothing was created.
        """
        ...


@runtime_checkable
class RotatesKeys(Protocol):
    """`Capability.KEY_ROTATION`."""

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the stream key; the old one is dead from then on."""
        ...


@runtime_checkable
class Enables(Protocol):
    """`Capability.ENABLE`."""

    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Let encoders in again."""
        ...

    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse encoders, and disconnect the one that is there, without ending the live stream."""
        ...


@runtime_checkable
class Records(Protocol):
    """`Capability.RECORDINGS`."""

    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Return what is kept of a live stream's sessions."""
        ...

    def delete_recording(self, recording_id: str) -> None:
        """Delete one for good; one that is gone is no error."""
        ...


@runtime_checkable
class Simulcasts(Protocol):
    """`Capability.SIMULCAST`."""

    def list_simulcast_targets(self, stream_id: str) -> Sequence[SimulcastTarget]:
        """Return the places to which the platform pushes a copy."""
        ...

    def create_simulcast_target(
        self, stream_id: str, server_url: str, stream_key: Secret
    ) -> SimulcastTarget:
        """Add one."""
        ...

    def update_simulcast_target(
        self, stream_id: str, target_id: str, *, enabled: bool
    ) -> SimulcastTarget:
        """Switch one on or off."""
        ...

    def delete_simulcast_target(self, stream_id: str, target_id: str) -> None:
        """Remove one; one that is gone is no error."""
        ...


@runtime_checkable
class SignsPlayback(Protocol):
    """`Capability.SIGNED_PLAYBACK`."""

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Give leave to watch for so many seconds."""
        ...


@runtime_checkable
class ParsesEvents(Protocol):
    """`Capability.EVENTS`."""

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> StreamEvent:
        """Verify and read a message; `AuthenticationError` if it is not from the platform."""
        ...


@runtime_checkable
class ListsSessions(Protocol):
    """`Capability.SESSIONS`."""

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Return a live stream's broadcasts, the latest first.

        What takes a request of its own for each is left to `get_session`.
        """
        ...

    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Return one broadcast with all that the platform tells of it.

        Raises:
            StreamNotFoundError: there is no such live stream, or it had no such session.
        """
        ...


@runtime_checkable
class PutsTimedMetadata(Protocol):
    """`Capability.TIMED_METADATA`."""

    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        """Send a text to all viewers, in time with the picture."""
        ...


@runtime_checkable
class BatchesAnalytics(Protocol):
    """`Capability.BATCH_ANALYTICS`."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Return the figures of many with fewer requests than one each, in the order asked."""
        ...


PROTOCOLS: Final[Mapping[Capability, type]] = {
    Capability.KEY_ROTATION: RotatesKeys,
    Capability.ENABLE: Enables,
    Capability.RECORDINGS: Records,
    Capability.SIMULCAST: Simulcasts,
    Capability.SIGNED_PLAYBACK: SignsPlayback,
    Capability.EVENTS: ParsesEvents,
    Capability.SESSIONS: ListsSessions,
    Capability.TIMED_METADATA: PutsTimedMetadata,
    Capability.BATCH_ANALYTICS: BatchesAnalytics,
}
"""The protocol of each capability that adds operations.

`LOW_LATENCY`, `SRT` and `WHIP` add none: they allow an argument and further ingests.
"""


class ProviderFactory(Protocol):
    """What `ProviderSpec.factory` names."""

    def __call__(self, settings: object, context: ProviderContext) -> Provider:
        """Make a provider without sending anything."""
        ...
