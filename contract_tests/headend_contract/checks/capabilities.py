"""What a provider declares it can do, held against what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import (
    Capability,
    ConfigurationError,
    PlatformError,
    Secret,
    UnsupportedError,
)
from headend.provider import PROTOCOLS
from headend_contract.check import Level, check, expect, not_applicable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend.platform import StreamingPlatform
    from headend_contract.case import Case

_NOBODY: Final = "headend-contract-nobody"
"""An id that names nothing; operations that are refused never look at it."""

_OPERATIONS: Final[Mapping[Capability, tuple[Callable[[StreamingPlatform, str], object], ...]]] = {
    Capability.KEY_ROTATION: (lambda platform, one: platform.rotate_stream_key(one),),
    Capability.ENABLE: (
        lambda platform, one: platform.disable_live_stream(one),
        lambda platform, one: platform.enable_live_stream(one),
    ),
    Capability.RECORDINGS: (
        lambda platform, one: list(platform.list_recordings(one)),
        lambda platform, one: platform.delete_recording(one),
    ),
    Capability.SIMULCAST: (
        lambda platform, one: platform.list_simulcast_targets(one),
        lambda platform, one: platform.create_simulcast_target(
            one, "rtmp://simulcast.example/live", Secret("contract-suite")
        ),
        lambda platform, one: platform.update_simulcast_target(one, one, enabled=False),
        lambda platform, one: platform.delete_simulcast_target(one, one),
    ),
    Capability.SIGNED_PLAYBACK: (
        lambda platform, one: platform.create_playback_token(one, expires_in=60),
    ),
    Capability.EVENTS: (lambda platform, _: platform.parse_event({}, b"{}"),),
    Capability.SESSIONS: (
        lambda platform, one: list(platform.list_sessions(one)),
        lambda platform, one: platform.get_session(one, one),
    ),
    Capability.TIMED_METADATA: (lambda platform, one: platform.put_timed_metadata(one, "goal"),),
    Capability.BATCH_ANALYTICS: (lambda platform, one: platform.get_analytics_many([one]),),
    Capability.LOW_LATENCY: (
        lambda platform, one: platform.create_live_stream(one, low_latency=True),
    ),
}
"""The operations of each capability; those of SRT and WHIP are further ingests."""

_ALWAYS_THERE: Final = frozenset({Capability.BATCH_ANALYTICS})
"""What headend does by itself where a provider does not declare it."""


@check(
    "CAPABILITY-DECLARED-001",
    "What is declared is implemented",
    level=Level.CORE,
    offline=True,
    rule="For each declared capability the provider has all operations of its protocol in "
    "headend.plugin.",
    why="Hosts ask `capabilities` and show a button.  Without the operation it ends in a defect.",
    hint="Take the capability out of the spec, or write the methods that PROTOCOLS names.",
)
def implements_what_it_declares(case: Case) -> None:
    """Look for the protocol of each declared capability."""
    declared = {one: PROTOCOLS[one] for one in sorted(case.spec.capabilities) if one in PROTOCOLS}
    if not declared:
        not_applicable("it declares no capability with operations of its own")
    provider: object = case.provider
    for capability, protocol in declared.items():
        expect(
            isinstance(provider, protocol),
            f"{capability} is declared, and the provider lacks operations of {protocol.__name__}",
        )


@check(
    "CAPABILITY-DECLARED-002",
    "What is implemented is declared",
    level=Level.CORE,
    offline=True,
    rule="A provider with all operations of a capability's protocol declares that capability.",
    why="headend refuses what is not declared, so that the work is lost on every host; and what "
    "the documentation says of the provider is wrong.",
    hint="Add the capability to the spec, or take the methods away.",
)
def declares_what_it_implements(case: Case) -> None:
    """Look for protocols that are not declared."""
    left = {one: kind for one, kind in PROTOCOLS.items() if one not in case.spec.capabilities}
    if not left:
        not_applicable("it declares every capability with operations of its own")
    provider: object = case.provider
    for capability, protocol in left.items():
        expect(
            not isinstance(provider, protocol),
            f"the provider has all operations of {protocol.__name__}, and {capability} is not "
            "declared",
        )


@check(
    "CAPABILITY-REFUSED-001",
    "What is not declared is refused before any request",
    level=Level.CORE,
    offline=True,
    rule="Each operation of a capability that is not declared raises UnsupportedError, which names "
    "the capability, and sends nothing.",
    why='A host has to tell "this provider cannot" from "it did not work", and nothing may '
    "happen on the platform meanwhile.",
    hint="Give the spec's capabilities as a plain frozenset of Capability members, and leave the "
    "refusal to headend.",
)
def refuses_the_rest(case: Case) -> None:
    """Call every operation that is not declared."""
    declared = {*case.spec.capabilities} | _ALWAYS_THERE
    left = [one for one in _OPERATIONS if one not in declared]
    if not left:
        not_applicable("it declares every capability that has operations")
    for capability in left:
        for operation in _OPERATIONS[capability]:
            result, _ = case.sent_by(lambda: operation(case.platform, _NOBODY))  # noqa: B023  # called at once
            expect(
                isinstance(result, UnsupportedError) and result.feature == capability,
                f"an operation of {capability}, which is not declared, "
                + (
                    f"raises {type(result).__name__}"
                    if isinstance(result, Exception)
                    else "is carried out"
                ),
            )


@check(
    "CAPABILITY-WORKS-001",
    "What is declared works",
    level=Level.CORE,
    rule="Each operation of a declared capability gives an answer, or an error of the platform or "
    "the settings; never UnsupportedError, NotImplementedError or another error of the program.",
    why="A capability is a promise.  What only has the right names is found out by the host's "
    "users.",
    hint="Write the operation, or take the capability out of the spec.",
)
def does_what_it_declares(case: Case) -> None:
    """Call every operation that is declared, on a live stream of its own."""
    if not any(map(case.has, _OPERATIONS)):
        not_applicable("it declares no capability that has operations")
    made = case.create(low_latency=case.has(Capability.LOW_LATENCY))
    for capability, operations in _OPERATIONS.items():
        if capability is Capability.LOW_LATENCY or not case.has(capability):
            continue
        for operation in operations:
            result, _ = case.sent_by(lambda: operation(case.platform, made.stream_id))  # noqa: B023  # called at once
            expect(
                not isinstance(result, Exception)
                or isinstance(result, (PlatformError, ConfigurationError)),
                f"an operation of {capability}, which is declared, raises "
                f"{type(result).__name__}: {result}",
            )
