"""Finding providers: a plugin that fails is listed with the reason and stops no other."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

import headend
from headend.discovery import ProviderInfo, ProviderState, Registry, providers
from headend.errors import ConfigurationError, PluginError
from headend.facts import Facts
from headend.simulator import Simulator
from headend.spec import Capability, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from headend.media import MediaBackend
    from tests.conftest import Installer, Ran

GOOD = """
from headend.plugin import ProviderSpec, hookimpl

@hookimpl
def headend_providers():
    yield ProviderSpec(
        name="{name}", title="A title", api_version=1,
        factory="{module}:make", settings="{module}:Settings",
    )
"""


SIMULATOR = """
from headend.plugin import ConfigurationError

class Simulated:
    def __init__(self, *, clock, random, switches):
        given = dict(locals())
        self.given = given
    async def __call__(self, scope, receive, send): ...
    def environment(self, url): return {}
    def describe_switches(self): return self.given["switches"]
    def switch(self, **values): ...
    def reset(self): ...
    def truth(self): ...
    connect_time = 0.0
    def connect(self, stream_key): ...
    def watch(self, stream_id, viewers): ...
    def close(self): ...
"""

WORKSPACE = {"headend-cloudflare", "headend-ivs", "headend-local"}

SETTINGS = """
from attrs import field, frozen
from headend.plugin import setting

@frozen
class Settings:
    pass
