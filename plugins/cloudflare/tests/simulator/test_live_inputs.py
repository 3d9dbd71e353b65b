"""Live inputs: what is created, shown, changed, dropped and removed."""

from __future__ import annotations

import re

import pytest

KEY = re.compile(r"[0-9a-f]{32}k(?P<uid>[0-9a-f]{32})")


def error_of(answer):
    (error,) = answer.json()["errors"]
    assert answer.json()["success"] is False
    assert answer.json()["result"] is None
    return answer.status_code, error["code"]


def test_a_live_input_is_created_with_a_secret_for_each_way_in(create):
    made = create(meta={"name": "one"})

    assert re.fullmatch(r"[0-9a-f]{32}", made["uid"])
    assert made["rtmps"]["url"] == "rtmps://live.cloudflare.example:443/live/"
    secrets = {
        made["rtmps"]["streamKey"],
        made["rtmpsPlayback"]["streamKey"],
        made["srt"]["passphrase"],
        made["srtPlayback"]["passphrase"],
    }
    assert len(secrets) == 4
    assert all(KEY.fullmatch(one)["uid"] == made["uid"] for one in secrets)
    assert made["srt"]["streamId"] == made["uid"]
    assert made["webRTC"]["url"].endswith("/webRTC/publish")
    assert made["uid"] not in secrets
    assert made["status"] is None
    assert made["created"] == made["modified"] == "2030-01-02T03:04:05.000000Z"
    assert "keysRotatedAt" not in made


def test_what_is_not_set_has_the_documented_default(api):
    made = api.post("stream/live_inputs", json={}).json()["result"]

    assert made["enabled"] is True
    assert made["deleteRecordingAfterDays"] is None
    assert made["meta"] == {}
    assert made["recording"] == {
        "mode": "off",
        "requireSignedURLs": False,
        "allowedOrigins": None,
        "hideLiveViewerCount": False,
        "timeoutSeconds": 0,
    }


def test_a_create_without_a_body_is_one_with_defaults(api):
    assert api.post("stream/live_inputs").json()["result"]["recording"]["mode"] == "off"


def test_what_is_set_is_shown(create, get):
    recording = {
        "requireSignedURLs": True,
        "allowedOrigins": ["example.com", "*.example.org"],
        "hideLiveViewerCount": True,
        "timeoutSeconds": 30,
    }
    made = create(
        meta={"name": "x", "deep": {"any": [1, None]}},
        deleteRecordingAfterDays=30,
        preferLowLatency=True,
        enabled=False,
        recording=recording,
    )

    shown = get(made["uid"])
    assert shown == made
    assert shown["recording"] == {"mode": "automatic", **recording}
    assert shown["meta"] == {"name": "x", "deep": {"any": [1, None]}}
    assert (shown["deleteRecordingAfterDays"], shown["preferLowLatency"]) == (30, True)
    assert shown["enabled"] is False


def test_low_latency_is_not_shown_until_it_is_set(create, get, api, simulated):
    uid = create()["uid"]
    assert "preferLowLatency" not in get(uid)
    api.put(f"stream/live_inputs/{uid}", json={"preferLowLatency": False})
    assert get(uid)["preferLowLatency"] is False

    simulated.switch(omit_low_latency=False)
    assert create()["preferLowLatency"] is False


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"deleteRecordingAfterDays": 1}, 10060),
        ({"deleteRecordingAfterDays": 29}, 10060),
        ({"deleteRecordingAfterDays": 1097}, 10060),
        ({"deleteRecordingAfterDays": "30"}, 19999),
        ({"meta": "name"}, 19999),
        ({"enabled": "no"}, 19999),
        ({"preferLowLatency": 1}, 19999),
        ({"defaultCreator": "c" * 65}, 19999),
        ({"recording": []}, 19999),
        ({"recording": {"mode": "always"}}, 19999),
        ({"recording": {"timeoutSeconds": -1}}, 19999),
        ({"recording": {"timeoutSeconds": True}}, 19999),
        ({"recording": {"allowedOrigins": "example.com"}}, 19999),
        ({"recording": {"hideLiveViewerCount": None}}, 19999),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_made(api, simulated, body, code):
    assert error_of(api.post("stream/live_inputs", json=body)) == (400, code)
    assert simulated.inputs == {}


