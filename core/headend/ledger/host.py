"""The ledger that the settings of a host mean, with a provider or without."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, Final

from headend.clock import SystemClock
from headend.ledger.store import is_off, open_ledger

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random
    from types import EllipsisType

    from headend.clock import Clock
    from headend.ledger.store import Ledger
    from headend.settings import Configuration, HostSettings

LEDGER_FILE: Final = "ledger.sqlite3"
"""The ledger in the data folder, where no other database is set."""


def open_host_ledger(
    configuration: Configuration,
    *,
    database: str | Path | EllipsisType | None = ...,
    clock: Clock | None = None,
    random: Random | None = None,
) -> Ledger:
    """Open the ledger of a host; one that is turned off lasts as long as the process.

    Args:
        configuration: the host's settings.
        database: see `ledger_of`.
        clock: tells the time; the machine's where none is given.
        random: makes the id of a new ledger; the machine's where none is given.

    Raises:
        ConfigurationError: the database cannot be used; it tells which and what to do.
    """
    return open_ledger(
        ledger_of(configuration.host, database),
        clock=clock or SystemClock(),
        random=random or SystemRandom(),
        actor=configuration.host.actor,
    )


def ledger_of(
    host: HostSettings, database: str | Path | EllipsisType | None = ...
) -> str | Path | None:
    """Return where the ledger of a host is, or `None` where it is turned off.

    Args:
        host: the host's settings.
        database: a database URL or `Path` that counts instead of the settings, or `None` to go
            without a ledger.
    """
    if database is ...:
        named = host.database_url
        database = host.data_dir / LEDGER_FILE if named is None else named.reveal()
    return None if is_off(database) else database
