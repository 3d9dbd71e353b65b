"""The first tables: intents and live streams, idempotency keys, shared pacers.

A script describes the tables as they were then, so it uses nothing of `headend.ledger.schema`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
    )
    op.create_table(
        "live_streams",
        sa.Column("marker", sa.String(128), nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stream_id", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("delete_recordings", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("marker", name="pk_live_streams"),
    )
    for column in ("stream_id", "state"):
        op.create_index(
            f"ix_live_streams_provider_account_{column}",
            "live_streams",
            ["provider", "account", column],
        )
    op.create_table(
        "idempotency_keys",
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("marker", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(
            ["marker"], ["live_streams.marker"], name="fk_idempotency_keys_marker"
        ),
        sa.PrimaryKeyConstraint("provider", "account", "key", name="pk_idempotency_keys"),
    )
    op.create_table(
        "pacers",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("next_slot", sa.Double, nullable=False),
        sa.Column("granted", sa.Double, nullable=False),
        sa.Column("shifted", sa.Double, nullable=False),
        sa.Column("paused_until", sa.Double, nullable=False),
        sa.Column("as_of", sa.Double, nullable=False),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_pacers"),
    )
