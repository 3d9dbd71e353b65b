"""What a host must set: told by name, checked when a platform is opened, and before any request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from headend.plugin import ConfigurationError
from headend.settings import HostSettings, describe_settings
from headend_contract.check import (
    CheckFailedError,
    Level,
    check,
    expect,
    expect_raises,
    not_applicable,
)

if TYPE_CHECKING:
    from headend_contract.case import Case

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_NOT_SHOWN: Final = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSPHRASE)(_|$)")
_NO_ADDRESS: Final = "no address"
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+]*://")


@check(
    "SETTING-001",
    "Each setting has a variable of its own, and words that say what it is",
    level=Level.CORE,
    offline=True,
    rule="Each field of the settings class names an environment variable in capitals that is no "
    "other field's and none of headend's own, and says in words what it is.",
    why="The words are all that a person sees when a setting is missing; two fields that share a "
    "variable cannot both be set.",
    hint='Give each field metadata=setting("ACME_API_TOKEN", "Make one in the dashboard."), with '
    "your provider's name in front.",
)
def describes_its_settings(case: Case) -> None:
    """Read what the class says of its fields."""
    settings = describe_settings(case.settings_class)
    if not settings:
        not_applicable("it has no settings")
    taken = {one.env for one in describe_settings(HostSettings)}
    for one in settings:
        expect(
            _VARIABLE.fullmatch(one.env) is not None,
            f"{one.env!r} is no name of an environment variable with its owner's name in front",
        )
        expect(one.env not in taken, f"{one.env} is the variable of two settings")
        expect(len(one.help.split()) > 1, f"{one.env} does not say what it is")
        taken.add(one.env)


@check(
    "SETTING-002",
    "Opened with nothing set, a provider names what is missing",
    level=Level.CORE,
    offline=True,
    rule="Without any of its variables a provider either opens, because all have defaults, or "
    "raises one ConfigurationError that names each variable without a default.",
    why="A new user has set nothing yet.  An exception from inside the provider tells them "
    "nothing; one missing variable at a time sends them round and round.",
    hint="Let a field that cannot do without a value have no default, so that headend reports it "
    "with all others; check what belongs together in the class's problems().",
)
def names_what_is_missing(case: Case) -> None:
    """Open without any variable of the provider's."""
    settings = describe_settings(case.settings_class)
    required = [one.env for one in settings if one.required]
    try:
        case.open(environment={one.env: None for one in settings})
    except ConfigurationError as error:
        for variable in required:
            expect(
                any(variable in problem for problem in error.problems),
                f"{variable} is missing, and no problem of the error names it",
            )
    except Exception as error:
        raise CheckFailedError(
            f"opened with nothing set, it raises {type(error).__name__}: {error}"
        ) from error


@check(
    "SETTING-003",
    "An address that is none is refused when a platform is opened",
    level=Level.CORE,
    offline=True,
    rule="A setting that holds an address, and is set to something that is none, makes opening "
    "raise ConfigurationError, which names its variable.",
    why="Otherwise the first creation fails, in the middle of the night, with the words of some "
    "library.",
    hint="Give the field a validator: a scheme that you can speak, a host, no user name.",
)
def refuses_what_is_no_address(case: Case) -> None:
    """Spoil one address after the other."""
    own = {one.env for one in describe_settings(case.settings_class)}
    variables = [
        name for name, value in case.environment.items() if name in own and _ADDRESS.match(value)
    ]
    if not variables:
        not_applicable("none of its settings holds an address here")
    for name in variables:
        error = expect_raises(
            ConfigurationError,
            lambda name=name: case.open(environment={name: _NO_ADDRESS}),  # type: ignore[misc]  # binds the loop's value
            f"opening with {name} set to {_NO_ADDRESS!r}, which is no address,",
        )
        expect(
            any(name in problem for problem in error.problems),
            f"{name} was set to {_NO_ADDRESS!r}, and no problem of the error names it",
        )


@check(
    "SETTING-004",
    "Whatever is called a token, secret or password is a Secret",
    level=Level.CORE,
    offline=True,
    rule="A field whose variable has the word TOKEN, SECRET, PASSWORD or PASSPHRASE has the type "
    "Secret.",
    why="A credential that is a str is in the first traceback or repr that anybody posts.",
    hint="Declare the field as Secret, or Secret | None, and reveal() it where it is sent.",
)
def keeps_credentials_secret(case: Case) -> None:
    """Compare the fields' types with their variables' names."""
    called = [one for one in describe_settings(case.settings_class) if _NOT_SHOWN.search(one.env)]
    if not called:
        not_applicable("none of its settings is called a credential")
    for one in called:
        expect(
            one.secret,
            f"{one.env} is a credential by its name, and its field is no Secret",
        )


@check(
    "SETTING-005",
    "Opening a platform sends nothing",
    level=Level.CORE,
    offline=True,
    rule="Making and closing a provider sends no request.",
    why="Hosts open platforms when they start, also when the network is not there yet, and "
    "commands open one for a look at its capabilities.",
    hint="Make the client in the factory, and send the first request in the first operation.",
)
def opens_silently(case: Case) -> None:
    """Open a platform and close it."""
    platform = case.open()
    platform.close()

    expect(not case.requests, "opening and closing a platform sent a request")
