"""API keys. Only a key's sha256 is stored; its `prefix` is for people to tell keys apart."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import api_key as _key
from secrecon.store.tables import storable


@dataclass(frozen=True, slots=True)
class StoredKey:
    """`expires`, `last_used`, `revoked`: None for never."""

    id: int
    account_id: int
    user_id: int
    name: str
    prefix: str
    created: float
    expires: float | None
    last_used: float | None
    revoked: float | None


async def add(
    tx: Transaction,
    *,
    account_id: int,
    user_id: int,
    key_hash: str,
    name: str,
    prefix: str,
    at: float,
    expires: float | None,
) -> int:
    """A new key's id."""
    statement = (
        sa.insert(_key)
        .values(
            account_id=account_id,
            user_id=user_id,
            key_hash=key_hash,
            name=name,
            prefix=prefix,
            created=at,
            expires=expires,
        )
        .returning(_key.c.id)
    )
    return int((await tx.connection.execute(statement)).scalar_one())


async def by_hash(tx: Reading, key_hash: str) -> StoredKey | None:
    row = (await tx.connection.execute(sa.select(_key).where(_key.c.key_hash == key_hash))).one_or_none()
    return None if row is None else _read(row)


async def list_of(tx: Reading, account_id: int) -> tuple[StoredKey, ...]:
    """The account's keys, revoked ones included, newest first."""
    query = sa.select(_key).where(_key.c.account_id == account_id).order_by(_key.c.id.desc())
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def touch(tx: Transaction, key_id: int, at: float) -> None:
    """Note that the key was used."""
    await tx.connection.execute(sa.update(_key).where(_key.c.id == key_id).values(last_used=at))


async def revoke(tx: Transaction, account_id: int, key_id: int, at: float) -> bool:
    """Revoke a key of the account; False where there is no such key. A revoked key keeps its first date."""
    ours = sa.and_(_key.c.id == storable(key_id), _key.c.account_id == account_id)
    change = sa.update(_key).where(ours).values(revoked=sa.func.coalesce(_key.c.revoked, at))
    return (await tx.connection.execute(change)).rowcount == 1


def _read(row: sa.Row[tuple[object, ...]]) -> StoredKey:
    return StoredKey(
        row.id,
        row.account_id,
        row.user_id,
        row.name,
        row.prefix,
        row.created,
        row.expires,
        row.last_used,
        row.revoked,
    )
