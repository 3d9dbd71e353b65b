"""What the local media server costs; `FACTS` is what ``headend providers local`` shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from headend.plugin import Facts, Meter, Price

_SOURCE: Final = "headend_local: the server is a process on your own machine"
_AS_OF: Final = "2026-11-22"
_NOTE: Final = "what the machine and its line to the internet cost is not known here"

FACTS: Final = Facts(
    prices=(
        Price(
            name="ingest",
            amount=Decimal(0),
            per=1,
            unit="hour pushed",
            meter=Meter.INGEST,
            unit_size=3600,
            source=_SOURCE,
            as_of=_AS_OF,
            note=_NOTE,
        ),
        Price(
            name="playback",
            amount=Decimal(0),
            per=1,
            unit="hour watched",
            meter=Meter.WATCH,
            unit_size=3600,
            source=_SOURCE,
            as_of=_AS_OF,
            note=_NOTE,
        ),
    ),
)
"""All of it."""
