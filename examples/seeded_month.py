r"""A month of a small broadcaster on two providers, written into a ledger without any platform.

It shows what `headend costs report` makes of a month before one has a month of one's own::

    python examples/seeded_month.py sqlite:///month.sqlite3
    HEADEND_DATABASE_URL=sqlite:///month.sqlite3 HEADEND_TIME_ZONE=America/New_York \
        headend costs report --month 2026-11 -o november.html

The month is November 2026 in New York, on whose first day clocks go back: 8 channels and some 60
live streams with a peak in the evening, a charity marathon over a week-end, a live stream that
goes on over the beginning of the month and one over its end, and recordings kept from October.
`plan()` is the same at every call.  `fill()` tells a ledger what a watcher would have seen.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from headend import EncoderSettings, Recording, Session, StreamState
from headend.ledger.entry import NewEntry
from headend.ledger.usage import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headend.ledger import Ledger

ZONE: Final = ZoneInfo("America/New_York")
YEAR: Final = 2026
MONTH: Final = 11
NOW: Final = datetime(2026, 12, 2, 14, 0, tzinfo=UTC)
"""When the report is made."""

STEP: Final = 180
"""Seconds from one look of the watcher to the next."""

CLOUDFLARE: Final = "cloudflare"
IVS: Final = "aws-ivs"
ACCOUNTS: Final = {CLOUDFLARE: "0a1b2c3d4e5f60718293a4b5c6d7e8f9", IVS: "123456789012 us-west-2"}

_WEEKDAYS: Final = (0, 1, 2, 3, 4)
_MON, _TUE, _WED, _THU, _FRI, _SAT, _SUN = range(7)


class ThatMoment:
    """A clock that stands still when the report is made."""

    def now(self) -> datetime:
        """Return that moment."""
        return NOW

    def monotonic(self) -> float:
        """Return seconds that do not pass."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Refuse to wait: there is nothing to wait for."""
        raise RuntimeError(f"somebody wanted to wait for {seconds} s")


@dataclass(frozen=True)
class Kept:
    """A recording.

    Attributes:
        recording_id: names it on the platform.
        seconds: its length.
        made_at: when it began.
        deleted_at: when it was found to be gone, or `None` while it is there.
    """

    recording_id: str
    seconds: int
    made_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Broadcast:
    """One live stream with one session.

    Attributes:
        provider: the provider's name.
        stream_id: names it on the platform.
        channel_id: the host's own id.
        name: for people.
        terms: the creation options on which prices depend.
        starts_at: when the encoder began, in UTC.
        viewers: how many watched, from each look to the next; its length is that of the session.
        watched: the seconds that the platform counted from each look to the next, all viewers
            together; empty where it does not tell.
        bitrate: bits per second, or `None` where the platform does not tell.
        height: of the picture, in pixels.
        sessions_listed: whether the platform was asked for its sessions afterwards.
        recording: what is kept of it and was listed afterwards, or `None`.
        unseen: the looks, from and until, at which the watcher was not running.
    """

    provider: str
    stream_id: str
    channel_id: str
    name: str
    terms: Mapping[str, str]
    starts_at: datetime
    viewers: tuple[int, ...]
    watched: tuple[int, ...] = ()
    bitrate: int | None = None
    height: int = 720
    sessions_listed: bool = True
    recording: Kept | None = None
    unseen: range = field(default=range(0))

    @property
    def account(self) -> str:
        """The account and region at the provider."""
        return ACCOUNTS[self.provider]

    @property
    def ends_at(self) -> datetime:
        """When the encoder stopped."""
        return self.at(len(self.viewers))

    def at(self, look: int) -> datetime:
        """Return the moment of a look."""
        return self.starts_at + timedelta(seconds=STEP * look)


@dataclass(frozen=True)
class _Show:
    """What is broadcast again and again."""

    provider: str
    channel_id: str
    title: str
    at: time
    minutes: int
    peak: int
    days: tuple[int, ...]
    dates: tuple[int, ...] = ()
    type: str = ""
    height: int = 1080
    bitrate: int = 6_000_000


_SHOWS: Final = (
    _Show(CLOUDFLARE, "evening-news", "Evening news", time(19), 60, 1100, _WEEKDAYS),
    _Show(CLOUDFLARE, "morning-show", "Morning show", time(7, 30), 90, 320, (_MON, _WED, _FRI)),
    _Show(CLOUDFLARE, "sunday-service", "Sunday service", time(10), 75, 450, (_SUN,)),
    _Show(CLOUDFLARE, "city-council", "City council", time(18), 195, 140, (_TUE,), (10, 24)),
    _Show(IVS, "school-sports", "School sports", time(14), 150, 260, (_SAT,), (), "BASIC", 720),
    _Show(IVS, "football-talk", "Football talk", time(20), 120, 620, (_THU,), (), "STANDARD"),
    _Show(
        *(IVS, "webinars", "Webinar", time(15), 45, 90, (_WED,), (), "ADVANCED_SD", 480, 2_500_000)
    ),
    _Show(
        *(IVS, "gaming-night", "Gaming night", time(21), 210, 380, (_FRI,), (6, 20, 27)),
        *("ADVANCED_HD", 720, 4_500_000),
    ),
)


