"""The simulated platform, asked by plain HTTP and looked at from behind."""

from __future__ import annotations

import hashlib
import hmac
from random import Random

import httpx
import pytest

from headend.plugin import ConfigurationError
from headend_contract.clock import ManualClock
from headend_contract.reference.platform import BITRATE, Received, ReferenceSwitches
from headend_contract.reference.simulator import create_app


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def ids(answer: httpx.Response, name: str = "inputs") -> list[str]:
    return [one["id"] for one in answer.json()[name]]


def test_what_is_created_is_there_with_its_key_and_without_it_where_no_key_belongs(
    http, create, simulated
):
    made = create(name="Ünï", tags={"marker": "m1"}, low_latency=True)
    key = made.pop("stream_key")

    assert http.get(f"inputs/{made['id']}").json() == made
    assert http.get(f"inputs/{made['id']}/key").json() == {**made, "stream_key": key}
    assert simulated.keys == {key: made["id"]}
    listed = http.get("inputs")
    assert key not in listed.text
    assert "status" not in listed.json()["inputs"][0]
    assert (made["status"], made["name"], made["low_latency"]) == ("idle", "Ünï", True)


def test_the_same_seed_gives_the_same_ids_and_keys():
    def made(seed: int) -> list[object]:
        platform = create_app(clock=ManualClock(), random=Random(seed)).platform
        return [platform.token, platform.create_input({}), platform.create_input({})]

    assert made(1) == made(1)
    assert made(1) != made(2)


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}"])
def test_without_a_good_token_nothing_is_told(http, simulated, token):
    headers = {"Authorization": token.format(token=simulated.token)}

    assert code(http.get("inputs", headers=headers)) == (401, "unauthenticated")


def test_a_token_that_may_only_read_reads_and_writes_nothing(http, create, simulated):
    made = create()
    headers = {"Authorization": f"Bearer {simulated.read_only_token}"}

    assert http.get("inputs", headers=headers).status_code == 200
    assert http.get("", headers=headers, follow_redirects=True).json()["may_write"] is False
    assert code(http.post("inputs", headers=headers, json={})) == (403, "forbidden")
    assert code(http.delete(f"inputs/{made['id']}", headers=headers)) == (403, "forbidden")


def test_a_token_is_for_its_own_account_only(http):
    other = str(http.base_url).replace("/main/", "/other/inputs")

    assert code(http.get(other)) == (403, "forbidden")


def test_paths_and_inputs_that_are_not_there_are_told_apart(http):
    assert code(http.get("inputs/in_0")) == (404, "input_not_found")
    assert code(http.get("outputs")) == (404, "no_such_route")
    assert code(http.put("inputs")) == (405, "no_such_route")
    assert code(http.delete("recordings/re_0")) == (404, "recording_not_found")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "malformed")),
        (b"[]", (400, "malformed")),
        (b"[" * 60000, (400, "malformed")),
        (b" " * 70000, (413, "too_large")),
        (b'{"nam": "x"}', (422, "invalid")),
        (b'{"name": 1}', (422, "invalid")),
        (b'{"tags": {"a": 1}}', (422, "invalid")),
        (b'{"tags": []}', (422, "invalid")),
        (b'{"low_latency": 1}', (422, "invalid")),
        (b'{"tags": {"a": "' + b"x" * 257 + b'"}}', (422, "invalid")),
        (b'{"tags": {"' + b"x" * 129 + b'": "a"}}', (422, "invalid")),
    ],
)
def test_values_that_it_does_not_take_create_nothing(http, simulated, body, expected):
    assert code(http.post("inputs", content=body)) == expected
    assert simulated.inputs == {}


def test_pages_give_every_input_once_also_while_some_go_away(http, create, simulated):
    made = [create()["id"] for _ in range(7)]
    simulated.switch(page_size=3)
    first = http.get("inputs", params={"limit": 50})
    for gone in (made[0], made[2], made[4]):
        http.delete(f"inputs/{gone}")
    second = http.get("inputs", params={"cursor": first.json()["next_cursor"]})

    assert ids(first) == made[:3]
    assert ids(second) == [made[3], made[5], made[6]]
    assert second.json()["next_cursor"] is None


@pytest.mark.parametrize(
    "query", [{"cursor": "abc"}, {"cursor": "7"}, {"limit": "0"}, {"limit": "-1"}]
)
def test_cursors_and_limits_that_it_did_not_promise_are_refused(http, query):
    assert http.get("inputs", params=query).status_code == 400