@pytest.mark.parametrize("days", [30, 1096, None])
def test_recordings_can_be_kept_for_30_to_1096_days_or_for_ever(create, days):
    assert create(deleteRecordingAfterDays=days)["deleteRecordingAfterDays"] == days


def test_days_inside_recording_are_accepted_and_dropped(create):
    made = create(recording={"deleteRecordingAfterDays": 30})
    assert made["deleteRecordingAfterDays"] is None
    assert "deleteRecordingAfterDays" not in made["recording"]


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("deleteRecordingAfterDays", 30, None),
        ("preferLowLatency", True, None),
        ("meta", {"name": "x"}, {}),
        ("recording.mode", "automatic", "off"),
        ("recording.requireSignedURLs", True, False),
        ("recording.allowedOrigins", ["example.com"], None),
        ("recording.timeoutSeconds", 30, None),
        ("recording.hideLiveViewerCount", True, False),
    ],
)
def test_a_setting_that_is_switched_so_is_accepted_and_not_kept(api, simulated, name, sent, kept):
    outer, _, inner = name.rpartition(".")
    body = {"recording": {inner: sent}} if outer else {name: sent}

    def echoed():
        answer = api.post("stream/live_inputs", json=body)
        assert answer.status_code == 200
        made = answer.json()["result"]
        return (made["recording"] if outer else made).get(inner)

    assert echoed() == sent
    simulated.switch(dropped_settings=(name,))
    assert echoed() == kept


def test_an_update_keeps_what_it_does_not_name(create, api, clock):
    made = create(meta={"name": "x"}, deleteRecordingAfterDays=40)
    clock.advance(3)
    changed = api.put(f"stream/live_inputs/{made['uid']}", json={"enabled": False}).json()["result"]

    assert changed == {**made, "enabled": False, "modified": "2030-01-02T03:04:08.000000Z"}


def test_a_part_of_recording_resets_the_rest_unless_it_is_switched_to_be_kept(
    create, api, simulated
):
    made = create(recording={"requireSignedURLs": True})
    path = f"stream/live_inputs/{made['uid']}"
    body = {"recording": {"mode": "automatic"}}

    simulated.switch(recording_update="merge")
    merged = api.put(path, json=body).json()["result"]
    assert merged["recording"]["requireSignedURLs"] is True

    simulated.switch(recording_update="replace")
    replaced = api.put(path, json=body).json()["result"]
    assert replaced["recording"]["requireSignedURLs"] is False


def test_enabling_and_disabling_give_the_whole_live_input(create, api):
    made = create()
    path = f"stream/live_inputs/{made['uid']}"
    disabled = api.post(f"{path}/disable").json()["result"]
    assert disabled == {**made, "enabled": False}
    assert api.post(f"{path}/enable").json()["result"] == made


def test_a_rotation_replaces_every_secret_and_says_when(create, api, clock, simulated):
    made = create()
    clock.advance(60)
    rotated = api.post(f"stream/live_inputs/{made['uid']}/rotate_keys").json()["result"]

    assert rotated["keysRotatedAt"] == "2030-01-02T03:05:05Z"
    for name, key in [
        ("rtmps", "streamKey"),
        ("rtmpsPlayback", "streamKey"),
        ("srt", "passphrase"),
        ("srtPlayback", "passphrase"),
        ("webRTC", "url"),
        ("webRTCPlayback", "url"),
    ]:
        assert rotated[name][key] != made[name][key]
    assert simulated.keys == {rotated["rtmps"]["streamKey"]: made["uid"]}


