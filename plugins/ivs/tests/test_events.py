"""What EventBridge delivers is believed only if it is yours, and then read rightly.

The events have the shapes of "Using Amazon EventBridge with IVS Low-Latency Streaming"
(docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/eventbridge.html); their values are invented.
"""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from headend.plugin import (
    AuthenticationError,
    ConfigurationError,
    EventKind,
    PlatformProtocolError,
    Secret,
    StreamEvent,
)
from headend_ivs import events
from headend_ivs.event_kinds import KINDS, kind_of

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEf123456"
SECRET = Secret("planted-event-secret")
ID = "6f2723f3-ee31-9e48-b030-ac865e261a8e"
NAME_IN = {
    "IVS Stream State Change": "event_name",
    "IVS Stream Health Change": "event_name",
    "IVS Limit Breach": "limit_name",
    "IVS Recording State Change": "recording_status",
}


def event(type_: str, name: str, *resources: str, **detail: object) -> dict[str, Any]:
    return {
        "version": "0",
        "id": ID,
        "detail-type": type_,
        "source": "aws.ivs",
        "account": "123456789012",
        "time": "2030-01-02T03:04:05Z",
        "region": "us-west-2",
        "resources": list(resources or [ARN]),
        "detail": {
            NAME_IN.get(type_, "event_name"): name,
            "channel_name": "news",
            "stream_id": "st-1A2b3c4D5e6F78ghij9Klmn",
            **detail,
        },
    }


def parse(headers: dict[str, str], body: bytes, **more: Any) -> StreamEvent:
    return events.parse(headers, body, **{"secret": SECRET, "from_queue": False, **more})


def as_body(message: object) -> bytes:
    return json.dumps(message).encode()


def told(message: object) -> StreamEvent:
    """Deliver an event by an API destination whose connection has the secret."""
    return parse({"X-Headend-Event-Secret": SECRET.reveal()}, as_body(message))


# ---------------------------------------------------------------------- what they mean


