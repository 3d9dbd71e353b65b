"""Whatever AWS answers, it is read right or refused as broken: nothing else, and never a guess."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from headend.plugin import (
    BrokenAnswerError,
    Fields,
    LiveStream,
    Session,
    StreamCredentials,
    StreamState,
)
from headend_ivs import analytics, wire

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"
KEY = "sk_us-west-2_planted0key0_abcdefghijkl"
PASSPHRASE = "planted0passphrase0planted0passphrase"
URL = "https://0123abcd4567.us-west-2.playback.live-video.net/x/y.m3u8"
START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

CHANNEL: dict[str, Any] = {
    "arn": ARN,
    "name": "news",
    "latencyMode": "LOW",
    "type": "STANDARD",
    "ingestEndpoint": "0123abcd4567.global-contribute.live-video.net",
    "playbackUrl": URL,
    "authorized": False,
    "tags": {"headend:marker": "m", "headend:name": "n", "headend:meta:k": "v", "other": "o"},
    "insecureIngest": False,
    "preset": "",
    "srt": {"endpoint": "0123abcd4567.srt.live-video.net", "passphrase": PASSPHRASE},
    "containerFormat": "TS",
    "multitrackInputConfiguration": {"enabled": False},
}
STREAM_KEY: dict[str, Any] = {
    "arn": "arn:aws:ivs:us-west-2:123456789012:stream-key/AbCdEfGhIjKl",
    "value": KEY,
    "channelArn": ARN,
    "tags": {},
}
STREAM: dict[str, Any] = {
    "channelArn": ARN,
    "streamId": "st-ABCDEFGHIJKLMNOPQRSTUVW",
    "startTime": START,
    "state": "LIVE",
    "health": "HEALTHY",
    "viewerCount": 3,
}
SESSION: dict[str, Any] = {
    "streamId": "st-ABCDEFGHIJKLMNOPQRSTUVW",
    "startTime": START,
    "endTime": "2030-01-02T04:00:00Z",
    "hasErrorEvent": False,
    "channel": CHANNEL,
    "ingestConfigurations": {
        "videoConfigurations": [
            {
                "codec": "avc1.42C028",
                "encoder": "obs",
                "targetBitrate": 3_500_000,
                "targetFramerate": 30,
                "videoHeight": 1080,
                "videoWidth": 1920,
                "track": "Track0",
            }
        ],
        "audioConfigurations": [
            {"codec": "mp4a.40.2", "targetBitrate": 160_000, "sampleRate": 48_000, "channels": 2}
        ],
    },
    "truncatedEvents": [
        {"name": "Stream Start", "type": "IVS Stream State Change", "eventTime": START}
    ],
}
KEY_PAIR: dict[str, Any] = {
    "arn": "arn:aws:ivs:us-west-2:123456789012:playback-key/AbCdEfGhIjKl",
    "name": "one",
    "fingerprint": "0a:1b",
    "tags": {},
}
METRIC: dict[str, Any] = {
    "Id": "p0",
    "Label": "ConcurrentViews",
    "Timestamps": [START, "2030-01-02T03:05:05Z"],
    "Values": [3.0, 5],
    "StatusCode": "Complete",
}

READERS: dict[str, tuple[dict[str, Any], Callable[[Fields], object]]] = {
    "listed_live_stream": (CHANNEL, wire.listed_live_stream),
    "live_stream": (CHANNEL, lambda one: wire.live_stream(one, None)),
    "credentials": (CHANNEL, lambda one: wire.credentials(one, Fields(STREAM_KEY))),
    "stream_key": (STREAM_KEY, wire.stream_key),
    "stream": (STREAM, wire.stream),
    "listed_session": (SESSION, lambda one: wire.listed_session(one, ARN)),
    "session": (SESSION, lambda one: wire.session(one, ARN)),
    "key_pair": (KEY_PAIR, wire.key_pair),
    "batch": ({"channels": [CHANNEL], "errors": []}, wire.batch),
    "series": (METRIC, analytics.series),
}

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["LIVE", "SOMETHING_NEW", "", "NaN", "\ud800", "http://x", "3", ARN, KEY]),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=2),
)


def paths(data: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Return where all the members and elements of an answer are."""
    found: list[tuple[object, ...]] = []
    if isinstance(data, dict):
        pairs: list[tuple[object, object]] = list(data.items())
    elif isinstance(data, list):
        pairs = list(enumerate(data))
    else:
        return []
    for name, value in pairs:
        found += [(*here, name), *paths(value, (*here, name))]
    return found


def put(data: Any, path: tuple[Any, ...], value: object) -> None:
    for name in path[:-1]:
        data = data[name]
    data[path[-1]] = value


