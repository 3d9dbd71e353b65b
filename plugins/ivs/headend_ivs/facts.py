"""What is known of AWS IVS beside its API; `FACTS` is what ``headend providers aws-ivs`` shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from headend.plugin import EncoderLimits, Facts, Latency, Meter, Permission, Price, Quota, RateLimit

REGIONS: Final = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "eu-central-1",
    "eu-west-1",
    "us-east-1",
    "us-west-2",
)
"""The regions that have IVS, by name; their source is with the quotas."""

_GUIDE: Final = "https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide"
_QUOTAS: Final = f"{_GUIDE}/service-quotas.html"
_PERMISSIONS: Final = f"{_GUIDE}/getting-started-iam-permissions.html"
_ENDPOINTS: Final = "https://docs.aws.amazon.com/general/latest/gr/ivs.html"
_PLAYER: Final = f"{_GUIDE}/player.html"
_AUTHORIZATION: Final = "https://docs.aws.amazon.com/service-authorization/latest/reference"
_IVS_ACTIONS: Final = f"{_AUTHORIZATION}/list_amazoninteractivevideoservice.html"
_CLOUDWATCH_API: Final = (
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html"
)
_CLOUDWATCH_RATE: Final = "https://repost.aws/knowledge-center/cloudwatch-getmetricdata-api"
_CLOUDWATCH_PRICING: Final = "https://aws.amazon.com/cloudwatch/pricing/"
_PRICING: Final = "https://aws.amazon.com/ivs/pricing/"
_STREAMING: Final = f"{_GUIDE}/streaming-config.html"
_AS_OF: Final = "2026-11-22"
"""When the sources were read."""


# -- limits ---------------------------------------------------------------------------------------

API_LIMIT: Final = RateLimit(
    name="api", requests=5, window=1.0, per="operation", source=_QUOTAS, as_of=_AS_OF
)
"""Of each operation on channels, stream keys, streams and sessions, by account and region."""

KEY_PAIR_LIMIT: Final = RateLimit(
    name="key-pairs", requests=3, window=1.0, per="operation", source=_QUOTAS, as_of=_AS_OF
)
"""Of each operation on playback key pairs."""

METADATA_LIMIT: Final = RateLimit(
    name="timed-metadata", requests=155, window=1.0, per="operation", source=_QUOTAS, as_of=_AS_OF
)
"""Of PutMetadata, on all channels together."""

CHANNEL_METADATA_LIMIT: Final = RateLimit(
    name="timed-metadata-of-a-channel",
    requests=5,
    window=1.0,
    per="operation",
    source=_QUOTAS,
    as_of=_AS_OF,
)
"""Of PutMetadata, on each channel."""

METRICS_LIMIT: Final = RateLimit(
    name="metrics", requests=50, window=1.0, per="operation", source=_CLOUDWATCH_RATE, as_of=_AS_OF
)
"""Of CloudWatch's GetMetricData; the lowest of the figures that AWS gives."""


# -- quotas ---------------------------------------------------------------------------------------


def _quota(name: str, value: float, unit: str, *, note: str = "", source: str = _QUOTAS) -> Quota:
    return Quota(name=name, value=value, unit=unit, source=source, as_of=_AS_OF, note=note)


_ADJUSTABLE: Final = "for each region; AWS raises it on request"

_QUOTA_LIST: Final = (
    _quota(
        "regions that have IVS",
        len(REGIONS),
        "regions",
        note=", ".join(REGIONS),
        source=_ENDPOINTS,
    ),
    _quota("channels", 5000, "channels", note=_ADJUSTABLE),
    _quota(
        "live streams that are live at once",
        100,
        "live streams",
        note=f"{_ADJUSTABLE}; one more is created all the same, and its encoder is refused",
    ),
    _quota("viewers of all live streams at once", 15000, "viewers", note=_ADJUSTABLE),
    _quota("stream keys of a live stream", 1, "keys"),
    _quota("recording configurations", 20, "configurations", note=_ADJUSTABLE),
    _quota("playback key pairs", 3, "key pairs", note="for each region"),
    _quota("timed metadata", 1, "KB", note="in each call"),
    _quota("playback token", 2, "KB"),
    _quota(
        "session",
        48,
        "hours",
        note="it is then cut off; the encoder may connect again",
        source=_STREAMING,
    ),
    _quota("sessions are kept", 60, "days", source=f"{_GUIDE}/stream-health.html"),
    _quota("queries in one GetMetricData", 500, "queries", source=_CLOUDWATCH_API),
)


# -- encoders -------------------------------------------------------------------------------------


def _taken(
    name: str, max_bitrate: float, *types: str, up_to_height: int | None = None, note: str = ""
) -> EncoderLimits:
    return EncoderLimits(
        name=name,
        terms={"type": types},
        up_to_height=up_to_height,
        max_bitrate=max_bitrate,
        max_width=1920,
        max_height=1080,
        source=_QUOTAS,
        as_of=_AS_OF,
        note=note,
    )


_ENCODER_LIST: Final = (
    EncoderLimits(
        name="all types",
        video_codecs=("H.264",),
        audio_codecs=("AAC",),
        max_frame_rate=60,
        source=_STREAMING,
        as_of=_AS_OF,
        note="sound alone is not taken",
    ),
    EncoderLimits(
        name="all types, advice",
        enforced=False,
        max_keyframe_interval=5,
        source=_STREAMING,
        as_of=_AS_OF,
        note="2 seconds, or 1 for the lowest latency",
    ),
    _taken("type STANDARD", 8_500_000, "STANDARD", note="15,000,000 bit/s with several tracks"),
    _taken("types ADVANCED_SD and ADVANCED_HD", 8_500_000, "ADVANCED_SD", "ADVANCED_HD"),
    _taken("type BASIC, up to 480p", 1_500_000, "BASIC", up_to_height=480),
    _taken("type BASIC, above 480p", 3_500_000, "BASIC"),
)


