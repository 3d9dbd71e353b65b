"""Providers that change what hosts say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend_contract.known_bad import known_bad
from headend_contract.reference.provider import ReferenceProvider

if TYPE_CHECKING:
    from headend.plugin import CreateRequest, Operation, StreamCredentials


@known_bad(
    "TEXT-UNICODE-001",
    "TEXT-UNICODE-002",
    what="Letters that are not ASCII become question marks.",
)
class KnowsAsciiOnly(ReferenceProvider):
    """Has an encoding of its own."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create with a name in ASCII."""
        name = request.name and request.name.encode("ascii", "replace").decode()
        return super().create_live_stream(evolve(request, name=name))


@known_bad("TEXT-UNICODE-002", what="Spaces around a name are cut off.")
class TidiesUp(ReferenceProvider):
    """Means well."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create with a name that is tidy."""
        name = request.name and request.name.strip()
        return super().create_live_stream(evolve(request, name=name))


@known_bad("TEXT-LENGTH-001", what="A name is cut to the length that the platform takes.")
class CutsNames(ReferenceProvider):
    """Makes it fit."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create with a name that is short enough."""
        name = request.name and request.name[:128]
        return super().create_live_stream(evolve(request, name=name))


@known_bad("TEXT-ID-001", what="An id is put into the path as it is.")
class PastesIds(ReferenceProvider):
    """Trusts whoever made up the id."""

    def path(self, operation: Operation, stream_id: str) -> str:  # noqa: ARG002  # as in the class above
        """Return the path of an input."""
        return f"/inputs/{stream_id}"