"""


def good(name: str) -> str:
    return GOOD.format(name=name, module=f"headend_{name.replace('-', '_')}")


def found() -> dict[str, ProviderInfo]:
    """Every provider but those that are installed where the tests run."""
    return {info.name: info for info in providers() if info.distribution not in WORKSPACE}


pytestmark = pytest.mark.usefixtures("acme")


def test_a_distribution_with_damaged_metadata_hides_no_other(install: Installer) -> None:
    damaged = install.folder / "damaged-1.0.dist-info"
    damaged.mkdir()
    (damaged / "METADATA").write_text("Metadata-Version: 2.1\nName: damaged\nVersion: 1.0\n")
    (damaged / "entry_points.txt").write_text("[headend]\nno equals sign here\n")

    assert found()["acme"].state is ProviderState.OK


@pytest.mark.parametrize("backport", [False, True])
def test_a_distribution_without_a_name_is_listed_as_such(
    install: Installer, monkeypatch: pytest.MonkeyPatch, backport: bool
) -> None:
    """Also where something has imported importlib_metadata, which pygal does, to other errors."""
    if backport:
        from importlib_metadata import MetadataPathFinder

        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, MetadataPathFinder()])
    install("headend-nameless", modules={"nameless.py": good("nameless")})
    folder = install.folder / "nameless-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[headend]\nnameless = nameless\n")

    assert found()["nameless"].distribution == "an unnamed distribution"


def test_what_a_plugin_prints_or_raises_at_import_spoils_no_answer(
    install: Installer, run: Callable[..., Ran]
) -> None:
    install.provider("chatty", "print('hello')\n" + good("chatty"))
    install.provider("wild", "class Wild(BaseException): pass\nraise Wild('no')\n")
    ran = run("providers", "--json")

    assert ran.code == 0
    states = {one["name"]: one["state"] for one in json.loads(ran.out)}
    assert (states["chatty"], states["wild"]) == ("ok", "broken")
    assert "hello" in ran.err


def test_a_provider_that_works_is_listed_with_all_that_it_says() -> None:
    info = found()["acme"]

    assert info == ProviderInfo(
        name="acme",
        state=ProviderState.OK,
        reason=None,
        distribution="headend-acme",
        version="2.1",
        title="Acme Live",
        capabilities=frozenset(Capability) - {Capability.SRT, Capability.WHIP},
        docs_url="https://acme.example/docs",
    )


def test_one_module_may_describe_several_providers() -> None:
    listed = found()

    assert (listed["acme"].state, listed["plain"].state) == ("ok", "ok")
    assert listed["plain"].title == "Plain Live"


def test_the_list_is_sorted_by_name(install: Installer) -> None:
    names = [info.name for info in headend.providers()]

    assert names == sorted(names)


BROKEN = {
    "a plugin whose dependency is missing": (
        "import no_such_library_of_acme\n",
        ProviderState.BROKEN,
        "ModuleNotFoundError: No module named 'no_such_library_of_acme'",
    ),
    "a plugin that raises ImportError": (
        "raise ImportError('libacme.so: cannot open')\n",
        ProviderState.BROKEN,
        "ImportError: libacme.so: cannot open",
    ),
    "a plugin with a syntax error": ("def :\n", ProviderState.BROKEN, "SyntaxError: "),
    "a plugin that exits": (
        "raise SystemExit('give up')\n",
        ProviderState.BROKEN,
        "SystemExit: give up",
    ),
    "a plugin with a misspelt hook": (
        good("bad").replace("def headend_providers", "def headend_provider"),
        ProviderState.BROKEN,
        "unknown hook 'headend_provider'",
    ),
    "a plugin that misspells an additional hook": (
        good("bad") + "@hookimpl\ndef headend_extras():\n    return []\n",
        ProviderState.BROKEN,
        "unknown hook 'headend_extras'",
    ),
    "a plugin with an argument that the hook has not": (
        good("bad").replace("headend_providers()", "headend_providers(config)"),
        ProviderState.BROKEN,
        "config",
    ),
    "a plugin without a hook": (
        good("bad").replace("@hookimpl\n", ""),
        ProviderState.BROKEN,
        "it implements no hook named headend_providers",
    ),
    "a hook that raises": (
        good("bad").replace("    yield ", "    1 / 0\n    yield "),
        ProviderState.BROKEN,
        "ZeroDivisionError: division by zero",
    ),
    "a hook that gives rubbish": (
        good("bad").replace("    yield ", "    yield 'rubbish'\n    yield "),
        ProviderState.BROKEN,
        "headend_providers gave a str, not a ProviderSpec",
    ),
    "a hook that returns nothing": (
        good("bad").replace("    yield ProviderSpec", "    ProviderSpec"),
        ProviderState.BROKEN,
        "TypeError: 'NoneType' object is not iterable",
    ),
    "a hook that yields nothing": (
        good("bad").replace("    yield ", "    return\n    yield "),
        ProviderState.BROKEN,
        "describes nothing",
    ),
    "a specification with another name than its entry point": (
        good("good"),
        ProviderState.BROKEN,
        "must describe one provider of that name, but it describes good",
    ),
    "a specification twice": (
        good("bad").replace("    yield", "    for _ in range(2): yield"),
        ProviderState.BROKEN,
        "but it describes bad, bad",
    ),
    "a specification with an unusable name": (
        good("bad").replace('name="bad"', 'name="Bad Name"'),
        ProviderState.BROKEN,
        "ValueError: 'name' must match regex",
    ),
    "a specification with a factory that is no address": (
        good("bad").replace(":make", ".make"),
        ProviderState.BROKEN,
        "ValueError: 'factory' must match regex",
    ),
    "a plugin for another version of the plugin API": (
        good("bad").replace("api_version=1", "api_version=2"),
        ProviderState.INCOMPATIBLE,
        "it is written for version 2 of the plugin API, and headend 0.1.0 has version 1",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_plugin_that_cannot_be_used_is_listed_with_the_reason_and_whom_to_change(
    what: str, install: Installer
) -> None:
    source, state, reason = BROKEN[what]
    install.provider("bad", source)
    listed = found()
    bad = listed["bad"]

    assert (bad.state, bad.distribution, bad.version) == (state, "headend-bad", "1.0")
    assert reason in str(bad.reason)
    assert str(bad.reason).endswith("(change headend-bad)")
    assert (listed["acme"].state, listed["plain"].state) == ("ok", "ok")


@pytest.mark.parametrize("what", BROKEN)
def test_a_plugin_that_cannot_be_used_is_refused_with_the_same_words(
    what: str, install: Installer
) -> None:
    install.provider("bad", BROKEN[what][0])
    reason = found()["bad"].reason

    with pytest.raises(PluginError, match="provider bad cannot be used: it is ") as caught:
        headend.open("bad")
    assert str(reason) in str(caught.value)


def test_a_plugin_that_cannot_be_used_does_not_hinder_opening_another(
    install: Installer,
) -> None:
    for number, (source, _, _) in enumerate(BROKEN.values()):
        install.provider(f"bad-{number}", source)

    with headend.open("plain") as platform:
        assert platform.check_health().ok


def test_the_same_reason_is_given_each_time(install: Installer) -> None:
    install.provider("bad", BROKEN["a hook that raises"][0])
    registry = Registry()

    assert registry.info() == registry.info()


class TestDuplicates:
    @pytest.fixture(autouse=True)
    def _two_of_one_name(self, install: Installer) -> None:
        install.provider("twice", good("twice"))
        install("another-plugin", version="3.4", providers={"twice": "headend_twice"})

    def test_both_are_listed_and_both_distributions_are_named(self) -> None:
        both = [info for info in providers() if info.name == "twice"]

        assert {info.distribution for info in both} == {"headend-twice", "another-plugin"}
        assert [info.state for info in both] == [ProviderState.DUPLICATE] * 2
        for info in both:
            assert "headend-twice 1.0" in str(info.reason)
            assert "another-plugin 3.4" in str(info.reason)
            assert "uninstall one of them" in str(info.reason)

    def test_neither_is_used_nor_imported(self) -> None:
        with pytest.raises(PluginError, match="it is duplicate") as caught:
            headend.open("twice")

        assert str(caught.value).count("uninstall one of them") == 1
        assert "headend_twice" not in sys.modules

    def test_the_others_work(self) -> None:
        assert found()["acme"].state == "ok"

    def test_switched_off_they_are_disabled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADEND_DISABLE_PLUGINS", "twice")

        assert {info.state for info in providers() if info.name == "twice"} == {"disabled"}


class TestDisabling:
    @pytest.fixture(autouse=True)
    def _one_more(self, install: Installer) -> None:
        install.provider("more", good("more"))

    @pytest.mark.parametrize("value", ["more", "other, more", "*"])
    def test_a_disabled_plugin_is_listed_and_not_imported(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HEADEND_DISABLE_PLUGINS", value)
        info = found()["more"]

        assert info.state is ProviderState.DISABLED
        assert info.reason == "HEADEND_DISABLE_PLUGINS turns off provider more of headend-more"
        assert "headend_more" not in sys.modules

    def test_a_disabled_plugin_cannot_be_opened(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADEND_DISABLE_PLUGINS", "more")

        with pytest.raises(PluginError, match="it is disabled: HEADEND_DISABLE_PLUGINS turns off"):
            headend.open("more")

    def test_the_others_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADEND_DISABLE_PLUGINS", "more")

        assert found()["acme"].state == "ok"

    def test_all_can_be_disabled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADEND_DISABLE_PLUGINS", "*")

        assert {info.state for info in providers()} == {ProviderState.DISABLED}


class TestCoreRange:
    @pytest.mark.parametrize(
        "requirement",
        [
            "headend>=99",
            "headend<0.1",
            "Headend >=99",
            "headend[media]>=99",
            'headend>=99; python_version >= "3"',
        ],
    )
    def test_a_plugin_for_another_core_is_incompatible_and_not_imported(
        self, requirement: str, install: Installer
    ) -> None:
        install.provider("future", good("future"), requires=["attrs", requirement])
        info = found()["future"]

        assert info.state is ProviderState.INCOMPATIBLE
        assert str(info.reason).startswith("headend-future 1.0 needs headend")
        assert "and headend 0.1.0 is installed; upgrade the older of the two" in str(info.reason)
        assert "headend_future" not in sys.modules

    @pytest.mark.parametrize(
        "requirement",
        [
            "headend",
            "headend>=0.1,<0.2",
            "headend-extras>=99",
            'headend>=99; python_version < "3"',
            'headend>=99; extra == "next"',
            "not a requirement !",
        ],
    )
    def test_a_plugin_for_this_core_is_ok(self, requirement: str, install: Installer) -> None:
        install.provider("present", good("present"), requires=[requirement])

        assert found()["present"].state == "ok"


class TestUnknown:
    def test_the_installed_ones_and_the_closest_are_named(self) -> None:
        with pytest.raises(PluginError) as caught:
            headend.open("acmee")

        text = str(caught.value)
        assert text.startswith("unknown provider 'acmee': installed are acme")
        assert "plain" in text
        assert "did you mean 'acme'?" in text
        assert "STREAMING_PLATFORM" in text

    def test_case_does_not_hide_the_closest(self) -> None:
        with pytest.raises(PluginError, match="did you mean 'plain'"):
            headend.open("PLAIN")

    def test_what_is_close_to_nothing_brings_no_guess(self) -> None:
        with pytest.raises(PluginError) as caught:
            headend.open("zzzzzz")

        assert "did you mean" not in str(caught.value)

    def test_where_none_is_installed_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("headend.discovery.installed", lambda group: [])

        assert headend.providers() == []
        with pytest.raises(PluginError, match="none is installed; install a distribution"):
            headend.open("acme")


class TestLateness:
    def test_discovery_imports_nothing(self, install: Installer) -> None:
        install.provider("quiet", good("quiet"))
        assert "quiet" in Registry().names
        assert "headend_quiet" not in sys.modules

    def test_opening_one_provider_imports_no_other(self, install: Installer) -> None:
        install.provider("quiet", good("quiet"))
        headend.open("plain").close()

        assert "headend_quiet" not in sys.modules

    def test_listing_imports_entry_points_and_no_factory(self, install: Installer) -> None:
        install(
            "headend-heavy",
            modules={
                "headend_heavy/__init__.py": good("heavy").replace(
                    "headend_heavy:make", "headend_heavy.impl:make"
                ),
                "headend_heavy/impl.py": "raise RuntimeError('must not be imported')\n",
            },
            providers={"heavy": "headend_heavy"},
        )

        assert found()["heavy"].state == "ok"
        assert "headend_heavy.impl" not in sys.modules


def test_a_provider_is_found_by_a_fresh_interpreter_as_well(
    install: Installer,
) -> None:
    """What pip installs is all that it takes: metadata and a package on the path."""
    code = (
        f"import sys; sys.path.insert(0, {str(install.folder)!r})\n"
        "import headend\n"
        "print({info.name: info.state.value for info in headend.providers()}['acme'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "ok"


class TestMaking:
    """The third step: resolve the factory and make the provider."""

    def install_with(self, install: Installer, source: str, **spec: str) -> None:
        text = good("made")
        for key, value in spec.items():
            text = text.replace("api_version=1,", f"api_version=1, {key}={value},")
        install.provider("made", text + source)

    def refusal(self) -> str:
        with pytest.raises(PluginError) as caught:
            headend.open("made")
        assert "headend-made" in str(caught.value)
        return str(caught.value)

    def test_a_factory_whose_library_is_missing_says_what_to_install(
        self, install: Installer
    ) -> None:
        install(
            "headend-made",
            modules={
                "headend_made/__init__.py": good("made").replace(":make", ".impl:make") + SETTINGS,
                "headend_made/impl.py": "import no_such_sdk\n",
            },
            providers={"made": "headend_made"},
        )

        assert self.refusal() == (
            "provider made cannot load headend_made.impl:make: ModuleNotFoundError: No module "
            "named 'no_such_sdk'; install what headend-made needs, or make that a dependency of "
            "headend-made"
        )

    def test_a_factory_that_is_not_there_is_a_defect(self, install: Installer) -> None:
        self.install_with(install, SETTINGS)

        assert "has no attribute 'make'; this is a defect of headend-made" in self.refusal()

    def test_a_factory_that_fails_is_a_defect_and_the_cause_is_chained(
        self, install: Installer
    ) -> None:
        self.install_with(install, SETTINGS + "def make(settings, context):\n    1 / 0\n")
        with pytest.raises(PluginError, match="failed while it was made: ZeroDiv") as caught:
            headend.open("made")

        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert "this is a defect of headend-made" in str(caught.value)

    def test_a_factory_that_makes_no_provider_is_a_defect(self, install: Installer) -> None:
        self.install_with(install, SETTINGS + "def make(settings, context):\n    pass\n")

        assert "what headend_made:make makes lacks account, check_health, close, " in self.refusal()

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("Settings = 5\n", "headend_made:Settings is not an attrs class"),
            ("class Settings: pass\n", "headend_made:Settings is not an attrs class"),
            (
                SETTINGS.replace("pass", "token: str"),
                "Settings.token has no metadata=setting(...)",
            ),
            (
                SETTINGS.replace("pass", "token: 'Sceret' = field(metadata=setting('T', 'T.'))"),
                "name 'Sceret' is not defined",
            ),
        ],
    )
    def test_a_settings_class_that_is_none_is_a_defect(
        self, source: str, words: str, install: Installer
    ) -> None:
        self.install_with(install, source + "def make(settings, context):\n    pass\n")
        text = self.refusal()

        assert words in text
        assert "this is a defect of headend-made" in text

    def test_options_that_cannot_be_loaded_are_a_defect_found_at_open(
        self, install: Installer
    ) -> None:
        self.install_with(install, SETTINGS, options='"headend_made:Options"')

        assert "cannot load headend_made:Options" in self.refusal()

    def test_a_provider_is_made_without_asking_it_for_its_account(
        self, install: Installer, acme: ModuleType
    ) -> None:
        """A platform may have to be asked for that, and opening sends nothing."""
        self.install_with(
            install,
            "from headend_acme.provider import PlainProvider\n"
            "class make(PlainProvider):\n"
            "    account = property(lambda self: 1 / 0)\n" + SETTINGS,
        )

        with headend.open("made", database=None) as platform:
            assert platform.provider == "made"

    def test_a_declared_capability_without_operations_is_a_defect(
        self, install: Installer, acme: ModuleType
    ) -> None:
        self.install_with(
            install,
            "from headend.plugin import Capability\n"
            "from headend_acme.provider import PlainProvider as make\n" + SETTINGS,
            capabilities="frozenset({Capability.KEY_ROTATION})",
        )

        assert self.refusal() == (
            "provider made declares key-rotation but lacks rotate_stream_key; "
            "this is a defect of headend-made"
        )


class TestFactsAndSimulators:
    """What a spec names besides is loaded when it is asked for, and never earlier."""

    def spec_of(self, install: Installer, source: str = "", **named: str) -> ProviderSpec:
        fields = "".join(f' {key}="headend_made.more:{value}",' for key, value in named.items())
        install(
            "headend-made",
            modules={
                "headend_made/__init__.py": good("made").replace(
                    "api_version=1,", f"api_version=1,{fields}"
                ),
                "headend_made/more.py": source,
            },
            providers={"made": "headend_made"},
        )
        self.registry = Registry()
        return self.registry.spec("made")

    def test_describing_a_provider_loads_neither(self, install: Installer) -> None:
        self.spec_of(install, "raise RuntimeError", facts="FACTS", simulator="make")

        assert "headend_made.more" not in sys.modules

    def test_facts_are_those_that_the_spec_names(self, install: Installer) -> None:
        from headend_acme.facts import FACTS

        spec = self.spec_of(install, "from headend_acme.facts import FACTS", facts="FACTS")

        assert self.registry.facts(spec) is FACTS

    def test_a_provider_that_names_none_knows_nothing(self, install: Installer) -> None:
        spec = self.spec_of(install)

        assert self.registry.facts(spec) == Facts()

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("", "has no attribute 'FACTS'; this is a defect of headend-made"),
            ("import no_such_sdk", "No module named 'no_such_sdk'; install what headend-made"),
            ("FACTS = {}", "is of the type dict, not Facts; this is a defect of headend-made"),
            (
                (
                    "from headend.plugin import Facts, Latency\n"
                    "FACTS = Facts(latencies=(Latency(name='HLS', low=1, high=2, source='',"
                    " as_of='2026-01-02'),))"
                ),
                "ValueError: source must be a text that is not empty; this is a defect of",
            ),
        ],
    )
    def test_facts_that_cannot_be_used_name_whom_to_change(
        self, source: str, words: str, install: Installer
    ) -> None:
        spec = self.spec_of(install, source, facts="FACTS")
        with pytest.raises(PluginError) as caught:
            self.registry.facts(spec)

        assert words in str(caught.value)

    def test_a_simulator_is_made_by_what_the_spec_names(self, install: Installer) -> None:
        spec = self.spec_of(install, SIMULATOR, simulator="Simulated")
        made = self.registry.simulate(spec, switches={"a": "1"})

        assert isinstance(made, Simulator)
        assert made.describe_switches() == {"a": "1"}

    def test_media_reaches_a_simulator_that_takes_it(self, install: Installer) -> None:
        source = SIMULATOR.replace("switches):", "switches, media):")
        spec = self.spec_of(install, source, simulator="Simulated")
        made = self.registry.simulate(spec, switches={}, media=cast("MediaBackend", "media"))

        assert vars(made)["given"]["media"] == "media"

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("Simulated = 5", "is of the type int, which makes no simulator; this is a defect of"),
            ("def Simulated(**given): 1 / 0", "failed while it was made: ZeroDivisionError: "),
            ("Simulated = dict", "what headend_made.more:Simulated makes lacks close, connect"),
            ("import no_such_server", "No module named 'no_such_server'; install what headend-ma"),
        ],
    )
    def test_what_makes_no_simulator_names_whom_to_change(
        self, source: str, words: str, install: Installer
    ) -> None:
        spec = self.spec_of(install, source, simulator="Simulated")
        with pytest.raises(PluginError) as caught:
            self.registry.simulate(spec)

        assert words in str(caught.value)
        assert "headend-made" in str(caught.value)

    def test_a_simulator_that_carries_no_pictures_says_so(self, install: Installer) -> None:
        spec = self.spec_of(install, SIMULATOR, simulator="Simulated")
        with pytest.raises(PluginError, match=r"carries no pictures: .*:Simulated takes no media"):
            self.registry.simulate(spec, media=cast("MediaBackend", "media"))

    def test_a_provider_without_a_simulator_says_so(self, install: Installer) -> None:
        spec = self.spec_of(install)
        with pytest.raises(PluginError, match="made has no simulator: headend-made brings none"):
            self.registry.simulate(spec)

    def test_a_switch_that_a_simulator_refuses_is_a_matter_of_the_one_who_set_it(
        self, install: Installer
    ) -> None:
        source = SIMULATOR.replace(
            "self.given = given",
            "raise ConfigurationError('there is no switch x')",
        )
        spec = self.spec_of(install, source, simulator="Simulated")
        with pytest.raises(ConfigurationError, match="there is no switch x"):
            self.registry.simulate(spec, switches={"x": "1"})
