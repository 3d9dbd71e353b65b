"""Watch time: what the GraphQL API and the account's usage tell, and how they refuse."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings as with_settings, strategies as st

from headend_cloudflare.simulator.graphql import Field, QueryError, parse

QUERY = """
query Minutes($accountTag: string!, $start: Date, $end: Date, $ids: [string!]) { # comment
  viewer {
    accounts(filter: {accountTag: $accountTag}) {
      groups: streamMinutesViewedAdaptiveGroups(
        filter: {date_geq: $start, date_lt: $end, uid_in: $ids}
        orderBy: [sum_minutesViewed_DESC], limit: 100
      ) { sum { minutesViewed } dimensions { uid clientCountryName } }
    }
  }
}
"""
DAY = {"start": "2030-01-02", "end": "2030-01-03"}


@pytest.fixture
def made(create):
    return create(defaultCreator="ann")


@pytest.fixture
def video(made, simulated, clock, api):
    """The video of a broadcast that began to be watchable just now."""
    simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(6)
    return api.get(f"stream/live_inputs/{made['uid']}/videos").json()["result"][0]["uid"]


@pytest.fixture
def minutes(ask, simulated):
    def read(*ids, **days):
        variables = {"accountTag": simulated.account_id, "ids": [*ids], **DAY, **days}
        body = ask(QUERY, variables).json()
        assert body["errors"] is None, body
        (account,) = body["data"]["viewer"]["accounts"]
        return {
            tuple(one["dimensions"].values()): one["sum"]["minutesViewed"]
            for one in account["groups"]
        }

    return read


@pytest.fixture
def refusal(ask, simulated):
    def read(query, variables=None, **more):
        given = {"accountTag": simulated.account_id, "ids": [], **DAY}
        answer = ask(query, given if variables is None else variables, **more)
        body = answer.json()
        assert answer.status_code == 200
        assert body["data"] is None
        (error,) = body["errors"]
        assert set(error) == {"message", "path", "extensions"}
        assert error["extensions"]["timestamp"].startswith("2030-")
        return error["message"]

    return read


def groups(filter_, rest="{ sum { minutesViewed } }", arguments="limit: 10"):
    return (
        "query($accountTag: string!) { viewer { accounts(filter: {accountTag: $accountTag}) {"
        f" streamMinutesViewedAdaptiveGroups(filter: {{{filter_}}}, {arguments}) {rest} }} }} }}"
    )


def test_minutes_are_counted_under_the_video_and_come_late(simulated, made, video, minutes, clock):
    simulated.watch(made["uid"], 10)
    clock.advance(120)
    simulated.watch(made["uid"], 0)
    assert minutes(video) == {}
    clock.advance(299)
    assert minutes(video)[(video, "US")] == pytest.approx(10 * 119 / 60)
    clock.advance(1)
    assert minutes(video) == {(video, "US"): 20}
    assert minutes(made["uid"]) == {}
    assert minutes(made["uid"], video) == {(video, "US"): 20}


def test_minutes_can_be_counted_under_the_live_input(simulated, made, video, minutes, clock):
    simulated.switch(minutes_of="input", graphql_delay=0)
    simulated.watch(made["uid"], 3)
    clock.advance(60)
    assert minutes(made["uid"], video) == {(made["uid"], "US"): 3}


def test_what_nobody_could_watch_was_not_watched(simulated, made, minutes, clock):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 60)
    clock.advance(600)
    encoder = simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(6 + 60)
    encoder.leave()
    clock.advance(10_000)
    (total,) = minutes(*simulated.videos).values()
    assert total == 60 + 63


def test_countries_and_recordings_are_counted_apart(simulated, made, video, minutes, clock, api):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 1, country="DE")
    simulated.watch(made["uid"], 2, country="FR")
    clock.advance(60)
    api.post(f"stream/live_inputs/{made['uid']}/disable")
    clock.advance(1000)
    upload = simulated.store(5)
    simulated.watch(upload, 4)
    clock.advance(60)
    found = minutes(video, upload)
    assert found[(upload, "US")] == 4
    assert found[(video, "FR")] == 2 * found[(video, "DE")]
    assert next(iter(found)) == max(found, key=lambda one: found[one])


def test_a_deleted_live_inputs_minutes_stay(simulated, made, video, minutes, clock, api):
    simulated.watch(made["uid"], 1)
    clock.advance(60)
    api.delete(f"stream/live_inputs/{made['uid']}")
    clock.advance(2000)
    assert minutes(video)[(video, "US")] == pytest.approx((60 + 63) / 60)


def test_days_are_counted_apart(simulated, made, video, minutes, clock):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 1)
    clock.advance(86400)
    first = minutes(video)[(video, "US")]
    second = minutes(video, start="2030-01-03", end="2030-01-04")[(video, "US")]
    assert first + second == pytest.approx(1440)
    both = minutes(video, start="2030-01-01", end="2030-01-31")
    assert both == {(video, "US"): pytest.approx(1440)}


@pytest.mark.usefixtures("video")
def test_filters_dimensions_and_orders_do_what_they_say(simulated, made, clock, ask):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 1)
    clock.advance(86400)

    def rows(*arguments, **more):
        answer = ask(groups(*arguments, **more), {"accountTag": simulated.account_id}).json()
        assert answer["errors"] is None, answer
        return answer["data"]["viewer"]["accounts"][0]["streamMinutesViewedAdaptiveGroups"]

    since = 'date_geq: "2030-01-01"'
    dates = "{ when: sum { m: minutesViewed } dimensions { date creator } }"
    order = "limit: 10, orderBy: [date_DESC]"
    latest, earlier = rows(since, dates, order)
    assert latest["dimensions"] == {"date": "2030-01-03", "creator": "ann"}
    assert earlier["dimensions"]["date"] == "2030-01-02"
    assert latest["when"]["m"] + earlier["when"]["m"] == pytest.approx(1440)
    assert len(rows(since, dates, "limit: 1")) == 1

    def total(filter_):
        return sum(one["sum"]["minutesViewed"] for one in rows(filter_))

    noon = '"2030-01-02T12:00:00Z"'
    assert total(f'date_geq: "2030-01-02", datetime_lt: {noon}') == pytest.approx(
        (9 * 3600 - 4 * 60 - 11) / 60
    )
    assert total(f'{since}, datetime_geq: "2030-01-02T13:00:00+01:00"') == pytest.approx(
        1440 - (9 * 3600 - 4 * 60 - 11) / 60
    )
    everything = pytest.approx(1440)
    assert total(f'{since}, creator: "ann"') == everything
    assert total(f'{since}, creator_neq: "ann"') == 0
    assert total(f'{since}, clientCountryName_notin: ["DE"]') == everything
    assert total(f'{since}, OR: [{{uid: "x"}}, {{creator_in: ["ann"]}}]') == everything
    assert total(f'{since}, AND: [{{uid: "x"}}, {{creator_in: ["ann"]}}]') == 0
    assert total('date_gt: "2030-01-02", date_leq: "2030-01-03"') < 1440


@pytest.mark.usefixtures("video")
def test_the_second_dataset_counts_views(simulated, made, clock, ask):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 2)
    clock.advance(60)
    query = groups('date_geq: "2030-01-01"', "{ count sum { timeViewedMinutes } }").replace(
        "streamMinutesViewed", "videoPlaybackEvents"
    )
    answer = ask(query, {"accountTag": simulated.account_id}).json()
    (row,) = answer["data"]["viewer"]["accounts"][0]["videoPlaybackEventsAdaptiveGroups"]
    assert row == {"count": 1, "sum": {"timeViewedMinutes": 2}}


def test_a_token_without_the_permission_is_refused_inside_200(refusal, simulated):
    message = refusal(QUERY, token=simulated.stream_only_token)
    assert message == f"account '{simulated.account_id}' does not have access to the path"
    elsewhere = {"accountTag": "0" * 32, "ids": [], **DAY}
    assert refusal(QUERY, elsewhere) == "not authorized for that account"


def test_a_refusal_can_have_the_documented_status(ask, simulated):
    simulated.switch(graphql_refusal="documented")
    variables = {"accountTag": simulated.account_id, "ids": [], **DAY}
    assert ask(QUERY, variables, token=simulated.stream_only_token).status_code == 403
    assert ask("{ viewer { zones { x } } }").status_code == 400
    assert ask(QUERY, variables).status_code == 200


def test_a_token_that_is_none_is_refused_with_a_status(ask):
    assert ask(QUERY, token="cfat_" + "0" * 48).status_code == 401
    assert ask(QUERY, token="short").status_code == 400


def test_queries_have_a_limit_of_their_own(ask, simulated, api, clock):
    simulated.switch(graphql_rate_limit=1)
    ask(QUERY)
    answer = ask(QUERY)
    assert answer.status_code == 429
    (error,) = answer.json()["errors"]
    assert error["message"] == "rate limiter budget depleted, try again after 5 minutes"
    clock.advance(299)
    assert ask(QUERY).status_code == 429
    assert api.get("stream").headers["ratelimit"] == '"default";r=1196;t=1'
    clock.advance(1)
    assert ask(QUERY).status_code == 200


def test_queries_count_as_requests_too(ask, simulated, api):
    simulated.switch(rate_limit=2, rate_answer="429")
    assert ask(QUERY).headers["ratelimit"] == '"default";r=1;t=300'
    api.get("stream")
    assert ask(QUERY).json()["errors"][0]["code"] == 971


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (groups('date_geq: "2029-10-03"'), "older than 7776000s"),
        (groups('date_geq: "2029-11-20"'), "time range is too large"),
        (groups('uid: "x"'), "must have a start"),
        (groups('date_geq: "yesterday"'), "no date"),
        (groups('datetime_geq: "2030-01-02T00:00:00"'), "no time zone"),
        (groups('date_geq: "2030-01-01", colour: "red"'), "unknown filter"),
        (groups('date_geq: "2030-01-01", uid_like: "x"'), "unknown filter"),
        (groups('date_geq: "2030-01-01", uid_in: "x"'), "must be a list"),
        (groups('date_geq: "2030-01-01", uid: 5'), "must be text"),
        (groups('date_geq: "2030-01-01"', arguments="limit: 10001"), "limit must be"),
        (groups('date_geq: "2030-01-01"', arguments="x: 1"), "limit must be"),
        (groups('date_geq: "2030-01-01"', arguments="limit: 1, orderBy: [x_ASC]"), "order by"),
        (groups('date_geq: "2030-01-01"', "{ sum { bitrate } }"), None),
        (groups('date_geq: "2030-01-01"', "{ dimensions { bitrate } }"), "unknown field"),
        ("{ viewer { zones { x } } }", "unknown field 'zones'"),
        ("{ viewer { accounts { x } } }", "accountTag"),
        ("{ viewer }", "object field must have selections"),
        ("query($x: string!) { viewer { accounts { x } } }", "variable x is required"),
        ("{ viewer { accounts(filter: $x) { x } } }", "not declared"),
        ("mutation { x }", "syntax error"),
        ("{ viewer ", "ends early"),
        ("{ viewer { } }", "empty selection"),
        ("{ a } b", "unexpected b"),
        ("{a" * 50, "too deep"),
        (f"{{a(b: {'[' * 50}", "too deep"),
        ('{ a(b: "\\x") }', "escape"),
        ("%", "unexpected '%'"),
    ],
)
@pytest.mark.usefixtures("video")
def test_a_query_that_cannot_be_answered_is_refused_inside_200(
    query, says, refusal, simulated, made, clock
):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 1)
    clock.advance(60)
    message = refusal(query, {"accountTag": simulated.account_id})
    assert says is None or says in message


def test_a_body_without_a_query_is_refused_inside_200(served, simulated):
    import httpx

    answer = httpx.post(
        f"{served.url}/client/v4/graphql",
        json={"variables": {}},
        headers={"Authorization": f"Bearer {simulated.token}"},
    )
    assert answer.status_code == 200
    assert answer.json()["data"] is None


NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=8).filter(
    lambda one: one not in {"true", "false", "null", "query"}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.recursive(
    st.builds(Field, NAMES, NAMES, st.dictionaries(NAMES, VALUES, max_size=2)),
    lambda inner: st.builds(
        Field,
        NAMES,
        NAMES,
        st.dictionaries(NAMES, VALUES, max_size=2),
        st.lists(inner, min_size=1, max_size=3).map(tuple),
    ),
    max_leaves=6,
)


def written(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + " ".join(written(one) for one in value) + "]"
    return json.dumps(value)


def as_query(fields):
    return "{" + "\n".join(map(as_field, fields)) + "}"


def as_field(field):
    arguments = ", ".join(f"{name}: {written(one)}" for name, one in field.arguments.items())
    return (
        f"{field.alias}: {field.name}"
        + (f"({arguments})" if arguments else "")
        + (as_query(field.fields) if field.fields else "")
    )


@with_settings(max_examples=100, deadline=None)
@given(fields=st.lists(FIELDS, min_size=1, max_size=3))
def test_a_query_is_read_as_it_was_written(fields):
    assert parse(as_query(fields), {}) == tuple(fields)


@with_settings(max_examples=200, deadline=None)
@given(text=st.text('{}()[]:!=$"\\#, \nabc1-.', max_size=40))
def test_any_text_is_a_query_or_a_syntax_error(text):
    try:
        found = parse(text, {})
    except QueryError:
        return
    assert found


# -- usage ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("video")
def test_usage_counts_the_whole_account_in_steps_of_time(simulated, made, clock, api):
    simulated.switch(graphql_delay=0)
    simulated.watch(made["uid"], 10)
    simulated.watch(simulated.store(10), 5)
    clock.advance(3600)

    def usage(**query):
        return api.get("stream/usage", params=query).json()["result"]

    hours = usage()
    assert hours == [
        {"streamMinutesViewed": 837, "ts": 1893553200},
        {"streamMinutesViewed": 63, "ts": 1893556800},
    ]
    assert usage(time_delta="day") == [{"streamMinutesViewed": 900, "ts": 1893542400}]
    assert usage(limit=1) == hours[:1]
    assert usage(since="2030-01-02T04:00:00Z") == hours[1:]
    assert usage(until="2030-01-02T04:00:00Z") == hours[:1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"time_delta": "minute"}, 10010),
        ({"metrics": "viewers"}, 10010),
        ({"since": "once"}, 10010),
        ({"limit": "0"}, 10010),
        ({"filters": "uid==x"}, 19999),
    ],
)
def test_usage_refuses_what_it_does_not_know(api, query, code):
    answer = api.get("stream/usage", params=query)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
