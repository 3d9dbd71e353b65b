"""The command ``headend``: which commands there are, and what an error becomes.

A command is imported when it runs, so that ``headend --help`` stays fast.  Other distributions
add commands by the entry-point group ``headend.commands``; each value is a click command.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

import click

from headend.errors import HeadendError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "providers": ("headend.cli.providers:providers_command", "List the installed providers."),
    "check": ("headend.cli.providers:check_command", "Check settings, then ask the platform."),
    "create": ("headend.cli.live_streams:create_command", "Create a live stream."),
    "list": ("headend.cli.live_streams:list_command", "List all live streams."),
    "show": ("headend.cli.live_streams:show_command", "Show one live stream as it is now."),
    "encoder": (
        "headend.cli.encoder:encoder_command",
        "Show what to type into an encoder.",
    ),
    "end": ("headend.cli.live_streams:end_command", "End a live stream for good."),
    "analytics": ("headend.cli.live_streams:analytics_command", "Show viewers and bitrate."),
    "orphans": (
        "headend.cli.orphans:orphans_command",
        "Find what a crash or a lost answer left behind.",
    ),
    "events": ("headend.cli.events:events_command", "Show what happened to live streams."),
    "watch": (
        "headend.cli.watch:watch_command",
        "Watch all live streams: state, viewers, costs so far.",
    ),
    "costs": ("headend.cli.costs:costs_command", "Tell what live streams cost."),
    "push": ("headend.cli.push:push_command", "Send video to a live stream."),
    "rotate-key": ("headend.cli.live_streams:rotate_key_command", "Replace the stream key."),
}
"""The commands of this distribution: where each is, and its help in one line."""

COMMAND_GROUP: Final = "headend.commands"

EXIT_CODES: Final[tuple[tuple[int, str, tuple[str, ...]], ...]] = (
    (0, "done", ()),
    (1, "a defect of headend", ("HeadendError",)),
    (
        2,
        "usage, settings, plugin or ledger",
        ("ConfigurationError", "PluginError", "LedgerError"),
    ),
    (3, "not found", ("StreamNotFoundError",)),
    (
        4,
        "refused: authentication, permission, quota, budget, conflict, invalid or unsupported",
        (
            "AuthenticationError",
            "PermissionDeniedError",
            "QuotaExceededError",
            "BudgetExceededError",
            "ConflictError",
            "InvalidRequestError",
            "UnsupportedError",
        ),
    ),
    (
        5,
        "unreachable, timeout, rate limit or unreadable answer",
        (
            "PlatformUnavailableError",
            "PlatformTimeoutError",
            "RateLimitedError",
            "PlatformProtocolError",
            "PlatformError",
        ),
    ),
    (6, "outcome uncertain", ("UncertainOutcomeError",)),
    (7, "contract checks failed", ()),
    (130, "interrupted by Ctrl-C", ()),
)
"""Every exit code, what it means, and the errors that lead to it."""


def exit_code(error: HeadendError) -> int:
    """Return the exit code of the nearest class that has one."""
    codes = {name: code for code, _, names in EXIT_CODES for name in names}
    return next(codes[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in codes)


class _Headend(click.Group):
    """The commands of this distribution, and those that others bring."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*COMMANDS, *sorted(self._foreign())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command: object = getattr(import_module(module), attribute)
            assert isinstance(command, click.Command)
            return command
        if cmd_name in self._foreign():
            return _load_foreign(self._foreign()[cmd_name])
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else " `headend --help` lists them."
            raise click.UsageError(f"{error.message}{hint}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        rows = [(name, help_text) for name, (_, help_text) in COMMANDS.items()]
        rows += [
            (name, f"from {_origins(entry_points)}")
            for name, entry_points in sorted(self._foreign().items())
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning, _ in EXIT_CODES])

    def _foreign(self) -> dict[str, list[EntryPoint]]:
        from headend._entry_points import installed

        found: dict[str, list[EntryPoint]] = {}
        for entry_point in installed(COMMAND_GROUP):
            if entry_point.name not in COMMANDS:
                found.setdefault(entry_point.name, []).append(entry_point)
        return found


def _origins(entry_points: list[EntryPoint]) -> str:
    from headend._entry_points import origin

    names = " and ".join(origin(entry_point)[0] for entry_point in entry_points)
    return names if len(entry_points) == 1 else f"{names}: uninstall all but one"


def _load_foreign(entry_points: list[EntryPoint]) -> click.Command:
    from headend.errors import PluginError

    entry_point = entry_points[0]
    if len(entry_points) > 1:
        raise PluginError(f"the command {entry_point.name} comes from {_origins(entry_points)}")
    change = f"change {_origins(entry_points)}"
    try:
        command: object = entry_point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the command {entry_point.name} cannot be loaded: "
            f"{type(error).__name__}: {error} ({change})"
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(
            f"the command {entry_point.name} is a {type(command).__name__}, "
            f"not a click command ({change})"
        )
    return command


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"headend {version('headend')}")
        ctx.exit()


@click.group(cls=_Headend, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def headend() -> None:
    """Live streams on any platform: create, watch, end.

    STREAMING_PLATFORM selects the provider, `headend providers` lists what is installed, and
    `headend check` tells whether it is ready.
    """


def main() -> NoReturn:
    """Run the command line and exit with the documented code."""
    try:
        result: object = headend.main(prog_name="headend", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except HeadendError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code(error))
    except OSError as error:
        click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(result if isinstance(result, int) else 0)