@pytest.mark.parametrize(
    ("type_", "name", "kind"),
    [
        ("IVS Stream State Change", "Session Created", EventKind.UNKNOWN),
        ("IVS Stream State Change", "Session Ended", EventKind.UNKNOWN),
        ("IVS Stream State Change", "Stream Start", EventKind.LIVE),
        ("IVS Stream State Change", "Stream End", EventKind.IDLE),
        ("IVS Stream State Change", "Stream Failure", EventKind.INGEST_ERROR),
        ("IVS Stream State Change", "Stream Takeover", EventKind.UNKNOWN),
        ("IVS Stream State Change", "Stream Takeover Failure", EventKind.INGEST_ERROR),
        ("IVS Stream Health Change", "Starvation Start", EventKind.INTERRUPTED),
        ("IVS Stream Health Change", "Starvation End", EventKind.LIVE),
        ("IVS Limit Breach", "Ingest Bitrate", EventKind.INGEST_ERROR),
        ("IVS Limit Breach", "Ingest Resolution", EventKind.INGEST_ERROR),
        ("IVS Limit Breach", "Concurrent Broadcasts", EventKind.INGEST_ERROR),
        ("IVS Limit Breach", "Concurrent Viewers", EventKind.INGEST_ERROR),
        ("IVS Recording State Change", "Recording Start", EventKind.UNKNOWN),
        ("IVS Recording State Change", "Recording End", EventKind.RECORDING_READY),
        ("IVS Recording State Change", "Recording Start Failure", EventKind.RECORDING_FAILED),
        ("IVS Recording State Change", "Recording End Failure", EventKind.RECORDING_FAILED),
        ("IVS Stream State Change", "Stream Paused", EventKind.UNKNOWN),
        ("IVS Ad Break State Change", "Ad Break Inserted", EventKind.UNKNOWN),
        ("IVS Stage Update", "Participant Published", EventKind.UNKNOWN),
    ],
)
def test_each_event_has_its_kind(type_, name, kind):
    found = told(event(type_, name))

    assert (found.kind, found.provider, found.stream_id) == (kind, "aws-ivs", ARN)
    assert (found.event_id, found.occurred_at) == (ID, datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert json.loads(found.raw) == event(type_, name)


def test_a_session_that_ends_with_a_code_is_an_encoder_that_was_refused():
    """It may be all that happens: the stream never starts, and so does not end either."""
    found = told(
        event("IVS Stream State Change", "Session Ended", code="MultitrackInputNotAllowed")
    )

    assert (found.kind, found.reason) == (EventKind.INGEST_ERROR, "MultitrackInputNotAllowed")


@pytest.mark.parametrize(
    ("type_", "name", "detail", "reason"),
    [
        (
            "IVS Stream State Change",
            "Stream Failure",
            {"reason": "Transcode capacity exceeded."},
            "Transcode capacity exceeded.",
        ),
        (
            "IVS Stream State Change",
            "Stream Takeover Failure",
            {"code": "StreamTakeoverInvalidPriority"},
            "StreamTakeoverInvalidPriority",
        ),
        ("IVS Stream State Change", "Stream Start", {}, None),
        (
            "IVS Limit Breach",
            "Ingest Bitrate",
            {"limit_value": 8_500_000, "exceeded_by": 3, "limit_unit": "bits per second"},
            "Ingest Bitrate",
        ),
        (
            "IVS Recording State Change",
            "Recording Start Failure",
            {"recording_status_reason": "ValidationException"},
            "ValidationException",
        ),
        ("IVS Recording State Change", "Recording End", {"recording_status_reason": ""}, None),
    ],
)
def test_the_reason_is_what_the_platform_says(type_, name, detail, reason):
    assert told(event(type_, name, **detail)).reason == reason


@pytest.mark.parametrize("name", ["Concurrent Broadcasts", "Concurrent Viewers"])
def test_a_limit_of_the_whole_account_is_about_no_live_stream(name):
    message = event("IVS Limit Breach", name, limit_value=100, exceeded_by=1)
    message["resources"] = []

    assert (told(message).stream_id, told(message).reason) == (None, name)


def test_what_is_not_about_a_channel_is_about_no_live_stream():
    stage = "arn:aws:ivs:us-west-2:123456789012:stage/AbCdEf123456"
    health = {**event("AWS Health Event", "x"), "source": "aws.health", "resources": [7]}
    for message in (event("IVS Stage Update", "Participant Published", stage), health):
        assert (told(message).kind, told(message).stream_id) == (EventKind.UNKNOWN, None)


def test_an_event_of_another_service_is_unknown_whatever_it_says():
    """Anybody in the account may put events on a bus, but only AWS may say ``aws.``."""
    message = {**event("IVS Stream State Change", "Stream Start"), "source": "my.tests"}

    assert told(message).kind is EventKind.UNKNOWN


def test_an_event_that_is_delivered_hours_late_or_twice_is_read_all_the_same():
    message = event("IVS Stream State Change", "Stream End")
    message["time"] = "2020-06-23T20:12:36Z"

    assert told(message) == told(message)
    assert told(message).occurred_at.year == 2020


def test_the_kinds_of_a_sessions_record_are_those_of_its_events():
    for type_, names in KINDS.items():
        for name, kind in names.items():
            assert told(event(type_, name)).kind is kind is kind_of(type_, name)


def test_what_the_simulated_platform_tells_is_read(provider_for, simulated, clock):
    provider = provider_for(events_from_queue=True)
    made = provider.create_live_stream(_asked())
    encoder = simulated.encoder(made.stream_key.reveal())
    clock.advance(10)
    provider.get_live_stream(made.stream_id)
    encoder.leave()
    clock.advance(60)
    provider.get_live_stream(made.stream_id)
    found = [
        provider.parse_event({}, as_body(one.message("news"))) for one in list(simulated.events)
    ]

    assert [one.kind for one in found if one.kind is not EventKind.UNKNOWN] == [
        EventKind.LIVE,
        EventKind.INTERRUPTED,
        EventKind.IDLE,
    ]
    assert {one.stream_id for one in found} == {made.stream_id}
    assert len({one.event_id for one in found}) == len(found)


def _asked() -> Any:
    from headend.plugin import CreateRequest

    return CreateRequest(channel_id="42", marker="headend-m-000000000000000000000001")


# ---------------------------------------------------------------------- whether they are yours

GOOD = as_body(event("IVS Stream State Change", "Stream Start"))


@pytest.mark.parametrize(
    "name", ["X-Headend-Event-Secret", "x-headend-event-secret", "X-HEADEND-EVENT-SECRET"]
)
def test_the_header_may_be_in_whatever_case(name):
    assert parse({"host": "a", name: SECRET.reveal()}, GOOD).kind is EventKind.LIVE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": SECRET.reveal()},
        {"X-Headend-Event-Secret": ""},
        {"X-Headend-Event-Secret": "guess"},
        {"X-Headend-Event-Secret": SECRET.reveal()[:-1]},
        {"X-Headend-Event-Secret": SECRET.reveal() + " "},
        {"X-Headend-Event-Secret": "\udcff"},
    ],
)
def test_what_has_not_the_secret_may_come_from_anybody(headers):
    with pytest.raises(AuthenticationError) as caught:
        parse(headers, GOOD)

    assert "X-Headend-Event-Secret" in str(caught.value)
    assert (caught.value.operation, caught.value.request_sent) == ("parse_event", False)


def test_a_forged_event_is_refused_before_it_is_read():
    with pytest.raises(AuthenticationError):
        parse({}, b"no JSON at all")


@pytest.mark.parametrize("secret", [None, SECRET])
def test_what_comes_from_a_queue_has_no_headers_and_is_believed_where_that_is_set(secret):
    assert parse({}, GOOD, secret=secret, from_queue=True).kind is EventKind.LIVE


