"""Webhooks of an account: made, changed, rotated, tried, looked through, replayed, removed. Sending is elsewhere.

A webhook of another account is one that does not exist. A secret is shown when it is made, and never again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from secrecon.accounts import audit
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.accounts.webhook_secret import PURPOSE, draw_webhook_secret
from secrecon.model.errors import BadInput, Conflict, NotFound, TargetError
from secrecon.model.record import JsonValue
from secrecon.model.webhook import CHOICES, Delivery, HookEvent, Webhook, parse_hook_url
from secrecon.service.announce import OUTBOX, message_of, new_message_id
from secrecon.service.context import Context
from secrecon.service.listing import DEFAULT_LIMIT, Listing, check_limit, cut, read_cursor
from secrecon.store import webhooks
from secrecon.store.database import Reading, Transaction

MOST = 20
MAX_NAME = 100
OVERLAP = 86_400.0
BY_USER = "switched off by a user"


@dataclass(frozen=True, slots=True)
class NewSecret:
    """The only time that `secret` is seen."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class HookChange:
    """What to change; None leaves it as it is."""

    name: str | None = None
    url: str | None = None
    events: tuple[str, ...] | None = None
    enabled: bool | None = None


async def list_webhooks(ctx: Context, caller: Caller) -> tuple[Webhook, ...]:
    """The account's webhooks, oldest first."""
    async with ctx.db.reading() as tx:
        return await webhooks.list_of(tx, caller.account_id)


async def create_webhook(ctx: Context, caller: Caller, name: str, url: str, events: Sequence[str]) -> NewSecret:
    """A new webhook with its secret. Raises BadInput, ScopeRefused for a place it must not reach, Conflict over the limit."""
    name, url, kinds = _name(name), await _url(ctx, url), _events(events)
    secret = draw_webhook_secret()
    async with ctx.db.transaction() as tx:
        if len(await webhooks.list_of(tx, caller.account_id)) >= MOST:
            raise Conflict(f"an account has at most {MOST} webhooks: remove one first")
        sealed = ctx.vault.seal(secret, PURPOSE)
        new = await webhooks.add(tx, caller.account_id, name, url, kinds, sealed, ctx.clock.now())
        await _audit(
            ctx, tx, caller, Action.WEBHOOK_CREATED, new, {"place": _place(url), "events": [k.value for k in kinds]}
        )
        return NewSecret(await _own(tx, caller, new), secret)


async def change_webhook(ctx: Context, caller: Caller, hook_id: int, wish: HookChange) -> Webhook:
    """Change a webhook. Switching it on again lets what still waits go out. Raises as `create_webhook`, and NotFound."""
    async with ctx.db.reading() as tx:
        await _own(tx, caller, hook_id)
    url = None if wish.url is None else await _url(ctx, wish.url)
    async with ctx.db.transaction() as tx:
        hook = await _held(tx, caller, hook_id)
        if wish.name is not None:
            hook = replace(hook, name=_name(wish.name))
        if url is not None:
            hook = replace(hook, url=url)
        if wish.events is not None:
            hook = replace(hook, events=_events(wish.events))
        if wish.enabled is not None and wish.enabled != (hook.disabled is None):
            off = None if wish.enabled else ctx.clock.now()
            hook = replace(hook, disabled=off, disabled_why="" if wish.enabled else BY_USER)
        await webhooks.change(tx, hook)
        on: JsonValue = hook.disabled is None
        await _audit(ctx, tx, caller, Action.WEBHOOK_CHANGED, hook_id, {"place": _place(hook.url), "enabled": on})
    ctx.bell.ring(OUTBOX)
    return hook


async def rotate_webhook(ctx: Context, caller: Caller, hook_id: int) -> NewSecret:
    """A new secret. For a day messages are signed with the old one too, so that no receiver has to hurry."""
    secret = draw_webhook_secret()
    async with ctx.db.transaction() as tx:
        old = await _held(tx, caller, hook_id)
        hook = replace(
            old,
            secret=ctx.vault.seal(secret, PURPOSE),
            old_secret=old.secret,
            old_until=ctx.clock.now() + OVERLAP,
        )
        await webhooks.change(tx, hook)
        await _audit(ctx, tx, caller, Action.WEBHOOK_ROTATED, hook_id)
    return NewSecret(hook, secret)


