"""Live mode: the platform itself, with the credentials of the environment.

Whatever a check creates there is ended, also when the check fails half-way: the host's id is
noted before the request is sent, and afterwards the platform is asked for what bears it and was
not there before.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from headend.errors import ConfigurationError, HeadendError
from headend.plugin import Capability, SystemClock
from headend.settings import describe_settings
from headend_contract.check import Mode
from headend_contract.deck import record
from headend_contract.modes import World
from headend_contract.modes.replay import seen_requests
from headend_contract.network import is_loopback
from headend_contract.opening import open_platform, process_environment
from headend_contract.tape import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headend.platform import StreamingPlatform
    from headend_contract.case import SentRequest
    from headend_contract.check import Check
    from headend_contract.deck import Deck
    from headend_contract.subject import Subject

_log: Final = logging.getLogger(__name__)

_LONGEST_WAIT: Final = 300.0
"""Seconds that a check may let pass at once on a real clock."""

_PASSED_ON: Final = ("AWS_",)
"""What SDKs read by themselves, besides the variables of the settings."""


def credentials(
    subject: Subject, environment: Mapping[str, str] | None = None
) -> dict[str, str] | None:
    """Return the variables for the platform itself; `None` where no credential is among them.

    Args:
        subject: the provider.
        environment: where to look; without it in the process's own.
    """
    environment = os.environ if environment is None else environment
    infos = describe_settings(subject.settings_class)
    if not any(info.secret and environment.get(info.env, "").strip() for info in infos):
        return None
    known = {info.env for info in infos}
    return {
        name: value
        for name, value in environment.items()
        if name in known or name.startswith(_PASSED_ON)
    }


@contextmanager
def live_venue(
    subject: Subject, *, environment: Mapping[str, str] | None = None
) -> Iterator[LiveVenue]:
    """Talk to a provider's platform, which may cost money.

    Args:
        subject: the provider.
        environment: all the variables there are; without it the process's own.

    Raises:
        ConfigurationError: there are no credentials, or they are for a simulator.
    """
    variables = credentials(subject, environment)
    if variables is None:
        secrets = [one for one in describe_settings(subject.settings_class) if one.secret]
        needed = [one for one in secrets if one.required] or secrets
        names = ", ".join(one.env for one in needed)
        raise ConfigurationError(
            f"there are no credentials for the platform of {subject.name}: set {names}"
        )
    for name, value in sorted(variables.items()):
        if "://" in value and is_loopback(urlsplit(value).hostname):
            raise ConfigurationError(
                f"{name} is an address on this machine, so nothing there is live: unset it, or "
                "run in simulator mode"
            )
    with TemporaryDirectory(prefix="headend-contract-") as folder:
        yield LiveVenue(subject, variables, Path(folder))


class LiveVenue:
    """Gives each check the platform, and sweeps up after it."""

    def __init__(self, subject: Subject, environment: Mapping[str, str], folder: Path) -> None:
        self._subject = subject
        self._environment = environment
        self._folder = folder

    @contextmanager
    def world(self, check: Check) -> Iterator[LiveWorld]:
        """Note what a check creates, and end what is left of it."""
        environment = {
            "HEADEND_DATA_DIR": str(self._folder / check.id),
            **self._environment,
        }
        sweeper = Sweeper(self._subject, environment)
        sweeper.look_round()
        try:
            with record() as deck:
                yield LiveWorld(deck, environment, sweeper)
        finally:
            for left in sweeper.sweep():
                _log.error("%s: %s", check.id, left)


class LiveWorld(World):
    """The platform, on the machine's clock.

    Attributes:
        deck: what is recorded of the traffic.
    """

    mode = Mode.LIVE
    provenance = LIVE

    def __init__(self, deck: Deck, environment: Mapping[str, str], sweeper: Sweeper) -> None:
        self.clock = SystemClock()
        self.environment = environment
        self.deck = deck
        self._sweeper = sweeper

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """All requests so far."""
        return seen_requests(self.deck.sent)

    def pass_time(self, seconds: float) -> None:
        """Wait, for the platform's time cannot be moved; but never longer than five minutes."""
        self.clock.sleep(min(seconds, _LONGEST_WAIT))

    def creating(self, channel_id: int | str) -> None:
        """Note the host's id before anything is created for it."""
        self._sweeper.creating(channel_id)

    def created(self, stream_id: str) -> None:
        """Note what was created."""
        self._sweeper.created(stream_id)

    def problems(self) -> Sequence[str]:
        """End what the check left, and tell of what could not be ended."""
        self.deck.stop()
        return self._sweeper.sweep()


class Sweeper:
    """Ends what a check created and did not end.

    Args:
        subject: the provider.
        environment: the variables that it is opened with.
    """

    def __init__(self, subject: Subject, environment: Mapping[str, str]) -> None:
        self._subject = subject
        self._environment = environment
        self._channels: dict[str, None] = {}
        self._streams: dict[str, None] = {}
        self._others: frozenset[str] | None = None

    def look_round(self) -> None:
        """Note the live streams that are there already, which are nobody's to end here."""
        try:
            with self._opened() as platform:
                self._others = frozenset(one.stream_id for one in platform.list_live_streams())
        except HeadendError:
            # The check will meet the same error; only ids that it is told are ended then.
            self._others = None

    def creating(self, channel_id: int | str) -> None:
        """Note a host's id for which something is about to be created."""
        self._channels[str(channel_id)] = None

    def created(self, stream_id: str) -> None:
        """Note a live stream that was created."""
        self._streams[stream_id] = None

    def sweep(self) -> list[str]:
        """End all that was noted, and return what could not be ended, in sentences.

        A second call tries again what the first could not do.
        """
        if not self._streams and not self._channels:
            return []
        try:
            with self._opened() as platform:
                return [*self._look_up(platform), *self._end(platform)]
        except HeadendError as error:
            left = ", ".join([*self._streams, *self._channels])
            return [f"what it created could not be swept up ({left}): {error}"]

    @contextmanager
    def _opened(self) -> Iterator[StreamingPlatform]:
        with process_environment(self._subject.variables, self._environment):
            opened = open_platform(
                self._subject.spec,
                self._environment,
                clock=SystemClock(),
                random=SystemRandom(),
            )
            with opened.platform as platform:
                yield platform

    def _look_up(self, platform: StreamingPlatform) -> Iterator[str]:
        """Find live streams of the noted ids, which a lost answer may have hidden."""
        if self._others is None or not self._channels:
            return
        try:
            for found in platform.list_live_streams():
                if found.channel_id in self._channels and found.stream_id not in self._others:
                    self._streams[found.stream_id] = None
        except HeadendError as error:
            names = ", ".join(self._channels)
            yield f"whether live streams of {names} are left could not be found out: {error}"
        else:
            self._channels.clear()

    def _end(self, platform: StreamingPlatform) -> Iterator[str]:
        recordings = Capability.RECORDINGS in self._subject.spec.capabilities
        for stream_id in list(self._streams):
            try:
                platform.end_live_stream(stream_id, delete_recordings=recordings)
            except HeadendError as error:
                yield f"the live stream {stream_id} is left on the platform: {error}"
            else:
                del self._streams[stream_id]
