"""Settings: three sources, one precedence, and every problem at once by name."""

from __future__ import annotations

import threading
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from attrs import field, frozen, validators
from hypothesis import given, strategies as st

from headend.errors import ConfigurationError, PluginError
from headend.secret import Secret
from headend.settings import (
    DEFAULT_PROVIDER,
    Configuration,
    HostSettings,
    describe_settings,
    is_this_machine,
    load_settings,
    setting,
    structure_options,
    unknown_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLANTED = "pl4nted-s3cret"


class Size(Enum):
    SMALL = "small"
    LARGE = "Large"


class Shape(StrEnum):
    ROUND = "round"
    FLAT = "flat"


def _not_seven(_settings: object, _attribute: object, value: int) -> None:
    if value == 7:
        raise ValueError("must not be 7")


@frozen(kw_only=True)
class Settings:
    account: str = field(metadata=setting("X_ACCOUNT", "It is on your bill."))
    token: Secret = field(metadata=setting("X_TOKEN", "Make one in your account."))
    count: int = field(default=3, validator=_not_seven, metadata=setting("X_COUNT", "How many."))
    rate: float = field(default=1.5, metadata=setting("X_RATE", "How fast."))
    strict: bool = field(default=False, metadata=setting("X_STRICT", "Whether."))
    folder: Path = field(default=Path("/"), metadata=setting("X_FOLDER", "Where."))
    size: Size = field(default=Size.SMALL, metadata=setting("X_SIZE", "How large."))
    shape: Shape = field(default=Shape.FLAT, metadata=setting("X_SHAPE", "What form."))
    names: tuple[str, ...] = field(default=(), metadata=setting("X_NAMES", "Which."))
    proxy: Secret | None = field(default=None, metadata=setting("X_PROXY", "Through what."))
    mode: Literal["a", "b"] = field(default="a", metadata=setting("X_MODE", "How."))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check what no field can check alone."""
        if self.strict and self.count > 10:
            yield "count", "must be at most 10 where X_STRICT is on"


REQUIRED = {"X_ACCOUNT": "4711", "X_TOKEN": PLANTED}


def load(
    environ: Mapping[str, str] | None = None,
    *,
    table: Mapping[str, object] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> Settings:
    return load_settings(
        Settings,
        subject="provider x",
        environ=REQUIRED if environ is None else environ,
        table=table,
        arguments=arguments,
    )


def problems(
    environ: Mapping[str, str] | None = None,
    *,
    table: Mapping[str, object] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, table=table, arguments=arguments)
    assert PLANTED not in str(caught.value)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


class TestPrecedence:
    @given(
        in_file=st.none() | st.integers(100, 199),
        in_environment=st.none() | st.integers(200, 299),
        as_argument=st.none() | st.integers(300, 399),
    )
    def test_arguments_override_the_environment_which_overrides_the_file(
        self, in_file: int | None, in_environment: int | None, as_argument: int | None
    ) -> None:
        made = load(
            REQUIRED | ({} if in_environment is None else {"X_COUNT": str(in_environment)}),
            table={} if in_file is None else {"count": in_file},
            arguments={} if as_argument is None else {"count": as_argument},
        )
        given_ = [one for one in (as_argument, in_environment, in_file) if one is not None]

        assert made.count == (given_[0] if given_ else 3)

    @given(
        sources=st.fixed_dictionaries(
            {name: st.sampled_from(["file", "environment", "argument"]) for name in ("a", "t")}
        )
    )
    def test_each_setting_may_come_from_another_source(self, sources: dict[str, str]) -> None:
        places: dict[str, dict[str, object]] = {"file": {}, "argument": {}}
        environ: dict[str, str] = {}
        for short, name, variable in (("a", "account", "X_ACCOUNT"), ("t", "token", "X_TOKEN")):
            if sources[short] == "environment":
                environ[variable] = f"value of {name}"
            else:
                places[sources[short]][name] = f"value of {name}"
        made = load(environ, table=places["file"], arguments=places["argument"])

        assert (made.account, made.token) == ("value of account", Secret("value of token"))

    def test_the_error_names_the_source_that_counted(self) -> None:
        wrong = {"count": "many"}

        assert problems(table=wrong)[0].startswith("X_COUNT (count in the file): must be a whole")
        assert problems(REQUIRED | {"X_COUNT": "few"}, table=wrong)[0].startswith("X_COUNT: ")
        assert problems(arguments=wrong, table=wrong)[0].startswith("X_COUNT (argument count): ")


class TestMissing:
    def test_all_that_is_missing_is_told_at_once_with_what_to_do(self) -> None:
        assert problems({}) == (
            "X_ACCOUNT: is missing. It is on your bill.",
            "X_TOKEN: is missing. Make one in your account.",
        )

    @pytest.mark.parametrize("empty", ["", " ", "\t\n"])
    def test_an_empty_value_counts_as_missing_wherever_it_stands(self, empty: str) -> None:
        missing = ("X_TOKEN: is missing. Make one in your account.",)

        assert problems({"X_ACCOUNT": "1", "X_TOKEN": empty}) == missing
        assert problems({"X_ACCOUNT": "1"}, table={"token": empty}) == missing
        assert problems({"X_ACCOUNT": "1"}, arguments={"token": empty}) == missing
        assert problems({"X_ACCOUNT": "1"}, arguments={"token": Secret(empty)}) == missing
        assert problems({"X_ACCOUNT": "1"}, arguments={"token": None}) == missing

    def test_an_empty_variable_leaves_the_file_and_the_default_alone(self) -> None:
        made = load(REQUIRED | {"X_COUNT": "", "X_RATE": " "}, table={"count": 5})

        assert (made.count, made.rate) == (5, 1.5)

    def test_missing_and_wrong_and_unknown_are_told_together(self) -> None:
        found = problems(
            {"X_TOKEN": PLANTED, "X_COUNT": "7", "X_RATE": "fast", "X_SIZE": "huge"},
            table={"foldr": "/tmp"},
            arguments={"toke": PLANTED},
        )

        assert {problem.partition(":")[0] for problem in found} == {
            "foldr (file)",
            "toke (argument)",
            "X_ACCOUNT",
            "X_RATE",
            "X_SIZE",
        }

    def test_every_wrong_value_is_told_at_once(self) -> None:
        found = problems(REQUIRED | {"X_COUNT": "7", "X_STRICT": "perhaps", "X_MODE": "c"})

        assert [problem.partition(":")[0] for problem in found] == ["X_STRICT", "X_MODE"]

    def test_every_validator_is_asked(self) -> None:
        @frozen(kw_only=True)
        class Pair:
            low: int = field(validator=validators.ge(0), metadata=setting("P_LOW", "From."))
            high: int = field(validator=validators.le(9), metadata=setting("P_HIGH", "To."))
            step: int = field(factory=lambda: 1, metadata=setting("P_STEP", "By."))

        with pytest.raises(ConfigurationError) as caught:
            load_settings(Pair, subject="x", environ={"P_LOW": "-1", "P_HIGH": "10"})

        assert [problem[:6] for problem in caught.value.problems] == ["P_LOW:", "P_HIGH"]


class TestUnknownNames:
    def test_an_unknown_name_comes_with_the_known_ones_and_the_closest(self) -> None:
        (problem,) = problems(table={"acount": "4711"})

        assert problem == (
            "acount (file): no such setting: known are account, count, folder, mode, names, "
            "proxy, rate, shape, size, strict, token; did you mean account?"
        )

    def test_a_name_that_is_close_to_nothing_brings_no_guess(self) -> None:
        (problem,) = problems(arguments={"zzz": 1})

        assert "did you mean" not in problem
        assert problem.startswith("zzz (argument): no such setting: known are ")

    def test_other_variables_of_the_environment_are_nobodys_business(self) -> None:
        assert load(REQUIRED | {"X_COUNTS": "1", "PATH": "/bin"}).count == 3


class TestTypes:
    @pytest.mark.parametrize(
        ("variable", "text", "name", "value"),
        [
            ("X_COUNT", "-12", "count", -12),
            ("X_RATE", "2.5", "rate", 2.5),
            ("X_RATE", "2", "rate", 2.0),
            ("X_STRICT", "yes", "strict", True),
            ("X_STRICT", "TRUE", "strict", True),
            ("X_STRICT", "0", "strict", False),
            ("X_FOLDER", "/srv/data", "folder", Path("/srv/data")),
            ("X_SIZE", "small", "size", Size.SMALL),
            ("X_SIZE", "large", "size", Size.LARGE),
            ("X_SHAPE", "round", "shape", Shape.ROUND),
            ("X_NAMES", "a, b,,c ", "names", ("a", "b", "c")),
            ("X_PROXY", PLANTED, "proxy", Secret(PLANTED)),
            ("X_ACCOUNT", "  4711 ", "account", "4711"),
        ],
    )
    def test_text_becomes_the_type_of_the_field(
        self, variable: str, text: str, name: str, value: object
    ) -> None:
        assert getattr(load(REQUIRED | {variable: text}), name) == value

    @pytest.mark.parametrize(
        ("variable", "text", "words"),
        [
            ("X_COUNT", "3.5", "must be a whole number, not '3.5'. How many."),
            ("X_COUNT", "7", "must not be 7. How many."),
            ("X_RATE", "fast", "must be a number, not 'fast'. How fast."),
            ("X_RATE", "nan", "must be a number, not 'nan'. How fast."),
            ("X_RATE", "1e999", "must be a number, not '1e999'. How fast."),
            ("X_STRICT", "maybe", "must be true or false, not 'maybe'. Whether."),
            ("X_SIZE", "huge", "must be one of small, Large, not 'huge'. How large."),
            ("X_SHAPE", "oval", "must be one of round, flat, not 'oval'. What form."),
            (
                "X_FOLDER",
                "~no-such-user/x",
                "must be a path, not '~no-such-user/x': no such user. ",
            ),
        ],
    )
    def test_wrong_text_is_refused_with_what_would_be_right(
        self, variable: str, text: str, words: str
    ) -> None:
        (problem,) = problems(REQUIRED | {variable: text})

        assert problem.startswith(f"{variable}: {words}")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("account", 4711),
            ("token", 4711),
            ("count", True),
            ("count", 2.0),
            ("rate", True),
            ("rate", 10**400),
            ("strict", 1),
            ("folder", 5),
            ("size", 1),
            ("names", [1]),
            ("names", {"a": 1}),
            ("proxy", ["x"]),
        ],
    )
    def test_a_value_of_another_type_in_the_file_is_no_guess_but_an_error(
        self, name: str, value: object
    ) -> None:
        environ = {key: text for key, text in REQUIRED.items() if key != f"X_{name.upper()}"}
        (problem,) = problems(environ, table={name: value})

        assert problem.startswith(f"X_{name.upper()} ({name} in the file): must be ")

    @pytest.mark.parametrize(
        ("host", "here"),
        [
            ("localhost", True),
            ("127.0.0.1", True),
            ("127.255.0.9", True),
            ("::1", True),
            ("", False),
            ("localhost.example", False),
            ("192.168.0.1", False),
            ("::2", False),
        ],
    )
    def test_the_loopback_is_this_machine(self, host: str, here: bool) -> None:
        assert is_this_machine(host) is here

    def test_what_attrs_compares_is_told_in_words(self) -> None:
        @frozen
        class Bounded:
            lag: float = field(default=0.0, validator=validators.ge(0.0))
            time: float = field(default=1.0, validator=validators.gt(0))
            part: int = field(default=1, validator=validators.optional(validators.le(5)))
            size: int = field(default=1, validator=validators.lt(5))

        given = {"lag": "-3", "time": "0", "part": "7", "size": "5"}
        assert structure_options(Bounded, given)[1] == [
            ("lag", "must be at least 0, not -3"),
            ("time", "must be more than 0, not 0"),
            ("part", "must be at most 5, not 7"),
            ("size", "must be less than 5, not 5"),
        ]

    def test_a_type_that_no_setting_can_have_is_the_plugins_fault(self) -> None:
        @frozen
        class Odd:
            value: int | str = field(default=1, metadata=setting("ODD_VALUE", "Odd."))

        with pytest.raises(PluginError, match=r"Odd\.value has a type that a setting or option"):
            load_settings(Odd, subject="x", environ={"ODD_VALUE": "5"})

    def test_settings_that_do_not_fit_each_other_are_told_by_name(self) -> None:
        assert problems(REQUIRED | {"X_COUNT": "11", "X_STRICT": "on"}) == (
            "X_COUNT: must be at most 10 where X_STRICT is on. How many.",
        )


class TestSecrets:
    @pytest.mark.parametrize("source", ["file", "environment", "argument"])
    def test_no_message_shows_a_secret(self, source: str) -> None:
        secrets = {"token": PLANTED, "proxy": PLANTED, "count": "many", "unknown": PLANTED}
        environ = {"X_TOKEN": PLANTED, "X_PROXY": PLANTED, "X_COUNT": "many"}

        found = {
            "file": lambda: problems({}, table=secrets),
            "environment": lambda: problems(environ),
            "argument": lambda: problems({}, arguments=secrets),
        }[source]()

        assert len(found) >= 2

    def test_no_repr_shows_a_secret(self, tmp_path: Path) -> None:
        file = tmp_path / "headend.toml"
        file.write_text(f'[providers.x]\ntoken = "{PLANTED}"\n')
        configuration = Configuration.load({"HEADEND_CONFIG": str(file), "X_PROXY": PLANTED})

        assert configuration.provider_table("x")["token"] == PLANTED
        assert PLANTED not in repr(configuration)
        assert PLANTED not in repr(load(REQUIRED | {"X_PROXY": PLANTED}))


def test_a_settings_class_describes_itself() -> None:
    found = {info.name: info for info in describe_settings(Settings)}

    assert list(found) == [
        "account", "token", "count", "rate", "strict", "folder", "size", "shape", "names",
        "proxy", "mode",
    ]  # fmt: skip
    assert {name for name, info in found.items() if info.required} == {"account", "token"}
    assert {name for name, info in found.items() if info.secret} == {"token", "proxy"}
    assert (found["token"].env, found["token"].help) == ("X_TOKEN", "Make one in your account.")


def test_checking_settings_never_switches_the_checks_of_other_threads_off() -> None:
    """Validators of attrs can be switched off for the process only, so nothing here may do that."""
    inside = threading.Event()
    outside = threading.Event()

    def wait(_settings: object, _attribute: object, _value: int) -> None:
        inside.set()
        assert outside.wait(20)

    @frozen
    class Slow:
        value: int = field(validator=wait, metadata=setting("SLOW_VALUE", "Slow."))

    loading = threading.Thread(
        target=load_settings,
        args=(Slow,),
        kwargs={"subject": "slow", "environ": {"SLOW_VALUE": "1"}},
    )
    loading.start()
    assert inside.wait(20)
    try:
        assert validators.get_disabled() is False
    finally:
        outside.set()
        loading.join()


class TestOptions:
    def test_nothing_given_is_all_defaults(self) -> None:
        @frozen
        class Options:
            record: bool = False

        assert structure_options(Options, {}) == (Options(), [])

    def test_unknown_missing_and_wrong_options_are_told_together(self) -> None:
        @frozen(kw_only=True)
        class Options:
            region: str
            record: bool = False

        assert unknown_options(Options, ["record", "regoin"]) == [
            ("regoin", "no such option: known are record, region; did you mean region?"),
        ]
        made, found = structure_options(Options, {"record": "perhaps"})
        assert made is None
        assert found == [
            ("region", "is missing"),
            ("record", "must be true or false, not 'perhaps'"),
        ]


class TestFile:
    def test_it_has_a_table_for_headend_and_one_for_each_provider(self, tmp_path: Path) -> None:
        file = tmp_path / "headend.toml"
        file.write_text(
            '[headend]\nstreaming_platform = "acme"\ndisable_plugins = ["a", "b"]\n'
            '[providers.acme]\naccount = "4711"\n'
        )
        found = Configuration.load({"HEADEND_CONFIG": str(file)})

        assert found.host.streaming_platform == "acme"
        assert found.host.disable_plugins == ("a", "b")
        assert found.provider_table("acme") == {"account": "4711"}
        assert found.provider_table("other") == {}

    def test_the_environment_overrides_it(self, tmp_path: Path) -> None:
        file = tmp_path / "headend.toml"
        file.write_text('[headend]\nstreaming_platform = "acme"\n')
        found = Configuration.load({"HEADEND_CONFIG": str(file), "STREAMING_PLATFORM": "plain"})

        assert found.host.streaming_platform == "plain"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[headend", "is not a TOML file: "),
            ("[headned]\n", "[headned] in "),
            ("headend = 1\n", "[headend] must be a table"),
            ('[headend]\nstreaming_platfrm = "acme"\n', "did you mean streaming_platform?"),
            ("[headend]\nstreaming_platform = 1\n", "STREAMING_PLATFORM (streaming_platform in "),
        ],
    )
    def test_what_is_wrong_in_it_is_told(self, text: str, words: str, tmp_path: Path) -> None:
        file = tmp_path / "headend.toml"
        file.write_text(text)

        with pytest.raises(ConfigurationError) as caught:
            Configuration.load({"HEADEND_CONFIG": str(file)})
        assert words in str(caught.value)

    @pytest.mark.parametrize("text", ["providers = 1\n", "[providers]\nacme = 1\n"])
    def test_a_providers_part_must_be_a_table(self, text: str, tmp_path: Path) -> None:
        file = tmp_path / "headend.toml"
        file.write_text(text)
        found = Configuration.load({"HEADEND_CONFIG": str(file)})

        with pytest.raises(ConfigurationError, match="must be a table"):
            found.provider_table("acme")

    def test_one_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"HEADEND_CONFIG: cannot read .*no\.toml: No"):
            Configuration.load({"HEADEND_CONFIG": str(tmp_path / "no.toml")})

    def test_one_that_is_not_utf8_is_no_toml_file(self, tmp_path: Path) -> None:
        file = tmp_path / "headend.toml"
        file.write_bytes(f'token = "{PLANTED}\xff"'.encode("latin-1"))

        with pytest.raises(ConfigurationError, match="is not a TOML file") as caught:
            Configuration.load({"HEADEND_CONFIG": str(file)})
        assert PLANTED not in str(caught.value)


def test_without_settings_the_defaults_of_the_first_users_hold() -> None:
    host = Configuration.load({}).host

    assert (host.streaming_platform, DEFAULT_PROVIDER) == (None, "cloudflare")
    assert host.disable_plugins == ()
    assert host.data_dir.is_absolute()
    assert [info.env for info in describe_settings(HostSettings)] == [
        "STREAMING_PLATFORM",
        "HEADEND_DATA_DIR",
        "HEADEND_DATABASE_URL",
        "HEADEND_ON_LEDGER_FAILURE",
        "HEADEND_ACTOR",
        "HEADEND_DISABLE_PLUGINS",
    ]
