"""Reading botocore's files once in a process, and not for every check.

Each session of botocore parses the same megabytes of JSON again.  A check has a session of its
own, and without this most of its time goes there.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def read_once() -> Iterator[None]:
    """Let botocore keep what it parsed, within the block; without botocore nothing is done."""
    loaders = sys.modules.get("botocore.loaders")
    if loaders is None:
        yield
        return
    kind = loaders.JSONFileLoader
    original = kind.load_file
    kind.load_file = lambda _loader, path: _parsed(original, kind, path)
    try:
        yield
    finally:
        kind.load_file = original


@cache
def _parsed(load: object, kind: type, path: str) -> object:
    """Return what is in a file; its path is without the extension, as botocore has it."""
    assert callable(load)
    return load(kind(), path)
