"""Units of work are all or nothing, readers change nothing, and faults of the installation are told in clear words."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.databases import PostgresServer

from secrecon.model.errors import OperatorError
from secrecon.store import users
from secrecon.store.database import Database, sqlite_url
from secrecon.store.tables import account


async def accounts(db: Database) -> int:
    async with db.reading() as tx:
        return int((await tx.connection.execute(sa.select(sa.func.count()).select_from(account))).scalar_one())


async def test_a_transaction_that_raises_leaves_nothing(db: Database) -> None:
    with pytest.raises(OSError, match="mine"):
        async with db.transaction() as tx:
            await users.add_account(tx, "business", 1.0)
            raise OSError("mine")
    assert await accounts(db) == 0


async def test_writers_wait_for_each_other(db: Database) -> None:
    async def add() -> None:
        async with db.transaction() as tx:
            await users.add_account(tx, "business", 1.0)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(add() for _ in range(15)))
    assert await accounts(db) == 15


async def test_a_reader_sees_one_moment(db: Database) -> None:
    async with db.reading() as tx:
        count = sa.select(sa.func.count()).select_from(account)
        assert (await tx.connection.execute(count)).scalar_one() == 0
        async with db.transaction() as writer:
            await users.add_account(writer, "business", 1.0)
        assert (await tx.connection.execute(count)).scalar_one() == 0
    assert await accounts(db) == 1


async def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises((OperatorError, DBAPIError)):
        async with db.reading() as tx:
            await tx.connection.execute(sa.insert(account).values(plan="x", reports_need_key=False, created=1.0))
    assert await accounts(db) == 0


async def test_references_are_enforced(db: Database) -> None:
    with pytest.raises(IntegrityError):
        async with db.transaction() as tx:
            await users.add(tx, 77, "a@b.test", "hash", is_admin=False, at=1.0)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql+aiomysql://host/name", "only postgresql"),
        ("postgresql://user:secret@host/name", "only postgresql"),
        ("nonsense", "cannot be read"),
        ("sqlite+aiosqlite://", "must name a file"),
    ],
)
def test_other_databases_are_refused(url: str, message: str) -> None:
    with pytest.raises(OperatorError, match=message) as told:
        Database(url)
    assert "secret" not in str(told.value)


async def told(db: Database) -> str:
    try:
        with pytest.raises(OperatorError) as error:
            await db.migrate()
    finally:
        await db.close()
    return str(error.value)


async def test_a_locked_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "secrecon.db"
    db = Database(sqlite_url(file))
    await db.migrate()
    await db.close()
    other = sqlite3.connect(file)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert "is locked by another program" in await told(Database(sqlite_url(file), busy_seconds=0.1))
    finally:
        other.close()


async def test_a_writer_that_keeps_the_others_waiting_is_told(tmp_path: Path) -> None:
    db = Database(sqlite_url(tmp_path / "secrecon.db"), busy_seconds=0.1)
    await db.migrate()
    try:
        async with db.transaction() as tx:
            await users.add_account(tx, "business", 1.0)
            with pytest.raises(OperatorError, match="was busy for more than"):
                async with db.transaction():
                    pass
        async with db.transaction() as tx:
            await users.add_account(tx, "business", 1.0)
        assert await accounts(db) == 2
    finally:
        await db.close()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "secrecon.db").write_bytes(b"not a database at all " * 100)
    assert "is not a SQLite database" in await told(Database(sqlite_url(tmp_path / "secrecon.db")))


async def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    assert "cannot be opened" in await told(Database(sqlite_url(tmp_path / "none" / "secrecon.db")))


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    db = Database(sqlite_url(tmp_path / "secrecon.db"))
    await db.migrate()
    try:
        with pytest.raises(OperatorError, match="is full: free space"):
            async with db.transaction() as tx:
                pages = (await tx.connection.execute(sa.text("PRAGMA page_count"))).scalar_one()
                await tx.connection.execute(sa.text(f"PRAGMA max_page_count={pages}"))
                for _ in range(2000):
                    await users.add_account(tx, "business" * 8, 1.0)
        assert await accounts(db) == 0
    finally:
        await db.close()


async def test_a_read_only_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "secrecon.db"
    db = Database(sqlite_url(file))
    await db.migrate()
    await db.close()
    read_only = Database(sqlite_url(file))
    try:
        with pytest.raises(OperatorError, match="read-only"):
            async with read_only.transaction() as tx:
                await tx.connection.execute(sa.text("PRAGMA query_only=ON"))
                await users.add_account(tx, "business", 1.0)
    finally:
        await read_only.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
async def test_a_folder_without_rights_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert "cannot be opened" in await told(Database(sqlite_url(folder / "secrecon.db")))


@pytest.mark.postgres
async def test_a_server_that_is_not_there_is_told(postgres_server: PostgresServer) -> None:
    url = "postgresql+asyncpg://postgres:secret@127.0.0.1:1/none"
    message = await told(Database(url))
    assert "127.0.0.1:1 (database none) cannot be reached" in message
    assert "secret" not in message


@pytest.mark.postgres
async def test_a_database_that_is_not_there_is_told(postgres_server: PostgresServer) -> None:
    assert "has no such database" in await told(Database(postgres_server.url("nowhere")))


@pytest.mark.postgres
async def test_a_user_that_is_not_there_is_told(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("postgres").replace("postgres@", "stranger@")
    assert "refused the user" in await told(Database(url))


@pytest.mark.postgres
async def test_a_broken_connection_is_told_and_the_next_one_works(postgres_url: str) -> None:
    db = Database(postgres_url)
    await db.migrate()
    try:
        with pytest.raises(OperatorError, match=r"shutting down|cannot be reached"):
            async with db.transaction() as tx:
                pid = sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid()))
                await tx.connection.execute(pid)
                await users.add_account(tx, "business", 1.0)
        assert await accounts(db) == 0
    finally:
        await db.close()


async def test_a_file_that_is_taken_away_is_told_and_may_come_back(tmp_path: Path) -> None:
    file, aside = tmp_path / "secrecon.db", tmp_path / "aside.db"
    db = Database(sqlite_url(file))
    await db.migrate()
    file.rename(aside)
    with pytest.raises(OperatorError, match="moved, deleted or replaced"):
        await db.check()
    aside.rename(file)
    assert await accounts(db) == 0
    await db.close()


async def test_nothing_is_written_to_a_file_that_was_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secrecon.db"
    db = Database(sqlite_url(file))
    await db.migrate()
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes())
    copy.replace(file)
    with pytest.raises(OperatorError, match="moved, deleted or replaced"):
        async with db.transaction() as tx:
            await users.add_account(tx, "business", 1.0)
    await db.close()
