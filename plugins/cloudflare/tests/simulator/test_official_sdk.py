"""The official SDK (PyPI ``cloudflare``) drives the simulator, and reads what the plugin reads.

Nobody here wrote the SDK: its models say what the answers must hold.  It has no methods for
``enable``, ``disable``, ``rotate_keys``, the videos of a live input, ``usage`` and GraphQL; the
first three are called by path here and read with its models.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cloudflare import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    Cloudflare,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from cloudflare.types.stream import (
    KeyGetResponse,
    Keys,
    LiveInput,
    LiveInputListResponse,
    TokenCreateResponse,
    Video,
    VideoStorageUsageResponse,
    WebhookGetResponse,
)
from cloudflare.types.stream.live_inputs import Output

from headend.plugin import Fields, IngestProtocol, Secret
from headend_cloudflare import wire

CREATED = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
RECORDING = {
    "mode": "automatic",
    "require_signed_urls": True,
    "allowed_origins": ["example.com"],
    "timeout_seconds": 20,
    "hide_live_viewer_count": True,
}


@pytest.fixture
def sdk_with(served, simulated) -> Iterator:
    made = []

    def make(token=None):
        client = Cloudflare(
            base_url=f"{served.url}/client/v4",
            api_token=token or simulated.token,
            max_retries=0,
            http_client=httpx.Client(trust_env=False, verify=False),
        )
        made.append(client)
        return client

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sdk(sdk_with):
    return sdk_with()


@pytest.fixture
def live_inputs(sdk):
    return sdk.stream.live_inputs


@pytest.fixture
def account(simulated):
    return simulated.account_id


@pytest.fixture
def made(live_inputs, account) -> LiveInput:
    return live_inputs.create(
        account_id=account,
        meta={"name": "show"},
        enabled=True,
        prefer_low_latency=True,
        delete_recording_after_days=45,
        default_creator="ann",
        recording=RECORDING,
    )


def fields_of(model) -> Fields:
    """Return what the SDK read, in the platform's words, as the plugin is given it."""
    return Fields(json.loads(model.to_json(use_api_names=True, exclude_unset=True)))


def has_no_unknown_field(model, *known_to_be_missing: str) -> None:
    """Check that the SDK's model has a field for all that it was given."""
    # The SDK keeps what it found under the platform's name of a field beside the field.
    known = {one.alias or name for name, one in type(model).model_fields.items()}
    extra = set(model.model_extra or {}) - known - set(known_to_be_missing)
    assert extra == set(), f"{type(model).__name__} has no {sorted(extra)}"
    for name in type(model).model_fields:
        value = getattr(model, name)
        if hasattr(value, "model_extra"):
            has_no_unknown_field(value)


def test_what_was_set_is_what_the_sdk_reads(made):
    assert isinstance(made, LiveInput)
    assert made.created == made.modified == CREATED
    assert made.meta == {"name": "show"}
    assert (made.enabled, made.prefer_low_latency) == (True, True)
    assert made.delete_recording_after_days == 45
    assert made.recording.to_dict(use_api_names=False) == RECORDING
    assert made.status is None
    assert made.keys_rotated_at is None
    assert made.playback is None
    has_no_unknown_field(made)


def test_the_plugin_reads_the_same_live_input_as_the_sdk(made):
    fields = fields_of(made)
    stream, credentials = wire.live_stream(fields), wire.credentials(fields, None)

    assert stream.stream_id == credentials.stream_id == made.uid
    assert stream.created_at == made.created
    assert stream.low_latency is made.prefer_low_latency
    assert stream.name == made.meta["name"]
    assert credentials.rtmp_push_url == made.rtmps.url
    assert credentials.stream_key == Secret(made.rtmps.stream_key)
    by_protocol = {one.protocol: one for one in credentials.ingests}
    srt = by_protocol[IngestProtocol.SRT]
    assert srt.server_url == made.srt.url
    assert srt.stream_key == Secret(made.srt.stream_id)
    assert srt.passphrase == Secret(made.srt.passphrase)
    assert by_protocol[IngestProtocol.WHIP].url_with_key == Secret(made.web_rtc.url)
    base = made.web_rtc_playback.url.removesuffix("/webRTC/play").rpartition("/")[0]
    assert wire.customer_base(fields) == base
    assert credentials.playback_url == f"{base}/{made.uid}/manifest/video.m3u8?protocol=llhls"
    assert stream.playback_url == credentials.playback_url


