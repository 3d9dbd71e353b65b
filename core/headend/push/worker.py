"""One function in a thread of its own that can be asked to stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["StopSignal", "Worker"]


class StopSignal(Protocol):
    """What says that it is time to stop; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop now."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds, or less when it is time to stop; return whether it is."""
        ...


class Worker:
    """Runs a function in a daemon thread; what pushes and what watches builds on it.

    As a context manager it starts and stops itself.

    Args:
        name: of the thread.
        run: the function; it gets a `StopSignal` and returns soon after that is set.
    """

    def __init__(self, name: str, run: Callable[[StopSignal], None]) -> None:
        self._run_in_thread = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._error: Exception | None = None

    def _main(self) -> None:
        try:
            self._run_in_thread(self._stop)
        except Exception as error:  # noqa: BLE001  # handed to whoever asks for `error`
            self._error = error

    def start(self) -> None:
        """Start it; possible once."""
        self._thread.start()

    def stop(self, timeout: float | None = 10.0) -> None:
        """Ask it to stop and wait for that, at most `timeout` seconds."""
        self._stop.set()
        self.join(timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is done by itself, at most `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    @property
    def error(self) -> Exception | None:
        """Why it ended, if not by `stop` or because it was done."""
        return self._error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