def test_a_list_that_lags_shows_what_was_created_only_later_while_the_input_itself_is_there(
    http, create, simulated, clock
):
    simulated.switch(list_lag=5)
    made = create()["id"]

    assert http.get(f"inputs/{made}").status_code == 200
    assert ids(http.get("inputs")) == []
    clock.advance(4.9)
    assert ids(http.get("inputs")) == []
    clock.advance(0.1)
    assert ids(http.get("inputs")) == [made]


def test_too_many_requests_are_refused_until_the_window_has_moved_on(http, simulated, clock):
    simulated.switch(rate_limit=2, rate_window=10)

    first = http.get("inputs")
    clock.advance(4)
    second = http.get("inputs")
    third = http.get("inputs")
    assert [one.headers["Ratelimit"] for one in (first, second)] == [
        '"api";r=1;t=10',
        '"api";r=0;t=6',
    ]
    assert first.headers["Ratelimit-Policy"] == '"api";q=2;w=10'
    assert code(third) == (429, "rate_limited")
    assert third.headers["Retry-After"] == "6"
    simulated.switch(retry_after=False)
    assert "Retry-After" not in http.get("inputs").headers
    clock.advance(6)
    assert http.get("inputs").status_code == 200


def test_an_account_has_a_quota_that_ending_frees(http, create, simulated):
    simulated.switch(input_quota=1)
    made = create()["id"]

    assert code(http.post("inputs", json={})) == (402, "quota_exceeded")
    assert http.delete(f"inputs/{made}").status_code == 204
    create()


def test_an_encoder_makes_an_input_go_through_its_states(http, create, simulated, clock):
    made = create()
    encoder = simulated.encoder(made["stream_key"])

    def status() -> str:
        found: str = http.get(f"inputs/{made['id']}").json()["status"]
        return found

    assert status() == "starting"
    clock.advance(2)
    assert status() == "on_air"
    encoder.leave()
    assert status() == "reconnecting"
    clock.advance(9)
    assert encoder.connect()
    assert status() == "starting"
    clock.advance(2)
    assert status() == "on_air"
    http.post(f"inputs/{made['id']}/stop")
    assert status() == "stopping"
    clock.advance(1)
    assert status() == "idle"
    assert [(one.type, one.reason) for one in simulated.events] == [
        ("input.on_air", None),
        ("input.reconnecting", "connection_lost"),
        ("input.on_air", None),
        ("input.off_air", "stopped"),
        ("recording.ready", None),
    ]


def test_a_lost_encoder_ends_the_broadcast_after_the_grace_time(http, create, simulated, clock):
    made = create()
    simulated.encoder(made["stream_key"]).leave()
    clock.advance(10)

    assert simulated.status(made["id"]) == "idle"
    (recorded,) = http.get(f"inputs/{made['id']}/recordings").json()["recordings"]
    assert recorded["duration"] == 10
    (broadcast,) = http.get(f"inputs/{made['id']}/broadcasts").json()["broadcasts"]
    assert broadcast["ended_at"] == recorded["created_at"]


def test_only_one_encoder_gets_in_and_only_with_a_good_key(create, simulated):
    key = create()["stream_key"]
    first = simulated.encoder(key)

    assert first.refusals == 0
    assert simulated.encoder(key).refusals == 1
    assert simulated.encoder("rk_0").refusals == 1


def test_an_input_on_air_is_not_deleted_and_an_encoder_that_was_stopped_comes_back(
    http, create, simulated, clock
):
    made = create()
    path = f"inputs/{made['id']}"
    encoder = simulated.encoder(made["stream_key"], reconnects=True)

    assert code(http.delete(path)) == (409, "input_on_air")
    http.post(f"{path}/stop")
    clock.advance(5)
    assert simulated.status(made["id"]) == "on_air"
    http.delete(f"{path}/key")
    assert simulated.status(made["id"]) == "on_air"
    assert code(http.get(f"{path}/key")) == (409, "key_revoked")
    http.post(f"{path}/stop")
    assert code(http.delete(path)) == (409, "input_on_air")
    clock.advance(1)
    assert encoder.refusals == 1
    assert code(http.post(f"{path}/stop")) == (409, "not_on_air")
    assert http.delete(path).status_code == 204
    assert simulated.deleted == [made["id"]]


@pytest.mark.parametrize("how", ["rotate", "disable"])
def test_a_new_key_and_a_disabled_input_throw_the_encoder_out(http, create, simulated, clock, how):
    made = create()
    path = f"inputs/{made['id']}"
    encoder = simulated.encoder(made["stream_key"], reconnects=True)
    if how == "rotate":
        fresh = http.post(f"{path}/key").json()["stream_key"]
    else:
        http.patch(path, json={"enabled": False})
    clock.advance(1)

    assert encoder.refusals == 1
    if how == "rotate":
        assert simulated.status(made["id"]) == "idle"
        assert simulated.encoder(fresh).refusals == 0
    else:
        assert simulated.status(made["id"]) == "blocked"
        http.patch(path, json={"enabled": True})
        assert encoder.connect()