async def remove_webhook(ctx: Context, caller: Caller, hook_id: int) -> None:
    """Remove a webhook with its log. Raises NotFound."""
    async with ctx.db.transaction() as tx:
        if not await webhooks.remove(tx, caller.account_id, hook_id):
            raise _none()
        await _audit(ctx, tx, caller, Action.WEBHOOK_REMOVED, hook_id)


async def try_webhook(ctx: Context, caller: Caller, hook_id: int) -> Delivery:
    """Put a test message into the webhook's outbox. Raises NotFound, and Conflict where it is switched off."""
    async with ctx.db.transaction() as tx:
        hook = await _own(tx, caller, hook_id)
        if hook.disabled is not None:
            raise Conflict("the webhook is switched off: switch it on before you try it")
        body = message_of(ctx, HookEvent.TEST, {"webhook": hook.name, "message": "This is a test."})
        await webhooks.put(tx, hook.id, new_message_id(), HookEvent.TEST, body, ctx.clock.now())
        (made,) = await webhooks.deliveries(tx, hook.id, None, 1)
    ctx.bell.ring(OUTBOX)
    return made


async def list_deliveries(
    ctx: Context, caller: Caller, hook_id: int, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Listing[Delivery]:
    """A webhook's log, newest first. Raises NotFound, BadInput."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        hook = await _own(tx, caller, hook_id)
        rows = await webhooks.deliveries(tx, hook.id, before, limit + 1)
    return cut(rows, limit, lambda delivery: delivery.id, lambda delivery: delivery)


async def replay_delivery(ctx: Context, caller: Caller, hook_id: int, delivery_id: int) -> Delivery:
    """Send a message again, under the id it had. Raises NotFound; Conflict where it still waits or the webhook is off."""
    async with ctx.db.transaction() as tx:
        hook = await _own(tx, caller, hook_id)
        found = await webhooks.delivery(tx, hook.id, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        if hook.disabled is not None:
            raise Conflict("the webhook is switched off: switch it on before you replay")
        if found.next_try is not None:
            raise Conflict("the message still waits to be sent: there is nothing to replay yet")
        again = replace(found, tries=0, next_try=ctx.clock.now(), delivered=None)
        await webhooks.note(tx, again)
    ctx.bell.ring(OUTBOX)
    return again


async def _own(tx: Reading, caller: Caller, hook_id: int) -> Webhook:
    found = await webhooks.by_id(tx, caller.account_id, hook_id)
    if found is None:
        raise _none()
    return found


async def _held(tx: Transaction, caller: Caller, hook_id: int) -> Webhook:
    found = await webhooks.locked(tx, caller.account_id, hook_id)
    if found is None:
        raise _none()
    return found


def _none() -> NotFound:
    return NotFound("There is no such webhook.")


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise BadInput(f"a webhook needs a name of 1 to {MAX_NAME} printable characters", "name")
    return name


def _events(events: Sequence[str]) -> tuple[HookEvent, ...]:
    known = {kind.value: kind for kind in CHOICES}
    unknown = [name for name in events if name not in known]
    if unknown or not events:
        raise BadInput(f"events must name one or more of {', '.join(known)}", "events")
    return tuple(known[name] for name in dict.fromkeys(events))


def _place(url: str) -> str:
    """Where a webhook goes, for the audit log: of many services the path is what lets one post there."""
    parsed = parse_hook_url(url)
    return str(replace(parsed, target="/"))


async def _url(ctx: Context, text: str) -> str:
    """The URL where a webhook may go there. A name that cannot be looked up now is judged again at every delivery."""
    url = parse_hook_url(text.strip())
    try:
        await ctx.hooks.judge(url)
    except TargetError:
        return str(url)
    return str(url)


async def _audit(
    ctx: Context,
    tx: Transaction,
    caller: Caller,
    action: Action,
    hook_id: int,
    detail: Mapping[str, JsonValue] | None = None,
) -> None:
    await audit.record(tx, ctx.clock, caller, action, str(hook_id), detail)