def test_the_plugin_finds_no_setting_dropped_that_the_sdk_set(made):
    sent = {
        "meta": {"name": "show"},
        "enabled": True,
        "preferLowLatency": True,
        "deleteRecordingAfterDays": 45,
        "defaultCreator": "ann",
        "recording": {
            "mode": "automatic",
            "requireSignedURLs": True,
            "allowedOrigins": ["example.com"],
            "timeoutSeconds": 20,
            "hideLiveViewerCount": True,
        },
    }
    assert wire.dropped_settings(sent, fields_of(made)) == []


def test_playback_is_a_field_of_the_sdk(live_inputs, simulated, account):
    simulated.switch(playback_field=True)
    made = live_inputs.create(account_id=account, recording={"mode": "automatic"})
    assert wire.playback_url(fields_of(made)) == made.playback.hls
    assert made.playback.dash.endswith("/manifest/video.mpd")
    has_no_unknown_field(made)


def test_a_live_input_is_got_and_updated(live_inputs, made, account, clock):
    assert live_inputs.get(made.uid, account_id=account) == made
    clock.advance(5)
    updated = live_inputs.update(made.uid, account_id=account, enabled=False)
    assert updated.enabled is False
    assert updated.modified == CREATED + timedelta(seconds=5)
    assert updated.recording == made.recording
    assert wire.live_stream(fields_of(updated)).state == "disabled"


def test_the_list_is_read_alike(live_inputs, made, account):
    second = live_inputs.create(account_id=account, meta={"name": "second"})
    listed = live_inputs.list(account_id=account, include_counts=True)
    assert isinstance(listed, LiveInputListResponse)
    assert (listed.range, listed.total) == (2, 2)
    assert [one.uid for one in listed.live_inputs] == [second.uid, made.uid]
    for one in listed.live_inputs:
        has_no_unknown_field(one)
    assert listed.live_inputs[1].delete_recording_after_days == 45
    has_no_unknown_field(listed)

    streams, total = wire.live_streams(json.loads(listed.to_json(use_api_names=True)))
    assert total == listed.total
    assert [(one.stream_id, one.created_at, one.name) for one in streams] == [
        (one.uid, one.created, one.meta["name"]) for one in listed.live_inputs
    ]


def test_a_bare_array_is_a_list_for_the_sdk_too(live_inputs, made, account, simulated):
    simulated.switch(list_shape="array")
    listed = live_inputs.list(account_id=account)
    assert [one.uid for one in listed] == [made.uid]
    (stream,), total = wire.live_streams([one.to_dict() for one in listed])
    assert (stream.stream_id, total) == (made.uid, None)


@pytest.mark.parametrize("shape", ["object", "string"])
def test_the_status_of_a_live_input_on_air_is_read_alike(
    live_inputs, made, account, simulated, clock, shape
):
    simulated.switch(status_shape=shape)
    encoder = simulated.encoder(made.rtmps.stream_key)
    clock.advance(10)
    found = live_inputs.get(made.uid, account_id=account)
    current = found.status if shape == "string" else found.status["current"]["state"]
    assert current == "connected"
    assert wire.live_stream(fields_of(found)).state == "live"
    assert wire.has_encoder(fields_of(found))
    encoder.leave()
    found = live_inputs.get(made.uid, account_id=account)
    assert wire.live_stream(fields_of(found)).state == "idle"


def test_answers_are_valid_under_the_sdks_models(
    sdk, live_inputs, made, account, simulated, clock, served
):
    """The SDK itself does not validate what it reads; here its models do.

    With ``status`` as the string that they say it is: in reality it is an object.
    """
    simulated.switch(status_shape="string", playback_field=True)
    live_inputs.outputs.create(
        made.uid, account_id=account, url="rtmp://a.example/live", stream_key="k"
    )
    sdk.stream.keys.create(account_id=account)
    sdk.stream.webhooks.update(account_id=account, body_notification_url_1="https://hooks.example")
    encoder = simulated.encoder(made.rtmps.stream_key)
    clock.advance(30)
    with httpx.Client(
        base_url=f"{served.url}/client/v4/accounts/{account}/",
        headers={"Authorization": f"Bearer {simulated.token}"},
        trust_env=False,
        verify=False,
    ) as client:

        def valid(model, path, method="GET"):
            result = client.request(method, path).json()["result"]
            for one in result if isinstance(result, list) else [result]:
                model.model_validate(one)
            return result

        path = f"stream/live_inputs/{made.uid}"
        assert valid(LiveInput, path)["status"] == "connected"
        valid(LiveInput, f"{path}/rotate_keys", "POST")
        valid(LiveInput, f"{path}/disable", "POST")
        valid(LiveInput, f"{path}/enable", "POST")
        valid(LiveInputListResponse, "stream/live_inputs")
        assert valid(Output, f"{path}/outputs")
        assert valid(Video, f"{path}/videos")[0]["status"]["state"] == "live-inprogress"
        encoder.leave()
        clock.advance(1000)
        assert valid(Video, "stream")[0]["status"]["state"] == "ready"
        assert valid(KeyGetResponse, "stream/keys")
        valid(Keys, "stream/keys", "POST")
        valid(WebhookGetResponse, "stream/webhook")
        valid(VideoStorageUsageResponse, "stream/storage-usage")
        valid(TokenCreateResponse, f"stream/{made.uid}/token", "POST")


