"""The command `headend simulate`: a provider's simulated platform, served on this machine.

Importing this module is cheap: what serves is imported when the command runs.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import click

from headend.cli.output import json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.discovery import Registry
    from headend.errors import PluginError
    from headend.plugin import ProviderSpec, Simulator
    from headend_contract.media import PlatformMedia

_MEDIA: Final = "local"
"""The provider whose live streams carry the pictures."""

_LINE: Final = 100
"""Characters of a line that is read well, however wide the terminal is."""


def _pairs(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{one!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


@click.command("simulate")
@click.argument("name")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port on 127.0.0.1.  [default: a free one]",
)
@click.option(
    "--switch",
    "switches",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="Make the platform behave otherwise; repeatable. --switches tells what there is.",
)
@click.option(
    "--media",
    type=click.Choice([_MEDIA]),
    help="Carry real pictures by live streams of `headend server`, which must be running.",
)
@click.option(
    "--seed",
    type=int,
    help="Make the same ids, keys and tokens each time.  [default: other ones each time]",
)
@click.option(
    "--switches",
    "list_switches",
    is_flag=True,
    help="List the switches with their defaults and exit.",
)
@json_option
def simulate_command(
    name: str,
    port: int,
    switches: dict[str, str],
    media: str | None,
    seed: int | None,
    *,
    list_switches: bool,
    as_json: bool,
) -> None:
    """Serve the simulated platform of the provider NAME.

    A simulator answers as the platform does, as far as its author knows. It is not the platform:
    what only a simulator says proves nothing. It answers this machine only.

    When it is ready it prints one line of JSON with its address and the environment variables that
    point headend at it, credentials included, and on standard error the same for a shell. Ctrl-C
    stops it, and all that was created in it is gone.
    """
    from headend.discovery import Registry
    from headend.settings import Configuration

    registry = Registry(disabled=Configuration.load().host.disable_plugins)
    spec = registry.spec(name)
    if not _is_simulated(spec):
        raise _none_of(spec, registry)
    with ExitStack() as stack:
        if list_switches:
            _print_switches(_make(stack, registry, spec, switches, seed), as_json=as_json)
            return
        backend = None if media is None else _open_media(stack, media)
        simulator = _make(stack, registry, spec, switches, seed, backend)
        _serve(simulator, spec, port)


def _is_simulated(spec: ProviderSpec) -> bool:
    """Tell whether there is a simulator for people.

    That of the server of one's own has no port for encoders: it is for tests, which need none.
    """
    return spec.simulator is not None and spec.name != _MEDIA


def _none_of(spec: ProviderSpec, registry: Registry) -> PluginError:
    """Return the error for a provider without a simulator; it says what to run instead."""
    from headend.errors import PluginError

    found: list[str] = []
    for name in registry.names:
        with suppress(PluginError):
            if _is_simulated(registry.spec(name)):
                found.append(name)
    own = "; it is a server of your own, which `headend server` starts" * (spec.name == _MEDIA)
    others = f"; `headend simulate` has {', '.join(sorted(found))}" if found else ""
    return PluginError(f"provider {spec.name} has no simulator{own}{others}")


def _make(
    stack: ExitStack,
    registry: Registry,
    spec: ProviderSpec,
    switches: Mapping[str, str],
    seed: int | None,
    media: PlatformMedia | None = None,
) -> Simulator:
    from random import Random, SystemRandom

    from headend.errors import ConfigurationError

    random = SystemRandom() if seed is None else Random(seed)  # noqa: S311  # its keys open nothing
    try:
        simulator = registry.simulate(spec, random=random, switches=switches, media=media)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}\n`headend simulate {spec.name} --switches` tells what there is",
            problems=error.problems,
        ) from error
    stack.callback(simulator.close)
    return simulator


def _open_media(stack: ExitStack, name: str) -> PlatformMedia:
    """Open what carries the pictures, and make sure that it is there."""
    import headend
    from headend_contract.media import PlatformMedia

    platform = stack.enter_context(headend.open(name, database=None))
    platform.check_health()
    media = PlatformMedia(platform)
    stack.callback(media.close)
    return media


def _print_switches(simulator: Simulator, *, as_json: bool) -> None:
    described = simulator.describe_switches()
    if as_json:
        print_json(described)
    elif described:
        import shutil
        from textwrap import TextWrapper

        # Addresses stay whole, so that they can be opened and copied.
        wrapper = TextWrapper(
            width=min(shutil.get_terminal_size().columns, _LINE),
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for switch, text in sorted(described.items()):
            click.echo(f"{switch}\n{wrapper.fill(text)}")
    else:
        click.echo("This simulator has no switches.")


def _serve(simulator: Simulator, spec: ProviderSpec, port: int) -> None:
    import shlex

    from headend_contract.process import serve_until_told

    def ready(url: str) -> None:
        environment = simulator.environment(url)
        line = {"provider": spec.name, "url": url, "environment": dict(environment)}
        click.echo(json.dumps(line))
        click.echo(
            f"A simulator of {spec.title} serves at {url}. It is not the platform: what only a "
            "simulator says proves nothing. Ctrl-C stops it. For a shell that is to use it:",
            err=True,
        )
        for variable, value in environment.items():
            click.echo(f"export {variable}={shlex.quote(value)}", err=True)

    serve_until_told(simulator, port, on_ready=ready)
    click.echo("stopped", err=True)
