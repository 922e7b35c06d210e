"""Sends what waits in the outbox: claimed, signed, posted, and written down how it went. At least once, in no order.

What fails is tried again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, a little earlier or later each time
so that a receiver that comes back is not met by all at once; then it is given up and can be replayed. A webhook that nothing
has reached for five days, or that answers 410 Gone, is switched off with the reason.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace

import structlog

from secrecon.accounts.webhook_secret import PURPOSE, signature
from secrecon.model.errors import OperatorError, ScopeRefused, SecReconError
from secrecon.model.webhook import Delivery, Webhook, parse_hook_url
from secrecon.service.announce import OUTBOX
from secrecon.service.context import Context
from secrecon.store import webhooks
from secrecon.store.database import Transaction

AGAIN = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
LEASE = 60.0
AT_ONCE = 8
OF_ONE = 2
LOOK_EVERY = 5.0
SILENT_DAYS = 5
MAX_ERROR = 500
GONE = 410
log = structlog.get_logger("secrecon.webhooks")


@dataclass(frozen=True, slots=True)
class Delivered:
    """`tried`: messages that were sent or could not be; `arrived`: those that a receiver took (a 2xx answer)."""

    tried: int
    arrived: int


class Deliverer:
    """Sends for every account. `chance`: spreads the retries."""

    def __init__(self, ctx: Context, chance: random.Random) -> None:
        self._ctx = ctx
        self._chance = chance

    async def run(self) -> None:
        """Send what is due, for ever; the bell wakes it at once, else it looks every few seconds."""
        while True:
            busy = False
            try:
                busy = (await self.deliver_due()).tried > 0
            except SecReconError as error:
                log.warning("webhooks could not be sent; it is tried again", error=str(error))
            except Exception:  # this loop sends for every account, and nobody would begin it again
                log.exception("webhooks could not be sent; it is tried again")
            if not busy:
                await self._ctx.bell.wait(OUTBOX, LOOK_EVERY)

    async def deliver_due(self) -> Delivered:
        """One round: everything that is due now, a few at a time and at most two to one webhook."""
        ctx = self._ctx
        now = ctx.clock.now()
        async with ctx.db.transaction() as tx:
            due = await webhooks.due(tx, now, AT_ONCE, OF_ONE)
            claimed = [pair for pair in due if await webhooks.claim(tx, pair[0], now + LEASE)]
        if not claimed:
            return Delivered(0, 0)
        results = await asyncio.gather(*(self._one(delivery, hook) for delivery, hook in claimed))
        return Delivered(len(results), sum(results))

    async def _one(self, delivery: Delivery, hook: Webhook) -> bool:
        """Send one message and write down how it went; whether it arrived."""
        at = self._ctx.clock.now()
        status, wait, error = await self._send(delivery, hook)
        arrived = status is not None and 200 <= status < 300
        tried = replace(
            delivery, tries=delivery.tries + 1, last_try=at, last_status=status, last_error=error[:MAX_ERROR]
        )
        if arrived:
            after = replace(tried, next_try=None, delivered=self._ctx.clock.now())
        elif tried.tries > len(AGAIN) or status == GONE:
            after = replace(tried, next_try=None)
        else:
            pause = AGAIN[tried.tries - 1] * self._chance.uniform(0.85, 1.15)
            after = replace(tried, next_try=self._ctx.clock.now() + max(pause, wait))
        async with self._ctx.db.transaction() as tx:
            await webhooks.note(tx, after)
            if not arrived:
                await self._give_up(tx, hook, after)
        return arrived

    async def _send(self, delivery: Delivery, hook: Webhook) -> tuple[int | None, float, str]:
        """(status, seconds to wait, words) of one try."""
        ctx = self._ctx
        body = delivery.body.encode()
        stamp = int(ctx.clock.now())
        try:
            keys = [ctx.vault.open(hook.secret, PURPOSE)]
            if hook.old_secret is not None and hook.old_until is not None and hook.old_until > ctx.clock.now():
                keys.append(ctx.vault.open(hook.old_secret, PURPOSE))
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "SecRecon webhooks",
                "webhook-id": delivery.message_id,
                "webhook-timestamp": str(stamp),
                "webhook-signature": signature(keys, delivery.message_id, stamp, body),
            }
            reply = await ctx.hooks.post(parse_hook_url(hook.url), headers, body)
        except ScopeRefused as error:
            return None, 0.0, f"not sent: {error}"
        except OperatorError as error:
            log.error("a webhook cannot be signed", webhook=hook.id, error=str(error))
            return None, 0.0, "not sent: its signing secret does not open on this server; rotate the secret"
        except SecReconError as error:
            return None, 0.0, str(error)
        except Exception:  # one message that we cannot handle must not keep those of every account back
            log.exception("a webhook could not be sent", webhook=hook.id)
            return None, 0.0, "not sent: an internal error of ours, which the server's log tells"
        if 200 <= reply.status < 300:
            return reply.status, 0.0, ""
        told = f": {reply.text}" if reply.text.strip() else ""
        moved = "; a redirect is not followed" if 300 <= reply.status < 400 else ""
        return reply.status, reply.retry_after, f"answered {reply.status}{moved}{told}"

    async def _give_up(self, tx: Transaction, hook: Webhook, delivery: Delivery) -> None:
        """Switch the webhook off where nothing gets through any more."""
        why = ""
        if delivery.last_status == GONE:
            why = "its receiver answered 410 Gone"
        elif delivery.next_try is None:
            since = self._ctx.clock.now() - SILENT_DAYS * 86_400
            if hook.created < since and not await webhooks.arrived_since(tx, hook.id, since):
                why = f"nothing has reached it for {SILENT_DAYS} days"
        if not why:
            return
        present = await webhooks.locked(tx, hook.account_id, hook.id)
        if present is not None and present.disabled is None:
            await webhooks.change(tx, replace(present, disabled=self._ctx.clock.now(), disabled_why=why))
            log.warning("a webhook was switched off", webhook=hook.id, reason=why)
