"""The door for provider authors: all that a plugin needs, and nothing else of headend.

Importing it is cheap: each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.calls import (
        Attempt as Attempt,
        AttemptEvent as AttemptEvent,
        Calls as Calls,
        Effect as Effect,
        Operation as Operation,
        RateLimit as RateLimit,
        WaitEvent as WaitEvent,
        parse_retry_after as parse_retry_after,
    )
    from headend.clock import (
        Clock as Clock,
    )
    from headend.errors import (
        AuthenticationError as AuthenticationError,
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
        QuotaExceededError as QuotaExceededError,
        RateLimitedError as RateLimitedError,
        StreamNotFoundError as StreamNotFoundError,
        UncertainOutcomeError as UncertainOutcomeError,
        UnsupportedError as UnsupportedError,
    )
    from headend.hookspecs import (
        hookimpl as hookimpl,
    )
    from headend.models import (
        METRICS as METRICS,
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
        SimulcastTarget as SimulcastTarget,
        StreamAnalytics as StreamAnalytics,
        StreamCredentials as StreamCredentials,
        StreamEvent as StreamEvent,
        StreamState as StreamState,
        unknown_metrics as unknown_metrics,
    )
    from headend.provider import (
        BatchesAnalytics as BatchesAnalytics,
        CreateRequest as CreateRequest,
        Enables as Enables,
        ListsSessions as ListsSessions,
        ParsesEvents as ParsesEvents,
        Provider as Provider,
        ProviderContext as ProviderContext,
        PutsTimedMetadata as PutsTimedMetadata,
        Records as Records,
        RotatesKeys as RotatesKeys,
        SignsPlayback as SignsPlayback,
        Simulcasts as Simulcasts,
    )
    from headend.secret import (
        Secret as Secret,
    )
    from headend.settings import (
        setting as setting,
    )
    from headend.spec import (
        PLUGIN_API_VERSION as PLUGIN_API_VERSION,
        Capability as Capability,
        ProviderSpec as ProviderSpec,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.calls": (
                "Attempt",
                "AttemptEvent",
                "Calls",
                "Effect",
                "Operation",
                "RateLimit",
                "WaitEvent",
                "parse_retry_after",
            ),
            "headend.clock": ("Clock",),
            "headend.errors": (
                "AuthenticationError",
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
                "QuotaExceededError",
                "RateLimitedError",
                "StreamNotFoundError",
                "UncertainOutcomeError",
                "UnsupportedError",
            ),
            "headend.hookspecs": ("hookimpl",),
            "headend.models": (
                "EndOutcome",
                "EndResult",
                "EventKind",
                "Health",
                "Ingest",
                "IngestProtocol",
                "LiveStream",
                "METRICS",
                "PlaybackToken",
                "Recording",
                "Session",
                "SimulcastTarget",
                "StreamAnalytics",
                "StreamCredentials",
                "StreamEvent",
                "StreamState",
                "unknown_metrics",
            ),
            "headend.provider": (
                "BatchesAnalytics",
                "CreateRequest",
                "Enables",
                "ListsSessions",
                "ParsesEvents",
                "Provider",
                "ProviderContext",
                "PutsTimedMetadata",
                "Records",
                "RotatesKeys",
                "SignsPlayback",
                "Simulcasts",
            ),
            "headend.secret": ("Secret",),
            "headend.settings": ("setting",),
            "headend.spec": (
                "PLUGIN_API_VERSION",
                "Capability",
                "ProviderSpec",
            ),
        },
    )