def test_a_live_input_is_deleted(live_inputs, made, account, simulated):
    assert live_inputs.delete(made.uid, account_id=account) is None
    assert simulated.deleted == [made.uid]
    with pytest.raises(NotFoundError) as error:
        live_inputs.get(made.uid, account_id=account)
    assert [one.code for one in error.value.errors] == [10003]


@pytest.mark.parametrize("kind", ["object", "nothing", "envelope"])
def test_the_sdk_takes_every_answer_to_a_delete(live_inputs, made, account, simulated, kind):
    simulated.switch(delete_answer=kind)
    live_inputs.delete(made.uid, account_id=account)
    assert simulated.inputs == {}


def test_what_the_sdk_has_no_method_for_it_calls_by_path(sdk, live_inputs, made, account):
    path = f"/accounts/{account}/stream/live_inputs/{made.uid}"
    assert not any(hasattr(live_inputs, name) for name in ("enable", "disable", "rotate_keys"))

    def post(name):
        answer = sdk.post(f"{path}/{name}", cast_to=httpx.Response)
        return LiveInput.model_validate(answer.json()["result"])

    assert post("disable").enabled is False
    assert post("enable").enabled is True
    rotated = post("rotate_keys")
    assert rotated.keys_rotated_at == CREATED
    assert rotated.rtmps.stream_key != made.rtmps.stream_key
    assert live_inputs.get(made.uid, account_id=account).rtmps == rotated.rtmps
    has_no_unknown_field(rotated)


def test_outputs_are_made_listed_switched_and_removed(live_inputs, made, account):
    sent = wire.new_output("rtmp://a.example/live2", Secret("uzya-f19y"))
    output = live_inputs.outputs.create(
        made.uid, account_id=account, url=sent["url"], stream_key=sent["streamKey"]
    )
    assert (output.url, output.stream_key) == ("rtmp://a.example/live2", "uzya-f19y")
    assert output.enabled is True
    has_no_unknown_field(output)

    (listed,) = live_inputs.outputs.list(made.uid, account_id=account)
    assert listed == output
    target = wire.simulcast_target(fields_of(listed), made.uid)
    assert (target.target_id, target.server_url) == (output.uid, output.url)
    assert (target.stream_id, target.enabled) == (made.uid, output.enabled)

    changed = live_inputs.outputs.update(
        output.uid, account_id=account, live_input_identifier=made.uid, enabled=False
    )
    assert changed.enabled is False
    live_inputs.outputs.delete(output.uid, account_id=account, live_input_identifier=made.uid)
    assert list(live_inputs.outputs.list(made.uid, account_id=account)) == []


def test_outputs_that_were_pushed_have_a_status_that_the_sdk_does_not_know(
    live_inputs, made, account, simulated
):
    live_inputs.outputs.create(
        made.uid, account_id=account, url="rtmp://a.example/live", stream_key="k"
    )
    simulated.encoder(made.rtmps.stream_key)
    (listed,) = live_inputs.outputs.list(made.uid, account_id=account)
    has_no_unknown_field(listed, "status")
    assert listed.model_extra["status"] == {"current": {"state": "connected"}}


def test_videos_are_listed_got_and_deleted(sdk, made, account, simulated, clock):
    encoder = simulated.encoder(made.rtmps.stream_key)
    clock.advance(90)

    (video,) = sdk.stream.list(account_id=account, extra_query={"live_input_id": made.uid})
    has_no_unknown_field(video)
    assert (video.status.state, video.duration) == ("live-inprogress", -1)
    read = wire.recording(fields_of(video))
    assert (read.recording_id, read.stream_id) == (video.uid, made.uid)
    assert read.duration is None
    with pytest.raises(ConflictError) as error:
        sdk.stream.delete(video.uid, account_id=account)
    assert [one.code for one in error.value.errors] == [10046]

    encoder.leave()
    clock.advance(1000)
    video = sdk.stream.get(video.uid, account_id=account)
    has_no_unknown_field(video)
    assert (video.status.state, video.status.pct_complete) == ("ready", "100.000000")
    assert (video.creator, video.require_signed_urls) == ("ann", True)
    assert video.allowed_origins == ["example.com"]
    read = wire.recording(fields_of(video))
    assert (read.duration, read.created_at) == (video.duration, video.created)
    assert read.playback_url == video.playback.hls
    assert sdk.stream.delete(video.uid, account_id=account) is None
    assert list(sdk.stream.list(account_id=account)) == []


