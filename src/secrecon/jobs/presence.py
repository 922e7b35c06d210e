"""Who is alive: how workers on one PostgreSQL server learn that another worker died, so that its scans can go on here.

Each worker holds an advisory lock of its executor id on a connection of its own. The server lets go of the lock when
that connection ends, however it ends; TCP keep-alives make it notice a machine that vanished. Who gets the lock of
another executor knows that it is dead, and holds it while requeueing, so that two rescuers never do the same work.
A worker that was cut off and is not dead cannot do harm: its rounds are fenced by the unique chunk.

On SQLite there is one worker, and its data folder's lock (home.py) is proof enough.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock
from secrecon.store import faults
from secrecon.store.database import Database

_KEEP_ALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}


TRIES = 5
PAUSE = 0.4


class Presence:
    """This worker's sign of life, from `begin` to `end`."""

    def __init__(self, db: Database, executor_id: str, clock: Clock) -> None:
        self._url = db.url
        self._clock = clock
        self._executor_id = executor_id
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None

    async def begin(self) -> None:
        """Show that this executor lives. Raises OperatorError where another process does so with the same id."""
        if self._url.get_backend_name() == "sqlite":
            return
        self._engine = create_async_engine(
            self._url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "timeout": 10.0,
                "server_settings": {"application_name": "secrecon worker", **_KEEP_ALIVE},
            },
        )
        await self._connect()

    async def end(self) -> None:
        """Show it no more."""
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                await self._connection.close()
            self._connection = None
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    async def renew(self) -> None:
        """Make sure that the connection stands; show life again where it broke. Raises OperatorError."""
        if self._engine is None:
            return
        connection = self._connection
        if connection is not None:
            try:
                await connection.execute(sa.select(1))
            except DBAPIError:
                self._connection = None
                await connection.invalidate()
                await connection.close()
        if self._connection is None:
            await self._connect()

    @contextlib.asynccontextmanager
    async def seize(self, executor_id: str) -> AsyncIterator[bool]:
        """Whether another executor is dead; where it is, no other worker can find so until the block ends."""
        if self._connection is None:
            yield self._engine is None  # SQLite: another id in the queue is one that this folder had before
            return
        with faults.told(self._url):
            dead = await self._lock(self._connection, executor_id)
        try:
            yield dead
        finally:
            if dead:
                with faults.told(self._url):
                    unlock = sa.select(sa.func.pg_advisory_unlock(_key(executor_id)))
                    await self._connection.execute(unlock)

    async def _connect(self) -> None:
        if self._engine is None:
            return
        with faults.told(self._url, connecting=True):
            connection = await self._engine.connect()
            for _ in range(TRIES):
                if await self._lock(connection, self._executor_id):
                    self._connection = connection
                    return
                await self._clock.sleep(PAUSE)  # whoever rescues our scans this moment has it for this moment only
            await connection.close()
        raise OperatorError(
            f"another worker with the id {self._executor_id} runs on this database: give each worker its own data"
            " folder, and never copy one"
        )

    async def _lock(self, connection: AsyncConnection, executor_id: str) -> bool:
        result = await connection.execute(sa.select(sa.func.pg_try_advisory_lock(_key(executor_id))))
        return bool(result.scalar_one())


def _key(executor_id: str) -> int:
    digest = hashlib.sha256(f"secrecon executor {executor_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
