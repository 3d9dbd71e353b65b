"""The messages of what happened, of both systems, and what the plugin reads of them."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from headend.plugin import EventKind, Secret
from headend_cloudflare import events
from headend_contract.clock import START


@pytest.fixture
def told(create, simulated, clock):
    """What a broadcast of half a minute, and one that fails, have the platform tell."""
    made = create(meta={"name": "show"})
    encoder = simulated.encoder(made["rtmps"]["streamKey"])
    clock.advance(30)
    encoder.leave()
    clock.advance(1000)
    simulated.fail(made["uid"], "ERR_GOP_OUT_OF_RANGE")
    return {one.kind: one for one in simulated.happened()}


@pytest.fixture
def read(simulated, clock):
    """Read a message as the plugin does."""

    def parse(headers, body):
        return events.parse(
            headers,
            body,
            notification_secret=Secret(simulated.notification_secret),
            webhook_secret=Secret(simulated.webhook_secret),
            now=clock.now(),
        )

    return parse


def test_a_live_inputs_message_has_the_secret_itself_and_nanoseconds(simulated, told):
    event = told["live_input.disconnected"]
    headers, body = simulated.webhook(event)
    message = json.loads(body)

    assert headers["cf-webhook-auth"] == simulated.notification_secret
    assert message["data"] == {
        "notification_name": "Stream Live Input",
        "input_id": event.input_id,
        "event_type": "live_input.disconnected",
        "updated_at": "2030-01-02T03:04:35.000000001Z",
    }
    assert message["ts"] == 1893553475
    assert message["text"].splitlines() == [
        "Notification type: Stream Live Input",
        f"Input ID: {event.input_id}",
        "Event type: live_input.disconnected",
        "Updated at: 2030-01-02T03:04:35.000000001Z",
    ]


def test_a_message_of_an_error_says_which(simulated, told):
    message = json.loads(simulated.webhook(told["live_input.errored"])[1])
    assert message["data"]["live_input_errored"] == {
        "error": {
            "code": "ERR_GOP_OUT_OF_RANGE",
            "message": "The interval of keyframes is out of range.",
        },
        "video_codec": "",
        "audio_codec": "",
    }
    assert "Error Code: ERR_GOP_OUT_OF_RANGE" in message["text"]


def test_a_videos_message_is_the_video_signed(simulated, told, api, clock):
    headers, body = simulated.webhook(told["video.ready"])
    (video,) = api.get("stream").json()["result"]
    assert json.loads(body) == video

    time, signature = (part.split("=")[1] for part in headers["webhook-signature"].split(","))
    assert time == str(int(clock.now().timestamp()))
    secret = simulated.webhook_secret.encode()
    assert signature == hmac.new(secret, time.encode() + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("kind", "meaning", "after"),
    [
        ("live_input.connected", EventKind.LIVE, 2),
        ("live_input.disconnected", EventKind.IDLE, 30),
        ("live_input.errored", EventKind.INGEST_ERROR, 1030),
        ("video.ready", EventKind.RECORDING_READY, None),
    ],
)
def test_the_plugin_reads_each_message(simulated, told, read, kind, meaning, after):
    event = read(*simulated.webhook(told[kind]))
    assert event.kind is meaning
    assert event.stream_id == told[kind].input_id
    if after is not None:
        assert event.occurred_at.replace(microsecond=0) == START + timedelta(seconds=after)


def test_the_plugin_reads_the_message_that_tests_a_destination(simulated, read):
    headers, body = simulated.test_webhook()
    assert json.loads(body)["text"].startswith("Hello World!")
    assert read(headers, body).kind is EventKind.UNKNOWN