def test_a_playback_token_is_made(sdk, made, account, simulated):
    token = sdk.stream.token.create(made.uid, account_id=account)
    has_no_unknown_field(token)
    assert wire.token(fields_of(token)) == Secret(token.token)
    assert simulated.watched_with(token.token, "127.0.0.1") == made.uid


def test_signing_keys_are_made_listed_and_revoked(sdk, account):
    key = sdk.stream.keys.create(account_id=account)
    has_no_unknown_field(key)
    assert base64.b64decode(key.pem).startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert json.loads(base64.b64decode(key.jwk))["kid"] == key.id
    (listed,) = sdk.stream.keys.get(account_id=account)
    assert (listed.id, listed.key_id, listed.created) == (key.id, key.id, key.created)
    has_no_unknown_field(listed)
    assert sdk.stream.keys.delete(key.id, account_id=account) == "Revoked"
    assert list(sdk.stream.keys.get(account_id=account)) == []


def test_the_webhook_is_set_got_and_removed(sdk, account, simulated):
    url = "https://hooks.example/stream"
    webhook = sdk.stream.webhooks.update(account_id=account, body_notification_url_2=url)
    has_no_unknown_field(webhook)
    assert (webhook.notification_url, webhook.secret) == (url, simulated.webhook_secret)
    found = sdk.stream.webhooks.get(account_id=account)
    assert found.to_dict() == webhook.to_dict()
    assert sdk.stream.webhooks.delete(account_id=account) == "ok"
    with pytest.raises(NotFoundError):
        sdk.stream.webhooks.get(account_id=account)


def test_storage_usage_is_read_alike(sdk, account, simulated):
    simulated.store(33.31)
    usage = sdk.stream.videos.storage_usage(account_id=account)
    has_no_unknown_field(usage)
    assert (usage.total_storage_minutes, usage.total_storage_minutes_limit) == (33.31, 1000)
    assert usage.video_count == 1
    read = wire.storage(fields_of(usage))
    assert (read.used, read.limit) == (
        usage.total_storage_minutes,
        usage.total_storage_minutes_limit,
    )


def test_both_kinds_of_tokens_verify(sdk, sdk_with, account, simulated):
    assert sdk.accounts.tokens.verify(account_id=account).status == "active"
    assert sdk_with(simulated.user_token).user.tokens.verify().status == "active"
    with pytest.raises(AuthenticationError) as error:
        sdk.user.tokens.verify()
    assert [one.code for one in error.value.errors] == [1000]


def test_refusals_are_the_errors_that_the_sdk_has_for_them(
    sdk, sdk_with, live_inputs, account, simulated
):
    def refused(kind, act):
        with pytest.raises(kind) as error:
            act()
        return [(one.code, one.message) for one in error.value.errors]

    def create(client):
        return lambda: client.stream.live_inputs.create(account_id=account)

    assert (
        refused(
            BadRequestError,
            lambda: live_inputs.create(account_id=account, delete_recording_after_days=7),
        )[0][0]
        == 10060
    )
    assert refused(BadRequestError, create(sdk_with("short")))[0][0] == 6003
    assert refused(AuthenticationError, create(sdk_with("cfat_" + "0" * 48)))[0][0] == 10000
    assert refused(PermissionDeniedError, create(sdk_with(simulated.read_only_token))) == [
        (10000, "Authentication error")
    ]
    simulated.switch(rate_limit=1, rate_answer="429")
    assert refused(RateLimitError, create(sdk))[0][0] == 971
    simulated.switch(rate_limit=0, bad_gateway_every=1)
    with pytest.raises(APIStatusError) as error:
        create(sdk)()
    assert error.value.status_code == 502


def test_the_sdk_waits_as_long_as_the_simulator_says_and_tries_again(
    served, simulated, account, clock
):
    simulated.switch(rate_limit=1, rate_block=2, rate_answer="429")
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        clock.advance(seconds)

    with (
        Cloudflare(
            base_url=f"{served.url}/client/v4",
            api_token=simulated.token,
            http_client=httpx.Client(trust_env=False, verify=False),
        ) as sdk,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("cloudflare._base_client.time.sleep", sleep)
        sdk.stream.live_inputs.create(account_id=account)
        sdk.stream.live_inputs.create(account_id=account)
    assert naps == [2]
    assert len(simulated.inputs) == 2
