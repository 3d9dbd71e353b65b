"""Taking secrets out of recorded traffic: each gets one placeholder, wherever it stands.

What is a secret is known in four ways: its value was a `headend.plugin.Secret` while the check
ran, or a credential of the environment; a member, parameter or element bears a secret's name; it
has a secret's shape; or it matches a pattern of the caller's.  Placeholders are numbered by first
appearance, so the same traffic gives the same tape, and an interaction is scrubbed as text: gzip
and base64 are opened first, and what they hold is scrubbed as well.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

from attrs import frozen

from headend_contract.placeholders import MOST, is_placeholder, placeholder
from headend_contract.secret_shapes import (
    SHORTEST,
    holds_secret,
    is_secret_address,
    shaped_secrets,
)
from headend_contract.tape import Interaction, Request, Response, readable, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from headend_contract.tape import Headers

HOST: Final = "simulator.example"
"""Where a simulator was, in what was recorded from it."""

_DEEPEST: Final = 4
"""How often something may be wrapped in something else."""

_LOCAL: Final = re.compile(
    r"(?P<http>http://)?(?<![\w.])(?:127\.0\.0\.1|localhost|\[::1\]):(?P<port>\d{1,5})\b"
)
_BASE64: Final = re.compile(
    r"(?<![A-Za-z0-9+/=_\-%])[A-Za-z0-9+/_\-]{12,}(?:={0,2}|(?:%3[Dd]){0,2})"
)
_IDS: Final = frozenset({"arn", "guid", "id", "uid", "uuid"})
"""Names under which a platform gives what things are known by, which everybody may see."""

_UTF8: Final = "utf-8"
_GZIP: Final = b"\x1f\x8b"
_REQUEST_HEADERS: Final = re.compile(r"accept|content-type|x-amz-target", re.IGNORECASE)
_RESPONSE_HEADERS: Final = re.compile(
    r"content-(?:type|length)|location|retry-after|(?:x-)?rate-?limit.*|link|allow|www-authenticate"
    r"|x-amzn-(?:errortype|query-error|query-mode)|x-amzn-requestid|(?:x-)?request-id|cf-ray",
    re.IGNORECASE,
)
"""The headers that are kept; the others are of no use to a reader, or new each time."""

_REQUEST_ID: Final = re.compile(r"x-amzn-requestid|(?:x-)?request-id|cf-ray", re.IGNORECASE)
"""Headers that number requests, and are numbered anew so that recordings can be compared."""

MADE_ANEW: Final = "a private key of the curve P-384, made anew for each run"
"""What stands for a private key in the settings of a tape."""

_PEM: Final = "-----BEGIN "


class ScrubError(Exception):
    """Traffic cannot be scrubbed, and so not be kept; the text says why, without any of it."""


@frozen
class _Found:
    """A place that may hold a secret.

    Attributes:
        text: what stands there.
        secret: whether its name says that it is a secret as a whole.
        id: whether its name says that it is what something is known by.
    """

    text: str
    secret: bool = False
    id: bool = False


class Scrubber:
    """Replaces secrets, for one tape or for one set of settings.

    Args:
        secrets: values that are secrets, whatever their names and shapes.
        known: values that have placeholders already, as those of the environment.
        patterns: each match is a secret: its first group, or all of it where it has none.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        *,
        known: Mapping[str, str] | None = None,
        patterns: Iterable[re.Pattern[str]] = (),
    ) -> None:
        self._secrets = frozenset(one for one in secrets if one.strip())
        self._public: set[str] = set()
        self._known = dict(known or {})
        self._patterns = tuple(patterns)
        self._hosts: dict[str, str] = {}
        self._last = len(self._known)
        self._replace: re.Pattern[str] | None = None
        self._forms: dict[str, str] = {}
        self._learnt()

    @property
    def placeholders(self) -> Mapping[str, str]:
        """The placeholder of each secret that was met so far."""
        return dict(self._known)

    @property
    def public(self) -> frozenset[str]:
        """The given secrets that are none: the platform names things by them.

        SRT is an example, where the id of a stream stands in the place of the key.
        """
        return frozenset(self._public)

    def environment(self, variables: Mapping[str, str], secret: Iterable[str]) -> dict[str, str]:
        """Return variables with which the tape can be played.

        A private key becomes `MADE_ANEW`: what has its shape and is none would be refused, and
        nothing that it signs is asked for on a tape.

        Args:
            variables: those that it was recorded with.
            secret: the names of those that hold secrets; others are known by their names.
        """
        names = frozenset(secret)
        local = {
            name: MADE_ANEW if value.startswith(_PEM) else self._local(value)
            for name, value in sorted(variables.items())
        }
        for name, value in local.items():
            if value != MADE_ANEW and (name in names or holds_secret(value, name)):
                self._learn(value)
        self._learnt()
        return {
            name: value if value == MADE_ANEW else self._known.get(value) or self.text(value)
            for name, value in local.items()
        }

    def interactions(self, traffic: Sequence[Interaction]) -> tuple[Interaction, ...]:
        """Return traffic without secrets, readable, and the same for the same traffic.

        Raises:
            ScrubError: a body cannot be opened.
        """
        opened = [self._opened(one) for one in traffic]
        found = [place for one in opened for place in self._places(one)]
        self._public |= {one.text for one in found if one.id} & self._secrets
        for value in self._in_order(found):
            self._learn(value)
        self._learnt()
        return tuple(self._scrubbed(number, one) for number, one in enumerate(opened, start=1))

    def text(self, text: str) -> str:
        """Return a text without the secrets that were met so far, however they are written."""
        return self._text(text, _DEEPEST)

    # -- finding ----------------------------------------------------------------------------------

    def _opened(self, one: Interaction) -> Interaction:
        """Return an interaction without compression, this machine's ports and needless headers."""
        request, response = one.request, one.response
        return Interaction(
            Request(
                request.method,
                self._local(request.url),
                self._headers(request.headers, _REQUEST_HEADERS),
                self._body(request.headers, request.body),
            ),
            Response(
                response.status,
                response.reason,
                self._headers(response.headers, _RESPONSE_HEADERS),
                self._body(response.headers, response.body),
            ),
        )

    def _headers(self, headers: Headers, kept: re.Pattern[str]) -> Headers:
        return tuple((name, self._local(value)) for name, value in headers if kept.fullmatch(name))

    def _body(self, headers: Headers, body: bytes) -> bytes:
        for name, value in headers:
            if name.lower() == "content-encoding":
                for coding in reversed(value.lower().replace(" ", "").split(",")):
                    body = _decompressed(coding, body)
        if body.startswith(_GZIP):
            body = _decompressed("gzip", body)
        text, codec = _as_text(body)
        return self._local(text).encode(codec)

    def _local(self, text: str) -> str:
        """Give this machine's ports the name of a host, the first one met `HOST`.

        Plain HTTP becomes HTTPS, for providers may refuse it to any other machine.
        """

        def name(found: re.Match[str]) -> str:
            port = found["port"]
            if port not in self._hosts:
                number = len(self._hosts) + 1
                label, _, domain = HOST.partition(".")
                self._hosts[port] = HOST if number == 1 else f"{label}-{number}.{domain}"
            return f"https://{self._hosts[port]}" if found["http"] else self._hosts[port]

        return _LOCAL.sub(name, text)

    def _places(self, one: Interaction) -> Iterator[_Found]:
        """Return all texts of an interaction in their order, decoded."""
        request, response = one.request, one.response
        parts = urlsplit(request.url)
        for segment in parts.path.split("/"):
            yield from _inside(unquote(segment))
        yield _Found(unquote(request.url))
        yield from _in_form(parts.query)
        for headers, body in ((request.headers, request.body), (response.headers, response.body)):
            for _, value in headers:
                yield from _inside(value)
            yield from _in_body(headers, body)

    def _in_order(self, places: Iterable[_Found]) -> Iterator[str]:
        """Return the secrets among texts, by first appearance."""
        secrets = self._secrets - self._public
        short = {one for one in secrets if len(one) < SHORTEST}
        long = {self._local(one) for one in sorted(secrets) if len(one) >= SHORTEST}
        # An address around another secret is scrubbed where that is.
        long -= {
            one
            for one in long
            if "://" in one and any(other != one and other in one for other in long)
        }
        forms = {one: {write(one) for write in _WRITINGS} for one in long}
        for place in places:
            named = place.text if place.secret or is_secret_address(place.text) else None
            if named is not None and not is_placeholder(named):
                yield named
            if place.text in short:
                yield place.text
            found = [
                (place.text.find(form), one)
                for one in long
                for form in forms[one]
                if form in place.text
            ]
            for _, value in shaped_secrets(place.text):
                if not is_placeholder(value):
                    found.append((place.text.find(value), value))
            for pattern in self._patterns:
                for match in pattern.finditer(place.text):
                    value = match.group(1 if pattern.groups else 0)
                    if value and not is_placeholder(value):
                        found.append((match.start(), value))
            yield from (value for _, value in sorted(found, key=lambda one: (one[0], -len(one[1]))))

    def _learn(self, value: str) -> None:
        """Give a value a placeholder that no other has, and in which no secret stands."""
        if not value or value in self._known:
            return
        taken = set(self._known.values())
        for number in (*range(self._last + 1, MOST + 1), *range(1, self._last)):
            made = placeholder(value, number)
            if (
                made not in taken
                and made != value
                and is_placeholder(made)
                and not any(one in made for one in self._secrets if len(one) >= SHORTEST)
            ):
                self._known[value] = made
                self._last = number
                return
        raise ScrubError(
            f"there are more secrets of {len(value)} characters than placeholders of that shape"
        )

    # -- replacing --------------------------------------------------------------------------------

    def _learnt(self) -> None:
        """Make one pattern of all that has to be replaced within texts."""
        self._forms = {}
        for value, stand_in in self._known.items():
            if len(value) >= SHORTEST:
                for write in _WRITINGS:
                    self._forms.setdefault(write(value), write(stand_in))
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._replace = re.compile("|".join(map(re.escape, longest_first))) if self._forms else None

    def _text(self, text: str, depth: int) -> str:
        if text in self._known:
            return self._known[text]
        text = self._replaced(text)
        if "%" in text:  # however its writer encodes
            plain = unquote(text)
            scrubbed = self._replaced(plain)
            text = text if scrubbed == plain else quote(scrubbed, safe=_NOT_ENCODED)
        if depth:
            text = self._in_json(text, depth)
            text = _BASE64.sub(lambda found: self._in_base64(found.group(), depth), text)
        return text

    def _replaced(self, text: str) -> str:
        if self._replace is None:
            return text
        return self._replace.sub(lambda found: self._forms[found.group()], text)

    def _in_json(self, text: str, depth: int) -> str:
        value = _json(text)
        if value is None:
            return text
        scrubbed = self._value(value, depth - 1)
        return text if scrubbed == value else json.dumps(scrubbed)

    def _in_base64(self, text: str, depth: int) -> str:
        content = _from_base64(text)
        if content is None:
            return text
        packed = content.startswith(_GZIP)
        try:
            inner = (_decompressed("gzip", content) if packed else content).decode()
        except (ScrubError, UnicodeDecodeError):
            return text
        scrubbed = self._text(inner, depth - 1)
        if scrubbed == inner:
            return text
        again = scrubbed.encode()
        return _to_base64(gzip.compress(again, mtime=0) if packed else again, like=text)

    def _value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, list):
            return [self._value(one, depth) for one in value]
        if isinstance(value, dict):
            return {self._text(name, 0): self._value(one, depth) for name, one in value.items()}
        return value

    def _scrubbed(self, number: int, one: Interaction) -> Interaction:
        request, response = one.request, one.response
        scrubbed = Request(
            request.method,
            self._url(request.url),
            self._scrubbed_headers(number, request.headers),
            self._scrubbed_body(request.headers, request.body),
        )
        answer = Response(
            response.status,
            self._text(response.reason, 0),
            self._scrubbed_headers(number, response.headers),
            self._scrubbed_body(response.headers, response.body),
        )
        return Interaction(scrubbed, sized(scrubbed, answer))

    def _scrubbed_headers(self, number: int, headers: Headers) -> Headers:
        return tuple(
            (name, f"request-{number:04}" if _REQUEST_ID.fullmatch(name) else self.text(value))
            for name, value in headers
        )

    def _url(self, url: str) -> str:
        parts = urlsplit(url)
        path = "/".join(map(self._segment, parts.path.split("/")))
        whole = urlunsplit((parts.scheme, parts.netloc, path, self._form(parts.query), ""))
        return self._text(whole, 0)

    def _segment(self, segment: str) -> str:
        plain = unquote(segment)
        scrubbed = self.text(plain)
        return segment if scrubbed == plain else quote(scrubbed, safe=":@!$&'()*+,;=~")

    def _form(self, query: str) -> str:
        pairs = parse_qsl(query, keep_blank_values=True)
        scrubbed = [(name, self.text(value)) for name, value in pairs]
        return query if scrubbed == pairs else urlencode(scrubbed)

    def _scrubbed_body(self, headers: Headers, body: bytes) -> bytes:
        text, codec = _as_text(body)
        if codec != _UTF8:
            return self._text(text, 0).encode(codec, "replace")
        if _is_form(headers):
            return self._form(text).encode()
        value = _json(text)
        if value is not None:
            scrubbed = self._value(value, _DEEPEST)
            if scrubbed != value:
                text = json.dumps(scrubbed)
            return readable(text.encode())
        return self.text(text).encode()


