"""What is to be told to somebody outside, until it was: the deliveries of events.

A delivery is noted in the transaction that writes its event, so that neither is there without the
other.  Whoever claims it has it alone for a while; if it is not reported as done by then, because
its process died say, the next one may claim it.  So it is told once at least, and rarely twice.
"""

from __future__ import annotations

from attrs import frozen

from headend.ledger.journal import LedgerEvent


@frozen(kw_only=True)
class Delivery:
    """An event that is to be told to somebody, in the hands of who claimed it.

    Attributes:
        event: what is to be told.
        tries: how often it was claimed, this time included.
    """

    event: LedgerEvent
    tries: int
