"""One scenario on moto and on the simulated platform; every difference is known and explained.

moto (https://github.com/getmoto/moto) is somebody else's idea of the channel operations.  Where it
and the simulated platform agree, two independent readings of the documentation agree; where they
do not, the table says who is right and by which source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
from attrs import frozen
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from headend_contract.clock import ManualClock
from headend_ivs.simulator.identity import AccessKey

REFERENCE = "https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference"
MODEL = "botocore's service model of ivs, data/ivs/2020-07-14/service-2.json"
KEY = AccessKey(access_key_id="AKIAMOTOMOTOMOTO1234", secret_access_key="x", user_id="u", arn="a")


@frozen
class Difference:
    """Where the two transcripts differ.

    Attributes:
        steps: pattern of the steps in which they do.
        place: pattern of the place within the answer.
        reason: why, and who is right.
        source: where that is told.
    """

    steps: str
    place: str
    reason: str
    source: str


ONE_CHANNEL = r"create .*|get .*|batch .*|update .*"
DIFFERENCES = (
    Difference(
        ".*",
        "content-type",
        "moto calls its JSON HTML, and so even what has no body.",
        "https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html",
    ),
    Difference(
        "list .*",
        "nextToken",
        "moto's last page has a token that is null; the model has one only where more follows.",
        f"{REFERENCE}/API_ListChannels.html, member nextToken",
    ),
    Difference(
        ONE_CHANNEL,
        r"(channel|channels\[\d+\])\.(srt|containerFormat|multitrackInputConfiguration"
        r"|playbackRestrictionPolicyArn|adConfigurationArn|failoverSlateConfigurationArn)(\..*)?",
        "moto does not know the newer members of a channel.",
        f"{REFERENCE}/API_Channel.html",
    ),
    Difference(
        "list .*",
        r"channels\[\d+\]\.(playbackRestrictionPolicyArn|adConfigurationArn"
        r"|failoverSlateConfigurationArn)",
        "moto does not know the newer members of a channel in a list.",
        f"{REFERENCE}/API_ChannelSummary.html",
    ),
    Difference(
        "list .*",
        r"channels\[\d+\]\.(ingestEndpoint|playbackUrl)",
        "moto puts all of a channel into a list; the model has a summary with less.",
        f"{REFERENCE}/API_ChannelSummary.html",
    ),
    Difference(
        ONE_CHANNEL,
        r"(channel|channels\[\d+\])\.(ingestEndpoint|playbackUrl)",
        "moto's hosts are constants of example.com.",
        "https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/"
        "getting-started-set-up-streaming.html",
    ),
    Difference(
        r"create .*|list .*|get .*|batch .*|update .*",
        r"(channel|channels\[\d+\])\.name",
        "moto leaves out the name of a channel that was given none.",
        f"{REFERENCE}/API_Channel.html, whose names may be empty",
    ),
    Difference(
        "create .*",
        r"streamKey\.value",
        "moto's keys have another form; the documentation has two forms itself, and clients take "
        "the value as it comes.",
        f"{REFERENCE}/API_StreamKey.html",
    ),
    Difference(
        "create with tags",
        r"streamKey\.tags(\..*)?",
        "moto copies a channel's tags to its stream key; the example of CreateChannel shows none.",
        "github.com/aws/aws-cli, awscli/examples/ivs/create-channel.rst",
    ),
    Difference(
        "create with an advanced type|list .*",
        r"(channel|channels\[\d+\])\.preset",
        "moto does not know the preset that the advanced types have where none is named.",
        f"{REFERENCE}/API_CreateChannel.html, member preset",
    ),
    Difference(
        "(create|update) with .* refused|list with .* refused",
        r".*",
        "moto checks nothing, neither patterns, words, sizes nor what excludes each other.",
        MODEL,
    ),
    Difference(
        "get what has no name of a channel|delete what has no name of a channel",
        r"error|status",
        "moto looks for whatever text it is given; the model has a pattern for it.",
        MODEL,
    ),
    Difference(
        "delete a channel",
        "status",
        "moto answers 200, the model says 204.",
        MODEL,
    ),
    Difference(
        "batch with one that is gone",
        r"errors(\[0\]\..*)?",
        "moto leaves out what it does not find without a word.",
        f"{REFERENCE}/API_BatchGetChannel.html, member errors",
    ),
    Difference(
        "list after the token of nobody",
        "error",
        "moto has a code of its own for a token that it did not give out.",
        f"{REFERENCE}/API_ListChannels.html, section Errors",
    ),
)


def scenario(ivs: Any, wait: Callable[[], None]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Do all that the six channel operations can; yield each step and what came of it."""
    raw: list[Any] = []
    ivs.meta.events.register("after-call.ivs", lambda http_response, **_: raw.append(http_response))

    def do(operation: str, /, **given: object) -> dict[str, Any]:
        try:
            getattr(ivs, operation)(**given)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return {"error": code, "status": raw[-1].status_code}
        body = json.loads(raw[-1].content) if raw[-1].content else {}
        kind = raw[-1].headers.get("content-type", "").partition(";")[0]
        return {**body, "status": raw[-1].status_code, "content-type": kind}

    made = {}
    for name, given in {
        "nothing": {},
        "tags": {"name": "show", "tags": {"a": "b", "c d": ""}},
        "all": {
            "name": "show-2",
            "latencyMode": "NORMAL",
            "type": "BASIC",
            "authorized": True,
            "insecureIngest": True,
        },
        "an advanced type": {"type": "ADVANCED_HD"},
        "a preset": {"type": "ADVANCED_SD", "preset": "CONSTRAINED_BANDWIDTH_DELIVERY"},
    }.items():
        answer = do("create_channel", **given)
        yield f"create with {name}", answer
        made[name] = answer["channel"]["arn"]
        wait()
    for name, given in {
        "a name that is refused": {"name": "two words"},
        "a long name that is refused": {"name": "x" * 129},
        "a type that is refused": {"type": "NOPE"},
        "a preset that is refused": {"type": "BASIC", "preset": "HIGHER_BANDWIDTH_DELIVERY"},
    }.items():
        answer = do("create_channel", **given)
        yield f"create with {name}", answer
        if "channel" in answer:
            do("delete_channel", arn=answer["channel"]["arn"])
        wait()

    gone = made["nothing"][:-3] + "000"
    yield "get one with tags", do("get_channel", arn=made["tags"])
    yield "get what is not there", do("get_channel", arn=gone)
    yield "get what has no name of a channel", do("get_channel", arn="sk_us-west-2_abc")
    yield "batch of two", do("batch_get_channel", arns=[made["nothing"], made["all"]])
    yield "batch with one that is gone", do("batch_get_channel", arns=[gone, made["tags"]])
    wait()

    yield "list of all", do("list_channels")
    yield "list by name", do("list_channels", filterByName="show")
    yield "list by a name that none has", do("list_channels", filterByName="none")
    first = do("list_channels", maxResults=3)
    token = first.pop("nextToken")
    yield "list of three", first  # the token itself is anyone's own
    yield "list of the rest", do("list_channels", nextToken=token)
    wait()
    yield "list after the token of nobody", do("list_channels", nextToken="bm9ib2R5")
    yield (
        "list with two filters that are refused",
        do(
            "list_channels",
            filterByName="show",
            filterByRecordingConfigurationArn="arn:aws:ivs:us-west-2:1:recording-configuration/a",
        ),
    )
    yield "list with too many that are refused", do("list_channels", maxResults=101)
    wait()

    yield (
        "update of one with tags",
        do("update_channel", arn=made["tags"], name="new", authorized=True),
    )
    yield "update of nothing", do("update_channel", arn=made["all"])
    yield "update what is not there", do("update_channel", arn=gone, name="new")
    yield (
        "update with a name that is refused",
        do("update_channel", arn=made["nothing"], name="two words"),
    )
    yield "get what was updated", do("get_channel", arn=made["tags"])
    wait()

    yield "delete a channel", do("delete_channel", arn=made["tags"])
    yield "delete what is gone", do("delete_channel", arn=made["tags"])
    yield "delete what has no name of a channel", do("delete_channel", arn="sk_us-west-2_abc")
    yield "get what is gone", do("get_channel", arn=made["tags"])
    wait()
    yield "list of what is left", do("list_channels")


