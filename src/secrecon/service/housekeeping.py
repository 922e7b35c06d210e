"""What is kept only for a while: sessions, counters against guessing, deliveries that ended, answers under an Idempotency-Key."""

from __future__ import annotations

from secrecon.accounts import sessions
from secrecon.service.context import Context
from secrecon.service.scans import IDEMPOTENCY_SECONDS
from secrecon.store import idempotency, throttle, webhooks

DELIVERIES_SECONDS = 30 * 86_400.0


async def tidy(ctx: Context) -> int:
    """Forget what is over; how many rows that were."""
    now = ctx.clock.now()
    async with ctx.db.transaction() as tx:
        gone = await sessions.sweep(tx, ctx.clock)
        gone += await throttle.sweep(tx, now)
        gone += await webhooks.remove_old(tx, now - DELIVERIES_SECONDS)
        gone += await idempotency.remove_old(tx, now - IDEMPOTENCY_SECONDS)
    return gone
