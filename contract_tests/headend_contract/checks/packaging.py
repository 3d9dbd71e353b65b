"""How a provider is shipped and described: what can be known of it before it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from headend.discovery import CORE, GROUP
from headend.platform import StreamingPlatform
from headend.plugin import PLUGIN_API_VERSION, Facts
from headend.settings import structure_options, unknown_options
from headend_contract.check import (
    CheckFailedError,
    Level,
    check,
    expect,
    expect_equal,
    not_applicable,
)
from headend_contract.opening import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution, EntryPoint

    from headend_contract.case import Case


@check(
    "PACKAGE-ENTRY-001",
    "Each entry point is named as the provider that it describes",
    level=Level.CORE,
    needs_distribution=True,
    offline=True,
    rule='Each entry point in the group "headend" has the name of one provider that its module '
    "describes.",
    why="headend selects by the entry point's name, before anything is imported.  Under another "
    "name the provider is listed as broken.",
    hint='In pyproject.toml: [project.entry-points.headend] and then acme = "headend_acme", where '
    'the ProviderSpec says name="acme".',
)
def names_its_entry_points(case: Case) -> None:
    """Load each entry point and ask what it describes."""
    for entry_point in _entry_points(case):
        described = [one.name for one in entry_point.load().headend_providers()]
        expect_equal(
            described.count(entry_point.name),
            1,
            f"how often {entry_point.value} describes a provider named {entry_point.name}",
        )


@check(
    "PACKAGE-LOAD-001",
    "Describing a provider imports none of what it depends on",
    level=Level.CORE,
    needs_distribution=True,
    offline=True,
    rule="Importing the module of an entry point imports nothing that the distribution requires "
    "beyond what headend itself does.",
    why="headend describes every installed provider to list them.  One that imports its SDK makes "
    "every command slow for those who use another, and breaks it where the SDK is broken.",
    hint="Let the module hold the hook and the ProviderSpec only, with dotted names for all else.",
)
def loads_lightly(case: Case) -> None:
    """Import the entry points in a Python of their own."""
    extras = case.distribution.metadata.get_all("Provides-Extra") or ()
    required = _required_by(case.distribution, extras) - _required_by(distribution(CORE)) - {CORE}
    own = _modules_of(required)
    if not own:
        not_applicable("it requires nothing, beyond what headend does, that is installed here")
    modules = [one.module for one in _entry_points(case)]
    imported = {one.partition(".")[0] for one in _imported_with(modules)} & own

    expect(
        not imported,
        f"importing {', '.join(modules)} imports {', '.join(sorted(imported))} as well",
    )


@check(
    "PACKAGE-RANGE-001",
    "The distribution says with which versions of headend it works",
    level=Level.CORE,
    needs_distribution=True,
    offline=True,
    rule="The distribution requires headend with an upper bound.",
    why="headend lists a provider that was written for another version as incompatible, and says "
    "what to upgrade.  Without a range it fails somewhere in the middle.",
    hint='dependencies = ["headend>=0.1,<0.2"].',
)
def declares_a_range(case: Case) -> None:
    """Read the distribution's requirements."""
    wanted = [
        one for one in _requirements(case.distribution) if canonicalize_name(one.name) == CORE
    ]
    expect(bool(wanted), f"{case.distribution.name} does not require headend")
    bounds = {clause.operator for one in wanted for clause in one.specifier}
    expect(
        bool(bounds & {"<", "<=", "==", "~="}),
        f"{case.distribution.name} requires headend without an upper bound",
    )


@check(
    "PACKAGE-TYPED-001",
    "The package says that it has types",
    level=Level.CORE,
    offline=True,
    rule="The provider's package has the file py.typed (PEP 561).",
    why="Without it a host's type checker takes everything from the package for Any, and finds no "
    "mistake in its use of options and native methods.",
    hint="Put an empty file py.typed beside the package's __init__.py, and see that the wheel has "
    "it.",
)
def is_typed(case: Case) -> None:
    """Look for the file."""
    package = case.spec.factory.partition(":")[0].partition(".")[0]
    found = find_spec(package)

    expect(
        found is not None and found.submodule_search_locations is not None,
        f"{package} is a single module, which can have no py.typed: make a package of it",
    )
    expect(files(package).joinpath("py.typed").is_file(), f"the package {package} has no py.typed")


@check(
    "PACKAGE-NAMES-001",
    "All that a description names is there, and is what it should be",
    level=Level.CORE,
    offline=True,
    rule="factory and simulator name something that can be called, settings and options a class, "
    "and facts a Facts object.",
    why="They are imported late.  A wrong name is found by the first user of that part.",
    hint='Write "package.module:Name", and let a test resolve each.',
)
def names_what_is_there(case: Case) -> None:
    """Import each dotted name."""
    spec = case.spec
    kinds: dict[str, type] = {"settings": type, "options": type, "facts": Facts}
    for attribute in ("factory", "settings", "options", "simulator", "facts"):
        dotted = getattr(spec, attribute)
        if dotted is None:
            continue
        found = resolve(spec, dotted)
        kind = kinds.get(attribute)
        expect(
            callable(found) if kind is None else isinstance(found, kind),
            f"{attribute}={dotted!r} names a {type(found).__name__}",
        )


