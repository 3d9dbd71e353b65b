"""Whatever JSON the platform sends gives a right value or `BrokenAnswerError`: nothing else.

Answers of the documented shapes are drawn and then damaged: fields lost, null, of another type,
numbers as texts, new words, nested junk.  What is read all the same is compared with the damaged
answer by checks that share nothing with the reader.
"""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings, strategies as st

from headend.plugin import BrokenAnswerError, Fields, Secret, StreamState, read_json
from headend_cloudflare import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.plugin import LiveStream, StreamCredentials

Json = dict[str, Any]
Path = tuple[str | int, ...]

PLANTED = "5ec2e75ec2e75ec2e75ec2e75ec2e700"
"""Is in every secret of the answers drawn, and in nothing else."""

STATES = {
    "connected": "live",
    "reconnected": "live",
    "reconnecting": "interrupted",
    "new_configuration_accepted": "connecting",
    "disconnected": "idle",
    "client_disconnect": "idle",
    "ttl_exceeded": "idle",
    "failed_to_connect": "error",
    "failed_to_reconnect": "error",
}

# -- answers as they are documented ---------------------------------------------------------------

IDS = st.text("0123456789", min_size=32, max_size=32)
WORDS = st.sampled_from([*STATES, "brand_new_word"])
TIMES = st.builds(
    lambda moment, digits: moment.strftime("%Y-%m-%dT%H:%M:%S") + digits + "Z",
    st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001  # drawn naive
    st.sampled_from(["", ".4", ".453415", ".453415910"]),
)
FLAGS = st.booleans()
ROOTS = st.sampled_from(
    ["https://customer-m033z5x00ks6nunl.cloudflarestream.com", "http://127.0.0.1:8000/customer-a"]
)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value, null, or nothing at all."""
    return st.just(...) | st.none() | values


def json_object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(fields).map(
        lambda drawn: {name: value for name, value in drawn.items() if value is not ...}
    )


META = st.one_of(
    json_object(
        headend_marker=st.just("hd-1"),
        channel_id=st.text(max_size=9),
        name=optional(st.text(max_size=9)),
    ).flatmap(
        lambda meta: st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3).map(
            lambda own: meta | {f"metadata.{key}": text for key, text in own.items()}
        )
    ),
    json_object(name=optional(st.text(max_size=9)), channel_id=optional(st.integers())),
)

STATUS = st.one_of(
    st.none(),
    WORDS,
    json_object(
        current=optional(
            json_object(
                ingestProtocol=st.sampled_from(["rtmp", "srt", "webrtc"]),
                state=WORDS,
                reason=optional(st.sampled_from(["connected_to_live_input", "waiting_for_input"])),
                statusEnteredAt=TIMES,
                statusLastSeen=TIMES,
            )
        ),
        history=optional(st.just([])),
    ),
)


def listed_inputs() -> st.SearchStrategy[Json]:
    return json_object(
        uid=IDS,
        created=TIMES,
        modified=TIMES,
        meta=optional(META),
        enabled=optional(FLAGS),
        deleteRecordingAfterDays=optional(st.integers(30, 1096)),
    )


@st.composite
def inputs(draw: st.DrawFn) -> Json:
    answer = draw(listed_inputs())
    uid, root = answer["uid"], draw(ROOTS)
    urls = {"hls": f"{root}/{uid}/manifest/video.m3u8", "dash": f"{root}/{uid}/manifest/video.mpd"}
    further = {
        "rtmps": {
            "url": draw(st.sampled_from(["rtmps://live.cloudflare.com:443/live/", "rtmp://[::1]/a"])),
            "streamKey": f"{PLANTED}1k{uid}",
        },
        "rtmpsPlayback": {
            "url": "rtmps://live.cloudflare.com:443/live/",
            "streamKey": f"{PLANTED}4k{uid}",
        },
        "srt": {
            "url": "srt://live.cloudflare.com:778",
            "streamId": uid,
            "passphrase": f"{PLANTED}2k{uid}",
        },
        "webRTC": {"url": f"{root}/{PLANTED}3k{uid}/webRTC/publish"},
        "webRTCPlayback": {"url": f"{root}/{uid}/webRTC/play"},
        "status": draw(STATUS),
        "playback": draw(optional(st.just(urls))),
        "preferLowLatency": draw(optional(FLAGS)),
        "recording": {
            "mode": draw(st.sampled_from(["off", "automatic"])),
            "requireSignedURLs": draw(FLAGS),
            "allowedOrigins": draw(st.none() | st.just(["example.com"])),
            "timeoutSeconds": draw(st.integers(0, 600)),
        },
    }  # fmt: skip
    return answer | {name: value for name, value in further.items() if value is not ...}


VIDEOS = json_object(
    uid=IDS,
    liveInput=optional(IDS),
    created=TIMES,
    duration=st.just(-1) | st.floats(0, 1e6) | st.integers(0, 10**6),
    status=st.just({"state": "ready", "pctComplete": "100.000000"}),
    playback=optional(st.just({"hls": "https://a.example/b/manifest/video.m3u8"})),
)
OUTPUTS = json_object(
    uid=IDS,
    url=st.sampled_from(["rtmp://a.rtmp.youtube.com/live2", f"rtmp://u:{PLANTED}@a/b?{PLANTED}"]),
    streamKey=st.just(PLANTED),
    enabled=optional(FLAGS),
)

# -- damage ---------------------------------------------------------------------------------------

ANY_TEXT = st.text(max_size=9) | st.text(st.characters(categories=["Cs", "Cc"]), max_size=3)
LIKELY = st.sampled_from(
    ["", "0", "-1", "true", "null", "connected", "ftp://a.example/b.m3u8", "https://a.example/webRTC/play",
     "2026-13-01T00:00:00Z", "2026-11-22T10:00:00", "2026-11-22T10:00:00+05:30", "0" * 31, "0" * 33]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
    | LIKELY
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
) | st.builds(json.loads, st.just("[" * 90 + "]" * 90))


MAX_DEPTH = 6


def paths(data: object, path: Path = ()) -> list[Path]:
    """Return the places of all values that do not lie too deep."""
    if len(path) == MAX_DEPTH:
        return [path]
    inner = (
        list(data.items())
        if isinstance(data, dict)
        else list(enumerate(data))
        if isinstance(data, list)
        else []
    )
    return [path, *(found for key, value in inner for found in paths(value, (*path, key)))]


def at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def damage(draw: st.DrawFn, data: Any) -> Any:
    """Return a copy with some damage; the secrets stay where they are."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(data)))
        kind = draw(st.sampled_from(["junk", "null", "lost", "text", "wrapped", "added"]))
        value = at(data, path)
        if kind == "added" and isinstance(value, dict):
            value[draw(ANY_TEXT)] = draw(JUNK)
        if not path:
            continue
        owner, last = at(data, path[:-1]), path[-1]
        if kind == "lost":
            del owner[last]
        elif kind == "wrapped":
            owner[last] = draw(st.sampled_from([[value], {"value": value}]))
        elif kind == "text":
            owner[last] = json.dumps(value) if not isinstance(value, str) else value.upper()
        elif kind != "added":
            owner[last] = None if kind == "null" else draw(JUNK)
    return json.loads(json.dumps(data))


