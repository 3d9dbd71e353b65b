"""The server side of an RTMP publish, sans-IO (RTMP 1.0, sections 5.2 and 7.2).

The owner of the socket hands in what it reads and sends what it is given::

    session = ServerSession()
    for event in session.receive(data):
        match event:
            case PublishRequested(app, stream_key):
                session.accept_publish()     # or refuse_publish("stream key refused")
            case Tag():
                ...                          # audio, video, metadata
            case PublishEnded():
                ...
    send(session.data_to_send())
    if session.closing: close()

Only publishing is served; whoever asks to play is told that this is no place for it.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from headend.rtmp import amf0
from headend.rtmp.amf0 import UNDEFINED
from headend.rtmp.chunks import ChunkReader, Message
from headend.rtmp.errors import ProtocolError
from headend.rtmp.flv import AUDIO, SCRIPT, VIDEO, Tag
from headend.rtmp.handshake import BLOCK_SIZE, VERSION, check_version, make_block
from headend.rtmp.limits import Limits
from headend.rtmp.messages import (
    ACKNOWLEDGEMENT,
    AGGREGATE,
    COMMAND,
    COMMAND_AMF3,
    DATA,
    DATA_AMF3,
    SET_PEER_BANDWIDTH,
    USER_CONTROL,
    WINDOW_ACKNOWLEDGEMENT_SIZE,
    Acknowledger,
    Outbox,
    command_values,
    text_at,
)
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.rtmp.amf0 import AmfValue

__all__ = [
    "Limits",
    "ProtocolError",
    "PublishEnded",
    "PublishRequested",
    "ServerEvent",
    "ServerSession",
    "SessionState",
    "Tag",
]

# Encoders that take over the server's chunk size would else stay at 128 bytes, at twice the work.
_CHUNK_SIZE: Final = 4096
_TAG_HEADER_SIZE: Final = 11
_BACK_POINTER_SIZE: Final = 4
_SET_DATA_FRAME: Final = amf0.encode("@setDataFrame")
_DEFAULT_LIMITS: Final = Limits()


class SessionState(Enum):
    """How far a publishing connection has come."""

    HANDSHAKE = "handshake"
    CONNECTED = "connected"
    """The handshake is done; nothing has been asked to be published yet."""
    REQUESTED = "publish requested"
    """`accept_publish` or `refuse_publish` is due."""
    PUBLISHING = "publishing"
    ENDED = "ended"
    """The encoder has ended its publish; another one takes a new connection."""
    CLOSING = "closing"
    """Send what is left, then close the socket."""


class PublishRequested(NamedTuple):
    """An encoder asks to publish.  Nothing more is read before it is accepted or refused."""

    app: str
    """The application, without a query: what the user typed behind the host, so do not log it."""
    stream_key: Secret
    """The stream key, without a query."""


class PublishEnded(NamedTuple):
    """The encoder said that it ends the publish.  A broken connection gives no such event."""


ServerEvent: TypeAlias = PublishRequested | Tag | PublishEnded


class ServerSession:
    """One connection of an encoder.

    Args:
        limits: the bounds on what the encoder may make this session hold.
        random_bytes: where the handshake block gets its random bytes from.
    """

    def __init__(
        self,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.state = SessionState.HANDSHAKE
        self.close_reason: str | None = None
        """Why the session closes itself, free of secrets; None while it does not."""
        self._limits = limits
        self._random_bytes = random_bytes
        self._chunks = ChunkReader(limits)
        self._outbox = Outbox()
        self._acknowledger = Acknowledger()
        self._handshake = bytearray()
        self._greeted = False
        self._app: str | None = None
        self._message_streams = 0
        self._publish_stream = 0  # the message stream of the one publish

    @property
    def closing(self) -> bool:
        """Whether to send `data_to_send()` and then close the socket."""
        return self.state is SessionState.CLOSING

    @property
    def bytes_received(self) -> int:
        """All bytes from the encoder so far."""
        return self._acknowledger.received

    def data_to_send(self) -> bytes:
        """Return the bytes to send that have come up since the last call."""
        return self._outbox.take()

    def receive(self, data: bytes) -> list[ServerEvent]:
        """Take bytes from the encoder and return what they mean, in order.

        `PublishRequested` is always the last event of its call: what an encoder sends behind it
        without waiting is kept, and comes out of the next call after `accept_publish()`.
        ``receive(b"")`` right after accepting fetches it.

        Raises:
            ProtocolError: the peer broke the protocol or a bound.  Close the connection; the
                events before the fault in the same call are lost.
        """
        if self.closing:
            return []
        self._acknowledger.add(len(data), self._outbox)
        if self.state is SessionState.HANDSHAKE:
            data = self._shake_hands(data)
        self._chunks.feed(data)
        events: list[ServerEvent] = []
        while self.state is not SessionState.HANDSHAKE and not self.closing:
            if self.state is SessionState.REQUESTED:
                if self._chunks.buffered > self._limits.max_message:
                    raise ProtocolError("too much sent before the publish was answered")
                break
            message = self._chunks.next_message()
            if message is None:
                break
            self._handle(message, events)
        return events

    def accept_publish(self) -> None:
        """Let the requested publish begin.

        Raises:
            RuntimeError: no publish is requested.
        """
        self._require(SessionState.REQUESTED)
        self.state = SessionState.PUBLISHING
        self._chunks.max_message = self._limits.max_message
        self._outbox.stream_begin(self._publish_stream)
        self._status("status", "NetStream.Publish.Start", "Publishing.")

    def refuse_publish(self, description: str) -> None:
        """Refuse the requested publish and close; encoders show `description` to their user.

        Raises:
            RuntimeError: no publish is requested.
        """
        self._require(SessionState.REQUESTED)
        self._status("error", "NetStream.Publish.BadName", description)
        self._close(f"publish refused: {description}")

    def end_publish(self, description: str) -> None:
        """End a running publish from this side and close; does nothing when none is running."""
        if self.state is not SessionState.PUBLISHING:
            return
        self._status("error", "NetStream.Publish.Rejected", description)
        self._close(f"publish ended: {description}")

    def _require(self, state: SessionState) -> None:
        if self.state is not state:
            raise RuntimeError(f"the session is in state {self.state.value!r}, not {state.value!r}")

    def _close(self, reason: str) -> None:
        self.state = SessionState.CLOSING
        self.close_reason = reason

    def _shake_hands(self, data: bytes) -> bytes:
        """Take handshake bytes and return what comes behind the handshake."""
        handshake = self._handshake
        handshake += data
        if handshake:
            check_version(handshake[0])
        if not self._greeted and len(handshake) > BLOCK_SIZE:
            self._greeted = True
            block = make_block(self._random_bytes)
            client_block = bytes(handshake[1 : 1 + BLOCK_SIZE])
            self._outbox.raw(bytes((VERSION,)) + block + client_block)
        end = 1 + 2 * BLOCK_SIZE
        if len(handshake) < end:
            return b""
        self.state = SessionState.CONNECTED
        rest = bytes(handshake[end:])
        handshake.clear()
        return rest

    def _handle(self, message: Message, events: list[ServerEvent]) -> None:
        kind, payload = message.type, message.payload
        if kind in (AUDIO, VIDEO, DATA, DATA_AMF3):
            self._take_media(message, events)
        elif kind in (COMMAND, COMMAND_AMF3):
            self._obey(message, events)
        elif kind == AGGREGATE:
            for part in self._split_aggregate(message):
                self._take_media(part, events)
        elif kind == USER_CONTROL:
            self._outbox.answer_user_control(payload)
        elif kind == WINDOW_ACKNOWLEDGEMENT_SIZE:
            self._acknowledger.set_window(payload)
        elif kind not in (ACKNOWLEDGEMENT, SET_PEER_BANDWIDTH):
            raise ProtocolError(f"RTMP message type {kind} is not accepted")

    # Media.

    def _take_media(self, message: Message, events: list[ServerEvent]) -> None:
        if self.state is not SessionState.PUBLISHING or message.stream_id != self._publish_stream:
            return
        kind, _, timestamp, payload = message
        if kind == DATA_AMF3:
            kind, payload = DATA, payload[1:]
        if kind == DATA:
            # "@setDataFrame" asks the server to keep what follows for players; without it this is
            # the script tag of an FLV file.
            kind, payload = SCRIPT, payload.removeprefix(_SET_DATA_FRAME)
        if payload:
            events.append(Tag(kind, timestamp, payload))

    def _split_aggregate(self, message: Message) -> list[Message]:
        """Take an aggregate message apart: FLV tags, back pointers included (7.1.6)."""
        data, position = message.payload, 0
        parts: list[Message] = []
        shift = 0
        while position < len(data):
            start = position + _TAG_HEADER_SIZE
            end = start + int.from_bytes(data[position + 1 : position + 4], "big")
            if end + _BACK_POINTER_SIZE > len(data):
                raise ProtocolError("an aggregate message that is cut short")
            if len(parts) >= self._limits.max_aggregate:
                raise ProtocolError(
                    f"an aggregate message of more than {self._limits.max_aggregate} messages"
                )
            timestamp = data[position + 7] << 24 | int.from_bytes(
                data[position + 4 : position + 7], "big"
            )
            if not parts:
                shift = message.timestamp - timestamp
            kind = data[position]
            if kind not in (AUDIO, VIDEO, DATA):
                raise ProtocolError(f"message type {kind} in an aggregate message")
            parts.append(
                Message(kind, message.stream_id, (timestamp + shift) & 0xFFFFFFFF, data[start:end])
            )
            position = end + _BACK_POINTER_SIZE
        return parts

    # Commands (7.2).

    def _obey(self, message: Message, events: list[ServerEvent]) -> None:
        values = command_values(message, self._limits)
        name = values[0]
        transaction = values[1] if len(values) > 1 else None
        if not isinstance(transaction, float):
            transaction = 0.0
        if name == "connect":
            self._connect(transaction, values[2] if len(values) > 2 else None)
        elif self._app is None:
            raise ProtocolError("a command before connect")
        elif name == "createStream":
            self._create_stream(transaction)
        elif name == "publish":
            self._publish(message.stream_id, text_at(values, 3), events)
        elif name in ("play", "play2"):
            self._status(
                "error", "NetStream.Play.Failed", "This server takes publishes only.",
                stream_id=message.stream_id,
            )  # fmt: skip
            if self.state is not SessionState.PUBLISHING:
                self._close("the peer asked to play")
        elif name in ("releaseStream", "FCPublish", "_checkbw"):
            self._outbox.command(0, "_result", transaction, None, UNDEFINED)
        elif (
            name == "FCUnpublish"
            or (name == "closeStream" and message.stream_id == self._publish_stream)
            or (name == "deleteStream" and values[3:4] in ([], [float(self._publish_stream)]))
        ):
            self._end(events)

    def _connect(self, transaction: float, properties: AmfValue) -> None:
        if self._app is not None:
            raise ProtocolError("a second connect")
        app = properties.get("app") if isinstance(properties, dict) else None
        if not isinstance(app, str):
            raise ProtocolError("connect without an application name")
        self._app = self._checked_name(app)
        self._outbox.set_window()
        self._outbox.set_peer_bandwidth()
        self._outbox.set_chunk_size(_CHUNK_SIZE)
        self._outbox.command(
            0,
            "_result",
            transaction,
            {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0},
            {
                "level": "status",
                "code": "NetConnection.Connect.Success",
                "description": "Connection succeeded.",
                "objectEncoding": 0.0,
            },
        )

    def _create_stream(self, transaction: float) -> None:
        if self._message_streams >= self._limits.max_message_streams:
            raise ProtocolError(f"more than {self._limits.max_message_streams} message streams")
        self._message_streams += 1
        self._outbox.command(0, "_result", transaction, None, float(self._message_streams))

    def _publish(self, stream_id: int, name: str, events: list[ServerEvent]) -> None:
        if self.state is not SessionState.CONNECTED:
            self._status(
                "error", "NetStream.Publish.BadName", "One publish per connection.",
                stream_id=stream_id,
            )  # fmt: skip
            return
        app, key = self._app or "", self._checked_name(name)
        if not key:
            # An encoder with the key at the end of its server URL and none beside it.
            app, _, key = app.rpartition("/")
        self._publish_stream = stream_id
        self.state = SessionState.REQUESTED
        events.append(PublishRequested(app, Secret(key)))

    def _end(self, events: list[ServerEvent]) -> None:
        if self.state is not SessionState.PUBLISHING:
            return
        self.state = SessionState.ENDED
        self._status("status", "NetStream.Unpublish.Success", "Publish ended.")
        events.append(PublishEnded())

    def _checked_name(self, name: str) -> str:
        if len(name) > self._limits.max_name:
            raise ProtocolError(f"a name of more than {self._limits.max_name} characters")
        return name.partition("?")[0].strip("/")

    def _status(
        self, level: str, code: str, description: str, *, stream_id: int | None = None
    ) -> None:
        self._outbox.command(
            self._publish_stream if stream_id is None else stream_id,
            "onStatus",
            0.0,
            None,
            {"level": level, "code": code, "description": description},
        )
