"""The one place that imports PyAV, so that its absence has one clear message."""

from __future__ import annotations

from headend.push.errors import MediaExtraMissingError

try:
    import av
except ModuleNotFoundError as error:
    raise MediaExtraMissingError(
        'encoding and decoding need PyAV, which is not installed: pip install "headend[media]"'
    ) from error

__all__ = ["av"]
