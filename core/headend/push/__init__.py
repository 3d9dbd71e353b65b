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

if TYPE_CHECKING:
    from headend.push.barcode import (
        draw_barcode as draw_barcode,
        read_frame_counter as read_frame_counter,
    )
    from headend.push.encoder import (
        Encoder as Encoder,
        encode as encode,
    )
    from headend.push.errors import (
        MediaExtraMissingError as MediaExtraMissingError,
        PushError as PushError,
        SourceError as SourceError,
        ViewerError as ViewerError,
    )
    from headend.push.pattern import (
        PatternSource as PatternSource,
    )
    from headend.push.sender import (
        Push as Push,
        PushStats as PushStats,
        TagSink as TagSink,
        push as push,
    )
    from headend.push.source import (
        FileSource as FileSource,
        MediaSource as MediaSource,
    )
    from headend.push.viewer import (
        HlsViewer as HlsViewer,
        ViewerStats as ViewerStats,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.push.barcode": (
                "draw_barcode",
                "read_frame_counter",
            ),
            "headend.push.encoder": (
                "Encoder",
                "encode",
            ),
            "headend.push.errors": (
                "MediaExtraMissingError",
                "PushError",
                "SourceError",
                "ViewerError",
            ),
            "headend.push.pattern": ("PatternSource",),
            "headend.push.sender": (
                "Push",
                "PushStats",
                "TagSink",
                "push",
            ),
            "headend.push.source": (
                "FileSource",
                "MediaSource",
            ),
            "headend.push.viewer": (
                "HlsViewer",
                "ViewerStats",
            ),
        },
    )
