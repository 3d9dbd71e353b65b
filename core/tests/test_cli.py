"""The command line: one JSON value or words for people, talk on stderr, documented exit codes."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import attrs
import click
import pytest

from headend import errors
from headend.cli import main as cli
from headend.cli.facts import print_facts
from headend.cli.output import to_json
from headend.discovery import ProviderInfo
from headend.errors import (
    HeadendError,
    PlatformError,
    UnsupportedError,
)
from headend.facts import Facts, Latency
from headend.models import (
    EndOutcome,
    EndResult,
    Health,
    LiveStream,
    Recording,
    StreamAnalytics,
    StreamCredentials,
)
from headend.secret import MASK

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.conftest import Installer, Ran

    Run = Callable[..., Ran]

KEY = "key-of-live-1"
ARGUMENTS: dict[str, list[str]] = {
    "providers": [],
    "check": [],
    "create": ["42"],
    "list": [],
    "show": ["live-1"],
    "encoder": ["live-1", "--for", "obs"],
    "end": ["live-1"],
    "analytics": ["live-1"],
    "rotate-key": ["live-1"],
    "orphans": ["list"],
    "events": [],
    "watch": [],
    "costs": ["status"],
    "push": ["live-1", "test", "--duration", "0.1", "--preset", "480p"],
}
WITH_PROVIDER = sorted(set(ARGUMENTS) - {"providers", "costs", "events"})


def fields(kind: type) -> set[str]:
    return {field.name for field in attrs.fields(kind)}


def own_command(name: str) -> click.Command:
    module, _, attribute = cli.COMMANDS[name][0].partition(":")
    return cast("click.Command", getattr(import_module(module), attribute))


def leaves(name: str) -> list[click.Command]:
    """Return the command, or where it is a group those in it."""
    command = own_command(name)
    if not isinstance(command, click.Group):
        return [command]
    context = click.Context(command)
    names = command.list_commands(context)
    return [one for each in names if (one := command.get_command(context, each)) is not None]


def made_of(kind: type[HeadendError]) -> HeadendError:
    if issubclass(kind, PlatformError):
        return kind("it says no", provider="acme", operation="check_health")
    if kind is UnsupportedError:
        return UnsupportedError("it says no", provider="acme", feature="srt")
    return kind("it says no")


@pytest.fixture
def ready(acme: ModuleType, acme_settings: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Select acme, with one platform for all commands, and one live stream on it."""
    monkeypatch.setenv("STREAMING_PLATFORM", "acme")
    first = acme.AcmeProvider(None, _Context())
    first.create_live_stream(_request())
    monkeypatch.setattr(acme, "AcmeProvider", lambda _settings, _context: first)
    return acme


class _Context:
    """What the provider of these tests takes of its context."""

    def __init__(self) -> None:
        from headend.clock import SystemClock

        self.clock = SystemClock()


def _request() -> object:
    from headend.provider import CreateRequest

    return CreateRequest(
        channel_id="7", marker="headend-1", name="The news", metadata={"show": "news"}
    )


