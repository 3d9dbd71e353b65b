"""Providers that are shipped or described wrongly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from headend.plugin import Permission
from headend_contract.known_bad import KnownBad, reference_spec, register
from headend_contract.reference.facts import FACTS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE: Final = "headend_known_bad"
_METADATA: Final = f"{_PACKAGE}-1.0.dist-info"

_MODULE: Final = f'''"""The reference provider as an installed one."""

from attrs import evolve, frozen

from headend.plugin import hookimpl
from headend_contract import reference


@hookimpl
def headend_providers():
    for spec in reference.headend_providers():
        yield evolve(spec, factory="{_PACKAGE}.provider:ReferenceProvider")
'''

GOOD: Final[Mapping[str, str]] = {
    f"{_PACKAGE}/__init__.py": _MODULE,
    f"{_PACKAGE}/provider.py": (
        "from headend_contract.reference.provider import ReferenceProvider as ReferenceProvider\n"
    ),
    f"{_PACKAGE}/py.typed": "",
    f"{_METADATA}/METADATA": (
        "Metadata-Version: 2.1\nName: headend-known-bad\nVersion: 1.0\n"
        "Requires-Dist: headend>=0.1,<1\nRequires-Dist: httpx>=0.27\n"
    ),
    f"{_METADATA}/entry_points.txt": f"[headend]\nreference = {_PACKAGE}\n",
}
"""The files of a distribution that brings the reference provider, and of which all is right."""


def _installed(name: str, fails: str, what: str, **changed: str | None) -> None:
    """Register the good distribution with some of its files changed, or left out."""
    files = {file: text for file, text in GOOD.items() if changed.get(_short(file), "") is not None}
    for file in files:
        text = changed.get(_short(file))
        if text is not None:
            files[file] = text
    register(
        KnownBad(name=name, what=what, fails=frozenset({fails}), spec=reference_spec(), files=files)
    )


def _short(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0]


_installed(
    "misnamed-entry-point",
    "PACKAGE-ENTRY-001",
    "Its distribution has a second entry point, under a name that no provider has.",
    entry_points=f"[headend]\nreference = {_PACKAGE}\nreference-live = {_PACKAGE}\n",
)
_installed(
    "heavy-entry-point",
    "PACKAGE-LOAD-001",
    "The module of its entry point imports an HTTP library.",
    __init__=f"{_MODULE}\n\nimport httpx\n",
)
_installed(
    "any-headend",
    "PACKAGE-RANGE-001",
    "Its distribution takes any version of headend from 0.1.",
    METADATA=GOOD[f"{_METADATA}/METADATA"].replace(",<1", ""),
)
_installed("untyped", "PACKAGE-TYPED-001", "Its package has no py.typed.", py=None)

_HERE: Final = __name__

STRANGE_FACTS: Final = evolve(
    FACTS,
    permissions=(
        *FACTS.permissions,
        Permission(
            name="publish",
            needed_for=("create_stream",),
            source="headend_contract.known_bad.packaging",
            as_of="2026-10-01",
        ),
    ),
)
"""A permission for an operation that there is not."""

FUTURE_FACTS: Final = evolve(
    FACTS,
    quotas=tuple(
        evolve(one, as_of=(datetime.now(UTC) + timedelta(days=400)).date().isoformat())
        for one in FACTS.quotas
    ),
)
"""Quotas that somebody will read next year."""


class Quality(Enum):
    """How good the picture is."""

    HIGH = "high"
    LOW = "low"


@frozen(kw_only=True)
class QualityOptions:
    """Has an option on which prices may depend.

    Attributes:
        quality: of the picture.
    """

    quality: Quality = Quality.LOW


_PRICED_BY_QUALITY: Final = tuple(evolve(one, terms={"quality": "highest"}) for one in FACTS.prices)
DEPENDENT_FACTS: Final = evolve(FACTS, prices=_PRICED_BY_QUALITY)
"""Prices for a quality that nobody can ask for."""

for _name, _what, _facts in (
    ("strange-permission", "It asks for a permission for no operation.", "STRANGE_FACTS"),
    ("strange-terms", "Its prices depend on an option that it has not.", "DEPENDENT_FACTS"),
    ("facts-to-come", "It tells quotas as of a day next year.", "FUTURE_FACTS"),
):
    register(
        KnownBad(
            name=_name,
            what=_what,
            fails=frozenset({"PACKAGE-FACTS-001"}),
            spec=reference_spec(facts=f"{_HERE}:{_facts}"),
        )
    )

register(
    KnownBad(
        name="factless",
        what="It names facts that are nowhere.",
        fails=frozenset(
            {
                "ERROR-RATE-001",
                "PACE-FACTS-001",
                "PACE-LIMIT-001",
                "PACE-PAUSE-001",
                "PACKAGE-FACTS-001",
                "PACKAGE-NAMES-001",
                "RETRY-WAIT-001",
            }
        ),
        spec=reference_spec(facts="headend_contract.reference.facts:LIMITS"),
    )
)
register(
    KnownBad(
        name="wordless",
        what="Its title has no words.",
        fails=frozenset({"PACKAGE-WORDS-001"}),
        spec=reference_spec(title="-"),
    )
)
register(
    KnownBad(
        name="insecure-docs",
        what="Its docs_url is no https address.",
        fails=frozenset({"PACKAGE-WORDS-001"}),
        spec=reference_spec(docs_url="docs.reference.example"),
    )
)

register(
    KnownBad(
        name="strange-value",
        what="Its prices depend on a value that its option does not take.",
        fails=frozenset({"PACKAGE-FACTS-001"}),
        spec=reference_spec(options=QualityOptions, facts=f"{_HERE}:DEPENDENT_FACTS"),
    )
)
