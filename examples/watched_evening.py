r"""A busy evening of the broadcaster of `seeded_month`, as `headend watch` shows it.

::

    python examples/watched_evening.py
    python examples/watched_evening.py evening.html

It is Friday, 20 November 2026, in New York.  The ledger has the month until then; two providers
answer from the plan instead of from a platform; and headend's own watcher looks at them every
three minutes from six o'clock on.  What it shows at 21:33 is printed, or written as a page.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from seeded_month import ACCOUNTS, CLOUDFLARE, IVS, STEP, ZONE, Broadcast, create, fill, plan

import headend
from headend import (
    Capability,
    EncoderSettings,
    LiveStream,
    Session,
    StreamAnalytics,
    StreamNotFoundError,
    StreamState,
    UnsupportedError,
)
from headend.calls import Calls
from headend.ledger import DeferredLedger
from headend.platform import StreamingPlatform
from headend.plugin import ProviderSpec, unknown_metrics
from headend.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from headend.ledger import Ledger
    from headend.watch import WatchView

BEGIN: Final = datetime(2026, 11, 20, 18, 0, tzinfo=ZONE).astimezone(UTC)
END: Final = datetime(2026, 11, 20, 21, 33, tzinfo=ZONE).astimezone(UTC)
"""The first look, and the one that is shown."""

SETTINGS: Final = {"time_zone": "America/New_York", "budgets": "all=5000, cloudflare=1500"}

NO_BITRATE: Final = "Cloudflare gives no bitrate of a live stream"
NO_PEAK: Final = "Cloudflare gives no highest viewer count of a live stream"

_LOST: Final = "Webinar: questions from Asia"
"""Its encoder has just lost its connection."""


class EveningClock:
    """A clock that is put on from look to look."""

    def __init__(self, moment: datetime) -> None:
        self._begin = self._now = moment

    def now(self) -> datetime:
        """Return the moment."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the first one."""
        return (self._now - self._begin).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Put the clock on."""
        self._now += timedelta(seconds=seconds)


class _Show(NamedTuple):
    """What is broadcast that evening only."""

    provider: str
    channel_id: str
    name: str
    at: time
    looks: int
    peak: int
    type: str = ""
    height: int = 1080
    bitrate: int | None = None


_SHOWS: Final = (
    _Show(CLOUDFLARE, "city-council", "Town hall debate", time(20), 50, 640),
    _Show(CLOUDFLARE, "sunday-service", "Choir concert", time(20, 30), 30, 210),
    _Show(IVS, "football-talk", "Cup final, live talk", time(20, 15), 40, 890, "STANDARD")._replace(
        bitrate=6_000_000
    ),
    _Show(IVS, "school-sports", "School sports at night", time(19, 30), 50, 330, "BASIC")._replace(
        bitrate=3_500_000, height=720
    ),
    _Show(IVS, "webinars", _LOST, time(21), 15, 80, "ADVANCED_SD", 480, 2_500_000),
)


def evening() -> tuple[Broadcast, ...]:
    """Return what is broadcast that evening beside what is so every Friday."""
    chance = Random(20)  # noqa: S311  # the same evening at every call
    return tuple(_broadcast(show, number, chance) for number, show in enumerate(_SHOWS))


def _broadcast(show: _Show, number: int, chance: Random) -> Broadcast:
    viewers = tuple(
        show.peak * (30 + _rise(look, show.looks) + int(8 * chance.random())) // 108
        for look in range(show.looks)
    )
    code = f"{0xE7E0 + number:012x}"
    is_ivs = show.provider == IVS
    return Broadcast(
        provider=show.provider,
        stream_id=f"arn:aws:ivs:us-west-2:123456789012:channel/{code}" if is_ivs else code[-8:] * 4,
        channel_id=show.channel_id,
        name=show.name,
        terms={"type": show.type} if is_ivs else {},
        starts_at=datetime.combine(BEGIN.astimezone(ZONE), show.at, ZONE).astimezone(UTC),
        viewers=viewers,
        watched=() if is_ivs else tuple(one * STEP * 26 // 25 for one in viewers),
        bitrate=show.bitrate,
        height=show.height,
        sessions_listed=False,
    )


def _rise(look: int, looks: int) -> int:
    """Return how many come and go: most are there in the middle."""
    return 280 * look * (looks - look) // looks**2


def look_of(one: Broadcast, moment: datetime) -> int | None:
    """Return which of its viewer counts holds at a moment, or `None` where it is not live."""
    look = (moment - one.starts_at) // timedelta(seconds=STEP)
    return look if 0 <= look < len(one.viewers) else None


class PlannedProvider:
    """Answers what a platform would: of live streams that there are at the moment."""

    def __init__(self, name: str, planned: Sequence[Broadcast], clock: EveningClock) -> None:
        self._name = name
        self._planned = {one.stream_id: one for one in planned if one.provider == name}
        self._clock = clock

    @property
    def account(self) -> str:
        """The account that all happens in."""
        return ACCOUNTS[self._name]

    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return those that were created and, on Cloudflare, have not ended yet."""
        now = self._clock.now()
        for one in self._planned.values():
            is_there = one.starts_at - timedelta(minutes=10) <= now and one.viewers
            if is_there and (self._name == IVS or now < one.ends_at + timedelta(hours=2)):
                yield self._stream(one)

    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one of them."""
        return self._stream(self._find(stream_id))

    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return what that platform tells of one that is live."""
        one, now = self._find(stream_id), self._clock.now()
        look = look_of(one, now)
        if self._name == CLOUDFLARE:
            unknown = {"current_bitrate": NO_BITRATE, "peak_viewers": NO_PEAK}
            return StreamAnalytics(
                stream_id=stream_id,
                as_of=now,
                viewer_count=None if look is None else one.viewers[look],
                total_watch_time=float(sum(one.watched[:look])),
                unknown=unknown | ({"viewer_count": "it is not live"} if look is None else {}),
            )
        if look is None:
            return StreamAnalytics(
                stream_id=stream_id, as_of=now, unknown=unknown_metrics("it is not live")
            )
        return StreamAnalytics(
            stream_id=stream_id,
            as_of=now,
            viewer_count=one.viewers[look],
            current_bitrate=one.bitrate,
            peak_viewers=max(one.viewers[: look + 1]),
            total_watch_time=float(sum(one.viewers[:look]) * STEP),
        )

    def get_analytics_many(self, stream_ids: Sequence[str]) -> Sequence[StreamAnalytics]:
        """Return the same of many."""
        return [self.get_analytics(one) for one in stream_ids]

    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Return the one that it has, with its encoder; AWS IVS tells of them."""
        one, now = self._find(stream_id), self._clock.now()
        yield Session(
            session_id=f"st-{one.stream_id[-12:]}",
            stream_id=stream_id,
            started_at=one.starts_at,
            ended_at=None if look_of(one, now) is not None else one.ends_at,
            encoder=EncoderSettings(height=one.height, frame_rate=30.0),
        )

    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Return that one."""
        del session_id
        return next(self.list_sessions(stream_id))

    def _find(self, stream_id: str) -> Broadcast:
        if stream_id not in self._planned:
            raise StreamNotFoundError(
                f"there is no live stream {stream_id}", provider=self._name, operation="look"
            )
        return self._planned[stream_id]

    def _stream(self, one: Broadcast) -> LiveStream:
        now = self._clock.now()
        state, reason = StreamState.IDLE, None
        if look_of(one, now) is not None:
            state = StreamState.LIVE
            if one.name == _LOST and now > END - timedelta(seconds=STEP):
                state, reason = StreamState.INTERRUPTED, "the encoder may come back"
        return LiveStream(
            stream_id=one.stream_id,
            provider=self._name,
            channel_id=one.channel_id,
            name=one.name,
            state=state,
            state_reason=reason,
            created_at=one.starts_at - timedelta(minutes=10),
        )

    # -- what a provider has besides, and nobody asks for in an evening of watching ----------------

    def find_live_streams(self, marker: str, name: str | None) -> Sequence[LiveStream]:
        """Return none: nothing is created."""
        del marker, name
        return []

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise UnsupportedError("it is a plan", provider=self._name, feature="more than watching")

    create_live_stream = get_credentials = get_playback_url = end_live_stream = _refuse
    check_health = _refuse


