"""Replay mode: answers come from recordings, and nothing in this process reaches a server."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from headend.errors import PluginError
from headend_contract.botocore_files import read_once
from headend_contract.case import SentRequest
from headend_contract.cassettes import NAME, find_cassettes
from headend_contract.check import CONTRACT_VERSION, Mode
from headend_contract.clock import START, ManualClock
from headend_contract.deck import play
from headend_contract.modes import NotRunError, StaleError, World
from headend_contract.network import offline
from headend_contract.scrub import MADE_ANEW
from headend_contract.tape import Label, Tape, TapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from headend_contract.cassettes import Cassettes
    from headend_contract.check import Check
    from headend_contract.deck import Deck, Sent
    from headend_contract.network import NetworkBlock
    from headend_contract.subject import Subject

__all__ = ["ReplayVenue", "ReplayWorld", "find_cassettes", "replay_venue"]


@contextmanager
def replay_venue(subject: Subject, cassettes: Path | None = None) -> Iterator[ReplayVenue]:
    """Play a provider's recordings.

    Args:
        subject: the provider.
        cassettes: where its recordings are; without it they are looked for.

    Raises:
        PluginError: there are none, or their settings cannot be read.
    """
    found = find_cassettes(subject, cassettes)
    if found is None:
        where = f"its package and ./{NAME}/{subject.name}" if cassettes is None else str(cassettes)
        raise PluginError(
            f"provider {subject.name} has no recordings for contract {CONTRACT_VERSION} in "
            f"{where}; `{_command(subject)}` makes them"
        )
    try:
        environment = {
            name: _private_key() if value == MADE_ANEW else value
            for name, value in found.environment().items()
        }
    except TapeError as error:
        raise PluginError(f"{error}; `{_command(subject)}` makes it anew") from None
    with TemporaryDirectory(prefix="headend-contract-") as folder:
        yield ReplayVenue(subject, found, environment, Path(folder))


def _private_key() -> str:
    """Return a key that nobody has seen, for a provider that signs on this machine."""
    # Only providers that bring this library have such a setting.
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = generate_private_key(SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class ReplayVenue:
    """Plays the tape of each check, without a network."""

    def __init__(
        self,
        subject: Subject,
        cassettes: Cassettes,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self._subject = subject
        self._cassettes = cassettes
        self._environment = environment
        self._folder = folder

    @contextmanager
    def world(self, check: Check) -> Iterator[ReplayWorld]:
        """Put a check's tape in; a check without one may go on as long as it sends nothing."""
        tape = self._tape(check)
        with read_once(), offline() as block, play(tape or _empty(check)) as deck:
            yield ReplayWorld(
                deck,
                block,
                tape,
                environment={
                    "HEADEND_DATA_DIR": str(self._folder / check.id),
                    **self._environment,
                },
                remedy=f"{_command(self._subject)} --only {check.id}",
            )

    def _tape(self, check: Check) -> Tape | None:
        path = self._cassettes.path(check.id)
        if not path.exists():
            return None
        remedy = f"`{_command(self._subject)} --only {check.id}` records it anew"
        try:
            tape = Tape.read(path)
        except TapeError as error:
            raise NotRunError(f"{error}; {remedy}") from None
        if tape.label.check != check.id:
            raise NotRunError(f"{path} is the recording of {tape.label.check}; {remedy}")
        if tape.label.digest != check.digest:
            raise StaleError(
                f"the check does something else than when {path.name} was recorded on "
                f"{tape.label.recorded_at:%Y-%m-%d}; {remedy}"
            )
        return tape


class ReplayWorld(World):
    """A tape that is played, and the time that it was recorded at."""

    mode = Mode.REPLAY

    def __init__(
        self,
        deck: Deck,
        block: NetworkBlock,
        tape: Tape | None,
        *,
        environment: Mapping[str, str],
        remedy: str,
    ) -> None:
        clock = RecordedClock(START if tape is None else tape.label.clock)
        self.clock = clock
        self.environment = environment
        self.provenance = "no recording" if tape is None else tape.label.provenance
        self._manual = clock
        self._deck = deck
        self._block = block
        self._tape = tape
        self._remedy = remedy

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """All requests so far, also those that the tape has no answer for."""
        return seen_requests(self._deck.sent)

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        self._manual.advance(seconds)

    def problems(self) -> Sequence[str]:
        """Tell how the requests differ from those of the recording.

        Raises:
            NotRunError: there is no recording, and one was needed.
        """
        if self._tape is None and (self._deck.sent or self._block.escapes):
            raise NotRunError(f"it has no recording; `{self._remedy}` makes one")
        missed = [
            f"{one.method} {_shown_path(one.url)} was sent, and the recording has no such request "
            "left"
            for one in self._deck.missed
        ]
        unplayed = [
            f"{one.request.method} {_shown_path(one.request.url)} is in the recording and was not "
            "sent"
            for one in self._deck.unplayed
        ]
        escapes = [f"it tried to {one} past the recording" for one in self._block.escapes]
        found = [*_first(missed), *_first(unplayed), *_first(escapes)]
        if found:
            found.append(f"if that is meant, `{self._remedy}` records it anew")
        return found


_SHOWN: Final = 3
"""Sentences of one kind that are told in full: one change of a provider makes many."""


def _first(sentences: Sequence[str]) -> list[str]:
    """Return the first few sentences, each once, and how many more there are."""
    different = list(dict.fromkeys(sentences))
    told, more = different[:_SHOWN], len(different[_SHOWN:])
    if more:
        told[-1] += f", and {more} more of this kind"
    return told


class RecordedClock(ManualClock):
    """A clock that starts when a recording did."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._shift = start - START

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return super().now() + self._shift


def seen_requests(sent: Sequence[Sent]) -> tuple[SentRequest, ...]:
    """Return what a deck saw as a check has it."""
    return tuple(
        SentRequest(
            method=one.request.method,
            host=parts.netloc.rpartition("@")[2],
            path=unquote(parts.path),
            query=parts.query,
            status=one.status,
        )
        for one in sent
        for parts in [urlsplit(one.request.url)]
    )


def _empty(check: Check) -> Tape:
    label = Label(
        check=check.id,
        digest=check.digest,
        contract=CONTRACT_VERSION,
        provenance="nothing",
        recorded_at=START,
        clock=START,
    )
    return Tape(label, ())


def _shown_path(url: str) -> str:
    return urlsplit(url).path or "/"


def _command(subject: Subject) -> str:
    return f"headend contract record {subject.name}"
