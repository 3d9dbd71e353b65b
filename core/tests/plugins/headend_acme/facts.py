from __future__ import annotations

from decimal import Decimal

from headend.plugin import Facts, Latency, Meter, Permission, Price, Quota, RateLimit

LIMITS_PAGE = "https://acme.example/limits"

FACTS = Facts(
    limits=(
        RateLimit(
            name="api",
            requests=1200,
            window=300.0,
            per="credential",
            block=60.0,
            source=LIMITS_PAGE,
            as_of="2026-01-02",
        ),
    ),
    quotas=(
        Quota(
            name="live streams", value=1000, unit="streams", source=LIMITS_PAGE, as_of="2026-01-02"
        ),
        Quota(name="tags", value=None, unit="bytes", source=LIMITS_PAGE, as_of="2026-01-02"),
    ),
    prices=(
        Price(
            name="storage",
            amount=Decimal("0.10"),
            per=1000,
            unit="minute stored",
            meter=Meter.STORAGE,
            unit_size=60,
            source="https://acme.example/prices",
            as_of="2026-01-03",
            note="paid beforehand",
        ),
    ),
    permissions=(
        Permission(
            name="Live: Edit",
            needed_for=("create_live_stream", "end_live_stream"),
            source=LIMITS_PAGE,
            as_of="2026-01-02",
        ),
    ),
    latencies=(
        Latency(
            name="HLS",
            low=8.5,
            high=12.0,
            source="https://blog.example/measured",
            as_of="2025-12-31",
            verified=False,
        ),
    ),
)
