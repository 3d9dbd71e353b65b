"""A 5 x 7 dot-matrix face for digits and the colon, because PyAV comes without text drawing."""

from __future__ import annotations

from typing import Final

WIDTH: Final = 5
HEIGHT: Final = 7
ADVANCE: Final = WIDTH + 1
"""Dots from the left edge of one character to that of the next."""

_ROWS: Final = {
    "0": (".###.", "#...#", "#..##", "#.#.#", "##..#", "#...#", ".###."),
    "1": ("..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."),
    "2": (".###.", "#...#", "....#", "...#.", "..#..", ".#...", "#####"),
    "3": ("#####", "...#.", "..#..", "...#.", "....#", "#...#", ".###."),
    "4": ("...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."),
    "5": ("#####", "#....", "####.", "....#", "....#", "#...#", ".###."),
    "6": ("..##.", ".#...", "#....", "####.", "#...#", "#...#", ".###."),
    "7": ("#####", "....#", "...#.", "..#..", ".#...", ".#...", ".#..."),
    "8": (".###.", "#...#", "#...#", ".###.", "#...#", "#...#", ".###."),
    "9": (".###.", "#...#", "#...#", ".####", "....#", "...#.", ".##.."),
    ":": (".....", "..#..", "..#..", ".....", "..#..", "..#..", "....."),
    " ": (".....",) * 7,
}


def text_rows(text: str, scale: int, ink: int, paper: int) -> list[bytes]:
    """Return the seven dot rows of a text, each to be drawn on `scale` lines.

    Args:
        text: digits, colons and spaces.
        scale: pixels per dot.
        ink: luma of the strokes.
        paper: luma of the ground.
    """
    on, off = bytes([ink]) * scale, bytes([paper]) * scale
    return [
        b"".join(
            on if dot == "#" else off for character in text for dot in f"{_ROWS[character][row]}."
        )
        for row in range(HEIGHT)
    ]
