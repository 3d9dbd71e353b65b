"""The RTMP port: encoders come in here.

`headend.rtmp.session` speaks the protocol; this module owns the sockets and the clock.  Whatever a
peer does ends in one line of the log and touches no other live stream: silence, garbage, floods,
codecs that cannot be played, defects of our own.  No line ever holds a stream key: of an error that
nobody expected, its kind and place are logged and its text is not.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.rtmp.errors import ProtocolError
from headend.rtmp.flv import FlvError, Tag, UnsupportedCodecError
from headend.rtmp.session import PublishEnded, PublishRequested, ServerSession
from headend_local.live_stream import MemoryExceededError
from headend_local.registry import RefusedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from headend_local.live_stream import RunningLiveStream
    from headend_local.registry import Registry

log = logging.getLogger(__name__)

_FAREWELL: Final = 0.3
"""Seconds that encoders have to hang up when the server stops."""


@frozen(kw_only=True)
class IngestLimits:
    """What a peer may use up.

    Attributes:
        publish_within: seconds from connecting to publishing.
        idle: seconds without a byte after which a connection is closed.
        linger: seconds that a peer has to read why it is sent away.
        connections: connections at once, over all live streams.
        unread: bytes of our answers that a peer may leave unread.
    """

    publish_within: float = 10.0
    idle: float = 30.0
    linger: float = 1.0
    connections: int = 1000
    unread: int = 64 * 1024


class IngestServer:
    """Takes encoders in on one listening socket, for all live streams."""

    def __init__(self, registry: Registry, *, limits: IngestLimits | None = None) -> None:
        self.registry = registry
        self.limits = limits or IngestLimits()
        self.connections: set[EncoderConnection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept connections on a socket that is bound already."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: EncoderConnection(self), sock=listener)

    async def stop(self) -> None:
        """Accept nobody any more and send everyone away; who does not go is cut off."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.disconnect("the server is stopping")
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                for connection in list(self.connections):
                    await connection.gone.wait()
        for connection in list(self.connections):
            connection.abort()


class EncoderConnection(asyncio.Protocol):
    """One connection on the RTMP port."""

    def __init__(self, server: IngestServer) -> None:
        self.gone = asyncio.Event()
        self._server = server
        self._limits = server.limits
        self._session = ServerSession()
        self._live_stream: RunningLiveStream | None = None
        self._transport: asyncio.Transport | None = None
        self._peer = "?"
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._leaving = False
        """Everything is said; what still comes in is thrown away until the peer hangs up."""

    # ------------------------------------------------------------------ asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the publish."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        self._peer = f"{host}:{port}"
        if len(self._server.connections) >= self._limits.connections:
            log.warning("encoder %s: closed, too many connections at once", self._peer)
            self._leaving = True
            transport.abort()
            return
        self._server.connections.add(self)
        transport.set_write_buffer_limits(high=self._limits.unread)
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        self._timer = loop.call_later(self._limits.publish_within, self._publish_overdue)

    def data_received(self, data: bytes) -> None:
        """Take what the peer sent.  No exception leaves here."""
        if self._leaving:
            return
        self._heard_at = asyncio.get_running_loop().time()
        try:
            self._take(data)
        except ProtocolError as error:
            self._drop(f"broke the RTMP protocol: {error}")
        except (UnsupportedCodecError, FlvError, MemoryExceededError) as error:
            self.disconnect(str(error))
        except Exception as error:  # noqa: BLE001 - one connection's trouble must stay its own
            self._drop(f"ran into a defect of the server: {_place(error)}")

    def pause_writing(self) -> None:
        """Let go of a peer that does not read what it is answered."""
        self._drop("does not read the server's answers")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session of an encoder that is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._server.connections.discard(self)
        self.gone.set()
        if not self._leaving:
            self._log(logging.INFO, "connection broke" if exc else "hung up")
        self._leave_live_stream(dropped=True)

    # ------------------------------------------------------------------ the server's wishes

    def disconnect(self, reason: str) -> None:
        """End the publish, telling the encoder why; it has a moment to read it."""
        if self._leaving:
            return
        self._log(logging.WARNING, f"sent away: {reason}")
        self._session.end_publish(reason)
        self._leave_live_stream(dropped=False, last_words=reason)
        self._flush_and_leave()

    def abort(self) -> None:
        """Cut the connection."""
        assert self._transport is not None
        self._transport.abort()

    # ------------------------------------------------------------------ inside

    def _take(self, data: bytes) -> None:
        admitted = True
        while admitted:
            admitted = False
            for event in self._session.receive(data):
                match event:
                    case PublishRequested():
                        admitted = self._admit(event)
                    case PublishEnded():
                        self._log(logging.INFO, "ended its publish")
                        self._leave_live_stream(dropped=False)
                    case Tag() if self._live_stream is not None:
                        self._live_stream.take(event)
                    case Tag():
                        pass
            data = b""  # what came behind an admitted publish is in the session already
        if self._leaving:
            return
        if self._session.closing:
            self._log(logging.INFO, f"sent away: {self._session.close_reason}")
            self._leave_live_stream(dropped=False)
            self._flush_and_leave()
        else:
            self._flush()

    def _admit(self, request: PublishRequested) -> bool:
        try:
            self._live_stream = self._server.registry.admit(request.stream_key, self)
        except RefusedError as refusal:
            whose = f" for live stream {refusal.live_stream_id}" if refusal.live_stream_id else ""
            log.warning("encoder %s: refused%s: %s", self._peer, whose, refusal)
            self._session.refuse_publish(str(refusal))
            self._flush_and_leave()
            return False
        self._session.accept_publish()
        self._log(logging.INFO, "pushes")
        self._watch_for_silence()
        return True

    def _leave_live_stream(self, *, dropped: bool, last_words: str | None = None) -> None:
        live_stream, self._live_stream = self._live_stream, None
        if live_stream is not None:
            live_stream.detach(dropped=dropped, last_words=last_words)

    def _flush(self) -> None:
        assert self._transport is not None
        data = self._session.data_to_send()
        if data:
            self._transport.write(data)

    def _flush_and_leave(self) -> None:
        """Say the last words, then wait a moment for the peer to hang up.

        Closing at once, with media of the peer still unread, would reset the connection, and a
        reset can overtake the very words that tell the encoder why (RFC 1122, 4.2.2.13).
        """
        assert self._transport is not None
        self._flush()
        self._leaving = True
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._set_timer(self._limits.linger, self._transport.abort)

    def _drop(self, reason: str) -> None:
        """Close at once a connection with which there is nothing left to talk about."""
        if self._leaving:
            return
        self._leaving = True
        self._log(logging.WARNING, reason)
        self._leave_live_stream(dropped=True, last_words=reason)
        assert self._transport is not None
        self._transport.abort()

    def _publish_overdue(self) -> None:
        self._drop(f"did not publish within {self._limits.publish_within:g} s")

    def _watch_for_silence(self) -> None:
        left = self._heard_at + self._limits.idle - asyncio.get_running_loop().time()
        if left > 0:
            self._set_timer(left, self._watch_for_silence)
        else:
            self._drop(f"was silent for {self._limits.idle:g} s")

    def _set_timer(self, delay: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, action)

    def _log(self, level: int, what: str) -> None:
        if self._live_stream is None:
            log.log(level, "encoder %s: %s", self._peer, what)
        else:
            log.log(
                level,
                "live stream %s: encoder %s %s",
                self._live_stream.record.id,
                self._peer,
                what,
            )


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