_NOT_ENCODED: Final = "/:?#[]@!$&'()*+,;=~"
"""What separates the parts of an address, and so is left as it is."""

_WRITINGS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    lambda value: quote(value, safe=""),
    quote,
    quote_plus,
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
)
"""How a value may be written within a text."""


def _in_body(headers: Headers, body: bytes) -> Iterator[_Found]:
    text, _ = _as_text(body)
    if _is_form(headers):
        yield from _in_form(text)
    else:
        yield from _inside(text)


def _in_form(query: str) -> Iterator[_Found]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if holds_secret(value, name):
            yield _Found(value, secret=True)
        yield from _inside(value)


def _inside(text: str, depth: int = _DEEPEST) -> Iterator[_Found]:
    """Return a text and what is wrapped in it."""
    value = _json(text)
    if value is None:
        yield _Found(text)
        if "%" in text:
            yield _Found(unquote(text))
        for found in _BASE64.finditer(text) if depth else ():
            content = _from_base64(found.group())
            if content is not None:
                try:
                    if content.startswith(_GZIP):
                        content = _decompressed("gzip", content)
                    inner = content.decode()
                except (ScrubError, UnicodeDecodeError):
                    continue
                yield from _inside(inner, depth - 1)
    else:
        yield from _in_value(value, depth)