# -- prices ---------------------------------------------------------------------------------------

_UNREAD: Final = "first tier, Europe and North America; recalled, not read on the page: look there"


def _price(
    name: str,
    amount: str,
    unit: str,
    meter: Meter,
    *,
    types: tuple[str, ...],
    up_to_height: int | None = None,
) -> Price:
    return Price(
        name=name,
        amount=Decimal(amount),
        per=1,
        unit=unit,
        meter=meter,
        unit_size=3600,
        terms={"type": types},
        up_to_height=up_to_height,
        source=_PRICING,
        as_of=_AS_OF,
        verified=False,
        note=_UNREAD,
    )


def _input(channel_type: str, amount: str) -> Price:
    return _price(
        f"input, type {channel_type}", amount, "hour pushed", Meter.INGEST, types=(channel_type,)
    )


def _output(height: int, amount: str, *types: str) -> Price:
    return _price(
        f"output up to {height}p",
        amount,
        "hour watched",
        Meter.WATCH,
        types=types,
        up_to_height=height,
    )


_PRICE_LIST: Final = (
    _input("STANDARD", "2.00"),
    _input("ADVANCED_HD", "0.85"),
    _input("ADVANCED_SD", "0.50"),
    _input("BASIC", "0.20"),
    # Viewers of the advanced types get no larger picture, whatever is pushed.
    _output(480, "0.0375", "STANDARD", "ADVANCED_HD", "ADVANCED_SD", "BASIC"),
    _output(720, "0.075", "STANDARD", "ADVANCED_HD", "BASIC"),
    _output(1080, "0.15", "STANDARD", "BASIC"),
    Price(
        name="analytics (GetMetricData)",
        amount=Decimal("0.01"),
        per=1000,
        unit="metrics asked for",
        source=_CLOUDWATCH_PRICING,
        as_of=_AS_OF,
        verified=False,
        note="get_analytics asks for three of a live stream that is live, two of one that is not",
    ),
)


# -- permissions ----------------------------------------------------------------------------------


def _action(name: str, *needed_for: str, note: str = "") -> Permission:
    return Permission(
        name=name, needed_for=needed_for, source=_IVS_ACTIONS, as_of=_AS_OF, note=note
    )


_PERMISSION_LIST: Final = (
    _action("ivs:CreateChannel", "create_live_stream"),
    _action("ivs:TagResource", "create_live_stream", note="a channel is created with tags"),
    _action(
        "ivs:ListChannels",
        "create_live_stream",
        "list_live_streams",
        "check_health",
        note="a creation whose answer was lost is looked for",
    ),
    _action(
        "ivs:GetChannel",
        "get_live_stream",
        "get_credentials",
        "get_playback_url",
        "rotate_stream_key",
        "end_live_stream",
        "create_playback_token",
    ),
    _action("ivs:BatchGetChannel", "list_live_streams", "get_analytics_many"),
    _action(
        "ivs:GetStream", "get_live_stream", "get_analytics", "end_live_stream", "wait_until_live"
    ),
    _action("ivs:ListStreams", "list_live_streams", "get_analytics_many"),
    _action("ivs:ListStreamKeys", "get_credentials", "rotate_stream_key", "end_live_stream"),
    _action("ivs:GetStreamKey", "get_credentials", "rotate_stream_key"),
    _action("ivs:CreateStreamKey", "rotate_stream_key", "get_credentials"),
    _action("ivs:DeleteStreamKey", "rotate_stream_key", "end_live_stream"),
    _action("ivs:StopStream", "end_live_stream", "rotate_stream_key"),
    _action("ivs:DeleteChannel", "end_live_stream"),
    _action("ivs:ListStreamSessions", "list_sessions"),
    _action("ivs:GetStreamSession", "get_session", "get_analytics"),
    _action("ivs:PutMetadata", "put_timed_metadata"),
    _action("ivs:ImportPlaybackKeyPair", "import_playback_key_pair"),
    _action("ivs:ListPlaybackKeyPairs", "list_playback_key_pairs"),
    _action("ivs:DeletePlaybackKeyPair", "delete_playback_key_pair"),
    Permission(
        name="cloudwatch:GetMetricData",
        needed_for=("get_analytics", "get_analytics_many"),
        source=_PERMISSIONS,
        as_of=_AS_OF,
        note="without it bitrate, peak and watch time are unknown, and the viewer count is not",
    ),
    Permission(
        name="sts:GetCallerIdentity",
        needed_for=("create_live_stream", "end_live_stream", "check_health"),
        source="https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html",
        as_of=_AS_OF,
        note="no policy needs to allow it; it tells the account",
    ),
)


FACTS: Final = Facts(
    limits=(
        API_LIMIT,
        KEY_PAIR_LIMIT,
        METADATA_LIMIT,
        CHANNEL_METADATA_LIMIT,
        METRICS_LIMIT,
    ),
    quotas=_QUOTA_LIST,
    encoders=_ENCODER_LIST,
    prices=_PRICE_LIST,
    permissions=_PERMISSION_LIST,
    latencies=(
        Latency(
            name="low latency, the IVS player",
            low=None,
            high=5.0,
            source=_PLAYER,
            as_of=_AS_OF,
            note="from camera to screen; AWS guarantees nothing for other players",
        ),
        Latency(
            name="normal latency",
            low=None,
            high=None,
            source=_PLAYER,
            as_of=_AS_OF,
            note="AWS gives no figure",
        ),
    ),
)
"""All of it."""
