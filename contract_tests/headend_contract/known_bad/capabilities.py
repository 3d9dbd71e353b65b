"""Providers that declare what they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import Capability, UnsupportedError
from headend_contract.known_bad import KnownBad, known_bad, reference_spec, register
from headend_contract.reference import headend_providers
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.plugin import StreamAnalytics

(_REFERENCE,) = headend_providers()

register(
    KnownBad(
        name="declares-what-it-lacks",
        what="Timed metadata are declared, and there is no operation for them.",
        fails=frozenset(
            {
                "CAPABILITY-DECLARED-001",
                "CAPABILITY-WORKS-001",
                "LIVE-UNKNOWN-002",
                "TIMED-METADATA-001",
                "TIMED-METADATA-002",
            }
        ),
        spec=reference_spec(capabilities=_REFERENCE.capabilities | {Capability.TIMED_METADATA}),
    )
)

register(
    KnownBad(
        name="hides-its-sessions",
        what="The operations on sessions are there, and are not declared.",
        fails=frozenset({"CAPABILITY-DECLARED-002"}),
        spec=reference_spec(capabilities=_REFERENCE.capabilities - {Capability.SESSIONS}),
    )
)


class _YesMan(frozenset[Capability]):
    """Has one more when asked than when counted."""

    def __contains__(self, capability: object) -> bool:
        return capability is Capability.SIMULCAST or super().__contains__(capability)


register(
    KnownBad(
        name="says-yes-when-asked",
        what="Its capabilities name no simulcast, and say yes to the question for it.",
        fails=frozenset({"CAPABILITY-REFUSED-001", "CAPABILITY-WORKS-001", "LIVE-UNKNOWN-002"}),
        spec=evolve(reference_spec(), capabilities=_YesMan(_REFERENCE.capabilities)),
    )
)


@known_bad(
    "BATCH-NONE-001",
    "BATCH-ORDER-001",
    "BATCH-REQUESTS-001",
    "BATCH-SIZE-001",
    "CAPABILITY-WORKS-001",
    "LIVE-UNKNOWN-002",
    what="Measuring many is declared, and refused.",
)
class RefusesWhatItDeclares(ReferenceProvider):
    """Has the method, and nothing in it."""

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:  # noqa: ARG002  # which is what is wrong
        """Refuse."""
        raise UnsupportedError(
            "not in this version", provider=NAME, feature=Capability.BATCH_ANALYTICS
        )
