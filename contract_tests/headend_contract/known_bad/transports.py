"""The reference provider with another transport."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar, TypeVar

from headend_contract.known_bad import KnownBad, name_of, reference_spec, register
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.plugin import ProviderContext
    from headend_contract.reference.settings import ReferenceSettings
    from headend_contract.reference.transport import Transport

    _T = TypeVar("_T", bound=type[Transport])


class OtherTransport(ReferenceProvider):
    """Sends by a transport of another class.

    Attributes:
        transport: that class.
    """

    transport: ClassVar[type[Transport]]

    def make_transport(self, settings: ReferenceSettings, context: ProviderContext) -> Transport:
        """Return what sends the requests."""
        return self.transport(settings, context)


def known_bad_transport(*fails: str, what: str) -> Callable[[_T], _T]:
    """Register the reference provider with the class below as its transport as a `KnownBad`.

    Args:
        fails: the ids of the checks that must notice it.
        what: what it does wrong, in a sentence.
    """

    def add(transport: _T) -> _T:
        module = transport.__module__
        factory = type(
            f"{transport.__name__}Provider",
            (OtherTransport,),
            {"transport": transport, "__module__": module},
        )
        # A description names what makes the provider, so it has to be found by its name.
        setattr(sys.modules[module], factory.__name__, factory)
        register(
            KnownBad(
                name=name_of(transport),
                what=what,
                fails=frozenset(fails),
                spec=reference_spec(factory=factory),
            )
        )
        return transport

    return add
