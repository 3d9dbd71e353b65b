"""The hooks that a plugin can implement.  `headend_providers` is the one that it must.

A whole plugin::

    from headend.plugin import ProviderSpec, hookimpl

    @hookimpl
    def headend_providers():
        yield ProviderSpec(
            name="acme", title="Acme Live", api_version=1,
            factory="headend_acme.provider:AcmeProvider",
            settings="headend_acme.settings:AcmeSettings",
        )

with this in its ``pyproject.toml``::

    [project.entry-points.headend]
    acme = "headend_acme"

`headend_attempt` and `headend_wait` watch the requests of all providers, and
`headend_budget_alert` watches what they cost.  Their plugins have entry points of their own, in
the group ``headend.observers``, or are given to `headend.open` or `headend.open_costs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend.calls import AttemptEvent, WaitEvent
    from headend.costs.alerts import BudgetAlert
    from headend.spec import ProviderSpec

PROJECT: Final = "headend"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def headend_providers() -> Iterable[ProviderSpec]:  # type: ignore[empty-body]  # a hookspec has no body
    """Describe the providers of this plugin.

    Called when providers are listed or one is opened.  The module that implements it imports
    the standard library and `headend.plugin` only.
    """


@hookspec
def headend_attempt(event: AttemptEvent) -> None:
    """Hear of a request that was sent, and of what came of it.

    A whole plugin::

        from headend.plugin import hookimpl

        @hookimpl
        def headend_attempt(event):
            print(event.provider, event.operation, event.outcome, f"{event.duration:.3f} s")

    with this in its ``pyproject.toml``::

        [project.entry-points."headend.observers"]
        acme-print = "acme_print"

    Called after each attempt, in the thread that made it, so it should be quick; several at
    once where several threads send.  What it raises is logged once and goes no further.
    """


@hookspec
def headend_wait(event: WaitEvent) -> None:
    """Hear of a wait before it begins: for a turn under a limit, a repetition, or the platform.

    A whole plugin::

        from headend.plugin import hookimpl

        @hookimpl
        def headend_wait(event):
            if event.seconds > 5:
                print(f"{event.operation} waits {event.seconds:.0f} s: {event.why}")

    with this in its ``pyproject.toml``::

        [project.entry-points."headend.observers"]
        acme-print = "acme_print"

    Called before each wait, in the thread that waits; what it raises is logged once and goes no
    further.
    """


@hookspec
def headend_budget_alert(alert: BudgetAlert) -> None:
    """Hear that a threshold of a budget was reached.

    A whole plugin::

        from headend.plugin import hookimpl

        @hookimpl
        def headend_budget_alert(alert):
            print(f"{alert.budget.scope}: {alert.threshold} % of {alert.budget.amount} are spent")

    with this in its ``pyproject.toml``::

        [project.entry-points."headend.observers"]
        acme-print = "acme_print"

    Of all processes on one ledger, the one that finds it out calls it, once for each threshold,
    budget and month, in a thread of headend's own or in that of who asked for the costs.  What it
    raises is logged and goes no further.
    """
