"""Scan credits: one counter per account and month, and one ledger line per scan that took one.

The counter changes by conditional UPDATE, so however many submissions run at once, none takes more than the limit.
"""

from __future__ import annotations

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import credit_ledger as _ledger
from secrecon.store.tables import credit_usage as _usage


async def used(tx: Reading, account_id: int, month: str) -> int:
    """How many credits the account has used in `month` (`2026-11`)."""
    query = sa.select(_usage.c.used).where(_usage.c.account_id == account_id, _usage.c.month == month)
    return int((await tx.connection.execute(query)).scalar_one_or_none() or 0)


async def take(tx: Transaction, account_id: int, scan_id: str, month: str, limit: int | None, at: float) -> bool:
    """Take one credit for a scan; False, and nothing changed, where `limit` of them are used already."""
    first = tx.insert(_usage).values(account_id=account_id, month=month, used=0)
    await tx.connection.execute(first.on_conflict_do_nothing(index_elements=["account_id", "month"]))
    change = sa.update(_usage).where(_usage.c.account_id == account_id, _usage.c.month == month)
    if limit is not None:
        change = change.where(_usage.c.used < limit)
    if (await tx.connection.execute(change.values(used=_usage.c.used + 1))).rowcount != 1:
        return False
    await tx.connection.execute(
        sa.insert(_ledger).values(scan_id=scan_id, account_id=account_id, month=month, taken=at)
    )
    return True


async def give_back(tx: Transaction, scan_id: str, at: float) -> bool:
    """Return a scan's credit to the month it was taken from; False where it has none or got it back before."""
    mark = (
        sa.update(_ledger)
        .where(_ledger.c.scan_id == scan_id, _ledger.c.refunded.is_(None))
        .values(refunded=at)
        .returning(_ledger.c.account_id, _ledger.c.month)
    )
    row = (await tx.connection.execute(mark)).one_or_none()
    if row is None:
        return False
    ours = sa.and_(_usage.c.account_id == row.account_id, _usage.c.month == row.month)
    await tx.connection.execute(sa.update(_usage).where(ours).values(used=_usage.c.used - 1))
    return True
