"""All live streams of one server: made, found, let in, ended, and kept on disk.

The registry joins what is on disk (`headend_local.state`) with what is running
(`headend_local.live_stream`).  The RTMP side asks it whom a stream key lets in, the HTTP side asks
it for everything else.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from headend_local.live_stream import Clocks, RunningLiveStream, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend.plugin import Secret
    from headend_local.live_stream import Encoder
    from headend_local.state import LiveStreamRecord, State

_TOTALS_EVERY: Final = 2.0
"""Seconds between two writings of the totals: the most that a kill -9 can cost."""


class RefusedError(Exception):
    """An encoder is not let in; the text is what the encoder shows.

    Attributes:
        live_stream_id: the live stream whose key was given, or `None` if it was nobody's.
    """

    def __init__(self, reason: str, live_stream_id: str | None = None) -> None:
        super().__init__(reason)
        self.live_stream_id = live_stream_id


class Registry:
    """The live streams of one server.  Everything happens on the server's event loop."""

    def __init__(
        self,
        state: State,
        *,
        clocks: Clocks | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        timing: Timing | None = None,
    ) -> None:
        self._state = state
        self._clocks = clocks or Clocks(monotonic=time.monotonic, wall=time.time)
        self._random_bytes = random_bytes
        self._timing = timing or Timing()
        self._live_streams = {each.id: self._running(each) for each in state.live_streams()}
        self._ended: dict[str, RunningLiveStream] = {}
        self._saved = {key: each.totals for key, each in self._live_streams.items()}
        self._saved_at = self._clocks.monotonic()

    def __len__(self) -> int:
        return len(self._live_streams)

    def now(self) -> datetime:
        """Return the wall-clock time, aware and in UTC."""
        return datetime.fromtimestamp(self._clocks.wall(), UTC)

    # ------------------------------------------------------------------ for the host

    def create(
        self,
        *,
        channel_id: str,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        low_latency: bool = False,
        marker: str | None = None,
    ) -> RunningLiveStream:
        """Make a live stream with a new stream key."""
        record = self._state.create(
            channel_id=channel_id,
            created_at=self.now(),
            name=name,
            metadata=metadata,
            low_latency=low_latency,
            marker=marker,
        )
        running = self._live_streams[record.id] = self._running(record)
        return running

    def get(self, live_stream_id: str) -> RunningLiveStream | None:
        """Return a live stream that has not been ended, or `None`."""
        return self._live_streams.get(live_stream_id)

    def page(self, *, after: int, limit: int) -> list[RunningLiveStream]:
        """Return up to `limit` live streams whose number is above `after`, oldest first."""
        # A dict keeps the order of creation, which is the order of the numbers.
        found = (each for each in self._live_streams.values() if each.record.number > after)
        return list(islice(found, limit))

    def stream_key(self, live_stream_id: str) -> Secret:
        """Return the stream key; `KeyError` if there is no such live stream."""
        return self._state.stream_key(live_stream_id)

    def rotate_key(self, live_stream_id: str) -> Secret:
        """Replace the stream key, which disconnects an encoder that used the old one.

        Raises:
            KeyError: there is no such live stream.
        """
        key = self._state.rotate_key(live_stream_id)
        encoder = self._live_streams[live_stream_id].encoder
        if encoder is not None:
            encoder.disconnect("the stream key has been replaced")
        return key

    def set_enabled(self, live_stream_id: str, *, enabled: bool) -> None:
        """Let encoders in, or keep them out; `KeyError` if there is no such live stream."""
        running = self._live_streams[live_stream_id]
        self._state.set_enabled(live_stream_id, enabled=enabled)
        running.set_enabled(enabled=enabled)

    def end(self, live_stream_id: str) -> None:
        """End a live stream for good; `KeyError` if there is none.

        Its key is refused and its encoder sent away at once; its playlist is ended and stays
        readable for a while.
        """
        running = self._live_streams[live_stream_id]
        self._state.delete(live_stream_id)
        del self._live_streams[live_stream_id]
        self._saved.pop(live_stream_id, None)
        running.end()
        self._ended[live_stream_id] = running

    # ------------------------------------------------------------------ for viewers

    def find(self, live_stream_id: str) -> RunningLiveStream | None:
        """Return a live stream that can be watched, even if it has ended not long ago."""
        return self._live_streams.get(live_stream_id) or self._ended.get(live_stream_id)

    # ------------------------------------------------------------------ for encoders

    def admit(self, key: Secret, encoder: Encoder) -> RunningLiveStream:
        """Let an encoder in and begin its session.

        Raises:
            RefusedError: the key is nobody's, or the live stream does not take an encoder now.
        """
        live_stream_id = self._state.find_by_key(key)
        if live_stream_id is None:
            raise RefusedError("stream key refused")
        running = self._live_streams[live_stream_id]
        if not running.record.enabled:
            raise RefusedError("this live stream is disabled", live_stream_id)
        if running.encoder is not None:
            raise RefusedError("this live stream is already being pushed to", live_stream_id)
        running.attach(encoder)
        return running

    # ------------------------------------------------------------------ for the server

    def tick(self) -> None:
        """Let time pass; to be called about once a second."""
        for running in self._live_streams.values():
            running.tick()
        for live_stream_id, running in list(self._ended.items()):
            if not running.tick():
                del self._ended[live_stream_id]
        if self._clocks.monotonic() - self._saved_at >= _TOTALS_EVERY:
            self.save_totals()

    def save_totals(self) -> None:
        """Write the totals that have changed."""
        self._saved_at = self._clocks.monotonic()
        totals = {key: each.totals for key, each in self._live_streams.items()}
        changed = {key: each for key, each in totals.items() if each != self._saved.get(key)}
        if changed:
            self._state.save_totals(changed)
            self._saved.update(changed)

    def release(self) -> None:
        """Answer everyone who waits, because the server stops."""
        for running in (*self._live_streams.values(), *self._ended.values()):
            running.release()

    def _running(self, record: LiveStreamRecord) -> RunningLiveStream:
        return RunningLiveStream(
            record,
            clocks=self._clocks,
            random_bytes=self._random_bytes,
            timing=self._timing,
        )
