"""Users, sessions, keys, credits and authorized targets: the use cases around who may do what.

Secrets pass through once and are stored as hashes by `accounts`. Guessing is counted per client, and the answer to a
wrong email is the answer to a wrong password.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.accounts import audit, keys, people, plans, sessions, targets, throttling
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.accounts.credits import balance
from secrecon.accounts.passwords import check_password
from secrecon.accounts.sessions import KnownSession
from secrecon.accounts.throttling import KEY_MISS, SIGN_IN_BY_CLIENT, SIGN_IN_BY_EMAIL
from secrecon.model.errors import Forbidden, NotFound
from secrecon.model.target import TargetKind, parse_target
from secrecon.service.answers import Credits, KeyView, NewKey, TargetView
from secrecon.service.context import Context
from secrecon.service.listing import DEFAULT_LIMIT, Listing, check_limit, cut, read_cursor
from secrecon.store import keys as stored_keys
from secrecon.store import targets as stored_targets
from secrecon.store import users
from secrecon.store.targets import AuthorizedTarget

WRONG_SIGN_IN = "The email or the password is wrong."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just begun: the only time that `token` is seen. `expires`: its absolute end, epoch seconds."""

    token: str
    csrf: str
    expires: float
    caller: Caller


def session_cookie(ctx: Context) -> str:
    """The name of the session cookie: bound to this host where the deployment has https."""
    return "__Host-secrecon" if ctx.policy.base_url.startswith("https://") else "secrecon"


async def sign_in(ctx: Context, email: str, password: str, client: str) -> SignedIn:
    """Begin a session. Raises Forbidden for wrong credentials, Exhausted after too many tries."""
    await _count_try(ctx, email, client)
    async with ctx.db.reading() as tx:
        user = await users.by_email(tx, email.strip().lower()) if "\0" not in email else None
        caller = await people.caller_for(tx, user, "session")
    right = await ctx.passwords.verify(None if user is None else user.password_hash, password)
    if user is None or caller is None or not right:
        await _record_failure(ctx, email, client)
        raise Forbidden(WRONG_SIGN_IN)
    fresh = await ctx.passwords.hash(password) if ctx.passwords.outdated(user.password_hash) else None
    async with ctx.db.transaction() as tx:
        if fresh is not None:
            await users.set_password(tx, user.id, fresh)
        await throttling.forgive(tx, SIGN_IN_BY_EMAIL, email.strip().lower())
        await throttling.take_back(tx, SIGN_IN_BY_CLIENT, client)
        new = await sessions.open_session(tx, ctx.clock, user)
        await audit.record(tx, ctx.clock, caller, Action.SIGNED_IN, client)
    return SignedIn(new.token, new.csrf, new.expires, caller)


async def _count_try(ctx: Context, email: str, client: str) -> None:
    """Counted before the password is looked at, so that a hundred tries at once are not all let through."""
    async with ctx.db.transaction() as tx:
        waits = await throttling.count(tx, ctx.clock, SIGN_IN_BY_CLIENT, client)
        if waits is None:
            waits = await throttling.count(tx, ctx.clock, SIGN_IN_BY_EMAIL, email.strip().lower())
    if waits is not None:
        raise waits


async def _record_failure(ctx: Context, email: str, client: str) -> None:
    async with ctx.db.transaction() as tx:
        await audit.record(tx, ctx.clock, None, Action.SIGN_IN_FAILED, email[:254], {"client": client})


async def sign_out(ctx: Context, token: str) -> None:
    """End a session; one that is over already is no error."""
    async with ctx.db.transaction() as tx:
        known = await sessions.find_session(tx, ctx.clock, token)
        await sessions.close_session(tx, token)
        if known is not None:
            await audit.record(tx, ctx.clock, known.caller, Action.SIGNED_OUT, known.caller.email)


async def find_session(ctx: Context, token: str) -> KnownSession | None:
    """The session of a token with its CSRF token; None where it is unknown or over."""
    async with ctx.db.reading() as tx:
        known = await sessions.find_session(tx, ctx.clock, token)
    if known is not None and known.touch_due:
        async with ctx.db.transaction() as tx:
            await sessions.note_use(tx, ctx.clock, token)
    return known


async def caller_from_session(ctx: Context, token: str) -> Caller | None:
    """Who is signed in with this token."""
    known = await find_session(ctx, token)
    return None if known is None else known.caller


async def caller_from_key(ctx: Context, key: str, client: str) -> Caller:
    """Whose key it is. Raises Forbidden for a bad one, and Exhausted where one client brings too many of those."""
    try:
        async with ctx.db.reading() as tx:
            known = await keys.find_key(tx, ctx.clock, key)
    except Forbidden:
        await _count_bad_key(ctx, client)
        raise
    if known.touch_due:
        async with ctx.db.transaction() as tx:
            await keys.note_use(tx, ctx.clock, known.id)
    return known.caller


async def _count_bad_key(ctx: Context, client: str) -> None:
    async with ctx.db.reading() as tx:
        waits = await throttling.refusal(tx, ctx.clock, KEY_MISS, client)
    if waits is not None:
        raise waits
    async with ctx.db.transaction() as tx:
        await throttling.count(tx, ctx.clock, KEY_MISS, client)


