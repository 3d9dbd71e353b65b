"""What these tests share: small checks, and runs of them on the reference provider."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headend.plugin import ProviderSpec
from headend_contract.case import Case
from headend_contract.check import Check, Level, Mode
from headend_contract.reference import headend_providers
from headend_contract.report import Report, Result
from headend_contract.runner import check_provider


def make_check(run: Callable[[Case], None], **changes: object) -> Check:
    """Make a check that is in no register; the keywords are its attributes."""
    attributes: dict[str, object] = {
        "id": "TEST-CHECK-001",
        "title": "A check of a test",
        "level": Level.CORE,
        "modes": frozenset({Mode.SIMULATOR}),
        "requires": frozenset(),
        "refuses": frozenset(),
        "needs_simulator": False,
        "needs_distribution": False,
        "offline": False,
        "since": "1",
        "provisional": False,
        "rule": "It is as it should be.",
        "why": "Otherwise it is not.",
        "hint": "Mend it.",
        "run": run,
    }
    return Check(**{**attributes, **changes})  # type: ignore[arg-type]  # the class checks them


@pytest.fixture(scope="session")
def check_of() -> Callable[..., Check]:
    return make_check


@pytest.fixture(scope="session")
def reference() -> ProviderSpec:
    (spec,) = headend_providers()
    return spec


@pytest.fixture(scope="session")
def run_on(reference: ProviderSpec) -> Callable[..., Report]:
    """Run checks on a provider, by default the reference, on its simulator."""

    def run(*checks: Check, spec: ProviderSpec | None = None, **changes: object) -> Report:
        arguments: dict[str, object] = {"mode": Mode.SIMULATOR, "expected": (), **changes}
        return check_provider(spec or reference, checks=checks, **arguments)  # type: ignore[arg-type]  # as above

    return run


@pytest.fixture(scope="session")
def verdict_on(run_on: Callable[..., Report]) -> Callable[..., Result]:
    """Run one function as a check and return what became of it.

    The keywords are attributes of the check, and with `run=` arguments of the run.
    """

    def decide(
        function: Callable[[Case], None], *, run: dict[str, object] | None = None, **changes: object
    ) -> Result:
        (result,) = run_on(make_check(function, **changes), **(run or {})).results
        return result

    return decide
