"""Opening any provider: nothing of the machine comes in, and nothing of it is left changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from headend.errors import ConfigurationError, PluginError
from headend.plugin import Facts, ProviderSpec, Secret
from headend.secret import MASK
from headend_contract.clock import ManualClock
from headend_contract.opening import Opened, open_platform, process_environment
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.settings import ReferenceSettings
from headend_contract.subject import Subject
from headend_contract.watching import Watch, masked

ENVIRONMENT = {"REFERENCE_API_TOKEN": "the-token", "REFERENCE_API_URL": "https://api.example"}


def opened(spec: ProviderSpec, environment: Mapping[str, str]) -> Opened:
    """Open a provider with a clock and chance of this test's own."""
    return open_platform(spec, environment, clock=ManualClock(), random=Random(1))


class TestOpening:
    """A provider that is not installed is opened from its description."""

    def test_the_settings_come_from_the_variables_that_are_given(
        self, reference: ProviderSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REFERENCE_ACCOUNT", "the-machines-own")

        made = opened(reference, {**ENVIRONMENT, "REFERENCE_ACCOUNT": "mine"})
        with made.platform:
            assert isinstance(made.provider, ReferenceProvider)
            assert made.provider.account == "mine"
            assert made.platform.native(ReferenceProvider) is made.provider

    def test_a_variable_of_the_machine_fills_no_gap(
        self, reference: ProviderSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REFERENCE_API_TOKEN", "the-machines-own")

        with pytest.raises(ConfigurationError, match="REFERENCE_API_TOKEN: is missing"):
            opened(reference, {})

    def test_time_and_chance_are_those_that_are_given(self, reference: ProviderSpec) -> None:
        made = opened(reference, ENVIRONMENT)
        with made.platform:
            assert isinstance(made.context.clock, ManualClock)
            assert made.context.random.random() == Random(1).random()

    def test_there_is_no_ledger_unless_one_is_named(self, reference: ProviderSpec) -> None:
        with opened(reference, ENVIRONMENT).platform as platform:
            assert platform.locate_ledger() is None

    @pytest.mark.parametrize("field", ["factory", "settings", "options"])
    def test_a_name_that_leads_nowhere_is_told(self, reference: ProviderSpec, field: str) -> None:
        wrong: dict[str, Any] = {field: "headend_contract.nowhere:Nothing"}
        spec = evolve(reference, **wrong)

        with pytest.raises(PluginError, match=r"cannot load headend_contract\.nowhere:Nothing"):
            opened(spec, ENVIRONMENT)

    def test_settings_that_are_no_class_are_told(self, reference: ProviderSpec) -> None:
        spec = evolve(reference, settings="headend_contract.reference.wire:NAME")

        with pytest.raises(PluginError, match="is no class"):
            opened(spec, ENVIRONMENT)


class TestProcessEnvironment:
    """SDKs that read variables by themselves read the same ones."""

    def test_what_is_known_is_as_given_or_not_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("ACME_TOKEN", "ACME_REGION", "HEADEND_CONFIG", "STREAMING_PLATFORM", "OTHER"):
            monkeypatch.setenv(name, "the machine's own")
        before = dict(os.environ)

        with process_environment(["ACME_TOKEN", "ACME_REGION"], {"ACME_TOKEN": "t", "NEW": "n"}):
            inside = dict(os.environ)

        assert {"ACME_TOKEN": "t", "NEW": "n", "OTHER": "the machine's own"}.items() <= (
            inside.items()
        )
        assert not {"ACME_REGION", "HEADEND_CONFIG", "STREAMING_PLATFORM"} & set(inside)
        assert dict(os.environ) == before

    def test_it_is_as_before_after_an_error_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ACME_TOKEN", "the machine's own")
        before = dict(os.environ)

        with pytest.raises(KeyError), process_environment(["ACME_TOKEN"], {"NEW": "n"}):
            raise KeyError

        assert dict(os.environ) == before

    def test_one_within_another_gives_back_what_the_outer_set(self) -> None:
        with process_environment([], {"ACME_TOKEN": "outer"}):
            with process_environment(["ACME_TOKEN"], {"ACME_MORE": "inner"}):
                assert "ACME_TOKEN" not in os.environ
            assert os.environ["ACME_TOKEN"] == "outer"
            assert "ACME_MORE" not in os.environ


class TestSubject:
    """What is checked, and who brings it."""

    def test_an_installed_provider_is_found_with_its_distribution(self) -> None:
        subject = Subject.of("cloudflare")

        assert subject.name == "cloudflare"
        assert subject.origin == f"headend-cloudflare {version('headend-cloudflare')}"
        assert subject.folder is not None
        assert (subject.folder / "py.typed").is_file()
        assert isinstance(subject.facts, Facts)

    def test_a_bare_description_has_its_package_only(self, reference: ProviderSpec) -> None:
        subject = Subject.of(reference)

        assert (subject.distribution, subject.version) == (None, None)
        assert subject.origin == "headend_contract"
        assert subject.settings_class is ReferenceSettings
        assert subject.options_class is None

    def test_variables_and_secrets_are_told_apart(self, reference: ProviderSpec) -> None:
        subject = Subject.of(reference)

        assert subject.secret_variables == ("REFERENCE_API_TOKEN", "REFERENCE_WEBHOOK_SECRET")
        assert set(subject.secret_variables) < set(subject.variables)

    def test_settings_that_cannot_be_read_have_no_variables(self, reference: ProviderSpec) -> None:
        subject = Subject.of(evolve(reference, settings="headend_contract.nowhere:Nothing"))

        assert subject.variables == ()

    def test_facts_that_are_none_are_told(self, reference: ProviderSpec) -> None:
        subject = Subject.of(evolve(reference, facts="headend_contract.reference.wire:NAME"))

        with pytest.raises(PluginError, match=r"wire:NAME is of the type str, not Facts"):
            _ = subject.facts

    def test_a_provider_that_tells_nothing_has_empty_facts(self, reference: ProviderSpec) -> None:
        assert Subject.of(evolve(reference, facts=None)).facts == Facts()


class TestWatch:
    """What is seen of a process while a check runs."""

    def test_secrets_that_are_made_elsewhere_in_time_are_not_seen(self) -> None:
        watch = Watch()
        Secret("before")
        with watch.active():
            during = Secret("during")
        Secret("after")

        assert watch.secrets == (during,)

    def test_a_secret_that_cannot_be_made_is_none(self) -> None:
        watch = Watch()
        with watch.active(), pytest.raises(TypeError):
            Secret(42)  # type: ignore[arg-type]  # the point

        assert watch.secrets == ()

    def test_a_secret_within_another_leaves_nothing_of_it(self) -> None:
        assert masked("x-abcdef-x", [Secret("abcd"), Secret("abcdef")]) == f"x-{MASK}-x"

    def test_short_words_stay(self) -> None:
        assert masked("a cat", [Secret("cat"), Secret(""), Secret("     ")]) == "a cat"


@given(
    st.lists(st.text("abAB01 /%\"'\\é\n", min_size=4, max_size=12), max_size=4),
    st.lists(st.text("abAB01 /%\"'\\é\n", max_size=12), max_size=4),
)
def test_what_is_masked_holds_no_secret(values: list[str], words: list[str]) -> None:
    secrets = [Secret(one) for one in values if len(one.strip()) >= 4]
    text = " ".join([*words, *values, *words])

    shown = masked(text, secrets)

    assert not any(one.reveal() in shown for one in secrets)
    if not any(one.reveal() in text for one in secrets):
        assert shown == text
