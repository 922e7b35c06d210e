"""Who this installation is on a callback server elsewhere: one session per server, shared by all workers.

The private key and the secret are needed to read what the server hands out, so they are stored as they are: whoever can
read the database can read the callbacks in it anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import callback_identity as _identity
from secrecon.store.tables import digest


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """`heard`: when the server was last polled (epoch seconds), 0 where it never was."""

    correlation: str
    secret: str
    key: str
    heard: float


async def find(tx: Reading, server: str) -> StoredIdentity | None:
    """The identity on a server."""
    row = (
        await tx.connection.execute(sa.select(_identity).where(_identity.c.server_digest == digest(server)))
    ).one_or_none()
    return None if row is None else StoredIdentity(row.correlation, row.secret, row.key, row.heard)


async def add(tx: Transaction, server: str, identity: StoredIdentity, at: float) -> None:
    """Store an identity; one that another worker stored first stays."""
    statement = tx.insert(_identity).values(
        server_digest=digest(server),
        server=server,
        correlation=identity.correlation,
        secret=identity.secret,
        key=identity.key,
        created=at,
        heard=identity.heard,
    )
    await tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["server_digest"]))


async def heard(tx: Transaction, server: str, at: float) -> None:
    """Note when the server was last polled."""
    mine = (_identity.c.server_digest == digest(server)) & (_identity.c.heard < at)
    await tx.connection.execute(sa.update(_identity).where(mine).values(heard=at))
