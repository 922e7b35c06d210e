"""Accepting, watching, listing and cancelling scans. The order of checks is the contract's; nothing is charged early.

Accepting is one transaction: idempotency, credit, scan row, queue entry, all or none. Running is `service.running`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace

from secrecon.accounts import audit
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.accounts.credits import balance, month_of, take_credit
from secrecon.accounts.plans import plan_of
from secrecon.accounts.targets import find_authorization
from secrecon.model.codec import dump, load
from secrecon.model.errors import Conflict, Forbidden, InternalError, NotFound
from secrecon.model.login import checked_login
from secrecon.model.record import JsonValue, ScanEvent
from secrecon.model.scan import Budget, ScanMode, ScanSpec, ScanStatus, Touch
from secrecon.model.target import Target, parse_target
from secrecon.net.gate import screen
from secrecon.service.announce import credits_used
from secrecon.service.answers import AcceptedScan, ScanRequest, ScanSummary, StatusView
from secrecon.service.context import Context
from secrecon.service.listing import DEFAULT_LIMIT, Listing, check_limit, cut, read_cursor
from secrecon.service.people import require_api
from secrecon.service.running import ScanRunner
from secrecon.service.scan_log import LOGIN
from secrecon.store import asset_states, events, idempotency, logins, scans
from secrecon.store.database import Reading, Transaction
from secrecon.store.scans import Counts, StoredScan

NO_SCAN = "No such scan."
IDEMPOTENCY_SECONDS = 24 * 3600.0
DRAWS = 8
POLL = 0.2
WATCH_SECONDS = 24 * 3600.0
BATCH = 200
FINAL_KINDS = frozenset({"done", "error"})
NOT_AUTHORIZED = (
    "A full scan needs an authorized target, and {target} is not authorized for this account. Ask the operator to run "
    "`secrecon targets authorize EMAIL {target}`, or start a quick scan."
)


async def submit_scan(
    ctx: Context, caller: Caller, request: ScanRequest, idempotency_key: str | None = None
) -> AcceptedScan:
    """Accept a scan, or say why not; what is not accepted costs nothing."""
    if request.via_api:
        require_api(ctx, caller)
    target = parse_target(request.target)
    login = checked_login(request.login, target) if request.login is not None else None
    body = _body_digest(ctx, request)
    if idempotency_key is not None:
        earlier = await _earlier(ctx, caller, idempotency_key, body)
        if earlier is not None:
            return earlier
    await screen(target, ctx.policy.allow, ctx.policy.resolver)
    async with ctx.db.transaction() as tx:
        spec = await _specify(ctx, tx, caller, request, target)
        accepted = await _draw(ctx, tx, caller, spec)
        if idempotency_key is not None:
            now = ctx.clock.now()
            since = now - IDEMPOTENCY_SECONDS
            kept = await idempotency.claim(
                tx, caller.account_id, idempotency_key, body, dump(accepted), at=now, since=since
            )
            if kept is not None:
                return _replay(kept, body)
        plan = plan_of(ctx.policy.plans, caller.plan)
        await take_credit(tx, ctx.clock, caller.account_id, plan, spec.scan_id)
        left = await balance(tx, ctx.clock, caller.account_id, plan)
        month = month_of(ctx.clock.now())
        await credits_used(ctx, tx, caller.account_id, left.limit, left.remaining or 0, month)
        await _store(ctx, tx, caller, request, spec, accepted)
        if login is not None:
            await logins.add(tx, spec.scan_id, ctx.vault.seal(dump(login), LOGIN), ctx.clock.now())
    return accepted


async def _earlier(ctx: Context, caller: Caller, key: str, body: str) -> AcceptedScan | None:
    async with ctx.db.reading() as tx:
        kept = await idempotency.find(tx, caller.account_id, key, ctx.clock.now() - IDEMPOTENCY_SECONDS)
    return None if kept is None else _replay(kept, body)


def _replay(kept: idempotency.KeptAnswer, body: str) -> AcceptedScan:
    if kept.body_digest != body:
        raise Conflict("This Idempotency-Key was used with another body in the last 24 hours. Use a new key.")
    return replace(load(AcceptedScan, kept.answer), replayed=True)


def _body_digest(ctx: Context, request: ScanRequest) -> str:
    """What tells two requests apart. With a log-in it is keyed, so that nobody can guess a password by it."""
    parts = [request.target, request.mode.value, request.via_api]
    if request.login is None:
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
    text = json.dumps([*parts, dump(request.login)]).encode("utf-8", "surrogatepass")
    return hmac.new(ctx.vault.subkey(LOGIN), text, hashlib.sha256).hexdigest()


async def _specify(ctx: Context, tx: Reading, caller: Caller, request: ScanRequest, target: Target) -> ScanSpec:
    """What the worker will be told. Active checks run only where somebody authorized the target."""
    authorized = await find_authorization(tx, ctx.clock, caller.account_id, target)
    if request.mode is ScanMode.FULL and authorized is None:
        raise Forbidden(NOT_AUTHORIZED.format(target=target.url))
    return ScanSpec(
        scan_id=ctx.draws.scan_id(),
        target=target,
        mode=request.mode,
        touch=Touch.LIGHT if authorized is None else Touch.ACTIVE,
        budget=_budget(ctx, request),
        allow=ctx.policy.allow,
        private=request.login is not None,
        authorized_by="" if authorized is None else f"{authorized.authorized_by} ({authorized.proof})",
        revisit=await asset_states.revisits(tx, caller.account_id, target.url),
    )


def _budget(ctx: Context, request: ScanRequest) -> Budget:
    budget = ctx.policy.budgets[request.mode]
    if request.max_seconds is None:
        return budget
    return replace(budget, seconds=min(budget.seconds, max(request.max_seconds, 1.0)))


async def _draw(ctx: Context, tx: Reading, caller: Caller, spec: ScanSpec) -> AcceptedScan:
    """The answer, with a report id that nobody has."""
    for _ in range(DRAWS):
        number = ctx.draws.db_scan_id()
        if await scans.by_db_id(tx, number) is None:
            return AcceptedScan(
                scan_id=spec.scan_id,
                db_scan_id=number,
                target=spec.target.url,
                status=ScanStatus.RUNNING,
                plan=caller.plan,
            )
    raise InternalError(f"{DRAWS} random report ids in a row were taken: the random source is broken")


async def _store(
    ctx: Context, tx: Transaction, caller: Caller, request: ScanRequest, spec: ScanSpec, accepted: AcceptedScan
) -> None:
    await scans.add(
        tx,
        account_id=caller.account_id,
        db_scan_id=accepted.db_scan_id,
        spec=spec,
        engine=ctx.engine.info,
        via_api=request.via_api,
        at=ctx.clock.now(),
    )
    await ctx.queue.enqueue(tx, spec.scan_id, caller.account_id)
    detail: dict[str, JsonValue] = {"target": spec.target.url, "mode": spec.mode.value, "touch": spec.touch.value}
    if request.login is not None:
        detail["login"] = request.login.told
    await audit.record(tx, ctx.clock, caller, Action.SCAN_SUBMITTED, spec.scan_id, detail)


def is_scan_id(text: str) -> bool:
    """True for what can be a scan_id at all: 32 lower-case hex characters."""
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


async def find_scan(tx: Reading, scan_id: str) -> StoredScan:
    """The scan's row. Raises NotFound, the same for what is unknown and what cannot be an id."""
    scan = await scans.by_scan_id(tx, scan_id) if is_scan_id(scan_id) else None
    if scan is None:
        raise NotFound(NO_SCAN)
    return scan


