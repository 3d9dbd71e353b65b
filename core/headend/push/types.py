"""Names for shapes that several modules share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    ReadableBytes: TypeAlias = bytes | bytearray | memoryview
    """Bytes that can be indexed."""