def test_what_has_headers_came_by_the_web_and_needs_the_secret_all_the_same():
    """A host that has a queue and a web address is not open to anybody who knows the address."""
    with pytest.raises(AuthenticationError):
        parse({"Host": "host.example"}, GOOD, from_queue=True)
    with pytest.raises(ConfigurationError, match="AWS_IVS_EVENT_SECRET is missing"):
        parse({"Host": "host.example"}, GOOD, secret=None, from_queue=True)
    good = {"Host": "host.example", "X-Headend-Event-Secret": SECRET.reveal()}
    assert parse(good, GOOD, from_queue=True).kind is EventKind.LIVE


def test_without_a_setting_nothing_is_believed_and_both_settings_are_named():
    with pytest.raises(ConfigurationError) as caught:
        parse({"X-Headend-Event-Secret": "x"}, GOOD, secret=None)

    (problem,) = caught.value.problems
    assert problem.startswith("AWS_IVS_EVENT_SECRET is missing")
    assert "AWS_IVS_EVENTS_FROM_QUEUE=true" in problem


@given(st.dictionaries(st.text(), st.text()), st.booleans())
def test_any_other_headers_are_refused(headers, from_queue):
    assume(headers or not from_queue)
    assume(not any(name.lower() == "x-headend-event-secret" for name in headers))
    with pytest.raises(AuthenticationError):
        parse(headers, GOOD, from_queue=from_queue)


@given(st.text())
def test_any_other_secret_is_refused(guess):
    assume(guess != SECRET.reveal())
    with pytest.raises(AuthenticationError):
        parse({"X-Headend-Event-Secret": guess}, GOOD)


# ---------------------------------------------------------------------- whatever they hold

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = [*sorted({name for names in KINDS.values() for name in names}), "Session Ended"]
WHYS = ["code", "reason", "recording_status_reason"]


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """An event as there are many, of which up to two members are not as they should be."""
    message = event(
        draw(st.sampled_from([*NAME_IN, "IVS Stage Update"])),
        draw(st.sampled_from(NAMES)),
        **draw(st.dictionaries(st.sampled_from(WHYS), st.text(), max_size=2)),
    )
    message["resources"] = draw(st.sampled_from([[ARN], [ARN, ARN], []]))
    for _ in range(draw(st.integers(0, 2))):
        place = message.get("detail") if draw(st.booleans()) else message
        if not isinstance(place, dict):
            continue
        name = draw(st.sampled_from([*place, "resources", "code"]))
        place[name] = draw(ANYTHING | st.just([ARN, 7]) | st.just(...))
        if place[name] is ...:
            del place[name]
    return message


@given(messages())
def test_any_event_is_read_rightly_or_is_a_protocol_error(message):
    try:
        found = told(message)
    except PlatformProtocolError:
        return

    type_, detail = message["detail-type"], message.get("detail")
    assert found.event_id == message["id"]
    assert json.loads(found.raw) == message
    resources = message.get("resources")
    if found.stream_id is not None:
        assert found.stream_id == resources[0] == ARN
    if found.kind is not EventKind.UNKNOWN:
        assert message["source"] == "aws.ivs"
        name = detail[NAME_IN[type_]]
        ended_badly = name == "Session Ended" and detail["code"]
        assert found.kind is (EventKind.INGEST_ERROR if ended_badly else KINDS[type_][name])
        assert found.stream_id == ARN or (type_ == "IVS Limit Breach" and resources == [])
    assert found.reason is None or found.reason in detail.values()


@given(st.binary() | ANYTHING.map(as_body))
def test_genuine_bytes_that_are_no_event_are_a_protocol_error(body):
    with pytest.raises(PlatformProtocolError):
        parse({"X-Headend-Event-Secret": SECRET.reveal()}, body)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": ""}, "id"),
        ({"id": "planted id"}, "id"),
        ({"time": "planted yesterday"}, "time"),
        ({"detail-type": 7}, "detail-type"),
        ({"source": None}, "source"),
        ({"detail": "planted"}, "detail"),
        ({"detail": {}}, "detail.event_name"),
        ({"detail": {"event_name": "Stream Start", "code": 3}}, "detail.code"),
        ({"resources": []}, "resources"),
        ({"resources": ["planted"]}, "resources"),
        ({"resources": [ARN.replace(":channel/", ":stage/")]}, "resources"),
        ({"resources": {"0": ARN}}, "resources"),
    ],
)
def test_an_error_says_where_an_event_is_wrong_and_shows_no_value(change, where):
    with pytest.raises(PlatformProtocolError) as caught:
        told({**event("IVS Stream State Change", "Stream Start"), **change})

    assert where in str(caught.value)
    assert "planted" not in "".join(traceback.format_exception(caught.value))


def test_the_secret_is_in_no_error_and_no_event():
    found = told(event("IVS Stream State Change", "Stream Start"))
    assert SECRET.reveal() not in repr(found) + found.raw
    for headers in ({}, {"X-Headend-Event-Secret": SECRET.reveal() + "x"}):
        with pytest.raises(AuthenticationError) as caught:
            parse(headers, GOOD)
        assert SECRET.reveal() not in "".join(traceback.format_exception(caught.value))
