"""What a ledger remembers, whatever kind it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.errors import LedgerError
from headend.ledger import Entry, EntryState, NewEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.ledger import Ledger

    New = Callable[..., NewEntry]

LEASE = 60.0
THREADS = 8


def later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def active(ledger: Ledger, new: NewEntry, now: datetime, stream_id: str = "s1") -> Entry:
    ledger.begin(new, now=now, lease=LEASE)
    return ledger.created(new.marker, stream_id, now)


def in_parallel(action: Callable[[int], object]) -> list[object]:
    """Return what many threads got who began at the same moment."""
    barrier = Barrier(THREADS)

    def run(number: int) -> object:
        barrier.wait(10)
        return action(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_an_intent_is_an_entry_in_the_state_creating(
    ledger: Ledger, new: New, now: datetime
) -> None:
    begun = ledger.begin(new(marker="m"), now=now, lease=LEASE)

    assert begun == Entry(
        marker="m",
        provider="acme",
        account="4711 eu",
        channel_id="42",
        name="Concert",
        digest="d1",
        state=EntryState.CREATING,
        stream_id=None,
        reason=None,
        delete_recordings=False,
        created_at=now,
        changed_at=now,
        owner="host:1",
        lease_until=later(now, 60),
    )
    assert ledger.by_marker("m") == begun
    assert ledger.entries("acme", "4711 eu") == [begun]


def test_what_was_created_is_found_by_its_stream_id(
    ledger: Ledger, new: New, now: datetime
) -> None:
    begun = ledger.begin(new(), now=now, lease=LEASE)
    created = ledger.created(begun.marker, "s1", now=later(now, 2))

    assert created == attrs.evolve(
        begun, state=EntryState.ACTIVE, stream_id="s1", changed_at=later(now, 2)
    )
    assert ledger.find("acme", "4711 eu", "s1") == created


def test_an_account_sees_its_own_entries_only(ledger: Ledger, new: New, now: datetime) -> None:
    active(ledger, new(), now)

    assert ledger.find("acme", "4711 us", "s1") is None
    assert ledger.find("other", "4711 eu", "s1") is None
    assert ledger.entries("acme", "4711 us") == ledger.entries("other", "4711 eu") == []


def test_a_name_is_optional(ledger: Ledger, new: New, now: datetime) -> None:
    assert ledger.begin(new(name=None), now=now, lease=LEASE).name is None


def test_a_marker_is_used_once(ledger: Ledger, new: New, now: datetime) -> None:
    ledger.begin(new(marker="m"), now=now, lease=LEASE)

    with pytest.raises(LedgerError, match="has an entry with the marker m"):
        ledger.begin(new(marker="m", idempotency_key="k"), now=now, lease=LEASE)
    # Nothing of the failed one is left, the key included.
    assert ledger.begin(new(marker="n", idempotency_key="k"), now=now, lease=LEASE).marker == "n"


def test_an_idempotency_key_gives_the_first_entry_again(
    ledger: Ledger, new: New, now: datetime
) -> None:
    first = active(ledger, new(idempotency_key="k"), now)
    second = ledger.begin(new(idempotency_key="k", digest="d2"), now=later(now, 9), lease=LEASE)

    assert second == first
    assert ledger.entries("acme", "4711 eu") == [first]


@pytest.mark.parametrize("end", ["creating", "active", "ending", "ended"])
def test_an_idempotency_key_stays_with_what_was_or_may_be_created(
    ledger: Ledger, new: New, now: datetime, end: str
) -> None:
    entry = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)
    if end != "creating":
        ledger.created(entry.marker, "s1", now)
    if end == "ending":
        ledger.ending("acme", "4711 eu", "s1", delete_recordings=False, now=now)
    if end == "ended":
        ledger.ended("acme", "4711 eu", "s1", now)

    again = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)
    assert (again.marker, again.state) == (entry.marker, end)


def test_an_idempotency_key_is_free_again_when_nothing_was_created(
    ledger: Ledger, new: New, now: datetime
) -> None:
    first = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)
    ledger.abandoned(first.marker, "quota", now)
    second = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)
    third = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)

    assert second.marker == third.marker != first.marker
    assert second.state is EntryState.CREATING


def test_a_key_that_is_free_again_needs_a_new_marker_as_well(
    ledger: Ledger, new: New, now: datetime
) -> None:
    first = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)
    ledger.abandoned(first.marker, "quota", now)

    with pytest.raises(LedgerError, match="has an entry"):
        ledger.begin(new(marker=first.marker, idempotency_key="k"), now=now, lease=LEASE)


def test_an_idempotency_key_belongs_to_one_account(ledger: Ledger, new: New, now: datetime) -> None:
    markers = {
        ledger.begin(new(idempotency_key="k", **other), now=now, lease=LEASE).marker
        for other in ({}, {"account": "4711 us"}, {"provider": "other"})
    }

    assert len(markers) == 3


def test_of_many_threads_with_one_key_one_begins(ledger: Ledger, new: New, now: datetime) -> None:
    for attempt in range(5):
        offers = [new(idempotency_key=f"k{attempt}") for _ in range(THREADS)]
        got = in_parallel(lambda n, offers=offers: ledger.begin(offers[n], now=now, lease=LEASE))  # type: ignore[misc]  # bound early

        assert len(set(got)) == 1
    assert len(ledger.entries("acme", "4711 eu")) == 5


def test_of_many_threads_one_begins_anew_what_was_abandoned(
    ledger: Ledger, new: New, now: datetime
) -> None:
    first = ledger.begin(new(idempotency_key="k"), now=now, lease=LEASE)
    ledger.abandoned(first.marker, "quota", now)
    offers = [new(idempotency_key="k") for _ in range(THREADS)]
    got = in_parallel(lambda n: ledger.begin(offers[n], now=now, lease=LEASE))

    assert len(set(got)) == 1
    assert len(ledger.entries("acme", "4711 eu")) == 2


def test_a_creation_is_left_alone_until_its_lease_is_over(
    ledger: Ledger, new: New, now: datetime
) -> None:
    marker = ledger.begin(new(), now=now, lease=LEASE).marker

    assert not ledger.claim(marker, now=later(now, 59.9), lease=LEASE, owner="host:2")
    assert ledger.claim(marker, now=later(now, 60), lease=LEASE, owner="host:2")
    claimed = ledger.by_marker(marker)
    assert claimed is not None
    assert (claimed.owner, claimed.lease_until) == ("host:2", later(now, 120))
    assert claimed.changed_at == later(now, 60)
    assert not ledger.claim(marker, now=later(now, 61), lease=LEASE, owner="host:3")


def test_a_creation_is_taken_from_an_owner_that_is_known_to_be_dead(
    ledger: Ledger, new: New, now: datetime
) -> None:
    marker = ledger.begin(new(owner="host:1"), now=now, lease=LEASE).marker

    assert not ledger.claim(marker, now=now, lease=LEASE, owner="host:3", instead_of="host:2")
    assert ledger.claim(marker, now=now, lease=LEASE, owner="host:3", instead_of="host:1")
    assert not ledger.claim(marker, now=now, lease=LEASE, owner="host:4", instead_of="host:1")


@pytest.mark.parametrize("instead_of", [None, "host:1"])
def test_of_many_threads_one_claims(
    ledger: Ledger, new: New, now: datetime, instead_of: str | None
) -> None:
    marker = ledger.begin(new(owner="host:1"), now=now, lease=LEASE).marker
    when = later(now, 1 if instead_of else 60)
    got = in_parallel(
        lambda n: ledger.claim(
            marker, now=when, lease=LEASE, owner=f"thread {n}", instead_of=instead_of
        )
    )

    entry = ledger.by_marker(marker)
    assert entry is not None
    assert sum(map(bool, got)) == 1
    assert entry.owner == f"thread {got.index(True)}"


def test_what_is_not_being_created_cannot_be_claimed(
    ledger: Ledger, new: New, now: datetime
) -> None:
    done = active(ledger, new(), now)
    given_up = ledger.begin(new(), now=now, lease=LEASE)
    ledger.abandoned(given_up.marker, "quota", now)

    for marker in (done.marker, given_up.marker):
        assert not ledger.claim(marker, now=later(now, 999), lease=LEASE, owner="host:2")
        assert not ledger.renew(marker, now=now, lease=LEASE, owner="host:1")


def test_an_owner_can_extend_its_lease(ledger: Ledger, new: New, now: datetime) -> None:
    marker = ledger.begin(new(owner="host:1"), now=now, lease=LEASE).marker

    assert ledger.renew(marker, now=later(now, 50), lease=LEASE, owner="host:1")
    assert not ledger.claim(marker, now=later(now, 109), lease=LEASE, owner="host:2")
    assert ledger.claim(marker, now=later(now, 110), lease=LEASE, owner="host:2")
    assert not ledger.renew(marker, now=later(now, 111), lease=LEASE, owner="host:1")


def test_what_was_abandoned_has_a_reason(ledger: Ledger, new: New, now: datetime) -> None:
    marker = ledger.begin(new(), now=now, lease=LEASE).marker
    entry = ledger.abandoned(marker, "QuotaExceededError", now=later(now, 3))

    assert (entry.state, entry.reason) == (EntryState.ABANDONED, "QuotaExceededError")
    assert entry.changed_at == later(now, 3)
    assert ledger.by_marker(marker) == entry


def test_a_garbled_reason_is_kept_readable(ledger: Ledger, new: New, now: datetime) -> None:
    marker = ledger.begin(new(), now=now, lease=LEASE).marker

    assert ledger.abandoned(marker, "é\ud800 \0!", now).reason == "é\\ud800 \\0!"
    assert ledger.by_marker(marker) == ledger.abandoned(marker, "again", now)


def test_what_was_abandoned_and_appeared_after_all_is_active(
    ledger: Ledger, new: New, now: datetime
) -> None:
    marker = ledger.begin(new(), now=now, lease=LEASE).marker
    ledger.abandoned(marker, "not on the platform", now)
    entry = ledger.created(marker, "s1", now)

    assert (entry.state, entry.stream_id, entry.reason) == (EntryState.ACTIVE, "s1", None)


def test_what_exists_is_never_abandoned(ledger: Ledger, new: New, now: datetime) -> None:
    entry = active(ledger, new(), now)

    assert ledger.abandoned(entry.marker, "late news", later(now, 5)) == entry
    assert ledger.by_marker(entry.marker) == entry


def test_of_two_copies_the_first_that_was_recorded_stays(
    ledger: Ledger, new: New, now: datetime
) -> None:
    entry = active(ledger, new(), now, "s1")

    assert ledger.created(entry.marker, "s2", later(now, 5)) == entry
    assert ledger.find("acme", "4711 eu", "s2") is None


def test_an_end_has_a_beginning_and_an_end(ledger: Ledger, new: New, now: datetime) -> None:
    entry = active(ledger, new(), now)
    ledger.ending("acme", "4711 eu", "s1", delete_recordings=True, now=later(now, 1))
    ending = ledger.by_marker(entry.marker)
    ledger.ended("acme", "4711 eu", "s1", now=later(now, 2))
    ended = ledger.by_marker(entry.marker)

    assert ending == attrs.evolve(
        entry, state=EntryState.ENDING, delete_recordings=True, changed_at=later(now, 1)
    )
    assert ending is not None
    assert ended == attrs.evolve(ending, state=EntryState.ENDED, changed_at=later(now, 2))


def test_the_latest_word_on_recordings_counts(ledger: Ledger, new: New, now: datetime) -> None:
    active(ledger, new(), now)
    for wanted in (True, False):
        ledger.ending("acme", "4711 eu", "s1", delete_recordings=wanted, now=now)
        entry = ledger.find("acme", "4711 eu", "s1")
        assert entry is not None
        assert entry.delete_recordings is wanted


def test_ending_again_what_has_ended_changes_nothing(
    ledger: Ledger, new: New, now: datetime
) -> None:
    active(ledger, new(), now)
    ledger.ended("acme", "4711 eu", "s1", now)
    before = ledger.entries("acme", "4711 eu")
    ledger.ending("acme", "4711 eu", "s1", delete_recordings=True, now=later(now, 1))
    ledger.ended("acme", "4711 eu", "s1", later(now, 2))

    assert ledger.entries("acme", "4711 eu") == before


def test_ending_what_the_ledger_does_not_know_is_no_error(ledger: Ledger, now: datetime) -> None:
    ledger.ending("acme", "4711 eu", "s9", delete_recordings=False, now=now)
    ledger.ended("acme", "4711 eu", "s9", now)

    assert ledger.entries("acme", "4711 eu") == []


def test_an_id_that_a_platform_gives_again_means_the_newest(
    ledger: Ledger, new: New, now: datetime
) -> None:
    active(ledger, new(marker="b"), now)
    ledger.ended("acme", "4711 eu", "s1", now)
    active(ledger, new(marker="a"), later(now, -5))
    alive = ledger.find("acme", "4711 eu", "s1")
    ledger.ended("acme", "4711 eu", "s1", now)
    newest = ledger.find("acme", "4711 eu", "s1")

    assert (alive and alive.marker, newest and newest.marker) == ("a", "b")


def test_entries_come_oldest_first_and_by_state(ledger: Ledger, new: New, now: datetime) -> None:
    ledger.begin(new(marker="late"), now=later(now, 9), lease=LEASE)
    active(ledger, new(marker="b"), now, "s1")
    active(ledger, new(marker="a"), now, "s2")

    def markers(*states: EntryState) -> list[str]:
        return [one.marker for one in ledger.entries("acme", "4711 eu", states)]

    assert [one.marker for one in ledger.entries("acme", "4711 eu")] == ["a", "b", "late"]
    assert markers(EntryState.ACTIVE) == ["a", "b"]
    assert markers(EntryState.CREATING, EntryState.ENDED) == ["late"]
    assert markers() == []


@pytest.mark.parametrize("operation", ["claim", "renew", "created", "abandoned"])
def test_a_marker_that_is_not_there_is_an_error(
    ledger: Ledger, now: datetime, operation: str
) -> None:
    call = {
        "claim": lambda: ledger.claim("m", now=now, lease=LEASE, owner="o"),
        "renew": lambda: ledger.renew("m", now=now, lease=LEASE, owner="o"),
        "created": lambda: ledger.created("m", "s", now),
        "abandoned": lambda: ledger.abandoned("m", "r", now),
    }[operation]

    with pytest.raises(LedgerError, match="no entry with the marker m; was the ledger replaced"):
        call()
    assert ledger.by_marker("m") is None


def test_a_time_without_a_zone_is_refused(ledger: Ledger, new: New) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        ledger.begin(new(), now=datetime(2030, 1, 1), lease=LEASE)  # noqa: DTZ001  # that is it


@pytest.mark.parametrize("text", ["\0", "a\ud800"])
def test_text_that_no_database_keeps_is_refused(
    ledger: Ledger, new: New, now: datetime, text: str
) -> None:
    for name in ("marker", "provider", "account", "channel_id", "name", "digest", "owner"):
        with pytest.raises(ValueError, match=f"{name} has a character"):
            new(**{name: text})
    with pytest.raises(ValueError, match="idempotency_key has a character"):
        new(idempotency_key=text)
    marker = ledger.begin(new(), now=now, lease=LEASE).marker
    with pytest.raises(ValueError, match="stream_id has a character"):
        ledger.created(marker, text, now)


def test_a_ledger_shows_no_more_than_where_it_is(ledger: Ledger) -> None:
    assert ledger.id in repr(ledger)
    assert (ledger.location or "Memory") in repr(ledger)


TIMES = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001  # Hypothesis wants it so
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001  # as above
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(when=TIMES, lease=st.floats(0, 1e6), texts=st.lists(TEXTS, min_size=4, max_size=4))
def test_times_and_texts_come_back_as_they_were(
    ledger: Ledger, new: New, when: datetime, lease: float, texts: list[str]
) -> None:
    """Times are the same moments, in UTC and to the microsecond."""
    account, channel_id, name, key = texts
    given = new(account=account, channel_id=channel_id, name=name, idempotency_key=key)
    begun = ledger.begin(given, now=when, lease=lease)
    found = ledger.by_marker(begun.marker)

    assert found == begun
    if begun.marker == given.marker:
        assert (found.account, found.channel_id, found.name) == (account, channel_id, name)
        assert found.created_at == when
        assert found.lease_until == when + timedelta(seconds=lease)
    assert {found.created_at.tzinfo, found.changed_at.tzinfo, found.lease_until.tzinfo} == {UTC}
    assert found in ledger.entries("acme", account)
