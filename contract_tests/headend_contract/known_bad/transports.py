"""The reference provider with another transport, and ways to change that in one place."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import frozen

from headend.plugin import Operation
from headend_contract.known_bad import KnownBad, name_of, reference_spec, register
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.transport import Answer, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import Attempt, Fields, ProviderContext
    from headend_contract.reference.settings import ReferenceSettings

    _T = TypeVar("_T", bound=type[Transport])
    _R = TypeVar("_R")


@frozen
class Request:
    """A request that is about to be sent.

    Attributes:
        operation: what it is for.
        method: the HTTP method.
        path: below the account.
        send: sends it, once each time that it is called, and returns the answer.
    """

    operation: Operation
    method: str
    path: str
    send: Callable[[], Answer]


class OtherOperations(Transport):
    """Declares operations otherwise than they are, or does something before each."""

    @abstractmethod
    def declared(self, operation: Operation) -> Operation:
        """Return what is declared in place of this operation, which is about to begin."""

    def send(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        read: Callable[[Fields], _R],
        expect: int = 200,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> _R:
        """Send a request as one of another operation."""
        other = self.declared(operation)
        return super().send(other, method, path, read=read, expect=expect, query=query, body=body)


class OtherAnswers(Transport):
    """Takes something else for an answer than what came, or does something before or after."""

    @abstractmethod
    def answer_to(self, request: Request) -> Answer:
        """Return what is taken for the answer to a request, which may be sent or not."""

    def exchange(
        self,
        operation: Operation,
        attempt: Attempt,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
    ) -> Answer:
        """Return what is taken for the answer."""
        send = partial(super().exchange, operation, attempt, method, path, query, body)
        return self.answer_to(Request(operation, method, path, send))


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
