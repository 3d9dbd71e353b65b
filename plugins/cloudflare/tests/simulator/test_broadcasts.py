"""Broadcasts: who is let in, what the state tells, and what is left behind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings as with_settings, strategies as st

from headend_cloudflare.simulator import create_app
from headend_cloudflare.simulator.switches import CloudflareSwitches
from headend_contract.clock import ManualClock


@pytest.fixture
def made(create):
    return create(meta={"name": "show"}, recording={"timeoutSeconds": 20})


@pytest.fixture
def key(made):
    return made["rtmps"]["streamKey"]


@pytest.fixture
def videos(api, made):
    def read():
        found = api.get(f"stream/live_inputs/{made['uid']}/videos").json()["result"]
        listed = api.get("stream", params={"live_input_id": made["uid"]}).json()["result"]
        assert found == listed
        return found

    return read


def states(kinds):
    return [one.kind for one in kinds]


def test_the_state_goes_from_null_over_a_new_configuration_to_connected(
    simulated, made, key, get, clock
):
    assert get(made["uid"])["status"] is None
    simulated.encoder(key)
    first = get(made["uid"])["status"]["current"]
    clock.advance(2)
    then = get(made["uid"])["status"]["current"]

    assert first["state"] == "new_configuration_accepted"
    assert then["state"] == "connected"
    assert then["ingestProtocol"] == "rtmp"
    assert then["statusEnteredAt"] == then["statusLastSeen"] == "2030-01-02T03:04:07Z"


@pytest.mark.parametrize("way", ["rtmps", "srt", "webRTC"])
def test_each_secret_lets_an_encoder_in_its_own_way(simulated, made, get, way):
    secrets = {
        "rtmps": made["rtmps"]["streamKey"],
        "srt": made["srt"]["passphrase"],
        "webRTC": made["webRTC"]["url"].split("/")[-3],
    }
    encoder = simulated.encoder(secrets[way])
    assert encoder.refusals == 0
    protocol = get(made["uid"])["status"]["current"]["ingestProtocol"]
    assert protocol == {"rtmps": "rtmp", "srt": "srt", "webRTC": "webrtc"}[way]


def test_the_id_and_the_playback_keys_let_nobody_in(simulated, made):
    for text in [
        made["uid"],
        made["rtmpsPlayback"]["streamKey"],
        made["srtPlayback"]["passphrase"],
    ]:
        assert simulated.encoder(text).refusals == 1


def test_a_second_encoder_is_refused_while_the_first_is_there(simulated, key):
    first = simulated.encoder(key)
    assert simulated.encoder(key).refusals == 1
    first.leave()
    assert simulated.encoder(key).refusals == 0


def test_a_lost_encoder_shows_as_disconnected_at_once(simulated, made, key, clock):
    encoder = simulated.encoder(key)
    clock.advance(10)
    encoder.leave()
    assert simulated.status(made["uid"]) == "disconnected"


def test_a_lost_encoder_can_show_as_reconnecting_until_its_time_is_up(simulated, made, key, clock):
    simulated.switch(announce_reconnecting=True)
    encoder = simulated.encoder(key)
    clock.advance(10)
    encoder.leave()
    assert simulated.status(made["uid"]) == "reconnecting"
    clock.advance(23)
    assert simulated.status(made["uid"]) == "disconnected"


def test_the_loss_of_an_srt_encoder_is_noticed_late(simulated, made, clock):
    encoder = simulated.encoder(made["srt"]["passphrase"])
    clock.advance(10)
    encoder.leave()
    assert simulated.status(made["uid"]) == "connected"
    clock.advance(30)
    assert simulated.status(made["uid"]) == "disconnected"


def test_a_loss_that_was_not_noticed_yet_is_told_when_an_encoder_is_back(simulated, made, clock):
    encoder = simulated.encoder(made["srt"]["passphrase"])
    clock.advance(10)
    encoder.leave()
    clock.advance(5)
    simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(60)
    assert [(one.kind, one.at) for one in simulated.happened()] == [
        ("live_input.connected", 2),
        ("live_input.disconnected", 15),
        ("live_input.connected", 17),
    ]


def test_an_encoder_that_is_back_in_time_goes_on_with_the_same_video(
    simulated, made, key, clock, videos
):
    encoder = simulated.encoder(key)
    clock.advance(10)
    encoder.leave()
    clock.advance(22.9)
    assert encoder.connect()
    clock.advance(2)

    assert simulated.status(made["uid"]) == "reconnected"
    assert len(videos()) == 1


def test_an_encoder_that_is_back_too_late_begins_another_video(simulated, made, key, clock, videos):
    encoder = simulated.encoder(key)
    clock.advance(10)
    encoder.leave()
    clock.advance(23)
    assert encoder.connect()
    clock.advance(2)

    assert simulated.status(made["uid"]) == "connected"
    latest, earlier = videos()
    assert latest["uid"] != earlier["uid"]
    assert latest["created"] > earlier["created"]


def test_a_recording_is_being_made_until_minutes_after_the_end(
    simulated, made, key, clock, videos, api
):
    encoder = simulated.encoder(key)
    clock.advance(90)
    encoder.leave()
    (video,) = videos()
    assert video["status"]["state"] == "live-inprogress"
    assert (video["duration"], video["size"], video["readyToStream"]) == (-1, -1, False)
    assert video["liveInput"] == made["uid"]
    clock.advance(20 + 3 + 59)
    refused = api.delete(f"stream/{video['uid']}")
    assert refused.status_code == 409
    assert refused.json()["errors"] == [
        {"code": 10046, "message": "Not Implemented: Feature not supported"}
    ]

    clock.advance(1)
    (video,) = videos()
    assert video["status"] == {
        "state": "ready",
        "pctComplete": "100.000000",
        "errorReasonCode": "",
        "errorReasonText": "",
    }
    assert (video["duration"], video["readyToStream"]) == (90, True)
    assert api.get(f"stream/{video['uid']}").json()["result"] == video
    assert api.delete(f"stream/{video['uid']}").status_code == 200
    assert videos() == []
    gone = api.get(f"stream/{video['uid']}")
    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, 10003)


def test_nothing_is_recorded_where_the_mode_is_off(api, simulated):
    made = api.post("stream/live_inputs", json={}).json()["result"]
    simulated.encoder(made["rtmps"]["streamKey"])
    assert simulated.status(made["uid"]) == "new_configuration_accepted"
    assert simulated.videos == {}


def test_webrtc_is_not_recorded(simulated, made):
    simulated.encoder(made["webRTC"]["url"].split("/")[-3])
    assert simulated.videos == {}


def test_disabling_throws_the_encoder_out_and_lets_none_in(simulated, made, key, clock, api):
    encoder = simulated.encoder(key, reconnects=True)
    clock.advance(10)
    api.post(f"stream/live_inputs/{made['uid']}/disable")

    assert simulated.status(made["uid"]) == "connected"
    clock.advance(2)
    assert simulated.status(made["uid"]) == "disconnected"
    assert encoder.refusals == 1
    api.post(f"stream/live_inputs/{made['uid']}/enable")
    assert encoder.connect()


def test_a_rotation_throws_the_encoder_out_and_refuses_the_old_key(
    simulated, made, key, clock, api
):
    encoder = simulated.encoder(key, reconnects=True)
    clock.advance(10)
    rotated = api.post(f"stream/live_inputs/{made['uid']}/rotate_keys").json()["result"]
    clock.advance(2)

    assert simulated.status(made["uid"]) == "disconnected"
    assert encoder.refusals == 1
    assert simulated.encoder(rotated["rtmps"]["streamKey"]).refusals == 0


def test_recordings_outlive_their_live_input_and_forget_it(simulated, made, key, clock, api):
    encoder = simulated.encoder(key, reconnects=True)
    clock.advance(60)
    api.delete(f"stream/live_inputs/{made['uid']}")
    assert encoder.refusals == 1
    clock.advance(600)

    (video,) = api.get("stream").json()["result"]
    assert (video["status"]["state"], video["liveInput"]) == ("ready", None)
    assert api.get("stream", params={"live_input_id": made["uid"]}).json()["result"] == []


def test_recordings_can_remember_or_go_with_their_live_input(simulated, create, clock, api):
    def end():
        made = create()
        simulated.encoder(made["rtmps"]["streamKey"]).leave()
        clock.advance(600)
        api.delete(f"stream/live_inputs/{made['uid']}")
        return made["uid"]

    simulated.switch(recordings_forget=False)
    uid = end()
    (video,) = api.get("stream", params={"live_input_id": uid}).json()["result"]
    assert video["liveInput"] == uid
    simulated.switch(recordings_outlive=False)
    end()
    assert list(simulated.videos) == [video["uid"]]


def test_a_recording_is_deleted_when_its_days_are_over(simulated, create, clock, api):
    made = create(deleteRecordingAfterDays=30)
    simulated.encoder(made["rtmps"]["streamKey"]).leave()
    clock.advance(123)
    (video,) = api.get("stream").json()["result"]
    assert video["scheduledDeletion"] == "2030-02-01T03:06:08Z"
    clock.advance(30 * 86400 - 1)
    assert len(api.get("stream").json()["result"]) == 1
    clock.advance(1)
    assert api.get("stream").json()["result"] == []


def test_storage_shows_a_recording_as_a_lump_afterwards(simulated, key, clock, api):
    def usage():
        return api.get("stream/storage-usage").json()["result"]

    simulated.store(33.31)
    encoder = simulated.encoder(key)
    clock.advance(3600)
    encoder.leave()
    assert usage() == {
        "totalStorageMinutes": 33.31,
        "totalStorageMinutesLimit": 1000,
        "videoCount": 1,
    }
    clock.advance(83)
    assert usage()["totalStorageMinutes"] == 93.31
    assert usage()["videoCount"] == 2


def test_storage_can_be_asked_for_one_creator(simulated, create, clock, api):
    made = create(defaultCreator="ann")
    simulated.store(5)
    encoder = simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(60)
    encoder.leave()
    clock.advance(600)
    usage = api.get("stream/storage-usage", params={"creator": "ann"}).json()["result"]
    assert (usage["creator"], usage["totalStorageMinutes"], usage["videoCount"]) == ("ann", 1, 1)


def test_while_the_storage_is_full_creating_succeeds_and_broadcasting_fails(simulated, create, get):
    simulated.store(1000)
    made = create()
    encoder = simulated.encoder(made["rtmps"]["streamKey"])

    assert encoder.refusals == 1
    assert get(made["uid"])["status"]["current"]["state"] == "failed_to_connect"
    (event,) = simulated.happened()
    assert event.kind == "live_input.errored"
    assert event.failure.code == "ERR_STORAGE_QUOTA_EXHAUSTED"


def test_creating_can_be_refused_while_the_storage_is_full(simulated, api):
    simulated.switch(refuse_when_full=True)
    simulated.store(1000)
    assert api.post("stream/live_inputs", json={}).status_code == 403
    assert simulated.inputs == {}


def test_a_broadcast_that_fails_says_why_until_the_next_one(simulated, made, key, get, clock):
    simulated.encoder(key)
    clock.advance(5)
    simulated.fail(made["uid"], "ERR_GOP_OUT_OF_RANGE")
    current = get(made["uid"])["status"]["current"]
    assert (current["state"], current["reason"]) == ("failed_to_connect", "ERR_GOP_OUT_OF_RANGE")
    clock.advance(30)
    simulated.encoder(key)
    assert simulated.status(made["uid"]) == "new_configuration_accepted"


def test_the_state_can_be_a_string_of_the_descriptions_words(simulated, made, key, get, clock):
    simulated.switch(status_shape="string")
    assert get(made["uid"])["status"] is None
    encoder = simulated.encoder(key)
    clock.advance(2)
    assert get(made["uid"])["status"] == "connected"
    encoder.leave()
    assert get(made["uid"])["status"] == "client_disconnect"


def test_the_state_can_be_a_word_that_nobody_knows(simulated, made, key, get):
    simulated.switch(unknown_state=True)
    assert get(made["uid"])["status"] is None
    simulated.encoder(key)
    assert get(made["uid"])["status"]["current"]["state"] == "rebalancing"


def test_before_the_first_encoder_the_state_can_have_no_current_or_be_absent(simulated, made, get):
    simulated.switch(idle_status="object")
    assert get(made["uid"])["status"] == {"history": []}
    simulated.switch(idle_status="absent")
    assert "status" not in get(made["uid"])


def test_videos_are_found_by_time_state_id_creator_and_name(simulated, create, clock, api):
    ids = []
    for creator in ("ann", "bob"):
        made = create(meta={"name": f"of {creator}"}, defaultCreator=creator)
        encoder = simulated.encoder(made["rtmps"]["streamKey"])
        clock.advance(100)
        if creator == "ann":
            encoder.leave()
            clock.advance(900)
        ids.append(api.get(f"stream/live_inputs/{made['uid']}/videos").json()["result"][0]["uid"])
    ann, bob = ids

    def find(**query):
        answer = api.get("stream", params={"include_counts": "true", **query}).json()
        found = [one["uid"] for one in answer["result"]]
        assert answer["range"] == len(found)
        return found

    assert find() == [bob, ann]
    assert find(asc="true") == [ann, bob]
    assert find(status="ready") == [ann]
    assert find(status="live-inprogress,error") == [bob]
    assert find(id=f"{ann},{'0' * 32}") == [ann]
    assert find(creator="bob") == [bob]
    assert find(search="OF ANN") == [ann]
    assert find(start="2030-01-02T03:04:06Z") == find(after="2030-01-02T03:04:06Z") == [bob]
    assert find(end="2030-01-02T03:04:05Z") == find(start="2030-01-02T03:20:45Z") == []
    assert find(end="2030-01-02T03:04:06Z") == find(before="2030-01-02T04:04:06+01:00") == [ann]
    assert find(limit=1) == [bob]
    simulated.switch(video_list_cap=1)
    answer = api.get("stream", params={"include_counts": "true"}).json()
    assert (len(answer["result"]), answer["range"], answer["total"]) == (1, 1, 2)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "1001"}, {"start": "yesterday"}])
def test_a_list_of_videos_refuses_what_it_cannot_read(api, query):
    assert api.get("stream", params=query).status_code == 400


def test_a_video_that_is_too_short_is_never_to_be_watched(simulated, key, clock, made):
    encoder = simulated.encoder(key)
    clock.advance(1)
    encoder.leave()
    clock.advance(10)
    assert simulated.on_air(simulated.inputs[made["uid"]]) is None


def test_what_happened_is_told_once_in_order(simulated, made, key, clock):
    encoder = simulated.encoder(key)
    clock.advance(5)
    assert states(simulated.happened()) == ["live_input.connected"]
    encoder.leave()
    clock.advance(1000)
    encoder.connect()
    clock.advance(5)

    happened = simulated.happened()
    assert states(happened) == [
        "live_input.connected",
        "live_input.disconnected",
        "video.ready",
        "live_input.connected",
    ]
    assert [one.at for one in happened] == [2, 5, 5 + 23 + 60, 1007]
    assert simulated.happened() == happened


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["push", "srt", "leave", "enable", "disable", "rotate", "fail"]),
        st.sampled_from([0, 1, 2, 5, 20, 29, 31, 33, 200]),
    ),
    max_size=40,
)


@with_settings(max_examples=200, deadline=None)
@given(actions=ACTIONS)
def test_whatever_encoders_do_history_only_grows_and_each_disconnect_follows_a_connect(actions):
    clock = ManualClock()
    platform = create_app(clock=clock).platform
    made = platform.create_input(
        {"recording": {"mode": "automatic", "timeoutSeconds": 30}}, idempotency_key=None
    )
    encoder = platform.encoder(made.keys.rtmps)
    told = []
    for action, seconds in actions:
        if action in {"push", "srt"}:
            key = made.keys.srt if action == "srt" else made.keys.rtmps
            arrived = platform.encoder(key)
            encoder = encoder if arrived.refusals else arrived
        elif action == "leave":
            encoder.leave()
        elif action == "rotate":
            platform.rotate_keys(made.uid)
        elif action == "fail":
            platform.fail(made.uid, "ERR_UNHEALTHY")
        elif action in {"enable", "disable"}:
            platform.set_enabled(made.uid, enabled=action == "enable")
        clock.advance(seconds)
        now = platform.happened()
        assert now[: len(told)] == told
        told = now

    kinds = [one for one in states(told) if one != "video.ready" and "errored" not in one]
    expected = ["live_input.connected", "live_input.disconnected"] * len(kinds)
    assert kinds == expected[: len(kinds)]
    ready = [one.video_id for one in told if one.kind == "video.ready"]
    assert len(ready) == len(set(ready))
    clock.advance(10_000)
    if platform.status(made.uid) not in {"connected", "reconnected", "new_configuration_accepted"}:
        assert not any(platform.is_being_made(one) for one in platform.videos.values())


def test_the_same_seed_gives_the_same_platform():
    def uid():
        platform = create_app(clock=ManualClock()).platform
        made = platform.create_input({}, idempotency_key=None)
        return platform.token, platform.account_id, made.uid, made.keys

    assert uid() == uid()


def test_resetting_forgets_all_but_switches_and_credentials(simulated, made, key, app, api):
    simulated.encoder(key)
    app.switch(list_lag="2")
    token = simulated.token
    app.reset()
    assert simulated.inputs == simulated.videos == {}
    assert simulated.happened() == simulated.requests == []
    assert simulated.token == token
    assert simulated.switches == CloudflareSwitches.of({"list_lag": 2})
    assert api.get("stream/live_inputs").json()["result"]["total"] == 0
