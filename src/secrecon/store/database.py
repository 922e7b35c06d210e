"""The way to the database: one engine, two kinds of unit of work, and clear words for what can go wrong with it.

`Reading` sees one consistent snapshot and cannot change anything; `Transaction` may write and is all or nothing. On
SQLite a writing transaction takes the write lock at its start (BEGIN IMMEDIATE), so it never fails half-way for
another writer. An engine belongs to the event loop that first used it: make one `Database` per loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from secrecon.model.errors import OperatorError
from secrecon.store import faults, schema

BUSY_SECONDS = 15.0
CONNECT_SECONDS = 10.0
POOL_SIZE = 10
_WRITES = "secrecon_writes"


class Reading:
    """One consistent snapshot of the database."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection


class Transaction(Reading):
    """A unit of work: every change in it is kept together, or none is."""

    @property
    def is_sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, in the dialect at hand."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)


class Database:
    """A SQLite file (`sqlite+aiosqlite:////path`) or a PostgreSQL server (`postgresql+asyncpg://...`).

    `busy_seconds`: how long a SQLite writer waits for another before it gives up with an OperatorError.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = _checked(url)
        self._busy = busy_seconds
        self._opened: tuple[int, int] | None = None
        self._writer = asyncio.Lock()
        self._engine = self._make_engine()

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return Path(self.url.database or "") if self.is_sqlite else None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A writing unit of work: committed at the end of the block, rolled back when the block raises."""
        async with self._turn(), self._connected({_WRITES: True}) as connection:
            yield Transaction(connection)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """A snapshot to read from."""
        snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        async with self._connected(snapshot) as connection:
            yield Reading(connection)

    async def migrate(self) -> None:
        """Bring the schema up to this version's. Safe to call at every start, from several processes at once."""
        async with self._connected({_WRITES: True}) as connection:
            await connection.run_sync(schema.migrate)

    async def check(self) -> None:
        """Raise OperatorError where the database cannot be reached or its schema is not this version's."""
        async with self.reading() as tx:
            await tx.connection.run_sync(schema.check)

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _connected(self, options: Mapping[str, object]) -> AsyncIterator[AsyncConnection]:
        async with contextlib.AsyncExitStack() as stack:
            with faults.told(self.url, connecting=True):
                await self._open_file()
                connection = await stack.enter_async_context(self._engine.connect())
                await connection.execution_options(**options)
            with faults.told(self.url):
                async with connection.begin():
                    yield connection

    def _make_engine(self) -> AsyncEngine:
        if not self.is_sqlite:
            return create_async_engine(
                self.url,
                pool_size=POOL_SIZE,
                max_overflow=POOL_SIZE,
                pool_pre_ping=True,
                connect_args={"timeout": CONNECT_SECONDS, "server_settings": {"application_name": "secrecon"}},
            )
        engine = create_async_engine(self.url, connect_args={"timeout": self._busy})
        sa.event.listen(engine.sync_engine, "connect", self._prepare)
        sa.event.listen(engine.sync_engine, "begin", _begin)
        return engine

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """On SQLite this process's writers take turns in the order they came, instead of trying again and again."""
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self._busy):
                await self._writer.acquire()
        except TimeoutError as error:
            raise OperatorError(
                f"{faults.name(self.url)} was busy for more than {self._busy:.0f} s: look at the disk, or run fewer"
                " scans at once"
            ) from error
        try:
            yield
        finally:
            self._writer.release()

    async def _open_file(self) -> None:
        """Before the pool's first connection: see that the file can be used, and put it into WAL mode for good.

        Before every later one: see that it is still that file. Connections that are open would go on with one that was
        moved away or deleted, and everything written to it would be lost.
        """
        if self.file is None:
            return
        if self._opened is None:
            await asyncio.to_thread(_set_wal, self.file, self._busy)
            self._opened = _identity(self.file)
        elif _identity(self.file) != self._opened:
            raise OperatorError(
                f"{faults.name(self.url)} was moved, deleted or replaced while this program had it open: put it back,"
                " or end every SecRecon process before it is replaced"
            )

    def _prepare(self, connection: sa.engine.interfaces.DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # BEGIN is ours to send: see _begin
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(self._busy * 1000)}")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite database in `file`."""
    return f"sqlite+aiosqlite:///{file.resolve()}"


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _set_wal(file: Path, busy_seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=busy_seconds)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _checked(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise OperatorError(
            "the database URL cannot be read: write it as postgresql+asyncpg://user:password@host/name"
        ) from error
    if url.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise OperatorError(
            f"the database URL begins with {url.drivername}://: only postgresql+asyncpg:// and sqlite+aiosqlite:/// work"
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise OperatorError("the SQLite URL must name a file: the server and its workers share it")
    return url
