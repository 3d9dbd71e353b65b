"""The application on the wire: what is read and written, and what it notes of all that passes."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from starlette.responses import PlainTextResponse

from headend.plugin import ConfigurationError, PlatformUnavailableError, StreamState
from headend.simulator import Simulator
from headend_contract.clock import ManualClock
from headend_contract.serving import Served
from headend_ivs.simulator import create_app
from headend_ivs.simulator.operations import OPERATIONS
from headend_ivs.simulator.platform import Received

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEf012345"


def headers(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]


def rewrite(client, operation, **changes):
    """Have boto3 sign and send an operation's request with changes."""
    client.meta.events.register(
        f"before-call.ivs.{operation}", lambda params, **_: params.update(changes)
    )


def test_it_is_what_core_calls_a_simulator(app):
    assert isinstance(app, Simulator)


@pytest.mark.parametrize(
    ("name", "status"),
    [("stop_stream", 200), ("delete_stream_key", 204), ("delete_channel", 204)],
)
def test_answers_have_the_status_and_body_that_the_model_says(
    ivs, create, simulated, clock, name, status
):
    made = create()
    simulated.encoder(made["key"]["value"])
    clock.advance(10)
    if name == "delete_channel":
        ivs.stop_stream(channelArn=made["arn"])
        clock.advance(10)
    wanted = {
        "stop_stream": {"channelArn": made["arn"]},
        "delete_stream_key": {"arn": made["key"]["arn"]},
        "delete_channel": {"arn": made["arn"]},
    }[name]
    answer = getattr(ivs, name)(**wanted)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert ("content-type" in headers(answer)) == (status == 200)
    assert simulated.requests[-1].status == status


def test_every_answer_has_an_id_of_its_own(ivs):
    ids = [headers(ivs.list_channels())["x-amzn-requestid"] for _ in range(3)]

    assert len(set(ids)) == 3


def test_every_request_is_noted_with_its_operation_and_outcome(ivs, client, simulated, refusal):
    ivs.list_channels()
    refusal(ivs.get_channel, arn=ARN)
    client("sts").get_caller_identity()

    assert simulated.requests == [
        Received("POST", "/ListChannels", "ivs", "ListChannels", 200),
        Received("POST", "/GetChannel", "ivs", "GetChannel", 404, "ResourceNotFoundException"),
        Received("POST", "/", "sts", "GetCallerIdentity", 200),
    ]


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"body": b"{"}, "ValidationException", "body"),
        ({"body": b"[]"}, "ValidationException", "body"),
        ({"body": b"[" * 100_000}, "ValidationException", "body"),
        ({"body": b'{"name": null}'}, "ValidationException", "name"),
        ({"body": b'{"colour": "red"}'}, "ValidationException", "colour"),
        ({"headers": {"Content-Type": "text/plain"}}, "ValidationException", "Content-Type"),
        ({"url_path": "/CreateChannels"}, "UnknownOperationException", "operation"),
        ({"method": "PUT"}, "UnknownOperationException", "operation"),
        ({"url_path": "/CreateAdConfiguration"}, "UnknownOperationException", "mediaTailor"),
    ],
)
def test_a_signed_request_that_the_model_does_not_have_is_refused_and_noted(
    ivs, simulated, refusal, planted, changes, code, where
):
    if "url_path" in changes or "method" in changes:
        ivs.meta.events.register(
            "before-sign.ivs.CreateChannel",
            lambda request, **_: _redirect(request, **changes),
        )
    else:
        rewrite(ivs, "CreateChannel", **changes)

    assert refusal(ivs.create_channel, name="a")[1] == code
    assert simulated.channels == {}
    assert planted()[0].problem.where.startswith(where)


def _redirect(request, *, url_path="/CreateChannel", method="POST"):
    request.method = method
    request.url = request.url.replace("/CreateChannel", url_path)


