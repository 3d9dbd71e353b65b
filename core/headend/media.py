"""Real media for a simulated platform: pictures that go in and come out.

A simulator answers as its platform does, and carries no picture.  With a `MediaBackend` each of
its live streams has a real one behind it, which takes the push and gives the playback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from headend.secret import Secret

if TYPE_CHECKING:
    from headend.models import StreamState


@frozen(kw_only=True)
class MediaStream:
    """Where a real live stream takes and gives pictures.

    Attributes:
        media_id: names it in the backend.
        server_url: the RTMP or RTMPS address without the key.
        stream_key: the secret that lets an encoder push.
        hls_url: where viewers read; it holds no secret.
    """

    media_id: str
    server_url: str
    stream_key: Secret
    hls_url: str


class MediaBackend(Protocol):
    """What carries the pictures of a simulated platform.

    All calls block, so an application that answers on an event loop makes them in a thread.  They
    may come from several threads at once, and they raise `headend.plugin.HeadendError`.
    """

    def create(self, name: str) -> MediaStream:
        """Make a live stream; the name is for people."""
        ...

    def rotate(self, media_id: str) -> MediaStream:
        """Replace the stream key; an encoder that uses the old one is disconnected."""
        ...

    def set_enabled(self, media_id: str, *, enabled: bool) -> None:
        """Let encoders in, or refuse them and disconnect the one that is there."""
        ...

    def state(self, media_id: str) -> StreamState:
        """Return what it is doing; ``ended`` where there is none of that id."""
        ...

    def viewer_count(self, media_id: str) -> int | None:
        """Return how many watch now, or `None` where that is not known."""
        ...

    def end(self, media_id: str) -> None:
        """End it for good and disconnect the encoder; one that is gone is no error."""
        ...