@st.composite
def mutated(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Draw an answer in which up to three members are something else."""
    data: dict[str, Any] = copy.deepcopy(READERS[name][0])
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.sampled_from(paths(data)))
        if draw(st.booleans()) or not isinstance(where[-1], str):
            put(data, where, draw(JUNK))
        else:
            inner = data
            for step in where[:-1]:
                inner = inner[step]
            del inner[where[-1]]
        if not paths(data):
            break
    return data


def widths(data: object) -> list[object]:
    """Return all that an answer calls a width."""
    if isinstance(data, list):
        return [width for one in data for width in widths(one)]
    if not isinstance(data, dict):
        return []
    mine = [data["videoWidth"]] if isinstance(data.get("videoWidth"), int) else []
    return mine + [width for one in data.values() for width in widths(one)]


def agrees(read: object, data: dict[str, Any]) -> bool:
    """Tell by other means than the mapping's whether what was read is what the answer has."""
    if isinstance(read, LiveStream):
        tags = data.get("tags") or {}
        return (
            read.stream_id == data["arn"]
            and read.low_latency is {"LOW": True, "NORMAL": False}.get(data.get("latencyMode"))
            and (read.marker is None) is ("headend:marker" not in tags)
            and (read.playback_url is None or read.playback_url == data["playbackUrl"])
            and all(isinstance(one, str) for one in (read.metadata or {}).values())
        )
    if isinstance(read, StreamCredentials):
        return (
            read.stream_id == data["arn"] == ARN
            and data["ingestEndpoint"] in read.rtmp_push_url
            and read.playback_url == data["playbackUrl"]
            and read.stream_key.reveal() == KEY
            and (len(read.ingests) > 1)
            is bool(data.get("insecureIngest") or (data.get("srt") or {}).get("endpoint"))
        )
    if isinstance(read, wire.Stream):
        count = data.get("viewerCount")
        return (
            read.channel == data["channelArn"]
            and (read.state is StreamState.LIVE)
            is (data["state"] == "LIVE" and data.get("health") != "STARVING")
            and read.viewer_count == (None if count in {None, -1} else count)
            and (read.started_at is None) is (data.get("startTime") is None)
        )
    if isinstance(read, Session):
        events = data["truncatedEvents"] if read.events else []
        return (
            read.session_id == data["streamId"]
            and {one.name for one in read.events} <= {one["name"] for one in events}
            and (read.encoder is None or read.encoder.width in {None, *widths(data)})
            and (read.ended_at is None) is (data.get("endTime") is None)
            and (read.started_at is None) is (data.get("startTime") is None)
        )
    if isinstance(read, wire.StreamKey):
        return read.value.reveal() == data["value"] and read.arn == data["arn"]
    if isinstance(read, wire.PlaybackKeyPair):
        return read.arn == data["arn"] and read.name == (data.get("name") or "")
    if isinstance(read, wire.Batch):
        return dict(read.playback_urls) == {
            one["arn"]: one["playbackUrl"] for one in data["channels"]
        }
    if isinstance(read, analytics.Series):
        return read.id == data["Id"] and set(read.values.values()) <= set(data.get("Values") or ())
    return False


def outcome(read: Callable[[Fields], object], data: dict[str, Any]) -> object:
    """Return what is read, or the error for what is broken; any other error is raised."""
    try:
        return read(Fields(data))
    except BrokenAnswerError as error:
        return error


def public(data: object) -> set[str]:
    """Return all texts that an answer has where no secret is promised."""
    if isinstance(data, str):
        return {data}
    if isinstance(data, list):
        return {text for one in data for text in public(one)}
    if isinstance(data, dict):
        kept = (one for name, one in data.items() if name not in {"value", "passphrase"})
        return {text for one in kept for text in public(one)}
    return set()


@pytest.mark.parametrize("name", READERS)
def test_an_answer_is_read_right_or_is_broken(name):
    read = READERS[name][1]

    @given(mutated(name))
    def holds(data: dict[str, Any]) -> None:
        found = outcome(read, data)
        secrets = {KEY, PASSPHRASE}
        if not isinstance(found, BrokenAnswerError):
            assert agrees(found, data)
            # A host's own text, say a name, is shown, whatever it is.
            secrets -= public(data)
        for secret in secrets:
            assert secret not in repr(found)

    if READERS[name][0] is CHANNEL:
        tags = {**CHANNEL["tags"], "headend:name": KEY}
        holds = example({**CHANNEL, "tags": tags})(holds)
    holds()


@pytest.mark.parametrize("name", READERS)
@given(extra=st.dictionaries(st.text(min_size=30, max_size=40), JUNK, max_size=3))
def test_members_that_nobody_knows_change_nothing(name, extra):
    data, read = READERS[name]
    more = {**copy.deepcopy(data), **extra}
    if isinstance(more.get("srt"), dict):
        more["srt"] |= extra

    assert read(Fields(more)) == read(Fields(data))
    assert agrees(read(Fields(data)), data)
