"""The command `headend ivs-playback-key`: the keys with which playback tokens are signed.

Importing this module is cheap: boto3 and what makes keys are imported when a command runs.
"""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from headend.cli.output import json_option, print_fields, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend.plugin import PlatformError
    from headend_ivs.provider import IvsProvider

_PROVIDER: Final = "aws-ivs"


@click.group("ivs-playback-key")
def playback_key_command() -> None:
    """Make, list and delete the keys of playback tokens on AWS IVS.

    Live streams that were created with the option 'authorized' can be watched with a playback
    token only. headend signs tokens with the private half of a key, AWS IVS checks them with the
    public half. An account has three keys in each region at most, and they hold for all its live
    streams there.
    """


@playback_key_command.command("create")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The file for the private key; it must not exist yet.",
)
@json_option
def create_command(name: str, out: Path, *, as_json: bool) -> None:
    """Make a key and give AWS IVS its public half, under a NAME.

    The private half is written to a file that only you can read; it is shown nowhere and sent
    nowhere, and AWS cannot give it back.
    """
    from headend_ivs.signing import make_key

    with _opened() as provider:
        key = make_key()
        with _written(out, key.private_pem.reveal()):
            made = provider.import_playback_key_pair(name, key.public_pem)
    if as_json:
        print_json(
            {
                "arn": made.arn,
                "name": made.name,
                "fingerprint": made.fingerprint,
                "private_key_file": str(out),
            }
        )
        return
    print_fields(
        [
            ("arn", made.arn),
            ("name", made.name),
            ("fingerprint", made.fingerprint),
            ("private_key_file", out),
        ]
    )
    click.echo(
        "Set this where headend runs, to sign playback tokens with it:\n"
        f'export AWS_IVS_PLAYBACK_KEY="$(cat {shlex.quote(str(out))})"',
        err=True,
    )


@playback_key_command.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """List the keys that AWS IVS has of this account in this region."""
    with _opened() as provider:
        pairs = list(provider.list_playback_key_pairs())
    if as_json:
        print_json([{"arn": one.arn, "name": one.name} for one in pairs])
    elif not pairs:
        click.echo("There are no playback keys.")
    else:
        print_table(("arn", "name"), [(one.arn, one.name) for one in pairs])


@playback_key_command.command("delete")
@click.argument("arn")
@json_option
def delete_command(arn: str, *, as_json: bool) -> None:
    """Delete the key with this ARN.

    No token that was signed with it lets a viewer in from then on. A key that is gone is no error.
    """
    with _opened() as provider:
        provider.delete_playback_key_pair(arn)
    if as_json:
        print_json({"arn": arn})
    else:
        click.echo(f"deleted {arn}")


@contextmanager
def _opened() -> Iterator[IvsProvider]:
    from headend.cli.waiting import open_platform
    from headend_ivs.provider import IvsProvider

    with open_platform(_PROVIDER, database=None) as platform:
        yield platform.native(IvsProvider)


@contextmanager
def _written(path: Path, text: str) -> Iterator[None]:
    """Write a file that nobody else can read; it goes again where it is surely for nothing."""
    from headend.plugin import PlatformError

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.UsageError(
            f"--out: {path} exists already, and may hold a key: name another file"
        ) from None
    except OSError as error:
        raise click.UsageError(f"--out: {path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    try:
        yield
    except PlatformError as error:
        if _is_refusal(error):
            path.unlink()
        else:
            click.echo(
                f"The key may have been imported all the same: {path} is kept, and "
                "`headend ivs-playback-key list` tells.",
                err=True,
            )
        raise
    except BaseException:
        click.echo(f"The key may have been imported: {path} is kept.", err=True)
        raise


def _is_refusal(error: PlatformError) -> bool:
    """Tell whether AWS surely has no key of this request."""
    from headend.plugin import (
        AuthenticationError,
        ConflictError,
        InvalidRequestError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitedError,
    )

    refusals = (
        AuthenticationError,
        ConflictError,
        InvalidRequestError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitedError,
    )
    return error.request_sent is False or isinstance(error, refusals)
