"""The description of a provider: plain data that can be had without its dependencies."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attrs import field, frozen, validators

PLUGIN_API_VERSION: Final = 1
"""The version of the door between core and plugins."""


class Capability(StrEnum):
    """What a provider may be able to do beyond the operations that all have."""

    KEY_ROTATION = "key-rotation"
    ENABLE = "enable"
    RECORDINGS = "recordings"
    SIMULCAST = "simulcast"
    SIGNED_PLAYBACK = "signed-playback"
    EVENTS = "events"
    SESSIONS = "sessions"
    TIMED_METADATA = "timed-metadata"
    BATCH_ANALYTICS = "batch-analytics"
    LOW_LATENCY = "low-latency"
    SRT = "srt"
    WHIP = "whip"


_NAME = validators.matches_re(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_DOTTED = validators.matches_re(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@frozen(kw_only=True)
class ProviderSpec:
    """What a plugin says about a provider before anything of it is imported.

    Attributes:
        name: how hosts select it, the same as the name of its entry point.
        title: for people.
        api_version: the `PLUGIN_API_VERSION` it was written for.
        factory: ``"package.module:Name"`` of what makes the provider; it is called with the
            settings and a `ProviderContext`.
        settings: ``"package.module:Name"`` of its attrs class of settings.
        options: ``"package.module:Name"`` of its attrs class of options for creating a live
            stream, or `None` if it has none.
        simulator: ``"package.module:Name"`` of what makes its simulated platform, or `None`.
        facts: ``"package.module:NAME"`` of its `Facts`: the platform's limits, quotas, prices,
            permissions and latencies, or `None` if it tells none.
        capabilities: what it can do beyond the operations that all providers have.
        settle_time: seconds after which the platform's lists surely show what was created.
        docs_url: where a person reads on.
    """

    name: str = field(validator=_NAME)
    title: str
    api_version: int
    factory: str = field(validator=_DOTTED)
    settings: str = field(validator=_DOTTED)
    options: str | None = field(default=None, validator=validators.optional(_DOTTED))
    simulator: str | None = field(default=None, validator=validators.optional(_DOTTED))
    facts: str | None = field(default=None, validator=validators.optional(_DOTTED))
    capabilities: frozenset[Capability] = field(
        default=frozenset(),
        validator=validators.deep_iterable(validators.instance_of(Capability)),
    )
    settle_time: float = field(default=0.0, validator=validators.ge(0))
    docs_url: str | None = None
