"""The tables of the ledger.

None has a place for a stream key, a token or an address with one of them in it.  Whoever changes
a table adds a script to ``migrations/versions`` and counts `VERSION` up; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

VERSION: Final = "0002"
"""The version of the tables below: the revision of the last migration."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time; kept in UTC, also where the database knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn a time into what the database keeps."""
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; the ledger keeps aware times only")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn what the database kept into a time."""
        del dialect
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


OPEN: Final = 99
"""The reach of what has no end; more than `LONGEST_REACH`."""

LONGEST_REACH: Final = 15
"""The reach of all that lasts longer than the one before allows: two to the power of this in days
is ninety years."""

Number: Final = BigInteger().with_variant(Integer, "sqlite")
"""A whole number of 64 bits, which SQLite's `Integer` is, and alone may be the rowid."""

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ledger: Final = Table(
    "ledger",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_event", Number, nullable=False, server_default="0"),
)
"""One row: the ledger's own name, which is part of every marker, and the last number in `events`.

Who writes an event counts up first and so has the row locked until the end.  Numbers are thus in
the order in which they can be read, which those of a sequence are not.
"""

live_streams: Final = Table(
    "live_streams",
    METADATA,
    Column("marker", String(128), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("name", Text),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("stream_id", Text),
    Column("reason", Text),
    Column("delete_recordings", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("terms", JSON, nullable=False, server_default="{}"),
    Index(None, "provider", "account", "stream_id"),
    Index(None, "provider", "account", "state"),
)
"""The entries; one in the state ``creating`` is an intent.

A stream id need not be unique: a platform may give the id of what has ended to another.
"""

idempotency_keys: Final = Table(
    "idempotency_keys",
    METADATA,
    Column("provider", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("marker", ForeignKey(live_streams.c.marker), nullable=False),
    PrimaryKeyConstraint("provider", "account", "key"),
)
"""Which entry a host's own word for a creation stands for."""

pacers: Final = Table(
    "pacers",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("next_slot", Double, nullable=False),
    Column("granted", Double, nullable=False),
    Column("shifted", Double, nullable=False),
    Column("paused_until", Double, nullable=False),
    Column("as_of", Double, nullable=False),
    Column("waiting", Integer, nullable=False),
)
"""The states of the shared pacers, as `headend.calls.pacing.PacerState` has them.

Times are seconds since 1970.
"""

events: Final = Table(
    "events",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("provider", Text),
    Column("account", Text),
    Column("stream_id", Text),
    Column("channel_id", Text),
    Column("caused_by", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    UniqueConstraint("key"),
    Index(None, "occurred_at"),
    Index(None, "kind", "number"),
    Index(None, "stream_id", "number"),
)
"""The journal; see `headend.ledger.journal.LedgerEvent`."""

deliveries: Final = Table(
    "deliveries",
    METADATA,
    Column("number", ForeignKey(events.c.number), primary_key=True, autoincrement=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
)
"""Events that are yet to be told to somebody outside; see `headend.ledger.deliveries`."""

observed: Final = Table(
    "observed",
    METADATA,
    Column("id", Number, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("channel_id", Text),
    Column("name", Text),
    Column("at", UtcDateTime),
    Column("state", String(16)),
    Column("state_at", UtcDateTime),
    Column("live_since", UtcDateTime),
    Column("viewer_count", Number),
    Column("current_bitrate", Number),
    Column("peak_viewers", Number),
    Column("platform_peak", Number),
    Column("total_watch_time", Double),
    Column("watched_at", UtcDateTime),
    Column("sessions_as_of", UtcDateTime),
    Column("recordings_as_of", UtcDateTime),
    UniqueConstraint("provider", "account", "stream_id"),
    Index(None, "at"),
    Index(None, "live_since"),
)
"""How live streams were seen last; see `headend.ledger.usage.LastSeen`.

One with no time in ``at`` was never observed, and is here for its sessions or recordings.
"""

samples: Final = Table(
    "samples",
    METADATA,
    Column("at", UtcDateTime, nullable=False),
    Column("observed_id", ForeignKey(observed.c.id), nullable=False),
    Column("state", String(16)),
    Column("viewer_count", Number),
    Column("current_bitrate", Number),
    Column("peak_viewers", Number),
    Column("total_watch_time", Double),
    PrimaryKeyConstraint("at", "observed_id"),
)
"""Observations of what was live, of the last hundred days."""

usage: Final = Table(
    "usage",
    METADATA,
    Column("start", UtcDateTime, nullable=False),
    Column("observed_id", ForeignKey(observed.c.id), nullable=False),
    Column("live_seconds", Double, nullable=False),
    Column("uncounted_seconds", Double, nullable=False),
    Column("viewer_seconds", Double),
    Column("watch_seconds", Double),
    Column("ingest_bytes", Double),
    Column("delivered_bytes", Double),
    Column("peak_viewers", Number),
    Column("platform_peak", Number),
    PrimaryKeyConstraint("start", "observed_id"),
)
"""What was used by quarters of an hour; see `headend.ledger.usage.UsageSlot`."""

sessions: Final = Table(
    "sessions",
    METADATA,
    Column("observed_id", ForeignKey(observed.c.id), nullable=False),
    Column("session_id", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("height", Number),
    Column("frame_rate", Double),
    Column("reach", Integer, nullable=False),
    PrimaryKeyConstraint("observed_id", "session_id"),
    Index(None, "reach", "started_at"),
)
"""Broadcasts by the platform's word.

Here and below ``reach`` finds those of which some part is in a period without looking at all
others: it is the least number for which the time from beginning to end is at most 2 to the power
of it in days, and `OPEN` where there is no end.  See `headend.ledger.sql_usage`.
"""

recordings: Final = Table(
    "recordings",
    METADATA,
    Column("observed_id", ForeignKey(observed.c.id), nullable=False),
    Column("recording_id", Text, nullable=False),
    Column("seconds", Double),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("reach", Integer, nullable=False),
    PrimaryKeyConstraint("observed_id", "recording_id"),
    Index(None, "reach", "since"),
    Index(None, "recording_id"),
)
"""Recordings, and for how long they were kept."""

unseen: Final = Table(
    "unseen",
    METADATA,
    Column("observed_id", ForeignKey(observed.c.id), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("reach", Integer, nullable=False),
    PrimaryKeyConstraint("observed_id", "since"),
    Index(None, "reach", "since"),
)
"""Times in which nobody looked at what was live before them."""

schema_version: Final = Table(
    "headend_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="headend_version_pkc"),
)
"""Alembic's own table, under a name that a host's migrations in the same database do not use."""