def plan() -> tuple[Broadcast, ...]:
    """Return all broadcasts, the earliest first; of October only the recordings matter."""
    chance = Random(202611)  # noqa: S311  # the same month at every call
    made = [*_october(), *_regular(chance), *_special(chance)]
    return tuple(sorted(made, key=lambda one: (one.starts_at, one.stream_id)))


def _regular(chance: Random) -> Iterator[Broadcast]:
    for show in _SHOWS:
        for number in range(1, 31):
            day = date(YEAR, MONTH, number)
            if day.weekday() in show.days and (not show.dates or number in show.dates):
                starts_at = datetime.combine(day, show.at, ZONE).astimezone(UTC)
                yield _broadcast(show, starts_at, chance, f"{show.title}, {number} November")


def _special(chance: Random) -> Iterator[Broadcast]:
    gaming = _SHOWS[-1]
    for title, first, hour, minutes, peak in (
        # Clocks go back at two in that night.
        ("Halloween night", date(YEAR, 10, 31), 22, 330, 420),
        ("Charity marathon", date(YEAR, MONTH, 13), 18, 48 * 60, 310),
        ("Gaming night into December", date(YEAR, MONTH, 30), 21, 270, 350),
    ):
        show = _Show(
            *(IVS, gaming.channel_id, title, time(hour), minutes, peak, (), ()),
            *(gaming.type, gaming.height, gaming.bitrate),
        )
        starts_at = datetime.combine(first, show.at, ZONE).astimezone(UTC)
        yield _broadcast(show, starts_at, chance, title)


def _october() -> Iterator[Broadcast]:
    """Give what was broadcast in October, of which only the recordings matter."""
    for number in range(5, 31):
        day = date(YEAR, 10, number)
        if day.weekday() in (_MON, _WED, _FRI):
            starts_at = datetime.combine(day, time(7, 30), ZONE).astimezone(UTC)
            deleted_at = datetime(YEAR, MONTH, 9, 15, tzinfo=UTC) if number < 14 else None
            stream_id = f"{number:02x}{10:02x}" * 8
            yield Broadcast(
                provider=CLOUDFLARE,
                stream_id=stream_id,
                channel_id="morning-show",
                name=f"Morning show, {number} October",
                terms={},
                starts_at=starts_at,
                viewers=(),
                sessions_listed=False,
                recording=Kept(f"{stream_id[::-1]}", 5400 - number, starts_at, deleted_at),
            )


