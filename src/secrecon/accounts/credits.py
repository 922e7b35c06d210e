"""Scan credits by calendar month, UTC. Taking one belongs into the transaction that stores the scan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from secrecon.accounts.plans import Plan
from secrecon.model.errors import Exhausted
from secrecon.net.clock import Clock
from secrecon.store import credits as stored
from secrecon.store.database import Reading, Transaction


@dataclass(frozen=True, slots=True)
class Balance:
    """`limit` and `remaining`: None where the plan has no limit. `resets_at`: when the next month begins."""

    plan: str
    limit: int | None
    used: int
    remaining: int | None
    resets_at: float


def month_of(at: float) -> str:
    """The calendar month that `at` lies in, as `2026-11`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def next_month(at: float) -> float:
    """When the month after the one of `at` begins."""
    moment = datetime.fromtimestamp(at, UTC)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()


async def balance(tx: Reading, clock: Clock, account_id: int, plan: Plan) -> Balance:
    """What the account has used and has left this month."""
    now = clock.now()
    used = await stored.used(tx, account_id, month_of(now))
    remaining = None if plan.scans is None else max(plan.scans - used, 0)
    return Balance(plan.name, plan.scans, used, remaining, next_month(now))


async def take_credit(tx: Transaction, clock: Clock, account_id: int, plan: Plan, scan_id: str) -> None:
    """Take one credit for a scan. Raises Exhausted, with the reset date, where none is left."""
    now = clock.now()
    if await stored.take(tx, account_id, scan_id, month_of(now), plan.scans, now):
        return
    resets = next_month(now)
    date = datetime.fromtimestamp(resets, UTC).strftime("%Y-%m-%d")
    raise Exhausted(
        f"no scan credit is left this month (the {plan.name} plan has {plan.scans}); the next ones come on {date} (UTC)",
        retry_after=max(math.ceil(resets - now), 1),
    )


async def give_back_credit(tx: Transaction, clock: Clock, scan_id: str) -> bool:
    """Return the credit of a scan that failed through our own fault; False where that was done before."""
    return await stored.give_back(tx, scan_id, clock.now())
