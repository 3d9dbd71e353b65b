"""The chunk stream: how RTMP messages share one connection (RTMP 1.0, sections 5.3 and 5.4).

Each message travels as chunks on a chunk stream; chunks of several chunk streams may interleave.
A chunk header names the chunk stream and repeats only what has changed on it since::

    type 0   timestamp, length, message type, message stream     11 bytes
    type 1   timestamp delta, length, message type                7 bytes
    type 2   timestamp delta                                      3 bytes
    type 3   nothing: the next chunk of a message, or a message with the same header

A timestamp or delta of 0xFFFFFF or more stands in 4 further bytes, which type 3 repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from headend.rtmp.errors import ProtocolError

if TYPE_CHECKING:
    from headend.rtmp.limits import Limits

__all__ = ["ABORT", "DEFAULT_CHUNK_SIZE", "SET_CHUNK_SIZE", "ChunkReader", "ChunkWriter", "Message"]

DEFAULT_CHUNK_SIZE: Final = 128
"""Bytes of payload in a chunk until a peer sets another size (5.4.1)."""

SET_CHUNK_SIZE: Final = 1
ABORT: Final = 2

_MAX_CHUNK_SIZE: Final = 0xFFFFFF  # a message is no longer; larger sizes mean the same
_EXTENDED: Final = 0xFFFFFF
_WRAP: Final = 0xFFFFFFFF
_HEADER_SIZES: Final = (11, 7, 3, 0)
_MAX_BASIC_HEADER: Final = 3
# Chunks joined in one step.  It bounds what is looked at again when chunk streams interleave.
_JOIN: Final = 1024


class Message(NamedTuple):
    """One RTMP message."""

    type: int
    """The message type id (RTMP 1.0, sections 5.4 and 7.1)."""
    stream_id: int
    """The message stream: 0 is the connection itself."""
    timestamp: int
    """Milliseconds, 0 to 2**32 - 1; it wraps."""
    payload: bytes


class _ChunkStream:
    """What the headers on one chunk stream have said so far."""

    __slots__ = (
        "continuation",
        "delta",
        "extended",
        "known",
        "length",
        "partial",
        "stream_id",
        "timestamp",
        "type",
    )

    def __init__(self) -> None:
        self.continuation = b""  # the header that the further chunks of the message have
        self.known = False
        self.extended = False
        self.timestamp = 0
        self.delta = 0
        self.length = 0
        self.type = 0
        self.stream_id = 0
        self.partial: bytearray | None = None  # not None: inside a message


class ChunkReader:
    """Turns the bytes of one direction of a connection, after the handshake, into messages.

    Set Chunk Size and Abort are obeyed here and not returned.  Where a message lies in the buffer
    as a whole, its chunks are joined by slicing, without a step of Python per chunk.
    """

    def __init__(self, limits: Limits) -> None:
        self.max_message = limits.max_message_before_publish
        """Bytes; the owner raises it when it trusts the peer more."""
        self.chunk_size = DEFAULT_CHUNK_SIZE
        self._max_streams = limits.max_chunk_streams
        self._max_unfinished = limits.max_unfinished
        self._streams: dict[int, _ChunkStream] = {}
        self._unfinished = 0
        self._buffer = bytearray()
        self._position = 0

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet used."""
        return len(self._buffer) - self._position

    def feed(self, data: bytes) -> None:
        """Append bytes from the peer; `next_message` then takes them apart."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    def next_message(self) -> Message | None:
        """Return the next complete message, or None until more bytes are fed.

        Raises:
            ProtocolError: a header that cannot be, or a bound passed.
        """
        while True:
            stream = self._read_chunks()
            if stream is None:
                return None
            if stream.partial is None or len(stream.partial) < stream.length:
                continue
            payload = bytes(stream.partial)
            stream.partial = None
            self._unfinished -= len(payload)
            if stream.type == SET_CHUNK_SIZE:
                self._set_chunk_size(payload)
            elif stream.type == ABORT:
                self._abort(payload)
            else:
                return Message(stream.type, stream.stream_id, stream.timestamp, payload)

    def _read_chunks(self) -> _ChunkStream | None:
        """Use up one chunk and those that directly continue its message."""
        buffer, position = self._buffer, self._position
        available = len(buffer)
        if position >= available:
            return None

        first = buffer[position]
        fmt, number = first >> 6, first & 0x3F
        position += 1
        if number < 2:  # 5.3.1.1: the number stands in one or two more bytes
            if available - position <= number:
                return None
            if number == 0:
                number, size = 64 + buffer[position], 1
            else:
                number, size = 64 + buffer[position] + 256 * buffer[position + 1], 2
            marker = bytes((first | 0xC0, *buffer[position : position + size]))
            position += size
        else:
            marker = bytes((first | 0xC0,))

        stream = self._streams.get(number)
        if stream is None:
            if len(self._streams) >= self._max_streams:
                raise ProtocolError(f"more than {self._max_streams} chunk streams")
            # Committed only with the first whole chunk.
            stream = _ChunkStream()
        partial = stream.partial
        # librtmp begins a chunk stream with type 1; there is nothing that types 2 and 3 could mean.
        if fmt > 1 and not stream.known:
            raise ProtocolError(f"chunk stream {number} begins with a type {fmt} header")
        if fmt != 3 and partial is not None:
            raise ProtocolError(f"a message on chunk stream {number} is not finished")

        # The header.  Nothing of the stream changes before the whole chunk is there.
        fields = position
        position += _HEADER_SIZES[fmt]
        if position > available:
            return None
        length, kind, stream_id = stream.length, stream.type, stream.stream_id
        if fmt == 3:
            extended = stream.extended
            delta = stream.delta
        else:
            delta = int.from_bytes(buffer[fields : fields + 3], "big")
            extended = delta == _EXTENDED
            if fmt < 2:
                length = int.from_bytes(buffer[fields + 3 : fields + 6], "big")
                kind = buffer[fields + 6]
                if length > self.max_message:
                    raise ProtocolError(
                        f"a message of {length} bytes; at most {self.max_message} are accepted"
                    )
            if fmt == 0:
                stream_id = int.from_bytes(buffer[fields + 7 : fields + 11], "little")
        continuation = marker
        if extended:
            field = bytes(buffer[position : position + 4])
            position += 4
            if position > available:
                return None
            delta = int.from_bytes(field, "big")
            continuation += field

        held = 0 if partial is None else len(partial)
        wanted = min(self.chunk_size, length - held)
        end = position + wanted
        if end > available:
            return None

        if partial is None:
            # A message begins.  A type 3 header repeats the last delta; after a type 0 header
            # that is its timestamp (5.3.1.2.4), as FFmpeg and librtmp have it too.
            self._streams[number] = stream
            stream.known = True
            stream.timestamp = delta if fmt == 0 else (stream.timestamp + delta) & _WRAP
            stream.delta = delta
            stream.length, stream.type, stream.stream_id = length, kind, stream_id
            stream.extended, stream.continuation = extended, continuation
            stream.partial = partial = bytearray()

        # Chunks of this message behind this one, as far as they are there and nothing is between.
        rest = length - held - wanted
        if rest and end < available:
            end += self._count_continuations(stream.continuation, end, rest, available)
        begun = len(partial)
        partial += buffer[position:end]
        header = len(stream.continuation)
        for used in range(header if end > position + wanted else 0):
            # Each pass takes one column out: the bytes at one place of every header.
            del partial[begun + wanted :: self.chunk_size + header - used]
        self._position = end
        self._unfinished += len(partial) - begun
        if self._unfinished > self._max_unfinished:
            raise ProtocolError(f"more than {self._max_unfinished} bytes of unfinished messages")
        return stream

    def _count_continuations(self, header: bytes, start: int, rest: int, available: int) -> int:
        """Return how many bytes from `start` are whole chunks that continue with `header`."""
        chunk = self.chunk_size
        step = len(header) + chunk
        count = min(-(-rest // chunk), _JOIN)
        size = min(count * step, rest + count * len(header))
        if start + size > available:
            count = (available - start) // step
            size = count * step
        for column, byte in enumerate(header):
            if not count:
                break
            found = self._buffer[start + column : start + size : step]
            same = count - len(found.lstrip(bytes((byte,))))
            if same < count:
                count, size = same, same * step
        return size

    def _set_chunk_size(self, payload: bytes) -> None:
        size = int.from_bytes(payload[:4], "big")
        if len(payload) < 4 or not 0 < size < 0x80000000:
            raise ProtocolError("a Set Chunk Size message without a size that can be")
        self.chunk_size = min(size, _MAX_CHUNK_SIZE)

    def _abort(self, payload: bytes) -> None:
        if len(payload) < 4:
            raise ProtocolError("an Abort message without a chunk stream id")
        stream = self._streams.get(int.from_bytes(payload[:4], "big"))
        if stream is not None and stream.partial is not None:
            self._unfinished -= len(stream.partial)
            stream.partial = None


class _Written:
    """What the last header on a chunk stream said."""

    __slots__ = ("stream_id", "timestamp")

    def __init__(self, stream_id: int, timestamp: int) -> None:
        self.stream_id = stream_id
        self.timestamp = timestamp


class ChunkWriter:
    """Turns messages into the bytes of one direction of a connection, after the handshake."""

    def __init__(self) -> None:
        self.chunk_size = DEFAULT_CHUNK_SIZE
        """Bytes; set it right after the Set Chunk Size message is written."""
        self._streams: dict[int, _Written] = {}

    def write(self, chunk_stream: int, message: Message) -> bytes:
        """Return the chunks of `message` on chunk stream `chunk_stream`.

        Args:
            chunk_stream: 2 (protocol control) to 65599.
            message: its payload is at most 0xFFFFFF bytes long.
        """
        kind, stream_id, timestamp, payload = message
        size = len(payload)
        if size > _MAX_CHUNK_SIZE:
            raise ValueError(f"a message of {size} bytes is longer than RTMP can carry")
        if not 2 <= chunk_stream <= 65599:
            raise ValueError(f"there is no chunk stream {chunk_stream}")
        last = self._streams.get(chunk_stream)
        delta = 0 if last is None else (timestamp - last.timestamp) & _WRAP
        # A delta only goes forward: back in time takes a full header.
        full = last is None or last.stream_id != stream_id or delta > _WRAP // 2
        self._streams[chunk_stream] = _Written(stream_id, timestamp)

        clock = timestamp if full else delta
        extension = clock.to_bytes(4, "big") if clock >= _EXTENDED else b""
        header = (
            _basic_header(0 if full else 1, chunk_stream)
            + min(clock, _EXTENDED).to_bytes(3, "big")
            + size.to_bytes(3, "big")
            + bytes((kind,))
            + (stream_id.to_bytes(4, "little") if full else b"")
            + extension
        )
        chunk = self.chunk_size
        if size <= chunk:
            return header + payload
        continuation = _basic_header(3, chunk_stream) + extension
        pieces = [header, payload[:chunk]]
        for start in range(chunk, size, chunk):
            pieces.append(continuation)
            pieces.append(payload[start : start + chunk])
        return b"".join(pieces)


def _basic_header(fmt: int, chunk_stream: int) -> bytes:
    if chunk_stream < 64:
        return bytes((fmt << 6 | chunk_stream,))
    if chunk_stream < 320:
        return bytes((fmt << 6, chunk_stream - 64))
    low, high = (chunk_stream - 64) % 256, (chunk_stream - 64) // 256
    return bytes((fmt << 6 | 1, low, high))
