"""What the reference provider tells of its platform agrees with what the platform does."""

from __future__ import annotations

from random import Random

import pytest

from headend.platform import StreamingPlatform
from headend.plugin import ConfigurationError, Simulator
from headend_contract.clock import ManualClock
from headend_contract.reference.facts import FACTS
from headend_contract.reference.platform import ReferenceSwitches
from headend_contract.reference.settings import ReferenceSettings
from headend_contract.reference.simulator import create_app


def quota(name: str) -> float | None:
    return {one.name: one.value for one in FACTS.quotas}[name]


def test_the_quota_is_the_one_that_the_platform_has() -> None:
    assert quota("inputs of an account") == ReferenceSwitches().input_quota


def test_so_many_tags_are_taken_and_no_more(http, create) -> None:
    most = int(quota("tags of an input"))
    create(tags={str(number): "" for number in range(most)})

    refused = http.post("inputs", json={"tags": {str(number): "" for number in range(most + 1)}})
    assert refused.status_code == 422


def test_every_operation_that_needs_a_permission_is_one_that_hosts_have() -> None:
    needed = {one for permission in FACTS.permissions for one in permission.needed_for}

    assert {one for one in needed if not hasattr(StreamingPlatform, one)} == set()


def test_the_application_is_a_simulator(app) -> None:
    assert isinstance(app, Simulator)
    assert app.describe_switches().keys() == {one.name for one in ReferenceSwitches.__attrs_attrs__}


def test_the_environment_opens_the_provider(app) -> None:
    from headend.settings import load_settings

    environment = app.environment("http://127.0.0.1:1")
    settings = load_settings(ReferenceSettings, subject="reference", environ=environment)

    assert settings.api_url == "http://127.0.0.1:1"
    assert settings.api_token.reveal() == app.platform.token
    assert settings.webhook_secret.reveal() == app.platform.webhook_secret


def test_the_same_seed_gives_the_same_environment() -> None:
    def environment(seed: int) -> object:
        return create_app(clock=ManualClock(), random=Random(seed)).environment("http://a")

    assert environment(1) == environment(1)
    assert environment(1) != environment(2)


def test_a_reset_forgets_what_was_made_and_keeps_switches_and_credentials(app, create) -> None:
    app.switch(page_size="3")
    create()
    before = app.environment("http://a")

    app.reset()

    assert app.platform.inputs == {}
    assert app.platform.switches.page_size == 3
    assert app.environment("http://a") == before


def test_a_switch_that_there_is_not_is_refused(app) -> None:
    with pytest.raises(ConfigurationError, match="page_sise"):
        app.switch(page_sise=3)