async def read_status(ctx: Context, scan_id: str) -> StatusView:
    """Where a scan is. Knowing its scan_id is the right to ask."""
    async with ctx.db.reading() as tx:
        scan = await find_scan(tx, scan_id)
        counts = await scans.counts(tx, scan_id)
    return _view(scan, counts)


async def cancel_scan(ctx: Context, caller: Caller, scan_id: str) -> StatusView:
    """Ask a scan of the caller's account to stop soon. Asking again, or after its end, changes nothing."""
    async with ctx.db.transaction() as tx:
        scan = await find_scan(tx, scan_id)
        if scan.account_id != caller.account_id:
            raise NotFound(NO_SCAN)
        if await scans.request_cancel(tx, scan_id, ctx.clock.now()):
            await audit.record(tx, ctx.clock, caller, Action.SCAN_CANCELLED, scan_id)
    if not scan.status.is_final and await ctx.queue.withdraw(scan_id):
        await ScanRunner(ctx).finish(scan_id)  # no worker will come for it
    ctx.bell.ring(scan_id)
    return await read_status(ctx, scan_id)


async def list_scans(
    ctx: Context, caller: Caller, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Listing[ScanSummary]:
    """The account's scans, newest first."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        rows = await scans.list_of(tx, caller.account_id, before, limit + 1)
    return cut(rows, limit, lambda row: row.id, _summary)


async def events_after(ctx: Context, scan_id: str, seq: int, limit: int = BATCH) -> tuple[ScanEvent, ...]:
    """At most `limit` events that follow `seq`, in order. Raises NotFound for an unknown scan."""
    async with ctx.db.reading() as tx:
        found = await events.after(tx, scan_id, seq, limit)
        if not found:
            await find_scan(tx, scan_id)
    return found


async def read_watchable(ctx: Context, scan_id: str, client: str = "") -> StatusView:
    """The status of a scan that somebody wants to watch live. Raises Exhausted where there is no room for one more."""
    ctx.bell.check_room(client)
    return await read_status(ctx, scan_id)


async def watch(ctx: Context, scan_id: str, after_seq: int = 0, client: str = "") -> AsyncIterator[ScanEvent]:
    """Every event that follows `after_seq`, as it comes; ends after the final one (and what already follows it)."""
    async with ctx.db.reading() as tx:
        ended = (await find_scan(tx, scan_id)).status.is_final
    seq, until = after_seq, ctx.clock.monotonic() + WATCH_SECONDS
    with ctx.bell.watcher(client):
        while ctx.clock.monotonic() < until:
            async with ctx.db.reading() as tx:
                found = await events.after(tx, scan_id, seq, BATCH)
            for event in found:
                seq = event.seq
                ended = ended or event.kind in FINAL_KINDS
                yield event
            if len(found) == BATCH:
                continue
            if ended:
                return
            await ctx.bell.wait(scan_id, POLL)


def _view(scan: StoredScan, counts: Counts) -> StatusView:
    return StatusView(
        scan_id=scan.scan_id,
        db_scan_id=scan.db_scan_id,
        target=scan.spec.target.url,
        mode=scan.spec.mode,
        status=scan.status,
        phase=scan.phase,
        current_message=scan.message,
        current_progress=scan.percent,
        vulnerabilities_found=counts.vulnerabilities,
        findings_total=counts.findings,
        services_found=counts.services,
        assets_found=counts.assets,
        interactions=counts.interactions,
        requests=scan.requests,
        received=scan.received,
        attempts=counts.attempts,
        stopping=scan.cancel_requested is not None and not scan.status.is_final,
        cancelled=scan.cancelled,
        error=scan.error,
        not_run=scan.not_run,
        oast_self_test=scan.self_test,
        created=scan.created,
        started=scan.started,
        finished=scan.finished,
        last_seq=scan.last_seq,
    )


def _summary(scan: StoredScan) -> ScanSummary:
    return ScanSummary(
        scan_id=scan.scan_id,
        db_scan_id=scan.db_scan_id,
        target=scan.spec.target.url,
        mode=scan.spec.mode,
        status=scan.status,
        cancelled=scan.cancelled,
        progress=scan.percent,
        via_api=scan.via_api,
        archived=scan.archived is not None,
        pinned=scan.pinned,
        version=scan.version,
        created=scan.created,
        finished=scan.finished,
    )
