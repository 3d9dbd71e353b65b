"""The door for provider authors: all that a plugin needs, and nothing else of headend.

Importing it is cheap: each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.calls import (
        Attempt as Attempt,
    )
    from headend.calls import (
        Calls as Calls,
    )
    from headend.calls import (
        Operation as Operation,
    )
    from headend.clock import (
        Clock as Clock,
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
    from headend.hookspecs import (
        hookimpl as hookimpl,
    )
    from headend.models import (
        METRICS as METRICS,
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
    from headend.models import (
        unknown_metrics as unknown_metrics,
    )
    from headend.provider import (
        BatchesAnalytics as BatchesAnalytics,
    )
    from headend.provider import (
        CreateRequest as CreateRequest,
    )
    from headend.provider import (
        Enables as Enables,
    )
    from headend.provider import (
        ListsSessions as ListsSessions,
    )
    from headend.provider import (
        ParsesEvents as ParsesEvents,
    )
    from headend.provider import (
        Provider as Provider,
    )
    from headend.provider import (
        ProviderContext as ProviderContext,
    )
    from headend.provider import (
        PutsTimedMetadata as PutsTimedMetadata,
    )
    from headend.provider import (
        Records as Records,
    )
    from headend.provider import (
        RotatesKeys as RotatesKeys,
    )
    from headend.provider import (
        SignsPlayback as SignsPlayback,
    )
    from headend.provider import (
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
    )
    from headend.spec import (
        Capability as Capability,
    )
    from headend.spec import (
        ProviderSpec as ProviderSpec,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.calls": (
                "Attempt",
                "Calls",
                "Operation",
            ),
            "headend.clock": ("Clock",),
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
