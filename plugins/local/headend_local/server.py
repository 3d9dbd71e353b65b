"""The command `headend server`.

Importing this module is cheap: what the server needs is imported when it runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("server")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--rtmp-port",
    type=click.IntRange(0, 65535),
    default=1935,
    show_default=True,
    help="The port for encoders; 0 picks a free one.",
)
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    default=8935,
    show_default=True,
    help="The port for viewers and for control; 0 picks a free one.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The folder for live streams, keys and the control token.  [default: HEADEND_DATA_DIR, "
    "else the user's data folder]",
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def server_command(
    host: str, rtmp_port: int, http_port: int, data_dir: Path | None, *, until_stdin_closes: bool
) -> None:
    """Run the media server of the provider 'local'.

    Encoders push RTMP to it, viewers play HLS from it, and programs of this machine control it with
    the token in its data folder. When it is ready it prints one line of JSON with its addresses
    and the environment variables to set. Ctrl-C stops it; live streams and keys are kept.

    The control API answers this machine only, whatever --host is. The addresses in its answers
    bear the host name by which it was asked: set HEADEND_LOCAL_URL to a name that viewers and
    encoders on other machines can use.
    """
    import asyncio
    import logging
    import shlex

    from headend.settings import Configuration
    from headend_local.service import (
        LocalServer,
        ServerOptions,
        configure_logging,
        serve_until_told,
    )

    folder = (data_dir or Configuration.load().host.data_dir).expanduser().absolute()
    server = LocalServer.open(
        ServerOptions(data_dir=folder, host=host, rtmp_port=rtmp_port, http_port=http_port)
    )
    configure_logging()
    log = logging.getLogger(__name__)

    def ready() -> None:
        click.echo(json.dumps(server.ready_line))
        log.info(
            "ready: encoders push to %s, viewers come to %s, data is in %s; Ctrl-C stops it",
            server.addresses.own_rtmp_url,
            server.addresses.own_http_url,
            folder,
        )
        exports = " ".join(
            f"{name}={shlex.quote(value)}" for name, value in server.environment.items()
        )
        click.echo(f"export {exports}", err=True)

    asyncio.run(serve_until_told(server, on_ready=ready, until_stdin_closes=until_stdin_closes))
    log.info("stopped")
