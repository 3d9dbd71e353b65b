"""Sending video: test picture and files, encoded by PyAV, carried by our own RTMP client.

Needs the extra: ``pip install "headend[media]"``.  Names are resolved at first use, so that
importing this package is free; the first use of one that needs PyAV, where that is missing,
raises `MediaExtraMissingError`, which says what to install.

The parts: a `MediaSource` (`PatternSource`, `FileSource`, `UrlSource`, `PipeSource`; `open_source`
makes one of a path or an address) gives raw frames fitted to a preset;
`encode` makes FLV tags of them; a `Relay` sends them in real time to its `Target`s, by the plain
function `push`; `HlsViewer` watches what comes out at the far end.
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
        AllTargetsFailedError as AllTargetsFailedError,
        MediaExtraMissingError as MediaExtraMissingError,
        PushError as PushError,
        SourceError as SourceError,
        TargetLostError as TargetLostError,
        ViewerError as ViewerError,
    )
    from headend.push.pattern import (
        PatternSource as PatternSource,
    )
    from headend.push.relay import (
        Relay as Relay,
        RelayEvent as RelayEvent,
        RelayEventKind as RelayEventKind,
        RelayStats as RelayStats,
    )
    from headend.push.sender import (
        Push as Push,
        PushStats as PushStats,
        TagSink as TagSink,
        push as push,
    )
    from headend.push.source import (
        CodedSource as CodedSource,
        FileSource as FileSource,
        MediaSource as MediaSource,
        PipeSource as PipeSource,
        UrlSource as UrlSource,
        open_source as open_source,
    )
    from headend.push.target import (
        Reconnect as Reconnect,
        Target as Target,
        TargetState as TargetState,
        TargetStats as TargetStats,
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
                "AllTargetsFailedError",
                "SourceError",
                "TargetLostError",
                "ViewerError",
            ),
            "headend.push.pattern": ("PatternSource",),
            "headend.push.relay": (
                "Relay",
                "RelayEvent",
                "RelayEventKind",
                "RelayStats",
            ),
            "headend.push.sender": (
                "Push",
                "PushStats",
                "TagSink",
                "push",
            ),
            "headend.push.source": (
                "CodedSource",
                "FileSource",
                "MediaSource",
                "PipeSource",
                "UrlSource",
                "open_source",
            ),
            "headend.push.target": (
                "Reconnect",
                "Target",
                "TargetState",
                "TargetStats",
            ),
            "headend.push.viewer": (
                "HlsViewer",
                "ViewerStats",
            ),
        },
    )
