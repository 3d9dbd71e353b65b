"""FFmpeg's FLV muxer as a maker of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headend.push.pyav import av
from headend.rtmp.flv import VIDEO, FlvReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.rtmp.flv import Tag

__all__ = ["FlvMuxer"]

_END_MARK: Final = 2
# Packets of one track wait for those of the other, by FFmpeg's default for 10 s.
_LONGEST_WAIT: Final = "1000000"  # microseconds


class FlvMuxer:
    """Takes packets and gives FLV tags in the order in which they are to be sent.

    Attributes:
        container: where the streams are added, before the first packet.
    """

    def __init__(self) -> None:
        self._output = _Output()
        # The duration in an FLV header is written by seeking back at the end; a live sender
        # cannot.  Without flushing, tags would wait in the muxer until 32 KiB are together.
        self.container = av.open(
            self._output,
            "w",
            format="flv",
            options={
                "flvflags": "no_duration_filesize",
                "flush_packets": "1",
                "max_interleave_delta": _LONGEST_WAIT,
            },
        )
        self._reader = FlvReader()

    def mux(self, packets: Sequence[av.Packet[Any]] | av.Packet[Any]) -> list[Tag]:
        """Take packets and return the tags that are ready."""
        self.container.mux(packets)
        return self._reader.feed(self._output.take())

    def close(self) -> list[Tag]:
        """Return what the muxer still holds; it cannot be used afterwards."""
        self.container.close()
        tags = self._reader.feed(self._output.take())
        # The muxer's own end mark comes last but is stamped like the last picture, so it would
        # go back in time behind the last sound.  RTMP has its own way to end.
        return [tag for tag in tags if not (tag.type == VIDEO and tag.payload[1] == _END_MARK)]


class _Output:
    """The file that the FLV muxer believes to write."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