class TestHelp:
    def test_every_command_is_tested_here(self) -> None:
        assert set(cli.COMMANDS) == set(ARGUMENTS)

    @pytest.mark.parametrize("name", ARGUMENTS)
    @pytest.mark.parametrize("option", ["--help", "-h"])
    def test_every_command_has_help(self, name: str, option: str, run: Run) -> None:
        ran = run(name, option)

        assert ran.code == 0
        assert ran.out.startswith(f"Usage: headend {name} ")
        assert ran.err == ""

    @pytest.mark.parametrize("name", ARGUMENTS)
    def test_every_command_takes_json(self, name: str) -> None:
        for command in leaves(name):
            assert "--json" in {text for one in command.params for text in one.opts}

    @pytest.mark.parametrize("name", WITH_PROVIDER)
    def test_every_command_that_asks_a_platform_takes_a_provider(self, name: str) -> None:
        for command in leaves(name):
            assert "--provider" in {text for one in command.params for text in one.opts}

    @pytest.mark.parametrize("name", ARGUMENTS)
    def test_every_option_is_described(self, name: str) -> None:
        options = [
            one
            for command in leaves(name)
            for one in command.params
            if isinstance(one, click.Option)
        ]

        assert [one.name for one in options if not one.help] == []

    @pytest.mark.parametrize("name", ARGUMENTS)
    def test_the_short_table_says_what_the_command_says(self, name: str) -> None:
        command = own_command(name)
        first_line = str(command.help).partition("\n")[0]

        assert cli.COMMANDS[name][1] == first_line
        assert command.name == name

    def test_the_help_lists_every_command_and_every_exit_code(self, run: Run) -> None:
        ran = run("--help")

        assert ran.code == 0
        for name, (_, words) in cli.COMMANDS.items():
            assert f"  {name}" in ran.out
            assert words in ran.out
        for code, meaning, _ in cli.EXIT_CODES:
            assert f"  {code:<3}  {meaning[:30]}" in ran.out

    def test_without_a_command_it_shows_the_help(self, run: Run) -> None:
        ran = run()

        assert ran.code == 2
        assert "Usage: headend" in ran.err
        assert ran.out == ""

    def test_the_version_is_that_of_the_distribution(self, run: Run) -> None:
        assert run("--version").out == f"headend {version('headend')}\n"


class TestUsage:
    def test_a_misspelt_command_brings_the_closest(self, run: Run) -> None:
        ran = run("creat", "42")

        assert ran.code == 2
        assert "No such command 'creat'. Did you mean 'create'?" in ran.err
        assert ran.out == ""

    def test_another_word_brings_the_way_to_the_list(self, run: Run) -> None:
        assert "`headend --help` lists them" in run("zzz").err

    @pytest.mark.parametrize(
        "arguments",
        [
            ["create"],
            ["show", "a", "b"],
            ["list", "--no-such-option"],
            ["create", "42", "--metadata", "no equals sign"],
            ["create", "42", "--option", "=x"],
        ],
    )
    def test_wrong_usage_is_exit_code_2(self, arguments: list[str], run: Run) -> None:
        ran = run(*arguments)

        assert ran.code == 2
        assert ran.err.startswith("Usage: headend ")
        assert ran.out == ""


