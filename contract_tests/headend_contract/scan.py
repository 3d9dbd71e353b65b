"""Looking for secrets in recordings as somebody would who wants them: all wrappings are opened.

It knows nothing of how `headend_contract.scrub` worked.  A file is read as text and as YAML, and
each text in it as base64, gzip, percent-encoding and JSON, in any order and one within another.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

import yaml  # type: ignore[import-untyped]  # its stubs are not installed
from attrs import frozen

from headend_contract.placeholders import is_placeholder
from headend_contract.secret_shapes import holds_secret, is_secret_address, shaped_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C where it is
_DEEPEST: Final = 6
_GZIP: Final = b"\x1f\x8b"
_ZLIB: Final = b"\x78"
_MOST: Final = 16 * 1024 * 1024
"""Bytes that something compressed is opened to."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-]{8,}={0,2}")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*\\.(?:[^"\\]|\\.)*"')
_MEMBER: Final = re.compile(
    r"""["']?([A-Za-z][\w\-]{2,40})["']?\s*[:=]\s*["']?(?=[^\s"',;&?=}{\]\[]*\d)"""
    r"""([^\s"',;&?=}{\]\[]{6,})"""
)
"""A name with a value that has a digit, in whatever notation."""

_PLAIN: Final = re.compile(r"[0-9.]+")
_LABELS: Final = frozenset({"digest", "versions"})
"""What the label of a tape has, which is long and no secret."""


@frozen
class Finding:
    """Something in a file that should not be there.

    Attributes:
        place: where: the file, the place in its YAML, and what had to be opened.
        what: what it is; never the secret itself.
    """

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def scan_folder(folder: Path, *, planted: Iterable[str] = ()) -> list[Finding]:
    """Scan all files below a folder.

    Args:
        folder: where to look.
        planted: secrets that are known, and must not be found.
    """
    known = tuple(planted)
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    return [found for path in files for found in scan_bytes(path.read_bytes(), str(path), known)]


def scan_bytes(content: bytes, place: str, planted: Iterable[str] = ()) -> list[Finding]:
    """Scan what a file contains.

    Args:
        content: all of it.
        place: names it in what is found.
        planted: secrets that are known.
    """
    known = tuple(one for one in planted if one)
    found: dict[Finding, None] = {}
    for where, text in _texts(content, place):
        for finding in _look(where, text, known):
            found[finding] = None
    for finding in _look_at_names(content, place):
        found[finding] = None
    return list(found)


def _look(place: str, text: str, planted: tuple[str, ...]) -> Iterator[Finding]:
    for number, secret in enumerate(planted, start=1):
        if secret in text:
            yield Finding(place, f"planted secret {number}")
    for what, value in shaped_secrets(text):
        if not is_placeholder(value):
            yield Finding(place, what)
    for word in text.split():
        address = word.strip("\"',;")
        if is_secret_address(address) and not is_placeholder(address):
            yield Finding(place, "the address of a WHIP ingest")
    for found in _MEMBER.finditer(text):
        name, value = found.groups()
        if holds_secret(value, name) and not _PLAIN.fullmatch(value) and not is_placeholder(value):
            yield Finding(place, f"a value named {name}")


def _look_at_names(content: bytes, place: str) -> Iterator[Finding]:
    """Find secrets by the names they bear in YAML, and in JSON within it."""
    for where, name, parent, value in _members(_yaml(content), place):
        if (
            isinstance(value, str)
            and value
            and holds_secret(value, name, parent)
            and not is_placeholder(value)
        ):
            yield Finding(where, f"a value named {name}")


def _members(
    data: object, place: str, name: str = "", parent: str = ""
) -> Iterator[tuple[str, str, str, object]]:
    if isinstance(data, dict):
        for member, value in data.items():
            if member not in _LABELS:
                yield from _members(value, f"{place}/{member}", str(member), name)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _members(value, f"{place}/{number}", name, parent)
    elif isinstance(data, (str, bytes)):
        yield place, name, parent, data
        for text in [data] if isinstance(data, str) else _decoded(data):
            inner = _from_json(text)
            if inner is not None:
                yield from _members(inner, f"{place} (JSON)")


def _texts(content: bytes, place: str) -> Iterator[tuple[str, str]]:
    """Return every text that can be had from a file, with the way to it."""
    seen: set[str | bytes] = set()
    waiting: list[tuple[str, str | bytes, int]] = [(place, content, 0)]
    waiting += [(where, one, 0) for where, one in _leaves(_yaml(content), place)]
    while waiting:
        where, one, depth = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, str):
            yield where, one
        if depth < _DEEPEST:
            waiting += [(f"{where} ({how})", inner, depth + 1) for how, inner in _opened(one)]


def _opened(one: str | bytes) -> Iterator[tuple[str, str | bytes]]:
    """Return what is wrapped in a text or in bytes, with the name of the wrapping."""
    if isinstance(one, bytes):
        if one.startswith((_GZIP, _ZLIB)):
            opener = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            with contextlib.suppress(zlib.error):
                yield "gzip", opener.decompress(one, _MOST)
        for text in _decoded(one):
            yield "text", text
        return
    if "%" in one or "+" in one:
        yield "percent", unquote_plus(one)
    if "\\" in one:
        for found in _QUOTED.finditer(one):
            inner = _from_json(f"[{found.group()}]")
            if isinstance(inner, list):
                yield "JSON", str(inner[0])
    inner = _from_json(one)
    if inner is not None:
        for _, leaf in _leaves(inner, ""):
            yield "JSON", leaf
    for found in _BASE64.finditer(one):
        yield from (("base64", content) for content in _from_base64(found.group()))


def _leaves(data: object, place: str) -> Iterator[tuple[str, str | bytes]]:
    if isinstance(data, dict):
        for name, value in data.items():
            yield f"{place}/{name}", str(name)
            yield from _leaves(value, f"{place}/{name}")
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _leaves(value, f"{place}/{number}")
    elif isinstance(data, (str, bytes)):
        yield place, data


def _decoded(content: bytes) -> Iterator[str]:
    try:
        yield content.decode()
    except UnicodeDecodeError:
        yield content.decode("latin-1")
        yield content.decode("utf-8", "ignore")
        if len(content) % 2 == 0 and b"\x00" in content:
            yield content.decode("utf-16-le", "replace")


def _from_base64(text: str) -> Iterator[bytes]:
    plain = text.rstrip("=").translate(_ALPHABET)
    # What stands before it without a separator may belong to it or not.
    for start in range(4):
        part = plain[start:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            content = base64.b64decode(part + "=" * (-len(part) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        if content and (content.startswith((_GZIP, _ZLIB)) or _is_text(content)):
            yield content


_SHOWN: Final = b"\t\n\r" + bytes(range(0x20, 0x7F))
_ALPHABET: Final = str.maketrans("-_", "+/")


def _is_text(content: bytes) -> bool:
    """Tell whether bytes are text for the most part; chance decodes to noise."""
    return len(content.translate(None, _SHOWN)) <= 0.2 * len(content)


def _from_json(text: str) -> object | None:
    if not text.lstrip().startswith(("{", "[", '"')):
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _yaml(content: bytes) -> object:
    """Return the data of a YAML file; `None` for any other, whose text is scanned all the same."""
    try:
        data: object = yaml.load(content, Loader=_Loader)  # noqa: S506  # a safe one
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    return data
