"""How a simulated platform behaves, as data: each switch says what it does and who says so.

A simulator has a class of them, whose defaults are its usual behaviour::

    @frozen(kw_only=True)
    class AcmeSwitches(Switches):
        list_lag: float = field(
            default=0.0,
            metadata=switch("Seconds until a list shows what was created.", "docs.acme.example"),
        )
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Self

from attrs import asdict, fields_dict, frozen

from headend.errors import ConfigurationError
from headend.settings import structure_options, unknown_options

if TYPE_CHECKING:
    from collections.abc import Mapping

_HELP: Final = "headend.switch"
_SOURCE: Final = "headend.switch.source"


def switch(what: str, source: str | None = None) -> dict[str, str | None]:
    """Describe a switch in the metadata of its field.

    Args:
        what: what it does, as a sentence.
        source: the public page that tells of such behaviour, or the words that none does.
    """
    return {_HELP: what, _SOURCE: source}


@frozen(kw_only=True)
class Switches:
    """The base of a simulator's switches; a derived class has one field for each."""

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Make switches of values, or of texts as a command line has them.

        Raises:
            ConfigurationError: there is no such switch, or it does not take such a value.
        """
        unknown = unknown_options(cls, values, what="switch")
        known = {name: value for name, value in values.items() if name in fields_dict(cls)}
        made, wrong = structure_options(cls, known)
        if made is None or unknown:
            problems = [f"switch {name}: {what}" for name, what in unknown + wrong]
            raise ConfigurationError.of("the simulated platform", problems)
        return made

    def changed(self, values: Mapping[str, object]) -> Self:
        """Return the same switches but for these.

        Raises:
            ConfigurationError: there is no such switch, or it does not take such a value.
        """
        return self.of({**asdict(self, recurse=False), **values})

    @classmethod
    def describe(cls) -> dict[str, str]:
        """Return what each switch does, its default and who says so, by its name."""
        defaults = asdict(cls(), recurse=False)
        return {
            name: f"{one.metadata[_HELP]} Default: {_as_typed(defaults[name])}."
            + (f" [{one.metadata[_SOURCE]}]" if one.metadata[_SOURCE] else "")
            for name, one in fields_dict(cls).items()
        }


def _as_typed(value: object) -> str:
    """Return a value as ``--switch`` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    if isinstance(value, tuple):
        return ",".join(str(one) for one in value) or "none"
    return str(value)
