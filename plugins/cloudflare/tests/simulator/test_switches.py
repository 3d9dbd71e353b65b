"""CloudflareSwitches: each says what it does and where that is told, and takes texts and values."""

from __future__ import annotations

import re

import pytest
from attrs import asdict, fields_dict

from headend.plugin import ConfigurationError, Simulator
from headend_cloudflare.simulator import create_app
from headend_cloudflare.simulator.switches import (
    DROPPABLE,
    CloudflareSwitches,
)


def test_the_app_is_a_simulator(app):
    assert isinstance(app, Simulator)


def test_every_switch_says_what_it_does_and_cites_a_source_or_says_that_it_is_invented():
    described = CloudflareSwitches.describe()
    assert set(described) == set(fields_dict(CloudflareSwitches))
    for text in described.values():
        help_, source = re.fullmatch(r"(.+\.) \[(.+)\]", text).groups()
        assert help_[0].isupper() or help_.split()[0] in {
            "status",
            "preferLowLatency",
            "webRTCPlayback.url",
        }
        public = ("https://developers.cloudflare.com/", "github.com/", "PyPI ", "npm ")
        assert any(one in source for one in public) or "own invention" in source


@pytest.mark.parametrize("name", sorted(fields_dict(CloudflareSwitches)))
def test_a_switch_takes_its_default_as_text(name):
    value = asdict(CloudflareSwitches(), recurse=False)[name]
    text = value.value if hasattr(value, "value") else value
    if isinstance(text, tuple):
        text = ",".join(text)
    if text == "":
        assert CloudflareSwitches.of({name: ()}) == CloudflareSwitches()
    else:
        assert CloudflareSwitches.of({name: str(text)}) == CloudflareSwitches()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("list_lags", "1", "did you mean list_lag"),
        ("list_lag", "soon", "list_lag"),
        ("list_lag", -1, "list_lag"),
        ("list_cap", 0, "list_cap"),
        ("status_shape", "triangle", "status_shape"),
        ("bad_token_status", 404, "bad_token_status"),
        ("permission_code", "1", "permission_code"),
        ("playback_field", "perhaps", "playback_field"),
        ("dropped_settings", "colour", "colour"),
        ("rate_window", 0, "rate_window"),
    ],
)
def test_a_wrong_switch_is_refused_and_nothing_changes(app, name, value, says):
    with pytest.raises(ConfigurationError, match=says):
        app.switch(**{name: value})
    with pytest.raises(ConfigurationError, match=says):
        create_app(switches={name: value})
    assert app.platform.switches == CloudflareSwitches()


def test_switches_are_changed_one_by_one(app):
    app.switch(list_lag="2.5", dropped_settings="meta, recording.mode")
    app.switch(status_shape="string")
    found = app.platform.switches
    assert (found.list_lag, found.status_shape.value) == (2.5, "string")
    assert found.dropped_settings == ("meta", "recording.mode")
    assert set(found.dropped_settings) < set(DROPPABLE)


def test_the_environment_points_a_host_at_it(app, simulated):
    environment = app.environment("http://127.0.0.1:1234")
    assert environment == {
        "STREAMING_PLATFORM": "cloudflare",
        "CLOUDFLARE_STREAM_ACCOUNT_ID": simulated.account_id,
        "CLOUDFLARE_STREAM_API_TOKEN": simulated.token,
        "CLOUDFLARE_STREAM_API_URL": "http://127.0.0.1:1234/client/v4",
        "CLOUDFLARE_STREAM_NOTIFICATION_SECRET": simulated.notification_secret,
        "CLOUDFLARE_STREAM_WEBHOOK_SECRET": simulated.webhook_secret,
    }
