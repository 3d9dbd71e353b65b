"""Running checks on a provider, each in a world of its own, and judging how each came out."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from platform import python_version
from time import perf_counter
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from headend.errors import ConfigurationError, HeadendError, PluginError
from headend.plugin import Secret
from headend_contract.case import Case
from headend_contract.check import (
    CONTRACT_VERSION,
    CheckFailedError,
    Mode,
    NotApplicableError,
    NothingToTestError,
    all_checks,
    no_such_check,
)
from headend_contract.expected import load_expected_failures
from headend_contract.modes import NotRunError, StaleError
from headend_contract.opening import process_environment
from headend_contract.report import NOT_CHOSEN, Report, Result, Verdict, counted
from headend_contract.subject import Subject
from headend_contract.watching import Watch, masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path
    from types import TracebackType

    from headend.plugin import ProviderSpec
    from headend_contract.check import Check
    from headend_contract.expected import ExpectedFailure
    from headend_contract.modes import Venue, World

PATIENCE: Final = 60.0
"""Real seconds that one check may take."""

_CLOSING: Final = 2.0
"""Real seconds that closing may take what did not come to an end."""

_LONGEST: Final = 2000
"""Characters of a reason."""

_SUITE: Final = "headend_contract"
_NOT_THE_SUITE: Final = ("headend_contract.reference", "headend_contract.known_bad")
"""Providers that live in the suite's own package."""


def check_provider(
    provider: str | ProviderSpec,
    *,
    mode: Mode | None = None,
    only: Iterable[str] = (),
    cassettes: Path | None = None,
    environment: Mapping[str, str] | None = None,
    fast: bool = False,
    checks: Sequence[Check] | None = None,
    expected: Sequence[ExpectedFailure] | None = None,
    patience: float = PATIENCE,
) -> Report:
    """Run the contract on a provider and report; the arguments and errors are those of `open_run`.

    One process makes one run at a time: while a check runs, `Secret`, the log and the process's
    environment are watched or changed.
    """
    with open_run(
        provider,
        mode=mode,
        only=only,
        cassettes=cassettes,
        environment=environment,
        fast=fast,
        checks=checks,
        expected=expected,
        patience=patience,
    ) as run:
        return run.report([run.decide(one) for one in run.checks])


@contextmanager
def open_run(
    provider: str | ProviderSpec,
    *,
    mode: Mode | None = None,
    only: Iterable[str] = (),
    cassettes: Path | None = None,
    environment: Mapping[str, str] | None = None,
    fast: bool = False,
    checks: Sequence[Check] | None = None,
    expected: Sequence[ExpectedFailure] | None = None,
    patience: float = PATIENCE,
) -> Iterator[ContractRun]:
    """Make ready to run checks on a provider, one by one.

    Args:
        provider: the name of an installed one, or its description.
        mode: where its answers come from; without it from recordings where it has some or a folder
            of them is named, else from its simulator.
        only: ids of the checks to run, with ``*`` for any letters; without it all.
        cassettes: the folder of its recordings; without it where they are found by themselves.
        environment: variables that are other than the simulator says; in live mode all that there
            are, and without it the process's own.
        fast: try few generated examples rather than many.
        checks: what to run in place of the contract's own.
        expected: failures that are expected, in place of those that its distribution names.
        patience: real seconds that one check may take.

    Raises:
        PluginError: there is no such provider, it cannot be used, or nothing can be asked of it:
            it has neither recordings nor a simulator.
        ConfigurationError: `only` names no check, or what its distribution says of expected
            failures is wrong.
    """
    subject = Subject.of(provider)
    known = all_checks() if checks is None else tuple(sorted(checks, key=lambda one: one.id))
    chosen = _choose(known, only)
    if expected is None:
        expected = load_expected_failures(subject, [one.id for one in known])
    # A plain text is taken as well: as no mode that is known, it would be asked of the platform.
    _refuse_inapplicable(subject, known, expected)
    mode = _default_mode(subject, cassettes) if mode is None else Mode(mode)
    with ExitStack() as stack:
        yield ContractRun(
            subject,
            _enter_venue(stack, mode, subject, cassettes, environment),
            mode,
            checks=known,
            chosen=chosen,
            expected={one.id: one for one in expected},
            fast=fast,
            patience=patience,
            today=datetime.now(UTC).date(),
        )


