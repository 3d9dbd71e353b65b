"""Keeping stream keys and credentials out of the log that botocore writes.

At level DEBUG botocore logs whole answers, in which stream keys, passphrases and assumed roles'
secrets stand in the open, and request headers with the session token.  What it logs of headend's
own requests is cut to what cannot hold any of that; what it logs of others is left alone.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPEAKERS: Final = ("boto3", "botocore", "urllib3")
"""The packages whose loggers are watched."""

_HARMLESS: Final = frozenset(
    {
        "botocore.args",
        "botocore.client",
        "botocore.configprovider",
        "botocore.credentials",
        "botocore.hooks",
        "botocore.httpsession",
        "botocore.loaders",
        "botocore.retries.standard",
        "botocore.session",
        "urllib3.connectionpool",
    }
)
"""Loggers whose values are names, hosts and times; all others' values are withheld.

``botocore.regions`` is not among them: it logs the whole address of an endpoint, maybe with a
password.
"""

_watched: ContextVar[bool] = ContextVar("headend_ivs.logs watched", default=False)


@contextmanager
def watched() -> Iterator[None]:
    """Cut what is logged in this thread within the block."""
    token = _watched.set(True)
    try:
        yield
    finally:
        _watched.reset(token)


def watch_loggers() -> None:
    """Put the filter on all loggers of boto3 that there are by now; twice is harmless."""
    # A filter on a logger does not see what its children log.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.split(".")[0] in _SPEAKERS and isinstance(logger, logging.Logger):
            logger.addFilter(_withhold)


def _withhold(record: logging.LogRecord) -> bool:
    """Take the values out of a record, and the traceback, which quotes what a process printed."""
    if _watched.get():
        record.exc_info = record.exc_text = record.stack_info = None
        if record.args and record.name not in _HARMLESS:
            record.msg, record.args = f"{record.msg} (values withheld by headend)", ()
    return True
