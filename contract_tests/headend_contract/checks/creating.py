"""Creating a live stream."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from headend.plugin import Capability, IngestProtocol
from headend_contract.check import Level, check, expect, expect_equal, nothing_to_test
from headend_contract.checks.steps import expect_hls, is_near, truth_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headend.plugin import AttemptEvent, LiveStream, Provider, WaitEvent
    from headend_contract.case import Case


@check(
    "LIVE-CREATE-001",
    "Creating gives what an encoder and a viewer need",
    level=Level.CORE,
    rule="A creation returns an id, an RTMP(S) server address, a stream key, and an HLS playback "
    "URL: https, or http where the platform is a machine of the host's own.",
    why="Without one of them nobody can broadcast, or nobody can watch, and the host learns it "
    "from its users.",
    hint="Read all four from the answer.  Where the platform gives one of them elsewhere, ask for "
    "it before returning.",
)
def gives_credentials(case: Case) -> None:
    """Look at the parts of one creation's result."""
    made = case.create()

    expect(bool(made.stream_id.strip()), "the stream_id is empty")
    expect(made.stream_id.isprintable(), "the stream_id holds control characters")
    expect(bool(made.stream_key.reveal().strip()), "the stream key is empty")
    server = urlsplit(made.rtmp_push_url)
    expect(
        server.scheme in {"rtmp", "rtmps"} and bool(server.hostname),
        "rtmp_push_url is no address of an RTMP or RTMPS server",
    )
    expect_hls(case, made.playback_url, "the playback URL")


@check(
    "LIVE-CREATE-002",
    "Two creations give two live streams",
    level=Level.CORE,
    rule="Two creations differ in id, stream key and playback URL, even for the same channel_id.",
    why="A host whose two broadcasts share a key or an address shows one show's picture to the "
    "other's audience.",
    hint="Do not look up and reuse what has the same channel_id or name: headend asks for a new "
    "one when it wants a new one.",
)
def gives_different_ones(case: Case) -> None:
    """Create twice with the same arguments."""
    first, second = case.create(channel_id="show"), case.create(channel_id="show")

    expect(first.stream_id != second.stream_id, "two creations gave the same stream_id")
    expect(
        first.stream_key.reveal() != second.stream_key.reveal(),
        "two creations gave the same stream key",
    )
    expect(first.playback_url != second.playback_url, "two creations gave the same playback URL")


@check(
    "LIVE-CREATE-003",
    "The stream key is no id and is in no address that is shown",
    level=Level.CORE,
    rule="The stream key, and the passphrase of any ingest, is not the stream_id and is not part "
    "of it, of the playback URL, or of a server address.",
    why="Ids and playback URLs are logged, stored and published.  Whoever finds the key in one can "
    "broadcast in the host's name.",
    hint="Use the platform's own id, and the address without the key: key and address belong "
    "together in Ingest.url_with_key only, which is a Secret.",
)
def keeps_the_key_apart(case: Case) -> None:
    """Search everything that may be shown for the secrets of one creation."""
    made = case.create()

    secrets = {made.stream_key.reveal()}
    secrets |= {one.passphrase.reveal() for one in made.ingests if one.passphrase is not None}
    shown = {
        "the stream_id": made.stream_id,
        "rtmp_push_url": made.rtmp_push_url,
        "the playback URL": made.playback_url,
    }
    shown |= {
        f"the server_url of the {one.protocol} ingest": one.server_url or "" for one in made.ingests
    }
    for what, text in shown.items():
        for secret in secrets:
            expect(secret not in text, f"{what} holds a stream key or a passphrase")


@check(
    "LIVE-CREATE-004",
    "What the host says of a live stream comes back as it was said",
    level=Level.CORE,
    rule="get_live_stream() returns the channel_id, the name and the metadata of the creation, "
    "and nothing of the provider's own among the metadata.",
    why="The host finds its own object by the channel_id.  Without it a live stream on the "
    "platform is nobody's, and is paid for.",
    hint="Store all three on the platform (tags, meta, description), keep headend's own entries "
    "apart from the host's by a prefix, and take them off again when reading.",
)
def keeps_the_words(case: Case) -> None:
    """Create with all words, and read them."""
    metadata = {"team": "red", "marker": "mine", "channel_id": "another"}
    made = case.create(channel_id="show-42", name="Evening show", metadata=metadata)
    found = case.platform.get_live_stream(made.stream_id)

    expect_equal(found.channel_id, "show-42", "the channel_id of a created live stream")
    expect_equal(found.name, "Evening show", "the name of a created live stream")
    expect_equal(dict(found.metadata or {}), metadata, "the metadata of a created live stream")


