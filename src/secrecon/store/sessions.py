"""Browser sessions. Only the sha256 of a session's token is stored, so a stolen database opens no session."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import session as _session


@dataclass(frozen=True, slots=True)
class StoredSession:
    """`csrf`: the token that every change asked for in this session must carry. `expires`: the absolute end."""

    token_hash: str
    user_id: int
    csrf: str
    created: float
    last_seen: float
    expires: float


async def add(tx: Transaction, session: StoredSession) -> None:
    await tx.connection.execute(
        sa.insert(_session).values(
            token_hash=session.token_hash,
            user_id=session.user_id,
            csrf=session.csrf,
            created=session.created,
            last_seen=session.last_seen,
            expires=session.expires,
        )
    )


async def find(tx: Reading, token_hash: str) -> StoredSession | None:
    query = sa.select(_session).where(_session.c.token_hash == token_hash)
    row = (await tx.connection.execute(query)).one_or_none()
    if row is None:
        return None
    return StoredSession(row.token_hash, row.user_id, row.csrf, row.created, row.last_seen, row.expires)


async def touch(tx: Transaction, token_hash: str, at: float) -> None:
    """Note that the session was used."""
    await tx.connection.execute(sa.update(_session).where(_session.c.token_hash == token_hash).values(last_seen=at))


async def remove(tx: Transaction, token_hash: str) -> None:
    await tx.connection.execute(sa.delete(_session).where(_session.c.token_hash == token_hash))


async def remove_all(tx: Transaction, user_id: int) -> None:
    """End every session of a user."""
    await tx.connection.execute(sa.delete(_session).where(_session.c.user_id == user_id))


async def remove_expired(tx: Transaction, now: float, idle_since: float) -> int:
    """Forget sessions past their end or unused since `idle_since`; how many there were."""
    old = sa.or_(_session.c.expires <= now, _session.c.last_seen < idle_since)
    return (await tx.connection.execute(sa.delete(_session).where(old))).rowcount