@st.composite
def damaged(draw: st.DrawFn, answers: st.SearchStrategy[Any]) -> Any:
    return damage(draw, draw(answers))


def read_or_none(read: Callable[[Any], Any], data: object) -> Any:
    """Return what is read of an answer that went over the wire, `None` if that is refused."""
    try:
        return read(read_json(json.dumps(data).encode()))
    except BrokenAnswerError as error:
        refusal = error
    assert PLANTED not in f"{refusal!r} {refusal} {refusal.args}"
    assert PLANTED not in f"{refusal.__cause__!r} {refusal.__context__!r}"
    return None


# -- checks that share nothing with the reader ----------------------------------------------------


def moment(text: str) -> datetime:
    found = re.fullmatch(r"(.{10}).(.{8})(\.\d+)?(Z|z|[+-]\d\d:\d\d)", text)
    assert found
    whole = datetime.strptime(f"{found[1]} {found[2]}", "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    zone = UTC
    if found[4] not in "Zz":
        sign = -1 if found[4][0] == "-" else 1
        minutes = int(found[4][1:3]) * 60 + int(found[4][4:6])
        zone = timezone(sign * timedelta(minutes=minutes))
    micros = int(((found[3] or ".0")[1:] + "000000")[:6])
    return whole.replace(microsecond=micros, tzinfo=zone)


def check_listed(stream: LiveStream, data: Json) -> None:
    assert stream.stream_id == data["uid"]
    assert len(stream.stream_id) <= 32
    assert int(stream.stream_id, 16) >= 0
    assert stream.provider == "cloudflare"
    if data.get("created") is None:
        assert stream.created_at is None
    else:
        assert stream.created_at == moment(data["created"])
    assert any(data.get("enabled") is known for known in (None, True, False))
    meta = data.get("meta")
    name = meta.get("name") if isinstance(meta, dict) else None
    if isinstance(meta, dict) and isinstance(meta.get("headend_marker"), str):
        assert stream.marker == meta["headend_marker"]
        assert stream.channel_id == meta.get("channel_id")
        assert stream.name == name
        own = {key[9:]: text for key, text in meta.items() if key[:9] == "metadata."}
        assert dict(stream.metadata or {}) == own
        for text in (stream.channel_id, stream.name, *own, *own.values()):
            assert text is None or isinstance(text, str)
    else:
        assert stream.marker is stream.channel_id is stream.metadata is None
        assert stream.name in {None, name if isinstance(name, str) else None}


def check_state(stream: LiveStream, data: Json) -> None:
    status = data.get("status")
    word: object = None
    if isinstance(status, str):
        word = status
    elif status is not None and status.get("current") is not None:
        word = status["current"].get("state") or ""
    assert word is None or isinstance(word, str)
    if data.get("enabled") is False:
        assert stream.state == "disabled"
    elif word is None:
        assert stream.state == "idle"
    else:
        assert stream.state == STATES.get(word, "unknown")
        if stream.state is StreamState.UNKNOWN and word.isalnum() and len(word) < 100:
            assert word in (stream.state_reason or "")


def check_playback(url: str | None, data: Json, setting: str | None) -> None:
    low_latency = data.get("preferLowLatency")
    assert any(low_latency is known for known in (None, True, False))
    suffix = "protocol=llhls" if low_latency else ""
    given_one = (data.get("playback") or {}).get("hls")
    if given_one:
        assert url is not None
        assert url.lower().startswith(given_one.lower())
        assert url[len(given_one) :].lstrip("?&") in {suffix, ""}
        return
    bases = [setting]
    for name in ("webRTCPlayback", "webRTC"):
        given_url = (data.get(name) or {}).get("url")
        if given_url is not None and given_url.count("/") >= 5:
            bases.append(given_url.rsplit("/", 3)[0])
    expected = {f"{base}/{data['uid']}/manifest/video.m3u8" for base in bases if base}
    if url is not None:
        plain, _, query = url.partition("?")
        assert query == suffix
        assert plain.lower() in {one.lower() for one in expected}


def check_live_stream(stream: LiveStream, data: Json) -> None:
    check_listed(stream, data)
    check_state(stream, data)
    check_playback(stream.playback_url, data, None)
    assert stream.low_latency is (data.get("preferLowLatency") is True)
    recording = data.get("recording")
    off = isinstance(recording, dict) and recording.get("mode") == "off"
    assert bool(stream.warnings) is off
    assert (stream.state_reason or "").isprintable()


def check_credentials(found: StreamCredentials, data: Json, setting: str) -> None:
    assert found.stream_id == data["uid"]
    rtmps = data["rtmps"]
    assert found.rtmp_push_url.lower() == rtmps["url"].lower()
    assert found.stream_key.reveal() == rtmps["streamKey"]
    joined = found.push_url_with_key().reveal()
    assert joined.endswith(f"/{rtmps['streamKey']}")
    check_playback(found.playback_url, data, setting)
    by_protocol = {one.protocol.value: one for one in found.ingests}
    srt, whip = by_protocol.get("srt"), by_protocol.get("whip")
    assert (srt is not None) is (data.get("srt") is not None)
    if srt is not None:
        assert srt.passphrase == Secret(data["srt"]["passphrase"])
        assert srt.stream_key == Secret(data["srt"]["streamId"])
    assert (whip is not None) is ((data.get("webRTC") or {}).get("url") is not None)
    if whip is not None:
        assert whip.url_with_key.reveal().lower() == data["webRTC"]["url"].lower()
        assert whip.server_url is None


# -- the statements -------------------------------------------------------------------------------


@given(inputs())
def test_every_documented_answer_is_read(data: Json):
    stream = wire.live_stream(Fields(data))
    found = wire.credentials(Fields(data), None)

    check_live_stream(stream, data)
    check_credentials(found, data, "")
    assert stream.playback_url == found.playback_url
    assert PLANTED not in f"{stream!r} {stream} {found!r} {found} {found.ingests}"


@given(damaged(inputs()))
@example({"uid": "0" * 32, "status": {"current": {"state": 7}}})
@example({"uid": "0" * 32, "enabled": "false"})
@example({"uid": "0" * 32, "created": 1637668860})
def test_a_damaged_input_gives_a_right_live_stream_or_none(data: object):
    stream = read_or_none(lambda one: wire.live_stream(Fields(one)), data)

    if stream is not None:
        assert isinstance(data, dict)
        check_live_stream(stream, data)
        assert PLANTED not in f"{stream!r} {stream}"


@given(damaged(inputs()))
def test_a_damaged_input_gives_right_credentials_or_none(data: object):
    setting = "https://customer-setting.example"
    found = read_or_none(lambda one: wire.credentials(Fields(one), setting), data)

    if found is not None:
        assert isinstance(data, dict)
        check_credentials(found, data, setting)
        assert PLANTED not in f"{found!r} {found} {found.ingests}"


@given(damaged(inputs()))
def test_whether_an_encoder_is_there_is_told_only_where_the_platform_says_so(data: Json):
    there = read_or_none(lambda one: wire.has_encoder(Fields(one)), data)

    if there:
        status = data["status"]
        word = status if isinstance(status, str) else status["current"]["state"]
        assert STATES[word] in {"live", "interrupted", "connecting"}


@given(
    damaged(
        st.lists(listed_inputs(), max_size=3).flatmap(
            lambda found: st.sampled_from(
                [found, {"liveInputs": found, "range": 1000, "total": len(found)}]
            )
        )
    )
)
def test_a_damaged_list_gives_right_live_streams_or_none(data: Any):
    read = read_or_none(wire.live_streams, data)

    if read is not None:
        streams, total = read
        elements = data if isinstance(data, list) else data.get("liveInputs") or []
        assert len(streams) == len(elements)
        for stream, element in zip(streams, elements, strict=True):
            check_listed(stream, element)
            assert stream.state == ("disabled" if element.get("enabled") is False else None)
        assert total == (None if isinstance(data, list) else data.get("total"))
        assert total is None or (isinstance(total, int) and total >= 0)
        assert elements or not isinstance(data, dict) or total == 0 or data["liveInputs"] == []


@given(inputs(), st.dictionaries(st.text(max_size=9).map("x{}".format), JUNK, max_size=3))
def test_fields_that_nobody_asked_for_change_nothing(data: Json, unknown: Json):
    more = data | unknown | {"history": unknown, "modified": unknown, "rtmpsPlayback": unknown}

    with suppress(BrokenAnswerError):  # read_json refuses what is too deep, whatever it is
        read_json(json.dumps(unknown).encode())
        assert wire.live_stream(Fields(more)) == wire.live_stream(Fields(data))
        assert wire.credentials(Fields(more), None) == wire.credentials(Fields(data), None)


SECRETS: list[Path] = [
    ("rtmps", "streamKey"),
    ("srt", "passphrase"),
    ("webRTC", "url"),
    ("rtmpsPlayback", "streamKey"),
]
"""Where the secrets of an input are."""


@pytest.mark.parametrize("secret", SECRETS, ids=".".join)
@settings(max_examples=15, deadline=None)  # each tries every place there is
@given(data=inputs())
def test_a_secret_in_the_wrong_place_is_not_shown(secret: Path, data: Json):
    value = at(data, secret)
    # A name, a channel id and a state are texts that people are shown: what is there is public.
    public = {"meta", "status"}
    for path in paths(data):
        if path and path[0] not in public and path not in SECRETS:
            moved = copy.deepcopy(data)
            at(moved, path[:-1])[path[-1]] = value
            stream = read_or_none(lambda one: wire.live_stream(Fields(one)), moved)
            found = read_or_none(lambda one: wire.credentials(Fields(one), "https://a.b"), moved)
            assert PLANTED not in f"{stream!r} {found!r}", path


@given(damaged(VIDEOS))
def test_a_damaged_video_gives_a_right_recording_or_none(data: Json):
    found = read_or_none(lambda one: wire.recording(Fields(one)), data)

    if found is not None:
        assert found.recording_id == data["uid"]
        assert found.stream_id == data.get("liveInput")
        duration = data.get("duration")
        assert not isinstance(duration, (bool, str))
        assert found.duration == (None if duration in {None, -1} else duration)
        created = data.get("created")
        assert found.created_at == (None if created is None else moment(created))
        hls = (data.get("playback") or {}).get("hls")
        assert (found.playback_url or "").lower() == (hls or "").lower()


@given(damaged(OUTPUTS))
def test_a_damaged_output_gives_a_right_target_or_none(data: Json):
    found = read_or_none(lambda one: wire.simulcast_target(Fields(one), "0" * 32), data)

    if found is not None:
        assert found.target_id == data["uid"]
        assert found.stream_id == "0" * 32
        scheme, _, rest = data["url"].partition("://")
        before = re.split(r"[?#]", rest, maxsplit=1)[0]
        host, slash, path = before.partition("/")
        assert found.server_url == f"{scheme.lower()}://{host.rpartition('@')[2]}{slash}{path}"
        assert any(data.get("enabled") is known for known in (None, True, False))
        assert found.enabled is (data.get("enabled") is not False)
        assert PLANTED not in repr(found)


@given(
    damaged(
        json_object(
            totalStorageMinutes=st.floats(0, 1e9), totalStorageMinutesLimit=st.integers(0, 10**9)
        )
    )
)
def test_damaged_storage_gives_right_minutes_or_none(data: Json):  # fmt: skip
    found = read_or_none(lambda one: wire.storage(Fields(one)), data)

    if found is not None:
        for kept, name in (
            (found.used, "totalStorageMinutes"),
            (found.limit, "totalStorageMinutesLimit"),
        ):
            assert not isinstance(data[name], (bool, str))
            assert kept == data[name] >= 0


@given(damaged(json_object(liveViewers=st.integers(0, 10**6))))
def test_a_damaged_viewer_count_gives_a_right_one_or_none(data: Json):
    count = read_or_none(lambda one: wire.viewers(Fields(one)), data)

    if count is not None:
        assert count == data["liveViewers"] >= 0
        assert type(data["liveViewers"]) is int


@given(damaged(json_object(token=st.just(f"eyJh.{PLANTED}.c2ln"))))
def test_a_damaged_token_gives_a_right_one_or_none(data: Json):
    found = read_or_none(lambda one: wire.token(Fields(one)), data)

    if found is not None:
        assert found == Secret(data["token"])
        assert PLANTED not in repr(found)
        assert "/" not in found.reveal()


@given(inputs(), damaged(inputs()))
def test_what_was_kept_is_compared_whatever_it_is(sent: Json, kept: Json):
    wanted = {name: sent[name] for name in ("meta", "recording") if sent.get(name)}

    with suppress(BrokenAnswerError):  # no JSON object at all
        for one in wire.dropped_settings(wanted, Fields(kept)):
            outer, _, inner = one.name.partition(".")
            assert one.sent == wanted[outer][inner]
            assert one.sent != one.kept or type(one.sent) is not type(one.kept)
            assert str(one).isprintable()
