"""Events, and what was seen of live streams; the terms of a creation on which its price depends.

A script describes the tables as they were then, so it uses nothing of `headend.ledger.schema`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them."""
    op.add_column("ledger", sa.Column("last_event", _NUMBER, nullable=False, server_default="0"))
    op.add_column("live_streams", sa.Column("terms", sa.JSON, nullable=False, server_default="{}"))
    _add_events()
    _add_observed()
    _add_usage()
    _add_spans()


def _add_events() -> None:
    op.create_table(
        "events",
        sa.Column("number", _NUMBER, nullable=False, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("occurred_at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("account", sa.Text),
        sa.Column("stream_id", sa.Text),
        sa.Column("channel_id", sa.Text),
        sa.Column("caused_by", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        sa.UniqueConstraint("key", name="uq_events_key"),
    )
    op.create_index("ix_events_occurred_at", "events", ["occurred_at"])
    op.create_index("ix_events_kind_number", "events", ["kind", "number"])
    op.create_index("ix_events_stream_id_number", "events", ["stream_id", "number"])
    op.create_table(
        "deliveries",
        sa.Column("number", _NUMBER, nullable=False, autoincrement=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["events.number"], name="fk_deliveries_number"),
        sa.PrimaryKeyConstraint("number", name="pk_deliveries"),
    )


def _add_observed() -> None:
    op.create_table(
        "observed",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("at", _TIME),
        sa.Column("state", sa.String(16)),
        sa.Column("state_at", _TIME),
        sa.Column("live_since", _TIME),
        sa.Column("viewer_count", _NUMBER),
        sa.Column("current_bitrate", _NUMBER),
        sa.Column("peak_viewers", _NUMBER),
        sa.Column("platform_peak", _NUMBER),
        sa.Column("total_watch_time", sa.Double),
        sa.Column("watched_at", _TIME),
        sa.Column("sessions_as_of", _TIME),
        sa.Column("recordings_as_of", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_observed"),
        sa.UniqueConstraint(
            "provider", "account", "stream_id", name="uq_observed_provider_account_stream_id"
        ),
    )
    op.create_index("ix_observed_at", "observed", ["at"])
    op.create_index("ix_observed_live_since", "observed", ["live_since"])


def _observed_id(table: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return (
        sa.Column("observed_id", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["observed_id"], ["observed.id"], name=f"fk_{table}_observed_id"),
    )


def _add_usage() -> None:
    op.create_table(
        "samples",
        sa.Column("at", _TIME, nullable=False),
        *_observed_id("samples"),
        sa.Column("state", sa.String(16)),
        sa.Column("viewer_count", _NUMBER),
        sa.Column("current_bitrate", _NUMBER),
        sa.Column("peak_viewers", _NUMBER),
        sa.Column("total_watch_time", sa.Double),
        sa.PrimaryKeyConstraint("at", "observed_id", name="pk_samples"),
    )
    op.create_table(
        "usage",
        sa.Column("start", _TIME, nullable=False),
        *_observed_id("usage"),
        sa.Column("live_seconds", sa.Double, nullable=False),
        sa.Column("uncounted_seconds", sa.Double, nullable=False),
        sa.Column("viewer_seconds", sa.Double),
        sa.Column("watch_seconds", sa.Double),
        sa.Column("ingest_bytes", sa.Double),
        sa.Column("delivered_bytes", sa.Double),
        sa.Column("peak_viewers", _NUMBER),
        sa.Column("platform_peak", _NUMBER),
        sa.PrimaryKeyConstraint("start", "observed_id", name="pk_usage"),
    )


def _add_spans() -> None:
    op.create_table(
        "sessions",
        *_observed_id("sessions"),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("height", _NUMBER),
        sa.Column("frame_rate", sa.Double),
        sa.Column("reach", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("observed_id", "session_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_reach_started_at", "sessions", ["reach", "started_at"])
    op.create_table(
        "recordings",
        *_observed_id("recordings"),
        sa.Column("recording_id", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME),
        sa.Column("reach", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("observed_id", "recording_id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_reach_since", "recordings", ["reach", "since"])
    op.create_index("ix_recordings_recording_id", "recordings", ["recording_id"])
    op.create_table(
        "unseen",
        *_observed_id("unseen"),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("reach", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("observed_id", "since", name="pk_unseen"),
    )
    op.create_index("ix_unseen_reach_since", "unseen", ["reach", "since"])
