"""headend: one typed Python API over live-streaming platforms.

For host applications::

    import headend

    with headend.open() as platform:
        stream = platform.create_live_stream(channel_id=42)
        print(stream.rtmp_push_url, stream.stream_key.reveal(), stream.playback_url)
        platform.get_analytics(stream.stream_id).viewer_count
        platform.end_live_stream(stream.stream_id)

Provider authors use `headend.plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.aio import (
        AsyncStreamingPlatform as AsyncStreamingPlatform,
    )
    from headend.aio import (
        open_async as open_async,
    )
    from headend.discovery import (
        ProviderInfo as ProviderInfo,
    )
    from headend.discovery import (
        ProviderState as ProviderState,
    )
    from headend.discovery import (
        providers as providers,
    )
    from headend.errors import (
        AuthenticationError as AuthenticationError,
    )
    from headend.errors import (
        ConfigurationError as ConfigurationError,
    )
    from headend.errors import (
        ConflictError as ConflictError,
    )
    from headend.errors import (
        HeadendError as HeadendError,
    )
    from headend.errors import (
        InvalidRequestError as InvalidRequestError,
    )
    from headend.errors import (
        PermissionDeniedError as PermissionDeniedError,
    )
    from headend.errors import (
        PlatformError as PlatformError,
    )
    from headend.errors import (
        PlatformProtocolError as PlatformProtocolError,
    )
    from headend.errors import (
        PlatformTimeoutError as PlatformTimeoutError,
    )
    from headend.errors import (
        PlatformUnavailableError as PlatformUnavailableError,
    )
    from headend.errors import (
        PluginError as PluginError,
    )
    from headend.errors import (
        QuotaExceededError as QuotaExceededError,
    )
    from headend.errors import (
        RateLimitedError as RateLimitedError,
    )
    from headend.errors import (
        StreamNotFoundError as StreamNotFoundError,
    )
    from headend.errors import (
        UncertainOutcomeError as UncertainOutcomeError,
    )
    from headend.errors import (
        UnsupportedError as UnsupportedError,
    )
    from headend.models import (
        EndOutcome as EndOutcome,
    )
    from headend.models import (
        EndResult as EndResult,
    )
    from headend.models import (
        EventKind as EventKind,
    )
    from headend.models import (
        Health as Health,
    )
    from headend.models import (
        Ingest as Ingest,
    )
    from headend.models import (
        IngestProtocol as IngestProtocol,
    )
    from headend.models import (
        LiveStream as LiveStream,
    )
    from headend.models import (
        PlaybackToken as PlaybackToken,
    )
    from headend.models import (
        Recording as Recording,
    )
    from headend.models import (
        Session as Session,
    )
    from headend.models import (
        SimulcastTarget as SimulcastTarget,
    )
    from headend.models import (
        StreamAnalytics as StreamAnalytics,
    )
    from headend.models import (
        StreamCredentials as StreamCredentials,
    )
    from headend.models import (
        StreamEvent as StreamEvent,
    )
    from headend.models import (
        StreamState as StreamState,
    )
    from headend.platform import (
        StreamingPlatform as StreamingPlatform,
    )
    from headend.platform import (
        open as open,
    )
    from headend.secret import (
        Secret as Secret,
    )
    from headend.spec import (
        Capability as Capability,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.aio": (
                "AsyncStreamingPlatform",
                "open_async",
            ),
            "headend.discovery": (
                "ProviderInfo",
                "ProviderState",
                "providers",
            ),
            "headend.errors": (
                "AuthenticationError",
                "ConfigurationError",
                "ConflictError",
                "HeadendError",
                "InvalidRequestError",
                "PermissionDeniedError",
                "PlatformError",
                "PlatformProtocolError",
                "PlatformTimeoutError",
                "PlatformUnavailableError",
                "PluginError",
                "QuotaExceededError",
                "RateLimitedError",
                "StreamNotFoundError",
                "UncertainOutcomeError",
                "UnsupportedError",
            ),
            "headend.models": (
                "EndOutcome",
                "EndResult",
                "EventKind",
                "Health",
                "Ingest",
                "IngestProtocol",
                "LiveStream",
                "PlaybackToken",
                "Recording",
                "Session",
                "SimulcastTarget",
                "StreamAnalytics",
                "StreamCredentials",
                "StreamEvent",
                "StreamState",
            ),
            "headend.platform": (
                "StreamingPlatform",
                "open",
            ),
            "headend.secret": ("Secret",),
            "headend.spec": ("Capability",),
        },
    )
