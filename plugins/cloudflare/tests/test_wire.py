"""What Cloudflare's JSON means, on answers of the documented shapes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from headend.errors import ConfigurationError, InvalidRequestError
from headend.plugin import (
    BrokenAnswerError,
    CreateRequest,
    Fields,
    IngestProtocol,
    Secret,
    StreamState,
    read_json,
)
from headend_cloudflare import wire
from headend_cloudflare.settings import CloudflareOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

UID = "66be4bf738797e01e1fca35a7bdecdcd"
VIDEO = "6b9e68b07dfee8cc2d116e4c51d6a957"
TARGET = "6f8339ed45fe87daa8e7f0fe4e4ef776"
HOST = "https://customer-m033z5x00ks6nunl.cloudflarestream.com"
HLS = f"{HOST}/{UID}/manifest/video.m3u8"
KEY = f"2fb3cb9f17e68a2568d6ebed8d5505eak{UID}"
PASSPHRASE = f"b61793fc45d2b307b15c52824eb4722ak{UID}"
WHIP = f"{HOST}/b236bde30eb07b9d01318940e5fc3edak{UID}/webRTC/publish"
CREATED = datetime(2026, 11, 22, 10, 0, 0, 453415, tzinfo=UTC)


def answer(**changes: object) -> dict[str, Any]:
    """Return an input just created, as the API describes it; a change to `...` removes a field."""
    whole: dict[str, Any] = {
        "uid": UID,
        "rtmps": {"url": "rtmps://live.cloudflare.com:443/live/", "streamKey": KEY},
        "rtmpsPlayback": {"url": "rtmps://live.cloudflare.com:443/live/", "streamKey": f"9{KEY}"},
        "srt": {"url": "srt://live.cloudflare.com:778", "streamId": UID, "passphrase": PASSPHRASE},
        "srtPlayback": {
            "url": "srt://live.cloudflare.com:778",
            "streamId": f"play{UID}",
            "passphrase": f"9{PASSPHRASE}",
        },
        "webRTC": {"url": WHIP},
        "webRTCPlayback": {"url": f"{HOST}/{UID}/webRTC/play"},
        "created": "2026-11-22T10:00:00.453415Z",
        "modified": "2026-11-22T10:00:00.453415Z",
        "meta": {
            "headend_marker": "hd-1",
            "channel_id": "42",
            "name": "Evening show",
            "metadata.crew": "7",
        },
        "status": None,
        "enabled": True,
        "preferLowLatency": False,
        "deleteRecordingAfterDays": None,
        "recording": {
            "mode": "automatic",
            "requireSignedURLs": False,
            "allowedOrigins": None,
            "hideLiveViewerCount": False,
            "timeoutSeconds": 0,
        },
    }
    whole |= changes
    return {name: value for name, value in whole.items() if value is not ...}


def fields(**changes: object) -> Fields:
    return through_json(answer(**changes))


def through_json(data: object) -> Fields:
    return Fields(read_json(json.dumps(data).encode()))


def request(**changes: object) -> CreateRequest:
    given_ones: dict[str, Any] = {"channel_id": "42", "marker": "hd-1", **changes}
    return CreateRequest(**given_ones)


# -- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [UID, "55b9b5ce48c3968c6b514c458959d6a"])
def test_an_id_is_hexadecimal_and_has_32_digits_or_a_little_less(text: str):
    assert wire.is_id(text)


@pytest.mark.parametrize(
    "text",
    [KEY, PASSPHRASE, WHIP, "", UID.upper(), f"{UID}\n", f"{UID}0", f"../{UID}", "42", "ä" * 32],
)
def test_no_key_and_no_address_is_taken_for_an_id(text: str):
    assert not wire.is_id(text)


# -- reading an input -----------------------------------------------------------------------------


def test_a_live_stream_is_read_whole():
    stream = wire.live_stream(fields())

    assert stream.stream_id == UID
    assert stream.provider == "cloudflare"
    assert stream.channel_id == "42"
    assert stream.name == "Evening show"
    assert stream.state is StreamState.IDLE
    assert stream.state_reason is None
    assert stream.created_at == CREATED
    assert stream.playback_url == HLS
    assert stream.low_latency is False
    assert stream.metadata == {"crew": "7"}
    assert stream.marker == "hd-1"
    assert stream.warnings == ()


def test_what_a_list_does_not_tell_is_none():
    listed = wire.listed_live_stream(
        through_json(
            {
                "uid": UID,
                "created": "2026-11-22T10:00:00Z",
                "modified": "2026-11-22T10:00:00Z",
                "meta": {"headend_marker": "hd-1", "channel_id": "42"},
                "enabled": True,
                "deleteRecordingAfterDays": None,
            }
        )
    )

    assert listed.stream_id == UID
    assert listed.channel_id == "42"
    assert listed.marker == "hd-1"
    assert listed.metadata == {}
    assert listed.created_at == CREATED.replace(microsecond=0)
    assert listed.name is listed.state is listed.playback_url is listed.low_latency is None


def test_a_list_tells_of_a_disabled_one():
    listed = wire.listed_live_stream(fields(enabled=False))

    assert listed.state is StreamState.DISABLED


@pytest.mark.parametrize("status", [None, ..., {}, {"current": None}, {"history": []}])
def test_an_input_that_nobody_ever_pushed_to_is_idle(status: object):
    stream = wire.live_stream(fields(status=status))

    assert stream.state is StreamState.IDLE
    assert stream.state_reason is None
    assert not wire.has_encoder(fields(status=status))


@pytest.mark.parametrize(
    ("word", "state", "encoder"),
    [
        ("connected", StreamState.LIVE, True),
        ("reconnected", StreamState.LIVE, True),
        ("reconnecting", StreamState.INTERRUPTED, True),
        ("new_configuration_accepted", StreamState.CONNECTING, True),
        ("disconnected", StreamState.IDLE, False),
        ("client_disconnect", StreamState.IDLE, False),
        ("ttl_exceeded", StreamState.IDLE, False),
        ("failed_to_connect", StreamState.ERROR, False),
        ("failed_to_reconnect", StreamState.ERROR, False),
        ("on_holiday", StreamState.UNKNOWN, False),
        ("", StreamState.UNKNOWN, False),
    ],
)
@pytest.mark.parametrize("shape", ["object", "text"])
def test_the_state_is_read_in_all_shapes(word: str, state: StreamState, encoder: bool, shape: str):
    status = word if shape == "text" else {"current": {"state": word}, "history": []}
    stream = wire.live_stream(fields(status=status))

    assert stream.state is state
    assert wire.has_encoder(fields(status=status)) is encoder
    if state is StreamState.LIVE:
        assert stream.state_reason is None
    else:
        assert word in (stream.state_reason or "")
    # A disabled one is disabled whatever it says, but its encoder may still be there.
    disabled = wire.live_stream(fields(status=status, enabled=False))
    assert disabled.state is StreamState.DISABLED
    assert wire.has_encoder(fields(status=status, enabled=False)) is encoder
    assert (disabled.state_reason is not None) is encoder


def test_a_connection_without_a_word_is_unknown_and_not_idle():
    stream = wire.live_stream(fields(status={"current": {"ingestProtocol": "rtmp"}}))

    assert stream.state is StreamState.UNKNOWN
    assert stream.state_reason == "Cloudflare gives no word for it"


def test_the_reason_is_shown_as_far_as_it_can_be():
    status = {"current": {"state": "failed_to_connect", "reason": "bad\x1b[0m " + "x" * 999}}
    reason = wire.live_stream(fields(status=status)).state_reason

    assert reason is not None
    assert reason.startswith("Cloudflare says failed_to_connect: ")
    assert reason.isprintable()
    assert len(reason) < 300


@pytest.mark.parametrize("reason", [None, ..., 7, {"text": "x"}])
def test_a_reason_that_is_no_text_is_left_out(reason: object):
    current = {"state": "failed_to_connect", "reason": reason}
    status = {"current": {name: value for name, value in current.items() if value is not ...}}

    stream = wire.live_stream(fields(status=status))
    assert stream.state is StreamState.ERROR
    assert stream.state_reason == "Cloudflare says failed_to_connect"


def test_an_input_that_makes_nothing_to_watch_has_a_warning():
    [warning] = wire.live_stream(fields(recording={"mode": "off"})).warnings

    assert "recording.mode is off" in warning


@pytest.mark.parametrize(
    "meta",
    [None, ..., "text", 7, [], ["name"], {}, {"name": None}, {"name": 7}, {"name": "\ud800"}],
)
def test_inputs_of_others_may_have_anything_in_meta(meta: object):
    stream = wire.live_stream(fields(meta=meta))

    assert stream.stream_id == UID
    assert stream.name is stream.channel_id is stream.marker is stream.metadata is None


def test_what_others_wrote_is_not_taken_for_headends_own():
    meta = {"name": "Theirs", "channel_id": "42", "metadata.crew": "7", "headend_marker": 1}
    stream = wire.live_stream(fields(meta=meta))

    assert stream.name == "Theirs"
    assert stream.channel_id is stream.marker is stream.metadata is None


@pytest.mark.parametrize(
    "change", [{"name": 7}, {"channel_id": 42}, {"metadata.crew": None}, {"metadata.crew": ["7"]}]
)
def test_headends_own_meta_is_read_strictly(change: Mapping[str, object]):
    with pytest.raises(BrokenAnswerError, match="meta"):
        wire.live_stream(fields(meta=answer()["meta"] | change))


# -- lists ----------------------------------------------------------------------------------------


def test_a_list_is_an_object_or_a_bare_array():
    one = answer(status=..., rtmps=...)

    assert wire.live_streams({"liveInputs": [one], "range": 1000, "total": 3}) == (
        [wire.listed_live_stream(through_json(one))],
        3,
    )
    assert wire.live_streams({"liveInputs": [one]})[1] is None
    assert wire.live_streams([one, one])[0] == [wire.listed_live_stream(through_json(one))] * 2
    assert wire.live_streams([]) == ([], None)


def test_no_list_is_an_empty_one_only_if_there_are_none():
    assert wire.live_streams({"liveInputs": None, "total": 0}) == ([], 0)
    for broken in (None, "", {}, {"total": 1}, {"liveInputs": None}, {"liveInputs": {}}, [None]):
        with pytest.raises(BrokenAnswerError):
            wire.live_streams(broken)
    with pytest.raises(BrokenAnswerError, match="total"):
        wire.live_streams({"liveInputs": [], "total": "0"})


# -- credentials ----------------------------------------------------------------------------------


def test_rtmps_comes_first_then_srt_then_whip():
    found = wire.credentials(fields(), None, ["a warning"])

    assert found.stream_id == UID
    assert found.stream_key == Secret(KEY)
    assert found.rtmp_push_url == "rtmps://live.cloudflare.com:443/live/"
    assert found.push_url_with_key() == Secret(f"rtmps://live.cloudflare.com:443/live/{KEY}")
    assert found.playback_url == HLS
    assert found.warnings == ("a warning",)
    rtmps, srt, whip = found.ingests
    assert rtmps.protocol is IngestProtocol.RTMPS
    assert rtmps.stream_key == Secret(KEY)
    assert srt.protocol is IngestProtocol.SRT
    assert srt.server_url == "srt://live.cloudflare.com:778"
    assert srt.stream_key == Secret(UID)
    assert srt.passphrase == Secret(PASSPHRASE)
    assert srt.url_with_key == Secret(
        f"srt://live.cloudflare.com:778?streamid={UID}&passphrase={PASSPHRASE}"
    )
    assert whip.protocol is IngestProtocol.WHIP
    assert whip.server_url is whip.stream_key is whip.passphrase is None
    assert whip.url_with_key == Secret(WHIP)


@pytest.mark.parametrize("url", ["rtmps://live.example:443/live", "rtmps://live.example:443/live/"])
def test_the_key_is_added_with_one_slash_whatever_the_address_ends_in(url: str):
    found = wire.credentials(fields(rtmps={"url": url, "streamKey": KEY}), None)

    assert found.push_url_with_key() == Secret(f"rtmps://live.example:443/live/{KEY}")


def test_secrets_are_escaped_where_they_stand_in_an_address():
    srt = {"url": "srt://live.example:778", "streamId": "a&b=c", "passphrase": "p?#/%"}
    ingest = wire.credentials(fields(srt=srt), None).ingests[1]

    assert ingest.url_with_key == Secret(
        "srt://live.example:778?streamid=a%26b%3Dc&passphrase=p%3F%23%2F%25"
    )


@pytest.mark.parametrize("absent", [None, ...])
def test_without_srt_and_whip_there_is_rtmps(absent: object):
    found = wire.credentials(fields(srt=absent, webRTC=absent), None)

    assert [one.protocol for one in found.ingests] == [IngestProtocol.RTMPS]


@pytest.mark.parametrize(
    "broken",
    [
        {"rtmps": None},
        {"rtmps": {"url": "https://live.example/live/", "streamKey": KEY}},
        {"rtmps": {"url": "rtmps://live.example/live/?key=planted", "streamKey": KEY}},
        {"rtmps": {"url": "rtmps://planted@live.example/live/", "streamKey": KEY}},
        {"rtmps": {"url": "rtmps://live.example/live/", "streamKey": None}},
        {"rtmps": {"url": "rtmps://live.example/live/", "streamKey": "planted key"}},
        {"srt": {"url": "srt://live.example:778", "streamId": UID, "passphrase": None}},
        {"srt": {"url": "srt://live.example?passphrase=planted", "streamId": UID}},
        {"webRTC": {"url": "planted"}},
        {"webRTC": "planted"},
    ],
)
def test_half_a_way_in_is_a_broken_answer_that_shows_nothing(broken: Mapping[str, object]):
    with pytest.raises(BrokenAnswerError) as caught:
        wire.credentials(fields(**broken), HOST)

    assert "planted" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_no_secret_is_in_any_text_of_what_was_read():
    whole = fields()
    found = wire.credentials(whole, None)
    shown = [repr(found), str(found), repr(found.ingests), str(wire.live_stream(whole))]

    for secret in (KEY, PASSPHRASE, WHIP, "b236bde30eb07b9d01318940e5fc3eda"):
        assert not [text for text in shown if secret in text]


# -- where viewers watch --------------------------------------------------------------------------


@pytest.mark.parametrize("root", [HOST, "http://127.0.0.1:8000/customer-abc", "http://[::1]:1/a/b"])
@pytest.mark.parametrize("absent", [None, ..., {}, {"url": None}])
def test_the_customer_host_is_what_is_before_the_id_or_the_secret(root: str, absent: object):
    play, publish = f"{root}/{UID}/webRTC/play", f"{root}/{KEY}/webRTC/publish"

    # The example of the API's description has a secret in the address of playback.
    for url in (play, f"{root}/{KEY}/webRTC/play"):
        found = fields(webRTCPlayback={"url": url}, webRTC=absent)
        assert wire.customer_base(found) == root
    found = fields(webRTCPlayback=absent, webRTC={"url": publish})
    assert wire.customer_base(found, "https://other.example") == root
    assert wire.playback_url(found) == f"{root}/{UID}/manifest/video.m3u8"
    found = fields(
        webRTCPlayback=absent,
        webRTC=absent,
        playback={"hls": f"{root}/{UID}/manifest/video.m3u8", "dash": "x"},
    )
    assert wire.customer_base(found) == root


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}/webRTC/play",
        f"{HOST}/{UID}/whep",
        f"{HOST}/{UID}/v2/webRTC/play",
        f"{HOST}/{'a' * 32}k{'b' * 32}/v2/webRTC/play",
        f"{HOST}/{UID}/webRTC/play?a=b",
    ],
)
def test_from_an_address_of_an_unknown_form_nothing_is_guessed(url: str):
    found = fields(webRTCPlayback={"url": url}, webRTC=None)

    assert wire.customer_base(found) is None
    assert wire.playback_url(found) is None
    assert wire.live_stream(found).playback_url is None
    assert wire.customer_base(found, f"{HOST}/") == HOST
    double = fields(webRTCPlayback={"url": f"{HOST}//{UID}/webRTC/play"})
    assert wire.customer_base(double) == HOST
    assert wire.live_stream(found, HOST).playback_url == HLS


def test_credentials_without_a_place_to_watch_name_the_setting_to_give():
    found = fields(webRTCPlayback=None, webRTC=None)

    with pytest.raises(ConfigurationError, match="CLOUDFLARE_STREAM_CUSTOMER_URL"):
        wire.credentials(found, None)
    assert wire.credentials(found, HOST).playback_url == HLS


def test_the_platforms_own_playback_address_is_preferred():
    given_one = "https://videodelivery.net/video.m3u8"

    assert wire.playback_url(fields(playback={"hls": given_one, "dash": ""})) == given_one
    for absent in (None, {}, {"hls": None}, {"hls": ""}):
        assert wire.playback_url(fields(playback=absent)) == HLS


@pytest.mark.parametrize(
    "hls", [7, "video.m3u8", "ftp://a.example/v.m3u8", WHIP, f"{HLS}#a", "https://u:p@a.example/v.m3u8"]
)  # fmt: skip
def test_a_playback_address_that_is_none_is_a_broken_answer(hls: object):
    with pytest.raises(BrokenAnswerError, match="playback"):
        wire.playback_url(fields(playback={"hls": hls}))


def test_with_low_latency_the_address_asks_for_it():
    assert wire.playback_url(fields(preferLowLatency=True)) == f"{HLS}?protocol=llhls"
    for hls, asking in (
        (HLS, f"{HLS}?protocol=llhls"),
        (f"{HLS}?a=b", f"{HLS}?a=b&protocol=llhls"),
        (f"{HLS}?protocol=llhls", f"{HLS}?protocol=llhls"),
    ):
        found = fields(preferLowLatency=True, playback={"hls": hls})
        assert wire.playback_url(found) == asking
    assert wire.live_stream(fields(preferLowLatency=True)).low_latency is True


def test_the_customer_host_has_views_and_lifecycle_beside_the_playlist():
    assert wire.hls_url(HOST, UID) == HLS
    assert wire.hls_url(HOST, UID, low_latency=True) == f"{HLS}?protocol=llhls"
    assert wire.views_url(HOST, UID) == f"{HOST}/{UID}/views"
    assert wire.lifecycle_url(HOST, UID) == f"{HOST}/{UID}/lifecycle"


def test_a_token_takes_the_place_of_the_id():
    token = Secret("eyJh.eyJz.c2ln")

    signed = wire.with_token(f"{HLS}?protocol=llhls", UID, token)
    assert signed == Secret(f"{HOST}/eyJh.eyJz.c2ln/manifest/video.m3u8?protocol=llhls")
    with pytest.raises(BrokenAnswerError, match="does not hold"):
        wire.with_token("https://a.example/v.m3u8", UID, token)


def test_the_viewer_count_of_the_customer_host_is_read():
    assert wire.viewers(Fields({"liveViewers": 113})) == 113
    assert wire.viewers(Fields({"liveViewers": 0})) == 0
    for broken in ({}, {"liveViewers": None}, {"liveViewers": "113"}, {"liveViewers": -1}):
        with pytest.raises(BrokenAnswerError, match="liveViewers"):
            wire.viewers(Fields(broken))


# -- what is sent ---------------------------------------------------------------------------------


def test_recording_is_always_automatic_and_retention_stands_outside_of_it():
    options = CloudflareOptions(
        delete_recording_after_days=30,
        require_signed_urls=True,
        allowed_origins=("example.com",),
        timeout_seconds=60,
        hide_live_viewer_count=True,
        default_creator="crew",
    )

    assert wire.new_input(
        request(name="Evening show", metadata={"name": "x"}, low_latency=True), options
    ) == {
        "meta": {
            "headend_marker": "hd-1",
            "channel_id": "42",
            "name": "Evening show",
            "metadata.name": "x",
        },
        "preferLowLatency": True,
        "deleteRecordingAfterDays": 30,
        "defaultCreator": "crew",
        "recording": {
            "mode": "automatic",
            "requireSignedURLs": True,
            "allowedOrigins": ["example.com"],
            "timeoutSeconds": 60,
            "hideLiveViewerCount": True,
        },
    }
    assert wire.new_input(request(), CloudflareOptions()) == {
        "meta": {"headend_marker": "hd-1", "channel_id": "42"},
        "preferLowLatency": False,
        "recording": {
            "mode": "automatic",
            "requireSignedURLs": False,
            "hideLiveViewerCount": False,
        },
    }


TEXTS = st.text(max_size=200)


@given(name=st.none() | TEXTS, metadata=st.dictionaries(TEXTS, TEXTS), channel_id=TEXTS)
def test_name_metadata_and_channel_id_come_back_as_they_were_given(
    name: str | None, metadata: dict[str, str], channel_id: str
):
    asked = request(channel_id=channel_id, name=name, metadata=metadata)
    body = {
        "meta": {
            "headend_marker": "hd-1",
            "channel_id": channel_id,
            **({} if name is None else {"name": name}),
            **{f"metadata.{key}": text for key, text in metadata.items()},
        }
    }
    if len(json.dumps(body["meta"], ensure_ascii=False).encode()) > wire.MAX_META:
        with pytest.raises(InvalidRequestError) as caught:
            wire.new_input(asked, CloudflareOptions())
        assert caught.value.request_sent is False
        return

    sent = wire.new_input(asked, CloudflareOptions())
    stream = wire.live_stream(fields(**sent))

    assert stream.name == name
    assert stream.channel_id == channel_id
    assert stream.metadata == metadata
    assert stream.marker == "hd-1"
    assert wire.dropped_settings(sent, fields(**sent)) == []


@pytest.mark.parametrize("over", [-1, 0, 1, 2])
@pytest.mark.parametrize("character", ["x", "ä", "\U0001f3a5", '"'])
def test_what_is_too_long_is_refused_before_it_is_sent(over: int, character: str):
    def size(metadata: str) -> int:
        meta = {"headend_marker": "hd-1", "channel_id": "42", "metadata.a": metadata}
        return len(json.dumps(meta, ensure_ascii=False).encode())

    wide = size(character) - size("")
    text = character * ((wire.MAX_META - size("")) // wide)
    text += "x" * (wire.MAX_META - size(text) + over)
    asked = request(metadata={"a": text})

    if over <= 0:
        assert wire.new_input(asked, CloudflareOptions())
    else:
        with pytest.raises(InvalidRequestError, match="headend sends 8192 at most") as caught:
            wire.new_input(asked, CloudflareOptions())
        assert caught.value.request_sent is False
        assert caught.value.operation == "create_live_stream"


@pytest.mark.parametrize(
    "change",
    [{"name": "\ud83c"}, {"metadata": {"a": "\udfa5"}}, {"metadata": {"\ud800": "a"}}],
)
def test_half_a_character_is_refused_before_it_is_sent(change: Mapping[str, object]):
    with pytest.raises(InvalidRequestError, match="half a character") as caught:
        wire.new_input(request(**change), CloudflareOptions())

    assert caught.value.request_sent is False


# -- what was kept --------------------------------------------------------------------------------

FULL = CloudflareOptions(
    delete_recording_after_days=30,
    require_signed_urls=True,
    allowed_origins=("example.com", "*.Example.org"),
    timeout_seconds=60,
    hide_live_viewer_count=True,
    default_creator="crew",
)


def full() -> dict[str, Any]:
    asked = request(name="Evening show", metadata={"crew": "7"}, low_latency=True)
    return wire.new_input(asked, FULL)


def test_what_is_kept_as_it_was_sent_is_not_dropped():
    sent = full()

    assert wire.dropped_settings(sent, fields(**sent)) == []
    # The description of the answer does not have defaultCreator.
    assert wire.dropped_settings(sent, fields(**(sent | {"defaultCreator": ...}))) == []
    origins = sent["recording"] | {"allowedOrigins": ["*.example.org", "EXAMPLE.com"]}
    assert wire.dropped_settings(sent, fields(**(sent | {"recording": origins}))) == []


def test_defaults_that_are_left_out_are_not_dropped():
    sent = wire.new_input(request(), CloudflareOptions(timeout_seconds=0))
    kept = answer(meta=sent["meta"], preferLowLatency=..., recording={"mode": "automatic"})

    assert wire.dropped_settings(sent, through_json(kept)) == []


GRAVE = {
    "recording.mode",
    "recording.requireSignedURLs",
    "recording.allowedOrigins",
    "meta.headend_marker",
    "meta.channel_id",
}


def places(body: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        place
        for outer, value in body.items()
        for place in (
            [(outer, inner) for inner in value] if isinstance(value, dict) else [(outer,)]
        )
    ]


@given(st.data())
def test_every_setting_that_is_lost_or_changed_is_told_and_no_other(data: st.DataObject):
    sent = full()
    lost = data.draw(st.sets(st.sampled_from(places(sent)), min_size=1))
    kept = json.loads(json.dumps(sent))
    expected = {}
    for place in lost:
        *outer, last = place
        inner = kept[outer[0]] if outer else kept
        was = inner[last]
        now = data.draw(st.sampled_from([None, "other", 7, 1, True, False, [], ["a"], {}]))
        inner[last] = now
        untold = last == "defaultCreator" and now is None
        same = json.dumps(now) == json.dumps(was)
        if not untold and not same:
            expected[".".join(place)] = (sent_value(sent, place), now)

    dropped = wire.dropped_settings(sent, fields(**kept))

    assert {one.name: (one.sent, one.kept) for one in dropped} == expected
    assert {one.name for one in dropped if one.grave} == GRAVE & set(expected)


def sent_value(sent: Mapping[str, Any], place: tuple[str, ...]) -> object:
    value: Any = sent
    for name in place:
        value = value[name]
    return value


@pytest.mark.parametrize("junk", [None, ..., [], "text", 7])
def test_an_object_that_is_gone_is_dropped_setting_by_setting(junk: object):
    sent = full()
    dropped = wire.dropped_settings(sent, fields(**(sent | {"recording": junk, "meta": junk})))

    assert {one.name for one in dropped} == {
        ".".join(place) for place in places(sent) if len(place) > 1
    }


def test_a_dropped_setting_is_a_sentence():
    dropped = wire.Dropped("recording.timeoutSeconds", 60, None, grave=False)

    assert str(dropped) == "recording.timeoutSeconds was sent as 60 and kept as null"
    long = str(wire.Dropped("meta.name", "Grüße", {"a": ["\x1b" * 999]}, grave=False))
    assert long.startswith('meta.name was sent as "Grüße" and kept as ')
    assert long.isprintable()
    assert len(long) < 1000


# -- recordings, targets, tokens, storage ---------------------------------------------------------


def video(**changes: object) -> dict[str, object]:
    whole = {
        "uid": VIDEO,
        "readyToStream": True,
        "status": {"state": "ready", "pctComplete": "100.000000", "errorReasonCode": ""},
        "meta": {"name": "Evening show 22 Nov 26 10:05 UTC"},
        "created": "2026-11-22T10:05:00.587306Z",
        "size": 734003200,
        "duration": 61.5,
        "input": {"width": 1280, "height": 720},
        "playback": {
            "hls": f"{HOST}/{VIDEO}/manifest/video.m3u8",
            "dash": f"{HOST}/{VIDEO}/manifest/video.mpd",
        },
        "watermark": None,
        "liveInput": UID,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def test_a_recording_is_read():
    [found] = wire.recordings([video()])

    assert found.recording_id == VIDEO
    assert found.stream_id == UID
    assert found.duration == 61.5
    assert found.created_at == datetime(2026, 11, 22, 10, 5, 0, 587306, tzinfo=UTC)
    assert found.playback_url == f"{HOST}/{VIDEO}/manifest/video.m3u8"


@pytest.mark.parametrize("duration", [-1, -1.0, None, ...])
def test_a_recording_that_is_being_made_has_no_duration_yet(duration: object):
    found = wire.recording(
        through_json(video(duration=duration, status={"state": "live-inprogress"}))
    )

    assert found.duration is None


@pytest.mark.parametrize("unknown", [None, ...])
def test_what_is_not_told_of_a_recording_is_none(unknown: object):
    found = wire.recording(
        through_json(video(liveInput=unknown, playback=unknown, created=unknown))
    )

    assert found.stream_id is found.playback_url is found.created_at is None


@pytest.mark.parametrize(
    "broken", [{"duration": "61.5"}, {"duration": -2}, {"uid": "v_1"}, {"liveInput": "in_1"}]
)
def test_a_recording_of_wrong_values_is_a_broken_answer(broken: Mapping[str, object]):
    with pytest.raises(BrokenAnswerError):
        wire.recordings([video(**broken)])


def test_a_target_is_read_without_its_key():
    [made, switched_off] = wire.simulcast_targets(
        [
            {"uid": TARGET, "url": "rtmp://a.rtmp.youtube.com/live2", "streamKey": "planted-key"},
            {
                "uid": TARGET,
                "url": "rtmp://user:planted@a.example:1935/live?token=planted#planted",
                "streamKey": "planted-key",
                "enabled": False,
                "status": {"current": {"state": "connected"}},
            },
        ],
        UID,
    )

    assert (made.target_id, made.stream_id) == (TARGET, UID)
    assert (made.server_url, made.enabled) == ("rtmp://a.rtmp.youtube.com/live2", True)
    assert (switched_off.server_url, switched_off.enabled) == ("rtmp://a.example:1935/live", False)
    assert "planted" not in repr((made, switched_off))


@pytest.mark.parametrize("url", [None, 7, "", "live2", "rtmp://", "rtmp://[::1", "rtmp://a b/live"])
def test_a_target_without_an_address_is_a_broken_answer(url: object):
    with pytest.raises(BrokenAnswerError, match="url") as caught:
        wire.simulcast_target(through_json({"uid": TARGET, "url": url}), UID)

    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_new_target_bears_its_key():
    assert wire.new_output("rtmp://a.rtmp.youtube.com/live2", Secret("uzya-f19y")) == {
        "url": "rtmp://a.rtmp.youtube.com/live2",
        "streamKey": "uzya-f19y",
        "enabled": True,
    }


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://a.example/planted", "key"),
        ("rtmp://", "key"),
        ("rtmp://a.example/planted here", "key"),
        ("rtmp://[planted", "key"),
        ("rtmp://a.example/live", ""),
        ("rtmp://a.example/live", "planted key"),
    ],
)
def test_a_target_that_cannot_be_is_refused_before_it_is_sent(url: str, key: str):
    with pytest.raises(InvalidRequestError) as caught:
        wire.new_output(url, Secret(key))

    assert caught.value.request_sent is False
    assert caught.value.operation == "create_simulcast_target"
    assert "planted" not in str(caught.value)


def test_a_token_is_a_jwt_and_a_secret():
    assert wire.token(Fields({"token": "eyJh.eyJz.c2ln"})) == Secret("eyJh.eyJz.c2ln")
    for broken in (None, 7, "", "eyJh", "eyJh.eyJz.c2ln/../..", "a.b.c?d", ".."):
        with pytest.raises(BrokenAnswerError, match="token"):
            wire.token(Fields({"token": broken}))


def test_storage_is_in_minutes():
    assert wire.storage(
        Fields({"totalStorageMinutes": 396.84, "totalStorageMinutesLimit": 1000, "videoCount": 6})
    ) == wire.Storage(used=396.84, limit=1000.0)
    for broken in ("1000", None, -1, True):
        with pytest.raises(BrokenAnswerError, match="Limit"):
            wire.storage(Fields({"totalStorageMinutes": 1, "totalStorageMinutesLimit": broken}))


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_any_text_is_an_id_or_not(text: str):
    assert wire.is_id(text) == (24 <= len(text) <= 32 and not set(text) - set("0123456789abcdef"))


# -- what figures depend on -----------------------------------------------------------------------


def test_what_hides_the_viewer_count_is_read():
    assert wire.hides_viewer_count(Fields({"recording": {"hideLiveViewerCount": True}}))
    for shown in ({}, {"recording": None}, {"recording": {"hideLiveViewerCount": None}}):
        assert not wire.hides_viewer_count(Fields(shown))


@pytest.mark.parametrize("value", ["true", 1, "", [], {}])
def test_what_may_hide_the_viewer_count_is_no_leave_to_take_a_zero_for_one(value):
    with pytest.raises(BrokenAnswerError, match=r"recording\.hideLiveViewerCount"):
        wire.hides_viewer_count(Fields({"recording": {"hideLiveViewerCount": value}}))


def test_how_an_encoder_pushes_is_read_in_all_shapes_of_the_status():
    status = {"current": {"state": "connected", "ingestProtocol": "webrtc"}}
    assert wire.ingest_protocol(Fields({"status": status})) == "webrtc"
    for unknown in (None, "connected", {}, {"current": None}, {"current": {"state": "connected"}}):
        assert wire.ingest_protocol(Fields({"status": unknown})) is None


def test_days_until_a_recording_goes_are_read():
    assert wire.retention(Fields({"deleteRecordingAfterDays": 30})) == 30
    assert wire.retention(Fields({"deleteRecordingAfterDays": None})) is None
    with pytest.raises(BrokenAnswerError):
        wire.retention(Fields({"deleteRecordingAfterDays": "30"}))
