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
        open_async as open_async,
    )
    from headend.costs.book import (
        CostBook as CostBook,
        open_costs as open_costs,
    )
    from headend.costs.webhook import (
        verify_webhook as verify_webhook,
    )
    from headend.discovery import (
        ProviderInfo as ProviderInfo,
        ProviderState as ProviderState,
        providers as providers,
    )
    from headend.errors import (
        AuthenticationError as AuthenticationError,
        BudgetExceededError as BudgetExceededError,
        ConfigurationError as ConfigurationError,
        ConflictError as ConflictError,
        HeadendError as HeadendError,
        InvalidRequestError as InvalidRequestError,
        LedgerError as LedgerError,
        PermissionDeniedError as PermissionDeniedError,
        PlatformError as PlatformError,
        PlatformProtocolError as PlatformProtocolError,
        PlatformTimeoutError as PlatformTimeoutError,
        PlatformUnavailableError as PlatformUnavailableError,
        PluginError as PluginError,
        QuotaExceededError as QuotaExceededError,
        RateLimitedError as RateLimitedError,
        StreamNotFoundError as StreamNotFoundError,
        UncertainOutcomeError as UncertainOutcomeError,
        UnsupportedError as UnsupportedError,
    )
    from headend.models import (
        EncoderSettings as EncoderSettings,
        EndOutcome as EndOutcome,
        EndResult as EndResult,
        EventKind as EventKind,
        Health as Health,
        Ingest as Ingest,
        IngestProtocol as IngestProtocol,
        LiveStream as LiveStream,
        PlaybackToken as PlaybackToken,
        Recording as Recording,
        Session as Session,
        SessionEvent as SessionEvent,
        SimulcastTarget as SimulcastTarget,
        StreamAnalytics as StreamAnalytics,
        StreamCredentials as StreamCredentials,
        StreamEvent as StreamEvent,
        StreamState as StreamState,
    )
    from headend.platform import (
        StreamingPlatform as StreamingPlatform,
        open as open,
    )
    from headend.push import (
        Relay as Relay,
    )
    from headend.secret import (
        Secret as Secret,
    )
    from headend.spec import (
        Capability as Capability,
    )
    from headend.watch import (
        Watch as Watch,
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
            "headend.costs.book": (
                "CostBook",
                "open_costs",
            ),
            "headend.costs.webhook": ("verify_webhook",),
            "headend.discovery": (
                "ProviderInfo",
                "ProviderState",
                "providers",
            ),
            "headend.errors": (
                "AuthenticationError",
                "BudgetExceededError",
                "ConfigurationError",
                "ConflictError",
                "HeadendError",
                "InvalidRequestError",
                "LedgerError",
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
                "EncoderSettings",
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
                "SessionEvent",
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
            "headend.push": ("Relay",),
            "headend.secret": ("Secret",),
            "headend.spec": ("Capability",),
            "headend.watch": ("Watch",),
        },
    )
