"""How long ago, as a person writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from click import Context, Parameter

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Age(click.ParamType[float]):
    """A duration such as ``90s``, ``15m``, ``2h`` or ``1d``, in seconds."""

    name = "AGE"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> float:
        """Return the seconds."""
        match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])", str(value))
        if match is None:
            self.fail(f"{value!r} is not an age such as 90s, 15m, 2h or 1d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]
