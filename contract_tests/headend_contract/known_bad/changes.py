"""Ways to change the reference provider in one place for all of its operations."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from attrs import evolve

from headend_contract.known_bad.transports import OtherAnswers
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from headend.plugin import (
        CreateRequest,
        ProviderContext,
        StreamCredentials,
    )
    from headend_contract.known_bad.transports import Request
    from headend_contract.reference.settings import ReferenceSettings
    from headend_contract.reference.transport import Answer, Transport


class ChangedCredentials(ReferenceProvider):
    """Returns other credentials than it should, in each operation that returns any."""

    @abstractmethod
    def changed(self, made: StreamCredentials) -> StreamCredentials:
        """Return what is returned in place of these."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create, and change the result."""
        return self.changed(super().create_live_stream(request))

    def confirm_live_stream(self, request: CreateRequest, stream_id: str) -> StreamCredentials:
        """Confirm, and change the result."""
        return self.changed(super().confirm_live_stream(request, stream_id))

    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Read, and change the result."""
        return self.changed(super().get_credentials(stream_id))

    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Rotate, and change the result."""
        return self.changed(super().rotate_stream_key(stream_id))


class ChangedAnswers(ReferenceProvider):
    """Reads something else than the platform answers."""

    @abstractmethod
    def changed(self, content: bytes) -> bytes:
        """Return what is read in place of this answer's body."""

    def make_transport(self, settings: ReferenceSettings, context: ProviderContext) -> Transport:
        """Return what changes the answers."""
        provider = self

        class Changing(OtherAnswers):
            def answer_to(self, request: Request) -> Answer:
                answer = request.send()
                return evolve(answer, content=provider.changed(answer.content))

        return Changing(settings, context)
