"""Bringing a database to the tables of this version: a new one, an old one, never a newer one."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, inspect, select

from headend.errors import LedgerError
from headend.ledger.schema import METADATA, VERSION, ledger, schema_version

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from headend.ledger.database import Database

SCRIPTS: Final = "headend.ledger:migrations"
"""Where the migrations are, as Alembic writes it."""

_alembic = Lock()
"""Alembic keeps what it works on in a global."""


def bring_up(database: Database, *, new_id: str, now: datetime) -> str:
    """Make database and tables, or bring those of an older version up to date; return the id.

    Of several processes that do this at once, one does it and the others wait.

    Args:
        database: where they are to be.
        new_id: the id of the ledger if it is made now.
        now: the present.

    Raises:
        LedgerError: the database cannot be used, is newer than this version, or of something else.
    """
    database.make()
    # A transaction that could write, so that what cannot be written is found out now.
    with database.write() as connection:
        if _version(connection) == VERSION:
            return read_id(connection, database)
    with database.change_schema() as connection:
        version = _version(connection)
        if version is None:
            _create(connection, database, new_id=new_id, now=now)
        elif version < VERSION:
            _migrate(connection)
        elif version > VERSION:
            raise LedgerError(
                f"the ledger {database.location} has the schema {version}, and this headend knows "
                f"it up to {VERSION}; upgrade headend, or name another ledger in "
                "HEADEND_DATABASE_URL",
                ledger=database.location,
            )
        return read_id(connection, database)


def _names(connection: Connection) -> set[str]:
    """Return what has a name in the schema in which tables are made."""
    schema = connection.dialect.default_schema_name
    there = inspect(connection)
    return {*there.get_table_names(schema), *there.get_view_names(schema)}


def _version(connection: Connection) -> str | None:
    if schema_version.name not in _names(connection):
        return None
    version: str | None = connection.scalars(select(schema_version.c.version_num)).first()
    return version


def read_id(connection: Connection, database: Database) -> str:
    """Return the ledger's id, in a transaction that writes; find out whether it could.

    Raises:
        LedgerError: the database may only be read, or it has no id.
    """
    # Locking a row is writing to it, and others may lock it so as well.
    query = select(ledger.c.id).with_for_update(read=True, key_share=True)
    found = connection.scalars(query).all()
    if len(found) != 1:
        raise LedgerError(
            f"the ledger {database.location} has {len(found)} ids where it should have one; "
            "restore it from a backup",
            ledger=database.location,
        )
    return str(found[0])


def _create(connection: Connection, database: Database, *, new_id: str, now: datetime) -> None:
    taken = METADATA.tables.keys() & _names(connection)
    if taken:
        raise LedgerError(
            f"the database {database.location} has tables of something else that headend needs "
            f"the names of: {', '.join(sorted(taken))}; name another one in HEADEND_DATABASE_URL",
            ledger=database.location,
        )
    METADATA.create_all(connection, checkfirst=False)
    schema_version.create(connection)
    connection.execute(insert(schema_version).values(version_num=VERSION))
    connection.execute(insert(ledger).values(id=new_id, created_at=now))


def _migrate(connection: Connection) -> None:
    from alembic.command import upgrade
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", SCRIPTS)
    with _alembic:
        upgrade(config, VERSION)
