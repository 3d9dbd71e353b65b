"""`headend providers` and `headend check`."""

from __future__ import annotations

import click

from headend.cli.facts import print_facts
from headend.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_table,
    provider_option,
)


@click.command("providers")
@click.argument("name", required=False)
@json_option
def providers_command(name: str | None, *, as_json: bool) -> None:
    """List the installed providers.

    A provider that cannot be used is listed with the reason. With NAME, show what that one
    needs and can do, and what is known of its platform's limits, quotas, prices, permissions and
    latencies, each with its source and the date on which the source said so.
    """
    if name is not None:
        _show_provider(name, as_json=as_json)
        return
    from headend.discovery import providers

    found = providers()
    if as_json:
        print_json(found)
    elif not found:
        click.echo("No provider is installed. Install a distribution that brings one.")
    else:
        print_table(
            ("provider", "state", "title", "distribution", "capabilities"),
            [
                (
                    info.name,
                    info.state,
                    info.title,
                    f"{info.distribution} {info.version}",
                    info.capabilities,
                )
                for info in found
            ],
        )
        for info in found:
            if info.reason:
                click.echo(f"{info.name} is {info.state}: {info.reason}")


def _show_provider(name: str, *, as_json: bool) -> None:
    from attrs import fields

    from headend.cli.output import to_json
    from headend.discovery import ProviderInfo, Registry
    from headend.settings import Configuration, describe_settings

    registry = Registry(disabled=Configuration.load().host.disable_plugins)
    spec = registry.spec(name)
    settings = describe_settings(registry.settings_class(spec))
    facts = registry.facts(spec)
    info = next(one for one in registry.info() if one.name == name)
    if as_json:
        print_json(
            {
                **{field.name: getattr(info, field.name) for field in fields(ProviderInfo)},
                "settings": to_json(settings),
                "facts": to_json(facts),
            }
        )
        return
    print_fields(
        [
            ("provider", info.name),
            ("title", info.title),
            ("distribution", f"{info.distribution} {info.version}"),
            ("capabilities", info.capabilities),
            ("documentation", info.docs_url),
        ]
    )
    if settings:
        click.echo("\nSettings:")
        print_fields(
            (f"  {one.env}", f"{'required' if one.required else 'optional'}. {one.help}")
            for one in settings
        )
    print_facts(facts)


@click.command("check")
@provider_option
@json_option
@click.pass_context
def check_command(ctx: click.Context, provider: str | None, *, as_json: bool) -> None:
    """Check settings, then ask the platform.

    Names what is wrong and how to mend it. Exit code 0 means that a live stream could be
    created.
    """
    from attrs import asdict

    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        if not as_json:
            click.echo(f"settings  ok: provider {platform.provider}")
        place = platform.locate_ledger()
        if not as_json:
            off = "off: nothing survives a crash, and orphans cannot be found"
            click.echo(f"ledger    {place or off}")
        health = platform.check_health()
    if as_json:
        print_json({**asdict(health, recurse=False), "ledger": place})
    else:
        click.echo(f"health    {'ok' if health.ok else 'not ok'}: {health.message}")
        for warning in health.warnings:
            click.echo(f"warning   {warning}")
    if not health.ok:
        ctx.exit(5)
