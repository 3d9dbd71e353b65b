"""Trying all checks on known-bad providers: does each fail exactly those that it should?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend_contract.check import Mode, all_checks
from headend_contract.known_bad import all_known_bad
from headend_contract.report import Verdict
from headend_contract.runner import check_provider

if TYPE_CHECKING:
    from headend_contract.known_bad import KnownBad

SEARCHES: Final = frozenset({"MODEL-STATE-001"})
"""Checks that look for anything that is wrong, and find it with luck.

They must find what is made for them, and are not tried on the others: what they find there is no
over-caught fault but one more way to see it.
"""


@frozen(kw_only=True)
class Trial:
    """What became of one known-bad provider.

    Attributes:
        name: the known-bad provider's.
        fails: the checks that should fail it.
        failed: the checks that did, with the reason that each gave.
        errors: the checks that came to no verdict, with the reason.
        executed: all that were run.
        report: the whole report, as JSON.
        seconds: how long it took.
    """

    name: str
    fails: frozenset[str]
    failed: Mapping[str, str]
    errors: Mapping[str, str]
    executed: frozenset[str]
    report: str
    seconds: float

    @property
    def missed(self) -> frozenset[str]:
        """The checks that should have failed it, and did not."""
        return self.fails - frozenset(self.failed)

    @property
    def overcaught(self) -> Mapping[str, str]:
        """The checks that failed it, and blame it for what it does right."""
        return {name: reason for name, reason in self.failed.items() if name not in self.fails}


def try_one(bad: KnownBad) -> Trial:
    """Run all checks that a simulator can decide on one known-bad provider, with few examples."""
    began = perf_counter()
    chosen = [
        one.id
        for one in all_checks()
        if Mode.SIMULATOR in one.modes and (one.id not in SEARCHES or one.id in bad.fails)
    ]
    with bad.there() as provider:
        report = check_provider(provider, mode=Mode.SIMULATOR, only=chosen, fast=True, expected=())
    by_verdict: dict[Verdict, dict[str, str]] = {}
    for one in report.results:
        by_verdict.setdefault(one.verdict, {})[one.id] = one.reason or ""
    ran = (Verdict.PASSED, Verdict.FAILED)
    return Trial(
        name=bad.name,
        fails=bad.fails,
        failed=by_verdict.get(Verdict.FAILED, {}),
        errors=by_verdict.get(Verdict.ERROR, {}),
        executed=frozenset(name for verdict in ran for name in by_verdict.get(verdict, ())),
        report=report.to_json(),
        seconds=perf_counter() - began,
    )


def try_all() -> dict[str, Trial]:
    """Try all known-bad providers, as many at once as there are processors and one more.

    Returns:
        The trials, by the known-bad providers' names.
    """
    names = [one.name for one in all_known_bad()]
    workers = (os.cpu_count() or 1) + 1  # some checks wait
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes:
        return {one.name: one for one in processes.map(_try_named, names)}


def _try_named(name: str) -> Trial:
    (bad,) = (one for one in all_known_bad() if one.name == name)
    return try_one(bad)