def test_operations_of_the_other_services_that_are_not_simulated_are_refused(
    client, refusal, planted
):
    assert refusal(client("cloudwatch").list_metrics)[1] == "InvalidAction"
    assert refusal(client("sts").get_session_token) == (400, "InvalidAction")
    assert planted() == []


def test_a_signed_request_of_no_service_is_refused(client, refusal, served, planted):
    assert refusal(client("sqs").list_queues)[0] in {403, 404}
    planted()


@pytest.mark.parametrize(
    ("name", "wrong", "problem"),
    [
        ("ListChannels", {}, "channels: is missing"),
        ("ListChannels", {"channels": [], "more": 1}, "more: is not in the model"),
        ("ListChannels", None, "body: is missing"),
        ("ListChannels", {"channels": [{"arn": 5}]}, "channels[0].arn: is not a text"),
    ],
)
def test_an_answer_that_breaks_the_model_is_noted_as_the_simulator_s_fault(
    ivs, simulated, monkeypatch, name, wrong, problem
):
    monkeypatch.setitem(OPERATIONS, name, lambda *_: wrong)
    try:
        ivs.list_channels()
    finally:
        (found,), simulated.violations = simulated.violations, []

    assert (found.service, found.operation, found.side) == ("ivs", name, "answer")
    assert str(found.problem).startswith(problem)
    assert str(found).startswith(f"ivs {name} (answer) {problem}")


def test_what_is_noted_and_answered_of_a_wrong_request_has_no_secret_in_it(
    ivs, create, simulated, planted
):
    value = create()["key"]["value"]

    with pytest.raises(ivs.exceptions.ValidationException) as caught:
        ivs.delete_stream_key(arn=value)
    assert value not in str(caught.value.response)
    assert value not in repr(planted())
    assert value not in repr(simulated.requests)


@pytest.mark.parametrize("member", ["message", "exceptionMessage"])
def test_the_text_of_an_error_is_where_the_switch_says(ivs, simulated, member):
    simulated.switch(error_member=member)

    with pytest.raises(ivs.exceptions.ResourceNotFoundException) as caught:
        ivs.get_channel(arn=ARN)
    text = f"Resource: {ARN} not found"
    answer = caught.value.response
    assert (answer["Error"]["Message"], answer.get("exceptionMessage")) == (
        (text, None) if member == "message" else ("", text)
    )


NAMES = ["a", "b"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "create",
                "delete",
                "update",
                "push",
                "leave",
                "finish",
                "stop",
                "rotate",
                "watch",
                "wait",
                "look",
                "tag",
                "breach",
            ]
        ),
        st.integers(0, 2),
    ),
    max_size=14,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_whatever_happens_every_answer_fits_the_model(steps, connect):
    """The simulator is asked for all it can tell after whatever encoders, viewers and hosts did."""
    clock = ManualClock()
    app = create_app(clock=clock, switches={"throttling": False, "list_lag": 0})
    with Served(app) as served:
        ivs = connect("ivs", served.url, app.platform.identities.full)
        for step, which in steps:
            _do(step, which, ivs, app.platform, clock)
            _look(ivs, [*app.platform.channels, *(one.arn for one in app.platform.deleted)])

    assert [str(one) for one in app.platform.violations] == []


def _do(step, which, ivs, platform, clock):
    arns = [*platform.channels]
    arn = arns[which % len(arns)] if arns else ARN
    channel = platform.channels.get(arn)
    session = channel.session if channel is not None else None
    encoder = session.encoder if session is not None else None
    match step:
        case "create":
            ivs.create_channel(name="a", tags={"a": "b"})
        case "delete":
            _try(ivs.delete_channel, arn=arn)
        case "update":
            _try(ivs.update_channel, arn=arn, type="ADVANCED_SD")
        case "stop":
            _try(ivs.stop_stream, channelArn=arn)
        case "rotate" if channel is not None:
            if channel.key is not None:
                ivs.delete_stream_key(arn=channel.key.arn)
            ivs.create_stream_key(channelArn=arn)
        case "tag":
            _try(ivs.tag_resource, resourceArn=arn, tags={"c": "d"})
        case "push" if channel is not None and channel.key is not None:
            platform.encoder(channel.key.value, reconnects=bool(which))
        case "leave" if encoder is not None:
            encoder.leave()
        case "finish" if encoder is not None:
            encoder.finish()
        case "watch" if channel is not None:
            platform.watch(arn, which)
        case "breach" if channel is not None:
            platform.breach(arn)
        case "wait":
            clock.advance(7 * (which + 1) ** 2)