@check(
    "PACKAGE-WORDS-001",
    "A description tells people what it is",
    level=Level.CORE,
    offline=True,
    rule="The ProviderSpec has a title in words, the version of the plugin API that is in force, "
    "and, if it has a docs_url, an https address.",
    why="It is what `headend providers` shows to whoever chooses one.",
    hint='title="Acme Live", api_version=1, docs_url="https://…".',
)
def describes_itself(case: Case) -> None:
    """Read the description."""
    spec = case.spec
    expect(any(letter.isalpha() for letter in spec.title), "the title has no words")
    expect_equal(spec.api_version, PLUGIN_API_VERSION, "the api_version of the ProviderSpec")
    if spec.docs_url is not None:
        parts = urlsplit(spec.docs_url)
        expect(
            parts.scheme == "https" and bool(parts.hostname),
            f"docs_url={spec.docs_url!r} is no https address",
        )


@check(
    "PACKAGE-FACTS-001",
    "What a provider tells of its platform can be relied on",
    level=Level.CORE,
    offline=True,
    rule="Each limit, quota, limit of encoders, price, permission and latency has a name of its "
    "own among its kind and a date that is not to come, permissions name operations of headend or "
    "of the provider, and what prices and limits of encoders depend on are options of the "
    "provider, with values that it takes.",
    why="Costs and alarms are computed from them, and people ask for permissions by them.",
    hint="Give each its own name, the day on which you read the source, the operation's name "
    "as StreamingPlatform has it, and in terms the options as `headend create --option` takes "
    "them.",
)
def tells_sound_facts(case: Case) -> None:
    """Look at each fact."""
    facts = case.facts
    if not any(getattr(facts, kind) for kind in _FACTS):
        not_applicable("it tells nothing of its platform")
    # It may be tomorrow already where the fact was written down.
    today = datetime.now(UTC).date().isoformat()
    for kind in _FACTS:
        names = [one.name for one in getattr(facts, kind)]
        for one in getattr(facts, kind):
            expect_equal(names.count(one.name), 1, f"how many of the {kind} are named {one.name}")
            expect(
                one.as_of <= today, f"{one.name} of the {kind} is as of {one.as_of}, a day to come"
            )
    provider = resolve(case.spec, case.spec.factory)
    for permission in facts.permissions:
        for operation in permission.needed_for:
            expect(
                hasattr(StreamingPlatform, operation) or hasattr(provider, operation),
                f"the permission {permission.name} is needed for {operation}, which is no "
                "operation",
            )
    depending = [(one.name, one.terms) for one in facts.prices]
    depending += [(one.name, one.terms) for one in facts.encoders]
    for fact, terms in depending:
        for name, values in terms.items():
            for value in values:
                wrong = _wrong_option(case.options_class, name, value)
                expect(
                    wrong is None,
                    f"{fact} depends on the option {name} with the value {value}: {wrong}",
                )


_FACTS: Final = ("limits", "quotas", "encoders", "prices", "permissions", "latencies")


def _wrong_option(options: type | None, name: str, value: str) -> str | None:
    """Tell why a live stream cannot be created with this option, if it cannot."""
    if options is None:
        return "the provider has no options"
    unknown = unknown_options(options, [name])
    problems = unknown or structure_options(options, {name: value})[1]
    return next((words for about, words in problems if about == name), None)


def _entry_points(case: Case) -> list[EntryPoint]:
    found = [one for one in case.distribution.entry_points if one.group == GROUP]
    expect(bool(found), f"{case.distribution.name} has no entry point in the group {GROUP}")
    return found


def _requirements(found: Distribution, extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """Return what a distribution requires on this machine, with some of its extras."""
    chosen = ["", *extras]
    for text in found.requires or ():
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in chosen):
            yield one


def _required_by(found: Distribution, extras: Iterable[str] = ()) -> frozenset[str]:
    """Name the distributions that one requires, and those that these require, and so on."""
    seen: set[str] = set()
    waiting = [*_requirements(found, extras)]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            waiting += _requirements(distribution(name), one.extras)
        except PackageNotFoundError:
            continue
    return frozenset(seen)


def _modules_of(names: Iterable[str]) -> frozenset[str]:
    """Name the topmost modules of those distributions that are installed."""
    found: set[str] = set()
    for name in names:
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue
        told = one.read_text("top_level.txt")
        if told is None:
            found |= {path.parts[0].partition(".")[0] for path in one.files or ()}
        else:
            found |= set(told.split())
    return frozenset(found)


_IMPORT: Final = """
import json, sys
sys.path[:], names = json.loads(sys.argv[1])
import headend.plugin
for name in names:
    __import__(name)
print(json.dumps(sorted(sys.modules)))
"""


def _imported_with(modules: list[str]) -> list[str]:
    """Name all modules that a new Python has after it has imported some."""
    ran = subprocess.run(  # noqa: S603  # this Python, with a script of our own
        [sys.executable, "-c", _IMPORT, json.dumps([sys.path, modules])],
        capture_output=True,
        check=False,
        env=os.environ,
        text=True,
        timeout=60,
    )
    if ran.returncode != 0:
        raise CheckFailedError(
            f"importing {', '.join(modules)} fails: {ran.stderr.strip().splitlines()[-1]}"
        )
    names: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return names
