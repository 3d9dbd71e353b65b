"""Providers that are wrong about creating."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import evolve

from headend.plugin import Capability, Ingest, PlatformProtocolError, Secret
from headend_contract.known_bad import KnownBad, known_bad, reference_spec, register
from headend_contract.known_bad.changes import ChangedAnswers, ChangedCredentials
from headend_contract.known_bad.platforms import known_bad_simulator
from headend_contract.reference.platform import RefusedError, SimulatedPlatform
from headend_contract.reference.provider import CREATE, ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.plugin import CreateRequest, StreamCredentials


@known_bad("LIVE-CREATE-001", what="Its playback URLs are those of a page with a player.")
class PlayerPage(ChangedAnswers):
    """Gives the page's address for the playlist's."""

    def changed(self, content: bytes) -> bytes:
        """Put the page in the playlist's place."""
        return content.replace(b"/index.m3u8", b"/watch")


@known_bad("LIVE-CREATE-002", what="All of its live streams have one playback URL.")
class OnePlaybackUrl(ChangedAnswers):
    """Composes the playback URL from the account."""

    def changed(self, content: bytes) -> bytes:
        """Put one word in each id's place."""
        return re.sub(rb"(reference\.example/\w+/)[0-9a-f]{16}/", rb"\1main/", content)


@known_bad(
    "LIVE-CREATE-003", "SECRET-REPR-001", what="It gives a server address that holds the key."
)
class KeyInServerUrl(ChangedCredentials):
    """Gives FFmpeg's address for OBS's."""

    def changed(self, made: StreamCredentials) -> StreamCredentials:
        """Join the address and the key."""
        url = made.push_url_with_key().reveal()
        return evolve(made, rtmp_push_url=url, ingests=(Ingest.rtmp(url, made.stream_key),))


@known_bad("LIVE-CREATE-004", what="Its own tags hide the host's of the same names.")
class TagsCollide(ReferenceProvider):
    """Keeps the host's metadata beside its own."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Lose what has the name of a tag."""
        metadata = {
            name: text
            for name, text in request.metadata.items()
            if name not in {"marker", "channel_id"}
        }
        return super().create_live_stream(evolve(request, metadata=metadata))


@known_bad("LIVE-CREATE-005", what="It stores a channel_id of digits as a number.")
class NumericChannelId(ReferenceProvider):
    """Parses the channel id."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Lose the zeros."""
        if request.channel_id.isdecimal():
            request = evolve(request, channel_id=str(int(request.channel_id)))
        return super().create_live_stream(request)


@known_bad("LIVE-CREATE-006", what="It gives a name to what was created without one.")
class MadeUpName(ReferenceProvider):
    """Names live streams after their channel."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Make up a name."""
        if request.name is None:
            request = evolve(request, name=f"live stream of {request.channel_id}")
        return super().create_live_stream(request)


@known_bad("LIVE-CREATE-007", what="It drops the wish for low latency and says nothing.")
class SlowInSilence(ReferenceProvider):
    """Never asks for low latency."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Forget what was asked for."""
        return super().create_live_stream(evolve(request, low_latency=False))


@known_bad(
    "LIVE-CREATE-008",
    "SAFE-CREATE-001",
    "SAFE-CREATE-002",
    "SAFE-KEY-002",
    what="It creates a spare with each live stream.",
)
class CreatesSpares(ReferenceProvider):
    """Creates two and returns one."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create another one first."""
        super().create_live_stream(evolve(request, marker=f"{request.marker}-spare"))
        return super().create_live_stream(request)


@known_bad(
    "LIVE-CREATE-009",
    "LIVE-INGEST-003",
    "KEY-ROTATE-002",
    "SAFE-ROTATE-001",
    what="It returns a part of the stream key.",
)
class CutKey(ChangedAnswers):
    """Takes the prefix of the key for decoration."""

    def changed(self, content: bytes) -> bytes:
        """Take it off."""
        return content.replace(b'"stream_key": "rk_', b'"stream_key": "')


@known_bad("LIVE-CREATE-010", what="It never makes sense of the answer to a creation.")
class MisreadsCreations(ReferenceProvider):
    """Reads the answer wrong, every time."""

    def create_live_stream(self, request: CreateRequest) -> StreamCredentials:
        """Create, and complain of the answer."""
        made = super().create_live_stream(request)
        raise PlatformProtocolError(
            f"the answer names {made.stream_id} in a field that is not promised",
            provider=NAME,
            operation=CREATE.name,
            request_sent=True,
        )


@known_bad_simulator(
    "LIVE-CREATE-010",
    what="Its simulator says of each creation that it failed, and carries it out.",
)
class SaysThatCreationsFail(SimulatedPlatform):
    """Answers with a 500 in place of the live stream."""

    def create_input(self, body: Mapping[str, object]) -> dict[str, object]:
        """Create an input, and say that it went wrong."""
        super().create_input(body)
        raise RefusedError(500, "internal", "Something went wrong.")


@known_bad("LIVE-INGEST-001", what="Its first ingest is another server than the one it names.")
class OtherIngest(ChangedCredentials):
    """Lists an ingest without encryption."""

    def changed(self, made: StreamCredentials) -> StreamCredentials:
        """List another one."""
        url = made.rtmp_push_url.replace("rtmps:", "rtmp:")
        return evolve(made, ingests=(Ingest.rtmp(url, made.stream_key),))


@known_bad("LIVE-INGEST-003", what="It gives an ingest that takes another kind of key.")
class IngestByHand(ChangedCredentials):
    """Makes a further ingest up."""

    def changed(self, made: StreamCredentials) -> StreamCredentials:
        """Take the id for the key of a second server."""
        further = Ingest.rtmp(f"{made.rtmp_push_url}-backup", Secret(made.stream_id))
        return evolve(made, ingests=(*made.ingests, further))


register(
    KnownBad(
        name="srt-without-ingest",
        what="It declares srt and gives no such ingest.",
        fails=frozenset({"LIVE-INGEST-002"}),
        spec=reference_spec(
            capabilities=reference_spec().capabilities | {Capability.SRT},
        ),
    )
)
