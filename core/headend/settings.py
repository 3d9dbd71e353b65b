"""Settings from a TOML file, the environment and arguments, checked all at once.

A plugin's settings are a frozen attrs class; each field names its environment variable::

    @frozen(kw_only=True)
    class AcmeSettings:
        api_token: Secret = field(metadata=setting("ACME_API_TOKEN", "Make one in your account."))
        timeout: float = field(default=30.0, metadata=setting("ACME_TIMEOUT", "Seconds."))

The optional file that ``HEADEND_CONFIG`` names has a table ``[headend]`` for the settings of
headend itself, one ``[providers.<name>]`` for each provider, ``[costs]`` for costs and budgets, and
one ``[presets.<name>]`` for each preset of the host's own, with the fields' names as keys.
The environment overrides the file, and arguments override both.  A value that is empty counts
as missing, wherever it stands.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum, StrEnum
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar, cast, runtime_checkable

import attrs
from attrs import field, frozen

from headend.errors import ConfigurationError, PluginError
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from cattrs import Converter

_T = TypeVar("_T")

DEFAULT_PROVIDER: Final = "cloudflare"
"""The provider that is opened where nothing selects one."""

CONFIG_VARIABLE: Final = "HEADEND_CONFIG"
_ENV: Final = "headend.env"
_HELP: Final = "headend.help"


def setting(env: str, help: str) -> dict[str, str]:  # noqa: A002  # the word a reader expects
    """Return the metadata that makes an attrs field a setting.

    The field's type is `str`, `Secret`, `bool`, `int`, `float`, `Path`, `ZoneInfo`, an `Enum` of
    texts, ``tuple[str, ...]`` (in a variable: separated by commas), a class that `ReadsItself`,
    or one of these or `None`.

    Args:
        env: its environment variable.
        help: what it is and how to get it; shown where it is missing or wrong.
    """
    return {_ENV: env, _HELP: help}


def is_this_machine(host: str) -> bool:
    """Tell whether a host in an address is the loopback of this machine.

    What goes there leaves the machine nowhere, so that a secret may go there without encryption.

    Args:
        host: as `urllib.parse.SplitResult.hostname` has it: ``localhost``, ``127.0.0.1``, ``::1``.
    """
    import ipaddress

    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@frozen
class SettingInfo:
    """A setting as documentation and `headend providers NAME` show it.

    Attributes:
        name: the field, which is the key in the TOML file.
        env: the environment variable.
        help: what it is.
        required: whether it must be given.
        secret: whether its value is never shown.
    """

    name: str
    env: str
    help: str
    required: bool
    secret: bool


def describe_settings(cls: type) -> tuple[SettingInfo, ...]:
    """Return the settings that an attrs class declares.

    Raises:
        TypeError: a field is no `setting`.
    """
    attributes = attrs.fields(attrs.resolve_types(cls))
    for attribute in attributes:
        if _ENV not in attribute.metadata:
            raise TypeError(f"{cls.__qualname__}.{attribute.name} has no metadata=setting(...)")
    return tuple(
        SettingInfo(
            name=attribute.name,
            env=attribute.metadata[_ENV],
            help=attribute.metadata[_HELP],
            required=attribute.default is attrs.NOTHING,
            secret="Secret" in str(attribute.type),
        )
        for attribute in attributes
    )


def load_settings(
    cls: type[_T],
    *,
    subject: str,
    environ: Mapping[str, str],
    table: Mapping[str, object] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> _T:
    """Make an object of the settings class `cls`.

    Args:
        cls: an attrs class whose fields bear `setting` metadata.
        subject: whose settings these are, for the error.
        environ: the environment.
        table: the table of the configuration file.
        arguments: values that override all others, by field name.

    Raises:
        ConfigurationError: with every problem at once, by variable name.
    """
    fields = {info.name: info for info in describe_settings(cls)}
    given: dict[str, object] = {}
    labels: dict[str, str] = {}
    problems: list[str] = []
    for origin, source in (("file", table or {}), ("argument", arguments or {})):
        problems += [
            f"{name} ({origin}): {_no_such(name, fields, 'setting')}"
            for name in source
            if name not in fields
        ]

    for name, info in fields.items():
        if table and not _is_empty(table.get(name)):
            given[name], labels[name] = table[name], f"{info.env} ({name} in the file)"
        if not _is_empty(environ.get(info.env)):
            given[name], labels[name] = environ[info.env].strip(), info.env
        if arguments and not _is_empty(arguments.get(name)):
            given[name], labels[name] = arguments[name], f"{info.env} (argument {name})"
        if name not in given and info.required:
            problems.append(f"{info.env}: is missing. {info.help}")

    made, wrong = _structure(cls, given)
    problems.extend(
        f"{labels.get(name, fields[name].env if name in fields else name)}: {what}"
        + (f"{'' if what.endswith('?') else '.'} {fields[name].help}" if name in fields else "")
        for name, what in wrong
    )
    if problems or made is None:
        raise ConfigurationError.of(subject, problems)
    return made


def _is_empty(value: object) -> bool:
    text = value.reveal() if isinstance(value, Secret) else value
    return text is None or (isinstance(text, str) and not text.strip())


def unknown_options(
    cls: type, given: Iterable[str], *, what: str = "option"
) -> list[tuple[str, str]]:
    """Return those of the `given` names that an options class does not have, each with words.

    Args:
        cls: the options class.
        given: the names.
        what: what the words call an option.
    """
    names = [attribute.name for attribute in attrs.fields(cls)]
    return [(name, _no_such(name, names, what)) for name in given if name not in names]


def structure_options(
    cls: type[_T], given: Mapping[str, object]
) -> tuple[_T | None, list[tuple[str, str]]]:
    """Make an options object of an attrs class that knows all the `given` names.

    Returns:
        The object, or `None` if there are problems; and each problem as name and words.
    """
    missing = [
        (attribute.name, "is missing")
        for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", cls))
        if attribute.default is attrs.NOTHING and attribute.name not in given
    ]
    made, wrong = _structure(cls, given)
    problems = missing + wrong
    return (None if problems else made), problems


def _no_such(name: str, known: Iterable[str], what: str) -> str:
    known = sorted(known)
    listing = f"known are {', '.join(known)}" if known else "there are none"
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"no such {what}: {listing}{hint}"


def _structure(
    cls: type[_T], given: Mapping[str, object]
) -> tuple[_T | None, list[tuple[str, str]]]:
    from cattrs import StructureHandlerNotFoundError

    converter = _converter()
    attributes = attrs.fields(attrs.resolve_types(cast("type[attrs.AttrsInstance]", cls)))
    values: dict[str, object] = {}
    problems: list[tuple[str, str]] = []
    complete = True
    for attribute in attributes:
        if attribute.name in given:
            try:
                values[attribute.name] = converter.structure(
                    given[attribute.name], attribute.type or str
                )
            except StructureHandlerNotFoundError as error:
                raise PluginError(
                    f"{cls.__module__}.{cls.__qualname__}.{attribute.name} has a type that a "
                    f"setting or option cannot have: {attribute.type}"
                ) from error
            except Exception as error:  # noqa: BLE001  # each type refuses in its own way
                problems.append((attribute.name, str(error)))
        elif attribute.default is attrs.NOTHING:
            complete = False
    if not complete or problems:
        return None, problems

    try:
        made = cls(**values)
    except (ValueError, TypeError) as error:
        return None, _complaints(cls, values) or [(cls.__name__, _words(error))]
    if isinstance(made, ChecksItself):
        problems.extend(made.problems())
    return (None if problems else made), problems


def _complaints(cls: type[_T], values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Ask every validator, where making the object stops at the first that complains."""
    attributes = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    draft = cls.__new__(cls)
    for attribute in attributes:
        if attribute.name in values:
            value = values[attribute.name]
        elif isinstance(attribute.default, attrs.Factory):  # type: ignore[arg-type]  # a class that is typed as a function
            made_by = attribute.default
            value = made_by.factory(draft) if made_by.takes_self else made_by.factory()
        else:
            value = attribute.default
        object.__setattr__(draft, attribute.name, value)
    problems: list[tuple[str, str]] = []
    for attribute in attributes:
        if attribute.validator is not None:
            try:
                attribute.validator(draft, attribute, getattr(draft, attribute.name))
            except (ValueError, TypeError) as error:
                problems.append((attribute.name, _words(error)))
    return problems


