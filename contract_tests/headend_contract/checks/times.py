"""Moments: right, and the same on every machine.  That they are in UTC the models see to."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from headend.plugin import Capability
from headend_contract.check import (
    Level,
    check,
    expect,
    expect_equal,
    not_applicable,
    nothing_to_test,
)
from headend_contract.checks.steps import push, wait_for_lists, wait_until_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headend_contract.case import Case

_ROUNDED: Final = timedelta(seconds=1)
"""Platforms round their times to seconds, milliseconds or not at all."""


@check(
    "TIME-CREATED-001",
    "created_at is when it was created",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where get_live_stream() and lists give created_at, it lies between the moments before "
    "and after the creation.",
    why="Hosts and headend's own clean-up go by it: what is taken for older than it is gets "
    "ended as a leftover.",
    hint="Mind the zone and the unit: seconds or milliseconds, UTC or an offset.",
)
def dates_the_creation(case: Case) -> None:
    """Create some time after the start, and read."""
    case.pass_time(12_345)
    before = case.clock.now()
    made = case.create()
    after = case.clock.now()
    wait_for_lists(case)
    listed = [one for one in case.platform.list_live_streams() if one.stream_id == made.stream_id]
    found = (case.platform.get_live_stream(made.stream_id), *listed)
    if all(stream.created_at is None for stream in found):
        nothing_to_test("neither reading nor listing gives created_at")
    for stream in found:
        expect(
            stream.created_at is None or before - _ROUNDED <= stream.created_at <= after + _ROUNDED,
            f"created_at is {stream.created_at}, and the live stream was created at {after}",
        )


@check(
    "TIME-SESSION-001",
    "A session is dated by when it was",
    level=Level.EXTENDED,
    requires=(Capability.SESSIONS,),
    needs_simulator=True,
    rule="started_at and ended_at of a session, in lists and of its own, lie between the encoder's "
    "arrival and the moment at which they are read, and ended_at is not before it left.",
    why="Hosts find a show's session, and what was wrong in it, by the time of the show.",
    hint="Mind the zone and the unit: seconds or milliseconds, UTC or an offset.",
)
def dates_sessions(case: Case) -> None:
    """Broadcast some time after the start, and read."""
    case.pass_time(12_345)
    made = case.create()
    came = case.clock.now()
    encoder = push(case, made)
    case.pass_time(_SHOW)
    left = case.clock.now()
    encoder.leave()
    wait_until_over(case)
    (listed,) = case.platform.list_sessions(made.stream_id)
    read = case.platform.get_session(made.stream_id, listed.session_id)
    now = case.clock.now()
    for one in (listed, read):
        expect(
            one.started_at is None or came - _MINUTE <= one.started_at <= left,
            f"started_at is {one.started_at}, and the encoder came at {came}",
        )
        expect(
            one.ended_at is None or left - _MINUTE <= one.ended_at <= now + _ROUNDED,
            f"ended_at is {one.ended_at}, and the encoder left at {left}",
        )


@check(
    "TIME-RECORDING-001",
    "A recording is dated by when it was made",
    level=Level.EXTENDED,
    requires=(Capability.RECORDINGS,),
    needs_simulator=True,
    rule="created_at of a recording lies between the encoder's arrival and the moment at which it "
    "is read.",
    why="Hosts delete recordings by their age.  What is taken for older than it is goes too soon.",
    hint="Mind the zone and the unit: seconds or milliseconds, UTC or an offset.",
)
def dates_recordings(case: Case) -> None:
    """Broadcast some time after the start, and read."""
    case.pass_time(12_345)
    made = case.create()
    came = case.clock.now()
    encoder = push(case, made)
    case.pass_time(_SHOW)
    encoder.leave()
    wait_until_over(case)
    found = list(case.platform.list_recordings(made.stream_id))
    now = case.clock.now()

    expect(bool(found), "there is no recording of a broadcast, though recordings are declared")
    for one in found:
        expect(
            one.created_at is None or came - _MINUTE <= one.created_at <= now + _ROUNDED,
            f"created_at is {one.created_at}, and the encoder came at {came}; now it is {now}",
        )


_SHOW: Final = 120.0
"""Seconds."""

_MINUTE: Final = timedelta(minutes=1)
"""Some platforms round the times of broadcasts to minutes."""


@check(
    "TIME-NOW-001",
    "Figures and health are dated by the clock",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="as_of of the analytics and checked_at of the health are not in the future, and not "
    "older than an hour.",
    why="Hosts draw figures over time and drop what is stale.  A moment in the future is dropped "
    "as nonsense, or hides all that comes after it.",
    hint="Take the platform's moment where it gives one, else context.clock.now(); never the "
    "machine's clock.",
)
def dates_its_figures(case: Case) -> None:
    """Measure and check some time after the start."""
    case.pass_time(12_345)
    made = case.create()
    moments = {
        "as_of": case.platform.get_analytics(made.stream_id).as_of,
        "checked_at": case.platform.check_health().checked_at,
    }
    now = case.clock.now()
    for name, moment in moments.items():
        expect(
            now - timedelta(hours=1) <= moment <= now + _ROUNDED,
            f"{name} is {moment}, and now it is {now}",
        )


@check(
    "TIME-ZONE-001",
    "The machine's time zone changes no moment",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Under TZ=Pacific/Auckland all moments are those that are given under TZ=UTC.",
    why="Such a mistake hides on servers, which run on UTC, and shows on the machines of "
    "customers and of one's own.",
    hint="No datetime.fromtimestamp() without a zone, no astimezone() of a naive moment, no "
    "time.mktime().",
)
def heeds_no_zone(case: Case) -> None:
    """Read under two zones."""
    if not hasattr(time, "tzset"):
        not_applicable("this machine's time zone cannot be changed for one process")
    made = case.create()
    wait_for_lists(case)
    platform = case.platform
    seen = []
    for zone in ("UTC", "Pacific/Auckland"):
        with _time_zone(zone):
            found = (platform.get_live_stream(made.stream_id), *platform.list_live_streams())
            seen.append([str(one.created_at) for one in found])
            if all(one.created_at is None for one in found):
                nothing_to_test("neither reading nor listing gives created_at")

    expect_equal(seen[1], seen[0], "created_at on a machine in Auckland")


@contextmanager
def _time_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
