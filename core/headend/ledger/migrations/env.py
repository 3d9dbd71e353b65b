"""What Alembic runs: the scripts, on the connection and in the transaction that it was given."""

from __future__ import annotations

from alembic import context

from headend.ledger.schema import METADATA, schema_version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=schema_version.name,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
