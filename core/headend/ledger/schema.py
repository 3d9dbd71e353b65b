"""The tables of the ledger.

None has a place for a stream key, a token or an address with one of them in it.  Whoever changes
a table adds a script to ``migrations/versions`` and counts `VERSION` up; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
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
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

VERSION: Final = "0001"
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
)
"""One row: the ledger's own name, which is part of every marker."""

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

schema_version: Final = Table(
    "headend_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="headend_version_pkc"),
)
"""Alembic's own table, under a name that a host's migrations in the same database do not use."""