@check(
    "LIVE-CREATE-005",
    "A channel_id is text, whatever it looks like",
    level=Level.CORE,
    rule='A channel_id such as "007" comes back with its zeros.',
    why="A channel_id that went through a number is another one: the host looks for 007 and finds "
    "the show of channel 7.",
    hint="Never parse the channel_id; send and read it as text.",
)
def keeps_leading_zeros(case: Case) -> None:
    """Create for a channel id of digits."""
    made = case.create(channel_id="007")
    found = case.platform.get_live_stream(made.stream_id)

    expect_equal(found.channel_id, "007", 'the channel_id of a live stream created for "007"')


@check(
    "LIVE-CREATE-006",
    "What the host did not say is not made up",
    level=Level.CORE,
    rule="A live stream that was created without a name and metadata has neither, also where the "
    "platform needs a name.",
    why="A made-up name (an id, a marker, the word None) is shown to people, who take it for "
    "theirs.",
    hint="Where the platform needs a name, send one that reading recognises, and return None for "
    "it.",
)
def makes_up_nothing(case: Case) -> None:
    """Create with a channel id only."""
    made = case.create()
    found = case.platform.get_live_stream(made.stream_id)

    expect_equal(found.name, None, "the name of a live stream created without one")
    expect_equal(
        dict(found.metadata or {}), {}, "the metadata of a live stream created without any"
    )


@check(
    "LIVE-CREATE-007",
    "Low latency that was asked for is kept, or its loss is told",
    level=Level.CORE,
    requires=(Capability.LOW_LATENCY,),
    rule="After create_live_stream(low_latency=True), get_live_stream() says low_latency is True, "
    "or the credentials have a warning.",
    why="Platforms accept settings and drop them.  Whoever is not told promises their audience "
    "two seconds and gives them twenty.",
    hint="Compare the answer with what was asked, and put what was not kept into "
    "StreamCredentials.warnings.",
)
def keeps_low_latency(case: Case) -> None:
    """Create with low latency, and read whether it is."""
    made = case.create(low_latency=True)
    found = case.platform.get_live_stream(made.stream_id)

    expect(
        found.low_latency is True or bool(made.warnings),
        "low latency was asked for, is not there, and no warning says so",
    )


@check(
    "LIVE-CREATE-008",
    "One call creates one live stream",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="After one creation the platform has exactly one live stream, and the result names it.",
    why="A second one is seen by nobody, and billed.",
    hint="Send one creating request; whatever else it needs goes to the id that it gave.",
)
def creates_one(case: Case) -> None:
    """Count what is on the platform."""
    made = case.create()

    expect_equal(
        set(case.truth().live_streams),
        {made.stream_id},
        "the set of live streams on the platform after one creation",
    )


@check(
    "LIVE-CREATE-009",
    "The stream key lets an encoder in",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="An encoder that uses the stream key of a creation is let in, to that live stream.",
    why="A key of another kind (an id, a shortened or a re-encoded one) is refused when the show "
    "begins.",
    hint="Return the key exactly as the platform gives it.",
)
def gives_a_working_key(case: Case) -> None:
    """Push with the key."""
    made = case.create()

    expect(
        made.stream_key.reveal() in truth_of(case, made).stream_keys,
        "the stream key is none of those by which the platform lets encoders in",
    )
    expect(
        case.connect(made.stream_key) is not None,
        "the platform refuses an encoder that uses the stream key",
    )


@check(
    "LIVE-CREATE-010",
    "A creation that is answered is not looked up",
    level=Level.CORE,
    rule="Where nothing goes wrong on the way, the provider takes the platform's answer to a "
    "creation for the result: no attempt fails, and find_live_streams() is not asked.",
    why="headend looks a creation up whose answer it cannot use, and so hides that no answer is "
    "ever used: each creation then takes the time in which lists settle, fails where they are "
    "slow, and loses what only the answer told.",
    hint="Log on DEBUG and look at the attempts of create_live_stream: the first that fails says "
    "what of the answer is read wrong, or what the simulator answers in place of it.",
)
def takes_the_answer(case: Case) -> None:
    """Create, and note each attempt that fails and each look for what was made."""
    attempts = _Failures()
    opened = case.open_provider(observer=attempts)
    with _counting_looks(opened.provider) as looks:
        case.create(platform=opened.platform)

    expect(
        not attempts.told,
        f"a creation that nothing disturbs has an attempt that fails: {'; '.join(attempts.told)}",
    )
    expect(not looks, "a creation that nothing disturbs is looked up, as if its answer were lost")