def _look(ivs, arns):
    ivs.list_channels()
    ivs.list_streams()
    for arn in arns:
        _try(ivs.get_channel, arn=arn)
        _try(ivs.get_stream, channelArn=arn)
        _try(ivs.list_stream_keys, channelArn=arn)
        _try(ivs.list_stream_sessions, channelArn=arn)
        _try(ivs.get_stream_session, channelArn=arn)
        _try(ivs.list_tags_for_resource, resourceArn=arn)


def _try(call, **parameters):
    with contextlib.suppress(
        call.__self__.exceptions.ChannelNotBroadcasting,
        call.__self__.exceptions.ConflictException,
        call.__self__.exceptions.ResourceNotFoundException,
    ):
        call(**parameters)


class Backend:
    """Real media as the simulator sees them, moved by hand."""

    def __init__(self):
        self.calls = []
        self.states = {}
        self.viewers = {}
        self.numbers = 0

    def create(self, name):
        self.calls.append(("create", name))
        media_id = f"m{len(self.states)}"
        self.states[media_id] = StreamState.IDLE
        return self._stream(media_id)

    def rotate(self, media_id):
        self.calls.append(("rotate", media_id))
        return self._stream(media_id)

    def set_enabled(self, media_id, *, enabled):
        self.calls.append(("set_enabled", media_id, enabled))

    def state(self, media_id):
        return self.states.get(media_id, StreamState.ENDED)

    def viewer_count(self, media_id):
        return self.viewers.get(media_id)

    def end(self, media_id):
        self.calls.append(("end", media_id))
        self.states.pop(media_id)

    def _stream(self, media_id):
        from headend.media import MediaStream
        from headend.plugin import Secret

        self.numbers += 1
        return MediaStream(
            media_id=media_id,
            server_url="rtmp://127.0.0.1:1935/live",
            stream_key=Secret(f"key{self.numbers}"),
            hls_url=f"http://127.0.0.1:8080/{media_id}/index.m3u8",
        )


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def carried(backend, clock, connect):
    """A platform with real media, and boto3 as its client."""
    app = create_app(clock=clock, media=backend, switches={"throttling": False})
    with Served(app) as served:
        yield app, connect("ivs", served.url, app.platform.identities.full)
    assert app.platform.violations == []


def test_with_media_a_channel_has_the_real_key_and_the_real_playback_address(carried, backend):
    app, ivs = carried
    made = ivs.create_channel()

    assert made["channel"]["playbackUrl"] == "http://127.0.0.1:8080/m0/index.m3u8"
    assert made["streamKey"]["value"] == "key1"
    assert app.environment("http://x")["AWS_IVS_INGEST_URL"] == "rtmp://127.0.0.1:1935/live"
    assert [*backend.states] == ["m0"]


