"""Recording a provider's traffic: one tape for each check, free of secrets, and played once.

A check runs on the platform itself, where its credentials are in the environment, or else on the
plugin's simulator over a socket; what is sent and answered stays in memory.  Then it is scrubbed,
written to a temporary folder, scanned there for whatever the scrubbing missed, and played: the
check must pass on it.  Only then a tape takes the place of an older one, in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from headend.errors import ConfigurationError, PluginError
from headend_contract.cassettes import NAME, Cassettes, find_cassettes
from headend_contract.check import CONTRACT_VERSION, Mode, all_checks, no_such_check
from headend_contract.deck import Sent, record as record_traffic
from headend_contract.modes.live import LiveWorld, credentials, live_venue
from headend_contract.modes.simulator import simulator_venue
from headend_contract.network import is_loopback
from headend_contract.placeholders import is_placeholder
from headend_contract.report import Verdict
from headend_contract.runner import PATIENCE, ContractRun, check_provider
from headend_contract.scan import scan_bytes
from headend_contract.scrub import Scrubber, ScrubError
from headend_contract.secret_shapes import SHORTEST, holds_secret
from headend_contract.subject import Subject
from headend_contract.tape import LIVE, MAX_INTERACTIONS, Interaction, Label, Tape, TapeError
from headend_contract.watching import Watch

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from headend.plugin import ProviderSpec
    from headend_contract.check import Check
    from headend_contract.modes import Venue, World
    from headend_contract.report import Result


_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
"""Folders that belong to installers."""


class Outcome(StrEnum):
    """What became of a check's tape."""

    RECORDED = "recorded"
    """It is new, or other than it was."""
    UNCHANGED = "unchanged"
    """The same traffic was recorded again, and the tape was left as it is."""
    REMOVED = "removed"
    """There was one that no check of this provider plays."""
    NOT_NEEDED = "not-needed"
    """The check sends nothing, or is not asked of this provider."""
    FAILED = "failed"
    """There is no new tape; an older one was left as it is."""


@frozen
class Recorded:
    """What became of one check's tape.

    Attributes:
        check: the check's id.
        outcome: what became of it.
        reason: why, where that is not plain.
        interactions: requests with answers on the tape.
    """

    check: str
    outcome: Outcome
    reason: str | None = None
    interactions: int = 0


@frozen
class Stale:
    """A check whose tape does not tell what it would do today.

    Attributes:
        check: the check's id.
        reason: why not.
    """

    check: str
    reason: str


@frozen
class _Traffic:
    """What one run of a check sent and got, with all its secrets."""

    interactions: tuple[Interaction, ...] = field(repr=False)
    sent: tuple[Sent, ...] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    provenance: str
    clock: datetime


def record(
    provider: str | ProviderSpec,
    *,
    only: Iterable[str] = (),
    folder: Path | None = None,
    mode: Mode | None = None,
    environment: Mapping[str, str] | None = None,
    checks: Sequence[Check] | None = None,
    patterns: Iterable[re.Pattern[str]] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Recorded]:
    """Record the tapes of a provider.

    Args:
        provider: the name of an installed one, or its description.
        only: ids of checks, with ``*`` for any letters; without it all, and then tapes that no
            check plays are removed.
        folder: where the tapes of this provider or of several are; without it where they are
            found, else the package's folder ``cassettes`` where there is one, else
            ``./cassettes/<provider>``.
        mode: live or simulator; without it live where the environment has credentials.
        environment: in live mode all the variables there are; without it the process's own.
        checks: what to run in place of the contract's own.
        patterns: further secrets: the first group of each match, or all of it.
        now: tells the date that the tapes bear.

    Returns:
        What became of each check, by its id.

    Raises:
        PluginError: there is no such provider, or nothing to record it from.
        ConfigurationError: `only` names no check, settings are missing or wrong, other tapes of
            this provider are played with other settings, or its tapes are where an installer has
            put them and no other folder is named.
    """
    subject = Subject.of(provider)
    known = all_checks() if checks is None else tuple(checks)
    cassettes = _place(subject, folder)
    if folder is None and _INSTALLED.intersection(cassettes.folder.parts):
        raise ConfigurationError(
            f"the recordings of provider {subject.name} are in {cassettes.folder}, as they were "
            "installed, and the next installation replaces them; name another folder with "
            "--cassettes"
        )
    if mode is not None:
        mode = Mode(mode)  # a plain text is taken as well
    else:
        mode = Mode.SIMULATOR if credentials(subject, environment) is None else Mode.LIVE
    selected = tuple(only)
    chosen = _chosen(known, selected)
    with _venue(subject, mode, environment) as venue:
        recorder = _RecordingVenue(venue)
        playable = _playable(chosen)
        run = ContractRun(
            subject,
            recorder,
            mode,
            checks=playable,
            chosen=frozenset(playable),
            expected={},
            fast=False,
            patience=PATIENCE,
            today=now().date(),
        )
        results = {one.id: run.decide(one) for one in playable}
    shelf = _Shelf(subject, cassettes, recorder.traffic, tuple(patterns), now, whole=not selected)
    return shelf.keep(provider, chosen, results)


