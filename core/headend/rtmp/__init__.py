"""RTMP publishing, both sides, without a dependency: the wire protocol is sans-IO.

* `headend.rtmp.session`: the server side; `headend.rtmp.client`: the publishing side.
* `headend.rtmp.connection`: a push over a blocking socket, RTMP or verified RTMPS.
* `headend.rtmp.flv`: tags, and the H.264 and AAC payloads in them.
* `headend.rtmp.chunks`, `headend.rtmp.amf0`: the layers below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.rtmp.client import (
        ClientEvent,
        ClientSession,
        PublishAccepted,
        PublishRefused,
        PublishStopped,
    )
    from headend.rtmp.connection import PublishConnection
    from headend.rtmp.errors import (
        ProtocolError,
        PublishEndedError,
        PublishRefusedError,
        RtmpConnectionError,
        RtmpError,
        RtmpTimeoutError,
    )
    from headend.rtmp.flv import (
        AacConfig,
        AudioFrame,
        AvcConfig,
        FlvError,
        FlvReader,
        Tag,
        UnsupportedCodecError,
        VideoFrame,
        parse_audio,
        parse_video,
    )
    from headend.rtmp.limits import Limits
    from headend.rtmp.session import (
        PublishEnded,
        PublishRequested,
        ServerEvent,
        ServerSession,
        SessionState,
    )

_HOMES = {
    "client": (
        "ClientEvent",
        "ClientSession",
        "PublishAccepted",
        "PublishRefused",
        "PublishStopped",
    ),
    "connection": ("PublishConnection",),
    "errors": (
        "ProtocolError",
        "PublishEndedError",
        "PublishRefusedError",
        "RtmpConnectionError",
        "RtmpError",
        "RtmpTimeoutError",
    ),
    "flv": (
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
    "limits": ("Limits",),
    "session": (
        "PublishEnded",
        "PublishRequested",
        "ServerEvent",
        "ServerSession",
        "SessionState",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AacConfig",
    "AudioFrame",
    "AvcConfig",
    "ClientEvent",
    "ClientSession",
    "FlvError",
    "FlvReader",
    "Limits",
    "ProtocolError",
    "PublishAccepted",
    "PublishConnection",
    "PublishEnded",
    "PublishEndedError",
    "PublishRefused",
    "PublishRefusedError",
    "PublishRequested",
    "PublishStopped",
    "RtmpConnectionError",
    "RtmpError",
    "RtmpTimeoutError",
    "ServerEvent",
    "ServerSession",
    "SessionState",
    "Tag",
    "UnsupportedCodecError",
    "VideoFrame",
    "parse_audio",
    "parse_video",
]


def __getattr__(name: str) -> object:
    # PEP 562: the sans-IO side must not pay for sockets and TLS.
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
