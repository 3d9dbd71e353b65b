"""What a provider's simulated platform is: an ASGI application that can be told how to behave.

`ProviderSpec.simulator` names a function that makes one, and `headend simulate NAME` serves it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from headend.clock import Clock
    from headend.media import MediaBackend

Receive = Callable[[], Awaitable[MutableMapping[str, object]]]
"""How an ASGI application gets the messages of a request."""

Send = Callable[[MutableMapping[str, object]], Awaitable[None]]
"""How an ASGI application gives the messages of an answer."""


@runtime_checkable
class Simulator(Protocol):
    """A simulated platform that answers over HTTP (ASGI 3).

    It is not the platform: what only a simulator says is no proof of what the platform does.
    """

    async def __call__(
        self, scope: MutableMapping[str, object], receive: Receive, send: Send
    ) -> None:
        """Answer a request."""
        ...

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point a host at it, credentials included.

        Args:
            url: where it is served, without a slash at the end: ``http://127.0.0.1:PORT``.
        """
        ...

    def describe_switches(self) -> Mapping[str, str]:
        """Return what each switch does by its name, with its default.

        It also says where the platform's behaviour is told.
        """
        ...

    def switch(self, **values: object) -> None:
        """Change how it behaves from now on; a value may be a text, as a command line has it.

        Raises:
            ConfigurationError: there is no such switch, or it does not take such a value.
        """
        ...

    def reset(self) -> None:
        """Forget what was created and what happened; switches and credentials stay."""
        ...


class SimulatorFactory(Protocol):
    """What `ProviderSpec.simulator` names.

    One whose live streams never carry real pictures has no parameter `media`.
    """

    def __call__(
        self,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        switches: Mapping[str, object] | None = None,
        media: MediaBackend | None = None,
    ) -> Simulator:
        """Make a simulated platform with nothing in it yet.

        Args:
            clock: the platform's; without it the machine's.
            random: where ids and keys come from; the same seed gives the same ones.
            switches: how it behaves, by the names that `Simulator.describe_switches` gives.
            media: carries the pictures; without it there are none.

        Raises:
            ConfigurationError: there is no such switch, or it does not take such a value.
        """
        ...
