"""Counters that slow guessers down: misses per client, failed sign-ins per address. Keys are stored as digests."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import digest
from secrecon.store.tables import throttle as _throttle


@dataclass(frozen=True, slots=True)
class Count:
    """`hits` events since the window opened; the window closes at `until`."""

    hits: int
    until: float


async def read(tx: Reading, bucket: str, key: str, now: float) -> Count:
    """How often `add` was called in the window that is open now."""
    query = sa.select(_throttle.c.hits, _throttle.c.until).where(
        _throttle.c.bucket == bucket, _throttle.c.key_digest == digest(key), _throttle.c.until > now
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return Count(0, now) if row is None else Count(row.hits, row.until)


async def add(tx: Transaction, bucket: str, key: str, now: float, window: float) -> Count:
    """Count one event; a window of `window` seconds opens with the first."""
    statement = tx.insert(_throttle).values(bucket=bucket, key_digest=digest(key), hits=1, until=now + window)
    over = _throttle.c.until <= now
    result = await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["bucket", "key_digest"],
            set_={
                "hits": sa.case((over, 1), else_=_throttle.c.hits + 1),
                "until": sa.case((over, now + window), else_=_throttle.c.until),
            },
        ).returning(_throttle.c.hits, _throttle.c.until)
    )
    row = result.one()
    return Count(row.hits, row.until)


async def take_back(tx: Transaction, bucket: str, key: str) -> None:
    """Forget one event of one key."""
    ours = sa.and_(_throttle.c.bucket == bucket, _throttle.c.key_digest == digest(key), _throttle.c.hits > 0)
    await tx.connection.execute(sa.update(_throttle).where(ours).values(hits=_throttle.c.hits - 1))


async def clear(tx: Transaction, bucket: str, key: str) -> None:
    """Forget the events of one key."""
    ours = sa.and_(_throttle.c.bucket == bucket, _throttle.c.key_digest == digest(key))
    await tx.connection.execute(sa.delete(_throttle).where(ours))


async def sweep(tx: Transaction, now: float) -> int:
    """Forget windows that are over; how many there were."""
    return (await tx.connection.execute(sa.delete(_throttle).where(_throttle.c.until <= now))).rowcount
