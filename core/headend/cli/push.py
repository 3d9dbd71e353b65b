"""The command that sends video: `headend push`."""

from __future__ import annotations

import json
import queue
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from headend.cli.ending import ended_by_signals
from headend.cli.output import chosen_preset, preset_option, provider_option, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from headend.errors import PlatformError
    from headend.presets import EncodingPreset
    from headend.push import Relay, RelayEvent, RelayStats, Target

_EVERY: Final = 1.0


class _Also(click.ParamType[tuple[str, str]]):
    """``PROVIDER:STREAM_ID``; an id may hold colons of its own."""

    name = "PROVIDER:STREAM_ID"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        # What is not understood is not repeated: it may be a stream key or an address with one.
        provider, colon, stream_id = str(value).partition(":")
        if not (provider and colon and stream_id) or stream_id.startswith("//"):
            self.fail("it takes PROVIDER:STREAM_ID, such as local:1234", param, ctx)
        return provider, stream_id


@click.command("push")
@click.argument("stream_id")
@click.argument("source")
@preset_option
@click.option("--copy", "copy", is_flag=True, help="Send the source as it is, or not at all.")
@click.option("--transcode", is_flag=True, help="Encode anew even what fits the preset.")
@click.option("--loop", is_flag=True, help="Begin again at the end, until ended.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End after so much video.",
)
@click.option(
    "--also",
    type=_Also(),
    multiple=True,
    help="Send to this live stream, too; repeatable.",
)
@provider_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, as it goes.")
def push_command(
    stream_id: str,
    source: str,
    encoding: str,
    duration: float | None,
    also: tuple[tuple[str, str], ...],
    provider: str | None,
    *,
    copy: bool,
    transcode: bool,
    loop: bool,
    as_json: bool,
) -> None:
    """Send video to a live stream.

    SOURCE is a file, an address (http, https, rtsp, rtsps, rtmp, rtmps; HLS as well), `test` for
    the test picture, or `-` for standard input. A file that fits the preset is sent as it is;
    anything else is encoded.

    It ends with the source, after --duration, or by Ctrl-C, which is a good end too. An ingest
    that is lost is tried again, and the source goes on meanwhile.
    """
    if copy and transcode:
        raise click.UsageError("--copy and --transcode exclude each other")
    from rich.console import Console

    preset = chosen_preset(encoding)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True, markup=False)
    shown = _Lines() if as_json else _Talk(console)
    events: queue.SimpleQueue[RelayEvent] = queue.SimpleQueue()
    with ended_by_signals(), _media_errors_told():
        from headend.push import Relay, open_source

        opened = open_source(source, loop=loop)
        targets = _targets(provider, stream_id, also, None if copy else preset)
        try:
            relay = Relay(
                opened,
                targets,
                preset=preset,
                copy=True if copy else False if transcode else None,
                duration=duration,
                on_event=events.put,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        try:
            interrupted = _run(relay, events, shown)
            shown.end(relay.stats, relay.error, interrupted=interrupted)
        finally:
            # Also when the output is gone: the targets are to know that it is over.
            relay.stop(timeout=0)
            shown.close()
        if relay.error is not None:
            raise relay.error
        _tell_failures(relay.stats)


def _run(relay: Relay, events: queue.SimpleQueue[RelayEvent], shown: _Shown) -> bool:
    """Run it to its end and return whether somebody asked for that."""
    try:
        relay.start()
        due = time.monotonic() + _EVERY
        while True:
            running = relay.running
            try:
                # An event may come at any time, but Ctrl-C is heard only between two waits.
                shown.event(events.get(timeout=max(0.0, min(0.2, due - time.monotonic()))))
                continue
            except queue.Empty:
                pass
            if not running:
                return False
            if time.monotonic() >= due:
                due += _EVERY
                shown.stats(relay.stats)
    except KeyboardInterrupt:
        # A source that is silent need not be waited for: the targets have been left by then.
        relay.stop(timeout=2.0)
        while not events.empty():
            shown.event(events.get())
        return True


def _targets(
    provider: str | None,
    stream_id: str,
    also: tuple[tuple[str, str], ...],
    preset: EncodingPreset | None,
) -> list[Target]:
    """Look up where it goes, unless a preset would be cut off there."""
    from headend.cli.encoder import refuse_unfit
    from headend.cli.waiting import open_platform
    from headend.push import Target

    found = []
    for name, one in [(provider, stream_id), *also]:
        with open_platform(name) as platform:
            if preset is not None:
                problems = platform.check_encoding(one, preset)
                if any(problem.fatal for problem in problems):
                    refuse_unfit(platform, one, preset, problems)
                for problem in problems:
                    click.echo(f"warning: {platform.provider}: {problem}", err=True)
            found.append(Target.of(platform, one))
    return found


class _Shown:
    """What a person or a program sees of a push."""

    def event(self, event: RelayEvent) -> None:
        raise NotImplementedError

    def stats(self, stats: RelayStats) -> None:
        raise NotImplementedError

    def end(self, stats: RelayStats, error: Exception | None, *, interrupted: bool) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Leave the terminal as it was."""


class _Lines(_Shown):
    """One JSON object a line."""

    def event(self, event: RelayEvent) -> None:
        if event.kind == "ended":
            return
        line: dict[str, object] = {"event": event.kind.value}
        if event.kind == "started":
            line["targets"] = [one.name for one in event.stats.targets]
            line["copied"] = event.stats.copied
            line["reason"] = event.reason
        else:
            line["target"] = event.target
        if event.reason is not None:
            line["reason"] = event.reason
        for one in event.stats.targets:
            if event.kind == "dropped" and one.name == event.target:
                line["dropped_groups"] = one.dropped_groups
                line["dropped_frames"] = one.dropped_frames
        self._print(line)

    def stats(self, stats: RelayStats) -> None:
        self._print({"event": "stats", **_fields(stats)})

    def end(self, stats: RelayStats, error: Exception | None, *, interrupted: bool) -> None:
        reason = "interrupted" if interrupted else "done" if error is None else str(error)
        self._print({"event": "ended", "reason": reason, **_fields(stats)})

    def _print(self, line: dict[str, object]) -> None:
        click.echo(json.dumps(to_json(line), ensure_ascii=False))


class _Talk(_Shown):
    """Lines for what happens, and one that lives."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def event(self, event: RelayEvent) -> None:
        if event.kind == "started":
            self._live.start()
            how = "sent as it is" if event.stats.copied else "encoded"
            why = f" ({event.reason})" if event.reason else ""
            self._console.print(f"The source is {how}{why}. Ctrl-C ends it.")
        elif event.kind == "connected":
            self._console.print(f"{event.target}: connected")
        elif event.kind == "reconnecting":
            self._console.print(f"{event.target}: {event.reason}; it is tried again")
        elif event.kind == "target-failed":
            self._console.print(f"{event.target}: given up: {event.reason}")

    def stats(self, stats: RelayStats) -> None:
        self._live.update(_line(stats), refresh=True)

    def end(self, stats: RelayStats, error: Exception | None, *, interrupted: bool) -> None:
        del error, interrupted
        self.close()
        for one in stats.targets:
            self._console.print(
                f"{one.name}: {one.state.value}, {one.sent_frames} frames and "
                f"{one.sent_bytes / 1e6:.1f} MB sent, {one.dropped_frames} frames dropped, "
                f"{one.reconnects} reconnects"
            )
        self._console.print(f"Ended after {stats.time:.1f} s of video.")

    def close(self) -> None:
        self._live.stop()


def _line(stats: RelayStats) -> str:
    minutes, seconds = divmod(int(stats.time), 60)
    parts = [
        f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}",
        f"{stats.fps:.0f} fps",
        f"{(stats.video_bitrate + stats.audio_bitrate) / 1e6:.2f} Mbit/s",
        f"speed {stats.speed:.2f}",
        f"dropped {sum(one.dropped_frames for one in stats.targets)}",
        f"reconnects {sum(one.reconnects for one in stats.targets)}",
    ]
    if len(stats.targets) > 1 or stats.targets[0].state != "live":
        parts += [f"{one.name} {one.state.value}" for one in stats.targets]
    return " · ".join(parts)