def _broadcast(show: _Show, starts_at: datetime, chance: Random, name: str) -> Broadcast:
    looks = show.minutes * 60 // STEP
    of_the_day = 80 + int(40 * chance.random())
    viewers = tuple(
        _viewers(show.peak * of_the_day // 100, look, starts_at, looks, chance)
        for look in range(looks)
    )
    local = starts_at.astimezone(ZONE)
    code = f"{int(chance.random() * 16**12):012x}"
    if show.provider == CLOUDFLARE:
        stream_id = f"{code}{code[::-1]}{code[:8]}"
        # The last two were not looked at again: their recordings are not listed yet.
        is_listed = starts_at < datetime(YEAR, MONTH, 30, 12, tzinfo=UTC)
        return Broadcast(
            provider=CLOUDFLARE,
            stream_id=stream_id,
            channel_id=show.channel_id,
            name=name,
            terms={},
            starts_at=starts_at,
            viewers=viewers,
            # What players load ahead counts, too.
            watched=tuple(one * STEP * 26 // 25 for one in viewers),
            height=show.height,
            sessions_listed=False,
            recording=Kept(stream_id[::-1], show.minutes * 60 - 7, starts_at)
            if is_listed
            else None,
        )
    return Broadcast(
        provider=IVS,
        stream_id=f"arn:aws:ivs:us-west-2:123456789012:channel/{code}",
        channel_id=show.channel_id,
        name=name,
        terms={"type": show.type},
        starts_at=starts_at,
        viewers=viewers,
        bitrate=show.bitrate,
        height=show.height,
        sessions_listed=local.month == MONTH and local.day < 30,
        # In one night the watcher stood still for 45 minutes.
        unseen=range(11, 25)
        if show.channel_id == "football-talk" and local.day == 26
        else range(0),
    )


def _viewers(peak: int, look: int, starts_at: datetime, looks: int, chance: Random) -> int:
    """Return how many watch: more in the middle, more in the evening, and never quite the same."""
    place = 45 + 220 * look * (looks - look) // (looks * looks)
    hour = (starts_at + timedelta(seconds=STEP * look)).astimezone(ZONE).hour
    evening = 100 if 18 <= hour < 23 else 70 if 7 <= hour < 18 else 40
    # What lasts less than four hours has an audience of its own.
    of_hour = evening if looks * STEP > 4 * 3600 else 100
    return peak * place * of_hour * (94 + int(12 * chance.random())) // 1_000_000


def fill(ledger: Ledger, broadcasts: tuple[Broadcast, ...] | None = None) -> None:
    """Tell a ledger what a watcher would have seen, in the order in which it happened."""
    planned = plan() if broadcasts is None else broadcasts
    for one in planned:
        create(ledger, one)
        _watch(ledger, one)
        _list_what_is_kept(ledger, one)


def create(ledger: Ledger, one: Broadcast) -> None:
    """Tell a ledger that a live stream was created, ten minutes before it begins."""
    asked_at = one.starts_at - timedelta(minutes=10)
    marker = f"seeded-{one.stream_id}"
    ledger.begin(
        NewEntry(
            marker=marker,
            provider=one.provider,
            account=one.account,
            channel_id=one.channel_id,
            name=one.name,
            digest=marker,
            owner="seeded-month",
            terms=one.terms,
        ),
        now=asked_at,
        lease=60.0,
    )
    ledger.created(marker, one.stream_id, asked_at)


def _watch(ledger: Ledger, one: Broadcast) -> None:
    total = 0
    for look in range(len(one.viewers) + 1 if one.viewers else 0):
        is_live = look < len(one.viewers)
        if look not in one.unseen:
            ledger.observe(
                Observation(
                    provider=one.provider,
                    account=one.account,
                    stream_id=one.stream_id,
                    channel_id=one.channel_id,
                    name=one.name,
                    at=one.at(look),
                    state=StreamState.LIVE if is_live else StreamState.IDLE,
                    viewer_count=one.viewers[look] if is_live else None,
                    current_bitrate=one.bitrate if is_live else None,
                    total_watch_time=float(total) if one.watched else None,
                ),
                now=one.at(look),
            )
        if one.watched and is_live:
            total += one.watched[look]


def _list_what_is_kept(ledger: Ledger, one: Broadcast) -> None:
    asked_at = one.ends_at + timedelta(hours=2)
    if one.sessions_listed:
        session = Session(
            session_id=f"st-{one.stream_id[-12:]}",
            stream_id=one.stream_id,
            started_at=one.starts_at,
            ended_at=one.ends_at,
            encoder=EncoderSettings(height=one.height, frame_rate=30.0),
        )
        ledger.record_sessions(one.provider, one.account, one.stream_id, [session], now=asked_at)
    if one.recording is not None:
        kept = Recording(
            recording_id=one.recording.recording_id,
            stream_id=one.stream_id,
            duration=float(one.recording.seconds),
            created_at=one.recording.made_at,
        )
        ledger.record_recordings(one.provider, one.account, one.stream_id, [kept], now=asked_at)
        if one.recording.deleted_at is not None:
            ledger.record_recordings(
                one.provider, one.account, one.stream_id, [], now=one.recording.deleted_at
            )
        elif one.recording.made_at < datetime(YEAR, MONTH, 1, tzinfo=UTC):
            # They are still there when somebody looks in November.
            ledger.record_recordings(
                one.provider,
                one.account,
                one.stream_id,
                [kept],
                now=datetime(YEAR, MONTH, 20, tzinfo=UTC),
            )
    if one.provider == CLOUDFLARE:
        ledger.ended(one.provider, one.account, one.stream_id, asked_at + timedelta(minutes=1))


def main() -> None:
    """Fill the ledger whose address is given."""
    from headend.clock import SystemClock
    from headend.errors import ConfigurationError, LedgerError
    from headend.ledger import open_ledger

    if len(sys.argv) != 2:
        sys.exit("usage: python seeded_month.py sqlite:///FILE | postgresql://…")
    try:
        ledger = open_ledger(sys.argv[1], clock=SystemClock(), random=Random())  # noqa: S311
        try:
            fill(ledger)
        finally:
            ledger.close()
    except LedgerError as error:
        sys.exit(f"error: {error}\nThe month is written into an empty ledger, and once.")
    except ConfigurationError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