def test_only_enabled_can_be_changed(http, create):
    path = f"inputs/{create()['id']}"

    for body in ({}, {"enabled": 1}, {"name": "x"}, {"enabled": True, "name": "x"}):
        assert code(http.patch(path, json=body)) == (422, "invalid")


def test_viewers_are_counted_on_air_only_and_watch_time_adds_up(http, create, simulated, clock):
    made = create()
    path = f"inputs/{made['id']}/metrics"
    idle = http.get(path).json()
    simulated.encoder(made["stream_key"])
    clock.advance(2)
    simulated.watch(made["id"], 3)
    clock.advance(10)
    simulated.watch(made["id"], 1)
    clock.advance(5)
    live = http.get(path).json()

    assert (idle["viewers"], idle["bitrate"], idle["peak_viewers"]) == (-1, None, 0)
    assert (live["viewers"], live["bitrate"], live["peak_viewers"]) == (1, BITRATE, 3)
    assert live["watch_seconds"] == 35
    many = http.get("metrics", params={"ids": f"in_0,{made['id']}"}).json()["metrics"]
    assert many == [live]
    assert code(http.get("metrics")) == (422, "invalid")


def test_recordings_outlive_their_input(http, create, simulated, clock):
    made = create()
    simulated.encoder(made["stream_key"])
    http.post(f"inputs/{made['id']}/stop")
    clock.advance(1)
    assert http.delete(f"inputs/{made['id']}").status_code == 204
    (kept,) = simulated.recordings

    assert http.delete(f"recordings/{kept}").status_code == 204
    assert simulated.recordings == {}


def test_a_webhook_is_signed_with_time_and_body(create, simulated, clock):
    simulated.encoder(create()["stream_key"])
    clock.advance(2)
    simulated.status(next(iter(simulated.inputs)))
    headers, body = simulated.webhook(simulated.events[0])
    stamp, signature = (
        part.partition("=")[2] for part in headers["Reference-Signature"].split(",")
    )

    expected = hmac.new(
        simulated.webhook_secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256
    )
    assert signature == expected.hexdigest()
    assert int(stamp) == int(clock.now().timestamp())


def test_every_answer_has_a_request_id_and_every_request_is_seen(http, create, simulated):
    create()
    answers = [http.get("inputs"), http.get("inputs/in_0"), http.get("nowhere")]

    assert len({one.headers["X-Request-Id"] for one in answers}) == 3
    assert simulated.requests[0] == Received("POST", "/v1/accounts/main/inputs", 201)
    assert [one.status for one in simulated.requests] == [201, 200, 404, 404]


def test_quirks_are_off_until_they_are_switched_on(http, create, simulated):
    path = f"inputs/{create()['id']}"
    plain = http.get(path).json()
    simulated.switch(unknown_status=True, extra_fields=True, stuck_cursor=True)
    quirky = http.get(path).json()
    listed = http.get("inputs").json()

    assert plain["status"] == "idle"
    assert quirky["status"] == "rewinding"
    assert set(quirky) - set(plain) == {"colour"}
    cursor = listed["next_cursor"]
    assert http.get("inputs", params={"cursor": cursor}).json() == listed


def test_a_reset_forgets_all_but_credentials_and_switches(http, create, simulated):
    create()
    token = simulated.token
    simulated.switch(page_size=3)
    simulated.reset()

    assert (simulated.inputs, simulated.requests, simulated.created) == ({}, [], 0)
    assert (simulated.token, simulated.switches.page_size) == (token, 3)
    assert http.get("inputs").json() == {"inputs": [], "next_cursor": None}


def test_every_switch_says_what_it_does_and_its_default_as_text_and_no_other_name_is_one():
    described = ReferenceSwitches.describe()
    assert all(text.endswith(".") for text in described.values())
    typed = {name: text.rpartition(" Default: ")[2][:-1] for name, text in described.items()}
    assert ReferenceSwitches.of(typed) == ReferenceSwitches()
    platform = create_app(switches={"list_lag": "2.5", "stuck_cursor": "true"}).platform
    assert (platform.switches.list_lag, platform.switches.stuck_cursor) == (2.5, True)
    for wrong in ({"list_lags": 1}, {"page_size": 0}, {"page_size": "many"}, {"list_lag": -1}):
        with pytest.raises(ConfigurationError) as caught:
            create_app(switches=wrong)
        assert f"switch {next(iter(wrong))}" in str(caught.value)