def test_a_list_has_no_keys_no_recording_and_no_status(create, api):
    made = [create(meta={"name": str(number)}) for number in range(3)]
    result = api.get("stream/live_inputs").json()["result"]

    assert (result["range"], result["total"]) == (3, 3)
    assert [one["uid"] for one in result["liveInputs"]] == [one["uid"] for one in reversed(made)]
    names = {"uid", "created", "modified", "meta", "enabled", "deleteRecordingAfterDays"}
    assert all(set(one) == names for one in result["liveInputs"])


def test_a_list_can_be_a_bare_array(create, api, simulated):
    uid = create()["uid"]
    simulated.switch(list_shape="array")
    (one,) = api.get("stream/live_inputs").json()["result"]
    assert one["uid"] == uid


def test_a_list_can_give_less_than_it_counts(create, api, simulated):
    for _ in range(3):
        create()
    simulated.switch(list_cap=2)
    result = api.get("stream/live_inputs").json()["result"]
    assert (len(result["liveInputs"]), result["range"], result["total"]) == (2, 2, 3)


def test_a_list_can_lag_behind(create, api, simulated, clock):
    simulated.switch(list_lag=5)
    uid = create()["uid"]
    assert api.get("stream/live_inputs").json()["result"]["liveInputs"] == []
    assert api.get(f"stream/live_inputs/{uid}").status_code == 200
    clock.advance(5)
    assert len(api.get("stream/live_inputs").json()["result"]["liveInputs"]) == 1


def test_a_deleted_live_input_is_gone_for_good(create, api, simulated):
    uid = create()["uid"]
    path = f"stream/live_inputs/{uid}"
    deleted = api.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert error_of(api.get(path)) == (404, 10003)
    assert error_of(api.delete(path)) == (404, 10003)
    assert error_of(api.post(f"{path}/disable")) == (404, 10003)
    assert error_of(api.get(f"{path}/videos")) == (404, 10003)
    assert simulated.deleted == [uid]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("nothing", b""),
        ("object", b"{}"),
        ("envelope", b'{"result": null, "success": true, "errors": [], "messages": []}'),
    ],
)
def test_a_delete_is_answered_in_three_ways(create, api, simulated, kind, body):
    simulated.switch(delete_answer=kind)
    assert api.delete(f"stream/live_inputs/{create()['uid']}").content == body


def test_an_idempotency_key_means_nothing_unless_it_is_switched_on(api, simulated):
    def uid(key):
        made = api.post("stream/live_inputs", json={}, headers={"Idempotency-Key": key})
        return made.json()["result"]["uid"]

    assert uid("a") != uid("a")
    simulated.switch(idempotency_keys=True)
    assert uid("b") == uid("b") != uid("c")


def test_an_account_can_have_a_limit_of_live_inputs(create, api, simulated):
    simulated.switch(input_limit=1)
    create()
    assert error_of(api.post("stream/live_inputs", json={})) == (403, 19999)


def test_playback_is_shown_only_if_it_is_switched_on(create, simulated, served):
    assert "playback" not in create()
    simulated.switch(playback_field=True)
    made = create()
    base = f"{served.url}/customer-{simulated.customer_code}/{made['uid']}/manifest"
    assert made["playback"] == {"hls": f"{base}/video.m3u8", "dash": f"{base}/video.mpd"}


def test_the_webrtc_playback_address_holds_a_secret_or_the_id(create, simulated, served):
    base = f"{served.url}/customer-{simulated.customer_code}/"
    made = create()
    segment = made["webRTCPlayback"]["url"].removeprefix(base).removesuffix("/webRTC/play")
    assert KEY.fullmatch(segment)["uid"] == made["uid"]
    simulated.switch(webrtc_playback_id="input")
    made = create()
    assert made["webRTCPlayback"]["url"] == f"{base}{made['uid']}/webRTC/play"


