"""Placeholders for secrets: of the same shape, told apart, and plain to see.

A recording in which every key reads the same cannot show that a rotation gives another key, and
one in which a key has another shape fails a provider that looks at shapes.  So the placeholder of
a value has its length and its separators, and each run of letters and digits stays within the
characters that it was made of::

    sk_us-west-2_AbCd1234EfGh_56789  ->  sk_us-west-2_REDACTED0001_R0001
    4f1c9e02ab                       ->  1111111111
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD: Final = "REDACTED"
"""What a placeholder contains wherever its shape allows letters and has room."""

_KEPT: Final = re.compile(
    r"[a-z][a-z0-9+.\-]*://[^/?#@\s]+(?=/)"  # scheme and host of an address that is a secret
    r"|(?:sk|pk|rk|whsec)_(?:[a-z]{2}(?:-[a-z]+)+-\d_)?(?=.{8})"  # kind and region of a key
)
"""What a value begins with that says what it is and opens nothing."""

_RUN: Final = re.compile(r"[^\-_.:/+=~\s]+")
"""What is between separators."""

_JWT_RUN: Final = re.compile(r"[^.\s]+")
"""The same in a JSON web token, whose parts are base64 for URLs: there - and _ are letters."""

_LONG: Final = 16
"""Characters from which a part of an address is no word."""

_COUNTING: Final = "GHIJLMNOPQRSTUVWXYZ"
"""Letters to count with; none is a hexadecimal digit, and no kind of key can be made of them."""

_WORD_AND_NUMBER: Final = len(WORD) + 1
_DIGITS: Final = frozenset(string.digits)
_HEX: Final = (frozenset("0123456789abcdef"), frozenset("0123456789ABCDEF"))
_LOWER: Final = frozenset(string.ascii_lowercase)
_UPPER: Final = frozenset(string.ascii_uppercase)


MOST: Final = 999
"""The highest number; with more, every short word would be some number's placeholder."""


def placeholder(value: str, number: int) -> str:
    """Return what stands for a value.

    It depends on the shape of the value and on the number only, and it is its own placeholder.
    Two numbers give two placeholders where the shape has room for both.

    Args:
        value: the secret.
        number: from 1 to `MOST`.
    """
    kept = _KEPT.match(value)
    head = kept.group() if kept else ""
    rest = value[len(head) :]
    split = _JWT_RUN if value.startswith("eyJ") and value.count(".") == 2 else _RUN
    runs = split.findall(rest)
    if not runs:
        return head + _text(len(rest), number, WORD)
    is_address = "://" in head
    long = [one for one in runs if len(one) >= _LONG] if is_address else runs
    replaced = frozenset(long or runs)
    return head + split.sub(
        lambda run: _fill(run.group(), number) if run.group() in replaced else run.group(), rest
    )


def is_placeholder(text: str) -> bool:
    """Tell whether a text is what `placeholder` would give for some value and number."""
    return stands_for(text, text)


def stands_for(text: str, value: str) -> bool:
    """Tell whether a text is a placeholder of a value, under any number."""
    return any(placeholder(value, number) == text for number in _numbers(text))


def _numbers(text: str) -> Iterator[int]:
    """Return the numbers that a text may have been made with."""
    seen: set[int] = set()
    for run in _RUN.findall(text):
        digits = re.search(r"\d{1,9}$", run)
        if digits:
            seen.add(int(digits.group()))
            seen.add(int(run[-1]))
        letters = re.search(rf"[{_COUNTING}]{{1,6}}$", run.upper())
        if letters:
            seen.add(_read_letters(letters.group()))
    yield from (number for number in sorted(seen) if 1 <= number <= MOST)


def _fill(run: str, number: int) -> str:
    """Return a run of the same length whose characters are of the same classes."""
    characters = frozenset(run)
    if characters <= _DIGITS or any(characters <= one for one in _HEX):
        return _digits(len(run), number)
    word = WORD if characters & _UPPER or not characters <= _LOWER | _DIGITS else WORD.lower()
    if characters <= _LOWER | _UPPER:
        return _letters(len(run), number, word)
    return _text(len(run), number, word)


def _digits(length: int, number: int) -> str:
    """Write 1 to 9 as a run of that digit, and what is more with zeros before it."""
    text = str(number)
    return text * length if len(text) == 1 else text.rjust(length, "0")[-length:]


def _text(length: int, number: int, word: str) -> str:
    if length < 2:
        return _letters(length, number, word)
    if length >= _WORD_AND_NUMBER:
        return word + str(number).rjust(length - len(word), "0")[-(length - len(word)) :]
    return word[0] + str(number).rjust(length - 1, "0")[-(length - 1) :]


def _letters(length: int, number: int, word: str) -> str:
    letters = ""
    while number:
        number, digit = divmod(number, len(_COUNTING))
        letters = _COUNTING[digit] + letters
    if length >= _WORD_AND_NUMBER:
        letters = WORD + letters.rjust(length - len(WORD), _COUNTING[0])[-(length - len(WORD)) :]
    else:
        letters = letters.rjust(length, _COUNTING[0])[-length:] if length else ""
    return letters.lower() if word.islower() else letters


def _read_letters(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * len(_COUNTING) + _COUNTING.index(letter)
    return number
