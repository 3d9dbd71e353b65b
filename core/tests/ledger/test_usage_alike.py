"""The ledgers in a file, on a server and in memory know the same of what was used."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.clock import SystemClock
from headend.ledger import (
    LedgerEventKind,
    NewEntry,
    NewEvent,
    Observation,
    key_of,
    open_ledger,
)
from headend.models import EncoderSettings, Recording, Session, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headend.ledger import Ledger

START: Final = datetime(2030, 1, 31, 23, tzinfo=UTC)
BORDERS: Final = [START + timedelta(hours=n) for n in (-1000, 0, 1, 2, 26, 1000)]
PROVIDERS: Final = count()
STREAMS: Final = st.sampled_from(["s1", "s2"])
RECORDINGS: Final = st.sets(st.sampled_from(["r1", "r2", "r3"]))


@frozen
class Op:
    """Something to do, at so many seconds after the beginning."""

    does: Callable[[Ledger, str, datetime], object]
    at: int
    words: str

    def __repr__(self) -> str:
        return f"{self.at}: {self.words}"


@st.composite
def ops(draw: st.DrawFn) -> Op:
    seconds = draw(st.integers(0, 7200) | st.sampled_from([0, 10, 300, 90_000]))
    stream_id = draw(STREAMS)
    name = draw(
        st.sampled_from(
            ["observe"] * 5 + ["create", "end", "sessions", "recordings", "delete", "append"]
        )
    )
    if name == "observe":
        state = draw(st.none() | st.sampled_from(StreamState))
        figures = draw(st.tuples(*[st.none() | st.integers(0, 99)] * 4))
        message = draw(st.none() | st.sampled_from(["e1", "e2"]))

        def observe(ledger: Ledger, provider: str, now: datetime) -> object:
            seen = Observation(
                provider=provider,
                account="a",
                stream_id=stream_id,
                channel_id="7",
                at=now,
                state=state,
                viewer_count=figures[0],
                current_bitrate=figures[1],
                peak_viewers=figures[2],
                total_watch_time=None if figures[3] is None else float(figures[3]),
                message_id=message,
            )
            return without_numbers(ledger.observe(seen, now=now))

        return Op(observe, seconds, f"observe {stream_id} {state} {figures} {message}")
    if name == "create":

        def create(ledger: Ledger, provider: str, now: datetime) -> object:
            marker = f"{provider}-{stream_id}-{seconds}"
            if ledger.by_marker(marker) is None:
                new = NewEntry(
                    marker=marker,
                    provider=provider,
                    account="a",
                    channel_id=f"c{seconds}",
                    digest="d",
                    owner="o",
                    terms={"type": "BASIC"},
                )
                ledger.begin(new, now=now, lease=60)
            return ledger.created(marker, stream_id, now)

        return Op(create, seconds, f"create {stream_id}")
    if name == "end":
        return Op(
            lambda ledger, provider, now: ledger.ended(provider, "a", stream_id, now),
            seconds,
            f"end {stream_id}",
        )
    if name == "sessions":
        told = [
            Session(
                session_id=f"b{begin}",
                stream_id=stream_id,
                started_at=START + timedelta(seconds=begin),
                ended_at=None if length is None else START + timedelta(seconds=begin + length),
                encoder=EncoderSettings(height=height),
            )
            for begin, (length, height) in draw(
                st.dictionaries(
                    st.integers(0, 5).map(lambda n: n * 900),
                    st.tuples(st.none() | st.integers(0, 9000), st.none() | st.just(720)),
                    max_size=3,
                )
            ).items()
        ]
        return Op(
            lambda ledger, provider, now: ledger.record_sessions(
                provider, "a", stream_id, told, now=now
            ),
            seconds,
            f"sessions {stream_id} {told}",
        )
    if name == "recordings":
        ids, is_all = draw(RECORDINGS), draw(st.booleans())
        kept = [Recording(recording_id=one, duration=60.0) for one in sorted(ids)]
        return Op(
            lambda ledger, provider, now: without_numbers(
                ledger.record_recordings(provider, "a", stream_id, kept, now=now, is_all=is_all)
            ),
            seconds,
            f"recordings {stream_id} {ids} {is_all}",
        )
    if name == "delete":
        recording_id = draw(st.sampled_from(["r1", "r2", "r4"]))
        return Op(
            lambda ledger, provider, now: ledger.recording_deleted(
                provider, "a", recording_id, now
            ),
            seconds,
            f"delete {recording_id}",
        )

    def append(ledger: Ledger, provider: str, now: datetime) -> object:
        event = NewEvent(
            key=key_of("test", provider, stream_id),
            kind=LedgerEventKind.KEY_ROTATED,
            occurred_at=now,
            provider=provider,
            account="a",
            stream_id=stream_id,
            caused_by="x",
        )
        return ledger.append(event, now=now)

    return Op(append, seconds, f"append {stream_id}")


def without_numbers(events: object) -> list[tuple[object, ...]]:
    """A number may be left out where two wrote at once; what counts is the order."""
    assert isinstance(events, list)
    return [(one.key, one.occurred_at, one.channel_id, one.caused_by) for one in events]


@pytest.fixture(scope="module")
def ledgers(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[list[Ledger]]:
    """One of each kind; each example has a provider of its own in them."""
    from headend_contract.postgresql import why_not

    with ExitStack() as places:
        urls = [None, tmp_path_factory.mktemp("alike") / "ledger.sqlite3"]
        if why_not() is None:
            server = request.getfixturevalue("postgres")
            urls.append(server.url(schema=places.enter_context(server.new_schema())))
        yield [
            places.enter_context(closing(open_ledger(url, clock=SystemClock(), random=Random(1))))
            for url in urls
        ]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(ops(), min_size=1, max_size=20))
def test_whatever_happens_they_know_the_same(ledgers: list[Ledger], steps: list[Op]) -> None:
    provider = f"p{next(PROVIDERS)}"

    def of_this(all_: object) -> list[object]:
        assert isinstance(all_, (list, tuple))
        return [one for one in all_ if one.ref.provider == provider]

    for step in steps:
        now = START + timedelta(seconds=step.at)
        answers = [step.does(ledger, provider, now) for ledger in ledgers]
        assert answers == answers[:1] * len(ledgers)
    known = []
    for ledger in ledgers:
        periods = [
            ledger.read_usage(since, until)
            for since, until in (*pairwise(BORDERS), (BORDERS[0], BORDERS[-1]))
        ]
        known.append(
            (
                without_numbers(ledger.events(provider=provider)),
                of_this(ledger.last_seen()),
                of_this(ledger.last_seen(since=START + timedelta(seconds=300))),
                [
                    kept(provider, "a", one, BORDERS[0], BORDERS[-1])
                    for one in ("s1", "s2")
                    for kept in (ledger.samples, ledger.sessions)
                ],
                [
                    (
                        {ref: of for ref, of in data.streams.items() if ref.provider == provider},
                        of_this(data.slots),
                        of_this(data.sessions),
                        of_this(data.recordings),
                        of_this(data.unseen),
                    )
                    for data in periods
                ],
            )
        )
    for other in known[1:]:
        assert other == known[0]