def _in_value(value: object, depth: int, name: str = "", parent: str = "") -> Iterator[_Found]:
    if isinstance(value, str):
        if holds_secret(value, name, parent):
            yield _Found(value, secret=True)
        elif name.lower() in _IDS:
            yield _Found(value, id=True)
        yield from _inside(value, depth - 1) if depth else (_Found(value),)
    elif isinstance(value, list):
        for one in value:
            yield from _in_value(one, depth, name, parent)
    elif isinstance(value, dict):
        for member, one in value.items():
            yield _Found(member)
            yield from _in_value(one, depth, member, name)


def _as_text(body: bytes) -> tuple[str, str]:
    """Return a body as text, and how it is encoded; that of binary data is no text, but like it."""
    try:
        return body.decode(), _UTF8
    except UnicodeDecodeError:
        return body.decode("latin-1"), "latin-1"


def _json(text: str) -> object | None:
    """Return the object or list that a text is in JSON; `None` for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _is_form(headers: Headers) -> bool:
    return any(
        name.lower() == "content-type" and value.startswith("application/x-www-form-urlencoded")
        for name, value in headers
    )


def _decompressed(coding: str, body: bytes) -> bytes:
    try:
        if not body or coding == "identity":
            return body
        if coding in {"gzip", "x-gzip"}:
            return gzip.decompress(body)
        if coding == "deflate":
            return zlib.decompress(body, wbits=zlib.MAX_WBITS if body[0] & 0x0F == 8 else -15)
    except (OSError, EOFError, zlib.error):
        raise ScrubError(f"a body is not the {coding} that its headers say") from None
    raise ScrubError(f"a body is compressed as {coding}, which cannot be opened here")


def _from_base64(text: str) -> bytes | None:
    plain = unquote(text).rstrip("=").translate(_URL_SAFE)
    try:
        content = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return content or None


def _to_base64(content: bytes, *, like: str) -> str:
    """Encode as another text is: its alphabet, and whether it is padded."""
    plain = unquote(like)
    encode = base64.urlsafe_b64encode if {"-", "_"} & set(plain) else base64.b64encode
    text = encode(content).decode()
    if not plain.endswith("=") and len(plain) % 4:
        text = text.rstrip("=")
    return quote(text, safe="+/") if plain != like else text


_URL_SAFE: Final = str.maketrans("-_", "+/")