_COMPARED: Final = re.compile(r"'\w+' must be (>=|>|<=|<) (.+?): (.+)", re.DOTALL)
"""What the comparing validators of attrs say, such as ``'lag' must be >= 0.0: -3.0``."""
_COMPARISONS: Final = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def _words(error: Exception) -> str:
    """Return the sentence of an error; those of attrs carry the attribute and the value as well."""
    said = str(error.args[0] if error.args else error)
    compared = _COMPARED.fullmatch(said)
    if compared is None:
        return said
    sign, bound, value = (part.removesuffix(".0") for part in compared.groups())
    return f"must be {_COMPARISONS[sign]} {bound}, not {value}"


@runtime_checkable
class ChecksItself(Protocol):
    """Settings or options whose fields must fit each other."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Return field and words for each problem that no field has alone."""
        ...


class ReadsItself(Protocol):
    """A class of values that a variable has in a form of its own."""

    @classmethod
    def from_setting(cls, value: object) -> Self:
        """Make one of a variable's text, or of what the configuration file has in its place.

        Raises:
            ValueError: it is none; the message goes on from the setting's name.
        """
        ...


_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@cache
def _converter() -> Converter:
    """Return the one converter: strict, so that a wrong type is an error and not a guess."""
    from zoneinfo import ZoneInfo

    from cattrs import Converter

    converter = Converter()
    for kind, hook in (
        (str, _to_str),
        (Secret, _to_secret),
        (bool, _to_bool),
        (int, _to_int),
        (float, _to_float),
        (Path, _to_path),
        (ZoneInfo, _to_zone),
    ):
        converter.register_structure_hook(kind, partial(_unless_enum, hook))
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _to_enum
    )
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _to_names)
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and hasattr(kind, "from_setting"), _to_itself
    )
    return converter


