"""The publishing side of RTMP, sans-IO (RTMP 1.0, sections 5.2 and 7.2).

The owner of the socket sends what it is given and hands in what it reads::

    session = ClientSession("live", "rtmp://host/live", stream_key)
    send(session.data_to_send())
    for event in session.receive(data):
        match event:
            case PublishAccepted():
                session.send_tag(tag)
            case PublishRefused(code, description) | PublishStopped(code, description):
                ...
    send(session.data_to_send())
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from headend.rtmp import amf0
from headend.rtmp.chunks import ChunkReader, Message
from headend.rtmp.errors import (
    ProtocolError,
    PublishEndedError,
    PublishRefusedError,
    RtmpConnectionError,
    RtmpError,
    RtmpTimeoutError,
)
from headend.rtmp.flv import AUDIO, SCRIPT, VIDEO
from headend.rtmp.handshake import BLOCK_SIZE, VERSION, check_version, make_block
from headend.rtmp.limits import Limits
from headend.rtmp.messages import (
    COMMAND,
    COMMAND_AMF3,
    USER_CONTROL,
    WINDOW_ACKNOWLEDGEMENT_SIZE,
    Acknowledger,
    Outbox,
    command_values,
)
from headend.secret import MASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.rtmp.amf0 import AmfValue
    from headend.rtmp.flv import Tag
    from headend.secret import Secret

__all__ = [
    "ClientEvent",
    "ClientSession",
    "ClientState",
    "ProtocolError",
    "PublishAccepted",
    "PublishEndedError",
    "PublishRefused",
    "PublishRefusedError",
    "PublishStopped",
    "RtmpConnectionError",
    "RtmpError",
    "RtmpTimeoutError",
]

_CHUNK_SIZE: Final = 4096
_CHUNK_STREAMS: Final = {AUDIO: 4, SCRIPT: 5, VIDEO: 6}
_SET_DATA_FRAME: Final = amf0.encode("@setDataFrame")
_DEFAULT_LIMITS: Final = Limits()

# Transaction ids (7.2.1): the answers name them.
_CONNECT, _RELEASE_STREAM, _FC_PUBLISH, _CREATE_STREAM, _PUBLISH = 1.0, 2.0, 3.0, 4.0, 5.0
_FC_UNPUBLISH, _DELETE_STREAM = 6.0, 7.0


class PublishAccepted(NamedTuple):
    """The server takes the publish: send tags now."""


class PublishRefused(NamedTuple):
    """The server does not take the publish; close the connection."""

    code: str
    """Such as ``NetStream.Publish.BadName``."""
    description: str
    """The server's text, with the stream key masked."""


class PublishStopped(NamedTuple):
    """The server ended a publish that it had taken; close the connection."""

    code: str
    """Such as ``NetStream.Unpublish.Success``."""
    description: str
    """The server's text, with the stream key masked."""


ClientEvent: TypeAlias = PublishAccepted | PublishRefused | PublishStopped


class ClientState(Enum):
    """How far a push has come."""

    HANDSHAKE = "handshake"
    CONNECTING = "connecting"
    """`connect` is sent."""
    CREATING = "creating"
    """Connected; a message stream is asked for."""
    REQUESTED = "publish requested"
    """The stream key is sent and not answered yet."""
    PUBLISHING = "publishing"
    ENDED = "ended"
    """Refused, stopped, or closed by `close_publish`."""


