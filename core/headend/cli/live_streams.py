"""The commands on live streams: create, list, show, end, analytics, rotate-key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from headend.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_table,
    provider_option,
    show_key_option,
)
from headend.secret import MASK

if TYPE_CHECKING:
    from headend.models import StreamCredentials


class _Pair(click.ParamType[tuple[str, str]]):
    """``KEY=VALUE``."""

    name = "KEY=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, text


def _print_credentials(
    credentials: StreamCredentials, provider: str | None, *, as_json: bool, show_key: bool
) -> None:
    if as_json:
        print_json(credentials, show_secrets=show_key)
        return
    asked_for = "" if provider is None else f" --provider {provider}"
    hidden = f"{MASK}  (headend show {credentials.stream_id}{asked_for} --show-key shows it)"
    print_fields(
        [
            ("stream_id", credentials.stream_id),
            ("rtmp_push_url", credentials.rtmp_push_url),
            ("stream_key", credentials.stream_key if show_key else hidden),
            ("playback_url", credentials.playback_url),
        ],
        show_secrets=show_key,
    )
    for warning in credentials.warnings:
        click.echo(f"warning: {warning}", err=True)


@click.command("create")
@click.argument("channel_id")
@click.option("--name", help="A name for people.")
@click.option("--metadata", type=_Pair(), multiple=True, help="A text of your own; repeatable.")
@click.option("--low-latency", is_flag=True, help="Ask for playback close behind the encoder.")
@click.option(
    "--option",
    "options",
    type=_Pair(),
    multiple=True,
    help="What only this provider has; repeatable.",
)
@show_key_option
@provider_option
@json_option
def create_command(
    channel_id: str,
    name: str | None,
    metadata: tuple[tuple[str, str], ...],
    options: tuple[tuple[str, str], ...],
    provider: str | None,
    *,
    low_latency: bool,
    show_key: bool,
    as_json: bool,
) -> None:
    """Create a live stream.

    CHANNEL_ID is your own id for what is broadcast. The stream key is masked unless --show-key
    is given; `headend show STREAM_ID --show-key` shows it later.
    """
    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        credentials = platform.create_live_stream(
            channel_id,
            name=name,
            metadata=dict(metadata),
            low_latency=low_latency,
            options=dict(options),
        )
    _print_credentials(credentials, provider, as_json=as_json, show_key=show_key)


@click.command("list")
@provider_option
@json_option
def list_command(provider: str | None, *, as_json: bool) -> None:
    """List all live streams."""
    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        found = list(platform.list_live_streams())
    if as_json:
        print_json(found)
    elif not found:
        click.echo("There is no live stream. `headend create CHANNEL_ID` makes one.")
    else:
        print_table(
            ("stream_id", "state", "channel_id", "name", "created_at"),
            [(one.stream_id, one.state, one.channel_id, one.name, one.created_at) for one in found],
        )


@click.command("show")
@click.argument("stream_id")
@show_key_option
@provider_option
@json_option
def show_command(stream_id: str, provider: str | None, *, show_key: bool, as_json: bool) -> None:
    """Show one live stream as it is now.

    Asks the platform, never a local record. With --show-key the push address and the stream
    key are asked for as well.
    """
    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        stream = platform.get_live_stream(stream_id)
        credentials = platform.get_credentials(stream_id) if show_key else None
    shown: dict[str, object] = {
        field.name: getattr(stream, field.name) for field in attrs.fields(type(stream))
    }
    shown["stream_key"] = None
    if credentials is not None:
        shown["rtmp_push_url"] = credentials.rtmp_push_url
        shown["stream_key"] = credentials.stream_key
        shown["ingests"] = credentials.ingests
    if as_json:
        print_json(shown, show_secrets=show_key)
        return
    shown.pop("ingests", None)
    warnings = stream.warnings
    del shown["warnings"]
    if credentials is None:
        shown["stream_key"] = "(--show-key asks for it)"
    print_fields(shown.items(), show_secrets=show_key)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


@click.command("end")
@click.argument("stream_id")
@click.option("--delete-recordings", is_flag=True, help="Delete what is kept of it, too.")
@provider_option
@json_option
def end_command(
    stream_id: str, provider: str | None, *, delete_recordings: bool, as_json: bool
) -> None:
    """End a live stream for good.

    One that is gone already is no error. Recordings that stay on the platform, and are billed,
    are named.
    """
    from headend.cli.waiting import open_platform
    from headend.models import EndOutcome

    with open_platform(provider) as platform:
        result = platform.end_live_stream(stream_id, delete_recordings=delete_recordings)
    if as_json:
        print_json(result)
        return
    print_fields([("stream_id", result.stream_id), ("outcome", result.outcome)])
    if result.outcome is EndOutcome.ALREADY_GONE:
        click.echo("There is no live stream with this id; `headend list` names those there are.")
    for recording in result.recordings_kept:
        click.echo(f"kept and billed: recording {recording.recording_id}")
    if result.recordings_kept:
        click.echo(
            "A program deletes one with platform.delete_recording(ID); `headend end "
            "--delete-recordings` deletes them before they are left behind."
        )
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)


@click.command("analytics")
@click.argument("stream_id")
@provider_option
@json_option
def analytics_command(stream_id: str, provider: str | None, *, as_json: bool) -> None:
    """Show viewers and bitrate.

    A figure that the platform does not give is shown as unknown with the reason, never as 0.
    Bitrates are in bits per second, times in seconds.
    """
    from headend.cli.waiting import open_platform
    from headend.models import METRICS

    units = {"current_bitrate": " bit/s", "total_watch_time": " s"}
    with open_platform(provider) as platform:
        analytics = platform.get_analytics(stream_id)
    if as_json:
        print_json(analytics)
        return
    rows: list[tuple[str, object]] = [
        ("stream_id", analytics.stream_id),
        ("as_of", analytics.as_of),
    ]
    for name in METRICS:
        value: object = getattr(analytics, name)
        shown = f"unknown: {analytics.unknown[name]}" if value is None else f"{value}"
        rows.append((name, shown + ("" if value is None else units.get(name, ""))))
    print_fields(rows)


@click.command("rotate-key")
@click.argument("stream_id")
@show_key_option
@provider_option
@json_option
def rotate_key_command(
    stream_id: str, provider: str | None, *, show_key: bool, as_json: bool
) -> None:
    """Replace the stream key.

    The old key is dead from then on, and an encoder that uses it is disconnected. The new key
    is masked unless --show-key is given; `headend show STREAM_ID --show-key` shows it later.
    """
    from headend.cli.waiting import open_platform

    with open_platform(provider) as platform:
        credentials = platform.rotate_stream_key(stream_id)
    _print_credentials(credentials, provider, as_json=as_json, show_key=show_key)
