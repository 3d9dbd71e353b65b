"""Reading bit fields, most significant bit first."""

from __future__ import annotations

__all__ = ["BitReader", "OutOfBitsError"]

_MAX_LEADING_ZEROS = 31  # a ue(v) of more than 32 bits occurs in no syntax element


class OutOfBitsError(ValueError):
    """The data ended inside a field, or a variable-length field is longer than any can be."""


class BitReader:
    """A cursor over the bits of a byte string."""

    __slots__ = ("_bits", "_left")

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, count: int) -> int:
        """Return the next `count` bits as an unsigned number (ITU-T H.264, 7.2)."""
        if count > self._left:
            raise OutOfBitsError("the data ended inside a field")
        self._left -= count
        return (self._bits >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb number (ITU-T H.264, 9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MAX_LEADING_ZEROS:
                raise OutOfBitsError("an Exp-Golomb number is longer than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Return a signed Exp-Golomb number (ITU-T H.264, 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)