@contextmanager
def open_bare_run(
    provider: str | ProviderSpec, *, only: Iterable[str] = ()
) -> Iterator[ContractRun]:
    """Make ready to run the checks of a provider that need no platform, nor recordings of one.

    Args:
        provider: the name of an installed one, or its description.
        only: ids of the checks to run, with ``*`` for any letters; without it all.

    Raises:
        PluginError: there is no such provider.
        ConfigurationError: `only` names no check.
    """
    from headend_contract.modes.bare import BareVenue

    known = all_checks()
    yield ContractRun(
        Subject.of(provider),
        BareVenue(),
        Mode.REPLAY,
        checks=tuple(one for one in known if one.offline and one.id.startswith(_BARE)),
        chosen=_choose(known, only),
        expected={},
        fast=False,
        patience=PATIENCE,
        today=datetime.now(UTC).date(),
    )


_BARE: Final = ("PACKAGE-", "SETTING-", "CAPABILITY-DECLARED-")
"""How the ids of checks begin that look at a description, and send nothing."""


class NothingToAskError(PluginError):
    """A provider has neither recordings nor a simulator."""


def _choose(known: Sequence[Check], only: Iterable[str]) -> frozenset[Check]:
    patterns = tuple(only)
    if not patterns:
        return frozenset(known)
    chosen: set[Check] = set()
    for pattern in patterns:
        found = [one for one in known if fnmatchcase(one.id, pattern)]
        if not found:
            raise ConfigurationError(no_such_check(pattern, [one.id for one in known]))
        chosen.update(found)
    return frozenset(chosen)


def _refuse_inapplicable(
    subject: Subject, known: Sequence[Check], expected: Iterable[ExpectedFailure]
) -> None:
    """Refuse expectations of checks that the provider is never asked; they tell of nothing."""
    checks = {one.id: one for one in known}
    problems = [
        f"{one.id} is expected to fail and is not applicable: {reason}"
        for one in expected
        if one.id in checks and (reason := _why_not_applicable(subject, checks[one.id]))
    ]
    if problems:
        raise ConfigurationError.of(f"provider {subject.name}", problems)


def _why_not_applicable(subject: Subject, check: Check) -> str | None:
    declared = subject.spec.capabilities
    if lacking := check.requires - declared:
        return f"the provider does not declare {', '.join(sorted(lacking))}"
    if having := check.refuses & declared:
        return f"the provider declares {', '.join(sorted(having))}"
    if check.needs_distribution and subject.distribution is None:
        return "the provider is a bare description, in no distribution"
    return None


def _default_mode(subject: Subject, cassettes: Path | None) -> Mode:
    from headend_contract.cassettes import find_cassettes

    # Who names a folder wants what is in it to be played, or to hear that it is not there.
    if cassettes is not None or find_cassettes(subject) is not None:
        return Mode.REPLAY
    if subject.spec.simulator is not None:
        return Mode.SIMULATOR
    raise NothingToAskError(
        f"nothing can be asked of provider {subject.name}: {subject.origin} brings neither "
        "recordings nor a simulator. Name a simulator in its description, or record its traffic "
        f"with the platform's credentials: `headend contract record {subject.name}`"
    )


def _enter_venue(
    stack: ExitStack,
    mode: Mode,
    subject: Subject,
    cassettes: Path | None,
    environment: Mapping[str, str] | None,
) -> Venue:
    if mode is Mode.SIMULATOR:
        from headend_contract.modes.simulator import simulator_venue

        return stack.enter_context(simulator_venue(subject, environment=environment))
    if mode is Mode.REPLAY:
        from headend_contract.modes.replay import replay_venue

        return stack.enter_context(replay_venue(subject, cassettes))
    from headend_contract.modes.live import live_venue

    return stack.enter_context(live_venue(subject, environment=environment))


@frozen
class _Outcome:
    """How a check came out, before anybody's expectations.

    Attributes:
        verdict: passed, failed, error and so on.
        reason: why.
        error: what was raised, if anything.
        provenance: what made the answers.
    """

    verdict: Verdict
    reason: str | None = None
    error: BaseException | None = None
    provenance: str | None = None


