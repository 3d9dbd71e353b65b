"""Reading a platform's JSON strictly: a right value, or an error that says where it is wrong.

A platform's answer is data from outside.  What a provider asks for must be there and be what the
platform promises; what it does not ask for is let be, because platforms add fields.  Every reader
raises `BrokenAnswerError` and nothing else, and no error holds a value, which may be a secret::

    fields = Fields(read_json(raw))
    fields.object("input").time("created_at")   # error: input.created_at is not a time
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read where nothing else is asked for."""

MAX_DEPTH: Final = 64
"""How deep objects and lists may lie in each other."""

_MAX_COUNT: Final = 2**63 - 1

_SECRET: Final = re.compile(r"[!-~]+")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
"""The characters of RFC 3986."""
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
"""RFC 3339, but for leap seconds."""


class BrokenAnswerError(ValueError):
    """The answer is not what the platform promises; the message says where, and holds no value.

    A provider makes a `PlatformProtocolError` of it, which knows operation, status and request.
    """


def read_json(raw: bytes, *, limit: int = MAX_ANSWER) -> object:
    """Return the JSON value (RFC 8259, UTF-8) that an answer holds.

    Args:
        raw: the answer's body.
        limit: the most bytes that it may have.

    Raises:
        BrokenAnswerError: it is longer, it is not JSON, it holds NaN, an infinity or a number
            beyond floating point, or it is nested more than `MAX_DEPTH` deep.
    """
    if len(raw) > limit:
        raise BrokenAnswerError(f"it has more than {limit} bytes")
    # A parser's error holds the whole text, and so maybe a key: it must not become the context.
    data, problem = _parse(raw)
    if problem is not None:
        raise BrokenAnswerError(problem)
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_deep(data):
        raise BrokenAnswerError(f"it is nested more than {MAX_DEPTH} deep")
    return data


def elements(data: object, read: Callable[[Fields], _T]) -> list[_T]:
    """Return what `read` makes of each object of a JSON array that stands alone.

    Raises:
        BrokenAnswerError: it is no array of objects, or `read` says so.
    """
    if not isinstance(data, list):
        raise BrokenAnswerError("there is no JSON array where one is promised")
    return [read(Fields(one, f"[{place}]")) for place, one in enumerate(data)]


