"""`headend demo`: the whole job on this machine, with real video and no settings."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from headend.cli.ending import ended_by_signals
from headend.cli.output import chosen_preset, json_option, preset_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    import headend
    from headend.presets import EncodingPreset
    from headend.push import HlsViewer, MediaSource, Push

_PLAYABLE_WITHIN: Final = 30.0
_FIRST_SEGMENT_WITHIN: Final = 15.0
_REFRESH: Final = 0.5


@click.command("demo")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.option(
    "--source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Push this video file, over and over, instead of the test picture.",
)
@preset_option
@json_option
def demo_command(
    seconds: float | None, source: Path | None, encoding: str, *, as_json: bool
) -> None:
    """Run the whole job on this machine: push, play, measure, end.

    Starts a media server on free ports, creates a live stream, pushes a test picture to it by
    RTMP, and shows where to watch it. A viewer of its own fetches the HLS segments and decodes
    them; it counts as one viewer. Needs no settings and no account. Ctrl-C ends it, and nothing
    that it made is left.
    """
    from rich.console import Console

    preset = chosen_preset(encoding)
    # The demo needs no other settings, so those of a host must not disturb it or its server.
    for variable in [name for name in os.environ if name.startswith("HEADEND_")]:
        del os.environ[variable]
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with ended_by_signals(), _media_errors_told(), ExitStack() as stack:
        demo = _Demo(stack, console, source, preset)
        demo.start()
        # The one way out of a demo without --seconds; what it made is removed all the same.
        with suppress(KeyboardInterrupt):
            demo.show(seconds)
        result = demo.end()
    if as_json:
        print_json(result)
    else:
        console.print(
            f"Decoded {result['segments']} segments; viewers at most {result['peak_viewers']} (the "
            f"demo's own is one), watched {result['total_watch_time']} s."
        )
        console.print("Ended; the live stream, the server and its folder are gone.")


class _Demo:
    def __init__(
        self, stack: ExitStack, console: Console, source: Path | None, preset: EncodingPreset
    ) -> None:
        self._stack = stack
        self._console = console
        self._source = source
        self._preset = preset
        self._seconds_to_playable: float | None = None
        self._platform: headend.StreamingPlatform
        self._credentials: headend.StreamCredentials
        self._push: Push
        self._viewer: HlsViewer | None = None

    def start(self) -> None:
        import headend
        from headend.push import HlsViewer, Push
        from headend.rtmp import PublishConnection
        from headend_local.child import start_server

        source = self._make_source()
        folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-demo-"))
        )
        server = self._stack.enter_context(start_server(folder))
        self._platform = self._stack.enter_context(
            headend.open(
                "local",
                settings={"url": server.http_url, "token": server.token},
                database=None,
            )
        )
        credentials = self._platform.create_live_stream(
            channel_id="demo", name="headend demo", low_latency=True
        )
        self._credentials = credentials
        self._console.print(f"[bold]push URL[/]      {credentials.rtmp_push_url}")
        self._console.print(f"[bold]playback URL[/]  {credentials.playback_url}")
        self._console.print(f"[bold]player page[/]   {_player_page(credentials.playback_url)}")

        started = time.monotonic()
        self._push = Push(
            source,
            self._preset,
            lambda: PublishConnection.connect(credentials.rtmp_push_url, credentials.stream_key),
        )
        self._stack.enter_context(self._push)
        with self._console.status("Pushing; waiting until it can be watched …"):
            self._wait_until_playable(started + _PLAYABLE_WITHIN)
        self._seconds_to_playable = round(time.monotonic() - started, 3)
        self._viewer = self._stack.enter_context(HlsViewer(credentials.playback_url))

    def show(self, seconds: float | None) -> None:
        from rich.live import Live

        self._console.print(
            f"It can be watched, {self._seconds_to_playable:.1f} s after the encoder started. "
            + ("Ctrl-C ends it." if seconds is None else f"It ends in {seconds:g} s, or by Ctrl-C.")
        )
        end = None if seconds is None else time.monotonic() + seconds
        first = time.monotonic() + _FIRST_SEGMENT_WITHIN
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                self._fail_if_broken()
                live.update(self._line(), refresh=True)
                now = time.monotonic()
                seen = self._segments > 0 or now > first
                if end is not None and now >= end and seen:
                    return
                left = _REFRESH if end is None else max(end - now, 0.05)
                time.sleep(min(_REFRESH, left))

    def end(self) -> dict[str, object]:
        """End everything and return what was seen."""
        analytics = self._platform.get_analytics(self._credentials.stream_id)
        self._push.stop()
        self._platform.end_live_stream(self._credentials.stream_id)
        if self._viewer is not None:
            self._viewer.join(timeout=5.0)
            self._viewer.stop()
        return {
            "stream_id": self._credentials.stream_id,
            "rtmp_push_url": self._credentials.rtmp_push_url,
            "playback_url": self._credentials.playback_url,
            "segments": self._segments,
            "viewer_count": analytics.viewer_count,
            "peak_viewers": analytics.peak_viewers,
            "current_bitrate": analytics.current_bitrate,
            "total_watch_time": analytics.total_watch_time,
            "seconds_to_playable": self._seconds_to_playable,
            "ended": True,
        }

    @property
    def _segments(self) -> int:
        return 0 if self._viewer is None else self._viewer.stats.segments

    def _make_source(self) -> MediaSource:
        from headend.push import FileSource, PatternSource

        return PatternSource() if self._source is None else FileSource(self._source, loop=True)

    def _wait_until_playable(self, deadline: float) -> None:
        import headend

        while True:
            self._fail_if_broken()
            try:
                self._platform.wait_until_playable(self._credentials.stream_id, _REFRESH)
            except headend.PlatformTimeoutError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _fail_if_broken(self) -> None:
        viewer_error = None if self._viewer is None else self._viewer.error
        for error in (self._push.error, viewer_error):
            if error is not None:
                raise error

    def _line(self) -> str:
        import headend

        try:
            figures = self._platform.get_analytics(self._credentials.stream_id)
        except headend.PlatformError as error:
            return f"analytics: {error}"
        bitrate = figures.current_bitrate
        shown = "bitrate unknown" if bitrate is None else f"{bitrate / 1e6:.2f} Mbit/s"
        return (
            f"{shown} · viewers {figures.viewer_count} (peak {figures.peak_viewers}) · "
            f"watched {figures.total_watch_time or 0:.0f} s · "
            f"segments decoded {self._segments}"
        )


def _player_page(playback_url: str) -> str:
    return playback_url.rpartition("/")[0] + "/"


@contextmanager
def _media_errors_told() -> Iterator[None]:
    """Turn the errors of the media rooms into those that the command line knows."""
    from headend.errors import ConfigurationError, PlatformUnavailableError
    from headend.push.errors import MediaExtraMissingError, SourceError, ViewerError
    from headend.rtmp.errors import RtmpError

    try:
        yield
    except (MediaExtraMissingError, SourceError) as error:
        raise ConfigurationError(str(error)) from error
    except (RtmpError, ViewerError) as error:
        raise PlatformUnavailableError(
            f"the demo broke off: {error}", provider="local", operation="demo"
        ) from error
