"""`headend encoder`: what to type into OBS Studio or FFmpeg, checked against the platform."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NoReturn

import click
from attrs import frozen

from headend.cli.output import (
    chosen_preset,
    json_option,
    preset_option,
    print_fields,
    print_json,
    provider_option,
    show_key_option,
    text_of,
)
from headend.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.encoding import EncodingProblem
    from headend.models import StreamCredentials
    from headend.platform import StreamingPlatform
    from headend.presets import EncodingPreset

_FILE: Final = "event.mp4"
_COMMON_RATES: Final = frozenset({10, 20, 30, 48, 60})
"""Whole frame rates that OBS Studio lists as common, without a word beside them."""


@frozen
class Typed:
    """What a person types into an encoder.

    Attributes:
        page: where, such as ``Settings > Stream``.
        field: what the encoder calls it.
        value: what to type or choose.
    """

    page: str
    field: str
    value: str | Secret


@click.command("encoder")
@click.argument("stream_id")
@click.option(
    "--for",
    "software",
    type=click.Choice(["obs", "ffmpeg"]),
    required=True,
    help="The encoder: OBS Studio or FFmpeg.",
)
@preset_option
@show_key_option
@provider_option
@json_option
def encoder_command(
    stream_id: str,
    software: str,
    encoding: str,
    provider: str | None,
    *,
    show_key: bool,
    as_json: bool,
) -> None:
    """Show what to type into an encoder.

    It is what a live stream needs to be pushed to, and it is checked against what the platform
    takes of live streams that are created like this one; a preset with which the encoder would be
    cut off is refused. The stream key is hidden unless --show-key is given.
    """
    from headend.cli.waiting import open_platform

    preset = chosen_preset(encoding)
    with open_platform(provider) as platform:
        credentials = platform.get_credentials(stream_id)
        problems = platform.check_encoding(stream_id, preset)
        if any(one.fatal for one in problems):
            refuse_unfit(platform, stream_id, preset, problems)
        name = platform.provider
    typed = obs_settings(credentials, preset) if software == "obs" else []
    command = None if typed else ffmpeg_command(preset, _target(credentials, show_key=show_key))
    if as_json:
        print_json(
            {
                "stream_id": stream_id,
                "provider": name,
                "for": software,
                "preset": preset,
                "rtmp_push_url": credentials.rtmp_push_url,
                "stream_key": credentials.stream_key,
                "settings": typed,
                "command": command,
                "problems": problems,
            },
            show_secrets=show_key,
        )
        return
    again = shlex.join(["headend", "encoder", stream_id, "--for", software])
    again += "" if provider is None else f" --provider {shlex.quote(provider)}"
    again += f" --preset {shlex.quote(preset.name)} --show-key"
    if command is None:
        _show(typed, f"{MASK}  ({again} shows it)", show_key=show_key)
    else:
        click.echo(text_of(command))
        click.echo(f"\n{_FILE} stands for your file.")
        if not show_key:
            click.echo(f"STREAM_KEY stands for the stream key, which {again} puts in.")
    for one in problems:
        click.echo(f"warning: {one} ({one.source})", err=True)


def _show(typed: Sequence[Typed], hidden: str, *, show_key: bool) -> None:
    for number, page in enumerate(dict.fromkeys(one.page for one in typed)):
        click.echo(f"\n{page}" if number else page)
        print_fields(
            [
                (
                    f"  {one.field}",
                    hidden if isinstance(one.value, Secret) and not show_key else one.value,
                )
                for one in typed
                if one.page == page
            ],
            show_secrets=show_key,
        )


def refuse_unfit(
    platform: StreamingPlatform,
    stream_id: str,
    preset: EncodingPreset,
    problems: Sequence[EncodingProblem],
) -> NoReturn:
    """Refuse a preset that would be cut off, and name those that would not.

    Raises:
        InvalidRequestError: always.
    """
    from headend.errors import InvalidRequestError
    from headend.presets import load_presets
    from headend.settings import Configuration

    fitting = [
        name
        for name, one in load_presets(Configuration.load()).items()
        if not any(problem.fatal for problem in platform.check_encoding(stream_id, one))
    ]
    reasons = "; ".join(f"{one} ({one.source})" for one in problems if one.fatal)
    raise InvalidRequestError(
        f"an encoder with the preset {preset.name} would be cut off: {reasons}; presets that fit: "
        + (", ".join(fitting) or "none"),
        provider=platform.provider,
        operation="encoder",
        request_sent=False,
    )


def obs_settings(credentials: StreamCredentials, preset: EncodingPreset) -> list[Typed]:
    """Return what to type into OBS Studio, field by field, as its pages have them."""
    stream, output = "Settings > Stream", "Settings > Output"
    streaming, audio = f"{output} > Streaming", f"{output} > Audio"
    size = f"{preset.width}x{preset.height}"
    seconds = preset.keyframe_interval
    whole = seconds.is_integer()
    rate = "Common FPS Values" if preset.frame_rate in _COMMON_RATES else "Integer FPS Value"
    return [
        Typed(stream, "Service", "Custom..."),
        Typed(stream, "Server", credentials.rtmp_push_url),
        Typed(stream, "Stream Key", credentials.stream_key),
        Typed(stream, "Use authentication", "off"),
        Typed(output, "Output Mode", "Advanced"),
        Typed(streaming, "Audio Encoder", "FFmpeg AAC"),
        Typed(streaming, "Video Encoder", "x264, or a hardware encoder for H.264"),
        Typed(streaming, "Rescale Output", "off"),
        Typed(streaming, "Rate Control", "CBR"),
        Typed(streaming, "Bitrate", _kbps(preset.video_bitrate)),
        Typed(streaming, "Keyframe Interval", f"{int(seconds)} s" if whole else "0 s"),
        # The field takes whole seconds only.
        *([] if whole else [Typed(streaming, "x264 Options", f"keyint={preset.keyframe_frames}")]),
        Typed(audio, "Audio Bitrate of Track 1", _kbps(preset.audio_bitrate)),
        Typed("Settings > Audio", "Sample Rate", f"{preset.audio_sample_rate / 1000:g} kHz"),
        Typed("Settings > Audio", "Channels", "Stereo"),
        Typed("Settings > Video", "Output (Scaled) Resolution", size),
        Typed("Settings > Video", rate, str(preset.frame_rate)),
        Typed("Settings > Advanced", "Color Format", "NV12"),
        Typed("Settings > Advanced", "Color Space", "Rec. 709"),
        Typed("Settings > Advanced", "Color Range", "Limited"),
        Typed("Settings > Advanced", "Automatically Reconnect", "on"),
    ]


def ffmpeg_command(preset: EncodingPreset, target: str) -> str:
    """Return a command line that sends a file at its own speed.

    Args:
        preset: how to encode it.
        target: server address and stream key in one, quoted for the shell.
    """
    size = f"{preset.width}:{preset.height}"
    picture = (
        f"fps={preset.frame_rate},scale={size}:force_original_aspect_ratio=decrease,"
        f"pad={size}:-1:-1,setsar=1"
    )
    bitrate, frames = _ffmpeg_bits(preset.video_bitrate), preset.keyframe_frames
    return (
        f'ffmpeg -re -i {_FILE} -vf "{picture}" -c:v libx264 -preset veryfast -pix_fmt yuv420p '
        f"-b:v {bitrate} -maxrate {bitrate} -bufsize {bitrate} -g {frames} -keyint_min {frames} "
        f"-sc_threshold 0 -c:a aac -b:a {_ffmpeg_bits(preset.audio_bitrate)} "
        f"-ar {preset.audio_sample_rate} -ac 2 -f flv {target}"
    )


def _target(credentials: StreamCredentials, *, show_key: bool) -> str:
    if show_key:
        return shlex.quote(credentials.push_url_with_key().reveal())
    server = credentials.rtmp_push_url.rstrip("/") + "/"
    return f'{shlex.quote(server)}"$STREAM_KEY"'


def _kbps(bits: int) -> str:
    return f"{round(bits / 1000)} Kbps"


def _ffmpeg_bits(bits: int) -> str:
    return str(bits) if bits % 1000 else f"{bits // 1000}k"
