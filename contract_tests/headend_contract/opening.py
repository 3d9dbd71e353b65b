"""Opening any provider with the world put in from outside: time, chance, and the environment.

`headend.open` finds a provider by its entry point and takes the machine's clock and environment.
Here nothing need be installed, and nothing of the machine comes in.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from attrs import frozen

from headend.calls import Calls, Pacers
from headend.errors import PluginError
from headend.ledger import DeferredLedger, LedgerPacerStore, open_ledger
from headend.platform import StreamingPlatform
from headend.plugin import Provider, ProviderContext
from headend.settings import Configuration, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random

    from headend.calls import Observer
    from headend.plugin import Clock, ProviderSpec
    from headend.provider import ProviderFactory

NOWHERE: Final = Path("/nonexistent")
"""The data folder of a provider that keeps nothing on the machine."""

_HOST_VARIABLES: Final = ("HEADEND_", "STREAMING_PLATFORM")
"""What the variables of headend itself begin with."""


@frozen
class Opened:
    """An opened provider with what is behind it.

    Attributes:
        platform: what a host holds.
        provider: what the plugin's factory made.
        context: what that was given of the world.
    """

    platform: StreamingPlatform
    provider: Provider
    context: ProviderContext


def open_platform(
    spec: ProviderSpec,
    environment: Mapping[str, str],
    *,
    clock: Clock,
    random: Random,
    database: str | Path | None = None,
    observer: Observer | None = None,
    calls_timeout: float = 60.0,
    factory: ProviderFactory | None = None,
) -> Opened:
    """Open a provider as `headend.open` would; nothing is sent.

    What the factory makes is taken as it is: that it has all that it declares is for checks to
    find out, one by one.

    Args:
        spec: its description.
        environment: all the variables there are; its settings come from here.
        clock: tells the time and waits.
        random: the source of chance.
        database: the ledger's URL as a text or its file as a `Path`; `None`: no ledger.
        observer: is told of every attempt and wait.
        calls_timeout: seconds that one operation may take in all, on `clock`.
        factory: makes the provider in place of the one that the spec names.

    Raises:
        ConfigurationError: settings are missing or wrong; it tells all of them.
        PluginError: what the spec names cannot be imported, or is something else.
    """
    configuration = Configuration.load(environment)
    settings: object = load_settings(
        resolve_class(spec, spec.settings),
        subject=f"provider {spec.name}",
        environ=environment,
        table=configuration.provider_table(spec.name),
    )
    return open_with(
        spec,
        settings,
        clock=clock,
        random=random,
        data_dir=configuration.host.data_dir,
        database=database,
        observer=observer,
        calls_timeout=calls_timeout,
        factory=factory,
    )


def open_with(
    spec: ProviderSpec,
    settings: object,
    *,
    clock: Clock,
    random: Random,
    data_dir: Path = NOWHERE,
    database: str | Path | None = None,
    observer: Observer | None = None,
    calls_timeout: float = 60.0,
    factory: ProviderFactory | None = None,
) -> Opened:
    """Open a provider as `open_platform` does, with settings that are made already.

    Args:
        spec: its description.
        settings: an object of the class that the description names.
        clock: tells the time and waits.
        random: the source of chance.
        data_dir: the folder for what is kept on this machine.
        database: the ledger's URL as a text or its file as a `Path`; `None`: no ledger.
        observer: is told of every attempt and wait.
        calls_timeout: seconds that one operation may take in all, on `clock`.
        factory: makes the provider in place of the one that the spec names.

    Raises:
        PluginError: what the spec names cannot be imported, or is something else.
    """
    options_class = None if spec.options is None else resolve_class(spec, spec.options)
    ledger = DeferredLedger(partial(open_ledger, database, clock=clock, random=random))
    context = make_context(
        spec.name,
        clock=clock,
        random=random,
        data_dir=data_dir,
        pacers=None if database is None else Pacers(LedgerPacerStore(ledger, clock), clock),
        observer=observer,
        calls_timeout=calls_timeout,
    )
    make = factory or cast("ProviderFactory", resolve(spec, spec.factory))
    provider = make(settings, context)
    platform = StreamingPlatform(
        spec=spec,
        provider=provider,
        options_class=options_class,
        calls=context.calls,
        ledger=ledger,
        clock=clock,
        random=random,
    )
    return Opened(platform, provider, context)


def make_context(
    name: str,
    *,
    clock: Clock,
    random: Random,
    data_dir: Path = NOWHERE,
    pacers: Pacers | None = None,
    observer: Observer | None = None,
    calls_timeout: float = 60.0,
) -> ProviderContext:
    """Return all that a provider needs of the world besides its settings.

    Args:
        name: the provider's.
        clock: tells the time and waits.
        random: the source of chance.
        data_dir: the folder for what is kept on this machine.
        pacers: the queues under the platform's limits; without them they are the provider's own.
        observer: is told of every attempt and wait.
        calls_timeout: seconds that one operation may take in all, on `clock`.
    """
    calls = Calls(
        provider=name,
        clock=clock,
        random=random,
        pacers=pacers,
        observer=observer,
        timeout=calls_timeout,
    )
    return ProviderContext(calls=calls, clock=clock, random=random, data_dir=data_dir)


def resolve(spec: ProviderSpec, dotted: str) -> object:
    """Import what a description names as ``"package.module:Name"``.

    Raises:
        PluginError: it cannot be imported.
    """
    module, _, attribute = dotted.partition(":")
    try:
        found: object = getattr(import_module(module), attribute)
    except Exception as error:
        raise PluginError(
            f"provider {spec.name} cannot load {dotted}: {type(error).__name__}: {error}"
        ) from error
    return found


def resolve_class(spec: ProviderSpec, dotted: str) -> type:
    """Import a class that a description names.

    Raises:
        PluginError: it cannot be imported, or is no class.
    """
    found = resolve(spec, dotted)
    if not isinstance(found, type):
        raise PluginError(f"provider {spec.name}: {dotted} is no class")
    return found


@contextmanager
def process_environment(known: Iterable[str], environment: Mapping[str, str]) -> Iterator[None]:
    """Let the process's own environment agree with the one that a provider is opened with.

    Some SDKs read variables by themselves.  Those that are `known`, and headend's own, are set as
    in `environment` or not at all, and what else that has is set too; all others stay.

    Args:
        known: the names of variables that the provider reads.
        environment: the variables.
    """
    changed = {*known, *(name for name in os.environ if name.startswith(_HOST_VARIABLES))}
    before = dict(os.environ)
    for name in changed - set(environment):
        os.environ.pop(name, None)
    os.environ.update(environment)
    try:
        yield
    finally:
        for name in changed | set(environment):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)
