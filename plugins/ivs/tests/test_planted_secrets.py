"""Secrets are nowhere but in the credentials: no log, error, repr or pickle has them."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import traceback

import pytest

from headend.plugin import (
    CreateRequest,
    HeadendError,
    PlatformError,
)
from headend_contract.faults import (
    DROP_ANSWER,
    HTML,
    RATE_LIMITED,
    TRUNCATED,
    UNAVAILABLE,
    answering,
)
from headend_ivs import wire
from headend_ivs.settings import IvsOptions

MARKER = "headend-0123456789abcdef-00112233445566778899aabb"


@pytest.fixture
def told():
    """All that any logger says, at every level, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s %(exc_text)s"))
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def planted(simulated):
    """Return the secrets that there are now or ever were, by what they are."""
    seen: dict[str, str] = {}

    def look() -> dict[str, str]:
        seen["the secret access key"] = simulated.secret_access_key
        for channel in (*simulated.channels.values(), *simulated.deleted):
            if channel.key is not None:
                seen[f"stream key {len(seen)}"] = channel.key.value
            seen[f"the passphrase of {channel.arn}"] = channel.srt_passphrase
        return seen

    return look


def request():
    return CreateRequest(
        channel_id="42", marker=MARKER, name="news", metadata={"a": "b"}, options=IvsOptions()
    )


def texts_of(value):
    return [repr(value), str(value), f"{value}"]


def texts_of_error(error):
    found = texts_of(error)
    found += traceback.format_exception(error)
    found.append(pickle.dumps(error).decode("latin-1"))
    found.append(repr(vars(error)))
    link = error.__cause__ or error.__context__
    while link is not None:
        found += [repr(link), str(link), repr(getattr(link, "response", None))]
        link = link.__cause__ or link.__context__
    return found


def assert_clean(texts, secrets):
    for what, secret in secrets.items():
        assert secret
        for text in texts:
            assert secret not in text, what


def everything(provider, simulated, clock, found):
    """Use every operation once; gather what it gives."""
    found += texts_of(provider.create_live_stream(request()))
    clock.advance(10)
    made = provider.find_live_streams(MARKER, "news")[0]
    credentials = provider.get_credentials(made.stream_id)
    simulated.encoder(credentials.stream_key.reveal())
    clock.advance(120)
    for value in (
        provider,
        made,
        credentials,
        credentials.ingests,
        provider.get_live_stream(made.stream_id),
        list(provider.list_live_streams()),
        provider.get_playback_url(made.stream_id),
        provider.get_analytics(made.stream_id),
        provider.get_analytics_many([made.stream_id]),
        list(provider.list_sessions(made.stream_id)),
        provider.check_health(),
        provider.account,
        provider.key(*_key(provider, made.stream_id)),
        provider.look_at(wire.ChannelArn.parse(made.stream_id), wire.entrance),
        provider.rotate_stream_key(made.stream_id),
    ):
        found += texts_of(value)
    provider.put_timed_metadata(made.stream_id, "goal")
    found += texts_of(provider.end_live_stream(made.stream_id, delete_recordings=False))


def _key(provider, stream_id):
    channel = wire.ChannelArn.parse(stream_id)
    return channel, provider.keys(channel)[0]


def test_nothing_that_operations_say_or_log_holds_a_secret(
    provider, simulated, clock, told, planted
):
    found: list[str] = []
    used: dict[str, str] = {}
    original = provider.rotate_stream_key

    def rotate(stream_id):
        used.update(planted())
        return original(stream_id)

    provider.rotate_stream_key = rotate
    everything(provider, simulated, clock, found)
    used.update(planted())

    assert len(found) > 30
    assert "botocore" in told.getvalue()
    assert_clean([*found, told.getvalue()], used)


@pytest.mark.parametrize(
    "fault",
    [
        TRUNCATED,
        HTML,
        UNAVAILABLE,
        DROP_ANSWER,
        RATE_LIMITED,
        answering("denied", 403, body=b'{"message":"no"}'),
    ],
    ids=lambda one: one.name,
)
def test_no_error_holds_a_secret(provider, simulated, faults, clock, told, planted, fault):
    made = provider.create_live_stream(request())
    clock.advance(10)
    found: list[str] = []
    for operation in (
        lambda: provider.create_live_stream(request()),
        lambda: provider.get_credentials(made.stream_id),
        lambda: provider.rotate_stream_key(made.stream_id),
        lambda: provider.put_timed_metadata(made.stream_id, "goal"),
        lambda: provider.end_live_stream(made.stream_id, delete_recordings=False),
    ):
        faults.reset()
        faults.script({2: fault, 3: fault, 4: fault} if len(found) else {0: fault})
        try:
            operation()
        except PlatformError as error:
            found += texts_of_error(error)
        clock.advance(5)

    assert found
    assert_clean([*found, told.getvalue()], planted())


@pytest.mark.parametrize("member", ["value", "passphrase", "ingestEndpoint", "playbackUrl"])
def test_an_answer_that_is_broken_beside_a_secret_does_not_show_it(
    provider, faults, simulated, told, planted, member
):
    from attrs import evolve

    from headend_contract.faults import changing

    def spoil(answer):
        body = answer.body.replace(f'"{member}": "'.encode(), f'"{member}": " '.encode())
        body = body.replace(f'"{member}":"'.encode(), f'"{member}":" '.encode())
        assert body != answer.body
        return evolve(answer, body=body)

    faults.script({0: changing("spoilt", "a text begins with a space", spoil)})
    with pytest.raises(HeadendError) as caught:
        provider.create_live_stream(request())

    assert member in str(caught.value)
    assert_clean([*texts_of_error(caught.value), told.getvalue()], planted())


def test_a_key_that_is_given_for_an_id_is_not_shown(provider, simulated, told, planted):
    made = provider.create_live_stream(request())
    key = made.stream_key.reveal()
    texts = []
    for operation in (
        provider.get_live_stream,
        provider.get_credentials,
        provider.list_sessions,
        lambda one: provider.end_live_stream(one, delete_recordings=False),
    ):
        with contextlib.suppress(StopIteration), pytest.raises(PlatformError) as caught:
            operation(key)
        texts += texts_of_error(caught.value)

    assert_clean([*texts, told.getvalue()], planted())
