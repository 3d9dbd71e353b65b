"""What can go wrong on an RTMP connection.

::

    RtmpError
    ├── ProtocolError            the peer broke the protocol or a bound
    ├── PublishRefusedError      the server answered: not with this key, not now
    ├── PublishEndedError        the server ended a publish that was running
    ├── RtmpTimeoutError         the peer is silent or takes no data
    └── RtmpConnectionError      no connection, no trust, or the connection broke

The text of each error is free of secrets and safe to log.
"""

from __future__ import annotations

__all__ = [
    "ProtocolError",
    "PublishEndedError",
    "PublishRefusedError",
    "RtmpConnectionError",
    "RtmpError",
    "RtmpTimeoutError",
]


class RtmpError(Exception):
    """The base of everything that an RTMP session or a push can raise."""


class ProtocolError(RtmpError):
    """The peer broke the protocol or one of the bounds in `Limits`; close the connection."""


class _StatusError(RtmpError):
    """Carries the code and the description of an RTMP status (RTMP 1.0, section 7.2.2)."""

    _prefix = "status"

    def __init__(self, code: str, description: str) -> None:
        self.code = code
        self.description = description
        told = " ".join(part for part in (f"({code})" if code else "", description) if part)
        super().__init__(f"{self._prefix}: {told}" if told else self._prefix)


class PublishRefusedError(_StatusError):
    """The server did not accept the publish: wrong, revoked or already used stream key, mostly.

    `code` is the server's status code such as ``NetStream.Publish.BadName``; it is empty where
    the server closed the connection instead of answering.  `description` is the server's text
    with the stream key masked.  A port on which nothing listens is `RtmpConnectionError`.
    """

    _prefix = "the server refused the publish"


class PublishEndedError(_StatusError):
    """The server ended a publish that it had accepted; `code` and `description` are its own."""

    _prefix = "the server ended the publish"


class RtmpTimeoutError(RtmpError):
    """The peer did not answer, or took no data, within the timeout."""


class RtmpConnectionError(RtmpError):
    """The connection could not be made, is not trusted (TLS), or broke."""
