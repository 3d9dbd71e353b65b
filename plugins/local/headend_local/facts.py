"""What the local media server costs; `FACTS` is what ``headend providers local`` shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from headend.plugin import EncoderLimits, Facts, Meter, Price

_SOURCE: Final = "headend_local: the server is a process on your own machine"
_AS_OF: Final = "2026-11-22"
_NOTE: Final = "what the machine and its line to the internet cost is not known here"

FACTS: Final = Facts(
    encoders=(
        EncoderLimits(
            name="what the server takes",
            video_codecs=("H.264",),
            audio_codecs=("AAC",),
            source=_SOURCE,
            as_of=_AS_OF,
            note="any size and frame rate",
        ),
        EncoderLimits(
            name="what is advised",
            enforced=False,
            max_keyframe_interval=4,
            source=_SOURCE,
            as_of=_AS_OF,
            note="viewers wait for a key frame until they see the first picture",
        ),
    ),
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
