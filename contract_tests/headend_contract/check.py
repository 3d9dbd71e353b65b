"""What a check is: data and a function, from which all else is made.

A check says what a provider must do, why, and how its author mends what is wrong::

    @check(
        "LIVE-CREATE-001",
        "Creating gives what an encoder and a viewer need",
        level=Level.CORE,
        rule="A creation returns an RTMP(S) server URL, a stream key and an HLS playback URL.",
        why="Without one of them nobody can broadcast, or nobody can watch.",
        hint="Read all three from the answer, or ask the platform once more before returning.",
    )
    def gives_credentials(case: Case) -> None:
        made = case.create()
        expect(made.playback_url.endswith(".m3u8"), "the playback URL is no HLS playlist")

It fails by `expect` and its kin, and never by a bare ``assert``, which ``python -O`` leaves out.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, TypeVar

from attrs import field, frozen, validators

from headend.plugin import Capability
from headend_contract.digest import source_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headend_contract.case import Case

_E = TypeVar("_E", bound=BaseException)

Run: TypeAlias = "Callable[[Case], None]"
"""Decides a check: it raises `CheckFailedError`, or returns."""

CONTRACT_VERSION: Final = "1"
"""The version of what a provider must do; it is not that of the distribution."""

CHECKS: Final = "headend_contract.checks"
"""The package that holds the contract's own checks."""

_ID: Final = re.compile(r"[A-Z]+(-[A-Z]+)*-[0-9]{3}")


class Level(StrEnum):
    """What a check takes to be decided."""

    CORE = "core"
    """Recorded traffic can decide it."""
    EXTENDED = "extended"
    """It needs a simulator: faults, generated input, or a look behind the platform's answers."""


class Mode(StrEnum):
    """Where the answers to a provider's requests come from."""

    REPLAY = "replay"
    """From recordings; there is no network."""
    SIMULATOR = "simulator"
    """From the plugin's simulated platform, on a loopback socket."""
    LIVE = "live"
    """From the platform itself."""


_ANY: Final = frozenset(Mode)
_SIMULATOR: Final = frozenset({Mode.SIMULATOR})


class CheckFailedError(AssertionError):
    """A provider does not do what a check asks for; the text says what it did, in a sentence."""


class NotApplicableError(Exception):
    """A check says that its provider cannot be asked this; raised by `not_applicable`."""


class NothingToTestError(NotApplicableError):
    """A check has looked, and nothing there is what its rule is about; by `nothing_to_test`."""


@frozen(kw_only=True)
class Check:
    """One thing that a provider must do.

    Attributes:
        id: its name for ever; it is never used again for anything else.
        title: the rule in a few words.
        level: what it takes to be decided.
        modes: those in which it can run.
        requires: it is asked only of providers that declare all of these.
        refuses: it is asked only of providers that declare none of these.
        needs_simulator: it uses faults, or looks behind the platform's answers.
        needs_distribution: it looks at the installed distribution, which a bare spec lacks.
        offline: it sends no request.  Of any other, at least one must be seen.
        since: the contract version that it came with.
        provisional: it is new: it is reported and fails nobody yet.
        rule: what a provider must do.
        why: what goes wrong for hosts otherwise.
        hint: how an author mends it.
        run: decides it.
    """

    id: str = field(validator=validators.matches_re(_ID))
    title: str = field(validator=validators.min_len(1))
    level: Level
    modes: frozenset[Mode] = field(validator=validators.min_len(1))
    requires: frozenset[Capability]
    refuses: frozenset[Capability]
    needs_simulator: bool
    needs_distribution: bool
    offline: bool
    since: str
    provisional: bool
    rule: str = field(validator=validators.min_len(1))
    why: str = field(validator=validators.min_len(1))
    hint: str = field(validator=validators.min_len(1))
    run: Run = field(repr=False)

    def __attrs_post_init__(self) -> None:
        if self.needs_simulator and self.modes != _SIMULATOR:
            raise ValueError(f"{self.id} needs a simulator, so it can run in no other mode")
        if self.requires & self.refuses:
            both = ", ".join(sorted(self.requires & self.refuses))
            raise ValueError(f"{self.id} requires and refuses {both}, so it can never run")

    @property
    def module(self) -> str:
        """The name of the module that holds it."""
        return self.run.__module__

    @property
    def digest(self) -> str:
        """A hash of what it does, with the helpers it uses; its words and their layout are not in.

        A recording that was made by a check of another digest is out of date.
        """
        return source_digest(self.run)


_registered: Final[dict[str, Check]] = {}