class TestExitCodes:
    def test_every_error_has_exactly_one(self) -> None:
        classes = [
            kind
            for kind in vars(errors).values()
            if inspect.isclass(kind) and issubclass(kind, HeadendError)
        ]
        listed = [name for _, _, names in cli.EXIT_CODES for name in names]

        assert sorted(listed) == sorted(kind.__name__ for kind in classes)

    @pytest.mark.parametrize(
        ("code", "name"),
        [
            (1, "HeadendError"),
            (2, "ConfigurationError"),
            (2, "PluginError"),
            (3, "StreamNotFoundError"),
            (4, "AuthenticationError"),
            (4, "PermissionDeniedError"),
            (4, "QuotaExceededError"),
            (4, "ConflictError"),
            (4, "InvalidRequestError"),
            (4, "UnsupportedError"),
            (5, "PlatformUnavailableError"),
            (5, "PlatformTimeoutError"),
            (5, "RateLimitedError"),
            (5, "PlatformProtocolError"),
            (6, "UncertainOutcomeError"),
        ],
    )
    def test_an_error_ends_the_command_with_its_code_and_words_on_stderr(
        self, code: int, name: str, ready: ModuleType, run: Run
    ) -> None:
        ready.made[0].failing = made_of(getattr(errors, name))
        ran = run("check", "--json")

        assert ran.code == code
        assert ran.err.startswith("error: it says no")
        assert "Traceback" not in ran.err
        assert ran.out == ""

    def test_a_class_that_a_plugin_derives_has_the_code_of_its_parent(self) -> None:
        class OverloadedError(errors.RateLimitedError):
            pass

        assert cli.exit_code(made_of(OverloadedError)) == 5

    def test_a_live_stream_that_is_not_there_is_3(self, ready: ModuleType, run: Run) -> None:
        ran = run("show", "live-9")

        assert ran.code == 3
        assert ran.err == (
            "error: there is no live stream live-9 "
            "(acme get_live_stream, HTTP 404, code gone, request r-1)\n"
        )

    def test_what_the_provider_cannot_do_is_4(self, ready: ModuleType, run: Run) -> None:
        ran = run("rotate-key", "live-1", "--provider", "plain")

        assert ran.code == 4
        assert (
            "plain does not support rotate_stream_key: it lacks the capability key-rotation"
            in ran.err
        )

    def test_a_defect_is_a_traceback(
        self, ready: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ready.made[0], "check_health", lambda: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            run("check")

    def test_an_interruption_is_130(
        self, ready: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(ready.made[0], "check_health", interrupted)
        ran = run("check")

        assert ran.code == 130
        assert ran.err.endswith("interrupted\n")


class TestJson:
    """With ``--json`` stdout is one JSON value whose fields are the models' attributes."""

    def test_create(self, ready: ModuleType, run: Run) -> None:
        ran = run("create", "42", "--name", "n", "--metadata", "a=b=c", "--json")
        value = ran.json

        assert ran.code == 0
        assert isinstance(value, dict)
        assert set(value) == fields(StreamCredentials)
        assert value["stream_id"] == "live-2"
        assert value["stream_key"] is None
        assert value["ingests"][0]["url_with_key"] is None
        assert value["rtmp_push_url"] == "rtmps://ingest.acme.example/live"
        assert "key-of" not in ran.out + ran.err
        request = ready.made[0].requests[-1]
        assert (request.channel_id, request.name, request.metadata) == ("42", "n", {"a": "b=c"})

    @pytest.mark.parametrize("command", [["create", "42"], ["rotate-key", "live-1"]])
    def test_show_key_shows_it(self, command: list[str], ready: ModuleType, run: Run) -> None:
        value = run(*command, "--json", "--show-key").json

        assert isinstance(value, dict)
        assert str(value["stream_key"]).startswith("key-of-live-")
        assert value["ingests"][0]["url_with_key"].endswith(value["stream_key"])

    def test_list(self, ready: ModuleType, run: Run) -> None:
        value = run("list", "--json").json

        assert isinstance(value, list)
        assert [set(one) for one in value] == [fields(LiveStream)]
        assert value[0]["metadata"] == {"show": "news"}
        assert value[0]["created_at"].endswith("+00:00")

    def test_an_empty_list(self, acme: ModuleType, run: Run) -> None:
        ran = run("list", "--provider", "plain", "--json")

        assert (ran.code, ran.json, ran.err) == (0, [], "")

    def test_show(self, ready: ModuleType, run: Run) -> None:
        ran = run("show", "live-1", "--json")
        value = ran.json

        assert isinstance(value, dict)
        assert set(value) == fields(LiveStream) | {"stream_key"}
        assert value["stream_key"] is None
        assert "get_credentials" not in ready.made[0].asked

    def test_show_with_the_key(self, ready: ModuleType, run: Run) -> None:
        value = run("show", "live-1", "--json", "--show-key").json

        assert isinstance(value, dict)
        assert set(value) == fields(LiveStream) | {"stream_key", "rtmp_push_url", "ingests"}
        assert value["stream_key"] == KEY

    def test_end(self, ready: ModuleType, run: Run) -> None:
        value = run("end", "live-1", "--json").json

        assert isinstance(value, dict)
        assert set(value) == fields(EndResult)
        assert value["outcome"] == "ended"
        assert [set(one) for one in value["recordings_kept"]] == [fields(Recording)]

    def test_analytics(self, ready: ModuleType, run: Run) -> None:
        value = run("analytics", "live-1", "--json").json

        assert isinstance(value, dict)
        assert set(value) == fields(StreamAnalytics)
        assert (value["viewer_count"], value["peak_viewers"]) == (0, None)
        assert value["unknown"] == {
            "current_bitrate": "acme does not tell",
            "peak_viewers": "acme does not tell",
        }

    def test_check(self, ready: ModuleType, run: Run) -> None:
        value = run("check", "--json").json

        assert isinstance(value, dict)
        assert set(value) == fields(Health) | {"ledger"}
        assert value["ok"] is True

    def test_providers(self, ready: ModuleType, run: Run) -> None:
        value = run("providers", "--json").json

        assert isinstance(value, list)
        assert {frozenset(one) for one in value} == {frozenset(fields(ProviderInfo))}
        (acme,) = [one for one in value if one["name"] == "acme"]
        assert acme["state"] == "ok"
        assert acme["capabilities"] == sorted(acme["capabilities"])

    def test_one_provider(self, ready: ModuleType, run: Run) -> None:
        value = run("providers", "acme", "--json").json

        assert isinstance(value, dict)
        assert set(value) == fields(ProviderInfo) | {"settings", "facts"}
        assert value["settings"][1] == {
            "name": "api_token",
            "env": "ACME_API_TOKEN",
            "help": "Make one in your account.",
            "required": True,
            "secret": True,
        }

    def test_the_facts_of_a_provider_are_data_and_a_price_is_exact(
        self, ready: ModuleType, run: Run
    ) -> None:
        value = run("providers", "acme", "--json").json

        assert isinstance(value, dict)
        facts = value["facts"]
        assert set(facts) == fields(Facts)
        assert facts["prices"] == [
            {
                "name": "storage",
                "amount": "0.10",
                "per": 1000,
                "unit": "minute stored",
                "currency": "USD",
                "meter": "storage",
                "unit_size": 60,
                "terms": {},
                "up_to_height": None,
                "source": "https://acme.example/prices",
                "as_of": "2026-01-03",
                "verified": True,
                "note": "paid beforehand",
            }
        ]
        assert facts["limits"][0]["requests"] == 1200
        assert facts["quotas"][1]["value"] is None
        assert facts["permissions"][0]["needed_for"] == ["create_live_stream", "end_live_stream"]
        assert facts["latencies"][0]["verified"] is False

    def test_a_provider_without_facts_has_empty_lists_of_them(
        self, ready: ModuleType, run: Run
    ) -> None:
        value = run("providers", "plain", "--json").json

        assert isinstance(value, dict)
        assert value["facts"] == {name: [] for name in fields(Facts)}

    def test_a_type_without_a_json_form_is_a_defect(self) -> None:
        with pytest.raises(TypeError, match="object has no JSON form"):
            to_json({"a": object()})

    def test_other_alphabets_stay_readable(self, ready: ModuleType, run: Run) -> None:
        run("create", "42", "--name", "Новости 📺")

        assert "Новости 📺" in run("list", "--json").out


class TestText:
    def test_create_masks_the_key(self, ready: ModuleType, run: Run) -> None:
        ran = run("create", "42")

        assert ran.code == 0
        assert f"stream_key     {MASK}  (headend show live-2 --show-key shows it)\n" in ran.out
        assert "rtmp_push_url  rtmps://ingest.acme.example/live\n" in ran.out
        assert "key-of" not in ran.out + ran.err

    def test_the_way_to_a_masked_key_keeps_the_provider_that_was_named(
        self, ready: ModuleType, run: Run
    ) -> None:
        for ran in (
            run("create", "42", "--provider", "acme"),
            run("rotate-key", "live-1", "--provider", "acme"),
        ):
            assert "--provider acme --show-key shows it)" in ran.out

    def test_create_shows_the_key_when_asked_to(self, ready: ModuleType, run: Run) -> None:
        assert "stream_key     key-of-live-2\n" in run("create", "42", "--show-key").out

    def test_create_passes_on_all_that_was_given(self, ready: ModuleType, run: Run) -> None:
        ran = run("create", "42", "--low-latency", "--option", "keep_days=3")
        request = ready.made[0].requests[-1]

        assert ran.code == 0
        assert request.low_latency is True
        assert request.options.keep_days == 3

    def test_an_unknown_option_of_the_provider_is_4(self, ready: ModuleType, run: Run) -> None:
        ran = run("create", "42", "--option", "recrod=yes")

        assert ran.code == 4
        assert "did you mean record?" in ran.err

    def test_rotate_key_masks_the_new_key(self, ready: ModuleType, run: Run) -> None:
        assert "key-of" not in run("rotate-key", "live-1").out
        assert "key-of-live-1-next-next" in run("rotate-key", "live-1", "--show-key").out

    def test_show_asks_for_the_key_only_when_told_to(self, ready: ModuleType, run: Run) -> None:
        ran = run("show", "live-1")

        assert "stream_key    (--show-key asks for it)\n" in ran.out
        assert "metadata      show=news\n" in ran.out
        assert "get_credentials" not in ready.made[0].asked
        assert f"stream_key     {KEY}\n" in run("show", "live-1", "--show-key").out

    def test_list_cuts_nothing_off(self, ready: ModuleType, run: Run) -> None:
        """In a pipe each live stream is one line, however long its name is."""
        name = "The news of the day, " * 10
        run("create", "42", "--name", name.strip())
        ran = run("list")

        assert any("live-2" in line and name.strip() in line for line in ran.out.splitlines())

    def test_an_empty_list_tells_how_to_go_on(self, acme: ModuleType, run: Run) -> None:
        ran = run("list", "--provider", "plain")

        assert (ran.code, ran.out) == (
            0,
            "There is no live stream. `headend create CHANNEL_ID` makes one.\n",
        )

    def test_names_are_never_taken_for_markup(self, ready: ModuleType, run: Run) -> None:
        run("create", "42", "--name", "[bold]loud[/bold]")

        assert "[bold]loud[/bold]" in run("list").out

    def test_end_names_what_stays_and_is_billed(self, ready: ModuleType, run: Run) -> None:
        assert run("end", "live-1").out == (
            "stream_id  live-1\noutcome    ended\nkept and billed: recording rec-1\n"
            "A program deletes one with platform.delete_recording(ID); `headend end "
            "--delete-recordings` deletes them before they are left behind.\n"
        )
        assert run("end", "live-1", "--delete-recordings").out == (
            "stream_id  live-1\noutcome    already_gone\n"
            "There is no live stream with this id; `headend list` names those there are.\n"
        )

    def test_analytics_shows_what_is_unknown_as_unknown(self, ready: ModuleType, run: Run) -> None:
        out = run("analytics", "live-1").out

        assert "viewer_count      0\n" in out
        assert "peak_viewers      unknown: acme does not tell\n" in out
        assert "total_watch_time  1.5 s\n" in out


class TestForeignCommands:
    def test_one_that_two_distributions_bring_is_told_and_not_run(
        self, install: Installer, run: Run
    ) -> None:
        for name in ("one", "two"):
            install(f"headend-{name}", commands={"zap": f"headend_{name}:zap"})

        shown = run("--help")
        assert shown.code == 0
        assert "headend-one and headend-two" in " ".join(shown.out.split())
        ran = run("zap")
        assert ran.code == 2
        assert "uninstall all but one" in ran.err


class TestCheck:
    def test_a_platform_that_works(self, ready: ModuleType, run: Run) -> None:
        ran = run("check")

        assert (ran.code, ran.err) == (0, "")
        lines = ran.out.splitlines()
        assert (lines[0], lines[2]) == ("settings  ok: provider acme", "health    ok: all well")
        assert lines[1].endswith("ledger.sqlite3")

    @pytest.mark.parametrize("more", [[], ["--json"]])
    def test_a_platform_that_says_it_is_ill_is_5(
        self, more: list[str], ready: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = ready.made[0]
        ill = attrs.evolve(
            provider.check_health(), ok=False, message="no space left", warnings=("soon full",)
        )
        monkeypatch.setattr(provider, "check_health", lambda: ill)
        ran = run("check", *more)

        assert ran.code == 5
        assert "no space left" in ran.out
        assert "soon full" in ran.out

    def test_missing_settings_are_all_named(
        self, acme: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ACME_API_TOKEN", "")
        ran = run("check", "--provider", "acme")

        assert ran.code == 2
        assert ran.out == ""
        assert ran.err == (
            "error: the settings of provider acme have 2 problems:\n"
            "  ACME_ACCOUNT: is missing. The number on your bill.\n"
            "  ACME_API_TOKEN: is missing. Make one in your account.\n"
        )

    def test_an_unknown_provider_brings_the_installed_ones(
        self, acme: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STREAMING_PLATFORM", "acmee")
        ran = run("check")

        assert ran.code == 2
        assert "did you mean 'acme'?" in ran.err


class TestProviders:
    @pytest.fixture(autouse=True)
    def _broken_and_good(self, acme: ModuleType, install: Installer) -> None:
        install.provider("bad", "import no_such_library\n")
        install("headend-other", providers={"twice": "headend_bad"})
        install("headend-third", providers={"twice": "headend_bad"})

    @pytest.mark.parametrize("more", [[], ["--json"]])
    def test_whatever_is_broken_the_list_is_complete_and_the_exit_code_0(
        self, more: list[str], run: Run
    ) -> None:
        ran = run("providers", *more)

        assert (ran.code, ran.err) == (0, "")
        for text in ("acme", "plain", "bad", "twice", "broken", "duplicate", "no_such_library"):
            assert text in ran.out

    def test_the_reason_names_whom_to_change(self, run: Run) -> None:
        assert (
            "bad is broken: ModuleNotFoundError: No module named 'no_such_library' "
            "(change headend-bad)\n"
        ) in run("providers").out

    def test_one_provider_shows_what_it_needs(self, run: Run) -> None:
        ran = run("providers", "acme")

        assert ran.code == 0
        assert "title          Acme Live\n" in ran.out
        assert "documentation  https://acme.example/docs\n" in ran.out
        assert "  ACME_API_TOKEN  required. Make one in your account.\n" in ran.out
        assert "  ACME_TIMEOUT    optional. Seconds.\n" in ran.out

    def test_one_provider_shows_what_is_known_of_its_platform_with_source_and_date(
        self, run: Run
    ) -> None:
        lines = [" ".join(line.split()) for line in run("providers", "acme").out.splitlines()]

        for line in (
            "api 1,200 in 300 s credential refuses all for 60 s [1]",
            "live streams 1,000 streams [1]",
            "tags not documented bytes [1]",
            "storage 0.10 USD 1,000 x minute stored paid beforehand [2]",
            "Live: Edit create_live_stream, end_live_stream [1]",
            "HLS 8.5 to 12 s [3] unverified",
            "[1] 2026-01-02 https://acme.example/limits",
            "[2] 2026-01-03 https://acme.example/prices",
            "[3] 2025-12-31 https://blog.example/measured",
            "unverified: not the platform's own word.",
        ):
            assert line in lines

    def test_one_that_knows_nothing_of_its_platform_shows_no_empty_tables(self, run: Run) -> None:
        out = run("providers", "plain").out

        assert "Sources" not in out
        assert "quota" not in out

    @pytest.mark.parametrize(
        ("low", "high", "shown"),
        [
            (1.0, 2.5, "1 to 2.5 s"),
            (None, 2.0, "up to 2 s"),
            (1.5, None, "from 1.5 s"),
            (3.0, 3.0, "3 s"),
            (None, None, "not documented"),
        ],
    )
    def test_a_latency_is_shown_as_far_as_it_is_known(
        self, low: float | None, high: float | None, shown: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        latency = Latency(name="HLS", low=low, high=high, source="a book", as_of="2026-01-02")
        print_facts(Facts(latencies=(latency,)))

        assert f"HLS {shown} [1]" in " ".join(capsys.readouterr().out.split())

    def test_broken_facts_are_2_and_name_whom_to_change(self, run: Run, install: Installer) -> None:
        install.provider(
            "odd",
            "from attrs import frozen\n"
            "from headend.plugin import ProviderSpec, hookimpl\n"
            "FACTS = 5\n"
            "@frozen\n"
            "class Settings: pass\n"
            "@hookimpl\n"
            "def headend_providers():\n"
            "    yield ProviderSpec(name='odd', title='Odd', api_version=1, factory='a:b',\n"
            "        settings='headend_odd:Settings', facts='headend_odd:FACTS')\n",
        )
        ran = run("providers", "odd")

        assert ran.code == 2
        assert "headend_odd:FACTS is of the type int, not Facts" in ran.err
        assert "this is a defect of headend-odd" in ran.err
        assert ran.out == ""

    def test_a_broken_one_by_name_is_2_with_the_reason(self, run: Run) -> None:
        ran = run("providers", "bad")

        assert ran.code == 2
        assert "(change headend-bad)" in ran.err
        assert ran.out == ""

    def test_an_unknown_one_is_2(self, run: Run) -> None:
        assert run("providers", "acne").code == 2

    def test_where_none_is_installed_it_says_so(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("headend.discovery.installed", lambda group: [])

        assert run("providers").out.startswith("No provider is installed.")


class TestForeignCommandsThatClash:
    @pytest.fixture(autouse=True)
    def _two(self, install: Installer) -> None:
        install(
            "headend-extra",
            modules={
                "headend_extra.py": (
                    "import click\n"
                    "@click.command('greet')\n"
                    "@click.argument('name')\n"
                    "def greet(name):\n"
                    '    """Greet someone."""\n'
                    "    click.echo(f'hello {name}')\n"
                    "text = 'no command'\n"
                ),
                "headend_wreck.py": "raise RuntimeError('wrecked')\n",
                "headend_quit.py": "raise SystemExit(0)\n",
            },
            commands={
                "greet": "headend_extra:greet",
                "wreck": "headend_wreck:command",
                "quit": "headend_quit:command",
                "wrong": "headend_extra:text",
                "create": "headend_extra:greet",
            },
        )

    def test_they_are_listed_with_their_distribution_and_not_imported(self, run: Run) -> None:
        ran = run("--help")

        assert ran.code == 0
        for name in ("greet", "wreck", "wrong"):
            assert any(
                line.split() == [name, "from", "headend-extra"] for line in ran.out.splitlines()
            )
        assert not {"headend_extra", "headend_wreck"} & set(sys.modules)

    def test_one_that_works_runs_as_any_other(self, run: Run) -> None:
        assert (run("greet", "you").out, run("greet", "you").code) == ("hello you\n", 0)
        assert "Greet someone." in run("greet", "--help").out
        assert run("greet").code == 2

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("wreck", "cannot be loaded: RuntimeError: wrecked"),
            ("quit", "cannot be loaded: SystemExit: 0"),
            ("wrong", "is a str, not a click command"),
        ],
    )
    def test_a_broken_one_is_2_and_names_whom_to_change(
        self, name: str, reason: str, run: Run
    ) -> None:
        ran = run(name)

        assert ran.code == 2
        assert ran.err == f"error: the command {name} {reason} (change headend-extra)\n"

    def test_a_broken_one_hinders_no_other(self, run: Run) -> None:
        assert run("greet", "you").code == 0
        assert run("providers").code == 0

    def test_none_can_take_the_name_of_an_own_command(self, run: Run) -> None:
        assert "Create a live stream." in run("create", "--help").out
        assert run("--help").out.count("  create  ") == 1

    def test_a_misspelt_one_is_suggested_too(self, run: Run) -> None:
        assert "Did you mean 'greet'?" in run("gret").err


class TestProcess:
    """The same in a process of its own, as a shell runs it."""

    MODULE = "import runpy, sys; sys.argv[0] = 'headend'; runpy.run_module('headend')"

    def test_stdout_is_one_json_value(
        self, acme: ModuleType, install: Installer, python: Run
    ) -> None:
        ran = python(
            self.MODULE, "create", "42", "--provider", "plain", "--json", path=install.folder
        )

        assert (ran.code, ran.err) == (0, "")
        assert isinstance(ran.json, dict)
        assert ran.json["stream_key"] is None

    def test_an_error_is_words_on_stderr_and_a_code(
        self, acme: ModuleType, install: Installer, python: Run
    ) -> None:
        ran = python(self.MODULE, "show", "live-9", "--provider", "plain", path=install.folder)

        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("error: there is no live stream live-9 (plain get_live_stream")

    def test_a_broken_command_is_listed(self, install: Installer, python: Run) -> None:
        install("headend-extra", commands={"wreck": "no_such_module:command"})
        ran = python(self.MODULE, "--help", path=install.folder)

        assert ran.code == 0
        assert "from headend-extra" in ran.out


class TestWaiting:
    """A person who waits is told what for, on stderr, whatever the command and the provider."""

    def ending(
        self, ready: ModuleType, monkeypatch: pytest.MonkeyPatch, *waits: tuple[float, str]
    ) -> None:
        """Have the end of a live stream wait."""
        from headend.calls import Effect, Operation
        from headend.clock import SystemClock

        monkeypatch.setattr(SystemClock, "sleep", lambda _clock, _seconds: None)
        end = Operation("end_live_stream", Effect.READ)

        class Slow(type(ready.made[0])):  # type: ignore[misc]  # made when the test runs
            def end_live_stream(self, stream_id: str, *, delete_recordings: bool) -> EndResult:
                for seconds, until in waits:
                    self.context.calls.wait(end, seconds, until)
                return EndResult(stream_id=stream_id, outcome=EndOutcome.ENDED)

        monkeypatch.setattr(ready, "AcmeProvider", Slow)

    def test_what_is_waited_for_longer_than_two_seconds_is_told_once(
        self, ready: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ending(ready, monkeypatch, *[(1.0, "the encoder is gone")] * 9, (5.0, "it is off"))
        ran = run("end", "live-1", "--json")

        assert ran.code == 0
        assert ran.err == "waiting until the encoder is gone ...\nwaiting until it is off ...\n"
        assert ran.json

    def test_a_short_wait_is_not_worth_a_line(
        self, ready: ModuleType, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ending(ready, monkeypatch, (1.0, "the encoder is gone"), (0.9, "the encoder is gone"))

        assert run("end", "live-1").err == ""

    def test_a_queue_and_a_repetition_are_told_too(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from headend.calls import AttemptEvent, WaitEvent
        from headend.cli.waiting import Waits

        waits = Waits()
        asked = {"provider": "acme", "operation": "ask", "attempt": 1}
        for _ in range(20):
            waits.headend_wait(WaitEvent(**asked, seconds=0.25, why="pacing"))
        waits.headend_wait(WaitEvent(**asked, seconds=9.0, why="backoff"))
        for retry in (None, 0.5):
            waits.headend_attempt(
                AttemptEvent(
                    **asked,
                    waited=0.0,
                    duration=20.0,
                    outcome="PlatformTimeoutError",
                    will_retry_in=retry,
                )
            )

        assert capsys.readouterr().err.splitlines() == [
            "waiting for a turn: acme limits how often it may be asked ...",
            "acme ask: PlatformTimeoutError; it is tried again ...",
        ]
