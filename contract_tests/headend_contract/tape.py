"""A tape: the HTTP traffic of one check with one provider, and what is known of its making.

Its file is a cassette of vcrpy, written to be read by people: YAML in a fixed order, bodies as
blocks of text, JSON indented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import yaml  # type: ignore[import-untyped]  # its stubs are not installed
from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_INTERACTIONS: Final = 50
"""Interactions that a tape may have; one check needs far fewer."""

LIVE: Final = "live"
"""The provenance of what was recorded from the platform itself."""

_FORMAT: Final = 1
"""The version of vcrpy's own format."""

_WIDE: Final = 1_000_000
"""No line is broken that was not broken before."""

_UNPRINTABLE: Final = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]"
)
"""What YAML would not show as it is in a block of text."""

_NO_LENGTH: Final = frozenset({1, 204, 304})
"""Statuses (or hundreds of them) whose answers have no body, whatever they say of its length."""

Headers = tuple[tuple[str, str], ...]
"""Names and values in their order; a name may come again."""


class TapeError(Exception):
    """A file is no tape; the text says which, and why."""


@frozen
class Request:
    """A request as it was sent.

    Attributes:
        method: the HTTP method.
        url: where to, with the query.
        headers: the headers.
        body: the body, empty where there was none.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""


@frozen
class Response:
    """The answer to it.

    Attributes:
        status: the HTTP status.
        reason: the words beside it.
        headers: the headers.
        body: the body, empty where there was none.
    """

    status: int
    reason: str
    headers: Headers = ()
    body: bytes = b""


@frozen
class Interaction:
    """A request with its answer."""

    request: Request
    response: Response


@frozen(kw_only=True)
class Label:
    """What is known of the making of a tape.

    Attributes:
        check: the id of the check that was run.
        digest: that check's `Check.digest` then.
        contract: the contract version.
        provenance: `LIVE`, or the simulator and its version.  What a simulator said is no
            recording of the platform.
        recorded_at: when it was recorded, in UTC, to the second.
        clock: what the provider's clock showed when the check began, in UTC.
        versions: the distributions that took part, with their versions.
    """

    check: str
    digest: str
    contract: str
    provenance: str
    recorded_at: datetime
    clock: datetime
    versions: Mapping[str, str] = field(factory=dict)

    def as_data(self) -> dict[str, object]:
        """Return it as the file has it."""
        return {
            "check": self.check,
            "digest": self.digest,
            "contract": self.contract,
            "provenance": self.provenance,
            "recorded_at": self.recorded_at.isoformat(),
            "clock": self.clock.isoformat(),
            "versions": dict(sorted(self.versions.items())),
        }

    @classmethod
    def of(cls, data: object) -> Self:
        """Read it from a file's data.

        Raises:
            TapeError: something is missing or of another type.
        """
        if not isinstance(data, dict):
            raise TapeError("it has no metadata")
        versions = data.get("versions", {})
        if not isinstance(versions, dict):
            raise TapeError("versions in its metadata is not a mapping")
        return cls(
            check=_text(data, "check"),
            digest=_text(data, "digest"),
            contract=_text(data, "contract"),
            provenance=_text(data, "provenance"),
            recorded_at=_moment(data, "recorded_at"),
            clock=_moment(data, "clock"),
            versions={str(name): str(value) for name, value in versions.items()},
        )


def _text(data: Mapping[str, object], name: str) -> str:
    found = data.get(name)
    if not isinstance(found, str):
        raise TapeError(f"its metadata has no {name}")
    return found


def _moment(data: Mapping[str, object], name: str) -> datetime:
    try:
        found = datetime.fromisoformat(_text(data, name))
    except ValueError:
        raise TapeError(f"{name} in its metadata is no time") from None
    if found.tzinfo is None:
        raise TapeError(f"{name} in its metadata has no time zone")
    return found.astimezone(UTC)


@frozen
class Tape:
    """Traffic with its label.

    Attributes:
        label: what is known of its making.
        interactions: requests and answers, in the order in which the answers came.
    """

    label: Label
    interactions: tuple[Interaction, ...] = field(repr=lambda found: f"<{len(found)}>")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            TapeError: it is no tape, or cannot be read.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"))
        except (OSError, TapeError, UnicodeDecodeError) as error:
            raise TapeError(f"{path} is no recording of the contract suite: {error}") from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a file.

        Raises:
            TapeError: it is no tape; the text says why, and quotes nothing of it.
        """
        try:
            data: object = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader, in C
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = "" if mark is None else f" (line {mark.line + 1})"
            raise TapeError(f"it is not YAML{where}") from None
        if not isinstance(data, dict) or not isinstance(data.get("interactions"), list):
            raise TapeError("it has no interactions")
        return cls(
            Label.of(data.get("metadata")),
            tuple(_interaction(number, one) for number, one in enumerate(data["interactions"])),
        )

    def text(self) -> str:
        """Return the text of its file."""
        data = {
            "version": _FORMAT,
            "metadata": self.label.as_data(),
            "interactions": [
                {
                    "request": {
                        "method": one.request.method,
                        "uri": one.request.url,
                        "headers": _header_data(one.request.headers),
                        "body": _body_data(one.request.body) or None,
                    },
                    "response": {
                        "status": {"code": one.response.status, "message": one.response.reason},
                        "headers": _header_data(one.response.headers),
                        "body": {"string": _body_data(one.response.body)},
                    },
                }
                for one in self.interactions
            ],
        }
        text: str = yaml.dump(
            data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDE
        )
        return text


