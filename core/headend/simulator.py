"""What a provider's simulated platform is: an ASGI application that can be told how to behave.

`ProviderSpec.simulator` names a function that makes one, and `headend simulate NAME` serves it.
Beside the answers there is a second way to look at it, `Simulator.truth`, and encoders and viewers
come without HTTP: that is how the contract suite finds out whether a provider tells the truth.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from attrs import field, frozen

if TYPE_CHECKING:
    from random import Random

    from headend.clock import Clock
    from headend.media import MediaBackend

Receive = Callable[[], Awaitable[MutableMapping[str, object]]]
"""How an ASGI application gets the messages of a request."""

Send = Callable[[MutableMapping[str, object]], Awaitable[None]]
"""How an ASGI application gives the messages of an answer."""


@frozen(kw_only=True)
class TrueLiveStream:
    """What is so of one live stream, whatever the platform's answers say.

    Attributes:
        stream_id: names it, as a provider does.
        stream_keys: each text that lets an encoder in now: the stream key, and the secrets of
            further ingests.  There is none while encoders are refused; that another encoder is
            there already changes nothing.
        live: whether an encoder pushes and viewers can watch.
        viewers: how many watch now; 0 while there is nothing to watch.
        recordings: the ids of what is kept of its sessions, also while it is being recorded.
        bitrate: what an encoder pushes now, in bits per second; `None`: nobody pushes, or the
            simulator does not know.
    """

    stream_id: str
    stream_keys: frozenset[str] = field(repr=False)
    live: bool
    viewers: int
    recordings: frozenset[str] = frozenset()
    bitrate: int | None = None


@frozen(kw_only=True)
class PlatformTruth:
    """What is so on a simulated platform at one moment.

    Attributes:
        live_streams: all that there are, by `stream_id`, also those that no list shows yet.
        recordings: the ids of all that is kept, also of live streams that are gone.
    """

    live_streams: Mapping[str, TrueLiveStream]
    recordings: frozenset[str] = frozenset()


class SimulatedEncoder(Protocol):
    """An encoder that was let in by a simulated platform, and pushes as long as it may."""

    @property
    def connected(self) -> bool:
        """Whether it still pushes: it has not left, and was not thrown out."""
        ...

    def leave(self) -> None:
        """Stop pushing without a word, as a lost network does; one that is gone stays gone."""
        ...


@runtime_checkable
class Simulator(Protocol):
    """A simulated platform that answers over HTTP (ASGI 3).

    It is not the platform: what only a simulator says is no proof of what the platform does.  All
    but the answering may be called from any thread.
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

    def truth(self) -> PlatformTruth:
        """Return what is so now; no request is sent or counted for it."""
        ...

    @property
    def connect_time(self) -> float:
        """Seconds from an encoder's arrival by which viewers can watch for certain."""
        ...

    def connect(self, stream_key: str) -> SimulatedEncoder | None:
        """Have an encoder push with this key; `None` if the platform refuses it.

        The encoder is simulated too.  Where a `headend.plugin.MediaBackend` carries the pictures,
        push to that instead.
        """
        ...

    def watch(self, stream_id: str, viewers: int) -> None:
        """Have so many viewers, in place of those before, watch from now on.

        They are there once there is something to watch, and at least until the session is over.

        Raises:
            KeyError: there is no such live stream.
        """
        ...

    def close(self) -> None:
        """Let go of all that it holds outside of its memory; it answers nothing afterwards.

        Closing twice is harmless.
        """
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
