"""Message types and the control messages that both sides of RTMP use (RTMP 1.0, 5.4 and 7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.rtmp import amf0
from headend.rtmp.chunks import SET_CHUNK_SIZE, ChunkWriter, Message
from headend.rtmp.errors import ProtocolError

if TYPE_CHECKING:
    from headend.rtmp.limits import Limits

__all__ = [
    "ACKNOWLEDGEMENT",
    "AGGREGATE",
    "COMMAND",
    "COMMAND_AMF3",
    "DATA",
    "DATA_AMF3",
    "SET_PEER_BANDWIDTH",
    "USER_CONTROL",
    "WINDOW_ACKNOWLEDGEMENT_SIZE",
    "Acknowledger",
    "Outbox",
    "command_values",
    "text_at",
]

ACKNOWLEDGEMENT: Final = 3
USER_CONTROL: Final = 4
WINDOW_ACKNOWLEDGEMENT_SIZE: Final = 5
SET_PEER_BANDWIDTH: Final = 6
DATA_AMF3: Final = 15
COMMAND_AMF3: Final = 17
DATA: Final = 18
COMMAND: Final = 20
AGGREGATE: Final = 22

_STREAM_BEGIN: Final = 0
_PING_REQUEST: Final = 6
_PING_RESPONSE: Final = 7

# Chunk streams: 2 is for protocol control (5.3.1.1), the others are the sender's choice.
_CONTROL_CHUNKS: Final = 2
_COMMAND_CHUNKS: Final = 3

_WINDOW: Final = 2_500_000
"""Bytes that a peer may send before it wants an acknowledgement, unless it says otherwise."""


class Outbox:
    """Bytes that wait to be sent, and the chunk writer that makes them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._writer = ChunkWriter()

    def raw(self, data: bytes) -> None:
        """Add bytes that are no message: the handshake."""
        self._pieces.append(data)

    def take(self) -> bytes:
        """Return all bytes added since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    def message(self, chunk_stream: int, message: Message) -> None:
        """Add a message."""
        self._pieces.append(self._writer.write(chunk_stream, message))

    def command(self, stream_id: int, *values: amf0.AmfValue) -> None:
        """Add an AMF0 command: its name, its transaction id, then its arguments."""
        self.message(_COMMAND_CHUNKS, Message(COMMAND, stream_id, 0, amf0.encode(*values)))

    def control(self, kind: int, value: int, *, more: bytes = b"") -> None:
        """Add a protocol control message that begins with a 32-bit number."""
        payload = value.to_bytes(4, "big") + more
        self.message(_CONTROL_CHUNKS, Message(kind, 0, 0, payload))

    def set_chunk_size(self, size: int) -> None:
        """Announce a chunk size in bytes and use it from the next message on."""
        self.control(SET_CHUNK_SIZE, size)
        self._writer.chunk_size = size

    def set_window(self) -> None:
        """Ask the peer to acknowledge as often as this side does."""
        self.control(WINDOW_ACKNOWLEDGEMENT_SIZE, _WINDOW)

    def set_peer_bandwidth(self) -> None:
        """Ask the peer to use this side's window (5.4.5, limit type 2: dynamic)."""
        self.control(SET_PEER_BANDWIDTH, _WINDOW, more=b"\x02")

    def stream_begin(self, stream_id: int) -> None:
        """Tell the peer that a message stream is usable (7.1.7)."""
        self._user_control(_STREAM_BEGIN, stream_id.to_bytes(4, "big"))

    def answer_user_control(self, payload: bytes) -> None:
        """Answer a ping; other user control events need no answer (7.1.7).

        Raises:
            ProtocolError: the message is cut short.
        """
        event = int.from_bytes(payload[:2], "big")
        if len(payload) < 2 or (event == _PING_REQUEST and len(payload) < 6):
            raise ProtocolError("a User Control message that is cut short")
        if event == _PING_REQUEST:
            self._user_control(_PING_RESPONSE, payload[2:6])

    def _user_control(self, event: int, data: bytes) -> None:
        payload = event.to_bytes(2, "big") + data
        self.message(_CONTROL_CHUNKS, Message(USER_CONTROL, 0, 0, payload))


class Acknowledger:
    """Counts received bytes and says when the peer is due an acknowledgement (5.4.3)."""

    def __init__(self) -> None:
        self.received = 0
        """Bytes, handshake included."""
        self._window = _WINDOW
        self._acknowledged = 0

    def set_window(self, payload: bytes) -> None:
        """Obey a Window Acknowledgement Size message.

        Raises:
            ProtocolError: the message is cut short or asks for a window of 0.
        """
        window = int.from_bytes(payload[:4], "big")
        if len(payload) < 4 or not window:
            raise ProtocolError("a Window Acknowledgement Size message without a size that can be")
        self._window = window

    def add(self, size: int, outbox: Outbox) -> None:
        """Count `size` bytes, and acknowledge when half a window has come."""
        self.received += size
        if self.received - self._acknowledged >= max(1, self._window // 2):
            self._acknowledged = self.received
            outbox.control(ACKNOWLEDGEMENT, self.received & 0xFFFFFFFF)


def command_values(message: Message, limits: Limits) -> list[amf0.AmfValue]:
    """Return the values of a command message: name, transaction id, arguments (7.1.1).

    Raises:
        ProtocolError: too long, unreadable AMF0, or no name.
    """
    payload = message.payload
    if len(payload) > limits.max_message_before_publish:
        raise ProtocolError(f"a command of {len(payload)} bytes")
    if message.type == COMMAND_AMF3:
        # The byte in front says that AMF0 follows; AMF3 values would carry their own marker.
        payload = payload[1:]
    values = amf0.decode(payload, limits)
    if not values or not isinstance(values[0], str):
        raise ProtocolError("a command without a name")
    return values


def text_at(values: list[amf0.AmfValue], index: int) -> str:
    """Return the text at `index` of a command, or an empty one where there is none."""
    value = values[index] if index < len(values) else None
    return value if isinstance(value, str) else ""