class Fields:
    """A JSON object of the platform, read strictly.  What is not asked for is let be.

    Each reader takes a field's name and raises `BrokenAnswerError` with the field's path where the
    field is missing, null or something else.  A reader itself is the argument of `optional`::

        name = fields.optional("name", Fields.text)
    """

    __slots__ = ("_data", "_where")

    def __init__(self, data: object, where: str = "") -> None:
        """Take what should be a JSON object.

        Args:
            data: a value that `read_json` gave.
            where: its path in the answer, for errors; empty for the whole answer.
        """
        if not isinstance(data, dict):
            what = f"{where} is not an object" if where else "it is not a JSON object"
            raise BrokenAnswerError(what)
        self._data: dict[str, object] = data
        self._where = where

    def path(self, name: str) -> str:
        """Return where a field is in the answer, for errors of a reader of your own."""
        return f"{self._where}.{name}" if self._where else name

    def has(self, name: str) -> bool:
        """Tell whether there is such a field and it is not null."""
        return self._data.get(name) is not None

    def raw(self, name: str) -> object:
        """Return the JSON value as it is, `None` where there is none."""
        return self._data.get(name)

    def optional(self, name: str, read: Callable[[Fields, str], _T]) -> _T | None:
        """Return what `read` makes of a field, or `None` where it is missing or null."""
        return read(self, name) if self.has(name) else None

    def text(self, name: str) -> str:
        """Return a text; one with half a character (a lone surrogate) is none."""
        value = self._data.get(name)
        if not isinstance(value, str):
            self._broken(name, "a text")
        if not _is_unicode(value):
            self._broken(name, "a text: it holds half a character")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        """Return a text that matches a pattern as a whole.

        Args:
            name: the field.
            pattern: what the text must be.
            what: the same for people, with its article, such as ``"an id"``.
        """
        value = self.text(name)
        if not pattern.fullmatch(value):
            self._broken(name, what)
        return value

    def secret(self, name: str) -> Secret:
        """Return a secret: printable ASCII without spaces, as headers and encoders take it."""
        value = Secret(self.text(name))
        if not _SECRET.fullmatch(value.reveal()):
            self._broken(name, "printable ASCII without spaces")
        return value

    def address(self, name: str, *schemes: str) -> str:
        """Return an absolute URL of one of these schemes, the scheme in lower case.

        It is ASCII (RFC 3986), has a host, and neither a user name nor a password.
        """
        value = self.text(name)
        scheme = _scheme(value)
        if scheme not in schemes:
            self._broken(name, f"an address with {' or '.join(schemes)}")
        return f"{scheme}{value[len(scheme) :]}"

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._data.get(name)
        if not isinstance(value, bool):
            self._broken(name, "true or false")
        return value

    def count(self, name: str) -> int:
        """Return a whole number from 0, written as one: 3 is a count, 3.0 and "3" are none."""
        value = self._data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_COUNT:
            self._broken(name, "a number from 0")
        return value

    def number(self, name: str) -> float:
        """Return a number, which is finite."""
        value = self._data.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            self._broken(name, "a number")
        number = _finite(value)
        if number is None:
            self._broken(name, "a number that can be reckoned with")
        return number

    def time(self, name: str) -> datetime:
        """Return a moment, aware and in UTC.

        It is written as in RFC 3339, with up to nine digits after the second; what is below a
        microsecond is cut off.
        """
        value = self.text(name)
        if not _TIME.fullmatch(value):
            self._broken(name, "a time with its zone (RFC 3339)")
        moment = _moment(value)
        if moment is None:
            self._broken(name, "a time that there is")
        return moment

    def object(self, name: str) -> Fields:
        """Return an object within this one."""
        return Fields(self._data.get(name), self.path(name))

    def texts(self, name: str) -> dict[str, str]:
        """Return texts by name: an object whose values all are texts."""
        value = self._data.get(name)
        if not isinstance(value, dict):
            self._broken(name, "an object")
        if not all(isinstance(one, str) and _is_unicode(one) for one in value.values()):
            self._broken(name, "an object of texts")
        if not all(isinstance(one, str) and _is_unicode(one) for one in value):
            self._broken(name, "an object with texts for names")
        return dict(value)

    def text_list(self, name: str) -> list[str]:
        """Return a list of texts."""
        value = self._data.get(name)
        if not isinstance(value, list):
            self._broken(name, "a list")
        if not all(isinstance(one, str) and _is_unicode(one) for one in value):
            self._broken(name, "a list of texts")
        return list(value)

    def each(self, name: str, read: Callable[[Fields], _T]) -> list[_T]:
        """Return what `read` makes of each object of a list."""
        value = self._data.get(name)
        if not isinstance(value, list):
            self._broken(name, "a list")
        path = self.path(name)
        return [read(Fields(one, f"{path}[{place}]")) for place, one in enumerate(value)]

    def _broken(self, name: str, what: str) -> NoReturn:
        raise BrokenAnswerError(f"{self.path(name)} is not {what}")


class _NotFiniteError(ValueError):
    """A number that JSON cannot have, or floating point cannot hold."""


def _parse(raw: bytes) -> tuple[object, str | None]:
    """Return the value, or what is wrong."""
    try:
        return json.loads(raw.decode(), parse_constant=_no_number, parse_float=_float), None
    except _NotFiniteError:
        return None, "it holds a number that is none"
    except RecursionError:
        return None, f"it is nested more than {MAX_DEPTH} deep"
    except ValueError:
        return None, "it is not JSON"


def _no_number(_word: str) -> NoReturn:
    raise _NotFiniteError


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _NotFiniteError
    return value


def _is_deep(data: object) -> bool:
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _scheme(text: str) -> str | None:
    """Return the scheme of an absolute URL that can be shown and used, else `None`."""
    if not _ADDRESS.fullmatch(text):
        return None
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return None
    return parts.scheme if whole else None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