class ContractRun:
    """A run on one provider; `open_run` makes it.

    Attributes:
        mode: where the answers come from.
        checks: all that there are, in the order of their ids; a report has a result of each.
    """

    def __init__(
        self,
        subject: Subject,
        venue: Venue,
        mode: Mode,
        *,
        checks: tuple[Check, ...],
        chosen: frozenset[Check],
        expected: Mapping[str, ExpectedFailure],
        fast: bool,
        patience: float,
        today: date,
    ) -> None:
        self.mode = mode
        self.checks = checks
        self._chosen = chosen
        self._subject = subject
        self._venue = venue
        self._expected = expected
        self._fast = fast
        self._patience = patience
        self._today = today
        self._secrets: dict[Secret, None] = {}

    def decide(self, check: Check) -> Result:
        """Run a check if it was chosen and can be run, and judge."""
        started = perf_counter()
        reason = _why_not_applicable(self._subject, check)
        if check not in self._chosen:
            outcome = _Outcome(Verdict.NOT_RUN, NOT_CHOSEN[0])
        elif reason is not None:
            outcome = _Outcome(Verdict.NOT_APPLICABLE, reason)
        elif self.mode not in check.modes:
            modes = " or ".join(sorted(check.modes))
            outcome = _Outcome(Verdict.NOT_RUN, f"it runs in {modes} mode only")
        else:
            outcome = self._as_expected(check, self._run(check))
        return self._result(check, outcome, perf_counter() - started)

    def report(self, results: Iterable[Result]) -> Report:
        """Put results together, one of each check."""
        subject = self._subject
        return Report(
            provider=subject.name,
            title=subject.spec.title,
            distribution=None if subject.distribution is None else subject.distribution.name,
            version=subject.version,
            suite=version("headend-contract"),
            contract=CONTRACT_VERSION,
            core=version("headend"),
            python=python_version(),
            mode=self.mode,
            results=tuple(results),
        )

    def _result(self, check: Check, outcome: _Outcome, seconds: float) -> Result:
        return Result(
            id=check.id,
            title=check.title,
            level=check.level,
            modes=tuple(sorted(check.modes)),
            provisional=check.provisional,
            verdict=outcome.verdict,
            reason=outcome.reason,
            seconds=round(seconds, 4),
            mode=self.mode,
            provenance=outcome.provenance,
        )

    def _run(self, check: Check) -> _Outcome:
        watch = Watch()
        try:
            with ExitStack() as stack:
                stack.enter_context(watch.active())
                world = stack.enter_context(self._venue.world(check))
                watch.plant(
                    Secret(world.environment[name])
                    for name in self._subject.secret_variables
                    if name in world.environment
                )
                stack.enter_context(process_environment(self._subject.variables, world.environment))
                outcome = self._judge(check, world, watch)
        except NotRunError as error:
            outcome = _Outcome(Verdict.NOT_RUN, str(error))
        except StaleError as error:
            outcome = _Outcome(Verdict.STALE, str(error))
        except Exception as error:  # noqa: BLE001  # a world that cannot be made stops no other
            verdict = Verdict.FAILED if self._is_providers(error) else Verdict.ERROR
            outcome = _Outcome(verdict, self._in_words(error), error)
        # What one check made may come up in another: in a cache, or on the platform itself.
        self._secrets.update(dict.fromkeys(watch.secrets))
        if outcome.reason is None:
            return outcome
        return evolve(outcome, reason=_shortened(masked(outcome.reason, self._secrets)))

    def _judge(self, check: Check, world: World, watch: Watch) -> _Outcome:
        case = Case(check, self._subject, world, watch, fast=self._fast)

        def run() -> None:
            try:
                check.run(case)
            except BaseException:
                with suppress(Exception):  # what went wrong first tells more
                    case.close()
                raise
            case.close()

        error = _call_in_time(run, self._patience)
        if isinstance(error, _TooLongError):
            world.left_behind()
            _call_in_time(case.close, _CLOSING)
        if isinstance(error, NotRunError | StaleError):
            raise error
        if isinstance(error, ConfigurationError) and not world.has_settings:
            raise NotRunError(f"it cannot be opened here: {error}")
        sent = len(world.requests)
        if isinstance(error, NotApplicableError) and not isinstance(error, NothingToTestError):
            if sent:
                return _Outcome(
                    Verdict.ERROR,
                    f"the check found itself not applicable after {counted(sent, 'request')}",
                )
            return _Outcome(Verdict.NOT_APPLICABLE, str(error))
        problems = world.problems()
        provenance = world.provenance if sent else None
        if isinstance(error, NothingToTestError):
            if not problems:
                return _Outcome(Verdict.NOT_APPLICABLE, str(error), provenance=provenance)
            error = None
        if error is not None:
            verdict = Verdict.FAILED if self._is_providers(error) else Verdict.ERROR
            reason = "; moreover ".join([self._in_words(error), *problems])
            return _Outcome(verdict, reason, error, provenance)
        if check.offline and sent:
            problems = [f"it sent {counted(sent, 'request')} where none is needed", *problems]
        if problems:
            reason = "; moreover ".join(problems)
            return _Outcome(Verdict.FAILED, reason, CheckFailedError(reason), provenance)
        if not check.offline and not sent:
            return _Outcome(Verdict.ERROR, "nothing was tested: no request was sent")
        return _Outcome(Verdict.PASSED, provenance=provenance)

    def _as_expected(self, check: Check, outcome: _Outcome) -> _Outcome:
        expected = self._expected.get(check.id)
        if expected is None:
            return outcome
        words = f"expected to fail ({expected.kind}): {expected.reason}"
        if outcome.verdict is Verdict.PASSED:
            return evolve(
                outcome, verdict=Verdict.UNEXPECTED_PASS, reason=f"it passed, but was {words}"
            )
        if outcome.verdict is not Verdict.FAILED or outcome.error is None:
            return outcome
        if expected.has_expired(self._today):
            return evolve(
                outcome, reason=f"{outcome.reason}; it was until {expected.until} {words}"
            )
        if not expected.covers(outcome.error, self._today):
            return evolve(
                outcome,
                reason=f"{outcome.reason}; it raised {type(outcome.error).__name__} and not "
                f"{expected.raises}, and was {words}",
            )
        return evolve(outcome, verdict=Verdict.EXPECTED_FAILURE, reason=words)

    def _is_providers(self, error: BaseException) -> bool:
        """Tell whether an error says something of the provider, and not of the suite."""
        if isinstance(error, BaseExceptionGroup):
            return any(map(self._is_providers, error.exceptions))
        if isinstance(error, CheckFailedError | HeadendError | _TooLongError):
            return True
        return any(not _is_of_the_suite(module) for module in self._modules(error.__traceback__))

    def _in_words(self, error: BaseException) -> str:
        """Tell an error, the line of the plugin that it comes from, and that of the check."""
        if isinstance(error, CheckFailedError | _TooLongError):
            return str(error)
        words = f"{type(error).__name__}: {error}"
        if isinstance(error, BaseExceptionGroup):
            words += f" ({'; '.join(map(self._in_words, error.exceptions))})"
        plugin = None
        # Errors of headend tell all of themselves, and are made in one place of a plugin.
        if not isinstance(error, HeadendError) and self._subject.package != _SUITE:
            plugin = _place(error.__traceback__, self._subject.package)
        check = _place(error.__traceback__, f"{_SUITE}.checks")
        places = [place for place in (plugin, check) if place is not None]
        return f"{words} (at {', for '.join(places)})" if places else words

    def _modules(self, traceback: TracebackType | None) -> set[str]:
        """Name the modules of core, of the suite and of the plugin that a traceback goes through.

        What the standard library and others raise is the doing of whoever called them.
        """
        found = set()
        while traceback is not None:
            module = str(traceback.tb_frame.f_globals.get("__name__", ""))
            if module.partition(".")[0] in {"headend", _SUITE, self._subject.package}:
                found.add(module)
            traceback = traceback.tb_next
        return found


def _is_of_the_suite(module: str) -> bool:
    dotted = f"{module}."
    return dotted.startswith(f"{_SUITE}.") and not any(
        dotted.startswith(f"{one}.") for one in _NOT_THE_SUITE
    )


class _TooLongError(Exception):
    """A check did not come to an end."""


def _call_in_time(call: Callable[[], None], patience: float) -> BaseException | None:
    """Call a function in a thread of its own and return what it raised.

    One that does not come to an end is left behind: a thread cannot be stopped.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  # a plugin may raise anything
            raised.append(error)

    thread = threading.Thread(target=run, name="headend-check", daemon=True)
    thread.start()
    thread.join(patience)
    if thread.is_alive():
        return _TooLongError(f"the check did not come to an end within {patience:g} s")
    return raised[0] if raised else None


def _place(traceback: TracebackType | None, package: str) -> str | None:
    """Tell where in a package an error came through last."""
    place = None
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if f"{module}.".startswith(f"{package}."):
            place = f"{module} line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
