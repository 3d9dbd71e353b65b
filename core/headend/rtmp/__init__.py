"""RTMP publishing, both sides, without a dependency: the wire protocol is sans-IO.

* `headend.rtmp.session`: the server side; `headend.rtmp.client`: the publishing side.
* `headend.rtmp.connection`: a push over a blocking socket, RTMP or verified RTMPS.
* `headend.rtmp.flv`: tags, and the H.264 and AAC payloads in them.
* `headend.rtmp.chunks`, `headend.rtmp.amf0`: the layers below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.rtmp.client import (
        ClientEvent as ClientEvent,
        ClientSession as ClientSession,
        PublishAccepted as PublishAccepted,
        PublishRefused as PublishRefused,
        PublishStopped as PublishStopped,
    )
    from headend.rtmp.connection import (
        PublishConnection as PublishConnection,
    )
    from headend.rtmp.errors import (
        ProtocolError as ProtocolError,
        PublishEndedError as PublishEndedError,
        PublishRefusedError as PublishRefusedError,
        RtmpConnectionError as RtmpConnectionError,
        RtmpError as RtmpError,
        RtmpTimeoutError as RtmpTimeoutError,
    )
    from headend.rtmp.flv import (
        AacConfig as AacConfig,
        AudioFrame as AudioFrame,
        AvcConfig as AvcConfig,
        FlvError as FlvError,
        FlvReader as FlvReader,
        Tag as Tag,
        UnsupportedCodecError as UnsupportedCodecError,
        VideoFrame as VideoFrame,
        parse_audio as parse_audio,
        parse_video as parse_video,
    )
    from headend.rtmp.limits import (
        Limits as Limits,
    )
    from headend.rtmp.session import (
        PublishEnded as PublishEnded,
        PublishRequested as PublishRequested,
        ServerEvent as ServerEvent,
        ServerSession as ServerSession,
        SessionState as SessionState,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.rtmp.client": (
                "ClientEvent",
                "ClientSession",
                "PublishAccepted",
                "PublishRefused",
                "PublishStopped",
            ),
            "headend.rtmp.connection": ("PublishConnection",),
            "headend.rtmp.errors": (
                "ProtocolError",
                "PublishEndedError",
                "PublishRefusedError",
                "RtmpConnectionError",
                "RtmpError",
                "RtmpTimeoutError",
            ),
            "headend.rtmp.flv": (
                "AacConfig",
                "AudioFrame",
                "AvcConfig",
                "FlvError",
                "FlvReader",
                "Tag",
                "UnsupportedCodecError",
                "VideoFrame",
                "parse_audio",
                "parse_video",
            ),
            "headend.rtmp.limits": ("Limits",),
            "headend.rtmp.session": (
                "PublishEnded",
                "PublishRequested",
                "ServerEvent",
                "ServerSession",
                "SessionState",
            ),
        },
    )
