"""The contract's checks, by what they are about.  Importing this registers all of them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

MODULES: Final = tuple(sorted(one.name for one in iter_modules(__path__)))
"""The modules of this package; those without a check of their own hold what several use."""

for _name in MODULES:
    import_module(f"{__name__}.{_name}")