def find_stale(
    provider: str | ProviderSpec,
    *,
    folder: Path | None = None,
    checks: Sequence[Check] | None = None,
) -> list[Stale]:
    """Return the checks whose tapes are out of date or of no use, by their ids.

    Args:
        provider: the name of an installed one, or its description.
        folder: where its tapes are; without it where they are found.
        checks: what to look at in place of the contract's own checks.

    Raises:
        PluginError: there is no such provider, or it has no tapes.
    """
    subject = Subject.of(provider)
    known = {one.id: one for one in (all_checks() if checks is None else checks)}
    cassettes = _place(subject, folder)
    if not cassettes.ids():
        raise PluginError(
            f"provider {subject.name} has no recordings in {cassettes.folder}; "
            f"`headend contract record {subject.name}` makes them"
        )
    found: list[Stale] = []
    for check_id in cassettes.ids():
        check = known.get(check_id)
        if check is None or not _is_recorded(check, subject):
            found.append(Stale(check_id, "no check of this provider plays it"))
            continue
        try:
            label = Tape.read(cassettes.path(check_id)).label
        except TapeError as error:
            found.append(Stale(check_id, str(error)))
        else:
            if label.digest != check.digest:
                found.append(
                    Stale(check_id, f"the check has changed since {label.recorded_at:%Y-%m-%d}")
                )
    return found


def folder_of(provider: str | ProviderSpec, *, folder: Path | None = None) -> Path:
    """Return the folder in which `record` keeps a provider's tapes.

    Args:
        provider: the name of an installed one, or its description.
        folder: where its tapes are to be; without it where they are found, or would be made.

    Raises:
        PluginError: there is no such provider.
    """
    return _place(Subject.of(provider), folder).folder


def _place(subject: Subject, folder: Path | None) -> Cassettes:
    if folder is not None:
        return Cassettes.at(folder, subject.name)
    found = find_cassettes(subject)
    if found is not None:
        return found
    package = subject.folder
    if package is not None and (package / NAME).is_dir():
        return Cassettes.at(package / NAME, subject.name)
    return Cassettes.at(Path(NAME) / subject.name, subject.name)


def _chosen(known: Sequence[Check], patterns: Sequence[str]) -> tuple[Check, ...]:
    for pattern in patterns:
        if not any(fnmatchcase(one.id, pattern) for one in known):
            raise ConfigurationError(no_such_check(pattern, [one.id for one in known]))
    return tuple(
        one
        for one in sorted(known, key=lambda check: check.id)
        if not patterns or any(fnmatchcase(one.id, pattern) for pattern in patterns)
    )


