"""What is known of Reference Live beside its API; its only source is the simulation itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from headend.plugin import Facts, Latency, Meter, Permission, Price, Quota, RateLimit

_SOURCE: Final = "headend_contract.reference.platform"
_AS_OF: Final = "2026-10-01"

LIMIT: Final = "api"
"""The name that the platform gives its limit in the header ``Ratelimit``."""

API_LIMIT: Final = RateLimit(
    name=LIMIT,
    requests=1000,
    window=10.0,
    per="credential",
    burst=50,
    source=_SOURCE,
    as_of=_AS_OF,
)

FACTS: Final = Facts(
    limits=(API_LIMIT,),
    quotas=(
        Quota(
            name="inputs of an account",
            value=1000,
            unit="inputs",
            source=_SOURCE,
            as_of=_AS_OF,
            note="`headend check` tells how many there are",
        ),
        Quota(
            name="tags of an input",
            value=50,
            unit="tags",
            source=_SOURCE,
            as_of=_AS_OF,
            note="two are headend's own",
        ),
        Quota(name="length of a recording", value=None, unit="hours", source=_SOURCE, as_of=_AS_OF),
    ),
    prices=(
        Price(
            name="ingest",
            amount=Decimal("0.10"),
            per=60,
            unit="minute pushed",
            meter=Meter.INGEST,
            unit_size=60,
            source=_SOURCE,
            as_of=_AS_OF,
            note="nobody pays it: the platform is a simulation",
        ),
    ),
    permissions=(
        Permission(
            name="read",
            needed_for=(
                "get_live_stream",
                "list_live_streams",
                "get_credentials",
                "get_analytics",
                "list_recordings",
                "list_sessions",
                "get_session",
                "check_health",
            ),
            source=_SOURCE,
            as_of=_AS_OF,
        ),
        Permission(
            name="write",
            needed_for=(
                "create_live_stream",
                "end_live_stream",
                "rotate_stream_key",
                "enable_live_stream",
                "disable_live_stream",
                "delete_recording",
            ),
            source=_SOURCE,
            as_of=_AS_OF,
        ),
    ),
    latencies=(
        Latency(
            name="HLS",
            low=2.0,
            high=None,
            source=_SOURCE,
            as_of=_AS_OF,
            verified=False,
            note="from an encoder's arrival until viewers can watch; no picture was ever timed",
        ),
    ),
)
