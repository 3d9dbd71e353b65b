"""No secret is in anything printed, logged, raised or pickled, proven by planted values."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from headend.plugin import HeadendError, PlatformError, Secret
from headend_cloudflare.simulator import signing
from headend_contract.faults import DROP_ANSWER, HTML, TRUNCATED, UNAVAILABLE, answering

OUTPUT_KEY = "planted-output-key"
YOUTUBE = "rtmp://a.rtmp.youtube.com/live2"

GOSSIP = (400, 403, 200, 500)
"""Statuses under which the platform repeats every secret there is."""


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown_by(error: BaseException) -> Iterator[str]:
    """Return all that an error and what led to it show."""
    yield "".join(traceback.format_exception(error))
    for one in chain_of(error):
        yield f"{one} {one!r} {vars(one)!r}"
        yield pickle.dumps(one).decode("latin-1")


class Watch:
    """Collects all that gets out, and looks for secrets in it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.out: list[str] = []
        self.secrets: set[str] = set()
        self._caplog = caplog
        caplog.set_level(1)
        for name in ("httpx", "httpcore", "headend", "headend.calls", "asyncio"):
            logging.getLogger(name).setLevel(1)

    def hide(self, *secrets: Secret | str | None) -> None:
        self.secrets |= {
            one.reveal() if isinstance(one, Secret) else one for one in secrets if one is not None
        }

    def see(self, act: Callable[[], object]) -> object:
        """Do something; keep what it gives or raises."""
        try:
            given = act()
        except HeadendError as error:
            self.out += shown_by(error)
            return None
        self.out += [repr(given), str(given), f"{given}"]
        return given

    def leaks(self) -> list[str]:
        logged = [f"{one.getMessage()} {vars(one)!r}" for one in self._caplog.records]
        assert any(one.name == "httpx" for one in self._caplog.records)
        assert any(one.name.startswith("httpcore") for one in self._caplog.records)
        assert any(one.name.startswith("headend") for one in self._caplog.records)
        assert self.secrets
        return [
            f"{secret} in {text[:2000]}"
            for secret, text in product(self.secrets, [*logged, *self.out])
            if secret in text
        ]


@pytest.fixture
def watch(caplog) -> Watch:
    return Watch(caplog)


@pytest.fixture
def planted(provider_for, simulated, watch):
    """A provider that has all the secrets that there are."""
    key = simulated.create_signing_key()
    pem = signing.to_pem(key.private)
    watch.hide(simulated.token, simulated.notification_secret, simulated.webhook_secret, pem)
    watch.hide(OUTPUT_KEY)
    return provider_for(signing_key_id=key.id, signing_key=Secret(pem))


def hide_keys_of(watch: Watch, simulated) -> None:
    """Hide the keys of all inputs that there are."""
    for one in simulated.inputs.values():
        keys = one.keys
        watch.hide(keys.rtmps, keys.rtmps_playback, keys.srt, keys.srt_playback)
        watch.hide(keys.web_rtc, keys.web_rtc_playback)


def all_operations(watch: Watch, provider, simulated, stream_id: str) -> None:
    from headend.plugin import CreateRequest

    request = CreateRequest(channel_id="42", marker="headend-m")
    headers, body = simulated.test_webhook()
    for act in (
        lambda: provider.create_live_stream(request),
        lambda: provider.confirm_live_stream(request, stream_id),
        lambda: provider.get_live_stream(stream_id),
        lambda: list(provider.list_live_streams()),
        lambda: provider.find_live_streams("headend-m", None),
        lambda: provider.get_credentials(stream_id),
        lambda: provider.get_playback_url(stream_id),
        lambda: provider.get_analytics(stream_id),
        lambda: provider.disable_live_stream(stream_id),
        lambda: provider.enable_live_stream(stream_id),
        lambda: list(provider.list_recordings(stream_id)),
        lambda: provider.delete_recording("0" * 32),
        lambda: provider.create_simulcast_target(stream_id, YOUTUBE, Secret(OUTPUT_KEY)),
        lambda: provider.list_simulcast_targets(stream_id),
        lambda: provider.update_simulcast_target(stream_id, "0" * 32, enabled=True),
        lambda: provider.delete_simulcast_target(stream_id, "0" * 32),
        provider.check_health,
        lambda: provider.parse_event(headers, body),
        lambda: provider.parse_event({"cf-webhook-auth": "wrong"}, body),
    ):
        watch.see(act)
        hide_keys_of(watch, simulated)
    token = watch.see(lambda: provider.create_playback_token(stream_id, expires_in=60))
    if token is not None:
        watch.hide(token.token)
    fresh = watch.see(lambda: provider.rotate_stream_key(stream_id))
    hide_keys_of(watch, simulated)
    if fresh is not None:
        watch.hide(*(one.url_with_key for one in fresh.ingests))
    watch.see(lambda: provider.end_live_stream(stream_id, delete_recordings=True))