def planned_platform(
    name: str, planned: Sequence[Broadcast], ledger: Ledger, clock: EveningClock
) -> StreamingPlatform:
    """Open a provider that answers from a plan."""
    return StreamingPlatform(
        spec=ProviderSpec(
            name=name,
            title=name,
            api_version=1,
            factory="watched_evening:PlannedProvider",
            settings="watched_evening:PlannedProvider",
            capabilities=frozenset({Capability.BATCH_ANALYTICS, Capability.SESSIONS})
            if name == IVS
            else frozenset(),
        ),
        provider=PlannedProvider(name, planned, clock),  # type: ignore[arg-type]  # it refuses most
        options_class=None,
        calls=Calls(clock=clock, provider=name),
        ledger=DeferredLedger(lambda: ledger),
        clock=clock,
        random=Random(1),  # noqa: S311  # nothing is drawn
    )


def watch_the_evening(database: str | Path | None) -> WatchView:
    """Fill a ledger with the month so far, watch the evening, and return what is seen last."""
    clock = EveningClock(BEGIN)
    before = [one for one in plan() if one.ends_at < BEGIN - timedelta(hours=2)]
    planned = (*plan(), *evening())
    with headend.open_costs(database=database, settings=SETTINGS, clock=clock) as book:
        fill(book.ledger, tuple(before))
        for one in (*plan(), *evening()):
            if one.ends_at > BEGIN and one.starts_at < END:
                create(book.ledger, one)
        platforms = [
            planned_platform(name, planned, book.ledger, clock) for name in (CLOUDFLARE, IVS)
        ]
        watch = Watch(platforms, book, clock=clock, interval=float(STEP))
        view = watch.look(thoroughly=True)
        while clock.now() < END:
            clock.sleep(STEP)
            view = watch.look()
    return view


_PAGE: Final = """\
<!doctype html>
<meta charset="utf-8">
<title>headend watch</title>
<style>
{stylesheet}
body {{ color: {foreground}; background: {background}; margin: 24px; }}
pre {{ font: 15px/1.3 "DejaVu Sans Mono", Menlo, Consolas, monospace; margin: 0; }}
</style>
<pre><code style="font-family: inherit">{code}</code></pre>
"""


def main() -> None:
    """Print what is seen last, or write it as a page."""
    from tempfile import TemporaryDirectory

    from rich.console import Console
    from rich.terminal_theme import MONOKAI

    from headend.cli.watch_table import render

    width, height = 132, 36
    if len(sys.argv) > 2:
        sys.exit("usage: python watched_evening.py [PAGE.html]")
    with TemporaryDirectory() as folder:
        view = watch_the_evening(f"sqlite:///{folder}/ledger.sqlite3")
    shown = render(view, width=width, height=height)
    console = Console(record=True, width=width, markup=False, highlight=False, force_terminal=True)
    console.print(shown)
    if len(sys.argv) == 2:
        console.save_html(sys.argv[1], theme=MONOKAI, code_format=_PAGE)


if __name__ == "__main__":
    main()
