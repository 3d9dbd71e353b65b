"""Months and days in a time zone, as the pieces of real time that they are.

A day on which clocks are changed has 23, 25 or, on Lord Howe Island, 23.5 hours, and a zone may
leave a whole date out: Apia had no 30 December 2011.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from attrs import field, frozen, validators

from headend.costs.money import EXACT

if TYPE_CHECKING:
    from attrs import Attribute

_FORM: Final = re.compile(r"([0-9]{4})-([0-9]{2})", re.ASCII)
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9000
_MICROSECOND: Final = timedelta(microseconds=1)


def _year(_month: object, _attribute: Attribute[int], value: int) -> None:
    if not _FIRST_YEAR <= value <= _LAST_YEAR:
        raise ValueError(f"the year must be from {_FIRST_YEAR} to {_LAST_YEAR}, not {value}")


def seconds_between(start: datetime, end: datetime) -> Decimal:
    """Return the real seconds from one moment to another, exactly."""
    return EXACT.divide(Decimal((end - start) // _MICROSECOND), Decimal(1_000_000))


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a date in a time zone, in UTC.

    Where there was no midnight, it is the moment at which clocks were put on; where the date was
    left out, that is the first moment of what came instead.
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


@frozen(order=False, slots=False)
class Month:
    """A month of the calendar in a time zone.

    Its hours are those that clocks there show: it has one more or one less where daylight saving
    time ends or begins.  ``str()`` gives ``2026-11``.

    Attributes:
        year: from 1970.
        month: from 1 to 12.
        zone: the time zone.
    """

    year: int = field(validator=_year)
    month: int = field(validator=(validators.ge(1), validators.le(12)))
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Month:
        """Read a month such as ``2026-11``.

        Raises:
            ValueError: it is none; the message says what one looks like.
        """
        match = _FORM.fullmatch(text.strip())
        if match is not None:
            try:
                return cls(int(match[1]), int(match[2]), zone)
            except ValueError:
                pass
        raise ValueError(f"{text!r} is not a month such as 2026-11")

    @classmethod
    def containing(cls, moment: datetime, zone: ZoneInfo) -> Month:
        """Return the month in which an aware moment falls."""
        local = moment.astimezone(zone)
        found = cls(local.year, local.month, zone)
        # Where clocks went back over midnight, minutes of the month before are shown once more.
        return found.next if moment >= found.end else found

    @cached_property
    def start(self) -> datetime:
        """The first moment, in UTC."""
        return start_of_day(date(self.year, self.month, 1), self.zone)

    @cached_property
    def end(self) -> datetime:
        """The first moment of the next month, in UTC."""
        year, month = self.year + self.month // 12, self.month % 12 + 1
        return start_of_day(date(year, month, 1), self.zone)

    @property
    def next(self) -> Month:
        """The month after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1, self.zone)

    @property
    def previous(self) -> Month:
        """The month before it."""
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1, self.zone)

    @cached_property
    def days(self) -> tuple[tuple[date, datetime, datetime], ...]:
        """Each date with its first moment and that of the next, in UTC.

        They follow each other without a gap; a date that the zone left out is not among them.
        """
        day = date(self.year, self.month, 1)
        days = []
        start = self.start
        while start < self.end:
            day_after = day + timedelta(days=1)
            end = start_of_day(day_after, self.zone)
            if end > start:
                days.append((day, start, end))
            day, start = day_after, end
        return tuple(days)

    @property
    def seconds(self) -> Decimal:
        """Its length in real seconds."""
        return seconds_between(self.start, self.end)

    def elapsed(self, now: datetime) -> Decimal:
        """Return how much of it is over, from 0 to 1, in real time."""
        over = seconds_between(self.start, min(max(now, self.start), self.end))
        return EXACT.divide(over, self.seconds)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"
