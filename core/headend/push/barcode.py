"""The frame number as a barcode that survives encoding, scaling and a browser's canvas.

Geometry, in fractions of the picture so that it holds at every size:

* 32 cells side by side over the full width, each 1/32 of the width;
* two rows at the very top, each 1/16 of the height: the first row shows the bits (white is 1),
  the second row shows every bit inverted.

A bit is therefore read as a *difference*: the cell above minus the cell below it, measured
around their middles.  The sign is the bit, and too small a difference means that this is no
barcode.  Brightness, contrast and full or limited range do not matter.

The 32 bits, most significant at the left: the frame number modulo 2**24, then a CRC-8 of its
three bytes, big-endian (polynomial 0x07, initial value 0xFF, not reflected, no final XOR).

A browser reads it from a canvas like this::

    function readFrameCounter(video) {
      const canvas = Object.assign(document.createElement("canvas"), {width: 640, height: 360});
      const context = canvas.getContext("2d", {willReadFrequently: true});
      context.drawImage(video, 0, 0, 640, 360);
      const pixels = context.getImageData(0, 0, 640, 45).data;
      const green = (x, y) => pixels[4 * (640 * Math.floor(y) + Math.floor(x)) + 1];
      const bytes = [0, 0, 0, 0];
      for (let cell = 0; cell < 32; cell++) {
        const x = (cell + 0.5) * 640 / 32;
        const difference = green(x, 0.5 * 360 / 16) - green(x, 1.5 * 360 / 16);
        if (Math.abs(difference) < 64) return null;
        if (difference > 0) bytes[cell >> 3] |= 0x80 >> (cell & 7);
      }
      let check = 0xFF;
      for (const byte of bytes.slice(0, 3)) {
        check ^= byte;
        for (let bit = 0; bit < 8; bit++) check = (check << 1 ^ (check & 0x80 ? 0x07 : 0)) & 0xFF;
      }
      return check === bytes[3] ? bytes[0] << 16 | bytes[1] << 8 | bytes[2] : null;
    }
"""

from __future__ import annotations

from typing import Final

__all__ = ["COUNTER_MODULUS", "draw_barcode", "read_frame_counter"]

CELLS: Final = 32
"""Cells side by side."""

ROWS: Final = 16
"""The barcode's two rows are two of this many rows in the picture."""

COUNTER_MODULUS: Final = 1 << 24
"""Frame numbers start again at 0 here: after six days at 30 frames per second."""

BLACK: Final = 16
"""Luma of black (ITU-R BT.709, limited range)."""

WHITE: Final = 235
"""Luma of white (ITU-R BT.709, limited range)."""

_CONTRAST: Final = 64
_SPREAD: Final = (-1, 0, 1)


def _crc8(data: bytes) -> int:
    check = 0xFF
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = (check << 1 ^ (0x07 if check & 0x80 else 0)) & 0xFF
    return check


def barcode_word(frame_number: int) -> int:
    """Return the 32 bits that stand for a frame number (taken modulo 2**24)."""
    counter = frame_number % COUNTER_MODULUS
    return counter << 8 | _crc8(counter.to_bytes(3, "big"))


def barcode_edges(width: int, height: int) -> tuple[list[int], list[int]]:
    """Return where cells and rows begin and end: 33 columns, 3 lines, in pixels."""
    columns = [round(cell * width / CELLS) for cell in range(CELLS + 1)]
    lines = [round(row * height / ROWS) for row in range(3)]
    return columns, lines


def draw_barcode(luma: memoryview, width: int, height: int, stride: int, frame_number: int) -> None:
    """Draw the barcode of a frame number into a luma plane.

    Args:
        luma: the plane, writable, one byte per pixel, limited range (16 black, 235 white).
        width: picture width in pixels, at least 64.
        height: picture height in pixels, at least 32.
        stride: bytes from line to line.
        frame_number: 0 or more.
    """
    columns, lines = barcode_edges(width, height)
    word = barcode_word(frame_number)
    for row, mask in enumerate((0, 0xFFFFFFFF)):
        bits = word ^ mask
        line = b"".join(
            bytes([WHITE if bits >> (CELLS - 1 - cell) & 1 else BLACK])
            * (columns[cell + 1] - columns[cell])
            for cell in range(CELLS)
        )
        for y in range(lines[row], lines[row + 1]):
            luma[y * stride : y * stride + width] = line


def read_frame_counter(
    luma: bytes | bytearray | memoryview, width: int, height: int, stride: int | None = None
) -> int | None:
    """Read the frame number off a picture.

    Args:
        luma: the picture's brightness, one byte per pixel, line by line from the top; any
            size and range will do.
        width: picture width in pixels.
        height: picture height in pixels.
        stride: bytes from line to line, `width` when not given.

    Returns:
        The frame number modulo 2**24, or `None` when there is no readable barcode.
    """
    stride = width if stride is None else stride
    if width < CELLS or height < ROWS or len(luma) < stride * (height * 2 // ROWS):
        return None
    # Nine points around the middle of each cell, an eighth of a cell apart.
    columns = [
        [int((cell + 0.5 + spread / 8) * width / CELLS) for spread in _SPREAD]
        for cell in range(CELLS)
    ]
    sums: list[list[int]] = []
    for row in range(2):
        lines = [int((row + 0.5 + spread / 8) * height / ROWS) * stride for spread in _SPREAD]
        sums.append(
            [sum(luma[line + column] for line in lines for column in cell) for cell in columns]
        )
    word = 0
    for above, below in zip(*sums, strict=True):
        difference = above - below
        if abs(difference) < _CONTRAST * len(_SPREAD) ** 2:
            return None
        word = word << 1 | (difference > 0)
    counter = word >> 8
    return counter if barcode_word(counter) == word else None