def new_stream(provider) -> str:
    from headend.plugin import CreateRequest

    made = provider.create_live_stream(CreateRequest(channel_id="1", marker="headend-n"))
    return str(made.stream_id)


def test_no_operation_shows_a_secret_when_all_is_well(planted, simulated, watch):
    all_operations(watch, planted, simulated, new_stream(planted))

    assert watch.leaks() == []
    assert len(watch.secrets) > 15


@pytest.mark.parametrize("fault", [UNAVAILABLE, DROP_ANSWER, HTML, TRUNCATED], ids=repr)
def test_no_operation_shows_a_secret_when_answers_break(planted, simulated, watch, faults, fault):
    stream_id = new_stream(planted)
    faults.script(dict.fromkeys(range(400), fault))
    all_operations(watch, planted, simulated, stream_id)

    assert watch.leaks() == []


@pytest.mark.parametrize("status", GOSSIP)
def test_no_error_shows_a_secret_that_the_platform_repeats(
    planted, simulated, watch, faults, clock, status
):
    stream_id = new_stream(planted)
    watch.secrets -= {OUTPUT_KEY}
    hide_keys_of(watch, simulated)

    def gossip() -> None:
        told = [*watch.secrets, *(f"{one}\x07" for one in watch.secrets)]
        errors = [
            {"code": 4242, "message": one, "documentation_url": f"https://x.example/{one}"}
            for one in told
        ]
        for place, error in enumerate(errors):
            body = json.dumps({"success": False, "result": None, "errors": [error]}).encode()
            clock.advance(1000)
            echo = answering("gossip", status, body=body)
            faults.script(dict.fromkeys(range(3), echo))
            watch.see(acts[place % len(acts)])

    acts = [
        lambda: planted.get_live_stream(stream_id),
        lambda: planted.get_credentials(stream_id),
        lambda: planted.delete_recording("0" * 32),
    ]
    gossip()
    acts = [lambda: planted.create_simulcast_target(stream_id, YOUTUBE, Secret(OUTPUT_KEY))]
    watch.secrets |= {OUTPUT_KEY}
    gossip()
    assert len(watch.out) > 20
    assert watch.leaks() == []


def test_what_holds_a_secret_cannot_be_pickled_and_hides_it_when_copied(planted, simulated, watch):
    stream_id = new_stream(planted)
    hide_keys_of(watch, simulated)
    held = [
        planted.get_credentials(stream_id),
        planted.create_playback_token(stream_id, expires_in=60),
    ]
    watch.hide(held[1].token)
    for one in held:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(one)
        watch.out.append(repr(copy.deepcopy(one)))
    for settled in (planted, planted._transport, planted._settings, planted._analytics):
        watch.out.append(f"{settled!r} {settled}")
    watch.out.append(repr(vars(planted._transport)))
    logging.getLogger("headend").info("done")
    assert watch.leaks() == []


def test_an_error_of_the_network_holds_no_token(provider_for, served, simulated, watch):
    provider = provider_for(api_url="http://127.0.0.1:1/client/v4")
    watch.hide(simulated.token)

    with pytest.raises(PlatformError) as caught:
        provider.check_health()
    assert not [one for one in shown_by(caught.value) if simulated.token in one]
    assert [type(one).__module__ for one in chain_of(caught.value)][1].startswith("httpx")


@pytest.mark.parametrize("as_id", ["key", "passphrase", "whip", "push", "token"])
def test_a_secret_in_the_place_of_an_id_is_neither_sent_nor_shown(planted, simulated, watch, as_id):
    stream_id = new_stream(planted)
    made = planted.get_credentials(stream_id)
    rtmps, srt, whip = made.ingests
    secret = {
        "key": made.stream_key.reveal(),
        "passphrase": srt.passphrase.reveal(),
        "whip": whip.url_with_key.reveal(),
        "push": rtmps.url_with_key.reveal(),
        "token": simulated.token,
    }[as_id]
    watch.hide(secret)
    simulated.requests.clear()
    for act in (
        planted.get_live_stream,
        planted.get_analytics,
        planted.rotate_stream_key,
        planted.delete_recording,
        lambda one: planted.end_live_stream(one, delete_recordings=True),
        lambda one: planted.update_simulcast_target(stream_id, one, enabled=True),
        lambda one: planted.delete_simulcast_target(stream_id, one),
    ):
        watch.see(lambda act=act: act(secret))
    assert not [one for one in simulated.requests if one.method != "GET"]
    assert not [one for one in simulated.requests if secret in f"{one.path}?{one.query}"]
    assert watch.leaks() == []