def test_with_media_streams_and_sessions_are_those_of_the_real_encoder(
    carried, backend, clock, refusal
):
    _, ivs = carried
    arn = ivs.create_channel()["channel"]["arn"]
    off = (404, "ChannelNotBroadcasting")

    assert refusal(ivs.get_stream, channelArn=arn) == off
    backend.states["m0"] = StreamState.CONNECTING
    assert refusal(ivs.get_stream, channelArn=arn) == off
    assert refusal(ivs.delete_channel, arn=arn) == (409, "ConflictException")
    backend.states["m0"], backend.viewers["m0"] = StreamState.LIVE, 2
    clock.advance(5)
    assert ivs.get_stream(channelArn=arn)["stream"]["viewerCount"] == 2
    backend.states["m0"], backend.viewers["m0"] = StreamState.INTERRUPTED, None
    stream = ivs.list_streams()["streams"][0]
    assert (stream["health"], stream["viewerCount"]) == ("STARVING", -1)
    backend.states["m0"] = StreamState.IDLE
    clock.advance(5)
    assert refusal(ivs.get_stream, channelArn=arn) == off
    (session,) = ivs.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert (session["endTime"] - session["startTime"]).total_seconds() == 5


def test_with_media_a_stop_cuts_the_real_encoder_and_lets_it_come_back(carried, backend, clock):
    _, ivs = carried
    arn = ivs.create_channel()["channel"]["arn"]
    backend.states["m0"] = StreamState.LIVE
    first = ivs.get_stream(channelArn=arn)["stream"]["streamId"]

    ivs.stop_stream(channelArn=arn)
    assert backend.calls[-2:] == [("set_enabled", "m0", False), ("set_enabled", "m0", True)]
    assert ivs.get_stream(channelArn=arn)["stream"]["streamId"] != first


def test_with_media_a_deleted_key_is_good_no_more_and_the_next_one_is(carried, backend):
    _, ivs = carried
    made = ivs.create_channel()

    ivs.delete_stream_key(arn=made["streamKey"]["arn"])
    assert backend.calls[-1] == ("rotate", "m0")
    key = ivs.create_stream_key(channelArn=made["channel"]["arn"])["streamKey"]
    assert key["value"] == f"key{backend.numbers}"


def test_with_media_what_is_deleted_or_reset_ends(carried, backend):
    app, ivs = carried
    arn = ivs.create_channel()["channel"]["arn"]
    ivs.create_channel()

    ivs.delete_channel(arn=arn)
    assert [*backend.states] == ["m1"]
    app.reset()
    assert backend.states == {}


def test_with_media_a_backend_that_fails_is_a_failure_of_the_platform(carried, backend, refusal):
    app, ivs = carried

    def fail(_name):
        raise PlatformUnavailableError("The media server is down.", provider="local", operation="x")

    backend.create = fail
    assert refusal(ivs.create_channel) == (500, "InternalFailure")
    assert app.platform.channels == {}


def test_with_media_a_slow_backend_does_not_stop_the_event_loop(backend, clock, connect):
    """Calls to a backend block, so they are made in a thread."""
    entered, leave = threading.Event(), threading.Event()
    app = create_app(clock=clock, media=backend)

    async def beside(scope, receive, send):
        if scope["path"] == "/beside":
            await PlainTextResponse("there")(scope, receive, send)
        else:
            await app(scope, receive, send)

    def slow(_media_id):
        entered.set()
        assert leave.wait(10)
        return StreamState.LIVE

    with Served(beside) as served, ThreadPoolExecutor() as pool:
        ivs = connect("ivs", served.url, app.platform.identities.full)
        arn = ivs.create_channel()["channel"]["arn"]
        backend.state = slow
        asked = pool.submit(ivs.get_stream, channelArn=arn)
        assert entered.wait(10)
        try:
            assert httpx.get(f"{served.url}/beside").text == "there"
            assert not asked.done()
        finally:
            leave.set()
        assert asked.result()["stream"]["state"] == "LIVE"


def test_a_switch_that_does_not_exist_or_has_such_a_value_is_refused(app):
    with pytest.raises(ConfigurationError, match="no such switch"):
        app.switch(list_lags=3)
    with pytest.raises(ConfigurationError, match="throttle_status"):
        app.switch(throttle_status=418)
    with pytest.raises(ConfigurationError, match="list_lag"):
        create_app(switches={"list_lag": "soon"})
