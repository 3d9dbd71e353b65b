"""The ledger: what headend created and ended, what happened, and what was used.

It is what makes creation safe against crashes: an entry is written before a live stream is asked
for, and says afterwards what became of it.  It has the journal of events, too, and what was seen
of live streams, from which costs are counted.  `open_host_ledger` opens that of the settings, and
`open_ledger` any; SQLAlchemy is imported then and not before.
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
    from headend.ledger.host import (
        ledger_of as ledger_of,
        open_host_ledger as open_host_ledger,
    )
    from headend.ledger.journal import (
        BY_HEADEND as BY_HEADEND,
        BY_PLATFORM as BY_PLATFORM,
        LedgerEvent as LedgerEvent,
        LedgerEventKind as LedgerEventKind,
        NewEvent as NewEvent,
        key_of as key_of,
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
    from headend.ledger.usage import (
        LastSeen as LastSeen,
        Observation as Observation,
        RecordingSpan as RecordingSpan,
        Sample as Sample,
        SessionSpan as SessionSpan,
        StreamFacts as StreamFacts,
        StreamRef as StreamRef,
        UnseenSpan as UnseenSpan,
        UsageData as UsageData,
        UsageSlot as UsageSlot,
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
            "headend.ledger.host": (
                "ledger_of",
                "open_host_ledger",
            ),
            "headend.ledger.journal": (
                "BY_HEADEND",
                "BY_PLATFORM",
                "LedgerEvent",
                "LedgerEventKind",
                "NewEvent",
                "key_of",
            ),
            "headend.ledger.memory": ("MemoryLedger",),
            "headend.ledger.pacers": ("SqlPacerStore",),
            "headend.ledger.sql": ("SqlLedger",),
            "headend.ledger.store": (
                "Ledger",
                "open_ledger",
            ),
            "headend.ledger.usage": (
                "LastSeen",
                "Observation",
                "RecordingSpan",
                "Sample",
                "SessionSpan",
                "StreamFacts",
                "StreamRef",
                "UnseenSpan",
                "UsageData",
                "UsageSlot",
            ),
        },
    )