class ClientSession:
    """One push of one live stream.

    Args:
        app: the application: the path of the server URL.
        tc_url: the server URL, without the stream key.
        stream_key: what the server knows the live stream by.
        chunk_size: bytes of payload in the chunks to send.
        limits: the bounds on what the server may make this session hold.
        random_bytes: where the handshake block gets its random bytes from.
    """

    def __init__(
        self,
        app: str,
        tc_url: str,
        stream_key: Secret,
        *,
        chunk_size: int = _CHUNK_SIZE,
        limits: Limits = _DEFAULT_LIMITS,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.state = ClientState.HANDSHAKE
        self._app = app
        self._tc_url = tc_url
        self._stream_key = stream_key
        self._chunk_size = chunk_size
        self._limits = limits
        self._chunks = ChunkReader(limits)
        self._outbox = Outbox()
        self._acknowledger = Acknowledger()
        self._handshake = bytearray()
        self._stream_id = 0
        self._outbox.raw(bytes((VERSION,)) + make_block(random_bytes))

    def data_to_send(self) -> bytes:
        """Return the bytes to send that have come up since the last call."""
        return self._outbox.take()

    def receive(self, data: bytes) -> list[ClientEvent]:
        """Take bytes from the server and return what they mean, in order.

        Raises:
            ProtocolError: the server broke the protocol or a bound; close the connection.
        """
        if self.state is ClientState.ENDED:
            return []
        self._acknowledger.add(len(data), self._outbox)
        if self.state is ClientState.HANDSHAKE:
            data = self._shake_hands(data)
        self._chunks.feed(data)
        events: list[ClientEvent] = []
        while self.state not in (ClientState.HANDSHAKE, ClientState.ENDED):
            message = self._chunks.next_message()
            if message is None:
                break
            self._handle(message, events)
        return events

    def send_tag(self, tag: Tag) -> None:
        """Send a media tag of the accepted publish.

        Raises:
            RuntimeError: no publish is running.
            ValueError: the tag is of no type that FLV has, or too long.
        """
        self._require_publishing()
        chunk_stream = _CHUNK_STREAMS.get(tag.type)
        if chunk_stream is None:
            raise ValueError(f"a tag of type {tag.type} cannot be sent")
        payload = tag.payload
        if tag.type == SCRIPT:
            # Ask the server to keep the metadata for whoever comes later.
            payload = _SET_DATA_FRAME + payload
        message = Message(tag.type, self._stream_id, tag.timestamp & 0xFFFFFFFF, payload)
        self._outbox.message(chunk_stream, message)

    def close_publish(self) -> None:
        """Say that the publish ends; does nothing when none is running."""
        if self.state is not ClientState.PUBLISHING:
            return
        self.state = ClientState.ENDED
        self._outbox.command(0, "FCUnpublish", _FC_UNPUBLISH, None, self._stream_key.reveal())
        self._outbox.command(0, "deleteStream", _DELETE_STREAM, None, float(self._stream_id))

    def _require_publishing(self) -> None:
        if self.state is not ClientState.PUBLISHING:
            raise RuntimeError(f"the session is in state {self.state.value!r}, not publishing")

    def _shake_hands(self, data: bytes) -> bytes:
        """Take handshake bytes and return what comes behind the handshake."""
        handshake = self._handshake
        handshake += data
        if handshake:
            check_version(handshake[0])
        end = 1 + 2 * BLOCK_SIZE
        if len(handshake) < end:
            return b""
        self._outbox.raw(bytes(handshake[1 : 1 + BLOCK_SIZE]))
        self._outbox.set_chunk_size(self._chunk_size)
        self._outbox.command(
            0,
            "connect",
            _CONNECT,
            {
                "app": self._app,
                "type": "nonprivate",
                "flashVer": "FMLE/3.0 (compatible; headend)",
                "tcUrl": self._tc_url,
            },
        )
        self.state = ClientState.CONNECTING
        rest = bytes(handshake[end:])
        handshake.clear()
        return rest

    def _handle(self, message: Message, events: list[ClientEvent]) -> None:
        if message.type in (COMMAND, COMMAND_AMF3):
            self._obey(command_values(message, self._limits), events)
        elif message.type == USER_CONTROL:
            self._outbox.answer_user_control(message.payload)
        elif message.type == WINDOW_ACKNOWLEDGEMENT_SIZE:
            self._acknowledger.set_window(message.payload)

    def _obey(self, values: list[AmfValue], events: list[ClientEvent]) -> None:
        name, transaction = values[0], values[1] if len(values) > 1 else None
        if name == "_result":
            self._proceed(transaction, values[3] if len(values) > 3 else None)
        elif name == "_error":
            # A server may not know releaseStream and FCPublish; nothing depends on them.
            if transaction in (_CONNECT, _CREATE_STREAM, _PUBLISH):
                self._stop(values, events)
        elif name == "onStatus":
            information = values[3] if len(values) > 3 else None
            if not isinstance(information, dict):
                raise ProtocolError("onStatus without an information object")
            code = information.get("code")
            if information.get("level") == "error" or code == "NetStream.Unpublish.Success":
                self._stop(values, events)
            elif code == "NetStream.Publish.Start" and self.state is ClientState.REQUESTED:
                self.state = ClientState.PUBLISHING
                events.append(PublishAccepted())
        elif name == "close":
            self._stop(values, events)

    def _proceed(self, transaction: AmfValue, result: AmfValue) -> None:
        if transaction == _CONNECT and self.state is ClientState.CONNECTING:
            self.state = ClientState.CREATING
            key = self._stream_key.reveal()
            self._outbox.command(0, "releaseStream", _RELEASE_STREAM, None, key)
            self._outbox.command(0, "FCPublish", _FC_PUBLISH, None, key)
            self._outbox.command(0, "createStream", _CREATE_STREAM, None)
        elif transaction == _CREATE_STREAM and self.state is ClientState.CREATING:
            if not isinstance(result, float) or not 0 <= result <= 0xFFFFFFFF:
                raise ProtocolError("createStream was answered without a stream id")
            self.state = ClientState.REQUESTED
            self._stream_id = int(result)
            self._outbox.command(
                self._stream_id, "publish", _PUBLISH, None, self._stream_key.reveal(), "live"
            )

    def _stop(self, values: list[AmfValue], events: list[ClientEvent]) -> None:
        information = values[3] if len(values) > 3 else None
        told = information if isinstance(information, dict) else {}
        code, description = self._safe(told.get("code")), self._safe(told.get("description"))
        event = PublishStopped if self.state is ClientState.PUBLISHING else PublishRefused
        self.state = ClientState.ENDED
        events.append(event(code, description))

    def _safe(self, text: AmfValue) -> str:
        """Return a server's text fit for a log: without the stream key, on one line, not long."""
        if not isinstance(text, str):
            return ""
        key = self._stream_key.reveal()
        if key:
            text = text.replace(key, MASK)
        printable = "".join(char if char.isprintable() else " " for char in text)
        return printable[:300]
