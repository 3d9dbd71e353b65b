"""The server side of RTMP publishing, sans-IO (skeleton: signatures are final)."""
from __future__ import annotations
import os
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple
from headend.rtmp.errors import ProtocolError
from headend.rtmp.flv import Tag
from headend.rtmp.limits import Limits
from headend.secret import Secret

class SessionState(Enum):
    HANDSHAKE = "handshake"
    CONNECTED = "connected"            # handshake done, no publish yet
    REQUESTED = "publish requested"    # waits for accept_publish or refuse_publish
    PUBLISHING = "publishing"
    ENDED = "ended"                    # the encoder ended its publish

class PublishRequested(NamedTuple):
    app: str
    stream_key: Secret

class PublishEnded(NamedTuple):
    """the encoder said FCUnpublish / deleteStream / closeStream"""

ServerEvent = PublishRequested | Tag | PublishEnded

class ServerSession:
    """PublishRequested is always the last event of its receive(): what came behind it waits until
    accept_publish(), and comes out of the next receive() (call receive(b"") right after accepting)."""
    closing: bool = False           # send data_to_send(), then close the socket
    close_reason: str | None = None # why, safe to log
    bytes_received: int = 0
    state: SessionState = SessionState.HANDSHAKE
    def __init__(self, *, limits: Limits = Limits(), random_bytes: Callable[[int], bytes] = os.urandom) -> None: ...
    def receive(self, data: bytes) -> list[ServerEvent]: raise NotImplementedError
    def data_to_send(self) -> bytes: raise NotImplementedError
    def accept_publish(self) -> None: ...
    def refuse_publish(self, description: str) -> None: ...
    def end_publish(self, description: str) -> None: ...
