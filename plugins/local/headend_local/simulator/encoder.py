"""A simulated encoder: the publishing side of RTMP, joined to the server's ingest in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from headend.rtmp.client import ClientSession, PublishAccepted
from headend_local.ingest import EncoderConnection
from headend_local.simulator import picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.plugin import Secret
    from headend_local.ingest import IngestServer

FRAME_TIME: Final = 0.5
"""Seconds from frame to frame."""

BITRATE: Final = round(8 * len(picture.frame(0, 0).payload) / FRAME_TIME)
"""Bits per second that it pushes."""

_APP: Final = "live"
_TC_URL: Final = "rtmp://127.0.0.1/live"


class Push:
    """One push of one encoder, over a connection without a socket.

    All is done on the server's event loop.

    Attributes:
        accepted: whether the server took it and it goes on.
        due: when the next frame is to be sent, in seconds of the server's time.
    """

    def __init__(
        self,
        ingest: IngestServer,
        stream_key: Secret,
        *,
        now: float,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.accepted = False
        self.due = now
        self._began = now
        self._frames = 0
        self._session = ClientSession(_APP, _TC_URL, stream_key, random_bytes=random_bytes)
        self._connection = EncoderConnection(ingest)
        self._pipe = _Pipe(self._connection, self._exchange)
        self._connection.connection_made(self._pipe)
        self._exchange()

    async def send_frame(self) -> None:
        """Send the frame that is due; the first goes with what tells how to decode it."""
        if self._frames == 0:
            self._session.send_tag(picture.configuration())
        milliseconds = round((self.due - self._began) * 1000)
        self._session.send_tag(picture.frame(self._frames, milliseconds))
        self._frames += 1
        self.due = self._began + self._frames * FRAME_TIME
        self._exchange()

    def drop(self) -> None:
        """Let the connection break."""
        self.accepted = False
        self._pipe.break_off()

    def _exchange(self) -> None:
        """Pass on what both sides have to say until neither has more."""
        while not self._pipe.is_closing():
            said = self._session.data_to_send()
            if said:
                self._connection.data_received(said)
            heard = self._pipe.take()
            for event in self._session.receive(heard):
                self.accepted = isinstance(event, PublishAccepted)
                if not self.accepted:
                    self._pipe.close()
            if not (said or heard):
                return


class _Pipe(asyncio.Transport):
    """The server's end of a connection that is no socket."""

    def __init__(self, connection: EncoderConnection, tell: Callable[[], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 0)})
        self._connection = connection
        self._tell = tell
        self._written = bytearray()
        self._closing = False

    def take(self) -> bytes:
        """Return what was written since the last call."""
        written = bytes(self._written)
        self._written.clear()
        return written

    def break_off(self) -> None:
        """End the connection as a lost network does."""
        self._end(ConnectionResetError("the simulated encoder is gone"))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it for the encoder, which hears it once the server's call is over."""
        self._written += data
        asyncio.get_running_loop().call_soon(self._tell)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the encoder reads at once."""

    def can_write_eof(self) -> bool:
        """Say that the server cannot close its half alone."""
        return False

    def is_closing(self) -> bool:
        """Tell whether the connection is over."""
        return self._closing

    def close(self) -> None:
        """End the connection."""
        self._end(None)

    def abort(self) -> None:
        """End the connection at once."""
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            # As from a socket: never within a call of the protocol's own.
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, error)
