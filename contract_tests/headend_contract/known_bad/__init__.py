"""Providers that are wrong on purpose: the tests of the checks.

Each is made from a good provider by one small change, and says which checks must notice it.  No
check but these may: one that fails for another's reason would blame an author for the wrong thing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve, field, frozen, validators

from headend.plugin import ProviderSpec
from headend_contract.reference import headend_providers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from headend.plugin import Capability

_T = TypeVar("_T", bound=type)


@frozen(kw_only=True)
class Specimen:
    """A provider that is kept to try the checks on.

    Attributes:
        name: for the report, such as ``"key-in-server-url"``.
        what: what it does, in a sentence.
        spec: its description.
        files: what must be on the path, by file name, where it is tried as an installed
            distribution; a distribution of its own is among them.
    """

    name: str = field(validator=validators.matches_re(r"[a-z0-9]+(-[a-z0-9]+)*"))
    what: str = field(validator=validators.min_len(1))
    spec: ProviderSpec
    files: Mapping[str, str] = field(factory=dict, repr=False)

    @contextmanager
    def there(self) -> Iterator[str | ProviderSpec]:
        """Give what `check_provider` takes: its description, or its name while it is installed."""
        if not self.files:
            yield self.spec
            return
        with installed(self.files):
            yield self.spec.name


@frozen(kw_only=True)
class KnownBad(Specimen):
    """A provider that is wrong in one way.

    Attributes:
        fails: the ids of the checks that notice it, and of no other.
    """

    fails: frozenset[str] = field(validator=validators.min_len(1))


def reference_spec(
    *,
    factory: type | str | None = None,
    settings: type | str | None = None,
    options: type | str | None = None,
    simulator: Callable[..., object] | str | None = None,
    facts: str | None = None,
    capabilities: Collection[Capability] | None = None,
    title: str | None = None,
    api_version: int | None = None,
    docs_url: str | None = None,
    settle_time: float | None = None,
    spec: ProviderSpec | None = None,
) -> ProviderSpec:
    """Return the description of the reference provider with some of it changed.

    Args:
        factory: the provider's class, or where it is.
        settings: the class of its settings, or where it is.
        options: the class of its options, or where it is.
        simulator: what makes its simulated platform, or where that is.
        facts: where its facts are.
        capabilities: what it declares.
        title: for people.
        api_version: of the plugin API.
        docs_url: where a person reads on.
        settle_time: in seconds.
        spec: what to change in place of the reference provider's description.
    """
    if spec is None:
        (spec,) = headend_providers()
    changes: dict[str, Any] = {
        "factory": _dotted(factory),
        "settings": _dotted(settings),
        "options": _dotted(options),
        "simulator": _dotted(simulator),
        "facts": facts,
        "capabilities": None if capabilities is None else frozenset(capabilities),
        "title": title,
        "api_version": api_version,
        "docs_url": docs_url,
        "settle_time": settle_time,
    }
    return evolve(spec, **{name: value for name, value in changes.items() if value is not None})


def _dotted(named: Callable[..., object] | str | None) -> str | None:
    """Return where a class or a function is found."""
    if named is None or isinstance(named, str):
        return named
    return f"{named.__module__}:{named.__qualname__}"


_known: Final[dict[str, KnownBad]] = {}


def register(bad: KnownBad) -> KnownBad:
    """Add a known-bad provider.

    Raises:
        ValueError: another one has its name.
    """
    if bad.name in _known:
        raise ValueError(f"there are two known-bad providers named {bad.name}")
    _known[bad.name] = bad
    return bad


def known_bad(*fails: str, what: str, spec: ProviderSpec | None = None) -> Callable[[_T], _T]:
    """Register the class below as the provider of a `KnownBad` that is named after it.

    Args:
        fails: the ids of the checks that must notice it.
        what: what it does wrong, in a sentence.
        spec: the description to put it into; without it the reference provider's.
    """

    def add(factory: _T) -> _T:
        register(
            KnownBad(
                name=name_of(factory),
                what=what,
                fails=frozenset(fails),
                spec=reference_spec(factory=factory, spec=spec),
            )
        )
        return factory

    return add


def name_of(kind: type) -> str:
    """Return the name for a known-bad provider that a class makes: ``KeyAsId``, ``key-as-id``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind.__name__.lstrip("_")).lower()


def all_known_bad() -> tuple[KnownBad, ...]:
    """Return all known-bad providers, in the order of their names."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return tuple(_known[name] for name in sorted(_known))


def all_good() -> tuple[Specimen, ...]:
    """Return the good providers that the known-bad ones are made from; no check may fail them."""
    from headend_contract.known_bad.fuller import FULLER
    from headend_contract.known_bad.packaging import GOOD
    from headend_contract.known_bad.reticent import RETICENT

    return (
        Specimen(name="reference", what="It does all right.", spec=reference_spec()),
        Specimen(name="fuller", what="It does more than the reference provider.", spec=FULLER),
        Specimen(name="reticent", what="It tells as little as it may.", spec=RETICENT),
        Specimen(
            name="installed",
            what="It is the reference provider in a distribution of its own.",
            spec=reference_spec(),
            files=GOOD,
        ),
    )


@contextmanager
def installed(files: Mapping[str, str]) -> Iterator[None]:
    """Put files on the path of this Python, and forget what was imported from them.

    Args:
        files: their texts, by their names below the folder.
    """
    with TemporaryDirectory(prefix="headend-known-bad-") as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        packages = {name.partition("/")[0].partition(".")[0] for name in files}
        sys.path.insert(0, folder)
        invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(folder)
            invalidate_caches()
            for module in [one for one in sys.modules if one.partition(".")[0] in packages]:
                del sys.modules[module]