def readable(body: bytes) -> bytes:
    """Return a JSON body with indentation; any other, and one that would change, as it is.

    What a JSON reader makes of both is the same.
    """
    try:
        text = body.decode()
        value: object = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return body
    if not isinstance(value, (dict, list)):
        return body
    written = json.dumps(value, indent=2, ensure_ascii=False)
    if _UNPRINTABLE.search(written):
        written = json.dumps(value, indent=2)
    return written.encode()


def sized(request: Request, response: Response) -> Response:
    """Return an answer whose ``Content-Length``, where it has one, is that of its body."""
    bodyless = {response.status, response.status // 100} & _NO_LENGTH or request.method == "HEAD"
    if bodyless:
        return response
    length = str(len(response.body))
    return evolve(
        response,
        headers=tuple(
            (name, length if name.lower() == "content-length" else value)
            for name, value in response.headers
        ),
    )


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name comes twice")
    return dict(pairs)


def _interaction(number: int, data: object) -> Interaction:
    try:
        assert isinstance(data, dict)
        request, response = data["request"], data["response"]
        return Interaction(
            Request(
                str(request["method"]),
                str(request["uri"]),
                _headers(request["headers"]),
                _body(request["body"]),
            ),
            Response(
                int(response["status"]["code"]),
                str(response["status"]["message"] or ""),
                _headers(response["headers"]),
                _body(response["body"]["string"]),
            ),
        )
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
        raise TapeError(f"interaction {number + 1} is not one") from None


def _headers(data: Mapping[str, object]) -> Headers:
    found: list[tuple[str, str]] = []
    for name, values in data.items():
        if not isinstance(values, list):
            raise TypeError
        found += [(str(name), str(value)) for value in values]
    return tuple(found)


def _header_data(headers: Headers) -> dict[str, list[str]]:
    data: dict[str, list[str]] = {}
    for name, value in headers:
        data.setdefault(name, []).append(value)
    return data


def _body(data: object) -> bytes:
    if data is None:
        return b""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes):
        return data
    raise TypeError


def _body_data(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # C where it is
    """Reads plain data and nothing else."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml is not typed
    """Writes texts of several lines as blocks."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write the same thing twice rather than a reference."""
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _UNPRINTABLE.search(text):
        style = '"'  # with escapes; in the other styles some line breaks would become others
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
