"""Limits on guessing: sign-ins and report numbers. Counted in the database, so that all processes share one count.

Counting answers with the refusal instead of raising it, because raising would roll the count back: commit, then raise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from secrecon.model.errors import Exhausted
from secrecon.net.clock import Clock
from secrecon.store import throttle
from secrecon.store.database import Reading, Transaction
from secrecon.store.throttle import Count


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` events per `window` seconds and key. `what`: the words of the refusal."""

    bucket: str
    most: int
    window: float
    what: str


SIGN_IN_BY_CLIENT = Limit("sign-in-client", 20, 900.0, "too many sign-ins were tried from this address")
SIGN_IN_BY_EMAIL = Limit("sign-in-email", 50, 3600.0, "too many sign-ins were tried for this email")
KEY_MISS = Limit("key-miss", 60, 600.0, "too many unknown API keys came from this address")
REPORT_MISS = Limit("report-miss", 20, 600.0, "too many reports that do not exist were asked for from this address")


async def refusal(tx: Reading, clock: Clock, limit: Limit, key: str) -> Exhausted | None:
    """The refusal where `key` has used the limit up already; counts nothing."""
    now = clock.now()
    seen = await throttle.read(tx, limit.bucket, key, now)
    return _refusal(limit, seen, now) if seen.hits >= limit.most else None


async def count(tx: Transaction, clock: Clock, limit: Limit, key: str) -> Exhausted | None:
    """Count one event of `key`; the refusal where it is one too many."""
    now = clock.now()
    seen = await throttle.add(tx, limit.bucket, key, now, limit.window)
    return _refusal(limit, seen, now) if seen.hits > limit.most else None


async def take_back(tx: Transaction, limit: Limit, key: str) -> None:
    """Forget one event that was counted for `key`, since it was none after all."""
    await throttle.take_back(tx, limit.bucket, key)


async def forgive(tx: Transaction, limit: Limit, key: str) -> None:
    """Forget what was counted for `key`, as after a sign-in that worked."""
    await throttle.clear(tx, limit.bucket, key)


def _refusal(limit: Limit, seen: Count, now: float) -> Exhausted:
    wait = max(math.ceil(seen.until - now), 1)
    return Exhausted(f"{limit.what}: wait {wait} s", retry_after=wait)
