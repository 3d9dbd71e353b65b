"""Every bound that a peer of an RTMP session can run into, in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a peer may make a session hold.  Sizes are bytes, the others are counts.

    Whoever goes past one gets a `ProtocolError`.  Bounds on time (seconds to publish, seconds
    idle) belong to the owner of the socket, who has a clock.
    """

    max_message_before_publish: int = 64 * 1024
    """Longest message before a publish is accepted; and longest command at any time."""

    max_message: int = 8 * 1024 * 1024
    """Longest message of an accepted publish: one video frame fits with much to spare."""

    max_unfinished: int = 16 * 1024 * 1024
    """Payload held for messages that have begun and not ended, over all chunk streams."""

    max_chunk_streams: int = 32
    """Distinct chunk stream ids in one connection."""

    max_message_streams: int = 8
    """How often a peer may ask `createStream`."""

    max_aggregate: int = 1024
    """Messages inside one aggregate message."""

    max_name: int = 1024
    """Characters of an application name or a stream key."""

    amf_depth: int = 8
    """Nesting of objects and arrays in an AMF value."""

    amf_properties: int = 256
    """Properties of one AMF object."""

    amf_array: int = 1024
    """Elements of one AMF array."""

    amf_values: int = 4096
    """Values, counted at every depth, in one AMF message."""
