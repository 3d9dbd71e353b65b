"""The publishing side of RTMP, sans-IO (skeleton: signatures are final)."""
from __future__ import annotations
import os
from collections.abc import Callable
from typing import NamedTuple
from headend.rtmp.flv import Tag
from headend.rtmp.limits import Limits
from headend.rtmp.errors import RtmpError, PublishRefusedError, PublishEndedError, RtmpTimeoutError, RtmpConnectionError
from headend.secret import Secret

class PublishAccepted(NamedTuple):
    """The server accepts: send tags now"""
class PublishRefused(NamedTuple):
    code: str
    description: str
class PublishStopped(NamedTuple):
    """the server ended an accepted publish"""
    code: str
    description: str
ClientEvent = PublishAccepted | PublishRefused | PublishStopped

class ClientSession:
    def __init__(self, app: str, tc_url: str, stream_key: Secret, *, chunk_size: int = 4096,
                 limits: Limits = Limits(), random_bytes: Callable[[int], bytes] = os.urandom) -> None: ...
    def receive(self, data: bytes) -> list[ClientEvent]: raise NotImplementedError
    def data_to_send(self) -> bytes: raise NotImplementedError
    def send_tag(self, tag: Tag) -> None: ...
    def close_publish(self) -> None: ...
