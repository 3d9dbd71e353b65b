"""What is known of Cloudflare Stream beside its API, each fact with its public source and date.

A page of https://developers.cloudflare.com is dated by the day on which it was read.  What somebody
else than Cloudflare measured is not verified.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from headend.plugin import EncoderLimits, Facts, Latency, Meter, Permission, Price, Quota, RateLimit

_READ: Final = "2026-11-22"
_DOCS: Final = "https://developers.cloudflare.com"
_API_LIMITS: Final = f"{_DOCS}/fundamentals/api/reference/limits/"
_START: Final = f"{_DOCS}/stream/stream-live/start-stream-live/"
_PRICING: Final = f"{_DOCS}/stream/pricing/"
_SIGNING: Final = f"{_DOCS}/stream/viewing-videos/securing-your-stream/"
_ANALYTICS: Final = f"{_DOCS}/stream/getting-analytics/fetching-bulk-analytics/"
_WEBRTC: Final = f"{_DOCS}/stream/webrtc-beta/"

_API: Final = "https://github.com/cloudflare/cloudflare-typescript scripts/mock (OpenAPI)"
_API_DATE: Final = "2026-08-18"

_MEASURED: Final = (
    "https://github.com/onryde/seazn.club docs/superpowers/specs/"
    "2026-09-05-stream-overlay-prompts/R0-memo.md"
)
_MEASURED_DATE: Final = "2026-09-13"
_BLOG: Final = "https://blog.cloudflare.com/low-latency-hls-support-for-cloudflare-stream/"
_BLOG_DATE: Final = "2023-06-19"

API_LIMIT: Final = RateLimit(
    name="default",
    requests=1200,
    window=300.0,
    per="credential",
    burst=30,
    block=300.0,
    source=_API_LIMITS,
    as_of=_READ,
)
"""Requests to the API by one token; all that use it, the dashboard included, share it.

