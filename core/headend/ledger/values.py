"""What all records of the ledger have in common: texts that every database keeps, and UTC."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from attrs import Attribute


def check_text(_instance: object, attribute: Attribute[str], value: str) -> None:
    """Refuse a text that some database does not keep as it is; a validator.

    Raises:
        ValueError: it has a zero character or half a surrogate pair.
    """
    if "\0" in value or not _is_unicode(value):
        raise ValueError(f"{attribute.name} has a character that no database keeps: {value!a}")


def to_clean_text(value: str) -> str:
    """Write out what no database keeps, as a platform's garbled answer may have it."""
    return value.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def to_clean_texts(value: Mapping[str, str]) -> dict[str, str]:
    """Do the same for names and values; the result is a copy."""
    return {to_clean_text(name): to_clean_text(text) for name, text in value.items()}


def to_utc(value: datetime) -> datetime:
    """Return an aware time in UTC.

    Raises:
        ValueError: it has no time zone.
    """
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone; the ledger keeps aware times only")
    return value.astimezone(UTC)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
