"""What is to be told to somebody outside: noted with its event, in one worker's hands at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from headend.ledger import EntryState, LedgerEventKind, NewEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headend.ledger import Ledger, NewEntry

LEASE = 60.0


def write(ledger: Ledger, key: str, now: datetime, *, to_deliver: bool = True) -> bool:
    event = NewEvent(
        key=key, kind=LedgerEventKind.BUDGET_ALERT, occurred_at=now, caused_by="headend"
    )
    return ledger.append(event, now=now, to_deliver=to_deliver)


def test_an_event_that_nobody_is_to_be_told_of_is_not_delivered(
    ledger: Ledger, now: datetime
) -> None:
    write(ledger, "a", now, to_deliver=False)
    write(ledger, "a", now)

    assert ledger.claim_delivery(now=now, lease=LEASE) is None


def test_the_oldest_comes_first_and_each_to_one_only(ledger: Ledger, now: datetime) -> None:
    assert [write(ledger, key, now) for key in ("a", "b", "a")] == [True, True, False]
    claimed = [ledger.claim_delivery(now=now, lease=LEASE) for _ in range(3)]

    assert [one and one.event.key for one in claimed] == ["a", "b", None]
    assert claimed[0] is not None
    assert claimed[0].event == ledger.events()[0]


def test_what_was_made_is_not_claimed_again(ledger: Ledger, now: datetime) -> None:
    write(ledger, "a", now)
    claimed = ledger.claim_delivery(now=now, lease=LEASE)
    assert claimed is not None
    ledger.remove_delivery(claimed)
    ledger.remove_delivery(claimed)
    ledger.postpone_delivery(claimed, now)

    assert ledger.claim_delivery(now=now + timedelta(days=1), lease=LEASE) is None
    assert [event.key for event in ledger.events()] == ["a"]


def test_it_is_anybodys_when_the_lease_is_over(ledger: Ledger, now: datetime) -> None:
    write(ledger, "a", now)
    ledger.claim_delivery(now=now, lease=LEASE)
    over = now + timedelta(seconds=LEASE)

    assert ledger.claim_delivery(now=over - timedelta(seconds=1), lease=LEASE) is None
    again = ledger.claim_delivery(now=over, lease=LEASE)
    assert again is not None
    assert again.tries == 2


def test_what_is_postponed_comes_when_it_is_due(ledger: Ledger, now: datetime) -> None:
    write(ledger, "a", now)
    claimed = ledger.claim_delivery(now=now, lease=LEASE)
    assert claimed is not None
    due = now + timedelta(seconds=5)
    ledger.postpone_delivery(claimed, due)

    assert ledger.claim_delivery(now=due - timedelta(seconds=1), lease=LEASE) is None
    again = ledger.claim_delivery(now=due, lease=LEASE)
    assert again is not None
    # Who had it before can put off nothing any more.
    ledger.postpone_delivery(claimed, due)
    assert ledger.claim_delivery(now=due, lease=LEASE) is None


def test_an_idempotency_key_leads_to_its_entry(
    ledger: Ledger, new: Callable[..., NewEntry], now: datetime
) -> None:
    entry = ledger.begin(new(idempotency_key="order-1"), now=now, lease=LEASE)
    ledger.begin(new(), now=now, lease=LEASE)

    def found(provider: str = "acme", account: str = "4711 eu", key: str = "order-1") -> object:
        return ledger.by_key(provider, account, key)

    assert found() == entry
    assert [found("plain"), found(account="x"), found(key="order-2"), found(key="")] == [None] * 4
    ledger.abandoned(entry.marker, "x", now)
    abandoned = ledger.by_key("acme", "4711 eu", "order-1")
    assert abandoned is not None
    assert abandoned.state is EntryState.ABANDONED
    later = ledger.begin(new(idempotency_key="order-1"), now=now, lease=LEASE)
    assert found() == later