def _playable(known: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(one for one in known if Mode.REPLAY in one.modes and not one.offline)


def _is_recorded(check: Check, subject: Subject) -> bool:
    declared = subject.spec.capabilities
    return bool(_playable([check]) and check.requires <= declared and not check.refuses & declared)


@contextmanager
def _venue(subject: Subject, mode: Mode, environment: Mapping[str, str] | None) -> Iterator[Venue]:
    if mode is Mode.LIVE:
        with live_venue(subject, environment=environment) as live:
            yield live
    elif mode is Mode.SIMULATOR:
        if subject.spec.simulator is None:
            names = ", ".join(subject.secret_variables)
            raise PluginError(
                f"there is nothing to record provider {subject.name} from: {subject.origin} brings "
                f"no simulator, and no credentials for the platform are set ({names})"
            )
        with simulator_venue(subject) as simulated:
            yield simulated
    else:
        raise ConfigurationError(f"traffic is recorded live or from a simulator, not in {mode}")


class _RecordingVenue:
    """Has checks run elsewhere, and keeps their traffic.

    Attributes:
        traffic: that of each check, by its id.
    """

    def __init__(self, inner: Venue) -> None:
        self.traffic: dict[str, _Traffic] = {}
        self._inner = inner

    @contextmanager
    def world(self, check: Check) -> Iterator[World]:
        watch = Watch()
        with ExitStack() as stack:
            world = stack.enter_context(self._inner.world(check))
            stack.enter_context(watch.collecting_secrets())
            # The live world records already, and two that record do not see each other's.
            deck = (
                world.deck
                if isinstance(world, LiveWorld)
                else stack.enter_context(record_traffic())
            )
            began = world.clock.now()
            yield world
            self.traffic[check.id] = _Traffic(
                interactions=deck.recorded,
                sent=deck.sent,
                secrets=tuple(one.reveal() for one in watch.secrets),
                environment={
                    name: value
                    for name, value in world.environment.items()
                    if not name.startswith("HEADEND_")
                },
                provenance=world.provenance,
                clock=began.astimezone(UTC),
            )


class _NotKeptError(Exception):
    """Traffic cannot become a tape; the text says why."""


class _Settings:
    """The settings that all tapes of a provider are played with.

    A simulator may draw other credentials for each check, so it is those of the tapes that are
    there already, or else of the first check, that stand for all.

    Attributes:
        played: the variables, with placeholders.

    Raises:
        ConfigurationError: some checks are recorded, and others have tapes with other settings.
    """

    def __init__(
        self,
        subject: Subject,
        cassettes: Cassettes,
        environments: Sequence[Mapping[str, str]],
        *,
        whole: bool,
    ) -> None:
        names = {name for one in environments for name in one}
        self._secret = frozenset(subject.secret_variables) | {
            name for name in names if len({one.get(name) for one in environments}) > 1
        }
        self.played: dict[str, str] = {}
        if not environments:
            return
        self.played, _ = self._scrubbed(environments[0])
        try:
            old = cassettes.environment()
        except TapeError:
            return
        if self._agree(old, self.played):
            self.played = old
        elif cassettes.ids() and not whole:
            raise ConfigurationError(
                f"the other recordings in {cassettes.folder} were made with other settings than "
                f"these ({cassettes.environment_file.name} differs); record all at once"
            )

    def known(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the placeholders of what one check was run with.

        Raises:
            _NotKeptError: it was run with other settings than the tapes are played with.
        """
        scrubbed, placeholders = self._scrubbed(environment)
        if not self._agree(scrubbed, self.played):
            raise _NotKeptError("it was recorded with other settings than the other checks")
        return {
            value: self.played[name] for name, value in environment.items() if value in placeholders
        }

    def _scrubbed(self, environment: Mapping[str, str]) -> tuple[dict[str, str], Mapping[str, str]]:
        scrubber = Scrubber()
        return scrubber.environment(environment, self._secret), scrubber.placeholders

    @staticmethod
    def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
        return one.keys() == other.keys() and all(
            value == other[name] or (is_placeholder(value) and is_placeholder(other[name]))
            for name, value in one.items()
        )


class _Shelf:
    """Makes tapes of traffic and puts them where they belong."""

    def __init__(
        self,
        subject: Subject,
        cassettes: Cassettes,
        traffic: Mapping[str, _Traffic],
        patterns: tuple[re.Pattern[str], ...],
        now: Callable[[], datetime],
        *,
        whole: bool,
    ) -> None:
        self._whole = whole
        self._subject = subject
        self._cassettes = cassettes
        self._traffic = traffic
        self._patterns = patterns
        self._now = now().astimezone(UTC).replace(microsecond=0)
        self._settings = _Settings(
            subject, cassettes, [one.environment for one in traffic.values()], whole=whole
        )

    def keep(
        self,
        provider: str | ProviderSpec,
        known: Sequence[Check],
        results: Mapping[str, Result],
    ) -> list[Recorded]:
        """Keep the traffic of all checks that failed in nothing, and return what became of each."""
        found: dict[str, Recorded] = {}
        target = self._cassettes.folder
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".recording-", dir=target.parent) as folder:
            drafts = Cassettes(Path(folder) / CONTRACT_VERSION)
            drafts.folder.mkdir()
            tapes: dict[str, Tape] = {}
            for check in known:
                result = results.get(check.id)
                if result is None:
                    found[check.id] = Recorded(
                        check.id, Outcome.NOT_NEEDED, "it is not played from a recording"
                    )
                elif result.verdict is Verdict.PASSED or (
                    result.verdict is Verdict.NOT_APPLICABLE and self._has_traffic(check)
                ):
                    try:
                        tapes[check.id] = self._draft(check, drafts)
                    except (_NotKeptError, ScrubError) as error:
                        found[check.id] = Recorded(check.id, Outcome.FAILED, str(error))
                elif result.verdict is Verdict.NOT_APPLICABLE:
                    found[check.id] = Recorded(check.id, Outcome.NOT_NEEDED, result.reason)
                else:
                    found[check.id] = Recorded(
                        check.id, Outcome.FAILED, f"it is {result.verdict}: {result.reason}"
                    )
            if tapes:
                played = check_provider(
                    provider,
                    mode=Mode.REPLAY,
                    only=[*tapes],
                    cassettes=Path(folder),
                    checks=known,
                    expected=(),
                )
                for one in played.results:
                    if one.id in tapes and one.verdict is not results[one.id].verdict:
                        del tapes[one.id]
                        why = f"played, it is {one.verdict}: {one.reason}"
                        found[one.id] = Recorded(one.id, Outcome.FAILED, why)
            if tapes:
                target.mkdir(exist_ok=True)
                self._put_environment(drafts)
            for check_id, tape in tapes.items():
                found[check_id] = self._put(check_id, tape, drafts)
        if self._whole:
            for check_id in self._cassettes.ids():
                outcome = found.get(check_id)
                if outcome is None or outcome.outcome is Outcome.NOT_NEEDED:
                    self._cassettes.path(check_id).unlink()
                    found[check_id] = Recorded(
                        check_id, Outcome.REMOVED, "no check of this provider plays it"
                    )
        return [found[check_id] for check_id in sorted(found)]

    def _has_traffic(self, check: Check) -> bool:
        """Tell whether a check learnt from answers what it did, also that it is not applicable."""
        traffic = self._traffic.get(check.id)
        return traffic is not None and bool(traffic.interactions)

    def _draft(self, check: Check, drafts: Cassettes) -> Tape:
        traffic = self._traffic[check.id]
        _refuse_unplayable(traffic)
        known = self._settings.known(traffic.environment)
        scrubber = Scrubber(traffic.secrets, known=known, patterns=self._patterns)
        tape = Tape(
            Label(
                check=check.id,
                digest=check.digest,
                contract=CONTRACT_VERSION,
                provenance=traffic.provenance,
                recorded_at=self._now,
                clock=traffic.clock,
                versions=_versions(self._subject),
            ),
            scrubber.interactions(traffic.interactions),
        )
        text = tape.text()
        if Tape.parse(text) != tape:
            raise _NotKeptError("what was recorded cannot be written so that it is read the same")
        secrets = {
            value
            for name, value in traffic.environment.items()
            if name in self._subject.secret_variables or holds_secret(value, name)
        } | (set(traffic.secrets) - scrubber.public)
        planted = [one for one in sorted(secrets) if len(one) >= SHORTEST]
        settings = Cassettes.environment_text(self._settings.played)
        for name, content in ((check.id, text), ("environment", settings)):
            findings = scan_bytes(content.encode(), name, planted)
            if findings:
                raise _NotKeptError(
                    f"secrets were found in it after scrubbing: {'; '.join(map(str, findings))}"
                )
        drafts.environment_file.write_text(settings, encoding="utf-8")
        drafts.path(check.id).write_text(text, encoding="utf-8")
        return tape

    def _put_environment(self, drafts: Cassettes) -> None:
        old, new = self._cassettes.environment_file, drafts.environment_file
        if not old.exists() or old.read_bytes() != new.read_bytes():
            new.replace(old)

    def _put(self, check_id: str, tape: Tape, drafts: Cassettes) -> Recorded:
        path = self._cassettes.path(check_id)
        count = len(tape.interactions)
        try:
            old = Tape.read(path)
        except TapeError:
            old = None
        if (
            old is not None
            and evolve(tape, label=evolve(tape.label, recorded_at=old.label.recorded_at)) == old
        ):
            return Recorded(check_id, Outcome.UNCHANGED, interactions=count)
        drafts.path(check_id).replace(path)
        return Recorded(check_id, Outcome.RECORDED, interactions=count)


def _refuse_unplayable(traffic: _Traffic) -> None:
    count = len(traffic.interactions)
    if not count:
        raise _NotKeptError(
            "no HTTP client that can be recorded was used (those of vcrpy can: httpx, urllib3, "
            "requests, boto3, aiohttp, http.client)"
        )
    if count > MAX_INTERACTIONS:
        raise _NotKeptError(f"it took {count} requests; a tape has at most {MAX_INTERACTIONS}")
    unanswered = [one.request for one in traffic.sent if one.status is None]
    if unanswered:
        raise _NotKeptError(
            f"{len(unanswered)} of its requests had no answer, and that cannot be recorded"
        )
    hosts = {urlsplit(one.request.url).hostname for one in traffic.interactions}
    if traffic.provenance == LIVE and any(map(is_loopback, hosts)):
        raise _NotKeptError("it was answered by this machine, so it is no recording of a platform")


def _versions(subject: Subject) -> dict[str, str]:
    found = {name: version(name) for name in ("headend", "headend-contract")}
    if subject.distribution is not None:
        found[subject.distribution.name] = subject.distribution.version
    return found
