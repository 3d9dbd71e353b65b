"""Which installed providers the contract can be run on, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.discovery import Registry
from headend_contract.cassettes import find_cassettes
from headend_contract.check import Mode
from headend_contract.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def installed_runs() -> Iterator[tuple[str, Mode]]:
    """Give each installed provider with each mode that needs no credentials.

    Raises:
        PluginError: an installed provider cannot be used.
    """
    for name in Registry().names:
        subject = Subject.of(name)
        if find_cassettes(subject) is not None:
            yield name, Mode.REPLAY
        if subject.spec.simulator is not None:
            yield name, Mode.SIMULATOR