def require_api(ctx: Context, caller: Caller) -> None:
    """Raise Forbidden, in the documented words, where the caller's plan has no API."""
    plans.require_api(ctx.policy.plans, caller.plan)


async def create_key(ctx: Context, caller: Caller, name: str, expires: float | None = None) -> NewKey:
    """A new key for the caller's account. Raises Forbidden on a plan without the API, BadInput for a bad name."""
    require_api(ctx, caller)
    async with ctx.db.transaction() as tx:
        new = await keys.create_key(tx, ctx.clock, caller, name, expires)
        await audit.record(tx, ctx.clock, caller, Action.KEY_CREATED, new.prefix, {"name": name.strip()})
    return NewKey(new.id, new.key, new.prefix)


async def list_keys(ctx: Context, caller: Caller) -> tuple[KeyView, ...]:
    """The account's keys, revoked ones included, newest first."""
    async with ctx.db.reading() as tx:
        found = await stored_keys.list_of(tx, caller.account_id)
    return tuple(
        KeyView(key.id, key.name, key.prefix, key.created, key.expires, key.last_used, key.revoked) for key in found
    )


async def revoke_key(ctx: Context, caller: Caller, key_id: int) -> None:
    """Revoke a key of the caller's account. Raises NotFound; a revoked one stays revoked."""
    async with ctx.db.transaction() as tx:
        if not await stored_keys.revoke(tx, caller.account_id, key_id, ctx.clock.now()):
            raise NotFound("No such key.")
        await audit.record(tx, ctx.clock, caller, Action.KEY_REVOKED, str(key_id))


async def add_user(ctx: Context, email: str, password: str, plan: str, is_admin: bool = False) -> Caller:
    """A new user with an account of their own. Raises BadInput, or Conflict where the email is taken."""
    email = people.normal_email(email)
    plans.check_plan(ctx.policy.plans, plan)
    check_password(password, email)
    hashed = await ctx.passwords.hash(password)
    async with ctx.db.transaction() as tx:
        user = await people.add_user(tx, ctx.clock, email, hashed, plan, is_admin=is_admin)
        caller = Caller(user.account_id, user.email, plan, "operator", is_admin, user.id)
        await audit.record(tx, ctx.clock, caller, Action.USER_ADDED, email, {"plan": plan, "is_admin": is_admin})
    return caller


async def operator_for(ctx: Context, email: str) -> Caller:
    """The operator acting for the account of `email`, as the command line does. Raises NotFound."""
    async with ctx.db.reading() as tx:
        caller = await people.operator_for(tx, email)
    if caller is None:
        raise NotFound(f"No user has the email {email}. Add one with `secrecon users add`.")
    return caller


async def set_reports_need_key(ctx: Context, caller: Caller, needed: bool) -> None:
    """Whether reports of the account's API scans need its key or session, or can be read by link."""
    async with ctx.db.transaction() as tx:
        await users.set_reports_need_key(tx, caller.account_id, needed)
        await audit.record(
            tx, ctx.clock, caller, Action.REPORTS_NEED_KEY_CHANGED, caller.email, {"reports_need_key": needed}
        )


async def reports_need_key(ctx: Context, caller: Caller) -> bool:
    """The account's own switch."""
    async with ctx.db.reading() as tx:
        account = await users.account(tx, caller.account_id)
    return account is not None and account.reports_need_key


async def read_credits(ctx: Context, caller: Caller) -> Credits:
    """This month's credits."""
    plan = plans.plan_of(ctx.policy.plans, caller.plan)
    async with ctx.db.reading() as tx:
        found = await balance(tx, ctx.clock, caller.account_id, plan)
    return Credits(found.plan, found.limit, found.used, found.remaining, found.resets_at)


async def authorize_target(
    ctx: Context, operator: Caller, email: str, target: str, not_after: float | None = None
) -> TargetView:
    """Allow active checks of `target` for the account of `email`; the operator's and admins' right alone."""
    if operator.via != "operator" and not operator.is_admin:
        raise Forbidden("Only the operator or an administrator can authorize a target.")
    wanted = parse_target(target)
    owner = await operator_for(ctx, email)
    async with ctx.db.transaction() as tx:
        new = await targets.authorize(
            tx, ctx.clock, owner.account_id, wanted, targets.Proof.OPERATOR, operator.email, not_after=not_after
        )
        detail = {"account": owner.email, "proof": new.proof}
        await audit.record(tx, ctx.clock, operator, Action.TARGET_AUTHORIZED, wanted.url, {**detail})
    return _target(new)


async def list_targets(
    ctx: Context, caller: Caller, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Listing[TargetView]:
    """The targets that the account may check actively, newest first."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        every = await stored_targets.list_of(tx, caller.account_id)
    rows = [row for row in every if before is None or row.id < before]
    return cut(rows[: limit + 1], limit, lambda row: row.id, _target)


def _target(row: AuthorizedTarget) -> TargetView:
    return TargetView(
        id=row.id,
        target=row.target.host if row.target.kind is TargetKind.ORGANISATION else row.target.url,
        method=row.proof,
        authorized_by=row.authorized_by,
        created=row.created,
        not_after=row.not_after,
    )
