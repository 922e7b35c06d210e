"""The migrations make exactly the tables of `tables.py`, and a schema we do not know is refused."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from secrecon.model.errors import OperatorError
from secrecon.store.database import Database
from secrecon.store.tables import METADATA


def _differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))


async def test_migrations_and_tables_agree(db: Database) -> None:
    async with db.reading() as tx:
        assert await tx.connection.run_sync(_differences) == []


async def test_migrating_again_changes_nothing(db: Database) -> None:
    await db.migrate()
    await db.check()


async def test_processes_that_migrate_at_once_all_succeed(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    try:
        await asyncio.gather(*(database.migrate() for database in databases))
        await databases[0].check()
    finally:
        for database in databases:
            await database.close()


async def test_an_empty_database_is_not_ready(database_url: str) -> None:
    database = Database(database_url)
    try:
        with pytest.raises(OperatorError, match="version none and this program needs"):
            await database.check()
    finally:
        await database.close()


async def test_a_newer_schema_is_refused(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r9999'"))
    with pytest.raises(OperatorError, match=r"r9999.*newer"):
        await db.check()
    with pytest.raises(OperatorError, match=r"r9999.*newer"):
        await db.migrate()
