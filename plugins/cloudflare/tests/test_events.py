"""What Cloudflare tells a webhook is believed only if it is genuine, and then read rightly.

The messages have the shapes of the pages "Receive Live Webhooks", "Use webhooks" and "Configure
webhooks" of developers.cloudflare.com; their values are invented.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given, strategies as st

from headend.plugin import (
    AuthenticationError,
    ConfigurationError,
    EventKind,
    PlatformProtocolError,
    Secret,
    StreamEvent,
)
from headend_cloudflare import events

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
INPUT = "66be4bf738797e01e1fca35a7bdecdcd"
VIDEO = "0c1f7a3ad2b54c7fa0f0e6e8d3f1b2a9"
NOTIFICATION_SECRET = Secret("planted-notification-secret")
WEBHOOK_SECRET = Secret("planted-webhook-secret")

TEST_MESSAGE = {
    "text": "Hello World! This is a test message sent from https://cloudflare.com. If you can see "
    "this, your webhook is configured properly."
}


def notification(word: str, **more: object) -> dict[str, Any]:
    return {
        "name": "Live events",
        "text": f"Notification type: Stream Live Input\nInput ID: {INPUT}\nEvent type: {word}",
        "data": {
            "notification_name": "Stream Live Input",
            "input_id": INPUT,
            "event_type": word,
            "updated_at": "2030-01-02T03:03:59.855717910Z",
            **more,
        },
        "ts": 1893553441,
    }


def video(state: str, **more: object) -> dict[str, Any]:
    return {
        "uid": VIDEO,
        "creator": None,
        "readyToStream": state == "ready",
        "status": {
            "state": state,
            "pctComplete": "100.000000",
            "errorReasonCode": "",
            "errorReasonText": "",
        },
        "meta": {"name": "event-42"},
        "created": "2030-01-02T02:00:00.123456Z",
        "modified": "2030-01-02T03:03:58.5Z",
        "duration": 3600.5,
        "liveInput": INPUT,
        **more,
    }


def parse(headers: dict[str, str], body: bytes, now: datetime = NOW) -> StreamEvent:
    return events.parse(
        headers,
        body,
        notification_secret=NOTIFICATION_SECRET,
        webhook_secret=WEBHOOK_SECRET,
        now=now,
    )


def as_body(message: object) -> bytes:
    return json.dumps(message).encode()


def told(message: object) -> StreamEvent:
    """Deliver a genuine notification."""
    return parse({"cf-webhook-auth": NOTIFICATION_SECRET.reveal()}, as_body(message))


def signature(body: bytes, at: datetime = NOW, secret: Secret = WEBHOOK_SECRET) -> str:
    time = str(int(at.timestamp()))
    signed = time.encode() + b"." + body
    made = hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
    return f"time={time},sig1={made}"


def signed(message: object, at: datetime = NOW) -> StreamEvent:
    """Deliver a genuine message about a recording."""
    body = as_body(message)
    return parse({"Webhook-Signature": signature(body, at)}, body, now=at)


# ---------------------------------------------------------------------- live inputs


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("live_input.connected", EventKind.LIVE),
        ("live_input.disconnected", EventKind.IDLE),
        ("live_input.errored", EventKind.INGEST_ERROR),
    ],
)
def test_a_notification_tells_what_a_live_stream_does(word, kind):
    event = told(notification(word))

    assert (event.kind, event.provider, event.stream_id) == (kind, "cloudflare", INPUT)
    assert event.occurred_at == datetime(2030, 1, 2, 3, 3, 59, 855717, tzinfo=UTC)
    assert json.loads(event.raw) == notification(word)


def test_why_an_encoder_was_refused_reaches_the_host():
    why = {
        "error": {"code": "ERR_GOP_OUT_OF_RANGE", "message": "Input GOP size is out of range."},
        "video_codec": "",
        "audio_codec": "",
    }
    event = told(notification("live_input.errored", live_input_errored=why))

    assert (event.kind, event.reason) == (EventKind.INGEST_ERROR, "ERR_GOP_OUT_OF_RANGE")
    assert json.loads(event.raw)["data"]["live_input_errored"] == why


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, None),
        ({"code": "", "message": "Input GOP size is out."}, "Input GOP size is out."),
        ({"code": "ERR_UNHEALTHY"}, "ERR_UNHEALTHY"),
        ({}, None),
    ],
)
def test_a_reason_is_a_code_or_else_words_or_else_unknown(error, reason):
    event = told(notification("live_input.errored", live_input_errored={"error": error}))

    assert event.reason == reason


def test_why_a_recording_failed_reaches_the_host():
    failed = video("error")
    failed["status"] |= {"errorReasonCode": "ERR_NON_VIDEO", "errorReasonText": "no video"}

    assert signed(failed).reason == "ERR_NON_VIDEO"
    assert signed(video("ready")).reason is None


def test_the_message_that_tries_a_new_webhook_out_is_no_error():
    event = told(TEST_MESSAGE)

    assert (event.kind, event.stream_id, event.occurred_at) == (EventKind.UNKNOWN, None, NOW)
    assert event.event_id == told(TEST_MESSAGE).event_id


def test_a_word_that_came_later_is_unknown_and_names_the_live_stream():
    event = told(notification("live_input.napping"))

    assert (event.kind, event.stream_id) == (EventKind.UNKNOWN, INPUT)
    assert event.occurred_at == datetime(2030, 1, 2, 3, 4, 1, tzinfo=UTC)


def test_a_notification_about_something_else_is_unknown():
    event = told({"text": "A certificate expires.", "data": {"zone": "z"}, "ts": 1893553441})

    assert (event.kind, event.stream_id) == (EventKind.UNKNOWN, None)
    assert event.occurred_at == datetime(2030, 1, 2, 3, 4, 1, tzinfo=UTC)


def test_who_knows_the_notification_secret_cannot_tell_about_recordings():
    assert told(video("ready")).kind is EventKind.UNKNOWN


@pytest.mark.parametrize("name", ["cf-webhook-auth", "Cf-Webhook-Auth", "CF-WEBHOOK-AUTH"])
def test_the_case_of_the_notification_header_does_not_matter(name):
    body = as_body(notification("live_input.connected"))
    assert parse({name: NOTIFICATION_SECRET.reveal()}, body).kind is EventKind.LIVE


@pytest.mark.parametrize(
    "guess",
    [
        "",
        "planted-notification-secre",
        "planted-notification-secret ",
        "PLANTED-NOTIFICATION-SECRET",
        WEBHOOK_SECRET.reveal(),
        "pländed",
        "\ud800",
    ],
)
def test_a_notification_with_another_secret_is_forged(guess):
    with pytest.raises(AuthenticationError, match="CLOUDFLARE_STREAM_NOTIFICATION_SECRET"):
        parse({"cf-webhook-auth": guess}, as_body(notification("live_input.connected")))


def test_secrets_are_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    told(notification("live_input.connected"))
    signed(video("ready"))
    assert [one == other for one, other in compared] == [True, True]


# ---------------------------------------------------------------------- recordings


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("ready", EventKind.RECORDING_READY),
        ("error", EventKind.RECORDING_FAILED),
        ("inprogress", EventKind.UNKNOWN),
        ("napping", EventKind.UNKNOWN),
    ],
)
def test_a_signed_message_tells_what_became_of_a_recording(state, kind):
    event = signed(video(state))

    assert (event.kind, event.provider, event.stream_id) == (kind, "cloudflare", INPUT)
    assert event.occurred_at == datetime(2030, 1, 2, 3, 3, 58, 500000, tzinfo=UTC)
    assert json.loads(event.raw)["uid"] == VIDEO


def test_an_upload_is_of_no_live_stream():
    upload = video("ready")
    del upload["liveInput"]
    event = signed(upload)
    assert (event.kind, event.stream_id) == (EventKind.RECORDING_READY, None)


def test_the_documented_failure_which_names_nothing_is_a_failure():
    status = {
        "state": "error",
        "step": "encoding",
        "pctComplete": "39",
        "errReasonCode": "ERR_MALFORMED_VIDEO",
        "errReasonText": "The video was deemed to be corrupted or malformed.",
    }
    event = signed({"readyToStream": False, "status": status})

    assert event.kind is EventKind.RECORDING_FAILED
    assert (event.stream_id, event.occurred_at) == (None, NOW)


def test_a_signature_that_openssl_made_is_good():
    # printf '1893553445.{"uid":"a","status":{"state":"ready"}}' |
    #   openssl dgst -sha256 -hmac planted-webhook-secret
    made = "7e68fe1b295c8f4afdd49fd50effc29f7c1d288418cdab9c8f6d30d1578ff690"
    event = parse(
        {"Webhook-Signature": f"time=1893553445,sig1={made}"},
        b'{"uid":"a","status":{"state":"ready"}}',
    )
    assert event.kind is EventKind.RECORDING_READY


@pytest.mark.parametrize("name", ["webhook-signature", "Webhook-Signature", "WEBHOOK-SIGNATURE"])
def test_the_case_of_the_signature_header_does_not_matter(name):
    body = as_body(video("ready"))
    assert parse({name: signature(body)}, body).kind is EventKind.RECORDING_READY


def test_further_signatures_beside_the_documented_one_do_no_harm():
    body = as_body(video("ready"))
    given_header = signature(body).replace(",", ", ") + ",sig2=00ff"
    assert parse({"Webhook-Signature": given_header}, body).kind is EventKind.RECORDING_READY


@given(st.data())
def test_a_message_that_was_changed_by_one_bit_is_forged(data):
    body = as_body(video("ready"))
    place = data.draw(st.integers(0, len(body) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(body)
    changed[place] ^= 1 << bit
    with pytest.raises(AuthenticationError, match="CLOUDFLARE_STREAM_WEBHOOK_SECRET"):
        parse({"Webhook-Signature": signature(body)}, bytes(changed))


@given(st.data())
def test_a_signature_that_was_changed_by_one_character_is_forged(data):
    body = as_body(video("ready"))
    good = signature(body)
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=255))
    assume(good[place] != other)
    with pytest.raises(AuthenticationError):
        parse({"Webhook-Signature": good[:place] + other + good[place + 1 :]}, body)


@given(st.integers(-100_000_000, 100_000_000))
@example(300)
@example(-300)
@example(301)
@example(-301)
def test_a_signature_is_good_for_five_minutes(age):
    body = as_body(video("ready"))
    header = {"Webhook-Signature": signature(body, NOW - timedelta(seconds=age))}
    if abs(age) <= 300:
        assert parse(header, body).kind is EventKind.RECORDING_READY
    else:
        with pytest.raises(AuthenticationError, match="clock"):
            parse(header, body)


@given(
    st.one_of(
        st.text(max_size=120),
        st.from_regex(r"(time=[0-9]{0,20}|sig1=[0-9a-f]{0,70}|[ ,;=]){0,5}", fullmatch=True),
    )
)
@example("")
@example("time=1893553445")
@example("time=1893553445,sig1=")
@example("sig1=" + "0" * 64)
@example("time=٣,sig1=" + "0" * 64)
@example("time=" + "9" * 5000 + ",sig1=" + "0" * 64)
def test_whatever_stands_in_place_of_a_signature_is_forged(text):
    with pytest.raises(AuthenticationError):
        parse({"Webhook-Signature": text}, as_body(video("ready")))


def test_a_bad_signature_is_not_made_good_by_the_other_systems_secret():
    headers = {
        "Webhook-Signature": "time=1,sig1=00",
        "cf-webhook-auth": NOTIFICATION_SECRET.reveal(),
    }
    with pytest.raises(AuthenticationError):
        parse(headers, as_body(video("ready")))


# ---------------------------------------------------------------------- what is to be set up


def test_a_message_without_either_header_says_what_was_looked_for():
    with pytest.raises(AuthenticationError) as caught:
        parse({"Content-Type": "application/json"}, as_body(TEST_MESSAGE))

    assert "cf-webhook-auth" in str(caught.value)
    assert "Webhook-Signature" in str(caught.value)
    assert caught.value.request_sent is False


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("cf-webhook-auth", "CLOUDFLARE_STREAM_NOTIFICATION_SECRET"),
        ("Webhook-Signature", "CLOUDFLARE_STREAM_WEBHOOK_SECRET"),
    ],
)
def test_a_secret_that_is_not_set_is_asked_for_by_name(header, variable):
    with pytest.raises(ConfigurationError, match=variable):
        events.parse(
            {header: "anything"}, b"{}", notification_secret=None, webhook_secret=None, now=NOW
        )


def test_one_secret_is_enough_for_its_own_system():
    event = events.parse(
        {"cf-webhook-auth": NOTIFICATION_SECRET.reveal()},
        as_body(notification("live_input.connected")),
        notification_secret=NOTIFICATION_SECRET,
        webhook_secret=None,
        now=NOW,
    )
    assert event.kind is EventKind.LIVE


# ---------------------------------------------------------------------- repeated deliveries


def test_a_notification_that_is_sent_again_has_the_same_id():
    first = notification("live_input.connected")
    again = dict(reversed(first.items())) | {"ts": first["ts"] + 60, "name": "Another policy"}
    assert told(first).event_id == told(again).event_id


def test_a_message_that_nobody_knows_has_the_same_id_when_it_is_sent_again():
    first = {"text": "A certificate expires.", "data": {"zone": "z"}, "ts": 1893553441}
    assert told(first).event_id == told(first | {"ts": 1893553501}).event_id


def test_a_recording_that_is_told_again_has_the_same_id():
    later = NOW + timedelta(minutes=2)
    assert (
        signed(video("ready")).event_id
        == signed(video("ready", modified="2030-01-02T03:06:00Z"), at=later).event_id
    )


def test_different_events_have_different_ids():
    nanosecond_later = notification("live_input.connected")
    nanosecond_later["data"]["updated_at"] = "2030-01-02T03:03:59.855717911Z"
    elsewhere = notification("live_input.connected")
    elsewhere["data"]["input_id"] = INPUT[::-1]
    all_of_them = [
        told(notification("live_input.connected")),
        told(notification("live_input.disconnected")),
        told(nanosecond_later),
        told(elsewhere),
        told(TEST_MESSAGE),
        told({"text": "Something else."}),
        told(video("ready")),
        signed(video("ready")),
        signed(video("error")),
        signed(video("ready", uid=VIDEO[::-1])),
        signed({"status": {"state": "error"}}),
        signed({"status": {"state": "error"}, "readyToStream": False}),
    ]
    assert len({event.event_id for event in all_of_them}) == len(all_of_them)


# ---------------------------------------------------------------------- nonsense

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([INPUT, "live_input.connected", "ready", "2030-01-02T03:04:05Z", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["data", "status", "uid", "ts", "liveInput"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@st.composite
def messages(draw: st.DrawFn) -> object:
    """Give a documented message of either system in which some fields are something else."""
    message = draw(
        st.sampled_from(
            [
                notification("live_input.connected"),
                notification("live_input.errored"),
                notification("live_input.napping"),
                video("ready"),
                video("error"),
                TEST_MESSAGE,
            ]
        )
    )
    message = json.loads(json.dumps(message))
    for _ in range(draw(st.integers(0, 3))):
        where = message
        inner = [one for one in where.values() if isinstance(one, dict) and one]
        if inner and draw(st.booleans()):
            where = draw(st.sampled_from(inner))
        name = draw(st.sampled_from([*where, "new"]))
        if draw(st.booleans()):
            where.pop(name, None)
        else:
            where[name] = draw(JSON)
    return message


def expected(system: str, message: dict[str, Any]) -> tuple[EventKind, str | None]:
    """Say what the documentation says of a message, told apart from the product's way."""
    if system == "notification":
        data = message.get("data") or {}
        word = str(data.get("event_type")).partition("live_input.")[2]
        kinds = {
            "connected": EventKind.LIVE,
            "disconnected": EventKind.IDLE,
            "errored": EventKind.INGEST_ERROR,
        }
        return kinds.get(word, EventKind.UNKNOWN), data.get("input_id")
    state = (message.get("status") or {}).get("state")
    kinds = {"ready": EventKind.RECORDING_READY, "error": EventKind.RECORDING_FAILED}
    return kinds.get(state, EventKind.UNKNOWN), message.get("liveInput")


