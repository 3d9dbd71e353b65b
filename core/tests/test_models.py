"""The models: frozen, honest about what is unknown, and free of secrets but for credentials."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given, strategies as st

from headend import models
from headend.models import (
    METRICS,
    EncoderSettings,
    EndOutcome,
    EndResult,
    EventKind,
    Health,
    Ingest,
    IngestProtocol,
    LiveStream,
    PlaybackToken,
    Recording,
    Session,
    SessionEvent,
    SimulcastTarget,
    StreamAnalytics,
    StreamCredentials,
    StreamEvent,
    StreamState,
    to_channel_id,
    unknown_metrics,
)
from headend.secret import Secret

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
KEY = Secret("sk-hunter2")
INGEST = Ingest.rtmp("rtmps://in.acme.example/live", KEY)
CREDENTIALS = StreamCredentials(
    stream_id="live-1",
    stream_key=KEY,
    rtmp_push_url="rtmps://in.acme.example/live",
    playback_url="https://acme.example/live-1.m3u8",
    ingests=(INGEST,),
)
LIVE_STREAM = LiveStream(
    stream_id="live-1",
    provider="acme",
    channel_id="42",
    state=StreamState.LIVE,
    created_at=NOON,
    metadata={"show": "news"},
)
ANALYTICS = StreamAnalytics(
    stream_id="live-1",
    as_of=NOON,
    viewer_count=0,
    unknown=unknown_metrics("not told", METRICS[1:]),
)
ENCODER = EncoderSettings(software="x264", width=1280, height=720, frame_rate=29.97)
STARTED = SessionEvent(kind=EventKind.LIVE, name="on", occurred_at=NOON)
PLAIN: list[attrs.AttrsInstance] = [
    LIVE_STREAM,
    ANALYTICS,
    Recording(recording_id="rec-1", duration=1.5, created_at=NOON),
    EndResult(stream_id="live-1", outcome=EndOutcome.ENDED),
    Health(provider="acme", ok=True, message="all well", checked_at=NOON),
    Session(
        session_id="s-1",
        stream_id="live-1",
        started_at=NOON,
        encoder=ENCODER,
        events=(STARTED,),
    ),
    ENCODER,
    STARTED,
    SimulcastTarget(target_id="t-1", stream_id="live-1", server_url="rtmp://x/y", enabled=True),
    StreamEvent(
        kind=EventKind.LIVE,
        provider="acme",
        stream_id="live-1",
        occurred_at=NOON,
        event_id="e-1",
        raw="{}",
    ),
]
SECRET: list[attrs.AttrsInstance] = [
    INGEST,
    CREDENTIALS,
    PlaybackToken(token=KEY, playback_url=Secret("https://x?t=sk-hunter2"), expires_at=NOON),
]


def names(example: object) -> str:
    return type(example).__name__


def test_every_model_is_tested_here() -> None:
    real = {
        name for name, kind in vars(models).items() if inspect.isclass(kind) and attrs.has(kind)
    }

    assert {names(example) for example in [*PLAIN, *SECRET]} == real


@pytest.mark.parametrize("model", [*PLAIN, *SECRET], ids=names)
def test_a_model_cannot_be_changed(model: attrs.AttrsInstance) -> None:
    name = attrs.fields(type(model))[0].name

    with pytest.raises(FrozenInstanceError):
        setattr(model, name, "other")


@pytest.mark.parametrize("model", [*PLAIN, *SECRET], ids=names)
def test_a_model_can_be_in_a_set(model: object) -> None:
    assert len({model, copy.deepcopy(model)}) == 1


@pytest.mark.parametrize("model", PLAIN, ids=names)
def test_a_model_without_secrets_can_be_sent_to_another_process(model: object) -> None:
    assert pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize("model", SECRET, ids=names)
def test_a_model_with_a_secret_shows_it_nowhere_and_cannot_be_pickled(model: object) -> None:
    assert "hunter2" not in repr(model)
    assert "hunter2" not in str(model)
    with pytest.raises(TypeError, match="Secret"):
        pickle.dumps(model)


@pytest.mark.parametrize("model", [*PLAIN, *SECRET], ids=names)
def test_every_attribute_is_described(model: attrs.AttrsInstance) -> None:
    described = str(type(model).__doc__)

    missing = [
        field.name
        for field in attrs.fields(type(model))
        if f"\n        {field.name}: " not in described
    ]
    assert missing == []


class TestChannelId:
    @given(st.integers())
    def test_a_number_and_its_decimal_text_are_the_same_id(self, number: int) -> None:
        assert to_channel_id(number) == to_channel_id(str(number)) == str(number)

    @given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
    def test_any_printable_text_is_kept_as_it_is(self, text: str) -> None:
        assert to_channel_id(text) == text

    @pytest.mark.parametrize("value", ["", " ", "   "])
    def test_an_empty_text_is_refused(self, value: str) -> None:
        with pytest.raises(ValueError, match="must not be empty"):
            to_channel_id(value)

    @given(st.text(st.characters(categories=["Cc"]), min_size=1))
    def test_control_characters_are_refused(self, controls: str) -> None:
        with pytest.raises(ValueError, match="control characters"):
            to_channel_id(f"a{controls}b")

    @pytest.mark.parametrize("value", [True, None, 4.2, b"42", KEY])
    def test_other_types_are_refused_without_showing_the_value(self, value: object) -> None:
        with pytest.raises(TypeError, match=type(value).__name__) as caught:
            to_channel_id(value)  # type: ignore[arg-type]  # what is tested

        assert "hunter2" not in str(caught.value)


class TestAnalytics:
    def test_a_real_zero_is_zero(self) -> None:
        assert ANALYTICS.viewer_count == 0
        assert "viewer_count" not in ANALYTICS.unknown

    @given(
        given_=st.fixed_dictionaries(
            {}, optional={name: st.integers(min_value=0) for name in METRICS}
        ),
        explained=st.sets(st.sampled_from(METRICS)),
    )
    def test_every_figure_is_given_or_explained_and_never_both(
        self, given_: dict[str, int], explained: set[str]
    ) -> None:
        unknown = unknown_metrics("the platform does not tell", sorted(explained))
        is_right = explained == set(METRICS) - set(given_)

        if is_right:
            made = StreamAnalytics(stream_id="a", as_of=NOON, unknown=unknown, **given_)
            assert {name: getattr(made, name) for name in given_} == given_
        else:
            with pytest.raises(ValueError, match="needs its reason in `unknown`"):
                StreamAnalytics(stream_id="a", as_of=NOON, unknown=unknown, **given_)

    @pytest.mark.parametrize("name", METRICS)
    @pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf])
    def test_a_platforms_word_for_unknown_is_no_figure(self, name: str, value: float) -> None:
        others = unknown_metrics("not told", [one for one in METRICS if one != name])

        with pytest.raises(ValueError, match=f"{name} is {value}"):
            StreamAnalytics(stream_id="a", as_of=NOON, unknown=others, **{name: value})  # type: ignore[arg-type]  # bad on purpose

    def test_an_explanation_of_something_else_is_refused(self) -> None:
        with pytest.raises(ValueError, match="needless: viewers"):
            StreamAnalytics(
                stream_id="a", as_of=NOON, unknown={**unknown_metrics("no"), "viewers": "no"}
            )

    def test_without_any_figure_every_reason_can_be_the_same(self) -> None:
        made = StreamAnalytics(stream_id="a", as_of=NOON, unknown=unknown_metrics("just started"))

        assert made.unknown == dict.fromkeys(METRICS, "just started")


class TestTimes:
    @given(st.datetimes(min_value=NOON.replace(year=1990, tzinfo=None)))
    def test_a_time_without_a_zone_is_refused(self, value: datetime) -> None:
        with pytest.raises(ValueError, match="has no time zone"):
            LiveStream(stream_id="a", provider="acme", created_at=value)

    @given(
        st.datetimes(
            min_value=NOON.replace(year=1990, tzinfo=None),
            max_value=NOON.replace(year=2100, tzinfo=None),
        ),
        st.integers(-14 * 60, 14 * 60),
    )
    def test_every_time_is_kept_in_utc(self, value: datetime, minutes: int) -> None:
        there = value.replace(tzinfo=timezone(timedelta(minutes=minutes)))
        kept = LiveStream(stream_id="a", provider="acme", created_at=there).created_at

        assert kept == there
        assert kept is not None
        assert kept.tzinfo is UTC


class TestIngest:
    @pytest.mark.parametrize(
        ("url", "protocol"),
        [
            ("rtmp://in.acme.example/live", IngestProtocol.RTMP),
            ("rtmps://in.acme.example:443/live/", IngestProtocol.RTMPS),
        ],
    )
    def test_the_address_tells_the_protocol(self, url: str, protocol: IngestProtocol) -> None:
        assert Ingest.rtmp(url, KEY).protocol is protocol

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_address_and_key_are_joined_by_one_slash(self, slash: str) -> None:
        made = Ingest.rtmp(f"rtmp://in.acme.example/live{slash}", KEY)

        assert made.url_with_key == Secret("rtmp://in.acme.example/live/sk-hunter2")
        assert made.server_url == f"rtmp://in.acme.example/live{slash}"


def test_credentials_give_what_obs_and_what_ffmpeg_ask_for() -> None:
    assert CREDENTIALS.rtmp_push_url == "rtmps://in.acme.example/live"
    assert CREDENTIALS.stream_key.reveal() == "sk-hunter2"
    assert CREDENTIALS.push_url_with_key().reveal() == "rtmps://in.acme.example/live/sk-hunter2"


def test_metadata_is_a_copy_that_cannot_be_changed() -> None:
    mine = {"show": "news"}
    stream = LiveStream(stream_id="a", provider="acme", metadata=mine)
    mine["show"] = "sports"

    assert stream.metadata == {"show": "news"}
    with pytest.raises(TypeError):
        stream.metadata["show"] = "sports"  # type: ignore[index]  # what is tested


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="duration is -1"):
        Recording(recording_id="rec-1", duration=-1)


def event(**changes: str) -> StreamEvent:
    given_ = {"event_id": "e-1", "raw": "{}"} | changes
    return StreamEvent(
        kind=EventKind.UNKNOWN, provider="acme", stream_id=None, occurred_at=NOON, **given_
    )


def test_an_event_has_an_id() -> None:
    with pytest.raises(ValueError, match="event_id"):
        event(event_id="")


def test_the_raw_text_of_an_event_is_not_in_its_repr() -> None:
    assert "a long text" not in repr(event(raw="a long text of the platform"))
