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
        SystemClock as SystemClock,
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
    from headend.facts import (
        EncoderLimits as EncoderLimits,
        Facts as Facts,
        Latency as Latency,
        Meter as Meter,
        Permission as Permission,
        Price as Price,
        Quota as Quota,
    )
    from headend.fields import (
        BrokenAnswerError as BrokenAnswerError,
        Fields as Fields,
        elements as elements,
        read_json as read_json,
    )
    from headend.hookspecs import (
        hookimpl as hookimpl,
    )
    from headend.media import (
        MediaBackend as MediaBackend,
        MediaStream as MediaStream,
    )
    from headend.models import (
        METRICS as METRICS,
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
        unknown_metrics as unknown_metrics,
    )
    from headend.provider import (
        BatchesAnalytics as BatchesAnalytics,
        ConfirmsCreation as ConfirmsCreation,
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
        is_this_machine as is_this_machine,
        setting as setting,
    )
    from headend.simulator import (
        PlatformTruth as PlatformTruth,
        SimulatedEncoder as SimulatedEncoder,
        Simulator as Simulator,
        SimulatorFactory as SimulatorFactory,
        TrueLiveStream as TrueLiveStream,
    )
    from headend.spec import (
        PLUGIN_API_VERSION as PLUGIN_API_VERSION,
        Capability as Capability,
        ProviderSpec as ProviderSpec,
    )
    from headend.switches import (
        Switches as Switches,
        switch as switch,
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
            "headend.clock": (
                "Clock",
                "SystemClock",
            ),
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
            "headend.facts": (
                "EncoderLimits",
                "Facts",
                "Latency",
                "Meter",
                "Permission",
                "Price",
                "Quota",
            ),
            "headend.fields": (
                "BrokenAnswerError",
                "Fields",
                "elements",
                "read_json",
            ),
            "headend.hookspecs": ("hookimpl",),
            "headend.media": (
                "MediaBackend",
                "MediaStream",
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
                "METRICS",
                "PlaybackToken",
                "Recording",
                "Session",
                "SessionEvent",
                "SimulcastTarget",
                "StreamAnalytics",
                "StreamCredentials",
                "StreamEvent",
                "StreamState",
                "unknown_metrics",
            ),
            "headend.provider": (
                "BatchesAnalytics",
                "ConfirmsCreation",
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
            "headend.settings": ("is_this_machine", "setting"),
            "headend.simulator": (
                "PlatformTruth",
                "SimulatedEncoder",
                "Simulator",
                "SimulatorFactory",
                "TrueLiveStream",
            ),
            "headend.spec": (
                "PLUGIN_API_VERSION",
                "Capability",
                "ProviderSpec",
            ),
            "headend.switches": ("Switches", "switch"),
        },
    )
