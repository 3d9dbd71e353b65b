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


class TargetLostError(PushError):
    """A target to which the push could not be brought to its end."""


class AllTargetsFailedError(PushError):
    """There is nobody left to send to.

    Attributes:
        failures: why, by the name of the target.
    """

    def __init__(self, failures: dict[str, Exception]) -> None:
        self.failures = failures
        super().__init__("; ".join(f"{name}: {error}" for name, error in failures.items()))
