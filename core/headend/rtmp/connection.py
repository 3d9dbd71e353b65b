"""Publish over a blocking socket: RTMP and verified RTMPS (skeleton: signatures are final)."""
from __future__ import annotations
import ssl
from types import TracebackType
from headend.rtmp.errors import RtmpError, PublishRefusedError, PublishEndedError, RtmpTimeoutError, RtmpConnectionError
from headend.rtmp.flv import Tag
from headend.secret import Secret

class PublishConnection:
    bytes_sent: int = 0
    @classmethod
    def connect(cls, server_url: str, stream_key: Secret, *, timeout: float = 10.0,
                ssl_context: ssl.SSLContext | None = None) -> PublishConnection:
        """ValueError for an unusable URL; else RtmpError's family"""
        raise NotImplementedError
    def send(self, tag: Tag) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> PublishConnection: return self
    def __exit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None: self.close()
