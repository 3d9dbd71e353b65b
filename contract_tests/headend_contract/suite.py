"""The contract as pytest tests, by one statement in a test file of the plugin's own.

::

    from headend_contract.suite import contract_suite

    TestAcme = contract_suite("acme")

Each check is a test that bears the check's id, so that ``pytest -k LIVE-CREATE-001`` runs it alone.
Without any file, ``pytest --pyargs headend_contract --provider acme`` does the same.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

from headend.errors import ConfigurationError, HeadendError
from headend_contract.check import Mode
from headend_contract.explain import explain_result
from headend_contract.pytest_plugin import CASSETTES, MODE, PROVIDER
from headend_contract.report import NOT_CHOSEN, Result, Verdict
from headend_contract.runner import open_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.plugin import ProviderSpec
    from headend_contract.check import Check
    from headend_contract.report import Report
    from headend_contract.runner import ContractRun

REPORTS: Final = pytest.StashKey[list["Report"]]()
"""Where a pytest session keeps what its suites found out; it is in the stash of the config."""

_RESULTS: Final = pytest.StashKey["_Results"]()
"""Where a class keeps its run; it is in the stash of the class."""


def contract_suite(
    provider: str | ProviderSpec, *, mode: Mode | None = None, cassettes: Path | None = None
) -> type[ContractSuite]:
    """Make a test class that runs the contract on a provider.

    Args:
        provider: the name of an installed one, or its description.
        mode: where its answers come from; without it from recordings where it has some, else from
            its simulator.  ``--contract-mode`` overrides it.
        cassettes: the folder of its recordings; without it where they are found by themselves.

    Returns:
        A class for a variable of a test file.  pytest collects it under any name.
    """
    return type(
        "ContractSuite",
        (ContractSuite,),
        {
            "__doc__": f"The contract, on {getattr(provider, 'name', provider)}.",
            "__test__": True,
            "provider": provider,
            "mode": mode,
            "cassettes": cassettes,
        },
    )


class ContractSuite:
    """A test for each check; `contract_suite` makes classes of this kind.

    Attributes:
        provider: the name of an installed one, or its description; `None`: ``--provider`` tells.
        mode: where its answers come from.
        cassettes: the folder of its recordings.
    """

    __test__: ClassVar[bool] = False

    provider: ClassVar[str | ProviderSpec | None] = None
    mode: ClassVar[Mode | None] = None
    cassettes: ClassVar[Path | None] = None

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Make a test of each check, or one error for all if none of them can run."""
        try:
            with cls._open(metafunc.config) as run:
                checks = [pytest.param(one, id=one.id) for one in run.checks]
        except HeadendError as error:
            raise pytest.Collector.CollectError(str(error)) from error
        metafunc.parametrize("check", checks)

    @pytest.fixture
    def contract_run(self, request: pytest.FixtureRequest) -> _Results:
        """Return the run of this class; it lasts until pytest leaves the class."""
        # Not a fixture of the class: how these are written differs between versions of pytest.
        place = request.node.getparent(pytest.Class)
        results: _Results | None = place.stash.get(_RESULTS, None)
        if results is None:
            exits = ExitStack()
            place.addfinalizer(exits.close)
            results = _Results(exits.enter_context(self._open(request.config)))
            place.stash[_RESULTS] = results
            exits.callback(_conclude, place, request.config)
        return results

    def test_contract(self, check: Check, contract_run: _Results) -> None:
        """The provider does what the check asks for."""
        result = contract_run.decide(check)
        words = explain_result(check, result)
        if result.verdict is Verdict.EXPECTED_FAILURE:
            pytest.xfail(result.reason or words)
        if result.verdict is Verdict.FAILED and check.provisional:
            pytest.xfail(f"the check is provisional and fails nobody yet: {result.reason}")
        if result.verdict is Verdict.NOT_RUN and contract_run.must_run(result):
            pytest.fail(f"a core check that this mode can run was not run\n{words}", pytrace=False)
        if result.verdict in {Verdict.NOT_APPLICABLE, Verdict.NOT_RUN}:
            pytest.skip(result.reason or words)
        if result.verdict is not Verdict.PASSED:
            pytest.fail(words, pytrace=False)

    @classmethod
    @contextmanager
    def _open(cls, config: pytest.Config) -> Iterator[ContractRun]:
        mode = config.getoption(MODE, None)
        cassettes = config.getoption(CASSETTES, None)
        with open_run(
            cls._provider(config),
            mode=cls.mode if mode is None else Mode(mode),
            cassettes=cls.cassettes if cassettes is None else Path(cassettes),
        ) as run:
            yield run

    @classmethod
    def _provider(cls, config: pytest.Config) -> str | ProviderSpec:
        provider: str | ProviderSpec | None = cls.provider or config.getoption(PROVIDER, None)
        if provider is None:
            from headend.discovery import Registry

            names = ", ".join(Registry().names) or "none: install a distribution that brings one"
            raise ConfigurationError(f"which provider? Add --provider NAME; installed are {names}")
        return provider


def _conclude(place: pytest.Class, config: pytest.Config) -> None:
    """Keep the report of a class, which starts anew if pytest comes back to it."""
    results = place.stash[_RESULTS]
    del place.stash[_RESULTS]
    config.stash.setdefault(REPORTS, []).append(results.report())


class _Results:
    """What a run has found out so far."""

    def __init__(self, run: ContractRun) -> None:
        self._run = run
        self._decided: dict[str, Result] = {}

    def decide(self, check: Check) -> Result:
        """Run a check and keep what became of it."""
        result = self._decided[check.id] = self._run.decide(check)
        return result

    def must_run(self, result: Result) -> bool:
        """Tell whether a provider cannot conform without this check having been run."""
        return bool(self._run.report([result]).missing)

    def report(self) -> Report:
        """Report on all checks; those that pytest left out were not run."""
        return self._run.report(
            self._decided.get(one.id) or _left_out(one, self._run.mode) for one in self._run.checks
        )


def _left_out(check: Check, mode: Mode) -> Result:
    return Result(
        id=check.id,
        title=check.title,
        level=check.level,
        modes=tuple(sorted(check.modes)),
        provisional=check.provisional,
        verdict=Verdict.NOT_RUN,
        reason=NOT_CHOSEN[1],
        seconds=0.0,
        mode=mode,
        provenance=None,
    )