_ID = re.compile(r"(:(?:channel|stream-key)/)([A-Za-z0-9]{12})\b")


def normalised(transcript: Iterator[tuple[str, dict[str, Any]]]) -> dict[tuple[str, str], object]:
    """Return each value by step and place, with ids that anyone may choose replaced in order."""
    found: dict[tuple[str, str], object] = {}
    ids: dict[str, str] = {}

    def numbered(seen: re.Match[str]) -> str:
        return seen[1] + ids.setdefault(seen[2], f"id-{len(ids)}")

    for step, answer in transcript:
        for place, value in flat(answer):
            found[step, place] = _ID.sub(numbered, value) if isinstance(value, str) else value
    return found


def flat(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from flat(one, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from flat(one, f"{place}[{number}]")
    else:
        yield place, value


def compared(
    theirs: Mapping[tuple[str, str], object],
    ours: Mapping[tuple[str, str], object],
    table: Sequence[Difference],
) -> tuple[list[str], list[str]]:
    """Return the differences that no row of the table has, and the rows that are not seen."""
    missing = object()
    unexplained, unseen = [], {one.reason for one in table}
    for step, place in sorted(theirs.keys() | ours.keys()):
        values = [side.get((step, place), missing) for side in (theirs, ours)]
        if values[0] == values[1]:
            continue
        rows = [
            one.reason
            for one in table
            if re.fullmatch(one.steps, step) and re.fullmatch(one.place, place)
        ]
        unseen -= set(rows)
        if not rows:
            unexplained.append(f"{step}: {place}: moto {values[0]!r}, ours {values[1]!r}")
    return unexplained, sorted(unseen)


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    yield url
    server.stop()


def test_moto_and_the_simulated_platform_differ_where_it_is_known_and_nowhere_else(
    moto_url, connect, client, clock: ManualClock, planted
):
    theirs = normalised(scenario(connect("ivs", moto_url, KEY), lambda: None))
    ours = normalised(scenario(client("ivs"), lambda: clock.advance(1)))

    assert compared(theirs, ours, DIFFERENCES) == ([], [])
    alike = [one for one in theirs.keys() & ours.keys() if theirs[one] == ours[one]]
    assert len(alike) > 150
    assert {one.operation for one in planted()} == {
        "CreateChannel",
        "GetChannel",
        "ListChannels",
        "UpdateChannel",
        "DeleteChannel",
    }


def test_a_difference_that_no_row_has_and_a_row_that_nothing_shows_are_found():
    row = Difference("create", "a", "Known.", "https://docs.aws.amazon.com")
    other = Difference("delete", "a", "Gone.", "https://docs.aws.amazon.com")
    theirs = {("create", "a"): 1, ("create", "b"): 2, ("get", "c"): None}
    ours = {("create", "a"): 2, ("create", "b"): 2}

    assert compared(theirs, ours, [row, other])[0][0].startswith("get: c: moto None, ours <object")
    assert compared(theirs, ours, [row, other])[1] == ["Gone."]
    assert compared(ours, ours, []) == ([], [])


def test_ids_are_compared_by_when_they_were_first_seen_and_not_by_their_letters():
    def transcript(one: str, other: str) -> dict[tuple[str, str], object]:
        arn = "arn:aws:ivs:us-west-2:123456789012:channel/"
        answers = [("get", {"arn": arn + one}), ("list", {"a": [arn + other, arn + one]})]
        return normalised(iter(answers))

    assert transcript("a" * 12, "b" * 12) == transcript("c" * 12, "d" * 12)
    assert transcript("a" * 12, "b" * 12) != transcript("a" * 12, "a" * 12)


def test_every_difference_has_its_reason_and_source():
    for one in DIFFERENCES:
        assert one.reason.endswith(".")
        assert re.search(r"https://|botocore|github\.com/", one.source)