@given(st.one_of(messages(), JSON), st.sampled_from(["notification", "webhook"]))
def test_any_genuine_message_is_an_event_or_a_protocol_error(message, system):
    body = as_body(message)
    headers = (
        {"cf-webhook-auth": NOTIFICATION_SECRET.reveal()}
        if system == "notification"
        else {"Webhook-Signature": signature(body)}
    )
    try:
        event = parse(headers, body)
    except PlatformProtocolError:
        return
    assert isinstance(message, dict)
    assert (event.kind, event.stream_id) == expected(system, message)
    assert event.raw.encode() == body
    assert event.occurred_at.tzinfo is UTC
    assert event.event_id == parse(headers, body).event_id


@given(st.binary(max_size=200))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"data":' * 5000)
@example(b"\xef\xbb\xbf{}")
@example('{"text":"x"}'.encode("utf-16"))
@example(b'{"ts": 1e999}')
@example(b'{"ts": ' + b"9" * 5000 + b"}")
@example(b'{"ts": 999999999999999}')
@example(b'{"text": "' + b"x" * (5 << 20) + b'"}')
def test_genuine_bytes_that_are_no_message_are_a_protocol_error_or_unknown(body):
    try:
        event = parse({"Webhook-Signature": signature(body)}, body)
        assert event.kind is EventKind.UNKNOWN
    except PlatformProtocolError:
        pass
    try:
        event = parse({"cf-webhook-auth": NOTIFICATION_SECRET.reveal()}, body)
        assert event.kind is EventKind.UNKNOWN
    except PlatformProtocolError:
        pass


