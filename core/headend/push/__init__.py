"""Sending video: test picture and files, encoded by PyAV, carried by our own RTMP client.

Needs the extra: ``pip install "headend[media]"``.  Names are resolved at first use, so that
importing this package is free; the first use of one that needs PyAV, where that is missing,
raises `MediaExtraMissingError`, which says what to install.

The parts: a `MediaSource` (`PatternSource`, `FileSource`) gives raw frames fitted to a preset;
`encode` makes FLV tags of them; `Push` (or the plain function `push`) sends the tags at their
time; `HlsViewer` watches what comes out at the far end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend._exports import lazy_exports

if TYPE_CHECKING:
    from headend.push.barcode import draw_barcode, read_frame_counter
    from headend.push.encoder import Encoder, encode
    from headend.push.errors import MediaExtraMissingError, PushError, SourceError, ViewerError
    from headend.push.pattern import PatternSource
    from headend.push.sender import Push, PushStats, TagSink, push
    from headend.push.source import FileSource, MediaSource
    from headend.push.viewer import HlsViewer, ViewerStats

__all__ = [
    "Encoder",
    "FileSource",
    "HlsViewer",
    "MediaExtraMissingError",
    "MediaSource",
    "PatternSource",
    "Push",
    "PushError",
    "PushStats",
    "SourceError",
    "TagSink",
    "ViewerError",
    "ViewerStats",
    "draw_barcode",
    "encode",
    "push",
    "read_frame_counter",
]

__getattr__, __dir__, _ = lazy_exports(
    __name__,
    {
        "headend.push.barcode": ("draw_barcode", "read_frame_counter"),
        "headend.push.encoder": ("Encoder", "encode"),
        "headend.push.pattern": ("PatternSource",),
        "headend.push.errors": (
            "MediaExtraMissingError",
            "PushError",
            "SourceError",
            "ViewerError",
        ),
        "headend.push.sender": ("Push", "PushStats", "TagSink", "push"),
        "headend.push.source": ("FileSource", "MediaSource"),
        "headend.push.viewer": ("HlsViewer", "ViewerStats"),
    },
)
