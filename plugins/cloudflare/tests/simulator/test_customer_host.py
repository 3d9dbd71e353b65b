"""The customer host: what viewers get, and when they get nothing."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headend.clock import SystemClock
from headend.hls import MasterPlaylist, MediaPlaylist, parse_playlist
from headend.playback import why_not_playable
from headend_contract.clock import START


@pytest.fixture
def made(create):
    return create(recording={"timeoutSeconds": 90})


@pytest.fixture
def encoder(made, simulated, clock):
    """An encoder of a broadcast that there is something to watch of."""
    encoder = simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(6)
    return encoder


def manifest(viewer, uid, name="video.m3u8", **query):
    return viewer.get(f"{uid}/manifest/{name}", params=query)


def test_an_idle_live_input_has_an_empty_manifest_nobody_watching_and_no_video(viewer, made):
    answer = manifest(viewer, made["uid"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert viewer.get(f"{made['uid']}/views").json() == {"liveViewers": 0}
    assert viewer.get(f"{made['uid']}/lifecycle").json() == {
        "isInput": True,
        "videoUID": None,
        "live": False,
    }


def test_connected_is_no_proof_of_a_picture(viewer, made, simulated, clock):
    simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(5.9)
    assert simulated.status(made["uid"]) == "connected"
    assert manifest(viewer, made["uid"]).status_code == 204
    clock.advance(0.1)
    assert manifest(viewer, made["uid"]).status_code == 200


@pytest.mark.usefixtures("encoder")
def test_a_live_input_on_air_has_a_playlist_a_video_and_viewers(viewer, made, simulated, api):
    (video,) = api.get(f"stream/live_inputs/{made['uid']}/videos").json()["result"]
    simulated.watch(made["uid"], 113)

    assert viewer.get(f"{made['uid']}/views").json() == {"liveViewers": 113}
    assert viewer.get(f"{made['uid']}/lifecycle").json() == {
        "isInput": True,
        "videoUID": video["uid"],
        "live": True,
    }
    answer = manifest(viewer, made["uid"])
    assert answer.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert answer.headers["access-control-allow-origin"] == "*"
    master = parse_playlist(answer.text, str(answer.url))
    assert isinstance(master, MasterPlaylist)
    answer = viewer.get(master.variants[0].uri)
    media = parse_playlist(answer.text, str(answer.url))
    assert isinstance(media, MediaPlaylist)
    segment = viewer.get(media.segments[-1].uri)
    assert (segment.status_code, segment.content[0]) == (200, 0x47)


@pytest.mark.usefixtures("encoder")
def test_a_player_finds_it_playable(served, simulated, made):
    url = f"{served.url}/customer-{simulated.customer_code}/{made['uid']}/manifest/video.m3u8"
    assert why_not_playable(url, timeout=10, clock=SystemClock()) is None


@pytest.mark.usefixtures("encoder")
def test_the_playlist_moves_on_with_time(viewer, made, clock):
    def latest():
        answer = manifest(viewer, made["uid"], "stream_720p.m3u8")
        return parse_playlist(answer.text, str(answer.url)).segments[-1].uri

    first = latest()
    assert latest() == first
    clock.advance(2)
    assert latest() != first


def test_after_the_end_the_playlist_is_frozen_for_timeoutseconds_and_three(
    viewer, made, encoder, clock
):
    encoder.leave()
    frozen = manifest(viewer, made["uid"], "stream_720p.m3u8")
    clock.advance(92.9)
    still = manifest(viewer, made["uid"], "stream_720p.m3u8")
    assert (still.status_code, still.text) == (200, frozen.text)
    assert "#EXT-X-ENDLIST" not in still.text
    clock.advance(0.1)
    assert manifest(viewer, made["uid"]).status_code == 204


def test_a_frozen_playlist_ends_where_timeoutseconds_is_short(viewer, create, simulated, clock):
    made = create(recording={"timeoutSeconds": 10})
    encoder = simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(6)
    encoder.leave()
    assert "#EXT-X-ENDLIST" in manifest(viewer, made["uid"], "stream_720p.m3u8").text


@pytest.mark.usefixtures("encoder")
def test_the_picture_goes_while_the_mode_is_off_and_comes_back(viewer, made, simulated, api):
    path = f"stream/live_inputs/{made['uid']}"
    api.put(path, json={"recording": {"mode": "off"}})
    answer = manifest(viewer, made["uid"])
    assert (answer.status_code, answer.text) == (404, "NotFound: failed to fetch")
    assert simulated.status(made["uid"]) == "connected"
    api.put(path, json={"recording": {"mode": "automatic"}})
    assert manifest(viewer, made["uid"]).status_code == 200


def test_low_latency_has_parts_only_where_it_is_preferred_and_asked_for(
    viewer, create, simulated, clock
):
    def playlist(uid, **query):
        answer = manifest(viewer, uid, **query)
        master = parse_playlist(answer.text, str(answer.url))
        return viewer.get(master.variants[0].uri).text

    for prefers, asks in [(True, True), (True, False), (False, True)]:
        made = create(preferLowLatency=prefers)
        simulated.encoder(made["rtmps"]["streamKey"])
        clock.advance(20)
        query = {"protocol": "llhls"} if asks else {}
        assert ("#EXT-X-PART:" in playlist(made["uid"], **query)) is (prefers and asks)


def test_webrtc_gives_nothing_to_watch_here(viewer, made, simulated, clock):
    simulated.encoder(made["webRTC"]["url"].split("/")[-3])
    clock.advance(60)
    simulated.watch(made["uid"], 5)
    assert manifest(viewer, made["uid"]).status_code == 204
    assert viewer.get(f"{made['uid']}/views").json() == {"liveViewers": 0}


def test_what_is_no_browser_gets_an_error_code(viewer, made, simulated):
    for path in ["manifest/video.m3u8", "views", "lifecycle"]:
        answer = viewer.get(f"{made['uid']}/{path}", headers={"User-Agent": "python-httpx/0.28"})
        assert (answer.status_code, answer.text) == (403, "error code: 1010")
    simulated.switch(browser_only=False)
    answer = viewer.get(f"{made['uid']}/views", headers={"User-Agent": "python-httpx/0.28"})
    assert answer.status_code == 200


def test_what_there_is_not_is_404_and_what_is_no_token_is_401(viewer, made, simulated, served):
    assert viewer.get(f"{'0' * 32}/views").status_code == 404
    assert viewer.get(f"{made['uid']}/nothing").status_code == 404
    assert viewer.get(f"{made['rtmps']['streamKey']}/views").status_code == 401
    other = f"{served.url}/customer-0000000000000000/{made['uid']}/views"
    assert httpx.get(other, headers={"User-Agent": "Mozilla/5.0"}).status_code == 404


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize(
    "name", ["seg_99.ts", "seg_x.ts", "seg_.ts", "seg.ts", "part_0.ts", "seg_0_0.ts", "other.m3u8"]
)
def test_a_file_that_there_is_not_is_404(viewer, made, name):
    assert manifest(viewer, made["uid"], name).status_code == 404


def test_a_deleted_live_input_has_nothing_to_watch(viewer, made, encoder, api):
    assert encoder.refusals == 0
    api.delete(f"stream/live_inputs/{made['uid']}")
    assert manifest(viewer, made["uid"]).status_code == 404


def test_a_recording_is_watched_under_its_own_id_once_it_is_ready(
    viewer, made, encoder, clock, api
):
    (video,) = api.get(f"stream/live_inputs/{made['uid']}/videos").json()["result"]
    clock.advance(10)
    encoder.leave()
    assert manifest(viewer, video["uid"]).status_code == 404
    clock.advance(1000)
    assert viewer.get(video["playback"]["hls"]).status_code == 200
    media = manifest(viewer, video["uid"], "stream_720p.m3u8").text
    assert media.count("#EXTINF") == 8
    assert "#EXT-X-ENDLIST" in media
    assert manifest(viewer, video["uid"], "seg_7.ts").status_code == 200
    assert viewer.get(f"{video['uid']}/lifecycle").json() == {
        "isInput": False,
        "videoUID": video["uid"],
        "live": False,
    }
    assert viewer.get(f"{video['uid']}/views").status_code == 404


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 204),
        ("https://example.com", 204),
        ("https://a.example.org:8443", 204),
        ("https://example.org", 403),
        ("https://evil.example", 403),
    ],
)
def test_only_allowed_pages_may_show_it(viewer, create, origin, status):
    uid = create(recording={"allowedOrigins": ["example.com", "*.example.org"]})["uid"]
    headers = {} if origin is None else {"Origin": origin}
    assert viewer.get(f"{uid}/manifest/video.m3u8", headers=headers).status_code == status


def test_a_hidden_viewer_count_is_zero_or_refused(viewer, create, simulated, clock):
    made = create(recording={"hideLiveViewerCount": True})
    simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(10)
    simulated.watch(made["uid"], 7)
    assert viewer.get(f"{made['uid']}/views").json() == {"liveViewers": 0}
    simulated.switch(hidden_views="refused")
    assert viewer.get(f"{made['uid']}/views").status_code == 403


# -- playback tokens ------------------------------------------------------------------------------


@pytest.fixture
def signed(create, simulated, clock):
    """A live input on air that only tokens let watch."""
    made = create(recording={"requireSignedURLs": True})
    simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(6)
    return made["uid"]


def token_for(api, uid, **body):
    answer = api.post(f"stream/{uid}/token", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]["token"]


def test_a_live_input_that_needs_a_token_is_401_without_one(viewer, signed):
    for path in ["manifest/video.m3u8", "views", "lifecycle"]:
        assert viewer.get(f"{signed}/{path}").status_code == 401


def test_a_token_stands_in_the_place_of_the_id_for_an_hour(viewer, signed, api, clock):
    token = token_for(api, signed)
    for path in ["manifest/video.m3u8", "views", "lifecycle"]:
        assert viewer.get(f"{token}/{path}").status_code == 200
    clock.advance(3599)
    assert manifest(viewer, token).status_code == 200
    clock.advance(1)
    assert manifest(viewer, token).status_code == 401


def test_a_token_says_what_it_was_asked_to_say(signed, api):
    now = int((START + timedelta(seconds=6)).timestamp())
    rules = [{"type": "any", "action": "allow"}]
    asked = {"exp": now + 60, "nbf": now - 5, "accessRules": rules, "downloadable": True}
    token = token_for(api, signed, **asked)

    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in token.split(".")[:2]
    )
    assert header["alg"] == "RS256"
    assert payload == {"sub": signed, "kid": header["kid"], **asked}


@pytest.mark.parametrize(
    "body",
    [
        {"exp": "soon"},
        {"exp": int(START.timestamp()) - 1},
        {"exp": int(START.timestamp()) + 86400 * 2},
        {"nbf": 1.5},
        {"accessRules": [{"type": "any", "action": "allow"}] * 6},
        {"accessRules": [{"type": "weather"}]},
        {"id": "0" * 32},
        {"id": "0" * 32, "pem": "bm90IGEga2V5"},
        {"id": "0" * 32, "pem": "no base64!"},
    ],
)
def test_a_token_that_cannot_be_made_is_refused(signed, api, body):
    assert api.post(f"stream/{signed}/token", json=body).status_code == 400


def test_tokens_can_be_for_videos_alone(signed, api, simulated):
    video = api.get(f"stream/live_inputs/{signed}/videos").json()["result"][0]["uid"]
    simulated.switch(tokens_for_inputs=False)
    assert api.post(f"stream/{signed}/token", json={}).status_code == 404
    assert api.post(f"stream/{video}/token", json={}).status_code == 200
    assert api.post(f"stream/{'0' * 32}/token", json={}).status_code == 404


def test_what_a_signing_key_signs_is_good_until_the_key_is_revoked(
    viewer, signed, api, clock, simulated
):
    key = api.post("stream/keys").json()["result"]
    private = load_pem_private_key(base64.b64decode(key["pem"]), None)
    now = int(clock.now().timestamp())

    def sign(*, kid=key["id"], by=private, algorithm="RS256", named=None, **more):
        payload = {"sub": signed, "kid": kid, "exp": now + 60, "nbf": now, **more}
        return jwt.encode(payload, by, algorithm=algorithm, headers={"kid": named or kid})

    good = sign()
    assert manifest(viewer, good).status_code == 200
    bad = [
        sign(exp=now),
        sign(nbf=now + 1),
        sign(sub="0" * 32 + "x"),
        sign(kid="0" * 32),
        sign(kid="0" * 32, named=key["id"]),
        sign(exp="later"),
        sign(by=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        sign(by="k" * 64, algorithm="HS256"),
        good[:-4] + "AAAA",
        "a.b.c",
    ]
    assert [manifest(viewer, one).status_code for one in bad] == [401, 401, 404, *[401] * 7]
    jwk = json.loads(base64.b64decode(key["jwk"]))
    by_jwk = jwt.algorithms.RSAAlgorithm.from_jwk(jwk)
    assert manifest(viewer, sign(by=by_jwk)).status_code == 200
    api.delete(f"stream/keys/{key['id']}")
    assert manifest(viewer, good).status_code == 401


def test_a_token_can_be_made_with_an_own_key(viewer, signed, api):
    key = api.post("stream/keys").json()["result"]
    token = token_for(api, signed, id=key["id"], pem=key["pem"])
    assert jwt.get_unverified_header(token)["kid"] == key["id"]
    assert manifest(viewer, token).status_code == 200


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([{"type": "any", "action": "block"}], 401),
        ([{"type": "any", "action": "allow"}, {"type": "any", "action": "block"}], 200),
        ([{"type": "ip.src", "ip": ["127.0.0.0/8"], "action": "block"}], 401),
        ([{"type": "ip.src", "ip": ["192.0.2.1"], "action": "block"}], 200),
        (
            [
                {"type": "ip.src", "ip": ["127.0.0.1"], "action": "allow"},
                {"type": "any", "action": "block"},
            ],
            200,
        ),
        ([{"type": "ip.geoip.country", "country": ["US"], "action": "block"}], 200),
    ],
)
def test_the_first_access_rule_that_matches_decides(viewer, signed, api, rules, status):
    assert manifest(viewer, token_for(api, signed, accessRules=rules)).status_code == status


def test_a_recording_needs_a_token_as_its_live_input_did(viewer, signed, api, simulated, clock):
    video = api.get(f"stream/live_inputs/{signed}/videos").json()["result"][0]["uid"]
    api.post(f"stream/live_inputs/{signed}/disable")
    clock.advance(1000)
    assert manifest(viewer, video).status_code == 401
    assert manifest(viewer, token_for(api, video)).status_code == 200