@given(
    st.dictionaries(
        st.text(max_size=12)
        | st.sampled_from(["cf-webhook-auth", "CF-Webhook-Auth", "Webhook-Signature"]),
        st.text(max_size=80),
        max_size=4,
    ),
    st.binary(max_size=100) | messages().map(as_body),
)
def test_nothing_without_a_secret_gets_in(headers, body):
    with pytest.raises(AuthenticationError):
        parse(headers, body)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"input_id": None}, "data.input_id"),
        ({"input_id": "2fb3cb9f17e68a2568d6ebed8d5505eak" + INPUT}, "input_id"),
        ({"updated_at": "yesterday"}, "data.updated_at"),
        ({"updated_at": 1893553441}, "data.updated_at"),
        ({"event_type": 7}, "data.event_type"),
    ],
)
def test_an_error_says_where_a_message_is_wrong_and_shows_no_value(change, where):
    message = notification("live_input.connected")
    message["data"] |= change
    with pytest.raises(PlatformProtocolError, match=where.replace(".", r"\.")) as caught:
        told(message)
    assert "2fb3cb9f" not in str(caught.value)


# ---------------------------------------------------------------------- secrets


def test_no_secret_is_in_any_error_or_event():
    body = as_body(video("ready"))
    attempts: list[tuple[dict[str, str], bytes]] = [
        ({}, body),
        ({"cf-webhook-auth": "guess"}, body),
        ({"cf-webhook-auth": NOTIFICATION_SECRET.reveal()}, b"[]"),
        ({"cf-webhook-auth": NOTIFICATION_SECRET.reveal()}, b"nonsense"),
        ({"Webhook-Signature": "time=1,sig1=00"}, body),
        ({"Webhook-Signature": signature(body, NOW - timedelta(days=1))}, body),
        ({"Webhook-Signature": signature(b"\xff")}, b"\xff"),
    ]
    for headers, sent in attempts:
        with pytest.raises((AuthenticationError, PlatformProtocolError)) as caught:
            parse(headers, sent)
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert "planted" not in shown
    assert "planted" not in repr(signed(video("ready")))