def test_the_customer_host_can_be_in_no_answer(create, simulated, api):
    simulated.switch(customer_host_unknown=True, playback_field=True)
    made = create()
    simulated.encoder(made["rtmps"]["streamKey"])
    videos = api.get(f"stream/live_inputs/{made['uid']}/videos").text
    assert simulated.customer_code not in f"{made}{videos}"


def test_extra_fields_are_everywhere_if_they_are_switched_on(create, simulated, api):
    simulated.switch(extra_fields=True)
    made = create()
    simulated.encoder(made["rtmps"]["streamKey"])
    path = f"stream/live_inputs/{made['uid']}"
    found = [
        api.get(path).json()["result"],
        api.get(path).json()["result"]["status"]["current"],
        api.get("stream/live_inputs").json()["result"],
        api.get("stream/live_inputs").json()["result"]["liveInputs"][0],
        api.get(f"{path}/videos").json()["result"][0],
        api.get("stream/storage-usage").json()["result"],
    ]
    assert all(one["colour"] == "octarine" for one in found)


# -- outputs --------------------------------------------------------------------------------------


def test_outputs_are_made_listed_switched_and_removed(create, api, simulated):
    made = create()
    path = f"stream/live_inputs/{made['uid']}/outputs"
    body = {"url": "rtmp://a.example/live2", "streamKey": "uzya-f19y"}
    output = api.post(path, json=body).json()["result"]
    assert output == {"uid": output["uid"], **body, "enabled": True}
    assert api.get(path).json()["result"] == [output]

    changed = api.put(f"{path}/{output['uid']}", json={"enabled": False}).json()["result"]
    assert changed == {**output, "enabled": False}
    deleted = api.delete(f"{path}/{output['uid']}")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert api.get(path).json()["result"] == []
    assert error_of(api.delete(f"{path}/{output['uid']}")) == (404, 10003)
    assert made["uid"] in simulated.inputs


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "rtmp://a.example/live"},
        {"streamKey": "k"},
        {"url": "https://a.example", "streamKey": "k"},
        {"url": "rtmp://a.example/live", "streamKey": ""},
        {"url": "rtmp://a.example/live", "streamKey": "k", "enabled": "yes"},
    ],
)
def test_an_output_needs_an_address_and_a_key(create, api, body):
    answer = api.post(f"stream/live_inputs/{create()['uid']}/outputs", json=body)
    assert error_of(answer) == (400, 19999)


def test_only_enabled_of_an_output_can_be_changed(create, api):
    path = f"stream/live_inputs/{create()['uid']}/outputs"
    output = api.post(path, json={"url": "rtmp://a.example/l", "streamKey": "k"}).json()["result"]
    other = {"url": "rtmp://b.example/l", "streamKey": "j"}
    assert error_of(api.put(f"{path}/{output['uid']}", json=other)) == (400, 19999)
    changed = api.put(f"{path}/{output['uid']}", json={**other, "enabled": True}).json()["result"]
    assert changed == output


def test_there_are_at_most_so_many_outputs(create, api, simulated):
    simulated.switch(output_limit=1)
    path = f"stream/live_inputs/{create()['uid']}/outputs"
    body = {"url": "rtmp://a.example/l", "streamKey": "k"}
    assert api.post(path, json=body).status_code == 200
    assert error_of(api.post(path, json=body)) == (400, 19999)


def test_outputs_have_a_status_once_copies_were_sent(create, api, simulated):
    made = create()
    path = f"stream/live_inputs/{made['uid']}/outputs"
    api.post(path, json={"url": "rtmp://a.example/l", "streamKey": "k"})
    assert "status" not in api.get(path).json()["result"][0]
    encoder = simulated.encoder(made["rtmps"]["streamKey"])
    assert api.get(path).json()["result"][0]["status"] == {"current": {"state": "connected"}}
    encoder.leave()
    assert api.get(path).json()["result"][0]["status"] == {"current": {"state": "disconnected"}}
