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
    """Make file and tables, or bring those of an older version up to date; return the id.

    Of several processes that do this at once, one does it and the others wait.

    Args:
        database: where they are to be.
        new_id: the id of the ledger if it is made now.
        now: the present.

    Raises:
        LedgerError: the file cannot be used, is newer than this version, or of something else.
    """
    database.make_file()
    # A transaction that could write, so that what cannot be written is found out now.
    with database.write() as connection:
        if _version(connection) == VERSION:
            return _id(connection, database)
    with database.change_schema() as connection:
        version = _version(connection)
        if version is None:
            _create(connection, database, new_id=new_id, now=now)
        elif version < VERSION:
            _migrate(connection)
        elif version > VERSION:
            raise LedgerError(
                f"the ledger {database.location} has the schema {version}, and this headend knows "
                f"it up to {VERSION}; upgrade headend, or name another file in "
                "HEADEND_DATABASE_URL",
                ledger=database.location,
            )
        return _id(connection, database)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(schema_version.name):
        return None
    version: str | None = connection.scalars(select(schema_version.c.version_num)).first()
    return version


def _id(connection: Connection, database: Database) -> str:
    found = connection.scalars(select(ledger.c.id)).all()
    if len(found) != 1:
        raise LedgerError(
            f"the ledger {database.location} has {len(found)} ids where it should have one; "
            "restore it from a backup",
            ledger=database.location,
        )
    return str(found[0])


def _create(connection: Connection, database: Database, *, new_id: str, now: datetime) -> None:
    taken = METADATA.tables.keys() & set(inspect(connection).get_table_names())
    if taken:
        raise LedgerError(
            f"the database {database.location} has tables of something else that headend needs "
            f"the names of: {', '.join(sorted(taken))}; name another file in HEADEND_DATABASE_URL",
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