def _unless_enum(hook: Callable[[object, type], object], value: object, kind: type) -> object:
    # A `StrEnum` is a `str` as well, whose hook cattrs would take for it.
    return _to_enum(value, kind) if issubclass(kind, Enum) else hook(value, kind)


def _to_str(value: object, _kind: type) -> str:
    if not isinstance(value, str):
        raise TypeError(f"must be text, not {type(value).__name__}")
    return value


def _to_secret(value: object, _kind: type) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise TypeError(f"must be text, not {type(value).__name__}")
    return Secret(value)


def _to_bool(value: object, _kind: type) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"must be true or false, not {value!r}")


def _to_int(value: object, _kind: type) -> int:
    try:
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return int(value)
    except ValueError:
        pass
    raise ValueError(f"must be a whole number, not {value!r}")


def _to_float(value: object, _kind: type) -> float:
    try:
        if isinstance(value, (str, float, int)) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"must be a number, not {value!r}")


def _to_path(value: object, _kind: type) -> Path:
    if not isinstance(value, (str, Path)):
        raise TypeError(f"must be a path, not {type(value).__name__}")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"must be a path, not {str(value)!r}: no such user") from error


def _to_zone(value: object, _kind: type) -> ZoneInfo:
    from zoneinfo import ZoneInfo, available_timezones

    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (ValueError, OSError, LookupError):
        # By place: an abbreviation such as EST is near CEST in letters alone, and has no summer.
        places = [name for name in available_timezones() if "/" in name]
        close = get_close_matches(str(value), places, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(
            f"must be a time zone such as Europe/Berlin, not {value!r}{hint}"
        ) from None


def _to_itself(value: object, kind: type[ReadsItself]) -> ReadsItself:
    return value if isinstance(value, kind) else kind.from_setting(value)


def _to_enum(value: object, kind: type[Enum]) -> Enum:
    if isinstance(value, kind):
        return value
    members = {str(member.value): member for member in kind}
    for word, member in members.items():
        if isinstance(value, str) and value.lower() == word.lower():
            return member
    raise ValueError(f"must be one of {', '.join(members)}, not {value!r}")


def _to_names(value: object, _kind: type) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise TypeError("must be names, separated by commas")
    return tuple(part.strip() for part in parts if part.strip())


def _default_data_dir() -> Path:
    from platformdirs import user_data_path

    return user_data_path("headend", appauthor=False)


class OnLedgerFailure(StrEnum):
    """What goes on while the ledger that is set cannot be written."""

    REFUSE_CREATE = "refuse-create"
    """All but creating: without a record, a crash could leave a live stream that costs money."""
    GO_ON = "go-on"
    """Everything.  What is created then is not in the ledger, nor are idempotency keys."""
    REFUSE_ALL = "refuse-all"
    """Nothing: no operation asks the platform before the ledger has shown that it works."""


@frozen(kw_only=True)
class HostSettings:
    """The settings of headend itself."""

    streaming_platform: str | None = field(
        default=None,
        metadata=setting(
            "STREAMING_PLATFORM",
            f"The provider that is opened where none is named; default {DEFAULT_PROVIDER}.",
        ),
    )
    data_dir: Path = field(
        factory=_default_data_dir,
        metadata=setting("HEADEND_DATA_DIR", "The folder for what headend keeps."),
    )
    database_url: Secret | None = field(
        default=None,
        metadata=setting(
            "HEADEND_DATABASE_URL",
            "The ledger's database: sqlite:////folder/ledger.sqlite3, or "
            "postgresql://user:password@host/database; default ledger.sqlite3 in "
            "HEADEND_DATA_DIR; none turns it off.",
        ),
    )
    on_ledger_failure: OnLedgerFailure = field(
        default=OnLedgerFailure.REFUSE_CREATE,
        metadata=setting(
            "HEADEND_ON_LEDGER_FAILURE",
            "What goes on while the ledger cannot be written: refuse-create (all but creating; "
            "the default), go-on (everything), refuse-all (nothing).",
        ),
    )
    actor: str | None = field(
        default=None,
        metadata=setting(
            "HEADEND_ACTOR",
            "Who is told in the ledger's events to have done what this program does, such as the "
            "name of a service; default the machine's name and the process's number.",
        ),
    )
    disable_plugins: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            "HEADEND_DISABLE_PLUGINS",
            "Names of providers that are not to be used, separated by commas; * for all.",
        ),
    )


