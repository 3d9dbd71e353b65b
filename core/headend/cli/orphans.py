"""`headend orphans`: what ledger and platform do not agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headend.cli.ages import Age
from headend.cli.output import json_option, print_json, print_table, provider_option

if TYPE_CHECKING:
    from headend.reconcile import Finding


@click.group("orphans")
def orphans_command() -> None:
    """Find what a crash or a lost answer left behind.

    Ledger and platform are compared in both directions, over all pages. What does not bear this
    ledger's marker is shown and never touched.
    """


@orphans_command.command("list")
@provider_option
@json_option
def list_command(provider: str | None, *, as_json: bool) -> None:
    """Show the differences and change nothing."""
    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        findings = platform.reconcile(dry_run=True)
    _show(findings, as_json=as_json)


@orphans_command.command("clean")
@click.option(
    "--older-than", type=Age(), default="0s", help="Leave what is younger, e.g. 90s, 15m, 2h, 1d."
)
@click.option("--yes", is_flag=True, help="Do it; without this, only show what would be done.")
@provider_option
@json_option
def clean_command(provider: str | None, *, older_than: float, yes: bool, as_json: bool) -> None:
    """Bring ledger and platform in line.

    Ends orphans and duplicates that are not live, finishes ends that broke off, and corrects the
    ledger. Without --yes it only shows what it would do.
    """
    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        findings = platform.reconcile(dry_run=not yes, clean=True, older_than=older_than)
    _show(findings, as_json=as_json)
    if not yes and not as_json and any(one.action != "none" for one in findings):
        click.echo("Nothing was changed; --yes does it.")


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json(findings)
    elif not findings:
        click.echo("Ledger and platform agree.")
    else:
        print_table(
            ("kind", "stream_id", "channel_id", "marker", "action", "done", "why"),
            [
                (
                    one.kind,
                    one.stream_id,
                    one.channel_id,
                    one.marker,
                    one.action,
                    one.done,
                    one.why,
                )
                for one in findings
            ],
        )
