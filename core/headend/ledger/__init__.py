"""The ledger: what headend created, is creating and has ended, kept beyond the process.

It is what makes creation safe against crashes: an entry is written before a live stream is asked
for, and says afterwards what became of it.  `open_ledger` opens one; SQLAlchemy is imported then
and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.ledger.deferred import (
        DeferredLedger as DeferredLedger,
        LedgerPacerStore as LedgerPacerStore,
    )
    from headend.ledger.entry import (
        Entry as Entry,
        EntryState as EntryState,
        NewEntry as NewEntry,
    )
    from headend.ledger.memory import (
        MemoryLedger as MemoryLedger,
    )
    from headend.ledger.pacers import (
        SqlPacerStore as SqlPacerStore,
    )
    from headend.ledger.sql import (
        SqlLedger as SqlLedger,
    )
    from headend.ledger.store import (
        Ledger as Ledger,
        open_ledger as open_ledger,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.ledger.deferred": (
                "DeferredLedger",
                "LedgerPacerStore",
            ),
            "headend.ledger.entry": (
                "Entry",
                "EntryState",
                "NewEntry",
            ),
            "headend.ledger.memory": ("MemoryLedger",),
            "headend.ledger.pacers": ("SqlPacerStore",),
            "headend.ledger.sql": ("SqlLedger",),
            "headend.ledger.store": (
                "Ledger",
                "open_ledger",
            ),
        },
    )