@frozen
class Configuration:
    """The configuration file and the environment, read once.

    Attributes:
        environ: the environment; it holds secrets, as does the file, so neither is in the repr.
        tables: the configuration file, empty where there is none.
        host: the settings of headend itself.
    """

    environ: Mapping[str, str] = field(repr=False)
    tables: Mapping[str, object] = field(repr=False)
    host: HostSettings

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Configuration:
        """Read the file that ``HEADEND_CONFIG`` names, and the environment.

        Raises:
            ConfigurationError: the file cannot be read, or a setting of headend itself is wrong.
        """
        environ = os.environ if environ is None else environ
        tables = _read_file(environ.get(CONFIG_VARIABLE, "").strip())
        host = load_settings(
            HostSettings,
            subject="headend",
            environ=environ,
            table=_table(tables, "headend"),
        )
        return cls(environ=environ, tables=tables, host=host)

    @property
    def costs_table(self) -> Mapping[str, object]:
        """The file's table on costs and budgets, empty where there is none."""
        return _table(self.tables, "costs")

    @property
    def presets_table(self) -> Mapping[str, object]:
        """The file's tables of presets by name; `headend.presets` makes presets of them."""
        return _table(self.tables, "presets")

    @property
    def has_budgets(self) -> bool:
        """Whether budgets are set; what they are, `headend.costs.settings` finds out."""
        return not (
            _is_empty(self.environ.get("HEADEND_BUDGETS"))
            and _is_empty(self.costs_table.get("budgets"))
        )

    def provider_table(self, name: str) -> Mapping[str, object]:
        """Return the file's table for one provider, empty where there is none."""
        return _table(_table(self.tables, "providers"), name, path=f"providers.{name}")


def _table(tables: Mapping[str, object], name: str, *, path: str = "") -> Mapping[str, object]:
    found = tables.get(name, {})
    if not isinstance(found, Mapping):
        problem = f"{CONFIG_VARIABLE}: [{path or name}] must be a table"
        raise ConfigurationError.of("headend", [problem])
    return found


_TABLES: Final = ("headend", "providers", "costs", "presets")


def _read_file(path: str) -> Mapping[str, object]:
    if not path:
        return {}
    try:
        with Path(path).expanduser().open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        problem = f"{CONFIG_VARIABLE}: cannot read {path}: {error.strerror}"
        raise ConfigurationError.of("headend", [problem]) from error
    except ValueError as error:
        problem = f"{CONFIG_VARIABLE}: {path} is not a TOML file: {error}"
        raise ConfigurationError.of("headend", [problem]) from error
    strangers = [name for name in tables if name not in _TABLES]
    if strangers:
        raise ConfigurationError.of(
            "headend",
            [
                f"{CONFIG_VARIABLE}: [{name}] in {path}: " + _no_such(name, _TABLES, "table")
                for name in strangers
            ],
        )
    return tables