The name is the one in the header ``Ratelimit``.  Requests to the customer host do not count.
"""

GRAPHQL_LIMIT: Final = RateLimit(
    name="graphql",
    requests=300,
    window=300.0,
    per="credential",
    burst=10,
    block=300.0,
    source=f"{_DOCS}/analytics/graphql-api/limits/",
    as_of=_READ,
)
"""Queries of analytics by one token; they count under `API_LIMIT` as well."""

QUOTAS: Final = (
    Quota(
        name="live streams",
        value=None,
        unit="live streams of one account",
        source=_START,
        as_of=_READ,
        note="the beta of 2021 had 1,000 (https://github.com/cloudflare/cloudflare-docs/pull/1487)",
    ),
    Quota(
        name="live at once",
        value=None,
        unit="sessions of one account",
        source=_START,
        as_of=_READ,
        note="the 100 that are sometimes told of are on no page of Cloudflare's",
    ),
    Quota(
        name="simulcast targets",
        value=50,
        unit="of one live stream at once",
        source=f"{_DOCS}/stream/stream-live/simulcasting/",
        as_of=_READ,
        note="the repositories cloudflare/skills and onryde/seazn.club say 5",
    ),
    Quota(
        name="metadata",
        value=None,
        unit="bytes",
        source=f"{_API} stream_live_input_metadata",
        as_of=_API_DATE,
        note="headend sends 8,192 bytes of channel id, name and metadata at most",
    ),
    Quota(
        name="recording, longest",
        value=7,
        unit="days of one session",
        source=_START,
        as_of=_READ,
        note="what comes later can be watched live and is not recorded",
    ),
    Quota(
        name="recordings kept, least",
        value=30,
        unit="days, where the option delete_recording_after_days is given",
        source=_START,
        as_of=_READ,
        note="without the option they are kept, and billed, until somebody deletes them",
    ),
    Quota(
        name="recordings kept, most",
        value=1096,
        unit="days, where the option delete_recording_after_days is given",
        source=_START,
        as_of=_READ,
    ),
    Quota(
        name="storage bought at once",
        value=1000,
        unit="minutes of recordings",
        source=_PRICING,
        as_of=_READ,
        note="when it is full no live stream can go live",
    ),
    Quota(
        name="free minutes",
        value=None,
        unit="minutes a month",
        source=_PRICING,
        as_of=_READ,
        note="the pricing page knows none; 1,000 minutes are the size in which storage is bought",
    ),
    Quota(
        name="recordings in one list",
        value=1000,
        unit="recordings",
        source=f"{_API} /accounts/{{account_id}}/stream",
        as_of=_API_DATE,
    ),
    Quota(
        name="playback tokens made by the API",
        value=10_000,
        unit="tokens a day, by advice",
        source=_SIGNING,
        as_of=_READ,
        note="for more, sign them on this machine with a signing key",
    ),
    Quota(
        name="playback token, longest life",
        value=24,
        unit="hours",
        source=_SIGNING,
        as_of=_READ,
    ),
    Quota(
        name="signing keys",
        value=1000,
        unit="keys of one account",
        source=_SIGNING,
        as_of=_READ,
    ),
    Quota(
        name="requests of one address",
        value=200,
        unit="requests per second",
        source=_API_LIMITS,
        as_of=_READ,
    ),
    Quota(
        name="queries for the watch time",
        value=300,
        unit="GraphQL queries in 5 minutes",
        source=f"{_DOCS}/analytics/graphql-api/limits/",
        as_of=_READ,
        note="beside the limit of all requests; costly queries count more",
    ),
    Quota(
        name="watch time, longest query",
        value=31,
        unit="days",
        source=_ANALYTICS,
        as_of=_READ,
    ),
    Quota(
        name="watch time, kept",
        value=90,
        unit="days",
        source=_ANALYTICS,
        as_of=_READ,
    ),
)
"""How much of what the platform allows."""

ENCODERS: Final = (
    EncoderLimits(
        name="what is taken by RTMPS",
        video_codecs=("H.264",),
        audio_codecs=("AAC",),
        max_bitrate=14_000_000,
        min_keyframe_interval=2,
        max_keyframe_interval=10,
        source=_START,
        as_of=_READ,
        note=(
            "closed groups of pictures only; 4 to 8 seconds from key frame to key frame are "
            "advised, for low latency 2 to 4; events tell of a wrong codec "
            "(ERR_UNSUPPORTED_VIDEO_CODEC) and of a wrong interval (ERR_GOP_OUT_OF_RANGE)"
        ),
    ),
    EncoderLimits(
        name="what is advised",
        enforced=False,
        min_bitrate=2_000_000,
        max_bitrate=10_000_000,
        source=_START,
        as_of=_READ,
        note="constant bitrate; what becomes of an encoder that sends less is not documented",
    ),
)
"""What encoders may send."""

PRICES: Final = (
    Price(
        name="storage",
        amount=Decimal(5),
        per=1000,
        unit="minute stored",
        meter=Meter.STORAGE,
        unit_size=60,
        source=_PRICING,
        as_of=_READ,
        note=(
            "for a month, paid beforehand in blocks of 1,000 minutes: the bill is in whole blocks"
        ),
    ),
    Price(
        name="delivery",
        amount=Decimal(1),
        per=1000,
        unit="minute delivered",
        meter=Meter.WATCH,
        unit_size=60,
        source=_PRICING,
        as_of=_READ,
        note="to each viewer, paid afterwards; what a player loads ahead counts",
    ),
    Price(
        name="simulcast",
        amount=Decimal(1),
        per=1000,
        unit="minute delivered",
        meter=Meter.RESTREAM,
        unit_size=60,
        source=_PRICING,
        as_of=_READ,
        note="to each simulcast target",
    ),
    Price(
        name="WebRTC delivery",
        amount=Decimal(1),
        per=1000,
        unit="minute delivered",
        source=_WEBRTC,
        as_of=_READ,
        note="the page says: billed since 2026-10-01; counted as delivery",
    ),
    Price(
        name="ingest and encoding",
        amount=Decimal(0),
        per=1000,
        unit="minute sent",
        meter=Meter.INGEST,
        unit_size=60,
        source=_PRICING,
        as_of=_READ,
    ),
)
"""What the platform takes; a broadcast that nobody watches costs its recording only."""

PERMISSIONS: Final = (
    Permission(
        name="Stream: Read",
        needed_for=(
            "check_health",
            "get_analytics",
            "get_credentials",
            "get_live_stream",
            "get_playback_url",
            "list_live_streams",
            "list_recordings",
            "list_simulcast_targets",
        ),
        source=f"{_API} x-api-token-group",
        as_of=_API_DATE,
        note="Stream: Edit will do as well; a token that may only read sees the stream keys too",
    ),
    Permission(
        name="Stream: Edit",
        needed_for=(
            "create_live_stream",
            "create_playback_token",
            "create_simulcast_target",
            "delete_recording",
            "delete_simulcast_target",
            "disable_live_stream",
            "enable_live_stream",
            "end_live_stream",
            "rotate_stream_key",
            "update_simulcast_target",
        ),
        source=f"{_API} x-api-token-group",
        as_of=_API_DATE,
        note=(
            "called Stream Write there; for tokens, new simulcast targets, keys, enabling and "
            "disabling the description names none, and this one is assumed"
        ),
    ),
    Permission(
        name="Account Analytics: Read",
        needed_for=("get_analytics",),
        source=_ANALYTICS,
        as_of=_READ,
        note="for the watch time only, which is unknown without it",
    ),
)
"""What an API token must be allowed to do, by the names of the dashboard."""

LATENCIES: Final = (
    Latency(
        name="HLS",
        low=None,
        high=30,
        source=_BLOG,
        as_of=_BLOG_DATE,
    ),
    Latency(
        name="HLS, measured",
        low=12.5,
        high=13.4,
        source=_MEASURED,
        as_of=_MEASURED_DATE,
        verified=False,
        note="key frames every 2 s, hls.js",
    ),
    Latency(
        name="LL-HLS",
        low=None,
        high=10,
        source=_BLOG,
        as_of=_BLOG_DATE,
        note="in many cases; beta; encoders must not send B-frames",
    ),
    Latency(
        name="LL-HLS, measured",
        low=8.7,
        high=8.7,
        source=_MEASURED.replace("R0-memo", "R0-CORRECTIONS-FOR-R1"),
        as_of=_MEASURED_DATE,
        verified=False,
        note="median; with ?protocol=llhls and without B-frames, else no faster than HLS",
    ),
    Latency(
        name="WebRTC",
        low=None,
        high=0.5,
        source=_WEBRTC,
        as_of=_READ,
        note="WHIP in and WHEP out only: such a session has no HLS, recording or viewer count",
    ),
    Latency(
        name="WebRTC, measured",
        low=0.44,
        high=1.14,
        source=_MEASURED,
        as_of=_MEASURED_DATE,
        verified=False,
        note="medians 0.5 and 0.74, the latter on a machine that was busy encoding",
    ),
)
"""How far viewers are behind the encoder, in seconds."""

FACTS: Final = Facts(
    limits=(API_LIMIT, GRAPHQL_LIMIT),
    quotas=QUOTAS,
    encoders=ENCODERS,
    prices=PRICES,
    permissions=PERMISSIONS,
    latencies=LATENCIES,
)
"""All of it."""
