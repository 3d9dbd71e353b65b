"""Values that must never be shown: stream keys, tokens, passphrases, WHIP URLs."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

MASK: Final = "********"
"""What every secret prints as, whatever its length."""


class Secret:
    """A text that shows itself only when asked to.

    `repr`, `str` and formatting give a mask of fixed length, so that neither the value nor its
    length reaches a log, an error or a report by accident.  Two secrets compare in constant
    time.  A secret is never equal to a plain string, and it refuses to be pickled: call
    `reveal()` at the one place that needs the text.

    >>> key = Secret("hunter2")
    >>> f"{key}"
    '********'
    >>> key.reveal()
    'hunter2'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a Secret holds a str, not {type(value).__name__}")
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    def _bytes(self) -> bytes:
        # Bytes of the environment that are no text come as lone surrogates.
        return self._value.encode(errors="surrogatepass")

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; pass secret.reveal() where the text is needed")
