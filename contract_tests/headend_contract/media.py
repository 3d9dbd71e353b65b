"""Real pictures for a simulated platform, by live streams of another provider."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from headend.plugin import (
    Capability,
    HeadendError,
    MediaStream,
    StreamNotFoundError,
    StreamState,
)

if TYPE_CHECKING:
    from headend import StreamingPlatform
    from headend.plugin import StreamCredentials

_CHANNEL_ID: Final = "simulated"
"""The host's own id of every live stream that is behind a simulated one."""

_log = logging.getLogger(__name__)


class PlatformMedia:
    """A `headend.plugin.MediaBackend` whose live streams are those of an open platform.

    It must not outlive the platform, which stays the caller's to close::

        with headend.open("local", database=None) as platform:
            media = PlatformMedia(platform)
            ...
            media.close()
    """

    def __init__(self, platform: StreamingPlatform) -> None:
        self._platform = platform
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def create(self, name: str) -> MediaStream:
        """Make a live stream, with low latency where the platform has that."""
        credentials = self._platform.create_live_stream(
            _CHANNEL_ID,
            name=name or None,
            low_latency=Capability.LOW_LATENCY in self._platform.capabilities,
        )
        with self._lock:
            self._made.add(credentials.stream_id)
        return _media_stream(credentials)

    def rotate(self, media_id: str) -> MediaStream:
        """Replace the stream key; an encoder that uses the old one is disconnected."""
        return _media_stream(self._platform.rotate_stream_key(media_id))

    def set_enabled(self, media_id: str, *, enabled: bool) -> None:
        """Let encoders in, or refuse them and disconnect the one that is there."""
        if enabled:
            self._platform.enable_live_stream(media_id)
        else:
            self._platform.disable_live_stream(media_id)

    def state(self, media_id: str) -> StreamState:
        """Return what it is doing; ``ended`` where there is none of that id."""
        try:
            state = self._platform.get_live_stream(media_id).state
        except StreamNotFoundError:
            return StreamState.ENDED
        return StreamState.UNKNOWN if state is None else state

    def viewer_count(self, media_id: str) -> int | None:
        """Return how many watch now, or `None` where that is not known."""
        try:
            return self._platform.get_analytics(media_id).viewer_count
        except StreamNotFoundError:
            return None

    def end(self, media_id: str) -> None:
        """End it for good and disconnect the encoder; one that is gone is no error."""
        self._platform.end_live_stream(media_id)
        with self._lock:
            self._made.discard(media_id)

    def close(self) -> None:
        """End all that was made and not ended: nothing that is simulated outlives its simulator.

        What cannot be ended is logged.
        """
        with self._lock:
            left = sorted(self._made)
        for number, media_id in enumerate(left):
            try:
                self.end(media_id)
            except HeadendError as error:
                _log.warning("not ended: %s: %s", ", ".join(left[number:]), error)
                return


def _media_stream(credentials: StreamCredentials) -> MediaStream:
    return MediaStream(
        media_id=credentials.stream_id,
        server_url=credentials.rtmp_push_url,
        stream_key=credentials.stream_key,
        hls_url=credentials.playback_url,
    )
