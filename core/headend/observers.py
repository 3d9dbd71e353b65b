"""Finding what watches requests and budgets: plugins with the hooks of `HOOKS`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import pluggy

from headend import hookspecs
from headend._entry_points import installed, origin
from headend.calls import GuardedObserver
from headend.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from headend.calls import AttemptEvent, WaitEvent
    from headend.costs.alerts import BudgetAlert

GROUP: Final = "headend.observers"
"""The entry-point group of observers: modules with hook implementations."""

HOOKS: Final = ("headend_attempt", "headend_wait", "headend_budget_alert")
"""The hooks of which an observer has one at least."""

_log: Final = logging.getLogger("headend.observers")

_complained: Final[set[str]] = set()
"""The broken entry points that the log has already."""


def load_observers(
    given: Iterable[object] = (), *, disabled: Collection[str] = ()
) -> Observers | None:
    """Gather those that are installed and those that a host gives.

    One that is installed but cannot be loaded is logged once and left out.

    Args:
        given: objects or modules with hook implementations.
        disabled: names of entry points that are left out; ``*`` for all.

    Returns:
        What tells them all, none disturbed by another's errors; `None` if there are none.

    Raises:
        PluginError: one of those given has no such hook, or one that fits none.
    """
    found: list[_Hooks] = []
    for point in installed(GROUP):
        if point.name in disabled or "*" in disabled:
            continue
        try:
            found.append(_observer(point.load(), point.name))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
            distribution = origin(point)[0]
            if f"{distribution} {point.name}" not in _complained:
                _complained.add(f"{distribution} {point.name}")
                _log.error(
                    "the observer %s cannot be used: %s: %s (change %s, or name it in "
                    "HEADEND_DISABLE_PLUGINS)",
                    point.name,
                    type(error).__name__,
                    error,
                    distribution,
                )
    for plugin in given:
        name = getattr(plugin, "__name__", type(plugin).__name__)
        try:
            found.append(_observer(plugin, name))
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"{name} cannot observe: {error}") from error
    return Observers(found) if found else None


def _observer(plugin: object, name: str) -> _Hooks:
    # Each has a manager of its own, since with a common one the first error ends the round.
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    hooks = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
    if not hooks & {*HOOKS}:
        raise ValueError(f"it implements none of {', '.join(HOOKS)}")
    return _Hooks(manager, name)


class _Hooks:
    """The hooks of one plugin."""

    def __init__(self, manager: pluggy.PluginManager, name: str) -> None:
        self._hook = manager.hook
        self._name = name
        self.guarded = GuardedObserver(self, name)

    def attempt(self, event: AttemptEvent) -> None:
        self._hook.headend_attempt(event=event)

    def wait(self, event: WaitEvent) -> None:
        self._hook.headend_wait(event=event)

    def budget_alert(self, alert: BudgetAlert) -> None:
        try:
            self._hook.headend_budget_alert(alert=alert)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            _log.error(
                "the observer %s failed at the budget alert %s: %s",
                self._name,
                alert.alert_id,
                type(error).__name__,
                exc_info=error,
            )


class Observers:
    """Several plugins as one `headend.calls.Observer` that hears of budgets, too."""

    def __init__(self, plugins: Sequence[_Hooks]) -> None:
        self._plugins = tuple(plugins)

    def attempt(self, event: AttemptEvent) -> None:
        """A request was sent."""
        for plugin in self._plugins:
            plugin.guarded.attempt(event)

    def wait(self, event: WaitEvent) -> None:
        """A request is about to wait."""
        for plugin in self._plugins:
            plugin.guarded.wait(event)

    def budget_alert(self, alert: BudgetAlert) -> None:
        """A threshold of a budget was reached."""
        for plugin in self._plugins:
            plugin.budget_alert(alert)
