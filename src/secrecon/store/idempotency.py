"""Answers given under an Idempotency-Key, kept so that the same request gets the same answer and costs once."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import digest
from secrecon.store.tables import idempotency as _kept


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`body_digest`: of the request that got `answer` (JSON text)."""

    body_digest: str
    answer: str
    created: float


async def claim(
    tx: Transaction, account_id: int, key: str, body_digest: str, answer: str, *, at: float, since: float
) -> KeptAnswer | None:
    """Keep `answer` under the key. Where an answer younger than `since` is there already, that one, unchanged.

    Two transactions that claim one key at the same time wait for each other: exactly one gets None.
    """
    ours = sa.and_(_kept.c.account_id == account_id, _kept.c.key_digest == digest(key))
    await tx.connection.execute(sa.delete(_kept).where(ours, _kept.c.created < since))
    statement = tx.insert(_kept).values(
        account_id=account_id, key_digest=digest(key), body_digest=body_digest, answer=answer, created=at
    )
    result = await tx.connection.execute(
        statement.on_conflict_do_nothing(index_elements=["account_id", "key_digest"])
    )
    if result.rowcount == 1:
        return None
    return await find(tx, account_id, key, since)


async def find(tx: Reading, account_id: int, key: str, since: float) -> KeptAnswer | None:
    """The answer kept under the key, where it is no older than `since`."""
    query = sa.select(_kept).where(
        _kept.c.account_id == account_id, _kept.c.key_digest == digest(key), _kept.c.created >= since
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else KeptAnswer(row.body_digest, row.answer, row.created)


async def remove_old(tx: Transaction, before: float) -> int:
    """Forget answers older than `before`; how many there were."""
    return (await tx.connection.execute(sa.delete(_kept).where(_kept.c.created < before))).rowcount