def _fields(stats: RelayStats) -> dict[str, object]:
    fields = to_json(stats)
    assert isinstance(fields, dict)
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in fields.items()
    }


def _tell_failures(stats: RelayStats) -> None:
    """End with an error when a target was given up, though others were served to the end."""
    failed = [one for one in stats.targets if one.state == "failed"]
    if failed:
        raise _unavailable(
            f"{len(failed)} of {len(stats.targets)} targets failed: "
            + "; ".join(f"{one.name}: {one.error}" for one in failed),
            failed[0].name,
        )


def _unavailable(message: str, target: str) -> PlatformError:
    from headend.errors import PlatformUnavailableError

    return PlatformUnavailableError(message, provider=_provider_of(target), operation="push")


def _provider_of(target: str) -> str:
    return target.partition(":")[0]


@contextmanager
def _media_errors_told() -> Iterator[None]:
    """Turn the errors of the media rooms into those that the command line knows."""
    from headend.errors import ConfigurationError, PermissionDeniedError
    from headend.push.errors import (
        AllTargetsFailedError,
        MediaExtraMissingError,
        SourceError,
    )
    from headend.rtmp.errors import PublishRefusedError

    try:
        yield
    except (MediaExtraMissingError, SourceError) as error:
        raise ConfigurationError(str(error)) from error
    except AllTargetsFailedError as error:
        target = next(iter(error.failures))
        if all(isinstance(one, PublishRefusedError) for one in error.failures.values()):
            raise PermissionDeniedError(
                f"{error}; `headend show STREAM_ID --show-key` tells the key as it is now",
                provider=_provider_of(target),
                operation="push",
            ) from error
        raise _unavailable(str(error), target) from error