class _Failures:
    """An observer that keeps the attempts that fail."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def attempt(self, event: AttemptEvent) -> None:
        """Be told of a request."""
        if event.outcome != "ok":
            status = "" if event.status is None else f" (status {event.status})"
            self.told.append(f"{event.operation} raised {event.outcome}{status}")

    def wait(self, event: WaitEvent) -> None:
        """Be told of a wait."""


@contextmanager
def _counting_looks(provider: Provider) -> Iterator[list[str]]:
    """Note the markers that are looked for meanwhile."""
    from unittest.mock import patch

    markers: list[str] = []
    # The class is changed, because an object may have no room for a method of its own.
    kind = type(provider)
    look = kind.find_live_streams

    def counted(self: Provider, marker: str, name: str | None) -> Sequence[LiveStream]:
        markers.append(marker)
        return look(self, marker, name)

    with patch.object(kind, "find_live_streams", counted):
        yield markers


@check(
    "LIVE-INGEST-001",
    "The first ingest is the RTMP one, and says what the credentials say",
    level=Level.CORE,
    rule="ingests[0] is RTMP or RTMPS, as its address says, with the server address and the key "
    "of the credentials, and its url_with_key joins both.",
    why="Hosts show ingests[0] to whoever sets up the encoder.  One that disagrees with "
    "rtmp_push_url sends half of them to the wrong place.",
    hint="Make it with Ingest.rtmp(server_url, stream_key), from the same two values.",
)
def begins_with_rtmp(case: Case) -> None:
    """Compare the first ingest with the credentials."""
    made = case.create()

    expect(bool(made.ingests), "the credentials have no ingest")
    first = made.ingests[0]
    expect_equal(
        str(first.protocol), urlsplit(made.rtmp_push_url).scheme, "the protocol of the first ingest"
    )
    expect_equal(first.server_url, made.rtmp_push_url, "the server_url of the first ingest")
    expect(first.stream_key == made.stream_key, "the first ingest has another stream key")
    expect(
        first.url_with_key == made.push_url_with_key(),
        "the url_with_key of the first ingest is not its server address and key in one",
    )


_WAYS: Final = {Capability.SRT: IngestProtocol.SRT, Capability.WHIP: IngestProtocol.WHIP}


@check(
    "LIVE-INGEST-002",
    "The further ways in are those that are declared",
    level=Level.CORE,
    rule="A creation has an SRT ingest exactly where the capability srt is declared, and a WHIP "
    "ingest exactly where whip is; their url_with_key is an srt:// and an https:// address (or "
    "http:// on a machine of the host's own).",
    why="Hosts offer encoders what the capabilities promise, before they have created anything.",
    hint="Declare Capability.SRT and Capability.WHIP for what the platform gives on every live "
    "stream, and put each into ingests.",
)
def has_the_declared_ingests(case: Case) -> None:
    """Compare the ingests of one creation with the capabilities."""
    made = case.create()

    for capability, protocol in _WAYS.items():
        found = [one for one in made.ingests if one.protocol is protocol]
        if case.has(capability):
            expect(bool(found), f"{capability} is declared, and there is no such ingest")
        else:
            expect(not found, f"there is an ingest of {protocol}, and {capability} is not declared")
        for one in found:
            expect(
                _is_address(case, one.url_with_key.reveal(), protocol),
                f"the url_with_key of the {protocol} ingest is no address of that protocol",
            )


def _is_address(case: Case, url: str, protocol: IngestProtocol) -> bool:
    parts = urlsplit(url)
    if protocol is IngestProtocol.SRT:
        return parts.scheme == "srt" and bool(parts.hostname)
    return parts.scheme == "https" or (parts.scheme == "http" and is_near(case, parts.hostname))


@check(
    "LIVE-INGEST-003",
    "Each way in lets an encoder in",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Each ingest holds a secret by which the platform lets encoders in to this live stream.",
    why="Hosts offer SRT to those whose network loses packets.  Nobody tries it until the show.",
    hint="Take each ingest's secret from the platform's field for that protocol; they differ.",
)
def gives_working_ingests(case: Case) -> None:
    """Look for a true key in each ingest."""
    made = case.create()
    keys = truth_of(case, made).stream_keys

    if not made.ingests:
        nothing_to_test("the credentials have no ingest")
    for one in made.ingests:
        held = unquote(one.url_with_key.reveal())
        expect(
            any(key in held for key in keys),
            f"the url_with_key of the {one.protocol} ingest lets no encoder in",
        )
