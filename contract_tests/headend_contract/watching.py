"""What the suite sees of its process while a check runs: secrets that are made, and the log."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from logging import Logger
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from headend.plugin import Secret
from headend.secret import MASK
from headend_contract.serving import THREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHORTEST: Final = 4


class Watch:
    """All secrets that were made, and all that was logged, while it was active."""

    def __init__(self) -> None:
        self._secrets: list[Secret] = []
        self._records: list[logging.LogRecord] = []

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Each secret once, in the order in which they came up."""
        return tuple(dict.fromkeys(self._secrets))

    @property
    def log(self) -> str:
        """What was logged, with tracebacks; what the simulated platform logs is not in it."""
        formatter = logging.Formatter("%(levelname)s %(name)s: %(message)s")
        return "\n".join(
            formatter.format(one) for one in list(self._records) if one.threadName != THREAD
        )

    def plant(self, secrets: Iterable[Secret]) -> None:
        """Add secrets that nobody made."""
        self._secrets.extend(secrets)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Watch this process; two watches at the same time see what belongs to the other."""
        with self.collecting_secrets(), self._collecting_log():
            yield

    @contextmanager
    def collecting_secrets(self) -> Iterator[None]:
        """Note each secret that is made, and leave the log to others."""
        original = Secret.__init__
        made = self._secrets

        def collecting(secret: Secret, value: str) -> None:
            original(secret, value)
            made.append(secret)

        Secret.__init__ = collecting  # type: ignore[assignment,method-assign]  # for a while
        try:
            yield
        finally:
            Secret.__init__ = original  # type: ignore[method-assign]  # as it was

    @contextmanager
    def _collecting_log(self) -> Iterator[None]:
        root = logging.getLogger()
        loggers = [one for one in root.manager.loggerDict.values() if isinstance(one, Logger)]
        shut = [one for one in loggers if one.level != logging.NOTSET or not one.propagate]
        before = [(one, one.level, one.propagate) for one in shut]
        root_level, root_handlers, disabled = root.level, root.handlers, root.manager.disable
        for one in shut:
            one.setLevel(logging.NOTSET)
            one.propagate = True
        # The handlers of whoever runs the suite did not ask for all that is on DEBUG.
        root.handlers = [_Collector(self._records)]
        root.setLevel(logging.DEBUG)
        logging.disable(logging.NOTSET)
        try:
            yield
        finally:
            logging.disable(disabled)
            root.setLevel(root_level)
            root.handlers = root_handlers
            for one, level, propagate in before:
                one.setLevel(level)
                one.propagate = propagate


class _Collector(logging.Handler):
    """Keeps records as they are; most are never read, and so never formatted."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def handle(self, record: logging.LogRecord) -> bool:
        self._records.append(record)
        return True


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """Return a text with the mask in place of each secret, as it is or escaped for a URL or JSON.

    Secrets of less than four characters stay: they are in every other word.
    """
    values = {one.reveal() for one in secrets}
    for value in sorted(values, key=len, reverse=True):
        if len(value.strip()) >= _SHORTEST:
            for form in sorted(_forms(value), key=len, reverse=True):
                text = text.replace(form, MASK)
    return text


def _forms(value: str) -> set[str]:
    return {value, quote(value), quote(value, safe=""), repr(value)[1:-1], json.dumps(value)[1:-1]}
