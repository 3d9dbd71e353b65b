"""Who is let in, how often, and how the platform says no."""

from __future__ import annotations

import json

import httpx
import pytest

UNKNOWN = "cfat_" + "0" * 48


def told(answer):
    body = answer.json()
    assert body["success"] is False
    assert body["result"] is None
    assert body["messages"] == []
    (error,) = body["errors"]
    return answer.status_code, error["code"], error["message"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer short", "Basic " + "a" * 50])
def test_what_cannot_be_a_token_is_an_invalid_header(served, simulated, header):
    answer = httpx.get(
        f"{served.url}/client/v4/accounts/{simulated.account_id}/stream",
        headers={} if header is None else {"Authorization": header},
    )
    assert told(answer) == (400, 6003, "Invalid request headers")
    assert answer.json()["errors"][0]["error_chain"] == [
        {"code": 6111, "message": "Invalid format for Authorization header"}
    ]


def test_a_token_that_is_none_is_refused_with_401_or_403(api_with, simulated):
    stranger = api_with(UNKNOWN)
    assert told(stranger.get("stream")) == (401, 10000, "Authentication error")
    simulated.switch(bad_token_status=403)
    assert told(stranger.get("stream")) == (403, 10000, "Authentication error")


def test_a_token_for_reading_reads_and_does_not_write(api_with, simulated):
    reader = api_with(simulated.read_only_token)
    assert reader.get("stream/live_inputs").status_code == 200
    for method, path in [
        ("POST", "stream/live_inputs"),
        ("PUT", f"stream/live_inputs/{'0' * 32}"),
        ("DELETE", f"stream/live_inputs/{'0' * 32}"),
        ("POST", "stream/keys"),
        ("PUT", "stream/webhook"),
    ]:
        assert told(reader.request(method, path))[:2] == (403, 10000)
    assert simulated.inputs == {}


@pytest.mark.parametrize("code", [10000, 9109, 10001])
def test_a_missing_permission_has_one_of_three_codes(api_with, simulated, code):
    simulated.switch(permission_code=code)
    answer = api_with(simulated.read_only_token).post("stream/live_inputs")
    assert told(answer)[:2] == (403, code)


def test_another_account_is_forbidden_and_none_is_no_route(api_with):
    assert told(api_with(account="0" * 32).get("stream"))[:2] == (403, 10000)
    assert told(api_with(account="mine").get("stream"))[:2] == (400, 7003)


@pytest.mark.parametrize("path", ["stream/live_inputs/key", "stream/x", "stream/keys/1"])
def test_an_id_that_cannot_be_one_is_no_route(api, path):
    assert told(api.request("DELETE", path)) == (400, 7003, "No route for the URI")


def test_an_unknown_path_or_method_is_no_route(api):
    assert told(api.get("nothing"))[:2] == (404, 7003)
    assert told(api.get("stream/"))[:2] == (404, 7003)
    assert told(api.patch("stream"))[:2] == (405, 7003)


def test_the_account_itself_is_not_for_a_token_of_stream(api):
    assert told(api.get(str(api.base_url).rstrip("/")))[:2] == (403, 9109)


@pytest.mark.parametrize(
    ("content", "status"), [("{", 400), ("[]", 400), ("[" * 100_000, 400), ("9" * 1_100_000, 413)]
)
def test_a_body_that_is_no_json_object_is_refused(api, content, status):
    assert told(api.post("stream/live_inputs", content=content))[:2] == (status, 19999)


def test_each_verify_endpoint_knows_the_tokens_of_one_kind(served, simulated):
    def verify(path, token):
        url = f"{served.url}/client/v4{path}/tokens/verify"
        return httpx.get(url, headers={"Authorization": f"Bearer {token}"})

    account = f"/accounts/{simulated.account_id}"
    for path, token in [("/user", simulated.user_token), (account, simulated.token)]:
        answer = verify(path, token)
        assert answer.status_code == 200
        assert answer.json()["result"]["status"] == "active"
        assert answer.json()["messages"] == [
            {"code": 10000, "message": "This API Token is valid and active", "type": None}
        ]
    for path, token in [
        ("/user", simulated.token),
        (account, simulated.user_token),
        ("/user", UNKNOWN),
    ]:
        assert told(verify(path, token)) == (401, 1000, "Invalid API Token")


def test_a_users_token_and_an_accounts_token_do_the_same(api_with, simulated):
    assert api_with(simulated.user_token).post("stream/live_inputs").status_code == 200


def test_every_answer_has_a_ray_and_tells_what_is_left_of_the_rate(api, api_with, simulated):
    answers = [
        api.get("stream"),
        api.get(f"stream/{'0' * 32}"),
        api.post("stream/live_inputs", content="{"),
        api.get("nothing"),
    ]
    assert len({one.headers["cf-ray"] for one in answers}) == 4
    assert [one.headers.get("ratelimit") for one in answers] == [
        '"default";r=1199;t=300',
        '"default";r=1198;t=300',
        '"default";r=1197;t=300',
        None,
    ]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=1200;w=300'
    denied = api_with(simulated.read_only_token).post("stream/live_inputs")
    assert denied.headers["ratelimit"] == '"default";r=1199;t=300'


def test_too_many_requests_are_refused_for_five_minutes(api, simulated, clock):
    simulated.switch(rate_limit=3, rate_answer="429")
    for _ in range(3):
        assert api.get("stream").status_code == 200
    clock.advance(299)
    first = api.get("stream")
    assert told(first)[:2] == (429, 971)
    assert first.headers["retry-after"] == "300"
    assert first.headers["ratelimit"] == '"default";r=0;t=300'
    clock.advance(299.5)
    assert api.get("stream").headers["retry-after"] == "1"
    clock.advance(0.5)
    assert api.get("stream").status_code == 200


def test_a_refusal_for_the_rate_can_hide_inside_200(api, simulated):
    simulated.switch(rate_limit=1)
    api.get("stream")
    refusals = [api.get("stream") for _ in range(4)]
    assert [one.status_code for one in refusals] == [200, 429, 200, 429]
    assert all(told(one)[1] == 971 for one in refusals)
    assert ["retry-after" in one.headers for one in refusals] == [False, True, False, True]

    simulated.switch(rate_answer="200")
    assert [api.get("stream").status_code for _ in range(2)] == [200, 200]
    simulated.switch(rate_answer="429", retry_after=False)
    assert "retry-after" not in api.get("stream").headers


def test_a_limit_is_for_one_token_and_requests_age_out(api, api_with, simulated, clock):
    simulated.switch(rate_limit=2)
    api.get("stream")
    clock.advance(200)
    api.get("stream")
    clock.advance(100)
    answer = api.get("stream")
    assert (answer.status_code, answer.headers["ratelimit"]) == (200, '"default";r=0;t=200')
    assert api_with(simulated.user_token).get("stream").status_code == 200


def test_there_need_be_no_limit(api, simulated):
    simulated.switch(rate_limit=0)
    assert "ratelimit" not in api.get("stream").headers


def test_every_so_many_requests_one_meets_an_internal_error(api, simulated):
    simulated.switch(internal_error_every=3)
    answers = [api.post("stream/live_inputs") for _ in range(6)]
    assert [one.status_code for one in answers] == [200, 200, 403, 200, 200, 403]
    assert told(answers[2]) == (403, 10001, "internal error")
    assert len(simulated.inputs) == 4


def test_every_so_many_requests_one_meets_a_page_of_the_edge(api, simulated):
    simulated.switch(bad_gateway_every=2)
    answers = [api.post("stream/live_inputs") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 502, 200, 502]
    assert answers[1].headers["content-type"].startswith("text/html")
    assert answers[1].text.startswith("<!DOCTYPE html>")
    assert len(simulated.inputs) == 2


def test_requests_are_kept_for_tests_to_see(api, viewer, simulated):
    api.get("stream", params={"limit": 1})
    viewer.get(f"{'0' * 32}/views")
    first, second = simulated.requests
    assert (first.method, first.query, first.status) == ("GET", "limit=1", 200)
    assert first.path == f"/client/v4/accounts/{simulated.account_id}/stream"
    assert (first.authorized, second.authorized) == (True, False)
    assert (second.status, second.agent.startswith("Mozilla/")) == (404, True)


# -- signing keys and the webhook -----------------------------------------------------------------


def test_a_signing_key_is_shown_whole_once(api, simulated):
    made = api.post("stream/keys", json={}).json()["result"]
    assert set(made) == {"id", "pem", "jwk", "created"}
    (listed,) = api.get("stream/keys").json()["result"]
    assert listed == {"id": made["id"], "key_id": made["id"], "created": made["created"]}
    revoked = api.delete(f"stream/keys/{made['id']}")
    assert revoked.json()["result"] == "Revoked"
    assert told(api.delete(f"stream/keys/{made['id']}"))[:2] == (404, 10003)
    assert simulated.signing_keys == {}


def test_the_webhook_is_set_shown_and_removed(api, simulated):
    assert told(api.get("stream/webhook"))[:2] == (404, 10003)
    assert told(api.delete("stream/webhook"))[:2] == (404, 10003)
    assert told(api.put("stream/webhook", json={"notificationUrl": 1}))[:2] == (400, 19999)
    url = "https://hooks.example/stream"
    result = api.put("stream/webhook", json={"notificationUrl": url}).json()["result"]
    assert result == {
        "notificationUrl": url,
        "modified": "2030-01-02T03:04:05.000000Z",
        "secret": simulated.webhook_secret,
    }
    assert api.get("stream/webhook").json()["result"] == result
    assert api.delete("stream/webhook").json()["result"] == "ok"
    assert told(api.get("stream/webhook"))[:2] == (404, 10003)


def test_an_answer_is_json_with_an_envelope(api):
    answer = api.get("stream")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content) == {
        "result": [],
        "success": True,
        "errors": [],
        "messages": [],
    }
