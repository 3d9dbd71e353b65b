"""Providers whose options are anybody's guess, and beside them one whose options are right."""

from __future__ import annotations

from typing import Final

import attrs
from attrs import frozen

from headend_contract.known_bad import KnownBad, reference_spec, register


@frozen(kw_only=True)
class TypedOptions:
    """Has an option of a type, as it should.

    Attributes:
        mode: a word.
    """

    mode: str | None = None


OPTIONED: Final = reference_spec(options=TypedOptions)
"""The description of a good provider that has options, which the reference provider lacks."""


class _AnyName(str):
    """A name that is every name."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)


@frozen(kw_only=True)
class AnyOptions:
    """Takes an option of any name.

    Attributes:
        anything: stands for all of them.
    """

    anything: str | None = None


AnyOptions.__attrs_attrs__ = tuple(  # type: ignore[assignment]  # which is what is wrong
    one.evolve(name=_AnyName(one.name)) for one in attrs.fields(AnyOptions)
)

register(
    KnownBad(
        name="takes-any-option",
        what="An option of whatever name is taken for one that there is.",
        fails=frozenset({"OPTION-UNKNOWN-001"}),
        spec=reference_spec(options=AnyOptions),
    )
)


@frozen(kw_only=True)
class LooseOptions:
    """Has an option of no type.

    Attributes:
        mode: whatever it is.
    """

    mode: object = None


register(
    KnownBad(
        name="takes-any-value",
        what="An option takes a value of any type, and nothing is made of it.",
        fails=frozenset({"OPTION-VALUE-001"}),
        spec=reference_spec(options=LooseOptions),
    )
)
