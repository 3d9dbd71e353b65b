"""How a command that waits says so: one line on stderr for each thing that is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from headend.hookspecs import hookimpl

if TYPE_CHECKING:
    from pathlib import Path
    from types import EllipsisType

    from headend.calls import AttemptEvent, WaitEvent
    from headend.platform import StreamingPlatform

PATIENCE: Final = 2.0
"""Seconds of silence after which a person wonders."""


def open_platform(
    provider: str | None = None, *, database: str | Path | EllipsisType | None = ...
) -> StreamingPlatform:
    """Open a provider as `headend.open` does, and tell the person of long waits."""
    import headend

    return headend.open(provider, database=database, observers=[Waits()])


class Waits:
    """Tells on stderr what is waited for, once it takes longer than `PATIENCE` in all."""

    def __init__(self) -> None:
        self._waited: dict[str, float] = {}

    @hookimpl
    def headend_attempt(self, event: AttemptEvent) -> None:
        """Tell of a request that took long and is sent again."""
        if event.will_retry_in is not None:
            self._add(
                f"{event.provider} {event.operation}: {event.outcome}; it is tried again",
                event.duration + event.will_retry_in,
            )

    @hookimpl
    def headend_wait(self, event: WaitEvent) -> None:
        """Tell of waits that no attempt tells of."""
        if event.until is not None:
            self._add(f"waiting until {event.until}", event.seconds)
        elif event.why == "pacing":
            self._add(
                f"waiting for a turn: {event.provider} limits how often it may be asked",
                event.seconds,
            )

    def _add(self, line: str, seconds: float) -> None:
        before = self._waited.get(line, 0.0)
        self._waited[line] = before + seconds
        if before < PATIENCE <= before + seconds:
            click.echo(f"{line} ...", err=True)
