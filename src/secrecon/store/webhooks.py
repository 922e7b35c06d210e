"""Webhooks and their outbox. A message is written in the transaction of what it tells, so that neither is without the other.

A delivery that is due is claimed by moving its `next_try` on, which only one of many workers can do; whoever claimed it and
died is followed by the next one when that time has come. So a message arrives at least once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from secrecon.model.webhook import Delivery, HookEvent, Webhook
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import digest, storable
from secrecon.store.tables import user as _user
from secrecon.store.tables import webhook as _hook
from secrecon.store.tables import webhook_delivery as _delivery


async def add(
    tx: Transaction, account_id: int, name: str, url: str, events: Sequence[HookEvent], secret: str, at: float
) -> int:
    """A new webhook's id. `secret`: sealed."""
    values = {
        "account_id": account_id,
        "name": name,
        "url": url,
        "events": json.dumps(list(events)),
        "secret": secret,
        "created": at,
        "disabled_why": "",
    }
    made = await tx.connection.execute(sa.insert(_hook).values(values).returning(_hook.c.id))
    return int(made.scalar_one())


async def list_of(tx: Reading, account_id: int) -> tuple[Webhook, ...]:
    """The account's webhooks, oldest first."""
    query = sa.select(_hook).where(_hook.c.account_id == account_id).order_by(_hook.c.id)
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def by_id(tx: Reading, account_id: int, hook_id: int) -> Webhook | None:
    """None where the account has no such webhook."""
    row = (await tx.connection.execute(sa.select(_hook).where(_ours(account_id, hook_id)))).one_or_none()
    return None if row is None else _read(row)


async def locked(tx: Transaction, account_id: int, hook_id: int) -> Webhook | None:
    """The same, held until the transaction ends, so that two changes at once do not undo each other."""
    query = sa.select(_hook).where(_ours(account_id, hook_id)).with_for_update()
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else _read(row)


async def change(tx: Transaction, hook: Webhook) -> None:
    """Store what of `hook` can change: name, url, events, secrets, whether it is on."""
    values = {
        "name": hook.name,
        "url": hook.url,
        "events": json.dumps(list(hook.events)),
        "secret": hook.secret,
        "old_secret": hook.old_secret,
        "old_until": hook.old_until,
        "disabled": hook.disabled,
        "disabled_why": hook.disabled_why,
    }
    await tx.connection.execute(sa.update(_hook).where(_hook.c.id == hook.id).values(values))


async def remove(tx: Transaction, account_id: int, hook_id: int) -> bool:
    """Remove a webhook with its deliveries; False where the account has no such webhook."""
    return (await tx.connection.execute(sa.delete(_hook).where(_ours(account_id, hook_id)))).rowcount == 1


async def accounts_of_admins(tx: Reading) -> tuple[int, ...]:
    """The accounts that an operator of this installation belongs to."""
    query = sa.select(_user.c.account_id).where(_user.c.is_admin.is_(True)).distinct()
    return tuple(row.account_id for row in await tx.connection.execute(query))


async def put(
    tx: Transaction, hook_id: int, message_id: str, event: HookEvent, body: str, at: float, dedup: str = ""
) -> bool:
    """Write a message into the outbox, due now. `dedup`: of several with the same words only the first is kept."""
    mark = digest(dedup) if dedup else None
    if mark is not None:
        known = sa.select(_delivery.c.id).where(_delivery.c.webhook_id == hook_id, _delivery.c.dedup == mark)
        if (await tx.connection.execute(known)).first() is not None:
            return False
    values = {
        "webhook_id": hook_id,
        "message_id": message_id,
        "event": event.value,
        "body": body,
        "dedup": mark,
        "created": at,
        "tries": 0,
        "next_try": at,
        "last_error": "",
    }
    await tx.connection.execute(sa.insert(_delivery).values(values))
    return True


