"""Expected failures: what a plugin's author says that the provider does not do, as strict data.

In the source tree they are in the plugin's own ``pyproject.toml``::

    [[tool.headend.contract.expected-failures]]
    id = "LIVE-CREATE-003"
    kind = "upstream"
    reason = "The platform cuts names off at 20 characters; ticket 4711."
    raises = "CheckFailedError"
    until = 2030-06-30

A wheel carries no ``pyproject.toml``.  For whoever runs the suite on an installed plugin, the same
tables, named ``[[expected-failures]]``, are in the file ``contract.toml`` of the plugin's package;
that file is read in the source tree as well, and then ``pyproject.toml`` has none.
"""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import suppress
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from headend.errors import PluginError
from headend.plugin import ConfigurationError
from headend_contract.check import no_such_check
from headend_contract.opening import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import Distribution

    from headend_contract.subject import Subject

FILE: Final = "contract.toml"
"""The file in a plugin's package."""

_TABLE: Final = "expected-failures"
_REQUIRED: Final = ("id", "kind", "reason", "raises")
_CLASS: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Kind(StrEnum):
    """Why a provider does not do what a check asks for."""

    NOT_IMPLEMENTED = "not-implemented"
    """Nobody has written it yet."""
    UPSTREAM = "upstream"
    """The platform, or its SDK, is at fault."""
    NEVER = "never"
    """The platform is not made that way."""


@frozen(kw_only=True)
class ExpectedFailure:
    """A check that a provider is known to fail, and in which way.

    Attributes:
        id: the check's.
        kind: why it fails.
        reason: the same in a sentence, for the report.
        raises: the class of the error by which it fails, or of one of that class's bases:
            ``"CheckFailedError"`` where the check itself complains.
        until: the last day on which it may fail; `None`: for ever.
    """

    id: str
    kind: Kind
    reason: str
    raises: str
    until: date | None = None

    def covers(self, error: BaseException, today: date) -> bool:
        """Tell whether this is the failure that is expected, and still may be."""
        names = {one.__name__ for one in type(error).__mro__}
        return self.raises in names and not self.has_expired(today)

    def has_expired(self, today: date) -> bool:
        """Tell whether the last day is over."""
        return self.until is not None and today > self.until


def load_expected_failures(subject: Subject, known: Iterable[str]) -> tuple[ExpectedFailure, ...]:
    """Return what a plugin's author expects to fail.

    Args:
        subject: the provider.
        known: the ids of all checks that there are.

    Raises:
        ConfigurationError: with every problem at once: an entry that is not as it should be, an
            id that no check has, a class of errors that there is not, two entries for one check,
            or entries in both places.
    """
    package = _file_in_package(subject)
    tree = None if subject.distribution is None else _pyproject_of(subject.distribution)
    entries: list[tuple[Path, object]] = []
    if package is not None:
        entries += [(package, one) for one in _entries(package, _read(package))]
    if tree is not None:
        found = [(tree, one) for one in _entries(tree, _contract_table(tree))]
        if entries and found:
            raise ConfigurationError(
                f"provider {subject.name}: both {package} and {tree} list expected failures; "
                f"keep {FILE}, which a wheel carries"
            )
        entries += found
    if not entries:
        return ()
    return _checked(subject.name, entries, frozenset(known), _known_errors(subject))


def _known_errors(subject: Subject) -> frozenset[str]:
    """Return the names of all classes of errors, those that the provider imports included."""
    with suppress(PluginError):
        resolve(subject.spec, subject.spec.factory)
    found: set[type[BaseException]] = set()
    more: list[type[BaseException]] = [BaseException]
    while more:
        one = more.pop()
        if one not in found:
            found.add(one)
            more += type.__subclasses__(one)
    return frozenset(one.__name__ for one in found)


def _checked(
    name: str,
    entries: list[tuple[Path, object]],
    known: frozenset[str],
    errors: frozenset[str],
) -> tuple[ExpectedFailure, ...]:
    made: dict[str, ExpectedFailure] = {}
    problems: list[str] = []
    for number, (path, entry) in enumerate(entries, 1):
        where = f"{path}: {_TABLE} {number}"
        try:
            one = _structure(entry)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        if one.id not in known:
            problems.append(f"{where}: {no_such_check(one.id, known)}")
        if one.raises not in errors:
            problems.append(f"{where}: raises names {one.raises}, which is no error's class")
        if one.id in made:
            problems.append(f"{where}: {one.id} is there already")
        made[one.id] = one
    if problems:
        raise ConfigurationError.of(f"provider {name}", problems)
    return tuple(made.values())


def _structure(entry: object) -> ExpectedFailure:
    if not isinstance(entry, dict):
        raise ValueError("it is no table")  # noqa: TRY004  # one kind of error for all that is wrong
    problems = [f"{one} is missing" for one in _REQUIRED if one not in entry]
    problems += [f"{one} is no such field" for one in sorted(set(entry) - {*_REQUIRED, "until"})]
    texts = {one: entry[one] for one in _REQUIRED if one in entry}
    no_texts = {one for one, is_ in texts.items() if not isinstance(is_, str) or not is_.strip()}
    problems += [f"{one} is no text" for one in texts if one in no_texts]
    raises, kind = (texts.get(one) for one in ("raises", "kind"))
    if isinstance(raises, str) and raises.strip() and _CLASS.fullmatch(raises) is None:
        problems.append(f"raises is the name of an error's class, not {raises!r}")
    if isinstance(kind, str) and kind.strip() and kind not in {one.value for one in Kind}:
        problems.append(f"kind is one of {', '.join(Kind)}, not {kind!r}")
    until = entry.get("until")
    # A TOML date with a time is a `datetime`, which is a `date` as well.
    if until is not None and type(until) is not date:
        problems.append("until is a day, as in 2030-06-30 without quotes")
    if problems:
        raise ValueError(", ".join(problems))
    return ExpectedFailure(
        id=entry["id"],
        kind=Kind(entry["kind"]),
        reason=entry["reason"].strip(),
        raises=entry["raises"],
        until=until,
    )


def _file_in_package(subject: Subject) -> Path | None:
    folder = subject.folder
    if folder is None:
        return None
    file = folder / FILE
    return file if file.is_file() else None


def _pyproject_of(distribution: Distribution) -> Path | None:
    """Return the file of the source tree from which a distribution is installed as editable.

    ``direct_url.json`` tells where that is:
    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    text = distribution.read_text("direct_url.json")
    origin = {} if text is None else json.loads(text)
    if not origin.get("dir_info", {}).get("editable", False):
        return None
    file = Path(unquote(urlsplit(origin["url"]).path)) / "pyproject.toml"
    return file if file.is_file() else None


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _contract_table(pyproject: Path) -> Mapping[str, object]:
    """Return ``[tool.headend.contract]``, empty where there is none."""
    table = _read(pyproject)
    for name in ("tool", "headend", "contract"):
        found = table.get(name, {})
        if not isinstance(found, dict):
            raise ConfigurationError(f"{pyproject}: {name} is no table")
        if name == "contract" and (strangers := sorted(set(table) - {name})):
            raise ConfigurationError(f"{pyproject}: [tool.headend] has no {strangers[0]}")
        table = found
    return table


def _entries(path: Path, table: Mapping[str, object]) -> list[object]:
    strangers = sorted(set(table) - {_TABLE})
    found = table.get(_TABLE, [])
    if strangers or not isinstance(found, list):
        what = f"{strangers[0]} is nothing that the contract suite knows" if strangers else ""
        raise ConfigurationError(f"{path}: {what or f'{_TABLE} is no list of tables'}")
    return found
