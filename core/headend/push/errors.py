"""What can go wrong on this side of a push, before or beside the network."""

from __future__ import annotations


class PushError(Exception):
    """The base of this package's own errors; those of the wire are `RtmpError`."""


class MediaExtraMissingError(PushError, ImportError):
    """PyAV is not installed; the message says how to get it."""


class SourceError(PushError):
    """A source that cannot be sent: it is not there, not media, or has no video."""


class ViewerError(PushError):
    """A playback that cannot be followed any more."""