def check(
    id: str,  # noqa: A002  # the word a reader expects
    title: str,
    *,
    level: Level,
    rule: str,
    why: str,
    hint: str,
    requires: Iterable[Capability] = (),
    refuses: Iterable[Capability] = (),
    modes: Iterable[Mode] | None = None,
    needs_simulator: bool = False,
    needs_distribution: bool = False,
    offline: bool = False,
    since: str = CONTRACT_VERSION,
    provisional: bool = False,
) -> Callable[[Run], Check]:
    """Make the function below a `Check`; the arguments are its attributes.

    Args:
        id: capital words and three digits, ``LIVE-CREATE-001``.
        title: the rule in a few words.
        level: what it takes to be decided.
        rule: what a provider must do.
        why: what goes wrong for hosts otherwise.
        hint: how an author mends it.
        requires: capabilities that a provider must declare to be asked.
        refuses: capabilities that it must not declare to be asked.
        modes: those in which it can run; without it a core check runs in all, and an extended one
            on a simulator only.
        needs_simulator: it uses what only a simulated platform has.
        needs_distribution: it looks at the installed distribution.
        offline: it sends no request.
        since: the contract version that it came with.
        provisional: it fails nobody yet.

    Raises:
        ValueError: the id is no id, is taken, or the attributes contradict each other.
    """
    if modes is None:
        modes = _ANY if level is Level.CORE else _SIMULATOR

    def register(run: Run) -> Check:
        made = Check(
            id=id,
            title=title,
            level=level,
            modes=frozenset(modes),
            requires=frozenset(requires),
            refuses=frozenset(refuses),
            needs_simulator=needs_simulator,
            needs_distribution=needs_distribution,
            offline=offline,
            since=since,
            provisional=provisional,
            rule=rule,
            why=why,
            hint=hint,
            run=run,
        )
        other = _registered.get(id)
        # A module that is imported again brings the same check, not another one.
        if other is not None and _place(other.run) != _place(run):
            raise ValueError(f"{id} is taken by {_place(other.run)}; {_place(run)} needs another")
        _registered[id] = made
        return made

    return register


def _place(run: Run) -> str:
    return f"{run.__module__}.{run.__qualname__}"


def all_checks() -> tuple[Check, ...]:
    """Return the contract's own checks, in the order of their ids."""
    from importlib import import_module

    import_module(CHECKS)
    own = (one for one in _registered.values() if one.module.startswith(f"{CHECKS}."))
    return tuple(sorted(own, key=lambda one: one.id))


def no_such_check(name: str, known: Iterable[str]) -> str:
    """Say that there is no check of that id, and which one may be meant.

    Args:
        name: what was given as an id, or as a pattern of ids.
        known: the ids that there are.
    """
    close = get_close_matches(name.upper(), sorted(known), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"there is no check {name}; {hint}`headend contract list` has all"


def expect(condition: bool, message: str) -> None:
    """Fail unless the condition holds.

    Args:
        condition: what must be so.
        message: what the provider did wrong, in a sentence.

    Raises:
        CheckFailedError: it is not so.
    """
    if not condition:
        raise CheckFailedError(message)


def expect_equal(actual: object, expected: object, what: str) -> None:
    """Fail unless two values are equal.

    Args:
        actual: what the provider gave.
        expected: what it should have given.
        what: names the value: ``"the state after ending"``.

    Raises:
        CheckFailedError: they differ.
    """
    if actual != expected:
        raise CheckFailedError(f"{what} is {actual!r}, and it should be {expected!r}")


def expect_raises(
    kinds: type[_E] | tuple[type[_E], ...], call: Callable[[], object], what: str
) -> _E:
    """Fail unless a call raises an error of the right kind, and return that error.

    Args:
        kinds: one class of errors, or several of which any will do.
        call: is called without arguments.
        what: says what is tried: ``"getting a live stream that does not exist"``.

    Raises:
        CheckFailedError: it raised nothing, or another error.
    """
    names = " or ".join(one.__name__ for one in (kinds if isinstance(kinds, tuple) else (kinds,)))
    try:
        call()
    except kinds as error:
        return error
    except CheckFailedError:
        raise
    except Exception as error:
        raise CheckFailedError(
            f"{what} raised {type(error).__name__} ({error}), and it should raise {names}"
        ) from error
    raise CheckFailedError(f"{what} raised nothing, and it should raise {names}")


def not_applicable(reason: str) -> NoReturn:
    """Leave a check whose provider cannot be asked this, before any request is sent.

    Capabilities need no such call: they belong into `requires` and `refuses`.

    Args:
        reason: why not, for the report: ``"it declares no rate limit"``.

    Raises:
        NotApplicableError: always.
    """
    raise NotApplicableError(reason)


def nothing_to_test(reason: str) -> NoReturn:
    """Leave a check that could not try its rule on anything, which only the answers tell.

    A check that passes has tried what it is about.  What can be known before any request belongs
    into `not_applicable`.

    Args:
        reason: what there is not, for the report: ``"a list of 101 live streams has one page"``.

    Raises:
        NothingToTestError: always.
    """
    raise NothingToTestError(reason)