async def due(tx: Reading, at: float, limit: int, each: int) -> tuple[tuple[Delivery, Webhook], ...]:
    """Deliveries that are due, of webhooks that are on: at most `limit`, and at most `each` of one webhook."""
    turn = sa.func.row_number().over(partition_by=_delivery.c.webhook_id, order_by=_delivery.c.next_try)
    ranked = (
        sa.select(_delivery.c.id.label("delivery_id"), turn.label("turn"))
        .join(_hook, _hook.c.id == _delivery.c.webhook_id)
        .where(_delivery.c.next_try <= at, _hook.c.disabled.is_(None))
        .subquery()
    )
    first = sa.select(ranked.c.delivery_id).where(ranked.c.turn <= each).order_by(ranked.c.turn).limit(limit)
    query = sa.select(_delivery).where(_delivery.c.id.in_(first)).order_by(_delivery.c.id)
    found = [_read_delivery(row) for row in await tx.connection.execute(query)]
    wanted = {delivery.webhook_id for delivery in found}
    rows = await tx.connection.execute(sa.select(_hook).where(_hook.c.id.in_(wanted)))
    hooks = {hook.id: hook for hook in map(_read, rows)}
    return tuple((delivery, hooks[delivery.webhook_id]) for delivery in found if delivery.webhook_id in hooks)


async def claim(tx: Transaction, delivery: Delivery, until: float) -> bool:
    """Take `delivery` for this process until `until`; False where another one was quicker."""
    still = sa.and_(_delivery.c.id == delivery.id, _delivery.c.next_try == delivery.next_try)
    return (await tx.connection.execute(sa.update(_delivery).where(still).values(next_try=until))).rowcount == 1


async def note(tx: Transaction, delivery: Delivery) -> None:
    """Store how a delivery stands after a try."""
    values = {
        "tries": delivery.tries,
        "next_try": delivery.next_try,
        "delivered": delivery.delivered,
        "last_try": delivery.last_try,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }
    await tx.connection.execute(sa.update(_delivery).where(_delivery.c.id == delivery.id).values(values))


async def deliveries(tx: Reading, hook_id: int, before: int | None, limit: int) -> tuple[Delivery, ...]:
    """A webhook's deliveries, newest first."""
    query = sa.select(_delivery).where(_delivery.c.webhook_id == hook_id).order_by(_delivery.c.id.desc())
    if before is not None:
        query = query.where(_delivery.c.id < before)
    return tuple(_read_delivery(row) for row in await tx.connection.execute(query.limit(limit)))


async def delivery(tx: Reading, hook_id: int, delivery_id: int) -> Delivery | None:
    """One delivery of a webhook."""
    ours = sa.and_(_delivery.c.id == storable(delivery_id), _delivery.c.webhook_id == hook_id)
    row = (await tx.connection.execute(sa.select(_delivery).where(ours))).one_or_none()
    return None if row is None else _read_delivery(row)


async def arrived_since(tx: Reading, hook_id: int, at: float) -> bool:
    """Whether anything reached the webhook since then."""
    query = sa.select(_delivery.c.id).where(_delivery.c.webhook_id == hook_id, _delivery.c.delivered >= at).limit(1)
    return (await tx.connection.execute(query)).first() is not None


async def remove_old(tx: Transaction, before: float) -> int:
    """Forget deliveries that ended, one way or the other, and were made before then; how many."""
    over = sa.and_(_delivery.c.created < before, _delivery.c.next_try.is_(None))
    return (await tx.connection.execute(sa.delete(_delivery).where(over))).rowcount


def _ours(account_id: int, hook_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(_hook.c.id == storable(hook_id), _hook.c.account_id == account_id)


def _read(row: sa.Row[tuple[object, ...]]) -> Webhook:
    return Webhook(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        url=row.url,
        events=tuple(HookEvent(kind) for kind in json.loads(row.events)),
        secret=row.secret,
        old_secret=row.old_secret,
        old_until=row.old_until,
        created=row.created,
        disabled=row.disabled,
        disabled_why=row.disabled_why,
    )


def _read_delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        message_id=row.message_id,
        event=HookEvent(row.event),
        body=row.body,
        created=row.created,
        tries=row.tries,
        next_try=row.next_try,
        delivered=row.delivered,
        last_try=row.last_try,
        last_status=row.last_status,
        last_error=row.last_error,
    )
